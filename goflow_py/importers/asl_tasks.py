"""Task states of the States Language: a resource becomes an action, and mostly a worker.

A function, a URL and a service are called with the bare input (``raw``), as they were; what the
integrations of AWS wrap around a result is wrapped around it here as well, so that the paths into
it hold. A resource that is no URL is an alias of the last part of its ARN.
"""

import re
from dataclasses import dataclass, replace
from typing import Any, Final

from goflow_py.domain.headers import header_problem
from goflow_py.domain.values import value
from goflow_py.expression.tokens import tokens
from goflow_py.importers.asl_errors import retry_of
from goflow_py.importers.asl_flow import Flow
from goflow_py.importers.asl_paths import NOTHING, Untranslatable, Value, place, quoted
from goflow_py.importers.asl_scope import JSONATA, jsonata_of, payload
from goflow_py.importers.names import slug
from goflow_py.importers.result import literal, pointer

FUNCTION_SECONDS: Final = 900
"""How long AWS lets a function run."""
HTTP_SECONDS: Final = 60
"""How long AWS waits for an HTTP endpoint."""
QUIET_SECONDS: Final = 315_360_000
"""The lease of work without a heartbeat: theirs may be silent for ever."""

_ACTIVITY = re.compile(r"arn:aws[^:]*:states:[^:]*:[^:]*:activity:(.+)\Z", re.DOTALL)
_SERVICE = re.compile(r"arn:aws[^:]*:states:[^:]*:[^:]*:(.+)\Z", re.DOTALL)
_FUNCTION = re.compile(r"(?:arn:.*:)?function:([^:]+)(?::[^:]+)?\Z", re.DOTALL)
_CONNECTION = re.compile(r":connection/([^/]+)")
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
_LOOSER = frozenset({"?", ":", "=", "!=", "<", ">", "<=", ">=", "and", "or", "in", "~>", ";", "?:"})


@value
class Work:
    """What a Task state does."""

    action: dict[str, Any]
    worker: dict[str, Any] | None = None
    selected: bool = False
    """ResultSelector is applied to the outcome already."""


def work_of(flow: Flow, action: str) -> Work:
    """Return the action, named *action*, and the worker of a Task."""
    return _Task(flow=flow, name=action).work()


