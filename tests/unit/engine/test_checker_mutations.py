"""Any single change of a stored history is found, or harmless: tried one by one, and by chance.

The hash chain is made anew after each change: otherwise it would find them all, and alone.
"""

import copy
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goflow_py.domain.execution import decode, encode
from goflow_py.engine.checker import verify
from goflow_py.fsm.draft import chain
from tests.unit.engine.histories import Entries, History, Made
from tests.unit.engine.histories import made as make

FREE = frozenset(
    {"data", "input", "output", "error", "response", "httpStatus", "reason", "message"}
)
FREE |= {"principal", "labels", "traceparent", "outputs", "target", "called", "item"}
"""What users and workers say: nothing else in a history tells what it should have been."""
FOUND_SHARE_MIN = 0.93


@pytest.fixture(scope="module")
def made() -> Made:
    return make()


def is_found(history: History, entries: Entries) -> bool:
    """Tell whether the change shows, with the head as it was."""
    changed = history.written(entries, refold=False)
    return bool(verify(changed.head, changed.rows, changed.compiled))


def shift(entries: Entries, behind: int, by: int) -> None:
    for record in entries:
        for one in record:
            for name in ("seq", "deferred"):
                if one.get(name, -1) > behind:
                    one[name] += by


def dropped(entries: Entries) -> Iterator[Entries]:
    for number in range(entries[-1][-1]["seq"] + 1):
        changed = copy.deepcopy(entries)
        for record in changed:
            record[:] = [one for one in record if one["seq"] != number]
        shift(changed, number, -1)
        yield changed


def doubled(entries: Entries) -> Iterator[Entries]:
    for place, record in enumerate(entries):
        for number, one in enumerate(record):
            changed = copy.deepcopy(entries)
            shift(changed, one["seq"], 1)
            changed[place].insert(number + 1, {**one, "seq": one["seq"] + 1})
            yield changed


def other_than(value: bool | int | str) -> bool | int | str:
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, int) else f"{value}1"


def altered(entries: Entries) -> Iterator[Entries]:
    for place, record in enumerate(entries):
        for number, one in enumerate(record):
            for field, value in one.items():
                if field in FREE or not isinstance(value, int | str):
                    continue
                changed = copy.deepcopy(entries)
                changed[place][number][field] = other_than(value)
                yield changed
                if field not in ("seq", "at"):
                    del (changed := copy.deepcopy(entries))[place][number][field]
                    yield changed


def test_what_is_missing_or_doubled_is_always_found(made: Made) -> None:
    for name in made.names:
        history = made.history(name)
        for change in (dropped, doubled):
            for changed in change(history.entries):
                assert is_found(history, changed), (name, change.__name__)


def test_nearly_every_changed_field_is_found(made: Made) -> None:
    tried: Counter[bool] = Counter()
    for name in made.names:
        history = made.history(name)
        tried.update(is_found(history, changed) for changed in altered(history.entries))
    assert tried.total() > 1_000
    assert tried[True] / tried.total() >= FOUND_SHARE_MIN, tried


@given(data=st.data())
def test_any_changed_byte_is_found_or_says_the_same_and_nothing_breaks(
    made: Made, data: st.DataObject
) -> None:
    history = made.history(data.draw(st.sampled_from(sorted(made.names))))
    number = data.draw(st.integers(0, len(history.rows) - 1))
    raw = bytearray(history.rows[number].entries)
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    rows = list(history.rows)
    rows[number] = replace(rows[number], entries=bytes(raw))
    found = {breach.rule for breach in verify(history.head, rows, history.compiled)}
    assert "S19" in found
    before, head = "", decode(encode(history.head))
    for place, one in enumerate(rows):
        before = chain(before, one.entries)
        rows[place] = replace(one, hash=before)
    head.hash = before
    # Whatever it says now: it is judged, and never an exception.
    assert "S19" not in {breach.rule for breach in verify(head, rows, history.compiled)}
