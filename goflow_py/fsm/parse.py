"""The texts of a blueprint are compiled here: templates, guards, timers, tasks, actions."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from goflow_py.domain.actions import (
    AnyAction,
    CallAction,
    DelayAction,
    EmitAction,
    HumanAction,
    MapAction,
    SwitchAction,
)
from goflow_py.domain.names import CONTINUE, TIMEOUT
from goflow_py.domain.states import After, GraphTask, OnRow, Row
from goflow_py.errors import GoFlowError
from goflow_py.expression import Expression, Template, compile_expression, compile_template
from goflow_py.fsm.rows import CompiledAction, CompiledRow, CompiledTask, CompiledTimer

Report = Callable[[str, str, str], None]
"""Takes a finding's code, JSON pointer and message."""


def escape(token: str) -> str:
    """Return *token* as a part of a JSON pointer (RFC 6901)."""
    return token.replace("~", "~0").replace("/", "~1")


def timer_event(after: After, number: int) -> str:
    """Return the event that a timer raises.

    One that only names the next state has an event of its own; the space keeps it apart from every
    name that a blueprint can have.
    """
    return f"after {number}" if after.next is not None else (after.event or TIMEOUT)


class Parser:
    """Compiles texts, and reports those that do not parse, or read otherwise than they look."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self.doubts: list[tuple[str, str]] = []

    def _doubt(self, pointer: str, warnings: Iterable[str]) -> None:
        self.doubts += [(pointer, warning) for warning in warnings]

    def template(self, value: Any, pointer: str) -> Template | None:
        if value is None:
            return None
        try:
            template = compile_template(value)
        except GoFlowError as error:
            self._report("bad_expression", pointer, error.detail)
            return None
        self._doubt(pointer, template.warnings)
        return template

    def expression(self, text: str | None, pointer: str) -> Expression | None:
        if text is None:
            return None
        try:
            expression = compile_expression(text)
        except GoFlowError as error:
            self._report("bad_expression", pointer, error.detail)
            return None
        self._doubt(pointer, expression.warnings)
        return expression

    def templates(
        self, values: Mapping[str, Any] | None, pointer: str
    ) -> dict[str, Template] | None:
        if values is None:
            return None
        parsed = {
            name: compile_template(None)
            if value is None
            else self.template(value, f"{pointer}/{escape(name)}")
            for name, value in values.items()
        }
        return {name: template for name, template in parsed.items() if template is not None}

    def row(self, row: Row | OnRow, current: str, event: str, pointer: str) -> CompiledRow:
        action = row.action or None
        return CompiledRow(
            current=current,
            event=event,
            next=row.next,
            action=None if action == CONTINUE else action,
            source=pointer,
            when=self.expression(row.when, f"{pointer}/when"),
            set=self.templates(row.set, f"{pointer}/set"),
            respond=self.template(row.respond, f"{pointer}/respond"),
            reenter=row.reenter,
            delay=row.delay,
        )

    def timer(self, after: After, number: int, pointer: str) -> CompiledTimer:
        delay = after.delay
        return CompiledTimer(
            name=f"after:{number}",
            event=timer_event(after, number),
            delay=self.template(delay, f"{pointer}/delay") if isinstance(delay, str) else delay,
            at=self.template(after.at, f"{pointer}/at"),
        )

    def action(self, model: AnyAction, pointer: str) -> CompiledAction:
        own: dict[str, Any] = {}
        match model:
            case CallAction():
                own = {"path": model.path}
            case DelayAction():
                own = {"seconds": model.seconds, "until": model.until}
            case MapAction():
                own = {"value": model.value}
            case HumanAction():
                own = {"assignedTo": model.assigned_to}
            case EmitAction():
                own = {"data": model.data, "execution": model.execution, "key": model.key}
            case _:
                pass
        return CompiledAction(
            model=model,
            kind=str(getattr(model, "type", "sync")),
            input=self.template(model.input, f"{pointer}/input"),
            output=self.template(model.output, f"{pointer}/output"),
            expression=self.expression(
                model.expression if isinstance(model, SwitchAction) else None,
                f"{pointer}/expression",
            ),
            templates=self.templates({k: v for k, v in own.items() if v is not None}, pointer)
            or {},
            set=self.templates(model.set, f"{pointer}/set")
            if isinstance(model, MapAction)
            else None,
            query=self.templates(model.query, f"{pointer}/query")
            if isinstance(model, CallAction)
            else None,
        )

    def tasks(self, tasks: Iterable[GraphTask], pointer: str) -> tuple[CompiledTask, ...]:
        """Return the graph of a state."""
        return tuple(self._task(task, f"{pointer}/{i}") for i, task in enumerate(tasks))

    def _task(self, task: GraphTask, pointer: str) -> CompiledTask:
        return CompiledTask(
            name=task.name,
            action=task.do or task.name,
            needs=tuple(dict.fromkeys(task.needs)),
            when=self.expression(task.when, f"{pointer}/when"),
            each=self.template(task.each, f"{pointer}/each"),
            item=task.as_,
            concurrency=task.concurrency,
            ignore_failure=task.ignore_failure,
            business_status=task.business_status,
            assigned_to=self.template(task.assigned_to, f"{pointer}/assignedTo"),
            meta=task.meta,
            source=pointer,
        )
