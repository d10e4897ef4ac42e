"""The engine as one thing: its parts, wired; started, drained, stopped."""

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING

from goflow_py.clock import Clock
from goflow_py.engine.batcher import Batcher
from goflow_py.engine.caller import Caller
from goflow_py.engine.catalog import Catalog
from goflow_py.engine.dispatcher import Dispatcher
from goflow_py.engine.doers import Doers
from goflow_py.engine.elsewhere import LOOK_SECONDS, REFRESH_SECONDS, Elsewhere
from goflow_py.engine.emitting import Emitter
from goflow_py.engine.forks import Forks
from goflow_py.engine.handover import Handover
from goflow_py.engine.hints import Hints
from goflow_py.engine.limits import MEASURE_SECONDS, Limits
from goflow_py.engine.mailbox import POLL_SECONDS as MAIL_SECONDS
from goflow_py.engine.mailbox import Mailbox
from goflow_py.engine.nodes import Nodes
from goflow_py.engine.options import EngineOptions as EngineOptions
from goflow_py.engine.options import Silent
from goflow_py.engine.owner import Owner
from goflow_py.engine.ownership import FENCES_SECONDS, TURN_SECONDS, Ownership
from goflow_py.engine.polls import Polls
from goflow_py.engine.queues import Queues
from goflow_py.engine.routed import RoutedExecutions, RoutedSwm
from goflow_py.engine.routed_jobs import RoutedBatches, RoutedEarly
from goflow_py.engine.routed_tasks import RoutedCallbacks, RoutedClaims
from goflow_py.engine.routing import Router
from goflow_py.engine.streams import Streams
from goflow_py.engine.supervisor import Supervisor
from goflow_py.engine.sweeps import SWEEP_SECONDS, Sweeps
from goflow_py.engine.tracking import Tracking
from goflow_py.engine.uptake import POLL_SECONDS
from goflow_py.engine.watchman import Watchman
from goflow_py.ports import Observer, Store, Transport
from goflow_py.ports.scripts import Scripts

if TYPE_CHECKING:
    from goflow_py.engine.insights import Insights
    from goflow_py.engine.proofs import Proofs
    from goflow_py.engine.statistics import Statistics
    from goflow_py.engine.uploads import Uploads

log = logging.getLogger(__name__)

SETTLED_SECONDS = 120.0
WATCH_SECONDS = 60.0
"""Between two turns of the watchman."""
BUSY_STEPS = 100
"""Steps that wait for a commit; with more of them the watchman goes slower."""
RECOVERY = "recovery"
ESSENTIAL = frozenset({"heartbeat", "ownership", RECOVERY, "timers"})
"""Background work without which executions stand still."""


