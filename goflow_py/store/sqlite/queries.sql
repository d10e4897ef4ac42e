-- Every statement of the store that Python runs, by name. A block is `-- name: x`, comments that
-- say why, one statement. Positional parameters where it is hot, named ones elsewhere.

-- ---------------------------------------------------------------- ownership

-- name: register_node
INSERT INTO nodes (node, started, lease_until) VALUES (:node, :now, :until);

-- name: forget_nodes
-- The lock file proves that no other server lives, whatever its lease says.
DELETE FROM nodes;

-- name: free_all_shards
UPDATE shards SET owner = NULL WHERE owner IS NOT NULL;

-- name: free_own_shards
UPDATE shards SET owner = NULL WHERE owner = :node;

-- name: heartbeat
-- No row: the lease had expired. It is never renewed.
UPDATE nodes SET lease_until = :until WHERE node = :node AND lease_until > :now;

-- name: bury_node
-- Makes the refusal final, even when the clock goes back.
DELETE FROM nodes WHERE node = :node;

-- name: claim
UPDATE shards SET owner = :node, epoch = epoch + 1
WHERE EXISTS (SELECT 1 FROM nodes WHERE node = :node AND lease_until > :now)
  AND shard IN (
    SELECT shard FROM shards AS free
    WHERE NOT EXISTS (SELECT 1 FROM nodes WHERE node = free.owner AND lease_until > :now)
    ORDER BY shard LIMIT :limit)
RETURNING shard, epoch;

-- name: release
UPDATE shards SET owner = NULL
WHERE owner = :node AND shard IN (SELECT value FROM json_each(:shards));

-- name: nodes
SELECT node, started, lease_until,
  (SELECT count(*) FROM shards WHERE owner = nodes.node) AS shards
FROM nodes WHERE lease_until > :now ORDER BY started, node;

-- name: survey
-- A row for each node; the last one, without a node, is what nobody has.
WITH busy AS MATERIALIZED (
  SELECT substr(id, -2) AS shard, count(*) AS running
  FROM (SELECT id FROM executions INDEXED BY executions_live WHERE status = 'running' LIMIT :limit)
  GROUP BY 1),
mail AS MATERIALIZED (
  SELECT shard, count(*) AS messages, min(at) AS oldest FROM inbox GROUP BY shard),
held AS MATERIALIZED (
  SELECT n.node, count(*) AS shards, total(busy.running) AS running,
    total(mail.messages) AS messages, min(mail.oldest) AS oldest
  FROM shards AS s LEFT JOIN nodes AS n ON n.node = s.owner
  LEFT JOIN busy ON busy.shard = printf('%02x', s.shard)
  LEFT JOIN mail ON mail.shard = s.shard
  GROUP BY n.node)
SELECT :now AS now, n.node, '' AS address, '' AS version, n.started, n.lease_until, held.shards,
  held.running, held.messages, held.oldest
FROM nodes AS n LEFT JOIN held ON held.node = n.node
WHERE n.lease_until > :now OR held.shards > 0
UNION ALL
SELECT :now, NULL, '', '', NULL, NULL, shards, running, messages, oldest
FROM held WHERE node IS NULL
ORDER BY 5 NULLS LAST, 2;

-- ---------------------------------------------------------------- commit
-- A batch reads what its writes are held against, and then runs each statement for all its rows.

-- name: standing
-- Of ``{id: shard}``. The fence: no epoch, or another one, and the write is refused. The size of a
-- blob is in its row: its pages are not read.
SELECT asked.key, s.epoch, e.n, e.seq, e.project, e.activity, e.version, e.status, e.wake,
  e.finished_at, e.purge_at, length(e.body)
FROM json_each(:asked) AS asked
LEFT JOIN shards AS s ON s.shard = asked.value AND s.owner = :node
LEFT JOIN executions AS e ON e.id = asked.key;

-- name: newest
SELECT ifnull(max(n), 0) FROM executions;

-- name: start
INSERT INTO executions (n, id, shard, project, activity, version, status, state, key, labels, seq,
  wake, started_at, updated_at, finished_at, purge_at, parent, body)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: step
-- Project, activity, key, start and parent never change.
UPDATE executions
SET version = ?, status = ?, state = ?, labels = ?, seq = ?, wake = ?, updated_at = ?,
  finished_at = ?, purge_at = ?, body = ?
WHERE n = ?;

