"""Streams: what comes, from where they go on, and what ends them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from goflow_py.api import guard
from goflow_py.api import streams as api_streams
from goflow_py.api.cursors import unseal
from goflow_py.bootstrap import Server
from goflow_py.engine import feed
from goflow_py.engine import streams as engine_streams
from goflow_py.engine.feed import Place, place_of
from tests.e2e.conftest import Api, RealWorker, Serve, activity, eventually, start
from tests.e2e.test_api_process import process
from tests.e2e.test_api_wire import wire_to

pytestmark = pytest.mark.e2e
WAIT = activity("order", {"type": "wait", "event": "go"}, key="${ input.order }")
GET = b"GET /v1/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@dataclass
class Event:
    """One event of a stream."""

    name: str = "message"
    number: str | None = None
    data: Any = None
    retry: int | None = None


class Stream:
    """Reads server-sent events as a browser does: strictly."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self.answer = answer
        self.last: str | None = None
        self.retry: int | None = None
        self.heartbeats = 0

    async def next(self) -> Event | None:
        """Return the next event; None at the end."""
        event = Event()
        while line := (await self.answer.content.readline()).decode():
            name, _, text = line.rstrip("\n").partition(": ")
            match name:
                case "":
                    self.heartbeats += text == "heartbeat"
                    if line == "\n" and event.data is not None:
                        return event
                case "id":
                    event.number = self.last = text
                case "event":
                    event.name = text
                case "data":
                    assert event.data is None
                    event.data = orjson.loads(text)
                case "retry":
                    self.retry = int(text)
                case _:
                    raise AssertionError(line)
        assert event.data is None, "the end is not within an event"
        return None

    async def all(self) -> list[Event]:
        """Return everything until the end."""
        found = []
        while (event := await self.next()) is not None:
            found.append(event)
        return found

    async def some(self, count: int) -> list[Event]:
        found = [await self.next() for _ in range(count)]
        return [event for event in found if event is not None]


@contextlib.asynccontextmanager
async def stream(api: Api, path: str, last: str | None = None) -> AsyncIterator[Stream]:
    headers = {} if last is None else {"Last-Event-ID": last}
    if api.key is not None:
        headers["Authorization"] = f"Bearer {api.key}"
    async with asyncio.timeout(20), api.session.get(api.url + path, headers=headers) as answer:
        assert answer.status == 200, await answer.read()
        assert answer.content_type == "text/event-stream"
        yield Stream(answer)


def of(execution: dict[str, Any]) -> str:
    return f"/v1/executions/{execution['id']}/stream"


async def history(api: Api, execution: dict[str, Any]) -> list[Any]:
    found = await api.good("GET", f"/v1/executions/{execution['id']}/history?limit=500")
    items: list[Any] = found["items"]
    return items


async def go(api: Api, execution: dict[str, Any]) -> None:
    await api.good("POST", f"/v1/executions/{execution['id']}/events", {"name": "go"})


# ---------------------------------------------------------------- one execution


async def test_a_history_comes_as_it_is_committed_and_ends_with_it(shop: Api) -> None:
    order = await start(shop, "order", {"order": "1"})
    async with stream(shop, of(order)) as story:
        begun = await history(shop, order)
        assert [event.data for event in await story.some(len(begun))] == begun
        await go(shop, order)
        rest = await story.all()
    whole = await history(shop, order)
    assert [event.data for event in rest[:-1]] == whole[len(begun) :]
    assert (rest[-1].name, rest[-1].data) == ("end", {"status": "completed"})
    assert [event.number for event in rest[:-1]] == [
        str(entry["seq"]) for entry in whole[len(begun) :]
    ]


