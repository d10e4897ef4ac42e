"""Executions as the Serverless Workflow Manager shows its instances: the names are the originals.

A definition of its own is told by its form: every state is a stage, and its work a graph of tasks.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from goflow_py.domain.actions import HumanAction, PullAction
from goflow_py.domain.execution import Execution
from goflow_py.domain.names import CANCELLED, ERROR
from goflow_py.domain.states import GraphTask, State
from goflow_py.expression import budget
from goflow_py.fsm.compile import Compiled

OF_A_STAGE = frozenset({"name", "stage_order", "fields"})
"""Fields of a state's ``meta`` that are the importer's notes."""
LAST = ("status", "reason", "last_updated_time_pretty")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A state under its original name."""

    name: str
    order: float
    state: State
    tasks: Mapping[str, GraphTask]
    """By their original names."""


@dataclass(slots=True)
class _Progress:
    """How far a task is."""

    status: str
    reason: str | None
    at: str


@dataclass(slots=True)
class _Walk:
    """What a history says of the newest visit of each state."""

    state: str = "init"
    verb: str | None = None
    tasks: dict[str, dict[str, _Progress]] = field(default_factory=dict)
    """By state and task."""

    def take(self, entry: Mapping[str, Any]) -> None:
        """Follow one entry."""
        match entry["type"]:
            case "control":
                self.verb = entry["verb"]
            case "transition" if entry["entered"]:
                self.state, self.verb = entry["to"], None
                self.tasks[self.state] = {}
            case "taskScheduled" if not entry.get("errand"):
                self._here[entry["task"]] = _Progress("SCHEDULED", None, entry["at"])
            case "attemptEnded" if entry.get("counts"):
                # It failed for good: it has one attempt, and waits for a TaskPending.
                reason = (entry.get("error") or {}).get("message")
                self._here[entry["task"]] = _Progress("FAILED", reason, entry["at"])
            case "taskEnded":
                self._ended(entry)
            case _:
                pass

    @property
    def _here(self) -> dict[str, _Progress]:
        return self.tasks.setdefault(self.state, {})

    def _ended(self, entry: Mapping[str, Any]) -> None:
        name, error = entry["task"], entry.get("error")
        if entry["outcome"] == CANCELLED and self.verb != "skip":
            self._here.pop(name, None)  # it runs again with a retry
        elif entry["outcome"] == ERROR or error is not None:
            self._here[name] = _Progress("FAILED", (error or {}).get("message"), entry["at"])
        else:
            reason = "skipped" if entry["outcome"] == CANCELLED else ""
            self._here[name] = _Progress("COMPLETED", reason, entry["at"])


def is_swm(compiled: Compiled) -> bool:
    """Tell whether a blueprint is stages with tasks, and nothing else."""
    states = list(compiled.blueprint.state_objects())
    return bool(states) and all(s.stage is not None and s.tasks is not None for s in states)


def workflow_name(compiled: Compiled) -> str:
    """Return the original name of an activity."""
    return str(compiled.blueprint.meta.get("name", compiled.blueprint.activity))


def stages(compiled: Compiled) -> Iterator[Stage]:
    """Yield the stages in their order."""
    for place, state in enumerate(compiled.blueprint.state_objects()):
        yield Stage(
            name=str(state.meta.get("name", state.stage or state.name)),
            order=float(state.meta.get("stage_order", place)),
            state=state,
            tasks={str(task.meta.get("name", task.name)): task for task in state.tasks or ()},
        )


def instance(
    execution: Execution, compiled: Compiled, history: Iterable[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return the instance document; *history* is all entries, as the API shows them."""
    walk = _Walk()
    for entry in history:
        walk.take(entry)
    meta = compiled.blueprint.meta
    extras = {k: v for k, v in meta.items() if k not in ("name", "component_name")}
    found = list(stages(compiled))
    names = [stage.state.name for stage in found]
    here = names.index(execution.state) if execution.state in names else None
    return {
        "business_ref_no": execution.key,
        "component_name": meta.get("component_name", execution.project),
        "stages": [
            _stage(stage, _stage_status(execution, place, here, stage), compiled, walk)
            for place, stage in enumerate(found)
        ],
        **extras,
        "version": execution.seq,
        "workflow_name": workflow_name(compiled),
        "updated_at": _stamp(execution.at),
    }


def _stage_status(execution: Execution, place: int, here: int | None, stage: Stage) -> str:
    """Return how far a stage is: what is behind the current one was reset, or not begun."""
    if stage.state.name not in execution.last_visits:
        return "NOT STARTED"
    if here is None or place < here:
        return "COMPLETED"
    return "ACTIVE" if place == here else "NOT STARTED"


def _stage(stage: Stage, status: str, compiled: Compiled, walk: _Walk) -> dict[str, Any]:
    shown: dict[str, Any] = {"stage_name": stage.name, "stage_order": stage.order}
    if stage.tasks:
        known = walk.tasks.get(stage.state.name, {}) if status != "NOT STARTED" else {}
        shown["tasks"] = [_task(stage, name, compiled, known) for name in stage.tasks]
    shown |= {k: v for k, v in stage.state.meta.items() if k not in OF_A_STAGE}
    return {**shown, "status": status}


def _task(
    stage: Stage, name: str, compiled: Compiled, known: Mapping[str, _Progress]
) -> dict[str, Any]:
    task = stage.tasks[name]
    shown = _in_order(_defined(stage, name, compiled), stage.state.meta.get("fields", {}).get(name))
    progress = known.get(task.name)
    if progress is None:
        return {**shown, "status": "PENDING"}
    pretty = datetime.fromisoformat(progress.at).ctime()
    return {**shown, **dict(zip(LAST, (progress.status, progress.reason, pretty), strict=True))}


def _defined(stage: Stage, name: str, compiled: Compiled) -> dict[str, Any]:
    """Return a task as its definition has it."""
    task = stage.tasks[name]
    originals = {own.name: original for original, own in stage.tasks.items()}
    action = compiled.actions[task.do or task.name]
    model = action.model
    shown: dict[str, Any] = {
        "task_name": name,
        "parent_task": [originals[parent] for parent in task.needs],
    }
    if isinstance(model, PullAction | HumanAction) and model.queue is not None:
        shown["task_queue"] = model.meta.get("task_queue", model.queue)
    shown["task_type"] = "HUMAN" if action.kind == "human" else "SERVICE"
    if "assignedTo" in action.templates:
        budget.begin()
        shown["assigned_to"] = action.templates["assignedTo"].render({})
    if task.business_status is not None:
        shown["business_status"] = task.business_status
    return shown | {k: v for k, v in task.meta.items() if k != "name"}


def _in_order(shown: dict[str, Any], order: Iterable[str] | None) -> dict[str, Any]:
    """Return the fields in the order that the definition had, where the importer noted it."""
    first = [name for name in order or () if name in shown]
    return {name: shown[name] for name in dict.fromkeys([*first, *shown])}


def _stamp(at: int) -> str:
    moment = datetime.fromtimestamp(at / 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{at % 1000:03}+0000"
