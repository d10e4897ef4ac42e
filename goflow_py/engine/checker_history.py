"""The entries of one execution against each other and the blueprint: S3 to S6, S12, S13, S23."""

from typing import TYPE_CHECKING, Any

from goflow_py.domain.execution import Execution, Status
from goflow_py.domain.history import Entry
from goflow_py.domain.names import CANCELLED, DONE, SUCCESS
from goflow_py.engine.breaches import Breach
from goflow_py.engine.checker_attempts import Attempts
from goflow_py.engine.stand_ins import Workers
from goflow_py.fsm.compile import Compiled
from goflow_py.fsm.fold import apply
from goflow_py.fsm.places import PLACE
from goflow_py.fsm.rows import CompiledRow
from goflow_py.fsm.timers import YEARS_TEN_MS
from goflow_py.fsm.work import timer_task

if TYPE_CHECKING:
    from collections.abc import Callable

AUDIT = frozenset({"lateIgnored", "control", "dataChanged", "eventIgnored"})
"""What may follow an end."""
REOPENS = frozenset({"retry", "goto", "replay", "skip"})
VERB_EVENTS = frozenset({"retry", "goto", "replay", "fork"})
OF_THE_VISIT = frozenset({"taskScheduled", "attemptStarted", "attemptEnded", "taskEnded"})


