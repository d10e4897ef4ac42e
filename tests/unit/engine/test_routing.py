"""Any node takes any request: its owner does it, once, and its answer is passed on unchanged."""

import asyncio
import contextlib
from typing import Any

import pytest

from goflow_py.clock import uuid7
from goflow_py.domain.event import Control
from goflow_py.domain.execution import Execution
from goflow_py.engine import routing
from goflow_py.engine.callbacks import CallbackBody
from goflow_py.engine.forks import ForkRequest
from goflow_py.engine.requests import Match, Repeat
from goflow_py.engine.routed_tasks import TAKE_SECONDS
from goflow_py.engine.verdict import Definite, Success
from goflow_py.errors import Conflict, EventNotAccepted, GoFlowError, NotFound, Queued, Unavailable
from goflow_py.ports import TaskFilter
from goflow_py.testing import FakeClock, answer
from tests.unit.engine.cell import HUMAN, LEASE_SECONDS, NOTES, PULL, Cell
from tests.unit.engine.conftest import Engine

ASYNC = {
    "states": ["a"],
    "actions": [{"name": "a", "type": "async"}],
    "transitions": [{"current": "init", "event": "start", "next": "a"}],
}
SECRET = "s3cr3t-of-the-worker"
WORKER = [{"name": "a", "workerEndpoint": "w", "headers": {"X-Key": "${secret:key}"}}]


@pytest.fixture
async def here(cell: Cell) -> Engine:
    """The node that owns what is started on it."""
    await cell.spread(2, secret=lambda _: SECRET)
    return cell.nodes[0]


@pytest.fixture
async def there(cell: Cell, here: Engine) -> Engine:
    """The node that is asked."""
    return cell.nodes[1]


def repeat(key: str = "k") -> Repeat:
    return Repeat(key=key, scope="POST /x", digest="d")


async def types(node: Engine, execution: Execution) -> list[str]:
    return [entry["type"] for entry in await node.entries(execution)]


# ---------------------------------------------------------------- events and verbs


async def test_an_event_is_applied_by_the_owner_and_answered_by_any_node(
    here: Engine, there: Engine
) -> None:
    await here.upload(NOTES, [])
    execution = await here.start()
    sent = await there.send(execution, "note", 1)
    assert sent.applied and sent.execution.data == {"notes": [1]}
    assert sent.execution == await here.read(execution)
    await there.send(execution, "note", 2)
    await here.send(execution, "note", 3)
    await there.send(execution, "go")
    assert (await here.read(execution)).output == {"notes": [1, 2, 3]}


async def test_a_refusal_comes_back_as_it_was_raised(here: Engine, there: Engine) -> None:
    await here.upload(NOTES, [])
    execution = await here.start()
    refusals = []
    for node in (here, there):
        with pytest.raises(EventNotAccepted) as refused:
            await node.send(execution, "stop")
        refusals.append(refused.value)
    own, passed_on = refusals
    assert (own.detail, own.reason, own.facts, own.status) == (
        passed_on.detail, passed_on.reason, passed_on.facts, passed_on.status
    )  # fmt: skip
    assert "eventIgnored" not in await types(here, execution)


async def test_an_event_id_counts_once_whichever_node_gets_it(here: Engine, there: Engine) -> None:
    await here.upload(NOTES, [])
    execution = await here.start()
    first = await there.send(execution, "note", 1, id="e")
    again = [await node.send(execution, "note", 1, id="e") for node in (there, here, there)]
    assert not first.replayed and all(sent.replayed for sent in again)
    assert (await here.read(execution)).data == {"notes": [1]}


