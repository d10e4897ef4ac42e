"""Netflix Conductor: a workflow as a blueprint.

- ``taskReferenceName`` is the state's name: ``${charge.output.id}`` is ``$.charge.output.id``.
- SIMPLE is a ``pull`` on a queue of the task's name, HTTP a raw call, HUMAN, SUB_WORKFLOW, EVENT,
  INLINE, WAIT and SET_VARIABLE their counterparts. A SWITCH is a ``switch``, a TERMINATE a final
  state; a DO_WHILE counts its iterations in a variable and goes back by a guarded row.
- FORK_JOIN and its JOIN are one state with a graph of tasks. A branch that waits, decides, loops
  or forks is a machine.

A document is a workflow, or ``{"workflow": {...}, "taskDefs": [...]}``.
"""

from typing import Any, Final

from goflow_py.importers.conductor_flow import Machine
from goflow_py.importers.conductor_models import Bundle, TaskDef, Workflow
from goflow_py.importers.conductor_plan import TAKEN, WHAT, Whole, plan
from goflow_py.importers.conductor_refs import Scope
from goflow_py.importers.names import Names, meta_of, slug
from goflow_py.importers.result import (
    Imported,
    Losses,
    our_name,
    pointer,
    read,
)

_IGNORED: Final = frozenset(
    {"restartable", "schemaVersion", "ownerApp", "createTime", "updateTime", "createdBy"}
    | {"updatedBy", "accessPolicy", "inputParameters", "tags", "workflowStatusListenerEnabled"}
    | {"enforceSchema", "metadata", "overwriteTags", "maskedFields"}
)


def import_document(document: Any, *, project: str | None, activity: str | None) -> Imported:
    """Return a workflow of Conductor as a blueprint. Raises ``Invalid``."""
    definitions: list[TaskDef] = []
    at: tuple[str, ...] = ()
    if isinstance(document, dict) and isinstance(document.get("workflow"), dict):
        bundle = read(Bundle, document, what=WHAT)
        document, definitions, at = bundle.workflow, bundle.task_defs, ("workflow",)
    workflow = read(Workflow, document, what=WHAT)
    losses = Losses()
    whole = Whole(
        losses=losses,
        names=Names(taken=TAKEN),
        definitions={one.name: one for one in definitions},
        variables=Names(taken={slug(name) for name in workflow.variables}),
    )
    scope = Scope(losses)
    nodes = plan(workflow.tasks, (*at, "tasks"), scope, whole)
    machine = Machine(whole=whole, scope=scope)
    found = machine.document(nodes)
    data = {slug(name): value for name, value in workflow.variables.items()}
    data |= found.pop("data", {})
    blueprint: dict[str, Any] = {
        "project": our_name(project, "conductor", field="project", what=WHAT),
        "activity": our_name(activity, workflow.name, field="activity", what=WHAT),
        **({"description": workflow.description} if workflow.description else {}),
        **found,
        **({"data": data} if data else {}),
        **({"workers": whole.workers} if whole.workers else {}),
        **({"machines": whole.machines} if whole.machines else {}),
        **({"events": whole.events} if whole.events else {}),
    }
    if workflow.output_parameters:
        where = (*at, "outputParameters")
        blueprint["output"] = scope.template(workflow.output_parameters, where)
    blueprint |= _limits(workflow, losses, at) | _meta(workflow, blueprint["activity"])
    return Imported(blueprint=blueprint, findings=losses.findings())


def _limits(workflow: Workflow, losses: Losses, at: tuple[str, ...]) -> dict[str, Any]:
    """Return the bound on the whole workflow; report what of its fields cannot be kept."""
    if workflow.failure_workflow:
        message = "no other workflow is started after a failure; use rows for 'error'"
        losses.changes(pointer(*at, "failureWorkflow"), message)
    if workflow.input_template:
        message = "an input has no defaults here; let the caller give them"
        losses.changes(pointer(*at, "inputTemplate"), message)
    for name in workflow.model_extra or ():
        if name not in _IGNORED:
            losses.drops(pointer(*at, name), f"'{name[:80]}' is not known, and left out")
    if not workflow.timeout_seconds:
        return {}
    if workflow.timeout_policy == "ALERT_ONLY":
        losses.drops(pointer(*at, "timeoutPolicy"), "a timeout that only alerts is left out")
        return {}
    return {"timeout": workflow.timeout_seconds}


def _meta(workflow: Workflow, activity: str) -> dict[str, Any]:
    meta = meta_of(workflow.name, activity)
    if workflow.version is not None:
        meta["version"] = workflow.version
    if workflow.owner_email:
        meta["ownerEmail"] = workflow.owner_email
    return {"meta": meta} if meta else {}
