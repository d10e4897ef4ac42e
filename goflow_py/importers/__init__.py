"""Imports definitions of other systems: pure functions from their JSON to a blueprint document.

``orchy``, ``relor``, ``swm``, ``asl``, ``conductor``
    One module a format; each has ``import_document(document, project=..., activity=...)``.
``names``
    Foreign names as names of ours.
``result``
    What an importer gives, and how foreign documents are read.
"""

from importlib import import_module
from typing import Any, Final

from pydantic import ValidationError

from goflow_py.domain.blueprint import Blueprint
from goflow_py.errors import Invalid
from goflow_py.importers.result import Imported

__all__ = ["FORMATS", "Imported", "import_definition"]

FORMATS: Final = ("orchy", "relor", "swm", "asl", "conductor")


def import_definition(
    format: str,  # noqa: A002
    document: Any,
    *,
    project: str | None,
    activity: str | None,
) -> Imported:
    """Return *document*, parsed JSON of another system, as a blueprint document.

    The names that are not given are the document's own. Raises ``Invalid`` for a document that is
    none of the format, and for one that is beyond the limits of a blueprint.
    """
    if format not in FORMATS:
        raise Invalid(f"'{format[:80]}' is no format: use one of {', '.join(FORMATS)}")
    module = import_module(f"{__name__}.{format}")
    imported: Imported = module.import_document(document, project=project, activity=activity)
    try:
        Blueprint.model_validate(imported.blueprint)
    except ValidationError as failure:
        first = failure.errors(include_url=False, include_context=False)[0]
        place = "/".join(str(step) for step in first["loc"])
        raise Invalid(
            f"the {format} definition cannot be a blueprint, because of {place}: {first['msg']}",
            code="import_invalid",
        ) from None
    return imported
