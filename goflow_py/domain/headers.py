"""Which headers a blueprint may set on the calls to its workers."""

import re

VALUE_CHARACTERS_MAX = 8_192

RESERVED_HEADERS = frozenset(
    {
        "host",
        "content-length",
        "content-type",
        "transfer-encoding",
        "connection",
        "keep-alive",
        "upgrade",
        "te",
        "trailer",
        "proxy-authorization",
        "proxy-connection",
        "accept-encoding",
        "expect",
        "cookie",
        "idempotency-key",
        "traceparent",
        "tracestate",
    }
)
RESERVED_PREFIXES = ("goflow-", "webhook-")

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_VISIBLE = re.compile(r"[\x20-\x7e\t]*\Z")


def header_problem(name: str, value: str) -> str | None:
    """Return what is wrong with a header, or None (RFC 9110, section 5)."""
    lower = name.lower()
    if not _TOKEN.match(name):
        return f"{name[:40]!r} is no header name"
    if lower in RESERVED_HEADERS or lower.startswith(RESERVED_PREFIXES):
        return f"the header '{name}' is the engine's own"
    if len(value) > VALUE_CHARACTERS_MAX or not _VISIBLE.match(value):
        return f"the value of '{name}' must be visible ASCII, at most {VALUE_CHARACTERS_MAX} long"
    return None
