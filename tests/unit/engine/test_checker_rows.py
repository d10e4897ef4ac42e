"""What only several rows show: families, queues, names, columns, counts. Each is broken once."""

import copy
import itertools
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from functools import partialmethod
from typing import Any

import pytest

from goflow_py.domain.execution import decode, encode
from goflow_py.engine.auditor import Report, verify
from goflow_py.engine.requests import StartRequest
from goflow_py.engine.verdict import Success
from goflow_py.store.memory import MemoryStore
from goflow_py.store.tables import Tables
from tests.unit.engine.conftest import Engine
from tests.unit.engine.histories import Made, entry, one
from tests.unit.engine.histories import made as make
from tests.unit.engine.test_families import WAITS, machine, parent

MOVES_MAX = 600


@pytest.fixture(scope="module")
def made() -> Made:
    return make()


class Broken(MemoryStore):
    """A store that counts wrongly."""

    async def wrong_tallies(self) -> list[tuple[str, int, int]]:
        return [("waiting", 3, 2)]


async def audit(tables: Tables, kind: type[MemoryStore] = MemoryStore, **options: Any) -> Report:
    store = kind(tables)
    await store.open(node="auditor", now=2**45, ttl_ms=60_000)
    report = await verify(store, **options)
    await store.close()
    return report


def head_with(tables: Tables, execution: str, **columns: Any) -> None:
    stored = tables.executions[execution]
    stored.head = replace(stored.head, **columns)


# ---------------------------------------------------------------- changes


def child_is_gone(tables: Tables, names: dict[str, str]) -> None:
    del tables.executions[names["child"]]


def parent_forgot(tables: Tables, names: dict[str, str]) -> None:
    """The parent that waits is swapped for its own past: it has no child yet."""
    stored = tables.executions[names["parent"]]
    other = tables.executions[names["old parent"]]
    body = encode(replace_id(other.head.body, names["parent"]))
    stored.head = replace(other.head, id=names["parent"], body=body)
    stored.records = []


def replace_id(body: bytes, execution: str) -> Any:
    head = decode(body)
    head.id = execution
    return head


def key_is_lost(tables: Tables, names: dict[str, str]) -> None:
    del tables.names["p", "key", "calls", "K-1"]


def key_is_kept(tables: Tables, names: dict[str, str]) -> None:
    name = tables.names["p", "key", "calls", "K-1"]
    tables.names["p", "key", "calls", "K-2"] = replace(
        name, name="K-2", execution=names["completed"]
    )


def queue_row_is_lost(tables: Tables, names: dict[str, str]) -> None:
    tables.tasks.put(names["asked"], [])


def queue_row_is_wrong(tables: Tables, names: dict[str, str]) -> None:
    rows = [row for row in tables.tasks if row.execution == names["claimed"]]
    tables.tasks.put(names["claimed"], [replace(row, status="queued") for row in rows])


def queue_row_is_left(tables: Tables, names: dict[str, str]) -> None:
    rows = [row for row in tables.tasks if row.execution == names["asked"]]
    done = names["completed"]
    tables.tasks.put(done, [replace(row, execution=done) for row in rows])


def queue_row_of_nobody(tables: Tables, names: dict[str, str]) -> None:
    del tables.executions[names["asked"]]


def wake_is_lost(tables: Tables, names: dict[str, str]) -> None:
    head_with(tables, names["delayed"], wake=None)


def status_is_wrong(tables: Tables, names: dict[str, str]) -> None:
    head_with(tables, names["delayed"], status="paused")


def head_is_rotten(tables: Tables, names: dict[str, str]) -> None:
    body = tables.executions[names["completed"]].head.body
    head_with(tables, names["completed"], body=body.replace(b'"status"', b'"staxus"'))


def version_is_gone(tables: Tables, names: dict[str, str]) -> None:
    del tables.blueprints["p", "graph"]


def version_has_changed(tables: Tables, names: dict[str, str]) -> None:
    [row] = tables.blueprints["p", "human"].values()
    changed = row.body.replace(b'"human"', b'"humax"')
    tables.blueprints["p", "human"][row.version] = replace(row, body=changed)


