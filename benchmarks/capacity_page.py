"""What the model says, in docs/scale.md: the part between two marks.

    python -m benchmarks.capacity_page

The same figures make the same bytes. A new kept result may change them: then write it anew.
"""

from collections.abc import Mapping

from benchmarks.capacity import Model, Table, model, tables
from benchmarks.capacity_facts import Fact, facts
from benchmarks.processes import ROOT

PAGE = ROOT / "docs/scale.md"
BEGIN = "<!-- capacity: made by `python -m benchmarks.capacity_page`; change that, not this -->"
END = "<!-- capacity end -->"


def main() -> None:
    """Write the part anew."""
    known = facts()
    made = part(known, model(known))
    PAGE.write_text(with_model(PAGE.read_text("utf-8"), made), "utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)}")


def part(known: Mapping[str, Fact], found: Model) -> str:
    """Return what stands between the marks."""
    sections = [f"### {title}\n\n{_table(table)}" for title, table in tables(known, found)]
    return "\n\n".join(sections)


def with_model(text: str, made: str) -> str:
    """Return the page with *made* between its marks. Raises ``ValueError`` when it has none."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError("the page has no place for what the model says")
    return f"{before}{BEGIN}\n\n{made}\n\n{END}{after}"


def _table(table: Table) -> str:
    head, *rows = table
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    main()
