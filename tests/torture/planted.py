"""Bugs that are planted in the product, one at a time, to see that the harness finds them.

They are patches of a test: nothing of them is in the product. Each is a mistake that a system of
this kind has really made (`R...` are the regressions that it stands for).
"""

import asyncio
import math
import sqlite3
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import pytest

from goflow_py.domain.execution import Execution, Task
from goflow_py.engine import attempts, callbacks, calls, claims, executions, inputs, records
from goflow_py.engine import commits as commits_
from goflow_py.engine.batcher import Batcher
from goflow_py.engine.catalog import Catalog
from goflow_py.engine.commits import Commits
from goflow_py.engine.family import Family
from goflow_py.engine.mailbox import Mailbox
from goflow_py.engine.memory import Memory
from goflow_py.engine.orchestrator import Orchestrator
from goflow_py.engine.ownership import Ownership
from goflow_py.engine.routed import RoutedExecutions
from goflow_py.engine.supervisor import Supervisor
from goflow_py.engine.tokens import read_token
from goflow_py.engine.uptake import Uptake
from goflow_py.errors import Unavailable
from goflow_py.fsm import events, fold, timers
from goflow_py.fsm.draft import Draft
from goflow_py.fsm.step import Digest
from goflow_py.ports import Committed, Fenced, Message, Verdict, Write
from goflow_py.store.sqlite import commit as commit_
from goflow_py.store.sqlite import jobs
from goflow_py.store.sqlite.changes import Changes, Order
from goflow_py.torture.disk import Disk
from goflow_py.torture.loop import Host
from goflow_py.torture.nemesis import EVERY_SECONDS, NODES_EVERY_SECONDS
from goflow_py.torture.run import simulate
from goflow_py.torture.stage import template
from goflow_py.torture.world import Counters, World

COMES_BY_ITSELF = {**EVERY_SECONDS, **NODES_EVERY_SECONDS}

Plant = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True)
class Bug:
    """A mistake, and the rules of which at least one has to be broken by it."""

    name: str
    plant: Plant
    rules: frozenset[str]
    seeds: int = 100
    """So many runs are enough to find it."""
    needs: Mapping[str, float] = field(default_factory=dict)
    """Faults that it needs, where they are rare: with their rate, or the seconds between two."""
    nodes: int = 1
    """Processes on one store."""

    def prepare(self, world: World) -> None:
        """Let a run have the faults that it needs."""
        for kind, number in self.needs.items():
            (world.every if kind in COMES_BY_ITSELF else world.weather)[kind] = number


BUGS: list[Bug] = []


def bug(*rules: str, seeds: int = 100, nodes: int = 1, **needs: float) -> Callable[[Plant], Plant]:
    faults = {kind.replace("_", " "): number for kind, number in needs.items()}

    def add(plant: Plant) -> Plant:
        name = plant.__name__.replace("_", " ")
        BUGS.append(Bug(name, plant, frozenset(rules), seeds, faults, nodes))
        return plant

    return add


# ---------------------------------------------------------------- acknowledgements


@bug("S2")
def a_repeated_start_begins_a_second_execution(patch: pytest.MonkeyPatch) -> None:
    """R12: the key is accepted, and ignored."""
    own = executions._start_names
    patch.setattr(
        executions,
        "_start_names",
        lambda execution, key, _, now: own(execution, key, None, now),
    )


@bug("S1", "S13", "S16", "S3", "S8")
def it_is_acknowledged_before_it_is_committed(patch: pytest.MonkeyPatch) -> None:
    own = Batcher.submit

    def submit(self: Batcher, write: Write) -> "asyncio.Future[Verdict]":
        own(self, write)
        done: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        done.set_result(Committed())
        return done

    patch.setattr(Batcher, "submit", submit)


