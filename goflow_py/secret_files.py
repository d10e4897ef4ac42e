"""Secrets by name, from files and variables; none of them is kept."""

import logging
import re
from collections.abc import Mapping
from pathlib import Path

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,63}\Z")
SECRET_PREFIX = "GOFLOW_SECRET_"
SECRET_BYTES_MAX = 65_536

log = logging.getLogger(__name__)


class Secrets:
    """Looks secrets up by name: a file of the directory first, then a variable.

    Nothing is kept, so that a changed file holds for the next call.
    """

    def __init__(self, secrets_dir: Path | None, environ: Mapping[str, str]) -> None:
        self._dir = secrets_dir
        self._environ = environ

    def secret(self, name: str) -> str | None:
        """Return the secret *name*; None: there is none; "": it is empty, or cannot be read.

        ``PROJECT/NAME`` is a project's own; any other name that is no plain word has none. The
        variable is ``GOFLOW_SECRET_`` and the name, or its capitals with ``_`` for other signs.
        """
        if not all(NAME.match(part) for part in name.split("/", 1)):
            return None
        try:
            if self._dir is not None:
                text = read_text(self._dir / name, SECRET_BYTES_MAX)
                return text.removesuffix("\n").removesuffix("\r")
        except (FileNotFoundError, NotADirectoryError):
            pass
        except (OSError, ValueError) as error:
            log.warning("secret cannot be read", extra={"secret": name, "reason": str(error)})
            return ""
        capitals = re.sub(r"[.:-]", "_", name).upper()
        find = self._environ.get
        return find(SECRET_PREFIX + name) or find(SECRET_PREFIX + capitals) or None


def read_text(path: Path, bytes_max: int) -> str:
    """Return the text of a file. Raises ``ValueError`` when it is too long, or none."""
    with path.open("rb") as file:
        content = file.read(bytes_max + 1)
    if len(content) > bytes_max:
        raise ValueError(f"it is larger than {bytes_max} bytes")
    try:
        return content.decode()
    except UnicodeDecodeError:
        # The error's own text would show the file's bytes, and they may be a secret.
        raise ValueError("it is not UTF-8") from None
