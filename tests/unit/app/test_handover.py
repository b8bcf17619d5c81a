"""New executions are given to shards, and checkpoints to the shard of their execution."""

from __future__ import annotations

from typing import Any

import pytest

from cairn.adapters.clock import system_clock
from cairn.app.checkpoints.views import Lane
from cairn.app.handover import Handover
from cairn.app.telling import Telling
from cairn.app.views import Views
from cairn.app.work import Work
from cairn.config import Settings
from cairn.core.sharding import Selection, chosen
from cairn.errors import Conflict, Unavailable
from cairn.names import LABEL_SHARD
from unit.app.fake_cluster import FakeCluster

Body = dict[str, Any]
SPEC: Body = {"jobs": [{"id": "a", "image": "busybox"}]}
BEGUN = {"startedAt": "2026-01-31T08:00:00Z", "phase": "Running"}
SHARDS = ("a", "b")
LANE = Lane("default", "x")
BY_HASH = chosen(SHARDS, "uid-of-x")
OTHER = next(shard for shard in SHARDS if shard != BY_HASH)


class Bench:
    """A cluster, and what an operator has seen of it."""

    def __init__(self, **settings: Any) -> None:
        self.cluster = FakeCluster()
        self.settings = Settings(**(settings or {"shards": SHARDS}))
        self.views = Views(self.settings.selection)
        self.handover = Handover(self.cluster, self.views)

    def execution(self, name: str = "x", shard: str = "", status: Body | None = None, **spec: Any) -> Bench:
        self.cluster.add_execution(name, spec or SPEC, labels={LABEL_SHARD: shard} if shard else {})
        self.cluster.executions[name]["status"] = status or {}
        self.views.see_execution(self.cluster.executions[name])
        return self

    async def checkpoint(self, name: str = "c", shard: str = "", execution: str = "x", **more: Any) -> Body:
        labels = {LABEL_SHARD: shard} if shard else {}
        body = await self.cluster.create({
            "kind": "Checkpoint", "metadata": {"name": name, "namespace": "default", "labels": labels},
            "spec": {"executionRef": {"name": execution}},
        })  # fmt: skip
        there = self.cluster.objects["Checkpoint", name]
        there["metadata"] |= more.pop("metadata", {})
        there |= more
        self.views.checkpoints.see(there)
        return body

    async def give(self) -> float | None:
        view = self.views.execution("uid-of-x")
        assert view is not None and self.handover.concerns(view)
        return await self.handover.give(view)

    async def sort_out(self) -> frozenset[str]:
        return await self.handover.sort_out(LANE, self.views.checkpoints.lane(LANE))

    def shard(self, name: str = "x", kind: str = "") -> str:
        body = self.cluster.objects[kind, name] if kind else self.cluster.executions[name]
        return str((body["metadata"].get("labels") or {}).get(LABEL_SHARD, ""))


# --- Executions


async def test_a_new_execution_is_labelled_and_forgotten() -> None:
    bench = Bench().execution()
    assert await bench.give() is None
    assert bench.shard() == BY_HASH
    assert bench.views.keys() == []


@pytest.mark.parametrize("status", [BEGUN, {"jobs": 3}], ids=["begun", "nobody knows"])
def test_what_may_have_begun_stays(status: Body) -> None:
    bench = Bench().execution(status=status)
    view = bench.views.execution("uid-of-x")
    assert view is not None and not bench.handover.concerns(view)


async def test_what_has_begun_meanwhile_stays() -> None:
    bench = Bench().execution()
    bench.cluster.executions["x"] |= {"status": BEGUN}
    bench.cluster.executions["x"]["metadata"]["resourceVersion"] = "900"
    assert await bench.give() == 0.0
    assert bench.shard() == ""
    view = bench.views.execution("uid-of-x")
    assert view is not None and not bench.handover.concerns(view)


async def test_a_refused_patch_is_decided_anew() -> None:
    bench = Bench().execution()
    bench.cluster.fail("patch_execution", Conflict("modified", status=409))
    assert await bench.give() == 0.0
    assert await bench.give() is None
    assert bench.shard() == BY_HASH


async def test_what_somebody_else_has_given_away_is_theirs() -> None:
    bench = Bench().execution()
    view = bench.views.execution("uid-of-x")
    assert view is not None
    bench.cluster.executions["x"]["metadata"] |= {"labels": {LABEL_SHARD: OTHER}, "resourceVersion": "900"}
    assert await bench.handover.give(view) is None
    assert bench.shard() == OTHER and bench.views.keys() == []


async def test_what_is_gone_or_another_one_is_left_to_the_watch() -> None:
    bench = Bench().execution()
    view = bench.views.execution("uid-of-x")
    assert view is not None
    bench.cluster.executions["x"]["metadata"]["uid"] = "another"
    assert await bench.handover.give(view) is None
    del bench.cluster.executions["x"]
    assert await bench.handover.give(view) is None
    assert len(bench.views.keys()) == 1


