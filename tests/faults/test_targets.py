"""Whatever a blueprint calls is dialled through one door, and the door looks at the address.

The canary listens on loopback. A server that others can reach must not call it, however it is told.
"""

import ast
import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from goflow_py.bootstrap import running
from goflow_py.clock import SystemClock
from goflow_py.config import Settings
from goflow_py.engine.orchestrator import EngineOptions, Orchestrator
from goflow_py.engine.requests import StartRequest
from goflow_py.store.memory import MemoryStore
from goflow_py.transport import dialling
from goflow_py.transport.addresses import AddressPolicy
from goflow_py.transport.http import HttpTransport
from tests.faults.hostile_workers import Worker, json, refusal

ROOT = Path(__file__).resolve().parents[2]
START = {"current": "init", "event": "start", "next": "work"}
END_SECONDS = 30.0
LOOK_SECONDS = 0.01
FORBIDDEN = "forbidden_target"


@pytest.fixture
async def canary() -> AsyncIterator[Worker]:
    """A worker that must not be asked."""
    found = Worker()
    found.answer = json(b'"reached"')
    await found.open()
    yield found
    await found.close()


class Closed:
    """An engine whose policy is that of a server beyond loopback."""

    def __init__(self, *allow: str, **options: Any) -> None:
        self.transport = HttpTransport(AddressPolicy.of(allow=allow))
        self.it = Orchestrator(
            store=MemoryStore(),
            transport=self.transport,
            clock=SystemClock(),
            options=EngineOptions(token_key=b"k" * 32, **options),
        )

    async def __aenter__(self) -> "Closed":
        await self.it.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.it.stop()
        await self.transport.close()

    async def codes(self, document: dict[str, Any], value: Any = None) -> list[str | None]:
        """Run a blueprint; return how its first attempt of each task ended."""
        return await codes(self.it, document, value)


async def codes(it: Orchestrator, document: dict[str, Any], value: Any = None) -> list[str | None]:
    """Run a blueprint; return the code of its first attempt; None: it went well."""
    return [entry.get("error", {}).get("code") for entry in await attempts(it, document, value)]


async def attempts(
    it: Orchestrator, document: dict[str, Any], value: Any = None, *, count: int = 1
) -> list[dict[str, Any]]:
    """Run a blueprint; return the ends of its attempts, as soon as there are *count*."""
    whole = {"project": "p", "activity": "a", "transitions": [START], **document}
    await it.uploads.upload(orjson.dumps(whole))
    execution = (await it.executions.start("p", "a", StartRequest(input=value))).execution
    ended: list[dict[str, Any]] = []
    async with asyncio.timeout(END_SECONDS):
        while len(ended) < count:
            await asyncio.sleep(LOOK_SECONDS)
            entries, _ = await it.tracking.history(execution, after=-1, limit=1_000)
            ended = [entry for entry in entries if entry["type"] == "attemptEnded"]
    return ended


def calling(endpoint: str, **action: Any) -> dict[str, Any]:
    """Return a blueprint whose only work is a call."""
    return {
        "states": [{"name": "work", "on": {"success": "done"}}],
        "actions": [{"name": "work", **action}],
        "workers": [{"name": "work", "workerEndpoint": endpoint, "responseTimeout": 5}],
    }


# ---------------------------------------------------------------- every door is the same door


def _notifying(moment: str, url: str) -> dict[str, Any]:
    work = {"name": "work", "do": "wait", "on": {"go": "done"}, "notify": {moment: url}}
    actions: list[dict[str, Any]] = [{"name": "wait", "type": "wait", "event": "go"}]
    if moment == "left":
        work["on"] = {"success": "done"}
        actions = [{"name": "wait", "type": "delay", "seconds": 0}]
    if moment == "failed":
        work["on"] = {}
        actions = [{"name": "wait", "type": "switch", "expression": "$.no.such"}]
    return {"states": [work], "actions": actions}


def _torn_down(url: str) -> dict[str, Any]:
    around = {"subscribe": {"teardown": "off"}, "on": {"success": "done"}, "do": "nap"}
    return {
        "states": [{"name": "work", **around}],
        "actions": [{"name": "off"}, {"name": "nap", "type": "delay", "seconds": 0}],
        "workers": [{"name": "off", "workerEndpoint": url}],
    }


def _emitting(url: str) -> dict[str, Any]:
    return {
        "states": [{"name": "work", "on": {"success": "done"}}],
        "actions": [{"name": "work", "type": "emit", "event": "told", "endpoint": url}],
    }


