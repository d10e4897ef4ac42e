"""Attempts as users see them: queued, sent, answered, so that a timeline can be drawn."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from goflow_py.domain.durations import rfc3339
from goflow_py.domain.execution import Execution, Task
from goflow_py.domain.history import Entry
from goflow_py.engine.sent import Sender
from goflow_py.engine.stand_ins import QUEUED
from goflow_py.engine.views import time
from goflow_py.fsm.fold import apply
from goflow_py.fsm.work import timer_task

ATTEMPTS_SHOWN_MAX = 1_000
"""The newest; each has up to 8 KiB of bodies."""
DEADLINES = (":callback", ":lease")
"""Timers that move the deadline of an attempt that began."""

Json = dict[str, Any]
Place = tuple[int, str]
"""The visit and the name of a task; an errand belongs to no visit: 0."""


@dataclass(slots=True, kw_only=True)
class AttemptViews:
    """Goes through a history, record by record."""

    then: Execution
    """As it was at the end of the last record."""
    sender: Sender
    found: deque[Json] = field(default_factory=lambda: deque(maxlen=ATTEMPTS_SHOWN_MAX))
    begun: int = 0
    open: dict[Place, Json] = field(default_factory=dict)
    """The open attempt of each task."""
    ready: dict[Place, int] = field(default_factory=dict)
    """When the next attempt of a task could begin."""
    state: str = "init"
    """The one that was entered last."""

    def record(self, entries: Sequence[Entry]) -> None:
        """Go on by a record. What it began was sent as the execution is at its end."""
        new: list[Place] = []
        for entry in entries:
            apply(self.then, entry)
            if entry["type"] == "attemptStarted":
                new.append(self._begin(entry))
            else:
                self._note(entry)
        for place in new:
            if (view := self.open.get(place)) is not None:
                self._send(view, self._task(place[1]))

    def _begin(self, entry: Entry) -> Place:
        place = self._place(entry["task"])
        view = self._opened(entry, self._task(entry["task"]), self.ready[place])
        self.open[place] = view
        self.found.append(view)
        self.begun += 1
        return place

    def _note(self, entry: Entry) -> None:
        match entry["type"]:
            case "transition" if entry["entered"]:
                self.state = entry["to"]
            case "taskScheduled":
                self.ready[self._place(entry["task"])] = entry["at"]
            case "attemptEnded":
                place = self._place(entry["task"], entry["visit"])
                self.ready[place] = entry["at"]
                if (ended := self.open.pop(place, None)) is not None:
                    _closed(ended, entry)
            case "timerSet" if entry["timer"].endswith(DEADLINES):
                name = timer_task(entry["timer"])
                view = None if name is None else self.open.get(self._place(name))
                if view is not None:
                    view["deadline"] = rfc3339(entry["due"])
            case _:
                pass

    def _send(self, view: Json, task: Task) -> None:
        if task.call is None:
            return
        sent = self.sender.sent(self.then, task)
        view["request"] = sent.request
        view["deadline"] = view["deadline"] or time(sent.deadline)
        view["taskDeadline"] = time(self.then.timers.get(f"task:{task.name}:timeout"))

    def _task(self, name: str) -> Task:
        return self.then.tasks.get(name) or self.then.errands[name]

    def _place(self, name: str, visit: int | None = None) -> Place:
        if (0, name) in self.ready or name in self.then.errands:
            return 0, name
        return self.then.visit if visit is None else visit, name

    def _opened(self, entry: Entry, task: Task, ready: int) -> Json:
        waits = task.waits.values() if task.kind in QUEUED else [task.waits.get(entry["worker"], 0)]
        began: int = entry["at"]
        due = min(began, max(ready, *waits, 0))
        return {
            "task": entry["task"],
            "action": task.action,
            "kind": task.kind,
            "state": self.state,
            "visit": entry["visit"],
            "attempt": entry["attempt"],
            "worker": entry["worker"],
            "priority": entry["priority"],
            "skipped": entry.get("skipped", []),
            "queuedAt": rfc3339(task.since),
            "dueAt": rfc3339(due),
            "startedAt": rfc3339(began),
            "queueMs": began - due,
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


def _closed(view: Json, entry: Entry) -> None:
    view["endedAt"] = rfc3339(entry["at"])
    for name in ("outcome", "httpStatus", "ms"):
        view[name] = entry[name]
    view["response"] = entry.get("response")
    view["error"] = entry.get("error")
