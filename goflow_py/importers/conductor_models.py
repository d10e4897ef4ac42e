"""The documents of Conductor, as far as the importer reads them."""

from typing import Any, Literal

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel

from goflow_py.importers.result import Foreign


class _Camel(Foreign):
    model_config = ConfigDict(alias_generator=to_camel)


class TaskDef(_Camel):
    """How often, and how long, the tasks of one name are tried."""

    name: str = ""
    retry_count: int = Field(default=3, ge=0)
    retry_logic: Literal["FIXED", "EXPONENTIAL_BACKOFF", "LINEAR_BACKOFF"] = "FIXED"
    retry_delay_seconds: float = 60
    max_retry_delay_seconds: float = 0
    backoff_scale_factor: float = 1
    timeout_seconds: float = Field(default=0, ge=0)
    timeout_policy: str = "TIME_OUT_WF"
    response_timeout_seconds: float = Field(default=3600, ge=0)
    input_template: dict[str, Any] = Field(default_factory=dict)
    concurrent_exec_limit: int | None = None
    rate_limit_per_frequency: int | None = None


class Task(_Camel):
    """A task of a workflow, of any type."""

    name: str = ""
    ref: str = Field(alias="taskReferenceName", min_length=1)
    type: str = "SIMPLE"
    description: str | None = None
    input_parameters: dict[str, Any] = Field(default_factory=dict)
    optional: bool = False
    async_complete: bool = False
    retry_count: int | None = Field(default=None, ge=0)
    start_delay: float = Field(default=0, ge=0)
    task_definition: TaskDef | None = None

    evaluator_type: str | None = None
    expression: str | None = None
    case_value_param: str | None = None
    case_expression: str | None = None
    decision_cases: dict[str, list[dict[str, Any]]] = Field(default_factory=dict)
    default_case: list[dict[str, Any]] = Field(default_factory=list)
    fork_tasks: list[list[dict[str, Any]]] = Field(default_factory=list)
    join_on: list[str] = Field(default_factory=list)
    loop_condition: str | None = None
    loop_over: list[dict[str, Any]] = Field(default_factory=list)
    sub_workflow_param: dict[str, Any] = Field(default_factory=dict)
    sink: str | None = None
    script_expression: str | None = None

    dynamic_fork_tasks_param: str | None = None


class Workflow(_Camel):
    """A workflow definition."""

    name: str
    tasks: list[dict[str, Any]] = Field(min_length=1)
    description: str | None = None
    version: int | None = None
    owner_email: str | None = None
    input_template: dict[str, Any] = Field(default_factory=dict)
    output_parameters: dict[str, Any] = Field(default_factory=dict)
    variables: dict[str, Any] = Field(default_factory=dict)
    timeout_seconds: float = Field(default=0, ge=0)
    timeout_policy: str = "TIME_OUT_WF"
    failure_workflow: str | None = None


class Bundle(_Camel):
    """A workflow with the definitions of its tasks beside it."""

    workflow: dict[str, Any]
    task_defs: list[TaskDef] = Field(default_factory=list)
