"""G11: a history only grows, has no gaps, and gives the head again; what was changed in it shows.

At large: tests/faults/test_bits.py (flipped bits), tests/unit/engine/test_checker_mutations.py,
tests/property/test_steps.py, tests/torture/test_simulation.py (rules S3, S5, S6 and S19).
"""

import contextlib
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from goflow_py.cli.audit import judge_file
from tests.guarantees.conftest import House, waits

pytestmark = pytest.mark.e2e

CHANGED = "CAST(replace(CAST({0} AS TEXT), 'second', 'secOnd') AS BLOB)"
OLD = "seq = (SELECT min(seq) FROM history WHERE instr(entries, 'second'))"
TAMPERED = {
    "a word in an old record": f"UPDATE history SET entries = {CHANGED.format('entries')}"
    f" WHERE execution = ? AND {OLD}",
    "an old record is gone": f"DELETE FROM history WHERE execution = ? AND {OLD}",
    "the newest record is gone": "DELETE FROM history WHERE execution = ?"
    " AND seq = (SELECT max(seq) FROM history)",
    "a word in the head": f"UPDATE executions SET body = {CHANGED.format('body')} WHERE id = ?",
}


@pytest.fixture
def shop(house: Any) -> House:
    found: House = house()
    found.server.client.post("/v1/blueprints", json=waits()).raise_for_status()
    return found


def noted(shop: House) -> str:
    """Return an execution with a history."""
    order: str = shop.server.start("shop/order")["id"]
    before: list[dict[str, Any]] = []
    for note in ("first", "second", "third", "fourth"):
        body = {"name": "note", "data": note}
        shop.post(f"/v1/executions/{order}/events", body).raise_for_status()
        entries = shop.server.history(order)
        assert entries[: len(before)] == before and len(entries) > len(before)
        assert [entry["seq"] for entry in entries] == list(range(len(entries)))
        times = [entry["at"] for entry in entries]
        assert times == sorted(times)
        before = entries
    return order


def test_a_history_grows_at_its_end_also_over_a_crash_and_a_verb(shop: House) -> None:
    order = noted(shop)
    before = shop.server.history(order)
    shop.again()
    shop.post(f"/v1/executions/{order}:cancel").raise_for_status()
    after = shop.server.history(order)
    assert after[: len(before)] == before
    assert after[-1]["type"] == "ended"
    assert shop.is_sound()


async def test_what_somebody_changed_is_found(shop: House, tmp_path: Path) -> None:
    order = noted(shop)
    shop.server.stop()
    for number, (how, statement) in enumerate(TAMPERED.items()):
        data = tmp_path / f"changed-{number}.db"
        shutil.copy(shop.data, data)
        with contextlib.closing(sqlite3.connect(data, isolation_level=None)) as file:
            assert file.execute(statement, (order,)).rowcount == 1, how
        report = await judge_file(data, None)
        assert {breach["execution"] for breach in report["breaches"]} == {order}, how
    assert (await judge_file(shop.data, None))["ok"]
