"""Commands for keys, endpoint aliases and workers."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from goflow_py.cli import places
from goflow_py.cli.console import fail, say, show, show_json
from goflow_py.cli.root import Group
from goflow_py.cli.session import DEFAULT_SERVER, Json, Key, Server, Session, remote
from goflow_py.cli.values import seconds_of
from goflow_py.cli.words import moment, shown
from goflow_py.errors import GoFlowError

if TYPE_CHECKING:
    from goflow_py.ports import KeyRow

LEASE_MS = 10_000

key = typer.Typer(cls=Group, help="API keys.", no_args_is_help=True)
endpoint = typer.Typer(
    cls=Group, help="Endpoint aliases: where the workers of a name are.", no_args_is_help=True
)

# ---------------------------------------------------------------- keys


@key.command("create")
def create_key(
    project: Annotated[
        str | None, typer.Option("--project", help="Only for this project; else for all.")
    ] = None,
    scopes: Annotated[
        list[str] | None,
        typer.Option(
            "--scopes",
            "--scope",
            help="What it may do, with commas or repeated: blueprint:write, execution:start, "
            "execution:read, execution:event, execution:control, task, admin.",
        ),
    ] = None,
    role: Annotated[
        list[str] | None, typer.Option("--role", help="Whose events it may send. Repeatable.")
    ] = None,
    expires: Annotated[
        str | None, typer.Option("--expires", metavar="DURATION", help="Good for so long: 30d.")
    ] = None,
    description: Annotated[str, typer.Option("--description", help="Whose it is.")] = "",
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="FILE|URL",
            help="Write into this data file, whose server must not run; or into this database, "
            "also beside its servers.",
        ),
    ] = None,
    server: Server = DEFAULT_SERVER,
    api_key: Key = None,
    as_json: Json = False,
) -> None:
    """Make a key. Its text is printed once, and nowhere kept."""
    wanted = [scope for text in scopes or () for scope in text.split(",") if scope]
    if not wanted:
        raise typer.BadParameter("name at least one", param_hint="--scopes")
    lifetime = None if expires is None else seconds_of(expires, "--expires")
    body: dict[str, Any] = {"scopes": wanted, "roles": role or [], "description": description}
    body |= {} if project is None else {"project": project}
    body |= {} if lifetime is None else {"expiresIn": lifetime}
    if data is None:
        _ask_for_key(server=server, api_key=api_key, as_json=as_json, body=body)
        return
    try:
        made = _write_key(data, body)
    except GoFlowError as error:
        fail(error, as_json=as_json)
    _print_key(made, as_json=as_json)


@remote
async def _ask_for_key(session: Session, body: dict[str, Any]) -> None:
    answer = await session.client.post("/v1/keys", body)
    _print_key(answer.body, as_json=session.as_json)


def _print_key(made: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        show_json(made)
    else:
        show(made["key"])
        say("it is shown this once; keep it where secrets are kept")


def _write_key(data: str, body: dict[str, Any]) -> dict[str, Any]:
    """Put a new key where the data is. Raises ``StartRefused``, ``Unavailable``."""
    if places.is_database(data):
        row, text = _made_key(body)
        places.running(places.put_key(data, row))
    else:
        file = places.file_of(data)
        row, text = _made_key(body)
        asyncio.run(_put_into_file(file, row))
    return {"id": row.id, "project": row.project, "scopes": list(row.scopes), "key": text}


def _made_key(body: dict[str, Any]) -> tuple["KeyRow", str]:
    """Return a new key, and its text. Raises ``typer.BadParameter``."""
    from pydantic import ValidationError

    from goflow_py.api.auth import new_key
    from goflow_py.api.bodies import KeyBody
    from goflow_py.clock import SystemClock

    try:
        wanted = KeyBody.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        hint = f"--{first['loc'][0] if first['loc'] else 'scopes'}"
        raise typer.BadParameter(first["msg"], param_hint=hint) from None
    clock = SystemClock()
    lifetime = wanted.expires_in
    return new_key(
        clock,
        project=wanted.project,
        scopes=list(dict.fromkeys(wanted.scopes)),
        roles=wanted.roles,
        description=wanted.description,
        expires_at=None if lifetime is None else clock.now_ms() + round(lifetime * 1000),
    )


async def _put_into_file(path: Path, row: "KeyRow") -> None:
    """Put a key into a data file that no server has. Raises ``StartRefused``."""
    from goflow_py.clock import SystemClock, uuid7
    from goflow_py.store.sqlite import SqliteStore

    clock = SystemClock()
    store = SqliteStore(path)
    await store.open(node=uuid7(clock), now=clock.now_ms(), ttl_ms=LEASE_MS)
    try:
        await store.put_key(row)
    finally:
        await store.close()


@key.command("ls")
@remote
async def list_keys(session: Session) -> None:
    """List the keys, without their secrets."""
    items = (await session.client.get("/v1/keys")).body
    if session.shown_as_json(items):
        return
    from goflow_py.cli import screens

    made = screens.table("id", "project", "scopes", "roles", "expires", "description")
    for item in items["items"]:
        made.add_row(
            screens.cell(item["id"]),
            screens.cell(item.get("project") or "(all)"),
            screens.cell(", ".join(item["scopes"])),
            screens.cell(", ".join(item.get("roles") or ())),
            screens.cell(moment(item.get("expiresAt")) or "never"),
            screens.cell(item.get("description")),
        )
    show(made)


@key.command("rm")
@remote
async def remove_key(
    session: Session, number: Annotated[str, typer.Argument(metavar="ID", help="The key's id.")]
) -> None:
    """Revoke a key; it is refused at once."""
    from goflow_py.client import path

    await session.client.call("DELETE", path("keys", number))
    if not session.shown_as_json({"id": number, "revoked": True}):
        show(f"{shown(number)} is revoked")


# ---------------------------------------------------------------- endpoints and workers

Alias = Annotated[str, typer.Argument(metavar="ALIAS", help="The name in workerEndpoint.")]


@endpoint.command("set")
@remote
async def set_endpoint(
    session: Session,
    alias: Alias,
    url: Annotated[str, typer.Argument(metavar="URL", help="Where its workers are.")],
) -> None:
    """Point an alias to a URL; the next attempts use it."""
    from goflow_py.client import path

    answer = await session.client.call("PUT", path("endpoints", alias), body={"url": url})
    if not session.shown_as_json(answer.body):
        show(f"{shown(answer.body['alias'])} -> {shown(answer.body['url'], 2_048)}")


@endpoint.command("ls")
@remote
async def list_endpoints(session: Session) -> None:
    """List the aliases, and where they lead."""
    answer = await session.client.get("/v1/endpoints")
    if session.shown_as_json(answer.body):
        return
    from goflow_py.cli import screens

    made = screens.table("alias", "url", "source", fold=("url",))
    for item in answer.body["items"]:
        made.add_row(*(screens.cell(item.get(name)) for name in ("alias", "url", "source")))
    show(made)


@endpoint.command("rm")
@remote
async def remove_endpoint(session: Session, alias: Alias) -> None:
    """Forget an alias."""
    from goflow_py.client import path

    await session.client.call("DELETE", path("endpoints", alias))
    if not session.shown_as_json({"alias": alias, "removed": True}):
        show(f"{shown(alias)} is forgotten")


HEALTH_STYLES = {"up": "green", "failing": "yellow", "down": "red"}


@remote
async def workers(
    session: Session,
    project: Annotated[str | None, typer.Option("--project", help="Only this project's.")] = None,
) -> None:
    """List the workers, and how they are."""
    answer = await session.client.get("/v1/workers", {"project": project})
    if session.shown_as_json(answer.body):
        return
    from goflow_py.cli import screens

    made = screens.table(
        "activity", "action", "#", "health", "breaker", "calls", "errors", "endpoint",
        right=("#", "calls", "errors"), fold=("endpoint",),
    )  # fmt: skip
    for item in answer.body["items"]:
        url, name = item.get("url"), item.get("endpoint")
        health = str(item.get("health"))
        made.add_row(
            screens.cell(f"{item.get('project')}/{item.get('activity')}"),
            screens.cell(item.get("action")),
            screens.cell(item.get("priority"), "dim"),
            screens.cell(health, HEALTH_STYLES.get(health, "dim")),
            screens.cell(item.get("breaker"), "" if item.get("breaker") == "closed" else "red"),
            screens.cell(item.get("calls")),
            screens.cell(item.get("errors")),
            screens.cell(name if url == name else f"{name} -> {url or 'nowhere'}"),
        )
    show(made)