@bug("S8", "S9")
def a_call_goes_out_before_its_attempt_is_committed(patch: pytest.MonkeyPatch) -> None:
    own = Commits._send

    async def send(self: Commits, changed: Any, writes: Any) -> Any:
        for member in changed:
            before, member.live.execution = member.live.execution, member.draft.after
            self._carry_out(member, before)
        return await own(self, changed, writes)

    patch.setattr(Commits, "_send", send)


@bug("S13")
def an_event_that_comes_early_is_acknowledged_and_not_kept(patch: pytest.MonkeyPatch) -> None:
    """R13: the dedup record is written, the effect is not."""
    patch.setattr(events, "_keep", lambda draft, event, reason: None)


@bug("S13", answer_lost=0.4)
def an_event_with_a_known_id_is_applied_again(patch: pytest.MonkeyPatch) -> None:
    own = executions.event_name
    patch.setattr(
        executions,
        "event_name",
        lambda project, execution, event, answer: replace(
            own(project, execution, event, answer), name=f"{event} {id(answer)}"
        ),
    )


# ---------------------------------------------------------------- what is to be done


@bug("S15", "S5", worker_5xx=0.5)
def a_retry_has_no_timer(patch: pytest.MonkeyPatch) -> None:
    """R1, R8: the work is open, and nothing will ever look at it."""
    patch.setattr(attempts, "wait_for_worker", lambda draft, task, until: None)


@bug("S15")
def nothing_is_taken_up_after_a_restart(patch: pytest.MonkeyPatch) -> None:
    async def recover(self: Uptake, _: Sequence[int]) -> int:
        return 0

    async def nobody(*_: Any, **__: Any) -> None:
        return None

    patch.setattr(Uptake, "recover", recover)
    _blind_the_auditor(patch)


@bug("S15", failed_read=0.2, crash=3.0)
def the_recovery_ends_at_the_first_error_of_the_store(patch: pytest.MonkeyPatch) -> None:
    """R23: the exception is swallowed, and nobody tries again."""
    own = Uptake.recover

    async def recover(self: Uptake, shards: Sequence[int]) -> int:
        try:
            return await own(self, shards)
        except Unavailable:
            return 0

    patch.setattr(Uptake, "recover", recover)
    _blind_the_auditor(patch)


@bug("S15", "S5")
def timers_are_in_memory_only(patch: pytest.MonkeyPatch) -> None:
    own = records.write_of

    def write_of(*args: Any, **fields: Any) -> Write:
        write = own(*args, **fields)
        return replace(write, head=replace(write.head, wake=None))

    patch.setattr(commits_, "write_of", write_of)
    _blind_the_auditor(patch)


@bug("S15")
def a_background_loop_dies_unseen(patch: pytest.MonkeyPatch) -> None:
    """R9: the first trouble ends the loop that looks for due timers, for ever."""

    async def poll_timers(self: Uptake) -> None:
        await asyncio.get_running_loop().create_future()

    patch.setattr(Uptake, "poll_timers", poll_timers)
    _blind_the_auditor(patch)


@bug("S15", disk_full=0.1, slow_disk=0.3)
def one_bad_write_strands_the_rest_of_its_batch(patch: pytest.MonkeyPatch) -> None:
    """R27: an exception drops what else was taken off the queue."""
    from goflow_py.engine import batcher

    def fail(batch: Sequence[Any], error: Unavailable) -> None:
        _, future = batch[0]
        if not future.done():
            future.set_exception(error)
            future.exception()

    patch.setattr(batcher, "_fail", fail)
    _blind_the_auditor(patch)


@bug("S15")
def it_works_on_what_it_did_not_claim(patch: pytest.MonkeyPatch) -> None:
    """R24: the result of the claim is not looked at."""

    def claim(connection: sqlite3.Connection, node: str, limit: int, now: int) -> dict[int, int]:
        return dict.fromkeys(range(limit), 1)

    patch.setattr(jobs, "claim", claim)


# ---------------------------------------------------------------- attempts


