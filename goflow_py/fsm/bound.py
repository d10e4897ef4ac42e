"""How long an execution can take at most, where that can be told from the blueprint.

In it are the workers' time-outs, retries and the ceilings of their back-off, the time-outs of
actions, timers, delays and ``maxVisits``. Not in it: ``Retry-After``, waiting for a free slot or a
rate limit, what operators do, teardowns and notifications, which nothing waits for, and the time in
which the server is down.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

from goflow_py.domain.names import ALWAYS, CANCEL, INIT, START
from goflow_py.domain.workers import Worker
from goflow_py.fsm.compile import awaited
from goflow_py.fsm.graph import (
    Edge,
    Paths,
    components,
    is_decided,
    is_passed,
    path_to,
    paths_of,
    search,
    tried,
)
from goflow_py.fsm.rows import LABELLING, CompiledState, CompiledTimer
from goflow_py.fsm.work_times import (
    BackOff,
    Time,
    Unbounded,
    WorkTimes,
    added,
    longest,
    pauses,
)

CYCLE_SHOWN_MAX = 20
NESTING_MAX = 16
"""Machines in machines; deeper ones are not looked at, and not started either."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """The longest that an execution can take; None where nothing bounds it, and why."""

    seconds: float | None
    path: tuple[str, ...] = ()
    """States: the longest path, or one that shows why there is no bound."""
    because: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the bound as the API shows it."""
        shown: dict[str, Any] = {"seconds": self.seconds, "path": list(self.path)}
        return shown if self.because is None else {**shown, "because": self.because}


_Node = tuple[str, str | None, float]
"""A way to be in a state: which row action it was entered with, and after which ``delay``."""
_Leads = Mapping[_Node, tuple[_Node, _Node, set[_Node]] | None]
"""For each node: where the longest path leaves its part, to where, and what the part is."""


def bound_of(
    paths: Paths,
    workers: Iterable[Worker],
    back_off: BackOff | None = None,
    machines: Mapping[str, Paths] | None = None,
) -> Bound:
    """Return the worst case over all paths, with *workers* in force.

    *machines* are the paths of the private machines that were walked already.
    """
    grouped: dict[str, list[Worker]] = {}
    for worker in workers:
        grouped.setdefault(worker.name, []).append(worker)
    return _Family(paths, machines or {}, grouped, back_off or BackOff()).bound(paths)


class _Family:
    """A blueprint and its machines: the time of one may be part of another's."""

    def __init__(
        self,
        whole: Paths,
        machines: Mapping[str, Paths],
        workers: Mapping[str, list[Worker]],
        back_off: BackOff,
    ) -> None:
        self._compiled = whole.compiled
        self._paths = machines
        self._workers = workers
        self._back_off = back_off
        self._machines: dict[str, Time] = {}
        self._open: list[str] = []
        """Machines that are looked at just now: one that is met again starts itself."""

    def bound(self, paths: Paths) -> Bound:
        times = WorkTimes(
            compiled=paths.compiled,
            workers=self._workers,
            back_off=self._back_off,
            machine_time=self._machine_time,
        )
        bound = _Search(paths, times).bound()
        limit = paths.compiled.blueprint.timeout
        if limit is None or (bound.seconds is not None and bound.seconds <= limit):
            return bound
        return Bound(seconds=limit, path=bound.path, because="the blueprint's 'timeout' ends it")

    def _machine_time(self, name: str) -> Time:
        """Return the longest that a machine takes."""
        if name in self._open:
            cycle = " -> ".join([*self._open[self._open.index(name) :], name])
            return Unbounded(f"a machine starts itself: {cycle}")
        compiled = self._compiled.machines.get(name)
        if compiled is None:
            return 0.0  # it is an error at once
        if len(self._open) >= NESTING_MAX:
            return Unbounded(f"machines are nested more than {NESTING_MAX} deep")
        if name not in self._machines:
            self._open.append(name)
            bound = self.bound(self._paths.get(name) or paths_of(compiled))
            self._open.pop()
            time: Time = Unbounded(f"in machine '{name}', {bound.because}")
            self._machines[name] = time if bound.seconds is None else bound.seconds
        return self._machines[name]


