"""What the operator has seen: newest wins, by UID, and not seeing is not knowing."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from cairn import names
from cairn.app import executions
from cairn.app.executions import Borrowed, Key, origin_of
from cairn.app.views import ABSENCE_COUNTS_FOR, OutputsCache, Views
from cairn.core.outputs import Outputs
from cairn.core.restore.progress import Fork, Mode, Origin, Progress, RestoredFrom, Step
from cairn.core.restore.source import NotFound, Wanted
from cairn.core.spec import Source
from cairn.core.status import Phase, Status
from cairn.core.status_wire import to_wire
from simulation.build import NOW, ended

Body = dict[str, Any]
KEY = Key("default", "sample", "uid-1")
SPEC = {"jobs": [{"id": "a", "image": "busybox"}]}


def execution(version: int = 5, generation: int = 1, spec: Body | None = None, **more: Any) -> Body:
    meta = {
        "namespace": "default", "name": "sample", "uid": "uid-1", "generation": generation,
        "resourceVersion": str(version),
    } | more.pop("metadata", {})  # fmt: skip
    return {"metadata": meta, "spec": spec or SPEC} | more


def job(version: int = 5, uid: str = "job-1", **more: Any) -> Body:
    meta = {"name": "j", "uid": uid, "resourceVersion": str(version), "labels": {names.LABEL_EXECUTION_UID: "uid-1"}}
    return {"metadata": meta} | more


def pod(phase: str = "Running", uid: str = "pod-1") -> Body:
    labels = {names.LABEL_EXECUTION_UID: "uid-1", "batch.kubernetes.io/job-name": "j"}
    return {"metadata": {"name": uid, "uid": uid, "labels": labels}, "status": {"phase": phase}}


@pytest.fixture
def views() -> Views:
    found = Views()
    found.see_execution(execution())
    return found


def seen(views: Views) -> Any:
    return views.observe("uid-1", NOW)


# --- Executions ------------------------------------------------------------------------------------------------------


def test_an_execution_is_seen(views: Views) -> None:
    view = views.execution("uid-1")
    assert view is not None and view.shape is not None
    assert (view.key, view.resource_version, view.execution.generation) == (KEY, "5", 1)
    assert str(KEY) == "default/sample"
    assert views.keys() == [KEY]


@pytest.mark.parametrize(("version", "news"), [(4, False), (5, False), (6, True), (10, True)])
def test_an_older_version_never_replaces_a_newer_one(views: Views, version: int, news: bool) -> None:
    """Also 10 against 5: they are numbers."""
    assert (views.see_execution(execution(version, 2)) == KEY) is news
    view = views.execution("uid-1")
    assert view is not None and view.execution.generation == (2 if news else 1)


def test_an_own_write_is_known_at_once_and_not_undone_by_a_late_event(views: Views) -> None:
    status = Status(Phase.RUNNING)
    views.wrote_status(KEY, "8", status)
    views.see_execution(execution(7))
    view = views.execution("uid-1")
    assert view is not None and (view.resource_version, view.execution.status) == ("8", status)
    views.wrote_status(KEY, "6", Status())
    assert views.execution("uid-1") == view


def test_a_write_to_what_is_gone_is_forgotten(views: Views) -> None:
    views.forget_execution("uid-1")
    views.wrote_status(KEY, "8", Status())
    assert views.execution("uid-1") is None


def test_a_successor_of_the_same_name_is_another_one(views: Views) -> None:
    views.see_job(job())
    views.see_execution(execution(9, metadata={"uid": "uid-2"}))
    assert len(views.keys()) == 2
    assert views.observe("uid-2", NOW).jobs == {}


def test_a_spec_is_read_once_a_generation(views: Views, monkeypatch: pytest.MonkeyPatch) -> None:
    before = views.execution("uid-1")
    monkeypatch.setattr(executions, "parse", None)
    views.see_execution(execution(6, 1, status=to_wire(Status(Phase.RUNNING))))
    after = views.execution("uid-1")
    assert before is not None and after is not None
    assert after.shape is before.shape and after.execution.spec is before.execution.spec
    assert after.execution.status.phase is Phase.RUNNING


def test_a_spec_is_read_when_somebody_looks_and_not_when_a_watch_tells(
    views: Views, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[Any] = []
    kept = executions.parse
    monkeypatch.setattr(executions, "parse", lambda given: parsed.append(given) or kept(given))
    views.see_execution(execution(6, 3))
    [seen] = views.executions()
    assert (seen.execution.spec, parsed) == (None, [])
    found = views.execution("uid-1")
    assert found is not None and found.execution.spec is not None
    assert views.execution("uid-1") is found
    assert len(parsed) == 1


def test_a_wrong_spec_is_seen_with_its_violations(views: Views) -> None:
    views.see_execution(execution(6, 2, {"jobs": []}))
    view = views.execution("uid-1")
    assert view is not None and (view.execution.spec, view.shape) == (None, None)
    assert [v.field for v in view.execution.violations] == ["spec.jobs"]


@pytest.mark.parametrize("started", [False, True])
def test_what_is_too_large_does_not_start_and_what_has_started_goes_on(views: Views, started: bool) -> None:
    large = {"jobs": [{"id": f"j{i}", "image": "x" * 5000} for i in range(250)]}
    status = {"status": {"startedAt": "2026-01-31T08:00:00.000Z"}} if started else {}
    views.see_execution(execution(6, 2, large, **status))
    view = views.execution("uid-1")
    assert view is not None and (view.execution.spec is not None) is started
    assert started or view.execution.violations[0].message.startswith(names.TOO_LARGE)


def field_owner(manager: str, *fields: str) -> Body:
    return {"manager": manager, "fieldsV1": {"f:spec": {f: {} for f in fields}}}


REASON = {"manager": names.PAUSE_MANAGER, "fieldsV1": {"f:spec": {"f:pause": {"f:reason": {}}}}}


@pytest.mark.parametrize(
    ("owners", "by_operator", "stale_reason"),
    [
        (None, False, False),
        ([field_owner("kubectl", "f:paused")], False, False),
        ([field_owner(names.PAUSE_MANAGER, "f:paused")], True, False),
        ([field_owner(names.PAUSE_MANAGER, "f:paused"), REASON], True, False),
        ([field_owner("kubectl", "f:paused"), REASON], False, True),
        ([field_owner(names.PAUSE_MANAGER, "f:pause"), {"manager": names.PAUSE_MANAGER}], False, False),
    ],
    ids=["not told", "a person", "the operator", "with its reason", "a person, the reason is older", "another field"],
)
def test_who_paused(owners: list[Body] | None, by_operator: bool, stale_reason: bool) -> None:
    found = Views()
    found.see_execution(execution(metadata={"managedFields": owners, "deletionTimestamp": "x"}))
    view = found.execution("uid-1")
    assert view is not None and view.execution.deleting
    assert (view.execution.paused_by_operator, view.execution.stale_pause_reason) == (by_operator, stale_reason)


# --- Kubernetes Jobs -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("second", "told", "version"),
    [
        pytest.param(job(6, spec={"suspend": True}), True, "6", id="newer"),
        pytest.param(job(6), False, "6", id="newer, and nothing that a plan sees"),
        pytest.param(job(5, spec={"suspend": True}), False, "5", id="the same"),
        pytest.param(job(4, spec={"suspend": True}), False, "5", id="older"),
        pytest.param(job(4, "job-2"), True, "4", id="another one of that name"),
    ],
)
def test_the_newest_of_a_job_wins(views: Views, second: Body, told: bool, version: str) -> None:
    assert views.see_job(job(5)) == seen(views).jobs["j"]
    found = views.see_job(second)
    assert seen(views).jobs["j"].resource_version == version
    assert found == (seen(views).jobs["j"] if told else None)


def test_a_job_that_is_seen_is_neither_absent_nor_refused(views: Views) -> None:
    views.note_absent("uid-1", "j", NOW, pods=False)
    views.seen("uid-1").refused["j"] = "refused"  # type: ignore[assignment]
    views.see_job(job())
    assert (seen(views).absent, seen(views).refused) == (frozenset(), {})


@pytest.mark.parametrize(("uid", "left"), [("job-1", set()), ("other", {"j"})], ids=["this one", "a predecessor"])
def test_a_deleted_job_is_forgotten(views: Views, uid: str, left: set[str]) -> None:
    views.see_job(job())
    assert views.forget_job(job(9, uid)) == "uid-1"
    assert set(seen(views).jobs) == left
    assert Views().forget_job(job()) == "uid-1"


# --- Pods ------------------------------------------------------------------------------------------------------------


def test_pods_are_seen_by_job(views: Views) -> None:
    assert views.see_pod(pod()) == seen(views).pods["j"][0]
    assert views.see_pod(pod()) is None
    assert views.see_pod(pod("Failed")) == seen(views).pods["j"][0]
    views.see_pod(pod("Running", "pod-2"))
    assert [(p.uid, p.phase) for p in seen(views).pods["j"]] == [("pod-1", "Failed"), ("pod-2", "Running")]


@pytest.mark.parametrize(("version", "phase"), [(9, "Succeeded"), (10, "Running"), (11, "Running")])
def test_an_older_version_of_a_pod_never_replaces_a_newer_one(views: Views, version: int, phase: str) -> None:
    """As a watch may send it that begins anew with an old list."""
    for number, told in ((10, "Succeeded"), (version, "Running")):
        body = pod(told)
        views.see_pod(body | {"metadata": body["metadata"] | {"resourceVersion": str(number)}})
    assert seen(views).pods["j"][0].phase == phase


@pytest.mark.parametrize(("phase", "left"), [("Running", 0), ("Failed", 1), ("Succeeded", 1)])
def test_how_a_pod_ended_is_remembered_after_it_is_gone(views: Views, phase: str, left: int) -> None:
    views.see_pod(pod())
    assert views.forget_pod(pod(phase)) == "uid-1"
    assert len(seen(views).pods.get("j", ())) == left


def test_a_pod_that_was_not_known_is_forgotten_too(views: Views) -> None:
    assert views.forget_pod(pod()) == "uid-1"
    views.see_job(job())
    assert views.forget_pod(pod("Failed")) == "uid-1"
    assert seen(views).pods == {}


def test_nothing_is_kept_of_what_is_gone_altogether(views: Views) -> None:
    views.see_job(job())
    views.see_pod(pod())
    views.forget_execution("uid-1")
    views.see_job(job(7))  # the garbage collector is at work, and its events come late
    views.see_pod(pod("Failed"))
    views.forget_job(job(8))
    views.forget_pod(pod("Failed"))
    assert views._seen == {}


# --- Absence ---------------------------------------------------------------------------------------------------------


def test_an_absence_counts_for_a_moment(views: Views) -> None:
    views.see_job(job())
    views.see_pod(pod())
    views.note_absent("uid-1", "j", NOW, pods=False)
    views.note_absent("uid-1", "j", NOW, pods=True)
    found = seen(views)
    assert (found.jobs, found.pods, found.absent, found.absent_pods) == ({}, {}, {"j"}, {"j"})
    late = views.observe("uid-1", NOW + ABSENCE_COUNTS_FOR + timedelta(seconds=1))
    assert (late.absent, late.absent_pods) == (frozenset(), frozenset())
    turned_back = views.observe("uid-1", NOW - timedelta(hours=3))
    assert (turned_back.absent, turned_back.absent_pods) == (frozenset(), frozenset())


def test_a_pod_that_is_seen_is_not_absent(views: Views) -> None:
    views.note_absent("uid-1", "j", NOW, pods=True)
    views.see_pod(pod())
    assert seen(views).absent_pods == frozenset()


# --- Outputs ---------------------------------------------------------------------------------------------------------


def test_only_outputs_that_are_recorded_are_shown(views: Views) -> None:
    mine, other = Outputs("1"), Outputs("2")
    views.outputs.put(mine)
    views.outputs.put(other)
    views.wrote_status(KEY, "8", Status(jobs={"a": ended("a", result=mine.digest), "b": ended("b")}))
    assert seen(views).outputs == {mine.digest: mine}


def test_the_least_recently_used_outputs_go_first() -> None:
    cache = OutputsCache(limit=10)
    a, b, c = (Outputs(json.dumps(x * 3)) for x in "abc")
    cache.put(a)
    cache.put(b)
    cache.put(b)
    assert cache.pick({a.digest}) == {a.digest: a}
    cache.put(c)
    assert set(cache.pick({o.digest for o in (a, b, c)})) == {a.digest, c.digest}


def test_one_that_is_larger_than_the_limit_is_kept() -> None:
    cache = OutputsCache(limit=1)
    cache.put(Outputs("12345"))
    assert len(cache.pick({Outputs("12345").digest})) == 1


def test_a_view_is_not_changed_by_a_newer_one(views: Views) -> None:
    before = views.execution("uid-1")
    assert before is not None
    copy = replace(before)
    views.see_execution(execution(6, 2))
    assert before == copy


# --- Restores --------------------------------------------------------------------------------------------------------

ASKS = {"checkpointName": "before"}
FORKING = {"restoreFrom": ASKS, "params": {"day": "tuesday"}, "paused": True}
HELD = {"jobs": [{"id": "a", "image": "x"}], "jobDefaults": {"env": []}, "params": {"day": "monday", "n": 1}}
ORIGIN = Origin("checkpoint_1", "before", "digest", "default", "other", "uid-of-other")
FORKED = RestoredFrom(Mode.FORK, ORIGIN, NOW, 1, configs="configs-1")


def forking(spec: Body = FORKING, **more: Any) -> Views:
    found = Views()
    found.see_execution(execution(spec=spec, **more))
    return found


def the(views: Views) -> Any:
    view = views.execution("uid-1")
    assert view is not None
    return view


def test_jobs_that_come_from_a_checkpoint_are_lacked_until_they_are_read() -> None:
    views = forking()
    assert (the(views).execution.borrows_jobs, the(views).execution.lacks_jobs) == (True, True)
    assert the(views).execution.spec.jobs == ()
    views.borrow("uid-1", Borrowed(origin_of(ASKS), HELD))
    view = the(views)
    assert (view.execution.borrows_jobs, view.execution.lacks_jobs) == (True, False)
    assert [job.id for job in view.execution.spec.jobs] == ["a"]
    assert list(view.shape.jobs) == ["a"]
    assert view.execution.spec.paused, "all else is its own"


def test_params_that_are_given_lie_over_those_of_the_checkpoint_and_a_checkpoint_holds_all() -> None:
    views = forking()
    before = the(views).execution.spec_digest
    views.borrow("uid-1", Borrowed(origin_of(ASKS), HELD))
    assert the(views).spec == {**FORKING, **HELD, "params": {"day": "tuesday", "n": 1}}
    assert the(views).execution.spec_digest != before


@pytest.mark.parametrize("params", [None, {}], ids=["none", "empty"])
def test_without_params_anywhere_there_are_none(params: Body | None) -> None:
    views = forking({"restoreFrom": ASKS} | ({} if params is None else {"params": params}))
    views.borrow("uid-1", Borrowed(origin_of(ASKS), {"jobs": HELD["jobs"]}))
    assert the(views).spec.get("params") in (None, params)


def test_jobs_of_another_checkpoint_are_none_of_its() -> None:
    views = forking()
    views.borrow("uid-1", Borrowed(origin_of({"checkpointName": "other"}), HELD))
    assert the(views).execution.lacks_jobs


def test_another_checkpoint_asked_for_has_other_jobs() -> None:
    views = forking()
    views.borrow("uid-1", Borrowed(origin_of(ASKS), HELD))
    views.see_execution(execution(6, 2, FORKING | {"restoreFrom": ASKS | {"rerun": ["a"]}}))
    assert not the(views).execution.lacks_jobs, "the same one, asked otherwise"
    views.see_execution(execution(7, 3, FORKING | {"restoreFrom": {"checkpointId": "checkpoint_2"}}))
    assert the(views).execution.lacks_jobs


def test_a_fork_that_another_replica_has_begun_may_have_other_jobs() -> None:
    views = forking()
    views.borrow("uid-1", Borrowed(origin_of(ASKS), HELD))
    views.see_execution(execution(6, 1, FORKING, status=to_wire(Status(restored_from=FORKED))))
    assert the(views).execution.lacks_jobs


def test_what_is_newest_may_change_and_its_jobs_are_taken_with_it() -> None:
    """Else a fork could begin from one checkpoint with the jobs of the one before."""
    views = forking({"restoreFrom": {"latestOf": "other"}, "params": {"day": "tuesday"}})
    source = origin_of({"latestOf": "other"})
    views.borrow("uid-1", Borrowed(source, HELD))
    views.borrow("uid-1", Borrowed(source, {"jobs": [{"id": "b", "image": "x"}]}))
    assert [job.id for job in the(views).execution.spec.jobs] == ["b"]
    assert the(views).spec["params"] == {"day": "tuesday"}


def test_the_same_jobs_read_again_change_nothing() -> None:
    views = forking()
    views.borrow("uid-1", Borrowed(origin_of(ASKS), HELD))
    before = the(views)
    views.borrow("uid-1", Borrowed(origin_of(ASKS), HELD))
    assert the(views) is before


def test_jobs_that_could_not_run_are_violations() -> None:
    views = forking()
    views.borrow("uid-1", Borrowed(origin_of(ASKS), {"jobs": [{"id": "a"}, {"id": "a"}]}))
    assert the(views).execution.spec is None and the(views).shape is None
    assert the(views).execution.violations


def test_what_has_jobs_of_its_own_and_what_is_gone_borrows_none() -> None:
    views = forking(FORKING | {"jobs": SPEC["jobs"]})
    before = the(views)
    assert not before.execution.borrows_jobs
    views.borrow("uid-1", Borrowed(origin_of(ASKS), HELD))
    assert the(views) is before
    views.forget_execution("uid-1")
    views.borrow("uid-1", Borrowed(origin_of(ASKS), HELD))
    assert views.execution("uid-1") is None


def test_once_it_has_begun_its_jobs_are_those_of_its_own_object() -> None:
    views = forking()
    views.borrow("uid-1", Borrowed(origin_of(ASKS), HELD))
    begun = Status(Phase.RUNNING, started_at=NOW, restored_from=FORKED)
    views.wrote_status(KEY, "8", begun)
    rewinds = FORKING | {"restoreFrom": {"checkpointName": "own", "requestId": "r1"}}
    views.see_execution(execution(9, 2, rewinds, status=to_wire(begun)))
    assert not the(views).execution.lacks_jobs, "also when a rewind is asked for"
    fresh = forking(rewinds, status=to_wire(begun))
    assert the(fresh).execution.lacks_jobs, "as after a restart"
    fresh.borrow("uid-1", Borrowed("configs-1", HELD))
    assert not the(fresh).execution.lacks_jobs


def test_a_plan_counts_for_the_size_of_what_has_not_begun() -> None:
    jobs = {"jobs": [{"id": f"j{n}", "image": "x" * 900} for n in range(900)]}
    plain, restoring = Views(), Views()
    plain.see_execution(execution(spec=jobs))
    restoring.see_execution(execution(spec=jobs | {"restoreFrom": ASKS}))
    assert (the(plain).execution.violations, bool(the(restoring).execution.violations)) == ((), True)


# What is needed


def needs(spec: Body, status: Status | None = None) -> frozenset[str]:
    views = forking(spec, **({"status": to_wire(status)} if status else {}))
    return views.restored_from(spec["restoreFrom"].get("namespace", "default"))


PREPARING = Progress(Mode.REWIND, Step.PREPARING, 1, NOW, "r1", origin=ORIGIN, undo="undo-1")


@pytest.mark.parametrize(
    ("asks", "progress", "expected"),
    [
        pytest.param(ASKS, None, {"before"}, id="asked for by name"),
        pytest.param({"checkpointId": "checkpoint_9"}, None, {"checkpoint_9"}, id="by id"),
        pytest.param({"latestOf": "other"}, None, set(), id="the newest is kept anyway"),
        pytest.param(ASKS | {"requestId": "r1"}, PREPARING, {"before", "checkpoint_1", "undo-1"}, id="under way"),
        pytest.param(ASKS | {"requestId": "r1"}, replace(PREPARING, step=Step.DONE), set(), id="done"),
        pytest.param(ASKS | {"requestId": "r2"}, replace(PREPARING, step=Step.DONE),
                     {"before", "checkpoint_1", "undo-1"}, id="another one is asked for"),
        pytest.param(ASKS | {"namespace": "ns"}, None, {"before"}, id="in another namespace"),
    ],
)  # fmt: skip
def test_which_checkpoints_a_restore_needs(asks: Body, progress: Progress | None, expected: set[str]) -> None:
    assert needs({"restoreFrom": asks}, Status(restore=progress) if progress else None) == expected


def test_checkpoints_of_another_namespace_are_needed_there_alone() -> None:
    views = forking({"restoreFrom": ASKS | {"namespace": "ns"}})
    assert (views.restored_from("default"), views.restored_from("ns")) == (frozenset(), {"before"})


def test_an_own_write_may_need_more_or_less() -> None:
    views = forking({"restoreFrom": ASKS | {"requestId": "r1"}})
    views.wrote_status(KEY, "8", Status(restore=PREPARING))
    assert "undo-1" in views.restored_from("default")
    views.wrote_status(KEY, "9", Status(restore=replace(PREPARING, step=Step.DONE)))
    assert views.restored_from("default") == frozenset()


@pytest.mark.parametrize(
    ("step", "kept"),
    [(Step.PREPARING, True), (Step.STOPPING, True), (Step.REFUSED, False), (Step.PLANNED, False), (Step.DONE, False)],
)
def test_what_was_found_is_kept_while_a_restore_is_under_way(step: Step, kept: bool) -> None:
    views = forking()
    missing = NotFound(Wanted(Source("before")), "CheckpointNotFound", "none")
    views.seen("uid-1").restore = missing
    assert views.observe("uid-1", NOW).restore is missing
    views.wrote_status(KEY, "8", Status(restore=replace(PREPARING, step=step)))
    assert views.observe("uid-1", NOW).restore is (missing if kept else None)


# Forks


def with_source(views: Views) -> Views:
    views.see_execution(execution(metadata={"uid": "uid-of-other", "name": "other"}))
    return views


NOTED = Fork("default", "sample", "uid-1", "checkpoint_1", NOW)


@pytest.mark.parametrize("own", [True, False], ids=["by an own write", "by an event"])
def test_a_fork_is_known_to_what_it_was_forked_from(own: bool) -> None:
    views = with_source(forking())
    status = Status(Phase.RUNNING, started_at=NOW, restored_from=FORKED)
    if own:
        views.wrote_status(KEY, "8", status)
    views.see_execution(execution(9, spec=FORKING, status=to_wire(status)))
    assert views.observe("uid-of-other", NOW).forks == (NOTED,)
    views.forget_execution("uid-1")
    assert views.observe("uid-of-other", NOW).forks == ()


def test_a_rewind_is_no_fork_and_a_fork_stays_one_after_a_rewind() -> None:
    views = with_source(forking())
    rewound = replace(FORKED, mode=Mode.REWIND, origin=replace(ORIGIN, execution_uid="uid-1"))
    views.wrote_status(KEY, "8", Status(Phase.RUNNING, restored_from=rewound))
    assert views.observe("uid-1", NOW).forks == views.observe("uid-of-other", NOW).forks == ()
    views.wrote_status(KEY, "9", Status(Phase.RUNNING, restored_from=FORKED))
    views.wrote_status(KEY, "10", Status(Phase.RUNNING, restored_from=rewound))
    assert views.observe("uid-of-other", NOW).forks == (NOTED,)


def test_what_is_gone_is_forgotten_with_what_was_forked_from_it() -> None:
    views = with_source(forking())
    views.wrote_status(KEY, "8", Status(Phase.RUNNING, restored_from=FORKED))
    views.forget_execution("uid-of-other")
    views.forget_execution("uid-1")
    assert (views._forks, views._borrowed) == ({}, {})


# --- A new term ------------------------------------------------------------------------------------------------------


def test_in_a_new_term_only_what_watches_bring_is_known(views: Views) -> None:
    views.see_job(job())
    views.see_pod(pod())
    noted = views.seen("uid-1")
    noted.lost.add("digest")
    noted.restore = NotFound(Wanted(Source("before")), "CheckpointNotFound", "none")
    views.note_absent("uid-1", "gone", NOW, pods=False)
    before = seen(views)
    views.forget_findings()
    after = seen(views)
    assert (after.jobs, after.pods) == (before.jobs, before.pods) and len(after.jobs) == len(after.pods) == 1
    assert (after.lost, after.restore, after.absent) == (frozenset(), None, frozenset())


def test_a_label_that_changes_is_seen_though_the_generation_stays() -> None:
    found = Views()
    meta: dict[str, Any] = {"namespace": "ns", "name": "x", "uid": "u", "resourceVersion": "1", "generation": 1}
    found.see_execution({"metadata": meta, "spec": {}})
    labelled = meta | {"labels": {"cairn.dev/shard": "a"}, "resourceVersion": "2"}
    found.see_execution({"metadata": labelled, "spec": {}})
    view = found.execution("u")
    assert view is not None and view.execution.identity.shard == "a"
