-- Every statement of the store that Python runs, by name. A block is `-- name: x`, comments that
-- say why, one statement. Parameters have names; a cast says what type one has.

-- ---------------------------------------------------------------- the server

-- name: settings
-- What decides whether a commit that returned is on disk, and whether this is a server to write to.
SELECT name, setting FROM pg_settings
WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit', 'synchronous_standby_names',
  'zero_damaged_pages', 'server_version_num', 'server_encoding', 'transaction_read_only',
  'transaction_isolation');

-- name: in_recovery
SELECT pg_is_in_recovery();

-- name: lock_schema
-- Held until the transaction ends: nodes that start at one moment migrate one after the other.
SELECT pg_advisory_xact_lock(:class::int, hashtext('schema ' || current_schema()));

-- name: lock_server
-- Held by the session: the only server says so. Two schemas of one database are two stores.
SELECT pg_try_advisory_lock(:class::int, hashtext('server ' || current_schema()));

-- name: share_server
-- Held by the session of every node: none of them is the only one.
SELECT pg_try_advisory_lock_shared(:class::int, hashtext('server ' || current_schema()));

-- name: lock_others_out
-- Until the transaction ends. It is had while no other session holds, or shares, the lock.
SELECT pg_try_advisory_xact_lock(:class::int, hashtext('server ' || current_schema()));

-- name: waits_for_standby
-- It is done on the primary. Ended, it would be seen, and its standby might never get it.
SELECT count(*) > 0 FROM pg_stat_activity
WHERE pid = :pid::int AND application_name = :application::text AND usename = current_user
  AND wait_event = 'SyncRep';

-- name: end_session
-- What an older session of this node still runs, it runs no more, or has committed.
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE pid = :pid::int AND application_name = :application::text AND usename = current_user;

-- ---------------------------------------------------------------- hints

-- name: channel
-- Channels are a database's: two schemas of one are two stores.
SELECT 'goflow_' || current_schema()::regnamespace::oid;

-- name: tell
SELECT pg_notify(:channel::text, :said::text);

-- name: look
SELECT 1;

-- ---------------------------------------------------------------- ownership
-- The time is the database's, unless the caller gives one.

-- name: time
SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint;

-- name: register_node
INSERT INTO nodes (node, address, version, started, lease_until)
SELECT :node::text, :address::text, :version::text, t.now, t.now + :ttl::bigint
FROM (SELECT coalesce(:now::bigint,
  (extract(epoch FROM clock_timestamp()) * 1000)::bigint) AS now) AS t;

-- name: forget_nodes
-- The lock proves that no other is there, whatever its lease says.
DELETE FROM nodes;

-- name: forget_dead_nodes
-- Without a row, a lease cannot be renewed either; for a day it can still be seen who died.
DELETE FROM nodes WHERE lease_until < coalesce(:now::bigint,
  (extract(epoch FROM clock_timestamp()) * 1000)::bigint) - 86400000;

-- name: free_all_shards
-- In the order in which commits lock them, here and below: else two could wait for each other.
WITH held AS MATERIALIZED (
  SELECT shard FROM shards WHERE owner IS NOT NULL ORDER BY shard FOR UPDATE)
UPDATE shards AS s SET owner = NULL FROM held WHERE s.shard = held.shard;

-- name: free_own_shards
UPDATE shards SET owner = NULL WHERE owner = :node::text;

-- name: heartbeat
-- No row: the lease had expired. It is never renewed, and to bury the node makes that final, even
-- when the clock goes back.
WITH t AS (SELECT coalesce(:now::bigint,
  (extract(epoch FROM clock_timestamp()) * 1000)::bigint) AS now),
renewed AS (
  UPDATE nodes SET lease_until = t.now + :ttl::bigint FROM t
  WHERE node = :node::text AND lease_until > t.now
  RETURNING node),
buried AS (
  DELETE FROM nodes USING t WHERE node = :node::text AND lease_until <= t.now)
SELECT (SELECT count(*) FROM renewed), t.now FROM t;

-- name: bury_node
DELETE FROM nodes WHERE node = :node::text;

-- name: claim
-- A shard that another node claims at this moment is passed over; the commit of its owner, which
-- holds it too, is passed over as well, and the next claim gets it.
-- One that was claimed since this began has another epoch: of a row that changed, PostgreSQL looks
-- at what is asked of it again, but not whether its new owner lives.
WITH t AS (SELECT coalesce(:now::bigint,
  (extract(epoch FROM clock_timestamp()) * 1000)::bigint) AS now),
seen AS MATERIALIZED (
  SELECT s.shard, s.epoch FROM shards AS s, t
  WHERE EXISTS (SELECT 1 FROM nodes WHERE node = :node::text AND lease_until > t.now)
    AND NOT EXISTS (SELECT 1 FROM nodes AS n WHERE n.node = s.owner AND n.lease_until > t.now)),
free AS MATERIALIZED (
  SELECT s.shard FROM shards AS s JOIN seen ON seen.shard = s.shard AND seen.epoch = s.epoch
  ORDER BY s.shard LIMIT :limit::bigint
  FOR UPDATE OF s SKIP LOCKED)
UPDATE shards AS s SET owner = :node::text, epoch = s.epoch + 1
FROM free WHERE s.shard = free.shard
RETURNING s.shard, s.epoch;

-- name: release
WITH held AS MATERIALIZED (
  SELECT shard FROM shards WHERE owner = :node::text AND shard = ANY(:shards::int[])
  ORDER BY shard FOR UPDATE)
UPDATE shards AS s SET owner = NULL FROM held
WHERE s.shard = held.shard AND s.owner = :node;

-- name: nodes
SELECT n.node, n.address, n.version, n.started, n.lease_until,
  (SELECT count(*) FROM shards AS s WHERE s.owner = n.node) AS shards
FROM nodes AS n
WHERE n.lease_until > coalesce(:now::bigint,
  (extract(epoch FROM clock_timestamp()) * 1000)::bigint)
ORDER BY n.started, n.node;

-- name: survey
-- A row for each node; the last one, without a node, is what nobody has.
WITH t AS (SELECT coalesce(:now::bigint,
  (extract(epoch FROM clock_timestamp()) * 1000)::bigint) AS now),
