"""Compensation: what was really done is undone newest first, each piece once."""

from typing import Any

import pytest

from goflow_py.domain.execution import Task
from goflow_py.errors import Conflict, EventNotAccepted
from goflow_py.fsm import inputs, work
from goflow_py.fsm.draft import Draft
from tests.player import Player


class Caller(Player):
    """A player that also calls: attempts begin and end, children are started."""

    def call(self, name: str, **fields: Any) -> "Caller":
        """Begin an attempt of the task *name*."""

        def act(draft: Draft) -> None:
            attempt = draft.after.tasks[name].attempts + 1
            common = {"worker": "http://w", "priority": 1, "visit": draft.after.visit}
            draft.add("attemptStarted", task=name, attempt=attempt, **common, **fields)

        self._step(act)
        return self

    def answer(
        self, name: str, outcome: str = "success", output: Any = None, *, code: str = "x"
    ) -> "Caller":
        """Let the call of the task *name* answer."""

        def act(draft: Draft) -> None:
            task = draft.after.tasks[name]
            action = self.compiled.actions[task.action]
            work.close_attempt(draft, task, "error" if outcome == "error" else "success")
            if outcome == "error":
                work.end_with_error(draft, action, name, code, "it failed")
            else:
                work.end(draft, action, name, outcome, output=output)
            inputs.task_ended(self.compiled, draft, name)

        self._step(act)
        return self

    def work(self, name: str, output: Any = None) -> "Caller":
        """Call the task *name*, and let it succeed."""
        return self.call(name).answer(name, output=output)

    @property
    def undoing(self) -> Task:
        """Return the compensation that is under way."""
        (task,) = [task for task in self.execution.open_tasks() if task.undoes is not None]
        return task

    def undo(self, outcome: str = "success", *, code: str = "x") -> str:
        """Let the compensation under way end; return what it undid."""
        task = self.undoing
        self.call(task.name).answer(task.name, outcome, code=code)
        return task.action

    def undo_all(self) -> list[str]:
        """Let every compensation succeed; return them in their order."""
        found = []
        while not self.execution.ended and self.execution.done:
            found.append(self.undo())
        return found


ACTIONS: list[dict[str, Any]] = [
    {"name": "flight", "undo": "noflight", "input": {"to": "$.input.to"}},
    {"name": "hotel", "undo": "nohotel"},
    {"name": "mail"},
    {"name": "noflight"},
    {"name": "nohotel"},
]


def trip(*states: Any, actions: tuple[dict[str, Any], ...] = (), **more: Any) -> dict[str, Any]:
    """Return a document that books a flight, then a hotel, then waits; *actions* come first."""
    named = {action["name"] for action in actions}
    return {
        "states": ["flight", "hotel", "mail", {"name": "booked", "on": {"go": "done"}}, *states],
        "actions": [*actions, *(action for action in ACTIONS if action["name"] not in named)],
        "transitions": [
            {"current": "init", "event": "start", "next": "flight"},
            {"current": "flight", "event": "success", "next": "hotel"},
            {"current": "hotel", "event": "success", "next": "mail"},
            {"current": "mail", "event": "success", "next": "booked"},
            {"current": "booked", "event": "regret", "next": "regretted"},
        ][: 5 if any(s["name"] == "regretted" for s in states) else 4],
        **more,
    }


def booked(document: dict[str, Any] | None = None) -> Caller:
    """Return an execution that has booked the flight (1) and the hotel (2), and waits."""
    player = Caller(document or trip())
    player.start({"to": "Rome"})
    player.work("flight", 1).work("hotel", 2).work("mail", 3)
    assert player.state == "booked"
    return player


def graph(*tasks: dict[str, Any], **state: Any) -> dict[str, Any]:
    return {
        "states": [{"name": "work", "tasks": list(tasks), **state}, "after"],
        "actions": [*ACTIONS, {"name": "after", "type": "wait", "event": "go"}],
        "transitions": [
            {"current": "init", "event": "start", "next": "work"},
            {"current": "work", "event": "success", "next": "after"},
        ],
    }


# ---------------------------------------------------------------- what is undone, and with what


def test_a_cancel_undoes_what_was_done_newest_first_and_one_at_a_time() -> None:
    player = booked()
    assert player.control("cancel")
    assert (player.status, player.state, player.open) == ("running", "booked", ["nohotel"])
    assert player.undo_all() == ["nohotel", "noflight"]
    assert (player.status, player.execution.done) == ("cancelled", [])


