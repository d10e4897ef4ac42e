"""G17: with the key of one project, nothing of another can be read, changed, counted or guessed.

Every route is walked: those whose path names a thing by comparing the answer for another project's
thing with that for a thing that nobody has; all others by a walk of their own, listed here. A new
route without a walk fails a test.
"""

import base64
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import pytest

from goflow_py.api.app import OPS
from goflow_py.api.auth import OPEN, SCOPES
from goflow_py.api.op import Op
from tests.e2e.conftest import Answer, Api, activity, eventually
from tests.safety.tenants import (
    NOTHING,
    Guarded,
    Tenant,
    body_of,
    name_of,
    path_of,
)

pytestmark = pytest.mark.e2e

OWNED = {"project", "id", "batch", "key", "task"}
"""Path parameters of things that a project has."""
WALKED = [op for op in OPS if op.scopes is not OPEN and not op.everywhere]
NAMED = [op for op in WALKED if OWNED & set(op.names)]


# ---------------------------------------------------------------- things that a path names


async def test_anothers_thing_is_answered_like_one_that_nobody_has(
    guarded: Guarded, anna: Tenant, bert: Tenant
) -> None:
    before = guarded.dump(of=bert.mark)
    assert len(before) > 50, "there is something to see"
    for op in NAMED:
        body = body_of(op, bert.claim)
        theirs = await anna.api(op.method, bert.path(op), body)
        nobodys = await anna.api(op.method, path_of(op, NOTHING), body)
        theirs.problem(404)
        assert _plain(theirs, bert.things) == _plain(nobodys, NOTHING), name_of(op)
        assert bert.mark.encode() not in theirs.raw
    assert guarded.dump(of=bert.mark) == before


async def test_all_of_anothers_executions_are_hidden(
    guarded: Guarded, anna: Tenant, bert: Tenant
) -> None:
    reads = [op for op in NAMED if op.method == "GET" and "id" in op.names]
    before = guarded.dump(of=bert.mark)
    for execution in bert.executions.values():
        for op in reads:
            for number in (execution, execution.upper()):
                things = {**bert.things, "id": number}
                answer = await anna.api("GET", path_of(op, things))
                nobodys = await anna.api("GET", path_of(op, NOTHING))
                assert _plain(answer, things) == _plain(nobodys, NOTHING)
    assert guarded.dump(of=bert.mark) == before


def _plain(answer: Answer, things: dict[str, str]) -> tuple[int, str]:
    """Return an answer without the names of the things that were asked for."""
    text = answer.raw.decode()
    for name in OWNED:
        text = text.replace(things[name], "X").replace(things[name].lower(), "X")
    return answer.status, text


async def test_all_of_anothers_tasks_are_hidden(anna: Tenant, bert: Tenant) -> None:
    tasks = await bert.api.good("GET", "/v1/tasks")
    assert len(tasks["items"]) >= 3
    for task in tasks["items"]:
        for op in [op for op in NAMED if "task" in op.names]:
            path = path_of(op, {"task": task["id"]})
            (await anna.api(op.method, path, body_of(op, bert.claim))).problem(404)


# ---------------------------------------------------------------- all other routes

Walk = Callable[[Tenant, Tenant], Awaitable[list[Answer]]]


async def lists(anna: Tenant, path: str, *queries: str) -> list[Answer]:
    return [await anna.api("GET", f"{path}?{query}" if query else path) for query in ("", *queries)]


async def walk_blueprints(anna: Tenant, bert: Tenant) -> list[Answer]:
    found = await lists(anna, "/v1/blueprints", f"project={bert.project}", "limit=1")
    assert found[1].body["items"] == []
    return found


