"""Orchy's workflows through its importer: notifications, nested parameters, retries."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from goflow_py.domain.execution import Execution
from goflow_py.engine.outcomes import refused
from goflow_py.engine.verdict import Success
from goflow_py.errors import NotFound
from goflow_py.scripting.pool import ScriptPool
from goflow_py.testing import FakeClock
from tests.unit.engine.conftest import Engine
from tests.unit.engine.seeds import complete, do, import_, noted, one, poll, rest

RETENTION_SWEPT_SECONDS = 120


@pytest.fixture
async def orchy(engine: Engine) -> AsyncIterator[Engine]:
    """Return the engine with a process for scripts."""
    pool = ScriptPool(FakeClock(), size=1)
    engine.it.doers.scripts = pool
    yield engine
    await pool.close()


def workflow(*actions: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": "w", "rootAction": actions[0]["id"], "actions": list(actions), **more}


def user(id_: int, name: str, *following: int, **parameters: Any) -> dict[str, Any]:
    ways = {"next": {"default": list(following)}} if following else {}
    return {"id": id_, "type": "user", "name": name, "parameters": parameters, **ways}


def system(id_: int, name: str, ways: dict[str, list[int]], **fields: Any) -> dict[str, Any]:
    return {"id": id_, "type": "system", "name": name, "next": ways, **fields}


# ---------------------------------------------------------------- O2: notifications


INPUT = {
    "userId": 1234,
    "sms": {"first": {"message": "hi first sms"}, "second": {"message": "hi second sms"}},
    "email": {"subject": "an offer", "message": "hi email"},
    "whatsapp": {"message": "hi whatsapp"},
}
DISCOUNT = """
$['user'] = $['1'].output.user;
if ($['user'].age >= 20) { $['user']['discount'] = 20 } else { $['user']['discount'] = 10 }
"""
PHONE, EMAIL = "$.1.output.user.phone", "$.1.output.user.email"
NOTIFICATION = workflow(
    user(1, "query-db", 2, userId="$.input.userId"),
    system(2, "javascript", {"default": [3]}, expression=DISCOUNT),
    system(3, "switch", {"MALE": [4], "FEMALE": [5]}, expression="$.1.output.user.gender"),
    user(
        4,
        "sendSms",
        6,
        phone=PHONE,
        message="Hi {$.input.sms.first.message} get discount {$.2.output.user.discount}%",
    ),
    user(
        5,
        "sendEmail",
        7,
        to=EMAIL,
        subject="$.input.email.subject",
        message="$.input.email.message",
        obj="$.input.email",
    ),
    system(6, "delay", {"default": [8]}, delaySeconds=10),
    system(7, "wait", {"open": [9], "default": [10]}, event="open", timeoutSeconds=10),
    user(8, "sendWhatsapp", phone=PHONE, message="$.input.whatsapp.message"),
    user(9, "sendSms", phone=PHONE, message="$.input.sms.second.message"),
    user(10, "sendEmail", to=EMAIL, subject="$.input.email.subject"),
)


async def notified(engine: Engine, gender: str, age: int = 25) -> Execution:
    """Start it, and let the database find who it is for."""
    await import_(engine, "orchy", NOTIFICATION)
    execution = await engine.start(INPUT)
    someone = {"age": age, "gender": gender, "email": "e@example.com", "phone": "99"}
    assert await do(engine, "query-db", {"user": someone}) == {"userId": 1234}
    return await rest(engine, execution)


@pytest.mark.parametrize(("age", "discount"), [(25, 20), (19, 10)])
async def test_a_man_gets_a_text_and_ten_seconds_later_a_message(
    orchy: Engine, age: int, discount: int
) -> None:
    execution = await notified(orchy, "MALE", age)
    message = f"Hi hi first sms get discount {discount}%"
    assert await do(orchy, "sendSms") == {"phone": "99", "message": message}
    await orchy.advance(9)
    assert await poll(orchy, "sendWhatsapp") == []
    await orchy.advance(1)
    assert await do(orchy, "sendWhatsapp") == {"phone": "99", "message": "hi whatsapp"}
    assert (await orchy.read(execution)).status == "completed"


async def test_a_woman_gets_a_mail_and_a_text_once_she_opened_it(orchy: Engine) -> None:
    execution = await notified(orchy, "FEMALE")
    assert await do(orchy, "sendEmail") == {
        "to": "e@example.com",
        "subject": "an offer",
        "message": "hi email",
        "obj": INPUT["email"],
    }
    await orchy.advance(9)
    await orchy.send(execution, "open")
    assert await do(orchy, "sendSms") == {"phone": "99", "message": "hi second sms"}
    assert (await orchy.read(execution)).status == "completed"


async def test_a_woman_who_does_not_open_it_gets_another_mail(orchy: Engine) -> None:
    execution = await notified(orchy, "FEMALE")
    await do(orchy, "sendEmail")
    await orchy.advance(10)
    assert await poll(orchy, "sendSms") == []
    assert await do(orchy, "sendEmail") == {"to": "e@example.com", "subject": "an offer"}
    assert (await orchy.read(execution)).status == "completed"


async def test_somebody_else_has_no_branch_and_the_workflow_says_so(orchy: Engine) -> None:
    failed = await notified(orchy, "X")
    assert (failed.status, failed.state) == ("failed", "3")
    assert failed.error is not None
    assert failed.error["code"] == "no_branch"


# ---------------------------------------------------------------- O3: nested parameters


NESTED = workflow(
    user(
        1,
        "add-data-worker",
        2,
        param1=23,
        param2="jk",
        param3="$.input.k1",
        nested={
            "key1": "d1",
            "key2": "$.input.nest.k1",
            "list": [
                23,
                {"nest": {"k": "$.input.nest.k1"}},
                "$.input.k2",
                {"list": ["internal", "$.input.nest.k1"]},
            ],
        },
    ),
    system(2, "switch", {"22": [3]}, expression="$1.output.newKey"),
    system(3, "delay", {"default": [4, 5]}, delaySeconds=5),
    user(4, "print-worker", param1="four", param4="$1.output.nested.list"),
    user(5, "print-worker", param1="five", param4="$1.output.nested.list"),
    onSuccess="DELETE",
    onFailure="DELETE",
)


@pytest.mark.parametrize("number", [22, 22.0])
async def test_parameters_in_depth_a_number_as_a_branch_and_a_fan_out(
    engine: Engine, number: float
) -> None:
    await import_(engine, "orchy", NESTED)
    execution = await engine.start({"k1": 1, "k2": "90", "nest": {"k1": 8909}})
    claimed = await one(engine, "add-data-worker")
    given = claimed.payload["input"]
    in_depth = [23, {"nest": {"k": 8909}}, "90", {"list": ["internal", 8909]}]
    nested = {"key1": "d1", "key2": 8909, "list": in_depth}
    assert given == {"param1": 23, "param2": "jk", "param3": 1, "nested": nested}
    await engine.it.claims.end(
        claimed.id, claimed.token, Success(output={**given, "newKey": number})
    )
    assert (await engine.read(execution)).state == "3"
    await engine.advance(5)
    both = await poll(engine, "print-worker")
    inputs = [claimed.payload["input"] for claimed in both]
    assert sorted(inputs, key=lambda value: value["param1"]) == [
        {"param1": "five", "param4": in_depth},
        {"param1": "four", "param4": in_depth},
    ]
    for claimed in both:
        assert (await engine.read(execution)).status == "waiting"
        await complete(engine, claimed)
    assert (await engine.read(execution)).status == "completed"
    await engine.advance(RETENTION_SWEPT_SECONDS)
    with pytest.raises(NotFound):
        await engine.read(execution)


# ---------------------------------------------------------------- O4: retries


def retried(policy: str) -> dict[str, Any]:
    definition = {
        "name": "fails",
        "retry_count": 3,
        "retry_after_seconds": 5,
        "retry_policy": policy,
        "timeout_seconds": 10,
    }
    return {"workflow": workflow(user(1, "fails")), "actionDefinitions": [definition]}


@pytest.mark.parametrize(
    ("policy", "times"), [("FIXED", [0, 5, 10]), ("BACKOFF", [0, 10, 25])], ids=str
)
async def test_a_worker_that_always_fails_is_asked_three_times_with_pauses(
    engine: Engine, policy: str, times: list[int]
) -> None:
    await import_(engine, "orchy", retried(policy))
    execution = await engine.start()
    began = []
    while (await engine.read(execution)).status == "waiting":
        for claimed in await poll(engine, "fails"):
            began.append(engine.clock.monotonic())
            failure = refused("fails", "as always", retry=True)
            await engine.it.claims.end(claimed.id, claimed.token, failure)
        await engine.advance(1)
    assert began == times
    assert (await engine.read(execution)).status == "failed"


async def test_a_worker_that_never_answers_is_not_waited_for_any_longer(engine: Engine) -> None:
    await import_(engine, "orchy", retried("FIXED"))
    execution = await engine.start()
    await one(engine, "fails")
    await engine.advance(14.9)
    assert await poll(engine, "fails") == []
    await engine.advance(0.1)
    await one(engine, "fails")
    [error] = await noted(engine, execution, "attemptEnded", "error")
    assert error["code"] == "lease_expired"
