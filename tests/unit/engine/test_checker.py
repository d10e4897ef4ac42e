"""Every rule that a store shows by itself: real histories keep it, one change breaks it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from goflow_py.domain.workers import Worker
from goflow_py.engine.checker import verify
from tests.unit.engine.histories import CALL_WORKERS, Entries, History, Made, append, drop, entry
from tests.unit.engine.histories import made as make

TEN_YEARS_MS = 315_600_000_000
WORKERS = {"call": tuple(Worker.model_validate(one) for one in CALL_WORKERS)}
AGAIN = {"project": "p", "activity": "calls", "version": 1, "input": {"n": 1}, "data": {}}


@pytest.fixture(scope="module")
def made() -> Made:
    return make()


def rules(history: History, **options: Any) -> set[str]:
    found = verify(history.head, history.rows, history.compiled, **options)
    return {breach.rule for breach in found}


# ---------------------------------------------------------------- changes


def sets(kind: str, number: int = 0, /, where: Any = None, **fields: Any) -> Any:
    """Return a change that sets fields of one entry."""

    def change(entries: Entries) -> None:
        entry(entries, kind, number, **(where or {})).update(fields)

    return change


def drops(kind: str, number: int = 0, **fields: Any) -> Any:
    return lambda entries: drop(entries, kind, number, **fields)


def appends(kind: str, **fields: Any) -> Any:
    return lambda entries: append(entries, kind, **fields)


def without_record(entries: Entries) -> None:
    del entries[2]


def back_in_time(entries: Entries) -> None:
    entries[-1][-1]["at"] = entries[0][0]["at"]


def renumbered_attempt(entries: Entries) -> None:
    for kind in ("attemptStarted", "attemptEnded"):
        entry(entries, kind, attempt=3)["attempt"] = 4


def beyond_the_budget(entries: Entries) -> None:
    for kind in ("attemptStarted", "attemptEnded"):
        entry(entries, kind, attempt=3)["worker"] = "first"
    entry(entries, "attemptStarted", attempt=3)["priority"] = 1


def before_its_turn(entries: Entries) -> None:
    for kind in ("attemptStarted", "attemptEnded"):
        entry(entries, kind, attempt=1)["worker"] = "second"
    entry(entries, "attemptStarted", attempt=1)["priority"] = 2


def back_to_the_first(entries: Entries) -> None:
    before_its_turn(entries)
    for kind in ("attemptStarted", "attemptEnded"):
        entry(entries, kind, attempt=2)["worker"] = "second"
    entry(entries, "attemptStarted", attempt=2)["priority"] = 1
    entry(entries, "attemptStarted", attempt=1)["priority"] = 1
    entry(entries, "attemptStarted", attempt=2)["priority"] = 2
    beyond_the_budget(entries)
    for kind in ("attemptStarted", "attemptEnded"):
        entry(entries, kind, attempt=3)["worker"] = "second"


def early_timer(entries: Entries) -> None:
    for kind in ("timerSet", "timerFired"):
        entry(entries, kind, timer="task:call:retry")["due"] += 500


def twice(entries: Entries) -> None:
    entry(entries, "eventApplied", name="later")["id"] = "go-1"


def forgotten(entries: Entries) -> None:
    """The event that was kept while it was paused goes in its own name, as another."""
    entry(entries, "eventApplied", id="go-3")["id"] = "go-4"


Case = tuple[str, str, Callable[[Entries], None], dict[str, Any]]

CHANGES: list[Case] = [
    ("S3", "completed", without_record, {}),
    ("S3", "completed", back_in_time, {}),
    ("S3", "open", appends("started", **AGAIN, key="K-1"), {}),
    ("S4", "completed", sets("transition", 1, event="error_of_nobody"), {}),
    ("S4", "completed", sets("transition", 1, data={"got": 1}), {}),
    ("S4", "completed", sets("transition", 2, businessStatus="odd"), {}),
    ("S4", "completed", sets("taskScheduled", action="nobody", where={"task": "call"}), {}),
    ("S5", "completed", sets("started", activity="other"), {}),
    ("S6", "completed", appends("errorRaised", error={"code": "x"}), {}),
    ("S6", "completed", appends("control", verb="resume", reason=None), {}),
    ("S7", "completed", renumbered_attempt, {}),
    ("S7", "completed", sets("attemptEnded", counts=0), {}),
    ("S7", "completed", sets("attemptEnded", outcome="abandoned"), {}),
    ("S7", "completed", sets("attemptEnded", notBefore=2**45), {}),
    ("S7", "completed", sets("attemptEnded", ms=1), {}),
    ("S7", "completed", sets("taskEnded", visit=7), {}),
    ("S7", "completed", beyond_the_budget, {"workers": WORKERS}),
    ("S7", "completed", before_its_turn, {"workers": WORKERS}),
    ("S7", "completed", back_to_the_first, {}),
    ("S7", "completed", drops("attemptEnded", attempt=1), {}),
    ("S7", "completed", drops("taskEnded", task="call"), {}),
    ("S7", "late", sets("attemptAccepted", attempt=9), {}),
    ("S9", "completed", sets("taskScheduled", key="1", where={"errand": True}), {}),
    ("S12", "completed", early_timer, {}),
    ("S12", "completed", drops("timerFired"), {}),
    ("S12", "completed", drops("timerCancelled", timer="deadline"), {}),
    ("S12", "open", drops("timerSet", timer="deadline"), {}),
    ("S12", "open", lambda _: None, {"overdue_before": 2**45}),
    ("S13", "completed", twice, {}),
    ("S13", "held", forgotten, {}),
    ("S13", "held", sets("eventApplied", 1, deferred=3), {}),
    ("S13", "held", sets("eventDeferred", 0, reason="paused", input={"kind": "event"}), {}),
    ("S15", "accepted", drops("timerSet", timer="task:work:callback"), {}),
    ("S15", "claimed", drops("timerSet", timer="task:work:lease"), {}),
    ("S15", "delayed", drops("timerSet"), {}),
    ("S22", "late", sets("lateIgnored", attempt=9), {}),
    ("S22", "late", lambda entries: _late_at_once(entries), {}),
    ("S23", "delayed", sets("timerSet", due=2 * TEN_YEARS_MS + 2**45), {}),
]  # fmt: skip


def _late_at_once(entries: Entries) -> None:
    """What was ignored as too late is said of an attempt that is open by then."""
    entry(entries, "lateIgnored")["attempt"] = 2


@pytest.mark.parametrize(
    ("rule", "name", "change", "options"),
    CHANGES,
    ids=[f"{case[0]}-{number}" for number, case in enumerate(CHANGES)],
)
def test_a_change_of_a_history_breaks_one_rule(
    made: Made, rule: str, name: str, change: Callable[[Entries], None], options: dict[str, Any]
) -> None:
    history = made.history(name)
    untouched = {key: value for key, value in options.items() if key != "overdue_before"}
    assert rules(history, **untouched) == set()
    assert rules(history.changed(change), **options) == {rule}


def test_every_history_of_the_engine_keeps_every_rule(made: Made) -> None:
    for name in made.names:
        history = made.history(name)
        workers = WORKERS if history.head.activity == "calls" else None
        assert rules(history, workers=workers) == set(), name


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("open", {"state": "call"}),
        ("open", {"data": {"got": 1}}),
        ("open", {"timers": {}}),
        ("open", {"deferred": [{"seq": 1, "name": "later"}]}),
        ("completed", {"status": "failed"}),
        ("claimed", {"tasks": {}}),
    ],
)
def test_a_head_that_its_history_does_not_lead_to_breaks_s5(
    made: Made, name: str, fields: dict[str, Any]
) -> None:
    assert rules(made.history(name).with_head(**fields)) == {"S5"}


def test_a_record_of_an_older_owner_after_a_newer_one_breaks_s11(made: Made) -> None:
    history = made.history("completed")
    rows = [replace(row, epoch=9 - number) for number, row in enumerate(history.rows)]
    assert rules(replace(history, rows=rows)) == {"S11"}


def test_a_changed_byte_breaks_s19(made: Made) -> None:
    history = made.history("completed")
    row = history.rows[1]
    rows = [replace(row, entries=row.entries.replace(b"first", b"worst"))]
    assert rules(replace(history, rows=[history.rows[0], *rows, *history.rows[2:]])) == {"S19"}


def test_the_hash_of_another_history_breaks_s19(made: Made) -> None:
    assert rules(made.history("open").with_head(hash="0" * 32)) == {"S19"}


def test_more_than_may_be_kept_breaks_s23(made: Made) -> None:
    history = made.history("delayed")

    def many(entries: Entries) -> None:
        for number in range(1_001):
            append(entries, "eventDeferred", name="x", data=None, reason="defer", id=f"{number}")

    assert rules(history.changed(many)) == {"S23"}


def test_a_history_that_cannot_be_folded_is_a_breach_and_no_exception(made: Made) -> None:
    history = made.history("completed")
    for kind, field in (("transition", "to"), ("attemptStarted", "worker"), ("timerSet", "due")):

        def without(entries: Entries, kind: str = kind, field: str = field) -> None:
            del entry(entries, kind)[field]

        assert "S5" in rules(history.changed(without, refold=False))


def test_every_rule_of_the_store_has_a_change_that_only_it_finds() -> None:
    elsewhere = {"S5", "S11", "S19", "S23"}  # the tests above
    known = {case[0] for case in CHANGES} | elsewhere
    assert known >= {f"S{number}" for number in (3, 4, 5, 6, 7, 9, 11, 12, 13, 15, 19, 22, 23)}
