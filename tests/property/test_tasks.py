"""Whatever happens to a graph of tasks, in any order: the history tells one consistent story.

A ledger reads the entries, and nothing else, and judges them by the words of the language: what
may begin, when the join is decided and how, what has to be undone. The player has the history
checker judge every step besides.
"""

from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from goflow_py.errors import GoFlowError
from goflow_py.expression import compile_expression
from goflow_py.fsm import inputs, work
from goflow_py.fsm.draft import Draft
from tests.player import Player

# The full engine sets the recursion limit when it loads; Hypothesis has to see it before a test.
compile_expression("input[n > 1]")

ACTIONS = [
    {"name": "plain"},
    {"name": "booked", "undo": "back"},
    {"name": "slow", "undo": "back", "timeout": 9},
    {"name": "note", "type": "map", "value": 1},
    {"name": "choose", "type": "switch", "expression": "'error'", "undo": "back"},
    {"name": "wait", "type": "wait", "event": "x"},
    {"name": "rest", "type": "delay", "seconds": 4},
    {"name": "back"},
    {"name": "undoall", "type": "undo"},
]
UNDONE = {"booked", "slow", "choose"}
UNKNOWN = {"timeout", "unreachable"}
LISTS = {"none": [], "one": ["a"], "some": ["a", "b", "c"]}

tasks = st.fixed_dictionaries(
    {"do": st.sampled_from(["plain", "booked", "slow", "note", "choose", "wait", "rest"])},
    optional={
        "when": st.sampled_from(["true", "false", "data.on"]),
        "each": st.sampled_from([f"$.input.{name}" for name in LISTS]),
        "concurrency": st.sampled_from([1, 2]),
        "ignoreFailure": st.booleans(),
    },
)


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, Any]:
    found = draw(st.lists(tasks, min_size=1, max_size=6))
    graph = []
    for i, task in enumerate(found):
        needs = draw(st.lists(st.integers(0, i - 1), max_size=2, unique=True)) if i else []
        graph.append({"name": f"t{i}", "needs": [f"t{n}" for n in needs], **task})
    on = {"success": "after", "error": "after", "leave": "after"}
    if draw(st.booleans()):
        del on["error"]
    if draw(st.booleans()):
        on["cancel"] = "after"
    graph = draw(st.permutations(graph))
    join = draw(st.sampled_from(["all", "any", *range(1, len(graph) + 1)]))
    after = {"again": "work", "regret": "undoing", "go": "done"}
    return {
        "states": [
            {"name": "work", "tasks": graph, "join": join, "on": on, "defer": ["again"]},
            {"name": "after", "on": after},
            {"name": "undoing", "do": "undoall", "on": {"success": "after", "error": "after"}},
        ],
        "actions": ACTIONS,
        "data": {"on": False},
        "transitions": [{"current": "init", "event": "start", "next": "work"}],
    }


ends = st.sampled_from(["success", "success", "success", "error", "unreachable", "cancelled"])
inputs_ = st.one_of(
    st.tuples(st.just("call"), st.integers(0, 5)),
    st.tuples(st.just("end"), st.integers(0, 5), ends),
    st.tuples(st.just("end"), st.integers(0, 5), ends),
    st.tuples(st.just("work"), st.integers(0, 5), ends),
    st.tuples(st.just("work"), st.integers(0, 5), ends),
    st.tuples(st.just("fire")),
    st.tuples(st.just("send"), st.sampled_from(["x", "again", "regret", "leave"])),
    st.tuples(
        st.just("control"),
        st.sampled_from(["pause", "resume", "cancel", "retry", "skip", "terminate"]),
    ),
    st.tuples(st.sampled_from(["goto", "replay", "data"])),
)


@given(document=graphs(), happenings=st.lists(inputs_, min_size=8, max_size=30))
def test_a_graph_loses_no_branch_and_decides_its_join_as_its_outcomes_say(
    document: dict[str, Any], happenings: list[tuple[Any, ...]]
) -> None:
    player = Player(document)
    ledger = Ledger(document["states"][0])
    player.start(LISTS)
    ledger.judge(player)
    for what in happenings:
        before = player.snapshot()
        try:
            happen(player, what)
        except GoFlowError:
            assert player.execution == before
        ledger.judge(player)


