"""API keys: made, listed, revoked. The text of a key is shown once."""

from typing import Any

from goflow_py.api import answers
from goflow_py.api.auth import new_key
from goflow_py.api.bodies import KeyBody
from goflow_py.api.op import Call, answer, nothing, op
from goflow_py.api.replies import Reply
from goflow_py.domain.durations import rfc3339
from goflow_py.errors import Forbidden, MalformedRequest, NotFound
from goflow_py.ports import KeyRow


@op("POST", "/v1/keys", "admin", body=KeyBody, answers={201: answers.NewKey}, errors=(403, 409))
async def create(call: Call) -> Reply:
    """Make a key; its text is in this answer and nowhere else."""
    if "Idempotency-Key" in call.request.headers:
        raise MalformedRequest(
            "a key is not stored in clear, so it cannot be answered twice; leave the "
            "Idempotency-Key out, and revoke a key that was lost",
            code="bad_header",
        )
    body, mine = call.body(KeyBody), call.caller.project
    if mine is not None and body.project != mine:
        raise Forbidden(f"this key makes keys for project {mine} only", code="scope")
    clock = call.door.clock
    lifetime = body.expires_in
    row, text = new_key(
        clock,
        project=body.project,
        scopes=list(dict.fromkeys(body.scopes)),
        roles=body.roles,
        description=body.description,
        expires_at=None if lifetime is None else clock.now_ms() + round(lifetime * 1000),
    )
    await call.door.access.add(row)
    return answer({**_view(row), "key": text}, 201, {"Location": f"/v1/keys/{row.id}"})


@op("GET", "/v1/keys", "admin", answers={200: answers.Items})
async def keys(call: Call) -> Reply:
    """List the keys, without their secrets."""
    await call.door.access.load()  # another server may have made or revoked some just now
    mine = call.caller.project
    known = call.door.access.keys.values()
    return answer({"items": [_view(row) for row in known if mine in (None, row.project)]})


@op("DELETE", "/v1/keys/{key}", "admin", answers={204: None}, errors=(404,))
async def revoke(call: Call) -> Reply:
    """Revoke a key; it is refused at once."""
    number, mine = call.path("key"), call.caller.project
    await call.door.access.load()  # another server may have made it just now
    known = call.door.access.keys.get(number)
    if known is None or (mine is not None and known.project != mine):
        raise NotFound(f"there is no key {number[:64]}")
    await call.door.access.remove(number)
    return nothing()


def _view(row: KeyRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "project": row.project,
        "scopes": list(row.scopes),
        "roles": list(row.roles),
        "description": row.description,
        "createdAt": rfc3339(row.created_at),
        "expiresAt": None if row.expires_at is None else rfc3339(row.expires_at),
    }
