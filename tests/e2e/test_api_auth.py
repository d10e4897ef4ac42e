"""Keys: who may do what, and that a project learns nothing of another."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from goflow_py.api.app import OPS
from goflow_py.api.auth import OPEN, SCOPES
from goflow_py.api.op import Op
from tests.e2e.conftest import Api, Serve, activity, start

pytestmark = pytest.mark.e2e

NOBODY = "0190b0b0-0000-7000-8000-000000000000"
SAMPLES = {"project": "shop", "activity": "order", "id": NOBODY, "version": "1"}


@pytest.fixture
async def guarded(serve: Serve, tmp_path: Path) -> AsyncIterator[Api]:
    """A server that others could reach, with the first administrator's key."""
    file = tmp_path / "admin.key"
    async with serve(host="0.0.0.0", bootstrap_key_file=file) as (server, api):
        assert file.stat().st_mode & 0o777 == 0o600
        # Many wrong keys are sent here; that only so many are looked at, tests/safety shows.
        server.door.access.refusals.failures_max = 1_000
        yield api.with_key(file.read_text().strip())


async def key_for(admin: Api, **fields: Any) -> Api:
    made = await admin.good("POST", "/v1/keys", fields)
    return admin.with_key(made["key"])


def path_of(op: Op) -> str:
    path = op.path
    for name in op.names:
        path = path.replace(f"{{{name}}}", SAMPLES.get(name, "x"))
    return path


def name_of(op: Op) -> str:
    return f"{op.method} {op.path}"


@pytest.mark.parametrize("op", OPS, ids=name_of)
def test_every_route_declares_its_scope(op: Op) -> None:
    assert op.scopes is OPEN or (op.scopes and set(op.scopes) <= set(SCOPES))


def test_these_routes_alone_are_open() -> None:
    assert {op.path for op in OPS if op.scopes is OPEN} == {
        "/healthz",
        "/readyz",
        "/version",
        "/v1/schemas/blueprint.json",
        "/v1/callbacks/{token}",
        "/v1/callbacks/{token}/heartbeat",
    }


async def test_no_route_is_served_without_a_key_or_with_a_wrong_one(guarded: Api) -> None:
    for op in OPS:
        if op.scopes is OPEN:
            continue
        for key in (None, "gf_x_y", "nonsense", f"{guarded.key}x", str(guarded.key)[:-1]):
            answer = await guarded.with_key(key)(op.method, path_of(op))
            answer.problem(401)
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_each_route_needs_its_scope_and_no_other(guarded: Api) -> None:
    keys = {scope: await key_for(guarded, scopes=[scope]) for scope in SCOPES}
    for op in OPS:
        if op.scopes is OPEN or op.path.endswith("/drain"):
            continue
        for scope, api in keys.items():
            answer = await api(op.method, path_of(op), raw=b"x")
            if scope in op.scopes:
                assert answer.status not in (401, 403), (name_of(op), scope, answer.raw)
            else:
                answer.problem(403, "scope")


async def test_the_open_routes_need_no_key(guarded: Api) -> None:
    anybody = guarded.with_key(None)
    assert (await anybody("GET", "/healthz")).status == 200
    assert (await anybody("GET", "/openapi.json")).status == 200
    assert (await anybody("GET", "/docs")).status == 200
    (await anybody("POST", "/v1/callbacks/x", {})).problem(404)


async def test_keys_are_made_listed_and_revoked(guarded: Api) -> None:
    made = await guarded("POST", "/v1/keys", {"scopes": ["execution:read"], "description": "d"})
    assert made.status == 201
    text, number = made.body["key"], made.body["id"]
    assert text.startswith(f"gf_{number}_")
    api = guarded.with_key(text)
    assert (await api("GET", "/v1/executions")).status == 200
    listed = await guarded("GET", "/v1/keys")
    assert number in [key["id"] for key in listed.body["items"]]
    assert text.rpartition("_")[2].encode() not in listed.raw
    assert (await guarded("DELETE", f"/v1/keys/{number}")).status == 204
    (await api("GET", "/v1/executions")).problem(401, "bad_key")
    (await guarded("DELETE", f"/v1/keys/{number}")).problem(404)
    again = await guarded("POST", "/v1/keys", {"scopes": ["task"]}, Idempotency_Key="k")
    again.problem(400)


async def test_a_key_ends_at_its_time(guarded: Api) -> None:
    brief = await key_for(guarded, scopes=["execution:read"], expiresIn=0)
    (await brief("GET", "/v1/executions")).problem(401, "expired_key")


async def test_an_event_may_need_a_role(guarded: Api) -> None:
    ruled = activity("ruled", {"type": "wait", "event": "go"}, events={"go": {"role": "boss"}})
    ruled["transitions"] = ruled["transitions"][:2]
    await guarded.good("POST", "/v1/blueprints", ruled)
    execution = await start(guarded, "ruled")
    path = f"/v1/executions/{execution['id']}/events"
    clerk = await key_for(guarded, scopes=["execution:event"], roles=["clerk"])
    boss = await key_for(guarded, scopes=["execution:event"], roles=["boss"])
    (await clerk("POST", path, {"name": "go"})).problem(403, "role")
    assert (await boss("POST", path, {"name": "go"})).status == 200


