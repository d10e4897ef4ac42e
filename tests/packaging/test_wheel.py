"""What a user installs is whole: code, SQL, example blueprints, types, pages."""

import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def _shipped(room: str) -> set[str]:
    files = (path for path in (ROOT / room).rglob("*") if path.is_file())
    return {
        path.relative_to(ROOT).as_posix()
        for path in files
        if "__pycache__" not in path.parts and path.suffix != ".pyc"
    }


def test_all_of_the_code_is_inside(names: set[str]) -> None:
    code = _shipped("goflow_py") | _shipped("workers_mock")
    assert code - names == set()
    assert "goflow_py/py.typed" in names
    assert any(name.endswith(".sql") for name in names)


def test_the_example_blueprints_are_inside(names: set[str]) -> None:
    examples = {f"goflow_py/_{name}" for name in _shipped("blueprints")}
    assert "goflow_py/_blueprints/inquiry.json" in examples
    assert examples - names == set()


def test_the_pages_are_inside_with_the_licences_of_what_they_bring(names: set[str]) -> None:
    static = "goflow_py/ui/static/"
    pages = {"index.html", "app.js", "css/base.css", "vendor/preact.js", "vendor/LICENSES.txt"}
    assert {static + name for name in pages} - names == set()


def test_nothing_else_is_inside(names: set[str]) -> None:
    rooms = {name.split("/")[0] for name in names}
    assert {room for room in rooms if not room.endswith(".dist-info")} == {
        "goflow_py",
        "workers_mock",
    }
    assert not any("__pycache__" in name for name in names)


def test_the_command_is_declared(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (entry_points,) = (n for n in archive.namelist() if n.endswith("/entry_points.txt"))
        assert "goflow = goflow_py.cli:main" in archive.read(entry_points).decode()
