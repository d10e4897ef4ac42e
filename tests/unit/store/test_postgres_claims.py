"""Nodes that claim at one moment: what one of them has, no other takes while it lives."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack

from goflow_py.store.postgres import PostgresStore
from tests.contract.conftest import NOW

NODES = 4
ROUNDS = 150
"""In nearly each tenth a claim used to begin before another one's commit, and to end behind it."""


async def test_nodes_that_claim_at_once_take_nothing_from_each_other(database):
    async with AsyncExitStack() as stack:
        stores = [PostgresStore(database, is_alone=False) for _ in range(NODES)]
        for number, store in enumerate(stores):
            await store.open(node=f"node-{number}", now=NOW, ttl_ms=10**9)
            stack.push_async_callback(store.close)
        for _ in range(ROUNDS):
            claims = await asyncio.gather(*(one.claim(limit=256, now=NOW) for one in stores))
            claimed = Counter(shard for claim in claims for shard in claim)
            assert max(claimed.values()) == 1
            await asyncio.gather(*(one.release([*claimed]) for one in stores))
