"""Two servers on one database, clients that ask either of them, and a judge for what is left.

A supervisor would start a server again that ended with code 3; so does ``Nodes``, and counts it.
"""

import random
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from goflow_py.bootstrap import EXIT_LOST
from tests.e2e.test_kills import CLIENTS, Client, Notes, judge, upload
from tests.harness import Mock, Server, until

LEASE_SECONDS = 3


class Caller(Client):
    """Asks one server, and the next one with the next request: a repeat is another's."""

    def __init__(self, number: int, urls: list[str], notes: Notes, stop: threading.Event) -> None:
        super().__init__(number, urls[0], notes, stop)
        self._urls = urls
        self._asked = number

    def _try(
        self, client: httpx.Client, path: str, body: Any, headers: dict[str, str]
    ) -> httpx.Response | None:
        self._asked += 1
        url = self._urls[self._asked % len(self._urls)]
        return super()._try(client, f"{url}{path}", body, headers)


class Nodes:
    """Servers that share a database, and are started again when they have lost their lease."""

    def __init__(self, data: str, *, count: int = 2, lease: float = LEASE_SECONDS) -> None:
        self._data = data
        self._flags = ("--lease", str(lease))
        # Files: hundreds of crashes fill a pipe that nobody reads, and a server waits for it.
        self._folder = Path(tempfile.mkdtemp(prefix="goflow-nodes-"))
        self.servers = [self._serve(place, 0) for place in range(count)]
        self.urls = [server.url for server in self.servers]
        self.lapsed = 0
        """Servers that ended because their lease did."""

    def __enter__(self) -> "Nodes":
        return self

    def __exit__(self, *_: object) -> None:
        for server in self.servers:
            server.stop()  # one that has ended has pipes to be closed
        shutil.rmtree(self._folder)

    def _serve(self, place: int, port: int) -> Server:
        return Server(self._data, *self._flags, port=port, log=self._log(place))

    def _log(self, place: int) -> Path:
        return self._folder / f"node-{place}.log"

    def supervise(self) -> None:
        """Start again what has ended. Fails when it ended for any other reason than its lease."""
        for place, server in enumerate(self.servers):
            if server.child.poll() is not None:
                said = self._log(place).read_text("utf-8")
                self._log(place).unlink()
                assert server.stop() == EXIT_LOST, said
                assert "this node's lease" in said or "of this node are another's" in said, said
                self.lapsed += 1
                port = int(server.url.rsplit(":", 1)[1])
                self.servers[place] = self._serve(place, port)

    def ready(self) -> bool:
        """Tell whether every one of them takes work; one that is about to end does not."""
        self.supervise()
        try:
            return all(server.client.get("/readyz").status_code == 200 for server in self.servers)
        except httpx.HTTPError:
            return False

    def own_all(self) -> bool:
        """Tell whether every shard has an owner whose lease holds."""
        if not self.ready():
            return False
        found = self.servers[0].client.get("/v1/admin/nodes").json()
        return bool(found["unowned"]["shards"] == 0)


def suffer(
    mock: Mock, data: str, faults: int, fault: Callable[[Nodes], None], **given: Any
) -> Nodes:
    """Run clients while *fault* happens again and again; judge what is left. Return the nodes."""
    chance = random.Random(faults)
    with Nodes(data, **given) as nodes:
        upload(nodes.servers[0], mock)
        notes, stop = Notes(), threading.Event()
        clients = [Caller(number, nodes.urls, notes, stop) for number in range(CLIENTS)]
        for client in clients:
            client.start()
        try:
            for _ in range(faults):
                time.sleep(chance.uniform(0.1, 0.7))  # the moment of the fault is the test's input
                fault(nodes)
                nodes.supervise()
            until(nodes.own_all, "every server takes work, every shard is one's", seconds=60)
        finally:
            stop.set()
            for client in clients:
                client.join(timeout=20)
        judge(nodes.servers[0], mock, notes)
    return nodes
