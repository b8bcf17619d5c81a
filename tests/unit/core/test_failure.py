"""What a failure does to the rest: handled, open or not; who is ready, who is skipped."""

from __future__ import annotations

import pytest
from pytest import param

from cairn import names
from cairn.core import graph
from cairn.core.failure import Blocked, Handling, Ready, Skip, handling, readiness
from cairn.core.spec import JobSpec, RunOn
from cairn.core.status import JobRecord, JobState
from simulation.build import ended, failed, job, running, skipped

FAILURE, DONE = RunOn.FAILURE, RunOn.DONE
BY_CONDITION = names.CONDITION_FALSE


def pending(name: str) -> JobRecord:
    return JobRecord(name)


def ask(jobs: list[JobSpec], *records: JobRecord) -> Handling:
    return handling("f", {j.id: j for j in jobs}, graph.dependents(jobs), {r.id: r for r in records})


@pytest.mark.parametrize(
    ("jobs", "records", "expected"),
    [
        param([job("f")], [], "unhandled", id="nobody depends on it"),
        param([job("f"), job("a", "f")], [skipped("a")], "unhandled", id="a dependent on success handles nothing"),
        param([job("f"), job("a", "f", run_on=DONE)], [ended("a")], "unhandled", id="a clean-up job handles nothing"),
        param([job("f"), job("h", "f", run_on=FAILURE)], [ended("h")], "handled", id="its handler has completed"),
        param([job("f"), job("h", "f", run_on=FAILURE)], [running("h")], "open", id="its handler runs"),
        param([job("f"), job("h", "f", run_on=FAILURE)], [pending("h")], "open", id="its handler can start"),
        param([job("f"), job("h", "f", run_on=FAILURE)], [failed("h")], "unhandled", id="its handler failed too"),
        param(
            [job("f"), job("h", "f", run_on=FAILURE)], [skipped("h", BY_CONDITION)], "unhandled",
            id="its handler was skipped by its condition",
        ),
        param(
            [job("f"), job("x"), job("h", "f", "x", run_on=FAILURE)], [running("x"), pending("h")], "open",
            id="its handler waits for what still runs",
        ),
        param(
            [job("f"), job("x"), job("h", "f", "x", run_on=FAILURE)], [pending("x"), pending("h")], "unhandled",
            id="its handler waits for what does not start any more",
        ),
        param(
            [job("f"), job("a", "f"), job("h", "a", run_on=FAILURE)], [skipped("a"), ended("h")], "handled",
            id="handled behind what was skipped because of it",
        ),
        param(
            [job("f"), job("a", "f"), job("h", "a", run_on=FAILURE)], [pending("a"), pending("h")], "open",
            id="a handler behind what is still to be skipped will act",
        ),
        param(
            [job("f"), job("a", "f"), job("h", "a", run_on=FAILURE)], [skipped("a", BY_CONDITION), ended("h")],
            "unhandled", id="not handled behind what was skipped for another reason",
        ),
        param(
            [job("f"), job("h", "f", run_on=FAILURE), job("g", "f", run_on=FAILURE)], [ended("g"), pending("h")],
            "handled", id="one of two handlers is enough",
        ),
        param(
            [job("f"), job("a", "f"), job("b", "f"), job("h", "a", "b", run_on=FAILURE)],
            [skipped("a"), skipped("b"), running("h")], "open", id="found once on two ways",
        ),
    ],
)  # fmt: skip
def test_handling(jobs: list[JobSpec], records: list[JobRecord], expected: str) -> None:
    assert ask(jobs, failed("f"), *records) == expected


def test_a_job_that_was_removed_from_the_spec_has_no_handler() -> None:
    assert handling("gone", {}, {}, {}) is Handling.UNHANDLED


CASES = [
    # run_on, the states of its dependencies, what becomes of it
    (RunOn.SUCCESS, [], "ready", "a root is ready"),
    (RunOn.SUCCESS, [ended("a")], "ready", "success: all completed"),
    (RunOn.SUCCESS, [ended("a"), running("b")], "blocked", "success: one still runs"),
    (RunOn.SUCCESS, [running("a"), failed("b")], names.DEPENDENCY_FAILED, "success: skipped at the first failure"),
    (RunOn.SUCCESS, [running("a"), skipped("b", BY_CONDITION)], names.DEPENDENCY_SKIPPED, "success: skipped at a skip"),
    (
        RunOn.SUCCESS,
        [failed("a"), skipped("b", BY_CONDITION)],
        names.DEPENDENCY_FAILED,
        "success: failure is told first",
    ),
    (RunOn.SUCCESS, [skipped("a")], names.DEPENDENCY_FAILED, "success: a failure is handed on through skips"),
    (RunOn.DONE, [], "ready", "done: a root is ready"),
    (RunOn.DONE, [failed("a"), skipped("b"), ended("c")], "ready", "done: however they ended"),
    (RunOn.DONE, [failed("a"), running("b")], "blocked", "done: waits for all"),
    (RunOn.DONE, [pending("a")], "blocked", "done: waits for what has not started"),
    (RunOn.FAILURE, [failed("a"), running("b")], "blocked", "failure: waits for all"),
    (RunOn.FAILURE, [failed("a"), ended("b")], "ready", "failure: one has failed"),
    (RunOn.FAILURE, [skipped("a")], "ready", "failure: one was skipped because of a failure"),
    (RunOn.FAILURE, [ended("a")], names.NOTHING_FAILED, "failure: none has failed"),
    (RunOn.FAILURE, [skipped("a", BY_CONDITION)], names.NOTHING_FAILED, "failure: a skip by condition is no failure"),
    (RunOn.FAILURE, [], names.NOTHING_FAILED, "failure: a root has nothing to wait for"),
]


@pytest.mark.parametrize(("run_on", "above", "expected"), [c[:3] for c in CASES], ids=[c[3] for c in CASES])
def test_readiness(run_on: RunOn, above: list[JobRecord], expected: str) -> None:
    found = readiness(job("x", *(r.id for r in above), run_on=run_on), {r.id: r for r in above})
    match found:
        case Ready():
            assert expected == "ready"
        case Blocked():
            assert expected == "blocked"
        case Skip(reason):
            assert reason == expected


def test_a_skip_names_at_most_three_jobs() -> None:
    above = {n: ended(n, JobState.FAILED) for n in "abcde"}
    found = readiness(job("x", *above), above)
    assert isinstance(found, Skip)
    assert found.message == "not run because of a, b, c and 2 more, which failed or was not run"
