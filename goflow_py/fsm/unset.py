"""Values that are read where nothing can have set them.

A name of the document is a state: it is there from the end of the state's work on. Of a graph, what
a task needs is there before it begins; what it does not need may be there or not.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from goflow_py.domain.names import ANY_STATE, INIT, ROOTS, START, did_you_mean
from goflow_py.expression import Expression, Path, Template, parse_path
from goflow_py.fsm.compile import Compiled
from goflow_py.fsm.findings import Finding, warning
from goflow_py.fsm.graph import Paths, components
from goflow_py.fsm.rows import INSTANT, CompiledAction, CompiledRow, CompiledState, CompiledTask

Part = Expression | Template | None
NOTHING: frozenset[str] = frozenset()


class _Reader(NamedTuple):
    """A task of a graph that reads names of the document."""

    name: str
    before: frozenset[str]
    """The tasks whose outputs are there when it begins."""
    sees: frozenset[str] = NOTHING
    """What an item sees beside the context."""


class _Use(NamedTuple):
    """Where names of the document are read, and in which states that happens.

    A tuple, since there is one for nearly every action.
    """

    pointer: str
    roots: frozenset[str]
    parts: Sequence[Expression | Template]
    states: Sequence[str]
    later: bool = False
    """Read when the state's own work has ended: its own output is there."""
    onward: bool = False
    """Read in these states, or in any that comes after."""
    reader: _Reader | None = None


def unset_data(paths: Paths) -> Iterator[Finding]:
    """Warn of values that no path sets before they are read."""
    uses = [use for use in _uses(paths) if use.roots - ROOTS]
    if not uses:
        return
    order, rank = _order(paths), {name: number for number, name in enumerate(paths.before)}
    said: set[tuple[str, str]] = set()
    for use in uses:
        reached = [name for name in use.states if name in rank]
        if not reached:
            continue
        nearest = reached[0] if len(reached) == 1 else min(reached, key=rank.__getitem__)
        for why in _reasons(paths, use, reached, nearest, order):
            if (use.pointer, why) not in said:
                said.add((use.pointer, why))
                yield warning("unset_data", use.pointer, why, path=paths.to(nearest))


def _reasons(
    paths: Paths, use: _Use, reached: Sequence[str], nearest: str, order: "_Order"
) -> Iterator[str]:
    """Yield why names that *use* reads are set by nothing."""
    states, parts = paths.compiled.states, order.bits(reached)
    seen = ROOTS if use.reader is None else ROOTS | use.reader.sees
    for root in sorted(use.roots - seen):
        why = _why_unset(paths, root, nearest)
        if why is None and not (use.later and root in reached):
            if not order.may_precede(root, parts) and not (
                use.onward and order.may_follow(root, reached)
            ):
                why = f"'{root}.output' is read, and nothing sets it before '{nearest}'"
        if why is not None:
            yield why
        elif states[root].graph is not None:
            yield from _unset_tasks(use, states[root], is_single=bool(paths.single[root]))


def _why_unset(paths: Paths, root: str, state: str) -> str | None:
    """Return why nothing ever sets a name of the document, if that is so."""
    states = paths.compiled.states
    if root not in states:
        near = did_you_mean(root, [*states, *ROOTS])
        return f"'{root}' is no state, so nothing ever sets it{near}"
    if not paths.work[root]:
        return f"'{root}.output' is read in '{state}', but state '{root}' has no work"
    return None


# ---------------------------------------------------------------- the order of states


@dataclass(frozen=True, slots=True)
class _Order:
    """Which states can come before which, as bits: one word of Python for each part."""

    part: Mapping[str, int]
    behind: list[int] = field(default_factory=list)
    """Of each part: the parts that can come behind it, itself only when it is a cycle."""

    def bits(self, states: Iterable[str]) -> int:
        """Return the parts of *states*."""
        bits = 0
        for state in states:
            bits |= 1 << self.part[state]
        return bits

    def may_precede(self, first: str, seconds: int) -> bool:
        """Tell whether a path leads from *first* into one of the parts *seconds*."""
        return first in self.part and bool(self.behind[self.part[first]] & seconds)

    def may_follow(self, second: str, firsts: Iterable[str]) -> bool:
        """Tell whether a path leads from one of *firsts* to *second*."""
        if second not in self.part:
            return False
        bit = 1 << self.part[second]
        return any(self.behind[self.part[first]] & bit for first in firsts)


