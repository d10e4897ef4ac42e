"""How data flows through a state of the States Language, as the ``set`` of our rows.

The raw input of a state is ``$.data.input``. What InputPath, ResultPath and OutputPath make of it
is worked out here, and written as the one expression that the next state's input is. The outcome
of work is at ``$.<state>.output``.
"""

from dataclasses import dataclass, replace
from typing import Any

from goflow_py.importers.asl_models import Catcher, State
from goflow_py.importers.asl_paths import (
    EMPTY,
    EXPRESSION_CHARACTERS_MAX,
    NOTHING,
    Untranslatable,
    Value,
    follow,
    place,
    quoted,
    steps_of,
)
from goflow_py.importers.asl_scope import (
    INPUT,
    JSONATA,
    JSONPATH,
    Sight,
    Steps,
    payload,
    payload_text,
)
from goflow_py.importers.result import pointer

_CODE = '$$.error.code in ["timeout", "lease_expired"] ? "States.Timeout" : $$.error.code'
ERROR = Value(
    text=f'({{"Error": {_CODE}, "Cause": $$.error.message}})',
    written={"Error": f"${{ {_CODE} }}", "Cause": "$.error.message"},
)
"""What a Catch sees as the error."""

_JSONPATH_FIELDS = {
    "input_path": "InputPath",
    "output_path": "OutputPath",
    "result_path": "ResultPath",
    "parameters": "Parameters",
    "selector": "ResultSelector",
}
_JSONATA_FIELDS = {"arguments": "Arguments", "output": "Output"}


