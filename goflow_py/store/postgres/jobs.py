"""The changes of more than one statement."""

import asyncpg

from goflow_py.errors import Unavailable
from goflow_py.ports import BlueprintRow, Fenced, Message, Name, Taken, Upload, shard_of
from goflow_py.store import rows, rules
from goflow_py.store.postgres.connections import change, fetch
from goflow_py.store.postgres.queries import SQL

NAME = ("project", "kind", "scope", "name", "execution", "digest", "answer", "expires")
NO_NAME = ("", "", "", "", "", "", b"", None)
LOOKS_MAX = 5
PURGE_RECORDS_MAX = 2_000
"""History rows after which a purge takes no further execution: others wait for what it holds."""


async def delete(session: asyncpg.Connection, execution: str, seq: int | None) -> bool:
    """Remove an execution and what belongs to it, but for names that expire."""
    if not await fetch(session, SQL["lock_execution"], {"execution": execution, "seq": seq}):
        return False
    await fetch(session, SQL["delete_executions"], {"ids": [execution]})
    return True


async def purge(session: asyncpg.Connection, before: int, limit: int) -> int:
    """Remove ended executions that are due; return how many."""
    asked = {"before": before, "limit": limit, "records": PURGE_RECORDS_MAX}
    found = await fetch(session, SQL["lock_purgeable"], asked)
    ids = [execution for (execution,) in found]
    if ids:
        await fetch(session, SQL["delete_executions"], {"ids": ids})
    return len(ids)


async def take(session: asyncpg.Connection, name: Name) -> Name | None:
    """Enter a name, or return who has it."""
    values = dict(zip(NAME, rows.named(name), strict=True))
    for _ in range(LOOKS_MAX):  # a name that is taken may be free again when it is looked for
        if await fetch(session, SQL["put_name"], values):
            return None
        found = await fetch(session, SQL["name"], values)
        if found:
            return rows.name(found[0])
    raise Unavailable("the store is unavailable, the database is busy", code="store_busy")


async def settle(
    session: asyncpg.Connection,
    node: str,
    epoch: int | None,
    message: Message,
    answer: Name | None,
) -> Name | Fenced | None:
    """Delete a message and take the name of its answer; or return who has that name."""
    fence = {"shard": shard_of(message.execution), "node": node, "epoch": epoch}
    values = dict(zip(NAME, NO_NAME if answer is None else rows.named(answer), strict=True))
    given = {**fence, **values, "number": message.number, "silent": answer is None}
    for _ in range(LOOKS_MAX):
        # One statement: no node can stand still in the middle of it, and hold its shard.
        [(is_owned, is_settled)] = await fetch(session, SQL["settle"], given)
        if not is_owned:
            return Fenced()
        if is_settled:
            return None
        found = await fetch(session, SQL["name"], values)
        if found:
            return rows.name(found[0])
    raise Unavailable("the store is unavailable, the database is busy", code="store_busy")


async def upload(session: asyncpg.Connection, upload: Upload) -> BlueprintRow | Taken:
    """Store what is new of a blueprint and its workers; return the version that holds now."""
    place = {"project": upload.project, "activity": upload.activity}
    await change(session, SQL["lock_versions"], place)
    latest = await fetch(session, SQL["latest_blueprint"], place)
    row = rows.blueprint(latest[0]) if latest else None
    if upload.digest is None and row is None:
        raise rules.no_blueprint(upload)
    winner = None if upload.name is None else await take(session, upload.name)
    if winner is not None:
        raise NameLost(Taken(name=winner))
    if upload.digest is not None and (row is None or row.digest != upload.digest):
        [(given,)] = await fetch(session, SQL["give_version"], place)
        row = rules.new_version(upload, given)
        names = ("project", "activity", "version", "digest", "body", "findings", "created_at")
        values = dict(zip(names, rows.uploaded(row), strict=True))
        await change(session, SQL["add_blueprint"], values)
    if upload.workers is not None:
        await change(session, SQL["put_workers"], {**place, "body": upload.workers})
    assert row is not None
    return row


class NameLost(Exception):
    """An upload wants a name that somebody has: what it did is rolled back."""

    def __init__(self, taken: Taken) -> None:
        super().__init__(taken.name.name)
        self.taken = taken


async def delete_version(
    session: asyncpg.Connection, project: str, activity: str, version: int
) -> bool:
    """Remove a version that nothing needs."""
    # None of any node comes between the question and the deletion, and what comes behind it sees
    # that the version is gone.
    await session.execute(SQL["hurry"].text)
    await session.execute(SQL["lock_commits_out"].text)
    place = {"project": project, "activity": activity, "version": version}
    if not await fetch(session, SQL["blueprint"], place):
        return False
    if await fetch(session, SQL["pinned"], place):
        raise rules.pinned(project, activity, version)
    await change(session, SQL["forget_tallies"], place)
    await change(session, SQL["delete_version"], place)
    return True
