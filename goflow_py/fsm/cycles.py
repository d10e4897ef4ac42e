"""Cycles of rows that do no work and wait for nothing (R9): the machine would never stand still."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

from goflow_py.domain.names import ALWAYS, START, SUCCESS
from goflow_py.fsm.compile import Compiled
from goflow_py.fsm.rows import INSTANT, CompiledRow

CYCLES_SHOWN_MAX = 20


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


Edges = dict[tuple[str, str], _Edge]
"""By (from, to); the unguarded one where there are several."""


def zero_work_cycles(compiled: Compiled) -> Iterator[Cycle]:
    """Yield cycles of rows that are taken at once: first those that nothing can end."""
    edges: Edges = {}
    for state in compiled.states:
        for edge in _instant_edges(compiled, state):
            known = edges.get((state, edge.target))
            if known is None or known.guarded:
                edges[state, edge.target] = edge
    certain = {ends: edge for ends, edge in edges.items() if not edge.guarded}
    shown = 0
    for graph in (certain, edges):
        while shown < CYCLES_SHOWN_MAX and (states := _find_cycle(graph)):
            steps = [graph[ends] for ends in pairwise(states)]
            yield Cycle(
                states=states,
                guarded=any(step.guarded for step in steps),
                source=steps[0].source,
            )
            shown += 1
            # Without one of its edges, the next search finds another cycle.
            for ends in pairwise(states[-2:]):
                certain.pop(ends, None)
                edges.pop(ends, None)


def _find_cycle(edges: Edges) -> tuple[str, ...]:
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for start, target in edges:
        sorter.add(target, start)
    try:
        sorter.prepare()
    except CycleError as error:
        return tuple(error.args[1])
    return ()


def _instant_edges(compiled: Compiled, state: str) -> Iterator[_Edge]:
    """Yield where *state* may lead within one digest, after it was entered by ``continue``."""
    if compiled.states[state].final:
        return
    rows = compiled.table
    yield from _edges(compiled, state, rows.get((state, ALWAYS), ()))
    starts = rows.get((state, START), ())
    yield from _edges(compiled, state, starts)
    if not any(row.when is None for row in starts):
        yield from _after_own_work(compiled, state)


def _after_own_work(compiled: Compiled, state: str) -> Iterator[_Edge]:
    info = compiled.states[state]
    work = compiled.actions.get(info.work) if info.work is not None else None
    if work is None and not info.waits:
        yield from _edges(compiled, state, compiled.table.get((state, SUCCESS), ()))
    elif work is not None and work.kind == "switch":
        for event in info.outside + info.labels:
            for edge in _edges(compiled, state, compiled.table.get((state, event), ())):
                yield _Edge(target=edge.target, guarded=True, source=edge.source)
    elif work is not None and work.kind in INSTANT:
        yield from _edges(compiled, state, compiled.table.get((state, SUCCESS), ()))


def _edges(compiled: Compiled, state: str, rows: Iterable[CompiledRow]) -> Iterator[_Edge]:
    """Yield the rows that move on at once: to another state, with no delay and no real work."""
    for row in rows:
        moves = row.next is not None and (row.next != state or row.event == SUCCESS)
        work = compiled.actions.get(row.action) if row.action is not None else None
        at_once = row.delay is None and (row.action is None or (work and work.kind in INSTANT))
        if moves and at_once and row.next is not None:
            yield _Edge(target=row.next, guarded=row.when is not None, source=row.source)