@bug("S9")
def every_attempt_has_a_key_of_its_own(patch: pytest.MonkeyPatch) -> None:
    own = calls.idempotency_key

    def key(execution: Execution, task: Task) -> str:
        attempt = task.call.attempt if task.call is not None else 0
        return f"{own(execution, task)}/{attempt}"

    patch.setattr(calls, "idempotency_key", key)


@bug("S7", "S22", "S10", callback_late=0.6, callback_twice=0.6)
def a_late_outcome_ends_the_attempt_that_came_after(patch: pytest.MonkeyPatch) -> None:
    """R14: whatever comes for the task is taken for its open attempt."""

    def open_task(draft: Draft, address: Any) -> Task | None:
        task = draft.after.work(address.task)
        return task if task is not None and task.open and task.call is not None else None

    patch.setattr(callbacks, "open_task", open_task)
    patch.setattr(claims, "open_task", open_task)


@bug("S7", "S5", "S13", callback_twice=0.6)
def a_callback_that_comes_twice_is_taken_twice(patch: pytest.MonkeyPatch) -> None:
    own = callbacks.Callbacks.complete

    async def complete(self: Any, token: str, body: Any, **others: Any) -> Any:
        answer = await own(self, token, body, **others)
        if answer == "duplicate":
            address = read_token(self._token_key, token)

            def again(step: Any) -> None:
                ended = {"outcome": "success", "httpStatus": None, "ms": 0, "worker": "w1"}
                step.draft.add(
                    "attemptEnded",
                    task=address.task,
                    attempt=address.attempt,
                    visit=address.visit,
                    **ended,
                )
                step.draft.close_record()

            await self._owner.apply(address.execution, again)
        return answer

    patch.setattr(callbacks.Callbacks, "complete", complete)


@bug("S7")
def the_retries_begin_anew_after_a_restart(patch: pytest.MonkeyPatch) -> None:
    def exhausted(worker: Any, *, used: int, **others: Any) -> bool:
        return bool(used > worker.retry_count + 4)

    from goflow_py.engine import dispatcher

    patch.setattr(dispatcher, "exhausted", exhausted)


