"""Has goflow become slow? A short measurement that every change must pass.

    python -m benchmarks.guard

goflow, naive and floor take turns; what counts is ratios within a round, since rates belong to the
machine. The CPU that an execution takes hardly knows what else runs there. Rates do, and are judged
only when nearly nothing else runs. What looks slow is measured a second time before it fails; a
lost or doubled call fails at once.
"""

import os
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contestants import CONTESTANTS
from benchmarks.processes import TICKS
from benchmarks.result import Figure, Spread, ratio, wrong
from benchmarks.stage import Stage, turns

CPU_OVER_FLOOR_MAX = 4.0
"""CPU of an execution of goflow over one of the floor, at most."""
RATE_OVER_NAIVE_MIN = 3.0
"""Executions a second of goflow over those of naive, at least."""
OTHERS_MAX = 0.1
"""With a larger share of the machine's CPU in other hands, rates are not judged."""
LEVELS = (16, 128)
ROUNDS = 3
SECONDS = 0.5
ATTEMPTS = 2
NAMES = ("goflow", "naive", "floor")
LOOK = "`python -m benchmarks.budget` shows which part takes how much"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What was measured, and the share of the machine's CPU that others had meanwhile."""

    samples: Sequence[Figure]
    others: float


def main() -> int:
    """Measure, twice if need be; return 1 when goflow is wrong or too slow."""
    found: list[str] = []
    for _ in range(ATTEMPTS):
        began = time.monotonic()
        run = measure()
        if mistakes := broken(run.samples):
            return _failed(mistakes)
        found = slow(run)
        if not found:
            print(f"speed guard: {figures(run)} ({time.monotonic() - began:.0f} s)")
            return 0
    return _failed(found)


def measure() -> Run:
    """Return a few short rounds of all three."""
    chosen = [CONTESTANTS[name] for name in NAMES]
    with (
        tempfile.TemporaryDirectory(prefix="guard-") as folder,
        Stage.ready(Path(folder)) as stage,
        ExitStack() as stack,
    ):
        servers = {
            one.name: stack.enter_context(one.start(stage.file(one.name), stage.worker.url))
            for one in chosen
        }

        def own_seconds() -> float:
            children = (stage.worker, stage.load, *servers.values())
            return time.process_time() + sum(one.cpu_seconds() for one in children)

        began, busy, own = time.monotonic(), busy_seconds(), own_seconds()
        samples: list[Figure] = [
            stage.sample(one, servers[one.name], in_flight=level, seconds=SECONDS, number=number)
            for number in range(ROUNDS)
            for level in LEVELS
            for one in turns(chosen, number)
        ]
        foreign = (busy_seconds() - busy) - (own_seconds() - own)
        whole = (time.monotonic() - began) * (os.cpu_count() or 1)
        return Run(samples=samples, others=max(0.0, foreign / whole))


def busy_seconds() -> float:
    """Return what all processors have worked, or lent to other machines."""
    fields = Path("/proc/stat").read_text().partition("\n")[0].split()[1:]
    user, nice, system, _idle, _iowait, *rest = map(int, fields[:8])
    return (user + nice + system + sum(rest)) / TICKS


# ---------------------------------------------------------------- the judgement


def broken(samples: Sequence[Figure]) -> list[str]:
    """Return a sentence for what goflow lost, doubled or answered wrongly: speed is no matter."""
    errors = {one["error"] for one in samples if one["contestant"] == "goflow" and one["error"]}
    return [
        f"{sentence}{''.join(f', {error!r}' for error in sorted(errors))}: this is a breach of a "
        "guarantee, and a second try would hide it; run the tests in tests/guarantees"
        for sentence in wrong({"samples": samples, "workloads": {}})
    ]


def slow(run: Run) -> list[str]:
    """Return a sentence for each ratio that is out of bounds, or that could not be taken."""
    found = []
    for level in LEVELS:
        cpu = _ratio(run, "cpu_us", "floor", level)
        if cpu is None or cpu.median > CPU_OVER_FLOOR_MAX:
            found.append(
                f"at {level} in flight an execution takes {_shown(cpu)} times the floor's CPU, "
                f"and {CPU_OVER_FLOOR_MAX:g} is the most: {LOOK}"
            )
        rate = _ratio(run, "rate_per_s", "naive", level)
        if rate is None or (run.others <= OTHERS_MAX and rate.median < RATE_OVER_NAIVE_MIN):
            found.append(
                f"at {level} in flight goflow finishes {_shown(rate)} times what naive does, "
                f"and {RATE_OVER_NAIVE_MIN:g} is the least: {LOOK}"
            )
    return found


def figures(run: Run) -> str:
    """Return the ratios in a line."""
    told = [
        f"{_shown(_ratio(run, 'cpu_us', 'floor', level))} x the floor's CPU and "
        f"{_shown(_ratio(run, 'rate_per_s', 'naive', level))} x naive's rate at {level} in flight"
        for level in LEVELS
    ]
    judged = f"{RATE_OVER_NAIVE_MIN:g} at least"
    if run.others > OTHERS_MAX:
        judged = f"rates are not judged, since others had {run.others:.0%} of the machine"
    return f"{', '.join(told)}; {CPU_OVER_FLOOR_MAX:g} at most, {judged}"


def _ratio(run: Run, what: str, other: str, level: int) -> Spread | None:
    over, under = {"contestant": "goflow"}, {"contestant": other}
    return ratio(run.samples, what, over, under, in_flight=level)


def _shown(one: Spread | None) -> str:
    if one is None:
        return "an unknown number of"
    return f"{one.median:.2f} ({one.least:.2f}-{one.most:.2f})"


def _failed(sentences: Sequence[str]) -> int:
    for one in sentences:
        print(f"speed guard: {one}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
