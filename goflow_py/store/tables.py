"""The memory store's tables, and the commit on them: plain dicts, no waiting, no I/O."""

import base64
from collections import Counter
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from goflow_py.ports import (
    COMMITS_BYTES_MAX,
    SHARDS,
    BlueprintRow,
    CommitPage,
    CommitRow,
    Committed,
    Fenced,
    HeadRow,
    Hint,
    KeyRow,
    LimitsRow,
    Message,
    Name,
    Poisonous,
    RecordRow,
    Taken,
    Upload,
    UsageRow,
    Verdict,
    Write,
)
from goflow_py.store import rules
from goflow_py.store.bell import Bell
from goflow_py.store.waiting import Batches, Early, Tasks

NameKey = tuple[str, str, str, str]
Activity = tuple[str, str]


@dataclass(slots=True)
class Shard:
    """A shard's owner, and how often it had one."""

    owner: str | None = None
    epoch: int = 0


@dataclass(slots=True)
class Stored:
    """An execution; *number* rises in the order of the starts."""

    number: int
    head: HeadRow
    records: list[RecordRow]
    numbers: list[int] = field(default_factory=list)
    """Of its records, in the order of commits."""


@dataclass(slots=True)
class Tables:
    """Everything that is stored. Several nodes in one process can share it, as in a database."""

    leases: dict[str, int] = field(default_factory=dict)
    """Node to the end of its lease."""
    joined: dict[str, int] = field(default_factory=dict)
    """Node to its start."""
    shards: dict[int, Shard] = field(default_factory=lambda: {n: Shard() for n in range(SHARDS)})
    executions: dict[str, Stored] = field(default_factory=dict)
    names: dict[NameKey, Name] = field(default_factory=dict)
    inbox: dict[int, Message] = field(default_factory=dict)
    blueprints: dict[Activity, dict[int, BlueprintRow]] = field(default_factory=dict)
    given: dict[Activity, int] = field(default_factory=dict)
    """The highest version ever given: a deleted one's number is not used again."""
    workers: dict[Activity, bytes] = field(default_factory=dict)
    endpoints: dict[str, str] = field(default_factory=dict)
    keys: dict[str, KeyRow] = field(default_factory=dict)
    limits: dict[str, LimitsRow] = field(default_factory=dict)
    tasks: Tasks = field(default_factory=Tasks)
    batches: Batches = field(default_factory=Batches)
    early: Early = field(default_factory=Early)
    order: dict[int, CommitRow] = field(default_factory=dict)
    """Every record by its number in the order of commits."""
    forgotten: dict[str, int] = field(default_factory=dict)
    """Of each project the number of the newest record that was deleted."""
    committed: int = 0
    started: int = 0
    delivered: int = 0
    bells: list[Bell] = field(default_factory=list)

    def commit(self, node: str, writes: Sequence[Write]) -> list[Verdict]:
        """Write what stands, one verdict each.

        Names are freed behind the last write, so that no order within a batch frees one early.
        """
        verdicts = [self._write(node, write) for write in writes]
        for write, verdict in zip(writes, verdicts, strict=True):
            if isinstance(verdict, Committed):
                for member in (write, *write.family):
                    self._free(member)
        return verdicts

    def ring(self, about: Hint) -> None:
        """Tell every node that there may be something for it."""
        for bell in self.bells:
            bell.ring(about)

    def take(self, name: Name) -> Name | None:
        """Enter *name*; return who has it already."""
        winner = self.names.get(name_key(name))
        if winner is None:
            self.names[name_key(name)] = name
        return winner

    def delete(self, executions: Set[str]) -> int:
        """Remove executions and what belongs to them, but for names that expire; how many."""
        gone = {one for one in executions if one in self.executions}
        for one in gone:
            self._forget(self.executions.pop(one))
        for key, name in [*self.names.items()] if gone else ():
            if name.execution not in gone:
                continue
            if name.expires is None:
                del self.names[key]
            else:
                self.names[key] = replace(name, execution="")
        for number in [n for n, message in self.inbox.items() if message.execution in gone]:
            del self.inbox[number]
        self.tasks.delete(gone)
        return len(gone)

    def _forget(self, stored: Stored) -> None:
        """Take an execution's records out of the order of commits."""
        project = stored.head.project
        self.forgotten[project] = max([*stored.numbers, self.forgotten.get(project, 0)])
        for number in stored.numbers:
            del self.order[number]

    def commits(self, after: int, limit: int) -> CommitPage:
        """Return what the next numbers behind *after* are of."""
        until = max(after, min(after + limit, self.committed))
        found = [self.order[n] for n in range(after + 1, until + 1) if n in self.order]
        fitting = rules.fitting((len(row.record.entries) for row in found), COMMITS_BYTES_MAX)
        if fitting < len(found):
            until = found[fitting - 1].n
        return CommitPage(
            items=found[:fitting],
            until=until,
            forgotten={one: n for one, n in self.forgotten.items() if n > after},
        )

    def upload(self, upload: Upload) -> BlueprintRow | Taken:
        """Store what is new of a blueprint and its workers; return the version that holds now."""
        place = (upload.project, upload.activity)
        versions = self.blueprints.get(place, {})
        row = versions.get(max(versions, default=0))
        if upload.digest is None and row is None:
            raise rules.no_blueprint(upload)
        winner = self.take(upload.name) if upload.name is not None else None
        if winner is not None:
            return Taken(name=winner)
        if upload.digest is not None and (row is None or row.digest != upload.digest):
            self.given[place] = self.given.get(place, 0) + 1
            row = rules.new_version(upload, self.given[place])
            self.blueprints.setdefault(place, {})[row.version] = row
        if upload.workers is not None:
            self.workers[place] = upload.workers
        assert row is not None
        return row

    def usage(self) -> list[UsageRow]:
        """Return what every project has, by name."""
        projects = {project for project, _ in self.blueprints} | set(self.limits)
        running, stored = dict.fromkeys(projects, 0), dict.fromkeys(projects, 0)
        for one in self.executions.values():
            project = one.head.project
            running[project] = running.get(project, 0) + (one.head.status not in rules.ENDED)
            size = len(one.head.body) + sum(len(record.entries) for record in one.records)
            stored[project] = stored.get(project, 0) + size
        for project, size in self._sizes():
            running.setdefault(project, 0)
            stored[project] = stored.get(project, 0) + size
        return [
            UsageRow(project=project, running=running[project], stored_bytes=stored[project])
            for project in sorted(running)
        ]

    def _sizes(self) -> Iterator[tuple[str, int]]:
        """Return the projects and bytes of what is stored beside executions."""
        for (project, _), versions in self.blueprints.items():
            for row in versions.values():
                yield project, len(row.body) + len(row.findings)
        for (project, _), body in self.workers.items():
            yield project, len(body)
        for event in self.early.rows.values():
            yield event.project, len(event.body)

    def stats(self) -> dict[str, Any]:
        """Return sizes and counts for operators."""
        heads = [stored.head for stored in self.executions.values()]
        return {
            "executions": dict(Counter(str(head.status) for head in heads)),
            "inbox": len(self.inbox),
            "tasks": self.tasks.counts(),
            "batches": len(self.batches.open()),
            "bytes": sum(len(head.body) for head in heads),
        }

    def dump(self) -> bytes:
        """Return everything as JSON, bytes in base64."""
        everything = {
            "executions": [one.head for one in self.executions.values()],
            "history": [record for one in self.executions.values() for record in one.records],
            "names": list(self.names.values()),
            "inbox": list(self.inbox.values()),
            "blueprints": [row for rows in self.blueprints.values() for row in rows.values()],
            "workers": [[*place, body] for place, body in self.workers.items()],
            "endpoints": self.endpoints,
            "keys": list(self.keys.values()),
            "limits": list(self.limits.values()),
            "tasks": list(self.tasks),
            "batches": list(self.batches.rows.values()),
            "early": list(self.early.rows.values()),
        }
        return orjson.dumps(everything, default=lambda body: base64.b64encode(body).decode())

    def _write(self, node: str, write: Write) -> Verdict:
        members = (write, *write.family)
        reason = rules.flaw(write) or next(filter(None, map(rules.unfit, members)), None)
        if reason is not None:
            return Poisonous(message=reason)
        own: dict[NameKey, Name] = {}
        for member in members:
            refusal = self._refusal(node, member, own)
            if refusal is not None:
                return refusal
        for member in members:
            self._apply(member)
        return Committed()

    def _apply(self, write: Write) -> None:
        head = write.head
        if write.start:
            self.started += 1
            self.executions[head.id] = Stored(self.started, head, [])
        stored = self.executions[head.id]
        stored.head = replace(head, labels=dict(head.labels), parent=stored.head.parent)
        for record in write.records:
            self._record(stored, replace(record, epoch=write.epoch))
        for name in write.names:
            self.names[name_key(name)] = name
        for number in write.inbox:
            if number in self.inbox and self.inbox[number].execution == head.id:
                del self.inbox[number]
        if write.queue is not None:
            self.tasks.put(head.id, write.queue)

    def _record(self, stored: Stored, record: RecordRow) -> None:
        self.committed += 1
        stored.records.append(record)
        stored.numbers.append(self.committed)
        head = stored.head
        self.order[self.committed] = CommitRow(
            n=self.committed,
            project=head.project,
            activity=head.activity,
            key=head.key,
            status=head.status,
            record=record,
        )

    def _refusal(
        self, node: str, write: Write, own: dict[NameKey, Name]
    ) -> Fenced | Taken | Poisonous | None:
        """Say why *write* cannot be; *own*: the names of its family, to which its own are added."""
        shard = self.shards[write.head.shard]
        if (shard.owner, shard.epoch) != (node, write.epoch):
            return Fenced()
        stored = self.executions.get(write.head.id)
        before = write.records[0].first_seq - 1
        if not write.start and (stored is None or stored.head.seq != before):
            return Fenced()
        for name in write.names:
            key = name_key(name)
            winner = self.names.get(key) or own.get(key)
            if winner is not None:
                return Taken(name=winner)
            own[key] = name
        if write.start and stored is not None:
            return Taken(
                name=rules.same_id(write.head.id, stored.head.project, stored.head.activity)
            )
        if write.start and before != -1:
            return Fenced()
        return self._gone(stored, write.head)

    def _gone(self, stored: Stored | None, head: HeadRow) -> Poisonous | None:
        """Refuse to pin an execution to a version that was deleted."""
        place = (head.project, head.activity)
        if stored is not None and stored.head.version == head.version:
            return None
        if head.version > self.given.get(place, 0):
            return None
        is_there = head.version in self.blueprints.get(place, {})
        return None if is_there else rules.deleted(*place, head.version)

    def _free(self, write: Write) -> None:
        for name in write.freed:
            found = self.names.get(name_key(name))
            if found is not None and found.execution == write.head.id:
                del self.names[name_key(name)]


def name_key(name: Name) -> NameKey:
    """Return what makes a name one."""
    return name.project, name.kind, name.scope, name.name
