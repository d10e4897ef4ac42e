"""URLs of workers, read strictly."""

import functools
import re
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import quote

import idna

URL_LENGTH_MAX = 2_048
URLS_REMEMBERED_MAX = 1_024

_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,253}}\.?\Z){_LABEL}(\.{_LABEL})*\.?\Z")
_REST = re.compile(r"(?P<authority>[^/?]*)(?P<path>[^?]*)(?P<query>.*)", re.DOTALL)
_AUTHORITY = re.compile(r"(\[(?P<literal>[^\[\]]*)\]|(?P<name>[^:\[\]]*))(:(?P<port>[0-9]{0,5}))?")
_IN_PATHS = "%!$&'()*+,/:;=@[]^|"
_IN_QUERIES = _IN_PATHS + "?`{}"
_PORTS = {"http": 80, "https": 443}

Origin = tuple[bool, str, int]
"""Whether TLS is spoken, the host, the port: whoever shares them may share a connection."""


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """A URL that may be called, if its address may be dialled."""

    origin: Origin
    netloc: str
    """As in the ``Host`` header."""
    path: str
    """As in the request line, with the query."""
    is_address: bool
    """Whether the host is no name."""

    @property
    def host(self) -> str:
        return self.origin[1]

    def __str__(self) -> str:
        return f"{'https' if self.origin[0] else 'http'}://{self.netloc}{self.path}"


@functools.lru_cache(maxsize=URLS_REMEMBERED_MAX)
def read_url(text: str) -> Target | str:
    """Read a URL strictly; return what is wrong with it otherwise.

    Strictly, because two parsers that disagree about ``\\``, ``@`` or ``127.1`` are a way around
    every check that comes later.
    """
    if len(text) > URL_LENGTH_MAX:
        return f"the URL is longer than {URL_LENGTH_MAX} characters"
    if "\\" in text or any(one.isspace() or one < "!" or one == "\x7f" for one in text):
        return "the URL has a space, a control character or a backslash"
    scheme, _, rest = text.partition("://")
    scheme = scheme.lower()
    if scheme not in _PORTS:
        return "the URL is neither http nor https"
    if "#" in text:
        return "the URL has a fragment"
    parts = _REST.fullmatch(rest)
    assert parts is not None, "it matches everything"
    if "@" in parts["authority"]:
        return "the URL has a user name"
    authority = _AUTHORITY.fullmatch(parts["authority"])
    if authority is None:
        return "the URL cannot be read"
    port = int(authority["port"] or _PORTS[scheme])
    if not (authority["literal"] or authority["name"]) or not 0 < port < 65536:
        return "the URL has no host, or an impossible port"
    try:
        host = _host(authority["literal"], authority["name"])
        path = quote(_without_dots(parts["path"]) or "/", safe=_IN_PATHS)
        query = quote(parts["query"], safe=_IN_QUERIES)
    except UnicodeError:
        return "the URL cannot be read"
    if host is None:
        return "the host of the URL is neither a name nor a canonical address"
    return Target(
        origin=(scheme == "https", host, port),
        netloc=(f"[{host}]" if ":" in host else host)
        + ("" if port == _PORTS[scheme] else f":{port}"),
        path=path + query,
        is_address=is_address(host),
    )


def is_address(host: str) -> bool:
    """Tell an address from a name."""
    try:
        return bool(ip_address(host))
    except ValueError:
        return False


def _host(literal: str | None, name: str | None) -> str | None:
    """Return the host in ASCII; None when it is no host. Raises ``UnicodeError``."""
    if literal is not None:
        return literal if ":" in literal and "%" not in literal and is_address(literal) else None
    assert name is not None, "one of them is there"
    host = name.lower() if name.isascii() else idna.encode(name.lower()).decode("ascii")
    return host if _is_plain(host) else None


def _is_plain(host: str) -> bool:
    """Tell names and canonical addresses from ``127.1``, ``0x7f.1``, ``2130706433`` and the like.

    A host is meant as an address when its last part is a number (the rule of browsers): no
    top-level domain is.
    """
    last = host.rstrip(".").rpartition(".")[2]
    if not last.isdecimal() and not last.startswith("0x"):
        return _NAME.match(host) is not None
    return is_address(host)


def _without_dots(path: str) -> str:
    """Return a path without ``.`` and ``..`` (RFC 3986, 5.2.4); none leads out of the root."""
    parts = path.split("/")
    if "." not in parts and ".." not in parts:
        return path
    kept: list[str] = []
    for part in parts:
        if part not in (".", ".."):
            kept.append(part)
        elif part == ".." and len(kept) > 1:
            kept.pop()
    return "/".join(kept)
