"""What every workload works with: a folder, a worker, a load, and the figures of a load."""

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.contestants import Contestant
from benchmarks.processes import Child, Load, ask
from benchmarks.result import Figure

LOOK_SECONDS = 0.01

One = TypeVar("One")


@dataclass(frozen=True, kw_only=True)
class Workload:
    """A question, and what answers it."""

    name: str
    about: str
    run: Callable[..., Iterator[Figure]]
    """Called with the stage and the fields of a size."""
    sizes: Mapping[str, Mapping[str, Any]]
    """For ``quick``, ``bench`` and ``full``; without one it is not part of such a run."""


class Stage:
    """Where the workloads of a run take place."""

    def __init__(self, folder: Path, worker: Child, load: Load) -> None:
        self.folder = folder
        self.worker = worker
        self.load = load
        self._files = 0

    @classmethod
    @contextmanager
    def ready(cls, folder: Path) -> Iterator["Stage"]:
        """Start worker and load; end them in the end."""
        with Child("worker", "benchmarks.worker") as worker, Load() as load:
            yield cls(folder, worker, load)

    def file(self, name: str) -> Path:
        """Return the path of a data file that is not there yet."""
        self._files += 1
        return self.folder / f"{name}-{self._files}.db"

    def sample(
        self, one: Contestant, server: Child, *, in_flight: int, seconds: float, number: int
    ) -> dict[str, Any]:
        """Load a contestant in round *number*; return a Sample."""
        self.load.run(one.job(server, clients=in_flight, seconds=one.warm_seconds))
        ask(self.worker.url, "/_counts")
        before = server.cpu_seconds()
        told = self.load.run(one.job(server, clients=in_flight, seconds=seconds))
        cpu = server.cpu_seconds() - before
        counts = ask(self.worker.url, "/_counts")
        return {
            "contestant": one.name,
            "in_flight": in_flight,
            "round": number,
            "rate_per_s": told["rate"],
            "p50_ms": told["p50_ms"],
            "p99_ms": told["p99_ms"],
            "cpu_us": each_us(cpu, told["done"]),
            "peak_mb": server.rss_bytes("VmHWM") / 1e6,
            "lost": max(0, one.calls * told["done"] - counts["keys"]),
            "doubled": counts["doubled"],
            "errors": told["errors"],
            "error": told["error"],
        }


def turns(all_: Sequence[One], number: int) -> list[One]:
    """Return all, in another order each round: nobody is always first."""
    shift = number % len(all_)
    return [*all_[shift:], *all_[:shift]]


def each_us(seconds: float, count: int) -> float:
    """Return the microseconds of one of so many."""
    return seconds / max(count, 1) * 1e6


def until(condition: Callable[[], Any], *, seconds: float, look: float = LOOK_SECONDS) -> float:
    """Wait until *condition* holds, at most so long; return the moment, of the monotonic clock."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(look)
    return time.monotonic()


def tallies(data: Path, activity: str | None = None) -> dict[str, int]:
    """Return how many executions of goflow have each status, as its file says at this moment."""
    found: dict[str, int] = {}
    with closing(sqlite3.connect(f"{data.as_uri()}?mode=ro", uri=True, timeout=10.0)) as database:
        rows = database.execute("SELECT activity, status, count FROM tallies").fetchall()
    for of, status, count in rows:
        if activity in (None, of):
            found[status] = found.get(status, 0) + count
    return found


def unfinished(data: Path, activity: str | None = None) -> int:
    """Return how many executions have not ended."""
    return sum(
        count
        for status, count in tallies(data, activity).items()
        if status in ("running", "waiting", "paused")
    )
