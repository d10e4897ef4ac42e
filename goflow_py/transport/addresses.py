"""Which addresses a worker may have: pure, and asked about each address as it is dialled.

Names and URLs are not judged here, because they are not what is dialled: a name can answer with
another address a moment later, and one address has many spellings. Standard library predicates
(``is_global``) are no help: they call NAT64, 6to4 and IPv4-compatible forms of 127.0.0.1 public.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

from goflow_py.errors import StartRefused

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def _networks(*texts: str) -> tuple[Network, ...]:
    return tuple(ip_network(text) for text in texts)


REFUSED: dict[str, tuple[Network, ...]] = {
    # Before link-local and private, so that the message names the worse thing.
    "a cloud metadata service": _networks(
        "169.254.169.254/32",
        "169.254.170.2/32",
        "100.100.100.200/32",
        "168.63.129.16/32",
        "192.0.0.192/32",
        "fd00:42::42/128",
        "fd00:ec2::/32",
        "fd20:ce::254/128",
    ),
    "unspecified": _networks("0.0.0.0/8", "::/128"),
    "link-local": _networks("169.254.0.0/16", "fe80::/10", "fec0::/10"),
    "multicast": _networks("224.0.0.0/4", "ff00::/8"),
    "reserved": _networks(
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "240.0.0.0/4",
        "64:ff9b:1::/48",
        "2001::/23",
        "2001:db8::/32",
        "3fff::/20",
    ),
}
"""Not dialled, whatever network or host the allow-list names."""

OPENED_ONE_BY_ONE = frozenset({"a cloud metadata service", "link-local"})
"""Of those, what a rule opens that is this very address: some clusters have services there."""

INTERNAL: dict[str, tuple[Network, ...]] = {
    "loopback": _networks("127.0.0.0/8", "::1/128"),
    "private": _networks(
        "10.0.0.0/8",
        "100.64.0.0/10",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "fc00::/7",
    ),
}
"""Dialled only when the policy says so."""

_GLOBAL_V6 = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
_SIX_TO_FOUR = IPv6Network("2002::/16")
_COMPATIBLE = IPv6Network("::/96")


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressPolicy:
    """What may be dialled: public addresses always, internal ones when allowed, some never."""

    private: bool = False
    """All loopback and private addresses: right for a server that listens on loopback itself."""
    networks: tuple[Network, ...] = ()
    """Internal networks that are targets, too."""
    hosts: frozenset[str] = frozenset()
    """Names that are targets wherever they resolve to, except to what is always refused."""
    own: tuple[str, int] | None = None
    """Where the server itself listens; None: that is a target like any other."""

    @classmethod
    def of(
        cls,
        *,
        private: bool = False,
        allow: Iterable[str] = (),
        own: tuple[str, int] | None = None,
    ) -> "AddressPolicy":
        """Read the rules of ``--allow-target``: an address, a CIDR or a host name each.

        Raises ``StartRefused`` for a rule that is none of them.
        """
        networks: list[Network] = []
        hosts: set[str] = set()
        for rule in allow:
            network = _network(rule)
            if network is not None:
                networks.append(network)
            else:
                hosts.add(_host(rule))
        return cls(
            private=private,
            networks=tuple(networks),
            hosts=frozenset(hosts),
            own=own,
        )

    def refusal(self, address: str, *, host: str = "") -> str | None:
        """Say what an address is that must not be dialled; None when it may be.

        *host* is the host of the URL for which it is dialled.
        """
        try:
            asked = embedded(ip_address(address.partition("%")[0]))
        except ValueError:
            return "not an address"
        kind = _kind(asked, REFUSED)
        if kind is not None:
            return None if kind in OPENED_ONE_BY_ONE and self._names(asked) else kind
        if isinstance(asked, IPv6Address) and not _is_unicast(asked):
            return "reserved"
        kind = _kind(asked, INTERNAL)
        if kind is None or self.private or host.rstrip(".").lower() in self.hosts:
            return None
        return None if _within(asked, self.networks) else kind

    def is_own(self, address: str, port: int, *, is_here: Callable[[Address], bool]) -> bool:
        """Tell whether that is the server's own listening socket; no rule opens it.

        A worker that is the server itself is a way to its API from within: past whatever stands
        before it, and in a circle. *is_here* tells whether an address is this machine's.
        """
        if self.own is None or port != self.own[1]:
            return False
        asked, own = embedded(ip_address(address.partition("%")[0])), ip_address(self.own[0])
        return is_here(asked) if own.is_unspecified else asked == embedded(own)

    def _names(self, address: Address) -> bool:
        """Tell whether a rule is this very address, not only a network around it."""
        named = (network for network in self.networks if network.num_addresses == 1)
        return any(_within(address, (network,)) for network in named)


def embedded(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 one stands for (mapped, NAT64, 6to4), or itself."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    number = int(address)
    if address in _SIX_TO_FOUR:
        return IPv4Address(number >> 80 & 0xFFFFFFFF)
    # ::1 and :: are addresses of their own, not compatible forms of 0.0.0.1 and 0.0.0.0.
    if address in _NAT64 or (address in _COMPATIBLE and number > 1):
        return IPv4Address(number & 0xFFFFFFFF)
    return address


def _is_unicast(address: IPv6Address) -> bool:
    return address in _GLOBAL_V6 or _kind(address, INTERNAL) is not None


def _kind(address: Address, kinds: dict[str, tuple[Network, ...]]) -> str | None:
    return next((kind for kind, networks in kinds.items() if _within(address, networks)), None)


def _within(address: Address, networks: Sequence[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


def _network(rule: str) -> Network | None:
    try:
        return ip_network(rule.strip("[]"), strict=False)
    except ValueError:
        return None


def _host(rule: str) -> str:
    """Return a host name in the form in which URLs have it.

    A name cannot be told from a mistyped address by its letters alone, so one whose last part
    starts with a digit is refused: no top-level domain does.
    """
    host = rule.rstrip(".").lower()
    labels = host.split(".")
    plain = all(label and label.replace("-", "").replace("_", "").isalnum() for label in labels)
    if not plain or not host.isascii() or labels[-1][0].isdigit():
        raise StartRefused(f"--allow-target {rule!r} is neither an address, a CIDR nor a host name")
    return host