busy AS MATERIALIZED (
  SELECT live.shard, count(*) AS running
  FROM (SELECT shard FROM executions WHERE status = 'running' LIMIT :limit::bigint) AS live
  GROUP BY live.shard),
mail AS MATERIALIZED (
  SELECT shard, count(*) AS messages, min(at) AS oldest FROM inbox GROUP BY shard),
held AS MATERIALIZED (
  SELECT n.node, count(*) AS shards, sum(busy.running)::bigint AS running,
    sum(mail.messages)::bigint AS messages, min(mail.oldest) AS oldest
  FROM shards AS s LEFT JOIN nodes AS n ON n.node = s.owner
  LEFT JOIN busy ON busy.shard = s.shard
  LEFT JOIN mail ON mail.shard = s.shard
  GROUP BY n.node)
SELECT t.now, n.node, n.address, n.version, n.started, n.lease_until, held.shards, held.running,
  held.messages, held.oldest
FROM t CROSS JOIN nodes AS n LEFT JOIN held ON held.node = n.node
WHERE n.lease_until > t.now OR held.shards > 0
UNION ALL
SELECT t.now, NULL, '', '', NULL, NULL, held.shards, held.running, held.messages, held.oldest
FROM t CROSS JOIN held WHERE held.node IS NULL
ORDER BY 5 NULLS LAST, 2;

-- ---------------------------------------------------------------- commit

-- name: commit
-- A whole batch, or nothing: `ok` has a row if all is as the writes expect. It is one statement, so
-- that no node can be stopped with a transaction open in which it holds its shards.
-- Arrays are unnested in lists of columns: in FROM, each of them would be kept in a store of its
-- own, which costs more than all else that a small batch does.
-- `commit_bare` writes heads and records alone, as most batches do: a plan half as large begins in
-- half the time.
-- `fence`: of each shard the epoch that the writes have; a claim waits until this ends, and a commit
-- behind a claim waits for it and finds another epoch.
-- `old`: each execution at the seq that its first write follows.
WITH fence AS MATERIALIZED (
  SELECT s.shard
  FROM (SELECT unnest(:shards::int[]) AS shard, unnest(:epochs::bigint[]) AS epoch) AS asked
  JOIN shards AS s ON s.shard = asked.shard
  WHERE s.epoch = asked.epoch AND s.owner = :node::text
  ORDER BY s.shard
  FOR SHARE OF s),
here AS MATERIALIZED (
  SELECT (base + pg_current_xact_id()::text::bigint) << 20 AS n FROM commit_line),
old AS MATERIALIZED (
  SELECT e.ctid AS place, e.n, e.project, e.activity, e.version AS old_version,
    e.status AS old_status, e.wake AS old_wake, octet_length(e.body) AS old_bytes, e.shard, step.*
  FROM (
    SELECT unnest(:s_id::text[]) AS id, unnest(:s_before::bigint[]) AS before,
      unnest(:s_version::bigint[]) AS version, unnest(:s_status::text[]) AS status,
      unnest(:s_state::text[]) AS state, unnest(:s_labels::text[]) AS labels,
      unnest(:s_seq::bigint[]) AS seq, unnest(:s_wake::bigint[]) AS wake,
      unnest(:s_updated::bigint[]) AS updated_at, unnest(:s_finished::bigint[]) AS finished_at,
      unnest(:s_purge::bigint[]) AS purge_at, unnest(:s_body::bytea[]) AS body) AS step
  JOIN executions AS e ON e.id = step.id AND e.seq = step.before),
born AS MATERIALIZED (
  SELECT (SELECT n FROM here) + unnest(:b_place::bigint[]) AS n, unnest(:b_id::text[]) AS id,
    unnest(:b_shard::int[]) AS shard, unnest(:b_project::text[]) AS project,
    unnest(:b_activity::text[]) AS activity, unnest(:b_version::bigint[]) AS version,
    unnest(:b_status::text[]) AS status, unnest(:b_state::text[]) AS state,
    unnest(:b_key::text[]) AS key, unnest(:b_labels::text[]) AS labels,
    unnest(:b_seq::bigint[]) AS seq, unnest(:b_wake::bigint[]) AS wake,
    unnest(:b_started::bigint[]) AS started_at, unnest(:b_updated::bigint[]) AS updated_at,
    unnest(:b_finished::bigint[]) AS finished_at, unnest(:b_purge::bigint[]) AS purge_at,
    unnest(:b_parent::text[]) AS parent, unnest(:b_body::bytea[]) AS body),
ok AS MATERIALIZED (
  SELECT true AS yes
  WHERE (SELECT count(*) FROM fence) = cardinality(:shards::int[])
    AND (SELECT count(*) FROM old) = cardinality(:s_id::text[])
    -- not in commit_bare:
    AND NOT EXISTS (
      SELECT 1
      FROM (SELECT unnest(:n_project::text[]) AS project, unnest(:n_kind::text[]) AS kind,
        unnest(:n_scope::text[]) AS scope, unnest(:n_name::text[]) AS name) AS asked
      JOIN names AS n ON n.project = asked.project AND n.kind = asked.kind
        AND n.scope = asked.scope AND n.name = asked.name)
    -- end
    AND NOT EXISTS (SELECT 1 FROM executions AS e WHERE e.id = ANY(:b_id::text[]))
    AND NOT EXISTS (
      SELECT 1
      FROM (SELECT project, activity, version FROM born
        UNION SELECT project, activity, version FROM old WHERE version <> old_version) AS pinned
      JOIN versions AS v ON v.project = pinned.project AND v.activity = pinned.activity
        AND v.given >= pinned.version
      WHERE NOT EXISTS (SELECT 1 FROM blueprints AS b
        WHERE b.project = pinned.project AND b.activity = pinned.activity
          AND b.version = pinned.version))),
-- Changes nothing, and locks the table: who deletes a version waits until this ends, and this sees
-- what was deleted while it waited for the lock.
gate AS (DELETE FROM commit_line WHERE false),
stepped AS (
  UPDATE executions AS e
  SET version = old.version, status = old.status, state = old.state, labels = old.labels::jsonb,
    seq = old.seq, wake = old.wake, updated_at = old.updated_at, finished_at = old.finished_at,
    purge_at = old.purge_at, body = old.body
  FROM old
  WHERE e.ctid = old.place AND e.id = old.id AND e.seq = old.before AND (SELECT yes FROM ok)
  RETURNING 1),
