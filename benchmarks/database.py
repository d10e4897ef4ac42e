"""A PostgreSQL server of the benchmark's own, as durable as in production, and what it costs."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg

from benchmarks.processes import TICKS, tree_cpu_seconds
from tests.postgres import Server, server

SETTINGS = {
    "shared_buffers": "256MB",
    "max_connections": "400",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
}
"""What differs from a server as it is installed; ``fsync`` and the rest of durability do not."""


class Database:
    """A running server: databases in it, its processor time, its log."""

    def __init__(self, found: Server) -> None:
        self._server = found
        pids = found.folder / "data" / "postmaster.pid"
        self._pid = int(pids.read_text().splitlines()[0])
        self._made = 0

    @classmethod
    @contextmanager
    def running(cls, **settings: str) -> Iterator["Database"]:
        """Start a server, and stop it in the end."""
        with server(**{**SETTINGS, **settings}) as found:
            yield cls(found)

    def create(self) -> str:
        """Make a database; return its address."""
        self._made += 1
        name = f"bench{self._made}"
        self.run(f"CREATE DATABASE {name} TEMPLATE template0")
        return self._server.url(name)

    def run(self, statement: str, url: str | None = None) -> list[Any]:
        """Run one statement by itself; return its rows."""
        return asyncio.run(_run(url or self._server.url(), statement))

    def cpu_seconds(self) -> float:
        """Return the processor time of all its processes, of those that ended too."""
        fields = Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()
        return tree_cpu_seconds(self._pid) + (int(fields[13]) + int(fields[14])) / TICKS

    def wal_bytes(self) -> int:
        """Return how many bytes were ever written to its log."""
        [[position]] = self.run("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")
        return int(position)

    def size_bytes(self, url: str) -> int:
        """Return what a database has on disk."""
        [[size]] = self.run("SELECT pg_database_size(current_database())", url)
        return int(size)


async def _run(url: str, statement: str) -> list[Any]:
    session = await asyncpg.connect(url)
    try:
        rows: list[Any] = await session.fetch(statement)
    finally:
        await session.close()
    return rows
