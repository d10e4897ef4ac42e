"""What projects may have at most, and what they have."""

from typing import Annotated, Any

from pydantic import Field

from goflow_py.api.answers import Answer
from goflow_py.api.bodies import Body
from goflow_py.api.op import Call, answer, nothing, op
from goflow_py.api.replies import Reply
from goflow_py.engine.limits import Use
from goflow_py.errors import NotFound
from goflow_py.ports import LimitsRow

LIMITS = "/v1/projects/{project}/limits"
READ = ("admin", "execution:read")


class LimitsBody(Body):
    """The limits of a project; those that are left out are the server's."""

    max_running: Annotated[int, Field(ge=0, le=10**12)] | None = None
    """Executions that have not ended."""
    starts_per_second: Annotated[float, Field(ge=0.001, le=10**6)] | None = None
    """A second's worth of them may come at once, and one in any case."""
    max_open_calls: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Calls in flight; what is over it waits."""
    max_stored_bytes: Annotated[int, Field(ge=0, le=10**15)] | None = None
    """Of executions, those that have ended too, of blueprints, workers and stored events."""


class Holding(Answer):
    """Limits that hold; null: there is none."""

    max_running: int | None
    starts_per_second: float | None
    max_open_calls: int | None
    max_stored_bytes: int | None


class InUse(Answer):
    """What a project has now."""

    running: int
    open_calls: int
    stored_bytes: int


class Project(Answer):
    """A project, what it may have, and what it has."""

    project: str
    limits: Holding
    use: InUse


class Projects(Answer):
    """Projects, by name."""

    items: list[Project]


@op("GET", "/v1/projects", READ, answers={200: Projects})
async def projects(call: Call) -> Reply:
    """List the projects with their limits and what they have; a project's key sees its own."""
    engine = call.door.orchestrator
    found = await engine.limits.uses(
        call.caller.project, open_calls=engine.dispatcher.slots.open_calls
    )
    return answer({"items": [_view(use) for use in found]})


@op("GET", LIMITS, READ, answers={200: Project}, errors=(404,))
async def limits(call: Call) -> Reply:
    """Return the limits that hold for a project, and what it has."""
    return answer(await _one(call))


@op("PUT", LIMITS, "admin", body=LimitsBody, answers={200: Project}, everywhere=True)
async def put_limits(call: Call) -> Reply:
    """Set the limits of a project; they replace its own of before, and hold at once."""
    body = call.body(LimitsBody)
    row = LimitsRow(project=call.path("project"), **dict(body))
    await call.door.orchestrator.limits.put(row)
    return answer(await _one(call))


@op("DELETE", LIMITS, "admin", answers={204: None}, errors=(404,), everywhere=True)
async def delete_limits(call: Call) -> Reply:
    """Let the server's limits hold for a project again."""
    await call.door.orchestrator.limits.delete(call.path("project"))
    return nothing()


async def _one(call: Call) -> dict[str, Any]:
    engine, project = call.door.orchestrator, call.path("project")
    found = await engine.limits.uses(project, open_calls=engine.dispatcher.slots.open_calls)
    if not found:
        raise NotFound(f"there is no project {project}")
    return _view(found[0])


def _view(use: Use) -> dict[str, Any]:
    return {
        "project": use.limits.project,
        "limits": {
            "maxRunning": use.limits.max_running,
            "startsPerSecond": use.limits.starts_per_second,
            "maxOpenCalls": use.limits.max_open_calls,
            "maxStoredBytes": use.limits.max_stored_bytes,
        },
        "use": {
            "running": use.usage.running,
            "openCalls": use.open_calls,
            "storedBytes": use.usage.stored_bytes,
        },
    }
