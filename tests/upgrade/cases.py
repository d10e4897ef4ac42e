"""Every kind of wait: how an execution gets there, what feeds it, and how it ends then.

The tool that makes the files plays ``before`` with a release's own server; the test plays ``after``
with the code of today. Only words that the oldest file's release knew stand here for it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

Known = dict[str, Any]
Ask = Callable[..., Any]
"""``ask(method, path, body)`` of a server; the method CALLS returns the calls of the workers."""
Step = Callable[[Ask, Known], dict[str, Any] | None]
"""Returns what is to be remembered for later."""

HOUR = 3_600
RETRY = {"interval": 600, "maxInterval": 600, "jitter": "none"}
MANY = 120
"""Executions of a batch: more than one page of it."""


@dataclass(frozen=True, kw_only=True)
class Feed:
    """A call that an execution waits for; ``{id}`` and other words are what is known."""

    method: str = "POST"
    path: str
    body: Any = None


@dataclass(frozen=True, kw_only=True)
class Case:
    """One kind of wait."""

    name: str
    states: Sequence[Any]
    since: int = 1
    """The schema whose release knew it first."""
    actions: Sequence[Any] = ()
    more: Mapping[str, Any] = field(default_factory=dict)
    script: Mapping[str, Any] = field(default_factory=dict)
    """Of the workers, while the file is made; afterwards all answer."""
    before: Sequence[Step] = ()
    waits: str = "waiting"
    """Its status in the file, and its state."""
    after: Sequence[Feed] = ()
    ends: str = "completed"

    @property
    def activity(self) -> str:
        """Return the name of its activity."""
        return self.name.replace(" ", "_")

    def blueprint(self) -> dict[str, Any]:
        """Return its blueprint; every call goes to the alias ``w``."""
        calls = [
            action
            for action in self.actions
            if action.get("type", "sync") in ("sync", "async") and "name" in action
        ]
        first = self.states[0]
        workers = [
            {"name": one["name"], "workerEndpoint": "w", "retryCount": 3, "retry": RETRY}
            for one in calls
        ]
        return {
            "project": "up",
            "activity": self.activity,
            "key": "${ input.key }",
            "states": list(self.states),
            "actions": list(self.actions),
            "transitions": [
                {
                    "current": "init",
                    "event": "start",
                    "next": first if isinstance(first, str) else first["name"],
                }
            ],
            "workers": workers,
            **self.more,
        }


def send(name: str, **more: Any) -> Step:
    """Send an event to the execution."""

    def step(ask: Ask, known: Known) -> None:
        ask("POST", f"/v1/executions/{known['id']}/events", {"name": name, **more})

    return step


def control(verb: str) -> Step:
    """Use an operator's verb."""

    def step(ask: Ask, known: Known) -> None:
        ask("POST", f"/v1/executions/{known['id']}:{verb}", {})

    return step


def called(ask: Ask, known: Known) -> dict[str, Any]:
    """Wait for the worker's call; remember where its callback goes."""
    for _ in range(2_000):
        for call in ask("CALLS", ""):
            body = call["body"]
            if body.get("executionId") == known["id"]:
                url = body.get("callbackUrl")
                return {"callback": urlsplit(url).path} if url else {}
        ask("GET", "/healthz")
    raise AssertionError(f"no worker was called for {known}")


def calls(action: str, count: int = 1) -> Step:
    """Wait until an action was called so often."""

    def step(ask: Ask, known: Known) -> None:
        for _ in range(2_000):
            bodies = [call["body"] for call in ask("CALLS", "")]
            found = [one for one in bodies if one.get("executionId") == known["id"]]
            if sum(one["action"] == action for one in found) >= count:
                return
            ask("GET", "/healthz")
        raise AssertionError(f"'{action}' was not called for {known}")

    return step


def claim(ask: Ask, known: Known) -> dict[str, Any]:
    """Claim the work from its queue."""
    body = {"queues": ["claimed"], "worker": "before", "wait": 5}
    [task] = ask("POST", "/v1/tasks:poll", body)["tasks"]
    return {"task": task["id"], "token": task["token"]}


def early(ask: Ask, known: Known) -> None:
    """Store an event that nobody accepts yet."""
    body = {"name": "later", "key": "early event", "project": "up", "ttl": "7d", "data": 5}
    ask("POST", "/v1/events", body)


