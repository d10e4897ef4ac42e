"""Copies: what is said of one that cannot be made the data again."""

from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from goflow_py.cli import places
from tests.unit.cli.conftest import goflow


def test_a_copy_that_cannot_be_read_is_named_and_not_the_password_of_the_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def running(work: Coroutine[Any, Any, Any]) -> Any:
        work.close()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(places, "running", running)
    copy = tmp_path / "copy.db"
    copy.touch()
    said = goflow("restore", str(copy), "--data", "postgresql://me:secret@db/shop")
    assert said.code == 1
    assert f"{copy} cannot be read: No space left on device" in said.err
    assert "secret" not in said.err + said.out
