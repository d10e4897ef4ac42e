"""The Dockerfile's steps without Docker: its own words, as its own user, in a venv."""

import contextlib
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
UID = 10001
INSTALL_SECONDS_MAX = 280
START_SECONDS_MAX = 20

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(INSTALL_SECONDS_MAX + 2 * START_SECONDS_MAX),
    pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="not root"),
]


def _words(instruction: str) -> list[str]:
    """Return the words of an instruction in exec form."""
    text = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
    (words,) = re.findall(rf"^{instruction}\b.*?(\[.*\])$", text, re.MULTILINE)
    return [str(word) for word in json.loads(words)]


def _python() -> str:
    """Return a Python that the image's user may run, too: root's own often is not."""
    works = "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))"
    for python in (str(Path(sys.executable).resolve()), "/usr/bin/python3"):
        with contextlib.suppress(OSError):
            tried = subprocess.run(
                [python, "-c", works], user=UID, group=UID, extra_groups=[], capture_output=True
            )
            if tried.returncode == 0:
                return python
    pytest.skip("no Python 3.11 here that another user may run")


@pytest.fixture(scope="module")
def image(wheel: Path) -> Iterator[Path]:
    """Yield a folder with `venv`, root's and read only, and `data`, the user's."""
    # Not below pytest's own folder, which only root may enter.
    folder = Path(tempfile.mkdtemp(prefix="goflow-image-"))
    try:
        folder.chmod(0o755)
        (folder / "data").mkdir(mode=0o700)
        os.chown(folder / "data", UID, UID)
        subprocess.run([_python(), "-m", "venv", str(folder / "venv")], check=True)
        pip = [str(folder / "venv/bin/pip"), "-qq", "--disable-pip-version-check"]
        locked = ["install", "--require-hashes", "-r", str(ROOT / "requirements.lock")]
        subprocess.run([*pip, *locked], check=True, timeout=INSTALL_SECONDS_MAX)
        subprocess.run([*pip, "install", "--no-deps", "--no-index", str(wheel)], check=True)
        subprocess.run([*pip, "check"], check=True)
        yield folder
    finally:
        shutil.rmtree(folder)


def _environment(image: Path) -> dict[str, str]:
    path = f"{image / 'venv/bin'}:{os.environ['PATH']}"
    return {"PATH": path, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}


def _as_user(image: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        words,
        cwd=image / "data",
        env=_environment(image),
        user=UID,
        group=UID,
        extra_groups=[],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _serve(image: Path) -> list[str]:
    """Return the image's command with the folder for the root and any free port."""
    words = [*_words("ENTRYPOINT"), *_words("CMD")]
    words = [re.sub(r"^/data/", f"{image}/data/", word) for word in words]
    words[words.index("--port") + 1] = "0"
    return words


def test_the_image_serves_as_its_user_writes_only_data_and_stops_when_told(image: Path) -> None:
    server = _as_user(image, *_serve(image))
    try:
        assert server.stdout is not None
        ready = next((line for line in server.stdout if line.startswith("ready ")), "")
        assert ready, server.communicate()[1]
        port = ready.strip().rpartition(":")[2]

        health = [word.replace(":8080", f":{port}") for word in _words("HEALTHCHECK")]
        asked = _as_user(image, *health)
        _, complaint = asked.communicate(timeout=START_SECONDS_MAX)
        assert asked.returncode == 0, complaint

        key = image / "data/admin.key"
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        assert key.stat().st_uid == UID
        assert [path for path in image.rglob("*") if path.stat().st_uid == UID] == [
            path for path in image.rglob("*") if path.is_relative_to(image / "data")
        ]

        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=START_SECONDS_MAX)
        assert server.returncode == 0
    finally:
        server.kill()
        server.communicate()