started AS (
  INSERT INTO executions (id, n, shard, project, activity, version, status, state, key, labels, seq,
    wake, started_at, updated_at, finished_at, purge_at, parent, body)
  SELECT id, n, shard, project, activity, version, status, state, key, labels::jsonb, seq, wake,
    started_at, updated_at, finished_at, purge_at, parent, body
  FROM born WHERE (SELECT yes FROM ok)),
woken AS (
  INSERT INTO wakes AS w (execution, shard, wake, n)
  SELECT id, shard, wake, n FROM old
  WHERE wake IS NOT NULL AND wake IS DISTINCT FROM old_wake AND (SELECT yes FROM ok)
  UNION ALL SELECT id, shard, wake, n FROM born WHERE wake IS NOT NULL AND (SELECT yes FROM ok)
  ON CONFLICT (execution) DO UPDATE SET wake = excluded.wake WHERE w.wake <> excluded.wake),
unwoken AS (
  DELETE FROM wakes USING old
  WHERE execution = old.id AND old.wake IS NULL AND old.old_wake IS NOT NULL
    AND (SELECT yes FROM ok)),
recorded AS (
  INSERT INTO history (execution, first_seq, seq, epoch, at, hash, entries, n, status)
  SELECT unnest(:r_execution::text[]), unnest(:r_first::bigint[]), unnest(:r_seq::bigint[]),
    unnest(:r_epoch::bigint[]), unnest(:r_at::bigint[]), unnest(:r_hash::text[]),
    unnest(:r_entries::bytea[]), (SELECT n FROM here) + unnest(:r_place::bigint[]),
    unnest(:r_status::text[])
  WHERE (SELECT yes FROM ok)),
  -- not in commit_bare:
taken AS (
  INSERT INTO names (project, kind, scope, name, execution, digest, answer, expires)
  SELECT n.project, n.kind, n.scope, n.name, n.execution, n.digest, n.answer, n.expires
  FROM (
    SELECT unnest(:n_project::text[]) AS project, unnest(:n_kind::text[]) AS kind,
      unnest(:n_scope::text[]) AS scope, unnest(:n_name::text[]) AS name,
      unnest(:n_execution::text[]) AS execution, unnest(:n_digest::text[]) AS digest,
      unnest(:n_answer::bytea[]) AS answer, unnest(:n_expires::bigint[]) AS expires,
      unnest(:n_stays::bool[]) AS stays) AS n
  WHERE n.stays AND (SELECT yes FROM ok)
  ORDER BY n.project, n.kind, n.scope, n.name),
freed AS (
  DELETE FROM names AS n
  USING (
    SELECT unnest(:f_project::text[]) AS project, unnest(:f_kind::text[]) AS kind,
      unnest(:f_scope::text[]) AS scope, unnest(:f_name::text[]) AS name,
      unnest(:f_execution::text[]) AS execution) AS f
  WHERE n.project = f.project AND n.kind = f.kind AND n.scope = f.scope AND n.name = f.name
    AND n.execution = f.execution AND (SELECT yes FROM ok)),
applied AS (
  DELETE FROM inbox AS i
  USING (SELECT unnest(:i_n::bigint[]) AS n, unnest(:i_execution::text[]) AS execution) AS a
  WHERE i.n = a.n AND i.execution = a.execution AND (SELECT yes FROM ok)),
unqueued AS (
  DELETE FROM tasks AS t
  WHERE t.execution = ANY(:q_whose::text[])
    AND (t.execution, t.task) NOT IN (
      SELECT unnest(:q_execution::text[]), unnest(:q_task::text[]))
    AND (SELECT yes FROM ok)),
queued AS (
  INSERT INTO tasks (execution, task, visit, project, activity, queue, kind, assigned_to, status,
    since, due, claimed_by, lease_until)
  SELECT unnest(:q_execution::text[]), unnest(:q_task::text[]), unnest(:q_visit::bigint[]),
    unnest(:q_project::text[]), unnest(:q_activity::text[]), unnest(:q_queue::text[]),
    unnest(:q_kind::text[]), unnest(:q_assigned::text[]), unnest(:q_status::text[]),
    unnest(:q_since::bigint[]), unnest(:q_due::bigint[]), unnest(:q_claimed::text[]),
    unnest(:q_lease::bigint[])
  WHERE (SELECT yes FROM ok)
  ON CONFLICT (execution, task) DO UPDATE SET visit = excluded.visit, project = excluded.project,
    activity = excluded.activity, queue = excluded.queue, kind = excluded.kind,
    assigned_to = excluded.assigned_to, status = excluded.status, since = excluded.since,
    due = excluded.due, claimed_by = excluded.claimed_by, lease_until = excluded.lease_until),
  -- end
tallied AS (
  INSERT INTO tallies AS t (project, activity, version, status, lane, count)
  SELECT project, activity, version, status, :lane::int, sum(more) FROM (
    SELECT project, activity, version, status, 1 AS more FROM born
    UNION ALL SELECT project, activity, version, status, 1 FROM old
      WHERE (old_version, old_status) <> (version, status)
    UNION ALL SELECT project, activity, old_version, old_status, -1 FROM old
      WHERE (old_version, old_status) <> (version, status)) AS changed (project, activity, version,
        status, more)
  WHERE (SELECT yes FROM ok)
  GROUP BY project, activity, version, status HAVING sum(more) <> 0
  ORDER BY project, activity, version, status
  ON CONFLICT (project, activity, version, status, lane) DO UPDATE
  SET count = t.count + excluded.count),
weighed AS (
  INSERT INTO sizes AS t (project, lane, bytes)
  SELECT project, :lane::int, sum(more) FROM (
    SELECT project, octet_length(body) AS more FROM born
    UNION ALL SELECT project, octet_length(body) - old_bytes FROM old
    UNION ALL SELECT unnest(:z_project::text[]), unnest(:z_bytes::bigint[])) AS changed
  WHERE (SELECT yes FROM ok)
  GROUP BY project HAVING sum(more) <> 0
  ORDER BY project
  ON CONFLICT (project, lane) DO UPDATE SET bytes = t.bytes + excluded.bytes)
