"""Events that an ``emit`` brings to other executions of its own project.

The event's id is the attempt's Idempotency-Key. So an attempt that is made again, after a crash
too, is applied once by each.
"""

from dataclasses import dataclass

from goflow_py.domain.actions import EmitAction
from goflow_py.domain.event import Outside
from goflow_py.domain.execution import Execution, Task
from goflow_py.engine.addressing import with_key
from goflow_py.engine.calls import idempotency_key
from goflow_py.engine.cloudevents import emitted
from goflow_py.engine.executions import Executions
from goflow_py.engine.owner import Owner
from goflow_py.engine.verdict import Definite, Failure, Success, Verdict
from goflow_py.errors import Conflict, GoFlowError, NotFound, Unavailable
from goflow_py.ports import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Emitter:
    """Sends the events of ``emit`` actions."""

    store: Store
    owner: Owner
    executions: Executions
    roles: frozenset[str] | None = None
    """Of the events that executions send; None: not checked."""

    async def emit(self, execution: Execution, task: Task, model: EmitAction) -> Verdict:
        """Send the event of *task* to whom it names; the output says who took it."""
        targets = await self._targets(execution, task, model)
        event = Outside(
            name=model.event,
            data=emitted(task),
            id=idempotency_key(execution, task),
            principal=f"execution:{execution.id}",
            roles=self.roles,
        )
        matched: list[str] = []
        refusal: GoFlowError | None = None
        for target in targets:
            try:
                await self.executions.send(target.id, event)
            except Unavailable:
                raise  # the attempt is made again, and reaches the rest
            except NotFound:
                continue
            except GoFlowError as error:
                if error.reason == "too_many_deferred":
                    return Failure(code=error.reason, message=f"{target.id}: {error.detail}")
                if model.key is None or not target.ended:
                    refusal = refusal or error
            else:
                matched.append(target.id)
        if matched:
            return Success(output={"matched": matched})
        return _nobody(refusal, task)

    async def _targets(
        self, execution: Execution, task: Task, model: EmitAction
    ) -> list[Execution]:
        named = task.target or {}
        if "execution" in named:
            try:
                found = await self.owner.memory.read(str(named["execution"]).lower())
            except NotFound:
                return []
            return [found] if found.project == execution.project else []
        return await with_key(
            self.store,
            named["key"],
            project=execution.project,
            activity=model.activity,
            # One that took it from an attempt that a crash cut may have ended by it.
            ended_too=task.attempts > 1,
        )


def _nobody(refusal: GoFlowError | None, task: Task) -> Definite:
    if isinstance(refusal, Conflict):
        return Definite(code="not_accepted", message=refusal.detail)
    if refusal is not None:
        return Definite(code=refusal.reason, message=refusal.detail)
    named = task.target or {}
    whom = f"id {named['execution']}" if "execution" in named else f"key '{named.get('key')}'"
    return Definite(code="no_match", message=f"no execution of this project has the {whom}")
