"""What the witnesses of a fault test write down: clients, workers, and who makes the faults.

All times are seconds of one clock, the test's. Everything is plain, so that a failing run can be
saved as JSON, read again and judged again.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import orjson

Kind = Literal[
    "start",  # POST .../executions
    "event",  # POST .../executions/{id}/events
    "message",  # POST /v1/events: by business key
    "callback",
    "claim",  # a poll or a person took a task
    "complete",
    "fail",
    "verb",
    "read",
    "delete",
    "upload",  # of a new version: its number is the revision, its digest the code
]
Outcome = Literal["ok", "refused", "unknown"]
Answer = Literal["success", "definite", "failure", "none", "garbage", "accepted"]
Effect = Literal["applied", "deduplicated", "none"]


@dataclass(slots=True, kw_only=True)
class Operation:
    """One request of one client, from its first byte to the last of the answer."""

    client: str
    kind: Kind
    begun: float
    ended: float | None = None
    outcome: Outcome = "unknown"
    """``unknown``: no answer, a timeout or a 5xx; it may have happened, at most once."""
    project: str = "default"
    """Whose key was used; of a ``start`` also the activity's."""
    activity: str | None = None
    execution: str | None = None
    """Addressed, or returned by a start; of a verb on many at once: None."""
    matched: list[str] = field(default_factory=list)
    """Of a ``message``: the executions that the answer names."""
    key: str | None = None
    """The ``Idempotency-Key``; of an ``event`` its id. The same for every repeat."""
    name: str | None = None
    """Of an event: its name. Of a callback or a completion: the label, if one was chosen."""
    verb: str | None = None
    task: str | None = None
    visit: int | None = None
    attempt: int | None = None
    """With *task* and *visit*: what a callback, a claim or a completion is for."""
    input: Any = None
    """Of a start; only compared where *has_input*."""
    has_input: bool = False
    status: int | None = None
    code: str | None = None
    revision: int | None = None
    """Of the execution, as the answer had it."""
    is_duplicate: bool = False
    """The answer says that this was a repeat."""
    may: bool = True
    """The caller had the right to do this."""
    answer: str | None = None
    """The answer's text, where it is kept to look for what it must not hold."""


@dataclass(slots=True, kw_only=True)
class Seen:
    """A request that a worker received."""

    execution: str
    at: float
    key: str
    fence: int
    attempt: int
    project: str = "default"
    task: str | None = None
    visit: int | None = None
    """None: the request does not say, as of an event for an endpoint."""
    answered_at: float | None = None
    answer: Answer = "none"
    """What the worker sent back; ``accepted`` is an async one's, ``none`` a connection cut."""
    effect: Effect = "none"
    """Of a worker that deduplicates by key: what it did."""
    digest: str | None = None
    """Of the input that it got: the same for one key."""
    output: str | None = None
    """Digest of what it answered with success."""
    endpoint: str = ""
    node: str = ""


@dataclass(slots=True, kw_only=True)
class Fault:
    """Something that was broken on purpose."""

    kind: str
    """``kill``, ``power``, ``disk``, ``worker``...; ``open``: the circuit of an endpoint."""
    begun: float
    ended: float | None = None
    node: str = ""
    """Who was hit: a server, a worker; of ``open`` the endpoint."""
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Scrape:
    """The counters of one process, read last; *ends* tells that nothing was counted after it."""

    counters: dict[str, float]
    """Sample with its labels, as Prometheus' text has it, to its value."""
    ends: bool = True


@dataclass(slots=True, kw_only=True)
class Limits:
    """What the run was set to."""

    grace_seconds: float = 60.0
    """After the faults have healed: by then, everything is over that can be."""
    timer_grace_seconds: float = 5.0
    """A timer may be this late while nothing is broken."""
    rates: dict[str, float] = field(default_factory=dict)
    """Endpoint to the calls a second that it takes."""
    concurrent: dict[str, int] = field(default_factory=dict)
    """Endpoint to the calls at once that it takes."""
    slots: dict[str, int] = field(default_factory=dict)
    """Task and endpoint, as ``task@endpoint``, to the calls at once of each process."""
    probe_seconds: float = 10.0
    """Between two probes of an open circuit."""
    entries: int | None = None
    """Entries of a history, at most."""
    record_bytes: int | None = None
    forgets: bool = False
    """Executions are deleted or purged: what is gone is not missed."""


@dataclass(slots=True, kw_only=True)
class Notes:
    """All that was written down in one run."""

    operations: list[Operation] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    scrapes: list[Scrape] = field(default_factory=list)
    """One of each process, when S24 is to be judged."""
    healed_at: float | None = None
    """Since then nothing is broken; None: liveness is not judged."""
    ended_at: float | None = None
    """When the store was read."""
    server_zero_ms: float | None = None
    """The server's time at 0 of the test's clock, where both are one; None: they may differ."""
    clients_whole: bool = True
    """Every request of every client is noted."""
    workers_whole: bool = True
    """Every request that any worker received is noted."""
    judges_cuts: bool = False
    """Every start and end of a process is noted: a call is abandoned where one was cut."""
    canaries: dict[str, str] = field(default_factory=dict)
    """Project to a text that only its own data hold."""
    secrets: list[str] = field(default_factory=list)
    limits: Limits = field(default_factory=Limits)
    facts: dict[str, Any] = field(default_factory=dict)
    """Seed, commit, and whatever helps to run it again."""

    def as_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return asdict(self)

    @staticmethod
    def from_json(saved: Mapping[str, Any]) -> "Notes":
        """Return the notes that ``as_json`` saved."""
        fields = dict(saved)
        fields["operations"] = [Operation(**one) for one in saved["operations"]]
        fields["seen"] = [Seen(**one) for one in saved["seen"]]
        fields["faults"] = [Fault(**one) for one in saved["faults"]]
        fields["scrapes"] = [Scrape(**one) for one in saved["scrapes"]]
        fields["limits"] = Limits(**saved["limits"])
        return Notes(**fields)


def digest_of(value: Any) -> str:
    """Return what tells a JSON value from others, in a few characters."""
    plain = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(plain, digest_size=8).hexdigest()
