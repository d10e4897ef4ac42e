"""What every command that asks a server has in common: where it is, the key, JSON or not."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, ParamSpec

import typer

from goflow_py.cli.console import fail, show_json
from goflow_py.errors import GoFlowError, MalformedRequest

if TYPE_CHECKING:
    from goflow_py.client import Client

P = ParamSpec("P")

DEFAULT_SERVER = "http://127.0.0.1:8080"

Server = Annotated[
    str,
    typer.Option("--server", envvar="GOFLOW_SERVER", metavar="URL", help="Where the server is."),
]
Key = Annotated[
    str | None,
    typer.Option(
        "--key",
        envvar="GOFLOW_KEY",
        metavar="KEY",
        help="The API key.",
        show_default=False,
        show_envvar=True,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
ExecutionId = Annotated[str, typer.Argument(metavar="ID", help="The execution's id.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One command's talk with a server."""

    client: "Client"
    as_json: bool

    def shown_as_json(self, body: Any) -> bool:
        """Print *body* when JSON was asked for, and tell so."""
        if self.as_json:
            show_json(body)
        return self.as_json


def remote(command: Callable[Concatenate[Session, P], Awaitable[None]]) -> Callable[..., None]:
    """Make a coroutine over a ``Session`` a command with ``--server``, ``--key`` and ``--json``."""

    def run(*, server: str, api_key: str | None, as_json: bool, **given: Any) -> None:
        try:
            asyncio.run(_run(server, api_key or None, command, as_json=as_json, given=given))
        except GoFlowError as error:
            fail(error, as_json=as_json)

    signature = inspect.signature(command, eval_str=True)
    own = list(signature.parameters.values())[1:]
    keyword = inspect.Parameter.KEYWORD_ONLY
    common = [
        inspect.Parameter("server", keyword, default=DEFAULT_SERVER, annotation=Server),
        inspect.Parameter("api_key", keyword, default=None, annotation=Key),
        inspect.Parameter("as_json", keyword, default=False, annotation=Json),
    ]
    # Typer reads the signature: the commands say only what is their own.
    run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [*(parameter.replace(kind=keyword) for parameter in own), *common]
    )
    run.__annotations__ = {}
    run.__name__ = command.__name__
    run.__doc__ = command.__doc__
    return run


async def _run(
    server: str,
    key: str | None,
    command: Callable[..., Awaitable[None]],
    *,
    as_json: bool,
    given: dict[str, Any],
) -> None:
    from goflow_py.client import Client

    if key is not None and not key.startswith("gf_"):
        raise typer.BadParameter(
            "an API key begins with gf_ (an execution's own key is --business-key)",
            param_hint="--key",
        )
    try:
        client = Client(server, key=key)
    except MalformedRequest as error:
        hint = "--key" if error.reason == "bad_key" else "--server"
        raise typer.BadParameter(error.detail, param_hint=hint) from None
    async with client:
        await command(Session(client=client, as_json=as_json), **given)
