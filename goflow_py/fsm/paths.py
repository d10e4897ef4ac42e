"""What the paths through a blueprint show: states without a way in or out, values nobody has set.

Each finding has a shortest path that shows it. The graph has every path that can be taken, and
perhaps more (guards are not weighed), so what is said to be out of reach is so for certain.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from goflow_py.domain.names import (
    ALWAYS,
    ANY_STATE,
    CANCEL,
    INIT,
    RESERVED_STATES,
    ROOTS,
    START,
    SUCCESS,
    did_you_mean,
)
from goflow_py.expression import Expression, Template
from goflow_py.fsm.compile import Compiled, awaited
from goflow_py.fsm.findings import Finding, warning
from goflow_py.fsm.graph import (
    Edges,
    Links,
    Work,
    components,
    edges_of,
    is_decided,
    is_passed,
    links_of,
    open_work,
    path_to,
    reverse,
    search,
)
from goflow_py.fsm.rows import CALLS, CompiledAction, CompiledRow, CompiledState

FINDINGS_A_CODE_MAX = 100
"""Of one kind; one more says that there are others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """The graph of a blueprint, and what can be reached in it."""

    compiled: Compiled
    work: Work
    edges: Edges
    links: Links
    before: Mapping[str, str | None]
    """Every state that ``init`` reaches, with the one before it on a shortest path."""

    def to(self, state: str) -> tuple[str, ...]:
        """Return the shortest path from ``init``."""
        return path_to(self.before, state)


def paths_of(compiled: Compiled) -> Paths:
    """Walk the table, which has to be whole: every name in it declared."""
    work = open_work(compiled)
    edges = edges_of(compiled, work)
    links = links_of(edges)
    return Paths(
        compiled=compiled, work=work, edges=edges, links=links, before=search(links, [INIT])
    )


def path_findings(paths: Paths) -> Iterator[Finding]:
    """Yield all that the paths show."""
    for found in (_unreachable(paths), _dead_ends(paths), _undecided(paths), _unset(paths)):
        yield from _limited(found)


def _limited(findings: Iterable[Finding]) -> Iterator[Finding]:
    for count, finding in enumerate(findings):
        if count < FINDINGS_A_CODE_MAX:
            yield finding
            continue
        message = f"there are more than {FINDINGS_A_CODE_MAX} findings '{finding.code}'"
        yield replace(finding, pointer="", message=message, path=(), fix=None)
        return


# ---------------------------------------------------------------- ways in and out


def unreachable(paths: Paths) -> list[str]:
    """Return the states that no path from ``init`` reaches."""
    return [
        name
        for name in paths.compiled.states
        if name not in paths.before and name not in RESERVED_STATES
    ]


def dead_ends(paths: Paths) -> list[str]:
    """Return the states that can be reached, and from which no final state can be."""
    finals = [name for name, state in paths.compiled.states.items() if state.final]
    alive = search(reverse(paths.links), finals)
    return [name for name in paths.before if name not in alive]


def _unreachable(paths: Paths) -> Iterator[Finding]:
    lost = unreachable(paths)
    if not lost:
        return
    back = reverse(paths.links)
    # Where a part that cannot be reached begins: there a row is missing.
    roots = [name for name in lost if all(source == name for source in back[name])]
    before = search(paths.links, roots)
    for name in lost:
        path = path_to(before, name) if name in before else (name,)
        yield warning(
            "unreachable_state",
            paths.compiled.states[name].source,
            f"no row leads from 'init' to state '{name}'",
            path=path,
            fix=f"lead a row to '{path[0]}', or remove it",
        )


def _dead_ends(paths: Paths) -> Iterator[Finding]:
    dead = dead_ends(paths)
    for name in dead:
        if name == INIT and len(dead) > 1:
            continue  # the states behind it say more
        yield warning(
            "dead_end",
            paths.compiled.states[name].source,
            f"no final state can be reached from '{name}': the execution fails there, is "
            "cancelled, or never ends",
            path=paths.to(name),
            fix="lead a row to 'done', or to another final state",
        )


# ---------------------------------------------------------------- guards


def _undecided(paths: Paths) -> Iterator[Finding]:
    """Warn where all rows of an outcome have guards: without one that is true, R4 decides."""
    compiled = paths.compiled
    for (name, event), rows in compiled.table.items():
        state = compiled.states[name]
        if state.final or name not in paths.before or is_decided(rows):
            continue
        falls = _falls(paths, state, event)
        if falls is not None:
            message = f"every row of ({name}, {event}) has a 'when'; when none is true, {falls}"
            fix = "add a row without 'when' behind them"
            yield warning("no_default_row", rows[-1].source, message, path=paths.to(name), fix=fix)


def _falls(paths: Paths, state: CompiledState, event: str) -> str | None:
    """Return what happens when no guard of (state, event) is true, if that may surprise."""
    compiled = paths.compiled
    if event == ALWAYS:
        lost = state.only_always and not paths.work[state.name]
        return "the execution has no way on: error 'no_branch'" if lost else None
    if event in (START, CANCEL) or is_passed(compiled, state.name):
        return None
    match event:
        case "success":
            return "the execution goes to 'done'"
        case "error":
            return "the execution fails there"
        case "timeout":
            return "it counts as 'error'"
        case _:
            return _falls_as_label(paths, state, event)


