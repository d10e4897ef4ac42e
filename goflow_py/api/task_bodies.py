"""What callers of the task routes send and get."""

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from goflow_py.api.answers import Answer, Object, Page
from goflow_py.api.bodies import Body, Duration, PageQuery, Text
from goflow_py.domain.model import Name
from goflow_py.engine.outcomes import CODE_CHARACTERS_MAX
from goflow_py.engine.polls import POLL_QUEUES_MAX, POLL_TASKS_MAX

Who = Annotated[str, StringConstraints(min_length=1, max_length=255)]
Token = Annotated[str, StringConstraints(min_length=1, max_length=512)]
Code = Annotated[str, StringConstraints(min_length=1, max_length=CODE_CHARACTERS_MAX)]
Message = Annotated[str, StringConstraints(max_length=1_000)]


class PollBody(Body):
    """Whose work, how much of it, and how long to wait where there is none."""

    queues: Annotated[list[Name], Field(min_length=1, max_length=POLL_QUEUES_MAX)]
    max: Annotated[int, Field(ge=1, le=POLL_TASKS_MAX)] = 1
    wait: Duration = 0.0
    """A minute at most."""
    worker: Who
    """Who asks; shown in the history."""


class ClaimBody(Body):
    """Who takes a task."""

    worker: Who


class TokenBody(Body):
    """The token that came with the task."""

    token: Token


class CompleteBody(TokenBody):
    """How the work ended."""

    output: Any = None
    event: Name | None = None
    """The outcome, if it is one of ``labels``; else ``success``."""


class FailBody(TokenBody):
    """Why the work failed, and whether another attempt may be made."""

    code: Code
    message: Message
    retry: bool = False


class TasksQuery(PageQuery):
    """Which tasks."""

    project: Text | None = None
    queue: Text | None = None
    assigned_to: Text | None = None
    status: Literal["queued", "claimed"] | None = None
    type: Literal["pull", "human"] | None = None


class Claimed(Answer):
    """A task that is claimed; the payload is what a called worker gets as body."""

    id: str
    token: str
    lease_until: str | None
    payload: Object


class Polled(Answer):
    """What a poll claimed; nothing when its time was over."""

    tasks: list[Claimed]


class Tasks(Page):
    """Tasks, oldest first."""


class Lease(Answer):
    """Until when the claim holds; null: until it is released."""

    lease_until: str | None
