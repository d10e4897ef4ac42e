"""A worker that says what a test wants, down to the byte, and remembers what it was told."""

import asyncio
import contextlib
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from goflow_py.ports import Reply, Request
from goflow_py.transport.addresses import AddressPolicy
from goflow_py.transport.http import HttpTransport

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
TIMEOUT_SECONDS = 0.3


class Worker:
    """A server on a port of its own; *answer* is bytes for every call, or what to do with it.

    A worker of bytes keeps the connection when they are ``whole``, and closes it otherwise.
    """

    def __init__(self) -> None:
        self.answer: bytes | Script = b""
        self.whole = False
        self.deaf = False
        """Do not read; say *early* at most."""
        self.early: Script | None = None
        self.requests: list[bytes] = []
        self.connections = 0
        self.gone = asyncio.Event()
        """Set when a caller hangs up."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self, tls: ssl.SSLContext | None) -> None:
        self._server = await asyncio.start_server(self._meet, "127.0.0.1", 0, ssl=tls)
        self.port: int = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/task"

    async def close(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._tasks.add(task)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self.deaf:
                await (self.early(reader, writer) if self.early else self.gone.wait())
                return
            while True:
                self.requests.append(await _request(reader))
                if not isinstance(self.answer, bytes):
                    await self.answer(reader, writer)
                    return
                writer.write(self.answer)
                await writer.drain()
                if not self.whole:
                    return
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
            self.gone.set()


async def _request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    return head + await reader.readexactly(int(length[1]) if length else 0)


@pytest.fixture
async def workers() -> AsyncIterator[Callable[..., Awaitable[Worker]]]:
    opened: list[Worker] = []

    async def open_one(
        answer: bytes | Script = b"", *, whole: bool = False, tls: ssl.SSLContext | None = None
    ) -> Worker:
        worker = Worker()
        worker.answer, worker.whole = answer, whole
        await worker.open(tls)
        opened.append(worker)
        return worker

    yield open_one
    for worker in opened:
        await worker.close()


@pytest.fixture
async def transport() -> AsyncIterator[HttpTransport]:
    """A transport that may dial this machine."""
    made = HttpTransport(AddressPolicy(private=True))
    yield made
    await made.close()


@pytest.fixture
def call(transport: HttpTransport) -> Callable[..., Awaitable[Reply]]:
    """Make one call; the deadline is short."""

    async def one(url: str, *, on: HttpTransport = transport, **changes: object) -> Reply:
        return await on.send(request(url, **changes))

    return one


def request(url: str, **changes: object) -> Request:
    fields: dict[str, object] = {
        "method": "POST",
        "headers": {"Content-Type": "application/json", "Idempotency-Key": "k"},
        "body": b'{"amount":7}',
        "timeout_seconds": TIMEOUT_SECONDS,
    }
    return Request(url=url, **(fields | changes))  # type: ignore[arg-type]
