"""What workers saw: S8, S9, S10, S21, S22."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from math import ceil

from goflow_py.engine.checker import Breach
from goflow_py.fsm.errands import NOTIFY
from goflow_py.torture.judge_store import Attempt, Story
from goflow_py.torture.notes import Notes, Operation, Seen

CALLED = frozenset({"sync", "async", NOTIFY})
"""Kinds of work whose attempts are requests to a worker."""
OUTCOMES = frozenset({"callback", "complete", "fail"})
RESTARTS = frozenset({"kill", "power", "restart"})
SKEW_MS = 1.0
"""What rounding to milliseconds can hide."""
Stories = Mapping[str, Story]


def breaches(notes: Notes, stories: Stories) -> Iterator[Breach]:
    """Yield what contradicts the workers' notes."""
    matched: list[tuple[Seen, Attempt]] = []
    for seen in notes.seen:
        story = stories.get(seen.execution)
        if story is None and notes.limits.forgets:
            continue
        attempt = None if story is None else story.attempts.get(seen.fence)
        if attempt is None:
            message = f"attempt {seen.attempt} of '{seen.task}' was sent, and never recorded"
            yield _breach("S8", seen, message)
        else:
            matched.append((seen, attempt))
            yield from _same(notes, seen, attempt)
    yield from _fences(matched)
    yield from _keys(matched)
    yield from _effects(notes)
    yield from _successes(notes, stories, matched)
    yield from _budgets(notes, matched)


def _breach(rule: str, seen: Seen, message: str) -> Breach:
    return Breach(rule=rule, execution=seen.execution, seq=seen.fence, message=message)


# ---------------------------------------------------------------- S8, S9: what was sent


def _same(notes: Notes, seen: Seen, attempt: Attempt) -> Iterator[Breach]:
    """S8: the request is the attempt that was recorded before it. S9: with its key."""
    is_errand = attempt.task.startswith("+")
    sent = (seen.attempt, seen.task or attempt.task, seen.visit)
    recorded = (attempt.number, attempt.task, attempt.visit)
    if sent[:2] != recorded[:2] or (not is_errand and seen.visit not in (None, attempt.visit)):
        yield _breach("S8", seen, f"{sent} was sent, where {recorded} is recorded")
    if notes.server_zero_ms is not None:
        if attempt.at > notes.server_zero_ms + seen.at * 1000 + SKEW_MS:
            yield _breach("S8", seen, "the request came before its attempt was recorded")
    if seen.key != attempt.key:
        yield _breach("S9", seen, f"the key '{seen.key}' was sent, where it is '{attempt.key}'")


def _fences(matched: Iterable[tuple[Seen, Attempt]]) -> Iterator[Breach]:
    """S9: of one piece of work, fences come in order. S21: each attempt is sent once.

    Two requests of one piece of work can overtake each other on the wire where the first was given
    up; the worker tells them by their fences. So only what was answered has an order.
    """
    newest: dict[tuple[str, str], Seen] = {}
    sent: set[tuple[str, int]] = set()
    for seen, attempt in sorted(matched, key=lambda pair: pair[0].at):
        if (seen.execution, seen.fence) in sent:
            yield _breach("S21", seen, f"attempt {seen.attempt} was sent twice")
            continue
        sent.add((seen.execution, seen.fence))
        before = newest.get((seen.execution, attempt.key))
        if before is not None and before.fence > seen.fence and not _was_cut(attempt):
            yield _breach("S9", seen, f"fence {seen.fence} came after fence {before.fence}")
        newest[seen.execution, attempt.key] = seen


def _was_cut(attempt: Attempt) -> bool:
    return attempt.end is None or attempt.end["outcome"] in ("timeout", "abandoned", "superseded")


def _keys(matched: Iterable[tuple[Seen, Attempt]]) -> Iterator[Breach]:
    """S9: a key is of one piece of work, and what is sent under it is always the same."""
    work: dict[str, tuple[str, str, int | None]] = {}
    inputs: dict[str, str] = {}
    for seen, attempt in matched:
        own = attempt.task.partition(":")[0] if attempt.task.startswith("+") else attempt.task
        visit = None if attempt.task.startswith("+") else attempt.visit
        first = work.setdefault(seen.key, (seen.execution, own, visit))
        if first != (seen.execution, own, visit):
            yield _breach("S9", seen, f"the key '{seen.key}' is of other work, too: {first}")
        if seen.digest is not None and inputs.setdefault(seen.key, seen.digest) != seen.digest:
            yield _breach(
                "S9", seen, f"two attempts under the key '{seen.key}' differ in the input"
            )


# ---------------------------------------------------------------- S10: what was done


def _effects(notes: Notes) -> Iterator[Breach]:
    """S10: a worker that deduplicates did the work of a key once."""
    applied: Counter[str] = Counter()
    for seen in notes.seen:
        if seen.effect == "applied":
            applied[seen.key] += 1
            if applied[seen.key] > 1:
                yield _breach("S10", seen, f"the work of the key '{seen.key}' was done again")


