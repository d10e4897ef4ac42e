"""A disk that is full, sick or read-only, below the real server: 503 and never 500, and no loss.

Whatever the disk does: what was answered with 201 is there, whole; reads go on; and the server
goes on by itself once the disk does. Only after a failed sync it ends, with exit code 3.
"""

import contextlib
import os
import resource
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.harness import Server, ended, until

MIB = 1024 * 1024
DISK_MIB = 32
STARTS_MAX = 400
UNLIMITED = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
LINE = "/v1/activities/disk/wait/executions"
BLUEPRINT = {
    "project": "disk",
    "activity": "wait",
    "states": ["ready"],
    "actions": [],
    "transitions": [
        {"current": "init", "event": "start", "next": "ready"},
        {"current": "ready", "event": "go", "next": "done"},
    ],
}

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a file system")
needs_strace = pytest.mark.skipif(
    shutil.which("strace") is None, reason="strace makes a syscall fail"
)
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(180),
    pytest.mark.skipif(sys.platform != "linux", reason="the faults are those of Linux"),
]


class Client:
    """Starts executions and remembers what was promised; holds every answer to 201 or 503."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.acknowledged: dict[str, Any] = {}
        server.client.post("/v1/blueprints", json=BLUEPRINT).raise_for_status()

    def start(self, size: int = 200) -> str | None:
        """Start one; return the code of the refusal."""
        value = {"n": len(self.acknowledged), "filler": "x" * size}
        answer = self.server.client.post(LINE, json={"input": value})
        if answer.status_code == 201:
            self.acknowledged[answer.json()["id"]] = value
            return None
        return refusal(answer)

    def start_until_refused(self, size: int = 200) -> str:
        for _ in range(STARTS_MAX):
            code = self.start(size)
            if code is not None:
                return code
        raise AssertionError("the disk never refused")

    def heals(self) -> None:
        """Wait until the server is ready and takes work again, by itself."""
        until(lambda: ready(self.server) is None, "the server is ready again")
        until(lambda: self.start() is None, "the server takes work again")

    def judge(self, server: Server) -> None:
        """Hold the server to all that was acknowledged."""
        report = server.client.get("/v1/admin/verify").json()
        assert report["breaches"] == []
        assert report["executions"] >= len(self.acknowledged) > 0
        for execution, value in self.acknowledged.items():
            assert server.get(execution)["input"] == value


def refusal(answer: httpx.Response) -> str:
    assert answer.status_code == 503, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert int(answer.headers["Retry-After"]) >= 1
    return str(answer.json()["code"])


def ready(server: Server) -> str | None:
    """Return why the server is not ready."""
    answer = server.client.get("/readyz")
    return None if answer.status_code == 200 else refusal(answer)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    _mount(f"size={DISK_MIB}m", place)
    yield place
    subprocess.run(["umount", place], check=True)


def _mount(options: str, place: Path) -> None:
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], check=False)
    if mounted.returncode != 0:
        pytest.skip("this machine mounts no tmpfs")


def fill(place: Path, *, but: int = 0) -> Path:
    """Take all that is free on a disk, *but* so many bytes."""
    filler = place / "filler"
    with filler.open("ab", buffering=0) as file:
        if but:
            disk = os.statvfs(place)
            os.posix_fallocate(file.fileno(), 0, disk.f_bavail * disk.f_frsize - but)
            return filler
        for size in (MIB, 4096, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:  # full to this size
                continue
    return filler


# ---------------------------------------------------------------- full


@needs_root
def test_a_full_disk_refuses_work_lets_delete_and_heals_by_itself(disk: Path) -> None:
    with ended(server := Server(disk / "goflow.db")):
        client = Client(server)
        for _ in range(40):
            assert client.start(size=20_000) is None
        done = list(client.acknowledged)[:20]
        for execution in done:
            server.client.post(f"/v1/executions/{execution}:cancel", json={}).raise_for_status()
        filler = fill(disk, but=MIB // 2)
        assert ready(server) == "store_full", "a small commit fits, a large one does not"
        fill(disk)
        assert client.start_until_refused(size=300_000) == "store_full"
        assert client.start_until_refused(size=100) == "store_full"
        waiting = list(client.acknowledged)[30]
        go = {"name": "go", "id": "paid-1"}
        events = f"/v1/executions/{waiting}/events"
        assert refusal(server.client.post(events, json=go)) == "store_full"
        assert ready(server) == "store_full"
        for execution, value in client.acknowledged.items():
            assert server.get(execution)["input"] == value, "reads go on"
        for execution in done:
            answer = server.client.delete(f"/v1/executions/{execution}")
            assert answer.status_code == 204, answer.text
            del client.acknowledged[execution]
        filler.unlink()
        client.heals()
        assert server.client.post(events, json=go).json()["applied"], "nothing of it was kept"
        client.judge(server)
        until((disk / "goflow.db.reserve").exists, "there is a reserve for the next time")
    with ended(server := Server(disk / "goflow.db")):
        client.judge(server)


@needs_root
@pytest.mark.parametrize("verb", ["terminate", "cancel"])
def test_on_a_full_disk_open_executions_are_ended_and_deleted(disk: Path, verb: str) -> None:
    with ended(server := Server(disk / "goflow.db")):
        client = Client(server)
        for _ in range(40):
            assert client.start(size=20_000) is None
        filler = fill(disk)
        assert client.start_until_refused(size=100) == "store_full"
        for execution in list(client.acknowledged)[:20]:
            ending = server.client.post(f"/v1/executions/{execution}:{verb}", json={})
            assert ending.status_code == 200, ending.text
            assert server.get(execution)["status"] == "cancelled"
            answer = server.client.delete(f"/v1/executions/{execution}")
            assert answer.status_code == 204, answer.text
            del client.acknowledged[execution]
        filler.unlink()
        client.heals()
        client.judge(server)


@needs_root
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("size=1m,ro", "Read-only file system"),
        ("size=1m,nr_inodes=1", "No space left on device"),
        ("size=64k", "is on a full disk: free some space"),
    ],
)
def test_a_start_on_a_disk_that_takes_nothing_is_one_line(
    tmp_path: Path, options: str, said: str
) -> None:
    place = tmp_path / "disk"
    place.mkdir()
    _mount(options, place)
    try:
        with pytest.raises(AssertionError, match="did not start") as caught:
            Server(place / "goflow.db")
    finally:
        subprocess.run(["umount", place], check=True)
    assert said in str(caught.value)
    assert "Traceback" not in str(caught.value)


@pytest.mark.skipif(shutil.which("prlimit") is None, reason="prlimit limits the file")
def test_a_file_that_may_not_grow_refuses_work_and_heals_by_itself(tmp_path: Path) -> None:
    under = ("prlimit", f"--fsize={4 * MIB}:")
    with ended(server := Server(tmp_path / "goflow.db", under=under)):
        client = Client(server)
        assert client.start_until_refused(size=100_000) == "store_io"
        assert ready(server) == "store_io"
        for execution, value in client.acknowledged.items():
            assert server.get(execution)["input"] == value, "reads go on"
        resource.prlimit(server.child.pid, resource.RLIMIT_FSIZE, UNLIMITED)
        client.heals()
        client.judge(server)


# ---------------------------------------------------------------- one writer


def descriptors(server: Server, path: Path) -> list[int]:
    """Return how each descriptor that a server has on a file is open."""
    found = []
    for descriptor in Path(f"/proc/{server.child.pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # it was closed meanwhile
            if descriptor.readlink() == path:
                facts = Path(f"/proc/{server.child.pid}/fdinfo/{descriptor.name}").read_text()
                found.append(int(facts.split("flags:")[1].split()[0], 8) & os.O_ACCMODE)
    return found


def test_a_server_has_one_writing_connection_and_nobody_else_gets_one(tmp_path: Path) -> None:
    data = tmp_path / "goflow.db"
    with ended(server := Server(data)):
        client = Client(server)
        clients = [threading.Thread(target=client.start) for _ in range(12)]
        for one in clients:
            one.start()
        assert server.client.post("/v1/admin/backup").status_code == 201
        assert descriptors(server, data).count(os.O_RDWR) == 1
        for one in clients:
            one.join(timeout=30)
        client.judge(server)
        assert descriptors(server, data).count(os.O_RDWR) == 1
        with pytest.raises(AssertionError, match=f"process {server.child.pid}"):
            Server(data)
        server.kill()
    with ended(server := Server(data)):  # a killed server holds nothing
        client.judge(server)


# ---------------------------------------------------------------- sick


def failing(syscall: str, error: str, when: str) -> tuple[str, ...]:
    """Return the tracer that makes a syscall fail."""
    injected = f"inject={syscall}:error={error}:when={when}"
    watched = ("-e", f"trace={syscall}", "-e", injected)
    return ("strace", "-D", "-f", "-qq", "--seccomp-bpf", "-o", "/dev/null", *watched)


@needs_strace
@pytest.mark.parametrize(
    ("error", "code"), [("ENOSPC", "store_full"), ("EIO", "store_io"), ("EROFS", "store_io")]
)
def test_writes_that_fail_for_a_while_refuse_work_and_lose_nothing(
    tmp_path: Path, error: str, code: str
) -> None:
    data = tmp_path / "goflow.db"
    with ended(server := Server(data, under=failing("pwrite64", error, "700..760"))):
        client = Client(server)
        assert client.start_until_refused() == code
        for execution, value in client.acknowledged.items():
            assert server.get(execution)["input"] == value, "reads go on"
        client.heals()
        client.judge(server)
        server.kill()
    with ended(server := Server(data)):
        client.judge(server)


@needs_strace
def test_a_failed_sync_ends_the_server_and_the_next_one_has_everything(tmp_path: Path) -> None:
    data = tmp_path / "goflow.db"
    with ended(server := Server(data, under=failing("fdatasync", "EIO", "30+"))):
        client = Client(server)
        try:
            assert client.start_until_refused() == "store_failed"
        except httpx.TransportError:
            pass  # it has ended already
        server.child.wait(timeout=20)
        assert server.stop() == 3
    assert client.acknowledged
    with ended(server := Server(data)):
        client.judge(server)
        assert server.client.post(LINE, json={"input": {}}).status_code == 201
