"""Attempts as users see them: queued, sent, answered, so that a timeline can be drawn.

What a request was made of is known from the beginning of its visit on: that far back a history has
to be read. Where that is too far, what is known of an attempt is shown, and the rest is null.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from goflow_py.domain.durations import rfc3339
from goflow_py.domain.execution import Call, Execution, Task
from goflow_py.domain.history import Entry
from goflow_py.engine.sent import Sender
from goflow_py.engine.stand_ins import QUEUED, lease_of
from goflow_py.engine.views import time
from goflow_py.fsm.fold import apply
from goflow_py.fsm.work import timer_task

ATTEMPTS_SHOWN_MAX = 1_000
"""The newest; each has up to 8 KiB of bodies."""
DEADLINES = (":callback", ":lease")
"""Timers that move the deadline of an attempt that began."""

SENT_AS = 10
"""Making a request again takes as long as going on by so many entries."""
OF_TASKS = frozenset({"attemptStarted", "attemptAccepted", "attemptEnded", "taskEnded"})
"""Entries that say nothing where their task is not known."""

Json = dict[str, Any]
Place = tuple[int, str]
"""The visit and the name of a task; an errand belongs to no visit: 0."""


@dataclass(slots=True, kw_only=True)
class AttemptViews:
    """Goes through a history, record by record."""

    then: Execution
    """As it was at the end of the last record."""
    sender: Sender
    is_cut: bool = False
    """The history is not gone through from its beginning."""
    found: deque[Json] = field(default_factory=lambda: deque(maxlen=ATTEMPTS_SHOWN_MAX))
    glimpsed: deque[Json] = field(default_factory=lambda: deque(maxlen=ATTEMPTS_SHOWN_MAX))
    """Those that began in front of what is gone through, and ended in it."""
    open: dict[Place, Json] = field(default_factory=dict)
    """The open attempt of each task."""
    ready: dict[Place, int] = field(default_factory=dict)
    """When the next attempt of a task could begin."""
    state: str = "init"
    """The one that was entered last."""

    def record(self, entries: Sequence[Entry]) -> Iterator[int]:
        """Go on by a record. What it began was sent as the execution is at its end.

        Others may have a turn at each step; it says how much was done, in entries.
        """
        new: deque[Place] = deque(maxlen=ATTEMPTS_SHOWN_MAX)
        for entry in entries:
            if self._is_strange(entry):
                self._glimpse(entry)
            else:
                apply(self.then, entry)
                if entry["type"] == "attemptStarted":
                    new.append(self._begin(entry))
                else:
                    self._note(entry)
            yield 1
        for place in new:
            if (view := self.open.get(place)) is not None:
                self._send(view, self.then, self._task(place[1]))
                yield SENT_AS

    def rest(self, head: Execution, begin: int) -> Iterator[int]:
        """Find the attempts that began before seq *begin* and are open in *head*.

        Others may have a turn, as in ``record``.
        """
        if not self._room:
            return
        works = [*head.tasks.values(), *head.errands.values()]
        calls = [(work.call, work) for work in works if work.call is not None]
        begun = sorted((one for one in calls if one[0].fence < begin), key=lambda one: one[0].fence)
        for call, task in begun[-self._room :]:
            view = _still_open(task, call)
            if task.name in head.tasks:  # where an errand began is not known
                view |= {"state": head.state, "visit": head.visit}
                self._send(view, _as_claimed(head, task, call, self.sender), task)
            timers = (head.timers.get(f"task:{task.name}{name}") for name in DEADLINES)
            moved = next((due for due in timers if due is not None), None)
            view["deadline"] = view["deadline"] if moved is None else rfc3339(moved)
            self.glimpsed.append(view)
            yield SENT_AS

    @property
    def shown(self) -> list[Json]:
        """Return the newest attempts, oldest first."""
        if not self._room:
            return [*self.found]
        return [*[*self.glimpsed][-self._room :], *self.found]

    @property
    def _room(self) -> int:
        """Return how many more can be shown than those whose beginnings were gone through."""
        return ATTEMPTS_SHOWN_MAX - len(self.found)

    def _is_strange(self, entry: Entry) -> bool:
        """Tell whether an entry is of work that was scheduled in front of what is gone through."""
        if not self.is_cut or entry["type"] not in OF_TASKS:
            return False
        # A skipped task is never scheduled: its end says all.
        return self.then.work(entry["task"]) is None and "action" not in entry

    def _glimpse(self, entry: Entry) -> None:
        place = 0, entry["task"]  # of work that outlives visits: that of this one is known
        if entry["type"] == "attemptStarted":
            view = self.open[place] = _partly(entry, None)
            view["state"] = self.state
            self.found.append(view)
        elif entry["type"] == "attemptEnded":
            self._end(place, entry)

    def _begin(self, entry: Entry) -> Place:
        place = self._place(entry["task"])
        task, ready = self._task(entry["task"]), self.ready.get(place)
        view = _partly(entry, task)
        view["state"] = self.state
        if ready is not None:
            view |= _waited(entry, task, ready)
        self.open[place] = view
        self.found.append(view)
        return place

    def _end(self, place: Place, entry: Entry) -> None:
        ended = self.open.pop(place, None)
        if ended is None:
            if not self.is_cut:
                return
            ended = _partly(entry, self.then.work(entry["task"]))
            # An errand outlives visits: where it began is not known.
            in_visit = entry["task"] in self.then.tasks
            ended |= {"state": self.state} if in_visit else {"visit": None}
            self.glimpsed.append(ended)
        _closed(ended, entry)

    def _note(self, entry: Entry) -> None:
        match entry["type"]:
            case "transition" if entry["entered"]:
                self.state = entry["to"]
            case "taskScheduled":
                self.ready[self._place(entry["task"])] = entry["at"]
            case "attemptEnded":
                place = self._place(entry["task"], entry["visit"])
                self.ready[place] = entry["at"]
                self._end(place, entry)
            case "timerSet" if entry["timer"].endswith(DEADLINES):
                name = timer_task(entry["timer"])
                view = None if name is None else self.open.get(self._place(name))
                if view is not None:
                    view["deadline"] = rfc3339(entry["due"])
            case _:
                pass

    def _send(self, view: Json, then: Execution, task: Task) -> None:
        if task.call is None:
            return
        sent = self.sender.sent(then, task)
        view["request"] = sent.request
        view["deadline"] = view["deadline"] or time(sent.deadline)
        view["taskDeadline"] = time(then.timers.get(f"task:{task.name}:timeout"))

    def _task(self, name: str) -> Task:
        return self.then.tasks.get(name) or self.then.errands[name]

    def _place(self, name: str, visit: int | None = None) -> Place:
        if (0, name) in self.ready or name in self.then.errands:
            return 0, name
        return self.then.visit if visit is None else visit, name


def _partly(entry: Entry, task: Task | None) -> Json:
    """Return an attempt with what one entry says of it, and its task where that is known."""
    began = entry["at"] if entry["type"] == "attemptStarted" else None
    return {
        "task": entry["task"],
        "action": task and task.action,
        "kind": task and task.kind,
        "state": None,
        "visit": entry["visit"],
        "attempt": entry["attempt"],
        "worker": entry["worker"],
        "priority": entry.get("priority"),
        "skipped": entry.get("skipped", []) if "priority" in entry else None,
        "queuedAt": task and rfc3339(task.since),
        "dueAt": None,
        "startedAt": time(began),
        "queueMs": None,
        "endedAt": None,
        "deadline": None,
        "taskDeadline": None,
        "outcome": None,
        "httpStatus": None,
        "ms": None,
        "request": None,
        "response": None,
        "error": None,
    }


def _waited(entry: Entry, task: Task, ready: int) -> Json:
    """Return for how long an attempt waited that could begin at *ready*, but for its pauses."""
    waits = task.waits.values() if task.kind in QUEUED else [task.waits.get(entry["worker"], 0)]
    began: int = entry["at"]
    due = min(began, max(ready, *waits, 0))
    return {"dueAt": rfc3339(due), "queueMs": began - due}


def _closed(view: Json, entry: Entry) -> None:
    view["endedAt"] = rfc3339(entry["at"])
    for name in ("outcome", "httpStatus", "ms"):
        view[name] = entry[name]
    view["response"] = entry.get("response")
    view["error"] = entry.get("error")


def _still_open(task: Task, call: Call) -> Json:
    return _partly(
        {
            "type": "attemptStarted",
            "at": call.started_at,
            "task": task.name,
            "visit": None,
            "attempt": call.attempt,
            "worker": call.worker,
        },
        task,
    )


def _as_claimed(head: Execution, task: Task, call: Call, sender: Sender) -> Execution:
    """Return *head* with the lease that a task had when it was claimed: it was renewed since."""
    seconds = lease_of(sender.compiled, task) if task.kind in QUEUED else None
    if seconds is None:
        return head
    lease = call.started_at + round(seconds * 1_000)
    return replace(head, timers={**head.timers, f"task:{task.name}:lease": lease})
