"""The states of the States Language, each type as states, actions and rows of a machine."""

from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

from goflow_py.domain import durations
from goflow_py.domain.states import TASKS_MAX
from goflow_py.importers.asl_choices import guard
from goflow_py.importers.asl_errors import OF_CHILDREN, error_guard
from goflow_py.importers.asl_flow import Flow, output_of
from goflow_py.importers.asl_paths import Value, listed, place
from goflow_py.importers.asl_scope import (
    JSONATA,
    Scope,
    Steps,
    constant,
    jsonata_of,
    payload,
)
from goflow_py.importers.asl_tasks import work_of
from goflow_py.importers.names import ACTIONS_TAKEN, STATES_TAKEN, Names
from goflow_py.importers.result import Losses, pointer, refuse

WHAT: Final = "a state machine of the States Language"


TAKEN: Final = STATES_TAKEN | ACTIONS_TAKEN | {"item", "index"}
"""Words that no state may have as its name, nor an action."""


@dataclass(kw_only=True)
class Whole:
    """What all machines of one document share."""

    losses: Losses = field(default_factory=Losses)
    names: Names = field(default_factory=lambda: Names(taken=TAKEN))
    machine_names: Names = field(default_factory=Names)
    workers: list[dict[str, Any]] = field(default_factory=list)
    machines: dict[str, Any] = field(default_factory=dict)


class Around(Protocol):
    """The machine that a state belongs to."""

    whole: Whole
    actions: list[dict[str, Any]]
    rows: list[dict[str, Any]]

    def named(self, name: str, at: Steps) -> str:
        """Return our name of a state. Raises ``Invalid`` when there is none."""

    def inner(self, document: Any, at: Steps, name: str, *, is_map: bool = False) -> Scope:
        """Convert a machine below this one, called *name*; return its scope."""


