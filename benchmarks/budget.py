"""Where the CPU time of an execution goes: microseconds for each part of a loaded server.

    python -m benchmarks.budget [goflow|floor|naive] [--clients 128] [--seconds 6] [--functions 30]
    python -m benchmarks.budget --table      # goflow beside the floor, as Markdown for the page

A timer of CPU time interrupts the server; what it was at is counted, weighted by the CPU time that
its main thread used since the last look. So the parts add up to the measured time, and the time of
other threads, which is told apart, is in none of them. Figures are shares of one run: parts under
2 % are noise. What is written in C counts as the Python function that called it.
"""

import argparse
import dis
import json
import runpy
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Any

from benchmarks.contestants import BLUEPRINTS, CONTESTANTS
from benchmarks.processes import ROOT, Child, Load, ask

LAUNCH = "--launch"
INTERVAL_SECONDS = 0.001
"""Asked for; the kernel gives one look a tick."""
BEGIN, END = signal.SIGUSR1, signal.SIGUSR2
ANSWER_SECONDS = 10.0
WARM_SECONDS = 1.0
FRAMES_MAX = 60
TURNS = 2
SMALL_US = 5.0
"""A part that takes less in both is one of "all else"."""
STACK_CUT = "asyncio/runners.py"

# ---------------------------------------------------------------- in the server


class Sampler:
    """Counts what the main thread is at."""

    def __init__(self, told: Path) -> None:
        self._told = told
        self._weights: Counter[tuple[str, ...]] = Counter()
        self._last = 0
        self._threads: dict[int, float] = {}
        self._names: dict[tuple[str, int], str] = {}

    def install(self) -> None:
        """Wait for the signals that say when to begin and to end."""
        signal.signal(BEGIN, lambda *_: self._begin())
        signal.signal(END, lambda *_: self._end())
        signal.signal(signal.SIGPROF, self._look)

    def _begin(self) -> None:
        self._weights.clear()
        self._threads = _thread_seconds()
        self._last = time.thread_time_ns()
        signal.setitimer(signal.ITIMER_PROF, INTERVAL_SECONDS, INTERVAL_SECONDS)

    def _look(self, _: int, frame: FrameType | None) -> None:
        now = time.thread_time_ns()
        self._weights[self._stack(frame)] += now - self._last
        self._last = time.thread_time_ns()  # the look itself is nobody's

    def _stack(self, frame: FrameType | None) -> tuple[str, ...]:
        """Return the functions, innermost first."""
        found: list[str] = []
        if frame is not None and _fresh_from_loop(frame):
            return ("uvloop:uvloop",)
        while frame is not None and len(found) < FRAMES_MAX:
            file = frame.f_code.co_filename
            if file.endswith(STACK_CUT):
                break
            # What a dataclass wrote belongs to its caller; a look may interrupt a look.
            if not file.startswith("<") and file != __file__:
                found.append(
                    self._name(file, frame.f_code.co_qualname, frame.f_code.co_firstlineno)
                )
            frame = frame.f_back
        return tuple(found) or ("uvloop:uvloop",)

    def _name(self, file: str, function: str, line: int) -> str:
        key = file, line
        name = self._names.get(key)
        if name is None:
            name = self._names[key] = f"{part_of(file)}:{Path(file).stem}.{function}"
        return name

    def _end(self) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        names = {one.native_id: one.name for one in threading.enumerate()}
        main = threading.main_thread().native_id
        others = {
            names.get(thread, "a thread of a library"): seconds - self._threads.get(thread, 0.0)
            for thread, seconds in _thread_seconds().items()
            if thread != main
        }
        stacks = [[list(stack), weight / 1e9] for stack, weight in self._weights.items()]
        draft = self._told.with_suffix(".draft")
        draft.write_text(json.dumps({"stacks": stacks, "threads": others}))
        draft.rename(self._told)


def _fresh_from_loop(frame: FrameType) -> bool:
    """Tell whether the first function of a callback has just begun: until then the loop worked."""
    caller, code = frame.f_back, frame.f_code
    if caller is None or not caller.f_code.co_filename.endswith(STACK_CUT):
        return False
    return code.co_code[frame.f_lasti] == dis.opmap["RESUME"]


