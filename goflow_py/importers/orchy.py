"""Orchy: numbered actions, each with the actions that follow it.

An action keeps its id as the name of its state, so that ``$.1.output.key`` stays what it is. A
user action is ``pull`` work on a queue of its Orchy name. What becomes of fan-outs is decided in
``orchy_layout``, what of references in ``orchy_texts``.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field

from goflow_py.domain.blueprint import STATES_MAX
from goflow_py.domain.names import ENGINE_EVENTS, SUCCESS, TIMEOUT
from goflow_py.importers.names import (
    ACTIONS_TAKEN,
    EVENTS_TAKEN,
    STATES_TAKEN,
    TASKS_TAKEN,
    Names,
    meta_of,
)
from goflow_py.importers.orchy_layout import Fork, Layout, Scope, Step
from goflow_py.importers.orchy_texts import DEFAULT, Texts
from goflow_py.importers.result import (
    Foreign,
    Imported,
    Losses,
    our_name,
    pointer,
    read,
    refuse,
    report_unknown,
)

WHAT: Final = "an Orchy workflow"
PROJECT: Final = "orchy"
INTERVAL_SECONDS_UNCAPPED: Final = 60
"""Longer waits between attempts have to be allowed by name."""


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _upper(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value


Handler = Annotated[Literal["", "DELETE", "NOOP"], BeforeValidator(_upper)]


class Action(Foreign):
    """A place in the workflow, and what is done there."""

    id: int
    type: Annotated[Literal["user", "system"], BeforeValidator(_lower)]
    name: str
    parameters: dict[str, Any] | None = None
    next: dict[str, list[int]] | None = None
    expression: str = ""
    join: int = 0
    delaySeconds: int | float = 0  # noqa: N815 - the names of fields are Orchy's
    event: str = ""
    timeoutSeconds: int | float = 0  # noqa: N815

    @property
    def kind(self) -> str:
        """Return what is done: ``user``, or the name of Orchy's own action."""
        return "user" if self.type == "user" else self.name


class Workflow(Foreign):
    """The definition."""

    name: str
    rootAction: int  # noqa: N815
    actions: list[Action] = Field(max_length=STATES_MAX)
    onSuccess: Handler = ""  # noqa: N815
    onFailure: Handler = ""  # noqa: N815


class ActionDefinition(Foreign):
    """How often, and for how long, the workers of a user action are waited for."""

    name: str
    retry_count: Annotated[int, Field(ge=0)] = 0
    retry_after_seconds: Annotated[int | float, Field(ge=0)] = 0
    retry_policy: Annotated[Literal["FIXED", "BACKOFF"], BeforeValidator(_upper)] = "FIXED"
    timeout_seconds: Annotated[int | float, Field(ge=0)] = 0


class Bundle(Foreign):
    """A workflow, and the definitions of the user actions in it."""

    workflow: Workflow
    actionDefinitions: list[ActionDefinition] = Field(default_factory=list)  # noqa: N815


def import_document(document: Any, *, project: str | None, activity: str | None) -> Imported:
    """Return an Orchy workflow as a blueprint. Raises ``Invalid``.

    The document is the workflow, or ``{"workflow": ..., "actionDefinitions": [...]}``.
    """
    if isinstance(document, dict) and "workflow" in document:
        bundle, root = read(Bundle, document, what=WHAT), "/workflow"
    else:
        bundle, root = Bundle(workflow=read(Workflow, document, what=WHAT)), ""
    return _Import(bundle, root).run(project=project, activity=activity)


