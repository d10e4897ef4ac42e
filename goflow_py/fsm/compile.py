"""A blueprint becomes rows, states and actions that can be asked; what does not parse is reported.

``on``, ``after`` and ``timeout`` are shorthand: they become rows here, after the rows of
``transitions``, in the order of rule R-order: transitions, ``on``, ``after``, each as written; rows
of ``*`` behind all rows of a named state.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from transitions import Machine

from goflow_py.domain.actions import (
    AnyAction,
    CallAction,
    DelayAction,
    MapAction,
    SwitchAction,
    WaitAction,
)
from goflow_py.domain.blueprint import Blueprint
from goflow_py.domain.names import (
    ALWAYS,
    ANY_STATE,
    CONTINUE,
    ENGINE_EVENTS,
    FINAL_STATES,
    INIT,
    TIMEOUT,
)
from goflow_py.domain.states import After, OnRow, Row, State
from goflow_py.errors import GoFlowError, Invalid
from goflow_py.expression import Expression, Template, compile_expression, compile_template
from goflow_py.fsm.collection import without_collection
from goflow_py.fsm.machine import build_machine
from goflow_py.fsm.rows import CompiledAction, CompiledRow, CompiledState, CompiledTimer

TABLE_ROWS_MAX = 100_000
"""With the rows of ``*`` counted once for each state."""

Report = Callable[[str, str, str], None]
"""Takes a finding's code, JSON pointer and message."""


@dataclass(frozen=True, kw_only=True)
class Compiled:
    """A blueprint version, ready to step executions."""

    blueprint: Blueprint
    version: int
    states: Mapping[str, CompiledState]
    actions: Mapping[str, CompiledAction]
    table: Mapping[tuple[str, str], tuple[CompiledRow, ...]]
    rows: tuple[CompiledRow, ...]
    output: Template | None = None
    key: Template | None = None
    doubts: tuple[tuple[str, str], ...] = ()
    """(pointer, sentence) of texts that are read otherwise than they look."""

    @cached_property
    def machine(self) -> Machine:
        """Return the shared machine; built when the first execution asks."""
        return build_machine(self.states, self.table)

    def takes_from_outside(self, event: str) -> bool:
        """Tell whether *event* may come from outside at all."""
        declared = self.blueprint.events
        return event not in ENGINE_EVENTS and (declared is None or event in declared)


def refuse(code: str, pointer: str, message: str) -> None:
    """Raise for what a stored blueprint cannot have, since its upload was checked."""
    raise Invalid(f"{pointer}: {message}", code=code)


@without_collection()
def compile_blueprint(
    blueprint: Blueprint,
    *,
    workers: Iterable[str],
    version: int = 0,
    report: Report = refuse,
) -> Compiled:
    """Compile; *workers* are the names that have a worker: they decide which states have work (R3).

    What does not parse goes to *report*; the result is then good for further checks only.
    """
    parse = _Parser(report)
    worker_names = frozenset(workers)
    objects = _all_states(blueprint)
    actions = {
        action.name: parse.action(action, f"/actions/{i}")
        for i, action in enumerate(blueprint.actions)
    }
    rows = tuple(_rows(blueprint, parse))
    table = _table(rows, objects, report)
    _implicit_actions(objects, actions, worker_names, parse)
    events: dict[str, list[str]] = {}
    for current, event in table:
        events.setdefault(current, []).append(event)
    return Compiled(
        blueprint=blueprint,
        version=version,
        states={
            name: _state(state, pointer, blueprint, actions, events.get(name, ()), parse)
            for name, (state, pointer) in objects.items()
        },
        actions=actions,
        table=table,
        rows=rows,
        output=parse.template(blueprint.output, "/output"),
        key=parse.template(blueprint.key, "/key"),
        doubts=tuple(parse.doubts),
    )


def _all_states(blueprint: Blueprint) -> dict[str, tuple[State, str]]:
    states = {INIT: (State(name=INIT), "/states")}
    for i, state in enumerate(blueprint.state_objects()):
        states.setdefault(state.name, (state, f"/states/{i}"))
        if state.name in (INIT, *FINAL_STATES):
            states[state.name] = (state, f"/states/{i}")
    for name in FINAL_STATES:
        states.setdefault(name, (State(name=name), "/states"))
    return states