def happen(player: Player, what: tuple[Any, ...]) -> None:
    match what:
        case ("call", number):
            begin(player, number)
        case ("end", number, outcome):
            end(player, number, outcome)
        case ("work", number, outcome):
            begin(player, number)
            end(player, number, outcome)
        case ("fire",):
            if player.execution.timers and not player.execution.paused:
                player.fire()
        case ("send", name):
            player.send(name)
        case ("control", verb):
            player.control(verb)
        case (verb,):
            arguments = {"state": "work", "from": "work", "patch": {"on": True}}
            player.control(verb, **arguments)


def called(player: Player, number: int) -> str | None:
    """Return the name of an open task that a worker does."""
    open_tasks = [task for task in player.execution.open_tasks() if task.kind == "sync"]
    if not open_tasks or player.execution.paused:
        return None
    return open_tasks[number % len(open_tasks)].name


def begin(player: Player, number: int) -> None:
    name = called(player, number)
    if name is None or player.execution.tasks[name].call is not None:
        return
    attempt = player.execution.tasks[name].attempts + 1
    fields = {"worker": "http://w", "priority": 1, "visit": player.execution.visit}
    player._step(lambda draft: draft.add("attemptStarted", task=name, attempt=attempt, **fields))


def end(player: Player, number: int, outcome: str) -> None:
    name = called(player, number)
    if name is None:
        return

    def act(draft: Draft) -> None:
        task = draft.after.tasks[name]
        action = player.compiled.actions[task.action]
        if task.call is not None:
            work.close_attempt(draft, task, "success")
        if outcome in ("error", *UNKNOWN):
            work.end_with_error(draft, action, name, outcome, "it failed")
        else:
            work.end(draft, action, name, outcome, output=1)
        inputs.task_ended(player.compiled, draft, name)

    player._step(act)


# ---------------------------------------------------------------- the ledger


