"""What a state does around its work: subscriptions, and notifications (section 4 of the language).

A setup is work of the visit. A teardown and a notification are errands: they belong to no visit,
are repeated until they succeed or are given up, and never change where the execution goes.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from goflow_py.domain.execution import Execution, Status, Task
from goflow_py.domain.names import ERROR
from goflow_py.errors import Conflict, ExpressionFailed
from goflow_py.fsm import work
from goflow_py.fsm.draft import Draft
from goflow_py.fsm.rows import CompiledAction
from goflow_py.fsm.timers import set_timer

if TYPE_CHECKING:
    from goflow_py.fsm.step import Digest

SETUP = "+setup"
NOTIFY = "notify"
"""The kind of an errand that tells an endpoint."""
ERRANDS_MAX = 1_000
"""Open at once, in one execution; more are left out, and the history says so."""


def set_up(digest: "Digest", _: Mapping[str, Any]) -> bool:
    """Begin the state's setup before its work; tell whether that work has to wait."""
    subscribe = digest.state.subscribe
    draft = digest.draft
    if subscribe is None or subscribe.setup is None:
        return False
    old = draft.after.tasks.get(SETUP)
    if old is not None and old.ended_well:
        return False
    action = digest.compiled.actions[subscribe.setup]
    task = work.schedule(
        draft, action, name=SETUP, again=old is not None, key=f"{draft.after.visit}/+setup"
    )
    if task.outcome == ERROR:
        digest.outcome(ERROR)
    return not task.ended_well


def was_set_up(digest: "Digest", task: Task) -> None:
    """Go on after the setup: with the work that it came before, or with its ``error``."""
    if task.outcome == ERROR:
        digest.outcome(ERROR)
        return
    digest.noted = entry_work(digest.draft.after)
    # Kept events found no open wait when the state was entered: they are offered once more.
    digest.visit_before = -1


def entry_work(execution: Execution) -> dict[str, Any]:
    """Return the work that the entry into the state noted."""
    action = execution.entered_with
    return {"start": True} if action is None else {"action": action}


def leave(digest: "Digest", event: str) -> None:
    """Order what is due when the state is left: its teardown, its notification."""
    execution, before = digest.draft.after, digest.draft.before
    if execution.ended:
        return
    if before.ended and before.status is not Status.FAILED and before.visit == execution.visit:
        return  # its end was when the state was left
    subscribe = digest.state.subscribe
    if subscribe is not None and subscribe.teardown is not None and _was_begun(digest):
        setup = execution.tasks.get(SETUP)
        data = {"setup": setup.facts.get("output") if setup is not None else None, "event": event}
        _order_teardown(digest, digest.compiled.actions[subscribe.teardown], data)
    notify(digest, "left", event)


def _was_begun(digest: "Digest") -> bool:
    """Tell whether there is something to tear down in this visit."""
    subscribe = digest.state.subscribe
    setup = digest.draft.after.tasks.get(SETUP)
    if subscribe is None or subscribe.setup is None:
        return True
    return setup is not None and (setup.ended_well or setup.attempts > 0)


def _order_teardown(digest: "Digest", action: CompiledAction, data: Mapping[str, Any]) -> None:
    draft = digest.draft
    if _is_full(draft, "+teardown"):
        return
    task = work.schedule(
        draft,
        action,
        name=f"+teardown:{draft.after.seq + 1}",
        sees={"result": data},
        input=data,
        errand=True,
        key=f"{draft.after.visit}/+teardown",
    )
    if task.open:
        _let_it_be_found(draft, task.name)


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
    """Order the work of a visited state once more; its end replaces the output.

    Raises ``ExpressionFailed`` where its input cannot be rendered, ``Conflict`` when too many wait.
    """
    draft = digest.draft
    if len(draft.after.errands) >= ERRANDS_MAX:
        raise Conflict(
            f"the execution has {ERRANDS_MAX} teardowns, notifications and replays to do already; "
            "replay later",
            code="too_many_errands",
        )
    number = draft.after.seq + 1
    errand = work.schedule(
        draft,
        action,
        name=f"+replay:{number}",
        errand=True,
        key=f"{draft.after.last_visits[state]}/replay/{number}",
        replaces=[state, task],
    )
    if errand.error is not None:
        raise ExpressionFailed(errand.error["message"])
    _let_it_be_found(draft, errand.name)


def _order(digest: "Digest", what: str, kind: str, action: str, data: Any, **facts: Any) -> None:
    draft = digest.draft
    if _is_full(draft, f"+{what}"):
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
        key=f"{visit}/{name}",
        **facts,
    )
    _let_it_be_found(draft, name)


def _is_full(draft: Draft, what: str) -> bool:
    """Tell whether nothing more can be ordered; the history shows what is left out."""
    if len(draft.after.errands) < ERRANDS_MAX:
        return False
    draft.add("eventIgnored", name=what, id=None, reason="too_many_errands")
    return True


def _let_it_be_found(draft: Draft, name: str) -> None:
    """Give an errand a timer: it finds it again after a crash, and after the execution's end."""
    set_timer(draft, f"task:{name}:retry", 0)
