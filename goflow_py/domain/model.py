"""What all documents of users share: strict, frozen pydantic models, and the types of fields."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from goflow_py.domain import durations
from goflow_py.domain.names import NAME_PATTERN

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]


def _seconds(value: Any) -> Any:
    return durations.seconds(value) if isinstance(value, str) else value


Seconds = Annotated[float, BeforeValidator(_seconds), Field(ge=0, le=315_360_000)]
"""A duration: seconds as a number, ``"5s"``, ``"1m30s"`` or ISO 8601; at most ten years."""

Text = Annotated[str, StringConstraints(max_length=16_384)]
Expression = Text
ENDPOINT_CHARACTERS_MAX = 2_048
Endpoint = Annotated[str, Field(min_length=1, max_length=ENDPOINT_CHARACTERS_MAX)]
"""A URL, or an alias."""
Template = Any


class Model(BaseModel):
    """A document: camelCase fields, nothing unknown."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=to_camel, defer_build=True
    )
