"""Attempts as they are shown: what was sent, by the very keys it was sent with."""

from tests.unit.engine.conftest import Engine

START = {"current": "init", "event": "start", "next": "a"}


async def test_every_kind_of_attempt_is_shown_with_the_key_that_it_was_sent_with(
    engine: Engine,
) -> None:
    document = {
        "states": [
            {
                "name": "a",
                "on": {"success": "b"},
                "notify": {"left": "http://told/x"},
                "subscribe": {"setup": "on", "teardown": "off"},
            },
            {"name": "b", "on": {"go": "done"}},
        ],
        "actions": [{"name": "a", "undo": "back"}, *({"name": n} for n in ("on", "off", "back"))],
        "transitions": [START],
    }
    names = ("a", "on", "off", "back")
    await engine.upload(document, [{"name": name, "workerEndpoint": "w"} for name in names])
    execution = await engine.start()
    await engine.advance(2)
    await engine.control(execution, "cancel")
    await engine.advance(2)
    shown = await engine.it.tracking.attempts(await engine.read(execution))
    sent = {request.headers["Idempotency-Key"] for request in engine.transport.requests}
    assert {attempt["request"]["headers"]["Idempotency-Key"] for attempt in shown} == sent
    assert len(sent) == 5
