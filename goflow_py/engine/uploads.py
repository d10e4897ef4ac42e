"""The use cases of definitions: upload a blueprint or workers, look at versions, aliases."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from goflow_py.clock import Clock
from goflow_py.domain.blueprint import Blueprint
from goflow_py.domain.workers import Worker, WorkersDocument
from goflow_py.engine.aside import aside
from goflow_py.engine.catalog import Catalog, group_workers
from goflow_py.engine.proofs import Proofs
from goflow_py.engine.requests import IDEMPOTENCY_SECONDS, Repeat
from goflow_py.engine.submissions import (
    OURS,
    Definition,
    Origin,
    Syntax,
    completed,
    dump,
    normalised,
    read_definition,
    read_document,
    refuse_errors,
    validate_document,
    workers_body,
)
from goflow_py.errors import Invalid, NotFound
from goflow_py.fsm.check import examine
from goflow_py.fsm.check_workers import check_workers, endpoint_problem
from goflow_py.fsm.findings import Finding
from goflow_py.ports import BlueprintRow, Name, Page, Store, Taken, Upload

Admit = Callable[[str], None]
"""Raises when a project may store nothing more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploaded:
    """What an upload came to."""

    project: str
    activity: str
    version: int | None
    """None for a dry run of something new."""
    hash: str
    created: bool
    findings: Sequence[Mapping[str, Any]]
    proof: Mapping[str, Any] = field(default_factory=dict)
    """What else the blueprint tells: accepted events, the longest duration, maybe its graph."""
    replayed: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return the answer of the API."""
        return {
            "project": self.project,
            "activity": self.activity,
            "version": self.version,
            "hash": self.hash,
            "findings": list(self.findings),
            **self.proof,
        }


class Uploads:
    """Stores definitions; everything wrong with one is said at once."""

    def __init__(self, *, store: Store, catalog: Catalog, clock: Clock, proofs: Proofs) -> None:
        self._store = store
        self._catalog = catalog
        self._clock = clock
        self._proofs = proofs
        self._one_at_a_time = asyncio.Lock()
        """A version is made of the latest one and the workers: they may not change between."""

    async def upload(
        self,
        body: bytes,
        *,
        syntax: Syntax = "json",
        origin: Origin = OURS,
        project: str | None = None,
        dry_run: bool = False,
        strict: bool = False,
        drawn: bool = False,
        repeat: Repeat | None = None,
        admit: Admit = lambda _: None,
    ) -> Uploaded:
        """Store a blueprint, with or without its workers, as one or two documents.

        *origin* says which system's definition it is. *project* is the only one that the caller may
        write to, if any. *drawn* asks for the graph, too. *admit* is asked whether a project may
        store more. Raises ``InvalidBlueprint`` with all findings, ``MalformedRequest``,
        ``TooLarge``, and what *admit* raises.
        """
        async with self._one_at_a_time:
            read = await aside(
                len(body), lambda: read_definition(body, syntax=syntax, origin=origin)
            )
            return await self._upload(
                read, len(body), project, dry_run, strict, drawn, repeat, admit
            )

    async def _upload(
        self,
        read: Definition,
        size: int,
        project: str | None,
        dry_run: bool,
        strict: bool,
        drawn: bool,
        repeat: Repeat | None,
        admit: Admit,
    ) -> Uploaded:
        blueprint, workers = read.blueprint, read.workers
        if project is not None and blueprint.project != project:
            raise NotFound(f"there is no project {blueprint.project} for this key")
        name = (blueprint.project, blueprint.activity)
        stored = [w for group in (await self._catalog.workers(*name)).values() for w in group]
        in_force = stored if workers is None else workers
        checked = await aside(
            size,
            lambda: examine(
                blueprint,
                workers=in_force,
                workers_in_body=workers is not None,
                is_resolved=lambda alias: self._catalog.resolve(alias) is not None,
            ),
        )
        children = await self._proofs.unknown_activities(blueprint)
        cycles = await self._proofs.place_cycles(blueprint)
        findings = [*read.findings, *checked.findings, *children, *cycles]
        refuse_errors(findings, strict=strict)
        normal = blueprint.model_copy(update={"workers": None})
        names = sorted({worker.name for worker in in_force})
        document, digest = await aside(size, lambda: normalised(normal, names))
        shown = [finding.as_json() for finding in findings]
        proof = await aside(size, lambda: self._proofs.of(checked, in_force, drawn=drawn))
        if dry_run:
            latest = await self._store.blueprint(*name, None)
            same = latest is not None and latest.digest == digest
            return Uploaded(
                project=name[0],
                activity=name[1],
                version=latest.version if latest is not None and same else None,
                hash=digest,
                created=False,
                findings=shown,
                proof=proof,
            )
        done = await self._store_version(name, document, digest, shown, workers, repeat, admit)
        return replace(done, proof=proof)

    async def _store_version(
        self,
        name: tuple[str, str],
        document: bytes,
        digest: str,
        findings: Sequence[Mapping[str, Any]],
        workers: Sequence[Worker] | None,
        repeat: Repeat | None,
        admit: Admit,
    ) -> Uploaded:
        before = await self._store.blueprint(*name, None)
        created = before is None or before.digest != digest
        body = None if workers is None else workers_body(name, workers)
        if (created or await self._is_longer(name, body)) and not await self._is_known(
            name[0], repeat
        ):
            admit(name[0])
        row = await self._store.upload(
            Upload(
                project=name[0],
                activity=name[1],
                digest=digest,
                body=document,
                findings=orjson.dumps(findings),
                workers=body,
                at=self._clock.now_ms(),
                name=None
                if repeat is None
                else self._repeat_name(name[0], repeat, digest, created=created),
            )
        )
        self._catalog.changed(*name)
        if isinstance(row, Taken):
            return await self._uploaded_before(name, row.name, repeat, findings)
        return Uploaded(
            project=name[0],
            activity=name[1],
            version=row.version,
            hash=row.digest,
            created=before is None or before.version != row.version,
            findings=findings,
        )

    async def _is_longer(self, name: tuple[str, str], workers: bytes | None) -> bool:
        """Tell whether new workers take more room than those that are stored."""
        if workers is None:
            return False
        return len(workers) > len(await self._store.workers(*name) or b"")

    async def _is_known(self, project: str, repeat: Repeat | None) -> bool:
        """Tell whether this is a repeat: it is answered as ever."""
        if repeat is None:
            return False
        return await self._store.name(project, "idem", repeat.scope, repeat.key) is not None

    def _repeat_name(self, project: str, repeat: Repeat, digest: str, *, created: bool) -> Name:
        return Name(
            project=project,
            kind="idem",
            scope=repeat.scope,
            name=repeat.key,
            execution="",
            digest=repeat.digest,
            answer=orjson.dumps({"digest": digest, "created": created}),
            expires=self._clock.now_ms() + IDEMPOTENCY_SECONDS * 1000,
        )

    async def _uploaded_before(
        self,
        name: tuple[str, str],
        taken: Name,
        repeat: Repeat | None,
        findings: Sequence[Mapping[str, Any]],
    ) -> Uploaded:
        if repeat is not None:
            repeat.check(taken)
        before = orjson.loads(taken.answer)
        digest = before["digest"]
        versions = await self._store.versions(*name)
        version = next((row.version for row in versions if row.digest == digest), None)
        return Uploaded(
            project=name[0],
            activity=name[1],
            version=version,
            hash=digest,
            created=before["created"],
            findings=findings,
            replayed=True,
        )

    # ------------------------------------------------------------ workers and aliases

    async def put_workers(
        self,
        project: str,
        activity: str,
        body: bytes,
        *,
        syntax: Syntax = "json",
        admit: Admit = lambda _: None,
    ) -> dict[str, Any]:
        """Replace the workers document; running executions use it from their next attempt on.

        A change of the *set of names* decides anew which states have work: a new version is made.
        *admit* is asked, and may raise, when they take more room than before.
        """
        value = read_document(body, syntax=syntax)
        document, found = validate_document(WorkersDocument, completed(value, project, activity))
        if document is not None and (document.project, document.activity) != (project, activity):
            message = f"the document is for {document.project}/{document.activity}"
            found.append(
                Finding(code="other_activity", severity="error", pointer="", message=message)
            )
        workers = document.workers if document is not None else []
        found += check_workers(
            workers, is_resolved=lambda alias: self._catalog.resolve(alias) is not None
        )
        refuse_errors(found, strict=False)
        async with self._one_at_a_time:
            version = await self._replace_workers(project, activity, workers, admit)
        return {
            "project": project,
            "activity": activity,
            "version": version,
            "workers": [dump(worker) for worker in workers],
            "findings": [finding.as_json() for finding in found],
        }

    async def _replace_workers(
        self, project: str, activity: str, workers: Sequence[Worker], admit: Admit
    ) -> int:
        latest = await self._store.blueprint(project, activity, None)
        if latest is None:
            raise NotFound(f"there is no activity {project}/{activity}; upload its blueprint first")
        stored = orjson.loads(latest.body)
        names = sorted({worker.name for worker in workers})
        digest, new_body = None, b""
        if names != stored["workerNames"]:
            blueprint = Blueprint.model_validate(stored["blueprint"])
            new_body, digest = normalised(blueprint, names)
        document = workers_body((project, activity), workers)
        if digest is not None or await self._is_longer((project, activity), document):
            admit(project)
        row = await self._store.upload(
            Upload(
                project=project,
                activity=activity,
                digest=digest,
                body=new_body,
                findings=latest.findings,
                workers=document,
                at=self._clock.now_ms(),
            )
        )
        self._catalog.changed(project, activity)
        return row.version if isinstance(row, BlueprintRow) else latest.version

    async def workers(self, project: str, activity: str) -> dict[str, Any]:
        """Return the workers document. Raises ``NotFound``."""
        body = await self._store.workers(project, activity)
        if body is None:
            if await self._store.blueprint(project, activity, None) is None:
                raise NotFound(f"there is no activity {project}/{activity}")
            return {"project": project, "activity": activity, "workers": []}
        document: dict[str, Any] = orjson.loads(body)
        return document

    async def put_endpoint(self, alias: str, url: str) -> None:
        """Point an alias to a URL. Raises ``Invalid``."""
        if "://" not in url:
            raise Invalid(f"'{url[:80]}' is no URL; an alias points to one", code="bad_endpoint")
        problem = endpoint_problem(url) or endpoint_problem(alias)
        if problem or "://" in alias:
            raise Invalid(problem or f"'{alias[:80]}' is no name", code="bad_endpoint")
        await self._catalog.put_endpoint(alias, url)

    async def all_workers(self, project: str | None) -> list[tuple[str, str, Worker]]:
        """Return every worker with its project and activity."""
        return [
            (owner, activity, worker)
            for owner, activity, body in await self._store.all_workers()
            if project is None or owner == project
            for group in group_workers(body).values()
            for worker in group
        ]

    # ------------------------------------------------------------ versions

    async def version(self, project: str, activity: str, version: int | None) -> BlueprintRow:
        """Return a version, the latest when none is named. Raises ``NotFound``."""
        row = await self._store.blueprint(project, activity, version)
        if row is None:
            named = "" if version is None else f" version {version} of"
            raise NotFound(f"there is no{named} activity {project}/{activity}")
        return row

    async def page(self, *, project: str | None, limit: int, cursor: str | None) -> Page:
        """Return the latest version of each blueprint."""
        return await self._store.blueprints(project=project, limit=limit, cursor=cursor)

    async def versions(
        self, project: str, activity: str
    ) -> list[tuple[BlueprintRow, dict[str, int]]]:
        """Return all versions, newest first, with how many executions are in which status."""
        rows = await self._store.versions(project, activity)
        if not rows:
            raise NotFound(f"there is no activity {project}/{activity}")
        counts = await self._store.counts(project, activity)
        return [(row, counts.get(row.version, {})) for row in rows]

    async def delete_version(self, project: str, activity: str, version: int) -> None:
        """Remove a version. Raises ``Conflict`` while executions are pinned to it."""
        if not await self._store.delete_version(project, activity, version):
            raise NotFound(f"there is no version {version} of {project}/{activity}")
        self._catalog.changed(project, activity)


def version_json(row: BlueprintRow) -> dict[str, Any]:
    """Return a version as the API shows it, times in milliseconds."""
    return {
        "project": row.project,
        "activity": row.activity,
        "version": row.version,
        "hash": row.digest,
        "createdAt": row.created_at,
        "blueprint": orjson.loads(row.body)["blueprint"],
        "findings": orjson.loads(row.findings),
    }
