"""Queued work: polls, claims, leases, outcomes; people and their forms."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from goflow_py.engine import polls
from goflow_py.engine.callbacks import CallbackBody
from goflow_py.engine.offers import Claimed, TaskName, task_id
from goflow_py.engine.outcomes import chosen, refused
from goflow_py.engine.verdict import Success
from goflow_py.errors import Conflict, Gone, Invalid, NotFound, Unavailable
from goflow_py.ports import TaskFilter
from goflow_py.store.memory import MemoryStore
from tests.unit.engine.conftest import Engine

RETRY = {"interval": 1, "backoffRate": 1, "jitter": "none"}
FORM = {
    "type": "object",
    "properties": {"approved": {"type": "boolean"}},
    "required": ["approved"],
}


def blueprint(**action: Any) -> dict[str, Any]:
    work = {"name": "pack", "type": "pull", "queue": "depot", "lease": 10, "retry": RETRY}
    return {
        "states": ["pack", "later"],
        "actions": [{**work, **action}],
        "transitions": [
            {"current": "init", "event": "start", "next": "pack"},
            {"current": "pack", "event": "later", "next": "later"},
            {"current": "later", "event": "go", "next": "done"},
        ],
    }


def human(**action: Any) -> dict[str, Any]:
    return blueprint(type="human", queue="desk", lease=None, **action)


async def poll(engine: Engine, *queues: str, wait: float = 0, most: int = 1, **more: Any) -> Any:
    return await engine.it.polls.poll(
        queues or ("depot",), max_tasks=most, wait_seconds=wait, worker="w", **more
    )


async def one(engine: Engine, **more: Any) -> Claimed:
    found = await poll(engine, **more)
    assert len(found) == 1
    claimed: Claimed = found[0]
    return claimed


async def waiting_poll(engine: Engine, **more: Any) -> "asyncio.Task[Any]":
    task = asyncio.get_running_loop().create_task(poll(engine, wait=30, **more))
    await engine.advance(0)
    assert not task.done()
    return task


async def complete(engine: Engine, claimed: Claimed, output: Any = None, **more: Any) -> str:
    verdict = more.pop("verdict", Success(output=output))
    return await engine.it.claims.end(claimed.id, claimed.token, verdict, **more)


async def types(engine: Engine, execution: Any) -> list[str]:
    return [entry["type"] for entry in await engine.entries(execution)]


async def the_task(engine: Engine, **which: Any) -> dict[str, Any]:
    page = await engine.it.claims.inbox(TaskFilter(**which), limit=10, cursor=None)
    assert len(page.items) == 1
    found: dict[str, Any] = page.items[0]
    return found


# ---------------------------------------------------------------- polls


async def test_a_worker_polls_and_completes_a_task(engine: Engine) -> None:
    await engine.upload(blueprint(), [])
    execution = await engine.start({"n": 1})
    claimed = await one(engine)
    assert await complete(engine, claimed, {"packed": True}) == "applied"
    now = await engine.read(execution)
    assert (now.status, now.output) == ("completed", {"packed": True})
    assert await poll(engine) == []


async def test_a_task_is_what_a_called_worker_gets_and_more(engine: Engine) -> None:
    await engine.upload(blueprint(meta={"fragile": True}), [])
    execution = await engine.start({"n": 1}, key="k")
    payload = (await one(engine)).payload
    assert payload == {
        "executionId": execution.id,
        "project": "p",
        "activity": "a",
        "version": 1,
        "state": "pack",
        "task": "pack",
        "action": "pack",
        "visit": 1,
        "attempt": 1,
        "key": "k",
        "labels": ("later",),
        "input": {"n": 1},
        "meta": {"fragile": True},
        "callbackUrl": None,
        "deadline": "2026-01-01T00:00:10.000Z",
        "queue": "depot",
        "assignedTo": None,
        "idempotencyKey": f"{execution.id}/1",
    }


async def test_tasks_come_oldest_first_and_as_many_as_asked(engine: Engine) -> None:
    await engine.upload(blueprint(), [])
    for number in range(5):
        await engine.start(number)
        await engine.advance(0.1)
    assert [one.payload["input"] for one in await poll(engine, most=3)] == [0, 1, 2]
    assert [one.payload["input"] for one in await poll(engine, most=3)] == [3, 4]


async def test_a_poll_that_waits_is_woken_by_a_new_task_in_no_time(engine: Engine) -> None:
    await engine.upload(blueprint(), [])
    waiting = await waiting_poll(engine)
    execution = await engine.start()
    assert [one.payload["executionId"] for one in await waiting] == [execution.id]
    assert engine.clock.monotonic() == 0


async def test_a_poll_of_another_queue_is_not_served(engine: Engine) -> None:
    await engine.upload(blueprint(), [])
    await engine.start()
    assert await poll(engine, "elsewhere") == []
    assert len(await poll(engine, "elsewhere", "depot")) == 1


async def test_a_poll_ends_empty_after_its_time(engine: Engine) -> None:
    waiting = await waiting_poll(engine)
    await engine.advance(29)
    assert not waiting.done()
    await engine.advance(1)
    assert await waiting == []


async def test_a_poll_waits_a_minute_at_most(engine: Engine) -> None:
    waiting = asyncio.get_running_loop().create_task(poll(engine, wait=3_600))
    await engine.advance(polls.POLL_SECONDS_MAX)
    assert await waiting == []


async def test_many_polls_at_once_get_each_task_once(engine: Engine) -> None:
    await engine.upload(blueprint(lease=3_600), [])
    waiting = [await waiting_poll(engine, most=3) for _ in range(20)]
    for number in range(40):
        await engine.start(number)
    await engine.advance(30)
    got = [one.payload["input"] for task in waiting for one in await task]
    got += [one.payload["input"] for one in await poll(engine, most=100)]
    assert sorted(got) == list(range(40))


async def test_polls_of_different_queues_with_one_in_common_do_not_share_a_task(
    engine: Engine,
) -> None:
    await engine.upload(blueprint(), [])
    for _ in range(10):
        await engine.start()
    found = await asyncio.gather(
        *(poll(engine, "depot", f"other-{number}", most=4) for number in range(5))
    )
    ids = [one.id for claimed in found for one in claimed]
    assert len(ids) == len(set(ids)) == 10


async def test_more_than_so_many_polls_are_refused(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polls, "POLLS_MAX", 2)
    waiting = [await waiting_poll(engine) for _ in range(2)]
    with pytest.raises(Unavailable, match="wait already"):
        await poll(engine)
    await engine.advance(30)
    assert [await task for task in waiting] == [[], []]
    assert await poll(engine) == []


async def test_of_the_polls_one_project_has_half_at_most(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polls, "POLLS_MAX", 4)
    waiting = [await waiting_poll(engine, project="p") for _ in range(2)]
    with pytest.raises(Unavailable, match="2 polls of the project p wait already"):
        await poll(engine, project="p")
    waiting += [await waiting_poll(engine, project="q"), await waiting_poll(engine)]
    with pytest.raises(Unavailable, match="4 polls wait already"):
        await poll(engine)
    await engine.advance(30)
    assert [await task for task in waiting] == [[]] * 4
    assert await poll(engine, project="p") == []
    assert not engine.it.polls._of


async def test_a_server_that_ends_lets_polls_go_at_once(engine: Engine) -> None:
    await engine.upload(blueprint(), [])
    waiting = await waiting_poll(engine)
    engine.it.polls.end()
    assert await waiting == []
    await engine.start()
    assert await poll(engine, wait=30) == []


async def test_a_poll_whose_caller_is_gone_takes_nothing(engine: Engine) -> None:
    await engine.upload(blueprint(), [])
    gone: list[bool] = []
    waiting = await waiting_poll(engine, is_gone=lambda: bool(gone))
    gone.append(True)
    await engine.start()
    assert await waiting == []
    assert len(await poll(engine)) == 1


class SlowStore(MemoryStore):
    """Commits wait until they may."""

    def __init__(self) -> None:
        super().__init__()
        self.may = asyncio.Event()
        self.may.set()

    async def commit(self, writes: Any) -> Any:
        done = await super().commit(writes)
        await self.may.wait()
        return done


async def test_what_a_cancelled_poll_has_claimed_is_on_the_queue_again(
    make_engine: Callable[..., Engine],
) -> None:
    store = SlowStore()
    engine = make_engine(store)
    await engine.it.start()
    await engine.upload(blueprint(), [])
    execution = await engine.start()
    store.may.clear()
    cut = asyncio.get_running_loop().create_task(poll(engine, wait=30))
    await engine.advance(0)
    cut.cancel()
    await asyncio.gather(cut, return_exceptions=True)
    store.may.set()
    await engine.advance(0)
    assert (await one(engine)).payload["attempt"] == 2
    assert (await engine.read(execution)).tasks["pack"].used == {}
    await engine.verify()
    await engine.it.stop()


async def test_a_task_that_cannot_be_claimed_does_not_block_those_behind_it(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await engine.upload(blueprint(), [])
    broken = await engine.start(1)
    await engine.advance(1)
    await engine.start(2)
    apply = engine.it.owner.apply

    async def breaks(execution: str, *rest: Any, **more: Any) -> Any:
        if execution == broken.id:
            raise RuntimeError("damaged")
        return await apply(execution, *rest, **more)

    monkeypatch.setattr(engine.it.owner, "apply", breaks)
    assert [one.payload["input"] for one in await poll(engine)] == [2]
    assert "could not be claimed" in caplog.text


async def test_a_full_store_refuses_the_poll(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await engine.upload(blueprint(), [])
    await engine.start()

    async def full(*_: Any) -> Any:
        raise Unavailable("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(engine.store, "commit", full)
        with pytest.raises(Unavailable, match="disk is full"):
            await poll(engine)
    assert len(await poll(engine)) == 1


# ---------------------------------------------------------------- leases


async def test_a_lapsed_lease_gives_the_task_to_another_with_a_new_token(engine: Engine) -> None:
    await engine.upload(blueprint(), [])
    execution = await engine.start()
    first = await one(engine)
    await engine.advance(10)
    assert await poll(engine) == []  # the retry's pause
    await engine.advance(1)
    second = await one(engine)
    assert (second.id, second.payload["attempt"]) == (first.id, 2)
    assert second.payload["idempotencyKey"] == first.payload["idempotencyKey"]
    assert second.token != first.token
    with pytest.raises(Conflict) as refusal:
        await complete(engine, first, "late")
    assert refusal.value.reason == "superseded"
    await complete(engine, second, "in time")
    assert (await engine.read(execution)).output == "in time"
    assert (await types(engine, execution)).count("lateIgnored") == 1


async def test_a_late_completion_is_recorded_once(engine: Engine) -> None:
    await engine.upload(blueprint(), [])
    execution = await engine.start()
    first = await one(engine)
    await engine.advance(20)
    for _ in range(3):
        with pytest.raises(Conflict):
            await complete(engine, first)
    assert (await types(engine, execution)).count("lateIgnored") == 1


async def test_a_poll_that_waits_is_woken_when_a_retry_becomes_due(engine: Engine) -> None:
    await engine.upload(blueprint(), [])
    await engine.start()
    await one(engine)
    waiting = await waiting_poll(engine)
    await engine.advance(10.9)
    assert not waiting.done()
    await engine.advance(0.2)
    assert len(await waiting) == 1


async def test_a_heartbeat_renews_the_lease(engine: Engine) -> None:
    await engine.upload(blueprint(), [])
    execution = await engine.start()
    claimed = await one(engine)
    for _ in range(5):
        await engine.advance(8)
        until = await engine.it.claims.heartbeat(claimed.id, claimed.token)
        assert until == engine.clock.now_ms() + 10_000
    assert await complete(engine, claimed, 1) == "applied"
    assert (await engine.read(execution)).status == "completed"


async def test_a_heartbeat_for_a_lost_claim_is_refused(engine: Engine) -> None:
    await engine.upload(blueprint(), [])
    await engine.start()
    claimed = await one(engine)
    await engine.advance(10)
    with pytest.raises(Conflict) as refusal:
        await engine.it.claims.heartbeat(claimed.id, claimed.token)
    assert refusal.value.reason == "superseded"


async def test_leases_that_lapse_too_often_are_an_error_that_names_them(engine: Engine) -> None:
    await engine.upload(blueprint(retryCount=2), [])
    execution = await engine.start()
    claims = []
    for _ in range(3):
        claims.append(await one(engine))
        await engine.advance(11)
    assert [claimed.payload["attempt"] for claimed in claims] == [1, 2, 3]
    now = await engine.read(execution)
    assert now.status == "failed"
    assert now.error is not None
    assert (now.error["code"], now.error["attempts"]) == ("lease_expired", 3)
    assert await poll(engine) == []
    with pytest.raises(Gone):
        await complete(engine, claims[-1])


async def test_the_budget_counts_whoever_claimed_it(engine: Engine) -> None:
    await engine.upload(blueprint(retryCount=1), [])
    execution = await engine.start()
    for worker in ("ann", "ben"):
        claimed = (
            await engine.it.polls.poll(["depot"], max_tasks=1, wait_seconds=0, worker=worker)
        )[0]
        await complete(engine, claimed, verdict=refused("busy", "not now", retry=True))
        await engine.advance(2)
    now = await engine.read(execution)
    assert now.error is not None
    assert (now.status, now.error["code"]) == ("failed", "busy")


async def test_a_claim_survives_a_restart_with_its_lease(
    make_engine: Callable[..., Engine],
) -> None:
    engine = make_engine()
    await engine.it.start()
    await engine.upload(blueprint(), [])
    execution = await engine.start()
    claimed = await one(engine)
    await engine.it.stop()
    again = make_engine(engine.store)
    await again.it.start()
    await again.advance(5)
    assert await poll(again) == []
    assert await complete(again, claimed, "done") == "applied"
    assert (await again.read(execution)).output == "done"
    await again.verify()
    await again.it.stop()


async def test_the_actions_timeout_closes_a_claimed_task(engine: Engine) -> None:
    await engine.upload(blueprint(timeout=5), [])
    execution = await engine.start()
    claimed = await one(engine)
    await engine.advance(5)
    now = await engine.read(execution)
    assert now.error is not None
    assert (now.status, now.error["code"]) == ("failed", "timeout")
    with pytest.raises(Gone):
        await complete(engine, claimed)


# ---------------------------------------------------------------- outcomes


async def test_the_same_completion_twice_is_a_duplicate(engine: Engine) -> None:
    await engine.upload(blueprint(), [])
    execution = await engine.start()
    claimed = await one(engine)
    await complete(engine, claimed, 1)
    before = (await engine.read(execution)).seq
    assert await complete(engine, claimed, 1) == "duplicate"
    assert (await engine.read(execution)).seq == before


async def test_a_worker_may_choose_the_outcome(engine: Engine) -> None:
    await engine.upload(blueprint(), [])
    execution = await engine.start()
    await complete(engine, await one(engine), verdict=chosen("later", {"x": 1}))
    assert (await engine.read(execution)).state == "later"


def test_a_reserved_outcome_is_refused() -> None:
    with pytest.raises(Invalid):
        chosen("timeout", None)


async def test_a_failure_is_definite(engine: Engine) -> None:
    await engine.upload(blueprint(), [])
    execution = await engine.start()
    verdict = refused("broken", "it fell", retry=False)
    await complete(engine, await one(engine), verdict=verdict)
    now = await engine.read(execution)
    assert now.error is not None
    assert (now.status, now.error["code"]) == ("failed", "broken")


async def test_a_failure_with_retry_puts_the_task_back_after_a_pause(engine: Engine) -> None:
    await engine.upload(blueprint(), [])
    execution = await engine.start()
    verdict = refused("busy", "not now", retry=True)
    await complete(engine, await one(engine), verdict=verdict)
    assert await poll(engine) == []
    await engine.advance(1)
    again = await one(engine)
    assert again.payload["attempt"] == 2
    await complete(engine, again, "ok")
    assert (await engine.read(execution)).output == "ok"


async def test_a_release_puts_the_task_back_at_once_and_counts_nothing(engine: Engine) -> None:
    await engine.upload(blueprint(retryCount=0), [])
    execution = await engine.start()
    released = []
    for _ in range(3):
        released.append(await one(engine))
        await release_of(engine, released[-1])
    assert [claimed.payload["attempt"] for claimed in released] == [1, 2, 3]
    claimed = await one(engine)
    with pytest.raises(Conflict):
        await complete(engine, released[-1])
    await complete(engine, claimed)
    ends = [e["outcome"] for e in await engine.entries(execution) if e["type"] == "attemptEnded"]
    assert ends == ["superseded"] * 3 + ["success"]


async def test_a_release_wakes_a_poll_that_waits(engine: Engine) -> None:
    await engine.upload(blueprint(), [])
    await engine.start()
    claimed = await one(engine)
    waiting = await waiting_poll(engine)
    await engine.it.claims.release(claimed.id, claimed.token)
    assert [found.id for found in await waiting] == [claimed.id]


async def test_a_claim_whose_state_was_left_is_superseded(engine: Engine) -> None:
    document = blueprint()
    document["events"] = {"moved": {}, "go": {}}
    document["transitions"].append({"current": "pack", "event": "moved", "next": "later"})
    await engine.upload(document, [])
    execution = await engine.start()
    claimed = await one(engine)
    await engine.send(execution, "moved")
    for refusal in (complete, heartbeat_of, release_of):
        with pytest.raises(Conflict):
            await refusal(engine, claimed)


async def heartbeat_of(engine: Engine, claimed: Claimed) -> None:
    await engine.it.claims.heartbeat(claimed.id, claimed.token)


async def release_of(engine: Engine, claimed: Claimed) -> None:
    await engine.it.claims.release(claimed.id, claimed.token)


async def test_after_the_end_everything_is_gone(engine: Engine) -> None:
    await engine.upload(blueprint(), [])
    execution = await engine.start()
    claimed = await one(engine)
    await engine.control(execution, "terminate")
    for refusal in (complete, heartbeat_of, release_of):
        with pytest.raises(Gone):
            await refusal(engine, claimed)


@pytest.mark.parametrize("token", ["", "x", "AAAA", "a" * 600])
async def test_a_token_that_is_none_is_not_found(engine: Engine, token: str) -> None:
    await engine.upload(blueprint(), [])
    await engine.start()
    claimed = await one(engine)
    with pytest.raises(NotFound):
        await engine.it.claims.end(claimed.id, token, Success(output=1))


async def test_the_token_of_another_task_is_not_found(engine: Engine) -> None:
    await engine.upload(blueprint(), [])
    await engine.start()
    await engine.start()
    first, second = await poll(engine, most=2)
    with pytest.raises(NotFound):
        await engine.it.claims.end(first.id, second.token, Success(output=1))


async def test_a_claims_token_is_none_for_the_callback_url(engine: Engine) -> None:
    await engine.upload(blueprint(), [])
    await engine.start()
    claimed = await one(engine)
    with pytest.raises(NotFound):
        await engine.it.callbacks.complete(claimed.token, CallbackBody(output=1))


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "x",
        "%%%",
        "a" * 600,
        "e30",
        task_id(TaskName(execution="zz", visit=1, task="pack")),
        task_id(TaskName(execution="0190b0b0-0000-7000-8000-000000000000", visit=1, task="pack")),
    ],
)
async def test_an_id_that_is_none_is_not_found(engine: Engine, bad: str) -> None:
    with pytest.raises(NotFound):
        await engine.it.claims.claim(bad, "ann")
    with pytest.raises(NotFound):
        await engine.it.claims.end(bad, "token", Success(output=1))


async def test_another_projects_tasks_are_not_there(engine: Engine) -> None:
    await engine.upload(blueprint(), [])
    await engine.start()
    assert await poll(engine, project="q") == []
    claimed = await one(engine, project="p")
    with pytest.raises(NotFound):
        await complete(engine, claimed, project="q")
    with pytest.raises(NotFound):
        await engine.it.claims.heartbeat(claimed.id, claimed.token, project="q")
    page = await engine.it.claims.inbox(TaskFilter(project="q"), limit=10, cursor=None)
    assert page.items == []


# ---------------------------------------------------------------- pause


async def test_nothing_is_polled_while_paused_and_a_resume_wakes_the_poll(engine: Engine) -> None:
    await engine.upload(blueprint(), [])
    execution = await engine.start()
    await engine.control(execution, "pause")
    waiting = await waiting_poll(engine)
    await engine.control(execution, "resume")
    assert len(await waiting) == 1


async def test_a_completion_while_paused_is_kept_and_taken_on_resume(engine: Engine) -> None:
    await engine.upload(blueprint(), [])
    execution = await engine.start()
    claimed = await one(engine)
    await engine.control(execution, "pause")
    assert await complete(engine, claimed, "held") == "applied"
    assert await complete(engine, claimed, "held") == "duplicate"
    assert (await engine.read(execution)).state == "pack"
    await engine.advance(60)
    await engine.control(execution, "resume")
    now = await engine.read(execution)
    assert (now.status, now.output) == ("completed", "held")


async def test_a_lease_runs_on_while_paused(engine: Engine) -> None:
    await engine.upload(blueprint(), [])
    execution = await engine.start()
    claimed = await one(engine)
    await engine.control(execution, "pause")
    await engine.advance(8)
    await engine.it.claims.heartbeat(claimed.id, claimed.token)
    await engine.advance(10)
    with pytest.raises(Conflict):
        await complete(engine, claimed)
    await engine.control(execution, "resume")
    await engine.advance(1)
    assert (await one(engine)).payload["attempt"] == 2


# ---------------------------------------------------------------- graphs


async def test_the_tasks_of_a_graph_are_claimed_by_several(engine: Engine) -> None:
    document = {
        "states": [
            {
                "name": "work",
                "tasks": [
                    {"name": "a", "do": "pack"},
                    {"name": "b", "do": "pack", "meta": {"n": 2}},
                ],
            }
        ],
        "actions": blueprint()["actions"],
        "transitions": [{"current": "init", "event": "start", "next": "work"}],
    }
    await engine.upload(document, [])
    execution = await engine.start()
    found = await poll(engine, most=5)
    assert [one.payload["task"] for one in found] == ["a", "b"]
    assert [one.payload["meta"] for one in found] == [{}, {"n": 2}]
    assert found[1].payload["idempotencyKey"] == f"{execution.id}/1/b"
    for claimed in found:
        await complete(engine, claimed, claimed.payload["task"])
    assert (await engine.read(execution)).output == {"a": "a", "b": "b"}


# ---------------------------------------------------------------- people


async def test_an_inbox_lists_what_people_can_claim(engine: Engine) -> None:
    await engine.upload(human(assignedTo="${input.who}", form=FORM, meta={"page": "approve"}), [])
    execution = await engine.start({"who": "ann"}, key="A-1")
    item = await the_task(engine, queue="desk", assigned_to="ann", status="queued")
    assert item["executionId"] == execution.id
    assert (item["type"], item["assignedTo"], item["key"]) == ("human", "ann", "A-1")
    assert (item["input"], item["form"], item["meta"]) == (
        {"who": "ann"},
        FORM,
        {"page": "approve"},
    )
    assert (item["claimedBy"], item["leaseUntil"], item["labels"]) == (None, None, ("later",))


async def test_a_person_claims_and_completes_a_task(engine: Engine) -> None:
    await engine.upload(human(form=FORM), [])
    execution = await engine.start()
    item = await the_task(engine)
    claimed = await engine.it.claims.claim(item["id"], "ann")
    assert (claimed.lease_until, claimed.payload["deadline"]) == (None, None)
    assert claimed.payload["form"] == FORM
    held = await the_task(engine, status="claimed")
    assert held["claimedBy"] == "ann"
    await engine.advance(100_000)
    await complete(engine, claimed, {"approved": True})
    assert (await engine.read(execution)).output == {"approved": True}
    page = await engine.it.claims.inbox(TaskFilter(), limit=10, cursor=None)
    assert page.items == []


async def test_a_task_of_another_person_cannot_be_claimed(engine: Engine) -> None:
    await engine.upload(human(), [])
    await engine.start()
    item = await the_task(engine)
    first = await engine.it.claims.claim(item["id"], "ann")
    with pytest.raises(Conflict) as refusal:
        await engine.it.claims.claim(item["id"], "ben")
    assert (refusal.value.reason, refusal.value.facts["claimedBy"]) == ("claimed", "ann")
    assert (await engine.it.claims.claim(item["id"], "ann")).token == first.token
    await engine.it.claims.release(first.id, first.token)
    assert (await engine.it.claims.claim(item["id"], "ben")).token != first.token


async def test_what_does_not_fit_the_form_is_refused_and_the_task_stays_claimed(
    engine: Engine,
) -> None:
    await engine.upload(human(form=FORM), [])
    await engine.start()
    claimed = await engine.it.claims.claim((await the_task(engine))["id"], "ann")
    with pytest.raises(Invalid) as refusal:
        await complete(engine, claimed, {"approved": "yes"})
    assert refusal.value.facts["errors"][0]["pointer"] == "/approved"
    assert (await the_task(engine))["claimedBy"] == "ann"
    assert await complete(engine, claimed, {"approved": False}) == "applied"


async def test_a_failure_of_a_person_needs_no_form(engine: Engine) -> None:
    await engine.upload(human(form=FORM), [])
    execution = await engine.start()
    claimed = await engine.it.claims.claim((await the_task(engine))["id"], "ann")
    await complete(engine, claimed, verdict=refused("no_papers", "they are lost", retry=False))
    now = await engine.read(execution)
    assert now.error is not None
    assert now.error["code"] == "no_papers"


async def test_a_persons_lease_lapses_if_there_is_one(engine: Engine) -> None:
    await engine.upload(blueprint(type="human", lease=10, retryCount=1), [])
    await engine.start()
    item = await the_task(engine)
    await engine.it.claims.claim(item["id"], "ann")
    await engine.advance(10)
    with pytest.raises(Conflict) as refusal:
        await engine.it.claims.claim(item["id"], "ben")
    assert refusal.value.reason == "not_due"
    await engine.advance(1)
    assert (await engine.it.claims.claim(item["id"], "ben")).payload["attempt"] == 2


async def test_people_claim_what_is_for_people_and_polls_take_what_is_for_workers(
    engine: Engine,
) -> None:
    await engine.upload(blueprint(), [])
    await engine.start()
    with pytest.raises(Conflict) as refusal:
        await engine.it.claims.claim((await the_task(engine))["id"], "ann")
    assert refusal.value.reason == "not_for_people"
    await engine.upload(human(), [])
    await engine.start()
    assert await poll(engine, "desk") == []


async def test_a_task_that_is_over_or_paused_cannot_be_claimed(engine: Engine) -> None:
    await engine.upload(human(), [])
    execution = await engine.start()
    item = await the_task(engine)
    await engine.control(execution, "pause")
    with pytest.raises(Conflict) as refusal:
        await engine.it.claims.claim(item["id"], "ann")
    assert refusal.value.reason == "paused"
    await engine.control(execution, "resume")
    await engine.control(execution, "skip", event="later")
    with pytest.raises(Conflict) as refusal:
        await engine.it.claims.claim(item["id"], "ann")
    assert refusal.value.reason == "superseded"
    await engine.control(execution, "terminate")
    with pytest.raises(Gone):
        await engine.it.claims.claim(item["id"], "ann")


async def test_a_task_that_failed_for_good_and_waits_is_claimed_after_a_retry_only(
    engine: Engine,
) -> None:
    await engine.upload(human(whenFailed="wait"), [])
    execution = await engine.start()
    item = await the_task(engine)
    claimed = await engine.it.claims.claim(item["id"], "ann")
    await complete(engine, claimed, verdict=refused("no_papers", "lost", retry=False))
    assert (await engine.read(execution)).status == "waiting"
    with pytest.raises(Conflict) as refusal:
        await engine.it.claims.claim(item["id"], "ann")
    assert refusal.value.reason == "parked"
