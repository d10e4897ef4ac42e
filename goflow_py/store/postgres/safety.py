"""Refuses a database that would lose what was acknowledged, or that is none to write to."""

import asyncpg

from goflow_py.errors import StartRefused
from goflow_py.store.postgres.queries import SQL

VERSION_MIN = 140_000
"""PostgreSQL 14."""


async def refuse_unsafe(connection: asyncpg.Connection, place: str) -> None:
    """Raise ``StartRefused`` with one line when a commit may return before it is on disk."""
    found = dict(await connection.fetch(SQL["settings"].text))
    reason = flaw(found)
    if reason is None and await connection.fetchval(SQL["in_recovery"].text):
        reason = "is a standby: name the primary"
    if reason is not None:
        raise StartRefused(f"{place} {reason}")


def flaw(settings: dict[str, str]) -> str | None:
    """Say which of a server's *settings* breaks a promise, and what to do; None when all hold."""
    version = int(settings["server_version_num"])
    if version < VERSION_MIN:
        return f"is PostgreSQL {version // 10_000}: use 14 or newer"
    for name in ("fsync", "full_page_writes"):
        if settings[name] != "on":
            return f"has {name} off, so a power cut destroys it: turn {name} on"
    mode = settings["synchronous_commit"]
    if mode == "off":
        return "has synchronous_commit off, so a crash loses acknowledged work: turn it on"
    if mode == "local" and settings["synchronous_standby_names"]:
        return "has synchronous_commit local, so a failover loses acknowledged work: turn it on"
    if settings["zero_damaged_pages"] == "on":
        return "has zero_damaged_pages on, which empties what is damaged: turn it off"
    if settings["transaction_read_only"] == "on":
        return "takes no writes: check that it is the primary, and default_transaction_read_only"
    if settings["server_encoding"] != "UTF8":
        return f"has the encoding {settings['server_encoding']}: create it with UTF8"
    return None
