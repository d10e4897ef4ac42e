"""The table as a graph: which state can follow which, by what, and what work can be open in it.

Guards are taken to be true or false as they like, so the graph has every path that an execution
can take by itself, and perhaps more; what operators do (``goto``, ``skip``) is not in it.
"""

from collections import deque
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from goflow_py.domain.actions import ActivityAction
from goflow_py.domain.names import ALWAYS, CANCEL, DONE, ERROR, INIT, START, SUCCESS
from goflow_py.fsm.compile import Compiled, awaited
from goflow_py.fsm.rows import CompiledAction, CompiledRow, CompiledState

N = TypeVar("N", bound=Hashable)

Links = Mapping[str, Sequence[str]]
"""The states that can follow each state."""


class Edge(NamedTuple):
    """One way on: a row that can fire, or rule R4 (``success`` without a row leads to ``done``).

    A tuple, since there are tens of thousands: they cost a third of what a dataclass does.
    """

    source: str
    event: str
    target: str
    row: CompiledRow | None
    number: int
    """Which of the rows of (source, event) it is; rule R4 comes behind them all."""

    @property
    def enters(self) -> bool:
        """Tell whether it begins a new visit (not R2a: work begun in place; nor R7: staying)."""
        if self.row is None:
            return True
        if self.event == START and self.target == self.source:
            return False
        return not (self.row.next is None and self.row.action is None and not self.row.reenter)

    @property
    def id(self) -> str:
        """Return a name that is the same as long as the rows of (source, event) are."""
        return f"{self.source}/{self.event}/{self.number}"


Edges = Mapping[str, Sequence[Edge]]
Work = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """The graph of a blueprint, or of one machine, and what can be reached in it."""

    compiled: Compiled
    work: Work
    """What can be open in each state."""
    single: Work
    """What can be the only work of each state."""
    edges: Edges
    links: Links
    before: Mapping[str, str | None]
    """Every state that ``init`` reaches, with the one before it on a shortest path."""

    def to(self, state: str) -> tuple[str, ...]:
        """Return the shortest path from ``init``."""
        return path_to(self.before, state)

    @property
    def reached(self) -> set[str]:
        """Return the actions that can be open in states that ``init`` reaches."""
        return {action for state in self.before for action in self.work[state]}


def paths_of(compiled: Compiled) -> Paths:
    """Walk the table, which has to be whole: every name in it declared."""
    works = works_of(compiled)
    edges = edges_of(compiled, works.single)
    links = links_of(edges)
    return Paths(
        compiled=compiled,
        work=works.open,
        single=works.single,
        edges=edges,
        links=links,
        before=search(links, [INIT]),
    )


class Works(NamedTuple):
    """The actions that can be open in each state."""

    single: Work
    """As the only work: the state's own, and what rows start. Its outcome is an event."""
    open: Work
    """These, and the tasks of its graph: the outcome of one of them moves nothing by itself."""


def works_of(compiled: Compiled) -> Works:
    """Return the actions that can be open in each state: its own, and those that rows start."""
    states, known = compiled.states, compiled.actions
    single: dict[str, tuple[str, ...]] = {
        name: () if state.work is None else (state.work,) for name, state in states.items()
    }
    started: dict[str, dict[str, None]] = {}
    for (current, _), rows in compiled.table.items():
        for row in rows:
            if row.action is not None and row.action in known:
                started.setdefault(row.next or current, {})[row.action] = None
    for name, actions in started.items():
        single[name] = tuple(dict.fromkeys([*single[name], *actions]))
    tasks = {
        name: tuple(dict.fromkeys([*(one for one in state.actions if one in known), *single[name]]))
        for name, state in states.items()
        if state.graph is not None
    }
    return Works(single, {**single, **tasks} if tasks else single)


def machine_of(action: CompiledAction | None) -> str | None:
    """Return the private machine that an action starts, if it starts one."""
    model = action.model if action is not None else None
    return model.machine if isinstance(model, ActivityAction) else None


def edges_of(compiled: Compiled, single: Work) -> Edges:
    """Return every way on from each state, in the order of trying; final states have none.

    *single* is what can be the only work of each state.
    """
    found: dict[str, list[Edge]] = {name: [] for name in compiled.states}
    for (current, event), rows in compiled.table.items():
        state = compiled.states.get(current)
        if state is None or state.final:
            continue
        if state.graph is not None and not happens(state, event, single[current]):
            continue
        into = found[current]
        for number, row in enumerate(rows):
            into.append(Edge(current, event, row.next or current, row, number))
            if row.when is None:
                break  # none behind it can fire
    for name, state in compiled.states.items():
        if not state.final and _may_succeed(compiled, state, single[name]):
            rows = compiled.table.get((name, SUCCESS), ())
            if not is_decided(rows):
                found[name].append(Edge(name, SUCCESS, DONE, None, len(rows)))
    return found