class Orchestrator:
    """Everything that doors may ask for."""

    def __init__(
        self,
        *,
        store: Store,
        transport: Transport,
        clock: Clock,
        options: EngineOptions,
        observer: Observer | None = None,
        scripts: Scripts | None = None,
    ) -> None:
        self.store = store
        self._scripts = scripts
        self.clock = clock
        self._options = options
        self._transport = transport
        observer = observer or Silent()
        self._began = clock.monotonic()
        self.lost = asyncio.Event()
        """Set when this node may write nothing any more: the process has to end."""
        self.supervisor = Supervisor(clock, on_lost=self.lost.set)
        self.batcher = Batcher(store, on_lost=self.lost.set)
        self.catalog = Catalog(store, endpoints=options.endpoints, fallback=options.fallback_url)
        self.limits = Limits(store=store, clock=clock, defaults=options.limits)
        self.dispatcher = Dispatcher(
            clock,
            defaults=options.retry,
            in_flight_max=options.calls_in_flight_max,
            open_max=self.limits.open_calls_max,
        )
        self.caller = self._caller(observer)
        self.queues = Queues(clock)
        self.doers = Doers(caller=self.caller, catalog=self.catalog, clock=clock, scripts=scripts)
        self.owner = Owner(
            store=store,
            batcher=self.batcher,
            catalog=self.catalog,
            dispatcher=self.dispatcher,
            do=self.doers.do,
            queues=self.queues,
            clock=clock,
            observer=observer,
            retention_seconds=options.retention_seconds,
            limits=self.limits,
            is_alone=options.is_alone,
        )
        self.limits.changed = self.owner.flights.wake_ready
        self._meet_others()
        self._open_doors()
        self._open_doors_to_many()
        self._open_background()

    def _meet_others(self) -> None:
        """Make what knows of other nodes."""
        self.ownership = self._ownership()
        self.limits.share = self.ownership.share
        self.nodes = Nodes(
            store=self.store, ownership=self.ownership, clock=self.clock, options=self._options
        )
        self.router = Router(store=self.store, clock=self.clock)
        self.mailbox = Mailbox(store=self.store, memory=self.owner.memory, clock=self.clock)

    def _ownership(self) -> Ownership:
        memory, flights = self.owner.memory, self.owner.flights
        return Ownership(
            store=self.store,
            memory=memory,
            handover=Handover(store=self.store, memory=memory, flights=flights, clock=self.clock),
            clock=self.clock,
            lease_seconds=self._options.lease_seconds,
            is_alone=self._options.is_alone,
            adopt=self._adopt,
            again=self._take_up,
            on_lost=self.lost.set,
        )

    def _caller(self, observer: Observer) -> Caller:
        return Caller(
            transport=self._transport,
            catalog=self.catalog,
            clock=self.clock,
            observer=observer,
            secret=self._options.secret,
            token_key=self._options.token_key,
            public_url=self._options.public_url,
        )

    def _open_doors(self) -> None:
        """Make the use cases that the API calls."""
        self.executions = RoutedExecutions(
            router=self.router,
            mailbox=self.mailbox,
            store=self.store,
            catalog=self.catalog,
            owner=self.owner,
            dispatcher=self.dispatcher,
            clock=self.clock,
        )
        self.doers.emit = Emitter(
            store=self.store,
            owner=self.owner,
            executions=self.executions,
            roles=frozenset() if self._options.checks_roles else None,
        ).emit
        self.callbacks = RoutedCallbacks(
            router=self.router,
            mailbox=self.mailbox,
            catalog=self.catalog,
            secrets_of=self.caller.secrets_of,
            store=self.store,
            owner=self.owner,
            dispatcher=self.dispatcher,
            token_key=self._options.token_key,
        )
        self.claims = RoutedClaims(
            router=self.router,
            mailbox=self.mailbox,
            store=self.store,
            catalog=self.catalog,
            owner=self.owner,
            dispatcher=self.dispatcher,
            token_key=self._options.token_key,
        )
        self.polls = Polls(
            store=self.store, claims=self.claims, queues=self.queues, clock=self.clock
        )
        self.tracking = Tracking(
            store=self.store,
            catalog=self.catalog,
            owner=self.owner,
            public_url=self._options.public_url,
        )
        self.streams = Streams(
            store=self.store, tracking=self.tracking, memory=self.owner.memory, clock=self.clock
        )
        self.batcher.committed = self.streams.feed.committed

    def _open_doors_to_many(self) -> None:
        """Make the use cases that find, or make, further executions by themselves."""
        self.early = RoutedEarly(
            router=self.router,
            mailbox=self.mailbox,
            admit=self.limits.admit_stored,
            store=self.store,
            memory=self.owner.memory,
            executions=self.executions,
            clock=self.clock,
        )
        self.early.share = self.ownership.share
        self.owner.committed = self.early.committed
        self.forks = Forks(
            store=self.store, catalog=self.catalog, owner=self.owner, clock=self.clock
        )
        self.batches = RoutedBatches(
            router=self.router,
            mailbox=self.mailbox,
            store=self.store,
            memory=self.owner.memory,
            executions=self.executions,
            clock=self.clock,
        )
        self.swm = RoutedSwm(
            router=self.router,
            mailbox=self.mailbox,
            store=self.store,
            catalog=self.catalog,
            owner=self.owner,
            executions=self.executions,
            dispatcher=self.dispatcher,
        )

    def _open_background(self) -> None:
        """Make what works without being asked."""
        self.sweeps = Sweeps(
            store=self.store,
            early=self.early,
            batches=self.batches,
            supervisor=self.supervisor,
            clock=self.clock,
            owns=self.ownership.owns,
        )
        self.elsewhere = Elsewhere(
            store=self.store,
            memory=self.owner.memory,
            ownership=self.ownership,
            queues=self.queues,
            streams=self.streams,
            supervisor=self.supervisor,
            refreshes={
                "definitions": self.catalog.refresh,
                "limits": self.limits.refresh,
                "early events": self.early.load,
                "batches": self.batches.recover,
                "places": self.owner.places.refresh,
            },
        )
        self.hints = Hints(store=self.store, supervisor=self.supervisor, clock=self.clock)
        self.watchman = Watchman(
            store=self.store,
            catalog=self.catalog,
            owner=self.owner,
            clock=self.clock,
            is_busy=lambda: self.batcher.waiting > BUSY_STEPS,
        )

    # What examines definitions, and imports those of other systems, is not needed to run one: it
    # takes 50 ms to import and 5 MB.

    @cached_property
    def proofs(self) -> "Proofs":
        """What stored versions are known to do."""
        from goflow_py.engine.proofs import Proofs

        return Proofs(store=self.store, catalog=self.catalog, retry=self._options.retry)

    @cached_property
    def uploads(self) -> "Uploads":
        """The use cases of definitions."""
        from goflow_py.engine.uploads import Uploads

        return Uploads(store=self.store, catalog=self.catalog, clock=self.clock, proofs=self.proofs)

    @cached_property
    def statistics(self) -> "Statistics":
        """How much began and ended."""
        from goflow_py.engine.statistics import Statistics

        return Statistics(store=self.store, clock=self.clock)

    @cached_property
    def insights(self) -> "Insights":
        """What the newest executions of a version did."""
        from goflow_py.engine.insights import Insights

        return Insights(store=self.store, catalog=self.catalog, clock=self.clock)

    async def start(self) -> None:
        """Open the store, own its shards, and take up all that was running."""
        await self.ownership.open()
        work = self.supervisor
        # First of all: what is read below may take longer than the lease.
        work.every(
            "heartbeat",
            self.ownership.beat,
            seconds=self.ownership.beat_seconds,
            again_max=self.ownership.again_seconds,
        )
        self.router.node = self.ownership.node
        await self.catalog.load()
        await self.limits.load()
        self.batcher.start()
        await self.early.load()
        await self.batches.recover()
        await self.mailbox.turn()  # what was sent to its shards before comes first
        work.every("fences", self.ownership.look_at_fences, seconds=FENCES_SECONDS)
        if not self._options.is_alone:
            turn, look = self.ownership.turn, self._look_for_mail
            work.every("ownership", turn, seconds=TURN_SECONDS, again_max=TURN_SECONDS)
            work.every("inbox", look, seconds=MAIL_SECONDS, first=0.0, again_max=TURN_SECONDS)
            self.hints.follow(
                mailbox=self.mailbox,
                router=self.router,
                ownership=self.ownership,
                elsewhere=self.elsewhere,
            )
            work.every("elsewhere", self.elsewhere.look, seconds=LOOK_SECONDS)
            work.every("changes", self.elsewhere.refresh, seconds=REFRESH_SECONDS)
        work.every("sweep", self.sweeps.turn, seconds=SWEEP_SECONDS)
        work.every("timers", self.owner.uptake.poll_timers, seconds=POLL_SECONDS, first=0.0)
        work.once(RECOVERY, partial(self._recover, list(self.owner.memory.epochs)))
        work.every("limits", self.limits.measure, seconds=MEASURE_SECONDS)
        work.every("watch", self.watchman.beat, seconds=WATCH_SECONDS)

    async def stop(self, *, drain_seconds: float = 0.0) -> None:
        """Let calls end for a while, record what was cut, release everything."""
        await self.supervisor.stop()
        await self.mailbox.stop()
        await self.router.stop()
        await self.polls.stop()
        await self.batches.stop()
        await self.early.stop()
        await self.owner.drain(drain_seconds)
        await self.batcher.stop()
        await self._transport.close()
        if self._scripts is not None:
            await self._scripts.close()
        await self.store.close()

    async def drain(self, seconds: float) -> None:
        """Give what is quiet to other nodes, and let calls in flight end for up to *seconds*."""
        self.owner.draining = True
        await self.supervisor.attempt("handover", self.ownership.drain)
        await self.owner.drain(seconds)

    @property
    def draining(self) -> bool:
        """Tell whether new work is refused because the server is about to end."""
        return self.owner.draining

    @property
    def is_settled(self) -> bool:
        """Tell whether it has run for long enough to have done all that was due at its start."""
        return self.clock.monotonic() - self._began > SETTLED_SECONDS

    @property
    def broken(self) -> list[str]:
        """Return the background work that fails and without which executions stand still."""
        broken = self.supervisor.broken
        return [name for name in broken if name.partition(" ")[0] in ESSENTIAL]

    async def _adopt(self, claimed: Mapping[int, int]) -> None:
        """Take up all that is in shards that are new here; what was sent to them before first."""
        mail = await self.mailbox.read(claimed)
        self.owner.memory.epochs.update(claimed)
        self.mailbox.take_in(mail)
        self._take_up(claimed)

    def _take_up(self, shards: Iterable[int]) -> None:
        if found := list(shards):
            work = partial(self._take_over, found)
            self.supervisor.once(f"{RECOVERY} of shard {min(found)} and others", work)

    async def _look_for_mail(self) -> None:
        await self.mailbox.turn()
        await self.router.collect()

    async def _take_over(self, shards: Sequence[int]) -> None:
        await self.owner.uptake.expect(shards)
        await self._recover(shards)
        await self.batches.recover()
        await self.early.load()

    async def _recover(self, shards: Sequence[int]) -> None:
        count = await self.owner.uptake.recover(shards)
        if count:
            log.info("running executions were taken up", extra={"count": count})
