"""Scripts that want to hurt: each fails alone and in time, and the server does not feel it."""

import asyncio
import time

import pytest

from goflow_py.ports.scripts import Broken, Done, TimedOut
from goflow_py.scripting import TIMEOUT_SECONDS
from goflow_py.scripting.pool import ScriptPool
from goflow_py.testing.clock import FakeClock
from tests.unit.scripting.conftest import ENOUGH_SECONDS

TOLERANCE_SECONDS = 0.5
"""Of a machine that is busy with other tests; alone it is 10 ms."""
LAG_SECONDS_MAX = 0.05
LAG_TRIES = 4
"""A machine can be late without our doing; what we block, we block each time."""
TICK_SECONDS = 0.002

ENDED = (Broken, TimedOut)
HOSTILE = {
    "an endless loop": ("while (true) {}", (TimedOut,)),
    "a regular expression": ("/(a+)+$/.test('a'.repeat(40) + 'b')", (TimedOut,)),
    "deep recursion": ("function f() { return f() + 1 } f()", (Broken,)),
    "a string of 1 GiB": ("let s = 'x'; while (s.length < 2 ** 30) s += s; $.s = s", ENDED),
    "an array that grows": ("const a = []; while (true) a.push([1, 2, 3])", ENDED),
    "a getter bomb": (
        "const bomb = () => ({get a() { return bomb() }, get b() { return bomb() }});"
        "Object.defineProperty($, 'x', {enumerable: true, get: bomb})",
        ENDED,
    ),
    "a getter that never returns": (
        "Object.defineProperty($, 'x', {enumerable: true, get() { while (true) {} }})",
        (TimedOut,),
    ),
    "a proxy": ("$.x = new Proxy({}, {ownKeys() { while (true) {} }})", (Broken,)),
    "a throwing toJSON": ("$.x = {toJSON() { throw new Error('no') }}", (Broken,)),
    "an endless toJSON": ("$.x = {toJSON() { while (true) {} }}", (TimedOut,)),
    "prototype pollution": (
        "Object.prototype.toJSON = () => { throw new Error('no') };"
        "Array.prototype[Symbol.iterator] = null; $.x = {}",
        (Broken,),
    ),
    # Whichever limit notices it first: that of its jobs, or that of its time.
    "a promise loop": ("const f = () => Promise.resolve().then(f); f()", (Broken, TimedOut)),
    "an error whose text never ends": ("throw {toString() { while (true) {} }}", (TimedOut,)),
    "a thread that waits": (
        "Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1e9)",
        (Broken,),
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_script_ends_in_time_and_alone(pool, name):
    script, expected = HOSTILE[name]
    began = time.perf_counter()
    outcome = await pool.run(script, {"input": 1}, timeout_seconds=TIMEOUT_SECONDS)
    took = time.perf_counter() - began
    assert isinstance(outcome, expected)
    assert took < TIMEOUT_SECONDS + TOLERANCE_SECONDS
    after = await pool.run("$.x = $.input + 1", {"input": 1}, timeout_seconds=ENOUGH_SECONDS)
    assert after == Done(output={"x": 2})


async def test_hostile_scripts_never_block_the_loop():
    lags = []
    for _ in range(LAG_TRIES):
        lags.append(await _lag_beside_hostile_scripts())
        if lags[-1] < LAG_SECONDS_MAX:
            return
    pytest.fail(f"the loop was blocked for {lags} seconds")


async def _lag_beside_hostile_scripts() -> float:
    """Return how late the loop was at most while all of them ran, and much went to and fro."""
    loop = asyncio.get_running_loop()
    late = [0.0]
    planned: list[asyncio.TimerHandle] = []

    def tick(due: float) -> None:
        late.append(loop.time() - due)
        plan()

    def plan() -> None:
        due = loop.time() + TICK_SECONDS
        planned[:] = [loop.call_at(due, tick, due)]

    pool = ScriptPool(FakeClock())
    plan()
    runs = [pool.run(script, {}, timeout_seconds=TIMEOUT_SECONDS) for script, _ in HOSTILE.values()]
    large = {"list": [{"number": n, "text": "x" * 40} for n in range(12_000)]}
    copy = pool.run("$.copy = $.list", large, timeout_seconds=ENOUGH_SECONDS)
    *_, copied = await asyncio.gather(*runs, copy)
    planned[0].cancel()
    await pool.close()
    assert copied == Done(output={"copy": large["list"]})
    return max(late)
