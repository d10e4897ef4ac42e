"""Streams of history entries as server-sent events."""

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from functools import lru_cache

import orjson

from goflow_py.api.auth import Caller
from goflow_py.api.bodies import StreamQuery
from goflow_py.api.cursors import seal, unseal
from goflow_py.api.door import DRAIN_RETRY_AFTER_SECONDS, Door
from goflow_py.api.executions import EXECUTION, READ
from goflow_py.api.headers import once
from goflow_py.api.op import Call, nothing, op
from goflow_py.api.replies import SAFE_HEADERS, Flow, Reply, lines
from goflow_py.engine.feed import Item, Part, Place, Which
from goflow_py.engine.streams import Chapter, Source
from goflow_py.errors import GoFlowError, MalformedRequest

log = logging.getLogger(__name__)

MEDIA_TYPE = "text/event-stream"
HEARTBEAT_SECONDS = 15.0
PIECE_BYTES = 64 * 1024
"""Written at once; then its reader has to have read enough of it."""
SEQ_DIGITS_MAX = 18
CURSORS_KEPT_MAX = 4_096
"""Many streams tell the same places: each is sealed once."""
NONCE_BYTES = 8

Events = list[bytes]
"""What is told at once."""

_sealed = lru_cache(CURSORS_KEPT_MAX)(seal)
_HEAD = lines({**SAFE_HEADERS, "Content-Type": MEDIA_TYPE, "X-Accel-Buffering": "no"})
_HEARTBEAT = b": heartbeat\n"
_RETRY = f"retry: {DRAIN_RETRY_AFTER_SECONDS * 1000}\n\n".encode()
_RESUME = {"Last-Event-ID": "The id of the last event that came: what follows it comes."}


@op(
    "GET",
    f"{EXECUTION}/stream",
    READ,
    answers={200: MEDIA_TYPE, 204: None},
    errors=(404,),
    headers=_RESUME,
    new_work=True,
)
async def stream_of_one(call: Call) -> Reply:
    """Stream the history of an execution as it is committed, until it has ended.

    204: it has ended, and the entry of ``Last-Event-ID`` was the last one.
    """
    door, project = call.door, call.caller.project
    execution = await door.orchestrator.tracking.get(call.path("id").lower(), project=project)
    after = _seq(once(call.request, "Last-Event-ID"))
    if execution.ended and after == execution.seq:
        return nothing()
    story = door.orchestrator.streams.story(execution.id, project=project, after=after)

    async def events() -> AsyncIterator[Events]:
        is_open = True
        while is_open:
            chapter = await story.next(HEARTBEAT_SECONDS)
            yield _told(chapter)
            is_open = chapter.ended is None

    return _flow(call, story, events())


@op(
    "GET",
    "/v1/stream",
    READ,
    query=StreamQuery,
    answers={200: MEDIA_TYPE},
    headers=_RESUME,
    new_work=True,
)
async def stream(call: Call) -> Reply:
    """Stream the entries of all executions in the order of their commits, from now on."""
    engine, mine = call.door.orchestrator, call.caller.project
    query = call.query(StreamQuery)
    projects = [one for one in (mine, query.project) if one is not None]
    which = Which(
        # Of two that differ there is nothing, as of a project that nobody has.
        projects=frozenset(projects if len({*projects}) == 1 else ()) if projects else None,
        activity=query.activity,
        statuses=frozenset(str(one) for one in query.status),
        key=query.key,
    )
    key, last = engine.caller.token_key, once(call.request, "Last-Event-ID")
    tail = await engine.streams.feed.follow(which, _place(key, mine, last))

    def behind(item: Item) -> str:
        return _sealed(key, mine, str(item.place))

    def here(place: Place) -> str:
        # Another text each time: one that stays or changes would tell whether others did something.
        return seal(key, mine, f"{place} {call.door.clock.token_bytes(NONCE_BYTES).hex()}")

    async def events() -> AsyncIterator[Events]:
        if tail.is_lost is None:
            # At once, so that who loses the connection before the first event can go on from here.
            yield [_named(here(tail.place), b"")]
        while True:
            yield _handed_on(await tail.next(HEARTBEAT_SECONDS), behind, here)

    return _flow(call, tail, events())


# ---------------------------------------------------------------- what is read of the caller


def _seq(text: str | None) -> int:
    if text is None:
        return -1
    if not (text.isascii() and text.isdigit() and len(text) <= SEQ_DIGITS_MAX):
        raise MalformedRequest(
            "the Last-Event-ID of this stream is the seq of an entry", code="bad_header"
        )
    return int(text)


def _place(key: bytes, project: str | None, cursor: str | None) -> str | None:
    """Return the place of a cursor; the empty text, which is none, for one of others."""
    if cursor is None:
        return None
    try:
        return unseal(key, project, cursor)
    except MalformedRequest:
        return ""


# ---------------------------------------------------------------- what is written


def _told(chapter: Chapter) -> Events:
    """Return the events of a chapter."""
    if chapter.reset:
        return [_event("reset", {"reason": "unknown_seq"})]
    if chapter.ended is not None:
        return [_event("end", {"status": chapter.ended})]
    found = [_named(str(seq), b"data: " + data + b"\n") for seq, data in chapter.items]
    return found or [_HEARTBEAT + b"\n"]


def _handed_on(part: Part, behind: Callable[[Item], str], here: Callable[[Place], str]) -> Events:
    """Return the events of a part; without any, how far it has come."""
    if part.reset is not None:
        reset = _event("reset", {"reason": part.reset})
        return [b"id: " + here(part.place).encode() + b"\n" + reset]
    found = [_named(behind(item), b"data: " + item.data + b"\n") for item in part.items]
    return found or [_HEARTBEAT + _named(here(part.place), b"")]


def _event(name: str, value: dict[str, str]) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + orjson.dumps(value) + b"\n\n"


def _named(number: str, fields: bytes) -> bytes:
    return b"id: " + number.encode() + b"\n" + fields + b"\n"


# ---------------------------------------------------------------- the connection


def _flow(call: Call, source: Source, events: AsyncIterator[Events]) -> Reply:
    streams = call.door.orchestrator.streams
    try:
        streams.enter(source, call.caller.project)
    except GoFlowError:
        source.close()
        raise
    return Flow(
        head=_HEAD,
        pieces=_pieces(call.door, call.caller, events),
        wake=source.wake,
        close=lambda: streams.leave(source),
    )


async def _pieces(
    door: Door, caller: Caller, events: AsyncIterator[Events]
) -> AsyncGenerator[bytes]:
    """Return events in pieces that are worth a write, until the stream has to end."""
    streams = door.orchestrator.streams
    try:
        async for told in events:
            piece = b""
            for event in told:
                piece += event
                if len(piece) >= PIECE_BYTES:
                    yield piece
                    piece = b""
            if piece:
                yield piece
            if not door.access.holds(caller):
                return
            if streams.is_over:
                yield _RETRY
                return
    except GoFlowError as error:
        log.info("a stream ended before its time", extra={"code": error.code})
        yield _RETRY
