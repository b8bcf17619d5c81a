"""What has left the selection of a watch is gone only if a live read says so."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cairn.adapters.clock import system_clock
from cairn.app import rollcall
from cairn.app.executions import Key
from cairn.app.operator import Operator
from cairn.config import Settings
from cairn.errors import Unavailable
from cairn.names import LABEL_SHARD
from unit.app.fake_cluster import FakeCluster
from unit.app.test_operator import Turns, until

Body = dict[str, Any]
SPEC = {"jobs": [{"id": "a", "image": "busybox"}]}


class Seen:
    """An operator of shard `a` that has seen one execution and its checkpoint, and notes what it takes for gone."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cluster = FakeCluster()
        self.operator = Operator(self.cluster, system_clock, Settings(shard="a"), election=Turns())
        self.views = self.operator._views
        self.gone: list[str] = []
        monkeypatch.setattr(self.operator, "execution_gone", self._execution_gone)
        self.views.checkpoints.gone = lambda seen: self.gone.append(seen.name)
        self.execution = self.cluster.add_execution("x", SPEC, labels={LABEL_SHARD: "a"})

    def _execution_gone(self, key: Key) -> None:
        self.gone.append(key.name)
        self.views.forget_execution(key.uid)

    async def begin(self) -> Seen:
        self.checkpoint = await self.cluster.create({
            "kind": "Checkpoint", "metadata": {"name": "c", "namespace": "default", "labels": {LABEL_SHARD: "a"}},
            "spec": {"executionRef": {"name": "x"}},
        })  # fmt: skip
        self.operator.see_execution(self.execution)
        self.operator.see_checkpoint(self.checkpoint)
        return self

    def leave(self) -> None:
        """The watches say DELETED of both."""
        self.operator.forget_execution(self.execution)
        self.operator.forget_checkpoint(self.checkpoint)

    def known(self) -> tuple[int, int]:
        return len(self.views.keys()), len(self.views.checkpoints)

    def label(self, shard: str) -> None:
        for body in (self.cluster.executions["x"], self.cluster.objects["Checkpoint", "c"]):
            body["metadata"]["labels"] = {LABEL_SHARD: shard}


async def settled(seen: Seen) -> None:
    """Let the departures be looked after."""
    assert seen.operator._departures is not None
    queue = seen.operator._departures._queue
    await until(lambda: not queue.depth() and not queue.busy())


@pytest.fixture
async def seen(monkeypatch: pytest.MonkeyPatch) -> Any:
    made = await Seen(monkeypatch).begin()
    running = asyncio.create_task(made.operator.run())
    yield made
    running.cancel()
    await asyncio.wait({running})


async def test_what_has_moved_is_forgotten_and_nothing_follows(seen: Seen) -> None:
    seen.label("b")
    seen.leave()
    assert seen.known() == (1, 1), "nobody knows yet"
    await until(lambda: seen.known() == (0, 0))
    assert seen.gone == []


async def test_what_is_gone_is_gone(seen: Seen) -> None:
    seen.cluster.executions.clear()
    seen.cluster.objects.clear()
    seen.leave()
    await until(lambda: seen.known() == (0, 0))
    assert sorted(seen.gone) == ["c", "x"]


async def test_another_one_of_that_name_is_another_one(seen: Seen) -> None:
    for body in (seen.cluster.executions["x"], seen.cluster.objects["Checkpoint", "c"]):
        body["metadata"]["uid"] = "another"
    seen.leave()
    await until(lambda: seen.known() == (0, 0))
    assert sorted(seen.gone) == ["c", "x"]


async def test_what_has_come_back_stays(seen: Seen) -> None:
    seen.leave()
    await settled(seen)
    assert seen.known() == (1, 1) and seen.gone == []


async def test_without_an_answer_nothing_is_decided(seen: Seen) -> None:
    seen.label("b")
    seen.cluster.fail("get_execution", Unavailable("away", status=503))
    seen.leave()
    await until(lambda: seen.known() == (0, 0))
    assert seen.cluster.called("get_execution") == ["x", "x"] and seen.gone == []


async def test_nobody_asks_about_what_is_not_known(seen: Seen) -> None:
    meta = {"namespace": "default", "name": "y", "uid": "other"}
    seen.operator.forget_execution({"metadata": meta})
    seen.operator.forget_checkpoint({"metadata": meta})
    await settled(seen)
    assert not seen.cluster.called("get_execution") and not seen.cluster.called("get_checkpoint")


async def test_what_a_roll_lacks_may_have_moved_too(seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollcall, "PATIENCE", 0.0)
    seen.label("b")
    there = seen.cluster.call_roll

    async def selected(resource: str, namespace: str = "") -> Any:
        roll = await there(resource, namespace)
        return type(roll)(frozenset(), roll.version)

    monkeypatch.setattr(seen.cluster, "call_roll", selected)
    assert await seen.operator._roll_call.call()
    await until(lambda: seen.known() == (0, 0))
    assert seen.gone == []


async def test_a_live_read_brings_nothing_of_another_shard_into_the_views(seen: Seen) -> None:
    seen.label("b")
    assert seen.views.see_execution(seen.cluster.executions["x"]) is None
    assert seen.views.checkpoints.see(seen.cluster.objects["Checkpoint", "c"]) is None
    assert seen.known() == (0, 0) and seen.gone == []


def test_the_readiness_page_tells_the_shard() -> None:
    cluster: Any = None
    assert "shard" not in Operator(cluster, system_clock, Settings()).describe()
    assert Operator(cluster, system_clock, Settings(shard="a")).describe()["shard"] == "a"
    assert Operator(cluster, system_clock, Settings(shards=("a",))).describe()["shard"] == ""
