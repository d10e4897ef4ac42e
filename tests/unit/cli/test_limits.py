"""``goflow limits``: what it asks, what it prints."""

from typing import Any

from tests.unit.cli.conftest import Stub, goflow, problem

SHOP = {
    "project": "shop",
    "limits": {
        "maxRunning": 100, "startsPerSecond": None, "maxOpenCalls": 5, "maxStoredBytes": None,
    },
    "use": {"running": 7, "openCalls": 2, "storedBytes": 4_096},
}  # fmt: skip
LIMITS = "/v1/projects/shop/limits"


def ask(stub: Stub, *words: str) -> Any:
    return goflow("limits", *words, "--server", stub.url)


def test_the_list_says_what_each_has_of_how_much(stub: Stub) -> None:
    stub.answers("GET /v1/projects", (200, {"items": [SHOP]}))
    said = ask(stub, "ls")
    assert said.code == 0
    assert "shop" in said.out and "7 / 100" in said.out and "4096 / no limit" in said.out


def test_limits_are_set_and_shown(stub: Stub) -> None:
    stub.answers(f"PUT {LIMITS}", (200, SHOP))
    said = ask(stub, "set", "shop", "--max-running", "100", "--max-open-calls", "5")
    assert said.code == 0
    assert stub.asked[0]["body"] == {"maxRunning": 100, "maxOpenCalls": 5}
    assert "open calls: 2 / 5" in said.out
    assert "starts a second: no limit" in said.out


def test_setting_nothing_asks_for_a_limit(stub: Stub) -> None:
    said = ask(stub, "set", "shop")
    assert said.code == 2
    assert stub.asked == []


def test_one_project_is_shown_or_is_not_there(stub: Stub) -> None:
    stub.answers(f"GET {LIMITS}", (200, SHOP))
    assert "running: 7 / 100" in ask(stub, "show", "shop").out
    stub.answers(f"GET {LIMITS}", problem(404, "not_found", "there is no project shop"))
    said = ask(stub, "show", "shop")
    assert (said.code, "there is no project shop" in said.err) == (1, True)


def test_limits_are_taken_back(stub: Stub) -> None:
    stub.answers(f"DELETE {LIMITS}", (204, None))
    said = ask(stub, "rm", "shop")
    assert (said.code, said.out) == (0, "shop has the server's limits again\n")
