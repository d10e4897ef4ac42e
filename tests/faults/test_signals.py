"""The process under signals, limits and a wrong clock: it stops, wakes, ends and starts, and loses
nothing."""

import contextlib
import json
import os
import random
import shutil
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.faults.wire import GET, Wire
from tests.harness import Mock, Server, ended, until

pytestmark = pytest.mark.e2e

STORM_KILLS = int(os.environ.get("GOFLOW_STORM_KILLS", "6"))
STOP_SECONDS = float(os.environ.get("GOFLOW_STOP_SECONDS", "3"))
FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")
HOUR = 3_600
JUMP_SECONDS = 2.5
"""Longer than the timers take: each rings while the clock is wrong."""
RETRY = {"interval": 0.05, "maxInterval": 0.2}


def two_calls(name: str, **more: Any) -> dict[str, Any]:
    """Return a blueprint that calls `first`, waits for a moment, and calls `second`."""
    workers = [
        {"name": action, "workerEndpoint": "w", "retryCount": 0, "retry": RETRY, **more}
        for action in ("first", "second")
    ]
    return {
        "project": "shop",
        "activity": name,
        "states": ["first", {"name": "nap", "after": [{"delay": 0.4, "next": "second"}]}, "second"],
        "actions": [{"name": "first", "type": "sync"}, {"name": "second", "type": "sync"}],
        "transitions": [
            {"current": "init", "event": "start", "next": "first"},
            {"current": "first", "event": "success", "next": "nap"},
            {"current": "second", "event": "success", "next": "done"},
        ],
        "workers": workers,
    }


def nap(seconds: float) -> dict[str, Any]:
    """Return a blueprint that does nothing but wait."""
    return {
        "project": "shop",
        "activity": f"nap{seconds:g}".replace(".", "_"),
        "states": [{"name": "nap", "after": [{"delay": seconds, "next": "done"}]}],
        "actions": [],
        "transitions": [{"current": "init", "event": "start", "next": "nap"}],
    }


@pytest.fixture
def mock() -> Iterator[Mock]:
    mock = Mock()
    with ended(mock):
        yield mock


def upload(server: Server, *documents: dict[str, Any]) -> None:
    for document in documents:
        server.upload(json.dumps(document).encode())


def is_sound(server: Server) -> bool:
    """Tell whether the checker finds nothing."""
    report = server.client.get("/v1/admin/verify", timeout=120).json()
    assert report["breaches"] == []
    return bool(report["ok"])


def outcomes(server: Server, execution: str) -> list[str]:
    """Return how each attempt ended."""
    found = server.get(execution, "/attempts")["items"]
    return [one["outcome"] for one in found]


def count(server: Server, execution: str, kind: str) -> int:
    return sum(entry["type"] == kind for entry in server.history(execution))


def wait_for(seconds: float) -> None:
    """Let a fault last."""
    threading.Event().wait(seconds)


def through_shell(monkeypatch: pytest.MonkeyPatch, folder: Path, *lines: str) -> None:
    """Let the next processes start after shell commands."""
    script = folder / "python"
    text = "\n".join(("#!/bin/sh", *lines, f'exec "{sys.executable}" "$@"', ""))
    script.write_text(text, "utf-8")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))


# ---------------------------------------------------------------- stopped, and going on


def test_a_server_that_was_stopped_for_seconds_goes_on_and_does_nothing_twice(
    tmp_path: Path, mock: Mock
) -> None:
    mock.script(**{"w/first": [{"status": 200, "body": {}, "delay": 1}]})
    server = Server(tmp_path / "goflow.db", "--endpoint", f"w={mock.url}/w")
    with ended(server):
        upload(server, two_calls("work"), nap(1))
        calling = [server.start("shop/work")["id"] for _ in range(20)]
        napping = [server.start("shop/nap1")["id"] for _ in range(20)]
        until(lambda: len(mock.calls()) == len(calling), "all calls are under way")
        server.child.send_signal(signal.SIGSTOP)
        wait_for(STOP_SECONDS)
        server.child.send_signal(signal.SIGCONT)
        for execution in (*calling, *napping):
            assert server.end_of(execution)["status"] == "completed"
            assert count(server, execution, "timerFired") == 1
        assert Counter(action for _, action in mock.calls()) == {"first": 20, "second": 20}
        assert {tuple(outcomes(server, one)) for one in calling} == {("success", "success")}
        assert is_sound(server)


# ---------------------------------------------------------------- killed again and again


