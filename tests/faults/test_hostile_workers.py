"""A worker does what it likes: the call ends in time, the history says exactly how, no memory goes.

Every case goes through the engine and the real transport: an execution calls the hostile worker,
then an honest one of the next priority.
"""

import asyncio
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goflow_py.clock import SystemClock
from goflow_py.domain.event import Control
from goflow_py.domain.execution import Execution
from goflow_py.engine.auditor import verify
from goflow_py.engine.callbacks import CallbackBody
from goflow_py.engine.orchestrator import EngineOptions, Orchestrator
from goflow_py.engine.requests import StartRequest
from goflow_py.engine.verdict import judge
from goflow_py.errors import Conflict
from goflow_py.ports import Answered
from goflow_py.store.memory import MemoryStore
from goflow_py.transport.addresses import AddressPolicy
from goflow_py.transport.http import HttpTransport
from tests.faults.hostile_workers import (
    BOMBS,
    BROKEN,
    MEANT,
    OK,
    RETRY_AFTERS,
    SOUND,
    WHOLE,
    Script,
    Worker,
    json,
    refusal,
)

START = {"current": "init", "event": "start", "next": "work"}
SHORT_SECONDS = 0.5
LONG_SECONDS = 15.0
LATE_MS_MAX = 1_000
"""What is promised is 100 ms; the rest is for a machine that has other things to do."""
END_SECONDS = 40.0
LOOK_SECONDS = 0.01
GROWTH_MIB_MAX = 16
HONEST = json(b'"fine"')

Hire = Callable[..., Awaitable[Worker]]


