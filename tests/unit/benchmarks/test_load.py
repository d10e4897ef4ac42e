"""The load generator, against the benchmark's own worker: what is due, what is late."""

import time
from collections.abc import Iterator

import pytest

from benchmarks.load import Job
from benchmarks.processes import Child, Load, ask
from benchmarks.stage import until

TAKES = 0.1


@pytest.fixture(scope="module")
def load() -> Iterator[Load]:
    with Load() as started:
        yield started


@pytest.fixture(scope="module")
def slow() -> Iterator[Child]:
    with Child("worker", "benchmarks.worker", str(TAKES), "1") as started:
        yield started


def test_each_client_asks_again_when_it_was_answered(load: Load, slow: Child) -> None:
    told = load.run(Job(url=slow.url + "/x", clients=4, requests=12))
    assert (told["done"], told["errors"]) == (12, 0)
    assert told["seconds"] >= 3 * TAKES


def test_a_request_waits_from_when_it_was_due(load: Load, slow: Child) -> None:
    told = load.run(Job(url=slow.url + "/x", requests=6, every=TAKES / 10))
    assert told["worst_ms"] >= 500 * TAKES + 100 * TAKES  # five before it, less what it was late


def test_a_worker_that_holds_its_answers_gives_them_when_it_is_told(
    load: Load, slow: Child
) -> None:
    for what in ("hold", "counts"):
        ask(slow.url, f"/_{what}")
    load.begin(Job(url=slow.url + "/x", clients=3, requests=3))
    came: list[int] = []

    def all_came() -> bool:
        came.append(ask(slow.url, "/_counts")["calls"])
        return sum(came) == 3

    until(all_came, seconds=10)
    time.sleep(2 * TAKES)
    ask(slow.url, "/_release")
    told = load.end()
    assert (told["done"], told["errors"]) == (3, 0)
    assert told["p50_ms"] >= 3_000 * TAKES


def test_a_job_that_is_halted_awaits_its_answers_and_sends_no_more(load: Load, slow: Child) -> None:
    load.begin(Job(url=slow.url + "/x", clients=3, seconds=60.0))
    told = load.halt()
    assert told["errors"] == 0
    assert told["seconds"] < 30
    assert load.run(Job(url=slow.url + "/x", requests=1))["done"] == 1


def test_an_answer_that_is_not_the_expected_one_is_an_error(load: Load, slow: Child) -> None:
    told = load.run(Job(url=slow.url + "/x", requests=2, expect="completed"))
    assert (told["done"], told["errors"]) == (0, 2)
    assert "balance" in told["error"]


def test_a_server_that_is_gone_is_an_error_of_each_client(load: Load) -> None:
    with Child("worker", "benchmarks.worker") as gone:
        url = gone.url
    told = load.run(Job(url=url, clients=3, requests=9))
    assert (told["done"], told["errors"]) == (0, 3)


def test_what_is_not_answered_in_its_time_is_an_error(load: Load) -> None:
    with Child("worker", "benchmarks.worker", "60") as never:
        told = load.run(Job(url=never.url + "/x", clients=2, requests=2, grace_seconds=0.1))
    assert (told["done"], told["errors"]) == (0, 2)
    assert "0.1 s" in told["error"]