def test_a_compensation_gets_the_input_and_the_output_of_the_work() -> None:
    player = booked()
    player.control("cancel")
    assert player.undoing.input == {"input": {"to": "Rome"}, "output": 2}
    player.undo()
    assert player.undoing.input == {"input": {"to": "Rome"}, "output": 1}


def test_the_input_template_of_a_compensation_sees_what_was_done_as_result() -> None:
    own = {"name": "nohotel", "input": {"room": "$.result.output", "of": "$.result.input.to"}}
    player = booked(trip(actions=(own,)))
    player.control("cancel")
    assert player.undoing.input == {"room": 2, "of": "Rome"}


def test_a_compensation_has_the_key_of_the_work_that_it_undoes() -> None:
    player = booked()
    player.control("cancel")
    assert player.undoing.facts["key"] == "2/undo"
    player.undo()
    assert player.undoing.facts["key"] == "1/undo"


def test_work_in_flight_is_undone_with_no_output() -> None:
    player = Caller(trip())
    player.start({"to": "Rome"})
    player.call("flight").control("cancel")
    assert player.undoing.input == {"input": {"to": "Rome"}, "output": None}
    assert player.execution.tasks["flight"].outcome == "cancelled"
    player.undo()
    assert player.status == "cancelled"


def test_work_that_was_never_called_is_not_undone() -> None:
    player = Caller(trip())
    player.start()
    player.control("cancel")
    assert player.status == "cancelled"


@pytest.mark.parametrize(
    ("code", "is_undone"),
    [
        ("timeout", True),
        ("unreachable", True),
        ("abandoned", True),
        ("bad_response", True),
        ("refused", False),
        ("x", False),
    ],
)
def test_failed_work_is_undone_only_when_nobody_knows_what_it_did(
    code: str, is_undone: bool
) -> None:
    document = trip({"name": "stuck", "on": {"go": "done"}})
    document["transitions"].append({"current": "hotel", "event": "error", "next": "stuck"})
    player = Caller(document)
    player.start()
    player.work("flight", 1).call("hotel").answer("hotel", "error", code=code)
    player.control("cancel")
    assert player.undo_all() == (["nohotel", "noflight"] if is_undone else ["noflight"])


def test_work_that_its_own_timeout_cut_is_undone() -> None:
    own = {"name": "hotel", "undo": "nohotel", "timeout": 5}
    document = trip({"name": "late", "on": {"go": "done"}}, actions=(own,))
    document["transitions"].append({"current": "hotel", "event": "timeout", "next": "late"})
    player = Caller(document)
    player.start()
    player.work("flight").call("hotel").fire("task:hotel:timeout")
    assert player.state == "late"
    player.control("cancel")
    assert player.undo_all() == ["nohotel", "noflight"]


def test_work_that_a_change_of_state_cut_is_undone() -> None:
    document = trip()
    document["transitions"].append({"current": "hotel", "event": "drop", "next": "booked"})
    player = Caller(document)
    player.start()
    player.work("flight").call("hotel").send("drop")
    player.control("cancel")
    assert player.undo_all() == ["nohotel", "noflight"]


def test_work_that_was_skipped_while_it_was_in_flight_is_undone() -> None:
    player = Caller(trip())
    player.start()
    player.call("flight").control("skip", output="by hand")
    player.control("cancel")
    assert player.undoing.input["output"] == "by hand"
    assert player.undo_all() == ["noflight"]


def test_work_that_was_retried_is_undone_once_with_what_is_known_last() -> None:
    player = Caller(trip())
    player.start()
    player.call("flight").answer("flight", "error", code="timeout")
    player.control("retry")
    player.work("flight", 7)
    player.control("cancel")
    assert player.undoing.input["output"] == 7
    assert player.undo_all() == ["noflight"]


def test_work_without_an_outcome_that_ends_well_by_decree_counts_as_unknown() -> None:
    own = {"name": "flight", "undo": "noflight", "ignoreFailure": True}
    player = Caller(trip(actions=(own,)))
    player.start()
    player.call("flight").answer("flight", "error", code="timeout")
    assert player.state == "hotel"
    player.control("cancel")
    assert player.undo_all() == ["noflight"]


# ---------------------------------------------------------------- graphs


def test_the_tasks_of_a_graph_are_undone_in_the_reverse_order_of_their_ends() -> None:
    player = Caller(graph({"name": "flight"}, {"name": "hotel"}, {"name": "mail"}))
    player.start({"to": "Rome"})
    player.work("hotel", 2).work("flight", 1).call("mail").control("cancel")
    assert player.undoing.facts["key"] == "1/flight/undo"
    assert player.undo_all() == ["noflight", "nohotel"]
    assert player.status == "cancelled"


