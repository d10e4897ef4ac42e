"""The API holds what its OpenAPI document says: an independent judge sends what nobody thinks of.

Left out, with reasons:

* ``positive_data_acceptance``: what fits a schema can still be refused for what it means (an
  unknown activity, a blueprint with findings, a cursor that is not ours).
* ``missing_required_header``, ``ignored_auth``: on loopback no key is needed; ``test_api_auth``
  has the matrix.
* ``negative_data_rejection`` with things that exist: their ids stand in for the wrong ones that
  were generated, and so there is nothing left to reject.
* ``POST /v1/admin/drain`` ends new work for the rest of the run; ``POST /v1/tasks:poll`` waits as
  long as its body says, and for work that nobody starts.
"""

import asyncio
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import Api, start

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

EXAMPLES = 20
LEFT_OUT = "positive_data_acceptance,missing_required_header,ignored_auth"


CONFIG = """
[checks.negative_data_rejection]
# Its own list has neither 412 (another revision) nor 413 (a body over the limit).
expected-statuses = [400, 401, 403, 404, 405, 409, 410, 412, 413, 415, 422]
"""
KNOWN = """
[parameters]
"path.project" = "shop"
"path.activity" = "order"
"path.id" = "{id}"
# What waits for an event would be waited for a minute.
"query.wait" = "0s"
"""


@pytest.mark.parametrize("known", [False, True], ids=["anything", "things that exist"])
async def test_no_5xx_and_no_mismatch(shop: Api, tmp_path: Path, *, known: bool) -> None:
    config = CONFIG
    if known:
        execution = await start(shop, "order", {"order": "1"})
        config += KNOWN.format(id=execution["id"])
    (tmp_path / "schemathesis.toml").write_text(config)
    left_out = f"{LEFT_OUT},negative_data_rejection" if known else LEFT_OUT
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{shop.url}/openapi.json"),
        *("--checks", "all", "--exclude-checks", left_out),
        *("--max-examples", str(EXAMPLES), "--seed", "1", "--workers", "1"),
        *("--phases", "examples,coverage,fuzzing"),
        *("--exclude-path", "/v1/admin/drain", "--exclude-path", "/v1/tasks:poll"),
        *("--request-timeout", "30", "--no-color"),
    ]
    run = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=tmp_path,
    )
    try:
        said, _ = await run.communicate()
    finally:
        if run.returncode is None:
            run.kill()
            await run.wait()
    assert run.returncode == 0, said.decode()[-20_000:]
    assert (await shop("GET", "/readyz")).status == 200
