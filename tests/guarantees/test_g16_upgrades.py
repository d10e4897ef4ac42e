"""G16: data of an older release is opened with all that is under way; newer data is not touched.

At large: tests/upgrade/test_upgrades.py (every older schema, every kind of wait, a crash at each
statement of a migration), tests/e2e/test_backup_and_restore.py,
tests/unit/store/test_sqlite_file.py.
"""

import contextlib
import json
import lzma
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from goflow_py.store.sqlite.schema import SCHEMA
from tests.guarantees.conftest import waits
from tests.harness import Server, ended

pytestmark = pytest.mark.e2e

OLDEST = Path(__file__).parents[1] / "upgrade/files/schema-1"


def test_the_oldest_data_is_opened_and_what_waits_in_it_goes_on(tmp_path: Path) -> None:
    facts = json.loads(OLDEST.with_suffix(".json").read_text("utf-8"))
    data = tmp_path / "goflow.db"
    data.write_bytes(lzma.decompress(OLDEST.with_suffix(".db.xz").read_bytes()))
    data.with_name("goflow.db.key").write_bytes(bytes.fromhex(facts["key"]))
    known = {one["case"]: one["id"] for one in facts["executions"]}
    with ended(server := Server(data, "--endpoint", "w=http://127.0.0.1:9/w")):
        for execution in known.values():
            assert server.get(execution)["id"] == execution
        body = {"name": "go", "data": 1}
        path = f"/v1/executions/{known['event']}/events"
        server.client.post(path, json=body).raise_for_status()
        assert server.end_of(known["event"])["status"] == "completed"
        assert server.client.get("/v1/admin/verify").json()["breaches"] == []


def test_newer_data_is_refused_in_one_line_and_not_changed(house: Any) -> None:
    shop = house()
    shop.server.client.post("/v1/blueprints", json=waits()).raise_for_status()
    shop.server.start("shop/order")
    shop.server.stop()
    with contextlib.closing(sqlite3.connect(shop.data, isolation_level=None)) as file:
        file.execute("INSERT INTO goflow_schema VALUES (?, '', 0)", (SCHEMA + 1,))
        file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = shop.data.read_bytes()
    with pytest.raises(AssertionError, match=r"did not start: .*newer") as caught:
        Server(shop.data)
    assert "Traceback" not in str(caught.value)
    assert shop.data.read_bytes() == before
