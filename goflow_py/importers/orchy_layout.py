"""Orchy's actions laid out as states, tasks and machines.

Orchy goes on with several actions at once; a machine of ours is in one state. So a fan-out is a
state whose tasks are the actions up to where its branches meet. A branch that needs states of its
own, because it waits, chooses or loops, is a task that runs a private machine; that is a scope of
its own, which in turn can hold fan-outs.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from goflow_py.domain.names import DONE, INIT, START, SUCCESS
from goflow_py.importers.flow import Flow
from goflow_py.importers.names import Names
from goflow_py.importers.result import Losses, refuse

SCOPES_MAX: Final = 200
"""Branches that wait, choose or loop; nested ones can multiply."""
PLAIN_KINDS: Final = frozenset({"user", "javascript", "jsonmapper"})
"""What a task of a graph can be: work that goes on to the same actions whatever it gave."""

Steps = tuple[str | int, ...]
"""A path from a scope's document to a value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """An Orchy action, as far as the way through the workflow is concerned."""

    id: str
    kind: str
    pointer: str
    exits: tuple[tuple[str, tuple[str, ...]], ...]
    """Our events, and the ids of the actions that follow each: none is the end."""


@dataclass(slots=True, kw_only=True, eq=False)
class Fork:
    """A fan-out: a state of a scope."""

    name: str
    tasks: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    """Ids of actions, with those that each needs."""
    machines: list["Scope"] = field(default_factory=list)


@dataclass(slots=True, kw_only=True, eq=False)
class Scope:
    """What runs as one execution: the workflow, or the machine of a branch."""

    name: str = ""
    parent: "Scope | None" = None
    fork: str = ""
    """The state of the parent that runs it as a task."""
    entry: tuple[str, ...]
    stop: str | None = None
    """The action at which it is done."""
    above: frozenset[frozenset[str]] = frozenset()
    """The fan-outs that it is a branch of."""
    states: list["str | Fork"] = field(default_factory=list)
    rows: list[tuple[str, str, str]] = field(default_factory=list)
    forks: dict[frozenset[str], Fork] = field(default_factory=dict)
    reached: set[str] = field(default_factory=set)

    def branch_with(self, inner: "Scope") -> "Scope | None":
        """Return the machine of this scope that *inner* is, or is within."""
        while inner.parent is not None and inner.parent is not self:
            inner = inner.parent
        return inner if inner.parent is self else None

    def actions(self) -> list[str]:
        """Return the ids of the actions that are done in this scope itself, each once."""
        found: dict[str, None] = {}
        for state in self.states:
            ids = [state] if isinstance(state, str) else [task for task, _ in state.tasks]
            found.update(dict.fromkeys(ids))
        return list(found)


