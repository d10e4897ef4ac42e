"""Bare sockets for tests of the wire: what no client library would send."""

import contextlib
import json
import socket
import struct
from collections.abc import Iterator
from typing import Any

HOST = b"Host: 127.0.0.1\r\n"
START = "/v1/activities/shop/order/executions"
ORDER: dict[str, Any] = {
    "project": "shop",
    "activity": "order",
    "states": ["open"],
    "actions": [],
    "transitions": [
        {"current": "init", "event": "start", "next": "open"},
        {"current": "open", "event": "paid", "next": "done"},
    ],
}
GET = b"GET /healthz HTTP/1.1\r\n" + HOST
WAIT_SECONDS = 20.0


class Wire:
    """A connection that sends bytes as they are, and reads answers."""

    def __init__(self, url: str, *, receive_bytes: int | None = None) -> None:
        host, _, port = url.removeprefix("http://").rpartition(":")
        self.socket = socket.socket()
        if receive_bytes is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.settimeout(WAIT_SECONDS)
        self.socket.connect((host, int(port)))
        self.held = b""

    def send(self, data: bytes) -> None:
        """Send; a server that has closed already is no error of the test."""
        with contextlib.suppress(ConnectionError):
            self.socket.sendall(data)

    def half_close(self) -> None:
        """Say that nothing more will be sent."""
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Leave as a crashed client does."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def answer(self) -> tuple[int, dict[str, str], Any]:
        """Return status, headers and body of the next answer."""
        while b"\r\n\r\n" not in self.held:
            self._read()
        head, _, self.held = self.held.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        length = int(headers.get("content-length", "0"))
        while len(self.held) < length:
            self._read()
        body, self.held = self.held[:length], self.held[length:]
        return int(first.split()[1]), headers, json.loads(body) if body else None

    def _read(self) -> None:
        data = self.socket.recv(65_536)
        assert data, f"the connection ended within an answer: {self.held[:200]!r}"
        self.held += data

    def is_closed(self) -> bool:
        """Return once the server has closed; False when it says more instead."""
        try:
            return not self.held and self.socket.recv(1) == b""
        except ConnectionError:
            return True


@contextlib.contextmanager
def wire_to(url: str, *, receive_bytes: int | None = None) -> Iterator[Wire]:
    """Connect, and close at the end."""
    wire = Wire(url, receive_bytes=receive_bytes)
    try:
        yield wire
    finally:
        wire.socket.close()


def post(path: str, body: bytes, *headers: bytes, length: int | None = None) -> bytes:
    """Return a request, its length as it is or as it is claimed."""
    fields = b"".join(
        header + b"\r\n"
        for header in (
            b"Content-Type: application/json",
            b"Content-Length: %d" % (len(body) if length is None else length),
            *headers,
        )
    )
    return b"POST " + path.encode() + b" HTTP/1.1\r\n" + HOST + fields + b"\r\n" + body


def is_problem(answer: tuple[int, dict[str, str], Any], *statuses: int) -> None:
    """Assert that an answer is a problem with one of *statuses*."""
    status, headers, body = answer
    assert status in statuses, (status, body)
    assert headers["content-type"] == "application/problem+json"
    assert body["status"] == status
    assert {"type", "title", "detail", "code"} <= set(body)
    assert "Traceback" not in json.dumps(body)
