"""YAML at the door: the values of the strict JSON profile, written the way people write them.

The grammar is the library's, the values are ours. It only cuts the text into events; what a plain
word stands for is decided here, by the core schema of YAML 1.2. So ``on``, ``no`` and ``12:30``
stay texts, and nothing that YAML has beyond JSON gets in: no anchors and aliases (which can grow
without end), no tags, no merge keys, no dates.

Every plain key is the text that was typed. Keys of the language are names, names may be all
digits, and ``200:``, ``on:`` and ``true:`` can only mean what they look like.
"""

import json
import re
from typing import Any, Final, NoReturn

import yaml
from yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    MappingStartEvent,
    ScalarEvent,
)

from goflow_py.domain.documents import (
    BODY_LIMIT_BYTES,
    DEPTH_MAX,
    DOCUMENTS_MAX,
    INTEGER_MAX,
    INTEGER_MIN,
)
from goflow_py.errors import MalformedRequest, TooLarge

_BOM = "\ufeff"
_VERSION = (1, 2)
# Left out beside control characters: the byte order mark, and the line breaks of Unicode, which
# break lines in YAML 1.1 and not in 1.2.
_UNREADABLE = re.compile(
    "[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
# Before the parser sees one: it compares each with all those before it.
_TAG_DIRECTIVE = re.compile(r"^%TAG", re.MULTILINE)

_WORDS: Final[dict[str, bool | None]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_NUMBER_STARTS = frozenset("+-.0123456789")
_INTEGER = re.compile(r"[-+]?[0-9]+\Z|0o[0-7]+\Z|0x[0-9a-fA-F]+\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]")
_NO_NUMBER = re.compile(r"[-+]?\.(?:inf|Inf|INF)\Z|\.(?:nan|NaN|NAN)\Z")
_INTEGER_CHARACTERS_MAX = 20
_QUOTE = "put it in quotes"


def load_documents(
    body: bytes, *, limit_bytes: int = BODY_LIMIT_BYTES, documents_max: int = DOCUMENTS_MAX
) -> list[Any]:
    """Read one or more documents, which ``---`` separates.

    Raises ``MalformedRequest`` (code ``malformed_yaml``) with line, column and what to do, and
    ``TooLarge`` before anything is parsed.
    """
    text = _text(body, limit_bytes=limit_bytes)
    built = _Build(documents_max=documents_max)
    parser = yaml.CSafeLoader(text)
    try:
        while parser.check_event():
            built.take(parser.get_event())
    except yaml.MarkedYAMLError as error:
        _refuse_syntax(error)
    finally:
        parser.dispose()
    if not built.documents:
        _malformed("nothing is there; send a document")
    return built.documents


def _text(body: bytes, *, limit_bytes: int) -> str:
    if len(body) > limit_bytes:
        raise TooLarge(
            f"the document has {len(body)} bytes, at most {limit_bytes} are accepted; send less",
            limitBytes=limit_bytes,
        )
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        _malformed(f"byte {error.start} is not UTF-8; send the document as UTF-8")
    if text.startswith(_BOM):
        _malformed("the document begins with a byte order mark; remove it")
    if (found := _UNREADABLE.search(text)) is not None:
        character = f"the character U+{ord(found.group()):04X}"
        fix = "remove it, or write it as an escape in double quotes"
        _malformed_at(character, *_place(text, found.start()), fix=fix)
    if (found := _TAG_DIRECTIVE.search(text)) is not None:
        _malformed_at(
            "a %TAG directive", *_place(text, found.start()), fix="remove it and its tags"
        )
    return text


class _Build:
    """Values in the making; no recursion, so that depth is a number and not a stack."""

    __slots__ = ("_documents_max", "_flow", "_keys", "_open", "documents")

    def __init__(self, *, documents_max: int) -> None:
        self.documents: list[Any] = []
        self._documents_max = documents_max
        self._open: list[dict[str, Any] | list[Any]] = []
        self._keys: list[str | None] = []
        """The key that waits for its value, at each level; None in lists and before keys."""
        self._flow: list[bool] = []
        """Whether a level is a map in braces."""

    def take(self, event: Event) -> None:
        """Add what an event brings. Raises ``MalformedRequest``."""
        if isinstance(event, ScalarEvent):
            self._take_scalar(event)
        elif isinstance(event, CollectionStartEvent):
            self._enter(event)
        elif isinstance(event, CollectionEndEvent):
            self._leave()
        elif isinstance(event, AliasEvent):
            _refuse(event, f"the alias *{event.anchor[:64]}", fix="write out what it stands for")
        elif isinstance(event, DocumentStartEvent):
            self._begin(event)

    def _begin(self, event: DocumentStartEvent) -> None:
        if event.version not in (None, _VERSION):
            _refuse(event, "a %YAML directive of another version than 1.2", fix="remove it")
        if len(self.documents) == self._documents_max:
            count = self._documents_max
            documents = f"{count} documents" if count > 1 else "one document"
            _refuse(event, f"more than {documents}", fix="remove what is too many")

    def _take_scalar(self, event: ScalarEvent) -> None:
        _refuse_extras(event)
        plain, text = not event.style, event.value
        if "\x00" in text:
            _refuse(event, "a text with the character NUL", fix="remove it")
        if not self._open:
            if plain and not text:
                _refuse(event, "an empty document", fix="remove it, or its '---'")
        elif self._keys[-1] is None and type(self._open[-1]) is dict:
            self._take_key(event, text, plain=plain)
            return
        elif plain and not text and self._flow[-1]:
            key = _shown(self._keys[-1] or "")
            fix = "write null, or put a template such as '{$.input.x}' in quotes"
            _refuse(event, f"no value for the key {key} in braces", fix=fix)
        self._put(_plain(event, text) if plain else text)

    def _take_key(self, event: ScalarEvent, text: str, *, plain: bool) -> None:
        if plain and not text:
            _refuse(event, "an empty key", fix="give it a name")
        if plain and text == "<<":
            _refuse(event, "a merge key", fix="write the fields out")
        if text in self._open[-1]:
            _refuse(event, f"the key {_shown(text)} twice in one map", fix="keep one of them")
        self._keys[-1] = text

    def _enter(self, event: CollectionStartEvent) -> None:
        _refuse_extras(event)
        is_map = isinstance(event, MappingStartEvent)
        if self._open and self._keys[-1] is None and type(self._open[-1]) is dict:
            _refuse(event, "a key that is a list or a map", fix="a key is a text; quote it")
        if len(self._open) == DEPTH_MAX:
            _refuse(event, f"a document nested deeper than {DEPTH_MAX} levels", fix="flatten it")
        value: dict[str, Any] | list[Any] = {} if is_map else []
        self._put(value)
        self._open.append(value)
        self._keys.append(None)
        self._flow.append(is_map and bool(event.flow_style))

    def _leave(self) -> None:
        self._open.pop()
        self._keys.pop()
        self._flow.pop()

    def _put(self, value: Any) -> None:
        if not self._open:
            self.documents.append(value)
            return
        inside, key = self._open[-1], self._keys[-1]
        if isinstance(inside, list):
            inside.append(value)
        elif key is not None:
            inside[key] = value
            self._keys[-1] = None


def _refuse_extras(event: ScalarEvent | CollectionStartEvent) -> None:
    if event.anchor is not None:
        _refuse(event, f"the anchor &{event.anchor[:64]}", fix="write out what it stands for")
    if event.tag is not None:
        _refuse(event, f"the tag {event.tag[:64]}", fix="remove it; put texts in quotes")


def _plain(event: ScalarEvent, text: str) -> Any:
    """Return what a word without quotes stands for in the core schema."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMBER_STARTS:
        return text
    if _INTEGER.match(text):
        return _integer(event, text)
    if _FLOAT.match(text):
        return _float(event, text)
    if _NO_NUMBER.match(text):
        _refuse(event, f"{text}, which no JSON can hold,", fix="write null or a text in quotes")
    return text


def _integer(event: ScalarEvent, text: str) -> int:
    _refuse_leading_zero(event, text)
    if len(text) > _INTEGER_CHARACTERS_MAX or not INTEGER_MIN <= int(text, 0) <= INTEGER_MAX:
        _refuse(event, f"the integer {text[:24]}, which does not fit 64 bits,", fix=_QUOTE)
    return int(text, 0)


def _float(event: ScalarEvent, text: str) -> float:
    _refuse_leading_zero(event, text)
    value = float(text)
    if value in (float("inf"), float("-inf")):
        _refuse(event, f"the number {text[:24]}, which is out of range,", fix=_QUOTE)
    return value


def _refuse_leading_zero(event: ScalarEvent, text: str) -> None:
    # Readers differ: octal in YAML 1.1, decimal in 1.2, and a postal code to who wrote it.
    if _LEADING_ZERO.match(text):
        fix = "put it in quotes if it is a text, or leave the zeros out"
        _refuse(event, f"the number {text[:24]} with leading zeros", fix=fix)


# ---------------------------------------------------------------- refusals


def _refuse(event: Event, what: str, *, fix: str) -> NoReturn:
    mark = event.start_mark
    _malformed_at(what, mark.line + 1, mark.column + 1, fix=fix)


def _refuse_syntax(error: yaml.MarkedYAMLError) -> NoReturn:
    mark = error.problem_mark or error.context_mark
    reason = str(error.problem or error.context)
    _malformed_at(reason, mark.line + 1, mark.column + 1, fix="correct it there")


def _malformed_at(what: str, line: int, column: int, *, fix: str) -> NoReturn:
    raise MalformedRequest(
        f"not acceptable as YAML: {what} at line {line}, column {column}; {fix}",
        code="malformed_yaml",
        line=line,
        column=column,
    ) from None


def _malformed(reason: str) -> NoReturn:
    raise MalformedRequest(f"not acceptable as YAML: {reason}", code="malformed_yaml") from None


def _place(text: str, offset: int) -> tuple[int, int]:
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def _shown(key: str) -> str:
    return json.dumps(key[:64])
