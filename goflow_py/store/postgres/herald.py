"""Tells other nodes that there may be something for them, and hears what they tell.

A hint is no part of a change: it is sent behind it, in a session of its own, many in one, and
nobody waits for it. When the session is lost, or notifications do not come through, nodes poll.
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterable

import asyncpg

from goflow_py.clock import Clock, Handle
from goflow_py.ports import Hint
from goflow_py.store.bell import Bell
from goflow_py.store.postgres import address, failures
from goflow_py.store.postgres.connections import pauses
from goflow_py.store.postgres.news import News, echo, heard
from goflow_py.store.postgres.queries import SQL

log = logging.getLogger(__name__)

PAUSE_SECONDS = 0.01
"""Between two notifications of a node."""
BEHIND_SECONDS = 0.05
"""The same for what was committed, for each other node: there may be very many commits."""
BEHIND = Hint.COMMITS | Hint.WORK
"""What waits for the next notification, or until its time has come."""
SEND_SECONDS = 5.0
"""After which a session that does not answer is given up."""
CLOSE_SECONDS = 1.0
LOOK_SECONDS = 10.0
"""Without news, after which it is looked whether the session is alive."""
AGAIN_SECONDS = (0.1, 0.5, 1.0, 2.0, 5.0)
"""Between two sessions; the last one stays."""
STEADY_SECONDS = 60.0
"""A session that lived for so long was no unlucky one: its end is said again."""


class Herald:
    """The hints of a node. ``bell`` rings for what it hears, and for what its own node does."""

    def __init__(self, url: str, node: str, *, clock: Clock) -> None:
        self.bell = Bell()
        self.shards: set[int] = set()
        """What this node owns, as far as it knows."""
        self.others = 0
        """Nodes that lived when this one last looked."""
        self._url = url
        self._node = node
        self._clock = clock
        self._news = News()
        self._some = asyncio.Event()
        self._behind_at = 0.0
        """Before which nothing is sent for commits alone."""
        self._alarm: Handle | None = None
        self.is_listening = False
        """It hears itself, so it hears others."""
        self._is_said = False
        """That it is not as it should be: said once."""
        self._session: asyncpg.Connection | None = None
        self._channel = ""
        self._life: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Hear others from now on, and let them hear this one."""
        self._life = asyncio.get_running_loop().create_task(self._live())

    async def close(self) -> None:
        """Send what is left, if that is possible at once; hear and send nothing more."""
        self.bell.close()
        life, self._life = self._life, None
        if self._alarm is not None:
            self._alarm.cancel()
        if life is not None:
            life.cancel()
            await asyncio.gather(life, return_exceptions=True)
        if self._session is not None:
            with contextlib.suppress(*failures.ERRORS):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await self._send(self._session)
                    await self._session.close()
            self._drop()

    # ------------------------------------------------------------ what is told

    def delivered(self, shards: Iterable[int]) -> None:
        """Tell the owners of *shards* that there are messages."""
        found = {*shards}
        if not found.isdisjoint(self.shards):
            self.bell.ring(Hint.MESSAGES)
        if elsewhere := found - self.shards:
            self._tell(Hint.MESSAGES, shards=elsewhere)

    def answered(self, asker: str | None) -> None:
        """Tell a node that there is an answer for it; None: a message is gone."""
        self.bell.ring(Hint.ANSWERS)
        if asker is not None and asker != self._node:
            self._tell(Hint.ANSWERS, askers=[asker])

    def freed(self, shards: Iterable[int]) -> None:
        """Tell all that shards are free."""
        self.shards.difference_update([*shards])
        self.bell.ring(Hint.SHARDS)
        self._tell(Hint.SHARDS)

    def committed(self, *, is_work: bool) -> None:
        """Tell others that something was committed."""
        if self._life is None:
            return
        self._news.add(Hint.COMMITS | Hint.WORK if is_work else Hint.COMMITS)
        if self._alarm is None and not self._some.is_set():
            pause = max(0.0, self._behind_at - self._clock.monotonic())
            self._alarm = self._clock.call_later(pause, self._behind_is_due)

    def _tell(self, about: Hint, *, shards: Iterable[int] = (), askers: Iterable[str] = ()) -> None:
        if self._life is not None:
            self._news.add(about, shards=shards, askers=askers)
            self._some.set()

    def _behind_is_due(self) -> None:
        self._alarm = None
        self._some.set()

    # ------------------------------------------------------------ the session

    async def _live(self) -> None:
        """Have a session, for ever."""
        again = pauses(AGAIN_SECONDS)
        while True:
            began = self._clock.monotonic()
            try:
                await self._open()
                await self._speak()
            except Exception as error:  # noqa: BLE001  # without hints all goes on, at its pace
                if self._clock.monotonic() - began > STEADY_SECONDS:
                    self._is_said, again = False, pauses(AGAIN_SECONDS)
                self._say("hints of other nodes do not come, this one polls", error)
            self._drop()
            await self._clock.sleep(next(again))

    async def _open(self) -> None:
        session = await address.connect(self._url, role="herald", node=self._node)
        self._session = session
        session.add_termination_listener(lambda _: self._some.set())
        self._channel = await session.fetchval(SQL["channel"].text)
        await session.add_listener(self._channel, self._hear)
        await self._notify(session, echo(self._node))
        await self._look(session)
        if not self.is_listening:
            # A pooler that gives a session to many, perhaps.
            self._say("notifications do not come through, this node polls", None)
        if self._news.about:
            self._some.set()

    async def _speak(self) -> None:
        """Send what there is, whenever there is something. Raises what the driver raises."""
        assert self._session is not None
        while True:
            alarm = self._clock.call_later(LOOK_SECONDS, self._some.set)
            try:
                await self._some.wait()
            finally:
                alarm.cancel()
            self._some.clear()
            if self._news.about:
                await self._send(self._session)
                await self._clock.sleep(PAUSE_SECONDS)
            else:
                await self._look(self._session)

    async def _send(self, session: asyncpg.Connection) -> None:
        news, self._news = self._news, News()
        if not news.about:
            return
        if news.about & BEHIND:
            self._behind_at = self._clock.monotonic() + BEHIND_SECONDS * self.others
        try:
            await self._notify(session, news.text())
        except BaseException:
            self._news.add(news.about, shards=news.shards, askers=news.askers)
            raise

    async def _notify(self, session: asyncpg.Connection, said: str) -> None:
        values = SQL["tell"].values({"channel": self._channel, "said": said})
        await session.execute(SQL["tell"].text, *values, timeout=SEND_SECONDS)

    async def _look(self, session: asyncpg.Connection) -> None:
        await session.execute(SQL["look"].text, timeout=SEND_SECONDS)

    def _hear(self, _: object, pid: int, __: str, said: object) -> None:
        about = heard(str(said), node=self._node, shards=self.shards)
        if about is None:
            # What was told while there was no session was not heard.
            self.is_listening = True
            self.bell.ring()
        elif self._session is not None and pid != self._session.get_server_pid():
            self.bell.ring(about)

    def _drop(self) -> None:
        self.is_listening = False
        session, self._session = self._session, None
        if session is not None:
            session.terminate()

    def _say(self, what: str, error: BaseException | None) -> None:
        if not self._is_said:
            self._is_said = True
            reason = "" if error is None else str(error) or type(error).__name__
            log.warning(what, extra={"reason": reason})
