"""What is measured of a contestant, each as plain numbers."""

import statistics
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.contestants import CALLS, CONTESTANTS, PARKED, Contestant
from benchmarks.load import Job
from benchmarks.processes import Child, Load, ask

LEVELS = (1, 16, 128)
WARM_SECONDS = 0.3
ACKS = 50
ACK_PAUSE_SECONDS = 0.02
SETTLE_SECONDS = 0.5
PARK_CLIENTS = 128
WAKES = 200
WAKE_CLIENTS = 8


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One contestant at one level in one round."""

    contestant: str
    level: int
    round: int
    rate: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    peak_mb: float
    lost: int
    doubled: int
    errors: int
    error: str | None


class Field:
    """All servers, up at the same time, and the one worker and the one load that they share."""

    def __init__(
        self, folder: Path, worker: Child, load: Load, servers: dict[Contestant, Child]
    ) -> None:
        self.folder = folder
        self.worker = worker
        self.load = load
        self.servers = servers
        self._starts = 0

    def sample(self, one: Contestant, *, level: int, round: int, seconds: float) -> Sample:  # noqa: A002
        """Measure one contestant once."""
        server = self.servers[one]
        self.load.run(one.job(server, clients=level, seconds=WARM_SECONDS))
        ask(self.worker.url, "/_counts")
        before = server.cpu_seconds()
        told = self.load.run(one.job(server, clients=level, seconds=seconds))
        cpu = server.cpu_seconds() - before
        counts = ask(self.worker.url, "/_counts")
        return Sample(
            contestant=one.name,
            level=level,
            round=round,
            rate=told["rate"],
            p50_ms=told["p50_ms"],
            p99_ms=told["p99_ms"],
            cpu_us=cpu / max(told["done"], 1) * 1e6,
            peak_mb=server.rss_bytes("VmHWM") / 1e6,
            lost=max(0, CALLS * told["done"] - counts["keys"]),
            doubled=counts["doubled"],
            errors=told["errors"],
            error=told["error"],
        )

    def idle(self, one: Contestant) -> dict[str, Any]:
        """Measure a server that has nothing else to do, new from its start."""
        self._starts += 1
        with one.start(self.folder / f"idle-{self._starts}.db", self.worker.url) as server:
            time.sleep(SETTLE_SECONDS)
            rss = server.rss_bytes()
            self.load.run(one.job(server, requests=ACKS // 5, pause=ACK_PAUSE_SECONDS, wait=False))
            told = self.load.run(
                one.job(server, requests=ACKS, pause=ACK_PAUSE_SECONDS, wait=False)
            )
            return {
                "contestant": one.name,
                "ready_seconds": server.ready_seconds,
                "idle_mb": rss / 1e6,
                "ack_p50_ms": told["p50_ms"],
                "ack_p99_ms": told["p99_ms"],
                "errors": told["errors"],
            }

    def parked(self, count: int) -> dict[str, Any]:
        """Park many executions of goflow, then wake a few: accepted a second, bytes, wake-ups."""
        one = CONTESTANTS["goflow"]
        with one.start(self.folder / "parked.db", self.worker.url) as server:
            start = Job(
                url=server.url + PARKED,
                body='{"input":{"order":4711}}',
                expect='"status":"waiting"',
                clients=PARK_CLIENTS,
                requests=count,
                keep=WAKES,
            )
            self.load.run(_some(start, count // 10))
            time.sleep(SETTLE_SECONDS)
            before, cpu = server.rss_bytes(), server.cpu_seconds()
            accepted = self.load.run(start)
            cpu = server.cpu_seconds() - cpu
            time.sleep(SETTLE_SECONDS)
            grown = server.rss_bytes() - before
            woken = self.load.run(
                Job(
                    url=server.url,
                    body='{"name":"go"}',
                    expect='"status":"completed"',
                    clients=WAKE_CLIENTS,
                    paths=[f"/v1/executions/{id}/events" for id in accepted["ids"]],
                )
            )
        return {
            "count": count,
            "accepted_a_second": accepted["rate"],
            "accept_p99_ms": accepted["p99_ms"],
            "accept_cpu_us": cpu / max(accepted["done"], 1) * 1e6,
            "bytes_each": grown / max(accepted["done"], 1),
            "lost": count - accepted["done"],
            "woken": woken["done"],
            "wake_lost": len(accepted["ids"]) - woken["done"],
            "wake_p50_ms": woken["p50_ms"],
            "wake_p99_ms": woken["p99_ms"],
        }


def _some(job: Job, requests: int) -> Job:
    """Return *job* for the first few, so that buffers and caches have their size."""
    return Job(**{**asdict(job), "requests": requests, "keep": 0})


# ---------------------------------------------------------------- over the rounds


@dataclass(frozen=True, slots=True)
class Spread:
    """A median, and how far the rounds lay apart."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: list[float]) -> "Spread":
        """Return that of *values*."""
        return cls(statistics.median(values), min(values), max(values))


def spread(samples: list[Sample], contestant: str, level: int, what: str) -> Spread | None:
    """Return the spread of one figure; None when it was not measured."""
    found = [
        getattr(one, what) for one in samples if (one.contestant, one.level) == (contestant, level)
    ]
    return Spread.of(found) if found else None


def ratio(samples: list[Sample], level: int, what: str, over: str, under: str) -> Spread | None:
    """Return *over* / *under*, taken within each round: what slows a round slows both."""
    figures = {
        (one.contestant, one.round): getattr(one, what) for one in samples if one.level == level
    }
    rounds = sorted({one.round for one in samples})
    found = [
        figures[over, round_] / figures[under, round_]
        for round_ in rounds
        if (over, round_) in figures and figures.get((under, round_))
    ]
    return Spread.of(found) if found else None
