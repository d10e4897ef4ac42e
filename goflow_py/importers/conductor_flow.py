"""Conductor's order of tasks as states and rows."""

from typing import Any, Final

from goflow_py.domain.names import ENGINE_EVENTS
from goflow_py.importers.asl_paths import (
    EXPRESSION_CHARACTERS_MAX,
    Untranslatable,
    place,
    quoted,
)
from goflow_py.importers.conductor_models import Task, TaskDef
from goflow_py.importers.conductor_plan import (
    IN_GRAPH,
    WHAT,
    Branch,
    Node,
    Whole,
    branch_ends,
)
from goflow_py.importers.conductor_refs import Scope
from goflow_py.importers.conductor_scripts import choice, condition
from goflow_py.importers.conductor_tasks import Work, called
from goflow_py.importers.names import Names, slug
from goflow_py.importers.result import pointer, refuse

_FINAL: Final = {"COMPLETED": "completed", "FAILED": "failed", "TERMINATED": "cancelled"}
_FORKS: Final = ("FORK_JOIN", "FORK", "FORK_JOIN_DYNAMIC")
_JAVASCRIPT: Final = (None, "javascript", "graaljs")


class Machine:
    """The whole workflow, or a branch that needs states of its own."""

    def __init__(self, *, whole: Whole, scope: Scope) -> None:
        self.whole, self.scope, self.losses = whole, scope, whole.losses
        self.states: list[Any] = []
        self.actions: list[dict[str, Any]] = []
        self.rows: list[dict[str, Any]] = []
        self.data: dict[str, Any] = {}
        self.delays: dict[str, float] = {}

    def document(self, nodes: list[Node]) -> dict[str, Any]:
        """Return states, actions, rows and variables."""
        start = self._sequence(nodes, "done")
        rows = [{"current": "init", "event": "start", "next": start}, *self.rows]
        for row in rows:
            if row["next"] in self.delays:
                row["delay"] = self.delays[row["next"]]
        found: dict[str, Any] = {"states": self.states}
        if self.actions:
            found["actions"] = self.actions
        found["transitions"] = rows
        return found | ({"data": self.data} if self.data else {})

    # ------------------------------------------------------------ one after the other

    def _sequence(self, nodes: list[Node], after: str) -> str:
        """Write tasks that follow each other; return the state that is first."""
        following = after
        targets: list[str] = []
        for i in reversed(range(len(nodes))):
            targets.append(following)
            joins = nodes[i].task.type == "JOIN" and i > 0 and nodes[i - 1].task.type in _FORKS
            following = following if joins else nodes[i].name
        for i, (node, target) in enumerate(zip(nodes, reversed(targets), strict=True)):
            before = nodes[i - 1] if i else None
            if node.task.type == "JOIN" and before is not None and before.task.type in _FORKS:
                continue
            self._node(node, target, nodes[i + 1] if i + 1 < len(nodes) else None)
        return following

    def _node(self, node: Node, after: str, following: Node | None) -> None:
        task = node.task
        if task.start_delay:
            self.delays[node.name] = task.start_delay
        match task.type:
            case "SWITCH" | "DECISION":
                self._switch(node, after)
            case "DO_WHILE":
                self._loop(node, after)
            case "FORK_JOIN" | "FORK":
                self._fork(node, after, following)
            case "FORK_JOIN_DYNAMIC":
                self._dynamic_fork(node, after)
            case "TERMINATE":
                self._terminate(node)
            case "NOOP":
                self._state(node)
                self._row(node.name, "success", after)
            case "WAIT":
                self._work(node, after)
            case _ if task.type in IN_GRAPH:
                self._work(node, after)
            case _:
                message = f"a task of type {task.type[:80]} has no counterpart"
                self._changes(node, "type", message)
                self._state(node)
                self._row(node.name, "success", after)

    def _state(self, node: Node, **fields: Any) -> None:
        entry: dict[str, Any] = {"name": node.name}
        if node.task.description:
            entry["description"] = node.task.description
        if node.name != node.task.ref:
            entry["meta"] = {"name": node.task.ref}
        entry |= fields
        self.states.append(node.name if entry == {"name": node.name} else entry)

    def _row(self, current: str, event: str, target: str, **fields: Any) -> None:
        self.rows.append({"current": current, "event": event, "next": target, **fields})

    def _changes(self, node: Node, field: str, message: str) -> None:
        self.losses.changes(pointer(*node.at, field), message)

    # ------------------------------------------------------------ work

    def _action(self, node: Node) -> dict[str, Any]:
        work = Work(
            task=node.task,
            name=node.name,
            scope=self.scope,
            at=node.at,
            definition=self._definition(node.task),
            workers=self.whole.workers,
        )
        action = work.action()
        if action["type"] == "wait":
            self.whole.events[node.name] = {}
        return action

    def _definition(self, task: Task) -> TaskDef | None:
        return task.task_definition or self.whole.definitions.get(task.name)

    def _work(self, node: Node, after: str) -> None:
        self.actions.append(self._action(node))
        self._state(node)
        self._row(node.name, "success", after)

    # ------------------------------------------------------------ decisions

    def _switch(self, node: Node, after: str) -> None:
        cases = {key[1:]: part for key, part in node.parts.items() if key}
        labels = Names(cases, taken=ENGINE_EVENTS | {"default"})
        name, value = self._chosen(node)
        chosen = '"default"'
        for case in reversed(cases):
            chosen = f"{value} = {quoted(case)} ? {quoted(labels.of(case))} : {chosen}"
            if len(chosen) > EXPRESSION_CHARACTERS_MAX:
                refuse(pointer(*node.at), "its cases are too many, or too long", what=WHAT)
        self.actions.append({"name": name, "type": "switch", "expression": chosen})
        if name == node.name:
            self._state(node)
        else:
            self.states.append(name)
        for case, part in cases.items():
            self._row(name, labels.of(case), self._sequence(part, after))
        self._row(name, "default", self._sequence(node.parts[""], after))

    def _chosen(self, node: Node) -> tuple[str, str]:
        """Return the state that decides, and the text that its cases are compared with."""
        task = node.task
        script = task.expression or task.case_expression
        try:
            if task.case_value_param is not None or task.evaluator_type == "value-param":
                name = task.case_value_param or task.expression or ""
                value = self.scope.parameter(task.input_parameters.get(name), ())
                return node.name, f"$string({value})"
            if not script or task.evaluator_type not in _JAVASCRIPT:
                raise Untranslatable("it needs a parameter, or JavaScript, to decide on")
        except Untranslatable as reason:
            self._changes(node, "inputParameters", f"the decision is not supported: {reason}")
            return node.name, '""'
        try:
            text = choice(script, lambda steps: self._parameter(node, steps))
        except Untranslatable:
            return self._scripted(node, script)
        return node.name, f"$string({text})"

    def _scripted(self, node: Node, script: str) -> tuple[str, str]:
        """Let a script find the value first, in the task's own state; another one decides."""
        name = self.whole.names.new(f"{node.name}_case")
        seen = self.scope.template(node.task.input_parameters, (*node.at, "inputParameters"))
        action = {"name": node.name, "type": "script", "input": seen, "script": called(script)}
        self.actions.append(action)
        self._state(node)
        self._row(node.name, "success", name)
        return name, f"$string({place(node.name, 'output', 'result').text})"

    def _parameter(self, node: Node, steps: tuple[str | int, ...]) -> str:
        return self.scope.parameter(node.task.input_parameters, steps)

    # ------------------------------------------------------------ loops

    def _loop(self, node: Node, after: str) -> None:
        counter = self.scope.counters[node.task.ref]
        variable = str(counter.steps[-1]) if counter.steps else node.name
        check = self.whole.names.new(f"{node.name}_check")
        self.data[variable] = 0
        self._state(node)
        body = self._sequence(node.parts["body"], check)
        if body == check:
            self._changes(node, "loopOver", "a loop needs a body")
            body = after
        try:
            script = node.task.loop_condition or ""
            when = condition(script, lambda steps: self._looked_up(node, steps))
        except Untranslatable as reason:
            self._changes(node, "loopCondition", f"the condition is not supported: {reason}")
            when = "false"
        if node.task.optional:
            self._changes(node, "optional", "a loop that may fail is not supported")
        self.actions.append(
            {"name": node.name, "type": "map", "set": {variable: 1}, "value": {"iteration": 1}}
        )
        self._row(node.name, "success", body)
        self.states.append(check)
        again = {variable: f"${{ {counter.text} + 1 }}"}
        self._row(check, "always", body, when=when, set=again)
        self._row(check, "always", after)

    def _looked_up(self, node: Node, steps: tuple[str | int, ...]) -> str:
        """Return what a path in a loop's condition is: a task's outcome, or a parameter."""
        first = steps[0] if steps else None
        if not isinstance(first, str):
            raise Untranslatable("'$' alone")
        if first in node.task.input_parameters:
            return self.scope.parameter(node.task.input_parameters, steps)
        return self.scope.output(first).below(*steps[1:]).text

    # ------------------------------------------------------------ forks

    def _fork(self, node: Node, after: str, join: Node | None) -> None:
        tasks: list[dict[str, Any]] = []
        for branch in node.branches:
            if branch.scope is None:
                tasks += self._chain(branch)
            else:
                tasks.append(self._machine(branch, branch.scope))
        if join is None or join.task.type != "JOIN":
            self._changes(node, "type", "a fork has to be followed by its JOIN")
        elif join.task.join_on and not branch_ends(node) <= set(join.task.join_on):
            self._changes(join, "joinOn", "every branch is awaited: name the last task of each")
        self._state(node, tasks=tasks)
        self._row(node.name, "success", after)

    def _chain(self, branch: Branch) -> list[dict[str, Any]]:
        tasks: list[dict[str, Any]] = []
        for one in branch.nodes:
            if one.task.start_delay:
                self._changes(one, "startDelay", "a task of a fork begins without a delay")
            self.actions.append(self._action(one))
            needs = {"needs": [tasks[-1]["name"]]} if tasks else {}
            tasks.append({"name": one.name, **needs})
        return tasks

    def _machine(self, branch: Branch, scope: Scope) -> dict[str, Any]:
        machine = Machine(whole=self.whole, scope=scope)
        name = self.whole.machine_names.new(branch.name)
        document = machine.document(branch.nodes)
        document["output"] = {
            ref: {"output": value.template} for ref, value in scope.outputs.items()
        }
        self.whole.machines[name] = document
        given = {"input": scope.brought_in()}
        action = {"name": branch.name, "type": "activity", "machine": name, **given}
        self.actions.append(action)
        return {"name": branch.name}

    def _dynamic_fork(self, node: Node, after: str) -> None:
        parameters = node.task.input_parameters
        name, child = parameters.get("forkTaskName"), parameters.get("forkTaskWorkflow")
        items = parameters.get("forkTaskInputs")
        chosen = child if isinstance(child, str) else name
        if items is None or not isinstance(chosen, str) or "${" in chosen:
            message = "tasks cannot be made up: give 'forkTaskName' and 'forkTaskInputs'"
            self._changes(node, "dynamicForkTasksParam", message)
            chosen, items = "task", []
        if chosen is name and chosen in ("HTTP", "INLINE", "EVENT", "WAIT", "HUMAN"):
            self._changes(node, "inputParameters", f"items of type {chosen} are not supported")
        kind = {"type": "activity", "activity": slug(chosen)}
        if chosen is not child:
            kind = {"type": "pull", "queue": slug(chosen)}
        action = self.whole.names.new(f"{node.name}_item")
        self.actions.append({"name": action, **kind, "input": "$.item"})
        where = (*node.at, "inputParameters", "forkTaskInputs")
        each = self.scope.template(items, where)
        self._state(node, tasks=[{"name": "items", "do": action, "each": each}])
        self._row(node.name, "success", after)

    def _terminate(self, node: Node) -> None:
        parameters = node.task.input_parameters
        status = parameters.get("terminationStatus", "COMPLETED")
        if not isinstance(status, str) or status not in _FINAL:
            self._changes(node, "inputParameters", "'terminationStatus' has to be a constant")
            status = "FAILED"
        if self.scope.parent is not None:
            message = "a branch that is a machine of its own ends itself, not the workflow"
            self._changes(node, "type", message)
        fields: dict[str, Any] = {"final": _FINAL[status]}
        where = (*node.at, "inputParameters")
        if "workflowOutput" in parameters:
            output = self.scope.template(parameters["workflowOutput"], (*where, "workflowOutput"))
            fields["output"] = output
        elif "terminationReason" in parameters:
            reason = self.scope.template(
                parameters["terminationReason"], (*where, "terminationReason")
            )
            fields["output"] = {"terminationReason": reason}
        self._state(node, **fields)
