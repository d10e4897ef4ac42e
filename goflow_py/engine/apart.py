"""What breaks the engine is set apart: one execution must not keep others from going on.

A step that breaks is tried again, over a minute. If it breaks every time, the execution ends as
failed, with what broke it as its error: an operator sees it, and retries it once that is mended.
One that cannot even be ended so is left alone, counted, and looked at again once an hour.

A machine that is short of memory, threads or files is no fault of an execution: it is not counted.
"""

import logging
from collections import Counter
from collections.abc import Awaitable, Callable

from goflow_py.clock import Clock
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
TRY_SECONDS = 30.0
"""Between two that count. So what passes within a minute ends nothing."""
PASSING_SECONDS = 1.0
LEFT_ALONE_SECONDS = 3_600.0
"""Until one that is left alone is looked at again."""
BROKEN_MAX = 10_000
"""Executions that are remembered here."""
MESSAGE_CHARACTERS_MAX = 500

End = Callable[[str, str, str], Awaitable[None]]
"""Ends an execution as failed: its id, a code, a message."""


def passing(error: BaseException) -> Unavailable | None:
    """Return what *error* is to a caller when the machine is in trouble; None for any other.

    What was wrapped on its way counts as what it was.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, Unavailable):
            return cause
        if isinstance(cause, MemoryError) or _is_without_threads(cause):
            return Unavailable("there is no memory left: give the server more", code="no_memory")
        if isinstance(cause, OSError):
            return Unavailable(f"the system refuses something: {cause}", code="system")
        cause = cause.__cause__
    return None


def _is_without_threads(error: BaseException) -> bool:
    return isinstance(error, RuntimeError) and "can't start new thread" in str(error)


class Apart:
    """Counts what breaks, and sets it apart. *again* has an execution looked at in a moment."""

    def __init__(self, *, end: End, again: Callable[[str], None], clock: Clock) -> None:
        self._end = end
        self._again = again
        self._clock = clock
        self._tries: Counter[str] = Counter()
        self._tried_at: dict[str, float] = {}
        self._to_look: set[str] = set()
        self.count = 0
        """Executions that were ended because they broke the engine."""
        self.left_alone: dict[str, str] = {}
        """Those that could not be: why, by id. They are looked at once an hour."""

    def went_well(self, execution: str) -> None:
        """Forget what broke before."""
        if self._tries:
            self._forget(execution)
        if self.left_alone:
            self.left_alone.pop(execution, None)

    async def broke(self, execution: str, error: Exception) -> bool:
        """Note that a step broke; tell whether it is useless to try it again."""
        trouble = passing(error)
        if trouble is not None:
            self._wait(execution, trouble)
            return False
        if isinstance(error, Oversize):
            ended = await self._set_apart(error.execution, "too_large", error.message)
            if error.execution == execution or not ended:
                return True
            self._again(execution)
            return False
        if not self._counts(execution):
            return False
        log.error(
            "a step of an execution broke",
            extra={"execution": execution, "tries": self._tries[execution]},
            exc_info=error,
        )
        if self._tries[execution] < TRIES_MAX:
            self._look_in(TRY_SECONDS, execution)
            return False
        code = error.reason if isinstance(error, GoFlowError) else "internal"
        detail = error.detail if isinstance(error, GoFlowError) else f"{error}"
        message = f"the engine cannot go on with it: {type(error).__name__}: {detail}"
        await self._set_apart(execution, code, message[:MESSAGE_CHARACTERS_MAX])
        return True

    def _counts(self, execution: str) -> bool:
        """Count a try; one that comes soon after another says nothing new, and is made again."""
        now = self._clock.monotonic()
        next_at = self._tried_at.get(execution, now - TRY_SECONDS) + TRY_SECONDS
        if now < next_at:
            self._look_in(next_at - now, execution)
            return False
        if len(self._tries) >= BROKEN_MAX:
            self._tries.clear()
            self._tried_at.clear()
        self._tried_at[execution] = now
        self._tries[execution] += 1
        return True

    def _forget(self, execution: str) -> None:
        self._tries.pop(execution, None)
        self._tried_at.pop(execution, None)

    async def _set_apart(self, execution: str, code: str, message: str) -> bool:
        """Tell whether it ended so."""
        try:
            await self._end(execution, code, message)
        except Exception as error:
            trouble = passing(error)
            if trouble is not None:
                self._wait(execution, trouble)  # what breaks will break again then
            else:
                log.exception("an execution is left alone", extra={"execution": execution})
                self._leave_alone(execution, f"{code}: {message}")
            return False
        self._forget(execution)
        self.count += 1
        log.error("an execution was set apart", extra={"execution": execution, "code": code})
        return True

    def _leave_alone(self, execution: str, why: str) -> None:
        self._forget(execution)
        if len(self.left_alone) >= BROKEN_MAX:
            return
        self.left_alone[execution] = why
        self._clock.call_later(LEFT_ALONE_SECONDS, lambda: self._take_up(execution))

    def _take_up(self, execution: str) -> None:
        """Have one that is left alone looked at; it has one try."""
        if self.left_alone.pop(execution, None) is not None:
            self._tries[execution] = TRIES_MAX - 1
            self._again(execution)

    def _wait(self, execution: str, trouble: Unavailable) -> None:
        """Look again when the machine may be well, however long that takes."""
        log.warning(
            "an execution waits for the machine",
            extra={"execution": execution, "why": trouble.detail},
        )
        self._look_in(PASSING_SECONDS, execution)

    def _look_in(self, seconds: float, execution: str) -> None:
        """Have *execution* looked at; many that ask are one look."""
        if execution not in self._to_look:
            self._to_look.add(execution)
            self._clock.call_later(seconds, lambda: self._look(execution))

    def _look(self, execution: str) -> None:
        self._to_look.discard(execution)
        self._again(execution)


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
