"""Who may begin, of an activity that declares ``maxConcurrent``.

The truth are two kinds of names in the store, taken and freed with the steps themselves: ``place``
of those that have begun, ``waiting`` of those that wait, in their order. A room is what this node
knows of one activity's; it is read when it is first needed, so there is nothing to recover.
Where other nodes may give places too, each comes with a seat: a name with a number below the limit,
taken and freed with the same steps. So what another node did meanwhile makes a step refused, and
never one too many begin.
The limit is that of the latest version. Who was here before is never sent away: when the limit is
lowered, nobody begins until enough have ended.
"""

import asyncio
import itertools
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from goflow_py.clock import Clock
from goflow_py.domain.execution import Execution
from goflow_py.domain.values import value
from goflow_py.engine.catalog import Catalog
from goflow_py.engine.records import PLACE_KIND, WAITING_KIND
from goflow_py.errors import GoFlowError
from goflow_py.fsm.compile import Compiled
from goflow_py.fsm.places import has_place, waits_for_place
from goflow_py.ports import Name, Store

log = logging.getLogger(__name__)

PAGE = 500
INVITED_MAX = 100
"""Executions of one activity that are woken at the same time."""
INVITATION_SECONDS = 30.0
"""Who has not begun by then may be paused, or gone: another is asked."""

SEAT_KIND = "seat"

RoomName = tuple[str, str]


@value
class Seat:
    """A seat that a step takes, or leaves."""

    name: Name
    is_taken: bool


@dataclass(slots=True, eq=False)
class _Room:
    taken: set[str] = field(default_factory=set)
    """Who has a place, or is about to commit that."""
    seats: dict[str, int] = field(default_factory=dict)
    """The numbers that they have."""
    invited: dict[str, float] = field(default_factory=dict)
    """Who was woken to take one, and when."""
    gone: set[str] = field(default_factory=set)
    """Who ended while the room was read."""
    some_wait: bool = False
    changed: bool = False
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    inviting: asyncio.Task[None] | None = None


