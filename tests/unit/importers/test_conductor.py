"""Workflows of Conductor: imported, and run."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from goflow_py.errors import Invalid
from goflow_py.importers import Imported, import_definition
from tests.player import Player
from tests.unit.importers.playing import Failed, Played, play

Convert = Callable[..., Imported]


def simple(ref: str, **fields: Any) -> dict[str, Any]:
    return {"name": fields.pop("name", ref), "taskReferenceName": ref, "type": "SIMPLE", **fields}


def of_type(kind: str, ref: str, **fields: Any) -> dict[str, Any]:
    return simple(ref, **fields) | {"type": kind}


def workflow(*tasks: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"name": "flow", "version": 1, "schemaVersion": 2, "tasks": list(tasks), **fields}


def run(document: dict[str, Any], value: Any, **answers: Any) -> Played:
    imported = import_definition("conductor", document, project=None, activity=None)
    assert [f for f in imported.findings if f.severity == "error"] == []
    return play(imported.blueprint, value, answers)


def losses(document: dict[str, Any]) -> list[tuple[str, str]]:
    imported = import_definition("conductor", document, project=None, activity=None)
    return [(f.severity, f.pointer) for f in imported.findings]


def evaluated(imported: Imported, name: str, given: Any) -> Any:
    """Run a script as the engine does: ``$`` is the document, its ``input`` the task's."""
    context = pytest.importorskip("quickjs").Context()
    script = action_of(imported, name)["script"]
    context.eval(f"globalThis.$ = {json.dumps({'input': given})}; {script}")
    return {"result": json.loads(context.eval("JSON.stringify($.result)"))}


def action_of(imported: Imported, name: str) -> dict[str, Any]:
    return next(one for one in imported.blueprint["actions"] if one["name"] == name)


# ---------------------------------------------------------------- a claim, from end to end

CLAIM: dict[str, Any] = {
    "workflow": workflow(
        simple(
            "register",
            name="claims.register",
            inputParameters={
                "policy": "${workflow.input.policy}",
                "photos": ["${workflow.input.photos[0].url}"],
                "label": "claim of ${workflow.input.holder.name}: $${kept}",
                "run": "${workflow.workflowId}",
            },
        ),
        of_type(
            "FORK_JOIN",
            "checks",
            forkTasks=[
                [
                    simple("cover", inputParameters={"id": "${register.output.id}"}),
                    simple("limit", inputParameters={"cover": "${cover.output.kind}"}),
                ],
                [
                    of_type("WAIT", "cool_down", inputParameters={"duration": "1 hour 30 minutes"}),
                    simple("fraud", inputParameters={"id": "${register.output.id}"}),
                ],
            ],
        ),
        of_type("JOIN", "checked", joinOn=["limit", "fraud"]),
        of_type(
            "SWITCH",
            "risk?",
            evaluatorType="value-param",
            expression="level",
            inputParameters={"level": "${fraud.output.level}"},
            decisionCases={
                "VERY HIGH": [
                    of_type(
                        "TERMINATE",
                        "refused",
                        inputParameters={
                            "terminationStatus": "FAILED",
                            "workflowOutput": {"why": "${fraud.output.level}"},
                        },
                    )
                ],
                "error": [
                    of_type("HUMAN", "inspect", inputParameters={"id": "${register.output.id}"})
                ],
            },
            defaultCase=[],
        ),
        of_type(
            "DO_WHILE",
            "quotes",
            inputParameters={"most": "${workflow.input.most}"},
            loopCondition=(
                "if ($.quotes['iteration'] < $.most && !$.quote['good']) { true; } else { false; }"
            ),
            loopOver=[simple("quote", inputParameters={"n": "${quotes.output.iteration}"})],
        ),
        of_type("SET_VARIABLE", "keep", inputParameters={"best": "${quote.output.price}"}),
        simple(
            "pay", inputParameters={"sum": "${workflow.variables.best}", "all": "${checked.output}"}
        ),
        outputParameters={
            "paid": "${pay.output.sum}",
            "fraud": "${checked.output.fraud.level}",
            "text": "${workflow.input.policy}/${pay.output.sum}",
            "rounds": "${quotes.output.iteration}",
        },
        variables={"best": None},
        timeoutSeconds=604800,
        ownerEmail="claims@example.com",
    ),
    "taskDefs": [
        {
            "name": "claims.register",
            "retryCount": 4,
            "retryLogic": "EXPONENTIAL_BACKOFF",
            "retryDelaySeconds": 5,
            "timeoutSeconds": 600,
            "responseTimeoutSeconds": 120,
        },
        {"name": "pay", "retryCount": 2, "retryLogic": "FIXED", "retryDelaySeconds": 90},
    ],
}
INPUT = {"policy": "P-1", "photos": [{"url": "u"}], "holder": {"name": "Ada"}, "most": 3}