def test_the_losers_of_a_join_that_were_called_are_undone() -> None:
    player = Caller(graph({"name": "flight"}, {"name": "hotel"}, join="any"))
    player.start()
    player.call("flight").work("hotel", 2)
    assert player.state == "after"
    player.control("cancel")
    assert player.undoing.input["output"] is None
    assert player.undo_all() == ["noflight", "nohotel"]


def test_each_item_that_was_done_is_undone_under_its_own_key() -> None:
    player = Caller(graph({"name": "rooms", "do": "hotel", "each": "$.input", "concurrency": 2}))
    player.start(["a", "b", "c"])
    player.work("rooms[0]", "A").call("rooms[1]").control("cancel")
    assert player.undoing.facts["key"] == "1/rooms[1]/undo"
    assert player.undoing.input == {"input": ["a", "b", "c"], "output": None}
    player.undo()
    assert player.undoing.facts["key"] == "1/rooms[0]/undo"
    assert player.undoing.input["output"] == "A"
    player.undo()
    assert player.status == "cancelled"


def test_a_failed_item_leaves_the_others_to_be_undone() -> None:
    document = graph({"name": "rooms", "do": "hotel", "each": "$.input"})
    document["transitions"].append({"current": "work", "event": "error", "next": "after"})
    player = Caller(document)
    player.start([1, 2, 3])
    player.work("rooms[0]").call("rooms[1]").call("rooms[2]").answer("rooms[2]", "error")
    player.control("cancel")
    assert player.undo_all() == ["nohotel", "nohotel"]


# ---------------------------------------------------------------- while it is being undone


def test_an_undo_that_fails_ends_as_failed_and_a_retry_goes_on_with_it() -> None:
    player = booked()
    player.control("cancel")
    player.undo("error")
    assert (player.status, player.state) == ("failed", "booked")
    assert player.execution.error is not None
    assert player.execution.error["code"] == "undo_failed"
    key = player.execution.tasks[f"+undo:{player.execution.done[-1]['n']}"].facts["key"]
    assert player.control("retry")
    assert (player.status, player.open) == ("running", ["nohotel"])
    assert (player.undoing.facts["key"], player.undoing.attempts) == (key, 1)
    assert player.undoing.input == {"input": {"to": "Rome"}, "output": 2}
    assert player.undo_all() == ["nohotel", "noflight"]
    assert player.status == "cancelled"


def test_a_compensation_whose_input_broke_gets_another_one_on_retry() -> None:
    own = {"name": "nohotel", "input": {"room": "${ $number(data.room) }"}}
    player = booked(trip(actions=(own,), data={"room": "none"}))
    player.control("cancel")
    assert (player.status, player.execution.error["code"]) == ("failed", "undo_failed")  # type: ignore[index]
    player.control("data", patch={"room": "12"})
    player.control("retry")
    assert player.undoing.input == {"room": 12}


def test_an_undo_that_fails_by_ignored_failure_is_done() -> None:
    player = booked(trip(actions=({"name": "nohotel", "ignoreFailure": True},)))
    player.control("cancel")
    player.undo("error")
    assert player.undo_all() == ["noflight"]
    assert player.status == "cancelled"


def test_a_compensation_that_times_out_fails() -> None:
    player = booked(trip(actions=({"name": "nohotel", "timeout": 9},)))
    player.control("cancel")
    player.call(player.undoing.name).fire()
    assert player.execution.error is not None
    assert (player.status, player.execution.error["code"]) == ("failed", "undo_failed")


def test_events_are_refused_while_it_is_being_undone() -> None:
    player = booked()
    player.control("cancel")
    assert player.awaiting() == []
    with pytest.raises(Conflict, match="undone") as refusal:
        player.send("go")
    assert refusal.value.reason == "cancelling"
    player.undo_all()
    with pytest.raises(EventNotAccepted):
        player.send("go")


def test_a_second_cancel_changes_nothing() -> None:
    player = booked()
    player.control("cancel")
    before = player.snapshot()
    assert not player.control("cancel")
    assert player.execution == before
    player.undo_all()
    assert not player.control("cancel")


