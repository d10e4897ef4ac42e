"""The use cases on any node: done here where this node owns the execution, else asked of its owner.

What is done here costs nothing more: that another node has the execution shows when it is entered.
"""

from dataclasses import replace
from typing import Any

from goflow_py.domain.event import Control, Outside
from goflow_py.domain.execution import Execution
from goflow_py.engine import letters
from goflow_py.engine.executions import Executions
from goflow_py.engine.letters import Json
from goflow_py.engine.mailbox import Mailbox
from goflow_py.engine.requests import Match, Repeat, Sent, Started, StartRequest
from goflow_py.engine.routing import Router
from goflow_py.engine.steps import Step
from goflow_py.engine.swm import Swm, SwmEvent
from goflow_py.errors import GoFlowError, Moved, NotFound


class RoutedExecutions(Executions):
    """Starts, events and verbs, whoever owns the execution."""

    def __init__(self, *, router: Router, mailbox: Mailbox, **parts: Any) -> None:
        super().__init__(**parts)
        self._router = router
        mailbox.on("start", self._start_here)
        mailbox.on("event", self._send_here, unheard=self._note_event)
        mailbox.on("control", self._control_here, unheard=self._note_control)
        mailbox.on("delete", self._delete_here)

    async def start(self, project: str, activity: str, request: StartRequest) -> Started:
        """Start an execution; one whose id its sender chose is started by who owns its shard."""
        try:
            return await super().start(project, activity, request)
        except Moved as moved:
            execution = moved.execution
        what = {
            "project": project,
            "activity": activity,
            "request": replace(request, id=execution),
        }
        return letters.started_of(await self._router.ask_shard_of(execution, "start", what))

    async def _start_here(self, _: str, what: Json) -> Json:
        request = letters.start_of(what["request"])
        started = await super().start(what["project"], what["activity"], request)
        return letters.with_started(started)

    async def send(
        self,
        execution: str,
        event: Outside,
        *,
        match: Match | None = None,
        repeat: Repeat | None = None,
    ) -> Sent:
        """Apply an event, or keep it for later; the same event id twice is applied once."""
        try:
            return await super().send(execution, event, match=match, repeat=repeat)
        except Moved:
            what = {"event": event, "match": match, "repeat": repeat}
        return letters.sent_of(await self._router.ask(execution, "event", what, queues=True))

    async def _send_here(self, execution: str, what: Json) -> Json:
        sent = await super().send(
            execution,
            letters.event_of(what["event"]),
            match=letters.match_of(what["match"]),
            repeat=letters.repeat_of(what["repeat"]),
        )
        return letters.with_sent(sent)

    async def _note_event(self, execution: str, what: Json, said: object) -> None:
        await self._note(execution, what["event"]["name"], what["event"]["id"], said)

    async def control(
        self,
        execution: str,
        command: Control,
        *,
        match: Match | None = None,
        repeat: Repeat | None = None,
    ) -> tuple[Execution, bool]:
        """Carry out an operator's verb; return the execution, and whether this was a repeat."""
        try:
            return await super().control(execution, command, match=match, repeat=repeat)
        except Moved:
            what = {"command": command, "match": match, "repeat": repeat}
        answer = await self._router.ask(execution, "control", what, queues=True)
        return letters.head_of(answer), answer["replayed"]

    async def _control_here(self, execution: str, what: Json) -> Json:
        after, replayed = await super().control(
            execution,
            letters.control_of(what["command"]),
            match=letters.match_of(what["match"]),
            repeat=letters.repeat_of(what["repeat"]),
        )
        return letters.with_head(after, replayed=replayed)

    async def _note_control(self, execution: str, what: Json, said: object) -> None:
        await self._note(execution, what["command"]["verb"], None, said)

    async def _note(self, execution: str, name: str, own: str | None, said: object) -> None:
        """Record a refusal of which its sender was told only that it is queued."""
        if not isinstance(said, GoFlowError):
            return
        reason = said.reason

        def act(step: Step) -> None:
            step.draft.add("eventIgnored", name=name, id=own, reason=reason)
            step.draft.close_record()

        try:
            await self._owner.apply(execution, act)
        except NotFound:
            return

    async def delete(self, execution: str) -> None:
        """Remove an ended execution and its history. Raises ``Conflict`` while it has not ended."""
        try:
            await super().delete(execution)
        except Moved:
            await self._router.ask(execution, "delete", {})

    async def _delete_here(self, execution: str, _: Json) -> None:
        await super().delete(execution)


class RoutedSwm(Swm):
    """The manager's events, whoever owns the execution that they name."""

    def __init__(self, *, router: Router, mailbox: Mailbox, **parts: Any) -> None:
        super().__init__(**parts)
        self._router = router
        mailbox.on("swm", self._send_here)

    async def send(self, event: SwmEvent, repeat: Repeat | None = None) -> Sent:
        """Do what *event* says. Raises ``NotFound``; ``Conflict`` for what makes no sense now."""
        try:
            return await super().send(event, repeat)
        except Moved as moved:
            execution = moved.execution
        what = {"event": event, "repeat": repeat}
        return letters.sent_of(await self._router.ask(execution, "swm", what))

    async def _send_here(self, _: str, what: Json) -> Json:
        event = SwmEvent(**what["event"])
        return letters.with_sent(await super().send(event, letters.repeat_of(what["repeat"])))
