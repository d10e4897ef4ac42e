"""Which definition a child execution runs, and whether it can be started."""

from typing import Any

from goflow_py.domain.actions import ActivityAction
from goflow_py.domain.execution import Task
from goflow_py.domain.values import value
from goflow_py.engine.catalog import Catalog, check_startable
from goflow_py.engine.steps import Step
from goflow_py.errors import GoFlowError, Invalid
from goflow_py.fsm.compile import Compiled
from goflow_py.fsm.places import places_above
from goflow_py.fsm.rows import EACH
from goflow_py.fsm.schemas import check_schema

GENERATIONS_MAX = 16
"""Children of children; more are taken for an endless recursion."""
GENERATION_MEMBERS_MAX = 100_000
"""Executions of one generation of a family at a time."""


@value
class Birth:
    """What the child runs."""

    compiled: Compiled
    machine: str | None = None


@value
class Unborn:
    """Why there is no child."""

    code: str
    message: str


async def conceive(catalog: Catalog, parent: Step, task: Task) -> Birth | Unborn:
    """Return what the child of *task* runs, or why it cannot be started."""
    model = parent.compiled.actions[task.action].model
    assert isinstance(model, ActivityAction), "only an activity has a child"
    if parent.draft.after.depth >= GENERATIONS_MAX:
        message = f"children are nested {GENERATIONS_MAX} deep already"
        return Unborn(code="too_deep", message=message)
    if breadth(parent) > GENERATION_MEMBERS_MAX:
        message = f"its family may not have more than {GENERATION_MEMBERS_MAX} of one generation"
        return Unborn(code="too_many_children", message=message)
    try:
        if model.machine is not None:
            birth = Birth(compiled=_machine(parent, model.machine), machine=model.machine)
        else:
            birth = Birth(compiled=await _activity(catalog, parent, model))
        schema = birth.compiled.blueprint.input
        if schema is not None:
            payer = parent.draft.after.project
            check_schema(schema, task.input, "the input of the child", payer=payer)
    except GoFlowError as refusal:
        return Unborn(code=refusal.reason, message=refusal.detail)
    return birth


def breadth(parent: Step) -> int:
    """Return of how many a child is one, if all in its family had as many siblings as it has.

    The number of siblings times that of the parent's, and so on: a family in which this is at most
    N for everybody has at most N members in each generation, and nobody has to count them.
    """
    execution = parent.draft.after
    known = int((execution.parent or {}).get("breadth", 1))
    siblings = 0
    for spec in parent.compiled.states[execution.state].graph or ():
        if parent.compiled.actions[spec.action].kind == "activity":
            task = execution.tasks.get(spec.name)
            siblings += len(task.input) if task is not None and task.kind == EACH else 1
    return known * max(siblings, 1)


def parentage(parent: Step, task: Task) -> dict[str, Any]:
    """Return what a child knows of the work that it is, and of those above it."""
    assert task.call is not None, "a child is the attempt that it makes"
    execution = parent.draft.after
    found: dict[str, Any] = {
        "id": execution.id,
        "task": task.name,
        "visit": execution.visit,
        "fence": task.call.fence,
    }
    above, wide = places_above(parent.compiled, execution), breadth(parent)
    if above:
        found["places"] = above
    if wide > 1:
        found["breadth"] = wide
    return found


def _machine(parent: Step, name: str) -> Compiled:
    found = parent.compiled.machines.get(name)
    if found is None:
        raise Invalid(f"the blueprint has no machine '{name}'", code="no_machine")
    return found


async def _activity(catalog: Catalog, parent: Step, model: ActivityAction) -> Compiled:
    project = parent.draft.after.project
    known = await catalog.activity(project, model.activity or "")
    if model.version in (None, known.latest.version):
        check_startable(known, known.problems)
        return known.latest
    compiled = await catalog.compiled(project, model.activity or "", model.version or 0)
    check_startable(known, catalog.start_problems(compiled, known.workers))
    return compiled
