"""The one place where adapters meet the engine: settings in, a running server out.

``running`` is the server as a context manager, for tests and for programs that hold one;
``run`` is the process: the loop, the log, the signals.
"""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import uvloop

from goflow_py.api import Door, Guard, GuardedRunner, create_app
from goflow_py.api.auth import Access, is_loopback
from goflow_py.api.files import files_for
from goflow_py.api.first_key import make_first_key
from goflow_py.api.log_lines import JsonLines, TextLines
from goflow_py.api.metrics import Metrics
from goflow_py.clock import Clock, SystemClock
from goflow_py.config import Settings
from goflow_py.engine.backoff import RetryDefaults
from goflow_py.engine.limits import server_limits
from goflow_py.engine.orchestrator import EngineOptions, Orchestrator
from goflow_py.errors import StartRefused
from goflow_py.ports import Store, Transport
from goflow_py.scripting.pool import ScriptPool
from goflow_py.secret_files import Secrets
from goflow_py.store import private
from goflow_py.store.drivers import driver
from goflow_py.transport.addresses import AddressPolicy
from goflow_py.transport.http import HttpTransport

SERVER_KEY_BYTES = 32
MOCK_READY_SECONDS = 10.0
MOCK_STOP_SECONDS = 3.0
LOST_STOP_SECONDS = 5.0
SINGLE_NODE_LEASE_SECONDS = 315_360_000.0
"""One file has one server, and the lock file holds it: a lease that a suspended laptop or a moved
clock can lose would end a server that nobody competes with."""
LATE = ("goflow_py.engine.uploads",)
"""What a start leaves out though many will ask for it: 30 ms, which no request is to wait for."""
LATE_SECONDS = 2.0
"""After ready; what was running comes first."""
EXIT_LOST = 3
"""The exit code of a server that may write nothing any more; a new process may."""