async def walk_upload(anna: Tenant, bert: Tenant) -> list[Answer]:
    """Nobody uploads into another project, or refers to what is in it."""
    answers = []
    for query in ("", "?dryRun=1", "?strict=1", f"?format=swm&project={bert.project}"):
        document = {**activity("order", {"type": "wait", "event": "go"}), "project": bert.project}
        nobodys = {**document, "project": "nowhere"}
        theirs = await anna.api("POST", f"/v1/blueprints{query}", document)
        other = await anna.api("POST", f"/v1/blueprints{query}", nobodys)
        assert theirs.status == other.status >= 400
        assert theirs.raw.replace(bert.project.encode(), b"nowhere") == other.raw
        answers.append(theirs)
    child = activity("child", {"type": "activity", "activity": "berts_own"})
    await bert.api.good(
        "POST",
        "/v1/blueprints",
        {
            **activity("berts_own", {"type": "wait", "event": "go"}),
            "project": bert.project,
            "description": bert.mark,
        },
    )
    sent = await anna.api("POST", "/v1/blueprints", {**child, "project": anna.project})
    assert "unknown_activity" in {one["code"] for one in sent.body["findings"]}
    return [*answers, sent]


async def walk_executions(anna: Tenant, bert: Tenant) -> list[Answer]:
    found = await lists(
        anna,
        "/v1/executions",
        f"project={bert.project}",
        f"key={bert.mark}-key-0",
        f"q={bert.mark}",
        f"q={bert.things['id']}",
        f"label.of={bert.mark}",
        "activity=order&status=waiting,failed,completed,running,paused,cancelled",
        "state=busy",
    )
    for answer in found[1:6]:
        assert answer.body["items"] == []
    cursor = (await bert.api.good("GET", "/v1/executions?limit=1"))["next"]
    (await anna.api("GET", f"/v1/executions?cursor={cursor}&limit=500")).problem(400)
    return found


async def walk_stream(anna: Tenant, bert: Tenant) -> list[Answer]:
    """A stream begins now; another's cursor is none."""
    cursor = _last(await bert.api("GET", "/v1/stream"))
    foreign = await anna.api("GET", "/v1/stream", Last_Event_ID=cursor)
    assert b'data: {"reason":"too_old"}' in foreign.raw
    found = await lists(anna, "/v1/stream", f"project={bert.project}", f"key={bert.mark}-key-0")
    return [
        Answer(one.status, one.headers, orjson.dumps({"events": one.raw.decode()}))
        for one in (foreign, *found)
    ]


def _last(answer: Answer) -> str:
    """Return the id of the last event."""
    return answer.raw.rpartition(b"id: ")[2].partition(b"\n")[0].decode()


async def walk_events(anna: Tenant, bert: Tenant) -> list[Answer]:
    answers = []
    swm = {"component_name": bert.project, "business_ref_no": bert.mark}
    for event in (
        {"name": "go", "key": f"{bert.mark}-key-0"},
        {"name": "go", "key": f"{bert.mark}-key-0", "project": bert.project},
        {"name": "go", "key": f"{bert.mark}-key-0", "activity": "order"},
        {"name": "go", "key": f"{bert.mark}-early"},
        {**swm, "event_name": "StartWorkflow"},
        {**swm, "event_name": "TaskCompleted", "stage_name": "Order Placed", "task_name": "x"},
        {**swm, "event_name": "TaskPending", "stage_name": "Order Placed", "task_name": "x"},
    ):
        answer = await anna.api("POST", "/v1/events", event)
        nobodys = {
            name: value.replace(bert.mark, "nowhere").replace(bert.project, "nowhere")
            for name, value in event.items()
        }
        other = await anna.api("POST", "/v1/events", nobodys)
        answer.problem(404)
        marks = ((bert.mark, "nowhere"), (bert.project, "nowhere"))
        text = answer.raw.decode()
        for mark, plain in marks:
            text = text.replace(mark, plain)
        assert text == other.raw.decode()
        # What it says back is what it was told.
        answers.append(Answer(answer.status, answer.headers, text.encode()))
    stored = {"name": "go", "key": f"{bert.mark}-key-0", "ttl": "1h"}
    kept = await anna.api("POST", "/v1/events", stored)
    assert kept.body["matched"] == [], "it waits for an execution of the sender's own"
    once = {"name": "go", "key": f"{bert.mark}-key-0"}
    again = await anna.api("POST", "/v1/events", once, Idempotency_Key=f"{bert.mark}-once-0")
    again.problem(404, "no_match")
    return [*answers, kept]


