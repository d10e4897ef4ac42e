"""The rules R1 to R10 of the language, one by one."""

from typing import Any

import pytest

from goflow_py.errors import EventNotAccepted, ExpressionFailed, Invalid

CALL = {"name": "work", "type": "sync"}


def row(current: str, event: str, next_: str | None = None, **fields: Any) -> dict[str, Any]:
    found = {"current": current, "event": event, **fields}
    return found if next_ is None else {**found, "next": next_}


def test_r1_an_action_row_enters_and_starts_the_action_without_raising_start(play: Any) -> None:
    player = play(
        {
            "states": ["a", "trap"],
            "actions": [CALL],
            "transitions": [row("init", "start", "a", action="work"), row("a", "start", "trap")],
        }
    ).start({"n": 1})
    assert player.path() == ["init", "a"]
    assert player.open == ["work"]
    assert player.execution.open_tasks()[0].input == {"n": 1}
    assert player.status == "running"


def test_r2_a_continue_row_raises_start_once_in_the_next_state(play: Any) -> None:
    player = play(
        {
            "states": ["a", "b"],
            "actions": [CALL],
            "transitions": [row("init", "start", "a"), row("a", "start", "b", action="work")],
        }
    ).start()
    assert player.path() == ["init", "a", "b"]
    assert player.open == ["work"]


@pytest.mark.parametrize("action", ["continue", None, ""])
def test_r2a_a_start_row_to_its_own_state_starts_its_own_work_in_the_same_visit(
    play: Any, action: str | None
) -> None:
    player = play(
        {
            "states": ["a"],
            "transitions": [row("init", "start", "a"), row("a", "start", "a", action=action)],
        },
        workers=("a",),
    ).start()
    assert player.path() == ["init", "a"]
    assert player.execution.visit == 1
    assert player.open == ["a"]


def test_r2a_a_start_row_to_its_own_state_keeps_the_timers(play: Any) -> None:
    player = play(
        {
            "states": [{"name": "a", "timeout": 5}],
            "actions": [CALL],
            "transitions": [row("init", "start", "a"), row("a", "start", "a", action="work")],
        }
    ).start()
    assert player.types().count("timerSet") == 1
    assert player.open == ["work"]


@pytest.mark.parametrize(
    ("states", "actions", "workers", "expected"),
    [
        ([{"name": "a", "do": "work"}], [CALL, {"name": "a"}], ("a",), "work"),
        (["a"], [{"name": "a"}], (), "a"),
        (["a"], [], ("a",), "a"),
    ],
    ids=["do", "action of the state's name", "worker of the state's name"],
)
def test_r3_a_states_own_work_is_do_then_its_action_then_its_worker(
    play: Any, states: list[Any], actions: list[Any], workers: tuple[str, ...], expected: str
) -> None:
    document = {"states": states, "actions": actions, "transitions": [row("init", "start", "a")]}
    assert play(document, workers=workers).start().open == [expected]


def test_r3_a_state_without_work_waits_for_an_outside_event(play: Any) -> None:
    player = play(
        {"states": ["a"], "transitions": [row("init", "start", "a"), row("a", "go", "done")]}
    ).start()
    assert (player.state, player.status) == ("a", "waiting")
    player.send("go")
    assert (player.state, player.status) == ("done", "completed")


def test_r3_a_state_without_work_and_wait_succeeds(play: Any) -> None:
    player = play(
        {"states": ["a", "b"], "transitions": [row("init", "start", "a"), row("a", "success", "b")]}
    ).start()
    assert player.path() == ["init", "a", "b", "done"]


@pytest.mark.parametrize("event", ["cancel", "error", "success"])
def test_r3_rows_for_engine_events_are_no_wait(play: Any, event: str) -> None:
    player = play(
        {"states": ["a"], "transitions": [row("init", "start", "a"), row("a", event, "done")]}
    ).start()
    assert player.status == "completed"


def test_r3_only_always_rows_none_true_is_no_branch(play: Any) -> None:
    player = play(
        {
            "states": ["a"],
            "transitions": [
                row("init", "start", "a"),
                row("a", "always", "done", when="input.n > 1"),
            ],
        }
    ).start({"n": 1})
    assert player.status == "failed"
    assert player.execution.error["code"] == "no_branch"
    assert player.execution.error["state"] == "a"


def test_r4_success_without_a_row_goes_to_done(play: Any) -> None:
    player = play({"states": ["a"], "transitions": [row("init", "start", "a")]}, workers=("a",))
    player.start().end(output={"x": 1})
    assert player.path() == ["init", "a", "done"]
    assert player.status == "completed"
    assert player.execution.output == {"x": 1}


def test_r4_error_without_a_row_fails_at_that_state(play: Any) -> None:
    player = play({"states": ["a"], "transitions": [row("init", "start", "a")]}, workers=("a",))
    player.start().end("error", code="server_error")
    assert (player.state, player.status) == ("a", "failed")
    assert player.execution.error["code"] == "server_error"


