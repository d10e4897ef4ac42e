"""``make bench``: the same durable work for goflow, the textbook and the floor, in one run.

Every execution is started over HTTP, makes three sequential HTTP calls, has every result on disk
(SQLite, ``synchronous=FULL``) before the next call, and its end is read back. The contestants take
turns within each round, so that a noisy machine is equally noisy to all.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.contestants import CONTESTANTS, Contestant
from benchmarks.measure import LEVELS, Field, Sample
from benchmarks.processes import Child, Load

RESULTS = Path(__file__).with_name("results")
ROUNDS, SECONDS, PARKED = 5, 4.0, 10_000
QUICK = {"rounds": 2, "seconds": 1.0, "parked": 2_000}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; return 1 when a call was lost or doubled, or an answer was wrong."""
    options = _options(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    chosen = [CONTESTANTS[name] for name in options.only or CONTESTANTS]
    with tempfile.TemporaryDirectory(prefix="data-", dir=options.out) as name, ExitStack() as stack:
        folder = Path(name)
        facts = report.surroundings(folder)
        worker = stack.enter_context(Child("worker", "benchmarks.worker"))
        load = stack.enter_context(Load())
        field = Field(folder, worker, load, {})
        idle = [_told(field.idle(one)) for _ in range(min(3, options.rounds)) for one in chosen]
        for one in chosen:
            server = one.start(folder / f"{one.name}.db", worker.url)
            field.servers[one] = stack.enter_context(server)
        samples = [_told(one) for one in _rounds(field, chosen, options)]
        parked = None
        if options.parked and CONTESTANTS["goflow"] in chosen:
            parked = field.parked(options.parked)
    result = report.as_json(
        samples,
        idle,
        parked,
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        options={name: getattr(options, name) for name in QUICK},
        **facts,
    )
    print(_written(result, samples, options.out))
    return 1 if _wrong(samples, parked) else 0


def _rounds(
    field: Field, chosen: list[Contestant], options: argparse.Namespace
) -> Iterator[Sample]:
    for number in range(options.rounds):
        for level in LEVELS:
            shift = number % len(chosen)  # nobody is always first
            for one in chosen[shift:] + chosen[:shift]:
                yield field.sample(one, level=level, round=number, seconds=options.seconds)


def _told(measured: Any) -> Any:
    """Say on a terminal that something happens, since all of it takes minutes."""
    if sys.stderr.isatty():
        print(".", end="", file=sys.stderr, flush=True)
    return measured


def _written(result: dict[str, Any], samples: list[Sample], out: Path) -> str:
    name = f"{result['date'][:10]}-{result['commit'][:9]}.json"
    (out / name).write_text(json.dumps(result, indent=1) + "\n")
    (out / "latest.md").write_text(report.markdown(result, samples))
    return f"\n{report.text(result, samples)}\n\nkept in {out / name} and {out / 'latest.md'}"


def _wrong(samples: list[Sample], parked: dict[str, Any] | None) -> bool:
    """Tell whether goflow lost or doubled anything; the others are what they are."""
    own = [one for one in samples if one.contestant == "goflow"]
    lost = parked is not None and (parked["lost"] or parked["wake_lost"])
    return bool(lost) or any(one.lost or one.doubled or one.errors for one in own)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add = parser.add_argument
    add("--rounds", type=int, help=f"interleaved rounds (default {ROUNDS})")
    add("--seconds", type=float, help=f"of load for each figure (default {SECONDS:g})")
    add("--only", action="append", choices=list(CONTESTANTS), help="this contestant; repeatable")
    add("--parked", type=int, help=f"executions to park, 0 for none (default {PARKED:,})")
    add("--quick", action="store_true", help="under a minute: is everything still there?")
    add("--out", type=Path, default=RESULTS, help="where data and results go")
    options = parser.parse_args(arguments)
    defaults = QUICK if options.quick else dict(zip(QUICK, (ROUNDS, SECONDS, PARKED), strict=True))
    for name, value in defaults.items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    return options


if __name__ == "__main__":
    sys.exit(main())
