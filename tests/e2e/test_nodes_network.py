"""A node that the network parts from the database, for shorter and for longer than its lease."""

import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
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

MANY = "25"
"""Rounds of all faults, in the soak."""
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
                yield found, proxies, loop
        finally:
            for proxy in proxies:
                loop.run(proxy.__aexit__())


def beyond(url: str, mock: Mock, folder: Path, rounds: int) -> None:
    """Cut a node off for longer than its lease."""
    notes, chance = Notes(), random.Random(rounds)
    with parted(url, folder) as (found, proxies, loop):
        with load(found, mock, notes, seconds=1.0):
            for fault in list(FAULTS.values()) * rounds:
                place = chance.randrange(2)
                death = found.busy(place)
                loop.call(partial(fault, proxies[place]))
                found.taken_over(death)
                loop.call(proxies[place].heal)
                assert found.code(place) == EXIT_LOST
                found.again(place)
        found.judge(mock, notes)


def within(url: str, mock: Mock, folder: Path, rounds: int) -> None:
    """Cut a node off for less than its lease."""
    notes, chance = Notes(), random.Random(rounds)
    with parted(url, folder, *LONG_LEASE) as (found, proxies, loop):
        before = [found.name(place) for place in range(2)]
        with load(found, mock, notes, seconds=1.0):
            for fault in list(FAULTS.values()) * rounds:
                proxy = chance.choice(proxies)
                loop.call(partial(fault, proxy))
                time.sleep(SHORT_SECONDS)  # the length of the partition is the test's input
                loop.call(proxy.heal)
        assert [found.name(place) for place in range(2)] == before
        found.judge(mock, notes)


def lossy(url: str, mock: Mock, folder: Path, rounds: int) -> None:
    """Delay what passes, then end connections inside commits."""
    notes, chance = Notes(), random.Random(rounds)
    with parted(url, folder, *LONG_LEASE) as (found, proxies, loop):
        with load(found, mock, notes):
            for proxy in proxies * rounds:
                proxy.delay = partial(chance.uniform, *DELAY_SECONDS)
                time.sleep(2 * SHORT_SECONDS)  # so is this
                loop.call(proxy.heal)
            for proxy in proxies * (LOSSES * rounds):
                faults = proxy.faults
                proxy.keep_far_end = chance.random() < 0.5
                setattr(proxy, chance.choice(["lose", "lose_answer_to"]), COMMIT)
                until(partial(_is_more, proxy, faults), "a commit is lost")
        assert all(node.child.poll() is None for node in found.nodes)
        found.judge(mock, notes)


def _is_more(proxy: Proxy, faults: int) -> bool:
    return proxy.faults > faults


def test_a_node_that_is_cut_off_beyond_its_lease_writes_nothing_more(
    url: str, mock: Mock, tmp_path: Path
) -> None:
    """What it had sent arrives when others have its shards: all of it is refused."""
    beyond(url, mock, tmp_path, 1)


def test_a_node_that_is_cut_off_for_less_than_its_lease_goes_on(
    url: str, mock: Mock, tmp_path: Path
) -> None:
    within(url, mock, tmp_path, 1)


def test_a_network_that_is_slow_or_loses_commits_loses_nothing(
    url: str, mock: Mock, tmp_path: Path
) -> None:
    lossy(url, mock, tmp_path, 1)


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("story", [beyond, within, lossy])
def test_a_network_with_faults_loses_nothing(
    url: str, mock: Mock, tmp_path: Path, story: Callable[[str, Mock, Path, int], None]
) -> None:
    story(url, mock, tmp_path, int(os.environ.get("GOFLOW_PARTITIONS", MANY)))
