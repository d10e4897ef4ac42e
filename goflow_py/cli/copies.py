"""``goflow backup`` and ``goflow restore``: copies of the data, judged before they count."""

import asyncio
import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from goflow_py.cli import places
from goflow_py.cli.audit import judge_file, no_server
from goflow_py.cli.console import EXIT_FAILED, fail, say, show, show_json
from goflow_py.cli.session import DEFAULT_SERVER, Json, Key, Server, Session, remote
from goflow_py.cli.words import moment
from goflow_py.errors import Conflict, GoFlowError, NotFound, StartRefused

if TYPE_CHECKING:
    from goflow_py.clock import Clock

COPY_SECONDS = 3_600.0
"""How long a server may take to copy its data."""
OURS = re.compile(r"goflow-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d(\.\d+)?Z\.db")
"""Copies that are named after their time; only these are ever removed."""

# ---------------------------------------------------------------- backup


def backup(
    to: Annotated[
        Path | None,
        typer.Option(
            "--to",
            metavar="FILE",
            help="The new file, or a directory for one that is named after the time; "
            "without it, the server's own directory 'backups'.",
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="FILE|URL",
            help="Copy this data file, whose server must not run; or this database, also beside "
            "its servers.",
        ),
    ] = None,
    keep: Annotated[
        int | None,
        typer.Option("--keep", metavar="N", min=1, help="Remove all but the N newest copies."),
    ] = None,
    server: Server = DEFAULT_SERVER,
    api_key: Key = None,
    as_json: Json = False,
) -> None:
    """Copy all data, with the server's key, and check every history of the copy. Exits 1 if not."""
    if keep is not None and to is not None and not to.is_dir():
        raise typer.BadParameter("it goes with a directory in --to", param_hint="--keep")
    if data is None:
        _ask(server=server, api_key=api_key, as_json=as_json, to=to, keep=keep)
        return
    if to is None:
        raise typer.BadParameter("say where the copy goes", param_hint="--to")
    file = None if places.is_database(data) else places.file_of(data)
    try:
        target = _new_file(to)
        if file is None:
            places.running(places.copied(data, target))
        else:
            _copy(file, target)
        _finish(target, keep=keep, as_json=as_json)
    except GoFlowError as error:
        fail(error, as_json=as_json)


def _copy(file: Path, target: Path) -> None:
    """Copy a data file that no server has."""
    from goflow_py.store.sqlite import backup as copies

    with no_server(file):
        copies.judge(file.resolve())
        copies.backup(file.resolve(), target)


@remote
async def _ask(session: Session, to: Path | None, keep: int | None) -> None:
    """Let the server copy: it alone knows what is in its log."""
    target = None if to is None else await asyncio.to_thread(_new_file, to)
    made = await session.client.post("/v1/admin/backup", wait_seconds=COPY_SECONDS)
    path = Path(made.body["path"])
    if not await asyncio.to_thread(path.is_file):
        if to is not None or keep is not None:
            raise NotFound(
                f"the copy is {path} on the server's machine; run this command there, "
                "or leave --to and --keep out",
                code="copy_elsewhere",
            )
        say(f"its histories are not checked; do it there: goflow verify --data {path}")
        if not session.shown_as_json(made.body):
            show(str(path))
        return
    if path.parent.name != "backups" or not OURS.fullmatch(path.name):
        raise Conflict(
            f"the server names {path}, which is no copy of ours; it was left as it is",
            code="odd_copy",
        )
    if target is not None:
        path = await asyncio.to_thread(_moved, path, target)
    await asyncio.to_thread(_finish, path, keep=keep, as_json=session.as_json)


def _new_file(to: Path) -> Path:
    """Return the new file, which can be made; in a directory, it is named after the time."""
    from goflow_py.clock import SystemClock
    from goflow_py.store.sqlite import backup as copies

    target = to.absolute()
    if to.is_dir():
        target /= f"goflow-{_stamp(SystemClock())}.db"
    elif not to.parent.is_dir():
        raise NotFound(f"there is no directory {to.parent}; make it first", code="no_directory")
    copies.refuse_existing(target)
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise Conflict(f"{target.parent} cannot be written; name another", code="not_writable")
    return target


