"""How far back a history has to be gone through for its newest attempts."""

from dataclasses import dataclass, field, replace

from goflow_py.domain.execution import Execution, Task, copy
from goflow_py.domain.history import Entry
from goflow_py.domain.values import value
from goflow_py.engine import attempt_views
from goflow_py.engine.past import Past, Room, entries_of


@value
class Window:
    """The end of a history."""

    begin: int
    """The seq of its first entry."""
    then: Execution
    """What is known of the execution in front of it."""
    earlier: int | None
    """How many attempts came before those that are shown; None: not counted."""

    @property
    def is_cut(self) -> bool:
        """Tell whether something is in front of it."""
        return self.begin > 0


async def window_of(past: Past, head: Execution) -> Window:
    """Return the shortest end of a history that has its newest attempts and what they were sent.

    It begins with the entry into a state. Where that is too far back it is what may be read, from
    the first entry into a state in it; if there is none, all of it is of the newest visit.
    """
    look, room = _Look(most=attempt_views.ATTEMPTS_SHOWN_MAX), Room()
    async for record in past.back(before=head.seq + 1):
        for entry in reversed(entries_of(record)):
            look.at(entry)
        if look.begin is not None and not Room.is_enough_for(head.seq + 1):
            return Window(begin=look.begin, then=_constant(head), earlier=None)
        if room.ends_with(record) and record.first_seq > 0:
            begin = look.begin or look.entered
            if begin is None:
                return Window(begin=record.first_seq, then=_in_visit(head), earlier=None)
            return Window(begin=begin, then=_constant(head), earlier=None)
    earlier = max(0, look.begun - look.most)
    return Window(begin=look.begin or 0, then=_constant(head), earlier=earlier)


@dataclass(slots=True, kw_only=True)
class _Look:
    """What was seen on the way back."""

    most: int
    """So many attempts are shown."""
    begun: int = 0
    entered: int | None = None
    """The seq of the oldest entry into a state."""
    begin: int | None = None
    """Where those that are shown are whole."""
    wanted: set[str] = field(default_factory=set)
    """Works of attempts that are shown whose schedules were not seen."""

    def at(self, entry: Entry) -> None:
        match entry["type"]:
            case "attemptStarted":
                self.begun += 1
                if self.begun <= self.most:
                    self.wanted.add(entry["task"])
            case "taskScheduled":
                self.wanted.discard(entry["task"])
            case "transition" if entry["entered"]:
                self.entered = entry["seq"]
                if self.begin is None and self.begun >= self.most and not self.wanted:
                    self.begin = self.entered
            case _:
                pass


def _constant(head: Execution) -> Execution:
    """Return an execution of which is known what is the same all the time."""
    return Execution(
        id=head.id,
        project=head.project,
        activity=head.activity,
        version=head.version,
        input=head.input,
        key=head.key,
        parent=head.parent,
        root=head.root,
        depth=head.depth,
        machine=head.machine,
        labels=head.labels,
        traceparent=head.traceparent,
        started_at=head.started_at,
    )


def _in_visit(head: Execution) -> Execution:
    """Return an execution as it was earlier in the visit in which *head* is, as far as is known."""
    then = copy(head)
    then.tasks = {name: _unbegun(task) for name, task in head.tasks.items()}
    then.errands = {name: _unbegun(task) for name, task in head.errands.items()}
    return then


def _unbegun(task: Task) -> Task:
    return replace(task, outcome=None, call=None, waits={})