@dataclass(kw_only=True)
class _Task:
    flow: Flow
    name: str

    def __post_init__(self) -> None:
        self.state, self.sight = self.flow.state, self.flow.seen()
        self.losses, self.at = self.sight.losses, self.flow.at
        self.is_jsonata = self.sight.language == JSONATA
        self.field = "Arguments" if self.is_jsonata else "Parameters"

    def work(self) -> Work:
        resource = self.state.resource or ""
        if self.state.credentials is not None:
            self._changes("Credentials", "a role cannot be assumed; use 'auth' of the worker")
        awaits = resource.endswith(".waitForTaskToken")
        if awaits:
            resource = resource.removesuffix(".waitForTaskToken")
            self.flow = replace(self.flow, sight=replace(self.flow.sight, awaits_token=True))
            self.sight = self.flow.seen()
            message = "the call carries 'callbackUrl' in place of a task token"
            self.losses.drops(pointer(*self.at, "Resource"), message)
        if found := _ACTIVITY.match(resource):
            return self._pulled(found.group(1))
        service = found.group(1) if (found := _SERVICE.match(resource)) else ""
        if service == "http:invoke":
            return self._http()
        if service in ("states:startExecution.sync", "states:startExecution.sync:2"):
            return self._child(as_text=service.endswith(".sync"))
        if service.startswith("states:startExecution"):
            self._changes("Resource", "a child that nobody waits for is not supported; await it")
        if service == "lambda:invoke":
            function = self._argument("FunctionName")
            if isinstance(function, Value):
                self._changes(self.field, "the name of a function has to be a constant")
            endpoint = _alias(function if isinstance(function, str) else "function")
            wrap = {"Payload": "$.result", "StatusCode": 200}
            return self._called(endpoint, self._payload(), wrap=wrap, awaits=awaits)
        if service.endswith((".sync", ".sync:2")):
            message = "whether a job has ended is not polled: the worker has to answer when it has"
            self.losses.drops(pointer(*self.at, "Resource"), message)
        endpoint = resource if "://" in resource else _alias(resource)
        return self._called(endpoint, self.flow.arguments(), awaits=awaits)

    # ------------------------------------------------------------ kinds of work

    def _called(
        self, endpoint: str, given: Any, *, wrap: dict[str, Any] | None = None, awaits: bool = False
    ) -> Work:
        retry = retry_of(self.state.retry, self.losses, self.at)
        seconds = self._seconds("TimeoutSeconds")
        action: dict[str, Any] = {"name": self.name, "type": "sync", "raw": True, "input": given}
        worker = {"name": self.name, "workerEndpoint": endpoint, **retry}
        worker["responseTimeout"] = seconds or FUNCTION_SECONDS
        if awaits:
            action = {"name": self.name, "type": "async", "input": given}
            worker["responseTimeout"] = min(seconds or HTTP_SECONDS, HTTP_SECONDS)
            self._bound(action, seconds or QUIET_SECONDS, retry, always=True)
            heartbeat = self._seconds("HeartbeatSeconds")
            if heartbeat is not None:
                action["heartbeatTimeout"] = heartbeat
        else:
            self._bound(action, seconds, retry)
            self._no_heartbeat()
        return self._finished(action, worker, wrap)

    def _pulled(self, queue: str) -> Work:
        retry = retry_of(self.state.retry, self.losses, self.at)
        action: dict[str, Any] = {"name": self.name, "type": "pull", "queue": slug(queue)}
        action |= {"input": self.flow.arguments(), **retry}
        action["lease"] = self._seconds("HeartbeatSeconds") or QUIET_SECONDS
        self._bound(action, self._seconds("TimeoutSeconds"), retry, always=True)
        return self._finished(action, None, None)

    def _child(self, *, as_text: bool) -> Work:
        machine = self._argument("StateMachineArn")
        if not isinstance(machine, str):
            self._changes(self.field, "the state machine has to be named by a constant")
            machine = "state_machine"
        retry = retry_of(self.state.retry, self.losses, self.at)
        child = slug(machine.split(":")[-1])
        action: dict[str, Any] = {"name": self.name, "type": "activity", "activity": child}
        action |= {"input": self._payload("Input"), **retry}
        self._bound(action, self._seconds("TimeoutSeconds"), retry, always=True)
        self._no_heartbeat()
        output = "${ $string(result) }" if as_text else "$.result"
        return self._finished(action, None, {"Output": output, "Status": "SUCCEEDED"})

    def _http(self) -> Work:
        retry = retry_of(self.state.retry, self.losses, self.at)
        seconds = self._seconds("TimeoutSeconds")
        method = self._argument("Method")
        if not isinstance(method, str) or method not in _METHODS:
            self._changes(self.field, "the method is one of GET, POST, PUT, PATCH, DELETE")
            method = "POST"
        action: dict[str, Any] = {"name": self.name, "type": "sync", "raw": True, "method": method}
        endpoint, path = self._endpoint()
        if path is not None:
            action["path"] = path
        query = self._payload("QueryParameters")
        if isinstance(query, dict) and query:
            action["query"] = query
        elif query:
            self._changes(self.field, "the query parameters have to be an object of its own")
        action["input"] = self._payload("RequestBody")
        self._bound(action, seconds, retry)
        self._no_heartbeat()
        worker = {"name": self.name, "workerEndpoint": endpoint, **retry}
        worker["responseTimeout"] = min(seconds or HTTP_SECONDS, HTTP_SECONDS)
        worker |= self._headers() | self._auth()
        if self._argument("Transform") is not None:
            self._changes(self.field, "'Transform' is not supported: bodies are JSON")
        message = "of a response only the body is kept: StatusCode is 200, Headers are empty"
        self.losses.drops(pointer(*self.at, "Resource"), message)
        wrap = {"ResponseBody": "$.result", "StatusCode": 200, "StatusText": "OK", "Headers": {}}
        return self._finished(action, worker, wrap)

    def _finished(
        self, action: dict[str, Any], worker: dict[str, Any] | None, wrap: dict[str, Any] | None
    ) -> Work:
        """Shape the outcome: wrapped as theirs was, or by ResultSelector where nothing else is."""
        selector = self.state.selector
        if wrap is not None:
            return Work(action={**action, "output": wrap}, worker=worker)
        if self.is_jsonata or selector is None or self.state.assign:
            return Work(action=action, worker=worker)
        sight = replace(self.sight, input=place("result"))
        output = payload(selector, sight, (*self.at, "ResultSelector"))
        return Work(action={**action, "output": output}, worker=worker, selected=True)

    # ------------------------------------------------------------ times

    def _seconds(self, field: str) -> float | None:
        is_timeout = field == "TimeoutSeconds"
        given = self.state.timeout if is_timeout else self.state.heartbeat
        path = self.state.timeout_path if is_timeout else self.state.heartbeat_path
        if isinstance(given, str) or path is not None:
            self._changes(field if path is None else f"{field}Path", "it has to be a constant")
            return None
        return given

    def _bound(
        self,
        action: dict[str, Any],
        seconds: float | None,
        retry: dict[str, Any],
        *,
        always: bool = False,
    ) -> None:
        """Bound the action, which bounds all attempts: theirs is for each."""
        if seconds is None:
            return
        if not retry["retryCount"] or always:
            action["timeout"] = seconds
        if retry["retryCount"] and always and self.state.timeout is not None:
            message = "it bounds all attempts together, not each"
            self.losses.drops(pointer(*self.at, "TimeoutSeconds"), message)

    def _no_heartbeat(self) -> None:
        if self.state.heartbeat is not None or self.state.heartbeat_path is not None:
            message = "a call that is answered at once has no heartbeat; it is left out"
            self.losses.drops(pointer(*self.at, "HeartbeatSeconds"), message)

    # ------------------------------------------------------------ arguments

    def _given(self) -> dict[str, Any]:
        given = self.state.arguments if self.is_jsonata else self.state.parameters
        if isinstance(given, dict):
            return given
        if given is not None:
            self._changes(self.field, "it has to be an object, so that its fields can be told")
        return {}

    def _argument(self, name: str) -> Any:
        """Return a field as it is, or as a ``Value`` where it is dynamic."""
        given = self._given()
        dynamic = given.get(f"{name}.$")
        if not self.is_jsonata and isinstance(dynamic, str):
            return self.sight.value(dynamic, (*self.at, self.field, f"{name}.$"))
        found = given.get(name)
        if self.is_jsonata and isinstance(found, str) and jsonata_of(found) is not None:
            return self.sight.value(found, (*self.at, self.field, name))
        return found

    def _payload(self, name: str = "Payload") -> Any:
        found = self._argument(name)
        if isinstance(found, Value):
            return found.template
        return payload(found if found is not None else {}, self.sight, (*self.at, self.field, name))

    def _endpoint(self) -> tuple[str, str | None]:
        """Return the URL of the worker, and the path below it where that is dynamic."""
        found = self._argument("ApiEndpoint")
        try:
            if isinstance(found, Value):
                return split_endpoint(found)
            if not isinstance(found, str) or not found:
                raise Untranslatable("'ApiEndpoint' is missing")
        except Untranslatable as reason:
            self._changes(self.field, str(reason))
            return "endpoint", None
        return found, None

    def _headers(self) -> dict[str, Any]:
        given = self._argument("Headers")
        headers: dict[str, str] = {}
        for name, text in given.items() if isinstance(given, dict) else ():
            where = pointer(*self.at, self.field, "Headers", name)
            if not isinstance(text, str) or name.endswith(".$") or jsonata_of(text) is not None:
                self.losses.changes(where, "a header has to be a constant; use 'auth' or a secret")
            elif problem := header_problem(name, text):
                if (name.lower(), text) != ("content-type", "application/json"):
                    self.losses.drops(where, f"it is left out: {problem}")
            else:
                headers[name] = literal(text)
        if isinstance(given, Value):
            self._changes(self.field, "headers have to be constants")
        return {"headers": headers} if headers else {}

    def _auth(self) -> dict[str, str]:
        given = self._argument("Authentication")
        arn = given.get("ConnectionArn") if isinstance(given, dict) else None
        if given is None:
            return {}
        found = _CONNECTION.search(arn) if isinstance(arn, str) else None
        if found is None:
            self._changes(self.field, "'Authentication' needs a constant 'ConnectionArn'")
            return {}
        secret = re.sub(r"[^A-Z0-9_]", "_", found.group(1).upper())[:64]
        message = f"the secret {secret} has to hold what the connection '{found.group(1)}' sends"
        self.losses.drops(pointer(*self.at, self.field, "Authentication"), message)
        return {"auth": f"${{secret:{secret}}}"}

    def _changes(self, field: str, message: str) -> None:
        self.losses.changes(pointer(*self.at, field), message)


