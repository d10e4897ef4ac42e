"""The compiled table as people read it, and what two versions of it differ in."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from goflow_py.domain.blueprint import Blueprint, Machine
from goflow_py.domain.model import Model
from goflow_py.domain.names import ANY_STATE, CONTINUE, START
from goflow_py.fsm.compile import Compiled
from goflow_py.fsm.graph import edges_of, is_decided, works_of
from goflow_py.fsm.rows import CompiledRow, CompiledState, CompiledTask

Json = dict[str, Any]


def rows_view(compiled: Compiled) -> list[Json]:
    """Return every row that can fire, state by state, in the order of trying.

    Rows of ``*`` stand in each state that they are for. What the language does without a row has a
    ``rule``: R3, a state's own work on ``start``; R4, ``success`` on to ``done``. That of a graph
    has its ``tasks``, and the action ``null``.
    """
    edges = edges_of(compiled, works_of(compiled).single)
    found: list[Json] = []
    for name, state in compiled.states.items():
        if state.has_work and not is_decided(compiled.table.get((name, START), ())):
            own = {"current": name, "event": START, "action": state.work, "next": name}
            found.append({"id": f"{name}/{START}/own", **own, "rule": "R3", **graph_view(state)})
        for edge in edges[name]:
            if edge.row is None:
                row = {"current": name, "event": edge.event, "next": edge.target, "rule": "R4"}
                found.append({"id": edge.id, "action": CONTINUE, **row})
            else:
                found.append({"id": edge.id, **row_view(edge.row, name)})
    return found


def machine_rows(compiled: Compiled) -> dict[str, list[Json]]:
    """Return the rows of every private machine, by its name."""
    return {name: rows_view(machine) for name, machine in compiled.machines.items()}


def graph_view(state: CompiledState) -> Json:
    """Return the graph of a state as it is written: nothing where it has none."""
    if state.graph is None:
        return {}
    join = "all" if state.join is None else "any" if state.join == 1 else state.join
    return {"join": join, "tasks": [_task_view(task) for task in state.graph]}


def _task_view(task: CompiledTask) -> Json:
    view: Json = {"name": task.name, "action": task.action, "needs": list(task.needs)}
    if task.when is not None:
        view["when"] = task.when.text
    if task.each is not None:
        view["each"] = task.each.value
        view["as"] = task.item
    if task.concurrency is not None:
        view["concurrency"] = task.concurrency
    if task.ignore_failure is not None:
        view["ignoreFailure"] = task.ignore_failure
    return view


def row_view(row: CompiledRow, current: str) -> Json:
    """Return a row as it is written in ``transitions``."""
    view: Json = {"current": current, "event": row.event, "action": row.action or CONTINUE}
    if row.next is not None:
        view["next"] = row.next
    if row.when is not None:
        view["when"] = row.when.text
    if row.set:
        view["set"] = {name: template.value for name, template in row.set.items()}
    if row.respond is not None:
        view["respond"] = row.respond.value
    if row.reenter:
        view["reenter"] = True
    if row.delay is not None:
        view["delay"] = row.delay
    if row.current == ANY_STATE:
        view["anywhere"] = True
    view["source"] = row.source
    return view


# ---------------------------------------------------------------- two versions

_LISTED = ("states", "actions", "transitions", "workers", "project", "activity", "machines")


def diff(
    before: Compiled, after: Compiled, *, workers: tuple[Iterable[str], Iterable[str]]
) -> Json:
    """Return what was added, removed and changed; *workers* are the names of both versions."""
    old, new = (sorted(set(names)) for names in workers)
    return {
        **_part(before, after, (before.blueprint, after.blueprint)),
        "workers": {
            "added": [name for name in new if name not in old],
            "removed": [name for name in old if name not in new],
        },
        "machines": _machines(before, after),
    }


Written = Blueprint | Machine


def _part(before: Compiled, after: Compiled, written: tuple[Written, Written]) -> Json:
    """Compare two blueprints, or two machines, compiled and as they are *written*."""
    old, new = written
    return {
        "states": _named(before.blueprint.state_objects(), after.blueprint.state_objects()),
        "tasks": _changes(_tasks(before.blueprint), _tasks(after.blueprint)),
        "actions": _named(old.actions, new.actions),
        "rows": _rows(before, after),
        "fields": list(_differing(_dump(old), _dump(new))),
    }


def _machines(before: Compiled, after: Compiled) -> Json:
    old, new = before.blueprint.machines, after.blueprint.machines
    changed = {
        name: _part(before.machines[name], after.machines[name], (old[name], new[name]))
        for name in new
        if name in old and _dump(old[name]) != _dump(new[name])
    }
    return {
        "added": [name for name in new if name not in old],
        "removed": [name for name in old if name not in new],
        "changed": [{"name": name, **part} for name, part in changed.items()],
    }


def _tasks(blueprint: Blueprint) -> Mapping[str, Json]:
    """Return the tasks of all graphs, by ``<state>/<task>``."""
    return {
        f"{state.name}/{task.name}": _dump(task)
        for _, state in blueprint.written_states()
        for task in state.tasks or ()
    }


def _dump(model: Model) -> Json:
    return model.model_dump(mode="json", by_alias=True, exclude_unset=True)


def _named(before: Iterable[Any], after: Iterable[Any]) -> Json:
    old = {model.name: _dump(model) for model in before}
    return _changes(old, {model.name: _dump(model) for model in after})


def _changes(old: Mapping[str, Json], new: Mapping[str, Json]) -> Json:
    return {
        "added": [name for name in new if name not in old],
        "removed": [name for name in old if name not in new],
        "changed": [
            {"name": name, "from": old[name], "to": value}
            for name, value in new.items()
            if name in old and old[name] != value
        ],
    }


def _rows(before: Compiled, after: Compiled) -> Json:
    """Compare rows by (current, event): a row that was only moved in the document is the same."""
    old, new = _grouped(before), _grouped(after)
    found: Json = {"added": [], "removed": [], "changed": []}
    for key in dict.fromkeys([*old, *new]):
        gone, come = list(old.get(key, ())), list(new.get(key, ()))
        for row in list(gone):
            if row in come:
                gone.remove(row)
                come.remove(row)
        changed = min(len(gone), len(come))
        pairs = zip(gone[:changed], come[:changed], strict=True)
        found["changed"] += [{"from": one, "to": other} for one, other in pairs]
        found["removed"] += gone[changed:]
        found["added"] += come[changed:]
        if not changed and not gone and not come and old[key] != new[key]:
            found["changed"].append({"from": old[key], "to": new[key]})
    return found


def _grouped(compiled: Compiled) -> Mapping[tuple[str, str], Sequence[Json]]:
    grouped: dict[tuple[str, str], list[Json]] = {}
    for row in compiled.rows:
        view = row_view(row, row.current)
        del view["source"]
        view.pop("anywhere", None)
        grouped.setdefault((row.current, row.event), []).append(view)
    return grouped


def _differing(old: Json, new: Json) -> Iterator[str]:
    """Yield the other fields that differ."""
    for name in dict.fromkeys([*old, *new]):
        if name not in _LISTED and old.get(name) != new.get(name):
            yield name