async def test_an_idempotency_key_and_a_revision_hold_on_any_node(
    here: Engine, there: Engine
) -> None:
    await here.upload(NOTES, [])
    execution = await here.start()
    pause = there.it.executions.control
    stale = Match(revision=execution.seq + 9)
    with pytest.raises(GoFlowError) as refused:
        await pause(execution.id, Control(verb="pause"), match=stale)
    assert (refused.value.status, refused.value.facts["revision"]) == (412, execution.seq)
    right = Match(revision=execution.seq)
    after, replayed = await pause(execution.id, Control(verb="pause"), match=right, repeat=repeat())
    assert after.status == "paused" and not replayed
    after, replayed = await pause(execution.id, Control(verb="pause"), match=right, repeat=repeat())
    assert replayed


async def test_verbs_patches_and_deletes_work_on_any_node(here: Engine, there: Engine) -> None:
    await here.upload(NOTES, [])
    execution = await here.start()
    changed = await there.control(execution, "data", patch={"notes": ["patched"]})
    assert changed.data == {"notes": ["patched"]}
    with pytest.raises(Conflict) as refused:
        await there.it.executions.delete(execution.id)
    assert refused.value.reason == "not_ended"
    assert (await there.control(execution, "cancel")).status == "cancelled"
    await there.it.executions.delete(execution.id)
    with pytest.raises(NotFound):
        await here.read(execution)


async def test_what_does_not_exist_is_asked_of_nobody(cell: Cell, there: Engine) -> None:
    for shard in (0x00, 0xFF):
        unknown = uuid7(cell.clock, last_byte=shard)
        with pytest.raises(NotFound):
            await there.it.executions.delete(unknown)
    assert cell.tables.delivered == 0


async def test_a_fork_is_made_by_any_node(here: Engine, there: Engine) -> None:
    await here.upload(NOTES, [])
    execution = await here.start()
    await here.send(execution, "note", 1)
    started = await there.it.forks.fork(execution.id, ForkRequest(at=execution.seq))
    assert there.it.owner.memory.owns(started.execution.id)
    assert (await here.read(started.execution)).data == {"notes": []}


# ---------------------------------------------------------------- starts


async def test_a_start_is_local(cell: Cell, here: Engine, there: Engine) -> None:
    await here.upload(NOTES, [])
    for node in (here, there):
        for _ in range(20):
            assert node.it.owner.memory.owns((await node.start()).id)
    assert cell.tables.delivered == 0


async def test_a_chosen_id_is_started_once_by_the_owner_of_its_shard(
    here: Engine, there: Engine
) -> None:
    await here.upload(NOTES, [])
    chosen = here.it.owner.memory.mint()
    started = await there.start(id=chosen, labels={"a": "b"}, key="order")
    assert started.id == chosen
    assert (await here.read(started)).labels == {"a": "b"}
    assert await there.start(id=chosen, labels={"a": "b"}) == started
    assert (await there.start(key="order")).id == chosen
    with pytest.raises(Conflict):
        await there.start("another input", id=chosen)


async def test_one_idempotency_key_starts_one_execution_on_two_nodes(
    cell: Cell, here: Engine, there: Engine
) -> None:
    await here.upload(NOTES, [])
    starts = [node.start(repeat=repeat()) for _ in range(10) for node in (here, there)]
    assert len({found.id for found in await asyncio.gather(*starts)}) == 1
    assert len(cell.tables.executions) == 1


async def test_a_node_that_owns_nothing_yet_lets_others_start(cell: Cell, clock: FakeClock) -> None:
    first = await cell.node()
    await first.upload(NOTES, [])
    second = await cell.node()
    assert not second.it.owner.memory.epochs
    assert (await second.start(key="k")).status == "waiting"
    await clock.advance(30)


# ---------------------------------------------------------------- tasks and callbacks


