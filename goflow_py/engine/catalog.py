"""Blueprint versions, workers and endpoint aliases: stored, compiled, cached.

Versions never change, so a compiled one is kept for good (least recently used go first). Workers
and aliases are not pinned: a change is seen by the next attempt of running executions.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import orjson

from goflow_py.domain.actions import CallAction
from goflow_py.domain.blueprint import Blueprint
from goflow_py.domain.documents import digest_of_stored
from goflow_py.domain.execution import Execution
from goflow_py.domain.workers import Worker, WorkersDocument
from goflow_py.engine.aside import aside
from goflow_py.engine.calls import is_url
from goflow_py.engine.heads import part_of, shown
from goflow_py.engine.stand_ins import Workers
from goflow_py.errors import Damaged, Invalid, NotFound
from goflow_py.fsm.compile import Compiled, compile_blueprint
from goflow_py.ports import BlueprintRow, Store

T = TypeVar("T")

COMPILED_VERSIONS_MAX = 1_000
ABANDONED = object()
"""What a reading comes to whose reader was cancelled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """What is known of one activity: its latest version and its workers."""

    latest: Compiled
    workers: Workers
    problems: tuple[dict[str, Any], ...] = field(default=())
    """What keeps an execution of the latest version from being started."""


class Catalog:
    """Every definition that this node has read."""

    def __init__(self, store: Store, *, endpoints: dict[str, str], fallback: str | None) -> None:
        self._store = store
        self._settings = dict(endpoints)
        self._stored: dict[str, str] = {}
        self.fallback = fallback
        """The base URL that every unresolved alias points to: the mock workers'."""
        self._versions: OrderedDict[tuple[str, str, int], Compiled] = OrderedDict()
        self._activities: dict[tuple[str, str], Activity] = {}
        self._workers: dict[tuple[str, str], Workers] = {}
        self._readings: dict[tuple[Any, ...], asyncio.Future[Any]] = {}
        """Those under way, by what is read and since which change."""
        self._generation = 0
        """Rises with every change: what was read before one is not kept after it."""
        self.on_change: Callable[[str, str], None] = lambda _, __: None
        """Is told of each activity that an upload changed."""

    async def load(self) -> None:
        """Read the endpoint aliases. Everything else is read when it is first needed."""
        self._stored = await self._store.endpoints()

    # ------------------------------------------------------------ versions

    async def compiled(self, project: str, activity: str, version: int) -> Compiled:
        """Return a version, compiled. Raises ``NotFound``, ``Damaged``."""
        known = self._versions.get((project, activity, version))
        if known is not None:
            self._versions.move_to_end((project, activity, version))
            return known

        async def read() -> Compiled:
            row = await self._store.blueprint(project, activity, version)
            if row is None:
                raise NotFound(f"{project}/{activity} has no version {version}")
            return await self._keep(row)

        return await self._once(("version", project, activity, version), read)

    async def compiled_for(self, execution: Execution) -> Compiled:
        """Return what *execution* runs: its version, or one of the private machines of that.

        Raises ``NotFound``, ``Damaged``.
        """
        version = await self.compiled(execution.project, execution.activity, execution.version)
        return part_of(version, execution)

    async def fitting(self, executions: Iterable[Execution]) -> list[tuple[Execution, Compiled]]:
        """Return those that can be read whole, each with what it runs."""

        async def pair(execution: Execution) -> tuple[Execution, Compiled]:
            return execution, await self.compiled_for(execution)

        return await shown(executions, pair)

    async def activity(self, project: str, activity: str) -> Activity:
        """Return an activity as it is to be started now. Raises ``NotFound``."""
        known = self._activities.get((project, activity))
        if known is not None:
            return known
        reading = ("activity", project, activity)
        return await self._once(reading, lambda: self._read_activity(project, activity))

    async def _read_activity(self, project: str, activity: str) -> Activity:
        generation = self._generation
        row = await self._store.blueprint(project, activity, None)
        if row is None:
            raise NotFound(
                f"there is no activity {project}/{activity}; upload its blueprint to /v1/blueprints"
            )
        latest = await self._keep(row)
        workers = await self.workers(project, activity)
        known = Activity(
            latest=latest, workers=workers, problems=self.start_problems(latest, workers)
        )
        if generation == self._generation:
            self._activities[project, activity] = known
        return known

    async def workers(self, project: str, activity: str) -> Workers:
        """Return the workers by action, by priority. Raises ``Damaged``."""
        known = self._workers.get((project, activity))
        if known is not None:
            return known
        reading = ("workers", project, activity)
        return await self._once(reading, lambda: self._read_workers(project, activity))

    async def _read_workers(self, project: str, activity: str) -> Workers:
        generation = self._generation
        body = await self._store.workers(project, activity)
        try:
            known = group_workers(body)
        except ValueError as error:
            what = f"what is stored of the workers of {project}/{activity}"
            raise Damaged(f"{what} is damaged: restore a backup") from error
        if generation == self._generation:
            self._workers[project, activity] = known
        return known

    async def _once(self, what: tuple[Any, ...], read: Callable[[], Awaitable[T]]) -> T:
        """Let all who need the same wait for one reading; when its reader leaves, the next reads.

        Where nodes are many, all is forgotten every other second: each execution that is under way
        would read it again by itself.
        """
        key = (self._generation, *what)
        while (reading := self._readings.get(key)) is not None:
            found = await asyncio.shield(reading)
            if found is not ABANDONED:
                return cast("T", found)
        reading = self._readings[key] = asyncio.get_running_loop().create_future()
        try:
            found = await read()
        except Exception as error:
            reading.set_exception(error)
            reading.exception()  # nobody else may wait for it
            raise
        else:
            reading.set_result(found)
            return found
        finally:
            del self._readings[key]
            if not reading.done():
                reading.set_result(ABANDONED)

    def changed(self, project: str, activity: str) -> None:
        """Forget what an upload replaced."""
        self._generation += 1
        self._activities.pop((project, activity), None)
        self._workers.pop((project, activity), None)
        self.on_change(project, activity)

    async def refresh(self) -> None:
        """Forget what other nodes may have changed; it is read again when it is needed."""
        self._stored = await self._store.endpoints()
        self._generation += 1
        self._activities.clear()
        self._workers.clear()

    async def _keep(self, row: BlueprintRow) -> Compiled:
        key = (row.project, row.activity, row.version)
        known = self._versions.get(key)
        if known is None:
            compiled = await aside(len(row.body), lambda: compile_row(row))
            # Another may have been faster: all executions of a version share one.
            known = self._versions.setdefault(key, compiled)
            while len(self._versions) > COMPILED_VERSIONS_MAX:
                self._versions.popitem(last=False)
        return known

    # ------------------------------------------------------------ endpoints

    def resolve(self, alias: str) -> str | None:
        """Return the URL that an alias points to: settings first, then what was put, then mocks."""
        url = self._settings.get(alias) or self._stored.get(alias)
        if url is None and self.fallback is not None:
            return f"{self.fallback}/{alias}"
        return url

    def endpoints(self) -> list[dict[str, Any]]:
        """Return every alias, where it points and who says so."""
        rows = {name: (url, "api") for name, url in self._stored.items()}
        rows |= {name: (url, "settings") for name, url in self._settings.items()}
        return [
            {"alias": name, "url": url, "source": source}
            for name, (url, source) in sorted(rows.items())
        ]

    async def put_endpoint(self, alias: str, url: str) -> None:
        """Point an alias to a URL."""
        await self._store.put_endpoint(alias, url)
        self._stored[alias] = url
        self._generation += 1
        self._activities.clear()

    async def delete_endpoint(self, alias: str) -> bool:
        """Forget an alias."""
        found = await self._store.delete_endpoint(alias)
        self._stored.pop(alias, None)
        self._generation += 1
        self._activities.clear()
        return found

    # ------------------------------------------------------------ starting

    def start_problems(self, compiled: Compiled, workers: Workers) -> tuple[dict[str, Any], ...]:
        """Return what keeps an execution from being started: no worker, an alias to nowhere."""
        problems = []
        for name in calls_of(compiled):
            found = workers.get(name, ())
            if not found:
                problems.append({"code": "no_worker", "action": name})
            for worker in found:
                endpoint = worker.worker_endpoint
                if not is_url(endpoint) and self.resolve(endpoint) is None:
                    problems.append({"code": "unresolved_alias", "action": name, "alias": endpoint})
        return tuple(problems)


