"""The code base looks at itself: what CONTRIBUTING.md asks for and no linter sees."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MODULE_LINES_MAX = 400
FUNCTION_LINES_MAX = 50
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-build.lock")
PRODUCT = ("goflow_py", "workers_mock")
OWN_CODE = (*PRODUCT, "tools", "benchmarks")
TEXT = {"", ".cfg", ".css", ".html", ".js", ".json", ".lock", ".md", ".py", ".sql", ".toml", ".yml"}


def _modules(*rooms: str) -> list[Path]:
    paths = (path for room in rooms for path in (ROOT / room).rglob("*.py"))
    return sorted(path for path in paths if "/." not in _name(path))  # .peers is not ours


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _project_files() -> Iterator[Path]:
    """Yield what is, or would be, in a commit."""
    asked = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(asked, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this is no git checkout")
    paths = (ROOT / name for name in listed.split("\0") if name)
    return (path for path in paths if path.is_file() and path.suffix in TEXT)


def _found(pattern: str, paths: Iterator[Path]) -> list[str]:
    return [
        f"{_name(path)}:{number}: {line.strip()}"
        for path in paths
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if re.search(pattern, line)
    ]


# ---------------------------------------------------------------- code


@pytest.mark.parametrize("path", _modules(*OWN_CODE), ids=_name)
def test_a_module_fits_the_head_and_a_function_the_screen(path: Path) -> None:
    source = path.read_text("utf-8")
    lines = source.count("\n")
    assert lines <= MODULE_LINES_MAX
    functions = (
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    lengths = [((node.end_lineno or 0) - node.lineno + 1, node.name) for node in functions]
    assert [(n, name) for n, name in lengths if n > FUNCTION_LINES_MAX] == []


@pytest.mark.parametrize("path", _modules(*PRODUCT), ids=_name)
def test_a_module_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text("utf-8")))


def test_no_module_is_named_after_nothing() -> None:
    nothing = re.compile(r"(^|_)(manager|helper|util)s?(_|$)")
    modules = _modules(*OWN_CODE, "tests")
    named = {part for path in modules for part in path.relative_to(ROOT).with_suffix("").parts}
    assert [name for name in sorted(named) if nothing.search(name)] == []


def test_what_is_left_to_do_has_an_issue() -> None:
    files = (path for path in _project_files() if path != Path(__file__).resolve())
    assert _found(r"\b(TODO|FIXME|XXX)\b(?! \(#\d+\))", files) == []


def test_no_file_knows_the_machine_it_was_written_on() -> None:
    files = (path for path in _project_files() if not _name(path).startswith("tests/"))
    assert _found(r"(?<![\w.}$-])/(work|root|tmp)/", files) == []


def test_the_changelog_has_room_for_the_next_change() -> None:
    changelog = ROOT / "CHANGELOG.md"
    assert not changelog.exists() or re.search(
        r"^## \[?Unreleased", changelog.read_text("utf-8"), re.MULTILINE
    )


# ---------------------------------------------------------------- locks and image


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_pins_by_hash_and_names_no_place(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    assert "://" not in text
    assert not re.search(r"^-", text, re.MULTILINE), "an option, such as an index"
    pins = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert pins
    for pin in pins:
        assert re.match(r"[a-z0-9.-]+==\S+", pin)
        assert "--hash=sha256:" in pin


def test_the_runtime_lock_is_part_of_the_developers_lock() -> None:
    def pins(name: str) -> set[str]:
        return set(re.findall(r"^[a-z0-9.-]+==\S+", (ROOT / name).read_text("utf-8"), re.MULTILINE))

    developers = pins("requirements-dev.lock")
    assert pins("requirements.lock") - developers == set()
    assert pins("requirements-build.lock") - developers == set()


def _instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile as (instruction, rest), comments gone and lines joined."""
    text = (ROOT / "Dockerfile").read_text("utf-8")
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    lines = (line.split(None, 1) for line in text.splitlines() if line.strip())
    return [(word.upper(), rest) for word, rest in lines]


def test_the_image_runs_without_root_and_stops_when_told() -> None:
    instructions = _instructions()
    assert [rest for word, rest in instructions if word == "USER"] == ["10001"]
    last = dict(instructions)
    assert last["STOPSIGNAL"] == "SIGTERM"
    assert last["VOLUME"] == "/data"
    assert last["ENTRYPOINT"] == '["goflow"]', "the exec form: signals reach goflow itself"
    assert "/healthz" in last["HEALTHCHECK"]


def test_the_image_installs_only_what_is_locked() -> None:
    instructions = _instructions()
    assert "ADD" not in dict(instructions)
    installs = [
        command
        for word, rest in instructions
        if word == "RUN"
        for command in rest.split("&&")
        if re.search(r"\bpip install\b", command)
    ]
    assert installs
    for command in installs:
        assert "--require-hashes" in command or "--no-index" in command
