"""Every store gives the same answers: random work on dicts and elsewhere, seen from outside."""

import asyncio
import tempfile
from dataclasses import replace
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from goflow_py.ports import (
    Committed,
    Filter,
    HeadRow,
    Message,
    Name,
    QueueRow,
    RecordRow,
    TaskFilter,
    Write,
)
from goflow_py.store import rules
from goflow_py.store.memory import MemoryStore
from goflow_py.store.postgres import PostgresStore
from goflow_py.store.sqlite import SqliteStore

IDS = [f"01900000-0000-7000-8000-{n:010x}{n % 2:02x}" for n in range(4)]
SHARDS = [0, 1]
STATUSES = ["running", "waiting", "completed", "failed"]

names = st.builds(
    Name,
    project=st.just("p"),
    kind=st.sampled_from(["idem", "key"]),
    scope=st.just("s"),
    name=st.sampled_from([*"ab" * 8, "\ud800"]),
    execution=st.just(""),
    expires=st.sampled_from([None, 5, 9]),
)
tasks = st.fixed_dictionaries(
    {
        "task": st.sampled_from(["a", "b", "c"]),
        "queue": st.sampled_from([*"qr" * 8, "\ud800"]),
        "kind": st.sampled_from(["pull", "pull", "human"]),
        "assigned_to": st.sampled_from([None, "ann"]),
        "status": st.sampled_from(["queued", "queued", "claimed"]),
        "since": st.integers(0, 2),
        "due": st.integers(0, 4),
    }
)
alone = st.fixed_dictionaries(
    {
        "id": st.sampled_from(IDS),
        "contrary": st.sampled_from([False] * 9 + [True]),
        "off": st.sampled_from([0] * 12 + [-1, 1]),
        "length": st.integers(0, 2),
        "epoch": st.sampled_from([0] * 12 + [-1, 1]),
        "status": st.sampled_from(STATUSES),
        "state": st.sampled_from(["init", "paid"]),
        "wake": st.sampled_from([None, 3, 7] * 6 + [2**63]),
        "finished": st.sampled_from([None, 2]),
        "purge": st.sampled_from([None, 4, 6]),
        "names": st.lists(names, max_size=2),
        "freed": st.lists(names, max_size=1),
        "inbox": st.lists(st.integers(0, 3), max_size=2),
        "labels": st.dictionaries(st.sampled_from("ab"), st.sampled_from("xy"), max_size=2),
        "version": st.integers(1, 2),
        "parent": st.sampled_from([None, None, *IDS]),
        "queue": st.none() | st.lists(tasks, max_size=2, unique_by=lambda drawn: drawn["task"]),
    }
)
family = st.lists(alone, min_size=1, max_size=3, unique_by=lambda drawn: drawn["id"])
writes = st.tuples(alone, st.just([]) | family)
steps = st.one_of(
    st.tuples(st.just("commit"), st.lists(writes, min_size=1, max_size=5)),
    st.tuples(st.just("commit"), st.lists(writes, min_size=1, max_size=5)),
    st.tuples(st.just("lose"), st.sampled_from(SHARDS)),
    st.tuples(st.just("delete"), st.sampled_from(IDS)),
    st.tuples(st.just("put"), names.filter(lambda name: name.name.isascii())),
    st.tuples(st.just("sweep"), st.integers(4, 10)),
    st.tuples(st.just("purge"), st.integers(4, 7)),
    st.tuples(
        st.just("deliver"),
        st.lists(st.tuples(st.sampled_from(IDS), st.sampled_from("mn")), max_size=3),
    ),
)


