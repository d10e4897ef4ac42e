"""The model of capacity: what must hold of it whatever it is fed with, and the page made of it."""

import json
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from benchmarks import capacity, capacity_page
from benchmarks.capacity_cell import simulate
from benchmarks.capacity_facts import ASSUMED, FIGURES, PRODUCT, PROTOTYPE, facts
from benchmarks.capacity_load import Answer, Load
from benchmarks.processes import ROOT

pytestmark = pytest.mark.timeout(180)  # the whole model takes 5 s of a core that nobody else has
KNOWN = {name: fact.value for name, fact in FIGURES.items()}
SOME = Load(rate=900, nodes=3, cores=4, seconds=8)
FAULTS = {
    "nothing": SOME,
    "too much": replace(SOME, rate=9_000),
    "a node, replaced": replace(SOME, node_dies_s=2.5, seconds=45),
    "a node, for good": replace(SOME, node_dies_s=2.5, node_is_replaced=False, seconds=20),
    "a node, while its lease holds": replace(SOME, node_dies_s=2.5, seconds=6),
    "a node with too much": replace(SOME, rate=9_000, node_dies_s=2.5, seconds=40, tick_s=0.1),
    "the only node": replace(SOME, nodes=1, node_dies_s=2.5, seconds=40),
    "the database": replace(SOME, database_fails_s=2.5, seconds=45),
    "the database of one of many": replace(
        SOME, database_fails_s=2.5, has_elsewhere=True, seconds=45
    ),
    "a neighbour": replace(SOME, surge=3.0, surge_from_s=2.0, surge_to_s=4.0),
}


@pytest.fixture(scope="module")
def made() -> capacity.Model:
    return capacity.model(facts())


def backlogs(answer: Answer) -> list[int]:
    return [one.backlog for one in answer.seconds]


# ---------------------------------------------------------------- what always holds


@pytest.mark.parametrize("load", FAULTS.values(), ids=FAULTS)
def test_no_execution_is_lost_or_made_up_whatever_dies(load: Load) -> None:
    answer = simulate(load, KNOWN)
    assert answer.asked > 0.9 * load.rate * 3
    assert answer.asked == answer.ended + answer.open + answer.waiting + answer.elsewhere
    assert answer.ended == sum(one.ended for one in answer.seconds)


def test_what_a_dead_node_was_about_to_commit_is_committed_once() -> None:
    slow = {**capacity.dearer(KNOWN, 10.0), "node_back_s": 3.0}
    load = replace(SOME, rate=2_700, cores=1, node_dies_s=2.5, seconds=20)
    answer = simulate(load, slow)
    assert answer.database_busy > 0.95 and answer.adopted > 100
    assert answer.asked == answer.ended + answer.open + answer.waiting


def test_equal_seeds_give_equal_answers_and_other_seeds_do_not() -> None:
    load = FAULTS["a node, for good"]
    assert simulate(load, KNOWN) == simulate(load, KNOWN)
    assert simulate(load, KNOWN) != simulate(replace(load, seed=8), KNOWN)


def test_more_nodes_are_never_slower_until_the_store_is_full() -> None:
    loads = [Load(rate=14_000, nodes=nodes, cores=1, seconds=4) for nodes in (1, 2, 4, 8, 12)]
    answers = [simulate(replace(load, tick_s=0.05), KNOWN) for load in loads]
    rates = [capacity.ended_per_s(one) for one in answers]
    assert answers[0].node_busy > 0.95 and answers[0].database_busy < 0.2
    assert answers[-1].database_busy > 0.95, "the last one has to meet the store's end"
    for (fewer, more), answer in zip(pairwise(rates), answers[1:], strict=True):
        assert more > (1.2 if answer.database_busy < 0.95 else 0.97) * fewer


def test_more_nodes_make_nobody_wait_longer_at_the_same_load() -> None:
    loads = [replace(SOME, nodes=nodes, rate=1_800) for nodes in (2, 3, 4, 8)]
    answers = [simulate(load, KNOWN) for load in loads]
    for fewer, more in pairwise(answers):
        assert (more.p99_ms or 0) <= (fewer.p99_ms or 0) * 1.05
        assert capacity.ended_per_s(more) >= capacity.ended_per_s(fewer) * 0.97


def test_a_dearer_store_is_full_sooner() -> None:
    load = Load(rate=14_000, nodes=12, cores=1, seconds=4, tick_s=0.05)
    cheap, dear = (simulate(load, capacity.dearer(KNOWN, times)) for times in (1.0, 3.0))
    assert capacity.ended_per_s(dear) < 0.6 * capacity.ended_per_s(cheap)


