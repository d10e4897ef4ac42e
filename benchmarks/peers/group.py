"""A server that is several processes: started one after the other, measured and ended together."""

import os
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.request import urlopen

from benchmarks.processes import ROOT, Child

START_SECONDS = 60.0
LOOK_SECONDS = 0.01
TAIL_BYTES = 2_000
QUIET = {
    "DO_NOT_TRACK": "1",
    "NODE_ENV": "production",
    "PYTHONUNBUFFERED": "1",
}
"""For every process: nobody is told anything, and whatever it says is seen at once."""


class Part(Child):
    """One process of a group; what it says goes into a file."""

    def __init__(self, name: str, *command: str | Path, log: Path, env: Mapping[str, str]) -> None:
        self.name = name
        self.log = log
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                env={**os.environ, **QUIET, **env},
                text=True,
            )

    def rss_bytes(self, which: str = "VmRSS") -> int:
        """Return the sum of all below it, with what they share counted once."""
        return super().rss_bytes(which) - _shared_again(self.process.pid)

    def until_said(self) -> str:
        """Return the URL of its line ``ready URL``."""

        def look() -> str | None:
            lines = self.log.read_text("utf-8", "replace").splitlines(keepends=True)
            said = [one for one in lines if one.startswith("ready ") and one.endswith("\n")]
            return said[0].removeprefix("ready ").strip() if said else None

        return self._until(look)

    def until_answers(self, url: str) -> None:
        """Return once that is answered without an error."""

        def look() -> str | None:
            try:
                with urlopen(url, timeout=1):
                    return url
            except OSError:
                return None

        self._until(look)

    def until_listens(self, port: int) -> None:
        """Return once it takes connections."""

        def look() -> str | None:
            with socket.socket() as probe:
                return None if probe.connect_ex(("127.0.0.1", port)) else "yes"

        self._until(look)

    def _until(self, look: Callable[[], str | None]) -> str:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if found := look():
                return found
            if self.process.poll() is not None:
                break
            time.sleep(LOOK_SECONDS)
        last = self.log.read_text("utf-8", "replace")[-TAIL_BYTES:]
        raise SystemExit(f"{self.name} did not start; it said last:\n{last}")


class Group(Child):
    """What a peer consists of; ended when its context ends, the last started first."""

    def __init__(self, name: str, data: Path, start: Callable[["Group"], str]) -> None:
        self.began = time.monotonic()
        self.name = name
        self.data = data
        self.parts: list[Part] = []
        data.mkdir()
        try:
            self.url = start(self)
        except BaseException:
            self.stop()
            raise
        self.process = self.parts[-1].process
        self.ready_seconds = time.monotonic() - self.began

    def part(self, name: str, *command: str | Path, env: Mapping[str, str] | None = None) -> Part:
        """Start one more process."""
        log = self.data / f"{name}.log"
        self.parts.append(Part(f"{self.name}: {name}", *command, log=log, env=env or {}))
        return self.parts[-1]

    def kill(self) -> None:
        """End all as a crash does."""
        for part in reversed(self.parts):
            part.kill()

    def stop(self) -> None:
        """End all, by force if need be."""
        for part in reversed(self.parts):
            part.stop()

    def cpu_seconds(self) -> float:
        """Return user and system time of all processes."""
        return sum(part.cpu_seconds() for part in self.parts)

    def rss_bytes(self, which: str = "VmRSS") -> int:
        """Return what is resident in all processes; with ``VmHWM`` the most there ever was."""
        return sum(part.rss_bytes(which) for part in self.parts)


def free_port() -> int:
    """Return a port of the loopback interface that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _shared_again(pid: int) -> int:
    """Return how often shared memory is counted too often: each child of a server maps it."""
    below = Path(f"/proc/{pid}/task/{pid}/children")
    try:
        shared = [_shared(one) for one in (str(pid), *below.read_text().split())]
    except OSError:
        return 0
    return sum(shared) - max(shared)


def _shared(pid: str) -> int:
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("RssShmem:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0
