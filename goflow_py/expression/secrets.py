"""Secrets in templates: references that only the author of a blueprint can write.

A rendered text mixes what the author wrote with what came from outside, and someone outside may
send ``${secret:TOKEN}``. So a template that may name secrets never renders to a text in which
the two look alike. Either the secrets are given to ``Template.render`` and are put in at once,
or it renders a *sealed* text: each ``$`` that is not the author's reference is doubled. Sealed
texts can be stored; ``resolve_secrets`` opens them, and finds the author's references alone.
"""

import re
from collections.abc import Callable
from typing import Any, Final

from goflow_py.errors import ExpressionFailed

SECRET: Final = re.compile(r"\$\{secret:([A-Za-z0-9_][A-Za-z0-9_.:-]{0,63})\}")
SECRET_START: Final = "${secret:"
_SEALED = re.compile(r"\$\$|" + SECRET.pattern)

Lookup = Callable[[str], str | None]


def resolve_secrets(text: str, lookup: Lookup) -> str:
    """Open a sealed text: put in the secrets, and make each ``$$`` one ``$`` again.

    Raises ``ExpressionFailed`` that names a missing secret, and never shows the value of one.
    """
    return _SEALED.sub(
        lambda found: secret_value(found.group(1), lookup) if found.group(1) else "$", text
    )


def secret_names(text: str) -> list[str]:
    """Return the names of the secrets that a sealed text refers to, each once, in order."""
    return list(dict.fromkeys(name for name in _SEALED.findall(text) if name))


def secret_value(name: str, lookup: Lookup) -> str:
    """Return one secret, or raise ``ExpressionFailed`` with its name."""
    value = lookup(name)
    if value is None:
        raise ExpressionFailed(
            f"there is no secret '{name}'; set it on the server, or correct its name", secret=name
        )
    return value


def seal(value: Any) -> Any:
    """Double each ``$`` in the texts of a value, so that none of it is taken for a reference."""
    if isinstance(value, str):
        return value.replace("$", "$$") if "$" in value else value
    if isinstance(value, dict):
        return {key: seal(item) for key, item in value.items()}
    if isinstance(value, list):
        return [seal(item) for item in value]
    return value
