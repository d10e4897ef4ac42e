"""What a caller of one node gets to know of what another node does."""

import asyncio
import contextlib
from typing import Any

import orjson
import pytest

from goflow_py.engine import batches as batches_module
from goflow_py.engine import early as early_module
from goflow_py.engine import routing
from goflow_py.engine.batch_documents import BatchRequest, Progress
from goflow_py.engine.early import home_of
from goflow_py.engine.elsewhere import LOOK_SECONDS, REFRESH_SECONDS
from goflow_py.engine.feed import Which
from goflow_py.engine.limits import FULL_SECONDS
from goflow_py.engine.offers import read_task_id
from goflow_py.errors import Invalid, TooManyRequests, Unavailable
from goflow_py.ports import BatchRow, Filter, LimitsRow
from tests.unit.engine.cell import LEASE_SECONDS, PULL, Cell
from tests.unit.engine.conftest import Engine
from tests.unit.engine.test_early import TWO_STEPS, keep, kept

WAITS = {
    "states": [{"name": "open", "on": {"go": "done"}}],
    "transitions": [{"current": "init", "event": "start", "next": "open"}],
}
CALLS = {"states": ["a"], "transitions": [{"current": "init", "event": "start", "next": "a"}]}


@pytest.fixture
async def here(cell: Cell) -> Engine:
    """A node."""
    await cell.spread(2, fallback_url=None)
    return cell.nodes[0]


@pytest.fixture
async def there(cell: Cell, here: Engine) -> Engine:
    """Another one."""
    return cell.nodes[1]


# ---------------------------------------------------------------- waiting and following


async def test_an_end_is_awaited_on_any_node(cell: Cell, here: Engine, there: Engine) -> None:
    await here.upload(WAITS, [])
    execution = await here.start()
    waiting = asyncio.ensure_future(there.it.owner.memory.wait_end(execution.id, 30))
    await cell.clock.advance(3)
    assert not waiting.done()
    await here.send(execution, "go")
    await cell.clock.advance(LOOK_SECONDS)
    assert (await waiting).status == "completed"


async def test_a_history_is_followed_on_any_node(cell: Cell, here: Engine, there: Engine) -> None:
    await here.upload(WAITS, [])
    execution = await here.start()
    story = there.it.streams.story(execution.id, project=None, after=-1)
    told = [seq for seq, _ in (await story.next(0)).items]
    await cell.clock.advance(2)
    assert not (await story.next(0)).items, "nothing happens"
    following = asyncio.ensure_future(story.next(30))
    await cell.clock.advance(2)
    assert not following.done()
    await here.send(execution, "go")
    await cell.clock.advance(LOOK_SECONDS)
    told += [seq for seq, _ in (await following).items]
    assert (await story.next(0)).ended == "completed"
    assert told == list(range((await here.read(execution)).seq + 1))
    story.close()


async def test_all_commits_are_followed_on_any_node(
    cell: Cell, here: Engine, there: Engine
) -> None:
    await here.upload(WAITS, [])
    tail = await there.it.streams.feed.follow(Which(), None)
    await tail.next(0)
    await cell.clock.advance(1)
    execution = await here.start()
    following = asyncio.ensure_future(tail.next(9))
    await cell.clock.advance(1)
    items = (await following).items
    assert {orjson.loads(item.data)["execution"] for item in items} == {execution.id}
    tail.close()


async def test_a_poll_gets_work_that_another_node_puts_onto_its_queue(
    cell: Cell, here: Engine, there: Engine
) -> None:
    await here.upload(PULL, [])
    polling = asyncio.ensure_future(
        there.it.polls.poll(["q"], max_tasks=1, wait_seconds=30, worker="w")
    )
    await cell.clock.advance(2)
    await here.start("work")
    await cell.clock.advance(1)
    [claimed] = await polling
    assert claimed.payload["input"] == "work"


# ---------------------------------------------------------------- definitions


async def test_a_poll_passes_over_the_tasks_of_a_dead_node(
    cell: Cell, here: Engine, there: Engine
) -> None:
    await here.upload(PULL, [])
    for _ in range(5):
        await here.start()
    await cell.clock.advance(1)
    own = await there.start()
    await cell.kill(here)
    poll = there.it.polls.poll(["q"], max_tasks=1, wait_seconds=60, worker="w")
    polling = asyncio.ensure_future(poll)
    await cell.clock.advance(8)
    assert there.it.ownership.others, "nobody knows yet that it is dead"
    assert [read_task_id(claimed.id).execution for claimed in await polling] == [own.id]
    await cell.clock.advance(LEASE_SECONDS)
    statuses = [row.status for row in cell.tables.tasks if row.execution != own.id]
    assert statuses == ["queued"] * 5, "what nobody waits for is claimed for nobody"


