"""Events for endpoints: CloudEvents 1.0, structured JSON (cloudevents.io, section 3 of JSON)."""

from typing import Any

import orjson

from goflow_py.domain import durations
from goflow_py.domain.actions import EmitAction
from goflow_py.domain.execution import Execution, Task
from goflow_py.fsm.compile import Compiled
from goflow_py.fsm.errands import NOTIFY

CONTENT_TYPE = "application/cloudevents+json"


def cloud_event(compiled: Compiled, execution: Execution, task: Task, key: str) -> bytes | None:
    """Return the body of *task*, if it is one that sends an event to an endpoint."""
    if task.kind == NOTIFY:
        name, data = f"goflow.state.{task.input['what']}", task.input
    elif task.kind == "emit":
        model = compiled.actions[task.action].model
        assert isinstance(model, EmitAction), "the kind is the model's"
        if model.endpoint is None:
            return None
        name, data = model.event, emitted(task)
    else:
        return None
    event = {
        "specversion": "1.0",
        "id": key,
        "source": f"/{execution.project}/{execution.activity}",
        "type": name,
        "subject": execution.id,
        "time": durations.rfc3339(task.since),
        "datacontenttype": "application/json",
        "data": data,
    }
    return orjson.dumps(event)


def emitted(task: Task) -> Any:
    """Return the data of an ``emit``: its template's, else its input."""
    return (task.target or {}).get("data", task.input)