def _alias(resource: str) -> str:
    """Return the alias of a resource: the last part of its ARN, of a function its name."""
    found = _FUNCTION.match(resource)
    return slug(found.group(1) if found else resource.rstrip(":").split(":")[-1])


def split_endpoint(found: Value) -> tuple[str, str]:
    """Return the constant beginning of a URL, up to a ``/``, and a template of the rest."""
    text = found.text
    if text.startswith("(") and text.endswith(")"):
        text = text[1:-1]
    read = list(tokens(text))
    depth = 0
    for token in read:
        if token.kind == "operator":
            depth += (token.value in "([{") - (token.value in ")]}")
            if depth == 0 and token.value in _LOOSER:
                raise Untranslatable(_NO_ENDPOINT)
    first = read[0]
    if found == NOTHING or first.kind != "string" or len(read) < 3 or read[1].value != "&":
        raise Untranslatable(_NO_ENDPOINT)
    scheme, slashes, rest = first.value.partition("://")
    host, slash, path = rest.partition("/")
    if not slashes or not host or not slash or "?" in path:
        raise Untranslatable(_NO_ENDPOINT)
    kept, _, begun = path.rpartition("/")
    endpoint = f"{scheme}://{host}/{kept}".rstrip("/")
    tail = text[read[1].end :].strip()
    return endpoint, f"${{ {quoted(begun)} & {tail} }}" if begun else f"${{ {tail} }}"


_NO_ENDPOINT: Final = "the endpoint has to be a constant, or to begin with one up to a '/'"
