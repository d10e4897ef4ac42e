"""What an upload proves of workers: endpoints, headers, secrets, who is missing, who is idle."""

from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator
from functools import lru_cache
from urllib.parse import urlsplit

from goflow_py.domain.actions import CallAction
from goflow_py.domain.blueprint import WORKERS_AN_ACTION_MAX, Blueprint
from goflow_py.domain.headers import header_problem
from goflow_py.domain.names import (
    NAME,
)
from goflow_py.domain.workers import Worker
from goflow_py.errors import GoFlowError
from goflow_py.expression import compile_template
from goflow_py.fsm.findings import Finding, error, warning
from goflow_py.fsm.parse import escape


def check_workers(
    workers: Iterable[Worker], *, is_resolved: Callable[[str], bool]
) -> Iterator[Finding]:
    """Check a workers document by itself."""
    counted: Counter[str] = Counter()
    endpoints: set[tuple[str, str]] = set()
    unresolved: set[str] = set()
    for i, worker in enumerate(workers):
        pointer = f"/workers/{i}"
        counted[worker.name] += 1
        if counted[worker.name] == WORKERS_AN_ACTION_MAX + 1:
            message = f"action '{worker.name}' has more than {WORKERS_AN_ACTION_MAX} workers"
            yield error("too_many_workers", pointer, message)
        key = (worker.name, worker.worker_endpoint)
        if key in endpoints:
            message = f"'{worker.worker_endpoint}' is listed twice for '{worker.name}'"
            yield error("duplicate_worker", pointer, message)
        endpoints.add(key)
        yield from _endpoint(worker, pointer)
        yield from _headers(worker, pointer)
        yield from _secrets(worker, pointer)
        alias = worker.worker_endpoint
        if "://" not in alias and not is_resolved(alias) and alias not in unresolved:
            unresolved.add(alias)
            yield unresolved_alias(alias, f"{pointer}/workerEndpoint")


def unresolved_alias(alias: str, pointer: str) -> Finding:
    """Return the finding that an alias points nowhere."""
    return warning(
        "unresolved_alias",
        pointer,
        f"the endpoint alias '{alias}' points nowhere yet",
        fix=f"PUT /v1/endpoints/{alias}, or start the server with --endpoint {alias}=URL",
    )


def _endpoint(worker: Worker, pointer: str) -> Iterator[Finding]:
    problem = endpoint_problem(worker.worker_endpoint)
    if problem:
        yield error("bad_endpoint", f"{pointer}/workerEndpoint", problem)


@lru_cache(maxsize=4_096)
def endpoint_problem(endpoint: str) -> str | None:
    """Return what is wrong with an endpoint, or None."""
    if "://" not in endpoint:
        return None if NAME.match(endpoint) else f"'{endpoint[:80]}' is neither a URL nor a name"
    try:
        parts = urlsplit(endpoint)
        _ = parts.port
    except ValueError as error:
        return f"'{endpoint[:80]}' is no URL: {error}"
    if parts.scheme not in ("http", "https"):
        return f"the scheme '{parts.scheme[:20]}' is not supported; use http or https"
    if parts.username is not None or parts.password is not None:
        return "a URL must not hold a user or a password; use 'auth' with ${secret:NAME}"
    if not parts.hostname or parts.fragment or any(c.isspace() for c in endpoint):
        return f"'{endpoint[:80]}' is no URL that can be called"
    return None


def _secrets(worker: Worker, pointer: str) -> Iterator[Finding]:
    texts: dict[str, str | None]
    texts = {f"headers/{name}": text for name, text in worker.headers.items()}
    texts |= {"auth": worker.auth, "signingSecret": worker.signing_secret}
    texts["workerEndpoint"] = worker.worker_endpoint
    for name, text in texts.items():
        if not text or "$" not in text:
            continue
        try:
            compile_template(text, secrets=True)
        except GoFlowError as failure:
            yield error("bad_expression", f"{pointer}/{name}", failure.detail)


def _headers(worker: Worker, pointer: str) -> Iterator[Finding]:
    for name, value in worker.headers.items():
        problem = header_problem(name, value)
        if problem:
            yield error("bad_header", f"{pointer}/headers/{name}", problem)


def missing_workers(
    blueprint: Blueprint, workers: Iterable[Worker], workers_in_body: bool
) -> Iterator[Finding]:
    """Say which calls nobody answers; *workers_in_body* makes that an error."""
    names = {worker.name for worker in workers}
    lists = {"": blueprint.actions}
    for name, machine in blueprint.machines.items():
        lists[f"/machines/{escape(name)}"] = machine.actions
    for prefix, actions in lists.items():
        for i, action in enumerate(actions):
            if isinstance(action, CallAction) and action.name not in names:
                message = f"action '{action.name}' has no worker"
                make = error if workers_in_body else warning
                pointer = f"{prefix}/actions/{i}"
                yield make("no_worker", pointer, message, fix="add one to 'workers'")


def never_called(
    workers: Iterable[Worker], used: Container[str], called: Container[str]
) -> Iterator[Finding]:
    """Warn of workers whose action nothing uses, or only what cannot be reached."""
    for i, worker in enumerate(workers):
        if worker.name not in called:
            why = "no row or state uses that action"
            if worker.name in used:
                why = "no state that can be reached uses that action"
            message = f"worker '{worker.name}' is never called: {why}"
            yield warning("worker_never_called", f"/workers/{i}", message)
