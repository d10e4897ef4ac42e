"""What the headers of a request say, read strictly where a mistake would change the outcome."""

import re

from aiohttp import web

from goflow_py.api.door import WAIT_SECONDS_MAX
from goflow_py.api.guard import Connection
from goflow_py.errors import MalformedRequest

_WAIT = re.compile(r'wait\s*=\s*"?(\d{1,6})"?\s*(?:;.*)?\Z', re.IGNORECASE)


def once(request: web.BaseRequest, name: str) -> str | None:
    """Return a header that stands once. Raises 400: of two, nobody knows which was meant."""
    found = request.headers.getall(name, [])
    if len(found) > 1:
        raise MalformedRequest(f"the header {name} is given twice; send one", code="bad_header")
    return found[0] if found else None


def preferred_wait(request: web.BaseRequest) -> int | None:
    """Return N of ``Prefer: wait=N``, at most what we wait.

    What else is preferred may be ignored (RFC 7240); of two waits the first one holds.
    """
    preferred = request.headers.getall("Prefer", None)
    if preferred is None:
        return None
    for part in ",".join(preferred).split(","):
        found = _WAIT.match(part.strip())
        if found:
            return min(int(found.group(1)), int(WAIT_SECONDS_MAX))
    return None


def client_left(request: web.BaseRequest) -> bool:
    """Tell whether nobody may be there any more to take what this request would give."""
    protocol, transport = request.protocol, request.transport
    half_closed = isinstance(protocol, Connection) and protocol.half_closed_since is not None
    return half_closed or transport is None or transport.is_closing()