def test_commits_get_larger_when_there_is_more_to_commit() -> None:
    few, many = (simulate(replace(SOME, rate=rate), KNOWN) for rate in (90, 9_000))
    assert many.rows_mean > 3 * few.rows_mean
    assert few.p50_ms is not None and many.p50_ms is not None
    assert few.p50_ms >= 3 * KNOWN["worker_ms"] * 0.8, "three calls, one after the other"


# ---------------------------------------------------------------- deaths


def test_a_dead_nodes_executions_end_on_others_after_its_lease() -> None:
    answer = simulate(FAULTS["a node, for good"], KNOWN)
    assert answer.adopted > 0
    lease, turn = KNOWN["lease_s"], KNOWN["turn_s"]
    assert answer.worst_ms is not None
    assert 1e3 * lease * 2 / 3 < answer.worst_ms < 1e3 * (lease + turn + 1)
    assert answer.seconds[-1].backlog < 2 * max(backlogs(answer)[:2])


def test_nodes_with_room_drain_after_a_death_and_nodes_without_are_told_apart() -> None:
    at = capacity.FAULT_S
    roomy = Load(rate=1_500, nodes=3, cores=4, seconds=30, node_dies_s=at, node_is_replaced=False)
    after = capacity.drained_s(simulate(roomy, KNOWN))
    assert after is not None and 0 < after < 15
    tight = simulate(replace(roomy, nodes=2), KNOWN)
    assert capacity.drained_s(tight) is None
    late = backlogs(tight)[15:]
    assert all(more > less for less, more in zip(late, late[3:], strict=False))


def test_without_a_database_nothing_ends_and_what_was_asked_comes_when_it_is_back() -> None:
    answer = simulate(replace(FAULTS["the database"], seconds=60), KNOWN)
    back = 2.5 + KNOWN["failover_s"] + KNOWN["restart_s"]
    assert [one.ended for one in answer.seconds if 4 <= one.second < int(back)] == [0] * 30
    assert max(backlogs(answer)) > 0.9 * SOME.rate * (back - 2.5)
    assert backlogs(answer)[-1] < 0.2 * max(backlogs(answer))
    assert answer.adopted > 0, "every lease has lapsed: all of it is claimed again"


def test_a_short_outage_ends_no_lease() -> None:
    answer = simulate(FAULTS["the database"], {**KNOWN, "failover_s": 5.0})
    assert answer.adopted == 0
    assert answer.seconds[10].ended > SOME.rate


def test_starts_of_a_dead_cell_go_elsewhere_and_its_own_executions_wait() -> None:
    answer = simulate(FAULTS["the database of one of many"], KNOWN)
    assert answer.elsewhere > 0.9 * SOME.rate * KNOWN["failover_s"]
    assert answer.waiting == 0
    assert answer.worst_ms is not None and answer.worst_ms > 1e3 * KNOWN["failover_s"]


# ---------------------------------------------------------------- figures


def test_every_figure_says_where_it_comes_from() -> None:
    for fact in facts().values():
        assert fact.kind in (PROTOTYPE, PRODUCT, ASSUMED)
        assert fact.about and fact.source
        assert fact.value > 0


def kept(folder: Path, name: str, **more: Any) -> None:
    result = {"format": 2, "date": "2026-01-01 00:00 UTC", "workloads": {}, **more}
    (folder / name).write_text(json.dumps(result))


def commits(*rows: tuple[int, float, float, float]) -> dict[str, Any]:
    names = ("batch", "commit_p50_ms", "commit_p99_ms", "database_cpu_us")
    figures = [{**dict(zip(names, row, strict=True)), "wal_bytes": 3_000} for row in rows]
    return {"postgres_commit": {"figures": figures}}


def test_a_kept_result_wins_over_the_prototype_and_the_newest_wins(tmp_path: Path) -> None:
    assert facts(tmp_path) == FIGURES
    old = commits((1, 9.0, 9.0, 1_000.0), (100, 90.0, 90.0, 900.0))
    new = commits((1, 1.0, 2.0, 210.0), (10, 1.0 + 9 * 0.2, 5.0, 120.0), (101, 21.0, 40.0, 110.99))
    kept(tmp_path, "z-bench.json", workloads=old)
    kept(tmp_path, "a-bench.json", workloads=new, date="2026-01-02 00:00 UTC")
    found = facts(tmp_path)
    assert found["row_cpu_ms"].value == pytest.approx(0.11, rel=0.01)
    assert found["commit_cpu_ms"].value == pytest.approx(0.1, rel=0.1)
    assert found["row_cpu_ms"].value + found["row_wait_ms"].value == pytest.approx(0.2, rel=0.01)
    assert found["wal_row_kb"].value == 3.0
    assert found["row_cpu_ms"].kind == PRODUCT and "a-bench.json" in found["row_cpu_ms"].source


