"""The intrinsic functions of the States Language as JSONata."""

import re
from collections.abc import Callable
from typing import Final

from goflow_py.importers.asl_paths import (
    EXPRESSION_CHARACTERS_MAX,
    Untranslatable,
    Value,
    listed,
    quoted,
)

_CALL = re.compile(r"\s*(States\.[A-Za-z0-9]+)\s*\(")
_NUMBER = re.compile(r"\s*(-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)")
_TEXT = re.compile(r"\s*'((?:[^'\\]|\\.)*)'", re.DOTALL)
_WORD = re.compile(r"\s*(true|false|null)\b")
_PATH = re.compile(r"\s*(\$(?:[^\s,()\[\]]|\[(?:[^\]'\"]|'(?:[^'\\]|\\.)*'|\"[^\"]*\")*\])*)")
_HOLE = re.compile(r"\\(.)|(\{\})", re.DOTALL)
NESTING_MAX: Final = 10
"""Of intrinsics in intrinsics; the language itself allows as many."""

ITEMS_MAX: Final = 100
"""Of a States.Array: each makes the expression longer."""

CHANCE: Final = "it would differ when an execution is replayed: let a worker make it"


def is_intrinsic(text: str) -> bool:
    """Tell whether a text calls an intrinsic function."""
    return _CALL.match(text) is not None


def intrinsic(text: str, path: Callable[[str], Value]) -> Value:
    """Return a call of an intrinsic as an expression; *path* resolves the paths in it."""
    if len(text) > EXPRESSION_CHARACTERS_MAX:
        raise Untranslatable("it is too long")
    reader = _Reader(text, path)
    result = reader.argument()
    if text[reader.position :].strip():
        raise Untranslatable(f"'{text[reader.position :][:40]}' is not expected")
    return Value(text=result.text)


class _Argument:
    """An argument: its expression, and the text that it is if it is a constant one."""

    __slots__ = ("constant", "text")

    def __init__(self, text: str, constant: str | None = None) -> None:
        self.text = text
        self.constant = constant


class _Reader:
    def __init__(self, text: str, path: Callable[[str], Value]) -> None:
        self._text = text
        self._path = path
        self._depth = 0
        self.position = 0

    def argument(self) -> _Argument:
        if found := self._match(_CALL):
            return self._call(found.group(1))
        if found := self._match(_TEXT):
            return _Argument(quoted(_plain(found.group(1))), found.group(1))
        if found := self._match(_NUMBER) or self._match(_WORD):
            return _Argument(found.group(1))
        if found := self._match(_PATH):
            return _Argument(self._path(found.group(1)).text)
        raise Untranslatable(f"'{self._text[self.position :][:40]}' is no argument")

    def _call(self, name: str) -> _Argument:
        self._depth += 1
        if self._depth > NESTING_MAX:
            raise Untranslatable(f"intrinsics are nested more than {NESTING_MAX} deep")
        arguments: list[_Argument] = []
        while not self._symbol(")"):
            if arguments and not self._symbol(","):
                raise Untranslatable(f"a ',' or a ')' is missing in {name}")
            arguments.append(self.argument())
        self._depth -= 1
        return _Argument(_translated(name, arguments))

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self._text, self.position)
        if found:
            self.position = found.end()
        return found

    def _symbol(self, symbol: str) -> bool:
        rest = self._text[self.position :]
        if rest.lstrip().startswith(symbol):
            self.position += len(rest) - len(rest.lstrip()) + 1
            return True
        return False


def _plain(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)


# ---------------------------------------------------------------- the functions


