"""The formula: ``current x event -> action, next``; one input, fully digested, is one record.

The order inside a digest is rule R10 of the language: choose the row and apply ``set``; enter;
``always`` rows until none fires; ``start`` if due; issue the noted work of the state reached, where
``switch`` and ``map`` are microsteps themselves. Work of a state that was left in the same digest
is never issued.
"""

from collections.abc import Mapping
from typing import Any

from goflow_py.domain.execution import Execution, Task
from goflow_py.domain.names import (
    ALWAYS,
    CONTINUE,
    DONE,
    ENGINE_EVENTS,
    ERROR,
    NAME,
    START,
    SUCCESS,
    TIMEOUT,
)
from goflow_py.expression import Template, budget
from goflow_py.fsm import errands, tasks, timers, undo, work
from goflow_py.fsm.compile import Compiled
from goflow_py.fsm.draft import Draft
from goflow_py.fsm.guard import MICROSTEPS_MAX, MicrostepLimit, as_error
from goflow_py.fsm.machine import fire
from goflow_py.fsm.rows import INSTANT, LABELLING, CompiledRow, CompiledState

VISITS_MAX = 100_000
"""Entries into states in one execution: its history has an end, whatever its blueprint says."""
DONE_MAX = 1_000
"""Pieces of work with an ``undo`` in one execution: they are kept until its end."""

Noted = Mapping[str, Any]
"""Work not issued yet: ``{"start": True}``, ``{"own": True}`` or ``{"action": name}``."""
Changes = Mapping[str, Any]
"""What ``set`` gives variables."""


