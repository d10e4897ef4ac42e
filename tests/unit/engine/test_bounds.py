"""Bounds in bytes and in members, and what breaks the engine: guarantees G14, G15, rule S23."""

from collections.abc import Sequence
from typing import Any

import pytest

from goflow_py.domain.execution import Execution
from goflow_py.engine import inputs
from goflow_py.engine.verdict import Failure
from goflow_py.errors import Conflict, Invalid, TooLarge
from goflow_py.fsm import bytes_bound
from goflow_py.fsm import inputs as fsm_inputs
from goflow_py.ports import Poisonous, Reply, Request, Verdict, Write
from goflow_py.store.memory import MemoryStore
from goflow_py.testing.transport import answer

WORKERS = [{"name": "work", "workerEndpoint": "w"}]
ONE_CALL = {
    "states": [{"name": "s", "do": "work", "on": {"success": "wait", "error": "failed"}}, "wait"],
    "actions": [{"name": "work"}],
    "transitions": [
        {"current": "init", "event": "start", "next": "s"},
        {"current": "wait", "event": "put", "set": {"kept": "$.event.data"}},
        {"current": "wait", "event": "go", "next": "done"},
    ],
}
SMALL_HEAD = 20_000
A_MINUTE = 70
"""In which what breaks is tried three times."""
BIG = "x" * 30_000


@pytest.fixture
def small_heads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("goflow_py.fsm.bytes_bound.EXECUTION_BYTES_MAX", SMALL_HEAD)


async def waiting(engine: Any) -> Execution:
    await engine.upload(ONE_CALL, WORKERS)
    engine.transport.script = lambda *_: answer({"ok": True})
    begun = await engine.start()
    await engine.advance(0)
    found: Execution = await engine.read(begun)
    assert found.state == "wait"
    return found


# ---------------------------------------------------------------- bytes


@pytest.mark.usefixtures("small_heads")
async def test_an_event_that_would_make_an_execution_too_large_changes_nothing(engine: Any) -> None:
    begun = await waiting(engine)
    with pytest.raises(TooLarge, match="more than 20000 bytes"):
        await engine.send(begun, "put", BIG)
    assert (await engine.read(begun)).seq == begun.seq
    await engine.send(begun, "put", "little")
    await engine.send(begun, "go")
    assert (await engine.read(begun)).status == "completed"


@pytest.mark.usefixtures("small_heads")
async def test_a_start_that_is_too_large_leaves_nothing_behind(engine: Any) -> None:
    await engine.upload(ONE_CALL, WORKERS)
    with pytest.raises(TooLarge, match="cannot start"):
        await engine.start(BIG)
    assert await engine.it.store.counts("p", "a") == {}
    assert engine.it.owner.counts()["callsInFlight"] == 0


@pytest.mark.usefixtures("small_heads")
async def test_a_reply_that_is_too_large_ends_the_execution_with_that_code(engine: Any) -> None:
    await engine.upload(ONE_CALL, WORKERS)
    engine.transport.script = lambda *_: answer({"text": BIG})
    begun = await engine.start()
    await engine.advance(0)
    ended = await engine.read(begun)
    assert (ended.status, ended.state, ended.error["code"]) == ("failed", "s", "too_large")
    assert "20000 bytes" in ended.error["message"]
    engine.transport.script = lambda *_: answer({"text": "little"})
    await engine.control(ended, "retry")
    await engine.advance(0)
    assert (await engine.read(begun)).state == "wait"


@pytest.mark.usefixtures("small_heads")
async def test_an_execution_at_its_limit_can_be_terminated(engine: Any) -> None:
    begun = await waiting(engine)
    await engine.send(begun, "put", "x" * 18_500)
    with pytest.raises(TooLarge):
        await engine.control(begun, "data", patch={"more": "x" * 2_000})
    await engine.control(begun, "terminate")
    assert (await engine.read(begun)).status == "cancelled"