async def test_a_story_goes_on_behind_the_last_event_and_says_when_there_is_no_more(
    shop: Api,
) -> None:
    order = await start(shop, "order", {"order": "1"})
    await go(shop, order)
    whole = await history(shop, order)
    for entry in whole[:-1]:
        async with stream(shop, of(order), str(entry["seq"])) as story:
            told = await story.all()
        assert [event.data for event in told[:-1]] == whole[entry["seq"] + 1 :]
    last = str(whole[-1]["seq"])
    assert (await shop("GET", of(order), Last_Event_ID=last)).status == 204
    async with stream(shop, of(order), "9999") as story:
        told = await story.all()
    assert told[0].name == "reset"
    assert [event.data for event in told[1:-1]] == whole
    for wrong in ("x", "-1", "1.0", "9" * 30):
        answer = await shop("GET", of(order), Last_Event_ID=wrong)
        answer.problem(400, "bad_header")


async def test_a_story_of_nobody_is_404_and_one_that_is_deleted_ends(
    shop: Api, server: Server
) -> None:
    (await shop("GET", of({"id": "01900000-0000-7000-8000-000000000000"}))).problem(404)
    order = await start(shop, "order", {"order": "1"})
    async with stream(shop, of(order)) as story:
        await story.some(1)
        await shop.good("POST", f"/v1/executions/{order['id']}:terminate")
        await story.all()
    await shop.good("DELETE", f"/v1/executions/{order['id']}")
    (await shop("GET", of(order))).problem(404)
    assert server.orchestrator.owner.memory.followers == {}


# ---------------------------------------------------------------- all executions


async def test_all_commits_come_and_a_reader_goes_on_where_it_was(shop: Api) -> None:
    told: list[Any] = []
    async with stream(shop, "/v1/stream") as live:
        one = await start(shop, "order", {"order": "1"})
        told += [event.data for event in await live.some(2)]
        last = live.last
    two = await start(shop, "order", {"order": "2"})
    await go(shop, one)
    wanted = [await history(shop, one), await history(shop, two)]
    async with stream(shop, "/v1/stream", last) as live:
        while len(told) < sum(map(len, wanted)):
            told += [event.data for event in await live.some(1)]
    for execution, entries in zip((one, two), wanted, strict=True):
        mine = [one for one in told if one["execution"] == execution["id"]]
        assert [one["entry"] for one in mine] == entries
        assert {(one["project"], one["activity"]) for one in mine} == {("shop", "order")}
    assert {one["key"] for one in told} == {"1", "2"}


async def test_a_stream_is_filtered(shop: Api) -> None:
    async with (
        stream(shop, "/v1/stream?key=2&activity=order&project=shop") as keyed,
        stream(shop, "/v1/stream?status=completed") as ended,
        stream(shop, "/v1/stream?project=nowhere") as nothing,
    ):
        one = await start(shop, "order", {"order": "1"})
        two = await start(shop, "order", {"order": "2"})
        await go(shop, one)
        entries = await history(shop, two)
        found = await keyed.some(len(entries))
        assert [event.data["entry"] for event in found] == entries
        while (event := await ended.next()) is not None:
            assert (event.data["execution"], event.data["status"]) == (one["id"], "completed")
            if event.data["entry"]["type"] == "ended":
                break
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await nothing.next()
    (await shop("GET", "/v1/stream?status=gone")).problem(400, "bad_parameter")
    (await shop("GET", "/v1/stream?state=x")).problem(400, "unknown_parameter")


async def test_a_cursor_that_is_none_or_too_old_is_reset(shop: Api, tmp_path: Path) -> None:
    async with stream(shop, "/v1/stream", "no-cursor") as live:
        event = await live.next()
        assert event is not None
        assert (event.name, event.data) == ("reset", {"reason": "too_old"})
        order = await start(shop, "order", {"order": "1"})
        [first] = await live.some(1)
        assert first.data["execution"] == order["id"]
        last = first.number
    await shop.good("POST", f"/v1/executions/{order['id']}:terminate")
    await shop.good("DELETE", f"/v1/executions/{order['id']}")
    async with stream(shop, "/v1/stream", last) as live:
        event = await live.next()
        assert event is not None
        assert event.name == "reset", "what was deleted had not been read"
        fresh = event.number
    again = await start(shop, "order", {"order": "2"})
    async with stream(shop, "/v1/stream", fresh) as live:
        [first] = await live.some(1)
        assert (first.name, first.data["execution"]) == ("message", again["id"])


