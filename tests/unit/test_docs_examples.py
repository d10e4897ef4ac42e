"""The guide is run: its blueprints are uploaded, its plays are played by the real engine.

A play is a fenced block ``text`` that begins with ``start``. It belongs to the blueprints above it
in its section. Each line does something or says what has to have happened; calls are in the order
in which the workers get them. A play that leaves out a call, an answer or an end fails.

| line | means |
|---|---|
| ``start [ACTIVITY] INPUT`` | an execution starts, of the blueprint above by default |
| ``call ACTION INPUT [answers ANSWER]`` | the next call is this one |
| ``answer ACTION ANSWER`` | a call that was seen is answered |
| ``callback ACTION BODY`` | the outcome of an ``async`` call that was accepted with 202 |
| ``told URL TYPE`` | the next call is a CloudEvent |
| ``send EVENT [DATA] [to TASK] [gets JSON / is kept / is refused]`` | an event from outside |
| ``poll QUEUE as WHO gets INPUT``, ``claim QUEUE as WHO gets INPUT`` | queued work is taken |
| ``complete QUEUE ANSWER``, ``fail QUEUE CODE [again]`` | and ended |
| ``after DURATION`` | time passes |
| ``retry``, ``cancel``, ``pause``, ``resume``, ``skip [OUTPUT]``, ``replay STATE`` | the verbs |
| ``patch DATA`` | variables are changed by hand |
| ``state NAME [STATUS]``, ``awaits EVENT ...``, ``look at ACTIVITY`` | where it is |
| ``ends STATUS [OUTPUT or CODE]`` | how it ended |
| ``warns ACTIVITY CODE ...`` | what the upload of one of the blueprints warns of |

An ``ANSWER`` is JSON, a status with or without a body, ``event LABEL`` with or without one,
or ``nothing``.
"""

import asyncio
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest

from goflow_py.domain import durations
from goflow_py.domain.event import Control, Outside
from goflow_py.domain.execution import Execution
from goflow_py.engine.auditor import verify
from goflow_py.engine.callbacks import CallbackBody
from goflow_py.engine.orchestrator import EngineOptions, Orchestrator
from goflow_py.engine.outcomes import refused
from goflow_py.engine.requests import StartRequest
from goflow_py.engine.submissions import Syntax, read_documents
from goflow_py.engine.verdict import Success
from goflow_py.errors import EventNotAccepted
from goflow_py.fsm.check import check
from goflow_py.ports import Reply, Request, TaskFilter
from goflow_py.ports.scripts import Broken, Done, ScriptOutcome
from goflow_py.store.memory import MemoryStore
from goflow_py.testing import FakeClock, answer

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs/guide.md"
PAGES = (GUIDE, ROOT / "docs/language.md", ROOT / "README.md")
FENCE = re.compile(r"^```(json|yaml|text)\n(.*?)^```$|^## ([^\n]+)$", re.MULTILINE | re.DOTALL)
WARNS = "warns "
SETTLING_TURNS = 5
LEASE_SECONDS = 30 * 86_400.0
"""Of the node: a play of days would else be spent with its heartbeats."""
VERBS = frozenset({"retry", "cancel", "pause", "resume", "skip", "replay", "patch"})


# ---------------------------------------------------------------- what a page has


@dataclass(frozen=True)
class Document:
    syntax: Syntax
    text: str


@dataclass(frozen=True)
class Script:
    """A play, and the blueprints that it plays."""

    title: str
    documents: tuple[Document, ...]
    lines: tuple[str, ...]


def documents_of(page: Path) -> list[Document]:
    """Return the blueprints of a page."""
    return [document for document, _ in _sections(page) if document is not None]


def scripts_of(page: Path) -> list[Script]:
    """Return the plays of a page."""
    return [script for _, script in _sections(page) if script is not None]


def _sections(page: Path) -> list[tuple[Document | None, Script | None]]:
    title = ""
    found: list[tuple[Document | None, Script | None]] = []
    documents: list[Document] = []
    is_played = False
    for kind, text, heading in FENCE.findall(page.read_text("utf-8")):
        if heading:
            title, documents, is_played = heading, [], False
        elif kind == "text" and text.startswith(("start ", WARNS)):
            found.append((None, Script(title, tuple(documents), tuple(text.splitlines()))))
            is_played = True
        elif kind == "yaml" or (kind == "json" and "states" in json.loads(text)):
            if is_played:
                documents, is_played = [], False
            documents.append(Document("yaml" if kind == "yaml" else "json", text))
            found.append((documents[-1], None))
    return found


