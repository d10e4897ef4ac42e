"""Run what the closures leave over with jsonata-python, inside bounds.

The library is an interpreter without limits of its own that hold: its clock is not looked at in
its functions, and a range or a padding is built before anyone counts it. So the evaluator below
counts steps and depth at every node, weighs every value where it is built, and takes over the
few parts of the library that change the document, run in squares, or cannot be stopped.

It looks at the clock for the fuse alone: the steps are the rule, the same on every machine, and
the fuse stops what costs more than its steps tell.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import re2

from goflow_py.clock import SystemClock
from goflow_py.expression import budget
from goflow_py.expression.errors import Fault
from goflow_py.expression.operators import ARITHMETIC, COMPARISONS, contained, joined, negative
from goflow_py.expression.values import MISSING, Scales, equal, number, truthy

# The library raises the recursion limit of the whole process tenfold when it is imported. What
# its deepest evaluation needs is far less (see DEPTH_MAX), and a limit protects everybody else.
_limit_before = sys.getrecursionlimit()
from jsonata.functions import Functions  # noqa: E402
from jsonata.jexception import JException  # noqa: E402
from jsonata.jsonata import Jsonata  # noqa: E402
from jsonata.parser import Parser  # noqa: E402
from jsonata.utils import Utils  # noqa: E402

RECURSION_MAX: Final = 4_000
sys.setrecursionlimit(max(_limit_before, RECURSION_MAX))

STEPS_MAX: Final = 100_000
DEPTH_MAX: Final = 320
RANGE_ITEMS_MAX: Final = 10_000
FUSE_SECONDS: Final = 0.25

_FUSE_EVERY_STEPS = 64
_CLOCK = SystemClock()
_NULL = Utils.NULL_VALUE


def regular_expression(pattern: str, flags: Any) -> Any:
    """Compile a regular expression that runs in linear time, whatever it is."""
    options = re2.Options()
    options.case_sensitive = not flags.case_insensitive
    options.never_nl = False
    options.log_errors = False
    if flags.multiline:
        pattern = f"(?m){pattern}"
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        raise Fault(f"the regular expression is not accepted: {_first_line(error)}") from None


def parse(text: str) -> Any:
    """Return the library's tree; raise ``JException`` or ``Fault``."""
    # The library keeps one parser for each thread, and in it what every expression left there.
    return Parser().parse(text, regular_expression)


