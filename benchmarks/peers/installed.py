"""What a peer is made of, at which versions, and how it comes onto this machine."""

import json
import platform
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import ROOT

HOME = ROOT / "benchmarks" / ".peers"
INSTALL_SECONDS = 900.0
_COMPANIONS = ("aiohttp", "uvloop")  # of the front that we put before a peer; not its own
_MACHINES = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A peer's software in a folder of its own: a venv, or what npm makes."""

    name: str
    pip: Mapping[str, str]
    npm: Mapping[str, str]
    """With a Node.js of its own among them: what a machine has is too old for some."""

    @property
    def folder(self) -> Path:
        """Return where it is, or would be."""
        return HOME / self.name

    @property
    def python(self) -> Path:
        """Return its interpreter."""
        return self.folder / "bin" / "python"

    @property
    def modules(self) -> Path:
        """Return where Node.js finds it."""
        return self.folder / "node_modules"

    @property
    def node(self) -> Path:
        """Return its Node.js."""
        return self.modules / NODE / "bin" / "node"

    def site(self, pattern: str) -> Path | None:
        """Return where a Python package of it lies; None when it is not there."""
        return next(self.folder.glob(f"lib/python*/site-packages/{pattern}"), None)

    def installed(self) -> str | None:
        """Return the versions that are there; None when a part is missing."""
        found = {name: self._version(name) for name in (*self.pip, *self.npm)}
        if None in found.values():
            return None
        own = (name for name in found if name not in _COMPANIONS)
        return ", ".join(f"{name.rpartition('/')[2]} {found[name]}" for name in own)

    def _version(self, name: str) -> str | None:
        if name in self.npm:
            told = self.modules / name / "package.json"
            return str(json.loads(told.read_bytes())["version"]) if told.is_file() else None
        info = self.site(f"{name.replace('-', '_')}-*.dist-info")
        return info.name.removesuffix(".dist-info").rpartition("-")[2] if info else None

    def install(self) -> None:
        """Bring it here; raise ``CalledProcessError`` when a registry or a tool says no."""
        HOME.mkdir(exist_ok=True)
        (HOME / ".gitignore").write_text("*\n")
        self.folder.mkdir(exist_ok=True)
        if self.pip:
            _run(sys.executable, "-m", "venv", str(self.folder))
            wanted = [f"{name}=={version}" for name, version in self.pip.items()]
            pip = (str(self.python), "-m", "pip", "--disable-pip-version-check", "-qq")
            _run(*pip, "install", *wanted)
        if self.npm:
            wanted = [f"{name}@{version}" for name, version in self.npm.items()]
            quiet = (
                "--no-audit",
                "--no-fund",
                "--no-package-lock",
                "--ignore-scripts",
                "--loglevel=error",
            )
            _run("npm", "install", "--prefix", str(self.folder), *quiet, *wanted)


def _node_package() -> str:
    machine = platform.machine().lower()
    return f"node-{platform.system().lower()}-{_MACHINES.get(machine, machine)}"


NODE = _node_package()
"""The package that holds the Node.js of this kind of machine."""


def _run(*command: str) -> None:
    subprocess.run(command, check=True, timeout=INSTALL_SECONDS, stdin=subprocess.DEVNULL)


def _read() -> dict[str, Package]:
    pinned = json.loads(Path(__file__).with_name("versions.json").read_bytes())
    node = {NODE: pinned.pop("node")}
    return {
        name: Package(
            name=name, pip=of.get("pip", {}), npm={**of["npm"], **node} if "npm" in of else {}
        )
        for name, of in pinned.items()
    }


PACKAGES = _read()
