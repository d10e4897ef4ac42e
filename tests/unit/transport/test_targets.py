"""A call reaches what the policy allows, and nothing else, however the target is written."""

import socket

import pytest

from goflow_py.ports import Answered, Unreachable
from goflow_py.transport.addresses import AddressPolicy
from goflow_py.transport.http import HttpTransport

WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


@pytest.fixture
async def closed():
    """Make a transport whose policy knows public addresses only, plus what is allowed."""
    made = []

    def make(*allow: str) -> HttpTransport:
        made.append(HttpTransport(AddressPolicy.of(allow=allow)))
        return made[-1]

    yield make
    for transport in made:
        await transport.close()


LOOPBACK = [
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "0",
    "0.0.0.0",
    "2130706433",
    "017700000001",
    "0x7f000001",
    "0x7f.1",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "127.0.0.1.",
    "127.0.0.01",
    "[::1]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "[::1%25lo]",
    "localhost",
    "LOCALHOST",
    "\uff11\uff12\uff17.0.0.1",
    "127\u30020\u30020\u30021",
    "\u2460\u2461\u2466.0.0.1",
    "%31%32%37.0.0.1",
    "127.0.0.1%00",
]
INTERNAL = [
    "169.254.169.254",
    "[fd00:ec2::254]",
    "[::ffff:169.254.169.254]",
    "100.100.100.200",
    "168.63.129.16",
    "10.0.0.1",
    "192.168.0.1",
    "[fe80::1]",
    "[fd12::1]",
    "224.0.0.1",
    "255.255.255.255",
]


@pytest.mark.parametrize("host", LOOPBACK + INTERNAL)
async def test_a_closed_policy_reaches_nothing_inside(workers, closed, call, host) -> None:
    worker = await workers(WHOLE)
    reply = await call(f"http://{host}:{worker.port}/", on=closed())
    assert isinstance(reply, Unreachable)
    assert reply.code == "forbidden_target"
    assert worker.connections == 0


@pytest.mark.parametrize(
    "url",
    [
        "http://user@127.0.0.1:{port}/",
        "http://user:pw@127.0.0.1:{port}/",
        "http://@127.0.0.1:{port}/",
        "http://1.1.1.1@127.0.0.1:{port}/",
        "http://127.0.0.1:{port}/#fragment",
        "http://127.0.0.1:{port}#@1.1.1.1/",
        "http://127.0.0.1:{port}\\@1.1.1.1/",
        "http:\\\\127.0.0.1:{port}/",
        "http://127.0.0.1:{port}/\r\nX: y",
        "http://127.0.0.1:{port}/a b",
        " http://127.0.0.1:{port}/",
        "http://127.0.0.1\t:{port}/",
        "http://127.0.0.1:{port}/\x00",
        "http://127.0.0.1:0/",
        "http://127.0.0.1:99999/",
        "http://:{port}/",
        "http:///path",
        "http://",
        "//127.0.0.1:{port}/",
        "127.0.0.1:{port}/",
        "/path",
        "",
        "ftp://127.0.0.1:{port}/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:{port}/",
        "unix:///tmp/socket",
        "tcp://127.0.0.1:{port}/",
        "ws://127.0.0.1:{port}/",
        "http://[::1:{port}/",
        "http://127.0.0.1:{port}/" + "x" * 2048,
    ],
)
async def test_a_url_that_two_parsers_could_read_in_two_ways_is_refused(workers, call, url) -> None:
    worker = await workers(WHOLE)
    reply = await call(url.replace("{port}", str(worker.port)))
    assert isinstance(reply, Unreachable)
    assert reply.code == "forbidden_target"
    assert worker.connections == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"])
async def test_loopback_is_reached_when_the_policy_is_private(workers, call, host) -> None:
    worker = await workers(WHOLE)
    assert isinstance(await call(f"http://{host}:{worker.port}/"), Answered)


@pytest.mark.parametrize(
    ("rule", "host", "reached"),
    [
        ("127.0.0.0/8", "127.0.0.1", True),
        ("127.0.0.0/8", "localhost", True),
        ("localhost", "localhost", True),
        ("localhost", "LOCALHOST", True),
        ("localhost", "127.0.0.1", False),
        ("10.0.0.0/8", "127.0.0.1", False),
        ("example.com", "localhost", False),
    ],
)
async def test_the_allow_list_opens_what_it_names(
    workers, closed, call, rule, host, reached
) -> None:
    worker = await workers(WHOLE)
    reply = await call(f"http://{host}:{worker.port}/", on=closed(rule))
    assert isinstance(reply, Answered) == reached
    assert worker.connections == int(reached)


async def test_the_address_that_is_dialled_counts_not_the_one_seen_before(
    workers, closed, call, monkeypatch
) -> None:
    """A name that was public a moment ago is loopback now: DNS rebinding."""
    worker = await workers(WHOLE)
    transport = closed()
    info = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", worker.port))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [info])
    reply = await call(f"http://rebound.example:{worker.port}/", on=transport)
    message = "127.0.0.1 is loopback, which is no allowed target"
    assert reply == Unreachable(code="forbidden_target", message=message)
    assert worker.connections == 0


async def test_of_several_addresses_only_the_allowed_are_dialled(
    workers, closed, call, monkeypatch
) -> None:
    worker = await workers(WHOLE)
    infos = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, worker.port))
        for address in ("169.254.169.254", "10.0.0.1", "127.0.0.1")
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: infos)
    transport = closed("127.0.0.1")
    assert isinstance(await call(f"http://several.example:{worker.port}/", on=transport), Answered)


async def test_a_call_with_another_name_does_not_use_its_permission(workers, closed, call) -> None:
    """The connection that ``localhost`` opened belongs to ``localhost``."""
    worker = await workers(WHOLE, whole=True)
    transport = closed("localhost")
    named = await call(f"http://localhost:{worker.port}/", on=transport)
    literal = await call(f"http://127.0.0.1:{worker.port}/", on=transport)
    assert isinstance(named, Answered)
    assert isinstance(literal, Unreachable)
    assert worker.connections == 1