async def test_the_id_of_a_quiet_place_does_not_tell_whether_others_did_something(
    shop: Api, server: Server
) -> None:
    ids = []
    for _ in range(2):
        async with stream(shop, "/v1/stream") as live:
            first_line = (await live.answer.content.readline()).decode()
            ids.append(first_line.removeprefix("id: ").strip())
    assert len({*ids}) == 2
    assert len(str(Place(line="x", after=9))) == len(str(Place(line="x", after=1_000_000)))
    order = await start(shop, "order", {"order": "1"})
    for one in ids:
        async with stream(shop, "/v1/stream", one) as live:
            [event] = await live.some(1)
            assert (event.name, event.data["execution"]) == ("message", order["id"])


async def test_a_quiet_stream_has_heartbeats_that_move_its_cursor(
    shop: Api, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def place(one: Stream) -> int:
        assert one.last is not None
        found = place_of(unseal(server.orchestrator.caller.token_key, None, one.last))
        assert found is not None
        return found.after

    monkeypatch.setattr(api_streams, "HEARTBEAT_SECONDS", 0.05)
    order = await start(shop, "order", {"order": "1"})
    async with stream(shop, "/v1/stream?project=nowhere") as live, stream(shop, of(order)) as story:
        for one in (live, story):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.4):
                    await one.all()
            assert one.heartbeats >= 3
        before = place(live)
        await start(shop, "order", {"order": "2"})
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.4):
                await live.next()
        assert place(live) > before


# ---------------------------------------------------------------- limits


async def test_there_are_so_many_streams_and_a_place_is_free_when_one_has_gone(
    shop: Api, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_streams, "STREAMS_MAX", 2)
    order = await start(shop, "order", {"order": "1"})
    async with stream(shop, "/v1/stream"):
        async with stream(shop, of(order)):
            for path in ("/v1/stream", of(order)):
                refused = await shop("GET", path)
                refused.problem(503, "too_many_streams")
                assert "Retry-After" in refused.headers

        async def left() -> bool:
            return len(server.orchestrator.streams) == 1

        await eventually(left)
        async with stream(shop, of(order)) as story:
            assert await story.some(1)

    async def empty() -> bool:
        followers = server.orchestrator.owner.memory.followers
        return len(server.orchestrator.streams) == 0 and not followers

    await eventually(empty)
    assert (await shop("HEAD", "/v1/stream")).status == 200
    await eventually(empty)


