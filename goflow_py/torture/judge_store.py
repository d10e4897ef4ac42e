"""What a store holds at the end of a run, and its histories as the judge asks about them."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from goflow_py.domain.execution import Execution, decode
from goflow_py.domain.history import Entry
from goflow_py.engine.calls import key_of
from goflow_py.engine.catalog import compile_row
from goflow_py.engine.stand_ins import Workers
from goflow_py.fsm.compile import Compiled
from goflow_py.ports import BlueprintRow, Filter, RecordRow, Store

HEADS_PAGE = 200
RECORDS_PAGE = 500
UNDO = "+undo:"
"""What the names of compensations begin with."""

Version = tuple[str, str, int]
"""Project, activity and number."""


@dataclass(slots=True, kw_only=True)
class Stored:
    """One snapshot of a store at rest."""

    heads: dict[str, Execution]
    records: dict[str, list[RecordRow]]
    versions: Mapping[Version, Compiled]
    workers: Mapping[tuple[str, str], Workers] = field(default_factory=dict)
    """Of an activity whose workers have never changed: the budgets of its calls are judged."""
    now: int | None = None
    """The server's time when it was read; None: what time alone shows is not judged."""

    def compiled(self, head: Execution) -> Compiled | None:
        """Return what *head* runs; None when its version is gone."""
        found = self.versions.get((head.project, head.activity, head.version))
        if found is None or head.machine is None:
            return found
        return found.machines.get(head.machine)


async def read(
    store: Store,
    *,
    now: int | None = None,
    compiled: Callable[[BlueprintRow], Compiled] = compile_row,
) -> Stored:
    """Return all that *store* holds; it must be at rest."""
    known: dict[Version, Compiled] = {}
    stored = Stored(heads={}, records={}, versions=known, now=now)
    cursor = None
    while True:
        page = await store.list(Filter(), limit=HEADS_PAGE, cursor=cursor)
        for body in page.items:
            head = decode(body)
            stored.heads[head.id] = head
            stored.records[head.id] = await _records(store, head.id)
            name = (head.project, head.activity, head.version)
            if name not in known and (row := await store.blueprint(*name)) is not None:
                known[name] = compiled(row)
        if page.next is None:
            return stored
        cursor = page.next


async def _records(store: Store, execution: str) -> list[RecordRow]:
    found: list[RecordRow] = []
    while page := await store.history(
        execution, after=found[-1].seq if found else -1, limit=RECORDS_PAGE
    ):
        found += page
    return found


# ---------------------------------------------------------------- stories


@dataclass(slots=True, kw_only=True)
class Attempt:
    """An attempt as the history has it."""

    task: str
    visit: int
    number: int
    worker: str
    kind: str
    key: str
    at: int
    fence: int
    accepted: bool = False
    """By an ``attemptAccepted``."""
    end: Entry | None = None
    result: Entry | None = None
    """The success of its task, where the attempt brought it."""


@dataclass(slots=True, kw_only=True)
class Taken:
    """An event that an execution took: at once, or kept for later."""

    seq: int
    name: str
    id: str | None
    data: Any
    held: bool = False
    """It came while the execution was paused."""
    end: Entry | None = None
    """Its ``eventApplied`` or ``eventIgnored``."""


@dataclass(slots=True, kw_only=True)
class Story:
    """A history, ready to be asked."""

    execution: str
    started: Entry = field(default_factory=dict)
    attempts: dict[int, Attempt] = field(default_factory=dict)
    """By fence."""
    events: list[Taken] = field(default_factory=list)
    controls: list[Entry] = field(default_factory=list)
    waiting: Counter[str] = field(default_factory=Counter)
    """Verbs that were taken down for when there is a place, and were not carried out since."""
    ends: list[Entry] = field(default_factory=list)
    """Every ``ended``."""
    late: list[Entry] = field(default_factory=list)
    fired: list[Entry] = field(default_factory=list)
    """Every ``timerFired`` that no pause can have held up."""
    disordered: list[Entry] = field(default_factory=list)
    """Compensations that began while something newer was not undone."""
    entries: int = 0

    def named(self, *, task: str, visit: int | None, number: int | None) -> list[Attempt]:
        """Return the attempts with that task, visit and number; an errand has no visit."""
        return [
            attempt
            for attempt in self.attempts.values()
            if (attempt.task, attempt.number) == (task, number)
            and (task.startswith("+") or attempt.visit == visit)
        ]


def story(execution: str, records: Iterable[RecordRow]) -> Story:
    """Return the story that *records* tell."""
    teller = _Teller(execution)
    for record in records:
        for entry in orjson.loads(record.entries):
            teller.take(entry)
    return teller.told


