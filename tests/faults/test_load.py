"""More at once than there is room for: what is acknowledged exists, the rest is told when to ask.

The sizes are those of the promises; ``GOFLOW_LOAD_STARTS`` and ``GOFLOW_LOAD_BACKLOG`` make them
larger for a soak.
"""

import asyncio
import contextlib
import json
import os
import socket
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.faults.wire import GET, ORDER, START, post
from tests.harness import Mock, Server, ended, until

pytestmark = pytest.mark.e2e

STARTS = int(os.environ.get("GOFLOW_LOAD_STARTS", "10000"))
BACKLOG = int(os.environ.get("GOFLOW_LOAD_BACKLOG", "400"))
CONNECTIONS = 1_000
SURPLUS = 1_000
KEYS = 3
REPEATS = 100
ANSWER_SECONDS = 90.0
CALL: dict[str, Any] = {
    "project": "shop",
    "activity": "call",
    "states": ["ask"],
    "actions": [{"name": "ask", "type": "sync"}],
    "transitions": [
        {"current": "init", "event": "start", "next": "ask"},
        {"current": "ask", "event": "success", "next": "done"},
    ],
}


@dataclass
class Seen:
    """What clients were told."""

    statuses: Counter[int] = field(default_factory=Counter)
    made: list[str] = field(default_factory=list)
    """Ids of acknowledged executions."""
    seconds: list[float] = field(default_factory=list)
    rude: list[str] = field(default_factory=list)
    """Refusals that do not say when to ask again."""

    def take(self, status: int, headers: dict[str, str], body: Any) -> None:
        self.statuses[status] += 1
        if status == 201:
            self.made.append(body["id"])
        elif status not in (429, 503) or "retry-after" not in headers:
            self.rude.append(f"{status} {body}")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "goflow.db")
    with ended(server):
        server.upload(json.dumps(ORDER).encode())
        yield server


