"""The load: N requests in flight or one every so often, in a process of its own on bare protocols.

Reads a job a line (JSON, see ``Job``) and writes a line for what came of it. An empty line ends the
job that is under way: what is in flight is awaited, nothing more is sent.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import FileIO
from itertools import count, repeat
from typing import Any, cast
from urllib.parse import urlsplit

import uvloop


@dataclass(frozen=True, kw_only=True)
class Job:
    """What to send, how often, and what a good answer holds."""

    url: str
    body: str = ""
    expect: str = ""
    method: str = "POST"
    clients: int = 1
    seconds: float = 0.0
    """Zero: as long as there are requests."""
    requests: int | None = None
    paths: list[str] = field(default_factory=list)
    """Each is asked once; none: the URL's own path, again and again."""
    headers: dict[str, str] = field(default_factory=dict)
    pause: float = 0.0
    """Between an answer and the next request."""
    every: float = 0.0
    """Requests are due so many seconds apart, whatever the answers do; they wait from then on."""
    grace_seconds: float = 60.0
    """How long what is in flight at the end may take; without *seconds*, the whole job."""
    keep: int = 0
    """Of this many answers the ids are told, spread over the job."""


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
        due = self._run.due()
        if due is not None and (wait := due - time.monotonic()) > 0:
            asyncio.get_running_loop().call_later(wait, self._send, due)
        else:
            self._send(due)

    def _send(self, due: float | None) -> None:
        request = None if self._transport.is_closing() else self._run.next()
        if request is None:
            self._run.left()
            self._transport.close()
            return
        self._sent_at = due or time.monotonic()
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
        refused = not head.startswith(b"http/1.1 2")
        body, self._rest = self._rest[end + 4 :], b""
        assert self._sent_at is not None, "nobody answers what was not asked"
        self._run.answered(self._sent_at, body, refused=refused)
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
        self._asked = 0
        self._open = job.clients
        self._halted = False
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
        own = f"{parts.path}?{parts.query}" if parts.query else parts.path
        paths = self.job.paths or repeat(own)
        for _, path in zip(limit, paths, strict=False):
            yield f"{self.job.method} {path}".encode() + tail

    def next(self) -> bytes | None:
        """Return the next request; None when it is over."""
        late = self.job.seconds and time.monotonic() - self._began >= self.job.seconds
        if self._halted or late:
            return None
        return next(self._requests, None)

    def due(self) -> float | None:
        """Return when the next request is due; None for at once."""
        if not self.job.every:
            return None
        self._asked += 1
        return self._began + self._asked * self.job.every

    def answered(self, sent_at: float, body: bytes, *, refused: bool) -> None:
        """Note an answer."""
        wait = time.monotonic() - sent_at
        if refused or self._expect not in body:
            self.failed(body[:200].decode("utf-8", "replace"))
            return
        if self._keep_each and len(self._answers) % self._keep_each == 0:
            self._ids.append(str(json.loads(body)["id"]))
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
        """Do the job. What cannot be asked, or has no answer in its time, is an error."""
        clients, loop = await self._connected(), asyncio.get_running_loop()
        loop.add_reader(sys.stdin.fileno(), self._halt)
        self._began = time.monotonic()
        for client in clients:
            client.ask()
        seconds = self.job.seconds + self.job.grace_seconds
        try:
            async with asyncio.timeout(seconds):
                await self._over.wait()
        except TimeoutError:
            self._errors += [f"not answered within {seconds:g} s"] * self._open
        loop.remove_reader(sys.stdin.fileno())
        os.set_blocking(sys.stdin.fileno(), True)  # the loop's reader made it otherwise
        return self._told(time.monotonic() - self._began)

    async def _connected(self) -> list["Client"]:
        parts, loop = urlsplit(self.job.url), asyncio.get_running_loop()
        clients = []
        for _ in range(self.job.clients):
            try:
                _, client = await loop.create_connection(
                    lambda: Client(self), str(parts.hostname), int(parts.port or 0)
                )
            except OSError as error:
                self.failed(str(error))
                self.left()
            else:
                clients.append(client)
        return clients

    def _halt(self) -> None:
        """Send nothing more; the line that said so is read by ``main``."""
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        self._halted = True

    def _told(self, elapsed: float) -> dict[str, Any]:
        waits = sorted(self._answers) or [0.0]
        return {
            "done": len(self._answers),
            "seconds": elapsed,
            "rate": len(self._answers) / elapsed,
            "p50_ms": waits[len(waits) // 2] * 1e3,
            "p99_ms": waits[len(waits) * 99 // 100] * 1e3,
            "worst_ms": waits[-1] * 1e3,
            "errors": len(self._errors),
            "error": self._errors[0] if self._errors else None,
            "ids": self._ids[: self.job.keep],
        }


def main() -> None:
    print("ready load", flush=True)
    # Without a buffer: a line that ends a job must still be in the pipe when its loop looks there.
    jobs = FileIO(sys.stdin.fileno(), closefd=False)
    while line := jobs.readline():
        if line.strip():
            job = Job(**json.loads(line))
            told = json.dumps(uvloop.run(Run(job).run()))
            sys.stdout.write(f"{told}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
