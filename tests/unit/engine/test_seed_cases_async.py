"""Workflows that are code in gorchestrate/async, as blueprints: what they log, exactly."""

from typing import Any

import pytest

from goflow_py.domain.event import Outside
from goflow_py.engine.requests import Match
from goflow_py.errors import EventNotAccepted, PreconditionFailed
from goflow_py.testing import answer
from tests.unit.engine.conftest import Engine
from tests.unit.engine.seeds import begins, graph


def log(letter: str) -> dict[str, Any]:
    return {"log": f"{{$.data.log}}{letter}"}


def note(name: str, letter: str, **more: Any) -> dict[str, Any]:
    """Return the action *name* that appends *letter* to the log, and sets *more*."""
    return {"name": name, "type": "map", "set": {**log(letter), **more}}


LOGGED: dict[str, Any] = {"data": {"log": "", "n": 0}, "output": "$.data.log"}


# ---------------------------------------------------------------- A1: loop and break


def looping(*, forever: bool) -> dict[str, Any]:
    """Five times l; then twice: wait for h, answer it, a. The first loop breaks, or not."""
    again, leave = {"when": "data.n < 5", "next": "l"}, {"when": "data.n = 5", "next": "reset"}
    turns = [leave, {"when": "true", "next": "l"}] if forever else [again, leave]
    handled = {"next": "a", "set": log("h"), "respond": "$.data.log"}
    count = "${data.n + 1}"
    return begins(
        "l",
        states=[
            {"name": "l", "on": {"success": turns}},
            {"name": "reset", "on": {"success": "wait"}},
            {"name": "wait", "on": {"h": handled}},
            {
                "name": "a",
                "on": {"success": [{"when": "data.n < 2", "next": "wait"}, {"next": "done"}]},
            },
        ],
        actions=[
            note("l", "l", n=count),
            {"name": "reset", "type": "map", "set": {"n": 0}},
            note("a", "a", n=count),
        ],
        **LOGGED,
    )


@pytest.mark.parametrize("forever", [False, True], ids=["loop", "break"])
async def test_a_loop_of_steps_and_one_of_events_log_what_they_do(
    engine: Engine, forever: bool
) -> None:
    await engine.upload(looping(forever=forever), [])
    execution = await engine.start()
    assert (await engine.read(execution)).data["log"] == "lllll"
    answers = []
    for _ in range(2):
        sent = await engine.send(execution, "h")
        answers.append((sent.respond, sent.execution.data["log"]))
    assert answers == [("lllllh", "lllllha"), ("lllllhah", "lllllhaha")]
    now = await engine.read(execution)
    assert (now.status, now.output) == ("completed", "lllllhaha")


# ---------------------------------------------------------------- A2: if, else, return


def branching() -> dict[str, Any]:
    """If "a": aa, and done. If "": bb, and wait for h. Else return as it came."""
    wait_h = {"name": "wait", "on": {"h": {"next": "done", "set": log("h")}}}
    document = begins(
        "which",
        ("a", "success", "done"),
        ("b", "success", "wait"),
        states=["which", "a", "b", wait_h],
        actions=[note("a", "aa"), note("b", "bb")],
        **LOGGED,
    )
    document["transitions"] += [
        {"current": "which", "event": "always", "when": "input = 'a'", "next": "a"},
        {"current": "which", "event": "always", "when": "input = ''", "next": "b"},
        {"current": "which", "event": "always", "next": "done", "set": {"log": "$.input"}},
    ]
    return document


@pytest.mark.parametrize(("value", "logged"), [("a", "aa"), ("c", "c")])
async def test_an_if_and_a_return_end_at_once(engine: Engine, value: str, logged: str) -> None:
    await engine.upload(branching(), [])
    now = await engine.start(value)
    assert (now.status, now.output) == ("completed", logged)


async def test_an_else_waits_for_its_event(engine: Engine) -> None:
    await engine.upload(branching(), [])
    execution = await engine.start("")
    assert (execution.status, execution.data["log"]) == ("waiting", "bb")
    await engine.send(execution, "h")
    assert (await engine.read(execution)).output == "bbh"


# ---------------------------------------------------------------- A3: spawn and join


@pytest.mark.parametrize("count", [5, 1, 0])
async def test_threads_that_a_loop_spawns_are_joined_also_when_there_are_none(
    engine: Engine, count: int
) -> None:
    ready = {"name": "ready", "on": {"run": {"when": "event.data = input", "next": "done"}}}
    document = begins(
        "work",
        ("end", "success", "done"),
        states=[
            graph(
                {"name": "thread", "each": "$.input", "as": "id"},
                on={"success": {"next": "end", "set": {"log": "${$join(work.thread.output)}"}}},
            ),
            "end",
        ],
        actions=[
            {"name": "thread", "type": "activity", "machine": "thread", "input": "$.id"},
            note("end", "_done"),
        ],
        machines={"thread": begins("ready", states=[ready], output="a")},
        **LOGGED,
    )
    await engine.upload(document, [])
    execution = await engine.start(list(range(count)))
    for id_ in reversed(range(count)):
        assert (await engine.read(execution)).status == "waiting"
        await engine.send(execution, "run", id_)
    now = await engine.read(execution)
    assert (now.status, now.output) == ("completed", "a" * count + "_done")