def answers(**other: Any) -> dict[str, Any]:
    given = {
        "register": {"id": 7},
        "cover": {"kind": "full"},
        "limit": {"most": 100},
        "fraud": {"level": "low"},
        "quote": lambda task: {"price": 10 * task["n"], "good": task["n"] == 2},
        "pay": lambda task: {"sum": task["sum"]},
    }
    return given | other


def test_a_claim_runs_to_its_end(convert: Convert) -> None:
    imported = convert("conductor", CLAIM)
    assert imported.findings == ()
    assert (imported.blueprint["project"], imported.blueprint["activity"]) == ("conductor", "flow")
    assert imported.blueprint["meta"] == {"version": 1, "ownerEmail": "claims@example.com"}
    played = play(imported.blueprint, INPUT, answers())
    assert played.status == "completed"
    assert played.given("register") == [
        {
            "policy": "P-1",
            "photos": ["u"],
            "label": "claim of Ada: ${kept}",
            "run": played.player.execution.id,
        }
    ]
    assert played.given("limit") == [{"cover": "full"}]
    assert played.given("fraud") == [{"id": 7}]
    assert played.given("quote") == [{"n": 1}, {"n": 2}]
    assert played.given("pay") == [
        {"sum": 20, "all": {"limit": {"most": 100}, "fraud": {"level": "low"}}}
    ]
    assert played.output == {"paid": 20, "fraud": "low", "text": "P-1/20", "rounds": 2}


def test_a_loop_ends_at_its_bound(convert: Convert) -> None:
    never = answers(quote={"price": 1, "good": False})
    played = play(convert("conductor", CLAIM).blueprint, INPUT, never)
    assert played.given("quote") == [{"n": 1}, {"n": 2}, {"n": 3}]


@pytest.mark.parametrize(
    ("level", "passes", "status"),
    [
        ("VERY HIGH", "refused", "failed"),
        ("error", "inspect", "completed"),
        (None, "quotes", "completed"),
        (["VERY HIGH"], "quotes", "completed"),
    ],
)
def test_a_switch_takes_its_case_or_the_default(
    convert: Convert, level: Any, passes: str, status: str
) -> None:
    blueprint = convert("conductor", CLAIM).blueprint
    played = play(blueprint, INPUT, answers(fraud={"level": level}, inspect={}))
    assert played.path[played.path.index("risk_") + 1] == passes
    assert played.status == status
    if status == "failed":
        assert played.output == {"why": "VERY HIGH"}


def test_a_fork_is_a_graph_and_a_branch_that_waits_a_machine(convert: Convert) -> None:
    blueprint = convert("conductor", CLAIM).blueprint
    states = {s["name"]: s for s in blueprint["states"] if isinstance(s, dict)}
    assert states["checks"]["tasks"] == [
        {"name": "cover"},
        {"name": "limit", "needs": ["cover"]},
        {"name": "checks_2"},
    ]
    machine = blueprint["machines"]["checks_2"]
    assert machine["states"] == ["cool_down", "fraud"]
    assert machine["actions"][0]["seconds"] == 5400
    assert states["risk_"]["meta"] == {"name": "risk?"}


def test_retries_and_leases_are_those_of_the_task_definitions(convert: Convert) -> None:
    imported = convert("conductor", CLAIM)
    register, pay, cover = (action_of(imported, name) for name in ("register", "pay", "cover"))
    assert (register["type"], register["queue"]) == ("pull", "claims.register")
    assert (register["retryCount"], register["timeout"], register["lease"]) == (4, 600, 120)
    assert register["retry"] == {
        "interval": 5,
        "backoffRate": 2,
        "maxInterval": 80,
        "jitter": "none",
    }
    assert pay["retry"] == {"interval": 90, "backoffRate": 1, "maxInterval": 90, "jitter": "none"}
    assert (cover["retryCount"], cover["lease"]) == (3, 3600)


