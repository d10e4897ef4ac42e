"""How many files this process may have open: half are for clients, half for calls to workers."""

import contextlib
import resource

FILES_WANTED = 65_536
FILES_RESERVED = 64
"""For the store, the log, the children."""


def files_for(wanted: int) -> int:
    """Return how many of *wanted* connections to clients, or to workers, there are files for."""
    return max(1, min(wanted, (files_max() - FILES_RESERVED) // 2))


def files_max() -> int:
    """Return how many files may be open, after asking for as many as there may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = FILES_WANTED if hard == resource.RLIM_INFINITY else min(hard, FILES_WANTED)
    if soft != resource.RLIM_INFINITY and soft < most:
        with contextlib.suppress(ValueError, OSError):  # it may be forbidden; what there is, holds
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return FILES_WANTED if soft == resource.RLIM_INFINITY else soft
