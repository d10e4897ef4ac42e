"""Plays an imported blueprint to its end: machines are played as well, work is answered."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.player import Player

STEPS_MAX = 200


@dataclass(frozen=True)
class Failed:
    """An answer that is an error."""

    code: str


Answer = Any | Callable[[Any], Any]


@dataclass
class Played:
    """How an execution ended, and what its work was given."""

    player: Player
    calls: list[tuple[str, Any]] = field(default_factory=list)

    @property
    def status(self) -> str:
        return self.player.status

    @property
    def output(self) -> Any:
        return self.player.execution.output

    @property
    def path(self) -> list[str]:
        return self.player.path()

    def given(self, action: str) -> list[Any]:
        return [value for name, value in self.calls if name == action]


def play(blueprint: Mapping[str, Any], value: Any, answers: Mapping[str, Answer]) -> Played:
    """Run *blueprint*; *answers* say what an action gives, or what makes it of its input."""
    played = Played(Player(dict(blueprint)))
    played.player.start(value)
    _go_on(played, blueprint, answers)
    return played


def _go_on(played: Played, blueprint: Mapping[str, Any], answers: Mapping[str, Answer]) -> None:
    player = played.player
    for _ in range(STEPS_MAX):
        if player.execution.ended:
            return
        task = next(task for task in player.execution.open_tasks() if task.kind != "each")
        model = player.compiled.actions[task.action].model
        machine = getattr(model, "machine", None)
        if task.kind == "delay":
            player.fire()
            continue
        if machine is not None:
            child = _machine(played, machine, task.input, blueprint, answers)
            answer = child.output if child.status == "completed" else Failed("child_failed")
        else:
            played.calls.append((task.action, task.input))
            answer = answers[task.action]
            answer = answer(task.input) if callable(answer) else answer
        if isinstance(answer, Failed):
            player.end_task(task.name, "error", code=answer.code)
        else:
            player.end_task(task.name, output=answer)
    raise AssertionError("it does not end")


def _machine(
    played: Played,
    name: str,
    value: Any,
    blueprint: Mapping[str, Any],
    answers: Mapping[str, Answer],
) -> Played:
    machine = blueprint["machines"][name]
    own = {action["name"] for action in machine.get("actions", ())}
    shared = [action for action in blueprint.get("actions", ()) if action["name"] not in own]
    document = {
        **machine,
        "actions": [*machine.get("actions", ()), *shared],
        "machines": blueprint["machines"],
    }
    child = Played(Player(document), played.calls)
    child.player.start(value)
    _go_on(child, {**blueprint, **document}, answers)
    return child
