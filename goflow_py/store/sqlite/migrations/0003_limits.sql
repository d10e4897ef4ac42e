-- What a project may have at most, and how many bytes it has.

-- A limit that is NULL does not hold; a project without a row has the server's defaults.
CREATE TABLE limits (
  project TEXT NOT NULL PRIMARY KEY,
  max_running INTEGER,
  starts_per_second REAL,
  max_open_calls INTEGER,
  max_stored_bytes INTEGER
) STRICT, WITHOUT ROWID;

-- Bytes of heads, histories, blueprints, workers and early events, so that nobody adds up a million
-- rows. Triggers keep it right, but
-- for what a commit adds to histories: it adds that itself, once for many records.
CREATE TABLE sizes (
  project TEXT NOT NULL PRIMARY KEY,
  bytes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO sizes (project, bytes)
SELECT project, sum(bytes) FROM (
  SELECT project, sum(length(body)) AS bytes FROM executions GROUP BY project
  UNION ALL
  SELECT e.project, sum(length(h.entries))
  FROM history AS h JOIN executions AS e ON e.id = h.execution GROUP BY e.project
  UNION ALL
  SELECT project, sum(length(body) + length(findings)) FROM blueprints GROUP BY project
  UNION ALL
  SELECT project, sum(length(body)) FROM workers GROUP BY project
  UNION ALL
  SELECT project, sum(length(body)) FROM early GROUP BY project)
GROUP BY project;

CREATE TRIGGER executions_weighed AFTER INSERT ON executions BEGIN
  INSERT INTO sizes VALUES (new.project, length(new.body))
  ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes;
END;

CREATE TRIGGER executions_resized AFTER UPDATE OF body ON executions
WHEN length(old.body) <> length(new.body) BEGIN
  UPDATE sizes SET bytes = bytes + length(new.body) - length(old.body)
  WHERE project = old.project;
END;

-- The history is deleted after its execution, when its project is not known any more.
CREATE TRIGGER executions_unweighed BEFORE DELETE ON executions BEGIN
  UPDATE sizes SET bytes = bytes - length(old.body) - (
    SELECT ifnull(sum(length(entries)), 0) FROM history WHERE execution = old.id)
  WHERE project = old.project;
END;

CREATE TRIGGER blueprints_weighed AFTER INSERT ON blueprints BEGIN
  INSERT INTO sizes VALUES (new.project, length(new.body) + length(new.findings))
  ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes;
END;

CREATE TRIGGER blueprints_unweighed AFTER DELETE ON blueprints BEGIN
  UPDATE sizes SET bytes = bytes - length(old.body) - length(old.findings)
  WHERE project = old.project;
END;

CREATE TRIGGER workers_weighed AFTER INSERT ON workers BEGIN
  INSERT INTO sizes VALUES (new.project, length(new.body))
  ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes;
END;

CREATE TRIGGER workers_resized AFTER UPDATE OF body ON workers BEGIN
  UPDATE sizes SET bytes = bytes + length(new.body) - length(old.body)
  WHERE project = old.project;
END;

-- Those for whichever project have the project ''.
CREATE TRIGGER early_weighed AFTER INSERT ON early BEGIN
  INSERT INTO sizes VALUES (new.project, length(new.body))
  ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes;
END;

CREATE TRIGGER early_unweighed AFTER DELETE ON early BEGIN
  UPDATE sizes SET bytes = bytes - length(old.body) WHERE project = old.project;
END;