def happens(state: CompiledState, event: str, single: Sequence[str]) -> bool:
    """Tell whether *event* can be raised in a state; *single* is what can be its only work.

    Labels, values of a switch and time-outs of the tasks of a graph raise nothing.
    """
    if state.graph is None or single or event in _RAISED_ANYWHERE:
        return True
    return event in state.outside or any(timer.event == event for timer in state.timers)


_RAISED_ANYWHERE = frozenset({START, SUCCESS, ERROR, ALWAYS, CANCEL})


def tried(rows: Iterable[CompiledRow]) -> Iterator[CompiledRow]:
    """Yield the rows that can fire: none behind the first one without a guard."""
    for row in rows:
        yield row
        if row.when is None:
            return


def is_decided(rows: Iterable[CompiledRow]) -> bool:
    """Tell whether one of *rows* always fires."""
    for row in rows:  # noqa: SIM110  # asked often: a generator costs more than the loop
        if row.when is None:
            return True
    return False


def is_passed(compiled: Compiled, state: str) -> bool:
    """Tell whether a state is left the moment it is entered: an ``always`` row always fires."""
    return is_decided(compiled.table.get((state, ALWAYS), ()))


def _may_succeed(compiled: Compiled, state: CompiledState, single: Sequence[str]) -> bool:
    """Tell whether ``success`` can be raised in a state (R3: also where there is nothing to do)."""
    if is_passed(compiled, state.name):
        return False
    if state.graph is not None or (state.work is None and not state.waits):
        starts = compiled.table.get((state.name, START), ())
        if not is_decided(starts):
            begun = state.graph is not None or not state.only_always
        else:
            begun = False
        if begun or any(row.next == state.name and row.action is None for row in tried(starts)):
            return True
    return any(_ends_as_success(compiled, state, name) for name in single)


def _ends_as_success(compiled: Compiled, state: CompiledState, work: str) -> bool:
    action = compiled.actions[work]
    if action.kind == "switch":
        return action.model.ignore_failure
    if action.kind == "wait":
        events = awaited(action)
        return not all(is_decided(compiled.table.get((state.name, event), ())) for event in events)
    return True


def links_of(edges: Edges) -> Links:
    """Return the graph without the events: each follower once, in the order of trying."""
    return {
        name: tuple(dict.fromkeys(edge.target for edge in found)) for name, found in edges.items()
    }


# ---------------------------------------------------------------- walking


def search(links: Mapping[N, Sequence[N]], starts: Iterable[N]) -> dict[N, N | None]:
    """Return all that can be reached from *starts*, nearest first, with the step before each."""
    before: dict[N, N | None] = dict.fromkeys(starts)
    waiting = deque(before)
    while waiting:
        name = waiting.popleft()
        for target in links[name]:
            if target not in before:
                before[target] = name
                waiting.append(target)
    return before


def path_to(before: Mapping[N, N | None], goal: N) -> tuple[N, ...]:
    """Return the shortest path to *goal* that a search found."""
    path: list[N] = []
    at: N | None = goal
    while at is not None:
        path.append(at)
        at = before[at]
    return tuple(reversed(path))


def reverse(links: Links) -> dict[str, list[str]]:
    """Return the same graph, walked backwards."""
    found: dict[str, list[str]] = {name: [] for name in links}
    for name, targets in links.items():
        for target in targets:
            found[target].append(name)
    return found


def components(links: Mapping[N, Sequence[N]], start: N) -> list[list[N]]:
    """Return the strongly connected parts that *start* reaches, each before those that lead to it.

    Tarjan's algorithm with a stack of its own: blueprints are deeper than Python's.
    """
    number: dict[N, int] = {start: 0}
    low: dict[N, int] = {start: 0}
    waiting, is_open = [start], {start}
    calls = [(start, iter(links[start]))]
    found: list[list[N]] = []
    while calls:
        name, targets = calls[-1]
        for target in targets:
            if target not in number:
                number[target] = low[target] = len(number)
                waiting.append(target)
                is_open.add(target)
                calls.append((target, iter(links[target])))
                break
            if target in is_open:
                low[name] = min(low[name], number[target])
        else:
            calls.pop()
            if calls:
                low[calls[-1][0]] = min(low[calls[-1][0]], low[name])
            if low[name] == number[name]:
                found.append(_closed(name, waiting, is_open))
    return found


def _closed(name: N, waiting: list[N], is_open: set[N]) -> list[N]:
    part: list[N] = []
    while not part or part[-1] != name:
        part.append(waiting.pop())
        is_open.discard(part[-1])
    part.reverse()
    return part
