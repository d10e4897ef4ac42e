"""Reading a body: within its size, within its time, and only what is read here."""

import asyncio
from collections.abc import Sequence

from aiohttp import web

from goflow_py.errors import MalformedRequest, TooLarge, UnsupportedMedia


class TooSlow(Exception):
    """A body was not sent in time."""


async def read_body(request: web.BaseRequest, *, limit: int, timeout_seconds: float) -> bytes:
    """Return the whole body. Raises ``TooLarge``, ``TooSlow``, ``MalformedRequest``."""
    content = request.content
    try:
        if content.is_eof():
            # The ordinary one is there by now, in one piece.
            return _within(limit, content.read_nowait())
        if (request.content_length or 0) > limit:
            raise _too_large(limit)
        body = bytearray()
        async with asyncio.timeout(timeout_seconds):
            while piece := await content.readany():
                body += _within(limit - len(body), piece)
        return bytes(body)
    except TimeoutError:
        raise TooSlow from None
    except ConnectionResetError:
        raise MalformedRequest("the body ended before it was whole; send it again") from None
    except web.RequestPayloadError as error:
        raise MalformedRequest(f"the body is broken off: {error}") from None


def _within(limit: int, body: bytes) -> bytes:
    if len(body) > limit:
        raise _too_large(limit)
    return body


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"the body has more than {limit} bytes; send less", limitBytes=limit)


def check_media(request: web.BaseRequest, body: bytes, *, accepted: Sequence[str]) -> None:
    """Refuse a body that is said to be what this call does not read."""
    named = request.headers.get("Content-Type")
    if named is not None and named != "application/json" and body:
        kind = media_type(named)
        if kind not in accepted:
            raise UnsupportedMedia(
                f"this call reads {' or '.join(accepted)}, not {kind[:80]}",
            )
    coding = request.headers.get("Content-Encoding")
    if coding is not None and coding.lower() != "identity":
        raise UnsupportedMedia(f"bodies are not decoded from {coding[:40]}; send it as it is")


def media_type(named: str) -> str:
    """Return what a ``Content-Type`` names, without its parameters."""
    return named.partition(";")[0].strip().lower()
