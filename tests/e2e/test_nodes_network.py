"""A node that the network parts from the database, for shorter and for longer than its lease."""

import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from goflow_py.bootstrap import EXIT_LOST
from tests.cluster import Cluster, cluster, load
from tests.e2e.test_kills import Notes, mock
from tests.e2e.test_postgres import url
from tests.harness import Mock, until
from tests.proxy import Loop, Proxy

__all__ = ["mock", "url"]  # the fixtures

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

ROUNDS = int(os.environ.get("GOFLOW_PARTITIONS", "1"))
LONG_LEASE = ("--lease", "10")
SHORT_SECONDS = 1.5
"""Of a partition that ends long before such a lease."""
DELAY_SECONDS = 0.05, 0.5
LOSSES = 5
COMMIT = b'"attemptStarted"'
"""Is in what is sent to commit a step, and in no reading."""

Fault = Callable[[Proxy], object]


def away(proxy: Proxy) -> None:
    proxy.is_away = True
    proxy.reset()


FAULTS: dict[str, Fault] = {
    "nothing passes": lambda proxy: proxy.hold(),
    "nothing is asked": lambda proxy: proxy.hold(["ask"]),
    "nothing is answered": lambda proxy: proxy.hold(["answer"]),
    "all is reset": away,
}


@contextmanager
def parted(url: str, folder: Path, *flags: str) -> Iterator[tuple[Cluster, list[Proxy], Loop]]:
    """Run two nodes, each behind a proxy of its own."""
    with Loop() as loop:
        proxies = [Proxy(url), Proxy(url)]
        for proxy in proxies:
            loop.run(proxy.__aenter__())
        try:
            through = [proxy.url for proxy in proxies]
            with cluster(url, folder, *flags, count=2, through=through) as found:
                found.even(2)
                yield found, proxies, loop
        finally:
            for proxy in proxies:
                loop.run(proxy.__aexit__())


def test_a_node_that_is_cut_off_beyond_its_lease_writes_nothing_more(
    url: str, mock: Mock, tmp_path: Path
) -> None:
    """What it had sent arrives when others have its shards: all of it is refused."""
    notes, chance = Notes(), random.Random(ROUNDS)
    with parted(url, tmp_path) as (found, proxies, loop):
        with load(found, mock, notes, seconds=1.0):
            for fault in list(FAULTS.values()) * ROUNDS:
                place = chance.randrange(2)
                death = found.busy(place)
                loop.call(lambda fault=fault, place=place: fault(proxies[place]))
                found.taken_over(death)
                loop.call(proxies[place].heal)
                assert found.code(place) == EXIT_LOST
                found.again(place)
        found.judge(mock, notes)


def test_a_node_that_is_cut_off_for_less_than_its_lease_goes_on(
    url: str, mock: Mock, tmp_path: Path
) -> None:
    notes, chance = Notes(), random.Random(ROUNDS)
    with parted(url, tmp_path, *LONG_LEASE) as (found, proxies, loop):
        before = [found.name(place) for place in range(2)]
        with load(found, mock, notes, seconds=1.0):
            for fault in list(FAULTS.values()) * ROUNDS:
                proxy = chance.choice(proxies)
                loop.call(lambda fault=fault, proxy=proxy: fault(proxy))
                time.sleep(SHORT_SECONDS)  # the length of the partition is the test's input
                loop.call(proxy.heal)
        assert [found.name(place) for place in range(2)] == before
        found.judge(mock, notes)


def test_a_network_that_is_slow_or_loses_commits_loses_nothing(
    url: str, mock: Mock, tmp_path: Path
) -> None:
    notes, chance = Notes(), random.Random(ROUNDS)
    with parted(url, tmp_path, *LONG_LEASE) as (found, proxies, loop):
        with load(found, mock, notes, seconds=5.0):
            for proxy in proxies * ROUNDS:
                proxy.delay = lambda: chance.uniform(*DELAY_SECONDS)
                time.sleep(2 * SHORT_SECONDS)
                loop.call(proxy.heal)
            for number in range(2 * LOSSES * ROUNDS):
                proxy = proxies[number % 2]
                before = proxy.faults
                proxy.keep_far_end = chance.random() < 0.5
                fault = chance.choice(["lose", "lose_answer_to"])
                setattr(proxy, fault, COMMIT)
                until(lambda proxy=proxy, before=before: proxy.faults > before, "a commit is lost")
        assert all(node.child.poll() is None for node in found.nodes)
        found.judge(mock, notes)
