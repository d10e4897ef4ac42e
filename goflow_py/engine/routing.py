"""Requests for executions that another node owns: asked by its inbox, answered by a name.

Nodes do not speak to each other; they meet in the store. A question is a message, the answer a name
that only one can have: the owner takes it with what it says, the asker when it waits no more.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from goflow_py.clock import Clock
from goflow_py.engine.letters import Json, Letter, dumps
from goflow_py.engine.mailbox import ANSWER_KIND, answer_name
from goflow_py.engine.refusals import NO_ANSWER, refusal_of
from goflow_py.engine.waiting import tell
from goflow_py.errors import NotFound, Queued, Unavailable
from goflow_py.ports import Message, Name, Store

log = logging.getLogger(__name__)

ASK_SECONDS = 5.0
"""For which an answer is awaited."""
ASKED_MAX = 1_000
"""Questions of one node that wait at a time."""
POLL_SECONDS, POLL_SECONDS_MAX = 0.05, 0.5
"""Between two looks for answers: hints come sooner, and may not come."""

FRESH_SECONDS = 1.0
"""Answers are read in one go, from that to the oldest question on. One that waits for longer is
looked for by its name: else all that came behind it would be read with every hint."""
OLD_MAX = 50
"""Questions that are looked for so; more are read in one go, between two pauses."""

NEVER = b""
"""The answer of an asker that waits no more."""
NEVER_KEPT_MS = 7 * 86_400_000
"""Longer than a message may wait: who answers it then has to know."""


@dataclass(slots=True, eq=False)
class _Question:
    answered: asyncio.Future[bytes | None]
    asked: float


class Router:
    """Asks the owners of executions."""

    def __init__(self, *, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self.node = ""
        """Who asks."""
        self._asked = 0
        self._waiting: dict[str, _Question] = {}
        """By number, the oldest first."""
        self._collecting = asyncio.Lock()
        self._has_news = False
        self._poll: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    async def ask(
        self,
        execution: str,
        kind: str,
        what: Mapping[str, Any],
        *,
        queues: bool = False,
        seconds: float = ASK_SECONDS,
    ) -> Any:
        """Return what the owner of *execution* answers, or raise what it refuses.

        No answer in time: ``Queued`` if it is then still to be done (*queues*), else
        ``Unavailable``. Raises ``NotFound`` for an execution that does not exist.
        """
        if await self._store.head(execution) is None:
            raise NotFound(f"there is no execution {execution}")
        return await self.ask_shard_of(execution, kind, what, queues=queues, seconds=seconds)

    async def ask_shard_of(
        self,
        thing: str,
        kind: str,
        what: Mapping[str, Any],
        *,
        queues: bool = False,
        seconds: float = ASK_SECONDS,
    ) -> Any:
        """Ask the owner of the shard of a thing that need not be an execution."""
        if len(self._waiting) >= ASKED_MAX:
            raise Unavailable("too many requests wait for other nodes; try again", code="busy")
        number = self._number()
        answered = asyncio.get_running_loop().create_future()
        self._waiting[number] = _Question(answered, self._clock.monotonic())
        alarm = self._clock.call_later(seconds, lambda: tell(answered, None))
        try:
            letter = Letter(asker=self.node, number=number, what=dict(what), queues=queues)
            await self._deliver(thing, kind, letter)
            self._look_out()
            body = await answered
        finally:
            alarm.cancel()
            del self._waiting[number]
        if body is None:
            body = await self._wait_no_more(number)
        return self._read(body, queues=queues)

    async def nudge(self, thing: str, kind: str, what: Json) -> None:
        """Tell the owner of the shard of a thing something, without waiting for an answer."""
        await self._deliver(thing, kind, Letter(asker="", number=self._number(), what=what))

    def _number(self) -> str:
        self._asked += 1
        return f"{self._asked:012d}"

    async def _deliver(self, thing: str, kind: str, letter: Letter) -> None:
        message = Message(
            execution=thing,
            kind=kind,
            dedupe=f"{self.node}/{letter.number}",
            body=dumps(letter),
            at=self._clock.now_ms(),
        )
        await self._store.deliver([message])

    async def collect(self) -> None:
        """Read the answers that came; many who ask for that at once are one reading more."""
        self._has_news = True
        if self._collecting.locked():
            return
        async with self._collecting:
            while self._has_news:
                self._has_news = False
                await self._read_fresh()

    async def _read_fresh(self) -> None:
        since = self._clock.monotonic() - FRESH_SECONDS
        first = next((number for number, one in self._waiting.items() if one.asked >= since), None)
        if first is not None:
            await self._read_from(first)

    async def _look_for_old(self) -> None:
        until = self._clock.monotonic() - FRESH_SECONDS
        old = [number for number, one in self._waiting.items() if one.asked < until]
        if len(old) > OLD_MAX:
            await self._read_from(old[0])
            return
        for number in old:
            name = await self._store.name("", ANSWER_KIND, self.node, number)
            if name is not None:
                self._tell(name)

    async def _read_from(self, number: str) -> None:
        after: str | None = f"{int(number) - 1:012d}"
        while after is not None:
            found = await self._store.names(
                "", ANSWER_KIND, self.node, after=after, limit=ASKED_MAX
            )
            for name in found:
                self._tell(name)
            after = found[-1].name if len(found) == ASKED_MAX else None

    def _tell(self, name: Name) -> None:
        if name.name in self._waiting:
            tell(self._waiting[name.name].answered, name.answer)

    async def stop(self) -> None:
        """Look for answers no more."""
        if self._poll is not None:
            self._poll.cancel()
            await asyncio.gather(self._poll, return_exceptions=True)

    async def _wait_no_more(self, number: str) -> bytes:
        """Return the answer that came at the last moment; else none may come any more."""
        until = self._clock.now_ms() + NEVER_KEPT_MS
        never = answer_name(self.node, number, NEVER, until=until)
        winner = await self._store.put_name(never)
        return NEVER if winner is None else winner.answer

    def _read(self, body: bytes, *, queues: bool) -> Any:
        if body == NEVER and queues:
            raise Queued("it is stored, and done as soon as the execution's node is there again")
        if body == NEVER:
            raise Unavailable("the execution's node did not answer; try again", code=NO_ANSWER)
        said = orjson.loads(body)
        if "refusal" in said:
            raise refusal_of(said)
        return said["answer"]

    def _look_out(self) -> None:
        if self._poll is None or self._poll.done():
            self._poll = asyncio.get_running_loop().create_task(self._poll_on())

    async def _poll_on(self) -> None:
        pause = POLL_SECONDS
        while self._waiting:
            await self._clock.sleep(pause)
            pause = min(POLL_SECONDS_MAX, pause * 2)
            try:
                await self.collect()
                await self._look_for_old()
            except Unavailable as error:
                log.warning("answers cannot be read", extra={"why": error.detail})
