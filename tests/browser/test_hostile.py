"""Values, schemas, names and keys that mean no good, and a network that loses answers."""

import itertools
import re
from typing import Any

import orjson
import pytest
from playwright.sync_api import Page, Route

from tests.browser.conftest import Person
from tests.harness import Server

LARGE = 9_007_199_254_740_993
"""A number of JavaScript would be one less."""


def activity(name: str, *, schema: Any = True) -> bytes:
    """Return a blueprint that waits for an event, with a schema of what it starts with."""
    document = {
        "project": "p",
        "activity": name,
        "input": schema,
        "states": [{"name": "asked"}],
        "transitions": [
            {"current": "init", "event": "start", "next": "asked"},
            {"current": "asked", "event": "answer", "next": "done"},
        ],
    }
    return orjson.dumps(document)


def started(server: Server, name: str) -> list[dict[str, Any]]:
    """Return the executions of an activity."""
    answer = server.client.get("/v1/executions", params={"project": "p", "activity": name})
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def test_an_integer_of_64_bits_is_shown_and_sent_as_it_is(person: Person, server: Server) -> None:
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer", "default": LARGE}, "m": {"type": "integer"}},
    }
    server.upload(activity("large", schema=schema))
    page = person.opens("start/p/large")
    assert page.locator("[name=n]").input_value() == str(LARGE)
    page.locator("[name=m]").fill(str(LARGE + 2))
    page.get_by_role("button", name="Start", exact=True).click()
    page.get_by_role("tab", name="Input").click()
    person.shows(str(LARGE))
    person.shows(str(LARGE + 2))
    assert started(server, "large")[0]["input"] == {"n": LARGE, "m": LARGE + 2}


@pytest.mark.parametrize(
    "schema",
    [
        {"anyOf": [{"$ref": "#"}, {"type": "null"}]},
        {"type": "array", "minItems": 20, "items": {"$ref": "#"}},
        {"$defs": {"%zz": {"type": "string"}}, "properties": {"x": {"$ref": "#/$defs/%zz"}}},
    ],
    ids=["a choice of itself", "lists of lists", "a percent sign"],
)
def test_a_schema_that_goes_in_circles_has_a_form(
    person: Person, server: Server, schema: dict[str, Any]
) -> None:
    server.upload(activity("circles", schema=schema))
    page = person.opens("start/p/circles")
    page.get_by_role("button", name="Start", exact=True).wait_for()
    assert page.locator(".problem").count() == 0


def loses_answers(page: Page, path: str) -> list[str]:
    """Let the server do what is posted there, but lose its answer; return the keys that come."""
    keys: list[str] = []

    def lose(route: Route) -> None:
        keys.append(route.request.headers["idempotency-key"])
        if len(keys) > 1:
            route.continue_()
        else:
            assert route.fetch().ok
            route.abort("connectionreset")

    page.route(re.compile(path), lose)
    return keys


def test_a_start_whose_answer_was_lost_happens_once(person: Person, server: Server) -> None:
    person.forgiven = re.compile("ERR_CONNECTION_RESET")
    server.upload(activity("once"))
    page = person.opens("start/p/once")
    field = page.get_by_label("input")
    field.fill(orjson.dumps({"text": "x" * 70_000}).decode())
    keys = loses_answers(page, "/executions$")
    page.get_by_role("button", name="Start", exact=True).click()
    person.shows("the server cannot be reached")
    # To look at what was written is no other decision.
    field.click()
    page.get_by_role("button", name="Start", exact=True).click()
    page.get_by_role("button", name="Send event").wait_for()
    assert len(keys) == 2
    assert len(started(server, "once")) == 1


def test_an_event_whose_answer_was_lost_is_applied_once(person: Person, server: Server) -> None:
    person.forgiven = re.compile("ERR_CONNECTION_RESET")
    server.upload(activity("once"))
    execution = server.start("p/once")["id"]
    page = person.opens(f"execution/{execution}")
    page.get_by_role("button", name="Send event").click()
    loses_answers(page, "/events$")
    send = page.get_by_role("dialog").get_by_role("button", name="Send")
    send.click()
    person.shows("the server cannot be reached")
    send.click()
    person.shows("answer was applied")
    applied = [one for one in server.history(execution) if one["type"] == "eventApplied"]
    assert len(applied) == 1


def test_an_answer_that_is_no_json_is_said_so(person: Person) -> None:
    cut: dict[str, Any] = {"content_type": "application/json", "body": '{"items": ['}
    person.page.route("**/v1/blueprints?*", lambda route: route.fulfill(**cut))
    person.opens("blueprints")
    person.shows("what came as JSON is none; try again")


