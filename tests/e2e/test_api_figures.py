"""Statistics and insights, over HTTP."""

from itertools import pairwise

import pytest

from goflow_py.domain.durations import rfc3339, timestamp_ms
from goflow_py.engine.insights import INSIGHTS_EXECUTIONS_MAX
from goflow_py.engine.statistics import BUCKETS_MAX, STATS_EXECUTIONS_MAX, WINDOW_SECONDS_MAX
from tests.e2e.conftest import Api, activity, start

pytestmark = pytest.mark.e2e
COUNTS = ("started", "completed", "failed", "cancelled")


async def some(shop: Api) -> None:
    for name, count, end in (("quick", 3, "completed"), ("refused", 2, "failed")):
        for _ in range(count):
            await shop.until((await start(shop, name, {"a": 1}))["id"], end)
    gone = await start(shop, "order", {"order": "1"})
    await shop.good("POST", f"/v1/executions/{gone['id']}:terminate")
    await start(shop, "order", {"order": "2"})


async def test_what_began_and_ended_is_counted_whole_and_by_bucket(shop: Api) -> None:
    await some(shop)
    found = await shop.good("GET", "/v1/stats")
    assert [found[name] for name in COUNTS] == [7, 3, 2, 1]
    assert 0 <= found["p50"] <= found["p95"] < 20
    assert found["exact"] == {"started": True, "ended": True}
    assert found["looked"]["executions"] == 7
    assert found["looked"]["max"] == STATS_EXECUTIONS_MAX
    for name in COUNTS:
        assert sum(slot[name] for slot in found["series"]) == found[name]
    times = [timestamp_ms(slot["at"]) for slot in found["series"]]
    assert times[0] == timestamp_ms(found["since"])
    assert {after - before for before, after in pairwise(times)} == {found["bucket"] * 1_000}
    assert times[-1] <= timestamp_ms(found["until"])


async def test_figures_are_of_a_project_or_of_one_of_its_activities(shop: Api) -> None:
    await some(shop)

    async def counted(query: str) -> list[int]:
        found = await shop.good("GET", f"/v1/stats?{query}")
        return [found[name] for name in COUNTS]

    assert await counted("project=shop") == [7, 3, 2, 1]
    assert await counted("project=shop&activity=refused") == [2, 0, 2, 0]
    assert await counted("project=nobody") == [0, 0, 0, 0]
    (await shop("GET", "/v1/stats?activity=quick")).problem(400, "bad_parameter")


async def test_the_time_and_the_buckets_are_bounded(shop: Api) -> None:
    now = timestamp_ms((await shop.good("GET", "/v1/stats"))["until"])

    async def asked(ago_seconds: float, bucket: str) -> str:
        since = rfc3339(now - round(ago_seconds * 1_000))
        return f"/v1/stats?since={since}&bucket={bucket}"

    hour = await shop.good("GET", await asked(3_600, "1m"))
    assert (hour["bucket"], len(hour["series"])) == (60, 61)
    too_many = await shop("GET", await asked(BUCKETS_MAX + 60, "1s"))
    assert "bucket" in too_many.problem(400, "bad_parameter")["detail"]
    for ago, bucket in (
        (WINDOW_SECONDS_MAX + 60, "1d"),
        (-60, "1m"),
        (60, "0"),
        (60, "500ms"),
        (60, "31d"),
    ):
        (await shop("GET", await asked(ago, bucket))).problem(400, "bad_parameter")
    for query in ("since=yesterday", "bucket=x", "until=1"):
        (await shop("GET", f"/v1/stats?{query}")).problem(400)


async def test_insights_count_rows_states_and_workers(shop: Api) -> None:
    await some(shop)
    place = "/v1/blueprints/shop/refused/insights"
    found = await shop.good("GET", place)
    assert (found["project"], found["activity"], found["version"]) == ("shop", "refused", 1)
    assert found["looked"]["executions"] == 2
    assert found["looked"]["max"] == INSIGHTS_EXECUTIONS_MAX
    rows = {row["id"]: row for row in found["rows"]}
    assert set(rows) == {
        row["id"] for row in (await shop.good("GET", "/v1/blueprints/shop/refused/graph"))["edges"]
    }
    assert rows["init/start/0"]["count"] == 2
    assert rows["refuse/success/0"] | {"to": ""} == {
        "id": "refuse/success/0", "from": "refuse", "event": "success", "action": "continue",
        "to": "", "count": 0, "p50": None, "p95": None,
    }  # fmt: skip
    assert set(found["neverTaken"]) == {"refuse/success/0", "later_on/go/0"}
    states = {state["state"]: state for state in found["states"]}
    assert (states["refuse"]["visits"], states["refuse"]["executions"]) == (2, 2)
    assert states["later_on"]["visits"] == 0
    [worker] = found["workers"]
    assert (worker["worker"], worker["action"]) == ("there", "refuse")
    assert (worker["attempts"], worker["errors"], worker["faulty"]) == (2, 2, 1.0)
    assert worker["p50"] <= worker["p95"]
    later = rfc3339(timestamp_ms((await shop.good("GET", "/v1/stats"))["until"]) + 60_000)
    nothing = await shop.good("GET", f"{place}?since={later}")
    assert (nothing["looked"]["executions"], nothing["workers"]) == (0, [])
    (await shop("GET", f"{place}?version=9")).problem(404)
    (await shop("GET", "/v1/blueprints/shop/nothing/insights")).problem(404)


async def test_insights_are_of_one_version(shop: Api) -> None:
    await start(shop, "order", {"order": "1"})
    changed = {**activity("order", {"type": "wait", "event": "go"}), "description": "new"}
    await shop.good("POST", "/v1/blueprints", changed)
    place = "/v1/blueprints/shop/order/insights"
    assert (await shop.good("GET", place))["looked"]["executions"] == 0
    assert (await shop.good("GET", f"{place}?version=1"))["looked"]["executions"] == 1
