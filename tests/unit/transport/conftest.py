"""Workers that say what a test wants, down to the byte, and transports that call them."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from goflow_py.ports import Reply, Request
from goflow_py.transport.addresses import AddressPolicy
from goflow_py.transport.http import HttpTransport
from tests.faults.hostile_workers import Script, Worker

TIMEOUT_SECONDS = 10.0
"""So long that a loaded machine does not reach it; who waits for the end of it says less."""


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
    """Make one call."""

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
