"""Checkpoints for programs: create and wait, read from whichever store answers, delete, count, dry run."""

from __future__ import annotations

import asyncio

import pytest

from cairn import names
from cairn.adapters.memory import MemoryStore
from cairn.app.checkpoints.manager import CheckpointManager, Wish
from cairn.app.checkpoints.views import Lane
from cairn.core.checkpoint.objects import CheckpointObject
from cairn.errors import CannotSave, Gone, StoreUnavailable
from cairn.ports import Query
from support.stored import Tenant
from unit.app.checkpoints.bench import TENANT, Bench, FakeRows

DOWN = StoreUnavailable(names.DATABASE_UNAVAILABLE, "away")
HERE = Tenant("default", TENANT)


def manager(bench: Bench, rows: FakeRows | None = None, store: MemoryStore | None = None) -> CheckpointManager:
    return CheckpointManager(bench.cluster, store or MemoryStore(), rows, bench.clock)


async def created(bench: Bench, wish: Wish) -> CheckpointObject:
    """Asked for, while an operator is at work."""
    asking = asyncio.create_task(manager(bench).create(wish, seconds=5))
    await asyncio.sleep(0)
    for _ in range(3):
        bench.hear()
        await bench.look(Lane("default", wish.execution))
    return await asking


async def test_creating_one_waits_until_it_is_ready() -> None:
    bench = Bench()
    wish = Wish("default", "sample", "key", "Before deployment", {"ticket": "OPS-17"}, "jane")
    found = await created(bench, wish)
    assert found.is_ready
    assert (found.label, found.metadata, found.created_by) == ("Before deployment", {"ticket": "OPS-17"}, "jane")
    again = await created(bench, wish)
    assert again.uid == found.uid, "the same key asks for the same checkpoint"
    other = await created(bench, Wish("default", "sample", "another key"))
    assert other.id > found.id


async def test_one_that_cannot_be_taken_says_why() -> None:
    with pytest.raises(CannotSave, match="no execution") as error:
        await created(Bench(), Wish("default", "none", "key"))
    assert error.value.reason == names.EXECUTION_NOT_FOUND


async def test_without_an_operator_it_is_not_waited_for_for_ever() -> None:
    bench = Bench()
    with pytest.raises(TimeoutError):
        await manager(bench).create(Wish("default", "sample", "key"), seconds=0.1)
    assert len(bench.names()) == 1, "it is taken when an operator is there again"


async def test_reads_come_from_rows_while_they_answer_and_else_from_objects() -> None:
    bench, rows, store = Bench(), FakeRows(), MemoryStore()
    both, only_row, only_object = HERE.stored(number=1), HERE.stored(number=2), HERE.stored(number=3)
    for each in (both, only_row):
        await rows.put(each)
    for each in (both, only_object):
        await store.put(each)
    asked = manager(bench, rows, store)
    assert await asked.get([TENANT], only_row.checkpoint.id) == only_row
    assert await asked.get([TENANT], only_object.checkpoint.id) == only_object, "its row has not followed yet"
    assert (await asked.list(Query([TENANT]))).items == (only_row.checkpoint, both.checkpoint)
    assert (await asked.stats([TENANT])).total_checkpoints == 2
    for method in ("get", "list", "stats"):
        rows.fail(method, DOWN)
    assert await asked.get([TENANT], both.checkpoint.id) == both
    assert (await asked.list(Query([TENANT]))).items == (only_object.checkpoint, both.checkpoint)
    assert (await asked.stats([TENANT])).total_checkpoints == 2
    assert (await manager(bench, None, store).stats([TENANT])).total_checkpoints == 2


async def test_deleting_means_the_object_and_only_an_orphan_is_deleted_as_a_row() -> None:
    bench, rows, store = Bench(), FakeRows(), MemoryStore()
    both, orphan = HERE.stored(number=1), HERE.stored(number=2)
    for each in (both, orphan):
        await rows.put(each)
    await store.put(both)
    asked = manager(bench, rows, store)
    assert await asked.delete([TENANT], both.checkpoint.id)
    assert both.checkpoint.id in rows.rows, "its finalizer sees to that"
    assert await asked.delete([TENANT], orphan.checkpoint.id)
    assert not await asked.delete([TENANT], orphan.checkpoint.id)
    assert not await manager(bench).delete([TENANT], "checkpoint_1_x")


async def test_a_dry_run_of_retention_says_what_would_go_and_why() -> None:
    bench = Bench(checkpoint={"retentionCount": 100})
    names_ = [f"c{n:02}" for n in range(55)]
    await bench.taken(*names_)
    bench.cluster.edit("sample", checkpoint={"retentionCount": 50})
    due = await manager(bench).due("default", "sample")
    assert [d.name for d in due] == names_[:5]
    assert {d.reason for d in due} == {"beyond retentionCount 50"}
    assert len(bench.names()) == 55, "nothing has gone"
    with pytest.raises(Gone):
        await manager(bench).due("default", "none")


async def test_of_many_at_once_the_newest_are_kept() -> None:
    """Over 50, decided and created all at once, by two hands."""
    bench = Bench(checkpoint={"retentionCount": 50})
    for n in range(40):
        bench.decide(f"d{n:02}")
        await bench.ask(f"m{n:02}")
    for _ in range(5):
        await asyncio.gather(bench.look(), bench.look())
        bench.hear()
    assert len(bench.names()) == 50
    kept = sorted(b["status"]["checkpointId"] for (kind, _), b in bench.cluster.objects.items() if kind == "Checkpoint")
    assert set(kept) == set(bench.rows.rows)
