"""G18, S20: the bytes of a secret are nowhere at rest, whatever a worker does with them.

Promised is the exact text, in any JSON spelling. Not promised: what a worker makes of a secret
(base64, percent signs, hexadecimal, a part of it), secrets of fewer than eight characters, and what
somebody puts into an input. Keys and tokens are secrets, too.
"""

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.harness import until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90)]

PROJECT = "vault"
FILES = {
    "QUOTED": 'canary-"file"-\\Zq81/with-signs',
    "LONG": "canary-env-Kx55-and-more",
    "URL": "canary-url-Ju42",
    "SIGNING": "whsec_Y2FuYXJ5LXNpZ25pbmctTG05MA==",
    f"{PROJECT}/OWN": "canary-own-Pw33",
    "other/FOREIGN": "canary-foreign-Hh17",
}
VARIABLES = {"GOFLOW_SECRET_PLAIN": "canary-env-Kx55"}
"""One secret is the beginning of another: the rest of that one must not stay."""
CANARIES = [*FILES.values(), *VARIABLES.values(), "canary-", "-and-more"]
HEADERS = {
    "X-Quoted": "${secret:QUOTED}",
    "X-Plain": "${secret:PLAIN}",
    "X-Long": "Token ${secret:LONG}",
    "X-Own": "${secret:OWN}",
}


# ---------------------------------------------------------------- a worker that tells everything


@dataclass
class Gossip:
    """Answers with all that it was sent, each action in its own way."""

    url: str = ""
    calls: list[dict[str, Any]] = field(default_factory=list)

    def answer(self, sent: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        told = {"path": sent["path"], **sent["headers"]}
        values = list(told.values())
        secret = sent["headers"]["X-Own"]
        spelled = "".join(f"\\u{ord(one):04x}" for one in secret)
        whole: Any = {"told": told, "deep": [{"a": values}], "json": json.dumps(told)}
        refusal = {"code": secret, "detail": f"no: {values}"}
        declared = {"X-Echo": secret, "Content-Type": f"application/json; x={secret}"}
        answers: dict[str, tuple[int, dict[str, str], Any]] = {
            "tells": (200, declared, whole),
            "text": (200, {"Content-Type": "text/plain"}, "\n".join(values).encode()),
            "names": (200, {}, {value: value for value in values}),
            "spelled": (200, {}, f'{{"output": "{spelled}"}}'.encode()),
            "label": (200, {"Goflow-Event": secret}, None),
            "chosen": (200, {}, {"event": secret, "output": told}),
            "refuses": (422, {}, refusal),
            "breaks": (500, {"Retry-After": "1", **declared}, whole),
            "moves": (302, {"Location": f"{self.url}{sent['path']}", **declared}, whole),
            "garbles": (200, declared, b"{" + json.dumps(whole).encode()),
            "accepts": (202, declared, sent),
            "declines": (422, declared, sent),
        }
        status, headers, body = answers[sent["body"]["action"]]
        return status, headers, body if isinstance(body, bytes) else json.dumps(body).encode()

    @contextlib.contextmanager
    def serving(self) -> Iterator["Gossip"]:
        gossip = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                sent = {"path": self.path, "headers": dict(self.headers), "body": body}
                gossip.calls.append(sent)
                status, headers, answer = gossip.answer(sent)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


ACTIONS = (
    *("tells", "text", "names", "spelled", "label", "chosen", "refuses", "breaks", "moves"),
    *("garbles", "unreachable", "odd"),
)


def blueprint(worker: str) -> dict[str, Any]:
    """Return an activity that calls the worker in all ways at once, and then waits for it."""
    endpoints = {
        "unreachable": "http://127.0.0.1:1/${secret:URL}",
        "odd": "http://127.0.0.1:1/${secret:QUOTED}",
    }
    later = ("accepts", "declines")
    names = (*ACTIONS, *later)
    return {
        "project": PROJECT,
        "activity": "spill",
        "states": [
            {
                "name": "work",
                "tasks": [
                    {"name": f"t_{name}", "do": name, "ignoreFailure": True} for name in names
                ],
            }
        ],
        "actions": [{"name": name, "type": "async" if name in later else "sync"} for name in names],
        "transitions": [
            {"current": "init", "event": "start", "next": "work"},
            {"current": "work", "event": "success", "next": "done"},
        ],
        "workers": [
            {
                "name": name,
                "workerEndpoint": endpoints.get(name, f"{worker}/gossip?key=${{secret:URL}}"),
                "headers": HEADERS,
                "auth": "Bearer ${secret:LONG}",
                "signingSecret": "${secret:SIGNING}",
                "responseTimeout": 20,
            }
            for name in names
        ],
    }


# ---------------------------------------------------------------- a server whose log is kept


@dataclass
class Vault:
    """A process of its own, asked for keys, with all that it says and stores in one directory."""

    place: Path
    client: httpx.Client
    key: str
    seen: list[bytes] = field(default_factory=list)
    """Every answer."""

    def ask(self, method: str, path: str, value: Any = None, *, status: int = 200) -> Any:
        answer = self.client.request(method, path, json=value)
        assert answer.status_code == status, answer.text
        self.seen.append(repr(dict(answer.headers)).encode() + answer.content)
        kind = answer.headers.get("Content-Type", "")
        return answer.json() if kind == "application/json" else answer.text

    def at_rest(self) -> dict[str, bytes]:
        """Return all that is on the disk, and all that was answered, by name."""
        found = {
            str(path.relative_to(self.place)): path.read_bytes()
            for path in self.place.rglob("*")
            if path.is_file() and "secrets" not in path.parts and path.name != "admin.key"
        }
        return found | {f"answer {number}": raw for number, raw in enumerate(self.seen)}


@contextlib.contextmanager
def vault(place: Path, *flags: str) -> Iterator[Vault]:
    secrets = place / "secrets"
    for name, value in FILES.items():
        path = secrets / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{value}\n")
    command = [
        *(sys.executable, "-m", "goflow_py", "serve", "--host", "0.0.0.0", "--port", "0"),
        *("--data", str(place / "data" / "goflow.db"), "--secrets-dir", str(secrets)),
        *("--bootstrap-key-file", str(place / "admin.key"), "--allow-target", "127.0.0.1"),
        *("--retry-interval", "0.05", "--log-level", "debug", *flags),
    ]
    with (place / "log").open("wb") as log:
        child = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True, env={**os.environ, **VARIABLES}
        )
        try:
            assert child.stdout is not None
            url = child.stdout.readline().removeprefix("ready ").strip()
            assert url, (place / "log").read_text()
            key = (place / "admin.key").read_text().strip()
            headers = {"Authorization": f"Bearer {key}"}
            with httpx.Client(base_url=url, headers=headers, trust_env=False, timeout=30) as client:
                yield Vault(place, client, key)
        finally:
            child.terminate()
            child.wait(20)
            assert child.stdout is not None
            child.stdout.close()


