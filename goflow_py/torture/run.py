"""One run of the simulation: faults for a while, then none; then everything has to be in order.

A run is its seed: which kinds of faults there are, when they happen, who asks what. The first half
shows safety (nothing acknowledged is lost, nothing happens twice), the second liveness (once
nothing is broken any more, everything ends, or waits as its blueprint says).
"""

import asyncio
from collections.abc import Callable

from goflow_py.torture import nemesis
from goflow_py.torture.clients import Client
from goflow_py.torture.scenarios import AT_ONCE
from goflow_py.torture.services import Services
from goflow_py.torture.stage import Result, play, until_all_is_over
from goflow_py.torture.world import START_MS, World

FAULT_SECONDS = 40.0
GRACE_SECONDS = 900.0
CLIENTS = 3
READER = 4
"""The number of the client that only reads, where there are several nodes."""
WORKERS = 2


def simulate(
    seed: int,
    *,
    fault_seconds: float = FAULT_SECONDS,
    nodes: int = 1,
    prepare: Callable[[World], None] = lambda _: None,
) -> Result:
    """Run *seed*, with so many *nodes* on one store.

    *prepare* may change the world before anything happens in it.
    """
    weather = nemesis.weather(seed, nodes=nodes)
    world = World(seed, weather.rates, shuffle=weather.shuffles)
    world.every = dict(weather.every)
    world.wanted = nodes
    prepare(world)
    return play(world, f"seed {seed}", _run(world, weather, fault_seconds))


async def _run(world: World, weather: nemesis.Weather, fault_seconds: float) -> None:
    world.notes.limits.forgets = weather.forgets
    world.wire = Services(world).wire
    world.notes.limits.grace_seconds = GRACE_SECONDS
    world.notes.limits.slots = dict(AT_ONCE)
    # A shard that moves cuts calls, too, and no fault is to be seen.
    world.notes.judges_cuts = world.wanted == 1
    if nemesis.JUMP not in world.every:
        world.notes.server_zero_ms = START_MS
    for _ in range(world.wanted):
        world.boot()
    supervisor = asyncio.ensure_future(world.supervise())
    if weather.is_limited:
        await Client(world, 7).limit(running=25, calls=4)
    askers = [Client(world, number) for number in range(CLIENTS)]
    clients = [asyncio.ensure_future(one.run()) for one in askers]
    if world.wanted > 1:
        # What one node shows is not to be missing on another, nor on one that lost its lease.
        clients.append(asyncio.ensure_future(Client(world, READER).look(askers)))
    evil = asyncio.ensure_future(nemesis.torment(world))
    await asyncio.sleep(fault_seconds)  # noqa: TID251  # virtual
    evil.cancel()
    nemesis.heal(world)
    workers = [asyncio.ensure_future(Client(world, 5 + n).work()) for n in range(WORKERS)]
    await asyncio.gather(*clients)
    if weather.is_limited:
        await Client(world, 7).limit()
    if await Client(world, 8).begin("linear") is None:
        world.complaints.append("nothing is broken any more, and no start is acknowledged")
    await until_all_is_over(world)
    for task in (supervisor, *workers):
        task.cancel()
