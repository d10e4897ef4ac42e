"""Whom a business key means: the executions that have it, newest first."""

from goflow_py.domain.execution import ENDED, Execution, Status
from goflow_py.engine.heads import readable
from goflow_py.ports import Filter, Store

OPEN_STATUSES = tuple(str(status) for status in Status if status not in ENDED)
MATCHES_MAX = 100
"""Executions that one event by key goes to."""


async def with_key(
    store: Store,
    key: str,
    *,
    project: str | None,
    activity: str | None = None,
    ended_too: bool = False,
) -> list[Execution]:
    """Return the executions that have *key*, as they are in the store now.

    *project* None: of all projects. With *ended_too*, those that ended as well.
    """
    which = Filter(
        project=project,
        activity=activity,
        key=key,
        status=() if ended_too else OPEN_STATUSES,
    )
    page = await store.list(which, limit=MATCHES_MAX, cursor=None)
    return readable(page.items)
