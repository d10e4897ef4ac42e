"""The benchmark's peers: what is told of one that is not here, and several processes as one."""

import json
import os
import re
import sys
from pathlib import Path

import pytest

from benchmarks.contestants import Contestant
from benchmarks.peers import installed
from benchmarks.peers.entrants import PEERS
from benchmarks.peers.group import Group
from benchmarks.peers.installed import NODE, PACKAGES, Package
from benchmarks.peers.starts import SERVICES

SAYS_READY = "import signal; print('ready http://127.0.0.1:1', flush=True); signal.pause()"
SAYS_WHY_NOT = "raise SystemExit('the disk is full')"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(installed, "HOME", tmp_path)
    return tmp_path


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


# ---------------------------------------------------------------- what is installed


@pytest.mark.parametrize("one", PEERS.values(), ids=list(PEERS))
def test_a_peer_that_is_not_here_is_told_by_name_and_how_it_comes(one: Contestant, home: Path):
    assert one.installed() is None
    assert re.fullmatch(
        rf"{one.name}: not installed \(python -m benchmarks\.peers install [a-z-]+\)", one.why_not()
    )


def test_every_peer_is_pinned_to_the_version():
    assert {one.package for one in PEERS.values()} == set(PACKAGES)
    for package in PACKAGES.values():
        pinned = {**package.pip, **package.npm}
        assert pinned
        assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in pinned.values())


def test_the_versions_told_are_those_that_are_there_and_not_the_companions(home: Path):
    package = Package(name="p", pip={"big-engine": "1.2.3", "aiohttp": "3.0.0"}, npm={})
    site = home / "p" / "lib" / "python3.11" / "site-packages"
    for name in ("big_engine-1.2.4.dist-info", "aiohttp-3.0.0.dist-info"):
        (site / name).mkdir(parents=True)
    assert package.installed() == "big-engine 1.2.4"


def test_a_peer_with_one_part_missing_is_not_installed(home: Path):
    package = Package(name="p", pip={}, npm={"@of/engine": "1.0.0", NODE: "24.0.0"})
    for name in package.npm:
        assert package.installed() is None
        told = home / "p" / "node_modules" / name / "package.json"
        told.parent.mkdir(parents=True)
        told.write_text(json.dumps({"version": package.npm[name]}))
    assert package.installed() == f"engine 1.0.0, {NODE} 24.0.0"


# ---------------------------------------------------------------- several processes as one


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


def test_a_group_is_measured_and_ended_as_one(tmp_path: Path):
    def start(group: Group) -> str:
        group.part("first", *python(SAYS_READY)).until_said()
        return group.part("second", *python(SAYS_READY)).until_said()

    with Group("two", tmp_path / "two", start) as group:
        pids = [part.process.pid for part in group.parts]
        assert group.url == "http://127.0.0.1:1"
        assert len(pids) == 2 and all(map(alive, pids))
        assert group.rss_bytes() == pytest.approx(
            sum(part.rss_bytes() for part in group.parts), rel=0.1
        )
        assert group.cpu_seconds() >= max(part.cpu_seconds() for part in group.parts)
    assert not any(map(alive, pids))


def test_a_group_that_cannot_start_says_why_and_leaves_nothing_running(tmp_path: Path):
    pids = []

    def start(group: Group) -> str:
        first = group.part("first", *python(SAYS_READY))
        pids.append(first.process.pid)
        first.until_said()
        return group.part("second", *python(SAYS_WHY_NOT)).until_said()

    with pytest.raises(SystemExit, match=r"two: second did not start.*\s.*the disk is full"):
        Group("two", tmp_path / "two", start)
    assert len(pids) == 1 and not alive(pids[0])


# ---------------------------------------------------------------- the work


def test_a_start_that_does_not_wait_is_asked_for_in_the_peers_own_way(tmp_path: Path):
    def start(group: Group) -> str:
        return group.part("only", *python(SAYS_READY)).until_said()

    with Group("one", tmp_path / "one", start) as server:
        sent = PEERS["restate"].job(server, requests=3, wait=False)
        fronted = PEERS["dbos"].job(server, requests=3, wait=False)
    assert (sent.url, sent.expect) == ("http://127.0.0.1:1/bench/three/send", '"invocationId":')
    assert (fronted.url, fronted.headers) == ("http://127.0.0.1:1/executions", {})


def test_every_wire_of_the_flow_leads_somewhere():
    nodes = json.loads((SERVICES / "node_red_flow.json").read_bytes())
    names = {node["id"] for node in nodes}
    wired = {end for node in nodes for wires in node.get("wires", []) for end in wires}
    assert wired <= names
    assert {node["id"] for node in nodes if node["type"] == "http in"} == names - wired - {"bench"}