DOORS: dict[str, Callable[[str], dict[str, Any]]] = {
    "a worker": calling,
    "an async worker": lambda url: calling(url, type="async"),
    "a raw GET": lambda url: calling(url, raw=True, method="GET"),
    "an alias of the settings": lambda _: calling("set"),
    "an alias of the API": lambda _: calling("put"),
    "the fallback of aliases": lambda _: calling("unknown"),
    "a secret": lambda url: calling(f"{url}/${{secret:PATH}}"),
    "a CloudEvent": _emitting,
    "a CloudEvent to an alias": lambda _: _emitting("set"),
    "a notification of entry": lambda url: _notifying("entered", url),
    "a notification of leaving": lambda url: _notifying("left", url),
    "a notification of failure": lambda url: _notifying("failed", url),
    "a teardown": _torn_down,
}


@pytest.mark.parametrize("door", DOORS)
async def test_no_door_leads_to_a_refused_address(canary: Worker, door: str) -> None:
    options = {"endpoints": {"set": canary.url}, "fallback_url": canary.url}
    async with Closed(**options, secret=lambda _: "@127.0.0.1") as server:
        await server.it.uploads.put_endpoint("put", canary.url)
        assert set(await server.codes(DOORS[door](canary.url))) == {FORBIDDEN}
    assert canary.connections == 0


@pytest.mark.parametrize("door", DOORS)
async def test_every_door_opens_when_the_address_is_allowed(canary: Worker, door: str) -> None:
    """The control: what is refused above is reached here."""
    options = {"endpoints": {"set": canary.url}, "fallback_url": canary.url}
    made = Closed("127.0.0.0/8", **options, secret=lambda _: "@127.0.0.1")
    async with made as server:
        await server.it.uploads.put_endpoint("put", canary.url)
        await server.it.uploads.upload(
            orjson.dumps(
                {"project": "p", "activity": "a", "transitions": [START]} | DOORS[door](canary.url)
            )
        )
        await server.it.executions.start("p", "a", StartRequest())
        async with asyncio.timeout(END_SECONDS):
            while not canary.connections:  # noqa: ASYNC110  # it is the other side of a socket
                await asyncio.sleep(LOOK_SECONDS)


@pytest.mark.parametrize(
    "text",
    [
        "@127.0.0.1:{port}/",
        "//127.0.0.1:{port}/",
        "\\\\127.0.0.1:{port}\\",
        "..//127.0.0.1:{port}",
        "http://127.0.0.1:{port}/",
        "?#@127.0.0.1:{port}",
        "\r\nHost: 127.0.0.1:{port}",
        ".127.0.0.1:{port}",
        ":80@127.0.0.1:{port}",
    ],
)
async def test_data_in_a_path_does_not_move_the_call_to_another_host(
    canary: Worker, text: str
) -> None:
    worker = Worker()
    worker.answer = json(b"1")
    await worker.open(host="127.0.0.2")
    document = calling(f"http://127.0.0.2:{worker.port}/", path="{$.input}", query={"q": "$.input"})
    async with Closed("127.0.0.2") as server:
        found = await server.codes(document, text.replace("{port}", str(canary.port)))
    assert found == [None]
    assert (canary.connections, worker.connections) == (0, 1)
    head = worker.requests[0].split(b"\r\n")
    assert [line for line in head if line.lower().startswith(b"host:")] == [
        b"Host: 127.0.0.2:%d" % worker.port
    ]
    await worker.close()


# ---------------------------------------------------------------- the door cannot be gone around

DIALS = {
    "socket": "socket create_connection getaddrinfo",
    "asyncio": "open_connection open_unix_connection",
    "httpx": "*",
    "aiohttp": "ClientSession TCPConnector UnixConnector request",
    "aiohappyeyeballs": "*",
    "http.client": "*",
    "urllib.request": "*",
    "urllib3": "*",
    "requests": "*",
    "ftplib": "*",
    "smtplib": "*",
    "ssl": "create_default_context SSLContext wrap_socket",
}
"""Names by which Python opens connections."""

DIALLERS = {
    "goflow_py/transport",  # to workers
    "goflow_py/client.py",  # to a goflow server, by its user
    "goflow_py/cli",  # the same
    "goflow_py/bootstrap.py",  # listens
    "goflow_py/api/guard.py",  # accepts
    "goflow_py/scripting/pool.py",  # a pair of sockets to its own child
}


def _dialled(tree: ast.Module) -> set[str]:
    """Return the names in *tree* that open connections."""
    found = set()
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                found |= {one.name for one in names if DIALS.get(one.name) == "*"}
            case ast.ImportFrom(module=str(module), names=names):
                given = DIALS.get(module, "")
                found |= {module for one in names if given == "*" or one.name in given.split()}
            case ast.Attribute(value=ast.Name(id=module), attr=name):
                found |= {module} & {one for one in DIALS if name in DIALS[one].split()}
    return found


