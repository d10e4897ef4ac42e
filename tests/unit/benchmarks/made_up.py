"""A result that nobody measured: every part of the format, with figures that are easy to check."""

from typing import Any

LEVELS = (1, 16, 128)
RATES = {
    "goflow": (400.0, 800.0, 1_600.0),
    "naive": (200.0, 100.0, 200.0),
    "floor": (800.0, 1_600.0, 3_200.0),
    "peer-a": (40.0, 160.0, 400.0),
    "peer-b": (100.0, 300.0, 640.0),
}
KINDS = {"goflow": "goflow", "naive": "baseline", "floor": "floor"}
ROUNDS = 3


def sample(contestant: str, in_flight: int, round_: int, rate: float) -> dict[str, Any]:
    """Return a sample; every round is 10 % faster than the one before, for all of them."""
    speed = rate * (1 + 0.1 * round_)
    return {
        "contestant": contestant,
        "in_flight": in_flight,
        "round": round_,
        "rate_per_s": speed,
        "p50_ms": in_flight / speed * 1e3,
        "p99_ms": in_flight / speed * 2e3,
        "cpu_us": 1e6 / speed,
        "peak_mb": 64.0,
        "lost": 0,
        "doubled": 0,
        "errors": 0,
        "error": None,
    }


def samples() -> list[dict[str, Any]]:
    """Return interleaved rounds of all contestants at all levels."""
    return [
        sample(name, in_flight, round_, rates[at])
        for round_ in range(ROUNDS)
        for at, in_flight in enumerate(LEVELS)
        for name, rates in RATES.items()
    ]


def result() -> dict[str, Any]:
    """Return a whole result."""
    return {
        "format": 2,
        "date": "2026-11-21 12:00 UTC",
        "commit": "0123456789abcdef0123456789abcdef01234567",
        "changed": False,
        "machine": {
            "cpu": "A processor",
            "cores": 2,
            "kernel": "6.1",
            "load_before": [0.1, 0.2, 0.3],
            "fdatasync_4k_p50_ms": 0.055,
        },
        "versions": {"python": "3.11.7", "sqlite": "3.40.1", "aiohttp": "3.14.5"},
        "options": {"size": "bench", "rounds": ROUNDS, "seconds": 3.0},
        "contestants": {
            name: {
                "kind": KINDS.get(name, "peer"),
                "version": "1.2",
                "note": f"what {name} is",
                "durable": name != "peer-b",
            }
            for name in RATES
        },
        "absent": {"peer-c": "it needs a program that is not here"},
        "samples": samples(),
        "workloads": workloads(),
    }


def workloads() -> dict[str, Any]:
    """Return a few workloads, two of them with several rounds."""
    in_flight = [
        {**sample(name, count, round_, rate * count**0.3), "worker_ms": 20}
        for round_ in range(ROUNDS)
        for count in (1, 8, 64, 512)
        for name, rate in (("goflow", 300.0), ("naive", 60.0), ("floor", 600.0))
    ]
    states = [
        {
            "states": count,
            "round": round_,
            "rate_per_s": 1_000.0,
            "p50_ms": 1.0,
            "p99_ms": 2.0,
            "cpu_us": 300.0 + count / 10 + 10 * round_,
        }
        for round_ in range(ROUNDS)
        for count in (3, 20, 200)
    ]
    history = [
        {"rows": rows, "round": round_, "step_cpu_us": 280.0 + 5 * round_, "file_mb": rows / 1e3}
        for round_ in range(ROUNDS)
        for rows in (10_000, 100_000, 1_000_000, 10_000_000)
    ]
    parked = [
        {"executions": count, "accepted_per_s": 5_000.0, "rss_bytes_each": 180.0, "lost": 0}
        for count in (10_000, 100_000, 1_000_000)
    ]
    named = {"inflight": in_flight, "states": states, "history": history, "parked": parked}
    return {
        name: {"about": f"What {name} is about.", "took_s": 31.25, "figures": figures}
        for name, figures in named.items()
    }
