"""The primary dies, and a standby that had to confirm every commit takes its place."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.e2e.test_kills import mock
from tests.faults.database import Nodes, suffer
from tests.harness import Mock
from tests.postgres import Pair, pair

__all__ = ["mock"]  # the fixture

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
DATABASE = "shop"
SWITCHES = 3


@pytest.fixture
def both() -> Iterator[Pair]:
    with pair() as found:
        asyncio.run(found.primary.execute(f"CREATE DATABASE {DATABASE}"))
        yield found


def test_switches_to_the_standby_under_load_lose_nothing(mock: Mock, both: Pair) -> None:
    def switch(_: Nodes) -> None:
        both.switch()
        asyncio.run(both.join())  # until then nothing is acknowledged

    # A lease that ends while no standby answers ends its server; another one begins.
    suffer(mock, both.url(DATABASE), SWITCHES, switch)
