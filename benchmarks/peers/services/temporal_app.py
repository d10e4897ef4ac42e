"""Temporal: a workflow of three activities, and their worker.

python -m benchmarks.peers.services.temporal_app SERVER WORKER_URL
"""
# mypy: disable-error-code="import-not-found"

import sys
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import Worker

with workflow.unsafe.imports_passed_through():
    import uvloop

    from benchmarks.peers.services.front import STATES, Caller, Front

QUEUE = "bench"
TIMEOUT = timedelta(seconds=30)
AT_ONCE = 200
"""More than the load has in flight."""


@workflow.defn(name="three")
class Three:
    """Calls one after the other."""

    @workflow.run
    async def run(self, number: str, value: Any) -> Any:
        """Return what the last one answered."""
        output = value
        for action in STATES:
            output = await workflow.execute_activity(
                "call", args=[number, action, value], start_to_close_timeout=TIMEOUT
            )
        return output


class Activities:
    """What the workflow calls."""

    def __init__(self, worker: str) -> None:
        self._caller = Caller(worker)

    @activity.defn(name="call")
    async def call(self, number: str, action: str, value: Any) -> Any:
        """Call the worker once."""
        return await self._caller.call(number, action, value)


class TemporalFront(Front):
    """Starts workflows."""

    def __init__(self, client: Client) -> None:
        super().__init__()
        self._client = client

    async def begin(self, number: str, value: Any) -> Awaitable[Any]:
        handle = await self._client.start_workflow(
            "three", args=[number, value], id=number, task_queue=QUEUE
        )
        return handle.result()  # type: ignore[no-any-return]


async def main(server: str, worker: str) -> None:
    client = await Client.connect(server)
    async with Worker(
        client,
        task_queue=QUEUE,
        workflows=[Three],
        activities=[Activities(worker).call],
        max_concurrent_activities=AT_ONCE,
        max_concurrent_workflow_tasks=AT_ONCE,
    ):
        await TemporalFront(client).serve()


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