@pytest.mark.parametrize("verb", ["skip", "goto", "replay"])
def test_it_goes_nowhere_else_while_it_is_being_undone(verb: str) -> None:
    player = booked()
    player.control("cancel")
    with pytest.raises(Conflict) as refusal:
        player.control(verb, **{"state": "mail", "from": "mail"})
    assert refusal.value.reason == "cancelling"
    player.undo("error")
    with pytest.raises(Conflict):
        player.control(verb, **{"state": "mail", "from": "mail"})


def test_a_terminate_ends_an_undoing_at_once() -> None:
    player = booked()
    player.control("cancel")
    player.call(player.undoing.name).control("terminate")
    assert (player.status, player.open) == ("cancelled", [])
    assert player.execution.error is not None
    assert player.execution.error["code"] == "terminated"


def test_a_pause_holds_an_undoing_and_a_resume_goes_on_with_it() -> None:
    player = booked()
    player.control("cancel")
    player.undo()
    assert player.control("pause")
    assert (player.status, player.open, player.execution.wake) == ("paused", ["noflight"], None)
    assert player.control("resume")
    assert player.undo_all() == ["noflight"]
    assert player.status == "cancelled"


def test_a_cancel_works_while_it_is_paused() -> None:
    player = booked()
    player.control("pause")
    player.send("go")
    player.control("cancel")
    assert player.open == ["nohotel"]
    player.control("resume")
    player.undo_all()
    assert player.status == "cancelled"


def test_no_row_is_taken_while_it_is_being_undone() -> None:
    document = trip()
    row = {"current": "booked", "event": "always", "next": "mail", "when": "data.n = 1"}
    document["transitions"].append(row)
    document["data"] = {"n": 0}
    player = booked(document)
    player.control("cancel")
    player.control("data", patch={"n": 1})
    player.undo()
    assert (player.state, player.open) == ("booked", ["noflight"])
    player.undo()
    assert (player.status, player.state) == ("cancelled", "booked")


def test_timers_and_kept_events_are_not_taken_any_more() -> None:
    document = trip(
        {"name": "waits", "timeout": 60, "defer": ["later"], "on": {"go": "done"}},
        timeout=1_000,
    )
    document["transitions"].append({"current": "booked", "event": "on", "next": "waits"})
    player = booked(document)
    player.send("on")
    player.send("later")
    assert sorted(player.execution.timers) == ["after:0", "deadline"]
    player.control("cancel")
    assert player.execution.timers == {}
    player.undo_all()
    ignored = [e["name"] for e in player.entries if e["type"] == "eventIgnored"]
    assert ignored == ["later"]


def test_a_wait_is_closed_by_a_cancel() -> None:
    document = graph({"name": "flight"})
    player = Caller(document)
    player.start()
    player.work("flight")
    assert player.awaiting() != []
    player.control("cancel")
    assert player.open == ["noflight"]


def test_an_execution_that_waits_to_begin_is_cancelled_at_once() -> None:
    player = Caller(trip())
    player.start(delay=60)
    assert player.state == "init"
    player.control("cancel")
    assert (player.status, player.execution.timers, player.execution.noted) == (
        "cancelled",
        {},
        None,
    )


def test_a_row_for_cancel_wins_and_nothing_is_undone() -> None:
    document = trip({"name": "ask", "on": {"yes": "done"}})
    document["transitions"].append({"current": "booked", "event": "cancel", "next": "ask"})
    player = booked(document)
    assert player.control("cancel")
    assert (player.state, player.open) == ("ask", [])
    assert not player.control("cancel")
    player.send("yes")
    assert player.status == "completed"
    assert "+undo" not in str(player.entries)


def test_a_row_for_cancel_whose_guard_is_false_does_not_win() -> None:
    document = trip()
    row = {"current": "booked", "event": "cancel", "next": "mail", "when": "data.never"}
    document["transitions"].append(row)
    player = booked(document)
    player.control("cancel")
    assert player.undo_all() == ["nohotel", "noflight"]


def test_a_compensation_is_not_compensated() -> None:
    own = {"name": "nohotel", "undo": "noflight"}
    player = booked(trip(actions=(own,)))
    player.control("cancel")
    player.undo()
    assert player.undo_all() == ["noflight"]
    player = booked(trip(actions=(own,)))
    player.control("cancel")
    player.call(player.undoing.name).answer(player.undoing.name, "error", code="timeout")
    assert [piece["undo"] for piece in player.execution.done] == ["noflight", "nohotel"]
    player.control("retry")
    player.call(player.undoing.name).control("terminate")
    assert [piece["undo"] for piece in player.execution.done] == ["noflight", "nohotel"]