@bug("S7")
def an_abandoned_attempt_uses_up_the_budget(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(attempts, "ABANDONED_FREE_MAX", 0)


@bug("S7", "S12")
def a_retry_does_not_wait(patch: pytest.MonkeyPatch) -> None:
    from goflow_py.engine.dispatcher import Dispatcher

    patch.setattr(Dispatcher, "_not_before", lambda self, execution, task, worker: 0)


@bug("S9", "S7", "S21", "S8")
def a_call_is_sent_again_while_it_is_in_the_air(patch: pytest.MonkeyPatch) -> None:
    """R3: the same attempt is dispatched twice."""
    from goflow_py.engine.flights import Flights

    own = Flights.follow

    def follow(self: Flights, live: Any, after: Execution) -> None:
        own(self, live, after)
        if len(live.calls) == 1 and not after.seq % 5:
            live.calls.clear()
            own(self, live, after)

    patch.setattr(Flights, "follow", follow)


# ---------------------------------------------------------------- the machine


@bug("S4", "S5")
def a_transition_leads_elsewhere(patch: pytest.MonkeyPatch) -> None:
    own = Digest.row_for

    def row_for(self: Digest, event: str) -> Any:
        row = own(self, event)
        if row is not None and row.next == "second":
            return replace(row, next="third")
        return row

    patch.setattr(Digest, "row_for", row_for)


@bug("S3")
def the_time_of_the_history_falls_with_the_clock(patch: pytest.MonkeyPatch) -> None:
    own = Draft.__init__

    def begin(self: Draft, execution: Execution, now: int) -> None:
        own(self, execution, now)
        self.now = now

    patch.setattr(Draft, "__init__", begin)


@bug("S12")
def a_timer_fires_early(patch: pytest.MonkeyPatch) -> None:
    def later(*values: Any) -> Any:
        return values[0] + 500 if len(values) == 2 else min(*values)

    # The bound of `catch_up`, which is the only place that compares two times.
    patch.setattr(inputs, "min", later, raising=False)


@bug("S12")
def a_timer_fires_twice(patch: pytest.MonkeyPatch) -> None:
    own = inputs._fire

    def gone(execution: Execution, entry: Any) -> None:
        execution.timers.pop(entry["timer"], None)

    def fire(compiled: Any, draft: Draft, dispatcher: Any, workers: Any, timer: str) -> None:
        due = draft.after.timers[timer]
        own(compiled, draft, dispatcher, workers, timer)
        if timer not in draft.after.timers and not draft.after.ended:
            draft.add("timerFired", timer=timer, due=due)

    patch.setitem(fold._APPLY, "timerFired", gone)
    patch.setattr(inputs, "_fire", fire)


@bug("S6", "S3", "S5")
def an_end_is_overwritten(patch: pytest.MonkeyPatch) -> None:
    """R2: COMPLETED becomes RUNNING again."""
    own = Digest.end

    def end(self: Digest, *args: Any, **fields: Any) -> None:
        own(self, *args, **fields)
        timers.set_timer(self.draft, "task:ghost:retry", 1.0)

    patch.setattr(Digest, "end", end)


@bug("S4", "S5")
def an_execution_runs_the_newest_version(patch: pytest.MonkeyPatch) -> None:
    async def compiled_for(self: Catalog, execution: Execution) -> Any:
        known = (await self.activity(execution.project, execution.activity)).latest
        return known if execution.machine is None else known.machines[execution.machine]

    patch.setattr(Catalog, "compiled_for", compiled_for)


# ---------------------------------------------------------------- the store


@bug("S3", "S5", "S11", takeover=4.0)
def a_process_that_lost_its_data_still_writes(patch: pytest.MonkeyPatch) -> None:
    """R2: the epoch is not looked at."""
    own = commit_._Batch._look_up

    def look_up(self: Any, members: Any) -> None:
        own(self, members)
        self._epochs = dict.fromkeys(self._epochs, _Any())

    patch.setattr(commit_._Batch, "_look_up", look_up)


class _Any:
    def __eq__(self, _: object) -> bool:
        return True

    def __ne__(self, _: object) -> bool:
        return False

    __hash__ = None  # type: ignore[assignment]


@bug("S3", "S5", "S19")
def head_and_history_are_two_commits(patch: pytest.MonkeyPatch) -> None:
    """R1: the second of the two comes with the next transaction of the process, if it lives."""
    later: dict[str, list[Callable[[sqlite3.Connection], None]]] = {}
    cut: list[Write] = []
    own_add, own_run, own_transact = Changes.add, commit_._Batch.run, Disk.transact

    def add_now(write: Write, order: Order, connection: sqlite3.Connection) -> None:
        changes = Changes(order)
        own_add(changes, write)
        changes.write(connection)
        changes.free(connection)

    def run(self: Any, writes: Any) -> Any:
        cut.clear()
        verdicts = own_run(self, writes)
        later.setdefault(self._node, []).extend(
            partial(add_now, write, self._changes._order) for write in cut
        )
        return verdicts

    def transact(self: Disk, host: Host, job: Callable[[sqlite3.Connection], Any]) -> Any:
        def both(connection: sqlite3.Connection) -> Any:
            for one in later.pop(host.name, []):
                one(connection)
            result = job(connection)
            for node in list(later):
                later[host.name] = later.pop(node)
            return result

        return own_transact(self, host, both)

    patch.setattr(Changes, "add", lambda self, write: cut.append(write))
    patch.setattr(commit_._Batch, "run", run)
    patch.setattr(Disk, "transact", transact)


@bug("S3")
def a_head_is_written_without_its_history(patch: pytest.MonkeyPatch) -> None:
    own = Changes.add

    def add(self: Changes, write: Write) -> None:
        is_cut = write.head.seq % 17 == 0
        own(self, replace(write, records=write.records[:-1]) if is_cut else write)

    patch.setattr(Changes, "add", add)


@bug("S15", "S1", "S2", "S3", "S13", slow_disk=0.3)
def who_reads_before_the_lock_is_believed(patch: pytest.MonkeyPatch) -> None:
    """R3: the lock is there, and everybody has one; the store's own check is gone, too."""
    patch.setattr(Memory, "_lock", lambda self, family: asyncio.Lock())
    own = Family.settle

    async def settle(self: Family) -> None:
        await asyncio.sleep(0.01)
        await own(self)

    patch.setattr(Family, "settle", settle)
    own_refusal = commit_._Batch._refusal

    def refusal(self: Any, write: Write, names: Any) -> Any:
        found = own_refusal(self, write, names)
        is_late = isinstance(found, Fenced) and write.head.id in self._standing
        return None if is_late and not write.start else found

    patch.setattr(commit_._Batch, "_refusal", refusal)


# ---------------------------------------------------------------- what stands beside the histories


@bug("S2")
def a_business_key_is_never_given_back(patch: pytest.MonkeyPatch) -> None:
    own = records.write_of
    patch.setattr(commits_, "write_of", lambda *a, **k: replace(own(*a, **k), freed=[]))


@bug("S15")
def what_stands_on_a_queue_is_never_taken_off(patch: pytest.MonkeyPatch) -> None:
    own = records._queue
    patch.setattr(records, "_queue", lambda *args: own(*args) or None)


@bug("S23")
def the_bytes_of_a_project_are_counted_wrong(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Changes, "_weigh", lambda self, project, more: None)


@bug("S1")
def an_upload_is_acknowledged_and_lost(patch: pytest.MonkeyPatch) -> None:
    own = jobs.upload

    def upload(connection: sqlite3.Connection, wanted: Any) -> Any:
        row = own(connection, wanted)
        connection.execute("ROLLBACK")
        connection.execute("BEGIN IMMEDIATE")
        return row

    patch.setattr(jobs, "upload", upload)


@bug("S7")
def calls_are_abandoned_though_nothing_cut_them(patch: pytest.MonkeyPatch) -> None:
    from goflow_py.engine import owner

    own = inputs.abandon_lost
    asked = 0

    def abandon_lost(draft: Draft, calls: Any) -> None:
        nonlocal asked
        asked += 1
        own(draft, calls if asked % 9 else ())

    patch.setattr(owner, "abandon_lost", abandon_lost)


@bug("S10")
def the_output_of_a_success_is_lost(patch: pytest.MonkeyPatch) -> None:
    from goflow_py.engine.dispatcher import Dispatcher
    from goflow_py.engine.verdict import Success

    own = Dispatcher.close

    def close(self: Any, compiled: Any, draft: Any, task: Any, verdict: Any, **more: Any) -> Any:
        if isinstance(verdict, Success):
            verdict = Success(output=None, label=verdict.label)
        return own(self, compiled, draft, task, verdict, **more)

    patch.setattr(Dispatcher, "close", close)


@bug("S12")
def every_timer_is_twenty_seconds_late(patch: pytest.MonkeyPatch) -> None:
    from goflow_py.engine.timers import Timers

    own = Timers.set

    def late(self: Any, execution: str, due: int | None, *others: Any) -> None:
        own(self, execution, None if due is None else due + 20_000, *others)

    patch.setattr(Timers, "set", late)


@bug("S4")
def compensation_begins_with_the_oldest(patch: pytest.MonkeyPatch) -> None:
    from goflow_py.fsm import undo

    own = undo._begin
    patch.setattr(undo, "_begin", lambda digest, _: own(digest, digest.draft.after.done[0]))


@bug("S21")
def the_calls_at_once_of_a_worker_are_not_limited(patch: pytest.MonkeyPatch) -> None:
    from goflow_py.engine.slots import Slots

    patch.setattr(Slots, "_fits", lambda *_: True)


@bug("S24")
def an_end_is_counted_twice(patch: pytest.MonkeyPatch) -> None:
    own = Counters.ended

    def ended(self: Counters, *facts: Any) -> None:
        own(self, *facts)
        own(self, *facts)

    patch.setattr(Counters, "ended", ended)


# ---------------------------------------------------------------- several nodes


@bug("S15", nodes=2)
def what_a_dead_node_had_is_claimed_and_not_taken_up(patch: pytest.MonkeyPatch) -> None:
    async def take_over(*_: object) -> None:
        return None

    patch.setattr(Orchestrator, "_take_over", take_over)
    _blind_the_auditor(patch)


@bug("S13", nodes=2)
def the_refusal_of_what_was_queued_is_told_to_nobody(patch: pytest.MonkeyPatch) -> None:
    async def note(*_: object) -> None:
        return None

    patch.setattr(RoutedExecutions, "_note", note)


@bug("S13", nodes=2, freeze=3.0)
def who_waits_no_more_takes_the_message_for_lost(patch: pytest.MonkeyPatch) -> None:
    """It is dropped, though its sender was told that it is stored."""

    async def drop(self: Mailbox, message: Message, mail: Any) -> bool:
        if self._clock.now_ms() - message.at > 4_000:
            await self._store.settle(message, None, epoch=self._memory.epoch(message.execution))
            return True
        return await own(self, message, mail)

    own = Mailbox._try
    patch.setattr(Mailbox, "_try", drop)


@bug("S11", nodes=2)
def who_wakes_up_behind_its_lease_commits_what_it_had_begun(patch: pytest.MonkeyPatch) -> None:
    """The epoch is not looked at, the sequence number is."""
    a_process_that_lost_its_data_still_writes(patch)


@bug("S12", "S13", "S15", "S16", nodes=2, pause=6.0)
def a_lease_that_is_over_is_renewed(patch: pytest.MonkeyPatch) -> None:
    """Who slept goes on as if it had not, and does not look at what is left to it."""

    def heartbeat(connection: sqlite3.Connection, node: str, now: int, until: int) -> bool:
        connection.execute("UPDATE nodes SET lease_until = ? WHERE node = ?", (until, node))
        return True

    async def nothing(*_: object) -> None:
        return None

    patch.setattr(jobs, "heartbeat", heartbeat)
    patch.setattr(Ownership, "_compare", nothing)
    patch.setattr(Ownership, "look_at_fences", nothing)


@bug("S16", nodes=2)
def who_does_not_know_whether_its_lease_holds_believes_its_memory(
    patch: pytest.MonkeyPatch,
) -> None:
    patch.setattr(
        Memory, "sure_until", property(lambda _: math.inf, lambda *_: None), raising=False
    )


def _blind_the_auditor(patch: pytest.MonkeyPatch) -> None:
    """Take away the second defence, which would mend what the first one lost."""
    own = Supervisor.every

    def every(self: Supervisor, name: str, turn: Any, **fields: Any) -> None:
        if "watch" not in name and "audit" not in name:
            own(self, name, turn, **fields)

    patch.setattr(Supervisor, "every", every)


def find(name: str) -> int | None:
    """Plant a bug and play seeds until it shows; return how many it took."""
    found = next(bug for bug in BUGS if bug.name == name)
    patch = pytest.MonkeyPatch()
    template()  # made before: the bug is to be found in the runs
    found.plant(patch)
    try:
        for seed in range(1, found.seeds + 1):
            rules = {
                breach.rule
                for breach in simulate(seed, nodes=found.nodes, prepare=found.prepare).breaches
            }
            if rules & found.rules:
                return seed
        return None
    finally:
        patch.undo()


if __name__ == "__main__":
    sys.stdout.write(f"{find(sys.argv[1])}\n")
