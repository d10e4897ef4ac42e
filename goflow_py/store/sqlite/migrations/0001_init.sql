-- The first schema. Times are milliseconds since 1970, UTC, given by the program.

-- Small facts about the file itself.
CREATE TABLE meta (
  k TEXT NOT NULL PRIMARY KEY,
  v TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Server incarnations and their leases. The lock file leaves one alive.
CREATE TABLE nodes (
  node TEXT NOT NULL PRIMARY KEY,
  started INTEGER NOT NULL,
  lease_until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Who may write the executions of a shard; the epoch is the fence.
CREATE TABLE shards (
  shard INTEGER NOT NULL PRIMARY KEY,
  owner TEXT,
  epoch INTEGER NOT NULL DEFAULT 0
) STRICT;

INSERT INTO shards (shard)
WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < 255)
SELECT n FROM numbers;

-- One row an execution. `n` rises in the order of the starts: lists go down it.
CREATE TABLE executions (
  n INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  shard INTEGER NOT NULL,
  project TEXT NOT NULL,
  activity TEXT NOT NULL,
  version INTEGER NOT NULL,
  status TEXT NOT NULL,
  state TEXT NOT NULL,
  key TEXT,
  labels TEXT NOT NULL,
  seq INTEGER NOT NULL,
  wake INTEGER,
  started_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  finished_at INTEGER,
  purge_at INTEGER,
  body BLOB NOT NULL
) STRICT;

-- Of these, a step touches at most `live` and `wake`: project, activity and key never change,
-- and most steps neither leave nor enter the rarer statuses. Only an end has a `purge_at`.
CREATE INDEX executions_project ON executions (project);
CREATE INDEX executions_activity ON executions (project, activity);
CREATE INDEX executions_key ON executions (key) WHERE key IS NOT NULL;
CREATE INDEX executions_status ON executions (status) WHERE status NOT IN ('running', 'completed');
CREATE INDEX executions_live ON executions (id) WHERE status = 'running';
CREATE INDEX executions_wake ON executions (wake) WHERE wake IS NOT NULL;
CREATE INDEX executions_purge ON executions (purge_at) WHERE purge_at IS NOT NULL;

-- One row a record: all entries of one digest, `first_seq` to `seq`, as a JSON list.
-- `n` is the order of the commits. The unique index is the second fence.
CREATE TABLE history (
  n INTEGER PRIMARY KEY,
  execution TEXT NOT NULL,
  first_seq INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  at INTEGER NOT NULL,
  hash TEXT NOT NULL,
  entries BLOB NOT NULL
) STRICT;

CREATE UNIQUE INDEX history_execution ON history (execution, seq);

-- How many executions there are, so that nobody counts a million rows. Triggers keep it right.
CREATE TABLE tallies (
  project TEXT NOT NULL,
  activity TEXT NOT NULL,
  version INTEGER NOT NULL,
  status TEXT NOT NULL,
  count INTEGER NOT NULL,
  PRIMARY KEY (project, activity, version, status)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER executions_started AFTER INSERT ON executions BEGIN
  INSERT INTO tallies VALUES (new.project, new.activity, new.version, new.status, 1)
  ON CONFLICT DO UPDATE SET count = count + 1;
END;

CREATE TRIGGER executions_stepped AFTER UPDATE OF status, version ON executions
WHEN old.status <> new.status OR old.version <> new.version BEGIN
  UPDATE tallies SET count = count - 1
  WHERE project = old.project AND activity = old.activity
    AND version = old.version AND status = old.status;
  INSERT INTO tallies VALUES (new.project, new.activity, new.version, new.status, 1)
  ON CONFLICT DO UPDATE SET count = count + 1;
END;

CREATE TRIGGER executions_deleted AFTER DELETE ON executions BEGIN
  UPDATE tallies SET count = count - 1
  WHERE project = old.project AND activity = old.activity
    AND version = old.version AND status = old.status;
END;

-- Names that only one can have: business keys, idempotency keys, event ids.
CREATE TABLE names (
  project TEXT NOT NULL,
  kind TEXT NOT NULL,
  scope TEXT NOT NULL,
  name TEXT NOT NULL,
  execution TEXT NOT NULL,
  digest TEXT NOT NULL,
  answer BLOB NOT NULL,
  expires INTEGER,
  PRIMARY KEY (project, kind, scope, name)
) STRICT, WITHOUT ROWID;

-- A name that expires is swept once no execution has it: until then it is in the first of these.
CREATE INDEX names_execution ON names (execution) WHERE execution <> '';
CREATE INDEX names_expires ON names (expires) WHERE expires IS NOT NULL AND execution = '';

-- Messages for executions; AUTOINCREMENT, for a number must never mean two messages.
CREATE TABLE inbox (
  n INTEGER PRIMARY KEY AUTOINCREMENT,
  shard INTEGER NOT NULL,
  execution TEXT NOT NULL,
  kind TEXT NOT NULL,
  dedupe TEXT NOT NULL,
  body BLOB NOT NULL,
  at INTEGER NOT NULL,
  UNIQUE (execution, kind, dedupe)
) STRICT;

-- Immutable blueprint versions.
CREATE TABLE blueprints (
  project TEXT NOT NULL,
  activity TEXT NOT NULL,
  version INTEGER NOT NULL,
  digest TEXT NOT NULL,
  body BLOB NOT NULL,
  findings BLOB NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (project, activity, version)
) STRICT;

-- The highest version ever given: a deleted one's number is not used again.
CREATE TABLE versions (
  project TEXT NOT NULL,
  activity TEXT NOT NULL,
  given INTEGER NOT NULL,
  PRIMARY KEY (project, activity)
) STRICT, WITHOUT ROWID;

CREATE TABLE workers (
  project TEXT NOT NULL,
  activity TEXT NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (project, activity)
) STRICT;

CREATE TABLE endpoints (
  alias TEXT NOT NULL PRIMARY KEY,
  url TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- API keys: the hash of the secret only. Scopes and roles are JSON lists.
CREATE TABLE api_keys (
  id TEXT NOT NULL PRIMARY KEY,
  hash TEXT NOT NULL,
  project TEXT,
  scopes TEXT NOT NULL,
  roles TEXT NOT NULL,
  description TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER
) STRICT, WITHOUT ROWID;
