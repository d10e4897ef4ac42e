"""The judge of fault tests: true notes break no rule, each lie or loss breaks its own."""

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from goflow_py.domain.execution import decode, encode
from goflow_py.torture.judge import judge, judge_all
from goflow_py.torture.judge_store import Stored, story
from goflow_py.torture.judge_whole import counts, find_secrets, samples
from goflow_py.torture.notes import Fault, Notes, Operation, Scrape, Seen
from tests.unit.engine.histories import Entries, Made, entry
from tests.unit.engine.histories import made as make

ANSWERS = {200: "success", 202: "accepted", 422: "definite", 500: "failure"}


@pytest.fixture(scope="module")
def made() -> Made:
    return make()


@dataclasses.dataclass
class Run:
    """Notes and a store that can be changed."""

    made: Made
    notes: Notes
    stored: Stored

    def rules(self) -> set[str]:
        return {breach.rule for breach in judge(self.notes, self.stored)}

    def id(self, name: str) -> str:
        return self.made.names[name]

    def operation(self, kind: str, name: str, **fields: Any) -> Operation:
        return next(
            op
            for op in self.notes.operations
            if op.kind == kind
            and op.execution == self.id(name)
            and all(getattr(op, field) == value for field, value in fields.items())
        )

    def seen(self, name: str, number: int = 0) -> Seen:
        return [one for one in self.notes.seen if one.execution == self.id(name)][number]

    def change(self, name: str, change: Callable[[Entries], None]) -> None:
        """Change a history; its head fits it again."""
        history = self.made.history(name).changed(change)
        self.stored.heads[self.id(name)] = history.head
        self.stored.records[self.id(name)] = history.rows

    def forget(self, name: str) -> None:
        del self.stored.heads[self.id(name)]
        del self.stored.records[self.id(name)]


@pytest.fixture
def run(made: Made) -> Run:
    stored = dataclasses.replace(
        made.stored,
        heads={id_: decode(encode(head)) for id_, head in made.stored.heads.items()},
        records={id_: list(rows) for id_, rows in made.stored.records.items()},
    )
    return Run(made, true_notes(made), stored)


def true_notes(made: Made) -> Notes:
    """Return what witnesses of the scenarios would have written."""
    notes = Notes(healed_at=0.0, ended_at=1.0, canaries={"p": "own", "q": "foreign"})
    notes.limits.grace_seconds = 0.0
    for number, (request, body) in enumerate(
        zip(made.engine.transport.requests, made.engine.transport.bodies, strict=True)
    ):
        reply: Any = made.engine.transport.script(request, body)
        notes.seen.append(
            Seen(
                execution=request.headers["Goflow-Execution-Id"],
                at=float(number),
                answered_at=number + 0.5,
                key=request.headers["Idempotency-Key"],
                fence=int(request.headers["Goflow-Fence"]),
                attempt=int(request.headers["Goflow-Attempt"]),
                task=body.get("task"),
                visit=body.get("visit"),
                digest=str(body.get("input")),
                answer=ANSWERS[reply.status],  # type: ignore[arg-type]
                effect="applied" if reply.status == 200 else "none",
                endpoint=request.url.rsplit("/", 1)[1],
            )
        )
    for execution, records in made.stored.records.items():
        notes.operations += _asked(execution, made, story(execution, records))
    for number, op in enumerate(notes.operations):
        op.begun, op.ended = float(number), number + 0.5
    return notes


def _asked(execution: str, made: Made, told: Any) -> list[Operation]:
    head = made.stored.heads[execution]
    common: dict[str, Any] = {
        "client": "c",
        "begun": 0.0,
        "outcome": "ok",
        "project": "p",
        "execution": execution,
        "status": 200,
    }
    found = []
    if head.parent is None:
        of_start = {"activity": head.activity, "key": f"start {execution}", "input": head.input}
        found.append(Operation(kind="start", has_input=True, revision=0, **of_start, **common))
        found += [
            Operation(kind="event", key=event.id, name=event.name, revision=event.seq, **common)
            for event in told.events
            if event.id is not None
        ]
        found += [
            Operation(kind="verb", verb=control["verb"], revision=control["seq"], **common)
            for control in told.controls
        ]
    for attempt in told.attempts.values():
        if attempt.end is not None and attempt.end.get("via") == "callback":
            place = {"task": attempt.task, "visit": attempt.visit, "attempt": attempt.number}
            found.append(Operation(kind="callback", **place, **common))
    found.append(Operation(kind="read", revision=head.seq, answer="its own", **common))
    return sorted(found, key=lambda op: op.revision or 0)


