"""The engine and the store's transactions in a world that breaks: every promise holds."""

import os

import pytest

from goflow_py.torture.fleet import Totals, torture
from goflow_py.torture.loop import HOST, Host, VirtualLoop
from goflow_py.torture.points import Point, crash
from goflow_py.torture.run import simulate

CHUNKS = 4
FAULTS = int(os.environ.get("GOFLOW_SIM_FAULTS", "20000"))
STORIES = int(os.environ.get("GOFLOW_CRASH_STORIES", "4"))
SECONDS = 1_800.0
pytestmark = pytest.mark.timeout(SECONDS)


def _nothing_is_broken(totals: Totals) -> None:
    assert totals.broken == []
    assert [(run["name"], run["breaches"][0]) for run in totals.failed] == []
    assert totals.ok


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_whatever_breaks_nothing_acknowledged_is_lost_and_nothing_is_stuck(chunk: int) -> None:
    first = 1 + chunk * 1_000_000
    totals = torture(seconds=SECONDS, first=first, jobs=1, faults=FAULTS // CHUNKS)
    _nothing_is_broken(totals)
    assert sum(totals.faults.values()) >= FAULTS // CHUNKS
    assert totals.executions > totals.runs * 10


@pytest.mark.parametrize("story", range(1, STORIES + 1))
def test_a_crash_at_any_commit_or_await_is_recovered_from(story: int) -> None:
    totals = torture(seconds=SECONDS, first=story, points=1, jobs=1)
    _nothing_is_broken(totals)
    assert totals.runs > 1_250


def test_the_same_seed_is_the_same_run() -> None:
    one, other = (torture(seconds=60, first=5, runs=3, jobs=jobs) for jobs in (1, 2))
    assert one.as_json() == other.as_json()
    assert simulate(5).digest == simulate(5).digest


def test_a_crash_point_can_be_asked_for_by_its_name() -> None:
    point = Point.read("1:linear:during:3")
    result = crash(point)
    assert (result.name, result.breaches, sum(result.faults.values())) == (str(point), [], 1)


def test_a_dead_host_runs_nothing_and_a_frozen_one_runs_it_later() -> None:
    loop = VirtualLoop()  # type: ignore[abstract]
    ran: list[str] = []
    dead, frozen = Host("dead"), Host("frozen", frozen=True)

    async def main() -> None:
        for host in (dead, frozen):
            HOST.set(host)
            loop.call_later(1.0, ran.append, host.name)
        HOST.set(None)
        dead.dead = True
        pause = loop.create_future()
        loop.call_later(2.0, pause.set_result, None)
        await pause
        assert ran == []
        loop.thaw(frozen)
        pause = loop.create_future()
        loop.call_later(1.0, pause.set_result, None)
        await pause

    loop.run(main())
    assert ran == ["frozen"]
    assert loop.time() == 3.0


@pytest.mark.parametrize(("nodes", "first", "count"), [(2, 1, 20), (3, 100, 10)])
def test_nodes_on_one_store_keep_every_promise(nodes: int, first: int, count: int) -> None:
    results = [simulate(seed, nodes=nodes) for seed in range(first, first + count)]
    assert [(one.name, one.breaches[0]) for one in results if one.breaches] == []
    assert sum(sum(one.faults.values()) for one in results) > 10 * count
