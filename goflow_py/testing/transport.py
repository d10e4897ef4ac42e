"""A transport that answers as it is told, in process."""

import asyncio
from collections.abc import Callable
from typing import Any

import orjson

from goflow_py.ports import Answered, Reply, Request

Script = Callable[[Request, dict[str, Any]], Reply | None]
"""Takes the request and its body; None: never answers."""


def answer(body: Any = None, status: int = 200, **headers: str) -> Answered:
    """Return an answer with a JSON body."""
    return Answered(
        status=status,
        headers={"content-type": "application/json", **headers},
        body=b"" if body is None else orjson.dumps(body),
    )


class StubTransport:
    """Keeps every request, and answers by *script*; without one, 200 with the call's input."""

    def __init__(self, script: Script | None = None) -> None:
        self.script = script or (lambda _, body: answer(body.get("input")))
        self.requests: list[Request] = []
        self.bodies: list[dict[str, Any]] = []

    async def send(self, request: Request) -> Reply:
        """Answer by the script."""
        body = orjson.loads(request.body)
        self.requests.append(request)
        self.bodies.append(body)
        reply = self.script(request, body)
        if reply is None:
            await asyncio.get_running_loop().create_future()
        assert reply is not None, "a call without an answer never gets here"
        return reply

    async def close(self) -> None:
        """Nothing is open."""
