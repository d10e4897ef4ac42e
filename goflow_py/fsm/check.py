"""What an upload proves: every finding at once, each with a code, a pointer and what to do."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from goflow_py.domain.blueprint import ROWS_MAX, Blueprint
from goflow_py.domain.names import (
    ALWAYS,
    ANY_STATE,
    CANCEL,
    CONTINUE,
    ENGINE_EVENTS,
    FINAL_STATES,
    INIT,
    RESERVED_STATES,
    ROOTS,
    START,
)
from goflow_py.domain.workers import Worker
from goflow_py.fsm.check_machines import endless, never_used, running
from goflow_py.fsm.check_outcomes import outcome_findings
from goflow_py.fsm.check_tasks import compensating, endpoints_of, task_findings, undeclared
from goflow_py.fsm.check_workers import (
    check_workers,
    endpoint_problem,
    missing_workers,
    never_called,
    unresolved_alias,
)
from goflow_py.fsm.collection import without_collection
from goflow_py.fsm.compile import Compiled, compile_blueprint, machine_document
from goflow_py.fsm.cycles import zero_work_cycles
from goflow_py.fsm.findings import Finding, error, warning
from goflow_py.fsm.graph import Paths, paths_of
from goflow_py.fsm.parse import escape
from goflow_py.fsm.paths import path_findings
from goflow_py.fsm.rows import CompiledRow
from goflow_py.fsm.schemas import schema_problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A blueprint that was looked at, and what else was found out on the way."""

    compiled: Compiled
    findings: list[Finding]
    """Worst first."""
    paths: Paths | None = None
    """None where an error keeps the table from being walked."""
    machines: Mapping[str, Paths] = field(default_factory=dict)
    """Of each machine that could be walked."""


def check(
    blueprint: Blueprint,
    *,
    workers: Iterable[Worker],
    workers_in_body: bool,
    is_resolved: Callable[[str], bool],
) -> tuple[Compiled, list[Finding]]:
    """Return the compiled blueprint and all findings, worst first; see ``examine``."""
    checked = examine(
        blueprint, workers=workers, workers_in_body=workers_in_body, is_resolved=is_resolved
    )
    return checked.compiled, checked.findings


@without_collection()
def examine(
    blueprint: Blueprint,
    *,
    workers: Iterable[Worker],
    workers_in_body: bool,
    is_resolved: Callable[[str], bool],
) -> Checked:
    """Compile, and find everything that can be said of it.

    *workers* are those that will be in force; *workers_in_body* makes a missing one an error.
    """
    findings: list[Finding] = []

    def report(code: str, pointer: str, message: str) -> None:
        findings.append(Finding(code=code, severity="error", pointer=pointer, message=message))

    workers = list(workers)
    compiled = compile_blueprint(blueprint, workers={w.name for w in workers}, report=report)
    is_whole = not findings
    used: set[str] = set()
    called: dict[str, set[str]] = {}
    paths: dict[str, Paths] = {}
    for part in _parts(blueprint, compiled):
        looked = _look_at(part, is_resolved, is_whole=is_whole)
        findings += looked.findings
        used |= looked.used
        called[part.name] = looked.called
        if looked.paths is not None:
            paths[part.name] = looked.paths
    root = paths.pop("", None)
    findings += _of_machines(compiled, called, paths)
    findings += check_workers(workers, is_resolved=is_resolved)
    findings += missing_workers(blueprint, workers, workers_in_body)
    at_work = running(compiled, called) | {""}
    findings += never_called(workers, used, set().union(*(called[name] for name in at_work)))
    if blueprint.events is None and _takes_events(compiled):
        message = "without 'events', names in rows are taken both from outside and from workers"
        findings.append(
            Finding(code="open_events", severity="info", pointer="/events", message=message)
        )
    order = {"error": 0, "warning": 1, "info": 2}
    # What is said of an action that several machines share is the same, but for the path.
    once: dict[tuple[str, str, str], Finding] = {}
    for one in findings:
        once.setdefault((one.code, one.pointer, one.message), one)
    found = sorted(once.values(), key=lambda finding: order[finding.severity])
    return Checked(compiled=compiled, findings=found, paths=root, machines=paths)


def _takes_events(compiled: Compiled) -> bool:
    parts = [compiled, *compiled.machines.values()]
    return any(state.outside for part in parts for state in part.states.values())


def _of_machines(
    compiled: Compiled, called: Mapping[str, set[str]], paths: Mapping[str, Paths]
) -> Iterator[Finding]:
    yield from never_used(compiled, called)
    if len(paths) == len(compiled.machines):
        yield from endless(paths)


# ---------------------------------------------------------------- the blueprint and its machines