async def test_an_outcome_comes_to_the_owner_without_token_and_secrets(
    cell: Cell, here: Engine, there: Engine
) -> None:
    await here.upload(ASYNC, WORKER)
    here.transport.script = lambda *_: answer(status=202)
    execution = await here.start()
    await cell.clock.advance(0)
    token = here.transport.bodies[0]["callbackUrl"].rpartition("/")[2]
    written: list[bytes] = []
    deliver = there.store.deliver

    async def note(messages: Any) -> Any:
        written.extend(message.body for message in messages)
        return await deliver(messages)

    there.store.deliver = note  # type: ignore[method-assign]
    await there.it.callbacks.heartbeat(token)
    body = CallbackBody(output={"said": f"my key is {SECRET}"})
    secrets_of = there.it.caller.secrets_of
    assert await there.it.callbacks.complete(token, body, secrets_of=secrets_of) == "applied"
    assert await there.it.callbacks.complete(token, body, secrets_of=secrets_of) == "duplicate"
    now = await here.read(execution)
    assert now.status == "completed"
    assert len(written) == 3
    assert all(SECRET.encode() not in one and token.encode() not in one for one in written)
    with pytest.raises(GoFlowError) as refused:
        await there.it.callbacks.complete(token, CallbackBody(error="no"), secrets_of=secrets_of)
    assert refused.value.status in (409, 410)


async def test_a_pull_worker_may_poll_any_node(cell: Cell, here: Engine, there: Engine) -> None:
    await here.upload(PULL, [])
    found = []
    for number in range(3):
        found.append(await here.start(number))
        await cell.clock.advance(0.01)
    poll = there.it.polls.poll
    claimed = await poll(["q"], max_tasks=2, wait_seconds=0, worker="w")
    assert [one.payload["input"] for one in claimed] == [0, 1]
    assert [one.payload["executionId"] for one in claimed] == [one.id for one in found[:2]]
    first, second = claimed
    assert await there.it.claims.heartbeat(first.id, first.token) is not None
    assert await there.it.claims.end(first.id, first.token, Success(output="ok")) == "applied"
    assert await here.it.claims.end(first.id, first.token, Success(output="ok")) == "duplicate"
    refusal = Definite(code="no", message="it is broken")
    with pytest.raises(GoFlowError):
        await there.it.claims.end(first.id, first.token, refusal)
    await there.it.claims.release(second.id, second.token)
    [again] = await here.it.polls.poll(["q"], max_tasks=1, wait_seconds=0, worker="w")
    assert again.id == second.id and again.token != second.token
    assert (await there.read(found[0])).status == "completed"
    assert not any(first.token.encode() in name.answer for name in cell.tables.names.values())


async def test_two_nodes_never_claim_the_same_task(cell: Cell, here: Engine, there: Engine) -> None:
    await here.upload(PULL, [])
    for number in range(20):
        await (here, there)[number % 2].start(number)
    polls = [
        node.it.polls.poll(["q"], max_tasks=3, wait_seconds=0, worker="w")
        for _ in range(5)
        for node in (here, there)
    ]
    found = [one.payload["input"] for claimed in await asyncio.gather(*polls) for one in claimed]
    assert sorted(found) == sorted(set(found)) and len(found) >= 15


async def test_people_claim_on_any_node(here: Engine, there: Engine) -> None:
    await here.upload(HUMAN, [])
    await here.start()
    page = await there.it.claims.inbox(TaskFilter(), limit=9, cursor=None)
    [task] = page.items
    mine = await there.it.claims.claim(task["id"], "anna")
    assert (await there.it.claims.claim(task["id"], "anna")).token == mine.token
    with pytest.raises(Conflict) as refused:
        await there.it.claims.claim(task["id"], "ben")
    assert refused.value.facts["claimedBy"] == "anna"


async def test_a_claim_for_a_poll_that_waits_no_more_is_given_back(
    cell: Cell, here: Engine, there: Engine
) -> None:
    await here.upload(PULL, [])
    execution = await here.start()
    live = await here.it.owner.memory.enter(execution.id)
    await live.lock.acquire()
    polling = asyncio.ensure_future(
        there.it.polls.poll(["q"], max_tasks=1, wait_seconds=0, worker="w")
    )
    await cell.clock.advance(TAKE_SECONDS + 0.5)
    assert await polling == []
    live.lock.release()
    here.it.owner.memory.leave(live)
    await cell.clock.advance(0)
    [row] = list(cell.tables.tasks)
    assert row.status == "queued"