class Server:
    """The engine with a memory for a store, and the transport of the product."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.transport = HttpTransport(AddressPolicy(private=True), tls=tls)
        self.store = MemoryStore()
        self.it = Orchestrator(
            store=self.store,
            transport=self.transport,
            clock=SystemClock(),
            options=EngineOptions(token_key=b"k" * 32, public_url="http://goflow"),
        )

    async def run(self, activity: str, *workers: dict[str, Any], **action: Any) -> Execution:
        """Start an execution whose only work is done by *workers*."""
        document = {
            "project": "p",
            "activity": activity,
            "states": [{"name": "work", "on": {"success": "done"}}],
            "actions": [{"name": "work", **action}],
            "transitions": [START],
            "workers": [
                {"name": "work", "retry": {"interval": 0}, "responseTimeout": LONG_SECONDS, **one}
                for one in workers
            ],
        }
        await self.it.uploads.upload(orjson.dumps(document))
        return (await self.it.executions.start("p", activity, StartRequest())).execution

    async def end_of(self, execution: Execution) -> Execution:
        ended = await self.it.owner.memory.wait_end(execution.id, END_SECONDS)
        assert ended.ended, "it has not ended"
        return ended

    async def entries(self, execution: Execution, kind: str) -> list[dict[str, Any]]:
        found, _ = await self.it.tracking.history(execution, after=-1, limit=10_000)
        return [entry for entry in found if entry["type"] == kind]

    async def entries_once(self, execution: Execution, kind: str) -> list[dict[str, Any]]:
        """Return the entries as soon as there are some."""
        async with asyncio.timeout(END_SECONDS):
            while not (found := await self.entries(execution, kind)):  # noqa: ASYNC110  # no event
                await asyncio.sleep(LOOK_SECONDS)
        return found

    async def attempts(self, execution: Execution) -> list[tuple[str, str, int | None, str | None]]:
        """Return worker, outcome, status and code of every attempt that ended."""
        return [
            (one["worker"], one["outcome"], one["httpStatus"], one.get("error", {}).get("code"))
            for one in await self.entries(execution, "attemptEnded")
        ]


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    found = Server()
    await found.it.start()
    yield found
    assert (await verify(found.store)).breaches == []
    await found.it.stop()
    await found.transport.close()


@pytest.fixture
async def hire() -> AsyncIterator[Hire]:
    hired: list[Worker] = []

    async def one(
        answer: bytes | Script = b"", *, whole: bool = False, tls: ssl.SSLContext | None = None
    ) -> Worker:
        worker = Worker()
        worker.answer, worker.whole = answer, whole
        await worker.open(tls)
        hired.append(worker)
        return worker

    yield one
    for worker in hired:
        await worker.close()


def first(worker: Worker, **more: Any) -> dict[str, Any]:
    """Return the worker as the one that is asked first, twice if need be."""
    return {"workerEndpoint": worker.url, "priority": 1, "retryCount": 1, **more}


def second(worker: Worker) -> dict[str, Any]:
    """Return the worker as the one that is asked when the first is exhausted."""
    return {"workerEndpoint": worker.url, "priority": 2}


# ---------------------------------------------------------------- every case, alone and together

Expected = tuple[bytes | Script, str, int | None, int]
"""What is sent; the code, the status, and the attempts of two that the history has to have."""

EVERY: dict[str, Expected] = {
    **{
        # A whole answer that a transport refuses is no matter of trying again.
        name: (answer, code, status, 2 if code in ("timeout", "unreachable") else 1)
        for name, (answer, code, status) in BROKEN.items()
    },
    **MEANT,
}
DEFINITE = {name for name, (_, _, status, n) in MEANT.items() if status // 100 == 4 and n == 1}
DEFINITE.add("an error that is chosen")


def _seconds(code: str) -> float:
    return SHORT_SECONDS if code == "timeout" else LONG_SECONDS


def _wanted(name: str, hostile: Worker, honest: Worker) -> list[tuple[Any, ...]]:
    _, code, status, times = EVERY[name]
    outcome = "timeout" if code == "timeout" else "error"
    attempts: list[tuple[Any, ...]] = [(hostile.url, outcome, status, code)] * times
    return attempts if name in DEFINITE else [*attempts, (honest.url, "success", 200, None)]


@pytest.mark.parametrize("name", EVERY)
async def test_a_hostile_worker_is_recorded_exactly_and_the_next_one_does_the_work(
    server: Server, hire: Hire, name: str, request: pytest.FixtureRequest
) -> None:
    answer, code, _, times = EVERY[name]
    hostile, honest = await hire(answer), await hire(HONEST)
    asked = first(hostile, responseTimeout=_seconds(code))
    execution = await server.run("a", asked, second(honest))
    ended = await server.end_of(execution)
    assert await server.attempts(execution) == _wanted(name, hostile, honest)
    assert ended.status == ("failed" if name in DEFINITE else "completed")
    assert len(hostile.requests) == times, "nothing is sent again but by a recorded attempt"
    assert len(set(map(_idempotency_key, hostile.requests + honest.requests))) == 1
    late = [
        one["ms"] - _seconds(code) * 1000 for one in await server.entries(execution, "attemptEnded")
    ]
    request.node.user_properties.append(("late_ms", max(late)))
    assert max(late) < LATE_MS_MAX


def _idempotency_key(request: bytes) -> str:
    lines = request.decode("latin-1").lower().split("\r\n")
    (found,) = [line for line in lines if line.startswith("idempotency-key:")]
    return found


async def test_all_of_them_at_once_leave_the_honest_ones_alone(server: Server, hire: Hire) -> None:
    honest = await hire(HONEST, whole=True)
    running = {}
    for number, (name, (answer, code, _, _)) in enumerate(EVERY.items()):
        hostile = await hire(answer)
        seconds = 1.0 if code == "timeout" else LONG_SECONDS
        asked = first(hostile, responseTimeout=seconds, retryCount=0)
        running[name] = (hostile, await server.run(f"a{number}", asked))
    good = [await server.run("good", {"workerEndpoint": honest.url}) for _ in range(20)]
    assert {(await server.end_of(one)).status for one in good} == {"completed"}
    for name, (hostile, execution) in running.items():
        assert (await server.end_of(execution)).status == "failed", name
        wanted = _wanted(name, hostile, honest)[0]
        assert await server.attempts(execution) == [wanted], name


@pytest.mark.parametrize("name", SOUND)
async def test_an_odd_answer_that_is_right_is_taken(server: Server, hire: Hire, name: str) -> None:
    answer, output = SOUND[name]
    worker = await hire(answer)
    execution = await server.run("a", first(worker))
    assert (await server.end_of(execution)).status == "completed"
    (ended,) = await server.entries(execution, "taskEnded")
    assert output is None or ended.get("output") == output


@given(
    status=st.integers(0, 999),
    body=st.binary(max_size=60),
    headers=st.dictionaries(
        st.sampled_from(["retry-after", "content-type", "goflow-event"]),
        st.text(st.characters(max_codepoint=255), max_size=30),
    ),
    kind=st.sampled_from(["sync", "async", "emit"]),
)
def test_no_answer_makes_the_engine_stumble(
    status: int, body: bytes, headers: dict[str, str], kind: str
) -> None:
    reply = Answered(status=status, headers=headers, body=body)
    verdict = judge(reply, kind=kind, raw=False, now_ms=0)
    assert orjson.loads(orjson.dumps(verdict)) is not None


# ---------------------------------------------------------------- memory


def _memory_mib(field: str) -> float:
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    (found,) = [line for line in lines if line.startswith(f"{field}:")]
    return int(found.split()[1]) / 1024


def _forget_the_peak() -> None:
    try:
        Path("/proc/self/clear_refs").write_text("5", "ascii")
    except OSError:
        pytest.skip("needs /proc/self/clear_refs, which forgets the peak of memory")


@pytest.mark.parametrize("name", BOMBS)
async def test_a_bomb_takes_no_memory(
    server: Server, hire: Hire, name: str, request: pytest.FixtureRequest
) -> None:
    answer, code = BOMBS[name]
    warm, bomb = await hire(HONEST), await hire(answer)
    await server.end_of(await server.run("warm", first(warm)))
    _forget_the_peak()
    before = _memory_mib("VmRSS")
    execution = await server.run("bomb", first(bomb, retryCount=0))
    assert (await server.end_of(execution)).status == "failed"
    growth = _memory_mib("VmHWM") - before
    request.node.user_properties.append(("growth_mib", growth))
    assert growth < GROWTH_MIB_MAX
    assert [one[3] for one in await server.attempts(execution)] == [code]
    (ended,) = await server.entries(execution, "attemptEnded")
    assert len(orjson.dumps(ended)) < 16 * 1024, "what is kept of an answer is short"


async def test_a_long_header_is_not_kept_whole(server: Server, hire: Hire) -> None:
    worker = await hire(refusal(b"500 Oh", b"Content-Type: " + b"x" * 30_000))
    execution = await server.run("a", first(worker, retryCount=0))
    await server.end_of(execution)
    (ended,) = await server.entries(execution, "attemptEnded")
    assert len(ended["response"]["headers"]["content-type"]) == 1_024


# ---------------------------------------------------------------- connections that are none


async def test_who_refuses_the_connection_is_unreachable(server: Server, hire: Hire) -> None:
    honest = await hire(HONEST)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        execution = await server.run("a", {"workerEndpoint": url, "retryCount": 1}, second(honest))
        assert (await server.end_of(execution)).status == "completed"
    assert [one[:3] for one in await server.attempts(execution)] == [
        (url, "error", None),
        (url, "error", None),
        (honest.url, "success", 200),
    ]


async def test_a_name_without_an_address_is_unreachable(server: Server) -> None:
    url = "http://no-such-host.invalid/"
    execution = await server.run("a", {"workerEndpoint": url})
    assert (await server.end_of(execution)).status == "failed"
    assert await server.attempts(execution) == [(url, "error", None, "unreachable")]


@pytest.mark.parametrize("fillers", [0, 8], ids=["never accepts", "drops every packet"])
async def test_a_black_hole_costs_one_timeout(server: Server, fillers: int) -> None:
    hole = socket.create_server(("127.0.0.1", 0), backlog=0)
    others = [socket.socket() for _ in range(fillers)]
    for other in others:
        other.setblocking(False)
        other.connect_ex(hole.getsockname())
    url = f"http://127.0.0.1:{hole.getsockname()[1]}/"
    execution = await server.run("a", {"workerEndpoint": url, "responseTimeout": SHORT_SECONDS})
    assert (await server.end_of(execution)).status == "failed"
    assert await server.attempts(execution) == [(url, "timeout", None, "timeout")]
    (ended,) = await server.entries(execution, "attemptEnded")
    assert ended["ms"] < SHORT_SECONDS * 1000 + LATE_MS_MAX
    for opened in (hole, *others):
        opened.close()


async def test_a_connection_that_ends_as_it_is_used_again_costs_one_recorded_attempt(
    server: Server, hire: Hire
) -> None:
    worker = await hire()

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HONEST)
        if worker.connections == 1:  # the second call is read, and its connection ends
            worker.requests.append(await reader.readuntil(b"\r\n\r\n"))

    worker.answer = once
    await server.end_of(await server.run("a", first(worker)))
    execution = await server.run("a", first(worker))
    assert (await server.end_of(execution)).status == "completed"
    assert await server.attempts(execution) == [
        (worker.url, "error", None, "unreachable"),
        (worker.url, "success", 200, None),
    ]
    assert _idempotency_key(worker.requests[1]) == _idempotency_key(worker.requests[2])


# ---------------------------------------------------------------- TLS

EXPIRED = ("-startdate", "20200101000000Z", "-enddate", "20200102000000Z")
VALID = ("-startdate", "20200101000000Z", "-enddate", "20491231000000Z")
AUTHORITY = """
[ca]
default_ca = it
[it]
database = index
new_certs_dir = .
rand_serial = yes
default_md = sha256
policy = any
copy_extensions = copy
unique_subject = no
[any]
commonName = supplied
"""


@pytest.fixture(scope="session")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Make certificates; each signs itself, so that trusting one trusts no other."""
    folder = tmp_path_factory.mktemp("tls")
    (folder / "ca.cnf").write_text(AUTHORITY, "ascii")
    (folder / "index").touch()

    def openssl(*arguments: str) -> None:
        try:
            subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)
        except FileNotFoundError:
            pytest.skip("needs openssl")

    def make(name: str, host: str, dates: tuple[str, ...]) -> Path:
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        subject = ["-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}"]
        openssl("req", *curve, *subject, "-keyout", f"{name}.key", "-out", f"{name}.csr")
        key = ["-keyfile", f"{name}.key", "-in", f"{name}.csr", "-out", f"{name}.pem"]
        openssl("ca", "-config", "ca.cnf", "-selfsign", "-batch", "-notext", *dates, *key)
        return folder / f"{name}.pem"

    return make


