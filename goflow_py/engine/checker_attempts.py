"""The attempts of one execution, entry by entry: S7, S9, S22."""

from collections.abc import Callable
from typing import Any, get_args

from goflow_py.domain.execution import Execution, Task
from goflow_py.domain.history import AttemptOutcome, Entry
from goflow_py.domain.workers import Worker
from goflow_py.engine.attempts import ABANDONED_FREE_MAX
from goflow_py.engine.backoff import RetryDefaults, exhausted
from goflow_py.engine.calls import key_of
from goflow_py.engine.stand_ins import QUEUED, Workers, used_of, workers_of
from goflow_py.fsm.compile import Compiled
from goflow_py.fsm.errands import NOTIFY
from goflow_py.fsm.rows import CALLS

DEFAULTS = RetryDefaults()
FREE = frozenset({"success", "superseded"})
"""Ends of attempts that cost no budget."""
OUTCOMES = frozenset(get_args(AttemptOutcome))
Note = Callable[[str, Entry, str], None]


class Attempts:
    """What is known of the attempts so far; *folded* is the execution before each entry."""

    def __init__(
        self,
        folded: Execution,
        compiled: Compiled,
        workers: Workers | None,
        breach: Note,
        *,
        by_engine: bool,
    ) -> None:
        self._folded = folded
        self._compiled = compiled
        self._workers = workers
        self._breach = breach
        self._by_engine = by_engine
        self._priority: dict[str, int] = {}
        self._tried: dict[str, set[Any]] = {}
        self._skipped: set[str] = set()
        self._keys: dict[str, tuple[str, int | None]] = {}

    def reopened(self) -> None:
        """Forget the order of the workers: a verb goes on from the first."""
        self._priority.clear()

    # ------------------------------------------------------------ S9: keys

    def scheduled(self, entry: Entry) -> None:
        """Check that the work is the blueprint's, and its Idempotency-Key is its own."""
        name = entry["task"]
        task = self._folded.work(name)
        if task is not None and task.open:
            self._breach("S7", entry, f"task '{name}' is scheduled twice")
        self._priority.pop(name, None)
        self._tried.pop(name, None)
        self._skipped.discard(name)
        action = self._compiled.actions.get(entry["action"])
        if entry["kind"] != NOTIFY and (action is None or action.kind != entry["kind"]):
            if entry["kind"] != "each":
                message = f"the blueprint has no action '{entry['action']}' of this type"
                self._breach("S4", entry, message)
        self._judge_place(entry)
        is_own = "key" not in entry
        key = key_of("", entry["visit"], name, single=entry["single"], own=entry.get("key"))
        work = (name, entry["visit"]) if is_own else (name.partition(":")[0], None)
        if self._keys.setdefault(key, work) != work:
            self._breach("S9", entry, f"the key '{key[1:]}' of '{name}' is of other work, too")

    def _judge_place(self, entry: Entry) -> None:
        """S4: the work is where the blueprint has it."""
        name, state = entry["task"], self._compiled.states.get(self._folded.state)
        if name.startswith("+"):
            single, errand = False, not name.startswith(("+undo", "+setup"))
        else:
            spec = state.task(name) if state is not None else None
            # The action of a row, in place of the graph, may be named as one of its tasks.
            single, errand = spec is None or entry["single"], False
        if (entry["single"], bool(entry.get("errand"))) != (single, errand):
            self._breach("S4", entry, f"the blueprint does not have '{name}' here")

    # ------------------------------------------------------------ S7: begun

    def started(self, entry: Entry) -> None:
        """Check that an attempt is the next one, in its time, of whose turn it is."""
        task = self._folded.work(entry["task"])
        if task is None or not task.open:
            self._breach("S7", entry, f"an attempt of '{entry['task']}', which is not open")
            return
        if task.call is not None:
            self._breach("S7", entry, f"a second open attempt of '{task.name}'")
        if entry["attempt"] != task.attempts + 1:
            self._breach("S7", entry, f"attempt {entry['attempt']} after {task.attempts}")
        if task.kind in QUEUED:
            not_before = max(task.waits.values(), default=0)
        else:
            not_before = task.waits.get(entry["worker"], 0)
        if entry["at"] < not_before:
            self._breach("S7", entry, f"attempt {entry['attempt']} begins before its time")
        if self._by_engine:
            self._judge_budget(task, entry)
        self._judge_priority(task, entry)

    def _judge_budget(self, task: Task, entry: Entry) -> None:
        """S7: budgets are kept to, and priorities are in order, open breakers last."""
        workers: tuple[Worker, ...] = ()
        if task.kind not in CALLS or self._workers is not None:
            workers = workers_of(self._compiled, task, self._workers or {})
        endpoint, queued = entry["worker"], task.kind in QUEUED
        found = [one for one in workers if queued or one.worker_endpoint == endpoint]
        if workers and not found:
            self._breach("S7", entry, f"'{endpoint}' is no worker of '{task.action}'")
        elif found and entry["priority"] != found[0].priority:
            self._breach("S7", entry, f"'{endpoint}' is not of priority {entry['priority']}")
        elif found and used_of(task, endpoint) > found[0].retry_count:
            self._breach(
                "S7", entry, f"an attempt of '{task.name}' beyond the budget of its worker"
            )
        elif found and task.kind in CALLS:
            self._judge_passed_over(task, entry, workers)

    def _judge_passed_over(self, task: Task, entry: Entry, workers: tuple[Worker, ...]) -> None:
        """Who has a better priority is exhausted, or its breaker is open."""
        skipped = entry.get("skipped", ())
        elapsed = (entry["at"] - task.since) / 1000
        for other in workers:
            endpoint = other.worker_endpoint
            if other.priority >= entry["priority"] or endpoint in skipped:
                continue
            used = used_of(task, endpoint)
            if not exhausted(other, used=used, elapsed_seconds=elapsed, defaults=DEFAULTS):
                self._breach("S7", entry, f"'{endpoint}' comes before '{entry['worker']}'")

    def _judge_priority(self, task: Task, entry: Entry) -> None:
        """Nobody goes back to a worker of a better priority that was given up.

        One that was never asked before may be new: workers are replaced while work goes on.
        """
        before, priority = self._priority.get(task.name), entry["priority"]
        tried = self._tried.setdefault(task.name, set())
        known = (entry["worker"], priority) in tried
        if before is not None and priority < before and known and task.name not in self._skipped:
            self._breach("S7", entry, f"priority {priority} after priority {before}")
        tried.add((entry["worker"], priority))
        self._priority[task.name] = priority
        if entry.get("skipped"):
            self._skipped.add(task.name)

    # ------------------------------------------------------------ S7: closed

    def accepted(self, entry: Entry) -> None:
        """Check that what was accepted is the open attempt, once."""
        task = self._folded.work(entry["task"])
        call = None if task is None else task.call
        if call is None or call.attempt != entry["attempt"] or call.accepted:
            message = f"attempt {entry['attempt']} is accepted, but does not wait for it"
            self._breach("S7", entry, message)

    def ended(self, entry: Entry) -> None:
        """Check that what is closed is the open attempt, and what that costs."""
        task, outcome = self._folded.work(entry["task"]), entry["outcome"]
        call = None if task is None else task.call
        if task is None or call is None or call.attempt != entry["attempt"]:
            self._breach("S7", entry, f"attempt {entry['attempt']} is closed, but is not open")
            return
        if call.worker != entry["worker"] or call.started_at + entry["ms"] != entry["at"]:
            self._breach("S7", entry, f"attempt {entry['attempt']} is not closed as it was begun")
        if outcome not in OUTCOMES:
            self._breach("S7", entry, f"an attempt cannot end as '{outcome}'")
        counts = entry.get("counts", 0)
        if outcome == "abandoned":
            right = counts == (1 if task.abandoned >= ABANDONED_FREE_MAX else 0)
        elif outcome == "timeout":
            right = counts >= ("error" in entry)  # without an error, the task ends with it
        else:
            right = counts == 0 if outcome in FREE else counts >= 1
        if self._by_engine and not right:
            self._breach("S7", entry, f"an attempt that ended as '{outcome}' counts as {counts}")

    def late(self, entry: Entry) -> None:
        """S22: what came too late came for an attempt that was over."""
        task = self._folded.work(entry["task"])
        if entry["attempt"] is None or task is None:
            return
        is_here = entry["visit"] == self._folded.visit or entry["task"].startswith("+")
        lapsed = self._folded.timers.get(f"task:{task.name}:lease", entry["at"] + 1) <= entry["at"]
        if lapsed:
            return  # a lease runs on while the execution is paused, and its timer does not
        if is_here and task.call is not None and task.call.attempt == entry["attempt"]:
            self._breach("S22", entry, f"attempt {entry['attempt']} was open, and was not too late")
        elif is_here and entry["attempt"] > task.attempts:
            self._breach("S22", entry, f"attempt {entry['attempt']} was never begun")
