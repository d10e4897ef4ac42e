"""Looking at executions: one, many, their histories, attempts and contexts."""

from typing import Any

import orjson

from goflow_py.domain.execution import Execution
from goflow_py.domain.history import Entry
from goflow_py.domain.values import value
from goflow_py.engine.attempt_views import AttemptViews
from goflow_py.engine.attempt_window import window_of
from goflow_py.engine.catalog import Catalog
from goflow_py.engine.heads import UNREADABLE, damaged, readable, shown
from goflow_py.engine.owner import Owner
from goflow_py.engine.past import RECORDS_PAGE, Past, Room, entries_of
from goflow_py.engine.sent import Sender
from goflow_py.engine.views import (
    entry_view,
    execution_view,
    task_view,
    why_view,
)
from goflow_py.errors import Conflict, NotFound
from goflow_py.fsm.compile import Compiled
from goflow_py.fsm.draft import Draft
from goflow_py.fsm.events import awaiting, is_machine
from goflow_py.fsm.fold import fold
from goflow_py.ports import PAGE_BYTES_MAX, Filter, Page, RecordRow, Store


@value
class Attempts:
    """The newest attempts of an execution, oldest first."""

    items: list[dict[str, Any]]
    earlier: int | None
    """How many came before them; None: not counted."""


