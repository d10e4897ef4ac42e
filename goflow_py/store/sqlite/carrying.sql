-- The statements that carry a store from one place to another: every row of each table that
-- `carried.TABLES` names, its columns in that order.

-- ---------------------------------------------------------------- out of a file

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
SELECT n, id, shard, project, activity, version, status, state, key, labels, seq, wake, started_at,
  updated_at, finished_at, purge_at, parent, body
FROM executions ORDER BY n;

-- name: read_history
-- Older records do not say their status.
SELECT h.execution, h.first_seq, h.seq, h.epoch, h.at, h.hash, h.entries, h.n,
  coalesce(h.status, e.status, '')
FROM history AS h LEFT JOIN executions AS e ON e.id = h.execution ORDER BY h.n;

-- name: read_names
SELECT project, kind, scope, name, execution, digest, answer, expires
FROM names;

-- name: read_inbox
SELECT n, shard, execution, kind, dedupe, body, at
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
SELECT project, activity, version, status, count
FROM tallies;

-- name: read_sizes
SELECT project, bytes
FROM sizes;

-- ---------------------------------------------------------------- into a file

-- name: write_blueprints
INSERT INTO blueprints (project, activity, version, digest, body, findings, created_at)
VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: write_versions
INSERT INTO versions (project, activity, given)
VALUES (?, ?, ?);

-- name: write_workers
INSERT INTO workers (project, activity, body)
VALUES (?, ?, ?);

-- name: write_endpoints
INSERT INTO endpoints (alias, url)
VALUES (?, ?);

-- name: write_api_keys
INSERT INTO api_keys (id, hash, project, scopes, roles, description, created_at, expires_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- name: write_limits
INSERT INTO limits (project, max_running, starts_per_second, max_open_calls, max_stored_bytes)
VALUES (?, ?, ?, ?, ?);

-- name: write_executions
INSERT INTO executions (n, id, shard, project, activity, version, status, state, key, labels, seq,
  wake, started_at, updated_at, finished_at, purge_at, parent, body)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: write_history
INSERT INTO history (execution, first_seq, seq, epoch, at, hash, entries, n, status)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: write_names
INSERT INTO names (project, kind, scope, name, execution, digest, answer, expires)
VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- name: write_inbox
INSERT INTO inbox (n, shard, execution, kind, dedupe, body, at)
VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: write_tasks
INSERT INTO tasks (execution, task, visit, project, activity, queue, kind, assigned_to, status,
  since, due, claimed_by, lease_until)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: write_batches
INSERT INTO batches (id, project, body, status, progress, created_at, updated_at)
VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: write_early
INSERT INTO early (n, project, activity, key, name, body, id, created_at, expires_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: write_forgotten
INSERT INTO forgotten (project, n)
VALUES (?, ?);

-- name: write_tallies
INSERT INTO tallies (project, activity, version, status, count)
VALUES (?, ?, ?, ?, ?);

-- name: write_sizes
INSERT INTO sizes (project, bytes)
VALUES (?, ?);

-- name: clear_sizes
-- The triggers have weighed some of it.
DELETE FROM sizes;

-- name: set_epochs
UPDATE shards SET owner = NULL, epoch = :epoch;

-- name: forget_number
DELETE FROM sqlite_sequence WHERE name = :name;

-- name: set_number
INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :number);

-- name: number
SELECT seq FROM sqlite_sequence WHERE name = :name;

-- ---------------------------------------------------------------- marks

-- name: put_mark
INSERT INTO meta (k, v) VALUES (:name, :text) ON CONFLICT (k) DO UPDATE SET v = excluded.v;

-- name: drop_mark
DELETE FROM meta WHERE k = :name;