@pytest.mark.parametrize(
    ("served", "trusted", "host", "says"),
    [
        (VALID, True, "localhost", None),
        (VALID, False, "localhost", "self-signed certificate"),
        (EXPIRED, True, "localhost", "expired"),
        (VALID, True, "127.0.0.1", "IP address mismatch"),
    ],
    ids=["valid", "self-signed", "expired", "another name"],
)
async def test_a_certificate_is_checked(
    hire: Hire,
    certified: Callable[..., Path],
    served: tuple[str, ...],
    trusted: bool,
    host: str,
    says: str | None,
) -> None:
    pem = certified("worker", "localhost", served)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem, pem.with_suffix(".key"))
    worker = await hire(HONEST, tls=context)
    server = Server(ssl.create_default_context(cafile=pem) if trusted else None)
    await server.it.start()
    url = f"https://{host}:{worker.port}/"
    execution = await server.run("a", {"workerEndpoint": url, "retryCount": 1})
    ended = await server.end_of(execution)
    attempts = await server.entries(execution, "attemptEnded")
    await server.it.stop()
    await server.transport.close()
    if says is None:
        assert ended.status == "completed"
        return
    assert ended.status == "failed"
    assert [one["error"]["code"] for one in attempts] == ["unreachable"] * 2
    assert says in attempts[0]["error"]["message"]
    assert worker.requests == [], "nothing is said before the certificate is checked"


