"""What stands in answers, pages, drawings and logs: nothing of the inside, nothing that runs."""

import json
import logging
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from goflow_py.api.app import OPS, PAGES
from goflow_py.api.log_lines import JsonLines, TextLines
from goflow_py.api.op import Op
from tests.e2e.conftest import Answer, Api, activity
from tests.safety.tenants import NOTHING, Guarded, Tenant, body_of, name_of, path_of

pytestmark = pytest.mark.e2e

INSIDE = re.compile(
    rb"Traceback|File \\?\"|\.py\b|site-packages|/usr/|/home/|/root/|/tmp/|/var/|sqlite3\.|"
    rb"aiohttp|asyncio|pydantic|orjson|0x[0-9a-f]{8,}|object at"
)
"""What tells of the machine, or of what the server is made of."""
SCRIPT = "<img src=x onerror=alert(1)>"
HOSTILE = (
    b"{",
    b"[[[[[[[[",
    b'{"a": NaN}',
    b'{"a": 1, "a": 2}',
    b"\xff\xfe\x00",
    b'"\\ud800"',
    b"[" * 100_000,
    b'{"project": "../../etc/passwd"}',
    b'{"name": "go", "data": 1e999}',
    b'{"id": 1, "ids": "x", "queues": {}, "scopes": [], "filter": [], "input": "\\u0000"}',
)
TEXTS = ("text/plain", "text/vnd.mermaid", "text/vnd.graphviz", "text/event-stream")
PATHS = (
    "/%2e%2e/%2e%2e/etc/passwd",
    "/v1/executions/..%2f..%2fetc",
    "/v1/%00",
    "/v1/executions/%0d%0aX-Evil:1",
    "/v1/blueprints/%3Cscript%3E/x",
    "/v1/executions?limit=%0d%0aX-Evil:%201",
    "/v1/executions?cursor=%00%00",
    "/v1/executions?since=never&until=always",
    "/ui/../../etc/passwd",
    "/" + "a" * 4_000,
)


def check(answer: Answer, *, what: Any) -> None:
    """Hold an answer to what is promised of every one."""
    assert answer.headers["X-Content-Type-Options"] == "nosniff", what
    assert answer.headers["Cache-Control"] == "no-store", what
    assert answer.headers["Server"] == "goflow", what
    assert not [name for name in answer.headers if name.startswith("Access-Control-")], what
    assert "X-Evil" not in answer.headers, what
    assert "Set-Cookie" not in answer.headers, what


async def test_every_answer_has_the_headers_that_keep_browsers_out(
    guarded: Guarded, anna: Tenant, stranger: Api
) -> None:
    origin = {"Origin": "https://evil.example"}
    for op in OPS:
        if op.path.endswith("/drain"):
            continue
        for api, things in (
            (stranger, NOTHING),
            (anna.api, NOTHING),
            (anna.api, anna.things),
            (guarded.admin, anna.things),
        ):
            if api is not guarded.admin or op.method == "GET":
                answer = await api(op.method, path_of(op, things), body_of(op), raw=None, **origin)
                check(answer, what=name_of(op))
        check(await anna.api("OPTIONS", path_of(op, NOTHING), raw=None, **origin), what=name_of(op))
    for path in (*PAGES, "/nowhere"):
        check(await stranger("GET", path, raw=None, **origin), what=path)


async def test_an_answer_of_not_modified_has_them_too(guarded: Guarded, anna: Tenant) -> None:
    path = f"/v1/executions/{anna.things['id']}"
    etag = (await anna.api("GET", path)).headers["ETag"]
    answer = await anna.api("GET", path, If_None_Match=etag)
    assert answer.status == 304
    check(answer, what="304")


@pytest.mark.parametrize("op", OPS, ids=name_of)
def test_only_json_text_and_drawings_are_answered(op: Op) -> None:
    """Nothing but the page of documentation is HTML: no answer with user data can be a page."""
    for kinds in op.answers.values():
        for kind in kinds if isinstance(kinds, tuple) else (kinds,):
            if isinstance(kind, str):
                assert kind in TEXTS


async def test_nothing_of_the_inside_is_said_to_hostile_requests(
    guarded: Guarded, anna: Tenant
) -> None:
    for op in OPS:
        if op.path.endswith(("/drain", "/backup")):
            continue
        for raw in HOSTILE if op.takes_body else ():
            answer = await anna.api(op.method, path_of(op, anna.things), raw=raw)
            assert answer.status < 500, (name_of(op), raw[:20], answer.raw)
            check(answer, what=(name_of(op), raw[:20]))
            if answer.status >= 400:
                assert not INSIDE.search(answer.raw), (name_of(op), answer.raw[:500])
        for query in ("nosuch=1", "limit=x", "version=99999999999999999999", "cursor=AAAA"):
            path = path_of(op, {**NOTHING, "project": anna.project})
            answer = await anna.api(op.method, f"{path}?{query}", body_of(op))
            assert answer.status < 500, (name_of(op), query, answer.raw)
            if answer.status >= 400:
                assert not INSIDE.search(answer.raw), (name_of(op), answer.raw[:500])


@pytest.mark.parametrize("path", PATHS)
async def test_odd_paths_are_refused_without_a_word_too_much(anna: Tenant, path: str) -> None:
    answer = await anna.api("GET", path)
    assert 400 <= answer.status < 500
    check(answer, what=path)
    said = answer.raw.replace(b"/etc/passwd", b"")
    assert not INSIDE.search(said), answer.raw[:500]
    assert b"\r" not in answer.raw
    assert b"\n" not in answer.raw


