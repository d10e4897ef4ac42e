"""The operators' verbs, as section 10 of the language has them."""

from typing import Any

import pytest

from goflow_py.errors import Conflict, Invalid

TWO: dict[str, Any] = {
    "states": ["a", "b"],
    "transitions": [
        {"current": "init", "event": "start", "next": "a"},
        {"current": "a", "event": "success", "next": "b"},
    ],
}


def failed_at_b(play: Any) -> Any:
    return play(TWO, workers=("a", "b")).start({"n": 1}).end(output=1).end("error")


def test_retry_goes_on_in_the_same_state_and_visit(play: Any) -> None:
    player = failed_at_b(play)
    visit = player.execution.visit
    assert player.control("retry")
    assert (player.state, player.execution.visit, player.open) == ("b", visit, ["b"])
    assert player.execution.tasks["b"].input == {"n": 1}
    assert player.end().status == "completed"


def test_retry_with_a_new_visit_enters_again(play: Any) -> None:
    player = failed_at_b(play)
    player.control("retry", newVisit=True)
    assert (player.state, player.execution.visit) == ("b", 3)


def test_only_a_failed_execution_can_be_retried(play: Any) -> None:
    player = play(TWO, workers=("a", "b")).start()
    with pytest.raises(Conflict):
        player.control("retry")


def test_an_execution_led_to_failed_by_a_row_is_not_retried_but_can_go_to_a_state(
    play: Any,
) -> None:
    document = {
        **TWO,
        "transitions": [*TWO["transitions"], {"current": "b", "event": "error", "next": "failed"}],
    }
    player = play(document, workers=("a", "b")).start().end().end("error")
    with pytest.raises(Conflict, match="goto"):
        player.control("retry")
    player.control("goto", state="b")
    assert (player.state, player.open) == ("b", ["b"])


def test_skip_closes_the_work_and_raises_success(play: Any) -> None:
    player = play(TWO, workers=("a", "b")).start()
    player.control("skip", output={"by": "hand"})
    assert (player.state, player.open) == ("b", ["b"])
    assert player.execution.outputs["a"] == {"output": {"by": "hand"}}


def test_skip_of_a_failed_execution_goes_on_behind_it(play: Any) -> None:
    player = failed_at_b(play)
    player.control("skip")
    assert player.status == "completed"


def test_goto_leaves_and_enters(play: Any) -> None:
    player = play(TWO, workers=("a", "b")).start()
    player.control("goto", state="b")
    assert player.path() == ["init", "a", "b"]
    assert player.open == ["b"]


def test_goto_refuses_a_state_that_does_not_exist(play: Any) -> None:
    with pytest.raises(Invalid):
        play(TWO, workers=("a",)).start().control("goto", state="zzz")


def test_replay_goes_back_and_forgets_the_outputs_since(play: Any) -> None:
    player = failed_at_b(play)
    player.control("replay", **{"from": "a"})
    assert (player.state, player.open) == ("a", ["a"])
    assert player.execution.outputs == {}


def test_pause_holds_events_and_resume_takes_no_second_time(play: Any) -> None:
    document = {
        "states": ["a"],
        "transitions": [
            {"current": "init", "event": "start", "next": "a"},
            {"current": "a", "event": "go", "next": "done"},
        ],
    }
    player = play(document).start()
    assert player.control("pause")
    assert not player.control("pause")
    assert player.status == "paused"
    player.send("go")
    assert player.state == "a"
    assert [held["input"]["name"] for held in player.execution.held] == ["go"]
    assert player.control("resume")
    assert player.execution.held == []


@pytest.mark.parametrize("verb", ["goto", "replay", "skip"])
def test_a_paused_execution_is_not_moved(play: Any, verb: str) -> None:
    player = play(TWO, workers=("a", "b")).start()
    player.control("pause")
    with pytest.raises(Conflict):
        player.control(verb, **{"state": "b", "from": "a"})


def test_cancel_closes_everything_and_a_second_one_changes_nothing(play: Any) -> None:
    player = play(TWO, workers=("a", "b")).start()
    assert player.control("cancel")
    assert (player.status, player.open, player.execution.timers) == ("cancelled", [], {})
    assert not player.control("cancel")


def test_cancel_takes_its_row_once(play: Any) -> None:
    document = {
        **TWO,
        "transitions": [*TWO["transitions"], {"current": "*", "event": "cancel", "next": "b"}],
    }
    player = play(document, workers=("a", "b")).start()
    assert player.control("cancel")
    assert (player.state, player.open) == ("b", ["b"])
    assert not player.control("cancel")
    assert player.end().status == "completed"


def test_terminate_ends_at_once_with_its_code(play: Any) -> None:
    player = play(TWO, workers=("a", "b")).start()
    player.control("terminate")
    assert player.status == "cancelled"
    assert player.execution.error["code"] == "terminated"


def test_data_is_changed_by_a_merge_patch(play: Any) -> None:
    player = play({**TWO, "data": {"x": {"y": 1, "z": 2}, "w": 3}}, workers=("a",)).start()
    player.control("data", patch={"x": {"y": None, "q": 4}, "w": [1]})
    assert player.execution.data == {"x": {"z": 2, "q": 4}, "w": [1]}


