-- The first schema. Times are milliseconds since 1970, UTC. Texts sort by their bytes, as they do
-- in every other store. `lane`: a counter that every node changes is one row a lane, so that
-- commits of two nodes do not wait for each other; its lanes are added up when it is read.

-- Small facts about the database itself.
CREATE TABLE meta (
  k TEXT COLLATE "C" PRIMARY KEY,
  v TEXT NOT NULL
) WITH (fillfactor = 50);

-- Server incarnations and their leases, by the database's clock.
CREATE TABLE nodes (
  node TEXT COLLATE "C" PRIMARY KEY,
  address TEXT NOT NULL DEFAULT '',
  version TEXT NOT NULL DEFAULT '',
  started BIGINT NOT NULL,
  lease_until BIGINT NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01);

-- Who may write the executions of a shard; the epoch is the fence. Every commit holds the rows of
-- its shards, and a claim that changes one waits for it.
CREATE TABLE shards (
  shard INTEGER PRIMARY KEY,
  owner TEXT COLLATE "C",
  epoch BIGINT NOT NULL DEFAULT 0
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01);

INSERT INTO shards (shard) SELECT generate_series(0, 255);

-- One row an execution. `n` is the number of its first record: lists go down it. What a step
-- changes, no index has, but for `status` and, at the end, `purge_at`: the row is changed in its
-- page (HOT), for which the page has room.
CREATE TABLE executions (
  id TEXT COLLATE "C" PRIMARY KEY,
  n BIGINT NOT NULL,
  shard INTEGER NOT NULL,
  project TEXT COLLATE "C" NOT NULL,
  activity TEXT COLLATE "C" NOT NULL,
  version BIGINT NOT NULL,
  status TEXT COLLATE "C" NOT NULL,
  state TEXT COLLATE "C" NOT NULL,
  key TEXT COLLATE "C",
  labels JSONB NOT NULL,
  seq BIGINT NOT NULL,
  wake BIGINT,
  started_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  finished_at BIGINT,
  purge_at BIGINT,
  parent TEXT COLLATE "C",
  body BYTEA NOT NULL
) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05);

CREATE UNIQUE INDEX executions_n ON executions (n);
CREATE INDEX executions_project ON executions (project, n);
CREATE INDEX executions_activity ON executions (project, activity, n);
CREATE INDEX executions_key ON executions (key, n) WHERE key IS NOT NULL;
CREATE INDEX executions_parent ON executions (parent, n) WHERE parent IS NOT NULL;
CREATE INDEX executions_status ON executions (status, n)
WHERE status NOT IN ('running', 'completed');
CREATE INDEX executions_live ON executions (id) WHERE status = 'running';
CREATE INDEX executions_purge ON executions (purge_at, n) WHERE purge_at IS NOT NULL;

-- The index of `executions.wake`, as a table: nearly every step changes it, and an index on the
-- column itself would make each of them write into all indexes.
CREATE TABLE wakes (
  execution TEXT COLLATE "C" PRIMARY KEY,
  shard INTEGER NOT NULL,
  wake BIGINT NOT NULL,
  n BIGINT NOT NULL
) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.02);

CREATE INDEX wakes_wake ON wakes (wake, n);

-- One row a record: all entries of one digest, `first_seq` to `seq`, as a JSON list. The primary
-- key is the second fence. `n` is the order of the commits: the transaction's number in the upper
-- bits, the record's place in it in the lower 20.
CREATE TABLE history (
  execution TEXT COLLATE "C" NOT NULL,
  first_seq BIGINT NOT NULL,
  seq BIGINT NOT NULL,
  epoch BIGINT NOT NULL,
  at BIGINT NOT NULL,
  hash TEXT COLLATE "C" NOT NULL,
  entries BYTEA NOT NULL,
  n BIGINT NOT NULL,
  status TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (execution, seq)
);

CREATE UNIQUE INDEX history_n ON history (n);

-- The order of commits has a name. It gets another one, and `base` is raised, when the database
-- lives in another cluster, which counts its transactions from another number.
CREATE TABLE commit_line (
  line TEXT NOT NULL,
  system TEXT NOT NULL,
  base BIGINT NOT NULL
);

