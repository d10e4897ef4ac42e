"""The documents look at the code: what they show works, what they name exists.

``python tests/unit/test_docs.py`` writes the table of settings and the reference anew.
"""

import importlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from goflow_py.api.app import OPS, PAGES
from goflow_py.api.auth import SCOPES
from goflow_py.api.metrics import Metrics
from goflow_py.config import ENV_PREFIX, SETTINGS, Setting
from goflow_py.domain import documents
from goflow_py.domain.history import EntryType
from goflow_py.engine.submissions import read_documents
from goflow_py.fsm.check import check
from goflow_py.importers import result
from tools import reference

ROOT = Path(__file__).resolve().parents[2]
LANGUAGE, API = ROOT / "docs/language.md", ROOT / "docs/api.md"
GUARANTEES, OPERATIONS = ROOT / "docs/guarantees.md", ROOT / "docs/operations.md"
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
README_LINES_MAX = 180

SETTINGS_BEGIN = "<!-- settings: "
SETTINGS_END = "<!-- settings end -->"


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def text_of(path: Path) -> str:
    return path.read_text("utf-8")


def fences(text: str, kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def commands(text: str) -> Iterator[str]:
    """Yield what is meant to be typed: indented lines, and code in the midst of text."""
    for line in text.splitlines():
        if line.startswith("    "):
            yield line.strip()
        else:
            yield from re.findall(r"`([^`]+)`", line)


# ---------------------------------------------------------------- blueprints

SNIPPETS = [
    pytest.param(snippet, id=f"{name_of(path)}-{number}")
    for path in DOCUMENTS
    for number, snippet in enumerate(fences(text_of(path), "json"), 1)
]


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_json_that_is_shown_is_json_and_a_blueprint_has_no_errors(snippet: str) -> None:
    value = documents.loads(snippet)
    if "states" not in value:
        return
    blueprint, workers, commas = read_documents(snippet.encode())
    _, findings = check(
        blueprint,
        workers=workers or (),
        workers_in_body=workers is not None,
        is_resolved=lambda alias: True,
    )
    assert [finding for finding in findings if finding.severity == "error"] == []
    assert commas == []


def test_there_are_blueprints_to_look_at() -> None:
    assert sum('"states"' in str(snippet.values[0]) for snippet in SNIPPETS) >= 4


# ---------------------------------------------------------------- settings


def settings_table() -> str:
    rows = ["| setting | default | allowed | what it does |", "|---|---|---|---|"]
    rows += [_setting_row(setting) for setting in SETTINGS.values()]
    return "\n".join(rows)


def _setting_row(setting: Setting) -> str:
    default = _default(setting.default)
    shown = f"`{default}`" if default else "none"
    return f"| `{setting.name}` | {shown} | {setting.kind.allowed} | {setting.doc} |"


def _default(value: Any) -> str:
    match value:
        case None | () | "":
            return ""
        case float():
            return f"{value:g}"
        case Mapping():
            return ", ".join(f"{alias}={url}" for alias, url in value.items())
        case _:
            return str(value)


def with_settings(text: str) -> str:
    """Return a document with the table of settings as it has to be."""
    before, begin, rest = text.partition(SETTINGS_BEGIN)
    comment, _, rest = rest.partition("\n")
    _, end, after = rest.partition(SETTINGS_END)
    assert begin and end, "the document has no place for the settings"
    return f"{before}{begin}{comment}\n{settings_table()}\n{end}{after}"


def test_the_table_of_settings_is_up_to_date() -> None:
    text = text_of(OPERATIONS)
    assert text == with_settings(text), "write it anew: python tests/unit/test_docs.py"


def test_the_rule_for_names_of_flags_and_variables_holds() -> None:
    for name, setting in SETTINGS.items():
        assert setting.flag == f"--{name.replace('_', '-')}"
        assert setting.env == ENV_PREFIX + name.upper()


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_every_variable_that_is_named_exists(path: Path) -> None:
    known = {setting.env for setting in SETTINGS.values()}
    known |= {"GOFLOW_SERVER", "GOFLOW_KEY", "GOFLOW_KILLS", "GOFLOW_SECRET_"}
    assert set(re.findall(r"\bGOFLOW_[A-Z][A-Z_]*", text_of(path))) - known == set()


# ---------------------------------------------------------------- the language and the API

FINDING = re.compile(
    r"""(?:\berror|\bwarning|\bmake|_report|\breport)\(\s*"([a-z_]+)",|Finding\(\s*code="([a-z_]+)\""""
)


UNDECLARED = re.compile(r"""\bundeclared\(\s*"([a-z]+)",""")


def test_every_finding_is_in_the_language_and_no_other() -> None:
    sources = [*(ROOT / "goflow_py/fsm").glob("*.py"), ROOT / "goflow_py/engine/submissions.py"]
    known = {
        one or other
        for path in sources
        for one, other in FINDING.findall(text_of(path))
        if path.name not in ("step.py", "work.py")
    }
    known |= {
        f"undeclared_{what}" for path in sources for what in UNDECLARED.findall(text_of(path))
    }
    known |= {result.UNSUPPORTED}
    assert {"undeclared_task", "undeclared_machine", "two_works", "needs_cycle"} <= known
    section = text_of(LANGUAGE).partition("\n## Findings")[2].partition("\n## ")[0]
    table = "\n".join(line for line in section.splitlines() if line.startswith("|"))
    shown = {code for code in re.findall(r"`([a-z_]+)`", table) if "_" in code}
    assert shown == known


def test_every_error_code_that_is_named_exists() -> None:
    section = text_of(LANGUAGE).partition("\n## Errors")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`[^|]+`) \|", section, re.MULTILINE)
    codes = {code for row in rows for code in re.findall(r"`([a-z_]+)`", row)}
    sources = " ".join(text_of(path) for path in (ROOT / "goflow_py").rglob("*.py"))
    assert len(codes) > 25
    assert [code for code in sorted(codes) if f'"{code}"' not in sources] == []


