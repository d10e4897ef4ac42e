"""A server on PostgreSQL, as its users run it: killed, cut off, started again; nothing is lost."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.cluster import SLOW, TAKEOVER_SECONDS
from tests.e2e.test_kills import mock, soak
from tests.harness import Mock, Server, ended, until
from tests.postgres import Server as Postgres

__all__ = ["mock"]  # the fixture

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

BLUEPRINT = {
    "project": "shop",
    "activity": "order",
    "states": ["reserve", {"name": "hold", "on": {"paid": "nap"}}, "nap", "ship"],
    "actions": [
        {"name": "reserve", "type": "sync"},
        {"name": "nap", "type": "delay", "seconds": 0.3},
        {"name": "ship", "type": "sync", "input": {"n": "$.input.n"}},
    ],
    "transitions": [
        {"current": "init", "event": "start", "next": "reserve"},
        {"current": "reserve", "event": "success", "next": "hold"},
        {"current": "nap", "event": "success", "next": "ship"},
    ],
}
MANY = 12


@pytest.fixture
def url(postgres: Postgres) -> Iterator[str]:
    with database(postgres) as found:
        yield found


@contextmanager
def database(postgres: Postgres) -> Iterator[str]:
    """Make a database for a while."""
    fresh = postgres.fresh()
    with asyncio.Runner() as runner:
        found = runner.run(fresh.__aenter__())
        try:
            yield found
        finally:
            runner.run(fresh.__aexit__(None, None, None))


def order(server: Server, mock: Mock) -> list[str]:
    """Start executions that wait for an event; return their ids."""
    workers = [
        {"name": name, "workerEndpoint": f"{mock.url}/w", "retryCount": 5}
        for name in ("reserve", "ship")
    ]
    answer = server.client.post("/v1/blueprints", json={**BLUEPRINT, "workers": workers})
    assert answer.status_code == 201, answer.text
    started = [
        server.start("shop/order", {"n": n}, **{"Idempotency-Key": str(n)}) for n in range(MANY)
    ]
    ids = [one["id"] for one in started]
    until(lambda: all(server.get(one)["state"] == "hold" for one in ids), "all wait")
    return ids


def pay(server: Server, execution: str) -> None:
    """Send the event that an execution waits for."""
    body = {"id": f"paid-{execution}", "name": "paid"}
    answer = server.client.post(f"/v1/executions/{execution}/events", json=body)
    assert answer.status_code in (200, 201, 202), answer.text


def test_what_was_started_ends_behind_a_kill_and_every_rule_holds(url: str, mock: Mock) -> None:
    server = Server(url)
    ids = order(server, mock)
    for execution in ids[: MANY // 2]:
        pay(server, execution)
    server.kill()
    server = Server(url)
    with ended(server):
        again = server.start("shop/order", {"n": 0}, **{"Idempotency-Key": "0"})
        assert again["id"] == ids[0], "the name of the start is known"
        for execution in ids:
            pay(server, execution)  # a repeat is told apart by its id
        assert {server.end_of(one)["status"] for one in ids} == {"completed"}
        report = server.client.get("/v1/admin/verify", timeout=60).json()
        assert (report["breaches"], report["byStatus"]) == ([], {"completed": MANY})


def test_two_servers_share_the_work_and_one_goes_on_alone(url: str, mock: Mock) -> None:
    """Whoever is asked answers; the survivor of a kill takes over within the lease and 2 s."""
    first, second = Server(url, "--lease", "2"), Server(url, "--lease", "2")
    with ended(first, second):
        ids = order(first, mock) + [
            second.start("shop/order", {"n": n})["id"] for n in range(MANY, 2 * MANY)
        ]
        assert {second.get(one)["id"] for one in ids} == set(ids)
        until(lambda: all(first.get(one)["state"] == "hold" for one in ids), "all wait")
        for execution in ids[::2]:
            pay(second, execution)
        first.kill()
        killed = time.monotonic()
        for execution in ids:
            pay(second, execution)  # one that nobody owns waits for its next owner
        assert {second.end_of(one)["status"] for one in ids} == {"completed"}
        assert time.monotonic() - killed < TAKEOVER_SECONDS * SLOW
        report = second.client.get("/v1/admin/verify", timeout=60).json()
        assert (report["breaches"], report["byStatus"]) == ([], {"completed": 2 * MANY})


def test_a_server_that_finds_no_other_waits_for_no_lease(url: str, mock: Mock) -> None:
    server = Server(url, "--lease", "300")
    ids = order(server, mock)
    server.kill()
    server = Server(url, "--lease", "300")
    with ended(server):
        pay(server, ids[0])
        assert server.end_of(ids[0])["status"] == "completed"


def test_20_kills_of_the_server_lose_nothing(url: str, mock: Mock) -> None:
    soak(mock, url, 20)
