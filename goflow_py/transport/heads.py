"""What a call begins with: request line and headers."""

import functools
import re

from goflow_py.ports import Request
from goflow_py.transport.urls import Target

BODY_METHODS = frozenset({"POST", "PUT", "PATCH"})
OWN_HEADERS = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Belong to the connection, not to the call: a caller's are left out."""
FORMS_REMEMBERED_MAX = 1_024
_METHOD = re.compile(r"[A-Z]+")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
NOT_HTTP = "its headers are not HTTP"


def head_of(request: Request, target: Target) -> bytes:
    """Return a call up to its body. Raises ``ValueError``, which says what is wrong with it."""
    headers = request.headers
    values = tuple(headers.values())
    form = _form(request.method, tuple(headers), bool(request.body))
    text = form % (target.path, target.netloc, len(request.body), *values)
    if not text.isascii():
        raise ValueError("its headers are not ASCII")
    all_values = "".join(values)
    if not all_values.isprintable() and _CONTROL.search(all_values):
        raise ValueError(NOT_HTTP)
    return text.encode("ascii")


@functools.lru_cache(maxsize=FORMS_REMEMBERED_MAX)
def _form(method: str, names: tuple[str, ...], has_body: bool) -> str:
    """Return the form of a call: path, host, length and every value go where ``%`` stands.

    Calls have few sets of names, so these are looked at once. ``%.0s`` takes a value and shows
    nothing of it.
    """
    if not _METHOD.fullmatch(method) or not all(map(_NAME.fullmatch, names)):
        raise ValueError(NOT_HTTP)
    length = "Content-Length: %d\r\n" if has_body or method in BODY_METHODS else "%.0s"
    others = (
        "%.0s" if name.lower() in OWN_HEADERS else f"{name.replace('%', '%%')}: %s\r\n"
        for name in names
    )
    start = f"{method} %s HTTP/1.1\r\nHost: %s\r\nAccept-Encoding: identity\r\n"
    return start + length + "".join(others) + "\r\n"
