"""The interpreter alone, no store and no HTTP: a loop, a condition and event handlers.

The workflow is the one of gorchestrate/async's own benchmark: five times append "l", then twice
wait for an event, whose handler appends "h", and append "a". It takes 19 steps there; the same 19
are counted here: 5 turns of the loop with 6 conditions, then 2 waits, 2 handlers, 2 appends and 2
conditions.
"""

import gc
import statistics
import time
from collections.abc import Iterator
from typing import Any

from benchmarks.result import Figure
from benchmarks.stage import Stage, Workload, each_us
from goflow_py.domain.blueprint import Blueprint
from goflow_py.domain.event import Outside
from goflow_py.domain.execution import Execution
from goflow_py.fsm import events, inputs
from goflow_py.fsm.compile import Compiled, compile_blueprint
from goflow_py.fsm.draft import Draft

STEPS = 19

LOOP: dict[str, Any] = {
    "project": "benchmarks",
    "activity": "loop",
    "data": {"log": "", "turns": 0, "handled": 0},
    "events": {"event": {}},
    "states": [
        {
            "name": "turn",
            "do": "append_l",
            "on": {"success": [{"when": "data.turns < 5", "next": "turn"}, {"next": "waiting"}]},
        },
        {"name": "waiting", "on": {"event": {"set": {"log": "{$.data.log}h"}, "next": "after"}}},
        {
            "name": "after",
            "do": "append_a",
            "on": {"success": [{"when": "data.handled < 2", "next": "waiting"}, {"next": "done"}]},
        },
    ],
    "actions": [
        {
            "name": "append_l",
            "type": "map",
            "set": {"log": "{$.data.log}l", "turns": "${data.turns + 1}"},
        },
        {
            "name": "append_a",
            "type": "map",
            "set": {"log": "{$.data.log}a", "handled": "${data.handled + 1}"},
        },
    ],
    "transitions": [{"current": "init", "event": "start", "next": "turn"}],
}


def run(_: Stage, *, rounds: int, executions: int) -> Iterator[Figure]:
    """Measure without and with records that are written as JSON and hashed."""
    compiled = compile_blueprint(Blueprint.model_validate(LOOP), workers=(), version=1)
    for sealed in (0, 1):
        ended = execute(compiled, seals=bool(sealed))
        right = ended.status == "completed" and ended.data["log"] == "lllllhaha"
        times = [seconds(compiled, executions, seals=bool(sealed)) for _ in range(rounds)]
        step = each_us(statistics.median(times), executions * STEPS)
        yield {"sealed": sealed, "steps": STEPS, "step_us": step, "lost": int(not right)}


def seconds(compiled: Compiled, executions: int, *, seals: bool) -> float:
    """Return the processor time of so many executions."""
    gc.collect()
    began = time.process_time()
    for _ in range(executions):
        execute(compiled, seals=seals)
    return time.process_time() - began


def execute(compiled: Compiled, *, seals: bool) -> Execution:
    """Run the whole workflow once."""
    execution = Execution(id="0" * 36, project="benchmarks", activity="loop", version=1)
    draft = Draft(execution, 1_000)
    inputs.start(compiled, draft, input=None)
    execution = draft.seal() if seals else draft.after
    for _ in range(2):
        draft = Draft(execution, 2_000)
        events.take_outside(compiled, draft, Outside(name="event"))
        execution = draft.seal() if seals else draft.after
    return execution


WORKLOAD = Workload(
    name="interpreter",
    about="Processor time of a step, no store and no HTTP: a loop, conditions, event handlers.",
    run=run,
    sizes={
        "quick": {"rounds": 1, "executions": 50},
        "bench": {"rounds": 5, "executions": 1_000},
        "full": {"rounds": 7, "executions": 2_000},
    },
)
