"""The page for readers: a kept result as ``docs/benchmarks.md``, with its plots beside it.

    python -m benchmarks.page [RESULT.json]

Without a result it is the newest whole one of ``benchmarks/results``. The same result makes the
same bytes; what was not measured is left out, by name.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.page_plots import Result, levels_of, plots, ranked
from benchmarks.processes import ROOT
from benchmarks.result import FORMAT, Figure, Spread, ratio, spread
from benchmarks.tables import COUNTS, cases
from benchmarks.workloads import WORKLOADS

PAGE = ROOT / "docs/benchmarks.md"
PICTURES = "benchmarks"
"""The folder of the plots, beside the page."""
RESULTS = ROOT / "benchmarks/results"
BETWEEN = RESULTS / "between.md"
"""What ``python -m benchmarks.budget --table`` printed, and what is to be said about it."""
WHOLE = ("*-full.json", "*-bench.json")
MADE_FROM = "<!-- made from "

WHAT_IT_IS = {
    "goflow": "this product with everything on: checks, history, retries, fences, metrics",
    "baseline": "the textbook: what the packages' own first pages lead to",
    "floor": "the same calls and commits and nothing else: nobody could use it, but it shows what "
    "the packages cost in any case",
    "floor-lean": "the floor with the connections on which goflow calls its workers: what is left "
    "to gain when a client costs nearly nothing",
}
HEADINGS = {"rate_per_s": "executions/s", "cpu_us": "CPU us each", "peak_mb": "peak MB"}
UNITS = (
    ("_per_s", "/s"), ("_bytes_each", ", bytes each"), ("_ms", " ms"), ("_us", " us"),
    ("_mb", " MB"), ("_kb", " kB"), ("_s", " s"), ("_percent", " %"),
)  # fmt: skip
ALTS = {
    "rate": "Executions a second of each contestant at each level",
    "cpu": "CPU time of an execution of each contestant at each level",
    "p99": "p99 of each contestant at each level",
    "steps": "Rate and CPU by the number of steps",
    "inflight": "Rate and memory by the number in flight",
    "parked": "Bytes and rate by the number of executions that wait",
    "flat": "CPU of a step by states and by rows of history",
}
TITLES = {"inflight": "Thousands in flight", "states": "States of a blueprint"}
Lines = Sequence[Sequence[str]]


def main(arguments: Sequence[str]) -> None:
    """Write the page, and the plots that it shows; plots of an earlier result go."""
    source = Path(arguments[0]) if arguments else newest()
    result = read(source)
    folder = PAGE.parent / PICTURES
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.svg"):
        old.unlink()
    for name, content in files(result, source.name, between()).items():
        (PAGE.parent / name).write_text(content, "utf-8")
        print(f"wrote {(PAGE.parent / name).relative_to(ROOT)}")


def newest() -> Path:
    """Return the newest whole result."""
    found = [path for pattern in WHOLE for path in RESULTS.glob(pattern)]
    if not found:
        raise SystemExit("no whole result is in benchmarks/results: make one with `make bench`")
    return max(found, key=lambda path: (read(path)["date"], path.name))


def read(source: Path) -> Result:
    """Return a result of a format that the page knows."""
    result: Result = json.loads(source.read_text("utf-8"))
    if result.get("format") != FORMAT:
        raise SystemExit(f"{source.name} is of an older format: measure anew with `make bench`")
    return result


def between() -> str:
    """Return what is said about the way to the floor, or how to find out."""
    if BETWEEN.exists():
        return BETWEEN.read_text("utf-8").strip()
    return "`python -m benchmarks.budget --table` measures it, part by part."


def files(result: Result, source: str, way_to_floor: str) -> dict[str, str]:
    """Return the page and its plots, each under its name beside the page."""
    pictures = {f"{PICTURES}/{name}.svg": picture for name, picture in plots(result)}
    return {PAGE.name: page(result, source, way_to_floor), **pictures}


def page(result: Result, source: str, way_to_floor: str) -> str:
    """Return the page."""
    shown = {name for name, _ in plots(result)}
    parts = [
        "# Benchmarks",
        f"{MADE_FROM}benchmarks/results/{source} by `python -m benchmarks.page`; change that, "
        "not this. -->",
        *_summary(result),
        *_method(result),
        *_where(result, source),
        *_figures(result, shown),
        *_workloads(result, shown),
        "## What stands between goflow and the floor",
        way_to_floor,
        *_absent(result),
        "## Do it again",
        "    make bench                       # a quarter of an hour; the result goes to "
        "benchmarks/results\n"
        "    python -m benchmarks.page        # this page, from the newest result\n"
        "    python -m benchmarks.budget      # where the CPU of an execution goes, part by part\n"
        "    python -m benchmarks.guard       # 20 s: is it still as fast as it has to be?",
    ]
    return "\n\n".join(parts) + "\n"


# ---------------------------------------------------------------- ratios first


def _summary(result: Result) -> Iterator[str]:
    levels = levels_of(result)
    others = [name for name in ranked(result) if name != "goflow"]
    if not levels or not others:
        return
    top = levels[-1]
    yield (
        f"In one run on one machine, with {top} executions in flight, goflow finishes "
        f"{_listed([_compared(result, name, top) for name in others])}."
    )
    yield (
        f"goflow over each of the others, at {_listed([str(one) for one in levels])} in flight, "
        "the median of the rounds' ratios:"
    )
    head = ["goflow over", *(f"executions/s at {one}" for one in levels)]
    head += [f"CPU at {one}" for one in levels] + [f"p99 at {top}"]
    rows = [
        [
            name,
            *(_times(_ratio(result, "rate_per_s", name, one)) for one in levels),
            *(_times(_ratio(result, "cpu_us", name, one)) for one in levels),
            _times(_ratio(result, "p99_ms", name, top)),
        ]
        for name in others
    ]
    yield piped([head, *rows])
    yield "More executions, and less CPU and p99, are better."


def _compared(result: Result, other: str, level: int) -> str:
    """Return how goflow compares, with what a reader must know of the other."""
    facts = result["contestants"].get(other, {})
    known = {"floor": " (which nobody could use)", "baseline": " (the textbook)"}
    keeps = "" if facts.get("durable", True) else " (which keeps nothing)"
    rate = _times(_ratio(result, "rate_per_s", other, level))
    return f"{rate} times what {other} does{known.get(facts.get('kind', ''), keeps)}"


def _listed(items: Sequence[str]) -> str:
    *most, last = items
    return f"{', '.join(most)} and {last}" if most else last


def _ratio(result: Result, what: str, other: str, level: int) -> Spread | None:
    over, under = {"contestant": "goflow"}, {"contestant": other}
    return ratio(result["samples"], what, over, under, in_flight=level)


def _times(one: Spread | None) -> str:
    if one is None:
        return "-"
    digits = 0 if one.median >= 9.95 else 1 if one.median >= 0.995 else 2
    return f"{one.median:.{digits}f}"


# ---------------------------------------------------------------- how, and where


def _method(result: Result) -> Iterator[str]:
    options = result["options"]
    yield "## What is measured, and how fair it is"
    yield (
        "**The same work for all.** A client starts an execution over HTTP. It makes three calls "
        "to an HTTP worker, one after the other; the result of each is durable before the next "
        "call is made (SQLite with `synchronous=FULL`, where a contestant lets one choose). The "
        "client gets the end as the answer to its start, and starts the next one at once; so many "
        "clients, so many executions in flight. The worker counts calls by idempotency key, so a "
        "lost or a doubled call is seen."
    )
    yield (
        f"**The same moment.** All servers are up at once and take turns within each of "
        f"{options['rounds']} rounds, {options['seconds']:g} s each, nobody always first. Server, "
        "worker and load share the cores. A ratio is taken within a round, then the median over "
        "the rounds; so what slows the machine for a while slows both sides of it. **Trust ratios "
        "before rates**: a rate belongs to the machine."
    )
    yield (
        "**The same terms.** CPU is user and system time of all processes of a contestant, over "
        "the executions that it finished. Each is set up as its own first pages say, and tuned "
        "where that is said below. Who keeps nothing does less work, and is here to show what "
        "durability costs; its dots are hollow."
    )
    head = ["contestant", "what it is", "durable", "version"]
    rows = [
        [
            name,
            facts.get("about") or WHAT_IT_IS.get(name) or WHAT_IT_IS.get(facts["kind"], ""),
            "yes" if facts.get("durable", True) else "no",
            facts.get("version") or "this commit",
        ]
        for name, facts in result["contestants"].items()
    ]
    if rows:
        yield piped([head, *rows])


def _where(result: Result, source: str) -> Iterator[str]:
    machine, versions = result["machine"], result["versions"]
    changed = " with changes" if result["changed"] else ""
    yield "## Machine and versions"
    yield (
        f"{result['date']}, commit {result['commit'][:9]}{changed}. {machine['cores']} cores of "
        f"{machine['cpu']}, Linux {machine['kernel']}; load {machine['load_before'][0]} before the "
        f"run; an `fdatasync` of 4 kB takes {machine['fdatasync_4k_p50_ms']} ms. "
        f"{', '.join(f'{name} {version}' for name, version in versions.items())}. "
        f"All figures: [{source}](../benchmarks/results/{source})."
    )


# ---------------------------------------------------------------- figures


def _figures(result: Result, shown: set[str]) -> Iterator[str]:
    samples = result["samples"]
    if not samples:
        return
    yield "## Three durable calls"
    for name in ("rate", "cpu", "p99"):
        if name in shown:
            yield _picture(name)
    yield "Medians, and in brackets the least and the most of the rounds."
    for level in levels_of(result):
        yield f"### {level} in flight"
        own = [one for one in samples if one["in_flight"] == level]
        yield piped([_head(), *(_row(own, name) for name in ranked(result))])
    yield from _mistakes(samples)


def _head() -> list[str]:
    return ["contestant", "executions/s", "p50 ms", "p99 ms", "CPU us each", "peak MB"]


def _row(own: Sequence[Figure], name: str) -> list[str]:
    names = ("rate_per_s", "p50_ms", "p99_ms", "cpu_us", "peak_mb")
    return [name, *(_spread(spread(own, what, contestant=name)) for what in names)]


def _spread(one: Spread | None) -> str:
    if one is None:
        return "-"
    return f"{_number(one.median)} ({_number(one.least)}-{_number(one.most)})"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 99.5 else f"{value:.3g}"


def _mistakes(samples: Sequence[Figure]) -> Iterator[str]:
    """Name whoever lost, doubled or refused anything; nobody is the usual answer."""
    found = []
    for name in dict.fromkeys(one["contestant"] for one in samples):
        own = [one for one in samples if one["contestant"] == name]
        counts = {what: sum(one.get(what) or 0 for one in own) for what in COUNTS}
        told = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
        if told:
            found.append(f"{name}: {told}")
    yield f"Not as it should be: {'; '.join(found)}." if found else "Nobody lost or doubled a call."


# ---------------------------------------------------------------- workloads


def _workloads(result: Result, shown: set[str]) -> Iterator[str]:
    if result["workloads"]:
        yield "## Workloads"
    for name, part in result["workloads"].items():
        yield f"### {TITLES.get(name, name.capitalize())}"
        yield part["about"]
        picture = _picture_of(name, result)
        if picture in shown:
            yield _picture(picture)
        figures = part["figures"]
        if figures:
            yield piped(_told(cases(figures)))
            if clean := _clean(figures):
                yield clean


def _picture_of(workload: str, result: Result) -> str:
    """Return the name of the plot under a workload; two workloads share one, under the first."""
    flat = [name for name in result["workloads"] if name in ("states", "history")]
    return "flat" if workload in flat[:1] else workload


def _told(lines: Lines) -> list[list[str]]:
    """Return a workload's lines without the counts of nothing, turned when they are too wide."""
    kept = [
        [worded(line[0]), *line[1:]] for line in lines if not _says_nothing(line[0], set(line[1:]))
    ]
    if len(kept[0]) > len(kept):
        return [list(column) for column in zip(*kept, strict=True)]
    return kept


