"""What the closures leave over: parsed, bounded and run by the full engine."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from goflow_py.domain import documents
from goflow_py.expression import engine, natives
from goflow_py.expression.errors import Fault, syntax_error
from goflow_py.expression.tokens import Token
from goflow_py.expression.values import SIZE_MAX, ensure_small

_SHOWN_REASON_MAX = 200
_TOO_LONG = "it is nested, or one chain, too long; break it up"
# The fields of the library's nodes that hold nodes.
_SAME_CONTEXT = (
    *("procedure", "arguments", "lhs", "rhs", "expression", "expressions", "lhs_object"),
    *("condition", "then", "_else", "body", "pattern"),
)
_OTHER_CONTEXT = ("predicate", "stages", "expr", "group", "terms", "update", "delete")


def compile_fully(
    text: str, read: list[Token]
) -> tuple[Callable[[Mapping[str, Any]], Any], frozenset[str]]:
    """Return what evaluates *text* by the full engine, and the names of the document it reads."""
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
