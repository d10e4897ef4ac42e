"""The servers that share a database, as an operator sees them come and go."""

from collections.abc import Iterator

import pytest

from tests.browser.conftest import Person
from tests.harness import Server, ended
from tests.postgres import Server as Postgres

LEASE = ("--lease", "2")


@pytest.fixture
def server(postgres: Postgres) -> Iterator[Server]:
    """Whose pages are shown. No other test has this database: to make one takes a loop, and none
    can run beside a browser.
    """
    process = Server(postgres.url(), *LEASE)
    with ended(process):
        yield process


def test_nodes_are_seen_to_come_and_to_go(person: Person, server: Server) -> None:
    shown = person.opens("settings")
    nodes = shown.locator(".nodes tbody tr")
    nodes.filter(has_text="this one").filter(has_text="256").wait_for()
    other = Server(server.data, *LEASE)
    try:
        row = nodes.filter(has_text=other.url)
        row.filter(has_text="ok").wait_for()
        assert nodes.count() == 2
    finally:
        other.kill()
    row.wait_for(state="detached")
    nodes.filter(has_text=server.url).filter(has_text="256").wait_for()
