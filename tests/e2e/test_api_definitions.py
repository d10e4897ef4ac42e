"""Blueprints, workers, endpoints, keys' absence, and running the server, over HTTP."""

import contextlib
import re
import sqlite3
from pathlib import Path

import pytest

from goflow_py.domain.durations import timestamp_ms
from goflow_py.errors import Unavailable
from tests.e2e.conftest import Api, RealWorker, Serve, activity, eventually, start

pytestmark = pytest.mark.e2e
PLACE = "/v1/blueprints/shop/quick"


async def test_an_upload_makes_a_version_and_an_equal_one_makes_none(api: Api) -> None:
    blueprint = activity("quick", {"name": "echo"})
    first = await api("POST", "/v1/blueprints", blueprint)
    assert (first.status, first.body["version"]) == (201, 1)
    known = {"project", "activity", "version", "hash", "findings", "accepts", "bound"}
    assert set(first.body) == known
    assert first.headers["Location"] == f"{PLACE}/versions/1"
    again = await api("POST", "/v1/blueprints", blueprint)
    assert (again.status, again.body["version"]) == (200, 1)
    changed = await api("POST", "/v1/blueprints", {**blueprint, "description": "new"})
    assert (changed.status, changed.body["version"]) == (201, 2)


async def test_a_dry_run_stores_nothing(api: Api) -> None:
    blueprint = activity("quick", {"name": "echo"})
    tried = await api("POST", "/v1/blueprints?dryRun=1", blueprint)
    assert (tried.status, tried.body["version"]) == (200, None)
    (await api("GET", PLACE)).problem(404)


async def test_a_draft_is_drawn_as_its_version_will_be(api: Api) -> None:
    blueprint = activity("quick", {"name": "echo"})
    draft = (await api.good("POST", "/v1/blueprints?dryRun=1&graph=1", blueprint))["graph"]
    assert "graph" not in await api.good("POST", "/v1/blueprints", blueprint)
    stored = await api.good("GET", f"{PLACE}/graph")
    assert {**draft, "version": 1} == stored


async def test_a_bad_blueprint_is_refused_with_all_findings(api: Api) -> None:
    blueprint = activity("quick", {"name": "echo"})
    bad = {**blueprint, "transitions": [{"current": "nowhere", "event": "x", "next": "gone"}]}
    problem = (await api("POST", "/v1/blueprints", bad)).problem(422, "invalid_blueprint")
    assert len(problem["findings"]) >= 2
    strict = await api("POST", "/v1/blueprints?strict=1", blueprint)
    assert strict.problem(422)["findings"]


async def test_a_repeated_upload_answers_alike(api: Api) -> None:
    blueprint = activity("quick", {"name": "echo"})
    first = await api("POST", "/v1/blueprints", blueprint, Idempotency_Key="u")
    again = await api("POST", "/v1/blueprints", blueprint, Idempotency_Key="u")
    assert (first.status, again.status) == (201, 201)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.body["version"] == 1
    other = {**blueprint, "description": "other"}
    (await api("POST", "/v1/blueprints", other, Idempotency_Key="u")).problem(422)


YAML = b"""\
# The states of YAML 1.1 would be booleans.
project: shop
activity: spoken
states: [on, off]
actions:
  - {name: ask, type: sync, input: {at: 12:30, code: "{$.input.code}"}}
transitions:
  - {current: init, event: start, next: on}
  - {current: on, event: success, next: off, action: ask}
  - {current: off, event: success, next: done}
---
project: shop
activity: spoken
workers:
  - {name: ask, workerEndpoint: there}
"""


