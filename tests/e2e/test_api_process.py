"""The server as a process: its ready line, its signals, its files."""

import asyncio
import contextlib
import json
import signal
import stat
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.e2e.conftest import Api, RealWorker, activity, eventually, start

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
PROGRAM = """
import json, os, sys
from goflow_py.bootstrap import run
from goflow_py.config import load
flags = json.loads(sys.argv[1])
sys.exit(run(load(flags, os.environ), on_ready=lambda url: print("ready", url, flush=True)))
"""


class Process:
    """A server in a process of its own."""

    def __init__(self, child: asyncio.subprocess.Process, api: Api) -> None:
        self.child, self.api = child, api

    async def log(self) -> list[dict[str, Any]]:
        """Return the log lines, once it has ended."""
        assert self.child.stderr is not None
        return [json.loads(line) for line in (await self.child.stderr.read()).splitlines()]


@contextlib.asynccontextmanager
async def process(session: aiohttp.ClientSession, **flags: Any) -> AsyncIterator[Process]:
    given = {"port": 0, "log_format": "json", **flags}
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM, json.dumps(given)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    try:
        assert child.stdout is not None
        async with asyncio.timeout(20):
            word, _, url = (await child.stdout.readline()).decode().strip().partition(" ")
        assert word == "ready", (await child.stderr.read()) if child.stderr else b""
        yield Process(child, Api(url, session))
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()


async def test_sigterm_lets_calls_end_and_refuses_new_work(
    tmp_path: Path, session: aiohttp.ClientSession, worker: RealWorker
) -> None:
    data = str(tmp_path / "d" / "goflow.db")
    flags = {"data": data, "endpoint": {"there": f"{worker.url}/there"}}
    async with process(session, **flags) as server:
        await server.api.good("POST", "/v1/blueprints", activity("slow", {"name": "hold"}))
        execution = await start(server.api, "slow")
        await worker.called("hold")
        server.child.send_signal(signal.SIGTERM)

        async def draining() -> bool:
            return (await server.api("GET", "/readyz")).status == 503

        await eventually(draining)
        refused = await server.api("POST", "/v1/activities/shop/slow/executions", {})
        refused.problem(503, "draining")
        assert "Retry-After" in refused.headers
        worker.held.set()
        async with asyncio.timeout(10):
            assert await server.child.wait() == 0
        messages = [line["msg"] for line in await server.log()]
        assert "draining" in messages
    async with process(session, **flags) as server:
        await server.api.until(execution["id"], "completed")
        assert len([call for call in worker.calls if call["action"] == "hold"]) == 1
        assert (await server.api.good("GET", "/v1/admin/verify"))["ok"] is True


async def test_a_second_sigterm_ends_at_once_and_the_call_is_made_again(
    tmp_path: Path, session: aiohttp.ClientSession, worker: RealWorker
) -> None:
    data = str(tmp_path / "goflow.db")
    flags = {"data": data, "endpoint": {"there": f"{worker.url}/there"}}
    async with process(session, **flags) as server:
        await server.api.good("POST", "/v1/blueprints", activity("slow", {"name": "hold"}))
        execution = await start(server.api, "slow")
        await worker.called("hold")
        server.child.send_signal(signal.SIGTERM)

        async def draining() -> bool:
            return (await server.api("GET", "/readyz")).status == 503

        await eventually(draining)
        server.child.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            assert await server.child.wait() == 0
    worker.held.set()
    async with process(session, **flags) as server:
        await server.api.until(execution["id"], "completed")
        attempts = await server.api.good("GET", f"/v1/executions/{execution['id']}/attempts")
        assert [a["outcome"] for a in attempts["items"]] == ["abandoned", "success"]


async def test_the_files_are_the_owners_alone(
    tmp_path: Path, session: aiohttp.ClientSession
) -> None:
    folder = tmp_path / "data"
    async with process(session, data=str(folder / "goflow.db")) as server:
        await server.api.good("POST", "/v1/admin/backup")
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in folder.rglob("*") if p.is_file()}
    assert {"goflow.db", "goflow.db.key", "goflow.db.lock"} <= set(modes)
    assert set(modes.values()) == {0o600}, modes
    assert (folder / "goflow.db.key").stat().st_size == 32


async def test_mock_workers_run_and_end_with_the_server(session: aiohttp.ClientSession) -> None:
    async with process(session, data="memory", workers_mock="1") as server:
        await server.api.good("POST", "/v1/blueprints", activity("quick", {"name": "echo"}))
        execution = await start(server.api, "quick", {"a": 1})
        assert (await server.api.until(execution["id"], "completed"))["output"] == {"a": 1}
        [one] = (await server.api.good("GET", "/v1/workers"))["items"]
        server.child.send_signal(signal.SIGTERM)
        assert await server.child.wait() == 0
        host, port = one["url"].removeprefix("http://").split("/")[0].split(":")
        with pytest.raises(OSError, match=r"refused|Connect"):
            await asyncio.open_connection(host, int(port))


async def test_a_port_in_use_and_a_wrong_key_file_are_said_in_one_line(
    tmp_path: Path, session: aiohttp.ClientSession
) -> None:
    async with process(session, data="memory") as server:
        port = int(server.api.url.rpartition(":")[2])
        bad_key = tmp_path / "x.db.key"
        bad_key.write_bytes(b"short")
        for flags, words in (
            ({"port": port, "data": "memory"}, b"cannot listen on"),
            ({"port": 0, "data": str(tmp_path / "x.db")}, b"is no server key"),
        ):
            child = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", PROGRAM, json.dumps(flags)),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                cwd=ROOT,
            )
            said, wrong = await child.communicate()
            assert child.returncode != 0
            assert said == b""
            assert words in wrong.splitlines()[-1]
