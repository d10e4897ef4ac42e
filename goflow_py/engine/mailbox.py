"""What other nodes ask for executions of this one: carried out in order, once, and answered.

A message goes with the commit of the step that applies it. What changes nothing, a refusal above
all, is answered in the transaction that deletes it; whoever asked and waits no more was told that
it is queued, and then the refusal is in the history.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable

from goflow_py.clock import Clock
from goflow_py.engine.delivery import CARRIED, Delivery
from goflow_py.engine.letters import Json, Letter, dumps, read_letter
from goflow_py.engine.memory import Memory
from goflow_py.engine.refusals import with_refusal
from goflow_py.errors import GoFlowError, Moved, Unavailable
from goflow_py.ports import Message, Name, Store

log = logging.getLogger(__name__)

IN_HAND_MAX = 500
"""Messages that are read and not answered yet."""
POLL_SECONDS = 0.5
AGAIN_SECONDS = 0.5
ANSWER_KIND = "answer"
ANSWERS_KEPT_MS = 60_000

Handler = Callable[[str, Json], Awaitable[object]]
"""Carries out what a letter asks of an execution; returns the answer. It is made once in effect."""
Unheard = Callable[[str, Json, object], Awaitable[None]]
"""Is told of an answer that nobody waits for any more: of an execution, to a letter."""


class Mailbox:
    """Reads the inbox of the shards of this node."""

    def __init__(self, *, store: Store, memory: Memory, clock: Clock) -> None:
        self._store = store
        self._memory = memory
        self._clock = clock
        self._handlers: dict[str, tuple[Handler, Unheard]] = {}
        self._chains: dict[str, deque[Message]] = {}
        """By execution, in their order."""
        self._known: set[int] = set()
        self._done: set[int] = set()
        """Those that were dealt with since the reading under way began: it may still show them."""
        self._reading = asyncio.Lock()

    def __len__(self) -> int:
        return len(self._known)

    def on(self, kind: str, handler: Handler, *, unheard: Unheard | None = None) -> None:
        """Let *handler* carry out letters of a kind."""
        self._handlers[kind] = (handler, unheard or _ignore)

    async def turn(self) -> None:
        """Read what there is for this node, and begin with it."""
        async with self._reading:
            self._done.clear()
            if len(self._known) < IN_HAND_MAX:
                self.take_in(await self.read(self._memory.epochs))

    async def read(self, shards: Iterable[int]) -> list[Message]:
        """Return the first messages of shards."""
        return await self._store.drain([*shards], limit=IN_HAND_MAX)

    def take_in(self, messages: Iterable[Message]) -> None:
        """Carry out messages; those of one execution one after the other."""
        for message in messages:
            if message.number in self._known or message.number in self._done:
                continue
            self._known.add(message.number)
            chain = self._chains.setdefault(message.execution, deque())
            chain.append(message)
            if message.execution not in self._memory.mailed:
                work = asyncio.get_running_loop().create_task(self._work_off(message.execution))
                self._memory.mailed[message.execution] = work

    async def stop(self) -> None:
        """Carry out nothing any more: what is left stays in the inbox."""
        works = list(self._memory.mailed.values())
        for work in works:
            work.cancel()
        await asyncio.gather(*works, return_exceptions=True)

    # ------------------------------------------------------------ one execution

    async def _work_off(self, execution: str) -> None:
        chain = self._chains[execution]
        try:
            while chain:
                message = chain[0]
                if await self._try(message):
                    self._done.add(message.number)
                    self._known.discard(chain.popleft().number)
                else:
                    await self._clock.sleep(AGAIN_SECONDS)
        except Moved:
            pass  # whoever owns it now reads them
        finally:
            self._known.difference_update(message.number for message in chain)
            del self._chains[execution], self._memory.mailed[execution]

    async def _try(self, message: Message) -> bool:
        """Carry out a message; False: it has to be tried again. Raises ``Moved``."""
        self._memory.epoch(message.execution)
        delivery = Delivery(message.execution, message.number)
        CARRIED.set(delivery)  # of this task: it carries out nothing else
        is_done = True
        try:
            await self._carry_out(message, delivery)
        except Unavailable as error:
            if not (delivery.is_spent or self._memory.owns(message.execution)):
                raise Moved(message.execution) from None
            is_done = delivery.is_spent
            log.warning("a message could not be answered", extra={"why": error.detail})
        finally:
            delivery.is_spent = True
        return is_done

    async def _carry_out(self, message: Message, delivery: Delivery) -> None:
        handler, unheard = self._handlers[message.kind]
        letter = read_letter(message.body)
        answer: object = None
        try:
            answer = await handler(message.execution, letter.what)
            body = dumps({"answer": answer})
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001  # one that breaks must not hold up others
            answer = self._refusal(message, error)
            body = dumps(with_refusal(answer))
        if await self._store.settle(message.number, self._name(letter, body)) is not None:
            await unheard(message.execution, letter.what, answer)
            if not delivery.is_spent:
                await self._store.settle(message.number, None)

    def _refusal(self, message: Message, error: Exception) -> GoFlowError:
        if isinstance(error, GoFlowError):
            return error
        log.error("a message broke", extra={"kind": message.kind}, exc_info=error)
        return GoFlowError("the server failed; its log has the reason", code="internal")

    def _name(self, letter: Letter, body: bytes) -> Name | None:
        if not letter.asker:
            return None
        until = self._clock.now_ms() + ANSWERS_KEPT_MS
        return answer_name(letter.asker, letter.number, body, until=until)


def answer_name(asker: str, number: str, body: bytes, *, until: int) -> Name:
    """Return the name that the first has who speaks: the owner answers, the asker waits no more."""
    return Name(
        project="",
        kind=ANSWER_KIND,
        scope=asker,
        name=number,
        execution="",
        answer=body,
        expires=until,
    )


async def _ignore(_: str, __: Json, ___: object) -> None:
    """Nobody needs to know."""
