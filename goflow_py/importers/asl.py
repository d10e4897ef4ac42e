"""Amazon States Language: a state machine as a blueprint.

- A state keeps its name. ``$.data.input`` is the input of the state that runs; each row to the next
  state sets it to what ResultPath, OutputPath or ``Output`` make of it. Variables of ``Assign``
  are variables.
- A Task is an action with the state's name, a Wait a ``delay``, a Pass that computes a ``map``; a
  Choice has ``always`` rows (no rule true, no Default: ``error`` ``no_branch``); a Fail gives
  ``{"Error", "Cause"}`` as the output of a failed execution.
- A branch of Parallel, and what a Map does with each item, is a machine; the state's work is the
  graph of the tasks that start them.

A path that leads nowhere gives null, where theirs raises an error: one warning says so.
"""

from typing import Any, Final

from goflow_py.importers.asl_flow import Flow
from goflow_py.importers.asl_models import Definition, State
from goflow_py.importers.asl_scope import JSONPATH, Scope, Sight, Steps, assigned
from goflow_py.importers.asl_states import TAKEN, WHAT, Part, Whole
from goflow_py.importers.names import Names
from goflow_py.importers.result import Imported, our_name, pointer, read, refuse

NESTING_MAX: Final = 16
"""Machines in machines."""
_ENDS: Final = frozenset({"Choice", "Succeed", "Fail"})


def import_document(document: Any, *, project: str | None, activity: str | None) -> Imported:
    """Return a state machine as a blueprint. Raises ``Invalid``.

    A definition bears no name: without *activity* it is called ``state_machine``, and without
    *project* its project is ``asl``.
    """
    definition = read(Definition, document, what=WHAT)
    whole = Whole()
    blueprint: dict[str, Any] = {
        "project": our_name(project, "asl", field="project", what=WHAT),
        "activity": our_name(activity, "state_machine", field="activity", what=WHAT),
    }
    machine = Machine(whole=whole, definition=definition, scope=Scope(assigned(definition.states)))
    blueprint |= machine.document()
    if whole.workers:
        blueprint["workers"] = whole.workers
    if whole.machines:
        blueprint["machines"] = whole.machines
    if machine.reads_paths:
        message = "a path that leads nowhere gives null here, where it was an error"
        whole.losses.drops("", message)
    return Imported(blueprint=blueprint, findings=whole.losses.findings())


class Machine:
    """One state machine: the whole one, a branch, or what is done with each item."""

    def __init__(
        self,
        *,
        whole: Whole,
        definition: Definition,
        scope: Scope,
        at: Steps = (),
        language: str = JSONPATH,
        depth: int = 0,
    ) -> None:
        if depth > NESTING_MAX:
            refuse(pointer(*at), f"it is nested more than {NESTING_MAX} deep", what=WHAT)
        self.whole, self.scope, self.definition, self.at = whole, scope, definition, at
        self.language, self.depth = definition.language or language, depth
        self.reads_paths = False
        fit = Names(definition.states, taken=TAKEN)
        self.names = {name: whole.names.new(fit.of(name)) for name in definition.states}
        self.states: list[Any] = []
        self.actions: list[dict[str, Any]] = []
        self.rows: list[dict[str, Any]] = []

    def document(self) -> dict[str, Any]:
        """Return the machine: states, actions and rows."""
        definition, given = self.definition, "$.input.input"
        if self.depth == 0:
            # An execution that is started without an input has an empty object there.
            given = "${ input = null ? {} : input }"
        start = self.named(definition.start, (*self.at, "StartAt"))
        entry = {"current": "init", "event": "start", "next": start, "set": {"input": given}}
        self.rows.append(entry)
        for name, document in definition.states.items():
            self._state(name, document, (*self.at, "States", name))
        found: dict[str, Any] = {"states": self.states}
        if definition.comment:
            found["description"] = definition.comment
        if self.actions:
            found["actions"] = self.actions
        found |= {"transitions": self.rows, "data": {"input": None}, "output": "$.data.input"}
        if definition.timeout is not None:
            found["timeout"] = definition.timeout
        for name in definition.model_extra or ():
            message = f"'{name[:80]}' is not known, and left out"
            self.whole.losses.drops(pointer(*self.at, name), message)
        if definition.processor.get("Mode") == "DISTRIBUTED":
            message = "a distributed Map runs as any other here"
            self.whole.losses.drops(pointer(*self.at, "ProcessorConfig"), message)
        return found

    def named(self, name: str, at: Steps) -> str:
        if name not in self.names:
            refuse(pointer(*at), f"there is no state '{name[:80]}'", what=WHAT)
        return self.names[name]

    # ------------------------------------------------------------ states

    def _state(self, name: str, document: Any, at: Steps) -> None:
        state = read(State, document, what=f"{WHAT}: state '{name[:80]}'")
        language = state.language or self.language
        self.reads_paths = self.reads_paths or language == JSONPATH
        sight = Sight(scope=self.scope, losses=self.whole.losses, language=language, state=name)
        flow = Flow(state=state, sight=sight, at=at)
        flow.check()
        part = Part(machine=self, flow=flow, name=self.names[name])
        if state.type not in _ENDS and state.next is None and not state.end:
            refuse(pointer(*at), "it needs 'Next' or 'End'", what=WHAT)
        entry: dict[str, Any] = {"name": part.name}
        if state.comment:
            entry["description"] = state.comment
        if part.name != name:
            entry["meta"] = {"name": name}
        entry |= part.fields()
        self.states.append(part.name if entry == {"name": part.name} else entry)

    def inner(self, document: Any, at: Steps, name: str, *, is_map: bool = False) -> Scope:
        """Convert a machine below this one, called *name*; return its scope."""
        definition = read(Definition, document, what=f"{WHAT}{pointer(*at)}")
        scope = Scope(assigned(definition.states), parent=self.scope, is_map=is_map)
        inner = Machine(
            whole=self.whole,
            definition=definition,
            scope=scope,
            at=at,
            language=self.language,
            depth=self.depth + 1,
        )
        self.whole.machines[name] = inner.document()
        self.reads_paths = self.reads_paths or inner.reads_paths
        return scope
