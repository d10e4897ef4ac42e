"""What went wrong, as RFC 9457 ``application/problem+json``: never a traceback, always a code."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson
from pydantic import ValidationError

from goflow_py.api.replies import SAFE_HEADERS, Reply, lines
from goflow_py.errors import GoFlowError, Queued

MEDIA_TYPE = "application/problem+json"
ERRORS_SHOWN_MAX = 20
_HEAD = lines({**SAFE_HEADERS, "Content-Type": MEDIA_TYPE})

TITLES = {
    400: "Malformed request",
    404: "Not found",
    405: "Method not allowed",
    408: "Request timeout",
    414: "URL too long",
    431: "Request header fields too large",
    500: "Internal error",
}


def problem_body(
    status: int, code: str, detail: str, title: str, facts: Mapping[str, Any] | None = None
) -> bytes:
    """Return a problem as JSON; *facts* are what helps the caller."""
    return orjson.dumps(
        {
            **(facts or {}),
            "type": f"urn:goflow:problem:{code}",
            "title": title,
            "status": status,
            "detail": detail,
            "code": code,
        }
    )


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    title: str | None = None,
    headers: Mapping[str, str] | None = None,
    facts: Mapping[str, Any] | None = None,
) -> Reply:
    """Return a problem as an answer."""
    return Reply(
        status=status,
        body=problem_body(status, code, detail, title or TITLES.get(status, "Error"), facts),
        head=_HEAD,
        headers=headers or {},
    )


def raw(
    status: int,
    code: str,
    detail: str,
    *,
    title: str | None = None,
    headers: Mapping[str, str] | None = None,
    facts: Mapping[str, Any] | None = None,
) -> bytes:
    """Return a problem as it stands on the wire, for where there is no request to answer."""
    body = problem_body(status, code, detail, title or TITLES.get(status, "Error"), facts)
    fields = {
        **SAFE_HEADERS,
        "Content-Type": MEDIA_TYPE,
        "Content-Length": str(len(body)),
        "Connection": "close",
        **(headers or {}),
    }
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n{lines(fields)}\r\n".encode() + body


def of_error(error: GoFlowError) -> Reply:
    """Return what a caller got wrong, or found closed, as an answer."""
    if isinstance(error, Queued):
        return Reply(status=202, body=orjson.dumps({"queued": True}))
    headers = {}
    if "retryAfter" in error.facts:
        headers["Retry-After"] = str(error.facts["retryAfter"])
    if error.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="goflow"'
    return problem(
        error.status,
        error.reason,
        error.detail,
        title=error.title,
        headers=headers,
        facts=error.facts,
    )


def unexpected(number: str) -> Reply:
    """Answer with the id alone, under which the log has the rest."""
    return problem(
        500,
        "internal",
        f"the server failed; its log has the reason under {number}",
        facts={"id": number},
    )


def field_errors(error: ValidationError) -> list[dict[str, str]]:
    """Return what does not fit, each with its JSON pointer."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [
        {
            "pointer": "".join(f"/{_reference(part)}" for part in item["loc"]),
            "message": item["msg"].removeprefix("Value error, "),
            "kind": item["type"],
        }
        for item in found[:ERRORS_SHOWN_MAX]
    ]


def _reference(part: object) -> str:
    return str(part).replace("~", "~0").replace("/", "~1")[:100]
