"""What a project may have at most; over it a start is refused before it is acknowledged.

What counts is kept from commits: it is read from the store once, then every committed step that
begins, ends or reopens an execution moves it. So no start asks the store, a crash leaves no wrong
number behind, and a start that waits for its commit has its place already.

Children are counted and never refused: a family that waited for a place, which only its own end
gives back, would wait for ever.
"""

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from goflow_py.clock import Clock
from goflow_py.config import Settings
from goflow_py.domain.execution import Execution
from goflow_py.domain.values import value
from goflow_py.engine.heads import read_head
from goflow_py.errors import NotFound, TooManyRequests
from goflow_py.ports import LimitsRow, Name, Store, UsageRow

MEASURE_SECONDS = 2.0
"""Between two readings of the stored bytes, when a limit asks for them."""
FULL_SECONDS = 0.25
"""For which a project that has all it may have is not counted anew."""
RETRY_RUNNING_SECONDS = 1
TOO_MANY = "too_many_running"
RETRY_STORED_SECONDS = 60
RETRY_MAX_SECONDS = 3_600.0


@value
class Use:
    """What a project may have, and what it has."""

    limits: LimitsRow
    """Those that hold: its own, or else the server's."""
    usage: UsageRow
    open_calls: int


@dataclass(slots=True)
class _Bucket:
    """Starts that may happen now; as many come back in a second as the limit says."""

    tokens: float
    at: float

    def fill(self, rate: float, now: float) -> float:
        """Return how many there are now: a second's worth at most, and that is one at least."""
        self.tokens = min(max(1.0, rate), self.tokens + (now - self.at) * rate)
        self.at = now
        return self.tokens


