"""How attempts open and close, as changes of a draft: pure, nothing is sent here.

The first attempt of a task is opened in the very record that schedules it, so that "logged first"
(guarantee G4) costs no commit of its own.
"""

from typing import Any, assert_never

from goflow_py.domain.actions import CallAction, QueuedAction
from goflow_py.domain.execution import Task
from goflow_py.domain.values import value
from goflow_py.domain.workers import Worker
from goflow_py.engine.backoff import RetryDefaults, exhausted, pause_seconds
from goflow_py.engine.stand_ins import QUEUED, used_of
from goflow_py.engine.verdict import Acceptance, Definite, Failure, Success, Verdict
from goflow_py.fsm import timers, work
from goflow_py.fsm.compile import Compiled
from goflow_py.fsm.draft import Draft
from goflow_py.fsm.errands import NOTIFY
from goflow_py.ports import Answered, Reply

ABANDONED_FREE_MAX = 4
"""Abandoned attempts of a visit that cost no budget; the fifth counts as failed."""
BODY_KEPT_BYTES = 4_096
HEADERS_KEPT = ("content-type", "retry-after", "goflow-event")
DOUBTFUL = range(500, 600)
"""Answers after which nobody knows whether the work was done: a worker broke, or a gateway."""
HEADER_KEPT_CHARACTERS = 1_024


@value
class Chosen:
    """The worker of the next attempt; *skipped* are those passed over, their breaker being open."""

    worker: Worker
    skipped: tuple[str, ...] = ()


def open_attempt(draft: Draft, task: Task, chosen: Chosen, *, child: str | None = None) -> None:
    """Record that an attempt begins; it may be sent once this is committed.

    One that a *child* execution makes is accepted from the beginning.
    """
    more: dict[str, Any] = {"skipped": list(chosen.skipped)} if chosen.skipped else {}
    if child is not None:
        more |= {"child": child, "accepted": True}
    draft.add(
        "attemptStarted",
        task=task.name,
        attempt=task.attempts + 1,
        worker=chosen.worker.worker_endpoint,
        priority=chosen.worker.priority,
        visit=draft.after.visit,
        **more,
    )


def wait_for_worker(draft: Draft, task: Task, until: int) -> None:
    """Record that the next attempt is due at *until*."""
    timers.set_timer_at(draft, f"task:{task.name}:retry", until)


def give_place(draft: Draft, task: Task) -> None:
    """Close the attempt of a child that cannot go on: another takes its place."""
    work.close_attempt(draft, task, "superseded")


@value
class Closing:
    """What is needed to close an attempt: chance and defaults come from outside."""

    worker: Worker | None
    """Of a failure: as the workers document has it now; None when it is gone from it."""
    defaults: RetryDefaults
    chance: float
    reply: Reply | None = None
    """None: the outcome came by callback, or no call was made."""
    via: str | None = None


def close_attempt(
    compiled: Compiled, draft: Draft, task: Task, verdict: Verdict, closing: Closing
) -> bool:
    """Close the open attempt of *task* by *verdict*; tell whether that decides the task."""
    match verdict:
        case Success():
            _ended(draft, task, "success", closing, status=_status(closing))
            return True
        case Definite():
            worker = task.call.worker if task.call else ""
            fields = {"code": verdict.code, "message": verdict.message, "worker": worker}
            _ended(draft, task, "error", closing, status=verdict.status, error=fields, counts=1)
            return True
        case Acceptance():
            _accepted(compiled, draft, task, closing)
            return False
        case Failure():
            _failed(draft, task, verdict, closing)
            return False
        case _:
            assert_never(verdict)


def end_task(compiled: Compiled, draft: Draft, task: Task, verdict: Success | Definite) -> None:
    """End *task* as *verdict* says; the machine has not moved yet."""
    if isinstance(verdict, Success):
        action = compiled.actions[task.action]
        work.end(draft, action, task.name, verdict.label, output=verdict.output)
    else:
        _end_with(compiled, draft, task, verdict)