class History:
    """Folds a history, and checks each entry against the execution as it was before."""

    def __init__(
        self, head: Execution, compiled: Compiled, workers: Workers | None, *, by_engine: bool
    ) -> None:
        self.compiled = compiled
        self.folded = Execution(
            id=head.id, project=head.project, activity=head.activity, version=head.version
        )
        self._breaches: list[Breach] = []
        self._verb: str | None = None
        self._ids: set[str] = set()
        self._event: str | None = None
        """It was applied, and its row is still to come."""
        self._owed: list[dict[str, Any]] = []
        """What came while it was paused, and is to be taken since the resume."""
        self._by_engine = by_engine
        self._attempts = Attempts(self.folded, compiled, workers, self.breach, by_engine=by_engine)
        attempts = self._attempts
        self._checks: dict[str, Callable[[Entry], None]] = {
            "started": self._started,
            "transition": self._transition,
            "control": self._control,
            "taskScheduled": attempts.scheduled,
            "attemptStarted": attempts.started,
            "attemptAccepted": attempts.accepted,
            "attemptEnded": attempts.ended,
            "lateIgnored": self._late,
            "taskEnded": self._task_ended,
            "timerSet": self._timer_set,
            "timerFired": self._timer_fired,
            "timerCancelled": self._timer_cancelled,
            "eventApplied": self._event_taken,
            "eventIgnored": self._event_taken,
            "eventDeferred": self._event_kept,
            "ended": self._ended,
        }

    def breach(self, rule: str, entry: Entry, message: str) -> None:
        """Note a breach."""
        self._breaches.append(
            Breach(rule=rule, execution=self.folded.id, seq=entry["seq"], message=message)
        )

    def take(self, entry: Entry) -> None:
        """Check *entry*, then apply it."""
        kind = entry["type"]
        if (entry["seq"] == 0) != (kind == "started"):
            self.breach("S3", entry, "an execution begins with 'started', once")
        if self.folded.ended and kind not in AUDIT and not _is_errand(entry):
            self.breach("S6", entry, f"'{kind}' after the end")
        try:
            if kind in OF_THE_VISIT and entry["visit"] != self.folded.visit:
                self.breach("S7", entry, f"it is of visit {entry['visit']}, not of this one")
            check = self._checks.get(kind)
            if check is not None:
                check(entry)
            apply(self.folded, entry)
        except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
            self.breach("S5", entry, f"this entry does not fit what was before it: {error!r}")

    def close(self) -> list[Breach]:
        """Return every breach; the history has no further entries."""
        for kept in self._owed if self._by_engine else ():
            self.breach("S13", kept, "what came while it was paused was never taken")
        return self._breaches

    # ------------------------------------------------------------ S4: the table

    def _started(self, entry: Entry) -> None:
        """S5: the history is of this execution."""
        folded = self.folded
        own = (folded.project, folded.activity, folded.version)
        if (entry["project"], entry["activity"], entry["version"]) != own:
            self.breach("S5", entry, "it was started as another activity, or another version")

    def _transition(self, entry: Entry) -> None:
        """S4: the transition is a row of the pinned version."""
        here = self.folded
        if entry["from"] != here.state:
            self.breach("S4", entry, f"from '{entry['from']}', but the state is '{here.state}'")
        if entry["visit"] != here.visit + bool(entry["entered"]):
            self.breach("S4", entry, f"visit {entry['visit']} after visit {here.visit}")
        if self._event not in (None, entry["event"]):
            self.breach("S13", entry, f"'{self._event}' was applied, and led to '{entry['event']}'")
        self._event = None
        if entry["entered"]:
            self._left(entry)
        state = self.compiled.states.get(entry["to"])
        expected = state.business_status if state is not None and entry["entered"] else None
        if state is None or entry.get("businessStatus") != expected:
            self.breach("S4", entry, f"the blueprint does not have '{entry['to']}' like this")
        if entry["event"] in VERB_EVENTS and self._verb == entry["event"]:
            return
        rows = self.compiled.table.get((entry["from"], entry["event"]), ())
        if any(_is_of(row, entry) for row in rows):
            return
        if entry["event"] == SUCCESS and entry["to"] == DONE and entry["action"] == "continue":
            return
        shown = f"{entry['from']} x {entry['event']} -> {entry['action']}, {entry['to']}"
        self.breach("S4", entry, f"the blueprint has no row {shown}")

    def _left(self, entry: Entry) -> None:
        """S7, S12: nothing of a visit is left open when its state is left, or it ends."""
        here = self.folded
        if any(here.open_tasks()):
            self.breach("S7", entry, f"'{here.state}' is left with work that is open")
        for timer in here.timers:
            goes_on = timer == "deadline" and entry["type"] != "ended"
            if not goes_on and timer_task(timer) not in here.errands:
                self.breach("S12", entry, f"'{here.state}' is left with the timer '{timer}'")

    # ------------------------------------------------------------ S6: ends

    def _control(self, entry: Entry) -> None:
        """S6: only some verbs find anything to do after an end."""
        self._verb = entry["verb"]
        if self.folded.ended and self._verb in REOPENS:
            self._attempts.reopened()
        elif self.folded.ended and self._verb != "data" and PLACE not in self.folded.timers:
            self.breach("S6", entry, f"'{self._verb}' after the end")
        elif self._verb == "resume":
            self._owed = list(self.folded.held)

    def _ended(self, entry: Entry) -> None:
        """S13: nothing that was kept is forgotten."""
        self._left(entry)
        self._event = None
        if self.folded.deferred or self.folded.held:
            self.breach("S13", entry, "it ends, and events that were kept are not told of")
        if Status(entry["status"]) is Status.FAILED and "error" not in entry:
            self.breach("S6", entry, "it failed without an error")

    def _task_ended(self, entry: Entry) -> None:
        """S7: what ends was open."""
        task = self.folded.work(entry["task"])
        if task is None and entry["outcome"] == "skipped":
            return
        if task is None or (not task.open and self._verb != "skip"):
            self.breach("S7", entry, f"task '{entry['task']}' is ended, but is not open")
        elif task.call is not None:
            self.breach("S7", entry, f"task '{task.name}' is ended with an open attempt")
        if entry["outcome"] != CANCELLED:
            self._event = None  # a wait that it ended
        self._settle("outcome", entry["task"])

    # ------------------------------------------------------------ S12: timers

    def _timer_set(self, entry: Entry) -> None:
        """S12: each timer is set once. S23: not beyond ten years."""
        timer = entry["timer"]
        name = timer_task(timer)
        task = None if name is None else self.folded.work(name)
        if timer in self.folded.timers:
            self.breach("S12", entry, f"timer '{timer}' is set twice")
        elif name is not None and (task is None or not task.open):
            self.breach("S12", entry, f"timer '{timer}' is set for work that is not open")
        seconds = self._seconds(timer)
        if seconds is not None and entry["due"] != entry["at"] + round(seconds * 1000):
            self.breach("S12", entry, f"timer '{timer}' is not set for {seconds:g} s")
        if entry["due"] > entry["at"] + YEARS_TEN_MS:
            self.breach("S23", entry, f"timer '{timer}' is more than ten years away")

    def _seconds(self, timer: str) -> float | None:
        """Return how long the blueprint says that a timer takes, where it says so in numbers."""
        if timer == "deadline":
            return self.compiled.blueprint.timeout
        state = self.compiled.states[self.folded.state]
        delay = next((one.delay for one in state.timers if one.name == timer), None)
        return delay if isinstance(delay, int | float) else None

    def _timer_fired(self, entry: Entry) -> None:
        """S12: each timer fires once, never early."""
        due = self.folded.timers.get(entry["timer"])
        if due is None or due != entry["due"]:
            self.breach("S12", entry, f"timer '{entry['timer']}' fires, but was not set so")
        elif entry["at"] < due:
            early = f"{due - entry['at']} ms early"
            self.breach("S12", entry, f"timer '{entry['timer']}' fires {early}")

    def _timer_cancelled(self, entry: Entry) -> None:
        if entry["timer"] not in self.folded.timers:
            self.breach("S12", entry, f"timer '{entry['timer']}' is cancelled, but was not set")

    # ------------------------------------------------------------ S13: events

    def _event_kept(self, entry: Entry) -> None:
        """S13: an event is kept only where it can be."""
        if (entry["reason"] == "paused") != self.folded.paused:
            self.breach("S13", entry, f"the event '{entry['name']}' is kept for no reason")
        if entry["reason"] != "paused":
            self._settle("event", entry["name"], entry.get("id"))

    def _event_taken(self, entry: Entry) -> None:
        """S13: an event is applied once, or ignored with a reason; a kept one was kept."""
        number, own = entry.get("deferred"), entry.get("id")
        kept = [*self.folded.deferred, *self.folded.held]
        if number is not None and not any(one["seq"] == number for one in kept):
            self.breach("S13", entry, f"event {number} is taken, but was not kept")
        if entry["type"] == "eventIgnored":
            if not entry.get("reason"):
                self.breach(
                    "S13", entry, f"the event '{entry['name']}' is ignored without a reason"
                )
        elif own is not None:
            if own in self._ids:
                self.breach("S13", entry, f"the event with the id '{own}' is applied twice")
            self._ids.add(own)
        if entry["type"] == "eventApplied" and "passedTo" not in entry:
            self._event = entry["name"]
        if number is None:
            self._settle("event", entry["name"], own)

    def _late(self, entry: Entry) -> None:
        self._attempts.late(entry)
        self._settle("outcome", entry["task"])

    def _settle(self, kind: str, name: str, own: str | None = None) -> None:
        """Strike out the first of what is owed that this is."""
        for kept in self._owed:
            held = kept["input"]
            called = held.get("name") if kind == "event" else held.get("task")
            if held["kind"] == kind and (called, held.get("id")) == (name, own):
                self._owed.remove(kept)
                return


def _is_of(row: CompiledRow, entry: Entry) -> bool:
    """Tell whether a transition is what *row* does."""
    return (
        entry["to"] == (row.next or entry["from"])
        and (row.action or "continue") == entry["action"]
        and set(entry.get("data", ())) == set(row.set or ())
    )


def _is_errand(entry: Entry) -> bool:
    """Tell whether an entry is of a teardown, a notification or a replay alone.

    A verb that waits for a place, to open it again, is one, too.
    """
    if entry.get("timer") == PLACE:
        return True
    name = entry.get("task") or str(entry.get("timer", "")).removeprefix("task:")
    return name.startswith("+") and not name.startswith(("+undo", "+setup"))