@dataclass(frozen=True, slots=True)
class _Part:
    """The blueprint itself, or one of its machines as a document of its own."""

    document: Blueprint
    compiled: Compiled
    name: str = ""
    """The machine's."""
    own_actions: int = ROWS_MAX
    """How many of the actions are its own: the others are the blueprint's."""
    shared: Mapping[str, int] = field(default_factory=dict)
    """The places of the blueprint's actions."""

    @property
    def written(self) -> Blueprint:
        """Return the document with its own actions alone."""
        if not self.name:
            return self.document
        own = self.document.actions[: self.own_actions]
        return self.document.model_copy(update={"actions": own})

    @property
    def prefix(self) -> str:
        """Return the pointer of its document."""
        return f"/machines/{escape(self.name)}" if self.name else ""

    def place(self, finding: Finding) -> Finding | None:
        """Return *finding* with its pointer into the whole blueprint; None for one said before."""
        if not self.prefix:
            return finding
        parts = finding.pointer.split("/")
        if parts[1:2] == ["events"]:
            return None
        if parts[1:2] == ["actions"] and int(parts[2]) >= self.own_actions:
            # One of the blueprint's, as it is used in this machine.
            parts[2] = str(self.shared[self.document.actions[int(parts[2])].name])
            return replace(finding, pointer="/".join(parts))
        return replace(finding, pointer=self.prefix + finding.pointer)


def _parts(blueprint: Blueprint, compiled: Compiled) -> Iterator[_Part]:
    yield _Part(blueprint, compiled)
    shared = {action.name: place for place, action in enumerate(blueprint.actions)}
    for name, machine in compiled.machines.items():
        own = len(blueprint.machines[name].actions)
        yield _Part(machine_document(blueprint, name), machine, name, own, shared)


@dataclass(frozen=True, slots=True)
class _Looked:
    """What was found in one part."""

    findings: list[Finding]
    used: set[str]
    """The actions that anything in it names."""
    called: set[str]
    """Those of them that states use which can be reached."""
    paths: Paths | None = None


def _look_at(part: _Part, is_resolved: Callable[[str], bool], *, is_whole: bool) -> _Looked:
    document, compiled = part.written, part.compiled
    findings = [
        *_names(document, compiled),
        *_finals(document),
        *_references(document, compiled),
        *task_findings(document, compiled),
        *_rows(compiled),
        *_schemas(document),
        *_endpoints(document, is_resolved),
        *(warning("doubtful_expression", *doubt) for doubt in compiled.doubts),
    ]
    used = called = _used(compiled)
    paths = None
    if is_whole and not any(finding.severity == "error" for finding in findings):
        # These walk the table, which has to be whole.
        paths = paths_of(compiled)
        findings += outcome_findings(paths)
        findings += zero_work(compiled)
        findings += path_findings(paths)
        called = paths.reached | _around(compiled, paths.before)
        called |= compensating(compiled.actions, called)
    placed = (part.place(finding) for finding in findings)
    known = [finding for finding in placed if finding is not None]
    return _Looked(known, used, called, paths)


def _used(compiled: Compiled) -> set[str]:
    """Return every action that a state, a row or another action names."""
    used = {name for state in compiled.states.values() for name in state.actions}
    used |= {row.action for row in compiled.rows if row.action is not None}
    used |= _around(compiled, compiled.states)
    return used | compensating(compiled.actions, used)


def _around(compiled: Compiled, states: Iterable[str]) -> set[str]:
    """Return the actions before and after the work of *states*."""
    found: set[str] = set()
    for name in states:
        subscribe = compiled.states[name].subscribe
        if subscribe is not None:
            around = (subscribe.setup, subscribe.teardown)
            found |= {action for action in around if action is not None}
    return found


def _endpoints(document: Blueprint, is_resolved: Callable[[str], bool]) -> Iterator[Finding]:
    for pointer, endpoint in endpoints_of(document):
        problem = endpoint_problem(endpoint)
        if problem:
            yield error("bad_endpoint", pointer, problem)
        elif "://" not in endpoint and not is_resolved(endpoint):
            yield unresolved_alias(endpoint, pointer)


# ---------------------------------------------------------------- names and references


def _names(blueprint: Blueprint, compiled: Compiled) -> Iterator[Finding]:
    counted: Counter[str] = Counter()
    for i, name in enumerate(blueprint.state_names()):
        counted[name] += 1
        if counted[name] > 1:
            yield error("duplicate_state", f"/states/{i}", f"state '{name}' is declared twice")
        if name in ROOTS:
            message = f"no state may be called '{name}': expressions use the word"
            yield error("reserved_name", f"/states/{i}", message)
        if name in RESERVED_STATES:
            message = f"'{name}' needs no declaration"
            yield Finding(
                code="reserved_state", severity="info", pointer=f"/states/{i}", message=message
            )
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


def _finals(blueprint: Blueprint) -> Iterator[Finding]:
    for i, state in blueprint.written_states():
        if state.final and (state.on or state.after or state.timeout is not None):
            message = (
                f"the final state '{state.name}' is never left: its rows and timers do nothing"
            )
            yield warning("row_from_final", f"/states/{i}", message)


def _references(blueprint: Blueprint, compiled: Compiled) -> Iterator[Finding]:
    for row in compiled.rows:
        yield from _row_references(row, compiled)
    for i, state in blueprint.written_states():
        if state.do is not None and state.do not in compiled.actions:
            yield undeclared("action", state.do, f"/states/{i}/do", compiled.actions)
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
        yield undeclared("state", row.current, row.source, states)
    elif row.current in FINAL_STATES:
        message = f"the final state '{row.current}' is never left"
        yield warning("row_from_final", row.source, message)
    if row.next is not None and row.next not in states:
        yield undeclared("state", row.next, row.source, states)
    elif row.next == INIT:
        yield error("init_entered", row.source, "'init' cannot be entered again")
    if row.action is not None and row.action not in compiled.actions:
        yield undeclared("action", row.action, row.source, compiled.actions)


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
