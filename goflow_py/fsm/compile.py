"""A blueprint becomes rows, states and actions that can be asked; what does not parse is reported.

``on``, ``after`` and ``timeout`` are shorthand: they become rows here, after the rows of
``transitions``, in the order of rule R-order: transitions, ``on``, ``after``, each as written; rows
of ``*`` behind all rows of a named state.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from transitions import Machine

from goflow_py.domain.actions import (
    CallAction,
    WaitAction,
)
from goflow_py.domain.blueprint import Blueprint
from goflow_py.domain.names import (
    ALWAYS,
    ANY_STATE,
    ENGINE_EVENTS,
    FINAL_STATES,
    INIT,
)
from goflow_py.domain.states import After, OnRow, State
from goflow_py.errors import Invalid
from goflow_py.expression import Template
from goflow_py.fsm.collection import without_collection
from goflow_py.fsm.machine import build_machine
from goflow_py.fsm.parse import Parser, Report, escape, timer_event
from goflow_py.fsm.rows import CompiledAction, CompiledRow, CompiledState

TABLE_ROWS_MAX = 100_000
"""With the rows of ``*`` counted once for each state."""


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
    machines: Mapping[str, "Compiled"] = field(default_factory=dict)
    """The private machines, by name; each has them all, so that one can start another."""
    doubts: tuple[tuple[str, str], ...] = ()
    """(pointer, sentence) of texts that are read otherwise than they look."""

    @cached_property
    def machine(self) -> Machine:
        """Return the shared machine; built when the first execution asks."""
        return build_machine(self.states, self.table)

    @cached_property
    def kinds(self) -> frozenset[str]:
        """Return the types of its actions."""
        return frozenset(action.kind for action in self.actions.values())

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
    names = frozenset(workers)
    whole = _compile(blueprint, names, version, report)
    shared = {action.name: whole.actions[action.name] for action in blueprint.actions}
    machines: dict[str, Compiled] = {}
    for name in blueprint.machines:
        under = f"/machines/{escape(name)}"
        machines[name] = replace(
            _compile(
                machine_document(blueprint, name),
                names,
                version,
                _below(under, report, len(blueprint.machines[name].actions)),
                shared,
            ),
            machines=machines,
        )
    return replace(whole, machines=machines)


def machine_document(blueprint: Blueprint, name: str) -> Blueprint:
    """Return a private machine as a blueprint: its own actions come before the shared ones."""
    machine = blueprint.machines[name]
    own = {action.name for action in machine.actions}
    shared = [action for action in blueprint.actions if action.name not in own]
    return Blueprint.model_construct(
        _fields_set={"project", "activity", "states", "actions", "transitions"},
        project=blueprint.project,
        activity=blueprint.activity,
        description=machine.description,
        states=machine.states,
        actions=[*machine.actions, *shared],
        transitions=machine.transitions,
        workers=None,
        input=machine.input,
        output=machine.output,
        data=machine.data,
        events=blueprint.events,
        timeout=machine.timeout,
        key=None,
        retain=blueprint.retain,
        machines=blueprint.machines,
        meta=machine.meta,
    )


def _below(prefix: str, report: Report, own_actions: int) -> Report:
    """Return *report* for a machine: what shared actions have was reported with the blueprint."""

    def below(code: str, pointer: str, message: str) -> None:
        parts = pointer.split("/")
        if parts[1] != "actions" or int(parts[2]) < own_actions:
            report(code, prefix + pointer, message)

    return below


def _compile(
    blueprint: Blueprint,
    worker_names: frozenset[str],
    version: int,
    report: Report,
    shared: Mapping[str, CompiledAction] | None = None,
) -> Compiled:
    """Compile a blueprint, or a machine; *shared* are the actions that were compiled with it."""
    known = shared or {}
    parse = Parser(report)
    objects = _all_states(blueprint)
    actions = {
        action.name: known[action.name]
        if action.name in known and known[action.name].model is action
        else parse.action(action, f"/actions/{i}")
        for i, action in enumerate(blueprint.actions)
    }
    rows = tuple(_rows(blueprint, parse))
    table = _table(rows, objects, report)
    _implicit_actions(objects, actions, worker_names)
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
) -> None:
    """Give a state, or a task, without an action but with a worker of its name that call (R3)."""
    for name, (state, _) in objects.items():
        names = [task.do or task.name for task in state.tasks or ()]
        if state.do is None and state.tasks is None:
            names = [name]
        for own in names:
            if own not in actions and own in workers:
                # It has no texts of its own that could be compiled.
                actions[own] = CompiledAction(model=CallAction(name=own), kind="sync")


# ---------------------------------------------------------------- rows


def _rows(blueprint: Blueprint, parse: Parser) -> Iterator[CompiledRow]:
    for i, row in enumerate(blueprint.transitions):
        pointer = f"/transitions/{i}"
        currents = [row.current] if isinstance(row.current, str) else row.current
        for current in dict.fromkeys(currents):
            yield parse.row(row, current, row.event, pointer)
    states = list(blueprint.written_states())
    for i, state in states:
        for event, target in state.on.items():
            pointer = f"/states/{i}/on/{escape(event)}"
            for short, where in _on_rows(target, pointer):
                yield parse.row(short, state.name, event, where)
    for i, state in states:
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
    parse: Parser,
) -> CompiledState:
    declared = blueprint.events
    timers = tuple(
        [
            parse.timer(after, number, f"{pointer}/after/{number}")
            for number, after in enumerate(state_timers(state))
        ]
    )
    free = [event for event in events if event not in ENGINE_EVENTS and " " not in event]
    outside = [event for event in free if declared is None or event in declared]
    graph = None if state.tasks is None else parse.tasks(state.tasks, f"{pointer}/tasks")
    work = state.do or (state.name if state.name in actions else None)
    if graph is not None or (work is not None and work not in actions):
        work = None
    return CompiledState(
        name=state.name,
        work=work,
        graph=graph,
        join=_join(state),
        subscribe=state.subscribe,
        notify=state.notify,
        timers=timers,
        final=state.final or FINAL_STATES.get(state.name),
        output=None if state.output is None else parse.template(state.output, f"{pointer}/output"),
        defer=frozenset(state.defer),
        business_status=state.business_status,
        stage=state.stage,
        max_visits=state.max_visits,
        waits=bool(outside or timers),
        only_always=ALWAYS in events
        and not any(e not in (ALWAYS, "start", "error", "cancel") for e in events),
        labels=tuple(free if declared is None else [e for e in free if e not in declared]),
        outside=tuple(outside),
        events=frozenset(events),
        has_work=work is not None or graph is not None,
        has_surroundings=state.subscribe is not None or state.notify is not None,
        source=pointer,
    )


def _join(state: State) -> int | None:
    if state.join == "all":
        return None
    return 1 if state.join == "any" else state.join


def awaited(action: CompiledAction) -> tuple[str, ...]:
    """Return the events that end the action, if it waits for any."""
    return action.model.awaited if isinstance(action.model, WaitAction) else ()
