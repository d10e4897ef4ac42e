"""What uploads find: one value for each thing, and pydantic's errors as the same."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from pydantic import ValidationError

from goflow_py.domain.names import did_you_mean

Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that an upload found. An error refuses it; a warning is stored and shown."""

    code: str
    severity: Severity
    pointer: str
    message: str
    path: tuple[str, ...] = ()
    """States that show it, where it applies."""
    fix: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the finding as the API shows it."""
        return {k: v for k, v in asdict(self).items() if v not in (None, ())}


def error(code: str, pointer: str, message: str, **more: Any) -> Finding:
    """Make a finding that refuses the upload."""
    return Finding(code=code, severity="error", pointer=pointer, message=message, **more)


def warning(code: str, pointer: str, message: str, **more: Any) -> Finding:
    """Make a finding that is stored and shown."""
    return Finding(code=code, severity="warning", pointer=pointer, message=message, **more)


# ---------------------------------------------------------------- documents that do not fit


def findings_of(
    failure: ValidationError, document: Any, known: Mapping[str, Iterable[str]]
) -> list[Finding]:
    """Return pydantic's errors as findings: pointers into *document*, the nearest known field."""
    found = []
    for item in failure.errors(include_url=False):
        pointer, missing = _pointer(item["loc"], document)
        kind = item["type"]
        if kind == "extra_forbidden":
            name = str(item["loc"][-1])
            fields = known.get(str(item["loc"][0]) if len(item["loc"]) > 1 else "", ())
            others = [field for field in fields if field != name]
            message = f"unknown field '{name}'{did_you_mean(name, others)}"
            found.append(error("unknown_field", pointer, message))
        elif kind == "missing":
            name = str(item["loc"][-1])
            found.append(error("missing_field", f"{pointer}{missing}", f"'{name}' is missing"))
        else:
            message = item["msg"].removeprefix("Value error, ")
            found.append(error("invalid_field", pointer, message))
    return found


def _pointer(location: tuple[int | str, ...], document: Any) -> tuple[str, str]:
    """Return the JSON pointer of *location*, without the tags that unions put into it."""
    pointer, rest = "", ""
    value = document
    for part in location:
        if isinstance(value, dict) and part in value:
            pointer += "/" + str(part).replace("~", "~0").replace("/", "~1")
            value = value[part]
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            pointer += f"/{part}"
            value = value[part]
        else:
            rest = f"/{part}"
    return pointer, rest