class Twin:
    """One of the two stores, with what a client of it knows."""

    def __init__(self, store) -> None:
        self.store = store
        self.epochs: dict[int, int] = {}
        self.seqs = dict.fromkeys(IDS, -1)

    async def do(self, step):
        kind, given = step
        match kind:
            case "commit":
                return await self.commit(given)
            case "lose":
                await self.store.release([given])
                claimed = await self.store.claim(limit=256, now=1)
                self.epochs |= claimed
                return claimed
            case "delete":
                self.seqs[given] = -1
                return await self.store.delete(given)
            case "put":
                return await self.store.put_name(given)
            case "sweep":
                return await self.store.sweep(before=given, limit=1)
            case "purge":
                count = await self.store.purge(before=given, limit=2)
                heads = await self.store.heads(IDS)
                gone = [one for one, head in zip(IDS, heads, strict=True) if head is None]
                self.seqs |= dict.fromkeys(gone, -1)
                return count
            case "deliver":
                sent = [
                    Message(execution=one, kind="event", dedupe=dedupe, body=b"", at=1)
                    for one, dedupe in given
                ]
                return await self.store.deliver(sent)

    async def commit(self, drawn):
        ahead = dict(self.seqs)
        numbers = [message.number for message in await self.store.drain(SHARDS, limit=99)]
        batch = [
            replace(
                self.write(one, ahead, numbers),
                family=[
                    self.write(member, ahead, numbers)
                    for member in family
                    if member["id"] != one["id"]
                ],
            )
            for one, family in drawn
        ]
        verdicts = await self.store.commit(batch)
        for write, verdict in zip(batch, verdicts, strict=True):
            if isinstance(verdict, Committed):
                self.seqs |= {one.head.id: one.head.seq for one in (write, *write.family)}
        # Which refusal a write gets that could not be stored anyway, the contract leaves open.
        spoilt = [any(map(rules.unfit, (write, *write.family))) for write in batch]
        return ["refused" if bad else one for bad, one in zip(spoilt, verdicts, strict=True)]

    def write(self, drawn, ahead, numbers):
        one = drawn["id"]
        start = (ahead[one] < 0) != drawn["contrary"]
        first = ahead[one] + 1 + drawn["off"]
        seq = ahead[one] = first + drawn["length"]
        head = HeadRow(
            id=one, project="p", activity="a", version=drawn["version"], status=drawn["status"],
            state=drawn["state"], key=None, labels=drawn["labels"], seq=seq, wake=drawn["wake"],
            started_at=1, updated_at=1, finished_at=drawn["finished"], purge_at=drawn["purge"],
            parent=drawn["parent"], body=f"{one} {seq}".encode(),
        )  # fmt: skip
        record = RecordRow(execution=one, first_seq=first, seq=seq, at=1, hash="", entries=b"[]")
        return Write(
            head=head,
            epoch=self.epochs[head.shard] + drawn["epoch"],
            records=[record],
            start=start,
            names=[replace(name, execution=one) for name in drawn["names"]],
            freed=[replace(name, execution=one) for name in drawn["freed"]],
            inbox=[numbers[place] for place in drawn["inbox"] if place < len(numbers)],
            queue=drawn["queue"]
            and [
                QueueRow(execution=one, visit=1, project="p", activity="a", **row)
                for row in drawn["queue"]
            ],
        )

    async def look(self):
        store = self.store
        seen = [await store.heads(IDS)]
        seen += [await store.history(one, after=-1, limit=99) for one in IDS]
        seen += [await store.history_back(one, before=3, limit=99) for one in IDS]
        seen += [
            await store.name("p", kind, "s", name) for kind in ("idem", "key") for name in "ab"
        ]
        seen += [replace(one, number=0) for one in await store.drain(SHARDS, limit=99)]
        seen += [await store.counts("p", "a")]
        seen += [await store.live(SHARDS, after="", limit=99)]
        seen += [await store.due([0], until=6, limit=99), await store.due(SHARDS, until=9, limit=2)]
        seen += [await store.due(SHARDS, until=9, limit=2, after=(3, one)) for one in IDS]
        seen += [(await store.stats())["executions"], await store.usage()]
        for which in (
            Filter(),
            Filter(project="p", activity="a", state="paid"),
            Filter(status=["failed", "waiting"]),
            Filter(status=["failed", "running"]),
            Filter(labels={"a": "x"}),
            Filter(parent=IDS[0]),
        ):
            seen.append((await store.list(which, limit=99, cursor=None)).items)
        for of in (TaskFilter(), TaskFilter(assigned_to="ann"), TaskFilter(execution=IDS[1])):
            seen.append((await store.tasks(of, limit=99, cursor=None)).items)
        for queues, project in ((["q"], None), (["q", "r"], "p"), (["r"], "other")):
            seen.append(await store.ready(queues, project=project, now=2, limit=3))
            seen.append(await store.next_due(queues, project=project, now=2))
        return seen


def _twice(queue):
    """Return two writes of one execution in one batch: the second replaces the first's queue."""
    plain = {
        "id": IDS[0], "contrary": False, "off": 0, "length": 0, "epoch": 0, "status": "running",
        "state": "init", "wake": None, "finished": None, "purge": None, "names": [], "freed": [],
        "inbox": [], "labels": {}, "version": 1, "parent": None,
    }  # fmt: skip
    row = {"task": "a", "kind": "pull", "assigned_to": None, "status": "queued", "since": 0}
    row |= {"due": 0, "queue": queue}
    return ("commit", [({**plain, "queue": [row]}, []), ({**plain, "queue": []}, [])])


def _back_and_forth():
    """Return two writes of one execution in one batch: a name is given back, and then taken."""
    kind, [(first, _), (second, _)] = _twice("q")
    name = Name(project="p", kind="key", scope="s", name="b", execution="")
    return (kind, [({**first, "freed": [name]}, []), ({**second, "names": [name]}, [])])


@given(work=st.lists(steps, min_size=1, max_size=12))
@example(work=[_twice("\ud800")])  # a row that no column could hold was never written, so it passed
@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
def test_random_work_looks_the_same_from_outside(work):
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(both(work, SqliteStore(Path(folder) / "goflow.db")))


@given(work=st.lists(steps, min_size=1, max_size=12))
@example(work=[_twice("\ud800")])
@example(work=[_back_and_forth()])  # the name was there yet
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
def test_random_work_looks_the_same_in_a_database(postgres, work):
    async def fresh() -> None:
        async with postgres.fresh() as url:
            await both(work, PostgresStore(url, has_own_time=False))

    asyncio.run(fresh())


async def both(work, store) -> None:
    """Do the same work on dicts and on *store*."""
    twins = [Twin(MemoryStore()), Twin(store)]
    try:
        for twin in twins:
            await twin.store.open(node="n", now=0, ttl_ms=10)
            twin.epochs = await twin.store.claim(limit=256, now=0)
        for step in work:
            first, second = [await twin.do(step) for twin in twins]
            assert first == second, step
            assert await twins[0].look() == await twins[1].look(), step
    finally:
        for twin in twins:
            await twin.store.close()
