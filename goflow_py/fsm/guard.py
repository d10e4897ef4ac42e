"""What breaks in the midst of a digest: its changes are taken back, and the execution fails."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from goflow_py.errors import ExpressionFailed
from goflow_py.fsm import work
from goflow_py.fsm.draft import Draft

if TYPE_CHECKING:
    from goflow_py.fsm.step import Digest

MICROSTEPS_MAX = 1_000
"""Rows taken for one input; more fail the execution with code ``microstep_limit``."""


class MicrostepLimit(Exception):
    """More rows were taken for one input than ``MICROSTEPS_MAX``."""


def guarded(digest: "Digest", act: Callable[[], None], undigested: Mapping[str, Any]) -> None:
    """Digest what *act* begins; when its expressions or its loops break, take all of it back.

    The execution then fails where it was, and a retry digests *undigested* again (R9, section 7).
    """
    draft = digest.draft
    mark = draft.mark()
    try:
        act()
        digest.settle()
    except (ExpressionFailed, MicrostepLimit) as failure:
        draft.roll_back(mark)
        digest.fail(as_error(draft, failure), undigested=undigested)


def as_error(draft: Draft, failure: Exception) -> dict[str, Any]:
    """Return what broke as ``$.error`` shows it."""
    if isinstance(failure, ExpressionFailed):
        return work.error_value(draft, "expression", failure.detail)
    state = draft.after.state
    message = f"more than {MICROSTEPS_MAX} transitions for one event in state '{state}'"
    return work.error_value(draft, "microstep_limit", message)