def _successes(
    notes: Notes, stories: Stories, matched: Iterable[tuple[Seen, Attempt]]
) -> Iterator[Breach]:
    """S10: what is recorded as answered was answered, by a worker or by who brought the outcome."""
    answers = {(seen.execution, seen.fence): seen for seen, _ in matched}
    brought = [op for op in notes.operations if op.kind in OUTCOMES and op.outcome != "refused"]
    told = {(op.execution, op.task, op.attempt) for op in brought}
    judged_outcomes = notes.clients_whole and all(op.task is not None for op in brought)
    for story in stories.values():
        for attempt in story.attempts.values():
            end = attempt.end
            if attempt.accepted and notes.workers_whole:
                yield from _answered(story, attempt, answers, "accepted")
            if end is None or end["outcome"] != "success":
                continue
            if end.get("via"):
                if judged_outcomes and (story.execution, attempt.task, attempt.number) not in told:
                    message = f"'{attempt.task}' ended by {end['via']}, and nobody said so"
                    yield _of(story, attempt, "S10", message)
            elif attempt.kind in CALLED and notes.workers_whole:
                yield from _answered(story, attempt, answers, "success")
                yield from _in_time(notes, story, attempt, answers)


def _of(story: Story, attempt: Attempt, rule: str, message: str) -> Breach:
    return Breach(rule=rule, execution=story.execution, seq=attempt.fence, message=message)


def _answered(
    story: Story, attempt: Attempt, answers: Mapping[tuple[str, int], Seen], wanted: str
) -> Iterator[Breach]:
    seen = answers.get((story.execution, attempt.fence))
    if seen is None:
        message = f"'{attempt.task}' is recorded as {wanted}, and no worker was asked"
        yield _of(story, attempt, "S10", message)
    elif seen.answer != wanted:
        message = f"'{attempt.task}' is recorded as {wanted}, and the answer was {seen.answer}"
        yield _of(story, attempt, "S10", message)


def _in_time(
    notes: Notes, story: Story, attempt: Attempt, answers: Mapping[tuple[str, int], Seen]
) -> Iterator[Breach]:
    """S10: where the clock is one, nothing is recorded before it was answered."""
    seen, zero = answers.get((story.execution, attempt.fence)), notes.server_zero_ms
    if zero is None or seen is None or seen.answered_at is None or attempt.end is None:
        return
    if attempt.end["at"] + SKEW_MS < zero + seen.answered_at * 1000:
        yield _of(story, attempt, "S10", f"'{attempt.task}' was recorded before it was answered")


def late_results(
    notes: Notes, stories: Stories, operations: Iterable[Operation]
) -> Iterator[Breach]:
    """S22: an outcome that was refused as too late changed nothing."""
    kept = {
        (op.execution, op.task, op.attempt)
        for op in notes.operations
        if op.kind in OUTCOMES and op.outcome != "refused"
    }
    for op in operations:
        story = stories.get(op.execution or "")
        if op.kind not in OUTCOMES or op.outcome != "refused" or story is None or op.task is None:
            continue
        if (op.execution, op.task, op.attempt) in kept:
            continue
        for attempt in story.named(task=op.task, visit=op.visit, number=op.attempt):
            if attempt.end is not None and attempt.end.get("via"):
                message = f"the outcome of '{op.task}' was refused, and ended the attempt"
                yield _of(story, attempt, "S22", message)


# ---------------------------------------------------------------- S21: budgets


def _budgets(notes: Notes, matched: list[tuple[Seen, Attempt]]) -> Iterator[Breach]:
    """S21: rates, calls at once, and open circuits are kept to."""
    by_endpoint: dict[str, list[Seen]] = defaultdict(list)
    answered: dict[str, list[Seen]] = defaultdict(list)
    of_process: dict[tuple[str, str], list[Seen]] = defaultdict(list)
    for seen, attempt in matched:
        by_endpoint[seen.endpoint].append(seen)
        if seen.answered_at is not None and not _was_cut(attempt):
            answered[seen.endpoint].append(seen)
            of_process[f"{attempt.task}@{seen.endpoint}", seen.node].append(seen)
    restarts = [fault.begun for fault in notes.faults if fault.kind in RESTARTS]
    for endpoint, rate in notes.limits.rates.items():
        yield from _rate(by_endpoint[endpoint], rate, restarts)
    for endpoint, limit in notes.limits.concurrent.items():
        yield from _at_once(answered[endpoint], limit)
    for (place, _), calls in of_process.items():
        if place in notes.limits.slots:
            yield from _at_once(calls, notes.limits.slots[place])
    for fault in notes.faults:
        if fault.kind != "open" or fault.ended is None:
            continue
        probes = 1 + int((fault.ended - fault.begun) / notes.limits.probe_seconds)
        inside = [s for s in by_endpoint[fault.node] if fault.begun < s.at < fault.ended]
        for seen in sorted(inside, key=lambda s: s.at)[probes:]:
            yield _breach("S21", seen, f"more than {probes} requests to an open circuit")


def _rate(seen: list[Seen], rate: float, restarts: list[float]) -> Iterator[Breach]:
    """Count within each second; a server that was killed has forgotten what it sent before."""
    times = sorted(seen, key=lambda one: one.at)
    window = max(1.0, 1.0 / rate)
    allowed, first = ceil(rate * window) + 1, 0
    for number, one in enumerate(times):
        while times[first].at <= one.at - window:
            first += 1
        grown = allowed * (1 + sum(times[first].at <= at <= one.at for at in restarts))
        if number - first + 1 > grown:
            yield _breach("S21", one, f"more than {allowed} requests within {window:g} s")


def _at_once(seen: list[Seen], limit: int) -> Iterator[Breach]:
    """Count what was worked on at the same moment; what was cut is not the server's any more."""
    moments = [(one.at, 1, one) for one in seen]
    moments += [(one.answered_at or one.at, -1, one) for one in seen]
    count = 0
    for _, step, one in sorted(moments, key=lambda moment: moment[:2]):
        count += step
        if step > 0 and count > limit:
            yield _breach("S21", one, f"{count} requests at once, where {limit} are allowed")
