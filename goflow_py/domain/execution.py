"""An execution: one run of a blueprint version, as one value.

The head holds all that is needed to go on: state, variables, open work, timers, kept events.
``fsm.fold`` is the only code that changes one, entry by entry of its history, so that
*head = fold(history)* holds by construction (guarantee G11).
Times are milliseconds since 1970, UTC.
"""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import orjson

from goflow_py.domain.names import CANCELLED, ERROR
from goflow_py.domain.values import value


class Status(StrEnum):
    """Where an execution stands; the words of the API and of the store are the same."""

    RUNNING = "running"  # a call is in flight, due or between retries
    WAITING = "waiting"  # open are only events, timers, callbacks
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Tell whether nothing happens any more (retry and goto can open it again)."""
        return self in ENDED


_ID = re.compile(rb'\{"id":"([0-9A-Za-z-]{1,64})"')
ENDED = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELLED})


@value
class Call:
    """The open attempt of a task: one call to one worker."""

    attempt: int
    worker: str
    """The endpoint as it stands in the workers document."""
    started_at: int
    fence: int
    """The seq of its ``attemptStarted``: rises over the execution."""
    accepted: bool = False
    """An ``async`` worker took it; the outcome comes to the callback."""


FACTS = (
    "index",  # its place among the items of its task
    "item",
    "called",  # the name of the item in expressions
    "ignore",  # its error counts as success
    "key",  # the end of its Idempotency-Key, where that is not <visit>[/<task>]
    "assignedTo",
    "businessStatus",  # the execution's, when it ends well
    "child",  # id of its newest child execution
    "replaces",  # [state, task] whose output its own replaces
    "undoes",  # number of the piece of work that it compensates
    "unknown",  # an attempt may have done the work, and nobody knows
    "target",  # what it adds to its worker's URL; whom its event is for
)
"""What only some tasks have: fields of ``taskScheduled``, kept as they are."""


@dataclass(kw_only=True)
class Task:
    """A piece of a state's work: one action, in one visit of the state.

    Only the fold changes one, in the copy that a draft has made.
    """

    name: str
    action: str
    kind: str
    """The action's type."""
    single: bool = True
    """The state's work is this one action; its key then carries no task name."""
    input: Any = None
    """Rendered once; of a task with ``each`` the list of its items."""
    facts: dict[str, Any] = field(default_factory=dict)
    """What only some tasks have, by the names of ``FACTS``."""
    since: int = 0
    outcome: str | None = None
    """None while open; then ``success``, ``error``, ``cancelled`` or the worker's label."""
    attempts: int = 0
    """Attempts begun in this visit, over all endpoints."""
    used: dict[str, int] = field(default_factory=dict)
    """Attempts that count against the retry budget, by endpoint."""
    waits: dict[str, int] = field(default_factory=dict)
    """Not before this time, by endpoint (back-off, Retry-After)."""
    abandoned: int = 0
    call: Call | None = None
    error: dict[str, Any] | None = None
    """The last failed attempt's."""

    @property
    def open(self) -> bool:
        """Tell whether its outcome is still to come."""
        return self.outcome is None

    @property
    def index(self) -> int | None:
        """Return its place among the items of its task; its name is then ``task[index]``."""
        return self.facts.get("index")

    @property
    def sees(self) -> dict[str, Any]:
        """Return what its templates see beside the context."""
        if "index" not in self.facts:
            return {}
        called = self.facts.get("called", "item")
        return {called: self.facts["item"], "index": self.facts["index"]}

    @property
    def ignores_failure(self) -> bool:
        """Tell whether its ``error`` counts as ``success``."""
        return bool(self.facts.get("ignore"))

    @property
    def child(self) -> str | None:
        """Return the id of its newest child execution."""
        return self.facts.get("child")

    @property
    def is_unknown(self) -> bool:
        """Tell whether an attempt ended so that nobody knows whether it did the work."""
        return "unknown" in self.facts

    @property
    def undoes(self) -> int | None:
        """Return the number of the piece of work that it compensates."""
        return self.facts.get("undoes")

    @property
    def target(self) -> dict[str, Any] | None:
        """Return what the action adds to its worker's URL, or whom its event is for."""
        return self.facts.get("target")

    @property
    def ended_well(self) -> bool:
        """Tell whether what needs it may begin: it succeeded, chose a label, or was skipped."""
        return self.outcome is not None and self.outcome not in (ERROR, CANCELLED)


