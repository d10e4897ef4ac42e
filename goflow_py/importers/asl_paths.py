"""JSONPath, of the States Language and of Conductor, as expressions of ours.

A path that leads to one place stays a path (``$.data.input.order.id``); one that gathers several
values becomes a list in JSONata. Every expression is absolute (``$$.data``), so that it means the
same inside a predicate or a function. ``Untranslatable`` says what has no counterpart.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from goflow_py.domain.values import value
from goflow_py.errors import Invalid
from goflow_py.expression import parse_path

Step = str | int

EXPRESSION_CHARACTERS_MAX: Final = 16_384
PATH_CHARACTERS_MAX: Final = 2_048
EXPANSION_CHARACTERS_MAX: Final = 1024 * 1024

_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_DOTTED = re.compile(r"\.([^\s.\[\]()'\",?@*&|=<>!]+)")
_INDEX = re.compile(r"\[\s*(-?[0-9]{1,9})\s*\]")
_INDICES = re.compile(r"\[\s*([0-9]{1,9}(?:\s*,\s*[0-9]{1,9})+)\s*\]")
_SLICE = re.compile(r"\[\s*(-?[0-9]{0,9})\s*:\s*(-?[0-9]{0,9})\s*\]")
_QUOTED = re.compile(r"""\[\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")\s*\]""", re.DOTALL)
_ANY = re.compile(r"\.\*|\[\s*\*\s*\]")
_DEEP = re.compile(r"\.\.(?:([^\s.\[\]()'\",?@*&|=<>!]+)|(?=\[)|\*)")
_LENGTH = re.compile(r"\.length\(\)\Z")
_WORDS = frozenset({"and", "or", "in", "true", "false", "null"})

OPERAND_END: Final = frozenset(" \t\n),&|=<>!")


class Untranslatable(Exception):
    """Say why a foreign expression has no counterpart here."""


class Budget:
    """Bounds what all expressions of one document come to: a reference may stand for many."""

    def __init__(self) -> None:
        self._left = EXPANSION_CHARACTERS_MAX

    def spend(self, text: str) -> None:
        """Count an expression. Raises ``Invalid`` when there are too many."""
        self._left -= len(text)
        if self._left < 0:
            message = f"its expressions come to more than {EXPANSION_CHARACTERS_MAX} characters"
            raise Invalid(f"{message}; import it in parts", code="import_invalid")


@value
class Value:
    """An expression of ours; *steps* lead to it from the document where it is one place."""

    text: str
    steps: tuple[Step, ...] | None = None
    written: Any = None
    """The template that it is, where that is a map or a list."""
    items: tuple["Value", ...] = ()
    """What the list holds, where that is known."""
    fields: Mapping[str, "Value"] | None = None
    """What the map holds, where that is known."""

    @property
    def template(self) -> Any:
        """Return it as a template: a path if it can be one, else ``${...}``."""
        if self.written is not None:
            return self.written
        path = None if self.steps is None else _path(self.steps)
        return path or f"${{ {self.text} }}"

    def below(self, *steps: Step) -> "Value":
        """Return a place below it."""
        if not steps:
            return self
        first = steps[0]
        if isinstance(first, int) and first < len(self.items):
            return self.items[first].below(*steps[1:])
        if isinstance(first, str) and self.fields is not None:
            return self.fields[first].below(*steps[1:]) if first in self.fields else NOTHING
        text = self.text
        for step in steps:
            text = f"{text}[{step}]" if isinstance(step, int) else _member(text, step)
        return Value(text=text, steps=None if self.steps is None else (*self.steps, *steps))


NOTHING: Final = Value(text="null")
"""Stands for what could not be translated; a finding says so."""
EMPTY: Final = Value(text="({})", written={})


def place(*steps: str) -> Value:
    """Return a place in the document."""
    return Value(text="$$", steps=()).below(*steps)


def quoted(constant: str | float | bool) -> str:
    """Return a text, a number or a boolean as a constant of an expression."""
    return json.dumps(constant, ensure_ascii=False)


