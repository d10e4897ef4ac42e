"""Percentiles by nearest rank: always a value that was there."""

from collections.abc import Sequence


def percentile(ordered: Sequence[int], percent: int) -> int | None:
    """Return the value below or at which *percent* of the *ordered* ones lie; None of nothing."""
    if not ordered:
        return None
    return ordered[-(-len(ordered) * percent // 100) - 1]