async def test_a_request_id_cannot_bring_in_a_header(anna: Tenant) -> None:
    for number, echoed in (("abc-1", True), ("a b", False), ("\xe9", False), ("x" * 300, False)):
        answer = await anna.api("GET", "/v1/executions", X_Request_Id=number)
        assert (answer.headers.get("X-Request-Id") == number) is echoed


# ---------------------------------------------------------------- pages and drawings


class Page(HTMLParser):
    """Notes what a page would load or run."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.active: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            foreign = name in ("href", "src") and not (value or "").startswith("/")
            if name.startswith("on") or foreign:
                self.active.append((tag, f"{name}={value}"))


@pytest.mark.parametrize("path", ["/ui/", "/docs"])
async def test_a_page_runs_and_loads_files_of_this_server_and_nothing_else(
    stranger: Api, path: str
) -> None:
    answer = await stranger("GET", path)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'; script-src 'self'; style-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    page = Page()
    page.feed(answer.raw.decode())
    assert page.active == []
    assert not page.tags & {"img", "iframe", "object", "embed", "form", "base", "style"}


async def test_what_users_wrote_is_text_in_every_drawing(anna: Tenant) -> None:
    hostile = activity("drawn", {"type": "wait", "event": "go"})
    hostile |= {"project": anna.project, "description": SCRIPT}
    row = hostile["transitions"][1]
    row["when"] = f"data.a = '{SCRIPT}' or data.b = '\"];x -> y;\\n click a href'"
    hostile["transitions"].insert(2, {**row, "when": f"data.c = '{SCRIPT}'", "next": "failed"})
    hostile["states"][0] = {"name": "busy", "stage": SCRIPT, "meta": {"x": SCRIPT}}
    await anna.api.good("POST", "/v1/blueprints", hostile)
    place = f"/v1/activities/{anna.project}/drawn/executions"
    run = await anna.api.good("POST", place, {"key": SCRIPT, "labels": {"a": SCRIPT}})
    for path in (f"/v1/blueprints/{anna.project}/drawn", f"/v1/executions/{run['id']}"):
        for kind in ("mermaid", "dot"):
            drawn = await anna.api("GET", f"{path}/graph?format={kind}")
            assert drawn.status == 200
            assert not drawn.headers["Content-Type"].startswith("text/html")
            # What stands between quotes is text to Graphviz; to Mermaid it may be HTML.
            bare = re.sub(r'"(\\.|[^"\\])*"', "", drawn.raw.decode())
            assert kind == "mermaid" or "onerror" not in bare
            assert kind == "dot" or b"<" not in drawn.raw, drawn.raw


@pytest.mark.parametrize(
    "name",
    [SCRIPT, "a b", 'a"b', "a\nb", "a;b", "../a", "=1+1", "@SUM(1)", "a'b", "", "é", "x" * 65],
)
async def test_a_name_is_never_more_than_a_name(anna: Tenant, name: str) -> None:
    """So that no list, table or drawing has to fear one."""
    for change in ({"activity": name}, {"states": [name]}, {"project": name}):
        document = {**activity("fine", {"type": "wait", "event": "go"}), "project": anna.project}
        answer = await anna.api("POST", "/v1/blueprints", {**document, **change})
        assert answer.status in (404, 422), answer.raw
    path = f"/v1/activities/{anna.project}/order/executions"
    (await anna.api("POST", path, {"labels": {name: "x"}})).problem(422)
    (await anna.api("POST", "/v1/keys", {"project": name, "scopes": ["task"]})).problem(422)


# ---------------------------------------------------------------- logs

EVIL = "fine\r\n2026-01-01T00:00:00.000Z error    the safe is open\x1b[2J\u2028x\x00\u202etxt"


@pytest.mark.parametrize("lines", [TextLines(), JsonLines()], ids=["text", "json"])
def test_one_event_is_one_line_of_the_log(lines: logging.Formatter) -> None:
    record = logging.makeLogRecord({"msg": "a call broke", "levelname": "ERROR", "why": EVIL})
    line = lines.format(record)
    assert len(line.splitlines()) == 1
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u202e]", line)
    assert "the safe is open" in line, "nothing is hidden either"


def test_an_error_in_the_log_looks_like_no_line_of_its_own() -> None:
    try:
        raise ValueError(EVIL)
    except ValueError:
        record = logging.makeLogRecord({"msg": "broke", "exc_info": sys.exc_info()})
    first, *others = TextLines().format(record).splitlines()
    assert first.endswith("broke")
    assert others
    assert all(line.startswith("    ") for line in others)
    assert json.loads(JsonLines().format(record))["exception"].endswith("txt")


def test_the_log_has_neither_bodies_nor_keys_at_its_loudest(tmp_path: Path) -> None:
    script = f"""
import asyncio, httpx, sys
from goflow_py.bootstrap import configure_logging, running
from goflow_py.config import Settings

async def main():
    settings = Settings(port=0, data={str(tmp_path / "g.db")!r}, log_level="debug")
    configure_logging(settings)
    async with running(settings) as server, httpx.AsyncClient(base_url=server.url) as client:
        document = {activity("order", {"type": "wait", "event": "go"})!r}
        assert (await client.post("/v1/blueprints", json=document)).status_code == 201
        place = "/v1/activities/shop/order/executions"
        body = {{"input": ["input-canary"], "key": "key-canary", "labels": {{"a": "label-canary"}}}}
        made = (await client.post(place, json=body)).json()
        await client.get("/v1/executions?key=key-canary&label.a=label-canary")
        await client.get(f"/v1/executions/{{made['id']}}/history")
        event = {{"name": "go", "key": "key-canary", "data": "event-canary"}}
        assert (await client.post("/v1/events", json=event)).status_code == 202

asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    ours = [line for line in done.stderr.splitlines() if "HTTP Request" not in line]
    assert not [line for line in ours if "canary" in line]