def test_instant_compensations_run_in_the_record_of_the_cancel() -> None:
    maps = tuple(
        {"name": name, "type": "map", "set": {name: "$.result.output"}}
        for name in ("noflight", "nohotel")
    )
    player = booked(trip(actions=maps))
    player.control("cancel")
    assert player.status == "cancelled"
    assert player.records[-1][0]["verb"] == "cancel"
    assert player.execution.data == {"nohotel": 2, "noflight": 1}


def test_a_compensation_after_a_time_waits_for_its_timer() -> None:
    player = booked(trip(actions=({"name": "nohotel", "type": "delay", "seconds": 30},)))
    player.control("cancel")
    player.fire()
    assert player.open == ["noflight"]


def test_the_outputs_of_the_states_stay_as_they_were() -> None:
    player = booked()
    before = player.execution.outputs
    player.control("cancel")
    player.undo_all()
    assert player.execution.outputs == before


# ---------------------------------------------------------------- children


def family(**more: Any) -> Caller:
    """Return an execution that has booked a flight, and has two children."""
    child = {"type": "activity", "activity": "other"}
    document = graph(
        {"name": "flight"},
        {"name": "one", "needs": ["flight"]},
        {"name": "two", "needs": ["flight"]},
        **more,
    )
    document["actions"] += [{"name": "one", **child}, {"name": "two", **child}]
    player = Caller(document)
    player.start()
    player.work("flight", 1)
    player.call("one", child="1" * 36).call("two", child="2" * 36)
    return player


def test_open_children_are_awaited_before_anything_is_undone() -> None:
    player = family()
    player.control("cancel")
    assert player.open == ["one", "two"]
    player._step(lambda draft: inputs.child_gone(player.compiled, draft, "one"))
    assert player.open == ["two"]
    player._step(lambda draft: inputs.child_gone(player.compiled, draft, "two"))
    assert player.undo_all() == ["noflight"]


def test_a_child_that_ends_by_itself_meanwhile_moves_nothing() -> None:
    player = family()
    player.control("cancel")
    player.answer("one").answer("two")
    assert (player.state, player.open) == ("work", ["noflight"])


def test_a_child_that_could_not_be_undone_fails_its_parent_once_all_have_ended() -> None:
    player = family()
    player.control("cancel")
    player.answer("one", "error", code="child_failed")
    assert player.open == ["two"]
    player._step(lambda draft: inputs.child_gone(player.compiled, draft, "two"))
    assert player.execution.error is not None
    assert (player.status, player.execution.error["code"]) == ("failed", "undo_failed")
    player.control("retry")
    assert player.open == ["one"]
    assert player.execution.tasks["one"].child == "1" * 36
    player.call("one", child="1" * 36)
    player._step(lambda draft: inputs.child_gone(player.compiled, draft, "one"))
    assert player.undo_all() == ["noflight"]
    assert player.status == "cancelled"


def test_a_child_that_failed_before_the_cancel_does_not_fail_it() -> None:
    player = family(join=2)
    player.answer("one", "error", code="child_failed")
    assert player.open == ["two"]
    player.control("cancel")
    player._step(lambda draft: inputs.child_gone(player.compiled, draft, "two"))
    assert player.undo_all() == ["noflight"]
    assert player.status == "cancelled"


# ---------------------------------------------------------------- on demand


def regret(**more: Any) -> dict[str, Any]:
    """Return the trip with a state that undoes all of it."""
    state = {"name": "regretted", "do": "back", "on": {"success": "over"}, **more}
    over = {"name": "over", "on": {"go": "done", "again": "regretted"}}
    return trip(state, over, actions=({"name": "back", "type": "undo"},))


def test_an_action_undoes_all_that_was_done_and_then_succeeds() -> None:
    player = booked(regret())
    player.send("regret")
    assert (player.state, player.status, player.open) == (
        "regretted",
        "running",
        ["back", "nohotel"],
    )
    assert player.undo_all() == ["nohotel", "noflight"]
    assert (player.state, player.execution.done) == ("over", [])


def test_nothing_is_undone_twice() -> None:
    player = booked(regret())
    player.send("regret")
    player.undo_all()
    player.send("again")
    assert player.state == "over"
    player.control("cancel")
    assert player.status == "cancelled"
    assert len([e for e in player.entries if "undoes" in e]) == 2