@dataclass(kw_only=True)
class Part:
    """One state on its way into a machine. Each type returns the fields of the state."""

    machine: Around
    flow: Flow
    name: str

    def __post_init__(self) -> None:
        self.state, self.at, self.sight = self.flow.state, self.flow.at, self.flow.sight
        self.losses, self.is_jsonata = self.sight.losses, self.sight.language == JSONATA

    def fields(self) -> dict[str, Any]:
        """Convert the state; return its fields beside the name."""
        match self.state.type:
            case "Task":
                return self.task()
            case "Pass":
                return self.pass_()
            case "Choice":
                return self.choice()
            case "Wait":
                return self.wait()
            case "Succeed":
                return self.succeed()
            case "Fail":
                return self.fail()
            case "Parallel":
                return self.parallel()
            case "Map":
                return self.map()

    # ------------------------------------------------------------ rows

    def _row(
        self,
        event: str,
        target: str | None,
        changes: dict[str, Any],
        *,
        at: Steps | None = None,
        when: str | None = None,
    ) -> None:
        named = "done"
        if target is not None:
            named = self.machine.named(target, at or (*self.at, "Next"))
        row: dict[str, Any] = {"current": self.name, "event": event, "next": named}
        if when is not None:
            row["when"] = when
        if changes:
            row["set"] = changes
        self.machine.rows.append(row)

    def _succeeds(self, result: Value | None, *, selected: bool = False) -> None:
        self._row("success", self.state.next, self.flow.after(result, selected=selected))

    def _catches(self) -> None:
        for i, catcher in enumerate(self.state.catch):
            at = (*self.at, "Catch", i)
            unknown = set(catcher.errors) - OF_CHILDREN
            if self.state.type in ("Parallel", "Map") and unknown:
                message = f"what fails in a {self.state.type} is 'child_failed' whatever its error"
                self.losses.changes(pointer(*at, "ErrorEquals"), message)
            when = error_guard(catcher.errors)
            changes = self.flow.caught(catcher, at)
            self._row("error", catcher.next, changes, at=(*at, "Next"), when=when)
            if when is None:
                return

    # ------------------------------------------------------------ the simple types

    def task(self) -> dict[str, Any]:
        if not self.state.resource:
            refuse(pointer(*self.at), "a Task needs a 'Resource'", what=WHAT)
        work = work_of(self.flow, self.name)
        self.machine.actions.append(work.action)
        if work.worker is not None:
            self.machine.whole.workers.append(work.worker)
        self._succeeds(output_of(self.name), selected=work.selected)
        self._catches()
        return {}

    def pass_(self) -> dict[str, Any]:
        value: Any = None
        if not self.is_jsonata and self.state.given("result"):
            value = constant(self.state.result)
        elif not self.is_jsonata and self.state.given("parameters"):
            value = self.flow.arguments()
        else:
            self._succeeds(None)
            return {}
        self.machine.actions.append({"name": self.name, "type": "map", "value": value})
        self._succeeds(output_of(self.name))
        return {}

    def choice(self) -> dict[str, Any]:
        sight = self.flow.seen()
        for i, rule in enumerate(self.state.choices):
            at = (*self.at, "Choices", i)
            target = rule.get("Next")
            if not isinstance(target, str):
                refuse(pointer(*at), "a rule needs 'Next'", what=WHAT)
            if self.is_jsonata:
                when = self._condition(rule, at)
            else:
                when = guard(rule, sight, at)
            self._row("always", target, self._chosen(rule, at), at=(*at, "Next"), when=when)
        if self.state.default is not None:
            at = (*self.at, "Default")
            self._row("always", self.state.default, self.flow.after(None), at=at)
        return {}

    def _condition(self, rule: dict[str, Any], at: Steps) -> str:
        condition = rule.get("Condition")
        if isinstance(condition, bool):
            return "true" if condition else "false"
        if jsonata_of(condition) is None:
            refuse(pointer(*at), "a rule needs a 'Condition' in '{% %}'", what=WHAT)
        return self.sight.value(str(condition), (*at, "Condition")).text

    def _chosen(self, rule: dict[str, Any], at: Steps) -> dict[str, Any]:
        """Return the ``set`` of a rule: its ``Assign`` and ``Output`` come before the state's."""
        fields = {"assign": rule.get("Assign", {})}
        if not isinstance(fields["assign"], dict):
            refuse(pointer(*at, "Assign"), "it is an object", what=WHAT)
        state = self.state.model_copy(update=fields)
        if self.is_jsonata and "Output" in rule:
            state = state.model_copy(update={"output": rule["Output"]})
            state.model_fields_set.add("output")
        return replace(self.flow, state=state, at=at if rule.get("Assign") else self.at).after(None)

    def wait(self) -> dict[str, Any]:
        state, seen = self.state, self.flow.seen()
        action: dict[str, Any] = {"name": self.name, "type": "delay"}
        if state.seconds_path is not None:
            found = seen.value(state.seconds_path, (*self.at, "SecondsPath"))
            action["seconds"] = found.template
        elif state.timestamp_path is not None:
            found = seen.value(state.timestamp_path, (*self.at, "TimestampPath"))
            action["until"] = found.template
        elif state.timestamp is not None:
            action["until"] = self._time(state.timestamp)
        elif isinstance(state.seconds, str):
            action["seconds"] = payload(state.seconds, self.sight, (*self.at, "Seconds"))
        elif state.seconds is not None:
            action["seconds"] = state.seconds
        else:
            refuse(pointer(*self.at), "a Wait needs 'Seconds' or 'Timestamp'", what=WHAT)
        self.machine.actions.append(action)
        self._succeeds(None)
        return {}

    def _time(self, text: str) -> Any:
        if self.is_jsonata and jsonata_of(text) is not None:
            return self.sight.value(text, (*self.at, "Timestamp")).template
        try:
            durations.timestamp_ms(text)
        except ValueError as problem:
            refuse(pointer(*self.at, "Timestamp"), str(problem), what=WHAT)
        return text

    def succeed(self) -> dict[str, Any]:
        output = self.flow.after(None).get("input")
        return {"final": "completed"} | ({} if output is None else {"output": output})

    def fail(self) -> dict[str, Any]:
        output: dict[str, Any] = {}
        for name, text, path in (
            ("Error", self.state.error, self.state.error_path),
            ("Cause", self.state.cause, self.state.cause_path),
        ):
            if path is not None:
                output[name] = self.sight.value(path, (*self.at, f"{name}Path")).template
            elif text is not None:
                output[name] = payload(text, self.sight, (*self.at, name))
        return {"final": "failed"} | ({"output": output} if output else {})

    # ------------------------------------------------------------ machines

    def parallel(self) -> dict[str, Any]:
        tasks, results = [], []
        given = self.flow.arguments()
        if len(self.state.branches) > TASKS_MAX:
            refuse(pointer(*self.at), f"it has more than {TASKS_MAX} branches", what=WHAT)
        for i, branch in enumerate(self.state.branches):
            task = f"branch_{i + 1}"
            machine = self.machine.whole.machine_names.new(f"{self.name}_{i + 1}")
            inner = self.machine.inner(branch, (*self.at, "Branches", i), machine)
            action = self._starts(f"{self.name}_{i + 1}", machine, given, inner)
            tasks.append({"name": task, "do": action})
            results.append(output_of(self.name, task))
        self._no_retry()
        whole = Value(
            text=listed([result.text for result in results]),
            written=[result.template for result in results],
            items=tuple(results),
        )
        self._succeeds(whole)
        self._catches()
        return {"tasks": tasks}

    def map(self) -> dict[str, Any]:
        processor = self.state.processor or self.state.iterator
        if processor is None:
            refuse(pointer(*self.at), "a Map needs an 'ItemProcessor'", what=WHAT)
        key = "ItemProcessor" if self.state.processor is not None else "Iterator"
        machine = self.machine.whole.machine_names.new(self.name)
        inner = self.machine.inner(processor, (*self.at, key), machine, is_map=True)
        action = self._starts(f"{self.name}_item", machine, self._item_input(), inner)
        task: dict[str, Any] = {"name": "items", "do": action}
        task["each"] = self._items()
        if isinstance(self.state.concurrency, str) or self.state.concurrency_path is not None:
            message = "how many items are worked on at once has to be a constant"
            self.losses.changes(pointer(*self.at, "MaxConcurrency"), message)
        elif self.state.concurrency:
            task["concurrency"] = self.state.concurrency
        self._no_retry()
        self._no_batches()
        self._succeeds(output_of(self.name, "items"))
        self._catches()
        return {"tasks": [task]}

    def _items(self) -> Any:
        if not self.is_jsonata:
            return self.flow.seen().value(self.state.items_path, (*self.at, "ItemsPath")).template
        if not self.state.given("items"):
            return place("data", "input").template
        return payload(self.state.items, self.sight, (*self.at, "Items"))

    def _item_input(self) -> Any:
        """Return what the machine of one item gets."""
        sight = replace(self.flow.seen(), selects=True)
        for name, field_name, found in (
            ("ItemSelector", "item_selector", self.state.item_selector),
            ("Parameters", "parameters", self.state.parameters),
        ):
            if self.state.given(field_name) and not (name == "Parameters" and self.is_jsonata):
                return payload(found, sight, (*self.at, name))
        return place("item").template

    def _starts(self, wanted: str, machine: str, given: Any, scope: Scope) -> str:
        """Add the action that starts a machine; return its name."""
        name = self.machine.whole.names.new(wanted)
        given = {"input": given, **scope.brought_in()}
        self.machine.actions.append(
            {"name": name, "type": "activity", "machine": machine, "input": given}
        )
        return name

    def _no_retry(self) -> None:
        if any(one.attempts for one in self.state.retry):
            message = f"a {self.state.type} is not tried again as a whole; retry the states in it"
            self.losses.changes(pointer(*self.at, "Retry"), message)

    def _no_batches(self) -> None:
        state = self.state
        for name, given in (
            ("ItemReader", state.item_reader),
            ("ItemBatcher", state.item_batcher),
            ("ResultWriter", state.result_writer),
            ("ToleratedFailureCount", state.tolerated or state.tolerated_path),
            ("ToleratedFailurePercentage", state.tolerated_share or state.tolerated_share_path),
        ):
            if given:
                message = f"'{name}' is not supported: items come from the input, and all succeed"
                self.losses.changes(pointer(*self.at, name), message)
