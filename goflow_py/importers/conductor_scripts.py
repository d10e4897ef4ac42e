"""The JavaScript of Conductor's conditions as JSONata: what is simple enough to mean the same.

Comparisons, arithmetic, ``&&``, ``||``, ``!``, ``?:``, ``if``/``else``, paths into ``$``. Anything
else is ``Untranslatable``.
"""

import re
from collections.abc import Callable
from typing import Final

from goflow_py.domain.values import value
from goflow_py.importers.asl_paths import EXPRESSION_CHARACTERS_MAX, Untranslatable, quoted

Steps = tuple[str | int, ...]

_TOKEN = re.compile(
    r"""\s*(?:(?P<number>[0-9]+(?:\.[0-9]+)?)|(?P<text>'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")
    |(?P<name>[A-Za-z_$][A-Za-z0-9_$]*)
    |(?P<symbol>===|!==|==|!=|<=|>=|&&|\|\||[-+*/%<>!?:().;,{}\[\]]))""",
    re.VERBOSE,
)
_WRAPPED = re.compile(
    r"\(\s*function\b\s*(?:\w+\s*)?\(\s*\)\s*\{(.*)\}\s*\)\s*\(\s*\)\s*;?\s*\Z", re.DOTALL
)
_CALLED = re.compile(
    r"function\s+(\w+)\s*\(\s*\)\s*\{(.*)\}\s*;?\s*(\w+)\s*\(\s*\)\s*;?\s*\Z", re.DOTALL
)
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r"}
_LEVELS: Final[tuple[tuple[str, ...], ...]] = (
    ("||",),
    ("&&",),
    ("===", "!==", "==", "!="),
    ("<", "<=", ">", ">="),
    ("+", "-"),
    ("*", "/", "%"),
)
_METHODS: Final = {
    "toUpperCase": (0, "$uppercase({0})", "text"),
    "toLowerCase": (0, "$lowercase({0})", "text"),
    "includes": (1, '($type({0}) = "array" ? {1} in {0} : $contains({0}, {1}))', "truth"),
}
NESTING_MAX: Final = 32


@value
class _Node:
    """An expression of ours: its text, and what is known of its type."""

    text: str
    kind: str = "any"
    """``truth``, ``number``, ``text``, ``null`` or ``any``."""

    def __post_init__(self) -> None:
        if len(self.text) > EXPRESSION_CHARACTERS_MAX:
            raise Untranslatable("it is too long")


def body_of(script: str) -> str:
    """Return what a function that is called at once does, or the script itself."""
    text = script.strip()
    if found := _WRAPPED.match(text):
        return found.group(1).strip()
    found = _CALLED.match(text)
    return found.group(2).strip() if found and found.group(1) == found.group(3) else text


def condition(script: str, resolve: Callable[[Steps], str]) -> str:
    """Return a script as a guard; *resolve* tells what a path into ``$`` is."""
    return _Reader(body_of(script), resolve, is_guard=True).read()


def choice(script: str, resolve: Callable[[Steps], str]) -> str:
    """Return a script as an expression for its value."""
    return _Reader(body_of(script), resolve, is_guard=False).read()


