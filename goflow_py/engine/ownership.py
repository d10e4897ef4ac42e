"""Which shards this node owns: its fair share, no more for long, and nothing without a lease.

There is no leader. Every node looks who lives, takes what is free up to its share, and gives up
what it has above that, a part at a time. A refused heartbeat is final: the process has to end.
"""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

from goflow_py.clock import Clock, uuid7
from goflow_py.engine.handover import Handover
from goflow_py.engine.memory import Memory
from goflow_py.errors import StartRefused, Unavailable
from goflow_py.ports import BEATS_A_LEASE, SHARDS, Name, Store

log = logging.getLogger(__name__)

TURN_SECONDS = 1.0
"""Between two looks at who lives: with the lease, what a dead node's work waits for at most."""
TRIES_A_BEAT = 4
"""Of a heartbeat that fails: a database that is back in time finds the node alive."""
MOVED_MAX = math.ceil(SHARDS / 10)
"""Shards that are given up between two heartbeats."""
OPENINGS_MAX = 3
DRAIN_KIND = "drain"
"""Names of nodes that are about to end, and take no share."""
DRAIN_KEPT_MS = 3_600_000
DRAINS_MAX = 1_000
FENCES_SECONDS = 3.0
"""Between two looks whether all that this node writes is refused."""
FENCED_LOOKS_MAX = 3
FENCED_EXECUTIONS_MAX = 3
"""So many that are all refused are no damage of one."""


