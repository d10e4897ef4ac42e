"""The plots: where a figure is drawn, what is written beside it, and that a picture is one."""

from itertools import pairwise
from xml.etree import ElementTree

import pytest

from benchmarks.plots import Panel, Row, Scale, Series, dots, figure, lines
from benchmarks.result import Spread

SVG = "{http://www.w3.org/2000/svg}"


def row(name: str, *medians: float, kind: str = "peer", durable: bool = True) -> Row:
    figures = [Spread(one, one * 0.9, one * 1.1) for one in medians]
    return Row(name=name, kind=kind, durable=durable, figures=figures)


def picture_of(*rows: Row, panels: tuple[str, ...] = ("1", "16")) -> ElementTree.Element:
    text = dots(title="A < B", subtitle="s", panels=panels, rows=rows, better="more")
    return ElementTree.fromstring(text)


def texts(picture: ElementTree.Element) -> list[str]:
    return [one.text or "" for one in picture.iter(f"{SVG}text")]


def circles(picture: ElementTree.Element) -> list[tuple[float, float]]:
    return [(float(c.attrib["cx"]), float(c.attrib["cy"])) for c in picture.iter(f"{SVG}circle")]


def test_a_picture_is_xml_with_a_title_and_the_figures_in_words() -> None:
    picture = picture_of(row("goflow", 100.0, 2_000.0, kind="goflow"), row("peer", 50.0, 400.0))
    assert picture.findtext(f"{SVG}title") == "A < B"
    told = picture.findtext(f"{SVG}desc") or ""
    assert "1: goflow 100, peer 50" in told
    assert "16: goflow 2,000, peer 400" in told
    assert picture.attrib["role"] == "img"


def test_a_larger_figure_is_farther_right_and_equal_factors_are_equally_far() -> None:
    picture = picture_of(row("a", 10.0), row("b", 100.0), row("c", 1_000.0), panels=("1",))
    (first, _), (second, _), (third, _) = circles(picture)
    assert first < second < third
    assert third - second == pytest.approx(second - first, abs=0.2)


def test_all_panels_have_one_scale() -> None:
    (x_1, _), (x_16, _), (other_1, _), (other_16, _) = circles(
        picture_of(row("a", 10.0, 10.0), row("b", 500.0, 500.0))
    )
    assert other_1 - x_1 == pytest.approx(other_16 - x_16, abs=0.2)


def test_who_keeps_nothing_has_a_hollow_dot_and_the_picture_says_what_that_means() -> None:
    kept, not_kept = row("kept", 10.0), row("not", 20.0, durable=False)
    picture = picture_of(kept, not_kept, panels=("1",))
    kinds = [one.attrib["class"] for one in picture.iter(f"{SVG}circle")]
    assert [("hollow" in kind) for kind in kinds] == [False, True]
    assert any("Hollow: not durable" in text for text in texts(picture))
    assert not any("Hollow" in text for text in texts(picture_of(kept, panels=("1",))))


def test_what_was_not_measured_has_no_dot() -> None:
    half = Row(name="a", kind="peer", durable=True, figures=[Spread(1.0, 1.0, 1.0), None])
    assert len(circles(picture_of(half))) == 1


def test_nothing_is_drawn_outside_the_picture() -> None:
    rows = [row(name, 0.003, 9.0e6) for name in ("a", "a-contestant-with-a-long-name")]
    picture = picture_of(*rows)
    width, height = (float(picture.attrib[name]) for name in ("width", "height"))
    for x, y in circles(picture):
        assert 0 < x < width
        assert 0 < y < height


def test_a_line_that_is_flat_is_drawn_flat_from_zero() -> None:
    points = [(10.0**n, Spread(300.0, 290.0, 310.0)) for n in range(4, 8)]
    panel = Panel(title="t", x="rows", series=[Series(name="goflow", colour=0, points=points)])
    picture = ElementTree.fromstring(lines(title="t", subtitle="s", panels=[panel]))
    assert len({y for _, y in circles(picture)}) == 1
    assert {"0", "10k", "100k", "1M", "10M"} <= set(texts(picture))


def test_names_at_the_ends_of_lines_do_not_cover_each_other() -> None:
    series = [
        Series(name=name, colour=at, points=[(x, Spread(5.0, 5.0, 5.0)) for x in (1.0, 9.0)])
        for at, name in enumerate(("one", "two", "three"))
    ]
    panel = Panel(title="t", x="steps", series=series, y_is_log=True)
    picture = ElementTree.fromstring(lines(title="t", subtitle="s", panels=[panel]))
    places = sorted(
        float(one.attrib["y"])
        for one in picture.iter(f"{SVG}text")
        if one.text in ("one", "two", "three")
    )
    assert [after - before >= 14.9 for before, after in pairwise(places)] == [
        True,
        True,
    ]


@pytest.mark.parametrize(
    ("low", "high", "is_log"),
    [(1.0, 1.0, True), (0.001, 9e9, True), (3.0, 200.0, True), (0.2, 0.2, False), (1, 7e6, False)],
)
def test_every_scale_has_marks_and_none_of_them_touch(
    low: float, high: float, is_log: bool
) -> None:
    scale = Scale.over([low, high], 0.0, 240.0, is_log=is_log)
    places = [scale.at(value) for value in scale.ticks(apart=30)]
    assert len(places) >= 2
    assert min(after - before for before, after in pairwise(places)) >= 30
    assert places[0] >= -0.01
    assert places[-1] <= 240.01


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (0.123, "0.12"), (4.468, "4.47"), (99.7, "100"), (23_132.4, "23,132"),
     (2_500_000.0, "2.5M")],
)  # fmt: skip
def test_a_number_is_shown_with_the_digits_that_mean_something(value: float, text: str) -> None:
    assert figure(value) == text