async def test_a_new_version_and_new_workers_hold_on_other_nodes_soon(
    cell: Cell, here: Engine, there: Engine
) -> None:
    await here.upload(CALLS, [{"name": "a", "workerEndpoint": "http://one"}])
    await there.start()
    await here.upload(
        {**CALLS, "description": "changed"}, [{"name": "a", "workerEndpoint": "http://two"}]
    )
    await cell.clock.advance(REFRESH_SECONDS)
    execution = await there.start()
    await cell.clock.advance(0)
    assert execution.version == 2
    assert there.transport.requests[-1].url.startswith("http://two")


async def test_an_endpoint_alias_holds_on_other_nodes_soon(
    cell: Cell, here: Engine, there: Engine
) -> None:
    await here.upload(CALLS, [{"name": "a", "workerEndpoint": "alias"}])
    with pytest.raises(Invalid):
        await there.start()
    await here.it.catalog.put_endpoint("alias", "http://somewhere")
    await cell.clock.advance(REFRESH_SECONDS)
    await there.start()
    await cell.clock.advance(0)
    assert there.transport.requests[-1].url.startswith("http://somewhere")


async def test_what_the_last_other_node_changed_before_it_left_holds(
    cell: Cell, here: Engine, there: Engine
) -> None:
    await here.upload(CALLS, [{"name": "a", "workerEndpoint": "http://one"}])
    await here.start()
    await there.upload({**CALLS, "description": "changed"}, [])
    await cell.end(there)
    await cell.clock.advance(REFRESH_SECONDS + 1)
    assert (await here.start()).version == 2


