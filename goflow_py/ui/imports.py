"""Which module imports which: read off their text, as it is written by one formatter."""

import posixpath
import re
from collections.abc import Mapping
from typing import Final

_AT_ONCE: Final = re.compile(
    r"""^(?:import|export|\})[^;]*?["'](\.{1,2}/[^"']+)["'];$""", re.MULTILINE
)
_LATER: Final = re.compile(r"""\bimport\(["'](\.{1,2}/[^"']+)["']\)""")


class Imports:
    """The modules of the pages, by path."""

    def __init__(self, modules: Mapping[str, str]) -> None:
        self._modules = modules

    def closure(self, path: str) -> list[str]:
        """Return a module and all that have to be there before it runs, nearest first."""
        found = [path]
        for one in found:
            found += [
                other for other in dict.fromkeys(self._named(one, _AT_ONCE)) if other not in found
            ]
        return found

    def later(self, path: str) -> list[str]:
        """Return the modules that a module fetches when it needs them."""
        return list(dict.fromkeys(self._named(path, _LATER)))

    def _named(self, path: str, pattern: re.Pattern[str]) -> list[str]:
        folder = posixpath.dirname(path)
        named = pattern.findall(self._modules.get(path, ""))
        return [posixpath.normpath(posixpath.join(folder, name)) for name in named]
