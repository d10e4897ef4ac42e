"""``goflow nodes``: what it prints, and that it looks again."""

import json
from typing import Any

import pytest
from rich.console import Console

from goflow_py.cli import nodes
from goflow_py.client import ServerUnreachable
from goflow_py.errors import Forbidden
from tests.unit.cli.conftest import Stub, goflow, problem

NODES = "GET /v1/admin/nodes"


def node(number: int, **changes: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "id": f"01a1fc72-9183-7cba-a0a8-72774304671{number}",
        "self": False,
        "address": f"http://10.0.0.{number}:8080",
        "version": "0.9.0",
        "startedAt": "2026-11-21T04:52:09.219Z",
        "leaseLeftSeconds": 8.25,
        "shards": 86,
        "running": 12,
        "inbox": 0,
        "oldestSeconds": None,
        "status": "ok",
    }
    return {**given, **changes}


def answer(*items: dict[str, Any], **left: Any) -> dict[str, Any]:
    unowned = {"shards": 0, "running": 0, "inbox": 0, "oldestSeconds": None, **left}
    at = "2026-11-21T04:57:14.219Z"
    return {"items": [*items], "unowned": unowned, "at": at, "shared": True, "leaseSeconds": 10.0}


def test_each_node_is_a_line(stub: Stub) -> None:
    late = node(2, status="late", leaseLeftSeconds=3.1, inbox=4, oldestSeconds=2.5, running=None)
    stub.answers(NODES, answer(node(1, self=True), late))
    said = goflow("nodes", "--server", stub.url)
    assert said.code == 0
    titles, first, second = (line.split() for line in said.out.splitlines())
    assert titles == ["node", "address", "version", *nodes.NUMBERS, "status"]
    words = "01a1..046711* 10.0.0.1:8080 0.9.0 5 m 5 s 8.2 s 86 12 0 ok"
    assert first == words.split()
    words = "01a1..046712 10.0.0.2:8080 0.9.0 5 m 5 s 3.1 s 86 many 4 2.5 s late"
    assert second == words.split()


def test_a_lost_node_and_what_nobody_owns_stand_out(stub: Stub) -> None:
    lost = node(2, status="lost", leaseLeftSeconds=-1.5)
    stub.answers(NODES, answer(node(1), lost, shards=90, running=3, inbox=2, oldestSeconds=4.0))
    said = goflow("nodes", "--server", stub.url)
    assert "over for 1.5 s" in said.out
    *_, last = said.out.splitlines()
    assert last == "90 shards have no owner: 3 running, 2 in the inbox, the oldest for 4.0 s"
    stub.answers(NODES, answer(node(1), shards=1))
    *_, last = goflow("nodes", "--server", stub.url).out.splitlines()
    assert last == "1 shard has no owner: 0 running, 0 in the inbox"


def test_a_narrow_terminal_shows_every_figure() -> None:
    item = node(
        1, address="https://a-rather-long-name.of-a-server.internal:8443", status="draining"
    )
    narrow = Console(width=80)
    with narrow.capture() as captured:
        narrow.print(nodes.screen(answer(item)))
    said = captured.get()
    first = said.splitlines()[1]
    assert all(word in first for word in ("01a1..046711", "5 m 5 s", "8.2 s", "86", "draining"))
    assert "…" not in said


def test_the_only_server_of_a_file_has_no_lease(stub: Stub) -> None:
    stub.answers(NODES, answer(node(1, self=True, shards=256, leaseLeftSeconds=None)))
    said = goflow("nodes", "--server", stub.url)
    assert "5 m 5 s  " in said.out and "256" in said.out and "8.2 s" not in said.out


def test_json_is_the_answer_of_the_server(stub: Stub) -> None:
    stub.answers(NODES, answer(node(1)))
    assert goflow("nodes", "--json", "--server", stub.url).json == answer(node(1))


def test_a_key_without_the_scope_is_refused(stub: Stub) -> None:
    stub.answers(NODES, problem(403, "scope", "this key has no scope for that"))
    said = goflow("nodes", "--server", stub.url)
    assert (said.code, said.err) == (1, "goflow: this key has no scope for that (scope)\n")


@pytest.mark.parametrize("flags", [("--json",), ()])
def test_it_looks_again_until_the_server_says_no(
    stub: Stub, monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...]
) -> None:
    monkeypatch.setattr(nodes, "WATCH_SECONDS", 0.0)
    gone = problem(401, "no_key", "a key is needed")
    stub.answers(NODES, answer(node(1)), answer(node(1), node(2)), gone)
    said = goflow("nodes", "--watch", *flags, "--server", stub.url)
    assert said.code == 1 and len(stub.asked) == 3
    if not flags:
        assert [said.out.count(f"04671{number}") for number in (1, 2)] == [2, 1]
        return
    lines = said.out.splitlines()[:2]  # behind them is the refusal
    assert [len(json.loads(line)["items"]) for line in lines] == [1, 2]


@pytest.mark.parametrize(("patience", "looks"), [(60.0, 3), (-1.0, 2)])
def test_it_sees_a_restart_of_the_server_through(
    stub: Stub, monkeypatch: pytest.MonkeyPatch, patience: float, looks: int
) -> None:
    monkeypatch.setattr(nodes, "WATCH_SECONDS", 0.0)
    monkeypatch.setattr(nodes, "AWAY_SECONDS_MAX", patience)
    seen: list[int] = []

    async def look(_: Any) -> Any:
        seen.append(1)
        if len(seen) == 2:
            raise ServerUnreachable("nobody answers")
        if len(seen) == 3:
            raise Forbidden("no")
        return answer(node(1))

    monkeypatch.setattr(nodes, "_look", look)
    said = goflow("nodes", "--watch", "--server", stub.url)
    assert (said.code, len(seen)) == (1 if looks == 3 else 4, looks)
