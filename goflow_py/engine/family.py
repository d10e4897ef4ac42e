"""Parents and children: what one step changes in several executions is committed whole.

A family shares a lock and a shard. Nothing is sent between its members: after a step, each member
is compared with what its relatives know of it, and they are told in the same commit. A parent's
open child that is gone is cancelled, a child that ended ends its task, a pause reaches down.
"""

import asyncio
from dataclasses import replace

from goflow_py.domain.event import Control
from goflow_py.domain.execution import Execution, Status, Task
from goflow_py.domain.values import value
from goflow_py.engine import attempts
from goflow_py.engine.attempts import Chosen
from goflow_py.engine.births import Birth, Unborn, conceive, parentage
from goflow_py.engine.catalog import Catalog
from goflow_py.engine.dispatcher import Dispatcher
from goflow_py.engine.inputs import abandon_lost, catch_up, take_held
from goflow_py.engine.kin import Children
from goflow_py.engine.member import Member
from goflow_py.engine.memory import Live, Memory
from goflow_py.engine.places import Places
from goflow_py.engine.stand_ins import Workers, workers_of
from goflow_py.engine.verdict import Definite, Failure, Success, Verdict
from goflow_py.errors import Conflict, GoFlowError, NotFound
from goflow_py.fsm import inputs
from goflow_py.fsm.controls import carry_out, control
from goflow_py.fsm.draft import Draft
from goflow_py.fsm.events import is_machine, take_deferred
from goflow_py.fsm.places import PLACE, begin, noted_command, withdraw

ROUNDS_MAX = 10_000
"""Messages between relatives in one step."""
ROUNDS_PACED = 100
"""After so many no work begins in the same step any more."""
MEMBERS_MAX = 500
"""Executions of one step; more begin in the next ones."""
YIELD_MEMBERS = 50
"""With more of them, others get a turn between two rounds."""
MESSAGE_CHARACTERS_MAX = 300
"""Of a child's error in its parent's: generations would repeat one another."""


@value
class Around:
    """What the steps of all families need."""

    memory: Memory
    catalog: Catalog
    dispatcher: Dispatcher
    places: Places


