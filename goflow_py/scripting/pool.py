"""The parent's side: lends warm children to scripts, and ends those that run over their time."""

import asyncio
import os
import socket
import subprocess
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from goflow_py.clock import Clock
from goflow_py.domain import documents
from goflow_py.errors import MalformedRequest, TooLarge, Unavailable
from goflow_py.ports.scripts import Broken, Done, ScriptOutcome, TimedOut
from goflow_py.scripting import (
    BROKEN,
    CALL_BYTES_MAX,
    DONE,
    EVALUATE,
    HEADER,
    OUTPUT_BYTES_MAX,
    READY,
    TIMEOUT_SECONDS_MAX,
)

WAITING_MAX: Final = 1000
"""Scripts that wait for a child."""
START_SECONDS_MAX: Final = 10.0
"""Until a child must be warm."""
SEED_BYTES: Final = 16

_CHILD = ("-P", "-m", "goflow_py.scripting.child")
_NOT_INSTALLED = "scripts need the extra [js]; install it with: pip install 'goflow-py[js]'"
_NOT_STARTED = "no process for scripts can be started; look at the machine's limits and memory"
_CLOSED = "the server is shutting down; no script starts any more"
_DIED = "the script's process ended in the midst of it: it crashed, ran out of memory or was killed"


def is_installed() -> bool:
    """Return whether the extra is there; looks without loading it into the server."""
    return find_spec("quickjs") is not None


class ScriptPool:
    """Evaluates scripts in *size* children, which start with the first one and then stay warm."""

    def __init__(self, clock: Clock, *, size: int = 2) -> None:
        self._clock = clock
        self._size = size
        self._waiting = 0
        self._closed = False
        self._children: set[_Child] = set()
        self._renewals: set[asyncio.Task[None]] = set()
        # A seat holds a child, none yet, or why there is none. The one left last is taken first.
        self._seats: asyncio.LifoQueue[_Child | Unavailable | None] = asyncio.LifoQueue()
        for _ in range(size):
            self._seats.put_nowait(None)

    async def run(
        self, script: str, document: dict[str, Any], *, timeout_seconds: float
    ) -> ScriptOutcome:
        """Evaluate *script* with *document* as its ``$``; the time begins when the evaluation does.

        Never raises for a bad script. Raises ``Unavailable`` when it was not begun, because the
        extra is not installed (``no_script_engine``), too many wait (``scripts_busy``), no child
        starts, or the pool is closed; and when it was cut by ``close``.
        """
        child = await self._take()
        try:
            call = self._call(script, document)
            if len(call) > CALL_BYTES_MAX:
                return Broken(
                    message=f"the script and its document have {len(call)} bytes, "
                    f"at most {CALL_BYTES_MAX} may be; keep less in the execution"
                )
            reply = await child.ask(call, seconds=min(timeout_seconds, TIMEOUT_SECONDS_MAX))
        finally:
            self._give_back(child)
        if isinstance(reply, TimedOut):
            return reply
        if reply is None:
            if self._closed:
                raise Unavailable(_CLOSED)
            return Broken(message=_DIED)
        return _outcome(*reply)

    async def close(self) -> None:
        """End all children; return when they have ended."""
        self._closed = True
        for child in self._children:
            child.kill()
        # Whoever holds a seat gives it back: a run whose child is killed, a start, one in line.
        for _ in range(self._size):
            await self._seats.get()
        for _ in range(self._size):
            self._seats.put_nowait(None)
        await asyncio.gather(*self._renewals, *(child.end() for child in self._children))

    def _call(self, script: str, document: dict[str, Any]) -> bytes:
        return documents.dumps(
            {
                "script": script,
                "document": document,
                "nowMs": self._clock.now_ms(),
                "seed": memoryview(self._clock.token_bytes(SEED_BYTES)).cast("I").tolist(),
            }
        )

    async def _take(self) -> "_Child":
        """Wait for a child that is warm."""
        if self._waiting >= WAITING_MAX:
            raise Unavailable(f"{WAITING_MAX} scripts wait for their turn", code="scripts_busy")
        self._waiting += 1
        try:
            while True:
                is_old = not self._seats.empty()
                seat = await self._seats.get()
                if self._closed:
                    self._seats.put_nowait(None)
                    raise Unavailable(_CLOSED)
                if isinstance(seat, Unavailable):
                    if not is_old:  # one that was left for somebody else may hold no more
                        self._seats.put_nowait(None)
                        raise seat
                    seat = None
                if seat is not None and seat.is_fit:
                    return seat
                self._renew(seat)
        finally:
            self._waiting -= 1

    def _give_back(self, child: "_Child") -> None:
        if child.is_fit:
            self._seats.put_nowait(child)
        else:
            self._renew(child)

    def _renew(self, old: "_Child | None") -> None:
        renewal = asyncio.create_task(self._fill_seat(old))
        self._renewals.add(renewal)
        renewal.add_done_callback(self._renewals.discard)

    async def _fill_seat(self, old: "_Child | None") -> None:
        seat: _Child | Unavailable | None = None
        try:
            if old is not None:
                await old.end()
                self._children.discard(old)
            if not self._closed:
                seat = await self._start()
        except Unavailable as error:
            seat = error
        finally:
            self._seats.put_nowait(seat)

    async def _start(self) -> "_Child":
        if not is_installed():
            raise Unavailable(_NOT_INSTALLED, code="no_script_engine")
        try:
            child = await _Child.start()
        except (OSError, RuntimeError) as error:  # no process, no descriptor, no thread
            raise Unavailable(_NOT_STARTED) from error
        if await child.hear(seconds=START_SECONDS_MAX) != (READY, b"null"):
            await child.end()
            raise Unavailable(_NOT_STARTED)
        self._children.add(child)
        if self._closed:  # meanwhile: too late to be killed with the others
            child.kill()
        return child