-- name: move
-- Most steps: of what they change no index knows.
UPDATE executions SET state = ?, labels = ?, seq = ?, updated_at = ?, body = ? WHERE n = ?;

-- name: record
-- The number comes with it: SQLite would give one again whose row was deleted.
INSERT INTO history (execution, first_seq, seq, epoch, at, hash, entries, n, status)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: tally
-- Triggers do it for what is deleted.
INSERT INTO tallies (project, activity, version, status, count) VALUES (?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET count = count + excluded.count;

-- name: weigh
INSERT INTO sizes (project, bytes) VALUES (?, ?)
ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes;

-- name: take
INSERT INTO names (project, kind, scope, name, execution, digest, answer, expires)
VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- name: free
-- Nobody frees the name of another.
DELETE FROM names WHERE project = ? AND kind = ? AND scope = ? AND name = ? AND execution = ?;

-- name: queue
INSERT INTO tasks (execution, task, visit, project, activity, queue, kind, assigned_to, status,
  since, due, claimed_by, lease_until)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: unqueue
DELETE FROM tasks WHERE execution = ?;

-- name: applied
DELETE FROM inbox WHERE n = ? AND execution = ?;

-- ---------------------------------------------------------------- executions

-- name: head
SELECT body FROM executions WHERE id = ?;

-- name: heads
SELECT e.body FROM json_each(?) AS asked
LEFT JOIN executions AS e ON e.id = asked.value
ORDER BY asked.key;

-- name: history
SELECT execution, first_seq, seq, at, hash, entries, epoch FROM history
WHERE execution = :execution AND seq > :after
ORDER BY seq LIMIT :limit;

-- name: history_sizes
-- The size of a blob is in the row: its pages are not read.
SELECT length(entries) FROM history
WHERE execution = :execution AND seq > :after
ORDER BY seq LIMIT :limit;

-- name: history_back
-- The newest of them is the one that holds the seq in front, or the last of all.
SELECT execution, first_seq, seq, at, hash, entries, epoch FROM history
WHERE execution = :execution AND seq <= ifnull(
  (SELECT min(seq) FROM history WHERE execution = :execution AND seq >= :before - 1), :before)
  AND first_seq < :before
ORDER BY seq DESC LIMIT :limit;

-- name: history_back_sizes
SELECT length(entries) FROM history
WHERE execution = :execution AND seq <= ifnull(
  (SELECT min(seq) FROM history WHERE execution = :execution AND seq >= :before - 1), :before)
  AND first_seq < :before
ORDER BY seq DESC LIMIT :limit;

-- name: commit_line
SELECT line FROM commit_line LIMIT 1;

-- name: newest_commit
SELECT max(
  (SELECT ifnull(max(n), 0) FROM history), (SELECT ifnull(max(n), 0) FROM forgotten));

-- name: commit_sizes
SELECT n, length(entries) FROM history WHERE n > :after ORDER BY n LIMIT :limit;

-- name: commits
SELECT h.n, e.project, e.activity, e.key, ifnull(h.status, e.status), h.execution, h.first_seq,
  h.seq, h.at, h.hash, h.entries, h.epoch
FROM history AS h JOIN executions AS e ON e.id = h.execution
WHERE h.n > :after AND h.n <= :until
ORDER BY h.n;

-- name: forgotten
SELECT project, n FROM forgotten WHERE n > :after;

-- name: live
SELECT body FROM executions INDEXED BY executions_live
WHERE status = 'running' AND id > :after AND shard IN (SELECT value FROM json_each(:shards))
ORDER BY id LIMIT :limit;

-- name: due
-- One row for a page: at each row that it fetches, a thread waits until the loop lets go of Python.
-- In two parts: compared as (wake, n), every page of one moment would walk over those before it.
SELECT json_group_array(json_array(wake, id, project)) FROM (
  SELECT wake, n, id, project FROM executions INDEXED BY executions_wake
  WHERE wake = :wake AND wake <= :until
    AND n > coalesce((SELECT n FROM executions AS last WHERE id = :last), 0)
    AND shard IN (SELECT value FROM json_each(:shards))
  UNION ALL
  SELECT wake, n, id, project FROM executions INDEXED BY executions_wake
  WHERE wake > :wake AND wake <= :until AND shard IN (SELECT value FROM json_each(:shards))
  ORDER BY wake, n LIMIT :limit) AS held;

-- name: open_running
SELECT id, status, seq, wake, body FROM executions INDEXED BY executions_live
WHERE status = 'running' AND id > :after
ORDER BY id LIMIT :limit;

-- name: open_in_status
SELECT n, status, seq, wake, body FROM executions INDEXED BY executions_status
WHERE status = :status AND status NOT IN ('running', 'completed') AND n > :after
ORDER BY n LIMIT :limit;

-- name: wrong_tallies
-- One statement: both sides are of one commit. What is counted stays inside indexes.
SELECT status, sum(kept), sum(found) FROM (
  SELECT status, count AS kept, 0 AS found FROM tallies WHERE status <> 'completed'
  UNION ALL SELECT '', count, 0 FROM tallies
  UNION ALL SELECT 'running', 0, count(*) FROM executions INDEXED BY executions_live
    WHERE status = 'running'
  UNION ALL SELECT status, 0, count(*) FROM executions INDEXED BY executions_status
    WHERE status NOT IN ('running', 'completed') GROUP BY status
  UNION ALL SELECT '', 0, count(*) FROM executions)
GROUP BY status HAVING sum(kept) <> sum(found);

-- name: counts
SELECT version, status, count FROM tallies
WHERE project = :project AND activity = :activity AND count > 0;

-- name: purgeable
-- The second condition is a fence: whatever its column says, nothing that runs is purged.
SELECT id FROM executions INDEXED BY executions_purge
WHERE purge_at IS NOT NULL AND purge_at < :before AND finished_at IS NOT NULL
ORDER BY purge_at, n LIMIT :limit;

-- name: delete_execution
DELETE FROM executions WHERE id = :execution AND seq = coalesce(:seq, seq);

-- name: delete_history
DELETE FROM history WHERE execution = ?;

-- name: delete_names
DELETE FROM names WHERE execution = ? AND execution <> '' AND expires IS NULL;

-- name: orphan_names
-- These outlive their execution until they expire; `sweep` deletes them.
UPDATE names SET execution = '' WHERE execution = ? AND execution <> '';

-- name: delete_messages
DELETE FROM inbox WHERE execution = ?;

-- ---------------------------------------------------------------- figures
-- Of the newest `:rows` executions: the limit bounds the work, whatever the file holds. Each row is
-- (what, slot, value); slot -1 is all of them together.

-- name: figures_by_activity
-- One activity.
WITH looked AS MATERIALIZED (
  SELECT status, started_at, finished_at FROM executions INDEXED BY executions_activity
  WHERE project = :project AND activity = :activity
  ORDER BY n DESC LIMIT :rows),
ended AS MATERIALIZED (
  SELECT status, (finished_at - :since) / :slot_ms AS slot, max(0, finished_at - started_at) AS ms
  FROM looked WHERE finished_at >= :since AND finished_at < :until),
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

-- name: figures_by_project
-- One project.
WITH looked AS MATERIALIZED (
  SELECT status, started_at, finished_at FROM executions INDEXED BY executions_project
  WHERE project = :project
  ORDER BY n DESC LIMIT :rows),
ended AS MATERIALIZED (
  SELECT status, (finished_at - :since) / :slot_ms AS slot, max(0, finished_at - started_at) AS ms
  FROM looked WHERE finished_at >= :since AND finished_at < :until),
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

-- name: figures_by_all
-- All projects.
WITH looked AS MATERIALIZED (
  SELECT status, started_at, finished_at FROM executions
  ORDER BY n DESC LIMIT :rows),
ended AS MATERIALIZED (
  SELECT status, (finished_at - :since) / :slot_ms AS slot, max(0, finished_at - started_at) AS ms
  FROM looked WHERE finished_at >= :since AND finished_at < :until),
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
  SELECT n, id, version, started_at FROM executions INDEXED BY executions_activity
  WHERE project = :project AND activity = :activity
  ORDER BY n DESC LIMIT :rows)