async def test_plain_and_tls_do_not_meet(
    server: Server, hire: Hire, certified: Callable[..., Path]
) -> None:
    pem = certified("mixed", "localhost", VALID)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem, pem.with_suffix(".key"))
    plain, secure = await hire(HONEST), await hire(HONEST, tls=context)
    for url in (f"https://localhost:{plain.port}/", f"http://localhost:{secure.port}/"):
        short = {"workerEndpoint": url, "responseTimeout": 1}
        execution = await server.run("a", short)
        assert (await server.end_of(execution)).status == "failed"
        ((_, _, status, code),) = await server.attempts(execution)
        assert status is None
        assert code in ("unreachable", "timeout", "bad_response")
    assert plain.requests + secure.requests == []


# ---------------------------------------------------------------- late, and told when to come back


class Debtor:
    """An ``async`` worker that accepts its first call too late; it does each key's work once."""

    def __init__(self) -> None:
        self.tokens: list[str] = []
        self.effects: set[str] = set()
        self.late = asyncio.Event()

    def serve(self, worker: Worker) -> Script:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            request = worker.requests[-1]
            self.effects.add(_idempotency_key(request))
            body = orjson.loads(request.partition(b"\r\n\r\n")[2])
            self.tokens.append(body["callbackUrl"].rsplit("/", 1)[1])
            if body["attempt"] == 1:
                await reader.read()  # until the caller has given up
                self.late.set()
            writer.write(refusal(b"202 Accepted"))

        return answer