def many(ask: Ask, known: Known) -> dict[str, Any]:
    """Begin a batch over many executions; the kill comes in the midst of it."""
    path = "/v1/activities/up/batch/executions"
    ids = [ask("POST", path, {"input": {"key": f"batch {number}"}})["id"] for number in range(MANY)]
    batch = ask("POST", "/v1/batches", {"action": "pause", "ids": [known["id"], *ids]})
    return {"batch": batch["id"], "others": ids}


EVENT = "/v1/executions/{id}/events"
HELD = [{"delay": 500}]
FAILS = [{"status": 500}]
CALL = {"name": "call"}
BRANCH = {
    "states": [{"name": "hold", "on": {"go": "done"}}],
    "transitions": [{"current": "init", "event": "start", "next": "hold"}],
}

CASES = (
    Case(
        name="open call", states=["call"], actions=[CALL], script={"call": HELD},
        before=[called], waits="running call",
    ),
    Case(
        name="between retries", states=["call"], actions=[CALL], script={"call": FAILS},
        before=[called], waits="running call",
    ),
    Case(
        name="callback", states=["call"], actions=[{**CALL, "type": "async"}],
        script={"call": [{"status": 202}]}, before=[called], waits="waiting call",
        after=[Feed(path="{callback}", body={"output": 1})],
    ),
    Case(
        name="heartbeat", states=["call"],
        actions=[{**CALL, "type": "async", "heartbeatTimeout": "10m"}],
        script={"call": [{"status": 202}]}, before=[called], waits="waiting call",
        ends="failed",  # nobody ever calls back: its deadline, and those of its retries, are kept
    ),
    Case(
        name="event", states=[{"name": "hold", "on": {"go": "done"}}],
        after=[Feed(path=EVENT, body={"name": "go"})],
    ),
    Case(
        name="wait action", states=[{"name": "hold", "on": {"success": "done"}}],
        actions=[{"name": "hold", "type": "wait", "event": "go"}],
        after=[Feed(path=EVENT, body={"name": "go"})],
    ),
    Case(
        name="timer",
        states=[
            {"name": "hold", "on": {"go": "failed"}, "after": [{"delay": "1h", "next": "done"}]}
        ],
    ),
    Case(
        name="timeout", states=[{"name": "call", "timeout": "2h", "on": {"timeout": "done"}}],
        actions=[{**CALL, "type": "async"}], script={"call": [{"status": 202}]},
        before=[called], waits="waiting call",
    ),
    Case(
        name="delay action", states=["nap"],
        actions=[{"name": "nap", "type": "delay", "seconds": HOUR}],
    ),
    Case(
        name="delayed row",
        states=[{"name": "hold", "on": {"go": {"next": "late", "delay": "1h"}}}, "late"],
        actions=[{"name": "late", "type": "map", "value": 1}], before=[send("go")],
        waits="waiting late",
    ),
    Case(
        name="paused", states=[{"name": "hold", "on": {"go": "done"}}],
        before=[control("pause"), send("go")], waits="paused",
        after=[Feed(path="/v1/executions/{id}:resume", body={})],
    ),
    Case(
        name="paused call", states=["call"], actions=[CALL], script={"call": HELD},
        before=[called, control("pause")], waits="paused",
        after=[Feed(path="/v1/executions/{id}:resume", body={})],
    ),
    Case(
        name="deferred event",
        states=[
            {"name": "hold", "defer": ["paid"], "on": {"go": "next"}},
            {"name": "next", "on": {"paid": "done"}},
        ],
        before=[send("paid", id="e-1")], after=[Feed(path=EVENT, body={"name": "go"})],
    ),
    Case(
        name="failed", states=["call"], actions=[CALL],
        script={"call": [{"status": 422}]}, before=[called], waits="failed",
        after=[Feed(path="/v1/executions/{id}:retry", body={})],
    ),
    Case(
        name="queued", since=2, states=["queued"],
        actions=[{"name": "queued", "type": "pull"}],
    ),
    Case(
        name="claimed", since=2, states=["claimed"],
        actions=[{"name": "claimed", "type": "pull", "lease": "12h"}], before=[claim],
        after=[Feed(path="/v1/tasks/{task}:complete", body={"token": "{token}", "output": 1})],
    ),
    Case(
        name="lease", since=2, states=["claimed"],
        actions=[
            {"name": "claimed", "type": "pull", "lease": "10m", "retryCount": 3, "retry": RETRY}
        ],
        before=[claim],
    ),
    Case(
        name="person", since=2, states=["decide"],
        actions=[{"name": "decide", "type": "human", "assignedTo": "desk"}],
    ),
    Case(
        name="machine child", since=2,
        states=[{"name": "work", "tasks": [{"name": "branch"}], "on": {"success": "done"}}],
        actions=[{"name": "branch", "type": "activity", "machine": "branch"}],
        more={"machines": {"branch": BRANCH}},
        after=[Feed(path=EVENT, body={"name": "go"})], waits="waiting work",
    ),
    Case(
        name="activity child", since=2, states=["child"],
        actions=[{"name": "child", "type": "activity", "activity": "nap_for_another"}],
        waits="waiting child",
    ),
    Case(
        name="list half done", since=2,
        states=[
            {
                "name": "work",
                "tasks": [{"name": "one", "each": "${[1, 2, 3]}", "concurrency": 1}],
                "on": {"success": "done"},
            }
        ],
        actions=[{"name": "one"}], script={"one": [{"status": 200, "body": 1, "times": 1}, *HELD]},
        before=[calls("one", 2)], waits="running work",
    ),
    Case(
        name="graph half done", since=2,
        states=[
            {
                "name": "work",
                "tasks": [{"name": "a"}, {"name": "b"}, {"name": "c", "needs": ["a", "b"]}],
                "on": {"success": "done"},
            }
        ],
        actions=[{"name": "a"}, {"name": "b"}, {"name": "c"}], script={"b": HELD},
        before=[calls("b")], waits="running work",
    ),
    Case(
        name="undo half way", since=2,
        states=["a", "b", {"name": "hold", "on": {"go": "done"}}],
        actions=[
            {"name": "a", "undo": "un_a"},
            {"name": "b", "undo": "un_b"},
            {"name": "un_a"},
            {"name": "un_b"},
        ],
        more={
            "transitions": [
                {"current": "init", "event": "start", "next": "a"},
                {"current": "a", "event": "success", "next": "b"},
                {"current": "b", "event": "success", "next": "hold"},
            ]
        },
        script={"un_a": HELD}, before=[lambda ask, known: reach(ask, known, "hold"),
                                       control("cancel"), calls("un_a")],
        waits="running", ends="cancelled",
    ),
    Case(
        name="errand pending", since=2,
        states=[
            {
                "name": "pay",
                "subscribe": {"setup": "setup", "teardown": "teardown"},
                "on": {"paid": "ship"},
            },
            {"name": "ship", "on": {"go": "done"}},
        ],
        actions=[{"name": "setup"}, {"name": "teardown"}], script={"teardown": FAILS},
        before=[
            lambda ask, known: reach(ask, known, "pay", status="waiting"),
            send("paid"), calls("teardown"),
        ],
        waits="waiting ship", after=[Feed(path=EVENT, body={"name": "go"})],
    ),
    Case(
        name="script", since=2, states=[{"name": "hold", "on": {"go": "count"}}, "count"],
        actions=[{"name": "count", "type": "script", "script": "$.n = 1;"}],
        after=[Feed(path=EVENT, body={"name": "go"})],
    ),
    Case(
        name="early event", since=2,
        states=[{"name": "hold", "on": {"go": "next"}}, {"name": "next", "on": {"later": "done"}}],
        before=[early], after=[Feed(path=EVENT, body={"name": "go"})],
    ),
    Case(
        name="batch", since=2, states=[{"name": "hold", "on": {"go": "done"}}], before=[many],
        waits="paused", ends="cancelled",
        after=[Feed(path="/v1/executions/{id}:terminate", body={})],
    ),
)  # fmt: skip

NAP = Case(
    name="nap for another", since=2, states=["nap"],
    actions=[{"name": "nap", "type": "delay", "seconds": HOUR}],
)  # fmt: skip


def reach(ask: Ask, known: Known, state: str, *, status: str | None = None) -> None:
    """Wait until the execution is in a state."""
    for _ in range(2_000):
        now = ask("GET", f"/v1/executions/{known['id']}")
        if now["state"] == state and status in (None, now["status"]):
            return
    raise AssertionError(f"{known} never came to {state}")


def blueprints_of(schema: int) -> list[dict[str, Any]]:
    """Return what a release with this schema can be given, children first."""
    return [case.blueprint() for case in (NAP, *CASES) if case.since <= schema]


def case_of(name: str) -> Case:
    """Return a case by its name."""
    return next(case for case in CASES if case.name == name)
