"""What a step changed, written whole or not at all, and made to happen once it is durable."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NoReturn, assert_never

from goflow_py.domain.execution import Execution
from goflow_py.engine.batcher import Batcher
from goflow_py.engine.delivery import Delivery
from goflow_py.engine.family import Family
from goflow_py.engine.limits import Limits
from goflow_py.engine.member import Member
from goflow_py.engine.places import SEAT_KIND, Places, Seat
from goflow_py.engine.records import write_of
from goflow_py.errors import Invalid, Unavailable
from goflow_py.fsm.bytes_bound import STEP_BYTES_MAX, check_head, check_step, is_ending
from goflow_py.ports import Committed, Fenced, Name, Poisonous, Taken, Verdict, Write


class NameTaken(Exception):
    """The step was refused: *name* belongs to another execution, or was used before."""

    def __init__(self, name: Name) -> None:
        super().__init__(name.kind)
        self.name = name


class SeatTaken(Unavailable):
    """The step was refused: another node gave away the place that it was to have."""


class Commits:
    """Commits families; *carry_out* makes a member's change happen.

    *lose* forgets a member of which the store may have something else.
    """

    def __init__(
        self,
        *,
        batcher: Batcher,
        limits: Limits,
        retention_seconds: float,
        carry_out: Callable[[Member, Execution], None],
        lose: Callable[[Member], None],
        fenced: set[str],
        places: Places,
    ) -> None:
        self._batcher = batcher
        self._limits = limits
        self._retention_seconds = retention_seconds
        self._carry_out = carry_out
        self._lose = lose
        self._places = places
        self.fenced = fenced
        """Executions whose steps were refused since the last one that was not."""

    async def commit(
        self,
        family: Family,
        first: Member,
        names: Sequence[Name],
        delivery: Delivery | None = None,
    ) -> None:
        """Write all that a step changed; *names* are taken with its *first* member.

        The message of *delivery* is deleted with it, if it is that member's.

        Raises ``NameTaken``, ``Oversize``, ``Invalid`` (the store cannot hold it), ``Unavailable``.
        """
        changed = [member for member in family.members.values() if member.draft.changed]
        if not changed:
            return
        seats = {} if self._places.is_alone else await self._seats(changed)
        write = self._whole(changed, first, names, seats)
        if delivery is not None:
            write = _with(delivery, write)
        verdict, is_gone = await self._send(changed, write)
        if isinstance(verdict, Committed):
            self._all_committed(changed, write, delivery)
            if is_gone:
                raise asyncio.CancelledError
            return
        match verdict:
            case Taken():
                self._name_taken(changed, verdict.name)
            case Fenced():
                self.fenced.add(first.live.execution.id)
                for member in changed:
                    self._lose(member)
                raise Unavailable("the execution moved on elsewhere; try again", code="fenced")
            case Poisonous():
                message = f"the store cannot hold this step: {verdict.message}"
                raise Invalid(message, code="poisonous")
            case _:
                assert_never(verdict)

    async def _seats(self, changed: Sequence[Member]) -> dict[str, Seat]:
        """Return the seats that executions take, or leave."""
        seats: dict[str, Seat] = {}
        for member in changed:
            compiled, after = member.live.compiled, member.draft.after
            if compiled.blueprint.max_concurrent is not None:
                seat = await self._places.seat(compiled, member.live.execution, after)
                if seat is not None:
                    seats[after.id] = seat
        return seats

    def _name_taken(self, changed: Sequence[Member], name: Name) -> NoReturn:
        if name.kind != SEAT_KIND:
            raise NameTaken(name)
        for member in changed:
            self._places.forget(member.live.execution)
        raise SeatTaken("another node gave this place away; try again", code="busy")

    def _whole(
        self,
        changed: Sequence[Member],
        first: Member,
        names: Sequence[Name],
        seats: Mapping[str, Seat],
    ) -> Write:
        """Return what all of them write, as one."""
        writes, size = list[Write](), 0
        for member in changed:
            write = self._write(member, names if member is first else ())
            if seats and (seat := seats.get(write.head.id)) is not None:
                write = _with_seat(seat, write)
            writes.append(write)
            size += member.draft.size + len(writes[-1].head.body)
            if size > STEP_BYTES_MAX:
                ends = any(is_ending(member.draft.after) for member in changed)
                check_step(first.live.execution.id, size, ends=ends)
        return writes[0] if len(writes) == 1 else replace(writes[0], family=writes[1:])

    def _all_committed(
        self, changed: Sequence[Member], write: Write, delivery: Delivery | None
    ) -> None:
        self.fenced.clear()
        if delivery is not None:
            delivery.is_spent = delivery.number in write.inbox
        for member in changed:
            self._committed(member)

    def _committed(self, member: Member) -> None:
        live, before, after = member.live, member.live.execution, member.draft.after
        live.execution = after
        was_open = not (member.is_new or before.ended)
        self._limits.count(after.project, was_open=was_open, is_open=not after.ended)
        del live.results[: member.results]
        self._carry_out(member, before)

    async def _send(self, changed: Sequence[Member], write: Write) -> tuple[Verdict, bool]:
        """Return the store's verdict, and whether whoever asked for it went away meanwhile."""
        is_known = False
        try:
            pending = self._batcher.submit(write)
            try:
                return await pending, False
            except asyncio.CancelledError:
                if pending.exception() is not None:
                    is_known = True  # nothing was written; whoever was cancelled is to end
                    raise
                # What was committed is carried out all the same: others wait for it.
                return pending.result(), True
        except BaseException as error:
            if not (is_known or isinstance(error, Unavailable)):
                # Whether it was written is not known here.
                for member in changed:
                    self._lose(member)
            raise

    def _write(self, member: Member, names: Sequence[Name]) -> Write:
        retain = member.live.compiled.blueprint.retain
        if retain is None:
            retain = self._retention_seconds
        member.draft.seal()
        write = write_of(
            member.draft,
            member.live.compiled,
            member.live.epoch,
            names,
            start=member.is_new,
            retain_seconds=retain,
        )
        check_head(member.draft.after, len(write.head.body))
        return write


def _with(delivery: Delivery, write: Write) -> Write:
    """Return *write* with the message that it carries out."""
    is_its = write.head.id == delivery.execution
    return replace(write, inbox=(delivery.number,)) if is_its else write


def _with_seat(seat: Seat, write: Write) -> Write:
    """Return *write* with the seat that it takes, or leaves."""
    if seat.is_taken:
        return replace(write, names=[*write.names, seat.name])
    return replace(write, freed=[*write.freed, seat.name])
