"""What clients saw: S1, S2, S13, S14, S16, S18."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from goflow_py.engine.checker import Breach
from goflow_py.torture.judge_store import Stored, Story, Taken, canonical
from goflow_py.torture.notes import Notes, Operation

NO_RIGHT = frozenset({401, 403, 404})
LEAVES_AN_ENTRY = frozenset({"retry", "goto", "replay", "skip", "data"})
"""Verbs that never succeed without one; the others may find nothing to change."""
BY_PARENT = "so did its parent"
Stories = Mapping[str, Story]


def breaches(notes: Notes, stored: Stored, stories: Stories) -> Iterator[Breach]:
    """Yield what contradicts the clients' notes."""
    yield from _starts(notes, stored)
    if notes.clients_whole:
        yield from _causes(notes, stories)
    yield from _events(notes, stories)
    yield from _outcomes(notes, stories)
    yield from _verbs(notes, stories)
    yield from _reads(notes, stored)
    yield from _rights(notes, stories)


def _breach(rule: str, execution: str | None, message: str, seq: int | None = None) -> Breach:
    return Breach(rule=rule, execution=execution or "", seq=seq, message=message)


# ---------------------------------------------------------------- S1, S2: starts


def _starts(notes: Notes, stored: Stored) -> Iterator[Breach]:
    """S1: each acknowledged start exists with its input. S2: one execution a key."""
    by_key: dict[tuple[str, str | None, str], str] = {}
    for op in notes.operations:
        if op.kind != "start" or op.outcome != "ok" or op.execution is None:
            continue
        if op.key is not None:
            first = by_key.setdefault((op.project, op.activity, op.key), op.execution)
            if first != op.execution:
                message = f"the key '{op.key}' of {first} started another execution"
                yield _breach("S2", op.execution, message)
        head = stored.heads.get(op.execution)
        if head is None:
            if not notes.limits.forgets:
                yield _breach("S1", op.execution, "its start was acknowledged, and it is gone")
        elif op.has_input and head.input != op.input:
            yield _breach("S1", op.execution, "its input is not the one that it was started with")
        elif (op.activity or head.activity) != head.activity or op.project != head.project:
            yield _breach("S1", op.execution, "it is not of the activity that was started")


def _causes(notes: Notes, stories: Stories) -> Iterator[Breach]:
    """S2: whoever has no parent was started, or forked, by a request that was not refused."""
    starts = [op for op in notes.operations if op.kind == "start" and op.outcome != "refused"]
    known = {op.execution for op in starts if op.outcome == "ok"}
    answered = {_start_key(op) for op in starts if op.outcome == "ok"}
    budget: Counter[Any] = Counter()
    for key, op in {_start_key(op): op for op in starts if op.outcome == "unknown"}.items():
        if key not in answered:
            budget[_start_place(op)] += 1
    forks = Counter(
        op.execution
        for op in notes.operations
        if op.kind == "verb" and op.verb == "fork" and op.outcome != "refused"
    )
    for execution, story in stories.items():
        started = story.started
        if execution in known or started.get("parent") is not None:
            continue
        fork = next((entry for entry in story.controls if entry["verb"] == "fork"), None)
        if fork is not None:
            original = fork["from"]["execution"]
            forks[original] -= 1
            if forks[original] < 0:
                yield _breach("S2", execution, f"nobody forked {original} this often")
            continue
        place = (started.get("project"), started.get("activity"))
        exact = (*place, canonical(started.get("input")))
        fits = exact if budget[exact] else place
        budget[fits] -= 1
        if budget[fits] < 0:
            yield _breach("S2", execution, "nobody started it")


def _start_key(op: Operation) -> Any:
    return (op.project, op.activity, op.key) if op.key is not None else id(op)


def _start_place(op: Operation) -> Any:
    place = (op.project, op.activity)
    return (*place, canonical(op.input)) if op.has_input else place


# ---------------------------------------------------------------- S13, S14: events


