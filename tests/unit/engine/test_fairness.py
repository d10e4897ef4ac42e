"""Fairness between projects, and slots that are derived from what is in the air."""

import asyncio
from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from goflow_py.engine import turns as turns_module
from goflow_py.engine.requests import StartRequest
from goflow_py.engine.timers import Timers
from goflow_py.engine.turns import SLOW_STEPS, WAITING_MAX, Turns
from goflow_py.engine.waker import WAKERS_MAX, WAKERS_PROJECT_MAX, Waker
from goflow_py.errors import GoFlowError, TooManyRequests, Unavailable
from goflow_py.expression import budget
from goflow_py.ports import Reply
from goflow_py.testing import FakeClock, answer
from tests.unit.engine.conftest import Engine
from tests.unit.engine.relatives import workers
from tests.unit.engine.test_families import START, machine


async def begin(engine: Engine, project: str, activity: str = "a") -> Any:
    return (await engine.it.executions.start(project, activity, StartRequest())).execution


class Held:
    """Answers that are kept back until a test lets them go."""

    def __init__(self, engine: Engine, *held: str) -> None:
        self.waiting: list[tuple[str, asyncio.Event]] = []
        send = engine.transport.send

        async def wait(request: Any) -> Reply:
            alias = request.url.rsplit("/", 1)[1]
            if not held or alias in held:
                gate = asyncio.Event()
                self.waiting.append((request.headers["Goflow-Execution-Id"], gate))
                await gate.wait()
            return await send(request)

        engine.transport.send = wait  # type: ignore[method-assign]

    def let_go(self) -> str:
        execution, gate = self.waiting.pop(0)
        gate.set()
        return execution


# ---------------------------------------------------------------- projects in turn


async def test_the_call_of_another_project_comes_next_whatever_the_backlog(
    make_engine: Callable[..., Engine],
) -> None:
    engine = make_engine(calls_in_flight_max=1)
    await engine.it.start()
    for project in ("p", "q"):
        await engine.upload({**machine("x"), "project": project}, workers("x"))
    held = Held(engine)
    for _ in range(50):
        await begin(engine, "p")
    await engine.advance(0)
    single = await begin(engine, "q")
    await engine.advance(0)
    order = []
    for _ in range(4):
        order.append(held.let_go())
        await engine.advance(0)
    assert order.index(single.id) <= 2, "the call in flight, one turn of the other, its own"
    await engine.it.stop()


async def test_a_project_over_its_open_calls_waits_and_goes_on_when_it_may_have_more(
    make_engine: Callable[..., Engine],
) -> None:
    from goflow_py.ports import LimitsRow

    engine = make_engine()
    await engine.it.start()
    await engine.upload(machine("x"), workers("x"))
    await engine.it.limits.put(LimitsRow(project="p", max_open_calls=2))
    held = Held(engine)
    started = [await begin(engine, "p") for _ in range(5)]
    await engine.advance(1)
    assert len(held.waiting) == 2
    await engine.it.limits.put(LimitsRow(project="p", max_open_calls=4))
    await engine.advance(1)
    assert len(held.waiting) == 4
    while held.waiting:
        held.let_go()
        await engine.advance(1)
    assert {(await engine.read(one)).status for one in started} == {"completed"}
    await engine.verify()
    await engine.it.stop()


async def test_a_look_of_another_project_begins_at_once(clock: FakeClock) -> None:
    seen: list[str] = []
    gate = asyncio.Event()

    async def look(execution: str) -> None:
        seen.append(execution)
        await gate.wait()

    waker = Waker(clock, look)
    for number in range(10_000):
        waker.wake(f"p{number}", "p")
    await clock.advance(0)
    assert seen == [f"p{number}" for number in range(WAKERS_PROJECT_MAX)]
    waker.wake("q0", "q")
    await clock.advance(0)
    assert seen[WAKERS_PROJECT_MAX:] == ["q0"]
    gate.set()
    await clock.advance(0)
    await waker.stop()
    assert len(waker) == 0
    assert sorted(seen) == sorted({"q0", *(f"p{number}" for number in range(10_000))})


async def test_who_is_asked_for_again_before_its_turn_is_looked_at_once(clock: FakeClock) -> None:
    seen: list[str] = []
    gate = asyncio.Event()

    async def look(execution: str) -> None:
        seen.append(execution)
        await gate.wait()

    waker = Waker(clock, look)
    numbers = [f"p{number}" for number in range(WAKERS_PROJECT_MAX + 1)]
    for _ in range(3):
        for number in numbers:
            waker.wake(number, "p")
        waker.wake(numbers[-1])
    await clock.advance(0)
    assert seen == numbers[:-1]
    waker.wake(numbers[0], "p")
    assert len(waker) == 2, "who is looked at already may have to be looked at again"
    gate.set()
    await clock.advance(0)
    assert seen == [*numbers, numbers[0]]
    assert len(waker) == 0


