"""The statements of ``queries.sql``, by name: SQL is read there, and never built.

A parameter is written ``:name``; PostgreSQL gets ``$1``, ``$2`` in the order of first use.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType
from typing import Any

_BLOCK = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
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
    """Return ``{name: statement}`` of a text of blocks; comment lines are left out.

    Raises ValueError for a name that comes twice and for a block without its statement.
    """
    _, *parts = _BLOCK.split(text)
    queries: dict[str, Statement] = {}
    for name, block in zip(parts[::2], parts[1::2], strict=True):
        lines = [line for line in block.splitlines() if not line.startswith("--")]
        statement = "\n".join(lines).strip()
        if name in queries:
            raise ValueError(f"the statement {name!r} comes twice")
        if not statement.endswith(";") or statement.count(";") != 1:
            raise ValueError(f"{name!r} is not one statement")
        queries[name] = _numbered(statement)
    return queries


def _numbered(statement: str) -> Statement:
    names: dict[str, str] = {}

    def number(found: re.Match[str]) -> str:
        return names.setdefault(found[1], f"${len(names) + 1}")

    return Statement(_PARAMETER.sub(number, statement), tuple(names))


SQL = MappingProxyType(parse(files(__package__).joinpath("queries.sql").read_text("utf-8")))
