"""Foreign names as names of our language: what fits is kept, the rest becomes a slug.

The original of a slug goes to ``meta.name`` of what bears it, so that the calls of the other
system still find it.
"""

import re
from collections.abc import Iterable
from typing import Any, Final

from goflow_py.domain.names import (
    CONTINUE,
    ENGINE_EVENTS,
    ERROR,
    NAME,
    RESERVED_STATES,
    ROOTS,
    SUCCESS,
)

NAME_CHARACTERS_MAX: Final = 64

STATES_TAKEN: Final = RESERVED_STATES | ROOTS
"""No imported state may have these names."""
ACTIONS_TAKEN: Final = RESERVED_STATES | {CONTINUE}
"""No imported action may: one with the name of a reserved state would be that state's work."""
EVENTS_TAKEN: Final = ENGINE_EVENTS
"""No imported event from outside may have these names."""
LABELS_TAKEN: Final = ENGINE_EVENTS - {SUCCESS, ERROR}
"""No imported label may: a worker can answer ``success`` and ``error``, no other of them."""
TASKS_TAKEN: Final = frozenset({"output"})
"""No imported task of a graph may."""

_BAD = re.compile(r"[^A-Za-z0-9_.:-]")
_BAD_FIRST = re.compile(r"[^A-Za-z0-9_]")


def slug(original: str) -> str:
    """Return the nearest text that is a name: each character that may not be is a ``_``."""
    text = _BAD.sub("_", original[:NAME_CHARACTERS_MAX]) or "_"
    return _BAD_FIRST.sub("_", text[0]) + text[1:]


def meta_of(original: str, name: str) -> dict[str, Any]:
    """Return what ``meta`` has to say about a name: the original, if it is another."""
    return {} if name == original else {"name": original}


class Names:
    """Give each foreign name of one kind a name of ours; no two get the same.

    The *originals* that fit keep themselves, whatever comes before them; the others get a slug,
    with ``_2``, ``_3`` where it is *taken*.
    """

    def __init__(self, originals: Iterable[str] = (), *, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)
        self._names: dict[str, str] = {}
        self._numbers: dict[str, int] = {}
        """The last number that a slug got: many that collide must not cost their number squared."""
        originals = list(dict.fromkeys(originals))
        for original in originals:
            if NAME.match(original) and original not in self._taken:
                self._keep(original, original)
        for original in originals:
            self.of(original)

    def of(self, original: str) -> str:
        """Return the name for *original*: asked again, the same one."""
        if original not in self._names:
            self._keep(original, self._free(slug(original)))
        return self._names[original]

    def new(self, wanted: str) -> str:
        """Return a name near *wanted* for something that has no foreign name; it is taken then."""
        name = self._free(slug(wanted))
        self._taken.add(name)
        return name

    def meta(self, original: str) -> dict[str, Any]:
        """Return the ``meta`` of what is called *original*: its name, if it has another now."""
        return meta_of(original, self.of(original))

    def changed(self) -> dict[str, str]:
        """Return our names that are not the foreign ones, each with its original."""
        return {name: original for original, name in self._names.items() if name != original}

    def _keep(self, original: str, name: str) -> None:
        self._names[original] = name
        self._taken.add(name)

    def _free(self, wanted: str) -> str:
        name = wanted
        while name in self._taken:
            number = self._numbers.get(wanted, 1) + 1
            self._numbers[wanted] = number
            end = f"_{number}"
            name = wanted[: NAME_CHARACTERS_MAX - len(end)] + end
        return name
