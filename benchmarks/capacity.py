"""What many machines would do: a model of nodes and cells on PostgreSQL, fed by measured figures.

    python -m benchmarks.capacity [--json]

The sizes are arithmetic, latencies and deaths are played by ``benchmarks.capacity_cell``, event by
event. No figure that it prints was measured at that size: where each input comes from, and which
of them are assumed, is the first table. ``python -m benchmarks.capacity_page`` puts the tables
into docs/scale.md.
"""

import argparse
import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from benchmarks.capacity_cell import simulate
from benchmarks.capacity_facts import Fact, facts
from benchmarks.capacity_load import Answer, Load
from benchmarks.tables import aligned

NODE_SHARE, DATABASE_SHARE = 0.7, 0.6
"""How busy nodes and databases are planned to be."""
WAL_MB_A_CELL = 50.0
PARKED_A_CELL = 100_000_000
"""What a cell is given at most: so that backup, standby and vacuum keep up with it."""
DATABASE_CORES_MIN = 4
NODES_MIN = 3
KEPT_HOURS = 6
"""For which ended executions are kept."""
HERD_SHARE = 0.1
"""Of those that are parked: so many wake at one moment."""
CALLS = 3
FAULT_S = 10.0
OVERLOAD = 1.3
STEPS = (1, 2, 4, 8, 16, 32, 64)
COSTS = (1.0, 3.0, 5.0)
STORE = ("commit_cpu_ms", "row_cpu_ms", "row_wait_ms", "wal_row_kb")
"""Figures that grow when a transition is dearer than the measured one."""

