"""A call reaches what the policy allows, and nothing else, however the target is written."""

import asyncio
import socket
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goflow_py.ports import Answered, Unreachable
from goflow_py.transport.addresses import AddressPolicy
from goflow_py.transport.http import HttpTransport
from tests.unit.transport.conftest import request

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
    "127.0.0.1%2e",
    "127%2e0%2e0%2e1",
    "%6c%6f%63alhost",
    "127.0.0.1..",
    "..127.0.0.1",
    "127.0..1",
    "0x7f.0x0.0x0.0x1",
    "0X7F000001",
    "0177.0.0.0x1",
    "00000000177.0.0.1",
    "0b1111111.0.0.1",
    "4294967296",
    "1.1.1.1.127.0.0.1",
    "127.0.0.1,1.1.1.1",
    "127.0.0.1;x",
    "[::ffff:7f00:0001]",
    "[0:0:0:0:0:ffff:127.0.0.1]",
    "[::ffff:0:127.0.0.1]",
    "[::1%lo]",
    "[127.0.0.1]",
    "[v1.127.0.0.1]",
    "::1",
    "\u24dbocalhost",
    "lo\u00adcalhost",
    "loc\u200dalhost",
    "\u202e1.0.0.721",
    "xn--",
    "xn--localhost-",
    "a..b",
    "-a.b",
    "*",
]
INTERNAL = [
    "169.254.169.254",
    "169.254.169.254.",
    "2852039166",
    "0xa9fea9fe",
    "0251.0376.0251.0376",
    "[fd00:ec2::254]",
    "[fd00:42::42]",
    "[fd20:ce::254]",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[64:ff9b::169.254.169.254]",
    "[2002:a9fe:a9fe::]",
    "[fe80::a9fe:a9fe]",
    "192.0.0.192",
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


@pytest.mark.parametrize(
    "name",
    [
        "localhost.",
        "localhost\u3002",
        "metadata",
        "metadata.google.internal",
        "127.0.0.1.example",
        "b\u00fccher.example",
        "xn--bcher-kva.example",
        "_my_service",
    ],
)
@pytest.mark.parametrize("found", ["127.0.0.1", "169.254.169.254"])
async def test_a_name_is_judged_by_the_address_it_leads_to(
    workers, closed, call, monkeypatch, name, found
) -> None:
    worker = await workers(WHOLE)
    info = (socket.AF_INET, socket.SOCK_STREAM, 6, "", (found, worker.port))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [info])
    reply = await call(f"http://{name}:{worker.port}/", on=closed())
    assert reply.code == "forbidden_target"
    assert worker.connections == 0


async def test_a_rule_names_an_international_host_as_urls_do(
    workers, closed, call, monkeypatch
) -> None:
    worker = await workers(WHOLE)
    info = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", worker.port))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [info])
    transport = closed("xn--bcher-kva.example")
    for host in ("b\u00fccher.example", "xn--bcher-kva.example"):
        assert isinstance(await call(f"http://{host}:{worker.port}/", on=transport), Answered)


PIECES = "http:// https:// xn-- [ ] : :: @ / ? # % %25 . .. - _ a localhost 127.0.0.1 0x7f 80 65536"
PIECES += " fe80 v1. \\ \u00df \u200d \u3002 \u24db \u202e \ud800 \x7f \xa0 * ' ; { } $ |"


@given(st.booleans(), st.lists(st.sampled_from(PIECES.split(" ")), max_size=10))
def test_no_url_makes_the_transport_stumble(whole: bool, pieces: list[str]) -> None:
    async def send() -> None:
        transport = HttpTransport(AddressPolicy())
        url = "http://" * whole + "".join(pieces)
        reply = await transport.send(request(url, timeout_seconds=5.0))
        await transport.close()
        assert isinstance(reply, Unreachable)
        assert reply.code in ("forbidden_target", "unreachable")

    def nowhere(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "nowhere")

    with mock.patch.object(socket, "getaddrinfo", nowhere):
        asyncio.run(send())


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
    assert reply.code == "forbidden_target"
    assert worker.connections == 0


@pytest.mark.parametrize("found", ["127.0.0.1", "10.1.2.3", "169.254.169.254"])
async def test_where_an_inner_name_leads_is_told_to_the_log_and_not_to_the_caller(
    closed, call, monkeypatch, caplog, found
) -> None:
    info = (socket.AF_INET, socket.SOCK_STREAM, 6, "", (found, 80))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [info])
    replies = [await call(f"http://{name}/", on=closed()) for name in ("db.internal", f"{found}")]
    message = "the name leads to an address which is no allowed target; the server's log has it"
    assert replies[0] == Unreachable(code="forbidden_target", message=message)
    assert f"{found} is " in replies[1].message, "one who writes an address knows it"
    [record] = caplog.records
    assert (record.host, found in record.reason) == ("db.internal", True)


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
