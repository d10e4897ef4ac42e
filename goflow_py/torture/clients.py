"""The simulated clients: they start, send, steer, read, poll and repeat what got no answer.

Each request is noted with its outcome as the client knows it: the judge asks for no more.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import orjson

from goflow_py.domain.event import Control, Outside
from goflow_py.engine.batch_documents import BatchRequest
from goflow_py.engine.early import EarlyEvent
from goflow_py.engine.forks import ForkRequest
from goflow_py.engine.orchestrator import Orchestrator
from goflow_py.engine.requests import Repeat, Started, StartRequest, digest_of
from goflow_py.engine.verdict import Definite, Failure, Success
from goflow_py.errors import GoFlowError, Queued, Unavailable
from goflow_py.ports import LimitsRow, TaskFilter
from goflow_py.torture.notes import Kind, Operation
from goflow_py.torture.scenarios import (
    ACTIVITIES,
    ALL,
    NEXT_VERSIONS,
    PROJECT,
    QUEUES,
    input_of,
)
from goflow_py.torture.world import Disconnected, World

T = TypeVar("T")

PAUSE_SECONDS = 1.2
AGAIN_SECONDS = 0.4
LOOK_SECONDS = 0.2
TRIES_MAX = 60
POLL_SECONDS = 5.0
KEPT_MS = 60_000
VERBS = ("pause", "resume", "cancel", "retry", "skip", "terminate", "goto", "replay", "data")


class Client:
    """One client: a loop of random requests."""

    def __init__(self, world: World, number: int) -> None:
        self._world = world
        self._chance = world.chance
        self.name = f"client-{number}"
        self._count = 0
        self.is_careful = False
        """What it takes off a queue, it ends well."""
        self._known: list[str] = []
        """Executions that it knows of."""
        self._states = {
            document["activity"]: [
                state if isinstance(state, str) else state["name"] for state in document["states"]
            ]
            for document in ALL
        }

    async def run(self) -> None:
        """Ask until the faults are over."""
        doings: list[tuple[int, Callable[[], Awaitable[None]]]] = [
            (30, self._start),
            (16, self._send),
            (14, self._steer),
            (12, self._read),
            (14, self._pull),
            (8, self._sign),
            (2, self._upload),
            (2, self._batch),
            (2, self._fork),
            (4, self._keep),
        ]
        if self._world.notes.limits.forgets:
            doings.append((6, self._delete))
        doers = [do for weight, do in doings for _ in range(weight)]
        while not self._world.healed:
            await self._pause(PAUSE_SECONDS)
            await doers[self._chance.randrange(len(doers))]()

    async def work(self) -> None:
        """Take what stands on the queues, for ever: so that all can end after the faults."""
        while True:
            await self._pause(PAUSE_SECONDS)
            await self._pull()
            await self._sign()

    async def look(self, others: Sequence["Client"]) -> None:
        """Read what *others* know of until the faults are over, and wait for no answer before."""
        looks = set[asyncio.Task[None]]()
        while not self._world.healed:
            await self._pause(LOOK_SECONDS)
            self._known = others[self._chance.randrange(len(others))]._known
            look = asyncio.ensure_future(self._read())
            looks.add(look)
            look.add_done_callback(looks.discard)
        await asyncio.gather(*looks)

    # ------------------------------------------------------------ requests

    async def _start(self) -> None:
        activity = ACTIVITIES[self._chance.randrange(len(ACTIVITIES))]
        key = f"key-{self._number()}" if self._chance.random() < 0.5 else None
        delay = 2.0 if self._chance.random() < 0.1 else 0.0
        await self.begin(
            activity, key=key, delay=delay, times=2 if self._chance.random() < 0.1 else 1
        )

    def _number(self) -> int:
        """Return a number that no other start of any client has."""
        return (self._count + 1) * 10 + int(self.name[-1])

    async def begin(
        self, activity: str, *, key: str | None = None, delay: float = 0.0, times: int = 1
    ) -> str | None:
        """Start an execution, the same one by several requests at once; return its id."""
        value = input_of(self._number())
        self._count += 1
        once = f"{self.name}/{self._count}"
        digest = digest_of(orjson.dumps([activity, value]))
        repeat = Repeat(key=once, scope=f"POST {activity}", digest=digest)
        request = StartRequest(input=value, key=key, delay_seconds=delay, repeat=repeat)

        async def start(engine: Orchestrator) -> Started:
            if engine.draining:
                raise Unavailable("the server is about to end", code="draining")
            return await engine.executions.start(PROJECT, activity, request)

        async def ask() -> Started | None:
            said = self._say("start", activity=activity, key=once, input=value, has_input=True)
            return await self._repeat(said, start)

        answers = await asyncio.gather(*(ask() for _ in range(times)))
        found = [answer.execution.id for answer in answers if answer is not None]
        self._known += found
        return found[0] if found else None

    async def _send(self) -> None:
        await self.tell(self._one(), ("go", "go", "stop", "note")[self._chance.randrange(4)])

    async def tell(self, execution: str | None, name: str) -> None:
        """Send an event, until there is an answer."""
        if execution is None:
            return
        self._count += 1
        event = Outside(name=name, data={"n": self._count}, id=f"{self.name}-{self._count}")
        said = self._say("event", execution=execution, key=event.id, name=name)
        await self._repeat(said, lambda engine: engine.executions.send(execution, event))

    async def _steer(self) -> None:
        execution = self._one()
        if execution is None:
            return
        self._count += 1
        verb = VERBS[self._chance.randrange(len(VERBS))]
        states = self._states[ACTIVITIES[self._chance.randrange(len(ACTIVITIES))]]
        state = states[self._chance.randrange(len(states))]
        command = Control(
            verb=verb, arguments={"state": state, "from": state, "patch": {"rounds": 0}}
        )
        repeat = Repeat(
            key=f"{self.name}/{self._count}", scope=f"POST {execution}:{verb}", digest=verb
        )
        said = self._say("verb", execution=execution, verb=verb, key=repeat.key)
        await self._repeat(
            said, lambda engine: engine.executions.control(execution, command, repeat=repeat)
        )

    async def _read(self) -> None:
        execution = self._one()
        if execution is None:
            return
        said = self._say("read", execution=execution)
        await self._try(said, lambda engine: engine.owner.memory.read(execution))

    async def _pull(self) -> None:
        """Take work of a queue, and end it; or forget it, or end it twice."""

        async def poll(engine: Orchestrator) -> Any:
            return await engine.polls.poll(
                [QUEUES[0]], max_tasks=2, wait_seconds=POLL_SECONDS, worker=self.name
            )

        for claimed in await self._try(None, poll) or ():
            await self._finish(claimed)

    async def _sign(self) -> None:
        """Do as a person does: look at the inbox, claim something, complete it."""

        async def inbox(engine: Orchestrator) -> Any:
            which = TaskFilter(queue=QUEUES[1], status="queued")
            return await engine.claims.inbox(which, limit=20, cursor=None)

        page = await self._try(None, inbox)
        if page is None or not page.items:
            return
        item = page.items[self._chance.randrange(len(page.items))]
        claimed = await self._try(None, lambda engine: engine.claims.claim(item["id"], self.name))
        if claimed is not None:
            await self._finish(claimed)

    async def _finish(self, claimed: Any) -> None:
        if self._world.roll("claim forgotten"):
            return
        await self._pause(PAUSE_SECONDS)
        dice = 1.0 if self._world.healed or self.is_careful else self._chance.random()
        verdict: Success | Failure | Definite = Success(output={"by": self.name})
        if dice < 0.1:
            verdict = Failure(code="broken", message="try again")
        elif dice < 0.15:
            verdict = Definite(code="no", message="not to be done")
        payload = claimed.payload
        for _ in range(2 if self._world.roll("completed twice") else 1):
            said = self._say(
                "complete",
                execution=payload["executionId"],
                task=payload["task"],
                visit=payload["visit"],
                attempt=payload["attempt"],
                key=claimed.token[-16:],
            )
            await self._repeat(
                said, lambda engine: engine.claims.end(claimed.id, claimed.token, verdict)
            )

    async def _upload(self) -> None:
        """Upload a blueprint again, with another description: a new version."""
        self._count += 1
        document = {
            **NEXT_VERSIONS[self._chance.randrange(len(NEXT_VERSIONS))],
            "description": f"{self.name}, number {self._count}",
        }
        body = orjson.dumps(document)
        said = self._say("upload", activity=document["activity"])
        found = await self._try(said, lambda engine: engine.uploads.upload(body))
        if found is not None:
            said.revision, said.code = found.version, found.hash

    async def _batch(self) -> None:
        ids = [self._one(), self._one(), self._one()]
        verb = ("pause", "resume", "retry")[self._chance.randrange(3)]
        request = BatchRequest(
            action=verb, project=PROJECT, ids=tuple(dict.fromkeys(one for one in ids if one))
        )
        if request.ids:
            # Whom it reached, and whether it did: the judge knows of "somebody" only.
            said = self._say("verb", verb=verb)
            await self._try(said, lambda engine: engine.batches.create(request))

    async def _fork(self) -> None:
        execution = self._one()
        if execution is None:
            return
        request = ForkRequest(at=self._chance.randrange(12))
        said = self._say("verb", execution=execution, verb="fork")
        await self._try(said, lambda engine: engine.forks.fork(execution, request))

    async def _keep(self) -> None:
        """Send an event by business key, for whoever accepts it one day."""
        self._count += 1
        number = self._chance.randrange(1, self._count + 5) * 10 + int(self.name[-1])
        once = f"{self.name}-{self._count}"

        async def keep(engine: Orchestrator) -> None:
            await engine.early.keep(
                EarlyEvent(
                    project=PROJECT,
                    activity=None,
                    key=f"key-{number}",
                    event=Outside(name="go", data={"n": self._count}),
                    until=engine.clock.now_ms() + KEPT_MS,
                    once=once,
                )
            )

        await self._try(self._say("message", key=once, name="go"), keep)

    async def _delete(self) -> None:
        execution = self._one()
        if execution is not None:
            said = self._say("delete", execution=execution)
            await self._try(said, lambda engine: engine.executions.delete(execution))

    async def limit(self, *, running: int | None = None, calls: int | None = None) -> None:
        """Say how much the project may have; without numbers, as much as it wants."""
        row = LimitsRow(project=PROJECT, max_running=running, max_open_calls=calls)
        for _ in range(TRIES_MAX):
            try:
                await self._world.ask(lambda engine: engine.limits.put(row))
            except (Disconnected, TimeoutError, Unavailable):
                await self._pause(AGAIN_SECONDS)
            else:
                return

    async def resume(self, execution: str) -> None:
        """Let a paused execution go on, if it is reached."""
        command = Control(verb="resume")
        said = self._say("verb", execution=execution, verb="resume")
        await self._try(said, lambda engine: engine.executions.control(execution, command))

    # ------------------------------------------------------------ asking

    def _one(self) -> str | None:
        """Return an execution that it knows, mostly a young one."""
        if not self._known:
            return None
        place = min(int(self._chance.expovariate(0.3)), len(self._known) - 1)
        return self._known[-1 - place]

    def _say(self, kind: Kind, **fields: Any) -> Operation:
        said = Operation(
            client=self.name, kind=kind, begun=self._world.loop.time(), project=PROJECT, **fields
        )
        self._world.notes.operations.append(said)
        return said

    async def _repeat(
        self, said: Operation, make: Callable[[Orchestrator], Awaitable[T]]
    ) -> T | None:
        """Ask until there is an answer: each try is noted."""
        for number in range(TRIES_MAX):
            if number:
                await self._pause(AGAIN_SECONDS)
                fields = {
                    name: getattr(said, name)
                    for name in ("activity", "execution", "key", "name", "verb", "task", "visit")
                }
                fields |= {"attempt": said.attempt, "input": said.input}
                said = self._say(said.kind, has_input=said.has_input, **fields)
            found = await self._try(said, make)
            if said.outcome != "unknown":
                return found
        return None

    async def _try(
        self, said: Operation | None, make: Callable[[Orchestrator], Awaitable[T]]
    ) -> T | None:
        try:
            found = await self._world.ask(make)
        except (Disconnected, TimeoutError, Unavailable) as unknown:
            if said is not None:
                said.ended = self._world.loop.time()
                said.code = type(unknown).__name__
                if isinstance(unknown, Queued) and said.kind == "event" and said.may:
                    said.outcome = "ok"  # that is a 202: it is taken, or ignored with a reason
            return None
        except GoFlowError as refusal:
            if said is not None:
                said.ended = self._world.loop.time()
                said.outcome, said.code, said.status = "refused", refusal.reason, refusal.status
            return None
        except Exception as error:  # noqa: BLE001  # over HTTP it is a 500
            self._world.engine_errors.append(f"a request was answered with {error!r}")
            if said is not None:
                said.ended = self._world.loop.time()
            return None
        if said is not None:
            said.ended = self._world.loop.time()
            said.outcome = "ok"
            _note_answer(said, found)
        return found

    async def _pause(self, seconds: float) -> None:
        await asyncio.sleep(self._chance.random() * seconds)  # noqa: TID251  # virtual


def _note_answer(said: Operation, found: Any) -> None:
    """Keep what the answer says of the execution."""
    if said.kind == "complete":
        said.is_duplicate = found == "duplicate"
        return
    if said.kind == "upload":
        return
    if found is None or said.verb == "fork" or (said.execution is None and said.kind == "verb"):
        return  # it tells of others
    execution = found[0] if isinstance(found, tuple) else getattr(found, "execution", found)
    said.execution = execution.id
    said.revision = execution.seq
    replayed = found[1] if isinstance(found, tuple) else getattr(found, "replayed", False)
    said.is_duplicate = bool(replayed)
