"""The first key is made once, however many servers start on one database."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from goflow_py.api.auth import Access
from goflow_py.api.first_key import FIRST_KIND, make_first_key
from goflow_py.errors import StartRefused
from goflow_py.store.memory import MemoryStore
from goflow_py.store.tables import Tables
from goflow_py.testing import FakeClock


@pytest.fixture
async def servers() -> AsyncIterator[list[Access]]:
    """What three servers that start at one moment know of keys: none."""
    clock, tables = FakeClock(), Tables()
    stores = [MemoryStore(tables) for _ in range(3)]
    for number, store in enumerate(stores):
        await store.open(node=f"n{number}", now=clock.now_ms(), ttl_ms=10_000)
    found = [Access(store=store, clock=clock, required=True) for store in stores]
    for one in found:
        await one.load()
    yield found
    for store in stores:
        await store.close()


def write(path: Path, text: bytes) -> None:
    path.write_bytes(text)


async def make(access: Access, path: Path, *, is_alone: bool = False) -> None:
    await make_first_key(access, path=path, write=write, is_alone=is_alone)


async def test_of_servers_that_start_at_once_one_writes_a_key(
    servers: list[Access], tmp_path: Path
) -> None:
    files = [tmp_path / f"{number}" for number in range(3)]
    await asyncio.gather(*(make(one, file) for one, file in zip(servers, files, strict=True)))
    [written] = [file for file in files if file.exists()]
    [key] = await servers[0].store.keys()
    assert written.read_text().split("_")[1] == key.id


async def test_a_server_that_comes_late_finds_the_key_that_was_made_meanwhile(
    servers: list[Access], tmp_path: Path
) -> None:
    await make(servers[0], tmp_path / "a")
    await servers[1].store.sweep(before=servers[1].clock.now_ms() + 60_000, limit=9)
    await make(servers[1], tmp_path / "b")
    assert len(await servers[0].store.keys()) == 1 and not (tmp_path / "b").exists()
    assert servers[1].keys.keys() == servers[0].keys.keys()


async def test_a_server_that_died_over_it_keeps_others_from_it_for_a_while_only(
    servers: list[Access], tmp_path: Path
) -> None:
    def full(_: Path, __: bytes) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(StartRefused, match="No space left"):
        await make_first_key(servers[0], path=tmp_path / "a", write=full, is_alone=False)
    await make(servers[1], tmp_path / "b")
    assert not (tmp_path / "b").exists()
    name = await servers[1].store.name("", FIRST_KIND, "", "first")
    assert name is not None and name.expires is not None
    await servers[1].store.sweep(before=name.expires + 1, limit=9)
    await make(servers[1], tmp_path / "b")
    assert (tmp_path / "b").exists()


async def test_a_server_that_is_alone_makes_it_anew_at_once(
    servers: list[Access], tmp_path: Path
) -> None:
    await make(servers[0], tmp_path / "a", is_alone=True)
    assert (tmp_path / "a").exists()
    assert await servers[0].store.name("", FIRST_KIND, "", "first") is None
