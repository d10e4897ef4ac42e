"""Executions as users see them: JSON objects with times as RFC 3339."""

from collections.abc import Mapping, Sequence
from typing import Any

from goflow_py.domain.durations import rfc3339
from goflow_py.domain.execution import Execution, Task
from goflow_py.domain.history import Entry
from goflow_py.engine.stand_ins import QUEUED
from goflow_py.fsm.compile import Compiled
from goflow_py.fsm.events import awaiting
from goflow_py.fsm.places import noted_command, waits_for_place
from goflow_py.fsm.reopening import way_back
from goflow_py.fsm.rows import BUSY, EACH
from goflow_py.fsm.work import is_parked

SHOWN_FACTS = ("index", "item", "assignedTo", "child", "businessStatus")
"""What is shown of a task that has it."""
TIMES = frozenset({"at", "due", "since", "notBefore"})


def time(ms: int | None) -> str | None:
    """Return a time as the API writes it."""
    return None if ms is None else rfc3339(ms)


def execution_view(
    execution: Execution, compiled: Compiled, kin: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    """Return an execution as the API shows it; *kin* is what its machine children await."""
    state = compiled.states[execution.state]
    return {
        "id": execution.id,
        "project": execution.project,
        "activity": execution.activity,
        "version": execution.version,
        "key": execution.key,
        "labels": execution.labels,
        "status": execution.status,
        "state": execution.state,
        "visit": execution.visit,
        "stage": state.stage,
        "businessStatus": execution.business_status,
        "revision": execution.seq,
        "input": execution.input,
        "data": execution.data,
        "output": execution.output,
        "error": execution.error,
        "awaiting": [*awaiting(compiled, execution), *kin],
        "tasks": [task_view(execution, task, compiled) for task in execution.tasks.values()],
        "parent": None if execution.parent is None else execution.parent["id"],
        "machine": execution.machine,
        "children": [task.child for task in execution.tasks.values() if task.child],
        "startedAt": rfc3339(execution.started_at),
        "updatedAt": rfc3339(execution.at),
        "finishedAt": time(execution.finished_at),
        "deadline": time(execution.timers.get("deadline")),
    }


def task_view(execution: Execution, task: Task, compiled: Compiled) -> dict[str, Any]:
    """Return a task of the current visit."""
    prefix = f"task:{task.name}:"
    due = {
        name.removeprefix(prefix): rfc3339(at)
        for name, at in execution.timers.items()
        if name.startswith(prefix)
    }
    return {
        "task": task.name,
        "action": task.action,
        "type": task.kind,
        "status": _task_status(task, compiled),
        "outcome": task.outcome,
        "attempts": task.attempts,
        "worker": task.call.worker if task.call else None,
        "since": rfc3339(task.since),
        "timers": due,
        "error": task.error,
        **{name: task.facts[name] for name in SHOWN_FACTS if name in task.facts},
    }


def _task_status(task: Task, compiled: Compiled) -> str:
    if not task.open:
        return "ended"
    if task.call is not None:
        return "accepted" if task.call.accepted else "running"
    if task.kind in QUEUED:
        return "parked" if is_parked(compiled.actions[task.action], task) else "queued"
    return "due" if task.kind in BUSY else "waiting"


def entry_view(entry: Entry) -> dict[str, Any]:
    """Return a history entry with its times in words."""
    return {
        name: rfc3339(value) if name in TIMES and isinstance(value, int) else value
        for name, value in entry.items()
    }


# ---------------------------------------------------------------- why


def why_view(
    execution: Execution, compiled: Compiled, kin: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    """Return one sentence on what the execution waits for, and its parts."""
    awaited = [*awaiting(compiled, execution), *kin]
    parts: dict[str, Any] = {
        "status": execution.status,
        "state": execution.state,
        "since": rfc3339(execution.entered_at),
        "until": None if waits_for_place(execution) else time(execution.wake),
        "events": [item["event"] for item in awaited],
        "who": sorted({item["role"] for item in awaited if "role" in item}),
        "workers": [t.call.worker for t in execution.open_tasks() if t.call],
        "lastError": execution.error,
    }
    return {"why": _sentence(execution, compiled, parts), **parts}


def _sentence(execution: Execution, compiled: Compiled, parts: Mapping[str, Any]) -> str:
    state = execution.state
    error = execution.error or {}
    most = compiled.blueprint.max_concurrent
    room = f"waits for a place: the activity runs at most {most} at a time"
    waiting = noted_command(execution)
    if waiting is not None:
        status = execution.status
        return f"It has ended ({status}) in state '{state}', and its {waiting.verb} {room}."
    if waits_for_place(execution) and not execution.paused:
        return f"It has not begun, and {room}."
    match execution.status:
        case "completed":
            return f"It has completed in state '{state}'."
        case "cancelled":
            return f"It was cancelled in state '{state}'."
        case "failed":
            reason = f"{error.get('code')}: {error.get('message')}"
            advice = "retry it, skip the work, or go to another state"
            if compiled.states[state].final == "failed":
                advice = f"{way_back(execution)}, or go to another state"
            return f"It failed in state '{state}' ({reason}); {advice}."
        case "paused":
            return f"It is paused in state '{state}'; resume it to go on."
        case _:
            return _waiting_sentence(execution, compiled, parts)


def _somebody(task: Task) -> str:
    if task.call is not None:
        return f"'{task.call.worker}', who claimed '{task.name}'"
    if task.kind == "human":
        who = task.facts.get("assignedTo")
        return f"{who or 'somebody'} to claim '{task.name}'"
    return f"a worker to poll '{task.name}'"


def _others(execution: Execution) -> str:
    more = len([task for task in execution.open_tasks() if task.kind != EACH]) - 1
    return f", and for {more} other task{'s' if more > 1 else ''}" if more > 0 else ""


def _waiting_sentence(execution: Execution, compiled: Compiled, parts: Mapping[str, Any]) -> str:
    begin = f"It is in state '{execution.state}'"
    if execution.unwinding:
        left = len(execution.done)
        begin = f"It was cancelled in state '{execution.state}', and undoes {left} pieces of work"
    for task in execution.open_tasks():
        if task.kind in QUEUED and is_parked(compiled.actions[task.action], task):
            error = task.error or {}
            reason = f"{error.get('code')}: {error.get('message')}"
            what = f"a retry of '{task.name}', which failed ({reason})"
            return f"{begin} and waits for {what}{_others(execution)}."
        if task.kind in QUEUED:
            return f"{begin} and waits for {_somebody(task)}{_others(execution)}."
        if task.kind == "activity" and task.child is not None:
            return f"{begin} and waits for its child {task.child}{_others(execution)}."
        if task.call is not None:
            how = "the callback of" if task.call.accepted else "the answer of"
            who = f"worker '{task.call.worker}' (attempt {task.call.attempt} of '{task.action}')"
            return f"{begin} and waits for {how} {who}."
        if task.kind in BUSY:
            again = time(execution.timers.get(f"task:{task.name}:retry"))
            when = f"at {again}" if again else "as soon as a slot is free"
            last = f"; the last one failed: {task.error['message']}" if task.error else ""
            return f"{begin} and begins the next attempt of '{task.action}' {when}{last}."
        if task.kind == "delay":
            return f"{begin} and waits until {parts['until']}."
    events = " or ".join(f"'{name}'" for name in parts["events"])
    until = f" until {parts['until']}" if parts["until"] else ""
    who = f" from {' or '.join(parts['who'])}" if parts["who"] else ""
    if events:
        return f"{begin} and waits for the event {events}{who}{until}."
    return f"{begin} and waits{until or ' for nothing that it knows of'}."
