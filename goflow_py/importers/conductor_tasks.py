"""Conductor's tasks that are one piece of work: each is an action, an HTTP task a worker too."""

import re
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote_plus

from goflow_py.domain import durations
from goflow_py.domain.headers import header_problem
from goflow_py.importers.asl_paths import Untranslatable
from goflow_py.importers.conductor_models import Task, TaskDef
from goflow_py.importers.conductor_refs import Scope
from goflow_py.importers.conductor_scripts import body_of
from goflow_py.importers.names import slug
from goflow_py.importers.result import Losses, literal, pointer

DELAY_SECONDS_MAX: Final = 31_536_000.0
RETRIES_MAX: Final = 1_000

_SECRET = re.compile(r"\$\{workflow\.secrets\.([A-Za-z0-9_.-]{1,64})\}")
_DURATION = re.compile(r"([0-9]+)\s*(d|h|m|s)[a-z]*\s*", re.IGNORECASE)
_METHODS: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d)(:\d\d)?)?\s*(Z|UTC|GMT|[+-]\d\d:?\d\d)?\Z")


@dataclass(kw_only=True)
class Work:
    """Makes the action of one task."""

    task: Task
    name: str
    """Our name of the task, and of its action."""
    scope: Scope
    at: tuple[str | int, ...]
    definition: TaskDef | None = None
    workers: list[dict[str, Any]]

    def __post_init__(self) -> None:
        self.losses: Losses = self.scope.losses
        given = self.definition.input_template if self.definition else {}
        self.input = {**given, **self.task.input_parameters}

    def action(self) -> dict[str, Any]:
        """Return the action; add its worker to the workers."""
        action: dict[str, Any] = {"name": self.name, **self._kind()}
        if self.task.description:
            action["description"] = self.task.description
        if self.task.optional:
            action["ignoreFailure"] = True
        if self.name != self.task.ref:
            action["meta"] = {"name": self.task.ref}
        return action

    def _kind(self) -> dict[str, Any]:
        if self.task.async_complete and self.task.type != "SIMPLE":
            message = "a task that somebody else completes later: use type 'async', or a wait"
            self._changes("asyncComplete", message)
        match self.task.type:
            case "HTTP":
                return self._http()
            case "SUB_WORKFLOW":
                return self._child()
            case "HUMAN":
                return {"type": "human", "input": self._input()}
            case "EVENT":
                return self._event()
            case "INLINE" | "LAMBDA":
                return self._script()
            case "SET_VARIABLE":
                return self._variables()
            case "WAIT":
                return self._wait()
            case _:
                return self._pulled()

    def _input(self) -> Any:
        return self.scope.template(self.input, (*self.at, "inputParameters"))

    def _changes(self, field: str, message: str) -> None:
        self.losses.changes(pointer(*self.at, field), message)

    def _drops(self, field: str, message: str) -> None:
        self.losses.drops(pointer(*self.at, field), message)

    # ------------------------------------------------------------ retries

    def _retry(self, *, default: int) -> dict[str, Any]:
        definition = self.definition
        count = self.task.retry_count
        if count is None:
            count = definition.retry_count if definition else default
        found: dict[str, Any] = {"retryCount": min(count, RETRIES_MAX)}
        if definition is None or not count:
            return found
        delay, rate = definition.retry_delay_seconds, 1.0
        if definition.retry_logic == "EXPONENTIAL_BACKOFF":
            rate = 2.0
        elif definition.retry_logic == "LINEAR_BACKOFF":
            delay *= definition.backoff_scale_factor
            message = "the delay between retries does not grow here: LINEAR_BACKOFF is as FIXED"
            self._drops("name", message)
        longest = definition.max_retry_delay_seconds or min(
            delay * rate ** min(count, 40), DELAY_SECONDS_MAX
        )
        found["retry"] = {
            "interval": delay,
            "backoffRate": rate,
            "maxInterval": max(longest, 0),
            "jitter": "none",
        }
        return found

    def _timeout(self) -> dict[str, Any]:
        definition = self.definition
        if definition is None or not definition.timeout_seconds:
            return {}
        if definition.timeout_policy == "ALERT_ONLY":
            self._drops("name", "a timeout that only alerts is left out")
            return {}
        if definition.timeout_policy == "RETRY":
            self._drops("name", "timeoutSeconds bounds all attempts together, not each")
        return {"timeout": definition.timeout_seconds}

    def _limits(self) -> None:
        definition = self.definition
        if definition and (definition.concurrent_exec_limit or definition.rate_limit_per_frequency):
            self._drops("name", "limits of the rate or the number of its executions are left out")

    # ------------------------------------------------------------ kinds of work

    def _pulled(self) -> dict[str, Any]:
        self._limits()
        definition = self.definition or TaskDef()
        queue = slug(self.task.name or self.task.ref)
        found: dict[str, Any] = {"type": "pull", "queue": queue}
        found |= {"input": self._input(), **self._retry(default=3), **self._timeout()}
        if definition.response_timeout_seconds:
            found["lease"] = definition.response_timeout_seconds
        return found

    def _child(self) -> dict[str, Any]:
        given = self.task.sub_workflow_param
        name = given.get("name") or self.task.name
        if "workflowDefinition" in given:
            message = "import the workflow in it on its own, and name it"
            self._changes("subWorkflowParam", message)
        if not isinstance(name, str) or "${" in name or not name:
            self._changes("subWorkflowParam", "the workflow has to be named by a constant")
            name = "workflow"
        if given.get("version") is not None:
            message = "versions are numbered anew here: the child is the latest one"
            self._drops("subWorkflowParam", message)
        found = {"type": "activity", "activity": slug(name), "input": self._input()}
        return found | self._retry(default=0) | self._timeout()

    def _event(self) -> dict[str, Any]:
        sink = self.task.sink or ""
        if not sink or "${" in sink:
            self._changes("sink", "the sink has to be a constant")
            sink = "sink"
        kind, _, name = sink.partition(":")
        endpoint = slug(sink.replace(":", "_"))
        message = f"the event goes to the endpoint '{endpoint}' as a CloudEvent: say where that is"
        self._drops("sink", message)
        event = slug(name.replace(":", "_") or self.task.ref if kind else sink)
        return {"type": "emit", "event": event, "endpoint": endpoint, "input": self._input()}

    def _script(self) -> dict[str, Any]:
        given = dict(self.input)
        field = "expression" if self.task.type == "INLINE" else "scriptExpression"
        own = self.task.expression if self.task.type == "INLINE" else self.task.script_expression
        text = given.pop(field, None) or own
        evaluator = given.pop("evaluatorType", None) or self.task.evaluator_type
        if evaluator not in (None, "javascript", "graaljs"):
            self._changes("evaluatorType", "only JavaScript is evaluated")
        if not isinstance(text, str) or not text.strip():
            self._changes("inputParameters", f"'{field}' is missing")
            text = "null"
        seen = self.scope.template(given, (*self.at, "inputParameters"))
        return {"type": "script", "input": seen, "script": called(text)}

    def _variables(self) -> dict[str, Any]:
        if self.scope.parent is not None:
            message = "a branch that is a machine of its own cannot set the workflow's variables"
            self._changes("inputParameters", message)
        values = self._input()
        return {"type": "map", "set": {slug(name): value for name, value in values.items()}}

    def _wait(self) -> dict[str, Any]:
        duration, until = self.input.get("duration"), self.input.get("until")
        at = (*self.at, "inputParameters")
        if duration is None and until is None:
            return {"type": "wait", "event": self.name}
        if until is not None:
            return {"type": "delay", "until": self._until(until, at)}
        seconds = duration_of(duration)
        if seconds is None and isinstance(duration, str) and "${" in duration:
            message = "a duration that is computed has to be one of ours: seconds, '5m', 'PT5M'"
            self._drops("inputParameters", message)
            return {"type": "delay", "seconds": self.scope.text(duration, (*at, "duration"))}
        if seconds is None:
            self._changes("inputParameters", f"'{str(duration)[:80]}' is not understood")
        return {"type": "delay", "seconds": seconds or 0}

    def _until(self, until: Any, at: tuple[str | int, ...]) -> Any:
        if isinstance(until, str) and "${" in until:
            self._drops("inputParameters", "a time that is computed has to be written as RFC 3339")
            return self.scope.text(until, (*at, "until"))
        found = _TIME.match(until.strip()) if isinstance(until, str) else None
        if found:
            zone = found.group(4) or "Z"
            zone = "Z" if zone.isalpha() else f"{zone[:3]}:{zone[-2:]}"
            text = f"{found.group(1)}T{found.group(2) or '00:00'}{found.group(3) or ':00'}{zone}"
            try:
                durations.timestamp_ms(text)
            except ValueError:
                found = None
            else:
                if not found.group(4):
                    self._drops("inputParameters", "a time without a zone is taken as UTC")
                return text
        self._changes("inputParameters", f"'{str(until)[:80]}' is no time")
        return "1970-01-01T00:00:00Z"

    # ------------------------------------------------------------ HTTP

    def _http(self) -> dict[str, Any]:
        given = self.input.get("http_request", self.input)
        nested = ("http_request",) if "http_request" in self.input else ()
        at = (*self.at, "inputParameters", *nested)
        given = given if isinstance(given, dict) else {}
        method = given.get("method", "GET")
        if not isinstance(method, str) or method not in _METHODS:
            self._changes("inputParameters", "the method is one of GET, POST, PUT, PATCH, DELETE")
            method = "GET"
        action: dict[str, Any] = {"type": "sync", "raw": True, "method": method}
        worker: dict[str, Any] = {"name": self.name}
        try:
            endpoint, target = split_uri(given.get("uri"), self.scope, (*at, "uri"))
        except Untranslatable as reason:
            self._changes("inputParameters", str(reason))
            endpoint, target = "endpoint", {}
        worker["workerEndpoint"] = endpoint
        action |= target
        action["input"] = self.scope.template(given.get("body"), (*at, "body"))
        action["output"] = {"response": {"body": "$.result", "statusCode": 200, "headers": {}}}
        action |= self._timeout()
        message = "of a response only the body is kept: statusCode is 200, headers are empty"
        self._drops("type", message)
        self._limits()
        worker |= self._retry(default=0)
        read = given.get("readTimeOut")
        if isinstance(read, int | float) and not isinstance(read, bool) and read > 0:
            worker["responseTimeout"] = read / 1000
        headers = self._headers(given, at)
        self.workers.append(worker | ({"headers": headers} if headers else {}))
        return action

    def _headers(self, given: dict[str, Any], at: tuple[str | int, ...]) -> dict[str, str]:
        headers = given.get("headers")
        found = dict(headers) if isinstance(headers, dict) else {}
        if isinstance(headers, str):
            self.losses.changes(pointer(*at, "headers"), "headers have to be constants")
        for field, name in (("accept", "Accept"), ("contentType", "Content-Type")):
            if given.get(field) not in (None, "application/json"):
                found.setdefault(name, given[field])
        kept: dict[str, str] = {}
        for name, text in found.items():
            where = pointer(*at, "headers", name)
            if not isinstance(text, str) or "${" in _SECRET.sub("", text):
                self.losses.changes(where, "a header is a constant, or ${workflow.secrets.NAME}")
            elif problem := header_problem(name, text):
                if (name.lower(), text) != ("content-type", "application/json"):
                    self.losses.drops(where, f"it is left out: {problem}")
            else:
                kept[name] = _SECRET.sub(r"${secret:\1}", text) if "${" in text else literal(text)
        return kept