class Family:
    """The executions that one step touches, as drafts."""

    __slots__ = ("_around", "_dispatcher", "_dispatches", "_entered", "_memory", "_now", "members")

    def __init__(self, around: Around, *, now: int, dispatches: bool) -> None:
        self._around = around
        self._memory = around.memory
        self._dispatcher = around.dispatcher
        self._dispatches = dispatches
        self._now = now
        self.members: dict[str, Member] = {}
        self._entered: list[Live] = []

    # ------------------------------------------------------------ members

    def take(self, live: Live, workers: Workers, *, is_new: bool = False) -> Member:
        """Let *live* be a member; it is not stepped yet."""
        execution = live.execution
        member = Member(live, Draft(execution, self._now), workers, is_new=is_new)
        self.members[execution.id] = member
        return member

    async def enter(self, live: Live, *, is_new: bool = False) -> Member:
        """Let *live* be a member, with the workers that it has now."""
        execution = live.execution
        workers = await self._around.catalog.workers(execution.project, execution.activity)
        return self.take(live, workers, is_new=is_new)

    async def _relative(self, execution: str) -> Member:
        """Return a relative as it is now: its due timers come first. Raises ``NotFound``."""
        known = self.members.get(execution)
        if known is not None:
            return known
        live = await self._memory.enter(execution)
        self._entered.append(live)
        member = await self.enter(live)
        step = member.step
        abandon_lost(step.draft, live.calls)
        for arrived, take in list(live.results):
            catch_up(step, self._dispatcher, until=arrived)
            take(step)
            member.results += 1
        catch_up(step, self._dispatcher, until=step.draft.now)
        return member

    async def kin(self, member: Member) -> Children:
        """Return the machine children of *member*, and theirs, ready to be offered an event."""
        found = {}
        for child, task in member.draft.after.children().items():
            if is_machine(member.live.compiled, task):
                relative = await self._relative(child)
                found[child] = (relative.step, await self.kin(relative))
        return Children(found, member.draft)

    def stored(self, execution: str) -> str:
        """Return the member itself, or who is there already of those that have it born."""
        member = self.members.get(execution)
        while member is not None and member.is_new and member.draft.after.parent is not None:
            member = self.members.get(member.draft.after.parent["id"])
        return execution if member is None else member.live.execution.id

    def release(self) -> None:
        """Stop using the relatives."""
        while self._entered:
            self._memory.leave(self._entered.pop())

    # ------------------------------------------------------------ telling each other

    async def settle(self) -> None:
        """Dispatch what is due, and tell relatives, until nobody has anything to say."""
        for number in range(ROUNDS_MAX):
            if len(self.members) > YIELD_MEMBERS:
                await asyncio.sleep(0)  # noqa: TID251  # a turn for others: no time passes
            for member in list(self.members.values()):
                if member.has_kept():
                    await self._take_kept(member)
                if PLACE in member.draft.after.timers:
                    await self._take_place(member)
            size = len(self.members)
            for member in list(self.members.values()):
                if self._dispatches and number < ROUNDS_PACED and size < MEMBERS_MAX:
                    member.waited |= self._dispatcher.leave_row(member.draft)
                    self._dispatcher.dispatch(member.step)
                    size += member.to_be_born()
                else:
                    self._dispatcher.put_off(member.draft)
            if not await self._tell():
                return
        raise Conflict(
            "this step sets off an endless exchange between parents and children",
            code="microstep_limit",
        )

    async def _take_kept(self, member: Member) -> None:
        """Take what came while *member* was paused, and kept events that new machines await.

        Children are resumed, and take theirs, first.
        """
        after = member.draft.after
        if after.paused or after.ended or after.unwinding:
            return
        if member.live.execution.paused and not member.took_held:
            member.took_held = True
            await self._reach_down(member)
            for child in after.children():
                if child in self.members:
                    await self._take_kept(self.members[child])
            take_held(replace(member.step, kin=await self.kin(member)), self._dispatcher)
        elif member.has_born and after.deferred:
            member.has_born = False
            take_deferred(member.live.compiled, member.draft, await self.kin(member))

    async def _take_place(self, member: Member) -> None:
        """Let an execution go on that waits for a place, if there is one for it."""
        compiled, draft = member.live.compiled, member.draft
        if draft.after.paused or not await self._around.places.take(draft.after):
            return
        command = noted_command(draft.after)
        if command is None:
            begin(compiled, draft)
            return
        mark = draft.mark()
        draft.add("timerCancelled", timer=PLACE)
        try:
            carry_out(compiled, draft, command)
        except GoFlowError as refusal:
            if PLACE not in member.live.execution.timers:
                raise  # it was asked for just now: whoever did gets to know
            draft.roll_back(mark)
            withdraw(draft, refusal.reason)

    async def _tell(self) -> bool:
        """Tell relatives what is new; return whether anything was."""
        told = False
        for member in list(self.members.values()):
            if not member.has_news():
                continue
            after = member.draft.after
            now = after.children() if after.tasks else {}
            if now.keys() != member.children:
                before, member.children = member.children, now.keys()
                for child in sorted(before - now.keys()):
                    await self._drop(member, child)
                for child, task in now.items():
                    # Another that could not be born may have closed the task.
                    if child not in before and task.open and task.call is not None:
                        await self._bear(member, task)
                told = True
            told = await self._reach_down(member) or told
            if after.ended != member.ended:
                member.ended = after.ended
                if after.ended and after.parent is not None:
                    await self._report(member)
                    told = True
        return told

    async def _reach_down(self, member: Member) -> bool:
        """Pass a pause, a resume or a cancel on to the open children."""
        after = member.draft.after
        verbs = []
        if after.unwinding and not member.unwinding:
            verbs.append("cancel")
        if after.paused != member.paused and not after.ended:
            verbs.append("pause" if after.paused else "resume")
        member.paused, member.unwinding = after.paused, after.unwinding
        for verb in verbs:
            for child, task in after.children().items():
                if verb != "cancel" or task.undoes is None:
                    self._carry_out(await self._relative(child), verb)
        return bool(verbs)

    async def _drop(self, member: Member, child: str) -> None:
        """Cancel a child whose task was closed; of a terminated parent, terminate it."""
        try:
            relative = await self._relative(child)
        except NotFound:
            return
        if relative.draft.after.ended:
            return
        error = member.draft.after.error or {}
        is_terminated = member.draft.after.ended and error.get("code") == "terminated"
        self._carry_out(relative, "terminate" if is_terminated else "cancel")

    def _carry_out(self, member: Member, verb: str, **arguments: object) -> bool:
        """Carry out *verb* on a relative; tell whether it changed anything."""
        command = Control(
            verb=verb,
            reason="so did its parent",
            arguments={"byParent": True, **arguments},
        )
        step, mark = member.step, member.draft.mark()
        try:
            changed = control(step.compiled, step.draft, command)
        except GoFlowError:
            step.draft.roll_back(mark)  # it ended, or was cancelled, by itself meanwhile
            if verb == "cancel" and not arguments:
                return self._carry_out(member, verb, plain=True)  # its own row for it is broken
            return False
        return changed

    # ------------------------------------------------------------ births

    async def _bear(self, member: Member, task: Task) -> None:
        """Start the child of *task*; a retry of the parent goes on with the one that failed."""
        assert task.child is not None, "only a task with a child has one born"
        known = member.live.execution.tasks.get(task.name)
        if known is not None and known.child == task.child:
            try:
                relative = await self._relative(task.child)
            except NotFound:
                relative = None
            if relative is not None and _can_be_retried(relative):
                relative.ended = False  # however it ends, its parent is told anew
                if self._carry_out(relative, "retry"):
                    return
                relative.ended = True
            task = self._another(member, task)
        born = await conceive(self._around.catalog, member.step, task)
        if isinstance(born, Unborn):
            self._close(member, task, Definite(code=born.code, message=born.message))
        else:
            await self._deliver(member, task, born)

    def _another(self, member: Member, task: Task) -> Task:
        """Let a new child take the place of one that cannot go on."""
        draft, step = member.draft, member.step
        worker = workers_of(step.compiled, task, step.workers)[0]
        attempts.give_place(draft, task)
        child = self._dispatcher.new_child(draft.after.id)
        attempts.open_attempt(
            draft, draft.after.tasks[task.name], Chosen(worker=worker), child=child
        )
        member.children = draft.after.children().keys()
        return draft.after.tasks[task.name]

    async def _deliver(self, member: Member, task: Task, born: Birth) -> None:
        parent = member.draft.after
        assert task.child is not None and task.call is not None
        execution = Execution(
            id=task.child,
            project=born.compiled.blueprint.project,
            activity=born.compiled.blueprint.activity,
            version=born.compiled.version,
        )
        live = self._memory.create(execution, born.compiled, family=parent.family)
        self._entered.append(live)
        child = await self.enter(live, is_new=True)
        member.has_born = True
        inputs.start(
            born.compiled,
            child.draft,
            input=task.input,
            labels={},
            traceparent=parent.traceparent,
            parent=parentage(member.step, task),
            root=parent.family,
            depth=parent.depth + 1,
            machine=born.machine,
        )

    # ------------------------------------------------------------ ends

    async def _report(self, child: Member) -> None:
        """End the task of the parent as its child ended."""
        execution = child.draft.after
        parent = execution.parent or {}
        try:
            member = await self._relative(parent["id"])
        except NotFound:
            return  # it was purged: nobody wants to know any more
        task = member.draft.after.work(parent["task"])
        if task is None or not task.open or task.call is None or task.child != execution.id:
            return
        unwinding = member.draft.after.unwinding
        if unwinding and execution.status is Status.CANCELLED:
            inputs.child_gone(member.live.compiled, member.draft, task.name)
        else:
            self._close(member, task, _verdict(execution, definite=unwinding))

    def _close(self, member: Member, task: Task, verdict: Verdict) -> None:
        step = member.step
        self._dispatcher.close(step.compiled, step.draft, task, verdict, workers=step.workers)


def _can_be_retried(child: Member) -> bool:
    after = child.draft.after
    is_final = child.live.compiled.states[after.state].final == "failed"
    return after.status is Status.FAILED and not is_final


def _verdict(child: Execution, *, definite: bool) -> Verdict:
    if child.status is Status.COMPLETED:
        return Success(output=child.output)
    error = child.error or {}
    if child.status is Status.CANCELLED:
        return Definite(code="child_failed", message=f"child {child.id} was cancelled")
    message = (
        f"child {child.id} failed in state '{child.state}': "
        f"{error.get('code')}: {str(error.get('message'))[:MESSAGE_CHARACTERS_MAX]}"
    )
    if definite:
        return Definite(code="child_failed", message=message)
    return Failure(code="child_failed", message=message)