# ---------------------------------------------------------------- kinds of tasks


def test_an_http_task_is_a_raw_call_with_a_worker(convert: Convert) -> None:
    request = {
        "uri": "https://api.example.com/v1/users/${workflow.input.id}/mail?dry=${workflow.input.dry}&x=a%20b",
        "method": "POST",
        "headers": {"X-Team": "blue", "Authorization": "Bearer ${workflow.secrets.mail}"},
        "body": {"to": "${workflow.input.to}"},
        "readTimeOut": 2500,
    }
    mail = of_type("HTTP", "mail", inputParameters={"http_request": request}, retryCount=2)
    after = simple("after", inputParameters={"m": "${mail.output.response.body.id}"})
    imported = convert("conductor", workflow(mail, after))
    assert imported.blueprint["workers"] == [
        {
            "name": "mail",
            "workerEndpoint": "https://api.example.com/v1/users",
            "retryCount": 2,
            "responseTimeout": 2.5,
            "headers": {"X-Team": "blue", "Authorization": "Bearer ${secret:mail}"},
        }
    ]
    value = {"id": "u 1", "dry": True, "to": "ada"}
    played = play(imported.blueprint, value, {"mail": {"id": 5}, "after": None})
    scheduled = next(e for e in played.player.entries if e["type"] == "taskScheduled")
    assert scheduled["input"] == {"to": "ada"}
    assert scheduled["target"] == {"path": "u 1/mail", "query": {"dry": True, "x": "a b"}}
    assert played.given("after") == [{"m": 5}]
    assert action_of(imported, "mail")["raw"] is True


def test_a_fixed_uri_is_the_endpoint_as_it_is(convert: Convert) -> None:
    parameters = {"uri": "https://api.example.com/rates?base=EUR"}
    imported = convert("conductor", workflow(of_type("HTTP", "rates", inputParameters=parameters)))
    assert imported.blueprint["workers"][0]["workerEndpoint"] == parameters["uri"]
    action = action_of(imported, "rates")
    assert (action["method"], "path" in action) == ("GET", False)


def test_waits_people_events_and_children(convert: Convert) -> None:
    imported = convert(
        "conductor",
        workflow(
            of_type("WAIT", "signal"),
            of_type("WAIT", "until", inputParameters={"until": "2030-05-01 09:30 GMT"}),
            of_type("WAIT", "zone", inputParameters={"until": "2030-05-01 09:30 +0200"}),
            of_type("HUMAN", "approve", inputParameters={"of": "${signal.output.by}"}),
            of_type(
                "EVENT", "tell", sink="sqs:orders", inputParameters={"id": "${workflow.input.id}"}
            ),
            of_type("SUB_WORKFLOW", "child", subWorkflowParam={"name": "bill it"}, optional=True),
            of_type("NOOP", "nothing"),
        ),
    )
    assert imported.blueprint["events"] == {"signal": {}}
    assert action_of(imported, "signal") == {"name": "signal", "type": "wait", "event": "signal"}
    assert action_of(imported, "until")["until"] == "2030-05-01T09:30:00Z"
    assert action_of(imported, "zone")["until"] == "2030-05-01T09:30:00+02:00"
    assert action_of(imported, "approve")["input"] == {"of": "$.signal.output.by"}
    tell = action_of(imported, "tell")
    assert (tell["event"], tell["endpoint"]) == ("orders", "sqs_orders")
    child = action_of(imported, "child")
    assert (child["activity"], child["ignoreFailure"]) == ("bill_it", True)
    assert [f.severity for f in imported.findings] == ["warning"]


def test_a_signal_ends_its_wait() -> None:
    after = simple("after", inputParameters={"by": "${signal.output.by}"})
    document = workflow(of_type("WAIT", "signal"), after)
    imported = import_definition("conductor", document, project=None, activity=None)
    player = Player(imported.blueprint).start({})
    player.send("signal", {"by": "Ada"})
    assert player.execution.tasks["after"].input == {"by": "Ada"}


