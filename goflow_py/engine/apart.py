"""What breaks the engine is set apart: one execution must not keep others from going on.

A step that breaks is tried again. If it breaks every time, the execution ends as failed, with what
broke it as its error: an operator sees it, and retries it once that is mended. One that cannot even
be ended so is left alone until the next start, and counted.
"""

import logging
from collections import Counter
from collections.abc import Awaitable, Callable

from goflow_py.domain.names import ERROR
from goflow_py.errors import GoFlowError, Unavailable
from goflow_py.fsm import work
from goflow_py.fsm.bytes_bound import Oversize
from goflow_py.fsm.compile import Compiled
from goflow_py.fsm.draft import Draft
from goflow_py.fsm.events import finish
from goflow_py.fsm.step import Digest

log = logging.getLogger(__name__)

TRIES_MAX = 3
"""Steps of one execution that may break, one after the other."""
BROKEN_MAX = 10_000
"""Executions that are remembered here."""
MESSAGE_CHARACTERS_MAX = 500

End = Callable[[str, str, str], Awaitable[None]]
"""Ends an execution as failed: its id, a code, a message."""


class Apart:
    """Counts what breaks, and sets it apart."""

    def __init__(self, *, end: End, again: Callable[[str], None]) -> None:
        self._end = end
        self._again = again
        self._tries: Counter[str] = Counter()
        self.count = 0
        """Executions that were ended because they broke the engine."""
        self.left_alone: dict[str, str] = {}
        """Those that could not be: why, by id. Nothing looks at them before the next start."""

    def went_well(self, execution: str) -> None:
        """Forget what broke before."""
        if self._tries:
            self._tries.pop(execution, None)

    async def broke(self, execution: str, error: Exception) -> bool:
        """Note that a step broke; tell whether it is useless to try it again."""
        if isinstance(error, Oversize):
            ended = await self._set_apart(error.execution, "too_large", error.message)
            if error.execution == execution or not ended:
                return True
            self._again(execution)
            return False
        if len(self._tries) >= BROKEN_MAX:
            self._tries.clear()
        self._tries[execution] += 1
        log.error(
            "a step of an execution broke",
            extra={"execution": execution, "tries": self._tries[execution]},
            exc_info=error,
        )
        if self._tries[execution] < TRIES_MAX:
            self._again(execution)
            return False
        del self._tries[execution]
        code = error.reason if isinstance(error, GoFlowError) else "internal"
        detail = error.detail if isinstance(error, GoFlowError) else f"{error}"
        message = f"the engine cannot go on with it: {type(error).__name__}: {detail}"
        await self._set_apart(execution, code, message[:MESSAGE_CHARACTERS_MAX])
        return True

    async def _set_apart(self, execution: str, code: str, message: str) -> bool:
        """Tell whether it ended so."""
        try:
            await self._end(execution, code, message)
        except Unavailable:
            self._again(execution)  # what breaks will break again then
        except Exception:
            log.exception("an execution is left alone", extra={"execution": execution})
            if len(self.left_alone) < BROKEN_MAX:
                self.left_alone[execution] = f"{code}: {message}"
        else:
            self.count += 1
            log.error("an execution was set apart", extra={"execution": execution, "code": code})
            return True
        return False


def fail(compiled: Compiled, draft: Draft, code: str, message: str) -> None:
    """End an execution as failed where it is; of an ended one, end what is still to be done."""
    if draft.after.ended:
        _end_errands(draft, code, message)
        return
    digest = Digest(compiled, draft)
    digest.fail(work.error_value(draft, code, message))
    finish(digest)


def _end_errands(draft: Draft, code: str, message: str) -> None:
    execution = draft.after
    for errand in list(execution.errands.values()):
        if errand.call is not None:
            work.close_attempt(draft, errand, "superseded")
        work.drop_timers(draft, errand.name)
        error = work.error_value(draft, code, message, errand)
        draft.add("taskEnded", task=errand.name, visit=execution.visit, outcome=ERROR, error=error)
    draft.close_record()
