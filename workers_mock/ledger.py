"""What was called: the newest calls in a ring, and counters that never grow without bound."""

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from workers_mock.rules import encode

CALLS_MAX = 100_000
RECORD_BYTES_MAX = 268_435_456
ACTIONS_MAX = 10_000
KEYS_MAX = 10_000_000

NO_ACTION = "(none)"
OTHER_ACTIONS = "(others)"

RawHeaders = tuple[tuple[bytes, bytes], ...]


@dataclass(slots=True, kw_only=True)
class Call:
    """One call as it came in; ``status`` is what it was answered, None while it is not."""

    path: str
    alias: str
    action: str
    headers: RawHeaders
    body: bytes
    is_json: bool
    at: float
    status: int | None = None

    @property
    def size(self) -> int:
        """Return about how many bytes are kept for it."""
        return len(self.body) + sum(len(name) + len(value) for name, value in self.headers)

    def as_json(self) -> bytes:
        """Return it as JSON; a body that is JSON goes in as it came."""
        head = {
            "path": self.path,
            "alias": self.alias,
            "action": self.action or None,
            "at": _rfc3339(self.at),
            "status": self.status,
            "headers": {
                name.decode("latin-1").lower(): value.decode("latin-1")
                for name, value in self.headers
            },
        }
        body = self.body if self.is_json else encode(self.body.decode(errors="replace") or None)
        return encode(head)[:-1] + b',"body":' + body + b"}"


def _rfc3339(at: float) -> str:
    whole, milliseconds = divmod(int(at * 1000), 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}.{milliseconds:03d}Z"


class Ledger:
    """Notes calls; without *record* it only counts them."""

    def __init__(self, *, record: bool = True) -> None:
        self._record = record
        self.clear()

    def clear(self) -> None:
        """Forget all calls and counts."""
        self._calls: deque[Call] = deque()
        self._bytes = 0
        self._forgotten = 0
        self._total = 0
        self._actions: dict[str, int] = {}
        self._keys: set[int] = set()

    def count(self, action: str, key: str | None) -> None:
        """Count a call by its action, and its ``Idempotency-Key`` if it is a new one."""
        self._total += 1
        actions = self._actions
        name = action or NO_ACTION
        if name not in actions and len(actions) >= ACTIONS_MAX:
            name = OTHER_ACTIONS
        actions[name] = actions.get(name, 0) + 1
        if key is not None and len(self._keys) < KEYS_MAX:
            # 64 bits of a key instead of the key: 10 million fit into 1 GB, and two of them
            # are taken for one with a chance of 1 in 400,000.
            self._keys.add(hash(key))

    def note(self, call: Call) -> Call | None:
        """Keep a call for ``GET /_calls``, forgetting the oldest when there is no room."""
        if not self._record:
            return None
        self._calls.append(call)
        self._bytes += call.size
        while len(self._calls) > CALLS_MAX or self._bytes > RECORD_BYTES_MAX:
            self._bytes -= self._calls.popleft().size
            self._forgotten += 1
        return call

    def calls(self, *, action: str | None, alias: str | None) -> Iterator[bytes]:
        """Yield the kept calls as JSON, in the order in which they came."""
        for call in tuple(self._calls):
            if action in (None, call.action) and alias in (None, call.alias):
                yield call.as_json()

    def counts(self) -> dict[str, Any]:
        """Return the counters; ``keysFull`` says that no more distinct keys are counted."""
        return {
            "calls": self._total,
            "actions": dict(self._actions),
            "idempotencyKeys": len(self._keys),
            "keysFull": len(self._keys) >= KEYS_MAX,
            "recorded": len(self._calls),
            "forgotten": self._forgotten,
        }
