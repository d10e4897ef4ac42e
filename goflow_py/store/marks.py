"""What a store says of a move: how it is called, that it is not finished, where the data is now.

A source gets the move's name before anything else. The target says that it is being filled until
all is there and judged; then the source says that its data is elsewhere; then the target is free.
At no moment would two servers find the data, whatever is cut.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from goflow_py.errors import StartRefused

MOVE, MOVING, MOVED = "move", "moving", "moved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """The marks of one store."""

    move: str | None = None
    """The name of the move out of it."""
    moving: Mapping[str, Any] | None = None
    """It is being filled: ``move`` and ``source``."""
    moved: Mapping[str, Any] | None = None
    """Its data is elsewhere: ``move``, ``target`` and ``at``."""

    @classmethod
    def of(cls, rows: Mapping[str, str]) -> "Marks":
        """Return the marks that stand in a table of facts."""
        moving, moved = rows.get(MOVING), rows.get(MOVED)
        return cls(
            move=rows.get(MOVE),
            moving=None if moving is None else json.loads(moving),
            moved=None if moved is None else json.loads(moved),
        )

    def refuse(self, place: object) -> None:
        """Raise ``StartRefused`` for a store that no server may have."""
        if self.moving is not None:
            raise StartRefused(
                f"{place} holds an unfinished move of {self.moving['source']}: "
                "give the same 'goflow move' again"
            )
        if self.moved is not None:
            raise StartRefused(
                f"{place} was moved at {self.moved_at}: serve {self.moved['target']}"
            )

    @property
    def moved_at(self) -> str | None:
        """Return when the data went elsewhere; None: it did not."""
        return None if self.moved is None else str(self.moved["at"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Moving:
    """What a target says while it is being filled."""

    move: str
    source: str

    def text(self) -> str:
        """Return it as it is stored."""
        return json.dumps(asdict(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """What a source says for ever."""

    move: str
    target: str
    at: str

    def text(self) -> str:
        """Return it as it is stored."""
        return json.dumps(asdict(self))
