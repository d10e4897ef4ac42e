"""TCP proxies: before PostgreSQL one that has faults, before nodes one that picks.

They run on the loop of a test, or on a ``Loop`` in a thread for tests that have none.
"""

import asyncio
import contextlib
import random
import socket
import struct
import threading
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

T = TypeVar("T")

Way = Literal["ask", "answer"]
"""To the server, and back."""
WAYS: tuple[Way, ...] = ("ask", "answer")
PIECE_BYTES = 1 << 20
CALL_SECONDS = 60.0
RESET = struct.pack("ii", 1, 0)
"""Linger for no time: what is closed ends with a reset."""


class Proxy:
    """Passes everything on, until a fault is set; it takes new connections all the same."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname, parts.port)
        self._path = f"{parts.scheme}://{parts.username}@127.0.0.1:%d{parts.path}"
        self._server: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.lose_answer_to = b""
        """What is sent with this in it arrives; the connection ends in the place of its answer."""
        self.lose = b""
        """What is sent with this in it does not arrive; the connection ends."""
        self.replace = (b"", b"")
        """What is sent with the first in it arrives with the second, which is as long."""
        self.keep_far_end = False
        """The server does not learn of either end."""
        self.delay: Callable[[], float] | None = None
        """Of each piece that passes, in seconds."""
        self.is_away = False
        """It takes connections, and ends them at once."""
        self.faults = 0
        self._deaf: set[asyncio.StreamWriter] = set()
        self._passes: dict[Way, asyncio.Event] = {}

    @property
    def port(self) -> int:
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def url(self) -> str:
        return self._path % self.port

    async def __aenter__(self) -> "Proxy":
        self._passes = {way: asyncio.Event() for way in WAYS}
        self.heal()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # ------------------------------------------------------------ faults

    def cut(self) -> None:
        """End every connection."""
        for writer in self._writers:
            writer.close()
        self._writers.clear()

    def reset(self) -> None:
        """End every connection as a router does that knows nothing of it."""
        for writer in self._writers:
            end = writer.get_extra_info("socket")
            if end is not None and end.fileno() >= 0:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            writer.transport.abort()
        self._writers.clear()

    def refuse(self) -> None:
        """Take no connection any more."""
        assert self._server is not None
        self._server.close()

    def hold(self, ways: Iterable[Way] = WAYS) -> None:
        """Let nothing pass, as a network that is parted: what is sent meanwhile arrives later."""
        for way in ways:
            self._passes[way].clear()

    def heal(self) -> None:
        """Let everything pass again."""
        self.delay, self.is_away = None, False
        for passes in self._passes.values():
            passes.set()

    # ------------------------------------------------------------ connections

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(*self._target)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self.is_away:
                raise ConnectionRefusedError
            far_reader, far_writer = await self._connect()
        except OSError:
            writer.transport.abort()
            return
        self._writers += [writer, far_writer]
        for work in (
            self._ask(reader, far_writer, writer),
            self._answer(far_reader, writer, far_writer),
        ):
            task = asyncio.create_task(work)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _ask(
        self, reader: asyncio.StreamReader, far: asyncio.StreamWriter, near: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await self._piece(reader, "ask"):
                if self.lose and self.lose in data:
                    self.lose, self.faults = b"", self.faults + 1
                    near.transport.abort()
                    break
                data = data.replace(*self.replace) if self.replace[0] else data
                if self.lose_answer_to and self.lose_answer_to in data:
                    self.lose_answer_to = b""
                    self._deaf.add(near)
                far.write(data)
                await far.drain()
        if not self.keep_far_end and near not in self._deaf:
            far.close()

    async def _answer(
        self,
        far_reader: asyncio.StreamReader,
        near: asyncio.StreamWriter,
        far: asyncio.StreamWriter,
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await self._piece(far_reader, "answer"):
                if near in self._deaf:
                    self.faults += 1
                    near.transport.abort()
                    break
                near.write(data)
                await near.drain()
        near.close()
        if not self.keep_far_end:
            far.close()

    async def _piece(self, reader: asyncio.StreamReader, way: Way) -> bytes:
        """Return what came, or that it is the end, once it may pass."""
        data = await reader.read(PIECE_BYTES)
        if self.delay is not None:
            await asyncio.sleep(self.delay())
        await self._passes[way].wait()
        return data


class Front(Proxy):
    """Takes each connection to a node that listens: what stands before the nodes of a cluster."""

    def __init__(self) -> None:
        super().__init__("http://nobody@127.0.0.1:1")
        self._path = "http://127.0.0.1:%d"
        self.ports: list[int] = []

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        for port in random.sample(self.ports, len(self.ports)):
            with contextlib.suppress(OSError):
                return await asyncio.open_connection("127.0.0.1", port)
        raise ConnectionRefusedError


class Loop:
    """An event loop in a thread, for tests that have none."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> "Loop":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CALL_SECONDS)
        self._loop.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what *work* comes to."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(CALL_SECONDS)

    def call(self, act: Callable[[], T]) -> T:
        """Return what *act* returns on the loop."""

        async def work() -> T:
            return act()

        return self.run(work())
