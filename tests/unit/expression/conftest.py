"""Here expressions are of no input, so that they have no budget together."""

import math

import pytest

from goflow_py.expression import budget


@pytest.fixture(autouse=True)
def no_budget_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "DIGEST_STEPS_MAX", math.inf)
    monkeypatch.setattr(budget, "DIGEST_FUSE_SECONDS", math.inf)
