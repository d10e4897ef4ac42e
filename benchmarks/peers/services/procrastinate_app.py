"""procrastinate: a job a step, each of which keeps its answer and defers the next.

python -m benchmarks.peers.services.procrastinate_app POSTGRES_URL WORKER_URL
"""
# mypy: disable-error-code="import-not-found"

import asyncio
import json
import sys
from collections.abc import Awaitable
from typing import Any

import uvloop
from procrastinate import App, PsycopgConnector

from benchmarks.peers.services.front import STATES, Caller, Front

AT_ONCE = 128
"""Jobs; as many as the load has in flight."""
CONNECTIONS = 20
POLL_SECONDS = 0.1
"""As shipped it is 5: so long a job waits whose notice comes while the worker asks for others."""
_RESULTS = "create table results(execution text primary key, output jsonb not null)"
_KEEP = "insert into results values (%(execution)s, %(output)s)"

app = App(connector=PsycopgConnector(conninfo=sys.argv[1], min_size=4, max_size=CONNECTIONS))
caller = Caller(sys.argv[2])
ends: dict[str, asyncio.Future[Any]] = {}


@app.task(name="step")
async def step(number: str, place: int, value: Any, answers: list[Any]) -> None:
    """Call the worker; the next job, or the result, keeps its answer."""
    answers = [*answers, await caller.call(number, STATES[place], value)]
    if place + 1 < len(STATES):
        await step.defer_async(number=number, place=place + 1, value=value, answers=answers)
        return
    output = json.dumps(answers[-1])
    await app.connector.execute_query_async(_KEEP, execution=number, output=output)
    ends.pop(number).set_result(answers[-1])


class ProcrastinateFront(Front):
    """Defers first jobs."""

    async def begin(self, number: str, value: Any) -> Awaitable[Any]:
        ends[number] = end = asyncio.get_running_loop().create_future()
        await step.defer_async(number=number, place=0, value=value, answers=[])
        return end


async def main() -> None:
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        await app.connector.execute_query_async(_RESULTS)
        worker = app.run_worker_async(
            concurrency=AT_ONCE,
            fetch_job_polling_interval=POLL_SECONDS,
            install_signal_handlers=False,
        )
        await asyncio.gather(worker, ProcrastinateFront().serve())


if __name__ == "__main__":
    uvloop.run(main())