def test_only_the_transport_opens_connections() -> None:
    found = {}
    for path in sorted((ROOT / "goflow_py").rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        dialled = _dialled(ast.parse(path.read_text("utf-8")))
        if dialled and not any(name == one or name.startswith(f"{one}/") for one in DIALLERS):
            found[name] = dialled
    assert found == {}


def test_only_one_line_of_the_engine_sends_a_request() -> None:
    senders = [
        path.name
        for path in sorted((ROOT / "goflow_py").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and node.attr == "send"
        if ast.unparse(node.value).endswith("transport")
    ]
    assert senders == ["caller.py"]


# ---------------------------------------------------------------- names that change, and redirects


async def test_a_name_that_is_rebound_between_two_attempts_reaches_nothing(
    canary: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """127.0.0.2 stands for a public address here: it is allowed, and 127.0.0.1 is not."""
    answers: list[str] = []

    def look_up(host: str, port: int, **_: object) -> list[Any]:
        answers.append("127.0.0.1" if answers else "127.0.0.2")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (answers[-1], port))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(dialling, "DNS_SECONDS_MAX", 0)
    outside = Worker()
    outside.answer = refusal(b"503 Down")
    await outside.open(host="127.0.0.2", port=canary.port)
    document = calling(f"http://rebound.example:{outside.port}/")
    document["workers"][0] |= {"retryCount": 1, "retry": {"interval": 0}}
    async with Closed("127.0.0.2") as server:
        found = await attempts(server.it, document, count=2)
    assert [entry["error"]["code"] for entry in found] == ["server_error", FORBIDDEN]
    assert answers == ["127.0.0.2", "127.0.0.1"]
    assert (outside.connections, canary.connections) == (1, 0)
    await outside.close()


async def test_an_answer_of_several_addresses_is_tried_without_the_refused_ones(
    canary: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The allowed one is dead, so that a careless dialler would go on to the next."""

    def look_up(host: str, port: int, **_: object) -> list[Any]:
        found = ["127.0.0.2", "127.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1"]
        return [
            (
                socket.AF_INET6 if ":" in one else socket.AF_INET,
                socket.SOCK_STREAM,
                6,
                "",
                (one, port, 0, 0) if ":" in one else (one, port),
            )
            for one in found
        ]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with socket.socket() as dead:
        dead.bind(("127.0.0.2", 0))
        lonely = Worker()
        await lonely.open(host="127.0.0.1", port=dead.getsockname()[1])
        async with Closed("127.0.0.2") as server:
            url = f"http://several.example:{lonely.port}/"
            assert await server.codes(calling(url)) == ["unreachable"]
        assert lonely.connections == 0
        await lonely.close()


@pytest.mark.parametrize("status", [b"301 Go", b"302 Go", b"303 Go", b"307 Go", b"308 Go"])
@pytest.mark.parametrize("to", ["canary", "metadata", "itself"])
async def test_a_redirect_leads_nowhere(canary: Worker, status: bytes, to: str) -> None:
    worker = Worker()
    await worker.open(host="127.0.0.2")
    places = {
        "canary": canary.url,
        "metadata": "http://169.254.169.254/latest/meta-data/",
        "itself": f"http://127.0.0.2:{worker.port}/",
    }
    worker.answer = refusal(status, f"Location: {places[to]}".encode())
    async with Closed("127.0.0.2") as server:
        found = await server.codes(calling(f"http://127.0.0.2:{worker.port}/"))
    assert found == ["bad_response"]
    assert (worker.connections, canary.connections) == (1, 0)
    await worker.close()


# ---------------------------------------------------------------- the server itself


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "localhost", "[::ffff:127.0.0.1]"])
async def test_a_server_that_others_reach_does_not_call_itself(canary: Worker, host: str) -> None:
    settings = Settings(
        host="0.0.0.0",
        port=0,
        data="memory",
        allow_target=("127.0.0.0/8", "127.0.0.1", "::1", "localhost"),
    )
    async with running(settings) as server:
        port = server.url.rpartition(":")[2]
        it = server.orchestrator
        (ended,) = await attempts(it, calling(f"http://{host}:{port}/healthz", raw=True))
        assert ended["error"]["code"] == FORBIDDEN
        # Where a name leads is the server's own business.
        said = "is no allowed target" if host == "localhost" else "is this server itself"
        assert said in ended["error"]["message"]
        assert await codes(it, calling(f"http://127.0.0.1:{canary.port}/")) == [None]


async def test_a_server_for_this_machine_may_call_itself() -> None:
    """Whoever uploads to it may call its API as well: it asks nobody for a key."""
    async with running(Settings(port=0, data="memory")) as server:
        called = calling(f"{server.url}/healthz", raw=True, method="GET")
        assert await codes(server.orchestrator, called) == [None]
