"""What a disk may hold after the power failed: rebuilt from the record of a process.

What was synced is there. Of what was not, each write is there, or is not, or is there in some of
its sectors, whatever came before or after it; of the changes of names the first few are there.
"""

import enum
import os
import random
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

HEADER = struct.Struct("=IIQQ")
SECTOR = 512
RECORDER = Path(__file__).with_name("power_recorder.c")
ACKNOWLEDGED = "acknowledged"
RUN_SECONDS = 60


class Kind(enum.IntEnum):
    """As in the recorder."""

    CREATED = 1
    WRITTEN = 2
    CUT = 3
    SYNCED = 4
    UNLINKED = 5
    LINKED = 6
    RENAMED = 7
    MADE_DIRECTORY = 8


@dataclass(frozen=True, slots=True)
class Operation:
    kind: Kind
    path: str
    offset: int
    data: bytes


def record(folder: Path, *command: str, directory: Path) -> list[Operation]:
    """Run a command of this Python; return what it did to the files of *directory*."""
    library, log = folder / "recorder.so", folder / "log"
    subprocess.run(
        ["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", library, RECORDER], check=True
    )
    environment = {
        **os.environ,
        "LD_PRELOAD": str(library),
        "POWER_DIR": str(directory),
        "POWER_LOG": str(log),
    }
    subprocess.run(
        [sys.executable, "-m", *command], env=environment, check=True, timeout=RUN_SECONDS
    )
    return list(_operations(log.read_bytes()))


def _operations(log: bytes) -> Iterator[Operation]:
    place = 0
    while place < len(log):
        kind, path_bytes, offset, size = HEADER.unpack_from(log, place)
        place += HEADER.size
        path = log[place : place + path_bytes].decode()
        place += path_bytes
        yield Operation(Kind(kind), path, offset, log[place : place + size])
        place += size


@dataclass(eq=False, slots=True)
class Inode:
    """A file: what of it is on disk for certain, and what may be."""

    durable: bytearray = field(default_factory=bytearray)
    pending: list[Operation] = field(default_factory=list)

    def sync(self) -> None:
        for operation in self.pending:
            _apply(self.durable, operation)
        self.pending.clear()

    def image(self, chance: random.Random, kept: float, torn: float) -> bytearray:
        content = bytearray(self.durable)
        for operation in self.pending:
            if chance.random() < kept:
                _apply(content, operation)
            elif operation.kind is Kind.WRITTEN and chance.random() < torn:
                for part in _sectors(operation):
                    if chance.random() < 0.5:
                        _apply(content, part)
        return content


def _apply(content: bytearray, operation: Operation) -> None:
    offset, data = operation.offset, operation.data
    if operation.kind is Kind.CUT:
        del content[offset:]
        content.extend(bytes(offset - len(content)))
        return
    if len(content) < offset:  # a hole reads as zeroes
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data


def _sectors(operation: Operation) -> Iterator[Operation]:
    at, end = operation.offset, operation.offset + len(operation.data)
    while at < end:
        until = min(end, (at // SECTOR + 1) * SECTOR)
        data = operation.data[at - operation.offset : until - operation.offset]
        yield Operation(Kind.WRITTEN, operation.path, at, data)
        at = until


Names = dict[str, Inode | None]
"""By path; None for a directory."""


class Disk:
    """A disk that is told of operations, and can be asked what is left of it."""

    def __init__(self) -> None:
        self.names: Names = {}
        self._durable: Names = {}
        self._changed: list[tuple[str, str, Inode | None]] = []
        """Not synced: what happened to a name, and the file that it means now."""

    def take(self, operation: Operation) -> None:
        """Do what the process did."""
        path, names = operation.path, self.names
        match operation.kind:
            case Kind.CREATED:
                self._change("add", path, Inode())
            case Kind.MADE_DIRECTORY:
                self._change("add", path, None)
            case Kind.UNLINKED:
                self._change("remove", path, None)
            case Kind.LINKED:
                self._change("add", operation.data.decode(), names[path])
            case Kind.RENAMED:
                self._change("add", operation.data.decode(), names[path])
                self._change("remove", path, None)
            case Kind.WRITTEN | Kind.CUT:
                inode = names[path]
                assert inode is not None
                inode.pending.append(operation)
            case Kind.SYNCED:
                self._sync(path)

    def _change(self, what: str, path: str, inode: Inode | None) -> None:
        self._changed.append((what, path, inode))
        _rename(self.names, what, path, inode)

    def _sync(self, path: str) -> None:
        inode = self.names.get(path)
        if inode is not None:
            inode.sync()
            return
        later = []
        for change in self._changed:
            if change[1].rpartition("/")[0] == path:
                _rename(self._durable, *change)
            else:
                later.append(change)
        self._changed = later

    @property
    def uncertain(self) -> bool:
        """Tell whether images of now can differ."""
        return bool(self._changed) or any(i is not None and i.pending for i in self.names.values())

    def image(self, chance: random.Random) -> dict[str, bytearray | None]:
        """Return what may be found after the power failed now; None for a directory."""
        names = dict(self._durable)
        for change in self._changed[: chance.randint(0, len(self._changed))]:
            _rename(names, *change)
        kept = chance.choice((0.0, 0.5, 0.9, 1.0, chance.random()))
        torn = chance.choice((0.0, 0.5, 1.0))
        return {
            path: None if inode is None else inode.image(chance, kept, torn)
            for path, inode in names.items()
            if _is_there(path, names)
        }


def _rename(names: Names, what: str, path: str, inode: Inode | None) -> None:
    if what == "add":
        names[path] = inode
    else:
        names.pop(path, None)


def _is_there(path: str, names: Names) -> bool:
    """Tell whether the directories above *path* have a name."""
    above = path.rpartition("/")[0]
    while above:
        if above not in names:
            return False
        above = above.rpartition("/")[0]
    return True


def write(image: dict[str, bytearray | None], directory: Path) -> None:
    """Put an image in the place of what *directory* has."""
    for old in directory.iterdir():
        shutil.rmtree(old) if old.is_dir() else old.unlink()
    for path in sorted(image, key=len):
        content = image[path]
        if content is None:
            (directory / path).mkdir()
        else:
            (directory / path).write_bytes(content)
