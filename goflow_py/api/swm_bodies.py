"""What the clients of the Serverless Workflow Manager send, and what they look at."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from goflow_py.api.answers import Execution
from goflow_py.api.bodies import Key, KeyedEventBody, Root
from goflow_py.engine.swm import EventName

_Text = Annotated[str, StringConstraints(max_length=1_000)]


class SwmEventBody(BaseModel):
    """An event of the Serverless Workflow Manager. Further fields are the task's output.

    Those of ``StartWorkflow`` are the execution's input.
    """

    model_config = ConfigDict(extra="allow", strict=True, frozen=True, defer_build=True)

    event_name: EventName
    business_ref_no: Key
    component_name: Key
    workflow_name: Key | None = None
    """Where the component has several."""
    stage_name: _Text | None = None
    task_name: _Text | None = None
    task_type: Literal["SERVICE", "HUMAN"] | None = None
    reason: _Text | None = None
    only_this: bool = False
    """Of ``TaskPending``: run that task alone, and move nothing."""

    @model_validator(mode="after")
    def _names_its_task(self) -> "SwmEventBody":
        if self.event_name != "StartWorkflow" and not (self.stage_name and self.task_name):
            raise ValueError(f"{self.event_name} needs a stage_name and a task_name")
        return self

    @property
    def others(self) -> dict[str, Any]:
        """Return the fields that the manager itself does not know."""
        return dict(self.model_extra or {})


class AnyEventBody(Root[KeyedEventBody | SwmEventBody]):
    """An event by business key; or, with ``event_name``, one of the Serverless Workflow Manager."""


class SwmInstance(BaseModel):
    """An execution in the instance form of the Serverless Workflow Manager."""

    model_config = ConfigDict(extra="allow", defer_build=True)

    business_ref_no: str | None
    component_name: str
    stages: list[dict[str, Any]]
    version: Annotated[int, Field(ge=0)]
    workflow_name: str
    updated_at: str


class AnyExecution(Root[Execution | SwmInstance]):
    """An execution; with ``view=swm`` as an instance of the Serverless Workflow Manager."""
