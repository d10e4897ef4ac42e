"""Whatever arrives as a workflow: a clear refusal, or a blueprint that can be uploaded."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from goflow_py.domain.blueprint import Blueprint
from goflow_py.errors import Invalid
from goflow_py.expression import full  # noqa: F401 - it sets the recursion limit: not in a test
from goflow_py.fsm.check import check
from goflow_py.importers import import_definition

REFS = st.sampled_from(["a", "b", "c", "d e", "done", "error", "output", "item", "x" * 70, "1"])
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)
TEXTS = st.sampled_from(
    [
        "${a.output.x}",
        "${workflow.input.l[0].y}",
        "${workflow.variables.v}",
        "${b.output}",
        "$${x}",
        "hi ${c.output.l[*].p}!",
        "${workflow.workflowId}",
        "${}",
        "${",
        "$.a",
        "{$.input.x}",
        "${a.output..x}",
        "${d e.output['x y']}",
        "${workflow.variables[0]}",
        "5 minutes",
        "$$",
    ]
)
SCRIPTS = st.sampled_from(
    [
        "$.a > 1",
        "if ($.b['iteration'] < 3) {true;} else {false;}",
        "(function(){return $.x})();",
        "$.a.b.c == 'x' ? 'y' : 'z'",
        "while(1)",
        "",
        "$",
        "$[0]",
        "$['",
        "!$.a || $.b.length",
    ]
)
PARAMETERS = st.dictionaries(
    st.sampled_from(["a", "x", "duration", "until", "uri", "http_request", "expression", "method"])
    | st.sampled_from(["terminationStatus", "headers", "forkTaskName", "forkTaskInputs", "a b"]),
    TEXTS | SCRIPTS | st.dictionaries(st.just("x"), TEXTS) | ANYTHING,
    max_size=3,
)
KINDS = st.sampled_from(
    [
        "SIMPLE",
        "HTTP",
        "SWITCH",
        "DECISION",
        "FORK_JOIN",
        "JOIN",
        "DO_WHILE",
        "SUB_WORKFLOW",
        "EVENT",
        "WAIT",
        "HUMAN",
        "TERMINATE",
        "SET_VARIABLE",
        "INLINE",
        "LAMBDA",
        "DYNAMIC",
        "NOOP",
        "FORK_JOIN_DYNAMIC",
    ]
)


def _tasks(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    lists = st.lists(inner, max_size=2)
    fields: dict[str, st.SearchStrategy[Any]] = {
        "name": REFS,
        "inputParameters": PARAMETERS,
        "optional": st.booleans(),
        "startDelay": st.integers(-1, 5),
        "retryCount": st.integers(-1, 5000),
        "evaluatorType": st.sampled_from(["value-param", "javascript", "python"]),
        "expression": SCRIPTS | st.just("x"),
        "caseValueParam": st.just("x"),
        "decisionCases": st.dictionaries(st.sampled_from(["a", "A B", "", "error", "\x00"]), lists),
        "defaultCase": lists,
        "forkTasks": st.lists(lists, max_size=2),
        "joinOn": st.lists(REFS, max_size=2),
        "loopCondition": SCRIPTS,
        "loopOver": lists,
        "subWorkflowParam": st.dictionaries(st.sampled_from(["name", "version"]), TEXTS | ANYTHING),
        "sink": TEXTS | st.just("sqs:q"),
        "taskDefinition": st.fixed_dictionaries(
            {},
            optional={
                "retryDelaySeconds": st.floats(),
                "retryLogic": st.sampled_from(["FIXED", "EXPONENTIAL_BACKOFF", "LINEAR_BACKOFF"]),
                "timeoutSeconds": st.integers(-1, 9),
                "responseTimeoutSeconds": st.integers(-1, 9),
            },
        ),
    }
    return st.fixed_dictionaries({"taskReferenceName": REFS, "type": KINDS}, optional=fields)


WORKFLOWS = st.fixed_dictionaries(
    {"name": REFS, "tasks": st.lists(_tasks(_tasks(ANYTHING)), max_size=3)},
    optional={
        "outputParameters": st.dictionaries(st.text(max_size=3), TEXTS),
        "variables": st.dictionaries(st.text(max_size=3), ANYTHING),
        "timeoutSeconds": st.integers(-1, 9),
        "version": st.integers(),
    },
)


def upload_errors(blueprint: Blueprint) -> set[str]:
    workers = blueprint.workers or ()
    _, found = check(blueprint, workers=workers, workers_in_body=True, is_resolved=lambda _: True)
    return {finding.code for finding in found if finding.severity == "error"}


@given(
    document=WORKFLOWS
    | st.builds(lambda w, t: {"workflow": w, "taskDefs": t}, WORKFLOWS, ANYTHING)
    | ANYTHING
)
def test_any_document_is_refused_as_invalid_or_becomes_a_blueprint(document: Any) -> None:
    try:
        imported = import_definition("conductor", document, project=None, activity=None)
    except Invalid as refusal:
        assert refusal.detail
        return
    blueprint = Blueprint.model_validate(imported.blueprint)
    if any(finding.severity == "error" for finding in imported.findings):
        return
    assert upload_errors(blueprint) <= set()


# ---------------------------------------------------------------- workflows that are sound


@st.composite
def sound(draw: st.DrawFn) -> dict[str, Any]:
    """Workflows that Conductor would take, with unique names, forks that join, and loops."""
    numbers = iter(range(1_000))
    seen: list[str] = []

    def tasks(depth: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for _ in range(draw(st.integers(1, 2))):
            ref = f"t{next(numbers)}"
            kinds = ["SIMPLE", "WAIT", "HTTP", "INLINE", "HUMAN"]
            kind = draw(st.sampled_from(kinds + ["SWITCH", "DO_WHILE", "FORK_JOIN"] * (depth < 2)))
            value = (
                f"${{{draw(st.sampled_from(seen))}.output.x}}" if seen else "${workflow.input.x}"
            )
            one: dict[str, Any] = {"name": ref, "taskReferenceName": ref, "type": kind}
            one["inputParameters"] = {"v": value}
            found.append(one)
            match kind:
                case "HTTP":
                    one["inputParameters"]["uri"] = "https://api.example.com/x"
                case "INLINE":
                    one["inputParameters"]["expression"] = "$.v"
                case "SWITCH":
                    one |= {"evaluatorType": "value-param", "expression": "v"}
                    one |= {"decisionCases": {"a": tasks(depth + 1), "b c": tasks(depth + 1)}}
                case "DO_WHILE":
                    one |= {
                        "loopCondition": f"$.{ref}['iteration'] < 3",
                        "loopOver": tasks(depth + 1),
                    }
                case "FORK_JOIN":
                    branches = [tasks(depth + 1) for _ in range(draw(st.integers(1, 2)))]
                    one["forkTasks"] = branches
                    ends = [branch[-1]["taskReferenceName"] for branch in branches]
                    join = f"t{next(numbers)}"
                    found.append(
                        {"name": join, "taskReferenceName": join, "type": "JOIN", "joinOn": ends}
                    )
                    seen.append(join)
                case _:
                    pass
            seen.append(ref)
        return found

    return {"name": "w", "tasks": tasks(0), "outputParameters": {"o": "${t0.output}"}}


@given(workflow=sound())
def test_a_sound_workflow_is_kept_and_can_be_uploaded(workflow: dict[str, Any]) -> None:
    imported = import_definition("conductor", workflow, project=None, activity=None)
    assert [finding for finding in imported.findings if finding.severity == "error"] == []
    assert upload_errors(Blueprint.model_validate(imported.blueprint)) == set()
