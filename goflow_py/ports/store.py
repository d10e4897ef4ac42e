"""The port to durable memory."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Protocol

from goflow_py.ports.nodes import Hint, Message, NodeRow, Survey
from goflow_py.ports.rows import (
    BatchRow,
    BlueprintRow,
    CommitPage,
    EarlyRow,
    Fenced,
    Figures,
    FiguresFilter,
    Filter,
    KeyRow,
    LimitsRow,
    Name,
    OpenRow,
    Page,
    QueueRow,
    RecordRow,
    Taken,
    TaskFilter,
    Upload,
    UsageRow,
    Verdict,
    Write,
)


class Store(Protocol):
    """Durable memory. One transaction a method; a return means that it is on disk.

    Raises ``errors.Unavailable`` when nothing can be written now (disk full, busy); nothing of
    the call is then in the store. ``errors.StartRefused`` from ``open`` only.

    Leases are by the *now* of their calls, or by a clock of the store's own that all nodes share.
    """

    async def open(self, *, node: str, now: int, ttl_ms: int) -> None:
        """Migrate, and register the node's incarnation.

        Refuses a newer schema, data that was moved, and a second server where none may share it.
        """

    async def close(self) -> None:
        """Release the shards, and every file and thread. Safe to call twice."""

    # ownership
    async def heartbeat(self, *, now: int) -> bool:
        """Renew the lease; False means dead for ever: an expired lease is never renewed."""

    async def claim(self, *, limit: int, now: int) -> dict[int, int]:
        """Own up to *limit* free or expired shards: ``{shard: epoch}``, each epoch one higher."""

    async def release(self, shards: Sequence[int]) -> None:
        """Give shards up; the next owner gets a higher epoch. Queues a hint."""

    async def nodes(self, *, now: int) -> list[NodeRow]:
        """Return the nodes whose lease holds, oldest first."""

    async def survey(self, *, now: int, limit: int) -> Survey:
        """Return the nodes, oldest first, and what each has to do; for people, not once a second.

        When more than *limit* executions run, no node's are counted.
        """

    # executions
    async def commit(self, writes: Sequence[Write]) -> list[Verdict]:
        """Write all, in order, in one transaction, and make it durable; one verdict a write.

        The only write path of an execution. A write whose (shard, epoch) this node does not own,
        or whose ``first_seq`` is not the stored seq + 1, is ``Fenced``; one that loses a name is
        ``Taken``; neither leaves anything. ``key`` names freed in a batch can be taken in the next.
        ``Poisonous``: one that pins a version which was deleted, also while it was under way.

        A write and its ``family`` are one: all of them are written, or nothing of any. They get one
        verdict, that of the first to be refused, the write itself before its family. Each has its
        own shard and epoch; a name that one takes is taken for the others. ``Poisonous``: also a
        family with two writes of one execution, or with a family inside.
        """

    async def head(self, execution: str) -> bytes | None:
        """Return the head's body; None when there is none. Sees every commit that returned."""

    async def heads(self, executions: Sequence[str]) -> list[bytes | None]:
        """Return several heads, in the order asked."""

    async def history(
        self, execution: str, *, after: int, limit: int, bytes_max: int | None = None
    ) -> list[RecordRow]:
        """Return the records that end behind seq *after*, oldest first, at most *limit*.

        Fewer when they are long: the last one is that with which they have *bytes_max*, or
        ``PAGE_BYTES_MAX``. Only an empty list says that none is left.
        """

    async def history_back(
        self, execution: str, *, before: int, limit: int, bytes_max: int | None = None
    ) -> list[RecordRow]:
        """Return the records that begin in front of seq *before*, newest first, at most *limit*.

        As long as those of ``history``. The first one is found by its place, not by reading what
        is behind it: the end of a history costs the same however long it is.
        """

    async def newest_commit(self) -> tuple[str, int]:
        """Return the name of the order of commits, and the number of its newest record.

        The name is another one once numbers may be given again: behind the restore of a backup.
        """

    async def commits(self, *, after: int, limit: int) -> CommitPage:
        """Return the records behind the number *after* in the order of their commits.

        At most *limit*; fewer when they are long (``COMMITS_BYTES_MAX``): a page whose ``until`` is
        *after* says that there are no more. Sees every commit that returned, and whole commits.
        """

    async def live(self, shards: Sequence[int], *, after: str, limit: int) -> list[bytes]:
        """Return the heads with status ``running`` and an id above *after*, by id."""

    async def due(
        self, shards: Sequence[int], *, until: int, limit: int, after: tuple[int, str] = (0, "")
    ) -> list[tuple[int, str, str]]:
        """Return (wake, id, project) of what wakes at or before *until*, earliest first.

        *after* is the wake and the id of the last one of the page before. When that one is deleted
        meanwhile, its moment comes from the beginning.
        """

    async def open_rows(self, status: str, *, after: str, limit: int) -> list[OpenRow]:
        """Return executions of ``running``, ``waiting`` or ``paused``, those behind a *place*.

        The first page is *after* the empty text. The order is the store's own, and stable.
        """

    async def wrong_tallies(self) -> list[tuple[str, int, int]]:
        """Return (status, kept, found) where a kept count is wrong; the status "" means all."""

    async def counts(self, project: str, activity: str) -> dict[int, dict[str, int]]:
        """Return ``{version: {status: count}}``."""

    async def figures(self, which: FiguresFilter) -> Figures:
        """Count what began and what ended, among the newest ``which.rows`` executions and no more.

        A percentile is the value at its place in the order (nearest rank), so one that was there.
        """

    async def newest(
        self, project: str, activity: str, version: int, *, since: int, rows: int, limit: int
    ) -> list[str]:
        """Return ids of executions of a version that began at or behind *since*, newest first.

        At most *limit*; looks at the newest *rows* executions of the activity and no more.
        """

    async def delete(self, execution: str, *, seq: int | None = None) -> bool:
        """Remove an execution, its history, inbox, queued work and names; False: there is none.

        Also when it is not at *seq*: another node may have opened it again. A name with ``expires``
        stays for ``sweep``, with an empty ``execution``.
        """

    async def purge(self, *, before: int, limit: int) -> int:
        """Delete ended executions with ``purge_at`` below *before*, earliest first; how many.

        At most *limit*, and fewer when their histories are long: 0 means that none is left. What
        is opened again meanwhile stays, whoever asks: nothing else is needed to fence it.
        """

    # queued work
    async def ready(
        self, queues: Sequence[str], *, project: str | None, now: int, limit: int
    ) -> list[QueueRow]:
        """Return what pull workers can take now: queued in these queues and due, oldest first.

        Rows of the same ``since`` come by execution and task. Taking one is a ``commit`` of its
        execution whose ``queue`` says ``claimed``.
        """

    async def next_due(self, queues: Sequence[str], *, project: str | None, now: int) -> int | None:
        """Return when the next queued row for pull workers becomes due, behind *now*; None: none.

        A row that is queued later may come first.
        """

    async def tasks(self, which: TaskFilter, *, limit: int, cursor: str | None) -> Page:
        """Return ``QueueRow`` s, pull and human, oldest first, stable while others come and go.

        Raises ``MalformedRequest`` for a cursor that is none.
        """

    # batches
    async def put_batch(self, batch: BatchRow, *, before: BatchRow | None = None) -> bool:
        """Store a new batch; or what became of it, in place of the row *before*.

        False: there is one already, or another row than *before*, and that stays. Another node has
        the batch then.
        """

    async def batch(self, batch: str) -> BatchRow | None:
        """Return a batch."""

    async def batches(self, *, project: str | None, limit: int, cursor: str | None) -> Page:
        """Return batches, newest first; with a *project*, its own only."""

    async def open_batches(self) -> list[BatchRow]:
        """Return every ``running`` batch, oldest first."""

    async def sweep_batches(self, *, before: int, limit: int) -> int:
        """Delete batches that ended and were last updated before a time; return how many."""

    # early events
    async def put_early(self, row: EarlyRow) -> bool:
        """Keep an event for later; False when its id is there for this project, activity and key.

        ``number`` is given by the store, whatever *row* says.
        """

    async def early_keys(self, *, now: int) -> list[tuple[str, str]]:
        """Return every (project, key) that has events which expire behind *now*."""

    async def early(self, project: str, key: str, *, now: int, limit: int) -> list[EarlyRow]:
        """Return events that expire behind *now*, in the order of their arrival."""

    async def count_early(self, project: str, key: str) -> int:
        """Return how many events are kept, the expired ones that no sweep took yet included."""

    async def delete_early(self, numbers: Sequence[int]) -> None:
        """Forget events that were applied; what is gone already does not matter.

        Nor does who asks: the step that applied one was fenced, and a number is never given again.
        """

    async def sweep_early(self, *, before: int, limit: int) -> int:
        """Delete events that expired before a time, earliest first; return how many."""

    # inbox
    async def deliver(self, messages: Sequence[Message]) -> list[bool]:
        """Add to the inbox; False for one whose (execution, kind, dedupe) is there already.

        Queues a hint.
        """

    async def drain(self, shards: Sequence[int], *, limit: int, after: int = 0) -> list[Message]:
        """Return inbox messages of these shards behind the number *after*, oldest first.

        ``commit`` deletes them.
        """

    async def settle(
        self, message: Message, answer: Name | None, *, epoch: int | None
    ) -> Name | Fenced | None:
        """Delete a message that changes nothing (any more), and take the name of its answer.

        If another has that name, it is returned, and nothing is done: whoever asked waits no more.
        It does not matter whether the message is there. ``Fenced``, and nothing is done: this node
        does not own the shard in this *epoch* any more, so what it would say is old. Without an
        *epoch* it is of a step that was committed, and true whoever has the shard. Queues a hint.
        """

    def hints(self, about: Hint = Hint.ANYTHING) -> AsyncIterator[None]:
        """Yield at once, and then when there may be something of that kind, until ``close``.

        Many hints before a look are one. Polling is the truth: a hint may come late, or never, and
        a store need give none of what other nodes commit.
        """

    # names
    async def name(self, project: str, kind: str, scope: str, name: str) -> Name | None:
        """Return who has a name."""

    async def names(
        self, project: str, kind: str, scope: str, *, after: str, limit: int
    ) -> list[Name]:
        """Return the names of a kind and a scope behind the text *after*, in order."""

    async def scopes(self, kind: str) -> list[tuple[str, str]]:
        """Return every (project, activity) with a blueprint that is the scope of such names."""

    async def put_name(self, name: Name) -> Name | None:
        """Take a name that belongs to no execution; the one who has it already, else None."""

    async def sweep(self, *, before: int, limit: int) -> int:
        """Delete expired names that no execution has; return how many."""

    # blueprints
    async def upload(self, upload: Upload) -> BlueprintRow | Taken:
        """Store a new version, unless the latest one has the same digest; replace the workers."""

    async def blueprint(
        self, project: str, activity: str, version: int | None
    ) -> BlueprintRow | None:
        """Return a version; None asks for the latest."""

    async def blueprints(self, *, project: str | None, limit: int, cursor: str | None) -> Page:
        """Return the latest version of each blueprint, by name."""

    async def versions(self, project: str, activity: str) -> list[BlueprintRow]:
        """Return all versions, newest first."""

    async def delete_version(self, project: str, activity: str, version: int) -> bool:
        """Remove a version that no execution is pinned to (Conflict); False when there is none.

        From then on no ``commit`` pins one to it, of whichever node.
        """

    async def workers(self, project: str, activity: str) -> bytes | None:
        """Return the workers document."""

    async def all_workers(self) -> list[tuple[str, str, bytes]]:
        """Return every (project, activity, workers document)."""

    # settings
    async def put_endpoint(self, alias: str, url: str) -> None:
        """Point an alias to a URL."""

    async def delete_endpoint(self, alias: str) -> bool:
        """Forget an alias; False when there is none."""

    async def endpoints(self) -> dict[str, str]:
        """Return every alias."""

    async def put_key(self, key: KeyRow) -> None:
        """Store an API key."""

    async def delete_key(self, key: str) -> bool:
        """Revoke an API key; False when there is none."""

    async def keys(self) -> list[KeyRow]:
        """Return all API keys."""

    # limits
    async def put_limits(self, row: LimitsRow) -> None:
        """Set the limits of a project; they replace those that there are."""

    async def delete_limits(self, project: str) -> bool:
        """Forget the limits of a project; False when it has none."""

    async def limits(self) -> list[LimitsRow]:
        """Return the limits of every project that has any, by name."""

    async def usage(self, project: str | None = None) -> list[UsageRow]:
        """Return what every project has, or one, by name.

        A project is one that has a blueprint, an execution or limits.
        """

    # operations
    async def ping(self) -> None:
        """Write and sync something, or raise ``Unavailable``."""

    async def stats(self) -> Mapping[str, Any]:
        """Return sizes and counts for operators: executions by status, bytes, schema version.

        ``tasks`` counts queued work by status, ``batches`` those that run.
        """

    async def backup(self, path: str) -> None:
        """Write a consistent copy of everything to a new file while work goes on: a data file."""

    # Last, because below it ``list`` no longer means the type.
    async def list(self, which: Filter, *, limit: int, cursor: str | None) -> Page:
        """Return head bodies, newest first, stable under inserts.

        Fewer than *limit* when they are long (``PAGE_BYTES_MAX``), with a cursor if there are more.

        Raises ``MalformedRequest`` for a cursor that is none.
        """
