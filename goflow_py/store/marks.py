"""What a store says of a move: how it is called, that it is not finished, where the data is now.

A source gets the move's name before anything else. The target says that it is being filled until
all is there and judged; then the source says that its data is elsewhere; then the target is free.
At no moment would two servers find the data, whatever is cut.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TypeVar

from goflow_py.errors import StartRefused

MOVE, MOVING, MOVED = "move", "moving", "moved"

T = TypeVar("T", "Moving", "MovedAway")


@dataclass(frozen=True, slots=True, kw_only=True)
class Moving:
    """What a target says while it is being filled."""

    move: str
    source: str

    def text(self) -> str:
        """Return it as it is stored."""
        return json.dumps(asdict(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedAway:
    """What a source says for ever."""

    move: str
    target: str
    at: str

    def text(self) -> str:
        """Return it as it is stored."""
        return json.dumps(asdict(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """The marks of one store."""

    move: str | None = None
    """The name of the move out of it."""
    moving: Moving | None = None
    """It is being filled."""
    moved: MovedAway | None = None
    """Its data is elsewhere."""

    @classmethod
    def of(cls, rows: Mapping[str, str]) -> "Marks":
        """Return the marks that stand in a table of facts."""
        return cls(
            move=rows.get(MOVE),
            moving=_read(Moving, rows.get(MOVING)),
            moved=_read(MovedAway, rows.get(MOVED)),
        )

    def is_filled_by(self, move: str) -> bool:
        """Tell whether it is just this *move* that fills it, and was cut."""
        return self.moving is not None and self.moving.move == move

    def refuse(self, place: object) -> None:
        """Raise ``StartRefused`` for a store that no server may have."""
        if self.moving is not None:
            raise StartRefused(
                f"{place} holds an unfinished move of {self.moving.source}: "
                "give the same 'goflow move' again"
            )
        if self.moved is not None:
            raise StartRefused(f"{place} was moved at {self.moved.at}: serve {self.moved.target}")


def _read(kind: type[T], text: str | None) -> T | None:
    return None if text is None else kind(**json.loads(text))