def _events(notes: Notes, stories: Stories) -> Iterator[Breach]:
    """S13: each acknowledged event was taken, once. S14: in the order of the acknowledgements."""
    taken = _taken(stories)
    order: dict[str, list[tuple[Operation, Taken]]] = defaultdict(list)
    for (execution, handle), operations in _sent(notes).items():
        if execution not in stories and notes.limits.forgets:
            continue
        found = taken.get((execution, handle), [])
        acknowledged = [op for op in operations if op.outcome == "ok"]
        distinct = 1 if handle[0] == "id" else len({op.key or id(op) for op in operations})
        if len(found) > distinct:
            message = f"the event {handle[1]} was taken {len(found)} times"
            yield _breach("S13", execution, message, found[-1].seq)
        elif acknowledged and not found:
            yield _breach("S13", execution, f"the event {handle[1]} was acknowledged, and is lost")
        elif acknowledged and distinct == 1:
            order[execution].append((min(acknowledged, key=_ended), found[0]))
    for execution, pairs in order.items():
        yield from _in_order(execution, pairs)
    yield from _fates(stories)


def _sent(notes: Notes) -> dict[tuple[str, Any], list[Operation]]:
    """Return the requests that may have brought an event, by execution and handle."""
    found: dict[tuple[str, Any], list[Operation]] = defaultdict(list)
    for op in notes.operations:
        handle = _handle_of(op)
        if op.kind in ("event", "message") and op.outcome != "refused" and handle is not None:
            for execution in [*op.matched, *([op.execution] if op.execution else [])]:
                found[execution, handle].append(op)
    return found


def _taken(stories: Stories) -> dict[tuple[str, Any], list[Taken]]:
    """Return the events of the histories, by execution and handle."""
    found: dict[tuple[str, Any], list[Taken]] = defaultdict(list)
    for execution, story in stories.items():
        for event in story.events:
            if event.id is not None:
                found[execution, ("id", event.id)].append(event)
            found[execution, ("data", event.name, canonical(event.data))].append(event)
    return found


def _handle_of(op: Operation) -> Any:
    """Return by what an event is found in a history: its id, or what only it says."""
    if op.kind == "event" and op.key is not None:
        return ("id", op.key)
    return ("data", op.name, canonical(op.input)) if op.has_input else None


def _fates(stories: Stories) -> Iterator[Breach]:
    """S13: an ended execution keeps no event; what is ignored has a reason."""
    for execution, story in stories.items():
        is_over = bool(story.ends) and not any(
            entry["seq"] > story.ends[-1]["seq"] for entry in story.controls
        )
        for event in story.events:
            if event.end is None and is_over:
                message = f"the event '{event.name}' was kept, and it ended without a word of it"
                yield _breach("S13", execution, message, event.seq)
            elif event.end is not None and event.end["type"] == "eventIgnored":
                if not event.end.get("reason"):
                    message = f"the event '{event.name}' was ignored without a reason"
                    yield _breach("S13", execution, message, event.end["seq"])


def _in_order(execution: str, pairs: list[tuple[Operation, Taken]]) -> Iterator[Breach]:
    """S14: what was acknowledged before another was sent was taken before it."""
    pairs.sort(key=lambda pair: pair[0].begun)
    ended = sorted(pairs, key=lambda pair: _ended(pair[0]))
    newest, number = -1, 0
    for op, event in pairs:
        while number < len(ended) and _ended(ended[number][0]) < op.begun:
            newest = max(newest, ended[number][1].seq)
            number += 1
        if event.seq < newest:
            message = f"the event '{event.name}' was taken before one acknowledged earlier"
            yield _breach("S14", execution, message, event.seq)


def _ended(op: Operation) -> float:
    return op.begun if op.ended is None else op.ended


# ---------------------------------------------------------------- S13: outcomes, verbs


def _outcomes(notes: Notes, stories: Stories) -> Iterator[Breach]:
    """S13: an acknowledged callback or completion ended its attempt. S22: none that was over."""
    for op in notes.operations:
        if op.kind not in ("callback", "complete", "fail") or op.outcome != "ok":
            continue
        story = stories.get(op.execution or "")
        if op.task is None or (story is None and notes.limits.forgets):
            continue
        found = (
            [] if story is None else story.named(task=op.task, visit=op.visit, number=op.attempt)
        )
        ways = {"callback"} if op.kind == "callback" else {"claim"}
        if not found:
            message = f"the outcome of '{op.task}' was acknowledged, and there is no such attempt"
            yield _breach("S13", op.execution, message)
        elif not any(attempt.end and attempt.end.get("via") in ways for attempt in found):
            end = found[-1].end
            rule = "S13" if end is None else "S22"
            how = "is still open" if end is None else f"had ended as '{end['outcome']}'"
            message = f"the outcome of '{op.task}' was acknowledged, and its attempt {how}"
            yield _breach(rule, op.execution, message, found[-1].fence)


