"""Work around a state: setups, teardowns, notifications; and work that is replayed alone."""

from typing import Any

import pytest

from goflow_py.domain.execution import Task
from goflow_py.errors import Conflict, EventNotAccepted, ExpressionFailed, Invalid
from goflow_py.fsm import work
from goflow_py.fsm.draft import Draft
from goflow_py.fsm.errands import ERRANDS_MAX, NOTIFY
from tests.player import Player


class Runner(Player):
    """A player that also runs errands, as the engine does."""

    def begin(self, name: str) -> "Runner":
        """Begin an attempt of the task, or the errand, *name*."""

        def act(draft: Draft) -> None:
            task = draft.after.work(name)
            assert task is not None
            common = {"worker": "http://w", "priority": 1, "visit": draft.after.visit}
            draft.add("attemptStarted", task=name, attempt=task.attempts + 1, **common)

        self._step(act)
        return self

    def run(self, what: str, outcome: str = "success", output: Any = None) -> "Runner":
        """End the oldest errand of the sort *what*."""
        errand = self.errands(what)[0]

        def act(draft: Draft) -> None:
            if errand.kind == NOTIFY:
                end = {"visit": draft.after.visit, "outcome": outcome, "output": None}
                draft.add("timerCancelled", timer=f"task:{errand.name}:retry")
                draft.add("taskEnded", task=errand.name, **end)
                return
            action = self.compiled.actions[errand.action]
            if outcome == "error":
                work.end_with_error(draft, action, errand.name, "x", "it failed")
            else:
                work.end(draft, action, errand.name, outcome, output=output)

        self._step(act)
        return self

    def errands(self, what: str = "") -> list[Task]:
        """Return the open errands of the sort *what*, oldest first."""
        found = self.execution.errands.values()
        return [task for task in found if task.name.startswith(f"+{what}")]


