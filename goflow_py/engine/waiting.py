"""Who waits for something here: told what it is, once."""

import asyncio
from typing import TypeVar

T = TypeVar("T")


def tell(waiting: asyncio.Future[T], what: T) -> None:
    """Wake who waits, unless somebody did, or it waits no more."""
    if not waiting.done():
        waiting.set_result(what)
