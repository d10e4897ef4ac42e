"""Whatever arrives: a clear refusal, or a blueprint that can be uploaded."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goflow_py.domain.blueprint import Blueprint
from goflow_py.errors import Invalid
from goflow_py.expression import full  # noqa: F401 - it sets the recursion limit: not in a test
from goflow_py.fsm.check import check
from goflow_py.importers import import_definition

OWN = ("orchy", "relor", "swm")
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


def an_object(fields: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """An object that has most of the fields, most of them as they should be."""
    return st.fixed_dictionaries(
        {}, optional={name: value | value | value | ANYTHING for name, value in fields.items()}
    )


NAMES = st.sampled_from(["1", "2", "a", "ab c", "done", "success", "input", "x" * 70, "-", ""])
IDS = st.integers(0, 5)
TEXTS = st.sampled_from(
    ["$.1.output.a", "$2.output[0]", "$.input", "{$.3.output}", "$..x", "$5", "${x", "Hi {$.1.a}"]
)
ACTIONS = an_object(
    {
        "id": IDS,
        "type": st.sampled_from(["user", "system"]),
        "name": st.sampled_from(["switch", "wait", "delay", "javascript", "jsonmapper", "mail"]),
        "parameters": st.dictionaries(st.text(max_size=2), TEXTS | ANYTHING, max_size=3),
        "next": st.dictionaries(
            st.sampled_from(["default", "a", "go", "error"]), st.lists(IDS, max_size=3), max_size=3
        ),
        "expression": TEXTS,
        "event": NAMES,
        "delaySeconds": st.integers(-1, 5),
        "timeoutSeconds": st.integers(0, 5),
    }
)
TASKS = an_object(
    {
        "task_name": NAMES,
        "parent_task": st.lists(NAMES, max_size=2),
        "task_queue": NAMES,
        "task_type": st.sampled_from(["SERVICE", "HUMAN"]),
        "assigned_to": TEXTS,
        "ignore_task_failure": st.booleans(),
    }
)
STAGES = an_object(
    {"stage_name": NAMES, "stage_order": st.floats(), "tasks": st.lists(TASKS, max_size=3)}
)
EDGES = an_object(
    {
        "fromId": NAMES,
        "toId": NAMES,
        "condition": an_object({"operationResult": NAMES}),
    }
)
NODES = an_object({"id": NAMES, "op": an_object({"name": NAMES, "timeout": st.just("5s")})})
DOCUMENTS = {
    "orchy": an_object(
        {"name": NAMES, "rootAction": IDS, "actions": st.lists(ACTIONS, max_size=4)}
    ),
    "relor": an_object(
        {
            "start": NAMES,
            "nodes": st.lists(NODES, max_size=4),
            "edges": st.lists(EDGES, max_size=4),
        }
    ),
    "swm": an_object(
        {
            "workflow_name": NAMES,
            "component_name": NAMES,
            "stages": st.lists(STAGES, max_size=3),
            "version": st.integers(),
        }
    ),
}


@pytest.mark.parametrize("system", OWN)
@given(data=st.data())
def test_any_document_is_refused_as_invalid_or_becomes_a_blueprint(
    system: str, data: st.DataObject
) -> None:
    document = data.draw(DOCUMENTS[system] | ANYTHING)
    try:
        imported = import_definition(system, document, project=None, activity="a")
    except Invalid as refusal:
        assert refusal.detail
        return
    Blueprint.model_validate(imported.blueprint)


# ---------------------------------------------------------------- Orchy workflows that are sound


@st.composite
def workflows(draw: st.DrawFn) -> dict[str, Any]:
    """Workflows that Orchy would take: any shape, loops and fan-outs of fan-outs included."""
    count = draw(st.integers(1, 9))
    ids = st.integers(1, count)
    ways = st.lists(ids, min_size=1, max_size=3)
    value = st.builds("$.{}.output.x".format, ids) | st.sampled_from(
        ["$.input.age", "Hi {$.1.output.n} at {$.input.place}", "${x}"]
    )
    actions: list[dict[str, Any]] = []
    for number in range(1, count + 1):
        kind = draw(st.sampled_from(["user", "user", "switch", "wait", "delay", "javascript"]))
        action: dict[str, Any] = {"id": number, "type": "system", "name": kind, "next": {}}
        match kind:
            case "user":
                action |= {"type": "user", "parameters": {"v": draw(value)}}
                action["next"] = draw(st.just({}) | st.builds(lambda w: {"default": w}, ways))
            case "switch":
                action["expression"] = f"$.{draw(ids)}.output.x"
                labels = st.sampled_from(["a", "go", "default", "very good"])
                action["next"] = draw(st.dictionaries(labels, ways, min_size=1))
            case "wait":
                action |= {"event": "go", "timeoutSeconds": draw(st.integers(0, 1))}
                action["next"] = {"default": draw(ways)}
            case "delay":
                action |= {"delaySeconds": 1, "next": {"default": draw(ways)}}
            case _:
                action["expression"] = f"$['x'] = $['{draw(ids)}'].output.x + $.input.age;"
                action["next"] = draw(st.just({}) | st.builds(lambda w: {"default": w}, ways))
        actions.append(action)
    return {"name": "w", "rootAction": draw(ids), "actions": actions}


@given(workflow=workflows())
def test_what_can_be_kept_of_an_orchy_workflow_can_be_uploaded(workflow: dict[str, Any]) -> None:
    try:
        imported = import_definition("orchy", workflow, project=None, activity=None)
    except Invalid as refusal:
        # Fan-outs that lead to each other in every order are too many for any document.
        assert "branches of fan-outs" in refusal.detail
        return
    if any(finding.severity == "error" for finding in imported.findings):
        return
    blueprint = Blueprint.model_validate(imported.blueprint)
    _, found = check(blueprint, workers=(), workers_in_body=False, is_resolved=lambda _: True)
    assert [finding for finding in found if finding.severity == "error"] == []
