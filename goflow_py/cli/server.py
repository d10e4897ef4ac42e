"""Commands of the server itself: serve, config. Their flags are made of the settings."""

import gc
import inspect
import os
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from goflow_py.cli.console import EXIT_FAILED, EXIT_USAGE, say, show, show_json
from goflow_py.cli.session import Json
from goflow_py.config import SETTINGS, Setting, explain, load
from goflow_py.errors import StartRefused, Unavailable

if TYPE_CHECKING:
    from goflow_py.config import Settings

LISTS = {"endpoint": "ALIAS=URL", "allow_target": "CIDR|HOST"}
"""Flags that may be repeated."""
METAVARS = {"workers_mock": "[SCRIPT]", "data": "FILE|URL", "public_url": "URL"}

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE.toml", help="Settings below flags and variables."),
]


def with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command a flag for every setting; it gets them as ``flags``, None if not given."""

    def run(**given: Any) -> None:
        flags = {name: given.pop(name) for name in SETTINGS}
        command(flags=flags, **given)

    keyword = inspect.Parameter.KEYWORD_ONLY
    own = inspect.signature(command, eval_str=True).parameters.values()
    run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            *(one.replace(kind=keyword) for one in own if one.name != "flags"),
            *(
                inspect.Parameter(name, keyword, default=None, annotation=_flag(setting))
                for name, setting in SETTINGS.items()
            ),
        ]
    )
    run.__annotations__ = {}
    run.__name__ = command.__name__
    run.__doc__ = command.__doc__
    return run


def _flag(setting: Setting) -> Any:
    name, default = setting.name, setting.default
    shown = "" if default is None or default == () or not str(default) else f" [{_text(default)}]"
    option = typer.Option(
        setting.flag,
        metavar=LISTS.get(name) or METAVARS.get(name) or _metavar(default),
        help=f"{setting.doc}{shown if name not in LISTS else ''}",
        show_default=False,
    )
    return Annotated[list[str] | None, option] if name in LISTS else Annotated[str | None, option]


def _text(default: Any) -> str:
    return f"{default:g}" if isinstance(default, float) else str(default)


def _metavar(default: Any) -> str:
    return "N" if isinstance(default, int | float) else "TEXT"


def settings_of(flags: dict[str, Any], config_file: Path | None) -> "Settings":
    """Return the settings; a mistake in them is one line, and exit 2."""
    try:
        return load(flags, os.environ, config_file)
    except StartRefused as error:
        say(f"goflow: {error.detail}")
        raise typer.Exit(EXIT_USAGE) from None


@with_settings
def serve(*, flags: dict[str, Any], config: ConfigFile = None) -> None:
    """Run the server. Prints `ready http://HOST:PORT` when it takes requests."""
    run_server(settings_of(flags, config), on_ready=lambda url: print(f"ready {url}", flush=True))


def run_server(settings: "Settings", *, on_ready: Callable[[str], object]) -> None:
    """Run the server to its end; one that cannot start says why in one line, and exits 1."""
    gc.disable()  # a start makes next to no garbage, and looking for it takes 50 ms
    try:
        with _no_certificates():
            from goflow_py.bootstrap import run
        code = run(settings, on_ready=on_ready)
    except (StartRefused, Unavailable) as error:  # the database may go away while it is read
        say(f"goflow: {error.detail}")
        code = EXIT_FAILED
    finally:
        gc.enable()  # the server itself does so when it is ready
    raise typer.Exit(code)


@contextmanager
def _no_certificates() -> Iterator[None]:
    """Import without reading the machine's certificates.

    aiohttp reads them twice (40 ms, 5 MB) for a client that the server has no use for: its calls
    to workers have a context of their own, which is made when it is needed.
    """
    ssl.SSLContext.set_default_verify_paths = _read_nothing  # type: ignore[assignment]
    try:
        yield
    finally:
        del ssl.SSLContext.set_default_verify_paths  # its parent's shows again


def _read_nothing(_: ssl.SSLContext) -> None:
    """Leave a context without certificates: it trusts nobody."""


@with_settings
def config(*, flags: dict[str, Any], config: ConfigFile = None, as_json: Json = False) -> None:
    """Print every setting: its value, where that comes from, and what it is for."""
    settings = settings_of(flags, config)
    rows = explain(settings, os.environ)
    if as_json:
        show_json([_setting_json(*row) for row in rows])
    else:
        from goflow_py.cli import screens

        made = screens.table("setting", "value", "source", "what it is for", fold=("value",))
        for name, value, source in rows:
            changed = "" if source == "default" else "bold"
            doc = SETTINGS[name].doc if name in SETTINGS else ""
            made.add_row(name, screens.cell(value, changed), source, screens.cell(doc, "dim"))
        show(made)
    for warning in settings.warnings:
        say(f"goflow: {warning}")


def _setting_json(name: str, value: str, source: str) -> dict[str, Any]:
    known = SETTINGS.get(name)
    if known is None:
        return {"name": name, "value": value, "source": source}
    return {
        "name": name,
        "value": value,
        "source": source,
        "flag": known.flag,
        "env": known.env,
        "allowed": known.kind.allowed,
        "doc": known.doc,
    }