# ---------------------------------------------------------------- the stage


@dataclass
class Call:
    """A call that reached a worker."""

    action: str
    body: dict[str, Any]
    url: str
    reply: asyncio.Future[Reply]
    seen: bool = False


class Workers:
    """A transport whose calls are answered one by one, when the play says so."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    async def send(self, request: Request) -> Reply:
        body = orjson.loads(request.body)
        reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        action = body["type"] if "specversion" in body else body["action"]
        self.calls.append(Call(action=action, body=body, url=request.url, reply=reply))
        return await reply

    async def close(self) -> None:
        """Nothing is open."""


class Scripts:
    """Evaluates scripts by the sandbox's own code, in this process."""

    async def run(
        self, script: str, document: dict[str, Any], *, timeout_seconds: float
    ) -> ScriptOutcome:
        child = pytest.importorskip("goflow_py.scripting.child")
        source = Path(child.__file__).with_name("sandbox.js").read_text("utf-8")
        call = {"script": script, "document": document, "nowMs": 0, "seed": [1, 2, 3, 4]}
        kind, said = child.evaluate(*child.prepared(source), json.dumps(call))
        if kind == child.DONE:
            return Done(output=json.loads(said))
        return Broken(message=json.loads(said))

    async def close(self) -> None:
        """Nothing is open."""


@dataclass
class Stage:
    """The engine, and what the play knows of it."""

    clock: FakeClock = field(default_factory=FakeClock)
    store: MemoryStore = field(default_factory=MemoryStore)
    workers: Workers = field(default_factory=Workers)
    executions: dict[str, str] = field(default_factory=dict)
    claimed: dict[str, tuple[str, str]] = field(default_factory=dict)
    activity: str = ""
    has_ended: bool = False

    def __post_init__(self) -> None:
        self.engine = Orchestrator(
            store=self.store,
            transport=self.workers,
            clock=self.clock,
            options=EngineOptions(
                token_key=b"k" * 32, fallback_url="http://mock", lease_seconds=LEASE_SECONDS
            ),
            scripts=Scripts(),
        )

    @property
    def id(self) -> str:
        return self.executions[self.activity]

    async def now(self) -> Execution:
        return await self.engine.owner.memory.read(self.id)

    async def settle(self) -> None:
        for _ in range(SETTLING_TURNS):
            await self.clock.advance(0)


class Line:
    """One line of a play, read word by word."""

    def __init__(self, text: str) -> None:
        self.text = text.strip()
        self._rest = self.text

    def word(self) -> str:
        word, _, self._rest = self._rest.partition(" ")
        self._rest = self._rest.strip()
        return word

    def takes(self, words: str) -> bool:
        if self._rest != words and not self._rest.startswith(f"{words} "):
            return False
        self._rest = self._rest[len(words) :].strip()
        return True

    @property
    def has_value(self) -> bool:
        return bool(re.match(r'[\[{"0-9-]|true\b|false\b|null\b', self._rest))

    @property
    def is_over(self) -> bool:
        return not self._rest

    def value(self) -> Any:
        found, end = json.JSONDecoder().raw_decode(self._rest)
        self._rest = self._rest[end:].strip()
        return found

    def optional(self) -> Any:
        return self.value() if self.has_value else None

    def reply(self) -> Reply:
        """Return the answer of a worker."""
        if self.takes("nothing"):
            return answer(status=204)
        if self.takes("event"):
            label = self.word()
            return answer({"event": label, "output": self.optional()})
        if match := re.match(r"([2-5][0-9]{2})\b ?", self._rest):
            self._rest = self._rest[match.end() :]
            kind = {"content-type": "application/problem+json"} if match[1] >= "4" else {}
            return answer(self.optional(), status=int(match[1]), **kind)
        return answer(self.value())


# ---------------------------------------------------------------- the play


