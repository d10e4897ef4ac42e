"""What the adapters that speak SQL read from files: statements by name, migrations by number."""

import re
from importlib.resources import files

_BLOCK = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


def parse(text: str) -> dict[str, str]:
    """Return ``{name: statement}`` of a text of blocks; comment lines are left out.

    Raises ValueError for a name that comes twice and for a block without its statement.
    """
    _, *parts = _BLOCK.split(text)
    queries: dict[str, str] = {}
    for name, block in zip(parts[::2], parts[1::2], strict=True):
        lines = [line for line in block.splitlines() if not line.startswith("--")]
        statement = "\n".join(lines).strip()
        if name in queries:
            raise ValueError(f"the statement {name!r} comes twice")
        if not statement.endswith(";") or statement.count(";") != 1:
            raise ValueError(f"{name!r} is not one statement")
        queries[name] = statement
    return queries


def migrations(package: str) -> dict[int, str]:
    """Return every migration that this release knows of an adapter, by version, ascending."""
    folder = files(package).joinpath("migrations")
    found = {
        int(file.name[:4]): file.read_text("utf-8")
        for file in folder.iterdir()
        if file.name.endswith(".sql")
    }
    return dict(sorted(found.items()))