# ---------------------------------------------------------------- nobody is there


async def queued(cell: Cell, node: Engine, execution: Execution, *names: str) -> None:
    """Send events that no owner answers in time."""
    for name in names:
        sending = asyncio.ensure_future(node.send(execution, name, name))
        await cell.clock.advance(routing.ASK_SECONDS + 0.1)
        with pytest.raises(Queued):
            await sending


async def test_what_no_owner_answers_in_time_is_queued_and_done_by_the_next(
    cell: Cell, here: Engine, there: Engine
) -> None:
    await here.upload(NOTES, [])
    execution = await here.start()
    await _silence(cell, here)
    await queued(cell, there, execution, "note")
    await cell.clock.advance(LEASE_SECONDS + 3)
    assert (await there.read(execution)).data == {"notes": ["note"]}


async def test_the_refusal_of_what_was_queued_is_in_the_history(
    cell: Cell, here: Engine, there: Engine
) -> None:
    await here.upload(NOTES, [])
    execution = await here.start()
    await _silence(cell, here)
    await queued(cell, there, execution, "unknown")
    await cell.clock.advance(LEASE_SECONDS + 3)
    ignored = [e for e in await there.entries(execution) if e["type"] == "eventIgnored"]
    assert [(e["name"], e["reason"]) for e in ignored] == [("unknown", "event_not_accepted")]


async def test_a_refused_event_that_was_queued_is_refused_to_its_repeats_too(
    cell: Cell, here: Engine, there: Engine
) -> None:
    await here.upload(NOTES, [])
    execution = await here.start()
    await _silence(cell, here)
    both = [
        asyncio.ensure_future(there.send(execution, "note", 1, id="e", task="no")) for _ in "ab"
    ]
    await cell.clock.advance(routing.ASK_SECONDS + 0.1)
    assert {type(one) for one in await asyncio.gather(*both, return_exceptions=True)} == {Queued}
    await cell.clock.advance(LEASE_SECONDS + 3)
    assert (await types(there, execution)).count("eventIgnored") == 1
    with pytest.raises(GoFlowError) as refused:
        await there.send(execution, "note", "good by now", id="e")
    assert refused.value.status == 409
    assert (await there.read(execution)).data == {"notes": []}


