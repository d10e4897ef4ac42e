"""A cell in motion: nodes that own executions and one database, event by event.

Executions move in parts: so many, that began at one moment and have as many commits behind them.
A node is one core that takes its turns in order; its commits are in groups, what came while the
last one was under way is the next one. The database is its cores and one log. Chance is seeded:
the same load and the same figures give the same answer.
"""

import heapq
import math
import random
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.capacity_load import Answer, Load, Second, percentiles

ASK_S = 0.1
"""Clients that ask again within so long ask at one moment."""
TURN = 50
"""Executions that have a turn of a node's core together."""
ROWS_MAX = 1_000
"""Of a commit."""
PAGE = 500
"""Executions that are adopted at a time."""
WORKER_SIGMA = 0.3
EVENTS_MAX = 5_000_000

Part = tuple[int, float, int]
"""Commits behind it, when it was asked for, how many executions."""


def simulate(load: Load, figures: Mapping[str, float]) -> Answer:
    """Play *load* to its end; *figures* are the values of ``capacity_facts``."""
    return _Cell(load, figures).run()


@dataclass(slots=True, eq=False)
class _Node:
    alive: bool = True
    life: int = 0
    """Events of an earlier life mean nothing."""
    free_at: float = 0.0
    died_at: float = -math.inf
    is_committing: bool = False
    pending: deque[Part] = field(default_factory=deque)
    adopting: deque[Part] = field(default_factory=deque)
    held: Counter[tuple[int, float]] = field(default_factory=Counter)
    open: int = 0