-- The newest record of each project that was deleted.
CREATE TABLE forgotten (
  project TEXT COLLATE "C" PRIMARY KEY,
  n BIGINT NOT NULL
);

CREATE INDEX forgotten_n ON forgotten (n);

-- How many executions there are, so that nobody counts a million rows. Of one lane it may be
-- below nothing: another one counted the start.
CREATE TABLE tallies (
  project TEXT COLLATE "C" NOT NULL,
  activity TEXT COLLATE "C" NOT NULL,
  version BIGINT NOT NULL,
  status TEXT COLLATE "C" NOT NULL,
  lane INTEGER NOT NULL,
  count BIGINT NOT NULL,
  PRIMARY KEY (project, activity, version, status, lane)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01);

-- Bytes of heads, histories, blueprints, workers and early events. Commits and deletions count for
-- themselves, triggers for the rest.
CREATE TABLE sizes (
  project TEXT COLLATE "C" NOT NULL,
  lane INTEGER NOT NULL,
  bytes BIGINT NOT NULL,
  PRIMARY KEY (project, lane)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01);

-- Names that only one can have: business keys, idempotency keys, event ids.
CREATE TABLE names (
  project TEXT COLLATE "C" NOT NULL,
  kind TEXT COLLATE "C" NOT NULL,
  scope TEXT COLLATE "C" NOT NULL,
  name TEXT COLLATE "C" NOT NULL,
  execution TEXT COLLATE "C" NOT NULL,
  digest TEXT COLLATE "C" NOT NULL,
  answer BYTEA NOT NULL,
  expires BIGINT,
  PRIMARY KEY (project, kind, scope, name)
) WITH (autovacuum_vacuum_scale_factor = 0.02);

-- A name that expires is swept once no execution has it: until then it is in the first of these.
CREATE INDEX names_execution ON names (execution) WHERE execution <> '';
CREATE INDEX names_expires ON names (expires) WHERE expires IS NOT NULL AND execution = '';

-- Messages for executions. A number must never mean two messages: an identity gives none twice.
CREATE TABLE inbox (
  n BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  shard INTEGER NOT NULL,
  execution TEXT COLLATE "C" NOT NULL,
  kind TEXT COLLATE "C" NOT NULL,
  dedupe TEXT COLLATE "C" NOT NULL,
  body BYTEA NOT NULL,
  at BIGINT NOT NULL,
  UNIQUE (execution, kind, dedupe)
) WITH (autovacuum_vacuum_scale_factor = 0.01);

-- Open tasks that a pull worker or a person can take; written with the steps of their execution.
CREATE TABLE tasks (
  execution TEXT COLLATE "C" NOT NULL,
  task TEXT COLLATE "C" NOT NULL,
  visit BIGINT NOT NULL,
  project TEXT COLLATE "C" NOT NULL,
  activity TEXT COLLATE "C" NOT NULL,
  queue TEXT COLLATE "C" NOT NULL,
  kind TEXT COLLATE "C" NOT NULL,
  assigned_to TEXT COLLATE "C",
  status TEXT COLLATE "C" NOT NULL,
  since BIGINT NOT NULL,
  due BIGINT NOT NULL,
  claimed_by TEXT COLLATE "C",
  lease_until BIGINT,
  PRIMARY KEY (execution, task)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01);

CREATE INDEX tasks_ready ON tasks (queue, since, execution, task)
WHERE status = 'queued' AND kind = 'pull';
CREATE INDEX tasks_ready_project ON tasks (project, queue, since, execution, task)
WHERE status = 'queued' AND kind = 'pull';
CREATE INDEX tasks_due ON tasks (queue, due, project)
WHERE status = 'queued' AND kind = 'pull';
CREATE INDEX tasks_assigned ON tasks (assigned_to, since, execution, task)
WHERE assigned_to IS NOT NULL;
CREATE INDEX tasks_oldest ON tasks (since, execution, task);

-- Operators' actions on many executions. Body and progress are JSON.
CREATE TABLE batches (
  id TEXT COLLATE "C" PRIMARY KEY,
  project TEXT COLLATE "C",
  body BYTEA NOT NULL,
  status TEXT COLLATE "C" NOT NULL,
  progress BYTEA NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);

