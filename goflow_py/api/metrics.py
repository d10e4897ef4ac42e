"""What Prometheus reads: counts of what was committed, and gauges read off the engine."""

from collections.abc import Callable
from functools import lru_cache

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from goflow_py.clock import Clock
from goflow_py.engine.orchestrator import Orchestrator

BUCKETS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
LAG_EVERY_SECONDS = 0.5
LABELS_KEPT_MAX = 4_096


class Metrics:
    """Is told what was committed (``ports.Observer``)."""

    def __init__(self) -> None:
        # They are as many lines again, and nothing reads them.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._started = Counter(
            "goflow_executions_started",
            "Executions that began.",
            ["project", "activity"],
            registry=self.registry,
        )
        self._ended = Counter(
            "goflow_executions_ended",
            "Executions that ended.",
            ["project", "activity", "status"],
            registry=self.registry,
        )
        self._duration = Histogram(
            "goflow_execution_seconds",
            "How long executions took.",
            ["project", "activity"],
            registry=self.registry,
        )
        self._attempts = Histogram(
            "goflow_attempt_seconds",
            "Calls to workers.",
            ["action", "outcome"],
            buckets=BUCKETS_SECONDS,
            registry=self.registry,
        )
        # The library looks its children up under a lock, with every label checked again.
        self._started_of = lru_cache(LABELS_KEPT_MAX)(self._started.labels)
        self._ended_of = lru_cache(LABELS_KEPT_MAX)(self._ended.labels)
        self._duration_of = lru_cache(LABELS_KEPT_MAX)(self._duration.labels)
        self._attempts_of = lru_cache(LABELS_KEPT_MAX)(self._attempts.labels)
        self._lag = Gauge(
            "goflow_loop_lag_seconds",
            "How late the event loop was, lately.",
            registry=self.registry,
        )

    def started(self, project: str, activity: str) -> None:
        self._started_of(project, activity).inc()

    def ended(self, project: str, activity: str, status: str, seconds: float) -> None:
        self._ended_of(project, activity, str(status)).inc()
        self._duration_of(project, activity).observe(seconds)

    def attempt(self, action: str, outcome: str, seconds: float) -> None:
        self._attempts_of(action, outcome).observe(seconds)

    def watch(self, orchestrator: Orchestrator, connections: Callable[[], int]) -> None:
        """Show the engine's own numbers, too."""
        batcher, dispatcher = orchestrator.batcher, orchestrator.dispatcher
        watchman, ownership = orchestrator.watchman, orchestrator.ownership
        gauges: dict[str, tuple[str, Callable[[], float]]] = {
            "goflow_calls_in_flight": ("Calls to workers.", lambda: dispatcher.slots.total),
            "goflow_tasks_waiting": ("Tasks without a slot.", lambda: dispatcher.slots.waiting),
            "goflow_timers": ("Timers in memory.", lambda: len(orchestrator.owner.timers)),
            "goflow_connections": ("Open connections.", connections),
            "goflow_streams": ("Open streams.", lambda: len(orchestrator.streams)),
            "goflow_draining": ("1 while it drains.", lambda: orchestrator.draining),
            "goflow_executions_left_alone": (
                "Executions that broke the engine, and could not be ended.",
                lambda: len(orchestrator.owner.apart.left_alone),
            ),
            "goflow_nodes": ("Servers that live.", lambda: len(ownership.others) + 1),
            "goflow_shards_owned": (
                "Shards of this server.",
                lambda: len(orchestrator.owner.memory.epochs),
            ),
            "goflow_shards_unowned": ("Shards of nobody.", lambda: ownership.unowned),
            "goflow_lease_seconds": ("Left of its lease, at least.", ownership.lease_left),
            "goflow_inbox_messages": (
                "Requests of other servers that are read and not answered yet.",
                lambda: len(orchestrator.mailbox),
            ),
            "goflow_questions": (
                "Requests that wait for an answer of another server.",
                lambda: len(orchestrator.router),
            ),
        }
        for name, (text, read) in gauges.items():
            Gauge(name, text, registry=self.registry).set_function(read)
        counts: dict[str, tuple[str, Callable[[], float]]] = {
            "goflow_commits": ("Transactions of steps.", lambda: batcher.commits),
            "goflow_writes": ("Steps committed.", lambda: batcher.writes),
            "goflow_executions_set_apart": (
                "Executions that were ended because they broke the engine.",
                lambda: orchestrator.owner.apart.count,
            ),
            "goflow_orphans": ("Executions that nothing looked after.", lambda: watchman.orphans),
            "goflow_watch_findings": ("Rows that differ.", lambda: watchman.findings.total()),
            "goflow_watch_turns": ("Turns of the watchman.", lambda: watchman.turns),
            "goflow_background_failures": (
                "Turns of background work that broke.",
                lambda: orchestrator.supervisor.failures.total(),
            ),
        }
        self.registry.register(_Counts(counts))

    async def measure_lag(self, clock: Clock) -> None:
        """Measure how late the loop is, once."""
        due = clock.monotonic() + LAG_EVERY_SECONDS
        await clock.sleep(LAG_EVERY_SECONDS)
        self._lag.set(max(0.0, clock.monotonic() - due))

    def text(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self.registry)


class _Counts(Collector):
    """Counters that somebody else counts."""

    def __init__(self, reads: dict[str, tuple[str, Callable[[], float]]]) -> None:
        self._reads = reads

    def collect(self) -> list[CounterMetricFamily]:
        return [
            CounterMetricFamily(name, text, value=read())
            for name, (text, read) in self._reads.items()
        ]
