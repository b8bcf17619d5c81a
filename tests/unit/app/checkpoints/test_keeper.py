"""The life of a Checkpoint object: made, taken, failed, retired, outlived; and what becomes of its row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from cairn import names
from cairn.app.checkpoints import keeper
from cairn.app.executions import Borrowed
from cairn.core.checkpoint import graves, objects
from cairn.core.checkpoint.serializer import deserialize
from cairn.core.checkpoint.state import Grave
from cairn.core.checkpoint.trigger import Trigger
from cairn.core.checkpointing import pause_checkpoint
from cairn.core.restore.progress import Mode, Origin, RestoredFrom, restored_to_wire
from cairn.core.times import format_time
from cairn.errors import Conflict, Gone, IdTaken, NotMigrated, Refused, Rejected, StoreUnavailable, Unavailable
from simulation.build import NOW
from unit.app.checkpoints.bench import LANE, TENANT, Bench

DOWN = StoreUnavailable(names.DATABASE_UNAVAILABLE, "connection refused")
OUT = {"spec": {"outputs": "{}", "executionUid": "uid-of-sample", "job": "a", "attempt": 1, "state": "Completed"}}


# --- Made and taken --------------------------------------------------------------------------------------------------


async def test_a_decided_checkpoint_is_made_taken_and_stored() -> None:
    bench = Bench()
    bench.decide("c", Trigger.LEVEL_COMPLETED, "1", "2")
    await bench.look()
    body = bench.body("c")
    assert body["spec"] == {
        "executionRef": {"name": "sample"}, "trigger": "level-completed", "name": "label of c",
        "metadata": {"levels": "1, 2"}, "pinned": False,
    }  # fmt: skip
    assert body["metadata"]["finalizers"] == [names.FINALIZER]
    assert (bench.condition("c", "Ready"), bench.condition("c", "Stored")) == (("True", "Taken"), ("True", "Stored"))
    [row] = bench.rows.rows.values()
    assert (row.checkpoint.id, row.checkpoint.namespace_uid) == (body["status"]["checkpointId"], TENANT)
    assert objects.stored(body, TENANT) == row, "both stores hold the same"
    assert bench.told == ["uid-of-sample"]
    assert await bench.told_events() == ["CheckpointTaken"]


async def test_the_state_is_the_one_the_decision_was_stored_with() -> None:
    bench = Bench()
    view = bench.execution
    bench.decide("c")
    bench.views.see_execution(bench.cluster.edit("sample", paused=True))
    await bench.look()
    state = deserialize(objects.stored(bench.body("c"), "").content)
    assert state.origin.resource_version == view.resource_version
    assert "paused" not in state.spec


async def test_what_a_user_asks_for_holds_what_is_stored_at_that_moment() -> None:
    bench = Bench()
    bench.cluster.edit("sample", paused=True)  # not seen yet
    await bench.ask("mine", name="Before", createdBy="jane", metadata={"k": "v"})
    await bench.look()
    found = objects.stored(bench.body("mine"), "")
    assert deserialize(found.content).spec["paused"] is True
    assert (found.checkpoint.created_by, found.checkpoint.metadata) == ("jane", {"k": "v"})
    assert bench.body("mine")["metadata"]["finalizers"] == [names.FINALIZER], "before there was a row"
    assert len(bench.rows.rows) == 1


async def test_the_checkpoint_of_a_pause_that_somebody_creates_holds_the_drained_state() -> None:
    bench = Bench()
    bench.views.see_execution(bench.cluster.edit("sample", paused=True))
    name = pause_checkpoint(bench.execution.execution.identity, 2)
    await bench.ask(name)
    assert await bench.look() == pytest.approx(1), "looked at again, should nobody pause or drain"
    assert "status" not in bench.body(name)
    bench.views.see_execution(bench.cluster.edit("sample", paused=False))
    await bench.look()
    assert bench.condition(name, "Ready") == ("True", "Taken"), "resumed before it had drained: it is answered"


async def test_without_a_name_it_is_called_by_its_time() -> None:
    bench = Bench()
    await bench.ask("mine")
    await bench.look()
    [row] = bench.rows.rows.values()
    assert row.checkpoint.name.startswith("Manual checkpoint at ")


async def test_each_has_the_one_before_as_its_parent_and_ids_only_grow() -> None:
    bench = Bench()
    await bench.taken("c1")
    bench.now -= timedelta(hours=1)  # a clock that goes back
    await bench.taken("c2", "c3")
    first, second, third = (objects.view(bench.body(n)) for n in ("c1", "c2", "c3"))
    assert first.id < second.id < third.id
    assert first.parent is None
    assert second.parent is not None and (second.parent.id, second.parent.digest) == (first.id, first.digest)
    assert third.parent is not None and third.parent.id == second.id


async def test_a_name_that_is_taken_was_made_before() -> None:
    bench = Bench()
    bench.decide("c")
    await bench.look()
    bench.decide("c")
    await bench.look()
    assert bench.cluster.called("create Checkpoint") == bench.cluster.called("write_checkpoint_status") == ["c"]
    bench.views.checkpoints.forget(bench.body("c")["metadata"]["uid"])  # not heard of yet, after a restart
    bench.decide("c")
    await bench.look()
    assert bench.cluster.called("write_checkpoint_status") == ["c"]


async def test_a_refused_create_is_shown_and_tried_again() -> None:
    bench = Bench()
    bench.cluster.fail("create Checkpoint", Refused("quota", status=403))
    bench.decide("c", Trigger.BEFORE_CRITICAL, "b")
    with pytest.raises(Refused):
        await bench.look()
    assert "quota" in bench.views.seen(bench.uid).refused["c"].message
    await bench.look()
    assert bench.names() == ["c"]
    assert "c" not in bench.views.seen(bench.uid).refused


async def test_a_refused_create_holds_up_none_that_is_there() -> None:
    """A namespace that is being deleted takes nothing new, and goes only once its checkpoints are let go."""
    bench = Bench()
    await bench.taken("c")
    bench.cluster.fail("create Checkpoint", *[Refused("it is being terminated", status=403)] * 2)
    bench.decide("d")
    bench.decide("e")
    with pytest.raises(Refused):
        await deleted(bench, "c")
    assert bench.names() == []
    with pytest.raises(Refused):
        await bench.look()
    await bench.look()
    assert bench.names() == ["d", "e"], "in the order in which they were decided"
    assert bench.cluster.called("create Checkpoint") == ["c", "d", "d", "d", "e"]


async def test_what_was_to_be_saved_is_given_up_with_its_namespace() -> None:
    bench = Bench()
    bench.cluster.fail("create Checkpoint", Gone("namespaces default not found", status=404))
    bench.decide("c")
    await bench.look()
    await bench.look()
    assert bench.cluster.called("create Checkpoint") == ["c"], "not for ever"


async def test_a_status_that_changed_meanwhile_is_read_again() -> None:
    bench = Bench()
    bench.cluster.fail("write_checkpoint_status", Conflict("modified", status=409))
    bench.decide("c")
    assert await bench.look() == 0
    await bench.look()
    assert bench.condition("c", "Ready") == ("True", "Taken")


async def test_one_that_goes_while_it_is_taken_is_forgotten() -> None:
    bench = Bench()
    await bench.ask("c")
    del bench.cluster.objects["Checkpoint", "c"]
    assert await bench.look() is None
    assert len(bench.views.checkpoints) == 0


async def test_one_that_was_made_again_under_its_name_is_another_one() -> None:
    bench = Bench()
    await bench.ask("c")
    del bench.cluster.objects["Checkpoint", "c"]
    await bench.cluster.create({"kind": "Checkpoint", "metadata": {"name": "c", "namespace": "default"},
                                "spec": {"executionRef": {"name": "sample"}}})  # fmt: skip
    assert await bench.look() == 0
    await bench.look()
    assert bench.condition("c", "Ready") == ("True", "Taken")


# --- Failed ----------------------------------------------------------------------------------------------------------


async def test_no_such_execution() -> None:
    bench = Bench()
    await bench.ask("c", "another")
    await bench.look(type(LANE)("default", "another"))
    assert bench.condition("c", "Ready") == ("False", "ExecutionNotFound")
    assert bench.condition("c", "Stored") == ("False", "ExecutionNotFound")
    assert await bench.told_events() == ["CheckpointFailed"]


async def test_an_execution_that_was_created_again_is_another_one() -> None:
    bench = Bench()
    await bench.ask("c")
    bench.body("c")["status"] = {"executionUid": "uid-of-an-earlier-one"}
    bench.body("c")["metadata"]["resourceVersion"] = "999"
    bench.hear()
    await bench.look()
    assert bench.condition("c", "Ready") == ("False", "ExecutionNotFound")


def with_result(digest: str) -> Callable[[Bench], None]:
    """An execution whose job has completed with outputs of that digest."""

    def change(bench: Bench) -> None:
        body = bench.cluster.executions["sample"]
        done = {"id": "a", "state": "Completed", "attempt": 1, "result": digest, "finishedAt": "2026-01-31T08:00:00Z"}
        body["status"] = {"phase": "Running", "startedAt": "2026-01-31T08:00:00Z", "jobs": [done]}
        body["metadata"]["resourceVersion"] = "500"
        bench.views.see_execution(body)

    return change


async def test_a_result_that_is_gone_or_damaged_fails_it_and_nothing_else() -> None:
    bench = Bench()
    with_result("f" * 64)(bench)
    bench.cluster.objects["JobResult", "r"] = OUT
    await bench.ask("c")
    await bench.look()
    assert bench.condition("c", "Ready") == ("False", "ResultLost")
    await bench.ask("d")
    await bench.look()
    assert bench.cluster.called("list_results") == ["uid-of-sample"], "what is missing is not looked for again"


async def test_a_state_that_could_not_be_restored_is_not_saved() -> None:
    bench = Bench()
    body = bench.cluster.executions["sample"]
    body["status"] = {"phase": "Succeeded"}  # finished, but at no time
    body["metadata"]["resourceVersion"] = "500"
    await bench.ask("c")
    await bench.look()
    assert bench.condition("c", "Ready") == ("False", "SerializationFailed")


async def test_an_attempt_that_left_nothing_is_looked_for_once_and_saved_as_it_is() -> None:
    bench = Bench()
    body = bench.cluster.executions["sample"]
    body["status"] = {"phase": "Running", "jobs": [{"id": "a", "state": "Pending", "attempt": 1}]}
    body["metadata"]["resourceVersion"] = "500"
    bench.views.see_execution(body)
    for name in ("c1", "c2"):
        await bench.ask(name)
        await bench.look()
        assert bench.condition(name, "Ready") == ("True", "Taken")
    assert bench.cluster.called("list_results") == ["uid-of-sample"]


async def test_a_bug_in_the_serializer_costs_the_checkpoint_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(keeper, "cut", broken)
    bench = Bench()
    await bench.ask("c")
    await bench.look()
    assert bench.condition("c", "Ready") == ("False", "SerializationFailed")


async def test_an_api_server_that_does_not_answer_fails_nothing() -> None:
    bench = Bench()
    with_result("f" * 64)(bench)
    bench.cluster.fail("list_results", Unavailable("no answer", status=503))
    await bench.ask("c")
    with pytest.raises(Unavailable):
        await bench.look()
    assert "status" not in bench.body("c")


async def test_what_the_api_server_will_never_take_fails_and_holds_up_no_other() -> None:
    bench = Bench()
    await bench.ask("c1")
    await bench.ask("c2")
    bench.cluster.fail("write_checkpoint_status", Rejected("too long", status=422))
    await bench.look()
    assert (bench.condition("c1", "Ready"), bench.condition("c2", "Ready")) == (
        ("False", "SerializationFailed"), ("True", "Taken"),
    )  # fmt: skip


async def test_what_is_brought_in_is_left_to_whoever_fills_it() -> None:
    bench = Bench()
    await bench.bring_in("c")
    assert await bench.look() == pytest.approx(300, abs=1), "looked at again when it should have been filled"
    assert "status" not in bench.body("c"), "neither taken, though there is such an execution, nor failed"
    bench.fill("c")
    bench.hear()
    await bench.look()
    assert (bench.condition("c", "Ready"), bench.condition("c", "Stored")) == (("True", "Taken"), ("True", "Stored"))
    [row] = bench.rows.rows.values()
    assert row == objects.stored(bench.body("c"), TENANT)


async def test_what_is_brought_in_again_after_its_delete_says_that_the_database_has_no_row_of_it() -> None:
    bench = Bench()
    await bench.bring_in("c")
    bench.fill("c")
    bench.hear()
    id = bench.body("c")["status"]["checkpointId"]
    await bench.rows.bury(Grave(id, TENANT, bench.uid, "d"))
    await bench.look()
    assert (bench.condition("c", "Ready"), bench.condition("c", "Stored")) == (("True", "Taken"), ("False", "IdTaken"))
    assert not bench.rows.rows


async def test_what_is_brought_in_and_never_filled_fails() -> None:
    bench = Bench()
    await bench.bring_in("c")
    bench.now += timedelta(seconds=299)
    assert await bench.look() == pytest.approx(1, abs=0.1)
    bench.now += timedelta(seconds=2)
    await bench.look()
    assert bench.condition("c", "Ready") == ("False", "ImportIncomplete")
    assert await bench.told_events() == ["CheckpointFailed"]


async def test_one_that_cannot_be_reached_holds_up_no_other() -> None:
    bench = Bench()
    await bench.ask("c1")
    await bench.ask("c2")
    bench.cluster.fail("get_execution", Unavailable("no answer", status=503))
    with pytest.raises(Unavailable):
        await bench.look()
    assert "status" not in bench.body("c1")
    assert bench.condition("c2", "Ready") == ("True", "Taken")


async def test_an_execution_that_is_seen_here_first_is_looked_at() -> None:
    """Its event comes later, and brings nothing new by then."""
    bench = Bench()
    bench.cluster.add_execution("fresh", {"jobs": [{"id": "a", "image": "x"}]})
    await bench.ask("c", "fresh")
    await bench.look(type(LANE)("default", "fresh"))
    assert bench.told[0] == "uid-of-fresh"
    assert bench.views.see_execution(bench.cluster.executions["fresh"]) is None


async def test_an_execution_hears_of_its_checkpoint_even_if_what_follows_cannot_be_done() -> None:
    """A critical job waits for it."""
    bench = Bench()
    bench.decide("c")
    bench.cluster.fail("get_namespace_uid", Refused("too many requests", status=429))
    with pytest.raises(Refused):
        await bench.look()
    assert bench.condition("c", "Ready") == ("True", "Taken")
    assert bench.told == [bench.uid]


@pytest.mark.parametrize("read_again", [False, True])
async def test_an_execution_hears_of_a_checkpoint_that_somebody_else_has_taken(read_again: bool) -> None:
    """By the time its event comes, it brings nothing new."""
    other, bench = Bench(), Bench()
    bench.cluster = other.cluster
    bench.keeper._cluster = other.cluster
    if read_again:
        await bench.ask("c")
        other.views.checkpoints.see(bench.body("c"))
    other.decide("c")
    await other.look()
    bench.decide("c")
    await bench.keeper.look(LANE)
    assert bench.told[0] == bench.uid


# --- The database ----------------------------------------------------------------------------------------------------


async def test_without_a_database_it_says_so() -> None:
    bench = Bench(database=False)
    bench.decide("c")
    await bench.look()
    assert bench.condition("c", "Stored") == ("False", "NoDatabase")
    assert "finalizers" not in bench.body("c")["metadata"]
    await deleted(bench, "c")
    assert bench.names() == []


async def test_while_the_database_is_away_all_wait_and_one_tries() -> None:
    bench = Bench()
    bench.rows.fail("put", DOWN)
    await bench.taken("c1")
    assert bench.condition("c1", "Stored") == ("False", "DatabaseUnavailable")
    bench.decide("c2")
    await bench.keeper.look(LANE)
    assert bench.condition("c2", "Stored") == ("False", "DatabaseUnavailable"), "known from the start"
    await bench.carry()
    assert bench.rows.calls.count("put") == 1, "the next try comes later"
    assert bench.outbox.backlog() == 2
    bench.outbox.gate._until = 0
    await bench.carry()
    await bench.carry()
    assert len(bench.rows.rows) == 2
    assert bench.outbox.backlog() == 0
    assert bench.condition("c1", "Stored") == bench.condition("c2", "Stored") == ("True", "Stored")


@pytest.mark.parametrize(("error", "reason"), [(IdTaken("taken"), "IdTaken"), (NotMigrated("old"), "NotMigrated")])
async def test_what_only_a_person_can_put_right_is_told(error: Exception, reason: str) -> None:
    bench = Bench()
    bench.rows.fail("put", error)
    await bench.taken("c")
    assert bench.condition("c", "Stored") == ("False", reason)
    assert not bench.outbox.gate.closed


async def test_a_row_is_written_from_the_object_after_a_restart() -> None:
    bench = Bench()
    bench.rows.fail("put", DOWN)
    await bench.taken("c")
    again = Bench()
    again.cluster, again.rows = bench.cluster, bench.rows
    again.outbox._cluster, again.outbox._rows = bench.cluster, bench.rows
    again.hear()
    await again.carry()
    assert [objects.stored(bench.body("c"), TENANT)] == list(bench.rows.rows.values())


async def test_an_object_that_was_changed_is_not_carried_over() -> None:
    bench = Bench()
    bench.rows.fail("put", DOWN)
    await bench.taken("c")
    bench.outbox._contents.clear()
    bench.body("c")["status"]["state"] = bench.body("c")["status"]["state"].replace("busybox", "busyb0x")
    bench.outbox.gate.succeed()
    await bench.carry()
    assert bench.condition("c", "Stored") == ("False", "Damaged")
    assert bench.rows.rows == {}


async def test_a_pin_reaches_the_row() -> None:
    bench = Bench()
    await bench.taken("c")
    bench.body("c")["spec"]["pinned"] = True
    bench.body("c")["metadata"]["resourceVersion"] = "999"
    bench.hear()
    await bench.look()
    assert [r.checkpoint.pinned for r in bench.rows.rows.values()] == [True]


async def test_a_pin_that_cannot_reach_the_row_does_not_make_it_unstored() -> None:
    bench = Bench()
    await bench.taken("c")
    bench.body("c")["spec"]["pinned"] = True
    bench.body("c")["metadata"]["resourceVersion"] = "999"
    bench.hear()
    bench.rows.fail("pin", DOWN)
    await bench.look()
    assert bench.condition("c", "Stored") == ("True", "Stored")
    bench.outbox.gate._until = 0
    await bench.carry()
    assert [r.checkpoint.pinned for r in bench.rows.rows.values()] == [True]


# --- Too large for an object -----------------------------------------------------------------------------------------


async def test_a_large_state_is_ready_once_its_row_is_there() -> None:
    bench = Bench(limit=10)
    bench.decide("c")
    await bench.look()
    body = bench.body("c")
    assert "state" not in body["status"]
    assert (bench.condition("c", "Ready"), bench.condition("c", "Stored")) == (("True", "Taken"), ("True", "Stored"))
    [row] = bench.rows.rows.values()
    assert (row.checkpoint.id, row.content.digest) == (body["status"]["checkpointId"], body["status"]["digest"])


async def test_a_large_state_waits_for_the_database_under_one_id() -> None:
    bench = Bench(limit=10)
    bench.rows.fail("put", DOWN)
    bench.rows.fail("get", DOWN)
    bench.decide("c")
    assert await bench.look() == 2.0
    said = bench.body("c")["metadata"]["resourceVersion"]
    assert await bench.look() == 2.0
    assert bench.body("c")["metadata"]["resourceVersion"] == said, "the same is not said again"
    assert (bench.body("c")["status"]["phase"], bench.condition("c", "Ready")) == (
        "Pending", ("False", "DatabaseUnavailable"),
    )  # fmt: skip
    id = bench.body("c")["status"]["checkpointId"]
    await bench.look()
    assert (bench.body("c")["status"]["phase"], bench.body("c")["status"]["checkpointId"]) == ("Ready", id)


async def test_a_large_state_whose_row_was_written_before_a_crash_is_adopted() -> None:
    bench = Bench(limit=10)
    bench.cluster.fail("write_checkpoint_status")
    bench.decide("c")
    await bench.look()
    [row] = bench.rows.rows.values()
    status = bench.body("c")["status"]
    bench.body("c")["status"] = {"phase": "Pending", "checkpointId": status["checkpointId"],
                                 "executionUid": "uid-of-sample"}  # fmt: skip
    bench.body("c")["metadata"]["resourceVersion"] = "999"
    bench.views.see_execution(bench.cluster.edit("sample", paused=True))
    bench.hear()
    await bench.look()
    assert bench.body("c")["status"]["digest"] == row.content.digest


async def test_a_large_state_whose_row_is_there_outlives_its_execution() -> None:
    bench = Bench(limit=10)
    bench.decide("c")
    await bench.look()
    status = bench.body("c")["status"]
    bound = {"phase": "Pending", "checkpointId": status["checkpointId"], "executionUid": "uid-of-sample"}
    bench.body("c")["status"] = bound
    bench.body("c")["metadata"]["resourceVersion"] = "999"
    del bench.cluster.executions["sample"]
    bench.views.forget_execution("uid-of-sample")
    bench.hear()
    await bench.look()
    after = bench.body("c")["status"]
    told = ("phase", "checkpointId", "digest", "createdAt", "jobCount", "endedJobs", "executionStatus", "sizeBytes")
    assert {key: after[key] for key in told} == {key: status[key] for key in told}


async def test_a_large_state_without_a_row_fails_with_its_execution_and_keeps_its_id() -> None:
    bench = Bench(limit=10)
    bench.rows.fail("put", DOWN)
    bench.decide("c")
    await bench.look()
    id = bench.body("c")["status"]["checkpointId"]
    del bench.cluster.executions["sample"]
    bench.views.forget_execution("uid-of-sample")
    await bench.look()
    assert bench.condition("c", "Ready") == ("False", "ExecutionNotFound")
    assert bench.body("c")["status"]["checkpointId"] == id, "a row that comes late goes with the object"


async def test_what_was_settled_when_it_went_is_known_as_long_as_it_is_asked_for() -> None:
    bench = Bench()
    await bench.taken("c1", "c2")
    views = bench.views.checkpoints
    for seen in views:
        views.forget(seen.uid)
    assert set(views.departed(bench.uid, {"c1", "c3"})) == {"c1"}
    assert set(views.departed(bench.uid, {"c1", "c2"})) == {"c1"}, "the rest is forgotten"
    assert (views.departed(bench.uid, ()), views.departed(bench.uid, {"c1"})) == ({}, {})


async def test_an_answer_that_comes_after_the_end_brings_nothing_back() -> None:
    bench = Bench()
    await bench.taken("c")
    [seen] = bench.views.checkpoints
    bench.views.checkpoints.forget(seen.uid)
    bench.views.checkpoints.wrote(replace(seen, resource_version="9999"))
    assert len(bench.views.checkpoints) == 0


async def test_a_large_state_without_a_database_fails() -> None:
    bench = Bench(limit=10, database=False)
    bench.decide("c")
    await bench.look()
    assert bench.condition("c", "Ready") == ("False", "TooLarge")


# --- Deletes ---------------------------------------------------------------------------------------------------------


async def deleted(bench: Bench, name: str) -> None:
    meta = bench.body(name)["metadata"]
    await bench.cluster.delete_checkpoint("default", name, meta["uid"], meta["resourceVersion"])
    bench.hear()
    await bench.look()


async def test_a_delete_buries_the_row_and_lets_the_object_go() -> None:
    bench = Bench()
    await bench.taken("c")
    [id] = bench.rows.rows
    bench.body("c")["metadata"]["finalizers"].append("somebody/else")
    bench.body("c")["metadata"]["resourceVersion"] = "900"
    await deleted(bench, "c")
    assert (bench.rows.rows, list(bench.rows.buried)) == ({}, [id])
    assert bench.body("c")["metadata"]["finalizers"] == ["somebody/else"]


async def test_a_delete_that_comes_while_its_row_is_told_of_is_news_though_it_was_read_and_not_heard() -> None:
    bench = Bench()
    bench.decide("c")
    await bench.keeper.look(LANE)
    [seen] = bench.views.checkpoints
    await bench.cluster.delete_checkpoint("default", "c", seen.uid, seen.resource_version)
    news: list[str] = []
    bench.outbox.changed = lambda changed: news.append(changed.name)
    await bench.carry()  # that it is stored is refused, so it is read again, and its event brings nothing new any more
    assert (news, [c.deleting for c in bench.views.checkpoints]) == (["c"], [True])
    await bench.look()
    assert (bench.names(), len(bench.rows.buried)) == ([], 1)


async def test_a_delete_with_the_database_away_is_remembered_and_carried_out() -> None:
    bench = Bench()
    await bench.taken("c")
    bench.rows.fail("bury", DOWN)
    await deleted(bench, "c")
    assert bench.names() == []
    [remembered] = [b for (kind, _), b in bench.cluster.objects.items() if kind == "ConfigMap"]
    assert remembered["metadata"]["namespace"] == "home"
    assert len(bench.rows.rows) == 1
    await bench.sweeper.sweep()
    assert bench.rows.rows == {}
    assert not [1 for kind, _ in bench.cluster.objects if kind == "ConfigMap"]


async def test_the_delete_of_one_that_a_user_made_and_that_has_no_row_yet_leaves_a_trace() -> None:
    bench = Bench()
    bench.rows.fail("put", *[DOWN] * 9)
    await bench.taken("first")  # from now on the database is known to be away, and nothing is tried
    await bench.ask("mine")
    await bench.look()
    id = bench.body("mine")["status"]["checkpointId"]
    assert bench.condition("mine", "Stored")[0] == "False"
    await deleted(bench, "mine")
    await bench.sweeper.sweep()
    assert list(bench.rows.buried) == [id]
    assert bench.rows.calls.count("put") == 1


async def test_a_delete_that_is_remembered_while_others_are_carried_out_has_its_turn_at_the_next_sweep(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench()
    late = Grave("checkpoint_2", TENANT, bench.uid, "d")
    await bench.outbox.farewells.remember(Grave("checkpoint_1", TENANT, bench.uid, "d"))
    listing = bench.cluster.list_config_maps

    async def slow(*given: Any) -> Any:
        found = await listing(*given)
        await bench.outbox.farewells.remember(late)
        return found

    monkeypatch.setattr(bench.cluster, "list_config_maps", slow)
    await bench.sweeper.sweep()
    monkeypatch.undo()
    assert set(bench.rows.buried) == {"checkpoint_1"}
    await bench.sweeper.sweep()
    assert set(bench.rows.buried) == {"checkpoint_1", "checkpoint_2"}
    bench.rows.fail("bury", DOWN)
    await bench.outbox.farewells.remember(late)
    with pytest.raises(StoreUnavailable):
        await bench.sweeper.sweep()
    assert bench.outbox.farewells.any, "what failed is tried again"


async def test_a_delete_that_may_yet_be_remembered_is_looked_for_until_that_is_over() -> None:
    bench = Bench()
    farewells = bench.outbox.farewells
    bench.now += timedelta(minutes=6)
    await bench.sweeper.sweep()
    assert not farewells.any
    bench.cluster.fail("create ConfigMap", Unavailable("no answer"))
    grave = Grave("checkpoint_1", TENANT, bench.uid, "d")
    with pytest.raises(Unavailable):
        await farewells.remember(grave)
    await bench.sweeper.sweep()
    await bench.cluster.create(graves.remembered(grave, "home", "late"))
    await bench.sweeper.sweep()
    assert set(bench.rows.buried) == {"checkpoint_1"} and farewells.any
    bench.now += timedelta(minutes=6)
    await bench.sweeper.sweep()
    assert not farewells.any


async def test_a_delete_that_a_killed_operator_has_sent_to_be_remembered_is_looked_for_by_the_next() -> None:
    bench = Bench()
    await bench.sweeper.sweep()
    await bench.cluster.create(graves.remembered(Grave("checkpoint_1", TENANT, bench.uid, "d"), "home", "late"))
    bench.now += timedelta(minutes=5)
    await bench.sweeper.sweep()
    assert set(bench.rows.buried) == {"checkpoint_1"} and not bench.outbox.farewells.any
    assert not [name for kind, name in bench.cluster.objects if kind == "ConfigMap"]


async def test_a_delete_is_remembered_at_the_next_try_where_there_were_too_many_requests() -> None:
    bench = Bench()
    await bench.taken("c")
    bench.rows.fail("bury", DOWN)
    bench.cluster.fail("create ConfigMap", Refused("too many requests", status=429))
    with pytest.raises(Refused):
        await deleted(bench, "c")
    assert bench.names() == ["c"]
    await bench.look()
    assert (bench.names(), len([1 for kind, _ in bench.cluster.objects if kind == "ConfigMap"])) == ([], 1)


async def test_a_delete_that_cannot_be_remembered_leaves_a_row_and_hangs_nothing() -> None:
    bench = Bench()
    await bench.taken("c")
    bench.rows.fail("bury", DOWN)
    bench.cluster.fail("create ConfigMap", Refused("forbidden", status=403))
    await deleted(bench, "c")
    assert (bench.names(), len(bench.rows.rows)) == ([], 1)


async def test_one_that_was_never_taken_goes_without_a_word() -> None:
    bench = Bench()
    await bench.ask("c")
    bench.body("c")["metadata"]["finalizers"] = [names.FINALIZER]
    bench.body("c")["metadata"]["resourceVersion"] = "900"
    await deleted(bench, "c")
    assert (bench.names(), bench.rows.calls) == ([], [])


async def test_what_a_restore_comes_to_need_while_others_are_retired_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    await bench.taken("c1", "c2", "c3")
    deleting = bench.cluster.delete_checkpoint

    async def delete(*given: Any) -> None:
        asked = {"checkpointName": "c2", "requestId": "r"}
        bench.views.see_execution(bench.cluster.edit("sample", restoreFrom=asked))
        await deleting(*given)

    monkeypatch.setattr(bench.cluster, "delete_checkpoint", delete)
    bench.views.see_execution(bench.cluster.edit("sample", checkpoint={"retentionCount": 1}))
    await bench.look()
    bench.hear()
    assert bench.cluster.called("delete_checkpoint") == ["c1"]


async def test_a_delete_is_told_once_whoever_made_it() -> None:
    bench = Bench(checkpoint={"retentionCount": 1})
    await bench.taken("c1", "c2")
    seen = {name: objects.view(bench.body(name)) for name in ("c1", "c2")}
    bench.hear()
    await bench.look()  # c1 is retired
    for each in seen.values():
        bench.keeper.gone(each)
    told = await bench.told_events()
    assert (told.count("CheckpointRetired"), told.count("CheckpointDeleted")) == (1, 1)


# --- Lifetimes -------------------------------------------------------------------------------------------------------


async def test_retention_follows_a_new_one() -> None:
    bench = Bench(checkpoint={"retentionCount": 2})
    await bench.taken("c1", "c2", "c3")
    await bench.look()  # the delete has not been heard of yet
    bench.hear()
    await bench.look()
    assert bench.names() == ["c2", "c3"]
    assert bench.cluster.called("delete_checkpoint") == ["c1"]
    assert (await bench.told_events()).count("CheckpointRetired") == 1


async def test_what_a_pause_goes_back_to_is_kept() -> None:
    bench = Bench(checkpoint={"retentionCount": 1})
    body = bench.cluster.executions["sample"]
    body["status"] = {"phase": "Running", "pause": {"phase": "Paused", "since": "2026-01-31T08:00:00.000Z"}}
    body["metadata"]["resourceVersion"] = "500"
    bench.views.see_execution(body)
    await bench.taken("of-the-pause", "c2", "c3")
    bench.hear()
    await bench.look()
    bench.hear()
    assert bench.names() == ["c3", "of-the-pause"]


async def test_what_a_fork_starts_from_is_kept() -> None:
    bench = Bench(checkpoint={"retentionCount": 1})
    bench.views.see_execution(
        bench.cluster.add_execution("fork", {"restoreFrom": {"checkpointName": "c1"}})
    )  # fmt: skip
    await bench.taken("c1", "c2", "c3")
    bench.hear()
    await bench.look()
    bench.hear()
    assert bench.names() == ["c1", "c3"]


async def test_checkpoints_outlive_their_execution_and_go_when_their_time_is_over() -> None:
    bench = Bench(checkpoint={"retention": {"afterDeletionSeconds": 60}})
    await bench.taken("c1", "c2")
    bench.body("c2")["spec"]["pinned"] = True
    bench.body("c2")["metadata"]["resourceVersion"] = "900"
    bench.hear()
    del bench.cluster.executions["sample"]
    bench.views.forget_execution(bench.uid)
    wait = await bench.look()
    assert wait is not None and 59 < wait <= 60
    assert "expiresAt" in bench.body("c1")["status"] and "expiresAt" not in bench.body("c2")["status"]
    bench.now = NOW + timedelta(seconds=70)
    await bench.look()
    bench.hear()
    await bench.look()
    assert bench.names() == ["c2"]
    assert "CheckpointExpired" in await bench.told_events()


async def test_with_deletion_policy_delete_they_go_with_it() -> None:
    bench = Bench(checkpoint={"deletionPolicy": "Delete"})
    await bench.taken("c1")
    del bench.cluster.executions["sample"]
    bench.views.forget_execution(bench.uid)
    await bench.look()
    bench.hear()
    await bench.look()
    assert (bench.names(), bench.rows.rows) == ([], {})


async def test_an_execution_that_is_only_not_seen_yet_is_not_gone() -> None:
    bench = Bench(checkpoint={"deletionPolicy": "Delete"})
    await bench.taken("c1")
    bench.views.forget_execution(bench.uid)
    await bench.look()
    assert bench.cluster.called("delete_checkpoint") == []


# --- Forks -----------------------------------------------------------------------------------------------------------


async def test_a_fork_is_not_saved_before_its_jobs_are_read() -> None:
    bench = Bench()
    body = bench.cluster.edit("sample", restoreFrom={"checkpointName": "before"}, jobs=[])
    origin = Origin("checkpoint_1769846400000_abcdefgh", "before", "0" * 64, "default", "other", "uid-of-other")
    restored = restored_to_wire(RestoredFrom(Mode.FORK, origin, NOW, 0, configs="configs"))
    body["status"] = {"startedAt": format_time(NOW), "restoredFrom": restored, "phase": "Running"}
    bench.cluster.executions["sample"] = body
    bench.views.see_execution(body)
    await bench.ask("mine")
    assert await bench.look() is not None
    assert (bench.body("mine").get("status"), bench.told) == (None, [bench.uid])
    jobs = [{"id": "a", "image": "busybox"}]
    bench.views.borrow(bench.uid, Borrowed("configs", {"jobs": jobs}))
    await bench.look()
    state = deserialize(objects.stored(bench.body("mine"), "").content)
    assert [job["id"] for job in state.spec["jobs"]] == ["a"]


# --- Clocks ----------------------------------------------------------------------------------------------------------


async def test_however_the_clock_is_turned_ids_sort_as_the_chain_goes_and_follow_the_restore() -> None:
    bench = Bench()
    await bench.taken("c1")
    bench.now += timedelta(hours=3)
    body, source = bench.cluster.executions["sample"], bench.body("c1")["status"]
    origin = Origin(source["checkpointId"], "c1", source["digest"], "default", "sample", bench.uid)
    restored = restored_to_wire(RestoredFrom(Mode.REWIND, origin, bench.now, 0))
    body["status"] = body.get("status", {}) | {"restoredFrom": restored}
    bench.views.see_execution(bench.cluster.edit("sample"))
    bench.now -= timedelta(hours=3)
    await bench.taken("c2", "c3")
    [first, second, third] = [bench.body(name)["status"] for name in ("c1", "c2", "c3")]
    assert first["checkpointId"] < second["checkpointId"] < third["checkpointId"]
    assert second["createdAt"] > restored["at"], "it was taken after the restore"
    assert [each["parent"]["checkpointId"] for each in (second, third)] == [
        first["checkpointId"], second["checkpointId"],
    ]  # fmt: skip


# --- Sweeps ----------------------------------------------------------------------------------------------------------


async def test_a_row_that_was_lost_is_written_again_and_a_row_without_object_stays() -> None:
    bench = Bench()
    await bench.taken("c1", "c2")
    first, second = sorted(bench.rows.rows)
    kept = bench.rows.rows.pop(first)
    await bench.sweeper.sweep()
    assert bench.rows.rows[first] == kept
    del bench.cluster.objects["Checkpoint", "c2"]  # without a delete: an older etcd was restored
    bench.hear()
    await bench.sweeper.sweep()
    assert second in bench.rows.rows


async def test_a_large_state_whose_row_is_lost_is_not_ready_any_more() -> None:
    bench = Bench(limit=10)
    bench.decide("c")
    await bench.look()
    bench.rows.rows.clear()
    await bench.sweeper.sweep()
    assert (bench.body("c")["status"]["phase"], bench.condition("c", "Ready")) == ("Failed", ("False", "RowLost"))


async def test_a_row_that_is_pinned_otherwise_is_set_right() -> None:
    bench = Bench()
    await bench.taken("c")
    [id] = bench.rows.rows
    await bench.rows.pin([], id, True)
    await bench.sweeper.sweep()
    assert not bench.rows.rows[id].checkpoint.pinned


async def test_one_whose_delete_was_missed_is_forgotten_by_a_sweep_and_the_others_are_not() -> None:
    bench = Bench()
    await bench.taken("c1", "c2")
    del bench.cluster.objects["Checkpoint", "c1"]
    bench.rows.rows.pop(min(bench.rows.rows))
    await bench.sweeper.sweep()
    assert [c.name for c in bench.views.checkpoints] == ["c2"]


async def test_a_namespace_that_is_gone_is_forgotten() -> None:
    bench = Bench()
    await bench.taken("c")
    bench.outbox.forget_tenant("default")
    bench.cluster.fail("get_namespace_uid", Gone("no such namespace", status=404))
    await bench.sweeper.sweep()
    assert len(bench.views.checkpoints) == 0


