-- Gives all that goflow has here to a schema of its own, named by the setting goflow.kept. To have it
-- again, serve it there: ?search_path=NAME.
DO $$
DECLARE
  home TEXT := current_schema();
  kept TEXT := current_setting('goflow.kept');
  one TEXT;
BEGIN
  EXECUTE format('CREATE SCHEMA %I', kept);
  FOR one IN
    SELECT table_name FROM information_schema.tables
    WHERE table_schema = home
      AND table_name = ANY(string_to_array(current_setting('goflow.tables'), ','))
  LOOP
    EXECUTE format('ALTER TABLE %I.%I SET SCHEMA %I', home, one, kept);
  END LOOP;
  -- The functions of their triggers, and what these call; not those of extensions.
  FOR one IN
    SELECT p.oid::regprocedure::text FROM pg_proc AS p
    WHERE p.pronamespace = quote_ident(home)::regnamespace
      AND (p.proname = 'add_size' OR p.proname LIKE 'weigh\_%')
  LOOP
    EXECUTE format('ALTER FUNCTION %s SET SCHEMA %I', one, kept);
  END LOOP;
END $$;
