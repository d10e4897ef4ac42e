"""Every route has a scope, and every kind of wrong key is refused before anything happens."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from goflow_py.api import auth
from goflow_py.api.app import OPS, PAGES, create_app
from goflow_py.api.auth import OPEN, SCOPES
from goflow_py.api.op import Op
from goflow_py.api.openapi import document
from tests.e2e.conftest import Api, Serve
from tests.safety.tenants import Guarded, Tenant, body_of, name_of, path_of

pytestmark = pytest.mark.e2e

CLOSED = [op for op in OPS if op.scopes is not OPEN]
DRAIN = "/v1/admin/drain"
"""Works; and then nothing else does."""

MALFORMED = (
    "",
    "Bearer",
    "Bearer ",
    "Bearer gf_",
    "Bearer gf__",
    "Bearer gf_{id}_",
    "Bearer gf_{id}",
    "Bearer {secret}",
    "Bearer gf_{id}_{secret} x",
    "Bearer gf_{id}_{secret},Bearer gf_{id}_{secret}",
    "Bearer gf_{id}_{SECRET}",
    "Bearer GF_{id}_{secret}",
    "Basic gf_{id}_{secret}",
    "gf_{id}_{secret}",
    "Bearer gf_{id}_{hash}",
    "Bearer gf_../{id}_{secret}",
    "Bearer gf_{id}_{secret}\xe9",
)
"""What is no key, though it is made of a right one."""


def malformed(key: str) -> list[str]:
    _, number, secret = key.split("_")
    parts = {"id": number, "secret": secret, "SECRET": secret.upper(), "hash": "0" * 64}
    return [text.format(**parts) for text in MALFORMED]


# ---------------------------------------------------------------- declarations


async def test_the_router_serves_what_is_declared_and_nothing_else(guarded: Guarded) -> None:
    served = list(create_app(guarded.server.door).routes)
    pages = [("GET", page) for page in PAGES]
    assert sorted(served) == sorted([*((op.method, op.path) for op in OPS), *pages])


@pytest.mark.parametrize("op", OPS, ids=name_of)
def test_the_document_says_which_scope_a_route_needs(op: Op) -> None:
    said = document(OPS)["paths"][op.path][op.method.lower()]
    assert said.get("x-scopes", []) == ([] if op.scopes is OPEN else list(op.scopes))
    if op.scopes is not OPEN:
        assert set(op.scopes) <= set(SCOPES)
        assert {"401", "403", "429"} <= set(said["responses"])


def test_the_open_routes_are_these() -> None:
    assert {op.path for op in OPS if op.scopes is OPEN} == {
        "/healthz",
        "/readyz",
        "/version",
        "/v1/schemas/blueprint.json",
        "/v1/callbacks/{token}",
        "/v1/callbacks/{token}/heartbeat",
    }


def test_what_all_projects_share_needs_a_key_of_all_projects() -> None:
    shared = ("/metrics", "/v1/admin/", "/v1/endpoints")
    assert [name_of(op) for op in CLOSED if op.path.startswith(shared) and not op.everywhere] == []


# ---------------------------------------------------------------- the matrix


async def asked(api: Api, op: Op, things: Mapping[str, str], **headers: str) -> Any:
    body = body_of(op, project=things["project"])
    return await api(op.method, path_of(op, dict(things)), body, raw=None, **headers)


async def test_without_a_right_key_every_route_answers_401_and_does_nothing(
    guarded: Guarded, anna: Tenant, stranger: Api
) -> None:
    expired = await guarded.admin.good("POST", "/v1/keys", {"scopes": list(SCOPES), "expiresIn": 0})
    revoked = await guarded.admin.good("POST", "/v1/keys", {"scopes": list(SCOPES)})
    await guarded.admin.good("DELETE", f"/v1/keys/{revoked['id']}")
    before = guarded.dump()
    for op in CLOSED:
        (await asked(stranger, op, anna.things)).problem(401, "no_key")
        for key, code in (
            (f"gf_{'0' * 16}_{'a' * 39}", "bad_key"),
            (revoked["key"], "bad_key"),
            (expired["key"], "expired_key"),
        ):
            answer = await asked(stranger.with_key(key), op, anna.things)
            answer.problem(401, code)
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    for header in malformed(str(guarded.admin.key)):
        for op in CLOSED[::8]:
            answer = await asked(stranger, op, anna.things, Authorization=header)
            answer.problem(401, "bad_key")
    assert guarded.dump() == before


async def test_a_key_without_the_scope_gets_403_and_does_nothing(
    guarded: Guarded, anna: Tenant
) -> None:
    keys = {
        scope: anna.api.with_key(
            (await anna.api.good("POST", "/v1/keys", {"project": anna.project, "scopes": [scope]}))[
                "key"
            ]
        )
        for scope in SCOPES
    }
    before = guarded.dump()
    for op in CLOSED:
        for scope, api in keys.items():
            if scope not in op.scopes:
                (await asked(api, op, anna.things)).problem(403, "scope")
    assert guarded.dump() == before


async def test_a_key_of_one_project_is_refused_what_all_projects_share(
    guarded: Guarded, anna: Tenant
) -> None:
    before = guarded.dump()
    for op in CLOSED:
        if op.everywhere:
            (await asked(anna.api, op, anna.things)).problem(403, "scope")
    assert guarded.dump() == before


async def test_a_right_key_is_let_in_everywhere(guarded: Guarded, anna: Tenant) -> None:
    last = ("DELETE", "PATCH", "PUT")
    for op in sorted(CLOSED, key=lambda op: (op.method in last, op.path == "/v1/keys/{key}")):
        if op.path == DRAIN:
            continue
        api = guarded.admin if op.everywhere else anna.api
        answer = await asked(api, op, anna.things)
        # A verb may make no sense now, and the blueprint of the sample is of another project.
        assert answer.status not in (401, 403, 429), (name_of(op), answer.raw)
        assert answer.status < 500, (name_of(op), answer.raw)
        if {"id", "project", "batch", "key"} & set(op.names) and op.method == "GET":
            assert answer.status in (200, 409), (name_of(op), answer.raw)


# ---------------------------------------------------------------- keys


async def test_a_key_is_shown_once_and_kept_as_a_hash(guarded: Guarded) -> None:
    made = await guarded.admin("POST", "/v1/keys", {"scopes": ["task"]})
    secret = made.body["key"].rpartition("_")[2]
    assert len(secret) >= 32
    listed = await guarded.admin("GET", "/v1/keys")
    assert secret.encode() not in listed.raw
    [row] = [row for row in guarded.dump() if made.body["id"] in row]
    assert secret not in row
    assert secret not in repr(guarded.server.door.access)


async def test_a_key_is_rotated_without_a_gap(anna: Tenant) -> None:
    order = f"/v1/executions/{anna.things['id']}"
    new = await anna.api.good("POST", "/v1/keys", {"project": anna.project, "scopes": ["admin"]})
    assert (await anna.api("GET", order)).status == 200, "both are good"
    rotated = anna.api.with_key(new["key"])
    assert (await rotated.good("GET", "/v1/keys"))["items"]
    await rotated.good("DELETE", f"/v1/keys/{anna.things['key']}")
    (await anna.api("GET", order)).problem(401, "bad_key")


async def test_a_projects_administrator_makes_keys_of_the_project_alone(anna: Tenant) -> None:
    for project in (None, "berts"):
        body = {"scopes": ["task"], **({} if project is None else {"project": project})}
        (await anna.api("POST", "/v1/keys", body)).problem(403, "scope")


# ---------------------------------------------------------------- guessing


async def test_the_eleventh_wrong_key_of_a_minute_gets_429(guarded: Guarded, stranger: Api) -> None:
    guarded.server.door.access.refusals.failures_max = 10
    guess = stranger.with_key(f"gf_{'0' * 16}_{'a' * 39}")
    for _ in range(10):
        (await guess("GET", "/v1/executions")).problem(401, "bad_key")
    refused = await guess("GET", "/v1/executions")
    refused.problem(429, "too_many_failures")
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert (await guess("GET", "/healthz")).status == 200


async def test_a_right_key_is_never_429_whatever_others_did_from_there(
    guarded: Guarded, stranger: Api
) -> None:
    guarded.server.door.access.refusals.failures_max = 10
    known = await guarded.admin.good("POST", "/v1/keys", {"scopes": ["execution:read"]})
    id_of_it = known["key"].split("_")[1]
    guess = stranger
    for number in range(30):
        guess = stranger.with_key(f"gf_{id_of_it}_{number:039}")
        assert (await guess("GET", "/v1/executions")).status == (401 if number < 10 else 429)
    right = stranger.with_key(known["key"])
    assert (await right("GET", "/v1/executions")).status == 200, "it comes for the first time"
    (await guess("GET", "/v1/executions")).problem(429, "too_many_failures")
    assert (await right("GET", "/v1/executions")).status == 200


async def test_a_project_has_so_many_keys_and_no_more(
    guarded: Guarded, anna: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = guarded.server.door.access.keys.values()
    mine = sum(key.project == "annas" for key in known)
    monkeypatch.setattr(auth, "KEYS_MAX", mine + 3)
    body = {"scopes": ["task"], "project": "annas"}
    made = await asyncio.gather(*(guarded.admin("POST", "/v1/keys", body) for _ in range(8)))
    assert sorted(one.status for one in made) == [201] * 3 + [409] * 5
    (await guarded.admin("POST", "/v1/keys", body)).problem(409, "too_many_keys")
    await guarded.admin.good("POST", "/v1/keys", {**body, "project": "berts"})
    [gone] = [one for one in made if one.status == 201][:1]
    assert (await guarded.admin("DELETE", f"/v1/keys/{gone.body['id']}")).status == 204
    await guarded.admin.good("POST", "/v1/keys", body)


async def test_without_keys_nothing_is_counted(serve: Serve) -> None:
    async with serve() as (server, api):
        for _ in range(20):
            assert (await api.with_key("nonsense")("GET", "/v1/executions")).status == 200
        assert "_failures=OrderedDict()" in repr(server.door.access.refusals)
