"""What a store consists of when it is carried from one kind of store to another, table by table.

Left out is what is of one place: migrations, nodes, leases, and the name of the order of commits.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

Row = tuple[Any, ...]


class Kind(Enum):
    """What a column has."""

    TEXT = "text"
    INTEGER = "integer"
    REAL = "real"
    BYTES = "bytes"


_OTHERS = {
    **dict.fromkeys(("body", "findings", "answer", "progress", "entries"), Kind.BYTES),
    **dict.fromkeys(("n", "version", "given", "shard", "seq", "first_seq", "epoch"), Kind.INTEGER),
    **dict.fromkeys(("wake", "at", "since", "due", "lease_until", "visit"), Kind.INTEGER),
    **dict.fromkeys(("created_at", "started_at", "updated_at", "finished_at"), Kind.INTEGER),
    **dict.fromkeys(("purge_at", "expires", "expires_at", "count", "bytes"), Kind.INTEGER),
    **dict.fromkeys(("max_running", "max_open_calls", "max_stored_bytes"), Kind.INTEGER),
    "starts_per_second": Kind.REAL,
}
"""Of the columns, by name, that are no text."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table, and its columns in the order in which they are read and written."""

    name: str
    columns: tuple[str, ...]

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Return what each column has."""
        return tuple(_OTHERS.get(column, Kind.TEXT) for column in self.columns)


def _table(name: str, columns: str) -> Table:
    return Table(name, tuple(columns.split()))


TABLES = (
    _table("blueprints", "project activity version digest body findings created_at"),
    _table("versions", "project activity given"),
    _table("workers", "project activity body"),
    _table("endpoints", "alias url"),
    _table("api_keys", "id hash project scopes roles description created_at expires_at"),
    _table("limits", "project max_running starts_per_second max_open_calls max_stored_bytes"),
    _table(
        "executions",
        "n id shard project activity version status state key labels seq wake started_at "
        "updated_at finished_at purge_at parent body",
    ),
    _table("history", "execution first_seq seq epoch at hash entries n status"),
    _table("names", "project kind scope name execution digest answer expires"),
    _table("inbox", "n shard execution kind dedupe body at"),
    _table(
        "tasks",
        "execution task visit project activity queue kind assigned_to status since due "
        "claimed_by lease_until",
    ),
    _table("batches", "id project body status progress created_at updated_at"),
    _table("early", "n project activity key name body id created_at expires_at"),
    _table("forgotten", "project n"),
    _table("tallies", "project activity version status count"),
    # Last: what comes before is weighed by triggers, and these are the sums.
    _table("sizes", "project bytes"),
)
NUMBERED = ("inbox", "early")
"""Tables that never give a number twice, though its row be gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A store whose rows can be read, and what belongs to it beside its tables."""

    rows: Callable[[Table], Iterator[Row]]
    epoch: int
    """The highest that any owner had."""
    numbers: dict[str, int]
    """Of each of ``NUMBERED`` the highest number that was given."""
    key: bytes | None
    """What signs callback tokens."""
