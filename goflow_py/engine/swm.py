"""The four events of the Serverless Workflow Manager, as its clients send them.

They name everything as its definition does: stages, tasks, ``component_name`` for the project.
A task is ended by its name, whether somebody has claimed it or not: there are no claims there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from goflow_py.domain.event import Control
from goflow_py.domain.execution import Execution, Status, Task
from goflow_py.engine.addressing import with_key
from goflow_py.engine.catalog import Catalog
from goflow_py.engine.dispatcher import Dispatcher
from goflow_py.engine.executions import Executions
from goflow_py.engine.owner import NameTaken, Owner
from goflow_py.engine.requests import Match, Repeat, Sent, StartRequest
from goflow_py.engine.stand_ins import QUEUED
from goflow_py.engine.steps import Step
from goflow_py.engine.swm_view import Stage, is_swm, stages, workflow_name
from goflow_py.engine.verdict import Definite, Success
from goflow_py.errors import Conflict, NotFound, PreconditionFailed
from goflow_py.fsm import timers
from goflow_py.fsm.compile import Compiled
from goflow_py.fsm.work import is_parked
from goflow_py.importers.names import slug
from goflow_py.ports import Name, Store

BLUEPRINTS_PAGE = 500
DECISIONS_MAX = 10
"""Times that a verb is chosen anew, because the execution moved on meanwhile."""
PRIORITY = 1
VIA = "swm"
"""How the history names outcomes that came this way, and who brought them without a key."""

EventName = Literal["StartWorkflow", "TaskCompleted", "TaskFailed", "TaskPending"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SwmEvent:
    """One of the four bodies."""

    name: EventName
    business_ref_no: str
    component_name: str
    workflow_name: str | None = None
    stage_name: str = ""
    task_name: str = ""
    reason: str | None = None
    only_this: bool = False
    others: Mapping[str, Any] = field(default_factory=dict)
    """All that the manager itself does not know."""
    principal: str | None = None

    @property
    def project(self) -> str:
        """Return the project that the component was imported as."""
        return slug(self.component_name)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Target:
    """The task that an event names."""

    execution: Execution
    stages: tuple[Stage, ...]
    stage: Stage
    task: str
    """Its name in the blueprint."""
    compiled: Compiled


class Swm:
    """Carries out what the events say."""

    def __init__(
        self,
        *,
        store: Store,
        catalog: Catalog,
        owner: Owner,
        executions: Executions,
        dispatcher: Dispatcher,
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._owner = owner
        self._executions = executions
        self._dispatcher = dispatcher

    async def send(self, event: SwmEvent, repeat: Repeat | None = None) -> Sent:
        """Do what *event* says. Raises ``NotFound``; ``Conflict`` for what makes no sense now."""
        if event.name == "StartWorkflow":
            return await self._start(event, repeat)
        if repeat is not None:
            before = await self._store.name(event.project, "idem", repeat.scope, repeat.key)
            if before is not None:
                return await self._sent_before(before, repeat)
        if event.name == "TaskPending":
            return await self._again(event, repeat)
        return await self._end(event, repeat)

    async def _sent_before(self, name: Name, repeat: Repeat) -> Sent:
        repeat.check(name)
        execution = await self._owner.memory.read(name.execution)
        return Sent(execution=execution, applied=True, replayed=True)

    # ------------------------------------------------------------ StartWorkflow

    async def _start(self, event: SwmEvent, repeat: Repeat | None) -> Sent:
        activity = await self._activity(event)
        request = StartRequest(input=dict(event.others), key=event.business_ref_no, repeat=repeat)
        started = await self._executions.start(event.project, activity, request)
        return Sent(execution=started.execution, applied=True, replayed=started.replayed)

    async def _activity(self, event: SwmEvent) -> str:
        """Return the component's only workflow, or the one that is named."""
        found = []
        for activity in await self._activities(event.project):
            compiled = (await self._catalog.activity(event.project, activity)).latest
            if is_swm(compiled) and _is_named(compiled, event):
                found.append(activity)
        if not found:
            which = f" '{event.workflow_name}'" if event.workflow_name is not None else ""
            raise NotFound(
                f"the component '{event.component_name}' has no workflow{which}; upload its "
                "definition to /v1/blueprints?format=swm",
                code="no_match",
            )
        if len(found) > 1:
            raise Conflict(
                f"the component '{event.component_name}' has several workflows "
                f"({', '.join(found)}); name one in 'workflow_name'",
                code="several_workflows",
                activities=found,
            )
        return found[0]

    async def _activities(self, project: str) -> list[str]:
        found: list[str] = []
        cursor: str | None = None
        while True:
            page = await self._store.blueprints(
                project=project, limit=BLUEPRINTS_PAGE, cursor=cursor
            )
            found += [row.activity for row in page.items]
            cursor = page.next
            if cursor is None:
                return found

    # ------------------------------------------------------------ TaskCompleted, TaskFailed

    async def _end(self, event: SwmEvent, repeat: Repeat | None) -> Sent:
        target = await self._target(event)
        verdict: Success | Definite = Success(output=dict(event.others))
        if event.name == "TaskFailed":
            message = event.reason or f"the task '{event.task_name}' failed"
            verdict = Definite(code="task_failed", message=message)

        def act(step: Step) -> None:
            task = _open_task(step.draft.after, target)
            if not any(held["input"].get("task") == task.name for held in step.draft.after.held):
                self._close(step, task, verdict, event.principal or VIA)

        def names(_: None, after: Execution) -> list[Name]:
            return _names(after, repeat)

        try:
            execution, _ = await self._owner.apply(target.execution.id, act, names)
        except NameTaken as taken:
            assert repeat is not None, "only a repeat takes a name"
            return await self._sent_before(taken.name, repeat)
        return Sent(execution=execution, applied=True)

    def _close(self, step: Step, task: Task, verdict: Success | Definite, worker: str) -> None:
        """End the attempt of who claimed the task, or one that begins and ends now."""
        draft = step.draft
        timers.cancel_timer(draft, f"task:{task.name}:lease")
        if task.call is None:
            draft.add(
                "attemptStarted",
                task=task.name,
                attempt=task.attempts + 1,
                worker=worker,
                priority=PRIORITY,
                visit=draft.after.visit,
                accepted=True,
            )
        task = draft.after.tasks[task.name]
        self._dispatcher.close(step.compiled, draft, task, verdict, workers=step.workers, via=VIA)

    # ------------------------------------------------------------ TaskPending

    async def _again(self, event: SwmEvent, repeat: Repeat | None) -> Sent:
        """Let a task that failed, or is done, run once more."""
        for _ in range(DECISIONS_MAX):
            target = await self._target(event, ended_too=True)
            verb, arguments = _verb(target, event)
            command = Control(
                verb=verb, reason=event.reason, principal=event.principal, arguments=arguments
            )
            seen = Match(revision=target.execution.seq)
            try:
                execution, replayed = await self._executions.control(
                    target.execution.id, command, match=seen, repeat=repeat
                )
            except PreconditionFailed:
                continue
            return Sent(execution=execution, applied=True, replayed=replayed)
        raise Conflict(
            f"the execution with the key '{event.business_ref_no}' moves on all the time; "
            "send it again",
            code="moved_on",
        )

    # ------------------------------------------------------------ whom it names

    async def _target(self, event: SwmEvent, *, ended_too: bool = False) -> _Target:
        """Return the task that is named: of the open execution, else of the newest one."""
        found = await self._known(event, ended_too=False)
        if len(found) > 1:
            names = sorted(execution.activity for execution, _ in found)
            raise Conflict(
                f"several workflows run with the business_ref_no '{event.business_ref_no}' "
                f"({', '.join(names)}); name one in 'workflow_name'",
                code="several_workflows",
                activities=names,
            )
        if not found:
            found = await self._known(event, ended_too=True)
        if not found:
            raise NotFound(
                f"no execution of '{event.component_name}' has the business_ref_no "
                f"'{event.business_ref_no}'; send StartWorkflow first",
                code="no_match",
            )
        execution, compiled = found[0]
        if execution.ended and not ended_too:
            raise Conflict(
                f"the execution has ended ({execution.status}); "
                "TaskPending lets a task run once more",
                code="ended",
                state=execution.state,
            )
        return _find(execution, compiled, event)

    async def _known(self, event: SwmEvent, *, ended_too: bool) -> list[tuple[Execution, Compiled]]:
        found = await with_key(
            self._store, event.business_ref_no, project=event.project, ended_too=ended_too
        )
        return [
            (execution, compiled)
            for execution, compiled in await self._catalog.fitting(found)
            if is_swm(compiled) and _is_named(compiled, event)
        ]


