"""Parse the part of JSONata that is compiled to closures.

A Pratt parser over the tokens. What lies beyond the part raises ``Beyond``, and the full engine
takes the expression; the parser never guesses.
"""

from dataclasses import dataclass
from typing import Any, Final

from goflow_py.expression.errors import syntax_error
from goflow_py.expression.tokens import Token, tokens

NODES_MAX: Final = 128
"""A larger expression goes to the full engine, which counts its steps."""

_POWERS = {
    "or": 25,
    "and": 30,
    "?": 20,
    "=": 40,
    "!=": 40,
    "<": 40,
    "<=": 40,
    ">": 40,
    ">=": 40,
    "in": 40,
    "+": 50,
    "-": 50,
    "&": 50,
    "*": 60,
    "/": 60,
    "%": 60,
}
_STEP_POWERS = {".": 75, "[": 80}
_PREFIX_POWER = 70
# These bind a value that stands before them, and none of them is in the part.
_BEYOND = frozenset({"(", "{", "^", "@", "#", "~>", "?:", "??", ":=", "..", "|", "**"})
_CONSTANTS = {"true": True, "false": False, "null": None}


class Beyond(Exception):
    """Say that the expression needs the full engine."""


@dataclass(frozen=True, slots=True)
class Constant:
    """Hold a number, a text, true, false or null."""

    value: Any


@dataclass(frozen=True, slots=True)
class Names:
    """Lead from the document through names, each with the indices that follow it."""

    steps: tuple[tuple[str, tuple[int, ...]], ...]


@dataclass(frozen=True, slots=True)
class Negative:
    """Negate a number."""

    operand: "Node"


@dataclass(frozen=True, slots=True)
class Binary:
    """Combine two values."""

    operator: str
    left: "Node"
    right: "Node"


@dataclass(frozen=True, slots=True)
class Condition:
    """Choose one of two values; without ``otherwise``, or nothing."""

    test: "Node"
    then: "Node"
    otherwise: "Node | None"


@dataclass(frozen=True, slots=True)
class Items:
    """Construct a list."""

    items: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Pairs:
    """Construct a map."""

    pairs: tuple[tuple["Node", "Node"], ...]


@dataclass(frozen=True, slots=True)
class Call:
    """Call a function of the language."""

    name: str
    arguments: tuple["Node", ...]


Node = Constant | Names | Negative | Binary | Condition | Items | Pairs | Call


def parse(text: str, *, functions: frozenset[str]) -> Node:
    """Return the tree; raise ``Beyond`` or ``ExpressionSyntaxError``."""
    parser = _Parser(text, functions)
    node = parser.expression(0)
    if parser.token.kind != "end" or parser.token.end != len(text):
        raise parser.unexpected()
    return node


