"""What the status remembers of restores: nothing is lost on the way there and back."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairn.core.restore.progress import (
    Fork,
    JobPlan,
    Mode,
    Origin,
    Problem,
    Progress,
    RestoredFrom,
    RestorePlan,
    Step,
    Verdict,
    fork_from_wire,
    fork_to_wire,
    from_wire,
    plan_to_wire,
    restored_from_wire,
    restored_to_wire,
    to_wire,
)
from simulation.build import NOW
from support.states import COUNTS, TEXTS, TIMES

MODES, STEPS, VERDICTS = (st.sampled_from(sorted(kind)) for kind in (Mode, Step, Verdict))
WORDS = TEXTS.filter(bool)
JOBS = st.lists(st.builds(JobPlan, WORDS, VERDICTS, WORDS, TEXTS, COUNTS, TEXTS), max_size=4).map(tuple)
PROBLEMS = st.lists(st.builds(Problem, TEXTS, TEXTS, TEXTS), max_size=3).map(tuple)
PLANS = st.builds(RestorePlan.of, JOBS, TEXTS, PROBLEMS)
ORIGINS = st.builds(Origin, WORDS, TEXTS, WORDS, WORDS, WORDS, WORDS)
PROGRESSES = st.builds(
    Progress, MODES, STEPS, COUNTS, TIMES, TEXTS, TEXTS, TEXTS, st.none() | ORIGINS, st.none() | PLANS, TEXTS, TEXTS
)
RESTORED = st.builds(
    RestoredFrom, MODES, ORIGINS, TIMES, COUNTS, COUNTS, TEXTS, TEXTS, TEXTS, st.lists(TEXTS, max_size=3).map(tuple)
)
PLAN = RestorePlan.of(
    (
        JobPlan("a", Verdict.KEEP, "Completed", seconds=5), JobPlan("b", Verdict.RERUN, "Failed", "why", 3, "Unsafe"),
        JobPlan("c", Verdict.RUN, "NotStarted"), JobPlan("d", Verdict.SKIP, "ConditionFalse"),
    ),
    "digest",
)  # fmt: skip


@given(PROGRESSES)
def test_progress_comes_back_as_it_was_written(progress: Progress) -> None:
    assert from_wire(json.loads(json.dumps(to_wire(progress)))) == progress


@given(RESTORED)
def test_the_source_of_the_state_comes_back_as_it_was_written(restored: RestoredFrom) -> None:
    assert restored_from_wire(json.loads(json.dumps(restored_to_wire(restored)))) == restored


@given(st.builds(Fork, TEXTS, TEXTS, TEXTS, TEXTS, TIMES))
def test_a_fork_comes_back_as_it_was_written(fork: Fork) -> None:
    assert fork_from_wire(json.loads(json.dumps(fork_to_wire(fork)))) == fork


def test_what_is_not_set_is_not_written() -> None:
    wire = to_wire(Progress(Mode.FORK, Step.DONE, 1, NOW))
    assert set(wire) == {"mode", "phase", "observedGeneration", "at"}
    assert plan_to_wire(PLAN)["jobs"][2] == {"id": "c", "action": "Run", "reason": "NotStarted"}


def test_what_has_been_carried_out_is_remembered_by_what_ran_again_or_is_not_run() -> None:
    done = PLAN.carried_out()
    assert [j.id for j in done.jobs] == ["b", "d"]
    assert (done.counts, done.digest, done.kept_seconds, done.repeated_seconds) == (PLAN.counts, "digest", 5, 3)
    assert done.describe() == PLAN.describe() == "1 keep, 1 rerun, 1 run, 1 skip; 5 s of work kept, 3 s done again"
    assert done.carried_out() == done


@pytest.mark.parametrize(("plan", "expected"), [(PLAN, 1), (RestorePlan((), ""), 0)], ids=["one", "none"])
def test_how_many_are_kept(plan: RestorePlan, expected: int) -> None:
    assert plan.kept == plan.carried_out().kept == expected
