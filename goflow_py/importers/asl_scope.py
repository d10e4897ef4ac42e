"""What the expressions of a States Language state see, and their translation.

The state input is ``$.data.input``; variables that ``Assign`` sets are variables here. In a branch
or an iteration, which is a machine of its own, what belongs to the outside comes with the
machine's input: ``$.input.variables``, ``$.input.execution``, ``$.input.item``, ``$.input.index``.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from goflow_py.errors import GoFlowError
from goflow_py.expression import compile_expression
from goflow_py.expression.tokens import Token, tokens
from goflow_py.importers.asl_intrinsics import (
    CHANCE,
    PARTITION,
    RANGE,
    intrinsic,
    is_intrinsic,
)
from goflow_py.importers.asl_paths import (
    NOTHING,
    Budget,
    Untranslatable,
    Value,
    follow,
    place,
    quoted,
    steps_of,
)
from goflow_py.importers.names import Names
from goflow_py.importers.result import Losses, literal, pointer

Steps = tuple[str | int, ...]

JSONPATH, JSONATA = "JSONPath", "JSONata"
INPUT: Final = place("data", "input")
_FUNCTIONS: Final = {"$partition": PARTITION, "$range": RANGE}
_REFUSED: Final = {
    "$parse": "no expression reads JSON out of a text; let the worker answer JSON",
    "$hash": "no expression hashes; let a worker do it",
    "$uuid": CHANCE,
    "$random": CHANCE,
}
_EXECUTION: Final = {"Id": "id", "Name": "id", "StartTime": "startedAt"}


class Scope:
    """The names of one state machine: the whole one, a branch, or an iteration."""

    def __init__(
        self, variables: Iterable[str], *, parent: "Scope | None" = None, is_map: bool = False
    ) -> None:
        self.parent = parent
        self.is_map = is_map
        self._variables = Names(variables, taken={"input"})
        self._own = set(variables)
        self._outer: dict[str, Value] = {}
        self._uses_execution = self._uses_item = False
        self.budget: Budget = Budget() if parent is None else parent.budget

    def variable(self, name: str) -> Value:
        """Return where a variable is; raise ``Untranslatable`` when nothing assigns it."""
        if name in self._own:
            return place("data", self.variable_name(name))
        if self.parent is None:
            raise Untranslatable(f"no state assigns the variable '${name}'")
        self._outer[name] = self.parent.variable(name)
        return place("input", "variables", name)

    def has_variable(self, name: str) -> bool:
        """Tell whether a variable is assigned in this machine, or around it."""
        return name in self._own or (self.parent is not None and self.parent.has_variable(name))

    def variable_name(self, name: str) -> str:
        """Return our name for a variable of this machine."""
        return self._variables.of(name)

    def execution(self, name: str) -> Value:
        """Return a fact of the outermost execution: ``input``, or one of ``execution``."""
        if self.parent is not None:
            self._uses_execution = True
            return place("input", "execution", name)
        return place("input") if name == "input" else place("execution", name)

    def item(self, name: str) -> Value:
        """Return the ``item``, or the ``index``, of the iteration that this is part of."""
        if self.parent is None:
            raise Untranslatable("'$$.Map' is known in a Map alone")
        self._uses_item = True
        return place("input", name)

    def brought_in(self) -> dict[str, Any]:
        """Return what the task that starts this machine has to give it beside its input."""
        parent, given = self.parent, dict[str, Any]()
        if parent is None:
            return given
        if self._uses_execution:
            names = ("id", "startedAt", "activity", "input")
            given["execution"] = {name: parent.execution(name).template for name in names}
        if self._uses_item:
            for name in ("item", "index"):
                given[name] = (place(name) if self.is_map else parent.item(name)).template
        if self._outer:
            given["variables"] = {name: value.template for name, value in self._outer.items()}
        return given


@dataclass(frozen=True, kw_only=True)
class Sight:
    """What an expression sees at one moment of a state."""

    scope: Scope
    losses: Losses
    language: str
    state: str
    """The state's name in the definition."""
    input: Value = field(default_factory=lambda: INPUT)
    result: Value | None = None
    error: Value | None = None
    selects: bool = False
    """It makes the input of one item of a Map."""
    awaits_token: bool = False

    # ------------------------------------------------------------ texts

    def value(self, text: str, at: Steps) -> Value:
        """Return what a path, an intrinsic or a ``{% %}`` stands for; report what cannot be."""
        try:
            found = self._translated(text)
            _check(found.text)
        except Untranslatable as reason:
            self.losses.changes(pointer(*at), f"'{text[:120]}' is not supported: {reason}")
            return NOTHING
        except GoFlowError as failure:
            self.losses.changes(pointer(*at), failure.detail)
            return NOTHING
        self.scope.budget.spend(found.text)
        return found

    def _translated(self, text: str) -> Value:
        if self.language == JSONATA:
            return self._rewritten(jsonata_of(text) or "")
        if is_intrinsic(text):
            return intrinsic(text, self.path)
        return self.path(text.strip())

    def path(self, text: str) -> Value:
        """Return where a JSONPath leads; raise ``Untranslatable``."""
        if text.startswith("$$"):
            steps = steps_of(text[2:])
            if steps is None:
                raise Untranslatable("a path into the context object names one place")
            return self.context(steps)
        if not text.startswith("$"):
            raise Untranslatable("a path begins with '$'")
        end = 1
        while end < len(text) and (text[end].isalnum() or text[end] == "_"):
            end += 1
        base = self.input if end == 1 else self.scope.variable(text[1:end])
        return follow(base, text[end:], self.path)

    def context(self, steps: tuple[str | int, ...]) -> Value:
        """Return a place of the context object; raise ``Untranslatable``."""
        match steps:
            case ("Execution", "Input", *rest):
                return self.scope.execution("input").below(*rest)
            case ("Execution", str(name)) if name in _EXECUTION:
                return self.scope.execution(_EXECUTION[name])
            case ("StateMachine", "Name" | "Id"):
                return self.scope.execution("activity")
            case ("Task", "Token") if self.awaits_token:
                return NOTHING
            case ("State", "Name"):
                return Value(text=quoted(self.state))
            case ("Map", "Item", "Value" | "Index" as name, *rest):
                name = "item" if name == "Value" else "index"
                found = place(name) if self.selects else self.scope.item(name)
                return found.below(*rest)
            case _:
                pass
        shown = ".".join(str(step) for step in steps)
        raise Untranslatable(f"the context object's '{shown[:80]}' has no counterpart")

    # ------------------------------------------------------------ JSONata

    def _rewritten(self, text: str) -> Value:
        read = list(tokens(text))
        bound = _bound(read)
        pieces, position, index = list[str](), 0, 0
        only: Value | None = None
        while index < len(read):
            token = read[index]
            found, after = self._replaced(read, index, bound)
            if found is not None:
                pieces += [text[position : token.start], found.text]
                position = read[after - 1].end
                only = found
            index = after
        if only is not None and len(pieces) == 2 and not (pieces[0] + text[position:]).strip():
            return only
        return Value(text="".join(pieces) + text[position:])

    def _replaced(self, read: list[Token], index: int, bound: set[str]) -> tuple[Value | None, int]:
        """Return what stands for the token, if it is ours to replace, and the next token."""
        token = read[index]
        if token.kind != "variable" or token.value in bound:
            return None, index + 1
        name = token.value
        if name == "$states":
            return self._states(read, index + 1)
        following = read[index + 1] if index + 1 < len(read) else None
        if following is not None and following.value == "(" and following.kind == "operator":
            if name in _REFUSED:
                raise Untranslatable(_REFUSED[name])
            found = Value(text=_FUNCTIONS[name]) if name in _FUNCTIONS else None
            return found, index + 1
        if name in ("$", "$$"):
            return None, index + 1
        return self.scope.variable(name[1:]), index + 1

    def _states(self, read: list[Token], index: int) -> tuple[Value, int]:
        names: list[str] = []
        while (
            index + 1 < len(read)
            and read[index].value == "."
            and read[index].kind == "operator"
            and read[index + 1].kind in ("name", "quoted")
        ):
            names.append(read[index + 1].value)
            index += 2
            if names[0] != "context" or names[1:] in (["Execution", "Input"], _ITEM):
                break
        known = {"input": self.input, "result": self.result, "errorOutput": self.error}
        if names and names[0] == "context":
            return self.context(tuple(names[1:])), index
        found = known.get(names[0]) if names else None
        if found is None:
            raise Untranslatable(f"'$states.{names[0] if names else ''}' is not known here")
        return found, index


