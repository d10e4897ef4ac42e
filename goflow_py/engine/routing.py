"""Requests for executions that another node owns: asked by its inbox, answered by a name.

Nodes do not speak to each other; they meet in the store. A question is a message, the answer a name
that only one can have: the owner takes it with what it says, the asker when it waits no more.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

import orjson

from goflow_py.clock import Clock
from goflow_py.engine.letters import Json, Letter, dumps
from goflow_py.engine.mailbox import ANSWER_KIND, answer_name
from goflow_py.engine.refusals import refusal_of
from goflow_py.errors import NotFound, Queued, Unavailable
from goflow_py.ports import Message, Store

log = logging.getLogger(__name__)

ASK_SECONDS = 5.0
"""For which an answer is awaited."""
ASKED_MAX = 1_000
"""Questions of one node that wait at a time."""
POLL_SECONDS, POLL_SECONDS_MAX = 0.05, 0.5
"""Between two looks for answers: hints come sooner, and may not come."""

NEVER = b""
"""The answer of an asker that waits no more."""
NEVER_KEPT_MS = 7 * 86_400_000
"""Longer than a message may wait: who answers it then has to know."""


class Router:
    """Asks the owners of executions."""

    def __init__(self, *, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self.node = ""
        """Who asks."""
        self._asked = 0
        self._waiting: dict[str, asyncio.Future[bytes | None]] = {}
        self._poll: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    async def ask(
        self, execution: str, kind: str, what: Mapping[str, Any], *, queues: bool = False
    ) -> Any:
        """Return what the owner of *execution* answers, or raise what it refuses.

        No answer in time: ``Queued`` if it is then still to be done (*queues*), else
        ``Unavailable``. Raises ``NotFound`` for an execution that does not exist.
        """
        if await self._store.head(execution) is None:
            raise NotFound(f"there is no execution {execution}")
        return await self.ask_shard_of(execution, kind, what, queues=queues)

    async def ask_shard_of(
        self, thing: str, kind: str, what: Mapping[str, Any], *, queues: bool = False
    ) -> Any:
        """Ask the owner of the shard of a thing that need not be an execution."""
        if len(self._waiting) >= ASKED_MAX:
            raise Unavailable("too many requests wait for other nodes; try again", code="busy")
        number = self._number()
        answered = self._waiting[number] = asyncio.get_running_loop().create_future()
        alarm = self._clock.call_later(ASK_SECONDS, lambda: _tell(answered, None))
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
        """Read the answers that came."""
        if not self._waiting:
            return
        after = f"{int(min(self._waiting)) - 1:012d}"
        while found := await self._store.names(
            "", ANSWER_KIND, self.node, after=after, limit=ASKED_MAX
        ):
            for name in found:
                waiting = self._waiting.get(name.name)
                if waiting is not None:
                    _tell(waiting, name.answer)
            after = found[-1].name
            if len(found) < ASKED_MAX:
                return

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
            raise Unavailable("the execution's node did not answer; try again", code="no_answer")
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
            except Unavailable as error:
                log.warning("answers cannot be read", extra={"why": error.detail})


def _tell(waiting: asyncio.Future[bytes | None], answer: bytes | None) -> None:
    if not waiting.done():
        waiting.set_result(answer)