class _Import:
    def __init__(self, bundle: Bundle, root: str) -> None:
        workflow = bundle.workflow
        self.workflow = workflow
        self.definitions = bundle.actionDefinitions
        self.losses = Losses()
        self.at = {str(a.id): f"{root}/actions/{i}" for i, a in enumerate(workflow.actions)}
        self.actions = _checked(workflow, root)
        awaited = [a.event for a in self.actions.values() if a.kind == "wait"]
        self.events = Names(awaited, taken=EVENTS_TAKEN | {DEFAULT})
        self.labels = Names(
            (label for a in self.actions.values() if a.kind == "switch" for label in a.next or ()),
            taken=ENGINE_EVENTS.union(self.events.of(event) for event in awaited),
        )
        self.queues = Names(a.name for a in self.actions.values() if a.kind == "user")
        self.names = Names(self.actions, taken=STATES_TAKEN | ACTIONS_TAKEN | TASKS_TAKEN)
        self.root = root

    def run(self, *, project: str | None, activity: str | None) -> Imported:
        steps = self._steps()
        self._report()
        layout = Layout(
            steps, str(self.workflow.rootAction), names=self.names, losses=self.losses, what=WHAT
        )
        scripts = {
            id_: action.expression
            for id_, action in self.actions.items()
            if action.kind == "javascript"
        }
        texts = Texts(layout, scripts, losses=self.losses)
        documents = {
            scope: [self._action(id_, scope, texts) for id_ in scope.actions()]
            for scope in layout.scopes
        }
        texts.close()
        for scope in layout.scopes[1:]:
            if scope.parent is not None:
                documents[scope.parent].append(_machine_action(scope, texts))
        name = our_name(activity, self.workflow.name, field="activity", what=WHAT)
        blueprint: dict[str, Any] = {
            "project": our_name(project, PROJECT, field="project", what=WHAT),
            "activity": name,
            **self._machine(layout.scopes[0], documents),
        }
        events = {self.events.of(a.event) for a in self.actions.values() if a.kind == "wait"}
        if events:
            blueprint["events"] = {event: {} for event in sorted(events)}
        machines = {
            scope.name: self._machine(scope, documents, output=texts.given(scope))
            for scope in layout.scopes[1:]
        }
        if machines:
            blueprint["machines"] = machines
        if self.workflow.onSuccess == self.workflow.onFailure == "DELETE":
            blueprint["retain"] = 0
        meta = meta_of(self.workflow.name, name)
        if self.events.changed():
            meta["events"] = self.events.changed()
        if meta:
            blueprint["meta"] = meta
        return Imported(blueprint=blueprint, findings=self.losses.findings())

    # ------------------------------------------------------------ the way through it

    def _steps(self) -> dict[str, Step]:
        """Return the actions that can be reached, with our events."""
        exits = {id_: self._exits(action) for id_, action in self.actions.items()}
        queue = [str(self.workflow.rootAction)]
        reached = set(queue)
        for id_ in queue:
            for _, targets in exits[id_]:
                fresh = [one for one in dict.fromkeys(targets) if one not in reached]
                reached.update(fresh)
                queue.extend(fresh)
        for id_ in self.actions.keys() - reached:
            self.losses.drops(self.at[id_], f"no way leads to the action {id_}: it is left out")
        self.actions = {id_: a for id_, a in self.actions.items() if id_ in reached}
        return {
            id_: Step(id=id_, kind=action.kind, pointer=self.at[id_], exits=exits[id_])
            for id_, action in self.actions.items()
        }

    def _exits(self, action: Action) -> tuple[tuple[str, tuple[str, ...]], ...]:
        ways = {event: tuple(map(str, targets)) for event, targets in (action.next or {}).items()}
        default = ways.get(DEFAULT, ())
        match action.kind:
            case "switch":
                return tuple((self.labels.of(label), targets) for label, targets in ways.items())
            case "wait":
                own = action.event in ways and action.event != DEFAULT
                event = self.events.of(action.event) if own else SUCCESS
                exits = [(event, ways[action.event] if own else default)]
                if action.timeoutSeconds > 0:
                    exits.append((TIMEOUT, default))
                return tuple(exits)
            case _:
                return ((SUCCESS, default),)

    def _report(self) -> None:
        """Report what has no place here."""
        workflow = self.workflow
        report_unknown(workflow, self.losses, *self.root.split("/")[1:], what=WHAT)
        if (workflow.onSuccess == "DELETE") != (workflow.onFailure == "DELETE"):
            message = "an execution is kept alike whether it succeeds or fails: none is deleted"
            self.losses.drops(f"{self.root}/onSuccess", message, fix="set both to DELETE")
        for id_, action in self.actions.items():
            at = self.at[id_]
            report_unknown(action, self.losses, *at.split("/")[1:], what=WHAT)
            if action.join:
                self.losses.drops(f"{at}/join", "Orchy makes no use of 'join', neither do we")
            known = {DEFAULT, action.event} if action.kind == "wait" else {DEFAULT}
            for event in (action.next or {}).keys() - known if action.kind != "switch" else ():
                message = f"'{event}' never happens here"
                self.losses.drops(at + pointer("next", event), message)

    # ------------------------------------------------------------ documents

    def _machine(
        self,
        scope: Scope,
        documents: dict[Scope, list[dict[str, Any]]],
        *,
        output: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        machine: dict[str, Any] = {
            "states": [self._state(state) for state in scope.states],
            "actions": documents[scope],
            "transitions": [
                {"current": current, "event": event, "next": following}
                for current, event, following in scope.rows
            ],
        }
        return {**machine, "output": output} if output else machine

    def _state(self, state: str | Fork) -> dict[str, Any] | str:
        if isinstance(state, str):
            return _named(state, self.names)
        tasks = [_task(id_, needs, self.names) for id_, needs in state.tasks]
        return {"name": state.name, "tasks": [*tasks, *({"name": m.name} for m in state.machines)]}

    def _action(self, id_: str, scope: Scope, texts: Texts) -> dict[str, Any]:
        action, at = self.actions[id_], self.at[id_]
        document: dict[str, Any] = {"name": self.names.of(id_)}
        given = action.parameters or {}
        match action.kind:
            case "user":
                # Without parameters it gets none: left out, it would get the execution's input.
                given = texts.parameters(given, scope, f"{at}/parameters")
                document |= {"type": "pull", "queue": self.queues.of(action.name), "input": given}
                document |= self._retries(action.name)
                document |= _meta(self.queues.meta(action.name))
            case "javascript":
                script = texts.script(action.expression, scope, f"{at}/expression")
                document |= {"type": "script", "script": script}
            case "switch":
                renamed = {one: self.labels.of(one) for one in action.next or ()}
                renamed = {k: v for k, v in renamed.items() if k != v or k == DEFAULT}
                document |= {
                    "type": "switch",
                    "expression": texts.switch(
                        action.expression, scope, f"{at}/expression", renamed=renamed
                    ),
                }
            case "delay":
                document |= {"type": "delay", "seconds": action.delaySeconds}
            case "wait":
                document |= {"type": "wait", "event": self.events.of(action.event)}
                if action.timeoutSeconds > 0:
                    document["timeout"] = action.timeoutSeconds
            case "jsonmapper":
                given = texts.parameters(given, scope, f"{at}/parameters")
                document |= {"type": "map", "value": given}
            case kind:
                message = f"the system action '{kind[:80]}' is not known: it does nothing here"
                self.losses.changes(f"{at}/name", message)
                document |= {"type": "map"}
        return document

    def _retries(self, name: str) -> dict[str, Any]:
        """Return how the attempts of a user action are repeated, as far as that is known."""
        found = [(i, one) for i, one in enumerate(self.definitions) if one.name == name]
        if not found:
            return {}
        i, definition = found[-1]
        # Orchy counts attempts, we count what follows the first one.
        count = max(definition.retry_count - 1, 0)
        interval = definition.retry_after_seconds
        retry: dict[str, Any] = {"interval": interval, "backoffRate": 1, "jitter": "none"}
        if definition.retry_policy == "BACKOFF":
            # It waits 2, 3, 4 ... times as long; two waits are the same as with a rate of 1.5.
            retry |= {"interval": interval * 2, "backoffRate": 1.5}
            if count > 2:
                message = "waits between attempts grow by half each, in Orchy by one interval each"
                self.losses.drops(pointer("actionDefinitions", i, "retry_policy"), message)
            interval *= max(definition.retry_count, 2)
        if interval > INTERVAL_SECONDS_UNCAPPED:
            retry["maxInterval"] = interval
        lease = {"lease": definition.timeout_seconds} if definition.timeout_seconds else {}
        return {**lease, "retryCount": count, "retry": retry}


def _machine_action(machine: Scope, texts: Texts) -> dict[str, Any]:
    return {
        "name": machine.name,
        "type": "activity",
        "machine": machine.name,
        "input": texts.taken(machine),
    }


def _named(id_: str, names: Names) -> dict[str, Any] | str:
    meta = names.meta(id_)
    return {"name": names.of(id_), "meta": meta} if meta else id_


def _task(id_: str, needs: tuple[str, ...], names: Names) -> dict[str, Any]:
    needed = {"needs": [names.of(one) for one in needs]} if needs else {}
    return {"name": names.of(id_), **needed, **_meta(names.meta(id_))}


def _meta(meta: dict[str, Any]) -> dict[str, Any]:
    return {"meta": meta} if meta else {}


# ---------------------------------------------------------------- what Orchy refuses


def _checked(workflow: Workflow, root: str) -> dict[str, Action]:
    """Return the actions by their ids. Raises ``Invalid``."""
    actions: dict[str, Action] = {}
    for i, action in enumerate(workflow.actions):
        if str(action.id) in actions:
            refuse(f"{root}/actions/{i}", f"the action {action.id} is there twice", what=WHAT)
        actions[str(action.id)] = action
    if str(workflow.rootAction) not in actions:
        message = f"there is no action {workflow.rootAction}"
        refuse(f"{root}/rootAction", message, what=WHAT)
    for i, action in enumerate(workflow.actions):
        for problem in _problems(action, actions):
            refuse(f"{root}/actions/{i}", problem, what=WHAT)
    return actions


def _problems(action: Action, actions: dict[str, Action]) -> Iterator[str]:
    for targets in (action.next or {}).values():
        for target in targets:
            if str(target) not in actions:
                yield f"there is no action {target} to go on with"
    match action.kind:
        case "switch" if not action.expression.strip() or not action.next:
            yield "a switch needs an 'expression' and 'next'"
        case "javascript" if not action.expression.strip():
            yield "a javascript action needs an 'expression'"
        case "delay" if action.delaySeconds <= 0:
            yield "a delay needs 'delaySeconds' above 0"
        case "wait" if not action.event:
            yield "a wait needs an 'event'"
        case _:
            pass