def _is_named(compiled: Compiled, event: SwmEvent) -> bool:
    return event.workflow_name in (None, workflow_name(compiled), compiled.blueprint.activity)


def _find(execution: Execution, compiled: Compiled, event: SwmEvent) -> _Target:
    found = tuple(stages(compiled))
    stage = next((stage for stage in found if stage.name == event.stage_name), None)
    if stage is None:
        raise NotFound(
            f"the workflow has no stage '{event.stage_name[:80]}'",
            code="no_stage",
            stages=[stage.name for stage in found],
        )
    task = stage.tasks.get(event.task_name)
    if task is None:
        raise NotFound(
            f"the stage '{stage.name}' has no task '{event.task_name[:80]}'",
            code="no_task",
            tasks=list(stage.tasks),
        )
    return _Target(
        execution=execution, stages=found, stage=stage, task=task.name, compiled=compiled
    )


def _open_task(execution: Execution, target: _Target) -> Task:
    """Return the task that is to be ended. Raises ``Conflict`` when it is not open."""
    task = execution.tasks.get(target.task)
    if execution.state != target.stage.state.name or execution.ended:
        raise _not_now(target, f"the execution is in state '{execution.state}'", execution)
    if task is None:
        raise _not_now(target, "the task waits for others that come before it", execution)
    if not task.open or task.kind not in QUEUED:
        raise _not_now(target, f"the task has ended already ({task.outcome})", execution)
    return task


