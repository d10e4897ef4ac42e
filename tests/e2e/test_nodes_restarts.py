"""Nodes that come and go in order: rolling restarts under load, and many that start at once."""

import os
import random
from pathlib import Path

import pytest

from tests.cluster import SHARDS, cluster, load
from tests.e2e.test_kills import Notes, mock
from tests.e2e.test_postgres import url
from tests.harness import Mock

__all__ = ["mock", "url"]  # the fixtures

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

RESTARTS = int(os.environ.get("GOFLOW_RESTARTS", "3"))
RACES = int(os.environ.get("GOFLOW_RACES", "4"))
MANY = 5
SECONDS = 30.0
"""For which a client waits: a proxy that gives up too soon is no fault of the nodes."""


def test_a_rolling_restart_loses_no_request_that_is_tried_once_more(
    url: str, mock: Mock, tmp_path: Path
) -> None:
    notes = Notes()
    with cluster(url, tmp_path, "--lease", "5", count=3) as found:
        with load(found, mock, notes, seconds=SECONDS) as callers:
            for number in range(RESTARTS):
                place = number % 3
                found.busy(place)
                assert found.nodes[place].stop() == 0
                found.again(place)
            found.even(3)
        assert [lost for caller in callers for lost in caller.twice] == []
        found.judge(mock, notes)


def test_nodes_that_start_at_once_or_come_and_go_share_what_there_is(
    url: str, mock: Mock, tmp_path: Path
) -> None:
    """On an empty database first, so that they race for the schema, too."""
    notes, chance = Notes(), random.Random(RACES)
    with cluster(url, tmp_path, count=MANY) as found:
        found.even(MANY)
        with load(found, mock, notes, seconds=1.0):
            for number in range(RACES):
                leaving = chance.sample(range(MANY), 2)
                found.nodes[leaving[0]].kill()
                if number % 2:
                    found.nodes[leaving[1]].kill()
                else:
                    assert found.nodes[leaving[1]].stop() == 0
                found.all_again(leaving)
            found.even(MANY)
        assert sum(found.shares()) == SHARDS
        found.judge(mock, notes)