def _says_nothing(name: str, cells: set[str]) -> bool:
    """Tell whether a line is only goflow's name, or the count of what did not happen."""
    return cells <= (
        {"goflow"} if name == "contestant" else {"0", "-"} if name in COUNTS else set()
    )


def _clean(figures: Sequence[Figure]) -> str:
    """Say which of the bad things were looked for and did not happen."""
    looked = [
        what for what in ("lost", "doubled", "refused") if any(what in one for one in figures)
    ]
    clean = [what for what in looked if not any(one.get(what) for one in figures)]
    return f"Nothing was {' or '.join(clean)}." if clean else ""


def worded(name: str) -> str:
    """Return the name of a figure as people say it."""
    if name in HEADINGS:
        return HEADINGS[name]
    for end, unit in UNITS:
        if name.endswith(end):
            name = name.removesuffix(end) + unit
            break
    return name.replace("_", " ").replace("cpu", "CPU").replace("rss", "RSS")


def _absent(result: Result) -> Iterator[str]:
    left_out = [name for name in WORKLOADS if name not in result["workloads"]]
    lines = [f"- {why}" for why in result["absent"].values()]
    if left_out:
        lines.append(f"- workloads: {', '.join(left_out)}")
    if lines:
        yield "## Not measured in this run"
        yield "\n".join(lines)


def piped(lines: Lines) -> str:
    """Return a table; what is not the first column stands at the right if it is a number."""
    head, *rows = lines
    marks = [
        "---:" if place and rows and all(_is_figure(row[place]) for row in rows) else "---"
        for place in range(len(head))
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, marks, *rows))


def _is_figure(cell: str) -> bool:
    return cell[:1].isdigit() or cell == "-"


def _picture(name: str) -> str:
    return f"![{ALTS[name]}]({PICTURES}/{name}.svg)"


if __name__ == "__main__":
    main(sys.argv[1:])
