"""A member of a family in one step: its draft, and what its relatives know of it."""

from collections.abc import Set

from goflow_py.domain.execution import Execution
from goflow_py.engine.memory import Live
from goflow_py.engine.stand_ins import Workers
from goflow_py.engine.steps import Step
from goflow_py.fsm.draft import Draft

NO_CHILDREN: Set[str] = frozenset()


class Member:
    """One execution in a step, and what its relatives know of it."""

    __slots__ = (
        "children",
        "draft",
        "ended",
        "has_born",
        "is_new",
        "live",
        "paused",
        "results",
        "step",
        "took_held",
        "unwinding",
        "waited",
    )

    def __init__(self, live: Live, draft: Draft, workers: Workers, *, is_new: bool) -> None:
        execution = live.execution
        self.live = live
        self.draft = draft
        self.step = Step(live.compiled, draft, workers)
        """The member as a step of its own."""
        self.is_new = is_new
        self.children = (
            execution.children().keys() if _may_have_children(execution) else NO_CHILDREN
        )
        self.paused = execution.paused
        self.unwinding = execution.unwinding
        self.ended = execution.ended
        self.results = 0
        """Of its pending results, those that this step took."""
        self.took_held = False
        """What came while it was paused was taken after its resume."""
        self.waited = False
        """It stood in the row of those that wait for a slot, when this step began."""
        self.has_born = False
        """A machine was born for it: kept events may be for that."""

    def has_kept(self) -> bool:
        """Tell whether something that came before may be taken now."""
        if self.has_born:
            return True
        return self.live.execution.paused and not self.took_held

    def has_news(self) -> bool:
        """Tell whether relatives may not know what became of it."""
        after = self.draft.after
        return (
            bool(self.children)
            or _may_have_children(after)
            or after.paused != self.paused
            or after.unwinding != self.unwinding
            or after.ended != self.ended
        )

    def to_be_born(self) -> int:
        """Return how many children are to be born with this step."""
        after = self.draft.after
        if not _may_have_children(after):
            return 0
        return sum(child not in self.children for child in after.children())


def _may_have_children(execution: Execution) -> bool:
    """Tell whether its children have to be looked for; nearly no work has any."""
    for task in execution.tasks.values():  # noqa: SIM110  # in every step: a generator costs more
        if task.facts:
            return True
    return False
