"""What the promises are shown on: a real server, a worker that a test plays, the engine in memory.

One file a promise of docs/guarantees.md. Each shows its promise small and sharp; the instruments
that prove it at large, with thousands of faults, are named at its head.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.harness import Server, ended
from tests.unit.engine.conftest import clock, engine, make_engine

__all__ = ["clock", "engine", "make_engine"]

RETRY = {"interval": 0.05, "maxInterval": 0.1, "jitter": "none"}
Reply = tuple[int, Any]
LATER: Reply = (202, None)


@dataclass
class Worker:
    """A worker on a port of its own that answers as its test says."""

    url: str = ""
    calls: list[dict[str, Any]] = field(default_factory=list)
    """Body of each call, and its headers under ``headers``."""
    play: Callable[[dict[str, Any]], Reply] = lambda call: (200, call["input"])

    def tokens(self) -> list[str]:
        """Return the callback token of each call."""
        return [call["callbackUrl"].rpartition("/")[2] for call in self.calls]

    @contextmanager
    def serving(self) -> Iterator["Worker"]:
        worker = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                call = {**json.loads(body), "headers": dict(self.headers)}
                worker.calls.append(call)
                status, output = worker.play(call)
                answer = b"" if output is None else json.dumps(output).encode()
                try:
                    self.send_response(status)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(answer)))
                    self.end_headers()
                    self.wfile.write(answer)
                except ConnectionError:
                    pass  # the server was killed while it waited

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        self.url = f"http://127.0.0.1:{server.server_address[1]}/w"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.socket.close()

    def action(self, name: str, **fields: Any) -> dict[str, Any]:
        """Return the worker of an action."""
        return {"name": name, "workerEndpoint": self.url, "retry": RETRY, **fields}


@pytest.fixture
def worker() -> Iterator[Worker]:
    with Worker().serving() as found:
        yield found


@dataclass
class House:
    """One data file, and the servers that come and go on it."""

    data: Path
    flags: tuple[str, ...] = ()
    server: Server = field(init=False)

    def __post_init__(self) -> None:
        self.server = Server(self.data, *self.flags)

    def again(self, *flags: str) -> Server:
        """Kill the server as a crash does, and start the next one."""
        self.server.kill()
        self.server = Server(self.data, *(flags or self.flags))
        return self.server

    def post(self, path: str, body: Any = None, **headers: str) -> httpx.Response:
        return self.server.client.post(path, json=body or {}, headers=headers)

    def types(self, execution: str) -> list[str]:
        return [entry["type"] for entry in self.server.history(execution)]

    def is_sound(self) -> bool:
        report = self.server.client.get("/v1/admin/verify").json()
        assert report["breaches"] == []
        return bool(report["ok"])


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Callable[..., House]]:
    """Open a house; its last server is ended."""
    opened: list[House] = []

    def open_it(*flags: str) -> House:
        opened.append(House(tmp_path / "goflow.db", flags))
        return opened[-1]

    yield open_it
    with ended(*(one.server for one in opened)):
        pass


def waits(name: str = "order", **more: Any) -> dict[str, Any]:
    """Return a blueprint whose executions wait for ``go``, and take notes on the way."""
    note = {"note": {"set": {"notes": "${ $append(data.notes, event.data) }"}}}
    return {
        "project": "shop",
        "activity": name,
        "data": {"notes": []},
        "states": [{"name": "open", "on": {"go": "done", **note}}],
        "actions": [],
        "transitions": [{"current": "init", "event": "start", "next": "open"}],
        "output": {"notes": "${ data.notes }"},
        **more,
    }


def calls(name: str, worker: dict[str, Any], **action: Any) -> dict[str, Any]:
    """Return a blueprint that makes one call."""
    return {
        "project": "shop",
        "activity": name,
        "states": [worker["name"]],
        "actions": [{"name": worker["name"], "type": "sync", **action}],
        "transitions": [{"current": "init", "event": "start", "next": worker["name"]}],
        "workers": [worker],
    }
