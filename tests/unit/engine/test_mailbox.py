"""What one node asks of another: carried out or refused, and never in the way of what follows."""

import asyncio
from typing import Any

import pytest

from goflow_py.clock import uuid7
from goflow_py.engine import routing
from goflow_py.engine.letters import Letter, dumps
from goflow_py.errors import GoFlowError, Queued, TooLarge, Unavailable
from goflow_py.ports import Message, TaskFilter
from goflow_py.store.memory import MemoryStore
from tests.unit.engine.cell import HUMAN, NOTES, Cell
from tests.unit.engine.conftest import Engine


@pytest.fixture
async def here(cell: Cell) -> Engine:
    """The node that owns what is started on it."""
    await cell.spread(2)
    await cell.nodes[0].upload(NOTES, [])
    return cell.nodes[0]


@pytest.fixture
async def there(cell: Cell, here: Engine) -> Engine:
    """The node that is asked."""
    return cell.nodes[1]


class Deaf:
    """A node that reads no mail for a while."""

    def __init__(self, node: Engine) -> None:
        self.node = node
        self.drain = node.store.drain

    def __enter__(self) -> None:
        async def nothing(*_: Any, **__: Any) -> list[Any]:
            return []

        self.node.store.drain = nothing  # type: ignore[method-assign]

    def __exit__(self, *_: object) -> None:
        self.node.store.drain = self.drain  # type: ignore[method-assign]


async def refused(cell: Cell, asking: Any) -> GoFlowError:
    """Return what a request is refused with that nobody answers in time."""
    request = asyncio.ensure_future(asking)
    await cell.clock.advance(routing.ASK_SECONDS + 0.1)
    with pytest.raises(GoFlowError) as found:
        await request
    return found.value


# ---------------------------------------------------------------- other releases


async def test_a_request_that_an_older_node_does_not_know_is_refused_and_holds_up_no_other(
    cell: Cell, here: Engine, there: Engine
) -> None:
    execution = await here.start()
    with pytest.raises(Unavailable) as found:
        await there.it.router.ask(execution.id, "fromTheFuture", {"x": 1})
    assert found.value.reason == "other_release"
    assert (await there.send(execution, "note", 1)).applied


async def test_an_unknown_request_that_was_queued_is_in_the_history(
    cell: Cell, here: Engine, there: Engine
) -> None:
    execution = await here.start()
    with Deaf(here):
        asking = there.it.router.ask(execution.id, "fromTheFuture", {}, queues=True)
        assert isinstance(await refused(cell, asking), Queued)
    await cell.clock.advance(2)
    ignored = [e for e in await here.entries(execution) if e["type"] == "eventIgnored"]
    assert [(e["name"], e["reason"]) for e in ignored] == [("fromTheFuture", "other_release")]


@pytest.mark.parametrize("body", [b"nonsense", b"{}", b"[]", b'{"asker": "", "number": "1"}'])
async def test_a_message_that_cannot_be_read_is_thrown_away(
    cell: Cell, here: Engine, there: Engine, body: bytes
) -> None:
    execution = await here.start()
    message = Message(execution=execution.id, kind="event", dedupe="d", body=body, at=0)
    await there.store.deliver([message])
    assert (await there.send(execution, "note", 1)).applied


async def test_what_a_newer_release_adds_to_a_letter_does_not_matter(
    cell: Cell, here: Engine, there: Engine
) -> None:
    execution = await here.start()
    letter = {"asker": "", "number": "1", "what": {}, "more": 1}
    await cell.clock.advance(1)
    await here.control(execution, "cancel")
    message = Message(execution=execution.id, kind="delete", dedupe="d", body=dumps(letter), at=0)
    await there.store.deliver([message])
    await cell.clock.advance(1)
    assert await here.store.head(execution.id) is None


# ---------------------------------------------------------------- what breaks