@pytest.mark.parametrize(
    "kind", ["application/yaml", "text/yaml; charset=utf-8", "Application/X-YAML"]
)
async def test_an_upload_in_yaml_is_the_same_as_in_json(api: Api, kind: str) -> None:
    first = await api("POST", "/v1/blueprints", raw=YAML, Content_Type=kind)
    assert (first.status, first.body["version"]) == (201, 1)
    stored = await api.good("GET", "/v1/blueprints/shop/spoken")
    assert stored["blueprint"]["states"] == ["on", "off"]
    assert stored["blueprint"]["actions"][0]["input"] == {"at": "12:30", "code": "{$.input.code}"}
    workers = await api.good("GET", "/v1/blueprints/shop/spoken/workers")
    assert [worker["name"] for worker in workers["workers"]] == ["ask"]
    again = await api("POST", "/v1/blueprints", stored["blueprint"])
    assert (again.status, again.body["hash"]) == (200, first.body["hash"])


async def test_workers_are_replaced_in_yaml_too(shop: Api) -> None:
    body = b"workers:\n  - {name: echo, workerEndpoint: 'http://localhost:1/x'}\n"
    put = await shop("PUT", f"{PLACE}/workers", raw=body, Content_Type="application/yaml")
    assert put.status == 200
    [worker] = (await shop.good("GET", f"{PLACE}/workers"))["workers"]
    assert worker["workerEndpoint"] == "http://localhost:1/x"
    two = await shop("PUT", f"{PLACE}/workers", raw=b"a\n---\nb", Content_Type="text/yaml")
    assert "more than one document" in two.problem(400, "malformed_yaml")["detail"]


async def test_yaml_beyond_json_is_refused_with_its_place(api: Api) -> None:
    for body in (b"project: &p shop\nactivity: *p", b"a: 1\na: 2", b"[" * 1_000, b"a: \x07"):
        answer = await api("POST", "/v1/blueprints", raw=body, Content_Type="application/yaml")
        problem = answer.problem(400, "malformed_yaml")
        assert problem["line"] >= 1
        assert problem["column"] >= 1
    large = await api(
        "POST", "/v1/blueprints", raw=b"#" * (1024 * 1024 + 1), Content_Type="application/yaml"
    )
    large.problem(413)


async def test_only_definitions_are_taken_in_yaml(shop: Api) -> None:
    path = "/v1/activities/shop/order/executions"
    answer = await shop("POST", path, raw=b"input: {}", Content_Type="application/yaml")
    answer.problem(415)


async def test_versions_are_listed_looked_at_and_deleted(shop: Api) -> None:
    await start(shop, "order", {"order": "1"})
    changed = {**activity("order", {"type": "wait", "event": "go"}), "description": "new"}
    await shop.good("POST", "/v1/blueprints", changed)
    place = "/v1/blueprints/shop/order"
    new, old = (await shop.good("GET", f"{place}/versions"))["items"]
    assert (new["version"], new["waiting"], old["version"], old["waiting"]) == (2, 0, 1, 1)
    latest = await shop.good("GET", place)
    assert (latest["version"], latest["blueprint"]["description"]) == (2, "new")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", latest["createdAt"])
    assert (await shop.good("GET", f"{place}?version=1"))["version"] == 1
    assert (await shop.good("GET", f"{place}/versions/1"))["version"] == 1
    found = (await shop.good("GET", f"{place}/findings"))["items"]
    assert found == latest["findings"]
    (await shop("DELETE", f"{place}/versions/1")).problem(409)
    assert (await shop("DELETE", f"{place}/versions/2")).status == 204
    (await shop("DELETE", f"{place}/versions/2")).problem(404)
    for path in ("/versions/9", "/versions/x", "/versions/-1", "?version=9"):
        (await shop("GET", f"{place}{path}")).problem(404)


async def test_blueprints_are_listed_by_name_in_pages(shop: Api) -> None:
    names, path = [], "/v1/blueprints?limit=2&project=shop"
    while path:
        answer = await shop("GET", path)
        names += [item["activity"] for item in answer.body["items"]]
        path = answer.headers.get("Link", "").partition(">")[0].lstrip("<")
    assert names == ["handed", "order", "quick", "refused", "slow"]
    assert (await shop.good("GET", "/v1/blueprints?project=none"))["items"] == []


