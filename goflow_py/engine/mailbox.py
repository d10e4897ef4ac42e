"""What other nodes ask for executions of this one: carried out in order, once, and answered.

A message goes with the commit of the step that applies it. What changes nothing, a refusal above
all, is answered in the transaction that deletes it; whoever asked and waits no more was told that
it is queued, and then the refusal is in the history.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress

from goflow_py.clock import Clock
from goflow_py.engine.delivery import CARRIED, Delivery
from goflow_py.engine.letters import Json, Letter, dumps, read_letter
from goflow_py.engine.mail import Mail
from goflow_py.engine.memory import Memory
from goflow_py.engine.refusals import with_refusal
from goflow_py.errors import GoFlowError, Moved, Unavailable
from goflow_py.ports import Fenced, Message, Name, Store

log = logging.getLogger(__name__)

IN_HAND_MAX = 2_000
"""Messages that are read and not answered yet."""
OF_ONE_MAX = 200
"""Those of one execution, so that others have their turn, however many it has."""
PAGE = 500
PAGES_MAX = 10
"""Of one look."""
POLL_SECONDS = 0.5
AGAIN_SECONDS = 0.5
TRIES_MAX = 10
"""Of a message whose answer breaks, each time; then nobody gets to know of it."""
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
        self.unread: Callable[[str, str, GoFlowError], Awaitable[None]] = _ignore
        """Is told of what this release does not know, and nobody waits for: execution, kind."""
        self._known: set[int] = set()
        """Messages that are in hand."""
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
            after, put_off = 0, set[str]()
            for _ in range(PAGES_MAX):
                if len(self._known) >= IN_HAND_MAX:
                    return
                page = await self.read(self._memory.epochs, after=after)
                self.take_in(page, put_off)
                if len(page) < PAGE:
                    return
                after = page[-1].number

    async def read(self, shards: Iterable[int], *, after: int = 0) -> list[Message]:
        """Return the first messages of shards behind a number."""
        return await self._store.drain([*shards], limit=PAGE, after=after)

    def take_in(self, messages: Iterable[Message], put_off: set[str] | None = None) -> None:
        """Carry out messages; those of one execution one after the other.

        What is *put_off*, because too many of its execution are in hand, is read again later.
        """
        put_off = set() if put_off is None else put_off
        for message in messages:
            if message.number in self._known or message.number in self._done:
                continue
            mail = self._memory.mailed.get(message.execution)
            if mail is not None and len(mail.messages) >= OF_ONE_MAX:
                put_off.add(message.execution)
            if message.execution in put_off:
                continue  # also those behind it, which come after it
            self._known.add(message.number)
            if mail is None:
                mail = self._memory.mailed[message.execution] = Mail()
                work = self._work_off(message.execution, mail)
                mail.work = asyncio.get_running_loop().create_task(work)
            mail.take_in(message)

    async def stop(self) -> None:
        """Carry out nothing any more: what is left stays in the inbox."""
        works = [mail.work for mail in self._memory.mailed.values() if mail.work is not None]
        for work in works:
            work.cancel()
        await asyncio.gather(*works, return_exceptions=True)

    # ------------------------------------------------------------ one execution

    async def _work_off(self, execution: str, mail: Mail) -> None:
        try:
            while mail.messages:
                message = mail.messages[0]
                if await self._try(message, mail):
                    self._done.add(message.number)
                    self._known.discard(mail.deal_with_first().number)
                else:
                    await self._clock.sleep(AGAIN_SECONDS)
        except Moved:
            pass  # whoever owns it now reads them
        finally:
            self._known.difference_update(message.number for message in mail.messages)
            del self._memory.mailed[execution]
            mail.close()

    async def _try(self, message: Message, mail: Mail) -> bool:
        """Carry out a message; False: it has to be tried again. Raises ``Moved``."""
        epoch = self._memory.epoch(message.execution)
        delivery = Delivery(message.execution, message.number)
        CARRIED.set(delivery)  # of this task: it carries out nothing else
        is_done = True
        try:
            await self._carry_out(message, delivery, epoch)
        except Unavailable as error:
            if not (delivery.is_spent or self._memory.owns(message.execution)):
                raise Moved(message.execution) from None
            is_done = delivery.is_spent
            log.warning("a message could not be answered", extra={"why": error.detail})
        except Exception as error:  # noqa: BLE001  # one that breaks must not hold up others
            is_done = delivery.is_spent or await self._broke(message, mail, error, epoch)
        finally:
            delivery.is_spent = True
        return is_done

    async def _broke(self, message: Message, mail: Mail, error: Exception, epoch: int) -> bool:
        """Tell whether a message that cannot be answered is given up."""
        mail.tries += 1
        facts = {"execution": message.execution, "kind": message.kind, "tries": mail.tries}
        log.error("the answer to a message broke", extra=facts, exc_info=error)
        if mail.tries < TRIES_MAX:
            return False
        with suppress(Unavailable):
            await self._settle(message, None, epoch)
            return True
        return False

    async def _carry_out(self, message: Message, delivery: Delivery, epoch: int) -> None:
        letter = self._letter(message)
        if letter is None or await self._is_over(letter):
            await self._settle(message, None, epoch)
            return
        answer, body = await self._answer(message, letter)
        fence = None if delivery.is_spent else epoch
        if await self._settle(message, self._name(letter, body), fence) is not None:
            await self._tell_nobody(message, letter, answer)
            if not delivery.is_spent:
                await self._settle(message, None, epoch)

    async def _settle(
        self, message: Message, answer: Name | None, epoch: int | None
    ) -> Name | None:
        """Take the name of an answer; return who has it. Raises ``Moved``."""
        found = await self._store.settle(message, answer, epoch=epoch)
        if isinstance(found, Fenced):
            # What this node knows is old: whoever has the shard now says it.
            raise Moved(message.execution)
        return found

    def _letter(self, message: Message) -> Letter | None:
        try:
            return read_letter(message.body)
        except (ValueError, KeyError, TypeError) as error:
            log.error("a message cannot be read", extra={"kind": message.kind}, exc_info=error)
            return None

    async def _is_over(self, letter: Letter) -> bool:
        """Tell whether whoever asked was told that nothing came of it, and may ask again."""
        if letter.queues or not letter.asker:
            return False
        return await self._store.name("", ANSWER_KIND, letter.asker, letter.number) is not None

    async def _answer(self, message: Message, letter: Letter) -> tuple[object, bytes]:
        """Do what a letter asks; return the answer, and how it is written. Raises ``Unavailable``.

        One of a newer release, which a node of this one does not know, is refused.
        """
        found = self._handlers.get(message.kind)
        if found is None:
            what = "the execution's node is of another release; try again"
            unknown = Unavailable(what, code="other_release")
            return unknown, dumps(with_refusal(unknown))
        try:
            answer = await found[0](message.execution, letter.what)
            return answer, dumps({"answer": answer})
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001  # one that breaks must not hold up others
            refusal = self._refusal(message, error)
            return refusal, dumps(with_refusal(refusal))

    async def _tell_nobody(self, message: Message, letter: Letter, answer: object) -> None:
        """Do what is to be done about an answer that nobody waits for."""
        if isinstance(answer, GoFlowError) and not letter.queues:
            return  # whoever asked was told that nothing came of it
        found = self._handlers.get(message.kind)
        try:
            if found is not None:
                await found[1](message.execution, letter.what, answer)
            elif isinstance(answer, GoFlowError):
                await self.unread(message.execution, message.kind, answer)
        except Unavailable:
            raise
        except GoFlowError as error:
            # Its execution takes no more: then it can take no note either.
            facts = {"execution": message.execution, "why": error.detail}
            log.error("a refusal could not be recorded", extra=facts)

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


async def _ignore(*_: object) -> None:
    """Nobody needs to know."""