@lru_cache(maxsize=1_024)
def _check(expression: str) -> None:
    """Raise ``ExpressionSyntaxError`` if it cannot be read; one expression may stand often."""
    compile_expression(expression)


_ITEM: Final = ["Map", "Item", "Value"]


def _bound(read: list[Token]) -> set[str]:
    """Return the variables that an expression binds itself."""
    bound: set[str] = set()
    for index, token in enumerate(read[:-1]):
        if token.kind == "variable" and read[index + 1].value == ":=":
            bound.add(token.value)
        if token.value in ("function", "λ") and read[index + 1].value == "(":
            inside = index + 2
            while inside < len(read) and read[inside].value != ")":
                bound.add(read[inside].value)
                inside += 1
    return bound


def jsonata_of(text: Any) -> str | None:
    """Return the expression in ``{% ... %}``, if the value is one."""
    if isinstance(text, str) and text.startswith("{%") and text.rstrip().endswith("%}"):
        return text.rstrip()[2:-2].strip()
    return None


# ---------------------------------------------------------------- templates


def constant(value: Any) -> Any:
    """Return a template that gives the JSON value itself."""
    if isinstance(value, str):
        return literal(value)
    if isinstance(value, dict):
        return {key: constant(item) for key, item in value.items()}
    return [constant(item) for item in value] if isinstance(value, list) else value


