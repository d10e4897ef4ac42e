"""The command line: ``goflow``. Commands load what they need when they run, so that help is quick.

Exit codes: 0 good, 1 failed, 2 wrong usage, 3 invalid (findings), 4 no server answers.
"""

from typing import Annotated, Any

import typer

from goflow_py.cli.root import OptionalValues, Root
from goflow_py.cli.shelf import Place, Shelf

__all__ = ["app", "main"]


def _places() -> dict[str, Place]:
    """Return every command, in the order of the help."""
    found: dict[str, Place] = {}

    def add(panel: str, **places: str) -> None:
        for name, place in places.items():
            module, _, attribute = place.partition(".")
            found[name] = Place(module=f"{__name__}.{module}", name=attribute, panel=panel)

    add("Server", serve="server.serve", dev="dev.dev", config="server.config")
    add("Blueprints", check="documents.check", upload="documents.upload")
    add("Blueprints", schema="documents.schema", graph="drawings.graph", diff="drawings.diff")
    add("Executions", run="start.run", ls="look.list_executions", show="look.show_execution")
    add("Executions", watch="watch.watch", why="look.why", history="look.history", send="act.send")
    add("Operators", retry="act.retry", pause="act.pause", resume="act.resume")
    add("Operators", cancel="act.cancel", terminate="act.terminate", skip="act.skip")
    add("Operators", goto="act.goto", replay="act.replay")
    add("Administration", workers="access.workers", nodes="nodes.nodes", verify="audit.verify")
    add("Administration", backup="copies.backup", restore="copies.restore", move="move.move")
    add("Administration", torture="torture.torture")
    add("Executions", tasks="tasks.tasks")
    add("Operators", batch="batch.batch")
    add("Administration", endpoint="access.endpoint", key="access.key", limits="limits.limits")
    return found


class _Commands(Root):
    """All commands of goflow."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = Shelf(_places(), kind=OptionalValues)


app = typer.Typer(
    name="goflow",
    cls=_Commands,
    help="A durable orchestrator for HTTP microservices: State x Event -> Actions, State'.",
    epilog="Exit codes: 0 good, 1 failed, 2 wrong usage, 3 invalid, 4 no server answers.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["--help", "-h"]},
)


def main() -> None:
    """Run the command line."""
    app(prog_name="goflow")


def _version(wanted: bool) -> None:
    if wanted:
        from goflow_py import __version__

        typer.echo(f"goflow {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    pass