GC_THRESHOLDS = 20_000, 20, 20
"""Hardly any object is ever in a cycle: with Python's 700 the collector has a tenth of the time."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Server:
    """A server that takes requests."""

    url: str
    """Where it listens."""
    orchestrator: Orchestrator
    door: Door

    async def drain(self, seconds: float) -> None:
        """Take no new work, and let the calls in flight end for up to *seconds*."""
        self.door.drain()
        await self.orchestrator.drain(seconds)


# ---------------------------------------------------------------- the process


def run(settings: Settings, *, on_ready: Callable[[str], object]) -> int:
    """Serve until SIGTERM or SIGINT; return the exit code. *on_ready* is called with the URL.

    Raises ``StartRefused``.
    """
    configure_logging(settings)
    for warning in settings.warnings:
        log.warning(warning)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(serve(settings, on_ready=on_ready))


async def serve(settings: Settings, *, on_ready: Callable[[str], object]) -> int:
    """Serve until a signal comes, or until this node has lost its data to another."""
    loop = asyncio.get_running_loop()
    asked, hurry = asyncio.Event(), asyncio.Event()

    def on_signal() -> None:
        (hurry if asked.is_set() else asked).set()

    async with running(settings) as server:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, on_signal)
        gc.freeze()  # what is there now stays: no collection looks at it again
        gc.set_threshold(*GC_THRESHOLDS)
        gc.enable()  # whoever starts quickly has turned it off
        on_ready(server.url)
        loop.call_later(LATE_SECONDS, _import_late)
        lost = server.orchestrator.lost
        await _first(asked.wait(), lost.wait())
        if lost.is_set():
            loop.call_later(LOST_STOP_SECONDS, os._exit, EXIT_LOST)
        else:
            log.info("draining", extra={"seconds": settings.drain_timeout})
            await _first(server.drain(settings.drain_timeout), hurry.wait(), lost.wait())
    return EXIT_LOST if lost.is_set() else 0


def _import_late() -> None:
    """Import what the start left out, in a thread: the first who asks for it need not wait."""

    def work() -> None:
        for name in LATE:
            import_module(name)

    threading.Thread(target=work, name="late imports", daemon=True).start()


async def _first(*waits: Coroutine[Any, Any, object]) -> None:
    """Return when one of *waits* is over; the others are cancelled."""
    tasks = [asyncio.create_task(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


# ---------------------------------------------------------------- the server


@asynccontextmanager
async def running(
    settings: Settings, *, clock: Clock | None = None, transport: Transport | None = None
) -> AsyncIterator[Server]:
    """Start a server, and stop it at the end without waiting for calls. Raises ``StartRefused``."""
    clock = clock or SystemClock()
    async with contextlib.AsyncExitStack() as stack:
        listener = _bind(settings)
        stack.callback(listener.close)
        url = _url_of(settings, listener)
        mock = await stack.enter_async_context(_mock_workers(settings))
        metrics = Metrics()
        key = await _server_key(settings, clock)
        orchestrator = Orchestrator(
            store=_store(settings, url, lambda: orchestrator.lost.set()),
            transport=transport or _transport(settings, listener),
            clock=clock,
            options=_options(settings, url, mock, key),
            observer=metrics,
            scripts=ScriptPool(clock),
        )
        stack.push_async_callback(orchestrator.stop)
        await orchestrator.start()
        door = await _door(settings, orchestrator, metrics, clock)
        measure = partial(metrics.measure_lag, SystemClock())
        orchestrator.supervisor.every("lag", measure, seconds=0.0)
        runner = GuardedRunner(create_app(door), door.guard)
        stack.push_async_callback(runner.cleanup)
        await runner.listen(listener)
        try:
            yield Server(url=url, orchestrator=orchestrator, door=door)
        finally:
            door.drain()
            orchestrator.owner.memory.stop_waiting()


def _options(settings: Settings, url: str, mock: str | None, key: bytes) -> EngineOptions:
    return EngineOptions(
        token_key=key,
        public_url=settings.public_url or url,
        endpoints=dict(settings.endpoint),
        fallback_url=mock,
        retry=RetryDefaults(
            interval=settings.retry_interval, max_interval=settings.retry_max_interval
        ),
        calls_in_flight_max=files_for(settings.calls_in_flight_max),
        limits=server_limits(settings),
        checks_roles=not is_loopback(settings.host),
        is_alone=not settings.has_database,
        lease_seconds=settings.lease if settings.has_database else SINGLE_NODE_LEASE_SECONDS,
        retention_seconds=settings.retention_days * 86_400,
        secret=Secrets(settings.secrets_dir, os.environ).secret,
    )


def _store(settings: Settings, url: str, on_fatal: Callable[[], object]) -> Store:
    # Only the one that is asked for: each takes 5 ms to import.
    if settings.has_database:
        with driver():
            from goflow_py.store.postgres import PostgresStore

        where = _address_of(settings, url)
        return PostgresStore(settings.data, is_alone=False, address=where, on_fatal=on_fatal)
    path = settings.data_path
    if path is None:
        from goflow_py.store.memory import MemoryStore

        return MemoryStore()
    from goflow_py.store.sqlite import SqliteStore

    return SqliteStore(path, on_fatal=on_fatal)


def _transport(settings: Settings, listener: socket.socket) -> Transport:
    private = is_loopback(settings.host)  # then its API has no keys, and is a worker like any
    own = None if private else listener.getsockname()[:2]
    policy = AddressPolicy.of(private=private, allow=settings.allow_target, own=own)
    return HttpTransport(
        policy,
        response_bytes_max=settings.body_bytes_max,
        connections_max=files_for(settings.calls_in_flight_max),
    )


async def _door(
    settings: Settings, orchestrator: Orchestrator, metrics: Metrics, clock: Clock
) -> Door:
    required = not is_loopback(settings.host)
    access = Access(store=orchestrator.store, clock=clock, required=required)
    await access.load()
    orchestrator.elsewhere.also("keys", access.load)
    if required and not access.keys:
        await make_first_key(
            access,
            path=settings.bootstrap_key_file,
            write=partial(private.write, replace=True),
            is_alone=not settings.has_database,
        )
    guard = Guard(
        clock=clock,
        connections_max=settings.connections_max,
        header_timeout_seconds=settings.header_timeout,
    )
    metrics.watch(orchestrator, lambda: len(guard.connections))
    return Door(
        orchestrator=orchestrator,
        access=access,
        guard=guard,
        metrics=metrics,
        clock=clock,
        body_bytes_max=settings.body_bytes_max,
        body_timeout_seconds=settings.body_timeout,
        backup_dir=_backup_dir(settings),
    )


def _backup_dir(settings: Settings) -> str | None:
    """Return where copies go: beside the data file; of a database, where a file would be."""
    path = Path(Settings().data).absolute() if settings.has_database else settings.data_path
    return None if path is None else str(path.parent / "backups")


# ---------------------------------------------------------------- where it listens


def _bind(settings: Settings) -> socket.socket:
    """Take the port; nobody can connect before the server listens."""
    host, port = settings.host, settings.port
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        # A name of this machine has both; clients try IPv4 in any case.
        family, _, _, _, address = min(found, key=lambda one: one[0] != socket.AF_INET)
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise StartRefused(f"cannot listen on {host} port {port}: {reason}") from error
    listener.setblocking(False)
    return listener


def _url_of(settings: Settings, listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    if host in ("0.0.0.0", "::"):  # compared, not bound
        host = "127.0.0.1" if host == "0.0.0.0" else "::1"
        if settings.public_url is None:
            log.warning(
                "callback URLs point to this machine only; set --public-url to the address "
                "that workers can reach"
            )
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _address_of(settings: Settings, url: str) -> str:
    """Return where an operator finds this server: by its machine's name, if it is all of that."""
    if settings.host not in ("0.0.0.0", "::"):  # compared, not bound
        return url
    return f"http://{socket.gethostname()}:{url.rpartition(':')[2]}"