def _order(paths: Paths) -> _Order:
    links = {
        name: [edge.target for edge in found if edge.enters] for name, found in paths.edges.items()
    }
    parts = components(links, INIT)
    order = _Order({name: number for number, part in enumerate(parts) for name in part})
    for number, part in enumerate(parts):
        # The parts behind this one are done already.
        bits = 0
        for name in part:
            for target in links[name]:
                other = order.part[target]
                bits |= 1 << other
                bits |= order.behind[other] if other != number else 0
        order.behind.append(bits)
    return order


# ---------------------------------------------------------------- the tasks of a graph


def _unset_tasks(use: _Use, state: CompiledState, *, is_single: bool) -> Iterator[str]:
    """Yield what is wrong with the tasks of *state* whose outputs are read by their names."""
    names = [task.name for task in state.graph or ()]
    reader = use.reader if state.name in use.states else None
    for path in _paths_in(use.parts):
        task = path.steps[1] if len(path.steps) > 1 else None
        if path.root != state.name or not isinstance(task, str) or task == "output":
            continue
        if task not in names:
            near = did_you_mean(task, names)
            yield f"'{path.text}' is read, and state '{state.name}' has no task '{task}'{near}"
        elif reader is not None and task not in reader.before and not is_single:
            yield f"'{path.text}' is read by task '{reader.name}', which does not need '{task}'"


def _reader(task: CompiledTask, state: CompiledState, compiled: Compiled) -> _Reader:
    """Return *task* with what is there when it begins: what it needs, and what took no time."""
    needs = {one.name: one.needs for one in state.graph or ()}
    found: set[str] = set()
    waiting = list(task.needs)
    for one in state.graph or ():
        if one is task:
            break
        if not one.needs and is_instant(one, compiled):
            waiting.append(one.name)
    while waiting:
        name = waiting.pop()
        if name in needs and name not in found:
            found.add(name)
            waiting += needs[name]
    return _Reader(task.name, frozenset(found))


def is_instant(task: CompiledTask, compiled: Compiled) -> bool:
    """Tell whether a task ends at once when it begins."""
    action = compiled.actions.get(task.action)
    return action is not None and action.kind in INSTANT


def _paths_in(parts: Iterable[Part]) -> Iterator[Path]:
    """Yield the paths that are written as such; expressions are read as far as they are paths."""
    waiting: list[Any] = []
    for part in parts:
        if isinstance(part, Expression):
            if part.path is not None:
                yield part.path
        elif part is not None and not part.constant:
            waiting.append(part.value)
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, str) and (path := parse_path(value)) is not None:
            yield path


# ---------------------------------------------------------------- where names are read


def _uses(paths: Paths) -> Iterator[_Use]:
    compiled = paths.compiled
    for row in compiled.rows:
        yield from _uses_of_row(row, compiled)
    yield from _uses_of_actions(paths)
    finals = []
    for state in compiled.states.values():
        if state.final == "completed":
            finals.append(state.name)
        if state.timers:
            times = [time for timer in state.timers for time in (timer.delay, timer.at)]
            timers = [time for time in times if isinstance(time, Template)]
            yield from _use(state.source, timers, (state.name,))
        if state.output is not None:
            yield from _use(f"{state.source}/output", [state.output], (state.name,), later=True)
    yield from _use("/output", [compiled.output], tuple(finals), later=True)
    yield from _use("/key", [compiled.key], (INIT,))


def _uses_of_row(row: CompiledRow, compiled: Compiled) -> Iterator[_Use]:
    parts: list[Part] = [row.when, row.respond, *(row.set or {}).values()]
    if not any(parts):
        return
    if row.current == ANY_STATE:
        states = tuple(name for name, state in compiled.states.items() if not state.final)
    else:
        states = (row.current,)
    yield from _use(row.source, parts, states, later=row.event != START)


