"""What nodes on one store know of each other, and what they say to each other."""

from dataclasses import dataclass

from goflow_py.domain.values import value


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