class Layout:
    """The scopes of a workflow, outermost first, and where in them each action is."""

    def __init__(
        self, steps: dict[str, Step], root: str, *, names: Names, losses: Losses, what: str
    ) -> None:
        self.names = names
        self.places: dict[str, list[tuple[Scope, Steps]]] = {}
        """Of each action: the scopes that do it, and the paths to its output in them."""
        self._steps = steps
        self._losses = losses
        self._what = what
        self._flow = Flow(
            {
                step.id: list(dict.fromkeys(one for _, targets in step.exits for one in targets))
                for step in steps.values()
            }
        )
        self.scopes = [Scope(entry=(root,))]
        for scope in self.scopes:
            self._lay_out(scope)

    def _lay_out(self, scope: Scope) -> None:
        """Follow the ways from a scope's entry to where it is done."""
        todo: list[str] = []
        at = self._steps[scope.entry[0]]
        self._row(scope, INIT, START, scope.entry, at=at, todo=todo)
        for id_ in todo:
            step = self._steps[id_]
            for event, targets in step.exits:
                self._row(scope, self.names.of(id_), event, targets, at=step, todo=todo)

    def _row(
        self,
        scope: Scope,
        current: str,
        event: str,
        targets: Sequence[str],
        *,
        at: Step,
        todo: list[str],
    ) -> None:
        """Add the row to what follows, and the states that it leads to."""
        key = frozenset(targets)
        if len(key) > 1 and key in scope.above:
            message = (
                "this branch of a fan-out leads back to the fan-out: here it would end, where "
                "Orchy begins all branches anew"
            )
            self._losses.changes(at.pointer, message)
            targets = ()
        elif len(key) > 1:
            self._fork(scope, current, event, tuple(dict.fromkeys(targets)), at=at, todo=todo)
            return
        following = DONE
        if targets and targets[0] != scope.stop:
            following = self.names.of(targets[0])
            if targets[0] not in scope.reached:
                scope.reached.add(targets[0])
                todo.append(targets[0])
                scope.states.append(targets[0])
                self._place(targets[0], scope, (following, "output"))
        scope.rows.append((current, event, following))

    def _fork(
        self,
        scope: Scope,
        current: str,
        event: str,
        targets: tuple[str, ...],
        *,
        at: Step,
        todo: list[str],
    ) -> None:
        key = frozenset(targets)
        known = scope.forks.get(key)
        fork = known or Fork(name=self.names.new("_".join(targets)))
        scope.rows.append((current, event, fork.name))
        if known is not None:
            return
        scope.forks[key] = fork
        scope.states.append(fork)
        meeting = self._flow.meeting(targets)
        regions = {one: self._flow.region(one, stop=meeting) for one in targets}
        for group in _overlapping(regions):
            ids = list(dict.fromkeys(id_ for one in group for id_ in regions[one]))
            if self._is_plain(ids):
                self._add_tasks(fork, scope, ids)
            elif len(group) == 1 or self._flow.meeting(group) != meeting:
                self._add_machine(fork, scope, group, stop=meeting, key=key)
            else:
                message = (
                    f"the branches {', '.join(group)} share actions on some of their ways only, "
                    "so they can be neither one branch nor several"
                )
                self._losses.changes(at.pointer, message, fix="let them meet on every way")
        ways = () if meeting is None else (meeting,)
        self._row(scope, fork.name, SUCCESS, ways, at=at, todo=todo)

    def _is_plain(self, ids: list[str]) -> bool:
        kinds = {self._steps[id_].kind for id_ in ids}
        return kinds <= PLAIN_KINDS and self._flow.is_acyclic(ids)

    def _add_tasks(self, fork: Fork, scope: Scope, ids: list[str]) -> None:
        needs: dict[str, list[str]] = {id_: [] for id_ in ids}
        for id_ in ids:
            for successor in self._flow.successors[id_]:
                if successor in needs:
                    needs[successor].append(id_)
        for id_ in ids:
            fork.tasks.append((id_, tuple(needs[id_])))
            self._place(id_, scope, (fork.name, self.names.of(id_), "output"))

    def _add_machine(
        self,
        fork: Fork,
        scope: Scope,
        group: tuple[str, ...],
        *,
        stop: str | None,
        key: frozenset[str],
    ) -> None:
        if len(self.scopes) > SCOPES_MAX:
            message = f"more than {SCOPES_MAX} branches of fan-outs wait, choose or loop"
            refuse("/actions", message, what=self._what)
        machine = Scope(
            name=self.names.new(f"branch_{'_'.join(group)}"),
            parent=scope,
            fork=fork.name,
            entry=group,
            stop=stop,
            above=scope.above | {key},
        )
        fork.machines.append(machine)
        self.scopes.append(machine)

    def _place(self, id_: str, scope: Scope, steps: Steps) -> None:
        self.places.setdefault(id_, []).append((scope, steps))


def _overlapping(regions: dict[str, list[str]]) -> list[tuple[str, ...]]:
    """Return the branches in groups, in order: those that share an action are in one."""
    groups: list[tuple[set[str], list[str]]] = []
    for target, region in regions.items():
        if not region:
            # It is itself where the branches meet: there is nothing to do before.
            continue
        ids, members = set(region), [target]
        apart = []
        for other_ids, others in groups:
            if ids & other_ids:
                ids |= other_ids
                members = others + members
            else:
                apart.append((other_ids, others))
        groups = [*apart, (ids, members)]
    order = {target: i for i, target in enumerate(regions)}
    ordered = [tuple(sorted(members, key=order.__getitem__)) for _, members in groups]
    return sorted(ordered, key=lambda members: order[members[0]])
