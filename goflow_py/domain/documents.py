"""One strict JSON profile for every door.

What one parser takes and the next one refuses is how data gets lost on the way to a store or a
worker. So a document is UTF-8 without a byte order mark, has no duplicate keys, no NaN, no
Infinity, integers within 64 bits, at most 64 levels, no lone surrogates and no NUL.

The ordinary small body is parsed once, by the C scanner; walks over the value happen only when
a cheap look at the text says that they might find something.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NoReturn

import orjson

from goflow_py.errors import MalformedRequest, TooLarge

BODY_LIMIT_BYTES: Final = 1024 * 1024
DEPTH_MAX: Final = 64
DOCUMENTS_MAX: Final = 2
YAML_MEDIA_TYPES: Final = ("application/yaml", "application/x-yaml", "text/yaml")
INTEGER_MIN: Final = -(2**63)
INTEGER_MAX: Final = 2**63 - 1

PLAIN_BYTES_MAX: Final = 16 * 1024
"""Up to this size a document is worth writing, to see whether it is the same."""

_BOM = "\ufeff"
_LONG = re.compile(rb"[0-9]{19}")
_DIGITS_SAFE = 18
_WHITESPACE = re.compile(r"[ \t\n\r]*")
_STRING = r'"[^"\\]*(?:\\.[^"\\]*)*"'
_TRAILING_COMMA = re.compile(r",[ \t\n\r]*[\]}]")
_TOKEN = re.compile(_STRING + r"|[\[\]{},:]|[^\s\[\]{},:\"]+", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailingComma:
    """Say where a comma was left before a closing bracket: a warning, not an error."""

    pointer: str
    line: int
    column: int


class _Refused(ValueError):
    """Carry the reason out of the scanner's hooks."""


def loads(body: bytes | str, *, limit_bytes: int = BODY_LIMIT_BYTES) -> Any:
    """Read one document of the strict profile.

    Raises ``MalformedRequest`` (code ``malformed_json``) with the place and what to do, and
    ``TooLarge`` before anything is parsed.
    """
    if isinstance(body, bytes) and len(body) <= min(PLAIN_BYTES_MAX, limit_bytes):
        plain = _plain(body)
        if plain is not None:
            return plain
    text = _text(body, limit_bytes=limit_bytes)
    try:
        value = _DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        _refuse(error)
    _check(value, text)
    return value


def _plain(body: bytes) -> Any:
    """Return a document that is written just as we would write it; None: look closer.

    Then it has no key twice, no NaN and no rounded number: those would be written otherwise.
    """
    if b"\\u" in body or body.count(b"[") + body.count(b"{") > DEPTH_MAX or _LONG.search(body):
        return None
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return value if orjson.dumps(value) == body else None


def load_documents(
    body: bytes | str, *, limit_bytes: int = BODY_LIMIT_BYTES
) -> tuple[list[Any], list[TrailingComma]]:
    """Read one or two documents that follow each other, trailing commas allowed and reported.

    Nothing laxer is accepted: ``[,]`` and ``,,`` are refused, text inside strings is untouched.
    """
    text = _text(body, limit_bytes=limit_bytes)
    commas: list[TrailingComma] = []
    if _TRAILING_COMMA.search(text):
        text, commas = _without_trailing_commas(text)
    values: list[Any] = []
    try:
        start = _skip(text, 0)
        while start < len(text) or not values:
            if len(values) == DOCUMENTS_MAX:
                _malformed(f"more than {DOCUMENTS_MAX} documents", text=text, offset=start)
            value, end = _DECODER.raw_decode(text, start)
            values.append(value)
            start = _skip(text, end)
    except (ValueError, RecursionError) as error:
        _refuse(error)
    _check(values, text, levels=1)
    return values, commas


def dumps(value: Any) -> bytes:
    """Write a value as compact UTF-8 JSON."""
    return orjson.dumps(value)


def digest_of_stored(document: bytes) -> str:
    """Return the hash of a stored document, whatever the order of its keys."""
    canonical = orjson.dumps(orjson.loads(document), option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(canonical).hexdigest()


def _text(body: bytes | str, *, limit_bytes: int) -> str:
    # A character takes at most four bytes in UTF-8: most texts need no encoding to be measured.
    size = len(body) if isinstance(body, bytes) or len(body) * 4 <= limit_bytes else _size(body)
    if size > limit_bytes:
        raise TooLarge(
            f"the document has {size} bytes, at most {limit_bytes} are accepted; send less",
            limitBytes=limit_bytes,
        )
    if isinstance(body, str):
        text = body
        if not text.isascii():
            _size(text)
    else:
        try:
            text = body.decode("utf-8")
        except UnicodeDecodeError as error:
            _malformed(f"byte {error.start} is not UTF-8; send the document as UTF-8")
    if text.startswith(_BOM):
        _malformed("the document begins with a byte order mark; remove it")
    return text


def _size(text: str) -> int:
    try:
        return len(text.encode("utf-8"))
    except UnicodeEncodeError as error:
        _malformed(f"character {error.start} is a lone surrogate; send whole characters")


def _check(value: Any, text: str, *, levels: int = 0) -> None:
    if "\\u" in text:
        _check_strings(value)
    if text.count("[") + text.count("{") > DEPTH_MAX:
        _check_depth(value, deepest=DEPTH_MAX + levels)


def _check_depth(value: Any, *, deepest: int) -> None:
    level = [value]
    for _ in range(deepest):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if type(outer) is dict else outer)
            if type(inner) is dict or type(inner) is list
        ]
        if not level:
            return
    _malformed(f"the document is nested deeper than {DEPTH_MAX} levels; flatten it")


