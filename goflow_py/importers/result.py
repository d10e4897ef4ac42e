"""What an importer takes and gives: foreign documents with their shape checked, and the outcome."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NoReturn, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from goflow_py.domain.names import NAME
from goflow_py.errors import Invalid
from goflow_py.fsm.findings import Finding, error, warning
from goflow_py.importers.names import slug

UNSUPPORTED: Final = "import_unsupported"

_BEGINS_SOMETHING = re.compile(r"\$(?=\{)|(?<=\{)\$")
"""The dollar signs in the midst of a text by which a template would begin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A definition of another system in our language, and what of it could not be kept."""

    blueprint: dict[str, Any]
    """A blueprint document."""
    findings: tuple[Finding, ...] = ()
    """Their pointers lead into the foreign document."""


class Losses:
    """Collect what an import cannot keep, in the order of its finding, each once."""

    def __init__(self) -> None:
        self._found: dict[Finding, None] = {}

    def changes(self, pointer: str, message: str, *, fix: str | None = None) -> None:
        """Report what makes executions run otherwise than they did."""
        self._found[error(UNSUPPORTED, pointer, message, fix=fix)] = None

    def drops(self, pointer: str, message: str, *, fix: str | None = None) -> None:
        """Report what is lost, or other, without a change of what is run."""
        self._found[warning(UNSUPPORTED, pointer, message, fix=fix)] = None

    def findings(self) -> tuple[Finding, ...]:
        """Return all of them."""
        return tuple(self._found)


# ---------------------------------------------------------------- foreign documents


class Foreign(BaseModel):
    """A part of a foreign document. What we do not know of it is in ``model_extra``."""

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False, defer_build=True)


ForeignModel = TypeVar("ForeignModel", bound=Foreign)


def read(model: type[ForeignModel], document: Any, *, what: str) -> ForeignModel:
    """Return *document* as *model*; raise ``Invalid`` with the first place that does not fit.

    *what* names the document to its sender: "an Orchy workflow".
    """
    if not isinstance(document, dict):
        refuse("", f"{what} is an object", what=what)
    try:
        return model.model_validate(document)
    except ValidationError as failure:
        first = failure.errors(include_url=False, include_context=False)[0]
        place, rest = _place(first["loc"], document)
        if first["type"] == "missing":
            refuse(place, f"'{rest}' is missing", what=what)
        message = first["msg"].removeprefix("Value error, ")
        refuse(place, message[0].lower() + message[1:], what=what)


def refuse(place: str, message: str, *, what: str) -> NoReturn:
    """Raise for a document that is none of its format; *place* is a JSON pointer into it."""
    where = f" at {place}" if place else ""
    raise Invalid(f"this is not {what}{where}: {message}", code="import_invalid", pointer=place)


def pointer(*steps: str | int) -> str:
    """Return the JSON pointer of a place."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in steps)


def report_unknown(part: Foreign, losses: Losses, *steps: str | int, what: str) -> None:
    """Report the fields of a part that its system does not know: they are left out."""
    for field in part.model_extra or {}:
        losses.drops(pointer(*steps, field), f"'{field}' is no field of {what}: it is left out")


def with_texts(
    value: Any, change: Callable[[str, tuple[str | int, ...]], Any], *steps: str | int
) -> Any:
    """Return a copy of a JSON value with *change* done to each of its texts, keys apart.

    *change* gets the text and the steps that lead to it, in the order of the document.
    """
    root = [value]
    todo: list[tuple[Any, Any, tuple[str | int, ...]]] = [(root, 0, steps)]
    while todo:
        holder, key, at = todo.pop()
        item = holder[key]
        if isinstance(item, str):
            holder[key] = change(item, at)
        elif isinstance(item, dict):
            holder[key] = copy = dict(item)
            todo.extend((copy, name, (*at, name)) for name in reversed(copy))
        elif isinstance(item, list):
            holder[key] = items = list(item)
            todo.extend((items, i, (*at, i)) for i in reversed(range(len(items))))
    return root[0]


def literal(text: str) -> str:
    """Return the template that renders to *text*, whatever stands in it."""
    return f"${text}" if text.startswith("$") else _BEGINS_SOMETHING.sub('${"$"}', text)


def our_name(given: str | None, original: str | None, *, field: str, what: str) -> str:
    """Return the project's or the activity's name: the *given* one, else a slug of the original."""
    if given is not None:
        if not NAME.match(given):
            message = f"'{given[:80]}' is no name for the {field}: use letters, digits and _ . : -"
            raise Invalid(message, code="import_invalid")
        return given
    if not original:
        raise Invalid(f"{what} does not name its {field}: give the {field}")
    return slug(original)


def _place(location: tuple[int | str, ...], document: Any) -> tuple[str, str]:
    """Return where *location* leads as a pointer, and the first step that is not there."""
    steps: list[str | int] = []
    value = document
    for step in location:
        in_list = isinstance(value, list) and isinstance(step, int) and step < len(value)
        if not in_list and not (isinstance(value, dict) and step in value):
            return pointer(*steps), str(step)
        value = value[step]
        steps.append(step)
    return pointer(*steps), ""
