"""What may be dialled, address by address."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goflow_py.errors import StartRefused
from goflow_py.transport.addresses import AddressPolicy

CLOSED = AddressPolicy()
LOCAL = AddressPolicy(private=True)

NEVER = {
    "169.254.169.254": "a cloud metadata service",
    "169.254.170.2": "a cloud metadata service",
    "100.100.100.200": "a cloud metadata service",
    "168.63.129.16": "a cloud metadata service",
    "192.0.0.192": "a cloud metadata service",
    "fd00:ec2::254": "a cloud metadata service",
    "fd00:42::42": "a cloud metadata service",
    "fd20:ce::254": "a cloud metadata service",
    "::ffff:169.254.169.254": "a cloud metadata service",
    "::169.254.169.254": "a cloud metadata service",
    "64:ff9b::a9fe:a9fe": "a cloud metadata service",
    "2002:a9fe:a9fe::1": "a cloud metadata service",
    "169.254.0.1": "link-local",
    "fe80::1": "link-local",
    "fe80::1%eth0": "link-local",
    "fec0::1": "link-local",
    "0.0.0.0": "unspecified",
    "0.1.2.3": "unspecified",
    "::": "unspecified",
    "::ffff:0.0.0.0": "unspecified",
    "224.0.0.1": "multicast",
    "239.255.255.250": "multicast",
    "ff02::1": "multicast",
    "240.0.0.1": "reserved",
    "255.255.255.255": "reserved",
    "192.0.0.8": "reserved",
    "192.0.2.1": "reserved",
    "198.51.100.1": "reserved",
    "203.0.113.1": "reserved",
    "192.88.99.1": "reserved",
    "2001:db8::1": "reserved",
    "2001::1": "reserved",
    "3fff::1": "reserved",
    "64:ff9b:1::1": "reserved",
    "100::1": "reserved",
    "4000::1": "reserved",
    "localhost": "not an address",
    "127.1": "not an address",
    "": "not an address",
}
INTERNAL = {
    "127.0.0.1": "loopback",
    "127.255.255.254": "loopback",
    "::1": "loopback",
    "::ffff:127.0.0.1": "loopback",
    "::127.0.0.1": "loopback",
    "64:ff9b::7f00:1": "loopback",
    "2002:7f00:1::": "loopback",
    "10.0.0.1": "private",
    "172.16.0.1": "private",
    "172.31.255.255": "private",
    "192.168.1.1": "private",
    "100.64.0.1": "private",
    "198.18.0.1": "private",
    "fc00::1": "private",
    "fd12:3456::1": "private",
    "::ffff:10.0.0.1": "private",
    "64:ff9b::a00:1": "private",
}
PUBLIC = ["1.1.1.1", "172.15.0.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00::1"]
PUBLIC += ["::ffff:1.1.1.1", "64:ff9b::101:101", "2002:101:101::1"]


@pytest.mark.parametrize(("address", "kind"), NEVER.items())
def test_some_addresses_are_refused_whatever_is_allowed(address: str, kind: str) -> None:
    everything = AddressPolicy.of(private=True, allow=["0.0.0.0/0", "::/0", "worker"])
    assert CLOSED.refusal(address) == kind
    assert everything.refusal(address, host="worker") == kind


@pytest.mark.parametrize(("address", "kind"), INTERNAL.items())
def test_internal_addresses_are_refused_until_they_are_allowed(address: str, kind: str) -> None:
    assert CLOSED.refusal(address) == kind
    assert LOCAL.refusal(address) is None
    assert AddressPolicy.of(allow=["0.0.0.0/0", "::/0"]).refusal(address) is None


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_allowed(address: str) -> None:
    assert CLOSED.refusal(address) is None


@pytest.mark.parametrize(
    ("rule", "address", "host", "allowed"),
    [
        ("10.1.0.0/16", "10.1.2.3", "", True),
        ("10.1.0.0/16", "10.2.2.3", "", False),
        ("10.1.2.3/16", "10.1.9.9", "", True),
        ("10.1.2.3", "10.1.2.3", "", True),
        ("10.1.2.3", "10.1.2.4", "", False),
        ("10.1.2.3", "::ffff:10.1.2.3", "", True),
        ("fd12::/16", "fd12::1", "", True),
        ("[::1]", "::1", "", True),
        ("::1", "127.0.0.1", "", False),
        ("payments.internal", "10.1.2.3", "payments.internal", True),
        ("Payments.Internal.", "10.1.2.3", "payments.internal", True),
        ("payments.internal", "10.1.2.3", "PAYMENTS.internal.", True),
        ("payments.internal", "10.1.2.3", "x.payments.internal", False),
        ("payments.internal", "10.1.2.3", "", False),
        ("my_service", "127.0.0.1", "my_service", True),
    ],
)
def test_a_rule_opens_what_it_names_and_no_more(
    rule: str, address: str, host: str, allowed: bool
) -> None:
    assert (AddressPolicy.of(allow=[rule]).refusal(address, host=host) is None) == allowed


@pytest.mark.parametrize(
    ("rule", "address", "opened"),
    [
        ("169.254.170.2", "169.254.170.2", True),
        ("169.254.170.2/32", "169.254.170.2", True),
        ("169.254.170.2", "::ffff:169.254.170.2", True),
        ("169.254.20.10", "169.254.20.10", True),
        ("169.254.20.10", "169.254.20.11", False),
        ("fe80::1", "fe80::1", True),
        ("169.254.170.2/31", "169.254.170.2", False),
        ("169.254.0.0/16", "169.254.20.10", False),
        ("0.0.0.0", "0.0.0.0", False),
        ("224.0.0.1", "224.0.0.1", False),
        ("192.0.2.1", "192.0.2.1", False),
    ],
)
def test_link_local_and_metadata_are_opened_one_by_one_only(
    rule: str, address: str, opened: bool
) -> None:
    assert (AddressPolicy.of(allow=[rule]).refusal(address) is None) == opened
    assert AddressPolicy.of(private=True).refusal(address) is not None


@pytest.mark.parametrize(
    ("own", "address", "port", "is_own"),
    [
        (("0.0.0.0", 80), "10.0.0.1", 80, True),
        (("::", 80), "10.0.0.1", 80, True),
        (("::", 80), "::ffff:10.0.0.1", 80, True),
        (("0.0.0.0", 80), "10.0.0.1", 81, False),
        (("0.0.0.0", 80), "10.0.0.2", 80, False),
        (("10.0.0.1", 80), "10.0.0.1", 80, True),
        (("10.0.0.1", 80), "64:ff9b::a00:1", 80, True),
        (("10.0.0.1", 80), "127.0.0.1", 80, False),
        (("10.0.0.2", 80), "10.0.0.1", 80, False),
        (None, "10.0.0.1", 80, False),
    ],
)
def test_the_servers_own_socket_is_known(
    own: tuple[str, int] | None, address: str, port: int, is_own: bool
) -> None:
    policy = AddressPolicy.of(allow=["10.0.0.1"], own=own)
    here = {ipaddress.ip_address("10.0.0.1"), ipaddress.ip_address("127.0.0.1")}
    assert policy.is_own(address, port, is_here=here.__contains__) == is_own


@pytest.mark.parametrize(
    "rule", ["", "10.0.0.0/33", "10.0.0", "http://worker", "worker:80", "a b", "a..b", "*", "*.a"]
)
def test_a_rule_that_is_neither_address_nor_name_stops_the_start(rule: str) -> None:
    with pytest.raises(StartRefused, match="neither an address"):
        AddressPolicy.of(allow=[rule])


@given(st.ip_addresses(v=4))
def test_every_form_of_an_ipv4_address_is_judged_alike(address: ipaddress.IPv4Address) -> None:
    number = int(address)
    forms = [
        ipaddress.IPv6Address(0xFFFF << 32 | number),
        ipaddress.IPv6Address(0x64FF9B << 96 | number),
        ipaddress.IPv6Address(0x2002 << 112 | number << 80 | 1),
    ]
    for policy in (CLOSED, LOCAL):
        assert {policy.refusal(str(form)) for form in forms} == {policy.refusal(str(address))}