def _translated(name: str, arguments: list[_Argument]) -> str:
    if name == "States.Format" and arguments:
        return _format(arguments[0], [argument.text for argument in arguments[1:]])
    if name == "States.Array" and len(arguments) <= ITEMS_MAX:
        return listed([argument.text for argument in arguments])
    if name == "States.StringSplit" and len(arguments) == 2:
        return _split(*arguments)
    if name in _REFUSED:
        raise Untranslatable(f"{name} has no counterpart: {_REFUSED[name]}")
    if name not in _FUNCTIONS:
        raise Untranslatable(f"{name} is no intrinsic function, or has too many arguments")
    count, pattern = _FUNCTIONS[name]
    if len(arguments) != count:
        raise Untranslatable(f"{name} takes {count} arguments")
    if name == "States.JsonMerge" and arguments[2].text != "false":
        raise Untranslatable("States.JsonMerge merges the first level only: its last is false")
    return pattern.format(*[argument.text for argument in arguments])


def _format(template: _Argument, values: list[str]) -> str:
    if template.constant is None:
        raise Untranslatable("the first argument of States.Format has to be a text")
    pieces, literal, position, rest = list[str](), "", 0, list(values)
    for found in _HOLE.finditer(template.constant):
        literal += template.constant[position : found.start()] + (found.group(1) or "")
        position = found.end()
        if found.group(2):
            if not rest:
                raise Untranslatable("States.Format has more {} than values")
            pieces += [quoted(literal), rest.pop(0)] if literal else [rest.pop(0)]
            literal = ""
    literal += template.constant[position:]
    if rest:
        raise Untranslatable("States.Format has more values than {}")
    if literal or len(pieces) < 2:
        pieces.append(quoted(literal))
    return f"({' & '.join(pieces)})"


def _split(text: _Argument, separators: _Argument) -> str:
    if separators.constant is None:
        raise Untranslatable("the second argument of States.StringSplit has to be a text")
    characters = _plain(separators.constant)
    if len(characters) == 1:
        return f"$split({text.text}, {quoted(characters)})"
    escaped = "".join(f"\\{char}" if char in "\\]^-/[" else char for char in characters)
    return f"$split({text.text}, /[{escaped}]/)"


def _doubled(function: str) -> str:
    return function.replace("{", "{{").replace("}", "}}")


_AS_JSON = (
    '(function($v){{ $type($v) = "string"'
    " ? $substring($string([$v]), 1, $length($string([$v])) - 2) : $string($v) }})({0})"
)
RANGE: Final = (
    "(function($a, $b, $by){ [$map([0..$floor(($b - $a) / $by)], function($i){ $a + $i * $by })] })"
)
PARTITION: Final = (
    "(function($l, $n){ $reduce([0..$ceil($count($l) / $n) - 1], function($parts, $i){"
    " $append($parts, [[$reduce([$i * $n..$min([$count($l), ($i + 1) * $n]) - 1],"
    " function($part, $k){ $append($part,"
    ' $type($l[$k]) = "array" ? [[$l[$k]]] : [$l[$k]]) }, [])]]) }, []) })'
)
_FUNCTIONS: Final[dict[str, tuple[int, str]]] = {
    "States.JsonToString": (1, _AS_JSON),
    "States.ArrayPartition": (2, f"{_doubled(PARTITION)}({{0}}, {{1}})"),
    "States.ArrayContains": (2, "({1} in {0})"),
    "States.ArrayRange": (3, f"{_doubled(RANGE)}({{0}}, {{1}}, {{2}})"),
    "States.ArrayGetItem": (2, "({0})[{1}]"),
    "States.ArrayLength": (1, "$count({0})"),
    "States.ArrayUnique": (1, "[$distinct({0})]"),
    "States.Base64Encode": (1, "$base64encode({0})"),
    "States.Base64Decode": (1, "$base64decode({0})"),
    "States.JsonMerge": (3, "$merge([{0}, {1}])"),
    "States.MathAdd": (2, "({0} + {1})"),
}
_REFUSED: Final = {
    "States.StringToJson": "no expression reads JSON out of a text; let the worker answer JSON",
    "States.Hash": "no expression hashes; let a worker do it",
    "States.MathRandom": CHANCE,
    "States.UUID": CHANCE,
}