async def test_when_all_look_projects_have_their_turns(clock: FakeClock) -> None:
    seen: list[str] = []
    gates: list[asyncio.Event] = []

    async def look(execution: str) -> None:
        seen.append(execution)
        gates.append(asyncio.Event())
        await gates[-1].wait()

    waker = Waker(clock, look)
    for number in range(WAKERS_MAX):
        for project in ("p", "q"):
            waker.wake(f"{project}{number}", project)
    await clock.advance(0)
    assert len(seen) == WAKERS_MAX
    assert not waker._looking["r"]
    waker.wake("r0", "r")
    for gate in gates[:4]:
        gate.set()
    await clock.advance(0)
    await waker.stop()
    assert "r0" in seen[WAKERS_MAX : WAKERS_MAX + 3]


async def test_ten_thousand_timers_keep_anothers_single_one_waiting_for_two_turns(
    clock: FakeClock,
) -> None:
    woken: list[tuple[str, str | None]] = []
    timers = Timers(clock, lambda execution, project: woken.append((execution, project)))
    due = clock.now_ms() + 1_000
    for number in range(10_000):
        timers.set(f"a{number}", due, "p")
    timers.set("z", due, "q")
    ring, rings = timers._ring, 0

    def counted() -> None:
        nonlocal rings
        rings += 1
        ring()

    timers._ring = counted  # type: ignore[method-assign]
    timers._arm(due)
    await clock.advance(1)
    assert ("z", "q") in woken
    assert rings <= 3


# ---------------------------------------------------------------- equal names


async def test_actions_of_one_name_in_two_activities_wait_each_for_their_own_workers(
    engine: Engine,
) -> None:
    for activity, endpoint in (("a", "quick"), ("b", "dead")):
        document = {**machine("x"), "activity": activity}
        found = [{"name": "x", "workerEndpoint": endpoint, "maxConcurrent": 1}]
        await engine.upload(document, found)
    held = Held(engine)
    first = await begin(engine, "p", "a")
    await engine.advance(0)
    second = await begin(engine, "p", "a")
    for _ in range(2):  # the second of these waits, and is the last who does
        await begin(engine, "p", "b")
    await engine.advance(0)
    assert held.let_go() == first.id
    await engine.advance(0)
    assert second.id in [execution for execution, _ in held.waiting]
    while held.waiting:
        held.let_go()
        await engine.advance(1)


# ---------------------------------------------------------------- slots are derived


async def test_a_call_that_its_own_step_takes_back_keeps_no_slot(engine: Engine) -> None:
    """The first task found a slot, the second one failed at once and ended the state."""
    document = {
        "states": [
            {"name": "work", "tasks": [{"name": "b"}, {"name": "a"}], "on": {"error": "after"}},
            {"name": "after", "on": {"go": "done"}},
        ],
        "transitions": [START],
        "actions": [{"name": "a", "whenOpen": "fail"}, {"name": "b"}],
    }
    await engine.upload(document, workers("a", "b"))
    engine.transport.script = lambda _, body: answer(status=500 if body["action"] == "a" else 200)
    for _ in range(15):
        await engine.start()
        await engine.advance(0.1)
    await engine.advance(1)
    assert engine.it.dispatcher.slots.total == 0


async def test_who_waits_gets_the_slot_of_a_step_that_was_thrown_away(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await engine.upload(machine("x"), workers("x", maxConcurrent=1))
    disk, commit = asyncio.Event(), engine.store.commit

    async def full_once(writes: Any) -> Any:
        monkeypatch.setattr(engine.store, "commit", commit)
        await disk.wait()
        raise Unavailable("the disk is full")

    monkeypatch.setattr(engine.store, "commit", full_once)
    loop = asyncio.get_running_loop()
    thrown = loop.create_task(engine.start())
    await engine.advance(0)
    waits = loop.create_task(engine.start())
    await engine.advance(0)
    assert engine.it.dispatcher.slots.waiting == 1
    disk.set()
    with pytest.raises(Unavailable):
        await thrown
    execution = await waits
    await engine.advance(1)
    assert (await engine.read(execution)).status == "completed"


OPS = st.sampled_from(
    ["start", "start", "answer", "answer", "fail", "cancel", "pause", "resume", "retry", "time"]
)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(OPS, st.integers(0, 99)), max_size=40))
def test_what_is_taken_is_what_is_in_the_air(ops: list[tuple[str, int]]) -> None:
    """Slots were counted up and down, and leaked: 'running' for ever (R37)."""
    asyncio.run(_play(ops))


