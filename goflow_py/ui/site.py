"""The files of the web pages, as they are sent: packed, and under a path that changes with them.

Scripts are sent without the comments that have lines of their own: the types in them, for who
writes the pages, are a fifth of what would be sent.

The page is read anew each time; all that it names stands below ``/ui/<version>/``, where *version*
is a digest of every file. So a browser may keep those files for good, and an upgrade is seen at
once.
"""

import gzip
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final

from goflow_py.ui.imports import Imports

MEDIA_TYPES: Final[Mapping[str, str]] = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
"""What is served; a file of another kind (types, notes) stays at home."""

CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
KEPT: Final = "public, max-age=31536000, immutable"
VERSION_CHARACTERS: Final = 12
BASE: Final = b"{{base}}"
"""Stands in the page where the path of its files belongs."""
PRELOADS: Final = b"{{preloads}}"
"""Stands where the modules are named that the page's script imports."""
MODULES: Final = b"{{modules}}"
"""Stands where those are named that a part imports which is fetched when it is shown."""
VENDORED: Final = "vendor/"
_SCRIPT: Final = re.compile(r'<script type="module" src="{{base}}/([^"]+)"')
_COMMENTS: Final = re.compile(
    rb"^[ \t]*(?:/\*\*(?:(?!\*/).)*\*/|//[^\n]*)[ \t]*\n", re.DOTALL | re.MULTILINE
)


@dataclass(frozen=True, kw_only=True)
class File:
    """One file as it is sent."""

    body: bytes
    media_type: str
    etag: str

    @cached_property
    def packed(self) -> bytes:
        """Return it packed by gzip, when somebody asks: the largest is for the editor alone."""
        return gzip.compress(self.body, mtime=0)


class Site:
    """All files of the pages; they are read when the first of them is asked for."""

    @cached_property
    def files(self) -> dict[str, File]:
        """Return the files by their path below ``static/``, such as ``core/api.js``.

        The pages are none of them: they would be kept for good, and name no files.
        """
        return {
            path: _file(path, sent(path, body))
            for path, body in self._sources
            if not _is_page(path)
        }

    @cached_property
    def version(self) -> str:
        """Return a digest of all files."""
        digest = hashlib.sha256()
        for path, body in self._sources:
            digest.update(f"{path}\0{len(body)}\0".encode() + body)
        return digest.hexdigest()[:VERSION_CHARACTERS]

    @cached_property
    def pages(self) -> dict[str, File]:
        """Return what a browser is sent first: the pages, with the path of their files."""
        return {
            path: _file(path, self._page(body)) for path, body in self._sources if _is_page(path)
        }

    def _page(self, body: bytes) -> bytes:
        """Return a page with the path of its files, and what its script imports.

        A browser would find one import behind another, each a way to the server and back.
        """
        base = f"/ui/{self.version}"
        found = _SCRIPT.search(body.decode())
        assert found is not None, "a page has a script"
        entry = found.group(1)
        at_once = self.imports.closure(entry)
        later = {
            path: [f"{base}/{one}" for one in self.imports.closure(path) if one not in at_once]
            for path in self.imports.later(entry)
        }
        preloads = (f'<link rel="modulepreload" href="{base}/{one}">' for one in at_once)
        return (
            body.replace(BASE, base.encode())
            .replace(PRELOADS, "\n    ".join(preloads).encode())
            .replace(MODULES, json.dumps(later).encode())
        )

    @cached_property
    def imports(self) -> Imports:
        """Return which module imports which."""
        files = self.files.items()
        return Imports({path: file.body.decode() for path, file in files if path.endswith(".js")})

    @cached_property
    def _sources(self) -> list[tuple[str, bytes]]:
        return sorted(_walk(resources.files("goflow_py.ui") / "static", ""))


def sent(path: str, body: bytes) -> bytes:
    """Return what is sent of a file."""
    if path.endswith(".js") and not path.startswith(VENDORED):
        return _COMMENTS.sub(b"", body)
    return body


def _walk(folder: Traversable, above: str) -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _walk(entry, f"{above}{entry.name}/")
        elif _suffix(entry.name) in MEDIA_TYPES:
            yield above + entry.name, entry.read_bytes()


def _is_page(path: str) -> bool:
    return path.endswith(".html")


def _file(path: str, body: bytes) -> File:
    return File(
        body=body,
        media_type=MEDIA_TYPES[_suffix(path)],
        etag=f'"{hashlib.sha256(body).hexdigest()[:VERSION_CHARACTERS]}"',
    )


def _suffix(name: str) -> str:
    return name[name.rfind(".") :]
