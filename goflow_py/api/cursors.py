"""Cursors that say nothing: the place in a list of all projects would tell how much others do.

A cursor is sealed for the project that it was given to, with the server's key: the same place is
the same text, and another project's cursor is none.
"""

import base64
import binascii
import hmac

from goflow_py.errors import MalformedRequest

MAC_BYTES = 16
PLACE_BYTES_MAX = 64
"""The stream that hides a place is one SHA-512."""


def seal(key: bytes, project: str | None, place: str) -> str:
    """Return *place* as only this server can read it, and only for *project*."""
    raw = place.encode()
    assert len(raw) <= PLACE_BYTES_MAX, "a place in a list is short"
    mac = _mac(key, project, raw)
    return base64.urlsafe_b64encode(mac + _hidden(key, mac, raw)).rstrip(b"=").decode()


def unseal(key: bytes, project: str | None, cursor: str) -> str:
    """Return the place of a cursor. Raises ``MalformedRequest`` for what was not given out."""
    refusal = MalformedRequest("the cursor is not one of this list: start again without it")
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise refusal from None
    mac, hidden = raw[:MAC_BYTES], raw[MAC_BYTES:]
    place = _hidden(key, mac, hidden[:PLACE_BYTES_MAX])
    if not hmac.compare_digest(mac, _mac(key, project, place)):
        raise refusal
    return place.decode()


def _mac(key: bytes, project: str | None, place: bytes) -> bytes:
    scope = "*" if project is None else f"={project}"
    return hmac.digest(key, f"cursor {scope} ".encode() + place, "sha256")[:MAC_BYTES]


def _hidden(key: bytes, mac: bytes, place: bytes) -> bytes:
    stream = hmac.digest(key, b"place " + mac, "sha512")
    return bytes(one ^ other for one, other in zip(place, stream, strict=False))