def _check_strings(value: Any) -> None:
    for text in _strings(value):
        if "\x00" in text:
            _malformed("a text or a key contains the character NUL (\\u0000); remove it")
        if not text.isascii():
            _size(text)


def _strings(value: Any) -> Iterator[str]:
    todo = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            yield from item
            todo.extend(item.values())
        elif isinstance(item, list):
            todo.extend(item)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _Refused(
                    f"the key {_shown(key)} occurs twice in one object; keep one of them"
                )
            seen.add(key)
    return value


def _integer(digits: str) -> int:
    if len(digits) <= _DIGITS_SAFE:
        return int(digits)
    if len(digits) > _DIGITS_SAFE + 2 or not INTEGER_MIN <= int(digits) <= INTEGER_MAX:
        raise _Refused(f"the integer {digits[:24]} does not fit 64 bits; send it as a text")
    return int(digits)


def _float(digits: str) -> float:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise _Refused(f"the number {digits[:24]} is out of range; send it as a text")
    return value


def _constant(name: str) -> NoReturn:
    raise _Refused(f"{name} is not JSON; send null or a text")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_int=_integer,
    parse_float=_float,
    parse_constant=_constant,
)


def _shown(key: str) -> str:
    return json.dumps(key[:64])


def _skip(text: str, start: int) -> int:
    found = _WHITESPACE.match(text, start)
    return found.end() if found else start


def _refuse(error: ValueError | RecursionError) -> NoReturn:
    if isinstance(error, json.JSONDecodeError):
        reason = error.msg.lower().removesuffix(" at") if error.doc.strip() else "nothing is there"
        _malformed(reason, text=error.doc, offset=error.pos)
    if isinstance(error, RecursionError):
        _malformed(f"the document is nested deeper than {DEPTH_MAX} levels; flatten it")
    _malformed(str(error))


def _malformed(reason: str, *, text: str = "", offset: int | None = None) -> NoReturn:
    if offset is None:
        raise MalformedRequest(f"not acceptable as JSON: {reason}", code="malformed_json") from None
    line, column = _place(text, offset)
    raise MalformedRequest(
        f"not acceptable as JSON: {reason} at line {line}, column {column}; correct it there",
        code="malformed_json",
        line=line,
        column=column,
    ) from None


def _place(text: str, offset: int) -> tuple[int, int]:
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def _without_trailing_commas(text: str) -> tuple[str, list[TrailingComma]]:
    """Blank out each comma that stands after a value and before a closing bracket.

    A space takes its place, so that every later error keeps its line and column.
    """
    found: list[tuple[int, str]] = []
    stack: list[str | int] = []
    before, held = "", None
    for match in _TOKEN.finditer(text):
        token = match.group()
        if token in "]}":
            if held is not None:
                found.append((held, _pointer(stack)))
            if stack:
                stack.pop()
        held = match.start() if token == "," and before not in ("", "[", "{", ",", ":") else None
        _track(stack, token, before)
        before = token
    pieces, last, commas, line, seen = [], 0, [], 1, 0
    for offset, pointer in found:
        pieces += [text[last:offset], " "]
        last = offset + 1
        # Counted on from the comma before: many commas must not cost their number squared.
        line, seen = line + text.count("\n", seen, offset), offset
        column = offset - text.rfind("\n", 0, offset)
        commas.append(TrailingComma(pointer=pointer, line=line, column=column))
    return "".join(pieces) + text[last:], commas


def _track(stack: list[str | int], token: str, before: str) -> None:
    """Keep the key or index that is current at each level."""
    if token == "[":
        stack.append(0)
    elif token == "{":
        stack.append("")
    elif stack and token == "," and isinstance(stack[-1], int):
        stack[-1] += 1
    elif stack and token == ":" and isinstance(stack[-1], str):
        stack[-1] = before


def _pointer(stack: list[str | int]) -> str:
    """Point to the container whose end the comma precedes."""
    return "".join("/" + _reference(step) for step in stack[:-1])


def _reference(step: str | int) -> str:
    try:
        name = str(json.loads(step)) if isinstance(step, str) else str(step)
    except ValueError:
        # The key is no JSON text: the document is refused when it is read, after this.
        return ""
    return name.replace("~", "~0").replace("/", "~1")
