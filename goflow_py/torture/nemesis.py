"""Who breaks things: which kinds of faults a seed has, and those that come at a time of their own.

Each seed switches off about half of the kinds (swarm testing): a run with every fault at once hides
what only shows when most of the world works.
"""

import asyncio
import random  # noqa: TID251  # chance that can be repeated, from a seed
from dataclasses import dataclass
from typing import TYPE_CHECKING

from goflow_py.torture.disk import CRASHES
from goflow_py.torture.services import FAULTS
from goflow_py.torture.world import World

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

RATES = {
    **FAULTS,
    "disk full": 0.02,
    "disk busy": 0.01,
    "failed sync": 0.003,
    "failed read": 0.015,
    "slow disk": 0.05,
    "request lost": 0.03,
    "answer lost": 0.05,
    "claim forgotten": 0.2,
    "completed twice": 0.2,
}
"""Faults that happen by chance, whenever they can."""
JUMP = "clock jump"
EVERY_SECONDS = {
    "crash": 8.0,
    "crash in a commit": 5.0,
    "freeze": 12.0,
    "takeover": 15.0,
    "drain": 15.0,
    "full for a while": 20.0,
    JUMP: 10.0,
}
"""Faults that come by themselves, with the mean time between two of a kind."""
NODES_EVERY_SECONDS = {
    "pause": 20.0,
    "pause in a commit": 12.0,
}
"""The same where nodes share a store: a process wakes up when others have long had its work."""
JUMP_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Weather:
    """What a seed has in store."""

    rates: dict[str, float]
    every: dict[str, float]
    shuffles: bool
    """What is ready runs in any order."""
    forgets: bool
    """Clients delete what has ended: the judge has to take their word for some of it."""
    is_limited: bool
    """The project may have so many executions, starts and calls only."""


def weather(seed: int, *, nodes: int = 1) -> Weather:
    """Return the faults of *seed*."""
    chance = random.Random(f"weather {seed}")
    rates = {
        kind: min(1.0, rate * chance.uniform(0.3, 2.0))
        for kind, rate in RATES.items()
        if chance.random() < 0.5
    }
    every = {
        kind: seconds * chance.uniform(0.5, 2.0)
        for kind, seconds in EVERY_SECONDS.items()
        if chance.random() < 0.5
    }
    if nodes > 1:
        more = random.Random(f"nodes {seed}")
        every |= {kind: mean for kind, mean in NODES_EVERY_SECONDS.items() if more.random() < 0.5}
    return Weather(
        rates,
        every,
        shuffles=chance.random() < 0.25,
        forgets=chance.random() < 0.25,
        is_limited=chance.random() < 0.25,
    )


async def torment(world: World) -> None:
    """Break things until it is cancelled."""
    doings: dict[str, Callable[[World], Awaitable[None]]] = {
        "crash": _crash,
        "crash in a commit": _crash_in_a_commit,
        "freeze": _freeze,
        "takeover": _take_over,
        "drain": _drain,
        "full for a while": _fill,
        "pause": _pause,
        "pause in a commit": _pause_in_a_commit,
        JUMP: _jump,
    }

    async def again_and_again(kind: str, seconds: float) -> None:
        while True:
            await _wait(world, world.chance.expovariate(1 / seconds))
            world.fault(kind, world.node.host.name if world.node else "")
            await doings[kind](world)

    await asyncio.gather(*(again_and_again(*one) for one in sorted(world.every.items())))


def heal(world: World) -> None:
    """Let everything work from now on."""
    world.healed = True
    world.notes.healed_at = world.loop.time()
    world.disk.full = False
    world.disk.crash_next = None
    world.disk.pause_next = False
    if world.skew_ms:
        # Timers of a clock that was fast are due that late: here, it is the right one.
        world.skew_ms = JUMP_MS
    for node in world.nodes:
        world.wake(node.host)


# ---------------------------------------------------------------- one fault


async def _crash(world: World) -> None:
    node = world.pick()
    if node is not None:
        world.kill(node.host)


async def _crash_in_a_commit(world: World) -> None:
    world.disk.crash_next = CRASHES[world.chance.randrange(len(CRASHES))]


async def _freeze(world: World) -> None:
    node = world.pick()
    if node is not None and not node.host.dead:
        node.host.frozen = True
        await _wait(world, world.chance.random() * 6)
        world.wake(node.host)


async def _take_over(world: World) -> None:
    """Stop a process, let another one begin, and wake the first: it owns nothing any more."""
    node = world.pick()
    if node is None or node.host.dead:
        return
    node.host.frozen = True
    world.boot()
    await _wait(world, world.chance.random() * 8)
    world.wake(node.host)


async def _pause(world: World) -> None:
    node = world.pick()
    if node is not None and not node.host.dead and not node.host.frozen:
        world.pause(node.host)


async def _pause_in_a_commit(world: World) -> None:
    world.disk.pause_next = True


async def _drain(world: World) -> None:
    node = world.pick()
    if node is not None and node.is_ready and not node.host.dead and not node.host.frozen:
        await world.stop(node, world.chance.random() * 3)


async def _fill(world: World) -> None:
    world.disk.full = True
    await _wait(world, world.chance.random() * 5)
    world.disk.full = False


async def _jump(world: World) -> None:
    world.skew_ms = round(world.chance.uniform(-JUMP_MS, JUMP_MS))


async def _wait(_: World, seconds: float) -> None:
    await asyncio.sleep(seconds)  # noqa: TID251  # virtual