@pytest.mark.usefixtures("small_heads")
async def test_a_child_that_grows_too_large_fails_and_its_parent_goes_on(engine: Any) -> None:
    await engine.upload(
        {
            "states": [{"name": "s", "do": "child", "on": {"error": "spare"}}, {"name": "spare"}],
            "actions": [{"name": "child", "type": "activity", "machine": "m"}],
            "transitions": [{"current": "init", "event": "start", "next": "s"}],
            "machines": {
                "m": {
                    "states": [{"name": "call", "do": "work"}],
                    "actions": [{"name": "work"}],
                    "transitions": [{"current": "init", "event": "start", "next": "call"}],
                }
            },
        },
        WORKERS,
    )
    engine.transport.script = lambda *_: answer({"text": BIG})
    begun = await engine.start()
    child = (await engine.read(begun)).tasks["child"].child
    await engine.advance(0)
    ended = await engine.read(begun)
    assert (ended.status, ended.error["code"]) == ("completed", "child_failed")
    assert (await engine.it.owner.memory.read(child)).error["code"] == "too_large"


async def test_a_thousand_items_with_a_large_input_are_refused_before_they_fill_the_memory(
    engine: Any,
) -> None:
    each = {"name": "each", "do": "work", "each": "${[1..1000]}"}
    await engine.upload(
        {
            "states": [{"name": "s", "tasks": [each]}],
            "actions": [{"name": "work", "input": "$.input"}],
            "transitions": [{"current": "init", "event": "start", "next": "s"}],
        },
        WORKERS,
    )
    with pytest.raises(TooLarge, match=f"{bytes_bound.RECORD_BYTES_MAX}"):
        await engine.start("x" * 900_000)
    assert engine.it.owner.counts()["live"] == 0


async def test_events_that_are_kept_are_bounded_in_bytes(engine: Any) -> None:
    await engine.upload(
        {
            "states": [{"name": "s", "defer": ["later"], "on": {"go": "done"}}],
            "transitions": [{"current": "init", "event": "start", "next": "s"}],
        },
        [],
    )
    begun = await engine.start()
    for _ in range(9):
        await engine.send(begun, "later", "x" * 900_000)
    with pytest.raises(Conflict) as refused:
        await engine.send(begun, "later", "x" * 900_000)
    assert refused.value.reason == "too_many_deferred"
    await engine.send(begun, "go")
    assert (await engine.read(begun)).status == "completed"


# ---------------------------------------------------------------- what breaks the engine


class Picky(MemoryStore):
    """A store that cannot hold anything about some executions."""

    def __init__(self) -> None:
        super().__init__()
        self.refused: set[str] = set()
        self.lets_fail = True
        self.tried = 0

    def answer_and_refuse(self, _: Request, body: dict[str, Any]) -> Reply:
        """Answer a call, and hold nothing more of what is bad."""
        if body["input"] == "bad":
            self.refused.add(body["executionId"])
        return answer({"ok": True})

    async def commit(self, writes: Sequence[Write]) -> list[Verdict]:
        good = [write for write in writes if not self._refuses(write)]
        verdicts = iter(await super().commit(good))
        return [
            Poisonous(message="no") if self._refuses(write) else next(verdicts) for write in writes
        ]

    def _refuses(self, write: Write) -> bool:
        if write.head.id not in self.refused:
            return False
        self.tried += 1
        return not (self.lets_fail and write.head.status == "failed")


async def test_a_step_that_the_store_cannot_hold_ends_its_execution_and_no_other(
    make_engine: Any,
) -> None:
    store = Picky()
    engine = make_engine(store)
    await engine.it.start()
    await engine.upload(ONE_CALL, WORKERS)
    engine.transport.script = store.answer_and_refuse
    bad = await engine.start("bad")
    good = await engine.start("good")
    await engine.advance(A_MINUTE)
    ended = await engine.read(bad)
    assert (ended.status, ended.error["code"]) == ("failed", "poisonous")
    assert "the store cannot hold this step" in ended.error["message"]
    assert len(engine.calls()) == 2, "the worker is not called again and again"
    assert (await engine.read(good)).state == "wait"
    assert engine.it.owner.apart.count == 1
    await engine.verify()
    await engine.it.stop()


async def test_an_execution_that_cannot_even_fail_is_left_alone(make_engine: Any) -> None:
    store = Picky()
    store.lets_fail = False
    engine = make_engine(store)
    await engine.it.start()
    await engine.upload(ONE_CALL, WORKERS)
    engine.transport.script = store.answer_and_refuse
    bad = await engine.start("bad")
    await engine.advance(A_MINUTE)
    tried = store.tried
    assert list(engine.it.owner.apart.left_alone) == [bad.id]
    await engine.advance(600)
    assert store.tried == tried, "it is not tried for ever"
    with pytest.raises(Invalid) as refused:
        await engine.control(bad, "terminate")
    assert refused.value.reason == "poisonous"
    await engine.it.stop()


