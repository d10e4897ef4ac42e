"""A player that drives a blueprint through pure steps: no engine, no store, no clock."""

from collections.abc import Callable
from typing import Any

import orjson

from goflow_py.domain.blueprint import Blueprint
from goflow_py.domain.event import Control, Outside
from goflow_py.domain.execution import Execution, copy, decode, encode
from goflow_py.engine.checker import verify
from goflow_py.fsm import events, inputs, work
from goflow_py.fsm.compile import compile_blueprint
from goflow_py.fsm.controls import control
from goflow_py.fsm.draft import Draft
from goflow_py.ports import RecordRow


class Player:
    """One execution of one blueprint; the history checker judges every step."""

    def __init__(self, document: dict[str, Any], workers: tuple[str, ...] = ()) -> None:
        document = {"project": "p", "activity": "a", **document}
        self.compiled = compile_blueprint(
            Blueprint.model_validate(document), workers=workers, version=1
        )
        blueprint = self.compiled.blueprint
        self.execution = Execution(
            id="0" * 36, project=blueprint.project, activity=blueprint.activity, version=1
        )
        self.entries: list[dict[str, Any]] = []
        self.now = 1_000_000
        self.records: list[list[dict[str, Any]]] = []
        self.rows: list[RecordRow] = []

    def _step(self, act: Callable[[Draft], Any]) -> Any:
        before = encode(self.execution)
        draft = Draft(self.execution, self.now)
        try:
            result = act(draft)
            after = draft.seal()
        finally:
            assert encode(self.execution) == before, "a step changed what is committed"
        self.execution = after
        for record in draft.records:
            entries = orjson.loads(record.entries)
            self.records.append(entries)
            self.entries += entries
            self.rows.append(
                RecordRow(
                    execution=self.execution.id,
                    first_seq=record.first_seq,
                    seq=record.seq,
                    at=record.at,
                    hash=record.hash,
                    entries=record.entries,
                )
            )
        assert verify(self.execution, self.rows, self.compiled, by_engine=False) == []
        assert decode(encode(self.execution)) == self.execution
        return result

    def start(self, value: Any = None, *, delay: float = 0.0) -> "Player":
        self._step(
            lambda draft: inputs.start(self.compiled, draft, delay_seconds=delay, input=value)
        )
        return self

    def end(self, outcome: str = "success", output: Any = None, *, code: str = "x") -> "Player":
        """End the open task, as the engine does."""

        def act(draft: Draft) -> None:
            task = draft.after.open_tasks()[0]
            action = self.compiled.actions[task.action]
            if outcome == "error":
                work.end_with_error(draft, action, task.name, code, "it failed")
            else:
                work.end(draft, action, task.name, outcome, output=output)
            inputs.task_ended(self.compiled, draft, task.name)

        self._step(act)
        return self

    def end_task(
        self, name: str, outcome: str = "success", output: Any = None, *, code: str = "x"
    ) -> "Player":
        """End the open task *name*, as the engine does."""

        def act(draft: Draft) -> None:
            action = self.compiled.actions[draft.after.tasks[name].action]
            if outcome == "error":
                work.end_with_error(draft, action, name, code, "it failed")
            else:
                work.end(draft, action, name, outcome, output=output)
            inputs.task_ended(self.compiled, draft, name)

        self._step(act)
        return self

    def awaiting(self) -> list[dict[str, Any]]:
        return events.awaiting(self.compiled, self.execution)

    def send(self, name: str, data: Any = None, **fields: Any) -> Any:
        event = Outside(name=name, data=data, **fields)
        return self._step(lambda draft: events.take_outside(self.compiled, draft, event))

    def fire(self, timer: str | None = None) -> "Player":
        """Let time pass until the next timer, or *timer*, is due."""
        name = timer or min(self.execution.timers, key=self.execution.timers.__getitem__)
        self.now = self.execution.timers[name]
        self._step(lambda draft: inputs.take_timer(self.compiled, draft, name))
        return self

    def control(self, verb: str, **arguments: Any) -> bool:
        command = Control(verb=verb, arguments=arguments)
        changed: bool = self._step(lambda draft: control(self.compiled, draft, command))
        return changed

    @property
    def state(self) -> str:
        return self.execution.state

    @property
    def status(self) -> str:
        return str(self.execution.status)

    @property
    def open(self) -> list[str]:
        return [task.action for task in self.execution.open_tasks()]

    def types(self) -> list[str]:
        return [entry["type"] for entry in self.entries]

    def path(self) -> list[str]:
        return ["init"] + [
            e["to"] for e in self.entries if e["type"] == "transition" and e["entered"]
        ]

    def snapshot(self) -> Execution:
        return copy(self.execution)
