"""The page of the benchmarks: the same result makes the same bytes, and says what is missing."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks import page
from benchmarks.processes import ROOT
from benchmarks.workloads import WORKLOADS
from tests.unit.benchmarks import made_up


def text_of(result: dict[str, Any]) -> str:
    return page.files(result, "x.json", "the way")[page.PAGE.name]


def section(text: str, title: str) -> str:
    return text.partition(f"{title}\n")[2].partition("\n#")[0]


def test_the_page_in_the_repository_is_what_its_result_makes() -> None:
    text = page.PAGE.read_text("utf-8")
    source = re.search(rf"^{page.MADE_FROM}(\S+\.json)", text, re.MULTILINE)
    assert source, "the page does not say which result it is made from"
    path = ROOT / source[1]
    made = page.files(page.read(path), path.name, page.between())
    there = {
        one.relative_to(page.PAGE.parent).as_posix(): one.read_text("utf-8")
        for one in [page.PAGE, *(page.PAGE.parent / page.PICTURES).glob("*.svg")]
    }
    assert there.keys() == made.keys(), "write it anew: python -m benchmarks.page"
    for name, content in made.items():
        assert there[name] == content, f"{name} is old: python -m benchmarks.page"


def test_the_same_result_makes_the_same_bytes_whatever_the_order_of_its_samples() -> None:
    result, turned = made_up.result(), made_up.result()
    turned["samples"] = turned["samples"][::-1]
    assert page.files(result, "x.json", "") == page.files(turned, "x.json", "")


def test_every_picture_that_is_shown_is_made_and_every_one_that_is_made_is_shown() -> None:
    made = page.files(made_up.result(), "x.json", "")
    shown = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", made[page.PAGE.name])
    assert sorted(shown) == sorted(name for name in made if name.endswith(".svg"))
    assert {"benchmarks/rate.svg", "benchmarks/inflight.svg", "benchmarks/flat.svg"} <= set(shown)


def test_ratios_are_taken_within_the_rounds() -> None:
    result = made_up.result()
    for one in result["samples"]:
        if one["round"] == 1:  # a slow round is slow for all, and no ratio knows of it
            one["rate_per_s"] /= 7
    row = next(line for line in text_of(result).splitlines() if line.startswith("| naive | "))
    assert row.startswith("| naive | 2.0 | 8.0 | 8.0 |")


def test_who_was_absent_and_which_workloads_were_not_run_is_said_by_name() -> None:
    left_out = section(text_of(made_up.result()), "## Not measured in this run")
    assert "it needs a program that is not here" in left_out
    run = made_up.result()["workloads"]
    told = re.search("^- workloads: (.+)$", left_out, re.MULTILINE)
    assert told and told[1].split(", ") == [name for name in WORKLOADS if name not in run]


def test_a_run_without_peers_or_workloads_is_a_page_too() -> None:
    result = made_up.result()
    result.update(samples=[], workloads={}, absent={})
    made = page.files(result, "x.json", "the way")
    assert list(made) == [page.PAGE.name]
    assert "the way" in made[page.PAGE.name]


def test_a_level_that_a_contestant_could_not_do_is_a_dash() -> None:
    result = made_up.result()
    for one in result["samples"]:
        if (one["contestant"], one["in_flight"]) == ("peer-a", 128):
            one.update(rate_per_s=None, p50_ms=None, p99_ms=None, cpu_us=None, error="too slow")
    rows = section(text_of(result), "### 128 in flight").splitlines()
    assert any(line.startswith("| peer-a | - | - | - | - |") for line in rows)


def test_a_lost_call_is_named_and_with_none_the_page_says_so() -> None:
    result = made_up.result()
    assert "Nobody lost or doubled a call." in text_of(result)
    result["samples"][3]["lost"] = 2
    text = text_of(result)
    assert "Nobody lost" not in text
    assert f"{result['samples'][3]['contestant']}: 2 lost" in text


def test_who_keeps_nothing_is_called_so() -> None:
    text = text_of(made_up.result())
    assert "what peer-b does (which keeps nothing)" in text
    assert re.search(r"^\| peer-b \|.*\| no \|", text, re.MULTILINE)
    assert re.search(r"^\| peer-a \|.*\| yes \|", text, re.MULTILINE)


def test_every_table_has_as_many_cells_in_each_line() -> None:
    tables = re.findall(r"(?:^\|.*\|$\n?)+", text_of(made_up.result()), re.MULTILINE)
    assert len(tables) > 6
    for table in tables:
        assert len({line.count("|") for line in table.splitlines()}) == 1


def test_a_wide_table_is_turned_so_that_no_line_is_too_long_to_read() -> None:
    text = text_of(made_up.result())
    assert (
        max(line.count("|") for line in section(text, "### Thousands in flight").split("\n")) < 12
    )


def test_a_result_of_another_format_is_refused_in_one_sentence(tmp_path: Path) -> None:
    old = tmp_path / "old.json"
    old.write_text(json.dumps({"date": "2026-11-21"}))
    with pytest.raises(SystemExit, match="measure anew"):
        page.read(old)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("rate_per_s", "executions/s"),
        ("accepted_per_s", "accepted/s"),
        ("accept_cpu_us", "accept CPU us"),
        ("rss_bytes_each", "RSS, bytes each"),
        ("idle_cpu_percent", "idle CPU %"),
        ("restart_ready_s", "restart ready s"),
        ("woken", "woken"),
    ],
)
def test_a_figure_is_called_as_people_call_it(name: str, said: str) -> None:
    assert page.worded(name) == said


def test_a_table_of_goflow_alone_begins_with_what_differs() -> None:
    result = made_up.result()
    for one in result["workloads"]["states"]["figures"]:
        one.update(contestant="goflow", lost=0)
    table = section(text_of(result), "### States of a blueprint")
    assert "| states | 3 | 20 | 200 |" in table
    assert "goflow" not in table
    assert "Nothing was lost." in table
