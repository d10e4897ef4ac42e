"""The pool: children are warm, confined, replaced, and end with their parent."""

import asyncio
import gc
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import uvloop

from goflow_py.clock import SystemClock
from goflow_py.errors import Unavailable
from goflow_py.ports.scripts import Broken, Done, TimedOut
from goflow_py.scripting import pool as room
from goflow_py.scripting.pool import ScriptPool, is_installed
from goflow_py.testing.clock import FakeClock
from tests.unit.scripting.conftest import ENOUGH_SECONDS, await_end, children

ENDLESS = "while (true) {}"
TURNS = 20


async def turns() -> None:
    """Let the loop see what has happened; no time passes."""
    for _ in range(TURNS):
        await asyncio.sleep(0)


async def add(pool: ScriptPool, number: int) -> None:
    outcome = await pool.run("$.y = $.x + 1", {"x": number}, timeout_seconds=ENOUGH_SECONDS)
    assert outcome == Done(output={"y": number + 1})


async def test_a_child_is_used_again(pool):
    before = children()
    await add(pool, 1)
    assert children() == before
    assert len(before) == 1


async def test_a_hundred_at_once_get_each_its_own_output():
    pool = ScriptPool(FakeClock(), size=2)
    await asyncio.gather(*(add(pool, number) for number in range(100)))
    assert len(children()) == 2
    await pool.close()


async def test_waiting_for_a_child_takes_nothing_of_the_time(pool):
    first = asyncio.create_task(pool.run(ENDLESS, {}, timeout_seconds=0.3))
    second = asyncio.create_task(pool.run("$.x = 1", {}, timeout_seconds=0.2))
    assert await first == TimedOut()
    assert await second == Done(output={"x": 1})


async def test_more_than_may_wait_are_refused(pool, monkeypatch):
    monkeypatch.setattr(room, "WAITING_MAX", 1)
    running = asyncio.create_task(pool.run(ENDLESS, {}, timeout_seconds=0.1))
    waiting = asyncio.create_task(add(pool, 1))
    await turns()
    with pytest.raises(Unavailable, match="1 scripts wait") as refused:
        await pool.run("", {}, timeout_seconds=1)
    assert refused.value.reason == "scripts_busy"
    assert await running == TimedOut()
    await waiting


async def test_a_child_that_is_killed_in_the_midst_fails_its_call_alone(pool):
    (victim,) = children()
    cut = asyncio.create_task(pool.run(ENDLESS, {}, timeout_seconds=ENOUGH_SECONDS))
    await turns()
    os.kill(victim, signal.SIGKILL)
    outcome = await cut
    assert isinstance(outcome, Broken)
    assert "process ended" in outcome.message
    await add(pool, 1)


async def test_a_child_that_is_killed_while_it_waits_fails_nothing(pool):
    (victim,) = children()
    watch = os.pidfd_open(victim)
    os.kill(victim, signal.SIGKILL)
    assert await_end(watch)
    os.close(watch)
    await turns()
    await add(pool, 1)
    assert victim not in children()


async def test_a_run_that_is_cancelled_leaves_nothing_to_the_next(pool):
    (victim,) = children()
    run = asyncio.create_task(pool.run(ENDLESS, {}, timeout_seconds=ENOUGH_SECONDS))
    await turns()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    await add(pool, 1)
    assert victim not in children()


async def test_closing_ends_children_and_whoever_runs_or_waits():
    pool = ScriptPool(SystemClock(), size=1)
    await add(pool, 1)
    running = asyncio.create_task(pool.run(ENDLESS, {}, timeout_seconds=ENOUGH_SECONDS))
    waiting = [asyncio.create_task(pool.run("", {}, timeout_seconds=1)) for _ in range(3)]
    await turns()
    await pool.close()
    assert children() == set()
    for run in (running, *waiting, asyncio.create_task(pool.run("", {}, timeout_seconds=1))):
        with pytest.raises(Unavailable, match="shutting down"):
            await run
    await pool.close()


