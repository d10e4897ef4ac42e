"""The far end of every contestant: answers at once or after a while, and counts calls by their key.

    python -m benchmarks.worker [SECONDS [CALLS]]

A process of its own on a bare protocol, so that it costs a core as little as can be. It is asked
with GET, and answers in JSON; moments are of the monotonic clock, which all processes share.

    /_counts    {"calls", "keys", "doubled"}, and begins anew
    /_calls     {"calls"} so far
    /_first     {"first_at"}: the moment of the first call, and begins anew
    /_hold      answers nobody until it is told to
    /_release   {"at"}: from then on it answers, after its SECONDS
    /_ended     {"ended"}: how many executions have had CALLS answers, if it takes its time
    /_ends      {"ends"}: when each had the last of them, and begins anew
"""

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, cast

import uvloop

ANSWER = b'{"balance":420,"currency":"EUR"}'
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
_WHOLE = _HEAD % len(ANSWER) + ANSWER


def field(head: bytes, name: bytes) -> bytes:
    """Return a header's value, or nothing; *head* is in lower case."""
    _, found, rest = head.partition(b"\r\n" + name + b":")
    return rest.partition(b"\r\n")[0].strip() if found else b""


class Worker(asyncio.Protocol):
    """One connection; requests come one after the other."""

    seconds: ClassVar[float] = 0.0
    seen: ClassVar[Counter[bytes]] = Counter()
    first_at: ClassVar[float | None] = None
    calls: ClassVar[int] = 3
    held: ClassVar[list[Callable[[], object]] | None] = None
    answered: ClassVar[Counter[bytes]] = Counter()
    ends: ClassVar[dict[bytes, float]] = {}
    ended: ClassVar[int] = 0

    def __init__(self) -> None:
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._rest += data
        while (end := self._rest.find(b"\r\n\r\n")) >= 0:
            head = self._rest[:end].lower()
            size = end + 4 + int(field(head, b"content-length") or 0)
            if len(self._rest) < size:
                return
            self._rest = self._rest[size:]
            if head.startswith(b"get /_"):
                self._tell(head[6:].partition(b" ")[0])
                continue
            key = field(head, b"idempotency-key")
            if self.first_at is None:
                Worker.first_at = time.monotonic()
            self.seen[key] += 1
            if self.held is not None:
                self.held.append(partial(self._begin, key))
            elif self.seconds:
                self._begin(key)
            else:
                self._transport.write(_WHOLE)

    def _begin(self, key: bytes) -> None:
        asyncio.get_running_loop().call_later(self.seconds, self._answer_late, key)

    def _answer_late(self, key: bytes) -> None:
        if self._transport.is_closing():  # who called was killed
            return
        self._transport.write(_WHOLE)
        execution = key.partition(b"/")[0]
        self.answered[execution] += 1
        if self.answered[execution] == self.calls:
            del self.answered[execution]
            self.ends[execution] = time.monotonic()
            Worker.ended += 1

    def _tell(self, what: bytes) -> None:
        told: dict[str, Any] = {}
        if what == b"counts":
            calls, keys = self.seen.total(), len(self.seen)
            told = {"calls": calls, "keys": keys, "doubled": calls - keys}
            self.seen.clear()
        elif what == b"calls":
            told["calls"] = self.seen.total()
        elif what == b"first":
            told["first_at"], Worker.first_at = self.first_at, None
        elif what == b"hold":
            Worker.held = []
        elif what == b"release":
            held, Worker.held = self.held or [], None
            told["at"] = time.monotonic()
            for begin in held:
                begin()
        elif what == b"ended":
            told["ended"] = self.ended
        elif what == b"ends":
            told["ends"] = {key.decode(): moment for key, moment in self.ends.items()}
            self.ends.clear()
            Worker.ended = 0
        body = json.dumps(told).encode()
        self._transport.write(_HEAD % len(body) + body)


async def main(seconds: str = "0", calls: str = "3") -> None:
    Worker.seconds, Worker.calls = float(seconds), int(calls)
    server = await asyncio.get_running_loop().create_server(Worker, "127.0.0.1", 0, backlog=1024)
    print(f"ready http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
