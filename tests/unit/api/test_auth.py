"""Keys and who a request is from, without a server."""

from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request

from goflow_py.api.auth import ANYBODY, OPEN, SCOPES, Access, hash_secret, is_loopback, new_key
from goflow_py.errors import Forbidden, MalformedRequest, Unauthenticated
from goflow_py.store.memory import MemoryStore
from goflow_py.testing import FakeClock


def request(**headers: str) -> Any:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return make_mocked_request("GET", "/", headers={"Host": "127.0.0.1", **named})


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def access(clock: FakeClock, *, required: bool = True) -> Access:
    return Access(store=MemoryStore(), clock=clock, required=required)


def test_a_keys_text_is_not_what_is_kept(clock: FakeClock) -> None:
    row, text = new_key(clock, project=None, scopes=SCOPES)
    kind, number, secret = text.split("_", 2)
    assert (kind, number) == ("gf", row.id)
    assert row.hash == hash_secret(secret)
    assert secret not in repr(row)
    assert len(secret) >= 32


def test_a_known_key_is_let_in_with_what_it_may_do(clock: FakeClock) -> None:
    door = access(clock)
    row, text = new_key(clock, project="p", scopes=["task"], roles=["boss"])
    door.keys[row.id] = row
    caller = door.admit(request(Authorization=f"bearer {text}"), ("task",), everywhere=False)
    assert (caller.principal, caller.project) == (row.id, "p")
    assert caller.scopes == frozenset({"task"})
    assert caller.roles == frozenset({"boss"})
    with pytest.raises(Forbidden):
        door.admit(request(Authorization=f"Bearer {text}"), ("admin",), everywhere=False)
    with pytest.raises(Forbidden):
        door.admit(request(Authorization=f"Bearer {text}"), ("task",), everywhere=True)
    assert door.admit(request(), OPEN, everywhere=False) is ANYBODY


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer x", "Basic gf_a_b", "Bearer gf_a", "Bearer gf__", "é"]
)
def test_anything_else_is_kept_out(clock: FakeClock, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    with pytest.raises(Unauthenticated):
        access(clock).admit(request(**headers), ("task",), everywhere=False)


async def test_a_key_expires_at_its_time(clock: FakeClock) -> None:
    door = access(clock)
    row, text = new_key(clock, project=None, scopes=["task"], expires_at=clock.now_ms() + 60_000)
    door.keys[row.id] = row
    asked = request(Authorization=f"Bearer {text}")
    await clock.advance(59.9)
    door.admit(asked, ("task",), everywhere=False)
    await clock.advance(0.1)
    with pytest.raises(Unauthenticated) as refusal:
        door.admit(asked, ("task",), everywhere=False)
    assert refusal.value.reason == "expired_key"


@pytest.mark.parametrize(
    ("host", "good"),
    [
        ("127.0.0.1:8080", True),
        ("localhost", True),
        ("goflow.localhost:1", True),
        ("[::1]:8080", True),
        ("192.168.1.5", True),
        ("evil.example", False),
        ("localhost.evil.example:8080", False),
        ("", False),
    ],
)
def test_without_keys_the_host_is_an_address_or_localhost(
    clock: FakeClock, host: str, *, good: bool
) -> None:
    door = access(clock, required=False)
    if good:
        assert door.admit(request(Host=host), ("task",), everywhere=True) is ANYBODY
        return
    with pytest.raises((Forbidden, MalformedRequest)):
        door.admit(request(Host=host), ("task",), everywhere=True)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("example.com", False),
    ],
)
def test_only_loopback_needs_no_keys(host: str, *, loopback: bool) -> None:
    assert is_loopback(host) is loopback
