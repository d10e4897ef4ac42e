"""G18: a secret goes to the worker that its blueprint names; nothing of it stays anywhere.

At large: tests/safety/test_secrets.py (every way to tell one, at log level debug, and backups),
tests/unit/engine/test_redaction.py, tests/torture/test_simulation.py (rule S20).
"""

from pathlib import Path
from typing import Any

import pytest

from tests.guarantees.conftest import Worker, calls
from tests.harness import Server

pytestmark = pytest.mark.e2e

SECRET = "canary-Zq81-of-the-bank"
LOOKS = ("", "/history", "/attempts", "/context", "/why")


def test_no_byte_of_a_secret_stays_though_its_worker_tells_it(
    tmp_path: Path, worker: Worker
) -> None:
    secrets, data = tmp_path / "secrets", tmp_path / "data" / "goflow.db"
    secrets.mkdir()
    (secrets / "BANK").write_text(f"{SECRET}\n")

    def echo(call: dict[str, Any]) -> tuple[int, Any]:
        heard = {"heard": call["headers"], call["headers"]["X-Bank"]: [SECRET]}
        return (500, heard) if call["attempt"] == 1 else (200, heard)

    worker.play = echo
    server = Server(data, "--secrets-dir", str(secrets), "--log-level", "debug")
    action = worker.action("pay", retryCount=1, headers={"X-Bank": "Token ${secret:BANK}"})
    server.client.post("/v1/blueprints", json=calls("pay", action)).raise_for_status()
    order = server.start("shop/pay")["id"]
    assert server.end_of(order)["status"] == "completed"
    assert [call["headers"]["X-Bank"] for call in worker.calls] == [f"Token {SECRET}"] * 2
    answers = [server.client.get(f"/v1/executions/{order}{part}").text for part in LOOKS]
    answers.append(server.client.get("/v1/blueprints/shop/pay/workers").text)
    server.client.post("/v1/admin/backup").raise_for_status()
    server.client.close()
    files = {one.name: one.read_bytes() for one in data.parent.rglob("*") if one.is_file()}
    server.child.kill()
    log = "".join(server.child.communicate(timeout=20))
    files["answers and log"] = ("".join(answers) + log).encode()
    assert len(files) > 4 and "[secret]" in answers[1]
    assert [name for name, content in files.items() if SECRET.encode() in content] == []