class _Child:
    """One child process, that answers one call at a time."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._process = process
        self._from = reader
        self._to = writer
        self._is_in_step = True

    @classmethod
    async def start(cls) -> "_Child":
        """Start a process; raises ``OSError``."""
        ours, theirs = socket.socketpair()
        try:
            # Not asyncio's own way: it forks in the loop, and may wait for ever when it is
            # cancelled, or when the last words of a dead child were not read.
            process = await asyncio.to_thread(_spawn, theirs)
            reader, writer = await asyncio.open_unix_connection(sock=ours)
        except BaseException:
            ours.close()  # by which a child that was started ends
            raise
        return cls(process, reader, writer)

    @property
    def is_fit(self) -> bool:
        """Whether it can be asked: it lives, and owes no reply."""
        is_gone = self._from.at_eof() or self._from.exception() is not None
        return self._is_in_step and not is_gone

    async def ask(self, call: bytes, *, seconds: float) -> tuple[bytes, bytes] | TimedOut | None:
        """Send one call and return the letter and the body of the reply.

        None when the child died; one that has not answered within *seconds* is killed.
        """
        self._to.write(HEADER.pack(EVALUATE, len(call)) + call)
        return await self.hear(seconds=seconds)

    async def hear(self, *, seconds: float) -> tuple[bytes, bytes] | TimedOut | None:
        """Return the next frame, as ``ask``."""
        self._is_in_step = False
        try:
            # The loop's time, not the clock's: no clock that a test moves makes a process faster.
            async with asyncio.timeout(seconds):
                kind, size = HEADER.unpack(await self._from.readexactly(HEADER.size))
                if size > OUTPUT_BYTES_MAX:  # no child of ours says so much
                    return None
                body = await self._from.readexactly(size)
        except TimeoutError:
            self.kill()
            return TimedOut()
        except (asyncio.IncompleteReadError, OSError):
            return None
        self._is_in_step = True
        return kind, body

    def kill(self) -> None:
        """End it at once; no effect on one that has ended."""
        self._process.kill()

    async def end(self) -> None:
        """Kill it, and return when it is gone."""
        self.kill()
        self._to.transport.abort()  # what it was still to be told is of no use
        await asyncio.to_thread(self._process.wait)
        with suppress(OSError):
            await self._to.wait_closed()


def _spawn(theirs: socket.socket) -> subprocess.Popen[bytes]:
    with theirs:
        return subprocess.Popen(
            (sys.executable, *_CHILD),
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            stderr=subprocess.DEVNULL,
            cwd="/",
            env=_environment(),
            start_new_session=True,  # Ctrl-C is for the server: scripts in flight may end
        )


def _environment() -> dict[str, str]:
    """Return what a child needs to find this very code, and to be the same in every time zone."""
    path = os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)
    return {"PYTHONPATH": path, "TZ": "UTC0"}


def _outcome(kind: bytes, body: bytes) -> ScriptOutcome:
    try:
        said = documents.loads(body, limit_bytes=OUTPUT_BYTES_MAX)
    except (MalformedRequest, TooLarge) as error:
        return Broken(message=f"the output is {error.detail}")
    if kind == DONE and isinstance(said, dict):
        return Done(output=said)
    return Broken(message=said if kind == BROKEN and isinstance(said, str) else _DIED)
