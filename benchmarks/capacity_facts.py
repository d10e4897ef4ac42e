"""What the model of ``benchmarks.capacity`` is fed with: every figure, its source, how it was got.

This is the one place to update. A figure of the newest kept result wins over the figure that stands
here; until PostgreSQL is in a kept result, figures of the store are those of a prototype. What a
result may hold, by workload, and which figure it becomes::

    postgres_commit     batch, commit_p50_ms, commit_p99_ms, database_cpu_us and wal_bytes of a
                        record (three batch sizes or more)
    postgres_takeover   in_flight, load_s
    postgres_parked     disk_bytes_each
    steps, parked,
    history             as ``benchmarks.result`` describes them (SQLite)
"""

import json
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.result import FORMAT, Figure

RESULTS = Path(__file__).with_name("results")
KEPT = ("*-full.json", "*-bench.json", "*-full-part.json", "*-bench-part.json")
"""Whole runs, and runs of some workloads: each figure has its own source."""
PROTOTYPE, PRODUCT, ASSUMED = "prototype", "product", "assumed"
P99_SIGMAS = 2.326
"""Standard deviations from the median of a normal distribution to its 99th percentile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One figure: its value, its unit, and where it comes from."""

    value: float
    unit: str
    about: str
    kind: str
    """``prototype`` and ``product`` are measured, ``assumed`` is not."""
    source: str


_RUN = "the prototype's throughput run: 2 nodes and the database on 2 cores"
_SIZES = "the prototype's tables, 290 B of variables, 125 B an entry"
BATCHES = ((15.5, 1.5, 3.5, 40.0), (460.0, 16.4, 50.0, 20.0))
"""Rows of a commit, its median and p99 in ms, the database's CPU for a row in us: prototype."""


def _fact(value: float, unit: str, about: str, kind: str, source: str) -> Fact:
    return Fact(value=value, unit=unit, about=about, kind=kind, source=source)


def _line(points: Iterable[tuple[float, float]]) -> tuple[float, float]:
    """Return what a line through *points* is at nought, and how it rises."""
    known = list(points)
    slope, start = statistics.linear_regression(*zip(*known, strict=True))
    return max(0.0, start), slope


def _batch_facts(rows: Sequence[Sequence[float]], kind: str, source: str) -> dict[str, Fact]:
    """Return the cost of a commit: the part of the database's CPU, and the part that is waited."""
    cpu, row_cpu = _line((size, size * each / 1e3) for size, _, _, each in rows)
    all_, row_all = _line((size, p50) for size, p50, _, _ in rows)
    wide = statistics.fmean(math.log(p99 / p50) / P99_SIGMAS for _, p50, p99, _ in rows)
    wait, row_wait = max(0.0, all_ - cpu), max(0.0, row_all - row_cpu)
    return {
        "commit_cpu_ms": _fact(cpu, "ms", "database CPU of a commit", kind, source),
        "row_cpu_ms": _fact(row_cpu, "ms", "and of each row in it", kind, source),
        "commit_wait_ms": _fact(wait, "ms", "the rest of a commit: sync, network", kind, source),
        "row_wait_ms": _fact(row_wait, "ms", "and of each row: encoding, network", kind, source),
        "commit_sigma": _fact(wide, "", "spread of a commit (log-normal)", kind, source),
    }


