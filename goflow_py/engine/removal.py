"""Deleting an ended execution, and the private machines that were parts of it."""

from goflow_py.engine.heads import readable
from goflow_py.engine.memory import Memory
from goflow_py.errors import Conflict, Moved, Unavailable
from goflow_py.ports import Filter, Store

CHILDREN_PAGE = 200


async def remove(store: Store, memory: Memory, execution: str) -> None:
    """Delete an ended execution; nothing can open it again meanwhile. Raises ``Conflict``."""
    live = await memory.enter(execution)
    try:
        async with live.lock:
            if memory.epoch(execution) != live.epoch:
                raise Moved(execution)
            if not live.execution.ended:
                raise Conflict(
                    f"the execution is {live.execution.status}; cancel or terminate it first",
                    code="not_ended",
                )
            if live.execution.errands:
                raise Conflict(
                    "teardowns or notifications of the execution are still to be made; "
                    "delete it when they have ended",
                    code="errands_open",
                    errands=list(live.execution.errands),
                )
            is_gone = await store.delete(execution, seq=live.execution.seq)
            memory.forget(live)
            if not is_gone and await store.head(execution) is not None:
                raise Unavailable("the execution moved on elsewhere; try again", code="fenced")
            await _remove_machines(store, memory, execution)
    finally:
        memory.leave(live)


async def _remove_machines(store: Store, memory: Memory, parent: str) -> None:
    """Delete the machines of a deleted execution with it: they were parts of it."""
    cursor = None
    while True:
        page = await store.list(Filter(parent=parent), limit=CHILDREN_PAGE, cursor=cursor)
        for child in readable(page.items):
            if child.machine is not None and child.ended:
                await store.delete(child.id, seq=child.seq)
                if (live := memory.get(child.id)) is not None:
                    memory.forget(live)
                await _remove_machines(store, memory, child.id)
        if page.next is None:
            return
        cursor = page.next
