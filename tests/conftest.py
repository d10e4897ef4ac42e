"""What holds for every test: no setting of the machine leaks in, no property races a clock."""

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.postgres import Server

# A loaded machine is slow, and that is no finding. CI draws the same examples every time.
settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("here"), derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "here")

SIZES = {
    "GOFLOW_KILLS",
    "GOFLOW_CRASHES",
    "GOFLOW_TAKEOVERS",
    "GOFLOW_ZOMBIES",
    "GOFLOW_PARTITIONS",
    "GOFLOW_RESTARTS",
    "GOFLOW_RACES",
    "GOFLOW_MOVES",
    "GOFLOW_FUZZ_EXAMPLES",
    "GOFLOW_ISOLATION_EXAMPLES",
    "GOFLOW_POWER_IMAGES",
    "GOFLOW_SYSCALL_KILLS",
    "GOFLOW_BIT_FLIPS",
    "GOFLOW_HALF_OPEN",
    "GOFLOW_CUTS",
    "GOFLOW_LOAD_STARTS",
    "GOFLOW_LOAD_BACKLOG",
    "GOFLOW_STORM_KILLS",
    "GOFLOW_STOP_SECONDS",
    "GOFLOW_SIM_FAULTS",
    "GOFLOW_CRASH_STORIES",
}
"""How long the soak is: these are no settings of a server."""

for name in [name for name in os.environ if name.startswith("GOFLOW_")]:
    if name not in SIZES:
        del os.environ[name]


@pytest.fixture(scope="session")
def postgres() -> "Iterator[Server]":
    """A PostgreSQL server, started when the first test asks for it."""
    from tests.postgres import server

    with server() as found:
        yield found


@pytest.fixture
async def database(postgres: "Server") -> "AsyncIterator[str]":
    """The address of a database that is this test's own."""
    async with postgres.fresh() as url:
        yield url