def called(script: str) -> str:
    """Return a script of ours whose ``result`` is what theirs gives for the input as its ``$``."""
    body = body_of(script)
    is_body = re.search(r"\breturn\b", body) is not None
    inner = body if is_body else f"return ({body.strip().rstrip(';').strip()});"
    return f"$['result'] = (function ($) {{ {inner}\n}})($.input);"


def duration_of(text: Any) -> float | None:
    """Return the seconds of ``2 days 3 hours``; none where it is not understood."""
    if not isinstance(text, str) or not text.strip():
        return None
    total, position, text = 0.0, 0, text.strip()
    units = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
    while position < len(text):
        found = _DURATION.match(text, position)
        if found is None:
            return None
        total += float(found.group(1)[:12]) * units[found.group(2).lower()]
        position = found.end()
    return total if total <= durations.SECONDS_MAX else None


def split_uri(uri: Any, scope: Scope, at: tuple[str | int, ...]) -> tuple[str, dict[str, Any]]:
    """Return the constant part of a URI, and what ``path`` and ``query`` add to it."""
    if not isinstance(uri, str) or not uri:
        raise Untranslatable("'uri' is missing")
    if "${" not in uri:
        return uri, {}
    address, _, search = uri.partition("?")
    if "${" in address:
        constant = address[: address.index("${")]
    else:
        constant = f"{address}/"
    scheme, slashes, rest = constant.partition("://")
    host, slash, path = rest.partition("/")
    if not slashes or not host or not slash:
        raise Untranslatable("the address has to begin with a constant, up to a '/'")
    kept = path.rpartition("/")[0]
    endpoint = f"{scheme}://{host}/{kept}".rstrip("/")
    target: dict[str, Any] = {}
    if "${" in address:
        begins = len(scheme) + 3 + len(host) + 1 + (len(kept) + 1 if kept else 0)
        target["path"] = scope.text(address[begins:], at)
    pairs = [pair.partition("=") for pair in search.split("&") if pair]
    if any("${" in name for name, _, _ in pairs):
        raise Untranslatable("the names of a query have to be constants")
    if pairs:
        target["query"] = {
            unquote_plus(name): scope.text(text if "${" in text else unquote_plus(text), at)
            for name, _, text in pairs
        }
    return endpoint, target
