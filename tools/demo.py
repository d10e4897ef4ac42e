"""The main job, shown: the seed's blueprint on a real server with real workers, some of them dead.

Run by `make demo`. Real processes, real sockets, a real SQLite file; it ends with 0 when everything
came out as the language says.
"""

import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
SEED = ROOT / "blueprints" / "inquiry.json"
SECONDS_MAX = 60.0
SCRIPT = {
    "worker_url/calculate_balance": [
        {"status": 503, "body": {"detail": "the balance service is down"}, "times": 4},
        {"status": 200, "body": {"balance": 420}},
    ],
    "worker_url_2/calculate_balance": [{"status": 200, "body": {"balance": 420}}],
    "worker_url/get_product": [
        {"status": 500, "times": 1},
        {"status": 200, "body": {"product": "gold"}},
    ],
    "worker_url/calculate_voucher": [{"status": 200, "body": {"voucher": "V-7"}, "delay": 0.8}],
    "worker_url/done": [{"status": 200, "body": {"told": True}}],
}

console = Console(width=110, highlight=False)


class Child:
    """A process of ours that says when it is ready, and where."""

    def __init__(self, *command: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", *command], stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        assert self.process.stdout is not None, "its output is a pipe"
        line = self.process.stdout.readline()
        if not line.startswith("ready "):
            raise SystemExit(f"{command[0]} did not start; see its message above")
        self.url = line.removeprefix("ready ").strip()

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it, and wait until it has ended."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        self.process.wait(timeout=20)


def main() -> int:
    """Run the demo; return the exit code."""
    with tempfile.TemporaryDirectory(prefix="goflow-demo-") as folder:
        children: list[Child] = []
        try:
            return _show(Path(folder), children)
        finally:
            for child in reversed(children):
                child.end()


def _show(folder: Path, children: list[Child]) -> int:
    mock = Child("workers_mock", "--port", "0")
    children.append(mock)
    httpx.put(f"{mock.url}/_script", json=SCRIPT, trust_env=False).raise_for_status()
    server = _serve(folder, mock)
    children.append(server)
    say("1", f"server {server.url}, workers {mock.url}, data in one SQLite file")

    with httpx.Client(base_url=server.url, timeout=30.0, trust_env=False) as client:
        uploaded = client.post("/v1/blueprints", content=SEED.read_bytes()).json()
        say("2", f"uploaded goflow/inquiry: version {uploaded['version']}")
        for finding in uploaded["findings"]:
            console.print(f"     [dim]{finding['severity']}: {finding['message']}[/dim]")
        begun = client.post(
            "/v1/activities/goflow/inquiry/executions", json={"input": {"customer": 7}}
        ).json()
        say("3", f"started execution {begun['id']}")
        _wait_for_state(client, begun["id"], "calculate_voucher")

    server.end(signal.SIGKILL)
    say("4", "kill -9 of the server while 'calculate_voucher' is called ...")
    server = _serve(folder, mock)
    children.append(server)
    say("5", "started again: it goes on by itself")
    with httpx.Client(base_url=server.url, timeout=30.0, trust_env=False) as client:
        return _report(client, begun["id"])


def _serve(folder: Path, mock: Child) -> Child:
    aliases = [f"--endpoint={name}={mock.url}/{name}" for name in ("worker_url", "worker_url_2")]
    data = str(folder / "goflow.db")
    quick = ("--retry-interval", "0.3")
    return Child("goflow_py", "serve", "--data", data, "--port", "0", *quick, *aliases)


def _wait_for_state(client: httpx.Client, execution: str, state: str) -> None:
    end = time.monotonic() + SECONDS_MAX
    while time.monotonic() < end:
        if client.get(f"/v1/executions/{execution}").json()["state"] == state:
            return
        time.sleep(0.02)
    raise SystemExit(f"the execution never came to '{state}'")


def _report(client: httpx.Client, execution: str) -> int:
    now: dict[str, Any] = client.get(f"/v1/executions/{execution}?wait=30s").json()
    attempts = client.get(f"/v1/executions/{execution}/attempts").json()["items"]
    history = client.get(f"/v1/executions/{execution}/history?limit=500").json()["items"]
    path = ["init"] + [e["to"] for e in history if e["type"] == "transition" and e["entered"]]
    table = Table(title="attempts", title_justify="left")
    for name in ("action", "attempt", "worker", "priority", "outcome", "HTTP", "ms"):
        table.add_column(name)
    for a in attempts:
        cells = (a["attempt"], a["worker"], a["priority"], a["outcome"], a["httpStatus"], a["ms"])
        table.add_row(a["action"], *("" if cell is None else str(cell) for cell in cells))
    console.print(table)
    console.print("path:    ", " -> ".join(path))
    console.print(f"history:  {len(history)} entries; output: {now['output']}")
    console.print(f"why:      {client.get(f'/v1/executions/{execution}/why').json()['why']}")
    verified = client.get("/v1/admin/verify").json()
    console.print(f"verified: {verified['records']} records, {len(verified['breaches'])} breaches")
    outcomes = [a["outcome"] for a in attempts]
    as_told = (
        now["status"] == "completed"
        and verified["ok"]
        and path == ["init", "calculate_balance", "get_product", "calculate_voucher", "done"]
        and "abandoned" in outcomes
        and outcomes[:5] == ["error"] * 4 + ["success"]
    )
    say("ok" if as_told else "!!", "as the language says" if as_told else "not as expected")
    return 0 if as_told else 1


def say(step: str, text: str) -> None:
    """Print a line of the story."""
    console.print(f"[bold]{step:>3}[/bold]  {text}")


if __name__ == "__main__":
    sys.exit(main())