Figures = Mapping[str, float]
Table = list[list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A size that is asked for."""

    name: str
    rate: float
    parked: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a case takes; nodes, cores, WAL and disk are a cell's."""

    case: Case
    cells: int
    nodes: int
    cores: int
    wal_mb_s: float
    kept_gb: float
    parked_gb: float
    answer: Answer

    @property
    def load(self) -> Load:
        """Return what one of its cells has to do."""
        return _load(self.case.rate / self.cells, self.nodes, self.cores)


CASES = (
    Case(name="1x: 1,000/s", rate=1_000),
    Case(name="10x: 10,000/s", rate=10_000),
    Case(name="100x: 50,000/s", rate=50_000),
    Case(name="100,000/s", rate=100_000),
    Case(name="1 billion parked, 1,000/s", rate=1_000, parked=10**9),
    Case(name="1000x: 100,000/s, 1 billion parked", rate=100_000, parked=10**9),
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables, or all of it as JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.capacity")
    parser.add_argument("--json", action="store_true", help="all figures, for a program")
    known = facts()
    found = model(known)
    if parser.parse_args(arguments).json:
        json.dump(plain(known, found), sys.stdout, indent=2)
        print()
        return
    for title, table in tables(known, found):
        print(f"{title}\n{aligned(table)}\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """All that the model says."""

    plans: Sequence[Plan]
    rising: Sequence[tuple[int, Answer]]
    """One database of 4 cores, asked for more than its nodes can do."""
    costs: Sequence[tuple[float, Plan]]
    deaths: Sequence[tuple[str, Answer]]


def model(known: Mapping[str, Fact]) -> Model:
    """Work everything out."""
    figures = {name: fact.value for name, fact in known.items()}
    plans = [plan(case, figures) for case in CASES]
    largest = CASES[3]
    return Model(
        plans=plans,
        rising=[(nodes, crowded(nodes, figures)) for nodes in STEPS],
        costs=[(times, plan(largest, dearer(figures, times))) for times in COSTS],
        deaths=deaths(plans[1], plans[3], figures),
    )


# ---------------------------------------------------------------- sizes


def plan(case: Case, figures: Figures) -> Plan:
    """Return what *case* takes. A cell's nodes also carry its load when one of them is dead."""
    transitions = case.rate * (CALLS + 1)
    wal = transitions * figures["wal_row_kb"] / 1e3
    least = max(wal / WAL_MB_A_CELL, case.parked / PARKED_A_CELL)
    cells = 2 ** math.ceil(math.log2(max(1.0, least)))
    rate = case.rate / cells
    seconds = rate * (figures["start_us"] + CALLS * figures["call_us"]) / 1e6
    nodes = max(NODES_MIN, math.ceil(seconds / NODE_SHARE), math.ceil(seconds / 0.9) + 1)
    answer = simulate(_load(rate, nodes, DATABASE_CORES_MIN * 4), figures)
    row_ms = figures["commit_cpu_ms"] / answer.rows_mean + figures["row_cpu_ms"]
    cores = math.ceil(transitions / cells * row_ms / 1e3 / DATABASE_SHARE)
    kept = rate * (CALLS + 1) * figures["record_kb"] * KEPT_HOURS * 3_600
    return Plan(
        case=case,
        cells=cells,
        nodes=nodes,
        cores=max(DATABASE_CORES_MIN, cores),
        wal_mb_s=wal / cells,
        kept_gb=kept / 1e6,
        parked_gb=case.parked / cells * figures["parked_kb"] / 1e6,
        answer=answer,
    )


def _load(rate: float, nodes: int, cores: int) -> Load:
    return Load(rate=rate, nodes=nodes, cores=cores, calls=CALLS, seconds=6)


def crowded(nodes: int, figures: Figures) -> Answer:
    """Return what *nodes* on a database of few cores end when they are asked for too much."""
    each = 1e6 / (figures["start_us"] + CALLS * figures["call_us"])
    load = _load(nodes * each * OVERLOAD, nodes, DATABASE_CORES_MIN)
    return simulate(replace(load, tick_s=0.05), figures)


def ended_per_s(answer: Answer) -> float:
    """Return the rate of the second half: the first fills the nodes."""
    half = answer.seconds[len(answer.seconds) // 2 :]
    return sum(one.ended for one in half) / len(half)


def dearer(figures: Figures, times: float) -> Figures:
    """Return the figures of a store whose transitions cost *times* as much."""
    return {**figures, **{name: figures[name] * times for name in STORE}}


# ---------------------------------------------------------------- deaths


def deaths(one: Plan, many: Plan, figures: Figures) -> list[tuple[str, Answer]]:
    """Play what dies: in a cell that stands alone, and in one of many."""
    alone = replace(one.load, seconds=40, tick_s=0.05)
    among = replace(many.load, seconds=60, tick_s=0.05)
    few = replace(alone, rate=1_500, nodes=2)
    others = many.cells / (many.cells - 1)
    back = FAULT_S + figures["failover_s"] + figures["restart_s"]
    played = {
        f"one of {alone.nodes} nodes, replaced after {figures['node_back_s']:g} s": replace(
            alone, node_dies_s=FAULT_S
        ),
        "the same, never replaced": replace(alone, node_dies_s=FAULT_S, node_is_replaced=False),
        "one of 2 nodes at 1,500/s, never replaced": replace(
            few, node_dies_s=FAULT_S, node_is_replaced=False
        ),
        f"the only database, back after {figures['failover_s']:g} s": replace(
            alone, database_fails_s=FAULT_S, seconds=150, tick_s=0.1
        ),
        f"the database of one of {many.cells} cells": replace(
            among, database_fails_s=FAULT_S, has_elsewhere=True
        ),
        f"the other {many.cells - 1} cells meanwhile": replace(
            among, surge=others, surge_from_s=FAULT_S, surge_to_s=back
        ),
    }
    return [(name, simulate(load, figures)) for name, load in played.items()]


def drained_s(answer: Answer) -> float | None:
    """Return how long after the fault all is as before, for good; None: it is not at the end."""
    before = [one for one in answer.seconds if one.second < FAULT_S - 1]
    backlog = 1.5 * max(one.backlog for one in before)
    ended = 0.5 * min(one.ended for one in before[1:])
    late = [one.second for one in answer.seconds if one.backlog > backlog or one.ended < ended]
    late = [second for second in late if second >= FAULT_S]
    if late and late[-1] == answer.seconds[-1].second:
        return None
    return late[-1] + 1 - FAULT_S if late else 0.0


def herd_s(one: Plan, figures: Figures) -> float:
    """Return how long its nodes need for a part of the parked that wakes at once, a call each."""
    work = one.case.parked * HERD_SHARE * figures["call_us"] / 1e6
    each = (figures["start_us"] + CALLS * figures["call_us"]) / 1e6
    return work / (one.nodes * one.cells - one.case.rate * each)


# ---------------------------------------------------------------- words


def tables(known: Mapping[str, Fact], found: Model) -> list[tuple[str, Table]]:
    """Return every table with its title."""
    return [
        ("What the model is fed with", _fed(known)),
        ("What to run, on PostgreSQL", _plans(found.plans)),
        (f"Nodes on one database of {DATABASE_CORES_MIN} cores, asked for more", _rising(found)),
        ("100,000/s when a transition costs more", _costs(found.costs)),
        (f"A herd: {HERD_SHARE:.0%} of the parked wake at once, a call each", _herds(known, found)),
        (f"What a death does (at second {FAULT_S:g})", _deaths(found.deaths)),
        ("Second by second: executions that are open or wait, and p99", _over_time(found.deaths)),
    ]


def _fed(known: Mapping[str, Fact]) -> Table:
    rows = [[one.about, f"{_short(one.value)} {one.unit}".strip(), one.kind, one.source]
            for one in known.values()]  # fmt: skip
    return [["figure", "value", "kind", "source"], *rows]


def _plans(plans: Sequence[Plan]) -> Table:
    head = ["executions/s, parked", "cells", "nodes a cell", "nodes", "database cores a cell",
            "WAL a cell MB/s", f"disk of {KEPT_HOURS} h a cell GB", "of parked a cell GB",
            "p50 ms", "p99 ms"]  # fmt: skip
    return [head] + [
        [one.case.name, str(one.cells), str(one.nodes), str(one.nodes * one.cells), str(one.cores),
         _short(one.wal_mb_s), _short(one.kept_gb), _short(one.parked_gb),
         _short(one.answer.p50_ms), _short(one.answer.p99_ms)]
        for one in plans
    ]  # fmt: skip


def _rising(found: Model) -> Table:
    head = ["nodes", "executions/s", "node busy", "database busy", "log busy", "rows a commit"]
    return [head] + [
        [str(nodes), _short(ended_per_s(one)), _percent(one.node_busy),
         _percent(one.database_busy), _percent(one.log_busy), _short(one.rows_mean)]
        for nodes, one in found.rising
    ]  # fmt: skip


def _costs(costs: Sequence[tuple[float, Plan]]) -> Table:
    head = ["times", "cells", "nodes", "database cores", "WAL MB/s"]
    return [head] + [
        [f"{times:g}", str(one.cells), str(one.nodes * one.cells), str(one.cores * one.cells),
         _short(one.wal_mb_s * one.cells)]
        for times, one in costs
    ]  # fmt: skip


def _herds(known: Mapping[str, Fact], found: Model) -> Table:
    figures = {name: fact.value for name, fact in known.items()}
    rows = [
        [one.case.name, str(one.nodes * one.cells), _short(one.case.parked * HERD_SHARE),
         _short(herd_s(one, figures) / 60)]
        for one in found.plans if one.case.parked
    ]  # fmt: skip
    return [["executions/s, parked", "nodes", "wake", "minutes until all have had it"], *rows]


def _deaths(played: Sequence[tuple[str, Answer]]) -> Table:
    head = ["what dies", "p99 before ms", "worst p99 of a second ms", "slowest execution ms",
            "most open or waiting", "adopted", "as before after"]  # fmt: skip
    rows = []
    for name, one in played:
        before = [each.p99_ms or 0.0 for each in one.seconds[2 : int(FAULT_S) - 1]]
        after = drained_s(one)
        rows.append(
            [name, _short(max(before)), _short(max(each.p99_ms or 0.0 for each in one.seconds)),
             _short(one.worst_ms), _short(max(each.backlog for each in one.seconds)),
             _short(one.adopted), "it does not drain" if after is None else f"{after:.0f} s"]
        )  # fmt: skip
    return [head, *rows]


def _over_time(played: Sequence[tuple[str, Answer]]) -> Table:
    seconds = (5, 11, 15, 19, 22, 25, 30, 35, 39, 45, 55, 75, 100, 125, 149)
    rows = []
    for name, one in played:
        known = {each.second: each for each in one.seconds}
        shown = [known.get(second) for second in seconds]
        told = [
            "" if each is None else f"{_short(each.backlog)} ({_short(each.p99_ms)})"
            for each in shown
        ]
        rows.append([name, *told])
    lines = [["second", *(str(second) for second in seconds)], *rows]
    return [list(column) for column in zip(*lines, strict=True)]


def _short(value: float | None) -> str:
    """Return two digits that count: the model knows no more."""
    if value is None:
        return "-"
    digits = 1 - math.floor(math.log10(abs(value))) if value else 0
    if digits <= 0:
        return f"{round(value, digits):,.0f}"
    return f"{value:.{digits}f}".rstrip("0").rstrip(".")


def _percent(share: float) -> str:
    return f"{min(share, 1.0):.0%}"


def plain(known: Mapping[str, Fact], found: Model) -> dict[str, Any]:
    """Return all of it as JSON values."""
    return {
        "facts": {name: asdict(fact) for name, fact in known.items()},
        "plans": [asdict(one) for one in found.plans],
        "rising": [{"nodes": nodes, **asdict(one)} for nodes, one in found.rising],
        "costs": [{"times": times, **asdict(one)} for times, one in found.costs],
        "deaths": [
            {"name": name, "drained_s": drained_s(one), **asdict(one)} for name, one in found.deaths
        ],
    }


if __name__ == "__main__":
    main()
