"""Long work of pure functions, beside the loop: everybody else's requests go on meanwhile."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

INLINE_BYTES_MAX = 32 * 1024
"""A blueprint of so many bytes is read, checked and compiled within about 20 ms."""


async def aside(size: int, work: Callable[[], T]) -> T:
    """Return what *work* makes of *size* bytes; in a thread, when that may take long.

    It has to be pure: the loop goes on while it runs.
    """
    return work() if size <= INLINE_BYTES_MAX else await asyncio.to_thread(work)
