"""Several real nodes on one PostgreSQL: started, killed, paused, cut off; who owned what is noted.

Clients ask any node, and what is not answered once more at another, as a proxy does. Workers call
back to a front that picks a node which listens.
"""

import random
import re
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from tests.e2e.test_kills import Client, Notes, judge, upload
from tests.harness import Mock, Server, until
from tests.proxy import Front, Loop

LEASE_SECONDS = 2
TAKEOVER_SECONDS = LEASE_SECONDS + 2.0
"""What is promised, on a machine that has nothing else to do."""
SLOW = 5
"""So much slower a machine may be."""
CLIENTS = 8
SHARDS = 256

WATCH = (
    "CREATE TABLE owners (n BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, shard INTEGER,"
    " epoch BIGINT, was TEXT, owner TEXT, at BIGINT, was_until BIGINT)",
    """CREATE FUNCTION note_owner() RETURNS TRIGGER LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO owners (shard, epoch, was, owner, at, was_until)
      SELECT new.shard, new.epoch, old.owner, new.owner,
        (extract(epoch FROM clock_timestamp()) * 1000)::bigint,
        (SELECT lease_until FROM nodes WHERE node = old.owner);
      RETURN NULL;
    END $$""",
    "CREATE TRIGGER owners_noted AFTER UPDATE ON shards FOR EACH ROW EXECUTE FUNCTION note_owner()",
)
"""Every change of an owner is noted by the database itself."""

LATE = """
SELECT execution, seq, epoch FROM (
  SELECT h.execution, h.seq, h.epoch,
    max(h.epoch) OVER (PARTITION BY e.shard ORDER BY h.n) AS newest
  FROM history AS h JOIN executions AS e ON e.id = h.execution) AS told
WHERE epoch < newest LIMIT 5
"""
"""Records of an owner behind those of a later one, in the order of the commits."""

WORKED = """
SELECT s.shard, s.epoch FROM shards AS s
WHERE s.owner = $1
  AND EXISTS (SELECT FROM executions AS e
    WHERE e.shard = s.shard AND e.activity = 'kill'
      AND e.status NOT IN ('completed', 'failed', 'cancelled'))
"""

LEFT = """
SELECT e.id FROM executions AS e
JOIN unnest($1::int[], $2::bigint[]) AS was (shard, epoch) ON was.shard = e.shard
JOIN history AS h ON h.execution = e.id AND h.seq = e.seq
WHERE e.status NOT IN ('completed', 'failed', 'cancelled') AND h.epoch <= was.epoch
  AND e.activity = 'kill'
"""
"""Executions with which nobody went on behind an epoch: each of these has something to do soon."""

TAKEN = """
SELECT e.shard, min(h.at) FROM history AS h JOIN executions AS e ON e.id = h.execution
JOIN unnest($1::int[], $2::bigint[]) AS was (shard, epoch) ON was.shard = e.shard
WHERE h.epoch > was.epoch GROUP BY e.shard
"""


@dataclass(frozen=True)
class Death:
    """A node that does nothing any more."""

    node: str
    at: float
    """By the clock of the machine, which all share."""
    worked: Mapping[int, int]
    """The epoch of each shard of its that had work."""