class Evaluator(Jsonata):  # type: ignore[misc]
    """Evaluate one tree once, within the bounds."""

    def __init__(self, tree: Any, frame: Any) -> None:
        # The library's own start parses: here the tree is parsed already, once for all runs.
        self.ast = tree
        self.errors = None
        self.parser = Jsonata.get_parser()
        self.input = None
        self.environment = frame
        self.scales = Scales()
        self._steps = 0
        self._depth = 0
        self._next_look = _FUSE_EVERY_STEPS
        # Who comes late has what is left of the input's time, and no more.
        steps, seconds = budget.left()
        self._steps_max = min(STEPS_MAX, steps)
        self._began = _CLOCK.busy()
        self._deadline = self._began + min(FUSE_SECONDS, seconds)

    def run(self, document: Mapping[str, Any], frame: Any) -> Any:
        """Return what the library makes of the document: its null is not yet ``None``."""
        frame.bind("$", document)
        before = getattr(Jsonata.CURRENT, "jsonata", None)
        # Functions that call functions find their evaluator in this place.
        Jsonata.CURRENT.jsonata = self
        try:
            budget.spend(0, 0.0)
            return self.eval(self.ast, document, frame)
        finally:
            if before is None:
                del Jsonata.CURRENT.jsonata
            else:
                Jsonata.CURRENT.jsonata = before
            budget.spend(self._steps, _CLOCK.busy() - self._began)

    def spend(self, steps: int) -> None:
        """Count work that is done inside one step."""
        self._steps += steps
        if self._steps > self._steps_max:
            raise Fault(f"it takes more than {STEPS_MAX} steps")
        if self._steps >= self._next_look:
            self._next_look = self._steps + _FUSE_EVERY_STEPS
            if _CLOCK.busy() > self._deadline:
                raise Fault(f"it takes longer than {FUSE_SECONDS:g} s")

    def eval(self, expr: Any, input: Any, environment: Any) -> Any:
        """Evaluate one node, counted."""
        self._descend()
        held = self.input, self.environment
        result = self._eval(expr, input, environment)
        self.input, self.environment = held
        self._depth -= 1
        if isinstance(result, list):
            self.spend(len(result) >> 4)
        elif isinstance(result, str) and len(result) > 1_024:
            self.spend(len(result) >> 10)
        return result

    def apply_inner(self, proc: Any, args: Any, input: Any, environment: Any) -> Any:
        # Functions that call functions, and tail calls, come here without a node of their own.
        self._descend()
        result = super().apply_inner(proc, args, input, environment)
        self._depth -= 1
        return result

    @contextmanager
    def deeper(self, levels: int) -> Iterator[None]:
        """Count levels that the evaluation does not see while something runs."""
        self._depth += levels
        yield
        self._depth -= levels

    def _descend(self) -> None:
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise Fault(f"it is nested, or calls itself, deeper than {DEPTH_MAX} levels")
        self.spend(1)

    def weighed(self, value: Any) -> Any:
        """Refuse what is too large or too deep where it is built."""
        if isinstance(value, dict | list) and not isinstance(value, Utils.RangeList):
            self.scales.weigh(value)
        return value

    def get_per_thread_instance(self) -> "Evaluator":
        return self

    def evaluate_path(self, expr: Any, input: Any, environment: Any) -> Any:
        result = super().evaluate_path(expr, input, environment)
        # A list of the document itself is as large as it is; what a path gathers may be larger.
        if isinstance(result, Utils.JList) and not result.tuple_stream:
            self.weighed(result)
        return result

    def evaluate_name(self, expr: Any, input: Any, environment: Any) -> Any:
        name = str(expr.value)
        if isinstance(input, dict):
            found = input.get(name, MISSING)
            return None if found is MISSING else _NULL if found is None else found
        if not isinstance(input, list):
            return None
        gathered = Utils.create_sequence()
        for item in self.flatten(input, None):
            found = item.get(name, MISSING) if isinstance(item, dict) else MISSING
            if isinstance(found, list):
                gathered.extend(found)
            elif found is not MISSING:
                gathered.append(_NULL if found is None else found)
        return gathered

    def evaluate_wildcard(self, expr: Any, input: Any) -> Any:
        if isinstance(input, Utils.JList) and input.outer_wrapper and input:
            input = input[0]
        values = input.values() if isinstance(input, dict) else input
        return Utils.create_sequence_from_iter(
            self.flatten(list(values), None) if isinstance(input, dict | list) else ()
        )

    def evaluate_binary(self, expr: Any, input: Any, environment: Any) -> Any:
        operator = str(expr.value)
        if operator not in ("and", "or"):
            return super().evaluate_binary(expr, input, environment)
        left = cast(self.eval(expr.lhs, input, environment))
        if left is (operator == "or"):
            return left
        return cast(self.eval(expr.rhs, input, environment))

    def evaluate_numeric_expression(self, lhs: Any, rhs: Any, op: Any) -> Any:
        return theirs(ARITHMETIC[op](ours(lhs), ours(rhs)))

    def evaluate_comparison_expression(self, lhs: Any, rhs: Any, op: Any) -> Any:
        return theirs(COMPARISONS[op](ours(lhs), ours(rhs)))

    def evaluate_equality_expression(self, lhs: Any, rhs: Any, op: Any) -> bool:
        if lhs is None or rhs is None:
            return False
        return equal(plain(lhs), plain(rhs)) is (op == "=")

    def evaluate_includes_expression(self, lhs: Any, rhs: Any) -> bool:
        return contained(ours(lhs), plain(rhs) if isinstance(rhs, list) else ours(rhs))

    def evaluate_string_concat(self, lhs: Any, rhs: Any) -> str:
        return joined(written(lhs), written(rhs))

    def evaluate_condition(self, expr: Any, input: Any, environment: Any) -> Any:
        if cast(self.eval(expr.condition, input, environment)):
            return self.eval(expr.then, input, environment)
        return None if expr._else is None else self.eval(expr._else, input, environment)

    def evaluate_unary(self, expr: Any, input: Any, environment: Any) -> Any:
        kind = str(expr.value)
        if kind == "-":
            return theirs(negative(ours(self.eval(expr.expression, input, environment))))
        if kind != "[":
            return self.evaluate_group_expression(expr, input, environment)
        result = Utils.JList()
        for item in expr.expressions:
            value = self.eval(item, input, environment)
            if value is None:
                continue
            if isinstance(value, list) and str(item.value) != "[":
                result.extend(value)
            else:
                result.append(value)
            self.spend(len(result) >> 6)
        result.cons = bool(expr.consarray)
        return self.weighed(result)

    def evaluate_range_expression(self, lhs: Any, rhs: Any) -> Any:
        for value in (lhs, rhs):
            if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
                raise Fault("a side of '..' is not an integer")
        if lhs is None or rhs is None or lhs > rhs:
            return None
        if rhs - lhs >= RANGE_ITEMS_MAX:
            raise Fault(f"a range has more than {RANGE_ITEMS_MAX} items")
        # The library makes a list that only looks like one: indexed, it and a copy differ.
        return Utils.create_sequence_from_iter(range(lhs, rhs + 1))

    def evaluate_group_expression(self, expr: Any, input: Any, environment: Any) -> Any:
        # The library appends to an empty list that it is given, and that may be the document's.
        if isinstance(input, list) and not input:
            input = Utils.create_sequence(None)
        return self.weighed(super().evaluate_group_expression(expr, input, environment))

    def reduce_tuple_stream(self, tuple_stream: Any) -> Any:
        if not isinstance(tuple_stream, list):
            return tuple_stream
        if len(tuple_stream) == 1:
            return dict(tuple_stream[0])
        merged: dict[str, Any] = {}
        for part in tuple_stream:
            for key, value in part.items():
                column = merged.setdefault(key, Utils.create_sequence())
                if isinstance(value, list):
                    column.extend(value)
                elif value is not None:
                    column.append(value)
        return merged

    def evaluate_transform_expression(self, expr: Any, input: Any, environment: Any) -> Any:
        # The library clones by way of text; what it would write is measured first.
        function = super().evaluate_transform_expression(expr, input, environment)
        clone_and_change = function.function.call

        def call(focus: Any, args: Any) -> Any:
            for argument in args:
                self.weighed(argument)
            result = clone_and_change(focus, args)
            # Parts of the clone were weighed before they were changed: forget those weights.
            self.scales = Scales()
            return self.weighed(result)

        function.function.call = call
        return function


