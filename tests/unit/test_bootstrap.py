"""How the server is put together: which store it gets."""

import sys

import pytest

from goflow_py.bootstrap import running
from goflow_py.config import Settings
from goflow_py.errors import StartRefused
from goflow_py.store.memory import MemoryStore
from goflow_py.store.postgres import PostgresStore
from goflow_py.store.sqlite import SqliteStore


async def store_of(data: str) -> type:
    settings = Settings(data=data, port=0)
    async with running(settings) as server:
        return type(server.orchestrator.store)


async def test_the_data_says_which_store_it_is(tmp_path, database):
    assert await store_of("memory") is MemoryStore
    assert await store_of(str(tmp_path / "goflow.db")) is SqliteStore
    assert await store_of(database) is PostgresStore


async def test_a_database_without_its_driver_is_refused_in_one_line(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("goflow_py.store.postgres")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    with pytest.raises(StartRefused) as caught:
        await store_of("postgresql://h/db")
    assert caught.value.detail == (
        "data in PostgreSQL needs its driver: pip install 'goflow-py[postgres]'"
    )