def _moved(source: Path, target: Path) -> Path:
    """Move a copy and its key, also to another disk. If that fails, nothing of them is left."""
    from goflow_py.store.sqlite import backup as copies

    try:
        copies.backup(source, target)
    finally:
        try:
            copies.remove(source)
        except OSError as error:
            say(f"goflow: {source} is left there: {error.strerror}")
    return target


def _finish(path: Path, *, keep: int | None, as_json: bool) -> None:
    """Judge a copy, say what it holds, and remove older ones if it is good."""
    report = _judged(path)
    removed = _prune(path.parent, keep) if report["ok"] and keep is not None else []
    facts = {"path": str(path), "bytes": path.stat().st_size, **report, "removed": removed}
    if as_json:
        show_json(facts)
    else:
        show_facts(facts, "path", removed=", ".join(removed) or "none")
    if not report["ok"]:
        say("goflow: the copy breaks rules; 'goflow verify --data' lists them (breaches)")
        raise typer.Exit(EXIT_FAILED)


def _judged(path: Path) -> dict[str, Any]:
    return asyncio.run(facts_of(path))


async def facts_of(path: Path) -> dict[str, Any]:
    """Judge a copy; return what it holds, and what is wrong with it."""
    from goflow_py.store.sqlite import backup as copies

    schema = copies.judge(path)
    report = await judge_file(path, None)
    return {
        "ok": not report["breaches"],
        "schema": schema,
        "executions": report["executions"],
        "records": report["records"],
        "byStatus": report["byStatus"],
        "until": moment_of(copies.newest_change(path)),
        "key": copies.key_of(path) is not None,
        "breaches": report["breaches"],
    }


def show_facts(facts: dict[str, Any], *places: str, **more: Any) -> None:
    """Print what a copy holds, and the *places* among the facts."""
    from goflow_py.cli import screens

    counts = ", ".join(f"{count} {name}" for name, count in facts["byStatus"].items())
    show(
        screens.pairs(
            [
                *(("file" if place == "path" else place, facts[place]) for place in places),
                ("executions", f"{facts['executions']} ({counts or 'none'})"),
                ("records", facts["records"]),
                ("last change", moment(facts["until"]) or "never"),
                ("key", "with it" if facts["key"] else "none: callbacks of then are refused"),
                ("breaches", len(facts["breaches"]) or "none"),
                *((name.replace("_", " "), value) for name, value in more.items()),
            ]
        )
    )


def _prune(folder: Path, keep: int) -> list[str]:
    """Remove all but the newest copies that are named after their time; return their names."""
    found = sorted(one for one in folder.iterdir() if OURS.fullmatch(one.name))
    from goflow_py.store.sqlite import backup as copies

    for one in found[:-keep]:
        copies.remove(one)
    return [one.name for one in found[:-keep]]