def test_a_page_of_something_between_is_not_shown_as_what_the_server_said(person: Person) -> None:
    between: dict[str, Any] = {
        "status": 502,
        "content_type": "text/html",
        "body": "<h1>Bad gateway</h1>",
    }
    person.forgiven = re.compile("502")
    person.page.route("**/v1/blueprints?*", lambda route: route.fulfill(**between))
    person.opens("blueprints")
    person.shows("the server answered 502")
    assert person.page.get_by_text("gateway").count() == 0


def test_a_page_that_asks_nothing_by_itself_comes_back_with_the_server(
    person: Person, server: Server
) -> None:
    server.upload(activity("back"))
    person.forgiven = re.compile("ERR_CONNECTION_REFUSED")
    page = person.page
    page.route("**/v1/**", lambda route: route.abort("connectionrefused"))
    person.opens("blueprint/p/back")
    person.shows("The server cannot be reached; trying again.")
    page.unroute("**/v1/**")
    page.get_by_role("tab", name="Graph").wait_for()
    assert page.get_by_text("cannot be reached").count() == 0


def test_what_broke_one_page_is_not_shown_on_the_next_of_its_kind(
    person: Person, server: Server
) -> None:
    server.upload(activity("good"))
    server.upload(activity("bad"))
    null: dict[str, Any] = {"content_type": "application/json", "body": "{}"}
    person.page.route(re.compile("blueprints/p/bad$"), lambda route: route.fulfill(**null))
    person.opens("start/p/bad")
    person.shows("broken_page")
    person.opens("start/p/good")
    person.page.get_by_role("button", name="Start", exact=True).wait_for()


def test_a_wrong_key_is_not_sent_again_and_again(person: Person) -> None:
    wrong: dict[str, Any] = {
        "status": 401,
        "json": {"code": "bad_key", "detail": "nobody has this key"},
    }
    asked: list[str] = []

    def refuse(route: Route) -> None:
        asked.append(route.request.headers["authorization"])
        route.fulfill(**wrong)

    page = person.page
    page.clock.install()
    page.add_init_script("sessionStorage.setItem('goflow.key', 'gf_old_key')")
    page.route("**/v1/**", refuse)
    person.opens("workers")
    page.get_by_role("dialog").press("Escape")
    before = len(asked)
    page.clock.run_for(60_000)
    assert len(asked) == before
    assert page.get_by_role("dialog").count() == 0
    page.unroute("**/v1/**")
    page.get_by_role("button", name="Give a key").click()
    page.get_by_placeholder("gf_").fill("gf_new_key")
    page.get_by_role("button", name="Use it").click()
    page.locator("main .empty").first.wait_for()
    assert page.locator(".problem").count() == 0


def test_a_task_is_not_ended_with_what_is_no_json_yet(person: Person, server: Server) -> None:
    human = {
        "project": "p",
        "activity": "human",
        "states": [{"name": "asked"}],
        "actions": [{"name": "asked", "type": "human"}],
        "transitions": [
            {"current": "init", "event": "start", "next": "asked"},
            {"current": "asked", "event": "success", "next": "done"},
            {"current": "asked", "event": "error", "next": "failed"},
        ],
    }
    server.upload(orjson.dumps(human))
    server.start("p/human")
    page = person.opens("inbox")
    page.get_by_label("I am").fill("ann")
    page.get_by_role("button", name=re.compile("asked")).first.click()
    page.get_by_role("button", name="Claim it as ann").click()
    complete = page.get_by_role("button", name="Complete")
    complete.wait_for()
    page.get_by_label("value").fill('{"isSure": fal')
    assert complete.is_disabled()
    page.get_by_label("value").fill('{"isSure": false}')
    assert complete.is_enabled()


def test_states_may_have_any_name_that_the_language_allows(person: Person, server: Server) -> None:
    long = "s" * 64
    names = ["constructor", "__proto__", long, "done"]
    rows = [
        {"current": one, "event": "toString", "next": two} for one, two in itertools.pairwise(names)
    ]
    odd = {
        "project": "p",
        "activity": "odd",
        "states": [{"name": name} for name in names[:-1]],
        "transitions": [{"current": "init", "event": "start", "next": names[0]}, *rows],
    }
    server.upload(orjson.dumps(odd))
    execution = server.start("p/odd")["id"]
    for _ in names[:2]:
        event = {"name": "toString"}
        answer = server.client.post(f"/v1/executions/{execution}/events", json=event)
        assert answer.status_code == 200
    page = person.opens(f"execution/{execution}")
    for name in names:
        page.locator(".graph-card svg").get_by_text(name[:8]).first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
