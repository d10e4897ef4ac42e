"""Following one execution: what a chapter holds, and what a reader costs."""

import orjson
import pytest

from goflow_py.domain.execution import Execution
from goflow_py.engine import streams
from tests.unit.engine.conftest import Engine

WAIT = {
    "states": [{"name": "a", "on": {"again": "a"}}],
    "actions": [{"name": "a", "type": "wait", "event": "again"}],
    "transitions": [{"current": "init", "event": "start", "next": "a"}],
}


async def test_a_chapter_has_so_many_bytes_and_all_of_a_history_comes(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader who reads nothing keeps its chapter in memory: it must not be a whole history."""
    monkeypatch.setattr(streams, "CHAPTER_BYTES_MAX", 2_000)
    await engine.upload(WAIT, [])
    execution = await engine.start()
    for number in range(20):
        await engine.send(execution, "again", {"n": number, "text": "x" * 500})
    story = engine.it.streams.story(execution.id, project=None, after=-1)
    told, chapters = [], 0
    while items := (await story.next(0)).items if chapters < 100 else ():
        chapters += 1
        assert sum(len(data) for _, data in items) < 2_000 + 2 * 1_000
        told += [orjson.loads(data) for _, data in items]
        if items[-1][0] == (await engine.read(execution)).seq:
            break
    story.close()
    assert told == await engine.entries(execution)
    assert chapters > 5


async def test_what_is_committed_and_not_known_yet_is_told_once(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record is on disk a moment before its execution is seen to have it."""
    await engine.upload(WAIT, [])
    execution = await engine.start()
    before = await engine.read(execution)
    await engine.send(execution, "again")
    heads = [before, before]
    read = engine.it.tracking.get

    async def get(one: str, *, project: str | None = None) -> Execution:
        return heads.pop() if heads else await read(one, project=project)

    monkeypatch.setattr(engine.it.tracking, "get", get)
    story = engine.it.streams.story(execution.id, project=None, after=-1)
    chapters: list[streams.Chapter] = []
    while len(chapters) < 3:
        story.wake()  # what was committed rings when it is known
        chapters.append(await story.next(0))
    story.close()
    assert not any(chapter.reset for chapter in chapters)
    told = [orjson.loads(data) for chapter in chapters for _, data in chapter.items]
    assert told == await engine.entries(execution)
