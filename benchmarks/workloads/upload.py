"""What an upload of a large blueprint takes: read, validate, compile, check, store."""

import json
import statistics
import time
from collections.abc import Iterator, Sequence

from benchmarks import contestants, documents
from benchmarks.processes import Child, ask
from benchmarks.result import Figure
from benchmarks.stage import Stage, Workload

SHAPES = {"chain": documents.chain, "reading": documents.reading}


def run(stage: Stage, *, states: Sequence[int], times: int) -> Iterator[Figure]:
    """Upload each shape in each size, and have it checked only, in turns."""
    limit = {"GOFLOW_BODY_BYTES_MAX": str(64 << 20)}
    with contestants.serve(stage.file("upload"), stage.worker.url, env=limit) as server:
        for count in states:
            for shape, make in SHAPES.items():
                yield {"shape": shape, "states": count, **measured(server, make(count), times)}


def measured(server: Child, document: documents.Json, times: int) -> Figure:
    """Upload versions of a blueprint, each with another description."""
    checks, uploads, cpu = [], [], 0.0
    body = b""
    for number in range(times):
        body = json.dumps({**document, "description": f"version {number}"}).encode()
        before = server.cpu_seconds()
        checks.append(_took(server, "/v1/blueprints?dryRun=1", body))
        cpu += server.cpu_seconds() - before
        uploads.append(_took(server, "/v1/blueprints", body))
    rows = ask(server.url, f"/v1/blueprints/bench/{document['activity']}/rows")["items"]
    return {
        "body_kb": len(body) / 1e3,
        "rows": len(rows),
        "upload_p50_ms": statistics.median(uploads),
        "check_p50_ms": statistics.median(checks),
        "check_cpu_ms": cpu / times * 1e3,
    }


def _took(server: Child, path: str, body: bytes) -> float:
    began = time.monotonic()
    ask(server.url, path, body)
    return (time.monotonic() - began) * 1e3


WORKLOAD = Workload(
    name="upload",
    about="Upload, and check alone, of blueprints of 500 states: a chain; actions that read.",
    run=run,
    sizes={
        "quick": {"states": (50,), "times": 2},
        "bench": {"states": (500,), "times": 15},
        "full": {"states": (500, 5_000), "times": 15},
    },
)
