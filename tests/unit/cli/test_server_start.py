"""A server that cannot start says why in one line."""

from typing import Any

import pytest
import typer

from goflow_py import bootstrap
from goflow_py.cli.server import run_server
from goflow_py.config import Settings
from goflow_py.errors import GoFlowError, StartRefused, Unavailable


@pytest.mark.parametrize("refusal", [StartRefused("it is in use"), Unavailable("it went away")])
def test_what_keeps_a_server_from_starting_is_one_line(
    refusal: GoFlowError, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*_: Any, **__: Any) -> int:
        raise refusal

    monkeypatch.setattr(bootstrap, "run", run)
    with pytest.raises(typer.Exit) as ended:
        run_server(Settings(), on_ready=print)
    assert ended.value.exit_code == 1
    assert capsys.readouterr().err == f"goflow: {refusal.detail}\n"
