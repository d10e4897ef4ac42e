"""Where branches meet, against the definition of it."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from goflow_py.importers.flow import Flow

DIAMOND = {"1": ["2", "3"], "2": ["4"], "3": ["4"], "4": []}


@pytest.mark.parametrize(
    ("successors", "starts", "meeting"),
    [
        (DIAMOND, ("2", "3"), "4"),
        ({"1": [], "2": []}, ("1", "2"), None),
        ({"1": ["2"], "2": []}, ("1", "2"), "2"),
        # 2 may end without 4, so 4 is not where both meet.
        ({"2": ["4", "9"], "3": ["4"], "4": [], "9": []}, ("2", "3"), None),
        # A loop on the way changes nothing.
        ({"2": ["2", "4"], "3": ["4"], "4": []}, ("2", "3"), "4"),
        # Who never ends meets nobody, but does not keep the others apart either.
        ({"2": ["2"], "3": ["4"], "4": []}, ("2", "3"), None),
        ({"2": ["2"], "3": ["4"], "4": []}, ("3",), "3"),
    ],
)
def test_branches_meet_at_the_first_step_that_no_way_avoids(
    successors: dict[str, list[str]], starts: tuple[str, ...], meeting: str | None
) -> None:
    assert Flow(successors).meeting(starts) == meeting


def test_a_region_ends_where_the_branches_meet() -> None:
    flow = Flow({"1": ["2", "3"], "2": ["4"], "3": ["2"], "4": ["5"], "5": []})
    assert flow.region("1", stop="4") == ["1", "2", "3"]
    assert flow.region("4", stop="4") == []
    assert flow.is_acyclic(["1", "2", "3"])
    assert not Flow({"1": ["2"], "2": ["1"]}).is_acyclic(["1", "2"])


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, list[str]]:
    count = draw(st.integers(2, 7))
    nodes = [str(i) for i in range(count)]
    ways = st.lists(st.sampled_from(nodes), max_size=3, unique=True)
    return {node: draw(ways) for node in nodes}


def ends(successors: dict[str, list[str]], start: str, *, without: str | None = None) -> bool:
    todo, seen = [start], {start}
    for node in todo:
        if node == without:
            continue
        if not successors[node]:
            return True
        todo += [one for one in successors[node] if one not in seen]
        seen.update(successors[node])
    return False


@given(graph=graphs(), data=st.data())
def test_no_way_to_the_end_avoids_the_meeting_and_none_has_an_earlier_one(
    graph: dict[str, list[str]], data: st.DataObject
) -> None:
    starts = data.draw(st.lists(st.sampled_from(sorted(graph)), min_size=1, unique=True))
    assume(all(ends(graph, node) for node in graph))
    flow = Flow(graph)
    common = [node for node in graph if not any(ends(graph, s, without=node) for s in starts)]
    meeting = flow.meeting(starts)
    assert (meeting is None) == (not common)
    if meeting is not None:
        assert meeting in common
        before = {node for start in starts for node in flow.region(start, stop=meeting)}
        assert before.isdisjoint(common)
