"""How each history entry changes an execution: the only code that does.

Steps decide entries; entries change the head. So the head equals the fold of its history by
construction, and ``goflow verify`` can compute it again from the stored entries (rule S5).

Changed in place is only what ``execution.copy`` copies: all else is shared, and made anew.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from goflow_py.domain.execution import FACTS, Call, Execution, Status, Task
from goflow_py.domain.history import Entry
from goflow_py.domain.names import CANCELLED, CONTINUE, ERROR, SUCCESS
from goflow_py.fsm.rows import BUSY, EACH, SKIPPED, UNKNOWN_AFTER

_FACTS = frozenset(FACTS)


def fold(execution: Execution, entries: Iterable[Entry]) -> Execution:
    """Apply *entries* in order to *execution* itself, and return it."""
    for entry in entries:
        apply(execution, entry)
    return execution


def apply(execution: Execution, entry: Entry) -> None:
    """Change *execution* as *entry* says."""
    execution.seq = entry["seq"]
    execution.at = entry["at"]
    _APPLY[entry["type"]](execution, entry)


def status_of(execution: Execution) -> Status:
    """Return the status that its open work gives it."""
    if execution.ended:
        return execution.status
    if execution.paused:
        return Status.PAUSED
    for task in execution.tasks.values():
        if task.outcome is None and (task.kind in BUSY or task.kind == "activity"):
            if task.call is None or not task.call.accepted:
                return Status.RUNNING
    return Status.WAITING


def _started(execution: Execution, entry: Entry) -> None:
    execution.input = entry["input"]
    execution.data = entry["data"]
    execution.key = entry.get("key")
    execution.labels = entry.get("labels") or {}
    execution.traceparent = entry.get("traceparent")
    execution.parent = entry.get("parent")
    execution.root = entry.get("root")
    execution.depth = entry.get("depth", 0)
    execution.machine = entry.get("machine")
    execution.started_at = execution.entered_at = entry["at"]


def _transition(execution: Execution, entry: Entry) -> None:
    if "data" in entry:
        execution.data = {**execution.data, **entry["data"]}
    if not entry["entered"]:
        return
    state = execution.state = entry["to"]
    execution.visit = execution.last_visits[state] = entry["visit"]
    execution.visits[state] = execution.visits.get(state, 0) + 1
    execution.entered_at = entry["at"]
    execution.entered_with = None if entry["action"] == CONTINUE else entry["action"]
    execution.tasks = {}
    execution.undigested = None
    if len(execution.outputs.get(state, ())) > 1:
        # Those of a graph of tasks are of this visit only, or they would mix.
        del execution.outputs[state]
    if "businessStatus" in entry:
        execution.business_status = entry["businessStatus"]


def _task_scheduled(execution: Execution, entry: Entry) -> None:
    name = entry["task"]
    old = execution.tasks.get(name)
    into = execution.errands if entry.get("errand") else execution.tasks
    if entry["kind"] == EACH and (old is None or not old.input):
        empty = [None] * len(entry["input"])
        execution.outputs[execution.state] = _with_output(execution, name, empty)
    # Most have none: told apart by one look.
    facts = {} if _FACTS.isdisjoint(entry) else {key: entry[key] for key in FACTS if key in entry}
    into[name] = Task(
        name=name,
        action=entry["action"],
        kind=entry["kind"],
        single=entry["single"],
        input=entry["input"],
        facts=facts,
        since=entry["at"],
        attempts=old.attempts if old else 0,
    )


def _attempt_started(execution: Execution, entry: Entry) -> None:
    task = _task(execution, entry)
    task.attempts = entry["attempt"]
    if "child" in entry:
        task.facts = {**task.facts, "child": entry["child"]}
    task.call = Call(
        attempt=entry["attempt"],
        worker=entry["worker"],
        started_at=entry["at"],
        fence=entry["seq"],
        accepted=entry.get("accepted", False),
    )


def _attempt_accepted(execution: Execution, entry: Entry) -> None:
    task = _task(execution, entry)
    if task.call is not None:
        task.call = replace(task.call, accepted=True)


def _attempt_ended(execution: Execution, entry: Entry) -> None:
    task = _task(execution, entry)
    worker = entry["worker"]
    task.call = None
    if entry["outcome"] == "abandoned":
        task.abandoned += 1
    # New dicts: the committed task shares the old ones.
    if entry.get("counts"):
        task.used = {**task.used, worker: task.used.get(worker, 0) + entry["counts"]}
    if "notBefore" in entry:
        task.waits = {**task.waits, worker: entry["notBefore"]}
    if "error" in entry:
        task.error = entry["error"]
        if entry["error"].get("code") in UNKNOWN_AFTER or entry.get("unknown"):
            task.facts = {**task.facts, "unknown": True}


def _task(execution: Execution, entry: Entry) -> Task:
    name = entry["task"]
    return execution.tasks.get(name) or execution.errands[name]


def _task_ended(execution: Execution, entry: Entry) -> None:
    name, outcome = entry["task"], entry["outcome"]
    if "undo" in entry:
        _note_done(execution, entry)
    if name in execution.errands:
        _errand_ended(execution, execution.errands.pop(name), entry)
        return
    task = execution.tasks.get(name)
    if task is None:  # skipped: its ``when`` is false
        task = Task(name=name, action=entry["action"], kind=SKIPPED, single=False)
        execution.tasks[name] = task
    # Whoever ends work well may call its outcome 'cancelled': a row's name, or nothing in a graph.
    closed = outcome == CANCELLED and "output" not in entry
    task.outcome = outcome if closed or task.single or outcome != CANCELLED else SUCCESS
    task.call = None
    task.error = entry.get("error")
    if closed and task.child is not None:
        # It is cancelled as well: a retry begins another.
        task.facts = {name: fact for name, fact in task.facts.items() if name != "child"}
    if "undoes" in task.facts and task.ended_well:
        execution.done = [work for work in execution.done if work["n"] != task.undoes]
    if not closed:
        _keep(execution, task, entry)


def _errand_ended(execution: Execution, errand: Task, entry: Entry) -> None:
    errand.outcome, errand.error = entry["outcome"], entry.get("error")
    if "replaces" in errand.facts and errand.outcome != ERROR and "output" in entry:
        state, task = errand.facts["replaces"]
        label = None if errand.outcome == SUCCESS else errand.outcome
        _replace(execution, state, task, _own_output(entry["output"], label))


def _note_done(execution: Execution, entry: Entry) -> None:
    """Note work that can be undone; of one key only the newest, for that was the same work."""
    piece = {"n": entry["seq"], **entry["undo"]}
    known = [other for other in execution.done if other["key"] != piece["key"]]
    execution.done = [*known, piece]


def _keep(execution: Execution, task: Task, entry: Entry) -> None:
    """Keep what a task ended with where expressions find it."""
    if "error" in entry:
        execution.error = entry["error"]
    if "businessStatus" in entry:
        execution.business_status = entry["businessStatus"]
    if "output" not in entry:
        return
    if task.name.startswith("+"):
        task.facts = {**task.facts, "output": entry["output"]}
    elif not task.single:
        execution.outputs[execution.state] = _with_task(execution, task, entry)
    else:
        # Taken out first: the last entry is then the newest output, the execution's own by default.
        execution.outputs.pop(execution.state, None)
        execution.outputs[execution.state] = {"output": entry["output"]}


def _replace(execution: Execution, state: str, task: str | None, own: dict[str, Any]) -> None:
    """Replace an output where it stands: the order of the outputs stays as it was."""
    known = execution.outputs.get(state) or {}
    if task is None:
        execution.outputs[state] = {**known, "output": own["output"]}
        return
    whole = known.get("output")
    if whole is None or isinstance(whole, dict):  # else an operator gave the state's output
        whole = {**(whole or {}), task: own["output"]}
    execution.outputs[state] = {**known, task: own, "output": whole}


def _with_task(execution: Execution, task: Task, entry: Entry) -> dict[str, Any]:
    """Return the output of the state's graph with that of one more task."""
    if task.index is None:
        label = None if entry["outcome"] == SUCCESS else entry["outcome"]
        return _with_output(execution, task.name, entry["output"], label)
    name = task.name.partition("[")[0]
    items = execution.outputs[execution.state][name]["output"].copy()
    items[task.index] = entry["output"]
    return _with_output(execution, name, items)


