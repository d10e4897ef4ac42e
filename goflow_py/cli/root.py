"""The command line's frame: the nearest name, values that may be left out, never a traceback."""

import re
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand, TyperGroup

from goflow_py.cli.console import EXIT_FAILED, fail, say
from goflow_py.errors import GoFlowError

if TYPE_CHECKING:
    from typer import Context

ELSEWHERE = {
    "apply": "upload",
    "create": "upload",
    "deploy": "upload",
    "describe": "show",
    "events": "history",
    "exec": "run",
    "fsck": "verify",
    "get": "show",
    "lint": "check",
    "list": "ls",
    "log": "history",
    "logs": "history",
    "ps": "ls",
    "push": "upload",
    "server": "serve",
    "signal": "send",
    "start": "run",
    "status": "show",
    "stop": "cancel",
    "tail": "watch",
    "validate": "check",
}
"""What other tools call it."""


class Root(TyperGroup):
    """All commands: knows their names in other tools, and turns errors into one line."""

    def get_command(self, ctx: "Context", cmd_name: str) -> Any:
        """Return a command; the wrong one's name is looked up below."""
        found = super().get_command(ctx, cmd_name)
        if found is None and ELSEWHERE.get(cmd_name) in self.commands:
            ctx.fail(f"No such command '{cmd_name}'. Did you mean '{ELSEWHERE[cmd_name]}'?")
        return found

    def invoke(self, ctx: "Context") -> Any:
        """Run a command; what it could not do is one line and an exit code."""
        try:
            return super().invoke(ctx)
        except GoFlowError as error:
            fail(error)
        except (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError) as error:
            if sys.flags.dev_mode:
                raise
            say(
                f"goflow: a mistake of goflow's own: {type(error).__name__}: {error}; "
                "please report it (python -X dev -m goflow_py shows where)"
            )
            raise typer.Exit(EXIT_FAILED) from None


OPTIONAL = {
    "--wait": re.compile(r"\d|PT?\d"),
    "--workers-mock": re.compile(r"[^-]"),
}
"""Options whose value may be left out, and what the next word looks like if it is the value."""


class OptionalValues(TyperCommand):
    """A command with options whose value may be left out: ``--wait``, ``--wait=10``."""

    def parse_args(self, ctx: "Context", args: list[str]) -> list[str]:
        """Give the options that stand alone an empty value."""
        return super().parse_args(ctx, list(_filled(args)))


def _filled(args: list[str]) -> Iterator[str]:
    for number, word in enumerate(args):
        if word == "--":
            yield from args[number:]
            return
        following = args[number + 1] if number + 1 < len(args) else ""
        alone = word in OPTIONAL and not OPTIONAL[word].match(following)
        yield f"{word}=" if alone else word
