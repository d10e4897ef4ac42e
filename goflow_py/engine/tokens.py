"""Callback tokens: one for each attempt, unguessable, and never stored.

A token is the attempt's address and an HMAC-SHA256 of it under the server's key, both base64url.
"""

import base64
import binascii
import hmac

import orjson

from goflow_py.domain.values import value
from goflow_py.errors import NotFound

MAC_BYTES = 18
TOKEN_CHARACTERS_MAX = 512


@value
class Address:
    """Which attempt a callback is for."""

    execution: str
    visit: int
    task: str
    attempt: int
    began: int | None = None
    """When: after a restore of older data, the same numbers come again. None: of older tokens."""


def make_token(key: bytes, address: Address) -> str:
    """Return the token of an attempt."""
    numbers = [address.visit, address.task, address.attempt, address.began]
    body = orjson.dumps([address.execution, *numbers])
    mac = hmac.digest(key, body, "sha256")[:MAC_BYTES]
    return base64.urlsafe_b64encode(mac + body).rstrip(b"=").decode()


def read_token(key: bytes, token: str) -> Address:
    """Return the attempt of a token; ``NotFound`` for one that this server did not make."""
    refusal = NotFound("no such callback; use the callbackUrl of the call as it is")
    if len(token) > TOKEN_CHARACTERS_MAX:
        raise refusal
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise refusal from None
    mac, body = raw[:MAC_BYTES], raw[MAC_BYTES:]
    if not hmac.compare_digest(mac, hmac.digest(key, body, "sha256")[:MAC_BYTES]):
        raise refusal
    execution, visit, task, attempt, *began = orjson.loads(body)
    return Address(
        execution=execution, visit=visit, task=task, attempt=attempt, began=(began or [None])[0]
    )
