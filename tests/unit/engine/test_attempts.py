"""Attempts over prioritised workers: order, retries, back-off, fail-over, breakers."""

from itertools import pairwise
from typing import Any

import pytest

from goflow_py.ports import Answered, Unreachable
from goflow_py.testing import answer

ONE = {"states": ["a"], "transitions": [{"current": "init", "event": "start", "next": "a"}]}


def worker(endpoint: str, **fields: Any) -> dict[str, Any]:
    return {"name": "a", "workerEndpoint": endpoint, **fields}


def dead(*names: str, status: int = 500) -> Any:
    """A script in which these endpoints answer an error."""
    return lambda request, _: answer(
        {"from": request.url.rsplit("/", 1)[1]},
        status=status if request.url.rsplit("/", 1)[1] in names else 200,
    )


async def test_workers_are_called_by_priority_and_each_has_its_attempts(engine: Any) -> None:
    engine.transport.script = dead("second", "first")
    await engine.upload(
        ONE,
        [
            worker("third", priority=3),
            worker("second", priority=2, retryCount=1),
            worker("first", retryCount=2),
        ],
    )
    execution = await engine.start()
    await engine.advance(60)
    assert [call[0] for call in engine.calls()] == ["first"] * 3 + ["second"] * 2 + ["third"]
    assert [call[2] for call in engine.calls()] == [1, 2, 3, 4, 5, 6]
    assert (await engine.read(execution)).status == "completed"


async def test_the_next_priority_is_asked_at_once_when_one_is_exhausted(engine: Any) -> None:
    engine.transport.script = dead("first")
    await engine.upload(ONE, [worker("first"), worker("second", priority=2)])
    await engine.start()
    await engine.advance(0)
    assert [call[0] for call in engine.calls()] == ["first", "second"]


async def test_all_exhausted_is_an_error_with_the_last_ones_code(engine: Any) -> None:
    engine.transport.script = dead("first")
    await engine.upload(ONE, [worker("first", retryCount=1)])
    execution = await engine.start()
    await engine.advance(10)
    now = await engine.read(execution)
    assert now.status == "failed"
    assert now.error["code"] == "server_error"
    assert (now.error["attempts"], now.error["status"], now.error["worker"]) == (2, 500, "first")


async def test_equal_priorities_share_the_load_call_by_call(engine: Any) -> None:
    await engine.upload(ONE, [worker("x"), worker("y")])
    for _ in range(6):
        await engine.start()
        await engine.advance(0)
    assert sorted(call[0] for call in engine.calls()) == ["x"] * 3 + ["y"] * 3


async def test_a_failed_call_goes_to_its_equal_at_once(engine: Any) -> None:
    engine.transport.script = dead("x")
    await engine.upload(ONE, [worker("x", retryCount=3), worker("y", retryCount=3)])
    await engine.start()
    await engine.advance(0)
    await engine.start()
    await engine.advance(0)
    assert [call[0] for call in engine.calls()][-1] == "y"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422])
async def test_a_definite_no_is_an_error_at_once_without_fail_over(
    engine: Any, status: int
) -> None:
    engine.transport.script = lambda *_: answer(
        {"code": "no_funds", "detail": "the account is empty"}, status=status
    )
    await engine.upload(ONE, [worker("first", retryCount=5), worker("second", priority=2)])
    execution = await engine.start()
    await engine.advance(60)
    now = await engine.read(execution)
    assert len(engine.calls()) == 1
    assert (now.error["code"], now.error["message"]) == ("no_funds", "the account is empty")


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
async def test_these_statuses_are_retried(engine: Any, status: int) -> None:
    engine.transport.script = dead("first", status=status)
    await engine.upload(ONE, [worker("first", retryCount=2)])
    await engine.start()
    await engine.advance(60)
    assert len(engine.calls()) == 3