def _with_output(
    execution: Execution, task: str, output: Any, label: str | None = None
) -> dict[str, Any]:
    # Taken out first: the last entry is then the newest output, the execution's own by default.
    known = execution.outputs.pop(execution.state, None) or {}
    # Made anew of the tasks: 'output' may be what the state had as other work, or an operator's.
    found = {**known, task: _own_output(output, label)}
    found.pop("output", None)
    return {**found, "output": {name: own["output"] for name, own in found.items()}}


def _own_output(output: Any, label: str | None) -> dict[str, Any]:
    return {"output": output} if label is None else {"output": output, "event": label}


def _timer_set(execution: Execution, entry: Entry) -> None:
    execution.timers[entry["timer"]] = entry["due"]
    if "noted" in entry:
        execution.noted = entry["noted"]


def _timer_gone(execution: Execution, entry: Entry) -> None:
    execution.timers.pop(entry["timer"], None)
    if entry["timer"] in ("delay", "place"):
        execution.noted = None


def _event_gone(execution: Execution, entry: Entry) -> None:
    number = entry.get("deferred")
    if number is not None:
        execution.deferred = [kept for kept in execution.deferred if kept["seq"] != number]
        execution.held = [kept for kept in execution.held if kept["seq"] != number]


def _event_deferred(execution: Execution, entry: Entry) -> None:
    if entry["reason"] == "paused":
        held = {"seq": entry["seq"], "at": entry["at"], "input": entry["input"]}
        execution.held = [*execution.held, held]
    else:
        kept: dict[str, Any] = {
            key: entry[key] for key in ("seq", "name", "data", "id", "principal") if key in entry
        }
        execution.deferred = [*execution.deferred, kept]


