"""Slots: whose turn it is, what is promised, and that none is ever lost."""

from collections import Counter
from itertools import count
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from goflow_py.domain.workers import Worker
from goflow_py.engine.slots import SHARE, Ask, Key, Slot, Slots


class Budget:
    """As many retries as a test says; by default there is no end of them."""

    def __init__(self, left: int = 1_000_000) -> None:
        self.left = left

    def has(self, _: Key) -> bool:
        return self.left > 0

    def withdraw(self, _: Key) -> None:
        self.left -= 1

    def refund(self, _: Key) -> None:
        self.left += 1


def worker(endpoint: str = "w", action: str = "act", most: int | None = None) -> Worker:
    return Worker.model_validate(
        {"name": action, "workerEndpoint": endpoint, "maxConcurrent": most}
    )


def ask(execution: str, project: str = "p", *workers: Worker, since: int = 0, **more: Any) -> Ask:
    asked = workers or (worker(),)
    return Ask(
        execution=execution, project=project, action=asked[0].name, workers=asked, since=since,
        **more,
    )  # fmt: skip


fences = count(1)


def take(slots: Slots, execution: str, project: str = "p", by: Worker | None = None) -> Slot:
    by = by or worker()
    slot = Slot((project, by.name, by.worker_endpoint), execution, next(fences))
    slots.take(slot)
    return slot


def turns(slots: Slots, slot: Slot, rounds: int) -> list[str]:
    """Free and take one slot again and again; return who had it."""
    seen = []
    for _ in range(rounds):
        slots.free(slot)
        [(execution, project)] = slots.next_ready()
        slots.leave_queue(execution)
        slot = take(slots, execution, project)
        seen.append(execution)
    return seen


def test_projects_have_their_turns_however_much_each_has_to_do() -> None:
    slots = Slots(1, budget=Budget())
    slot = take(slots, "first", "a")
    for number in range(10_000):
        slots.queue(ask(f"a{number}", "a", since=number))
    slots.queue(ask("b", "b", since=99_999))
    slots.queue(ask("c", "c", since=99_999))
    assert turns(slots, slot, 5) == ["a0", "b", "c", "a1", "a2"]


def test_within_a_project_the_oldest_task_comes_first_also_of_another_action() -> None:
    slots = Slots(1, budget=Budget())
    slot = take(slots, "first")
    slots.queue(ask("young", since=30))
    slots.queue(ask("old", "p", worker(action="other"), since=10))
    slots.queue(ask("middle", since=20))
    assert turns(slots, slot, 3) == ["old", "middle", "young"]


def test_who_asks_again_keeps_its_place() -> None:
    slots = Slots(1, budget=Budget())
    slot = take(slots, "first")
    slots.queue(ask("old", since=10))
    slots.queue(ask("young", since=20))
    slots.leave_queue("old")
    slots.queue(ask("old", since=10))
    assert turns(slots, slot, 2) == ["old", "young"]


def test_a_slot_that_is_promised_is_not_taken_by_who_comes_meanwhile() -> None:
    slots = Slots(1, budget=Budget())
    slot = take(slots, "first")
    slots.queue(ask("waits", "b"))
    slots.free(slot)
    assert slots.next_ready() == [("waits", "b")]
    assert not slots.has("a", "act", worker())
    slots.leave_queue("waits")
    assert slots.has("b", "act", worker())


def test_a_promise_that_is_not_used_is_for_the_next() -> None:
    slots = Slots(1, budget=Budget())
    slot = take(slots, "first")
    slots.queue(ask("one", since=1))
    slots.queue(ask("two", since=2))
    slots.free(slot)
    assert slots.next_ready() == [("one", "p")]
    assert slots.next_ready() == []
    slots.unpromise("one")
    assert slots.next_ready() == [("two", "p")]