def version_is_rotten(tables: Tables, names: dict[str, str]) -> None:
    [row] = tables.blueprints["p", "human"].values()
    tables.blueprints["p", "human"][row.version] = replace(row, body=row.body[1:])


def head_has_no_text(tables: Tables, names: dict[str, str]) -> None:
    body = tables.executions[names["completed"]].head.body
    head_with(tables, names["completed"], body=body.replace(b'"status"', b'"stat\xf5s"'))


def action_is_unknown(tables: Tables, names: dict[str, str]) -> None:
    changed_task(tables, names["asked"], action="nothing")


def task_is_misnamed(tables: Tables, names: dict[str, str]) -> None:
    changed_task(tables, names["asked"], name="nothing")


def state_is_unknown(tables: Tables, names: dict[str, str]) -> None:
    head = decode(tables.executions[names["asked"]].head.body)
    head.state = "nowhere"
    head_with(tables, names["asked"], body=encode(head))


def changed_task(tables: Tables, execution: str, **fields: Any) -> None:
    head = decode(tables.executions[execution].head.body)
    for task in head.tasks.values():
        vars(task).update(fields)
    head_with(tables, execution, body=encode(head))


Change = Callable[[Tables, dict[str, str]], None]


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("S15", child_is_gone),
        ("S2", key_is_lost),
        ("S2", key_is_kept),
        ("S15", queue_row_is_lost),
        ("S15", queue_row_is_wrong),
        ("S15", queue_row_is_left),
        ("S15", queue_row_of_nobody),
        ("S5", wake_is_lost),
        ("S5", status_is_wrong),
        ("S5", head_is_rotten),
        ("S5", head_has_no_text),
        ("S5", action_is_unknown),
        ("S5", task_is_misnamed),
        ("S5", state_is_unknown),
        ("S4", version_is_gone),
        ("S19", version_has_changed),
        ("S19", version_is_rotten),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
async def test_rows_that_do_not_fit_break_one_rule(made: Made, rule: str, change: Change) -> None:
    tables = copy.deepcopy(made.tables)
    assert (await audit(tables)).breaches == []
    change(tables, made.names)
    report = await audit(tables)
    assert {breach.rule for breach in report.breaches} == {rule}
    assert report.as_json()["byRule"] == {rule: len(report.breaches)}


async def test_a_wrong_count_is_the_stores_own_breach(made: Made) -> None:
    [breach] = (await audit(copy.deepcopy(made.tables), Broken)).breaches
    assert (breach.rule, breach.execution) == ("S5", "")


async def test_a_child_that_its_parent_never_bore_breaks_s2(made: Made) -> None:
    tables = copy.deepcopy(made.tables)
    history = made.history("child")

    def change(entries: Any) -> None:
        entry(entries, "started")["parent"]["fence"] -= 1

    changed = history.changed(change)
    stored = tables.executions[history.head.id]
    stored.records = changed.rows
    stored.head = replace(stored.head, body=encode(changed.head))
    assert {breach.rule for breach in (await audit(tables)).breaches} == {"S2"}


async def test_an_open_child_that_nobody_waits_for_breaks_s15(made: Made) -> None:
    tables = copy.deepcopy(made.tables)
    parent_forgot(tables, made.names)
    one = made.names["child"]
    report = await audit(tables, execution=one)
    assert {breach.rule for breach in report.breaches} == {"S15"}


async def test_parents_that_were_deleted_are_missed_by_nobody(made: Made) -> None:
    tables = copy.deepcopy(made.tables)
    del tables.executions[made.names["old parent"]]
    assert (await audit(tables)).breaches == []


async def test_overdue_timers_are_lost_only_when_time_is_asked(made: Made) -> None:
    tables = copy.deepcopy(made.tables)
    assert (await audit(tables)).ok
    report = await audit(tables, overdue_before=2**45)
    assert set(report.by_rule) == {"S12"}


