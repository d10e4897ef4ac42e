"""Real processes for tests: a goflow server, mock workers, and a client that asks them."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

READY_SECONDS = 20.0
LOOK_SECONDS = 0.01


def until(condition: Callable[[], Any], what: str, *, seconds: float = 20.0) -> Any:
    """Return the first true value of *condition*; fail with *what* after *seconds*."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(LOOK_SECONDS)
    raise AssertionError(f"not within {seconds:g} s: {what}")


class Process:
    """A child that prints `ready URL`."""

    def __init__(
        self,
        *command: str,
        env: dict[str, str] | None = None,
        under: tuple[str, ...] = (),
        log: Path | None = None,
    ) -> None:
        # One that says much fills a pipe that nobody reads, and waits: it gets a file.
        with contextlib.nullcontext() if log is None else log.open("ab") as errors:
            self.child = subprocess.Popen(
                [*under, sys.executable, "-m", *command],  # under a tracer, with limits
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE if errors is None else errors,
                text=True,
                env={**os.environ, **(env or {})},
            )
        assert self.child.stdout is not None
        line = self.child.stdout.readline()
        if not line.startswith("ready "):
            _, said = self.child.communicate(timeout=READY_SECONDS)
            raise AssertionError(f"{command[0]} did not start: {line}{said or log}")
        self.url = line.removeprefix("ready ").strip()
        self.client = httpx.Client(base_url=self.url, timeout=30.0, trust_env=False)

    def kill(self) -> None:
        """End it as a crash does."""
        self.child.send_signal(signal.SIGKILL)
        self._reap()

    def stop(self) -> int:
        """End it as an operator does; return its exit code."""
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
        return self._reap()

    def _reap(self) -> int:
        self.client.close()
        try:
            self.child.communicate(timeout=READY_SECONDS)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.communicate()
        return int(self.child.returncode)


class Server(Process):
    """`goflow serve` on any free port."""

    def __init__(
        self,
        data: Path | str,
        *flags: str,
        port: int = 0,
        under: tuple[str, ...] = (),
        log: Path | None = None,
    ) -> None:
        self.data = data
        served = ("serve", "--data", str(data), "--port", str(port), *flags)
        super().__init__("goflow_py", *served, under=under, log=log)

    def upload(self, body: bytes) -> dict[str, Any]:
        """Upload a blueprint."""
        answer = self.client.post("/v1/blueprints", content=body)
        assert answer.status_code in (200, 201), answer.text
        found: dict[str, Any] = answer.json()
        return found

    def start(self, activity: str, value: Any = None, **headers: str) -> dict[str, Any]:
        """Start an execution."""
        answer = self.client.post(
            f"/v1/activities/{activity}/executions", json={"input": value}, headers=headers
        )
        assert answer.status_code in (200, 201), answer.text
        found: dict[str, Any] = answer.json()
        return found

    def get(self, execution: str, part: str = "") -> Any:
        """Read an execution, or a part of it."""
        answer = self.client.get(f"/v1/executions/{execution}{part}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def end_of(self, execution: str, *, seconds: float = 30.0) -> dict[str, Any]:
        """Wait for the end of an execution."""
        ended = ("completed", "failed", "cancelled")

        def look() -> dict[str, Any] | None:
            now: dict[str, Any] = self.get(execution, "?wait=5s")
            return now if now["status"] in ended else None

        found: dict[str, Any] = until(look, f"execution {execution} ends", seconds=seconds)
        return found

    def history(self, execution: str) -> list[dict[str, Any]]:
        """Return the whole history."""
        found: list[dict[str, Any]] = self.get(execution, "/history?limit=500")["items"]
        return found


class Mock(Process):
    """The mock workers."""

    def __init__(self) -> None:
        super().__init__("workers_mock", "--port", "0")

    def script(self, **rules: Any) -> None:
        """Say how actions are answered: ``script(**{"alias/action": [rule, ...]})``."""
        answer = self.client.put("/_script", json=rules)
        assert answer.status_code == 204, answer.text

    def calls(self) -> list[tuple[str, str]]:
        """Return who was called, in order: (alias, action)."""
        return [(call["alias"], call["action"]) for call in self.client.get("/_calls").json()]

    def recorded(self) -> list[dict[str, Any]]:
        """Return every call whole."""
        found: list[dict[str, Any]] = self.client.get("/_calls").json()
        return found

    def forget(self) -> None:
        """Forget the calls so far."""
        self.client.delete("/_calls")


@contextlib.contextmanager
def ended(*processes: Process) -> Iterator[None]:
    """End the processes, whatever happens."""
    try:
        yield
    finally:
        for process in processes:
            if process.child.poll() is None:
                process.stop()