class Play:
    """Plays a script on a stage."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.stage = Stage()

    async def run(self) -> None:
        await self.stage.engine.start()
        try:
            for document in self.script.documents:
                await self._upload(document)
            for text in self.script.lines:
                line = Line(text)
                if line.text and not line.text.startswith(("#", WARNS)):
                    await self._play(line)
            await self._finish()
        finally:
            await self.stage.engine.stop()

    async def _upload(self, document: Document) -> None:
        done = await self.stage.engine.uploads.upload(
            document.text.encode(), syntax=document.syntax
        )
        self.stage.activity = f"{done.project}/{done.activity}"

    async def _play(self, line: Line) -> None:
        word = line.word()
        act = getattr(self, f"on_{word}", None)
        if word in VERBS:
            await self._control(word, line)
        else:
            assert act is not None, f"no line of a play begins so: {line.text}"
            await act(line)
        assert line.is_over, f"not understood to its end: {line.text}"
        await self.stage.settle()

    async def _finish(self) -> None:
        stage = self.stage
        unseen = [call.action for call in stage.workers.calls if not call.seen]
        assert unseen == [], "calls that the play does not show"
        assert stage.has_ended, "the play does not say how it ends"
        report = await verify(stage.store)
        assert report.breaches == []

    # ------------------------------------------------------------ what is done

    async def on_start(self, line: Line) -> None:
        if not line.has_value:
            self.stage.activity = line.word()
        project, _, activity = self.stage.activity.partition("/")
        request = StartRequest(input=line.value())
        done = await self.stage.engine.executions.start(project, activity, request)
        self.stage.executions[self.stage.activity] = done.execution.id
        self.stage.has_ended = False

    async def on_after(self, line: Line) -> None:
        await self.stage.clock.advance(durations.seconds(line.word()))

    async def on_send(self, line: Line) -> None:
        name, data = line.word(), line.optional()
        task = line.word() if line.takes("to") else None
        event = Outside(name=name, data=data, task=task)
        if line.takes("is refused"):
            with pytest.raises(EventNotAccepted):
                await self.stage.engine.executions.send(self.stage.id, event)
            return
        sent = await self.stage.engine.executions.send(self.stage.id, event)
        assert sent.applied == (not line.takes("is kept")), line.text
        if line.takes("gets"):
            assert sent.respond == line.value(), line.text

    async def _control(self, verb: str, line: Line) -> None:
        arguments: dict[str, Any] = {}
        if verb == "replay":
            arguments["from"] = line.word()
        elif verb == "skip":
            arguments["output"] = line.optional()
        elif verb == "patch":
            verb, arguments = "data", {"patch": line.value()}
        command = Control(verb=verb, arguments=arguments)
        await self.stage.engine.executions.control(self.stage.id, command)

    # ------------------------------------------------------------ workers

    async def on_call(self, line: Line) -> None:
        call = self._next(line)
        assert call.action == line.word(), line.text
        assert call.body["input"] == line.value(), line.text
        if line.takes("answers"):
            call.reply.set_result(line.reply())

    async def on_answer(self, line: Line) -> None:
        self._open(line.word()).reply.set_result(line.reply())

    async def on_callback(self, line: Line) -> None:
        action, body = line.word(), line.value()
        call = next(call for call in reversed(self.stage.workers.calls) if call.action == action)
        token = call.body["callbackUrl"].rsplit("/", 1)[1]
        await self.stage.engine.callbacks.complete(token, CallbackBody(**body))

    async def on_told(self, line: Line) -> None:
        call = self._next(line)
        assert (call.url, call.action) == (line.word(), line.word()), line.text
        call.reply.set_result(answer(status=204))

    def _next(self, line: Line) -> Call:
        call = next((call for call in self.stage.workers.calls if not call.seen), None)
        assert call is not None, f"nobody is called: {line.text}"
        call.seen = True
        return call

    def _open(self, action: str) -> Call:
        calls = self.stage.workers.calls
        return next(c for c in calls if c.action == action and c.seen and not c.reply.done())

    # ------------------------------------------------------------ queues

    async def on_poll(self, line: Line) -> None:
        queue, worker = self._who(line)
        found = await self.stage.engine.polls.poll(
            [queue], max_tasks=1, wait_seconds=0, worker=worker
        )
        assert len(found) == 1, f"nothing stands on the queue: {line.text}"
        self._take(queue, found[0], line)

    async def on_claim(self, line: Line) -> None:
        queue, worker = self._who(line)
        claims = self.stage.engine.claims
        inbox = await claims.inbox(TaskFilter(queue=queue, status="queued"), limit=1, cursor=None)
        assert inbox.items, f"the inbox is empty: {line.text}"
        self._take(queue, await claims.claim(inbox.items[0]["id"], worker), line)

    async def on_complete(self, line: Line) -> None:
        verdict = Success(output=None)
        queue = line.word()
        if line.takes("event"):
            verdict = Success(label=line.word(), output=line.optional())
        elif not line.is_over:
            verdict = Success(output=line.value())
        await self.stage.engine.claims.end(*self.stage.claimed.pop(queue), verdict)

    async def on_fail(self, line: Line) -> None:
        queue, code = line.word(), line.word()
        verdict = refused(code, "it failed", retry=line.takes("again"))
        await self.stage.engine.claims.end(*self.stage.claimed.pop(queue), verdict)

    def _who(self, line: Line) -> tuple[str, str]:
        queue = line.word()
        assert line.takes("as"), line.text
        return queue, line.word()

    def _take(self, queue: str, claimed: Any, line: Line) -> None:
        self.stage.claimed[queue] = (claimed.id, claimed.token)
        assert line.takes("gets"), line.text
        assert claimed.payload["input"] == line.value(), line.text

    # ------------------------------------------------------------ what has to have happened

    async def on_look(self, line: Line) -> None:
        assert line.takes("at"), line.text
        self.stage.activity = line.word()

    async def on_state(self, line: Line) -> None:
        now = await self.stage.now()
        assert now.state == line.word(), line.text
        assert line.is_over or now.status == line.word(), line.text

    async def on_awaits(self, line: Line) -> None:
        view = await self.stage.engine.tracking.view(await self.stage.now())
        expected = set()
        while not line.is_over:
            expected.add(line.word())
        assert {item["event"] for item in view["awaiting"]} == expected, line.text

    async def on_ends(self, line: Line) -> None:
        now = await self.stage.now()
        self.stage.has_ended = True
        assert now.status == line.word(), f"{line.text}: {now.status} {now.state} {now.error}"
        if line.has_value:
            assert now.output == line.value(), line.text
        elif not line.is_over:
            assert (now.error or {}).get("code") == line.word(), line.text


# ---------------------------------------------------------------- tests

DOCUMENTS = [
    pytest.param(document, id=f"{page.stem}-{number}")
    for page in PAGES
    for number, document in enumerate(documents_of(page), 1)
]
SCRIPTS = [
    pytest.param(script, id=f"{script.title}-{number}")
    for number, script in enumerate(scripts_of(GUIDE), 1)
]


def expected_warnings(document: Document, name: str) -> list[str]:
    """Return the codes that a play says the upload of its blueprint warns of."""
    return [
        code
        for script in scripts_of(GUIDE)
        if document in script.documents
        for line in script.lines
        if line.startswith(f"{WARNS}{name} ")
        for code in line.split()[2:]
    ]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_blueprint_that_is_shown_has_no_findings_that_the_text_does_not_name(
    document: Document,
) -> None:
    blueprint, workers, _ = read_documents(document.text.encode(), syntax=document.syntax)
    _, findings = check(
        blueprint,
        workers=workers or (),
        workers_in_body=workers is not None,
        is_resolved=lambda alias: True,
    )
    found = [finding.code for finding in findings if finding.severity != "info"]
    name = f"{blueprint.project}/{blueprint.activity}"
    assert sorted(found) == sorted(expected_warnings(document, name))


@pytest.mark.parametrize("script", SCRIPTS)
async def test_a_play_of_the_guide_ends_as_it_says(script: Script) -> None:
    await Play(script).run()


def test_every_blueprint_of_the_guide_is_played() -> None:
    played = {document for script in scripts_of(GUIDE) for document in script.documents}
    assert [one.text for one in documents_of(GUIDE) if one not in played] == []


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["start 1", "call greet 2 answers 3", "ends completed"], "call greet 2"),
        (["start 1", "ends running"], "calls that the play does not show"),
        (["start 1", "call greet 1 answers 3"], "does not say how it ends"),
        (["start 1", "call greet 1 answers 3", "ends completed 4"], "ends completed 4"),
        (["start 1", "call greet 1 answers 3", "ends failed"], "ends failed"),
        (["start 1", "call greet 1 and so on"], "not understood"),
    ],
)
async def test_a_play_that_says_what_does_not_happen_fails(lines: list[str], message: str) -> None:
    blueprint = {
        "project": "p",
        "activity": "a",
        "states": ["greet"],
        "transitions": [{"current": "init", "event": "start", "next": "greet"}],
        "workers": [{"name": "greet", "workerEndpoint": "w"}],
    }
    document = Document("json", json.dumps(blueprint))
    play = Play(Script("", (document,), tuple(lines)))
    with pytest.raises(AssertionError, match=message):
        await play.run()
