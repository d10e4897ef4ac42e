"""The blueprints of the workloads that come in sizes."""

from itertools import pairwise
from typing import Any

Json = dict[str, Any]


def steps(count: int) -> Json:
    """Return an activity of so many worker calls, one after the other."""
    names = [f"call{number}" for number in range(1, count + 1)]
    return {
        "project": "bench",
        "activity": f"steps{count}",
        "states": [*names[:-1], {"name": names[-1], "on": {"success": "done"}}],
        "actions": [{"name": name, "type": "sync"} for name in names],
        "transitions": [
            {"current": "init", "event": "start", "next": names[0]},
            *(
                {"current": one, "event": "success", "next": other}
                for one, other in pairwise(names)
            ),
        ],
        "workers": [_worker(name) for name in names],
    }


def patient(seconds: float) -> Json:
    """Return three calls whose workers may take so long."""
    document = steps(3) | {"activity": "patient"}
    document["workers"] = [one | {"responseTimeout": seconds} for one in document["workers"]]
    return document


def states(count: int) -> Json:
    """Return the three calls among so many states: beyond the path lies a chain of waits."""
    document = steps(3) | {"activity": f"states{count}"}
    names = [f"wait{number}" for number in range(1, count - 2)]
    if not names:
        return document
    waits = [
        {"name": one, "on": {"go": other}}
        for one, other in zip(names, [*names[1:], "done"], strict=True)
    ]
    document["states"] = [*document["states"], *waits]
    row = {"current": "call1", "event": "stop", "next": names[0]}
    document["transitions"] = [*document["transitions"], row]
    return document


def storm() -> Json:
    """Return an activity that waits until the moment of its input, and makes a call."""
    return {
        "project": "bench",
        "activity": "storm",
        "states": ["sleep", "call1"],
        "actions": [
            {"name": "sleep", "type": "delay", "until": "$.input.at"},
            {"name": "call1", "type": "sync"},
        ],
        "transitions": [
            {"current": "init", "event": "start", "next": "sleep"},
            {"current": "sleep", "event": "success", "next": "call1"},
        ],
        "workers": [_worker("call1")],
    }


def chain(count: int) -> Json:
    """Return states that call workers one after the other, with one row for all errors."""
    names = [f"s{number}" for number in range(count)]
    return {
        "project": "bench",
        "activity": "chain",
        "states": names,
        "transitions": [
            {"current": "init", "event": "start", "next": names[0]},
            *(
                {"current": one, "event": "success", "next": other}
                for one, other in zip(names, [*names[1:], "done"], strict=True)
            ),
            {"current": "*", "event": "error", "next": "failed"},
        ],
        "actions": [{"name": name} for name in names],
        "workers": [{"name": name, "workerEndpoint": "worker"} for name in names],
    }


def reading(count: int) -> Json:
    """Return a chain whose actions read the output of the one before."""
    document = chain(count) | {"activity": "reading"}
    names = document["states"]
    inputs = ["$.input.x", *(f"$.{name}.output.x" for name in names)]
    document["actions"] = [
        {"name": name, "input": {"x": text}} for name, text in zip(names, inputs, strict=False)
    ]
    return document


def _worker(name: str) -> Json:
    return {"name": name, "workerEndpoint": "worker", "retryCount": 2, "responseTimeout": 5}
