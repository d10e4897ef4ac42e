"""The servers that share the data, and what each of them has to do."""

from typing import Annotated

from pydantic import Field

from goflow_py.api.answers import Answer
from goflow_py.api.op import Call, answer, op
from goflow_py.api.replies import Reply


class Work(Answer):
    """What there is to do in some shards; ``running`` is null when there are too many to count."""

    shards: int
    running: int | None
    inbox: int
    oldest_seconds: float | None


class Node(Work):
    """A server. Its lease is null when it needs none, and below 0 when it is lost."""

    id: str
    self_: Annotated[bool, Field(alias="self")]
    address: str | None
    version: str | None
    started_at: str
    lease_left_seconds: float | None
    status: str


class Nodes(Answer):
    """The servers, oldest first, and what waits for an owner; ``at`` is the time of the leases."""

    items: list[Node]
    unowned: Work
    at: str
    shared: bool
    lease_seconds: float | None


@op("GET", "/v1/admin/nodes", "admin", answers={200: Nodes}, everywhere=True)
async def nodes(call: Call) -> Reply:
    """Return the servers that share the data: their leases, their shards, and what waits there."""
    engine = call.door.orchestrator
    return answer(await engine.nodes.view(is_ending=engine.draining))