-- An execution that was deleted since `old` saw it was not stepped: dividing by nothing rolls all
-- of this back.
SELECT EXISTS (SELECT 1 FROM ok), 1 / CASE
  WHEN NOT EXISTS (SELECT 1 FROM ok) THEN 1
  WHEN (SELECT count(*) FROM stepped) = cardinality(:s_id::text[]) THEN 1
  ELSE 0 END;

-- name: epochs
SELECT shard, epoch FROM shards WHERE owner = :node::text AND shard = ANY(:shards::int[]);

-- name: standing
SELECT e.id, e.seq, e.project, e.activity, e.version
FROM unnest(:ids::text[]) AS asked (id) JOIN executions AS e ON e.id = asked.id;

-- name: holders
SELECT n.project, n.kind, n.scope, n.name, n.execution, n.digest, n.answer, n.expires
FROM unnest(:n_project::text[], :n_kind::text[], :n_scope::text[], :n_name::text[])
  AS asked (project, kind, scope, name)
JOIN names AS n ON n.project = asked.project AND n.kind = asked.kind
  AND n.scope = asked.scope AND n.name = asked.name;

-- name: free
DELETE FROM names AS n
USING unnest(:f_project::text[], :f_kind::text[], :f_scope::text[], :f_name::text[],
  :f_execution::text[]) AS f (project, kind, scope, name, execution)
WHERE n.project = f.project AND n.kind = f.kind AND n.scope = f.scope AND n.name = f.name
  AND n.execution = f.execution;

-- name: is_recorded
-- Whether a batch was committed whose answer got lost: one record of it stands for all.
SELECT EXISTS (SELECT 1 FROM history
  WHERE execution = :execution::text AND seq = :seq::bigint AND epoch = :epoch::bigint
    AND hash = :hash::text);

-- ---------------------------------------------------------------- executions

-- name: head
SELECT body FROM executions WHERE id = :execution::text;

-- name: heads
SELECT e.body FROM unnest(:ids::text[]) WITH ORDINALITY AS asked (id, place)
LEFT JOIN executions AS e ON e.id = asked.id
ORDER BY asked.place;

-- name: history
SELECT execution, first_seq, seq, at, hash, entries, epoch FROM history
WHERE execution = :execution::text AND seq > :after::bigint
ORDER BY seq LIMIT :limit::bigint;

-- name: history_sizes
-- The size of a long text is in its row: its pages are not read.
SELECT octet_length(entries) FROM history
WHERE execution = :execution::text AND seq > :after::bigint
ORDER BY seq LIMIT :limit::bigint;

-- name: history_back
-- The newest of them is the one that holds the seq in front, or the last of all.
SELECT execution, first_seq, seq, at, hash, entries, epoch FROM history
WHERE execution = :execution::text AND seq <= coalesce(
  (SELECT min(seq) FROM history
   WHERE execution = :execution::text AND seq >= :before::bigint - 1), :before::bigint)
  AND first_seq < :before::bigint
ORDER BY seq DESC LIMIT :limit::bigint;

-- name: history_back_sizes
SELECT octet_length(entries) FROM history
WHERE execution = :execution::text AND seq <= coalesce(
  (SELECT min(seq) FROM history
   WHERE execution = :execution::text AND seq >= :before::bigint - 1), :before::bigint)
  AND first_seq < :before::bigint
ORDER BY seq DESC LIMIT :limit::bigint;

-- name: commit_line
-- The name changes with the timeline, too: a standby that was promoted may lack what was read of
-- the server before, and gives its numbers to others.
SELECT line || '-' || left(pg_walfile_name(pg_current_wal_lsn()), 8) FROM commit_line;

-- name: commit_bound
-- Numbers below it are decided. What began to write behind this statement's snapshot has a higher
-- one; of what began before, the sessions are looked at, and they are looked at after the snapshot.
-- Only sessions that commit count: a long transaction of somebody else holds nothing up. Their
-- numbers have 32 bits here, and get the upper ones of the snapshot's, or those of the turn before
-- or behind: whichever is near. A number above the snapshot's end is that of one that began late.
WITH seen AS (
  SELECT base, pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS top FROM commit_line),
writing AS (
  SELECT (top & ~4294967295) | backend_xid::text::bigint AS low
  FROM pg_stat_activity, seen
  WHERE datname = current_database() AND application_name LIKE 'goflow writer %'
    AND backend_xid IS NOT NULL)
SELECT (base + least(top, (
  SELECT min(CASE WHEN low > top + 2147483648 THEN low - 4294967296
                  WHEN low < top - 2147483648 THEN low + 4294967296 ELSE low END)
  FROM writing))) << 20
FROM seen;

-- name: newest_commit
SELECT greatest(
  (SELECT coalesce(max(n), 0) FROM history WHERE n < :bound::bigint),
  (SELECT coalesce(max(n), 0) FROM forgotten WHERE n < :bound::bigint));

-- name: commit_sizes
SELECT n, octet_length(entries) FROM history
WHERE n > :after::bigint AND n < :bound::bigint
ORDER BY n LIMIT :limit::bigint;

-- name: commits
SELECT h.n, e.project, e.activity, e.key, h.status, h.execution, h.first_seq, h.seq, h.at, h.hash,
  h.entries, h.epoch
FROM history AS h JOIN executions AS e ON e.id = h.execution
WHERE h.n > :after::bigint AND h.n <= :until::bigint
ORDER BY h.n;

-- name: forgotten
SELECT project, n FROM forgotten WHERE n > :after::bigint;

-- name: live
SELECT body FROM executions
WHERE status = 'running' AND id > :after::text AND shard = ANY(:shards::int[])
ORDER BY id LIMIT :limit::bigint;

-- name: due
SELECT w.wake, w.execution, e.project
FROM wakes AS w JOIN executions AS e ON e.id = w.execution
WHERE w.wake <= :until::bigint AND w.shard = ANY(:shards::int[])
  AND (w.wake, w.n) > (:wake::bigint,
    coalesce((SELECT n FROM executions AS last WHERE id = :one::text), 0))
