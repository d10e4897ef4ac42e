"""Findings for other tools, and commands that draw and compare files."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from goflow_py.cli.reports import pointers
from tests.unit.cli.conftest import Stub, goflow

ROOT = Path(__file__).parents[3]
SEED = ROOT / "blueprints" / "inquiry.json"
BAD = """{"project": "p", "activity": "a",
 "states": ["a", "b"],
 "transitions": [
  {"current": "init", "event": "start", "next": "a"},
  {"current": "a", "event": "go",
   "next": "nowhere"}]}
{"project": "p", "activity": "a", "workers": [
  {"name": "a", "workerEndpoint": "ftp://x"}]}
"""
PLACE: dict[str, Any] = {
    "type": "object",
    "required": ["physicalLocation"],
    "properties": {
        "physicalLocation": {
            "type": "object",
            "required": ["artifactLocation", "region"],
            "properties": {
                "artifactLocation": {
                    "required": ["uri"],
                    "properties": {"uri": {"type": "string", "format": "uri-reference"}},
                },
                "region": {
                    "required": ["startLine"],
                    "properties": {
                        "startLine": {"type": "integer", "minimum": 1},
                        "startColumn": {"type": "integer", "minimum": 1},
                    },
                },
            },
        }
    },
}
SARIF = Draft7Validator(
    {
        "required": ["version", "runs"],
        "properties": {
            "version": {"const": "2.1.0"},
            "runs": {
                "items": {
                    "required": ["tool", "results"],
                    "properties": {
                        "tool": {
                            "required": ["driver"],
                            "properties": {"driver": {"required": ["name", "rules"]}},
                        },
                        "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                        "results": {
                            "items": {
                                "required": ["message", "ruleId", "level", "locations"],
                                "properties": {
                                    "level": {"enum": ["none", "note", "warning", "error"]},
                                    "ruleIndex": {"type": "integer", "minimum": 0},
                                    "message": {"required": ["text"]},
                                    "locations": {"items": PLACE, "maxItems": 1},
                                },
                            }
                        },
                    },
                }
            },
        },
    }
)
"""What SARIF 2.1.0 asks for of what is used."""


def test_sarif_names_rules_levels_and_lines() -> None:
    said = goflow("check", "--format", "sarif", "-", stdin=BAD)
    assert said.code == 3
    log = said.json
    assert list(SARIF.iter_errors(log)) == []
    run = log["runs"][0]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    for result in run["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]
    lines = {
        result["ruleId"]: result["locations"][0]["physicalLocation"]["region"]["startLine"]
        for result in run["results"]
    }
    assert lines["undeclared_state"] == 5
    assert lines["bad_endpoint"] == 8


def test_sarif_of_the_blueprints_and_of_what_is_no_json(tmp_path: Path) -> None:
    said = goflow("check", "--format", "sarif", str(ROOT / "blueprints"))
    assert said.code == 0
    assert list(SARIF.iter_errors(said.json)) == []
    broken = tmp_path / "a b.json"
    broken.write_text('{"a": ')
    said = goflow("check", "--format", "sarif", str(broken))
    assert said.code == 3
    (result,) = said.json["runs"][0]["results"]
    assert (result["ruleId"], result["level"]) == ("unreadable", "error")
    assert "a%20b" in result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]


def test_github_gets_workflow_commands() -> None:
    said = goflow("check", "--format", "github", "-", stdin=BAD)
    assert said.code == 3
    lines = said.out.splitlines()
    assert any(line.startswith("::error file=-,line=5,col=3,title=goflow ") for line in lines)
    assert all(line.startswith(("::error ", "::warning ", "::notice ")) for line in lines)


def test_json_is_the_same_by_both_names() -> None:
    assert (
        goflow("check", "--format", "json", str(SEED)).json
        == goflow("check", "--json", str(SEED)).json
    )


@pytest.mark.parametrize(
    "value", [{"a": [1, {"b/c": [2, "x"]}], "d~": {}}, [], {"": {"": 0}}, [[["a,b:{"]]]]
)
def test_every_value_has_its_pointer(value: Any) -> None:
    text = json.dumps(value, indent=1)
    found = dict(pointers(text))

    def walk(pointer: str, part: Any) -> None:
        decoded, _ = json.JSONDecoder().raw_decode(text, found.pop(pointer))
        assert decoded == part
        items = part.items() if isinstance(part, dict) else ()
        for name, inner in enumerate(part) if isinstance(part, list) else items:
            walk(f"{pointer}/{str(name).replace('~', '~0').replace('/', '~1')}", inner)

    walk("0", value)
    assert found == {}


def test_graph_draws_a_file_without_a_server() -> None:
    assert goflow("graph", str(SEED)).out.startswith("stateDiagram-v2\n")
    assert goflow("graph", "-f", "dot", str(SEED)).out.startswith('digraph "goflow/inquiry"')
    drawn = goflow("graph", "--format", "json", str(SEED)).json
    assert [node["id"] for node in drawn["nodes"]][:2] == ["init", "calculate_balance"]


def test_graph_and_diff_ask_the_server_for_what_is_no_file(stub: Stub) -> None:
    compiled = goflow("graph", "--format", "json", str(SEED)).json
    stub.answers("GET /v1/blueprints/goflow/inquiry/graph", (200, compiled))
    said = goflow("graph", "goflow/inquiry", "--version", "2", "--server", stub.url)
    assert said.code == 0, said.err
    assert said.out == goflow("graph", str(SEED)).out
    counts = {"running": 0, "waiting": 2, "paused": 0, "failed": 0}
    ends = {"from": {"version": 1, **counts}, "to": {"version": 2, **counts, "waiting": 0}}
    nothing: dict[str, Any] = {"added": [], "removed": [], "changed": []}
    parts = dict.fromkeys(("states", "actions", "rows", "workers"), nothing)
    answer = {**ends, **parts, "fields": ["timeout"]}
    stub.answers("GET /v1/blueprints/goflow/inquiry/diff", (200, answer))
    said = goflow("diff", "goflow/inquiry", "--server", stub.url)
    assert said.out.splitlines() == [
        "from version 1: 2 waiting",
        "to   version 2: nothing runs on it",
        "~ timeout",
    ]
    assert goflow("diff", "nothing", "--server", stub.url).code == 2


def test_diff_compares_files_without_a_server(tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text(SEED.read_text("utf-8").replace("get_product", "find_product"))
    said = goflow("diff", str(SEED), str(other)).out
    assert "- state   get_product" in said
    assert "+ worker  find_product" in said
    assert "~ row     (calculate_balance, success) -> continue, get_product  =>" in said
    assert goflow("diff", str(SEED), str(SEED)).out == "no difference\n"
    assert goflow("diff", "--json", str(SEED), str(other)).json["states"]["added"]
