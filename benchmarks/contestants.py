"""Who takes part: how each is started, and how it is asked for the same work."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load import Job
from benchmarks.processes import Child, ask

BLUEPRINTS = Path(__file__).with_name("blueprints")
INPUT = '{"customer":"C-4711","amount":120.5,"items":["lamp","bulb"]}'
THREE = "/v1/activities/bench/three/executions"
PARKED = "/v1/activities/bench/parked/executions"
CALLS = 3
"""Worker calls an execution."""


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """A server that does the work."""

    name: str
    path: str
    start: Callable[[Path, str], Child]
    """With a data file, and the worker's URL."""

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
            headers={"Prefer": "wait=30"} if wait else {},
            clients=clients,
            seconds=seconds,
            requests=requests,
            pause=pause,
        )


def _goflow(data: Path, worker: str) -> Child:
    flags = ["--data", str(data), "--port", "0", "--endpoint", f"worker={worker}"]
    flags += ["--log-level", "warning"]  # a quiet start and end; requests are not logged anyway
    child = Child("goflow", "goflow_py", "serve", *flags)
    try:
        for name in ("three", "parked"):
            ask(child.url, "/v1/blueprints", (BLUEPRINTS / f"{name}.json").read_bytes())
    except BaseException:
        child.stop()
        raise
    return child


def _module(name: str) -> Callable[[Path, str], Child]:
    return lambda data, worker: Child(name, f"benchmarks.{name}", str(data), worker)


CONTESTANTS = {
    found.name: found
    for found in (
        Contestant(name="goflow", path=THREE, start=_goflow),
        Contestant(name="naive", path="/executions", start=_module("naive")),
        Contestant(name="floor", path="/executions", start=_module("floor")),
    )
}
