-- The statements that carry a store from one place to another: every row of each table that
-- `carried.TABLES` names, its columns in that order. Whole numbers have 64 bits here.

-- ---------------------------------------------------------------- out of a database

-- name: read_blueprints
SELECT project, activity, version, digest, body, findings, created_at
FROM blueprints;

-- name: read_versions
SELECT project, activity, given
FROM versions;

-- name: read_workers
SELECT project, activity, body
FROM workers;

-- name: read_endpoints
SELECT alias, url
FROM endpoints;

-- name: read_api_keys
SELECT id, hash, project, scopes, roles, description, created_at, expires_at
FROM api_keys;

-- name: read_limits
SELECT project, max_running, starts_per_second, max_open_calls, max_stored_bytes
FROM limits;

-- name: read_executions
SELECT n, id, shard::bigint, project, activity, version, status, state, key, labels::text, seq,
  wake, started_at, updated_at, finished_at, purge_at, parent, body
FROM executions ORDER BY n;

-- name: read_history
SELECT execution, first_seq, seq, epoch, at, hash, entries, n, status
FROM history ORDER BY n;

-- name: read_names
SELECT project, kind, scope, name, execution, digest, answer, expires
FROM names;

-- name: read_inbox
SELECT n, shard::bigint, execution, kind, dedupe, body, at
FROM inbox ORDER BY n;

-- name: read_tasks
SELECT execution, task, visit, project, activity, queue, kind, assigned_to, status, since, due,
  claimed_by, lease_until
FROM tasks;

-- name: read_batches
SELECT id, project, body, status, progress, created_at, updated_at
FROM batches;

-- name: read_early
SELECT n, project, activity, key, name, body, id, created_at, expires_at
FROM early ORDER BY n;

-- name: read_forgotten
SELECT project, n
FROM forgotten;

-- name: read_tallies
SELECT project, activity, version, status, sum(count)::bigint
FROM tallies GROUP BY project, activity, version, status;

-- name: read_sizes
SELECT project, sum(bytes)::bigint
FROM sizes GROUP BY project;

-- name: take_time
-- A copy may take longer than a list, and stand still longer than a commit.
SELECT set_config('statement_timeout', '0', true),
  set_config('idle_in_transaction_session_timeout', '600000', true);

-- name: highest_epoch
SELECT max(epoch) FROM shards;

-- name: number
-- The highest that was given; a sequence is ahead of every snapshot.
SELECT coalesce(pg_sequence_last_value(pg_get_serial_sequence(
  quote_ident(current_schema()) || '.' || :name::text, 'n')::regclass), 0);

-- ---------------------------------------------------------------- into a database

-- name: is_filled
-- Whether there is anything that a server or an operator put there.
SELECT EXISTS (SELECT 1 FROM blueprints)
  OR EXISTS (SELECT 1 FROM versions)
  OR EXISTS (SELECT 1 FROM workers)
  OR EXISTS (SELECT 1 FROM endpoints)
  OR EXISTS (SELECT 1 FROM api_keys)
  OR EXISTS (SELECT 1 FROM limits)
  OR EXISTS (SELECT 1 FROM executions)
  OR EXISTS (SELECT 1 FROM history)
  OR EXISTS (SELECT 1 FROM names)
  OR EXISTS (SELECT 1 FROM inbox)
  OR EXISTS (SELECT 1 FROM tasks)
  OR EXISTS (SELECT 1 FROM batches)
  OR EXISTS (SELECT 1 FROM early)
  OR EXISTS (SELECT 1 FROM forgotten);

-- name: clear
-- What an unfinished move left.
TRUNCATE blueprints, versions, workers, endpoints, api_keys, limits, executions, history, names,
  inbox, tasks, batches, early, forgotten, tallies, sizes, wakes RESTART IDENTITY;

-- name: clear_facts
DELETE FROM meta WHERE k IN ('server_key', 'move', 'moving', 'moved');

-- name: clear_sizes
-- The triggers have weighed some of it.
DELETE FROM sizes;

-- name: make_wakes
INSERT INTO wakes (execution, shard, wake, n)
SELECT id, shard, wake, n FROM executions WHERE wake IS NOT NULL;

-- name: set_number
-- Beyond every number that was given.
SELECT setval(pg_get_serial_sequence(
  quote_ident(current_schema()) || '.' || :name::text, 'n')::regclass,
  greatest(1, :number::bigint), :number::bigint > 0);

-- name: raise_epochs
-- Above all that this database knew, and above all that what is carried knew.
UPDATE shards SET owner = NULL, epoch = greatest(
  (SELECT max(epoch) FROM shards), :least::bigint) + 1;

-- name: new_line
-- Another order of commits, whose next number is above every one that was given.
UPDATE commit_line SET line = :line::text, base = greatest(base, 1
  - pg_current_xact_id()::text::bigint + (greatest(
    (SELECT coalesce(max(n), 0) FROM history), (SELECT coalesce(max(n), 0) FROM executions),
    (SELECT coalesce(max(n), 0) FROM forgotten)) >> 20));

-- name: analyze
-- So that lists are planned for what is there now.
ANALYZE executions, history, wakes, names, inbox, tasks, early;

-- name: set_server_key
INSERT INTO meta (k, v) VALUES ('server_key', :key::text)
ON CONFLICT (k) DO UPDATE SET v = excluded.v;

-- name: counts
SELECT (SELECT count(*) FROM executions), (SELECT count(*) FROM history);

-- name: newest_change
SELECT at FROM history ORDER BY n DESC LIMIT 1;

-- name: give_kept_name
-- For `set_aside.sql`, which takes no parameters.
SELECT set_config('goflow.kept', :name::text, true),
  set_config('goflow.tables', :tables::text, true);

-- ---------------------------------------------------------------- marks

-- name: put_mark
INSERT INTO meta (k, v) VALUES (:name::text, :text::text)
ON CONFLICT (k) DO UPDATE SET v = excluded.v;

-- name: drop_mark
DELETE FROM meta WHERE k = :name::text;