def test_a_storm_of_restarts_costs_no_execution_and_no_budget(tmp_path: Path, mock: Mock) -> None:
    mock.script(**{"w/first": [{"status": 200, "body": {}, "delay": 0.8}]})
    chance = random.Random(7)
    data = tmp_path / "goflow.db"
    made: list[str] = []
    flags = ("--endpoint", f"w={mock.url}/w")
    for _ in range(STORM_KILLS):
        server = Server(data, *flags)
        if not made:
            # Four cuts of a visit are free; the storm may cut one more often than that.
            upload(server, two_calls("work", retryCount=STORM_KILLS))
        with contextlib.suppress(httpx.HTTPError):
            made += [server.start("shop/work")["id"] for _ in range(5)]
        wait_for(chance.uniform(0.3, 1))
        server.kill()
    server = Server(data, *flags)
    with ended(server):
        cut = 0
        for execution in made:
            assert server.end_of(execution)["status"] == "completed"
            found = outcomes(server, execution)
            assert set(found) <= {"success", "abandoned"}
            assert found.count("success") == 2
            cut += found.count("abandoned")
        assert cut > 0
        assert is_sound(server)


# ---------------------------------------------------------------- asked to end


class Load(threading.Thread):
    """Starts executions until it is told to stop; notes what it was told."""

    def __init__(self, url: str, activity: str) -> None:
        super().__init__(daemon=True)
        self.path = f"/v1/activities/shop/{activity}/executions"
        self.url, self.ended = url, threading.Event()
        self.made: list[str] = []
        self.refused: list[httpx.Response] = []

    def run(self) -> None:
        with httpx.Client(base_url=self.url, timeout=10, trust_env=False) as client:
            while not self.ended.wait(0.01):
                try:
                    answer = client.post(self.path, json={})
                except httpx.HTTPError:
                    return
                if answer.status_code == 201:
                    self.made.append(answer.json()["id"])
                else:
                    self.refused.append(answer)


def test_a_drain_under_load_lets_calls_end_and_abandons_the_rest(
    tmp_path: Path, mock: Mock
) -> None:
    mock.script(
        **{
            "w/first": [{"status": 200, "body": {}, "delay": 1}],
            "slow/first": [{"status": 200, "body": {}, "delay": 60, "times": 3}, {"status": 200}],
        }
    )
    flags = ("--endpoint", f"w={mock.url}/w", "--endpoint", f"slow={mock.url}/slow")
    server = Server(tmp_path / "goflow.db", *flags, "--drain-timeout", "4")
    loads: list[Load] = []
    with ended(server):
        slow = two_calls("slow", workerEndpoint="slow", responseTimeout=120)
        upload(server, two_calls("work"), slow)
        stuck = [server.start("shop/slow")["id"] for _ in range(3)]
        loads = [Load(server.url, "work") for _ in range(3)]
        for load in loads:
            load.start()
        until(lambda: sum(len(load.made) for load in loads) > 20, "there is load")
        server.child.send_signal(signal.SIGTERM)
        ready = until(lambda: drained(server), "it is not ready any more")
        assert (ready.json()["code"], "Retry-After" in ready.headers) == ("draining", True)
        until(lambda: all(load.refused for load in loads), "new work is refused")
        begun = len(mock.calls())
        assert server.client.get(f"/v1/executions/{stuck[0]}").status_code == 200
        for load in loads:
            load.ended.set()
            load.join(10)
        assert server.child.wait(20) == 0
        server.stop()
        assert len(mock.calls()) == begun, "no call begins while it drains"
    for load in loads:
        assert {answer.status_code for answer in load.refused} == {503}
        assert all("Retry-After" in answer.headers for answer in load.refused)
        assert {answer.json()["code"] for answer in load.refused} == {"draining"}
    again = Server(tmp_path / "goflow.db", *flags)
    with ended(again):
        for execution in stuck:
            assert again.end_of(execution)["status"] == "completed"
            assert outcomes(again, execution) == ["abandoned", "success", "success"]
        for execution in (one for load in loads for one in load.made):
            assert again.end_of(execution)["status"] == "completed"
            # One that was committed, and not yet sent, when the drain began is never sent.
            assert outcomes(again, execution)[-2:] == ["success", "success"]
            assert set(outcomes(again, execution)) <= {"abandoned", "success"}
        asked = Counter((c["body"]["executionId"], c["action"]) for c in mock.recorded())
        twice = {one for (one, action), calls in asked.items() if calls > 1}
        assert twice == set(stuck)
        assert is_sound(again)


def drained(server: Server) -> httpx.Response | None:
    answer = server.client.get("/readyz")
    return answer if answer.status_code == 503 else None


# ---------------------------------------------------------------- little room


