"""Is the write-ahead log whole? SQLite itself drops what follows a damaged frame, and says nothing.

After a power cut that is right: the last commit was never acknowledged, and may be torn. Where a
later commit follows, the damaged one had been synced before: what is dropped had been promised.
"""

import contextlib
import mmap
import sqlite3
import struct
from collections.abc import Iterator
from pathlib import Path

from goflow_py.store.sqlite.queries import SQL

HEADER = struct.Struct(">8I")
"""Magic, version, page size, checkpoints, two salts, two checksums."""
FRAME = struct.Struct(">6I")
"""Page, pages after the commit (0: none), two salts, two checksums."""
MAGIC = 0x377F0682
"""Its last bit says how the checksums read their words: 1 is big-endian."""
PAGE_BYTES = 4_096
INDEX_FRAMES = struct.Struct("=16xI")
"""Of the head of the index in shared memory: the frames that SQLite takes."""


def damage(path: Path) -> str | None:
    """Say what is wrong with the log of a data file that no server has; None: nothing is.

    Damage to the very last commit looks like a power cut, and is none here. Raises
    ``sqlite3.Error`` for a file that cannot be read at all.
    """
    log = path.with_name(path.name + "-wal")
    if not log.exists() or log.stat().st_size <= HEADER.size:
        return None
    taken = _taken(path)
    with log.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        frames = _Frames(content)
        if any(frames.follows(number) for number in frames.commits(after=taken)):
            return (
                f"has a damaged log, {log.name}, and commits behind the damage would be lost: "
                "restore a backup, or open the file once with sqlite3 to go on without them"
            )
    return None


def _taken(path: Path) -> int:
    """Return how many frames SQLite takes; it cannot write the log back meanwhile."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None)
    try:
        connection.execute(SQL["tables"]).fetchall()
        index = path.with_name(path.name + "-shm")
        with contextlib.suppress(FileNotFoundError), index.open("rb") as file:
            head = file.read(INDEX_FRAMES.size)
            if len(head) == INDEX_FRAMES.size:
                return int(INDEX_FRAMES.unpack(head)[0])
    finally:
        connection.close()
    return 0


class _Frames:
    """The frames of a log since it last began anew, damaged or not; the first is number 1."""

    def __init__(self, content: mmap.mmap) -> None:
        self._content = content
        magic, _, size, _, *salts, _, _ = HEADER.unpack_from(content)
        self._words = ">" if magic & 1 else "<"
        if not self._is_whole(magic):
            # The header is not to be trusted: pages are of SQLite's usual size, salts as they come.
            size, salts = PAGE_BYTES, []
        self._frame_bytes: int = FRAME.size + size
        self.count = (len(content) - HEADER.size) // self._frame_bytes
        if not salts and self.count:
            salts = list(self._head(1)[2:4])
        self._salts = salts

    def commits(self, *, after: int) -> Iterator[int]:
        """Yield the frames that end a commit, but for the last frame of all."""
        for number in range(after + 1, self.count):
            _, pages, *salts = self._head(number)[:4]
            if pages and salts == self._salts:
                yield number

    def follows(self, number: int) -> bool:
        """Tell whether the frame after *number* was written after just that frame."""
        before = self._head(number)[4:]
        place = self._place(number + 1)
        _, _, *salts, first, second = self._head(number + 1)
        page = self._content[place + FRAME.size : place + self._frame_bytes]
        sums = _checksum(self._content[place : place + 8] + page, before, self._words)
        return bool(salts == self._salts and sums == (first, second))

    def _is_whole(self, magic: int) -> bool:
        sums = HEADER.unpack_from(self._content)[6:]
        found = _checksum(self._content[: HEADER.size - 8], (0, 0), self._words)
        return bool(magic & ~1 == MAGIC and found == sums)

    def _head(self, number: int) -> tuple[int, ...]:
        return FRAME.unpack_from(self._content, self._place(number))

    def _place(self, number: int) -> int:
        return HEADER.size + (number - 1) * self._frame_bytes


def _checksum(content: bytes, before: tuple[int, ...], words: str) -> tuple[int, int]:
    first, second = before
    for left, right in struct.iter_unpack(f"{words}2I", content):
        first = (first + left + second) & 0xFFFFFFFF
        second = (second + right + first) & 0xFFFFFFFF
    return first, second
