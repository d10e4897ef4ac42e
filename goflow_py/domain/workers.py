"""Workers: the HTTP endpoints that do an action, and how they are called."""

from typing import Annotated, Literal

from pydantic import Field

from goflow_py.domain.model import Endpoint, Model, Name, Seconds, Text


class Retry(Model):
    """How long to wait between the attempts of one worker."""

    interval: Seconds | None = None
    backoff_rate: Annotated[float, Field(ge=1, le=100)] = 2.0
    max_interval: Seconds | None = None
    jitter: Literal["full", "none"] = "full"
    max_elapsed: Seconds | None = None
    """No further attempt begins when this long has passed since the task was scheduled."""


class Worker(Model):
    """An HTTP endpoint that does an action."""

    name: Name
    worker_endpoint: Endpoint
    retry_count: Annotated[int, Field(ge=0, le=1_000)] = 0
    response_timeout: Annotated[Seconds, Field(gt=0)] = 30.0
    priority: Annotated[int, Field(ge=0, le=1_000_000)] = 1
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    retry: Retry = Retry()
    max_concurrent: Annotated[int, Field(ge=1)] | None = None
    rate_limit: Annotated[float, Field(gt=0)] | None = None
    """Calls a second."""
    signing_secret: Text | None = None
    auth: Text | None = None
    """The value of the ``Authorization`` header; usually with ``${secret:NAME}``."""


class WorkersDocument(Model):
    """The workers of an activity, as a document of its own."""

    project: Name
    activity: Name
    workers: list[Worker]
