"""Checkpoints where several operators share a cluster and a database: none is lost, none is taken for lost."""

from __future__ import annotations

from typing import Any

import pytest

from cairn.app import metrics
from cairn.app.checkpoints.elsewhere import Elsewhere, refers_to
from cairn.app.checkpoints.sweeper import LiveRoster
from cairn.core.sharding import Selection
from cairn.names import LABEL_SHARD
from unit.app.checkpoints.bench import Bench

DEFAULT, SHARD = Selection(shards=("a", "b")), Selection("a")
Body = dict[str, Any]


def orphans() -> float:
    return metrics.ORPHANED_ROWS._value.get()


async def other_shards_checkpoint(bench: Bench) -> Bench:
    """Another operator has taken one, on the same cluster and database."""
    made = Bench(selection=Selection("b"))
    await made.taken("theirs")
    bench.cluster.objects["Checkpoint", "theirs"] = made.body("theirs")
    bench.rows.rows |= made.rows.rows
    return made


@pytest.mark.parametrize("selection", [DEFAULT, SHARD], ids=["default", "shard"])
async def test_a_row_of_another_shard_is_no_orphan_and_stays(selection: Selection) -> None:
    bench = Bench(selection=selection)
    if not selection.hands_over:
        await bench.taken("ours")
    await other_shards_checkpoint(bench)
    before = dict(bench.rows.rows)
    await bench.sweeper.sweep()
    assert bench.rows.rows == before and not bench.rows.buried
    assert orphans() == 0


async def test_the_default_operator_counts_rows_without_any_object() -> None:
    bench = Bench(selection=DEFAULT)
    await other_shards_checkpoint(bench)
    gone = Bench(selection=Selection("b"))
    gone.now = bench.now.replace(year=2027)
    await gone.taken("lost")
    bench.rows.rows |= gone.rows.rows
    await bench.sweeper.sweep()
    assert orphans() == 1 and len(bench.rows.rows) == 2
    shard = Bench(selection=SHARD)
    await shard.taken("ours")
    shard.rows.rows |= gone.rows.rows
    await shard.sweeper.sweep()
    assert orphans() == 0, "that is not a shard's to say"


async def test_a_shard_writes_its_own_lost_rows_again() -> None:
    bench = Bench(selection=SHARD)
    await bench.taken("ours")
    lost = dict(bench.rows.rows)
    bench.rows.rows.clear()
    await bench.sweeper.sweep()
    assert bench.rows.rows.keys() == lost.keys()


async def test_names_are_asked_for_where_they_are_watched() -> None:
    bench = Bench()
    await bench.taken("c")
    assert await LiveRoster(bench.cluster, ()).namespaces() == {"default"}
    assert await LiveRoster(bench.cluster, ("default", "team-*")).namespaces() == {"default"}
    assert await LiveRoster(bench.cluster, ("team-*",)).namespaces() == set()
    assert bench.cluster.called("checkpoint_names") == ["", "default"]
    assert await LiveRoster(bench.cluster, ()).orphans("default", ()) == ()


# --- Lanes


async def test_a_checkpoint_of_another_shards_execution_is_given_away_and_not_failed() -> None:
    bench = Bench(selection=DEFAULT)
    bench.cluster.executions["sample"]["metadata"]["labels"] = {LABEL_SHARD: "b"}
    bench.views.see_execution(bench.cluster.executions["sample"])
    await bench.ask("mine")
    assert await bench.look() is not None
    assert bench.body("mine")["metadata"]["labels"] == {LABEL_SHARD: "b"}
    assert not bench.body("mine").get("status") and bench.names() == ["mine"]
    assert bench.rows.calls == []


async def test_an_execution_that_has_moved_under_a_checkpoint_is_not_taken_for_gone() -> None:
    bench = Bench(selection=SHARD)
    await bench.taken("ours")
    moved = bench.cluster.executions["sample"]["metadata"]
    moved |= {"labels": {LABEL_SHARD: "b"}, "resourceVersion": "900"}
    [seen] = bench.views.checkpoints
    bench.views.forget_execution(bench.uid)
    with pytest.raises(Exception, match="another shard"):
        await bench.keeper._live(seen)
    await bench.look()
    assert bench.names() == ["ours"] and bench.body("ours")["metadata"]["labels"][LABEL_SHARD] == "b"
    assert not bench.cluster.called("delete_checkpoint") and not bench.rows.buried


# --- Retention


async def retire(bench: Bench) -> None:
    """Look until nothing more goes."""
    for _ in range(3):
        await bench.look()
        bench.hear()


def fork(where: str = "default", /, **asks: Any) -> Body:
    return {"metadata": {"namespace": where, "name": "f"}, "spec": {"restoreFrom": asks}}


async def test_retention_asks_who_needs_it_in_other_shards() -> None:
    bench = Bench(selection=SHARD, checkpoint={"retentionCount": 1})
    bench.cluster.add_execution("far", {"restoreFrom": {"checkpointName": "first"}}, labels={LABEL_SHARD: "b"})
    await bench.taken("first", "second", "third")
    await retire(bench)
    assert bench.names() == ["first", "third"]
    del bench.cluster.executions["far"]
    await retire(bench)
    assert bench.names() == ["third"]


async def test_alone_nobody_is_asked() -> None:
    bench = Bench(checkpoint={"retentionCount": 1})
    await bench.taken("first", "second")
    await retire(bench)
    assert bench.names() == ["second"] and not bench.cluster.called("find_executions")


@pytest.mark.parametrize(
    ("body", "needed"),
    [
        (fork(checkpointName="c"), True), (fork(checkpointName="other"), False), (fork(checkpointId="ID"), True),
        (fork("team", checkpointName="c"), False), (fork("team", checkpointName="c", namespace="default"), True),
        (fork(checkpointName="c", namespace="team"), False), (fork(latestOf="sample"), False),
        ({"metadata": {"namespace": "default"}}, False),
    ],
    ids=["by name", "another", "by id", "of its own namespace", "across", "of another namespace", "not chosen yet",
         "none"],
)  # fmt: skip
async def test_who_refers_to_a_checkpoint(body: Body, needed: bool) -> None:
    bench = Bench()
    await bench.taken("c")
    [seen] = bench.views.checkpoints
    asks = (body.get("spec") or {}).get("restoreFrom", {})
    if asks.get("checkpointId"):
        asks["checkpointId"] = seen.id
    assert refers_to(body, seen) is needed


async def test_only_watched_namespaces_are_asked_about() -> None:
    bench = Bench()
    await bench.taken("c")
    [seen] = bench.views.checkpoints
    bench.cluster.add_execution("f", {"restoreFrom": {"checkpointName": "c"}})
    assert await Elsewhere(bench.cluster, bench.views, ("default",)).needs(seen)
    assert await Elsewhere(bench.cluster, bench.views, ()).needs(seen)
    bench.cluster.executions["f"]["metadata"]["namespace"] = "team"
    assert not await Elsewhere(bench.cluster, bench.views, ("default",)).needs(seen)
    bench.cluster.executions["f"]["spec"]["restoreFrom"]["namespace"] = "default"
    assert not await Elsewhere(bench.cluster, bench.views, ("default", "te*")).needs(seen)
    assert await Elsewhere(bench.cluster, bench.views, ("default", "team")).needs(seen)
