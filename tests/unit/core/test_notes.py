"""The Kubernetes Events of one step."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cairn import names
from cairn.core.actions import Note
from cairn.core.notes import listed, notes
from cairn.core.restore.progress import Fork, Mode, Origin, Progress, RestoredFrom, Step
from cairn.core.status import CancelState, Condition, JobRecord, JobState, PausePhase, PauseState, Phase, Status
from simulation.build import EARLIER, NOW, after, ended, failed, intended, running, skipped


def of(*records: JobRecord, **fields: object) -> Status:
    return Status(phase=fields.pop("phase", Phase.RUNNING), jobs={r.id: r for r in records}, **fields)


def told(old: Status, new: Status) -> list[tuple[str, str]]:
    return [(note.reason, note.message) for note in notes(old, new)]


def test_nothing_new_nothing_told() -> None:
    record = running("a")
    assert told(of(record), of(record, reason=names.WORKING)) == []


def test_launches_completions_and_skips_of_a_step_are_told_together() -> None:
    old = of(running("a"), running("b"), JobRecord("c"), JobRecord("d"), JobRecord("e"))
    new = of(ended("a"), ended("b"), intended("c"), skipped("d"), JobRecord("e", reason=names.ON_HOLD))
    assert told(old, new) == [
        ("Completed", "completed 2 jobs: a, b"), ("Skipped", "skipped job d"), ("Launched", "launched job c"),
    ]  # fmt: skip


def test_what_is_new_altogether_is_told() -> None:
    assert told(Status(), of(intended("a"))) == [("Launched", "launched job a")]


def test_many_are_counted() -> None:
    ids = [f"j{i}" for i in range(12)]
    assert listed(ids) == "j0, j1, j2, j3, j4, j5, j6, j7, j8, j9 and 2 more"
    assert listed(ids[:2]) == "j0, j1"


def test_failures_are_told_one_by_one_the_first_few() -> None:
    ids = [f"j{i}" for i in range(7)]
    found = notes(of(*map(running, ids)), of(*map(failed, ids)))
    assert [n.message for n in found][:1] == ["job j0, attempt 1 failed: Error: exited with code 1"]
    assert [n.message for n in found][5:] == ["failed also: j5, j6"]
    assert all(n.warning for n in found)


def test_a_job_that_failed_before_it_could_be_launched_is_told_too() -> None:
    assert [n.reason for n in notes(of(JobRecord("a")), of(failed("a", attempt=0)))] == ["JobFailed"]


def test_a_job_that_starts_to_wait_is_told_once() -> None:
    waits = JobRecord("a", JobState.RUNNING, 1, names.LAUNCH_REFUSED, "exceeded quota")
    expected = Note("Waiting", "job a, attempt 1 waits: LaunchRefused: exceeded quota", True)
    assert notes(of(running("a")), of(waits)) == (expected,)
    assert notes(of(waits), of(waits.with_reason(names.LAUNCH_REFUSED, "exceeded quota, again"))) == ()


def test_many_that_wait_are_told_together() -> None:
    names_ = [f"j{n}" for n in range(7)]
    waits = [JobRecord(n, JobState.RUNNING, 1, names.UNSCHEDULABLE, "no node") for n in names_]
    found = notes(of(*map(running, names_)), of(*waits))
    assert len(found) == 6
    assert found[-1] == Note("Waiting", "waiting also: j5, j6", True)


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        (names.STOPPED, Note("Stopped", "job a, attempt 1 was code 1")),
        (names.ERROR, Note("Retrying", "job a, attempt 1 ended: Error: code 1; trying again", True)),
    ],
    ids=["stopped by a pause", "to be tried again"],
)
def test_what_will_run_again(reason: str, expected: Note) -> None:
    again = JobRecord("a", JobState.PENDING, 1, reason, "code 1")
    assert notes(of(running("a")), of(again)) == (expected,)


DRAINING = PauseState(PausePhase.DRAINING, EARLIER, 1, running=("a",), count=1)
PAUSED = PauseState(PausePhase.PAUSED, EARLIER, 1)


@pytest.mark.parametrize(
    ("before", "after", "phase", "expected"),
    [
        (None, DRAINING, Phase.RUNNING, [("Pausing", "draining (1): a")]),
        (None, PAUSED, Phase.RUNNING, [("Paused", "paused")]),
        (DRAINING, PAUSED, Phase.RUNNING, [("Drained", "nothing runs any more: paused")]),
        (PAUSED, DRAINING, Phase.RUNNING, []),
        (PAUSED, PAUSED, Phase.RUNNING, []),
        (PAUSED, None, Phase.RUNNING, [("Resumed", "resumed")]),
        (PAUSED, None, Phase.CANCELLED, [("Cancelled", "")]),
    ],
    ids=["begun", "at once", "drained", "something runs again", "still", "resumed", "an end is no resume"],
)
def test_pauses(
    before: PauseState | None, after: PauseState | None, phase: Phase, expected: list[tuple[str, str]]
) -> None:
    assert told(of(pause=before), of(pause=after, phase=phase)) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"cancel": CancelState("c1", "enough", NOW)}, ("Cancelling", "cancel c1: enough")),
        ({"cancel": CancelState("c1", "", NOW)}, ("Cancelling", "cancel c1: no reason given")),
        ({"timed_out_at": NOW}, ("TimedOut", "the execution has run for longer than timeoutSeconds")),
    ],
    ids=["a cancel", "a cancel without a reason", "the timeout"],
)
def test_the_end_that_is_coming(fields: dict, expected: tuple[str, str]) -> None:
    assert told(of(), of(**fields)) == [expected]
    assert told(of(**fields), of(**fields)) == []


@pytest.mark.parametrize(
    ("phase", "warning"),
    [("Succeeded", False), ("Failed", True), ("Cancelled", True)],
    ids=["good", "bad", "cancelled"],
)
def test_the_end(phase: str, warning: bool) -> None:
    assert notes(of(), of(phase=Phase(phase), message="why")) == (Note(phase, "why", warning),)


def condition(kind: str, status: bool, message: str = "spec.a: wrong") -> Condition:
    return Condition(kind, status, "Reason", message, 1, NOW)


@pytest.mark.parametrize(
    ("kind", "status", "bad"),
    [("Accepted", False, True), ("Accepted", True, False), (names.CONDITION_EDITS_IGNORED, True, True)],
    ids=["not accepted", "accepted", "edits ignored"],
)
def test_what_is_wrong_with_the_spec(kind: str, status: bool, bad: bool) -> None:
    new = of(conditions=(condition(kind, status),))
    assert notes(of(), new) == ((Note("Reason", "spec.a: wrong", True),) if bad else ())
    assert notes(new, new) == ()
    other = replace(new, conditions=(condition(kind, status, "x" * 2000),))
    assert [len(n.message) for n in notes(new, other)] == ([900] if bad else [])


# --- Restores --------------------------------------------------------------------------------------------------------

ORIGIN = Origin("checkpoint_1", "before", "d", "default", "other", "uid")


def restoring(step: Step, mode: Mode = Mode.REWIND, request_id: str = "r1", message: str = "so it is") -> Progress:
    return Progress(mode, step, 1, NOW, request_id, "Why", message)


@pytest.mark.parametrize(
    ("progress", "expected"),
    [
        (restoring(Step.REFUSED), [("RestoreRefused", "request r1: Why: so it is")]),
        (restoring(Step.PLANNED), [("RestorePlanned", "request r1: so it is")]),
        (restoring(Step.PREPARING), []),
        (restoring(Step.STOPPING), [("Rewinding", "request r1: so it is")]),
        (restoring(Step.DONE), [("Rewound", "request r1: so it is")]),
        (restoring(Step.DONE, Mode.FORK, ""), [("Forked", "so it is")]),
    ],
    ids=["refused", "a dry run", "prepared: nothing has changed", "committed", "rewound", "forked, without a request"],
)
def test_how_a_restore_comes_on_is_told_once(progress: Progress, expected: list[tuple[str, str]]) -> None:
    assert told(of(), of(restore=progress)) == expected
    again = replace(progress, at=after(9), generation=2, undo="undo")
    assert told(of(restore=progress), of(restore=again)) == []
    assert told(of(restore=progress), of()) == []


@pytest.mark.parametrize(
    "before",
    [restoring(Step.PLANNED), restoring(Step.REFUSED, request_id="r0"), restoring(Step.REFUSED, message="other")],
    ids=["another step", "another request", "another message"],
)
def test_what_is_told_of_a_restore_is_what_is_new(before: Progress) -> None:
    assert told(of(restore=before), of(restore=restoring(Step.REFUSED))) == [
        ("RestoreRefused", "request r1: Why: so it is")
    ]


def test_only_a_refusal_is_a_warning() -> None:
    assert [notes(of(), of(restore=restoring(step)))[0].warning for step in (Step.REFUSED, Step.DONE)] == [True, False]


def test_what_was_kept_has_not_ended_now() -> None:
    """Of what a restore makes of the records, only launches of a fork are news."""
    forked = RestoredFrom(Mode.FORK, ORIGIN, NOW, 2)
    new = of(ended("a"), failed("b"), skipped("c"), intended("d"), restored_from=forked)
    assert told(of(), new) == [("Launched", "launched job d")]
    old = of(running("a"), running("b"), ended("c"))
    rewound = of(ended("a"), JobRecord("b"), JobRecord("c"), restored_from=replace(forked, mode=Mode.REWIND))
    assert told(old, rewound) == []


def test_forks_are_told_once_each() -> None:
    one, two = (Fork("ns", f"fork-{n}", f"uid-{n}", f"checkpoint_{n}", NOW) for n in (1, 2))
    assert told(of(forks=(one,)), of(forks=(one, two))) == [
        ("ForkedInto", "forked from checkpoint checkpoint_2 into ns/fork-2")
    ]
    assert told(of(forks=(one, two)), of(forks=(two,))) == []


@pytest.mark.parametrize(
    ("new", "logged"),
    [
        (failed("a", message="password=hunter2"), "job a, attempt 1 failed: Error"),
        (running("a", failures=1).as_pending(names.ERROR, "password=hunter2"), "job a, attempt 1 ended: Error"),
        (running("a", reason=names.UNSCHEDULABLE, message="no node"), "job a, attempt 1 waits: Unschedulable"),
    ],
    ids=["failed", "tried again", "waits"],
)
def test_the_log_names_the_attempt_but_not_what_was_said(new: JobRecord, logged: str) -> None:
    (note,) = notes(of(running("a")), of(new))
    assert (note.logged, note.job, note.attempt) == (logged, "a", 1)


def test_the_log_tells_an_end_by_its_reason() -> None:
    (note,) = notes(of(), of(phase=Phase.FAILED, reason=names.JOB_FAILED, message="job a failed: password=hunter2"))
    assert note.logged == "the execution has ended: Failed: JobFailed"