class _Teller:
    """Reads a history once, front to back."""

    def __init__(self, execution: str) -> None:
        self.told = Story(execution=execution)
        self._work: dict[str, Entry] = {}
        self._open: dict[str, Attempt] = {}
        self._kept: dict[int, Taken] = {}
        self._resumed: list[Taken] = []
        self._last: dict[str, Attempt] = {}
        self._done: list[str] = []
        self._was_paused = False

    def take(self, entry: Entry) -> None:
        """Take the next entry."""
        self.told.entries += 1
        tell = _TELL.get(entry["type"])
        if tell is not None:
            tell(self, entry)

    def started(self, entry: Entry) -> None:
        self.told.started = entry

    def scheduled(self, entry: Entry) -> None:
        self._work[entry["task"]] = entry
        self._last.pop(entry["task"], None)
        key = entry.get("key")
        if entry["task"].startswith(UNDO) and key in self._done and self._done[-1] != key:
            self.told.disordered.append(entry)

    def task_ended(self, entry: Entry) -> None:
        if entry.get("undo"):
            self._done.append(entry["undo"]["key"])
        if entry["outcome"] != "success" or entry.get("ignored"):
            return
        key = self._work.get(entry["task"], {}).get("key")
        if entry["task"].startswith(UNDO) and key in self._done:
            self._done.remove(key)
        last = self._last.pop(entry["task"], None)
        if last is not None and last.end is not None and last.end["outcome"] == "success":
            last.result = entry

    def fired(self, entry: Entry) -> None:
        if not self._was_paused:
            self.told.fired.append(entry)

    def accepted(self, entry: Entry) -> None:
        if entry["task"] in self._open:
            self._open[entry["task"]].accepted = True

    def attempt_ended(self, entry: Entry) -> None:
        if entry["task"] in self._open:
            attempt = self._last[entry["task"]] = self._open.pop(entry["task"])
            attempt.end = entry

    def controlled(self, entry: Entry) -> None:
        self.told.controls.append(entry)
        self._was_paused = self._was_paused or entry["verb"] == "pause"
        if self.told.waiting[entry["verb"]]:
            self.told.waiting[entry["verb"]] -= 1
        if entry["verb"] == "resume" or entry.get("unwinding"):
            self._resumed = [event for event in self._kept.values() if event.held]

    def timer_set(self, entry: Entry) -> None:
        command = (entry.get("noted") or {}).get("command")
        if command is not None:
            self.told.waiting[command["verb"]] += 1

    def ended(self, entry: Entry) -> None:
        self.told.ends.append(entry)

    def late(self, entry: Entry) -> None:
        self.told.late.append(entry)

    def attempt_began(self, entry: Entry) -> None:
        work = self._work.get(entry["task"], {})
        attempt = Attempt(
            task=entry["task"],
            visit=entry["visit"],
            number=entry["attempt"],
            worker=entry["worker"],
            kind=work.get("kind", ""),
            key=key_of(
                self.told.execution,
                entry["visit"],
                entry["task"],
                single=work.get("single", True),
                own=work.get("key"),
            ),
            at=entry["at"],
            fence=entry["seq"],
        )
        self.told.attempts[entry["seq"]] = attempt
        self._open[entry["task"]] = attempt

    def event(self, entry: Entry) -> None:
        """Note what is new of an event; one that was kept is the same one."""
        known = self._kept.pop(entry["deferred"], None) if "deferred" in entry else None
        if known is None and "deferred" not in entry:
            known = self._held(entry)
        if entry["type"] == "eventDeferred":
            if (entry.get("input") or {}).get("kind") == "outcome":
                return
            taken = known or _taken(entry)
            taken.held = entry["reason"] == "paused"
            self._kept[entry["seq"]] = taken
        else:
            taken = known or _taken(entry)
            taken.end = entry
        if known is None and (entry["type"] != "eventIgnored" or "deferred" not in entry):
            self.told.events.append(taken)

    def _held(self, entry: Entry) -> Taken | None:
        """Return the event of before the resume that *entry* goes on with."""
        for event in self._resumed:
            same = event.name == entry["name"] and event.id == entry.get("id")
            if same and (entry["type"] == "eventIgnored" or event.data == entry.get("data")):
                self._resumed.remove(event)
                for seq in [seq for seq, kept in self._kept.items() if kept is event]:
                    del self._kept[seq]
                return event
        return None


_TELL: dict[str, Callable[[_Teller, Entry], None]] = {
    "started": _Teller.started,
    "taskScheduled": _Teller.scheduled,
    "taskEnded": _Teller.task_ended,
    "timerFired": _Teller.fired,
    "attemptStarted": _Teller.attempt_began,
    "attemptAccepted": _Teller.accepted,
    "attemptEnded": _Teller.attempt_ended,
    "eventApplied": _Teller.event,
    "eventDeferred": _Teller.event,
    "eventIgnored": _Teller.event,
    "control": _Teller.controlled,
    "timerSet": _Teller.timer_set,
    "ended": _Teller.ended,
    "lateIgnored": _Teller.late,
}


def _taken(entry: Entry) -> Taken:
    return Taken(seq=entry["seq"], name=entry["name"], id=entry.get("id"), data=entry.get("data"))


def canonical(value: Any) -> bytes:
    """Return *value* so that what is equal has equal bytes."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