class _Cell:
    def __init__(self, load: Load, figures: Mapping[str, float]) -> None:
        self.load, self.figures = load, figures
        self.random = random.Random(load.seed)
        self.now = 0.0
        self.events: list[tuple[float, int, Callable[..., None], _Node | None, int, Any]] = []
        self.count = 0
        self.nodes = [_Node() for _ in range(load.nodes)]
        self.cores = [0.0] * load.cores
        self.log_free_at = 0.0
        self.database_back = 0.0
        self.waiting = 0
        self.asking: dict[int, Counter[float]] = {}
        """Of those that wait: when they ask again, and since when they want to start."""
        self.leased: Counter[tuple[int, float]] = Counter()
        """Of dead nodes, whose lease still holds."""
        self.free: Counter[tuple[int, float]] = Counter()
        self.asked = self.elsewhere = self.adopted = self.commits = self.rows = 0
        self.busy = {"node": 0.0, "database": 0.0, "log": 0.0}
        self.ended: dict[int, list[tuple[float, int]]] = {}
        self.backlogs: list[int] = []

    # ------------------------------------------------------------ the run

    def run(self) -> Answer:
        for number, node in enumerate(self.nodes):
            self._at(self.load.tick_s * number / len(self.nodes), self._tick, None, node)
        if self.load.node_dies_s is not None:
            self._at(self.load.node_dies_s, self._die, None, self.nodes[0])
        if self.load.database_fails_s is not None:
            self._at(self.load.database_fails_s, self._fail)
        for second in range(1, self.load.seconds + 1):
            self._at(second - 1e-9, self._note)
        while self.events and self.events[0][0] < self.load.seconds:
            self.now, _, act, owner, life, given = heapq.heappop(self.events)
            if owner is None or owner.life == life:
                act(*given)
            if self.count > EVENTS_MAX:
                raise SystemExit("the model has too many events: ask for fewer seconds or less")
        return self._answer()

    def _at(
        self, when: float, act: Callable[..., None], node: _Node | None = None, *more: Any
    ) -> None:
        """Do it then, if the node has not died meanwhile."""
        self.count += 1
        given = more if node is None else (node, *more)
        life = 0 if node is None else node.life
        heapq.heappush(self.events, (when, self.count, act, node, life, given))

    def _work(self, node: _Node, micros: float, then: Callable[..., None], *more: Any) -> None:
        """Take a turn on the node's core."""
        begun = max(self.now, node.free_at)
        node.free_at = begun + micros / 1e6
        self.busy["node"] += micros / 1e6
        self._at(node.free_at, then, node, *more)

    # ------------------------------------------------------------ an execution's way

    def _tick(self, node: _Node) -> None:
        """Let in what came since the last tick."""
        self._at(self.now + self.load.tick_s, self._tick, None, node)
        fresh = self._arrivals(node)
        self.asked += fresh
        down = self.now < self.database_back
        if down and self.load.has_elsewhere:
            self.elsewhere += fresh
            return
        room = max(0, self.load.open_max - node.open)
        taken = 0 if down or not node.alive else min(room, fresh)
        self._turn_away(self.now, fresh - taken)
        self._admit(node, [(0, self.now, taken)])

    def _arrivals(self, node: _Node) -> int:
        """Return how many are sent to a node; to a dead one until that is noticed."""
        since = self.now - self.figures["notice_s"]
        sent = [one.alive or one.died_at > since for one in self.nodes]
        if any(sent) and not (node.alive or node.died_at > since):
            return 0
        surge = self.load.surge_from_s <= self.now < self.load.surge_to_s
        rate = self.load.rate * (self.load.surge if surge else 1.0)
        mean = rate * self.load.tick_s / (sum(sent) or len(sent))
        return max(0, round(self.random.gauss(mean, math.sqrt(mean))))

    def _turn_away(self, born: float, count: int) -> None:
        """Let clients wait: they ask any node that lives, after a while."""
        if not count:
            return
        self.waiting += count
        slot = math.ceil((self.now + self.figures["retry_s"]) / ASK_S)
        if slot not in self.asking:
            self.asking[slot] = Counter()
            self._at(slot * ASK_S, self._ask_again, None, slot)
        self.asking[slot][round(born / ASK_S) * ASK_S] += count

    def _ask_again(self, slot: int) -> None:
        asking = self.asking.pop(slot)
        self.waiting -= asking.total()
        down = self.now < self.database_back
        if down and self.load.has_elsewhere:
            self.elsewhere += asking.total()
            return
        alive = [] if down else [node for node in self.nodes if node.alive]
        rooms = [max(0, self.load.open_max - node.open) for node in alive]
        for node, share in zip(alive, _shared(asking, rooms), strict=True):
            self._admit(node, share)
        for born, count in asking.items():
            self._turn_away(born, count)

    def _admit(self, node: _Node, parts: Sequence[Part]) -> None:
        if sum(part[2] for part in parts):
            count = self._hold(node, parts)
            self._work(node, self.figures["start_us"] * count, self._ready, parts)

    def _hold(self, node: _Node, parts: Sequence[Part]) -> int:
        for stage, born, count in parts:
            node.held[stage, born] += count
        count = sum(part[2] for part in parts)
        node.open += count
        return count

    def _ready(self, node: _Node, parts: Sequence[Part]) -> None:
        node.pending += parts
        if not node.is_committing:
            self._commit(node)

    def _commit(self, node: _Node) -> None:
        """Begin the next commit with what has come meanwhile."""
        node.is_committing = True
        batch = _page(node.pending, ROWS_MAX)
        rows = sum(part[2] for part in batch)
        known = self.figures
        spread = self.random.lognormvariate(0.0, known["commit_sigma"])
        wait = (known["commit_wait_ms"] + known["row_wait_ms"] * rows) / 1e3 * spread
        self._at(self.now + wait, self._write, node, batch, rows)

    def _write(self, node: _Node, batch: list[Part], rows: int) -> None:
        """Take a core of the database, then the log, then wait for the standby."""
        if self.now < self.database_back:
            self._at(self.database_back, self._write, node, batch, rows)
            return
        known = self.figures
        cpu = (known["commit_cpu_ms"] + known["row_cpu_ms"] * rows) / 1e3
        log = known["wal_row_kb"] * rows / 1e3 / known["wal_mb_s"]
        done = max(self.now, self.cores[0]) + cpu
        heapq.heapreplace(self.cores, done)
        self.log_free_at = max(done, self.log_free_at) + log
        self.busy["database"] += cpu
        self.busy["log"] += log
        self.commits += 1
        self.rows += rows
        self._at(self.log_free_at + known["standby_ms"] / 1e3, self._committed, node, batch)

    def _committed(self, node: _Node, batch: list[Part]) -> None:
        node.is_committing = False
        called: list[Part] = []
        for stage, born, count in batch:
            self._let_go(node, stage, born, count)
            if stage == self.load.calls:
                ended = self.ended.setdefault(int(self.now), [])
                ended.append((self.now - born, count))
                node.open -= count
            else:
                node.held[stage + 1, born] += count
                called.append((stage + 1, born, count))
        if called:
            self._call(node, called)
        if node.pending:
            self._commit(node)

    def _let_go(self, node: _Node, stage: int, born: float, count: int) -> None:
        node.held[stage, born] -= count
        if node.held[stage, born] < 0:
            raise RuntimeError("the model is wrong: a node committed what it does not own")
        if not node.held[stage, born]:
            del node.held[stage, born]

    def _call(self, node: _Node, parts: Sequence[Part]) -> None:
        """Send calls: half a call's work is before the worker's, half is after it."""
        left = deque(parts)
        while page := _page(left, TURN):
            half = self.figures["call_us"] / 2 * sum(part[2] for part in page)
            self._work(node, half, self._called, page, half)

    def _called(self, node: _Node, parts: list[Part], half: float) -> None:
        spread = self.random.lognormvariate(0.0, WORKER_SIGMA)
        answer_at = self.now + self.figures["worker_ms"] / 1e3 * spread
        self._at(answer_at, self._work, node, half, self._ready, parts)

    # ------------------------------------------------------------ faults

    def _die(self, node: _Node) -> None:
        """Kill a node: what it had is free when its lease is over."""
        orphans = self._end(node)
        self.leased += orphans
        lease = self.figures["lease_s"]
        last_beat, look = lease / 3 * self.random.random(), self.random.random()
        free_at = self.now + lease - last_beat + look * self.figures["turn_s"]
        self._at(free_at, self._free, None, orphans)
        if self.load.node_is_replaced:
            self._at(self.now + self.figures["node_back_s"], self._come_back, node)

    def _end(self, node: _Node) -> Counter[tuple[int, float]]:
        """Return what a node had that is durable; who got no answer asks again."""
        node.alive, node.life, node.died_at = False, node.life + 1, self.now
        node.is_committing = False
        orphans = Counter({key: count for key, count in node.held.items() if key[0]})
        for (stage, born), count in node.held.items():
            if not stage:
                self._turn_away(born, count)
        node.held, node.open = Counter(), 0
        node.pending.clear()
        node.adopting.clear()
        return orphans

    def _free(self, orphans: Counter[tuple[int, float]]) -> None:
        self.leased -= orphans
        self.free += orphans
        self._claim()

    def _come_back(self, node: _Node) -> None:
        """Begin a new life. What others have meanwhile stays theirs until it ends."""
        node.alive, node.free_at, node.died_at = True, self.now, -math.inf
        self._claim()

    def _claim(self) -> None:
        """Share what is free among those that live, and let them adopt it page by page."""
        alive = [node for node in self.nodes if node.alive]
        if not alive or not self.free:
            return
        for turn, ((stage, born), count) in enumerate(sorted(self.free.items())):
            for place, node in enumerate(alive):
                share = (count + (place + turn) % len(alive)) // len(alive)
                if share:
                    node.adopting.append((stage, born, share))
        self.adopted += self.free.total()
        self.free = Counter()
        for node in alive:
            if node.adopting:
                self._hold(node, node.adopting)
                self._adopt(node)

    def _adopt(self, node: _Node) -> None:
        if page := _page(node.adopting, PAGE):
            micros = self.figures["load_us"] * sum(part[2] for part in page)
            self._work(node, micros, self._adopted, page)

    def _adopted(self, node: _Node, page: list[Part]) -> None:
        self._call(node, page)  # a call that was under way is made again
        self._adopt(node)

    def _fail(self) -> None:
        """Take the database away; when that is longer than the lease, every node has to go."""
        outage = self.figures["failover_s"]
        self.database_back = self.now + outage
        if outage > self.figures["lease_s"]:
            self._at(self.database_back, self._restart)

    def _restart(self) -> None:
        restart = self.figures["restart_s"]
        self.database_back = self.now + restart
        for node in self.nodes:
            self.free += self._end(node)
            self._at(self.now + restart, self._come_back, node)

    # ------------------------------------------------------------ the answer

    def _open(self) -> int:
        own = sum(node.held.total() for node in self.nodes)
        return own + self.leased.total() + self.free.total()

    def _note(self) -> None:
        self.backlogs.append(self._open() + self.waiting)

    def _answer(self) -> Answer:
        every = [one for ended in self.ended.values() for one in ended]
        seconds, load = [], self.load
        for second, backlog in enumerate(self.backlogs):
            ended = self.ended.get(second, [])
            p50, p99 = percentiles(ended)
            total = sum(count for _, count in ended)
            seconds.append(
                Second(second=second, ended=total, backlog=backlog, p50_ms=p50, p99_ms=p99)
            )
        p50, p99 = percentiles(every)
        return Answer(
            asked=self.asked,
            ended=sum(count for _, count in every),
            open=self._open(),
            waiting=self.waiting,
            elsewhere=self.elsewhere,
            adopted=self.adopted,
            p50_ms=p50,
            p99_ms=p99,
            worst_ms=max((latency * 1e3 for latency, _ in every), default=None),
            rows_mean=self.rows / max(1, self.commits),
            node_busy=self.busy["node"] / load.nodes / load.seconds,
            database_busy=self.busy["database"] / load.cores / load.seconds,
            log_busy=self.busy["log"] / load.seconds,
            seconds=seconds,
            events=self.count,
        )


def _shared(asking: Counter[float], rooms: Sequence[int]) -> list[list[Part]]:
    """Take from *asking* what there is room for, the same share for each node."""
    shares: list[list[Part]] = [[] for _ in rooms]
    left = list(rooms)
    for born, count in sorted(asking.items()):
        for place, room in enumerate(left):
            part = min(room, -(-count // (len(left) - place)))
            if part:
                shares[place].append((0, born, part))
                left[place] -= part
                count -= part
        asking[born] = count
    return shares


def _page(left: deque[Part], size: int) -> list[Part]:
    """Take parts of at most *size* executions in all off the front of *left*."""
    page: list[Part] = []
    while left and size:
        stage, born, count = left.popleft()
        page.append((stage, born, min(count, size)))
        if count > size:
            left.appendleft((stage, born, count - size))
        size -= page[-1][2]
    return page
