"""What the paths through a blueprint show: states without a way in or out, values nobody has set.

Each finding has a shortest path that shows it. The graph has every path that can be taken, and
perhaps more (guards are not weighed), so what is said to be out of reach is so for certain.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from goflow_py.domain.names import (
    ALWAYS,
    ANY_STATE,
    CANCEL,
    INIT,
    RESERVED_STATES,
    START,
    SUCCESS,
)
from goflow_py.fsm.compile import Compiled, awaited
from goflow_py.fsm.findings import Finding, warning
from goflow_py.fsm.graph import (
    Paths,
    happens,
    is_decided,
    is_passed,
    machine_of,
    path_to,
    paths_of,
    reverse,
    search,
    works_of,
)
from goflow_py.fsm.rows import LABELLING, CompiledState
from goflow_py.fsm.unset import unset_data

FINDINGS_A_CODE_MAX = 100
"""Of one kind; one more says that there are others."""


def path_findings(paths: Paths) -> Iterator[Finding]:
    """Yield all that the paths show."""
    for found in (
        _unreachable(paths),
        _dead_ends(paths),
        _undecided(paths),
        _never_raised(paths),
        unset_data(paths),
    ):
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


# ---------------------------------------------------------------- rows


def _never_raised(paths: Paths) -> Iterator[Finding]:
    """Warn of rows for what only a single action could raise, in states whose work is a graph."""
    states = paths.compiled.states
    if all(state.graph is None for state in states.values()):
        return
    for (name, event), rows in paths.compiled.table.items():
        if states[name].final or happens(states[name], event, paths.single[name]):
            continue
        for row in rows:
            if row.current != ANY_STATE:
                message = (
                    f"'{event}' is never raised in '{name}': labels, values and time-outs of tasks "
                    "move nothing, only 'success' and 'error' of the whole graph do"
                )
                yield warning("row_never_tried", row.source, message)


def _undecided(paths: Paths) -> Iterator[Finding]:
    """Warn where all rows of an outcome have guards: without one that is true, R4 decides."""
    compiled = paths.compiled
    for (name, event), rows in compiled.table.items():
        state = compiled.states[name]
        if state.final or name not in paths.before or is_decided(rows):
            continue
        if not happens(state, event, paths.single[name]):
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
        lost = state.only_always and not paths.work[state.name] and state.graph is None
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
    actions = [compiled.actions[name] for name in paths.single[state.name]]
    if any(action.kind == "wait" and event in awaited(action) for action in actions):
        ends = not is_decided(compiled.table.get((state.name, SUCCESS), ()))
        return "the wait ends all the same, as 'success'" if ends else None
    kinds = {action.kind for action in actions}
    # A name that may come from outside is refused with 409 then, and that is as it should be.
    if event in state.outside:
        return None
    if "switch" in kinds and not is_decided(compiled.table.get((state.name, "default"), ())):
        return "the switch has no branch: error 'no_branch'"
    return "it is an unknown label: error 'unknown_label'" if kinds & LABELLING else None


# ---------------------------------------------------------------- what a state accepts


def accepted(compiled: Compiled) -> dict[str, list[str]]:
    """Return the events from outside that each state accepts, where it accepts any.

    They are those of its rows, of its waits, and of the machines that can run in it.
    """
    offers, work = _offers(compiled), works_of(compiled).open
    found: dict[str, list[str]] = {}
    for name, state in compiled.states.items():
        if state.final:
            continue
        events = dict.fromkeys(state.outside)
        for action in work[name]:
            one = compiled.actions[action]
            events |= dict.fromkeys(awaited(one))
            events |= dict.fromkeys(offers.get(machine_of(one) or "", ()))
        if events:
            found[name] = list(events)
    return found


def _offers(compiled: Compiled) -> Mapping[str, list[str]]:
    """Return the events that each machine can take, itself or by machines that it runs."""
    own: dict[str, dict[str, None]] = {}
    runs: dict[str, list[str]] = {}
    for name, machine in compiled.machines.items():
        work = works_of(machine).open
        own[name], runs[name] = {}, []
        for state in machine.states.values():
            own[name] |= dict.fromkeys(() if state.final else state.outside)
            for action in work[state.name]:
                one = machine.actions[action]
                own[name] |= dict.fromkeys(awaited(one))
                if machine_of(one) in compiled.machines:
                    runs[name].append(str(machine_of(one)))
    return {
        name: list(dict.fromkeys(event for one in search(runs, [name]) for event in own[one]))
        for name in runs
    }


__all__ = ["accepted", "dead_ends", "path_findings", "paths_of", "unreachable"]
