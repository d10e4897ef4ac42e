"""What nodes on one store know of each other, and what they say to each other."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Flag, auto

from goflow_py.domain.values import value

BEATS_A_LEASE = 3
"""Heartbeats that may be sent within a lease: one that hangs leaves time for another."""


class Hint(Flag):
    """What there may be."""

    NOTHING = 0
    MESSAGES = auto()
    """For executions of this node."""
    ANSWERS = auto()
    """To what this node asked."""
    SHARDS = auto()
    """That nobody owns."""
    COMMITS = auto()
    """Of another node."""
    WORK = auto()
    """For pull workers, that another node put onto a queue."""
    ANYTHING = MESSAGES | ANSWERS | SHARDS | COMMITS | WORK


@value
class NodeRow:
    """A node whose lease holds."""

    node: str
    """Its incarnation: another one at every start."""
    address: str = ""
    """Where it listens."""
    version: str = ""
    started: int
    lease_until: int
    shards: int
    """How many it owns."""


@value
class Load:
    """What there is to do in some shards."""

    running: int | None
    """Executions with this status; None: all nodes together have too many to count."""
    messages: int
    """In the inbox."""
    oldest: int | None
    """When the first of them was sent; None: there is none."""


@value
class Survey:
    """Who does what, and what is left undone."""

    now: int
    """The time of the leases."""
    nodes: Sequence[tuple[NodeRow, Load]]
    """Those whose lease holds, and those that have lost it and own shards that nobody took yet."""
    unowned: int
    """Shards without an owner that is known."""
    left: Load
    """What there is in those."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """Something for an execution, delivered by any node and applied by its owner."""

    execution: str
    kind: str
    dedupe: str
    body: bytes
    at: int
    number: int = 0
    """Given by the store; the order of delivery."""


def shard_of(thing: str) -> int:
    """Return the shard that an id names by its last byte; ValueError when it names none."""
    shard = int(thing[-2:], 16)
    if shard < 0:
        raise ValueError(f"no byte in hex at the end of {thing!r}")
    return shard
