"""Nodes that die, or stand still and wake up, under load: the others go on, nothing is lost."""

import os
import random
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from goflow_py.bootstrap import EXIT_LOST
from tests.cluster import SLOW, TAKEOVER_SECONDS, cluster, load
from tests.e2e.test_kills import Notes, mock
from tests.e2e.test_postgres import url
from tests.harness import Mock

__all__ = ["mock", "url"]  # the fixtures

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

TAKEOVERS = int(os.environ.get("GOFLOW_TAKEOVERS", "10"))
ZOMBIES = int(os.environ.get("GOFLOW_ZOMBIES", "10"))

Report = Callable[[str, object], None]


@pytest.fixture
def report(record_property: Report) -> Iterator[Callable[[list[float]], None]]:
    """Say how long takeovers took, and hold them to a bound that slow machines keep, too."""

    def said(seconds: list[float]) -> None:
        worst, middle = max(seconds), statistics.median(seconds)
        record_property("takeover", f"median {middle:.2f} s, worst {worst:.2f} s")
        print(f"takeovers: {len(seconds)}, median {middle:.2f} s, worst {worst:.2f} s")
        assert middle <= TAKEOVER_SECONDS * SLOW

    yield said


def kills(url: str, mock: Mock, folder: Path, count: int) -> list[float]:
    """Kill one node of two, then of three, again and again; return how long takeovers took."""
    chance, notes, seconds = random.Random(count), Notes(), list[float]()
    with cluster(url, folder, count=2) as found:
        found.start(1)
        with load(found, mock, notes):
            for _ in range(count):
                time.sleep(chance.uniform(0.0, 0.4))  # the moment of the crash is the test's input
                place = chance.randrange(len(found.nodes))
                death = found.kill(place)
                if chance.random() < 0.5:
                    found.again(place)
                seconds.append(found.taken_over(death))
                if found.nodes[place].child.poll() is not None:
                    found.again(place)
        found.judge(mock, notes)
    return seconds


def zombies(url: str, mock: Mock, folder: Path, count: int) -> list[float]:
    """Pause a node for longer than its lease, again and again; return how long takeovers took."""
    chance, notes, seconds = random.Random(count), Notes(), list[float]()
    with cluster(url, folder, count=2) as found:
        with load(found, mock, notes, seconds=1.0):
            for _ in range(count):
                time.sleep(chance.uniform(0.0, 0.4))  # the moment of the pause is the test's input
                place = chance.randrange(len(found.nodes))
                death = found.pause(place)
                seconds.append(found.taken_over(death))
                found.wake(place)
                assert found.code(place) == EXIT_LOST
                found.again(place)
        found.judge(mock, notes)
    return seconds


def test_10_nodes_that_are_killed_lose_nothing(
    url: str, mock: Mock, tmp_path: Path, report: Callable[[list[float]], None]
) -> None:
    report(kills(url, mock, tmp_path, TAKEOVERS))


def test_10_nodes_that_wake_behind_their_lease_write_nothing(
    url: str, mock: Mock, tmp_path: Path, report: Callable[[list[float]], None]
) -> None:
    report(zombies(url, mock, tmp_path, ZOMBIES))