@pytest.mark.parametrize("model", reference.MODELS, ids=lambda model: model.__name__)
def test_every_field_of_a_document_is_in_the_language(model: type[BaseModel]) -> None:
    text = text_of(LANGUAGE)
    names = [field.alias or name for name, field in model.model_fields.items()]
    assert [name for name in names if not re.search(rf"[`{{ ,]{name}[`}} ,]", text)] == []


def test_every_route_is_in_the_document_of_the_api() -> None:
    shown = re.findall(r"`((?:GET|POST|PUT|PATCH|DELETE) /[^`?\s]*)`", text_of(API))
    assert len(shown) == len(set(shown))
    assert set(shown) == {f"{op.method} {op.path}" for op in OPS}


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_every_route_that_is_named_exists(path: Path) -> None:
    known = {f"{op.method} {op.path}" for op in OPS} | {f"GET {page}" for page in PAGES}
    named = re.findall(r"`((?:GET|POST|PUT|PATCH|DELETE) /[^`?\s]*)`", text_of(path))
    assert [route for route in named if route not in known] == []


def test_calls_that_take_an_idempotency_key_are_marked() -> None:
    marked = set(re.findall(r"`([A-Z]+ /[^`]*)` \*\*I\*\*", text_of(API)))
    assert marked == {f"{op.method} {op.path}" for op in OPS if op.idempotent}


def test_every_entry_of_a_history_and_every_scope_is_in_the_document_of_the_api() -> None:
    text = text_of(API)
    words = [*get_args(EntryType), *SCOPES]
    assert [word for word in words if f"`{word}`" not in text] == []


def test_every_metric_that_is_named_exists() -> None:
    engines = (ROOT / "goflow_py/api/metrics.py").read_text("utf-8")
    families = {family.name for family in Metrics().registry.collect()}
    families |= set(re.findall(r'"(goflow_[a-z_]+)"', engines))
    named = re.findall(r"`(goflow_[a-z_]+?)(?:_total)?`", text_of(OPERATIONS))
    assert set(named) == families