def ended_by_callback(found: Vault, gossip: Gossip) -> tuple[str, str]:
    """Run the activity; end its async work with an echo of its call; return id and token."""
    place = f"/v1/activities/{PROJECT}/spill/executions"
    execution = found.ask("POST", place, {"input": {"n": 1}}, status=201)["id"]

    def call() -> dict[str, Any] | None:
        return next((c for c in gossip.calls if c["body"]["action"] == "accepts"), None)

    accepted = until(call, "the async worker is called", seconds=30)
    token = str(accepted["body"]["callbackUrl"]).rpartition("/")[2]

    def is_recorded() -> bool:
        entries = found.ask("GET", f"/v1/executions/{execution}/history?limit=500")["items"]
        return any(entry["type"] == "attemptAccepted" for entry in entries)

    until(is_recorded, "its answer is recorded", seconds=30)
    for path in ("", "/attempts", "/why"):
        found.ask("GET", f"/v1/executions/{execution}{path}")
    echo = {"output": {"told": accepted["headers"], "path": accepted["path"]}}
    assert found.client.post(f"/v1/callbacks/{token}", json=echo).json() == {"applied": True}

    def is_done() -> bool:
        return str(found.ask("GET", f"/v1/executions/{execution}")["status"]) == "completed"

    until(is_done, "all work has ended", seconds=30)
    return execution, token