async def test_closing_in_the_midst_of_a_start_leaves_no_child():
    pool = ScriptPool(SystemClock(), size=2)
    run = asyncio.create_task(pool.run("", {}, timeout_seconds=1))
    await turns()
    await pool.close()
    with pytest.raises(Unavailable):
        await run
    assert children() == set()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_loop_that_ends_in_the_midst_of_a_start_does_not_hang():
    async def story() -> asyncio.Task[Any]:
        task = asyncio.create_task(add(ScriptPool(SystemClock()), 1))
        await turns()
        return task

    with asyncio.Runner() as runner:
        task = runner.run(story())
    assert task.cancelled()
    del runner
    gc.collect()  # what the dead loop left open is warned of here, and not in a later test


async def test_without_the_extra_a_script_is_refused_and_named(monkeypatch):
    pool = ScriptPool(FakeClock())
    with monkeypatch.context() as hidden:
        hidden.setitem(sys.modules, "quickjs", None)
        assert not is_installed()
        with pytest.raises(Unavailable, match=r"need the extra \[js\]") as refused:
            await pool.run("", {}, timeout_seconds=1)
        assert refused.value.reason == "no_script_engine"
    assert is_installed()
    await add(pool, 1)
    await pool.close()


@pytest.mark.parametrize("program", ["/bin/false", "/no/such/program"])
async def test_a_child_that_does_not_start_is_said_and_tried_again(monkeypatch, program):
    pool = ScriptPool(FakeClock(), size=1)
    with monkeypatch.context() as broken:
        broken.setattr(sys, "executable", program)
        with pytest.raises(Unavailable, match="no process for scripts"):
            await pool.run("", {}, timeout_seconds=1)
    await add(pool, 1)
    await pool.close()


async def test_a_child_has_no_environment_no_files_and_limits(monkeypatch):
    monkeypatch.setenv("GOFLOW_SECRET_PAY", "hunter2")
    pool = ScriptPool(FakeClock(), size=1)
    await add(pool, 1)
    (child,) = children()
    process = Path(f"/proc/{child}")
    names = {line.partition(b"=")[0] for line in (process / "environ").read_bytes().split(b"\0")}
    assert names - {b""} == {b"PYTHONPATH", b"TZ"}
    assert (process / "cwd").readlink() == Path("/")
    assert {fd.name for fd in (process / "fd").iterdir()} == {"0", "1", "2"}
    limits = {line[:26].strip(): line[26:].split() for line in _lines(process / "limits")}
    assert limits["Max open files"][:2] == ["3", "3"]
    assert limits["Max processes"][:2] == ["0", "0"]
    assert limits["Max file size"][:2] == ["0", "0"]
    assert limits["Max core file size"][:2] == ["0", "0"]
    assert limits["Max address space"][:2] == [str(512 * 1024 * 1024)] * 2
    assert 11 <= int(limits["Max cpu time"][0]) <= 15, "the longest evaluation, and a little"
    await pool.close()


def _lines(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines()


PARENT = """
import asyncio
from goflow_py.clock import SystemClock
from goflow_py.scripting.pool import ScriptPool

async def main():
    pool = ScriptPool(SystemClock(), size=1)
    await pool.run("", {}, timeout_seconds=5)
    print("ready", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def test_children_end_with_a_parent_that_is_killed():
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE)
    with parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"ready\n"
        (child,) = children(parent.pid)
        watch = os.pidfd_open(child)
        parent.kill()
        assert await_end(watch)
        os.close(watch)


def test_it_works_on_the_loop_of_the_server():
    async def story() -> None:
        pool = ScriptPool(SystemClock(), size=1)
        await add(pool, 1)
        assert await pool.run(ENDLESS, {}, timeout_seconds=0.05) == TimedOut()
        await add(pool, 2)
        await pool.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(story())
