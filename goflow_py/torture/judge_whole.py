"""What only the whole run shows: S12 and S15 (liveness), S17, S20, S22, S23, S24."""

import base64
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote

import orjson

from goflow_py.domain.execution import Execution
from goflow_py.engine.checker import Breach
from goflow_py.fsm.events import awaiting
from goflow_py.fsm.rows import BUSY
from goflow_py.torture.judge_store import Stored, Story
from goflow_py.torture.judge_workers import late_results
from goflow_py.torture.notes import Notes

CRASHES = frozenset({"kill", "power"})
Stories = Mapping[str, Story]


def breaches(notes: Notes, stored: Stored, stories: Stories) -> Iterator[Breach]:
    """Yield what contradicts the run as a whole."""
    yield from _liveness(notes, stored)
    yield from _canaries(notes, stored)
    yield from _secrets(notes, stored)
    yield from late_results(notes, stories, notes.operations)
    yield from _bounds(notes, stored, stories)
    yield from _counters(notes, stories)


def _breach(rule: str, execution: str | None, message: str, seq: int | None = None) -> Breach:
    return Breach(rule=rule, execution=execution or "", seq=seq, message=message)


# ---------------------------------------------------------------- S12, S15: liveness


def _liveness(notes: Notes, stored: Stored) -> Iterator[Breach]:
    """S15: once all has healed, all is over but what waits for somebody, or for its time."""
    if notes.healed_at is None or notes.ended_at is None:
        return
    if notes.ended_at < notes.healed_at + notes.limits.grace_seconds:
        return
    for head in stored.heads.values():
        late = _lateness(head, stored.now)
        if late > notes.limits.timer_grace_seconds * 1000:
            message = f"a timer was due {late} ms ago, and nothing happened"
            yield _breach("S12", head.id, message, head.seq)
        why = _stuck(head, stored)
        if why is not None:
            yield _breach("S15", head.id, why, head.seq)


def _lateness(head: Execution, now: int | None) -> int:
    return 0 if now is None or head.wake is None else now - head.wake


def _stuck(head: Execution, stored: Stored) -> str | None:
    """Say why *head* is not where it should be when nothing is broken; None: it is."""
    if head.paused:
        return None
    if head.errands:
        return f"the errand '{next(iter(head.errands))}' is not done"
    if head.ended:
        return None
    busy = [
        task
        for task in head.open_tasks()
        if task.kind in BUSY and (task.call is None or not task.call.accepted)
    ]
    if busy:
        return f"the work '{busy[0].name}' is not done"
    compiled = stored.compiled(head)
    waits = compiled is None or awaiting(compiled, head)
    if head.timers or waits or any(task.kind != "each" for task in head.open_tasks()):
        return None
    return f"it waits for nothing in state '{head.state}'"


# ---------------------------------------------------------------- S17, S20: what is shown


def _canaries(notes: Notes, stored: Stored) -> Iterator[Breach]:
    """S17: no answer, and no history, holds what belongs to another project."""
    if not notes.canaries:
        return
    for op in notes.operations:
        for project, canary in notes.canaries.items():
            if project != op.project and op.answer is not None and canary in op.answer:
                message = f"an answer to '{op.project}' holds data of '{project}'"
                yield _breach("S17", op.execution, message)
    for execution, records in stored.records.items():
        own = stored.heads[execution].project
        for project, canary in notes.canaries.items():
            if project == own:
                continue
            needle = canary.encode()
            for record in records:
                if needle in record.entries:
                    message = f"a history of '{own}' holds data of '{project}'"
                    yield _breach("S17", execution, message, record.seq)


def find_secrets(content: bytes, secrets: Iterable[str]) -> list[str]:
    """Return the secrets that *content* holds: as they are, or as JSON, a URL or base64 has them.

    For the bytes of data files, write-ahead logs, backups, logs, metrics and answers (S20).
    """
    return [secret for secret in secrets if any(form in content for form in _forms(secret))]


