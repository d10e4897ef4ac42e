"""The interpreter alone: microseconds a step of a loop, a condition and event handlers.

No store and no HTTP: ``python -m benchmarks.interpreter``. The workflow is the one of
gorchestrate/async's own benchmark: five times append "l", then twice wait for an event, whose
handler appends "h", and append "a". It takes 19 steps there; the same 19 are counted here: 5 turns
of the loop with 6 conditions, then 2 waits, 2 handlers, 2 appends and 2 conditions.
"""

import gc
import statistics
import sys
import time
from typing import Any

from goflow_py.domain.blueprint import Blueprint
from goflow_py.domain.event import Outside
from goflow_py.domain.execution import Execution
from goflow_py.fsm import events, inputs
from goflow_py.fsm.compile import Compiled, compile_blueprint
from goflow_py.fsm.draft import Draft

STEPS = 19
RUNS = 2_000
ROUNDS = 5

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


def run(compiled: Compiled, *, seals: bool) -> Execution:
    """Run the whole workflow once; with *seals* the records are written as JSON and hashed."""
    execution = Execution(id="0" * 36, project="benchmarks", activity="loop", version=1)
    draft = Draft(execution, 1_000)
    inputs.start(compiled, draft, input=None)
    execution = draft.seal() if seals else draft.after
    for _ in range(2):
        draft = Draft(execution, 2_000)
        events.take_outside(compiled, draft, Outside(name="event"))
        execution = draft.seal() if seals else draft.after
    return execution


def measure(compiled: Compiled, *, seals: bool) -> float:
    """Return microseconds of processor time a step: the median of the rounds."""
    rounds = []
    for _ in range(ROUNDS):
        gc.collect()
        began = time.process_time()
        for _ in range(RUNS):
            run(compiled, seals=seals)
        rounds.append((time.process_time() - began) / RUNS / STEPS * 1e6)
    return statistics.median(rounds)


def main() -> int:
    """Print the figures; return 1 when the workflow does not end as it has to."""
    compiled = compile_blueprint(Blueprint.model_validate(LOOP), workers=(), version=1)
    ended = run(compiled, seals=True)
    if ended.status != "completed" or ended.data["log"] != "lllllhaha":
        print(f"the workflow ended as {ended.status} with {ended.data['log']!r}", file=sys.stderr)
        return 1
    print(f"interpreter alone: {measure(compiled, seals=False):.1f} us a step")
    print(f"with its records sealed: {measure(compiled, seals=True):.1f} us a step")
    return 0


if __name__ == "__main__":
    sys.exit(main())
