"""A data file as something that is carried: its rows read, or a new file filled with another's."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson

from goflow_py.store import rules, statements
from goflow_py.store.carried import NUMBERED, Row, Source, Table
from goflow_py.store.marks import Marks
from goflow_py.store.sqlite import backup, failures
from goflow_py.store.sqlite.datafile import sync
from goflow_py.store.sqlite.queries import SQL as STORE
from goflow_py.store.sqlite.schema import SCHEMA, migrate, version_of
from goflow_py.store.sqlite.writer import connect

SQL = statements.parse(files(__package__).joinpath("carrying.sql").read_text("utf-8"))
CACHE_KIB = 65_536
"""Of a file that is filled: rows come in the order of their commits, indexes have others."""
LABELS = "labels"

# ---------------------------------------------------------------- out of a file


@contextmanager
def readable(path: Path, *, key: bytes | None) -> Iterator[Source]:
    """Give the rows of a data file and its *key*; of an older release's, those of a newer copy."""
    with closing(backup.reading(path)) as connection:
        schema = version_of(connection, path)
    with TemporaryDirectory() as folder:
        newest = path if schema == SCHEMA else backup.brought_up_to_date(path, Path(folder))
        with _reading(newest, key=key) as source:
            yield source


@contextmanager
def _reading(path: Path, *, key: bytes | None) -> Iterator[Source]:
    """Give the rows of a file of this release; they are of one moment."""
    with closing(backup.reading(path)) as connection:
        connection.execute("BEGIN")

        def rows(table: Table) -> Iterator[Row]:
            return iter(connection.execute(SQL[f"read_{table.name}"]))

        [epoch] = connection.execute(STORE["highest_epoch"]).fetchone()
        yield Source(
            rows=rows,
            epoch=int(epoch or 0),
            numbers={name: _number(connection, name) for name in NUMBERED},
            key=key,
        )


def _number(connection: sqlite3.Connection, name: str) -> int:
    found = connection.execute(SQL["number"], {"name": name}).fetchone()
    return 0 if found is None else int(found[0])


# ---------------------------------------------------------------- into a file


class Filling:
    """A new data file that rows are put into. Not safe for two threads at once.

    Nothing of it counts before ``finish`` returned: a file that was cut is removed, not repaired.
    """

    def __init__(self, part: Path, *, now: int) -> None:
        backup.create(part)
        self._part = part
        self._connection = connect(part, check_same_thread=False)
        try:
            for pragma in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{CACHE_KIB}"):
                self._connection.execute(f"PRAGMA {pragma}").fetchall()
            self._connection.execute("BEGIN IMMEDIATE")
            migrate(self._connection, part, now)
        except failures.ERRORS as error:
            self.close()
            raise failures.refusal(part, error) from error

    def put(self, table: Table, rows: Iterable[Row]) -> None:
        """Add rows of a table; those of ``sizes`` come last, and replace what triggers counted."""
        if table.name == "sizes":
            self._connection.execute(SQL["clear_sizes"])
        if LABELS in table.columns:
            place = table.columns.index(LABELS)
            rows = ((*row[:place], _compact(row[place]), *row[place + 1 :]) for row in rows)
        try:
            self._connection.executemany(SQL[f"write_{table.name}"], rows)
        except failures.ERRORS as error:
            raise failures.unavailable(error) or rules.not_copied(error) from error

    def finish(self, *, epoch: int, numbers: dict[str, int], mark: tuple[str, str] | None) -> None:
        """Make it whole, one file, and durable."""
        try:
            self._connection.execute(SQL["set_epochs"], {"epoch": epoch})
            for name, number in numbers.items():
                self._connection.execute(SQL["forget_number"], {"name": name})
                given = {"name": name, "number": number}
                self._connection.execute(SQL["set_number"], given)
            if mark is not None:
                given = {"name": mark[0], "text": mark[1]}
                self._connection.execute(SQL["put_mark"], given)
            self._connection.execute("COMMIT")
            self._connection.execute("PRAGMA journal_mode = DELETE").fetchall()
        except failures.ERRORS as error:
            raise failures.unavailable(error) or rules.not_copied(error) from error
        finally:
            self.close()
        sync(self._part)

    def close(self) -> None:
        """Give the file up."""
        self._connection.close()


def _compact(labels: str) -> str:
    """Return labels as the store itself writes them."""
    return labels if labels == "{}" else orjson.dumps(orjson.loads(labels)).decode()


# ---------------------------------------------------------------- marks


def marks_of(path: Path) -> Marks:
    """Return what a file says of its moves; of none, it is nothing."""
    try:
        with closing(backup.reading(path)) as connection:
            return Marks.of(dict(connection.execute(STORE["marks"]).fetchall()))
    except failures.ERRORS:
        return Marks()


def put_mark(path: Path, name: str, text: str) -> None:
    """Write a mark; it is on disk when this returns. The caller holds the file's lock."""
    _change(path, "put_mark", {"name": name, "text": text})


def drop_mark(path: Path, name: str) -> None:
    """Take a mark away; the file is durable without it when this returns."""
    _change(path, "drop_mark", {"name": name})


def _change(path: Path, statement: str, given: dict[str, str]) -> None:
    try:
        with closing(connect(path)) as connection:
            connection.execute(SQL[statement], given)
    except failures.ERRORS as error:
        raise failures.refusal(path, error) from error
