"""The use cases of running executions: start, send an event, control, delete."""

from collections.abc import Sequence
from typing import Any

import orjson

from goflow_py.clock import Clock
from goflow_py.domain.event import Control, Outside
from goflow_py.domain.execution import Execution
from goflow_py.engine.catalog import Activity, Catalog, check_startable
from goflow_py.engine.dispatcher import Dispatcher
from goflow_py.engine.owner import NameTaken, Owner
from goflow_py.engine.refusals import refusal_of
from goflow_py.engine.requests import (
    IDEMPOTENCY_SECONDS,
    Match,
    Repeat,
    Sent,
    Started,
    StartRequest,
)
from goflow_py.engine.steps import Step
from goflow_py.errors import Conflict, GoFlowError, Gone, Invalid, NotFound
from goflow_py.expression import budget
from goflow_py.fsm import events, inputs
from goflow_py.fsm.compile import Compiled
from goflow_py.fsm.controls import control
from goflow_py.fsm.schemas import check_schema
from goflow_py.ports import Name, Store

KEY_CHARACTERS_MAX = 255


class Executions:
    """Starts executions and carries events and verbs to them."""

    def __init__(
        self,
        *,
        store: Store,
        catalog: Catalog,
        owner: Owner,
        dispatcher: Dispatcher,
        clock: Clock,
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._owner = owner
        self._dispatcher = dispatcher
        self._clock = clock

    # ------------------------------------------------------------ start

    async def start(self, project: str, activity: str, request: StartRequest) -> Started:
        """Start an execution; it is durable when this returns.

        Raises ``NotFound``, ``Invalid``, ``Conflict`` (id of another), ``Gone`` (was purged).
        """
        known = await self._catalog.activity(project, activity)
        if request.version in (None, known.latest.version):
            check_startable(known, known.problems)
            compiled = known.latest
        else:
            compiled = await self._startable(known, int(request.version or 0))
        key = await self._fit(compiled, request)
        execution = Execution(
            id=request.id or self._owner.memory.mint(),
            project=project,
            activity=activity,
            version=compiled.version,
        )

        def begin(step: Step) -> None:
            inputs.start(
                step.compiled,
                step.draft,
                delay_seconds=request.delay_seconds,
                input=request.input,
                key=key,
                labels=dict(request.labels),
                traceparent=request.traceparent or self._trace(),
            )

        try:
            names = _start_names(execution, key, request.repeat, self._clock.now_ms())
            begun = await self._owner.start(execution, compiled, begin, names)
        except NameTaken as taken:
            return await self._existing(taken.name, request, project, activity)
        return Started(execution=begun, created=True)

    async def _fit(self, compiled: Compiled, request: StartRequest) -> str | None:
        """Hold the input to its schema, and return the business key: in a turn of the project."""
        if compiled.blueprint.input is None and (request.key is not None or compiled.key is None):
            return request.key
        project, turns = compiled.blueprint.project, self._owner.turns

        async def fit() -> str | None:
            try:
                if compiled.blueprint.input is not None:
                    schema = compiled.blueprint.input
                    check_schema(schema, request.input, "the input", payer=project)
                return _business_key(compiled, request)
            finally:
                turns.charge(project)

        turns.admit(project)
        return await turns.run(project, fit)

    async def _startable(self, known: Activity, version: int) -> Compiled:
        """Return an older version, if it can be started."""
        blueprint = known.latest.blueprint
        compiled = await self._catalog.compiled(blueprint.project, blueprint.activity, version)
        check_startable(known, self._catalog.start_problems(compiled, known.workers))
        return compiled

    async def _existing(
        self, name: Name, request: StartRequest, project: str, activity: str
    ) -> Started:
        """Answer a start whose name is taken: it is a repeat, or the execution runs already."""
        repeat = request.repeat
        if name.kind == "idem" and repeat is not None:
            repeat.check(name)
        try:
            execution = await self._owner.memory.read(name.execution)
        except NotFound:
            if name.kind != "idem":
                raise
            message = "the execution that this Idempotency-Key started was purged; use a new key"
            raise Gone(message, code="purged") from None
        if name.kind == "idem":
            return Started(execution=execution, created=True, replayed=True)
        same_activity = (execution.project, execution.activity) == (project, activity)
        if name.kind == "id" and not (same_activity and execution.input == request.input):
            raise Conflict(
                f"the id {name.name} belongs to another execution; choose a new one",
                code="id_in_use",
            )
        return Started(execution=execution, created=False)

    def _trace(self) -> str:
        ids = self._clock.token_bytes(24).hex()
        return f"00-{ids[:32]}-{ids[32:]}-01"

    # ------------------------------------------------------------ events

    async def send(
        self,
        execution: str,
        event: Outside,
        *,
        match: Match | None = None,
        repeat: Repeat | None = None,
    ) -> Sent:
        """Apply an event, or keep it for later; the same event id twice is applied once.

        Raises ``EventNotAccepted`` (409), ``Invalid`` (422), ``NotFound``, ``PreconditionFailed``.
        """

        def act(step: Step) -> events.Applied | events.Kept:
            if match is not None:
                match.check(step.draft.before)
            return events.take_outside(step.compiled, step.draft, event, step.kin)

        def names(result: events.Applied | events.Kept, after: Execution) -> list[Name]:
            applied = isinstance(result, events.Applied)
            respond = result.respond if isinstance(result, events.Applied) else None
            answer = orjson.dumps({"applied": applied, "respond": respond})
            found = repeat_names(after, repeat, answer)
            if event.id is not None:
                found.append(event_name(after.project, after.id, event.id, answer))
            return found

        try:
            now, result = await self._owner.apply(execution, act, names, with_kin=True)
        except NameTaken as taken:
            return await self._sent_before(execution, taken.name, repeat)
        except GoFlowError as refusal:
            before = await self._find_repeat(execution, event, repeat)
            if before is None:
                raise refusal
            return await self._sent_before(execution, before, repeat)
        if isinstance(result, events.Kept):
            return Sent(execution=now, applied=False)
        return Sent(execution=now, applied=True, respond=result.respond)

    async def _find_repeat(
        self, execution: str, event: Outside, repeat: Repeat | None
    ) -> Name | None:
        try:
            project = (await self._owner.memory.read(execution)).project
        except NotFound:
            return None
        found = None
        if event.id is not None:
            found = await self._store.name(project, "event", execution, event.id)
        if found is None and repeat is not None:
            found = await self._store.name(project, "idem", repeat.scope, repeat.key)
        return found

    async def _sent_before(self, execution: str, name: Name, repeat: Repeat | None) -> Sent:
        if name.kind == "idem" and repeat is not None:
            repeat.check(name)
        answer = _answer_before(name)
        return Sent(
            execution=await self._owner.memory.read(execution),
            applied=answer["applied"],
            respond=answer["respond"],
            replayed=True,
        )

    # ------------------------------------------------------------ verbs

    async def control(
        self,
        execution: str,
        command: Control,
        *,
        match: Match | None = None,
        repeat: Repeat | None = None,
    ) -> tuple[Execution, bool]:
        """Carry out an operator's verb; return the execution, and whether this was a repeat."""

        def act(step: Step) -> bool:
            if match is not None:
                match.check(step.draft.before)
            return control(step.compiled, step.draft, command)

        def names(_: bool, after: Execution) -> list[Name]:
            return repeat_names(after, repeat, b"{}")

        try:
            now, _ = await self._owner.apply(execution, act, names)
        except NameTaken as taken:
            if taken.name.kind == "key":
                raise Conflict(
                    f"the business key is used by execution {taken.name.execution} now",
                    code="key_in_use",
                ) from None
            return await self._controlled_before(execution, taken.name, repeat)
        except GoFlowError as refusal:
            before = await self._find_control(execution, repeat)
            if before is None:
                raise refusal
            return await self._controlled_before(execution, before, repeat)
        return now, False

    async def _find_control(self, execution: str, repeat: Repeat | None) -> Name | None:
        if repeat is None:
            return None
        try:
            project = (await self._owner.memory.read(execution)).project
        except NotFound:
            return None
        return await self._store.name(project, "idem", repeat.scope, repeat.key)

    async def _controlled_before(
        self, execution: str, name: Name, repeat: Repeat | None
    ) -> tuple[Execution, bool]:
        if repeat is not None:
            repeat.check(name)
        _answer_before(name)
        return await self._owner.memory.read(execution), True

    async def delete(self, execution: str) -> None:
        """Remove an ended execution and its history. Raises ``Conflict`` while it has not ended."""
        await self._owner.remove(execution)


def _answer_before(name: Name) -> dict[str, Any]:
    """Return what the first of the same requests was answered, or raise what it was refused."""
    answer: dict[str, Any] = orjson.loads(name.answer)
    if "refusal" in answer:
        raise refusal_of(answer)
    return answer


def _business_key(compiled: Compiled, request: StartRequest) -> str | None:
    if request.key is not None or compiled.key is None:
        return request.key
    missing: list[str] = []
    document = {"input": request.input, "data": compiled.blueprint.data}
    budget.begin(compiled.blueprint.project)
    value = compiled.key.render(document, missing)
    if isinstance(value, bool):
        value = "true" if value else "false"
    if missing or value is None or isinstance(value, list | dict) or not str(value):
        raise Invalid(
            f"the business key is made of the input, and {', '.join(missing) or 'it'} is missing",
            code="key",
        )
    if len(str(value)) > KEY_CHARACTERS_MAX:
        raise Invalid(
            f"the business key has more than {KEY_CHARACTERS_MAX} characters; make it shorter",
            code="key",
        )
    return str(value)


def _start_names(
    execution: Execution, key: str | None, repeat: Repeat | None, now: int
) -> Sequence[Name]:
    names = repeat_names(execution, repeat, b"", expires=now + IDEMPOTENCY_SECONDS * 1000)
    if key is not None:
        names.append(
            Name(
                project=execution.project,
                kind="key",
                scope=execution.activity,
                name=key,
                execution=execution.id,
            )
        )
    return names


def repeat_names(
    execution: Execution, repeat: Repeat | None, answer: bytes, *, expires: int | None = None
) -> list[Name]:
    """Return the name by which a repeat of a request is known, if it has one."""
    if repeat is None:
        return []
    name = Name(
        project=execution.project,
        kind="idem",
        scope=repeat.scope,
        name=repeat.key,
        execution=execution.id,
        digest=repeat.digest,
        answer=answer,
        expires=expires,
    )
    return [name]


def event_name(project: str, execution: str, event: str, answer: bytes) -> Name:
    """Return the name by which an event's id is known."""
    return Name(
        project=project,
        kind="event",
        scope=execution,
        name=event,
        execution=execution,
        answer=answer,
    )
