"""The commit: the only write path of an execution.

A batch is written in one statement, on the bet that all is stored as its writes expect: the shards
are owned in their epochs, each first step follows what is there, no name and no id is taken. The
statement holds all of it to be so, or writes nothing. A bet that is lost, which is rare, costs a
look at what is stored; the writes are judged by it, and those that stand are written in the same
way.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import asyncpg

from goflow_py.ports import (
    Committed,
    Fenced,
    HeadRow,
    Name,
    Poisonous,
    QueueRow,
    RecordRow,
    Taken,
    Verdict,
    Write,
)
from goflow_py.store import rows, rules
from goflow_py.store.postgres import failures
from goflow_py.store.postgres.changes import (
    Changes,
    NameKey,
    Proof,
    freed_columns,
    name_columns,
)
from goflow_py.store.postgres.connections import fetch
from goflow_py.store.postgres.queries import SQL
from goflow_py.store.postgres.writer import Writer

LOOKS_MAX = 5
"""How often a batch looks at what is stored, and finds it changed when it writes."""

Version = tuple[str, str, int]
Spoilt = dict[int, Verdict]
"""Verdicts that are known, by the place of the write."""


async def commit(writer: Writer, writes: Sequence[Write]) -> list[Verdict]:
    """Write the batch; a write with an error that nobody foresaw is left out of it.

    Raises ``Unavailable`` for what concerns all of them.
    """
    flaws = [rules.flaw(write) for write in writes]
    spoilt: Spoilt = {
        place: Poisonous(message=flaw) for place, flaw in enumerate(flaws) if flaw is not None
    }
    async with writer.turn():
        for again in (False, True):
            if again:
                spoilt |= _unfit(writes, spoilt)
            try:
                verdicts = await _together(writer, writes, spoilt)
            except Exception as error:
                if failures.concerns_all(error):
                    raise failures.unavailable(error) or error from error
            else:
                if verdicts is not None:
                    return verdicts
        try:
            return await _one_by_one(writer, writes, spoilt)
        except failures.ERRORS as error:
            raise failures.unavailable(error) or error from error


def _unfit(writes: Sequence[Write], spoilt: Spoilt) -> Spoilt:
    """Find the writes with a value that no column holds."""
    found: Spoilt = {}
    for place, write in enumerate(writes):
        if place not in spoilt:
            for member in (write, *write.family):
                reason = rules.unfit(member) or _with_nul(member)
                if reason is not None:
                    found[place] = Poisonous(message=reason)
                    break
    return found


def _with_nul(write: Write) -> str | None:
    """Say which text has the one character that PostgreSQL does not hold."""
    found_in: list[HeadRow | RecordRow | Name | QueueRow] = [write.head, *write.records]
    for row in [*found_in, *write.names, *write.freed, *(write.queue or ())]:
        for one in fields(row):
            found = getattr(row, one.name)
            texts = [*found, *found.values()] if one.name == "labels" else [found]
            if any(isinstance(text, str) and "\0" in text for text in texts):
                return f"{one.name}: has the character NUL"
    return None


# ---------------------------------------------------------------- a whole batch


async def _together(
    writer: Writer, writes: Sequence[Write], spoilt: Spoilt
) -> list[Verdict] | None:
    """Write all but the spoilt in one statement; None: it cannot be said why it fails."""

    async def look_at(session: asyncpg.Connection) -> Seen:
        asked = [write for place, write in enumerate(writes) if place not in spoilt]
        return await look(session, writer.node, asked)

    seen: Seen | None = None
    for _ in range(LOOKS_MAX):
        batch = Batch(seen)
        verdicts = [
            spoilt[place] if place in spoilt else batch.judge(write)
            for place, write in enumerate(writes)
        ]
        # What was only assumed refuses nothing.
        if seen is not None or not batch.has_refused:
            if batch.changes.proof is None or await _write(writer, batch.changes):
                return verdicts
        seen = await writer.read(look_at)
    return None


async def _write(writer: Writer, changes: Changes) -> bool:
    """Write *changes* whole; False: something is not as they expect, and nothing was written."""
    given = {**changes.arguments(), "node": writer.node, "lane": writer.lane}
    statement = SQL["commit_bare" if changes.is_bare else "commit"]
    values = statement.values(given)

    async def attempt(session: asyncpg.Connection) -> bool:
        try:
            [[done, _]] = await session.fetch(statement.text, *values)
        except failures.UNEXPECTED:
            return False
        return bool(done)

    return await writer.settle(attempt, lambda: changes.proof, lambda: True)


# ---------------------------------------------------------------- what a write is held against


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of an execution."""

    seq: int
    project: str
    activity: str
    version: int | None = None
    """None: what is stored was not looked at."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What is stored of all that a batch touches."""

    epochs: dict[int, int] = field(default_factory=dict)
    """Of the shards that this node owns."""
    standing: dict[str, Standing] = field(default_factory=dict)
    names: dict[NameKey, Name] = field(default_factory=dict)
    deleted: frozenset[Version] = frozenset()
    """Of the versions that are to be pinned, those that are gone."""