def _implicit_actions(
    objects: Mapping[str, tuple[State, str]],
    actions: dict[str, CompiledAction],
    workers: frozenset[str],
    parse: "_Parser",
) -> None:
    """Give a state without an action of its name, but with a worker of its name, that call (R3)."""
    for name, (state, pointer) in objects.items():
        if state.do is None and name not in actions and name in workers:
            actions[name] = parse.action(CallAction(name=name), pointer)


# ---------------------------------------------------------------- rows


def _rows(blueprint: Blueprint, parse: "_Parser") -> Iterator[CompiledRow]:
    for i, row in enumerate(blueprint.transitions):
        pointer = f"/transitions/{i}"
        currents = [row.current] if isinstance(row.current, str) else row.current
        for current in dict.fromkeys(currents):
            yield parse.row(row, current, row.event, pointer)
    states = list(blueprint.state_objects())
    for i, state in enumerate(states):
        for event, target in state.on.items():
            pointer = f"/states/{i}/on/{_escape(event)}"
            for short, where in _on_rows(target, pointer):
                yield parse.row(short, state.name, event, where)
    for i, state in enumerate(states):
        for number, after in enumerate(state_timers(state)):
            if after.next is not None:
                pointer = (
                    f"/states/{i}/after/{number}"
                    if number < len(state.after)
                    else f"/states/{i}/timeout"
                )
                yield parse.row(
                    OnRow(next=after.next), state.name, timer_event(after, number), pointer
                )


def _on_rows(target: str | OnRow | list[OnRow], pointer: str) -> list[tuple[OnRow, str]]:
    if isinstance(target, str):
        return [(OnRow(next=target), pointer)]
    if isinstance(target, OnRow):
        return [(target, pointer)]
    return [(row, f"{pointer}/{i}") for i, row in enumerate(target)]


def state_timers(state: State) -> list[After]:
    """Return a state's timers: its ``after``, and its ``timeout`` as one more."""
    if state.timeout is None:
        return state.after
    last = state.timeout if isinstance(state.timeout, After) else After(delay=state.timeout)
    return [*state.after, last]


def timer_event(after: After, number: int) -> str:
    """Return the event that a timer raises.

    One that only names the next state has an event of its own; the space keeps it apart from every
    name that a blueprint can have.
    """
    return f"after {number}" if after.next is not None else (after.event or TIMEOUT)


def _table(
    rows: Iterable[CompiledRow], objects: Mapping[str, tuple[State, str]], report: Report
) -> dict[tuple[str, str], tuple[CompiledRow, ...]]:
    named: dict[tuple[str, str], list[CompiledRow]] = {}
    anywhere: dict[str, list[CompiledRow]] = {}
    for row in rows:
        if row.current == ANY_STATE:
            anywhere.setdefault(row.event, []).append(row)
        else:
            named.setdefault((row.current, row.event), []).append(row)
    if len(objects) * sum(map(len, anywhere.values())) > TABLE_ROWS_MAX:
        message = f"the rows of '*' make more than {TABLE_ROWS_MAX} with all states"
        report("too_many_rows", "/transitions", message)
        anywhere = {}
    for name, (state, _) in objects.items() if anywhere else ():
        if name == INIT or name in FINAL_STATES or state.final:
            continue
        for event, extra in anywhere.items():
            # An `always` row must name another state, and one of `*` cannot know which it is in.
            fitting = [row for row in extra if event != ALWAYS or row.next != name]
            named.setdefault((name, event), []).extend(fitting)
    return {key: tuple(found) for key, found in named.items() if found}


# ---------------------------------------------------------------- states