def test_r4_an_unmatched_label_becomes_an_error(play: Any) -> None:
    document = {
        "states": ["a", "b"],
        "transitions": [
            row("init", "start", "a"),
            row("a", "error", "b", when="error.code = 'unknown_label'"),
        ],
    }
    player = play(document, workers=("a",)).start().end("odd")
    assert player.path() == ["init", "a", "b", "done"]


def test_r4_an_unmatched_timeout_becomes_an_error(play: Any) -> None:
    document = {
        "states": [{"name": "a", "timeout": 3}, "late"],
        "transitions": [
            row("init", "start", "a"),
            row("a", "error", "late", when="error.code = 'timeout'"),
        ],
    }
    player = play(document, workers=("a",)).start().fire()
    assert player.path() == ["init", "a", "late", "done"]
    assert "superseded" not in [e.get("outcome") for e in player.entries]
    assert player.entries[-1]["type"] == "ended"


def test_r4_an_outcome_without_a_row_tries_always_first(play: Any) -> None:
    document = {
        "states": ["a", "b"],
        "transitions": [
            row("init", "start", "a"),
            row("a", "always", "b", when="$exists(a.output)"),
        ],
    }
    player = play(document, workers=("a",)).start()
    assert player.state == "a"
    player.end(output=1)
    assert player.path() == ["init", "a", "b", "done"]


def test_r5_done_runs_its_own_work_before_the_end(play: Any) -> None:
    player = play(
        {"states": ["a"], "transitions": [row("init", "start", "done")]}, workers=("done",)
    )
    player.start()
    assert (player.state, player.status, player.open) == ("done", "running", ["done"])
    player.end(output="bye")
    assert player.status == "completed"
    assert player.execution.output == "bye"


def test_r5_an_error_of_dones_work_fails_there_and_can_be_retried(play: Any) -> None:
    player = play({"states": [], "transitions": [row("init", "start", "done")]}, workers=("done",))
    player.start().end("error")
    assert (player.state, player.status) == ("done", "failed")
    assert player.control("retry")
    assert player.open == ["done"]
    player.end()
    assert player.status == "completed"


@pytest.mark.parametrize(("target", "status"), [("failed", "failed"), ("cancelled", "cancelled")])
def test_r5_failed_and_cancelled_end_at_once_without_work(
    play: Any, target: str, status: str
) -> None:
    player = play({"states": [], "transitions": [row("init", "start", target)]}, workers=(target,))
    player.start()
    assert player.status == status
    if status == "failed":
        assert player.execution.error["code"] == "failed_by_blueprint"


def test_r5_a_row_to_failed_keeps_an_error_that_is_set(play: Any) -> None:
    document = {
        "states": ["a"],
        "transitions": [row("init", "start", "a"), row("a", "error", "failed")],
    }
    player = play(document, workers=("a",)).start().end("error", code="no_funds")
    assert player.execution.error["code"] == "no_funds"


def test_r6_always_is_tried_on_entry_and_after_each_event(play: Any) -> None:
    document = {
        "states": [{"name": "a", "on": {"add": {"set": {"n": "${ data.n + 1 }"}}}}, "b"],
        "data": {"n": 0},
        "transitions": [row("init", "start", "a"), row("a", "always", "b", when="data.n >= 2")],
    }
    player = play(document).start()
    player.send("add")
    assert player.state == "a"
    player.send("add")
    assert player.path() == ["init", "a", "b", "done"]


def test_r7_an_event_on_a_self_row_is_internal_while_work_is_open(play: Any) -> None:
    document = {
        "states": [{"name": "a", "on": {"note": {"next": "a", "set": {"seen": True}}}}],
        "transitions": [row("init", "start", "a")],
    }
    player = play(document, workers=("a",)).start()
    player.send("note")
    assert player.execution.visit == 1
    assert player.execution.data == {"seen": True}
    assert player.open == ["a"]


def test_r7_reenter_leaves_and_enters(play: Any) -> None:
    document = {
        "states": [{"name": "a", "on": {"again": {"next": "a", "reenter": True}}}],
        "transitions": [row("init", "start", "a")],
    }
    player = play(document, workers=("a",)).start()
    player.send("again")
    assert player.execution.visit == 2
    assert player.open == ["a"]
    assert [e["outcome"] for e in player.entries if e["type"] == "taskEnded"] == ["cancelled"]


def test_r7_an_outcome_on_a_self_row_works_anew_in_a_new_visit(play: Any) -> None:
    document = {
        "states": ["poll"],
        "transitions": [
            row("init", "start", "poll"),
            row("poll", "again", "poll"),
            row("poll", "ready", "done"),
        ],
    }
    player = play(document, workers=("poll",)).start().end("again").end("again").end("ready")
    assert player.path() == ["init", "poll", "poll", "poll", "done"]


