"""``make bench``: the same durable work for goflow, the floor, the textbook and its peers.

Every execution is started over HTTP, makes three sequential HTTP calls, has every result on disk
(SQLite, ``synchronous=FULL``) before the next call, and its end is read back. The contestants take
turns within each round, so that a noisy machine is equally noisy to all. Then come the workloads.

    python -m benchmarks                    contestants, peers, workloads: a quarter of an hour
    python -m benchmarks --quick            the three contestants alone, in less than a minute
    python -m benchmarks --full             the millions: an hour, and 20 GB of disk
    python -m benchmarks parked storm       some workloads; `levels` is the contestants' work
    python -m benchmarks parked --quick     a tiny one: does it still work?
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import tables
from benchmarks.contestants import CONTESTANTS, Contestant
from benchmarks.machine import surroundings
from benchmarks.peers.entrants import PEERS
from benchmarks.result import FORMAT, Figure, wrong
from benchmarks.stage import Stage, Workload, turns
from benchmarks.workloads import WORKLOADS

RESULTS = Path(__file__).with_name("results")
FIELD: dict[str, Contestant] = {**CONTESTANTS, **PEERS}
LEVELS = (1, 16, 128)
LEVELS_NAME = "levels"
SIZES = {
    "quick": {"rounds": 2, "seconds": 1.0},
    "bench": {"rounds": 5, "seconds": 3.0},
    "full": {"rounds": 9, "seconds": 5.0},
}
PEER_ROUNDS = 3
"""A peer takes part in the first rounds only: its ratios are of these."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; return 1 when goflow lost, doubled or refused anything."""
    options = _options(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    chosen, absent = _chosen(options)
    samples: list[Figure] = []
    workloads: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="data-", dir=options.out) as name:
        facts = surroundings(Path(name))
        with Stage.ready(Path(name)) as stage:
            if LEVELS_NAME in options.names:
                samples = levels(stage, chosen, absent, options)
            for one in (WORKLOADS[one] for one in options.names if one in WORKLOADS):
                workloads[one.name] = worked(stage, one, options.size)
    result = {
        "format": FORMAT,
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        **facts,
        "options": {name: getattr(options, name) for name in ("size", "rounds", "seconds")},
        "contestants": {one.name: _described(one) for one in chosen},
        "absent": absent,
        "samples": samples,
        "workloads": workloads,
    }
    print(f"\n{tables.text(result)}\n\nkept in {_kept(result, options)}")
    mistakes = wrong(result)
    for sentence in mistakes:
        print(f"wrong: {sentence}", file=sys.stderr)
    return 1 if mistakes else 0


def levels(
    stage: Stage, chosen: list[Contestant], absent: dict[str, str], options: argparse.Namespace
) -> list[Figure]:
    """Load all contestants at each level, in turns, with all of their servers up.

    A peer that does not start leaves *chosen* and stands in *absent*.
    """
    samples: list[Figure] = []
    with ExitStack() as stack:
        servers = {}
        for one in list(chosen):
            try:
                server = one.start(stage.file(one.name), stage.worker.url)
            except SystemExit as refusal:
                if one.kind != "peer":
                    raise
                chosen.remove(one)
                absent[one.name] = f"{one.name}: {refusal}"
            else:
                servers[one.name] = stack.enter_context(server)
        for number in range(options.rounds):
            ready = [one for one in chosen if one.kind != "peer" or number < PEER_ROUNDS]
            for level in LEVELS:
                for one in turns(ready, number):
                    sample = stage.sample(
                        one,
                        servers[one.name],
                        in_flight=level,
                        seconds=options.seconds,
                        number=number,
                    )
                    samples.append(_told(sample))
    return samples


def worked(stage: Stage, one: Workload, size: str) -> dict[str, Any]:
    """Run a workload; without this size it is run in the first one that it has."""
    began = time.monotonic()
    fields = one.sizes.get(size) or next(iter(one.sizes.values()))
    figures = [_told(figure) for figure in one.run(stage, **fields)]
    return {"about": one.about, "took_s": time.monotonic() - began, "figures": figures}


def _told(figure: Figure) -> Figure:
    """Say on a terminal that something happens, since all of it takes minutes."""
    if sys.stderr.isatty():
        print(".", end="", file=sys.stderr, flush=True)
    return figure


def _chosen(options: argparse.Namespace) -> tuple[list[Contestant], dict[str, str]]:
    """Return who takes part, and why others do not."""
    names = options.only or list(CONTESTANTS if options.size == "quick" else FIELD)
    asked = [FIELD[name] for name in names]
    absent = {one.name: one.why_not() for one in asked if one.installed() is None}
    return [one for one in asked if one.name not in absent], absent


def _described(one: Contestant) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "version": one.installed() or None,
        "durable": one.durable,
        "about": one.about,
    }


def _kept(result: dict[str, Any], options: argparse.Namespace) -> Path:
    """Write the result; part of a run does not replace a whole one."""
    parts = [] if options.whole else ["part"]
    name = "-".join([result["date"][:10], result["commit"][:9], options.size, *parts])
    path: Path = options.out / f"{name}.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    return path


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    known = [LEVELS_NAME, *WORKLOADS]
    add("names", nargs="*", metavar="NAME", help=f"of {', '.join(known)} (default: all)")
    sizes = parser.add_mutually_exclusive_group()
    for size, help_ in (("quick", "tiny sizes"), ("full", "the largest sizes")):
        sizes.add_argument(f"--{size}", dest="size", action="store_const", const=size, help=help_)
    add("--rounds", type=int, help="rounds of the contestants' work")
    add("--seconds", type=float, help="of load for each figure of it")
    add("--only", action="append", choices=list(FIELD), help="this contestant; repeatable")
    add("--out", type=Path, default=RESULTS, help="where data and results go")
    parser.set_defaults(size="bench")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.names if name not in known]:
        parser.error(f"there is no workload {unknown[0]!r}; there are {', '.join(known)}")
    options.whole = not options.names and not options.only
    options.names = options.names or _all(options.size)
    for name, value in SIZES[options.size].items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    return options


def _all(size: str) -> list[str]:
    """Return what a run of this size is made of."""
    if size == "quick":
        return [LEVELS_NAME]
    return [LEVELS_NAME, *(name for name, one in WORKLOADS.items() if size in one.sizes)]


if __name__ == "__main__":
    sys.exit(main())
