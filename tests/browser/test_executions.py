"""The list of executions, and one of them: watched, understood, mended."""

import json
import re

import orjson

from tests.browser.conftest import BLUEPRINTS, Person, example
from tests.harness import Mock, Server, until

INQUIRY = {"customer": 1}
REFUSED = [{"status": 422, "body": {"error": "the account is closed"}}]
LEAVE = {
    "employee": "bob",
    "manager": "mia",
    "from": "2025-08-04",
    "until": "2025-08-15",
    "days": 10,
    "patience": 600,
}


def refund(**more: object) -> bytes:
    """Return a blueprint of one call to the worker ``w``; nothing follows its error."""
    return orjson.dumps(
        {
            "project": "shop",
            "activity": "refund",
            "states": ["pay"],
            "actions": [{"name": "pay", "type": "sync"}],
            "transitions": [
                {"current": "init", "event": "start", "next": "pay"},
                {"current": "pay", "event": "success", "next": "done"},
            ],
            "workers": [{"name": "pay", "workerEndpoint": "w", "retryCount": 0}],
            **more,
        }
    )


def test_new_executions_come_into_the_list_by_themselves(
    person: Person, server: Server, mock: Mock
) -> None:
    example(server, mock, "inquiry")
    shown = person.opens("executions")
    shown.get_by_role("heading", name="Executions").wait_for()
    new = server.start("goflow/inquiry", INQUIRY)["id"]
    row = shown.get_by_role("row").filter(has=shown.locator(f"a[href*='{new}']"))
    row.get_by_text("completed").wait_for()


def test_the_list_says_how_many_are_in_which_status_and_how_they_fared(
    person: Person, server: Server, mock: Mock
) -> None:
    for name in ("inquiry", "approval"):
        example(server, mock, name)
    mock.script(**json.loads((BLUEPRINTS / "inquiry.mock.json").read_text()), **{"w/pay": REFUSED})
    server.upload(refund())
    for number in range(8):
        server.end_of(server.start("goflow/inquiry", {"customer": number})["id"])
    server.end_of(server.start("shop/refund", {"amount": 5}, Prefer="wait=5")["id"])
    server.start("hr/leave", LEAVE)
    shown = person.opens("executions")
    shown.get_by_role("button", name=re.compile(r"completed\s*8")).wait_for()
    shown.get_by_role("button", name=re.compile(r"failed\s*1")).wait_for()
    shown.get_by_text(re.compile("started in")).wait_for()
    shown.get_by_text("89 %").wait_for()  # 8 of the 9 that completed or failed
    person.photographs("executions")


def test_filters_stand_in_the_address(person: Person, server: Server, mock: Mock) -> None:
    server.upload(refund())
    mock.script(**{"w/pay": [{"status": 422}, {"status": 200}]})
    failed = server.end_of(server.start("shop/refund", 1)["id"])
    done = server.end_of(server.start("shop/refund", 2)["id"])
    assert (failed["status"], done["status"]) == ("failed", "completed")
    shown = person.opens("executions?status=failed")
    link = f"a[href*='{failed['id']}']"
    shown.locator(link).first.wait_for()
    assert shown.locator(f"a[href*='{done['id']}']").count() == 0


def test_a_new_user_finds_a_failed_run_sees_why_and_retries_it(
    person: Person, server: Server, mock: Mock
) -> None:
    server.upload(refund())
    mock.script(
        **{"w/pay": [{"status": 422, "body": {"error": "account closed"}}, {"status": 200}]}
    )
    failed = server.end_of(server.start("shop/refund", {"amount": 5})["id"])
    shown = person.opens("executions")
    shown.locator(f"a[href*='{failed['id']}']").first.click()
    person.shows(re.compile("422"))
    person.photographs("failed")
    shown.get_by_role("button", name=re.compile("^Retry")).first.click()
    dialog = shown.get_by_role("dialog")
    dialog.locator("form footer button[type=submit]").click()
    shown.locator("main .status.is-completed").first.wait_for()
    assert server.end_of(failed["id"])["status"] == "completed"


def test_an_execution_is_watched_to_its_end(person: Person, server: Server, mock: Mock) -> None:
    server.upload(refund())
    mock.script(**{"w/pay": [{"status": 200, "delay": 2.5}]})
    running = server.start("shop/refund", 1)["id"]
    shown = person.opens(f"execution/{running}")
    shown.locator("main .status.is-running").first.wait_for()
    shown.locator("main .status.is-completed").first.wait_for()
    person.shows("ended: completed")


def test_an_event_is_sent_by_the_form_of_its_schema(
    person: Person, server: Server, mock: Mock
) -> None:
    example(server, mock, "approval")
    waiting = server.start("hr/leave", LEAVE)["id"]
    until(lambda: server.get(waiting)["state"] == "awaiting_manager", "it waits for the manager")
    shown = person.opens(f"execution/{waiting}")
    shown.locator("main .status.is-waiting").first.wait_for()
    person.photographs("execution")
    shown.keyboard.press("e")
    dialog = shown.get_by_role("dialog")
    dialog.wait_for()
    if dialog.get_by_role("combobox").count():
        dialog.get_by_role("combobox").first.select_option("approved")
    dialog.get_by_label("by").first.fill("mia")
    dialog.locator("form footer button[type=submit]").click()
    until(lambda: server.get(waiting)["state"] != "awaiting_manager", "the event was applied")


def test_the_context_of_any_step_is_shown_with_what_changed(
    person: Person, server: Server, mock: Mock
) -> None:
    example(server, mock, "order")
    order = json.loads((BLUEPRINTS / "order.json").read_text())["meta"]["example"]["input"]
    done = server.start("shop/order", order)["id"]
    server.end_of(done)
    shown = person.opens(f"execution/{done}?tab=context")
    slider = shown.get_by_role("slider").first
    slider.wait_for()
    before = shown.url
    slider.focus()
    shown.keyboard.press("ArrowLeft")
    shown.wait_for_function("(before) => location.href !== before", arg=before)
    person.photographs("context")


def test_many_are_cancelled_with_a_look_before(person: Person, server: Server, mock: Mock) -> None:
    example(server, mock, "approval")
    many = [server.start("hr/leave", {**LEAVE, "employee": f"e{n}"})["id"] for n in range(5)]
    for one in many:
        until(lambda: server.get(one)["status"] == "waiting", "it waits")  # noqa: B023  # at once
    shown = person.opens("executions?status=waiting")
    shown.locator(f"a[href*='{many[0]}']").first.wait_for()
    shown.get_by_role("checkbox").first.check()
    shown.get_by_role("button", name=re.compile("^Cancel")).first.click()
    dialog = shown.get_by_role("dialog")
    dialog.get_by_text("This would touch 5 executions").wait_for()
    assert all(server.get(one)["status"] == "waiting" for one in many), "a look changes nothing"
    dialog.get_by_role("button", name="Cancel 5").click()
    for one in many:
        assert server.end_of(one)["status"] == "cancelled"
