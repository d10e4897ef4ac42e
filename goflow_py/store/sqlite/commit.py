"""The commit: the only write path of an execution. Runs whole on the writer's thread."""

import sqlite3
from collections.abc import Callable, Sequence

from goflow_py.ports import Committed, Fenced, Name, Poisonous, Taken, Verdict, Write
from goflow_py.store import rules
from goflow_py.store.sqlite import failures, rows
from goflow_py.store.sqlite.queries import SQL


def commit(connection: sqlite3.Connection, node: str, writes: Sequence[Write]) -> list[Verdict]:
    """Write the batch; on an error that nobody foresaw, find the write that has it.

    Raises what concerns all writes, as a full disk does.
    """
    batch = _Batch(connection, node)
    try:
        return batch.run(writes, batch.write)
    except Exception as error:
        if failures.concerns_all(error):
            raise
    connection.execute("ROLLBACK")
    connection.execute("BEGIN IMMEDIATE")
    batch = _Batch(connection, node)
    return batch.run(writes, batch.write_alone)


class _Batch:
    """The writes of one transaction.

    There is one writer, so what was looked up stays true until it is written. A refusal therefore
    comes before the first change of its write, and the usual batch needs no savepoint.
    """

    def __init__(self, connection: sqlite3.Connection, node: str) -> None:
        self._connection = connection
        self._node = node
        self._epochs: dict[int, int | None] = {}
        self._freed: list[rows.Row] = []

    def run(self, writes: Sequence[Write], write_one: Callable[[Write], Verdict]) -> list[Verdict]:
        verdicts = [write_one(write) for write in writes]
        if self._freed:  # behind the last write: no order within a batch frees a name early
            self._connection.executemany(SQL["free"], self._freed)
        return verdicts

    def write_alone(self, write: Write) -> Verdict:
        """Write one so that its error leaves the others of the batch as they are."""
        freed = len(self._freed)
        self._connection.execute("SAVEPOINT alone")
        try:
            verdict = self.write(write)
        except Exception as error:
            if failures.concerns_all(error):
                raise
            del self._freed[freed:]
            self._connection.execute("ROLLBACK TO alone")
            verdict = _verdict(error)
        self._connection.execute("RELEASE alone")
        return verdict

    def write(self, write: Write) -> Verdict:
        reason = rules.flaw(write)
        if reason is not None:
            return Poisonous(message=reason)
        shard = write.head.shard
        if shard not in self._epochs:
            self._epochs[shard] = self._epoch(shard)
        if self._epochs[shard] != write.epoch:
            return Fenced()
        refusal = self._start(write) if write.start else self._step(write)
        if refusal is not None:
            return refusal
        execute = self._connection.execute
        for record in rows.recorded(write):
            execute(SQL["record"], record)
        for name in write.names:
            execute(SQL["take"], rows.named(name))
        for number in write.inbox:
            execute(SQL["applied"], (number, write.head.id))
        for name in write.freed:
            self._holder(name)  # finds a name that no column holds, here where its write is known
            self._freed.append((*rows.name_key(name), write.head.id))
        return Committed()

    def _start(self, write: Write) -> Fenced | Taken | None:
        taken = self._taken(write.names)
        if taken is not None:
            return taken
        head = write.head
        if write.records[0].first_seq != 0:
            found = self._stands_at(head.id)
            return Fenced() if found is None else Taken(name=_same_id(head.id, found))
        inserted = self._connection.execute(SQL["start"], rows.started(head))
        if inserted.rowcount == 1:
            return None
        found = self._stands_at(head.id)
        assert found is not None
        return Taken(name=_same_id(head.id, found))

    def _step(self, write: Write) -> Fenced | Taken | None:
        before = write.records[0].first_seq - 1
        if write.names:
            found = self._stands_at(write.head.id)
            if found is None or found[0] != before:
                return Fenced()
            taken = self._taken(write.names)
            if taken is not None:
                return taken
        updated = self._connection.execute(SQL["step"], rows.stepped(write.head, before))
        return None if updated.rowcount == 1 else Fenced()

    def _taken(self, names: Sequence[Name]) -> Taken | None:
        own: dict[tuple[str, str, str, str], Name] = {}
        for name in names:
            key = rows.name_key(name)
            winner = own.get(key) or self._holder(name)
            if winner is not None:
                return Taken(name=winner)
            own[key] = name
        return None

    def _holder(self, name: Name) -> Name | None:
        row = self._connection.execute(SQL["name"], rows.name_key(name)).fetchone()
        return None if row is None else rows.name(row)

    def _epoch(self, shard: int) -> int | None:
        row = self._connection.execute(SQL["epoch"], (shard, self._node)).fetchone()
        return None if row is None else int(row[0])

    def _stands_at(self, execution: str) -> rows.Row | None:
        row: rows.Row | None
        row = self._connection.execute(SQL["stands_at"], (execution,)).fetchone()
        return row


def _same_id(execution: str, found: rows.Row) -> Name:
    _, project, activity = found
    return rules.same_id(execution, project, activity)


def _verdict(error: Exception) -> Verdict:
    # The second fence: the head lags behind the history.
    unique = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_CONSTRAINT_UNIQUE
    return Fenced() if unique else Poisonous(message=f"{type(error).__name__}: {error}")