class Places:
    """Gives places, oldest first."""

    def __init__(
        self, *, store: Store, catalog: Catalog, clock: Clock, wake: Callable[[str], None]
    ) -> None:
        self.is_alone = True
        """Nobody else gives places."""
        self._store = store
        self._catalog = catalog
        self._clock = clock
        self._wake = wake
        self._rooms: dict[RoomName, _Room] = {}
        self._granted: dict[str, tuple[RoomName, int]] = {}
        """Who was given a place that is not committed yet: a room that is read anew has them."""
        self._doubtful: set[RoomName] = set()
        """Rooms that have to be read again."""
        catalog.on_change = self.look_at

    async def load(self) -> None:
        """Ask those in that waited when the server stopped."""
        for name in await self._store.scopes(WAITING_KIND):
            await self._room(name)
            self.look_at(*name)

    async def tick(self) -> None:
        """Look again at every activity of which some wait."""
        for name in list(self._doubtful):
            await self._room(name)
            self._doubtful.discard(name)
            self.look_at(*name)
        for name, room in list(self._rooms.items()):
            if room.some_wait:
                self.look_at(*name)

    async def refresh(self) -> None:
        """Read again where some wait: other nodes may have given places, or had some back."""
        for name in [name for name, room in self._rooms.items() if room.some_wait]:
            self._rooms.pop(name, None)
            await self._room(name)
            self.look_at(*name)

    async def stop(self) -> None:
        """Ask nobody in any more."""
        found = [room.inviting for room in self._rooms.values() if room.inviting is not None]
        for task in found:
            task.cancel()
        await asyncio.gather(*found, return_exceptions=True)

    # ------------------------------------------------------------ steps

    async def take(self, execution: Execution) -> bool:
        """Give an execution that waits a place, if it is its turn; it has to be committed."""
        name = (execution.project, execution.activity)
        # Before the room: one that is dropped meanwhile must not be taken in.
        limit = await self._limit(name)
        room = await self._room(name)
        if execution.id not in room.taken:
            is_asked = room.invited.pop(execution.id, None) is not None
            others = len(room.taken) + len(room.invited)
            if limit is not None and (others >= limit or (room.some_wait and not is_asked)):
                return False
            room.taken.add(execution.id)
            room.seats[execution.id] = number = _lowest_free(room)
            self._granted[execution.id] = name, number
        return True

    async def seat(self, compiled: Compiled, before: Execution, after: Execution) -> Seat | None:
        """Return the seat that a step takes or leaves, if it does."""
        if self.is_alone or compiled.blueprint.max_concurrent is None:
            return None
        has = has_place(compiled, after)
        if has == has_place(compiled, before):
            return None
        room = await self._room((after.project, after.activity))
        number = room.seats.get(after.id)
        if number is None:
            return None  # it had its place before seats were given
        name = Name(
            project=after.project,
            kind=SEAT_KIND,
            scope=after.activity,
            name=f"{number:08d}",
            execution=after.id,
        )
        return Seat(name=name, is_taken=has)

    def give_back(self, compiled: Compiled, execution: Execution) -> None:
        """Take back what a step was given that was not committed."""
        self._granted.pop(execution.id, None)
        if compiled.blueprint.max_concurrent is not None and not has_place(compiled, execution):
            self._leave(execution)

    def committed(self, compiled: Compiled, before: Execution, after: Execution) -> None:
        """Note what a step changed, and ask the next ones in."""
        if compiled.blueprint.max_concurrent is None:
            return
        self._granted.pop(after.id, None)
        room = self._rooms.get((after.project, after.activity))
        if room is None:
            return  # nobody has asked yet: it will be read
        if has_place(compiled, after):
            room.taken.add(after.id)
            room.gone.discard(after.id)
        elif has_place(compiled, before) or not waits_for_place(after):
            self._leave(after)
        elif after.paused:
            room.invited.pop(after.id, None)  # it will not come now: another is asked
        if waits_for_place(after):
            room.some_wait = True
        if room.some_wait:
            self.look_at(after.project, after.activity)

    def forget(self, execution: Execution) -> None:
        """Read an activity's places again: what became of a step is not known here."""
        name = (execution.project, execution.activity)
        if self._rooms.pop(name, None) is not None:
            self._doubtful.add(name)

    def _leave(self, execution: Execution) -> None:
        room = self._rooms.get((execution.project, execution.activity))
        if room is None:
            return
        room.taken.discard(execution.id)
        room.seats.pop(execution.id, None)
        room.invited.pop(execution.id, None)
        if not room.ready.is_set():
            room.gone.add(execution.id)
        if room.some_wait:
            self.look_at(execution.project, execution.activity)

    # ------------------------------------------------------------ rooms

    async def _room(self, name: RoomName) -> _Room:
        room = self._rooms.get(name)
        if room is None:
            room = self._rooms[name] = _Room()
            try:
                await self._read(name, room)
            except BaseException:
                del self._rooms[name]
                raise
            finally:
                room.ready.set()
        await room.ready.wait()
        if self._rooms.get(name) is not room:  # it could not be read, or is to be read again
            return await self._room(name)
        return room

    async def _read(self, name: RoomName, room: _Room) -> None:
        project, activity = name
        after = ""
        while found := await self._store.names(
            project, PLACE_KIND, activity, after=after, limit=PAGE
        ):
            room.taken |= {one.execution for one in found} - room.gone
            after = found[-1].name
        await self._read_seats(name, room)
        for one, (where, number) in self._granted.items():
            if where == name and one not in room.gone:
                room.taken.add(one)
                room.seats[one] = number
        waiting = await self._store.names(project, WAITING_KIND, activity, after="", limit=1)
        room.some_wait = room.some_wait or bool(waiting)

    async def _read_seats(self, name: RoomName, room: _Room) -> None:
        after = ""
        while found := await self._store.names(
            *(name[0], SEAT_KIND, name[1]), after=after, limit=PAGE
        ):
            room.seats |= {one.execution: int(one.name) for one in found}
            after = found[-1].name
        for gone in room.gone:
            room.seats.pop(gone, None)

    async def _limit(self, name: RoomName) -> int | None:
        return (await self._catalog.activity(*name)).latest.blueprint.max_concurrent

    # ------------------------------------------------------------ asking in

    def look_at(self, project: str, activity: str) -> None:
        """Ask in who may begin now: somebody ended, or the limit is another."""
        room = self._rooms.get((project, activity))
        if room is None:
            return
        room.changed = True
        if room.inviting is None:
            loop = asyncio.get_running_loop()
            room.inviting = loop.create_task(self._invite_all((project, activity), room))

    async def _invite_all(self, name: RoomName, room: _Room) -> None:
        try:
            await room.ready.wait()
            while room.changed:
                room.changed = False
                await self._invite(name, room)
        except GoFlowError as error:
            log.warning("nobody could be asked in", extra={"activity": name, "why": error.detail})
        finally:
            room.inviting = None

    async def _invite(self, name: RoomName, room: _Room) -> None:
        """Wake the oldest of those that wait, as many as there are places."""
        now, limit = self._clock.monotonic(), await self._limit(name)
        for one, since in list(room.invited.items()):
            if now - since > INVITATION_SECONDS:
                del room.invited[one]
        free = INVITED_MAX - len(room.invited)
        if limit is not None:
            free = min(free, limit - len(room.taken) - len(room.invited))
        if free <= 0:
            return
        found = await self._store.names(
            *(name[0], WAITING_KIND, name[1]), after="", limit=free + len(room.invited)
        )
        if not found and not room.changed:
            room.some_wait = False
        for one in [one.execution for one in found if one.execution not in room.invited][:free]:
            if one not in room.taken:
                room.invited[one] = now
                self._wake(one)  # one of another node is asked there, and counts here


def _lowest_free(room: _Room) -> int:
    taken = set(room.seats.values())
    return next(number for number in itertools.count() if number not in taken)
