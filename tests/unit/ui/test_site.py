"""The files of the web pages: how they are sent, and what they may name."""

import gzip
import hashlib
import re
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from goflow_py import ui
from goflow_py.bootstrap import Server, running
from goflow_py.config import Settings
from goflow_py.ui import Site
from goflow_py.ui.site import CSP, MEDIA_TYPES, sent
from tests.e2e.conftest import Api

STATIC = Path(ui.__file__).parent / "static"
VENDOR = STATIC / "vendor"
SITE = Site()
OURS = sorted([*SITE.pages, *(path for path in SITE.files if not path.startswith("vendor/"))])

PACKED_BYTES_MAX = 100 * 1024
"""Of all that one page loads, the first time that a browser comes."""
APART = ("editor/", "pages/editor.js", "css/editor.css", "vendor/codemirror.js")
"""What is loaded only by those who edit a blueprint."""
SHOWN = sorted(path for path in SITE.files if path.startswith("pages/") and path not in APART)
ESBUILD = Path(ui.__file__).parents[2] / "tools/web/node_modules/.bin/esbuild"
LINES_MAX = 400
SVG = "http://www.w3.org/2000/svg"
EXAMPLE = "http://127.0.0.1:9000"
"""Stands in a template of the editor: a worker of whoever writes a blueprint."""

NAMED = re.compile(
    r"""(?:(?<!")\bfrom|\bimport|\bimport\()\s*["']([^"']+)["']|\bnew URL\(\s*["']([^"']+)["']"""
)
TYPES = re.compile(r"/\*.*?\*/", re.DOTALL)
LINKED = re.compile(r'(?:href|src)="([^"]+)"')
STYLED = re.compile(r"""(?:url\(|@import)\s*["']?([^"')]+)""")


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with running(Settings(port=0, data=str(tmp_path / "goflow.db"))) as found:
        yield found


@pytest.fixture
async def api(server: Server) -> AsyncIterator[Api]:
    """A client that unpacks nothing by itself."""
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        yield Api(server.url, session)


def at(path: str) -> str:
    return f"/ui/{SITE.version}/{path}"


# ---------------------------------------------------------------- how they are sent


@pytest.mark.parametrize("path", ["/", "/ui"])
async def test_the_short_addresses_lead_to_the_page(api: Api, path: str) -> None:
    answer = await api("GET", path)
    assert (answer.status, answer.headers["Location"]) == (302, "/ui/")


async def test_the_page_is_asked_for_anew_and_names_the_files_of_this_release(api: Api) -> None:
    answer = await api("GET", "/ui/")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    page = gzip.decompress(answer.raw).decode()
    assert f'src="{at("app.js")}"' in page
    assert "{{" not in page


async def test_every_file_is_served_as_it_is_and_kept_for_good(api: Api) -> None:
    for path, file in SITE.files.items():
        answer = await api("GET", at(path), Accept_Encoding="identity")
        assert answer.status == 200, path
        assert answer.raw == sent(path, (STATIC / path).read_bytes()), path
        assert "Content-Encoding" not in answer.headers
        assert answer.headers["Content-Type"] == file.media_type
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert answer.headers["Vary"] == "Accept-Encoding"


async def test_who_reads_gzip_gets_gzip(api: Api) -> None:
    answer = await api("GET", at("app.js"), Accept_Encoding="br, gzip")
    assert answer.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(answer.raw) == SITE.files["app.js"].body
    assert len(answer.raw) == int(answer.headers["Content-Length"])


@pytest.mark.parametrize("path", ["/ui/", at("app.js")])
async def test_what_a_browser_has_already_is_not_sent_again(api: Api, path: str) -> None:
    etag = (await api("GET", path)).headers["ETag"]
    again = await api("GET", path, If_None_Match=etag)
    assert (again.status, again.raw) == (304, b"")
    assert again.headers["ETag"] == etag
    assert (await api("GET", path, If_None_Match='"another"')).status == 200


async def test_a_file_of_another_release_is_not_this_one(api: Api) -> None:
    problem = (await api("GET", "/ui/0123456789ab/app.js")).problem(404, "no_file")
    assert "reload" in problem["detail"]