async def answer_of(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], Any]:
    """Return the next answer of a connection."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.rstrip().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    body = await reader.readexactly(int(headers["content-length"]))
    return int(first.split()[1]), headers, json.loads(body)


def address_of(server: Server) -> tuple[str, int]:
    host, _, port = server.url.removeprefix("http://").rpartition(":")
    return host, int(port)


def ids_of(server: Server) -> list[str]:
    """Return the id of every execution there is."""
    found: list[str] = []
    query = "/v1/executions?limit=500"
    while True:
        page = server.client.get(query).json()
        found += [one["id"] for one in page["items"]]
        if page["next"] is None:
            return found
        query = f"/v1/executions?limit=500&cursor={page['next']}"


def is_sound(server: Server) -> bool:
    """Tell whether the checker finds nothing."""
    report = server.client.get("/v1/admin/verify", timeout=300).json()
    assert report["breaches"] == []
    return bool(report["ok"])


# ---------------------------------------------------------------- starts


def test_ten_thousand_starts_at_once_are_all_answered_and_none_is_lost(server: Server) -> None:
    seen = asyncio.run(storm(server, STARTS))
    assert seen.rude == []
    assert seen.statuses.total() == STARTS
    assert seen.statuses[201] > STARTS / 2, seen.statuses
    assert len(set(seen.made)) == len(seen.made)
    assert sorted(ids_of(server)) == sorted(seen.made)
    assert is_sound(server)


async def storm(server: Server, count: int) -> Seen:
    """Send *count* starts at one moment over all connections that there may be."""
    seen, ready = Seen(), asyncio.Event()
    room = asyncio.Semaphore(100)
    here = 0

    async def client(number: int) -> None:
        nonlocal here
        async with room:
            reader, writer = await asyncio.open_connection(*address_of(server))
            writer.write(GET + b"\r\n")
            await answer_of(reader)
        here += 1
        if here == CONNECTIONS:
            ready.set()
        await ready.wait()
        turns = range(number, count, CONNECTIONS)
        begin = time.monotonic()
        writer.write(b"".join(post(START, b'{"input": %d}' % turn) for turn in turns))
        for _ in turns:
            seen.take(*await answer_of(reader))
            seen.seconds.append(time.monotonic() - begin)
        writer.close()

    server.client.close()
    async with asyncio.timeout(ANSWER_SECONDS + count / 500):
        await asyncio.gather(*(client(number) for number in range(CONNECTIONS)))
    server.client = type(server.client)(base_url=server.url, timeout=60, trust_env=False)
    return seen


# ---------------------------------------------------------------- connections


def test_of_two_thousand_connections_the_surplus_is_refused_and_none_hangs(
    server: Server,
) -> None:
    told = asyncio.run(crowd(server))
    assert told[200] == CONNECTIONS, told
    assert told[503] + told[0] == SURPLUS, told
    # A few may be cut before they have read it; a client then knows as much.
    assert told[503] > SURPLUS * 0.9, told
    until(lambda: health(server) == 200, "there is room again")
    assert is_sound(server)


async def crowd(server: Server) -> Counter[int]:
    """Hold all connections, and come with as many more; return what each was told."""
    told: Counter[int] = Counter()
    full, over = asyncio.Event(), asyncio.Event()
    refused = 0
    room = asyncio.Semaphore(200)

    async def client(*, surplus: bool) -> None:
        nonlocal refused
        if surplus:
            await full.wait()
        async with room:
            status = 0
            reader, writer = await asyncio.open_connection(*address_of(server))
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                writer.write(GET + b"\r\n")
                async with asyncio.timeout(30):
                    status, headers, body = await answer_of(reader)
                    if status == 503:
                        assert (headers["retry-after"], body["code"]) == (
                            "1",
                            "too_many_connections",
                        )
        told[status] += 1
        refused += surplus
        if told[200] == CONNECTIONS:
            full.set()
        if refused == SURPLUS:
            over.set()
        await over.wait()
        writer.close()

    server.client.close()
    async with asyncio.timeout(ANSWER_SECONDS):
        await asyncio.gather(
            *(client(surplus=False) for _ in range(CONNECTIONS)),
            *(client(surplus=True) for _ in range(SURPLUS)),
        )
    server.client = type(server.client)(base_url=server.url, timeout=60, trust_env=False)
    return told


def health(server: Server) -> int:
    return server.client.get("/healthz").status_code


# ---------------------------------------------------------------- the same start again and again


def test_a_hundred_equal_starts_a_key_with_kills_in_between_are_one_execution(
    tmp_path: Path,
) -> None:
    port = free_port()
    server = Server(tmp_path / "goflow.db", port=port)
    server.upload(json.dumps(ORDER).encode())
    with contextlib.ExitStack() as stack:
        made = asyncio.run(insist(server, port, stack))
        server = made.server
        assert {len(ids) for ids in made.ids.values()} == {1}, made.ids
        assert len(made.ids) == KEYS
        assert made.answered == KEYS * REPEATS
        assert made.kills == 2
        assert sorted(ids_of(server)) == sorted(next(iter(ids)) for ids in made.ids.values())
        for key in made.ids:
            other = server.client.post(
                START, json={"input": "other"}, headers={"Idempotency-Key": key}
            )
            assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
        assert is_sound(server)


@dataclass
class Made:
    """What became of equal starts."""

    server: Server
    ids: dict[str, set[str]] = field(default_factory=dict)
    answered: int = 0
    kills: int = 0


async def insist(server: Server, port: int, stack: contextlib.ExitStack) -> Made:
    """Send equal starts until each is answered, while the server is killed and started again."""
    made = Made(server)
    stack.callback(lambda: made.server.stop())

    async def client(key: str) -> None:
        request = post(START, b'{"input": "the same"}', b"Idempotency-Key: " + key.encode())
        while True:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, TimeoutError):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                try:
                    writer.write(request)
                    async with asyncio.timeout(20):
                        status, _, body = await answer_of(reader)
                finally:
                    writer.close()
                if status == 201:
                    made.ids.setdefault(key, set()).add(body["id"])
                    made.answered += 1
                    return
                assert status in (409, 503), body
            await asyncio.sleep(0.02)

    async def killer() -> None:
        for share in (0, KEYS * REPEATS // 3):
            while made.answered < share:  # noqa: ASYNC110  # it is another process
                await asyncio.sleep(0.001)
            made.server.kill()
            made.server = await asyncio.to_thread(Server, server.data, port=port)
            made.kills += 1

    async with asyncio.timeout(ANSWER_SECONDS):
        keys = (f"key-{number}" for number in range(KEYS) for _ in range(REPEATS))
        await asyncio.gather(killer(), *(client(key) for key in keys))
    return made


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# ---------------------------------------------------------------- a backlog


def test_a_backlog_is_worked_off_at_an_even_pace_and_needs_no_sweeper(tmp_path: Path) -> None:
    mock = Mock()
    with ended(mock):
        mock.script(**{"w/ask": [{"status": 200, "body": {"ok": True}, "delay": 0.02}]})
        flags = ("--calls-in-flight-max", "10", "--endpoint", f"w={mock.url}/w")
        server = Server(tmp_path / "goflow.db", *flags)
        with ended(server):
            workers = [{"name": "ask", "workerEndpoint": "w"}]
            server.upload(json.dumps({**CALL, "workers": workers}).encode())
            made = [server.start("shop/call")["id"] for _ in range(BACKLOG)]
            until(lambda: running(server) == 0, "the backlog is gone", seconds=60 + BACKLOG / 20)
            ends = sorted(finished(server, made))
            quarter = len(ends) // 4
            first, last = ends[quarter] - ends[0], ends[-1] - ends[-quarter - 1]
            assert last < 4 * first + 2, (first, last)
            assert len(mock.calls()) == BACKLOG
            assert is_sound(server)


def running(server: Server) -> int:
    page = server.client.get("/v1/executions?status=running&limit=1").json()
    return len(page["items"])


def finished(server: Server, made: list[str]) -> Iterator[float]:
    """Return when each was completed, in seconds."""
    found: dict[str, Any] = {}
    query = "/v1/executions?status=completed&limit=500"
    while True:
        page = server.client.get(query).json()
        found |= {one["id"]: one["finishedAt"] for one in page["items"]}
        if page["next"] is None:
            break
        query = f"/v1/executions?status=completed&limit=500&cursor={page['next']}"
    assert set(found) == set(made)
    for text in found.values():
        yield datetime.fromisoformat(text).timestamp()
