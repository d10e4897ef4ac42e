"""The seed's blueprint, byte for byte, on real processes: the seven cases of the language."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.harness import Mock, Server, ended

pytestmark = pytest.mark.e2e

SEED = Path(__file__).parents[2] / "blueprints" / "inquiry.json"
BALANCE, PRODUCT, VOUCHER, DONE = "calculate_balance", "get_product", "calculate_voucher", "done"
DEAD = [{"status": 500}]


@pytest.fixture(scope="module")
def mock() -> Iterator[Mock]:
    mock = Mock()
    with ended(mock):
        yield mock


@pytest.fixture(scope="module")
def server(mock: Mock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    flags = [f"--endpoint={alias}={mock.url}/{alias}" for alias in ("worker_url", "worker_url_2")]
    data = tmp_path_factory.mktemp("inquiry") / "goflow.db"
    server = Server(data, *flags, "--retry-interval", "0.01")
    with ended(server):
        server.upload(SEED.read_bytes())
        yield server


def run(server: Server, mock: Mock, **script: Any) -> dict[str, Any]:
    mock.script(**script)
    mock.forget()
    begun = server.start("goflow/inquiry", {"customer": 7})
    return server.end_of(begun["id"])


def path(server: Server, execution: dict[str, Any]) -> list[str]:
    entered = [
        e for e in server.history(execution["id"]) if e["type"] == "transition" and e["entered"]
    ]
    return ["init"] + [entry["to"] for entry in entered]


def test_the_upload_answers_with_the_findings_of_the_language(server: Server) -> None:
    again = server.upload(SEED.read_bytes())
    assert again["version"] == 1
    codes = {finding["code"] for finding in again["findings"]}
    assert codes == {"trailing_comma", "unmatched_error", "unmatched_success"}


def test_an_upload_without_the_aliases_warns_and_the_start_names_one(tmp_path: Path) -> None:
    server = Server(tmp_path / "goflow.db")
    with ended(server):
        codes = [f["code"] for f in server.upload(SEED.read_bytes())["findings"]]
        assert codes.count("unresolved_alias") == 2
        refused = server.client.post("/v1/activities/goflow/inquiry/executions", json={})
        assert refused.status_code == 422
        assert refused.json()["code"] == "unresolved_alias"
        assert "worker_url" in refused.json()["detail"]
        assert server.client.get("/v1/executions").json()["items"] == []


def test_happy(server: Server, mock: Mock) -> None:
    now = run(server, mock)
    assert now["status"] == "completed"
    assert [action for _, action in mock.calls()] == [BALANCE, PRODUCT, VOUCHER, DONE]
    assert path(server, now) == ["init", BALANCE, PRODUCT, VOUCHER, DONE]
    assert now["visit"] == 4
    assert [call["body"]["input"] for call in mock.recorded()] == [{"customer": 7}] * 4
    keys = [call["headers"]["idempotency-key"] for call in mock.recorded()]
    assert keys == [f"{now['id']}/{visit}" for visit in (1, 2, 3, 4)]


def test_fail_over(server: Server, mock: Mock) -> None:
    now = run(server, mock, **{f"worker_url/{BALANCE}": DEAD})
    assert now["status"] == "completed"
    assert mock.calls()[:5] == [("worker_url", BALANCE)] * 4 + [("worker_url_2", BALANCE)]
    assert [action for _, action in mock.calls()[5:]] == [PRODUCT, VOUCHER, DONE]
    attempts = server.get(now["id"], "/attempts")["items"]
    assert [a["outcome"] for a in attempts] == ["error"] * 4 + ["success"] * 4
    assert [a["priority"] for a in attempts[:5]] == [1, 1, 1, 1, 2]


def test_balance_dead(server: Server, mock: Mock) -> None:
    now = run(server, mock, **{f"*/{BALANCE}": DEAD})
    assert now["status"] == "completed"
    assert mock.calls() == [("worker_url", BALANCE)] * 4 + [("worker_url_2", BALANCE)] * 4 + [
        ("worker_url", DONE)
    ]
    assert path(server, now) == ["init", BALANCE, DONE]
    assert now["error"]["state"] == BALANCE


def test_product_dead_and_retried(server: Server, mock: Mock) -> None:
    now = run(server, mock, **{f"*/{PRODUCT}": DEAD})
    assert (now["status"], now["state"]) == ("failed", PRODUCT)
    assert [action for _, action in mock.calls()] == [BALANCE] + [PRODUCT] * 3
    mock.script()
    mock.forget()
    answer = server.client.post(f"/v1/executions/{now['id']}:retry", json={})
    assert answer.status_code == 200
    assert server.end_of(now["id"])["status"] == "completed"
    assert [action for _, action in mock.calls()] == [PRODUCT, VOUCHER, DONE]


@pytest.mark.parametrize(
    ("action", "before"), [(VOUCHER, [BALANCE, PRODUCT]), (DONE, [BALANCE, PRODUCT, VOUCHER])]
)
def test_voucher_or_done_dead(server: Server, mock: Mock, action: str, before: list[str]) -> None:
    now = run(server, mock, **{f"*/{action}": DEAD})
    assert (now["status"], now["state"]) == ("failed", action)
    assert [called for _, called in mock.calls()] == [*before, *[action] * 6]
    mock.script()
    server.client.post(f"/v1/executions/{now['id']}:retry", json={})
    assert server.end_of(now["id"])["status"] == "completed"


def test_slow(server: Server, mock: Mock) -> None:
    slow = {"status": 200, "body": {}, "delay": 6, "times": 1}
    now = run(server, mock, **{f"worker_url/{PRODUCT}": [slow, {"status": 200, "body": {}}]})
    assert now["status"] == "completed"
    attempts = [a for a in server.get(now["id"], "/attempts")["items"] if a["action"] == PRODUCT]
    assert [a["outcome"] for a in attempts] == ["timeout", "success"]
    assert 5_000 <= attempts[0]["ms"] <= 5_400


def test_the_checker_finds_nothing(server: Server, mock: Mock) -> None:
    run(server, mock)
    report = server.client.get("/v1/admin/verify").json()
    assert report["ok"], report
    assert report["executions"] >= 1
