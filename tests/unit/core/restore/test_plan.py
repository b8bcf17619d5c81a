"""The restore plan: what becomes of every job and why, what it costs, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pytest import param

from cairn import names
from cairn.core.restore.plan import MAX_PROBLEMS, Known, Saved, plan
from cairn.core.restore.progress import JobPlan, RestorePlan, Verdict
from cairn.core.shape import Shape
from cairn.core.spec import ExecutionSpec, JobSpec, OutputsFrom, Replay, Restore, Retry, RunOn, Source
from cairn.core.status import JobRecord, JobState, Stopping
from simulation.build import NOW, after, job, spec
from simulation.build import ended as plain_ended
from simulation.build import failed as plain_failed
from simulation.build import running as plain_running
from simulation.build import skipped as plain_skipped

SOURCE = Source(checkpoint_name="before")
KEEP, RERUN, RUN, SKIP = Verdict.KEEP, Verdict.RERUN, Verdict.RUN, Verdict.SKIP
UNSAFE, CONFIRM = Replay.UNSAFE, Replay.CONFIRM
DONE, FAILURE = RunOn.DONE, RunOn.FAILURE
NEVER_RAN = Known(final=True)
CHAIN = (job("a"), job("b", "a"), job("c", "b"))


def done(name: str, seconds: float = 60, **fields: Any) -> JobRecord:
    """A job that has completed after so many seconds of work."""
    given = {"started_at": after(-seconds), "finished_at": NOW, "definition": name}
    return plain_ended(name, **given | fields)


def failed(name: str, **fields: Any) -> JobRecord:
    return plain_failed(name, **{"started_at": after(-20), "finished_at": NOW, "definition": name} | fields)


def ran(name: str, attempt: int = 1, **fields: Any) -> JobRecord:
    """A job that was running."""
    return plain_running(name, attempt, **{"started_at": after(-30)} | fields)


def waiting(name: str, **fields: Any) -> JobRecord:
    """A job between two attempts."""
    given = {"reason": names.ERROR, "started_at": after(-20), "finished_at": after(-10), "definition": name}
    return JobRecord(name, JobState.PENDING, 1, **given | fields)


skipped, ended = plain_skipped, plain_ended


def saved(*records: JobRecord, jobs: tuple[JobSpec, ...] | None = None, **params: Any) -> Saved:
    """A checkpoint of these records; its spec has a plain job for each unless said."""
    given = tuple(job(r.id) for r in records) if jobs is None else jobs
    return Saved("checkpoint_1", "digest", NOW, {r.id: r for r in records}, {j.id: j for j in given}, params)


def asked(*rerun: str, confirm: tuple[str, ...] = (), **fields: Any) -> Restore:
    return Restore(SOURCE, frozenset(rerun), frozenset(confirm), **fields)


def live(*records: JobRecord, **fields: Any) -> Known:
    return Known({r.id: r for r in records}, **fields)


def made(
    jobs: tuple[JobSpec, ...], *records: JobRecord, old: tuple[JobSpec, ...] | None = None, ask: Restore | None = None,
    known: Known = NEVER_RAN, params: dict[str, Any] | None = None, before: dict[str, Any] | None = None,
) -> RestorePlan:  # fmt: skip
    """The plan for these jobs, from a checkpoint of these records whose spec had the jobs `old` (the same ones)."""
    found = saved(*records, jobs=jobs if old is None else old, **before or {})
    return plan(found, spec(*jobs, params=params or {}), ask or asked(), known)


def verdicts(found: RestorePlan) -> dict[str, tuple[Verdict, str]]:
    return {j.id: (j.verdict, j.reason) for j in found.jobs}


def problems(found: RestorePlan) -> list[tuple[str, str]]:
    return [(p.job, p.reason) for p in found.problems]


def one(found: RestorePlan, name: str = "a") -> JobPlan:
    return next(j for j in found.jobs if j.id == name)


# --- Each state that a job can be in ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        param(done("a"), (KEEP, "Completed"), id="completed: kept"),
        param(failed("a"), (RERUN, "Failed"), id="failed, and nothing handles it: tried again"),
        param(failed("a", attempt=0), (RUN, "Failed"), id="failed before it could be launched: runs"),
        param(failed("a", reason=names.CANCELLED), (RERUN, "Failed"), id="cancelled: runs again"),
        param(failed("a", reason=names.TIMED_OUT), (RERUN, "Failed"), id="timed out with the run: runs again"),
        param(ran("a"), (RERUN, "WasRunning"), id="running: runs again"),
        param(waiting("a"), (RERUN, "Waited"), id="between two tries: runs again"),
        param(JobRecord("a"), (RUN, "NotStarted"), id="pending: runs"),
        param(JobRecord("a", used=2), (RERUN, "NotStarted"), id="pending since a rewind: it has run before"),
        param(skipped("a"), (SKIP, names.DEPENDENCY_FAILED), id="followed from a failure that stands: skipped"),
        param(skipped("a", names.DEPENDENCY_SKIPPED), (SKIP, names.DEPENDENCY_SKIPPED), id="followed from a skip"),
        param(skipped("a", names.NOTHING_FAILED), (SKIP, names.NOTHING_FAILED), id="had nothing to handle"),
        param(skipped("a", names.CONDITION_FALSE), (SKIP, names.CONDITION_FALSE), id="its condition was false"),
        param(skipped("a", names.SKIPPED_BY_HAND), (SKIP, names.SKIPPED_BY_HAND), id="skipped by hand: stays so"),
        param(skipped("a", names.EXECUTION_FAILING), (RUN, "ConsideredAgain"), id="gave up for another's failure"),
        param(skipped("a", names.CANCELLED), (RUN, "ConsideredAgain"), id="skipped by a cancel: considered again"),
        param(skipped("a", names.TIMED_OUT), (RUN, "ConsideredAgain"), id="skipped by a timeout: considered again"),
        param(skipped("a", names.REMOVED), (RUN, "ConsideredAgain"), id="taken out, and put back: considered again"),
    ],
)
def test_what_becomes_of_a_job_alone(record: JobRecord, expected: tuple[Verdict, str]) -> None:
    found = made((job("a"),), record)
    assert verdicts(found) == {"a": expected}
    assert found.problems == ()


def test_reasons_are_told_in_words() -> None:
    jobs = tuple(map(job, "abcd"))
    found = made(
        jobs, failed("a"), ran("b", 3), skipped("c", names.CANCELLED), waiting("d"),
    )  # fmt: skip
    assert [j.message for j in found.jobs] == [
        "failed: Error: exited with code 1", "attempt 3 ran when the checkpoint was taken", "was skipped: Cancelled",
        "it waited for another try: Error",
    ]  # fmt: skip
    assert one(made((job("a"),), failed("a", message=""))).message == "failed: Error"
    assert one(made((job("a"),), waiting("a", reason=""))).message == "it waited for another try: no reason"


def test_a_failure_tells_no_more_than_a_record_may_hold() -> None:
    assert len(one(made((job("a"),), failed("a", message="x" * 256))).message) == names.MESSAGE_LIMIT


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        param(done("a"), (RERUN, "Named"), id="completed"),
        param(failed("a"), (RERUN, "Failed"), id="failed"),
        param(ran("a"), (RERUN, "WasRunning"), id="running"),
        param(JobRecord("a"), (RUN, "NotStarted"), id="pending"),
        param(skipped("a", names.CONDITION_FALSE), (RUN, "ConsideredAgain"), id="its condition was false"),
        param(skipped("a", names.SKIPPED_BY_HAND), (RUN, "ConsideredAgain"), id="skipped by hand"),
    ],
)
def test_whatever_is_named_runs(record: JobRecord, expected: tuple[Verdict, str]) -> None:
    found = made((job("a"),), record, ask=asked("a"))
    assert verdicts(found) == {"a": expected}
    assert found.problems == ()


def test_what_depends_on_a_job_that_runs_again_runs_again_too() -> None:
    found = made(CHAIN, done("a"), done("b"), done("c"), ask=asked("a"))
    assert verdicts(found) == {"a": (RERUN, "Named"), "b": (RERUN, "DependsOnRerun"), "c": (RERUN, "DependsOnRerun")}
    assert one(found, "b").message == "depends on a, which runs again"
    assert found.problems == ()


def test_what_comes_before_and_beside_it_is_kept() -> None:
    jobs = (*CHAIN, job("beside", "a"))
    found = made(jobs, *map(done, ("a", "b", "c", "beside")), ask=asked("b"))
    assert {name for name, (verdict, _) in verdicts(found).items() if verdict is KEEP} == {"a", "beside"}


def test_many_dependencies_that_run_again_are_counted() -> None:
    ids = [f"j{n}" for n in range(7)]
    found = made((*map(job, ids), job("z", *ids)), *map(done, ids), done("z"), ask=asked(*ids))
    assert one(found, "z").message == "depends on j0, j1, j2, j3, j4 and 2 more, which runs again"


def test_a_job_completed_by_hand_is_kept_whatever_its_definition_is() -> None:
    """No attempt of it has run one."""
    record = ended("a", reason=names.COMPLETED_BY_HAND)
    assert verdicts(made((job("a"),), record)) == {"a": (KEEP, "Completed")}


def test_a_job_completed_by_hand_that_was_edited_must_be_named() -> None:
    found = made((job("a", digest="new"),), ended("a"), old=(job("a"),))
    assert problems(found) == [("a", "CompletedJobEdited")]


# --- Failures --------------------------------------------------------------------------------------------------------

HANDLER = job("h", "a", run_on=FAILURE)


@pytest.mark.parametrize(
    ("handler", "expected"),
    [
        param(done("h"), {"a": (KEEP, "FailureHandled"), "h": (KEEP, "Completed")}, id="handled: stands"),
        param(JobRecord("h"), {"a": (KEEP, "FailureHandled"), "h": (RUN, "NotStarted")}, id="may yet be handled"),
        param(ran("h"), {"a": (KEEP, "FailureHandled"), "h": (RERUN, "WasRunning")}, id="its handler was running"),
        param(failed("h"), {"a": (RERUN, "Failed"), "h": (RERUN, "Failed")}, id="its handler has failed"),
    ],
)
def test_a_failure_that_is_handled_or_may_be_stands(handler: JobRecord, expected: dict[str, Any]) -> None:
    assert verdicts(made((job("a"), HANDLER), failed("a"), handler)) == expected


def test_a_handled_failure_says_so_and_counts_as_work_kept() -> None:
    found = made((job("a"), HANDLER), failed("a"), done("h", 5))
    assert one(found).message == "its failure is handled"
    assert found.kept_seconds == 25


@pytest.mark.parametrize(
    ("target", "ask", "record"),
    [
        param((job("a"), HANDLER), asked("a"), failed("a"), id="named"),
        param((job("a", digest="new"), HANDLER), asked(), failed("a"), id="edited: an edit of what failed is free"),
        param((job("a"), HANDLER), asked(), failed("a", reason=names.CANCELLED), id="the cancel ended it, no error"),
        param((job("a"), HANDLER), asked(), failed("a", reason=names.EXECUTION_FAILING), id="given up with the run"),
    ],
)
def test_a_handled_failure_is_tried_again_and_its_handler_with_it(
    target: tuple[JobSpec, ...], ask: Restore, record: JobRecord
) -> None:
    found = made(target, record, done("h"), old=(job("a"), HANDLER), ask=ask)
    assert verdicts(found) == {"a": (RERUN, "Failed"), "h": (RERUN, "DependsOnRerun")}
    assert found.problems == ()


def test_a_failure_behind_what_runs_again_is_tried_again() -> None:
    jobs = (job("r"), job("a", "r"), HANDLER)
    found = made(jobs, done("r"), failed("a"), done("h"), ask=asked("r"))
    assert verdicts(found)["a"] == (RERUN, "Failed")


def test_a_failure_whose_handler_was_taken_out_is_tried_again() -> None:
    found = made((job("a"),), failed("a"), done("h"), old=(job("a"), HANDLER), ask=asked("h"))
    assert verdicts(found) == {"a": (RERUN, "Failed"), "h": (SKIP, names.REMOVED)}


def test_what_was_skipped_because_of_a_failure_is_considered_again_with_it() -> None:
    found = made(CHAIN, failed("a"), skipped("b"), skipped("c"))
    assert verdicts(found) == {
        "a": (RERUN, "Failed"), "b": (RUN, "ConsideredAgain"), "c": (RUN, "ConsideredAgain"),
    }  # fmt: skip


def test_what_was_skipped_because_of_a_handled_failure_stays_skipped() -> None:
    found = made((*CHAIN, HANDLER), failed("a"), skipped("b"), skipped("c"), done("h"))
    assert verdicts(found)["b"] == verdicts(found)["c"] == (SKIP, names.DEPENDENCY_FAILED)


def test_clean_up_after_a_failure_that_is_tried_again_runs_again() -> None:
    found = made((job("a"), job("z", "a", run_on=DONE)), failed("a"), done("z"))
    assert verdicts(found)["z"] == (RERUN, "DependsOnRerun")


# --- Edits -----------------------------------------------------------------------------------------------------------

BIG = {"spec": {"containers": [{"name": "main", "image": "busybox", "resources": {"limits": {"cpu": "2"}}}]}}
NEW_IMAGE = {"spec": {"containers": [{"name": "main", "image": "busybox:2"}]}}

EDITS = [
    param({"pod_template": NEW_IMAGE, "digest": "n"}, "image", id="another image"),
    param({"pod_template": BIG, "digest": "n"}, "resources", id="other resources"),
    param({"timeout_seconds": 5, "digest": "n"}, "timeoutSeconds", id="another timeout"),
    param({"outputs": OutputsFrom.LOG, "digest": "n"}, "outputs", id="outputs from elsewhere"),
    param({"run_on": DONE}, "runOn", id="runs on something else"),
    param({"when": "true"}, "when", id="another condition"),
    param({"depends_on": ("y", "x")}, "dependsOn", id="a dependency added"),
    param({"depends_on": ()}, "dependsOn", id="a dependency removed"),
]
FREE = [
    param({"retry": Retry(limit=5)}, id="retry"),
    param({"replay": CONFIRM}, id="replay"),
    param({"group": "train"}, id="group"),
    param({"index": 7}, id="its place"),
]
ABOVE = (job("x"), job("y"))
BASE = job("a", "x")


def edited(fields: dict[str, Any], record: JobRecord, *rerun: str) -> RestorePlan:
    target = (*ABOVE, replace(BASE, **fields))
    return made(target, done("x"), done("y"), record, old=(*ABOVE, BASE), ask=asked(*rerun))


@pytest.mark.parametrize(("fields", "what"), EDITS)
def test_an_edit_of_what_has_completed_is_refused_until_it_is_named(fields: dict[str, Any], what: str) -> None:
    found = edited(fields, done("a"))
    assert problems(found) == [("a", "CompletedJobEdited")]
    assert f" {what} changed" in found.problems[0].message
    assert verdicts(found)["a"] == (RERUN, "Edited")
    again = edited(fields, done("a"), "a")
    assert (problems(again), verdicts(again)["a"]) == ([], (RERUN, "Named"))


@pytest.mark.parametrize("fields", FREE)
def test_what_changes_nothing_of_an_attempt_is_free(fields: dict[str, Any]) -> None:
    found = edited(fields, done("a"))
    assert (problems(found), verdicts(found)["a"]) == ([], (KEEP, "Completed"))


def test_the_order_of_dependencies_means_nothing() -> None:
    before, now = job("a", "x", "y"), job("a", "y", "x")
    found = made((*ABOVE, now), done("x"), done("y"), done("a"), old=(*ABOVE, before))
    assert (problems(found), verdicts(found)["a"]) == ([], (KEEP, "Completed"))


@pytest.mark.parametrize(
    "record",
    [
        param(failed("a"), id="failed"), param(ran("a"), id="running"), param(waiting("a"), id="waiting"),
        param(JobRecord("a"), id="pending"), param(skipped("a", names.CONDITION_FALSE), id="skipped"),
    ],
)  # fmt: skip
@pytest.mark.parametrize(("fields", "what"), EDITS)
def test_an_edit_of_what_has_not_completed_is_free(fields: dict[str, Any], what: str, record: JobRecord) -> None:
    found = edited(fields, record)
    assert problems(found) == []
    assert verdicts(found)["a"][0] in (RERUN, RUN)


def test_several_edits_are_told_together() -> None:
    found = edited({"when": "true", "run_on": DONE}, done("a"))
    assert "runOn and when changed since" in found.problems[0].message
    assert one(found).message == "runOn and when changed"


def test_a_group_that_has_grown_is_an_added_dependency() -> None:
    """A dependency on a group is one on each of its jobs."""
    jobs = (job("x", group="g"), job("y", group="g"))
    old = (*jobs, job("z", "x", "y"))
    grown = (*jobs, job("w", group="g"), job("z", "x", "y", "w"))
    found = made(grown, done("x"), done("y"), done("z"), old=old)
    assert problems(found) == [("z", "CompletedJobEdited")]
    assert verdicts(found)["w"] == (RUN, "Added")


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        param("ran", (KEEP, "Completed"), id="as its attempt ran it"),
        param("edited", (KEEP, "Completed"), id="as the checkpoint's spec has it"),
        param("third", (RERUN, "Edited"), id="neither"),
    ],
)
def test_what_was_edited_after_it_had_started_may_be_either(target: str, expected: tuple[Verdict, str]) -> None:
    found = made((job("a", digest=target),), done("a", definition="ran"), old=(job("a", digest="edited"),))
    assert verdicts(found) == {"a": expected}
    assert bool(found.problems) is (expected[0] is RERUN)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        param(done("a"), [], id="its attempt ran the same"),
        param(done("a", definition="other"), [("a", "CompletedJobEdited")], id="its attempt ran another"),
        param(ended("a"), [], id="completed by hand: nothing tells that it was another"),
    ],
)
def test_without_the_checkpoints_spec_the_definition_that_ran_decides(
    record: JobRecord, expected: list[tuple[str, str]]
) -> None:
    found = made((job("a"),), record, old=())
    assert problems(found) == expected


def test_a_definition_that_differs_in_what_nobody_can_name_is_told_as_such() -> None:
    found = made((job("a", digest="new"),), done("a"), old=())
    assert "its definition changed" in found.problems[0].message


def test_an_edit_far_above_must_be_named_and_takes_along_what_depends_on_it() -> None:
    target = (job("a", digest="new"), *CHAIN[1:])
    found = made(target, done("a"), done("b"), done("c"), old=CHAIN)
    assert problems(found) == [("a", "CompletedJobEdited")], "only what was edited has to be named"
    assert verdicts(found)["c"] == (RERUN, "DependsOnRerun")


# --- Added, removed, renamed, re-wired -------------------------------------------------------------------------------


def test_an_added_job_runs_and_what_has_completed_is_kept() -> None:
    found = made((job("a"), job("new", "a")), done("a"), old=(job("a"),))
    assert verdicts(found) == {"a": (KEEP, "Completed"), "new": (RUN, "Added")}


def test_a_job_added_above_a_completed_one_is_an_edit_of_that() -> None:
    found = made((job("new"), job("a", "new")), done("a"), old=(job("a"),))
    assert problems(found) == [("a", "CompletedJobEdited")]


def test_a_job_put_between_two_completed_ones_is_an_edit_of_the_lower() -> None:
    old = (job("a"), job("b", "a"))
    now = (job("a"), job("m", "a"), job("b", "m"))
    assert problems(made(now, done("a"), done("b"), old=old)) == [("b", "CompletedJobEdited")]
    named = made(now, done("a"), done("b"), old=old, ask=asked("b"))
    assert verdicts(named) == {"a": (KEEP, "Completed"), "m": (RUN, "Added"), "b": (RERUN, "Named")}


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        param(done("x"), [("x", "ResultOrphaned")], id="completed: its result would be lost"),
        param(failed("x"), [], id="failed"),
        param(ran("x"), [], id="running"),
        param(skipped("x"), [], id="skipped"),
        param(JobRecord("x"), [], id="pending"),
    ],
)
def test_a_job_that_was_taken_out_is_not_run(record: JobRecord, expected: list[tuple[str, str]]) -> None:
    found = made((job("a"),), done("a"), record, old=(job("a"), job("x")))
    assert verdicts(found)["x"] == (SKIP, names.REMOVED)
    assert problems(found) == expected


def test_the_result_of_a_job_that_was_taken_out_is_let_go_by_naming_it() -> None:
    found = made((job("a"),), done("a"), done("x"), old=(job("a"), job("x")), ask=asked("x"))
    assert (problems(found), verdicts(found)["x"]) == ([], (SKIP, names.REMOVED))


def test_a_dependent_of_what_was_taken_out_was_re_wired() -> None:
    found = made((job("b"),), done("a"), done("b"), old=(job("a"), job("b", "a")), ask=asked("a"))
    assert problems(found) == [("b", "CompletedJobEdited")]


def test_what_was_taken_out_before_the_checkpoint_stays_as_it_was() -> None:
    found = made((job("a"),), done("a"), done("x"), old=(job("a"),))
    assert (problems(found), verdicts(found)["x"]) == ([], (KEEP, names.REMOVED))


@pytest.mark.parametrize("record", [ran("x"), waiting("x")], ids=["ran", "waited"])
def test_what_was_taken_out_before_the_checkpoint_and_had_not_ended_is_not_run(record: JobRecord) -> None:
    assert verdicts(made((job("a"),), done("a"), record, old=(job("a"),)))["x"] == (SKIP, names.REMOVED)


def test_a_renamed_job_is_one_removed_and_one_added_and_the_guess_is_told() -> None:
    found = made((job("new", digest="a"),), done("a"), old=(job("a"),))
    assert verdicts(found) == {"new": (RUN, "Added"), "a": (SKIP, names.REMOVED)}
    assert problems(found) == [("a", "ResultOrphaned")]
    assert "new runs the same: is it this job renamed?" in found.problems[0].message


@pytest.mark.parametrize(
    ("target", "record"),
    [
        param((job("new"),), done("a"), id="what was added runs something else"),
        param((job("b", digest="a"),), done("a"), id="what runs the same was there before"),
        param((job("new", digest=""),), ended("a"), id="nothing is known of what ran"),
    ],
)
def test_nothing_is_guessed_where_there_is_no_sign_of_a_rename(target: tuple[JobSpec, ...], record: JobRecord) -> None:
    records = (record, *(done("b", definition="b2") for t in target if t.id == "b"))
    found = made(target, *records, old=(job("a"), job("b")))
    assert "renamed" not in next(p.message for p in found.problems if p.reason == "ResultOrphaned")


def test_two_jobs_that_swapped_their_dependencies_are_both_edited() -> None:
    old = (job("a"), job("b", "a"), job("c"))
    now = (job("a"), job("b"), job("c", "a"))
    assert problems(made(now, done("a"), done("b"), done("c"), old=old)) == [
        ("b", "CompletedJobEdited"), ("c", "CompletedJobEdited"),
    ]  # fmt: skip


def test_jobs_are_listed_in_the_order_of_the_spec_and_those_gone_after_them() -> None:
    found = made((job("c", "a"), job("a")), done("a"), done("x"), old=(job("a"), job("x")))
    assert [j.id for j in found.jobs] == ["c", "a", "x"]


# --- Params ----------------------------------------------------------------------------------------------------------

NAMES_DAY = {"spec": {"containers": [{"name": "main", "image": "busybox", "args": ["$(params.day)"]}]}}
BEFORE, NOW_IS = {"day": "monday", "n": 1}, {"day": "tuesday", "n": 1}


def with_params(target: JobSpec, record: JobRecord, ask: Restore | None = None) -> RestorePlan:
    return made((target,), record, ask=ask, before=BEFORE, params=NOW_IS)


@pytest.mark.parametrize(
    ("target", "said"),
    [
        param(job("a", pod_template=NAMES_DAY), "the params that it names (day)", id="named by its template"),
        param(job("a", when="params.day == 'monday'"), "the params that its condition looks at", id="by its condition"),
    ],
)
@pytest.mark.parametrize("force", [False, True])
def test_params_that_a_completed_job_names_are_an_edit_of_it(target: JobSpec, said: str, force: bool) -> None:
    found = with_params(target, done("a"), asked(force=force))
    assert problems(found) == [("a", "CompletedJobEdited")]
    assert said in found.problems[0].message
    assert problems(with_params(target, done("a"), asked("a"))) == []


@pytest.mark.parametrize(
    "target",
    [
        param(job("a"), id="names none"),
        param(job("a", when="true"), id="its condition looks at none"),
        param(job("a", pod_template={"spec": {"containers": [{"args": ["$(params.n)"]}]}}), id="names another one"),
    ],
)
def test_what_names_none_of_the_changed_params_could_have_read_them(target: JobSpec) -> None:
    found = with_params(target, done("a"))
    assert problems(found) == [("a", "ParamsChanged")]
    assert "could have read day of params" in found.problems[0].message
    assert verdicts(found)["a"] == (KEEP, "Completed")


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        param(asked(force=True), (KEEP, "Completed"), id="force keeps it"),
        param(asked("a"), (RERUN, "Named"), id="named, it runs"),
    ],
)
def test_whoever_changes_params_says_what_becomes_of_such_a_job(ask: Restore, expected: tuple[Verdict, str]) -> None:
    found = with_params(job("a"), done("a"), ask)
    assert (problems(found), verdicts(found)["a"]) == ([], expected)


@pytest.mark.parametrize(
    ("before", "now", "changed"),
    [
        param({"n": 1}, {"n": 1}, "", id="the same"),
        param({"n": 1, "m": 2}, {"m": 2, "n": 1}, "", id="in another order"),
        param({"n": 1}, {"n": 1.0}, "n", id="1 and 1.0"),
        param({"n": 1}, {"n": True}, "n", id="1 and true"),
        param({"n": None}, {}, "n", id="null and none"),
        param({}, {"n": None}, "n", id="added"),
        param({"n": {"a": 1, "b": 2}}, {"n": {"b": 2, "a": 1}}, "", id="an object in another order"),
    ],
)
def test_params_are_compared_as_they_are_written(before: dict[str, Any], now: dict[str, Any], changed: str) -> None:
    found = made((job("a"),), done("a"), before=before, params=now)
    assert [p.message for p in found.problems if f"read {changed} of params" in p.message] == [
        p.message for p in found.problems
    ]
    assert bool(found.problems) is bool(changed)


@pytest.mark.parametrize(
    ("record", "target", "expected"),
    [
        param(failed("a"), job("a"), (RERUN, "Failed"), id="failed"),
        param(ran("a"), job("a"), (RERUN, "WasRunning"), id="running"),
        param(JobRecord("a"), job("a"), (RUN, "NotStarted"), id="pending"),
        param(skipped("a", names.CONDITION_FALSE), job("a", when="jobs['x'].attempt == 1"),
              (SKIP, names.CONDITION_FALSE), id="a condition that does not look at them"),
        param(skipped("a", names.CONDITION_FALSE), job("a", when="params.day == 'monday'"),
              (RUN, "ConsideredAgain"), id="a condition that looks at them is asked again"),
    ],
)  # fmt: skip
def test_params_are_free_for_what_has_not_completed(
    record: JobRecord, target: JobSpec, expected: tuple[Verdict, str]
) -> None:
    found = with_params(target, record)
    assert (problems(found), verdicts(found)["a"]) == ([], expected)


# --- Side effects: a word is asked for -------------------------------------------------------------------------------

RUNS_ON = live(final=False)  # it still runs, and of this job nothing is known
STATES = {
    "completed": done("a"), "failed": failed("a"), "running": ran("a"), "waiting": waiting("a"),
    "skipped by a cancel": skipped("a", names.CANCELLED), "pending": JobRecord("a"),
}  # fmt: skip
TRIED = ("completed", "failed", "running", "waiting")


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize(
    ("known", "asks", "perhaps"),
    [
        param(NEVER_RAN, TRIED, (), id="nothing came after"),
        param(RUNS_ON, tuple(STATES), ("skipped by a cancel", "pending"), id="the original still runs"),
        param(Known(), tuple(STATES), ("skipped by a cancel", "pending"), id="nothing is known"),
        param(live(JobRecord("a"), final=True), TRIED, (), id="the original has finished without it"),
        param(live(done("a")), tuple(STATES), (), id="a later record shows that it ran"),
        param(live(JobRecord("a", used=2), final=True), tuple(STATES), (), id="it ran before a rewind of the original"),
    ],
)
def test_what_has_run_or_may_have_needs_its_word(
    state: str, known: Known, asks: tuple[str, ...], perhaps: tuple[str, ...]
) -> None:
    record = STATES[state]
    ask = asked(*("a" for _ in ["x"] if state == "completed"))  # else it is kept, and no word is needed
    found = made((job("a", replay=CONFIRM),), record, known=known, ask=ask)
    assert problems(found) == [("a", "ConfirmationNeeded") for _ in ["x"] if state in asks]
    assert one(found).replay == ("Confirm" if state in asks else "")
    assert one(found).verdict is (RERUN if state in asks and state not in perhaps else RUN)
    assert all(("may have run" in p.message) is (state in perhaps) for p in found.problems)
    yes = made((job("a", replay=CONFIRM),), record, known=known, ask=replace(ask, confirm=frozenset("a")))
    assert problems(yes) == []


@pytest.mark.parametrize("state", [s for s in STATES if s != "completed"])
@pytest.mark.parametrize(
    ("known", "asks"),
    [
        param(NEVER_RAN, TRIED, id="nothing came after"),
        param(Known(), tuple(STATES), id="nothing is known"),
        param(live(done("a"), final=True), tuple(STATES), id="it ran later"),
    ],
)
def test_unsafe_runs_again_only_if_it_is_named(state: str, known: Known, asks: tuple[str, ...]) -> None:
    target = (job("a", replay=UNSAFE),)
    found = made(target, STATES[state], known=known)
    assert problems(found) == [("a", "UnsafeRerun") for _ in ["x"] if state in asks]
    assert problems(made(target, STATES[state], known=known, ask=asked("a"))) == []
    agreed = made(target, STATES[state], known=known, ask=asked(confirm=("a",), force=True))
    assert problems(agreed) == problems(found), "neither a yes nor force will do"


def test_a_word_for_one_is_none_for_what_depends_on_it() -> None:
    jobs = (job("a"), job("u", "a", replay=UNSAFE), job("c", "a", replay=CONFIRM))
    found = made(jobs, done("a"), done("u"), done("c"), ask=asked("a"))
    assert problems(found) == [("u", "UnsafeRerun"), ("c", "ConfirmationNeeded")]
    assert problems(made(jobs, done("a"), done("u"), done("c"), ask=asked("a", "u", confirm=("c",)))) == []


def test_naming_is_no_yes_for_what_wants_to_be_confirmed() -> None:
    found = made((job("a", replay=CONFIRM),), done("a"), ask=asked("a"))
    assert problems(found) == [("a", "ConfirmationNeeded")]


@pytest.mark.parametrize("replay", [UNSAFE, CONFIRM])
def test_what_is_kept_needs_no_word(replay: Replay) -> None:
    found = made((job("a", replay=replay),), done("a"), known=Known())
    assert (problems(found), one(found).replay) == ([], "")


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        param(Known(), [], id="nothing is known of it"),
        param(live(done("new")), [("new", "UnsafeRerun")], id="the original has it too by now, and ran it"),
    ],
)
def test_an_added_job_has_run_only_if_that_is_known(known: Known, expected: list[tuple[str, str]]) -> None:
    found = made((job("new", replay=UNSAFE),), known=known, old=())
    assert problems(found) == expected


def test_a_safe_job_needs_no_word_and_shows_no_risk() -> None:
    found = made((job("a"),), ran("a"), known=Known())
    assert (problems(found), one(found).replay) == ([], "")


# --- Rewinds: what still runs may go on ------------------------------------------------------------------------------

GOES_ON, STOPS = (KEEP, names.STILL_RUNS), (RERUN, "WasRunning")


@pytest.mark.parametrize(
    ("live_record", "target", "expected"),
    [
        param(ran("a"), job("a"), GOES_ON, id="the very same attempt goes on"),
        param(ran("a", definition=""), job("a"), GOES_ON, id="whose definition is not known"),
        param(ran("a", 2), job("a"), STOPS, id="another attempt"),
        param(ran("a", uid="other"), job("a"), STOPS, id="another Kubernetes Job"),
        param(ran("a", stopping=Stopping.PAUSE), job("a"), STOPS, id="it is being stopped"),
        param(ran("a"), job("a", digest="new"), STOPS, id="edited since it started"),
        param(done("a"), job("a"), STOPS, id="it has ended since"),
        param(JobRecord("a"), job("a"), STOPS, id="it does not run any more"),
    ],
)
def test_a_running_attempt_goes_on_if_it_is_the_very_same(
    live_record: JobRecord, target: JobSpec, expected: tuple[Verdict, str]
) -> None:
    found = made((target,), ran("a"), old=(job("a"),), known=live(live_record, final=True, adopt=True))
    assert verdicts(found) == {"a": expected}


def test_what_still_runs_and_is_named_is_stopped_and_runs_again() -> None:
    """An attempt that hangs can be replaced so."""
    found = made((job("a"),), ran("a"), known=live(ran("a"), final=True, adopt=True), ask=asked("a"))
    assert verdicts(found) == {"a": STOPS}


def test_a_fork_never_adopts() -> None:
    assert verdicts(made((job("a"),), ran("a"), known=live(ran("a")))) == {"a": STOPS}


def test_a_running_attempt_whose_inputs_are_made_again_is_stopped() -> None:
    jobs = (job("x"), job("a", "x"))
    known = live(done("x"), ran("a"), final=True, adopt=True)
    assert verdicts(made(jobs, done("x"), ran("a"), known=known, ask=asked("x")))["a"] == STOPS


@pytest.mark.parametrize("replay", [UNSAFE, CONFIRM])
def test_what_goes_on_needs_no_word(replay: Replay) -> None:
    known = live(ran("a"), final=True, adopt=True)
    assert problems(made((job("a", replay=replay),), ran("a"), known=known)) == []


def test_what_ran_and_was_then_taken_out_is_not_run() -> None:
    known = live(ran("x"), final=True, adopt=True)
    assert verdicts(made((job("a"),), done("a"), ran("x"), old=(job("a"), job("x")), known=known))["x"] == (
        SKIP, names.REMOVED,
    )  # fmt: skip


# --- Names that are no jobs ------------------------------------------------------------------------------------------


def test_names_of_no_jobs_are_refused_each_with_where_it_stands() -> None:
    found = made((job("a"),), done("a"), ask=asked("nope", "b", confirm=("nope",)))
    assert problems(found) == [("b", "UnknownJob"), ("nope", "UnknownJob"), ("nope", "UnknownJob")]
    assert [p.message.split(",")[0] for p in found.problems] == [
        "named in rerun", "named in rerun", "named in confirm",
    ]  # fmt: skip


def test_a_job_that_only_the_checkpoint_has_may_be_named() -> None:
    assert problems(made((job("a"),), done("a"), failed("x"), ask=asked("x", confirm=("x",)))) == []


# --- What it costs ---------------------------------------------------------------------------------------------------


def test_work_kept_and_work_done_again_are_counted() -> None:
    jobs = (job("a"), job("b"), job("c"), job("d"), job("e"))
    found = made(jobs, done("a", 100), done("b", 40), ran("c"), failed("d"), JobRecord("e"), ask=asked("b"))
    assert {j.id: j.seconds for j in found.jobs} == {"a": 100, "b": 40, "c": 30, "d": 20, "e": 0}
    assert (found.kept_seconds, found.repeated_seconds) == (100, 90)
    assert found.describe() == "1 keep, 3 rerun, 1 run; 100 s of work kept, 90 s done again"
    assert found.kept == 1


@pytest.mark.parametrize(
    ("record", "known", "expected"),
    [
        param(ran("a"), NEVER_RAN, 30, id="a running attempt, up to the checkpoint"),
        param(ran("a", started_at=None), NEVER_RAN, 0, id="one that was not seen to start"),
        param(ran("a", started_at=after(5)), NEVER_RAN, 0, id="one that started by another clock"),
        param(ran("a"), live(done("a", 50, attempt=2), final=True), 50, id="a later attempt, if one is known"),
        param(ran("a"), live(done("a", 30, attempt=1, finished_at=after(70))), 100, id="the same one, with its end"),
        param(done("a", 9, attempt=2), live(done("a", 50, attempt=1), final=True), 9, id="an older one is not"),
        param(JobRecord("a"), live(done("a", 7)), 7, id="it has run since"),
    ],
)
def test_what_is_done_again_is_the_latest_attempt_that_is_known(
    record: JobRecord, known: Known, expected: int
) -> None:
    assert made((job("a"),), record, known=known, ask=asked("a")).repeated_seconds == expected


# --- The digest ------------------------------------------------------------------------------------------------------


def digest(*, id: str = "checkpoint_1", ask: Restore | None = None, jobs: tuple[JobSpec, ...] = CHAIN,
           records: tuple[JobRecord, ...] = (), known: Known = NEVER_RAN, **fields: Any) -> str:  # fmt: skip
    found = saved(*(records or (done("a"), ran("b"), JobRecord("c"))), jobs=CHAIN)
    return plan(replace(found, id=id, **fields), spec(*jobs), ask or asked(), known).digest


@pytest.mark.parametrize(
    "fields",
    [
        param({"ask": asked(request_id="r", dry_run=True, plan_digest="x")}, id="how it is asked for"),
        param({"taken_at": after(9)}, id="the costs"),
        param({"records": (done("a"), ran("b", 2), JobRecord("c"))}, id="messages"),
        param({"jobs": (*CHAIN[:2], replace(CHAIN[2], digest="new"))}, id="an edit that is free"),
        param({"known": live(ran("b"), final=True)}, id="what is known, if nothing follows from it"),
        param({"ask": asked(confirm=("a",))}, id="a word that is not needed"),
    ],
)
def test_the_digest_is_the_same_where_the_same_is_done(fields: dict[str, Any]) -> None:
    assert digest(**fields) == digest()


@pytest.mark.parametrize(
    "fields",
    [
        param({"id": "checkpoint_2"}, id="another checkpoint"),
        param({"digest": "other"}, id="another content of it"),
        param({"ask": asked("a")}, id="another verdict"),
        param({"records": (done("a"), failed("b"), JobRecord("c"))}, id="another reason"),
        param({"jobs": CHAIN[:2]}, id="a job less"),
        param({"jobs": (*CHAIN, job("d"))}, id="a job more"),
        param({"known": live(ran("b"), final=True, adopt=True)}, id="a rewind that lets something go on"),
    ],
)
def test_the_digest_is_another_one_where_something_else_is_done(fields: dict[str, Any]) -> None:
    assert digest(**fields) != digest()


def test_the_same_question_has_the_same_answer() -> None:
    """So that it can be asked again later why something ran."""
    assert made(CHAIN, done("a"), ran("b"), ask=asked("a")) == made(CHAIN, done("a"), ran("b"), ask=asked("a"))


def test_a_shape_may_be_handed_in() -> None:
    target = spec(*CHAIN)
    found = saved(done("a"), jobs=CHAIN)
    assert plan(found, target, asked(), Known(), Shape(target)) == plan(found, target, asked(), Known())


def test_a_plan_of_nothing() -> None:
    found = plan(saved(), ExecutionSpec(), asked(), Known())
    assert found.describe() == "no jobs; 0 s of work kept, 0 s done again"


# --- Size ------------------------------------------------------------------------------------------------------------


def test_two_thousand_jobs_are_planned() -> None:
    ids = [f"j{n}" for n in range(2000)]
    jobs = tuple(job(name, *ids[max(n - 20, 0) : n : 2]) for n, name in enumerate(ids))
    records = [done(n) if k < 1000 else failed(n) if k < 1010 else skipped(n) for k, n in enumerate(ids)]
    found = made(jobs, *records, before={"x": 1}, params={"x": 2}, ask=asked("j500", force=True))
    assert (found.counts[KEEP], sum(found.counts.values())) == (750, 2000)


def test_a_status_has_room_for_so_many_problems_and_is_told_of_the_rest() -> None:
    ids = [f"j{n}" for n in range(MAX_PROBLEMS + 3)]
    edited = tuple(job(name, digest="edited") for name in ids)
    found = made(edited, *map(done, ids), old=tuple(map(job, ids)))
    assert len(found.problems) == MAX_PROBLEMS
    assert found.problems[-1].message.endswith(" (and 3 more problems)")
