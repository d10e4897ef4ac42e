"""A start imports what executions need. All else is left for later, or for those who ask for it."""

import json
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from goflow_py.bootstrap import LATE

WHEN_READY = """
import gc, json, os, signal, ssl, sys
from goflow_py.cli import app, server
run = server.run_server
def run_until_ready(settings, *, on_ready):
    def ready(url):
        whole = "set_default_verify_paths" not in vars(ssl.SSLContext)
        print(json.dumps({"modules": list(sys.modules), "tls": whole, "gc": gc.isenabled()}))
        os.kill(os.getpid(), signal.SIGTERM)
    run(settings, on_ready=ready)
server.run_server = run_until_ready
app(["serve", "--port", "0", "--data", sys.argv[1]])
"""
NOT_FOR_A_START = (
    "goflow_py.api.openapi",
    "goflow_py.cli.documents",
    "goflow_py.cli.torture",
    "goflow_py.cli.watch",
    "goflow_py.client",
    "goflow_py.domain.yaml_documents",
    "goflow_py.engine.auditor",
    "goflow_py.engine.proofs",
    "goflow_py.engine.submissions",
    "goflow_py.engine.uploads",
    "goflow_py.fsm.bound",
    "goflow_py.fsm.check",
    "goflow_py.fsm.diagram",
    "goflow_py.importers.asl",
    "goflow_py.importers.conductor",
    "goflow_py.torture",
    "httpx",
    "jsonata",
    "jsonschema",
    "quickjs",
    "re2",
    "rich",
    "tenacity",
    "yaml",
)


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a server on a file is like when it says that it is ready."""
    done = subprocess.run(
        [sys.executable, "-c", WHEN_READY, str(tmp_path_factory.mktemp("data") / "goflow.db")],
        capture_output=True,
        check=True,
        timeout=50,
        cwd=Path(__file__).parents[2],
    )
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@pytest.fixture
def loaded(started: dict[str, Any]) -> frozenset[str]:
    """The modules of that server."""
    return frozenset(started["modules"])


@pytest.mark.parametrize("name", NOT_FOR_A_START)
def test_a_start_leaves_out_what_no_execution_needs(loaded: frozenset[str], name: str) -> None:
    assert find_spec(name) is not None
    assert name not in loaded


def test_a_start_imports_the_store_that_it_uses_and_no_other(loaded: frozenset[str]) -> None:
    assert "goflow_py.store.sqlite" in loaded
    assert "goflow_py.store.memory" not in loaded


def test_what_is_imported_late_is_there_and_was_left_out(loaded: frozenset[str]) -> None:
    for name in LATE:
        assert import_module(name).__name__ == name
        assert name not in loaded


def test_what_the_imports_went_without_is_back_when_the_server_is_ready(
    started: dict[str, Any],
) -> None:
    assert started["tls"], "certificates are read again by whoever makes a context"
    assert started["gc"]
