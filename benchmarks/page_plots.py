"""Which plots a result gives: each a name and a picture, or nothing when it was not measured."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.plots import KIND_COLOURS, Panel, Row, Series, dots, lines
from benchmarks.result import Figure, spread

Result = Mapping[str, Any]
WORK = "three durable calls, start to end"
LEVEL_PLOTS = (
    ("rate", "rate_per_s", "Executions a second", "more"),
    ("cpu", "cpu_us", "CPU of an execution, in us", "less"),
    ("p99", "p99_ms", "Slowest of a hundred executions (p99), in ms", "less"),
)
OWN_COLOURS = {"baseline": 3, "floor": 2}


def plots(result: Result) -> Iterator[tuple[str, str]]:
    """Yield the name of each plot, and the plot."""
    if result["samples"]:
        for name, what, title, better in LEVEL_PLOTS:
            yield name, _levels(result, what, title, better)
    for name, found in (
        ("steps", _steps(figures_of(result, "steps"), result)),
        ("inflight", _inflight(figures_of(result, "inflight"), result)),
        ("parked", _parked(figures_of(result, "parked"))),
    ):
        if found is not None:
            title, subtitle, panels = found
            yield name, lines(title=title, subtitle=subtitle, panels=panels)
    flat = [*_states(figures_of(result, "states")), *_history(figures_of(result, "history"))]
    if flat:
        subtitle = "the more a blueprint or a data file holds: a flat line is what is wanted"
        yield "flat", lines(title="What a step costs", subtitle=subtitle, panels=flat)


def figures_of(result: Result, workload: str) -> Sequence[Figure]:
    """Return the figures of a workload; none when it was not run."""
    found: Sequence[Figure] = result["workloads"].get(workload, {}).get("figures", ())
    return found


def levels_of(result: Result) -> list[int]:
    """Return how many were in flight, the fewest first."""
    return sorted({one["in_flight"] for one in result["samples"]})


def ranked(result: Result) -> list[str]:
    """Return the contestants, the fastest of the highest level first."""
    samples, top = result["samples"], levels_of(result)[-1:]

    def place(name: str) -> float:
        found = [spread(samples, "rate_per_s", contestant=name, in_flight=one) for one in top]
        return -max((one.median for one in found if one), default=0.0)

    return sorted({one["contestant"] for one in samples}, key=lambda name: (place(name), name))


def _levels(result: Result, what: str, title: str, better: str) -> str:
    levels = levels_of(result)
    rows = [
        Row(
            name=name,
            kind=_kind(result, name),
            durable=result["contestants"].get(name, {}).get("durable", True),
            figures=[
                spread(result["samples"], what, contestant=name, in_flight=one) for one in levels
            ],
        )
        for name in ranked(result)
    ]
    panels = [f"{one} in flight" for one in levels]
    return dots(title=title, subtitle=WORK, panels=panels, rows=rows, better=better)


def _kind(result: Result, name: str) -> str:
    return str(result["contestants"].get(name, {}).get("kind", "peer"))


# ---------------------------------------------------------------- lines

Lines = tuple[str, str, list[Panel]]


def _steps(figures: Sequence[Figure], result: Result) -> Lines | None:
    panels = [
        _panel(figures, result, over="steps", what="rate_per_s", title="Executions a second"),
        _panel(figures, result, over="steps", what="cpu_us", title="CPU of an execution, in us"),
    ]
    subtitle = "worker calls one after the other, every result on disk before the next call"
    return _all("More steps in an execution", subtitle, panels)


def _inflight(figures: Sequence[Figure], result: Result) -> Lines | None:
    panels = [
        _panel(figures, result, over="in_flight", what="rate_per_s", title="Executions a second"),
        _panel(figures, result, over="in_flight", what="peak_mb", title="Memory at most, in MB"),
    ]
    waits = ", ".join(f"{one:g} ms" for one in sorted({one["worker_ms"] for one in figures}))
    return _all("Thousands in flight", f"workers that take {waits} a call", panels)


def _parked(figures: Sequence[Figure]) -> Lines | None:
    panels = [
        _alone(figures, over="executions", what="rss_bytes_each", title="Memory, in bytes each"),
        _alone(figures, over="executions", what="accepted_per_s", title="Accepted a second"),
    ]
    return _all("Executions that wait for an event", "accepted, and kept", panels)


def _states(figures: Sequence[Figure]) -> list[Panel]:
    title = "CPU of an execution, in us, by states"
    return _found(_alone(figures, over="states", what="cpu_us", title=title))


def _history(figures: Sequence[Figure]) -> list[Panel]:
    title = "CPU of a step, in us, by rows of history"
    return _found(_alone(figures, over="rows", what="step_cpu_us", title=title))


def _found(panel: Panel | None) -> list[Panel]:
    return [] if panel is None else [panel]


def _all(title: str, subtitle: str, panels: Sequence[Panel | None]) -> Lines | None:
    found = [one for panel in panels for one in _found(panel)]
    return (title, subtitle, found) if found else None


def _panel(
    figures: Sequence[Figure], result: Result, *, over: str, what: str, title: str
) -> Panel | None:
    """Return a line for each contestant."""
    names = dict.fromkeys(one["contestant"] for one in figures)
    series = []
    for name in names:
        own = [one for one in figures if one["contestant"] == name]
        kind = _kind(result, name)
        colour = OWN_COLOURS.get(kind, KIND_COLOURS.get(kind, 1))
        series.append(_series(name, colour, own, over=over, what=what))
    return _drawn(series, x=over, title=title, y_is_log=True)


def _alone(figures: Sequence[Figure], *, over: str, what: str, title: str) -> Panel | None:
    """Return goflow's line, from zero."""
    series = _series("goflow", KIND_COLOURS["goflow"], figures, over=over, what=what)
    return _drawn([series], x=over, title=title, y_is_log=False)


def _series(name: str, colour: int, figures: Sequence[Figure], *, over: str, what: str) -> Series:
    sizes = sorted({one[over] for one in figures})
    found = [(size, spread(figures, what, **{over: size})) for size in sizes]
    points = [(float(size), one) for size, one in found if one is not None]
    return Series(name=name, colour=colour, points=points)


def _drawn(series: Sequence[Series], *, x: str, title: str, y_is_log: bool) -> Panel | None:
    """Return the panel, if there is a line to see in it: two points make one."""
    seen = [one for one in series if len(one.points) > 1]
    label = x.replace("_", " ")
    return Panel(title=title, x=label, series=seen, y_is_log=y_is_log) if seen else None
