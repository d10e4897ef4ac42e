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


MACHINE = {
    "states": [{"name": "unpaid", "on": {"pay": "done"}}],
    "transitions": [{"current": "init", "event": "start", "next": "unpaid"}],
}
PARALLEL = {
    "project": "shop",
    "activity": "parallel",
    "states": [
        {
            "name": "both",
            "tasks": [{"name": "payment"}, {"name": "note"}, {"name": "ask", "needs": ["note"]}],
            "on": {"success": "done"},
        }
    ],
    "actions": [
        {"name": "payment", "type": "activity", "machine": "payment"},
        {"name": "note", "type": "map", "value": 1},
        {"name": "ask", "type": "wait", "event": "yes", "timeout": 60},
    ],
    "transitions": [{"current": "init", "event": "start", "next": "both"}],
    "machines": {"payment": MACHINE},
}


async def test_a_graph_with_a_machine_is_proved_and_drawn_while_it_runs(shop: Api) -> None:
    told = await shop.good("POST", "/v1/blueprints", PARALLEL)
    assert told["accepts"] == {"both": ["pay", "yes"]}
    assert "in machine 'payment'" in told["bound"]["because"]
    known = await shop.good("GET", "/v1/blueprints/shop/parallel/findings")
    assert (known["accepts"], known["bound"]) == (told["accepts"], told["bound"])
    execution = await start(shop, "parallel", {})
    drawn = await shop.good("GET", f"/v1/executions/{execution['id']}/graph")
    node = next(node for node in drawn["nodes"] if node["current"])
    (child,) = execution["children"]
    assert node["children"] == [{"task": "payment", "id": child}]
    assert [(task["name"], task["status"]) for task in node["tasks"]] == [
        ("payment", "open"),
        ("note", "ended"),
        ("ask", "open"),
    ]
    assert [node["id"] for node in drawn["machines"]["payment"]["nodes"]] == [
        "init",
        "unpaid",
        "done",
    ]
    inner = await shop.good("GET", f"/v1/executions/{child}/graph")
    assert inner["current"] == "unpaid"
    bounded = {**PARALLEL, "machines": {"payment": {**MACHINE, "timeout": 90}}}
    told = await shop.good("POST", "/v1/blueprints", bounded)
    assert told["bound"]["seconds"] == 90
    changes = await shop.good("GET", "/v1/blueprints/shop/parallel/diff")
    assert [one["name"] for one in changes["machines"]["changed"]] == ["payment"]


async def test_a_child_whose_activity_is_not_there_yet_is_a_warning(shop: Api) -> None:
    work = {"name": "later", "type": "activity", "activity": "not_yet"}
    told = await shop.good("POST", "/v1/blueprints", activity("parent", work))
    found = [one for one in told["findings"] if one["code"] == "unknown_activity"]
    assert [(one["severity"], one["pointer"]) for one in found] == [
        ("warning", "/actions/0/activity")
    ]
    strict = await shop("POST", "/v1/blueprints?strict=1", activity("parent", work))
    assert "unknown_activity" in {one["code"] for one in strict.problem(422)["findings"]}
    await shop.good("POST", "/v1/blueprints", activity("not_yet", {"type": "wait", "event": "go"}))
    told = await shop.good("POST", "/v1/blueprints", activity("parent", work))
    assert "unknown_activity" not in {one["code"] for one in told["findings"]}
    pinned = activity("parent", {**work, "version": 7})
    told = await shop.good("POST", "/v1/blueprints", pinned)
    assert "unknown_activity" in {one["code"] for one in told["findings"]}
