"""Which definition a child execution runs, and whether it can be started."""

from goflow_py.domain.actions import ActivityAction
from goflow_py.domain.execution import Task
from goflow_py.domain.values import value
from goflow_py.engine.catalog import Catalog, check_startable
from goflow_py.engine.steps import Step
from goflow_py.errors import GoFlowError, Invalid
from goflow_py.fsm.compile import Compiled
from goflow_py.fsm.schemas import check_schema

GENERATIONS_MAX = 16
"""Children of children; more are taken for an endless recursion."""


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
    try:
        if model.machine is not None:
            birth = Birth(compiled=_machine(parent, model.machine), machine=model.machine)
        else:
            birth = Birth(compiled=await _activity(catalog, parent, model))
        schema = birth.compiled.blueprint.input
        if schema is not None:
            check_schema(schema, task.input, "the input of the child")
    except GoFlowError as refusal:
        return Unborn(code=refusal.reason, message=refusal.detail)
    return birth


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
