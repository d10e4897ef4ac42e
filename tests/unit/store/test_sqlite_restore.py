"""A restore that is cut or fails at any of its steps: data and key are of one time, always."""

import os
from pathlib import Path

import pytest

from goflow_py.errors import StartRefused
from goflow_py.store.sqlite import SqliteStore, backup
from goflow_py.store.sqlite.datafile import DataFile, finish_restore, part_of

OLD, NEW = b"o" * 32, b"n" * 32


class Cut(BaseException):
    """The process ends here."""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data file with its key, and a part that is about to replace it."""
    path = tmp_path / "goflow.db"
    path.write_bytes(b"old")
    (tmp_path / "goflow.db.key").write_bytes(OLD)
    part_of(path).write_bytes(b"new")
    return path


def found(data: Path) -> tuple[bytes, bytes]:
    return data.read_bytes(), data.with_name("goflow.db.key").read_bytes()


def names(data: Path) -> set[str]:
    return {one.name for one in data.parent.iterdir()}


def kept(data: Path) -> Path:
    return data.with_name("kept.db")


def test_what_is_replaced_keeps_its_key(data: Path) -> None:
    assert backup.put_in_place(data, key=NEW, kept=kept(data))
    assert found(data) == (b"new", NEW)
    assert (kept(data).read_bytes(), Path(f"{kept(data)}.key").read_bytes()) == (b"old", OLD)
    assert names(data) == {"goflow.db", "goflow.db.key", "kept.db", "kept.db.key"}


def test_a_copy_without_a_key_leaves_the_one_that_is_there(data: Path) -> None:
    backup.put_in_place(data, key=None, kept=kept(data))
    assert found(data) == (b"new", OLD)


def test_a_restore_cut_before_its_key_is_finished_by_the_next_start(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(_: Path) -> bool:
        raise Cut

    monkeypatch.setattr(backup, "finish_restore", cut)
    with pytest.raises(Cut):
        backup.put_in_place(data, key=NEW, kept=kept(data))
    assert found(data) == (b"new", OLD), "the crash stands between the two"
    with pytest.raises(StartRefused, match="finished now: start again"):
        DataFile(data).acquire()
    assert found(data) == (b"new", NEW)
    (again := DataFile(data)).acquire()
    again.release()


def test_a_restore_cut_before_its_data_leaves_the_old_key(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(*_: object) -> None:
        raise Cut

    monkeypatch.setattr(os, "link", cut)
    with pytest.raises(Cut):
        backup.put_in_place(data, key=NEW, kept=kept(data))
    (file := DataFile(data)).acquire()
    file.release()
    assert found(data) == (b"old", OLD)
    assert names(data) == {"goflow.db", "goflow.db.key", "goflow.db.lock"}


def test_data_that_cannot_be_replaced_is_left_as_it_was(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    before = names(data)
    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="No space"):
        backup.put_in_place(data, key=NEW, kept=kept(data))
    monkeypatch.undo()
    finish_restore(data)
    assert found(data) == (b"old", OLD)
    assert names(data) == before - {part_of(data).name}


def test_a_copy_is_not_made_while_its_data_has_another_times_key(data: Path) -> None:
    data.with_name(".goflow.db.key.part").write_bytes(NEW)
    with pytest.raises(StartRefused, match="was cut short"):
        backup.backup(data, data.with_name("copy.db"))


@pytest.mark.parametrize(
    ("content", "said"), [(b"", "0 bytes"), (b"k" * 31, "31 bytes"), (b"k" * 33, "33 bytes")]
)
def test_a_key_of_another_length_is_refused(data: Path, content: bytes, said: str) -> None:
    data.with_name("goflow.db.key").write_bytes(content)
    with pytest.raises(StartRefused, match=f"it has {said}, not 32"):
        backup.key_of(data)


async def test_a_restored_file_begins_another_order_of_commits(tmp_path: Path) -> None:
    """Its numbers are given anew: a cursor of the lost time must not be taken for one of it."""

    async def line() -> str:
        store = SqliteStore(tmp_path / "part.db")
        await store.open(node="n", now=1, ttl_ms=1_000)
        found, _ = await store.newest_commit()
        await store.close()
        return found

    before = await line()
    assert await line() == before, "a restart goes on with it"
    backup.settle(tmp_path / "part.db", replaced=tmp_path / "none.db", now=1)
    assert await line() != before
