"""Cut an expression into tokens, with their places.

The tokens serve three: the closure compiler's parser, the checks that hold for every expression
whichever engine runs it, and the search for the brace that ends a ``${...}``.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from goflow_py.expression.errors import syntax_error

EXPRESSION_LENGTH_MAX: Final = 16 * 1024
NESTING_MAX: Final = 64

_SPACE = re.compile(r"(?:[ \t\n\r]+|/\*.*?\*/)*", re.DOTALL)
_NUMBER = re.compile(r"(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_NAME = re.compile(r"[^\W\d]\w*")
_VARIABLE = re.compile(r"\$(?:\$|\w+)?")
_OPERATOR = re.compile(r"\.\.|:=|!=|>=|<=|\*\*|~>|\?:|\?\?|[.\[\]{}(),@#;:?+\-*/%|=<>^&!~]")
_ESCAPES = {
    '"': '"',
    "'": "'",
    "\\": "\\",
    "/": "/",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
}
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_SURROGATES = re.compile(r"[\ud800-\udbff][\udc00-\udfff]")
_OPENING = {"(": ")", "[": "]", "{": "}"}
_CLOSING = frozenset(")]}")
_OPERAND_KINDS = frozenset({"name", "quoted", "variable", "number", "string", "value", "regex"})
_VALUES = frozenset({"true", "false", "null"})
_WORDS = frozenset({"and", "or", "in"})


class Token(NamedTuple):
    """One token: its kind, what it says, where it begins and ends."""

    kind: str
    value: str
    start: int
    end: int


def tokens(text: str, start: int = 0) -> Iterator[Token]:
    """Yield the tokens; the last one has the kind ``end``. A ``}`` without its ``{`` ends too.

    Raises ``ExpressionSyntaxError`` for what is no token, and for brackets that do not match or
    are nested deeper than 64: no parser of ours or of others may recurse further.
    """
    position, previous, open_brackets = start, None, list[str]()
    while True:
        space = _SPACE.match(text, position)
        position = space.end() if space else position
        if position >= len(text):
            break
        token = _next(text, position, previous)
        if token.kind == "operator":
            if token.value == "}" and not open_brackets:
                break
            _balance(text, token, open_brackets)
        yield token
        position, previous = token.end, token
    if open_brackets:
        raise syntax_error(text, position, f"'{open_brackets[-1]}' is expected")
    yield Token("end", "", position, position)


def ends_operand(token: Token | None) -> bool:
    """Tell whether a value may end with this token: then ``/`` divides and ``-`` subtracts."""
    if token is None:
        return False
    return token.kind in _OPERAND_KINDS or (token.kind == "operator" and token.value in _CLOSING)


def _balance(text: str, token: Token, open_brackets: list[str]) -> None:
    if token.value in _OPENING:
        open_brackets.append(_OPENING[token.value])
        if len(open_brackets) > NESTING_MAX:
            raise syntax_error(text, token.start, f"it is nested deeper than {NESTING_MAX} levels")
    elif token.value in _CLOSING and (not open_brackets or open_brackets.pop() != token.value):
        raise syntax_error(text, token.start, f"'{token.value}' closes nothing")


def _next(text: str, start: int, previous: Token | None) -> Token:
    first = text[start]
    if first in "\"'":
        return _string(text, start)
    if first == "`":
        end = text.find("`", start + 1)
        if end < 0:
            raise syntax_error(text, start, "the closing ` is missing")
        return Token("quoted", text[start + 1 : end], start, end + 1)
    if first == "/" and not ends_operand(previous):
        return _regex(text, start)
    if first == "/" and text.startswith("/*", start):
        raise syntax_error(text, start, "the comment is not closed with */")
    for kind, pattern in (
        ("number", _NUMBER),
        ("variable", _VARIABLE),
        ("name", _NAME),
        ("operator", _OPERATOR),
    ):
        found = pattern.match(text, start)
        if found:
            word = found.group()
            if kind == "name":
                kind = "value" if word in _VALUES else "operator" if word in _WORDS else kind
            return Token(kind, word, start, found.end())
    raise syntax_error(text, start, f"{first!r} is not expected")


def _string(text: str, start: int) -> Token:
    quote, position, pieces = text[start], start + 1, list[str]()
    while True:
        end = text.find(quote, position)
        escape = text.find("\\", position, end if end >= 0 else len(text))
        if end < 0 and escape < 0:
            raise syntax_error(text, start, f"the closing {quote} is missing")
        if escape < 0:
            pieces.append(text[position:end])
            return Token("string", _joined(text, start, "".join(pieces)), start, end + 1)
        found = _ESCAPE.match(text, escape)
        letter = _ESCAPES.get(found.group(2) or "") if found else None
        if found is None or (letter is None and found.group(1) is None):
            raise syntax_error(text, escape, "the escape sequence is unknown")
        pieces += [text[position:escape], letter or chr(int(found.group(1), 16))]
        position = found.end()


def _joined(text: str, start: int, value: str) -> str:
    r"""Make one character of a pair of \u escapes; refuse what no JSON text may contain."""
    if "\x00" in value:
        raise syntax_error(text, start, "the text contains the character NUL")
    if value.isascii():
        return value
    joined = _SURROGATES.sub(_character, value)
    if any("\ud800" <= char <= "\udfff" for char in joined):
        raise syntax_error(text, start, "the text contains half a character")
    return joined


def _character(pair: re.Match[str]) -> str:
    return pair.group().encode("utf-16", "surrogatepass").decode("utf-16")


def _regex(text: str, start: int) -> Token:
    depth, position = 0, start + 1
    while position < len(text):
        char = text[position]
        if char == "\\":
            position += 1
        elif char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
        elif char == "/" and depth == 0:
            end = position + 1
            while end < len(text) and text[end] in "im":
                end += 1
            return Token("regex", text[start:end], start, end)
        position += 1
    raise syntax_error(text, start, "the regular expression is not closed with /")
