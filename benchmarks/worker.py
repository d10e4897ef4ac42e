"""The far end of every contestant: answers at once, and counts calls by idempotency key.

A process of its own on a bare protocol, so that it costs a core as little as can be.
``GET /_counts`` tells ``{"calls", "keys", "doubled"}``, and begins anew.
"""

import asyncio
import json
from collections import Counter
from typing import ClassVar, cast

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

    seen: ClassVar[Counter[bytes]] = Counter()

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
            if head.startswith(b"get /_counts"):
                self._tell()
                continue
            self.seen[field(head, b"idempotency-key")] += 1
            self._transport.write(_WHOLE)

    def _tell(self) -> None:
        calls, keys = self.seen.total(), len(self.seen)
        body = json.dumps({"calls": calls, "keys": keys, "doubled": calls - keys}).encode()
        self.seen.clear()
        self._transport.write(_HEAD % len(body) + body)


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Worker, "127.0.0.1", 0, backlog=1024)
    print(f"ready http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
