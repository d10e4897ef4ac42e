-- Streams follow the order of commits: a number of it is given once, and what is gone is known.

-- What the execution's status was once the record was committed; older ones do not say.
ALTER TABLE history ADD COLUMN status TEXT;

-- The order of commits has a name. Whoever restores a backup begins another order.
CREATE TABLE commit_line (line TEXT NOT NULL) STRICT;
INSERT INTO commit_line VALUES (lower(hex(randomblob(4))));

-- The newest record of each project that was deleted.
CREATE TABLE forgotten (
  project TEXT PRIMARY KEY,
  n INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX forgotten_n ON forgotten (n);

CREATE TRIGGER executions_forgotten BEFORE DELETE ON executions BEGIN
  INSERT INTO forgotten (project, n)
  SELECT old.project, max(n) FROM history WHERE execution = old.id HAVING max(n) IS NOT NULL
  ON CONFLICT DO UPDATE SET n = max(n, excluded.n);
END;