ORDER BY w.wake, w.n LIMIT :limit::bigint;

-- name: open_running
SELECT id, status, seq, wake, body FROM executions
WHERE status = 'running' AND id > :after::text
ORDER BY id LIMIT :limit::bigint;

-- name: open_in_status
SELECT n, status, seq, wake, body FROM executions
WHERE status = :status::text AND status NOT IN ('running', 'completed') AND n > :after::bigint
ORDER BY n LIMIT :limit::bigint;

-- name: wrong_tallies
-- One statement: both sides are of one commit. The status '' means all.
SELECT status, sum(kept)::bigint, sum(found)::bigint FROM (
  SELECT status, count AS kept, 0 AS found FROM tallies WHERE status <> 'completed'
  UNION ALL SELECT '', count, 0 FROM tallies
  UNION ALL SELECT 'running', 0, count(*) FROM executions WHERE status = 'running'
  UNION ALL SELECT status, 0, count(*) FROM executions
    WHERE status NOT IN ('running', 'completed') GROUP BY status
  UNION ALL SELECT '', 0, count(*) FROM executions) AS both_sides
GROUP BY status HAVING sum(kept) <> sum(found)
ORDER BY status;

-- name: counts
SELECT version, status, sum(count)::bigint FROM tallies
WHERE project = :project::text AND activity = :activity::text
GROUP BY version, status HAVING sum(count) > 0;

-- name: lock_execution
-- First, and by itself: the next statement sees all that was committed while this one waited.
SELECT id FROM executions
WHERE id = :execution::text AND seq = coalesce(:seq::bigint, seq) FOR UPDATE;

-- name: lock_purgeable
-- The last condition is a fence: whatever its column says, nothing that runs is purged. What another
-- node purges at this moment is left to it. Earlier rows that are long leave no room for later ones.
WITH due AS MATERIALIZED (
  SELECT id, purge_at, n FROM executions
  WHERE purge_at IS NOT NULL AND purge_at < :before::bigint AND finished_at IS NOT NULL
  ORDER BY purge_at, n LIMIT :limit::bigint
  FOR UPDATE SKIP LOCKED)
SELECT id FROM (
  SELECT due.id, due.purge_at, due.n, sum(held.records) OVER (ORDER BY due.purge_at, due.n)
    - held.records AS before
  FROM due, LATERAL (
    SELECT count(*) AS records FROM history WHERE history.execution = due.id) AS held) AS held
WHERE before < :records::bigint
ORDER BY purge_at, n;

-- name: delete_executions
-- With all that belongs to them; a name that expires outlives them until it is swept.
WITH gone AS (
  DELETE FROM executions WHERE id = ANY(:ids::text[])
  RETURNING id, project, activity, version, status, octet_length(body) AS bytes),
records AS (
  DELETE FROM history WHERE execution = ANY(:ids::text[])
  RETURNING execution, n, octet_length(entries) AS bytes),
no_wake AS (DELETE FROM wakes WHERE execution = ANY(:ids::text[])),
no_message AS (DELETE FROM inbox WHERE execution = ANY(:ids::text[])),
no_task AS (DELETE FROM tasks WHERE execution = ANY(:ids::text[])),
no_name AS (
  DELETE FROM names
  WHERE execution = ANY(:ids::text[]) AND execution <> '' AND expires IS NULL),
orphan AS (
  UPDATE names SET execution = ''
  WHERE execution = ANY(:ids::text[]) AND execution <> '' AND expires IS NOT NULL),
noted AS (
  INSERT INTO forgotten AS f (project, n)
  SELECT gone.project, max(records.n) FROM records JOIN gone ON gone.id = records.execution
  GROUP BY gone.project ORDER BY gone.project
  ON CONFLICT (project) DO UPDATE SET n = greatest(f.n, excluded.n)),
tallied AS (
  INSERT INTO tallies AS t (project, activity, version, status, lane, count)
  SELECT project, activity, version, status, 0, -count(*) FROM gone
  GROUP BY project, activity, version, status ORDER BY project, activity, version, status
  ON CONFLICT (project, activity, version, status, lane) DO UPDATE
  SET count = t.count + excluded.count),
weighed AS (
  INSERT INTO sizes AS t (project, lane, bytes)
  SELECT project, 0, -sum(bytes) FROM (
    SELECT project, bytes FROM gone
    UNION ALL SELECT gone.project, records.bytes
      FROM records JOIN gone ON gone.id = records.execution) AS weights
  GROUP BY project ORDER BY project
  ON CONFLICT (project, lane) DO UPDATE SET bytes = t.bytes + excluded.bytes)
SELECT count(*) FROM gone;

-- ---------------------------------------------------------------- figures

-- name: figures
-- Of the newest `:rows` executions: the limit bounds the work, whatever there is. Each row is
-- (what, slot, value); slot -1 is all of them together.
WITH looked AS MATERIALIZED (
  SELECT status, started_at, finished_at FROM executions
  WHERE (:project::text IS NULL OR project = :project)
    AND (:project::text IS NULL OR :activity::text IS NULL OR activity = :activity)
  ORDER BY n DESC LIMIT :rows::bigint),
ended AS MATERIALIZED (
  SELECT status, (finished_at - :since::bigint) / :slot_ms::bigint AS slot,
    greatest(0, finished_at - started_at) AS ms
  FROM looked WHERE finished_at >= :since AND finished_at < :until::bigint),
ranked AS (
  SELECT slot, ms, row_number() OVER (PARTITION BY slot ORDER BY ms) AS place,
    count(*) OVER (PARTITION BY slot) AS size
  FROM ended WHERE status = 'completed'
  UNION ALL
  SELECT -1, ms, row_number() OVER (ORDER BY ms), count(*) OVER ()
  FROM ended WHERE status = 'completed')
SELECT 'looked', count(*), min(started_at) FROM looked
UNION ALL SELECT 'started', (started_at - :since) / :slot_ms, count(*)
  FROM looked WHERE started_at >= :since AND started_at < :until GROUP BY 2
UNION ALL SELECT status, slot, count(*) FROM ended GROUP BY 1, 2
UNION ALL SELECT 'p50', slot, ms FROM ranked WHERE place = (size + 1) / 2
UNION ALL SELECT 'p95', slot, ms FROM ranked WHERE place = (size * 95 + 99) / 100;

