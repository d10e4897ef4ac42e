"""The simulated workers: they answer well, badly, late, twice or not at all; and keep a ledger.

They are what a careful service is: an effect happens once for an ``Idempotency-Key``.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

import orjson

from goflow_py.engine.callbacks import CallbackBody
from goflow_py.errors import GoFlowError, Unavailable
from goflow_py.ports import Answered, Reply, Request, Unreachable
from goflow_py.torture.notes import Operation, Seen, digest_of
from goflow_py.torture.scenarios import PROJECT
from goflow_py.torture.world import Disconnected, Node, World

LATENCY_SECONDS = 0.3
LATE_SECONDS = 6.0
JSON = {"content-type": "application/json"}
CALLBACK_TRIES = 40
ANSWERS_KEPT = 100_000

FAULTS = {
    "worker refuses": 0.05,
    "worker hangs": 0.03,
    "worker resets": 0.05,
    "worker 5xx": 0.08,
    "worker 429": 0.03,
    "worker no": 0.03,
    "worker garbage": 0.03,
    "worker late": 0.06,
    "callback twice": 0.3,
    "callback late": 0.2,
    "callback never": 0.15,
    "callback error": 0.15,
}
"""Kinds of faults with their rates."""


@dataclass(slots=True)
class _Letter:
    """A request on its way, and whom its reply goes to."""

    request: Request
    reply: "asyncio.Future[Reply]"
    node: str


class Services:
    """All workers."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._effects: dict[str, dict[str, Any]] = {}
        """Idempotency key to the answer that was given first."""

    def wire(self, _: World, node: Node) -> "Wire":
        """Return a process's way to the workers."""
        return Wire(self, node)

    def post(self, request: Request, reply: "asyncio.Future[Reply]", node: str) -> None:
        """Take a request; it arrives though its sender may crash meanwhile."""
        world = self._world
        if world.roll("worker refuses"):
            refused = Unreachable(code="unreachable", message="connection refused")
            self._later(_answer, reply, refused)
            return
        self._later(self._arrive, _Letter(request, reply, node))

    def _later(self, callback: Any, *args: Any, scale: float = LATENCY_SECONDS) -> None:
        world = self._world
        seconds = 0.005 + world.chance.random() ** 3 * scale
        world.loop.call_later(seconds, callback, *args, context=world.outside.copy())

    # ------------------------------------------------------------ answering

    def _arrive(self, letter: _Letter) -> None:
        world = self._world
        seen, body = self._note(letter)
        if world.roll("worker 5xx"):
            self._fail(letter, seen, Answered(status=503, headers=JSON, body=b"{}"))
        elif world.roll("worker 429"):
            headers = {**JSON, "retry-after": "2"}
            self._fail(letter, seen, Answered(status=429, headers=headers, body=b"{}"))
        elif world.roll("worker resets"):
            self._maybe_do(seen)
            reset = Unreachable(code="unreachable", message="connection reset")
            self._later(_answer, letter.reply, reset)
        elif world.roll("worker hangs"):
            self._maybe_do(seen)
        elif seen.task and not body.get("callbackUrl") and world.roll("worker garbage"):
            # Of an acceptance and of a notification the body is not read.
            self._maybe_do(seen)
            seen.answer = "garbage"
            seen.answered_at = world.loop.time()
            garbage = Answered(status=200, headers=JSON, body=b'{"half": ')
            self._later(_answer, letter.reply, garbage)
        elif body.get("callbackUrl"):
            self._accept(letter, seen, body)
        elif world.roll("worker no"):
            seen.answer = "definite"
            seen.answered_at = world.loop.time()
            no = Answered(status=422, headers=JSON, body=b'{"error": {"code": "no"}}')
            self._later(_answer, letter.reply, no)
        else:
            scale = LATE_SECONDS if world.roll("worker late") else LATENCY_SECONDS
            self._later(self._succeed, letter, seen, scale=scale)

    def _succeed(self, letter: _Letter, seen: Seen) -> None:
        answer = self._do(seen)
        seen.answer, seen.output = "success", digest_of(answer)
        seen.answered_at = self._world.loop.time()
        _answer(letter.reply, Answered(status=200, headers=JSON, body=orjson.dumps(answer)))

    def _fail(self, letter: _Letter, seen: Seen, answer: Answered) -> None:
        self._maybe_do(seen)
        seen.answer = "failure"
        seen.answered_at = self._world.loop.time()
        self._later(_answer, letter.reply, answer)

    def _note(self, letter: _Letter) -> tuple[Seen, dict[str, Any]]:
        headers, body = letter.request.headers, orjson.loads(letter.request.body)
        is_event = "specversion" in body
        seen = Seen(
            execution=headers["Goflow-Execution-Id"],
            at=self._world.loop.time(),
            key=headers["Idempotency-Key"],
            fence=int(headers["Goflow-Fence"]),
            attempt=int(headers["Goflow-Attempt"]),
            project=body.get("project", PROJECT),
            task=None if is_event else body.get("task"),
            visit=None if is_event else body.get("visit"),
            endpoint=letter.request.url.rsplit("/", 1)[-1],
            digest=None if is_event else digest_of(body.get("input")),
            node=letter.node,
        )
        self._world.notes.seen.append(seen)
        return seen, body

    # ------------------------------------------------------------ effects

    def _do(self, seen: Seen) -> dict[str, Any]:
        """Have the effect, unless this key had it before."""
        known = self._effects.get(seen.key)
        if known is not None:
            seen.effect = "deduplicated"
            return known
        seen.effect = "applied"
        answer = self._effects[seen.key] = {"n": len(self._effects), "task": seen.task}
        return answer

    def _maybe_do(self, seen: Seen) -> None:
        if self._world.chance.random() < 0.5:
            self._do(seen)

    # ------------------------------------------------------------ callbacks

    def _accept(self, letter: _Letter, seen: Seen, body: dict[str, Any]) -> None:
        world = self._world
        seen.answer = "accepted"
        seen.answered_at = world.loop.time()
        self._later(_answer, letter.reply, Answered(status=202, headers=JSON, body=b""))
        if world.roll("callback never"):
            return
        token = body["callbackUrl"].rsplit("/", 1)[-1]
        error = {"code": "broken"} if world.roll("callback error") else None
        output = self._do(seen) if error is None else None
        outcome = CallbackBody(output=output, error=error, retry=error is not None)
        for _ in range(2 if world.roll("callback twice") else 1):
            scale = LATE_SECONDS if world.roll("callback late") else LATENCY_SECONDS
            self._later(self._call_back, token, outcome, seen, scale=scale)

    def _call_back(self, token: str, outcome: CallbackBody, seen: Seen) -> None:
        world = self._world
        world.loop.create_task(self._until_told(token, outcome, seen), context=world.outside.copy())

    async def _until_told(self, token: str, outcome: CallbackBody, seen: Seen) -> None:
        """Call back until there is an answer, as a careful worker does."""
        world = self._world
        for _ in range(CALLBACK_TRIES):
            said = Operation(
                client="worker",
                kind="callback",
                begun=world.loop.time(),
                project=seen.project,
                execution=seen.execution,
                key=token[-16:],
                task=seen.task,
                visit=seen.visit,
                attempt=seen.attempt,
            )
            world.notes.operations.append(said)
            try:
                answer = await world.ask(lambda engine: engine.callbacks.complete(token, outcome))
            except (Disconnected, TimeoutError, Unavailable):
                said.ended = world.loop.time()
                await asyncio.sleep(0.5)  # noqa: TID251  # virtual
                continue
            except GoFlowError as refusal:
                said.outcome, said.code = "refused", refusal.reason
            else:
                said.outcome, said.is_duplicate = "ok", answer == "duplicate"
            said.ended = world.loop.time()
            return


class Wire:
    """``ports.Transport`` of one process."""

    def __init__(self, services: Services, node: Node) -> None:
        self._services = services
        self._node = node

    async def send(self, request: Request) -> Reply:
        """Carry a request there and its reply back, within its time."""
        loop = asyncio.get_running_loop()
        reply: asyncio.Future[Reply] = loop.create_future()
        if self._node.host.dead:
            return await reply  # never: a dead process sends nothing
        self._services.post(request, reply, self._node.host.name)
        try:
            async with asyncio.timeout(request.timeout_seconds):
                return await reply
        except TimeoutError:
            return Unreachable(code="timeout", message="no whole answer in time")

    async def close(self) -> None:
        """Nothing is open."""


def _answer(future: "asyncio.Future[Reply]", reply: Reply) -> None:
    if not future.done():
        future.set_result(reply)
