"""Who takes part: how each is started, and how it is asked for the same work."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.load import Job
from benchmarks.processes import Child, ask

BLUEPRINTS = Path(__file__).with_name("blueprints")
INPUT = '{"customer":"C-4711","amount":120.5,"items":["lamp","bulb"]}'
CALLS = 3
"""Worker calls an execution."""
OPEN_CLIENTS = 100
"""So many requests that are due at their times can be under way."""
WAIT_SECONDS = 60
"""How long a client waits for the end."""


def executions(activity: str) -> str:
    """Return where executions of an activity are started."""
    return f"/v1/activities/bench/{activity}/executions"


THREE = executions("three")
PARKED = executions("parked")


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """A server that does the work."""

    name: str
    path: str
    start: Callable[[Path, str], Child]
    """With a data file, and the worker's URL."""
    kind: str = "peer"
    """goflow, baseline, floor or peer."""
    calls: int = CALLS
    """Worker calls an execution."""
    durable: bool = True
    """False: what it did is gone with its process."""
    warm_seconds: float = 0.3
    """Of load before each figure."""
    about: str = ""

    def installed(self) -> str | None:
        """Return its version, which may be empty; None when it is not here."""
        return ""

    def why_not(self) -> str:
        """Return what to say when it is not here."""
        return f"{self.name}: not installed"

    def job(
        self,
        server: Child,
        *,
        clients: int = 1,
        seconds: float = 0.0,
        requests: int | None = None,
        pause: float = 0.0,
        wait: bool = True,
    ) -> Job:
        """Return the work: start, and with *wait* read the end."""
        return Job(
            url=server.url + self.path,
            body=f'{{"input":{INPUT}}}',
            expect='"status":"completed"' if wait else '"id":',
            headers={"Prefer": f"wait={WAIT_SECONDS}"} if wait else {},
            clients=clients,
            seconds=seconds,
            requests=requests,
            pause=pause,
        )


def serve(data: Path | str, worker: str, env: Mapping[str, str] | None = None) -> Child:
    """Start goflow on a data file, or on a database, as it is."""
    flags = ["--data", str(data), "--port", "0", "--endpoint", f"worker={worker}"]
    flags += ["--log-level", "warning"]  # a quiet start and end; requests are not logged anyway
    return Child("goflow", "goflow_py", "serve", *flags, env=env)


def goflow(
    data: Path | str,
    worker: str,
    documents: Sequence[dict[str, Any]] = (),
    env: Mapping[str, str] | None = None,
) -> Child:
    """Start goflow, and upload what it shall run: three calls, a wait, and *documents*."""
    child = serve(data, worker, env)
    try:
        for name in ("three", "parked"):
            ask(child.url, "/v1/blueprints", (BLUEPRINTS / f"{name}.json").read_bytes())
        for document in documents:
            ask(child.url, "/v1/blueprints", json.dumps(document).encode())
    except BaseException:
        child.stop()
        raise
    return child


def starts(server: Child, every: float) -> Job:
    """Return a start every so often of what only waits, however slow the answers are."""
    return Job(
        url=server.url + PARKED,
        body='{"input":null}',
        expect='"status":"waiting"',
        clients=OPEN_CLIENTS,
        every=every,
        seconds=3_600.0,
    )


def module(name: str, *arguments: str) -> Callable[[Path, str], Child]:
    """Return what starts a contestant that is a module of ours."""
    return lambda data, worker: Child(name, f"benchmarks.{name}", str(data), worker, *arguments)


CONTESTANTS = {
    found.name: found
    for found in (
        Contestant(name="goflow", kind="goflow", path=THREE, start=goflow),
        Contestant(name="naive", kind="baseline", path="/executions", start=module("naive")),
        Contestant(name="floor", kind="floor", path="/executions", start=module("floor")),
        Contestant(
            name="floor-lean", kind="floor", path="/executions", start=module("floor", "3", "lean")
        ),
    )
}
