"""``goflow dev``: a server to play with. Data in memory, mock workers, every blueprint uploaded."""

import asyncio
import json
import os
import shlex
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import goflow_py
from goflow_py.cli.console import finding_line, plain, say, show
from goflow_py.cli.server import run_server, settings_of
from goflow_py.config import SETTINGS
from goflow_py.errors import GoFlowError

if TYPE_CHECKING:
    from goflow_py.client import Client

LOCAL = Path("blueprints")
PACKAGED = Path(goflow_py.__file__).parent / "_blueprints"
DEFAULTS = {"data": "memory", "log_level": "warning", "retry_interval": "0.2"}
SCRIPT_SUFFIX = ".mock.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Uploaded:
    """A blueprint that the server has, and an input that it takes."""

    file: str
    name: str
    version: int
    example: Any


def dev(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="FOLDER",
            help="Where blueprints (*.json) and scripts of mock workers (*.mock.json) are; "
            "else ./blueprints, else the examples that come with goflow.",
        ),
    ] = None,
    port: Annotated[str | None, typer.Option(help="Port; 0 takes any free one.")] = None,
    data: Annotated[
        str | None, typer.Option(metavar="FILE", help="Keep the data there, not in memory.")
    ] = None,
    log_level: Annotated[str | None, typer.Option(help="Least level of a log line.")] = None,
) -> None:
    """Run a server to play with: data in memory, mock workers, every blueprint uploaded."""
    place = _folder(folder)
    flags: dict[str, Any] = {
        name: value for name, value in DEFAULTS.items() if SETTINGS[name].env not in os.environ
    }
    given = {"port": port, "data": data, "log_level": log_level}
    flags |= {name: value for name, value in given.items() if value is not None}
    tasks: list[asyncio.Task[None]] = []

    found = _blueprints(place)

    def on_ready(url: str) -> None:
        tasks.append(asyncio.get_running_loop().create_task(_begin(url, place, found)))

    with tempfile.TemporaryDirectory(prefix="goflow-dev-") as temporary:
        script = Path(temporary) / "workers.json"
        script.write_text(json.dumps(_script(place)), "utf-8")
        flags["workers_mock"] = str(script)
        run_server(settings_of(flags, None), on_ready=on_ready)


def _folder(folder: Path | None) -> Path:
    if folder is not None:
        if not folder.is_dir():
            raise typer.BadParameter(f"{folder} is no folder")
        return folder
    if LOCAL.is_dir() or not PACKAGED.is_dir():
        return LOCAL
    return PACKAGED


def _script(folder: Path) -> dict[str, Any]:
    """Return the scripts of the folder as one; of two with one key the first counts."""
    whole: dict[str, Any] = {}
    for path in sorted(folder.glob(f"*{SCRIPT_SUFFIX}")):
        try:
            part = json.loads(path.read_bytes())
        except (OSError, ValueError) as error:
            say(f"goflow: {path} is left out: {error}")
            continue
        whole = {**part, **whole} if isinstance(part, dict) else whole
    return whole


def _blueprints(folder: Path) -> dict[str, bytes]:
    """Return every blueprint of the folder by its file's name."""
    found = {}
    for path in sorted(folder.glob("*.json")):
        if not path.name.endswith(SCRIPT_SUFFIX):
            try:
                found[path.name] = path.read_bytes()
            except OSError as error:
                say(f"goflow: {path} is left out: {error.strerror}")
    return found


async def _begin(url: str, folder: Path, found: Mapping[str, bytes]) -> None:
    """Upload what was found, and say what can be done now."""
    from goflow_py.client import Client

    show(f"\n  server   {url}", f"  pages    {url}/ui/", f"  API      {url}/docs", "")
    async with Client(url) as client:
        uploaded = [
            done
            for file, body in found.items()
            if (done := await _upload(client, file, body)) is not None
        ]
    if not uploaded:
        show(f"no blueprint was uploaded; put some into {folder}/ and start again", "")
        return
    show(f"  {'blueprint':<28} from {folder}")
    for one in uploaded:
        show(f"  {f'{one.name} v{one.version}':<28} {one.file}")
    show("", "try:", *_commands(url, uploaded), "", "Ctrl-C ends it.")


async def _upload(client: "Client", file: str, body: bytes) -> _Uploaded | None:
    try:
        answer = await client.post("/v1/blueprints", body)
    except GoFlowError as error:
        say(f"goflow: {file}: {error.detail}")
        for finding in error.facts.get("findings") or ():
            show(finding_line(finding))
        return None
    done = answer.body
    name = f"{done['project']}/{done['activity']}"
    stored = (await client.get(f"/v1/blueprints/{name}")).body["blueprint"]
    example = ((stored.get("meta") or {}).get("example") or {}).get("input")
    return _Uploaded(
        file=file,
        name=plain(name),
        version=done["version"],
        example={"customer": "ada"} if example is None else example,
    )


def _commands(url: str, uploaded: Sequence[_Uploaded]) -> list[str]:
    """Return lines to copy: one for curl, and one for each blueprint."""
    first = next((one for one in uploaded if one.name.endswith("/inquiry")), uploaded[0])
    server = "" if url.endswith(":8080") else f" --server {url}"
    body = shlex.quote(json.dumps({"input": first.example}, ensure_ascii=False))
    return [
        f"  curl -H 'Content-Type: application/json' -H 'Prefer: wait=10' -d {body} \\\n"
        f"    {url}/v1/activities/{first.name}/executions",
        *(
            f"  goflow run {one.name} --wait --input "
            f"{shlex.quote(json.dumps(one.example, ensure_ascii=False))}{server}"
            for one in uploaded
        ),
        f"  goflow ls{server}",
    ]