def check_startable(activity: Activity, problems: tuple[dict[str, Any], ...]) -> None:
    """Raise ``Invalid`` that names the first thing that is missing, and lists all."""
    if not problems:
        return
    first = problems[0]
    name = f"{activity.latest.blueprint.project}/{activity.latest.blueprint.activity}"
    if first["code"] == "no_worker":
        detail = (
            f"action '{first['action']}' of {name} has no worker; add one with "
            f"PUT /v1/blueprints/{name}/workers"
        )
    else:
        detail = (
            f"the endpoint alias '{first['alias']}' of action '{first['action']}' points nowhere; "
            f"set it with PUT /v1/endpoints/{first['alias']}"
        )
    raise Invalid(detail, code=first["code"], problems=list(problems))


def calls_of(compiled: Compiled) -> list[str]:
    """Return the actions that need a worker and that a state or a row can reach."""
    used: set[str] = set()
    for part in (compiled, *compiled.machines.values()):
        names = {name for state in part.states.values() for name in state.actions}
        names |= {row.action for row in part.rows if row.action}
        names |= {part.actions[name].model.undo or name for name in names}
        for state in part.states.values():
            if state.subscribe is not None:
                around = (state.subscribe.setup, state.subscribe.teardown)
                names |= {name for name in around if name is not None}
        used |= {name for name in names if isinstance(part.actions[name].model, CallAction)}
    return sorted(used)


def compile_row(row: BlueprintRow) -> Compiled:
    """Compile a stored version. Raises ``Damaged`` when it is not what was uploaded."""
    try:
        is_whole = digest_of_stored(row.body) == row.digest
    except ValueError:
        is_whole = False
    if not is_whole:
        name = f"version {row.version} of {row.project}/{row.activity}"
        raise Damaged(f"what is stored of {name} is damaged: restore a backup")
    document = orjson.loads(row.body)
    return compile_blueprint(
        Blueprint.model_validate(document["blueprint"]),
        workers=document["workerNames"],
        version=row.version,
    )


def group_workers(body: bytes | None) -> Workers:
    """Return the workers of a stored document by action, by priority."""
    if body is None:
        return {}
    grouped: dict[str, list[Worker]] = {}
    for worker in WorkersDocument.model_validate_json(body).workers:
        grouped.setdefault(worker.name, []).append(worker)
    return {
        name: tuple(sorted(found, key=lambda worker: worker.priority))
        for name, found in grouped.items()
    }