def _verbs(notes: Notes, stories: Stories) -> Iterator[Breach]:
    """S13: an acknowledged verb was carried out; S18: nothing else was."""
    asked: dict[tuple[str, str], set[Any]] = defaultdict(set)
    owed: dict[tuple[str, str], set[Any]] = defaultdict(set)
    for op in notes.operations:
        if op.kind != "verb" or op.verb in (None, "fork") or op.outcome == "refused":
            continue
        place = (op.execution or "", str(op.verb))
        one = op.key if op.key is not None else id(op)
        asked[place].add(one)
        if op.outcome == "ok" and op.verb in LEAVES_AN_ENTRY:
            owed[place].add(one)
    for execution, story in stories.items():
        verbs = Counter(
            entry["verb"] for entry in story.controls if entry.get("reason") != BY_PARENT
        )
        del verbs["fork"]
        for verb in {*verbs, *LEAVES_AN_ENTRY}:
            if verbs[verb] + story.waiting[verb] < len(owed[execution, verb]):
                yield _breach("S13", execution, f"'{verb}' was acknowledged, and is lost")
            elif notes.clients_whole and not asked["", verb]:
                if verbs[verb] > len(asked[execution, verb]):
                    message = f"'{verb}' was carried out more often than asked for"
                    yield _breach("S18", execution, message)


# ---------------------------------------------------------------- S16: reads


def _reads(notes: Notes, stored: Stored) -> Iterator[Breach]:
    """S16: a revision that somebody saw is never missing from what is read later."""
    seen: dict[str, list[Operation]] = defaultdict(list)
    for op in notes.operations:
        if op.outcome == "ok" and op.revision is not None and op.execution is not None:
            seen[op.execution].append(op)
    for execution, operations in seen.items():
        operations.sort(key=lambda op: op.begun)
        ended = sorted(operations, key=_ended)
        newest, number = -1, 0
        for op in operations:
            while number < len(ended) and _ended(ended[number]) < op.begun:
                newest = max(newest, ended[number].revision or 0)
                number += 1
            if (op.revision or 0) < newest:
                message = f"revision {op.revision} was read after revision {newest}"
                yield _breach("S16", execution, message, op.revision)
        head = stored.heads.get(execution)
        last = max(op.revision or 0 for op in operations)
        if head is not None and head.seq < last:
            message = f"revision {last} was seen, and the store holds {head.seq}"
            yield _breach("S16", execution, message, last)


# ---------------------------------------------------------------- S18: rights


def _rights(notes: Notes, stories: Stories) -> Iterator[Breach]:
    """S18: who has no right is refused, and what is refused leaves nothing."""
    taken = {
        (execution, event.id)
        for execution, story in stories.items()
        for event in story.events
        if event.id is not None
    }
    inputs = {canonical(story.started.get("input")) for story in stories.values()}
    asked = {_trace_of(op) for op in notes.operations if op.outcome != "refused"}
    for op in notes.operations:
        if not op.may and (op.outcome == "ok" or (op.status or 404) not in NO_RIGHT):
            message = f"{op.kind} without the right to was answered {op.status}"
            yield _breach("S18", op.execution, message)
        if op.outcome != "refused" or _trace_of(op) in asked:
            continue
        if op.kind == "event" and (op.execution or "", op.key) in taken:
            yield _breach("S18", op.execution, f"the event {op.key} was refused, and was taken")
        elif op.kind == "start" and op.has_input and canonical(op.input) in inputs:
            yield _breach("S18", op.execution, "a start was refused, and there is an execution")


def _trace_of(op: Operation) -> Any:
    """Return by what a request would be found in a history."""
    if op.kind == "event" and op.key is not None:
        return ("event", op.execution, op.key)
    return ("start", canonical(op.input)) if op.kind == "start" and op.has_input else id(op)
