"""How soon the web pages show what was asked for: milliseconds in the system's Chromium.

    python -m benchmarks.browser [--rounds 3]

Each look is a new browser context, so nothing is cached. *paint* is the first contentful paint,
*shown* the moment at which the text that the page is opened for can be read; both count from the
start of the navigation. *long* is the longest task meanwhile, and *frame* the longest frame while
the list of 10,000 is scrolled from end to end.
"""

import argparse
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.conftest import CHROMIUM, chain
from tests.harness import Mock, Server, ended

ENTRIES_MIN = 200
EXECUTIONS = 10_000
LOOPS = 50
STATES = (100, 200)
ROUNDS = 3
SHOWN_MS_MAX = 30_000
PAGE_EXECUTIONS = 500
FRAMES = 240

PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"
NOW = "performance.now()"
LONG = """
window.longest = 0;
new PerformanceObserver((list) => {
  for (const one of list.getEntries()) window.longest = Math.max(window.longest, one.duration);
}).observe({ type: "longtask", buffered: true });
"""
SCROLL = """
async (frames) => {
  let longest = 0;
  let last = performance.now();
  const end = document.documentElement.scrollHeight;
  for (let at = 0; at < frames; at++) {
    window.scrollTo(0, (end * at) / frames);
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
  }
  return longest;
}
"""


def loop() -> dict[str, Any]:
    """Return a blueprint that goes round, so that a history has some hundred entries."""
    return {
        "project": "bench",
        "activity": "loop",
        "states": [{"name": "work", "maxVisits": 1_000}],
        "actions": [{"name": "work", "type": "sync"}],
        "transitions": [
            {"current": "init", "event": "start", "next": "work"},
            {
                "current": "work",
                "event": "success",
                "when": f"execution.visit < {LOOPS}",
                "next": "work",
            },
            {"current": "work", "event": "success", "next": "done"},
        ],
        "workers": [{"name": "work", "workerEndpoint": "w"}],
    }


def waiting() -> dict[str, Any]:
    """Return a blueprint that waits, and costs nothing."""
    return {
        "project": "bench",
        "activity": "parked",
        "states": [{"name": "parked", "on": {"go": "done"}}],
        "transitions": [{"current": "init", "event": "start", "next": "parked"}],
    }


class Looks:
    """Opens pages in a browser that knows nothing yet."""

    def __init__(self, browser: Browser, url: str) -> None:
        self._browser = browser
        self._url = url

    def at(
        self, place: str, shown: str, then: Callable[[Page], dict[str, float]] | None = None
    ) -> dict[str, float]:
        """Open a place, wait for what it is opened for, and return the figures."""
        context = self._browser.new_context(viewport={"width": 1_280, "height": 800})
        try:
            page = context.new_page()
            page.add_init_script(LONG)
            page.goto(f"{self._url}/ui/#/{place}", wait_until="commit")
            page.locator(shown).first.wait_for(state="attached", timeout=SHOWN_MS_MAX)
            figures = {
                "shown": page.evaluate(NOW),
                "paint": page.evaluate(PAINT) or 0.0,
                "long": page.evaluate("window.longest"),
            }
            return {**figures, **(then(page) if then else {})}
        finally:
            context.close()


def scrolled(page: Page) -> dict[str, float]:
    """Read to the end of the list, and scroll it from end to end."""
    for _ in range(EXECUTIONS // PAGE_EXECUTIONS * 4):
        before = page.evaluate("document.documentElement.scrollHeight")
        page.evaluate("window.scrollTo(0, document.documentElement.scrollHeight)")
        page.wait_for_timeout(150)
        if page.evaluate("document.documentElement.scrollHeight") == before:
            break
    rows = page.evaluate("document.documentElement.scrollHeight")
    return {"frame": page.evaluate(SCROLL, FRAMES), "height": rows}


def measure(rounds: int) -> dict[str, dict[str, float]]:
    """Return the medians of each look, by its name."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        mock = Mock()
        server = Server(Path(folder, "goflow.db"), "--endpoint", f"w={mock.url}/w")
        with ended(mock, server):
            places = prepared(server)
            browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            looks = Looks(browser, server.url)
            found = {
                name: [looks.at(*place) for _ in range(rounds)] for name, place in places.items()
            }
            browser.close()
    return {
        name: {figure: statistics.median(one[figure] for one in all_) for figure in all_[0]}
        for name, all_ in found.items()
    }


def prepared(server: Server) -> dict[str, tuple[Any, ...]]:
    """Fill the server; return what to open and what to wait for, by name."""
    for document in (loop(), waiting(), *map(chain, STATES)):
        server.upload(orjson.dumps(document))
    execution = server.start("bench/loop", {})["id"]
    assert server.end_of(execution)["status"] == "completed"
    entries = server.get(execution)["revision"] + 1
    assert entries >= ENTRIES_MIN, entries
    for number in range(EXECUTIONS):
        server.start("bench/parked", {"number": number})
    return {
        f"an execution of {entries} entries": (f"execution/{execution}", "text=ended: completed"),
        f"the list of {EXECUTIONS:,} executions": ("executions", "a[href*=execution]", scrolled),
        **{
            f"a graph of {states} states": (f"blueprint/large/chain{states}", "g[data-kind=state]")
            for states in STATES
        },
        "workers": ("workers", "td"),
        "settings": ("settings", "text=ready"),
    }


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description="How soon the web pages show what is asked for.")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    found = measure(parser.parse_args().rounds)
    print("| page | first paint | shown | longest task | longest frame of scrolling |")
    print("|---|---|---|---|---|")
    for name, one in found.items():
        frame = f"{one['frame']:.0f} ms" if "frame" in one else ""
        figures = " | ".join(f"{one[figure]:.0f} ms" for figure in ("paint", "shown", "long"))
        print(f"| {name} | {figures} | {frame} |")


if __name__ == "__main__":
    main()
