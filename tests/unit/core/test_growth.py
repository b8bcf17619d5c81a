"""What a look at an execution costs grows with its jobs and no faster, counted in calls: time is too noisy to judge by.

Bounds are half again, or for sizes a tenth, above what was counted when they were set: who exceeds them has made every
look dearer, or every status larger. Lower them when you make it cheaper.
"""

from __future__ import annotations

import json
from collections import Counter

import pytest

from bench.planning import SIZES, Played, calls_of_a_look, measure
from cairn.core.actions import Urgency
from cairn.core.status import JobState
from cairn.core.status_wire import to_wire

CALLS_PER_JOB = {100: 58, 1000: 31, 2000: 29}  # counted: 38.6 (all of them run), 20.5, 19.2
STATUS_BYTES_PER_JOB = 330  # counted: 299.5, a third of it UIDs


@pytest.fixture(scope="module")
def counted() -> dict[int, int]:
    return {jobs: calls_of_a_look(Played.half_done(jobs)) for jobs in CALLS_PER_JOB}


def test_twice_the_jobs_are_twice_the_work(counted: dict[int, int]) -> None:
    assert counted[2000] / counted[1000] < 2.3


@pytest.mark.parametrize("jobs", CALLS_PER_JOB)
def test_a_look_calls_so_many_functions_for_each_job_at_most(counted: dict[int, int], jobs: int) -> None:
    assert counted[jobs] / jobs <= CALLS_PER_JOB[jobs]


def test_a_finished_job_takes_so_many_bytes_of_the_status_at_most() -> None:
    status = Played.finished(1000).execution.status
    assert (status.phase, len(status.jobs)) == ("Succeeded", 1000)
    assert len(json.dumps(to_wire(status), separators=(",", ":"))) / 1000 <= STATUS_BYTES_PER_JOB


def test_what_is_counted_is_an_execution_that_has_just_gone_on() -> None:
    played = Played.half_done(1000)
    states = [record.state for record in played.execution.status.jobs.values()]
    assert Counter(states) == {JobState.COMPLETED: 500, JobState.RUNNING: 100, JobState.PENDING: 400}
    made = played.look()
    assert made.urgency is Urgency.SOON
    changed = [r for r in made.status.jobs.values() if r != played.execution.status.jobs[r.id]]
    assert [record.state for record in changed] == [JobState.COMPLETED]


def test_a_look_is_measured_for_each_size() -> None:
    few, many = measure((10, 100), times=3)
    assert (few.jobs, many.jobs, max(SIZES)) == (10, 100, 2000)
    assert few.calls < many.calls == calls_of_a_look(Played.half_done(100))
    assert all(m.most_ms >= m.median_ms > 0 for m in (few, many))
