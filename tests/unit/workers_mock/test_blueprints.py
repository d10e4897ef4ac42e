"""The blueprints to try, and the scripts that play their actions."""

import hashlib
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from workers_mock import Script

BLUEPRINTS = Path(__file__).parents[3] / "blueprints"
OURS = ("album", "approval", "expense", "order", "pizza", "polling", "thumbnail", "trip")
SEED_SHA256 = "590987981119da2cfa9a0e671883370b8d0858a61ad0a89498851c7399679be8"


def document(name: str) -> Any:
    return json.loads((BLUEPRINTS / f"{name}.json").read_text())


def workers(name: str) -> set[str]:
    text = (BLUEPRINTS / f"{name}.json").read_text()
    if name == "inquiry":
        _, _, text = text.partition("]\n}\n")
    found = json.loads(text)
    told = {f"{one['endpoint']}/*" for one in found.get("actions", ()) if "endpoint" in one}
    return told | {f"{one['workerEndpoint']}/{one['name']}" for one in found["workers"]}


def test_the_seed_is_kept_byte_for_byte() -> None:
    content = (BLUEPRINTS / "inquiry.json").read_bytes()
    assert hashlib.sha256(content).hexdigest() == SEED_SHA256


@pytest.mark.parametrize("name", [*OURS, "inquiry"])
def test_every_worker_is_played_and_nothing_else(name: str) -> None:
    script = Script.read(BLUEPRINTS / f"{name}.mock.json")
    assert set(script.document) == workers(name)


@pytest.mark.parametrize("name", OURS)
def test_every_blueprint_says_what_it_is_and_takes_its_example(name: str) -> None:
    blueprint = document(name)
    assert "\n" not in blueprint["description"]
    jsonschema.validate(blueprint["meta"]["example"]["input"], blueprint["input"])


def test_the_example_event_of_the_approval_fits_its_schema() -> None:
    blueprint = document("approval")
    event = blueprint["meta"]["example"]["event"]
    jsonschema.validate(event["data"], blueprint["events"][event["name"]]["schema"])
