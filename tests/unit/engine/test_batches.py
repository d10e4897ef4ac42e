"""One verb for many executions: durable, bounded, each once."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from goflow_py.domain.execution import Execution
from goflow_py.engine.batch_documents import BatchRequest
from goflow_py.engine.batches import (
    AT_ONCE_MAX,
    BATCHES_OF_PROJECT_MAX,
    BATCHES_OPEN_MAX,
    ERRORS_KEPT_MAX,
    KEPT_MS,
    PAGE_EXECUTIONS,
)
from goflow_py.engine.requests import Repeat
from goflow_py.errors import Invalid, NotFound, TooManyRequests, Unavailable
from goflow_py.ports import BatchRow, Filter
from goflow_py.testing import FakeClock, answer
from tests.unit.engine.conftest import Engine
from tests.unit.engine.test_families import WAITS
from tests.unit.engine.test_recovery import Crash

WAITING = {
    "states": [{"name": "wait", "on": {"go": "done"}}, {"name": "other", "on": {"go": "done"}}],
    "transitions": [{"current": "init", "event": "start", "next": "wait"}],
}
ALL = Filter(project="p")


async def many(engine: Engine, count: int) -> list[Execution]:
    await engine.upload(WAITING, [])
    return [await engine.start() for _ in range(count)]


def request(action: str = "pause", **more: Any) -> BatchRequest:
    given = {"project": None, "filter": None if "ids" in more else ALL, **more}
    return BatchRequest(action=action, **given)


async def finished(engine: Engine, batch: str) -> dict[str, Any]:
    """Return a batch that nothing is left to do of."""
    running = engine.it.batches._running.get(batch)
    if running is not None and running.work is not None:
        await running.work
    return await engine.it.batches.get(batch, project=None)


async def run(engine: Engine, wanted: BatchRequest) -> dict[str, Any]:
    shown, _ = await engine.it.batches.create(wanted)
    return await finished(engine, shown["id"])


def counts(batch: dict[str, Any]) -> tuple[int, int, int, int, int]:
    total, done, changed = batch["total"], batch["done"], batch["changed"]
    return total, done, changed, batch["skipped"], batch["failed"]


async def test_a_verb_reaches_every_execution_of_a_filter_with_its_reason(engine: Engine) -> None:
    found = await many(engine, PAGE_EXECUTIONS + 5)
    await engine.control(found[0], "pause")
    batch = await run(engine, request(reason="lunch", principal="anna"))
    assert (batch["status"], counts(batch)) == ("done", (105, 105, 104, 1, 0))
    assert {(await engine.read(one)).status for one in found} == {"paused"}
    [control] = [e for e in await engine.entries(found[1]) if e["type"] == "control"]
    assert (control["reason"], control["principal"]) == ("lunch", "anna")


@pytest.mark.parametrize(
    ("action", "arguments", "status", "state"),
    [
        ("cancel", {}, "cancelled", "wait"),
        ("terminate", {}, "cancelled", "wait"),
        ("skip", {"event": "go", "output": 1}, "completed", "done"),
        ("goto", {"state": "other"}, "waiting", "other"),
        ("replay", {"from": "wait"}, "waiting", "wait"),
        ("data", {"patch": {"x": 1}}, "waiting", "wait"),
    ],
)
async def test_every_verb_can_be_a_batch(
    engine: Engine, action: str, arguments: dict[str, Any], status: str, state: str
) -> None:
    [one] = await many(engine, 1)
    batch = await run(engine, request(action, arguments=arguments))
    assert counts(batch) == (1, 1, 1, 0, 0), batch
    found = await engine.read(one)
    assert (found.status, found.state) == (status, state)


async def test_failed_executions_are_retried_while_they_leave_the_filter(engine: Engine) -> None:
    document = {
        "states": ["call"],
        "transitions": [{"current": "init", "event": "start", "next": "call"}],
    }
    await engine.upload(document, [{"name": "call", "workerEndpoint": "w"}])
    engine.transport.script = lambda *_: answer(status=400)
    found = [await engine.start() for _ in range(PAGE_EXECUTIONS * 2 + 1)]
    await engine.advance(1)
    engine.transport.script = lambda *_: answer()
    batch = await run(engine, request("retry", filter=Filter(project="p", status=["failed"])))
    assert counts(batch) == (201, 201, 201, 0, 0)
    await engine.advance(1)
    assert {(await engine.read(one)).status for one in found} == {"completed"}


async def test_a_batch_deletes_what_has_ended_and_says_what_has_not(engine: Engine) -> None:
    one, two = await many(engine, 2)
    await engine.control(one, "cancel")
    batch = await run(engine, request("delete"))
    assert counts(batch) == (2, 2, 1, 1, 0)
    [error] = batch["errors"]
    assert (error["execution"], error["code"]) == (two.id, "not_ended")
    with pytest.raises(NotFound):
        await engine.read(one)


async def test_named_executions_of_another_project_do_not_exist(engine: Engine) -> None:
    [one] = await many(engine, 1)
    batch = await run(engine, request(project="q", ids=[one.id]))
    assert counts(batch) == (1, 1, 0, 0, 1)
    assert batch["errors"][0]["code"] == "not_found"
    assert (await engine.read(one)).status == "waiting"
    with pytest.raises(NotFound):
        await engine.it.batches.get(batch["id"], project="p")
    with pytest.raises(NotFound):
        await engine.it.batches.cancel(batch["id"], project="p")
    page = await engine.it.batches.page(project="p", limit=10, cursor=None)
    assert page.items == []


async def test_so_many_errors_are_kept_and_all_are_counted(engine: Engine) -> None:
    ids = [f"00000000-0000-7000-8000-{number:012}" for number in range(ERRORS_KEPT_MAX + 20)]
    batch = await run(engine, request(ids=ids))
    assert (batch["failed"], len(batch["errors"])) == (120, ERRORS_KEPT_MAX)


async def test_a_preview_counts_and_changes_nothing(engine: Engine) -> None:
    found = await many(engine, 120)
    preview = await engine.it.batches.preview(request("cancel"))
    assert preview.total == 120
    assert preview.ids == [one.id for one in reversed(found)][:100]
    assert {(await engine.read(one)).status for one in found} == {"waiting"}


async def test_what_starts_after_the_batch_is_none_of_its_business(engine: Engine) -> None:
    await many(engine, 2)
    await engine.advance(1)
    shown, _ = await engine.it.batches.create(request())
    await engine.advance(0)
    late = await engine.start()
    batch = await finished(engine, shown["id"])
    assert (batch["changed"], (await engine.read(late)).status) == (2, "waiting")
    batch = await run(engine, request(filter=Filter(project="p", until=0)))
    assert counts(batch) == (0, 0, 0, 0, 0)


async def test_machines_are_left_to_their_parents(engine: Engine) -> None:
    document = {
        "states": [{"name": "s", "do": "m"}],
        "transitions": [{"current": "init", "event": "start", "next": "s"}],
        "actions": [{"name": "m", "type": "activity", "machine": "m"}],
        "machines": {"m": WAITS},
    }
    await engine.upload(document, [])
    parent = await engine.start()
    batch = await run(engine, request("cancel"))
    assert counts(batch) == (1, 1, 1, 0, 0)
    assert (await engine.read(parent)).status == "cancelled"


async def test_never_more_than_a_few_are_worked_on_at_once(engine: Engine) -> None:
    await many(engine, 60)
    control, now, most = engine.it.executions.control, 0, 0

    async def counted(*given: Any, **named: Any) -> Any:
        nonlocal now, most
        now += 1
        most = max(most, now)
        try:
            return await control(*given, **named)
        finally:
            now -= 1

    engine.it.executions.control = counted  # type: ignore[method-assign]
    await run(engine, request())
    assert most == AT_ONCE_MAX


async def test_a_batch_that_is_stopped_leaves_the_rest_alone(engine: Engine) -> None:
    found = await many(engine, 150)
    control, reached = engine.it.executions.control, asyncio.Event()
    goes_on = asyncio.Event()

    async def held(*given: Any, **named: Any) -> Any:
        reached.set()
        await goes_on.wait()
        return await control(*given, **named)

    engine.it.executions.control = held  # type: ignore[method-assign]
    shown, _ = await engine.it.batches.create(request())
    await reached.wait()
    stopping = asyncio.ensure_future(engine.it.batches.cancel(shown["id"], project=None))
    await engine.advance(0)
    goes_on.set()
    await stopping
    batch = await engine.it.batches.get(shown["id"], project=None)
    assert (batch["status"], batch["done"], batch["total"]) == ("cancelled", AT_ONCE_MAX, 150)
    paused = [one for one in found if (await engine.read(one)).status == "paused"]
    assert len(paused) == AT_ONCE_MAX
    await engine.it.batches.cancel(shown["id"], project=None)


async def test_a_batch_goes_on_after_a_crash_and_does_nothing_twice(
    make_engine: Callable[..., Any], clock: FakeClock
) -> None:
    crash = Crash(make_engine, clock)
    engine = await crash.begin(WAITING, [])
    found = [await engine.start() for _ in range(PAGE_EXECUTIONS + 20)]
    control, seen, reached = engine.it.executions.control, 0, asyncio.Event()

    async def few(*given: Any, **named: Any) -> Any:
        nonlocal seen
        seen += 1
        if seen > 40:
            reached.set()
            await asyncio.get_running_loop().create_future()
        return await control(*given, **named)

    engine.it.executions.control = few
    wanted = request("replay", arguments={"from": "wait"})
    shown, _ = await engine.it.batches.create(wanted)
    await reached.wait()
    engine = await crash.crash()
    batch = await finished(engine, shown["id"])
    assert (batch["status"], counts(batch)) == ("done", (120, 120, 120, 0, 0))
    assert {(await engine.read(one)).visit for one in found} == {2}
    await engine.verify()


async def test_a_store_that_takes_nothing_for_a_while_loses_nobody(engine: Engine) -> None:
    found = await many(engine, 3)
    control, refusals = engine.it.executions.control, 5

    async def sometimes(*given: Any, **named: Any) -> Any:
        nonlocal refusals
        if refusals:
            refusals -= 1
            raise Unavailable("the disk is full")
        return await control(*given, **named)

    engine.it.executions.control = sometimes  # type: ignore[method-assign]
    shown, _ = await engine.it.batches.create(request())
    await engine.advance(10)
    batch = await finished(engine, shown["id"])
    assert counts(batch) == (3, 3, 3, 0, 0)
    assert {(await engine.read(one)).status for one in found} == {"paused"}


async def test_the_same_request_makes_one_batch(engine: Engine) -> None:
    await many(engine, 2)
    repeat = Repeat(key="k", scope="POST /v1/batches", digest="d")
    first, was_first = await engine.it.batches.create(request(), repeat)
    again, replayed = await engine.it.batches.create(request(), repeat)
    assert (again["id"], was_first, replayed) == (first["id"], False, True)
    with pytest.raises(Invalid, match="another body"):
        await engine.it.batches.create(request(), Repeat(key="k", scope=repeat.scope, digest="e"))
    await finished(engine, first["id"])
    later, _ = await engine.it.batches.create(request(), repeat)
    assert (later["id"], later["status"]) == (first["id"], "done")


async def test_batches_are_forgotten_a_month_after_their_end(engine: Engine) -> None:
    await many(engine, 1)
    batch = await run(engine, request())
    now = engine.clock.now_ms()
    assert await engine.it.batches.sweep(before=now + KEPT_MS, limit=10) == 0
    assert await engine.it.batches.sweep(before=now + KEPT_MS + 1, limit=10) == 1
    with pytest.raises(NotFound):
        await engine.it.batches.get(batch["id"], project=None)


async def test_a_damaged_batch_is_left_out_and_keeps_no_server_from_starting(
    clock: FakeClock, make_engine: Callable[..., Engine]
) -> None:
    engine = make_engine()
    await engine.it.start()
    row = BatchRow(
        id="broken", project="p", body=b"{", status="running", progress=b"{}", created_at=0,
        updated_at=0,
    )  # fmt: skip
    await engine.store.put_batch(row)
    await engine.it.stop()
    again = make_engine(engine.store)
    await again.it.start()
    await again.it.stop()


async def test_a_project_has_so_many_open_batches_and_leaves_room_for_others(
    engine: Engine,
) -> None:
    found = await many(engine, 1)
    control, goes_on = engine.it.executions.control, asyncio.Event()

    async def held(*given: Any, **named: Any) -> Any:
        await goes_on.wait()
        return await control(*given, **named)

    engine.it.executions.control = held  # type: ignore[method-assign]

    def ask(project: str | None) -> Any:
        return engine.it.batches.create(request(project=project, ids=[found[0].id]))

    made = await asyncio.gather(*(ask("p") for _ in range(30)), return_exceptions=True)
    refusals = [one for one in made if isinstance(one, TooManyRequests)]
    assert len(refusals) == 30 - BATCHES_OF_PROJECT_MAX
    assert refusals[0].reason == "too_many_batches"
    assert refusals[0].facts["retryAfter"] >= 1
    await ask("q")
    for _ in range(BATCHES_OPEN_MAX - BATCHES_OF_PROJECT_MAX - 1):
        await ask(None)
    for project in ("r", None):
        with pytest.raises(TooManyRequests, match=f"{BATCHES_OPEN_MAX} batches run"):
            await ask(project)
    goes_on.set()
    await engine.advance(1)
    await ask("p")
    await engine.advance(1)


async def test_projects_have_their_turns_in_the_work_of_batches(engine: Engine) -> None:
    found = await many(engine, 60)
    seen: list[str | None] = []
    change = engine.it.batches._change
    steps = [asyncio.Event() for _ in range(80)]

    async def noted(running: Any, execution: str) -> bool:
        number = len(seen)
        seen.append(running.request.project)
        await steps[number].wait()
        return await change(running, execution)

    engine.it.batches._change = noted  # type: ignore[method-assign]
    ids = [one.id for one in found]
    await engine.it.batches.create(request(project="p", ids=ids))
    await engine.advance(0)
    assert seen == ["p"] * AT_ONCE_MAX
    await engine.it.batches.create(request(project="q", ids=ids[:10]))
    await engine.advance(0)
    for step in steps[:10]:
        step.set()
    await engine.advance(0)
    assert Counter(seen[AT_ONCE_MAX:]) == {"p": 5, "q": 5}
    for step in steps:
        step.set()
    await engine.advance(1)
    assert Counter(seen) == {"p": 60, "q": 10}