async def walk_batches(anna: Tenant, bert: Tenant) -> list[Answer]:
    """Batches reach nobody else's executions, by filter or by id."""
    foreign = {"action": "terminate", "filter": {"project": bert.project}}
    answers = [await anna.api("POST", "/v1/batches", foreign)]
    answers[0].problem(404)
    dry = {"action": "terminate", "filter": {"key": f"{bert.mark}-key-0"}, "dryRun": True}
    answers.append(await anna.api("POST", "/v1/batches", dry))
    assert answers[-1].body == {"dryRun": True, "total": 0, "ids": []}
    for action in ("terminate", "delete"):
        ids = [*bert.executions.values(), NOTHING["id"]]
        made = await anna.api.good("POST", "/v1/batches", {"action": action, "ids": ids})

        async def done(path: str = f"/v1/batches/{made['id']}") -> Answer | None:
            answer = await anna.api("GET", path)
            return answer if answer.body["status"] == "done" else None

        ended = await eventually(done)
        assert (ended.body["changed"], ended.body["failed"]) == (0, len(ids))
        said = {
            one["code"] + one["message"].replace(one["execution"], "")
            for one in ended.body["errors"]
        }
        assert len(said) == 1, "another's is like nobody's"
        answers.append(ended)
    return answers


async def walk_list_of_batches(anna: Tenant, bert: Tenant) -> list[Answer]:
    cursor = (await bert.api.good("GET", "/v1/batches?limit=1"))["next"]
    queries = [f"cursor={cursor}"] if cursor else []
    return await lists(anna, "/v1/batches", *queries)


async def walk_polls(anna: Tenant, bert: Tenant) -> list[Answer]:
    """Queues of one name are two: the other project's work is not handed out."""
    body = {"queues": ["depot", "desk"], "worker": "w", "max": 100}
    found = await anna.api("POST", "/v1/tasks:poll", body)
    assert [task["payload"]["project"] for task in found.body["tasks"]] == [anna.project]
    return [found]


async def walk_tasks(anna: Tenant, bert: Tenant) -> list[Answer]:
    found = await lists(
        anna, "/v1/tasks", f"project={bert.project}", f"assignedTo={bert.mark}", "queue=depot"
    )
    assert found[1].body["items"] == found[2].body["items"] == []
    return found


async def walk_workers(anna: Tenant, bert: Tenant) -> list[Answer]:
    found = await lists(anna, "/v1/workers", f"project={bert.project}")
    assert found[1].body["items"] == []
    return found


async def walk_keys(anna: Tenant, bert: Tenant) -> list[Answer]:
    return await lists(anna, "/v1/keys")


async def walk_new_keys(anna: Tenant, bert: Tenant) -> list[Answer]:
    for project in (bert.project, "nowhere", None):
        body: dict[str, Any] = {"scopes": ["task"]}
        if project is not None:
            body["project"] = project
        (await anna.api("POST", "/v1/keys", body)).problem(403, "scope")
    return []


async def walk_projects(anna: Tenant, bert: Tenant) -> list[Answer]:
    found = await anna.api("GET", "/v1/projects")
    assert [one["project"] for one in found.body["items"]] == [anna.project]
    return [found]


async def walk_stats(anna: Tenant, bert: Tenant) -> list[Answer]:
    mine = await anna.api("GET", "/v1/stats")
    named = await anna.api("GET", f"/v1/stats?project={anna.project}")
    listed = (await anna.api("GET", "/v1/executions?limit=500")).body["items"]
    assert mine.body["started"] == named.body["started"] == len(listed) > 0
    theirs = await anna.api("GET", f"/v1/stats?project={bert.project}")
    nobodys = await anna.api("GET", "/v1/stats?project=nowhere")
    for answer in (theirs, nobodys):
        assert (answer.body["started"], answer.body["looked"]["executions"]) == (0, 0)
    return [mine, named]


