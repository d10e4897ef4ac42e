"""A project with something of its own behind every route."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web

from goflow_py.api.auth import SCOPES
from goflow_py.api.op import Op
from goflow_py.bootstrap import Server
from tests.e2e.conftest import Api, activity, eventually

NOBODY = "0190b0b0-0000-7000-8000-000000000000"
SEED = Path(__file__).resolve().parents[1] / "seeds" / "swm-deliver-pizza.json"
FLEETING = {"nodes", "shards", "meta", "sqlite_sequence"}
"""Tables of the server itself: they change while nobody does anything."""


@dataclass(frozen=True, kw_only=True)
class Guarded:
    """A server that asks for keys."""

    server: Server
    admin: Api
    data: Path

    def dump(self, *, of: str = "") -> list[str]:
        """Return every row that is stored, or those that mention *of*."""
        with closing(sqlite3.connect(f"file:{self.data}?mode=ro", uri=True)) as found:
            named = found.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
            names = sorted(name for (name,) in named if name not in FLEETING)
            rows = [
                f"{name} {row!r}"
                for name in names
                for row in found.execute(f'SELECT * FROM "{name}"')
            ]
        return sorted(row for row in rows if of in row)


@dataclass
class Echo:
    """A worker that says what it was sent, in body, headers and errors."""

    url: str = ""
    calls: list[dict[str, Any]] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.calls.append({**body, "headers": dict(request.headers), "path": request.path_qs})
        match body["action"]:
            case "later":
                return web.json_response({"took": body}, status=202)
            case "refuse":
                return web.json_response({"code": "no", "detail": str(body["input"])}, status=422)
        return web.json_response(body["input"])

    async def token(self, execution: str) -> str:
        """Return the callback token of an execution's call."""

        async def look() -> str | None:
            for call in self.calls:
                if call["executionId"] == execution and call["callbackUrl"]:
                    return str(call["callbackUrl"]).rpartition("/")[2]
            return None

        return str(await eventually(look))

    @classmethod
    @asynccontextmanager
    async def serving(cls) -> AsyncIterator["Echo"]:
        found = cls()
        app = web.Application()
        app.router.add_post("/{tail:.*}", found.handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        found.url = f"http://{host}:{port}"
        yield found
        await runner.cleanup()


@dataclass(frozen=True, kw_only=True)
class Tenant:
    """A project, its key, and its things by the names of path parameters."""

    project: str
    mark: str
    """Stands in every field that the project can set."""
    api: Api
    things: dict[str, str]
    executions: dict[str, str]
    """By activity."""
    claim: str
    """The token of a task that it has claimed."""

    def path(self, op: Op) -> str:
        """Return a route's path with this project's things."""
        return path_of(op, self.things)


NOTHING = {
    "project": "nowhere",
    "activity": "order",
    "version": "1",
    "id": NOBODY,
    "alias": "nowhere",
    "batch": NOBODY,
    "key": "0123456789abcdef",
    "task": "W10",
    "token": "nowhere",
}
"""Things that nobody has."""


def path_of(op: Op, things: dict[str, str]) -> str:
    """Return a route's path with *things* in it."""
    path = op.path
    for name in op.names:
        path = path.replace(f"{{{name}}}", things.get(name, "x"))
    return path


def name_of(op: Op) -> str:
    return f"{op.method} {op.path}"


def body_of(op: Op, token: str = "nowhere", project: str = "nowhere") -> Any:
    """Return a body that a route takes; None when it takes none."""
    if not op.takes_body:
        return None
    bodies: dict[str, Any] = {
        "/executions": {"input": {"order": "o"}},
        "/events": {"name": "go", "key": "nobody's"},
        "/blueprints": activity("extra", {"type": "wait", "event": "go"}),
        "/workers": {"workers": []},
        "/{alias}": {"url": "http://127.0.0.1:1/x"},
        "/batches": {"action": "pause", "ids": [NOBODY]},
        "/keys": {"scopes": ["task"], "project": project},
        "/data": {"a": 1},
        ":goto": {"state": "later_on"},
        ":replay": {"from": "busy"},
        ":fork": {"at": 0},
        ":poll": {"queues": ["nobodys"], "worker": "w"},
        ":claim": {"worker": "w"},
        ":complete": {"token": token},
        ":fail": {"token": token, "code": "c", "message": "m"},
        ":heartbeat": {"token": token},
        ":release": {"token": token},
    }
    if op.path == "/v1/executions/{id}/events":
        return {"name": "go"}
    found = [body for end, body in bodies.items() if op.path.endswith(end)]
    return found[0] if found else {}


# ---------------------------------------------------------------- settling


def documents(project: str, mark: str, echo: Echo) -> list[dict[str, Any]]:
    """Return blueprints of every kind of work, with *mark* wherever it may stand."""
    order = activity("order", {"type": "wait", "event": "go"}, key="${ input.order }")
    found = [
        {**order, "events": {"go": {"description": mark}}},
        activity("quick", {"name": "echo"}),
        activity("refused", {"name": "refuse"}),
        activity("handed", {"name": "later", "type": "async"}),
        activity("pack", {"type": "pull", "queue": "depot", "lease": 600}),
        activity("approval", {"type": "human", "queue": "desk", "assignedTo": mark}),
        activity("family", {"type": "activity", "activity": "order"}),
    ]
    for one in found:
        one |= {"project": project, "description": mark, "data": {"hidden": mark}}
        one["actions"][0]["meta"] = {"of": mark}
        if "events" in one:
            one["transitions"] = one["transitions"][:2]
        for worker in one["workers"]:
            worker |= {"workerEndpoint": f"{echo.url}/{mark}", "headers": {"X-Mark": mark}}
    return found


async def settle(guarded: Guarded, project: str, mark: str, echo: Echo) -> Tenant:
    """Make a project that has everything."""
    admin = guarded.admin
    made = await admin.good(
        "POST", "/v1/keys", {"project": project, "scopes": list(SCOPES), "description": mark}
    )
    api = admin.with_key(made["key"])
    made_of = documents(project, mark, echo)
    for document in [{**made_of[0], "description": f"{mark}, the first version"}, *made_of]:
        await api.good("POST", "/v1/blueprints", document)
    pizza = orjson.loads(SEED.read_bytes())
    pizza["component_name"] = project
    answer = await api("POST", "/v1/blueprints?format=swm", pizza)
    assert answer.status == 201, answer.raw
    executions = {
        name: await start(api, project, name, mark, number)
        for number, name in enumerate(
            ("order", "quick", "refused", "handed", "pack", "approval", "family")
        )
    }
    swm = {"event_name": "StartWorkflow", "business_ref_no": mark, "component_name": project}
    pizzas = await api.good("POST", "/v1/events", {**swm, "note": mark})
    executions["pizza"] = pizzas["matched"][0]["id"]
    await api.until(executions["refused"], "failed")
    await api.until(executions["quick"], "completed")
    claim = await _leave_traces(api, executions, mark)
    await start(api, project, "pack", mark, 9)  # and this one stays on its queue
    batch = await api.good(
        "POST",
        "/v1/batches",
        {"action": "data", "ids": [executions["order"]], "reason": mark, "arguments": {"b": mark}},
    )

    async def done() -> bool:
        # As it is stored: nothing is written any more.
        found = await guarded.server.orchestrator.store.batch(batch["id"])
        return found is not None and found.status == "done"

    await eventually(done)
    return Tenant(
        project=project,
        mark=mark,
        api=api,
        things={
            "project": project,
            "activity": "order",
            "version": "2",
            "id": executions["order"],
            "alias": "there",
            "batch": batch["id"],
            "key": made["id"],
            "task": claim["id"],
            "token": await echo.token(executions["handed"]),
        },
        executions=executions,
        claim=claim["token"],
    )


async def start(api: Api, project: str, name: str, mark: str, number: int) -> str:
    """Start an execution whose every field has the mark."""
    answer = await api.good(
        "POST",
        f"/v1/activities/{project}/{name}/executions",
        {
            "input": {"order": f"{mark}-{number}", "text": mark},
            "key": f"{mark}-key-{number}",
            "labels": {"of": mark},
        },
        Idempotency_Key=f"{mark}-once-{number}",
    )
    return str(answer["id"])


async def _leave_traces(api: Api, executions: dict[str, str], mark: str) -> dict[str, Any]:
    """Store an event for later, change data, claim a task; return the claim."""
    early = {"name": "go", "key": f"{mark}-early", "data": {"of": mark}, "ttl": "1h"}
    answer = await api("POST", "/v1/events", early)
    assert answer.status == 202, answer.raw
    place = f"/v1/executions/{executions['order']}"
    await api.good("PATCH", f"{place}/data", {"changed": mark})
    await api.good("POST", f"/v1/executions/{executions['family']}:pause", {"reason": mark})

    async def claimed() -> Any:
        found = await api.good(
            "POST", "/v1/tasks:poll", {"queues": ["depot"], "worker": mark, "wait": 1}
        )
        return found["tasks"]

    claim: dict[str, Any] = (await eventually(claimed))[0]
    return claim