def _forms(secret: str) -> set[bytes]:
    raw = secret.encode()
    forms = {raw, orjson.dumps(secret)[1:-1], quote(secret, safe="").encode()}
    for shift in range(3):
        # In base64 a secret looks different by its place; its ends depend on what is around it.
        text = base64.b64encode(b"\0" * shift + raw).decode().rstrip("=")
        inner = text[(shift * 8 + 5) // 6 : len(text) - 1]
        if len(inner) >= 8:
            forms.add(inner.encode())
            forms.add(inner.replace("+", "-").replace("/", "_").encode())
    return {form for form in forms if form}


def _secrets(notes: Notes, stored: Stored) -> Iterator[Breach]:
    """S20: no secret's bytes in a history or in an answer."""
    if not notes.secrets:
        return
    forms = {secret: _forms(secret) for secret in notes.secrets}
    for execution, records in stored.records.items():
        for record in records:
            if any(form in record.entries for known in forms.values() for form in known):
                yield _breach("S20", execution, "the history holds a secret", record.seq)
    for op in notes.operations:
        if op.answer is not None and find_secrets(op.answer.encode(), notes.secrets):
            yield _breach("S20", op.execution, f"the answer to a {op.kind} holds a secret")


# ---------------------------------------------------------------- S23: bounds


def _bounds(notes: Notes, stored: Stored, stories: Stories) -> Iterator[Breach]:
    """S23: histories and records are as long as the run allows."""
    limits = notes.limits
    for execution, story in stories.items():
        if limits.entries is not None and story.entries > limits.entries:
            yield _breach("S23", execution, f"{story.entries} entries, {limits.entries} allowed")
        for record in stored.records[execution] if limits.record_bytes is not None else ():
            if len(record.entries) > (limits.record_bytes or 0):
                message = f"a record of {len(record.entries)} bytes, {limits.record_bytes} allowed"
                yield _breach("S23", execution, message, record.seq)


# ---------------------------------------------------------------- S24: counters


def counts(stories: Iterable[Story]) -> Counter[str]:
    """Return what the counters of executions say when they say what the histories hold."""
    found: Counter[str] = Counter()
    for story in stories:
        started = story.started
        place = f'activity="{started.get("activity")}",project="{started.get("project")}"'
        found[f"goflow_executions_started_total{{{place}}}"] += 1
        for end in story.ends:
            sample = f'goflow_executions_ended_total{{{place},status="{end["status"]}"}}'
            found[sample] += 1
    return found


def samples(text: str) -> dict[str, float]:
    """Return the counters of executions of a Prometheus text, by sample."""
    found = {}
    for line in text.splitlines():
        if line.startswith("goflow_executions_") and "_total" in line:
            sample, _, value = line.rpartition(" ")
            name, _, labels = sample.partition("{")
            pairs = ",".join(sorted(labels.rstrip("}").split(",")))
            found[f"{name}{{{pairs}}}"] = float(value)
    return found


def _counters(notes: Notes, stories: Stories) -> Iterator[Breach]:
    """S24: the counters of all processes together are the counts of the histories.

    A crash loses what was committed and not counted yet, or counted and not read: then they may be
    lower, never higher.
    """
    if not notes.scrapes or notes.limits.forgets:
        return
    counted: Counter[str] = Counter()
    for scrape in notes.scrapes:
        counted.update({name: round(value) for name, value in scrape.counters.items()})
    exact = all(scrape.ends for scrape in notes.scrapes)
    exact = exact and not any(fault.kind in CRASHES for fault in notes.faults)
    held = counts(stories.values())
    for sample in sorted({*counted, *held}):
        if counted[sample] > held[sample] or (exact and counted[sample] < held[sample]):
            message = f"{sample} counts {counted[sample]}, the histories hold {held[sample]}"
            yield _breach("S24", "", message)
