"""What a store does for its own node beside others: the inbox, and hints."""

from collections.abc import AsyncIterator, Iterable, Sequence

from goflow_py.ports import Fenced, Hint, Message, Name, Write, shard_of
from goflow_py.store import rows
from goflow_py.store.postgres import jobs
from goflow_py.store.postgres.connections import Connections, fetch
from goflow_py.store.postgres.herald import Herald
from goflow_py.store.postgres.queries import SQL

MESSAGE = ("m_shard", "m_execution", "m_kind", "m_dedupe", "m_body", "m_at")


class Meeting:
    """The part of a store where nodes meet."""

    _herald: Herald
    _node: str

    @property
    def _connections(self) -> Connections:
        raise NotImplementedError

    async def deliver(self, messages: Sequence[Message]) -> list[bool]:
        sent = [rows.sent(message) for message in messages]
        columns = list(zip(*sent, strict=True)) or [()] * len(MESSAGE)
        given = dict(zip(MESSAGE, columns, strict=True))
        added = await self._connections.write(lambda session: fetch(session, SQL["deliver"], given))
        new = {tuple(row) for row in added}
        answers = []
        for message in messages:
            place = (message.execution, message.kind, message.dedupe)
            answers.append(place in new)
            new.discard(place)
        self._herald.delivered(shard_of(message.execution) for message in messages)
        return answers

    async def drain(self, shards: Sequence[int], *, limit: int, after: int = 0) -> list[Message]:
        asked = {"shards": list(shards), "limit": limit, "after": after}
        return [rows.message(row) for row in await self._connections.all("drain", asked)]

    async def settle(
        self, message: Message, answer: Name | None, *, epoch: int | None
    ) -> Name | Fenced | None:
        winner = await self._connections.write(
            lambda session: jobs.settle(session, self._node, epoch, message, answer)
        )
        self._herald.answered(None if answer is None else answer.scope)
        return winner

    def hints(self, about: Hint = Hint.ANYTHING) -> AsyncIterator[None]:
        return self._herald.bell.listen(about)


def is_work(writes: Iterable[Write]) -> bool:
    """Tell whether writes put work onto queues."""
    return any(
        row.status == "queued"
        for write in writes
        for member in (write, *write.family)
        for row in member.queue or ()
    )
