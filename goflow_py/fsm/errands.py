"""What a state does around its work: subscriptions, and notifications (section 4 of the language).

A setup is work of the visit. A teardown and a notification are errands: they belong to no visit,
are repeated until they succeed or are given up, and never change where the execution goes.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from goflow_py.domain.execution import Execution, Task
from goflow_py.domain.names import ERROR, INIT
from goflow_py.fsm import work
from goflow_py.fsm.rows import CompiledAction
from goflow_py.fsm.timers import set_timer

if TYPE_CHECKING:
    from goflow_py.fsm.step import Digest

SETUP = "+setup"
NOTIFY = "notify"
"""The kind of an errand that tells an endpoint."""
ERRANDS_MAX = 1_000
"""Open at once, in one execution; more are left out."""


def set_up(digest: "Digest", noted: Mapping[str, Any]) -> bool:
    """Begin the state's setup before its work *noted*; tell whether to wait for it."""
    subscribe = digest.state.subscribe
    draft = digest.draft
    if subscribe is None or subscribe.setup is None or SETUP in draft.after.tasks:
        return False
    action = digest.compiled.actions[subscribe.setup]
    task = work.schedule(draft, action, name=SETUP, key=f"{draft.after.visit}/setup")
    digest.noted = noted
    if not task.open:
        was_set_up(digest, task)
    return True


def was_set_up(digest: "Digest", task: Task) -> None:
    """Go on after the setup: with the state's work, or with its ``error``."""
    if task.outcome == ERROR:
        digest.noted = None
        digest.outcome(ERROR)


def leave(digest: "Digest", event: str) -> None:
    """Order what is due when the state is left: its teardown, its notification."""
    execution = digest.draft.after
    if execution.state == INIT or execution.ended:
        return
    subscribe = digest.state.subscribe
    if subscribe is not None and subscribe.teardown is not None and _was_begun(digest):
        action = digest.compiled.actions[subscribe.teardown]
        setup = execution.tasks.get(SETUP)
        data = {"setup": setup.facts.get("output") if setup is not None else None, "event": event}
        _order(digest, "teardown", action.kind, action.model.name, data)
    notify(digest, "left", event)


def _was_begun(digest: "Digest") -> bool:
    """Tell whether there is something to tear down in this visit."""
    subscribe = digest.state.subscribe
    return subscribe is not None and (subscribe.setup is None or SETUP in digest.draft.after.tasks)


def notify(digest: "Digest", what: str, why: str) -> None:
    """Order a notification, if the state wants one for *what*."""
    state = digest.state
    endpoint = getattr(state.notify, what) if state.notify is not None else None
    if endpoint is None:
        return
    execution = digest.draft.after
    data = {**_facts(execution), "what": what, "event": why}
    _order(digest, f"notify:{what}", NOTIFY, state.name, data, target={"endpoint": endpoint})


def _facts(execution: Execution) -> dict[str, Any]:
    return {
        "executionId": execution.id,
        "project": execution.project,
        "activity": execution.activity,
        "version": execution.version,
        "key": execution.key,
        "state": execution.state,
        "visit": execution.visit,
    }


def order_replay(digest: "Digest", action: CompiledAction, state: str, task: str | None) -> None:
    """Order the work of a visited state once more; its end replaces the output."""
    draft = digest.draft
    number = draft.after.seq + 1
    name = f"+replay:{number}"
    work.schedule(
        draft,
        action,
        name=name,
        errand=True,
        key=f"{draft.after.last_visits[state]}/replay/{number}",
        replaces=[state, task],
    )
    if name in draft.after.errands:
        set_timer(draft, f"task:{name}:retry", 0)


def _order(digest: "Digest", what: str, kind: str, action: str, data: Any, **facts: Any) -> None:
    draft = digest.draft
    if len(draft.after.errands) >= ERRANDS_MAX:
        return
    visit = draft.after.visit
    name = f"+{what}:{draft.after.seq + 1}"
    draft.add(
        "taskScheduled",
        task=name,
        action=action,
        kind=kind,
        single=False,
        errand=True,
        visit=visit,
        input=data,
        key=f"{visit}/{what}",
        **facts,
    )
    # Its timer finds it again, also after a crash and after the execution's end.
    set_timer(draft, f"task:{name}:retry", 0)
