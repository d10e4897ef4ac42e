"""The frame of the pages: what every one of them keeps to."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.browser.conftest import PHONE, Person, blueprint
from tests.harness import Mock, Server, ended

SCRIPT = "<img src=x onerror=window.hacked=1>"
PAGES = ("executions", "blueprints", "workers", "inbox", "insights", "settings", "editor")


def hostile() -> dict[str, Any]:
    """Return a blueprint that has markup wherever users write what they like."""
    return {
        "project": "p",
        "activity": "a",
        "description": SCRIPT,
        "meta": {"owner": SCRIPT},
        "states": [{"name": "work", "description": SCRIPT, "businessStatus": SCRIPT}],
        "actions": [{"name": "work", "type": "sync", "description": SCRIPT}],
        "transitions": [
            {"current": "init", "event": "start", "next": "work"},
            {"current": "work", "event": "success", "next": "done"},
            {"current": "work", "event": "error", "next": "failed"},
        ],
        "workers": [{"name": "work", "workerEndpoint": "w"}],
    }


@pytest.mark.parametrize("page", PAGES)
def test_a_page_of_an_empty_server_says_what_to_do_and_breaks_nothing(
    person: Person, page: str
) -> None:
    shown = person.opens(page)
    shown.locator("main :is(h1, .empty, .card)").first.wait_for()
    assert shown.locator("main .problem").count() == 0


@pytest.mark.parametrize("page", PAGES)
def test_a_page_fits_a_phone_without_scrolling_sideways(
    person_of: Callable[..., Person], server: Server, page: str
) -> None:
    server.upload(blueprint("order"))
    shown = person_of(server.url, viewport=PHONE).opens(page)
    shown.locator("main :is(h1, .empty, .card)").first.wait_for()
    wide = shown.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0, f"{wide} px are beyond the right edge"


def test_the_root_leads_to_the_pages(person: Person) -> None:
    person.page.goto(person.url)
    assert person.page.url.startswith(f"{person.url}/ui/")
    person.page.get_by_role("heading", name="Executions").wait_for()


def test_the_theme_follows_the_system_until_a_person_says_otherwise(
    person_of: Callable[..., Person], server: Server
) -> None:
    shown = person_of(server.url, color_scheme="dark").opens("settings")
    theme = "document.documentElement.dataset.theme"
    assert shown.evaluate(theme) == "dark"
    shown.get_by_role("button", name="light or dark").click()
    assert shown.evaluate(theme) == "light"
    shown.reload()
    assert shown.evaluate(theme) == "light"


def test_the_keys_of_the_keyboard_lead_from_page_to_page(person: Person) -> None:
    shown = person.opens("executions")
    shown.get_by_role("heading", name="Executions").wait_for()
    shown.keyboard.press("g")
    shown.keyboard.press("w")
    shown.get_by_role("heading", name="Workers").wait_for()
    shown.keyboard.press("?")
    shown.get_by_role("dialog").get_by_text("go to Workers").wait_for()
    shown.keyboard.press("Escape")
    shown.get_by_role("dialog").wait_for(state="detached")


def test_one_escape_leaves_the_search_also_with_something_typed(person: Person) -> None:
    shown = person.opens("workers")
    shown.get_by_role("heading", name="Workers").wait_for()
    shown.keyboard.press("/")
    shown.get_by_role("combobox", name="search").fill("nobody")
    person.shows("Nothing has nobody in it.")
    shown.keyboard.press("Escape")
    shown.get_by_role("dialog").wait_for(state="detached")


def test_who_goes_back_leaves_what_stands_over_the_page(person: Person) -> None:
    shown = person.opens("workers")
    shown.get_by_role("heading", name="Workers").wait_for()
    person.opens("settings")
    shown.get_by_role("heading", name="Settings").wait_for()
    shown.keyboard.press("?")
    shown.get_by_role("dialog").wait_for()
    shown.go_back()
    shown.get_by_role("heading", name="Workers").wait_for()
    shown.get_by_role("dialog").wait_for(state="detached")
    assert shown.title() == "Workers · goflow"


def test_a_server_that_goes_away_is_said_and_comes_back(person: Person) -> None:
    person.forgiven = re.compile("ERR_CONNECTION_REFUSED")
    shown = person.opens("workers")
    shown.get_by_role("heading", name="Workers").wait_for()
    shown.route("**/v1/**", lambda route: route.abort("connectionrefused"))
    shown.locator(".banner").wait_for()
    shown.unroute("**/v1/**")
    shown.locator(".banner").wait_for(state="detached")


def test_a_guarded_server_asks_for_the_key_keeps_it_for_the_tab_and_shows_the_data(
    person_of: Callable[..., Person], tmp_path: Path
) -> None:
    key_file = tmp_path / "key"
    guarded = Server(
        tmp_path / "guarded.db", "--host", "0.0.0.0", "--bootstrap-key-file", str(key_file)
    )
    with ended(guarded):
        key = key_file.read_text().strip()
        person = person_of(guarded.url)
        shown = person.opens("settings")
        shown.get_by_role("dialog", name="API key").get_by_label("Key").fill("gf_wrong_key")
        shown.get_by_role("button", name="Use it").last.click()
        shown.get_by_text("does not know this key").wait_for()
        shown.get_by_role("dialog", name="API key").get_by_label("Key").fill(key)
        shown.get_by_role("button", name="Use it").last.click()
        shown.get_by_role("cell", name="the first key").wait_for()
        shown.reload()
        shown.get_by_role("cell", name="the first key").wait_for()
        assert key not in shown.url
        assert shown.evaluate("JSON.stringify(localStorage)").count(key) == 0


@pytest.mark.parametrize("page", PAGES)
def test_what_users_wrote_is_text_on_every_page(
    person: Person, server: Server, mock: Mock, page: str
) -> None:
    server.upload(orjson.dumps(hostile()))
    server.start("p/a", {"note": SCRIPT})
    server.end_of(server.start("p/a", {"note": SCRIPT})["id"])
    shown = person.opens(page)
    shown.locator("main :is(h1, .empty, .card)").first.wait_for()
    shown.wait_for_timeout(300)  # a broken picture would need so long to run its script
    assert shown.evaluate("window.hacked") is None
    assert shown.locator("main img").count() == 0