def test_equal_names_of_different_blueprints_do_not_wait_for_each_others_workers() -> None:
    """Waiting was by the action's name alone: the last to ask decided for all of that name."""
    slots = Slots(10, budget=Budget())
    busy, free = worker("busy", most=1), worker("free", most=1)
    slot = take(slots, "x", "a", free)
    take(slots, "y", "b", busy)
    slots.queue(ask("for-free", "a", free, since=1))
    slots.queue(ask("for-busy", "b", busy, since=2))
    slots.free(slot)
    assert slots.next_ready() == [("for-free", "a")]


def test_a_project_has_as_many_calls_as_it_may_and_no_more() -> None:
    slots = Slots(10, budget=Budget(), open_max={"a": 2}.get)
    first, _ = take(slots, "1", "a"), take(slots, "2", "a")
    assert not slots.has("a", "act", worker())
    assert slots.has("b", "act", worker())
    slots.queue(ask("3", "a"))
    slots.queue(ask("4", "a"))
    assert slots.next_ready() == []
    slots.free(first)
    assert slots.next_ready() == [("3", "a")]


@pytest.mark.parametrize("most", [100, 2_000])
def test_one_project_alone_leaves_slots_for_others(most: int) -> None:
    slots = Slots(most, budget=Budget())
    while slots.has("a", "act", worker()):
        take(slots, "x", "a")
    assert most - slots.total == most // (SHARE + 1)
    assert slots.has("b", "act", worker())


def test_with_few_slots_one_project_may_have_all() -> None:
    slots = Slots(3, budget=Budget())
    for _ in range(3):
        assert slots.has("a", "act", worker())
        take(slots, "x", "a")
    assert not slots.has("b", "act", worker())


def test_retries_wait_for_their_budget_and_other_calls_do_not() -> None:
    budget = Budget(0)
    slots = Slots(10, budget=budget)
    assert slots.has("p", "act", worker())
    assert not slots.has("p", "act", worker(), again=True)
    for number in range(5):
        slots.queue(ask(f"{number}", since=number, again=frozenset({"w"})))
    assert slots.next_ready() == []
    assert slots.waits_for_budget
    budget.left = 2
    slots.tick()
    assert slots.next_ready() == [("0", "p"), ("1", "p")]
    assert budget.left == 0
    slots.unpromise("0")
    assert budget.left == 1, "a retry that was not made is none"


def test_a_backlog_of_ten_thousand_costs_each_turn_the_same() -> None:
    """The backlog grew, and each turn with it (the latency of a queue that walks itself)."""
    slots = Slots(1, budget=Budget())
    slot = take(slots, "first")
    steps: list[int] = []
    fits = slots._fits

    def counted(*args: Any) -> bool:
        steps[-1] += 1
        return fits(*args)

    slots._fits = counted  # type: ignore[method-assign,assignment]
    for number in range(10_000):
        slots.queue(ask(f"{number}", since=number))
    for number in range(10_000):
        steps.append(0)
        slots.free(slot)
        [(execution, project)] = slots.next_ready()
        assert execution == f"{number}"
        slots.leave_queue(execution)
        slot = take(slots, execution, project)
    assert max(steps) == 1
    assert slots.waiting == 0


# ---------------------------------------------------------------- nothing is lost

MOST = 6
PROJECTS = {"a": 2, "b": None, "c": 4}
WORKERS = [worker("one", most=2), worker("two", most=1), worker("free"), worker("one", "other")]


