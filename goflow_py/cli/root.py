"""The command line's frame: the nearest name, values that may be left out, never a traceback."""

import difflib
import re
import sys
from collections.abc import Iterator
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from goflow_py.cli.console import EXIT_FAILED, fail, say
from goflow_py.errors import GoFlowError

NEAR_RATIO = 0.4
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


class Group(TyperGroup):
    """Commands that know their names in other tools, and the nearest one to a wrong name."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names, in their order."""
        return list(self.commands)  # Typer's own asks for the commands as well, and makes them all

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command; refuse an unknown one with the name that was meant."""
        word = args[0]
        if not (word in self.commands or word.startswith("-") or ctx.resilient_parsing):
            ctx.fail(f"there is no command '{word[:40]}'; {self._hint(ctx, word)}")
        return super().resolve_command(ctx, args)

    def _hint(self, ctx: Any, word: str) -> str:
        near = difflib.get_close_matches(word, list(self.commands), n=1, cutoff=NEAR_RATIO)
        meant = ELSEWHERE.get(word)
        found = meant if meant in self.commands else near[0] if near else None
        return f"did you mean '{found}'?" if found else f"see {ctx.command_path} --help"


class Root(Group):
    """All commands; errors become one line and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command; what it could not do is one line and an exit code."""
        try:
            return super().invoke(ctx)
        except GoFlowError as error:
            fail(error)
        except (typer.Exit, typer.Abort, typer.TyperException, EOFError, BrokenPipeError):
            raise  # these are Typer's to show
        except Exception as error:
            if sys.flags.dev_mode:
                raise
            say(
                f"goflow: a mistake of goflow's own: {type(error).__name__}: {error}; "
                "please report it ('python -X dev -m goflow_py' shows where)"
            )
            raise typer.Exit(EXIT_FAILED) from None


OPTIONAL = {
    "--wait": re.compile(r"\d|PT?\d"),
    "--workers-mock": re.compile(r"[^-]"),
}
"""Options whose value may be left out, and what the next word looks like if it is the value."""


class OptionalValues(TyperCommand):
    """A command with options whose value may be left out: ``--wait``, ``--wait=10``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
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
