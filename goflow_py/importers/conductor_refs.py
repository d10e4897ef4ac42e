"""Conductor's references, ``${task.output.x}``, as paths and templates of ours.

A scope knows where the outcome of each task is: in its own state, in the graph of its fork, or in
the output of the machine that a branch became. What a machine needs from the outside comes with
its input: ``$.input.tasks``, ``$.input.workflow``, ``$.input.variables``, ``$.input.execution``.
"""

import re
from typing import Any, Final

from goflow_py.importers.asl_paths import (
    NOTHING,
    Budget,
    Step,
    Untranslatable,
    Value,
    follow,
    place,
    quoted,
    steps_of,
)
from goflow_py.importers.names import slug
from goflow_py.importers.result import Losses, literal, pointer

_REFERENCE = re.compile(r"\$?\$\{([^{}]*)\}")
_WORD = re.compile(r"[^.\[]*")
_FACTS: Final = {
    "workflowId": "id",
    "correlationId": "key",
    "workflowType": "activity",
    "version": "version",
    "createTime": "startedAt",
    "startTime": "startedAt",
}


class Scope:
    """Where the tasks of a workflow, or of a branch that is a machine, leave their outcomes."""

    def __init__(self, losses: Losses, parent: "Scope | None" = None) -> None:
        self.losses, self.parent = losses, parent
        self.outputs: dict[str, Value] = {}
        self.counters: dict[str, Value] = {}
        """Of loops: how often each was run."""
        self.budget: Budget = Budget() if parent is None else parent.budget
        self._given: dict[str, Any] = {}
        self._tasks: dict[str, Any] = {}

    def output(self, ref: str) -> Value:
        """Return where a task's outcome is; raise ``Untranslatable``."""
        if ref in self.outputs:
            return self.outputs[ref]
        if self.parent is None:
            raise Untranslatable(f"there is no task '{ref[:80]}'")
        self._tasks[ref] = self.parent.output(ref).template
        return place("input", "tasks", ref)

    def workflow(self, name: str) -> Value:
        """Return ``input``, ``data`` (the variables) or ``execution`` of the whole workflow."""
        if self.parent is None:
            return place(name)
        key = "workflow" if name == "input" else name
        outer = self.parent.workflow(name)
        if name == "execution":
            facts = sorted(set(_FACTS.values()))
            self._given[key] = {fact: outer.below(fact).template for fact in facts}
        else:
            self._given[key] = outer.template
        return place("input", key)

    def brought_in(self) -> dict[str, Any]:
        """Return what the task that starts this machine has to give it."""
        return {**self._given, **({"tasks": self._tasks} if self._tasks else {})}

    # ------------------------------------------------------------ references

    def reference(self, text: str) -> Value:
        """Return what stands in ``${ }`` as a value; raise ``Untranslatable``."""
        head, _, rest = text.strip().partition(".")
        kind = _WORD.match(rest)[0]  # type: ignore[index]  # it matches any text
        tail = rest[len(kind) :]
        if head != "workflow":
            if kind != "output":
                raise Untranslatable(f"'{text[:80]}' is not kept: only outputs of tasks are")
            return follow(self.output(head), tail, self._path)
        if kind == "input":
            return follow(self.workflow("input"), tail, self._path)
        if kind == "variables":
            return self._variable(tail)
        if kind in _FACTS and not tail:
            found = self.workflow("execution").below(_FACTS[kind])
            if kind in ("createTime", "startTime"):
                return Value(text=f"$toMillis({found.text})")
            return found
        raise Untranslatable(f"'{text[:80]}' has no counterpart")

    def _variable(self, tail: str) -> Value:
        steps = steps_of(tail)
        if steps is None or (steps and isinstance(steps[0], int)):
            raise Untranslatable("a variable is named by a plain path")
        data = self.workflow("data")
        return data.below(slug(str(steps[0])), *steps[1:]) if steps else data

    def _path(self, path: str) -> Value:
        raise Untranslatable(f"the path '{path[:80]}' in a filter is not supported")

    def value(self, text: str, at: tuple[Step, ...]) -> Value:
        """Return a reference's value; report what has none."""
        try:
            found = self.reference(text)
            self.budget.spend(found.text)
            return found
        except Untranslatable as reason:
            self.losses.changes(pointer(*at), f"'${{{text[:120]}}}' is not supported: {reason}")
            return NOTHING

    # ------------------------------------------------------------ templates

    def template(self, value: Any, at: tuple[Step, ...]) -> Any:
        """Return a JSON value with references as a template of ours."""
        if isinstance(value, dict):
            return {key: self.template(item, (*at, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self.template(item, (*at, i)) for i, item in enumerate(value)]
        return self.text(value, at) if isinstance(value, str) else value

    def text(self, text: str, at: tuple[Step, ...]) -> Any:
        """Return a text as a template: typed where it is one reference, else interpolated."""
        whole = _REFERENCE.fullmatch(text)
        if whole and not text.startswith("$$"):
            return self.value(whole.group(1), at).template
        pieces, position = list[str](), 0
        for found in _REFERENCE.finditer(text):
            pieces.append(_piece(text[position : found.start()], is_first=not pieces))
            if found.group().startswith("$$"):
                pieces.append(_piece(found.group()[1:], is_first=False))
            else:
                pieces.append(_inserted(self.value(found.group(1), at)))
            position = found.end()
        pieces.append(_piece(text[position:], is_first=not pieces))
        return "".join(pieces)

    def parameter(self, given: Any, steps: tuple[Step, ...]) -> str:
        """Return a parameter, or a place below it, as an expression; raise ``Untranslatable``."""
        for i, step in enumerate(steps):
            if isinstance(given, str) and (found := _REFERENCE.fullmatch(given)):
                return self.reference(found.group(1)).below(*steps[i:]).text
            if not isinstance(given, dict) or step not in given:
                return "null"
            given = given[step]
        if isinstance(given, str) and (found := _REFERENCE.fullmatch(given)):
            return self.reference(found.group(1)).text
        if isinstance(given, str) and _REFERENCE.search(given):
            raise Untranslatable("a parameter that is part text, part reference")
        if isinstance(given, dict | list):
            raise Untranslatable("a parameter that is a map or a list")
        return "null" if given is None else quoted(given)


def _piece(text: str, *, is_first: bool) -> str:
    return literal(text) if is_first else literal(f"x{text}")[1:]


def _inserted(value: Value) -> str:
    template = value.template
    if isinstance(template, str) and template.startswith("$") and not template.startswith("${"):
        return f"{{{template}}}"
    return f"${{ {value.text} }}"