async def test_the_place_of_who_hung_up_is_free_at_once(
    shop: Api, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not only once a half-closed connection is swept, or at the next heartbeat."""
    monkeypatch.setattr(guard, "HALF_CLOSED_SECONDS", 3_600.0)
    monkeypatch.setattr(api_streams, "HEARTBEAT_SECONDS", 3_600.0)
    order = await start(shop, "order", {"order": "1"})
    newest = (await history(shop, order))[-1]["seq"]

    async def empty() -> bool:
        return len(server.orchestrator.streams) == 0

    for path, last in (("/v1/stream", ": heartbeat"), (of(order), f"id: {newest}\n")):
        async with wire_to(shop) as wire:
            await wire.send(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            async with asyncio.timeout(10):
                await wire.reader.readuntil(last.encode())
                await wire.reader.readuntil(b"\n\n\r\n")
        await eventually(empty)


async def test_who_reads_nothing_is_cut_and_no_other_stream_waits_for_it(
    shop: Api, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server.door.guard, "read_timeout_seconds", 0.5)
    monkeypatch.setattr(feed, "BUFFER_ENTRIES_MAX", 50)
    async with wire_to(shop) as deaf, stream(shop, "/v1/stream") as quick:
        deaf.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await deaf.send(GET)

        async def both() -> bool:
            return len(server.orchestrator.streams) == 2

        await eventually(both)
        large = {"text": "x" * 100_000}
        count = 0
        while len(server.orchestrator.streams) == 2:
            await start(shop, "order", {"order": str(count), **large})
            for event in await quick.some(3):
                assert event.name == "message"
                count += 1
        assert count > 3
        assert len(server.orchestrator.streams) == 1


async def test_a_stream_may_take_longer_than_a_request(
    shop: Api, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server.door.guard, "request_timeout_seconds", 0.2)
    async with stream(shop, "/v1/stream") as live:
        await asyncio.sleep(1.6)  # the sweep comes every second
        order = await start(shop, "order", {"order": "1"})
        assert (await live.some(1))[0].data["execution"] == order["id"]


async def test_http_1_0_gets_a_stream_to_the_end_of_its_connection(shop: Api) -> None:
    order = await start(shop, "order", {"order": "1"})
    await go(shop, order)
    async with wire_to(shop) as wire:
        await wire.send(f"GET {of(order)} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n".encode())
        async with asyncio.timeout(10):
            head, _, body = (await wire.reader.read(-1)).partition(b"\r\n\r\n")
    assert b"chunked" not in head
    assert body.startswith(b"id: 0\ndata: {")
    assert body.endswith(b'event: end\ndata: {"status":"completed"}\n\n')


# ---------------------------------------------------------------- ends of servers and keys


async def test_a_drain_ends_streams_with_a_hint_and_takes_no_new_ones(
    shop: Api, server: Server
) -> None:
    order = await start(shop, "order", {"order": "1"})
    async with stream(shop, "/v1/stream") as live, stream(shop, of(order)) as story:
        assert await story.some(1)
        await shop.good("POST", "/v1/admin/drain")
        for one in (live, story):
            assert all(event.name == "message" for event in await one.all())
            assert one.retry == 5_000
    (await shop("GET", "/v1/stream")).problem(503, "draining")


async def test_a_revoked_key_ends_its_streams(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_streams, "HEARTBEAT_SECONDS", 0.05)
    key_file = tmp_path / "key"
    async with serve(host="0.0.0.0", bootstrap_key_file=key_file) as (_, api):
        admin = api.with_key(key_file.read_text().strip())
        made = await admin.good("POST", "/v1/keys", {"scopes": ["execution:read"]})
        async with stream(api.with_key(made["key"]), "/v1/stream") as live:
            await admin.good("DELETE", f"/v1/keys/{made['id']}")
            assert await live.all() == []


async def executions(api: Api) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = []
    more = ""
    while True:
        found = await api.good("GET", f"/v1/executions?limit=500{more}")
        listed += found["items"]
        if found["next"] is None:
            return listed
        more = f"&cursor={found['next']}"


async def test_nothing_is_missed_or_doubled_over_kills(
    tmp_path: Path, session: aiohttp.ClientSession, worker: RealWorker
) -> None:
    """Kill -9 in the midst of commits: a reader that goes on has the histories, entry by entry."""
    flags = {
        "data": str(tmp_path / "d" / "goflow.db"),
        "endpoint": {"there": f"{worker.url}/there"},
    }
    told: list[Any] = []
    last: str | None = None
    for _ in range(3):
        async with process(session, **flags) as running:
            api = running.api
            await api.good("POST", "/v1/blueprints", activity("quick", {"name": "echo"}))

            async def load(api: Api = api) -> None:
                with contextlib.suppress(aiohttp.ClientError, AssertionError):
                    while True:
                        await start(api, "quick")

            async with stream(api, "/v1/stream", last) as live:
                loads = [asyncio.create_task(load()) for _ in range(4)]
                for event in await live.some(300):
                    assert event.name == "message"
                    told.append(event.data)
                    last = event.number
                running.child.kill()
                with contextlib.suppress(aiohttp.ClientError, AssertionError):
                    for event in await live.all():
                        told.append(event.data)
                        last = event.number
                await asyncio.gather(*loads)
    async with process(session, **flags) as running:
        listed = await executions(running.api)
        for one in listed:
            await running.api.until(one["id"], "completed")
        wanted = {one["id"]: await history(running.api, one) for one in listed}
        async with stream(running.api, "/v1/stream", last) as live:
            while len(told) < sum(map(len, wanted.values())):
                told += [event.data for event in await live.some(1)]
    got: dict[str, list[Any]] = {}
    for data in told:
        got.setdefault(data["execution"], []).append(data["entry"])
    assert got == wanted