@dataclass(kw_only=True)
class Execution:
    """One run of a blueprint version. Treat a committed one as a constant; a ``Draft`` copies.

    It has a ``__dict__``, no slots: a draft copies one at every step, and that is 5 times as fast.
    """

    id: str
    project: str
    activity: str
    version: int
    input: Any = None
    key: str | None = None
    parent: dict[str, Any] | None = None
    """Of a child: ``{"id", "task", "visit", "fence"}`` of the work that it is."""
    root: str | None = None
    """Of a child: the id of the first of its family."""
    depth: int = 0
    """Generations above it."""
    machine: str | None = None
    """Of a child: the private machine of the blueprint that it runs."""
    labels: dict[str, str] = field(default_factory=dict)
    traceparent: str | None = None

    state: str = "init"
    visit: int = 0
    visits: dict[str, int] = field(default_factory=dict)
    """How often each state was entered."""
    last_visits: dict[str, int] = field(default_factory=dict)
    """The newest visit of each state."""
    status: Status = Status.RUNNING
    paused: bool = False
    cancelling: bool = False
    """A cancel was taken; a second one changes nothing."""
    unwinding: bool = False
    """It was cancelled: what was done is undone now, newest first, and nothing else happens."""
    done: list[dict[str, Any]] = field(default_factory=list)
    """Work that can be undone, oldest first: ``{"n", "undo", "key", "task", "input", "output"}``"""
    seq: int = -1
    """Of the newest history entry; the API's ``revision``."""
    at: int = 0
    """Time of the newest history entry; never falls."""
    entered_at: int = 0
    """Time of the last entry into a state."""
    entered_with: str | None = None
    """The action of the row by which the state was entered."""

    data: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    """``{state: {"output": ...}}``, last visit; with tasks also ``{state: {task: ...}}``."""
    error: dict[str, Any] | None = None
    output: Any = None
    business_status: str | None = None

    tasks: dict[str, Task] = field(default_factory=dict)
    timers: dict[str, int] = field(default_factory=dict)
    """Name to due time."""
    errands: dict[str, Task] = field(default_factory=dict)
    """Work that belongs to no visit: teardowns and notifications."""
    noted: dict[str, Any] | None = None
    """Work of this visit that is not issued yet: ``{"start": true}`` or ``{"action": name}``."""
    deferred: list[dict[str, Any]] = field(default_factory=list)
    """Events kept until the next change of state."""
    held: list[dict[str, Any]] = field(default_factory=list)
    """Inputs that came while it was paused."""
    undigested: dict[str, Any] | None = None
    """The input whose digestion failed; a retry digests it again."""

    started_at: int = 0
    finished_at: int | None = None
    hash: str = ""
    """Of the last record; the chain makes tampering and bit rot show."""

    @property
    def ended(self) -> bool:
        """Tell whether it has reached an end."""
        return self.status in ENDED

    @property
    def wake(self) -> int | None:
        """Return when it has to be looked at next without anybody asking, if ever."""
        return None if self.paused or not self.timers else min(self.timers.values())

    @property
    def family(self) -> str:
        """Return the id of the first of its family: parent, children and all are one."""
        return self.root or self.id

    def children(self) -> dict[str, Task]:
        """Return the open children, by id, with the tasks that they are."""
        return {
            task.child: task
            for task in self.tasks.values()
            if task.child is not None and task.outcome is None and task.call is not None
        }

    def work(self, name: str) -> Task | None:
        """Return a task of the current visit, or an errand."""
        return self.tasks.get(name) or self.errands.get(name)

    def open_tasks(self) -> list[Task]:
        """Return the tasks whose outcome is still to come, in order."""
        return [task for task in self.tasks.values() if task.outcome is None]


def copy(execution: Execution) -> Execution:
    """Return a private copy: what the fold changes in place is new, all else is shared."""
    new = object.__new__(Execution)
    # One copy of all fields is a tenth of what setting each takes.
    fields = new.__dict__ = execution.__dict__.copy()
    fields["visits"] = execution.visits.copy()
    fields["last_visits"] = execution.last_visits.copy()
    fields["outputs"] = execution.outputs.copy()
    fields["timers"] = execution.timers.copy()
    fields["tasks"] = _copies(execution.tasks)
    fields["errands"] = _copies(execution.errands) if execution.errands else {}
    return new


def _copies(tasks: dict[str, Task]) -> dict[str, Task]:
    found: dict[str, Task] = {}
    for name, task in tasks.items():
        copied = found[name] = object.__new__(Task)
        copied.__dict__ = task.__dict__.copy()
    return found


def encode(execution: Execution) -> bytes:
    """Return the head as JSON, for the store."""
    return orjson.dumps(execution)


def decode(body: bytes) -> Execution:
    """Return the head that *body* holds."""
    fields = orjson.loads(body)
    fields["status"] = Status(fields["status"])
    fields["tasks"] = {name: _task(task) for name, task in fields["tasks"].items()}
    if fields.get("errands"):
        fields["errands"] = {name: _task(task) for name, task in fields["errands"].items()}
    return Execution(**fields)


def id_of(body: bytes) -> str | None:
    """Return the id of a head that may be damaged elsewhere; None: not even that can be read."""
    found = _ID.match(body)
    return None if found is None else found[1].decode("ascii")


def _task(fields: dict[str, Any]) -> Task:
    if "target" in fields:  # of the first schema: it had no facts
        target = fields.pop("target")
        fields["facts"] = {} if target is None else {"target": target}
    call = fields["call"]
    if call is not None:
        fields["call"] = Call(**call)
    return Task(**fields)
