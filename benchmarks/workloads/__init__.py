"""One module a question; what they have in common is in ``benchmarks.stage``."""

from benchmarks.workloads import (
    commit,
    history,
    inflight,
    interpreter,
    parked,
    postgres_commit,
    postgres_hints,
    postgres_nodes,
    postgres_parked,
    postgres_served,
    postgres_takeover,
    purge,
    recovery,
    restart,
    start,
    states,
    steps,
    storm,
    upload,
)

WORKLOADS = {
    found.name: found
    for found in (
        start.WORKLOAD,
        steps.WORKLOAD,
        inflight.WORKLOAD,
        parked.WORKLOAD,
        storm.WORKLOAD,
        states.WORKLOAD,
        history.WORKLOAD,
        upload.WORKLOAD,
        interpreter.WORKLOAD,
        recovery.WORKLOAD,
        restart.WORKLOAD,
        commit.WORKLOAD,
        purge.WORKLOAD,
        postgres_nodes.WORKLOAD,
        postgres_hints.WORKLOAD,
        postgres_served.WORKLOAD,
        postgres_commit.WORKLOAD,
        postgres_takeover.WORKLOAD,
        postgres_parked.WORKLOAD,
    )
}
