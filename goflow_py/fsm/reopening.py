"""The verbs that go on elsewhere, or once more: retry, skip, goto, replay."""

from collections.abc import Iterable
from typing import Any

from goflow_py.domain.event import Control
from goflow_py.domain.execution import Execution, Status, Task
from goflow_py.domain.names import ALWAYS, CANCEL, CANCELLED, ERROR, INIT, START, SUCCESS, TIMEOUT
from goflow_py.errors import Conflict, Invalid
from goflow_py.fsm import tasks, timers, work
from goflow_py.fsm.commands import note, refuse
from goflow_py.fsm.compile import Compiled
from goflow_py.fsm.draft import Draft
from goflow_py.fsm.errands import SETUP, entry_work, order_replay
from goflow_py.fsm.events import finish
from goflow_py.fsm.inputs import output_of
from goflow_py.fsm.rows import INSTANT
from goflow_py.fsm.step import Digest
from goflow_py.fsm.undo import unwind_again

REPLAYED_ALONE = frozenset({"sync", "async", "script", "emit"})
"""Types of work that the engine sees through by itself."""

# ---------------------------------------------------------------- going on elsewhere


def _refuse_when_paused(command: Control, execution: Execution) -> None:
    if execution.paused:
        refuse(command, execution, "; resume it first")


def _reopen(compiled: Compiled, draft: Draft) -> None:
    """Renew the execution's own timeout: an ended one has none."""
    timeout = compiled.blueprint.timeout
    if timeout is not None and "deadline" not in draft.after.timers:
        timers.set_timer(draft, "deadline", timeout)


def retry(compiled: Compiled, draft: Draft, command: Control) -> bool:
    """Go on in the same state, visit and keys; only work that did not end well runs again."""
    before = draft.before
    if before.status is not Status.FAILED:
        return _retry_parked(compiled, draft, command)
    if compiled.states[before.state].final == "failed":
        raise _final(before)
    digest = Digest(compiled, draft)
    note(draft, command)
    if before.unwinding:
        unwind_again(digest, before.tasks)
        return True
    _reopen(compiled, draft)
    if command.arguments.get("newVisit") and before.state != INIT:
        digest.enter(before.state, event="retry", action=before.entered_with)
        digest.settle()
    else:
        timers.arm_timers(draft, digest.state)
        _again(compiled, digest, before)
    finish(digest)
    return True


def _retry_parked(compiled: Compiled, draft: Draft, command: Control) -> bool:
    """Put work back onto its queue that failed for good and waits for just that."""
    execution, named = draft.after, command.arguments.get("task")
    if execution.ended:
        refuse(command, execution, "; only a failed one can be retried")
    _refuse_when_paused(command, execution)
    parked = [
        task
        for task in execution.open_tasks()
        if named in (None, task.name) and work.is_parked(compiled.actions[task.action], task)
    ]
    if not parked:
        refuse(command, execution, ", and no work of it waits for a retry")
    note(draft, command)
    for task in parked:
        work.close(draft, task)
        name = None if task.single else task.name
        work.schedule(draft, compiled.actions[task.action], name=name, again=True)
    draft.close_record()
    return True


def _again(compiled: Compiled, digest: Digest, before: Execution) -> None:
    """Take up what failed: the input that broke, the work that did not end well, or the start."""
    draft, undigested = digest.draft, before.undigested or {}
    broken = before.tasks.get(undigested.get("task", ""))
    if broken is not None and broken.undoes is None:
        # Its outcome is taken once more, beside the tasks that the failure cut.
        cut = {n: task for n, task in before.tasks.items() if task.outcome == CANCELLED}
        tasks.begin_again(compiled, draft, digest.state, cut)
        broken = draft.after.tasks[broken.name]
        draft.happens(broken.outcome, broken.error or output_of(draft, broken))
        digest.outcome_of(broken)
    elif "event" in undigested:
        draft.happens(undigested["event"], None)
        digest.outcome(undigested["event"])
        if not draft.after.ended and draft.after.visit == before.visit:
            _take_up_work(compiled, digest, before)
    elif "noted" in undigested and not before.tasks:
        digest.noted = undigested["noted"]
    else:
        _take_up_work(compiled, digest, before)
        if digest.noted is None:
            return
    digest.settle()


def _take_up_work(compiled: Compiled, digest: Digest, before: Execution) -> None:
    """Begin the work of the visit anew: the setup, the tasks of the graph, or the one action."""
    setup = before.tasks.get(SETUP)
    names = [task.name for task in before.tasks.values() if not task.name.startswith("+")]
    single = [task for task in before.tasks.values() if task.single]
    if setup is not None and not setup.ended_well:
        digest.noted = entry_work(before)
    elif single:
        _issue_again(compiled, digest, single[-1].action)
    elif digest.state.graph is not None and names:
        tasks.begin_again(compiled, digest.draft, digest.state, before.tasks)
        digest.noted = {"own": True}
    else:
        digest.noted = entry_work(before)


def _issue_again(compiled: Compiled, digest: Digest, name: str) -> None:
    """Issue the work *name* with the very input that it had; note what the digest itself does."""
    action = compiled.actions[name]
    if action.kind in INSTANT or action.kind == "undo":
        digest.noted = {"action": name}
    else:
        work.schedule(digest.draft, action, again=True)


