"""Differences and chains, read from whichever store has them, and what is said where neither has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from cairn import names
from cairn.app.checkpoints import chains
from cairn.app.checkpoints.inspector import Inspector, Now, Saved
from cairn.app.checkpoints.views import Lane
from cairn.core.checkpoint.chain import Report
from cairn.core.checkpoint.state import Grave, Parent
from cairn.core.outputs import Outputs
from cairn.errors import CannotSave, DamagedPayload, NotFound, Refused, StoreUnavailable, WrongDigest
from support.states import a_label, a_state, an_origin
from support.stored import Tenant
from unit.app.checkpoints.bench import TENANT, Bench

DOWN = StoreUnavailable(names.DATABASE_UNAVAILABLE, "connection refused")
HERE = Tenant("default", TENANT)


def inspector(bench: Bench, *, database: bool = True) -> Inspector:
    return Inspector(bench.cluster, bench.rows if database else None, bench.clock)


def saved(ref: str) -> Saved:
    return Saved("default", ref)


def id_of(bench: Bench, name: str) -> str:
    return str(bench.body(name)["status"]["checkpointId"])


def done(bench: Bench, outputs: str) -> None:
    """Job a has completed, and handed that out."""
    digest = Outputs(outputs).digest
    record = {"id": "a", "state": "Completed", "attempt": 1, "result": digest, "finishedAt": "2026-01-31T08:00:00Z"}
    status = {"phase": "Running", "jobs": [record, {"id": "b", "state": "Pending"}]}
    bench.cluster.executions["sample"]["status"] = status
    bench.cluster.objects["JobResult", "r"] = {
        "spec": {"executionUid": bench.uid, "job": "a", "attempt": 1, "state": "Completed", "outputs": outputs}
    }
    bench.views.see_execution(bench.cluster.edit("sample"))


async def two() -> Bench:
    """A checkpoint before job a has completed, and one after that."""
    bench = Bench()
    await bench.taken("c1")
    done(bench, '{"rows": 3}')
    await bench.taken("c2")
    return bench


def damage(bench: Bench, name: str) -> None:
    """Change one byte of an object."""
    status = bench.body(name)["status"]
    assert "busybox" in status["state"]
    status["state"] = status["state"].replace("busybox", "busyb0x", 1)


def damage_row(bench: Bench, name: str) -> None:
    """Change one byte of a row."""
    row = bench.rows.rows[id_of(bench, name)]
    document = row.content.document.replace(b"busybox", b"busyb0x", 1)
    assert document != row.content.document
    bench.rows.rows[row.checkpoint.id] = replace(row, content=replace(row.content, document=document))


def told(report: Report) -> list[tuple[str, str]]:
    return [(f.place.value, f.problem.value) for f in report.findings]


# --- Differences -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by_id", [False, True])
@pytest.mark.parametrize("database", [False, True])
async def test_two_checkpoints(by_id: bool, database: bool) -> None:
    bench = await two()
    refs = [saved(id_of(bench, n) if by_id else n) for n in ("c1", "c2")]
    found = await inspector(bench, database=database).diff(*refs)
    assert (found.before.id, found.after.id) == (id_of(bench, "c1"), id_of(bench, "c2"))
    assert [c.path for c in found.jobs[0].record] == ["state", "attempt"]
    assert found.jobs[0].outputs.items[0].after is not None
    assert found.jobs[0].outputs.items[0].after.text == '{"rows":3}'
    assert (await inspector(bench).diff(refs[0], refs[0])).empty


async def test_one_and_now() -> None:
    bench = await two()
    asked = inspector(bench, database=False)
    now = Now("default", "sample")
    found = await asked.diff(saved("c2"), now)
    assert found.empty and (found.after.id, found.after.name) == ("now", "as it is now")
    assert not (await asked.diff(saved("c1"), now)).empty
    assert (await asked.diff(now, now)).empty
    before = [name for name, _ in bench.cluster.calls if not name.startswith(("get", "list"))]
    await asked.diff(saved("c1"), now)
    assert [n for n, _ in bench.cluster.calls if not n.startswith(("get", "list"))] == before, "nothing is written"


async def test_now_needs_its_outputs() -> None:
    bench = await two()
    del bench.cluster.objects["JobResult", "r"]
    with pytest.raises(CannotSave, match="gone or damaged"):
        await inspector(bench).state(Now("default", "sample"))


async def test_no_such_execution() -> None:
    with pytest.raises(NotFound, match="there is no execution none in namespace default"):
        await inspector(Bench()).state(Now("default", "none"))


@pytest.mark.parametrize("by_id", [False, True])
async def test_rows_are_enough(by_id: bool) -> None:
    bench = await two()
    ids = [id_of(bench, n) for n in ("c1", "c2")]
    bench.cluster.objects.clear()
    bench.cluster.executions.clear()
    found = await inspector(bench).diff(*map(saved, ids if by_id else ("c1", "c2")))
    assert [found.before.id, found.after.id] == ids


@pytest.mark.parametrize("by_id", [False, True])
@pytest.mark.parametrize("hurt", [damage, damage_row])
async def test_a_whole_copy_in_either_store_is_enough(hurt: Callable[[Bench, str], None], by_id: bool) -> None:
    bench = await two()
    hurt(bench, "c1")
    state = await inspector(bench).state(saved(id_of(bench, "c1") if by_id else "c1"))
    assert state.spec["jobs"][0]["image"] == "busybox"


async def test_if_none_is_whole_the_damage_is_told() -> None:
    bench = await two()
    damage(bench, "c1")
    damage_row(bench, "c1")
    with pytest.raises(WrongDigest):
        await inspector(bench).state(saved("c1"))


async def test_objects_are_read_while_the_database_is_away() -> None:
    bench = await two()
    bench.rows.fail("get", DOWN, DOWN)
    state = await inspector(bench).state(saved(id_of(bench, "c2")))
    assert state.label.name == "label of c2"
    bench.cluster.objects.clear()
    with pytest.raises(StoreUnavailable):
        await inspector(bench).state(saved(state.label.id))


async def test_a_state_that_only_the_database_holds() -> None:
    bench = Bench(limit=10)
    await bench.taken("big")
    assert "state" not in bench.body("big")["status"]
    assert (await inspector(bench).state(saved("big"))).label.id == id_of(bench, "big")
    with pytest.raises(StoreUnavailable, match=r"only the database holds .*was not asked"):
        await inspector(bench, database=False).state(saved("big"))
    bench.rows.rows.clear()
    with pytest.raises(StoreUnavailable, match="was not found there"):
        await inspector(bench).state(saved("big"))


async def test_one_that_was_not_taken_holds_no_state() -> None:
    bench = Bench()
    await bench.ask("lost", "no-such-execution")
    await bench.look(Lane("default", "no-such-execution"))
    with pytest.raises(NotFound, match="checkpoint lost is Failed and holds no state: ExecutionNotFound"):
        await inspector(bench).state(saved("lost"))


@pytest.mark.parametrize("ref", ["none", "checkpoint_1_none"])
@pytest.mark.parametrize("database", [False, True])
async def test_of_one_that_is_not_there_the_newest_are_told(ref: str, database: bool) -> None:
    bench = Bench(checkpoint={"retentionCount": 100})
    await bench.taken(*(f"c{n:02}" for n in range(12)))
    del bench.cluster.objects["Checkpoint", "c11"]  # its row is left
    bench.now += timedelta(hours=3)
    with pytest.raises(NotFound) as error:
        await inspector(bench, database=database).state(saved(ref))
    first, *lines = str(error.value).splitlines()
    assert first == f"there is no checkpoint {ref} in namespace default; the newest there are:"
    assert [line.split()[0] for line in lines] == [f"c{n:02}" for n in range(11 if database else 10, -1, -1)][:10]
    assert lines[-1].endswith(f"{id_of(bench, lines[-1].split()[0])}  label of {lines[-1].split()[0]}  3h ago")
    bench.rows.fail("list", *[DOWN] * 3)
    with pytest.raises(NotFound if not database or ref != "none" else StoreUnavailable):
        await inspector(bench, database=database).state(saved(ref))


async def test_where_there_are_none_at_all() -> None:
    with pytest.raises(NotFound, match="there is no checkpoint none in namespace default, nor any other"):
        await inspector(Bench()).state(saved("none"))


# --- Chains ----------------------------------------------------------------------------------------------------------


async def test_a_sound_chain() -> None:
    bench = await two()
    assert await inspector(bench).verify("default", "sample") == Report((), 2, 2, 2, 2, 0)
    alone = await inspector(bench, database=False).verify("default", "sample")
    assert (alone.findings, alone.rows, alone.verified, alone.without_rows) == ((), 0, 2, chains.NO_ROWS)


@pytest.mark.parametrize(("hurt", "place"), [(damage, "object"), (damage_row, "row")])
async def test_damage_is_named(hurt: Callable[[Bench, str], None], place: str) -> None:
    bench = await two()
    hurt(bench, "c1")
    report = await inspector(bench).verify("default", "sample")
    assert told(report) == [(place, "WrongDigest")]
    assert (report.findings[0].id, report.findings[0].name) == (id_of(bench, "c1"), "c1")


async def test_a_payload_that_nothing_can_be_made_of() -> None:
    bench = await two()
    bench.body("c2")["status"]["state"] = "zlib:AAAA"
    bench.rows.fail("read", DamagedPayload("the document: gone"))
    report = await inspector(bench).verify("default", "sample")
    assert sorted(told(report)) == [("object", "Damaged"), ("row", "Damaged")]


async def test_the_database_is_away() -> None:
    bench = await two()
    for method in ("list", "read", "graves"):
        bench.rows.fail(method, DOWN)
        report = await inspector(bench).verify("default", "sample")
        assert (report.findings, report.verified, report.rows) == ((), 2, 0)
        assert report.without_rows == "connection refused"


async def test_away_when_a_parent_is_looked_for() -> None:
    bench = await two()
    del bench.rows.rows[id_of(bench, "c1")], bench.cluster.objects["Checkpoint", "c1"]
    graves, answers = bench.rows.graves, iter([None, DOWN])

    async def once(*asked: Any) -> tuple[Grave, ...]:
        if (error := next(answers)) is not None:
            raise error
        return await graves(*asked)

    bench.rows.graves = once  # type: ignore[method-assign]
    report = await inspector(bench).verify("default", "sample")
    assert (told(report), report.rows) == ([("chain", "ParentNotChecked")], 0)
    assert report.without_rows == "connection refused"


async def test_one_that_is_deleted_is_not_missing() -> None:
    bench = await two()
    meta = bench.body("c1")["metadata"]
    await bench.cluster.delete_checkpoint("default", "c1", meta["uid"], meta["resourceVersion"])
    bench.hear()
    await bench.look()
    report = await inspector(bench).verify("default", "sample")
    assert (report.findings, report.checkpoints, report.verified, report.deleted) == ((), 1, 1, 1)
    bench.cluster.executions.clear()
    assert await inspector(bench).verify("default", "sample") == report, "also once the execution is gone"
    bench.rows.buried.clear()
    assert told(await inspector(bench).verify("default", "sample")) == [("chain", "ParentMissing")]
    assert told(await inspector(bench, database=False).verify("default", "sample")) == [("chain", "ParentNotChecked")]


async def test_deleted_while_it_is_looked_at() -> None:
    bench = await two()
    found = bench.rows.rows[id_of(bench, "c2")].checkpoint
    await bench.rows.bury(Grave(found.id, TENANT, found.execution_uid, found.digest, found.parent))
    report = await inspector(bench).verify("default", "sample")
    assert told(report) == [("object", "BeingDeleted")] and not report.problems


async def test_a_row_that_goes_between_list_and_read() -> None:
    bench = await two()
    lost = id_of(bench, "c2")
    read = bench.rows.read

    async def gone(tenants: Any, id: str) -> Any:
        return None if id == lost else await read(tenants, id)

    bench.rows.read = gone  # type: ignore[method-assign]
    assert told(await inspector(bench).verify("default", "sample")) == [("row", "RowMissing")]


async def test_a_deleted_execution_and_rows_alone() -> None:
    bench = await two()
    bench.cluster.executions.clear()
    assert (await inspector(bench).verify("default", "sample")).verified == 2
    bench.cluster.objects.clear()
    report = await inspector(bench).verify("default", "sample")
    assert told(report) == [("object", "ObjectGone")] * 2
    assert (report.problems, report.verified, report.objects) == ((), 2, 0)


async def test_a_row_that_is_gone() -> None:
    bench = await two()
    del bench.rows.rows[id_of(bench, "c2")]
    assert told(await inspector(bench).verify("default", "sample")) == [("row", "RowMissing")]


async def test_a_state_that_only_the_row_held() -> None:
    bench = Bench(limit=10)
    await bench.taken("big", "next")
    assert told(await inspector(bench).verify("default", "sample")) == []
    assert told(await inspector(bench, database=False).verify("default", "sample")) == [("row", "NotChecked")] * 2
    bench.rows.rows.pop(id_of(bench, "big"))
    await bench.sweeper.sweep()
    assert bench.condition("big", "Ready") == ("False", "RowLost")
    report = await inspector(bench).verify("default", "sample")
    assert [(f.name, f.problem) for f in report.findings] == [("big", "RowMissing")]


async def test_nothing_has_that_name() -> None:
    bench = Bench()
    with pytest.raises(NotFound, match=r"no execution none in namespace default, and no checkpoint of one$"):
        await inspector(bench).verify("default", "none")
    bench.rows.fail("list", DOWN)
    with pytest.raises(NotFound, match="no checkpoint of one; only objects were looked at: connection refused"):
        await inspector(bench).verify("default", "none")
    assert await inspector(bench).verify("default", "sample") == Report((), 0, 0, 0, 0, 0)


async def test_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chains, "PAGE", 2)
    bench = Bench()
    await bench.taken(*(f"c{n}" for n in range(5)))
    assert (await inspector(bench).verify("default", "sample")).rows == 5


# --- Forks -----------------------------------------------------------------------------------------------------------

PARENT = Parent("checkpoint_1769846300000_zz", "ab" * 32)


async def a_fork(namespace: str | None, parent: Parent = PARENT) -> Bench:
    """The first checkpoint of an execution that was restored from another one, as an object."""
    bench = Bench()
    restored = {"restoreFrom": {"checkpointId": parent.id} | ({"namespace": namespace} if namespace else {})}
    state = a_state(
        spec={"jobs": [], **restored}, label=a_label(parent=parent), origin=an_origin(name="fork", uid="uid-of-fork")
    )  # fmt: skip
    put = HERE.of(state, "f1", "fork")
    put = replace(put, checkpoint=replace(put.checkpoint, execution_uid="uid-of-fork"))
    await bench.rows.put(put)
    return bench


@pytest.mark.parametrize("namespace", [None, "elsewhere"])
async def test_the_parent_of_a_fork_is_a_row_of_another_execution(namespace: str | None) -> None:
    origin = Tenant(namespace or "default", f"uid-of-namespace-{namespace or 'default'}").stored(a_state())
    bench = await a_fork(namespace, Parent(origin.checkpoint.id, origin.checkpoint.digest))
    assert told(await inspector(bench).verify("default", "fork"))[-1] == ("chain", "ParentMissing")
    await bench.rows.put(origin)
    assert told(await inspector(bench).verify("default", "fork")) == [("object", "ObjectGone")]
    bench.rows.rows[origin.checkpoint.id] = replace(origin, checkpoint=replace(origin.checkpoint, digest="0" * 64))
    assert told(await inspector(bench).verify("default", "fork"))[-1] == ("chain", "ParentDiffers")


async def test_or_an_object_or_a_grave_of_it() -> None:
    bench = Bench()
    await bench.taken("c1")
    found = bench.rows.rows.popitem()[1].checkpoint
    fork = await a_fork(None, Parent(found.id, found.digest))
    assert told(await inspector(fork).verify("default", "fork"))[-1] == ("chain", "ParentMissing")
    fork.rows.buried[found.id] = Grave(found.id, TENANT, found.execution_uid, found.digest)
    report = await inspector(fork).verify("default", "fork")
    assert (told(report), report.deleted) == ([("object", "ObjectGone")], 0), "the grave is another execution's"
    fork.rows.buried.clear()
    fork.cluster.objects["Checkpoint", "c1"] = bench.body("c1")
    assert told(await inspector(fork).verify("default", "fork")) == [("object", "ObjectGone")]


async def test_the_namespace_it_came_from_may_not_be_seen() -> None:
    bench = await a_fork("elsewhere")
    list_checkpoints = bench.cluster.list_checkpoints

    async def refused(namespace: str) -> Any:
        if namespace == "elsewhere":
            raise Refused("forbidden", status=403)
        return await list_checkpoints(namespace)

    bench.cluster.list_checkpoints = refused  # type: ignore[method-assign]
    assert told(await inspector(bench).verify("default", "fork"))[-1] == ("chain", "ParentMissing")
