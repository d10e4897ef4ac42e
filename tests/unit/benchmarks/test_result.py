"""What a result comes to: spreads, ratios within rounds, and what is wrong with it."""

from typing import Any

import pytest

from benchmarks.result import Spread, ratio, spread, wrong

GOFLOW, FLOOR = {"contestant": "goflow"}, {"contestant": "floor"}


def row(contestant: str, round_: int, rate: float | None, in_flight: int = 16) -> dict[str, Any]:
    return {
        "contestant": contestant,
        "round": round_,
        "in_flight": in_flight,
        "rate_per_s": rate,
        "lost": 0,
        "doubled": 0,
        "errors": 0,
    }


def result(*samples: dict[str, Any], **workloads: list[dict[str, Any]]) -> dict[str, Any]:
    parts = {name: {"figures": figures} for name, figures in workloads.items()}
    return {"samples": list(samples), "workloads": parts}


def test_a_spread_is_of_the_rows_that_match() -> None:
    rows = [row("goflow", 0, 100.0), row("goflow", 1, 300.0), row("goflow", 2, 200.0)]
    rows += [row("goflow", 0, 7.0, in_flight=1), row("floor", 0, 9.0)]
    found = spread(rows, "rate_per_s", contestant="goflow", in_flight=16)
    assert found == Spread(median=200.0, least=100.0, most=300.0)


def test_what_was_not_measured_has_no_spread() -> None:
    assert spread([row("goflow", 0, None)], "rate_per_s", contestant="goflow") is None
    assert spread([], "rate_per_s") is None


def test_a_slow_round_is_slow_for_both_and_changes_no_ratio() -> None:
    rows = [row("goflow", 0, 100.0), row("floor", 0, 400.0)]
    rows += [row("goflow", 1, 10.0), row("floor", 1, 40.0)]
    assert ratio(rows, "rate_per_s", GOFLOW, FLOOR) == Spread(0.25, 0.25, 0.25)


def test_a_round_in_which_only_one_took_part_is_in_no_ratio() -> None:
    rows = [row("goflow", 0, 100.0), row("floor", 0, 400.0), row("goflow", 1, 900.0)]
    assert ratio(rows, "rate_per_s", GOFLOW, FLOOR) == Spread(0.25, 0.25, 0.25)


def test_rows_of_other_levels_are_in_no_ratio() -> None:
    rows = [row("goflow", 0, 100.0), row("floor", 0, 400.0)]
    rows += [row("goflow", 0, 5.0, in_flight=1), row("floor", 0, 5.0, in_flight=1)]
    assert ratio(rows, "rate_per_s", GOFLOW, FLOOR, in_flight=16) == Spread(0.25, 0.25, 0.25)


@pytest.mark.parametrize("what", ["lost", "doubled", "errors"])
def test_what_goflow_did_wrong_is_told(what: str) -> None:
    (told,) = wrong(result(row("goflow", 3, 1.0) | {what: 2}))
    assert f"2 {what}" in told
    assert "round 3" in told


def test_what_others_did_wrong_is_theirs() -> None:
    assert wrong(result(row("naive", 0, 1.0) | {"lost": 2})) == []


def test_a_refused_call_of_a_workload_is_wrong() -> None:
    (told,) = wrong(result(storm=[{"executions": 300, "lost": 0, "refused": 1}]))
    assert told == "storm: 1 refused (executions 300)"


def test_calls_that_a_kill_cut_are_no_mistake() -> None:
    assert wrong(result(recovery=[{"in_flight": 500, "doubled_calls": 480, "lost": 0}])) == []