class _Parser:
    def __init__(self, text: str, functions: frozenset[str]) -> None:
        self._text = text
        self._functions = functions
        self._tokens = iter(list(tokens(text)))
        self._nodes = 0
        self.token: Token = next(self._tokens)

    def expression(self, power: int) -> Node:
        node = self._prefix()
        while True:
            token = self.token
            if token.kind != "operator":
                if token.kind == "end":
                    return node
                raise self.unexpected()
            if token.value in _BEYOND:
                raise Beyond
            if token.value in _STEP_POWERS:
                if power >= _STEP_POWERS[token.value]:
                    return node
                node = self._step(node)
            elif power >= _POWERS.get(token.value, 0):
                return node
            else:
                node = self._infix(node)

    def unexpected(self) -> Exception:
        if self.token.kind == "end":
            return syntax_error(self._text, self.token.start, "it ends too early")
        return syntax_error(self._text, self.token.start, f"'{self.token.value}' is not expected")

    def _advance(self) -> Token:
        token = self.token
        self.token = next(self._tokens, token)
        self._nodes += 1
        if self._nodes > 2 * NODES_MAX:
            raise Beyond
        return token

    def _at(self, value: str) -> bool:
        return self.token.kind == "operator" and self.token.value == value

    def _expect(self, value: str) -> None:
        if not self._at(value):
            raise self.unexpected()
        self._advance()

    def _prefix(self) -> Node:
        token = self._advance()
        match token.kind:
            case "number":
                return Constant(_number(token.value))
            case "string":
                return Constant(token.value)
            case "value":
                return Constant(_CONSTANTS[token.value])
            case "name" | "quoted":
                return Names(((token.value, ()),))
            case "variable":
                return self._variable(token)
            case "operator":
                return self._prefix_operator(token)
            case "end":
                raise self.unexpected()
            case _:
                raise Beyond

    def _prefix_operator(self, token: Token) -> Node:
        match token.value:
            case "(":
                node = self.expression(0)
                if self._at(";"):
                    raise Beyond
                self._expect(")")
                if self._at(".") or self._at("["):
                    raise Beyond
                return node if not isinstance(node, Items) else _grouped(node)
            case "[":
                return Items(tuple(self._listed("]")))
            case "{":
                return self._pairs()
            case "-":
                operand = self.expression(_PREFIX_POWER)
                if isinstance(operand, Constant) and type(operand.value) in (int, float):
                    return Constant(-operand.value)
                return Negative(operand)
            case _:
                raise Beyond

    def _variable(self, token: Token) -> Node:
        name = token.value[1:]
        if self._at("("):
            if name not in self._functions:
                raise Beyond
            self._advance()
            return Call(name, tuple(self._listed(")")))
        if name.isdigit() and name.isascii():
            # `$1` is the state 1 of the document: ids of that form are names in the language.
            return Names(((name, ()),))
        if name not in ("", "$") or self._at("["):
            raise Beyond
        return Names(())

    def _listed(self, end: str) -> list[Node]:
        items: list[Node] = []
        if not self._at(end):
            items.append(self.expression(0))
            while self._at(","):
                self._advance()
                items.append(self.expression(0))
            if self._at(".."):
                raise Beyond
        self._expect(end)
        return items

    def _pairs(self) -> Node:
        pairs: list[tuple[Node, Node]] = []
        while not self._at("}"):
            if pairs:
                self._expect(",")
            key = self.expression(0)
            self._expect(":")
            pairs.append((key, self.expression(0)))
        self._advance()
        return Pairs(tuple(pairs))

    def _step(self, node: Node) -> Node:
        if not isinstance(node, Names):
            raise Beyond
        operator = self._advance()
        token = self._advance()
        if operator.value == ".":
            if token.kind not in ("name", "quoted", "string"):
                if token.kind == "number":
                    hint = "a name that begins with a digit is written `1` in backquotes"
                    raise syntax_error(self._text, token.start, hint)
                raise Beyond
            if not token.value:
                raise Beyond
            return Names((*node.steps, (token.value, ())))
        sign = 1
        if token == ("operator", "-", token.start, token.end):
            sign, token = -1, self._advance()
        if token.kind != "number" or not token.value.isdigit() or not self._at("]"):
            raise Beyond
        self._advance()
        name, indices = node.steps[-1]
        return Names((*node.steps[:-1], (name, (*indices, sign * int(token.value)))))

    def _infix(self, left: Node) -> Node:
        token = self._advance()
        if token.value == "?":
            then = self.expression(0)
            otherwise = None
            if self._at(":"):
                self._advance()
                otherwise = self.expression(0)
            return Condition(left, then, otherwise)
        return Binary(token.value, left, self.expression(_POWERS[token.value]))


def _grouped(node: Items) -> Node:
    # A list in parentheses is flattened into the list around it; a bare one is kept as an item.
    # A call that changes nothing keeps the two apart.
    return Call("", (node,))


def _number(digits: str) -> int | float:
    value = float(digits)
    if digits.isdigit() and len(digits) <= 18:
        return int(digits)
    if value == float("inf"):
        raise Beyond
    return int(value) if value.is_integer() and abs(value) < 2**63 else value