@dataclass(frozen=True, kw_only=True)
class Flow:
    """One state's data flow."""

    state: State
    sight: Sight
    at: Steps

    def check(self) -> None:
        """Report the fields of the other query language: the run would be another."""
        is_path = self.sight.language == JSONPATH
        for field, name in (_JSONATA_FIELDS if is_path else _JSONPATH_FIELDS).items():
            if self.state.given(field):
                message = f"'{name}' is no field of a state with {self.sight.language}"
                self.sight.losses.changes(pointer(*self.at, name), message)
        for name in self.state.model_extra or ():
            message = f"'{name[:80]}' is not known, and left out"
            self.sight.losses.drops(pointer(*self.at, name), message)

    # ------------------------------------------------------------ into the state

    def effective(self) -> Value:
        """Return the input behind InputPath."""
        if self.sight.language == JSONATA:
            return INPUT
        return self._path(self.state.input_path, "InputPath")

    def seen(self) -> Sight:
        """Return what the state's own fields see."""
        return replace(self.sight, input=self.effective())

    def arguments(self) -> Any:
        """Return the template of what the work gets; its default is the state's input."""
        if self.sight.language == JSONATA:
            if not self.state.given("arguments"):
                return INPUT.template
            return payload(self.state.arguments, self.sight, (*self.at, "Arguments"))
        if not self.state.given("parameters"):
            return self.effective().template
        return payload(self.state.parameters, self.seen(), (*self.at, "Parameters"))

    def _path(self, path: str | None, field: str) -> Value:
        return EMPTY if path is None else self.sight.value(path, (*self.at, field))

    # ------------------------------------------------------------ out of it

    def after(self, result: Value | None, *, selected: bool = False) -> dict[str, Any]:
        """Return the ``set`` of the row that leaves the state well.

        *result* is what the work gave; *selected* says that ResultSelector was applied to it.
        """
        if self.sight.language == JSONATA:
            return self._after_jsonata(result)
        raw, chosen = INPUT, result
        if result is None:
            raw = chosen = self.effective()
        elif self.state.selector is not None and not selected:
            sight = replace(self.sight, input=result)
            at = (*self.at, "ResultSelector")
            chosen = Value(
                text=payload_text(self.state.selector, sight, at),
                written=payload(self.state.selector, sight, at),
            )
        path = self.state.result_path if result is not None else None
        if self.state.type == "Pass" and result is None:
            raw, path = INPUT, self.state.result_path
        output = self._composed(raw, chosen or raw, path)
        sight = replace(self.sight, input=result or self.effective())
        return _changed(output) | self.assigned(self.state.assign, sight, self.at)

    def _after_jsonata(self, result: Value | None) -> dict[str, Any]:
        sight = replace(self.sight, result=result)
        output: Any = (result or INPUT).template
        if self.state.given("output"):
            output = payload(self.state.output, sight, (*self.at, "Output"))
        return _changed(output) | self.assigned(self.state.assign, sight, self.at)

    def assigned(self, assign: dict[str, Any], sight: Sight, at: Steps) -> dict[str, Any]:
        """Return the variables of an ``Assign``, as the ``set`` of a row."""
        values = payload(assign, sight, (*at, "Assign"))
        return {self.sight.scope.variable_name(name): value for name, value in values.items()}

    def _composed(self, raw: Value, result: Value, result_path: str | None) -> Any:
        """Return the template of what OutputPath leaves of *result*, put into *raw*."""
        output_path = self.state.output_path
        if output_path is None:
            return EMPTY.template
        try:
            found = self._cut(raw, result, result_path, output_path)
            if found.written is None and len(found.text) > EXPRESSION_CHARACTERS_MAX:
                raise Untranslatable("they make an expression that is too long")
            return found.template
        except Untranslatable as reason:
            self.sight.losses.changes(pointer(*self.at), f"OutputPath, ResultPath: {reason}")
            return NOTHING.template

    def _cut(self, raw: Value, result: Value, result_path: str | None, output_path: str) -> Value:
        if output_path.startswith("$$"):
            return self.sight.path(output_path)
        if not output_path.startswith("$"):
            raise Untranslatable(f"'{output_path[:80]}' is no path")
        where = _result_steps(result_path)
        steps = steps_of(output_path[1:])
        if steps is None:
            whole = raw if where is None else merged(raw, where, result)
            return follow(whole, output_path[1:], self.sight.path)
        if where is None:
            return raw.below(*steps)
        if steps[: len(where)] == where:
            return result.below(*steps[len(where) :])
        if where[: len(steps)] == steps:
            return merged(raw.below(*steps), where[len(steps) :], result)
        return raw.below(*steps)

    # ------------------------------------------------------------ errors

    def caught(self, catcher: Catcher, at: Steps) -> dict[str, Any]:
        """Return the ``set`` of the row of a Catch."""
        if self.sight.language == JSONATA:
            sight = replace(self.sight, error=ERROR)
            output: Any = ERROR.template
            if "output" in catcher.model_fields_set:
                output = payload(catcher.output, sight, (*at, "Output"))
            return _changed(output) | self.assigned(catcher.assign, sight, at)
        try:
            where = _result_steps(catcher.result_path)
            output = (INPUT if where is None else merged(INPUT, where, ERROR)).template
        except Untranslatable as reason:
            self.sight.losses.changes(pointer(*at, "ResultPath"), str(reason))
            output = NOTHING.template
        sight = replace(self.sight, input=ERROR)
        return _changed(output) | self.assigned(catcher.assign, sight, at)


def merged(base: Value, steps: tuple[str | int, ...], value: Value) -> Value:
    """Return *base* with *value* put at a place below it."""
    if not steps:
        return value
    text = value.text
    for i in reversed(range(len(steps))):
        over = base.below(*steps[:i]).text
        text = f"$merge([{over}, {{{quoted(str(steps[i]))}: {text}}}])"
    return Value(text=text)


def _result_steps(path: str | None) -> tuple[str | int, ...] | None:
    """Return where a result goes; ``None`` when it is thrown away."""
    if path is None:
        return None
    steps = steps_of(path[1:]) if path.startswith("$") and not path.startswith("$$") else None
    if steps is None or any(isinstance(step, int) for step in steps):
        raise Untranslatable(f"a result cannot be put at '{path[:80]}': name fields of objects")
    return steps


def _changed(output: Any) -> dict[str, Any]:
    return {} if output == INPUT.template else {"input": output}


def output_of(state: str, *more: str) -> Value:
    """Return where the outcome of a state's work is."""
    return place(state, *more, "output")
