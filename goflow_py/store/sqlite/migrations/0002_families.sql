-- Children, queued work, batches, early events.

ALTER TABLE executions ADD COLUMN parent TEXT;

CREATE INDEX executions_parent ON executions (parent) WHERE parent IS NOT NULL;

-- Open tasks that a pull worker or a person can take; written with the steps of their execution.
CREATE TABLE tasks (
  execution TEXT NOT NULL,
  task TEXT NOT NULL,
  visit INTEGER NOT NULL,
  project TEXT NOT NULL,
  activity TEXT NOT NULL,
  queue TEXT NOT NULL,
  kind TEXT NOT NULL,
  assigned_to TEXT,
  status TEXT NOT NULL,
  since INTEGER NOT NULL,
  due INTEGER NOT NULL,
  claimed_by TEXT,
  lease_until INTEGER,
  PRIMARY KEY (execution, task)
) STRICT, WITHOUT ROWID;

-- A poll goes down one of the first two, for all projects or for one. What is claimed is in none of
-- these, nor is work for people. They have all that is asked, constants too (older versions of
-- SQLite want them): to pass over what waits for a retry costs no look-up of its row.
CREATE INDEX tasks_ready ON tasks (queue, since, execution, task, due, status, kind)
WHERE status = 'queued' AND kind = 'pull';
CREATE INDEX tasks_ready_project ON tasks
  (project, queue, since, execution, task, due, status, kind)
WHERE status = 'queued' AND kind = 'pull';
CREATE INDEX tasks_due ON tasks (queue, due, project, status, kind)
WHERE status = 'queued' AND kind = 'pull';

-- Lists. The second has all that a filter asks: only the rows of a page are looked up.
CREATE INDEX tasks_assigned ON tasks (assigned_to, since) WHERE assigned_to IS NOT NULL;
CREATE INDEX tasks_oldest ON tasks
  (since, execution, task, project, activity, queue, assigned_to, status, kind);

-- Operators' actions on many executions. Body and progress are JSON.
CREATE TABLE batches (
  id TEXT NOT NULL PRIMARY KEY,
  project TEXT,
  body BLOB NOT NULL,
  status TEXT NOT NULL,
  progress BLOB NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT;

CREATE INDEX batches_newest ON batches (created_at, id);
CREATE INDEX batches_project ON batches (project, created_at, id) WHERE project IS NOT NULL;
CREATE INDEX batches_open ON batches (created_at, id) WHERE status = 'running';
CREATE INDEX batches_ended ON batches (updated_at, id) WHERE status <> 'running';

-- Events that no execution accepts yet; AUTOINCREMENT, for a number must never mean two events.
CREATE TABLE early (
  n INTEGER PRIMARY KEY AUTOINCREMENT,
  project TEXT NOT NULL,
  activity TEXT,
  key TEXT NOT NULL,
  name TEXT NOT NULL,
  body BLOB NOT NULL,
  id TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT;

-- Two without an activity are the same; to an index, NULL is never the same as NULL.
CREATE UNIQUE INDEX early_id ON early (project, key, id, ifnull(activity, ''));
CREATE INDEX early_key ON early (project, key, n, expires_at);
CREATE INDEX early_expires ON early (expires_at, n);
