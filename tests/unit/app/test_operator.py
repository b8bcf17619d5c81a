"""When the work begins, and when it ends: not before everything is listed, and only on the replica that leads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from cairn import names
from cairn.adapters.clock import system_clock
from cairn.app import operator
from cairn.app.executions import Key
from cairn.app.operator import Operator
from cairn.app.reconcile import Reconciler
from cairn.app.work import Work
from cairn.config import Settings

META = {"namespace": "ns", "name": "x", "uid": "u", "resourceVersion": "1", "generation": 1}


async def test_work_begins_when_the_watches_are_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operator, "QUIET_SECONDS", 0.02)
    made = Operator(None, system_clock, Settings())  # type: ignore[arg-type]
    await asyncio.sleep(0.05)
    assert not made.begun, "nothing was listed yet"
    for version in range(1, 9):
        made.see_execution({"metadata": META | {"resourceVersion": str(version)}, "spec": {}})
        assert not made.begun
    await asyncio.wait_for(made._listed.wait(), 5)
    assert made.begun


async def test_work_begins_soon_even_if_the_watches_are_never_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operator, "LISTING_SECONDS", 0.05)
    monkeypatch.setattr(operator, "QUIET_SECONDS", 10)
    made = Operator(None, system_clock, Settings())  # type: ignore[arg-type]
    made.see_execution({"metadata": META, "spec": {}})
    assert not made.begun
    await asyncio.wait_for(made._listed.wait(), 5)
    assert made.begun


class Turns:
    """An election that is won and lost as a test says."""

    def __init__(self) -> None:
        self.leads = False
        self.task: asyncio.Task[None] | None = None

    async def run(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._work = work
        await asyncio.Event().wait()

    def win(self) -> None:
        self.leads, self.task = True, asyncio.create_task(self._work())

    async def lose(self) -> None:
        assert self.task is not None
        self.leads = False
        self.task.cancel()
        await asyncio.wait({self.task})


async def test_a_standby_sees_everything_and_does_nothing_until_it_leads(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []

    async def look(self: Reconciler, key: Key) -> None:
        looked.append(key.name)

    monkeypatch.setattr(Reconciler, "reconcile", look)
    turns = Turns()
    made = Operator(None, system_clock, Settings(), election=turns)  # type: ignore[arg-type]
    running = asyncio.create_task(made.run())
    await asyncio.sleep(0)
    try:
        made.begin()
        made.see_execution({"metadata": META, "spec": {}})
        made.forget_execution({"metadata": META | {"name": "none", "uid": "none"}})
        await asyncio.sleep(0.01)
        told = made.describe()
        assert (looked, told["leader"], told["executions"], told["queued"]) == ([], False, 1, 0)
        turns.win()
        await until(lambda: looked == ["x"])
        assert made.describe()["leader"]
        await turns.lose()
        assert not any(metric.name.startswith("cairn_queue") for metric in made.census.collect()), "it has none"
        made.see_execution({"metadata": META | {"resourceVersion": "2"}, "spec": {}})
        await asyncio.sleep(0.01)
        assert looked == ["x"]
        made._views.seen("u").lost.add("what was looked up in an earlier term")
        turns.win()
        await until(lambda: looked == ["x", "x"])
        assert made._views.seen("u").lost == set()
        await made.drain(5)
        made.see_execution({"metadata": META | {"resourceVersion": "3"}, "spec": {}})
        await asyncio.sleep(0.01)
        assert looked == ["x", "x"], "nothing is begun once a stop was asked for"
    finally:
        await turns.lose()
        running.cancel()
        await asyncio.wait({running})


async def test_a_checkpoint_that_is_gone_is_told_once_whoever_found_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever writes to one that is gone may know it before the watch tells."""
    heard: list[str] = []
    monkeypatch.setattr(Work, "checkpoint_gone", lambda self, seen: heard.append(seen.name))
    monkeypatch.setattr(Work, "consider", lambda self, seen: None)
    turns = Turns()
    made = Operator(None, system_clock, Settings(), election=turns)  # type: ignore[arg-type]
    running = asyncio.create_task(made.run())
    await until(lambda: hasattr(turns, "_work"))
    made.begin()
    turns.win()
    await until(lambda: made._work)
    meta = META | {"name": "c", "creationTimestamp": "2026-01-31T08:00:00Z"}
    body = {"metadata": meta, "spec": {"executionRef": {"name": "x"}}}
    made.see_checkpoint(body)
    made._views.checkpoints.forget("u")
    made.forget_checkpoint(body)
    assert heard == ["c"]
    await turns.lose()
    made.see_checkpoint(body)
    made.forget_checkpoint(body)
    assert heard == ["c"], "a standby only forgets"
    running.cancel()
    await asyncio.wait({running})