class _Reader:
    def __init__(self, text: str, resolve: Callable[[Steps], str], *, is_guard: bool) -> None:
        self._resolve, self._is_guard, self._depth = resolve, is_guard, 0
        self._tokens: list[tuple[str, str]] = []
        if len(text) > EXPRESSION_CHARACTERS_MAX:
            raise Untranslatable("it is too long")
        position = 0
        while text[position:].strip():
            found = _TOKEN.match(text, position)
            if found is None or found.lastgroup is None:
                raise Untranslatable(f"'{text[position:].strip()[:40]}' is not understood")
            self._tokens.append((found.lastgroup, found.group(found.lastgroup)))
            position = found.end()
        self._tokens.append(("end", ""))

    def read(self) -> str:
        text = self._statement()
        if self._tokens[0][0] != "end":
            raise Untranslatable(f"'{self._tokens[0][1]}' is not understood")
        return text

    # ------------------------------------------------------------ statements

    def _statement(self) -> str:
        self._deeper()
        if self._take("if"):
            test = self._guarded()
            then = self._block()
            otherwise = self._block() if self._take("else") else self._statement()
            result = f"({test}) ? {then} : {otherwise}"
            self._depth -= 1
            return f"({result})"
        self._take("return")
        text = self._ternary().text
        while self._take(";"):
            pass
        self._depth -= 1
        return text

    def _block(self) -> str:
        if not self._take("{"):
            return self._statement()
        text = self._statement()
        self._expect("}")
        return text

    def _guarded(self) -> str:
        """Read a condition in brackets."""
        self._expect("(")
        before, self._is_guard = self._is_guard, True
        text = self._ternary().text
        self._is_guard = before
        self._expect(")")
        return text

    # ------------------------------------------------------------ expressions

    def _ternary(self) -> _Node:
        self._deeper()
        test = self._binary(0)
        if self._take("?"):
            then = self._ternary()
            self._expect(":")
            otherwise = self._ternary()
            kind = then.kind if then.kind == otherwise.kind else "any"
            test = _Node(text=f"({test.text} ? {then.text} : {otherwise.text})", kind=kind)
        self._depth -= 1
        return test

    def _binary(self, level: int) -> _Node:
        if level == len(_LEVELS):
            return self._unary()
        left = self._binary(level + 1)
        while self._tokens[0][0] == "symbol" and self._tokens[0][1] in _LEVELS[level]:
            operator = self._tokens.pop(0)[1]
            left = self._combined(operator, left, self._binary(level + 1))
        return left

    def _combined(self, operator: str, left: _Node, right: _Node) -> _Node:
        if operator in ("&&", "||"):
            if not self._is_guard and (left.kind, right.kind) != ("truth", "truth"):
                raise Untranslatable(f"'{operator}' that chooses a value is not understood")
            word = "and" if operator == "&&" else "or"
            return _Node(text=f"({left.text} {word} {right.text})", kind="truth")
        if operator in ("==", "===", "!=", "!=="):
            return _equality(left, right, negated=operator.startswith("!"))
        if operator in ("<", "<=", ">", ">="):
            return _Node(text=f"({left.text} {operator} {right.text})", kind="truth")
        if operator == "+" and "number" not in (left.kind, right.kind):
            if "text" not in (left.kind, right.kind):
                raise Untranslatable("whether '+' adds or joins cannot be told")
            return _Node(text=f"({left.text} & {right.text})", kind="text")
        if operator == "+" and "text" in (left.kind, right.kind):
            return _Node(text=f"({left.text} & {right.text})", kind="text")
        return _Node(text=f"({left.text} {operator} {right.text})", kind="number")

    def _unary(self) -> _Node:
        if self._take("!"):
            self._deeper()
            operand = self._unary()
            self._depth -= 1
            # What is missing is false to both, but has no opposite in JSONata.
            return _Node(text=f"$not($boolean({operand.text}) = true)", kind="truth")
        if self._take("-"):
            self._deeper()
            operand = self._unary()
            self._depth -= 1
            return _Node(text=f"(-{operand.text})", kind="number")
        return self._primary()

    def _primary(self) -> _Node:
        kind, word = self._tokens.pop(0)
        if kind == "number":
            return _Node(
                text=word.lstrip("0")
                if word.isdigit() and word.strip("0")
                else ("0" if word.isdigit() else word),
                kind="number",
            )
        if kind == "text":
            return self._members(_Node(text=quoted(_unescaped(word[1:-1])), kind="text"))
        if word == "(":
            inner = self._ternary()
            self._expect(")")
            return self._members(_Node(text=f"({inner.text})", kind=inner.kind))
        if word in ("true", "false"):
            return _Node(text=word, kind="truth")
        if word in ("null", "undefined"):
            return _Node(text="null", kind="null")
        if word == "$":
            return self._path()
        raise Untranslatable(f"'{word or 'the end'}' is not understood")

    def _path(self) -> _Node:
        steps: list[str | int] = []
        while True:
            step = self._step()
            if step is None:
                return self._members(_Node(text=self._resolve(tuple(steps))))
            steps.append(step)

    def _step(self) -> str | int | None:
        """Take one step of a path; none where it ends, or goes on with a method or a length."""
        (kind, word), (following, name) = (
            self._tokens[0],
            self._tokens[min(1, len(self._tokens) - 1)],
        )
        if word == "." and following == "name":
            after = self._tokens[2] if len(self._tokens) > 2 else ("end", "")
            if name == "length" or after == ("symbol", "("):
                return None
            del self._tokens[:2]
            return name
        if kind == "symbol" and word == "[" and following in ("text", "number"):
            if following == "number" and not name.isdigit():
                raise Untranslatable(f"'[{name}]' is no place of a list")
            del self._tokens[:2]
            self._expect("]")
            return _unescaped(name[1:-1]) if following == "text" else int(name[:9])
        return None

    def _members(self, node: _Node) -> _Node:
        while self._tokens[0] == ("symbol", ".") and self._tokens[1][0] == "name":
            name = self._tokens[1][1]
            del self._tokens[:2]
            if name == "length" and self._tokens[0] != ("symbol", "("):
                text = f'($type({node.text}) = "string" ? $length({node.text}) : '
                node = _Node(text=f"{text}$count({node.text}))", kind="number")
                continue
            if name not in _METHODS:
                raise Untranslatable(f"'.{name}' is not understood")
            count, pattern, kind = _METHODS[name]
            self._expect("(")
            given = [self._ternary().text for _ in range(count)]
            self._expect(")")
            node = _Node(text=pattern.format(node.text, *given), kind=kind)
        return node

    # ------------------------------------------------------------ tokens

    def _take(self, word: str) -> bool:
        if self._tokens[0][1] == word and self._tokens[0][0] in ("symbol", "name"):
            self._tokens.pop(0)
            return True
        return False

    def _expect(self, word: str) -> None:
        if not self._take(word):
            raise Untranslatable(f"'{word}' is expected before '{self._tokens[0][1] or 'the end'}'")

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > NESTING_MAX:
            raise Untranslatable("it is nested too deep")


def _equality(left: _Node, right: _Node, *, negated: bool) -> _Node:
    if "null" in (left.kind, right.kind):
        other = left if right.kind == "null" else right
        there = f"($exists({other.text}) and $not({other.text} = null))"
        return _Node(text=there if negated else f"$not({there})", kind="truth")
    same = f"{left.text} = {right.text}"
    return _Node(text=f"$not({same})" if negated else f"({same})", kind="truth")


def _unescaped(text: str) -> str:
    return re.sub(
        r"\\(.)", lambda found: _ESCAPES.get(found.group(1), found.group(1)), text, flags=re.DOTALL
    )
