"""Where the database is, and how a session of a server begins."""

import re
from typing import Any

import asyncpg

CONNECT_SECONDS = 10.0
CALL_SECONDS = 60.0
"""After which a reading, or a small change, is given up."""
CUT_SECONDS = 5.0
"""After that the server gives it up, too: for a caller that is gone. It never is to be the first:
what it cuts of a commit is the wait for a synchronous standby, and it reports the commit as done.
"""
IDLE_IN_TRANSACTION_MS = 5_000
"""A node that stands still inside a transaction holds rows that others wait for: at most so long,
and no longer than its lease.
"""
IDLE_MS_MIN = 1_000
NAME_BYTES_MAX = 63
"""Of an application's name, in PostgreSQL."""

READING = {
    # Lists have conditions that are there or not: a plan is for the values it is given.
    "plan_cache_mode": "force_custom_plan",
}
COMMITTING = {
    # One plan for ever, into which no statistics of an empty table find their way: what a commit
    # looks up, it looks up by a key.
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_bitmapscan": "off",
    # No timeout of the server's: it would cut the wait for a synchronous standby, and report the
    # commit as done.
    "statement_timeout": "0",
}
TELLING = {
    # Nobody waits until a hint is on disk, or on a standby.
    "synchronous_commit": "off",
    "statement_timeout": "5000",
}
EVERY = {
    "default_transaction_isolation": "read committed",
    "jit": "off",
    # The server must notice that a node is gone: its session holds locks.
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "30000",
}

_USER_END, _OPTIONS = re.compile("[:/?#]"), re.compile("[?#]")
_SCHEMA = re.compile(r"[?&](search_path=[^&#]+)")


def shown(url: str) -> str:
    """Return the address without its password and its options, for messages.

    It may have several hosts, and characters in its password that ought to be encoded.
    """
    scheme, _, rest = url.partition("://")
    before, _, place = rest.rpartition("@")
    user = _USER_END.split(before, maxsplit=1)[0]
    return f"{scheme}://{user}{'@' if user else ''}{_OPTIONS.split(place, maxsplit=1)[0]}"


def with_schema(url: str) -> str:
    """Return the same with the schema, if one is named: a database may hold several stores."""
    schema = _SCHEMA.search(url)
    return f"{shown(url)}{'' if schema is None else f'?{schema[1]}'}"


def application(role: str, node: str) -> str:
    """Return a session's name: of ``writer``, ``reader``, ``lease``, ``shards`` or ``herald``."""
    return f"goflow {role} {node}"[:NAME_BYTES_MAX]


def options(role: str, node: str, *, ttl_ms: int = IDLE_IN_TRANSACTION_MS) -> dict[str, Any]:
    """Return how sessions of a *role* are opened, by a node with leases of *ttl_ms*."""
    cut = str(int((CALL_SECONDS + CUT_SECONDS) * 1000))
    idle = str(max(IDLE_MS_MIN, min(IDLE_IN_TRANSACTION_MS, ttl_ms)))
    every = {**EVERY, "statement_timeout": cut, "idle_in_transaction_session_timeout": idle}
    own = {"writer": COMMITTING, "herald": TELLING}.get(role, READING)
    return {
        "timeout": CONNECT_SECONDS,
        "statement_cache_size": 200,
        "max_cached_statement_lifetime": 0,
        "max_cacheable_statement_size": 0,
        "server_settings": {**every, **own, "application_name": application(role, node)},
    }


async def connect(
    url: str, *, role: str, node: str, ttl_ms: int = IDLE_IN_TRANSACTION_MS
) -> asyncpg.Connection:
    """Open a session. Raises what the driver raises."""
    try:
        return await asyncpg.connect(url, **options(role, node, ttl_ms=ttl_ms))
    except asyncpg.InterfaceError:
        raise
    except (ValueError, OverflowError) as error:
        # The driver lets through what the system says of a port or a name that cannot be one.
        reason = f"check its host and its port ({error})"
        raise asyncpg.ClientConfigurationError(reason) from error
