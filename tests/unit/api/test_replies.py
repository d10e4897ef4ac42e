"""Replies as they stand on the wire."""

import re
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp.http import HttpVersion, HttpVersion10, HttpVersion11

from goflow_py.api.replies import BARE, Reply, lines

DATE = rb"Date: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r\n"


class Paper:
    """Takes what is written."""

    def __init__(self) -> None:
        self.written = b""
        self.drained = False

    async def write(self, chunk: bytes) -> None:
        self.written += chunk

    async def drain(self) -> None:
        self.drained = True


async def written(
    reply: Reply,
    method: str = "GET",
    *,
    version: HttpVersion = HttpVersion11,
    keep_alive: bool = True,
) -> tuple[bytes, bytes]:
    paper = Paper()
    request: Any = SimpleNamespace(
        method=method, version=version, keep_alive=keep_alive, writer=paper
    )
    await reply.prepare(request)
    await reply.write_eof()
    assert paper.drained
    head, _, body = paper.written.partition(b"\r\n\r\n")
    return re.sub(DATE, b"", head + b"\r\n"), body


async def test_a_reply_is_written_with_its_size_and_its_own_headers_last() -> None:
    head, body = await written(Reply(body=b"{}", headers={"ETag": '"1"'}))
    assert head == (
        b"HTTP/1.1 200 OK\r\n"
        b"Content-Type: application/json\r\n"
        b"Cache-Control: no-store\r\n"
        b"X-Content-Type-Options: nosniff\r\n"
        b"Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n"
        b"Referrer-Policy: no-referrer\r\n"
        b"Server: goflow\r\n"
        b'ETag: "1"\r\n'
        b"Content-Length: 2\r\n"
    )
    assert body == b"{}"


async def test_a_head_request_gets_the_size_without_the_body() -> None:
    head, body = await written(Reply(body=b"{}"), "HEAD")
    assert b"Content-Length: 2\r\n" in head
    assert body == b""


@pytest.mark.parametrize("status", [204, 304])
async def test_what_has_no_body_has_no_size(status: int) -> None:
    head, body = await written(Reply(status=status, head=BARE))
    assert b"Content-" not in head.replace(b"X-Content-", b"").replace(b"Content-Security", b"")
    assert body == b""


@pytest.mark.parametrize(
    ("version", "goes_on", "says"),
    [
        (HttpVersion11, True, None),
        (HttpVersion11, False, b"Connection: close\r\n"),
        (HttpVersion10, True, b"Connection: keep-alive\r\n"),
        (HttpVersion10, False, None),
    ],
)
async def test_a_connection_goes_on_if_its_client_wants_it_to(
    version: HttpVersion, goes_on: bool, says: bytes | None
) -> None:
    reply = Reply()
    head, _ = await written(reply, version=version, keep_alive=goes_on)
    assert head.startswith(f"HTTP/1.{version.minor} 200 OK\r\n".encode())
    assert reply.keep_alive is goes_on
    assert b"Connection:" not in head if says is None else says in head


async def test_the_server_may_end_a_connection_too() -> None:
    reply = Reply(status=408, keep_alive=False)
    head, _ = await written(reply)
    assert b"Connection: close\r\n" in head
    assert not reply.keep_alive


@pytest.mark.parametrize("text", ["a\r\nSet-Cookie: b", "a\nb", "a\x00", "\x7f"])
def test_a_header_cannot_begin_another_one(text: str) -> None:
    with pytest.raises(ValueError, match="control character"):
        lines({"X": text})
