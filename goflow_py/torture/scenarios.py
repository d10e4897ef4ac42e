"""The blueprints that are tortured: together they have every kind of wait and of work."""

from typing import Any

PROJECT = "torture"
EVENTS: dict[str, Any] = {"go": {}, "stop": {}, "note": {}}
RETRY = {"interval": 0.2, "maxInterval": 5}
QUEUES = ("packing", "desk")


def _worker(name: str, endpoint: str, **fields: Any) -> dict[str, Any]:
    return {
        "name": name,
        "workerEndpoint": endpoint,
        "retryCount": 6,
        "retry": RETRY,
        "responseTimeout": 2,
        **fields,
    }


def _either(current: str, *events: str, to: str) -> list[dict[str, Any]]:
    """Return rows that lead to one state by any of several events."""
    return [{"current": current, "event": event, "next": to} for event in events]


def _chain(*states: str, **ends: str) -> list[dict[str, Any]]:
    """Return rows that lead from each state to the next by `success`."""
    rows = [{"current": "init", "event": "start", "next": states[0]}]
    for before, after in zip(states, (*states[1:], "done"), strict=True):
        rows.append({"current": before, "event": "success", "next": after})
    rows += [{"current": state, "event": "error", "next": to} for state, to in ends.items()]
    return rows


LINEAR = {
    "activity": "linear",
    "states": ["first", "second", "third"],
    "transitions": _chain("first", "second", "third", second="third"),
    "workers": [
        _worker("first", "w1"),
        _worker("first", "w2", priority=2),
        _worker("second", "w1", retryCount=1, maxConcurrent=1),
        _worker("third", "w2", maxConcurrent=2),
        _worker("third", "w3", rateLimit=20),
    ],
    "output": {"n": "$.third.output.n"},
}
LATER = {
    "activity": "later",
    "states": [
        "ask",
        {"name": "hold", "timeout": 3, "on": {"go": "nap", "timeout": "nap"}, "defer": ["note"]},
        "nap",
        {"name": "last", "after": [{"delay": 30, "next": "failed"}]},
    ],
    "actions": [
        {"name": "ask", "type": "async", "heartbeatTimeout": 4, "timeout": 60},
        {"name": "nap", "type": "delay", "seconds": 2},
        {"name": "last", "type": "sync"},
    ],
    "transitions": [
        {"current": "init", "event": "start", "next": "ask"},
        *_either("ask", "success", "error", "timeout", to="hold"),
        {"current": "nap", "event": "success", "next": "last"},
        *_either("last", "success", "error", to="done"),
    ],
    "workers": [_worker("ask", "w1"), _worker("last", "w2")],
}
GRAPH = {
    "activity": "graph",
    "states": [
        {
            "name": "work",
            "tasks": [
                {"name": "a"},
                {"name": "b", "needs": ["a"]},
                {"name": "item", "each": "$.input.items", "concurrency": 2},
                {"name": "told", "needs": ["b"], "ignoreFailure": True},
                {"name": "await", "needs": ["a"]},
            ],
            "join": 3,
            "on": {"success": "after", "error": "after"},
            "notify": {"left": "w3"},
        },
        {"name": "after", "subscribe": {"setup": "open", "teardown": "close"}},
    ],
    "actions": [
        {"name": "a", "undo": "back"},
        {"name": "back"},
        {"name": "open"},
        {"name": "close"},
        {"name": "await", "type": "wait", "event": "go", "timeout": 5},
    ],
    "transitions": [
        {"current": "init", "event": "start", "next": "work"},
        *_either("after", "success", "error", to="done"),
    ],
    "workers": [
        _worker(name, endpoint)
        for name, endpoint in (
            ("a", "w1"),
            ("b", "w2"),
            ("item", "w3"),
            ("told", "w1"),
            ("after", "w2"),
            ("open", "w1"),
            ("close", "w2"),
            ("back", "w1"),
        )
    ],
}
FAMILY = {
    "activity": "family",
    "states": [
        {
            "name": "work",
            "tasks": [
                {"name": "branch", "each": "$.input.items", "concurrency": 2},
                {"name": "whole"},
            ],
            "on": {"success": "last", "error": "last"},
        },
        "last",
    ],
    "actions": [
        {"name": "branch", "type": "activity", "machine": "branch", "input": "$.item"},
        {"name": "whole", "type": "activity", "activity": "linear", "retryCount": 2},
    ],
    "transitions": [
        {"current": "init", "event": "start", "next": "work"},
        *_either("last", "success", "error", to="done"),
    ],
    "machines": {
        "branch": {
            "states": [
                "one",
                {"name": "wait", "timeout": 4, "on": {"go": "two", "timeout": "two"}},
                "two",
            ],
            "transitions": [
                {"current": "init", "event": "start", "next": "one"},
                *_either("one", "success", "error", to="wait"),
                *_either("two", "success", "error", to="done"),
            ],
        }
    },
    "workers": [_worker("one", "w1"), _worker("two", "w2"), _worker("last", "w3")],
}
QUEUED = {
    "activity": "queued",
    "states": ["pack", "sign", "tell", "send"],
    "actions": [
        {
            "name": "pack",
            "type": "pull",
            "queue": "packing",
            "lease": 3,
            "retryCount": 5,
            "retry": {"interval": 0.5},
        },
        {"name": "sign", "type": "human", "queue": "desk", "lease": 20, "retryCount": 9},
        {
            "name": "tell",
            "type": "emit",
            "event": "go",
            "key": "{$.input.friend}",
            "retryCount": 2,
            "retry": {"interval": 1},
        },
    ],
    "transitions": _chain("pack", "sign", "tell", "send", pack="sign", sign="tell", tell="send"),
    "workers": [_worker("send", "w1")],
}
SAGA = {
    "activity": "saga",
    "states": [
        {"name": "flight", "on": {"success": "hotel", "error": "give_back"}},
        {"name": "hotel", "on": {"success": "quiet", "error": "give_back"}},
        {
            "name": "quiet",
            "on": {"go": "done", "stop": "give_back"},
            "after": [{"delay": "20s", "next": "done"}],
        },
        {"name": "give_back", "on": {"success": "failed", "error": "failed"}},
    ],
    "actions": [
        {"name": "flight", "undo": "no_flight"},
        {"name": "hotel", "undo": "no_hotel"},
        {"name": "no_flight"},
        {"name": "no_hotel"},
        {"name": "give_back", "type": "undo"},
    ],
    "transitions": [{"current": "init", "event": "start", "next": "flight"}],
    "workers": [
        _worker("flight", "w1"),
        _worker("hotel", "w3", retryCount=1),
        _worker("no_flight", "w2", retryCount=20),
        _worker("no_hotel", "w2", retryCount=20),
    ],
}
LOOP = {
    "activity": "loop",
    "data": {"rounds": 0},
    "states": [
        {
            "name": "round",
            "maxVisits": 6,
            "on": {
                "success": [
                    {
                        "when": "data.rounds < 3",
                        "next": "round",
                        "set": {"rounds": "${ data.rounds + 1 }"},
                    },
                    {"next": "done"},
                ],
                "error": "done",
            },
        }
    ],
    "transitions": [{"current": "init", "event": "start", "next": "round"}],
    "workers": [
        _worker("round", "w2", maxConcurrent=1),
        _worker("round", "w3", priority=2, maxConcurrent=1),
    ],
}