# ---------------------------------------------------------------- keys


async def _server_key(settings: Settings, clock: Clock) -> bytes:
    """Return the key that signs callback tokens: the same for every start of this data."""
    if settings.has_database:
        with driver():
            from goflow_py.store.postgres import server_key

        return await server_key(settings.data, clock.token_bytes(SERVER_KEY_BYTES), clock=clock)
    if settings.data_path is None:
        return clock.token_bytes(SERVER_KEY_BYTES)
    path = settings.data_path.with_name(settings.data_path.name + ".key")
    return private.kept(path, clock.token_bytes(SERVER_KEY_BYTES))


# ---------------------------------------------------------------- mock workers


@asynccontextmanager
async def _mock_workers(settings: Settings) -> AsyncIterator[str | None]:
    """Run mock workers as a child, if they are asked for; yield their URL."""
    if settings.workers_mock is None:
        yield None
        return
    script = ("--script", settings.workers_mock) if settings.workers_mock else ()
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "workers_mock", "--port", "0", "--child", *script),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert child.stdout is not None, "its output is a pipe"
        try:
            async with asyncio.timeout(MOCK_READY_SECONDS):
                line = (await child.stdout.readline()).decode("utf-8", "replace").strip()
        except TimeoutError:
            line = ""
        if not line.startswith("ready "):
            raise StartRefused("the mock workers did not start; see their message above")
        yield line.removeprefix("ready ")
    finally:
        await _end(child)


async def _end(child: asyncio.subprocess.Process) -> None:
    if child.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        child.terminate()
    try:
        async with asyncio.timeout(MOCK_STOP_SECONDS):
            await child.wait()
    except TimeoutError:
        child.kill()
        await child.wait()


# ---------------------------------------------------------------- the log


def configure_logging(settings: Settings) -> None:
    """Write log lines to stderr, as text or JSON."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if settings.log_format == "json" else TextLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    for name in ("transitions", "aiosqlite"):  # the second would write what it asks the file for
        logging.getLogger(name).setLevel(logging.WARNING)