async def _play(ops: list[tuple[str, int]]) -> None:
    engine = Engine(FakeClock(), calls_in_flight_max=3)
    await engine.it.start()
    document = {
        "states": [
            {"name": "work", "tasks": [{"name": "x"}, {"name": "y"}], "on": {"error": "failed"}}
        ],
        "transitions": [START],
        "actions": [{"name": "x"}, {"name": "y", "whenOpen": "fail"}],
    }
    retry = {"interval": 1, "jitter": "none"}
    await engine.upload(document, workers("x", "y", maxConcurrent=2, retryCount=1, retry=retry))
    broken: set[str] = set()
    engine.transport.script = lambda request, _: answer(
        status=500 if request.headers["Goflow-Execution-Id"] in broken else 200
    )
    held = Held(engine)
    known = await _carry_out(engine, held, broken, ops)
    for one in known:
        try:
            await engine.control(one, "resume")
        except GoFlowError:
            pass
    for _ in range(len(known) * 8 + 20):
        while held.waiting:
            held.let_go()
            await engine.advance(0)
        await engine.advance(15)
        _check_slots(engine)
    slots = engine.it.dispatcher.slots
    assert (slots.total, slots.waiting, slots._promised) == (0, 0, 0)
    assert all([(await engine.read(one)).ended for one in known])
    await engine.verify()
    await engine.it.stop()


async def _carry_out(
    engine: Engine, held: Held, broken: set[str], ops: list[tuple[str, int]]
) -> list[Any]:
    known: list[Any] = []
    for op, number in ops:
        if op == "start":
            known.append(await engine.start())
        elif op == "time":
            await engine.advance(1 + number % 15)
        elif op in ("answer", "fail") and held.waiting:
            place = number % len(held.waiting)
            held.waiting.insert(0, held.waiting.pop(place))
            execution = held.waiting[0][0]
            (broken.add if op == "fail" else broken.discard)(execution)
            held.let_go()
        elif op in ("cancel", "pause", "resume", "retry") and known:
            try:
                await engine.control(known[number % len(known)], op)
            except GoFlowError:
                pass  # not in this state
        await engine.advance(0)
        _check_slots(engine)
    return known


def _check_slots(engine: Engine) -> None:
    slots, memory = engine.it.dispatcher.slots, engine.it.owner.memory
    in_the_air = sum(not flight.done() for live in memory.all() for flight in live.calls.values())
    assert slots.total <= in_the_air, "a slot is taken by nobody"
    assert slots.total <= 3
    assert slots._promised == 0
    if slots.waiting:
        assert slots.total > 0, "nobody is left to wake who waits"


# ---------------------------------------------------------------- steps that take the loop


class Slow:
    """Steps whose expressions take the loop for a while, as the clock has it."""

    def __init__(self, clock: FakeClock, turns: Turns) -> None:
        self.clock = clock
        self.turns = turns
        self.seen: list[tuple[str, float]] = []

    async def step(self, name: str, seconds: float) -> None:
        self.seen.append((name, round(self.clock.monotonic(), 3)))
        self.clock._seconds += seconds
        budget.begin(name[0])
        budget.spend(0, seconds)
        self.turns.charge(name[0])

    async def be_slow(self, project: str) -> None:
        for number in range(SLOW_STEPS):
            await self.turns.run(project, lambda n=number: self.step(f"{project}-{n}", 0.25))  # type: ignore[misc]
        assert self.turns.is_slow(project)
        await self.clock.advance(0.25)
        self.seen.clear()


async def test_slow_steps_of_a_project_come_one_at_a_time_and_leave_as_much_to_others(
    clock: FakeClock,
) -> None:
    turns = Turns(clock)
    slow = Slow(clock, turns)
    await slow.be_slow("p")
    steps = [
        asyncio.create_task(turns.run("p", lambda name=f"p{n}": slow.step(name, 0.25)))  # type: ignore[misc]
        for n in range(4)
    ]
    await clock.advance(0)
    await turns.run("q", lambda: slow.step("q", 0.001))
    assert [name for name, _ in slow.seen] == ["p0", "q"], "the others go first"
    await clock.advance(10)
    await asyncio.gather(*steps)
    begun = [at for name, at in slow.seen if name != "q"]
    first = begun[0]
    assert [at - first for at in begun] == [0.0, 0.5, 1.0, 1.5], "as much again for the others"
    assert not turns.is_slow("q")


