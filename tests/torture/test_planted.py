"""The test of the tests: every bug that is planted in the engine or its store is found."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.torture.planted import BUGS

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", [bug.name for bug in BUGS])
def test_the_simulation_finds(name: str) -> None:
    # In a process of its own: with a fixed hash seed the same runs are played every time.
    said = subprocess.run(
        [sys.executable, "-m", "tests.torture.planted", name],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.strip() != "None", f"{name}: no run found it"


def test_there_are_at_least_25_of_them() -> None:
    assert len({bug.name for bug in BUGS}) == len(BUGS) >= 25
