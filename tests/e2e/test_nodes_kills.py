"""Nodes that die, or stand still and wake up, under load: the others go on, nothing is lost."""

import logging
import os
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from goflow_py.bootstrap import EXIT_LOST
from tests.cluster import SLOW, TAKEOVER_SECONDS, cluster, load
from tests.e2e.test_kills import Notes, mock
from tests.e2e.test_postgres import url
from tests.harness import Mock

__all__ = ["mock", "url"]  # the fixtures

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

log = logging.getLogger(__name__)

MANY = "100"
"""Of each, in the soak."""

ALL_EVERY = 5
"""Each time of so many, all nodes die at once."""

Report = Callable[[list[float]], None]


@pytest.fixture
def report(record_property: Callable[[str, object], None]) -> Report:
    """Say how long takeovers took; each was held to a bound that slow machines keep, too."""

    def said(seconds: list[float]) -> None:
        worst, middle = max(seconds), statistics.median(seconds)
        record_property("takeover", f"median {middle:.2f} s, worst {worst:.2f} s")
        log.info("takeovers: %d, median %.2f s, worst %.2f s", len(seconds), middle, worst)
        assert middle <= TAKEOVER_SECONDS * SLOW

    return said


def kills(url: str, mock: Mock, folder: Path, count: int) -> list[float]:
    """Kill one of three nodes, now and then all; return how long others took to take over."""
    chance, notes, seconds = random.Random(count), Notes(), list[float]()
    with cluster(url, folder, count=3) as found:
        with load(found, mock, notes):
            for number in range(count):
                time.sleep(chance.uniform(0.0, 0.4))  # the moment of the crash is the test's input
                if number % ALL_EVERY == ALL_EVERY - 1:
                    deaths = [found.kill(place) for place in range(3)]
                    found.all_again(range(3))
                    for death in deaths:
                        found.taken_over(death)
                    continue
                place = chance.randrange(3)
                death = found.kill(place)
                if is_back := chance.random() < 0.5:
                    found.again(place)
                seconds.append(found.taken_over(death))
                if not is_back:
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
    url: str, mock: Mock, tmp_path: Path, report: Report
) -> None:
    report(kills(url, mock, tmp_path, 10))


def test_10_nodes_that_wake_behind_their_lease_write_nothing(
    url: str, mock: Mock, tmp_path: Path, report: Report
) -> None:
    report(zombies(url, mock, tmp_path, 10))


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_nodes_that_are_killed_lose_nothing(
    url: str, mock: Mock, tmp_path: Path, report: Report
) -> None:
    report(kills(url, mock, tmp_path, int(os.environ.get("GOFLOW_TAKEOVERS", MANY))))


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_nodes_that_wake_behind_their_lease_write_nothing(
    url: str, mock: Mock, tmp_path: Path, report: Report
) -> None:
    report(zombies(url, mock, tmp_path, int(os.environ.get("GOFLOW_ZOMBIES", MANY))))
