"""Outcomes that come later: heartbeats and callbacks to the orchestrator."""

import asyncio
from typing import Any

import aiohttp

from workers_mock.rules import Callback

PENDING_MAX = 100_000
CONNECTIONS_MAX = 100
TRIES_MAX = 8
FIRST_WAIT_SECONDS = 0.1
TIMEOUT_SECONDS = 10.0

_JSON = {"Content-Type": "application/json"}


class Callbacks:
    """Sends callbacks; like a real worker it tries again when the orchestrator is away."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._pending: set[asyncio.Task[None]] = set()
        self._answered: dict[str, int] = {}
        self._heartbeats = 0
        self._failed = 0

    @property
    def full(self) -> bool:
        """Tell whether no further callback can be promised."""
        return len(self._pending) >= PENDING_MAX

    def promise(self, callback: Callback, url: str) -> None:
        """Send *callback* to *url* when its time has come."""
        task = asyncio.get_running_loop().create_task(self._keep(callback, url))
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)

    async def close(self) -> None:
        """Break the promises that are still open."""
        for task in tuple(self._pending):
            task.cancel()
        await asyncio.gather(*self._pending, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def counts(self) -> dict[str, Any]:
        """Return how many are open, were answered (by status), and were given up."""
        return {
            "pending": len(self._pending),
            "answered": dict(self._answered),
            "failed": self._failed,
            "heartbeats": self._heartbeats,
        }

    async def _keep(self, callback: Callback, url: str) -> None:
        loop = asyncio.get_running_loop()
        start = loop.time()
        if callback.heartbeats is not None:
            every = callback.heartbeats.every
            for number in range(1, callback.heartbeats.count + 1):
                if number * every >= callback.after:
                    break
                await asyncio.sleep(start + number * every - loop.time())
                await self._post(f"{url}/heartbeat", b"{}")
                self._heartbeats += 1
        await asyncio.sleep(start + callback.after - loop.time())
        await self._deliver(url, callback.payload)

    async def _deliver(self, url: str, payload: bytes) -> None:
        wait = FIRST_WAIT_SECONDS
        for _ in range(TRIES_MAX):
            status = await self._post(url, payload)
            if status is not None and status != 429 and status < 500:
                self._answered[str(status)] = self._answered.get(str(status), 0) + 1
                return
            await asyncio.sleep(wait)
            wait *= 2
        self._failed += 1

    async def _post(self, url: str, payload: bytes) -> int | None:
        try:
            async with self._client().post(
                url, data=payload, headers=_JSON, allow_redirects=False
            ) as answer:
                return answer.status
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return None

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=CONNECTIONS_MAX),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS),
            )
        return self._session