async def look(session: asyncpg.Connection, node: str, writes: Iterable[Write]) -> Seen:
    """Read what is stored of all that *writes* touch."""
    members = [member for write in writes for member in (write, *write.family)]
    shards = sorted({member.head.shard for member in members})
    ids = sorted({member.head.id for member in members})
    keys = sorted({rows.name_key(name) for member in members for name in member.names})
    pinned = sorted({version_of(member.head) for member in members})
    columns = zip(*pinned, strict=True) if pinned else ((), (), ())
    asked = dict(zip(("v_project", "v_activity", "v_version"), columns, strict=True))
    epochs = await fetch(session, SQL["epochs"], {"node": node, "shards": shards})
    deleted = await fetch(session, SQL["deleted"], asked)
    standing = await fetch(session, SQL["standing"], {"ids": ids})
    names = await fetch(session, SQL["holders"], name_columns(keys)) if keys else []
    found = [rows.name(row) for row in names]
    return Seen(
        epochs=dict(epochs),
        standing={one: Standing(*rest) for one, *rest in standing},
        names={rows.name_key(name): name for name in found},
        deleted=frozenset(tuple(row) for row in deleted),
    )


class Batch:
    """Writes that are judged in their order, by what was *seen*; None: by what they expect."""

    def __init__(self, seen: Seen | None, first: int = 0) -> None:
        self.changes = Changes(first)
        self.has_refused = False
        self._seen = seen
        self._epochs = dict(seen.epochs) if seen else {}
        self._standing: dict[str, Standing] = dict(seen.standing) if seen else {}
        self._names: dict[NameKey, Name] = dict(seen.names) if seen else {}

    def judge(self, write: Write) -> Verdict:
        """Return the verdict of a write and its family; what stands is among the changes."""
        own: dict[NameKey, Name] = {}
        members = (write, *write.family)
        for member in members:
            refusal = self._refusal(member, own)
            if refusal is not None:
                self.has_refused = True
                return refusal
        self._names |= own
        for member in members:
            head = member.head
            self._standing[head.id] = Standing(head.seq, *version_of(head))
            self.changes.add(member)
        return Committed()

    def _refusal(self, write: Write, own: dict[NameKey, Name]) -> Fenced | Taken | Poisonous | None:
        """Say why *write* cannot be; its names join those of its family."""
        head = write.head
        if self._seen is None:
            self._epochs.setdefault(head.shard, write.epoch)
        if self._epochs.get(head.shard) != write.epoch:
            return Fenced()
        before = write.records[0].first_seq - 1
        standing = self._stands(write, before)
        if not write.start and (standing is None or standing.seq != before):
            return Fenced()
        for name in write.names:
            key = rows.name_key(name)
            winner = own.get(key) or self._names.get(key)
            if winner is not None:
                return Taken(name=winner)
            own[key] = name
        if write.start and standing is not None:
            return Taken(name=rules.same_id(head.id, standing.project, standing.activity))
        if write.start and before != -1:
            return Fenced()
        is_pinned = standing is not None and standing.version == head.version
        if self._seen is None or is_pinned or version_of(head) not in self._seen.deleted:
            return None
        return rules.deleted(*version_of(head))

    def _stands(self, write: Write, before: int) -> Standing | None:
        head = write.head
        standing = self._standing.get(head.id)
        if standing is None and self._seen is None and not write.start:
            return Standing(before, head.project, head.activity)
        return standing


def version_of(head: HeadRow) -> Version:
    """Return what an execution is pinned to."""
    return head.project, head.activity, head.version


# ---------------------------------------------------------------- one by one


async def _one_by_one(writer: Writer, writes: Sequence[Write], spoilt: Spoilt) -> list[Verdict]:
    """Write each by itself, in one transaction: what breaks is left out, and has its reason."""
    ended: list[tuple[list[Verdict], Proof | None]] = []

    async def attempt(session: asyncpg.Connection) -> list[Verdict]:
        ended.clear()
        verdicts: list[Verdict] = []
        proof: Proof | None = None
        async with session.transaction():
            freed: list[rows.Row] = []
            place = 0
            for number, write in enumerate(writes):
                if number in spoilt:
                    verdicts.append(spoilt[number])
                    continue
                verdict, changes = await _alone(session, writer, write, place)
                verdicts.append(verdict)
                if isinstance(verdict, Committed):
                    place, proof = changes.place, proof or changes.proof
                    freed += changes.freed
            if freed:
                given = freed_columns(freed)
                await session.execute(SQL["free"].text, *SQL["free"].values(given))
            ended.append((verdicts, proof))
        return verdicts

    return await writer.settle(attempt, lambda: ended[0][1] if ended else None, lambda: ended[0][0])


async def _alone(
    session: asyncpg.Connection, writer: Writer, write: Write, place: int
) -> tuple[Verdict, Changes]:
    """Write one; what it frees is left to the caller."""
    changes = Changes(place)
    try:
        async with session.transaction():
            batch = Batch(await look(session, writer.node, [write]), place)
            changes = batch.changes
            verdict = batch.judge(write)
            if isinstance(verdict, Committed):
                given: dict[str, Any] = changes.arguments(is_last=False)
                given |= {"node": writer.node, "lane": writer.lane}
                statement = SQL["commit"]
                [[done, _]] = await session.fetch(statement.text, *statement.values(given))
                verdict = verdict if done else Fenced()
    except failures.UNEXPECTED:
        # The second fence: the head lags behind the history.
        return Fenced(), changes
    except Exception as error:
        if failures.concerns_all(error):
            raise
        return Poisonous(message=f"{type(error).__name__}: {error}"), changes
    return verdict, changes
