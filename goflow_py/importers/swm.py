"""Serverless Workflow Manager: stages one after the other, each a graph of tasks.

A stage is a state, a task of it a task of the state's graph. The business key
(``business_ref_no``) is given when an execution starts. An instance is read as its definition:
what it says of its own progress is left out.
"""

from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from typing import Any, Final, Literal

from pydantic import Field, ModelWrapValidatorHandler, PrivateAttr, model_validator

from goflow_py.domain import documents
from goflow_py.importers.names import ACTIONS_TAKEN, STATES_TAKEN, TASKS_TAKEN, Names, meta_of
from goflow_py.importers.result import (
    Foreign,
    Imported,
    literal,
    our_name,
    pointer,
    read,
    refuse,
)

WHAT: Final = "a definition of the Serverless Workflow Manager"
LEASE_SECONDS: Final = 86_400
"""SWM bounds no task; a claim holds as long as an ``async`` call is waited for."""
OF_AN_INSTANCE: Final = frozenset({"_id", "business_ref_no", "status", "updated_at", "version"})
OF_A_RUNNING_TASK: Final = frozenset({"last_updated_time_pretty", "reason", "status"})


class Task(Foreign):
    """A piece of work of a stage; what else it has is for its worker."""

    task_name: str
    parent_task: list[str] = Field(default_factory=list)
    task_queue: str | None = None
    task_type: Literal["SERVICE", "HUMAN"]
    business_status: str | None = None
    assigned_to: str | None = None
    ignore_task_failure: bool | None = None
    _fields: list[str] = PrivateAttr(default_factory=list)

    @model_validator(mode="wrap")
    @classmethod
    def _remember_order(cls, value: Any, handler: ModelWrapValidatorHandler["Task"]) -> "Task":
        task = handler(value)
        if isinstance(value, dict):
            task._fields = [name for name in value if name not in OF_A_RUNNING_TASK]
        return task

    @property
    def fields(self) -> list[str]:
        """Return the names of its fields in the order in which they were written."""
        return self._fields

    @property
    def extras(self) -> dict[str, Any]:
        """Return what goes to the worker as it is."""
        extras = {k: v for k, v in (self.model_extra or {}).items() if k not in OF_A_RUNNING_TASK}
        if self.ignore_task_failure is not None:
            # Workers of SWM get this one, too.
            extras["ignore_task_failure"] = self.ignore_task_failure
        return extras


class Stage(Foreign):
    """Work that is done before the next stage begins."""

    stage_name: str
    stage_order: float | None = None
    tasks: list[Task] | None = None


class Workflow(Foreign):
    """The definition, or an instance, which holds a copy of it."""

    workflow_name: str
    component_name: str
    stages: list[Stage]


def import_document(document: Any, *, project: str | None, activity: str | None) -> Imported:
    """Return a definition, or an instance, of SWM as a blueprint. Raises ``Invalid``."""
    workflow = read(Workflow, document, what=WHAT)
    stages = _in_order(workflow)
    names = Names((stage.stage_name for stage in stages), taken=STATES_TAKEN)
    actions = _Actions(stages)
    blueprint: dict[str, Any] = {
        "project": our_name(project, workflow.component_name, field="project", what=WHAT),
        "activity": our_name(activity, workflow.workflow_name, field="activity", what=WHAT),
        "states": [_state(stage, place, names, actions) for place, stage in enumerate(stages)],
        "actions": actions.documents,
        "transitions": list(_transitions(stages, names)),
    }
    extras = workflow.model_extra or {}
    meta = {k: v for k, v in extras.items() if k not in OF_AN_INSTANCE}
    meta |= meta_of(workflow.workflow_name, blueprint["activity"])
    if workflow.component_name != blueprint["project"]:
        meta["component_name"] = workflow.component_name
    if meta:
        blueprint["meta"] = meta
    return Imported(blueprint=blueprint)


def _in_order(workflow: Workflow) -> list[Stage]:
    """Return the stages in the order in which they run. Raises ``Invalid``."""
    seen: set[str] = set()
    for i, stage in enumerate(workflow.stages):
        at = pointer("stages", i)
        if stage.stage_name in seen:
            refuse(at, f"the stage '{stage.stage_name}' is there twice", what=WHAT)
        seen.add(stage.stage_name)
        _check(stage.tasks or [], at)
    # A stage without a number keeps its place.
    order = {
        id(stage): place if stage.stage_order is None else stage.stage_order
        for place, stage in enumerate(workflow.stages)
    }
    return sorted(workflow.stages, key=lambda stage: order[id(stage)])


