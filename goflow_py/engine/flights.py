"""Attempts in the air: begun once they are committed, dropped with their task, recorded at the end.

What came back is not given up: it is kept with its time of arrival until it is durable.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from goflow_py.clock import Clock
from goflow_py.domain.execution import Execution, Task
from goflow_py.engine.dispatcher import Dispatcher
from goflow_py.engine.memory import Live, Memory
from goflow_py.engine.slots import Slot
from goflow_py.engine.steps import Result, Step
from goflow_py.engine.verdict import Verdict
from goflow_py.errors import Unavailable
from goflow_py.fsm.compile import Compiled
from goflow_py.ports import Reply

log = logging.getLogger(__name__)

RECORD_AGAIN_SECONDS = 0.5
DRAIN_LOOK_SECONDS = 0.1
LOOK_AGAIN_SECONDS = 1.0

Doer = Callable[[Compiled, Execution, Task], Awaitable[tuple[Reply | None, Verdict]]]
"""Makes one attempt; returns the reply, if there is one, and what it means. Never raises."""


class Flights:
    """The attempts that this process is making."""

    def __init__(
        self,
        *,
        memory: Memory,
        dispatcher: Dispatcher,
        clock: Clock,
        do: Doer,
        step: Callable[[Live], Awaitable[object]],
        wake: Callable[[str, str | None], None],
        broke: Callable[[str, Exception], Awaitable[bool]],
    ) -> None:
        self._memory = memory
        self._dispatcher = dispatcher
        self._clock = clock
        self._do = do
        self._step = step
        self._wake = wake
        self._broke = broke
        dispatcher.wake_ready = self.wake_ready
        self._all: set[asyncio.Task[None]] = set()
        self._grounded = False

    # ------------------------------------------------------------ begin and drop

    def follow(self, live: Live, after: Execution) -> None:
        """Begin the attempts that are open in *after*, and drop those that are not."""
        open_now = {
            task.call.fence: task
            for task in (*after.tasks.values(), *after.errands.values())
            if task.call is not None and not task.call.accepted
        }
        calls = live.calls
        if calls:
            for fence in calls.keys() - open_now.keys():
                flight = calls.pop(fence)
                if flight is not asyncio.current_task():
                    flight.cancel()
        for fence, task in open_now.items():
            if fence not in calls and not self._grounded:
                calls[fence] = self._take_off(live, task, fence)
        self.give_back_slots(live)

    def give_back_slots(self, live: Live) -> None:
        """Free what was taken for attempts that are not in the air.

        They were not committed, or the step that opened them closed them.
        """
        lost = self._dispatcher.slots.lost(live.execution.id, live.calls)
        if lost:
            for slot in lost:
                self._dispatcher.free_slot(slot)
            self.wake_ready()

    def _take_off(self, live: Live, task: Task, fence: int) -> asyncio.Task[None]:
        """Begin a call; whatever becomes of it, its slot is freed, once."""
        slot = self._dispatcher.slot_of(live.execution, task, fence)
        live.users += 1
        flight = asyncio.get_running_loop().create_task(
            self._fly(live, live.execution, task, fence, slot)
        )
        self._all.add(flight)

        def landed(flight: asyncio.Task[None]) -> None:
            # Not in the call itself: one that is cancelled before its first step runs nothing.
            self._all.discard(flight)
            self._free(slot)
            was_open = live.calls.get(fence) is flight
            if was_open:
                del live.calls[fence]
            self._memory.leave(live)
            if was_open and flight.cancelled() and not flight.cancelling():
                # Something that it waited for was cancelled, and not the flight itself.
                self.look_later(live.execution.id)
            if not flight.cancelled() and flight.exception() is not None:
                # Its attempt is still open: the next look closes it as abandoned, and goes on.
                log.error("a call ended with an error of the engine", exc_info=flight.exception())
                self.look_later(live.execution.id)

        flight.add_done_callback(landed)
        return flight

    # ------------------------------------------------------------ fly and record

    async def _fly(
        self, live: Live, execution: Execution, task: Task, fence: int, slot: Slot
    ) -> None:
        """Make one attempt, and record how it ended."""
        began = self._clock.monotonic()
        reply, verdict = await self._do(live.compiled, execution, task)
        arrived = self._clock.now_ms()
        self._dispatcher.called(slot, verdict, began=began)
        self._free(slot)

        def close(step: Step) -> None:
            now = step.draft.after.work(task.name)
            if now is not None and now.call is not None and now.call.fence == fence:
                self._dispatcher.close(
                    step.compiled, step.draft, now, verdict, workers=step.workers, reply=reply
                )

        await self._record(live, arrived, close)

    async def _record(self, live: Live, arrived: int, take: Result) -> None:
        """Step until *take* is durable: a result that came in is not given up."""
        result = (arrived, take)
        live.results.append(result)
        while True:
            try:
                async with live.lock:
                    if self._memory.get(live.execution.id) is not live:
                        # Another copy is asked: it abandons the attempt and goes on.
                        self.look_later(live.execution.id)
                        return
                    if result in live.results:
                        await self._step(live)
                    # Otherwise that step had enough to do with those that came before.
                    if result not in live.results:
                        return
            except Unavailable as error:
                if error.reason == "fenced":
                    return
                log.warning(
                    "a result could not be recorded yet",
                    extra={"execution": live.execution.id, "why": error.detail},
                )
                await self._clock.sleep(RECORD_AGAIN_SECONDS)
            except Exception as error:  # noqa: BLE001  # whatever it is, it must not go on for ever
                if await self._broke(live.execution.id, error):
                    return
                await self._clock.sleep(RECORD_AGAIN_SECONDS)

    def look_later(self, execution: str) -> None:
        """Look at an execution in a while."""
        self._clock.call_later(LOOK_AGAIN_SECONDS, lambda: self._wake(execution, None))

    def _free(self, slot: Slot) -> None:
        if slot.taken:
            self._dispatcher.free_slot(slot)
            self.wake_ready()

    def wake_ready(self) -> None:
        """Wake those whose turn it is, now that a slot is free."""
        if self._dispatcher.slots.waiting:
            for execution, project in self._dispatcher.slots.next_ready():
                self._wake(execution, project)

    # ------------------------------------------------------------ drain

    async def drain(self, seconds: float) -> None:
        """Let the attempts in the air end for up to *seconds*; close the rest as abandoned.

        No other one begins: what a step that is being committed has open may have been in the air,
        and was dropped meanwhile. The next start abandons it.
        """
        self._grounded = True
        end = self._clock.monotonic() + seconds
        while self._all and self._clock.monotonic() < end:
            await asyncio.wait(self._all, timeout=DRAIN_LOOK_SECONDS)
        for live in self._memory.all():
            if live.calls:
                await self.abandon(live)

    async def stop(self) -> None:
        """Drop everything."""
        for flight in list(self._all):
            flight.cancel()
        await asyncio.gather(*self._all, return_exceptions=True)

    def drop(self, live: Live) -> None:
        """Drop the calls of an execution that is not this node's any more; under its lock."""
        for flight in live.calls.values():
            flight.cancel()
        live.calls.clear()
        self.give_back_slots(live)

    async def abandon(self, live: Live) -> None:
        """Close the attempts in the air that an execution has."""
        live.users += 1
        try:
            # Under the lock: a step that is being committed may still begin a call.
            async with live.lock:
                cut = list(live.calls.values())
                for flight in cut:
                    flight.cancel()
                await asyncio.gather(*cut, return_exceptions=True)
                live.calls.clear()
                await self._step(live)
        except Unavailable:
            log.warning("an abandoned call could not be recorded; the next start does it")
        finally:
            self._memory.leave(live)
