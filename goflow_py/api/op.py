"""One declaration a route: what it needs, takes and answers; and the door that keeps to it.

``@op`` makes a handler known by its declaration; ``serve`` turns that into what aiohttp calls.
The OpenAPI document, by it the page of all calls, and the checks of scopes are made of the same
declarations.
"""

import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import orjson
from aiohttp import web
from pydantic import BaseModel, ValidationError

from goflow_py.api import problems
from goflow_py.api.auth import OPEN, SCOPES, Caller
from goflow_py.api.door import Door
from goflow_py.api.headers import once
from goflow_py.api.reading import TooSlow, check_media, media_type, read_body
from goflow_py.api.replies import BARE, Reply
from goflow_py.api.routes import Handler
from goflow_py.domain import documents
from goflow_py.domain.names import NAME, did_you_mean
from goflow_py.engine.requests import Match, Repeat, digest_of
from goflow_py.errors import (
    GoFlowError,
    Invalid,
    MalformedRequest,
    NotFound,
    PreconditionFailed,
    Unavailable,
)

log = logging.getLogger(__name__)

M = TypeVar("M", bound=BaseModel)
Answering = Callable[["Call"], Awaitable[Reply]]

UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z")
VISIBLE = re.compile(r"[\x21-\x7e]{1,255}\Z")
_ETAG = re.compile(r'(?:"?(\d{1,18})"?|"?visit-(\d{1,18})"?)\Z')


@dataclass(frozen=True, slots=True, kw_only=True)
class Op:
    """What a route is."""

    method: str
    path: str
    scopes: tuple[str, ...]
    """One of these is needed; ``OPEN`` for none."""
    handler: Answering
    tag: str
    summary: str
    answers: Mapping[int, Any]
    """The model of each good answer; None for no body, a media type as text for other ones.

    A tuple has several: which of them is sent, the query says.
    """
    body: type[BaseModel] | None = None
    raw: type[BaseModel] | None = None
    """A body that the engine itself reads, shown by this model."""
    body_required: bool = True
    media_types: tuple[str, ...] = ("application/json",)
    query: type[BaseModel] | None = None
    prefixes: tuple[str, ...] = ()
    """Of further query parameters."""
    errors: tuple[int, ...] = ()
    everywhere: bool = False
    """Needs a key of all projects."""
    idempotent: bool = False
    """Takes an ``Idempotency-Key``."""
    matches: bool = False
    """Takes an ``If-Match``."""
    headers: Mapping[str, str] | None = None
    """Further request headers, with what they are for."""
    new_work: bool = False
    """Refused while the server drains."""

    @property
    def takes_body(self) -> bool:
        """Tell whether a body is read."""
        return self.body is not None or self.raw is not None

    @property
    def names(self) -> tuple[str, ...]:
        """Return the parameters of the path."""
        return tuple(re.findall(r"\{(\w+)\}", self.path))


def op(
    method: str, path: str, scope: str | tuple[str, ...], **facts: Any
) -> Callable[[Answering], Op]:
    """Declare the route of a handler; its docstring is the summary."""
    scopes = (scope,) if isinstance(scope, str) else scope
    assert scopes is OPEN or set(scopes) <= set(SCOPES), f"{path} names an unknown scope"

    def declare(handler: Answering) -> Op:
        module = handler.__module__.rpartition(".")[2]
        return Op(
            method=method,
            path=path,
            scopes=scopes,
            handler=handler,
            tag=module,
            summary=(handler.__doc__ or "").strip(),
            **facts,
        )

    return declare


class Call:
    """One request on its way through a handler."""

    __slots__ = ("_body", "_query", "caller", "door", "names", "op", "raw", "request")

    def __init__(
        self,
        op: Op,
        door: Door,
        request: web.BaseRequest,
        names: Mapping[str, str],
        caller: Caller,
    ) -> None:
        self.op = op
        self.door = door
        self.request = request
        self.names = names
        self.caller = caller
        self.raw = b""
        self._body: BaseModel | None = None
        self._query: BaseModel | None = None

    def path(self, name: str) -> str:
        """Return a parameter of the path."""
        return self.names[name]

    @property
    def activity(self) -> tuple[str, str]:
        """Return the project and the activity of the path."""
        return self.names["project"], self.names["activity"]

    def body(self, model: type[M]) -> M:
        """Return the body."""
        return cast("M", self._body)

    def query(self, model: type[M]) -> M:
        """Return the query."""
        if self._query is None:
            self._query = _read_query(self.op, self.request)
        return cast("M", self._query)

    # ------------------------------------------------------------ headers

    def repeat(self, suffix: str = "") -> Repeat | None:
        """Return what makes a repeated request the same one, if it was sent. Raises 400."""
        key = once(self.request, "Idempotency-Key")
        if key is None:
            return None
        if not VISIBLE.match(key):
            raise MalformedRequest(
                "an Idempotency-Key has 1 to 255 visible ASCII characters", code="bad_header"
            )
        scope = f"{self.request.method} {self.request.path}{suffix}"
        return Repeat(key=key, scope=scope, digest=digest_of(self.raw))

    def match(self) -> Match | None:
        """Return ``If-Match``. Raises 400."""
        text = once(self.request, "If-Match")
        if text is None or text.strip() == "*":
            return None
        if text.strip().startswith("W/"):
            raise PreconditionFailed("If-Match compares strongly; send the ETag as it came")
        found = _ETAG.match(text.strip())
        if found is None:
            raise MalformedRequest(
                'If-Match is a revision ("12") or a visit ("visit-3")', code="bad_header"
            )
        revision, visit = found.groups()
        return Match(
            revision=int(revision) if revision else None, visit=int(visit) if visit else None
        )

    def has(self, etag: str) -> bool:
        """Tell whether the caller has this version already (``If-None-Match``)."""
        text = self.request.headers.get("If-None-Match")
        if text is None:
            return False
        tags = [tag.strip().removeprefix("W/") for tag in text.split(",")]
        return etag in tags or "*" in tags

    # ------------------------------------------------------------ body

    @property
    def media_type(self) -> str:
        """Return what the body is said to be."""
        return media_type(self.request.headers.get("Content-Type", "application/json"))

    async def read(self) -> None:
        """Read the body within its limits, and what is in it."""
        limit, timeout = self.door.body_bytes_max, self.door.body_timeout_seconds
        self.raw = await read_body(self.request, limit=limit, timeout_seconds=timeout)
        check_media(self.request, self.raw, accepted=self.op.media_types)
        model = self.op.body
        if model is None:
            return
        value = documents.loads(self.raw, limit_bytes=limit) if self.raw else {}
        if not self.raw and self.op.body_required:
            raise MalformedRequest("this call needs a body, in JSON", code="malformed_json")
        try:
            self._body = model.model_validate(value)
        except ValidationError as error:
            raise unfit(error) from None


