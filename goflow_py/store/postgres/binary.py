"""Reads the rows of PostgreSQL's binary COPY, as they come."""

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from goflow_py.store.carried import Kind, Row

HEADER_BYTES = 19
"""Signature, flags, and the length of an extension that no version has."""
END, NULL = -1, -1
_INTEGER, _REAL = struct.Struct(">q"), struct.Struct(">d")
_COUNT, _LENGTH = struct.Struct(">h"), struct.Struct(">i")

_READ: Mapping[Kind, Callable[[bytes], Any]] = {
    Kind.TEXT: bytes.decode,
    Kind.BYTES: bytes,
    Kind.INTEGER: lambda content: _INTEGER.unpack(content)[0],
    Kind.REAL: lambda content: _REAL.unpack(content)[0],
}


class Rows:
    """Rows of columns of these *kinds*; a part may end anywhere in one."""

    def __init__(self, kinds: Sequence[Kind]) -> None:
        self._read = tuple(_READ[kind] for kind in kinds)
        self._pending = bytearray()
        self._begun = False

    def feed(self, part: bytes) -> list[Row]:
        """Return the rows that end in this part."""
        self._pending += part
        if not self._begun:
            if len(self._pending) < HEADER_BYTES:
                return []
            del self._pending[:HEADER_BYTES]
            self._begun = True
        content, place, found = bytes(self._pending), 0, list[Row]()
        while (ended := self._row(content, place)) is not None:
            row, place = ended
            found.append(row)
        del self._pending[:place]
        return found

    def _row(self, content: bytes, place: int) -> tuple[Row, int] | None:
        """Return the row at a place, and where the next begins; None: not all of it is here."""
        if len(content) - place < _COUNT.size:
            return None
        [count] = _COUNT.unpack_from(content, place)
        if count == END:
            return None
        place += _COUNT.size
        values: list[Any] = []
        for read in self._read:
            if len(content) - place < _LENGTH.size:
                return None
            [length] = _LENGTH.unpack_from(content, place)
            place += _LENGTH.size
            if length == NULL:
                values.append(None)
                continue
            if len(content) - place < length:
                return None
            values.append(read(content[place : place + length]))
            place += length
        return tuple(values), place
