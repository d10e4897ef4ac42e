"""No run takes longer than the bound that its upload was told."""

from typing import Any

import orjson
import pytest

from goflow_py.ports import Unreachable
from goflow_py.testing import answer

START = {"current": "init", "event": "start", "next": "a"}
AGAIN = {"current": "a", "event": "error", "next": "a"}
WORKER = {"name": "a", "workerEndpoint": "one", "responseTimeout": 5, "retry": {"jitter": "none"}}


@pytest.mark.parametrize(
    ("document", "workers"),
    [
        ({}, [{**WORKER, "retryCount": 4}]),
        ({}, [{**WORKER, "retryCount": 2}, {**WORKER, "workerEndpoint": "two", "retryCount": 1}]),
        ({}, [{**WORKER, "retryCount": 6, "retry": {"jitter": "none", "maxInterval": 3}}]),
        ({"actions": [{"name": "a", "timeout": 9}]}, [{**WORKER, "retryCount": 9}]),
        ({"states": [{"name": "a", "timeout": 4}]}, [{**WORKER, "retryCount": 9}]),
        ({"states": [{"name": "a", "maxVisits": 3}]}, [{**WORKER, "retryCount": 1}]),
        ({"timeout": 11, "transitions": [START, AGAIN]}, [{**WORKER, "retryCount": 1}]),
        ({"actions": [{"name": "a", "type": "delay", "seconds": 6}]}, []),
        ({"actions": [{"name": "a", "type": "wait", "event": "x", "timeout": 6}]}, []),
        ({"actions": [{"name": "a", "type": "async"}]}, [WORKER]),
    ],
)
async def test_the_slowest_run_ends_within_the_bound(
    engine: Any, document: dict[str, Any], workers: list[dict[str, Any]]
) -> None:
    # The stub answers at once: of an attempt only its back-off takes time here.
    is_async = document.get("actions", [{}])[0].get("type") == "async"
    engine.transport.script = lambda _, __: (
        answer(None, status=202) if is_async else Unreachable(code="unreachable", message="nobody")
    )
    rows = [START, AGAIN] if "maxVisits" in str(document) else [START]
    whole = {"project": "p", "activity": "a", "states": ["a"], "transitions": rows, **document}
    told = await engine.it.uploads.upload(orjson.dumps({**whole, "workers": workers}))
    bound = told.as_json()["bound"]["seconds"]
    execution = await engine.start()
    await engine.advance(bound + 0.05)
    now = await engine.read(execution)
    assert now.ended
    assert (now.finished_at - now.started_at) / 1000 <= bound + 0.01