def test_an_undo_on_demand_that_fails_is_the_actions_error() -> None:
    player = booked(regret(on={"success": "over", "error": "over"}))
    player.send("regret")
    player.undo("error")
    assert player.state == "over"
    assert player.execution.error is not None
    assert player.execution.error["code"] == "undo_failed"
    assert player.execution.error["action"] == "back"
    player.send("again")
    assert player.undo_all() == ["nohotel", "noflight"]
    assert player.state == "over"


def test_an_undo_on_demand_without_a_row_for_its_error_is_retried_with_what_is_left() -> None:
    player = booked(regret())
    player.send("regret")
    player.undo()
    player.undo("error")
    assert (player.status, player.state) == ("failed", "regretted")
    player.control("retry")
    assert player.open == ["back", "noflight"]
    player.undo_all()
    assert player.state == "over"


def test_an_undo_on_demand_with_instant_compensations_ends_at_once() -> None:
    document = regret()
    maps = [{"name": name, "type": "map"} for name in ("noflight", "nohotel")]
    document["actions"] = [
        *(
            action
            for action in document["actions"]
            if action["name"] not in ("noflight", "nohotel")
        ),
        *maps,
    ]
    player = booked(document)
    player.send("regret")
    assert player.state == "over"


def test_an_undo_on_demand_with_nothing_to_undo_succeeds() -> None:
    document = regret()
    document["transitions"][0]["next"] = "regretted"
    player = Caller(document)
    player.start()
    assert player.state == "over"


def test_a_cancel_takes_over_an_undo_on_demand() -> None:
    player = booked(regret())
    player.send("regret")
    player.call(player.undoing.name).control("cancel")
    assert player.open == ["nohotel"]
    assert player.undoing.attempts == 1
    assert player.undo_all() == ["nohotel", "noflight"]
    assert (player.status, player.state) == ("cancelled", "regretted")


def test_a_state_that_is_left_while_it_undoes_leaves_the_rest_to_be_undone() -> None:
    document = regret()
    document["transitions"].append({"current": "regretted", "event": "enough", "next": "over"})
    player = booked(document)
    player.send("regret")
    player.undo()
    player.call(player.undoing.name).send("enough")
    assert player.state == "over"
    player.control("cancel")
    assert player.undoing.facts["key"] == "1/undo"
    assert player.undo_all() == ["noflight"]


def test_a_retry_undoes_again_after_the_row_behind_it_broke() -> None:
    document = regret(on={"success": {"next": "over", "set": {"n": "${ $number(data.n) }"}}})
    document["data"] = {"n": "none"}
    player = booked(document)
    player.send("regret")
    player.undo_all()
    assert (player.status, player.execution.error["code"]) == ("failed", "expression")  # type: ignore[index]
    player.control("data", patch={"n": "1"})
    player.control("retry")
    assert (player.state, player.execution.data["n"]) == ("over", 1)


def test_the_type_undo_is_refused_as_a_task_of_a_graph() -> None:
    document = graph({"name": "flight"}, {"name": "back", "needs": ["flight"]})
    document["actions"].append({"name": "back", "type": "undo"})
    player = Caller(document)
    player.start()
    player.work("flight")
    assert player.status == "failed"
    assert player.execution.error is not None
    assert player.execution.error["code"] == "undo_failed"


def test_the_type_undo_is_refused_as_a_compensation() -> None:
    player = booked(trip(actions=({"name": "nohotel", "type": "undo"},)))
    player.control("cancel")
    assert player.execution.error is not None
    assert (player.status, player.execution.error["code"]) == ("failed", "undo_failed")


def test_a_replay_alone_is_work_that_is_undone_too() -> None:
    player = booked()
    player.control("replay", **{"from": "hotel"}, downstream=False)
    (errand,) = player.execution.errands.values()

    def end(draft: Draft) -> None:
        work.end(draft, player.compiled.actions["hotel"], errand.name, "success", output=22)

    player._step(end)
    player.control("cancel")
    assert player.undoing.input["output"] == 22
    assert player.undo_all() == ["nohotel", "nohotel", "noflight"]


def test_a_replay_alone_in_flight_is_closed_and_undone_by_a_cancel() -> None:
    player = booked()
    player.control("replay", **{"from": "hotel"}, downstream=False)
    (errand,) = player.execution.errands.values()
    fields = {"worker": "w", "priority": 1, "visit": player.execution.visit}
    player._step(lambda draft: draft.add("attemptStarted", task=errand.name, attempt=1, **fields))
    player.control("cancel")
    assert player.execution.errands == {}
    assert player.undoing.input["output"] is None
    assert player.undo_all() == ["nohotel", "nohotel", "noflight"]
