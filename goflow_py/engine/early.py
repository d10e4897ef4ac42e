"""Events that came before anybody accepted them: kept, and sent as soon as somebody does.

Each has an id, and is sent under it: what a crash makes it send again is applied once.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary
from zlib import crc32

import orjson

from goflow_py.clock import Clock, uuid7
from goflow_py.domain.event import Outside
from goflow_py.domain.execution import Execution
from goflow_py.engine.addressing import with_key
from goflow_py.engine.executions import Executions
from goflow_py.engine.memory import Memory
from goflow_py.engine.requests import IDEMPOTENCY_SECONDS, Match
from goflow_py.engine.waker import Waker
from goflow_py.errors import (
    Conflict,
    GoFlowError,
    PreconditionFailed,
    TooManyRequests,
    Unavailable,
)
from goflow_py.ports import SHARDS, EarlyRow, Name, Store

EARLY_EVENTS_MAX = 1_000
"""Kept for one business key."""
EARLY_OF_PROJECT_MAX = 10_000
"""Kept for one project; so many are for whichever, too."""
FULL_RETRY_SECONDS = 60
ANY_PROJECT = ""
"""The project of an event whose sender named none, and may send to all of them."""
_ROOT = "#"
"""What begins the id of an execution, where a business key is looked at otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlyEvent:
    """An event, and whom it is for."""

    project: str
    """``ANY_PROJECT``: of whichever."""
    activity: str | None
    key: str
    event: Outside
    until: int
    """Kept until then."""
    once: str | None = None
    """What makes a repeated request the same one."""

    @property
    def place(self) -> str:
        """Return where it is kept: all events of one key are together."""
        return _place(self.project, self.key)


def anybody(_: str) -> None:
    """Let every project store more."""