@pytest.mark.parametrize(
    ("reply", "code", "calls"),
    [
        (Unreachable(code="timeout", message="late"), "timeout", 3),
        (Unreachable(code="unreachable", message="refused"), "unreachable", 3),
        (Unreachable(code="too_large", message="big"), "too_large", 1),
        (Unreachable(code="forbidden_target", message="no"), "forbidden_target", 1),
        (Answered(status=302, headers={"location": "http://x"}, body=b""), "bad_response", 1),
        (
            Answered(status=200, headers={"content-type": "application/json"}, body=b"{"),
            "bad_response",
            1,
        ),
        (answer({"event": "start"}), "bad_response", 1),
    ],
)
async def test_what_each_broken_reply_comes_to(
    engine: Any, reply: Any, code: str, calls: int
) -> None:
    engine.transport.script = lambda *_: reply
    await engine.upload(ONE, [worker("first", retryCount=2)])
    execution = await engine.start()
    await engine.advance(60)
    assert (await engine.read(execution)).error["code"] == code
    assert len(engine.calls()) == calls


@pytest.mark.parametrize(
    ("reply", "output"),
    [
        (answer({"x": 1}), {"x": 1}),
        (Answered(status=204, headers={}, body=b""), None),
        (answer(None), None),
        (Answered(status=202, headers={}, body=b"[1]"), [1]),
        (Answered(status=200, headers={"content-type": "text/plain"}, body=b"hi"), "hi"),
    ],
)
async def test_any_2xx_is_success_with_its_body(engine: Any, reply: Any, output: Any) -> None:
    engine.transport.script = lambda *_: reply
    await engine.upload(ONE, [worker("first")])
    execution = await engine.start()
    await engine.advance(1)
    now = await engine.read(execution)
    assert (now.status, now.output) == ("completed", output)


async def test_back_off_doubles_to_its_maximum_without_jitter(engine: Any) -> None:
    engine.transport.script = dead("first")
    retry = {"interval": 2, "backoffRate": 3, "maxInterval": 10, "jitter": "none"}
    await engine.upload(ONE, [worker("first", retryCount=4, retry=retry)])
    execution = await engine.start()
    await engine.advance(100)
    begun = [e["at"] for e in await engine.entries(execution) if e["type"] == "attemptStarted"]
    seconds = [int(at[17:19]) + 60 * int(at[14:16]) for at in begun]
    assert [b - a for a, b in pairwise(seconds)] == [2, 6, 10, 10]


async def test_full_jitter_stays_below_the_ceiling(engine: Any) -> None:
    engine.transport.script = dead("first")
    await engine.upload(ONE, [worker("first", retryCount=1, retry={"interval": 10})])
    await engine.start()
    await engine.advance(10)
    assert len(engine.calls()) == 2


async def test_retry_after_is_a_lower_bound(engine: Any) -> None:
    engine.transport.script = lambda *_: answer(status=503, **{"retry-after": "30"})
    await engine.upload(ONE, [worker("first", retryCount=1)])
    await engine.start()
    await engine.advance(29)
    assert len(engine.calls()) == 1
    await engine.advance(2)
    assert len(engine.calls()) == 2


async def test_no_attempt_begins_after_max_elapsed(engine: Any) -> None:
    engine.transport.script = dead("first")
    retry = {"interval": 4, "backoffRate": 1, "jitter": "none", "maxElapsed": 10}
    await engine.upload(ONE, [worker("first", retryCount=50, retry=retry)])
    execution = await engine.start()
    await engine.advance(60)
    assert (await engine.read(execution)).status == "failed"
    assert len(engine.calls()) == 3


async def test_every_attempt_sends_the_same_key_and_rising_fences(engine: Any) -> None:
    engine.transport.script = dead("first")
    await engine.upload(ONE, [worker("first", retryCount=3)])
    execution = await engine.start()
    await engine.advance(60)
    headers = [request.headers for request in engine.transport.requests]
    assert {h["Idempotency-Key"] for h in headers} == {f"{execution.id}/1"}
    fences = [int(h["Goflow-Fence"]) for h in headers]
    assert fences == sorted(set(fences))
    assert [h["Goflow-Attempt"] for h in headers] == ["1", "2", "3", "4"]


async def test_an_open_breaker_sends_calls_to_the_next_priority(engine: Any) -> None:
    engine.transport.script = dead("first")
    await engine.upload(ONE, [worker("first"), worker("second", priority=2)])
    for _ in range(10):
        await engine.start()
        await engine.advance(0)
    before = len(engine.calls())
    await engine.start()
    await engine.advance(0)
    assert [call[0] for call in engine.calls()][before:] == ["second"]


