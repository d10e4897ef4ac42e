"""What is looked at because of a hint: sooner than its turn comes, and in the same way."""

from functools import partial

from goflow_py.clock import Clock
from goflow_py.engine.elsewhere import Elsewhere
from goflow_py.engine.mailbox import Mailbox
from goflow_py.engine.ownership import Ownership
from goflow_py.engine.routing import Router
from goflow_py.engine.supervisor import Supervisor, Turn
from goflow_py.ports import Hint, Store

PAUSE_SECONDS = 0.025
"""Between two looks because of hints that may come with every commit."""
POLLS_PAUSE_SECONDS = 0.1
"""The same where every poll that waits looks."""
PAUSES_A_LOOK = 4
"""So many times as long as a look took, the next one is not begun: many may wait here."""


class Hints:
    """Listens to the store."""

    def __init__(self, *, store: Store, supervisor: Supervisor, clock: Clock) -> None:
        self._store = store
        self._supervisor = supervisor
        self._clock = clock

    def follow(
        self, *, mailbox: Mailbox, router: Router, ownership: Ownership, elsewhere: Elsewhere
    ) -> None:
        """Look at once where there may be something."""
        for about, name, turn, pause in (
            (Hint.MESSAGES, "inbox", mailbox.turn, 0.0),
            (Hint.ANSWERS, "answers", router.collect, 0.0),
            (Hint.SHARDS, "ownership", ownership.turn, PAUSE_SECONDS),
            (Hint.COMMITS, "elsewhere", elsewhere.committed, PAUSE_SECONDS),
            (Hint.WORK, "queues", elsewhere.queued, POLLS_PAUSE_SECONDS),
        ):
            listen = partial(self._listen, about, name, turn, pause)
            self._supervisor.once(f"hints of {name}", listen)

    async def _listen(self, about: Hint, name: str, turn: Turn, pause: float) -> None:
        async for _ in self._store.hints(about):
            began = self._clock.monotonic()
            wanted = await self._supervisor.attempt(name, turn)
            if wanted or pause:
                took = self._clock.monotonic() - began
                await self._clock.sleep(wanted or max(pause, took * PAUSES_A_LOOK))