def test_with_few_files_the_surplus_is_refused_and_no_call_fails(
    tmp_path: Path, mock: Mock, monkeypatch: pytest.MonkeyPatch
) -> None:
    mock.script(**{"w/first": [{"status": 200, "body": {}, "delay": 0.5}]})
    through_shell(monkeypatch, tmp_path, "ulimit -n 256")
    server = Server(tmp_path / "goflow.db", "--endpoint", f"w={mock.url}/w")
    with ended(server):
        upload(server, two_calls("work"))
        made = [server.start("shop/work")["id"] for _ in range(200)]
        wires = [Wire(server.url) for _ in range(300)]
        told: Counter[int] = Counter()
        for wire in wires:
            wire.send(GET + b"\r\n")
        for wire in wires:
            try:
                told[wire.answer()[0]] += 1
            except (AssertionError, ConnectionError):
                told[0] += 1
        for wire in wires:
            wire.socket.close()
        assert told[200] > 60, told
        assert told[200] + told[503] + told[0] == 300
        assert told[503] > 0, told
        ends = Counter(server.end_of(execution)["status"] for execution in made)
        assert ends == {"completed": 200}
        assert {tuple(outcomes(server, one)) for one in made} == {("success", "success")}
        assert is_sound(server)


def test_without_memory_the_server_may_die_but_what_it_acknowledged_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        through_shell(patch, tmp_path, "ulimit -v 600000")
        server = Server(tmp_path / "goflow.db")
    upload(server, nap(600))
    body = json.dumps({"input": ["x" * 20] * 40_000}).encode()
    headers = {"Content-Type": "application/json"}
    path = "/v1/activities/shop/nap600/executions"

    def start(_: int) -> httpx.Response | None:
        try:
            return httpx.post(
                server.url + path, content=body, headers=headers, timeout=60, trust_env=False
            )
        except httpx.HTTPError:
            return None

    with ended(server), ThreadPoolExecutor(40) as pool:
        # One after the other is no trouble; then all at once.
        answers = [answer for answer in map(start, range(3)) if answer is not None]
        answers += [answer for answer in pool.map(start, range(120)) if answer is not None]
    server.stop()
    made = {answer.json()["id"] for answer in answers if answer.status_code == 201}
    told = Counter(answer.status_code for answer in answers)
    assert made
    assert set(told) <= {201, 500, 503}, told
    again = Server(tmp_path / "goflow.db")
    with ended(again):
        for execution in made:
            assert again.get(execution)["status"] == "waiting"
        assert is_sound(again)


# ---------------------------------------------------------------- the clock


@pytest.fixture
def set_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Let the next server's wall clock be wrong by as many seconds as it is told."""
    if not FAKETIME.exists() or shutil.which("sh") is None:
        pytest.skip("needs faketime")
    wrong = tmp_path / "clock"

    def set_to(seconds: int) -> None:
        draft = wrong.with_suffix(".new")
        draft.write_text(f"{seconds:+d}\n", "ascii")
        draft.replace(wrong)

    set_to(0)
    through_shell(
        monkeypatch,
        tmp_path,
        f'export LD_PRELOAD="{FAKETIME}" FAKETIME_TIMESTAMP_FILE="{wrong}"',
        "export FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1 DONT_FAKE_MONOTONIC=1",
        "export FAKETIME_DONT_RESET=1 FAKETIME_FORCE_MONOTONIC_FIX=0",
    )
    return set_to


@pytest.mark.parametrize(
    "jumps",
    [(HOUR,), (-HOUR, 0), (HOUR, -HOUR, HOUR)],
    ids=["an hour on", "an hour back and right again", "on and back"],
)
def test_a_clock_that_jumps_fires_each_timer_once_and_none_early(
    tmp_path: Path, set_clock: Callable[[int], None], jumps: tuple[int, ...]
) -> None:
    server = Server(tmp_path / "goflow.db")
    with ended(server):
        upload(server, nap(2))
        made = [server.start("shop/nap2")["id"] for _ in range(10)]
        for jump in jumps:
            set_clock(jump)
            made.append(server.start("shop/nap2")["id"])
            wait_for(JUMP_SECONDS)
        for execution in made:
            assert server.end_of(execution, seconds=20)["status"] == "completed"
            history = server.history(execution)
            times = [entry["at"] for entry in history]
            assert times == sorted(times)
            [set_] = [entry for entry in history if entry["type"] == "timerSet"]
            [fired] = [entry for entry in history if entry["type"] == "timerFired"]
            assert fired["at"] >= set_["due"]
        assert is_sound(server)