@pytest.mark.parametrize("verb", ["pause", "resume", "cancel", "terminate", "skip"])
def test_a_completed_execution_takes_no_verb(play: Any, verb: str) -> None:
    player = play(TWO, workers=("a", "b")).start().end().end()
    with pytest.raises(Conflict):
        player.control(verb)


def test_events_held_by_a_pause_are_ignored_with_a_reason_when_the_execution_ends(
    play: Any,
) -> None:
    document = {
        "states": ["a"],
        "transitions": [
            {"current": "init", "event": "start", "next": "a"},
            {"current": "a", "event": "go", "next": "done"},
        ],
    }
    player = play(document).start()
    player.control("pause")
    player.send("go", id="e1")
    player.control("terminate")
    ignored = [e for e in player.entries if e["type"] == "eventIgnored"]
    assert [(e["name"], e["id"], e["reason"]) for e in ignored] == [("go", "e1", "ended")]
    assert player.execution.held == []


@pytest.mark.parametrize("final", ["failed", "cancelled"])
def test_a_final_state_of_any_kind_may_have_an_output(play: Any, final: str) -> None:
    document = {
        "states": [{"name": "off", "final": final, "output": {"why": "$.input.n"}}],
        "transitions": [{"current": "init", "event": "start", "next": "off"}],
    }
    player = play(document).start({"n": 3})
    assert (player.status, player.execution.output) == (final, {"why": 3})


def test_a_worker_cannot_choose_the_name_of_an_outside_event(play: Any) -> None:
    document = {
        "states": ["a"],
        "events": {"approved": {}},
        "transitions": [
            {"current": "init", "event": "start", "next": "a"},
            {"current": "a", "event": "approved", "next": "done"},
        ],
    }
    player = play(document, workers=("a",)).start().end("approved")
    assert player.status == "failed"
    assert player.execution.error["code"] == "unknown_label"


def test_retry_with_a_new_visit_runs_the_work_that_the_row_named(play: Any) -> None:
    document = {
        "states": ["a"],
        "actions": [{"name": "work"}],
        "transitions": [{"current": "init", "event": "start", "action": "work", "next": "a"}],
    }
    player = play(document).start().end("error")
    player.control("retry", newVisit=True)
    assert (player.open, player.execution.visit) == (["work"], 2)


def test_retry_renders_an_input_again_that_could_not_be_rendered(play: Any) -> None:
    document = {
        "states": ["a"],
        "actions": [{"name": "a", "input": {"n": "${ $number(data.x) }"}}],
        "data": {"x": "zz"},
        "transitions": [{"current": "init", "event": "start", "next": "a"}],
    }
    player = play(document).start()
    player.control("data", patch={"x": "5"})
    player.control("retry")
    assert player.execution.open_tasks()[0].input == {"n": 5}


def test_retry_after_a_deadline_in_a_rows_delay_keeps_the_rows_action(play: Any) -> None:
    row = {"current": "init", "event": "start", "next": "a", "action": "other", "delay": 60}
    document = {"timeout": 5, "states": ["a"], "actions": [{"name": "other"}], "transitions": [row]}
    player = play(document, workers=("a", "other")).start().fire("deadline")
    player.control("retry")
    assert player.open == ["other"]


def test_a_final_state_is_never_left_by_a_row(play: Any) -> None:
    document = {
        "states": ["a"],
        "transitions": [
            {"current": "init", "event": "start", "next": "done"},
            {"current": "done", "event": "error", "next": "a"},
        ],
    }
    player = play(document, workers=("done",)).start().end("error")
    assert (player.state, player.status) == ("done", "failed")


@pytest.mark.parametrize("value", ["cancel", "start", "error", "always", "after 0", "", "x" * 99])
def test_a_switchs_value_takes_no_row_of_the_engine(play: Any, value: str) -> None:
    document = {
        "states": [{"name": "a", "after": [{"delay": 9, "next": "late"}]}, "late", "other", "c"],
        "actions": [{"name": "a", "type": "switch", "expression": "$.input.v"}],
        "transitions": [
            {"current": "init", "event": "start", "next": "a"},
            {"current": "a", "event": "default", "next": "other"},
            {"current": "a", "event": "cancel", "next": "c"},
            {"current": "a", "event": "error", "next": "c"},
        ],
    }
    assert play(document).start({"v": value}).path() == ["init", "a", "other", "done"]


def test_skip_may_name_an_outside_event_but_no_event_of_the_engine(play: Any) -> None:
    document = {
        "states": ["a", "b"],
        "events": {"approved": {}},
        "transitions": [
            {"current": "init", "event": "start", "next": "a"},
            {"current": "a", "event": "approved", "next": "b"},
        ],
    }
    player = play(document, workers=("a", "b")).start()
    with pytest.raises(Invalid):
        player.control("skip", event="cancel")
    player.control("skip", event="approved")
    assert player.state == "b"
