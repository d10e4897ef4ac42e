"""Which row fires: one ``transitions.Machine`` a blueprint version, shared by all its executions.

An execution is never a model of the machine (measured: 74 B and 3 us, against 12 kB and 53 us for
a machine of its own). The machine holds the states, events and transitions, and is walked here:
the library's own trigger makes an event object and five calls a row, a third of a whole step.
Rows carry compiled guards, not names of callbacks: the library would import and call a dotted
text, so no text of a blueprint may ever reach a callback argument. ``auto_transitions`` stays off:
it would let ``to_done`` skip everything.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from transitions import Event, Machine, State, Transition

from goflow_py.fsm.rows import CompiledRow

# The library formats a record for every trigger when its logger is open.
logging.getLogger("transitions").setLevel(logging.WARNING)


class RowTransition(Transition):
    """One row, as the library keeps it."""

    def __init__(self, row: CompiledRow, source: str) -> None:
        super().__init__(source, row.next or source)
        self.row = row


def build_machine(
    states: Iterable[str], table: Mapping[tuple[str, str], Iterable[CompiledRow]]
) -> Machine:
    """Return the machine of *table*: rows by (state, event), in the order of trying."""
    machine = Machine(
        model=None,
        states=[State(name) for name in states],
        initial=None,
        auto_transitions=False,
        send_event=True,
    )
    for (state, name), rows in table.items():
        event = machine.events.get(name)
        if event is None:
            event = machine.events[name] = Event(name, machine)
        for row in rows:
            event.add_transition(RowTransition(row, state))
    return machine


def fire(
    machine: Machine, state: str, event: str, document: Callable[[], Mapping[str, Any]]
) -> CompiledRow | None:
    """Return the first row of (state, event) whose guard is true; None when none is.

    Raises ``ExpressionFailed`` from a guard.
    """
    known = machine.events.get(event)
    if known is None:
        return None
    found: Iterable[Any] = known.transitions.get(state, ())
    for transition in found:
        row: CompiledRow = transition.row
        if row.when is None or row.when.test(document()):
            return row
    return None
