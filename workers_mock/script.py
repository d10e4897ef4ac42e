"""A script: lists of rules by ``<alias>/<action>``, played in order."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workers_mock.rules import BadScript, Rule, loads, read_rule, show

SCRIPT_BYTES_MAX = 1_048_576


class Playlist:
    """The rules of one key: each for its number of calls, the last for ever."""

    __slots__ = ("_at", "_last", "_left", "_rules")

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = rules
        self._last = len(rules) - 1
        self._at = 0
        self._left = rules[0].times

    def next(self) -> Rule:
        """Return the rule for this call, and count the call."""
        rule = self._rules[self._at]
        if self._at < self._last:
            self._left -= 1
            if self._left == 0:
                self._at += 1
                self._left = self._rules[self._at].times
        return rule


class Script:
    """What the mock plays; ``document`` is the JSON as it was given."""

    def __init__(self, document: dict[str, Any] | None = None) -> None:
        self.document = {} if document is None else document
        self._playlists = {key: _playlist(key, rules) for key, rules in self.document.items()}

    @classmethod
    def parse(cls, text: str | bytes) -> "Script":
        """Return the script of a JSON text; raise ``BadScript`` with one sentence."""
        if len(text) > SCRIPT_BYTES_MAX:
            raise BadScript(f"the script is larger than {SCRIPT_BYTES_MAX} bytes")
        try:
            document = loads(text, unique=True)
        except ValueError as error:
            raise BadScript(f"the script is not JSON: {error}") from None
        if not isinstance(document, dict):
            raise BadScript("the script is a JSON object of <alias>/<action> to lists of rules")
        return cls(document)

    @classmethod
    def read(cls, path: Path) -> "Script":
        """Return the script of a file; raise ``BadScript`` naming the file."""
        try:
            with path.open("rb") as file:
                text = file.read(SCRIPT_BYTES_MAX + 1)
        except OSError as error:
            raise BadScript(f"{path}: {error.strerror}") from None
        try:
            return cls.parse(text)
        except BadScript as error:
            raise BadScript(f"{path}: {error}") from None

    def rule(self, alias: str, action: str) -> Rule | None:
        """Return the rule of the first key that fits, or None; *action* may be empty."""
        lists = self._playlists
        if not lists:
            return None
        found = (
            lists.get(f"{alias}/{action}")
            or lists.get(f"*/{action}")
            or lists.get(f"{alias}/*")
            or lists.get("*")
        )
        return found.next() if found else None


def _playlist(key: str, rules: Any) -> Playlist:
    where = f"script key {show(key)}"
    alias, slash, action = key.partition("/")
    if key != "*" and not (alias and slash and action and "/" not in action):
        raise BadScript(f"{where}: a key is <alias>/<action>, */<action>, <alias>/* or *")
    if key == "*/*":
        raise BadScript(f"{where}: write * alone for every call")
    if not isinstance(rules, list) or not rules:
        raise BadScript(f"{where}: its value is a list of at least one rule")
    return Playlist(
        [read_rule(rule, f"{where}, rule {number}") for number, rule in enumerate(rules, start=1)]
    )
