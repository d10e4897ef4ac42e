"""Workers, inbox, insights, settings and the page of all calls, as people use them."""

import httpx

from tests.browser.conftest import Person, example
from tests.harness import Mock, Server, until

EXPENSE = {"employee": "ada", "amount": 900, "purpose": "a laptop", "reviewer": "mia"}


def test_a_person_claims_a_task_is_told_what_is_missing_and_completes_it(
    person: Person, server: Server, mock: Mock
) -> None:
    example(server, mock, "expense")
    execution = server.start("finance/expense", EXPENSE)["id"]
    until(lambda: server.client.get("/v1/tasks").json()["items"], "the review is in the inbox")
    shown = person.opens("inbox")
    shown.get_by_role("button", name="review").click()
    shown.get_by_placeholder("your name").fill("mia")
    shown.get_by_role("button", name="Claim it as mia").click()
    shown.get_by_role("button", name="Complete", exact=True).click()
    person.shows("this is required")
    person.photographs("inbox")
    shown.get_by_role("radio", name="yes").check()
    shown.get_by_role("button", name="Complete", exact=True).click()
    person.shows("Nothing waits for anybody")
    assert server.end_of(execution)["status"] == "completed"


def test_a_task_that_cannot_be_done_ends_as_an_error(
    person: Person, server: Server, mock: Mock
) -> None:
    example(server, mock, "expense")
    execution = server.start("finance/expense", EXPENSE)["id"]
    until(lambda: server.client.get("/v1/tasks").json()["items"], "the review is in the inbox")
    shown = person.opens("inbox")
    shown.get_by_placeholder("your name").fill("mia")
    shown.get_by_role("button", name="review").click()
    shown.get_by_role("button", name="Claim it as mia").click()
    shown.get_by_role("button", name="It cannot be done").click()
    shown.get_by_role("dialog").get_by_label("Why").fill("no receipt")
    shown.get_by_role("button", name="End it as an error").click()
    person.shows("ended as an error")
    errors = [entry for entry in server.history(execution) if entry.get("outcome") == "error"]
    assert errors, "the history has the error"


def test_the_workers_show_who_fails(person: Person, server: Server, mock: Mock) -> None:
    example(server, mock, "inquiry")
    server.end_of(server.start("goflow/inquiry", {"customer": 1})["id"])
    shown = person.opens("workers")
    row = shown.get_by_role("row").filter(has_text="calculate_balance").first
    row.get_by_text("100 %").or_(row.get_by_text("80 %")).or_(row.get_by_text("57 %")).wait_for()
    person.photographs("workers")
    shown.get_by_role("searchbox", name="search workers").fill("worker_url_2")
    shown.get_by_role("row").filter(has_text="get_product").wait_for(state="detached")


def test_an_alias_is_pointed_elsewhere(person: Person, server: Server) -> None:
    shown = person.opens("workers")
    shown.get_by_role("button", name="New alias").click()
    shown.get_by_role("dialog").get_by_label("Alias").fill("bank")
    shown.get_by_role("dialog").get_by_label("URL").fill("http://127.0.0.1:9/bank")
    person.shows("the same with curl")
    shown.get_by_role("button", name="Save").click()
    shown.get_by_role("cell", name="http://127.0.0.1:9/bank").wait_for()
    items = server.client.get("/v1/endpoints").json()["items"]
    assert ("bank", "http://127.0.0.1:9/bank") in [(one["alias"], one["url"]) for one in items]


def test_insights_show_paths_slow_states_and_what_was_never_taken(
    person: Person, server: Server, mock: Mock
) -> None:
    example(server, mock, "inquiry")
    for number in range(3):
        server.end_of(server.start("goflow/inquiry", {"customer": number})["id"])
    shown = person.opens("insights")
    shown.get_by_role("link", name="goflow/inquiry").click()
    person.shows("From 3 executions")
    never = shown.locator(".card").filter(has_text="Transitions never taken")
    never.get_by_role("cell", name="error").first.wait_for()
    person.photographs("insights")


def test_settings_show_the_store_and_make_and_revoke_a_key(person: Person, server: Server) -> None:
    shown = person.opens("settings")
    person.shows("ready")
    shown.get_by_role("button", name="New key").click()
    shown.get_by_label("What it is for").fill("the shop")
    shown.get_by_role("button", name="Make it").click()
    text = shown.locator(".made-key").inner_text()
    assert text.startswith("gf_")
    shown.get_by_role("button", name="close").click()
    shown.get_by_role("row").filter(has_text="the shop").get_by_role("button").click()
    shown.get_by_role("button", name="Revoke it").click()
    person.shows("There is none. A server that listens on loopback")
    assert server.client.get("/v1/keys").json()["items"] == []


def test_a_server_with_a_file_says_that_it_is_the_only_node(person: Person) -> None:
    shown = person.opens("settings")
    person.shows("This server has the data for itself.")
    assert shown.locator(".nodes table").count() == 0


def test_every_stored_history_is_verified_from_the_page(person: Person, server: Server) -> None:
    shown = person.opens("settings")
    shown.get_by_role("button", name="Verify…").click()
    shown.get_by_role("button", name="Verify all").click()
    person.shows("0 executions with 0 records were checked")


def test_a_call_is_found_read_and_tried_on_the_page_of_all_calls(
    person: Person, server: Server
) -> None:
    shown = person.page
    shown.goto(f"{server.url}/docs")
    shown.get_by_role("searchbox", name="search calls").fill("get version operations")
    card = shown.locator("details.call").filter(has_text="/version")
    card.first.locator("summary").first.click()
    card.first.get_by_role("button", name="Try it").click()
    card.first.get_by_role("button", name="Send").click()
    card.first.get_by_text('"version"').wait_for()


def test_every_call_of_the_server_is_on_the_page(person: Person, server: Server) -> None:
    document = httpx.get(f"{server.url}/openapi.json", trust_env=False).json()
    calls = sum(len(item) for item in document["paths"].values())
    shown = person.page
    shown.goto(f"{server.url}/docs")
    shown.locator("details.call").first.wait_for()
    assert shown.locator("details.call").count() == calls
