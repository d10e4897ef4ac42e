"""The use cases on any node: done here where this node owns the execution, else asked of its owner.

What is done here costs nothing more: that another node has the execution shows when it is entered.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from goflow_py.domain.event import Control, Outside
from goflow_py.domain.execution import Execution
from goflow_py.engine import letters
from goflow_py.engine.executions import Executions, event_name, repeat_names
from goflow_py.engine.letters import Json
from goflow_py.engine.mailbox import Mailbox
from goflow_py.engine.owner import NameTaken
from goflow_py.engine.refusals import with_refusal
from goflow_py.engine.requests import Match, Repeat, Sent, Started, StartRequest
from goflow_py.engine.routing import Router
from goflow_py.engine.steps import Step
from goflow_py.engine.swm import Swm, SwmEvent
from goflow_py.errors import GoFlowError, Moved, NotFound
from goflow_py.ports import Name


class RoutedExecutions(Executions):
    """Starts, events and verbs, whoever owns the execution."""

    def __init__(self, *, router: Router, mailbox: Mailbox, **parts: Any) -> None:
        super().__init__(**parts)
        self._router = router
        mailbox.on("start", self._start_here)
        mailbox.on("event", self._send_here, unheard=self._note_event)
        mailbox.on("control", self._control_here, unheard=self._note_control)
        mailbox.on("delete", self._delete_here)
        mailbox.unread = self._note_unread

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
        queues: bool = True,
    ) -> Sent:
        """Apply an event, or keep it for later; the same event id twice is applied once.

        Without *queues* it is not done later, when no owner answers in time.
        """
        try:
            return await super().send(execution, event, match=match, repeat=repeat)
        except Moved:
            what = {"event": event, "match": match, "repeat": repeat}
        return letters.sent_of(await self._router.ask(execution, "event", what, queues=queues))

    async def _send_here(self, execution: str, what: Json) -> Json:
        sent = await super().send(
            execution,
            letters.event_of(what["event"]),
            match=letters.match_of(what["match"]),
            repeat=letters.repeat_of(what["repeat"]),
        )
        return letters.with_sent(sent)

    async def _note_event(self, execution: str, what: Json, said: object) -> None:
        own, repeat = what["event"]["id"], letters.repeat_of(what["repeat"])

        def names(after: Execution, answer: bytes) -> list[Name]:
            known = [] if own is None else [event_name(after.project, after.id, own, answer)]
            return [*known, *repeat_names(after, repeat, answer)]

        await self._note(execution, (what["event"]["name"], own), said, names)

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
        repeat = letters.repeat_of(what["repeat"])

        def names(after: Execution, answer: bytes) -> list[Name]:
            return repeat_names(after, repeat, answer)

        await self._note(execution, (what["command"]["verb"], None), said, names)

    async def _note_unread(self, execution: str, kind: str, said: GoFlowError) -> None:
        await self._note(execution, (kind, None), said, lambda *_: [])

    async def _note(
        self,
        execution: str,
        what: tuple[str, str | None],
        said: object,
        names: Callable[[Execution, bytes], list[Name]],
    ) -> None:
        """Record a refusal of which its sender was told only that it is queued.

        Once for all repeats of the request, and each of them gets to know of it.
        """
        if not isinstance(said, GoFlowError):
            return
        refusal, (name, own) = said, what

        def act(step: Step) -> None:
            step.draft.add("eventIgnored", name=name, id=own, reason=refusal.reason)
            step.draft.close_record()

        def taken(_: None, after: Execution) -> list[Name]:
            return names(after, letters.dumps(with_refusal(refusal)))

        with suppress(NotFound, NameTaken):
            await self._owner.apply(execution, act, taken)

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
