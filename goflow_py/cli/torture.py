"""``goflow torture``: the engine in a simulated world full of faults, on your machine."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from goflow_py.cli.console import EXIT_FAILED, show, show_json
from goflow_py.cli.session import Json

if TYPE_CHECKING:
    from goflow_py.torture.fleet import Totals

PROGRESS_RUNS = 50
SEEDS = 1_000_000_000
NODES_MAX = 16

Nodes = Annotated[
    int, typer.Option("--nodes", min=1, max=NODES_MAX, help="Servers that share one store.")
]
Jobs = Annotated[
    int | None, typer.Option("--jobs", min=1, max=256, help="Processes; one a core by default.")
]
Save = Annotated[
    Path | None,
    typer.Option("--save", file_okay=False, help="Where the notes of a failed run go."),
]


def torture(
    minutes: Annotated[
        float, typer.Option("--minutes", min=0.01, max=100_000, help="How long.")
    ] = 1.0,
    seed: Annotated[
        int | None,
        typer.Option("--seed", min=1, help="Only this run, to look at what failed in it."),
    ] = None,
    first: Annotated[
        int | None, typer.Option("--first", min=1, help="The first of them; else any.")
    ] = None,
    stories: Annotated[
        int,
        typer.Option("--stories", min=0, help="Crash at every point of so many stories instead."),
    ] = 0,
    nodes: Nodes = 1,
    jobs: Jobs = None,
    save: Save = None,
    as_json: Json = False,
) -> None:
    """Simulate crashes, failing disks and workers, jumping clocks; check every promise.

    Each seed is a run that is always the same: its engine, its store and its history are the real
    ones, time and the world are simulated. With several nodes they also take over from each other,
    and wake up late. Exits 1 when a promise did not hold, with the seed.
    """
    from goflow_py.clock import SystemClock
    from goflow_py.torture.fleet import torture as play

    if stories and nodes > 1:
        said = "crash points are of one server: leave out --stories or --nodes"
        raise typer.BadParameter(said, param_hint="--nodes")
    with _folder(save):
        totals = play(
            seconds=minutes * 60,
            first=seed or first or (1 if stories else round(SystemClock().random() * SEEDS)),
            runs=None if seed is None else 1,
            points=stories,
            nodes=nodes,
            jobs=jobs if seed is None else 1,
            save=save,
            on_result=_say_nothing if as_json else _progress,
        )
    if as_json:
        show_json(totals.as_json())
    else:
        _report(totals, nodes)
    if not totals.ok:
        raise typer.Exit(EXIT_FAILED)


@contextlib.contextmanager
def _folder(save: Path | None) -> Iterator[None]:
    """Make the directory of the notes before the first run; remove it if none of them failed."""
    if save is None:
        yield
        return
    is_new = not save.exists()
    try:
        save.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        said = f"{save} cannot be made: {error.strerror}"
        raise typer.BadParameter(said, param_hint="--save") from None
    if not os.access(save, os.W_OK | os.X_OK):
        raise typer.BadParameter(f"{save} cannot be written", param_hint="--save")
    yield
    if is_new:
        with contextlib.suppress(OSError):  # it has notes
            save.rmdir()


def _progress(totals: "Totals") -> None:
    if totals.runs % PROGRESS_RUNS == 0:
        show(_line(totals))


def _say_nothing(_: "Totals") -> None:
    """The totals say it all."""


def _line(totals: "Totals") -> str:
    breaches = sum(totals.rules.values())
    return (
        f"{totals.runs} runs, {sum(totals.faults.values())} faults, "
        f"{totals.executions} executions, {totals.entries} entries, {breaches} breaches"
    )


def _report(totals: "Totals", nodes: int) -> None:
    for kind, count in totals.faults.most_common():
        show(f"{count:>10}  {kind}")
    show(f"{_line(totals)}; {totals.virtual_seconds / 3600:.1f} hours of virtual time")
    for said in totals.broken:
        show(f"a process of the simulation ended by itself: {said}")
    for result in totals.failed:
        for breach in result["breaches"]:
            show(_breach(result["name"], breach))
    seeds = [result["name"] for result in totals.failed if result["name"].startswith("seed ")]
    if seeds:
        cell = f" --nodes {nodes}" if nodes > 1 else ""
        show(f"see it again with: goflow torture --{seeds[0]}{cell} --save DIRECTORY")


def _breach(name: str, breach: dict[str, Any]) -> str:
    place = "" if breach["seq"] is None else f" at {breach['seq']}"
    return f"{name}: {breach['rule']} {breach['execution']}{place}: {breach['message']}"
