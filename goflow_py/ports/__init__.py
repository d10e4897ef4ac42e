"""What the engine needs from outside: a store, a transport, an observer. Adapters implement these.

The docstrings are the contract; ``tests/contract`` holds every adapter to it.
Times are milliseconds since 1970, UTC, given by the caller; durations are seconds.
"""

from goflow_py.ports.observer import Observer
from goflow_py.ports.rows import (
    BATCH_BYTES_MAX,
    BATCH_RECORDS_MAX,
    PAGE_BYTES_MAX,
    SHARDS,
    BatchRow,
    BlueprintRow,
    Committed,
    EarlyRow,
    Fenced,
    Filter,
    HeadRow,
    KeyRow,
    LimitsRow,
    Message,
    Name,
    OpenRow,
    Page,
    Poisonous,
    QueueRow,
    RecordRow,
    Taken,
    TaskFilter,
    Upload,
    UsageRow,
    Verdict,
    Write,
)
from goflow_py.ports.store import Store
from goflow_py.ports.transport import Answered, Reply, Request, Transport, Unreachable

__all__ = [
    "BATCH_BYTES_MAX",
    "BATCH_RECORDS_MAX",
    "PAGE_BYTES_MAX",
    "SHARDS",
    "Answered",
    "BatchRow",
    "BlueprintRow",
    "Committed",
    "EarlyRow",
    "Fenced",
    "Filter",
    "HeadRow",
    "KeyRow",
    "LimitsRow",
    "Message",
    "Name",
    "Observer",
    "OpenRow",
    "Page",
    "Poisonous",
    "QueueRow",
    "RecordRow",
    "Reply",
    "Request",
    "Store",
    "Taken",
    "TaskFilter",
    "Transport",
    "Unreachable",
    "Upload",
    "UsageRow",
    "Verdict",
    "Write",
]