CREATE INDEX batches_newest ON batches (created_at, id);
CREATE INDEX batches_project ON batches (project, created_at, id) WHERE project IS NOT NULL;
CREATE INDEX batches_open ON batches (created_at, id) WHERE status = 'running';
CREATE INDEX batches_ended ON batches (updated_at, id) WHERE status <> 'running';

-- Events that no execution accepts yet.
CREATE TABLE early (
  n BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  project TEXT COLLATE "C" NOT NULL,
  activity TEXT COLLATE "C",
  key TEXT COLLATE "C" NOT NULL,
  name TEXT COLLATE "C" NOT NULL,
  body BYTEA NOT NULL,
  id TEXT COLLATE "C" NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL
);

-- Two without an activity are the same; to an index, NULL is never the same as NULL.
CREATE UNIQUE INDEX early_id ON early (project, key, id, coalesce(activity, ''));
CREATE INDEX early_key ON early (project, key, n);
CREATE INDEX early_expires ON early (expires_at, n);

-- Immutable blueprint versions.
CREATE TABLE blueprints (
  project TEXT COLLATE "C" NOT NULL,
  activity TEXT COLLATE "C" NOT NULL,
  version BIGINT NOT NULL,
  digest TEXT COLLATE "C" NOT NULL,
  body BYTEA NOT NULL,
  findings BYTEA NOT NULL,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (project, activity, version)
);

-- The highest version ever given: a deleted one's number is not used again. Uploads to one activity
-- wait for each other at its row.
CREATE TABLE versions (
  project TEXT COLLATE "C" NOT NULL,
  activity TEXT COLLATE "C" NOT NULL,
  given BIGINT NOT NULL,
  PRIMARY KEY (project, activity)
);

CREATE TABLE workers (
  project TEXT COLLATE "C" NOT NULL,
  activity TEXT COLLATE "C" NOT NULL,
  body BYTEA NOT NULL,
  PRIMARY KEY (project, activity)
);

CREATE TABLE endpoints (
  alias TEXT COLLATE "C" PRIMARY KEY,
  url TEXT NOT NULL
);

-- API keys: the hash of the secret only. Scopes and roles are JSON lists.
CREATE TABLE api_keys (
  id TEXT COLLATE "C" PRIMARY KEY,
  hash TEXT NOT NULL,
  project TEXT COLLATE "C",
  scopes TEXT NOT NULL,
  roles TEXT NOT NULL,
  description TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT
);

-- What a project may have at most. A limit that is NULL does not hold.
CREATE TABLE limits (
  project TEXT COLLATE "C" PRIMARY KEY,
  max_running BIGINT,
  starts_per_second DOUBLE PRECISION,
  max_open_calls BIGINT,
  max_stored_bytes BIGINT
);

-- What is stored beside executions weighs, too. Rare, so that one lane is enough. The triggers say
-- which columns: `to_jsonb` would copy what it measures.
CREATE FUNCTION add_size(whose TEXT, more BIGINT) RETURNS VOID LANGUAGE sql AS $$
  INSERT INTO sizes (project, lane, bytes) VALUES (whose, 0, more)
  ON CONFLICT (project, lane) DO UPDATE SET bytes = sizes.bytes + excluded.bytes
$$;

CREATE FUNCTION weigh_body() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'INSERT' THEN
    PERFORM add_size(old.project, -octet_length(old.body));
  END IF;
  IF TG_OP <> 'DELETE' THEN
    PERFORM add_size(new.project, octet_length(new.body));
  END IF;
  RETURN NULL;
END $$;

CREATE FUNCTION weigh_blueprint() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    PERFORM add_size(new.project, octet_length(new.body) + octet_length(new.findings));
  ELSE
    PERFORM add_size(old.project, -octet_length(old.body) - octet_length(old.findings));
  END IF;
  RETURN NULL;
END $$;

CREATE TRIGGER workers_weighed AFTER INSERT OR UPDATE OR DELETE ON workers
FOR EACH ROW EXECUTE FUNCTION weigh_body();
-- Those for whichever project have the project ''.
CREATE TRIGGER early_weighed AFTER INSERT OR DELETE ON early
FOR EACH ROW EXECUTE FUNCTION weigh_body();
CREATE TRIGGER blueprints_weighed AFTER INSERT OR DELETE ON blueprints
FOR EACH ROW EXECUTE FUNCTION weigh_blueprint();
