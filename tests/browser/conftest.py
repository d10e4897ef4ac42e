"""The web pages as people use them: a real server, real workers, and the system's Chromium."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.harness import Mock, Server, ended

BLUEPRINTS = Path(__file__).resolve().parents[2] / "blueprints"
ALIASES = (
    *("worker_url", "worker_url_2", "w", "ledger", "event_bus", "accounts", "mail", "calendar"),
    *("stock", "fraud", "payments", "payments_backup", "shipping", "encoder", "cdn"),
)
NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
SHOTS = os.environ.get("SHOTS")
"""Where `make shots` has the screenshots of the docs written."""
WAIT_MS = 10_000
DESK = {"width": 1_280, "height": 800}
PHONE = {"width": 375, "height": 812}
REFUSED = re.compile(r"Failed to load resource: the server responded with a status of 4\d\d")
"""The browser's own line for an answer that a test asks for."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    missing = pytest.mark.skip(reason="there is no Chromium on this machine")
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            if CHROMIUM is None:
                item.add_marker(missing)


@dataclass
class Person:
    """Somebody before a browser: the page, and all that it should not have said or asked."""

    page: Page
    url: str
    said: list[str] = field(default_factory=list)
    asked_elsewhere: list[str] = field(default_factory=list)
    forgiven: re.Pattern[str] = REFUSED
    """Lines of the console that a test provokes."""

    def watch(self) -> None:
        """Note what the console says, what breaks, and requests that leave the server."""
        self.page.on("console", lambda m: self._note(m.text) if m.type == "error" else None)
        self.page.on("pageerror", lambda error: self.said.append(f"broken: {error}"))
        self.page.on("request", lambda request: self._asked(request.url))

    def _note(self, text: str) -> None:
        if not self.forgiven.search(text):
            self.said.append(text)

    def _asked(self, url: str) -> None:
        if not url.startswith((f"{self.url}/", "data:", "blob:")):
            self.asked_elsewhere.append(url)

    def opens(self, place: str) -> Page:
        """Open a place, such as ``executions?status=failed``."""
        self.page.goto(f"{self.url}/ui/#/{place}")
        return self.page

    def shows(self, text: str | re.Pattern[str]) -> None:
        """Wait until a text is seen."""
        self.page.get_by_text(text).first.wait_for()

    def photographs(self, name: str) -> None:
        """Keep a picture for the docs, where they are wanted."""
        if SHOTS is not None:
            self.page.screenshot(path=Path(SHOTS, f"{name}.png"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser for a module: its driver runs a loop, beside which no asynchronous test can run."""
    with sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def mock() -> Iterator[Mock]:
    process = Mock()
    with ended(process):
        yield process


@pytest.fixture
def server(mock: Mock, tmp_path: Path) -> Iterator[Server]:
    endpoints = [
        flag for alias in ALIASES for flag in ("--endpoint", f"{alias}={mock.url}/{alias}")
    ]
    process = Server(tmp_path / "goflow.db", "--retry-interval", "0.2", *endpoints)
    with ended(process):
        yield process


@pytest.fixture
def person_of(browser: Browser, server: Server) -> Iterator[Callable[..., Person]]:
    """Make somebody who looks at a server; at the end, nothing may have gone wrong in the page.

    The server is asked for so that it ends behind them.
    """
    people: list[Person] = []

    def make(url: str, **options: Any) -> Person:
        context = browser.new_context(
            **{"viewport": DESK, "reduced_motion": "reduce", "locale": "en-GB", **options}
        )
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        page = context.new_page()
        page.set_default_timeout(WAIT_MS)
        one = Person(page, url)
        one.watch()
        people.append(one)
        return one

    yield make
    for one in people:
        one.page.context.close()
    assert [line for one in people for line in one.said] == []
    assert [url for one in people for url in one.asked_elsewhere] == []


@pytest.fixture
def person(person_of: Callable[..., Person], server: Server) -> Person:
    return person_of(server.url)


def example(server: Server, mock: Mock, name: str) -> None:
    """Upload an example blueprint, and let the mock play its workers."""
    server.upload(blueprint(name))
    rules = mock.client.put("/_script", content=(BLUEPRINTS / f"{name}.mock.json").read_bytes())
    assert rules.status_code == 204, rules.text


def blueprint(name: str) -> bytes:
    """Return an example blueprint with its workers."""
    return (BLUEPRINTS / f"{name}.json").read_bytes()


def chain(states: int) -> dict[str, Any]:
    """Return a blueprint of many states in a row, each with a way out."""
    names = [f"s{number:03}" for number in range(states)]
    rows: list[dict[str, Any]] = [{"current": "init", "event": "start", "next": names[0]}]
    for name, following in zip(names, [*names[1:], "done"], strict=True):
        rows.append({"current": name, "event": "go", "next": following})
        rows.append({"current": name, "event": "stop", "next": "failed"})
    events: dict[str, Any] = {"go": {}, "stop": {}}
    return {
        "project": "large",
        "activity": f"chain{states}",
        "events": events,
        "states": names,
        "transitions": rows,
    }
