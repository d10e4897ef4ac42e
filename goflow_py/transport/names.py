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
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")

DNS_NAMES_MAX = 1_000
DNS_THREADS_MAX = 64
DNS_THREADS_PROJECT_MAX = 4
DNS_WAITING_PROJECT_MAX = 32
"""Lookups of one project that wait for one of its threads."""
DNS_FAILED_SECONDS = 5.0
"""How long a failure is believed."""


class Crowded(OSError):
    """Nothing was looked up: too many lookups of the project wait already."""


AddressInfo = tuple[int, int, int, str, tuple[Any, ...]]
"""As of ``getaddrinfo``: family, type, protocol, canonical name, address."""
Found = list[AddressInfo]


@dataclass(slots=True)
class _Share:
    """The threads of one project."""

    threads: asyncio.Semaphore = field(
        default_factory=lambda: asyncio.Semaphore(DNS_THREADS_PROJECT_MAX)
    )
    asked: dict[str, asyncio.Task[Found]] = field(default_factory=dict)
    """What its threads are looking up, and what waits for one."""


class Resolver:
    """Looks names up for all projects.

    Who asks for a name waits for those of its own project only, not for whoever asked first: that
    may be one whose project has no thread left.
    """

    def __init__(self, believed_seconds: float) -> None:
        self._believed_seconds = believed_seconds
        self._threads = ThreadPoolExecutor(DNS_THREADS_MAX, thread_name_prefix="goflow-dns")
        self._shares: dict[str, _Share] = {}
        """Of those that look something up now."""
        self._known: dict[str, deque[AddressInfo]] = {}
        self._failed: dict[str, tuple[object, ...]] = {}

    async def resolve(self, host: str, port: int, project: str) -> Found:
        """Return every address of a name, another first each time. Raises ``OSError``."""
        found = self._remembered(host) or await self._look_up(host, project)
        return [(*info[:4], (info[4][0], port, *info[4][2:])) for info in found]

    def close(self) -> None:
        """Forget the questions that no thread has taken yet."""
        for share in list(self._shares.values()):
            for asked in list(share.asked.values()):
                asked.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _remembered(self, host: str) -> Found | None:
        failed = self._failed.get(host)
        if failed is not None:
            raise socket.gaierror(*failed)
        known = self._known.get(host)
        if known is None:
            return None
        known.rotate(-1)
        return list(known)

    async def _look_up(self, host: str, project: str) -> Found:
        share = self._shares.setdefault(project, _Share())
        asked = share.asked.get(host)
        if asked is None:
            if len(share.asked) >= DNS_THREADS_PROJECT_MAX + DNS_WAITING_PROJECT_MAX:
                raise Crowded
            asked = asyncio.get_running_loop().create_task(self._ask(host, project, share))
            share.asked[host] = asked
            asked.add_done_callback(_heard)
        # Whoever goes away leaves a thread behind, which counts until it is done.
        return await asyncio.shield(asked)

    async def _ask(self, host: str, project: str, share: _Share) -> Found:
        ask: Any = functools.partial(socket.getaddrinfo, host, 0, type=socket.SOCK_STREAM)
        loop = asyncio.get_running_loop()
        try:
            async with share.threads:
                found: Found = await loop.run_in_executor(self._threads, ask)
            self._remember(self._known, host, deque(found), self._believed_seconds)
            return found
        except socket.gaierror as error:
            self._remember(self._failed, host, error.args, DNS_FAILED_SECONDS)
            raise
        finally:
            del share.asked[host]
            if not share.asked:
                del self._shares[project]

    def _remember(self, where: dict[str, T], host: str, what: T, seconds: float) -> None:
        if seconds > 0 and what and len(where) < DNS_NAMES_MAX:
            where[host] = what
            asyncio.get_running_loop().call_later(seconds, where.pop, host, None)


def _heard(asked: asyncio.Task[Found]) -> None:
    """Take note of how it ended, when nobody waits for it any more."""
    if not asked.cancelled():
        asked.exception()