async def test_what_cannot_be_read_again_keeps_nothing_else_from_it(
    cell: Cell, here: Engine, there: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def breaks() -> None:
        raise ValueError("damaged")

    monkeypatch.setitem(here.it.elsewhere._refreshes, "definitions", breaks)
    await here.upload(WAITS, [])
    await there.it.limits.put(LimitsRow(project="p", max_running=1))
    await here.start()
    await cell.clock.advance(REFRESH_SECONDS)
    with pytest.raises(TooManyRequests):
        await here.start()


async def test_what_a_command_may_change_is_read_again_by_the_only_node(
    cell: Cell,
) -> None:
    await cell.spread(1, fallback_url=None)
    [here] = cell.nodes
    looked: list[int] = []

    async def look() -> None:
        looked.append(cell.clock.now_ms())

    here.it.elsewhere.also("keys", look)
    await cell.clock.advance(REFRESH_SECONDS)
    await cell.clock.advance(REFRESH_SECONDS)
    assert len(looked) >= 2
    assert not here.it.ownership.is_shared


# ---------------------------------------------------------------- limits


async def test_what_ends_while_the_executions_are_counted_is_not_counted_for_ever(
    cell: Cell, here: Engine, there: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await here.upload(WAITS, [])
    await here.it.limits.put(LimitsRow(project="p", max_running=1))
    execution = await here.start()
    usage = here.store.usage

    async def late(*given: Any) -> Any:
        found = await usage(*given)
        if not (await here.read(execution)).ended:
            await here.send(execution, "go")
        return found

    await cell.end(there)
    monkeypatch.setattr(here.store, "usage", late)
    await cell.clock.advance(2 * REFRESH_SECONDS + 1)
    assert (await here.read(execution)).ended
    await here.start()


async def test_a_limit_that_one_node_is_told_holds_on_all_soon(
    cell: Cell, here: Engine, there: Engine
) -> None:
    await here.upload(WAITS, [])
    await here.it.limits.put(LimitsRow(project="p", max_running=3))
    for node in (here, here, there):
        await node.start()
    await cell.clock.advance(REFRESH_SECONDS)
    for node in (here, there):
        with pytest.raises(TooManyRequests) as refused:
            await node.start()
        assert refused.value.facts["current"] == 3
    await here.it.limits.delete("p")
    await cell.clock.advance(REFRESH_SECONDS)
    await there.start()


async def begin(nodes: list[Engine]) -> int:
    """Start an execution on each of *nodes*; return how many were not refused."""
    begun = 0
    for node in nodes:
        with contextlib.suppress(TooManyRequests):
            await node.start()
            begun += 1
    return begun


@pytest.mark.parametrize(
    ("order", "most"), [([0], 20), ([0, 1], 21), ([0] * 40 + [1] * 40, 30)], ids=str
)
async def test_all_nodes_together_start_little_more_than_may_run(
    cell: Cell, here: Engine, there: Engine, order: list[int], most: int
) -> None:
    await here.upload(WAITS, [])
    await here.it.limits.put(LimitsRow(project="p", max_running=20))
    await cell.clock.advance(REFRESH_SECONDS)
    nodes = (here, there)
    asked = [nodes[number] for number in order] * (80 // len(order))
    begun = await begin(asked)
    assert 20 <= begun <= most
    await cell.clock.advance(REFRESH_SECONDS)
    assert await begin(asked) == 0


async def test_what_ended_on_another_node_makes_room_at_once(
    cell: Cell, here: Engine, there: Engine
) -> None:
    await here.upload(WAITS, [])
    await here.it.limits.put(LimitsRow(project="p", max_running=1))
    execution = await here.start()
    await cell.clock.advance(REFRESH_SECONDS)
    assert await begin([there]) == 0
    await here.send(execution, "go")
    await cell.clock.advance(FULL_SECONDS)
    assert await begin([there]) == 1


async def test_a_rate_and_open_calls_are_shared_by_the_nodes(
    cell: Cell, here: Engine, there: Engine
) -> None:
    await here.upload(CALLS, [{"name": "a", "workerEndpoint": "http://w"}])
    await here.it.limits.put(LimitsRow(project="p", starts_per_second=10, max_open_calls=6))
    await cell.clock.advance(REFRESH_SECONDS)
    for node in (here, there):
        node.transport.script = lambda *_: None
        for _ in range(5):
            await node.start()
        with pytest.raises(TooManyRequests):
            await node.start()
    await cell.clock.advance(0)
    assert [len(node.transport.requests) for node in (here, there)] == [3, 3]


# ---------------------------------------------------------------- batches


def all_of(action: str = "pause") -> BatchRequest:
    return BatchRequest(action=action, project=None, filter=Filter(project="p"))


async def test_a_batch_works_on_executions_of_all_nodes(
    cell: Cell, here: Engine, there: Engine
) -> None:
    await here.upload(WAITS, [])
    found = [await node.start() for node in (here, there) for _ in range(10)]
    shown, _ = await there.it.batches.create(all_of())
    await cell.clock.advance(5)
    for node in (here, there):
        batch = await node.it.batches.get(shown["id"], project=None)
        assert (batch["status"], batch["changed"], batch["failed"]) == ("done", 20, 0)
    assert {(await here.read(one)).status for one in found} == {"paused"}


async def test_a_batch_of_a_dead_node_is_gone_on_with_by_another(
    cell: Cell, here: Engine, there: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches_module, "PAGE_EXECUTIONS", 2)
    await here.upload(WAITS, [])
    found = [await here.start() for _ in range(10)]
    shown, _ = await here.it.batches.create(all_of())
    await here.it.batches.stop()
    await cell.kill(here)
    await cell.clock.advance(LEASE_SECONDS + 2 * REFRESH_SECONDS + 3)
    batch = await there.it.batches.get(shown["id"], project=None)
    assert (batch["status"], batch["done"]) == ("done", 10)
    assert {(await there.read(one)).status for one in found} == {"paused"}


async def test_a_batch_is_stopped_by_any_node(
    cell: Cell, here: Engine, there: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches_module, "PAGE_EXECUTIONS", 1)
    await here.upload(WAITS, [])
    for _ in range(200):
        await here.start()
    shown, _ = await here.it.batches.create(all_of())
    await there.it.batches.cancel(shown["id"], project=None)
    for node in (here, there):
        batch = await node.it.batches.get(shown["id"], project=None)
        assert batch["status"] == "cancelled" and batch["done"] < 200


async def test_a_batch_is_stopped_by_a_node_that_has_just_taken_it_over(
    cell: Cell, here: Engine, there: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await here.upload(WAITS, [])
    await here.start()
    number = there.it.owner.memory.mint()
    await there.store.put_batch(
        BatchRow(
            id=number,
            project=None,
            body=all_of().as_json(),
            status="running",
            progress=orjson.dumps(Progress(total=1)),
            created_at=cell.clock.now_ms(),
            updated_at=cell.clock.now_ms(),
        )
    )
    await there.it.batches.cancel(number, project=None)
    assert (await here.it.batches.get(number, project=None))["status"] == "cancelled"


async def test_the_batches_of_all_nodes_count_against_the_limit(
    cell: Cell, here: Engine, there: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches_module, "BATCHES_OPEN_MAX", 3)
    await here.upload(WAITS, [])
    await here.start()

    over = asyncio.Event()

    async def stands(*_: Any, **__: Any) -> Any:
        return await over.wait()

    for node in (here, there):
        monkeypatch.setattr(node.it.batches, "_change", stands)
    for node in (here, there, here):
        await node.it.batches.create(all_of())
    for node in (here, there):
        with pytest.raises(TooManyRequests):
            await node.it.batches.create(all_of())
    over.set()
    await cell.clock.advance(REFRESH_SECONDS)
    await here.it.batches.create(all_of())


# ---------------------------------------------------------------- early events


def key_of(node: Engine) -> str:
    """Return a business key whose early events are this node's to bring."""
    return next(f"k{n}" for n in range(999) if node.it.owner.memory.owns(home_of(f"p/k{n}")))


@pytest.mark.parametrize("starter", [0, 1])
@pytest.mark.parametrize("keeper", [0, 1])
@pytest.mark.parametrize("home", [0, 1])
async def test_an_early_event_reaches_whoever_accepts_it_later(
    cell: Cell, here: Engine, there: Engine, starter: int, keeper: int, home: int
) -> None:
    nodes, key = (here, there), key_of((here, there)[home])
    await here.upload(TWO_STEPS, [])
    await keep(nodes[keeper], key, 1)
    await keep(nodes[1 - keeper], key, 2)
    execution = await nodes[starter].start(key=key)
    await cell.clock.advance(1)
    assert await kept(here, key) == 2
    await nodes[keeper].send(execution, "next")
    await cell.clock.advance(REFRESH_SECONDS + 1)
    assert (await here.read(execution)).data == {"got": [1, 2]}
    assert await kept(here, key) == 0


async def test_an_early_event_of_a_dead_home_is_brought_by_the_next(
    cell: Cell, here: Engine, there: Engine
) -> None:
    key = key_of(here)
    await here.upload(TWO_STEPS, [])
    execution = await there.start(key=key)
    await keep(here, key, 1)
    await cell.kill(here)
    await here.it.early.stop()
    await there.send(execution, "next")
    await cell.clock.advance(LEASE_SECONDS + REFRESH_SECONDS + 3)
    assert (await there.read(execution)).data == {"got": [1]}


async def test_a_request_that_is_repeated_on_another_node_keeps_one_event(
    here: Engine, there: Engine
) -> None:
    key = key_of(here)
    await asyncio.gather(*(keep(node, key, 1, once="same") for node in (here, there) * 3))
    assert await kept(here, key) == 1


async def test_an_early_event_that_is_brought_while_its_taker_moves_on_is_not_lost(
    cell: Cell, here: Engine, there: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = key_of(there)
    await here.upload(TWO_STEPS, [])
    execution = await here.start(key=key)
    await keep(there, key, 1)
    drain = here.store.drain

    async def nothing(*_: Any, **__: Any) -> list[Any]:
        return []

    monkeypatch.setattr(here.store, "drain", nothing)
    await here.send(execution, "next")
    await cell.clock.advance(1)
    for verb in ("pause", "resume"):
        await here.control(execution, verb)
    await cell.clock.advance(routing.ASK_SECONDS)
    monkeypatch.setattr(here.store, "drain", drain)
    await cell.clock.advance(3 * REFRESH_SECONDS)
    assert (await here.read(execution)).data == {"got": [1]}
    assert await kept(here, key) == 0


async def test_the_early_events_of_all_nodes_count_against_the_limit(
    cell: Cell, here: Engine, there: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(early_module, "EARLY_OF_PROJECT_MAX", 20)
    monkeypatch.setattr(early_module, "EARLY_EVENTS_MAX", 2)
    kept_now = 0
    for number in range(80):
        with contextlib.suppress(TooManyRequests):
            await keep((here, there)[number % 2], f"k{number}", 1)
            kept_now += 1
    assert kept_now == 20


async def test_an_early_event_whose_home_dies_before_it_answers_is_kept_once(
    cell: Cell, here: Engine, there: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = key_of(here)

    async def dies(*_: Any) -> None:
        raise Unavailable("it died")

    monkeypatch.setattr(here.store, "settle", dies)
    asking = asyncio.ensure_future(keep(there, key, 1))
    await cell.clock.advance(1)
    await cell.kill(here)
    await cell.clock.advance(LEASE_SECONDS + 3)
    assert await kept(there, key) == 1
    assert isinstance((await asyncio.gather(asking, return_exceptions=True))[0], Unavailable)


# ---------------------------------------------------------------- the watchman


async def test_nobody_takes_the_work_of_another_node_for_orphaned(
    cell: Cell, here: Engine, there: Engine, caplog: Any
) -> None:
    await here.upload(CALLS, [{"name": "a", "workerEndpoint": "http://w"}])
    for node in (here, there):
        node.transport.script = lambda *_: None
        for _ in range(5):
            await node.start()
    await cell.clock.advance(150)
    assert [node.it.watchman.orphans for node in (here, there)] == [0, 0]
    assert all(node.it.watchman.turns for node in (here, there))
    assert "stood still" not in caplog.text
