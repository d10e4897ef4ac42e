"""``goflow verify``: every execution's history against the rules, by a server or where it is."""

import asyncio
import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from goflow_py.cli import places
from goflow_py.cli.console import EXIT_FAILED, fail, show, show_json
from goflow_py.cli.session import DEFAULT_SERVER, Json, Key, Server, Session, remote
from goflow_py.cli.words import shown
from goflow_py.errors import GoFlowError, StartRefused

VERIFY_SECONDS = 600.0
SQLITE = b"SQLite format 3\0"


def verify(
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="FILE|URL",
            help="Read this data file, whose server must not run; or this database, also beside "
            "its servers.",
        ),
    ] = None,
    execution: Annotated[
        str | None, typer.Option("--execution", metavar="ID", help="Only this one.")
    ] = None,
    server: Server = DEFAULT_SERVER,
    api_key: Key = None,
    as_json: Json = False,
) -> None:
    """Check what is stored against the rules that it must keep. Exits 1 on a breach."""
    if data is None:
        _ask(server=server, api_key=api_key, as_json=as_json, execution=execution)
        return
    file = None if places.is_database(data) else _data_file(data)
    try:
        if file is None:
            report = places.running(places.verified(data, execution))
        else:
            with no_server(file):
                report = asyncio.run(judge_file(file, execution))
    except GoFlowError as error:
        fail(error, as_json=as_json)
    _report(report, as_json=as_json)


def _data_file(text: str) -> Path:
    path = places.file_of(text)
    with path.open("rb") as file:
        if file.read(len(SQLITE)) != SQLITE:
            raise typer.BadParameter(f"{path} is no data file", param_hint="--data")
    return path


@remote
async def _ask(session: Session, execution: str | None) -> None:
    answer = await session.client.get(
        "/v1/admin/verify", {"execution": execution}, wait_seconds=VERIFY_SECONDS
    )
    _report(answer.body, as_json=session.as_json)


def _report(report: dict[str, Any], *, as_json: bool) -> None:
    breaches = report["breaches"]
    if as_json:
        show_json(report)
    else:
        from goflow_py.cli import screens

        counts = report["byStatus"].items()
        rules = [f"{count} of {rule}" for rule, count in report.get("byRule", {}).items()]
        show(
            screens.pairs(
                [
                    ("executions", report["executions"]),
                    ("records", report["records"]),
                    ("status", ", ".join(f"{count} {name}" for name, count in counts)),
                    ("breaches", "none" if not breaches else len(breaches)),
                    ("rules", ", ".join(rules) or "all hold"),
                ]
            )
        )
        if breaches:
            made = screens.table("rule", "execution", "seq", "what", fold=("what",))
            for item in breaches:
                made.add_row(
                    *(screens.cell(item.get(name)) for name in ("rule", "execution", "seq")),
                    screens.cell(shown(item.get("message"), 500)),
                )
            show(screens.block("breaches", made))
    if breaches:
        raise typer.Exit(EXIT_FAILED)


# ---------------------------------------------------------------- a data file


@contextmanager
def no_server(path: Path) -> Iterator[None]:
    """Keep servers from the file meanwhile, without writing anything. Raises ``StartRefused``."""
    lock = path.with_name(path.name + ".lock")
    if not lock.exists():
        yield
        return
    descriptor = os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StartRefused(
                f"{path} is in use by a server; ask it, without --data, or stop it"
            ) from None
        yield
    finally:
        os.close(descriptor)


async def judge_file(path: Path, execution: str | None) -> dict[str, Any]:
    """Return the report on a data file; of an older one, on a copy. Raises ``StartRefused``."""
    from goflow_py.engine import auditor
    from goflow_py.store.sqlite import backup, wal
    from goflow_py.store.sqlite.readonly import ReadOnlyStore
    from goflow_py.store.sqlite.schema import SCHEMA

    damage = wal.damage(path)
    if damage is not None:
        raise StartRefused(f"{path} {damage}")
    schema = backup.judge(path)
    with tempfile.TemporaryDirectory() as folder:
        if schema < SCHEMA:
            path = backup.brought_up_to_date(path, Path(folder))
        store = ReadOnlyStore(path)
        try:
            return (await auditor.verify(store, execution=execution)).as_json()
        finally:
            await store.close()