def _error_raised(execution: Execution, entry: Entry) -> None:
    execution.error = entry["error"]


def _data_changed(execution: Execution, entry: Entry) -> None:
    execution.data = entry["data"]


def _control(execution: Execution, entry: Entry) -> None:
    match entry["verb"]:
        case "pause":
            execution.paused = True
        case "resume":
            execution.paused = False
            execution.held = []
        case "cancel":
            execution.cancelling = True
            execution.unwinding = entry.get("unwinding", False)
            if execution.unwinding:
                execution.paused = False
                _forget_children(execution)
        case "retry" | "goto" | "replay" | "skip":
            if execution.ended and not entry.get("alone"):
                execution.status = Status.RUNNING
                execution.finished_at = None
                execution.output = None
                execution.undigested = None
                execution.cancelling = execution.unwinding
        case "fork":
            _forked(execution, entry)
        case _:
            pass
    for state in entry.get("forget", ()):
        execution.outputs.pop(state, None)
    if "output" in entry:
        known = execution.outputs.pop(execution.state, None) or {}
        execution.outputs[execution.state] = {**known, "output": entry["output"]}


def _forget_children(execution: Execution) -> None:
    """Forget children that ended before: an undoing goes on with those that could not be undone."""
    for task in execution.tasks.values():
        if task.child is not None and not task.open:
            task.facts = {name: fact for name, fact in task.facts.items() if name != "child"}


def _forked(execution: Execution, entry: Entry) -> None:
    """Take over what the original was like; what it did is not this one's to undo."""
    execution.outputs = dict(entry["outputs"])
    execution.visits = dict(entry["visits"])
    execution.last_visits = dict(entry["lastVisits"])
    execution.visit = entry["visit"]
    execution.error = entry.get("error")
    execution.business_status = entry.get("businessStatus")


def _ended(execution: Execution, entry: Entry) -> None:
    execution.status = Status(entry["status"])
    execution.finished_at = entry["at"]
    execution.output = entry.get("output")
    execution.paused = False
    if "error" in entry:
        execution.error = entry["error"]
    execution.undigested = entry.get("undigested")
    execution.noted = None
    if execution.status is not Status.FAILED:
        execution.unwinding = False


def _nothing(execution: Execution, entry: Entry) -> None:
    """Leave the head as it is: the entry is for people."""


_APPLY: dict[str, Callable[[Execution, Entry], None]] = {
    "started": _started,
    "transition": _transition,
    "taskScheduled": _task_scheduled,
    "attemptStarted": _attempt_started,
    "attemptAccepted": _attempt_accepted,
    "attemptEnded": _attempt_ended,
    "taskEnded": _task_ended,
    "timerSet": _timer_set,
    "timerFired": _timer_gone,
    "timerCancelled": _timer_gone,
    "eventApplied": _event_gone,
    "eventDeferred": _event_deferred,
    "eventIgnored": _event_gone,
    "lateIgnored": _nothing,
    "errorRaised": _error_raised,
    "dataChanged": _data_changed,
    "control": _control,
    "ended": _ended,
}
