"""The figures as text for people and as JSON for the next comparison."""

import os
import platform
import sqlite3
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.measure import LEVELS, Sample, Spread, ratio, spread
from benchmarks.processes import ROOT

PACKAGES = (
    "aiohttp", "aiosqlite", "httpx", "orjson", "pydantic", "tenacity", "transitions", "uvloop",
)  # fmt: skip
SYNCS = 200
Table = tuple[Sequence[str], list[list[str]]]

# ---------------------------------------------------------------- where it was measured


def surroundings(folder: Path) -> dict[str, Any]:
    """Return machine, versions and commit: without them no figure means anything."""
    return {
        "machine": {
            "cpu": _cpu_name(),
            "cores": os.cpu_count(),
            "kernel": platform.release(),
            "load_before": [round(one, 2) for one in os.getloadavg()],
            "fdatasync_4k_p50_ms": _sync_ms(folder),
        },
        "versions": {
            "python": platform.python_version(),
            "sqlite": sqlite3.sqlite_version,
            **{name: version(name) for name in PACKAGES},
        },
        "commit": _git("rev-parse", "HEAD") or "unknown",
        "changed": bool(_git("status", "--porcelain", "goflow_py")),
    }


def _cpu_name() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _sync_ms(folder: Path) -> float:
    waits = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(SYNCS):
            file.write(b"x" * 4096)
            file.flush()
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            waits.append((time.perf_counter() - began) * 1e3)
    return round(statistics.median(waits), 3)


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


# ---------------------------------------------------------------- tables


def tables(result: Mapping[str, Any], samples: list[Sample]) -> list[tuple[str, Table]]:
    """Return every table with its title."""
    found: list[tuple[str, Table]] = []
    if samples:
        found.append(("Three durable calls, start to end (median, least-most)", _levels(samples)))
        found.append(("goflow against the baseline and the floor, by round", _ratios(samples)))
    if result["idle"]:
        found.append(("At rest", _idle(result["idle"])))
    if result["parked"]:
        found.append(("Parked: executions of goflow that wait for an event", _parked(result)))
    return found


def _levels(samples: list[Sample]) -> Table:
    counted = ("lost", "doubled", "errors")
    head = ("in flight", "", "executions/s", "p50 ms", "p99 ms", "CPU us each", "peak MB", *counted)
    rows = []
    for level in LEVELS:
        for name in dict.fromkeys(one.contestant for one in samples):
            own = [one for one in samples if (one.contestant, one.level) == (name, level)]
            if not own:
                continue
            rows.append(
                [
                    str(level),
                    name,
                    *(
                        _shown(spread(own, name, level, what), digits)
                        for what, digits in (("rate", 0), ("p50_ms", 1), ("p99_ms", 1))
                    ),
                    _shown(spread(own, name, level, "cpu_us"), 0),
                    f"{max(one.peak_mb for one in own):.0f}",
                    *(str(sum(getattr(one, what) for one in own)) for what in counted),
                ]
            )
    return head, rows


def _ratios(samples: list[Sample]) -> Table:
    head = ("in flight", "", "executions/s", "p50", "CPU")
    rows = []
    for level in LEVELS:
        for other in ("naive", "floor"):
            found = [
                ratio(samples, level, what, "goflow", other)
                for what in ("rate", "p50_ms", "cpu_us")
            ]
            if any(found):
                rows.append([str(level), f"goflow/{other}", *(_shown(one, 2) for one in found)])
    return head, rows


def _idle(idle: Iterable[Mapping[str, Any]]) -> Table:
    head = ("", "ready after s", "idle MB", "start acknowledged p50 ms", "p99 ms")
    names = ("ready_seconds", "idle_mb", "ack_p50_ms", "ack_p99_ms")
    by_name: dict[str, list[Mapping[str, Any]]] = {}
    for one in idle:
        by_name.setdefault(one["contestant"], []).append(one)
    rows = [
        [name, *(_shown(Spread.of([one[what] for one in own]), 2) for what in names)]
        for name, own in by_name.items()
    ]
    return head, rows


def _parked(result: Mapping[str, Any]) -> Table:
    own = result["parked"]
    wakes = ("woken", "wake p50 ms", "wake p99 ms", "wake lost")
    head = ("count", "accepted/s", "p99 ms", "CPU us each", "bytes of RSS each", "lost", *wakes)
    row = [
        f"{own['count']:,}",
        f"{own['accepted_a_second']:,.0f}",
        f"{own['accept_p99_ms']:.1f}",
        f"{own['accept_cpu_us']:.0f}",
        f"{own['bytes_each']:.0f}",
        str(own["lost"]),
        str(own["woken"]),
        f"{own['wake_p50_ms']:.1f}",
        f"{own['wake_p99_ms']:.1f}",
        str(own["wake_lost"]),
    ]
    return head, [row]


def _shown(one: Spread | None, digits: int) -> str:
    if one is None:
        return "-"
    return f"{one.median:,.{digits}f} ({one.least:,.{digits}f}-{one.most:,.{digits}f})"


# ---------------------------------------------------------------- text


def text(result: Mapping[str, Any], samples: list[Sample]) -> str:
    """Return everything for a terminal."""
    parts = [f"{title}\n{_aligned(table)}" for title, table in tables(result, samples)]
    return "\n\n".join([*parts, _footer(result)])


def markdown(result: Mapping[str, Any], samples: list[Sample]) -> str:
    """Return everything as a page."""
    parts = [f"## {title}\n\n{_piped(table)}" for title, table in tables(result, samples)]
    return "\n\n".join(["# Benchmarks", _footer(result), *parts]) + "\n"


def _footer(result: Mapping[str, Any]) -> str:
    machine, options = result["machine"], result["options"]
    changed = " with changes" if result["changed"] else ""
    return (
        f"{result['date']}, commit {result['commit'][:9]}{changed}: {machine['cores']} cores of "
        f"{machine['cpu']}, load {machine['load_before'][0]} before, fdatasync of 4 kB "
        f"{machine['fdatasync_4k_p50_ms']} ms, Python {result['versions']['python']}, SQLite "
        f"{result['versions']['sqlite']}.\n{options['rounds']} interleaved rounds of "
        f"{options['seconds']:g} s; server, worker and load share the cores. Trust the ratios, "
        "which are taken within each round, before the rates."
    )


def _aligned(table: Table) -> str:
    head, rows = table
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = ["  ".join(map(_padded, line, widths)).rstrip() for line in (head, *rows)]
    return "\n".join(f"  {line}" for line in lines)


def _padded(cell: str, width: int) -> str:
    return cell.rjust(width) if cell[:1].isdigit() else cell.ljust(width)


def _piped(table: Table) -> str:
    head, rows = table
    line: Callable[[Sequence[str]], str] = lambda cells: f"| {' | '.join(cells)} |"  # noqa: E731
    return "\n".join([line(head), line(["---"] * len(head)), *map(line, rows)])


def as_json(
    samples: list[Sample],
    idle: list[dict[str, Any]],
    parked: dict[str, Any] | None,
    **facts: Any,
) -> dict[str, Any]:
    """Return the whole result, as it is kept."""
    return {**facts, "samples": [asdict(one) for one in samples], "idle": idle, "parked": parked}