WALKS: dict[str, Walk] = {
    "GET /v1/blueprints": walk_blueprints,
    "POST /v1/blueprints": walk_upload,
    "GET /v1/executions": walk_executions,
    "GET /v1/stream": walk_stream,
    "POST /v1/events": walk_events,
    "POST /v1/batches": walk_batches,
    "GET /v1/batches": walk_list_of_batches,
    "POST /v1/tasks:poll": walk_polls,
    "GET /v1/tasks": walk_tasks,
    "GET /v1/workers": walk_workers,
    "GET /v1/keys": walk_keys,
    "GET /v1/projects": walk_projects,
    "GET /v1/stats": walk_stats,
    "POST /v1/keys": walk_new_keys,
}


@pytest.mark.parametrize("op", WALKED, ids=name_of)
def test_every_route_is_walked(op: Op) -> None:
    assert OWNED & set(op.names) or name_of(op) in WALKS, "add a walk: what could it show?"


@pytest.mark.parametrize("name", WALKS)
async def test_a_list_or_a_search_shows_nothing_of_another(
    guarded: Guarded, anna: Tenant, bert: Tenant, name: str
) -> None:
    before = guarded.dump(of=bert.mark)
    answers = await WALKS[name](anna, bert)
    for answer in answers:
        assert answer.status < 500
        for secret in (bert.mark, *bert.executions.values(), bert.things["key"]):
            if answer.status < 400 and "errors" not in answer.body:
                assert secret.encode() not in answer.raw, (name, secret)
    ours = [row for row in guarded.dump(of=bert.mark) if anna.project not in row]
    added = set(ours) - set(before)
    assert set(before) <= set(ours), "nothing of theirs was changed"
    assert all("berts_own" in row for row in added)


async def test_a_stream_shows_ones_own_and_says_nothing_of_what_others_delete(
    anna: Tenant, bert: Tenant
) -> None:
    cursors = {
        tenant.project: _last(await tenant.api("GET", "/v1/stream")) for tenant in (anna, bert)
    }
    last = ""
    for number, tenant in enumerate((bert, anna, bert)):
        path = f"/v1/activities/{tenant.project}/order/executions"
        made = await tenant.api.good("POST", path, {"input": {"order": f"{tenant.mark}-{number}"}})
        await tenant.api.good("POST", f"/v1/executions/{made['id']}:terminate")
        last = made["id"]
    await bert.api.good("DELETE", f"/v1/executions/{last}")
    for query, shows in (
        ("", True),
        ("?activity=order", True),
        (f"?project={anna.project}", True),
        (f"?project={bert.project}", False),
        ("?project=nowhere", False),
    ):
        found = await anna.api("GET", f"/v1/stream{query}", Last_Event_ID=cursors[anna.project])
        assert (anna.mark.encode() in found.raw) is shows
        assert bert.mark.encode() not in found.raw
        assert bert.project.encode() not in found.raw
        assert b"event: reset" not in found.raw
    theirs = await bert.api("GET", "/v1/stream", Last_Event_ID=cursors[bert.project])
    assert b"event: reset" in theirs.raw


async def test_the_open_routes_show_nothing_of_anybody(
    bert: Tenant, stranger: Api, guarded: Guarded
) -> None:
    for path in ("/", "/docs", "/openapi.json", "/healthz", "/readyz", "/version", "/nowhere"):
        answer = await stranger("GET", path)
        for secret in (bert.mark, bert.project, str(guarded.data.parent)):
            assert secret.encode() not in answer.raw


async def test_metrics_and_the_store_are_for_keys_of_all_projects(
    guarded: Guarded, anna: Tenant, bert: Tenant, stranger: Api
) -> None:
    admins = ("nodes", "store", "verify")
    for path in ("/metrics", "/v1/endpoints", *(f"/v1/admin/{name}" for name in admins)):
        (await stranger("GET", path)).problem(401, "no_key")
        (await anna.api("GET", path)).problem(403, "scope")
    assert bert.project.encode() in (await guarded.admin("GET", "/metrics")).raw


# ---------------------------------------------------------------- from within


