"""The history checker: judges one execution by what the store holds of it.

The rules are those of ``docs/guarantees.md``: S3 to S7, S11, S12, S15 and S19. Each breach is one
``Breach`` with the rule's name and the seq where it shows. Pure: the same code judges a user's data
file and every fault test.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import orjson

from goflow_py.domain.execution import Execution
from goflow_py.domain.history import Entry
from goflow_py.domain.names import DONE, SUCCESS
from goflow_py.fsm.compile import Compiled
from goflow_py.fsm.draft import chain
from goflow_py.fsm.events import awaiting
from goflow_py.fsm.fold import apply, status_of
from goflow_py.fsm.rows import BUSY
from goflow_py.fsm.work import timer_task
from goflow_py.ports import RecordRow

AUDIT = frozenset({"lateIgnored", "control", "dataChanged", "eventIgnored"})
"""What may follow an end."""
REOPENS = frozenset({"retry", "goto", "replay", "skip"})
VERB_EVENTS = frozenset({"retry", "goto", "replay", "fork"})
HELD_BY_SOMEBODY = BUSY | {"pull", "human", "activity"}
"""Types of open work that the engine, a worker, a person or a child goes on with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """A rule that an execution breaks."""

    rule: str
    execution: str
    seq: int | None
    message: str

    def as_json(self) -> dict[str, Any]:
        """Return the breach as the API shows it."""
        return {
            "rule": self.rule,
            "execution": self.execution,
            "seq": self.seq,
            "message": self.message,
        }


def verify(head: Execution, records: Sequence[RecordRow], compiled: Compiled) -> list[Breach]:
    """Return every breach in the history of *head*; an empty list means that all rules hold."""
    found = [*_sequence(head, records), *_chain(head, records), *_epochs(head, records)]
    if found:
        # A history with holes or changed bytes cannot be folded to any use.
        return found
    entries = [entry for record in records for entry in orjson.loads(record.entries)]
    history = _History(head, compiled)
    for entry in entries:
        history.take(entry)
    found += history.breaches
    found += _fold(head, history.folded)
    found += _wakes(head, compiled)
    return found


# ---------------------------------------------------------------- records


def _sequence(head: Execution, records: Sequence[RecordRow]) -> Iterator[Breach]:
    """S3: seq 0..n without gaps, time never falls."""
    expected, at = 0, 0
    for record in records:
        for entry in orjson.loads(record.entries):
            if entry["seq"] != expected:
                message = f"seq {entry['seq']} where {expected} was due"
                yield Breach(rule="S3", execution=head.id, seq=expected, message=message)
                return
            if entry["at"] < at:
                message = "the time of this entry is before that of the one before it"
                yield Breach(rule="S3", execution=head.id, seq=expected, message=message)
            at = entry["at"]
            expected += 1
        if record.seq != expected - 1:
            message = f"the record says that it ends at {record.seq}"
            yield Breach(rule="S3", execution=head.id, seq=expected - 1, message=message)
    if head.seq != expected - 1:
        message = f"the head is at seq {head.seq}, the history ends at {expected - 1}"
        yield Breach(rule="S3", execution=head.id, seq=expected - 1, message=message)


def _chain(head: Execution, records: Sequence[RecordRow]) -> Iterator[Breach]:
    """S19: each record's hash is that of its bytes and the hash before it."""
    before = ""
    for record in records:
        before = chain(before, record.entries)
        if record.hash != before:
            message = "the bytes of this record are not those that were written"
            yield Breach(rule="S19", execution=head.id, seq=record.seq, message=message)
            return
    if head.hash != before:
        message = "the head's hash is not that of the last record"
        yield Breach(rule="S19", execution=head.id, seq=head.seq, message=message)


def _epochs(head: Execution, records: Sequence[RecordRow]) -> Iterator[Breach]:
    """S11: no record of an older owner after one of a newer owner."""
    epoch = 0
    for record in records:
        if record.epoch < epoch:
            message = f"epoch {record.epoch} after epoch {epoch}"
            yield Breach(rule="S11", execution=head.id, seq=record.seq, message=message)
        epoch = max(epoch, record.epoch)


# ---------------------------------------------------------------- entries


