"""Many runs in several processes, added up."""

import os
import queue
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import orjson

BREACHED_KEPT_MAX = 20
"""Failed runs that are kept whole."""


@dataclass(slots=True, kw_only=True)
class Totals:
    """What the runs came to so far."""

    runs: int = 0
    executions: int = 0
    entries: int = 0
    operations: int = 0
    virtual_seconds: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)
    """Breaches by rule."""
    failed: list[dict[str, Any]] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    """What processes said that ended by themselves."""

    @property
    def ok(self) -> bool:
        """Tell whether every promise held."""
        return not self.rules and not self.broken

    def add(self, result: dict[str, Any]) -> None:
        """Add one run."""
        self.runs += 1
        self.executions += result["executions"]
        self.entries += result["entries"]
        self.operations += result["operations"]
        self.virtual_seconds += result["seconds"]
        self.faults.update(result["faults"])
        self.statuses.update(result["statuses"])
        self.rules.update(breach["rule"] for breach in result["breaches"])
        if result["breaches"] and len(self.failed) < BREACHED_KEPT_MAX:
            self.failed.append(result)

    def as_json(self) -> dict[str, Any]:
        """Return the totals as JSON values."""
        return {
            "ok": self.ok,
            "runs": self.runs,
            "executions": self.executions,
            "entries": self.entries,
            "requests": self.operations,
            "virtualHours": round(self.virtual_seconds / 3600, 1),
            "faults": dict(sorted(self.faults.items())),
            "statuses": dict(sorted(self.statuses.items())),
            "breaches": dict(sorted(self.rules.items())),
            "failed": self.failed,
            "broken": self.broken,
        }


def torture(
    *,
    seconds: float,
    first: int = 1,
    runs: int | None = None,
    points: int = 0,
    nodes: int = 1,
    jobs: int | None = None,
    faults: int | None = None,
    save: Path | None = None,
    on_result: Callable[[Totals], object] = lambda _: None,
) -> Totals:
    """Play seeds from *first* on (or the crash points of *points* stories) for *seconds*.

    A seed's run has so many *nodes* on one store. *runs* and *faults* end it before. *on_result* is
    told after each run.
    """
    jobs = jobs or os.cpu_count() or 1
    command = [sys.executable, "-m", "goflow_py.torture"]
    command += [f"--first={first}", f"--jobs={jobs}", f"--seconds={seconds}", f"--points={points}"]
    command += [f"--nodes={nodes}"]
    command += [] if runs is None else [f"--runs={runs}"]
    command += [] if save is None else [f"--save={save}"]
    lines: queue.Queue[bytes | None] = queue.Queue()
    children = [_start([*command, f"--job={job}"], lines) for job in range(jobs)]
    totals, left = Totals(), jobs
    try:
        while left:
            line = lines.get()
            if line is None:
                left -= 1
                continue
            totals.add(orjson.loads(line))
            on_result(totals)
            if faults is not None and sum(totals.faults.values()) >= faults:
                break
    finally:
        for child in children:
            child.terminate()
        for child in children:
            _, errors = child.communicate()
            if child.returncode > 0:
                totals.broken.append(errors.decode("utf-8", "replace").strip()[-2_000:])
    return totals


def _start(command: list[str], lines: "queue.Queue[bytes | None]") -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    )
    assert child.stdout is not None, "its output is a pipe"
    threading.Thread(target=_pass_on, args=(child.stdout, lines), daemon=True).start()
    return child


def _pass_on(output: IO[bytes], lines: "queue.Queue[bytes | None]") -> None:
    for line in output:
        lines.put(line)
    lines.put(None)
