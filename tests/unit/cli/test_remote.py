"""Commands that ask a server: what they send, what they print, how they end."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.conftest import EXECUTION, Stub, execution, failed, goflow, problem, waiting

ID = str(EXECUTION["id"])
ONE = f"/v1/executions/{ID}"
START = "POST /v1/activities/shop/order/executions"


def ask(stub: Stub, *words: str, **more: Any) -> Any:
    return goflow(*words, "--server", stub.url, **more)


# ---------------------------------------------------------------- run


@pytest.mark.parametrize(
    ("words", "sent"),
    [
        ([], {}),
        (["-i", "a=1", "-i", "b=x y", "-i", "c=[1]"], {"a": 1, "b": "x y", "c": [1]}),
        (["-i", "a=NaN", "-i", "b=", "-i", "c=x=y"], {"a": "NaN", "b": "", "c": "x=y"}),
        (["-i", "n=12345678901234567890"], {"n": "12345678901234567890"}),
        (["--input", '{"a": 1, "b": 2}', "-i", "b=3"], {"a": 1, "b": 3}),
        (["--input", "[1, 2]"], [1, 2]),
    ],
)
def test_the_input_is_json_where_it_is_json(stub: Stub, words: list[str], sent: Any) -> None:
    stub.answers(START, (201, execution(status="running")))
    said = ask(stub, "run", "shop/order", *words)
    assert (said.code, said.out) == (0, f"{ID}\n")
    assert stub.asked[0]["body"]["input"] == sent


def test_the_input_can_come_from_a_file_or_standard_input(stub: Stub, tmp_path: Path) -> None:
    file = tmp_path / "in.json"
    file.write_text('{"a": {"b": 1}}')
    stub.answers(START, (201, execution()))
    ask(stub, "run", "shop/order", "-i", f"@{file}", "-i", "c=1")
    ask(stub, "run", "shop/order", "--input", "-", stdin='{"d": 2}')
    assert [one["body"]["input"] for one in stub.asked] == [{"a": {"b": 1}, "c": 1}, {"d": 2}]


def test_key_id_label_and_version_are_sent(stub: Stub) -> None:
    stub.answers(START, (201, execution()))
    words = ("-k", "A-1", "--id", ID, "--label", "team=x", "--version", "2")
    ask(stub, "run", "shop/order", *words)
    sent = stub.asked[0]["body"]
    assert sent == {"input": {}, "key": "A-1", "id": ID, "labels": {"team": "x"}, "version": 2}


@pytest.mark.parametrize(
    ("end", "code", "shown"),
    [
        (execution(), 0, '{"paid": true}'),
        (failed(), 1, "timeout: no answer (in pay)"),
        (execution(status="cancelled"), 1, "cancelled"),
        (waiting(), 0, "approved (from manager)"),
    ],
)
def test_wait_prints_the_end(stub: Stub, end: Any, code: int, shown: str) -> None:
    stub.answers(START, (201, execution(status="running", output=None)))
    stub.answers(f"GET {ONE}", execution(status="running", output=None), end)
    said = ask(stub, "run", "shop/order", "--wait")
    assert said.code == code
    assert shown in said.out


def test_wait_ends_with_its_time(stub: Stub) -> None:
    stub.answers(START, (201, execution(status="running", output=None)))
    stub.answers(f"GET {ONE}", execution(status="running", output=None))
    said = ask(stub, "run", "--wait", "0.05", "shop/order")
    assert said.code == 0
    assert "goflow watch" in said.err


@pytest.mark.parametrize(
    "words",
    [
        ["run", "shop"],
        ["run", "shop/order", "-i", "x"],
        ["run", "shop/order", "--input", "{"],
        ["run", "shop/order", "--wait=soon"],
        ["run", "shop/order", "-i", "@nowhere.json"],
        ["ls", "--limit", "501"],
        ["ls", "--since", "yesterday"],
        ["ls", "--label", "x"],
        ["ls", "--key", "not-a-key"],
        ["send", ID, "pay", "-d", "x{"],
        ["key", "create"],
        ["show"],
    ],
)
def test_wrong_usage_asks_nothing(stub: Stub, words: list[str]) -> None:
    assert ask(stub, *words).code == 2
    assert stub.asked == []


# ---------------------------------------------------------------- look


def test_ls_sends_its_filters(stub: Stub) -> None:
    stub.answers("GET /v1/executions", {"items": [execution()], "next": "abc"})
    words = ("-s", "failed", "-s", "paused", "-l", "a=b", "-q", "A-", "--since", "1h", "-n", "7")
    said = ask(stub, "ls", "shop/order", *words)
    asked = stub.asked[0]["query"]
    assert asked.pop("since").endswith("Z")
    assert asked == {
        "project": "shop",
        "activity": "order",
        "status": "failed,paused",
        "label.a": "b",
        "q": "A-",
        "limit": "7",
    }
    assert ID in said.out
    assert "--cursor abc" in said.err


def test_show_has_state_path_attempts_and_why(stub: Stub) -> None:
    entry = {"seq": 1, "at": EXECUTION["startedAt"], "type": "transition", "from": "init"}
    entry |= {"event": "start", "action": "pay", "to": "pay", "visit": 1, "entered": True}
    attempt = {"task": "pay", "attempt": 1, "worker": "w", "outcome": "error", "httpStatus": 503}
    attempt["error"] = {"code": "server_error", "message": "503"}
    stub.answers(f"GET {ONE}", failed())
    stub.answers(f"GET {ONE}/history", {"items": [entry], "next": None})
    stub.answers(f"GET {ONE}/attempts", {"items": [attempt]})
    stub.answers(f"GET {ONE}/why", {"why": "It failed."})
    said = ask(stub, "show", ID)
    assert said.code == 0
    for text in ("failed", "shop/order", "It failed.", "path", "attempts", "server_error: 503"):
        assert text in said.out
    assert set(ask(stub, "show", ID, "--json").json) == {"execution", "why", "history", "attempts"}


def test_history_reads_every_page(stub: Stub) -> None:
    entries = [{"seq": seq, "at": EXECUTION["startedAt"], "type": "x"} for seq in (0, 1)]
    stub.answers(
        f"GET {ONE}/history",
        {"items": entries[:1], "next": "0"},
        {"items": entries[1:], "next": None},
    )
    assert ask(stub, "history", ID, "--json").json == entries
    assert stub.asked[1]["query"]["after"] == "0"


def test_watch_prints_entries_until_the_end(stub: Stub) -> None:
    def page(*seqs: int) -> dict[str, Any]:
        items = [{"seq": seq, "at": EXECUTION["startedAt"], "type": f"t{seq}"} for seq in seqs]
        return {"items": items, "next": None}

    stub.answers(f"GET {ONE}", execution(status="running"), execution(status="running"), failed())
    stub.answers(f"GET {ONE}/history", page(0), page(1), page(2), page())
    said = ask(stub, "watch", ID, "--json")
    assert said.code == 1
    assert [json.loads(line)["seq"] for line in said.out.splitlines()] == [0, 1, 2]


def test_what_steers_a_terminal_is_not_printed(stub: Stub) -> None:
    stub.answers(
        "GET /v1/executions", {"items": [execution(key="\x1b]0;x\x07[red]")], "next": None}
    )
    said = ask(stub, "ls")
    assert "\x1b" not in said.out
    assert "\\x1b]0;x\\x07[red]" in said.out


# ---------------------------------------------------------------- act


@pytest.mark.parametrize(
    ("words", "path", "body"),
    [
        (["retry", ID], ":retry", {}),
        (["retry", ID, "--new-visit"], ":retry", {"newVisit": True}),
        (["pause", ID, "--reason", "lunch"], ":pause", {"reason": "lunch"}),
        (["resume", ID], ":resume", {}),
        (["cancel", ID], ":cancel", {}),
        (["terminate", ID], ":terminate", {}),
        (["skip", ID, "--output", '{"a": 1}', "--event", "paid"], ":skip",
         {"output": {"a": 1}, "event": "paid"}),
        (["goto", ID, "pay"], ":goto", {"state": "pay"}),
        (["replay", ID, "pay", "--only-there"], ":replay", {"from": "pay", "downstream": False}),
        (["replay", ID, "pay", "--only-there", "--task", "a"], ":replay",
         {"from": "pay", "downstream": False, "task": "a"}),
        (["send", ID, "paid", "-d", "[1]", "--id", "e1"], "/events",
         {"name": "paid", "data": [1], "id": "e1"}),
    ],
)  # fmt: skip
def test_verbs_are_sent_as_they_are_meant(
    stub: Stub, words: list[str], path: str, body: Any
) -> None:
    answer = execution() if path != "/events" else {"applied": True, "execution": execution()}
    stub.answers(f"POST {ONE}{path}", answer)
    said = ask(stub, *words)
    assert said.code == 0, said.err
    assert stub.asked[0]["body"] == body
    assert ID in said.out


def test_an_id_cannot_leave_its_segment(stub: Stub) -> None:
    assert ask(stub, "why", "../keys").code == 1
    assert stub.asked[0]["route"] == "GET /v1/executions/../keys/why"  # %2F, decoded


def test_the_key_is_a_header_and_comes_from_the_environment(stub: Stub) -> None:
    stub.answers("GET /v1/executions", {"items": [], "next": None})
    goflow("ls", GOFLOW_SERVER=stub.url, GOFLOW_KEY="gf_1_abc")
    assert stub.asked[0]["headers"]["authorization"] == "Bearer gf_1_abc"


def test_a_key_is_printed_alone(stub: Stub) -> None:
    stub.answers("POST /v1/keys", (201, {"id": "1", "key": "gf_1_x", "scopes": ["task"]}))
    said = ask(stub, "key", "create", "--scopes", "task,admin", "--project", "p", "--expires", "1d")
    assert said.out == "gf_1_x\n"
    sent = stub.asked[0]["body"]
    assert (sent["scopes"], sent["project"]) == (["task", "admin"], "p")
    assert sent["expiresIn"] == 86_400


# ---------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (problem(400, "malformed_json", "no JSON"), 3),
        (problem(400, "bad_parameter", "no status"), 2),
        (problem(401, "no_key", "send a key"), 1),
        (problem(404, "not_found", "not there"), 1),
        (problem(409, "wrong_status", "not now"), 1),
        (problem(422, "invalid_blueprint", "bad"), 3),
        (problem(500, "internal", "broken"), 1),
        (problem(503, "draining", "later", retryAfter=3), 1),
        ((502, "<html>a proxy</html>"), 1),
        ((200, "<html>a page</html>"), 1),
        (problem(409, "odd", "odd facts", self=1, args=[1]), 1),
    ],
)
def test_a_problem_is_one_line_and_an_exit_code(stub: Stub, answer: Any, code: int) -> None:
    stub.answers(f"GET {ONE}/why", answer)
    said = ask(stub, "why", ID)
    assert said.code == code
    assert said.out == ""
    assert said.err.startswith("goflow: ")
    assert said.err.count("\n") == 1


def test_findings_follow_the_line_and_are_json_when_asked(stub: Stub) -> None:
    finding = {"severity": "error", "pointer": "/states/0", "message": "no [b]way[/b]", "code": "x"}
    answer = problem(422, "invalid_input", "bad", errors=[finding])
    stub.answers(START, answer)
    said = ask(stub, "run", "shop/order")
    assert "error   /states/0  no [b]way[/b]  [x]" in said.err
    assert ask(stub, "run", "shop/order", "--json").json["errors"] == [finding]


def test_an_event_that_is_refused_names_those_that_are_not(stub: Stub) -> None:
    awaiting = [{"event": "paid"}, {"event": "approved", "role": "manager"}]
    stub.answers(f"POST {ONE}/events", problem(409, "event_not_accepted", "no", awaiting=awaiting))
    said = ask(stub, "send", ID, "pay")
    assert said.code == 1
    assert "it accepts now: paid, approved (from manager)" in said.err


def test_every_file_is_uploaded_and_the_worst_counts(stub: Stub, tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a.json", "b.json")]
    for file in files:
        file.write_text("{}")
    good = {"project": "p", "activity": "a", "version": 1, "hash": "h", "findings": []}
    finding = {"severity": "error", "pointer": "", "message": "no states", "code": "missing_field"}
    stub.answers(
        "POST /v1/blueprints",
        problem(422, "invalid_blueprint", "bad", findings=[finding]),
        (201, good),
    )
    said = ask(stub, "upload", "--dry-run", "--strict", *map(str, files))
    assert said.code == 3
    assert "p/a v1" in said.out
    assert "no states" in said.out
    assert [one["query"] for one in stub.asked] == [{"strict": "1", "dryRun": "1"}] * 2


def test_a_server_that_is_not_there_is_exit_4() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: nobody else can have it
        said = goflow("ls", "--server", f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert said.code == 4
    assert said.err.count("\n") == 1


@pytest.mark.parametrize(
    "server",
    ["localhost:8080", "ftp://x", "http://", "http://x:99999", "http://[::1", "http://u@x"],
)
def test_what_is_no_address_is_wrong_usage(server: str) -> None:
    said = goflow("ls", "--server", server)
    assert said.code == 2
    assert "no address of a server" in said.err


# ---------------------------------------------------------------- the rest


@pytest.mark.parametrize(
    ("words", "route", "body", "shown"),
    [
        (["key", "ls"], "GET /v1/keys",
         {"items": [{"id": "7", "scopes": ["task"], "project": None}]}, "(all)"),
        (["key", "rm", "7"], "DELETE /v1/keys/7", {}, "7 is revoked"),
        (["endpoint", "set", "w", "http://x"], "PUT /v1/endpoints/w",
         {"alias": "w", "url": "http://x"}, "w -> http://x"),
        (["endpoint", "ls"], "GET /v1/endpoints",
         {"items": [{"alias": "w", "url": "http://x"}]}, "http://x"),
        (["endpoint", "rm", "w"], "DELETE /v1/endpoints/w", {}, "forgotten"),
        (["workers"], "GET /v1/workers",
         {"items": [{"project": "p", "activity": "a", "action": "pay", "endpoint": "w",
                     "url": None, "health": "down", "breaker": "open"}]}, "w -> nowhere"),
        (["verify"], "GET /v1/admin/verify",
         {"ok": True, "executions": 2, "records": 9, "byStatus": {}, "breaches": []}, "none"),
    ],
)  # fmt: skip
def test_lists_and_deeds(stub: Stub, words: list[str], route: str, body: Any, shown: str) -> None:
    stub.answers(route, body)
    said = ask(stub, *words)
    assert said.code == 0, said.err
    assert shown in said.out
    assert ask(stub, *words, "--json").json is not None


def test_a_breach_fails(stub: Stub) -> None:
    breach = {"rule": "S4", "execution": ID, "seq": 3, "message": "a hole"}
    report = {"ok": False, "executions": 1, "records": 1, "byStatus": {}, "breaches": [breach]}
    stub.answers("GET /v1/admin/verify", report)
    said = ask(stub, "verify")
    assert said.code == 1
    assert "a hole" in said.out