def payload(value: Any, sight: Sight, at: Steps) -> Any:
    """Return a payload template of theirs as a template of ours."""
    if isinstance(value, dict):
        return {
            key: found.template if found is not None else payload(item, sight, (*at, name))
            for name, item in value.items()
            for key, found in [_field(name, item, sight, at)]
        }
    if isinstance(value, list):
        return [payload(item, sight, (*at, i)) for i, item in enumerate(value)]
    if isinstance(value, str):
        if sight.language == JSONATA and jsonata_of(value) is not None:
            return sight.value(value, at).template
        return literal(value)
    return value


def payload_text(value: Any, sight: Sight, at: Steps) -> str:
    """Return a payload template of theirs, with paths, as one expression."""
    if isinstance(value, dict):
        fields = [
            f"{quoted(key)}: {found.text if found else payload_text(item, sight, (*at, name))}"
            for name, item in value.items()
            for key, found in [_field(name, item, sight, at)]
        ]
        return "{" + ", ".join(fields) + "}"
    if isinstance(value, list):
        return f"[{', '.join(payload_text(v, sight, (*at, i)) for i, v in enumerate(value))}]"
    if isinstance(value, str):
        return quoted(value)
    return "null" if value is None else quoted(value)


def _field(name: str, item: Any, sight: Sight, at: Steps) -> tuple[str, Value | None]:
    """Return a field's name and, where a ``.$`` says that it is dynamic, its value."""
    if sight.language != JSONPATH or not name.endswith(".$") or not isinstance(item, str):
        return name, None
    return name[:-2], sight.value(item, (*at, name))


def assigned(states: Mapping[str, Any]) -> list[str]:
    """Return the variables that the states of one machine assign, in order."""
    found: dict[str, None] = {}
    for state in states.values():
        if not isinstance(state, dict):
            continue
        parts = [state]
        for key in ("Choices", "Catch"):
            rules = state.get(key)
            parts += (
                [part for part in rules if isinstance(part, dict)]
                if isinstance(rules, list)
                else []
            )
        for part in parts:
            names = part.get("Assign")
            if isinstance(names, dict):
                found.update(dict.fromkeys(name.removesuffix(".$") for name in names))
    return list(found)
