"""Batches at the command line."""

from typing import Any

import pytest

from tests.unit.cli.conftest import Stub, goflow

ID = "01900000-0000-7000-8000-000000000001"
BATCH = {
    "id": ID, "project": None, "action": "retry", "status": "running", "reason": "fixed",
    "principal": None, "total": 3, "done": 2, "changed": 1, "skipped": 1, "failed": 0,
    "errors": [{"execution": ID, "code": "wrong_status", "message": "it is \x1b[31m waiting"}],
    "createdAt": "2026-01-01T00:00:00.000Z", "updatedAt": "2026-01-01T00:00:01.000Z",
}  # fmt: skip


def ask(stub: Stub, *words: str) -> Any:
    return goflow("batch", *words, "--server", stub.url)


@pytest.mark.parametrize(
    ("words", "body"),
    [
        (["retry", "shop/order", "--status", "failed", "--reason", "fixed"],
         {"action": "retry", "reason": "fixed",
          "filter": {"project": "shop", "activity": "order", "status": ["failed"]}}),
        (["goto", "--id", ID, "-a", '{"state": "pay"}'],
         {"action": "goto", "ids": [ID], "arguments": {"state": "pay"}}),
        (["pause", "--all"], {"action": "pause", "filter": {}}),
        (["cancel", "--label", "team=x", "--since", "2026-01-01T00:00:00Z"],
         {"action": "cancel",
          "filter": {"labels": {"team": "x"}, "since": "2026-01-01T00:00:00.000Z"}}),
    ],
)  # fmt: skip
def test_a_batch_is_sent_as_it_is_meant(stub: Stub, words: list[str], body: Any) -> None:
    stub.answers("POST /v1/batches", (202, BATCH))
    said = ask(stub, "run", *words)
    assert (said.code, said.out) == (0, f"{ID}\n")
    assert stub.asked[0]["body"] == body


@pytest.mark.parametrize("words", [[], ["shop", "--all"], ["--id", ID, "--state", "pay"]])
def test_it_has_to_be_said_which_executions_are_meant(stub: Stub, words: list[str]) -> None:
    said = ask(stub, "run", "cancel", *words)
    assert (said.code, stub.asked) == (2, [])


def test_a_dry_run_says_which_they_are(stub: Stub) -> None:
    stub.answers("POST /v1/batches", {"dryRun": True, "total": 3, "ids": [ID]})
    said = ask(stub, "run", "cancel", "--all", "--dry-run")
    assert said.out == f"{ID}\n"
    assert "3 executions, 2 of them not shown" in said.err
    assert stub.asked[0]["body"]["dryRun"] is True


def test_batches_are_listed_shown_and_stopped(stub: Stub) -> None:
    stub.answers("GET /v1/batches", {"items": [BATCH], "next": None})
    stub.answers(f"GET /v1/batches/{ID}", BATCH)
    stub.answers(f"DELETE /v1/batches/{ID}", (204, None))
    assert "retry" in ask(stub, "ls").out
    seen = ask(stub, "show", ID).out
    assert "retry is running: 3 total, 2 done, 1 changed, 1 skipped, 0 failed" in seen
    assert "wrong_status" in seen
    assert "\x1b" not in seen
    assert "is stopped" in ask(stub, "stop", ID).out
