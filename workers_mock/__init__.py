"""A worker that plays any action: a real HTTP service for demonstrations, tests and load.

It stands alone (aiohttp only) and knows nothing of the orchestrator but the call it receives::

    script = Script({"shop/charge": [{"status": 503, "times": 2}, {"body": {"paid": True}}]})
    async with MockServer(script) as mock:
        ...  # POST f"{mock.url}/shop"
"""

from workers_mock.rules import BadScript
from workers_mock.script import Script
from workers_mock.server import MockServer

__all__ = ["BadScript", "MockServer", "Script"]
