"""The speed guard's judgement: on ratios of one run, never on what else the machine does."""

from typing import Any

import pytest

from benchmarks import guard
from benchmarks.guard import CPU_OVER_FLOOR_MAX, OTHERS_MAX, RATE_OVER_NAIVE_MIN, Run
from tests.unit.benchmarks.made_up import sample

CPU, RATE = CPU_OVER_FLOOR_MAX, RATE_OVER_NAIVE_MIN
FLOOR_US, NAIVE_RATE = 300.0, 100.0


def run(cpu: list[float], rate: list[float], *, others: float = 0.0, machine: float = 1.0) -> Run:
    """Return rounds of which each has these ratios, on a machine that is so many times as slow."""
    samples: list[dict[str, Any]] = []
    for level in guard.LEVELS:
        for number, (cpu_ratio, rate_ratio) in enumerate(zip(cpu, rate, strict=True)):
            figures = {
                "goflow": (FLOOR_US * cpu_ratio, NAIVE_RATE * rate_ratio),
                "floor": (FLOOR_US, NAIVE_RATE * 20),
                "naive": (FLOOR_US * 10, NAIVE_RATE),
            }
            for name, (cpu_us, rate_per_s) in figures.items():
                one = sample(name, level, number, 1.0)
                one.update(cpu_us=cpu_us * machine, rate_per_s=rate_per_s / machine)
                samples.append(one)
    return Run(samples=samples, others=others)


def test_within_bounds_nothing_is_slow() -> None:
    assert guard.slow(run([CPU] * 3, [RATE] * 3)) == []


def test_a_slow_machine_is_not_a_slow_goflow() -> None:
    assert guard.slow(run([CPU * 0.9] * 3, [RATE * 1.1] * 3, machine=50.0)) == []


def test_one_bad_round_is_no_median() -> None:
    bad = run([CPU * 0.5, CPU * 0.5, CPU * 9], [RATE * 2, RATE * 2, RATE / 9])
    assert guard.slow(bad) == []


def test_too_much_cpu_is_slow_at_each_level_however_busy_the_machine_is() -> None:
    for others in (0.0, 0.9):
        found = guard.slow(run([CPU * 1.1] * 3, [RATE * 2] * 3, others=others))
        assert len(found) == len(guard.LEVELS)
        for level, sentence in zip(guard.LEVELS, found, strict=True):
            assert f"at {level} in flight" in sentence
            assert f"{CPU * 1.1:.2f}" in sentence
            assert f"{CPU:g} is the most" in sentence
            assert "python -m benchmarks.budget" in sentence


def test_a_low_rate_is_slow_on_a_machine_that_is_ours() -> None:
    found = guard.slow(run([1.0] * 3, [RATE * 0.9] * 3, others=OTHERS_MAX))
    assert len(found) == len(guard.LEVELS)
    assert all(f"{RATE:g} is the least" in sentence for sentence in found)


def test_a_low_rate_says_nothing_while_others_use_the_machine() -> None:
    busy = run([1.0] * 3, [RATE * 0.1] * 3, others=OTHERS_MAX * 2)
    assert guard.slow(busy) == []
    assert "rates are not judged, since others had 20% of the machine" in guard.figures(busy)


@pytest.mark.parametrize("missing", guard.NAMES)
def test_what_was_not_measured_is_not_taken_for_fast(missing: str) -> None:
    whole = run([1.0] * 3, [RATE * 2] * 3)
    samples = [one for one in whole.samples if one["contestant"] != missing]
    assert guard.slow(Run(samples=samples, others=0.0))


@pytest.mark.parametrize("what", ["lost", "doubled", "errors"])
def test_what_goflow_lost_or_doubled_is_broken_and_what_others_did_is_theirs(what: str) -> None:
    one = run([1.0] * 3, [RATE * 2] * 3)
    own = next(sample for sample in one.samples if sample["contestant"] == "goflow")
    other = next(sample for sample in one.samples if sample["contestant"] == "naive")
    changed: dict[str, Any] = dict(other, **{what: 1})
    assert guard.broken([changed]) == []
    (sentence,) = guard.broken([dict(own, **{what: 3, "error": "503 busy"})])
    assert f"3 {what}" in sentence
    assert "503 busy" in sentence
    assert "breach of a guarantee" in sentence


def outcomes(monkeypatch: pytest.MonkeyPatch, *runs: Run) -> list[int]:
    """Let the guard measure these, one after the other; return a list that counts them."""
    left, measured = list(runs), [0]

    def next_run() -> Run:
        measured[0] += 1
        return left.pop(0)

    monkeypatch.setattr(guard, "measure", next_run)
    return measured


def test_slow_once_and_then_fast_is_noise(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    slow, fast = run([CPU * 2] * 3, [RATE * 2] * 3), run([1.0] * 3, [RATE * 2] * 3)
    measured = outcomes(monkeypatch, slow, fast)
    assert guard.main() == 0
    assert measured == [2]
    said = capsys.readouterr()
    assert said.err == ""
    assert "1.00 (1.00-1.00) x the floor's CPU" in said.out


def test_slow_twice_fails_and_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    slow = run([CPU * 2] * 3, [RATE * 2] * 3)
    measured = outcomes(monkeypatch, slow, slow, slow)
    assert guard.main() == 1
    assert measured == [2]
    assert "times the floor's CPU" in capsys.readouterr().err


def test_a_doubled_call_fails_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fast = run([1.0] * 3, [RATE * 2] * 3)
    for one in fast.samples:
        if one["contestant"] == "goflow" and isinstance(one, dict):
            one["doubled"] = 1
    measured = outcomes(monkeypatch, fast, fast)
    assert guard.main() == 1
    assert measured == [1]
    assert "1 doubled" in capsys.readouterr().err


def test_the_processors_have_worked_and_go_on_working() -> None:
    before = guard.busy_seconds()
    assert before > 0
    assert guard.busy_seconds() >= before