async def test_what_was_queued_comes_before_what_is_sent_to_the_next_owner(
    cell: Cell, here: Engine, there: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await here.upload(NOTES, [])
    found = [await here.start() for _ in range(8)]
    await _silence(cell, here)
    messages = [asyncio.ensure_future(there.send(one, "note", "first")) for one in found]
    await cell.clock.advance(routing.ASK_SECONDS + 0.1)
    assert {type(e) for e in await asyncio.gather(*messages, return_exceptions=True)} == {Queued}
    adopt = there.it.ownership._adopt

    async def race(claimed: Any) -> None:
        await adopt(claimed)
        await asyncio.gather(*(there.send(one, "note", "second") for one in found))

    monkeypatch.setattr(there.it.ownership, "_adopt", race)
    await cell.clock.advance(LEASE_SECONDS + 3)
    for one in found:
        assert (await there.read(one)).data == {"notes": ["first", "second"]}


async def test_an_owner_that_dies_behind_its_commit_has_done_it_once(
    cell: Cell, here: Engine, there: Engine
) -> None:
    await here.upload(NOTES, [])
    execution = await here.start()

    async def dies(*_: Any, **__: Any) -> None:
        raise Unavailable("it died")

    here.store.settle = dies  # type: ignore[method-assign]
    await queued(cell, there, execution, "note")
    await cell.kill(here)
    await cell.clock.advance(LEASE_SECONDS + 3)
    assert (await there.read(execution)).data == {"notes": ["note"]}


async def test_a_reading_that_began_before_an_end_does_nothing_twice(
    cell: Cell, here: Engine, there: Engine
) -> None:
    await here.upload(NOTES, [])
    execution = await here.start()
    drain = here.store.drain

    async def late(shards: Any, **page: int) -> Any:
        found = await drain(shards, **page)
        here.it.mailbox.take_in(found)
        await cell.clock.sleep(0.2)  # meanwhile they are done
        return found

    here.store.drain = late  # type: ignore[method-assign]
    sending = asyncio.ensure_future(there.send(execution, "note", 1))
    await cell.clock.advance(2)
    assert (await sending).applied
    here.store.drain = drain  # type: ignore[method-assign]
    assert (await here.read(execution)).data == {"notes": [1]}


async def test_more_questions_than_may_wait_are_refused(
    cell: Cell, here: Engine, there: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routing, "ASKED_MAX", 3)
    await here.upload(NOTES, [])
    execution = await here.start()
    found = await asyncio.gather(
        *(there.send(execution, "note", number) for number in range(9)), return_exceptions=True
    )
    refused = [one for one in found if isinstance(one, Unavailable)]
    assert len(refused) == 6 and {one.reason for one in refused} == {"busy"}
    assert len((await here.read(execution)).data["notes"]) == 3


async def test_a_message_that_breaks_is_answered_and_holds_up_no_other(
    cell: Cell, here: Engine, there: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await here.upload(NOTES, [])
    execution = await here.start()
    handlers = here.it.mailbox._handlers

    async def breaks(*_: Any) -> object:
        raise RuntimeError("broken")

    async def odd(*_: Any) -> object:
        return {"no": object()}

    for handler in (breaks, odd):
        monkeypatch.setitem(handlers, "delete", (handler, handlers["delete"][1]))
        with pytest.raises(GoFlowError) as broken:
            await there.it.executions.delete(execution.id)
        assert (broken.value.status, broken.value.reason) == (500, "internal")
    assert (await there.send(execution, "note", 1)).applied


async def test_old_answers_are_swept(cell: Cell, here: Engine, there: Engine) -> None:
    await here.upload(NOTES, [])
    execution = await here.start()
    await there.send(execution, "note", 1)
    assert [name.kind for name in cell.tables.names.values()] == ["answer"]
    await cell.clock.advance(130)
    assert not cell.tables.names


async def test_hints_may_be_lost(cell: Cell, here: Engine, there: Engine) -> None:
    await here.upload(NOTES, [])
    execution = await here.start()
    cell.tables.bells.clear()
    sending = asyncio.ensure_future(there.send(execution, "note", 1))
    await cell.clock.advance(1.5)
    assert (await sending).applied
    for node in cell.nodes:
        cell.tables.bells.append(node.store._bell)


async def test_events_sent_while_shards_move_are_all_applied_once_and_in_order(
    cell: Cell, clock: FakeClock
) -> None:
    first = await cell.node()
    await first.upload(NOTES, [])
    found = [await first.start() for _ in range(40)]
    second = await cell.node()
    for number in range(12):
        sends = [_until_done((first, second)[number % 2], one, number) for one in found]
        sending = asyncio.gather(*sends)
        while not sending.done():
            await clock.advance(0.5)
        await clock.advance(2)
    for one in found:
        assert (await second.read(one)).data == {"notes": list(range(12))}


async def _until_done(node: Engine, execution: Execution, number: int) -> None:
    while True:
        with contextlib.suppress(Unavailable):
            await node.send(execution, "note", number, id=f"e{number}")
            return
        await node.clock.sleep(0.2)


async def _silence(cell: Cell, node: Engine) -> None:
    """Let the owner be frozen from now on."""
    await cell.kill(node)
    await node.it.mailbox.stop()
