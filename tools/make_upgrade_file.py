"""Makes a data file with executions in every kind of wait, by the code of a release.

    python -m tools.make_upgrade_file DIRECTORY OUT.db.xz

DIRECTORY is a checkout of that release (``git archive COMMIT | tar x -C DIRECTORY``). Beside OUT a
JSON file says what each execution waits for, what feeds it, and how it then ends. The server is
killed, so that its calls are cut; ``tests/upgrade`` opens the file with the code of today.
"""

import contextlib
import json
import lzma
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

from tests.harness import Mock, ended, until
from tests.upgrade.cases import CASES, Case, blueprints_of

STARTED_SECONDS = 30.0


class Release:
    """A server of another release: its code, its data, and a client that asks it."""

    def __init__(self, code: Path, data: Path, mock: Mock) -> None:
        self._log = (data.parent / "log").open("wb")
        flags = ["--data", str(data), "--port", "0", "--endpoint", f"w={mock.url}/w"]
        self.child = subprocess.Popen(
            [sys.executable, "-m", "goflow_py", "serve", *flags],
            cwd=code,
            env={**os.environ, "PYTHONPATH": str(code)},
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        assert self.child.stdout is not None
        line = self.child.stdout.readline()
        assert line.startswith("ready "), (data.parent / "log").read_text()
        self.client = httpx.Client(
            base_url=line.removeprefix("ready ").strip(), timeout=30.0, trust_env=False
        )

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Return the body of a good answer."""
        answer = self.client.request(method, path, json=body, headers=headers)
        assert answer.status_code < 300, (method, path, answer.text)
        return answer.json() if answer.content else None

    def kill(self) -> None:
        """End it as a crash does."""
        self.client.close()
        self.child.send_signal(signal.SIGKILL)
        self.child.wait(STARTED_SECONDS)
        self._log.close()


def schema_of(code: Path) -> int:
    """Return the schema of a release."""
    return max(int(one.name[:4]) for one in migrations(code))


def migrations(code: Path) -> Iterator[Path]:
    return (code / "goflow_py/store/sqlite/migrations").glob("*.sql")


def make(code: Path, out: Path) -> None:
    schema = schema_of(code)
    cases = [case for case in CASES if case.since <= schema]
    with tempfile.TemporaryDirectory() as folder, ended(mock := Mock()):
        data = Path(folder, "goflow.db")
        release = Release(code, data, mock)
        try:
            for blueprint in blueprints_of(schema):
                release.ask("POST", "/v1/blueprints", blueprint)
            begun = [begin(release, mock, case) for case in cases]
        finally:
            release.kill()
        key = Path(f"{data}.key").read_bytes()
        made_at = one_file(data)
        out.write_bytes(lzma.compress(data.read_bytes(), preset=9))
    facts = {"schema": schema, "madeAt": made_at, "key": key.hex(), "executions": begun}
    out.with_suffix("").with_suffix(".json").write_text(json.dumps(facts, indent=1) + "\n")


def begin(release: Release, mock: Mock, case: Case) -> dict[str, Any]:
    """Bring an execution to its wait; return what is known of it."""
    mock.script(**{f"w/{action}": rules for action, rules in case.script.items()})
    headers = {"Idempotency-Key": f"start-of-{case.activity}"}
    body = {"input": {"key": case.name}}
    one = release.ask("POST", f"/v1/activities/up/{case.activity}/executions", body, **headers)
    known: dict[str, Any] = {"case": case.name, "id": one["id"]}
    for step in case.before:
        known |= step(ask_of(release, mock), known) or {}
    waits_as(release, known["id"], case.waits)
    return known


def ask_of(release: Release, mock: Mock) -> Callable[..., Any]:
    def ask(method: str, path: str, body: Any = None) -> Any:
        return mock.recorded() if method == "CALLS" else release.ask(method, path, body)

    return ask


def waits_as(release: Release, execution: str, waits: str) -> None:
    """Wait until the execution is where its case says: ``status`` or ``status state``."""
    status, _, state = waits.partition(" ")

    def look() -> bool:
        now = release.ask("GET", f"/v1/executions/{execution}")
        return bool(now["status"] == status and state in ("", now["state"]))

    until(look, f"{execution} is {waits}")


def one_file(data: Path) -> int:
    """Put the log into the file, and make it small; return the time of its last record."""
    connection = sqlite3.connect(data, isolation_level=None)
    with contextlib.closing(connection):
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        connection.execute("PRAGMA journal_mode = DELETE").fetchall()
        connection.execute("VACUUM")
        [at] = connection.execute("SELECT max(at) FROM history").fetchone()
        return int(at)


if __name__ == "__main__":
    if shutil.which("git") is None and not Path(sys.argv[1]).is_dir():
        raise SystemExit("the first argument is the directory of the release's code")
    make(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve())