def test_scripts_get_their_parameters(convert: Convert) -> None:
    inline = of_type(
        "INLINE",
        "add",
        inputParameters={
            "evaluatorType": "graaljs",
            "expression": "(function () { return $.a + $.n.k; })();",
            "a": "${one.output.x}",
            "n": {"k": 2, "t": "<${workflow.input.t}>"},
        },
    )
    old = of_type(
        "LAMBDA",
        "old",
        inputParameters={
            "scriptExpression": "if ($.y > 1) { return 'big'; } return 'small';",
            "y": 3,
        },
    )
    use = simple("use", inputParameters={"r": "${add.output.result}", "o": "${old.output.result}"})
    imported = convert("conductor", workflow(simple("one"), inline, old, use))
    played = play(
        imported.blueprint,
        {"t": None},
        {
            "one": {"x": 3},
            "add": lambda given: evaluated(imported, "add", given),
            "old": lambda given: evaluated(imported, "old", given),
            "use": None,
        },
    )
    assert played.given("add") == [{"a": 3, "n": {"k": 2, "t": "<>"}}]
    assert played.given("use") == [{"r": 5, "o": "big"}]


@pytest.mark.parametrize(
    "decides",
    [
        {"evaluatorType": "javascript", "expression": "$.amount > 100 ? 'big' : 'small'"},
        {"caseExpression": "if ($.amount > 100) { 'big' } else { 'small' }"},
    ],
)
def test_a_switch_decides_by_simple_javascript(decides: dict[str, Any]) -> None:
    switch = of_type(
        "DECISION",
        "size",
        inputParameters={"amount": "${workflow.input.amount}"},
        decisionCases={"big": [simple("audit")]},
        defaultCase=[simple("file")],
        **decides,
    )
    document = workflow(switch, simple("end"))
    path = run(document, {"amount": 500}, audit=1, end=1).path
    assert path == ["init", "size", "audit", "end", "done"]
    assert run(document, {"amount": 5}, file=1, end=1).path[2] == "file"


def test_a_switch_by_other_javascript_runs_it_first() -> None:
    switch = of_type(
        "SWITCH",
        "size",
        evaluatorType="javascript",
        expression="$.amount.toFixed(0) == '5' ? 'five' : 'other'",
        inputParameters={"amount": "${workflow.input.amount}"},
        decisionCases={"five": [simple("audit")]},
    )
    played = run(workflow(switch), {"amount": 5}, size={"result": "five"}, audit=1)
    assert played.path == ["init", "size", "size_case", "audit", "done"]


def test_an_optional_task_may_fail_and_another_may_not() -> None:
    document = workflow(simple("a", optional=True), simple("b"))
    assert run(document, {}, a=Failed("refused"), b=1).status == "completed"
    assert run(document, {}, a=1, b=Failed("refused")).status == "failed"


def test_a_start_delay_is_waited_for() -> None:
    imported = import_definition(
        "conductor", workflow(simple("a"), simple("b", startDelay=30)), project=None, activity=None
    )
    row = next(r for r in imported.blueprint["transitions"] if r["next"] == "b")
    assert row["delay"] == 30


def test_a_dynamic_fork_over_one_task_is_an_each() -> None:
    fork = of_type(
        "FORK_JOIN_DYNAMIC",
        "resize",
        inputParameters={"forkTaskName": "resize_image", "forkTaskInputs": "${list.output.images}"},
    )
    document = workflow(simple("list"), fork, of_type("JOIN", "resized"), simple("end"))
    images = {"images": [{"id": 1}, {"id": 2}]}
    played = run(document, {}, list=images, resize_item=lambda given: given["id"], end=1)
    assert played.given("resize_item") == [{"id": 1}, {"id": 2}]
    assert played.status == "completed"


def test_loops_in_loops_count_anew() -> None:
    inner = of_type(
        "DO_WHILE",
        "inner",
        loopCondition="$.inner['iteration'] < 2",
        loopOver=[
            simple(
                "work",
                inputParameters={
                    "o": "${outer.output.iteration}",
                    "i": "${inner.output.iteration}",
                },
            )
        ],
    )
    outer = of_type("DO_WHILE", "outer", loopCondition="$.outer['iteration'] < 2", loopOver=[inner])
    played = run(workflow(outer), {}, work=1)
    assert [(given["o"], given["i"]) for given in played.given("work")] == [
        (1, 1),
        (1, 2),
        (2, 1),
        (2, 2),
    ]