async def test_an_execution_reaches_no_other_projects_by_emit_or_as_a_child(
    guarded: Guarded, anna: Tenant, bert: Tenant
) -> None:
    before = guarded.dump(of=bert.mark)
    work = {"type": "emit", "event": "go"}
    by_id = activity("by_id", {**work, "execution": "${ input.whom }"})
    by_key = activity("by_key", {**work, "key": "${ input.whom }"})
    child = activity("child", {"type": "activity", "activity": "berts_own"})
    await bert.api.good(
        "POST",
        "/v1/blueprints",
        {**activity("berts_own", {"type": "wait", "event": "go"}), "project": bert.project},
    )
    targets = {"by_id": bert.things["id"], "by_key": f"{bert.mark}-key-0", "child": "x"}
    for document in (by_id, by_key, child):
        name = document["activity"]
        document |= {"project": anna.project}
        document["transitions"] = document["transitions"][:1] + document["transitions"][3:]
        await anna.api.good("POST", "/v1/blueprints", document)
        path = f"/v1/activities/{anna.project}/{name}/executions"
        run = await anna.api.good("POST", path, {"input": {"whom": targets[name]}})
        ended = await anna.api.until(run["id"], "failed", "completed")
        assert ended["status"] == "failed", ended
        assert ended["error"]["code"] in ("no_match", "not_found"), ended["error"]
    assert [row for row in before if row not in guarded.dump(of=bert.mark)] == []


async def test_calls_of_another_project_to_the_same_worker_are_not_counted(
    guarded: Guarded, anna: Tenant, bert: Tenant
) -> None:
    """The same action at the same address: what it shows is the project's own."""
    hidden = [w for w in (await bert.api.good("GET", "/v1/workers"))["items"] if w["calls"]]
    assert hidden
    spy = activity("spy", {"name": "echo"})
    spy["workers"][0]["workerEndpoint"] = hidden[0]["endpoint"]
    await anna.api.good("POST", "/v1/blueprints", {**spy, "project": anna.project})
    seen = (await anna.api.good("GET", "/v1/workers"))["items"]
    [mine] = [w for w in seen if w["activity"] == "spy"]
    assert (mine["calls"], mine["errors"], mine["health"]) == (0, 0, "unknown")
    assert (mine["recentAttempts"], mine["inFlight"]) == (0, 0)
    assert (mine["lastSeenAt"], mine["lastError"]) == (None, None)


async def test_cursors_do_not_count_what_others_do(anna: Tenant, bert: Tenant) -> None:
    async def cursor(api: Api) -> str:
        return str((await api.good("GET", "/v1/executions?limit=1"))["next"])

    mine = await cursor(anna.api)
    assert await cursor(anna.api) == mine
    raw = base64.urlsafe_b64decode(mine + "=" * (-len(mine) % 4))
    assert not any(isinstance(part, int) for part in _numbers(raw)), "no place in a table"
    seen, answer = [], await anna.api("GET", "/v1/executions?limit=3")
    while answer.body["next"] is not None:
        seen += answer.body["items"]
        answer = await anna.api("GET", f"/v1/executions?limit=3&cursor={answer.body['next']}")
    seen += answer.body["items"]
    listed = (await anna.api.good("GET", "/v1/executions?limit=500"))["items"]
    assert [one["id"] for one in seen] == [one["id"] for one in listed]
    for other in (await cursor(bert.api), mine[:-2] + "AA", mine[2:], "AAAA", "A"):
        (await anna.api("GET", f"/v1/executions?cursor={other}")).problem(400)


def _numbers(raw: bytes) -> list[Any]:
    try:
        found = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return []
    return found if isinstance(found, list) else [found]


async def test_a_role_or_a_scope_is_no_way_into_another_project(
    guarded: Guarded, anna: Tenant, bert: Tenant
) -> None:
    body = {"project": anna.project, "scopes": list(SCOPES), "roles": ["boss", "admin"]}
    strong = anna.api.with_key((await anna.api.good("POST", "/v1/keys", body))["key"])
    (await strong("GET", f"/v1/executions/{bert.things['id']}")).problem(404)
    (await strong("POST", f"/v1/executions/{bert.things['id']}:terminate", {})).problem(404)
