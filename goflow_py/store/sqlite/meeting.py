"""The one node of a file, and its inbox: the same as where many meet."""

import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, TypeVar

from goflow_py.ports import Fenced, Hint, Message, Name, NodeRow, Survey
from goflow_py.store import rows
from goflow_py.store.bell import Bell
from goflow_py.store.sqlite import jobs
from goflow_py.store.sqlite.readers import Readers

T = TypeVar("T")


class Meeting:
    """What a store does for its own node beside others."""

    _node: str
    _ttl_ms: int
    _bell: Bell

    @property
    def _readers(self) -> Readers:
        raise NotImplementedError

    async def _write(self, job: Callable[[sqlite3.Connection], T]) -> T:
        raise NotImplementedError

    async def _change(self, query: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> int:
        raise NotImplementedError

    # ownership

    async def heartbeat(self, *, now: int) -> bool:
        node, until = self._node, now + self._ttl_ms
        return await self._write(lambda db: jobs.heartbeat(db, node, now, until))

    async def claim(self, *, limit: int, now: int) -> dict[int, int]:
        return await self._write(lambda db: jobs.claim(db, self._node, limit, now))

    async def release(self, shards: Sequence[int]) -> None:
        await self._change("release", {"node": self._node, "shards": rows.texts(shards)})
        self._bell.ring(Hint.SHARDS)

    async def nodes(self, *, now: int) -> list[NodeRow]:
        found = await self._readers.all("nodes", {"now": now})
        return [
            NodeRow(node=node, started=started, lease_until=until, shards=shards)
            for node, started, until, shards in found
        ]

    async def survey(self, *, now: int, limit: int) -> Survey:
        asked = {"now": now, "limit": limit + 1}
        return rows.survey(await self._readers.all("survey", asked), limit)

    # inbox

    async def deliver(self, messages: Sequence[Message]) -> list[bool]:
        answers = await self._write(lambda db: jobs.deliver(db, messages))
        self._bell.ring(Hint.MESSAGES)
        return answers

    async def drain(self, shards: Sequence[int], *, limit: int, after: int = 0) -> list[Message]:
        asked = {"shards": rows.texts(shards), "limit": limit, "after": after}
        return [rows.message(row) for row in await self._readers.all("drain", asked)]

    async def settle(
        self, message: Message, answer: Name | None, *, epoch: int | None
    ) -> Name | Fenced | None:
        winner = await self._write(lambda db: jobs.settle(db, self._node, epoch, message, answer))
        self._bell.ring(Hint.ANSWERS)
        return winner

    def hints(self, about: Hint = Hint.ANYTHING) -> AsyncIterator[None]:
        return self._bell.listen(about)