def _member(text: str, name: str) -> str:
    if _PLAIN_NAME.match(name) and name not in _WORDS:
        return f"{text}.{name}"
    if "`" not in name and name:
        return f"{text}.`{name}`"
    return f"$lookup({text}, {quoted(name)})"


def _path(steps: tuple[Step, ...]) -> str | None:
    pieces = ["$"]
    for step in steps:
        if isinstance(step, int):
            pieces.append(f"[{step}]")
        elif _PLAIN_NAME.match(step):
            pieces.append(f".{step}")
        else:
            pieces.append(f'["{step}"]' if "'" in step else f"['{step}']")
    text = "".join(pieces)
    found = parse_path(text)
    return text if found is not None and found.steps == steps else None


def as_list(item: str) -> str:
    """Return an expression for the list of one item, which may be a list itself."""
    return f'(function($v){{ $type($v) = "array" ? [[$v]] : [$v] }})({item})'


def listed(items: list[str]) -> str:
    """Return an expression for a list of *items*, none of which is flattened into it."""
    if not items:
        return "[]"
    text = as_list(items[0])
    for item in items[1:]:
        text = f"$append({text}, {as_list(item)})"
    return text


# ---------------------------------------------------------------- following a path


def steps_of(path: str) -> tuple[Step, ...] | None:
    """Return the steps behind the first character of a path to one place, else ``None``."""
    if len(path) > PATH_CHARACTERS_MAX:
        raise Untranslatable(f"a path has more than {PATH_CHARACTERS_MAX} characters")
    steps: list[Step] = []
    position = 0
    while position < len(path):
        found = _DOTTED.match(path, position) or _INDEX.match(path, position)
        if found and path[found.end() : found.end() + 1] != "(":
            name = found.group(1)
            if path[position] == "[" and name.startswith("-"):
                return None
            steps.append(int(name) if path[position] == "[" else name)
        else:
            found = _QUOTED.match(path, position)
            if found is None:
                return None
            steps.append(_unescaped(found))
        position = found.end()
    return tuple(steps)


def follow(base: Value, path: str, root: Callable[[str], Value]) -> Value:
    """Return where *path*, the rest behind its ``$``, leads from *base*.

    *root* resolves the whole paths that occur in filters.
    """
    steps = steps_of(path)
    if steps is not None:
        return base.below(*steps)
    length = _LENGTH.search(path)
    if length:
        return Value(text=f"$count({follow(base, path[: length.start()], root).text})")
    text, position, single = base.text, 0, True
    while position < len(path):
        text, position, definite = _step(text, path, position, root)
        single = single and definite
        if len(text) > EXPRESSION_CHARACTERS_MAX:
            raise Untranslatable("the path is too long")
    return Value(text=text if single else f"[{text}]")


def _step(
    text: str, path: str, position: int, root: Callable[[str], Value]
) -> tuple[str, int, bool]:
    """Return the expression one step on, where the next begins, and whether it is one place."""
    if found := _DEEP.match(path, position):
        return (
            (f"{text}.**" if not found.group(1) else _member(f"{text}.**", found.group(1))),
            (found.end()),
            False,
        )
    if found := _ANY.match(path, position):
        return text, found.end(), False
    if found := _DOTTED.match(path, position):
        return _member(text, found.group(1)), found.end(), True
    if found := _INDEX.match(path, position):
        return f"{text}[{found.group(1)}]", found.end(), True
    if found := _QUOTED.match(path, position):
        return _member(text, _unescaped(found)), found.end(), True
    if found := _INDICES.match(path, position):
        return f"{text}[[{found.group(1)}]]", found.end(), False
    if found := _SLICE.match(path, position):
        return f"{text}[[{_range(text, found)}]]", found.end(), False
    if path.startswith("[?(", position):
        return _filtered(text, path, position, root)
    raise Untranslatable(f"the path is not understood at '{path[position:][:40]}'")


