"""The table as a graph: which state can follow which, by what, and what work can be open in it.

Guards are taken to be true or false as they like, so the graph has every path that an execution
can take by itself, and perhaps more; what operators do (``goto``, ``skip``) is not in it.
"""

from collections import deque
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

from goflow_py.domain.names import ALWAYS, DONE, START, SUCCESS
from goflow_py.fsm.compile import Compiled, awaited
from goflow_py.fsm.rows import CompiledRow, CompiledState

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


def open_work(compiled: Compiled) -> Work:
    """Return the actions that can be open in each state: its own, and those that rows start."""
    found: dict[str, dict[str, None]] = {
        name: dict.fromkeys(action for action in state.actions if action in compiled.actions)
        for name, state in compiled.states.items()
    }
    for (current, _), rows in compiled.table.items():
        for row in rows:
            if row.action is not None and row.action in compiled.actions:
                found[row.next or current][row.action] = None
    return {name: tuple(names) for name, names in found.items()}


def edges_of(compiled: Compiled, work: Work) -> Edges:
    """Return every way on from each state, in the order of trying; final states have none."""
    found: dict[str, list[Edge]] = {name: [] for name in compiled.states}
    for (current, event), rows in compiled.table.items():
        state = compiled.states.get(current)
        if state is None or state.final:
            continue
        into = found[current]
        for number, row in enumerate(rows):
            into.append(Edge(current, event, row.next or current, row, number))
            if row.when is None:
                break  # none behind it can fire
    for name, state in compiled.states.items():
        if not state.final and _may_succeed(compiled, state, work[name]):
            rows = compiled.table.get((name, SUCCESS), ())
            if not is_decided(rows):
                found[name].append(Edge(name, SUCCESS, DONE, None, len(rows)))
    return found


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


def _may_succeed(compiled: Compiled, state: CompiledState, work: Sequence[str]) -> bool:
    """Tell whether ``success`` can be raised in a state (R3: also where there is nothing to do)."""
    if is_passed(compiled, state.name):
        return False
    if state.graph is not None:
        return True
    if state.work is None and not state.waits:
        starts = compiled.table.get((state.name, START), ())
        again = any(row.next == state.name and row.action is None for row in tried(starts))
        if again or not (is_decided(starts) or state.only_always):
            return True
    return any(_ends_as_success(compiled, state, name) for name in work)


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
