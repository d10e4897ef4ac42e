"""What a definition of another system becomes, checked as an upload would."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from goflow_py.domain.blueprint import Blueprint
from goflow_py.fsm.check import check
from goflow_py.importers import Imported, import_definition

SEEDS = Path(__file__).parent.parent.parent / "seeds"


@pytest.fixture
def seed() -> Callable[[str], Any]:
    return lambda name: json.loads((SEEDS / f"{name}.json").read_text("utf-8"))


@pytest.fixture
def convert() -> Callable[..., Imported]:
    """Import; unless the import itself has errors, the blueprint has none either."""

    def act(
        format: str,  # noqa: A002
        document: Any,
        *,
        project: str | None = None,
        activity: str | None = None,
    ) -> Imported:
        imported = import_definition(format, document, project=project, activity=activity)
        if not any(finding.severity == "error" for finding in imported.findings):
            assert upload_errors(imported) == []
        return imported

    return act


def upload_errors(imported: Imported) -> list[tuple[str, str]]:
    _, found = check(
        Blueprint.model_validate(imported.blueprint),
        workers=(),
        workers_in_body=False,
        is_resolved=lambda _: True,
    )
    return [(finding.code, finding.pointer) for finding in found if finding.severity == "error"]
