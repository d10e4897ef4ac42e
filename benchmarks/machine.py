"""Where it was measured: without machine, versions and commit no figure means anything."""

import os
import platform
import sqlite3
import statistics
import subprocess
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.processes import ROOT

PACKAGES = (
    "aiohttp", "aiosqlite", "httpx", "orjson", "pydantic", "tenacity", "transitions", "uvloop",
)  # fmt: skip
SYNCS = 200


def surroundings(folder: Path) -> dict[str, Any]:
    """Return machine, versions and commit."""
    return {
        "commit": _git("rev-parse", "HEAD") or "unknown",
        "changed": bool(_git("status", "--porcelain", "goflow_py")),
        "machine": {
            "cpu": _cpu_name(),
            "cores": os.cpu_count(),
            "kernel": platform.release(),
            "load_before": [round(one, 2) for one in os.getloadavg()],
            "fdatasync_4k_p50_ms": _sync_ms(folder),
        },
        "versions": {
            "python": platform.python_version(),
            "sqlite": sqlite3.sqlite_version,
            **{name: version(name) for name in PACKAGES},
        },
    }


def _cpu_name() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _sync_ms(folder: Path) -> float:
    waits = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(SYNCS):
            file.write(b"x" * 4096)
            file.flush()
            began = time.monotonic()
            os.fdatasync(file.fileno())
            waits.append((time.monotonic() - began) * 1e3)
    return round(statistics.median(waits), 3)


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
