"""The frame: help, names, settings, how a command without a server ends."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from goflow_py.cli import app, audit
from goflow_py.cli.root import ELSEWHERE
from goflow_py.config import SETTINGS
from tests.unit.cli.conftest import goflow

ROOT = Path(__file__).parents[3]
SEED = ROOT / "blueprints" / "inquiry.json"
BAD = {"project": "p", "activity": "a", "states": [{"name": "x"}], "actions": [], "transitions": [
    {"current": "init", "event": "start", "next": "y"}]}  # fmt: skip


def test_help_lists_every_command() -> None:
    said = goflow("--help")
    assert said.code == 0
    for name in ("serve", "dev", "config", "check", "run", "ls", "show", "watch", "why", "key"):
        assert re.search(rf"\b{name}\b", said.out)


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from goflow_py.cli import app\n"
        "try: app(['--help'], prog_name='goflow')\n"
        "except SystemExit: pass\n"
        "heavy = {'httpx', 'aiohttp', 'pydantic', 'orjson', 'transitions', 'aiosqlite', 'uvloop'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_the_version_is_one_line() -> None:
    assert re.fullmatch(r"goflow \S+\n", goflow("--version").out)


@pytest.mark.parametrize(
    ("wrong", "right"), [("deploy", "upload"), ("logs", "history"), ("serv", "serve"), ("l", "ls")]
)
def test_an_unknown_command_is_answered_with_the_nearest(wrong: str, right: str) -> None:
    said = goflow(wrong)
    assert said.code == 2
    assert f"did you mean '{right}'?" in said.err


def test_names_of_other_tools_lead_to_commands_that_exist() -> None:
    names = set(get_command(app).commands)  # type: ignore[attr-defined]
    assert set(ELSEWHERE.values()) <= names
    assert not set(ELSEWHERE) & names


@pytest.mark.parametrize("command", ["serve", "config"])
def test_every_setting_is_a_flag(command: str) -> None:
    shown = goflow(command, "--help").out
    assert [one.flag for one in SETTINGS.values() if f"{one.flag} " not in shown] == []


def test_config_tells_where_each_value_comes_from(tmp_path: Path) -> None:
    file = tmp_path / "goflow.toml"
    file.write_text("drain_timeout = 5\n")
    said = goflow(
        "config", "--json", "--port", "9", "--workers-mock", "--config", str(file),
        "--endpoint", "a=http://x.example/1", "--endpoint", "b=http://x.example/2",
        GOFLOW_HOST="::1",
    )  # fmt: skip
    rows = {row["name"]: row for row in said.json}
    assert (rows["port"]["value"], rows["port"]["source"]) == ("9", "flag --port")
    assert rows["host"]["source"] == "env GOFLOW_HOST"
    assert rows["drain_timeout"]["source"] == f"file {file}"
    assert rows["workers_mock"]["source"] == "flag --workers-mock"
    assert rows["endpoint"]["value"] == "a=http://x.example/1, b=http://x.example/2"
    assert rows["data"]["source"] == "default"
    assert all(row["doc"] for row in rows.values())


@pytest.mark.parametrize("command", ["serve", "config"])
def test_bad_settings_are_one_line_and_exit_2(command: str) -> None:
    said = goflow(command, "--port", "eighty")
    assert said.code == 2
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert "port is 'eighty' (flag --port)" in said.err


def test_a_mistake_of_our_own_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(*_: Any) -> None:
        raise RecursionError("too deep")

    monkeypatch.setattr(audit, "no_server", broken)
    file = tmp_path / "x.db"
    file.write_bytes(audit.SQLITE)
    said = goflow("verify", "--data", str(file))
    assert said.code == 1
    assert said.err.count("\n") == 1
    assert "a mistake of goflow's own: RecursionError: too deep" in said.err


# ---------------------------------------------------------------- check and schema


def test_check_takes_the_seed_and_shows_its_warnings() -> None:
    said = goflow("check", str(SEED))
    assert said.code == 0
    assert "goflow/inquiry, 4 warnings" in said.out
    assert "/transitions  a trailing comma at line 59, column 2" in said.out


def test_strict_takes_warnings_for_errors() -> None:
    assert goflow("check", "--strict", str(SEED)).code == 3


def test_check_reads_standard_input_and_points_to_what_is_wrong() -> None:
    said = goflow("check", "--json", "-", stdin=json.dumps(BAD))
    assert said.code == 3
    [file] = said.json
    assert not file["ok"]
    assert {finding["pointer"] for finding in file["findings"]} >= {"/transitions/0"}


def test_check_takes_a_folder_without_the_scripts_of_mocks() -> None:
    said = goflow("check", "--json", str(ROOT / "blueprints"))
    assert said.code == 0
    assert len(said.json) == 9


@pytest.mark.parametrize("text", ["{", "[]", '{"states": 1}', "\x00"])
def test_what_is_no_blueprint_is_invalid(text: str) -> None:
    said = goflow("check", "-", stdin=text)
    assert said.code == 3
    assert "refused" in said.out


YAML = """\
project: shop
activity: order
states: [ask]
actions:
  - {name: ask, type: wait, event: "on"}
transitions:
  - {current: init, event: start, next: ask}
  - {current: ask, event: on, next: done}
  - {current: ask, event: on, next: failed, when: input.late}
"""


@pytest.mark.parametrize("name", ["order.yaml", "order.YML"])
def test_check_reads_yaml_by_the_name_of_the_file(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_text(YAML)
    said = goflow("check", str(file))
    assert said.code == 0
    assert "shop/order" in said.out
    file.write_text(YAML + "project: again\n")
    said = goflow("check", str(file))
    assert said.code == 3
    assert 'the key "project" twice in one map at line 10, column 1' in said.out


def test_check_reads_yaml_from_standard_input_when_it_is_not_json() -> None:
    assert goflow("check", "-", stdin=YAML).code == 0
    assert "not acceptable as YAML" in goflow("check", "-", stdin="a: &b 1").out
    assert "not acceptable as JSON" in goflow("check", "-", stdin=" {a: 1}").out


def test_a_report_of_yaml_names_no_line_that_it_does_not_know() -> None:
    said = goflow("check", "--format", "github", "-", stdin=YAML.replace("[ask]", "[a, a]"))
    assert said.code == 3
    assert all(",line=1,col=1," in line for line in said.out.splitlines())


def test_a_file_that_is_not_there_is_wrong_usage() -> None:
    said = goflow("check", "nowhere.json")
    assert said.code == 2
    assert "cannot be read" in said.err


def test_the_schema_is_that_of_blueprints() -> None:
    schema = goflow("schema").json
    assert {"project", "activity", "states", "transitions"} <= set(schema["properties"])


def test_the_entry_point_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["scripts"] == {"goflow": "goflow_py.cli:main"}


def test_completion_knows_the_commands() -> None:
    env = {**os.environ, "_GOFLOW_COMPLETE": "complete_bash"}
    env |= {"COMP_WORDS": "goflow re", "COMP_CWORD": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "goflow_py"], capture_output=True, text=True, env=env, check=False
    )
    assert {"retry", "resume", "replay"} <= set(done.stdout.split())