class NothingIsLost(RuleBasedStateMachine):
    """Executions ask, are promised, look, call and end in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.budget = Budget(3)
        self.slots = Slots(MOST, budget=self.budget, open_max=PROJECTS.get)
        self.calls: list[Slot] = []
        self.wants: dict[str, tuple[str, Worker, int, bool]] = {}
        self.woken: list[str] = []
        self.retries = 0

    def ready(self) -> None:
        self.woken += [execution for execution, _ in self.slots.next_ready()]

    def look(self, execution: str) -> None:
        """What a step of the engine does: take the slot, or wait for one."""
        self.slots.leave_queue(execution)
        project, by, since, again = self.wants[execution]
        if self.slots.has(project, by.name, by, again=again):
            if again:
                self.budget.withdraw(("", "", ""))
            self.calls.append(take(self.slots, execution, project, by))
            del self.wants[execution]
        else:
            retried = frozenset({by.worker_endpoint}) if again else frozenset[str]()
            self.slots.queue(ask(execution, project, by, since=since, again=retried))
        self.ready()

    @rule(
        project=st.sampled_from(sorted(PROJECTS)),
        by=st.sampled_from(WORKERS),
        since=st.integers(0, 9),
        again=st.booleans(),
    )
    def begin(self, project: str, by: Worker, since: int, again: bool) -> None:
        execution = f"x{next(fences)}"
        self.wants[execution] = (project, by, since, again)
        self.look(execution)

    @precondition(lambda self: self.calls)
    @rule(data=st.data())
    def end(self, data: Any) -> None:
        slot = self.calls.pop(data.draw(st.integers(0, len(self.calls) - 1)))
        assert self.slots.free(slot)
        assert not self.slots.free(slot), "a slot is given back once"
        self.ready()

    @precondition(lambda self: self.woken)
    @rule(uses=st.booleans())
    def take_turn(self, uses: bool) -> None:
        execution = self.woken.pop(0)
        if uses and execution in self.wants:
            self.look(execution)
        else:  # it was cancelled meanwhile
            self.wants.pop(execution, None)
            self.slots.unpromise(execution)
            self.ready()

    @precondition(lambda self: self.wants)
    @rule(data=st.data())
    def look_unasked(self, data: Any) -> None:
        self.look(data.draw(st.sampled_from(sorted(self.wants))))

    @rule(more=st.integers(1, 3))
    def time_passes(self, more: int) -> None:
        self.budget.left += more
        self.slots.tick()
        self.ready()

    @invariant()
    def what_is_taken_is_in_flight(self) -> None:
        slots = self.slots
        assert slots.total == len(self.calls)
        by_execution = Counter(slot.execution for slot in self.calls)
        assert {name: len(mine) for name, mine in slots._taken.items()} == dict(by_execution)
        assert slots.total + slots._promised <= MOST
        assert all(slots._held.values())

    @invariant()
    def no_limit_is_passed(self) -> None:
        by_key = Counter(slot.key for slot in self.calls)
        for project, most in PROJECTS.items():
            for one in WORKERS:
                if one.max_concurrent is not None:
                    key = (project, one.name, one.worker_endpoint)
                    assert by_key[key] <= one.max_concurrent
            assert most is None or self.slots.open_calls(project) <= most
        assert self.budget.left >= 0

    @invariant()
    def whoever_wants_a_call_waits_or_was_woken(self) -> None:
        asked = set(self.slots._asked)
        assert set(self.wants) <= asked | set(self.woken)

    @invariant()
    def nobody_waits_who_could_go_on(self) -> None:
        if not self.woken:
            assert self.slots._promised == 0
            for execution in self.slots._asked:
                project, by, _, again = self.wants[execution]
                fits = self.slots.has(project, by.name, by, again=again)
                assert not fits or (again and self.budget.left)

    def teardown(self) -> None:
        for _ in range(10_000):
            self.budget.left = 1_000
            self.slots.tick()
            self.ready()
            if self.woken:
                self.take_turn(uses=True)
            elif self.calls:
                assert self.slots.free(self.calls.pop())
                self.ready()
            else:
                break
        assert not self.wants
        assert (self.slots.total, self.slots.waiting, self.slots._promised) == (0, 0, 0)
        left = (self.slots._taken, self.slots._in_flight, self.slots._held, self.slots._lanes)
        more = (self.slots._turns, self.slots._stuck, self.slots._promises)
        assert not any([*left, *more])


TestNothingIsLost = NothingIsLost.TestCase
TestNothingIsLost.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