async def test_keys_are_good_after_a_restart_and_the_first_one_is_made_once(
    serve: Serve, tmp_path: Path
) -> None:
    file = tmp_path / "admin.key"
    async with serve(host="0.0.0.0", bootstrap_key_file=file):
        key = file.read_text()
    async with serve(host="0.0.0.0", bootstrap_key_file=file) as (_, api):
        assert file.read_text() == key
        assert (await api.with_key(key.strip())("GET", "/v1/keys")).status == 200


# ---------------------------------------------------------------- two projects


async def test_a_project_learns_nothing_of_another(guarded: Api) -> None:
    for project in ("shop", "bank"):
        blueprint = activity("order", {"type": "wait", "event": "go"}, key="${ input.order }")
        await guarded.good("POST", "/v1/blueprints", {**blueprint, "project": project})
    mine = await start(guarded, "order", {"order": "o-1"})
    stranger = await key_for(guarded, project="bank", scopes=list(SCOPES))
    place = f"/v1/executions/{mine['id']}"
    for op in OPS:
        if op.scopes is OPEN or not {"id", "project"} & set(op.names):
            continue
        path = path_of(op).replace(NOBODY, mine["id"])
        body = {"name": "go", "state": "later_on", "from": "busy"}
        theirs = await stranger(
            op.method,
            path,
            raw=b"{}" if op.body is None else None,
            value=None if op.body is None else _fitting(op, body),
        )
        theirs.problem(403 if op.everywhere else 404)
        nothing = await stranger(op.method, path_of(op).replace("shop", "none"), _fitting(op, body))
        assert nothing.status == theirs.status
    assert (await stranger.good("GET", "/v1/executions"))["items"] == []
    assert (await stranger.good("GET", "/v1/executions?project=shop"))["items"] == []
    assert (await stranger.good("GET", f"/v1/executions?q={mine['id']}"))["items"] == []
    assert (await stranger.good("GET", "/v1/blueprints?project=shop"))["items"] == []
    names = [b["project"] for b in (await stranger.good("GET", "/v1/blueprints"))["items"]]
    assert names == ["bank"]
    assert (await stranger.good("GET", "/v1/workers?project=shop"))["items"] == []
    event = {"name": "go", "key": "o-1"}
    (await stranger("POST", "/v1/events", event)).problem(404, "no_match")
    (await stranger("POST", "/v1/events", {**event, "project": "shop"})).problem(404, "no_match")
    upload = activity("order", {"type": "wait", "event": "go"})
    (await stranger("POST", "/v1/blueprints", upload)).problem(404)
    admins = ("nodes", "store", "verify")
    for path in ("/metrics", "/v1/endpoints", *(f"/v1/admin/{name}" for name in admins)):
        (await stranger("GET", path)).problem(403)
    assert [k["project"] for k in (await stranger.good("GET", "/v1/keys"))["items"]] == ["bank"]
    (await stranger("POST", "/v1/keys", {"scopes": ["admin"]})).problem(403)
    assert (await guarded.good("GET", place))["revision"] == mine["revision"], "nothing was done"


def _fitting(op: Op, body: dict[str, Any]) -> Any:
    """Return the fields of *body* that a route takes."""
    if op.body is None:
        return None
    known = {field.alias or name for name, field in op.body.model_fields.items()}
    return {name: value for name, value in body.items() if name in known}


async def test_an_idempotency_key_of_one_project_is_free_in_another(guarded: Api) -> None:
    for project in ("shop", "bank"):
        blueprint = activity("order", {"type": "wait", "event": "go"})
        await guarded.good("POST", "/v1/blueprints", {**blueprint, "project": project})
    event = {"name": "go", "key": "k"}
    for project in ("shop", "bank"):
        api = await key_for(guarded, project=project, scopes=["execution:start", "execution:event"])
        path = f"/v1/activities/{project}/order/executions"
        assert (await api("POST", path, {"key": "k"}, Idempotency_Key="s")).status == 201
        sent = await api("POST", "/v1/events", event, Idempotency_Key="e")
        assert [match["project"] for match in sent.body["matched"]] == [project]


# ---------------------------------------------------------------- other pages


async def test_without_keys_pages_of_other_sites_are_refused(shop: Api) -> None:
    path = "/v1/activities/shop/quick/executions"
    (await shop("POST", path, {}, Origin="https://evil.example")).problem(403, "other_origin")
    (await shop("POST", path, {}, Origin="null")).problem(403, "other_origin")
    (await shop("GET", "/v1/executions", Host="evil.example")).problem(403, "other_host")
    assert (await shop("POST", path, {}, Origin=shop.url)).status == 201
    port = shop.url.rpartition(":")[2]
    assert (await shop("GET", "/v1/executions", Host=f"localhost:{port}")).status == 200
    assert "Access-Control-Allow-Origin" not in (await shop("GET", "/healthz")).headers
