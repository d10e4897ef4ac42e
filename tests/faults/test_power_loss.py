"""The power fails at any moment: what was acknowledged is on disk, whole, and nothing half is.

The real store works in a process of its own whose writes, syncs and names are recorded. From the
record come disks as the power may leave them: what was not synced is lost, torn or out of order.
Each is opened as the next start would. With a weaker setting the same images must show losses.
"""

import asyncio
import contextlib
import os
import random
import shutil
import sqlite3
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from goflow_py.store.sqlite import SqliteStore, wal
from tests.faults import power_images
from tests.faults.power_images import ACKNOWLEDGED, Disk, Kind, Operation
from tests.faults.power_workload import COMMITS, NOW, Commit, content_of, plan

IMAGES = int(os.environ.get("GOFLOW_POWER_IMAGES", "20000"))
SOAK_IMAGES = max(IMAGES, 100_000)
WEAK_IMAGES = 600
EVERY_EXAMINED, EVERY_INTEGRITY, EVERY_REAL_OPEN = 5, 40, 250
DATA, LOG, COPY = "data/goflow.db", "data/goflow.db-wal", "copy.db"
NOTHING = Commit((), None, ([], [], []))

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(1_800),
    pytest.mark.skipif(sys.platform != "linux", reason="records a process with LD_PRELOAD"),
    pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc builds the recorder"),
]


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a directory in memory where there is one: an image is written in no time."""
    memory = Path("/dev/shm")
    place = tempfile.mkdtemp(prefix="goflow-", dir=memory if memory.is_dir() else None)
    yield Path(place)
    shutil.rmtree(place)


def recorded(folder: Path, synchronous: str) -> list[Operation]:
    directory = folder / "recorded"
    directory.mkdir()
    return power_images.record(
        folder, "tests.faults.power_workload", str(directory), synchronous, directory=directory
    )


@dataclass
class Judge:
    """Holds images against what was acknowledged before the power failed."""

    place: Path
    commits: list[Commit] = field(default_factory=lambda: [NOTHING, *plan()])
    opened: bool = False
    backed_up: bool = False
    acknowledged: int = 0
    """Commits."""
    fates: Counter[str] = field(default_factory=Counter)

    def note(self, lines: bytes) -> None:
        """Take down what the process was promised."""
        for line in lines.split():
            match line:
                case b"open":
                    self.opened = True
                case b"backup":
                    self.backed_up = True
                case b"closed":
                    pass
                case number:
                    self.acknowledged = int(number) + 1

    def look(self, image: dict[str, bytearray | None]) -> None:
        """Judge one image."""
        number = self.fates.total()
        power_images.write(image, self.place)
        fate = self._copy(image)
        if fate == "whole" and not self.opened:
            asyncio.run(_opens(self.place / DATA))
            fate = "before the first start"
        elif fate == "whole" and DATA not in image:
            fate = "lost"
        elif fate == "whole":
            if number % EVERY_EXAMINED == 0 and wal.damage(self.place / DATA) is not None:
                fate = "taken for damaged"
            elif number % EVERY_REAL_OPEN == 0:
                asyncio.run(_opens(self.place / DATA))
            if fate == "whole":
                with_integrity = number % EVERY_INTEGRITY == 0
                fate = self._content(self.place / DATA, with_integrity=with_integrity)
        self.fates[fate] += 1

    def _copy(self, image: dict[str, bytearray | None]) -> str:
        """A backup is there whole, or not at all; once acknowledged it is there."""
        if COPY not in image:
            return "backup lost" if self.backed_up else "whole"
        with contextlib.closing(_connect(self.place / COPY)) as connection:
            found = content_of(connection)
        return "whole" if found in (c.content for c in self.commits) else "broken backup"

    def _content(self, path: Path, *, with_integrity: bool) -> str:
        try:
            with contextlib.closing(_connect(path)) as connection:
                found = content_of(connection)
                if with_integrity:
                    [(said,)] = connection.execute("PRAGMA integrity_check").fetchall()
                    if said != "ok":
                        return "broken"
        except sqlite3.Error:
            return "broken"
        # What was begun and not acknowledged may be there: whole.
        allowed = self.commits[self.acknowledged : self.acknowledged + 2]
        if any(found == commit.content for commit in allowed):
            return "whole"
        return "lost" if any(found == commit.content for commit in self.commits) else "broken"


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")  # needs no shared memory: faster
    connection.execute("PRAGMA synchronous = OFF")
    return connection


async def _opens(path: Path) -> None:
    store = SqliteStore(path)
    await store.open(node="n", now=NOW, ttl_ms=10_000)
    await store.ping()
    await store.close()


def judged(operations: list[Operation], folder: Path, images: int) -> Counter[str]:
    """Cut the power after every operation, *images* times in all."""
    place = folder / "image"
    place.mkdir()
    disk, judge, chance = Disk(), Judge(place), random.Random(images)
    told = [one for one in operations if not one.path.endswith(("-shm", ".lock"))]
    moments = sum(1 for one in told if one.path != ACKNOWLEDGED)
    due = 0.0
    for operation in told:
        if operation.path == ACKNOWLEDGED:
            judge.note(operation.data)
            continue
        disk.take(operation)
        due += images / moments
        while due >= 1:
            due -= 1
            judge.look(disk.image(chance))
    assert judge.acknowledged == COMMITS and judge.backed_up
    return judge.fates


def lose_nothing(folder: Path, images: int) -> None:
    operations = recorded(folder, "FULL")
    kinds = Counter((one.kind, one.path) for one in operations)
    assert kinds[Kind.SYNCED, DATA] > 5, "checkpoints are in the run"
    assert kinds[Kind.CUT, LOG] > 1, "so is the log that starts anew"
    fates = judged(operations, folder, images)
    assert set(fates) == {"whole", "before the first start"}, fates
    assert fates.total() >= images - 1


def test_power_loss_at_any_moment_loses_nothing(folder: Path) -> None:
    lose_nothing(folder, IMAGES)


@pytest.mark.soak
def test_power_loss_loses_nothing_in_many_more_images(folder: Path) -> None:
    lose_nothing(folder, SOAK_IMAGES)


def test_a_store_that_syncs_less_is_caught_losing_acknowledged_commits(folder: Path) -> None:
    fates = judged(recorded(folder, "NORMAL"), folder, WEAK_IMAGES)
    assert fates["lost"] > WEAK_IMAGES / 10, fates
    assert fates["broken"] == 0, "it loses the newest commits, and only those"


def test_a_directory_that_is_not_synced_is_caught(folder: Path) -> None:
    operations = [
        one for one in recorded(folder, "FULL") if not (one.kind is Kind.SYNCED and one.path == "")
    ]
    fates = judged(operations, folder, WEAK_IMAGES)
    assert fates["lost"] > 0 and fates["backup lost"] > 0, fates
