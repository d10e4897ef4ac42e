"""Workers: the HTTP endpoints that do an action, and how they are called."""

from typing import Annotated, Literal

from pydantic import Field

from goflow_py.domain.model import Endpoint, Model, Name, Seconds, Text


class Retry(Model):
    """How long to wait between the attempts of one worker."""

    interval: Seconds | None = None
    """Before the second attempt; default: the server's ``retry_interval``."""
    backoff_rate: Annotated[float, Field(ge=1, le=100)] = 2.0
    """Each pause is that many times the one before."""
    max_interval: Seconds | None = None
    """No pause is longer; default: the server's ``retry_max_interval``."""
    jitter: Literal["full", "none"] = "full"
    """``full``: a random part of the pause. ``none``: the whole pause."""
    max_elapsed: Seconds | None = None
    """No further attempt begins when this long has passed since the task was scheduled."""


class Worker(Model):
    """An HTTP endpoint that does an action."""

    name: Name
    """The action that it does."""
    worker_endpoint: Endpoint
    """An http(s) URL, or an alias of one."""
    retry_count: Annotated[int, Field(ge=0, le=1_000)] = 0
    """Further attempts at this worker; then the next priority is asked."""
    response_timeout: Annotated[Seconds, Field(gt=0)] = 30.0
    """Of one attempt in all: name, connection, sending, headers, body."""
    priority: Annotated[int, Field(ge=0, le=1_000_000)] = 1
    """Ascending; equal ones share the load call by call."""
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] | None = None
    """Default: ``POST``. The action's own wins."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Sent along; usually with ``${secret:NAME}`` where they are secret."""
    retry: Retry = Retry()
    """Pauses between its attempts."""
    max_concurrent: Annotated[int, Field(ge=1)] | None = None
    """Calls in flight at this endpoint for this action."""
    rate_limit: Annotated[float, Field(gt=0)] | None = None
    """Calls a second to this endpoint for this action."""
    signing_secret: Text | None = None
    """Signs each call as Standard Webhooks does; usually ``${secret:NAME}``."""
    auth: Text | None = None
    """The value of the ``Authorization`` header; usually with ``${secret:NAME}``."""


class WorkersDocument(Model):
    """The workers of an activity, as a document of its own."""

    project: Name
    """The project of the blueprint."""
    activity: Name
    """The activity of the blueprint."""
    workers: list[Worker]
    """They replace those that there are."""