async def test_no_term_begins_once_a_stop_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The Lease may be won, or won again, while what is under way ends."""
    turns = Turns()
    made = Operator(None, system_clock, Settings(), election=turns)  # type: ignore[arg-type]
    running = asyncio.create_task(made.run())
    await until(lambda: hasattr(turns, "_work"))
    made.begin()
    made.see_execution({"metadata": META, "spec": {}})
    await made.drain(5)
    turns.win()
    for _ in range(5):
        await asyncio.sleep(0)
    assert made._work is None
    await turns.lose()
    running.cancel()
    await asyncio.wait({running})


async def test_what_does_not_end_in_time_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    began = asyncio.Event()

    async def hang(self: Reconciler, key: Key) -> None:
        began.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(Reconciler, "reconcile", hang)
    made = Operator(None, system_clock, Settings())  # type: ignore[arg-type]
    running = asyncio.create_task(made.run())
    made.begin()
    made.see_execution({"metadata": META, "spec": {}})
    await began.wait()
    await asyncio.wait_for(made.drain(0.01), 5)
    running.cancel()
    await asyncio.wait_for(asyncio.wait({running}), 5)


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not holds():
            await asyncio.sleep(0.001)


async def test_an_execution_is_looked_at_when_a_checkpoint_of_it_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []

    async def look(self: Reconciler, key: Key) -> None:
        looked.append(key.name)

    monkeypatch.setattr(Reconciler, "reconcile", look)
    turns = Turns()
    made = Operator(None, system_clock, Settings(), election=turns)  # type: ignore[arg-type]
    running = asyncio.create_task(made.run())
    await until(lambda: hasattr(turns, "_work"))
    try:
        made.begin()
        made.see_execution({"metadata": META, "spec": {}})
        meta = META | {"name": "c", "uid": "uid-of-c", "creationTimestamp": "2026-01-31T08:00:00Z",
                       "labels": {names.LABEL_EXECUTION_UID: "u"}}  # fmt: skip
        checkpoint = {"metadata": meta, "spec": {"executionRef": {"name": "x"}}}
        made._views.checkpoints.see(checkpoint)
        turns.win()
        await until(lambda: looked == ["x"])
        made.forget_checkpoint(checkpoint)
        await until(lambda: looked == ["x", "x"])
    finally:
        await turns.lose()
        running.cancel()
        await asyncio.wait({running})


async def test_a_checkpoint_that_outlived_its_execution_is_not_remembered() -> None:
    made = Operator(None, system_clock, Settings())  # type: ignore[arg-type]
    meta = META | {"name": "c", "uid": "uid-of-c", "creationTimestamp": "2026-01-31T08:00:00Z"}
    checkpoint = {"metadata": meta, "spec": {"executionRef": {"name": "x"}},
                  "status": {"phase": "Failed", "executionUid": "u"}}  # fmt: skip
    made._views.checkpoints.see(checkpoint)
    made.forget_checkpoint(checkpoint)
    assert made._views.checkpoints.departed("u", {"c"}) == {}