def _range(text: str, found: re.Match[str]) -> str:
    first, end = found.group(1) or "0", found.group(2)
    if first == "-" or end == "-":
        raise Untranslatable("the slice is not understood")
    if not end:
        return f"{first}..-1" if int(first) < 0 else f"{first}..$count({text}) - 1"
    last = int(end) - 1
    if (int(first) < 0) != (int(end) < 0) or last < int(first):
        raise Untranslatable(f"the slice '{found.group()}' is not supported")
    return f"{first}..{last}"


def _unescaped(found: re.Match[str]) -> str:
    name = found.group(1) if found.group(1) is not None else found.group(2)
    return re.sub(r"\\(.)", r"\1", name, flags=re.DOTALL)


# ---------------------------------------------------------------- filters


def _filtered(
    text: str, path: str, position: int, root: Callable[[str], Value]
) -> tuple[str, int, bool]:
    end = path.find(")]", position)
    if end < 0:
        raise Untranslatable("the filter is not closed")
    test = _Filter(path[position + 3 : end], root).read()
    return f"{text}[{test}]", end + 2, False


_FILTER_TOKEN = re.compile(
    r"""\s*(?:(?P<word>&&|\|\||==|!=|<=|>=|<|>|!|\(|\))|(?P<number>-?[0-9]+(?:\.[0-9]+)?)
    |'(?P<text>[^'\\]*)'|"(?P<other>[^"\\]*)"|(?P<value>true|false|null)\b
    |(?P<path>[@$](?:[^\s()&|=<>!]|'[^']*')*))""",
    re.VERBOSE,
)
_OPERATORS = {"==": "=", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_NESTING_MAX: Final = 16


class _Filter:
    """Read ``@.price < 10 && @.name == 'x'`` as a predicate of JSONata."""

    def __init__(self, text: str, root: Callable[[str], Value]) -> None:
        self._root = root
        self._tokens: list[tuple[str, str]] = []
        self._depth = 0
        position = 0
        while text[position:].strip():
            found = _FILTER_TOKEN.match(text, position)
            if found is None or found.lastgroup is None:
                raise Untranslatable(f"the filter is not understood at '{text[position:][:40]}'")
            self._tokens.append((found.lastgroup, found.group(found.lastgroup)))
            position = found.end()
        self._tokens.append(("end", ""))

    def read(self) -> str:
        text = self._either()
        if self._tokens[0][0] != "end":
            raise Untranslatable(f"the filter is not understood at '{self._tokens[0][1]}'")
        return text

    def _either(self) -> str:
        self._depth += 1
        if self._depth > _NESTING_MAX:
            raise Untranslatable("the filter is nested too deep")
        text = self._both()
        while self._take("||"):
            text = f"{text} or {self._both()}"
        self._depth -= 1
        return text

    def _both(self) -> str:
        text = self._test()
        while self._take("&&"):
            text = f"{text} and {self._test()}"
        return text

    def _test(self) -> str:
        if self._take("!"):
            return f"$not({self._test()})"
        if self._take("("):
            text = f"({self._either()})"
            if not self._take(")"):
                raise Untranslatable("a bracket of the filter is not closed")
            return text
        is_path = self._tokens[0][0] == "path"
        left = self._operand()
        kind, word = self._tokens[0]
        if kind != "word" or word not in _OPERATORS:
            if not is_path:
                raise Untranslatable("a filter compares, or names what has to exist")
            return f"$exists({left})"
        self._tokens.pop(0)
        return f"{left} {_OPERATORS[word]} {self._operand()}"

    def _take(self, word: str) -> bool:
        if self._tokens[0] == ("word", word):
            self._tokens.pop(0)
            return True
        return False

    def _operand(self) -> str:
        kind, word = self._tokens.pop(0)
        if kind in ("number", "value"):
            return word
        if kind in ("text", "other"):
            return quoted(word)
        if kind != "path":
            raise Untranslatable("a filter compares two values")
        if word.startswith("$"):
            return self._root(word).text
        return follow(Value(text="$"), word[1:], self._root).text
