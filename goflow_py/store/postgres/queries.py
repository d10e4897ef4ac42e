"""The statements of ``queries.sql``, by name: SQL is read there, and never built.

A parameter is written ``:name``; PostgreSQL gets ``$1``, ``$2`` in the order of first use.
What stands between ``-- not in x:`` and ``-- end`` is left out of a second statement, ``x``.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from goflow_py.store import statements

_PART = re.compile(r"^ +-- not in (\w+):\n.*?^ +-- end\n", re.MULTILINE | re.DOTALL)
_PARAMETER = re.compile(r"(?<![:\w]):([a-z_]\w*)")


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement, and the names of its parameters in the order of their numbers."""

    text: str
    names: tuple[str, ...]

    def values(self, given: Mapping[str, Any]) -> list[Any]:
        """Return the values of its parameters; what else is *given* does not matter."""
        return [given[name] for name in self.names]


def parse(text: str) -> dict[str, Statement]:
    """Return ``{name: statement}`` of a text of blocks; raises what ``statements.parse`` does."""
    found = statements.parse(text)
    for statement in list(found.values()):
        found |= {part[1]: _PART.sub("", statement) for part in _PART.finditer(statement)}
    return {name: _numbered(statement) for name, statement in found.items()}


def _numbered(statement: str) -> Statement:
    names: dict[str, str] = {}

    def number(found: re.Match[str]) -> str:
        return names.setdefault(found[1], f"${len(names) + 1}")

    return Statement(_PARAMETER.sub(number, statement), tuple(names))


SQL = MappingProxyType(parse(files(__package__).joinpath("queries.sql").read_text("utf-8")))