WHERE version = :version AND started_at >= :since
ORDER BY n DESC LIMIT :limit;

-- ---------------------------------------------------------------- lists
-- One block for each index that can lead; `lists.py` chooses. The index and the limit bound the
-- work of a page without other conditions. With them `:floor` does: a page looks at so many rows
-- and no more, and may then be short, with a cursor.

-- name: list_by_key
-- A business key has few executions.
SELECT n, body FROM executions INDEXED BY executions_key
WHERE key = :key AND key IS NOT NULL AND n >= :floor AND n < :before
  AND (:project IS NULL OR project = :project)
  AND (:activity IS NULL OR activity = :activity)
  AND (:status IS NULL OR status IN (SELECT value FROM json_each(:status)))
  AND (:state IS NULL OR state = :state)
  AND (:key IS NULL OR key = :key)
  AND (:since IS NULL OR started_at >= :since)
  AND (:until IS NULL OR started_at < :until)
  AND (:text IS NULL OR instr(id, :text) > 0 OR instr(key, :text) > 0)
  AND (:parent IS NULL OR parent = :parent)
  AND (:labels IS NULL OR NOT EXISTS (
    SELECT 1 FROM json_each(:labels) AS wanted WHERE NOT EXISTS (
      SELECT 1 FROM json_each(executions.labels) AS held
      WHERE held.key = wanted.key AND held.value = wanted.value)))