class Ownership:
    """Claims, renews and releases; *on_lost* has to end the process.

    *adopt* takes up all that is in shards that are new here, *again* what was let go of in vain.
    """

    def __init__(
        self,
        *,
        store: Store,
        memory: Memory,
        handover: Handover,
        clock: Clock,
        lease_seconds: float,
        is_alone: bool,
        adopt: Callable[[Mapping[int, int]], Awaitable[None]],
        again: Callable[[Iterable[int]], None],
        on_lost: Callable[[], object],
    ) -> None:
        self._store = store
        self._memory = memory
        self._handover = handover
        self._clock = clock
        self._lease_seconds = lease_seconds
        self._is_alone = is_alone
        self._adopt = adopt
        self._again = again
        self._on_lost = on_lost
        self._may_move_at = 0.0
        self._fenced_looks = 0
        self._moving = asyncio.Lock()
        self._doubtful = set[int]()
        """Shards whose release was asked for, and not answered."""
        self._is_ending = False
        self.node = ""
        """This incarnation: a name that no node had before."""
        self._sharers = 0
        """Of the others, those that do not end."""
        self.unowned = 0
        """Shards of nobody who lives, at the last look."""
        self.others: frozenset[str] = frozenset()
        """Who else lives."""

    @property
    def is_shared(self) -> bool:
        """Tell whether other nodes may do something."""
        return bool(self.others)

    def owns(self, shard: int) -> bool:
        """Tell whether this node owns a shard: of work that all may do, its owner does it."""
        return shard in self._memory.epochs

    def share(self) -> float:
        """Return this node's part of all shards; never nothing, as callers divide by it."""
        return max(1, len(self._memory.epochs)) / SHARDS if self.is_shared else 1.0

    @property
    def beat_seconds(self) -> float:
        """Return the time between two heartbeats."""
        return self._lease_seconds / BEATS_A_LEASE

    @property
    def again_seconds(self) -> float:
        """Return the time after which a heartbeat that failed is tried again."""
        return self.beat_seconds / TRIES_A_BEAT

    def lease_left(self) -> float:
        """Return the seconds for which the lease holds, at least; who is alone needs none."""
        return math.inf if self._is_alone else self._memory.sure_until - self._clock.monotonic()

    # ------------------------------------------------------------ begin and end

    async def open(self) -> None:
        """Open the store under a new name, and take the share of it that is free.

        Raises ``StartRefused``, also when the lease lapses at once, again and again.
        """
        ttl = round(self._lease_seconds * 1000)
        for _ in range(OPENINGS_MAX):
            self.node, sent = uuid7(self._clock), self._clock.monotonic()
            await self._store.open(node=self.node, now=self._clock.now_ms(), ttl_ms=ttl)
            claimed = await self._claim()
            if claimed or await self._store.heartbeat(now=self._clock.now_ms()):
                self._memory.epochs.update(claimed)
                self._renewed(sent)
                return
            await self._store.close()
        raise StartRefused(
            "the clock jumps: this server's lease ended at once; set the clock right"
        )

    async def drain(self) -> None:
        """Release at once what is quiet: others go on with it while this node lets calls end.

        What ends its calls later is released at the turns from now on.
        """
        self._is_ending = True
        async with self._moving:
            await self._leave()

    # ------------------------------------------------------------ the lease

    async def beat(self) -> float:
        """Renew the lease, and return the pause until the next time; when refused, it is over."""
        sent = self._clock.monotonic()
        if await self._renew():
            self._renewed(sent)
        else:
            log.error("this node's lease has lapsed; the process has to end")
            self._on_lost()
        return max(0.0, sent + self.beat_seconds - self._clock.monotonic())

    async def _renew(self) -> bool:
        """Ask the store, but not for long: what hangs is given up, and another one is asked."""
        asked = asyncio.ensure_future(self._store.heartbeat(now=self._clock.now_ms()))
        asked.add_done_callback(lambda one: one.cancelled() or one.exception())
        late = asyncio.get_running_loop().create_future()
        alarm = self._clock.call_later(self.beat_seconds, lambda: late.set_result(None))
        try:
            await asyncio.wait((asked, late), return_when=asyncio.FIRST_COMPLETED)
            if asked.done():
                return await asked
            raise Unavailable("the database does not answer the heartbeat", code="store_busy")
        finally:
            alarm.cancel()
            asked.cancel()

    def _renewed(self, sent: float) -> None:
        was_sure = self._clock.monotonic() < self._memory.sure_until
        # Counted from before it was asked: the store's lease ends later, never earlier.
        self._memory.sure_until = sent + self._lease_seconds
        if not was_sure:
            self._again(list(self._memory.epochs))  # no call began meanwhile

    async def look_at_fences(self) -> None:
        """End the process when all that it writes is refused though its lease holds."""
        fenced = self._memory.fenced
        self._fenced_looks = self._fenced_looks + 1 if fenced else 0
        if self._fenced_looks < FENCED_LOOKS_MAX:
            return
        nodes = await self._store.nodes(now=self._clock.now_ms())
        own = sum(node.shards for node in nodes if node.node == self.node)
        if len(fenced) >= FENCED_EXECUTIONS_MAX or own != len(self._memory.epochs):
            log.error("all that this node writes is refused; the process has to end")
            self._on_lost()

    # ------------------------------------------------------------ the share

    async def turn(self) -> None:
        """Take what is free, up to the fair share; give up a part of what is above it.

        Of a node that is about to end: give up what is quiet.
        """
        async with self._moving:
            if self._is_ending:
                await self._look()
                await self._leave()
            else:
                await self._even_out()

    async def _leave(self) -> None:
        """Tell that this node takes no share any more, and give up what is quiet."""
        if not self.is_shared:
            return
        until = self._clock.now_ms() + DRAIN_KEPT_MS
        await self._store.put_name(
            Name(project="", kind=DRAIN_KIND, scope="", name=self.node, execution="", expires=until)
        )
        if quiet := self._handover.quiet():
            await self._give_up(quiet)

    async def _even_out(self) -> None:
        claimed = await self._claim()
        if claimed:
            log.info("shards were claimed", extra={"count": len(claimed)})
            await self._adopt(claimed)
            return
        surplus = len(self._memory.epochs) - self._share
        if surplus > 0 and self._clock.monotonic() >= self._may_move_at:
            self._may_move_at = self._clock.monotonic() + self.beat_seconds
            await self._give_up(self._handover.quiet_first()[: min(surplus, MOVED_MAX)])

    @property
    def _share(self) -> int:
        return -(-SHARDS // (self._sharers + 1))

    async def _claim(self) -> dict[int, int]:
        if not self._is_alone:
            await self._look()
        missing = self._share - len(self._memory.epochs)
        if missing <= 0:
            return {}
        return await self._store.claim(limit=missing, now=self._clock.now_ms())

    async def _look(self) -> None:
        """Look who lives, and who of them takes a share."""
        nodes = await self._store.nodes(now=self._clock.now_ms())
        await self._compare(sum(node.shards for node in nodes if node.node == self.node))
        others = frozenset(node.node for node in nodes if node.node != self.node)
        if others != self.others:
            log.info("the nodes are others now", extra={"others": len(others)})
        self.others = others
        self.unowned = SHARDS - sum(node.shards for node in nodes)
        ending = await self._store.names("", DRAIN_KIND, "", after="", limit=DRAINS_MAX)
        self._sharers = len(others - {name.name for name in ending})

    async def _compare(self, count: int) -> None:
        """Compare what the store says this node owns with what it knows of."""
        known = self._memory.epochs
        doubtful, self._doubtful = self._doubtful, set()
        if doubtful and count == len(known) - len(doubtful):
            self._handover.gone(doubtful)
            return
        self._handover.keep(doubtful)
        self._again(doubtful)
        if count > len(known):
            # A claim whose answer did not come, or that could not be taken up: it is made anew.
            await self._store.release([shard for shard in range(SHARDS) if shard not in known])
        elif count < len(known):
            log.error("shards of this node are another's; the process has to end")
            self._on_lost()

    async def _give_up(self, chosen: Sequence[int]) -> None:
        try:
            await self._handover.give_up(chosen)
        except BaseException:
            # What was let go of, and is still this node's, is taken up again.
            self._doubtful = self._memory.leaving & {*chosen}
            self._again({*chosen} & self._memory.epochs.keys() - self._doubtful)
            raise