@pytest.mark.parametrize(
    "path",
    [
        "nothing.js",
        "core/nothing.js",
        "index.html",
        "../site.py",
        "%2e%2e/site.py",
        "..%2fsite.py",
        "core/..%2f..%2fsite.py",
        "%2fetc%2fpasswd",
        "package.json",
        "vendor/preact.d.ts",
        "vendor/SHA256SUMS",
        "app.js%00",
    ],
)
async def test_nothing_but_the_files_is_found(api: Api, path: str) -> None:
    answer = await api("GET", at(path))
    assert answer.status in (400, 404)
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/ui/", at("app.js"), at("css/base.css"), at("icon.svg")])
async def test_nothing_of_elsewhere_runs_in_the_pages(api: Api, path: str) -> None:
    headers = (await api("GET", path)).headers
    assert headers["Content-Security-Policy"] == CSP
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers.getall("Cache-Control") == [headers["Cache-Control"]]
    rules = dict(rule.split(None, 1) for rule in CSP.split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == rules["connect-src"] == "'self'"
    assert "unsafe" not in CSP


@pytest.mark.parametrize("path", ["/ui/", at("app.js")])
async def test_a_head_has_the_headers_of_the_file_and_no_body(api: Api, path: str) -> None:
    whole, head = await api("GET", path), await api("HEAD", path)
    assert (head.status, head.raw) == (200, b"")
    for name in ("Content-Type", "Content-Length", "ETag", "Cache-Control"):
        assert head.headers[name] == whole.headers[name]


async def test_the_pages_are_only_read(api: Api) -> None:
    for path in ("/ui/", at("app.js")):
        assert (await api("POST", path, {})).status == 405


def test_the_version_changes_with_any_file(monkeypatch: pytest.MonkeyPatch) -> None:
    other = Site()
    changed = [(path, body + b" ") for path, body in other._sources]
    monkeypatch.setitem(other.__dict__, "_sources", changed)
    assert other.version != SITE.version
    assert Site().version == SITE.version


# ---------------------------------------------------------------- what they name


def _named_by(path: str) -> Iterator[str]:
    """Yield what a file makes a browser load."""
    text = (STATIC / path).read_text("utf-8")
    if path.endswith(".js"):
        code = TYPES.sub("", text)  # a type that is imported is no module that is loaded
        yield from (first or second for first, second in NAMED.findall(code))
    elif path.endswith(".html"):
        named = (name.replace("{{base}}/", "./") for name in LINKED.findall(text))
        yield from (name for name in named if name != "/openapi.json")
    elif path.endswith(".css"):
        yield from STYLED.findall(text)


@pytest.mark.parametrize("path", OURS)
def test_every_file_that_is_named_is_there(path: str) -> None:
    missing = []
    for name in _named_by(path):
        assert name.startswith(("./", "../")), f"{path} loads {name}, which no browser finds"
        target = (STATIC / path).parent.joinpath(name).resolve()
        if not target.is_relative_to(STATIC) or not target.is_file():
            missing.append(name)
    assert missing == []


@pytest.mark.parametrize("path", OURS)
def test_no_file_names_a_place_elsewhere(path: str) -> None:
    text = (STATIC / path).read_text("utf-8").replace(SVG, "").replace(EXAMPLE, "")
    assert re.findall(r"\w+://[^\s\"'`]+|[\"'(]//\w[^\s\"'`]*", text) == []


@pytest.mark.parametrize("path", [path for path in OURS if path.endswith((".js", ".html"))])
def test_text_of_users_cannot_become_markup(path: str) -> None:
    """What the policy would stop in a browser is not even written."""
    text = (STATIC / path).read_text("utf-8")
    banned = (
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|\sstyle=\""
    )
    assert re.findall(banned, text) == []


@pytest.mark.parametrize("path", [path for path in OURS if path.endswith((".js", ".css"))])
def test_a_module_fits_the_head(path: str) -> None:
    assert (STATIC / path).read_text("utf-8").count("\n") <= LINES_MAX


def test_a_file_stands_at_most_one_folder_deep() -> None:
    """So deep are the paths that are served."""
    assert [path for path in SITE.files if path.count("/") > 1] == []


def _loaded(path: str) -> set[str]:
    """Return the modules that a module makes a browser load before it runs."""
    found, todo = {path}, [path]
    for one in todo:
        code = re.sub(r"\bimport\(", "later(", TYPES.sub("", (STATIC / one).read_text("utf-8")))
        for first, second in NAMED.findall(code):
            target = (STATIC / one).parent.joinpath(first or second).resolve()
            name = target.relative_to(STATIC).as_posix()
            if name not in found:
                found.add(name)
                todo.append(name)
    return found


@pytest.mark.parametrize("page", SHOWN)
def test_a_page_loads_a_hundred_kib_at_most(page: str) -> None:
    styles = {path for path in SITE.files if path.endswith(".css") and path not in APART}
    needed = _loaded("app.js") | _loaded(page) | styles
    sizes = {path: len(SITE.files[path].packed) for path in needed}
    sizes["index.html"] = len(SITE.pages["index.html"].packed)
    largest = sorted(sizes.items(), key=lambda item: -item[1])
    assert sum(sizes.values()) <= PACKED_BYTES_MAX, (sum(sizes.values()), largest)


@pytest.mark.parametrize("path", [*SHOWN, "pages/editor.js", "app.js", "reference/main.js"])
def test_a_page_names_all_that_its_scripts_import_so_that_it_comes_at_once(path: str) -> None:
    workers = {one for one in SITE.files if one.endswith("_worker.js")}
    assert set(SITE.imports.closure(path)) == _loaded(path) - workers
    body = SITE.pages["docs.html" if path.startswith("reference/") else "index.html"].body.decode()
    for one in SITE.imports.closure(path):
        assert at(one) in body, one


@pytest.mark.skipif(not ESBUILD.exists(), reason="esbuild is not there; make check-ui installs it")
def test_what_is_sent_runs_like_what_was_written(tmp_path: Path) -> None:
    ours = [path for path in SITE.files if path.endswith(".js") and not path.startswith("vendor/")]
    for name in ("written", "sent"):
        for path in ours:
            body = (STATIC / path).read_bytes()
            target = tmp_path / name / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(body if name == "written" else sent(path, body))
        files = [str(tmp_path / name / path) for path in ours]
        options = ["--minify-whitespace", "--log-level=error", f"--outdir={tmp_path / name}-out"]
        subprocess.run([ESBUILD, *files, *options, f"--outbase={tmp_path / name}"], check=True)
    for path in ours:
        written, same = (tmp_path / f"{name}-out" / path for name in ("written", "sent"))
        assert written.read_bytes() == same.read_bytes(), path


def test_only_the_editor_loads_its_large_module() -> None:
    for path in OURS:
        if any(name.endswith("vendor/codemirror.js") for name in _named_by(path)):
            assert path.startswith(APART), path


# ---------------------------------------------------------------- what is of others


def test_what_is_vendored_is_what_its_checksums_say() -> None:
    lines = (VENDOR / "SHA256SUMS").read_text("ascii").splitlines()
    sums = {name: digest for digest, name in (line.split("  ") for line in lines)}
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in VENDOR.iterdir()
        if path.suffix in MEDIA_TYPES
    }
    assert found == sums


def test_every_package_in_a_vendored_module_brings_its_licence() -> None:
    text = (VENDOR / "LICENSES.txt").read_text("utf-8")
    names = re.findall(r"^(@?[a-z0-9/-]+) \d+\.\d+\.\d+ \((.+)\)$", text, re.MULTILINE)
    packages = dict(names)
    assert {"preact", "htm", "@preact/signals", "@dagrejs/dagre", "@codemirror/view"} <= set(
        packages
    )
    assert set(packages.values()) <= {"MIT", "Apache-2.0"}
    assert len(re.findall(r"^={78}$", text, re.MULTILINE)) == 2 * len(packages)


def test_the_lock_of_the_tools_pins_by_hash_and_names_no_place() -> None:
    text = (Path(__file__).resolve().parents[3] / "tools/web/package-lock.json").read_text("utf-8")
    assert "resolved" not in text
    assert text.count('"integrity": "sha512-') == text.count('"node_modules/')
