"""What an upload proves of children: machines that are never started, or start for ever."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from goflow_py.domain.actions import ActivityAction
from goflow_py.domain.blueprint import Blueprint
from goflow_py.domain.names import ALWAYS, CANCEL, ERROR, START
from goflow_py.fsm.compile import Compiled
from goflow_py.fsm.findings import Finding, error, warning
from goflow_py.fsm.graph import Edge, Paths, machine_of, search
from goflow_py.fsm.parse import escape
from goflow_py.fsm.rows import CompiledState, CompiledTask


def started_by(compiled: Compiled, actions: Iterable[str]) -> list[str]:
    """Return the machines that *actions* start."""
    if not compiled.machines:
        return []
    found = (machine_of(compiled.actions.get(name)) for name in actions)
    return list(dict.fromkeys(name for name in found if name and name in compiled.machines))


def running(compiled: Compiled, called: Mapping[str, set[str]]) -> set[str]:
    """Return the machines that an execution can run; *called* has what each part does.

    The name of the blueprint's own part is empty.
    """
    links = {
        name: started_by(compiled if name == "" else compiled.machines[name], actions)
        for name, actions in called.items()
    }
    return set(search(links, [""])) - {""}


def never_used(compiled: Compiled, called: Mapping[str, set[str]]) -> Iterator[Finding]:
    """Warn of machines that nothing starts."""
    used = running(compiled, called)
    for name in compiled.machines:
        if name not in used:
            message = f"machine '{name}' is never used: nothing that can be reached starts it"
            fix = f"start it with an action of type 'activity' and machine '{name}', or remove it"
            yield warning("machine_never_used", f"/machines/{escape(name)}", message, fix=fix)


# ---------------------------------------------------------------- recursion


def endless(machines: Mapping[str, Paths]) -> Iterator[Finding]:
    """Refuse machines of which no run can end, since each starts the next.

    Whatever may keep one from starting another counts as a way out: a guard, a list that may be
    empty, a row for an event or a timer, a time-out.
    """
    starts = {name: started_by(paths.compiled, paths.reached) for name, paths in machines.items()}
    ends = _ending(machines, starts)
    needs = {
        name: _inevitable(paths, [one for one in starts[name] if one not in ends])
        for name, paths in machines.items()
        if name not in ends
    }
    shown: set[frozenset[str]] = set()
    for name in needs:
        cycle = _cycle(name, needs)
        if not cycle or frozenset(cycle) in shown:
            continue
        shown.add(frozenset(cycle))
        yield error(
            "endless_machines",
            f"/machines/{escape(name)}",
            f"no run of machine '{name}' can end, for each starts another: {' -> '.join(cycle)}",
            path=cycle,
            fix="let a guard, or a 'when' of the task, end the recursion",
        )


def _ending(machines: Mapping[str, Paths], starts: Mapping[str, list[str]]) -> set[str]:
    """Return the machines that can end: those that need none, then those that need only these.

    One that could not end whatever its children do is a dead end and no recursion: it counts.
    """
    everything = set(machines)
    ends = {name for name, paths in machines.items() if not _can_end(paths, everything)}
    needed_by: dict[str, list[str]] = {name: [] for name in machines}
    for name, children in starts.items():
        for child in children:
            needed_by[child].append(name)
    waiting = deque([*(n for name in ends for n in needed_by[name]), *machines])
    while waiting:
        name = waiting.popleft()
        if name not in ends and _can_end(machines[name], ends):
            ends.add(name)
            waiting.extend(needed_by[name])
    return ends


def _inevitable(paths: Paths, children: list[str]) -> list[str]:
    """Return those of *children* without whose end a machine cannot end.

    They are all of them where any one would do.
    """
    others = set(paths.compiled.machines)
    return [one for one in children if not _can_end(paths, others - {one})] or children


def _cycle(start: str, needs: Mapping[str, list[str]]) -> tuple[str, ...]:
    """Return a shortest way from *start* back to it, if there is one."""
    before: dict[str, str] = {}
    waiting = deque([start])
    while waiting:
        name = waiting.popleft()
        for child in needs[name]:
            if child == start:
                path = [name]
                while path[-1] != start:
                    path.append(before[path[-1]])
                return (*reversed(path), start)
            if child not in before:
                before[child] = name
                waiting.append(child)
    return ()


def _can_end(paths: Paths, ends: set[str]) -> bool:
    """Tell whether a final state is reached when only the machines *ends* end."""
    compiled = paths.compiled
    if compiled.blueprint.timeout is not None:
        return True
    links: dict[str, list[str]] = {}
    for name, edges in paths.edges.items():
        may_take = _open_edges(paths, compiled.states[name], ends)
        links[name] = [edge.target for edge in edges if may_take(edge)]
    return any(compiled.states[name].final for name in search(links, ["init"]))


def _open_edges(paths: Paths, state: CompiledState, ends: set[str]) -> Callable[[Edge], bool]:
    """Return which edges of a state can be taken when its work may wait for ever."""
    compiled = paths.compiled
    single = paths.single[state.name]
    works = [_never_ends(compiled, name, ends) for name in single]
    failing = False
    if state.graph is not None:
        stuck = [task for task in state.graph if _never_ends(compiled, task.action, ends)]
        works.append(_graph_never_succeeds(state, stuck))
        failing = len(stuck) < len(state.graph)
    if not works or not all(works):
        return lambda edge: True
    always = {START, ALWAYS, CANCEL, *state.outside, *(timer.event for timer in state.timers)}
    if failing:
        always.add(ERROR)
    return lambda edge: edge.event in always


def _never_ends(compiled: Compiled, action: str, ends: set[str]) -> bool:
    machine = machine_of(compiled.actions[action])
    return (
        machine is not None
        and machine not in ends
        and compiled.actions[action].model.timeout is None
    )


def _graph_never_succeeds(state: CompiledState, stuck: list[CompiledTask]) -> bool:
    if state.join is not None:
        return len(state.graph or ()) - len(stuck) < state.join
    return any(task.when is None and not _may_be_nothing(task) for task in stuck)


def _may_be_nothing(task: CompiledTask) -> bool:
    if task.each is None:
        return False
    return not task.each.constant or task.each.value in (None, [])


# ---------------------------------------------------------------- activities


def activities(blueprint: Blueprint) -> Iterator[tuple[str, str, int | None]]:
    """Yield pointer, activity and version of every child that is no machine, each once."""
    lists = {"": blueprint.actions}
    for name, machine in blueprint.machines.items():
        lists[f"/machines/{escape(name)}"] = machine.actions
    known: set[tuple[str, int | None]] = set()
    for prefix, actions in lists.items():
        for i, action in enumerate(actions):
            if isinstance(action, ActivityAction) and action.activity is not None:
                if (action.activity, action.version) not in known:
                    known.add((action.activity, action.version))
                    yield f"{prefix}/actions/{i}/activity", action.activity, action.version


def unknown_activity(pointer: str, activity: str, version: int | None) -> Finding:
    """Return the finding that a child has nothing to run yet."""
    what = f"activity '{activity}'" if version is None else f"version {version} of '{activity}'"
    message = f"there is no {what} in this project yet: its child cannot start"
    return warning("unknown_activity", pointer, message, fix="upload it before it is needed")


def place_cycle(pointer: str, names: Sequence[str]) -> Finding:
    """Return the finding that activities may wait for each other's places for ever."""
    shown = " and ".join(f"'{name}'" for name in names[:5])
    message = (
        f"the activities {shown} start each other, and each has maxConcurrent: their executions "
        "may hold all places and wait for one of the other's"
    )
    fix = "leave maxConcurrent out of all of them but one"
    return error("place_cycle", pointer, message, fix=fix)