-- name: newest_of_version
-- The inner limit bounds the work where a version has none among the newest.
SELECT id FROM (
  SELECT n, id, version, started_at FROM executions
  WHERE project = :project::text AND activity = :activity::text
  ORDER BY n DESC LIMIT :rows::bigint) AS looked
WHERE version = :version::bigint AND started_at >= :since::bigint
ORDER BY n DESC LIMIT :limit::bigint;

-- ---------------------------------------------------------------- lists
-- Each is planned for the values that it is given, so that a condition without one costs nothing
-- and the index of the others leads.

-- name: list
-- `:only` is one of the rarer statuses, which have an index.
SELECT n, body FROM executions
WHERE n >= :floor::bigint AND n < :before::bigint
  AND (:project::text IS NULL OR project = :project)
  AND (:activity::text IS NULL OR activity = :activity)
  AND (:only::text IS NULL OR status = :only)
  AND (:status::text[] IS NULL OR status = ANY(:status))
  AND (:state::text IS NULL OR state = :state)
  AND (:key::text IS NULL OR key = :key)
  AND (:since::bigint IS NULL OR started_at >= :since)
  AND (:until::bigint IS NULL OR started_at < :until)
  AND (:text::text IS NULL OR strpos(id, :text) > 0 OR strpos(key, :text) > 0)
  AND (:parent::text IS NULL OR parent = :parent)
  AND (:labels::text IS NULL OR labels @> :labels::jsonb)
ORDER BY n DESC LIMIT :limit::bigint;

-- name: floor
-- The lowest row that a page may look at, down the index that leads.
SELECT n FROM executions
WHERE n < :before::bigint
  AND (:project::text IS NULL OR project = :project)
  AND (:activity::text IS NULL OR activity = :activity)
  AND (:only::text IS NULL OR status = :only)
  AND (:key::text IS NULL OR key = :key)
  AND (:parent::text IS NULL OR parent = :parent)
ORDER BY n DESC LIMIT 1 OFFSET :rows::bigint;

-- ---------------------------------------------------------------- queued work
-- The oldest of each queue first, `:limit` at most, and the oldest of these: no queue is walked
-- beyond what the page can hold.

-- name: ready
SELECT oldest.* FROM unnest(:queues::text[]) AS asked (queue), LATERAL (
  SELECT execution, task, visit, project, activity, queue, kind, assigned_to, status, since, due,
    claimed_by, lease_until
  FROM tasks AS t
  WHERE t.status = 'queued' AND t.kind = 'pull' AND t.queue = asked.queue AND t.due <= :now::bigint
    AND (:project::text IS NULL OR t.project = :project)
  ORDER BY since, execution, task LIMIT :limit::bigint) AS oldest
ORDER BY since, execution, task LIMIT :limit;

-- name: next_due
SELECT min(next.due) FROM unnest(:queues::text[]) AS asked (queue), LATERAL (
  SELECT due FROM tasks AS t
  WHERE t.status = 'queued' AND t.kind = 'pull' AND t.queue = asked.queue AND t.due > :now::bigint
    AND (:project::text IS NULL OR t.project = :project)
  ORDER BY due LIMIT 1) AS next;

-- name: tasks
SELECT execution, task, visit, project, activity, queue, kind, assigned_to, status, since, due,
  claimed_by, lease_until
FROM tasks
WHERE (since, execution, task) > (:after_since::bigint, :after_execution::text, :after_task::text)
  AND (:execution::text IS NULL OR execution = :execution)
  AND (:assigned_to::text IS NULL OR assigned_to = :assigned_to)
  AND (:project::text IS NULL OR project = :project)
  AND (:activity::text IS NULL OR activity = :activity)
  AND (:queue::text IS NULL OR queue = :queue)
  AND (:status::text IS NULL OR status = :status)
  AND (:kind::text IS NULL OR kind = :kind)
ORDER BY since, execution, task LIMIT :limit::bigint;

-- name: task_counts
SELECT count(*) FILTER (WHERE status = 'queued'), count(*) FILTER (WHERE status = 'claimed')
FROM tasks;

-- ---------------------------------------------------------------- batches

-- name: put_batch
-- No row: there is one.
INSERT INTO batches (id, project, body, status, progress, created_at, updated_at)
VALUES (:id::text, :project::text, :body::bytea, :status::text, :progress::bytea,
  :created_at::bigint, :updated_at::bigint)
ON CONFLICT DO NOTHING;

-- name: change_batch
-- No row: it is not as it was known.
UPDATE batches
SET status = :status::text, progress = :progress::bytea, updated_at = :updated_at::bigint
WHERE id = :id::text AND status = :old_status::text AND progress = :old_progress::bytea
  AND updated_at = :old_updated::bigint;

-- name: batch
SELECT id, project, body, status, progress, created_at, updated_at FROM batches
WHERE id = :batch::text;

-- name: batches
SELECT id, project, body, status, progress, created_at, updated_at FROM batches
WHERE (created_at, id) < (:before::bigint, :before_id::text)
  AND (:project::text IS NULL OR project = :project)
ORDER BY created_at DESC, id DESC LIMIT :limit::bigint;

-- name: open_batches
SELECT id, project, body, status, progress, created_at, updated_at FROM batches
WHERE status = 'running'
ORDER BY created_at, id;

-- name: open_batch_count
SELECT count(*) FROM batches WHERE status = 'running';

-- name: sweep_batches
-- What another node sweeps at this moment is left to it, here and below.
DELETE FROM batches WHERE id IN (
  SELECT id FROM batches
  WHERE status <> 'running' AND updated_at < :before::bigint
  ORDER BY updated_at, id LIMIT :limit::bigint
  FOR UPDATE SKIP LOCKED);

-- ---------------------------------------------------------------- early events

-- name: put_early
-- No row: it is there already.
INSERT INTO early (project, activity, key, name, body, id, created_at, expires_at)
VALUES (:project::text, :activity::text, :key::text, :name::text, :body::bytea, :id::text,
  :created_at::bigint, :expires_at::bigint)
ON CONFLICT DO NOTHING;

