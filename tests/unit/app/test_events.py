"""The Event budget of an execution: bursts are cut, time refills it, and the end is always told."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import Mock

import pytest

from cairn.app import events
from cairn.app.events import EventWriter
from cairn.core.actions import Note
from cairn.core.manifests import Identity
from cairn.core.notes import listed, progress
from cairn.errors import Refused

NOW = datetime(2026, 1, 31, 8, tzinfo=UTC)
WHO = Identity("ns", "x", "uid")
LAUNCHED = Note("Launched", "launched job a")
FAILED = Note("JobFailed", "job a failed", warning=True)
SUCCEEDED = Note("Succeeded", "3 of 3 jobs completed")


class Written:
    """A cluster that keeps Events, and may refuse one."""

    def __init__(self) -> None:
        self.events: list[dict[str, object]] = []
        self.refuse = False

    async def post_event(self, event: dict[str, object]) -> None:
        if self.refuse:
            self.refuse = False
            raise Refused("not allowed", status=403)
        self.events.append(event)


class Bench:
    def __init__(self) -> None:
        self.now = NOW
        self.cluster = Written()
        self.writer = EventWriter(self.cluster, lambda: self.now)  # type: ignore[arg-type]

    async def written(self) -> list[object]:
        task = asyncio.create_task(self.writer.run())
        for _ in range(100):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return [event["reason"] for event in self.cluster.events]


async def test_progress_is_told_together_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    timers: list[tuple[Any, ...]] = []
    monkeypatch.setattr(asyncio.get_running_loop(), "call_later", lambda *call: timers.append(call) or Mock())
    bench = Bench()
    for n in range(12):
        bench.writer.write(WHO, [progress("Completed", [f"a{n}"]), progress("Launched", [f"b{n}"])])
    assert await bench.written() == []
    [(seconds, told, about)] = timers
    assert seconds == events.TOGETHER_SECONDS
    told(about)
    assert await bench.written() == ["Completed", "Launched"]
    assert bench.cluster.events[0]["message"] == f"completed 12 jobs: {listed([f'a{n}' for n in range(12)])}"


async def test_what_comes_after_progress_is_told_after_it() -> None:
    bench = Bench()
    bench.writer.write(WHO, [progress("Launched", ["a"])])
    bench.writer.write(WHO, [progress("Completed", ["a"]), FAILED])
    assert await bench.written() == ["Launched", "Completed", "JobFailed"]


async def test_a_checkpoint_is_told_of_at_once_and_progress_later() -> None:
    bench = Bench()
    bench.writer.write(WHO, [progress("Completed", ["a"]), Note("CheckpointTaken", "checkpoint c")])
    assert await bench.written() == ["CheckpointTaken"]


async def test_progress_is_told_before_the_end_of_the_process_and_of_the_execution() -> None:
    bench = Bench()
    bench.writer.write(WHO, [progress("Launched", ["a"])])
    bench.writer.forget(WHO.uid)
    bench.writer.write(WHO, [progress("Launched", ["b"])])
    task = asyncio.create_task(bench.writer.run())
    await bench.writer.drain()
    task.cancel()
    assert [event["message"] for event in bench.cluster.events] == ["launched job a", "launched job b"]


async def test_progress_leaves_room_for_what_matters() -> None:
    bench = Bench()
    bench.writer.write(WHO, [LAUNCHED] * 50)
    bench.writer.write(WHO, [FAILED] * 50)
    found = await bench.written()
    assert found.count("Launched") == events.BURST - events.RESERVED
    assert found.count("JobFailed") == events.RESERVED


async def test_the_end_is_always_told() -> None:
    bench = Bench()
    bench.writer.write(WHO, [FAILED] * 50)
    bench.writer.write(WHO, [SUCCEEDED])
    assert (await bench.written())[-1] == "Succeeded"


async def test_time_refills_the_budget_also_while_notes_are_refused() -> None:
    bench = Bench()
    bench.writer.write(WHO, [FAILED] * events.BURST)
    for _ in range(10):
        bench.now += timedelta(seconds=events.REFILL_SECONDS / 4)
        bench.writer.write(WHO, [FAILED])
    assert len(await bench.written()) == events.BURST + 2


async def test_executions_do_not_use_up_each_others_budget_and_a_forgotten_one_begins_anew() -> None:
    bench = Bench()
    bench.writer.write(WHO, [FAILED] * 50)
    bench.writer.write(Identity("ns", "y", "uid-2"), [FAILED])
    bench.writer.forget(WHO.uid)
    bench.writer.write(WHO, [FAILED])
    assert len(await bench.written()) == events.BURST + 2


async def test_an_event_that_is_refused_does_not_stop_the_others() -> None:
    bench = Bench()
    bench.cluster.refuse = True
    bench.writer.write(WHO, [FAILED, SUCCEEDED])
    assert await bench.written() == ["Succeeded"]


async def test_an_event_is_about_the_execution_and_has_a_name_of_its_own() -> None:
    bench = Bench()
    bench.writer.write(WHO, [SUCCEEDED, SUCCEEDED])
    await bench.written()
    first, second = bench.cluster.events
    about = first["involvedObject"]
    assert isinstance(about, dict) and (about["kind"], about["name"], about["uid"]) == ("DAGExecution", "x", "uid")
    assert first["metadata"] != second["metadata"]
    assert (first["type"], first["firstTimestamp"]) == ("Normal", "2026-01-31T08:00:00.000Z")


async def test_a_full_queue_drops_rather_than_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "QUEUED_AT_MOST", 3)
    bench = Bench()
    bench.writer.write(WHO, [FAILED] * 10)
    assert len(await bench.written()) == 3
