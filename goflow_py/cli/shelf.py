"""Commands that are loaded when they are asked for: ``goflow serve`` starts without the others."""

from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand
from typer.main import get_group


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a command, or a group of commands, is."""

    module: str
    name: str
    panel: str
    """Where help shows it."""


class Shelf(MutableMapping[str, Any]):
    """Commands by their names. Names cost nothing; a command is made when it is taken."""

    def __init__(self, places: Mapping[str, Place], *, kind: type[TyperCommand]) -> None:
        self._places = dict(places)
        self._kind = kind
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            self._made[name] = self._make(name, self._places[name])
        return self._made[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._made[name] = command

    def __delitem__(self, name: str) -> None:
        self._places.pop(name, None)
        self._made.pop(name, None)

    def __contains__(self, name: object) -> bool:
        return name in self._places or name in self._made  # ``Mapping`` would make it to see

    def __iter__(self) -> Iterator[str]:
        return iter({**self._places, **self._made})

    def __len__(self) -> int:
        return len({**self._places, **self._made})

    def _make(self, name: str, place: Place) -> Any:
        found = getattr(import_module(place.module), place.name)
        holder = typer.Typer(rich_markup_mode="markdown")
        if isinstance(found, typer.Typer):
            holder.add_typer(found, name=name, rich_help_panel=place.panel)
        else:
            holder.command(name, cls=self._kind, rich_help_panel=place.panel)(found)
        return get_group(holder).commands[name]
