"""Time, ids and chance: the only module that reads them.

Everything else takes a ``Clock`` as an argument, so that a test moves 24 hours in no time.
"""

import asyncio
import os
import random
import time
from collections.abc import Callable
from typing import Protocol

CHANCE_BYTES = 4_096
"""Random bytes that are fetched at once."""


class Handle(Protocol):
    """A call that was promised for later."""

    def cancel(self) -> None:
        """Take the promise back; no effect once the call was made."""


class Clock(Protocol):
    """Where the time comes from, and everything that is random."""

    def now_ms(self) -> int:
        """Return the wall clock in milliseconds since 1970, UTC."""

    def now_us(self) -> int:
        """Return the same in microseconds."""

    def monotonic(self) -> float:
        """Return seconds that never go back, from an arbitrary start."""

    def busy(self) -> float:
        """Return the seconds for which this thread has computed: none of what it waited for."""

    def call_later(self, seconds: float, callback: Callable[[], object]) -> Handle:
        """Call *callback* on the event loop, once, not before *seconds* have passed."""

    async def sleep(self, seconds: float) -> None:
        """Wait for *seconds*."""

    def random(self) -> float:
        """Return a number of [0, 1)."""

    def token_bytes(self, count: int) -> bytes:
        """Return *count* bytes that nobody can guess."""


class SystemClock:
    """The machine's own time and chance."""

    def __init__(self) -> None:
        self._random = random.Random(os.urandom(16))
        self._chance = b""
        self._spent = 0

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def now_us(self) -> int:
        return time.time_ns() // 1_000

    # Asked for many times a step: the functions themselves, without one of ours around them.
    monotonic = staticmethod(time.monotonic)
    busy = staticmethod(time.thread_time)

    def call_later(self, seconds: float, callback: Callable[[], object]) -> Handle:
        return asyncio.get_running_loop().call_later(seconds, callback)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def random(self) -> float:
        return self._random.random()

    def token_bytes(self, count: int) -> bytes:
        # In stock: an execution needs five of them, and asking the kernel takes 7 us.
        if self._spent + count > len(self._chance):
            self._chance, self._spent = os.urandom(max(CHANCE_BYTES, count)), 0
        self._spent += count
        return self._chance[self._spent - count : self._spent]


def uuid7(clock: Clock, *, last_byte: int | None = None) -> str:
    """Return a UUIDv7 (RFC 9562, section 5.7) in text; *last_byte* of 0-255 replaces the last one.

    Ids sort by their time of birth, to the microsecond (section 6.2, method 3): so work that was
    started first in a millisecond is done first.
    """
    chance = clock.token_bytes(8)
    ms, us = divmod(clock.now_us(), 1_000)
    raw = bytearray(ms.to_bytes(6, "big"))
    raw += (us * 4_096 // 1_000).to_bytes(2, "big")
    raw += chance
    raw[6] |= 0x70
    raw[8] = 0x80 | (raw[8] & 0x3F)
    if last_byte is not None:
        raw[15] = last_byte
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
