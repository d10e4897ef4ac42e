"""Files that only their owner reads: keys."""

import contextlib
import os
from pathlib import Path

from goflow_py.errors import StartRefused


def kept(path: Path, fresh: bytes) -> bytes:
    """Return the server key that *path* has, *fresh* if there was none. Raises ``StartRefused``."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            write(path, fresh, replace=False)
        key = path.read_bytes()
    except OSError as error:
        raise StartRefused(f"the server key {path} cannot be used: {error.strerror}") from error
    if len(key) != len(fresh):
        raise StartRefused(f"{path} is no server key: it has {len(key)} bytes, not {len(fresh)}")
    return key


def write(path: Path, content: bytes, *, replace: bool) -> None:
    """Write a file that only its owner reads, whole or not at all."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            draft.replace(path)
        else:
            with contextlib.suppress(FileExistsError):  # another server was first
                os.link(draft, path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    finally:
        draft.unlink(missing_ok=True)
