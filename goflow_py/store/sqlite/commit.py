"""The commit: the only write path of an execution. Runs whole on the writer's thread."""

import sqlite3
from collections.abc import Iterable, Sequence

import orjson

from goflow_py.ports import Committed, Fenced, HeadRow, Name, Poisonous, Taken, Verdict, Write
from goflow_py.store import rows, rules
from goflow_py.store.sqlite import failures
from goflow_py.store.sqlite.changes import Changes, Order, Standing
from goflow_py.store.sqlite.queries import SQL

NameKey = tuple[str, str, str, str]


def commit(
    connection: sqlite3.Connection, node: str, writes: Sequence[Write], order: Order
) -> list[Verdict]:
    """Write the batch; a write with an error that nobody foresaw is left out of it.

    Raises what concerns all writes, as a full disk does. Everything else costs a pass in which each
    is written by itself, and one more for each that is left out: a savepoint would not do, for
    after a damaged page SQLite can only roll back the whole.
    """
    try:
        batch = _Batch(connection, node, order)
        verdicts = batch.run(writes)
        batch.free()
    except Exception as error:
        if failures.concerns_all(error):
            raise
    else:
        return verdicts
    spoilt: dict[int, Verdict] = {}
    while True:  # at most once for each write, and once more
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        connection.execute("BEGIN IMMEDIATE")
        found = _one_by_one(connection, node, writes, order, spoilt)
        if found is not None:
            return found


def ends(writes: Sequence[Write]) -> bool:
    """Tell whether a batch ends an execution because somebody said so.

    On a full disk that is the way to what can be deleted. What is in the same batch comes along.
    """
    return any(
        one.head.status == "cancelled" and not one.start
        for write in writes
        for one in (write, *write.family)
    )


def _one_by_one(
    connection: sqlite3.Connection,
    node: str,
    writes: Sequence[Write],
    order: Order,
    spoilt: dict[int, Verdict],
) -> list[Verdict] | None:
    """Write all but those in *spoilt*; None: one more is in it, and all is to be done again."""
    verdicts: list[Verdict] = []
    batches: dict[int, _Batch] = {}
    place = 0
    try:
        for place, write in enumerate(writes):
            if place in spoilt:
                verdicts.append(spoilt[place])
            else:
                batches[place] = _Batch(connection, node, order)
                verdicts += batches[place].run([write])
        for place in batches:
            batches[place].free()
    except Exception as error:
        if failures.concerns_all(error):
            raise
        spoilt[place] = _verdict(error)
        return None
    return verdicts


class _Batch:
    """The writes of one transaction: looked up together, judged one by one, written together.

    There is one writer, so what was looked up stays true until it is written. A refusal comes
    before the first change, and needs nothing undone.
    """

    def __init__(self, connection: sqlite3.Connection, node: str, order: Order) -> None:
        self._connection = connection
        self._node = node
        self._epochs: dict[str, int | None] = {}
        """By execution: of its shard, if this node owns it."""
        self._standing: dict[str, Standing] = {}
        self._names: dict[NameKey, Name] = {}
        """Taken by this batch."""
        self._versions: dict[tuple[str, str, int], Poisonous | None] = {}
        """Those that writes pin: why they may not."""
        self._newest: int | None = None
        """The number of the newest execution."""
        self._changes = Changes(order)

    def run(self, writes: Sequence[Write]) -> list[Verdict]:
        """Write what stands; return one verdict each. ``free`` is to follow."""
        flaws = [rules.flaw(write) for write in writes]
        self._look_up(
            member
            for write, flaw in zip(writes, flaws, strict=True)
            if flaw is None
            for member in (write, *write.family)
        )
        verdicts = [
            self._judge(write) if flaw is None else Poisonous(message=flaw)
            for write, flaw in zip(writes, flaws, strict=True)
        ]
        self._changes.write(self._connection)
        return verdicts

    def free(self) -> None:
        """Free the names that the writes gave back."""
        self._changes.free(self._connection)

    def _look_up(self, members: Iterable[Write]) -> None:
        """Read what the writes are held against: their shards' epochs, their executions' rows."""
        shards = {member.head.id: member.head.shard for member in members}
        asked = {"node": self._node, "asked": orjson.dumps(shards).decode()}
        for execution, epoch, n, *row in self._connection.execute(SQL["standing"], asked):
            self._epochs[execution] = epoch
            if n is not None:
                self._standing[execution] = Standing(n, *row)

    def _judge(self, write: Write) -> Verdict:
        own: dict[NameKey, Name] = {}
        members = (write, *write.family)
        for member in members:
            refusal = self._refusal(member, own)
            if refusal is not None:
                return refusal
        self._names |= own
        for member in members:
            self._add(member)
        return Committed()

    def _refusal(self, write: Write, own: dict[NameKey, Name]) -> Fenced | Taken | Poisonous | None:
        """Say why *write* cannot be; its names join those of its family."""
        head = write.head
        if self._epochs[head.id] != write.epoch:
            return Fenced()
        standing = self._standing.get(head.id)
        before = write.records[0].first_seq - 1
        if not write.start and (standing is None or standing.seq != before):
            return Fenced()
        for name in write.names:
            winner = self._holder(name, own)
            if winner is not None:
                return Taken(name=winner)
        if write.start and standing is not None:
            return Taken(name=rules.same_id(head.id, standing.project, standing.activity))
        if write.start and before != -1:
            return Fenced()
        return self._gone(standing, head)

    def _gone(self, standing: Standing | None, head: HeadRow) -> Poisonous | None:
        """Refuse to pin an execution to a version that was deleted."""
        if standing is not None and standing.version == head.version:
            return None
        place = (head.project, head.activity, head.version)
        if place not in self._versions:
            asked = dict(zip(("project", "activity", "version"), place, strict=True))
            found = self._connection.execute(SQL["deleted"], asked).fetchone()
            self._versions[place] = None if found is None else rules.deleted(*place)
        return self._versions[place]

    def _holder(self, name: Name, own: dict[NameKey, Name]) -> Name | None:
        """Return who has a name; nobody: it is *own* from now on."""
        key = rows.name_key(name)
        taken = own.get(key) or self._names.get(key)
        if taken is None:
            row = self._connection.execute(SQL["name"], key).fetchone()
            if row is None:
                own[key] = name
                return None
            taken = rows.name(row)
        return taken

    def _number(self) -> int:
        """Return the number of the next execution."""
        if self._newest is None:
            [self._newest] = self._connection.execute(SQL["newest"]).fetchone()
        return self._newest + 1

    def _add(self, write: Write) -> None:
        head = write.head
        if write.start:
            self._newest = self._number()
            self._standing[head.id] = self._changes.start(head, self._newest)
        else:
            self._changes.step(head, self._standing[head.id])
        self._changes.add(write)


def _verdict(error: Exception) -> Verdict:
    # The second fence: the head lags behind the history.
    unique = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_CONSTRAINT_UNIQUE
    return Fenced() if unique else Poisonous(message=f"{type(error).__name__}: {error}")
