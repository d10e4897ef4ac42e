"""One process of ``goflow torture``: plays its share of the runs, a line of JSON for each.

Started by ``fleet`` with a fixed hash seed: without one, sets of strings have another order in
every process, and a seed would not be the same run twice.
"""

import argparse
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

import orjson

from goflow_py.clock import SystemClock
from goflow_py.torture.points import crash, points
from goflow_py.torture.run import simulate
from goflow_py.torture.stage import Result


def main() -> None:
    """Play until the time is over, or all is played."""
    asked = _arguments()
    clock = SystemClock()
    end = clock.monotonic() + asked.seconds
    for result in _results(asked):
        if result.breaches and asked.save is not None:
            _save(result, asked.save)
        sys.stdout.buffer.write(orjson.dumps(result.as_json()) + b"\n")
        sys.stdout.buffer.flush()
        if clock.monotonic() >= end:
            return


def _results(asked: argparse.Namespace) -> Iterator[Result]:
    if asked.points:
        every = range(asked.first, asked.first + asked.points)
        for point in itertools.islice(points(every), asked.job, None, asked.jobs):
            yield crash(point)
        return
    last = None if asked.runs is None else asked.first + asked.runs
    for seed in itertools.count(asked.first + asked.job, asked.jobs):
        if last is not None and seed >= last:
            return
        yield simulate(seed, nodes=asked.nodes)


def _save(result: Result, folder: Path) -> None:
    path = folder / f"torture-{result.name.replace(' ', '-').replace(':', '-')}.json"
    path.write_bytes(orjson.dumps(result.notes.as_json(), option=orjson.OPT_NON_STR_KEYS))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m goflow_py.torture")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--job", type=int, default=0, help="the number of this process")
    parser.add_argument("--jobs", type=int, default=1, help="how many processes there are")
    parser.add_argument("--seconds", type=float, default=60.0, help="when to stop")
    parser.add_argument("--runs", type=int, help="how many seeds all processes play")
    parser.add_argument("--points", type=int, default=0, help="crash points of so many stories")
    parser.add_argument("--nodes", type=int, default=1, help="servers on one store")
    parser.add_argument("--save", type=Path, help="where the notes of a failed run go")
    return parser.parse_args()


if __name__ == "__main__":
    main()
