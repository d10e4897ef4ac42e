"""The pure modules of the web pages, under node: `make check-ui` runs the same."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
FILES = sorted((ROOT / "tests/web").glob("*.test.mjs"))


@pytest.mark.skipif(shutil.which("node") is None, reason="node runs the logic of the web pages")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_logic_of_the_pages_holds(path: Path) -> None:
    done = subprocess.run(
        ["node", "--test", "--test-reporter=tap", str(path)],
        cwd=ROOT,
        capture_output=True,
        check=False,
        text=True,
        timeout=50,
    )
    assert done.returncode == 0, done.stdout
    assert "# pass 0" not in done.stdout