@pytest.mark.parametrize("format_", ["text", "json"])
def test_no_byte_of_a_secret_is_anywhere(tmp_path: Path, format_: str) -> None:
    with (
        Gossip().serving() as gossip,
        vault(tmp_path, "--log-format", format_) as found,
    ):
        found.ask("POST", "/v1/blueprints", blueprint(gossip.url), status=201)
        execution, token = ended_by_callback(found, gossip)
        made = found.client.post("/v1/keys", json={"scopes": ["execution:read"]}).json()
        for part in (
            "",
            "/history?limit=500",
            "/attempts",
            "/context",
            "/why",
            "/graph",
            "/output",
        ):
            found.ask("GET", f"/v1/executions/{execution}{part}")
        for path in ("/metrics", "/v1/workers", "/v1/keys", "/v1/endpoints", "/v1/admin/verify"):
            found.ask("GET", path)
        for part in ("", "/workers", "/findings", "/rows", "/graph?format=dot"):
            found.ask("GET", f"/v1/blueprints/{PROJECT}/spill{part}")
        found.ask("POST", "/v1/admin/backup", status=201)
        rest = found.at_rest()
        assert any(name.endswith("-wal") for name in rest)
        assert any("backups" in name for name in rest)
    rest |= found.at_rest()
    assert rest["log"], "it was told to say everything"
    sent = json.dumps(gossip.calls)
    for canary in ("canary-url-Ju42", "canary-own-Pw33", "canary-env-Kx55-and-more"):
        assert canary in sent, "the worker had it, and told it"
    urls = [call["body"]["callbackUrl"] for call in gossip.calls]
    tokens = [url.rpartition("/")[2] for url in urls if url]
    assert token in tokens
    assert len(tokens) == 2
    tokens += [made["key"].rpartition("_")[2], found.key.rpartition("_")[2]]
    for name, raw in rest.items():
        for canary in [*CANARIES, *tokens]:
            for form in (canary, json.dumps(canary)[1:-1]):
                assert form.encode() not in raw, (name, canary)
    history = next(raw for raw in rest.values() if b"attemptEnded" in raw)
    assert b"[secret]" in history


def test_a_project_cannot_use_the_secrets_of_another(tmp_path: Path) -> None:
    with Gossip().serving() as gossip, vault(tmp_path) as found:
        document = blueprint(gossip.url)
        for worker in document["workers"]:
            worker["headers"] = {**HEADERS, "X-Foreign": "${secret:FOREIGN}"}
        found.ask("POST", "/v1/blueprints", document, status=201)
        place = f"/v1/activities/{PROJECT}/spill/executions"
        execution = found.ask("POST", place, {}, status=201)["id"]

        def attempts() -> list[dict[str, Any]]:
            items = found.ask("GET", f"/v1/executions/{execution}/attempts")["items"]
            return [one for one in items if one["error"] is not None]

        said = until(attempts, "a call cannot be made", seconds=30)[0]["error"]
        assert "there is no secret 'FOREIGN'" in said["message"]
        assert gossip.calls == []
        slashed = blueprint(gossip.url)
        slashed["workers"][0]["headers"] = {"X-Foreign": "${secret:other/FOREIGN}"}
        found.ask("POST", "/v1/blueprints", slashed, status=422)


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff"])
def test_a_secret_of_its_own_that_holds_none_does_not_uncover_the_shared_one(
    tmp_path: Path, content: bytes
) -> None:
    with Gossip().serving() as gossip, vault(tmp_path) as found:
        (tmp_path / "secrets" / PROJECT / "PLAIN").write_bytes(content)
        document = blueprint(gossip.url)
        for worker in document["workers"]:
            worker["headers"] = HEADERS
        found.ask("POST", "/v1/blueprints", document, status=201)
        place = f"/v1/activities/{PROJECT}/spill/executions"
        execution = found.ask("POST", place, {}, status=201)["id"]

        def attempts() -> list[dict[str, Any]]:
            items = found.ask("GET", f"/v1/executions/{execution}/attempts")["items"]
            return [one for one in items if one["error"] is not None]

        said = until(attempts, "a call cannot be made", seconds=30)[0]["error"]
        assert "there is no secret 'PLAIN'" in said["message"]
        assert gossip.calls == []
