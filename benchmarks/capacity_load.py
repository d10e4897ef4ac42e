"""What the model is asked, and what it answers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is asked of a cell, what it has, and what goes wrong."""

    rate: float
    """Executions a second."""
    nodes: int
    cores: int
    """Of the database."""
    calls: int = 3
    """Of workers, one after the other, in an execution."""
    seconds: int = 20
    seed: int = 7
    tick_s: float = 0.02
    """Arrivals of so long come as one part; so latencies are not finer than that."""
    open_max: int = 2_000
    """Executions that a node has in hand; others are asked to come again."""
    node_dies_s: float | None = None
    node_is_replaced: bool = True
    database_fails_s: float | None = None
    has_elsewhere: bool = False
    """Other cells take the starts while the database is gone."""
    surge: float = 1.0
    """Times the rate that comes while another cell is gone: from 10 s on."""
    surge_from_s: float = math.inf
    surge_to_s: float = math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Second:
    """What one second looked like."""

    second: int
    ended: int
    backlog: int
    p50_ms: float | None
    p99_ms: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of it; ``asked`` is the sum of the next four."""

    asked: int
    ended: int
    open: int
    waiting: int
    """At clients, that were told to come again, or got no answer."""
    elsewhere: int
    adopted: int
    p50_ms: float | None
    p99_ms: float | None
    worst_ms: float | None
    rows_mean: float
    """Of a commit."""
    node_busy: float
    database_busy: float
    log_busy: float
    seconds: Sequence[Second]
    events: int


def percentiles(ended: Sequence[tuple[float, int]]) -> tuple[float | None, float | None]:
    """Return the median and the 99th percentile in ms; None when nothing ended."""
    if not ended:
        return None, None
    total, seen = sum(count for _, count in ended), 0
    found: list[float] = []
    for latency, count in sorted(ended):
        seen += count
        while len(found) < 2 and seen >= total * (0.5, 0.99)[len(found)]:
            found.append(latency * 1e3)
    return found[0], found[1]