async def test_a_project_is_slow_before_its_first_slow_step_is_committed(clock: FakeClock) -> None:
    turns = Turns(clock)
    slow = Slow(clock, turns)

    async def step() -> None:
        await slow.step("p", 0.25)
        await clock.sleep(5)

    steps = [asyncio.create_task(turns.run("p", step)) for _ in range(SLOW_STEPS)]
    await clock.advance(0)
    steps.append(asyncio.create_task(turns.run("p", step)))
    await clock.advance(0)
    assert len(slow.seen) == SLOW_STEPS
    await clock.advance(20)
    await asyncio.gather(*steps)


async def test_one_slow_step_alone_does_not_make_its_project_slow(clock: FakeClock) -> None:
    """A collection of garbage within one refused most of 10,000 starts."""
    turns = Turns(clock)
    slow = Slow(clock, turns)
    for number in range(20):
        is_slow = number % 8 == 0
        await turns.run("p", lambda s=0.25 * is_slow: slow.step("p", s))  # type: ignore[misc]
        assert not turns.is_slow("p")


async def test_what_a_step_waits_for_does_not_make_its_project_slow(clock: FakeClock) -> None:
    turns = Turns(clock)
    waits = asyncio.create_task(turns.run("p", lambda: clock.sleep(60)))
    await clock.advance(60)
    await waits
    assert not turns.is_slow("p")


async def test_a_project_is_no_longer_slow_when_its_steps_are_quick_again(
    clock: FakeClock,
) -> None:
    turns = Turns(clock)
    slow = Slow(clock, turns)
    await slow.be_slow("p")
    for seconds in [0.0] * 12:
        step = asyncio.create_task(turns.run("p", lambda s=seconds: slow.step("p", s)))  # type: ignore[misc]
        await clock.advance(1)
        await step
    assert not turns.is_slow("p")


async def test_a_slow_project_is_looked_at_one_at_a_time_and_others_at_once(
    clock: FakeClock,
) -> None:
    turns = Turns(clock)
    slow = Slow(clock, turns)

    async def look(execution: str) -> None:
        project = execution[0]
        seconds = 0.25 if project == "p" else 0.001
        await turns.run(project, lambda: slow.step(execution, seconds), waits=False)

    waker = Waker(clock, look, is_slow=turns.is_slow)
    await slow.be_slow("p")
    waker.wake("p", "p")
    await clock.advance(0)
    for number in range(100):
        waker.wake(f"p{number}", "p")
    waker.wake("q", "q")
    await clock.advance(0)
    assert [name for name, _ in slow.seen] == ["p", "q"]
    assert len(waker) == 99, "they take no room from others"
    await clock.advance(60)
    assert [name for name, _ in slow.seen[2:]] == [f"p{number}" for number in range(100)]
    await waker.stop()


async def test_a_look_has_its_turn_behind_the_requests_that_came_before(clock: FakeClock) -> None:
    turns = Turns(clock)
    slow = Slow(clock, turns)

    async def look(execution: str) -> None:
        await turns.run("p", lambda: slow.step(execution, 0.25), waits=False)

    await slow.be_slow("p")
    await turns.run("p", lambda: slow.step("pfirst", 0.25))
    request = asyncio.create_task(turns.run("p", lambda: slow.step("prequest", 0.25)))
    await clock.advance(0)
    waker = Waker(clock, look, is_slow=turns.is_slow)
    for name in ("pa", "pb"):
        waker.wake(name, "p")
    later = asyncio.create_task(turns.run("p", lambda: slow.step("plater", 0.25)))
    await clock.advance(20)
    await asyncio.gather(request, later)
    assert [name for name, _ in slow.seen] == ["pfirst", "prequest", "pa", "plater", "pb"]
    await waker.stop()


async def test_starts_of_a_slow_project_that_would_wait_for_long_are_refused(
    clock: FakeClock,
) -> None:
    turns = Turns(clock)
    slow = Slow(clock, turns)
    await slow.be_slow("p")
    await turns.run("p", lambda: slow.step("p", 0.25))
    more = [
        asyncio.create_task(turns.run("p", lambda: slow.step("p", 0.25)))
        for _ in range(WAITING_MAX + 1)
    ]
    await clock.advance(0)
    turns.admit("q")
    with pytest.raises(TooManyRequests):
        turns.admit("p")
    turns.hurry()
    await clock.advance(1)
    await asyncio.gather(*more)


