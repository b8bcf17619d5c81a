"""What no state may be; and that what can be is never refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from cairn.core.checkpoint.state import Attempt, CheckpointState, Parent
from cairn.core.checkpoint.validate import validate
from cairn.core.outputs import Outputs
from cairn.core.status import Acknowledged, CancelState, JobRecord, JobState, PausePhase, PauseState, Phase
from support.states import (
    a_label,
    a_state,
    at,
    checkpoint_states,
    completed,
    failed,
    five_states,
    pending,
    realistic_state,
    running,
    skipped,
    state_of,
)

NAIVE = datetime(2026, 1, 31, 8)
OUTPUTS = Outputs('{"rows":1}')


@pytest.mark.parametrize(
    "state",
    [a_state(), five_states(), realistic_state(), a_state(0)],
    ids=["plain", "jobs in all five states", "usual", "empty"],
)
def test_validate_accepts_a_valid_one(state: CheckpointState) -> None:
    assert validate(state) == ()


@given(checkpoint_states())
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_whatever_can_be_is_accepted(state: CheckpointState) -> None:
    assert validate(state) == ()


@pytest.mark.parametrize(
    "tries",
    [
        pytest.param((), id="nothing was left behind"),
        pytest.param((failed("a")[1][1],), id="the first left nothing behind"),
        pytest.param((failed("a")[1][0],), id="the latest left nothing behind"),
    ],
)
def test_attempts_may_have_gaps(tries: tuple[Attempt, ...]) -> None:
    assert validate(state_of((failed("a")[0], tries))) == ()


def a_job(what: tuple[JobRecord, tuple[Attempt, ...]], **fields: Any) -> CheckpointState:
    return state_of((replace(what[0], **fields), what[1]))


def an_attempt(**fields: Any) -> CheckpointState:
    record, (attempt,) = completed("a", OUTPUTS)
    return state_of((record, (replace(attempt, **fields),)))


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (a_state(label=a_label(id="checkpoint_1")), "checkpoint.id: not checkpoint_<unix ms>_<suffix>"),
        (a_state(label=a_label(id="checkpoint_1_a\n")), "checkpoint.id: not checkpoint_<unix ms>_<suffix>"),
        (a_state(label=a_label(parent=Parent("x", "0" * 64))),
         "checkpoint.parent.id: not checkpoint_<unix ms>_<suffix>"),
        (a_state(label=a_label(parent=Parent("checkpoint_1_a", "x"))), "checkpoint.parent.digest: not a SHA-256"),
        (a_state(label=a_label(metadata={"a": 1})), "checkpoint.metadata: not all of it is text"),
        (a_state(label=a_label(metadata={1: "a"})), "checkpoint.metadata: not all of it is text"),
        (a_state(label=a_label(created_at=NAIVE)), "checkpoint.createdAt: a time without a zone"),
        (a_state(phase=Phase.CANCELLED), "execution: Cancelled, but without finishedAt"),
        (a_state(started_at=NAIVE), "execution.startedAt: a time without a zone"),
        (a_state(cancel=CancelState("c", "", NAIVE)), "execution.cancel.at: a time without a zone"),
        (a_state(pause=PauseState(PausePhase.PAUSED, at(1), 1, until=NAIVE)), "pause.until: a time without a zone"),
        (a_state(requests=(Acknowledged("r", "Retry", NAIVE),)), "execution.requests[0].at: a time without a zone"),
        (a_job(pending("_a")), "jobs[_a]: not the id of a job"),
        (a_job(pending("a" * 64)), f"jobs[{'a' * 64}]: not the id of a job"),
        (a_job(pending("a"), state=JobState.RUNNING), "jobs[a]: Running, but never tried"),
        (a_job(pending("a"), state=JobState.COMPLETED, finished_at=at(1)), "jobs[a]: Completed, but never tried"),
        (a_job(failed("a"), used=2), "jobs[a]: 2 attempts are used, but 2 is described"),
        (a_job(skipped("a"), finished_at=None), "jobs[a]: Skipped, but without finishedAt"),
        (a_job(pending("a"), retry_at=NAIVE), "jobs[a].retryAt: a time without a zone"),
        (a_job(running("a"), attempt=2, state=JobState.COMPLETED, finished_at=at(1), result="f" * 64),
         "jobs[a].result: not the digest of what attempt 2 handed out"),
        (a_job(completed("a", OUTPUTS), result=""), "jobs[a].result: not the digest of what attempt 1 handed out"),
        (a_job(completed("a"), result="f" * 64), "jobs[a].result: not the digest of what attempt 1 handed out"),
        (a_job(failed("a"), attempt=1), "jobs[a].attempts: number 2 is there, but 1 is the latest"),
        (state_of((failed("a")[0], failed("a")[1][::-1])), "jobs[a].attempts: not numbered upwards from 1"),
        (state_of((failed("a")[0], failed("a")[1][:1] * 2)), "jobs[a].attempts: not numbered upwards from 1"),
        (state_of((failed("a")[0], (replace(failed("a")[1][0], number=0),))),
         "jobs[a].attempts: not numbered upwards from 1"),
        (an_attempt(started_at=NAIVE), "jobs[a].attempts[1].startedAt: a time without a zone"),
        (an_attempt(outputs=Outputs('"\ud800"')),
         "jobs[a].attempts[1].outputs: no JSON, since it holds half a surrogate pair"),
        (replace(a_state(0), attempts={"a": completed("a")[1]}), "jobs[a]: there are attempts, but no record"),
        (state_of(jobs={"b": JobRecord("a")}), "jobs[b]: is the record of a"),
    ],
)  # fmt: skip
def test_what_cannot_be(state: CheckpointState, said: str) -> None:
    assert validate(state) == (said,)