-- name: early_keys
SELECT DISTINCT project, key FROM early WHERE expires_at > :now::bigint
ORDER BY project, key;

-- name: early
SELECT n, project, activity, key, name, body, id, created_at, expires_at FROM early
WHERE project = :project::text AND key = :key::text AND expires_at > :now::bigint
ORDER BY n LIMIT :limit::bigint;

-- name: count_early
SELECT count(*) FROM early WHERE project = :project::text AND key = :key::text;

-- name: delete_early
DELETE FROM early WHERE n = ANY(:numbers::bigint[]);

-- name: sweep_early
DELETE FROM early WHERE n IN (
  SELECT n FROM early WHERE expires_at < :before::bigint
  ORDER BY expires_at, n LIMIT :limit::bigint
  FOR UPDATE SKIP LOCKED);

-- ---------------------------------------------------------------- inbox

-- name: deliver
-- What is there already is not among the rows.
INSERT INTO inbox (shard, execution, kind, dedupe, body, at)
SELECT m.shard, m.execution, m.kind, m.dedupe, m.body, m.at
FROM unnest(:m_shard::int[], :m_execution::text[], :m_kind::text[], :m_dedupe::text[],
  :m_body::bytea[], :m_at::bigint[])
  WITH ORDINALITY AS m (shard, execution, kind, dedupe, body, at, place)
ORDER BY m.place
ON CONFLICT (execution, kind, dedupe) DO NOTHING
RETURNING execution, kind, dedupe;

-- name: drain
SELECT execution, kind, dedupe, body, at, n FROM inbox
WHERE shard = ANY(:shards::int[]) AND n > :after::bigint
ORDER BY n LIMIT :limit::bigint;

-- name: settle
-- `said` has a row if there is nothing to say, or if it is said now; a message that was answered by
-- somebody else stays.
WITH fence AS MATERIALIZED (
  SELECT 1 FROM shards
  WHERE shard = :shard::int
    AND (:epoch::bigint IS NULL OR (owner = :node::text AND epoch = :epoch)) FOR SHARE),
taken AS (
  INSERT INTO names (project, kind, scope, name, execution, digest, answer, expires)
  SELECT :project::text, :kind::text, :scope::text, :name::text, :execution::text, :digest::text,
    :answer::bytea, :expires::bigint
  FROM fence WHERE NOT :silent::bool
  ON CONFLICT DO NOTHING RETURNING 1),
said AS MATERIALIZED (
  SELECT 1 FROM taken UNION ALL SELECT 1 FROM fence WHERE :silent),
gone AS (DELETE FROM inbox USING said WHERE n = :number::bigint)
SELECT EXISTS (SELECT 1 FROM fence), EXISTS (SELECT 1 FROM said);

-- name: inbox_size
SELECT count(*) FROM inbox;

-- ---------------------------------------------------------------- names

-- name: name
SELECT project, kind, scope, name, execution, digest, answer, expires FROM names
WHERE project = :project::text AND kind = :kind::text AND scope = :scope::text
  AND name = :name::text;

-- name: names
SELECT project, kind, scope, name, execution, digest, answer, expires FROM names
WHERE project = :project::text AND kind = :kind::text AND scope = :scope::text
  AND name > :after::text
ORDER BY name LIMIT :limit::bigint;

-- name: scopes
-- One look-up for each activity, however many names there are.
SELECT project, activity FROM versions AS one
WHERE EXISTS (SELECT 1 FROM names
  WHERE names.project = one.project AND kind = :kind::text AND scope = one.activity)
ORDER BY project, activity;

-- name: put_name
-- No row: somebody has it.
INSERT INTO names (project, kind, scope, name, execution, digest, answer, expires)
VALUES (:project::text, :kind::text, :scope::text, :name::text, :execution::text, :digest::text,
  :answer::bytea, :expires::bigint)
ON CONFLICT DO NOTHING
RETURNING 1;

-- name: sweep
DELETE FROM names WHERE (project, kind, scope, name) IN (
  SELECT project, kind, scope, name FROM names
  WHERE expires IS NOT NULL AND execution = '' AND expires < :before::bigint
  ORDER BY expires, project, kind, scope, name LIMIT :limit::bigint
  FOR UPDATE SKIP LOCKED);

-- ---------------------------------------------------------------- blueprints

-- name: blueprint
SELECT project, activity, version, digest, body, findings, created_at FROM blueprints
WHERE project = :project::text AND activity = :activity::text AND version = :version::bigint;

-- name: latest_blueprint
SELECT project, activity, version, digest, body, findings, created_at FROM blueprints
WHERE project = :project::text AND activity = :activity::text
ORDER BY version DESC LIMIT 1;

-- name: blueprints
SELECT project, activity, version, digest, body, findings, created_at FROM blueprints AS b
WHERE (project, activity) > (:after_project::text, :after_activity::text)
  AND (:project::text IS NULL OR project = :project)
  AND version = (
    SELECT max(version) FROM blueprints WHERE project = b.project AND activity = b.activity)
ORDER BY project, activity LIMIT :limit::bigint;

-- name: versions
SELECT project, activity, version, digest, body, findings, created_at FROM blueprints
WHERE project = :project::text AND activity = :activity::text
ORDER BY version DESC;

-- name: lock_versions
-- One upload to an activity at a time.
INSERT INTO versions (project, activity, given) VALUES (:project::text, :activity::text, 0)
ON CONFLICT (project, activity) DO UPDATE SET given = versions.given;

-- name: give_version
UPDATE versions SET given = given + 1 WHERE project = :project::text AND activity = :activity::text
RETURNING given;

-- name: add_blueprint
INSERT INTO blueprints (project, activity, version, digest, body, findings, created_at)
VALUES (:project::text, :activity::text, :version::bigint, :digest::text, :body::bytea,
  :findings::bytea, :created_at::bigint);

-- name: pinned
SELECT 1 FROM tallies
WHERE project = :project::text AND activity = :activity::text AND version = :version::bigint
GROUP BY status HAVING sum(count) > 0 LIMIT 1;

-- name: deleted
-- Of versions that are asked for, those that were given and are not there any more.
SELECT v.project, v.activity, asked.version
FROM unnest(:v_project::text[], :v_activity::text[], :v_version::bigint[])
  AS asked (project, activity, version)