ORDER BY n DESC LIMIT :limit;

-- name: floor_by_key
-- The lowest row that a page may look at.
SELECT n FROM executions INDEXED BY executions_key
WHERE key = :key AND key IS NOT NULL AND n < :before
ORDER BY n DESC LIMIT 1 OFFSET :rows;

-- name: list_by_parent
-- The children of one execution.
SELECT n, body FROM executions INDEXED BY executions_parent
WHERE parent = :parent AND parent IS NOT NULL AND n >= :floor AND n < :before
  AND (:project IS NULL OR project = :project)
  AND (:activity IS NULL OR activity = :activity)
  AND (:status IS NULL OR status IN (SELECT value FROM json_each(:status)))
  AND (:state IS NULL OR state = :state)
  AND (:key IS NULL OR key = :key)
  AND (:since IS NULL OR started_at >= :since)
  AND (:until IS NULL OR started_at < :until)
  AND (:text IS NULL OR instr(id, :text) > 0 OR instr(key, :text) > 0)
  AND (:parent IS NULL OR parent = :parent)
  AND (:labels IS NULL OR NOT EXISTS (
    SELECT 1 FROM json_each(:labels) AS wanted WHERE NOT EXISTS (
      SELECT 1 FROM json_each(executions.labels) AS held
      WHERE held.key = wanted.key AND held.value = wanted.value)))
ORDER BY n DESC LIMIT :limit;

-- name: floor_by_parent
-- The lowest row that a page may look at.
SELECT n FROM executions INDEXED BY executions_parent
WHERE parent = :parent AND parent IS NOT NULL AND n < :before
ORDER BY n DESC LIMIT 1 OFFSET :rows;

-- name: list_by_status
-- The rarer statuses; called once for each that is asked for.
SELECT n, body FROM executions INDEXED BY executions_status
WHERE status = :only AND status NOT IN ('running', 'completed') AND n >= :floor AND n < :before
  AND (:project IS NULL OR project = :project)
  AND (:activity IS NULL OR activity = :activity)
  AND (:status IS NULL OR status IN (SELECT value FROM json_each(:status)))
  AND (:state IS NULL OR state = :state)
  AND (:key IS NULL OR key = :key)
  AND (:since IS NULL OR started_at >= :since)
  AND (:until IS NULL OR started_at < :until)
  AND (:text IS NULL OR instr(id, :text) > 0 OR instr(key, :text) > 0)
  AND (:parent IS NULL OR parent = :parent)
  AND (:labels IS NULL OR NOT EXISTS (
    SELECT 1 FROM json_each(:labels) AS wanted WHERE NOT EXISTS (
      SELECT 1 FROM json_each(executions.labels) AS held
      WHERE held.key = wanted.key AND held.value = wanted.value)))
ORDER BY n DESC LIMIT :limit;

-- name: floor_by_status
-- The lowest row that a page may look at.
SELECT n FROM executions INDEXED BY executions_status
WHERE status = :only AND status NOT IN ('running', 'completed') AND n < :before
ORDER BY n DESC LIMIT 1 OFFSET :rows;

-- name: list_by_activity
-- The executions of one activity.
SELECT n, body FROM executions INDEXED BY executions_activity
WHERE project = :project AND activity = :activity AND n >= :floor AND n < :before
  AND (:project IS NULL OR project = :project)
  AND (:activity IS NULL OR activity = :activity)
  AND (:status IS NULL OR status IN (SELECT value FROM json_each(:status)))
  AND (:state IS NULL OR state = :state)
  AND (:key IS NULL OR key = :key)
  AND (:since IS NULL OR started_at >= :since)
  AND (:until IS NULL OR started_at < :until)
  AND (:text IS NULL OR instr(id, :text) > 0 OR instr(key, :text) > 0)
  AND (:parent IS NULL OR parent = :parent)
  AND (:labels IS NULL OR NOT EXISTS (
    SELECT 1 FROM json_each(:labels) AS wanted WHERE NOT EXISTS (
      SELECT 1 FROM json_each(executions.labels) AS held
      WHERE held.key = wanted.key AND held.value = wanted.value)))
