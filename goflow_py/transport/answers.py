"""What a worker may answer, and what is wrong with an answer, going by what precedes its body."""

import re
from collections.abc import Mapping

from goflow_py.ports import Unreachable

RESPONSE_BYTES_MAX = 1024 * 1024
HEADERS_MAX = 128
"""Trailers included."""
HEADERS_BYTES_MAX = 32 * 1024
"""Of everything before the body: status line, headers, and all 1xx answers."""
FRAMING_MAX = 4
"""Bytes on the wire for one byte of body: chunks of four bytes have 2.25. Chunks of one byte have
6, and cost us a second for a whole body, so only two thirds of one may come that way."""

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")

NO_HTTP = Unreachable(
    code="bad_response", message="what the worker sent is no HTTP answer", status=None
)


def defect(status: int, headers: Mapping[str, str]) -> Unreachable | None:
    """Return what is wrong with an answer whose headers these are; None: nothing.

    The parser is lenient: a name with a space (``Content-Length : 2``) is no longer the header
    that it looks like, and an unknown coding leaves the body as it is.
    """
    if status < 100 or "" in headers or (headers and not _TOKEN.fullmatch("".join(headers))):
        return NO_HTTP
    if status == 101:
        return bad(status, "bad_response", "the worker switched protocols without being asked")
    if "content-encoding" in headers or "transfer-encoding" in headers:
        codings = (
            headers.get("content-encoding", "identity").strip().lower() or "identity",
            headers.get("transfer-encoding", "chunked").strip().lower(),
        )
        if codings != ("identity", "chunked"):
            return bad(status, "bad_response", "the answer is compressed, which was not asked for")
    return None


def over_limit(status: int, headers: Mapping[str, str]) -> Unreachable | None:
    """Return what is wrong when headers are larger than anybody may send; None: they are not."""
    size = sum(len(name) + len(value) + 4 for name, value in headers.items())
    if size <= HEADERS_BYTES_MAX:
        return None
    return bad(status, "too_large", "the worker sent headers over the limit")


def bad(status: int | None, code: str, message: str) -> Unreachable:
    """Return an answer as one that nobody can use."""
    return Unreachable(code=code, message=message, status=status)


def too_long(status: int, bytes_max: int) -> Unreachable:
    """Return an answer as one whose body is too long."""
    return bad(status, "too_large", f"the body is over {bytes_max} bytes")


def late(seconds: float, status: int | None) -> Unreachable:
    """Return a call as one that has run out of time."""
    return bad(status, "timeout", f"no whole answer within {seconds:g} s")
