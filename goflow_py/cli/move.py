"""``goflow move``: data goes from a file to a database, or back, with all that is in flight."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from goflow_py.cli import places
from goflow_py.cli.audit import judge_file
from goflow_py.cli.console import fail, show_json
from goflow_py.cli.copies import breached, held, moment_of, show_facts
from goflow_py.cli.session import Json
from goflow_py.errors import Conflict, GoFlowError, NotFound, StartRefused
from goflow_py.store.marks import MOVE, MOVED, MOVING, Marks, MovedAway, Moving

if TYPE_CHECKING:
    from goflow_py.clock import Clock
    from goflow_py.store.postgres.carrying import Database

Facts = dict[str, Any]
NAME_BYTES = 8
"""Of a move: what was cut is known again by it."""


def move(
    source: Annotated[
        str, typer.Option("--from", metavar="FILE|URL", help="Where the data is; no server runs.")
    ],
    target: Annotated[
        str,
        typer.Option(
            "--to", metavar="URL|FILE", help="An empty database, or a new file, for all of it."
        ),
    ],
    as_json: Json = False,
) -> None:
    """Carry all data from a file to a PostgreSQL database, or back. No server may run.

    Executions go on where they are: with their histories, timers, tasks and open callbacks. Every
    history is checked before the data counts as moved; until then it is where it was. What it was
    moved from stays as it is, and no server starts on it again. A move that was cut is given again.
    """
    if places.is_database(source) == places.is_database(target):
        raise typer.BadParameter(
            "one of --from and --to is a file, the other a postgresql:// address; "
            "see 'goflow backup' for a copy of the same kind",
            param_hint="--to",
        )
    is_back = places.is_database(source)
    if is_back:
        file = places.path_of(target, hint="--to").absolute()
    else:
        file = places.file_of(source, hint="--from").resolve()
    try:
        work = _to_file(source, file) if is_back else _to_database(file, target)
        facts = places.running(work)
    except OSError as error:
        refusal = StartRefused(f"{file} cannot be written: {error.strerror}: check its directory")
        fail(refusal, as_json=as_json)
    except GoFlowError as error:
        fail(error, as_json=as_json)
    if as_json:
        show_json(facts)
    else:
        show_facts(facts, "from", "to")


# ---------------------------------------------------------------- from a file to a database


async def _to_database(path: Path, url: str) -> Facts:
    from goflow_py.clock import SystemClock
    from goflow_py.store.postgres.carrying import alone
    from goflow_py.store.sqlite import backup as copies
    from goflow_py.store.sqlite import carrying

    clock = SystemClock()
    with _taken(path):
        async with alone(url, clock=clock) as database:
            marks, there = carrying.marks_of(path), await database.marks()
            name = marks.move or clock.token_bytes(NAME_BYTES).hex()
            is_cut = there.is_filled_by(name)
            if marks.moved is None:
                await _refuse_filled(database, there, is_cut=is_cut)
                carrying.put_mark(path, MOVE, name)
                with carrying.readable(path, key=copies.key_of(path)) as source:
                    await database.load(source, moving=Moving(move=name, source=str(path)))
            elif not is_cut:
                marks.refuse(path)
            report = await places.verified(url, None)
            if report["breaches"]:
                if marks.moved is None:
                    await database.clear()
                raise breached(path, report["breaches"], remedy="'goflow verify --data' lists them")
            until = moment_of(await database.newest_change())
            at = _now(clock) if marks.moved is None else marks.moved.at
            if marks.moved is None:
                said = MovedAway(move=name, target=database.place, at=at)
                carrying.put_mark(path, MOVED, said.text())
            # From here on the data is there, and nowhere else.
            await database.drop_mark(MOVING)
    facts = {"from": str(path), "to": database.place, "key": copies.key_of(path) is not None}
    return {**report, **facts, "movedAt": at, "until": until}


async def _refuse_filled(database: "Database", there: Marks, *, is_cut: bool) -> None:
    """Raise for a database that has data, or another move's."""
    if is_cut:
        return
    if there.moving is not None:
        there.refuse(database.place)
    if await database.is_filled():
        raise Conflict(
            f"{database.place} has data: name an empty database, or a schema of its own with "
            "?search_path=NAME",
            code="not_empty",
        )


@contextmanager
def _taken(path: Path) -> Iterator[None]:
    """Have a data file as its server has it: whole, with its log. Raises ``StartRefused``."""
    from goflow_py.store.sqlite import backup as copies
    from goflow_py.store.sqlite.datafile import DataFile

    file = DataFile(path)
    file.acquire()
    try:
        file.examine()
        copies.judge(path)
        yield
    finally:
        file.release()


# ---------------------------------------------------------------- from a database to a file


async def _to_file(url: str, path: Path) -> Facts:
    from goflow_py.clock import SystemClock
    from goflow_py.store.postgres.carrying import alone
    from goflow_py.store.sqlite import backup as copies
    from goflow_py.store.sqlite import carrying

    clock = SystemClock()
    if not path.parent.is_dir():
        raise NotFound(f"there is no directory {path.parent}; make it first", code="no_directory")
    with held(path):
        async with alone(url, clock=clock) as database:
            marks = await database.marks()
            there = carrying.marks_of(path)
            name = marks.move or clock.token_bytes(NAME_BYTES).hex()
            is_cut = there.is_filled_by(name)
            if marks.moved is None:
                marks.refuse(database.place)
                if is_cut:
                    copies.remove(path)
                await database.put_mark(MOVE, name)
                await _dump(database, path, Moving(move=name, source=database.place))
            elif not is_cut:
                marks.refuse(database.place)
            report = await judge_file(path, None)
            if report["breaches"]:
                if marks.moved is None:
                    copies.remove(path)
                remedy = "'goflow verify --data' lists them"
                raise breached(database.place, report["breaches"], remedy=remedy)
            at = _now(clock) if marks.moved is None else marks.moved.at
            if marks.moved is None:
                said = MovedAway(move=name, target=str(path), at=at)
                await database.put_mark(MOVED, said.text())
            # From here on the data is there, and nowhere else.
            carrying.drop_mark(path, MOVING)
    facts = {"from": database.place, "to": str(path), "key": copies.key_of(path) is not None}
    return {**report, **facts, "movedAt": at, "until": moment_of(copies.newest_change(path))}


async def _dump(database: "Database", path: Path, moving: Moving) -> None:
    """Make the file, with its key; it says that it is being filled."""
    from goflow_py.store.postgres.copying import copy

    mark = (MOVING, moving.text())
    await copy(database.session, str(path), now=database.clock.now_ms(), mark=mark)


def _now(clock: "Clock") -> str:
    from goflow_py.domain.durations import rfc3339

    return rfc3339(clock.now_ms())