def test_a_fork_in_a_machine_reaches_what_is_around_it() -> None:
    inner = of_type(
        "FORK_JOIN",
        "inner",
        forkTasks=[
            [
                of_type("WAIT", "rest", inputParameters={"duration": "5s"}),
                simple(
                    "deep",
                    inputParameters={
                        "x": "${first.output.x}",
                        "n": "${workflow.input.n}",
                        "w": "${workflow.workflowId}",
                    },
                ),
            ],
        ],
    )
    outer = of_type(
        "FORK_JOIN",
        "outer",
        forkTasks=[[inner, of_type("JOIN", "inner_join", joinOn=["deep"])], [simple("side")]],
    )
    join = of_type("JOIN", "outer_join", joinOn=["inner_join", "side"])
    last = simple("last", inputParameters={"d": "${deep.output.y}"})
    document = workflow(simple("first"), outer, join, last)
    played = run(document, {"n": 4}, first={"x": 1}, deep={"y": 2}, side=3, last=4)
    given = {"x": 1, "n": 4, "w": played.player.execution.id}
    assert played.given("deep") == [given]
    assert played.given("last") == [{"d": 2}]


# ---------------------------------------------------------------- what cannot be kept

BAD_LOOP = {"loopCondition": "Math.random() > 3", "loopOver": [simple("x")]}


@pytest.mark.parametrize(
    ("task", "pointer", "severity"),
    [
        (of_type("JSON_JQ_TRANSFORM", "t"), "/type", "error"),
        (of_type("START_WORKFLOW", "t"), "/type", "error"),
        (of_type("KAFKA_PUBLISH", "t"), "/type", "error"),
        (of_type("DYNAMIC", "t"), "/type", "error"),
        (of_type("JOIN", "t"), "/type", "error"),
        (of_type("DO_WHILE", "t", **BAD_LOOP), "/loopCondition", "error"),
        (of_type("DO_WHILE", "t", loopCondition="true"), "/loopOver", "error"),
        (of_type("FORK_JOIN", "t", forkTasks=[[simple("x")]]), "/type", "error"),
        (
            of_type("FORK_JOIN_DYNAMIC", "t", dynamicForkTasksParam="d"),
            "/dynamicForkTasksParam",
            "error",
        ),
        (
            of_type("HTTP", "t", inputParameters={"uri": "${workflow.input.u}"}),
            "/inputParameters",
            "error",
        ),
        (
            of_type(
                "HTTP",
                "t",
                inputParameters={"uri": "https://h/", "headers": {"X": "${workflow.input.x}"}},
            ),
            "/inputParameters/headers/X",
            "error",
        ),
        (
            of_type("HTTP", "t", inputParameters={"uri": "https://h/", "method": "HEAD"}),
            "/inputParameters",
            "error",
        ),
        (of_type("EVENT", "t", sink="${workflow.input.s}"), "/sink", "error"),
        (of_type("EVENT", "t", sink="sqs:x"), "/sink", "warning"),
        (
            of_type("SUB_WORKFLOW", "t", subWorkflowParam={"name": "x", "version": 2}),
            "/subWorkflowParam",
            "warning",
        ),
        (
            of_type("SUB_WORKFLOW", "t", subWorkflowParam={"name": "${workflow.input.w}"}),
            "/subWorkflowParam",
            "error",
        ),
        (
            of_type("INLINE", "t", inputParameters={"evaluatorType": "python", "expression": "1"}),
            "/evaluatorType",
            "error",
        ),
        (
            of_type(
                "SWITCH",
                "t",
                evaluatorType="value-param",
                expression="x",
                inputParameters={"x": "a${workflow.input.y}"},
            ),
            "/inputParameters",
            "error",
        ),
        (
            of_type("TERMINATE", "t", inputParameters={"terminationStatus": "${workflow.input.s}"}),
            "/inputParameters",
            "error",
        ),
        (
            of_type("WAIT", "t", inputParameters={"duration": "a while"}),
            "/inputParameters",
            "error",
        ),
        (
            of_type("WAIT", "t", inputParameters={"until": "2030-05-01 09:30"}),
            "/inputParameters",
            "warning",
        ),
        (simple("t", inputParameters={"x": "${nobody.output.x}"}), "/inputParameters/x", "error"),
        (simple("t", inputParameters={"x": "${t.input.x}"}), "/inputParameters/x", "error"),
        (simple("t", inputParameters={"x": "${workflow.status}"}), "/inputParameters/x", "error"),
        (
            simple("t", inputParameters={"x": ["a ${workflow.env.HOME}"]}),
            "/inputParameters/x/0",
            "error",
        ),
        (simple("t", taskDefinition={"retryLogic": "LINEAR_BACKOFF"}), "/name", "warning"),
        (
            simple("t", taskDefinition={"timeoutSeconds": 5, "timeoutPolicy": "ALERT_ONLY"}),
            "/name",
            "warning",
        ),
        (simple("t", taskDefinition={"concurrentExecLimit": 5}), "/name", "warning"),
    ],
)
def test_what_cannot_be_kept_is_shown_where_it_stands(
    task: dict[str, Any], pointer: str, severity: str
) -> None:
    assert (severity, f"/tasks/0{pointer}") in losses(workflow(task))


