"""Running the server: health, readiness, metrics, version, backup, drain, verify, store."""

import asyncio
from pathlib import Path

from goflow_py import __version__
from goflow_py.api import answers
from goflow_py.api.auth import OPEN
from goflow_py.api.bodies import BackupBody, VerifyQuery
from goflow_py.api.op import UUID, Call, answer, op
from goflow_py.api.replies import SAFE_HEADERS, Reply, lines
from goflow_py.domain.durations import rfc3339
from goflow_py.errors import Conflict, NotFound, Unavailable

OVERDUE_MS = 60_000
"""A timer that is this late, and still set, is lost."""
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@op("GET", "/healthz", OPEN, answers={200: answers.Health})
async def healthz(_: Call) -> Reply:
    """Say that the process is there."""
    return answer({"status": "ok"})


@op("GET", "/readyz", OPEN, answers={200: answers.Health}, errors=(503,))
async def readyz(call: Call) -> Reply:
    """Say whether work can be taken: the store can be written, and nothing ends."""
    call.door.refuse_when_draining()
    if call.door.orchestrator.lost.is_set():
        raise Unavailable("this server may write nothing any more; it is about to end")
    # First, for without the store all other work breaks, too.
    await call.door.orchestrator.store.ping()
    if broken := call.door.orchestrator.broken:
        raise Unavailable(
            f"background work breaks again and again ({', '.join(broken)}): see the log",
            code="background_broken",
        )
    return answer({"status": "ready"})


@op("GET", "/version", OPEN, answers={200: answers.Done})
async def version(_: Call) -> Reply:
    """Return the version of the server."""
    return answer({"version": __version__})


@op(
    "GET",
    "/metrics",
    ("execution:read", "admin"),
    answers={200: "text/plain"},
    everywhere=True,
)
async def metrics(call: Call) -> Reply:
    """Return the metrics in Prometheus' text format."""
    head = lines({**SAFE_HEADERS, "Content-Type": METRICS_TYPE})
    return Reply(body=call.door.metrics.text(), head=head)


@op(
    "POST",
    "/v1/admin/backup",
    "admin",
    body=BackupBody,
    body_required=False,
    answers={201: answers.Backup},
    errors=(409,),
    everywhere=True,
)
async def backup(call: Call) -> Reply:
    """Write a consistent copy of everything beside the data, while work goes on.

    Of a database it is a data file, in `goflow-data/backups` where the server was started.
    """
    directory = call.door.backup_dir
    if directory is None:
        raise Conflict("this server keeps everything in memory; there is no place for a copy")
    now = rfc3339(call.door.clock.now_ms()).replace(":", "-")
    path = Path(directory, call.body(BackupBody).name or f"goflow-{now}.db")
    try:
        await asyncio.to_thread(path.parent.mkdir, mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(
            f"cannot write {path.parent}: {error.strerror}", code="backup_failed"
        ) from error
    await call.door.orchestrator.store.backup(str(path))
    size = (await asyncio.to_thread(path.stat)).st_size
    return answer({"path": str(path), "bytes": size}, 201)


@op("POST", "/v1/admin/drain", "admin", answers={202: answers.Done}, everywhere=True)
async def drain(call: Call) -> Reply:
    """Take no new work and begin no calls from now on; those in flight end.

    What has none is another server's at once, if there is one.
    """
    call.door.drain()
    engine = call.door.orchestrator
    engine.supervisor.once("handover", engine.ownership.drain)
    return answer({"draining": True, "callsInFlight": engine.dispatcher.slots.total}, 202)


@op(
    "GET",
    "/v1/admin/verify",
    "admin",
    query=VerifyQuery,
    answers={200: answers.Done},
    errors=(404,),
    everywhere=True,
)
async def verify(call: Call) -> Reply:
    """Check what is stored against the rules that it must keep."""
    from goflow_py.engine import auditor  # few ask for it, and it takes 4 ms of a start

    execution = call.query(VerifyQuery).execution
    if execution is not None:
        if not UUID.match(execution):
            raise NotFound(f"there is no execution {execution[:64]}")
        await call.door.orchestrator.tracking.get(execution.lower())
    engine, now = call.door.orchestrator, call.door.clock.now_ms()
    # What was due while there was no server is late by right, for a moment.
    overdue = now - OVERDUE_MS if engine.is_settled else None
    chosen = None if execution is None else execution.lower()
    report = await auditor.verify(engine.store, execution=chosen, overdue_before=overdue)
    return answer(report.as_json())


@op("GET", "/v1/admin/store", "admin", answers={200: answers.Done}, everywhere=True)
async def store(call: Call) -> Reply:
    """Return the store's sizes and counts."""
    return answer(dict(await call.door.orchestrator.store.stats()))