def _verb(target: _Target, event: SwmEvent) -> tuple[str, dict[str, Any]]:
    """Return what lets the named task run once more. Raises ``Conflict``."""
    execution, state = target.execution, target.stage.state.name
    if event.only_this:
        return "replay", {"from": state, "downstream": False, "task": target.task}
    order = [stage.state.name for stage in target.stages]
    here = order.index(execution.state) if execution.state in order else len(order)
    if state not in execution.last_visits or order.index(state) > here:
        raise _not_now(target, "its stage has not begun", execution)
    task = execution.tasks.get(target.task) if execution.state == state else None
    if execution.state != state or (task is not None and task.ended_well):
        return "replay", {"from": state}
    if task is not None and is_parked(target.compiled.actions[task.action], task):
        return "retry", {"task": task.name}
    if execution.status is Status.FAILED:
        return "retry", {}
    raise _not_now(target, "the task is still to be done", execution)


def _not_now(target: _Target, why: str, execution: Execution) -> Conflict:
    return Conflict(
        f"this makes no sense for a task of stage '{target.stage.name}' now: {why}",
        code="not_now",
        state=execution.state,
        executionStatus=str(execution.status),
    )


def _names(execution: Execution, repeat: Repeat | None) -> list[Name]:
    if repeat is None:
        return []
    name = Name(
        project=execution.project,
        kind="idem",
        scope=repeat.scope,
        name=repeat.key,
        execution=execution.id,
        digest=repeat.digest,
        answer=b"{}",
    )
    return [name]
