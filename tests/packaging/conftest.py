"""The wheel, built once for a worker of the test run."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build as the Dockerfile does: nothing is fetched."""
    root = Path(__file__).resolve().parents[2]
    target = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "wheel"]
    options = ["--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", str(target)]
    built = subprocess.run([*pip, *options, str(root)], capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    (found,) = target.glob("*.whl")
    return found