@pytest.mark.parametrize("count", [5, 1, 0])
async def test_a_condition_on_the_data_is_looked_at_after_each_event(
    engine: Engine, count: int
) -> None:
    count_down = {"set": {**log("a"), "n": "${data.n - 1}"}}
    waiting = {
        "name": "waiting",
        "on": {"run": count_down, "always": {"when": "data.n = 0", "next": "end"}},
    }
    document = begins(
        "waiting",
        ("end", "success", "done"),
        states=[waiting, "end"],
        actions=[note("end", "_done")],
        **{**LOGGED, "data": {"log": "", "n": count}},
    )
    await engine.upload(document, [])
    execution = await engine.start()
    for _ in range(count):
        assert (await engine.read(execution)).status == "waiting"
        await engine.send(execution, "run")
    assert (await engine.read(execution)).output == "a" * count + "_done"


# ---------------------------------------------------------------- A4: sub-workflows


def prefixed(name: str, digit: str, inner: str, kind: str) -> dict[str, Any]:
    """Return a workflow that appends *digit* to its input, and then runs *inner* as a and as b."""
    a, b = f"a.{inner}", f"b.{inner}"
    actions = [
        {"name": name, "type": "map", "value": f"{{$.input}}{digit}"},
        {"name": a, "type": "activity", kind: inner, "input": f"$.{name}.output"},
        {"name": b, "type": "activity", kind: inner, "input": f"$['{a}'].output"},
    ]
    rows = [(name, "success", a), (a, "success", b), (b, "success", "done")]
    return begins(name, *rows, states=[name, a, b], actions=actions)


@pytest.mark.parametrize("kind", ["machine", "activity"])
async def test_sub_workflows_are_used_twice_under_two_prefixes(engine: Engine, kind: str) -> None:
    three = begins(
        "three",
        ("three", "success", "done"),
        states=["three"],
        actions=[{"name": "three", "type": "map", "value": "{$.input}3"}],
    )
    parts = {"two": prefixed("two", "2", "three", kind), "three": three}
    whole = prefixed("one", "1", "two", kind)
    if kind == "machine":
        whole["machines"] = parts
    else:
        for name, part in reversed(parts.items()):
            await engine.upload({"activity": name, **part}, [])
    await engine.upload(whole, [])
    now = await engine.start("")
    assert (now.status, now.output) == ("completed", "1233233")


# ---------------------------------------------------------------- A5: subscriptions and refusals


def subscribing() -> dict[str, Any]:
    around = {"setup": "setup", "teardown": "teardown"}
    ready = {"name": "ready", "subscribe": around, "on": {"h": "done", "other": "ready"}}
    actions = [{"name": "setup"}, {"name": "teardown"}]
    return begins("ready", states=[ready], actions=actions)


WORKERS = [{"name": name, "workerEndpoint": "w"} for name in ("setup", "teardown")]


async def test_the_teardown_gets_what_the_setup_answered_and_which_event_came(
    engine: Engine,
) -> None:
    await engine.upload(subscribing(), WORKERS)
    engine.transport.script = lambda *_: answer("abc")
    execution = await engine.start()
    await engine.advance(0)
    await engine.send(execution, "h")
    await engine.advance(0)
    assert [body["action"] for body in engine.transport.bodies] == ["setup", "teardown"]
    assert engine.transport.bodies[1]["input"] == {"setup": "abc", "event": "h"}


async def test_an_unknown_a_stale_and_a_late_event_are_refused_and_change_nothing(
    engine: Engine,
) -> None:
    await engine.upload(subscribing(), WORKERS)
    execution = await engine.start()
    await engine.advance(0)
    before = await engine.read(execution)
    with pytest.raises(EventNotAccepted) as unknown:
        await engine.send(execution, "nonsense")
    assert {item["event"] for item in unknown.value.facts["awaiting"]} == {"h", "other"}
    stale = Match(visit=before.visit + 1)
    with pytest.raises(PreconditionFailed):
        await engine.it.executions.send(execution.id, Outside(name="h"), match=stale)
    assert (await engine.read(execution)).seq == before.seq
    await engine.send(execution, "h")
    ended = await engine.read(execution)
    with pytest.raises(EventNotAccepted, match="the execution has ended"):
        await engine.send(execution, "h")
    assert (await engine.read(execution)).seq == ended.seq
