"""`make soak`: every instrument at its large size; writes what came of it to docs/soak.md.

`--scale 0.1` makes all sizes a tenth. Exits 1 when anything was lost.
"""

import argparse
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from goflow_py.torture.fleet import Totals, torture

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[1]
REPORT = ROOT / "docs" / "soak.md"
HOURS_MAX = 12.0

FAULTS = 1_000_000
STORIES = 40
NODES = 3


@dataclass(frozen=True)
class Sized:
    """Tests whose size a variable says."""

    instrument: str
    most: int
    what: str
    variable: str
    chosen: tuple[str, ...]


def in_soak(*chosen: str) -> tuple[str, ...]:
    return ("-m", "soak", *chosen)


KILLED, CUT = "tests/e2e/test_nodes_kills.py", "tests/e2e/test_nodes_network.py"
MOVED, BEGUN = "tests/e2e/test_nodes_requests.py", "tests/e2e/test_nodes_restarts.py"
SIZED = (
    Sized(
        "power loss", 100_000, "images", "GOFLOW_POWER_IMAGES", ("tests/faults/test_power_loss.py",)
    ),
    Sized("kill -9 under load", 1_000, "kills", "GOFLOW_KILLS", in_soak("tests/e2e/test_kills.py")),
    Sized(
        "kill -9 at a system call",
        400,
        "kills",
        "GOFLOW_SYSCALL_KILLS",
        ("tests/faults/test_syscalls.py",),
    ),
    Sized("flipped bits", 20_000, "flips", "GOFLOW_BIT_FLIPS", ("tests/faults/test_bits.py",)),
    Sized(
        "crashes of the database",
        200,
        "crashes",
        "GOFLOW_CRASHES",
        in_soak("tests/faults/test_database_crashes.py"),
    ),
    Sized("kill -9 of a node", 100, "kills", "GOFLOW_TAKEOVERS", in_soak(KILLED, "-k", "killed")),
    Sized(
        "nodes that wake behind their lease",
        100,
        "zombies",
        "GOFLOW_ZOMBIES",
        in_soak(KILLED, "-k", "wake"),
    ),
    Sized("nodes cut off from the database", 25, "rounds", "GOFLOW_PARTITIONS", in_soak(CUT)),
    Sized("rolling restarts", 100, "restarts", "GOFLOW_RESTARTS", in_soak(BEGUN, "-k", "rolling")),
    Sized(
        "nodes that come and go", 100, "rounds", "GOFLOW_RACES", in_soak(BEGUN, "-k", "come_and_go")
    ),
    Sized("requests while shards move", 30, "rounds", "GOFLOW_MOVES", in_soak(MOVED)),
)


@dataclass(frozen=True)
class Line:
    """What one instrument came to."""

    instrument: str
    size: str
    found: str
    seconds: float
    ok: bool


def main() -> int:
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="of every size")
    parser.add_argument("--seed", type=int, default=10_000_001, help="the first seed")
    parser.add_argument("--no-report", action="store_true", help="print it only")
    asked = parser.parse_args()
    instruments: list[Callable[[], Line]] = [
        lambda: simulation(asked.seed, round(FAULTS * asked.scale)),
        lambda: simulation(asked.seed, round(FAULTS * asked.scale / 10), nodes=NODES),
        lambda: crash_points(asked.seed, max(1, round(STORIES * asked.scale))),
        *(partial(tests, one, scale=asked.scale) for one in SIZED),
    ]
    lines = []
    for instrument in instruments:
        lines.append(instrument())
        print(row(lines[-1]), flush=True)
    if not asked.no_report:
        REPORT.write_text(report(lines, asked.seed, asked.scale), "utf-8")
    return 0 if all(line.ok for line in lines) else 1


def simulation(seed: int, faults: int, *, nodes: int = 1) -> Line:
    began = time.monotonic()
    totals = torture(seconds=HOURS_MAX * 3600, first=seed, faults=faults, nodes=nodes)
    size = f"{sum(totals.faults.values()):,} faults in {totals.runs:,} runs"
    done = f"{totals.executions:,} executions, {totals.entries:,} entries"
    hours = f"{totals.virtual_seconds / 3600:,.0f} h of virtual time"
    return Line(
        "simulation" if nodes == 1 else f"simulation of {nodes} nodes",
        f"{size}: {done}, {hours}",
        found(totals),
        time.monotonic() - began,
        totals.ok,
    )


def crash_points(seed: int, stories: int) -> Line:
    began = time.monotonic()
    totals = torture(seconds=HOURS_MAX * 3600, first=seed, points=stories)
    size = f"{totals.runs:,} crashes, one at each commit and await of {stories} x 7 stories"
    return Line("crash points", size, found(totals), time.monotonic() - began, totals.ok)


def found(totals: Totals) -> str:
    """Say what was broken, with what repeats it."""
    if totals.ok:
        return "0 breaches"
    rules = ", ".join(f"{count} of {rule}" for rule, count in sorted(totals.rules.items()))
    runs = ", ".join(str(run["name"]) for run in totals.failed[:5])
    return f"**{rules}** ({runs}) {' '.join(totals.broken)[:200]}".strip()


def tests(one: Sized, *, scale: float) -> Line:
    """Run tests at a size that a variable gives them."""
    size, began = max(1, round(one.most * scale)), time.monotonic()
    said = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--timeout", "0", *one.chosen],
        cwd=ROOT,
        env={**os.environ, one.variable: str(size)},
        capture_output=True,
        text=True,
        check=False,
    )
    ok = said.returncode == 0
    ends = [line for line in said.stdout.splitlines() if line.strip()]
    if not ok:
        print(said.stdout[-4_000:], file=sys.stderr)
    last = ends[-1].strip("= ") if ends else "nothing was said"
    return Line(
        one.instrument,
        f"{size:,} {one.what}",
        f"nothing lost ({last})" if ok else f"**{last}**",
        time.monotonic() - began,
        ok,
    )


def row(line: Line) -> str:
    return f"| {line.instrument} | {line.size} | {line.found} | {line.seconds:,.0f} s |"


def report(lines: list[Line], seed: int, scale: float) -> str:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    day = datetime.now(UTC).date().isoformat()
    rows = "\n".join(row(line) for line in lines)
    return f"""# The last soak

`make soak` breaks the product for hours and writes this page. The ordinary tests do the same at
smaller sizes. This one: {day}, commit {commit or "unknown"}, first seed {seed}, scale {scale:g},
{os.cpu_count()} cores.

| instrument | size | found | time |
|---|---|---|---|
{rows}
"""


if __name__ == "__main__":
    sys.exit(main())