def may_wait(compiled: Compiled, task: Task) -> bool:
    """Tell whether a definite no only parks the task."""
    action = compiled.actions.get(task.action)
    model = action.model if action is not None else None
    waits = isinstance(model, QueuedAction) and model.when_failed == "wait"
    return waits and not task.ignores_failure


def end_errand(compiled: Compiled, draft: Draft, task: Task, verdict: Success | Definite) -> None:
    """End a teardown, a notification or a replay alone: nothing moves."""
    action = compiled.actions.get(task.action)
    if task.kind == NOTIFY or action is None:
        _end_notification(draft, task, verdict if isinstance(verdict, Definite) else None)
    elif isinstance(verdict, Success):
        work.end(draft, action, task.name, verdict.label, output=verdict.output)
    else:
        work.end_with_error(draft, action, task.name, verdict.code, verdict.message)


def _end_notification(draft: Draft, task: Task, refusal: Definite | None) -> None:
    work.drop_timers(draft, task.name)
    error = None
    if refusal is not None:
        error = work.error_value(draft, refusal.code, refusal.message, task)
    draft.add(
        "taskEnded",
        task=task.name,
        visit=draft.after.visit,
        outcome="success" if error is None else "error",
        **({} if error is None else {"error": error}),
    )


def hold(draft: Draft, task: Task, verdict: Success | Definite) -> None:
    """Keep the outcome of *task* until the execution is resumed."""
    held = {"kind": "outcome", "task": task.name, "visit": draft.after.visit}
    if isinstance(verdict, Success):
        held |= {"label": verdict.label, "output": verdict.output}
    else:
        held |= {
            "code": verdict.code,
            "message": verdict.message,
            "status": verdict.status,
            "details": dict(verdict.details or {}),
        }
    draft.add("eventDeferred", name=task.name, data=None, reason="paused", input=held)


def held_verdict(held: dict[str, Any]) -> Success | Definite:
    """Return the outcome that ``hold`` kept."""
    if "code" not in held:
        return Success(output=held["output"], label=held["label"])
    return Definite(
        code=held["code"],
        message=held["message"],
        status=held["status"],
        details=held["details"] or None,
    )


def abandon(draft: Draft, task: Task) -> None:
    """Close an attempt that a crash, a drain or the loss of the node cut."""
    counts = 1 if task.abandoned >= ABANDONED_FREE_MAX else 0
    call = task.call
    if call is None:
        return
    draft.add(
        "attemptEnded",
        task=task.name,
        attempt=call.attempt,
        worker=call.worker,
        visit=draft.after.visit,
        outcome="abandoned",
        httpStatus=None,
        ms=draft.now - call.started_at,
        counts=counts,
        error={"code": "abandoned", "message": "the server stopped while the call was in flight"},
    )


def give_up(compiled: Compiled, draft: Draft, task: Task, code: str, message: str) -> None:
    """End *task* as an error: no worker is left to ask."""
    last = task.error or {}
    if task.kind == NOTIFY:
        refusal = Definite(code=last.get("code", code), message=last.get("message", message))
        _end_notification(draft, task, refusal)
        return
    more = {name: last[name] for name in ("status", "worker") if last.get(name) is not None}
    action = compiled.actions[task.action]
    work.end_with_error(
        draft,
        action,
        task.name,
        last.get("code", code),
        last.get("message", message),
        attempts=task.attempts,
        **more,
    )


def _end_with(compiled: Compiled, draft: Draft, task: Task, verdict: Definite) -> None:
    more = {"attempts": task.attempts, **(verdict.details or {})}
    if verdict.status is not None:
        more["status"] = verdict.status
    if task.error is not None and task.error.get("worker"):
        more["worker"] = task.error["worker"]
    action = compiled.actions[task.action]
    work.end_with_error(draft, action, task.name, verdict.code, verdict.message, **more)


def _accepted(compiled: Compiled, draft: Draft, task: Task, closing: Closing) -> None:
    call, model = task.call, compiled.actions[task.action].model
    if call is None:
        return
    draft.add("attemptAccepted", task=task.name, attempt=call.attempt, httpStatus=_status(closing))
    arm_callback(draft, task, model if isinstance(model, CallAction) else None)


