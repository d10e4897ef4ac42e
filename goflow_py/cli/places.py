"""Where data is, for commands that work without a server: a file, or a database."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from goflow_py.config import DATABASE
from goflow_py.store.drivers import driver

if TYPE_CHECKING:
    from goflow_py.ports import KeyRow

T = TypeVar("T")


def is_database(text: str) -> bool:
    """Tell whether it is the address of a database."""
    return text.startswith(DATABASE)


def file_of(text: str, *, hint: str = "--data") -> Path:
    """Return the path of a data file that is there. Raises ``typer.BadParameter``."""
    path = path_of(text, hint=hint)
    if not path.is_file():
        raise typer.BadParameter(f"there is no data file {path}", param_hint=hint)
    return path


def path_of(text: str, *, hint: str = "--data") -> Path:
    """Return the path of a file that may be new. Raises ``typer.BadParameter``."""
    if "://" in text:
        raise typer.BadParameter(
            f"{text.partition('://')[0]}:// is nothing that goflow knows: name a file, or a "
            f"{DATABASE} address",
            param_hint=hint,
        )
    return Path(text)


def running(work: Coroutine[Any, Any, T]) -> T:
    """Do what needs a database's driver; without the driver, say so in one line."""
    with driver():
        return asyncio.run(work)


async def verified(url: str, execution: str | None) -> dict[str, Any]:
    """Return the report on a database. Raises ``StartRefused``."""
    from goflow_py.clock import SystemClock
    from goflow_py.engine import auditor
    from goflow_py.store.postgres.visiting import visiting

    async with visiting(url, clock=SystemClock()) as store:
        return (await auditor.verify(store, execution=execution)).as_json()


async def copied(url: str, target: Path) -> None:
    """Copy a database to a new data file. Raises ``StartRefused``, ``Unavailable``."""
    from goflow_py.clock import SystemClock
    from goflow_py.store.postgres.visiting import visiting

    async with visiting(url, clock=SystemClock()) as store:
        await store.refuse_marked()
        await store.backup(str(target))


async def put_key(url: str, row: "KeyRow") -> None:
    """Put an API key into a database. Raises ``StartRefused``, ``Unavailable``."""
    from goflow_py.clock import SystemClock
    from goflow_py.store.postgres.visiting import visiting

    async with visiting(url, clock=SystemClock()) as store:
        await store.refuse_marked()
        await store.put_key(row)