def skip(compiled: Compiled, draft: Draft, command: Control) -> bool:
    """Close the work and raise an event, ``success`` by default, as if it had ended so."""
    execution = draft.after
    _refuse_when_paused(command, execution)
    if execution.ended and execution.status is not Status.FAILED:
        refuse(command, execution, "")
    name = command.arguments.get("event") or SUCCESS
    if name in (START, ALWAYS, CANCEL):
        raise Invalid(
            f"'{name}' is not an outcome of work; skip with another", code="reserved_event"
        )
    if compiled.states[execution.state].final == "failed":
        raise _final(execution)
    output = command.arguments.get("output")
    digest = Digest(compiled, draft)
    was_failed = execution.ended
    open_tasks = execution.open_tasks() or list(execution.tasks.values())
    if any(not task.single for task in open_tasks):
        note(draft, command, event=name, output=output)
    else:
        note(draft, command, event=name)
    if was_failed:
        _reopen(compiled, draft)
    _close(compiled, draft, open_tasks, outcome=name, output=output)
    draft.happens(name, output)
    if not digest.raise_event(name):
        if name not in (SUCCESS, ERROR, TIMEOUT):
            raise Conflict(
                f"state '{execution.state}' has no row for '{name}'; skip with one that it has",
                code="no_row",
                state=execution.state,
            )
        single = next((task for task in open_tasks if task.single), None)
        digest.outcome(name, draft.after.tasks[single.name] if single is not None else None)
    digest.settle()
    finish(digest)
    return True


def _close(
    compiled: Compiled, draft: Draft, found: Iterable[Task], *, outcome: str, output: Any
) -> None:
    """Close work as if it had ended with *outcome*; of a graph, the tasks are only cut."""
    for task in found:
        undo = compiled.actions[task.action].model.undo
        if task.open and task.single:
            work.close(draft, task, outcome, undo=undo, output=output)
        elif task.open:
            work.close(draft, task, undo=undo)
        elif task.single:
            fields = {"task": task.name, "visit": draft.after.visit, "outcome": outcome}
            draft.add("taskEnded", **fields, output=output)


def _final(execution: Execution) -> Conflict:
    state, advice = execution.state, way_back(execution)
    return Conflict(
        f"'{state}' is a final state, entered by a row; {advice}, or use goto",
        code="final_state",
        state=state,
    )


def way_back(execution: Execution) -> str:
    """Return in words how to go on where the error was, of an execution in a final state."""
    broken = (execution.error or {}).get("state")
    return f"replay it from '{broken}'" if broken is not None else "replay it"


def goto(compiled: Compiled, draft: Draft, command: Control) -> bool:
    """Leave the state (R8), and enter another as a row without action would (R2)."""
    target = command.arguments["state"]
    _check_target(compiled, draft.before, command, target)
    digest = Digest(compiled, draft)
    note(draft, command, state=target)
    _reopen(compiled, draft)
    draft.happens("goto", None)
    digest.enter(target, event="goto")
    digest.settle()
    finish(digest)
    return True


def replay(compiled: Compiled, draft: Draft, command: Control) -> bool:
    """Go back to a visited state and forget the outputs of the states entered since."""
    target = command.arguments["from"]
    before = draft.before
    if command.arguments.get("downstream") is False:
        return _replay_alone(compiled, draft, command)
    _check_target(compiled, before, command, target)
    if target not in before.last_visits:
        raise Conflict(f"state '{target}' was never entered; use goto", code="not_visited")
    since = before.last_visits[target]
    forget = [state for state, visit in before.last_visits.items() if visit >= since]
    digest = Digest(compiled, draft)
    note(draft, command, state=target, forget=forget)
    _reopen(compiled, draft)
    draft.happens("replay", None)
    digest.enter(target, event="replay")
    digest.settle()
    finish(digest)
    return True


def _replay_alone(compiled: Compiled, draft: Draft, command: Control) -> bool:
    """Run the work of a visited state once more: its output is replaced, nothing moves."""
    target, before = command.arguments["from"], draft.before
    _check_target(compiled, before, command, target)
    if not before.ended and before.status is not Status.WAITING:
        refuse(command, before, "; with downstream=false it has to wait or to have ended")
    if target not in before.last_visits:
        raise Conflict(f"state '{target}' was never entered; use goto", code="not_visited")
    state, name = compiled.states[target], command.arguments.get("task")
    known = [task.name for task in state.graph or ()]
    if state.graph is None and (state.work is None or name is not None):
        raise Invalid(f"state '{target}' has no such work to replay alone", code="no_work")
    if state.graph is not None and name not in known:
        raise Invalid(
            f"state '{target}' has several tasks; name the one to replay in 'task'",
            code="unknown_task",
            tasks=known,
        )
    task = state.task(name) if name is not None else None
    action = compiled.actions[task.action if task is not None else str(state.work)]
    if action.kind not in REPLAYED_ALONE or (task is not None and task.each is not None):
        raise Invalid(
            f"work of type '{action.kind}', or over a list, is not replayed alone; "
            "replay with what comes after it",
            code="not_alone",
        )
    note(draft, command, state=target, alone=True)
    order_replay(Digest(compiled, draft), action, target, name)
    draft.close_record()
    return True


def _check_target(compiled: Compiled, execution: Execution, command: Control, state: str) -> None:
    _refuse_when_paused(command, execution)
    if state not in compiled.states or state == "init":
        raise Invalid(
            f"the blueprint has no state '{state}' that can be entered",
            code="unknown_state",
            states=[name for name in compiled.states if name != "init"][:100],
        )
