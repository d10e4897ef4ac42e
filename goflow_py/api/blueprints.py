"""Blueprints: upload, look at versions, replace the workers."""

from typing import TYPE_CHECKING, Any

from goflow_py.api import answers
from goflow_py.api.auth import OPEN
from goflow_py.api.bodies import (
    BlueprintsQuery,
    DiffQuery,
    GraphQuery,
    InsightsQuery,
    UploadQuery,
    VersionQuery,
    WorkersBody,
)
from goflow_py.api.drawing import GRAPH_ANSWERS, drawing
from goflow_py.api.op import Call, answer, nothing, op, page
from goflow_py.api.replies import Reply
from goflow_py.domain.blueprint import Blueprint, json_schema
from goflow_py.domain.documents import YAML_MEDIA_TYPES as YAML
from goflow_py.domain.durations import rfc3339
from goflow_py.errors import NotFound
from goflow_py.ports import BlueprintRow

if TYPE_CHECKING:
    from goflow_py.engine.submissions import Syntax

DOCUMENTS = ("application/json", *YAML)
READ = ("execution:read", "blueprint:write")
ACTIVITY = "/v1/blueprints/{project}/{activity}"


@op(
    "POST",
    "/v1/blueprints",
    "blueprint:write",
    raw=Blueprint,
    media_types=DOCUMENTS,
    query=UploadQuery,
    answers={200: answers.Uploaded, 201: answers.Uploaded},
    errors=(404,),
    idempotent=True,
)
async def upload(call: Call) -> Reply:
    """Store a blueprint, with or without its workers; everything wrong is said at once."""
    from goflow_py.engine.submissions import Origin  # late, like ``Orchestrator.uploads``

    query = call.query(UploadQuery)
    done = await call.door.orchestrator.uploads.upload(
        call.raw,
        syntax=_syntax(call),
        origin=Origin(format=query.format, project=query.project, activity=query.activity),
        project=call.caller.project,
        dry_run=query.dry_run,
        strict=query.strict,
        drawn=query.graph,
        repeat=call.repeat(),
        admit=call.door.orchestrator.limits.admit_stored,
    )
    headers = {}
    if done.version is not None:
        place = f"/v1/blueprints/{done.project}/{done.activity}/versions/{done.version}"
        headers["Location"] = place
    if done.replayed:
        headers["Idempotency-Replayed"] = "true"
    return answer(done.as_json(), 201 if done.created else 200, headers)


@op("GET", "/v1/blueprints", READ, query=BlueprintsQuery, answers={200: answers.Page})
async def blueprints(call: Call) -> Reply:
    """List the latest version of each blueprint, by name."""
    query = call.query(BlueprintsQuery)
    project = call.caller.project
    if project is not None and query.project not in (None, project):
        return page(call, [], None)
    found = await call.door.orchestrator.uploads.page(
        project=project or query.project, limit=query.limit, cursor=query.cursor
    )
    return page(call, [_view(row) for row in found.items], found.next)


@op("GET", ACTIVITY, READ, query=VersionQuery, answers={200: answers.Version}, errors=(404,))
async def blueprint(call: Call) -> Reply:
    """Return a version, the latest when none is named."""
    return answer(_view(await _row(call, call.query(VersionQuery).version)))


@op("GET", f"{ACTIVITY}/versions", READ, answers={200: answers.Items}, errors=(404,))
async def versions(call: Call) -> Reply:
    """List all versions, newest first, with how many executions are in which status."""
    rows = await call.door.orchestrator.uploads.versions(*call.activity)
    return answer(
        {
            "items": [
                {
                    "version": row.version,
                    "hash": row.digest,
                    "createdAt": rfc3339(row.created_at),
                    **{name: counts.get(name, 0) for name in _STATUSES},
                }
                for row, counts in rows
            ]
        }
    )


_STATUSES = ("running", "waiting", "paused", "failed", "completed", "cancelled")


@op("GET", f"{ACTIVITY}/versions/{{version}}", READ, answers={200: answers.Version}, errors=(404,))
async def version(call: Call) -> Reply:
    """Return one version."""
    return answer(_view(await _row(call, _number(call))))