def _check(tasks: list[Task], at: str) -> None:
    """Refuse a stage that SWM would never complete."""
    known: set[str] = set()
    for i, task in enumerate(tasks):
        if task.task_name in known:
            refuse(f"{at}/tasks/{i}", f"the task '{task.task_name}' is there twice", what=WHAT)
        known.add(task.task_name)
    for i, task in enumerate(tasks):
        for parent in task.parent_task:
            if parent not in known:
                message = f"the stage has no task '{parent}'"
                refuse(f"{at}/tasks/{i}/parent_task", message, what=WHAT)
    try:
        TopologicalSorter({task.task_name: task.parent_task for task in tasks}).prepare()
    except CycleError as cycle:
        shown = " -> ".join(cycle.args[1])
        refuse(f"{at}/tasks", f"these tasks wait for each other: {shown}", what=WHAT)


class _Actions:
    """The actions of all stages: one for each task, shared by equal tasks of one name."""

    def __init__(self, stages: list[Stage]) -> None:
        tasks = [task for stage in stages for task in stage.tasks or []]
        self._names = Names((task.task_name for task in tasks), taken=ACTIONS_TAKEN)
        self._queues = Names(task.task_queue for task in tasks if task.task_queue)
        self._known: dict[bytes, str] = {}
        self._used: set[str] = set()
        self.documents: list[dict[str, Any]] = []

    def of(self, task: Task) -> str:
        """Return the name of the action that does *task*."""
        name = self._names.of(task.task_name)
        action: dict[str, Any] = {"name": name, "type": "pull"}
        if task.task_queue:
            action["queue"] = self._queues.of(task.task_queue)
        if task.task_type == "HUMAN":
            action["type"] = "human"
            if task.assigned_to is not None:
                action["assignedTo"] = literal(task.assigned_to)
        else:
            action |= {"lease": LEASE_SECONDS, "retryCount": 0}
        # A task that fails stops nothing else: it waits for a TaskPending.
        action["whenFailed"] = "wait"
        meta = meta_of(task.task_name, name)
        if task.task_queue and self._queues.meta(task.task_queue):
            meta["task_queue"] = task.task_queue
        if meta:
            action["meta"] = meta
        key = documents.dumps(action)
        if key not in self._known:
            if name in self._used:
                action["name"] = self._names.new(name)
            self._used.add(name)
            self._known[key] = action["name"]
            self.documents.append(action)
        return self._known[key]


def _state(stage: Stage, place: int, names: Names, actions: _Actions) -> dict[str, Any]:
    tasks = stage.tasks or []
    task_names = Names((task.task_name for task in tasks), taken=TASKS_TAKEN)
    state: dict[str, Any] = {
        "name": names.of(stage.stage_name),
        "stage": stage.stage_name,
        # Without a task the graph is empty, and the stage over at once.
        "tasks": [_task(task, task_names, actions) for task in tasks],
    }
    extras = {k: v for k, v in (stage.model_extra or {}).items() if k != "status"}
    meta = extras | names.meta(stage.stage_name)
    # For the view as an instance, which shows both as they were written.
    if tasks:
        meta["fields"] = {task.task_name: task.fields for task in tasks}
    if stage.stage_order is not None and stage.stage_order != place:
        meta["stage_order"] = stage.stage_order
    if meta:
        state["meta"] = meta
    return state


def _task(task: Task, names: Names, actions: _Actions) -> dict[str, Any]:
    name = names.of(task.task_name)
    document: dict[str, Any] = {"name": name}
    action = actions.of(task)
    if action != name:
        document["do"] = action
    if task.parent_task:
        document["needs"] = [names.of(parent) for parent in task.parent_task]
    if task.ignore_task_failure:
        document["ignoreFailure"] = True
    if task.business_status is not None:
        document["businessStatus"] = task.business_status
    meta = task.extras | names.meta(task.task_name)
    if meta:
        document["meta"] = meta
    return document


def _transitions(stages: list[Stage], names: Names) -> Iterator[dict[str, Any]]:
    current, event = "init", "start"
    for stage in stages:
        name = names.of(stage.stage_name)
        yield {"current": current, "event": event, "next": name}
        current, event = name, "success"
    yield {"current": current, "event": event, "next": "done"}
