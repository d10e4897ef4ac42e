"""The documents of the States Language, as far as the importer reads them."""

from typing import Any, Literal

from pydantic import Field

from goflow_py.importers.result import Foreign

Language = Literal["JSONPath", "JSONata"]


class Retrier(Foreign):
    """When, and how often, a state is tried again."""

    errors: list[str] = Field(alias="ErrorEquals")
    interval: float = Field(default=1, alias="IntervalSeconds")
    attempts: int = Field(default=3, ge=0, alias="MaxAttempts")
    rate: float = Field(default=2.0, alias="BackoffRate")
    delay_max: float | None = Field(default=None, alias="MaxDelaySeconds")
    jitter: Literal["FULL", "NONE"] = Field(default="NONE", alias="JitterStrategy")


class Catcher(Foreign):
    """Where an error leads."""

    errors: list[str] = Field(alias="ErrorEquals")
    next: str = Field(alias="Next")
    result_path: str | None = Field(default="$", alias="ResultPath")
    output: Any = Field(default=None, alias="Output")
    assign: dict[str, Any] = Field(default_factory=dict, alias="Assign")


class Definition(Foreign):
    """A state machine, a branch, or what is done with each item."""

    start: str = Field(alias="StartAt")
    states: dict[str, dict[str, Any]] = Field(min_length=1, alias="States")
    comment: str | None = Field(default=None, alias="Comment")
    language: Language | None = Field(default=None, alias="QueryLanguage")
    timeout: float | None = Field(default=None, gt=0, alias="TimeoutSeconds")
    processor: dict[str, Any] = Field(default_factory=dict, alias="ProcessorConfig")
    version: str | None = Field(default=None, alias="Version")


class State(Foreign):
    """A state of any type."""

    type: Literal["Task", "Pass", "Choice", "Wait", "Succeed", "Fail", "Parallel", "Map"] = Field(
        alias="Type"
    )
    comment: str | None = Field(default=None, alias="Comment")
    language: Language | None = Field(default=None, alias="QueryLanguage")
    next: str | None = Field(default=None, alias="Next")
    end: bool = Field(default=False, alias="End")

    input_path: str | None = Field(default="$", alias="InputPath")
    output_path: str | None = Field(default="$", alias="OutputPath")
    result_path: str | None = Field(default="$", alias="ResultPath")
    parameters: Any = Field(default=None, alias="Parameters")
    selector: Any = Field(default=None, alias="ResultSelector")
    arguments: Any = Field(default=None, alias="Arguments")
    output: Any = Field(default=None, alias="Output")
    assign: dict[str, Any] = Field(default_factory=dict, alias="Assign")
    result: Any = Field(default=None, alias="Result")

    retry: list[Retrier] = Field(default_factory=list, alias="Retry")
    catch: list[Catcher] = Field(default_factory=list, alias="Catch")

    resource: str | None = Field(default=None, alias="Resource")
    timeout: float | str | None = Field(default=None, alias="TimeoutSeconds")
    timeout_path: str | None = Field(default=None, alias="TimeoutSecondsPath")
    heartbeat: float | str | None = Field(default=None, alias="HeartbeatSeconds")
    heartbeat_path: str | None = Field(default=None, alias="HeartbeatSecondsPath")
    credentials: Any = Field(default=None, alias="Credentials")

    choices: list[dict[str, Any]] = Field(default_factory=list, alias="Choices")
    default: str | None = Field(default=None, alias="Default")

    seconds: float | str | None = Field(default=None, alias="Seconds")
    seconds_path: str | None = Field(default=None, alias="SecondsPath")
    timestamp: str | None = Field(default=None, alias="Timestamp")
    timestamp_path: str | None = Field(default=None, alias="TimestampPath")

    error: str | None = Field(default=None, alias="Error")
    error_path: str | None = Field(default=None, alias="ErrorPath")
    cause: str | None = Field(default=None, alias="Cause")
    cause_path: str | None = Field(default=None, alias="CausePath")

    branches: list[dict[str, Any]] = Field(default_factory=list, alias="Branches")
    processor: dict[str, Any] | None = Field(default=None, alias="ItemProcessor")
    iterator: dict[str, Any] | None = Field(default=None, alias="Iterator")
    items: Any = Field(default=None, alias="Items")
    items_path: str = Field(default="$", alias="ItemsPath")
    item_selector: Any = Field(default=None, alias="ItemSelector")
    concurrency: int | str = Field(default=0, alias="MaxConcurrency")
    concurrency_path: str | None = Field(default=None, alias="MaxConcurrencyPath")
    tolerated: float | str = Field(default=0, alias="ToleratedFailureCount")
    tolerated_path: str | None = Field(default=None, alias="ToleratedFailureCountPath")
    tolerated_share: float | str = Field(default=0, alias="ToleratedFailurePercentage")
    tolerated_share_path: str | None = Field(default=None, alias="ToleratedFailurePercentagePath")
    item_reader: Any = Field(default=None, alias="ItemReader")
    item_batcher: Any = Field(default=None, alias="ItemBatcher")
    result_writer: Any = Field(default=None, alias="ResultWriter")
    label: str | None = Field(default=None, alias="Label")

    def given(self, field: str) -> bool:
        """Tell whether the document has the field, be it null."""
        return field in self.model_fields_set
