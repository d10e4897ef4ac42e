"""Servers that others could reach, and two projects on them that know nothing of each other."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.conftest import Api, Serve, serve, session, worker
from tests.safety.tenants import Echo, Guarded, Tenant, settle

__all__ = ["serve", "session", "worker"]


@pytest.fixture
async def echo() -> AsyncIterator[Echo]:
    """A worker that says what it was sent."""
    async with Echo.serving() as found:
        yield found


@pytest.fixture
async def guarded(serve: Serve, tmp_path: Path) -> AsyncIterator[Guarded]:
    """A server beyond loopback, with the first administrator's key."""
    file = tmp_path / "admin.key"
    settings = {"host": "0.0.0.0", "bootstrap_key_file": file, "allow_target": ("127.0.0.1",)}
    async with serve(**settings) as (server, api):
        # The tests here send more wrong keys than anybody may; that has a test of its own.
        server.door.access.refusals.failures_max = 1_000_000
        admin = api.with_key(file.read_text().strip())
        yield Guarded(server=server, admin=admin, data=tmp_path / "data" / "goflow.db")


@pytest.fixture
async def anna(guarded: Guarded, echo: Echo) -> Tenant:
    """The project that looks around."""
    return await settle(guarded, "annas", "annas-mark-5c1", echo)


@pytest.fixture
async def bert(guarded: Guarded, echo: Echo) -> Tenant:
    """The project that has something to hide, in every field that it can set."""
    return await settle(guarded, "berts", "berts-mark-9d7", echo)


@pytest.fixture
def stranger(guarded: Guarded) -> Api:
    """Somebody without a key."""
    return guarded.admin.with_key(None)
