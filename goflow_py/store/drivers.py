"""Drivers that not everybody installs."""

import contextlib
from collections.abc import Iterator

from goflow_py.errors import StartRefused


@contextlib.contextmanager
def driver() -> Iterator[None]:
    """Refuse in one line what is imported inside when its driver is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != "asyncpg":
            raise
        raise StartRefused(
            "data in PostgreSQL needs its driver: pip install 'goflow-py[postgres]'"
        ) from None
