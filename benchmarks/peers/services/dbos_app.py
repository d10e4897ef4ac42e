"""DBOS: a workflow of three steps, on SQLite as it is shipped.

python -m benchmarks.peers.services.dbos_app FILE WORKER_URL
"""
# mypy: disable-error-code="import-not-found"

import sys
from collections.abc import Awaitable
from typing import Any

import uvloop
from dbos import DBOS, DBOSConfig, SetWorkflowID

from benchmarks.peers.services.front import STATES, Caller, Front

caller = Caller(sys.argv[2])


@DBOS.step()
async def call(number: str, action: str, value: Any) -> Any:
    """Call the worker once."""
    return await caller.call(number, action, value)


@DBOS.workflow()
async def three(number: str, value: Any) -> Any:
    """Call one after the other."""
    output = value
    for action in STATES:
        output = await call(number, action, value)
    return output


class DbosFront(Front):
    """Starts workflows."""

    async def begin(self, number: str, value: Any) -> Awaitable[Any]:
        with SetWorkflowID(number):
            handle = await DBOS.start_workflow_async(three, number, value)
        return handle.get_result()  # type: ignore[no-any-return]


async def main(file: str) -> None:
    config: DBOSConfig = {
        "name": "bench",
        "system_database_url": f"sqlite:///{file}",
        "log_level": "WARNING",
    }
    DBOS(config=config)
    DBOS.launch()
    await DbosFront().serve()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