def subscribed(state: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """Return a document with a state that subscribes, waits for a payment and unsubscribes."""
    pay = {
        "name": "pay",
        "do": "payment",
        "subscribe": {"setup": "subscribe", "teardown": "unsubscribe"},
        "on": {"paid": "ship", "error": "broken"},
        **(state or {}),
    }
    return {
        "states": [
            pay,
            {"name": "ship", "on": {"go": "done"}},
            {"name": "broken", "on": {"go": "pay"}},
        ],
        "actions": [
            {"name": "payment", "type": "wait", "event": "paid"},
            {"name": "subscribe"},
            {"name": "unsubscribe"},
        ],
        "transitions": [{"current": "init", "event": "start", "next": "pay"}],
        **more,
    }


def play(document: dict[str, Any], value: Any = None) -> Runner:
    player = Runner(document)
    player.start(value)
    return player


# ---------------------------------------------------------------- setup


def test_the_setup_comes_before_the_wait() -> None:
    player = play(subscribed())
    assert (player.state, player.status, player.open) == ("pay", "running", ["subscribe"])
    assert player.execution.tasks["+setup"].facts["key"] == "1/+setup"
    player.end_task("+setup", output={"id": 5})
    assert (player.status, player.open) == ("waiting", ["payment"])


def test_the_setup_comes_before_the_action_of_the_row_that_led_here() -> None:
    document = subscribed({"do": None})
    document["actions"].append({"name": "charge"})
    document["transitions"][0]["action"] = "charge"
    player = play(document)
    assert player.open == ["subscribe"]
    player.end_task("+setup")
    assert player.open == ["charge"]


def test_the_setup_comes_before_a_graph_of_tasks() -> None:
    tasks = [{"name": "payment"}, {"name": "unsubscribe"}]
    player = play(subscribed({"do": None, "tasks": tasks}))
    player.end_task("+setup")
    assert player.open == ["payment", "unsubscribe"]


def test_the_setup_comes_behind_the_delay_of_the_row() -> None:
    document = subscribed()
    document["transitions"][0]["delay"] = 5
    player = play(document)
    assert player.open == []
    player.fire("delay")
    assert player.open == ["subscribe"]
    player.end_task("+setup")
    assert player.open == ["payment"]


def test_a_failed_setup_is_the_error_of_the_state() -> None:
    player = play(subscribed())
    player.end_task("+setup", "error", code="refused")
    assert player.state == "broken"
    assert player.execution.error is not None
    assert player.execution.error["code"] == "refused"


def test_a_setup_whose_input_breaks_is_the_error_of_the_state() -> None:
    document = subscribed()
    document["actions"][1]["input"] = "${ $number(input) }"
    document["states"][2]["do"] = "unsubscribe"
    player = play(document, "none")
    assert (player.state, player.open) == ("broken", ["unsubscribe"])


def test_a_setup_whose_failure_is_ignored_lets_the_work_begin() -> None:
    document = subscribed()
    document["actions"][1] |= {"input": "${ $number(input) }", "ignoreFailure": True}
    assert play(document, "none").open == ["payment"]
    player = play(document, "5")
    player.end_task("+setup", "error")
    assert player.open == ["payment"]


def test_a_setup_that_breaks_for_ever_hits_the_limit_of_an_event() -> None:
    document = subscribed({"on": {"paid": "ship", "error": "pay"}})
    document["actions"][1]["input"] = "${ $number(input) }"
    player = play(document, "none")
    assert player.execution.error is not None
    assert (player.status, player.execution.error["code"]) == ("failed", "microstep_limit")


def test_a_failed_setup_is_retried_before_the_work() -> None:
    player = play(subscribed({"on": {"paid": "ship"}}))
    player.begin("+setup")
    player._step(lambda draft: work.close_attempt(draft, draft.after.tasks["+setup"], "error"))
    player.end_task("+setup", "error")
    assert player.status == "failed"
    player.control("retry")
    assert (player.open, player.execution.tasks["+setup"].attempts) == (["subscribe"], 1)
    player.end_task("+setup")
    assert player.open == ["payment"]


def test_a_retry_of_the_work_does_not_set_up_again() -> None:
    document = subscribed({"do": "ship", "on": {"paid": "broken"}})
    document["actions"].append({"name": "ship"})
    player = play(document)
    player.end_task("+setup").end_task("ship", "error")
    assert player.status == "failed"
    player.control("retry")
    assert player.open == ["ship"]


def test_a_timer_that_fails_the_state_while_it_is_set_up_lets_a_retry_set_up_again() -> None:
    player = play(subscribed({"timeout": 9, "on": {"paid": "ship"}}))
    player.fire("after:0")
    assert player.status == "failed"
    player.control("retry")
    assert player.open == ["subscribe"]
    player.end_task("+setup")
    assert player.open == ["payment"]


def test_a_setup_that_takes_too_long_is_an_error() -> None:
    document = subscribed()
    document["actions"][1]["timeout"] = 3
    player = play(document)
    player.fire()
    assert player.state == "broken"


def test_an_event_with_a_row_leaves_the_state_while_it_is_set_up() -> None:
    player = play(subscribed()).begin("+setup")
    player.send("paid")
    assert (player.state, player.open) == ("ship", [])
    assert [task.input for task in player.errands("teardown")] == [{"setup": None, "event": "paid"}]


def test_an_event_that_only_the_wait_takes_is_refused_while_it_is_set_up() -> None:
    player = play(subscribed({"on": {"success": "ship"}}))
    with pytest.raises(EventNotAccepted):
        player.send("paid")
    player.end_task("+setup")
    player.send("paid")
    assert player.state == "ship"


def test_an_event_that_was_kept_is_taken_when_the_wait_is_open() -> None:
    document = subscribed({"on": {"success": "ship"}})
    document["states"].append({"name": "early", "defer": ["paid"], "on": {"on": "pay"}})
    document["transitions"][0]["next"] = "early"
    player = play(document)
    player.send("paid", 5)
    player.send("on")
    assert (player.state, player.open) == ("pay", ["subscribe"])
    player.end_task("+setup")
    assert player.state == "ship"
    assert player.execution.outputs["pay"]["output"] == 5


def test_a_skip_passes_over_the_setup_and_the_work() -> None:
    player = play(subscribed({"on": {"success": "ship"}})).begin("+setup")
    player.control("skip", output=5)
    assert (player.state, player.open) == ("ship", [])
    assert player.execution.outputs["pay"] == {"output": 5}
    assert len(player.errands("teardown")) == 1


def test_a_retry_after_the_work_broke_behind_the_setup_keeps_the_setup() -> None:
    tasks = [{"name": "unsubscribe"}, {"name": "payment", "when": "$number(data.n) = 1"}]
    document = subscribed({"do": None, "tasks": tasks}, data={"n": "none"})
    player = play(document)
    player.end_task("+setup", output=5)
    assert player.execution.error is not None
    assert (player.status, player.execution.error["code"]) == ("failed", "expression")
    player.control("data", patch={"n": "1"})
    player.control("retry")
    assert player.open == ["unsubscribe", "payment"]
    assert player.execution.tasks["+setup"].facts["output"] == 5


def test_a_second_visit_sets_up_anew() -> None:
    player = play(subscribed())
    player.end_task("+setup", "error")
    player.send("go")
    assert player.open == ["subscribe"]
    assert player.execution.tasks["+setup"].facts["key"] == "3/+setup"


# ---------------------------------------------------------------- teardown


def test_the_teardown_is_ordered_when_the_state_is_left() -> None:
    player = play(subscribed())
    player.end_task("+setup", output={"id": 5})
    player.send("paid")
    (errand,) = player.errands()
    assert (player.state, player.open) == ("ship", [])
    assert (errand.action, errand.kind, errand.input) == (
        "unsubscribe",
        "sync",
        {"setup": {"id": 5}, "event": "paid"},
    )
    assert errand.facts["key"] == "1/+teardown"
    assert player.execution.timers == {f"task:{errand.name}:retry": player.now}
    player.run("teardown")
    assert (player.state, player.execution.errands, player.execution.timers) == ("ship", {}, {})


def test_what_a_teardown_calls_is_made_of_the_setup() -> None:
    document = subscribed()
    document["actions"][2] |= {
        "method": "DELETE",
        "path": "/subscriptions/${ result.setup.id }",
        "input": {"why": "$.result.event"},
    }
    player = play(document)
    player.end_task("+setup", output={"id": 5})
    player.send("paid")
    (errand,) = player.errands()
    assert errand.input == {"why": "paid"}
    assert errand.target == {"path": "/subscriptions/5", "query": {}}


def test_a_teardown_that_cannot_be_rendered_is_given_up_and_fails_nothing() -> None:
    document = subscribed()
    document["actions"][2]["input"] = "${ $number('none') }"
    player = play(document)
    player.end_task("+setup")
    player.send("paid")
    assert (player.state, player.errands(), player.execution.error) == ("ship", [], None)


def test_there_is_no_teardown_when_the_setup_never_began() -> None:
    document = subscribed()
    document["transitions"][0]["delay"] = 5
    player = play(document)
    player.send("paid")
    assert (player.state, player.errands()) == ("ship", [])
    document = subscribed()
    document["actions"][1]["input"] = "${ $number(input) }"
    player = play(document, "none")
    assert (player.state, player.errands()) == ("broken", [])


def test_a_state_with_a_teardown_alone_is_torn_down() -> None:
    player = play(subscribed({"subscribe": {"teardown": "unsubscribe"}}))
    assert player.open == ["payment"]
    player.send("paid")
    assert player.errands("teardown")[0].input == {"setup": None, "event": "paid"}


@pytest.mark.parametrize(
    ("verb", "event", "status"),
    [
        ("goto", "goto", "waiting"),
        ("cancel", "cancelled", "cancelled"),
        ("terminate", "cancelled", "cancelled"),
    ],
)
def test_the_state_is_torn_down_whoever_ends_it(verb: str, event: str, status: str) -> None:
    player = play(subscribed())
    player.end_task("+setup", output=5)
    player.control(verb, state="ship")
    assert player.status == status
    assert player.errands("teardown")[0].input == {"setup": 5, "event": event}
    player.run("teardown")
    assert player.execution.timers == {}


def test_a_failed_state_is_torn_down_only_when_it_is_left() -> None:
    document = subscribed({"do": "ship", "on": {"paid": "broken"}})
    document["actions"].append({"name": "ship"})
    player = play(document)
    player.end_task("+setup", output=5).end_task("ship", "error")
    assert (player.status, player.errands()) == ("failed", [])
    player.control("goto", state="broken")
    assert player.errands("teardown")[0].input == {"setup": 5, "event": "goto"}


@pytest.mark.parametrize("verb", ["goto", "replay"])
def test_a_state_that_its_end_tore_down_is_not_torn_down_again(verb: str) -> None:
    document = subscribed({"final": "completed", "on": {}, "notify": {"left": "http://x/left"}})
    player = play(document)
    player.end_task("+setup")
    player.send("paid")
    assert (player.status, len(player.errands())) == ("completed", 2)
    player.run("teardown").run("notify")
    player.control(verb, **{"state": "pay", "from": "pay"})
    assert (player.open, player.errands()) == (["subscribe"], [])


def test_an_end_in_the_state_tears_it_down() -> None:
    player = play(subscribed({"on": {}}, timeout=60))
    player.end_task("+setup")
    player.send("paid")
    assert (player.status, player.path()) == ("completed", ["init", "pay", "done"])
    assert player.errands("teardown")[0].input["event"] == "success"


def test_a_cancel_tears_down_when_all_is_undone() -> None:
    document = subscribed()
    document["actions"][1]["undo"] = "unsubscribe"
    player = play(document)
    player.end_task("+setup", output=5)
    player.control("cancel")
    (task,) = player.execution.open_tasks()
    assert (task.facts["key"], player.errands()) == ("1/+setup/undo", [])
    player.end_task(task.name)
    assert (player.status, len(player.errands("teardown"))) == ("cancelled", 1)


def test_a_teardown_is_never_compensated() -> None:
    document = subscribed()
    document["actions"][2]["undo"] = "subscribe"
    player = play(document)
    player.end_task("+setup")
    player.send("paid")
    player.run("teardown")
    assert player.execution.done == []


def test_a_teardown_that_fails_changes_nothing() -> None:
    player = play(subscribed())
    player.end_task("+setup")
    player.send("paid")
    before = player.snapshot()
    player.run("teardown", "error")
    assert (player.state, player.status, player.execution.error) == ("ship", "waiting", None)
    assert player.execution.outputs == before.outputs


# ---------------------------------------------------------------- notifications


def told(**endpoints: str) -> dict[str, Any]:
    return {
        "states": [
            {"name": "work", "do": "act", "notify": endpoints, "on": {"stop": "after"}},
            {"name": "after", "on": {"go": "done"}},
        ],
        "actions": [{"name": "act"}],
        "transitions": [{"current": "init", "event": "start", "next": "work"}],
    }


def test_an_entry_is_told_with_who_and_where() -> None:
    player = play(told(entered="http://x/e"))
    (errand,) = player.errands("notify:entered")
    assert (errand.kind, errand.target) == ("notify", {"endpoint": "http://x/e"})
    assert errand.input == {
        "executionId": player.execution.id,
        "project": "p",
        "activity": "a",
        "version": 1,
        "key": None,
        "state": "work",
        "visit": 1,
        "what": "entered",
        "event": "start",
    }
    assert errand.facts["key"] == f"1/{errand.name}"
    assert player.open == ["act"]


def test_a_state_that_is_left_is_told_with_the_event() -> None:
    player = play(told(left="http://x/l"))
    assert player.errands() == []
    player.send("stop")
    (errand,) = player.errands("notify:left")
    assert (errand.input["state"], errand.input["visit"], errand.input["event"]) == (
        "work",
        1,
        "stop",
    )


def test_a_failure_is_told_with_its_code_and_once_for_each() -> None:
    player = play(told(failed="http://x/f", left="http://x/l"))
    player.end_task("act", "error", code="oven")
    (errand,) = player.errands()
    assert (player.status, errand.input["what"], errand.input["event"]) == (
        "failed",
        "failed",
        "oven",
    )
    player.run("notify")
    player.control("retry")
    player.end_task("act", "error", code="oven")
    assert len(player.errands("notify:failed")) == 1


def test_an_end_leaves_the_state() -> None:
    player = play(told(left="http://x/l"))
    player.end_task("act")
    assert [task.input["event"] for task in player.errands()] == ["success"]


def test_errands_survive_changes_of_state_and_the_end() -> None:
    player = play(told(entered="http://x/e", left="http://x/l"))
    player.send("stop")
    player.send("go")
    assert player.status == "completed"
    names = [task.name for task in player.errands()]
    assert len(names) == 2
    assert sorted(player.execution.timers) == sorted(f"task:{name}:retry" for name in names)
    assert player.execution.wake is not None
    player.run("notify").run("notify", "error")
    assert (player.status, player.errands(), player.execution.timers) == ("completed", [], {})


def test_errands_survive_a_retry_a_goto_and_a_cancel() -> None:
    player = play(told(entered="http://x/e"))
    player.end_task("act", "error")
    player.control("retry")
    player.control("goto", state="after")
    player.control("cancel")
    assert (player.status, len(player.errands("notify:entered"))) == ("cancelled", 1)
    player.run("notify")
    assert player.execution.timers == {}


def test_more_errands_than_the_limit_are_left_out_and_the_execution_goes_on() -> None:
    step = {"when": "data.n < 700", "set": {"n": "${ data.n + 1 }"}}
    both = {"entered": "http://x/e", "left": "http://x/l"}
    document = {
        "states": [
            {"name": "p", "notify": both, "on": {"always": {"next": "q", **step}, "go": "done"}},
            {"name": "q", "notify": both, "on": {"always": {"next": "p", **step}, "go": "done"}},
        ],
        "data": {"n": 0},
        "transitions": [{"current": "init", "event": "start", "next": "p"}],
    }
    player = play(document)
    assert (player.status, player.execution.visit) == ("waiting", 701)
    assert len(player.errands()) == ERRANDS_MAX
    player.send("go")
    assert player.status == "completed"


# ---------------------------------------------------------------- replay alone


def pair(**more: Any) -> dict[str, Any]:
    """Return a document with a call, then a graph of two, then a wait."""
    return {
        "states": [
            {"name": "one", "do": "call"},
            {"name": "two", "tasks": [{"name": "a"}, {"name": "b"}]},
            {"name": "rest", "on": {"go": "done"}},
        ],
        "actions": [{"name": "call", "input": {"n": "$.data.n"}}, {"name": "a"}, {"name": "b"}],
        "data": {"n": 1},
        "transitions": [
            {"current": "init", "event": "start", "next": "one"},
            {"current": "one", "event": "success", "next": "two"},
            {"current": "two", "event": "success", "next": "rest"},
        ],
        **more,
    }


def at_rest(**more: Any) -> Runner:
    player = play(pair(**more))
    player.end_task("call", output="old").end_task("a", output="A").end_task("b", output="B")
    assert player.state == "rest"
    return player


def test_a_replay_alone_replaces_the_output_and_moves_nothing() -> None:
    player = at_rest()
    player.control("data", patch={"n": 2})
    before = player.snapshot()
    assert player.control("replay", **{"from": "one"}, downstream=False)
    (errand,) = player.errands("replay")
    assert (errand.action, errand.input, errand.facts["replaces"]) == (
        "call",
        {"n": 2},
        ["one", None],
    )
    assert errand.facts["key"] == f"1/replay/{errand.name.split(':')[1]}"
    assert (player.state, player.status, player.open) == ("rest", "waiting", [])
    player.run("replay", output="new")
    assert player.execution.outputs["one"] == {"output": "new"}
    assert list(player.execution.outputs) == list(before.outputs)
    assert player.execution.visit == before.visit
    assert player.path() == ["init", "one", "two", "rest"]


def test_a_named_task_of_a_graph_is_replayed_alone() -> None:
    player = at_rest()
    player.control("replay", **{"from": "two"}, task="a", downstream=False)
    player.run("replay", "odd", output="AA")
    assert player.execution.outputs["two"] == {
        "a": {"output": "AA", "event": "odd"},
        "b": {"output": "B"},
        "output": {"a": "AA", "b": "B"},
    }


def test_a_task_is_replayed_alone_beside_an_output_that_an_operator_gave() -> None:
    player = play(pair())
    player.end_task("call").end_task("a", output="A")
    player.control("skip", output=5)
    player.control("replay", **{"from": "two"}, task="a", downstream=False)
    player.run("replay", output="AA")
    assert player.execution.outputs["two"] == {"a": {"output": "AA"}, "output": 5}


@pytest.mark.parametrize("outcome", ["success", "error"])
def test_a_replay_alone_does_not_open_an_execution_that_has_ended(outcome: str) -> None:
    player = at_rest()
    player.send("go")
    finished, output = player.execution.finished_at, player.execution.output
    player.now += 5
    player.control("replay", **{"from": "one"}, downstream=False)
    player.run("replay", outcome, output="new")
    assert (player.status, player.execution.finished_at) == ("completed", finished)
    assert player.execution.output == output
    expected = "new" if outcome == "success" else "old"
    assert player.execution.outputs["one"] == {"output": expected}
    assert player.execution.error is None


def test_a_replay_alone_that_fails_keeps_the_output() -> None:
    player = at_rest()
    player.control("replay", **{"from": "one"}, downstream=False)
    player.run("replay", "error")
    assert player.execution.outputs["one"] == {"output": "old"}
    assert (player.state, player.execution.error) == ("rest", None)


def test_a_replay_alone_survives_a_change_of_state_and_the_end() -> None:
    player = at_rest()
    player.control("replay", **{"from": "one"}, downstream=False)
    player.send("go")
    assert (player.status, len(player.errands("replay"))) == ("completed", 1)
    player.run("replay", output="new")
    assert player.execution.outputs["one"] == {"output": "new"}


def test_a_replay_alone_whose_input_breaks_is_refused_and_changes_nothing() -> None:
    document = pair()
    document["actions"][0]["input"] = "${ $number(data.n) }"
    player = play(document)
    player.end_task("call").end_task("a").end_task("b")
    player.control("data", patch={"n": "none"})
    before = player.snapshot()
    with pytest.raises(ExpressionFailed):
        player.control("replay", **{"from": "one"}, downstream=False)
    assert player.execution == before


@pytest.mark.parametrize(
    ("arguments", "error", "code"),
    [
        ({"from": "two"}, Invalid, "unknown_task"),
        ({"from": "two", "task": "zzz"}, Invalid, "unknown_task"),
        ({"from": "one", "task": "a"}, Invalid, "no_work"),
        ({"from": "rest"}, Invalid, "no_work"),
        ({"from": "zzz"}, Invalid, "unknown_state"),
        ({"from": "init"}, Invalid, "unknown_state"),
        ({"from": "done"}, Conflict, "not_visited"),
    ],
)
def test_a_replay_alone_of_what_is_not_there_is_refused(
    arguments: dict[str, Any], error: type[Exception], code: str
) -> None:
    player = at_rest()
    with pytest.raises(error) as refusal:
        player.control("replay", downstream=False, **arguments)
    assert getattr(refusal.value, "reason", "") == code


@pytest.mark.parametrize("kind", ["map", "wait", "human", "delay", "undo"])
def test_only_work_that_the_engine_sees_through_is_replayed_alone(kind: str) -> None:
    needed: dict[str, dict[str, Any]] = {"wait": {"event": "x"}, "delay": {"seconds": 1}}
    more = needed.get(kind, {})
    actions = [{"name": "call", "type": kind, **more}, {"name": "a"}, {"name": "b"}]
    player = play(pair(actions=actions))
    player.control("goto", state="rest")
    with pytest.raises(Invalid) as refusal:
        player.control("replay", **{"from": "one"}, downstream=False)
    assert refusal.value.reason == "not_alone"


def test_a_list_of_items_is_not_replayed_alone() -> None:
    document = pair()
    document["states"][1]["tasks"][0]["each"] = "$.input"
    player = play(document)
    player.end_task("call").end_task("b")
    assert player.state == "rest"
    with pytest.raises(Invalid) as refusal:
        player.control("replay", **{"from": "two"}, task="a", downstream=False)
    assert refusal.value.reason == "not_alone"


def test_a_replay_alone_waits_for_calls_and_pauses_to_be_over() -> None:
    player = play(pair())
    player.end_task("call")
    with pytest.raises(Conflict):
        player.control("replay", **{"from": "one"}, downstream=False)
    player.end_task("a").end_task("b")
    player.control("pause")
    with pytest.raises(Conflict):
        player.control("replay", **{"from": "one"}, downstream=False)


def test_replays_alone_are_bounded() -> None:
    player = at_rest()
    errand = Task(name="+replay:x", action="call", kind="sync")
    player.execution.errands |= {f"+replay:{i}": errand for i in range(ERRANDS_MAX)}
    with pytest.raises(Conflict) as refusal:
        player.control("replay", **{"from": "one"}, downstream=False)
    assert refusal.value.reason == "too_many_errands"