def arm_callback(draft: Draft, task: Task, model: CallAction | None) -> None:
    """Promise to look whether the callback came: after a heartbeat's time, else a day."""
    seconds = model.heartbeat_timeout if model else None
    if seconds is None:
        if model and model.timeout is not None:
            return  # the task's own timeout closes it
        seconds = work.CALLBACK_TIMEOUT_SECONDS
    timers.set_timer(draft, f"task:{task.name}:callback", seconds)


def _failed(draft: Draft, task: Task, failure: Failure, closing: Closing) -> None:
    call = task.call
    if call is None:
        return
    worker, used = closing.worker, used_of(task, call.worker)
    error = {"code": failure.code, "message": failure.message, "worker": call.worker}
    if failure.status is not None:
        error["status"] = failure.status  # type: ignore[assignment]  # JSON: a number
    fields: dict[str, int] = {}
    if worker is not None and failure.again:
        pause = pause_seconds(
            worker,
            used=used + 1,
            chance=closing.chance,
            retry_after=failure.retry_after,
            defaults=closing.defaults,
        )
        fields["notBefore"] = draft.now + round(pause * 1000)
    left = (worker.retry_count + 1 - used) if worker is not None else 1
    outcome = "timeout" if failure.code == "timeout" else "error"
    counts = 1 if failure.again else max(left, 1)
    timers.cancel_timer(draft, f"task:{task.name}:callback")
    _ended(
        draft,
        task,
        outcome,
        closing,
        status=failure.status,
        error=error,
        counts=counts,
        not_before=fields.get("notBefore"),
    )
    if worker is not None and failure.again and task.kind in QUEUED:
        _look_at_the_end(draft, task, worker, closing.defaults)


def _look_at_the_end(draft: Draft, task: Task, worker: Worker, defaults: RetryDefaults) -> None:
    """Promise to look when no worker may try queued work again: nobody may poll before."""
    most = worker.retry.max_elapsed
    if most is None:
        return
    again, end = draft.after.work(task.name), task.since + round(most * 1000)
    assert again is not None, "its attempt has just ended"
    used = used_of(again, worker.worker_endpoint)
    elapsed = (draft.now - task.since) / 1000
    if not exhausted(worker, used=used, elapsed_seconds=elapsed, defaults=defaults):
        wait_for_worker(draft, task, max(end, draft.now))


def _ended(
    draft: Draft,
    task: Task,
    outcome: str,
    closing: Closing,
    *,
    status: int | None,
    error: dict[str, str] | None = None,
    counts: int = 0,
    not_before: int | None = None,
) -> None:
    call = task.call
    if call is None:
        return
    fields: dict[str, object] = {}
    if error is not None:
        fields["error"] = error
    if counts:
        fields["counts"] = counts
    if not_before is not None:
        fields["notBefore"] = not_before
    if outcome == "error" and status in DOUBTFUL:
        fields["unknown"] = True
    if closing.via:
        fields["via"] = closing.via
    if isinstance(closing.reply, Answered):
        fields["response"] = _kept(closing.reply)
    draft.add(
        "attemptEnded",
        task=task.name,
        attempt=call.attempt,
        worker=call.worker,
        visit=draft.after.visit,
        outcome=outcome,
        httpStatus=status,
        ms=draft.now - call.started_at,
        **fields,
    )


def _status(closing: Closing) -> int | None:
    return closing.reply.status if isinstance(closing.reply, Answered) else None


def _kept(reply: Answered) -> dict[str, object]:
    """Return what of an answer is kept for people to look at."""
    body = reply.body[:BODY_KEPT_BYTES].decode("utf-8", "replace")
    if "\x00" in body:
        body = body.replace("\x00", "\N{REPLACEMENT CHARACTER}")
    headers = {
        name: reply.headers[name][:HEADER_KEPT_CHARACTERS]
        for name in HEADERS_KEPT
        if name in reply.headers
    }
    return {"headers": headers, "body": body}