JOIN versions AS v ON v.project = asked.project AND v.activity = asked.activity
  AND v.given >= asked.version
WHERE NOT EXISTS (SELECT 1 FROM blueprints AS b
  WHERE b.project = asked.project AND b.activity = asked.activity AND b.version = asked.version);

-- name: hurry
-- Commits wait behind whoever waits for them all.
SET LOCAL lock_timeout = '2s';

-- name: lock_commits_out
LOCK TABLE commit_line IN EXCLUSIVE MODE;

-- name: forget_tallies
-- All of them add up to nothing: nobody is counted any more.
DELETE FROM tallies
WHERE project = :project::text AND activity = :activity::text AND version = :version::bigint;

-- name: delete_version
DELETE FROM blueprints
WHERE project = :project::text AND activity = :activity::text AND version = :version::bigint;

-- name: put_workers
INSERT INTO workers (project, activity, body)
VALUES (:project::text, :activity::text, :body::bytea)
ON CONFLICT (project, activity) DO UPDATE SET body = excluded.body;

-- name: workers
SELECT body FROM workers WHERE project = :project::text AND activity = :activity::text;

-- name: all_workers
SELECT project, activity, body FROM workers ORDER BY project, activity;

-- ---------------------------------------------------------------- limits

-- name: put_limits
INSERT INTO limits (project, max_running, starts_per_second, max_open_calls, max_stored_bytes)
VALUES (:project::text, :max_running::bigint, :starts_per_second::float8, :max_open_calls::bigint,
  :max_stored_bytes::bigint)
ON CONFLICT (project) DO UPDATE SET max_running = excluded.max_running,
  starts_per_second = excluded.starts_per_second, max_open_calls = excluded.max_open_calls,
  max_stored_bytes = excluded.max_stored_bytes;

-- name: delete_limits
DELETE FROM limits WHERE project = :project::text;

-- name: limits
SELECT project, max_running, starts_per_second, max_open_calls, max_stored_bytes FROM limits
ORDER BY project;

-- name: usage
-- A few rows for each blueprint version, and none for an execution.
SELECT project, sum(running)::bigint, sum(bytes)::bigint FROM (
  SELECT project, 0 AS bytes, coalesce(
    sum(count) FILTER (WHERE status NOT IN ('completed', 'failed', 'cancelled')), 0) AS running
  FROM tallies GROUP BY project HAVING sum(count) > 0
  UNION ALL SELECT project, sum(bytes), 0 FROM sizes GROUP BY project HAVING sum(bytes) > 0
  UNION ALL SELECT project, 0, 0 FROM blueprints
  UNION ALL SELECT project, 0, 0 FROM limits) AS counted
WHERE :project::text IS NULL OR project = :project
GROUP BY project ORDER BY project;

-- ---------------------------------------------------------------- settings

-- name: put_endpoint
INSERT INTO endpoints (alias, url) VALUES (:alias::text, :url::text)
ON CONFLICT (alias) DO UPDATE SET url = excluded.url;

-- name: delete_endpoint
DELETE FROM endpoints WHERE alias = :alias::text;

-- name: endpoints
SELECT alias, url FROM endpoints ORDER BY alias;

-- name: put_key
INSERT INTO api_keys (id, hash, project, scopes, roles, description, created_at, expires_at)
VALUES (:id::text, :hash::text, :project::text, :scopes::text, :roles::text, :description::text,
  :created_at::bigint, :expires_at::bigint)
ON CONFLICT (id) DO UPDATE SET hash = excluded.hash, project = excluded.project,
  scopes = excluded.scopes, roles = excluded.roles, description = excluded.description,
  created_at = excluded.created_at, expires_at = excluded.expires_at;

-- name: delete_key
DELETE FROM api_keys WHERE id = :key::text;

-- name: keys
SELECT id, hash, project, scopes, roles, description, created_at, expires_at FROM api_keys
ORDER BY id;

-- ---------------------------------------------------------------- operations

-- name: ping
-- Changes a row every time, so that the commit has something to sync. What was committed before is
-- on disk, and on the synchronous standby, once this is.
INSERT INTO meta (k, v) VALUES ('ping', '1')
ON CONFLICT (k) DO UPDATE SET v = (meta.v::bigint + 1)::text;

-- name: marks
-- What it says of moves.
SELECT k, v FROM meta WHERE k IN ('move', 'moving', 'moved');

-- name: put_server_key
INSERT INTO meta (k, v) VALUES ('server_key', :key::text) ON CONFLICT DO NOTHING;

-- name: server_key
SELECT v FROM meta WHERE k = 'server_key';

-- name: tallies
SELECT status, sum(count)::bigint FROM tallies GROUP BY status HAVING sum(count) > 0;

-- name: bytes
SELECT pg_database_size(current_database());

-- name: own_tables
SELECT table_name FROM information_schema.tables
WHERE table_schema = current_schema() AND table_type = 'BASE TABLE'
ORDER BY table_name COLLATE "C";

-- ---------------------------------------------------------------- schema

-- name: schema_name
SELECT current_schema();

-- name: create_schema_table
CREATE TABLE IF NOT EXISTS goflow_schema (
  version INTEGER PRIMARY KEY,
  sha256 TEXT NOT NULL,
  applied_at BIGINT NOT NULL
);

-- name: applied_migrations
SELECT version, sha256 FROM goflow_schema ORDER BY version;

-- name: note_migration
INSERT INTO goflow_schema (version, sha256, applied_at)
VALUES (:version::int, :digest::text, :now::bigint);

-- name: system
-- Which cluster this is: another one counts its transactions from another number.
SELECT system_identifier::text FROM pg_control_system();

-- name: line
SELECT line, system, base FROM commit_line;

-- name: first_line
INSERT INTO commit_line (line, system, base) VALUES (:line::text, :system::text, 0);

-- name: next_line
-- Above every number that was given, whatever this cluster's transactions are at.
UPDATE commit_line SET line = :line::text, system = :system::text, base = greatest(0, 1
  - pg_current_xact_id()::text::bigint + (greatest(
    (SELECT coalesce(max(n), 0) FROM history), (SELECT coalesce(max(n), 0) FROM forgotten)) >> 20));