class Ledger:
    """What the entries say about the visit, and about all that can be undone."""

    def __init__(self, state: Mapping[str, Any]) -> None:
        self.specs = {task["name"]: task for task in state["tasks"]}
        names = {"all": None, "any": 1}
        self.join: int | None = names.get(state["join"], state["join"])
        self.read = 0
        self.is_retry = False
        self.undone: set[int] = set()
        self.pieces: dict[str, int] = {}
        self.enter("init")

    def enter(self, state: str) -> None:
        """Begin a visit."""
        self.state = state
        self.open: set[str] = set()
        self.outcomes: dict[str, str] = {}
        self.begun: dict[str, int] = {}
        self.lists: dict[str, int] = {}

    def judge(self, player: Player) -> None:
        """Read the new records, then compare what is left with the execution."""
        for record in player.records[self.read :]:
            verbs = {entry.get("verb") for entry in record}
            self.is_retry = "retry" in verbs
            for entry in record:
                self.take(entry, moved_by_hand=bool(verbs & {"skip", "terminate", "cancel"}))
        self.read = len(player.records)
        execution = player.execution
        assert self.open == {task.name for task in execution.open_tasks()}
        assert sorted(self.pieces.values()) == sorted(piece["n"] for piece in execution.done)
        if execution.ended:
            assert not self.open
        elif self.state == "work" and not execution.unwinding:
            self.is_whole()

    def take(self, entry: dict[str, Any], *, moved_by_hand: bool) -> None:
        """Judge one entry, and note what it says."""
        name = entry.get("task", "")
        match entry["type"]:
            case "taskScheduled":
                self.scheduled(name, entry)
            case "attemptStarted":
                self.begun[name] = self.begun.get(name, 0) + 1
            case "taskEnded":
                self.ended(name, entry)
            case "control" if entry["verb"] == "retry":
                # Only what did not end well may be scheduled again.
                failed = {n for n, outcome in self.outcomes.items() if not went_well(outcome)}
                self.outcomes = {n: o for n, o in self.outcomes.items() if n not in failed}
            case "transition" if entry["entered"]:
                assert not self.open
                if self.state == "work" and entry["event"] in ("success", "error"):
                    assert moved_by_hand or self.decision() == entry["event"]
                self.enter(entry["to"])
            case "ended":
                assert not self.open
                if self.state == "work" and entry["status"] == "failed":
                    is_undo = entry["error"]["code"] == "undo_failed"
                    assert is_undo or self.decision() == "error"
                elif entry["status"] == "cancelled" and entry.get("error") is None:
                    assert not self.pieces, "all that was done is undone"

    # ------------------------------------------------------------ tasks

    def scheduled(self, name: str, entry: dict[str, Any]) -> None:
        assert name not in self.open, "it is open already"
        if self.outcomes.get(name) == "cancelled" and "undoes" in entry:
            del self.outcomes[name]  # a cancel of the execution took over what was on demand
        assert name not in self.outcomes, "it ended, and no retry came"
        if "undoes" in entry:
            assert entry["undoes"] == max(self.pieces.values()), "the newest is undone first"
            assert not any(other.startswith("+undo") for other in self.open), "one at a time"
        elif self.state == "work":
            spec = self.specs[name.partition("[")[0]]
            assert self.may_begin(spec)
            # A retry may begin what the skipped tasks leave no hope for; it is closed at once.
            assert self.is_retry or self.decision() is None, "the join is decided already"
            if "index" in entry:
                siblings = [other for other in self.open if other.startswith(f"{spec['name']}[")]
                assert len(siblings) < spec.get("concurrency", 99)
                assert spec["name"] in self.open
        if entry["kind"] == "each":
            self.lists[name] = len(entry["input"])
        self.open.add(name)

    def ended(self, name: str, entry: dict[str, Any]) -> None:
        outcome = entry["outcome"]
        if outcome == "cancelled" and "output" in entry:
            outcome = "a label"
        assert name in self.open or outcome == "skipped"
        self.open.discard(name)
        self.outcomes[name] = outcome
        if name.startswith("+undo:"):
            self.compensated(int(name.removeprefix("+undo:")), outcome)
        elif self.state == "work" and name not in self.lists:
            action = self.specs[name.partition("[")[0]]["do"]
            assert ("undo" in entry) == self.has_to_be_undone(name, action, outcome, entry)
        if "undo" in entry:
            self.pieces[entry["undo"]["key"]] = entry["seq"]

    def may_begin(self, spec: Mapping[str, Any]) -> bool:
        return all(went_well(self.outcomes.get(need)) for need in spec["needs"])

    def is_whole(self) -> None:
        """No branch is lost: what may begin has begun, and something is open."""
        assert self.decision() is None
        assert self.open
        for name, spec in self.specs.items():
            known = name in self.open or name in self.outcomes
            assert known == self.may_begin(spec)
            if name in self.open and name in self.lists:
                items = [n for n in self.outcomes if n.startswith(f"{name}[")]
                busy = [n for n in self.open if n.startswith(f"{name}[")]
                left = self.lists[name] - len(items) - len(busy)
                assert busy
                assert left == 0 or len(busy) == spec.get("concurrency", 99)

    def decision(self) -> str | None:
        """Return how the outcomes so far, in their order, decide the join."""
        good: set[str] = set()
        bad: set[str] = set()
        skipped: set[str] = set()
        if self.join is not None and self.join > len(self.specs):
            return "error"
        for name, outcome in self.outcomes.items():
            if name not in self.specs or outcome == "cancelled":
                continue
            {"error": bad, "skipped": skipped}.get(outcome, good).add(name)
            if self.join is None and bad:
                return "error"
            if self.join is not None and len(good) >= self.join:
                return "success"
            lost = self.lost(bad)
            if self.join is not None and len(self.specs) - len(lost | skipped) < self.join:
                return "error"
        if self.join is None and len(good | skipped) == len(self.specs):
            return "success"
        return None

    def lost(self, bad: set[str]) -> set[str]:
        """Return *bad*, and all that can never begin because of it."""
        lost = set(bad)
        for _ in self.specs:
            lost |= {name for name, spec in self.specs.items() if lost & set(spec["needs"])}
        return lost

    # ------------------------------------------------------------ compensation

    def has_to_be_undone(self, name: str, action: str, outcome: str, entry: dict[str, Any]) -> bool:
        if action not in UNDONE:
            return False
        if outcome == "cancelled" or "error" in entry:
            was_called = self.begun.get(name, 0) > 0
            unknown = outcome == "cancelled" or entry["error"]["code"] in UNKNOWN
            return was_called and unknown
        return outcome != "skipped"

    def compensated(self, number: int, outcome: str) -> None:
        assert number not in self.undone, "it was undone before"
        if went_well(outcome):
            self.undone.add(number)
            self.pieces = {key: n for key, n in self.pieces.items() if n != number}


def went_well(outcome: str | None) -> bool:
    return outcome not in (None, "error", "cancelled")