def _falls_as_label(paths: Paths, state: CompiledState, event: str) -> str | None:
    compiled = paths.compiled
    actions = [compiled.actions[name] for name in paths.work[state.name]]
    if any(action.kind == "wait" and event in awaited(action) for action in actions):
        ends = not is_decided(compiled.table.get((state.name, SUCCESS), ()))
        return "the wait ends all the same, as 'success'" if ends else None
    kinds = {action.kind for action in actions}
    # A name that may come from outside is refused with 409 then, and that is as it should be.
    if event in state.outside:
        return None
    if "switch" in kinds and not is_decided(compiled.table.get((state.name, "default"), ())):
        return "the switch has no branch: error 'no_branch'"
    return "it is an unknown label: error 'unknown_label'" if kinds & CALLS else None


# ---------------------------------------------------------------- values that nobody has set


class _Use(NamedTuple):
    """Where names of the document are read, and in which states that happens.

    A tuple, since there is one for nearly every action.
    """

    pointer: str
    roots: frozenset[str]
    states: tuple[str, ...]
    later: bool = False
    """Read when the state's own work has ended: its own output is there."""


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


def _unset(paths: Paths) -> Iterator[Finding]:
    uses = [use for use in _uses(paths) if use.roots - ROOTS]
    if not uses:
        return
    order, rank = _order(paths), {name: number for number, name in enumerate(paths.before)}
    for use in uses:
        reached = [name for name in use.states if name in rank]
        if not reached:
            continue
        nearest = reached[0] if len(reached) == 1 else min(reached, key=rank.__getitem__)
        parts = order.bits(reached)
        for root in sorted(use.roots - ROOTS):
            why = _why_unset(paths, root, nearest)
            if why is None and (use.later and root in reached):
                continue
            if why is not None or not order.may_precede(root, parts):
                why = why or f"'{root}.output' is read, and nothing sets it before '{nearest}'"
                yield warning("unset_data", use.pointer, why, path=paths.to(nearest))


def _why_unset(paths: Paths, root: str, state: str) -> str | None:
    """Return why nothing ever sets a name of the document, if that is so."""
    states = paths.compiled.states
    if root not in states:
        near = did_you_mean(root, [*states, *ROOTS])
        return f"'{root}' is no state, so nothing ever sets it{near}"
    if not paths.work[root]:
        return f"'{root}.output' is read in '{state}', but state '{root}' has no work"
    return None


def _uses(paths: Paths) -> Iterator[_Use]:
    compiled = paths.compiled
    for row in compiled.rows:
        yield from _uses_of_row(row, compiled)
    places: dict[str, list[str]] = {}
    for name, work in paths.work.items():
        for one in work:
            places.setdefault(one, []).append(name)
    for number, model in enumerate(compiled.blueprint.actions):
        action, pointer = compiled.actions[model.name], f"/actions/{number}"
        states = tuple(places.get(model.name, ()))
        yield from _use(pointer, _parts_of_action(action), states)
        if action.output is not None:
            yield from _use(f"{pointer}/output", [action.output], states, later=True)
    finals = []
    for state in compiled.states.values():
        if state.final == "completed":
            finals.append(state.name)
        if state.timers:
            timers = [part for timer in state.timers for part in (timer.delay, timer.at)]
            yield from _use(state.source, timers, (state.name,))
        if state.output is not None:
            yield from _use(f"{state.source}/output", [state.output], (state.name,), later=True)
    yield from _use("/output", [compiled.output], tuple(finals), later=True)
    yield from _use("/key", [compiled.key], (INIT,))


def _parts_of_action(action: CompiledAction) -> list[Expression | Template | None]:
    parts = [action.input, action.expression]
    for more in (action.templates, action.set, action.query):
        if more:
            parts += more.values()
    return parts


def _uses_of_row(row: CompiledRow, compiled: Compiled) -> Iterator[_Use]:
    parts = [row.when, row.respond, *(row.set or {}).values()]
    if not any(parts):
        return
    if row.current == ANY_STATE:
        states = tuple(name for name, state in compiled.states.items() if not state.final)
    else:
        states = (row.current,)
    yield from _use(row.source, parts, states, later=row.event != START)


def _use(
    pointer: str, parts: Iterable[object], states: tuple[str, ...], *, later: bool = False
) -> Iterator[_Use]:
    found = [part.roots for part in parts if isinstance(part, (Expression, Template))]
    roots = found[0] if len(found) == 1 else frozenset().union(*found)
    if roots:
        yield _Use(pointer, roots, states, later)


# ---------------------------------------------------------------- what a state accepts


def accepted(compiled: Compiled) -> dict[str, list[str]]:
    """Return the events from outside that each state accepts, where it accepts any."""
    work = open_work(compiled)
    found: dict[str, list[str]] = {}
    for name, state in compiled.states.items():
        if state.final:
            continue
        events = dict.fromkeys(state.outside)
        for action in work[name]:
            events |= dict.fromkeys(awaited(compiled.actions[action]))
        if events:
            found[name] = list(events)
    return found


__all__ = ["accepted", "dead_ends", "path_findings", "paths_of", "unreachable"]
