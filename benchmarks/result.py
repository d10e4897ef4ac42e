"""The kept result of a run: plain JSON that reports, plots and the guard read, and nothing else.

A result is::

    {
      "format": 2,
      "date": "2026-11-21 13:05 UTC",
      "commit": "f7911bcb6...", "changed": false,         changed: with changes beside the commit
      "machine": {"cpu", "cores", "kernel", "load_before": [1, 5, 15 minutes],
                  "fdatasync_4k_p50_ms"},
      "versions": {"python": "3.11.7", "sqlite": "3.40.1", "aiohttp": ..., ...},
      "options": {"size": "quick" | "bench" | "full", "rounds": 5, "seconds": 3.0},
      "contestants": {"goflow": {"kind": "goflow" | "baseline" | "floor" | "peer",
                                 "version": null or a text, "durable": true, "about": a text}, ...},
                                                           those that took part, in their order
      "absent": {"name": "why it did not take part", ...},
      "samples": [Sample, ...],
      "workloads": {"parked": {"about": "one sentence", "took_s": 31.2, "figures": [Figure, ...]},
                    ...}                                   those that were run, in their order
    }

A Sample is one contestant at one level in one round, at three worker calls an execution::

    {"contestant", "in_flight", "round", "rate_per_s", "p50_ms", "p99_ms", "cpu_us", "peak_mb",
     "lost", "doubled", "errors", "error"}

``cpu_us`` is an execution's; ``peak_mb`` is of all processes of the contestant but its workers;
``error`` is the text of the first error, or null. Peers take part in the first rounds only.

A Figure is a flat mapping of one measurement: texts and whole numbers say what was measured (a
size, a round, a contestant), the rest are figures with the unit last in the name (``_per_s``,
``_ms``, ``_us``, ``_s``, ``_mb``, ``_bytes_each``, ``_percent``; counts have none). Rows with an
equal ``round`` were taken in turns, so compare within a round, then take medians. A figure that
could not be taken is null. ``lost``, ``doubled``, ``refused`` and ``errors`` are 0 in a sound run;
rows without a ``contestant`` are goflow's. By workload::

    start       contestant, round, finished_before, ready_s, first_finished_s, idle_mb, ack_p50_ms,
                ack_p99_ms, lost, errors
    steps       steps + a Sample (goflow and floor)
    inflight    worker_ms, accepted_per_s + a Sample (goflow and floor): all are accepted while the
                workers hold their answers, and timed from the moment they begin to give them
    parked      executions, accepted_per_s, accept_p50_ms, accept_p99_ms, accept_cpu_us,
                rss_bytes_each, rss_mb, disk_bytes_each, idle_cpu_percent, woken, woken_s,
                wake_p50_ms, wake_p99_ms, restart_cut (open when it was killed), restart_ready_s,
                restart_dispatch_s, restart_rss_mb, woken_cold, woken_cold_s (after the restart),
                lost, refused
    storm       executions, due_at_once, accepted_per_s, drained_s, rate_per_s, cpu_us, peak_mb,
                asked, refused, error, and p50_ms, p99_ms, worst_ms of start_, read_ and other_ (a
                whole execution of another project), lost, doubled
    states      states + a Sample
    history     rows, round, executions, file_mb, fill_s, ready_s, step_cpu_us, step_p50_ms,
                step_p99_ms, rate_per_s, list_p50_ms, list_p99_ms, read_p50_ms, read_p99_ms, rss_mb,
                lost, doubled, errors, error
    upload      shape, states, rows, body_kb, upload_p50_ms, check_p50_ms, check_cpu_ms
    interpreter sealed (0 or 1: with records as JSON, hashed), steps, step_us, lost
    recovery    in_flight, worker_ms (0: clients keep so many in flight at a worker that answers at
                once; else each has a call in flight when it is killed), round, cut (open then),
                ready_s, first_call_s, finished_s, calls, doubled_calls (cut by the kill), lost
    restart     open, parked, round, file_mb, ready_s, first_call_s, rss_mb, lost
    commit      batch, records_per_s, record_cpu_us, commit_p50_ms, commit_p99_ms, lost
    postgres_nodes
                nodes, contestant, in_flight (on each node), round, rate_per_s, commit_p50_ms,
                commit_p99_ms (a transaction of the contestant's), rows_a_commit, node_cpu_us,
                database_cpu_us, wal_bytes_each, lost, errors: without HTTP; ``goflow`` is all of
                it, ``goflow-store`` and the textbooks are without an engine
    postgres_served
                data (sqlite or postgresql), nodes, in_flight (on all), round, rate_per_s, p50_ms,
                p99_ms, cpu_us (of the nodes), database_cpu_us, lost, doubled, errors
    postgres_commit
                batch, round, records_per_s, commit_p50_ms, commit_p99_ms, database_cpu_us and
                wal_bytes of a record, lost
    postgres_takeover
                in_flight, load_s (CPU of taking up, without the work), and in seconds from the
                kill: claimed_s, first_s (moved on), finished_s (all ended); lost
    postgres_parked
                executions, disk_bytes_each, accepted_per_s (by the store alone), errors, lost
    purge       ended, purged_per_s, p50_ms, p99_ms and worst_ms of alone_ and beside_, left,
                refused, error, file_before_mb, file_after_mb
    postgres_hints  contestant (polling: goflow whose servers tell each other nothing), round, and
                p50_ms and p99_ms of event_ (sent to the server that is not the owner, to the
                owner's answer), wait_ (from what ends an execution to the answer of another server
                that awaits it) and poll_ (from a start to a pull worker's poll of another server)
"""

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

FORMAT = 2

Figure = Mapping[str, Any]
"""One row of plain figures."""


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


def spread(figures: Iterable[Figure], what: str, **where: Any) -> Spread | None:
    """Return the spread of one figure over the rows that match; None when it was not measured."""
    found = [one[what] for one in figures if _matches(one, where) and one.get(what) is not None]
    return Spread.of(found) if found else None


def ratio(
    figures: Iterable[Figure], what: str, over: Figure, under: Figure, **where: Any
) -> Spread | None:
    """Return *over* / *under*, taken within each round: what slows a round slows both.

    ``ratio(samples, "rate_per_s", {"contestant": "goflow"}, {"contestant": "floor"},
    in_flight=128)``
    """
    rows = [one for one in figures if _matches(one, where) and one.get(what) is not None]
    above = {one["round"]: one[what] for one in rows if _matches(one, over)}
    below = {one["round"]: one[what] for one in rows if _matches(one, under)}
    found = [above[number] / below[number] for number in above if below.get(number)]
    return Spread.of(found) if found else None


def wrong(result: Mapping[str, Any]) -> list[str]:
    """Say what goflow lost, doubled or refused; the others are what they are."""
    rows = [("samples", one) for one in result["samples"]]
    rows += [(name, one) for name, part in result["workloads"].items() for one in part["figures"]]
    return [
        f"{name}: {row[what]} {what} ({_named(row)})"
        for name, row in rows
        if row.get("contestant", "goflow") == "goflow"
        for what in ("lost", "doubled", "errors", "refused")
        if row.get(what)
    ]


def _matches(one: Figure, where: Figure) -> bool:
    return all(one.get(name) == value for name, value in where.items())


def _named(row: Figure) -> str:
    told = ("contestant", "steps", "executions", "rows", "states", "in_flight", "round")
    return ", ".join(f"{name} {row[name]}" for name in told if name in row)