# ---------------------------------------------------------------- the checker


def _rules_of(*patterns: str) -> set[str]:
    files = [path for pattern in patterns for path in (ROOT / "goflow_py").glob(pattern)]
    return {rule for path in files for rule in re.findall(r'"(S\d+)"', text_of(path))}


def test_the_rules_that_are_said_to_be_checked_are_those_of_the_checker() -> None:
    rows = re.findall(
        r"^\| (S\d+) \|.*\| (store|witnesses|store, witnesses) \|$",
        text_of(GUARANTEES),
        re.MULTILINE,
    )
    shown = {by: {rule for rule, all_ in rows if by in all_} for by in ("store", "witnesses")}
    assert shown["store"] == _rules_of("engine/checker*.py", "engine/auditor*.py")
    assert shown["witnesses"] == _rules_of("torture/judge_*.py")
    assert [rule for rule, _ in rows] == [f"S{number}" for number in range(1, 25)]


@pytest.mark.parametrize("path", [ROOT / "README.md", GUARANTEES], ids=name_of)
def test_every_guarantee_is_listed_once(path: Path) -> None:
    rows = re.findall(r"^\| G(\d+) \|", text_of(path), re.MULTILINE)
    assert rows == [str(number) for number in range(1, 19)]


# ---------------------------------------------------------------- links, targets, commands


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_every_relative_link_leads_somewhere(path: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text_of(path)):
        place, _, anchor = target.partition("#")
        if "://" in target:
            continue
        file = (path.parent / place).resolve() if place else path
        headings = (
            re.findall(r"^#+ (.+)$", text_of(file), re.MULTILINE)
            if file.suffix == ".md" and file.is_file()
            else []
        )
        if not file.exists() or (anchor and anchor not in map(_anchor, headings)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_every_make_target_that_is_named_exists(path: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", text_of(ROOT / "Makefile"), re.MULTILINE))
    typed = (re.match(r"make ([a-z-]+)", command) for command in commands(text_of(path)))
    assert {found.group(1) for found in typed if found} - targets == set()


def command_line() -> Any:
    """Return the command line as click knows it; skip while there is none."""
    cli = pytest.importorskip("goflow_py.cli")
    return importlib.import_module("typer.main").get_command(cli.app)


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_every_command_that_is_named_exists(path: Path) -> None:
    root = command_line()
    unknown = []
    for typed in commands(text_of(path)):
        found = re.match(r"goflow ([a-z][a-z-]*)(?: ([a-z][a-z-]*)\b)?", typed)
        if not found:
            continue
        command = root.commands.get(found.group(1))
        inner = getattr(command, "commands", None)
        if command is None or (inner and found.group(2) and found.group(2) not in inner):
            unknown.append(typed)
    assert unknown == []


def test_every_command_is_in_the_document_of_operations() -> None:
    text = text_of(OPERATIONS)
    assert [name for name in command_line().commands if f"`goflow {name}`" not in text] == []


# ---------------------------------------------------------------- form


def test_the_readme_is_short() -> None:
    assert text_of(ROOT / "README.md").count("\n") <= README_LINES_MAX


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_a_document_has_one_title_and_plain_characters(path: Path) -> None:
    text = text_of(path)
    plain = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    assert len(re.findall(r"^# ", plain, re.MULTILINE)) == 1
    assert [c for c in sorted(set(text)) if not c.isascii() and c != "\N{MIDDLE DOT}"] == []


def test_the_reference_is_up_to_date() -> None:
    assert text_of(reference.TARGET) == reference.document(), "write it: python tools/reference.py"


if __name__ == "__main__":
    reference.TARGET.write_text(reference.document(), "utf-8")
    OPERATIONS.write_text(with_settings(text_of(OPERATIONS)), "utf-8")
