"""Many nodes on one PostgreSQL, shown: load on three of them, one is killed, nothing is lost.

Run by `make demo-cluster`. Real processes and a real database; it ends with 0 when everything that
was acknowledged was done, once, and every stored history holds.
"""

import asyncio
import contextlib
import itertools
import signal
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import httpx
from rich.table import Table

from tests.postgres import server as postgres
from tools.demo import Child, console, say

NODES = 3
LEASE_SECONDS = 3
CLIENTS = 12
LOAD_SECONDS = 14.0
KILL_AT, BACK_AT = 4.0, 10.0
LOOK_SECONDS = 0.1
END_SECONDS = 60.0
TAKEOVER_SECONDS = LEASE_SECONDS + 2
BLUEPRINT: dict[str, Any] = {
    "project": "shop",
    "activity": "order",
    "states": ["reserve", "pay", "rest", "ship"],
    "actions": [
        {"name": "reserve", "type": "sync"},
        {"name": "pay", "type": "sync"},
        {"name": "rest", "type": "delay", "seconds": 1},
        {"name": "ship", "type": "sync"},
    ],
    "transitions": [
        {"current": "init", "event": "start", "next": "reserve"},
        {"current": "reserve", "event": "success", "next": "pay"},
        {"current": "pay", "event": "success", "next": "rest"},
        {"current": "rest", "event": "success", "next": "ship"},
    ],
}


@dataclass
class Load:
    """What clients asked for, and what they were told."""

    nodes: list[str]
    acknowledged: dict[str, str] = field(default_factory=dict)
    """The execution of each order that a node said it has."""
    again: int = 0
    """Requests that the first node did not answer; the next one did."""
    refused: Counter[str] = field(default_factory=Counter)
    stop: bool = False


def main() -> int:
    """Run the demo; return the exit code."""
    with contextlib.ExitStack() as stack:
        database = stack.enter_context(postgres())
        say("1", f"one PostgreSQL, {NODES} nodes with a lease of {LEASE_SECONDS} s, mock workers")
        mock = stack.enter_context(_child("workers_mock", "--port", "0"))
        delay = [{"status": 200, "body": {"ok": True}, "delay": 0.1}]
        script = {f"w/{name}": delay for name in ("reserve", "pay", "ship")}
        httpx.put(f"{mock.url}/_script", json=script, trust_env=False).raise_for_status()
        nodes = [stack.enter_context(_node(database.url())) for _ in range(NODES)]
        return asyncio.run(_show(stack, database.url(), nodes, mock.url))


@contextlib.contextmanager
def _child(*command: str) -> Iterator[Child]:
    child = Child(*command)
    try:
        yield child
    finally:
        child.end()


def _node(data: str) -> contextlib.AbstractContextManager[Child]:
    flags = ("--data", data, "--port", "0", "--lease", str(LEASE_SECONDS), "--log-level", "error")
    return _child("goflow_py", "serve", *flags)


async def _show(stack: contextlib.ExitStack, data: str, nodes: list[Child], mock: str) -> int:
    load = Load([node.url for node in nodes])
    async with httpx.AsyncClient(timeout=20.0, trust_env=False) as client:
        workers = [
            {"name": name, "workerEndpoint": f"{mock}/w", "retryCount": 5}
            for name in ("reserve", "pay", "ship")
        ]
        body = {**BLUEPRINT, "workers": workers}
        (await client.post(f"{nodes[0].url}/v1/blueprints", json=body)).raise_for_status()
        await _until(lambda: _is_even(data, NODES))
        say("2", f"{CLIENTS} clients start orders at all of them, and try each once more elsewhere")
        orders = itertools.count()
        clients = [asyncio.create_task(_order(client, load, orders)) for _ in range(CLIENTS)]
        taken = await _break(stack, data, nodes, load)
        load.stop = True
        await asyncio.gather(*clients)
        return await _report(client, load, taken)


