"""The one loop: what is done in which order, and what becomes of refusals, conflicts and faults."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from cairn import names
from cairn.app import finder, launches, logs, pace, reconcile
from cairn.app.checkpoints.archive import Archive
from cairn.app.events import EventWriter
from cairn.app.executions import Key
from cairn.app.reconcile import Reconciler
from cairn.app.restores import Restores
from cairn.app.views import Views
from cairn.config import Settings
from cairn.core.actions import Hold, KeepLogTail, LookUp, Release, SaveResult, StopJob
from cairn.core.checkpoint import objects, payload
from cairn.core.checkpoint.trigger import Trigger
from cairn.core.manifests import Identity
from cairn.core.observed import Refusal
from cairn.core.outputs import Outputs
from cairn.core.status import JobState
from cairn.core.times import format_time
from cairn.errors import ApiError, Conflict, Gone, Refused, Rejected, Unavailable
from simulation.build import NOW
from support.states import completed, pending, state_of
from support.stored import Tenant
from unit.app.fake_cluster import FakeCluster

Body = dict[str, Any]
SPEC = {"jobs": [{"id": "a", "image": "busybox"}, {"id": "b", "image": "busybox", "dependsOn": ["a"]}]}
CONFLICT = Conflict("modified", status=409)
GONE = Gone("not found", status=404)
QUOTA = Refused("exceeded quota", status=403)
DOWN = Unavailable("no answer", status=503)


class Bench:
    """A reconciler, what it has seen, and the cluster that it works on."""

    def __init__(self, spec: Body, name: str = "sample") -> None:
        self.cluster = FakeCluster()
        self.now = NOW
        self.looks: list[Key] = []
        self.name = name
        self.restart()
        key = self.views.see_execution(self.cluster.add_execution(name, spec))
        assert key is not None
        self.key = key

    def restart(self) -> None:
        """Start another operator, which has seen nothing yet."""
        self.views = Views()
        events, archive = EventWriter(self.cluster, self._clock), Archive(self.cluster)
        restores = Restores(self.cluster, self.views, None, self.cluster.get_namespace_uid, self._clock, Settings())
        self.reconciler = Reconciler(self.cluster, self.views, self._clock, events, archive, restores)
        self.reconciler.enqueue = self.looks.append

    def _clock(self) -> datetime:
        return self.now

    async def look(self) -> float | None:
        return await self.reconciler.reconcile(self.key)

    async def settle(self) -> None:
        """Look until there is nothing more to do for now."""
        for _ in range(20):
            if (await self.look()) not in (0, pace.WRITE_SOONEST / 4):
                return
        raise AssertionError("a hot loop")

    async def background(self) -> None:
        """Let what was started beside the loop come to its end."""
        while self.reconciler._background:
            await asyncio.sleep(0)

    def see(self) -> None:
        """Let the watch of executions catch up."""
        self.views.see_execution(self.cluster.executions[self.name])

    @property
    def status(self) -> Body:
        return dict(self.cluster.executions[self.name].get("status", {}))

    def record(self, job: str) -> Body:
        return next(r for r in self.status["jobs"] if r["id"] == job)

    def jobs(self) -> list[Body]:
        return [body for (kind, _), body in self.cluster.objects.items() if kind == "Job"]

    def pod(self, phase: str, said: str = "", code: int = 0) -> Body:
        """Bring a pod of the newest Kubernetes Job, as a watch does."""
        job = self.jobs()[-1]["metadata"]
        labels = job["labels"] | {"batch.kubernetes.io/job-name": job["name"]}
        ended = {"exitCode": code, "message": said, "reason": "Completed" if not code else "Error"}
        body = {
            "metadata": {"name": f"pod-{job['name']}", "uid": f"pod-{job['name']}", "labels": labels,
                         "ownerReferences": [{"uid": job["uid"], "controller": True}]},
            "spec": {"containers": [{"name": "main"}]},
            "status": {"phase": phase, "containerStatuses": [{"name": "main", "state": {"terminated": ended}}]},
        }  # fmt: skip
        self.views.see_pod(body)
        return body


@pytest.fixture
async def make() -> AsyncIterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def build(spec: Body = SPEC, **more: Any) -> Bench:
        made.append(Bench(spec | more))
        return made[-1]

    yield build
    for bench in made:
        await bench.reconciler.close()


Make = Callable[..., Bench]


# --- The order of effects --------------------------------------------------------------------------------------------


async def test_the_intent_is_stored_before_the_job_is_created(make: Make) -> None:
    bench = make()
    assert await bench.look() == pace.WRITE_SOONEST / 4
    assert [call for call, _ in bench.cluster.calls] == ["write_status", "create Job"]
    assert bench.record("a")["state"] == "Running"
    assert (bench.jobs()[0]["metadata"]["labels"][names.LABEL_JOB]) == "a"


async def test_the_result_is_stored_before_the_status_that_names_it(make: Make) -> None:
    bench = make()
    await bench.settle()
    bench.pod("Succeeded", '{"rows": 3}')
    bench.cluster.calls.clear()
    await bench.look()
    assert [call for call, _ in bench.cluster.calls][:3] == ["create JobResult", "write_status", "create ConfigMap"]
    assert bench.record("a")["result"] == Outputs('{"rows": 3}').digest


async def test_a_refused_status_write_drops_the_whole_plan(make: Make) -> None:
    bench = make()
    bench.cluster.edit("sample", paused=True)
    assert await bench.look() == 0
    assert bench.jobs() == []
    await bench.settle()
    assert (bench.jobs(), bench.status["pause"]["phase"]) == ([], "Paused")


async def test_nothing_happens_when_the_write_gets_no_answer(make: Make) -> None:
    bench = make()
    bench.cluster.fail("write_status", DOWN)
    with pytest.raises(Unavailable):
        await bench.look()
    assert bench.jobs() == []


async def test_one_create_without_an_answer_does_not_keep_others_from_being_tried(make: Make) -> None:
    bench = make(jobs=[{"id": name, "image": "x"} for name in "abc"])
    bench.cluster.fail("create Job", DOWN)
    with pytest.raises(Unavailable):
        await bench.look()
    assert len(bench.jobs()) == 2
    await bench.settle()
    assert len(bench.jobs()) == 3


async def test_events_are_written_once_the_status_is_stored_whatever_fails_after_it(make: Make) -> None:
    bench = make()
    bench.cluster.fail("create Job", DOWN)
    writer = asyncio.create_task(bench.reconciler._events.run())
    with pytest.raises(Unavailable):
        await bench.look()
    await bench.reconciler._events.drain()
    writer.cancel()
    assert [event["reason"] for event in bench.cluster.events] == ["Launched"]


async def test_what_is_not_known_is_left_alone(make: Make) -> None:
    bench = make()
    bench.views.forget_execution(bench.key.uid)
    assert await bench.look() is None
    assert bench.cluster.calls == []


# --- Stale views -----------------------------------------------------------------------------------------------------


async def test_an_execution_that_is_gone_is_forgotten(make: Make) -> None:
    bench = make()
    bench.cluster.executions.clear()
    assert await bench.look() is None
    assert bench.views.keys() == []


async def test_a_successor_of_the_same_name_is_left_to_its_own_events(make: Make) -> None:
    bench = make()
    bench.cluster.add_execution("sample", SPEC, uid="another")
    assert await bench.look() is None
    assert bench.views.keys() == []
    assert bench.jobs() == []


async def test_something_else_that_is_gone_is_no_hot_loop(make: Make) -> None:
    """Such as a kind that is not installed: the execution is as it was."""
    bench = make()
    await bench.settle()
    bench.pod("Failed", "no", 1)
    bench.cluster.fail("create JobResult", GONE, GONE)
    assert await bench.look() == reconcile.AFTER_ERROR
    assert bench.record("a")["state"] == "Running"


# --- Deferred writes -------------------------------------------------------------------------------------------------


async def test_what_nothing_depends_on_is_written_a_moment_later(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "WRITE_SOONEST", 0.02)
    bench = make()
    await bench.look()
    writes = len(bench.cluster.called("write_status"))
    wait = await bench.look()
    assert wait is not None and 0 < wait < 0.021
    assert "uid" not in bench.record("a")
    await asyncio.sleep(0.03)
    await bench.look()
    assert bench.record("a")["uid"] == bench.jobs()[0]["metadata"]["uid"]
    assert len(bench.cluster.called("write_status")) == writes + 1


async def test_what_is_deferred_goes_with_what_is_not(make: Make) -> None:
    bench = make()
    await bench.look()
    assert await bench.look() != 0
    bench.pod("Succeeded")
    await bench.look()
    assert bench.record("a")["state"] == "Completed"
    assert bench.reconciler._deferred == {}


async def test_nothing_stays_deferred_for_an_execution_that_was_deleted(make: Make) -> None:
    bench = make()
    await bench.look()
    await bench.look()
    assert bench.key.uid in bench.reconciler._deferred
    bench.views.forget_execution(bench.key.uid)
    await bench.reconciler.reconcile(bench.key)
    assert bench.reconciler._deferred == {}


# --- Launching -------------------------------------------------------------------------------------------------------


def refusal(bench: Bench) -> Refusal:
    (found,) = bench.views.seen(bench.key.uid).refused.values()
    return found


async def test_a_refused_create_is_tried_again_later_each_time(make: Make) -> None:
    bench = make()
    waits = []
    for _ in range(7):
        bench.cluster.fail("create Job", QUOTA)
        await bench.look()
        waits.append((refusal(bench).retry_at - bench.now).total_seconds())
        bench.now = refusal(bench).retry_at
    assert waits == [1, 2, 4, 8, 16, 30, 30]
    await bench.look()
    assert len(bench.jobs()) == 1
    assert bench.views.seen(bench.key.uid).refused == {}


async def test_the_server_may_say_when_to_try_again(make: Make) -> None:
    bench = make()
    bench.cluster.fail("create Job", Refused("busy", status=429, retry_after=12))
    await bench.look()
    assert refusal(bench).retry_at == NOW + timedelta(seconds=12)


async def test_a_rejected_create_fails_the_job(make: Make) -> None:
    bench = make()
    bench.cluster.fail("create Job", Rejected("image: must not be empty", status=422))
    await bench.settle()
    assert (bench.record("a")["state"], bench.record("a")["reason"]) == ("Failed", names.LAUNCH_REJECTED)
    assert bench.status["phase"] == "Failed"


async def test_a_create_that_took_effect_without_an_answer_is_adopted(make: Make) -> None:
    bench = make()
    await bench.look()
    bench.views.seen(bench.key.uid).jobs.clear()
    await bench.settle()
    assert len(bench.jobs()) == 1
    assert len(bench.cluster.called("create Job")) == 2
    assert set(bench.views.observe(bench.key.uid, NOW).jobs) == {bench.jobs()[0]["metadata"]["name"]}


async def test_a_name_that_is_taken_by_somebody_else_fails_the_job(make: Make) -> None:
    bench = make()
    await bench.look()
    bench.views.seen(bench.key.uid).jobs.clear()
    del bench.jobs()[0]["metadata"]["ownerReferences"]
    await bench.settle()
    assert bench.record("a")["reason"] == names.NAME_TAKEN


async def test_a_taken_name_that_is_free_again_is_looked_at_again(make: Make) -> None:
    bench = make()
    await bench.look()
    bench.views.seen(bench.key.uid).jobs.clear()
    bench.cluster.fail("get_job", GONE)
    assert await bench.look() == 0


async def test_inputs_come_before_the_job_and_are_made_once(make: Make) -> None:
    bench = make(params={"n": 1}, jobs=[{"id": "a", "image": "x"}, {"id": "b", "image": "x"}])
    await bench.look()
    assert len([key for key in bench.cluster.objects if key[0] == "ConfigMap"]) == 1
    assert [call for call, _ in bench.cluster.calls].index("create ConfigMap") == 1
    assert len(bench.jobs()) == 2


@pytest.mark.parametrize(
    "known",
    [
        pytest.param({"uid": "uid-of-a-job", "reason": names.WAITING}, id="its Job was created"),
        pytest.param({"attempt": 2, "reason": names.LAUNCHING}, id="it has failed and is tried again"),
        pytest.param({"state": "Failed", "reason": names.LAUNCH_REJECTED}, id="it has ended"),
        pytest.param(None, id="its execution is gone"),
    ],
)
async def test_what_becomes_known_to_be_created_while_inputs_are_made_is_not_created_again(
    make: Make, monkeypatch: pytest.MonkeyPatch, known: Body | None
) -> None:  # fmt: skip
    """Another replica has created it, and somebody has deleted it since: its name is free, and its time was."""
    bench = make(params={"n": 1})
    creating = bench.cluster.create

    async def create(manifest: Body) -> Body:
        if manifest["kind"] == "ConfigMap" and known is None:
            bench.views.forget_execution(bench.key.uid)
        elif manifest["kind"] == "ConfigMap":
            body = bench.cluster.executions[bench.name]
            body["status"]["jobs"][0] |= known
            body["metadata"]["resourceVersion"] = "900"
            bench.views.see_execution(body)
        return await creating(manifest)

    monkeypatch.setattr(bench.cluster, "create", create)
    await bench.look()
    assert (bench.jobs(), len(bench.cluster.called("create Job"))) == ([], 0)


@pytest.mark.parametrize("edit", [{"paused": True}, {"cancel": {"requestId": "1"}}], ids=["paused", "cancelled"])
async def test_a_pause_while_recorded_launches_are_created_holds_for_those_that_are_not_yet(
    make: Make, monkeypatch: pytest.MonkeyPatch, edit: Body
) -> None:
    bench = make(jobs=[{"id": name, "image": "x"} for name in "abcde"])
    creating = bench.cluster.create

    async def create(manifest: Body) -> Body:
        if manifest["kind"] == "Job" and len(bench.jobs()) == 1:
            bench.cluster.edit(bench.name, **edit)
            bench.see()
        return await creating(manifest)

    monkeypatch.setattr(bench.cluster, "create", create)
    assert await bench.look() == 0, "the next look settles the others"
    assert [job["spec"]["suspend"] for job in bench.jobs()] == [False, False], "the one under way is too late"
    await bench.settle()
    assert [job["spec"]["suspend"] for job in bench.jobs()[2:]] == [True, True, True]


CROWD = [f"j{number}" for number in range(2 * launches.AHEAD + 20)]


def crowd(make: Make, **spec: Any) -> Bench:
    """An execution whose jobs may all start at once."""
    bench = make(jobs=[{"id": name, "image": "x"} for name in CROWD], **spec)
    bench.reconciler.enqueue_after = lambda key, seconds: bench.looks.append(key)
    return bench


def created(bench: Bench) -> list[str]:
    return [job["metadata"]["labels"][names.LABEL_JOB] for job in bench.jobs()]


async def seen(bench: Bench, *pods: str) -> None:
    """The pods of these jobs have appeared, and what follows from that has happened."""
    for job in bench.jobs():
        if job["metadata"]["labels"][names.LABEL_JOB] in pods:
            bench.reconciler.pod_seen(bench.key.uid, job["metadata"]["name"])
    for _ in range(20):
        await asyncio.sleep(0)


async def test_all_launches_are_recorded_at_once_and_created_so_far_ahead_of_their_pods(make: Make) -> None:
    bench = crowd(make)
    await bench.look()
    assert {record["state"] for record in bench.status["jobs"]} == {"Running"}
    assert created(bench) == CROWD[: launches.AHEAD]
    await bench.settle()
    assert len(created(bench)) == launches.AHEAD, "a look brings no more"

    writes = bench.cluster.calls.count(("write_status", "sample"))
    await seen(bench, *CROWD[:20])
    assert created(bench) == CROWD[: launches.AHEAD + 20], "each pod makes room for one more, in order"
    await seen(bench, *CROWD[:20])
    assert len(created(bench)) == launches.AHEAD + 20, "and once"
    assert bench.cluster.calls.count(("write_status", "sample")) == writes
    assert bench.looks, "what was created is looked at"
    await seen(bench, *CROWD[20:])
    await seen(bench, *CROWD[20:])
    assert created(bench) == CROWD
    await bench.background()


async def test_a_kubernetes_job_that_gets_no_pod_keeps_nothing_from_its_turn_for_long(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launches, "NOT_COMING", 0.01)
    bench = crowd(make)
    await bench.look()
    await asyncio.wait_for(bench.background(), 5)
    assert created(bench) == CROWD


@pytest.mark.parametrize("asked", [{"paused": True}, {"cancel": {"requestId": "1"}}], ids=["pause", "cancel"])
async def test_what_is_recorded_and_not_created_is_held_by_a_pause_or_a_cancel_all_of_it(
    make: Make, asked: Body
) -> None:
    bench = crowd(make)
    await bench.look()
    bench.cluster.edit(bench.name, **asked)
    bench.see()
    await bench.settle()
    held = [job["metadata"]["labels"][names.LABEL_JOB] for job in bench.jobs()[launches.AHEAD :]]
    assert sorted(held) == sorted(CROWD[launches.AHEAD :])
    assert all(job["spec"]["suspend"] for job in bench.jobs()[launches.AHEAD :])
    await seen(bench, *CROWD)
    await bench.background()
    assert len(bench.cluster.called("create Job")) == len(CROWD), "whose turn comes now finds that it is done"


async def test_whose_turn_comes_after_an_edit_is_created_as_the_spec_says_by_then(make: Make) -> None:
    bench = crowd(make)
    await bench.look()
    bench.cluster.edit(bench.name, jobs=[{"id": name, "image": "newer"} for name in CROWD])
    bench.see()
    while len(bench.jobs()) < len(CROWD):
        await seen(bench, *CROWD)
        await bench.look()
    images = [job["spec"]["template"]["spec"]["containers"][0]["image"] for job in bench.jobs()]
    assert images == ["x"] * launches.AHEAD + ["newer"] * (len(CROWD) - launches.AHEAD)
    assert created(bench) == CROWD


async def test_a_job_taken_out_before_its_turn_is_not_given_up_while_it_may_be_created(make: Make) -> None:
    bench = crowd(make)
    await bench.look()
    bench.cluster.edit(bench.name, jobs=[{"id": name, "image": "x"} for name in CROWD[:-1]])
    bench.see()
    await bench.settle()
    assert bench.record(CROWD[-1])["state"] == "Running"
    while len(bench.jobs()) < len(CROWD) - 1:
        await seen(bench, *CROWD)
        await bench.look()
    await bench.settle()
    assert (bench.record(CROWD[-1])["reason"], created(bench)) == ("Removed", CROWD[:-1])


async def test_whose_turn_ends_in_an_error_is_looked_at_again(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile, "AFTER_ERROR", 0.0)
    bench = crowd(make)
    await bench.look()
    await bench.look()
    bench.looks.clear()
    bench.cluster.fail("create Job", DOWN)
    await seen(bench, CROWD[0])
    failing, following = CROWD[launches.AHEAD : launches.AHEAD + 2]
    assert created(bench) == [*CROWD[: launches.AHEAD], following], "its place was free for the next one"
    assert bench.looks
    await bench.look()
    while len(bench.jobs()) < len(CROWD):
        await seen(bench, *CROWD)
    assert created(bench) == [*(name for name in CROWD if name != failing), failing]


async def test_a_look_right_after_such_an_error_loses_no_launch(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile, "AFTER_ERROR", 0.05)
    bench = crowd(make)
    await bench.look()
    await bench.look()
    bench.cluster.fail("create Job", DOWN)
    await seen(bench, CROWD[0])
    await bench.look()
    async with asyncio.timeout(5):
        while len(bench.jobs()) < len(CROWD):
            await seen(bench, *CROWD)
            await asyncio.sleep(0.01)
            while bench.looks:
                bench.looks.clear()
                await bench.look()
    assert sorted(created(bench)) == sorted(CROWD)


async def test_of_an_execution_that_is_gone_nothing_more_is_created(make: Make) -> None:
    bench = crowd(make)
    await bench.look()
    bench.views.forget_execution(bench.key.uid)
    await seen(bench, *CROWD)
    assert await bench.look() is None
    await bench.background()
    assert len(bench.jobs()) == launches.AHEAD


# --- Stopping, holding, releasing ------------------------------------------------------------------------------------


async def launched(bench: Bench) -> Body:
    await bench.look()
    (job,) = bench.jobs()
    return job


@pytest.mark.parametrize(
    ("kind", "spec", "held"),
    [
        pytest.param("stop", {"suspend": True, "parallelism": 0}, None, id="stopped for good"),
        pytest.param("hold", {"suspend": True, "parallelism": 1}, "9", id="held"),
        pytest.param("release", {"suspend": False, "parallelism": 1}, None, id="released"),
    ],
)
async def test_a_job_is_patched(make: Make, kind: str, spec: Body, held: str | None) -> None:
    bench = make()
    meta = (await launched(bench))["metadata"]
    name, uid, version = meta["name"], meta["uid"], meta["resourceVersion"]
    action = {"stop": StopJob(name, uid), "hold": Hold(name, uid, version, 9), "release": Release(name, uid, version)}[
        kind
    ]
    view = bench.views.execution(bench.key.uid)
    assert view is not None
    assert await bench.reconciler._perform(view, action) is None
    (job,) = bench.jobs()
    assert {key: job["spec"][key] for key in spec} == spec
    assert job["metadata"]["annotations"].get(names.ANNOTATION_HELD) == held
    assert bench.views.observe(bench.key.uid, NOW).jobs[name].suspended is spec["suspend"]


@pytest.mark.parametrize("kind", ["hold", "release"])
async def test_what_names_an_older_version_of_a_job_is_refused_and_looked_up(make: Make, kind: str) -> None:
    bench = make()
    meta = (await launched(bench))["metadata"]
    view = bench.views.execution(bench.key.uid)
    assert view is not None
    action = Hold(meta["name"], meta["uid"], "1", 9) if kind == "hold" else Release(meta["name"], meta["uid"], "1")
    assert await bench.reconciler._perform(view, action) == 0
    assert bench.cluster.called("get_job") == [meta["name"]]
    assert bench.jobs()[0]["spec"]["suspend"] is False


async def test_a_stop_of_what_is_gone_is_looked_up(make: Make) -> None:
    bench = make()
    view = bench.views.execution(bench.key.uid)
    assert view is not None
    assert await bench.reconciler._perform(view, StopJob("gone", "uid")) == 0
    assert bench.views.observe(bench.key.uid, NOW).absent == {"gone"}


async def test_a_stray_is_suspended_only_by_who_knows_the_execution_as_it_is(make: Make) -> None:
    bench = make()
    job = await launched(bench)
    stray = StopJob(job["metadata"]["name"], job["metadata"]["uid"], stray=True)
    view = bench.views.execution(bench.key.uid)
    assert view is not None
    bench.cluster.edit("sample", hold=["b"])
    with pytest.raises(Conflict):
        await bench.reconciler._perform(view, stray)
    assert bench.jobs()[0]["spec"]["suspend"] is False
    bench.see()
    view = bench.views.execution(bench.key.uid)
    assert view is not None
    assert await bench.reconciler._perform(view, stray) is None
    assert bench.jobs()[0]["spec"]["suspend"] is True


async def test_a_failure_pauses_by_a_write_in_the_spec(make: Make) -> None:
    bench = make(failurePolicy="Pause")
    await bench.settle()
    bench.pod("Failed", "no", 1)
    await bench.look()
    spec = bench.cluster.executions["sample"]["spec"]
    assert (spec["paused"], spec["pause"]["reason"]) == (True, "failed: a (failurePolicy: Pause)")
    bench.see()
    await bench.settle()
    assert bench.status["pause"]["phase"] == "Paused"


async def test_a_pause_ends_by_itself_by_a_write_in_the_spec(make: Make) -> None:
    bench = make(paused=True, pause={"until": "2026-01-31T08:00:05Z"})
    assert await bench.look() == 5
    bench.now = NOW + timedelta(seconds=5)
    await bench.look()
    assert bench.cluster.executions["sample"]["spec"] == bench.cluster.executions["sample"]["spec"] | {"paused": False}
    assert bench.cluster.executions["sample"]["spec"]["pause"] == {"until": "2026-01-31T08:00:05Z"}


async def test_a_pause_of_the_operator_that_comes_late_is_refused(make: Make) -> None:
    bench = make(paused=True, pause={"until": "2026-01-31T08:00:00.001Z"})
    await bench.look()
    bench.now = NOW + timedelta(seconds=1)
    bench.cluster.edit("sample", hold=["a"])
    assert await bench.look() == 0
    assert bench.cluster.executions["sample"]["spec"]["paused"] is True


async def test_an_execution_is_deleted_when_its_time_is_over(make: Make) -> None:
    bench = make(jobs=[{"id": "a", "image": "x", "when": "false"}], ttlSecondsAfterFinished=0,
                 checkpoint={"enabled": False})  # fmt: skip
    assert await bench.look() == 0
    await bench.look()
    assert bench.cluster.executions == {}


# --- Looking things up -----------------------------------------------------------------------------------------------


async def test_a_job_that_was_deleted_is_looked_for_live_and_its_pods_too(make: Make) -> None:
    bench = make()
    await bench.settle()
    await asyncio.sleep(pace.WRITE_SOONEST)
    await bench.look()
    name = bench.jobs()[0]["metadata"]["name"]
    bench.views.forget_job(bench.jobs()[0])
    del bench.cluster.objects["Job", name]
    await bench.settle()
    assert bench.cluster.called("get_job") == bench.cluster.called("list_pods") == [name]
    assert (bench.record("a")["state"], bench.record("a")["reason"]) == ("Pending", names.JOB_DELETED)


async def test_pods_that_a_view_misses_are_found_live(make: Make) -> None:
    bench = make()
    await bench.settle()
    body = bench.pod("Running")
    bench.cluster.pods.append(body)
    bench.views.seen(bench.key.uid).pods.clear()
    view = bench.views.execution(bench.key.uid)
    assert view is not None
    await bench.reconciler._perform(view, LookUp(body["metadata"]["labels"]["batch.kubernetes.io/job-name"], pods=True))
    assert len(bench.views.observe(bench.key.uid, NOW).pods) == 1


async def test_an_explanation_is_found_beside_the_loop(make: Make) -> None:
    bench = make()
    await bench.look()
    uid = bench.jobs()[0]["metadata"]["uid"]
    bench.cluster.warnings[uid] = ("FailedCreate", "exceeded quota")
    bench.now += timedelta(seconds=5)
    await bench.look()
    await bench.background()
    assert bench.looks == [bench.key]
    await bench.look()
    assert bench.views.execution(bench.key.uid) is not None
    assert bench.views.seen(bench.key.uid).explained[uid].reason == "FailedCreate"


@pytest.mark.parametrize("error", [QUOTA, DOWN, ValueError("a bug")], ids=["refused", "unavailable", "a bug"])
@pytest.mark.parametrize(("wait", "looks"), [(60, 0), (0, 1)], ids=["not at once", "but later"])
async def test_what_cannot_be_found_out_is_no_hot_loop(
    make: Make, error: Exception, wait: float, looks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile, "AFTER_ERROR", wait)
    bench = make()
    await bench.look()
    bench.now += timedelta(seconds=5)
    bench.cluster.fail("newest_warnings", error)  # type: ignore[arg-type]
    await bench.look()
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(bench.looks) == looks
    if not looks:
        await bench.look()
    assert len(bench.cluster.called("newest_warnings")) == 1


# --- Logs and results ------------------------------------------------------------------------------------------------

LOGGED = [{"id": "a", "image": "x", "outputs": "Log"}, {"id": "b", "image": "x", "dependsOn": ["a"]}]
BLOCK = b'noise\n::cairn-outputs::\n{"rows": 3}\n::end-cairn-outputs::\n'


async def logged(make: Make, log: list[bytes] | None = None, *faults: ApiError, jobs: Any = LOGGED) -> Bench:
    """A job that has succeeded, and hands out its outputs in its log, after the log was asked for."""
    bench = make(jobs=jobs)
    await bench.settle()
    name = bench.pod("Succeeded")["metadata"]["name"]
    if log is not None:
        bench.cluster.logs[name] = log
    bench.cluster.fail("stream_log", *faults)
    await bench.look()
    await bench.background()
    await bench.look()
    return bench


async def test_outputs_are_read_from_the_log(make: Make) -> None:
    bench = await logged(make, [BLOCK[:20], BLOCK[20:]])
    assert bench.record("a")["result"] == Outputs('{"rows": 3}').digest


@pytest.mark.parametrize(
    ("log", "reason"), [([b"::cairn-outputs::\n{"], "OutputsInvalid")], ids=["a block that is not ended"]
)
async def test_outputs_that_cannot_be_taken(make: Make, log: list[bytes], reason: str) -> None:
    assert (await logged(make, log)).record("a")["reason"] == reason


async def test_a_log_that_cannot_be_read_now_is_read_later(make: Make) -> None:
    bench = await logged(make, [BLOCK], DOWN)
    assert bench.record("a")["state"] == "Running"
    bench.now += finder.LOG_AGAIN
    await bench.look()
    await bench.background()
    await bench.look()
    assert bench.record("a")["state"] == "Completed"


@pytest.mark.parametrize("error", [GONE, Rejected("no container", status=400)], ids=["gone", "the container is gone"])
async def test_a_log_that_is_gone_is_not_waited_for(make: Make, error: ApiError) -> None:
    bench = await logged(make, [BLOCK], error)
    assert (bench.record("a")["state"], bench.record("a")["reason"]) == ("Pending", names.RESULT_LOST)
    bench = await logged(make, [BLOCK], error, jobs=LOGGED[:1])
    assert bench.record("a")["state"] == "Completed"


async def finished_with_outputs(make: Make) -> Bench:
    """a has handed out something, and the operator was restarted since."""
    bench = make(hold=["b"])
    await bench.settle()
    bench.pod("Succeeded", '{"rows": 3}')
    await bench.settle()
    bench.views.outputs = type(bench.views.outputs)()
    bench.cluster.edit("sample", hold=[])
    bench.see()
    return bench


async def test_outputs_of_before_are_fetched(make: Make) -> None:
    bench = await finished_with_outputs(make)
    await bench.look()
    await bench.background()
    await bench.look()
    (config,) = [body for (kind, _), body in bench.cluster.objects.items() if kind == "ConfigMap"]
    assert config["data"] == {"input.a.json": '{"rows": 3}'}


@pytest.mark.parametrize("damage", ["gone", "changed", "empty"])
async def test_outputs_that_are_gone_or_damaged_fail_who_needs_them(make: Make, damage: str) -> None:
    bench = await finished_with_outputs(make)
    ((key, result),) = [(k, body) for k, body in bench.cluster.objects.items() if k[0] == "JobResult"]
    match damage:
        case "gone":
            del bench.cluster.objects[key]
        case "changed":
            result["spec"]["outputs"] = '{"rows": 4}'
        case _:
            del result["spec"]
    await bench.look()
    await bench.background()
    await bench.look()
    assert (bench.record("b")["state"], bench.record("b")["reason"]) == ("Failed", names.INPUT_LOST)


async def test_a_result_is_written_once(make: Make) -> None:
    bench = make()
    view = bench.views.execution(bench.key.uid)
    assert view is not None
    manifest = {"kind": "JobResult", "metadata": {"name": "r", "namespace": "default"}, "spec": {"attempt": 1}}
    for attempt in (1, 2):
        spec = {"attempt": attempt, "executionUid": bench.key.uid, "job": "a"}
        assert await bench.reconciler._perform(view, SaveResult(manifest | {"spec": spec})) is None
    assert bench.cluster.objects["JobResult", "r"]["spec"]["attempt"] == 1


@pytest.mark.parametrize("known", [False, True], ids=["nothing else to keep", "beside the result"])
async def test_the_log_tail_is_kept_and_never_waited_for(make: Make, known: bool) -> None:
    bench = make()
    await bench.settle()
    body = bench.pod("Failed" if known else "Succeeded", "no", 1 if known else 0)
    if not known:
        body["status"]["containerStatuses"][0]["state"]["terminated"]["message"] = ""
        bench.views.see_pod(body)
    bench.cluster.logs[body["metadata"]["name"]] = [b"one\n", b"two\n"]
    await bench.look()
    await bench.background()
    assert bench.looks == []
    ((_, result),) = [(k, b) for k, b in bench.cluster.objects.items() if k[0] == "JobResult"]
    assert result["status"] == {"logTail": "one\ntwo\n"}


@pytest.mark.parametrize("log", [None, [b"\n"]], ids=["gone", "nothing in it"])
async def test_no_log_tail_no_result(make: Make, log: list[bytes] | None) -> None:
    bench = make()
    await bench.settle()
    body = bench.pod("Succeeded")
    if log:
        bench.cluster.logs[body["metadata"]["name"]] = log
    await bench.look()
    await bench.background()
    assert [key for key in bench.cluster.objects if key[0] == "JobResult"] == []


async def test_a_log_tail_that_takes_too_long_is_given_up(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "TAIL_SECONDS", 0.01)
    bench = make()

    async def hang(*args: Any, **more: Any) -> AsyncIterator[bytes]:
        await asyncio.sleep(60)
        yield b""

    monkeypatch.setattr(bench.cluster, "stream_log", hang)
    view = bench.views.execution(bench.key.uid)
    await bench.settle()
    body = bench.pod("Succeeded")
    pod = bench.views.observe(bench.key.uid, NOW).pods[body["metadata"]["labels"]["batch.kubernetes.io/job-name"]][0]
    assert view is not None
    manifest = {"kind": "JobResult", "metadata": {"name": "r", "namespace": "default"}}
    await bench.reconciler._perform(view, KeepLogTail(manifest, pod))
    await bench.background()
    assert ("JobResult", "r") not in bench.cluster.objects


# --- A whole run, and its end ----------------------------------------------------------------------------------------


async def test_a_run_from_begin_to_end(make: Make) -> None:
    bench = make()
    for name in ("a", "b"):
        await bench.settle()
        assert bench.record(name)["state"] == JobState.RUNNING
        bench.pod("Succeeded", f'{{"of": "{name}"}}')
    await bench.settle()
    assert (bench.status["phase"], bench.status["progress"]) == ("Succeeded", "2/2")
    assert len(bench.jobs()) == 2
    calls = len(bench.cluster.calls)
    assert await bench.look() is None
    assert len(bench.cluster.calls) == calls


async def test_two_operators_make_one_job_per_attempt(make: Make) -> None:
    bench = make()
    other_views = Views()
    events, archive = EventWriter(bench.cluster, bench._clock), Archive(bench.cluster)
    restores = Restores(bench.cluster, other_views, None, bench.cluster.get_namespace_uid, bench._clock, Settings())
    other = Reconciler(bench.cluster, other_views, bench._clock, events, archive, restores)
    other_views.see_execution(bench.cluster.executions["sample"])
    await asyncio.gather(bench.look(), other.reconcile(bench.key))
    await bench.settle()
    for _ in range(5):
        await other.reconcile(bench.key)
    assert len(bench.jobs()) == 1


async def test_what_runs_in_the_background_ends_with_the_operator(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = make()
    await bench.look()
    bench.now += timedelta(seconds=5)
    bench.cluster.fail("newest_warnings", DOWN)
    await bench.look()
    await bench.reconciler.close()
    await asyncio.sleep(0)
    assert bench.reconciler._background == set()


# --- Restores --------------------------------------------------------------------------------------------------------

JOBS = [{"id": "a", "image": "x"}, {"id": "b", "image": "x", "dependsOn": ["a"]}]
OUT = Outputs('{"rows":1}')
FORKING = {"restoreFrom": {"checkpointName": "before"}}


async def with_checkpoint(bench: Bench) -> None:
    """A checkpoint in which `a` is done, of an execution that is gone."""
    done = completed("a", OUT, launched_at=NOW - timedelta(hours=1))
    state = state_of(done, pending("b"), spec={"jobs": JOBS, "params": {"n": 1}})
    stored = Tenant("default", "uid-of-namespace-default").of(state, "before", "original")
    found = stored.checkpoint
    body = objects.manifest(Identity("default", "original", found.execution_uid), "before", Trigger.MANUAL, "", {},
                            guarded=False)  # fmt: skip
    await bench.cluster.create(body)
    bench.cluster.objects["Checkpoint", "before"]["status"] = {
        "phase": "Ready", "checkpointId": found.id, "createdAt": format_time(found.created_at),
        "executionUid": found.execution_uid, "digest": found.digest, "stateDigest": found.state_digest,
        "state": payload.to_text(stored.content),
    }  # fmt: skip


async def forked(make: Make, **spec: Any) -> Bench:
    """An execution that has begun from that checkpoint."""
    bench = make({}, **FORKING | {"jobs": JOBS, "params": {"n": 1}} | spec)
    await with_checkpoint(bench)
    await bench.look()
    await bench.background()
    return bench


def results(bench: Bench) -> list[Body]:
    return [body for (kind, _), body in bench.cluster.objects.items() if kind == "JobResult"]


async def test_a_fork_reads_its_checkpoint_and_begins_with_what_it_keeps_stored_first(make: Make) -> None:
    bench = await forked(make)
    assert (bench.looks, bench.cluster.called("write_status")) == ([bench.key], [])
    bench.cluster.calls.clear()
    await bench.settle()
    assert [call for call, _ in bench.cluster.calls] == [
        "create JobResult", "write_status", "create ConfigMap", "create Job",
    ]  # fmt: skip
    assert (bench.record("a")["state"], bench.record("b")["state"]) == ("Completed", "Running")
    assert bench.status["restoredFrom"]["packs"] == [body["metadata"]["name"] for body in results(bench)]
    assert bench.views.seen(bench.key.uid).restore is None, "it may be large"


async def test_a_pack_that_is_there_already_is_the_one(make: Make) -> None:
    bench = await forked(make)
    bench.cluster.fail("write_status", DOWN)
    with pytest.raises(Unavailable):
        await bench.look()
    await bench.settle()
    assert len(results(bench)) == 1
    assert bench.record("b")["state"] == "Running"


async def test_while_there_is_no_checkpoint_the_fork_waits_and_looks_again(make: Make) -> None:
    bench = make({}, **FORKING, jobs=JOBS, params={"n": 1})
    await bench.look()
    await bench.background()
    assert 0 < (await bench.look() or 0) <= 10
    assert (bench.status["restore"]["reason"], bench.jobs()) == (names.CHECKPOINT_NOT_FOUND, [])
    await with_checkpoint(bench)
    bench.now += timedelta(seconds=11)
    for _ in range(3):
        await bench.look()
        await bench.background()
    await bench.settle()
    assert (bench.status["restore"]["reason"], bench.record("b")["state"]) == (names.FORKED, "Running")


async def test_a_fault_while_its_checkpoint_is_read_is_only_a_delay(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile, "AFTER_ERROR", 0)
    bench = make({}, **FORKING | {"jobs": JOBS, "params": {"n": 1}})
    await with_checkpoint(bench)
    bench.cluster.fail("get_checkpoint", DOWN)
    for _ in range(2):
        await bench.look()
        await bench.background()
    assert bench.looks == [bench.key] * 2
    await bench.settle()
    assert bench.record("a")["state"] == "Completed"


async def test_a_fork_without_jobs_takes_them_over_and_reads_them_from_its_own_object(make: Make) -> None:
    bench = await forked(make, jobs=None, params=None)
    await bench.settle()
    assert bench.record("b")["state"] == "Running"
    name = bench.status["restoredFrom"]["configs"]
    assert name in [body["metadata"]["name"] for body in results(bench)]
    del bench.cluster.objects["Checkpoint", "before"]
    bench.restart()
    bench.see()
    bench.cluster.calls.clear()
    assert await bench.look() is None
    await bench.background()
    assert bench.cluster.called("get_result") == [name]
    assert bench.cluster.called("write_status") == []
    view = bench.views.execution(bench.key.uid)
    assert view is not None and view.execution.spec is not None
    assert [job.id for job in view.execution.spec.jobs] == ["a", "b"]


@pytest.mark.parametrize("damage", ["gone", "damaged", "another kind of pack"])
async def test_jobs_that_cannot_be_read_are_lost_and_told(make: Make, damage: str) -> None:
    bench = await forked(make, jobs=None, params=None)
    await bench.settle()
    name, [other] = bench.status["restoredFrom"]["configs"], bench.status["restoredFrom"]["packs"]
    match damage:
        case "gone":
            del bench.cluster.objects["JobResult", name]
        case "damaged":
            bench.cluster.objects["JobResult", name]["spec"]["pack"] += " "
        case _:
            bench.cluster.objects["JobResult", name] = bench.cluster.objects["JobResult", other]
    bench.restart()
    bench.see()
    await bench.look()
    await bench.background()
    await bench.look()
    assert bench.status["reason"] == names.JOBS_LOST
    assert bench.record("b")["state"] == "Running", "what runs is left alone"


async def restarted(bench: Bench) -> None:
    """A fork that has begun, looked at by an operator that has seen nothing yet of its outputs."""
    bench.restart()
    record = bench.record("b")
    record.clear()
    record |= {"id": "b", "state": "Pending"}
    status = bench.status
    status["jobs"] = [r if r["id"] != "b" else record for r in status["jobs"]]
    bench.cluster.executions["sample"]["status"] = status
    bench.see()


async def test_kept_results_are_read_from_the_packs_all_at_once(make: Make) -> None:
    bench = await forked(make)
    await bench.settle()
    packs = bench.status["restoredFrom"]["packs"]
    await restarted(bench)
    bench.cluster.calls.clear()
    await bench.look()
    await bench.background()
    assert bench.cluster.called("get_result") == packs
    assert bench.views.outputs.pick({OUT.digest}) == {OUT.digest: OUT}
    await bench.settle()
    assert bench.record("b")["state"] == "Running"


@pytest.mark.parametrize("damage", ["gone", "damaged"])
async def test_kept_results_that_cannot_be_read_are_lost(make: Make, damage: str) -> None:
    bench = await forked(make)
    await bench.settle()
    [name] = bench.status["restoredFrom"]["packs"]
    if damage == "gone":
        del bench.cluster.objects["JobResult", name]
    else:
        bench.cluster.objects["JobResult", name]["spec"]["digest"] = "0" * 64
    await restarted(bench)
    await bench.look()
    await bench.background()
    await bench.settle()
    assert (bench.record("b")["state"], bench.record("b")["reason"]) == ("Failed", names.INPUT_LOST)


async def test_what_was_forked_from_is_looked_at_once_the_fork_has_begun(make: Make) -> None:
    bench = await forked(make)
    told: list[str] = []
    bench.reconciler.look_at = told.append
    await bench.settle()
    assert told == [bench.status["restoredFrom"]["executionUid"]]
    bench.see()
    await bench.settle()
    assert len(told) == 1