async def test_a_crowd_of_due_timers_is_digested_one_at_a_time_when_that_takes_long(
    engine: Engine,
) -> None:
    """Late by many rounds, it would make up for all of them in one step."""
    slow = "${$reduce([1..400], function($a, $b) { $a + $b })}"
    actions = {"name": "work", "type": "map", "value": [slow] * 100}
    await engine.upload(
        {
            "states": [
                {"name": "w", "after": [{"delay": 1, "next": "s"}]},
                {"name": "s", "do": "work", "on": {"success": "w", "error": "w"}},
            ],
            "actions": [actions],
            "transitions": [{"current": "init", "event": "start", "next": "w"}],
        },
        [],
    )
    begun = await engine.start()
    before = (await engine.read(begun)).seq
    engine.clock._seconds += 30
    await engine.it.owner.look(begun.id)
    visits = [e for e in await engine.entries(begun) if e["type"] == "stateEntered"]
    assert (await engine.read(begun)).seq > before
    assert len(visits) < 40


COSTLY = "$reduce([1..400], function($a, $b) { $a + $b })"


async def test_a_header_that_computes_is_charged_to_its_own_project(engine: Engine) -> None:
    """It was charged to whoever was stepped last: one tenant slowed another."""
    for project, headers in (("shop", {}), ("evil", {"X-A": f"${{{COSTLY}}}"})):
        found = [{"name": "x", "workerEndpoint": "http://w", "headers": headers}]
        await engine.upload({**machine("x"), "project": project}, found)
    for project in ("evil", "shop"):
        budget.bill(project)
    held = Held(engine)
    await begin(engine, "evil")
    await begin(engine, "shop")  # stepped last, when the header is rendered
    assert budget.bill("shop") == 0
    await engine.advance(0)
    while held.waiting:
        held.let_go()
    assert budget.bill("evil") > 0
    assert budget.bill("shop") == 0
    await engine.advance(1)


async def test_starts_whose_keys_take_long_to_compute_have_turns(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = {**machine("x"), "key": f"${{{COSTLY}}}", "input": {"type": "integer"}}
    await engine.upload(document, workers("x"))
    monkeypatch.setattr(turns_module, "SLOW_SECONDS", 1e-6)
    turns = engine.it.owner.turns
    starts = []
    for number in range(SLOW_STEPS + 1):  # each has a step of its own, which is quick
        starts.append(asyncio.get_running_loop().create_task(engine.start(number)))
        await asyncio.sleep(0)
        if turns.is_slow("p"):
            break
    assert turns.is_slow("p")
    turns.hurry()
    await engine.advance(1)
    await asyncio.gather(*starts, return_exceptions=True)


async def test_an_event_whose_schema_takes_long_is_charged(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema = {"items": {"type": "integer"}}
    document = {
        "states": [{"name": "w", "on": {"go": "done"}}],
        "events": {"go": {"schema": schema}},
        "transitions": [{"current": "init", "event": "start", "next": "w"}],
    }
    await engine.upload(document, [])
    begun = await engine.start()
    budget.bill("p")
    bills = []
    charge = engine.it.owner.turns.charge

    def noted(project: str) -> None:
        bills.append(budget.bill(project))
        charge(project)

    monkeypatch.setattr(engine.it.owner.turns, "charge", noted)
    with pytest.raises(GoFlowError):
        await engine.send(begun, "go", ["x"])
    await engine.send(begun, "go", list(range(5_000)))
    assert min(bills) > 0, "also when it is refused"


async def test_a_step_is_charged_once_however_its_commit_ends(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await engine.upload(machine("x"), workers("x"))
    begun = await engine.start()
    charged: list[str] = []
    monkeypatch.setattr(engine.it.owner.turns, "charge", charged.append)

    async def full(_: Any) -> Any:
        raise Unavailable("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(engine.store, "commit", full)
        with pytest.raises(Unavailable):
            await engine.control(begun, "pause")
    assert charged == ["p"]


async def test_a_server_ends_on_a_full_disk_while_results_wait_for_it(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cancelled flight tried to record its result for ever."""
    await engine.upload(machine("x"), workers("x"))
    held = Held(engine)
    await begin(engine, "p")
    await engine.advance(0)
    asked, disk = asyncio.Event(), asyncio.Event()

    async def full(_: Any) -> Any:
        asked.set()
        await disk.wait()
        raise Unavailable("the disk is full", code="disk_full")

    with monkeypatch.context() as patch:
        patch.setattr(engine.store, "commit", full)
        held.let_go()
        await asked.wait()
        stopping = asyncio.get_running_loop().create_task(engine.it.owner.flights.stop())
        await engine.advance(0)
        disk.set()
        async with asyncio.timeout(5):
            await stopping