# ---------------------------------------------------------------- restore


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The copy.")],
    data: Annotated[
        str,
        typer.Option("--data", metavar="FILE|URL", help="The data file to be, or a database."),
    ],
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Replace the data that is there; it is kept beside it, in a database as a schema.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Make a copy the data again, once every history of it was checked. The server must not run.

    What happened after the copy was made is lost. Calls that were made since are made again,
    with the same Idempotency-Key.
    """
    if not file.is_file():
        raise typer.BadParameter(f"there is no file {file}", param_hint="FILE")
    to = None if places.is_database(data) else places.path_of(data).resolve()
    try:
        if to is None:
            facts = places.running(_restored_there(file.resolve(), data, force=force))
        else:
            facts = _restored(file.resolve(), to, force=force)
    except OSError as error:
        # Of a database it is the copy; an address may have a password, too.
        what = f"{file} cannot be read" if to is None else f"{data} cannot be written"
        refusal = StartRefused(f"{what}: {error.strerror}: check its directory")
        fail(refusal, as_json=as_json)
    except GoFlowError as error:
        fail(error, as_json=as_json)
    if as_json:
        show_json(facts)
    else:
        show_facts(facts, "path", replaced_data=facts["kept"] or "none")


def _restored(source: Path, target: Path, *, force: bool) -> dict[str, Any]:
    from goflow_py.clock import SystemClock
    from goflow_py.store.sqlite import backup as copies
    from goflow_py.store.sqlite.datafile import finish_restore, part_of

    clock = SystemClock()
    if source == target:
        raise Conflict("the copy is the data file itself; name another one", code="same_file")
    if target.exists() and not target.is_file():
        raise Conflict(f"{target} is no file; name the data file to be", code="no_file")
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with held(target):
        finish_restore(target)  # one that was cut
        if target.exists() and not force:
            raise Conflict(
                f"{target} exists; use --force to replace it, and it is kept beside the new one",
                code="file_exists",
            )
        copies.judge(source, remedy=copies.TAKE_ANOTHER)
        key = copies.key_of(source)
        part = part_of(target)
        kept = target.with_name(f"{target.name}.before-{_stamp(clock)}")
        try:
            copies.copy(source, part)
            copies.settle(part, replaced=target, now=clock.now_ms())
            report = _judged(part)
            if not report["ok"]:
                raise breached(source, report["breaches"], remedy=copies.TAKE_ANOTHER)
            was_there = copies.put_in_place(target, key=key, kept=kept)
            # Whoever had the file before was killed with a log of its own, which is no concern now.
            os.truncate(target.with_name(target.name + ".lock"), 0)
        finally:
            finish_restore(target)
    facts = {"path": str(target), **report, "key": key is not None}
    return {**facts, "kept": str(kept) if was_there else None}


def breached(place: object, breaches: list[dict[str, Any]], *, remedy: str) -> Conflict:
    """Return the refusal of what breaks rules."""
    return Conflict(
        f"{place} breaks {len(breaches)} rules, the first: {breaches[0]['message']}; {remedy}",
        code="breaches",
    )


async def _restored_there(source: Path, url: str, *, force: bool) -> dict[str, Any]:
    """Make a copy the data of a database; what was there gets a schema of its own."""
    from goflow_py.clock import SystemClock
    from goflow_py.store.postgres.carrying import alone
    from goflow_py.store.sqlite import backup as copies
    from goflow_py.store.sqlite import carrying

    clock = SystemClock()
    kept = None
    copies.judge(source, remedy=copies.TAKE_ANOTHER)
    key = copies.key_of(source)
    async with alone(url, clock=clock) as database:
        if await database.is_filled():
            if not force:
                raise Conflict(
                    f"{database.place} has data; use --force to replace it, and it is kept beside "
                    "the new one",
                    code="not_empty",
                )
            kept = f"goflow_before_{re.sub('[^0-9a-z]', '', _stamp(clock).lower())}"
        report = await facts_of(source)
        if not report["ok"]:
            raise breached(source, report["breaches"], remedy=copies.TAKE_ANOTHER)
        with carrying.readable(source, key=key) as rows:
            await database.replace(rows, kept=kept)
        return {"path": database.place, **report, "key": key is not None, "kept": kept}


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Keep servers from the data file meanwhile. Raises ``StartRefused`` when one has it."""
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
    descriptor = os.open(path.with_name(path.name + ".lock"), flags, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StartRefused(f"{path} is in use by a server; stop it first") from None
        yield
    finally:
        os.close(descriptor)


def _stamp(clock: "Clock") -> str:
    """Return the time as a part of a file's name."""
    return (moment_of(clock.now_ms()) or "").replace(":", "-")


def moment_of(at: int | None) -> str | None:
    """Return a time as the API has it."""
    from goflow_py.domain.durations import rfc3339

    return None if at is None else rfc3339(at)