def _state(
    state: State,
    pointer: str,
    blueprint: Blueprint,
    actions: Mapping[str, CompiledAction],
    events: Sequence[str],
    parse: "_Parser",
) -> CompiledState:
    declared = blueprint.events
    timers = tuple(
        parse.timer(after, number, f"{pointer}/after/{number}")
        for number, after in enumerate(state_timers(state))
    )
    free = [event for event in events if event not in ENGINE_EVENTS and " " not in event]
    outside = [event for event in free if declared is None or event in declared]
    work = state.do or (state.name if state.name in actions else None)
    if work is not None and work not in actions:
        work = None
    return CompiledState(
        name=state.name,
        work=work,
        timers=timers,
        final=state.final or FINAL_STATES.get(state.name),
        output=parse.template(state.output, f"{pointer}/output"),
        defer=frozenset(state.defer),
        business_status=state.business_status,
        stage=state.stage,
        max_visits=state.max_visits,
        waits=bool(outside or timers),
        only_always=ALWAYS in events
        and not any(e not in (ALWAYS, "start", "error", "cancel") for e in events),
        labels=tuple(e for e in free if declared is None or e not in declared),
        outside=tuple(outside),
        source=pointer,
    )


def _escape(token: str) -> str:
    return token.replace("~", "~0").replace("/", "~1")


# ---------------------------------------------------------------- expressions


class _Parser:
    """Compiles texts, and reports those that do not parse, or read otherwise than they look."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self.doubts: list[tuple[str, str]] = []

    def _doubt(self, pointer: str, warnings: Iterable[str]) -> None:
        self.doubts += [(pointer, warning) for warning in warnings]

    def template(self, value: Any, pointer: str) -> Template | None:
        if value is None:
            return None
        try:
            template = compile_template(value)
        except GoFlowError as error:
            self._report("bad_expression", pointer, error.detail)
            return None
        self._doubt(pointer, template.warnings)
        return template

    def expression(self, text: str | None, pointer: str) -> Expression | None:
        if text is None:
            return None
        try:
            expression = compile_expression(text)
        except GoFlowError as error:
            self._report("bad_expression", pointer, error.detail)
            return None
        self._doubt(pointer, expression.warnings)
        return expression

    def templates(
        self, values: Mapping[str, Any] | None, pointer: str
    ) -> dict[str, Template] | None:
        if values is None:
            return None
        parsed = {
            name: compile_template(None)
            if value is None
            else self.template(value, f"{pointer}/{_escape(name)}")
            for name, value in values.items()
        }
        return {name: template for name, template in parsed.items() if template is not None}

    def row(self, row: Row | OnRow, current: str, event: str, pointer: str) -> CompiledRow:
        action = row.action or None
        return CompiledRow(
            current=current,
            event=event,
            next=row.next,
            action=None if action == CONTINUE else action,
            source=pointer,
            when=self.expression(row.when, f"{pointer}/when"),
            set=self.templates(row.set, f"{pointer}/set"),
            respond=self.template(row.respond, f"{pointer}/respond"),
            reenter=row.reenter,
            delay=row.delay,
        )

    def timer(self, after: After, number: int, pointer: str) -> CompiledTimer:
        delay = after.delay
        return CompiledTimer(
            name=f"after:{number}",
            event=timer_event(after, number),
            delay=self.template(delay, f"{pointer}/delay") if isinstance(delay, str) else delay,
            at=self.template(after.at, f"{pointer}/at"),
        )

    def action(self, model: AnyAction, pointer: str) -> CompiledAction:
        own: dict[str, Any] = {}
        match model:
            case CallAction():
                own = {"path": model.path}
            case DelayAction():
                own = {"seconds": model.seconds, "until": model.until}
            case MapAction():
                own = {"value": model.value}
            case _:
                pass
        return CompiledAction(
            model=model,
            input=self.template(model.input, f"{pointer}/input"),
            output=self.template(model.output, f"{pointer}/output"),
            expression=self.expression(
                model.expression if isinstance(model, SwitchAction) else None,
                f"{pointer}/expression",
            ),
            templates=self.templates({k: v for k, v in own.items() if v is not None}, pointer)
            or {},
            set=self.templates(model.set, f"{pointer}/set")
            if isinstance(model, MapAction)
            else None,
            query=self.templates(model.query, f"{pointer}/query")
            if isinstance(model, CallAction)
            else None,
        )


def awaited(action: CompiledAction) -> tuple[str, ...]:
    """Return the events that end the action, if it waits for any."""
    return action.model.awaited if isinstance(action.model, WaitAction) else ()