async def test_an_answer_that_cannot_be_stored_is_given_up_and_holds_up_no_other(
    cell: Cell, here: Engine, there: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    execution = await here.start()
    settle = here.store.settle

    async def breaks(message: Message, answer: Any, *, epoch: int) -> Any:
        if answer is not None and b"internal" not in answer.answer and b"refusal" in answer.answer:
            raise RuntimeError("no store can hold it")
        return await settle(message, answer, epoch=epoch)

    monkeypatch.setattr(here.store, "settle", breaks)
    asking = there.it.router.ask(execution.id, "fromTheFuture", {}, queues=True)
    assert isinstance(await refused(cell, asking), Queued)
    await cell.clock.advance(2)
    assert (await there.send(execution, "note", 1)).applied


async def test_a_refusal_that_cannot_be_recorded_holds_up_no_other(
    cell: Cell, here: Engine, there: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    execution = await here.start()

    async def full(*_: Any) -> None:
        raise TooLarge("its history is full")

    monkeypatch.setattr(here.it.executions, "_note", full)
    with Deaf(here):
        assert isinstance(await refused(cell, there.send(execution, "unknown")), Queued)
    await cell.clock.advance(2)
    assert (await there.send(execution, "note", 1)).applied


# ---------------------------------------------------------------- what was refused is not done


async def test_a_start_that_was_refused_does_not_happen_later(
    cell: Cell, here: Engine, there: Engine
) -> None:
    shard = min(here.it.owner.memory.epochs)
    chosen = uuid7(cell.clock, last_byte=shard)
    with Deaf(here):
        error = await refused(cell, there.start(id=chosen))
    assert error.reason == "no_answer"
    await cell.clock.advance(2)
    assert await here.store.head(chosen) is None
    asking = asyncio.ensure_future(there.start(id=chosen))
    await cell.clock.advance(1)
    assert (await asking).id == chosen


async def test_a_claim_that_was_refused_is_not_made_later(
    cell: Cell, here: Engine, there: Engine
) -> None:
    await here.upload(HUMAN, [])
    await here.start()
    page = await there.it.claims.inbox(TaskFilter(), limit=1, cursor=None)
    task = page.items[0]["id"]
    with Deaf(here):
        error = await refused(cell, there.it.claims.claim(task, "ann"))
    assert error.reason == "no_answer"
    await cell.clock.advance(2)
    assert (await here.it.claims.claim(task, "bob")) is not None


# ---------------------------------------------------------------- order


async def test_a_request_waits_for_what_came_before_it_and_not_for_what_comes_after(
    cell: Cell, here: Engine, there: Engine
) -> None:
    execution = await here.start()
    mailbox, sent = here.it.mailbox, 0

    async def deliver() -> None:
        nonlocal sent
        sent += 1
        letter = Letter(asker="", number=f"{sent}", what={"n": sent})
        body = dumps(letter)
        message = Message(execution=execution.id, kind="more", dedupe=f"{sent}", body=body, at=0)
        await there.store.deliver([message])

    async def more(*_: Any) -> None:
        if sent < 100:
            await deliver()  # there is always one more in hand
            mailbox.take_in(await mailbox.read(here.it.owner.memory.epochs))
        await cell.clock.sleep(0.5)

    mailbox.on("more", more)
    await deliver()
    await cell.clock.advance(2)
    before = sent
    local = asyncio.ensure_future(here.send(execution, "note", "local"))
    await cell.clock.advance(4)
    assert (await local).applied and sent < 100 and sent > before
    await cell.clock.advance(100)


async def test_messages_of_one_execution_that_is_held_up_keep_no_other_waiting(
    cell: Cell, here: Engine, there: Engine
) -> None:
    held_up, other = await here.start(), await here.start()
    over, done = asyncio.Event(), list[int]()

    async def slow(_: str, what: dict[str, int]) -> None:
        await over.wait()
        done.append(what["n"])

    here.it.mailbox.on("slow", slow)
    letters = [Letter(asker="", number=f"{n}", what={"n": n}) for n in range(1_200)]
    messages = [
        Message(execution=held_up.id, kind="slow", dedupe=one.number, body=dumps(one), at=0)
        for one in letters
    ]
    await there.store.deliver(messages)
    await cell.clock.advance(1)
    assert (await there.send(other, "note", 1)).applied
    assert len(here.it.owner.memory.mailed[held_up.id].messages) < len(letters)
    over.set()
    await cell.clock.advance(5)
    assert done == [*range(1_200)], "and its own are all done, in order"


async def test_what_was_queued_while_no_node_was_there_comes_before_what_is_sent_to_the_next(
    cell: Cell, here: Engine, there: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [await here.start() for _ in range(8)]
    with Deaf(here):
        for one in found:
            assert isinstance(await refused(cell, there.send(one, "note", "first")), Queued)
        await cell.end(there)
        await cell.end(here)
    drain = MemoryStore.drain

    async def slowly(store: MemoryStore, *given: Any, **page: Any) -> list[Message]:
        await cell.clock.sleep(0.2)
        return await drain(store, *given, **page)

    async def begin() -> Engine:
        node = await cell.node()
        await asyncio.gather(*(node.send(one, "note", "second") for one in found))
        return node

    monkeypatch.setattr(MemoryStore, "drain", slowly)
    beginning = asyncio.ensure_future(begin())
    await cell.clock.advance(3)
    node = await beginning
    for one in found:
        assert (await node.read(one)).data == {"notes": ["first", "second"]}


# ---------------------------------------------------------------- answers


async def test_a_question_that_nobody_answers_makes_the_answers_of_others_no_dearer(
    cell: Cell, here: Engine, there: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    execution, other = await here.start(), await here.start()
    names, read, over = there.store.names, 0, asyncio.Event()

    async def counted(*place: Any, **page: Any) -> Any:
        nonlocal read
        found = await names(*place, **page)
        read += len(found)
        return found

    async def stands(*_: Any) -> None:
        await over.wait()

    here.it.mailbox.on("stands", stands)
    monkeypatch.setattr(there.store, "names", counted)
    asking = asyncio.ensure_future(there.it.router.ask(other.id, "stands", {}))
    for number in range(400):
        assert (await there.send(execution, "note", number)).applied
        await cell.clock.advance(0.01)
    over.set()
    await cell.clock.advance(1)
    assert await asking is None, "it is answered late, and all the same"
    assert read < 400 * 120