async def test_one_probe_closes_the_breaker_of_a_worker_that_is_back(engine: Any) -> None:
    engine.transport.script = dead("first")
    await engine.upload(ONE, [worker("first"), worker("second", priority=2)])
    for _ in range(10):
        await engine.start()
        await engine.advance(0)
    engine.transport.script = dead()
    await engine.advance(10)
    before = len(engine.calls())
    for _ in range(3):
        await engine.start()
        await engine.advance(0)
    assert [call[0] for call in engine.calls()][before:] == ["first"] * 3


async def test_max_concurrent_bounds_the_calls_of_a_worker(engine: Any) -> None:
    engine.transport.script = lambda *_: None
    await engine.upload(ONE, [worker("first", maxConcurrent=2)])
    for _ in range(5):
        await engine.start()
    await engine.advance(0)
    assert len(engine.calls()) == 2


async def test_a_task_that_waits_for_a_slot_is_called_when_one_is_free(engine: Any) -> None:
    await engine.upload(ONE, [worker("first", maxConcurrent=1)])
    executions = [await engine.start(n) for n in range(5)]
    await engine.advance(1)
    assert [(await engine.read(e)).status for e in executions] == ["completed"] * 5


async def test_workers_may_change_under_a_running_execution(engine: Any) -> None:
    engine.transport.script = dead("first")
    await engine.upload(ONE, [worker("first", retryCount=9, retry={"jitter": "none"})])
    execution = await engine.start()
    await engine.advance(0.5)
    body = b'{"workers": [{"name": "a", "workerEndpoint": "other"}]}'
    await engine.it.uploads.put_workers("p", "a", body)
    await engine.advance(60)
    assert engine.calls()[-1][0] == "other"
    assert (await engine.read(execution)).status == "completed"


async def test_a_worker_chooses_the_outcome(engine: Any) -> None:
    document = {
        "states": ["a", "b"],
        "transitions": [
            {"current": "init", "event": "start", "next": "a"},
            {"current": "a", "event": "approved", "next": "b"},
        ],
    }
    engine.transport.script = lambda *_: answer({"event": "approved", "output": 7})
    await engine.upload(document, [worker("first")])
    execution = await engine.start()
    await engine.advance(1)
    assert engine.transport.bodies[0]["labels"] == ["approved"]
    assert (await engine.read(execution)).outputs["a"] == {"output": 7}
    assert "b" in (await engine.read(execution)).visits


async def test_a_rate_limit_spaces_the_calls_of_a_worker(engine: Any) -> None:
    await engine.upload(ONE, [worker("first", rateLimit=2)])
    for _ in range(4):
        await engine.start()
    await engine.advance(0)
    assert len(engine.calls()) == 1
    await engine.advance(0.6)
    assert len(engine.calls()) == 2
    await engine.advance(5)
    assert len(engine.calls()) == 4


async def test_secrets_reach_the_worker_and_nothing_else(make_engine: Any, clock: Any) -> None:
    engine = make_engine(secret={"TOKEN": "s3cret-value-42"}.get)
    await engine.it.start()
    engine.transport.script = lambda request, _: answer(
        {"echo": request.headers["Authorization"]}, status=200
    )
    workers = [worker("first", auth="Bearer ${secret:TOKEN}", headers={"X-Key": "${secret:TOKEN}"})]
    await engine.upload(ONE, workers)
    execution = await engine.start()
    await engine.advance(1)
    assert engine.transport.requests[0].headers["Authorization"] == "Bearer s3cret-value-42"
    assert engine.transport.requests[0].headers["X-Key"] == "s3cret-value-42"
    now = await engine.read(execution)
    assert now.output == {"echo": "Bearer [secret]"}
    everything = str(await engine.entries(execution)) + str(await engine.it.tracking.attempts(now))
    assert "s3cret" not in everything
    await engine.it.stop()


async def test_a_missing_secret_is_an_error_that_names_it(engine: Any) -> None:
    await engine.upload(ONE, [worker("first", auth="${secret:GONE}")])
    execution = await engine.start()
    await engine.advance(1)
    assert "GONE" in (await engine.read(execution)).error["message"]
    assert engine.calls() == []
