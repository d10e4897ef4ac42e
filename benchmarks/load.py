"""The load: a closed loop of N requests in flight, in a process of its own on bare protocols.

Reads a job a line (JSON, see ``Job``) and writes a line for what came of it.
"""

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count, repeat
from typing import Any, cast
from urllib.parse import urlsplit

import uvloop

GRACE_SECONDS = 60.0
"""How long what is in flight at the end of a job may take."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What to send, how often, and what a good answer holds."""

    url: str
    body: str
    expect: str
    clients: int = 1
    seconds: float = 0.0
    """Zero: as long as there are requests."""
    requests: int | None = None
    paths: list[str] = field(default_factory=list)
    """Each is asked once; none: the URL's own path, again and again."""
    headers: dict[str, str] = field(default_factory=dict)
    pause: float = 0.0
    """Between an answer and the next request."""
    keep: int = 0
    """Of this many answers the ids are told."""


class Client(asyncio.Protocol):
    """One connection that asks, waits, and asks again."""

    def __init__(self, run: "Run") -> None:
        self._run = run
        self._rest = b""
        self._sent_at: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def ask(self) -> None:
        """Send the next request, if there is one."""
        request = None if self._transport.is_closing() else self._run.next()
        if request is None:
            self._run.left()
            self._transport.close()
            return
        self._sent_at = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._rest += data
        end = self._rest.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._rest[:end].lower()
        size = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(self._rest) < end + 4 + size:
            return
        body, self._rest = self._rest[end + 4 :], b""
        assert self._sent_at is not None, "nobody answers what was not asked"
        self._run.answered(self._sent_at, body)
        self._sent_at = None
        if self._run.job.pause:
            asyncio.get_running_loop().call_later(self._run.job.pause, self.ask)
        else:
            self.ask()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._sent_at is not None:
            self._run.failed("the connection was lost")
            self._run.left()


class Run:
    """One job at work."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self._expect = job.expect.encode()
        self._requests = self._all()
        self._began = 0.0
        self._open = job.clients
        self._over = asyncio.Event()
        self._answers: list[float] = []
        self._ids: list[str] = []
        self._keep_each = max(1, (job.requests or 0) // job.keep) if job.keep else 0
        self._errors: list[str] = []

    def _all(self) -> Iterator[bytes]:
        parts = urlsplit(self.job.url)
        fields = {"Host": parts.netloc, "Content-Type": "application/json", **self.job.headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        body = self.job.body.encode()
        tail = f" HTTP/1.1\r\n{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body
        limit = range(self.job.requests) if self.job.requests is not None else count()
        paths = self.job.paths or repeat(parts.path)
        for _, path in zip(limit, paths, strict=False):
            yield f"POST {path}".encode() + tail

    def next(self) -> bytes | None:
        """Return the next request; None when it is over."""
        if self.job.seconds and time.perf_counter() - self._began >= self.job.seconds:
            return None
        return next(self._requests, None)

    def answered(self, sent_at: float, body: bytes) -> None:
        """Note an answer."""
        wait = time.perf_counter() - sent_at
        if self._expect not in body:
            self.failed(body[:200].decode("utf-8", "replace"))
            return
        if self._keep_each and len(self._answers) % self._keep_each == 0:
            self._ids.append(json.loads(body)["id"])
        self._answers.append(wait)

    def failed(self, why: str) -> None:
        """Note an answer that is none."""
        self._errors.append(why)

    def left(self) -> None:
        """Note that one client is done."""
        self._open -= 1
        if self._open == 0:
            self._over.set()

    async def run(self) -> dict[str, Any]:
        """Do the job."""
        parts, loop = urlsplit(self.job.url), asyncio.get_running_loop()
        clients = []
        for _ in range(self.job.clients):
            _, client = await loop.create_connection(
                lambda: Client(self), str(parts.hostname), int(parts.port or 0)
            )
            clients.append(client)
        self._began = time.perf_counter()
        for client in clients:
            client.ask()
        async with asyncio.timeout(self.job.seconds + GRACE_SECONDS):
            await self._over.wait()
        return self._told(time.perf_counter() - self._began)

    def _told(self, elapsed: float) -> dict[str, Any]:
        waits = sorted(self._answers) or [0.0]
        return {
            "done": len(self._answers),
            "rate": len(self._answers) / elapsed,
            "p50_ms": waits[len(waits) // 2] * 1e3,
            "p99_ms": waits[len(waits) * 99 // 100] * 1e3,
            "errors": len(self._errors),
            "error": self._errors[0] if self._errors else None,
            "ids": self._ids[: self.job.keep],
        }


def main() -> None:
    print("ready load", flush=True)
    for line in sys.stdin:
        job = Job(**json.loads(line))
        print(json.dumps(uvloop.run(Run(job).run())), flush=True)


if __name__ == "__main__":
    main()
