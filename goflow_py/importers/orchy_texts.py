"""Orchy's references, parameters and scripts, seen from where an action has come to.

In Orchy every action reads ``$.input`` and ``$.<id>.output`` of one document. Here an action may
have become a task, whose output is below its state, or be within a machine, which sees its own
input alone: what it reads from outside comes in as a field of that input, and what others read of
it goes out as a field of its output.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from goflow_py.expression import Path, parse_path
from goflow_py.importers.orchy_layout import Layout, Scope, Steps
from goflow_py.importers.result import Losses, literal, pointer, with_texts

INPUT: Final = "input"
OUTPUT: Final = "output"
DEFAULT: Final = "default"

_JSONPATH = re.compile(r"\$(?:$|[.\[]|[0-9]+[.\[])")
"""What Orchy's JSONPath would look up."""
_IN_BRACES = re.compile(r"\{(\$[^{}]*)\}")
_EXPRESSION_START = re.compile(r"\$(?=\{)")
_PLAIN_NAME = re.compile(r"(?!(?:and|or|in|true|false|null|function)\Z)[A-Za-z_][A-Za-z0-9_]*\Z")
_FIX = "choose the part in a javascript action"
_SCRIPT_NAME = re.compile(r"(?<![\w$])\$\s*(?:\[\s*['\"]?(\w+)['\"]?\s*\]|\.\s*(\w+))")
_SCRIPT_WHOLE = re.compile(r"(?<![\w$])\$(?![\w${])(?!\s*(?:\[\s*['\"]?\w+['\"]?\s*\]|\.\s*\w))")


