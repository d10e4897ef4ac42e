"""New connections: names to addresses, addresses past the policy, TCP and TLS.

No name and no URL is judged here, only the address that is dialled: ``_Door`` makes every socket.
"""

import asyncio
import os
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from aiohappyeyeballs import start_connection

from goflow_py.ports import Unreachable
from goflow_py.transport.addresses import Address, AddressPolicy
from goflow_py.transport.names import AddressInfo, Crowded, Found, Resolver
from goflow_py.transport.urls import Target

CONNECT_SECONDS_MAX = 5.0
"""Of one connection, TLS included, however long the call may take."""
NEXT_ADDRESS_SECONDS = 0.25
"""So long an address has before the next one is tried beside it (RFC 8305, 5)."""
DNS_SECONDS_MAX = 10
"""How long the addresses of a name are believed."""

TOO_MANY_LOOKUPS = "too many lookups of this project wait"
NOT_IN_TIME = "no connection in time"

P = TypeVar("P", bound=asyncio.Protocol)


class Dialler:
    """Opens connections to what the policy allows."""

    def __init__(self, policy: AddressPolicy, tls: ssl.SSLContext | None = None) -> None:
        self._policy = policy
        self._tls = tls
        self._resolver = Resolver(DNS_SECONDS_MAX)

    async def dial(self, target: Target, project: str, make: Callable[[], P]) -> P | Unreachable:
        """Return a new connection, made by *make*, or why there is none: nothing was sent then."""
        door = _Door(self._policy, target.host)
        try:
            found = await self._addresses(target, project)
            async with asyncio.timeout(CONNECT_SECONDS_MAX):
                return await self._connect(target, found, door, make)
        except TimeoutError:
            return Unreachable(code="timeout", message=NOT_IN_TIME)
        except (OSError, RuntimeError) as error:  # uvloop's for a socket that is gone
            if door.refused and not door.permitted:
                message = f"{door.refused}, which is no allowed target"
                return Unreachable(code="forbidden_target", message=message)
            return Unreachable(code="unreachable", message=_said(error))

    def close(self) -> None:
        """Look no more names up."""
        self._resolver.close()

    async def _addresses(self, target: Target, project: str) -> Found:
        _, host, port = target.origin
        if not target.is_address:
            return await self._resolver.resolve(host, port, project)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return [(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port))]

    async def _connect(
        self, target: Target, found: Found, door: "_Door", make: Callable[[], P]
    ) -> P:
        security: dict[str, Any] = {}
        if target.origin[0]:
            security = {"ssl": self._context(), "server_hostname": target.host.rstrip(".")}
        dialled = await start_connection(
            found, happy_eyeballs_delay=NEXT_ADDRESS_SECONDS, socket_factory=door
        )
        # Which takes the socket over: it closes it, too, when there is no connection.
        loop = asyncio.get_running_loop()
        _, made = await loop.create_connection(make, sock=dialled, **security)
        return made

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:  # 20 ms, so not before it is needed
            self._tls = ssl.create_default_context()
            self._tls.set_alpn_protocols(["http/1.1"])
        return self._tls


@dataclass(slots=True)
class _Door:
    """Makes the socket for one address: the only way to a connection, for names and literals."""

    policy: AddressPolicy
    host: str
    """For whom it is dialled."""
    permitted: bool = False
    refused: str = ""

    def __call__(self, info: AddressInfo) -> socket.socket:
        family, kind, protocol, _, address = info
        refusal = self.policy.refusal(address[0], host=self.host)
        if refusal is None and self.policy.is_own(address[0], address[1], is_here=_is_here):
            refusal = "this server itself"
        if refusal is not None:
            self.refused = f"{address[0]} is {refusal}"
            raise PermissionError(self.refused)
        self.permitted = True
        made = socket.socket(family=family, type=kind, proto=protocol)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made


def _is_here(address: Address) -> bool:
    """Tell whether an address is this machine's: nobody can bind another's. Nothing is sent.

    The operating system is asked each time, since a machine's addresses change while we run.
    """
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return False
    return True


def _said(error: OSError | RuntimeError) -> str:
    """Return what an error of the operating system says, in a sentence of ours."""
    match error:
        case Crowded():
            return TOO_MANY_LOOKUPS
        case socket.gaierror():
            return f"the host has no address: {(error.strerror or 'the lookup failed').lower()}"
        case ssl.SSLCertVerificationError():
            return (
                f"the worker's certificate is refused: {error.verify_message or 'it is not valid'}"
            )
        case ssl.SSLError():
            return "the TLS handshake failed"
        case OSError(errno=int(number)):
            return f"no connection: {os.strerror(number).lower()}"
        case _:
            return "no connection: every address of the host failed"