def test_a_run_of_some_workloads_counts_for_what_it_has(tmp_path: Path) -> None:
    kept(tmp_path, "a-bench-part.json", workloads=commits((1, 1, 2, 210.0), (10, 3, 5, 120.0)))
    found = facts(tmp_path)
    assert found["wal_row_kb"].kind == PRODUCT
    assert found["load_us"] == FIGURES["load_us"]


def test_quick_results_and_those_of_another_format_are_passed_over(tmp_path: Path) -> None:
    other = commits((1, 9.0, 9.0, 9.0), (100, 9.0, 9.0, 9.0))
    kept(tmp_path, "a-quick.json", workloads=other)
    kept(tmp_path, "b-bench.json", workloads=other, format=1)
    assert facts(tmp_path) == FIGURES


# ---------------------------------------------------------------- sizes and the page


def test_no_cell_is_given_more_than_it_may_have(made: capacity.Model) -> None:
    for one in [*made.plans, *(plan for _, plan in made.costs)]:
        assert one.wal_mb_s <= capacity.WAL_MB_A_CELL
        assert one.case.parked / one.cells <= capacity.PARKED_A_CELL
        assert one.answer.node_busy < 0.75
        assert one.answer.asked - one.answer.ended < one.case.rate  # it keeps up


def test_a_larger_case_never_takes_less(made: capacity.Model) -> None:
    small, large = made.plans[1], made.plans[3]
    assert large.cells > small.cells
    assert large.cells * large.nodes >= 9 * small.cells * small.nodes
    assert made.costs[0][1].cells <= made.costs[1][1].cells <= made.costs[2][1].cells


def test_the_page_says_what_the_model_says(made: capacity.Model) -> None:
    text = capacity_page.PAGE.read_text("utf-8")
    told = capacity_page.with_model(text, capacity_page.part(facts(), made))
    assert text == told, "write it anew: python -m benchmarks.capacity_page"


def test_the_json_has_all_of_it(made: capacity.Model) -> None:
    value = json.loads(json.dumps(capacity.plain(facts(), made)))
    assert value.keys() == {"facts", "plans", "rising", "costs", "deaths"}
    assert [one["nodes"] for one in value["rising"]] == list(capacity.STEPS)
    assert {"drained_s", "name", "seconds"} <= value["deaths"][0].keys()


def test_the_command_prints_every_table_or_json(
    made: capacity.Model, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(capacity, "model", lambda known: made)
    capacity.main([])
    text = capsys.readouterr().out
    assert all(title in text for title, _ in capacity.tables(facts(), made))
    capacity.main(["--json"])
    assert json.loads(capsys.readouterr().out)["plans"][0]["cells"] == 1


def test_a_herd_takes_the_nodes_that_are_not_busy() -> None:
    figures = {**KNOWN, "start_us": 100.0, "call_us": 100.0}
    case = capacity.Case(name="", rate=5_000, parked=1_000_000)
    found = capacity.plan(case, figures)
    spare = found.nodes - 5_000 * 400 / 1e6
    assert capacity.herd_s(found, figures) == pytest.approx(100_000 * 100 / 1e6 / spare)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0"), (None, "-"), (0.268, "0.27"), (1.06, "1.1"), (10, "10"), (99.6, "100"),
     (8.0, "8"), (1296.0, "1,300"), (333_333, "330,000")],
)  # fmt: skip
def test_numbers_have_two_digits_that_count(value: float | None, shown: str) -> None:
    assert capacity._short(value) == shown


# ---------------------------------------------------------------- the page's own words

SAFETY = ROOT / "goflow_py/store/postgres/safety.py"


@pytest.mark.skipif(not SAFETY.exists(), reason="there is no store in PostgreSQL")
def test_every_setting_of_postgresql_that_is_checked_is_on_the_page() -> None:
    source = SAFETY.read_text("utf-8")
    checked = set(re.findall(r"""\bsettings\[["']([a-z_]+)["']\]""", source))
    checked |= set(re.findall(r"\bhas ([a-z_]+_[a-z_]+) ", source)) | {"fsync", "full_page_writes"}
    text = capacity_page.PAGE.read_text("utf-8")
    named = checked - {"server_version_num", "server_encoding"}
    assert [name for name in sorted(named) if f"`{name}`" not in text] == []