def unfit(error: ValidationError) -> Invalid:
    """Return what is wrong with a body."""
    errors = problems.field_errors(error)
    first = errors[0]
    where = f" at {first['pointer']}" if first["pointer"] else ""
    return Invalid(
        f"the body does not fit{where}: {first['message']}", code="invalid_body", errors=errors
    )


def answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """Return a value as JSON."""
    return Reply(status=status, body=orjson.dumps(value), headers=headers or {})


def nothing(headers: Mapping[str, str] | None = None) -> Reply:
    """Return 204."""
    return Reply(status=204, head=BARE, headers=headers or {})


def page(call: Call, items: Any, after: str | None, *, name: str = "cursor") -> Reply:
    """Return a part of a list, with the link to the next one."""
    headers = None
    if after is not None:
        url = call.request.rel_url.update_query({name: after})
        headers = {"Link": f'<{url.raw_path_qs}>; rel="next"'}
    return answer({"items": items, "next": after}, headers=headers)


# ---------------------------------------------------------------- serving


def serve(op: Op, door: Door) -> Handler:
    """Return what answers the requests of a route."""
    route = f"{op.method} {op.path}"

    async def handle(request: web.BaseRequest, names: Mapping[str, str]) -> Reply:
        try:
            caller = door.access.admit(request, op.scopes, everywhere=op.everywhere)
            call = Call(op, door, request, names, caller)
            if names:
                await _check_path(call)
            if op.new_work:
                door.refuse_when_draining()
            if request.rel_url.raw_query_string:
                call._query = _read_query(op, request)
            if op.takes_body:
                await call.read()
            response = await op.handler(call)
        except GoFlowError as error:
            response = problems.of_error(error)
        except TooSlow:
            detail = "the body did not come within its time; send it at once"
            response = problems.problem(408, "slow_body", detail)
            response.keep_alive = False
        except MemoryError:
            log.exception("no memory for a request", extra={"route": route})
            detail = "the server has no memory for this; ask again with the same Idempotency-Key"
            response = problems.of_error(Unavailable(detail, code="no_memory"))
        except Exception:
            number = door.clock.token_bytes(8).hex()
            log.exception("a request broke", extra={"problem": number, "route": route})
            response = problems.unexpected(number)
        return with_request_id(request, response)

    return handle


def with_request_id(request: web.BaseRequest, response: Reply) -> Reply:
    """Echo ``X-Request-Id``, when it is one that may stand in a header."""
    number = request.headers.get("X-Request-Id")
    if number is not None and VISIBLE.match(number):
        response.headers = {**response.headers, "X-Request-Id": number}
    return response


async def _check_path(call: Call) -> None:
    """Hide another project's things, at one place for all routes; refuse what can be no name."""
    known = call.names
    project, activity, execution = known.get("project"), known.get("activity"), known.get("id")
    mine = call.caller.project
    if project is not None:
        foreign = mine is not None and project != mine
        if foreign or not NAME.match(project) or not (activity is None or NAME.match(activity)):
            raise NotFound(f"there is no activity {project[:64]}/{(activity or '')[:64]}")
    if execution is not None:
        if not UUID.match(execution):
            raise NotFound(f"there is no execution {execution[:64]}")
        if mine is not None:
            await call.door.orchestrator.tracking.get(execution.lower(), project=mine)


def _read_query(op: Op, request: web.BaseRequest) -> BaseModel | None:
    known = op.query.model_fields if op.query else {}
    names = [field.alias or name for name, field in known.items()]
    values: dict[str, Any] = {}
    for name, value in request.rel_url.query.items():
        prefix = next((p for p in op.prefixes if name.startswith(p) and len(name) > len(p)), None)
        if name not in names and prefix is None:
            raise MalformedRequest(
                f"there is no query parameter '{name[:64]}'{did_you_mean(name[:64], names)}",
                code="unknown_parameter",
                parameters=names,
            )
        if name in values:
            raise MalformedRequest(f"'{name[:64]}' is given twice", code="bad_parameter")
        if prefix is not None:
            values.setdefault(prefix, {})[name.removeprefix(prefix)] = value
        values[name] = value
    extra = {name: values.pop(name) for name in op.prefixes if name in values}
    plain = {name: value for name, value in values.items() if name in names}
    try:
        model = op.query.model_validate({**plain, **extra}) if op.query else None
    except ValidationError as error:
        errors = problems.field_errors(error)
        first = errors[0]
        raise MalformedRequest(
            f"the query parameter '{first['pointer'].strip('/')}' does not fit: {first['message']}",
            code="bad_parameter",
            errors=errors,
        ) from None
    return model
