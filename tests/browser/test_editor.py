"""The editor: checked while it is typed, mended by a click, stored as a version."""

import json
import re
from typing import Any

from playwright.sync_api import Page, expect

from tests.browser.conftest import BLUEPRINTS, Person, blueprint, example
from tests.harness import Mock, Server

PANE = ".pane:not(.away) .cm-content"
WRONG = "<img src=x onerror=alert(1)>"


def replaces(page: Page, text: str, other: str) -> None:
    """Put the first *text* of the shown document right by its own search, and type *other*."""
    page.locator(PANE).click()
    page.keyboard.press("Control+Home")
    page.keyboard.press("Control+f")
    page.keyboard.type(text)
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    page.keyboard.insert_text(other)


def write(page: Page, text: str) -> None:
    """Put a text in the place of what stands in the editor."""
    page.locator(".cm-content").first.click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(text)


def stored(server: Server, place: str) -> Any:
    return server.client.get(f"/v1/blueprints/{place}").json()


def verdict(page: Page) -> Any:
    return expect(page.locator(".head .verdict"))


def test_a_mistyped_state_is_found_mended_and_stored(person: Person, server: Server) -> None:
    server.upload(blueprint("inquiry"))
    page = person.opens("editor/goflow/inquiry")
    verdict(page).to_have_text(re.compile("3 warnings"))
    replaces(page, '"next": "get_product"', '"next": "get_produkt"')
    verdict(page).to_have_text(re.compile("1 error"))
    person.shows("state 'get_produkt' is not declared; did you mean 'get_product'?")
    person.photographs("editor")
    expect(page.get_by_role("button", name="Save…")).to_be_disabled()
    page.get_by_role("button", name="Write 'get_product'").click()
    verdict(page).to_have_text(re.compile("3 warnings"))
    replaces(page, '"activity": "inquiry",', f'"activity": "inquiry", "description": "{WRONG}",')
    page.get_by_role("button", name="Save…").click()
    expect(page.locator("dialog .diff")).to_contain_text(WRONG)
    page.get_by_role("button", name="Save as v2").click()
    expect(page).to_have_url(re.compile(r"#/editor/goflow/inquiry\?version=2"))
    assert stored(server, "goflow/inquiry")["blueprint"]["description"] == WRONG


def test_a_state_of_the_graph_leads_to_its_text(person: Person, server: Server) -> None:
    server.upload(blueprint("inquiry"))
    page = person.opens("editor/goflow/inquiry")
    page.locator('.drawing [data-kind="state"][data-key="get_product"]').first.click()
    expect(page.locator(f"{PANE} .cm-activeLine")).to_have_text(
        re.compile('"states": .*"get_product"')
    )


def test_words_of_the_language_are_offered_where_they_may_stand(
    person: Person, server: Server
) -> None:
    page = person.opens("editor")
    verdict(page).to_have_text(re.compile("no errors"))
    replaces(page, '"activity": "first",', '"activity": "first",\n')
    page.keyboard.type('"maxC')
    offered = page.locator(".cm-tooltip-autocomplete li")
    expect(offered).to_have_text(["maxConcurrent"])
    offered.first.click()
    page.keyboard.type("5")
    expect(page.locator(PANE)).to_contain_text('"maxConcurrent": 5,')
    verdict(page).to_have_text(re.compile("no errors"))


def test_what_is_not_stored_yet_is_there_after_a_reload(person: Person, server: Server) -> None:
    page = person.opens("editor")
    page.get_by_label("begin with").select_option("person")
    expect(page.locator(PANE)).to_contain_text('"human"')
    page.on("dialog", lambda dialog: dialog.accept())
    page.reload()
    expect(page.locator(PANE)).to_contain_text('"human"')
    person.shows("not stored yet; kept in this tab")
    page.get_by_role("button", name="Discard").click()
    expect(page.locator(PANE)).not_to_contain_text('"human"')
    expect(page.get_by_text("not stored yet")).to_have_count(0)


def test_a_new_blueprint_keeps_its_workers_when_it_is_renamed(
    person: Person, server: Server
) -> None:
    page = person.opens("editor")
    replaces(page, '"activity": "first",', '"activity": "second",')
    page.get_by_role("button", name="Let them be for mine/second").click()
    verdict(page).to_have_text(re.compile("no errors"))
    page.keyboard.press("Control+s")
    page.get_by_role("button", name="Save as v1").click()
    expect(page).to_have_url(re.compile(r"#/editor/mine/second\?version=1"))
    assert len(stored(server, "mine/second/workers")["workers"]) == 2


def test_a_file_of_yaml_is_stored_and_then_edited_as_json(person: Person, server: Server) -> None:
    text = b"""\
project: mine
activity: spoken
states: [asked]
actions: [{name: asked, type: wait, event: answered}]
transitions:
  - {current: init, event: start, next: asked}
  - {current: asked, event: success, next: done}
"""
    page = person.opens("editor")
    page.locator("input[type=file]").set_input_files(
        {"name": "spoken.yaml", "mimeType": "application/yaml", "buffer": text}
    )
    page.get_by_role("button", name="Store it").click()
    expect(page).to_have_url(re.compile(r"#/editor/mine/spoken\?version=1"))
    expect(page.locator(PANE)).to_contain_text('"activity": "spoken"')


def test_a_finding_is_said_while_one_types_and_a_version_is_saved(
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