# ---------------------------------------------------------------- lies and losses


def lost_start(run: Run) -> None:
    run.forget("claimed")


def other_input(run: Run) -> None:
    run.operation("start", "graph").input = {"n": 10}


def two_of_one_key(run: Run) -> None:
    run.operation("start", "open").key = run.operation("start", "completed").key


def start_of_nobody(run: Run) -> None:
    run.notes.operations.remove(run.operation("start", "graph"))


def two_of_an_unknown_start(run: Run) -> None:
    for name in ("open", "timed"):
        op = run.operation("start", name)
        op.outcome, op.execution, op.key, op.has_input = "unknown", None, "same", False


def unlogged_request(run: Run) -> None:
    run.seen("completed").fence = 900


def another_attempt(run: Run) -> None:
    run.seen("graph").attempt = 2


def sent_before_the_record(run: Run) -> None:
    history = run.made.history("graph")
    seen = run.seen("graph")
    run.notes.seen, run.notes.workers_whole = [seen], False
    started = entry(history.entries, "attemptStarted")
    run.notes.server_zero_ms = started["at"] - seen.at * 1000 - 5


def key_of_an_attempt(run: Run) -> None:
    run.seen("completed", 1).key += "/2"


def older_fence_later(run: Run) -> None:
    first, second = run.seen("completed", 0), run.seen("completed", 1)
    first.at, second.at = second.at, first.at


def other_input_on_retry(run: Run) -> None:
    run.seen("completed", 1).digest = "other"


def success_of_nobody(run: Run) -> None:
    run.notes.seen.remove(run.seen("graph"))


def success_that_was_none(run: Run) -> None:
    run.seen("graph").answer = "failure"


def acceptance_of_nobody(run: Run) -> None:
    run.seen("accepted").answer = "none"


def callback_of_nobody(run: Run) -> None:
    run.notes.operations.remove(run.operation("callback", "late"))


def recorded_before_it_was_answered(run: Run) -> None:
    """The test's clock is the server's; one answer comes an hour after what was made of it."""
    for name in run.made.names:
        if name != "graph":
            run.forget(name)
    run.notes.operations = [run.operation("start", "graph")]
    run.notes.seen = [seen for seen in run.notes.seen if seen.execution == run.id("graph")]
    run.notes.server_zero_ms = 0.0
    attempts = story("", run.stored.records[run.id("graph")]).attempts
    for seen in run.notes.seen:
        seen.at = seen.answered_at = attempts[seen.fence].at / 1000
    assert run.rules() == set()
    run.notes.seen[0].answered_at = run.notes.seen[0].at + 3_600


def done_twice(run: Run) -> None:
    for number in (0, 1):
        run.seen("completed", number).effect = "applied"


def lost_event(run: Run) -> None:
    run.change("completed", lambda entries: entry(entries, "eventApplied").pop("id"))


def event_taken_twice(run: Run) -> None:
    run.change("completed", lambda e: entry(e, "eventApplied", 1).update(id="go-1"))
    run.notes.operations.remove(run.operation("event", "completed", key="later-1"))


def event_forgotten_at_the_end(run: Run) -> None:
    run.change("held", lambda e: entry(e, "eventApplied", 1).pop("deferred"))
    run.change("held", lambda e: entry(e, "eventApplied", 1).update(id="later-9", deferred=None))


def outcome_lost(run: Run) -> None:
    op = run.operation("callback", "late")
    run.notes.operations.append(dataclasses.replace(op, attempt=7))


def verb_lost(run: Run) -> None:
    op = run.operation("verb", "failed")
    run.notes.operations.append(dataclasses.replace(op, key="again"))


def events_out_of_order(run: Run) -> None:
    first = run.operation("event", "completed", key="go-1")
    second = run.operation("event", "completed", key="later-1")
    first.begun, first.ended, second.begun, second.ended = (
        second.begun,
        second.ended,
        first.begun,
        first.ended,
    )
    first.revision = second.revision = None


def timer_that_never_fired(run: Run) -> None:
    run.stored.now = 2**45


def work_that_never_ended(run: Run) -> None:
    run.stored.heads[run.id("graph")] = dataclasses.replace(
        run.stored.heads[run.id("open")], id=run.id("graph")
    )
    head = run.stored.heads[run.id("graph")]
    task = copy.deepcopy(run.stored.heads[run.id("accepted")].tasks["work"])
    task.call = None
    head.tasks = {"work": task}
    head.input = run.operation("start", "graph").input
    head.activity = "graph"


