"""What PostgreSQL's errors mean: nothing was written, nobody knows, or this one write is bad."""

import asyncpg

from goflow_py.errors import StartRefused, Unavailable

UNAVAILABLE = {
    "53100": ("store_full", "the database's disk is full: free some space"),
    "53200": ("store_memory", "the database has no memory left"),
    "53300": ("store_busy", "the database has no connection left: raise max_connections"),
    "53400": ("store_busy", "the database is at a limit of its configuration"),
    "25006": ("store_readonly", "the database takes no writes: check that it is the primary"),
    "40001": ("store_busy", "the database is busy"),
    "40P01": ("store_busy", "the database is busy"),
    "42501": ("store_readonly", "the database refuses this user: check its rights"),
    "55P03": ("store_busy", "the database is busy"),
    "57014": ("store_busy", "the database took too long"),
    "58030": ("store_io", "the database's disk reports an error: check it"),
    "XX001": ("store_corrupt", "the database is damaged: restore a backup"),
    "XX002": ("store_corrupt", "an index of the database is damaged: reindex it"),
}
"""By SQLSTATE. Everything else is a mistake of ours, or a value that no column holds."""

AGAIN = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
"""Rolled back whole, because of somebody else: the same again may pass."""

UNEXPECTED = (asyncpg.UniqueViolationError, asyncpg.DivisionByZeroError)
"""What a commit raises when another node was faster; the second is how it says so itself."""

ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
"""What the driver raises. A timeout is an ``OSError``."""

CUT = frozenset({"57P01", "57P02", "57P03", "57P05", "25P03"})
"""The server ended the session, or takes none yet."""


def is_lost(error: BaseException) -> bool:
    """Tell whether the connection is gone, so that nobody knows what became of a statement."""
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        is_fatal = getattr(error, "severity_en", None) in ("FATAL", "PANIC")
        return state[:2] == "08" or state in CUT or is_fatal
    if isinstance(error, ValueError):
        return False  # of an argument: it was never sent
    return isinstance(error, asyncpg.InterfaceError | asyncpg.InternalClientError | OSError)


def is_lost_connection(error: OSError) -> bool:
    """Tell whether a system's error is about the network, not about a file."""
    return isinstance(error, ConnectionError | TimeoutError)


def unavailable(error: BaseException) -> Unavailable | None:
    """Return what the caller sees when the store cannot work now; None for any other error."""
    if isinstance(error, asyncpg.PostgresError):
        known = UNAVAILABLE.get(error.sqlstate or "")
        if known is not None:
            return Unavailable(f"the store is unavailable, {known[1]}", code=known[0])
    if is_lost(error):
        return Unavailable(
            "the store is unavailable, the database cannot be reached: check it and the network",
            code="store_unreachable",
        )
    return None


def concerns_all(error: BaseException) -> bool:
    """Tell whether *error* would meet every other write, too."""
    found = unavailable(error)
    return isinstance(error, Unavailable) or (found is not None and found.reason != "store_corrupt")


def unreadable(error: BaseException) -> Unavailable:
    """Return what a reader sees of any error."""
    return unavailable(error) or Unavailable(
        f"the store cannot be read: {_line(error)}", code="store_unreadable"
    )


def unknown() -> Unavailable:
    """Return the answer of a store that lost the answer of a commit, and could not ask again."""
    return Unavailable(
        "the database went away inside a commit and did not come back in time: "
        "check it, then restart the server",
        code="store_unknown",
    )


def taken_over() -> Unavailable:
    """Return the answer of a store that another server took while this one was cut off."""
    return Unavailable(
        "another server has taken over the database: stop one of the two", code="store_taken"
    )


def refusal(place: str, error: BaseException) -> StartRefused:
    """Return the one line that says why the database *place* cannot be used."""
    match error:
        case asyncpg.InvalidPasswordError() | asyncpg.InvalidAuthorizationSpecificationError():
            reason = "refuses this user: check the user and its password"
        case asyncpg.InvalidCatalogNameError():
            reason = "does not exist: create it"
        case asyncpg.InsufficientPrivilegeError():
            reason = f"refuses this user, {_line(error)}: grant it what is missing"
        case asyncpg.TooManyConnectionsError():
            reason = "has no connection left: raise max_connections"
        case TimeoutError():
            reason = "did not answer in time: check its address and the network"
        case OSError() if not isinstance(error, asyncpg.PostgresError):
            reason = "cannot be reached: check its address, and that it runs"
        case _:
            reason = f"cannot be used: {_line(error)}"
    return StartRefused(f"{place} {reason}")


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