class Tracking:
    """Reads what was committed; an execution in memory is read there."""

    def __init__(
        self, *, store: Store, catalog: Catalog, owner: Owner, public_url: str = ""
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._owner = owner
        self._public_url = public_url

    async def get(self, execution: str, *, project: str | None = None) -> Execution:
        """Return an execution. Raises ``NotFound``, also for another project's."""
        found = await self._owner.memory.read(execution)
        if project is not None and found.project != project:
            raise NotFound(f"there is no execution {execution}")
        return found

    async def view(self, execution: Execution) -> dict[str, Any]:
        """Return an execution as the API shows it."""
        compiled = await self._catalog.compiled_for(execution)
        kin = await self._awaited(execution, compiled) if execution.tasks else ()
        return execution_view(execution, compiled, kin)

    async def _awaited(self, execution: Execution, compiled: Compiled) -> list[dict[str, Any]]:
        """Return what the machine children of an execution await, each with its task."""
        found: list[dict[str, Any]] = []
        if execution.ended or not execution.tasks:
            return found
        for child, task in execution.children().items():
            if not is_machine(compiled, task):
                continue
            try:
                known = await self._owner.memory.read(child)
            except NotFound:
                continue  # it ended and was purged since
            own = await self._compiled(known)
            for item in [*awaiting(own, known), *await self._awaited(known, own)]:
                inner = item.get("task")
                place = task.name if inner is None else f"{task.name}/{inner}"
                found.append({**item, "task": place})
        return found

    async def page(self, which: Filter, *, limit: int, cursor: str | None) -> Page:
        """Return views, newest first."""
        page = await self._store.list(which, limit=limit, cursor=cursor)
        return Page(items=await shown(readable(page.items), self.view), next=page.next)

    async def history(
        self, execution: Execution, *, after: int, limit: int
    ) -> tuple[list[dict[str, Any]], int | None]:
        """Return entries behind seq *after*, and the seq to go on from if there are more.

        Fewer than *limit* when they are long (``PAGE_BYTES_MAX``).
        """
        found: list[Entry] = []
        at, size = after, 0
        while len(found) <= limit and size < PAGE_BYTES_MAX:
            records = await self._store.history(execution.id, after=at, limit=RECORDS_PAGE)
            if not records:
                break
            at = records[-1].seq
            size += sum(len(record.entries) for record in records)
            found += [e for e in _entries(records) if e["seq"] > after]
        shown, more = found[:limit], None
        if len(found) > limit or (size >= PAGE_BYTES_MAX and at < execution.seq):
            more = shown[-1]["seq"]
        return [entry_view(entry) for entry in shown], more

    async def history_back(
        self, execution: Execution, *, before: int, limit: int
    ) -> tuple[list[dict[str, Any]], int | None]:
        """Return entries in front of seq *before*, newest first, and the seq to go on from.

        Fewer than *limit* when they are long (``PAGE_BYTES_MAX``).
        """
        found: list[Entry] = []
        at, size = min(before, execution.seq + 1), 0
        async for record in Past(self._store, execution.id).back(before=at):
            found += [e for e in reversed(entries_of(record)) if e["seq"] < at]
            size += len(record.entries)
            if len(found) >= limit or size >= PAGE_BYTES_MAX:
                break
        shown = found[:limit]
        more = shown[-1]["seq"] if shown and shown[-1]["seq"] > 0 else None
        return [entry_view(entry) for entry in shown], more

    async def next_entries(
        self, execution: Execution, *, after: int, bytes_max: int
    ) -> list[dict[str, Any]]:
        """Return the first entries behind seq *after*, of so many bytes; there are some.

        None that *execution* has not: what is being committed may be on disk before it is known.
        Raises ``NotFound``: it was deleted meanwhile.
        """
        records = await self._store.history(
            execution.id, after=after, limit=RECORDS_PAGE, bytes_max=bytes_max
        )
        if not records:
            raise NotFound(f"there is no execution {execution.id}")
        return [
            entry_view(entry)
            for entry in _entries(records)
            if after < entry["seq"] <= execution.seq
        ]

    async def attempts(self, execution: Execution) -> Attempts:
        """Return the newest ``ATTEMPTS_SHOWN_MAX`` with what was sent and what came back."""
        sender = Sender(
            compiled=await self._compiled(execution),
            workers=await self._catalog.workers(execution.project, execution.activity),
            resolve=self._catalog.resolve,
            public_url=self._public_url,
        )
        past = Past(self._store, execution.id)
        try:
            window = await window_of(past, execution)
            views = AttemptViews(
                then=window.then, sender=sender, state=window.then.state, is_cut=window.is_cut
            )
            async for record in past.records(after=window.begin - 1):
                entries = entries_of(record)
                part = [e for e in entries if window.begin <= e["seq"] <= execution.seq]
                for done in views.record(part):
                    await past.pace.did(done)
            for done in views.rest(execution, window.begin):
                await past.pace.did(done)
        except UNREADABLE as error:
            raise damaged(execution.id) from error
        return Attempts(items=views.shown, earlier=window.earlier)

    async def context(self, execution: Execution, at: int | None) -> dict[str, Any]:
        """Return what expressions saw at the end of the record that holds seq *at*."""
        compiled = await self._compiled(execution)
        then = execution
        if at is not None and at != execution.seq:
            if not 0 <= at <= execution.seq:
                raise NotFound(f"the history ends at seq {execution.seq}")
            then = _blank(execution)
            async for record in Past(self._store, execution.id).records():
                fold(then, orjson.loads(record.entries))
                if record.seq >= at:
                    break
        document = Draft(then, then.at).document()
        return {
            "seq": then.seq,
            "state": then.state,
            "visit": then.visit,
            "context": document,
            "tasks": [task_view(then, task, compiled) for task in then.tasks.values()],
            "stage": compiled.states[then.state].stage,
        }

    async def why(self, execution: Execution) -> dict[str, Any]:
        """Return one sentence on what it waits for, and its parts."""
        compiled = await self._compiled(execution)
        return why_view(execution, compiled, await self._awaited(execution, compiled))

    async def graph(self, execution: Execution) -> dict[str, Any]:
        """Return the graph of its blueprint with the path that it took, and where it is."""
        from goflow_py.fsm.diagram import Walk, graph  # with its searches 10 ms of a start

        walk = Walk(graph(await self._compiled(execution)))
        path: list[bytes] = []
        room = Room()
        async for record in Past(self._store, execution.id).records():
            path += [orjson.dumps(entry_view(step)) for step in walk.steps(entries_of(record))]
            if room.ends_with(record):
                break
        # Written as it is read: of a long one nobody else would be served meanwhile.
        return walk.shown(execution, orjson.Fragment(b"[" + b",".join(path) + b"]"))

    def output(self, execution: Execution) -> Any:
        """Return the result. Raises ``Conflict`` before the end."""
        if not execution.ended:
            raise Conflict(
                f"the execution is {execution.status}; it has no output yet", code="not_ended"
            )
        return execution.output

    async def _compiled(self, execution: Execution) -> Compiled:
        return await self._catalog.compiled_for(execution)


def _entries(records: list[RecordRow]) -> list[Entry]:
    return [entry for record in records for entry in entries_of(record)]


def _blank(execution: Execution) -> Execution:
    return Execution(
        id=execution.id,
        project=execution.project,
        activity=execution.activity,
        version=execution.version,
    )
