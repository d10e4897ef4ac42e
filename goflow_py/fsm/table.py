"""The compiled table as people read it, and what two versions of it differ in."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from goflow_py.domain.blueprint import Blueprint
from goflow_py.domain.model import Model
from goflow_py.domain.names import ANY_STATE, CONTINUE, START
from goflow_py.fsm.compile import Compiled
from goflow_py.fsm.graph import edges_of, is_decided, open_work
from goflow_py.fsm.rows import CompiledRow

Json = dict[str, Any]


def rows_view(compiled: Compiled) -> list[Json]:
    """Return every row that can fire, state by state, in the order of trying.

    Rows of ``*`` stand in each state that they are for. What the language does without a row has a
    ``rule``: R3, a state's own work on ``start``; R4, ``success`` on to ``done``.
    """
    edges = edges_of(compiled, open_work(compiled))
    found: list[Json] = []
    for name, state in compiled.states.items():
        if state.work is not None and not is_decided(compiled.table.get((name, START), ())):
            own = {"current": name, "event": START, "action": state.work, "next": name}
            found.append({"id": f"{name}/{START}/own", **own, "rule": "R3"})
        for edge in edges[name]:
            if edge.row is None:
                row = {"current": name, "event": edge.event, "next": edge.target, "rule": "R4"}
                found.append({"id": edge.id, "action": CONTINUE, **row})
            else:
                found.append({"id": edge.id, **row_view(edge.row, name)})
    return found


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

_LISTED = ("states", "actions", "transitions", "workers", "project", "activity")


def diff(
    before: Compiled, after: Compiled, *, workers: tuple[Iterable[str], Iterable[str]]
) -> Json:
    """Return what was added, removed and changed; *workers* are the names of both versions."""
    old, new = (sorted(set(names)) for names in workers)
    return {
        "states": _named(before.blueprint.state_objects(), after.blueprint.state_objects()),
        "actions": _named(before.blueprint.actions, after.blueprint.actions),
        "rows": _rows(before, after),
        "workers": {
            "added": [name for name in new if name not in old],
            "removed": [name for name in old if name not in new],
        },
        "fields": _fields(before.blueprint, after.blueprint),
    }


def _dump(model: Model) -> Json:
    return model.model_dump(mode="json", by_alias=True, exclude_unset=True)


def _named(before: Iterable[Any], after: Iterable[Any]) -> Json:
    old = {model.name: _dump(model) for model in before}
    new = {model.name: _dump(model) for model in after}
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


def _fields(before: Blueprint, after: Blueprint) -> list[str]:
    """Return the other fields of the blueprint that differ."""
    old, new = _dump(before), _dump(after)
    return list(_differing(old, new))


def _differing(old: Json, new: Json) -> Iterator[str]:
    for name in dict.fromkeys([*old, *new]):
        if name not in _LISTED and old.get(name) != new.get(name):
            yield name