class Moving:
    """A store under load: before every read something happens in it."""

    def __init__(self, engine: Engine, doings: Iterator[Callable[[], Awaitable[Any]]]) -> None:
        self._engine, self._doings = engine, doings
        self.moves = 0

    async def _read(self, method: str, *args: Any, **kwargs: Any) -> Any:
        await self._before(method)
        return await getattr(self._engine.store, method)(*args, **kwargs)

    async def _before(self, _: str) -> None:
        self.moves += 1
        if self.moves <= MOVES_MAX:
            await next(self._doings)()

    head = partialmethod(_read, "head")
    history = partialmethod(_read, "history")
    blueprint = partialmethod(_read, "blueprint")
    list = partialmethod(_read, "list")
    name = partialmethod(_read, "name")
    tasks = partialmethod(_read, "tasks")
    open_rows = partialmethod(_read, "open_rows")
    wrong_tallies = partialmethod(_read, "wrong_tallies")


async def test_work_that_goes_on_meanwhile_is_no_breach(engine: Engine) -> None:
    await engine.upload(parent({"a": WAITS}, [{"name": "a"}]), [])
    await engine.upload(one("pull", queue="depot", lease=60), [])
    claimed: list[Any] = []
    count = itertools.count()
    families: list[Any] = []

    async def bear() -> None:
        families.append(await engine.start(key=f"K-{next(count)}"))

    async def queue() -> None:
        await engine.it.executions.start("p", "pull", StartRequest(key=f"P-{next(count)}"))

    async def claim() -> None:
        claimed.extend(
            await engine.it.polls.poll(["depot"], max_tasks=1, wait_seconds=0, worker="w")
        )

    async def complete() -> None:
        task = claimed.pop(0)
        await engine.it.claims.end(task.id, task.token, Success(output=1))

    async def end_child() -> None:
        execution = families.pop(0)
        await engine.send(execution, "go_on", 1)
        await engine.send(execution, "go")

    store = Moving(engine, itertools.cycle([bear, queue, bear, claim, end_child, complete]))
    reports = [await verify(store) for _ in range(5)]
    assert [report.breaches for report in reports] == [[]] * 5
    assert store.moves > MOVES_MAX
    assert reports[-1].executions > 100


class Between(Moving):
    """A store in which one thing happens just before the first read of one method."""

    def __init__(self, engine: Engine, method: str, do: Callable[[], Awaitable[Any]]) -> None:
        super().__init__(engine, iter(()))
        self._method, self._do = method, do

    async def _before(self, method: str) -> None:
        if method == self._method:
            self._method = ""
            await self._do()


async def test_a_child_that_ends_between_two_reads_is_no_breach(engine: Engine) -> None:
    await engine.upload(parent({"a": WAITS}, [{"name": "a"}]), [])
    execution = await engine.start()
    store = Between(engine, "head", lambda: engine.send(execution, "go_on", 1))
    assert (await verify(store)).breaches == []
    assert (await engine.read(execution)).state == "after"


async def test_a_key_that_is_given_back_between_two_reads_is_no_breach(engine: Engine) -> None:
    await engine.upload(machine({"name": "wait", "on": {"go": "done"}}), [])
    execution = await engine.start(key="K")
    store = Between(engine, "name", lambda: engine.send(execution, "go"))
    assert (await verify(store)).breaches == []
    assert (await engine.read(execution)).ended


async def test_a_task_that_is_claimed_between_two_reads_is_no_breach(engine: Engine) -> None:
    await engine.upload(one("pull", queue="depot", lease=60), [])
    await engine.it.executions.start("p", "pull", StartRequest())
    store = Between(
        engine,
        "tasks",
        lambda: engine.it.polls.poll(["depot"], max_tasks=1, wait_seconds=0, worker="w"),
    )
    assert (await verify(store)).breaches == []
    [row] = engine.store._all.tasks
    assert row.status == "claimed"


async def test_a_store_that_only_shows_histories_is_judged_by_them(made: Made) -> None:
    tables = copy.deepcopy(made.tables)
    queue_row_is_lost(tables, made.names)
    whole = MemoryStore(tables)
    await whole.open(node="auditor", now=2**45, ttl_ms=60_000)

    class Histories:
        head, history = whole.head, whole.history
        blueprint, list = whole.blueprint, whole.list

    assert (await verify(Histories())).ok
    assert not (await verify(whole)).ok
    await whole.close()
