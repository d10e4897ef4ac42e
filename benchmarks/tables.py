"""A result for a terminal: what was measured, by contestant and by workload."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchmarks.result import Figure, Spread, ratio

CASES = (
    "shape", "contestant", "data", "nodes", "in_flight", "worker_ms", "steps", "states",
    "executions", "rows", "open", "parked", "ended", "batch", "sealed",
)  # fmt: skip
"""What tells one case of a workload from another."""
COUNTS = ("lost", "doubled", "errors", "refused")
LEFT_OUT = ("round", "error", *CASES)
NUMBERS = ("rate_per_s", "p50_ms", "p99_ms", "cpu_us", "peak_mb")


def text(result: Mapping[str, Any]) -> str:
    """Return all of it."""
    parts = [_footer(result)]
    if samples := result["samples"]:
        parts.append("Three durable calls, start to end (median, least-most)\n" + _levels(samples))
        parts.append("goflow against others, by round\n" + _ratios(samples))
    for name, part in result["workloads"].items():
        head = f"{name}: {part['about']} ({part['took_s']:.0f} s)"
        parts.append(f"{head}\n{aligned(cases(part['figures']))}")
    absent = [f"  {why}" for why in result["absent"].values()]
    if absent:
        parts.append("\n".join(["Not here", *absent]))
    return "\n\n".join(parts)


def _levels(samples: Sequence[Figure]) -> str:
    lines = [["in flight", "", *NUMBERS, *COUNTS[:3]]]
    for level in _in_order(one["in_flight"] for one in samples):
        for name in _in_order(one["contestant"] for one in samples):
            own = [one for one in samples if (one["contestant"], one["in_flight"]) == (name, level)]
            if own:
                told = [merged([one[what] for one in own]) for what in NUMBERS]
                sums = [str(sum(one[what] for one in own)) for what in COUNTS[:3]]
                lines.append([str(level), name, *told, *sums])
    return aligned(lines)


def _ratios(samples: Sequence[Figure]) -> str:
    lines = [["in flight", "", "rate_per_s", "p50_ms", "p99_ms", "cpu_us"]]
    names = _in_order(one["contestant"] for one in samples)
    for level in _in_order(one["in_flight"] for one in samples):
        for other in (name for name in names if name != "goflow"):
            over, under = {"contestant": "goflow"}, {"contestant": other}
            found = [ratio(samples, what, over, under, in_flight=level) for what in lines[0][2:]]
            if any(found):
                lines.append([str(level), f"goflow/{other}", *map(_shown, found)])
    return aligned(lines)


def cases(figures: Sequence[Figure]) -> list[list[str]]:
    """Return the lines of a workload's table: a column a case, a line a figure."""
    keys = [name for name in CASES if any(name in one for one in figures)]
    groups: dict[tuple[Any, ...], list[Figure]] = {}
    for one in figures:
        groups.setdefault(tuple(one.get(name) for name in keys), []).append(one)
    lines = [[key, *(_plain(case[place]) for case in groups)] for place, key in enumerate(keys)]
    for what in _in_order(name for one in figures for name in one if name not in LEFT_OUT):
        line = [what]
        for own in groups.values():
            values = [one[what] for one in own if one.get(what) is not None]
            line.append(str(sum(values)) if what in COUNTS else merged(values))
        lines.append(line)
    return lines


def merged(values: Sequence[Any]) -> str:
    """Return the median of the rounds and how far they lay apart."""
    known = [one for one in values if one is not None]
    if not known:
        return "-"
    if isinstance(known[0], str):
        return str(known[0])
    return _shown(Spread.of(known))


def _shown(one: Spread | None) -> str:
    if one is None:
        return "-"
    if one.least == one.most:
        return _plain(one.median)
    return f"{_plain(one.median)} ({_plain(one.least)}-{_plain(one.most)})"


def _plain(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """Return *lines* with their columns below each other."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = ("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)
    return "\n".join(f"  {line}" for line in padded)


def _in_order(values: Iterable[Any]) -> list[Any]:
    return list(dict.fromkeys(values))


def _footer(result: Mapping[str, Any]) -> str:
    machine, options = result["machine"], result["options"]
    changed = " with changes" if result["changed"] else ""
    return (
        f"{result['date']}, commit {result['commit'][:9]}{changed}: {machine['cores']} cores of "
        f"{machine['cpu']}, load {machine['load_before'][0]} before, fdatasync of 4 kB "
        f"{machine['fdatasync_4k_p50_ms']} ms, Python {result['versions']['python']}, SQLite "
        f"{result['versions']['sqlite']}.\nSize {options['size']}, {options['rounds']} rounds of "
        f"{options['seconds']:g} s in turns; servers, workers and load share the cores. Trust the "
        "ratios, which are taken within each round, before the rates."
    )
