"""The command line: ``goflow``. Commands load what they need when they run, so that help is quick.

Exit codes: 0 good, 1 failed, 2 wrong usage, 3 invalid (findings), 4 no server answers.
"""

from typing import Annotated

import typer

from goflow_py.cli import (
    access,
    act,
    audit,
    batch,
    copies,
    dev,
    documents,
    drawings,
    limits,
    look,
    server,
    start,
    tasks,
    torture,
    watch,
)
from goflow_py.cli.root import OptionalValues, Root

__all__ = ["app", "main"]

app = typer.Typer(
    name="goflow",
    cls=Root,
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


def _assemble() -> None:
    def add(panel: str, **commands: object) -> None:
        for name, command in commands.items():
            made = app.command(name, cls=OptionalValues, rich_help_panel=panel)
            made(command)  # type: ignore[type-var]

    add("Server", serve=server.serve, dev=dev.dev, config=server.config)
    add("Blueprints", check=documents.check, upload=documents.upload, schema=documents.schema)
    add("Blueprints", graph=drawings.graph, diff=drawings.diff)
    add("Executions", run=start.run, ls=look.list_executions, show=look.show_execution)
    add("Executions", watch=watch.watch, why=look.why, history=look.history, send=act.send)
    add("Operators", retry=act.retry, pause=act.pause, resume=act.resume, cancel=act.cancel)
    add("Operators", terminate=act.terminate, skip=act.skip, goto=act.goto, replay=act.replay)
    add("Administration", workers=access.workers, verify=audit.verify)
    add("Administration", backup=copies.backup, restore=copies.restore)
    add("Administration", torture=torture.torture)
    app.add_typer(tasks.tasks, name="tasks", rich_help_panel="Executions")
    app.add_typer(batch.batch, name="batch", rich_help_panel="Operators")
    app.add_typer(access.endpoint, name="endpoint", rich_help_panel="Administration")
    app.add_typer(access.key, name="key", rich_help_panel="Administration")
    app.add_typer(limits.limits, name="limits", rich_help_panel="Administration")


_assemble()
