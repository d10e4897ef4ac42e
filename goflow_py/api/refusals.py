"""Guessing is slow: who sends wrong keys again and again is told to wait.

A right key is never asked here: who shares an address with a guesser, behind one proxy, goes on
working.
"""

import ipaddress
import logging
import math
from collections import OrderedDict, deque
from dataclasses import dataclass, field

from goflow_py.clock import Clock
from goflow_py.errors import TooManyRequests

log = logging.getLogger(__name__)

FAILURES_MAX = 10
WINDOW_SECONDS = 60.0
PEERS_KEPT_MAX = 10_000
NETWORK_BITS = 64
"""Of an IPv6 address: who has one has all of its network."""


@dataclass(kw_only=True)
class Refusals:
    """Counts the wrong keys of each peer; what it remembers is bounded."""

    clock: Clock
    failures_max: int = FAILURES_MAX
    _failures: OrderedDict[str, deque[float]] = field(default_factory=OrderedDict)
    """When the wrong keys of a peer came; who failed last is last."""

    def check(self, address: str) -> None:
        """Raise ``TooManyRequests`` when the peer sent too many wrong keys lately."""
        times = self._failures.get(_peer(address))
        if times is None:
            return
        now = self.clock.monotonic()
        while times and times[0] <= now - WINDOW_SECONDS:
            times.popleft()
        if len(times) >= self.failures_max:
            raise TooManyRequests(
                f"{self.failures_max} wrong keys came from your address within a minute; "
                "wait, and send a right one",
                code="too_many_failures",
                retryAfter=math.ceil(times[0] + WINDOW_SECONDS - now),
            )

    def failed(self, address: str) -> None:
        """Note that a wrong key came."""
        peer = _peer(address)
        times = self._failures.setdefault(peer, deque(maxlen=self.failures_max))
        times.append(self.clock.monotonic())
        self._failures.move_to_end(peer)
        if len(self._failures) > PEERS_KEPT_MAX:
            self._failures.popitem(last=False)
        if len(times) == self.failures_max:
            log.warning("too many wrong keys: a peer has to wait", extra={"peer": peer})


def _peer(address: str) -> str:
    """Return who is counted as one."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(known, ipaddress.IPv4Address):
        return address
    if known.ipv4_mapped is not None:
        return str(known.ipv4_mapped)
    return str(ipaddress.ip_network((int(known), NETWORK_BITS), strict=False))
