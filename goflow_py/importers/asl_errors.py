"""Retry and Catch of the States Language: the retries of workers, the guards of ``error`` rows."""

from typing import Any, Final

from goflow_py.importers.asl_models import Retrier
from goflow_py.importers.asl_paths import quoted
from goflow_py.importers.asl_scope import Steps
from goflow_py.importers.result import Losses, pointer

OF_CHILDREN: Final = frozenset({"States.ALL", "States.TaskFailed", "States.BranchFailed"})
"""The errors of a Parallel or a Map that can be told from others."""
RETRIES_MAX: Final = 1_000
EVERYTHING: Final = frozenset({"States.ALL", "States.TaskFailed"})

LATE: Final = ("timeout", "lease_expired")
"""Our codes of what the States Language calls States.Timeout."""
_CODES: Final = {
    "States.NoChoiceMatched": "no_branch",
    "States.ParameterPathFailure": "expression",
    "States.ResultPathMatchFailure": "expression",
    "States.IntrinsicFailure": "expression",
    "States.QueryEvaluationError": "expression",
    "States.BranchFailed": "child_failed",
    "States.DataLimitExceeded": "too_large",
    "States.Http.Socket": "unreachable",
}
_GROUPS: Final = frozenset(
    {"States.TaskFailed", "States.Permissions", "States.Timeout", "States.HeartbeatTimeout"}
)
_STATUS: Final = "States.Http.StatusCode."


def retry_of(retriers: list[Retrier], losses: Losses, at: Steps) -> dict[str, Any]:
    """Return ``retryCount`` and ``retry`` of a worker, or of an action.

    There is one policy for all errors that are worth another attempt: the retrier for everything,
    else the first one. What the others say is reported.
    """
    if not retriers:
        return {"retryCount": 0}
    chosen = next((i for i, one in enumerate(retriers) if EVERYTHING & set(one.errors)), 0)
    for i, one in enumerate(retriers):
        where = pointer(*at, "Retry", i)
        if i != chosen:
            shown = ", ".join(one.errors)[:120]
            message = f"retries are not told apart by error: those for {shown} are left out"
            losses.drops(where, message)
        elif not EVERYTHING & set(one.errors):
            shown = ", ".join(one.errors)[:120]
            message = (
                f"retries are not told apart by error: those for {shown} hold for all transport "
                "errors, timeouts and server errors"
            )
            losses.drops(where, message)
    one = retriers[chosen]
    if one.attempts > RETRIES_MAX:
        where = pointer(*at, "Retry", chosen, "MaxAttempts")
        losses.drops(where, f"at most {RETRIES_MAX} retries are possible")
    found: dict[str, Any] = {"retryCount": min(one.attempts, RETRIES_MAX)}
    if one.attempts:
        found["retry"] = {
            "interval": one.interval,
            "backoffRate": one.rate,
            # Without one of its own the server's would hold, which is shorter than theirs.
            "maxInterval": one.delay_max or _longest(one),
            "jitter": one.jitter.lower(),
        }
    return found


_DELAY_SECONDS_MAX: Final = 31_536_000.0


def _longest(one: Retrier) -> float:
    delay = max(one.interval, 0)
    for _ in range(min(one.attempts, RETRIES_MAX)):
        delay = min(delay * max(one.rate, 1), _DELAY_SECONDS_MAX)
    return max(delay, one.interval)


def error_guard(errors: list[str]) -> str | None:
    """Return the guard of a Catch; ``None`` when it catches everything."""
    if "States.ALL" in errors:
        return None
    codes = [_CODES.get(name, name) for name in errors if not _is_group(name)]
    if {"States.Timeout", "States.HeartbeatTimeout"} & set(errors):
        codes = [*LATE, *codes]
    tests = []
    if codes:
        shown = [quoted(code) for code in dict.fromkeys(codes)]
        tests.append(
            f"error.code = {shown[0]}" if len(shown) == 1 else f"error.code in [{', '.join(shown)}]"
        )
    for name in errors:
        if name == "States.TaskFailed":
            tests.append('$not(error.code in ["timeout", "lease_expired"])')
        elif name == "States.Permissions":
            tests.append("error.status in [401, 403]")
        elif name.startswith(_STATUS) and name.removeprefix(_STATUS).isdigit():
            tests.append(f"error.status = {int(name.removeprefix(_STATUS))}")
    return " or ".join(tests) or "false"


def _is_group(name: str) -> bool:
    by_status = name.startswith(_STATUS) and name.removeprefix(_STATUS).isdigit()
    return by_status or name in _GROUPS