def _thread_seconds() -> dict[int, float]:
    found = {}
    for folder in Path("/proc/self/task").iterdir():
        try:
            found[int(folder.name)] = int((folder / "schedstat").read_text().split()[0]) / 1e9
        except OSError:
            continue  # it ended meanwhile
    return found


def part_of(file: str) -> str:
    """Return the part of the program that a source file belongs to."""
    path = Path(file)
    if path.is_relative_to(ROOT / "goflow_py"):
        return path.relative_to(ROOT).with_suffix("").parts[1]
    if "site-packages" in path.parts:
        return path.parts[path.parts.index("site-packages") + 1].removesuffix(".py")
    if path.is_relative_to(ROOT):
        return path.relative_to(ROOT).parts[0]
    return "asyncio" if path.parent.name == "asyncio" else "standard library"


def launch(told: str, module: str, *arguments: str) -> None:
    """Run a module as a program, with a sampler in it."""
    sys.argv = [module, *arguments]
    Sampler(Path(told)).install()
    runpy.run_module(module, run_name="__main__", alter_sys=True)


# ---------------------------------------------------------------- outside


def measure(name: str, *, clients: int, seconds: float) -> dict[str, Any]:
    """Return what a contestant's CPU time went into, while it was loaded."""
    one = CONTESTANTS[name]
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        folder = Path(directory)
        worker = stack.enter_context(Child("worker", "benchmarks.worker"))
        load = stack.enter_context(Load())
        server = stack.enter_context(_sampled(name, folder, worker.url))
        load.run(one.job(server, clients=clients, seconds=WARM_SECONDS))
        server.process.send_signal(BEGIN)
        before = server.cpu_seconds()
        done = load.run(one.job(server, clients=clients, seconds=seconds))
        cpu = server.cpu_seconds() - before
        server.process.send_signal(END)
        told = _awaited(folder / "told.json")
    return {**told, "done": done["done"], "rate": done["rate"], "cpu": cpu}


def _sampled(name: str, folder: Path, worker: str) -> Child:
    """Start a contestant as ``contestants`` does, but through ``launch``."""
    begin = ("benchmarks.budget", LAUNCH, str(folder / "told.json"))
    data = str(folder / "data.db")
    if name != "goflow":
        return Child(name, *begin, f"benchmarks.{name}", data, worker)
    flags = ("--data", data, "--port", "0", "--endpoint", f"worker={worker}")
    child = Child(name, *begin, "goflow_py", "serve", *flags, "--log-level", "warning")
    ask(child.url, "/v1/blueprints", (BLUEPRINTS / "three.json").read_bytes())
    return child


def _awaited(file: Path) -> dict[str, Any]:
    ends = time.monotonic() + ANSWER_SECONDS
    while not file.exists():
        if time.monotonic() > ends:
            raise SystemExit("the server did not tell what it was at; is it still alive?")
        time.sleep(0.05)
    told: dict[str, Any] = json.loads(file.read_text())
    return told


# ---------------------------------------------------------------- what it comes to


def by(stacks: list[Any], key: Callable[[list[str]], str]) -> dict[str, float]:
    """Return the seconds of each group of stacks."""
    found: dict[str, float] = {}
    for stack, seconds in stacks:
        group = key(stack)
        found[group] = found.get(group, 0.0) + seconds
    return found


def innermost(stack: Sequence[str]) -> str:
    """Return the part whose own code ran."""
    return stack[0].partition(":")[0]


def on_behalf(stack: Sequence[str], rooms: frozenset[str]) -> str:
    """Return the room that the work was done for: the nearest one outwards."""
    parts = [name.partition(":")[0] for name in stack]
    return next((part for part in parts if part in rooms), f"{parts[-1]}, for no room")


def rooms_of(root: Path) -> frozenset[str]:
    """Return the names of the product's rooms and modules."""
    return frozenset(path.stem for path in (root / "goflow_py").iterdir())