ORDER BY n DESC LIMIT :limit;

-- name: floor_by_activity
-- The lowest row that a page may look at.
SELECT n FROM executions INDEXED BY executions_activity
WHERE project = :project AND activity = :activity AND n < :before
ORDER BY n DESC LIMIT 1 OFFSET :rows;

-- name: list_by_project
-- The executions of one project.
SELECT n, body FROM executions INDEXED BY executions_project
WHERE project = :project AND n >= :floor AND n < :before
  AND (:project IS NULL OR project = :project)
  AND (:activity IS NULL OR activity = :activity)
  AND (:status IS NULL OR status IN (SELECT value FROM json_each(:status)))
  AND (:state IS NULL OR state = :state)
  AND (:key IS NULL OR key = :key)
  AND (:since IS NULL OR started_at >= :since)
  AND (:until IS NULL OR started_at < :until)
  AND (:text IS NULL OR instr(id, :text) > 0 OR instr(key, :text) > 0)
  AND (:parent IS NULL OR parent = :parent)
  AND (:labels IS NULL OR NOT EXISTS (
    SELECT 1 FROM json_each(:labels) AS wanted WHERE NOT EXISTS (
      SELECT 1 FROM json_each(executions.labels) AS held
      WHERE held.key = wanted.key AND held.value = wanted.value)))
ORDER BY n DESC LIMIT :limit;

-- name: floor_by_project
-- The lowest row that a page may look at.
SELECT n FROM executions INDEXED BY executions_project
WHERE project = :project AND n < :before
ORDER BY n DESC LIMIT 1 OFFSET :rows;

-- name: list_by_all
-- Down the table itself.
SELECT n, body FROM executions
WHERE n >= :floor AND n < :before
  AND (:project IS NULL OR project = :project)
  AND (:activity IS NULL OR activity = :activity)
  AND (:status IS NULL OR status IN (SELECT value FROM json_each(:status)))
  AND (:state IS NULL OR state = :state)
  AND (:key IS NULL OR key = :key)
  AND (:since IS NULL OR started_at >= :since)
  AND (:until IS NULL OR started_at < :until)
  AND (:text IS NULL OR instr(id, :text) > 0 OR instr(key, :text) > 0)
  AND (:parent IS NULL OR parent = :parent)
  AND (:labels IS NULL OR NOT EXISTS (
    SELECT 1 FROM json_each(:labels) AS wanted WHERE NOT EXISTS (
      SELECT 1 FROM json_each(executions.labels) AS held
      WHERE held.key = wanted.key AND held.value = wanted.value)))
ORDER BY n DESC LIMIT :limit;

-- name: floor_by_all
-- The numbers have few gaps: so many numbers are at most so many rows.
SELECT max(n) - :rows FROM executions WHERE n < :before;

-- ---------------------------------------------------------------- queued work
-- The oldest of each queue first, `:limit` at most, and the oldest of these: no queue is walked
-- beyond what the page can hold.

-- name: ready
SELECT execution, task, visit, project, activity, queue, kind, assigned_to, status, since, due,
  claimed_by, lease_until
FROM json_each(:queues) AS asked CROSS JOIN tasks
WHERE (execution, task) IN (
  SELECT execution, task FROM tasks AS oldest INDEXED BY tasks_ready
  WHERE status = 'queued' AND kind = 'pull' AND queue = asked.value AND due <= :now
  ORDER BY since, execution, task LIMIT :limit)
ORDER BY since, execution, task LIMIT :limit;

-- name: ready_in_project
SELECT execution, task, visit, project, activity, queue, kind, assigned_to, status, since, due,
  claimed_by, lease_until
FROM json_each(:queues) AS asked CROSS JOIN tasks
WHERE (execution, task) IN (
  SELECT execution, task FROM tasks AS oldest INDEXED BY tasks_ready_project
  WHERE status = 'queued' AND kind = 'pull' AND project = :project AND queue = asked.value
    AND due <= :now
  ORDER BY since, execution, task LIMIT :limit)
