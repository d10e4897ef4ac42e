"""A TCP proxy before PostgreSQL that loses what it is told to lose."""

import asyncio
import contextlib
from urllib.parse import urlsplit


class Proxy:
    """Passes everything on, until a fault is set; it takes new connections all the same."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname, parts.port)
        self._path = f"postgresql://{parts.username}@127.0.0.1:%d{parts.path}"
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
        self.faults = 0
        self._deaf: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return self._path % port

    async def __aenter__(self) -> "Proxy":
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """End every connection."""
        for writer in self._writers:
            writer.close()
        self._writers.clear()

    def refuse(self) -> None:
        """Take no connection any more."""
        assert self._server is not None
        self._server.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(*self._target)
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
            while data := await reader.read(1 << 20):
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
            while data := await far_reader.read(1 << 20):
                if near in self._deaf:
                    self.faults += 1
                    near.transport.abort()
                    break
                near.write(data)
                await near.drain()
        near.close()
        if not self.keep_far_end:
            far.close()