class Limits:
    """Knows the limits of all projects, and what counts against them."""

    def __init__(self, *, store: Store, clock: Clock, defaults: LimitsRow | None = None) -> None:
        self._store = store
        self._clock = clock
        self._defaults = defaults or LimitsRow(project="")
        self._holding: dict[str, LimitsRow] = {}
        """Of the projects that have limits of their own."""
        self._running: Counter[str] = Counter()
        self._counted: Counter[str] = Counter()
        """What it was when the store was asked last: of what was free then, each node begins its
        part."""
        self._full_until: dict[str, float] = {}
        self._counting = asyncio.Lock()
        self._counts: Counter[str] = Counter()
        self._moves = 0
        self._is_doubtful = False
        """Steps were committed while it was read: nobody knows whether they are in it."""
        self._entering: Counter[str] = Counter()
        """Starts that are not committed yet."""
        self._buckets: dict[str, _Bucket] = {}
        self._bytes: dict[str, int] = {}
        self.changed: Callable[[], object] = lambda: None
        """Is called when limits may let somebody go on."""
        self.share: Callable[[], float] = lambda: 1.0
        """Returns this node's part of what all nodes may do."""

    async def load(self) -> None:
        """Read all limits, and what every project has. Nothing may be committed meanwhile.

        Where other nodes commit, it is read again and again: a limit holds up to what they began
        since the last time.
        """
        for row in await self._store.limits():
            self._holding[row.project] = _over(self._defaults, row)
        await self._count()

    async def refresh(self) -> None:
        """Read again what other nodes may have set, and what they have begun and ended."""
        rows = await self._store.limits()
        holding = {row.project: _over(self._defaults, row) for row in rows}
        if holding != self._holding:
            self._holding = holding
            self.changed()
        limits = (self._defaults, *holding.values())
        if any(one.max_running is not None or one.max_stored_bytes is not None for one in limits):
            await self._count()

    async def _count(self) -> None:
        moves = self._moves
        uses = await self._store.usage()
        self._is_doubtful = self._moves != moves
        self._running = Counter({use.project: use.running for use in uses})
        self._counted = self._running.copy()
        self._bytes = {use.project: use.stored_bytes for use in uses}

    async def measure(self) -> None:
        """Read how many bytes are stored, when somebody has a limit for them."""
        if self._is_doubtful:
            await self._count()
            return
        rows = (self._defaults, *self._holding.values())
        if any(row.max_stored_bytes is not None for row in rows):
            self._bytes = {use.project: use.stored_bytes for use in await self._store.usage()}

    # ------------------------------------------------------------ what they are

    def of(self, project: str) -> LimitsRow:
        """Return the limits that hold for a project."""
        return self._holding.get(project, self._defaults)

    def open_calls_max(self, project: str) -> int | None:
        """Return how many calls of a project may be in flight on this node; at least one."""
        most = self.of(project).max_open_calls
        return None if most is None else math.ceil(most * self.share())

    async def put(self, row: LimitsRow) -> None:
        """Set the limits of a project; they hold at once."""
        await self._store.put_limits(row)
        self._holding[row.project] = _over(self._defaults, row)
        await self.measure()
        self.changed()

    async def delete(self, project: str) -> None:
        """Let the server's limits hold for a project again. Raises ``NotFound``."""
        if not await self._store.delete_limits(project):
            raise NotFound(f"the project {project} has no limits of its own to delete")
        self._holding.pop(project, None)
        await self.measure()
        self.changed()

    async def uses(
        self, project: str | None = None, *, open_calls: Callable[[str], int]
    ) -> list[Use]:
        """Return what every project may have and has as it is durable now, or one, by name."""
        return [
            Use(
                limits=replace(self.of(usage.project), project=usage.project),
                usage=usage,
                open_calls=open_calls(usage.project),
            )
            for usage in await self._store.usage(project)
            if usage.project  # what is stored for whichever project is nobody's own
        ]

    # ------------------------------------------------------------ starts

    async def enter(self, execution: Execution, names: Sequence[Name]) -> Name | None:
        """Let a start have its place; or return the name that makes it a repeat of another.

        Who entered leaves with ``leave``. Raises ``TooManyRequests`` over a limit: but a repeat is
        answered as ever, whatever the limits say.
        """
        project = execution.project
        refusal = self._refusal(project)
        if refusal is not None and refusal.reason == TOO_MANY and await self._count_anew(project):
            refusal = self._refusal(project)
        if refusal is None:
            self._entering[project] += 1
            return None
        known = await self._known(execution, names)
        if known is None:
            raise refusal
        return known

    async def _count_anew(self, project: str) -> bool:
        """Count what other nodes may have ended; False: there are none, or it was full just now."""
        if self.share() >= 1 or self._clock.monotonic() < self._full_until.get(project, 0.0):
            return False
        counts = self._counts[project]
        async with self._counting:
            if counts == self._counts[project]:  # many that ask at once are answered by one count
                moves = self._moves
                found = await self._store.usage(project)
                self._is_doubtful = self._is_doubtful or self._moves != moves
                self._running[project] = sum(use.running for use in found)
                self._counted[project] = self._running[project]
                self._counts[project] += 1
        self._full_until.pop(project, None)
        most = self.of(project).max_running
        if most is not None and self._counted[project] >= most:
            self._full_until[project] = self._clock.monotonic() + FULL_SECONDS
        return True

    def leave(self, project: str, *, started: bool) -> None:
        """Give the place back: the start is committed, and counts by that, or came to nothing."""
        self._entering[project] -= 1
        if not self._entering[project]:
            del self._entering[project]
        bucket = self._buckets.get(project)
        if bucket is not None and not started:
            bucket.tokens += 1

    def count(self, project: str, *, was_open: bool, is_open: bool) -> None:
        """Count what a committed step began, ended or reopened."""
        if was_open != is_open:
            self._moves += 1
            self._running[project] += is_open - was_open

    # ------------------------------------------------------------ what is stored

    def admit_stored(self, project: str) -> None:
        """Raise ``TooManyRequests`` when *project* may store nothing more now.

        That of an event for whichever project is ``""``; the server's limit holds for all of those.
        """
        refusal = self._too_much(project, self.of(project).max_stored_bytes)
        if refusal is not None:
            raise refusal

    def _too_much(self, project: str, limit: int | None) -> TooManyRequests | None:
        stored = self._bytes.get(project, 0)
        if limit is None or stored < limit:
            return None
        whose = f"the project {project} has" if project else "events for whichever project have"
        return TooManyRequests(
            f"{whose} {stored} bytes stored, and may have {limit}; delete ended executions "
            "and old blueprint versions, or keep them shorter",
            code="too_much_stored",
            limit=limit,
            current=stored,
            retryAfter=RETRY_STORED_SECONDS,
        )

    # ------------------------------------------------------------ why not

    def _refusal(self, project: str) -> TooManyRequests | None:
        """Say why no execution of *project* may start now; else take its part of the rate."""
        limits = self.of(project)
        running = self._running[project] + self._entering[project]
        too_much = self._too_much(project, limits.max_stored_bytes)
        if too_much is not None:
            return too_much
        most = limits.max_running
        if most is not None and (running >= most or self._has_had_its_part(project, most)):
            return TooManyRequests(
                f"{running} executions of the project {project} have not ended, and "
                f"{most} may; start this one when others have ended",
                code=TOO_MANY,
                limit=most,
                current=running,
                retryAfter=RETRY_RUNNING_SECONDS,
            )
        rate = limits.starts_per_second
        return self._too_fast(project, None if rate is None else rate * self.share())

    def _has_had_its_part(self, project: str, most: int) -> bool:
        """Tell whether this node began its part of what was free when it was counted last."""
        share = self.share()
        if share >= 1:
            return False
        counted = self._counted[project]
        begun = self._running[project] - counted + self._entering[project]
        return begun >= math.ceil(max(0, most - counted) * share)

    def _too_fast(self, project: str, rate: float | None) -> TooManyRequests | None:
        if rate is None:
            self._buckets.pop(project, None)
            return None
        now = self._clock.monotonic()
        bucket = self._buckets.get(project)
        if bucket is None:
            bucket = self._buckets[project] = _Bucket(max(1.0, rate), now)
        tokens = bucket.fill(rate, now)
        if tokens >= 1:
            bucket.tokens -= 1
            return None
        return TooManyRequests(
            f"executions of the project {project} start faster than {rate:g} a second; "
            "start this one a little later",
            code="too_many_starts",
            limit=rate,
            current=round(max(1.0, rate) - tokens, 3),
            retryAfter=math.ceil(max(1.0, min(RETRY_MAX_SECONDS, (1 - tokens) / rate))),
        )

    async def _known(self, execution: Execution, names: Sequence[Name]) -> Name | None:
        for name in names:
            found = await self._store.name(name.project, name.kind, name.scope, name.name)
            if found is not None:
                return found
        body = await self._store.head(execution.id)
        if body is None:
            return None
        project = read_head(execution.id, body).project
        return Name(project=project, kind="id", scope="", name=execution.id, execution=execution.id)


def server_limits(settings: Settings) -> LimitsRow:
    """Return the limits of every project that has none of its own."""
    return LimitsRow(
        project="",
        max_running=settings.max_running,
        starts_per_second=settings.starts_per_second,
        max_open_calls=settings.max_open_calls,
        max_stored_bytes=settings.max_stored_bytes,
    )


def _over(defaults: LimitsRow, own: LimitsRow) -> LimitsRow:
    """Return a project's own limits, and the server's where it has none."""
    return LimitsRow(
        project=own.project,
        max_running=defaults.max_running if own.max_running is None else own.max_running,
        starts_per_second=defaults.starts_per_second
        if own.starts_per_second is None
        else own.starts_per_second,
        max_open_calls=defaults.max_open_calls
        if own.max_open_calls is None
        else own.max_open_calls,
        max_stored_bytes=defaults.max_stored_bytes
        if own.max_stored_bytes is None
        else own.max_stored_bytes,
    )
