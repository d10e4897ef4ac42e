"""The benchmark itself, in tiny sizes: real servers, and nothing lost."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.__main__ import main
from benchmarks.result import FORMAT

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


def run(folder: Path, *arguments: str) -> dict[str, Any]:
    assert main([*arguments, "--quick", "--out", str(folder)]) == 0
    (kept,) = folder.glob("*.json")
    found: dict[str, Any] = json.loads(kept.read_bytes())
    return found


def test_a_tiny_round_loses_and_doubles_nothing(tmp_path: Path) -> None:
    short = ("--rounds", "1", "--seconds", "0.2")
    result = run(tmp_path, "levels", "--only", "goflow", *short)
    assert result["format"] == FORMAT
    assert [one["in_flight"] for one in result["samples"]] == [1, 16, 128]
    for one in result["samples"]:
        assert one["rate_per_s"] > 0
        assert (one["lost"], one["doubled"], one["errors"]) == (0, 0, 0)


def test_a_server_goes_on_with_a_file_that_was_filled(tmp_path: Path) -> None:
    (figures,) = run(tmp_path, "history")["workloads"]["history"]["figures"]
    assert figures["rows"] == pytest.approx(1_000, abs=10)
    assert figures["rate_per_s"] > 0
    assert (figures["lost"], figures["doubled"], figures["errors"]) == (0, 0, 0)


def test_a_killed_server_ends_all_that_was_cut(tmp_path: Path) -> None:
    (figures,) = run(tmp_path, "recovery")["workloads"]["recovery"]["figures"]
    assert figures["cut"] > 0
    assert figures["lost"] == 0
    assert figures["doubled_calls"] <= figures["in_flight"]
