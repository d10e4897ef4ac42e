"""Compile an expression: to a path, to a closure, or, beyond both, for the full engine."""

import difflib
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Any, Final

from goflow_py.domain import documents
from goflow_py.expression import closures, engine, natives, syntax
from goflow_py.expression.errors import (
    ExpressionSyntaxError,
    Fault,
    raise_failed,
    syntax_error,
)
from goflow_py.expression.functions import FUNCTIONS
from goflow_py.expression.paths import Path, parse_path
from goflow_py.expression.tokens import EXPRESSION_LENGTH_MAX, Token, ends_operand, tokens
from goflow_py.expression.values import SIZE_MAX, ensure_small, truthy

_FUNCTION_NAMES: Final = frozenset(FUNCTIONS)
TOKENS_MAX: Final = 2_000

_SHOWN_REASON_MAX = 200
_TOO_LONG = "it is nested, or one chain, too long; break it up"
# The fields of the library's nodes that hold nodes.
_SAME_CONTEXT = (
    *("procedure", "arguments", "lhs", "rhs", "expression", "expressions", "lhs_object"),
    *("condition", "then", "_else", "body", "pattern"),
)
_OTHER_CONTEXT = ("predicate", "stages", "expr", "group", "terms", "update", "delete")


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
        return Expression(text, path.get, roots=frozenset({path.root}), path=path)
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
        run, roots = _full(text, read)
    return Expression(text, run, roots=roots, warnings=warnings)


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


def _full(
    text: str, read: list[Token]
) -> tuple[Callable[[Mapping[str, Any]], Any], frozenset[str]]:
    tree = _parse_fully(text)
    numbered = sorted(
        {
            token.value[1:]
            for token in read
            if token.kind == "variable" and token.value[1:].isdigit()
        }
    )
    roots = frozenset(_roots(tree)) | frozenset(numbered)

    def run(document: Mapping[str, Any]) -> Any:
        known = document if isinstance(document, dict) else dict(document)
        frame = natives.frame()
        for name in numbered:
            if name in known:
                frame.bind(name, engine.theirs(known[name]))
        return _finished(lambda: engine.Evaluator(tree, frame).run(known, frame))

    return run, roots


def _finished(evaluate: Callable[[], Any]) -> Any:
    try:
        value = engine.plain(evaluate())
        if isinstance(value, str | dict | list):
            ensure_small(value)
            if len(documents.dumps(value)) > SIZE_MAX:
                raise Fault("it builds a value of more than 1 MiB")
        return value
    except (Fault, RecursionError):
        raise
    except engine.JException as error:
        raise Fault(str(error)[:_SHOWN_REASON_MAX]) from None
    except Exception as error:  # noqa: BLE001
        # Whatever the library trips over is the fault of an expression that does not fit its
        # data; a server must not fall over it.
        raise Fault(f"it does not fit the data ({type(error).__name__})") from None


def _parse_fully(text: str) -> Any:
    try:
        tree = engine.parse(text)
    except Fault as fault:
        raise syntax_error(text, 0, str(fault)) from None
    except engine.JException as error:
        place = error.location if isinstance(error.location, int) else 0
        raise syntax_error(text, max(0, min(place, len(text))), str(error)) from None
    except RecursionError:
        raise syntax_error(text, 0, _TOO_LONG) from None
    except Exception:  # noqa: BLE001
        # The library's tokenizer runs over the end of some texts.
        raise syntax_error(text, 0, "it is not JSONata") from None
    for node, _, depth in _nodes(tree):
        if depth > engine.DEPTH_MAX:
            raise syntax_error(text, 0, _TOO_LONG)
        if node.type == "lambda" and node.signature is not None:
            raise syntax_error(text, node.position, "functions take no signature here")
    return tree


def _nodes(tree: Any) -> Iterator[tuple[Any, bool, int]]:
    """Yield each node once, whether the whole document is its context, and its depth."""
    todo, seen = [(tree, True, 0)], set()
    while todo:
        node, at_root, depth = todo.pop()
        if id(node) not in seen:
            seen.add(id(node))
            yield node, at_root, depth
            todo.extend((*part, depth + 1) for part in _below(node, at_root))


def _roots(tree: Any) -> set[str]:
    """Return the names that are read from the document itself, not from a part of it."""
    found: set[str] = set()
    for node, at_root, _ in _nodes(tree):
        if node.type != "path":
            continue
        first = node.steps[0]
        if first.type == "name" and at_root:
            found.add(str(first.value))
        absolute = first.value == "$" or (first.value == "" and at_root)
        if first.type == "variable" and absolute and len(node.steps) > 1:
            found.add(str(node.steps[1].value))
    return {name for name in found if name}


def _below(node: Any, at_root: bool) -> Iterator[tuple[Any, bool]]:
    """Return the parts of a node, and whether each sees the whole document as its context."""
    for name in _SAME_CONTEXT:
        yield from _symbols(getattr(node, name), at_root)
    for name in _OTHER_CONTEXT:
        yield from _symbols(getattr(node, name), at_root=False)
    for number, step in enumerate(node.steps or ()):
        yield step, at_root and number == 0


def _symbols(part: Any, at_root: bool) -> Iterator[tuple[Any, bool]]:
    if isinstance(part, list | tuple):
        for item in part:
            yield from _symbols(item, at_root)
    elif hasattr(part, "steps") and hasattr(part, "position"):
        yield part, at_root


__all__ = ["Expression", "ExpressionSyntaxError", "compile_expression"]
