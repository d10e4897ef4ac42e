"""The database crashes under two servers and their clients: nothing acknowledged is lost."""

import os
import time

import pytest

from tests.e2e.test_kills import mock
from tests.e2e.test_postgres import database
from tests.faults.database import LEASE_SECONDS, Nodes, suffer
from tests.harness import Mock
from tests.postgres import server as postgres

__all__ = ["mock"]  # the fixture

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
SURE_SECONDS = LEASE_SECONDS / 3
"""With an outage no longer than this no lease lapses, whenever the last heartbeat was."""


def crashes(mock: Mock, count: int) -> None:
    """Crash the database under load, again and again."""
    with postgres() as own, database(own) as url:
        outages: list[float] = []

        def crash(_: Nodes) -> None:
            began = time.monotonic()
            own.stop("immediate")
            own.start()
            outages.append(time.monotonic() - began)

        nodes = suffer(mock, url, count, crash)
        assert len(outages) == count
        assert nodes.lapsed == 0 or max(outages) > SURE_SECONDS


def test_20_crashes_of_the_database_lose_nothing_and_end_no_server(mock: Mock) -> None:
    crashes(mock, 20)


@pytest.mark.soak
@pytest.mark.timeout(3_600)
def test_crashes_of_the_database_lose_nothing(mock: Mock) -> None:
    crashes(mock, int(os.environ.get("GOFLOW_CRASHES", "200")))
