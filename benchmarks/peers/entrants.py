"""The peers as contestants: what they are, whether they are here, how they are asked."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from benchmarks.contestants import Contestant
from benchmarks.load import Job
from benchmarks.peers import starts
from benchmarks.peers.installed import PACKAGES
from benchmarks.processes import Child

FRONTED = "/executions"
"""The path of the front that we put before a peer without an endpoint of the kind."""


@dataclass(frozen=True, kw_only=True)
class Peer(Contestant):
    """Another engine that does the work, if it is installed."""

    package: str
    warm_seconds: float = 1.0
    """Compilers and pools come to rest."""
    grace_seconds: float = 60.0
    """How long what is in flight at the end of a job may take."""
    send: tuple[str, str] | None = None
    """Path, and what the answer holds, for a start that does not wait; None: by a header."""

    def installed(self) -> str | None:
        """Return its versions; None when it is not installed."""
        return PACKAGES[self.package].installed()

    def why_not(self) -> str:
        """Return what to say of one that is not installed."""
        return f"{self.name}: not installed (python -m benchmarks.peers install {self.package})"

    def job(self, server: Child, *, wait: bool = True, **rest: Any) -> Job:
        """Return the work as Contestant.job does."""
        job = replace(super().job(server, wait=wait, **rest), grace_seconds=self.grace_seconds)
        if wait or self.send is None:
            return job
        path, expect = self.send
        return replace(job, url=server.url + path, expect=expect)


_RESTATE = Peer(
    name="restate",
    package="restate",
    path="/bench/three",
    send=("/bench/three/send", '"invocationId":'),
    start=starts.restate,
    warm_seconds=2.0,
    about="server as shipped (24 partitions) and Node.js service; its own ingress is asked",
)

PEERS = {
    found.name: found
    for found in (
        _RESTATE,
        replace(
            _RESTATE,
            name="restate-tuned",
            start=partial(starts.restate, tuned=True),
            about="the same with 2 partitions, as many as cores",
        ),
        Peer(
            name="dbos",
            package="dbos",
            path=FRONTED,
            start=starts.dbos,
            about="library on SQLite as shipped, in one process with an aiohttp front",
        ),
        Peer(
            name="temporal",
            package="temporal",
            path=FRONTED,
            start=starts.temporal,
            grace_seconds=240.0,
            about="development server on SQLite; aiohttp front in the worker's process",
        ),
        Peer(
            name="xstate",
            package="xstate",
            path=FRONTED,
            start=starts.xstate,
            durable=False,
            about="library in Node.js with an http front; nothing is kept",
        ),
        Peer(
            name="node-red",
            package="node-red",
            path=FRONTED,
            start=starts.node_red,
            durable=False,
            about="a flow of its own http nodes; nothing is kept",
        ),
        Peer(
            name="procrastinate",
            package="procrastinate",
            path=FRONTED,
            start=starts.procrastinate,
            about="a job a step on PostgreSQL; aiohttp front in the worker's process",
        ),
    )
}
