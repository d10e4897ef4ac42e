"""Compile an expression: to a path, to a closure, or, beyond both, for the full engine."""

import difflib
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Any, Final

from goflow_py.expression import closures, syntax
from goflow_py.expression.errors import (
    Fault,
    raise_failed,
    syntax_error,
)
from goflow_py.expression.functions import FUNCTIONS
from goflow_py.expression.paths import Path, parse_path
from goflow_py.expression.tokens import EXPRESSION_LENGTH_MAX, Token, ends_operand, tokens
from goflow_py.expression.values import truthy

_FUNCTION_NAMES: Final = frozenset(FUNCTIONS)
TOKENS_MAX: Final = 2_000


class Expression:
    """Hold a compiled expression; it is never changed, and safe to share."""

    __slots__ = ("_run", "path", "roots", "text", "warnings")

    def __init__(
        self,
        text: str,
        run: Callable[[Mapping[str, Any]], Any],
        *,
        roots: frozenset[str],
        warnings: tuple[str, ...] = (),
        path: Path | None = None,
    ) -> None:
        self.text = text
        self.roots = roots
        """The names of the document that it reads, as far as its text tells."""
        self.warnings = warnings
        """What is read otherwise than it was probably meant: sentences for an upload's findings."""
        self.path = path
        """The path that it wholly is, if it is one."""
        self._run = run

    def evaluate(self, document: Mapping[str, Any]) -> Any:
        """Return a plain JSON value, or ``MISSING``; raise ``ExpressionFailed``.

        Parts of the document are returned as they are, not copied: neither side may change them.
        """
        try:
            return self._run(document)
        except Fault as fault:
            raise_failed(self.text, str(fault))
        except RecursionError:
            raise_failed(self.text, "it is nested too deep for this data")

    def test(self, document: Mapping[str, Any]) -> bool:
        """Return the result as a boolean, by JSONata's rules; nothing is false."""
        value = self.evaluate(document)
        return value if value is True or value is False else truthy(value)

    def __repr__(self) -> str:
        return f"Expression({self.text!r})"


def compile_expression(text: str) -> Expression:
    """Compile a text; raise ``ExpressionSyntaxError`` with the place and what to do."""
    if not isinstance(text, str):
        raise syntax_error(str(text), 0, "an expression is a text")
    text = text.strip()
    if not text:
        raise syntax_error(text, 0, "there is nothing")
    path = parse_path(text)
    if path is not None:
        return path_expression(path)
    if len(text) > EXPRESSION_LENGTH_MAX:
        reason = f"it is longer than {EXPRESSION_LENGTH_MAX} characters"
        raise syntax_error(text, EXPRESSION_LENGTH_MAX, reason)
    read = list(tokens(text))
    if read[-1].end != len(text):
        raise syntax_error(text, read[-1].end, "'}' closes nothing")
    if len(read) > TOKENS_MAX:
        raise syntax_error(text, read[TOKENS_MAX].start, f"it has more than {TOKENS_MAX} parts")
    _check(text, read)
    warnings = tuple(_warnings(text, read))
    try:
        node = syntax.parse(text, functions=_FUNCTION_NAMES)
        run = closures.compile_node(node)
        roots = frozenset(closures.roots(node))
    except (syntax.Beyond, RecursionError):
        from goflow_py.expression import full  # the same 6 MB

        run, roots = full.compile_fully(text, read)
    return Expression(text, run, roots=roots, warnings=warnings)


def path_expression(path: Path) -> Expression:
    """Return the expression that is wholly *path*."""
    return Expression(path.text, path.get, roots=frozenset({path.root}), path=path)


def _check(text: str, read: list[Token]) -> None:
    """Refuse what no engine may run, and what would silently mean something else."""
    bound = {one.value for one, other in pairwise(read) if not _calls(one, other)}
    for index, token in enumerate(read):
        if token.kind == "variable":
            _check_variable(text, token, bound, called=_calls(token, read[index + 1]))
        elif _is_quoted_step(read, index):
            quoted = read[index + 1].value
            hint = f"a name is quoted as .`{quoted}` in an expression; ['{quoted}'] is for paths"
            raise syntax_error(text, token.start, hint)


def _check_variable(text: str, token: Token, bound: set[str], *, called: bool) -> None:
    # The library behind it is 6 MB of memory that most blueprints never need.
    from goflow_py.expression import natives

    name = token.value[1:]
    if name in natives.REFUSED:
        reason = f"${name} is not allowed: {natives.REFUSED[name]}"
        raise syntax_error(text, token.start, reason)
    if name.startswith("__"):
        raise syntax_error(text, token.start, "names of variables do not begin with '__'")
    if called and name not in natives.KNOWN and token.value not in bound:
        near = difflib.get_close_matches(name, natives.KNOWN, n=1)
        hint = f"; did you mean ${near[0]}?" if near else ""
        raise syntax_error(text, token.start, f"there is no function ${name}{hint}")


def _calls(token: Token, following: Token) -> bool:
    return token.kind == "variable" and following.kind == "operator" and following.value == "("


def _is_quoted_step(read: list[Token], index: int) -> bool:
    return (
        read[index].value == "["
        and read[index].kind == "operator"
        and index > 0
        and ends_operand(read[index - 1])
        and read[index + 1].kind == "string"
        and read[index + 2].value == "]"
    )


def _warnings(text: str, read: list[Token]) -> Iterator[str]:
    for index in range(len(read) - 2):
        left, minus, right = read[index : index + 3]
        if (
            minus.value == "-"
            and minus.kind == "operator"
            and left.kind in ("name", "variable")
            and right.kind == "name"
            and left.end == minus.start
            and minus.end == right.start
            and left.value not in ("$", "$$")
        ):
            name = text[left.start : right.end]
            yield f"'{name}' subtracts; if it is one name, write `{name}` in backquotes"


__all__ = ["Expression", "compile_expression", "path_expression"]
