"""What a batch changes, gathered by table: one statement writes all of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from goflow_py.ports import HeadRow, Name, Write
from goflow_py.store import rows, rules

NameKey = tuple[str, str, str, str]

STARTS = (
    "b_place", "b_id", "b_shard", "b_project", "b_activity", "b_version", "b_status", "b_state",
    "b_key", "b_labels", "b_seq", "b_wake", "b_started", "b_updated", "b_finished", "b_purge",
    "b_parent", "b_body",
)  # fmt: skip
STEPS = (
    "s_version", "s_status", "s_state", "s_labels", "s_seq", "s_wake", "s_updated", "s_finished",
    "s_purge", "s_body", "s_before", "s_id",
)  # fmt: skip
RECORDS = (
    "r_execution", "r_first", "r_seq", "r_epoch", "r_at", "r_hash", "r_entries", "r_place",
    "r_status",
)  # fmt: skip
NAMES = (
    "n_project", "n_kind", "n_scope", "n_name", "n_execution", "n_digest", "n_answer", "n_expires",
    "n_stays",
)  # fmt: skip
FREED = ("f_project", "f_kind", "f_scope", "f_name", "f_execution")
APPLIED = ("i_n", "i_execution")
QUEUED = (
    "q_execution", "q_task", "q_visit", "q_project", "q_activity", "q_queue", "q_kind",
    "q_assigned", "q_status", "q_since", "q_due", "q_claimed", "q_lease",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Proof:
    """A record that is stored if, and only if, all that came with it is."""

    execution: str
    seq: int
    epoch: int
    hash: str


class Changes:
    """Rows to be written: of each execution its last head, and all of its records.

    *first* is the place of the first record among all that the transaction writes.
    """

    def __init__(self, first: int = 0) -> None:
        self.place = first
        self.proof: Proof | None = None
        """Of all of it; None: there is nothing to write."""
        self.freed: list[rows.Row] = []
        """Given back behind the last write of the batch, whichever of it takes them."""
        self._epochs: dict[int, int] = {}
        self._started: dict[str, tuple[int, HeadRow]] = {}
        self._stepped: dict[str, tuple[int, HeadRow]] = {}
        self._records: list[rows.Row] = []
        self._bytes: dict[str, int] = {}
        self._names: dict[NameKey, Name] = {}
        self._applied: list[rows.Row] = []
        self._queues: dict[str, list[rows.Row]] = {}
        """By execution: all that it has queued from now on."""

    def add(self, write: Write) -> None:
        """Take one write, not its family."""
        head = write.head
        self._epochs[head.shard] = write.epoch
        self._put_head(write)
        for record in write.records:
            self._records.append(rows.recorded(record, write.epoch, self.place, head.status))
            self._bytes[head.project] = self._bytes.get(head.project, 0) + len(record.entries)
            self.place += 1
        if self.proof is None:
            last = write.records[-1]
            self.proof = Proof(last.execution, last.seq, write.epoch, last.hash)
        for name in write.names:
            self._names[rows.name_key(name)] = name
        self.freed += [(*rows.name_key(name), head.id) for name in write.freed]
        self._applied += [(number, head.id) for number in write.inbox]
        if write.queue is not None:
            self._queues[head.id] = [rows.queued(row) for row in write.queue]

    def arguments(self, *, is_last: bool = True) -> dict[str, Sequence[Any]]:
        """Return the values of ``commit``, but for the node and its lane.

        Unless it *is_last* of its batch, all that it frees is left to whoever writes the last one.
        """
        # The statement does not see what it has just written: a name that is taken and given back
        # by the same batch is only held against what is there.
        freed = set(self.freed) if is_last else set()
        gone = {key for key, name in self._names.items() if (*key, name.execution) in freed}
        starts = (rows.started(head, place) for place, head in self._started.values())
        steps = ((*rows.stepped(head, before), head.id) for before, head in self._stepped.values())
        names = ((*rows.named(one), key not in gone) for key, one in self._names.items())
        tasks = (row for queue in self._queues.values() for row in queue)
        return {
            "shards": list(self._epochs),
            "epochs": list(self._epochs.values()),
            "z_project": list(self._bytes),
            "z_bytes": list(self._bytes.values()),
            "q_whose": list(self._queues),
            **_columns(STARTS, starts),
            **_columns(STEPS, steps),
            **_columns(RECORDS, self._records),
            **_columns(NAMES, names),
            **_columns(FREED, freed),
            **_columns(APPLIED, self._applied),
            **_columns(QUEUED, tasks),
        }

    @property
    def is_bare(self) -> bool:
        """Tell whether there are heads and records, and nothing else."""
        return not (self._names or self.freed or self._applied or self._queues)

    def _put_head(self, write: Write) -> None:
        head = write.head
        if head.id in self._stepped:
            before, last = self._stepped[head.id]
            _check(last)
            self._stepped[head.id] = (before, head)
        elif head.id in self._started:
            place, first = self._started[head.id]
            _check(first)
            never = {
                name: getattr(first, name)
                for name in ("project", "activity", "key", "started_at", "parent")
            }
            self._started[head.id] = (place, replace(head, **never))
        elif write.start:
            self._started[head.id] = (self.place, head)
        else:
            self._stepped[head.id] = (write.records[0].first_seq - 1, head)


def _check(head: HeadRow) -> None:
    """Raise ValueError for a head that no column can hold: a later one takes its place."""
    reason = rules.unfit_row(head)
    if reason is not None:
        raise ValueError(reason)


def freed_columns(freed: Iterable[rows.Row]) -> dict[str, Sequence[Any]]:
    """Return the values of ``free``."""
    return _columns(FREED, freed)


def name_columns(keys: Iterable[NameKey]) -> dict[str, Sequence[Any]]:
    """Return the values of ``holders``."""
    return _columns(NAMES[:4], keys)


def _columns(names: Sequence[str], found: Iterable[rows.Row]) -> dict[str, Sequence[Any]]:
    columns: Sequence[Sequence[Any]] = list(zip(*found, strict=True)) or [()] * len(names)
    return dict(zip(names, columns, strict=True))
