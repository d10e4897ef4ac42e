"""The entries of a history: one JSON object each, the wire form and the stored form at once.

An entry carries all that the fold needs, so that the head can be computed from the history alone.
``seq`` and ``at`` (milliseconds since 1970) are added by the draft.

========================  ==========================================================================
type                      fields
========================  ==========================================================================
``started``               project, activity, version, input, data, key, labels, traceparent; of a
                          child: parent, root, depth, machine
``transition``            from, event, action, to, visit, entered; data, businessStatus
``taskScheduled``         task, action, kind, single, visit, input; missing, errand, and the facts
                          of ``execution.FACTS``
``attemptStarted``        task, attempt, worker, priority, visit; skipped, child, accepted (from the
                          beginning: a child, or who claimed it)
``attemptAccepted``       task, attempt, httpStatus
``attemptEnded``          task, attempt, worker, visit, outcome, httpStatus, ms; error, counts,
                          notBefore, response, via, unknown (it may have done the work)
``taskEnded``             task, visit, outcome, output, error; action (of a skipped one), undo (what
                          compensates it), businessStatus, ignored
``timerSet``              timer, due; noted (work that waits for the timer ``delay``)
``timerFired``            timer, due
``timerCancelled``        timer
``eventApplied``          name, data, id, principal, task, passedTo (tasks whose machines took it)
``eventDeferred``         name, data, id, reason (``defer``, or ``paused`` with the input that is
                          held: an event, or the outcome of a task), input
``eventIgnored``          name, id, reason
``lateIgnored``           task, attempt, visit, what
``errorRaised``           error: the engine's own, where no work ended with one
``dataChanged``           data
``control``               verb, reason, principal, and what the verb needs: unwinding, state,
                          event, output, forget, alone
``ended``                 status, error, output, undigested
========================  ==========================================================================
"""

from collections.abc import Mapping
from typing import Any, Literal

Entry = dict[str, Any]

EntryType = Literal[
    "started",
    "transition",
    "taskScheduled",
    "attemptStarted",
    "attemptAccepted",
    "attemptEnded",
    "taskEnded",
    "timerSet",
    "timerFired",
    "timerCancelled",
    "eventApplied",
    "eventDeferred",
    "eventIgnored",
    "lateIgnored",
    "errorRaised",
    "dataChanged",
    "control",
    "ended",
]

AttemptOutcome = Literal["success", "error", "timeout", "abandoned", "superseded"]

ErrorValue = Mapping[str, Any]
"""``{code, message, state, action, status?, worker?, attempts?}``."""
