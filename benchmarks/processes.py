"""Real processes, bounded in time, and what /proc says about them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from benchmarks.load import Job

ROOT = Path(__file__).parents[1]
STOP_SECONDS = 10.0
TICKS = os.sysconf("SC_CLK_TCK")


def _surroundings(more: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a server; as where it is installed, it may keep its bytecode."""
    found = {**os.environ, **more}
    found.pop("PYTHONDONTWRITEBYTECODE", None)
    return found


class Child:
    """A process that prints ``ready WHERE``; ended when its context ends."""

    def __init__(self, name: str, *command: str, env: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env=_surroundings(env or {}),
            text=True,
        )
        line = self.line()
        self.ready_seconds = time.monotonic() - self.began
        if not line.startswith("ready "):
            self.stop()
            raise SystemExit(f"{name} did not start; see its message above")
        self.url = line.removeprefix("ready ").strip()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def line(self) -> str:
        """Return what it says next."""
        assert self.process.stdout is not None, "its output is a pipe"
        return self.process.stdout.readline()

    def say(self, line: str) -> None:
        """Write a line to it."""
        assert self.process.stdin is not None, "its input is a pipe"
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        """End it as a crash does."""
        self.process.kill()
        self.stop()

    def stop(self) -> None:
        """End it, by force if need be."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()

    # ------------------------------------------------------------ /proc

    def cpu_seconds(self) -> float:
        """Return user and system time of the process and all below it."""
        return tree_cpu_seconds(self.process.pid)

    def rss_bytes(self, which: str = "VmRSS") -> int:
        """Return what is resident now; with ``VmHWM`` the most there ever was."""
        return sum(_memory(pid, which) for pid in _tree(self.process.pid))

    def forget_peak(self) -> None:
        """Let ``VmHWM`` begin anew."""
        for pid in _tree(self.process.pid):
            Path(f"/proc/{pid}/clear_refs").write_text("5")


class Load(Child):
    """The load generator."""

    def __init__(self) -> None:
        super().__init__("load", "benchmarks.load")

    def run(self, job: Job) -> dict[str, Any]:
        """Do a job, and return what came of it."""
        self.begin(job)
        return self.end()

    def begin(self, job: Job) -> None:
        """Begin a job; ``end`` tells what came of it."""
        self.say(json.dumps(asdict(job)))

    def halt(self) -> dict[str, Any]:
        """Send nothing more of a job that was begun, and return what came of it."""
        self.say("")
        return self.end()

    def end(self) -> dict[str, Any]:
        """Wait for the end of the job that was begun, and return what came of it."""
        line = self.line()
        if not line:
            raise SystemExit("the load generator broke; see its message above")
        told: dict[str, Any] = json.loads(line)
        return told


def ask(url: str, path: str, body: bytes | None = None, **fields: str) -> Any:
    """Send one request, JSON both ways; *fields* are headers."""
    assert urlsplit(url).hostname == "127.0.0.1", "the benchmark stays on this machine"
    headers = {"Content-Type": "application/json", **fields}
    with urlopen(Request(url + path, data=body, headers=headers), timeout=60) as answer:
        return json.load(answer)


def tree_cpu_seconds(root: int) -> float:
    """Return user and system time of a process and all below it."""
    return sum(_cpu_ticks(pid) for pid in _tree(root)) / TICKS


def _tree(root: int) -> list[int]:
    found = [root]
    for pid in found:
        try:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        except OSError:
            continue
        found += [int(child) for child in children.split()]
    return found


def _cpu_ticks(pid: int) -> int:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return int(fields[11]) + int(fields[12])


def _memory(pid: int, which: str) -> int:
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(f"{which}:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0
