"""G17 as a property: whatever two projects do by turns, with any ids, neither sees the other."""

import asyncio
import os
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from goflow_py.api.auth import SCOPES, new_key
from goflow_py.bootstrap import running
from goflow_py.config import Settings
from tests.e2e.conftest import Answer, Api, activity

pytestmark = pytest.mark.e2e

EXAMPLES = int(os.environ.get("GOFLOW_ISOLATION_EXAMPLES", "20"))
MARKS = ("mark-of-one-71", "mark-of-two-93")
PROJECTS = ("one", "two")


@dataclass
class Side:
    """A project, and what it has made."""

    number: int
    api: Api
    key: str
    claims: list[tuple[str, str]] = field(default_factory=list)
    """Tasks with their tokens."""

    @property
    def project(self) -> str:
        return PROJECTS[self.number]

    @property
    def mark(self) -> str:
        return MARKS[self.number]


@dataclass
class Game:
    """Two sides, and all ids that there are: each side knows those of the other."""

    sides: tuple[Side, Side]
    admin: Api
    executions: list[tuple[int, str]] = field(default_factory=list)
    batches: list[str] = field(default_factory=list)

    async def move(self, who: int, what: str, pick: int) -> None:
        side = self.sides[who]
        owner, execution = self.executions[pick % len(self.executions)]
        answer = await self._do(side, what, pick, execution)
        hidden = MARKS[1 - who]
        assert answer.status < 500, answer.raw
        assert hidden.encode() not in answer.raw, (what, answer.raw)
        if "/{id}" in what and owner != who:
            answer.problem(404)
        if what == "start" and answer.status == 201:
            self.executions.append((who, answer.body["id"]))
        if what == "poll":
            side.claims += [(task["id"], task["token"]) for task in answer.body["tasks"]]
        if what.startswith("batch ") and answer.status == 202:
            self.batches.append(answer.body["id"])

    async def _do(self, side: Side, what: str, pick: int, execution: str) -> Answer:
        method, _, path = what.partition(" ")
        once = {}
        if path.startswith("/"):
            body = None if method in ("GET", "DELETE") else _body_of(path, side.mark, pick)
            path = path.replace("{id}", execution)
        else:
            path, body = self._requests(side, pick)[what]
            method = "GET" if body is None else "POST"
        if what in ("start", "event"):
            once = {"Idempotency-Key": f"{what}-{pick % 7}"}
        return await side.api(method, path, body, raw=None, **once)

    def _requests(self, side: Side, pick: int) -> dict[str, tuple[str, Any]]:
        """Return the calls that are no call of one execution: path and body."""
        mark, other, key = side.mark, self.sides[1 - side.number], f"key-{pick % 5}"
        claims = [*self.sides[0].claims, *self.sides[1].claims, ("W10", "nobodys")]
        task, token = claims[pick % len(claims)]
        batches = [*self.batches, "nobodys"]
        run = {"input": mark, "labels": {"of": mark}, "key": key}
        every = {"ids": [id_ for _, id_ in self.executions], "arguments": {"by": mark}}
        queries = ("", f"?key={key}", f"?label.of={other.mark}", "?limit=1")
        name = ("order", "pack")[pick % 2]
        return {
            "start": (f"/v1/activities/{side.project}/{name}/executions", run),
            "start there": (f"/v1/activities/{other.project}/{name}/executions", run),
            "event": ("/v1/events", {"name": "go", "key": key, "data": mark, "ttl": 60}),
            "poll": ("/v1/tasks:poll", {"queues": ["depot"], "worker": mark}),
            "complete": (f"/v1/tasks/{task}:complete", {"token": token, "output": mark}),
            "batch ids": ("/v1/batches", {"action": "data", "reason": mark, **every}),
            "batch filter": ("/v1/batches", {"action": "pause", "filter": {"key": key}}),
            "batch": (f"/v1/batches/{batches[pick % len(batches)]}", None),
            "list": (f"/v1/executions{queries[pick % 4]}", None),
            "others": (("/v1/tasks", "/v1/workers", "/v1/keys")[pick % 3], None),
        }

    async def judge(self) -> None:
        """Nobody's history has what the other said, or was changed with the other's key."""
        for owner, execution in self.executions:
            other = self.sides[1 - owner]
            for part in ("", "/history?limit=500"):
                answer = await self.admin("GET", f"/v1/executions/{execution}{part}")
                assert answer.status in (200, 404)
                assert other.mark.encode() not in answer.raw
                assert other.key.encode() not in answer.raw


def _body_of(path: str, mark: str, pick: int) -> dict[str, Any]:
    if path.endswith("/events"):
        return {"name": "go", "data": mark, "id": f"id-{pick % 3}"}
    return {"state": "later_on"} if path.endswith(":goto") else {"reason": mark}


PARTS = ("", "/history", "/attempts", "/context", "/why", "/graph", "/output")
VERBS = (":pause", ":resume", ":cancel", ":terminate", ":retry", ":skip", ":goto")
MOVES = (
    *("start", "start there", "event", "poll", "complete", "batch ids", "batch filter"),
    *("batch", "list", "others"),
    *(f"GET /v1/executions/{{id}}{part}" for part in PARTS),
    *(f"POST /v1/executions/{{id}}{verb}" for verb in VERBS),
    "POST /v1/executions/{id}/events",
    "PATCH /v1/executions/{id}/data",
    "DELETE /v1/executions/{id}",
)


async def play(moves: list[tuple[int, str, int]]) -> None:
    async with AsyncExitStack() as stack:
        allowed = Settings(host="0.0.0.0", port=0, data="memory", public_url="http://127.0.0.1")
        server = await stack.enter_async_context(running(allowed))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        api = Api(server.url, session)
        texts = []
        for project in (None, *PROJECTS):
            row, text = new_key(server.orchestrator.clock, project=project, scopes=SCOPES)
            await server.door.access.add(row)
            texts.append((text, row.id))
        admin = api.with_key(texts[0][0])
        one, two = (Side(n, api.with_key(texts[n + 1][0]), texts[n + 1][1]) for n in (0, 1))
        game = Game((one, two), admin)
        for side in game.sides:
            for name, work in (
                ("order", {"type": "wait", "event": "go"}),
                ("pack", {"type": "pull", "queue": "depot"}),
            ):
                document: dict[str, Any] = activity(name, work)
                document |= {"project": side.project, "description": side.mark}
                await side.api.good("POST", "/v1/blueprints", document)
            path = f"/v1/activities/{side.project}/order/executions"
            made = await side.api.good("POST", path, {"input": side.mark})
            game.executions.append((side.number, made["id"]))
        for who, what, pick in moves:
            await game.move(who, what, pick)
        await game.judge()


@given(
    st.lists(
        st.tuples(st.integers(0, 1), st.sampled_from(MOVES), st.integers(0, 1_000)),
        min_size=20,
        max_size=60,
    )
)
# A server an example: to make a failure smaller would take minutes.
@settings(max_examples=EXAMPLES, phases=(Phase.reuse, Phase.generate))
def test_whatever_two_projects_do_neither_sees_the_other(
    moves: list[tuple[int, str, int]],
) -> None:
    asyncio.run(play(moves))
