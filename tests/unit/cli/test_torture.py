"""goflow torture: where its notes go is looked at before it begins."""

from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from goflow_py.cli import app


@pytest.mark.parametrize("place", ["/proc/x", "/proc/x/y"])
def test_notes_that_can_go_nowhere_are_refused_in_one_sentence(place: str) -> None:
    ran = CliRunner().invoke(app, ["torture", "--seed", "3", "--save", place])
    assert ran.exit_code == 2
    assert f"{place} cannot be made" in " ".join(ran.output.replace("│", " ").split())


def test_a_directory_for_notes_stays_only_if_a_run_failed(tmp_path: Path) -> None:
    save = tmp_path / "notes"
    ran = CliRunner().invoke(app, ["torture", "--seed", "3", "--save", str(save), "--json"])
    assert ran.exit_code == 0, ran.output
    assert not save.exists()


def test_several_nodes_are_played_and_the_seed_says_how_many() -> None:
    ran = CliRunner().invoke(app, ["torture", "--seed", "3", "--nodes", "2", "--json"])
    alone = CliRunner().invoke(app, ["torture", "--seed", "3", "--json"])
    assert (ran.exit_code, alone.exit_code) == (0, 0)
    assert (orjson.loads(ran.stdout)["runs"], orjson.loads(alone.stdout)["runs"]) == (1, 1)
    assert orjson.loads(ran.stdout)["faults"] != orjson.loads(alone.stdout)["faults"]


def test_crash_points_of_several_nodes_are_refused() -> None:
    ran = CliRunner().invoke(app, ["torture", "--stories", "1", "--nodes", "2"])
    assert ran.exit_code == 2
    assert "crash points are of one server" in ran.output