class Early:
    """Keeps early events, and brings them to who accepts them."""

    def __init__(
        self, *, store: Store, memory: Memory, executions: Executions, clock: Clock
    ) -> None:
        self._store = store
        self._memory = memory
        self._executions = executions
        self._clock = clock
        self.share: Callable[[], float] = lambda: 1.0
        """Returns this node's part of all that is kept."""
        self._places: set[str] = set()
        """``project/key`` of all that is kept."""
        self._own: set[str] = set()
        """Those that this node brings to who accepts them: it owns their shard."""
        self._ends: dict[str, dict[str, list[int]]] = {}
        """When what is kept expires, by project and place."""
        self._doubtful: set[str] = set()
        """Places of which a crash may have kept what was applied already."""
        self._asked: set[str] = set()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._waker = Waker(clock, self._look, lambda place: place.partition("/")[0])

    async def load(self) -> None:
        """Read what is kept, and try all that is new to this node: somebody may accept it now."""
        found = await self._store.early_keys(now=self._clock.now_ms())
        kept = {_place(project, key) for project, key in found}
        own = {place for place in kept if self.is_home(place)}
        new = kept - own - self._places
        self._places = kept | {place for place in self._places if self.is_home(place)}
        for place in own - self._own:
            self._doubtful.add(place)
            self.ask(place)
        for place in new:
            self.ask(place)  # somebody may have accepted it here before it was known here
        self._own = own

    def is_home(self, place: str) -> bool:
        """Tell whether it is this node that brings what is kept at a place."""
        return self._memory.owns(home_of(place))

    async def stop(self) -> None:
        """Send nothing any more."""
        await self._waker.stop()

    async def tidy(self) -> None:
        """Forget the keys whose events have expired."""
        kept = await self._store.early_keys(now=self._clock.now_ms())
        for place in self._places - {_place(project, key) for project, key in kept}:
            self.ask(place)

    # ------------------------------------------------------------ keeping

    async def keep(self, early: EarlyEvent, *, admit: Callable[[str], None] = anybody) -> None:
        """Keep an event until somebody accepts it.

        *admit* is asked whether its project may store more, and raises when not. Raises
        ``Conflict`` when too many are kept for its key, ``TooManyRequests`` for its project.
        """
        place = early.place
        async with self._lock(place):
            if not await self._was_applied(early):
                try:
                    admit(early.project)
                    await self._refuse_too_many(early)
                except (Conflict, TooManyRequests):
                    if not await self._is_kept(early):
                        raise
                try:
                    # What comes at the same time under other keys counts it already.
                    ends = self._ends.setdefault(early.project, {}).setdefault(place, [])
                    ends.append(early.until)
                    await self._store.put_early(self._row(early))
                    self._places.add(place)
                    self._own.add(place)
                finally:
                    self.ask(place)  # which counts them anew
            else:
                self.ask(place)

    async def _is_kept(self, early: EarlyEvent) -> bool:
        """Tell whether the same request stored it before: that is answered as ever."""
        if early.once is None:
            return False
        rows = await self._rows(early.project, early.key)
        return any(row.id == early.once for row in rows)

    async def _was_applied(self, early: EarlyEvent) -> bool:
        if early.once is None:
            return False
        found = await self._store.name(early.project, "idem", _scope(early.key), early.once)
        return found is not None

    async def _refuse_too_many(self, early: EarlyEvent) -> None:
        full = await self._store.count_early(early.project, early.key) >= EARLY_EVENTS_MAX
        if full and len(await self._rows(early.project, early.key)) >= EARLY_EVENTS_MAX:
            raise Conflict(
                f"{EARLY_EVENTS_MAX} events are stored for the key '{early.key}' already; "
                "send it again later",
                code="too_many_stored",
            )
        places = self._ends.get(early.project, {})
        # Of many nodes, each has its part of the keys; one key may have what one may have.
        part = round(EARLY_OF_PROJECT_MAX * self.share())
        most = min(EARLY_OF_PROJECT_MAX, max(EARLY_EVENTS_MAX, part))
        if _count(places) < most:
            return
        now = self._clock.now_ms()
        for place, ends in places.items():
            places[place] = [end for end in ends if end > now]
        if _count(places) >= most:
            whose = f"the project {early.project}" if early.project else "whichever project"
            raise TooManyRequests(
                f"{most} events are stored for {whose} already; send it again later",
                code="too_many_stored",
                retryAfter=FULL_RETRY_SECONDS,
            )

    def _row(self, early: EarlyEvent) -> EarlyRow:
        event = early.event
        body = {
            "data": event.data,
            "principal": event.principal,
            "roles": None if event.roles is None else sorted(event.roles),
            "once": early.once is not None,
        }
        return EarlyRow(
            project=early.project,
            activity=early.activity,
            key=early.key,
            name=event.name,
            body=orjson.dumps(body),
            id=early.once or uuid7(self._clock),
            created_at=self._clock.now_ms(),
            expires_at=early.until,
        )

    # ------------------------------------------------------------ sending

    def committed(self, execution: Execution) -> None:
        """Note that an execution moved: it may accept now what it did not before."""
        if not self._places or execution.ended:
            return
        if execution.key is not None:
            for project in (execution.project, ANY_PROJECT):
                place = _place(project, execution.key)
                if place in self._places:
                    self.ask(place)
        elif execution.machine is not None and execution.root is not None:
            # An event for the first of the family is passed on to its machines.
            self.ask(_ROOT + execution.root)

    def ask(self, what: str) -> None:
        """Have a place looked at soon: somebody may accept what is kept there."""
        if what not in self._asked:
            self._asked.add(what)
            self._waker.wake(what)

    def looked_at(self, what: str) -> None:
        """Take note that a look begins: who asks from now on asks for another one."""
        self._asked.discard(what)

    async def _look(self, what: str) -> None:
        self.looked_at(what)
        if is_root(what):
            root = await self._memory.read(what.removeprefix(_ROOT))
            if root.key is not None:
                self.committed(root)
            return
        async with self._lock(what):
            try:
                await self._bring(what)
            except PreconditionFailed:
                self.ask(what)  # somebody else was faster: what it accepts is another question now
            except Unavailable:
                # One may have been applied that is still kept.
                self._doubtful.add(what)
                raise

    async def _bring(self, place: str) -> None:
        """Offer all that is kept for a key, in the order in which it came."""
        project, _, key = place.partition("/")
        rows = await self._rows(project, key)
        self._note(project, place, rows)
        if not rows:
            self._places.discard(place)
        doubtful = place in self._doubtful
        found = await with_key(self._store, key, project=project or None, ended_too=doubtful)
        if doubtful:
            rows = await self._without_applied(rows, found)
            self._note(project, place, rows)
            self._doubtful.discard(place)
        targets = {one.id: one for one in reversed(found) if not one.ended}
        number = 0
        while targets and number < len(rows):
            taker = await self._offer(rows[number], targets)
            if taker is None:
                number += 1
                continue
            await self._forget(rows.pop(number))
            self._note(project, place, rows)
            if targets[taker.id].visit != taker.visit:
                number = 0  # it may accept now what it did not before
            targets[taker.id] = taker

    def _note(self, project: str, place: str, rows: Sequence[EarlyRow]) -> None:
        """Note what is kept at a place now."""
        places = self._ends.setdefault(project, {})
        places[place] = [row.expires_at for row in rows]
        if not rows:
            del places[place]
        if not places:
            del self._ends[project]

    async def _without_applied(
        self, rows: list[EarlyRow], found: list[Execution]
    ) -> list[EarlyRow]:
        """Forget what somebody took before a crash; return the rest."""
        left = []
        for row in rows:
            if any([await self._has(execution, row) for execution in found]):
                await self._forget(row)
            else:
                left.append(row)
        return left

    async def _has(self, execution: Execution, row: EarlyRow) -> bool:
        name = await self._store.name(execution.project, "event", execution.id, row.id)
        return name is not None

    async def _offer(self, row: EarlyRow, targets: dict[str, Execution]) -> Execution | None:
        """Offer an event to all that have its key, oldest first; return who took it.

        Raises ``PreconditionFailed`` when one moved on meanwhile: it may have accepted others.
        """
        event = _event(row)
        for execution in targets.values():
            if row.activity not in (None, execution.activity):
                continue
            seen = Match(revision=execution.seq)
            try:
                return await self._send(execution.id, event, seen)
            except (PreconditionFailed, Unavailable):
                raise
            except GoFlowError:
                continue  # not now, or not this one
        return None

    async def _send(self, execution: str, event: Outside, seen: Match) -> Execution:
        return (await self._executions.send(execution, event, match=seen)).execution

    async def _rows(self, project: str, key: str) -> list[EarlyRow]:
        now = self._clock.now_ms()
        return await self._store.early(project, key, now=now, limit=EARLY_EVENTS_MAX)

    async def _forget(self, row: EarlyRow) -> None:
        if orjson.loads(row.body)["once"]:
            name = Name(
                project=row.project,
                kind="idem",
                scope=_scope(row.key),
                name=row.id,
                execution="",
                expires=self._clock.now_ms() + IDEMPOTENCY_SECONDS * 1000,
            )
            await self._store.put_name(name)
        await self._store.delete_early([row.number])

    def _lock(self, place: str) -> asyncio.Lock:
        lock = self._locks.get(place)
        if lock is None:
            lock = self._locks[place] = asyncio.Lock()
        return lock


def _count(places: Mapping[str, Sequence[int]]) -> int:
    return sum(map(len, places.values()))


def _place(project: str, key: str) -> str:
    return f"{project}/{key}"


def home_of(place: str) -> str:
    """Return an id in the shard of a place: whoever owns that brings what is kept there."""
    return f"00000000-0000-7000-8000-0000000000{crc32(place.encode()) % SHARDS:02x}"


def is_root(what: str) -> bool:
    """Tell whether what is to be looked at is no place, but the first of a family."""
    return what.startswith(_ROOT)


def _scope(key: str) -> str:
    return f"early {key}"


def _event(row: EarlyRow) -> Outside:
    body: dict[str, Any] = orjson.loads(row.body)
    roles = body["roles"]
    return Outside(
        name=row.name,
        data=body["data"],
        id=row.id,
        principal=body["principal"],
        roles=None if roles is None else frozenset(roles),
    )