@pytest.mark.parametrize(
    ("fields", "loss"),
    [
        ({"failureWorkflow": "sorry"}, ("error", "/failureWorkflow")),
        ({"inputTemplate": {"x": 1}}, ("error", "/inputTemplate")),
        ({"timeoutSeconds": 5, "timeoutPolicy": "ALERT_ONLY"}, ("warning", "/timeoutPolicy")),
        ({"colour": "blue"}, ("warning", "/colour")),
        ({"outputParameters": {"x": "${a.output"}}, None),
        ({"restartable": True}, None),
    ],
)
def test_what_a_workflow_cannot_keep_is_shown(
    fields: dict[str, Any], loss: tuple[str, str] | None
) -> None:
    assert losses(workflow(simple("a"), **fields)) == ([loss] if loss else [])


def test_a_branch_that_is_left_out_of_the_join_is_an_error() -> None:
    fork = of_type("FORK_JOIN", "f", forkTasks=[[simple("a")], [simple("b")]])
    document = workflow(fork, of_type("JOIN", "j", joinOn=["a"]))
    assert losses(document) == [("error", "/tasks/1/joinOn")]


def test_a_machine_neither_ends_the_workflow_nor_sets_its_variables() -> None:
    branch = [
        of_type("WAIT", "w", inputParameters={"duration": "5s"}),
        of_type("SET_VARIABLE", "s", inputParameters={"x": 1}),
        of_type("TERMINATE", "t"),
    ]
    document = workflow(
        of_type("FORK_JOIN", "f", forkTasks=[branch]), of_type("JOIN", "j", joinOn=["t"])
    )
    assert losses(document) == [
        ("error", "/tasks/0/forkTasks/0/1/inputParameters"),
        ("error", "/tasks/0/forkTasks/0/2/type"),
    ]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "is an object"),
        ({"name": "x"}, "'tasks' is missing"),
        (workflow(), "at least 1 item"),
        (workflow({"name": "x"}), "'taskReferenceName' is missing"),
        (workflow(simple("a"), simple("a")), "'a' is used twice"),
        (workflow(of_type("FORK_JOIN", "f", forkTasks=[[simple("a")]] * 201)), "more than 200"),
    ],
)
def test_what_is_no_workflow_is_refused(document: Any, message: str) -> None:
    with pytest.raises(Invalid, match=message):
        import_definition("conductor", document, project=None, activity=None)


def test_an_import_that_would_grow_without_end_is_refused() -> None:
    fork = of_type("FORK_JOIN", "f", forkTasks=[[simple(f"b{i}")] for i in range(150)])
    greedy = simple("g", inputParameters={f"x{i}": "${j.output}" for i in range(500)})
    with pytest.raises(Invalid, match="import it in parts"):
        losses(workflow(fork, of_type("JOIN", "j"), greedy))
