"""Workers of work that has no worker document: what the action, or the errand, says stands in.

So scripts, children, events, queues and notifications have attempts, retries and back-off by the
very code that calls have.
"""

from goflow_py.domain.actions import EmitAction, HumanAction, PullAction, RetriedAction
from goflow_py.domain.execution import Task
from goflow_py.domain.workers import Retry, Worker
from goflow_py.fsm.compile import Compiled
from goflow_py.fsm.errands import NOTIFY
from goflow_py.fsm.rows import CALLS

Workers = dict[str, tuple[Worker, ...]]
"""By action, by priority."""

QUEUED = frozenset({"pull", "human"})
"""Types of work whose attempts somebody claims."""
ERRAND_RETRIES = 20
"""Of a teardown or a notification: with pauses up to a minute about a quarter of an hour."""
ERRAND_RETRY = Retry.model_construct(max_interval=60.0)


def workers_of(compiled: Compiled, task: Task, workers: Workers) -> tuple[Worker, ...]:
    """Return who can do *task*, by priority."""
    if task.kind in CALLS:
        found = workers.get(task.action, ())
        if not task.name.startswith("+teardown"):
            return found
        more = {"retry_count": ERRAND_RETRIES, "retry": ERRAND_RETRY}
        return tuple(worker.model_copy(update=more) for worker in found)
    if task.kind == NOTIFY:
        endpoint = (task.target or {}).get("endpoint", "")
        return (bare_worker(task.action, endpoint, ERRAND_RETRIES, ERRAND_RETRY),)
    model = compiled.actions[task.action].model
    if not isinstance(model, RetriedAction):
        return ()
    return (bare_worker(task.action, _who(compiled, task), model.retry_count, model.retry),)


def called_worker(compiled: Compiled, workers: Workers, task: Task) -> Worker | None:
    """Return whom the open attempt calls, as the workers document has it now; None: gone."""
    endpoint = task.call.worker if task.call is not None else None
    found = workers_of(compiled, task, workers)
    if task.kind in QUEUED:
        return next(iter(found), None)  # the attempt is named after who claimed it
    return next((w for w in found if w.worker_endpoint == endpoint), None)


def used_of(task: Task, endpoint: str) -> int:
    """Return the attempts that count against the budget of a worker.

    Of a queue all are one: an attempt is named after who claimed it.
    """
    return sum(task.used.values()) if task.kind in QUEUED else task.used.get(endpoint, 0)


def bare_worker(name: str, endpoint: str, retry_count: int, retry: Retry) -> Worker:
    """Return a worker of which nothing more is known."""
    return Worker.model_construct(
        name=name,
        worker_endpoint=endpoint,
        retry_count=retry_count,
        response_timeout=30.0,
        priority=1,
        method=None,
        headers={},
        retry=retry,
        max_concurrent=None,
        rate_limit=None,
        signing_secret=None,
        auth=None,
    )


def _who(compiled: Compiled, task: Task) -> str:
    """Return what the history names as the worker, where there is no endpoint."""
    model = compiled.actions[task.action].model
    if isinstance(model, EmitAction) and model.endpoint is not None:
        return model.endpoint
    if task.kind in QUEUED:
        return f"queue:{queue_of(compiled, task)}"
    return task.kind


def queue_of(compiled: Compiled, task: Task) -> str:
    """Return the queue of a ``pull`` or ``human`` task."""
    model = compiled.actions[task.action].model
    return getattr(model, "queue", None) or task.action


def lease_of(compiled: Compiled, task: Task) -> float | None:
    """Return for how long a claim of the task holds, in seconds; None: until it is released."""
    model = compiled.actions[task.action].model
    return model.lease if isinstance(model, PullAction | HumanAction) else None
