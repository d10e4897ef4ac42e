"""What is taken out of an echo, and what is not."""

import base64
import json
from typing import Any
from urllib.parse import quote

import pytest

from goflow_py.domain.workers import Worker
from goflow_py.engine.redaction import REDACTED, secrets_of, verdict_without, without
from goflow_py.engine.verdict import Acceptance, Definite, Failure, Success, judge
from goflow_py.ports import Answered, Unreachable

SECRET = 'pass"word\\with/ünusual'
OTHER = "token-of-some-length"


def answered(body: bytes, **headers: str) -> Answered:
    return Answered(status=200, headers=headers, body=body)


@pytest.mark.parametrize(
    "body",
    [
        SECRET.encode(),
        json.dumps(SECRET).encode(),
        json.dumps({"a": [SECRET]}, ensure_ascii=False).encode(),
        json.dumps(SECRET).replace("/", "\\/").encode(),
        json.dumps({"text": json.dumps({"a": SECRET})}).encode(),
        repr(SECRET).encode(),
    ],
)
def test_usual_spellings_are_taken_out_of_a_body(body: bytes) -> None:
    reply = without(answered(body), [SECRET])
    assert isinstance(reply, Answered)
    assert REDACTED.encode() in reply.body
    assert b"word" not in reply.body


def test_headers_and_messages_are_redacted() -> None:
    wire = SECRET.encode().decode("latin-1")
    reply = without(answered(b"", one=f"x {OTHER}", two=wire), [OTHER, SECRET])
    assert isinstance(reply, Answered)
    assert reply.headers == {"one": f"x {REDACTED}", "two": REDACTED}
    gone = without(
        Unreachable(code="unreachable", message=f"no {OTHER}: {SECRET!r}"), [OTHER, SECRET]
    )
    assert isinstance(gone, Unreachable)
    assert gone.message == f"no {REDACTED}: '{REDACTED}'"


def test_a_secret_that_begins_another_leaves_nothing_of_it() -> None:
    reply = without(answered(f"{OTHER}-and-more {OTHER}".encode()), [OTHER, f"{OTHER}-and-more"])
    assert reply == answered(f"{REDACTED} {REDACTED}".encode())


@pytest.mark.parametrize("secret", ["", "short12"])
def test_short_ones_are_let_stand(secret: str) -> None:
    reply = answered(b"short12 and more")
    assert without(reply, [secret]) is reply


def test_an_unusual_spelling_is_read_before_it_is_looked_for() -> None:
    spelled = "".join(f"\\u{ord(one):04x}" for one in OTHER)
    reply = answered(f'{{"{spelled}": ["{spelled}!"], "n": [1, null, {{}}]}}'.encode())
    verdict = judge(without(reply, [OTHER]), kind="sync", raw=False, now_ms=0)
    expected = Success(output={REDACTED: [f"{REDACTED}!"], "n": [1, None, {}]})
    assert verdict_without(verdict, [OTHER]) == expected


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        (Success(output=None, label=OTHER), Success(output=None, label=REDACTED)),
        (Failure(code=OTHER, message=OTHER), Failure(code=REDACTED, message=REDACTED)),
        (
            Definite(code=OTHER, message=f"({OTHER})", details={"output": [OTHER]}),
            Definite(code=REDACTED, message=f"({REDACTED})", details={"output": [REDACTED]}),
        ),
        (Acceptance(), Acceptance()),
    ],
)
def test_every_verdict_is_redacted(verdict: Any, expected: Any) -> None:
    assert verdict_without(verdict, [OTHER]) == expected
    assert verdict_without(verdict, []) is verdict


def test_deep_values_are_no_problem() -> None:
    deep: Any = OTHER
    for _ in range(5_000):
        deep = [deep]
    found = verdict_without(Success(output=deep), [OTHER])
    assert isinstance(found, Success)
    value = found.output
    while isinstance(value, list):
        value = value[0]
    assert value == REDACTED


def test_other_encodings_are_not_looked_for() -> None:
    """This is the limit of the promise."""
    encoded = (
        base64.b64encode(SECRET.encode()) + quote(SECRET).encode() + SECRET.encode().hex().encode()
    )
    reply = answered(encoded)
    assert without(reply, [SECRET]) == reply


def test_the_secrets_of_a_worker_are_those_that_its_document_names() -> None:
    worker = Worker.model_validate(
        {
            "name": "pay",
            "workerEndpoint": "https://pay.example/${secret:PATH}",
            "headers": {"A": "x ${secret:ONE} ${secret:TWO}", "B": "${secret:ONE}"},
            "auth": "Bearer ${secret:AUTH}",
            "signingSecret": "${secret:GONE}",
        }
    )
    known = {"PATH": "p", "ONE": "1", "TWO": "2", "AUTH": "a", "OTHER": "o"}
    assert secrets_of(worker, known.get) == ["p", "a", "1", "2"]