class _History:
    """Folds a history, and checks each entry against the execution as it was before."""

    def __init__(self, head: Execution, compiled: Compiled) -> None:
        self.compiled = compiled
        self.breaches: list[Breach] = []
        self.folded = Execution(
            id=head.id, project=head.project, activity=head.activity, version=head.version
        )
        self._verb: str | None = None
        self._skipped: set[str] = set()
        self._priority: dict[str, int] = {}

    def breach(self, rule: str, entry: Entry, message: str) -> None:
        """Note a breach."""
        self.breaches.append(
            Breach(rule=rule, execution=self.folded.id, seq=entry["seq"], message=message)
        )

    def take(self, entry: Entry) -> None:
        """Check *entry*, then apply it."""
        kind = entry["type"]
        if (entry["seq"] == 0) != (kind == "started"):
            self.breach("S3", entry, "an execution begins with 'started', once")
        if self.folded.ended and kind not in AUDIT and not _is_errand(entry):
            self.breach("S6", entry, f"'{kind}' after the end")
        check = getattr(self, f"_check_{kind}", None)
        if check is not None:
            check(entry)
        try:
            apply(self.folded, entry)
        except (KeyError, TypeError, AttributeError) as error:
            self.breach("S5", entry, f"this entry does not fit what was before it: {error!r}")

    def _check_control(self, entry: Entry) -> None:
        self._verb = entry["verb"]
        if self.folded.ended and self._verb in REOPENS:
            self._priority.clear()

    def _check_transition(self, entry: Entry) -> None:
        """S4: the transition is a row of the pinned version."""
        if entry["from"] != self.folded.state:
            self.breach(
                "S4", entry, f"from '{entry['from']}', but the state is '{self.folded.state}'"
            )
        if entry["entered"] and entry["visit"] != self.folded.visit + 1:
            self.breach("S4", entry, f"visit {entry['visit']} after visit {self.folded.visit}")
        if entry["event"] in VERB_EVENTS and self._verb == entry["event"]:
            return
        rows = self.compiled.table.get((entry["from"], entry["event"]), ())
        for row in rows:
            same_target = entry["to"] == (row.next or entry["from"])
            if same_target and (row.action or "continue") == entry["action"]:
                return
        if entry["event"] == SUCCESS and entry["to"] == DONE and entry["action"] == "continue":
            return
        shown = f"{entry['from']} x {entry['event']} -> {entry['action']}, {entry['to']}"
        self.breach("S4", entry, f"the blueprint has no row {shown}")

    # S7: attempts are numbered, at most one is open, each is closed once, priorities in order

    def _check_taskScheduled(self, entry: Entry) -> None:  # noqa: N802  # named as the entry
        task = self.folded.work(entry["task"])
        if task is not None and task.open:
            self.breach("S7", entry, f"task '{entry['task']}' is scheduled twice")
        self._priority.pop(entry["task"], None)

    def _check_attemptStarted(self, entry: Entry) -> None:  # noqa: N802
        task = self.folded.work(entry["task"])
        if task is None or not task.open:
            self.breach("S7", entry, f"an attempt of '{entry['task']}', which is not open")
            return
        if task.call is not None:
            self.breach("S7", entry, f"a second open attempt of '{task.name}'")
        if entry["attempt"] != task.attempts + 1:
            self.breach("S7", entry, f"attempt {entry['attempt']} after {task.attempts}")
        if entry["at"] < task.waits.get(entry["worker"], 0):
            self.breach("S7", entry, f"attempt {entry['attempt']} begins before its time")
        before = self._priority.get(task.name)
        if before is not None and entry["priority"] < before and task.name not in self._skipped:
            self.breach("S7", entry, f"priority {entry['priority']} after priority {before}")
        self._priority[task.name] = entry["priority"]
        if entry.get("skipped"):
            self._skipped.add(task.name)

    def _check_attemptEnded(self, entry: Entry) -> None:  # noqa: N802
        task = self.folded.work(entry["task"])
        if task is None or task.call is None or task.call.attempt != entry["attempt"]:
            self.breach("S7", entry, f"attempt {entry['attempt']} is closed, but is not open")

    def _check_taskEnded(self, entry: Entry) -> None:  # noqa: N802
        task = self.folded.work(entry["task"])
        skipped = self._verb == "skip"
        if task is None and entry["outcome"] == "skipped":
            return
        if task is None or (not task.open and not skipped):
            self.breach("S7", entry, f"task '{entry['task']}' is ended, but is not open")
        elif task.call is not None:
            self.breach("S7", entry, f"task '{task.name}' is ended with an open attempt")

    # S12: each timer is fired or cancelled once, never early

    def _check_timerSet(self, entry: Entry) -> None:  # noqa: N802
        if entry["timer"] in self.folded.timers:
            self.breach("S12", entry, f"timer '{entry['timer']}' is set twice")

    def _check_timerFired(self, entry: Entry) -> None:  # noqa: N802
        due = self.folded.timers.get(entry["timer"])
        if due is None:
            self.breach("S12", entry, f"timer '{entry['timer']}' fires, but was not set")
        elif entry["at"] < due:
            self.breach(
                "S12", entry, f"timer '{entry['timer']}' fires {due - entry['at']} ms early"
            )

    def _check_timerCancelled(self, entry: Entry) -> None:  # noqa: N802
        if entry["timer"] not in self.folded.timers:
            self.breach("S12", entry, f"timer '{entry['timer']}' is cancelled, but was not set")


def _is_errand(entry: Entry) -> bool:
    """Tell whether an entry is of a teardown, a notification or a replay alone."""
    name = entry.get("task") or str(entry.get("timer", "")).removeprefix("task:")
    return name.startswith("+") and not name.startswith(("+undo", "+setup"))


# ---------------------------------------------------------------- head


def _fold(head: Execution, folded: Execution) -> Iterator[Breach]:
    """S5: the head equals the fold of the history."""
    folded.status = status_of(folded)
    folded.hash = head.hash
    for field in fields(Execution):
        if getattr(head, field.name) != getattr(folded, field.name):
            message = f"'{field.name}' of the head is not what the history leads to"
            yield Breach(rule="S5", execution=head.id, seq=head.seq, message=message)


def _wakes(head: Execution, compiled: Compiled) -> Iterator[Breach]:
    """S15: an open execution has runnable work, an open attempt, a timer, or a declared wait."""
    for name in head.errands:
        if not head.paused and not any(timer_task(timer) == name for timer in head.timers):
            message = f"nothing will ever look after the errand '{name}'"
            yield Breach(rule="S15", execution=head.id, seq=head.seq, message=message)
    if head.ended or head.paused:
        return
    calls = any(task.kind in HELD_BY_SOMEBODY for task in head.open_tasks())
    timers = [name for name in head.timers if timer_task(name) not in head.errands]
    if not (calls or timers or awaiting(compiled, head)):
        message = f"nothing will ever wake it in state '{head.state}'"
        yield Breach(rule="S15", execution=head.id, seq=head.seq, message=message)
