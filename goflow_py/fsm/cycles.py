"""Cycles of rows that do no work and wait for nothing (R9): the machine would never stand still."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

from goflow_py.domain.names import ALWAYS, ERROR, START, SUCCESS
from goflow_py.fsm.compile import Compiled
from goflow_py.fsm.rows import INSTANT, CompiledRow, CompiledState, CompiledTask

AT_ONCE = INSTANT | {"undo"}
"""Types of work that can end in the digest in which they begin; what is undone is so only once."""

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
        for edge in () if _is_busy(compiled, state) else _instant_edges(compiled, state):
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


def _is_busy(compiled: Compiled, state: str) -> bool:
    """Tell of most states, soon, that only real work leads on."""
    work = compiled.states[state].work
    return (
        work is not None
        and compiled.actions[work].kind not in AT_ONCE
        and (state, START) not in compiled.table
        and (state, ALWAYS) not in compiled.table
    )


def _instant_edges(compiled: Compiled, state: str) -> Iterator[_Edge]:
    """Yield where *state* may lead within one digest, after it was entered by ``continue``."""
    if compiled.states[state].final:
        return
    rows = compiled.table
    yield from _edges(compiled, state, rows.get((state, ALWAYS), ()))
    subscribe = compiled.states[state].subscribe
    if subscribe is not None and subscribe.setup is not None:
        return  # real work comes before anything else
    starts = rows.get((state, START), ())
    yield from _edges(compiled, state, starts)
    in_place = any(row.next == state and row.action is None for row in starts)
    if in_place or not any(row.when is None for row in starts):
        yield from _after_own_work(compiled, state)


def _after_own_work(compiled: Compiled, state: str) -> Iterator[_Edge]:
    info = compiled.states[state]
    if info.graph is not None:
        yield from _after_graph(compiled, info)
        return
    work = compiled.actions.get(info.work) if info.work is not None else None
    if work is None and not info.waits:
        yield from _edges(compiled, state, compiled.table.get((state, SUCCESS), ()))
    elif work is not None and work.kind == "switch":
        for event in info.outside + info.labels:
            for edge in _edges(compiled, state, compiled.table.get((state, event), ())):
                yield _Edge(target=edge.target, guarded=True, source=edge.source)
    elif work is not None and work.kind in AT_ONCE:
        yield from _edges(compiled, state, compiled.table.get((state, SUCCESS), ()))


# ---------------------------------------------------------------- graphs


def _after_graph(compiled: Compiled, state: CompiledState) -> Iterator[_Edge]:
    """Yield where a graph may lead that succeeds, or misses its join, in the digest it begins in.

    A task that is skipped has ended well, and so has an ``each`` over nothing. A join of N is
    decided by N tasks that take no time, whatever else was begun.
    """
    sure, may, guards = _at_once(compiled, state)
    tasks = state.graph or ()
    wanted = len(tasks) if state.join is None else min(state.join, len(tasks))
    guarded = sure < wanted
    if not guarded or may >= wanted:
        for edge in _edges(compiled, state.name, compiled.table.get((state.name, SUCCESS), ())):
            yield _Edge(target=edge.target, guarded=guarded or edge.guarded, source=edge.source)
    if state.join is not None and len(tasks) - guards < wanted:
        for edge in _edges(compiled, state.name, compiled.table.get((state.name, ERROR), ())):
            yield _Edge(target=edge.target, guarded=True, source=edge.source)


def _at_once(compiled: Compiled, state: CompiledState) -> tuple[int, int, int]:
    """Return how many tasks take no time for certain, how many may, and how many have a guard."""
    sure: set[str] = set()
    may: set[str] = set()
    graph = {task.name: task for task in state.graph or ()}
    for _ in graph:  # a need may stand behind the task that needs it
        before = len(sure) + len(may)
        for task in graph.values():
            if may.issuperset(task.needs) and _may_end_at_once(compiled, task):
                may.add(task.name)
            if sure.issuperset(task.needs) and _ends_at_once(compiled, task):
                sure.add(task.name)
        if len(sure) + len(may) == before:
            break
    # For a join of N, one that is skipped does not count.
    counted = [name for name in sure if state.join is None or graph[name].when is None]
    possible = [name for name in may if state.join is None or _counts(compiled, graph[name])]
    return len(counted), len(possible), sum(task.when is not None for task in graph.values())


def _ends_at_once(compiled: Compiled, task: CompiledTask) -> bool:
    action = compiled.actions.get(task.action)
    is_nothing = task.each is not None and task.each.constant and task.each.value in (None, [])
    return is_nothing or (action is not None and action.kind in INSTANT)


def _may_end_at_once(compiled: Compiled, task: CompiledTask) -> bool:
    return task.when is not None or _counts(compiled, task)


def _counts(compiled: Compiled, task: CompiledTask) -> bool:
    """Tell whether a task may succeed at once: it takes no time, or its list may be empty."""
    is_open_list = task.each is not None and not task.each.constant
    return is_open_list or _ends_at_once(compiled, task)


def _edges(compiled: Compiled, state: str, rows: Iterable[CompiledRow]) -> Iterator[_Edge]:
    """Yield the rows that move on at once: to another state, with no delay and no real work."""
    guarded = False
    for row in rows:
        guarded = guarded or row.when is not None  # a row before it may be taken instead
        # What ends work enters anew, also the same state; an `always` or `start` row does not.
        moves = row.next is not None and (row.next != state or row.event not in (ALWAYS, START))
        work = compiled.actions.get(row.action) if row.action is not None else None
        at_once = row.delay is None and (row.action is None or (work and work.kind in AT_ONCE))
        if moves and at_once and row.next is not None:
            yield _Edge(target=row.next, guarded=guarded, source=row.source)