FIGURES: Mapping[str, Fact] = {
    **_batch_facts(BATCHES, PROTOTYPE, _RUN),
    "wal_row_kb": _fact(1.06, "kB", "WAL of a transition", PROTOTYPE, _RUN),
    "load_us": _fact(7.0, "us", "reading an execution at adoption", PROTOTYPE, "its kill -9 runs"),
    "record_kb": _fact(0.5, "kB", "disk of a transition, its share of the head", PROTOTYPE, _SIZES),
    "parked_kb": _fact(0.81, "kB", "an execution that waits", PROTOTYPE, _SIZES),
    "start_us": _fact(247, "us", "node CPU of a start and an end", PRODUCT, "steps, on SQLite"),
    "call_us": _fact(226, "us", "node CPU of a call and its commit", PRODUCT, "steps, on SQLite"),
    "standby_ms": _fact(1.0, "ms", "answer of a synchronous standby", ASSUMED, "one zone"),
    "wal_mb_s": _fact(250, "MB/s", "WAL that the disk takes", ASSUMED, "an NVMe volume"),
    "worker_ms": _fact(20, "ms", "time that a worker takes", ASSUMED, "yours will differ"),
    "lease_s": _fact(10, "s", "lease; a heartbeat each third", ASSUMED, "the design"),
    "turn_s": _fact(1, "s", "between two looks for free shards", ASSUMED, "the design"),
    "notice_s": _fact(10, "s", "until nobody is sent to a dead node", ASSUMED, "readiness probes"),
    "retry_s": _fact(2, "s", "until a client asks again", ASSUMED, "its timeout"),
    "node_back_s": _fact(30, "s", "until a dead node is replaced", ASSUMED, "rescheduling"),
    "failover_s": _fact(30, "s", "until the standby is primary", ASSUMED, "its failover manager"),
    "restart_s": _fact(2, "s", "restart of a node whose lease lapsed", ASSUMED, "supervisor"),
}  # fmt: skip


def facts(folder: Path = RESULTS) -> dict[str, Fact]:
    """Return all figures: those of the newest result of *folder*, and the rest from here."""
    found = dict(FIGURES)
    for path, result in _results(folder):  # the oldest first: the newest has the last word
        found.update(_measured(result, path.name))
    return found


def _results(folder: Path) -> list[tuple[Path, Mapping[str, Any]]]:
    paths = [path for pattern in KEPT for path in folder.glob(pattern)]
    read = [(path, json.loads(path.read_text("utf-8"))) for path in paths]
    known = [(path, result) for path, result in read if result.get("format") == FORMAT]
    return sorted(known, key=lambda one: (one[1]["date"], one[0].name))


def _measured(result: Mapping[str, Any], name: str) -> dict[str, Fact]:
    """Return the figures that one result has."""

    def rows(workload: str) -> Sequence[Figure]:
        part = result["workloads"].get(workload, {"figures": []})
        return [one for one in part["figures"] if one.get("contestant", "goflow") == "goflow"]

    found: dict[str, Fact] = {}

    def take(key: str, value: float, workload: str) -> None:
        known = FIGURES[key]
        source = f"{workload}, {name}"
        found[key] = _fact(value, known.unit, known.about, PRODUCT, source)

    steps = _medians(rows("steps"), "steps", "cpu_us")
    if len(steps) > 1:
        start, call = _line(steps)
        take("start_us", start, "steps")
        take("call_us", call, "steps")
    if files := [(one["file_mb"], one["rows"]) for one in rows("history")]:
        size, count = max(files, key=lambda one: one[1])
        take("record_kb", size * 1e3 / count, "history")
    for workload in ("parked", "postgres_parked"):
        if sizes := [one["disk_bytes_each"] for one in rows(workload)]:
            take("parked_kb", sizes[-1] / 1e3, workload)
    if loads := [one["load_s"] / one["in_flight"] * 1e6 for one in rows("postgres_takeover")]:
        take("load_us", statistics.median(loads), "postgres_takeover")
    names = ("commit_p50_ms", "commit_p99_ms", "database_cpu_us")
    commits = [_medians(rows("postgres_commit"), "batch", what) for what in names]
    if len(commits[0]) > 1:
        sizes = [size for size, _ in commits[0]]
        table = [[size, *(dict(one)[size] for one in commits)] for size in sizes]
        found |= _batch_facts(table, PRODUCT, f"postgres_commit, {name}")
        wal = [each for _, each in _medians(rows("postgres_commit"), "batch", "wal_bytes")]
        take("wal_row_kb", statistics.median(wal) / 1e3, "postgres_commit")
    return found


def _medians(rows: Sequence[Figure], key: str, what: str) -> list[tuple[float, float]]:
    cases: dict[float, list[float]] = {}
    for one in rows:
        cases.setdefault(one[key], []).append(one[what])
    return [(case, statistics.median(values)) for case, values in sorted(cases.items())]