async def test_an_error_of_the_engine_in_a_timer_fails_that_execution_alone(
    engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await engine.upload(
        {
            "states": [{"name": "s", "after": [{"delay": 5, "next": "done"}]}],
            "transitions": [{"current": "init", "event": "start", "next": "s"}],
        },
        [],
    )
    bad = await engine.start("bad")
    good = await engine.start("good")
    real = fsm_inputs.take_timer

    def broken(compiled: Any, draft: Any, timer: str) -> None:
        if draft.after.input == "bad":
            raise ZeroDivisionError("a mistake of ours")
        real(compiled, draft, timer)

    monkeypatch.setattr(inputs, "take_timer", broken)
    await engine.advance(A_MINUTE)
    ended = await engine.read(bad)
    assert (ended.status, ended.error["code"]) == ("failed", "internal")
    assert "ZeroDivisionError" in ended.error["message"]
    assert (await engine.read(good)).status == "completed"


@pytest.mark.parametrize(
    "trouble",
    [MemoryError(), OSError(24, "Too many open files"), RuntimeError("can't start new thread")],
)
async def test_a_machine_that_is_short_of_something_for_a_while_ends_no_execution(
    engine: Any, monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    await engine.upload(
        {
            "states": [{"name": "s", "after": [{"delay": 5, "next": "done"}]}],
            "transitions": [{"current": "init", "event": "start", "next": "s"}],
        },
        [],
    )
    begun = await engine.start()

    def broken(*_: Any) -> None:
        raise trouble

    with monkeypatch.context() as patch:
        patch.setattr(inputs, "take_timer", broken)
        await engine.advance(300)
        assert not (await engine.read(begun)).ended
    await engine.advance(10)
    assert (await engine.read(begun)).status == "completed"


# ---------------------------------------------------------------- work of one input


async def test_the_expressions_of_one_input_have_a_budget_together(engine: Any) -> None:
    # $reduce is left to the full engine: about 4,000 steps each, a thousand times.
    slow = "${$reduce([1..400], function($a, $b) { $a + $b })}"
    each = {"name": "e", "do": "work", "each": "${[1..1000]}", "ignoreFailure": True}
    await engine.upload(
        {
            "states": [{"name": "s", "tasks": [each]}],
            "actions": [{"name": "work", "type": "map", "value": slow}],
            "transitions": [{"current": "init", "event": "start", "next": "s"}],
        },
        [],
    )
    entries = await engine.entries(await engine.start())
    messages = [entry["error"]["message"] for entry in entries if "error" in entry]
    assert any("the expressions of one input take" in message for message in messages)
    another = await engine.start()
    first = next(e for e in await engine.entries(another) if e["type"] == "taskEnded")
    assert first["output"] == 80_200, "the next input begins with a budget of its own"


async def test_a_loop_of_timers_without_a_pause_ends_and_lets_others_go_first(
    engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("goflow_py.fsm.step.VISITS_MAX", 1_000)
    await engine.upload(
        {
            "states": [{"name": "s", "after": [{"delay": 0, "event": "again"}]}],
            "transitions": [
                {"current": "init", "event": "start", "next": "s"},
                {"current": "s", "event": "again", "next": "s", "reenter": True},
            ],
        },
        [],
    )
    begun = await engine.start()
    for _ in range(50):
        await engine.advance(0.001)
    ended = await engine.read(begun)
    assert (ended.status, ended.error["code"], ended.visit) == ("failed", "max_visits", 1_001)


async def test_an_errand_that_is_left_out_is_in_the_history(
    engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("goflow_py.fsm.errands.ERRANDS_MAX", 1)
    notified = {"name": "s", "notify": {"entered": "hook", "left": "hook"}, "on": {"go": "done"}}
    await engine.upload(
        {
            "states": [notified],
            "transitions": [{"current": "init", "event": "start", "next": "s"}],
        },
        [],
    )
    engine.transport.script = lambda *_: None
    begun = await engine.start()
    await engine.send(begun, "go")
    left_out = [e for e in await engine.entries(begun) if e["type"] == "eventIgnored"]
    assert [(e["name"], e["reason"]) for e in left_out] == [("+notify:left", "too_many_errands")]


# ---------------------------------------------------------------- families


async def test_a_generation_of_a_family_is_bounded(
    engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("goflow_py.engine.births.GENERATION_MEMBERS_MAX", 10)
    fan: dict[str, Any] = {
        "states": [{"name": "s", "tasks": [{"name": "t", "do": "more", "each": "${[1..3]}"}]}],
        "transitions": [{"current": "init", "event": "start", "next": "s"}],
    }
    await engine.upload(
        {
            **fan,
            "actions": [{"name": "more", "type": "activity", "machine": "m"}],
            "machines": {"m": {**fan, "states": [*fan["states"], {"name": "unused"}]}},
        },
        [],
    )
    begun = await engine.start()
    await engine.advance(1)
    ended = await engine.read(begun)
    assert (ended.status, ended.error["code"]) == ("failed", "child_failed")
    assert "too_many_children" in ended.error["message"]


# ---------------------------------------------------------------- work whose outcome is unknown


@pytest.mark.parametrize(("status", "undone"), [(500, 1), (503, 1), (400, 0)])
async def test_work_that_ended_in_a_5xx_may_have_been_done_and_is_undone(
    engine: Any, status: int, undone: int
) -> None:
    await engine.upload(
        {
            "states": [
                {"name": "pay", "on": {"success": "done", "error": "give_back"}},
                {"name": "give_back", "on": {"success": "failed", "error": "failed"}},
            ],
            "actions": [
                {"name": "pay", "undo": "refund"},
                {"name": "refund"},
                {"name": "give_back", "type": "undo"},
            ],
            "transitions": [{"current": "init", "event": "start", "next": "pay"}],
        },
        [{"name": name, "workerEndpoint": name} for name in ("pay", "refund")],
    )
    engine.transport.script = lambda request, _: answer(
        status=status if request.url.endswith("/pay") else 200
    )
    begun = await engine.start()
    await engine.advance(1)
    assert (await engine.read(begun)).state == "failed"
    assert [action for _, action, _ in engine.calls()].count("refund") == undone


async def test_queued_work_is_given_up_when_its_time_for_retries_is_over(engine: Any) -> None:
    await engine.upload(
        {
            "states": [{"name": "s", "do": "cook"}],
            "actions": [
                {
                    "name": "cook",
                    "type": "pull",
                    "retryCount": 100,
                    "retry": {"interval": 1, "maxElapsed": 60},
                }
            ],
            "transitions": [{"current": "init", "event": "start", "next": "s"}],
        },
        [],
    )
    begun = await engine.start()
    [claim] = await engine.it.polls.poll(["cook"], max_tasks=1, wait_seconds=0, worker="w")
    failure = Failure(code="oven", message="the oven is cold")
    await engine.it.claims.end(claim.id, claim.token, failure)
    await engine.advance(50)
    assert (await engine.read(begun)).status == "waiting"
    await engine.advance(11)
    ended = await engine.read(begun)
    assert (ended.status, ended.error["code"]) == ("failed", "oven")


class Damaged(MemoryStore):
    """A store of which one head was damaged."""

    damaged = ""

    async def head(self, execution: str) -> bytes | None:
        return self._read(await super().head(execution))

    async def live(self, shards: Sequence[int], *, after: str, limit: int) -> list[bytes]:
        found = await super().live(shards, after=after, limit=limit)
        return [self._read(body) or b"" for body in found]

    def _read(self, body: bytes | None) -> bytes | None:
        if body is None or not self.damaged or self.damaged.encode() not in body:
            return body
        return body.replace(b'"tasks":', b'"tasks"!')


async def test_a_head_that_cannot_be_read_keeps_nobody_from_being_taken_up(
    make_engine: Any,
) -> None:
    store = Damaged()
    before = make_engine(store)
    await before.it.start()
    await before.upload(ONE_CALL, WORKERS)
    before.transport.script = lambda *_: None
    ones = [await before.start(number) for number in range(3)]
    await before.it.stop()
    store.damaged = ones[0].id
    after = make_engine(store)
    after.transport.script = lambda *_: answer({"ok": True})
    await after.it.start()
    await after.advance(A_MINUTE)
    for one in ones[1:]:
        assert (await after.read(one)).state == "wait"
    assert list(after.it.owner.apart.left_alone) == [ones[0].id]
    await after.it.stop()