class Texts:
    """Rewrite texts of the actions of a layout, and note what its machines take and give."""

    def __init__(self, layout: Layout, scripts: Mapping[str, str], *, losses: Losses) -> None:
        self._layout = layout
        self._mentions = {id_: _mentioned(script) for id_, script in scripts.items()}
        self._losses = losses
        self._takes: dict[Scope, set[str]] = {scope: set() for scope in layout.scopes}
        self._gives: dict[Scope, set[str]] = {scope: set() for scope in layout.scopes}
        self._moved = {
            id_
            for id_, places in layout.places.items()
            if any(scope.parent is not None or len(steps) > 2 for scope, steps in places)
        }

    def parameters(self, value: Any, scope: Scope, at: str) -> Any:
        """Return as a template what an action is given."""
        return with_texts(value, lambda text, steps: self._text(text, scope, at + pointer(*steps)))

    def switch(self, text: str, scope: Scope, at: str, *, renamed: Mapping[str, str]) -> str:
        """Return the expression of a switch.

        *renamed* are the labels that are called otherwise here, and ``default`` if there is one.
        """
        text = text.strip()
        path = parse_path(text.removeprefix("{").removesuffix("}"))
        if path is None:
            self._losses.changes(at, f"'{text[:80]}' is more than names and indexes", fix=_FIX)
            return "null"
        found = self._found(path.steps, scope, at)
        if not renamed:
            return path.text if found == [path.steps] else _expression(found)
        value = _expression(found, quoted=True)
        choice = value
        if DEFAULT in renamed:
            # Orchy goes there with a value that is no label, and fails with a missing one.
            choice = f'$type({value}) in ["null", "array", "object"] ? "{DEFAULT}" : {value}'
        for original, label in renamed.items():
            if original != DEFAULT:
                asked = f"$string({value}) = {json.dumps(original)}"
                choice = f"{asked} ? {json.dumps(label)} : {choice}"
        return choice

    def script(self, text: str, scope: Scope, at: str) -> str:
        """Return a script, after statements that put what it reads where it looks for it."""
        names, reads_all = _mentioned(text)
        before = []
        for name in names:
            found = self._seen(name, scope) if name in self._layout.places else []
            if found not in ([], [(name, OUTPUT)]):
                values = " ?? ".join(_javascript(steps) for steps in found)
                before.append(f"$['{name}'] = {{output: {values}}};")
        if INPUT in names and scope.parent is not None:
            self._seen(INPUT, scope)
            before.append("$.input = $.input.input;")
        if reads_all and (scope.parent is not None or self._moved):
            message = "the script reads '$' as a whole, and here that is laid out otherwise"
            self._losses.changes(at, message, fix="name what it reads: $['1'].output")
        return " ".join([*before, text])

    def close(self) -> None:
        """Note what machines take and give for the sake of machines in or around them."""
        noted = -1
        while noted != (noted := sum(map(len, [*self._takes.values(), *self._gives.values()]))):
            for scope in self._layout.scopes:
                for name in sorted(self._takes[scope]):
                    if scope.parent is not None:
                        self._seen(name, scope.parent)
                for name in sorted(self._gives[scope]):
                    self._seen(name, scope)

    def taken(self, machine: Scope) -> dict[str, Any]:
        """Return the input that a machine gets from the scope around it."""
        outer = machine.parent or machine
        return {name: _whole(self._seen(name, outer)) for name in sorted(self._takes[machine])}

    def given(self, machine: Scope) -> dict[str, Any]:
        """Return the output of a machine."""
        return {name: _whole(self._seen(name, machine)) for name in sorted(self._gives[machine])}

    # ------------------------------------------------------------ references

    def _text(self, text: str, scope: Scope, at: str) -> Any:
        if "$" not in text:
            return text
        path = parse_path(text)
        if path is not None:
            found = self._found(path.steps, scope, at)
            return text if found == [path.steps] else _whole(found)
        if _JSONPATH.match(text):
            self._losses.changes(at, f"'{text[:80]}' is more than names and indexes", fix=_FIX)
            return None
        if text.startswith("$"):
            self._losses.drops(at, f"'{text[:80]}' is text here, and null in Orchy")
            return literal(text)

        def in_braces(found: re.Match[str]) -> str:
            inner = parse_path(found[1])
            return found[0] if inner is None else self._piece(inner, scope, at)

        # Orchy's documents have `{$.path}` in texts, though its newest version takes it literally:
        # whoever wrote it meant the value. `${...}` means nothing in any version: it stays text.
        return _IN_BRACES.sub(in_braces, _EXPRESSION_START.sub('${"$"}', text))

    def _piece(self, path: Path, scope: Scope, at: str) -> str:
        found = self._found(path.steps, scope, at)
        if found == [path.steps]:
            return f"{{{path.text}}}"
        value = _whole(found)
        return value if value.startswith("${") else f"{{{value}}}"

    def _found(self, steps: Steps, scope: Scope, at: str) -> list[Steps]:
        """Return the paths on which the value may be; the first that leads somewhere counts."""
        steps = self._behind_copies(steps, at)
        root = steps[0]
        if root == INPUT:
            return [(*found, *steps[1:]) for found in self._seen(INPUT, scope)]
        if root not in self._layout.places:
            return [steps]
        if steps[1:2] == (OUTPUT,):
            return [(*found, *steps[2:]) for found in self._seen(str(root), scope)]
        if root in self._moved or scope.parent is not None:
            message = f"'$.{root}' as a whole is not here: only its output is"
            self._losses.changes(at, message, fix=f"write $.{root}.output")
        return [steps]

    def _behind_copies(self, steps: Steps, at: str) -> Steps:
        """Return where a value is that is read from a script's copy of the document.

        Orchy's scripts put out all of ``$``, here they put out what they changed.
        """
        while len(steps) > 2 and steps[0] in self._mentions and steps[1] == OUTPUT:
            if steps[2] != INPUT and steps[2] not in self._layout.places:
                break
            names, reads_all = self._mentions[str(steps[0])]
            if reads_all or steps[2] in names:
                message = f"'$.{steps[0]}.output.{steps[2]}' is there only if the script changes it"
                self._losses.drops(at, message, fix=f"if it does not, write $.{steps[2]}")
                break
            steps = steps[2:]
        return steps

    def _seen(self, name: str, scope: Scope) -> list[Steps]:
        """Return the paths to the input, or to the output of an action, in a scope's document."""
        if name == INPUT:
            if scope.parent is None:
                return [(INPUT,)]
            self._takes[scope].add(INPUT)
            return [(INPUT, INPUT)]
        found: dict[Steps, None] = {}
        is_outside = False
        for place, steps in self._layout.places.get(name, ()):
            branch = scope.branch_with(place)
            if place is scope:
                found[steps] = None
            elif branch is not None:
                self._gives[branch].add(name)
                found[(branch.fork, branch.name, OUTPUT, name)] = None
            else:
                is_outside = True
        if is_outside:
            self._takes[scope].add(name)
            found[(INPUT, name)] = None
        return list(found)


# ---------------------------------------------------------------- as text


def _whole(found: list[Steps]) -> str:
    """Return the template for a value, with its type."""
    text = _expression(found)
    return text if parse_path(text) is not None else f"${{ {text} }}"


def _expression(found: list[Steps], *, quoted: bool = False) -> str:
    """Return the expression for the first value that is there; *quoted* as a part of another."""
    if len(found) == 1 and not quoted:
        text = "$" + "".join(_path_step(step) for step in found[0])
        if parse_path(text) is not None:
            return text
    names = [_jsonata(steps) for steps in found]
    text = names.pop()
    for name in reversed(names):
        text = f"($exists({name}) ? {name} : {text})"
    return text


def _path_step(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    if re.fullmatch(r"\w+", step):
        return f".{step}"
    return f"['{step}']" if "'" not in step else f'["{step}"]'


def _jsonata(steps: Steps) -> str:
    text = ""
    for step in steps:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += ("." if text else "") + (step if _PLAIN_NAME.match(step) else f"`{step}`")
    return text


def _javascript(steps: Steps) -> str:
    return "$" + "?.".join(f"['{step}']" for step in steps)


def _mentioned(script: str) -> tuple[list[str], bool]:
    """Return the names that a script reads or sets in ``$``, and whether it uses all of it."""
    names = dict.fromkeys(found[1] or found[2] for found in _SCRIPT_NAME.finditer(script))
    return list(names), _SCRIPT_WHOLE.search(script) is not None
