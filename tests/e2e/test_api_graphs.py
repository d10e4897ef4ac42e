"""Rows, graphs, differences, findings and the schema, over HTTP."""

import pytest
from jsonschema import Draft202012Validator

from tests.e2e.conftest import Api, activity, start

pytestmark = pytest.mark.e2e
PLACE = "/v1/blueprints/shop/order"


async def test_the_findings_tell_what_is_accepted_and_how_long_it_takes(shop: Api) -> None:
    known = await shop.good("GET", f"{PLACE}/findings")
    assert set(known) == {"items", "accepts", "bound"}
    assert "go" in next(iter(known["accepts"].values()))
    assert known["bound"]["seconds"] is None
    assert "wait" in known["bound"]["because"]
    bounded = {**activity("order", {"type": "wait", "event": "go"}), "timeout": 60}
    told = await shop.good("POST", "/v1/blueprints", bounded)
    assert told["bound"]["seconds"] == 60
    assert (await shop.good("GET", f"{PLACE}/findings"))["bound"] == told["bound"]
    assert (await shop.good("GET", f"{PLACE}/findings?version=1"))["bound"]["seconds"] is None


async def test_the_rows_and_the_graph_of_a_version(shop: Api) -> None:
    rows = (await shop.good("GET", f"{PLACE}/rows"))["items"]
    assert rows[0]["current"] == "init"
    drawn = await shop.good("GET", f"{PLACE}/graph?version=1")
    assert {edge["id"] for edge in drawn["edges"]} <= {row["id"] for row in rows}
    assert drawn["version"] == 1
    for form, media, begin in (
        ("mermaid", "text/vnd.mermaid; charset=utf-8", b"stateDiagram-v2\n"),
        ("dot", "text/vnd.graphviz; charset=utf-8", b'digraph "shop/order" {\n'),
    ):
        answer = await shop("GET", f"{PLACE}/graph?format={form}")
        assert (answer.status, answer.headers["Content-Type"]) == (200, media)
        assert answer.raw.startswith(begin)
    (await shop("GET", f"{PLACE}/graph?format=png")).problem(400, "bad_parameter")
    (await shop("GET", f"{PLACE}/graph?version=9")).problem(404)
    (await shop("GET", "/v1/blueprints/shop/none/rows")).problem(404)


async def test_an_execution_is_drawn_with_its_path(shop: Api) -> None:
    execution = await start(shop, "order", {"order": "1"})
    place = f"/v1/executions/{execution['id']}/graph"
    drawn = await shop.good("GET", place)
    assert drawn["current"] == execution["state"]
    assert [step["to"] for step in drawn["path"]] == [execution["state"]]
    assert drawn["path"][0]["at"].endswith("Z")
    assert sum(edge["taken"] for edge in drawn["edges"]) == 1
    assert b"classDef current" in (await shop("GET", f"{place}?format=mermaid")).raw
    assert b"digraph" in (await shop("GET", f"{place}?format=dot")).raw


async def test_two_versions_are_compared_with_what_runs_on_each(shop: Api) -> None:
    (await shop("GET", f"{PLACE}/diff")).problem(404)
    await start(shop, "order", {"order": "1"})
    changed = {**activity("order", {"type": "wait", "event": "go"}), "description": "new"}
    await shop.good("POST", "/v1/blueprints", changed)
    found = await shop.good("GET", f"{PLACE}/diff")
    assert (found["from"]["version"], found["to"]["version"]) == (1, 2)
    assert (found["from"]["waiting"], found["to"]["waiting"]) == (1, 0)
    assert (found["fields"], found["same"]) == (["key", "description"], False)
    back = await shop.good("GET", f"{PLACE}/diff?from=2&to=1")
    assert (back["from"]["version"], back["to"]["version"]) == (2, 1)
    assert (await shop.good("GET", f"{PLACE}/diff?from=2&to=2"))["same"] is True
    (await shop("GET", f"{PLACE}/diff?from=7")).problem(404)


async def test_the_schema_is_one_and_takes_what_an_upload_takes(shop: Api) -> None:
    schema = await shop.good("GET", "/v1/schemas/blueprint.json")
    Draft202012Validator.check_schema(schema)
    judge = Draft202012Validator(schema)
    assert judge.is_valid(activity("order", {"type": "wait", "event": "go"}))
    assert not judge.is_valid({"project": "p", "activity": "a", "stats": []})
