"""What every transport promises (``ports.Transport``), over a real worker on this machine."""

import asyncio
from collections.abc import AsyncIterator, Callable
from time import perf_counter
from typing import Any

import pytest

from goflow_py.ports import Answered, Request, Transport, Unreachable
from goflow_py.transport.addresses import AddressPolicy
from goflow_py.transport.http import HttpTransport

MAKERS: dict[str, Callable[[], Transport]] = {
    "http": lambda: HttpTransport(AddressPolicy(private=True)),
}


class Worker:
    """Answers each call with the status in its path, or never (``/0``)."""

    def __init__(self) -> None:
        self.calls: list[bytes] = []
        self.gone = asyncio.Event()
        self.asked = asyncio.Event()
        self.tasks: list[asyncio.Task[None]] = []

    def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.tasks.append(asyncio.ensure_future(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                call = await reader.readuntil(b"\r\n\r\n") + await reader.readexactly(2)
                self.calls.append(call)
                self.asked.set()
                status = int(call.split(b" ")[1].strip(b"/"))
                if status:
                    head = f"HTTP/1.1 {status} X\r\nX-Name: A\r\nContent-Length: 2\r\n\r\n"
                    writer.write(head.encode() + b"[]")
        except (ConnectionError, asyncio.IncompleteReadError):
            self.gone.set()
        finally:
            writer.close()


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    made = Worker()
    server = await asyncio.start_server(made.meet, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"  # type: ignore[attr-defined]
    yield made
    server.close()
    for task in made.tasks:
        task.cancel()
    await asyncio.gather(*made.tasks, return_exceptions=True)


@pytest.fixture(params=[*MAKERS])
async def transport(request: Any) -> AsyncIterator[Transport]:
    made = MAKERS[request.param]()
    yield made
    await made.close()


def call(worker: Any, status: int, *, seconds: float = 5.0) -> Request:
    return Request(
        method="POST",
        url=f"{worker.url}{status}",
        headers={"Idempotency-Key": "k"},
        body=b"{}",
        timeout_seconds=seconds,
    )


@pytest.mark.parametrize("status", [200, 202, 302, 404, 409, 429, 500, 503])
async def test_every_status_is_an_answer_and_the_call_is_made_once(
    transport, worker, status
) -> None:
    reply = await transport.send(call(worker, status))
    assert isinstance(reply, Answered)
    assert (reply.status, reply.body, reply.headers["x-name"]) == (status, b"[]", "A")
    assert len(worker.calls) == 1
    assert b"Idempotency-Key: k\r\n" in worker.calls[0]


async def test_no_answer_in_time_is_a_timeout(transport, worker) -> None:
    started = perf_counter()
    reply = await transport.send(call(worker, 0, seconds=0.2))
    assert 0.2 <= perf_counter() - started < 0.3
    assert isinstance(reply, Unreachable)
    assert (reply.code, reply.status) == ("timeout", None)


async def test_many_calls_go_at_the_same_time(transport, worker) -> None:
    replies = await asyncio.gather(*(transport.send(call(worker, 400 + n)) for n in range(64)))
    assert [reply.status for reply in replies] == [400 + n for n in range(64)]


async def test_cancellation_passes_through_and_the_worker_sees_it(transport, worker) -> None:
    task = asyncio.ensure_future(transport.send(call(worker, 0)))
    await worker.asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(1):
        await worker.gone.wait()


async def test_closing_ends_calls_and_connections(transport, worker) -> None:
    task = asyncio.ensure_future(transport.send(call(worker, 0)))
    await worker.asked.wait()
    await transport.close()
    assert (await task).code == "unreachable"
    async with asyncio.timeout(1):
        await worker.gone.wait()
    await transport.close()
    assert (await transport.send(call(worker, 200))).code == "unreachable"