async def test_workers_and_aliases_are_replaced(shop: Api, worker: RealWorker) -> None:
    workers = {"workers": [{"name": "echo", "workerEndpoint": "elsewhere", "priority": 1}]}
    put = await shop("PUT", f"{PLACE}/workers", workers)
    assert put.status == 200
    assert (await shop.good("GET", f"{PLACE}/workers"))["workers"][0]["workerEndpoint"] == (
        "elsewhere"
    )
    path = "/v1/activities/shop/quick/executions"
    (await shop("POST", path, {})).problem(422, "unresolved_alias")
    alias = await shop("PUT", "/v1/endpoints/elsewhere", {"url": f"{worker.url}/elsewhere"})
    assert (alias.status, alias.body["alias"]) == (200, "elsewhere")
    await shop.until((await start(shop, "quick"))["id"], "completed")
    listed = {e["alias"]: e["source"] for e in (await shop.good("GET", "/v1/endpoints"))["items"]}
    assert listed == {"elsewhere": "api", "there": "settings"}
    seen = (await shop.good("GET", "/v1/workers?project=shop"))["items"]
    [echo] = [one for one in seen if one["action"] == "echo"]
    assert (echo["health"], echo["breaker"], echo["calls"], echo["errors"]) == (
        "up",
        "closed",
        1,
        0,
    )
    assert (echo["inFlight"], echo["lastError"]) == (0, None)
    assert (echo["recentAttempts"], echo["errorShare"]) == (1, 0)
    assert 0 <= echo["p50Ms"] == echo["p95Ms"] < 20_000
    assert timestamp_ms(echo["lastSeenAt"]) > 0
    [idle] = [one for one in seen if one["action"] == "hold"]
    assert idle["recentAttempts"] == 0
    assert {idle[name] for name in ("errorShare", "p50Ms", "p95Ms", "lastSeenAt")} == {None}
    assert (await shop("DELETE", "/v1/endpoints/elsewhere")).status == 204
    (await shop("DELETE", "/v1/endpoints/elsewhere")).problem(404)
    (await shop("PUT", "/v1/endpoints/elsewhere", {"url": "nowhere"})).problem(422)


