"""Who calls, and what the key allows: ``Authorization: Bearer gf_<id>_<secret>``.

Only the SHA-256 of a secret is kept. Without keys (a server on loopback), a request has to come
from no other web page: a browser says in ``Origin`` and ``Host`` whose page it shows.
"""

import asyncio
import base64
import hashlib
import hmac
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args
from urllib.parse import urlsplit

from aiohttp import web

from goflow_py.api.refusals import Refusals
from goflow_py.clock import Clock
from goflow_py.errors import Conflict, Forbidden, MalformedRequest, Unauthenticated
from goflow_py.ports import KeyRow, Store

Scope = Literal[
    "blueprint:write",
    "execution:start",
    "execution:read",
    "execution:event",
    "execution:control",
    "task",
    "admin",
]
SCOPES: tuple[str, ...] = get_args(Scope)
OPEN = ("open",)
"""The scope of a route that needs no key."""

SECRET_BYTES = 24
HOSTS_KNOWN_MAX = 1_000
KEYS_MAX = 1_000
"""Of one project; so many may be for all projects, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who sent a request."""

    principal: str | None
    project: str | None
    """None: all projects."""
    scopes: frozenset[str]
    roles: frozenset[str] | None
    """None: roles are not checked."""


ANYBODY = Caller(principal=None, project=None, scopes=frozenset(SCOPES), roles=None)
"""The caller of a server that listens on loopback only."""


@dataclass(kw_only=True)
class Access:
    """Knows the keys, and whether one is needed."""

    store: Store
    clock: Clock
    required: bool
    keys: dict[str, KeyRow] = field(default_factory=dict)
    refusals: Refusals = field(init=False)
    _hosts: set[str] = field(default_factory=set)
    _changing: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        self.refusals = Refusals(clock=self.clock)

    async def load(self) -> None:
        """Read all keys."""
        async with self._changing:
            self.keys = {key.id: key for key in await self.store.keys()}

    async def add(self, key: KeyRow) -> None:
        """Store a key; it is good at once. Raises ``Conflict`` when there are too many."""
        async with self._changing:
            if sum(one.project == key.project for one in self.keys.values()) >= KEYS_MAX:
                whose = "all projects" if key.project is None else f"the project {key.project}"
                raise Conflict(
                    f"there are {KEYS_MAX} keys for {whose} already; revoke those that nobody uses",
                    code="too_many_keys",
                )
            await self.store.put_key(key)
            self.keys[key.id] = key

    async def remove(self, key: str) -> bool:
        """Revoke a key; False when there is none."""
        self.keys.pop(key, None)
        async with self._changing:
            self.keys.pop(key, None)  # it may have been read again meanwhile
            return await self.store.delete_key(key)

    def admit(self, request: web.BaseRequest, scopes: Sequence[str], *, everywhere: bool) -> Caller:
        """Return the caller. Raises ``Unauthenticated``, ``Forbidden``, ``TooManyRequests``.

        *scopes* are those of which one is needed; *everywhere* asks for a key of all projects.
        """
        if not self.required:
            self._refuse_other_pages(request)
            return ANYBODY
        if scopes is OPEN:
            return ANYBODY
        key = self._key(request.headers.get("Authorization"), request.remote or "")
        if not any(scope in key.scopes for scope in scopes):
            raise Forbidden(
                f"this call needs a key with the scope {' or '.join(scopes)}",
                code="scope",
                scopes=list(scopes),
            )
        if everywhere and key.project is not None:
            raise Forbidden("this call needs a key for all projects", code="scope")
        return Caller(
            principal=key.id,
            project=key.project,
            scopes=frozenset(key.scopes),
            roles=frozenset(key.roles),
        )

    def holds(self, caller: Caller) -> bool:
        """Tell whether the key is still good with which a caller came."""
        if caller.principal is None:
            return True
        key = self.keys.get(caller.principal)
        return key is not None and not self._has_expired(key)

    def _has_expired(self, key: KeyRow) -> bool:
        return key.expires_at is not None and key.expires_at <= self.clock.now_ms()

    def _key(self, header: str | None, address: str) -> KeyRow:
        if header is None:
            raise Unauthenticated("send a key: 'Authorization: Bearer gf_...'", code="no_key")
        kind, _, text = header.partition(" ")
        parts = text.strip().split("_", 2)
        number = parts[1] if len(parts) == 3 else ""
        # A right key is right, whoever else sends wrong ones from there: its secret is too long to
        # be guessed. So only who fails is slowed down.
        try:
            if kind.lower() != "bearer" or len(parts) != 3 or parts[0] != "gf":
                form = "the key has the form 'Bearer gf_<id>_<secret>'"
                raise Unauthenticated(form, code="bad_key")
            return self._known(number, parts[2])
        except Unauthenticated:
            self.refusals.check(address)
            self.refusals.failed(address)
            raise

    def _known(self, number: str, secret: str) -> KeyRow:
        key = self.keys.get(number)
        # The comparison is made for unknown ids too: its time tells nothing.
        same = hmac.compare_digest(key.hash if key else "0" * 64, hash_secret(secret))
        if key is None or not same:
            raise Unauthenticated("this key is not known, or was revoked", code="bad_key")
        if self._has_expired(key):
            raise Unauthenticated("this key has expired; ask for a new one", code="expired_key")
        return key

    def _refuse_other_pages(self, request: web.BaseRequest) -> None:
        host = request.headers.get("Host", "")
        if host not in self._hosts:
            if not _is_local(host):
                raise Forbidden(
                    "without keys the server answers to its IP address and to localhost only",
                    code="other_host",
                )
            if len(self._hosts) < HOSTS_KNOWN_MAX:
                self._hosts.add(host)
        origin = request.headers.get("Origin")
        if origin is not None and origin.partition("://")[2] != host:
            raise Forbidden("a page of another site may not call this", code="other_origin")


def hash_secret(secret: str) -> str:
    """Return what is kept of a secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def new_key(
    clock: Clock,
    *,
    project: str | None,
    scopes: Sequence[str],
    roles: Sequence[str] = (),
    description: str = "",
    expires_at: int | None = None,
) -> tuple[KeyRow, str]:
    """Return a new key, and its text, which is shown once."""
    number = clock.token_bytes(8).hex()
    secret = base64.b32encode(clock.token_bytes(SECRET_BYTES)).decode().rstrip("=").lower()
    row = KeyRow(
        id=number,
        hash=hash_secret(secret),
        project=project,
        scopes=tuple(scopes),
        roles=tuple(roles),
        description=description,
        created_at=clock.now_ms(),
        expires_at=expires_at,
    )
    return row, f"gf_{number}_{secret}"


def is_loopback(host: str) -> bool:
    """Tell whether a listening address is reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_local(host: str) -> bool:
    """Tell whether a ``Host`` header names an address: a rebound name of a web page does not."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        raise MalformedRequest("the Host header cannot be read") from None
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
