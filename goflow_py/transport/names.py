"""Names to addresses: ``getaddrinfo`` on threads of its own, a bounded share of them a project.

uvloop's has four threads for the whole process: as many names with a dead name server would stop
every other call for as long as the operating system waits. One project gets four here, too, out of
many, so its dead name server costs nobody else anything. A name that failed is not asked again at
once: who retries it would hold these threads for good.
"""

import asyncio
import functools
import socket
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeVar

from aiohttp.abc import AbstractResolver, ResolveResult

T = TypeVar("T")

DNS_NAMES_MAX = 1_000
DNS_THREADS_MAX = 64
DNS_THREADS_PROJECT_MAX = 4
DNS_WAITING_PROJECT_MAX = 32
"""Lookups of one project that wait for one of its threads."""
DNS_FAILED_SECONDS = 5.0
"""How long a failure is believed."""

project_of_call: ContextVar[str] = ContextVar("project_of_call", default="")
"""For whom a name is looked up."""


class Crowded(OSError):
    """Nothing was looked up: too many lookups of the project wait already."""


Key = tuple[str, socket.AddressFamily]
Found = list[tuple[Any, ...]]


@dataclass(slots=True)
class _Share:
    """The threads of one project."""

    threads: asyncio.Semaphore = field(
        default_factory=lambda: asyncio.Semaphore(DNS_THREADS_PROJECT_MAX)
    )
    asked: dict[Key, asyncio.Task[Found]] = field(default_factory=dict)
    """What its threads are looking up, and what waits for one."""


class Resolver(AbstractResolver):
    """Looks names up for all projects.

    aiohttp's own cache lets all who ask for a name wait for the first; that may be the one whose
    project has no thread left. Here they wait for those of their own project only.
    """

    def __init__(self, believed_seconds: float) -> None:
        self._believed_seconds = believed_seconds
        self._threads = ThreadPoolExecutor(DNS_THREADS_MAX, thread_name_prefix="goflow-dns")
        self._shares: dict[str, _Share] = {}
        """Of those that look something up now."""
        self._known: dict[Key, deque[tuple[Any, ...]]] = {}
        self._failed: dict[Key, tuple[object, ...]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return every address of a name, another first each time. Raises ``OSError``."""
        key = (host, family)
        found = self._remembered(key) or await self._look_up(key)
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=port,
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        """Forget the questions that no thread has taken yet."""
        for share in list(self._shares.values()):
            for asked in list(share.asked.values()):
                asked.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _remembered(self, key: Key) -> Found | None:
        failed = self._failed.get(key)
        if failed is not None:
            raise socket.gaierror(*failed)
        known = self._known.get(key)
        if known is None:
            return None
        known.rotate(-1)
        return list(known)

    async def _look_up(self, key: Key) -> Found:
        project = project_of_call.get()
        share = self._shares.setdefault(project, _Share())
        asked = share.asked.get(key)
        if asked is None:
            if len(share.asked) >= DNS_THREADS_PROJECT_MAX + DNS_WAITING_PROJECT_MAX:
                raise Crowded
            asked = asyncio.get_running_loop().create_task(self._ask(key, project, share))
            share.asked[key] = asked
            asked.add_done_callback(_heard)
        # Whoever goes away leaves a thread behind, which counts until it is done.
        return await asyncio.shield(asked)

    async def _ask(self, key: Key, project: str, share: _Share) -> Found:
        host, family = key
        ask = functools.partial(socket.getaddrinfo, host, 0, family=family, type=socket.SOCK_STREAM)
        loop = asyncio.get_running_loop()
        try:
            async with share.threads:
                found: Found = await loop.run_in_executor(self._threads, ask)
            self._remember(self._known, key, deque(found), self._believed_seconds)
            return found
        except socket.gaierror as error:
            self._remember(self._failed, key, error.args, DNS_FAILED_SECONDS)
            raise
        finally:
            del share.asked[key]
            if not share.asked:
                del self._shares[project]

    def _remember(self, where: dict[Key, T], key: Key, what: T, seconds: float) -> None:
        if seconds > 0 and what and len(where) < DNS_NAMES_MAX:
            where[key] = what
            asyncio.get_running_loop().call_later(seconds, where.pop, key, None)


def _heard(asked: asyncio.Task[Found]) -> None:
    """Take note of how it ended, when nobody waits for it any more."""
    if not asked.cancelled():
        asked.exception()