def read_goes_back(run: Run) -> None:
    op = run.operation("read", "completed")
    later = dataclasses.replace(op, begun=9_000.0, ended=9_001.0, revision=3)
    run.notes.operations.append(later)


def read_of_what_is_lost(run: Run) -> None:
    run.operation("read", "completed").revision = 900


def leaking_answer(run: Run) -> None:
    run.operation("read", "open").answer = "what is foreign"


def leaking_history(run: Run) -> None:
    run.notes.canaries = {"p": "own", "q": "first"}


def allowed_without_a_right(run: Run) -> None:
    run.operation("read", "open").may = False


def refused_and_taken(run: Run) -> None:
    op = run.operation("event", "completed", key="go-1")
    op.outcome, op.status, op.revision = "refused", 409, None


def verb_of_nobody(run: Run) -> None:
    run.notes.operations.remove(run.operation("verb", "failed"))


def secret_in_a_history(run: Run) -> None:
    run.notes.secrets = ["heartbeat"]  # any text that some entry holds
    run.change("open", lambda e: entry(e, "started").update(traceparent="heartbeat"))


def sent_twice(run: Run) -> None:
    run.notes.seen.append(dataclasses.replace(run.seen("graph"), at=99.0, effect="none"))


def faster_than_allowed(run: Run) -> None:
    run.notes.limits.rates = {"first": 1.0}
    for number, one in enumerate(seen for seen in run.notes.seen if seen.endpoint == "first"):
        one.at = number / 100


def more_at_once_than_allowed(run: Run) -> None:
    run.notes.limits.concurrent = {"first": 1}
    for one in run.notes.seen:
        one.answered_at = 1_000.0


def calls_into_an_open_circuit(run: Run) -> None:
    run.notes.faults.append(Fault(kind="open", begun=-1.0, ended=500.0, node="first"))
    run.notes.limits.probe_seconds = 1_000.0


def late_and_still_acknowledged(run: Run) -> None:
    op = run.operation("callback", "late")
    run.notes.operations.append(dataclasses.replace(op, attempt=1))


def refused_as_late_and_taken(run: Run) -> None:
    run.operation("callback", "late").outcome = "refused"
    run.notes.clients_whole = False


def longer_than_allowed(run: Run) -> None:
    run.notes.limits.entries = 30


def counted_once_too_often(run: Run) -> None:
    counters = {name: float(n) for name, n in true_counts(run).items()}
    counters[next(iter(counters))] += 1
    run.notes.scrapes = [Scrape(counters=counters)]


def counted_once_too_few(run: Run) -> None:
    counters = {name: float(n) for name, n in true_counts(run).items()}
    counters[next(iter(counters))] -= 1
    run.notes.scrapes = [Scrape(counters=counters)]


def true_counts(run: Run) -> dict[str, int]:
    return counts(story(id_, rows) for id_, rows in run.stored.records.items())


LIES = [
    ("S1", lost_start),
    ("S1", other_input),
    ("S2", two_of_one_key),
    ("S2", start_of_nobody),
    ("S2", two_of_an_unknown_start),
    ("S8", unlogged_request),
    ("S8", another_attempt),
    ("S8", sent_before_the_record),
    ("S9", key_of_an_attempt),
    ("S9", older_fence_later),
    ("S9", other_input_on_retry),
    ("S10", success_of_nobody),
    ("S10", success_that_was_none),
    ("S10", acceptance_of_nobody),
    ("S10", callback_of_nobody),
    ("S10", recorded_before_it_was_answered),
    ("S10", done_twice),
    ("S12", timer_that_never_fired),
    ("S13", lost_event),
    ("S13", event_taken_twice),
    ("S13", event_forgotten_at_the_end),
    ("S13", outcome_lost),
    ("S13", verb_lost),
    ("S14", events_out_of_order),
    ("S15", work_that_never_ended),
    ("S16", read_goes_back),
    ("S16", read_of_what_is_lost),
    ("S17", leaking_answer),
    ("S17", leaking_history),
    ("S18", allowed_without_a_right),
    ("S18", refused_and_taken),
    ("S18", verb_of_nobody),
    ("S20", secret_in_a_history),
    ("S21", sent_twice),
    ("S21", faster_than_allowed),
    ("S21", more_at_once_than_allowed),
    ("S21", calls_into_an_open_circuit),
    ("S22", late_and_still_acknowledged),
    ("S22", refused_as_late_and_taken),
    ("S23", longer_than_allowed),
    ("S24", counted_once_too_often),
    ("S24", counted_once_too_few),
]


