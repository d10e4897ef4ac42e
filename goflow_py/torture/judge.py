"""The judge of a fault test: what the witnesses saw against what the store holds.

The rules are those of ``docs/guarantees.md``. Here are the ones that need witnesses; what a store
shows by itself is ``engine.checker``'s, and ``judge_all`` asks both. Pure: nothing is read, no time
is asked, the same notes and the same snapshot give the same breaches.

What got no answer may have happened or not, but at most once.
"""

from goflow_py.engine import checker
from goflow_py.engine.checker import Breach
from goflow_py.torture import judge_clients, judge_times, judge_whole, judge_workers
from goflow_py.torture.judge_store import Stored, story
from goflow_py.torture.notes import Notes


def judge(notes: Notes, stored: Stored) -> list[Breach]:
    """Return every breach of a rule that needs witnesses."""
    stories = {execution: story(execution, rows) for execution, rows in stored.records.items()}
    return [
        *judge_clients.breaches(notes, stored, stories),
        *judge_workers.breaches(notes, stories),
        *judge_whole.breaches(notes, stored, stories),
        *judge_times.breaches(notes, stories),
    ]


def judge_all(notes: Notes, stored: Stored) -> list[Breach]:
    """Return every breach: the histories' own, and those that need witnesses."""
    found = judge_store(stored)
    # Histories that are not whole tell nothing about what anybody saw.
    return found or judge(notes, stored)


def judge_store(stored: Stored) -> list[Breach]:
    """Return every breach that the histories show by themselves."""
    found: list[Breach] = []
    for head in stored.heads.values():
        compiled = stored.compiled(head)
        if compiled is None:
            message = f"version {head.version} of {head.project}/{head.activity} is gone"
            found.append(Breach(rule="S4", execution=head.id, seq=None, message=message))
            continue
        workers = stored.workers.get((head.project, head.activity))
        found += checker.verify(head, stored.records[head.id], compiled, workers=workers)
    return found
