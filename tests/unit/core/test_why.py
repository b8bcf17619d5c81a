"""Why a job runs, waits, was skipped, failed or ran again, in sentences."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pytest import param

from cairn import names
from cairn.core import outputs
from cairn.core.draft import Execution
from cairn.core.gates import SHOWN
from cairn.core.reasons import WORDS, said
from cairn.core.restore.progress import JobPlan, Mode, Origin, Progress, RestoredFrom, RestorePlan, Step, Verdict
from cairn.core.shape import Shape
from cairn.core.spec import (
    ExecutionSpec,
    FailurePolicy,
    JobSpec,
    Pause,
    Restore,
    Retry,
    RunOn,
    Scheduling,
    Source,
)
from cairn.core.status import Acknowledged, CancelState, JobRecord, JobState, PausePhase, PauseState, Phase, Stopping
from cairn.core.why import Why, lines, to_wire, why
from cairn.errors import NotFound, Violation
from simulation.build import EARLIER, NOW, after, ended, execution, failed, job, running, skipped, spec


def asked(name: str, given: ExecutionSpec, *records: JobRecord, **fields: Any) -> Why:
    return why(execution(given, *records, **fields), Shape(given), name, NOW)


def said_of(name: str, given: ExecutionSpec, *records: JobRecord, **fields: Any) -> list[str]:
    return lines(asked(name, given, *records, **fields))


AB = spec(job("a"), job("b", "a"))
ABC = spec(job("a"), job("b", "a"), job("c", "b"))


# --- Every reason there is -------------------------------------------------------------------------------------------


def reasons_of_jobs() -> list[str]:
    """Those that `names` lists under *Why a job is in its state*, and what else a record may say."""
    text = Path(names.__file__).read_text()
    section = text.split("# Why a job is in its state.\n")[1].split("\n\n")[0]
    listed = re.findall(r'^\w+: Final = "(\w+)"', section, re.MULTILINE)
    assert len(listed) > 30
    return [*listed, names.CANCELLED, names.TIMED_OUT, outputs.INVALID, outputs.TOO_LARGE]


@pytest.mark.parametrize("reason", reasons_of_jobs())
@pytest.mark.parametrize("state", list(JobState))
def test_every_reason_is_told_in_words(reason: str, state: JobState) -> None:
    record = JobRecord("a", state, 1, reason, "as was said")
    told = " ".join(said_of("a", spec(job("a"), hold=frozenset({"a"} if reason == names.ON_HOLD else ())), record))
    quiet = {names.ON_HOLD, names.AWAITING_CHECKPOINT} if state is JobState.PENDING else set()
    assert WORDS[reason] in told and (reason in quiet or "as was said" in told)


def test_there_are_words_for_reasons_only() -> None:
    assert set(WORDS) == set(reasons_of_jobs())


@pytest.mark.parametrize(
    ("reason", "message", "told"),
    [
        ("", "", ""),
        ("", "by itself", "by itself"),
        ("OOMKilled", "", "OOMKilled"),
        ("ImagePullBackOff", "no such image", "ImagePullBackOff: no such image"),
        (names.ERROR, "exit 1", "its container exited with an error (Error): exit 1"),
    ],
)
def test_a_reason_in_a_sentence(reason: str, message: str, told: str) -> None:
    assert said(reason, message) == told


# --- Running and ended -----------------------------------------------------------------------------------------------

ENDED = [
    param(
        running("a", 2, reason="", started_at=EARLIER), {}, ["job a runs since 1m, attempt 2"], id="it runs"
    ),
    param(
        running("a", reason=names.UNSCHEDULABLE, message="0/3 nodes"), {},
        ["job a is at attempt 1: no node takes its pod (Unschedulable): 0/3 nodes"], id="it waits for a node",
    ),
    param(
        running("a", reason=names.STOPPING, stopping=Stopping.CANCEL), {},
        ["job a is at attempt 1: it is being stopped, and has its grace period to end (Stopping)",
         "  - it is ended on purpose (Cancel)"], id="it is being stopped",
    ),
    param(
        running("a", reason=names.HELD), {"status_pause": PauseState(PausePhase.PAUSED, EARLIER, 1, reason="lunch")},
        ["job a is at attempt 1: it was created suspended and has not started: a resume lets it go (Held)",
         "  - the execution is paused; reason: lunch; by user, since 1m"], id="it is held",
    ),
    param(
        running("gone", reason=""), {},
        ["job gone runs, attempt 1",
         "  - it is not in spec.jobs any more: this attempt is followed to its end, and there is no other"],
        id="it was taken out",
    ),
    param(
        ended("a", attempt=2, started_at=EARLIER, finished_at=NOW, failures=1), {},
        ["job a completed at attempt 2 after 1m", "  - attempts that failed: 1; 3 retries are allowed"],
        id="it completed after a retry",
    ),
    param(
        ended("a", message="nothing needs them"), {}, ["job a completed at attempt 1", "  - nothing needs them"],
        id="it completed with a remark",
    ),
    param(
        ended("a", reason=names.COMPLETED_BY_HAND, message="trust me"),
        {"status_requests": (Acknowledged("r1", "Complete", EARLIER, job="a", message="trust me", by="ada"),
                             Acknowledged("r2", "Retry", EARLIER, "Refused", "a"),
                             Acknowledged("r3", "Retry", EARLIER, job="b"))},
        ["job a counts as completed: a request marked it as completed (CompletedByHand): trust me",
         "  - request r1 by ada, 1m ago: Complete, Done: trust me", "  - request r2, 1m ago: Retry, Refused"],
        id="completed by hand",
    ),
    param(
        failed("a", exit_code=3, message="exited with code 3", disruptions=2), {},
        ["job a failed at attempt 1: its container exited with an error (Error): exited with code 3",
         "  - exit code 3", "  - nothing handles its failure: the execution fails, unless a request mends it",
         "  - attempts that failed: 1; 3 retries are allowed",
         "  - attempts that the cluster ended: 2; they cost no retry"], id="it failed",
    ),
    param(
        failed("gone", reason="", message="", failures=0), {},
        ["job gone failed at attempt 1: no reason is recorded",
         "  - nothing handles its failure: the execution fails, unless a request mends it"], id="without a reason",
    ),
    param(
        failed("gone", disruptions=1, failures=1), {},
        ["job gone failed at attempt 1: its container exited with an error (Error): exited with code 1",
         "  - nothing handles its failure: the execution fails, unless a request mends it",
         "  - attempts that failed: 1; 0 retries are allowed",
         "  - attempts that the cluster ended: 1; they cost no retry"], id="a job that is gone has no retries",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("record", "fields", "told"), ENDED)
def test_what_runs_or_has_ended(record: JobRecord, fields: dict[str, Any], told: list[str]) -> None:
    assert said_of(record.id, spec(job("a", retry=Retry(limit=3))), record, **fields) == told


@pytest.mark.parametrize(
    ("record", "told"),
    [
        (ended("alert"), "was handled"),
        (running("alert"), "may still be handled"),
        (skipped("alert"), "nothing handles"),
    ],
)
def test_whether_a_failure_is_handled(record: JobRecord, told: str) -> None:
    given = spec(job("a"), job("alert", "a", run_on=RunOn.FAILURE))
    assert told in said_of("a", given, failed("a"), record)[1]


# --- Skipped ---------------------------------------------------------------------------------------------------------

SKIPPED = [
    param(
        ABC, "b", [failed("a"), skipped("b")],
        ["job b was skipped: a failed: its container exited with an error (Error): exited with code 1"],
        id="because of a failure",
    ),
    param(
        ABC, "c", [failed("a"), skipped("b"), skipped("c")],
        ["job c was skipped: a failed: its container exited with an error (Error): exited with code 1",
         f"  - b was skipped: {WORDS[names.DEPENDENCY_FAILED]} (DependencyFailed)",
         "    - a failed: its container exited with an error (Error): exited with code 1"],
        id="the chain leads to the failure",
    ),
    param(
        spec(job("a", when="params.x > 1"), job("b", "a")), "a", [skipped("a", names.CONDITION_FALSE)],
        ["job a was skipped: its condition `when` was false (ConditionFalse)", "  - its condition is: params.x > 1"],
        id="its condition was false",
    ),
    param(
        spec(job("a"), job("x"), job("b", "a")), "x", [failed("a"), skipped("x", names.EXECUTION_FAILING)],
        ["job x was skipped: a failed: its container exited with an error (Error): exited with code 1"],
        id="another job failed",
    ),
    param(
        AB, "gone", [skipped("gone", names.REMOVED)],
        ["job gone was skipped: it was taken out of spec.jobs (Removed)"], id="taken out",
    ),
    param(
        AB, "gone", [skipped("gone", names.DEPENDENCY_FAILED)],
        [f"job gone was skipped: {WORDS[names.DEPENDENCY_FAILED]} (DependencyFailed)"], id="its causes are gone",
    ),
    param(
        spec(job("a"), job("b", "a"), job("c", "a"), job("d", "b", "c")), "d",
        [failed("a"), skipped("b"), skipped("c"), skipped("d")],
        ["job d was skipped: a failed: its container exited with an error (Error): exited with code 1",
         f"  - b was skipped: {WORDS[names.DEPENDENCY_FAILED]} (DependencyFailed)",
         "    - a failed: its container exited with an error (Error): exited with code 1",
         f"  - c was skipped: {WORDS[names.DEPENDENCY_FAILED]} (DependencyFailed)"],
        id="a diamond tells each cause once",
    ),
    param(
        spec(*(job(f"f{n}") for n in range(5)), job("z", *(f"f{n}" for n in range(5)))), "z",
        [*(failed(f"f{n}", reason="E", message="") for n in range(5)), skipped("z")],
        ["job z was skipped: f0 failed: E; f1 failed: E; f2 failed: E; and 2 more"],
        id="many failures",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("given", "name", "records", "told"), SKIPPED)
def test_what_was_skipped(given: ExecutionSpec, name: str, records: list[JobRecord], told: list[str]) -> None:
    assert said_of(name, given, *records) == told


@pytest.mark.parametrize(("reason", "told"), [("wrong data", "wrong data"), ("", "no reason given")])
def test_skipped_by_a_cancel(reason: str, told: str) -> None:
    cancel = CancelState("r", reason, EARLIER)
    found = said_of("b", AB, skipped("b", names.CANCELLED), status_cancel=cancel)
    assert found == ["job b was skipped: the execution was cancelled (Cancelled)", f"  - cancelled 1m ago: {told}"]


def test_a_cancel_that_is_spent_is_not_told() -> None:
    assert len(said_of("b", AB, skipped("b", names.CANCELLED))) == 1


def test_a_long_chain_is_told_in_part_and_its_root_at_once() -> None:
    chain = spec(job("j0"), *(job(f"j{n}", f"j{n - 1}") for n in range(1, 2000)))
    records = [failed("j0"), *(skipped(f"j{n}") for n in range(1, 2000))]
    told = said_of("j1999", chain, *records)
    assert told[0] == "job j1999 was skipped: j0 failed: its container exited with an error (Error): exited with code 1"
    assert len(told) == SHOWN + 2
    assert told[-1] == f"  - and {1999 - SHOWN} more jobs that failed or were skipped"


# --- Waiting ---------------------------------------------------------------------------------------------------------

PAUSED = PauseState(PausePhase.PAUSED, EARLIER, 1, "operator", "failed: a", until=after(90))
RUNNING_A = running("a", reason="", started_at=EARLIER)
WAITS = [
    param(
        AB, "b", [RUNNING_A], {}, ["job b waits: it comes after a (Running, attempt 1, since 1m)"],
        id="for one that runs",
    ),
    param(
        ABC, "c", [RUNNING_A], {},
        ["job c waits: it comes after b (Pending)",
         "    - which in the end comes after a (Running, attempt 1, since 1m)"], id="in the end for one that runs",
    ),
    param(
        spec(job("a"), job("b", "a"), job("c", "b"), hold=frozenset({"b"})), "c",
        [ended("a"), JobRecord("b", reason=names.ON_HOLD)], {}, ["job c waits: it comes after b (Pending, OnHold)"],
        id="for one that is shown as held",
    ),
    param(
        spec(job("a"), job("b", "a"), hold=frozenset({"a"})), "b", [], {},
        ["job b waits: it comes after a (Pending, OnHold)"], id="for one that is to be held",
    ),
    param(
        spec(job("x"), job("a", "x"), job("b", "x"), job("c", "a", "b"), job("d", "c", "a")), "d", [running("x")], {},
        ["job d waits: it comes after c (Pending); a (Pending)",
         "    - which in the end comes after x (Running, attempt 1, Waiting)"], id="through a diamond, told once",
    ),
    param(
        spec(*(job(f"a{n}") for n in range(5)), job("b", *(f"a{n}" for n in range(5)))), "b", [], {},
        ["job b waits: it comes after a0 (Pending); a1 (Pending); a2 (Pending); and 2 more"], id="for many",
    ),
    param(AB, "a", [], {}, ["job a waits: nothing keeps it, so it starts when the operator looks next"], id="nothing"),
    param(
        replace(AB, paused=True), "a", [], {},
        ["job a waits: spec.paused is set, and the operator has not seen it yet"], id="a pause not seen yet",
    ),
    param(
        replace(AB, paused=True, hold=frozenset({"a"})), "a", [], {"status_pause": PAUSED},
        ["job a waits: the execution is paused; reason: failed: a; by operator, since 1m; resumes in 1m30s",
         "  - it is named in spec.hold: take it out there (OnHold)"], id="a pause and a hold",
    ),
    param(
        spec(job("a", retry=Retry(limit=3))), "a",
        [JobRecord("a", attempt=2, reason="OOMKilled", retry_at=after(12), failures=2)], {},
        ["job a waits: attempt 3 starts in 12s", "  - attempt 2 ended: OOMKilled",
         "  - attempts that failed: 2; 3 retries are allowed"], id="for a retry",
    ),
    param(
        AB, "a", [JobRecord("a", attempt=1, reason=names.STOPPED, retry_at=EARLIER)], {},
        ["job a waits: attempt 1 ended: its attempt was stopped on purpose, which costs no retry (Stopped)"],
        id="for nothing more after a stop",
    ),
    param(
        spec(job("a"), job("x"), job("b", "a"), scheduling=Scheduling.LEVELS), "b", [ended("a"), running("x")], {},
        ["job b waits: scheduling is Levels, and of the levels below 1 these are not done: x"], id="for its level",
    ),
    param(
        spec(job("a"), job("b", "a"), scheduling=Scheduling.LEVELS), "b", [ended("a")], {},
        ["job b waits: nothing keeps it, so it starts when the operator looks next"], id="its level may start",
    ),
    param(
        spec(job("a"), job("b"), parallelism=1), "b", [running("a")], {},
        ["job b waits: parallelism is 1, and these are under way: a"], id="for a place",
    ),
    param(
        spec(job("a"), job("b"), parallelism=2), "b", [running("a")], {},
        ["job b waits: nothing keeps it, so it starts when the operator looks next"], id="there is a place",
    ),
    param(
        AB, "a", [JobRecord("a", attempt=1, reason=names.AWAITING_CHECKPOINT)], {},
        ["job a waits: it is critical, and the checkpoint before it is not Ready yet (AwaitingCheckpoint)"],
        id="for a checkpoint",
    ),
    param(
        spec(job("a"), job("b")), "b", [failed("a")], {},
        ["job b waits: a failed, and failurePolicy: Stop lets only jobs with runOn Failure or Done start"],
        id="as another one failed",
    ),
    param(
        spec(job("a"), job("b"), job("c", "a", "b", run_on=RunOn.DONE)), "c", [failed("a")], {},
        ["job c waits: it comes after b (Pending)"], id="clean-up is not kept by a failure",
    ),
    param(
        spec(job("a"), job("b"), failure_policy=FailurePolicy.CONTINUE), "b", [failed("a")], {},
        ["job b waits: nothing keeps it, so it starts when the operator looks next"], id="failures are passed over",
    ),
    param(
        spec(job("a"), job("b", "a"), failure_policy=FailurePolicy.PAUSE), "b", [failed("a")], {},
        ["job b waits: a failed, and failurePolicy: Pause waits for somebody to mend that, or to resume",
         f"  - it is to be skipped, as {WORDS[names.DEPENDENCY_FAILED]} (DependencyFailed): not run because of a, which"
         " failed or was not run"], id="for somebody to mend it",
    ),
    param(
        spec(job("a"), job("b"), failure_policy=FailurePolicy.PAUSE), "b", [failed("a", paused_for=True)], {},
        ["job b waits: nothing keeps it, so it starts when the operator looks next"], id="after the resume it goes on",
    ),
    param(
        AB, "a", [], {"status_cancel": CancelState("r", "", EARLIER)},
        ["job a waits: the execution is being cancelled, and only clean-up (runOn: Done) still starts"], id="cancelled",
    ),
    param(
        AB, "a", [], {"status_timed_out_at": EARLIER},
        ["job a waits: the execution is ending, as it has timed out, and only clean-up (runOn: Done) still starts"],
        id="timed out",
    ),
    param(
        AB, "a", [], {"status_phase": Phase.CANCELLED, "status_cancel": CancelState("r", "", EARLIER)},
        ["job a waits: the execution has finished (Cancelled), and what was added since does not run"], id="too late",
    ),
    param(
        AB, "a", [], {"deleting": True},
        ["job a waits: the execution is being deleted, and nothing more is launched"], id="being deleted",
    ),
    param(
        AB, "a", [], {"status_started_at": None}, ["job a waits: the operator has not begun with the execution"],
        id="not looked at yet",
    ),
    param(
        AB, "gone", [JobRecord("gone")], {},
        ["job gone waits: nothing keeps it, so it starts when the operator looks next"], id="a record without a job",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("given", "name", "records", "fields", "told"), WAITS)
def test_what_waits(
    given: ExecutionSpec, name: str, records: list[JobRecord], fields: dict[str, Any], told: list[str]
) -> None:
    assert said_of(name, given, *records, **fields) == told


def test_a_long_chain_of_waits() -> None:
    chain = spec(job("j0"), *(job(f"j{n}", f"j{n - 1}") for n in range(1, 2000)))
    assert said_of("j1999", chain)[1] == "    - which in the end comes after j0 (Pending)"


def test_a_spec_that_is_not_accepted() -> None:
    violations = tuple(Violation(f"spec.jobs[{n}]", "is wrong") for n in range(7))
    given = Execution(execution(None).identity, 1, execution(None, JobRecord("a")).status, None, violations)
    told = lines(why(given, None, "a", NOW))
    assert told[0] == "job a waits: the spec is not accepted (7 violations), and nothing is launched until it is"
    assert told[1] == "    - spec.jobs[0]: is wrong" and len(told) == 6


# --- Restores --------------------------------------------------------------------------------------------------------

ORIGIN = Origin("checkpoint_1_x", "before", "d", "default", "sample", "uid")
PLAN = RestorePlan.of(
    (JobPlan("a", Verdict.KEEP, "Completed"), JobPlan("b", Verdict.RERUN, "Named", "named in rerun"),
     JobPlan("c", Verdict.SKIP, "ConditionFalse")), "digest",
)  # fmt: skip
RESTORED = RestoredFrom(Mode.REWIND, ORIGIN, EARLIER, 1)
DONE = Progress(Mode.REWIND, Step.DONE, 1, EARLIER, origin=ORIGIN, plan=PLAN)
OLD: dict[str, Any] = {"launched_at": after(-3600)}
WHERE = "the rewind to checkpoint before, 1m ago"
RESTORES = [
    param(ended("a", **OLD), DONE, [f"kept as it was through {WHERE}"], id="kept"),
    param(running("a", reason="", **OLD), DONE, [f"went on through {WHERE}"], id="adopted"),
    param(
        running("b", 3, reason="", launched_at=NOW), DONE, [f"runs again since {WHERE} (Named): named in rerun"],
        id="run again",
    ),
    param(
        skipped("c", names.CONDITION_FALSE), replace(DONE, origin=None),
        [f"is not run since {WHERE} (ConditionFalse)", f"kept as it was through {WHERE}"], id="not run again",
    ),
    param(
        JobRecord("a", used=4), DONE, ["attempt numbers go on after 4, which was given before"], id="numbers go on"
    ),
    param(JobRecord("b"), replace(DONE, step=Step.REFUSED), [], id="the plan of another restore is not told"),
    param(JobRecord("b"), None, [], id="the plan is gone"),
]  # fmt: skip


@pytest.mark.parametrize(("record", "progress", "told"), RESTORES)
def test_what_a_restore_has_done(record: JobRecord, progress: Progress | None, told: list[str]) -> None:
    record = replace(record, launched_at=after(-3600)) if record.state is JobState.SKIPPED else record
    found = asked(
        record.id, spec(job("a"), job("b"), job("c")), record, status_restored_from=RESTORED, status_restore=progress
    )  # fmt: skip
    assert [reason.text for reason in found.reasons] == told


def test_a_fork_is_called_so_and_its_checkpoint_by_its_id_if_it_has_no_name() -> None:
    restored = replace(RESTORED, mode=Mode.FORK, origin=replace(ORIGIN, name=""))
    found = asked("a", AB, ended("a", **OLD), status_restored_from=restored)
    assert found.reasons[0].text == "kept as it was through the fork from checkpoint checkpoint_1_x, 1m ago"


def restoring(step: Step) -> Progress:
    return Progress(Mode.REWIND, step, 1, EARLIER, reason="Why", message="because")


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"status_started_at": None}, "the fork from checkpoint before has not begun (it is being read)"),
        (
            {"status_started_at": None, "status_restore": restoring(Step.REFUSED)},
            "the fork from checkpoint before has not begun (Refused: Why: because)",
        ),
        (
            {"status_restore": restoring(Step.PREPARING)},
            "a rewind is being prepared, and nothing starts until the state before it is saved",
        ),
        (
            {"status_restore": restoring(Step.STOPPING)},
            "a rewind is being carried out, and waits until what is not kept has stopped",
        ),
        ({"status_restore": restoring(Step.DONE)}, "nothing keeps it, so it starts when the operator looks next"),
    ],
)
def test_a_restore_keeps_jobs_waiting(fields: dict[str, Any], told: str) -> None:
    given = spec(job("a"), restore=Restore(Source(checkpoint_name="before")))
    assert said_of("a", given, **fields) == [f"job a waits: {told}"]


# --- Who is meant, and the forms -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("jobs", "name", "told"),
    [
        (["train", "trade", "x"], "trian", "execution sample has no job trian; did you mean train or trade?"),
        (["a", "b"], "zzz", "execution sample has no job zzz; it has a, b"),
        ([], "a\x1b", "execution sample has no job a\\u001b; it has no jobs"),
    ],
)
def test_an_unknown_job(jobs: list[str], name: str, told: str) -> None:
    with pytest.raises(NotFound) as error:
        asked(name, spec(*map(job, jobs)))
    assert str(error.value) == told


def test_nothing_written_by_a_user_acts_on_a_terminal() -> None:
    told = said_of("a", spec(job("a", when="\x1b[2J")), skipped("a", names.CONDITION_FALSE))
    assert told[1] == "  - its condition is: \\u001b[2J"


def test_the_answer_as_json() -> None:
    given: tuple[JobSpec, ...] = (job("a"), job("b", "a"), job("c", "b"))
    found = asked("c", spec(*given, pause=Pause()), failed("a", reason="E", message=""), skipped("b"), skipped("c"))
    words = f"b was skipped: {WORDS[names.DEPENDENCY_FAILED]} (DependencyFailed)"
    assert to_wire(found) == {
        "job": "c", "state": "skipped", "attempt": 0, "headline": "job c was skipped: a failed: E",
        "reasons": [{"text": words, "depth": 0, "job": "b"}, {"text": "a failed: E", "depth": 1, "job": "a"}],
    }  # fmt: skip
    assert to_wire(asked("a", AB))["reasons"] == []
