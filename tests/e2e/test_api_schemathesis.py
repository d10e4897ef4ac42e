"""The API holds what its OpenAPI document says: an independent judge sends what nobody thinks of.

It asks without keys on loopback, and beyond it without a key, with the key of another project, and
with the right key. ``GOFLOW_FUZZ_EXAMPLES`` is how many examples an operation gets (the soak: 200).

Left out, with reasons:

* ``positive_data_acceptance``: what fits a schema can still be refused for what it means (an
  unknown activity, a blueprint with findings, a cursor that is not ours).
* ``missing_required_header``, and ``ignored_auth`` on loopback, where no key is needed.
* ``negative_data_rejection`` with things that exist: their ids stand in for the wrong ones that
  were generated, and so there is nothing left to reject. With a wrong key, nothing is read.
* ``POST /v1/admin/drain`` ends new work for the rest of the run; ``POST /v1/tasks:poll`` waits as
  long as its body says, and for work that nobody starts; streams do not end.
* ``use_after_free`` and ``ensure_resource_availability`` of the stateful phase: a blueprint and an
  alias can be put again after they were deleted, and a batch that ended is found after a stop.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from goflow_py.api.auth import SCOPES
from tests.e2e.conftest import BLUEPRINTS, Api, Serve, start

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1_800)]

EXAMPLES = int(os.environ.get("GOFLOW_FUZZ_EXAMPLES", "4"))
SOAK_EXAMPLES = 50
"""From here on every phase is run everywhere; with less, each is run somewhere."""
SEED = 1
LEFT_OUT = ("positive_data_acceptance", "missing_required_header")
OF_STATES = ("use_after_free", "ensure_resource_availability")


CONFIG = """
[checks.negative_data_rejection]
# Its own list has neither 412 (another revision), 413, 414 (over a limit) nor 429.
expected-statuses = [400, 401, 403, 404, 405, 409, 410, 412, 413, 414, 415, 422, 429]
"""
KNOWN = """
[parameters]
"path.project" = "shop"
"path.activity" = "order"
"path.id" = "{id}"
# What waits for an event would be waited for a minute.
"query.wait" = "0s"
"""
EVERY_PHASE = "examples,coverage,fuzzing,stateful"


async def judge(
    api: Api, place: Path, *left_out: str, config: str = CONFIG, phases: str = "fuzzing"
) -> None:
    """Let the judge ask a server, with the key of *api*; fail with what it says."""
    if EXAMPLES >= SOAK_EXAMPLES:
        phases = EVERY_PHASE
    (place / "schemathesis.toml").write_text(config)
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{api.url}/openapi.json"),
        *("--checks", "all", "--exclude-checks", ",".join((*LEFT_OUT, *left_out))),
        *("--max-examples", str(EXAMPLES), "--seed", str(SEED), "--workers", "1"),
        *("--phases", phases),
        *("--exclude-path", "/v1/admin/drain", "--exclude-path", "/v1/tasks:poll"),
        *("--exclude-path-regex", "/stream$"),
        *("--request-timeout", "30", "--no-color"),
    ]
    if api.key is not None:
        command += ["--header", f"Authorization: Bearer {api.key}"]
    run = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=place
    )
    try:
        said, _ = await run.communicate()
    finally:
        if run.returncode is None:
            run.kill()
            await run.wait()
    assert run.returncode == 0, said.decode()[-20_000:]
    assert (await api("GET", "/readyz")).status == 200


# ---------------------------------------------------------------- on loopback


async def test_no_5xx_and_no_mismatch(shop: Api, tmp_path: Path) -> None:
    await judge(shop, tmp_path, "ignored_auth", *OF_STATES, phases="examples,coverage")


async def test_no_5xx_and_no_mismatch_for_things_that_exist(shop: Api, tmp_path: Path) -> None:
    execution = await start(shop, "order", {"order": "1"})
    config = CONFIG + KNOWN.format(id=execution["id"])
    await judge(
        shop, tmp_path, "ignored_auth", "negative_data_rejection", *OF_STATES, config=config
    )


# ---------------------------------------------------------------- beyond it


@pytest.fixture
async def guarded(serve: Serve, tmp_path: Path) -> AsyncIterator[Api]:
    """A server that asks for keys, and its administrator's."""
    file = tmp_path / "admin.key"
    settings = {"host": "0.0.0.0", "bootstrap_key_file": file, "allow_target": ("127.0.0.1",)}
    async with serve(**settings) as (server, api):
        # The judge sends many wrong keys; that only so many are looked at, tests/safety shows.
        server.door.access.refusals.failures_max = 1_000_000
        admin = api.with_key(file.read_text().strip())
        for blueprint in BLUEPRINTS:
            await admin.good("POST", "/v1/blueprints", blueprint)
        yield admin


async def test_a_right_key_leads_from_one_answer_to_the_next(guarded: Api, tmp_path: Path) -> None:
    """The stateful phase follows the document's links."""
    await judge(guarded, tmp_path, *OF_STATES, phases="fuzzing,stateful")


async def test_without_a_key_every_answer_is_as_documented(guarded: Api, tmp_path: Path) -> None:
    stranger = guarded.with_key(None)
    await judge(stranger, tmp_path, "negative_data_rejection", *OF_STATES)


async def test_the_key_of_another_project_gets_documented_answers(
    guarded: Api, tmp_path: Path
) -> None:
    execution = await start(guarded, "order", {"order": "1"})
    made = await guarded.good("POST", "/v1/keys", {"project": "bank", "scopes": list(SCOPES)})
    stranger = guarded.with_key(made["key"])
    before = await guarded.good("GET", f"/v1/executions/{execution['id']}")
    config = CONFIG + KNOWN.format(id=execution["id"])
    left_out = ("negative_data_rejection", "ignored_auth", *OF_STATES)
    await judge(stranger, tmp_path, *left_out, config=config)
    assert await guarded.good("GET", f"/v1/executions/{execution['id']}") == before
