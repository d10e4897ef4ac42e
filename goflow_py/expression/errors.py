"""What can go wrong with an expression: when it is read, and when it is evaluated."""

from typing import NoReturn

from goflow_py.errors import ExpressionFailed, Invalid

_SHOWN_MAX = 120


class ExpressionSyntaxError(Invalid):
    """An expression or a template cannot be read; ``position`` counts characters from 0."""

    code = "expression_syntax"

    def __init__(self, detail: str, *, expression: str, position: int) -> None:
        super().__init__(detail, expression=shown(expression), position=position)


class Fault(Exception):
    """Carry the reason for which an evaluation failed; never leaves this package."""


def shown(text: str) -> str:
    """Return the text as it is quoted in a message: whole, or its beginning."""
    return text if len(text) <= _SHOWN_MAX else text[: _SHOWN_MAX - 1] + "…"


def syntax_error(text: str, position: int, reason: str) -> ExpressionSyntaxError:
    """Build the refusal of an expression that cannot be read."""
    return ExpressionSyntaxError(
        f"'{shown(text)}' cannot be read: {reason} at character {position + 1}",
        expression=text,
        position=position,
    )


def raise_failed(text: str, reason: str) -> NoReturn:
    """Raise the failure of an evaluation, without the trace of how it was found out."""
    raise ExpressionFailed(
        f"'{shown(text)}' failed: {reason}", expression=shown(text), reason=reason
    ) from None