@dataclass
class Cluster:
    """Nodes in their places; each has a port, which it keeps when it is started again."""

    folder: Path
    urls: list[str]
    """Of the database, as each place knows it."""
    loop: Loop
    session: asyncpg.Connection
    front: Front
    flags: tuple[str, ...] = ()
    nodes: list[Server] = field(default_factory=list)

    # ------------------------------------------------------------ come and go

    def start(self, count: int) -> None:
        """Start nodes in new places, all at once."""
        places = range(len(self.nodes), len(self.nodes) + count)
        with ThreadPoolExecutor(count) as pool:
            started = list(pool.map(lambda place: self._serve(place, 0), places))
        self.nodes += started
        self.front.ports = [_port(node) for node in self.nodes]

    def again(self, place: int) -> None:
        """Start a node in a place whose node has ended."""
        self.nodes[place] = self._serve(place, _port(self.nodes[place]))

    def all_again(self, places: Sequence[int]) -> None:
        """Start nodes in places whose nodes have ended, all at once."""
        with ThreadPoolExecutor(len(places)) as pool:
            list(pool.map(self.again, places))

    def _serve(self, place: int, port: int) -> Server:
        flags = ("--public-url", self.front.url, *self.flags)
        log = self.folder / f"node-{place}.log"
        return Server(self.urls[place % len(self.urls)], *flags, port=port, log=log)

    def kill(self, place: int) -> Death:
        """End a node as a crash does."""
        death = self.busy(place)
        self.nodes[place].kill()
        return death

    def pause(self, place: int) -> Death:
        """Let a node stand still, as a machine does that is suspended."""
        death = self.busy(place)
        self.nodes[place].child.send_signal(signal.SIGSTOP)
        return death

    def wake(self, place: int) -> None:
        """Let a node that stood still go on."""
        self.nodes[place].child.send_signal(signal.SIGCONT)

    def code(self, place: int) -> int:
        """Wait until a node ends by itself; return its exit code."""
        code: int = self.nodes[place].child.wait(timeout=20 * SLOW)
        self.nodes[place].stop()
        return code

    def busy(self, place: int) -> Death:
        """Wait until a node has work; return what it would leave now."""
        name = self.name(place)
        rows = until(lambda: self.ask(WORKED, name), f"{name} has work", seconds=20 * SLOW)
        return Death(name, time.time(), {row[0]: row[1] for row in rows})

    def close(self) -> None:
        """End every node, whatever it does."""
        for node in self.nodes:
            if node.child.poll() is None:
                node.kill()

    # ------------------------------------------------------------ what the database says

    def ask(self, statement: str, *values: Any) -> list[Any]:
        """Return the rows of a statement."""
        found: list[Any] = self.loop.run(self.session.fetch(statement, *values))
        return found

    def watch(self) -> None:
        """Note every owner of every shard from now on."""
        for statement in WATCH:
            self.loop.run(self.session.execute(statement))

    def name(self, place: int) -> str:
        """Return the name of the node that is in a place."""
        statement = "SELECT node FROM nodes WHERE address = $1 ORDER BY started DESC LIMIT 1"
        [row] = self.ask(statement, self.nodes[place].url)
        return str(row[0])

    def shares(self) -> list[int]:
        """Return how many shards each node has that has any."""
        counts = "SELECT count(*) FROM shards WHERE owner IS NOT NULL GROUP BY owner ORDER BY 1"
        return [row[0] for row in self.ask(counts)]

    def even(self, count: int) -> None:
        """Wait until *count* nodes have a fair share each."""
        share = -(-SHARDS // count)

        def is_even() -> bool:
            shares = self.shares()
            return len(shares) == count and sum(shares) == SHARDS and max(shares) <= share

        until(is_even, f"{count} nodes have even shares", seconds=20 * SLOW)

    def taken_over(self, death: Death) -> float:
        """Wait until all that was open goes on; return when the last shard began to, in seconds."""
        was = list(death.worked), list(death.worked.values())
        owned = "SELECT shard FROM shards WHERE owner = $1"

        def goes_on() -> bool:
            return not self.ask(owned, death.node) and not self.ask(LEFT, *was)

        until(goes_on, f"the work of {death.node} goes on", seconds=TAKEOVER_SECONDS * SLOW)
        begun = [row[1] for row in self.ask(TAKEN, *was)]
        return float(max(begun, default=0) / 1000 - death.at)

    # ------------------------------------------------------------ judging

    def judge(self, mock: Mock, notes: Notes) -> None:
        """Hold all that was stored, seen and logged to the promises."""
        assert [node.child.poll() for node in self.nodes] == [None] * len(self.nodes)
        judge(self.nodes[0], mock, notes)
        self.judge_owners()
        self.judge_logs()

    def judge_owners(self) -> None:
        """S11: one owner a shard at a time, and no record of one behind those of a later one."""
        assert self.ask(LATE) == []
        ahead = (
            "SELECT 1 FROM history AS h JOIN executions AS e ON e.id = h.execution"
            " JOIN shards AS s ON s.shard = e.shard WHERE h.epoch > s.epoch LIMIT 1"
        )
        assert self.ask(ahead) == []
        newest: dict[int, int] = {}
        for shard, epoch, was, owner, at, was_until in self.ask(
            "SELECT shard, epoch, was, owner, at, was_until FROM owners ORDER BY n"
        ):
            if owner is None:
                assert epoch == newest.get(shard, epoch), "a release is no claim"
                continue
            assert epoch > newest.get(shard, 0), "each claim has an epoch of its own"
            newest[shard] = epoch
            assert was is None or was_until is None or was_until <= at, "from a node that lived"

    def judge_logs(self) -> None:
        """Nothing broke in a way that its author did not expect."""
        said = [line for log in self.folder.glob("node-*.log") for line in _lines(log)]
        assert [line for line in said if "Traceback" in line] == []
        errors = [line for line in said if re.match(r"\S+ (error|critical)", line)]
        assert [line for line in errors if "the process has to end" not in line] == []


def _lines(log: Path) -> list[str]:
    return log.read_text("utf-8", "replace").splitlines()


def _port(node: Server) -> int:
    return int(node.url.rsplit(":", 1)[1])


@contextmanager
def cluster(
    url: str, folder: Path, *flags: str, count: int, through: Sequence[str] = ()
) -> Iterator[Cluster]:
    """Run *count* nodes on a database, *through* the address that each place has for it."""
    given = flags or ("--lease", str(LEASE_SECONDS))
    with Loop() as loop:
        front = Front()
        loop.run(front.__aenter__())
        session = loop.run(asyncpg.connect(url))
        found = Cluster(folder, [*through] or [url], loop, session, front, given)
        try:
            found.start(count)
            found.watch()
            yield found
        finally:
            found.close()
            loop.run(session.close())
            loop.run(front.__aexit__())


# ---------------------------------------------------------------- clients


class Caller(Client):
    """Asks any node; what it does not answer, once more another one, as a proxy does."""

    def __init__(
        self,
        number: int,
        urls: Sequence[str],
        notes: Notes,
        stop: threading.Event,
        *,
        seconds: float,
    ) -> None:
        super().__init__(number, urls[0], notes, stop)
        self._urls, self._seconds = list(urls), seconds
        self._chance = random.Random(number)
        self.twice: list[str] = []
        """What two nodes, one after the other, did not answer."""

    def _try(
        self, client: httpx.Client, path: str, body: Any, headers: dict[str, str]
    ) -> httpx.Response | None:
        said: list[object] = []
        for url in self._chance.sample(self._urls, 2):
            try:
                answer = client.post(url + path, json=body, headers=headers, timeout=self._seconds)
            except httpx.HTTPError as error:
                said.append(error)
                continue
            if answer.status_code not in (502, 503):
                return answer
            said.append(answer.text)
        self.twice.append(f"{path}: {said}")
        return None


@contextmanager
def load(
    found: Cluster, mock: Mock, notes: Notes, *, seconds: float = 5.0, clients: int = CLIENTS
) -> Iterator[list[Caller]]:
    """Let clients ask the nodes of now."""
    upload(found.nodes[0], mock)
    stop, urls = threading.Event(), [node.url for node in found.nodes]
    callers = [Caller(number, urls, notes, stop, seconds=seconds) for number in range(clients)]
    for caller in callers:
        caller.start()
    try:
        yield callers
    finally:
        stop.set()
        for caller in callers:
            caller.join(timeout=30)
