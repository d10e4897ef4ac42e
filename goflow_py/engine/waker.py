"""Looking at executions whose time has come, a bounded number at once, projects in turn."""

import asyncio
import logging
from collections import Counter, OrderedDict, deque
from collections.abc import Awaitable, Callable

from goflow_py.clock import Clock
from goflow_py.engine.turns import Busy
from goflow_py.errors import NotFound, Unavailable

log = logging.getLogger(__name__)

WAKERS_MAX = 48
"""Executions that are woken at the same time. Three times as many drain a storm a tenth sooner, and
whoever asks for something meanwhile waits twice as long."""
WAKERS_PROJECT_MAX = 32
"""Of one project: so another's look begins at once."""
AGAIN_SECONDS = 0.5
LOOKS_MAX = 10
"""Of one execution that break, one after the other."""
BROKEN_AGAIN_SECONDS, BROKEN_AGAIN_SECONDS_MAX = 1.0, 60.0


class Waker:
    """Runs *look* for every execution that was asked for, and goes on when one breaks.

    Projects have their turns one after the other; those of one project come in order. So ten
    thousand timers of one keep another's single one waiting for a turn, and no longer. A project
    that is slow (``Turns``) is looked at one at a time.
    """

    def __init__(
        self,
        clock: Clock,
        look: Callable[[str], Awaitable[object]],
        project_of: Callable[[str], str] = lambda _: "",
        is_slow: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._clock = clock
        self._look = look
        self._project_of = project_of
        self._is_slow = is_slow
        self._due: OrderedDict[str, deque[str]] = OrderedDict()
        """By project, whose turn is next first."""
        self._waiting: set[str] = set()
        """The ids in there: who is asked for again before its turn is looked at once."""
        self._looking: Counter[str] = Counter()
        self._broken: dict[str, int] = {}
        """How often a look broke, one after the other."""
        self._stopped = False
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, execution: str) -> bool:
        return execution in self._waiting

    def wake(self, execution: str, project: str | None = None) -> None:
        """Look at *execution* soon. Those whose project is not known have a turn together."""
        if self._stopped:
            return
        known = self._project_of(execution) if project is None else project
        self._add(execution, known)
        self._help(known)

    async def stop(self) -> None:
        """Look at nothing any more."""
        self._stopped = True
        self._due.clear()
        self._waiting.clear()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _help(self, project: str) -> None:
        """Begin one more look, when *project* may have it."""
        if len(self._tasks) < WAKERS_MAX and self._may(project):
            task = asyncio.get_running_loop().create_task(self._run())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _may(self, project: str) -> bool:
        """Tell whether one more look of *project* may begin; a slow one has one at a time."""
        looking = self._looking[project]
        return looking < WAKERS_PROJECT_MAX and not (looking and self._is_slow(project))

    def _add(self, execution: str, project: str) -> None:
        if execution in self._waiting:
            return
        self._waiting.add(execution)
        row = self._due.get(project)
        if row is None:
            row = self._due[project] = deque()
        row.append(execution)

    def _next(self) -> tuple[str, str] | None:
        """Take the first of the project whose turn it is; None: each looks at as many as it may."""
        project = next((one for one in self._due if self._may(one)), None)
        if project is None:
            return None
        row = self._due[project]
        execution = row.popleft()
        self._waiting.discard(execution)
        if row:
            self._due.move_to_end(project)
        else:
            del self._due[project]
        return execution, project

    async def _run(self) -> None:
        while not self._stopped and (found := self._next()) is not None:
            execution, project = found
            self._looking[project] += 1
            try:
                await self._try(execution, project)
            finally:
                self._looking[project] -= 1
                if not self._looking[project]:
                    del self._looking[project]
            if project in self._due and not self._stopped:
                self._help(project)  # it may have been slow when they came

    async def _try(self, execution: str, project: str) -> None:
        try:
            await self._look(execution)
        except NotFound:
            self._broken.pop(execution, None)
        except Busy:
            self._add(execution, project)
        except Unavailable:
            await self._clock.sleep(AGAIN_SECONDS)
            self._add(execution, project)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            self._look_again(execution, project, error)  # nobody cancelled this one
        except Exception as error:  # noqa: BLE001  # one that breaks holds up no other
            self._look_again(execution, project, error)
        else:
            if self._broken:
                self._broken.pop(execution, None)

    def _look_again(self, execution: str, project: str, error: BaseException) -> None:
        """Look once more after a while, a bounded number of times."""
        tries = self._broken.pop(execution, 0) + 1
        log.error(
            "an execution could not be woken",
            extra={"execution": execution, "tries": tries},
            exc_info=error,
        )
        if tries < LOOKS_MAX:
            self._broken[execution] = tries
            pause = min(BROKEN_AGAIN_SECONDS_MAX, BROKEN_AGAIN_SECONDS * 2 ** (tries - 1))
            self._clock.call_later(pause, lambda: self.wake(execution, project))