ORDER BY since, execution, task LIMIT :limit;

-- name: next_due
SELECT min((
  SELECT due FROM tasks INDEXED BY tasks_due
  WHERE status = 'queued' AND kind = 'pull' AND queue = asked.value AND due > :now
    AND (:project IS NULL OR project = :project)
  ORDER BY due LIMIT 1))
FROM json_each(:queues) AS asked;

-- name: tasks_by_execution
-- One execution has few.
SELECT execution, task, visit, project, activity, queue, kind, assigned_to, status, since, due,
  claimed_by, lease_until
FROM tasks
WHERE execution = :execution AND (since, task) > (:after_since, :after_task)
  AND (:project IS NULL OR project = :project)
  AND (:activity IS NULL OR activity = :activity)
  AND (:queue IS NULL OR queue = :queue)
  AND (:assigned_to IS NULL OR assigned_to = :assigned_to)
  AND (:status IS NULL OR status = :status)
  AND (:kind IS NULL OR kind = :kind)
ORDER BY since, task LIMIT :limit;

-- name: tasks_by_assigned
SELECT execution, task, visit, project, activity, queue, kind, assigned_to, status, since, due,
  claimed_by, lease_until
FROM tasks INDEXED BY tasks_assigned
WHERE assigned_to = :assigned_to AND assigned_to IS NOT NULL
  AND (since, execution, task) > (:after_since, :after_execution, :after_task)
  AND (:project IS NULL OR project = :project)
  AND (:activity IS NULL OR activity = :activity)
  AND (:queue IS NULL OR queue = :queue)
  AND (:status IS NULL OR status = :status)
  AND (:kind IS NULL OR kind = :kind)
ORDER BY since, execution, task LIMIT :limit;

-- name: tasks_by_all
-- The inner one stays in its index, and what it passes over costs no look-up.
SELECT execution, task, visit, project, activity, queue, kind, assigned_to, status, since, due,
  claimed_by, lease_until
FROM tasks
WHERE (execution, task) IN (
  SELECT execution, task FROM tasks AS oldest INDEXED BY tasks_oldest
  WHERE (since, execution, task) > (:after_since, :after_execution, :after_task)
    AND (:project IS NULL OR project = :project)
    AND (:activity IS NULL OR activity = :activity)
    AND (:queue IS NULL OR queue = :queue)
    AND (:status IS NULL OR status = :status)
    AND (:kind IS NULL OR kind = :kind)
  ORDER BY since, execution, task LIMIT :limit)
ORDER BY since, execution, task;

-- name: task_counts
SELECT count(*) FILTER (WHERE status = 'queued'), count(*) FILTER (WHERE status = 'claimed')
FROM tasks INDEXED BY tasks_oldest;

-- ---------------------------------------------------------------- batches

-- name: put_batch
-- No row: there is one.
INSERT INTO batches (id, project, body, status, progress, created_at, updated_at)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING;

-- name: change_batch
-- No row: it is not as it was known.
UPDATE batches SET status = :status, progress = :progress, updated_at = :updated_at
WHERE id = :id AND status = :old_status AND progress = :old_progress AND updated_at = :old_updated;

-- name: batch
SELECT id, project, body, status, progress, created_at, updated_at FROM batches WHERE id = ?;

-- name: batches
SELECT id, project, body, status, progress, created_at, updated_at
FROM batches INDEXED BY batches_newest
WHERE (created_at, id) < (:before, :before_id)
ORDER BY created_at DESC, id DESC LIMIT :limit;

-- name: batches_in_project
SELECT id, project, body, status, progress, created_at, updated_at
FROM batches INDEXED BY batches_project
WHERE project = :project AND project IS NOT NULL AND (created_at, id) < (:before, :before_id)
ORDER BY created_at DESC, id DESC LIMIT :limit;

-- name: open_batches
SELECT id, project, body, status, progress, created_at, updated_at
FROM batches INDEXED BY batches_open
WHERE status = 'running'
ORDER BY created_at, id;

-- name: open_batch_count
SELECT count(*) FROM batches INDEXED BY batches_open WHERE status = 'running';

-- name: sweep_batches
DELETE FROM batches WHERE id IN (
  SELECT id FROM batches INDEXED BY batches_ended
  WHERE status <> 'running' AND updated_at < :before
  ORDER BY updated_at, id LIMIT :limit);

