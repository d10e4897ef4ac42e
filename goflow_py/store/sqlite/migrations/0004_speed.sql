-- Commits count for themselves: once for a whole batch, where triggers did it for every row.

-- What deletes an execution still leaves the counting to triggers.
DROP TRIGGER executions_started;
DROP TRIGGER executions_stepped;
DROP TRIGGER executions_weighed;
DROP TRIGGER executions_resized;
