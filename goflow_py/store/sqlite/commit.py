"""The commit: the only write path of an execution. Runs whole on the writer's thread."""

import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence

from goflow_py.ports import Committed, Fenced, Name, Poisonous, Taken, Verdict, Write
from goflow_py.store import rules
from goflow_py.store.sqlite import failures, rows
from goflow_py.store.sqlite.queries import SQL

NameKey = tuple[str, str, str, str]


def commit(connection: sqlite3.Connection, node: str, writes: Sequence[Write]) -> list[Verdict]:
    """Write the batch; a write with an error that nobody foresaw is left out of it.

    Raises what concerns all writes, as a full disk does. Everything else costs one more pass: a
    savepoint would not do, for after a damaged page SQLite can only roll back the whole.
    """
    spoilt: dict[int, Verdict] = {}
    while True:  # at most once for each write, and once more
        batch = _Batch(connection, node)
        try:
            return batch.run(writes, spoilt)
        except Exception as error:
            if failures.concerns_all(error):
                raise
            spoilt[batch.place] = _verdict(error)
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        connection.execute("BEGIN IMMEDIATE")


def ends(writes: Sequence[Write]) -> bool:
    """Tell whether a batch ends an execution because somebody said so.

    On a full disk that is the way to what can be deleted. What is in the same batch comes along.
    """
    return any(
        one.head.status == "cancelled" and not one.start
        for write in writes
        for one in (write, *write.family)
    )


class _Batch:
    """The writes of one transaction.

    There is one writer, so what was looked up stays true until it is written. A refusal therefore
    comes before the first change of its write and its family, and needs nothing undone.
    """

    def __init__(self, connection: sqlite3.Connection, node: str) -> None:
        self.place = 0
        """The write at work: where an error comes from."""
        self._connection = connection
        self._node = node
        self._epochs: dict[int, int | None] = {}
        self._grown: Counter[str] = Counter()
        """By project: bytes that were added to histories."""

    def run(self, writes: Sequence[Write], spoilt: Mapping[int, Verdict]) -> list[Verdict]:
        verdicts = []
        for self.place, write in enumerate(writes):
            verdicts.append(spoilt.get(self.place) or self.write(write))
        # Behind the last write, so that no order within a batch frees a name early.
        for self.place, write in enumerate(writes):
            if (write.freed or write.family) and isinstance(verdicts[self.place], Committed):
                self._free(write)
                for member in write.family:
                    self._free(member)
        for project, count in self._grown.items():
            self._connection.execute(SQL["weigh"], (count, project))
        return verdicts

    def write(self, write: Write) -> Verdict:
        reason = rules.flaw(write)
        if reason is not None:
            return Poisonous(message=reason)
        if write.family:
            return self._family((write, *write.family))
        if self._epoch(write.head.shard) != write.epoch:
            return Fenced()
        refusal = self._start(write) if write.start else self._step(write)
        if refusal is not None:
            return refusal
        self._add(write)
        return Committed()

    def _family(self, members: Sequence[Write]) -> Verdict:
        own: dict[NameKey, Name] = {}
        for member in members:
            refusal = self._refusal(member, own)
            if refusal is not None:
                return refusal
        for member in members:
            if member.start:
                self._connection.execute(SQL["start"], rows.started(member.head))
            else:
                before = member.records[0].first_seq - 1
                self._connection.execute(SQL["step"], rows.stepped(member.head, before))
            self._add(member)
        return Committed()

    def _refusal(self, write: Write, own: dict[NameKey, Name]) -> Fenced | Taken | None:
        """Say why *write* cannot be, and change nothing; its names join those of its family."""
        if self._epoch(write.head.shard) != write.epoch:
            return Fenced()
        found = self._stands_at(write.head.id)
        before = write.records[0].first_seq - 1
        if not write.start and (found is None or found[0] != before):
            return Fenced()
        taken = self._taken(write.names, own)
        if taken is not None:
            return taken
        if write.start and found is not None:
            return Taken(name=_same_id(write.head.id, found))
        return Fenced() if write.start and before != -1 else None

    def _add(self, write: Write) -> None:
        """Write what comes with a head."""
        execute = self._connection.execute
        self._grown[write.head.project] += sum(len(record.entries) for record in write.records)
        for record in rows.recorded(write):
            execute(SQL["record"], record)
        for name in write.names:
            execute(SQL["take"], rows.named(name))
        for number in write.inbox:
            execute(SQL["applied"], (number, write.head.id))
        if write.queue is not None:
            execute(SQL["unqueue"], (write.head.id,))
            for row in write.queue:
                execute(SQL["queue"], rows.queued(row))

    def _start(self, write: Write) -> Fenced | Taken | None:
        taken = self._taken(write.names, {})
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
            taken = self._taken(write.names, {})
            if taken is not None:
                return taken
        updated = self._connection.execute(SQL["step"], rows.stepped(write.head, before))
        return None if updated.rowcount == 1 else Fenced()

    def _taken(self, names: Sequence[Name], own: dict[NameKey, Name]) -> Taken | None:
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

    def _free(self, write: Write) -> None:
        for name in write.freed:
            self._connection.execute(SQL["free"], (*rows.name_key(name), write.head.id))

    def _epoch(self, shard: int) -> int | None:
        if shard not in self._epochs:
            row = self._connection.execute(SQL["epoch"], (shard, self._node)).fetchone()
            self._epochs[shard] = None if row is None else int(row[0])
        return self._epochs[shard]

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