def test_r8_leaving_cancels_timers_and_work(play: Any) -> None:
    document = {
        "states": [{"name": "a", "timeout": 9, "on": {"stop": "done"}}],
        "transitions": [row("init", "start", "a")],
    }
    player = play(document, workers=("a",)).start()
    player.send("stop")
    assert player.execution.timers == {}
    assert "timerCancelled" in player.types()
    assert player.execution.open_tasks() == []


def test_r9_more_than_1000_microsteps_fail_with_microstep_limit(play: Any) -> None:
    document = {
        "states": ["a", "b"],
        "data": {"n": 0},
        "transitions": [
            row("init", "start", "a"),
            row("a", "always", "b", when="data.n >= 0", set={"n": "${ data.n + 1 }"}),
            row("b", "always", "a", when="data.n >= 0"),
        ],
    }
    player = play(document).start()
    assert player.status == "failed"
    assert player.execution.error["code"] == "microstep_limit"
    assert len(player.entries) < 10


def test_r9_max_visits_bounds_an_honest_cycle(play: Any) -> None:
    document = {
        "states": [{"name": "a", "maxVisits": 2}],
        "transitions": [
            row("init", "start", "a"),
            row("a", "again", "a"),
            row("a", "error", "done"),
        ],
    }
    player = play(document, workers=("a",)).start().end("again").end("again")
    assert player.status == "failed"
    assert player.execution.error["code"] == "max_visits"


def test_r10_work_of_a_state_that_is_left_in_the_same_digest_is_never_issued(play: Any) -> None:
    document = {
        "states": ["a", "b"],
        "actions": [CALL],
        "transitions": [row("init", "start", "a", action="work"), row("a", "always", "b")],
    }
    player = play(document, workers=("a",)).start()
    assert "taskScheduled" not in player.types()
    assert player.status == "completed"


def test_r10_one_digest_is_one_record(play: Any) -> None:
    document = {
        "states": ["a", "b"],
        "transitions": [row("init", "start", "a"), row("a", "success", "b")],
    }
    player = play(document, workers=("a", "b")).start().end().end()
    assert len(player.records) == 3


def test_r10_deferred_events_are_taken_oldest_first_one_record_each(play: Any) -> None:
    document = {
        "states": [
            {"name": "a", "defer": ["x", "y"]},
            {
                "name": "b",
                "on": {
                    "x": {"set": {"x": "$.event.data"}},
                    "y": {"set": {"y": "$.event.data"}},
                    "end": "done",
                },
            },
        ],
        "transitions": [row("init", "start", "a"), row("a", "success", "b")],
    }
    player = play(document, workers=("a",)).start()
    player.send("y", 1)
    player.send("x", 2)
    records = len(player.records)
    player.end()
    assert player.execution.data == {"y": 1, "x": 2}
    assert len(player.records) == records + 3
    assert player.execution.deferred == []


def test_r10_events_still_deferred_at_the_end_are_ignored_with_their_reason(play: Any) -> None:
    document = {
        "states": [{"name": "a", "defer": ["x"]}],
        "transitions": [row("init", "start", "a"), row("a", "success", "done")],
    }
    player = play(document, workers=("a",)).start()
    player.send("x", id="e1")
    player.end()
    ignored = [e for e in player.entries if e["type"] == "eventIgnored"]
    assert [(e["name"], e["id"], e["reason"]) for e in ignored] == [("x", "e1", "ended")]


def test_r10_a_row_wins_over_defer_but_not_when_its_guard_is_false(play: Any) -> None:
    document = {
        "states": [
            {"name": "a", "defer": ["x"], "on": {"x": {"next": "done", "when": "event.data = 1"}}}
        ],
        "transitions": [row("init", "start", "a")],
    }
    player = play(document).start()
    player.send("x", 2)
    assert player.state == "a"
    assert len(player.execution.deferred) == 1
    player.send("x", 1)
    assert player.status == "completed"


def test_the_first_row_whose_guard_is_true_wins_and_star_rows_come_last(play: Any) -> None:
    document = {
        "states": ["a", "b", "c", "d"],
        "transitions": [
            row("init", "start", "a"),
            row("*", "go", "d"),
            row("a", "go", "b", when="event.data = 1"),
            row("a", "go", "c", when="event.data < 3"),
        ],
    }
    for data, state in ((1, "b"), (2, "c"), (3, "d")):
        player = play(document).start()
        player.send("go", data)
        assert state in player.path()


def test_a_row_may_name_several_current_states(play: Any) -> None:
    document = {
        "states": ["a", "b"],
        "transitions": [
            row("init", "start", "a"),
            {"current": ["a", "b"], "event": "go", "next": "b"},
        ],
    }
    player = play(document).start()
    player.send("go")
    assert (player.state, player.execution.visit) == ("b", 2)
    player.send("go")
    assert (player.state, player.execution.visit) == ("b", 3)


