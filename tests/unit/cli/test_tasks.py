"""Commands for queued work: what they send, and what they print."""

from typing import Any

from tests.unit.cli.conftest import Stub, goflow, problem

TASK = "WyJhIl0"
ITEM = {
    "id": TASK,
    "type": "human",
    "queue": "desk",
    "status": "queued",
    "assignedTo": "ann",
    "claimedBy": None,
    "since": "2026-11-21T04:52:09.219Z",
    "project": "shop",
    "activity": "order",
    "task": "approve",
}
CLAIMED = {
    "id": TASK,
    "token": "secret-token",
    "leaseUntil": None,
    "payload": {
        "project": "shop",
        "activity": "order",
        "task": "approve",
        "input": {"amount": 7},
        "labels": ["rejected"],
        "form": {"type": "object"},
    },
}


def ask(stub: Stub, *words: str, **more: Any) -> Any:
    return goflow("tasks", *words, "--server", stub.url, **more)


def test_the_inbox_is_a_table(stub: Stub) -> None:
    stub.answers("GET /v1/tasks", {"items": [ITEM], "next": "more"})
    said = ask(stub, "list", "--queue", "desk", "--assigned-to", "ann", "-s", "queued")
    assert said.code == 0
    assert all(word in said.out for word in (TASK, "desk", "shop/order approve", "ann"))
    assert "--cursor more" in said.err
    assert stub.asked[0]["query"] == {
        "queue": "desk",
        "assignedTo": "ann",
        "status": "queued",
        "limit": "50",
    }


def test_an_empty_inbox_says_so(stub: Stub) -> None:
    stub.answers("GET /v1/tasks", {"items": [], "next": None})
    said = ask(stub, "list")
    assert (said.code, said.out, said.err) == (0, "", "no tasks\n")


def test_a_claim_prints_the_token_and_what_is_to_be_done(stub: Stub) -> None:
    stub.answers(f"POST /v1/tasks/{TASK}:claim", CLAIMED)
    said = ask(stub, "claim", TASK, "--as", "ann")
    assert stub.asked[0]["body"] == {"worker": "ann"}
    assert all(word in said.out for word in ("secret-token", '{"amount": 7}', "rejected"))


def test_a_task_of_another_is_one_line(stub: Stub) -> None:
    refusal = problem(409, "claimed", "'ben' has claimed it")
    stub.answers(f"POST /v1/tasks/{TASK}:claim", refusal)
    said = ask(stub, "claim", TASK, "--as", "ann")
    assert (said.code, said.err) == (1, "goflow: 'ben' has claimed it (claimed)\n")


def test_a_completion_sends_output_and_outcome(stub: Stub) -> None:
    stub.answers(f"POST /v1/tasks/{TASK}:complete", {"applied": True})
    said = ask(stub, "complete", TASK, "T", "--output", '{"ok": true}', "--event", "rejected")
    assert (said.code, said.err) == (0, "completed\n")
    assert stub.asked[0]["body"] == {"token": "T", "output": {"ok": True}, "event": "rejected"}


def test_a_repeated_completion_says_that_it_is_one(stub: Stub) -> None:
    stub.answers(f"POST /v1/tasks/{TASK}:complete", {"duplicate": True})
    said = ask(stub, "complete", TASK, "T")
    assert (said.code, said.err) == (0, "it was said before; nothing was changed\n")


def test_a_failure_sends_code_message_and_retry(stub: Stub) -> None:
    stub.answers(f"POST /v1/tasks/{TASK}:fail", {"applied": True})
    ask(stub, "fail", TASK, "T", "-m", "no stock", "--code", "stock", "--retry")
    ask(stub, "fail", TASK, "T", "-m", "no stock")
    assert [one["body"] for one in stub.asked] == [
        {"token": "T", "code": "stock", "message": "no stock", "retry": True},
        {"token": "T", "code": "error", "message": "no stock"},
    ]


def test_a_release_gives_the_task_back(stub: Stub) -> None:
    stub.answers(f"POST /v1/tasks/{TASK}:release", {"released": True})
    said = ask(stub, "release", TASK, "T")
    assert (said.code, said.err, stub.asked[0]["body"]) == (0, "released\n", {"token": "T"})
