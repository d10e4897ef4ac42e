"""How many connections there are, how long they are kept, and who gets the next one."""

import asyncio
import socket
import subprocess
import sys

import pytest

from goflow_py.ports import Answered, Unreachable
from goflow_py.transport import pool
from goflow_py.transport.addresses import AddressPolicy
from goflow_py.transport.connection import Connection
from goflow_py.transport.http import HttpTransport
from tests.faults.hostile_workers import BROKEN, CHUNKED, MIB, OK, WHOLE

KEPT = {
    "a length": WHOLE,
    "chunks": CHUNKED + b"2\r\nhi\r\n0\r\n\r\n",
    "trailers": CHUNKED + b"2\r\nhi\r\n0\r\nX-A: trailer\r\nX-B: trailer\r\n\r\n",
    "early hints": b"HTTP/1.1 103 Early Hints\r\nX-A: hint\r\n\r\n" + WHOLE,
    "HTTP/1.0 that asks for it": (
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi"
    ),
}
CLOSED = {
    "Connection: close": OK + b"Connection: close\r\nContent-Length: 2\r\n\r\nhi",
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi",
    "the start of a second answer": WHOLE + b"HTTP/1.1 2",
}


@pytest.fixture
async def narrow():
    """Make a transport with few connections."""
    made = []

    def make(connections_max: int = 1) -> HttpTransport:
        made.append(HttpTransport(AddressPolicy(private=True), connections_max=connections_max))
        return made[-1]

    yield make
    for transport in made:
        await transport.close()


@pytest.mark.parametrize("answer", KEPT.values(), ids=KEPT.keys())
async def test_after_a_whole_answer_the_connection_is_kept_and_nothing_of_the_answer(
    workers, call, answer
) -> None:
    worker = await workers(answer, whole=True)
    first = await call(worker.url)
    worker.answer = OK + b"X-B: own\r\nContent-Length: 3\r\n\r\nyes"
    second = await call(worker.url)
    assert first.body == b"hi"
    assert not first.headers.keys() & {"x-a", "x-b"}
    assert (second.body, second.headers) == (b"yes", {"x-b": "own", "content-length": "3"})
    assert worker.connections == 1


@pytest.mark.parametrize("answer", CLOSED.values(), ids=CLOSED.keys())
async def test_a_connection_that_may_not_be_used_again_is_not(workers, call, answer) -> None:
    worker = await workers(answer, whole=True)
    for _ in range(3):
        assert (await call(worker.url)).body == b"hi"
    assert worker.connections == 3


async def test_an_idle_connection_is_closed_before_the_worker_closes_it(
    workers, call, monkeypatch
) -> None:
    monkeypatch.setattr(pool, "IDLE_SECONDS_MAX", 0.01)
    monkeypatch.setattr(pool, "SWEEP_SECONDS", 0.01)
    worker = await workers(WHOLE, whole=True)
    assert isinstance(await call(worker.url), Answered)
    async with asyncio.timeout(10):
        await worker.gone.wait()


async def test_a_connection_that_is_too_old_is_not_used_though_nobody_closed_it(
    workers, call, monkeypatch
) -> None:
    monkeypatch.setattr(pool, "IDLE_SECONDS_MAX", 0.0)
    worker = await workers(WHOLE, whole=True)
    for _ in range(3):
        assert isinstance(await call(worker.url), Answered)
    assert worker.connections == 3


@pytest.mark.parametrize(("answer", "code", "status"), BROKEN.values(), ids=BROKEN.keys())
async def test_whatever_a_worker_does_its_place_is_free_for_the_next_call(
    workers, call, narrow, answer, code, status
) -> None:
    bad, good, transport = await workers(answer), await workers(WHOLE), narrow()
    seconds = 0.1 if code == "timeout" else 10.0
    for _ in range(2):
        assert (await call(bad.url, on=transport, timeout_seconds=seconds)).code == code
        assert isinstance(await call(good.url, on=transport), Answered)


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/", "http://no-such-host.invalid/", "http://127.0.0.1:1/"]
)
async def test_a_call_that_finds_no_connection_takes_no_place(workers, call, narrow, url) -> None:
    worker, transport = await workers(WHOLE), narrow()
    for _ in range(2):
        reply = await call(url, on=transport)
        assert reply.code in ("forbidden_target", "unreachable")
        assert isinstance(await call(worker.url, on=transport), Answered)


