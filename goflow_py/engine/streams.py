"""Streams: who follows one execution or all, how many may, and what ends them."""

from collections import Counter
from collections.abc import Sequence
from typing import Protocol

import orjson

from goflow_py.clock import Clock
from goflow_py.domain.values import value
from goflow_py.engine.feed import Feed
from goflow_py.engine.memory import Memory
from goflow_py.engine.ring import Ring
from goflow_py.engine.tracking import Tracking
from goflow_py.errors import Unavailable
from goflow_py.ports import Store

STREAMS_MAX = 200
"""Open at a time; half of them may be of one project."""
CHAPTER_BYTES_MAX = 256 * 1024
"""Of one execution's history at once, but for one record: each reader may be a slow one."""


class Source(Protocol):
    """What a stream reads."""

    def wake(self) -> None:
        """Let it look whether it is to end."""

    def close(self) -> None:
        """Read no more."""


@value
class Chapter:
    """What comes next of one execution; nothing, when only time has passed."""

    items: Sequence[tuple[int, bytes]] = ()
    """Entries as they are sent, with their seqs."""
    reset: bool = False
    """The reader knew more than there is; it is told everything from now on."""
    ended: str | None = None
    """The status with which the execution has ended, when all of it was told."""


class Streams:
    """Counts the streams, and ends them."""

    def __init__(self, *, store: Store, tracking: Tracking, memory: Memory, clock: Clock) -> None:
        self.feed = Feed(store=store, clock=clock)
        self._tracking = tracking
        self._memory = memory
        self._clock = clock
        self._open: dict[Source, str | None] = {}
        """Every stream, and of which project its caller is."""
        self._of: Counter[str | None] = Counter()
        self.is_over = False
        """The server is about to end, and all streams with it."""

    def __len__(self) -> int:
        return len(self._open)

    def enter(self, source: Source, project: str | None) -> None:
        """Count a stream. Raises ``Unavailable``: there are too many."""
        if len(self._open) >= STREAMS_MAX:
            raise _too_many(STREAMS_MAX, "streams")
        if project is not None and self._of[project] >= STREAMS_MAX // 2:
            raise _too_many(STREAMS_MAX // 2, f"streams of the project {project}")
        self._open[source] = project
        self._of[project] += 1

    def leave(self, source: Source) -> None:
        """Close a stream, and count it no more."""
        source.close()
        if source in self._open:
            project = self._open.pop(source)
            self._of[project] -= 1
            if not self._of[project]:
                del self._of[project]

    def end(self) -> None:
        """Let all streams end."""
        self.is_over = True
        for source in self._open:
            source.wake()

    def story(self, execution: str, *, project: str | None, after: int) -> "Story":
        """Return what follows of an execution behind the seq *after*."""
        return Story(self._tracking, self._memory, Ring(self._clock), execution, project, after)


class Story:
    """The history of one execution, as it is committed."""

    def __init__(
        self,
        tracking: Tracking,
        memory: Memory,
        ring: Ring,
        execution: str,
        project: str | None,
        after: int,
    ) -> None:
        self._tracking = tracking
        self._memory = memory
        self._ring = ring
        self._execution = execution
        self._project = project
        self._after = after
        # From now on: what is committed behind the first look is not missed.
        memory.followers.setdefault(execution, set()).add(ring)

    async def next(self, seconds: float) -> Chapter:
        """Return what comes next, after *seconds* at the latest. Raises what reading raises."""
        chapter = await self._look()
        if chapter is None:
            await self._ring.wait(seconds)
            chapter = await self._look()
        return chapter or Chapter()

    def wake(self) -> None:
        self._ring.ring()

    def close(self) -> None:
        rings = self._memory.followers.get(self._execution, set())
        rings.discard(self._ring)
        if not rings:
            self._memory.followers.pop(self._execution, None)

    async def _look(self) -> Chapter | None:
        # The head comes first: an end that it shows is in what is read then.
        execution = await self._tracking.get(self._execution, project=self._project)
        if self._after > execution.seq:
            self._after = -1
            return Chapter(reset=True)
        if self._after < execution.seq:
            found = await self._tracking.next_entries(
                execution, after=self._after, bytes_max=CHAPTER_BYTES_MAX
            )
            self._after = found[-1]["seq"]
            return Chapter(items=[(entry["seq"], orjson.dumps(entry)) for entry in found])
        return Chapter(ended=execution.status) if execution.ended else None


def _too_many(most: int, whose: str) -> Unavailable:
    return Unavailable(
        f"{most} {whose} are open already; close one, or ask again later", code="too_many_streams"
    )
