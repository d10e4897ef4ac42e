"""Carries calls to workers: which addresses may be dialled, and HTTP over them."""

import sys

# httpx imports its own command line, and with it rich and pygments, whenever they are installed, as
# they are here for ours: 4 MB of memory that no server uses. It does without when that fails.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]  # None: no such module
