"""Cycles of rows that do no work and wait for nothing (R9): the machine would never stand still."""

from collections.abc import Iterator
from dataclasses import dataclass

from goflow_py.domain.names import ALWAYS, DONE, START, SUCCESS
from goflow_py.fsm.compile import Compiled
from goflow_py.fsm.rows import INSTANT


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycle:
    """A cycle, and whether a guard or a switch on it may end it."""

    states: tuple[str, ...]
    guarded: bool
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Edge:
    target: str
    guarded: bool
    source: str


def zero_work_cycles(compiled: Compiled) -> Iterator[Cycle]:
    """Yield one cycle for each strongly connected part of the rows that are taken at once."""
    edges = {name: list(_instant_edges(compiled, name)) for name in compiled.states}
    for component in _components({name: [e.target for e in out] for name, out in edges.items()}):
        members = set(component)
        certain = {name: [e for e in edges[name] if e.target in members and not e.guarded] for name in component}
        loop = _find_cycle(certain)
        if loop is None:
            loop = _find_cycle({name: [e for e in edges[name] if e.target in members] for name in component})
        if loop is not None:
            names, found = loop
            yield Cycle(
                states=(*names, names[0]),
                guarded=any(edge.guarded for edge in found),
                source=found[0].source,
            )


def _instant_edges(compiled: Compiled, state: str) -> Iterator[_Edge]:
    """Yield where *state* may lead within one digest, after it was entered by `continue`."""
    info = compiled.states[state]
    if info.final:
        return
    for row in compiled.table.get((state, ALWAYS), ()):
        if row.next is not None and row.delay is None and _goes_on(compiled, row.action):
            yield _Edge(target=row.next, guarded=row.when is not None, source=row.source)
    starts = compiled.table.get((state, START), ())
    if starts:
        for row in starts:
            if row.next == state or row.next is None or row.delay is not None:
                continue
            if _goes_on(compiled, row.action):
                yield _Edge(target=row.next, guarded=row.when is not None, source=row.source)
        if any(row.when is None for row in starts):
            return
    yield from _after_own_work(compiled, state)


def _after_own_work(compiled: Compiled, state: str) -> Iterator[_Edge]:
    info = compiled.states[state]
    kind = compiled.actions[info.work].kind if info.work in compiled.actions else None
    if kind is None and info.waits:
        return
    if kind is not None and kind not in INSTANT:
        return
    if kind == "switch":
        for (current, event), rows in compiled.table.items():
            if current == state and event not in (ALWAYS, START):
                for row in rows:
                    if row.next is not None and row.next != state and _goes_on(compiled, row.action):
                        yield _Edge(target=row.next, guarded=True, source=row.source)
        return
    rows = compiled.table.get((state, SUCCESS), ())
    for row in rows:
        if row.next is not None and row.delay is None and _goes_on(compiled, row.action):
            yield _Edge(target=row.next, guarded=row.when is not None, source=row.source)
    if not rows:
        yield _Edge(target=DONE, guarded=False, source="")


def _goes_on(compiled: Compiled, action: str | None) -> bool:
    """Tell whether a row with *action* keeps the machine moving at once."""
    return action is None or (
        action in compiled.actions and compiled.actions[action].kind in INSTANT
    )


def _find_cycle(edges: dict[str, list[_Edge]]) -> tuple[list[str], list[_Edge]] | None:
    """Return some cycle as states and the edges between them; depth first, without recursion."""
    done: set[str] = set()
    for root in edges:
        if root in done:
            continue
        path: list[str] = [root]
        taken: list[_Edge] = []
        waiting = [iter(edges[root])]
        on_path = {root: 0}
        while waiting:
            edge = next(waiting[-1], None)
            if edge is None:
                waiting.pop()
                left = path.pop()
                del on_path[left]
                done.add(left)
                if taken:
                    taken.pop()
                continue
            if edge.target in on_path:
                at = on_path[edge.target]
                return path[at:], [*taken[at:], edge]
            if edge.target in done or edge.target not in edges:
                continue
            on_path[edge.target] = len(path)
            path.append(edge.target)
            taken.append(edge)
            waiting.append(iter(edges[edge.target]))
    return None


def _components(graph: dict[str, list[str]]) -> Iterator[list[str]]:
    """Yield the strongly connected parts that hold a cycle (Tarjan's algorithm, without recursion)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    on_stack: set[str] = set()
    for root in graph:
        if root in index:
            continue
        work = [(root, iter(graph[root]))]
        index[root] = low[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        while work:
            node, targets = work[-1]
            target = next(targets, None)
            if target is None:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    component = []
                    while True:
                        member = stack.pop()
                        on_stack.discard(member)
                        component.append(member)
                        if member == node:
                            break
                    if len(component) > 1 or node in graph[node]:
                        yield component[::-1]
            elif target not in index:
                index[target] = low[target] = len(index)
                stack.append(target)
                on_stack.add(target)
                work.append((target, iter(graph.get(target, []))))
            elif target in on_stack:
                low[node] = min(low[node], index[target])
