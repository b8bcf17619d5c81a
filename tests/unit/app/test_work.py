"""One term of work: it begins with everything that is known, and leaves nothing behind that would go on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from cairn import names
from cairn.adapters.clock import system_clock
from cairn.app.checkpoints.sweeper import Sweeper
from cairn.app.telling import Telling
from cairn.app.views import Views
from cairn.app.work import SETTLED_SECONDS, Work
from cairn.config import Settings
from cairn.core.actions import KeepLogTail, Note, Plan
from cairn.core.checkpoint.book import Book, Pending
from cairn.core.checkpoint.trigger import Trigger
from cairn.core.manifests import Identity
from cairn.core.observed import KubePod
from cairn.core.restore.progress import Mode, Progress, Step
from cairn.core.status import PausePhase, PauseState, Phase, Status
from cairn.core.status_wire import to_wire
from unit.app.checkpoints.bench import FakeRows
from unit.app.fake_cluster import FakeCluster
from unit.app.test_operator import until

Body = dict[str, Any]
POD = KubePod("p", "p", "j", "j", container="main")
NOW = datetime(2026, 1, 31, 8, tzinfo=UTC)
DONE = Status(phase=Phase.SUCCEEDED, observed_generation=1)
IDENTITY = Identity("default", "x", "uid-of-x")
RESULT = {
    "kind": "JobResult", "metadata": {"name": "r", "namespace": "default"},
    "spec": {"executionUid": "uid-of-x", "job": "a", "attempt": 1},
}  # fmt: skip


class Slow(FakeCluster):
    """Answers to some calls come when they may."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.may_answer = asyncio.Event(), asyncio.Event()

    async def _wait(self) -> None:
        self.asked.set()
        await self.may_answer.wait()

    async def post_event(self, event: Mapping[str, Any]) -> None:
        await self._wait()
        await super().post_event(event)

    async def stream_log(self, namespace: str, pod: str, container: str, *, tail_lines: int) -> AsyncIterator[bytes]:
        await self._wait()
        yield b"its last words\n"


