"""Who takes part: every node with its lease, its shards and its work, for operators."""

from typing import Any

from goflow_py import __version__
from goflow_py.clock import Clock
from goflow_py.domain.durations import rfc3339
from goflow_py.engine.options import EngineOptions
from goflow_py.engine.ownership import DRAIN_KIND, DRAINS_MAX, Ownership
from goflow_py.ports import Load, NodeRow, Store, Survey

COUNTED_MAX = 100_000
"""Running executions of all nodes that are counted: some 50 ms of a store's time."""
LATE_SHARE = 0.5
"""Of a lease: with less left, a heartbeat did not come. They come after a third of it."""


class Nodes:
    """Shows the nodes as this one sees them."""

    def __init__(
        self, *, store: Store, ownership: Ownership, clock: Clock, options: EngineOptions
    ) -> None:
        self._store = store
        self._ownership = ownership
        self._clock = clock
        self._lease_seconds = None if options.is_alone else options.lease_seconds
        """None: this node is the only one for ever, and its lease says nothing."""
        self._address = options.public_url
        """Of this one, if the store does not know."""

    async def view(self, *, is_ending: bool) -> dict[str, Any]:
        """Return all nodes, and what nobody owns; *is_ending*: this one drains."""
        survey = await self._store.survey(now=self._clock.now_ms(), limit=COUNTED_MAX)
        names = await self._store.names("", DRAIN_KIND, "", after="", limit=DRAINS_MAX)
        ending = {name.name for name in names}
        if is_ending:
            ending.add(self._ownership.node)
        return {
            "items": [
                self._node(node, load, survey.now, is_ending=node.node in ending)
                for node, load in survey.nodes
            ],
            "unowned": _unowned(survey),
            "at": rfc3339(survey.now),
            "shared": self._lease_seconds is not None,
            "leaseSeconds": self._lease_seconds,
        }

    def _node(self, node: NodeRow, load: Load, now: int, *, is_ending: bool) -> dict[str, Any]:
        is_self = node.node == self._ownership.node
        left = (node.lease_until - now) / 1_000
        return {
            "id": node.node,
            "self": is_self,
            "address": node.address or (self._address if is_self else None),
            "version": node.version or (__version__ if is_self else None),
            "startedAt": rfc3339(node.started),
            "leaseLeftSeconds": None if self._lease_seconds is None else left,
            "shards": node.shards,
            **_load(load, now),
            "status": self._status(left, is_ending=is_ending),
        }

    def _status(self, left: float, *, is_ending: bool) -> str:
        if self._lease_seconds is not None and left <= 0:
            return "lost"
        if is_ending:
            return "draining"
        if self._lease_seconds is not None and left < self._lease_seconds * LATE_SHARE:
            return "late"
        return "ok"


def _unowned(survey: Survey) -> dict[str, Any]:
    """Return what waits for an owner: what lost nodes had, too."""
    lost = [(node, load) for node, load in survey.nodes if node.lease_until <= survey.now]
    loads = [survey.left, *(load for _, load in lost)]
    sent = [load.oldest for load in loads if load.oldest is not None]
    running = [load.running for load in loads if load.running is not None]
    whole = Load(
        running=sum(running) if len(running) == len(loads) else None,
        messages=sum(load.messages for load in loads),
        oldest=min(sent, default=None),
    )
    shards = survey.unowned + sum(node.shards for node, _ in lost)
    return {"shards": shards, **_load(whole, survey.now)}


def _load(load: Load, now: int) -> dict[str, Any]:
    # Who sends has another clock than the leases.
    oldest = None if load.oldest is None else max(0, now - load.oldest) / 1_000
    return {"running": load.running, "inbox": load.messages, "oldestSeconds": oldest}
