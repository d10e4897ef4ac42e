"""Nodes that come and go in order: rolling restarts under load, and many that start at once."""

import os
import random
from pathlib import Path

import pytest

from tests.cluster import cluster, load
from tests.e2e.test_kills import Notes, mock
from tests.e2e.test_postgres import url
from tests.harness import Mock

__all__ = ["mock", "url"]  # the fixtures

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

NODES = 5
MANY = "100"
"""Of each, in the soak."""
SECONDS = 30.0
"""For which a client waits: a proxy that gives up too soon is no fault of the nodes."""


def rolling(url: str, mock: Mock, folder: Path, count: int) -> None:
    """Restart one node of three after the other."""
    notes = Notes()
    with cluster(url, folder, "--lease", "5", count=3) as found:
        with load(found, mock, notes, seconds=SECONDS) as callers:
            for number in range(count):
                place = number % 3
                found.busy(place)
                assert found.nodes[place].stop() == 0
                found.again(place)
            found.even(3)
        assert [lost for caller in callers for lost in caller.twice] == []
        found.judge(mock, notes)


def racing(url: str, mock: Mock, folder: Path, count: int) -> None:
    """Start five nodes at once on an empty database; end two and start two, again and again."""
    notes, chance = Notes(), random.Random(count)
    with cluster(url, folder, count=NODES) as found:
        found.even(NODES)
        with load(found, mock, notes, seconds=1.0):
            for number in range(count):
                one, two = chance.sample(range(NODES), 2)
                found.nodes[one].kill()
                if number % 2:
                    found.nodes[two].kill()
                else:
                    assert found.nodes[two].stop() == 0
                found.all_again([one, two])
            found.even(NODES)
        found.judge(mock, notes)


def test_a_rolling_restart_loses_no_request_that_is_tried_once_more(
    url: str, mock: Mock, tmp_path: Path
) -> None:
    rolling(url, mock, tmp_path, 3)


def test_nodes_that_start_at_once_or_come_and_go_share_what_there_is(
    url: str, mock: Mock, tmp_path: Path
) -> None:
    racing(url, mock, tmp_path, 2)


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_rolling_restarts_lose_nothing(url: str, mock: Mock, tmp_path: Path) -> None:
    rolling(url, mock, tmp_path, int(os.environ.get("GOFLOW_RESTARTS", MANY)))


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_nodes_that_come_and_go_lose_nothing(url: str, mock: Mock, tmp_path: Path) -> None:
    racing(url, mock, tmp_path, int(os.environ.get("GOFLOW_RACES", MANY)))
