"""``python -m workers_mock`` as a process."""

import contextlib
import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
COMMAND = [sys.executable, "-m", "workers_mock"]


@contextlib.contextmanager
def mock(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    process = subprocess.Popen(
        [*COMMAND, "--port", "0", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        word, _, url = process.stdout.readline().strip().partition(" ")
        assert word == "ready"
        yield process, url
    finally:
        process.kill()
        process.communicate()


def test_it_says_ready_serves_its_script_and_ends_on_sigterm(tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text(json.dumps({"shop/pay": [{"body": {"paid": True}}]}))
    with mock("--script", str(script), "--no-record") as (process, url):
        request = urllib.request.Request(f"{url}/shop", data=b'{"action": "pay"}', method="POST")
        with urllib.request.urlopen(request) as answer:
            assert json.load(answer) == {"paid": True}
        with urllib.request.urlopen(f"{url}/_counts") as answer:
            assert json.load(answer)["actions"] == {"pay": 1}
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=10)
        assert (process.returncode, out, err) == (0, "", "")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--script", "missing.json"], "missing.json: No such file"),
        (["--script", "bad.json"], 'bad.json: script key "a": a key is'),
        (["--host", "203.0.113.1"], "cannot listen"),
    ],
)
def test_it_refuses_in_one_line(tmp_path: Path, arguments: list[str], sentence: str) -> None:
    (tmp_path / "bad.json").write_text('{"a": []}')
    ended = subprocess.run(
        [*COMMAND, "--port", "0", *arguments],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.count("\n") == 1
    assert sentence in ended.stderr


def test_a_port_that_is_none_is_refused() -> None:
    ended = subprocess.run(
        [*COMMAND, "--port", "70000"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    assert "a port is a number from 0 to 65535, not '70000'" in ended.stderr
