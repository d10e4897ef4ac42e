"""Plots as SVG, drawn without a library: rows of dots, and lines; both with their spread.

A picture holds its own colours for light and dark, a title and a description, and is the same
bytes for the same figures.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from xml.sax.saxutils import escape

from benchmarks.result import Spread

WIDTH = 880
MARGIN = 24
HEAD = 106
"""Room for title and subtitle, and for the titles of the panels."""
FOOT = 66
GAP = 28
ROW = 28
LINES_HEIGHT = 250
LABEL_APART = 15
FACTOR_LEAST = 4.0
"""From end to end of a logarithmic scale."""
LETTER = 6.6
"""What a letter is wide, about: there is no font to ask."""

_STYLE = """
text { font: 12px system-ui, "Segoe UI", Helvetica, Arial, sans-serif; fill: #57606a }
.title { font-size: 16px; font-weight: 600; fill: #1f2328 }
.panel { font-size: 13px; font-weight: 600; fill: #1f2328 }
.name { font-size: 13px; fill: #1f2328 }
.goflow { font-weight: 600 }
.card { fill: #ffffff; stroke: #d8dee4 }
.band { fill: #eef4ff }
.grid { stroke: #e7eaee }
.c0 { stroke: #2f5fd0; fill: #2f5fd0 } .c1 { stroke: #b8580c; fill: #b8580c }
.c2 { stroke: #6e7781; fill: #6e7781 } .c3 { stroke: #1a7f4b; fill: #1a7f4b }
.c4 { stroke: #8a4baf; fill: #8a4baf } .c5 { stroke: #a3384f; fill: #a3384f }
text.c0, text.c1, text.c2, text.c3, text.c4, text.c5 { stroke: none }
.hollow { fill: #ffffff } .line { fill: none; stroke-width: 2 } .whisker { stroke-width: 1.5 }
@media (prefers-color-scheme: dark) {
text { fill: #9aa4ae } .title, .panel, .name { fill: #e6edf3 }
.card { fill: #12171e; stroke: #2b323b } .band { fill: #18233a } .grid { stroke: #262d36 }
.c0 { stroke: #7aa7ff; fill: #7aa7ff } .c1 { stroke: #f0a05a; fill: #f0a05a }
.c2 { stroke: #8d97a3; fill: #8d97a3 } .c3 { stroke: #5fc58d; fill: #5fc58d }
.c4 { stroke: #c39ae0; fill: #c39ae0 } .c5 { stroke: #ef8fa3; fill: #ef8fa3 }
.hollow { fill: #12171e } .line { fill: none } }
""".strip()
COLOURS = 6
KIND_COLOURS = {"goflow": 0, "peer": 1, "baseline": 2, "floor": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One contestant of a plot of dots: a figure, or none, in each panel."""

    name: str
    kind: str
    durable: bool
    figures: Sequence[Spread | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One line."""

    name: str
    colour: int
    points: Sequence[tuple[float, Spread]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One pair of axes for lines."""

    title: str
    x: str
    series: Sequence[Series]
    y_is_log: bool = False
    """A line from zero shows best what is flat, a logarithm what differs by factors."""


# ---------------------------------------------------------------- numbers and scales


def figure(value: float) -> str:
    """Return a number with the digits that mean something."""
    if value >= 1e6:
        return f"{value / 1e6:.3g}M"
    if value >= 99.5 or value == 0:
        return f"{value:,.0f}"
    return f"{value:.2g}" if value < 1 else f"{value:.3g}"


def _tick(value: float) -> str:
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


@dataclass(frozen=True, slots=True)
class Scale:
    """Where on the page a value is."""

    low: float
    high: float
    begin: float
    end: float
    is_log: bool

    @classmethod
    def over(
        cls, values: Iterable[float], begin: float, end: float, *, is_log: bool, room: float = 1.25
    ) -> "Scale":
        """Return a scale with *room* around the values; from zero if it is not logarithmic."""
        found = [value for value in values if value > 0] or [1.0]
        if not is_log:
            return cls(0.0, max(found) * room, begin, end, is_log)
        low, high = min(found) / room, max(found) * room
        more = max(1.0, FACTOR_LEAST * low / high) ** 0.5  # a short way would look like a long one
        return cls(low / more, high * more, begin, end, is_log)

    def at(self, value: float) -> float:
        """Return the place of *value*."""
        if self.is_log:
            value = max(value, self.low)
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.begin + share * (self.end - self.begin)

    def ticks(self, *, apart: float) -> list[float]:
        """Return round values, no two of them nearer than *apart*."""
        choices = _log_ticks if self.is_log else _linear_ticks
        for found in choices(self.low, self.high):
            places = [self.at(value) for value in found]
            near = (abs(b - a) for a, b in pairwise(places))
            if len(found) < 2 or min(near) >= apart:
                return found
        return []


def _log_ticks(low: float, high: float) -> list[list[float]]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps: list[tuple[int, ...]] = [(1, 2, 5), (1, 3), (1,)]
    found = [[step * 10.0**n for n in decades for step in each] for each in steps]
    found += [[10.0**n for n in decades if n % 2 == 0], [10.0**n for n in decades if n % 3 == 0]]
    return [[value for value in values if low <= value <= high] for values in found]


def _linear_ticks(low: float, high: float) -> list[list[float]]:
    size = 10.0 ** math.floor(math.log10(high))
    return [
        [number * step for number in range(int(high / step) + 1) if number * step >= low]
        for step in (size / 10, size / 5, size / 2, size, size * 2, size * 5)
    ]


# ---------------------------------------------------------------- rows of dots


def dots(
    *, title: str, subtitle: str, panels: Sequence[str], rows: Sequence[Row], better: str
) -> str:
    """Return rows of dots on a logarithmic scale that all panels share."""
    left = MARGIN + 22 + LETTER * max((len(row.name) for row in rows), default=0)
    each = (WIDTH - MARGIN - left - GAP * (len(panels) - 1)) / len(panels)
    bottom = HEAD + ROW * len(rows)
    parts = [_names(rows)]
    values = [edge for row in rows for one in row.figures if one for edge in (one.least, one.most)]
    for number, name in enumerate(panels):
        begin = left + number * (each + GAP)
        scale = Scale.over(values, begin, begin + each, is_log=True)
        parts.append(_text(begin, HEAD - 18, name, "panel"))
        parts += _columns(scale, HEAD - 4, bottom)
        parts += [
            _dot(one, row, scale, HEAD + ROW * (place + 0.5))
            for place, row in enumerate(rows)
            if (one := row.figures[number]) is not None
        ]
    keys = f"Dot: median of the rounds; line: least to most. Logarithmic scale; {better} is better."
    if not all(row.durable for row in rows):
        keys += " Hollow: not durable."
    parts.append(_text(MARGIN, bottom + FOOT - 20, keys))
    return _picture(title, subtitle, _told(panels, rows), bottom + FOOT, parts)


def _names(rows: Sequence[Row]) -> str:
    found = []
    for place, row in enumerate(rows):
        y = HEAD + ROW * (place + 0.5)
        own = row.kind == "goflow"
        if own:
            at = f'x="{MARGIN - 12}" y="{y - ROW / 2:.1f}" width="{WIDTH - 2 * MARGIN + 24}"'
            found.append(f'<rect class="band" {at} height="{ROW}" rx="6"/>')
        found.append(_text(MARGIN, y + 4, row.name, "name goflow" if own else "name"))
    return "\n".join(found)


def _columns(scale: Scale, top: float, bottom: float) -> list[str]:
    found = []
    for value in scale.ticks(apart=34):
        x = scale.at(value)
        found.append(_line(x, top, x, bottom, "grid"))
        found.append(_text(x, bottom + 17, _tick(value), anchor="middle"))
    return found


def _dot(one: Spread, row: Row, scale: Scale, y: float) -> str:
    colour = f"c{KIND_COLOURS.get(row.kind, 1)}"
    least, middle, most = (scale.at(value) for value in (one.least, one.median, one.most))
    text = figure(one.median)
    right = max(most, middle + 5) + 6
    fits = right + LETTER * len(text) <= scale.end + GAP / 2
    x, anchor = (right, "start") if fits else (min(least, middle - 5) - 6, "end")
    hollow = "" if row.durable else " hollow"
    return "\n".join(
        (
            _line(least, y, most, y, f"{colour} whisker"),
            f'<circle class="{colour}{hollow}" cx="{middle:.1f}" cy="{y:.1f}" r="4.5" '
            'stroke-width="2"/>',
            _text(x, y + 4, text, "name goflow" if row.kind == "goflow" else "", anchor=anchor),
        )
    )


def _told(panels: Sequence[str], rows: Sequence[Row]) -> str:
    """Return the medians as a sentence for those who do not see the picture."""
    return "; ".join(
        f"{panel}: "
        + ", ".join(f"{row.name} {figure(one.median)}" for row in rows if (one := row.figures[at]))
        for at, panel in enumerate(panels)
    )


# ---------------------------------------------------------------- lines


def lines(*, title: str, subtitle: str, panels: Sequence[Panel], note: str = "") -> str:
    """Return lines over a logarithmic axis, panels side by side, each with its own scales."""
    each = (WIDTH - 2 * MARGIN - GAP * (len(panels) - 1)) / len(panels)
    bottom = HEAD + LINES_HEIGHT
    parts = []
    for number, panel in enumerate(panels):
        parts += _axes(panel, MARGIN + number * (each + GAP), each, bottom)
    keys = f"Dot: median of the rounds; line: least to most. {note}".strip()
    parts.append(_text(MARGIN, bottom + FOOT - 8, keys))
    told = "; ".join(
        f"{panel.title}, {series.name}: "
        + ", ".join(f"{_tick(x)} {panel.x} {figure(y.median)}" for x, y in series.points)
        for panel in panels
        for series in panel.series
    )
    return _picture(title, subtitle, told, bottom + FOOT + 12, parts)


def _axes(panel: Panel, left: float, width: float, bottom: float) -> list[str]:
    points = [point for series in panel.series for point in series.points]
    names = max((len(series.name) for series in panel.series), default=0)
    right = left + width - 14 - LETTER * names
    edges = [edge for _, one in points for edge in (one.least, one.most)]
    y = Scale.over(edges, bottom, HEAD, is_log=panel.y_is_log)
    x = Scale.over((at for at, _ in points), left + 50, right, is_log=True, room=1.0)
    parts = [_text(left, HEAD - 18, panel.title, "panel")]
    for value in y.ticks(apart=30):
        parts.append(_line(left + 38, y.at(value), right, y.at(value), "grid"))
        parts.append(_text(left + 32, y.at(value) + 4, _tick(value), anchor="end"))
    parts += _bottom_labels(sorted({at for at, _ in points}), x, bottom)
    parts.append(_text((left + 38 + right) / 2, bottom + 34, panel.x, anchor="middle"))
    for series in panel.series:
        parts.append(_drawn(series, x.at, y.at))
    ends = [(y.at(one.points[-1][1].median), one) for one in panel.series if one.points]
    for place, one in _apart(ends):
        at = x.at(one.points[-1][0]) + 10
        parts.append(_text(at, place + 4, one.name, f"c{one.colour % COLOURS}"))
    return parts


def _bottom_labels(values: Sequence[float], x: Scale, y: float) -> list[str]:
    """Mark the measured places, and label those whose label does not touch the one before."""
    found, last = [], -math.inf
    for value in values:
        found.append(_line(x.at(value), y, x.at(value), y + 4, "grid"))
        half = LETTER * len(_tick(value)) / 2
        if x.at(value) - half > last:
            found.append(_text(x.at(value), y + 17, _tick(value), anchor="middle"))
            last = x.at(value) + half + 6
    return found


def _drawn(series: Series, at_x: Callable[[float], float], at_y: Callable[[float], float]) -> str:
    colour = f"c{series.colour % COLOURS}"
    way = " ".join(f"{at_x(x):.1f},{at_y(y.median):.1f}" for x, y in series.points)
    parts = [f'<polyline class="{colour} line" points="{way}"/>']
    for x, y in series.points:
        parts.append(_line(at_x(x), at_y(y.least), at_x(x), at_y(y.most), f"{colour} whisker"))
        place = f'cx="{at_x(x):.1f}" cy="{at_y(y.median):.1f}"'
        parts.append(f'<circle class="{colour}" {place} r="3.5"/>')
    return "\n".join(parts)


def _apart(ends: Sequence[tuple[float, Series]]) -> list[tuple[float, Series]]:
    """Move labels down until none covers another, and all of them up again by half of that."""
    ranked = sorted(ends, key=lambda end: end[0])
    places: list[float] = []
    for place, _ in ranked:
        places.append(max(place, places[-1] + LABEL_APART) if places else place)
    moved = [after - before for after, (before, _) in zip(places, ranked, strict=True)]
    up = max(moved, default=0.0) / 2
    return [(place - up, one) for place, (_, one) in zip(places, ranked, strict=True)]


# ---------------------------------------------------------------- the picture


def _picture(title: str, subtitle: str, told: str, height: float, parts: Sequence[str]) -> str:
    size = f'width="{WIDTH}" height="{height:.0f}" viewBox="0 0 {WIDTH} {height:.0f}"'
    card = f'width="{WIDTH - 1}" height="{height - 1:.0f}" rx="8"'
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="t d">',
            f'<title id="t">{escape(title)}</title>',
            f'<desc id="d">{escape(f"{subtitle}. {told}.")}</desc>',
            f"<style>{_STYLE}</style>",
            f'<rect class="card" x="0.5" y="0.5" {card}/>',
            _text(MARGIN, 32, title, "title"),
            _text(MARGIN, 51, subtitle),
            *parts,
            "</svg>\n",
        )
    )


def _text(x: float, y: float, text: str, kind: str = "", *, anchor: str = "start") -> str:
    style = f' class="{kind}"' if kind else ""
    where = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text{style} x="{x:.1f}" y="{y:.1f}"{where}>{escape(text)}</text>'


def _line(x: float, y: float, to_x: float, to_y: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}"/>'