@pytest.mark.parametrize(
    "asks", [{"checkpointName": "c"}, {"checkpointId": "checkpoint_1_x"}, {"latestOf": "origin"}], ids=str
)
@pytest.mark.parametrize("labelled", ["checkpoint", "execution", "nothing"])
async def test_a_fork_goes_where_its_origin_is(asks: Body, labelled: str) -> None:
    bench = Bench()
    bench.execution("origin", OTHER if labelled != "nothing" else "", BEGUN)
    shard = OTHER if labelled == "checkpoint" else ""
    await bench.checkpoint("c", shard, "origin", status={"checkpointId": "checkpoint_1_x"})
    bench.execution("x", restoreFrom=asks)
    await bench.give()
    assert bench.shard() == (BY_HASH if labelled == "nothing" else OTHER)


@pytest.mark.parametrize("asks", [{"checkpointName": "c"}, {"checkpointId": "i"}, {"latestOf": "o"}], ids=str)
async def test_a_fork_of_what_is_gone_goes_by_its_uid(asks: Body) -> None:
    bench = Bench().execution(restoreFrom=asks)
    await bench.give()
    assert bench.shard() == BY_HASH


async def test_a_fork_waits_while_its_origin_cannot_be_read() -> None:
    bench = Bench().execution(restoreFrom={"latestOf": "o"})
    bench.cluster.fail("get_execution", Unavailable("away", status=503))
    with pytest.raises(Unavailable):
        await bench.give()
    assert bench.shard() == ""


@pytest.mark.parametrize(
    ("status", "given"), [({}, True), (BEGUN, False)], ids=["a new one is only given away", "others are worked on"]
)
async def test_the_work_gives_away_before_anything_else(
    status: Body, given: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench().execution(status=status)
    looked: list[str] = []

    async def look(key: Any) -> None:
        looked.append(key.name)

    work = Work(bench.cluster, bench.views, system_clock, bench.settings, None, Telling())
    monkeypatch.setattr(work._reconciler, "reconcile", look)
    [key] = bench.views.keys()
    await work._look(key)
    assert (bench.shard() != "", looked) == (given, [] if given else ["x"])
    assert not bench.cluster.called("write_status")


# --- Checkpoints


async def test_a_checkpoint_goes_where_its_execution_is() -> None:
    bench = Bench().execution(shard="b", status=BEGUN)
    body = await bench.checkpoint()
    assert await bench.sort_out() == {body["metadata"]["uid"]}
    assert bench.shard("c", "Checkpoint") == "b"
    assert len(bench.views.checkpoints) == 0


async def test_one_that_a_user_has_labelled_wrongly_goes_there_too() -> None:
    for shard in ("b", ""):
        bench = Bench(shard="a").execution(shard=shard, status=BEGUN)
        await bench.checkpoint(shard="a")
        assert len(await bench.sort_out()) == 1
        assert bench.shard("c", "Checkpoint") == shard


async def test_one_whose_execution_is_being_given_away_waits() -> None:
    bench = Bench().execution()
    body = await bench.checkpoint()
    assert await bench.sort_out() == {body["metadata"]["uid"]}
    assert len(bench.views.checkpoints) == 1 and not bench.cluster.called("patch_checkpoint")
    await bench.give()
    await bench.sort_out()
    assert bench.shard("c", "Checkpoint") == BY_HASH


async def test_one_whose_execution_is_here_or_gone_stays() -> None:
    here = Bench().execution(status=BEGUN)
    await here.checkpoint(status={"executionUid": "uid-of-x"})
    assert await here.sort_out() == frozenset()
    assert not here.cluster.called("get_execution"), "nobody need be asked"
    gone = Bench()
    await gone.checkpoint()
    assert await gone.sort_out() == frozenset()
    another = Bench().execution(shard="b", status=BEGUN)
    await another.checkpoint(status={"executionUid": "of one before"})
    assert await another.sort_out() == frozenset()
    unbound = Bench().execution(status=BEGUN)
    await unbound.checkpoint()
    assert await unbound.sort_out() == frozenset()


@pytest.mark.parametrize(
    "metadata",
    [{"deletionTimestamp": "2026-01-31T09:00:00Z"}, {"annotations": {"cairn.dev/imported": "true"}}],
    ids=["being deleted", "being brought in"],
)
async def test_one_that_is_in_other_hands_is_left_alone(metadata: Body) -> None:
    bench = Bench().execution(shard="b", status=BEGUN)
    await bench.checkpoint(metadata=metadata)
    assert await bench.sort_out() == frozenset()


async def test_one_that_has_changed_is_looked_at_again() -> None:
    bench = Bench().execution(shard="b", status=BEGUN)
    await bench.checkpoint()
    bench.cluster.fail("patch_checkpoint", Conflict("modified", status=409))
    assert len(await bench.sort_out()) == 1
    assert len(bench.views.checkpoints) == 1
    await bench.sort_out()
    assert bench.shard("c", "Checkpoint") == "b"


def test_alone_nobody_gives_anything_away() -> None:
    work = Work(FakeCluster(), Views(Selection()), system_clock, Settings(), None, Telling())
    assert work._handover is None and work._keeper.handover is None
