"""All commits in their order, live: one reading of the store, for however many follow.

Nothing is handed over from a commit to who follows: its records are read from the store, behind the
number that was read last. So there is nothing that a crash could lose, and one order for what was
committed long ago and what is committed now.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Mapping, Sequence

import orjson

from goflow_py.clock import Clock
from goflow_py.domain.values import value
from goflow_py.engine.heads import UNREADABLE
from goflow_py.engine.ring import Ring
from goflow_py.engine.views import entry_view
from goflow_py.ports import CommitPage, CommitRow, Store

log = logging.getLogger(__name__)

BUFFER_ENTRIES_MAX = 1_000
"""Entries that wait for one reader; with more of them it begins anew."""
BUFFER_BYTES_MAX = 1024 * 1024
PAGE_RECORDS = 500
READ_EVERY_SECONDS = 0.02
"""At most; what is committed meanwhile is read in one piece."""
AGAIN_SECONDS = 1.0
"""After a reading that failed."""

TOO_OLD = "too_old"
TOO_SLOW = "too_slow"


@value
class Place:
    """A place in the order of commits: behind the record *after*, and a part of the next one."""

    line: str
    """The name of the order."""
    after: int
    skip: int = -1
    """The entries up to this seq of the next record are behind it, too."""

    def __str__(self) -> str:
        # However far it is: the length would tell how much all projects have done.
        return f"{self.line} {self.after:019d} {self.skip}"


def place_of(text: str) -> Place | None:
    """Return the place that a text begins with; None when it does with none."""
    try:
        line, after, skip, *_ = text.split(" ")
        return Place(line=line, after=int(after), skip=int(skip))
    except ValueError:
        return None


@value
class Which:
    """Whose entries; None asks nothing."""

    projects: frozenset[str] | None = None
    activity: str | None = None
    statuses: frozenset[str] = frozenset()
    key: str | None = None

    def admits(self, row: CommitRow) -> bool:
        """Tell whether a record is among them."""
        return (
            (self.projects is None or row.project in self.projects)
            and (self.activity is None or row.activity == self.activity)
            and (not self.statuses or row.status in self.statuses)
            and (self.key is None or row.key == self.key)
        )

    def misses(self, forgotten: Mapping[str, int], after: int) -> bool:
        """Tell whether a record behind *after* that may be among them was deleted."""
        return any(
            number > after and (self.projects is None or project in self.projects)
            for project, number in forgotten.items()
        )


@value
class Item:
    """An entry as it is sent, and the place behind it."""

    n: int
    place: Place
    data: bytes


@value
class Part:
    """What comes next of a feed; nothing, when only time has passed."""

    items: Sequence[Item] = ()
    place: Place
    """Behind all of it."""
    reset: str | None = None
    """Why entries were left out before *place*."""


class Feed:
    """Reads what is committed while somebody follows, and hands it to all who do."""

    def __init__(self, *, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._tails: set[Tail] = set()
        self._some = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None
        self._line = ""
        self._position = 0
        """What is behind this number is handed on when it is read."""

    def committed(self) -> None:
        """Take note that something was committed."""
        if self._tails:
            self._some.set()

    async def follow(self, which: Which, text: str | None) -> "Tail":
        """Return what follows from the place that a text names; None: from now on."""
        line, newest = await self._store.newest_commit()
        self._line, now = line, Place(line=line, after=newest)
        place = now if text is None else place_of(text)
        known = place is not None and place.line == line and place.after <= newest
        tail = Tail(self, self._store, self._clock, which, place if place and known else now)
        tail.is_lost = None if known else TOO_OLD
        return tail

    def join(self, tail: "Tail") -> int:
        """Hand to *tail* what is committed behind the number that is returned."""
        if not self._tails:
            self._position = tail.after
            self._reader = asyncio.get_running_loop().create_task(self._read_on())
        self._some.set()  # something may have been committed since its last look
        self._tails.add(tail)
        return self._position

    def leave(self, tail: "Tail") -> None:
        """Hand nothing more to *tail*."""
        self._tails.discard(tail)
        if not self._tails and self._reader is not None:
            self._reader.cancel()
            self._reader = None

    async def _read_on(self) -> None:
        while True:
            await self._some.wait()
            self._some.clear()
            try:
                while await self._read():
                    pass
            except Exception as error:  # noqa: BLE001  # who follows must not be left without it
                log.warning("the commits cannot be read", extra={"error": str(error)})
                self._some.set()
                await self._clock.sleep(AGAIN_SECONDS)
            await self._clock.sleep(READ_EVERY_SECONDS)

    async def _read(self) -> bool:
        """Hand on one page; tell whether it was a full one."""
        before = self._position
        page = await self._store.commits(after=before, limit=PAGE_RECORDS)
        for row in page.items:
            wanted = [tail for tail in self._tails if tail.which.admits(row)]
            if wanted:
                items = items_of(row, self._line)
                for tail in wanted:
                    tail.put(items)
        self._position = page.until
        for tail in self._tails:
            tail.passed(page)
        if page.until > before:
            self._some.set()  # long records make a page short: there may be more
        return len(page.items) == PAGE_RECORDS


class Tail:
    """What one reader has still to get: from the store, until it has come up to what is live."""

    def __init__(self, feed: Feed, store: Store, clock: Clock, which: Which, place: Place) -> None:
        self._feed = feed
        self._store = store
        self._ring = Ring(clock)
        self.which = which
        self._line, self.after, self._skip = place.line, place.after, place.skip
        self.is_lost: str | None = None
        """Why it cannot go on from where it is."""
        self._joined: int | None = None
        """What is behind this number comes by itself."""
        self._seen = 0
        """Up to which number it came, or was none of ours."""
        self._buffer: deque[Item] = deque()
        self._bytes = 0

    @property
    def place(self) -> Place:
        """Return where it is."""
        return Place(line=self._line, after=self.after, skip=self._skip)

    async def next(self, seconds: float) -> Part:
        """Return what comes next, after *seconds* at the latest. Raises ``Unavailable``."""
        if self._is_live and self.is_lost is None and not self._buffer:
            await self._ring.wait(seconds)
        if self.is_lost is not None:
            return await self._begin_anew(self.is_lost)
        return self._take() if self._is_live else await self._catch_up()

    @property
    def _is_live(self) -> bool:
        return self._joined is not None and self.after >= self._joined

    def wake(self) -> None:
        """Let ``next`` return, with nothing if there is nothing."""
        self._ring.ring()

    def close(self) -> None:
        """Follow no more."""
        self._feed.leave(self)
        self._buffer.clear()

    async def _begin_anew(self, reason: str) -> Part:
        """Go on from what is committed now; its reader is told."""
        self.close()
        self._line, self.after = await self._store.newest_commit()
        self._skip, self._bytes, self._joined, self.is_lost = -1, 0, None, None
        return Part(place=self.place, reset=reason)

    # ------------------------------------------------------------ from the store

    async def _catch_up(self) -> Part:
        before, joined = self.after, self._joined
        page = await self._store.commits(after=before, limit=PAGE_RECORDS)
        if self.which.misses(page.forgotten, before):
            return await self._begin_anew(TOO_OLD)
        found = [
            item
            for row in page.items
            if self.which.admits(row)
            for item in items_of(row, self._line, skip=self._skip if row.n == before + 1 else -1)
        ]
        if page.until > before:
            self._come_to(page.until)
        elif joined is None:
            self._join()
        else:
            # All that there was behind *before* has gone, and it was none of ours.
            self._come_to(joined)
        return Part(items=found, place=self.place)

    def _come_to(self, number: int) -> None:
        if number > self.after:
            self.after, self._skip = number, -1

    def _join(self) -> None:
        self._joined = self._feed.join(self)
        self._seen = max(self.after, self._joined)

    # ------------------------------------------------------------ live

    def put(self, items: Sequence[Item]) -> None:
        """Take the entries of a record that was read for all."""
        if self.is_lost is not None or not items or items[0].n <= self.after:
            return
        self._bytes += sum(len(item.data) for item in items)
        is_full = (
            len(self._buffer) + len(items) > BUFFER_ENTRIES_MAX or self._bytes > BUFFER_BYTES_MAX
        )
        if self._buffer and is_full:
            self._lose(TOO_SLOW)
        else:
            self._buffer.extend(items)
        self._ring.ring()

    def passed(self, page: CommitPage) -> None:
        """Take note that a page was read for all."""
        if self.is_lost is None and self.which.misses(page.forgotten, self._seen):
            self._lose(TOO_OLD)
            self._ring.ring()
        self._seen = max(self._seen, page.until)

    def _lose(self, reason: str) -> None:
        self.is_lost = reason
        self._buffer.clear()

    def _take(self) -> Part:
        items = [item for item in self._buffer if item.n > self.after]
        self._buffer.clear()
        self._bytes = 0
        self._come_to(self._seen)
        return Part(items=items, place=self.place)


def items_of(row: CommitRow, line: str, *, skip: int = -1) -> list[Item]:
    """Return the entries of a record behind the seq *skip*."""
    try:
        entries = orjson.loads(row.record.entries)
        return [
            Item(n=row.n, place=_behind(row, line, entry["seq"]), data=_data(row, entry))
            for entry in entries
            if entry["seq"] > skip
        ]
    except UNREADABLE:
        # Who reads its history is told; the others get what is theirs.
        log.error("a record cannot be read", extra={"execution": row.record.execution})
        return []


def _behind(row: CommitRow, line: str, seq: int) -> Place:
    if seq >= row.record.seq:
        return Place(line=line, after=row.n)
    return Place(line=line, after=row.n - 1, skip=seq)


def _data(row: CommitRow, entry: Mapping[str, object]) -> bytes:
    return orjson.dumps(
        {
            "execution": row.record.execution,
            "project": row.project,
            "activity": row.activity,
            "key": row.key,
            "status": row.status,
            "entry": entry_view(dict(entry)),
        }
    )
