"""What the mock remembers, and that it forgets in time."""

import json

import pytest

from workers_mock import ledger
from workers_mock.ledger import NO_ACTION, OTHER_ACTIONS, Call, Ledger


def a_call(action: str = "pay", body: bytes = b"{}") -> Call:
    return Call(
        path="/shop/x",
        alias="shop",
        action=action,
        headers=((b"X-One", b"1"),),
        body=body,
        is_json=body.startswith(b"{"),
        at=1_700_000_000.5,
    )


def test_a_call_is_shown_as_it_came() -> None:
    assert json.loads(a_call(body=b'{"a": 1.10}').as_json()) == {
        "path": "/shop/x",
        "alias": "shop",
        "action": "pay",
        "at": "2023-11-14T22:13:20.500Z",
        "status": None,
        "headers": {"x-one": "1"},
        "body": {"a": 1.10},
    }
    assert b'"body":{"a": 1.10}}' in a_call(body=b'{"a": 1.10}').as_json()


@pytest.mark.parametrize(("body", "shown"), [(b"plain", "plain"), (b"", None), (b"\xff", "\ufffd")])
def test_a_body_that_is_no_json_is_shown_as_text(body: bytes, shown: str | None) -> None:
    assert json.loads(a_call(body=body).as_json())["body"] == shown


def test_the_oldest_call_goes_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "CALLS_MAX", 3)
    kept = Ledger()
    for number in range(5):
        kept.note(a_call(f"a{number}"))
    actions = [json.loads(call)["action"] for call in kept.calls(action=None, alias=None)]
    assert actions == ["a2", "a3", "a4"]
    assert (kept.counts()["recorded"], kept.counts()["forgotten"]) == (3, 2)


def test_the_oldest_call_goes_when_bodies_are_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "RECORD_BYTES_MAX", 250)
    kept = Ledger()
    for number in range(5):
        kept.note(a_call(f"a{number}", body=b"x" * 100))
    assert kept.counts()["recorded"] == 2


def test_counters_do_not_grow_without_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "ACTIONS_MAX", 2)
    monkeypatch.setattr(ledger, "KEYS_MAX", 2)
    kept = Ledger(record=False)
    for number in range(5):
        kept.count(f"a{number}", f"key {number}")
    kept.count("a0", "key 0")
    counts = kept.counts()
    assert counts["actions"] == {"a0": 2, "a1": 1, OTHER_ACTIONS: 3}
    assert (counts["idempotencyKeys"], counts["keysFull"], counts["calls"]) == (2, True, 6)


def test_a_repeated_key_is_counted_once_and_a_missing_one_not_at_all() -> None:
    kept = Ledger()
    for key in ("1/1", "1/1", "1/2", None):
        kept.count("", key)
    assert kept.counts()["idempotencyKeys"] == 2
    assert kept.counts()["actions"] == {NO_ACTION: 4}
    kept.clear()
    assert kept.counts()["calls"] == 0


def test_filters_choose_calls() -> None:
    kept = Ledger()
    for action in ("pay", "ship", "pay"):
        kept.note(a_call(action))
    assert len(list(kept.calls(action="pay", alias=None))) == 2
    assert len(list(kept.calls(action=None, alias="shop"))) == 3
    assert list(kept.calls(action="pay", alias="other")) == []
