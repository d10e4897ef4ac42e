"""Where nodes of the store in memory meet: leases, shards, and the messages between them."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from goflow_py.ports import Fenced, Hint, Load, Message, Name, NodeRow, Survey, shard_of
from goflow_py.store.bell import Bell
from goflow_py.store.tables import Tables


class Meeting:
    """What a store does for its own node beside others."""

    _node: str | None
    _ttl_ms: int
    _bell: Bell

    @property
    def _tables(self) -> Tables:
        raise NotImplementedError

    # ownership

    async def heartbeat(self, *, now: int) -> bool:
        tables = self._tables
        assert self._node is not None
        if tables.leases.get(self._node, now) <= now:
            tables.leases.pop(self._node, None)  # final, even when the clock goes back
            return False
        tables.leases[self._node] = now + self._ttl_ms
        return True

    async def claim(self, *, limit: int, now: int) -> dict[int, int]:
        tables = self._tables
        alive = {node for node, until in tables.leases.items() if until > now}
        if self._node not in alive:
            return {}
        free = [number for number, shard in tables.shards.items() if shard.owner not in alive]
        for number in free[:limit]:
            tables.shards[number].owner = self._node
            tables.shards[number].epoch += 1
        return {number: tables.shards[number].epoch for number in free[:limit]}

    async def release(self, shards: Sequence[int]) -> None:
        for number in shards:
            if self._tables.shards[number].owner == self._node:
                self._tables.shards[number].owner = None
        self._tables.ring(Hint.SHARDS)

    async def nodes(self, *, now: int) -> list[NodeRow]:
        tables = self._tables
        owned = [shard.owner for shard in tables.shards.values()]
        return [
            NodeRow(
                node=node,
                started=tables.joined[node],
                lease_until=until,
                shards=owned.count(node),
            )
            for node, until in tables.leases.items()
            if until > now
        ]

    async def survey(self, *, now: int, limit: int) -> Survey:
        tables = self._tables
        owned: dict[str | None, list[int]] = {node: [] for node in (*tables.leases, None)}
        for number, shard in tables.shards.items():
            owned[shard.owner if shard.owner in tables.leases else None].append(number)
        rows = [
            NodeRow(
                node=node,
                started=tables.joined[node],
                lease_until=until,
                shards=len(owned[node]),
            )
            for node, until in tables.leases.items()
            if until > now or owned[node]
        ]
        return Survey(
            now=now,
            nodes=[(row, self._load(owned[row.node], limit)) for row in rows],
            unowned=len(owned[None]),
            left=self._load(owned[None], limit),
        )

    def _load(self, shards: Sequence[int], limit: int) -> Load:
        heads = [one.head for one in self._tables.executions.values()]
        running = [head.shard for head in heads if head.status == "running"]
        sent = [one.at for one in self._tables.inbox.values() if shard_of(one.execution) in shards]
        return Load(
            running=None if len(running) > limit else sum(one in shards for one in running),
            messages=len(sent),
            oldest=min(sent, default=None),
        )

    # inbox

    async def deliver(self, messages: Sequence[Message]) -> list[bool]:
        tables = self._tables
        answers = []
        for message in messages:
            shard_of(message.execution)
        known = {(one.execution, one.kind, one.dedupe) for one in tables.inbox.values()}
        for message in messages:
            place = (message.execution, message.kind, message.dedupe)
            answers.append(place not in known)
            if place not in known:
                known.add(place)
                tables.delivered += 1
                tables.inbox[tables.delivered] = replace(message, number=tables.delivered)
        tables.ring(Hint.MESSAGES)
        return answers

    async def drain(self, shards: Sequence[int], *, limit: int, after: int = 0) -> list[Message]:
        waiting = [one for one in self._tables.inbox.values() if one.number > after]
        return [one for one in waiting if shard_of(one.execution) in shards][:limit]

    async def settle(
        self, message: Message, answer: Name | None, *, epoch: int | None
    ) -> Name | Fenced | None:
        tables = self._tables
        shard = tables.shards[shard_of(message.execution)]
        if epoch is not None and (shard.owner, shard.epoch) != (self._node, epoch):
            return Fenced()
        winner = None if answer is None else tables.take(answer)
        if winner is None:
            tables.inbox.pop(message.number, None)
            tables.ring(Hint.ANSWERS)
        return winner

    def hints(self, about: Hint = Hint.ANYTHING) -> AsyncIterator[None]:
        return self._bell.listen(about)
