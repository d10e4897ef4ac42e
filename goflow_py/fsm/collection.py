"""The garbage collector, put off while a blueprint is built."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collection() -> Iterator[None]:
    """Make many objects that all stay, without the collector looking at them again and again.

    It is half the time of compiling 5,000 states; what is made meanwhile has the limits of a body.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