@op(
    "DELETE",
    f"{ACTIVITY}/versions/{{version}}",
    "blueprint:write",
    answers={204: None},
    errors=(404, 409),
)
async def delete_version(call: Call) -> Reply:
    """Remove a version that no execution is pinned to."""
    await call.door.orchestrator.uploads.delete_version(*call.activity, _number(call))
    return nothing()


@op(
    "GET",
    f"{ACTIVITY}/findings",
    READ,
    query=VersionQuery,
    answers={200: answers.Findings},
    errors=(404,),
)
async def findings(call: Call) -> Reply:
    """Return what the upload of a version found, which events its states accept, and its bound."""
    row = await _row(call, call.query(VersionQuery).version)
    proof = await call.door.orchestrator.proofs.of_version(row)
    return answer({"items": _view(row)["findings"], **proof})


@op(
    "GET",
    f"{ACTIVITY}/rows",
    READ,
    query=VersionQuery,
    answers={200: answers.Rows},
    errors=(404,),
)
async def rows(call: Call) -> Reply:
    """Return the compiled table, state by state, in the order of trying."""
    row = await _row(call, call.query(VersionQuery).version)
    proofs = call.door.orchestrator.proofs
    return answer({"items": await proofs.rows(row), "machines": await proofs.machine_rows(row)})


@op(
    "GET",
    f"{ACTIVITY}/graph",
    READ,
    query=GraphQuery,
    answers={200: GRAPH_ANSWERS},
    errors=(404,),
)
async def graph(call: Call) -> Reply:
    """Return the graph of a version: as JSON, as Mermaid or for Graphviz."""
    query = call.query(GraphQuery)
    row = await _row(call, query.version)
    return drawing(await call.door.orchestrator.proofs.graph(row), query.format)


@op(
    "GET",
    f"{ACTIVITY}/diff",
    READ,
    query=DiffQuery,
    answers={200: answers.Diff},
    errors=(404,),
)
async def diff(call: Call) -> Reply:
    """Compare two versions, and say what runs on each."""
    query = call.query(DiffQuery)
    found = await call.door.orchestrator.proofs.diff(
        *call.activity, before=query.from_, after=query.to
    )
    return answer(found)


@op(
    "GET",
    f"{ACTIVITY}/insights",
    "execution:read",
    query=InsightsQuery,
    answers={200: answers.Insights},
    errors=(404,),
)
async def insights(call: Call) -> Reply:
    """Say what the newest executions of a version did: rows, states and workers, timed."""
    query = call.query(InsightsQuery)
    row = await _row(call, query.version)
    return answer(await call.door.orchestrator.insights.of(row, since=query.since))


@op("GET", "/v1/schemas/blueprint.json", OPEN, answers={200: Any})
async def schema(_: Call) -> Reply:
    """Return the JSON Schema of blueprints, for editors."""
    return answer(json_schema())


@op(
    "PUT",
    f"{ACTIVITY}/workers",
    "blueprint:write",
    raw=WorkersBody,
    media_types=DOCUMENTS,
    answers={200: answers.WorkersPut},
    errors=(404,),
)
async def put_workers(call: Call) -> Reply:
    """Replace the workers; running executions use them from their next attempt on."""
    done = await call.door.orchestrator.uploads.put_workers(
        *call.activity,
        call.raw,
        syntax=_syntax(call),
        admit=call.door.orchestrator.limits.admit_stored,
    )
    return answer(done)


@op("GET", f"{ACTIVITY}/workers", READ, answers={200: answers.Workers}, errors=(404,))
async def get_workers(call: Call) -> Reply:
    """Return the workers document."""
    return answer(await call.door.orchestrator.uploads.workers(*call.activity))


def _syntax(call: Call) -> "Syntax":
    return "yaml" if call.media_type in YAML else "json"


async def _row(call: Call, number: int | None) -> BlueprintRow:
    return await call.door.orchestrator.uploads.version(*call.activity, number)


def _number(call: Call) -> int:
    text = call.path("version")
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        raise NotFound(f"there is no version {text[:40]}; versions are numbers")
    return int(text)


def _view(row: BlueprintRow) -> dict[str, Any]:
    from goflow_py.engine.uploads import version_json  # late, like ``Orchestrator.uploads``

    return {**version_json(row), "createdAt": rfc3339(row.created_at)}
