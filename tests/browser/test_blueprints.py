"""Blueprints in the browser: uploaded, looked at, started, compared."""

import json
import re

import orjson

from tests.browser.conftest import BLUEPRINTS, Person, chain, example
from tests.browser.test_executions import refund
from tests.harness import Mock, Server

LONELY = refund(states=["pay", {"name": "lonely", "on": {"never": "done"}}])
"""Nothing leads to one of its states."""


def test_a_file_is_dropped_its_findings_are_read_and_it_is_uploaded_and_started(
    person: Person, server: Server, mock: Mock
) -> None:
    mock.script(**{"w/pay": [{"status": 200}]})
    shown = person.opens("blueprints")
    shown.get_by_role("button", name="Upload", exact=True).click()
    dialog = shown.get_by_role("dialog")
    text = dialog.get_by_role("textbox", name="blueprint")
    text.fill(LONELY.decode())
    dialog.get_by_text("lonely").last.wait_for()
    text.fill(refund().decode())
    dialog.locator("form footer button[type=submit]:enabled").click()
    shown.get_by_role("heading", name="refund").wait_for()
    shown.get_by_role("link", name="Start", exact=True).first.click()
    shown.get_by_role("button", name="Start", exact=True).click()
    shown.locator("main .status.is-completed").first.wait_for()
    [one] = server.client.get("/v1/executions").json()["items"]
    assert (one["activity"], one["status"]) == ("refund", "completed")


def test_a_wrong_input_is_said_beside_its_field(person: Person, server: Server, mock: Mock) -> None:
    example(server, mock, "approval")
    shown = person.opens("start/hr/leave")
    shown.get_by_role("button", name="Start", exact=True).click()
    person.shows("this is required")
    assert server.client.get("/v1/executions").json()["items"] == []


def test_a_blueprint_is_looked_at_from_every_side(
    person: Person, server: Server, mock: Mock
) -> None:
    example(server, mock, "order")
    changed = json.loads((BLUEPRINTS / "order.json").read_text())
    changed["description"] = "changed"
    changed["transitions"].pop()
    server.client.post("/v1/blueprints", json=changed)
    shown = person.opens("blueprint/shop/order")
    shown.locator("svg [data-kind=state]").first.wait_for()
    person.photographs("blueprint")
    for tab in ("Rows", "Findings", "Workers", "JSON", "Versions", "Diff"):
        shown.get_by_role("tab", name=re.compile(f"^{tab}")).click()
        shown.get_by_role("tabpanel").locator(":scope > *").first.wait_for()
        assert shown.locator("main .problem").count() == 0, tab


def test_a_graph_of_a_hundred_states_is_drawn_without_the_page_standing_still(
    person: Person, server: Server
) -> None:
    server.upload(orjson.dumps(chain(100)))
    shown = person.opens("blueprint/large/chain100")
    shown.locator("svg [data-key=s099]").first.wait_for(state="attached")
    drawn = shown.locator("svg g[data-kind=state]").count()
    assert drawn >= 100


def test_a_graph_of_two_hundred_states_begins_with_a_neighbourhood(
    person: Person, server: Server
) -> None:
    server.upload(orjson.dumps(chain(200)))
    shown = person.opens("blueprint/large/chain200")
    shown.locator("svg [data-key=init]").first.wait_for(state="attached")
    assert 0 < shown.locator("svg g[data-kind=state]").count() < 100