async def test_a_store_that_is_away_is_named_before_the_work_that_breaks_for_it(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away() -> None:
        raise Unavailable("the database cannot be reached", code="store_unreachable")

    async with serve() as (server, api):
        engine = server.orchestrator
        monkeypatch.setattr(type(engine), "broken", property(lambda _: ["heartbeat"]))
        (await api("GET", "/readyz")).problem(503, "background_broken")
        monkeypatch.setattr(engine.store, "ping", away)
        (await api("GET", "/readyz")).problem(503, "store_unreachable")


async def test_health_readiness_version_and_metrics(shop: Api) -> None:
    assert await shop.good("GET", "/healthz") == {"status": "ok"}
    assert await shop.good("GET", "/readyz") == {"status": "ready"}
    assert "version" in await shop.good("GET", "/version")
    await shop.until((await start(shop, "quick"))["id"], "completed")
    answer = await shop("GET", "/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain")
    lines = answer.raw.decode().splitlines()
    for line in (
        'goflow_executions_started_total{activity="quick",project="shop"} 1.0',
        'goflow_executions_ended_total{activity="quick",project="shop",status="completed"} 1.0',
        'goflow_attempt_seconds_count{action="echo",outcome="success"} 1.0',
        "goflow_calls_in_flight 0.0",
        "goflow_nodes 1.0",
        "goflow_shards_owned 256.0",
        "goflow_shards_unowned 0.0",
        "goflow_inbox_messages 0.0",
        "goflow_lease_seconds +Inf",
    ):
        assert line in lines
    assert {line.split()[0] for line in lines} >= {
        "goflow_commits_total",
        "goflow_timers",
        "goflow_loop_lag_seconds",
    }


async def test_the_only_server_is_the_only_node(shop: Api) -> None:
    found = await shop.good("GET", "/v1/admin/nodes")
    [node] = found["items"]
    [version] = (await shop.good("GET", "/version")).values()
    assert (node["address"], node["version"]) == (shop.url, version)
    assert (node["self"], node["shards"], node["status"]) == (True, 256, "ok")
    assert node["startedAt"] <= found["at"]
    assert (found["shared"], node["leaseLeftSeconds"]) == (False, None)


async def test_a_backup_is_a_whole_copy(shop: Api) -> None:
    execution = await start(shop, "order", {"order": "o"})
    made = await shop("POST", "/v1/admin/backup", {"name": "copy.db"})
    assert made.status == 201
    _check_copy(Path(made.body["path"]), made.body["bytes"], execution["id"])
    (await shop("POST", "/v1/admin/backup", {"name": "copy.db"})).problem(409)
    (await shop("POST", "/v1/admin/backup", {"name": "../up.db"})).problem(422)


def _check_copy(path: Path, size: int, execution: str) -> None:
    assert path.stat().st_size == size
    with contextlib.closing(sqlite3.connect(path)) as copy:
        assert copy.execute("pragma integrity_check").fetchall() == [("ok",)]
    assert execution.encode() in path.read_bytes()


async def test_verify_and_store_tell_the_state_of_the_data(shop: Api) -> None:
    execution = await start(shop, "quick")
    await shop.until(execution["id"], "completed")
    report = await shop.good("GET", "/v1/admin/verify")
    assert (report["ok"], report["executions"], report["breaches"]) == (True, 1, [])
    one = await shop.good("GET", f"/v1/admin/verify?execution={execution['id']}")
    assert one["executions"] == 1
    (await shop("GET", "/v1/admin/verify?execution=x")).problem(404)
    assert (await shop.good("GET", "/v1/admin/store"))["executions"] == {"completed": 1}


async def test_a_draining_server_takes_no_new_work_and_still_tells(
    shop: Api, worker: RealWorker
) -> None:
    going = await start(shop, "slow")
    await worker.called("hold")
    drained = await shop("POST", "/v1/admin/drain")
    assert (drained.status, drained.body["draining"]) == (202, True)
    for method, path in (("GET", "/readyz"), ("POST", "/v1/activities/shop/quick/executions")):
        refused = await shop(method, path)
        refused.problem(503, "draining")
        assert int(refused.headers["Retry-After"]) >= 1
    assert (await shop("GET", "/healthz")).status == 200
    worker.held.set()
    await shop.until(going["id"], "completed")


async def test_what_was_acknowledged_is_there_after_a_restart(serve: Serve) -> None:
    async with serve() as (_, api):
        await api.good("POST", "/v1/blueprints", activity("order", {"type": "wait", "event": "go"}))
        execution = await start(api, "order")
    async with serve() as (_, api):
        place = f"/v1/executions/{execution['id']}"
        assert (await api.good("GET", place))["status"] == "waiting"
        await api.good("POST", f"{place}/events", {"name": "go"})
        assert (await api.until(execution["id"], "completed"))["state"] == "done"


async def test_a_callback_url_is_good_after_a_restart(serve: Serve, worker: RealWorker) -> None:
    async with serve() as (_, api):
        handed = activity("handed", {"name": "later", "type": "async"})
        await api.good("POST", "/v1/blueprints", handed)
        execution = await start(api, "handed")
        token = (await worker.called("later"))["callbackUrl"].rpartition("/")[2]

        async def accepted() -> bool:
            found = await api.good("GET", f"/v1/executions/{execution['id']}")
            return bool(found["status"] == "waiting")

        await eventually(accepted)
    async with serve() as (_, api):
        answer = await api.good("POST", f"/v1/callbacks/{token}", {"output": 1})
        assert answer == {"applied": True}


async def test_the_pages_need_nothing_from_elsewhere(api: Api) -> None:
    assert (await api("GET", "/")).headers["Location"] == "/ui/"
    for path in ("/ui/", "/docs"):
        answer = await api("GET", path)
        html = answer.raw.decode()
        assert answer.headers["Content-Type"].startswith("text/html")
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert not re.search(r"https?://|<script>|<style", html)
        for named in re.findall(r'(?:src|href)="([^"]+)"', html):
            assert (await api("GET", named)).status == 200, named
