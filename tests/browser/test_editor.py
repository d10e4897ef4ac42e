"""The editor: it checks as one types, jumps, mends and saves."""

import json
import re

from playwright.sync_api import Page

from tests.browser.conftest import BLUEPRINTS, Person, example
from tests.harness import Mock, Server


def write(shown: Page, text: str) -> None:
    """Put a text in the place of what stands in the editor."""
    shown.locator(".cm-content").first.click()
    shown.keyboard.press("Control+a")
    shown.keyboard.insert_text(text)


def test_a_finding_is_said_while_one_types_mended_by_a_click_and_saved(
    person: Person, server: Server, mock: Mock
) -> None:
    example(server, mock, "order")
    document = json.loads((BLUEPRINTS / "order.json").read_text())
    document["transitions"][1]["event"] = "sucess"
    shown = person.opens("editor/shop/order")
    shown.locator(".cm-content").first.wait_for()
    write(shown, json.dumps(document, indent=2))
    findings = shown.get_by_role("region", name="findings")
    findings.get_by_text("has no row for 'success'").first.wait_for()
    person.photographs("editor")
    document["transitions"][1]["event"] = "success"
    document["description"] = "a better one"
    write(shown, json.dumps(document, indent=2))
    person.shows("no errors")
    shown.get_by_role("button", name="Save…").click()
    shown.get_by_role("dialog").get_by_text(re.compile("version 2|v2")).first.wait_for()
    shown.get_by_role("dialog").locator("form footer button[type=submit]").click()
    shown.get_by_role("dialog").wait_for(state="detached")
    latest = server.client.get("/v1/blueprints/shop/order").json()
    assert (latest["version"], latest["blueprint"]["description"]) == (2, "a better one")


def test_json_that_is_none_is_said_where_it_breaks(
    person: Person, server: Server, mock: Mock
) -> None:
    example(server, mock, "order")
    shown = person.opens("editor/shop/order")
    shown.locator(".cm-content").first.wait_for()
    write(shown, '{"project": "shop",\n "activity": }')
    shown.locator(".cm-lint-marker-error, .cm-lintRange-error").first.wait_for()
    assert shown.get_by_role("button", name="Save…").is_disabled()


def test_what_was_not_saved_is_there_after_a_reload(
    person: Person, server: Server, mock: Mock
) -> None:
    example(server, mock, "order")
    shown = person.opens("editor/shop/order")
    shown.locator(".cm-content").first.wait_for()
    document = json.loads((BLUEPRINTS / "order.json").read_text())
    document["description"] = "not yet saved"
    write(shown, json.dumps(document, indent=2))
    person.shows("no errors")
    shown.once("dialog", lambda dialog: dialog.accept())
    shown.reload()
    shown.locator(".cm-content").get_by_text("not yet saved").wait_for()


def test_a_new_blueprint_begins_with_one_that_runs(person: Person, server: Server) -> None:
    shown = person.opens("editor")
    shown.locator(".cm-content").first.wait_for()
    shown.get_by_role("button", name="Save…").click()
    shown.get_by_role("dialog").locator("form footer button[type=submit]").click()
    shown.get_by_role("dialog").wait_for(state="detached")
    assert len(server.client.get("/v1/blueprints").json()["items"]) == 1
