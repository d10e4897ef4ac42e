"""Which handler answers a path: a tree of its parts, so that no route is searched for."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field

from aiohttp import web

from goflow_py.api.replies import Reply

Handler = Callable[[web.BaseRequest, Mapping[str, str]], Awaitable[Reply]]
"""Takes a request and the parameters of its path."""


@dataclass(slots=True, kw_only=True)
class Place:
    """What a beginning of a path leads to."""

    handlers: dict[str, Handler] = field(default_factory=dict)
    """By method."""
    fixed: dict[str, "Place"] = field(default_factory=dict)
    """What follows, by the next part of the path."""
    named: dict[str, tuple[str, "Place"]] = field(default_factory=dict)
    """What follows a parameter, and its name; by the verb behind it, which most have not."""
    has_verbs: bool = False
    """Then what stands behind the last colon is one of them, and no part of the parameter."""

    @property
    def methods(self) -> list[str]:
        """Return what is answered here."""
        return sorted(self.handlers) + (["HEAD"] if "GET" in self.handlers else [])

    def below(self, part: str) -> "Place":
        """Return what follows with a part of a template; make it, if it is new."""
        if not part.startswith("{"):
            return self.fixed.setdefault(part, Place())
        name, _, verb = part[1:].partition("}")
        self.has_verbs = self.has_verbs or bool(verb)
        known, place = self.named.setdefault(verb, (name, Place()))
        assert known == name, f"{{{name}}} is called {{{known}}} by another route"
        return place


class Routes:
    """The routes of a server."""

    def __init__(self) -> None:
        self._root = Place()

    def add(self, method: str, template: str, handler: Handler) -> None:
        """Let a handler answer the paths of a template, such as ``/v1/tasks/{task}:claim``."""
        place = self._root
        for part in template.split("/")[1:]:
            place = place.below(part)
        assert method not in place.handlers, f"{method} {template} is there twice"
        place.handlers[method] = handler

    def find(self, path: str) -> tuple[Place, dict[str, str]] | None:
        """Return what a path leads to, and its parameters. *path* has ``/`` and ``%`` encoded."""
        place: Place | None
        place, names = self._root, {}
        for part in path.split("/")[1:]:
            fixed = place.fixed.get(part)
            if fixed is not None:
                place = fixed
                continue
            text, verb = part, ""
            if place.has_verbs and ":" in part:
                text, colon, verb = part.rpartition(":")
                verb = colon + verb
            found = place.named.get(verb)
            if found is None or not text:
                return None
            name, place = found
            names[name] = _decoded(text) if "%" in text else text
        return place, names

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Return method and template of all."""
        todo = [("", self._root)]
        for path, place in todo:
            yield from ((method, path) for method in place.handlers)
            todo += [(f"{path}/{part}", below) for part, below in place.fixed.items()]
            todo += [
                (f"{path}/{{{name}}}{verb}", below) for verb, (name, below) in place.named.items()
            ]


def _decoded(text: str) -> str:
    return text.replace("%2F", "/").replace("%25", "%")
