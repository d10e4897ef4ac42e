"""Crash points: the same short story again and again, with a crash at every point of it.

A point is a commit (before it, in it, after it and before its answer), or an await: any callback
that a process runs. A point that comes in a recovery is one as well. What began is then finished by
the next process, and judged.
"""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from goflow_py.torture import nemesis
from goflow_py.torture.clients import Client
from goflow_py.torture.disk import CRASHES
from goflow_py.torture.loop import Host
from goflow_py.torture.scenarios import ACTIVITIES
from goflow_py.torture.services import Services
from goflow_py.torture.stage import Result, play, until_all_is_over
from goflow_py.torture.world import START_MS, World

WEATHER = {"worker 5xx": 0.15, "callback twice": 0.5}
"""What goes wrong besides, so that the story has retries in it."""
EVENT_SECONDS = 1.5


@dataclass(frozen=True, slots=True)
class Point:
    """Where to crash."""

    story: int
    """The seed of what goes wrong besides."""
    activity: str
    where: str
    """One of ``CRASHES``, or ``await``."""
    number: int
    """The how-manieth commit, or callback of any process, it is."""

    def __str__(self) -> str:
        """Return what ``crash`` can be asked again."""
        return f"{self.story}:{self.activity}:{self.where}:{self.number}"

    @staticmethod
    def read(text: str) -> "Point":
        """Return the point of its text. Raises ``ValueError``."""
        story, activity, where, number = text.split(":")
        if activity not in ACTIVITIES or where not in (*CRASHES, "await"):
            raise ValueError(text)
        return Point(int(story), activity, where, int(number))


def points(stories: Iterable[int]) -> Iterator[Point]:
    """Return every point of every story; each is played once to learn how many it has."""
    for story in stories:
        for activity in ACTIVITIES:
            commits, steps = _length(story, activity)
            for number in range(1, commits + 1):
                for where in CRASHES:
                    yield Point(story, activity, where, number)
            for number in range(1, steps + 1):
                yield Point(story, activity, "await", number)


def crash(point: Point) -> Result:
    """Play a scenario, and crash at *point*."""
    world = World(point.story, WEATHER)
    if point.where == "await":
        left = point.number

        def count(host: Host) -> bool:
            nonlocal left
            left -= 1
            if left == 0:
                world.fault("crash at an await", host.name)
                world.kill(host)
            return left == 0

        world.loop.on_step = count
    else:
        world.disk.crash_at = (point.number, point.where)
        world.fault(f"crash {point.where} a commit")
    return play(world, str(point), _story(world, point.activity))


def _length(story: int, activity: str) -> tuple[int, int]:
    world = World(story, WEATHER)
    result = play(world, activity, _story(world, activity))
    if result.breaches:
        raise AssertionError(f"{activity} without a crash: {result.breaches[0]}")
    return world.disk.commits, sum(node.host.steps for node in world.nodes)


async def _story(world: World, activity: str) -> None:
    world.wire = Services(world).wire
    world.notes.server_zero_ms = START_MS
    world.boot()
    supervisor = asyncio.ensure_future(world.supervise())
    client, worker = Client(world, 1), Client(world, 2)
    worker.is_careful = True
    working = asyncio.ensure_future(worker.work())
    execution = await client.begin(activity)
    await asyncio.sleep(EVENT_SECONDS)  # noqa: TID251  # virtual
    await client.tell(execution, "go")
    nemesis.heal(world)
    await until_all_is_over(world)
    for task in (supervisor, working):
        task.cancel()
