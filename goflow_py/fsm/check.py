"""What an upload proves: every finding at once, each with a code, a pointer and what to do."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from goflow_py.domain.actions import CallAction
from goflow_py.domain.blueprint import ROWS_MAX, WORKERS_AN_ACTION_MAX, Blueprint
from goflow_py.domain.headers import header_problem
from goflow_py.domain.names import (
    ALWAYS,
    ANY_STATE,
    CANCEL,
    CONTINUE,
    ENGINE_EVENTS,
    ERROR,
    FINAL_STATES,
    INIT,
    NAME,
    RESERVED_STATES,
    ROOTS,
    START,
    SUCCESS,
    TIMEOUT,
    did_you_mean,
)
from goflow_py.domain.workers import Worker
from goflow_py.errors import GoFlowError
from goflow_py.expression import compile_template
from goflow_py.fsm.collection import without_collection
from goflow_py.fsm.compile import Compiled, awaited, compile_blueprint
from goflow_py.fsm.cycles import zero_work_cycles
from goflow_py.fsm.findings import Finding, error, warning
from goflow_py.fsm.paths import Paths, path_findings, paths_of
from goflow_py.fsm.rows import CALLS, CompiledRow, CompiledState
from goflow_py.fsm.schemas import schema_problem


@without_collection()
def check(
    blueprint: Blueprint,
    *,
    workers: Iterable[Worker],
    workers_in_body: bool,
    is_resolved: Callable[[str], bool],
) -> tuple[Compiled, list[Finding]]:
    """Return the compiled blueprint and all findings, worst first.

    *workers* are those that will be in force; *workers_in_body* makes a missing one an error.
    """
    findings: list[Finding] = []

    def report(code: str, pointer: str, message: str) -> None:
        findings.append(Finding(code=code, severity="error", pointer=pointer, message=message))

    workers = list(workers)
    compiled = compile_blueprint(blueprint, workers={w.name for w in workers}, report=report)
    findings += _names(blueprint, compiled)
    findings += _references(blueprint, compiled)
    findings += _rows(compiled)
    findings += _schemas(blueprint)
    findings += [warning("doubtful_expression", *doubt) for doubt in compiled.doubts]
    paths = None
    if not any(finding.severity == "error" for finding in findings):
        # These walk the table, which has to be whole.
        paths = paths_of(compiled)
        findings += _unmatched(paths)
        findings += zero_work(compiled)
        findings += path_findings(paths)
    findings += check_workers(workers, is_resolved=is_resolved)
    findings += _missing_workers(compiled, workers, workers_in_body)
    findings += _never_called(compiled, workers, paths)
    if blueprint.events is None and any(state.outside for state in compiled.states.values()):
        message = "without 'events', names in rows are taken both from outside and from workers"
        findings.append(
            Finding(code="open_events", severity="info", pointer="/events", message=message)
        )
    order = {"error": 0, "warning": 1, "info": 2}
    return compiled, sorted(findings, key=lambda finding: order[finding.severity])


# ---------------------------------------------------------------- names and references


def _names(blueprint: Blueprint, compiled: Compiled) -> Iterator[Finding]:
    counted: Counter[str] = Counter()
    for i, state in enumerate(blueprint.state_objects()):
        counted[state.name] += 1
        if counted[state.name] > 1:
            yield error(
                "duplicate_state", f"/states/{i}", f"state '{state.name}' is declared twice"
            )
        if state.name in ROOTS:
            message = f"no state may be called '{state.name}': expressions use the word"
            yield error("reserved_name", f"/states/{i}", message)
        if state.name in RESERVED_STATES:
            message = f"'{state.name}' needs no declaration"
            yield Finding(
                code="reserved_state", severity="info", pointer=f"/states/{i}", message=message
            )
        if state.final and (state.on or state.after or state.timeout is not None):
            message = (
                f"the final state '{state.name}' is never left: its rows and timers do nothing"
            )
            yield warning("row_from_final", f"/states/{i}", message)
    seen: Counter[str] = Counter()
    for i, action in enumerate(blueprint.actions):
        seen[action.name] += 1
        if seen[action.name] > 1:
            yield error(
                "duplicate_action", f"/actions/{i}", f"action '{action.name}' is declared twice"
            )
        if action.name == CONTINUE:
            yield error("reserved_name", f"/actions/{i}", "'continue' is the engine's own action")
    if len(compiled.rows) > ROWS_MAX:
        yield error("too_many_rows", "/transitions", f"more than {ROWS_MAX} rows")


def _references(blueprint: Blueprint, compiled: Compiled) -> Iterator[Finding]:
    for row in compiled.rows:
        yield from _row_references(row, compiled)
    for i, state in enumerate(blueprint.state_objects()):
        if state.do is not None and state.do not in compiled.actions:
            yield _undeclared("action", state.do, f"/states/{i}/do", compiled.actions)
        for number, event in enumerate(state.defer):
            if event in ENGINE_EVENTS:
                message = f"'{event}' is raised by the engine and cannot be deferred"
                yield error("reserved_name", f"/states/{i}/defer/{number}", message)
    for name in blueprint.events or {}:
        if name in ENGINE_EVENTS:
            message = f"'{name}' is raised by the engine; declare only events from outside"
            yield error("reserved_name", f"/events/{name}", message)


def _row_references(row: CompiledRow, compiled: Compiled) -> Iterator[Finding]:
    states = compiled.states
    if row.current not in states and row.current != ANY_STATE:
        yield _undeclared("state", row.current, row.source, states)
    elif row.current in FINAL_STATES:
        message = f"the final state '{row.current}' is never left"
        yield warning("row_from_final", row.source, message)
    if row.next is not None and row.next not in states:
        yield _undeclared("state", row.next, row.source, states)
    elif row.next == INIT:
        yield error("init_entered", row.source, "'init' cannot be entered again")
    if row.action is not None and row.action not in compiled.actions:
        yield _undeclared("action", row.action, row.source, compiled.actions)


def _undeclared(what: str, name: str, pointer: str, known: Iterable[str]) -> Finding:
    message = f"{what} '{name}' is not declared{did_you_mean(name, known)}"
    return error(f"undeclared_{what}", pointer, message, fix=f"declare it in '{what}s'")


# ---------------------------------------------------------------- rows


def _rows(compiled: Compiled) -> Iterator[Finding]:
    declared = compiled.blueprint.events
    decided: dict[tuple[str, str], CompiledRow] = {}
    for row in compiled.rows:
        key = (row.current, row.event)
        first = decided.get(key)
        if first is not None and not row.when:
            message = (
                f"({row.current}, {row.event}) is decided by {first.source} already; "
                "give the first a 'when', or remove one"
            )
            yield error("two_unguarded_rows", row.source, message)
        elif first is not None:
            message = f"this row is never tried: {first.source} has no 'when'"
            yield warning("row_never_tried", row.source, message)
        if row.when is None:
            decided.setdefault(key, row)
        if row.next is None and not _may_stay(row, declared):
            message = f"a row for '{row.event}' needs 'next'; only events from outside may stay"
            yield error("no_next", row.source, message)
        if row.event == ALWAYS and row.next == row.current:
            yield error("always_self", row.source, "an 'always' row must name another state")
        if row.current == ANY_STATE and row.event == START:
            yield error("star_start", row.source, "'*' has no rows for 'start'; name the states")
        if row.event != START and row.current == INIT and row.event in ENGINE_EVENTS - {CANCEL}:
            message = f"'init' has no work, so '{row.event}' never happens there"
            yield warning("row_never_tried", row.source, message)


def _may_stay(row: CompiledRow, declared: Mapping[str, Any] | None) -> bool:
    return row.event not in ENGINE_EVENTS and (declared is None or row.event in declared)


def _schemas(blueprint: Blueprint) -> Iterator[Finding]:
    schemas = {f"/events/{n}/schema": e.schema_ for n, e in (blueprint.events or {}).items()}
    schemas["/input"] = blueprint.input
    for pointer, schema in schemas.items():
        problem = None if schema is None else schema_problem(schema)
        if problem:
            yield error("bad_schema", pointer, f"this is no JSON Schema to be used: {problem}")


def _unmatched(paths: Paths) -> Iterator[Finding]:
    """Warn where an outcome has no row: R4 decides then, and the author should know how."""
    compiled = paths.compiled
    for state in compiled.states.values():
        if state.name in RESERVED_STATES or state.final:
            continue
        work = [compiled.actions[name] for name in paths.work[state.name]]
        if not work:
            continue
        kinds, pointer = {action.kind for action in work}, state.source
        always = (state.name, ALWAYS) in compiled.table
        awaits_all = all(_has(compiled, state, event) for one in work for event in awaited(one))
        ends_as_success = kinds - {"switch"} - ({"wait"} if awaits_all else set())
        if ends_as_success and not always and not _has(compiled, state, SUCCESS):
            message = f"state '{state.name}' has no row for 'success': it leads to 'done'"
            yield warning("unmatched_success", pointer, message, fix="add a row, or keep it so")
        if kinds & CALLS and not always and not _has(compiled, state, ERROR):
            message = f"state '{state.name}' has no row for 'error': the execution fails there"
            yield warning("unmatched_error", pointer, message, fix="add a row, or keep it so")
        timed = any(timer.event == TIMEOUT for timer in state.timers)
        if timed and not always and not _has(compiled, state, TIMEOUT):
            message = f"state '{state.name}' has no row for 'timeout': it counts as 'error'"
            yield warning("unmatched_timeout", pointer, message)


def _has(compiled: Compiled, state: CompiledState, event: str) -> bool:
    return (state.name, event) in compiled.table


def zero_work(compiled: Compiled) -> Iterator[Finding]:
    """Refuse cycles that do no work and wait for nothing (R9); warn where a guard may end one."""
    for cycle in zero_work_cycles(compiled):
        shown = " -> ".join(cycle.states)
        if cycle.guarded:
            message = (
                f"this cycle does no work and waits for nothing unless a guard ends it: {shown}"
            )
            yield warning("guarded_cycle", cycle.source, message, path=cycle.states)
        else:
            message = f"this cycle does no work and waits for nothing: {shown}"
            yield error("zero_work_cycle", cycle.source, message, path=cycle.states)


# ---------------------------------------------------------------- workers


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
            message = f"the endpoint alias '{alias}' points nowhere yet"
            yield warning(
                "unresolved_alias",
                f"{pointer}/workerEndpoint",
                message,
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
    texts = {f"headers/{name}": text for name, text in worker.headers.items()}
    texts |= {"auth": worker.auth or "", "signingSecret": worker.signing_secret or ""}
    texts["workerEndpoint"] = worker.worker_endpoint
    for name, text in texts.items():
        try:
            compile_template(text, secrets=True)
        except GoFlowError as failure:
            yield error("bad_expression", f"{pointer}/{name}", failure.detail)


def _headers(worker: Worker, pointer: str) -> Iterator[Finding]:
    for name, value in worker.headers.items():
        problem = header_problem(name, value)
        if problem:
            yield error("bad_header", f"{pointer}/headers/{name}", problem)


def _missing_workers(
    compiled: Compiled, workers: Iterable[Worker], workers_in_body: bool
) -> Iterator[Finding]:
    names = {worker.name for worker in workers}
    for i, action in enumerate(compiled.blueprint.actions):
        if isinstance(action, CallAction) and action.name not in names:
            message = f"action '{action.name}' has no worker"
            make = error if workers_in_body else warning
            yield make("no_worker", f"/actions/{i}", message, fix="add one to 'workers'")


def _never_called(
    compiled: Compiled, workers: Iterable[Worker], paths: Paths | None
) -> Iterator[Finding]:
    """Warn of workers whose action nothing uses; without *paths*, the whole table counts."""
    used = {state.work for state in compiled.states.values()}
    used |= {row.action for row in compiled.rows}
    called = used
    if paths is not None:
        called = {action for state in paths.before for action in paths.work[state]}
    for i, worker in enumerate(workers):
        if worker.name not in called:
            why = "no row or state uses that action"
            if worker.name in used:
                why = "no state that can be reached uses that action"
            message = f"worker '{worker.name}' is never called: {why}"
            yield warning("worker_never_called", f"/workers/{i}", message)
