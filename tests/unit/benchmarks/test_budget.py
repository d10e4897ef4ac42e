"""The budget of an execution: what runs is counted where it belongs."""

import json
import signal
import time
from pathlib import Path

import pytest

from benchmarks import budget
from benchmarks.processes import ROOT


@pytest.mark.parametrize(
    ("file", "part"),
    [
        (f"{ROOT}/goflow_py/engine/owner.py", "engine"),
        (f"{ROOT}/goflow_py/store/sqlite/writer.py", "store"),
        (f"{ROOT}/goflow_py/clock.py", "clock"),
        (f"{ROOT}/.venv/lib/python3.11/site-packages/aiohttp/client.py", "aiohttp"),
        (f"{ROOT}/.venv/lib/python3.11/site-packages/sniffio.py", "sniffio"),
        (f"{ROOT}/benchmarks/floor.py", "benchmarks"),
        ("/usr/lib/python3.11/asyncio/tasks.py", "asyncio"),
        ("/usr/lib/python3.11/json/decoder.py", "standard library"),
    ],
)
def test_a_file_belongs_to_a_part(file: str, part: str) -> None:
    assert budget.part_of(file) == part


def test_a_library_works_for_the_room_that_called_it() -> None:
    stack = ["aiohttp:client.request", "transport:wire.send", "engine:doers.do"]
    rooms = budget.rooms_of(ROOT)
    assert budget.innermost(stack) == "aiohttp"
    assert budget.on_behalf(stack, rooms) == "transport"
    assert budget.on_behalf(["aiohttp:web.start"], rooms) == "aiohttp, for no room"


def test_the_parts_add_up_to_the_time_that_was_measured(tmp_path: Path) -> None:
    told = tmp_path / "told.json"
    taken = [signal.getsignal(one) for one in (budget.BEGIN, budget.END, signal.SIGPROF)]
    try:
        budget.Sampler(told).install()
        signal.raise_signal(budget.BEGIN)
        began = time.thread_time()
        while time.thread_time() - began < 0.3:
            busy()
        signal.raise_signal(budget.END)
        used = time.thread_time() - began
    finally:
        for one, before in zip((budget.BEGIN, budget.END, signal.SIGPROF), taken, strict=True):
            signal.signal(one, before)
    found = json.loads(told.read_text())
    seconds = budget.by(found["stacks"], lambda stack: stack[0])
    assert 0.5 * used < sum(seconds.values()) < 1.2 * used
    assert any("test_budget.busy" in name for name in seconds)


def busy() -> int:
    return sum(number * number for number in range(2_000))


def test_the_table_shows_the_largest_difference_first_and_sums_up_what_is_small() -> None:
    goflow = {"engine": 200.0, "aiohttp": 300.0, "yarl": 1.0, "store": 2.0}
    floor = {"aiohttp": 250.0, "yarl": 2.0}
    lines = budget.table(goflow, floor).splitlines()[2:]
    assert lines == [
        "| engine | 200 | 0 | +200 |",
        "| aiohttp | 300 | 250 | +50 |",
        "| all else | 3 | 2 | +1 |",
        "| **all** | 503 | 252 | +251 |",
    ]


def test_what_the_other_threads_took_is_a_part_of_its_own() -> None:
    stacks = [[["engine:a", "engine:b"], 0.2], [["benchmarks:floor.run"], 0.1]]
    found = budget.parts_of({"stacks": stacks, "threads": {"writer": 0.05}, "done": 1_000})
    assert found == pytest.approx(
        {"engine": 200.0, "its own code": 100.0, "the thread that writes": 50.0}
    )