def test_true_notes_break_no_rule(run: Run) -> None:
    assert judge_all(run.notes, run.stored) == []
    assert run.notes.seen
    assert {op.kind for op in run.notes.operations} >= {"start", "event", "verb", "callback"}


@pytest.mark.parametrize(("rule", "lie"), LIES, ids=lambda one: getattr(one, "__name__", one))
def test_a_lie_or_a_loss_breaks_its_rule_alone(run: Run, rule: str, lie: Any) -> None:
    assert run.rules() == set()
    lie(run)
    assert run.rules() == {rule}


# ---------------------------------------------------------------- what is not known


def test_what_got_no_answer_may_have_happened_or_not(run: Run) -> None:
    start = run.operation("start", "open")
    start.outcome, start.execution, start.revision = "unknown", None, None
    event = run.operation("event", "completed", key="go-1")
    event.outcome = "unknown"
    nothing = {"client": "c", "begun": 0.0, "outcome": "unknown", "project": "p"}
    run.notes.operations += [
        Operation(kind="start", activity="calls", key="never", input=1, has_input=True, **nothing),  # type: ignore[arg-type]
        Operation(kind="event", execution=run.id("open"), key="never", **nothing),  # type: ignore[arg-type]
    ]
    assert run.rules() == set()


def test_repeats_of_one_key_are_one_operation(run: Run) -> None:
    for kind in ("start", "event"):
        op = run.operation(kind, "completed")
        run.notes.operations.append(
            dataclasses.replace(op, is_duplicate=True, begun=800.0, ended=801.0, revision=None)
        )
    verb = run.operation("verb", "failed")
    verb.key = "once"
    run.notes.operations.append(dataclasses.replace(verb, revision=None))
    assert run.rules() == set()


def test_a_crash_may_lose_counts_and_never_adds_any(run: Run) -> None:
    counted_once_too_few(run)
    run.notes.faults.append(Fault(kind="kill", begun=1.0))
    assert run.rules() == set()
    counted_once_too_often(run)
    assert run.rules() == {"S24"}


def test_what_was_deleted_is_missed_by_nobody_where_executions_are_deleted(run: Run) -> None:
    run.forget("completed")
    assert {"S1", "S8", "S13"} <= run.rules()
    run.notes.limits.forgets = True
    assert run.rules() == set()


def test_liveness_is_judged_only_after_the_grace(run: Run) -> None:
    work_that_never_ended(run)
    run.notes.limits.grace_seconds = 60.0
    assert run.rules() == set()


def test_a_broken_history_is_told_before_what_anybody_saw(run: Run) -> None:
    lost_start(run)
    del run.stored.records[run.id("graph")][1]
    assert {breach.rule for breach in judge_all(run.notes, run.stored)} == {"S3", "S19"}


# ---------------------------------------------------------------- S20, S24, saving


@pytest.mark.parametrize(
    "shown",
    [
        b"...s3cr3t/+value\xc3\xa9...",
        orjson.dumps({"a": "s3cr3t/+value\u00e9"}),
        b"?q=s3cr3t%2F%2Bvalue%C3%A9",
        b"Basic dXNlcjpzM2NyM3QvK3ZhbHVlw6k=",  # base64 of user:...
    ],
)
def test_a_secret_is_found_however_it_is_written(shown: bytes) -> None:
    assert find_secrets(shown, ["other", "s3cr3t/+value\u00e9"]) == ["s3cr3t/+value\u00e9"]
    assert find_secrets(b"nothing of it", ["s3cr3t/+value\u00e9"]) == []


def test_samples_are_counted_as_histories_are(run: Run) -> None:
    held = true_counts(run)
    lines = []
    for sample, count in held.items():
        name, _, labels = sample.rstrip("}").partition("{")
        lines.append(f"{name}{{{','.join(reversed(labels.split(',')))}}} {count}.0")
    text = "# HELP goflow_executions_started_total ...\n" + "\n".join(lines)
    run.notes.scrapes = [Scrape(counters=samples(text))]
    assert samples(text) == held
    assert judge(run.notes, run.stored) == []


def test_saved_notes_are_judged_the_same(run: Run) -> None:
    lost_start(run)
    run.notes.faults.append(Fault(kind="kill", begun=1.0, facts={"at": 7}))
    saved = orjson.loads(orjson.dumps(run.notes.as_json()))
    again = Notes.from_json(saved)
    assert again == run.notes
    assert judge(again, run.stored) == judge(run.notes, run.stored)