def cast(value: Any) -> bool:
    """Cast a value of the library to a boolean; its null and its functions are false."""
    if isinstance(value, list):
        return any(cast(item) for item in value)
    return False if is_function(value) else truthy(ours(value))


def written(value: Any) -> Any:
    """Return a value of the library as ours, functions as the empty text."""
    if isinstance(value, dict | list):
        return plain(value, functions="")
    return "" if is_function(value) else ours(value)


def is_function(value: Any) -> bool:
    """Tell a function, a regular expression or any other object of the library from a value."""
    return (
        value is not None
        and not isinstance(value, str | int | float | dict | list)
        and (value is not _NULL and value is not MISSING)
    )


def plain(value: Any, *, functions: Any = MISSING) -> Any:
    """Return plain JSON for a value of the library; ``MISSING`` for nothing.

    Raises ``Fault`` for functions, unless something is given to stand for them.
    """
    if value is None:
        return MISSING
    if isinstance(value, dict | list):
        return _plain_part(value, functions, 0)
    return _plain_scalar(value, functions)


def _plain_part(value: Any, functions: Any, depth: int) -> Any:
    # Everything that is built was weighed: this recursion is as deep as a value may be.
    if depth > 2 * DEPTH_MAX:
        raise Fault("it builds a value that is nested too deep")
    if isinstance(value, dict):
        return {
            _plain_scalar(key, functions): _plain_part(item, functions, depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_plain_part(item, functions, depth + 1) for item in value]
    return None if value is None else _plain_scalar(value, functions)


def _plain_scalar(value: Any, functions: Any) -> Any:
    if value is _NULL:
        return None
    if is_function(value):
        if functions is MISSING:
            raise Fault("its result is a function, not a value")
        return functions
    if isinstance(value, str) and "\x00" in value:
        raise Fault("its result contains the character NUL")
    # The library makes integers of any size from large doubles.
    return number(value) if isinstance(value, int) and abs(value) >= 2**63 else value


def ours(value: Any) -> Any:
    """Return a value of the library, not looking into it, as ours."""
    if value is None:
        return MISSING
    return None if value is _NULL else value


def theirs(value: Any) -> Any:
    """Return a value of ours as the library writes it: null and nothing are others there."""
    if value is MISSING:
        return None
    return _NULL if value is None else value


def _first_line(error: Exception) -> str:
    text = error.args[0] if error.args else ""
    text = text.decode(errors="replace") if isinstance(text, bytes) else str(text)
    return text.splitlines()[0][:120] if text else "it cannot be read"


__all__ = [
    "DEPTH_MAX",
    "FUSE_SECONDS",
    "RANGE_ITEMS_MAX",
    "STEPS_MAX",
    "Evaluator",
    "Functions",
    "JException",
    "Jsonata",
    "Utils",
    "cast",
    "is_function",
    "ours",
    "parse",
    "plain",
    "theirs",
    "written",
]