async def test_a_call_that_is_given_up_leaves_its_place(workers, call, narrow) -> None:
    asked = asyncio.Event()

    async def silence(reader, writer):
        asked.set()
        await reader.read()

    worker, good, transport = await workers(silence), await workers(WHOLE), narrow()
    first = asyncio.ensure_future(call(worker.url, on=transport))
    await asked.wait()
    second = asyncio.ensure_future(call(worker.url, on=transport))
    await asyncio.sleep(0)  # a turn of the loop, no time: it waits in line
    for task in (second, first):
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert isinstance(await call(good.url, on=transport), Answered)


async def test_who_waits_longest_is_served_first_whatever_the_worker(workers, call, narrow) -> None:
    served: list[str] = []

    def note(name: str):
        async def answer(reader, writer):
            served.append(name)
            writer.write(WHOLE)

        return answer

    names = ["a", "b", "a", "c", "b", "a"]
    far = {name: await workers(note(name)) for name in set(names)}
    transport = narrow()
    replies = await asyncio.gather(*(call(far[name].url, on=transport) for name in names))
    assert all(isinstance(reply, Answered) for reply in replies)
    assert served == names


async def test_idle_connections_make_room_for_new_ones(workers, call, narrow) -> None:
    transport = narrow(2)
    far = [await workers(WHOLE, whole=True) for _ in range(4)]
    for worker in far:
        assert isinstance(await call(worker.url, on=transport), Answered)
    async with asyncio.timeout(10):
        await far[0].gone.wait()
        await far[1].gone.wait()
    for worker in far[2:]:
        assert isinstance(await call(worker.url, on=transport), Answered)
        assert worker.connections == 1


async def test_a_call_cancelled_as_its_answer_comes_does_not_harm_the_next_one(
    workers, call, transport, monkeypatch
) -> None:
    worker = await workers(WHOLE, whole=True)
    assert isinstance(await call(worker.url), Answered)
    take_back = transport._pool.take_back

    def cancel(connection, *, reusable: bool) -> None:
        take_back(connection, reusable=reusable)
        monkeypatch.setattr(transport._pool, "take_back", take_back)
        cancelled.cancel()

    monkeypatch.setattr(transport._pool, "take_back", cancel)
    cancelled = asyncio.ensure_future(call(worker.url))
    await asyncio.wait([cancelled])
    assert cancelled.cancelled()
    assert (await call(worker.url)).body == b"hi"
    assert (worker.connections, len(worker.requests)) == (1, 3)


