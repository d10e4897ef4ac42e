"""Whatever happens to an execution, in any order: it stays on the table, and the checker agrees.

The player judges every step by the history checker: legal transitions, gapless records, one open
attempt, timers that fire once, a head that equals the fold of its history, never silently stuck.
"""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from goflow_py.domain.names import FINAL_STATES
from goflow_py.errors import GoFlowError
from goflow_py.expression import compile_expression
from tests.player import Player

# The full engine sets the recursion limit when it loads; Hypothesis has to see it before a test.
compile_expression("input[n > 1]")

STATES = ["a", "b", "c", "d"]
EVENTS = ["x", "y"]
OUTCOMES = ["success", "error", "odd", "x"]
GUARDS = [
    None,
    "data.n > 2",
    "event.data = 1",
    "$exists(a.output)",
    "error.code = 'x'",
    "$number('z')",
]

rows = st.fixed_dictionaries(
    {
        "current": st.sampled_from([*STATES, "*"]),
        "event": st.sampled_from(
            [*EVENTS, "success", "error", "timeout", "start", "cancel", "always", "odd"]
        ),
        "next": st.sampled_from([*STATES, *FINAL_STATES]),
    },
    optional={
        "when": st.sampled_from(GUARDS),
        "action": st.sampled_from(["work", "wait", "pause", "pick", "note", "continue"]),
        "set": st.sampled_from([{"n": "${ data.n + 1 }"}, {"n": "$.event.data"}]),
        "delay": st.sampled_from([1, 5]),
        "reenter": st.booleans(),
    },
)
states = st.fixed_dictionaries(
    {},
    optional={
        "do": st.sampled_from(["work", "wait", "pause", "pick", "note"]),
        "timeout": st.sampled_from([3, 30]),
        "after": st.lists(
            st.sampled_from([{"delay": 4, "next": "d"}, {"delay": 2, "event": "y"}]), max_size=2
        ),
        "defer": st.lists(st.sampled_from(EVENTS), max_size=2, unique=True),
        "maxVisits": st.sampled_from([1, 3]),
    },
)
ACTIONS = [
    {"name": "work", "type": "sync", "timeout": 60},
    {"name": "wait", "type": "wait", "event": "x", "timeout": 50},
    {"name": "pause", "type": "delay", "seconds": 7},
    {"name": "pick", "type": "switch", "expression": "$.data.n"},
    {"name": "note", "type": "map", "value": 1, "set": {"m": "$.data.n"}},
]


@st.composite
def blueprints(draw: st.DrawFn) -> dict[str, Any]:
    table = draw(st.lists(rows, max_size=10))
    kept = [
        row
        for row in table
        if not (row["event"] in ("always", "start") and row["current"] in ("*", row["next"]))
    ]
    found = {name: draw(states) for name in STATES}
    return {
        "states": [{"name": name, **fields} for name, fields in found.items()],
        "actions": ACTIONS,
        "data": {"n": 0},
        "timeout": draw(st.sampled_from([None, 100])),
        "transitions": [{"current": "init", "event": "start", "next": "a"}, *kept],
    }


inputs = st.one_of(
    st.tuples(st.just("end"), st.sampled_from(OUTCOMES)),
    st.tuples(st.just("send"), st.sampled_from(EVENTS), st.sampled_from([None, 1, 5])),
    st.tuples(st.just("fire")),
    st.tuples(
        st.just("control"),
        st.sampled_from(["pause", "resume", "cancel", "terminate", "retry", "skip"]),
    ),
    st.tuples(st.just("goto"), st.sampled_from(STATES)),
    st.tuples(st.just("replay"), st.sampled_from(STATES)),
)


@given(document=blueprints(), happenings=st.lists(inputs, max_size=15))
def test_no_sequence_of_inputs_leaves_the_table(
    document: dict[str, Any], happenings: list[tuple[Any, ...]]
) -> None:
    player = Player(document, workers=("b",))
    player.start({"n": 1})
    for what in happenings:
        before = player.snapshot()
        try:
            happen(player, what)
        except GoFlowError:
            assert player.execution == before


def happen(player: Player, what: tuple[Any, ...]) -> None:
    match what:
        case ("end", outcome):
            open_calls = [t for t in player.execution.open_tasks() if t.kind == "sync"]
            if open_calls and not player.execution.paused:
                player.end(outcome)
        case ("send", name, data):
            player.send(name, data)
        case ("fire",):
            timers = player.execution.timers
            if timers and not player.execution.paused:
                player.fire()
        case ("control", verb):
            player.control(verb)
        case ("goto", state):
            player.control("goto", state=state)
        case ("replay", state):
            player.control("replay", **{"from": state})