def shown(name: str, result: dict[str, Any], functions: int) -> str:
    """Return the budget as text."""
    stacks, done = result["stacks"], result["done"]
    each = 1e6 / max(done, 1)
    rooms = rooms_of(ROOT)
    lines = [f"{name}: {result['cpu'] * each:,.0f} us CPU an execution at {result['rate']:,.0f}/s"]
    lines += _table("thread", {"main": sum(one[1] for one in stacks), **result["threads"]}, each)
    lines += _table(
        "main thread, by the room it works for (libraries counted with it)",
        by(stacks, lambda stack: on_behalf(stack, rooms)), each,
    )  # fmt: skip
    lines += _table("main thread, by whose own code runs", by(stacks, innermost), each)
    if functions:
        own = by(stacks, lambda stack: stack[0])
        lines += _table("functions, their own code", own, each)[: functions + 2]
        each_in = [([name], seconds) for stack, seconds in stacks for name in set(stack)]
        whole = by(each_in, lambda stack: stack[0])
        lines += _table("functions, with all they call", whole, each)[: functions + 2]
    return "\n".join(lines)


def _table(title: str, seconds: dict[str, float], each: float) -> list[str]:
    ranked = sorted(seconds.items(), key=lambda item: -item[1])
    rows = [f"  {value * each:7.1f} us  {name}" for name, value in ranked if value * each >= 1]
    return ["", title, *rows]


# ---------------------------------------------------------------- goflow beside the floor


def compared(*, clients: int, seconds: float) -> str:
    """Return a table: part by part what goflow takes, what the floor takes, and the difference."""
    took: dict[str, list[dict[str, float]]] = {"goflow": [], "floor": []}
    for _ in range(TURNS):
        for name, rounds in took.items():
            rounds.append(parts_of(measure(name, clients=clients, seconds=seconds)))
    means = {name: _mean(rounds) for name, rounds in took.items()}
    return table(means["goflow"], means["floor"])


def parts_of(result: dict[str, Any]) -> dict[str, float]:
    """Return the microseconds an execution of each part, and of the thread that writes."""
    each = 1e6 / max(result["done"], 1)
    found = {name: value * each for name, value in by(result["stacks"], innermost).items()}
    own = found.pop("benchmarks", 0.0)  # the floor's own code stands against all of the product's
    found["its own code"] = own
    found["the thread that writes"] = sum(result["threads"].values()) * each
    return found


def _mean(rounds: Sequence[dict[str, float]]) -> dict[str, float]:
    names = {name for one in rounds for name in one}
    return {name: sum(one.get(name, 0.0) for one in rounds) / len(rounds) for name in names}


def table(goflow: dict[str, float], floor: dict[str, float]) -> str:
    """Return the Markdown, the largest difference first; what is small is summed up."""
    names = {*goflow, *floor}
    rows = [(name, goflow.get(name, 0.0), floor.get(name, 0.0)) for name in names]
    large = [row for row in rows if max(row[1:]) >= SMALL_US]
    large.sort(key=lambda row: (row[2] - row[1], row[0]))
    whole = ("**all**", sum(row[1] for row in rows), sum(row[2] for row in rows))
    rest = (
        "all else",
        whole[1] - sum(row[1] for row in large),
        whole[2] - sum(row[2] for row in large),
    )
    lines = [
        f"| {name} | {own:,.0f} | {least:,.0f} | {own - least:+,.0f} |"
        for name, own, least in [*large, rest, whole]
    ]
    head = "| us CPU an execution | goflow | floor | between |\n| --- | ---: | ---: | ---: |"
    return "\n".join([head, *lines])


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.budget",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("contestant", nargs="?", default="goflow", choices=("goflow", "floor", "naive"))
    add("--clients", type=int, default=128, help="executions in flight")
    add("--seconds", type=float, default=6.0, help="of load")
    add("--functions", type=int, default=0, metavar="N", help="show the N dearest functions, too")
    add("--table", action="store_true", help="goflow beside the floor, as Markdown")
    options = parser.parse_args(arguments)
    if options.table:
        print(compared(clients=options.clients, seconds=options.seconds))
        return
    result = measure(options.contestant, clients=options.clients, seconds=options.seconds)
    print(shown(options.contestant, result, options.functions))


if __name__ == "__main__":
    if sys.argv[1:2] == [LAUNCH]:
        launch(*sys.argv[2:])
    else:
        main()