class Digest:
    """One input on its way through the table. Guards and ``set`` raise ``ExpressionFailed``."""

    __slots__ = ("compiled", "draft", "microsteps", "noted", "respond", "visit_before")

    def __init__(self, compiled: Compiled, draft: Draft) -> None:
        self.compiled = compiled
        self.draft = draft
        self.noted: Noted | None = None
        self.respond: Any = None
        self.microsteps = 0
        self.visit_before = draft.after.visit
        budget.begin(draft.after.project)

    # ------------------------------------------------------------ happenings

    def raise_event(self, name: str, *, stays: bool = False) -> bool:
        """Take the first row for *name*, if one fires; tell whether one did.

        With *stays*, a row without ``next`` leaves nothing: no work has ended.
        """
        row = self.row_for(name)
        if row is None:
            return False
        is_bare = stays and row.next is None and row.action is None and not row.reenter
        self.take(row, name, internal=is_bare)
        return True

    def outcome(self, name: str, task: Task | None = None) -> None:
        """Go on after work ended as *name*, or raise a timer's event (R4 where no row fires)."""
        timer = task is None and name not in (SUCCESS, ERROR, TIMEOUT)
        # A worker may not choose a name that the blueprint takes only from outside.
        declared = self.compiled.blueprint.events or ()
        is_forbidden = name in declared and task is not None and task.kind in LABELLING
        if not is_forbidden and self.raise_event(name, stays=timer):
            return
        state = self.state
        if ALWAYS in state.events and self._always():
            return
        match name:
            case "success":
                self._succeed(state)
            case "error":
                self.fail(self.draft.after.error or {"code": ERROR, "message": "the work failed"})
            case "timeout":
                self._raise_error(TIMEOUT, f"state '{state.name}' timed out", task)
            case _ if task is not None and task.kind == "wait":
                self.outcome(SUCCESS, task)
            case _:
                self._raise_error(
                    "unknown_label",
                    f"state '{state.name}' has no row for '{name[:64]}'; add it, or 'error'",
                    task,
                )

    def settle(self) -> None:
        """Run microsteps until there is nothing left to do at once; then issue the noted work."""
        execution = self.draft.after
        while not (execution.ended or execution.unwinding):
            state = self.state
            if ALWAYS in state.events and self._always():
                continue
            noted = self.noted
            if noted is None or "delay" in execution.timers:
                return
            self.noted = None
            if state.subscribe is not None and errands.set_up(self, noted):
                continue
            if "start" in noted and not self._start(state):
                continue
            action = noted.get("action")
            if action is None and state.graph is not None:
                goes_on = self.go_on_with_tasks()
            else:
                goes_on = self._issue(state, action or state.work)
            if not goes_on:
                return

    # ------------------------------------------------------------ rows

    @property
    def state(self) -> CompiledState:
        """Return the state in which the execution is now."""
        return self.compiled.states[self.draft.after.state]

    def row_for(self, event: str) -> CompiledRow | None:
        """Return the first row of (current state, *event*) whose guard is true.

        A final state is never left by one (R5).
        """
        state = self.state
        if state.final or event not in state.events:
            return None
        return fire(self.compiled.machine, state.name, event, self.draft.document)

    def take(self, row: CompiledRow, event: str, *, internal: bool = False) -> None:
        """Take *row*: set variables, and enter its next state unless it stays where it is."""
        self._count_microstep()
        changes = self._set(row.set) if row.set else None
        state = self.draft.after.state
        restarts = event == START and row.next == state
        if internal or restarts:
            self._note_in_place(row, event, changes)
        else:
            self.enter(row.next or state, event=event, row=row, changes=changes)
        if row.respond is not None:
            self.respond = row.respond.render(self.draft.document())

    def _note_in_place(self, row: CompiledRow, event: str, changes: Changes | None) -> None:
        """Leave and enter nothing: same visit, same timers (R2a, R7)."""
        execution = self.draft.after
        fields: dict[str, Any] = {
            "from": execution.state,
            "event": event,
            "action": row.action or CONTINUE,
            "to": execution.state,
            "visit": execution.visit,
            "entered": False,
        }
        if changes:
            fields["data"] = changes
        self.draft.add("transition", **fields)
        if event == START:
            self.noted = {"action": row.action} if row.action else {"own": True}

    def enter(
        self,
        target: str,
        *,
        event: str,
        row: CompiledRow | None = None,
        action: str | None = None,
        changes: Changes | None = None,
    ) -> None:
        """Leave the state (R8), enter *target*: a new visit, its timers armed, its work noted."""
        draft, execution = self.draft, self.draft.after
        action = row.action if row is not None else action
        if self.state.has_surroundings:
            errands.leave(self, event)
        work.leave(draft, self.compiled.actions)
        state = self.compiled.states[target]
        fields: dict[str, Any] = {
            "from": execution.state,
            "event": event,
            "action": action or CONTINUE,
            "to": target,
            "visit": execution.visit + 1,
            "entered": True,
        }
        if changes:
            fields["data"] = changes
        if state.business_status is not None:
            fields["businessStatus"] = state.business_status
        draft.add("transition", **fields)
        self.noted = {"action": action} if action else {"start": True}
        if state.notify is not None:
            errands.notify(self, "entered", event)
        if state.final in ("failed", "cancelled"):
            self._end_without_work(state)
        elif (broken := _over_limit(execution, state)) is not None:
            self.fail(broken)
        else:
            if state.timers:
                timers.arm_timers(draft, state)
            if row is not None and row.delay is not None:
                timers.set_timer(draft, "delay", row.delay, noted=dict(self.noted))

    def _always(self) -> bool:
        row = None if self.draft.after.ended else self.row_for(ALWAYS)
        if row is None or row.next == self.draft.after.state:
            return False
        self.take(row, ALWAYS)
        return True

    def _count_microstep(self) -> None:
        self.microsteps += 1
        if self.microsteps > MICROSTEPS_MAX:
            raise MicrostepLimit

    def _set(self, templates: Mapping[str, Template]) -> Changes:
        document = self.draft.document()
        return {name: template.render(document) for name, template in templates.items()}

    # ------------------------------------------------------------ work

    def _start(self, state: CompiledState) -> bool:
        """Raise ``start``; tell whether, without a row, the state's own work begins (R3)."""
        if START in state.events and self.raise_event(START):
            return False
        if state.has_work or state.final:
            return True
        if state.only_always and not state.waits:
            self._raise_error("no_branch", f"no 'always' row of state '{state.name}' is true")
        elif not state.waits:
            self.outcome(SUCCESS)
        return False

    def go_on_with_tasks(self) -> bool:
        """Begin the tasks of the graph that may begin; tell whether the join was decided."""
        joined = tasks.advance(self.compiled, self.draft, self.state)
        if joined is None:
            return False
        if joined.is_own and joined.failure is not None:
            error = work.error_value(self.draft, **joined.failure)
            self.draft.add("errorRaised", error=error)
        self.outcome(SUCCESS if joined.failure is None else ERROR)
        return True

    def _issue(self, state: CompiledState, name: str | None) -> bool:
        """Begin the work *name*; tell whether the digest goes on at once."""
        if name is None:
            # Own work that does not exist: a final state ends, any other has simply succeeded.
            if state.final or not state.waits:
                self.outcome(SUCCESS)
                return True
            return False
        action = self.compiled.actions[name]
        if action.kind in INSTANT:
            self._count_microstep()
        task = work.schedule(self.draft, action)
        if task.outcome is None and action.kind in INSTANT:
            work.run_instant(self.draft, action, task)
        elif task.outcome is None and action.kind == "undo":
            undo.go_on(self)
            task = self.draft.after.tasks[task.name]
        if task.outcome is None or self.draft.after.ended:
            return False
        self.outcome_of(task)
        return True

    def outcome_of(self, task: Task) -> None:
        """Go on after *task* ended; a switch without a row for its value takes ``default``."""
        name = str(task.outcome)
        if self.draft.after.unwinding or "undoes" in task.facts:
            undo.undone(self, task)
            return
        if task.name == errands.SETUP:
            errands.was_set_up(self, task)
            return
        if not task.single:
            self.go_on_with_tasks()
            return
        if task.kind == "switch" and task.error is None:
            # The value is often a user's: it names a row of the author's, none of the engine's.
            named = NAME.match(name) and (name not in ENGINE_EVENTS or name in (SUCCESS, TIMEOUT))
            if (named and self.raise_event(name)) or self.raise_event("default") or self._always():
                return
            message = (
                f"state '{self.state.name}' has no row for '{name[:64]}' and none for 'default'"
            )
            self._raise_error("no_branch", message, task)
            return
        self.outcome(name, task)

    # ------------------------------------------------------------ ends

    def _succeed(self, state: CompiledState) -> None:
        if state.final == "completed":
            self.end("completed", output=self._result())
        else:
            self.enter(DONE, event=SUCCESS)

    def _raise_error(self, code: str, message: str, task: Task | None = None) -> None:
        error = work.error_value(self.draft, code, message, task)
        self.draft.add("errorRaised", error=error)
        self.outcome(ERROR, task)

    def _end_without_work(self, state: CompiledState) -> None:
        error = self.draft.after.error
        if state.final == "failed" and error is None:
            message = f"the blueprint leads to '{state.name}'"
            error = work.error_value(self.draft, "failed_by_blueprint", message)
        error = error if state.final == "failed" else None
        output = self._result() if state.output is not None else None
        self.end(str(state.final), error=error, output=output)

    def fail(
        self, error: Mapping[str, Any], *, undigested: Mapping[str, Any] | None = None
    ) -> None:
        """Fail at the current state; ``retry`` goes on there, or digests *undigested* again."""
        value = {"action": None, **error, "state": self.draft.after.state}
        if undigested is None and not self.draft.after.tasks:
            undigested = {"noted": dict(self.noted or self.draft.after.noted or {"start": True})}
        errands.notify(self, "failed", str(value.get("code")))
        self.end("failed", error=value, undigested=undigested)

    def fail_at_limit(self) -> None:
        """Fail because one event took too many rows."""
        self.fail(as_error(self.draft, MicrostepLimit()), undigested={"noted": {"start": True}})

    def end(
        self,
        status: str,
        *,
        error: Mapping[str, Any] | None = None,
        output: Any = None,
        undigested: Mapping[str, Any] | None = None,
    ) -> None:
        """End the execution: timers and work are closed, kept events are ignored with a reason."""
        draft = self.draft
        self.noted = None
        if status != "failed" and self.state.has_surroundings:
            errands.leave(self, status)
        work.leave(draft, self.compiled.actions, everything=True)
        for kept in draft.after.deferred:
            self._ignore(kept, kept["seq"])
        for held in draft.after.held:
            self._ignore(held["input"], held["seq"])
        fields: dict[str, Any] = {}
        if error is not None:
            fields["error"] = error
        if undigested is not None:
            fields["undigested"] = undigested
        if output is not None or status == "completed":
            fields["output"] = output
        draft.add("ended", status=status, **fields)

    def _ignore(self, kept: Mapping[str, Any], seq: int) -> None:
        """Record that an event, or an outcome, that was kept is not taken any more."""
        name = kept.get("name") or kept.get("task")
        self.draft.add("eventIgnored", name=name, id=kept.get("id"), reason="ended", deferred=seq)

    def _result(self) -> Any:
        """Return the execution's output: its template's, or the newest output of its states."""
        template = self.state.output or self.compiled.output
        if template is not None:
            return template.render(self.draft.document())
        outputs = self.draft.after.outputs
        return outputs[next(reversed(outputs))]["output"] if outputs else None


def _over_limit(execution: Execution, state: CompiledState) -> dict[str, Any] | None:
    """Return the error of an execution that has just entered *state* once too often."""
    if state.max_visits is not None and execution.visits[state.name] > state.max_visits:
        message = f"state '{state.name}' was entered more than {state.max_visits} times"
        return {"code": "max_visits", "message": message}
    if execution.visit > VISITS_MAX:
        message = f"more than {VISITS_MAX} states were entered"
        return {"code": "max_visits", "message": message}
    if len(execution.done) > DONE_MAX:
        message = f"more than {DONE_MAX} pieces of work would have to be undone"
        return {"code": "too_many_undos", "message": message}
    return None