async def _break(stack: contextlib.ExitStack, data: str, nodes: list[Child], load: Load) -> float:
    """Kill a node, and start another one later; return the seconds until its work was taken."""
    table = Table(title="shards of each node, and orders", title_justify="left")
    for name in ("second", *(f"node {n + 1}" for n in range(NODES + 1)), "acknowledged", ""):
        table.add_column(name, justify="right")
    began, killed, taken, row = time.monotonic(), 0.0, 0.0, 0
    while (now := time.monotonic() - began) < LOAD_SECONDS:
        event = ""
        if not killed and now >= KILL_AT:
            await asyncio.to_thread(nodes[0].end, signal.SIGKILL)
            killed, event = now, "kill -9 of node 1"
        if len(nodes) == NODES and now >= BACK_AT:
            nodes.append(stack.enter_context(await asyncio.to_thread(_node, data)))
            load.nodes[0], event = nodes[-1].url, "node 4 joins"
        owned = await _owned(data)
        if killed and not taken and sum(owned[node.url] for node in nodes[1:]) == 256:
            taken, event = now - killed, f"taken over after {now - killed:.1f} s"
        if event or now >= row:
            row += 1
            cells = [owned[node.url] for node in nodes] + [""] * (NODES + 1 - len(nodes))
            table.add_row(f"{now:.1f}", *map(str, cells), str(len(load.acknowledged)), event)
        await asyncio.sleep(LOOK_SECONDS)
    console.print(table)
    return taken


async def _order(client: httpx.AsyncClient, load: Load, orders: Iterator[int]) -> None:
    """Start one order after the other; what one node does not answer is asked of the next."""
    while not load.stop:
        number, said = next(orders), ""
        for turn in range(2):
            node = load.nodes[(number + turn) % NODES]
            try:
                answer = await client.post(
                    f"{node}/v1/activities/shop/order/executions",
                    json={"input": {"order": number}},
                    headers={"Idempotency-Key": f"order-{number}"},
                )
                said = str(answer.status_code)
            except httpx.TransportError as error:
                said = type(error).__name__
            else:
                if answer.is_success:
                    load.acknowledged[str(number)] = answer.json()["id"]
                    load.again += turn
                    break
        else:
            load.refused[said] += 1


async def _report(client: httpx.AsyncClient, load: Load, taken: float) -> int:
    say("3", "the load ends; what was acknowledged comes to its end")
    node, began = load.nodes[1], time.monotonic()
    while time.monotonic() - began < END_SECONDS:
        page = await client.get(f"{node}/v1/executions?status=running,waiting&limit=1")
        if not page.json()["items"]:
            break
        await asyncio.sleep(LOOK_SECONDS)
    verified = (await client.get(f"{node}/v1/admin/verify")).json()
    there = [await client.get(f"{node}/v1/executions/{one}") for one in load.acknowledged.values()]
    lost = sum(not (one.is_success and one.json()["status"] == "completed") for one in there)
    doubled = len(load.acknowledged) - len({*load.acknowledged.values()})
    rows = {
        "orders acknowledged": len(load.acknowledged),
        "completed": verified["byStatus"].get("completed", 0),
        "lost": lost,
        "done twice": doubled,
        "answered by the second node asked": load.again,
        "answered by neither": load.refused.total(),
        f"seconds until its work was taken over (lease {LEASE_SECONDS})": f"{taken:.1f}",
        "breaches in the stored histories": len(verified["breaches"]),
    }
    table = Table(title="what became of it", title_justify="left", show_header=False)
    for name, value in rows.items():
        table.add_row(name, str(value))
    console.print(table)
    is_good = verified["ok"] and not (lost or doubled or load.refused) and taken > 0
    is_good = is_good and taken <= TAKEOVER_SECONDS
    say("ok" if is_good else "!!", "nothing was lost" if is_good else "not as promised")
    return 0 if is_good else 1


# ---------------------------------------------------------------- the database's side


async def _owned(data: str) -> Counter[str]:
    """Return how many shards each node has, by its address, while its lease holds."""
    session = await asyncpg.connect(data)
    try:
        found = await session.fetch(
            "SELECT n.address, count(*) FROM shards AS s JOIN nodes AS n ON n.node = s.owner "
            "WHERE n.lease_until > extract(epoch FROM clock_timestamp()) * 1000 GROUP BY 1"
        )
    finally:
        await session.close()
    return Counter(dict(found))


async def _is_even(data: str, nodes: int) -> bool:
    owned = await _owned(data)
    return len(owned) == nodes and max(owned.values()) - min(owned.values()) <= nodes


async def _until(condition: Callable[[], Awaitable[bool]]) -> None:
    end = time.monotonic() + END_SECONDS
    while not await condition():
        if time.monotonic() > end:
            raise SystemExit("the nodes never shared the work evenly")
        await asyncio.sleep(LOOK_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