async def test_what_comes_after_the_timeout_is_recorded_and_changes_nothing(
    server: Server, hire: Hire
) -> None:
    worker, debtor = await hire(), Debtor()
    worker.answer = debtor.serve(worker)
    execution = await server.run("a", first(worker, responseTimeout=SHORT_SECONDS), type="async")
    await debtor.late.wait()
    await server.entries_once(execution, "attemptAccepted")
    callbacks, done = server.it.callbacks, CallbackBody(output=1)
    for _ in range(2):
        with pytest.raises(Conflict):
            await callbacks.complete(debtor.tokens[0], CallbackBody(output="late"))
    assert await callbacks.complete(debtor.tokens[1], done) == "applied"
    assert await callbacks.complete(debtor.tokens[1], done) == "duplicate"
    ended = await server.end_of(execution)
    assert ended.status == "completed"
    assert await server.attempts(execution) == [
        (worker.url, "timeout", None, "timeout"),
        (worker.url, "success", None, None),
    ]
    left = [one["from"] for one in await server.entries(execution, "transition")]
    assert left == ["init", "work"]
    assert len(await server.entries(execution, "lateIgnored")) == 1
    assert len(debtor.effects) == 1


async def test_an_answer_after_the_timeout_is_not_taken_for_that_of_the_next_attempt(
    server: Server, hire: Hire
) -> None:
    worker = await hire()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(worker.requests) == 1:
            await reader.read()  # until the caller has given up
        writer.write(json(b'"%d"' % len(worker.requests)))

    worker.answer = answer
    execution = await server.run("a", first(worker, responseTimeout=SHORT_SECONDS))
    assert (await server.end_of(execution)).status == "completed"
    assert [one[1] for one in await server.attempts(execution)] == ["timeout", "success"]
    (ended,) = await server.entries(execution, "taskEnded")
    assert ended["output"] == "2"
    assert len(set(map(_idempotency_key, worker.requests))) == 1


@pytest.mark.parametrize("status", [b"429 Much", b"503 Down"])
async def test_retry_after_is_a_pause_of_an_hour_at_most_whatever_it_says(
    server: Server, hire: Hire, status: bytes
) -> None:
    retry = {"interval": 10, "jitter": "none"}
    running = []
    for number, (text, seconds) in enumerate(RETRY_AFTERS.items()):
        worker = await hire(refusal(status, b"Retry-After: " + text))
        execution = await server.run(f"a{number}", first(worker, retry=retry))
        running.append((text, seconds or 10.0, execution))
    for text, seconds, execution in running:
        (ended,) = await server.entries_once(execution, "attemptEnded")
        begins, at = map(datetime.fromisoformat, (ended["notBefore"], ended["at"]))
        assert abs((begins - at).total_seconds() - seconds) < LATE_MS_MAX / 1000, text
        await server.it.executions.control(execution.id, Control(verb="cancel", arguments={}))


async def test_a_cookie_stays_with_nobody(server: Server, hire: Hire) -> None:
    giver = await hire(OK + b"Set-Cookie: a=b; Domain=127.0.0.1\r\n\r\n1", whole=False)
    taker = await hire(WHOLE.replace(b"hi", b"22"))
    for worker in (giver, giver, taker):
        execution = await server.run("a", {"workerEndpoint": worker.url})
        assert (await server.end_of(execution)).status == "completed"
    assert b"cookie" not in b"".join(giver.requests + taker.requests).lower()
