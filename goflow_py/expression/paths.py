"""Paths: the plain way to say where a value is.

``$.name``, ``$['name']`` or ``$1.`` begin one; ``.name``, ``['name']`` and ``[0]`` go on. A path is
strict: a step that leads nowhere gives ``MISSING``, and it never maps over a list, so a value
keeps its JSON type whatever the data. Mapping is what expressions are for.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from goflow_py.expression.values import MISSING

PATH_LENGTH_MAX: Final = 2_048
STEPS_MAX: Final = 64

_NAME = r"[^\W]\w*"
_QUOTED = r"\['([^'\\\x00-\x1f]+)'\]|\[\"([^\"\\\x00-\x1f]+)\"\]"
_HEAD = re.compile(rf"\$(?:(?=(?:\.{_NAME}|\['|\[\"))|([0-9]+)(?=\.))")
_PLAIN = re.compile(rf"\$[0-9]*(?:\.{_NAME})+\Z")
"""Names and dots alone, as most paths are: they need no walk."""
_STEP = re.compile(rf"\.({_NAME})|{_QUOTED}|\[([0-9]{{1,9}})\]")

Step = str | int
Reader = Callable[[Mapping[str, Any]], Any]


class Path:
    """Lead from a document to one value of it."""

    __slots__ = ("get", "root", "steps", "text")

    def __init__(self, text: str, steps: tuple[Step, ...]) -> None:
        self.text = text
        self.steps = steps
        self.root = str(steps[0])
        self.get: Reader = _reader(steps)
        """Return the value in a document, or ``MISSING``."""

    def __repr__(self) -> str:
        return f"Path({self.text!r})"


def parse_path(text: str) -> Path | None:
    """Return the path that the text wholly is, or ``None``: ``"$100"`` is text."""
    if len(text) < 3 or text[0] != "$" or len(text) > PATH_LENGTH_MAX:
        return None
    steps = _names(text) if _PLAIN.match(text) else _steps(text)
    if steps is None or len(steps) > STEPS_MAX or not isinstance(steps[0], str):
        return None
    return Path(text, tuple(steps))


def _names(text: str) -> list[Step]:
    first, *names = text[1:].split(".")
    return [first, *names] if first else [*names]


def _steps(text: str) -> list[Step] | None:
    head = _HEAD.match(text)
    if head is None:
        return None
    steps: list[Step] = [head.group(1)] if head.group(1) else []
    position = head.end()
    while position < len(text):
        step = _STEP.match(text, position)
        if step is None:
            return None
        name = step.group(1) or step.group(2) or step.group(3)
        steps.append(name if name is not None else int(step.group(4)))
        position = step.end()
    return steps


def _reader(steps: tuple[Step, ...]) -> Reader:
    # Most paths have two or three names: unrolled, they cost a fraction of the loop.
    # On a text or a number a name raises TypeError, and on a list too: all lead nowhere.
    if any(isinstance(step, int) for step in steps):
        return _walker(steps)
    if len(steps) == 1:
        return _one(*steps)
    if len(steps) == 2:
        return _two(*steps)
    if len(steps) == 3:
        return _three(*steps)
    return _walker(steps)


def _one(a: Step) -> Reader:
    def read(document: Mapping[Any, Any]) -> Any:
        try:
            return document[a]
        except (KeyError, TypeError):
            return MISSING

    return read


def _two(a: Step, b: Step) -> Reader:
    def read(document: Mapping[Any, Any]) -> Any:
        try:
            return document[a][b]
        except (KeyError, TypeError):
            return MISSING

    return read


def _three(a: Step, b: Step, c: Step) -> Reader:
    def read(document: Mapping[Any, Any]) -> Any:
        try:
            return document[a][b][c]
        except (KeyError, TypeError):
            return MISSING

    return read


def _walker(steps: tuple[Step, ...]) -> Reader:
    def read(document: Mapping[Any, Any]) -> Any:
        value: Any = document
        try:
            for step in steps:
                # An index is for lists alone: a text has characters, but no items.
                if type(step) is int and not isinstance(value, list):
                    return MISSING
                value = value[step]
        except (LookupError, TypeError):
            return MISSING
        return value

    return read