async def test_a_long_body_goes_out_whole(workers, call) -> None:
    worker = await workers(WHOLE)
    body = bytes(range(256)) * (5 * MIB // 256)
    assert isinstance(await call(worker.url, body=body), Answered)
    assert worker.requests[0].endswith(b"\r\n\r\n" + body)


async def test_a_worker_that_goes_away_while_the_call_is_sent_is_unreachable(workers, call) -> None:
    worker = await workers()

    async def leave(reader, writer):
        await reader.readexactly(1)
        writer.transport.abort()

    worker.deaf, worker.early = True, leave
    reply = await call(worker.url, body=bytes(32 * MIB))
    assert (reply.code, reply.message) == (
        "unreachable",
        "the connection closed while the call was sent",
    )


def dial_slowly(transport, monkeypatch):
    """Let 50 turns of the loop pass between a connection and the call: the worker may speak."""
    dial = transport._pool._dialler.dial

    async def slowly(*asked):
        made = await dial(*asked)
        for _ in range(50):
            await asyncio.sleep(0)
        return made

    monkeypatch.setattr(transport._pool._dialler, "dial", slowly)


@pytest.mark.parametrize("pieces", [1, 2], ids=["at once", "in two pieces"])
async def test_a_worker_that_refuses_unheard_is_heard_and_not_called_again_on_that_connection(
    workers, call, transport, monkeypatch, pieces
) -> None:
    dial_slowly(transport, monkeypatch)
    refusal = b"HTTP/1.1 503 Full\r\nContent-Length: 2\r\n\r\nno"
    worker = await workers()

    async def refuse(reader, writer):
        for piece in (refusal,) if pieces == 1 else (refusal[:20], refusal[20:]):
            writer.write(piece)
            await writer.drain()
            for _ in range(100):  # turns of the loop in which the other side reads
                await asyncio.sleep(0)
        heard.append(await reader.read())

    heard: list[bytes] = []
    worker.deaf, worker.early = True, refuse
    for _ in range(2):
        reply = await call(worker.url)
        assert (reply.status, reply.body) == (503, b"no")
    assert worker.connections == 2
    async with asyncio.timeout(10):
        await worker.gone.wait()
    assert b"".join(heard) == b""


async def test_a_success_that_was_said_before_the_call_was_sent_is_none(
    workers, call, transport, monkeypatch
) -> None:
    dial_slowly(transport, monkeypatch)
    worker = await workers()

    async def speak(reader, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        await writer.drain()
        await reader.read()

    worker.deaf, worker.early = True, speak
    reply = await call(worker.url)
    assert (reply.code, reply.message) == (
        "bad_response",
        "the worker answered before the call was sent",
    )


async def test_a_dial_that_is_given_up_leaves_nothing_open(
    workers, call, transport, monkeypatch
) -> None:
    """uvloop tells nobody when it closes the socket of a cancelled dial."""
    worker, made = await workers(), asyncio.Event()
    dial = transport._pool._dialler.dial

    async def dial_and_wait(target, project, make):
        monkeypatch.setattr(Connection, "connection_lost", lambda self, error: None)
        await dial(target, project, make)
        made.set()
        await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(transport._pool._dialler, "dial", dial_and_wait)
    asked = asyncio.get_running_loop().create_task(call(worker.url))
    await made.wait()
    assert transport._pool._open
    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)
    assert not transport._pool._open


async def test_a_worker_that_hangs_up_before_the_call_is_unreachable_and_hears_nothing(
    workers, call, transport, monkeypatch
) -> None:
    worker = await workers()
    dial = transport._pool._dialler.dial

    async def dial_slowly(*asked):
        made = await dial(*asked)
        await worker.gone.wait()
        for _ in range(50):  # turns of the loop in which the end arrives
            await asyncio.sleep(0)
        return made

    async def leave(reader, writer):
        pass

    monkeypatch.setattr(transport._pool._dialler, "dial", dial_slowly)
    worker.deaf, worker.early = True, leave
    for body in (b"{}", bytes(MIB)):
        assert await call(worker.url, body=body) == Unreachable(
            code="unreachable", message="the worker closed the connection without an answer"
        )


async def test_without_a_name_server_an_address_is_dialled_all_the_same(
    workers, call, monkeypatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise AssertionError("an address is no name")

    worker = await workers(WHOLE)
    monkeypatch.setattr(socket, "getaddrinfo", broken)
    assert isinstance(await call(worker.url), Answered)


def test_neither_httpx_nor_aiohttp_is_imported_before_it_is_needed() -> None:
    """A server has its first call answered sooner by a tenth of a second."""
    script = (
        "import asyncio, sys\n"
        "from goflow_py.ports import Request\n"
        "from goflow_py.transport.addresses import AddressPolicy\n"
        "from goflow_py.transport.http import HttpTransport\n"
        "async def main():\n"
        "    made = HttpTransport(AddressPolicy(private=True))\n"
        "    asked = Request(method='GET', url='http://127.0.0.1:1/', headers={}, body=b'',\n"
        "                    timeout_seconds=5)\n"
        "    assert (await made.send(asked)).code == 'unreachable'\n"
        "    await made.close()\n"
        "asyncio.run(main())\n"
        "sys.exit(bool({'httpx', 'aiohttp'} & {name for name, it in sys.modules.items() if it}))\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=30)


async def test_a_call_is_sent_as_it_is_whatever_its_names_look_like(workers, call) -> None:
    worker = await workers(WHOLE)
    await call(worker.url, headers={"X-%s-%d": "100 %s", "host": "evil", "X-Tab": "a\tb"}, body=b"")
    head = worker.requests[0]
    assert b"\r\nX-%s-%d: 100 %s\r\nX-Tab: a\tb\r\n\r\n" in head
    assert b"evil" not in head


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\r\nX", "é"])
async def test_a_header_name_that_is_none_is_never_sent(workers, call, name) -> None:
    worker = await workers(WHOLE)
    reply = await call(worker.url, headers={name: "x"})
    assert reply.message.startswith("the call cannot be sent")
    assert worker.connections == 0
