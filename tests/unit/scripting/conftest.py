"""A pool of one child that is warm already, and a look at the machine's processes."""

import os
import select
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from goflow_py.ports.scripts import Done
from goflow_py.scripting.pool import ScriptPool
from goflow_py.testing.clock import FakeClock

ENOUGH_SECONDS = 5.0
"""For a script that must not fail by its time, on a loaded machine."""


@pytest.fixture
async def pool() -> AsyncIterator[ScriptPool]:
    pool = ScriptPool(FakeClock(), size=1)
    assert await pool.run("$.x = 1", {}, timeout_seconds=ENOUGH_SECONDS) == Done(output={"x": 1})
    yield pool
    await pool.close()


def children(parent: int | None = None) -> set[int]:
    """Return the processes for scripts that *parent*, or this process, has."""
    if not Path("/proc/self/stat").exists():
        pytest.skip("this machine has no /proc")
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            above = stat.read_text("utf-8").rpartition(")")[2].split()[1]
            command = stat.with_name("cmdline").read_bytes()
        except OSError:  # it has ended meanwhile
            continue
        if int(above) == (parent or os.getpid()) and b"goflow_py.scripting.child" in command:
            found.add(int(stat.parent.name))
    return found


def await_end(watch: int) -> bool:
    """Return whether the process behind the descriptor *watch* ends soon."""
    poll = select.poll()
    poll.register(watch, select.POLLIN)
    return bool(poll.poll(ENOUGH_SECONDS * 1000))