class Term:
    """A term of work on one execution that has a checkpoint; what is decided about it is nothing."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("cairn.app.reconcile.make_plan", lambda execution, *_, **__: Plan(execution.status))
        self.cluster = Slow()
        self.views = Views()
        self.key = self.views.see_execution(self.cluster.add_execution("x", {"jobs": [{"id": "a", "image": "i"}]}))
        assert self.key is not None
        meta = {"name": "c", "namespace": "default", "uid": "c", "resourceVersion": "1", "generation": 1,
                "creationTimestamp": "2026-01-31T08:00:00Z"}  # fmt: skip
        self.views.checkpoints.see({"metadata": meta, "spec": {"executionRef": {"name": "gone"}}})
        self.work = Work(self.cluster, self.views, system_clock, Settings(), FakeRows(), Telling())

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.work.run())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})

    def keep_a_log_tail(self) -> asyncio.Task[None]:
        """Begin to; nothing waits for it."""
        reconciler = self.work._reconciler
        action = KeepLogTail(RESULT, POD)
        assert self.key is not None
        reconciler._start(self.key, action, "r", reconciler._keep_log_tail(action), look=False)
        [task] = reconciler._background
        return task


@pytest.fixture
def term(monkeypatch: pytest.MonkeyPatch) -> Term:
    return Term(monkeypatch)


async def test_it_begins_with_everything_that_is_known(term: Term) -> None:
    term.work.add_everything()
    assert {queue.name: queue.depth() for queue in term.work.queues} == {"executions": 1, "checkpoints": 1, "rows": 0}


@pytest.mark.parametrize(
    ("status", "later"),
    [
        (DONE, True),
        (Status(phase=Phase.RUNNING, observed_generation=1, pause=PauseState(PausePhase.PAUSED, NOW, 1)), True),
        (Status(phase=Phase.RUNNING, observed_generation=1, pause=PauseState(PausePhase.DRAINING, NOW, 1)), False),
        (Status(phase=Phase.RUNNING, observed_generation=1), False),
        (replace(DONE, observed_generation=0), False),
        (replace(DONE, checkpointing=Book(pending=(Pending("c", Trigger.MANUAL, "", (), NOW),))), False),
        (replace(DONE, restore=Progress(Mode.REWIND, Step.PREPARING, 1, NOW)), False),
    ],
    ids=["finished", "paused", "draining", "running", "edited since", "to be saved", "being rewound"],
)
async def test_it_begins_with_what_something_may_have_happened_to(term: Term, status: Status, later: bool) -> None:
    body = term.cluster.add_execution("other", {"jobs": [{"id": "a", "image": "i"}]})
    key = term.views.see_execution(body | {"status": to_wire(status)})
    term.work.add_everything()
    queue = term.work._queue
    assert (key in queue._timers, key in queue._waiting) == (later, not later)


async def test_what_has_settled_takes_one_turn_however_often_it_is_seen(term: Term) -> None:
    body = term.cluster.add_execution("other", {"jobs": [{"id": "a", "image": "i"}]})
    key = term.views.see_execution(body | {"status": to_wire(DONE)})
    assert key is not None
    for _ in range(100):
        term.work.add(key)
        term.work.look_at(key.uid)
    timer = term.work._queue._timers[key]
    assert timer.when() - asyncio.get_running_loop().time() <= SETTLED_SECONDS
    [seen] = term.views.executions()[1:]
    assert seen.unread is not None, "nobody has looked yet"


@pytest.mark.parametrize(
    ("differs", "quiet"),
    [({}, True), ({"is_settled": False}, False), ({"is_stored": False}, False), ({"deleting": True}, False)],
    ids=["stored", "not taken yet", "not stored yet", "being deleted"],
)
async def test_checkpoints_that_are_stored_are_looked_at_a_moment_later(
    term: Term, monkeypatch: pytest.MonkeyPatch, differs: dict[str, bool], quiet: bool
) -> None:
    seen = SimpleNamespace(**({"is_settled": True, "is_stored": True, "deleting": False} | differs))
    monkeypatch.setattr(term.views.checkpoints, "lane", lambda lane: [seen])
    term.work.add_everything()
    queue = term.work._keeper.queue
    assert (len(queue._timers), queue.depth()) == ((1, 0) if quiet else (0, 1))


async def test_once_it_has_ended_nothing_is_begun(term: Term) -> None:
    async with term.running():
        pass
    term.work.add_everything()
    assert term.key is not None
    for queue in term.work.queues:
        queue.add_after(term.key, 0)
    await asyncio.sleep(0.01)
    assert [(queue.depth(), queue.busy()) for queue in term.work.queues] == [(0, 0)] * 3


async def test_what_runs_beside_it_ends_with_it(term: Term) -> None:
    async with term.running():
        task = term.keep_a_log_tail()
        await term.cluster.asked.wait()
    assert task.done()
    assert ("JobResult", "r") not in term.cluster.objects


# --- A stop that was asked for ---------------------------------------------------------------------------------------


async def test_a_stop_waits_for_events(term: Term) -> None:
    async with term.running():
        term.work._events.write(IDENTITY, [Note("Launched", "a")])
        await term.cluster.asked.wait()
        draining = asyncio.create_task(term.work.drain(5))
        await asyncio.sleep(0.01)
        assert not draining.done()
        term.cluster.may_answer.set()
        await draining
        assert len(term.cluster.events) == 1


async def test_a_stop_waits_for_log_tails(term: Term) -> None:
    async with term.running():
        term.keep_a_log_tail()
        await term.cluster.asked.wait()
        draining = asyncio.create_task(term.work.drain(5))
        await asyncio.sleep(0.01)
        assert not draining.done()
        term.cluster.may_answer.set()
        await draining
    assert term.cluster.objects["JobResult", "r"]["status"] == {"logTail": "its last words\n"}


async def test_a_stop_does_not_wait_for_what_is_only_looked_up(term: Term) -> None:
    async with term.running():
        reconciler, action = term.work._reconciler, KeepLogTail(RESULT, POD)
        assert term.key is not None
        reconciler._start(term.key, action, "r", term.cluster._wait())
        await term.cluster.asked.wait()
        await asyncio.wait_for(term.work.drain(60), 5)


async def test_a_stop_waits_no_longer_than_it_may(term: Term, caplog: pytest.LogCaptureFixture) -> None:
    async with term.running():
        term.keep_a_log_tail()
        await term.cluster.asked.wait()
        await asyncio.wait_for(term.work.drain(0.01), 5)
    assert "not all that was under way has ended within 0.01 s" in caplog.text


async def test_after_a_stop_nothing_begins_by_the_clock(term: Term, monkeypatch: pytest.MonkeyPatch) -> None:
    sweeps = []

    async def sweep(self: Sweeper) -> None:
        sweeps.append(names.CHECKPOINTS)

    monkeypatch.setattr(Sweeper, "sweep", sweep)
    async with term.running():
        await until(lambda: sweeps)
        await term.work.drain(5)
        assert term.work._sweeper is not None
        term.work._sweeper.soon()
        await asyncio.sleep(0.01)
        assert len(sweeps) == 1
