"""The command line as its users run it: real processes, from `goflow serve` to `goflow verify`."""

import json
import os
import pty
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.harness import Server, ended, until

pytestmark = pytest.mark.e2e

BLUEPRINTS = Path(__file__).parents[2] / "blueprints"
SEED = BLUEPRINTS / "inquiry.json"
COMMAND_SECONDS = 30.0
LEAVE = {"employee": "bob", "manager": "mia", "from": "2025-08-04", "until": "2025-08-15"}
LEAVE |= {"days": 10, "patience": 600}  # type: ignore[dict-item]
EXAMPLE = ("--input", json.dumps(LEAVE))


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def goflow(*words: str, server: str | None = None) -> Said:
    """Run the command line as a process of its own."""
    env = {**os.environ, **({"GOFLOW_SERVER": server} if server else {})}
    done = subprocess.run(
        [sys.executable, "-m", "goflow_py", *words],
        capture_output=True,
        text=True,
        env=env,
        stdin=subprocess.DEVNULL,
        timeout=COMMAND_SECONDS,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return Said(code=done.returncode, out=done.stdout, err=done.stderr)


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All scripts of the examples as one, and the product's worker refuses bad customers."""
    whole: dict[str, Any] = {}
    for path in BLUEPRINTS.glob("*.mock.json"):
        whole |= json.loads(path.read_bytes())
    whole["broken/get_product"] = [{"status": 400}]
    file = tmp_path_factory.mktemp("mock") / "all.mock.json"
    file.write_text(json.dumps(whole))
    return file


@pytest.fixture(scope="module")
def server(script: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("cli") / "goflow.db"
    made = Server(data, "--workers-mock", str(script), "--retry-interval", "0.01")
    with ended(made):
        assert goflow("upload", str(BLUEPRINTS), server=made.url).code == 0
        yield made


def test_the_seed_is_uploaded_run_and_looked_at(server: Server) -> None:
    uploaded = goflow("upload", str(SEED), server=server.url)
    assert uploaded.code == 0
    assert "goflow/inquiry v1 (known), 4 warnings" in uploaded.out
    run = goflow("run", "goflow/inquiry", "-i", "customer=7", "--wait", server=server.url)
    assert run.code == 0, run.err
    assert run.out.startswith("completed  goflow/inquiry v1")
    number = run.out.split()[3]
    shown = goflow("show", number, server=server.url)
    assert shown.code == 0
    for state in ("init", "calculate_balance", "get_product", "calculate_voucher", "done"):
        assert f"  {state}" in shown.out
    assert "worker_url" in shown.out
    assert '{"customer": 7}' in shown.out
    why = goflow("why", number, server=server.url)
    assert (why.code, why.out) == (0, "It has completed in state 'done'.\n")
    listed = goflow("ls", "goflow/inquiry", server=server.url)
    assert number in listed.out
    history = goflow("history", number, "--json", server=server.url).json
    assert [entry["seq"] for entry in history] == list(range(len(history)))
    assert goflow("watch", number, server=server.url).code == 0


def test_what_waits_for_somebody_says_for_what_and_goes_on(server: Server) -> None:
    begun = goflow("run", "hr/leave", "--wait", "-k", "cli-1", *EXAMPLE, server=server.url)
    assert begun.code == 0, begun.err
    assert "waits for  approved, rejected" in begun.out
    number = begun.out.split()[3]
    again = goflow("run", "hr/leave", "-k", "cli-1", *EXAMPLE, server=server.url)
    assert (again.out, again.err) == (f"{number}\n", "it existed already\n")
    refused = goflow("send", number, "approve", server=server.url)
    assert refused.code == 1
    assert "it accepts now: approved, rejected" in refused.err
    assert goflow("send", number, "approved", "-d", "{}", server=server.url).code == 3
    assert goflow("pause", number, "--reason", "lunch", server=server.url).out.startswith("paused")
    assert goflow("resume", number, server=server.url).code == 0
    sent = goflow("send", number, "approved", "-d", '{"by": "mia"}', server=server.url)
    assert sent.code == 0, sent.err
    assert goflow("watch", number, server=server.url).code == 0
    assert goflow("send", number, "approved", "-d", '{"by": "mia"}', server=server.url).code == 1


def test_a_failed_run_exits_1_and_can_be_retried(server: Server, tmp_path: Path) -> None:
    text = SEED.read_text().replace('"inquiry"', '"broken"').replace("worker_url", "broken")
    text = text.replace('"broken_2"', '"worker_url_2"')
    file = tmp_path / "broken.json"
    file.write_text(text)
    assert goflow("upload", str(file), server=server.url).code == 0
    run = goflow("run", "goflow/broken", "--wait=20", server=server.url)
    assert run.code == 1
    assert "refused: " in run.out
    number = run.out.split()[3]
    assert goflow("retry", number, "--reason", "again", server=server.url).code == 0
    assert goflow("watch", number, server=server.url).code == 1
    assert number in goflow("ls", "-s", "failed", server=server.url).out
    skipped = goflow("skip", number, "--output", '{"product": "none"}', server=server.url)
    assert skipped.code == 0
    assert goflow("watch", number, server=server.url).code == 0


def test_watch_draws_on_a_terminal(server: Server) -> None:
    number = goflow("run", "goflow/inquiry", server=server.url).out.strip()
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "goflow_py", "watch", number, "--server", server.url],
        stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, "TERM": "xterm"},
    )  # fmt: skip
    os.close(theirs)
    drawn = b""
    try:
        while part := os.read(ours, 65_536):
            drawn += part
    except OSError:
        pass  # the other end is closed: how Linux says the end
    finally:
        os.close(ours)
    assert child.wait(COMMAND_SECONDS) == 0
    assert b"calculate_voucher" in drawn
    assert b"completed" in drawn


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["check", str(SEED)], 0),
        (["check", "--strict", str(SEED)], 3),
        (["upload", "--strict", "--dry-run", str(SEED)], 3),
        (["upload", str(BLUEPRINTS / "inquiry.mock.json")], 3),
        (["run", "goflow/nothing"], 1),
        (["run", "shop/order", "--input", "{}"], 3),
        (["show", "nobody"], 1),
        (["ls", "--status", "odd"], 2),
        (["ls", "--cursor", "odd"], 3),
        (["why"], 2),
        (["endpoint", "set", "odd", "no-url"], 3),
        (["key", "create", "--scopes", "all"], 3),
        (["key", "rm", "none"], 1),
        (["verify"], 0),
        (["workers"], 0),
    ],
)
def test_exit_codes(server: Server, words: list[str], code: int) -> None:
    said = goflow(*words, server=server.url)
    assert said.code == code, said.err


