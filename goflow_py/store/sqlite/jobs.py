"""The other transactions, as plain functions for the writer's thread."""

import sqlite3
from collections.abc import Sequence

from goflow_py.ports import BlueprintRow, Fenced, Message, Name, Taken, Upload, shard_of
from goflow_py.store import rows, rules
from goflow_py.store.sqlite.queries import SQL

PURGE_RECORDS_MAX = 2_000
"""History rows after which a purge takes no further execution: commits wait behind it."""


def register(connection: sqlite3.Connection, node: str, now: int, until: int) -> None:
    """Enter this incarnation, alone: every shard is free from now on."""
    connection.execute(SQL["forget_nodes"])
    connection.execute(SQL["free_all_shards"])
    connection.execute(SQL["register_node"], {"node": node, "now": now, "until": until})


def leave(connection: sqlite3.Connection, node: str) -> None:
    """Take this incarnation out; who came after it keeps what it owns."""
    connection.execute(SQL["free_own_shards"], {"node": node})
    connection.execute(SQL["bury_node"], {"node": node})


def heartbeat(connection: sqlite3.Connection, node: str, now: int, until: int) -> bool:
    """Renew the lease, or end it for ever."""
    lease = {"node": node, "now": now, "until": until}
    if connection.execute(SQL["heartbeat"], lease).rowcount == 1:
        return True
    connection.execute(SQL["bury_node"], {"node": node})
    return False


def claim(connection: sqlite3.Connection, node: str, limit: int, now: int) -> dict[int, int]:
    """Own free shards."""
    wanted = {"node": node, "limit": limit, "now": now}
    return dict(sorted(connection.execute(SQL["claim"], wanted).fetchall()))


def delete(connection: sqlite3.Connection, execution: str, seq: int | None) -> bool:
    """Remove an execution and what belongs to it, but for names that expire."""
    asked = {"execution": execution, "seq": seq}
    if connection.execute(SQL["delete_execution"], asked).rowcount == 0:
        return False
    _clear(connection, execution)
    return True


def purge(connection: sqlite3.Connection, before: int, limit: int) -> int:
    """Remove ended executions that are due; return how many."""
    due = connection.execute(SQL["purgeable"], {"before": before, "limit": limit}).fetchall()
    count = records = 0
    for (execution,) in due:
        if records >= PURGE_RECORDS_MAX:
            break
        connection.execute(SQL["delete_execution"], {"execution": execution, "seq": None})
        records += _clear(connection, execution)
        count += 1
    return count


def _clear(connection: sqlite3.Connection, execution: str) -> int:
    """Remove what belonged to an execution; return how many records that were."""
    for statement in ("delete_names", "orphan_names", "delete_messages", "unqueue"):
        connection.execute(SQL[statement], (execution,))
    return connection.execute(SQL["delete_history"], (execution,)).rowcount


def deliver(connection: sqlite3.Connection, messages: Sequence[Message]) -> list[bool]:
    """Add what is new to the inbox."""
    sent = [rows.sent(message) for message in messages]
    return [connection.execute(SQL["deliver"], row).rowcount == 1 for row in sent]


def take(connection: sqlite3.Connection, name: Name) -> Name | None:
    """Enter a name, or return who has it."""
    row = connection.execute(SQL["name"], rows.name_key(name)).fetchone()
    if row is not None:
        return rows.name(row)
    connection.execute(SQL["take"], rows.named(name))
    return None


def settle(
    connection: sqlite3.Connection,
    node: str,
    epoch: int | None,
    message: Message,
    answer: Name | None,
) -> Name | Fenced | None:
    """Delete a message and take the name of its answer; or return who has that name."""
    fence = (shard_of(message.execution), node, epoch)
    if epoch is not None and connection.execute(SQL["owned"], fence).fetchone() is None:
        return Fenced()
    winner = None if answer is None else take(connection, answer)
    if winner is None:
        connection.execute(SQL["forget_message"], (message.number,))
    return winner


def upload(connection: sqlite3.Connection, upload: Upload) -> BlueprintRow | Taken:
    """Store what is new of a blueprint and its workers; return the version that holds now."""
    place = (upload.project, upload.activity)
    latest = connection.execute(SQL["latest_blueprint"], place).fetchone()
    row = None if latest is None else rows.blueprint(latest)
    if upload.digest is None and row is None:
        raise rules.no_blueprint(upload)
    winner = None if upload.name is None else take(connection, upload.name)
    if winner is not None:
        return Taken(name=winner)
    if upload.digest is not None and (row is None or row.digest != upload.digest):
        [[given]] = connection.execute(SQL["give_version"], place).fetchall()
        row = rules.new_version(upload, given)
        connection.execute(SQL["add_blueprint"], rows.uploaded(row))
    if upload.workers is not None:
        connection.execute(SQL["put_workers"], (*place, upload.workers))
    assert row is not None
    return row


def delete_version(
    connection: sqlite3.Connection, project: str, activity: str, version: int
) -> bool:
    """Remove a version that nothing needs."""
    place = (project, activity, version)
    if connection.execute(SQL["blueprint"], place).fetchone() is None:
        return False
    if connection.execute(SQL["pinned"], place).fetchone() is not None:
        raise rules.pinned(*place)
    connection.execute(SQL["delete_version"], place)
    return True