# ---------------------------------------------------------------- paths


class _Search:
    """The longest path through the ways of being in a state."""

    def __init__(self, paths: Paths, times: WorkTimes) -> None:
        self._paths = paths
        self._compiled = paths.compiled
        self._works = times
        self._work: dict[str, Time] = {}
        self._start: _Node = (INIT, None, 0.0)
        self._links = self._all_links()
        self._times: dict[_Node, float] = {}

    def bound(self) -> Bound:
        before = search(self._links, [self._start])
        for node in before:
            time = self._visit(node)
            if isinstance(time, Unbounded):
                path = tuple(state for state, _, _ in path_to(before, node))
                return Bound(seconds=None, path=path, because=time.why)
            self._times[node] = time
        return self._longest()

    def _all_links(self) -> dict[_Node, list[_Node]]:
        links: dict[_Node, list[_Node]] = {}
        waiting = [self._start]
        while waiting:
            node = waiting.pop()
            if node not in links:
                links[node] = list(dict.fromkeys(self._followers(node)))
                waiting += links[node]
        return links

    def _followers(self, node: _Node) -> Iterable[_Node]:
        state, action, _ = node
        passed = is_passed(self._compiled, state)
        for edge in self._paths.edges[state]:
            begins = edge.event == START and action is not None
            if edge.enters and edge.event != CANCEL and not begins:
                if not passed or edge.event == ALWAYS:
                    yield _entry(edge)

    def _longest(self) -> Bound:
        """Add up, from the ends to the start; a cycle counts as one node."""
        total: dict[_Node, float] = {}
        leads: dict[_Node, tuple[_Node, _Node, set[_Node]] | None] = {}
        for part in components(self._links, self._start):
            inside = set(part)
            time = self._part_time(part, inside)
            if isinstance(time, Unbounded):
                return self._cycle(part, time)
            exits = [
                (total[target], (node, target))
                for node in part
                for target in self._links[node]
                if target not in inside
            ]
            best, step = max(exits, key=lambda found: found[0], default=(0.0, None))
            for node in part:
                total[node], leads[node] = time + best, step and (*step, inside)
        return Bound(seconds=round(total[self._start], 3), path=self._shown(leads))

    def _part_time(self, part: list[_Node], inside: set[_Node]) -> Time:
        """Return the time in a part of which every node leads to every other."""
        times = self._times
        if len(part) == 1 and part[0] not in self._links[part[0]]:
            return times[part[0]]
        if not any(times[node] for node in part):
            return 0.0
        limits = {state: self._compiled.states[state].max_visits for state, _, _ in part}
        free = [node for node in part if limits[node[0]] is None]
        sorter = TopologicalSorter(
            {node: [n for n in self._links[node] if n in inside] for node in free}
        )
        sums: dict[_Node, float] = {}
        try:
            for node in sorter.static_order():
                if limits[node[0]] is None:
                    rest = [sums.get(n, 0.0) for n in self._links[node] if n in inside]
                    sums[node] = times[node] + max(rest, default=0.0)
        except CycleError as error:
            shown = [state for state, _, _ in error.args[1][: CYCLE_SHOWN_MAX + 1]]
            cycle = " -> ".join(reversed(shown))
            return Unbounded(f"nothing bounds the cycle {cycle}; give one of its states maxVisits")
        counted = {state: limit for state, limit in limits.items() if limit is not None}
        dearest: dict[str, float] = {}
        for node in part:
            dearest[node[0]] = max(dearest.get(node[0], 0.0), times[node])
        visits = sum(limit * dearest[state] for state, limit in counted.items())
        return visits + (sum(counted.values()) + 1) * max(sums.values(), default=0.0)

    def _cycle(self, part: list[_Node], time: Unbounded) -> Bound:
        before = search(self._links, [self._start])
        inside = set(part)
        nearest = next(node for node in before if node in inside)
        path = tuple(state for state, _, _ in path_to(before, nearest))
        return Bound(seconds=None, path=path, because=time.why)

    def _shown(self, leads: "_Leads") -> tuple[str, ...]:
        """Return the longest path; within a cycle the shortest way to where it is left."""
        path, at = [self._start], self._start
        while (step := leads[at]) is not None:
            last, at, inside = step
            if last != path[-1]:
                links = {node: [n for n in self._links[node] if n in inside] for node in inside}
                path += path_to(search(links, [path[-1]]), last)[1:]
            path.append(at)
        return tuple(state for state, _, _ in path)

    # ------------------------------------------------------------ one visit

    def _visit(self, node: _Node) -> Time:
        """Return the longest that one visit takes."""
        name, action, delay = node
        state = self._compiled.states[name]
        if state.final in ("failed", "cancelled") or is_passed(self._compiled, name):
            return 0.0
        time = longest(self._options(state, action))
        if state.subscribe is not None and state.subscribe.setup is not None:
            time = added(self._of_action(state.subscribe.setup), time)
        if state.final:
            return time
        ends = [self._leaves(state, timer) for timer in state.timers]
        timers = [seconds for seconds in ends if seconds is not None]
        if isinstance(time, Unbounded):
            return min(timers) if timers else time
        return min([delay + time, *timers])

    def _options(self, state: CompiledState, action: str | None) -> list[Time]:
        """Return how long each thing takes that a visit may be spent on."""
        if action is not None:
            return [self._of_action(action), *self._rest_after(state)]
        starts = self._compiled.table.get((state.name, START), ())
        begun: list[Time | None] = []
        for row in tried(starts):
            if row.next == state.name:
                work = row.action
                begun.append(self._works.of_own(state) if work is None else self._of_action(work))
        if not is_decided(starts):
            begun.append(self._works.of_own(state))
        found: list[Time] = [time for time in begun if time is not None]
        if None in begun and state.waits and not state.final:
            found.append(Unbounded(_RESTS.format(state.name)))
        return [*found, *self._rest_after(state)] if found else [0.0]

    def _of_action(self, name: str) -> Time:
        if name not in self._work:
            self._work[name] = self._works.of_action(name)
        return self._work[name]

    def _rest_after(self, state: CompiledState) -> list[Time]:
        """Tell that a state may be stayed in when its work ended as an event without a ``next``."""
        if not state.outside:
            return []
        work = [self._compiled.actions[name] for name in self._paths.single[state.name]]
        labels = any(action.kind in LABELLING or action.kind == "switch" for action in work)
        events = {event for action in work for event in awaited(action)}
        for event in state.outside:
            stays = any(
                not edge.enters for edge in self._paths.edges[state.name] if edge.event == event
            )
            declared = self._compiled.blueprint.events is not None
            if stays and (event in events or (labels and not declared)):
                return [Unbounded(_RESTS.format(state.name))]
        return []

    def _leaves(self, state: CompiledState, timer: CompiledTimer) -> float | None:
        """Return after how many seconds a timer ends every visit, if it does."""
        seconds = timer.delay
        if not isinstance(seconds, float | int):
            return None
        edges = [edge for edge in self._paths.edges[state.name] if edge.event == timer.event]
        return float(seconds) if all(edge.enters for edge in edges) else None


_RESTS = "state '{}' waits for an event, and no timer ends that"


def _entry(edge: Edge) -> _Node:
    if edge.row is None:
        return (edge.target, None, 0.0)
    return (edge.target, edge.row.action, edge.row.delay or 0.0)


__all__ = ["BackOff", "Bound", "bound_of", "pauses"]
