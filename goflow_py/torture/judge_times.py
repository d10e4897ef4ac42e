"""What only shows beside the answers and the faults: results, compensations, timers, cut calls.

S4, S7, S10 and S12, as far as the histories do not show them by themselves.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping

from goflow_py.engine.checker import Breach
from goflow_py.torture.judge_store import Story
from goflow_py.torture.judge_workers import CALLED
from goflow_py.torture.notes import Notes, digest_of

CUTS = frozenset(
    {"start of a process", "end of a process", "drain", "freeze", "takeover", "failed sync"}
)
"""What can cut a call that a process has in flight."""
CUT_SECONDS = 15.0
"""That long after a cut, what it has cut is closed: the lease has to run out, at most."""
Stories = Mapping[str, Story]


def breaches(notes: Notes, stories: Stories) -> Iterator[Breach]:
    """Yield what the histories hold otherwise than it was, and what came too late."""
    answers = {(seen.execution, seen.fence): seen.output for seen in notes.seen}
    for story in stories.values():
        for attempt in story.attempts.values():
            told = answers.get((story.execution, attempt.fence))
            if attempt.result is None or told is None or attempt.kind != "sync":
                continue  # of a notification, the body is not read
            if digest_of(attempt.result.get("output")) != told:
                message = f"the output of '{attempt.task}' is not what the worker answered"
                yield _breach("S10", story, message, attempt.result["seq"])
        for entry in story.disordered:
            message = f"'{entry['task']}' began before what was done after it was undone"
            yield _breach("S4", story, message, entry["seq"])
    if notes.server_zero_ms is not None:
        yield from _abandoned(notes, stories, notes.server_zero_ms)
        yield from _late(notes, stories, notes.server_zero_ms)


def _breach(rule: str, story: Story, message: str, seq: int) -> Breach:
    return Breach(rule=rule, execution=story.execution, seq=seq, message=message)


def _abandoned(notes: Notes, stories: Stories, zero: float) -> Iterator[Breach]:
    """S7: a call is given up as abandoned only where a process ended, or lost what it had."""
    if not notes.judges_cuts:
        return
    cuts = sorted(fault.begun for fault in notes.faults if fault.kind in CUTS)
    for story in stories.values():
        for attempt in story.attempts.values():
            if attempt.end is None or attempt.end["outcome"] != "abandoned":
                continue
            if attempt.kind not in CALLED:
                continue
            begun, ended = ((at - zero) / 1000 for at in (attempt.at, attempt.end["at"]))
            place = bisect_left(cuts, begun - CUT_SECONDS)
            if place == len(cuts) or cuts[place] > ended:
                message = f"'{attempt.task}' was abandoned, and nothing cut it"
                yield _breach("S7", story, message, attempt.end["seq"])


def _late(notes: Notes, stories: Stories, zero: float) -> Iterator[Breach]:
    """S12: once all has healed, timers fire in time."""
    if notes.healed_at is None:
        return
    # What was cut by the last fault is taken up by then.
    quiet = zero + (notes.healed_at + notes.limits.probe_seconds * 3) * 1000
    grace = notes.limits.timer_grace_seconds * 1000
    for story in stories.values():
        for entry in story.fired:
            if entry["due"] >= quiet and entry["at"] > entry["due"] + grace:
                late = entry["at"] - entry["due"]
                message = f"the timer '{entry['timer']}' fired {late} ms late"
                yield _breach("S12", story, message, entry["seq"])