def _uses_of_actions(paths: Paths) -> Iterator[_Use]:
    compiled = paths.compiled
    tasks: dict[str, list[_Place]] = {}
    for state in compiled.states.values():
        for task in state.graph or ():
            yield from _uses_of_task(task, state, compiled, tasks)
    places = _places(paths)
    for number, model in enumerate(compiled.blueprint.actions):
        if model.name not in places and model.name not in tasks:
            continue
        action, pointer = compiled.actions[model.name], f"/actions/{number}"
        parts = _parts_of_action(action)
        states = places.get(model.name, ())
        yield from _use(pointer, parts, states)
        if action.output is not None:
            yield from _use(f"{pointer}/output", [action.output], states, later=True)
        for place in tasks.get(model.name, ()):
            yield from _use(pointer, parts, place.states, later=place.later, reader=place.reader)
            if action.output is not None:
                more = {"later": place.later, "reader": place.reader}
                yield from _use(f"{pointer}/output", [action.output], place.states, **more)
    yield from _uses_around(paths)


class _Place(NamedTuple):
    """A task of a graph in which an action is done."""

    states: Sequence[str]
    reader: _Reader
    later: bool


def _uses_of_task(
    task: CompiledTask, state: CompiledState, compiled: Compiled, places: dict[str, list[_Place]]
) -> Iterator[_Use]:
    """Yield what the task itself reads, and add the place that it is for its action."""
    states, reader = (state.name,), _reader(task, state, compiled)
    later = bool(reader.before)
    for what, part in (("when", task.when), ("each", task.each)):
        if part is not None:
            pointer = f"{task.source}/{what}"
            yield from _use(pointer, [part], states, later=later, reader=reader)
    if task.each is not None:
        # The outputs of the items before it are there.
        before = reader.before | {task.name}
        reader = _Reader(task.name, before, frozenset({task.item, "index"}))
    place = _Place(states, reader, bool(reader.before))
    places.setdefault(task.action, []).append(place)
    if task.assigned_to is not None:
        pointer = f"{task.source}/assignedTo"
        yield from _use(pointer, [task.assigned_to], states, later=place.later, reader=reader)


def _places(paths: Paths) -> Mapping[str, Sequence[str]]:
    """Return the states in which each action can be the only work, or the setup."""
    places: dict[str, list[str]] = {}
    for name, work in paths.single.items():
        for one in work:
            places.setdefault(one, []).append(name)
    for state in paths.compiled.states.values():
        if state.subscribe is not None and state.subscribe.setup is not None:
            places.setdefault(state.subscribe.setup, []).append(state.name)
    return places


def _uses_around(paths: Paths) -> Iterator[_Use]:
    """Yield what teardowns read, and what compensation does: it comes at any time after."""
    compiled = paths.compiled
    torn: dict[str, list[str]] = {}
    undone: dict[str, list[str]] = {}
    for state in compiled.states.values():
        if state.subscribe is not None and state.subscribe.teardown is not None:
            torn.setdefault(state.subscribe.teardown, []).append(state.name)
        for name in paths.work[state.name]:
            undo = compiled.actions[name].model.undo
            if undo is not None:
                undone.setdefault(undo, []).append(state.name)
    if not torn and not undone:
        return
    for number, model in enumerate(compiled.blueprint.actions):
        if model.name not in torn and model.name not in undone:
            continue
        action, pointer = compiled.actions[model.name], f"/actions/{number}"
        parts = [*_parts_of_action(action), action.output]
        yield from _use(pointer, parts, torn.get(model.name, ()), later=True)
        yield from _use(pointer, parts, undone.get(model.name, ()), later=True, onward=True)


def _parts_of_action(action: CompiledAction) -> list[Part]:
    parts: list[Part] = [action.input, action.expression]
    for more in (action.templates, action.set, action.query):
        if more:
            parts += more.values()
    return parts


def _use(pointer: str, parts: Sequence[Part], states: Sequence[str], **more: Any) -> Iterator[_Use]:
    known = [part for part in parts if isinstance(part, (Expression, Template))]
    roots = known[0].roots if len(known) == 1 else NOTHING.union(*(part.roots for part in known))
    if roots:
        yield _Use(pointer, roots, known, states, **more)
