"""Looks because of hints: soon, and not more of them than those who look can bear."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from goflow_py.engine.hints import PAUSE_SECONDS, PAUSES_A_LOOK, POLLS_PAUSE_SECONDS, Hints
from goflow_py.engine.supervisor import AGAIN_SECONDS, Supervisor
from goflow_py.errors import Unavailable
from goflow_py.ports import Hint
from goflow_py.store.bell import Bell
from goflow_py.testing import FakeClock

PARTS = {
    Hint.MESSAGES: "mailbox.turn",
    Hint.ANSWERS: "router.collect",
    Hint.SHARDS: "ownership.turn",
    Hint.COMMITS: "elsewhere.committed",
    Hint.WORK: "elsewhere.queued",
}


class Node:
    """Everything that looks, and what was looked at."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.bell = Bell()
        self.looks: list[str] = []
        self.takes = 0.0
        self.fails = False
        self.supervisor = Supervisor(clock, on_lost=lambda: None)

    def hints(self, about: Hint) -> AsyncIterator[None]:
        return self.bell.listen(about)

    def follow(self) -> None:
        store: Any = self
        parts: dict[str, Any] = {
            name: Part(name, self) for name in ("mailbox", "router", "ownership", "elsewhere")
        }
        hints = Hints(store=store, supervisor=self.supervisor, clock=self._clock)
        hints.follow(**parts)

    async def rung(self, about: Hint, seconds: float = 0.0) -> list[str]:
        """Ring, and return what is looked at within so long."""
        self.looks.clear()
        self.bell.ring(about)
        await self._clock.advance(seconds)
        return self.looks

    async def look(self, what: str) -> None:
        self.looks.append(what)
        if self.takes:
            await self._clock.sleep(self.takes)
        if self.fails:
            raise Unavailable("no", code="store_busy")


class Part:
    """A part of the engine: it looks with any of its methods."""

    def __init__(self, name: str, node: Node) -> None:
        self._name = name
        self._node = node

    def __getattr__(self, method: str) -> Any:
        return lambda: self._node.look(f"{self._name}.{method}")


@pytest.fixture
async def node(clock: FakeClock) -> AsyncIterator[Node]:
    """A node that has looked at all once, and has had its pauses."""
    found = Node(clock)
    found.follow()
    await clock.advance(1)
    assert sorted(found.looks) == sorted(PARTS.values())
    yield found
    found.bell.close()
    await found.supervisor.stop()


@pytest.mark.parametrize("about", PARTS)
async def test_only_what_a_hint_is_about_is_looked_at(node: Node, about: Hint) -> None:
    assert await node.rung(about) == [PARTS[about]]


@pytest.mark.parametrize(
    ("about", "pause"),
    [
        (Hint.COMMITS, PAUSE_SECONDS),
        (Hint.SHARDS, PAUSE_SECONDS),
        (Hint.WORK, POLLS_PAUSE_SECONDS),
    ],
)
async def test_hints_of_every_commit_are_looked_at_with_pauses(
    node: Node, about: Hint, pause: float
) -> None:
    assert len(await node.rung(about)) == 1
    assert await node.rung(about, pause * 0.9) == []
    assert await node.rung(about, pause * 0.2) == [PARTS[about]]


async def test_a_look_that_takes_long_is_a_small_part_of_the_time(node: Node) -> None:
    node.takes = 1.0
    await node.rung(Hint.COMMITS, node.takes)
    assert await node.rung(Hint.COMMITS, PAUSES_A_LOOK * 0.9) == []
    assert len(await node.rung(Hint.COMMITS, PAUSES_A_LOOK * 0.2)) == 1


async def test_a_look_that_fails_is_not_repeated_by_every_hint(node: Node) -> None:
    node.fails = True
    await node.rung(Hint.MESSAGES)
    assert await node.rung(Hint.MESSAGES, AGAIN_SECONDS * 0.9) == []
    assert len(await node.rung(Hint.MESSAGES, AGAIN_SECONDS * 0.2)) == 1
