"""How soon a killed server works again: from its start to ready, and to the first call of a worker.

    python -m benchmarks.recovery [--open 10000] [--parked 1000000] [--directory DIRECTORY]

The file is made of two executions of a real server, which are copied so many times. Promise G12:
2 s with 10,000 that are open, 10 s with 1,000,000 more that only wait.
"""

import argparse
import contextlib
import json
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.harness import Server, until

BLUEPRINT = {
    "project": "p",
    "states": ["call", {"name": "hold", "timeout": "30d", "on": {"go": "done"}}],
    "actions": [{"name": "call"}],
    "workers": [{"name": "call", "workerEndpoint": "w", "retryCount": 100}],
}
COPY = {
    "executions": """
        INSERT INTO executions (id, shard, project, activity, version, status, state, key, labels,
          seq, wake, started_at, updated_at, finished_at, purge_at, parent, body)
        SELECT substr(id, 1, 24) || printf('%010x%02x', :first + k, k % 256), k % 256, project,
          activity, version, status, state, key, labels, seq, wake, started_at, updated_at,
          finished_at, purge_at, parent,
          CAST(replace(body, id, substr(id, 1, 24) || printf('%010x%02x', :first + k, k % 256))
            AS BLOB)
        FROM executions, numbers WHERE id = :id""",
    "history": """
        INSERT INTO history (execution, first_seq, seq, epoch, at, hash, entries)
        SELECT substr(execution, 1, 24) || printf('%010x%02x', :first + k, k % 256), first_seq,
          seq, epoch, at, hash, entries
        FROM history, numbers WHERE execution = :id""",
}
PART = 50_000


class Worker:
    """A worker that never answers, and notes when it was first called."""

    def __init__(self) -> None:
        self.first: float | None = None
        self.calls = 0
        self._end = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer.first = outer.first or time.monotonic()
                outer.calls += 1
                outer._end.wait(60)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/w"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._end.set()
        self._server.shutdown()


def make(data: Path, worker: Worker, *, running: int, parked: int) -> None:
    """Write a file with so many open and so many parked executions."""
    server = Server(data, "--endpoint", f"w={worker.url}")
    for name, first in (("open", "call"), ("parked", "hold")):
        rows = [{"current": "init", "event": "start", "next": first}]
        server.upload(json.dumps({**BLUEPRINT, "activity": name, "transitions": rows}).encode())
    open_one, parked_one = server.start("p/open")["id"], server.start("p/parked")["id"]
    until(lambda: worker.calls, "the worker is called")
    server.kill()
    connection = sqlite3.connect(data, isolation_level=None)
    with contextlib.closing(connection):
        connection.execute("PRAGMA synchronous = OFF")
        copies(connection, open_one, running, 0)
        copies(connection, parked_one, parked, running)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def copies(connection: sqlite3.Connection, execution: str, count: int, before: int) -> None:
    numbers = (
        "WITH RECURSIVE numbers (k) AS (SELECT {} UNION ALL SELECT k + 1 FROM numbers WHERE k < {})"
    )
    for start in range(0, count, PART):
        connection.execute("BEGIN")
        for statement in COPY.values():
            counted = numbers.format(start, min(start + PART, count) - 1)
            into, _, select = statement.partition("SELECT")
            connection.execute(
                f"{into} {counted} SELECT {select}", {"id": execution, "first": 1_000 + before}
            )
        connection.execute("COMMIT")


def measure(data: Path, worker: Worker) -> tuple[float, float]:
    """Start the server; return the seconds to ready and to the first call."""
    worker.first = None
    began = time.monotonic()
    child = subprocess.Popen(
        [sys.executable, "-m", "goflow_py", "serve", "--data", str(data), "--port", "0",
         "--endpoint", f"w={worker.url}"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        assert child.stdout is not None
        assert child.stdout.readline().startswith("ready ")
        ready = time.monotonic() - began
        until(lambda: worker.first, "the worker is called again", seconds=60)
        return ready, (worker.first or 0.0) - began
    finally:
        child.kill()
        child.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--open", type=int, default=10_000, dest="running")
    parser.add_argument("--parked", type=int, default=0)
    parser.add_argument("--directory")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.directory) as folder:
        data, worker = Path(folder, "goflow.db"), Worker()
        make(data, worker, running=given.running, parked=given.parked)
        size = data.stat().st_size / 1e6
        for turn in ("first", "second"):
            ready, called = measure(data, worker)
            print(
                f"{given.running:,} open, {given.parked:,} parked, {size:,.0f} MB, {turn} start: "
                f"ready after {ready:.2f} s, first call after {called:.2f} s"
            )
        worker.close()


if __name__ == "__main__":
    main()