def test_a_server_that_is_not_there_is_exit_4() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        said = goflow("ls", server=f"http://127.0.0.1:{bound.getsockname()[1]}")
    assert (said.code, said.err.count("\n")) == (4, 1)


def test_a_server_that_cannot_start_says_why_in_one_line(server: Server) -> None:
    port = server.url.rpartition(":")[2]
    taken = goflow("serve", "--data", "memory", "--port", port)
    assert (taken.code, taken.out, taken.err.count("\n")) == (1, "", 1)
    assert f"port {port}" in taken.err
    locked = goflow("serve", "--data", str(server.data), "--port", "0")
    assert (locked.code, locked.out, locked.err.count("\n")) == (1, "", 1)
    assert "in use by another server" in locked.err
    assert goflow("serve", "--port", "x").code == 2


def test_a_file_is_verified_and_given_keys_while_no_server_has_it(tmp_path: Path) -> None:
    data = tmp_path / "goflow.db"
    server = Server(data, "--workers-mock")
    with ended(server):
        assert goflow("upload", str(SEED), server=server.url).code == 0
        assert goflow("run", "goflow/inquiry", "--wait", server=server.url).code == 0
        assert goflow("verify", "--data", str(data)).code == 1
        assert goflow("key", "create", "--scopes", "admin", "--data", str(data)).code == 1
        assert server.stop() == 0
    before = data.read_bytes()
    report = goflow("verify", "--data", str(data), "--json")
    assert report.code == 0, report.err
    assert (report.json["ok"], report.json["executions"]) == (True, 1)
    assert data.read_bytes() == before
    made = goflow("key", "create", "--scopes", "execution:read", "--data", str(data))
    assert made.code == 0, made.err
    key = made.out.strip()
    open_to_all = Server(data, "--host", "0.0.0.0")
    with ended(open_to_all):
        assert goflow("ls", server=open_to_all.url).code == 1
        assert goflow("ls", "--key", key, server=open_to_all.url).code == 0
    assert goflow("verify", "--data", str(SEED)).code == 2


def test_dev_uploads_the_examples_and_ends_on_ctrl_c(tmp_path: Path) -> None:
    said = tmp_path / "said"
    with said.open("w") as out:
        child = subprocess.Popen(
            [sys.executable, "-m", "goflow_py", "dev", str(BLUEPRINTS), "--port", "0"],
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, "TMPDIR": str(tmp_path)},
        )
    try:
        until(lambda: "Ctrl-C" in said.read_text() or child.poll() is not None, "dev is ready")
        text = said.read_text()
        for name in ("hr/leave v1", "goflow/inquiry v1", "shop/order v1", "media/transcode v1"):
            assert name in text
        curl = text[text.index("curl") :].split("\n\n")[0].split("goflow run")[0].strip()
        if shutil.which("curl"):
            asked = ["sh", "-c", f"{curl} --silent"]
            done = subprocess.run(asked, capture_output=True, text=True, check=True)
            assert json.loads(done.stdout)["status"] == "completed"
        child.send_signal(signal.SIGINT)
        assert child.wait(COMMAND_SECONDS) == 0
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
    assert "Traceback" not in said.read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["said"]
