"""The first administrator's key of a server that others can reach: of many servers one makes it."""

import logging
from collections.abc import Callable
from pathlib import Path

from goflow_py.api.auth import SCOPES, Access, new_key
from goflow_py.errors import StartRefused
from goflow_py.ports import Name

log = logging.getLogger(__name__)

FIRST_KIND = "first key"
MADE_WITHIN_MS = 30_000
"""After which a server that died over it is waited for no more, once the name is swept."""


async def make_first_key(
    access: Access, *, path: Path | None, write: Callable[[Path, bytes], None], is_alone: bool
) -> None:
    """Make the first key, and let *write* put it into the file *path*.

    Raises ``StartRefused`` when that cannot be written.
    """
    if path is None:
        log.warning(
            "there is no API key, and one is needed beyond loopback; set --bootstrap-key-file, "
            "or stop the server and use 'goflow key create --data'"
        )
        return
    if not is_alone and not await _is_first(access):
        return
    row, text = new_key(access.clock, project=None, scopes=SCOPES, description="the first key")
    try:
        # The file comes first: a key that nobody has read is replaced by the next start.
        write(path, f"{text}\n".encode())
    except OSError as error:
        raise StartRefused(f"the key file {path} cannot be written: {error.strerror}") from error
    await access.add(row)
    log.info("the first API key was written", extra={"file": str(path)})


async def _is_first(access: Access) -> bool:
    """Tell whether this server, of those that start at one moment, is the one to make the key."""
    until = access.clock.now_ms() + MADE_WITHIN_MS
    mine = Name(project="", kind=FIRST_KIND, scope="", name="first", execution="", expires=until)
    winner = await access.store.put_name(mine)
    if winner is not None:
        log.warning(
            "another server makes the first API key, in its own file; if there is none in two "
            "minutes, start this one again"
        )
        return False
    await access.load()  # one may have been made between the look and the name
    return not access.keys
