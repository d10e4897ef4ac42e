"""An event loop without a world: time passes only when there is nothing to do.

Everything that runs on it belongs to a ``Host`` or to nobody, by its context: a host that crashed
runs nothing any more, not even its clean-up, and one that is frozen runs it when it is thawed.
"""

import asyncio
import contextlib
import heapq
import random  # noqa: TID251  # chance that can be repeated, from a seed
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class Host:
    """A process of the simulation."""

    name: str
    dead: bool = False
    frozen: bool = False
    """Stopped as by SIGSTOP: it runs nothing, its connections stay open."""
    held: "list[Promise]" = field(default_factory=list)
    """What it has to run once it is thawed."""
    steps: int = 0
    """Callbacks that it has run."""


HOST: ContextVar[Host | None] = ContextVar("HOST", default=None)


class Stuck(Exception):
    """Nothing will ever happen any more, and the main task has not ended."""


class Promise:
    """A callback that is to be called."""

    __slots__ = ("_cancelled", "_when", "args", "callback", "context")

    def __init__(
        self, callback: Callable[..., object], args: tuple[Any, ...], context: Context, when: float
    ) -> None:
        self.callback = callback
        self.args = args
        self.context = context
        self._when = when
        self._cancelled = False

    def cancel(self) -> None:
        """Take it back."""
        self._cancelled = True

    def cancelled(self) -> bool:
        """Tell whether it was taken back."""
        return self._cancelled

    def when(self) -> float:
        """Return its time."""
        return self._when


class _Future(asyncio.Future[Any]):
    """A future that a set keeps at the same place in every run: the default is its address."""

    number = 0

    def __hash__(self) -> int:
        return self.number


class _Task(asyncio.Task[Any]):
    """The same for a task."""

    number = 0

    def __hash__(self) -> int:
        return self.number


class VirtualLoop(asyncio.AbstractEventLoop):
    """Runs what is ready, in the order in which it became ready; then lets time pass.

    With *chance* it is any of what is ready: callers of asyncio may rely on less than they think.
    """

    def __init__(self, chance: random.Random | None = None) -> None:
        self._now = 0.0
        self._ready: deque[Promise] = deque()
        self._later: list[tuple[float, int, Promise]] = []
        self._number = 0
        self._chance = chance
        self._closed = False
        self._tasks: list[asyncio.Task[Any]] = []
        """Kept to the end: a dead host's task must not be cleaned up in the middle of a run."""
        self.broken: list[BaseException] = []
        """What callbacks raised that nobody awaits."""
        self.on_step: Callable[[Host], bool] | None = None
        """Is asked before a host runs something, and tells whether it killed it."""

    # ------------------------------------------------------------ what asyncio asks

    def time(self) -> float:
        """Return the seconds that have passed."""
        return self._now

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Promise:
        """Promise a call."""
        promise = Promise(callback, args, copy_context() if context is None else context, self._now)
        if not self._closed:
            self._ready.append(promise)
        return promise

    call_soon_threadsafe = call_soon  # type: ignore[assignment]  # there is one thread

    def call_later(  # type: ignore[override]
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> Promise:
        """Promise a call for *delay* seconds from now."""
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> Promise:
        """Promise a call for a time."""
        promise = Promise(callback, args, copy_context() if context is None else context, when)
        self._number += 1
        heapq.heappush(self._later, (max(when, self._now), self._number, promise))
        return promise

    def create_future(self) -> asyncio.Future[Any]:
        """Return a future of this loop."""
        future = _Future(loop=self)
        self._number += 1
        future.number = self._number
        return future

    def create_task(  # type: ignore[override]
        self,
        coro: Coroutine[Any, Any, T],
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> asyncio.Task[T]:
        """Run a coroutine."""
        task = _Task(coro, loop=self, name=name, context=context)
        self._number += 1
        task.number = self._number
        self._tasks.append(task)
        return task

    def run_in_executor(  # type: ignore[override]
        self, executor: object, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Call *func* at once: there are no threads here, and no time passes in a call."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001  # whatever it raises is its caller's
            future.set_exception(error)
        return future

    def get_debug(self) -> bool:
        """Tell asyncio to check nothing."""
        return False

    def is_running(self) -> bool:
        """Tell asyncio that tasks may be made."""
        return not self._closed

    def is_closed(self) -> bool:
        """Tell whether the run is over."""
        return self._closed

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Keep what a callback raised; a pending task of a dead host is no error."""
        error = context.get("exception")
        if error is not None and not self._closed:
            self.broken.append(error)

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        """Keep it all the same."""
        self.call_exception_handler(context)

    # ------------------------------------------------------------ running

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run *main* to its end and return its result. Raises ``Stuck``."""
        task = self.create_task(main)
        asyncio._set_running_loop(self)
        try:
            while not task.done():
                self._turn()
            return task.result()
        finally:
            asyncio._set_running_loop(None)

    def close(self) -> None:
        """Forget everything; what is cleaned up now finds a loop that does nothing."""
        self._closed = True
        self._ready.clear()
        self._later.clear()
        asyncio._set_running_loop(self)
        try:
            for task in self._tasks:
                if not task.done():
                    with contextlib.suppress(RuntimeError):  # it awaits in its clean-up
                        task.get_coro().close()
            self._tasks.clear()
        finally:
            asyncio._set_running_loop(None)

    def thaw(self, host: Host) -> None:
        """Let a frozen host go on."""
        host.frozen = False
        self._ready.extend(host.held)
        host.held.clear()

    def _turn(self) -> None:
        if not self._ready:
            self._pass_time()
        if self._chance is not None and len(self._ready) > 1:
            self._ready.rotate(-self._chance.randrange(len(self._ready)))
        promise = self._ready.popleft()
        if promise.cancelled():
            return
        host = promise.context.get(HOST)
        if host is not None:
            if host.dead:
                return
            if host.frozen:
                host.held.append(promise)
                return
            host.steps += 1
            if self.on_step is not None and self.on_step(host):
                return
        try:
            promise.context.run(promise.callback, *promise.args)
        except Exception as error:  # noqa: BLE001  # as asyncio does: the loop goes on
            self.broken.append(error)

    def _pass_time(self) -> None:
        while self._later and self._later[0][2].cancelled():
            heapq.heappop(self._later)
        if not self._later:
            raise Stuck("nothing is ready, and nothing is promised")
        self._now = max(self._now, self._later[0][0])
        while self._later and self._later[0][0] <= self._now:
            promise = heapq.heappop(self._later)[2]
            if not promise.cancelled():
                self._ready.append(promise)