def test_set_sees_the_data_before_and_respond_the_data_after(play: Any) -> None:
    document = {
        "states": [
            {
                "name": "a",
                "on": {"swap": {"set": {"x": "$.data.y", "y": "$.data.x"}, "respond": "$.data"}},
            }
        ],
        "data": {"x": 1, "y": 2},
        "transitions": [row("init", "start", "a")],
    }
    player = play(document).start()
    assert player.send("swap").respond == {"x": 2, "y": 1}


def test_delay_waits_after_entry_while_timers_run(play: Any) -> None:
    document = {
        "states": [{"name": "a", "timeout": 60}],
        "actions": [CALL],
        "transitions": [row("init", "start", "a", action="work", delay=5)],
    }
    player = play(document).start()
    assert (player.state, player.status, player.open) == ("a", "waiting", [])
    assert set(player.execution.timers) == {"delay", "after:0"}
    player.fire("delay")
    assert player.open == ["work"]


def test_a_start_can_be_delayed(play: Any) -> None:
    player = play({"states": [], "transitions": [row("init", "start", "done")]}).start(delay=5)
    assert (player.state, player.status) == ("init", "waiting")
    assert player.fire().status == "completed"


def test_an_unknown_event_names_what_is_awaited_and_changes_nothing(play: Any) -> None:
    player = play(
        {"states": ["a"], "transitions": [row("init", "start", "a"), row("a", "go", "done")]}
    ).start()
    before = player.snapshot()
    with pytest.raises(EventNotAccepted) as refusal:
        player.send("stop")
    assert [item["event"] for item in refusal.value.facts["awaiting"]] == ["go"]
    assert player.execution == before


@pytest.mark.parametrize("name", ["start", "success", "error", "timeout", "always", "cancel"])
def test_engine_events_are_never_accepted_from_outside(play: Any, name: str) -> None:
    player = play(
        {"states": ["a"], "transitions": [row("init", "start", "a"), row("a", "go", "done")]}
    ).start()
    with pytest.raises(Invalid):
        player.send(name)


def test_a_failing_expression_is_the_senders_422_and_changes_nothing(play: Any) -> None:
    document = {
        "states": [
            {"name": "a", "on": {"go": {"next": "done", "set": {"x": "${ $number('no') }"}}}}
        ],
        "transitions": [row("init", "start", "a")],
    }
    player = play(document).start()
    before = player.snapshot()
    with pytest.raises(ExpressionFailed):
        player.send("go")
    assert player.execution == before


def test_a_failing_expression_after_work_fails_there_and_retry_digests_the_outcome_again(
    play: Any,
) -> None:
    document = {
        "states": ["a", "b"],
        "transitions": [
            row("init", "start", "a"),
            row("a", "success", "b", set={"x": "${ $number(data.text) }"}),
        ],
        "data": {"text": "no"},
    }
    player = play(document, workers=("a",)).start().end(output=5)
    assert (player.state, player.status) == ("a", "failed")
    assert player.execution.error["code"] == "expression"
    player.control("data", patch={"text": "7"})
    player.control("retry")
    assert player.status == "completed"
    assert player.execution.data["x"] == 7
    assert player.types().count("taskScheduled") == 1


def test_declared_events_come_only_from_outside_and_other_names_only_from_work(play: Any) -> None:
    document = {
        "states": ["a"],
        "events": {"go": {"schema": {"type": "object", "required": ["n"]}}},
        "transitions": [
            row("init", "start", "a"),
            row("a", "go", "done"),
            row("a", "label", "done"),
        ],
    }
    player = play(document, workers=("a",)).start()
    with pytest.raises(EventNotAccepted):
        player.send("label")
    with pytest.raises(Invalid) as refusal:
        player.send("go", {})
    assert refusal.value.reason == "schema"
    player.send("go", {"n": 1})
    assert player.status == "completed"


def test_business_status_follows_the_states_that_name_one(play: Any) -> None:
    document = {
        "states": [{"name": "a", "businessStatus": "BEGUN"}, "b"],
        "transitions": [row("init", "start", "a"), row("a", "success", "b")],
    }
    player = play(document, workers=("a", "b")).start().end()
    assert player.execution.business_status == "BEGUN"


def test_the_executions_own_timeout_is_not_routable(play: Any) -> None:
    document = {
        "timeout": 30,
        "states": ["a"],
        "transitions": [
            row("init", "start", "a"),
            row("a", "timeout", "done"),
            row("a", "error", "done"),
        ],
    }
    player = play(document, workers=("a",)).start().fire("deadline")
    assert player.status == "failed"
    assert player.execution.error["code"] == "execution_timeout"