-- ---------------------------------------------------------------- early events

-- name: put_early
-- No row: it is there already.
INSERT INTO early (project, activity, key, name, body, id, created_at, expires_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING;

-- name: early_keys
SELECT DISTINCT project, key FROM early INDEXED BY early_key
WHERE expires_at > :now
ORDER BY project, key;

-- name: early
SELECT n, project, activity, key, name, body, id, created_at, expires_at
FROM early INDEXED BY early_key
WHERE project = :project AND key = :key AND expires_at > :now
ORDER BY n LIMIT :limit;

-- name: count_early
SELECT count(*) FROM early INDEXED BY early_key WHERE project = ? AND key = ?;

-- name: delete_early
DELETE FROM early WHERE n IN (SELECT value FROM json_each(?));

-- name: sweep_early
DELETE FROM early WHERE n IN (
  SELECT n FROM early INDEXED BY early_expires
  WHERE expires_at < :before
  ORDER BY expires_at, n LIMIT :limit);

-- ---------------------------------------------------------------- inbox

-- name: deliver
-- No row: it is there already.
INSERT INTO inbox (shard, execution, kind, dedupe, body, at) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (execution, kind, dedupe) DO NOTHING;

-- name: drain
SELECT execution, kind, dedupe, body, at, n FROM inbox
WHERE shard IN (SELECT value FROM json_each(:shards)) AND n > :after
ORDER BY n LIMIT :limit;

-- name: owned
SELECT 1 FROM shards WHERE shard = ? AND owner = ? AND epoch = ?;

-- name: forget_message
DELETE FROM inbox WHERE n = ?;

-- ---------------------------------------------------------------- names

-- name: name
SELECT project, kind, scope, name, execution, digest, answer, expires FROM names
WHERE project = ? AND kind = ? AND scope = ? AND name = ?;

-- name: names
SELECT project, kind, scope, name, execution, digest, answer, expires FROM names
WHERE project = ? AND kind = ? AND scope = ? AND name > ?
ORDER BY name LIMIT ?;

-- name: scopes
-- One look-up for each activity, however many names there are.
SELECT project, activity FROM versions AS one
WHERE EXISTS (SELECT 1 FROM names
  WHERE names.project = one.project AND kind = :kind AND scope = one.activity)
ORDER BY project, activity;

-- name: sweep
DELETE FROM names WHERE (project, kind, scope, name) IN (
  SELECT project, kind, scope, name FROM names INDEXED BY names_expires
  WHERE expires IS NOT NULL AND execution = '' AND expires < :before
  ORDER BY expires, project, kind, scope, name LIMIT :limit);

-- ---------------------------------------------------------------- blueprints

-- name: blueprint
SELECT project, activity, version, digest, body, findings, created_at FROM blueprints
WHERE project = ? AND activity = ? AND version = ?;

-- name: latest_blueprint
SELECT project, activity, version, digest, body, findings, created_at FROM blueprints
WHERE project = ? AND activity = ?
ORDER BY version DESC LIMIT 1;

-- name: blueprints
SELECT project, activity, version, digest, body, findings, created_at FROM blueprints AS b
WHERE (project, activity) > (:after_project, :after_activity)
  AND (:project IS NULL OR project = :project)
  AND version = (
    SELECT max(version) FROM blueprints WHERE project = b.project AND activity = b.activity)
ORDER BY project, activity LIMIT :limit;

-- name: versions
SELECT project, activity, version, digest, body, findings, created_at FROM blueprints
WHERE project = ? AND activity = ?
ORDER BY version DESC;

-- name: give_version
INSERT INTO versions (project, activity, given) VALUES (?, ?, 1)
ON CONFLICT (project, activity) DO UPDATE SET given = given + 1
RETURNING given;

-- name: add_blueprint
INSERT INTO blueprints (project, activity, version, digest, body, findings, created_at)
VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: pinned
SELECT 1 FROM tallies
WHERE project = ? AND activity = ? AND version = ? AND count > 0 LIMIT 1;

-- name: deleted
-- A version that was given, and is not there any more.
SELECT 1 FROM versions AS v
WHERE v.project = :project AND v.activity = :activity AND v.given >= :version
  AND NOT EXISTS (SELECT 1 FROM blueprints AS b
    WHERE b.project = v.project AND b.activity = v.activity AND b.version = :version);

-- name: delete_version
DELETE FROM blueprints WHERE project = ? AND activity = ? AND version = ?;

-- name: put_workers
INSERT INTO workers (project, activity, body) VALUES (?, ?, ?)
ON CONFLICT (project, activity) DO UPDATE SET body = excluded.body;

-- name: workers
SELECT body FROM workers WHERE project = ? AND activity = ?;

-- name: all_workers
SELECT project, activity, body FROM workers ORDER BY project, activity;

-- ---------------------------------------------------------------- limits

-- name: put_limits
INSERT INTO limits (project, max_running, starts_per_second, max_open_calls, max_stored_bytes)
VALUES (?, ?, ?, ?, ?)
ON CONFLICT (project) DO UPDATE SET max_running = excluded.max_running,
  starts_per_second = excluded.starts_per_second, max_open_calls = excluded.max_open_calls,
  max_stored_bytes = excluded.max_stored_bytes;

-- name: delete_limits
DELETE FROM limits WHERE project = ?;

-- name: limits
SELECT project, max_running, starts_per_second, max_open_calls, max_stored_bytes FROM limits
ORDER BY project;

-- name: usage
-- A few rows for each blueprint version, and none for an execution.
SELECT project, sum(running), sum(bytes) FROM (
  SELECT project, 0 AS bytes,
    CASE WHEN status IN ('completed', 'failed', 'cancelled') THEN 0 ELSE count END AS running
  FROM tallies WHERE count > 0
  UNION ALL SELECT project, bytes, 0 FROM sizes WHERE bytes > 0
  UNION ALL SELECT project, 0, 0 FROM blueprints
  UNION ALL SELECT project, 0, 0 FROM limits)
WHERE :project IS NULL OR project = :project
GROUP BY project ORDER BY project;

-- ---------------------------------------------------------------- settings

-- name: put_endpoint
INSERT INTO endpoints (alias, url) VALUES (?, ?)
ON CONFLICT (alias) DO UPDATE SET url = excluded.url;

-- name: delete_endpoint
DELETE FROM endpoints WHERE alias = ?;

-- name: endpoints
SELECT alias, url FROM endpoints ORDER BY alias;

-- name: put_key
INSERT OR REPLACE INTO api_keys
  (id, hash, project, scopes, roles, description, created_at, expires_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- name: delete_key
DELETE FROM api_keys WHERE id = ?;

-- name: keys
SELECT id, hash, project, scopes, roles, description, created_at, expires_at FROM api_keys
ORDER BY id;

-- ---------------------------------------------------------------- operations

-- name: ping
-- Changes a page every time, so that the commit has something to sync; with a proof, many.
INSERT INTO meta (k, v) VALUES ('ping', 1 || :proof)
ON CONFLICT (k) DO UPDATE SET v = (CAST(v AS INTEGER) + 1) || :proof;

-- name: tallies
SELECT status, sum(count) FROM tallies GROUP BY status HAVING sum(count) > 0;

-- name: inbox_size
SELECT count(*) FROM inbox;

-- name: backup
VACUUM INTO ?;

-- name: integrity
PRAGMA integrity_check(1);

-- name: newest_change
SELECT max(at) FROM history WHERE n = (SELECT max(n) FROM history);

-- name: highest_epoch
SELECT max(epoch) FROM shards;

-- name: new_commit_line
-- The numbers behind the backup are given again, to other records.
UPDATE commit_line SET line = lower(hex(randomblob(4)));

-- name: marks
SELECT k, v FROM meta WHERE k IN ('move', 'moving', 'moved');

-- name: forget_moves
-- A copy that is put back is data again, wherever the file that it was made of went.
DELETE FROM meta WHERE k IN ('move', 'moving', 'moved');

-- name: raise_epochs
-- Above all that this file knew, and above all that another one knew.
UPDATE shards SET owner = NULL, epoch = max(epoch, :least) + 1;

-- ---------------------------------------------------------------- schema

-- name: tables
SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%';

-- name: schema
SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL;

-- name: create_schema_table
CREATE TABLE IF NOT EXISTS goflow_schema (
  version INTEGER PRIMARY KEY,
  sha256 TEXT NOT NULL,
  applied_at INTEGER NOT NULL
) STRICT;

-- name: applied_migrations
SELECT version, sha256 FROM goflow_schema ORDER BY version;

-- name: note_migration
INSERT INTO goflow_schema (version, sha256, applied_at) VALUES (?, ?, ?);
