"""What a node tells the others: many things at once, and in few bytes."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import orjson

from goflow_py.ports import Hint

T = TypeVar("T", int, str)

NAMES_MAX = 64
"""Shards, and nodes, that are named; of more of them, all are told."""
TEXT_BYTES_MAX = 7_000
"""A notification has less than 8,000."""

KINDS = {
    "messages": Hint.MESSAGES,
    "answers": Hint.ANSWERS,
    "shards": Hint.SHARDS,
    "commits": Hint.COMMITS,
    "work": Hint.WORK,
}
ECHO = "echo"
"""The word of a node that listens whether it hears itself."""


@dataclass(slots=True)
class News:
    """What was not told yet."""

    about: Hint = Hint.NOTHING
    shards: set[int] | None = field(default_factory=set)
    """For whose owners there are messages; None: for any."""
    askers: set[str] | None = field(default_factory=set)
    """Nodes for which there are answers; None: for any."""

    def add(
        self, about: Hint, *, shards: Iterable[int] | None = (), askers: Iterable[str] | None = ()
    ) -> None:
        """Add something."""
        self.about |= about
        self.shards = _joined(self.shards, shards)
        self.askers = _joined(self.askers, askers)

    def text(self) -> str:
        """Return what others are told; the empty text means anything."""
        named: dict[Hint, Collection[int | str]] = {
            Hint.MESSAGES: sorted(self.shards or ()),
            Hint.ANSWERS: sorted(self.askers or ()),
        }
        said = {word: named.get(one, ()) for word, one in KINDS.items() if one & self.about}
        text = orjson.dumps(said)
        return text.decode() if len(text) <= TEXT_BYTES_MAX else ""


def echo(node: str) -> str:
    """Return what only *node* itself cares for."""
    return orjson.dumps({ECHO: node}).decode()


def heard(text: str, *, node: str, shards: Collection[int]) -> Hint | None:
    """Return what a text tells the *node* that owns *shards*; None: it is its own echo.

    What cannot be read may be anything.
    """
    try:
        said = orjson.loads(text)
    except orjson.JSONDecodeError:
        return Hint.ANYTHING
    if not isinstance(said, dict):
        return Hint.ANYTHING
    if ECHO in said:
        return None if said[ECHO] == node else Hint.NOTHING
    found = Hint.NOTHING
    for word, one in KINDS.items():
        whose: Collection[int | str] = shards if one is Hint.MESSAGES else (node,)
        if word in said and _names_any(said[word], whose):
            found |= one
    return found


def _names_any(named: Any, whose: Collection[int | str]) -> bool:
    return not isinstance(named, list) or not named or any(each in whose for each in named)


def _joined(known: set[T] | None, more: Iterable[T] | None) -> set[T] | None:
    if known is None or more is None:
        return None
    known.update(more)
    return known if len(known) <= NAMES_MAX else None
