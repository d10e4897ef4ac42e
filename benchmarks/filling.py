"""A data file of any size in seconds: the rows of real executions, copied with other ids.

Whatever goflow reads of a copy is what it wrote of the original: heads, records, tallies and
indexes are those of executions that ran. Ids rise like those of executions that were started one
after the other, and the last byte is the shard, as ever.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

COPY = (
    """
    INSERT INTO executions (id, shard, project, activity, version, status, state, key, labels,
      seq, wake, started_at, updated_at, finished_at, purge_at, parent, body)
    WITH RECURSIVE numbers (k) AS
      (SELECT :least UNION ALL SELECT k + 1 FROM numbers WHERE k < :most)
    SELECT substr(id, 1, 24) || printf('%010x%02x', k, k % 256), k % 256, project,
      activity, version, status, state, key, labels, seq, wake, started_at, updated_at,
      finished_at, purge_at, parent,
      CAST(replace(body, id, substr(id, 1, 24) || printf('%010x%02x', k, k % 256)) AS BLOB)
    FROM executions, numbers WHERE id = :id""",
    """
    INSERT INTO history (execution, first_seq, seq, epoch, at, hash, entries)
    WITH RECURSIVE numbers (k) AS
      (SELECT :least UNION ALL SELECT k + 1 FROM numbers WHERE k < :most)
    SELECT substr(execution, 1, 24) || printf('%010x%02x', k, k % 256), first_seq,
      seq, epoch, at, hash, entries
    FROM numbers CROSS JOIN history WHERE execution = :id ORDER BY k, seq""",
)
COUNTED = (
    # What commits add up themselves; the file has one project.
    "DELETE FROM tallies",
    """
    INSERT INTO tallies SELECT project, activity, version, status, count(*)
    FROM executions GROUP BY project, activity, version, status""",
    """
    UPDATE sizes SET bytes = (SELECT sum(length(body)) FROM executions)
      + (SELECT sum(length(entries)) FROM history)
      + (SELECT sum(length(body) + length(findings)) FROM blueprints)
      + (SELECT ifnull(sum(length(body)), 0) FROM workers)""",
)
PART = 50_000
FIRST = 1_000


@contextmanager
def filling(data: Path) -> Iterator[sqlite3.Connection]:
    """Open the file of a server that does not run; what is written is on disk in the end."""
    with closing(sqlite3.connect(data, isolation_level=None)) as database:
        database.execute("PRAGMA synchronous = OFF")
        database.execute("PRAGMA cache_size = -200000")
        yield database
        for statement in COUNTED:
            database.execute(statement)
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        database.execute("PRAGMA synchronous = FULL")


def copies(
    database: sqlite3.Connection, originals: Sequence[str], count: int, *, first: int = FIRST
) -> None:
    """Add so many executions, each original's share in one piece, numbered from *first*."""
    share = -(-count // len(originals))
    for place, original in enumerate(originals):
        begin = first + place * share
        end = min(begin + share, first + count)
        for least in range(begin, end, PART):
            database.execute("BEGIN")
            for statement in COPY:
                most = min(least + PART, end) - 1
                database.execute(statement, {"id": original, "least": least, "most": most})
            database.execute("COMMIT")
        database.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