NARROW: dict[str, Any] = {
    "activity": "narrow",
    "maxConcurrent": 2,
    "states": ["enter", {"name": "inside", "timeout": 2, "on": {"go": "leave"}}, "leave"],
    "transitions": [
        {"current": "init", "event": "start", "next": "enter"},
        *_either("enter", "success", "error", to="inside"),
        {"current": "inside", "event": "timeout", "next": "leave"},
        *_either("leave", "success", "error", to="done"),
    ],
    "workers": [_worker("enter", "w1"), _worker("leave", "w3")],
}
WIDER: dict[str, Any] = {**NARROW, "maxConcurrent": 3}
"""Another version of `narrow`: with more places."""
SHORTER: dict[str, Any] = {
    **LINEAR,
    "states": ["first", "second", {"name": "third", "on": {"go": "first"}}],
    "transitions": [
        {"current": "init", "event": "start", "next": "first"},
        {"current": "first", "event": "success", "next": "third"},
        {"current": "second", "event": "success", "next": "done"},
        *_either("third", "success", "error", to="done"),
    ],
}
"""Another version of `linear`, with other rows."""

ALL: tuple[dict[str, Any], ...] = tuple(
    {"project": PROJECT, "events": EVENTS, **document}
    for document in (LINEAR, LATER, GRAPH, FAMILY, QUEUED, SAGA, LOOP, NARROW)
)
NEXT_VERSIONS = (
    *ALL,
    *({"project": PROJECT, "events": EVENTS, **document} for document in (SHORTER, WIDER)),
)
"""What may be uploaded while executions run."""
ACTIVITIES = tuple(str(document["activity"]) for document in ALL)
ENDPOINTS = ("w1", "w2", "w3")
AT_ONCE = {
    f"{worker['name']}@{worker['workerEndpoint']}": int(worker["maxConcurrent"])
    for document in ALL
    for worker in document["workers"]
    if "maxConcurrent" in worker
}
"""Calls at once that one process may make of an action at an endpoint."""


def input_of(number: int) -> dict[str, Any]:
    """Return the input of the start with a number: it can be told from every other."""
    return {"n": number, "items": list(range(number % 4)), "friend": f"key-{number - 1}"}
