"""One attempt of any kind of work that the engine sees through itself."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from goflow_py.clock import Clock
from goflow_py.domain.actions import EmitAction, ScriptAction
from goflow_py.domain.execution import Execution, Task
from goflow_py.engine.caller import Caller
from goflow_py.engine.catalog import Catalog
from goflow_py.engine.verdict import Definite, Failure, Success, Verdict
from goflow_py.errors import GoFlowError, Unavailable
from goflow_py.fsm.compile import Compiled
from goflow_py.fsm.draft import Draft
from goflow_py.ports import Reply
from goflow_py.ports.scripts import Broken, Done, Scripts, TimedOut

SCRIPT_SECONDS = 0.25
SCRIPT_BUSY_SECONDS = 0.5
"""Pause before a script asks again for a free process."""

Emit = Callable[[Execution, Task, EmitAction], Awaitable[Verdict]]
"""Brings an event to other executions."""


async def emit_to_nobody(_: Execution, __: Task, ___: EmitAction) -> Verdict:
    """Refuse: nothing is wired that could."""
    return Definite(code="no_match", message="this server cannot send events to executions")


@dataclass(kw_only=True)
class Doers:
    """Makes attempts: calls, scripts, events."""

    caller: Caller
    catalog: Catalog
    clock: Clock
    scripts: Scripts | None = None
    emit: Emit = emit_to_nobody

    async def do(
        self, compiled: Compiled, execution: Execution, task: Task
    ) -> tuple[Reply | None, Verdict]:
        """Return what came back, and what it means. Never raises for bad work."""
        action = compiled.actions.get(task.action)
        model = action.model if action is not None else None
        if isinstance(model, ScriptAction) and task.kind == "script":
            return None, await self._script(execution, task, model)
        if isinstance(model, EmitAction) and task.kind == "emit" and model.endpoint is None:
            return None, await self._emit(execution, task, model)
        workers = await self.catalog.workers(execution.project, execution.activity)
        return await self.caller.call(compiled, execution, task, workers)

    async def _script(self, execution: Execution, task: Task, model: ScriptAction) -> Verdict:
        if self.scripts is None:
            return Definite(code="script", message="this server runs no scripts")
        document = Draft(execution, execution.at).document(**task.sees)
        document["input"] = task.input
        seconds = model.timeout or SCRIPT_SECONDS
        while True:
            try:
                outcome = await self.scripts.run(model.script, document, timeout_seconds=seconds)
            except Unavailable as refusal:
                if refusal.reason != "scripts_busy":
                    return Definite(code="script", message=refusal.detail)
                await self.clock.sleep(SCRIPT_BUSY_SECONDS)
                continue
            match outcome:
                case Done():
                    return Success(output=outcome.output)
                case Broken():
                    return Failure(code="script", message=outcome.message)
                case TimedOut():
                    message = f"the script did not end within {seconds:g} s"
                    return Failure(code="timeout", message=message)

    async def _emit(self, execution: Execution, task: Task, model: EmitAction) -> Verdict:
        try:
            return await self.emit(execution, task, model)
        except Unavailable as refusal:
            return Failure(code="unreachable", message=refusal.detail)
        except GoFlowError as refusal:
            return Definite(code=refusal.reason, message=refusal.detail)
