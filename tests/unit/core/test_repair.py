"""Requests by hand: what each does in each state, that it acts once, and that work goes on from there."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cairn import names
from cairn.core.actions import Launch, Plan, SaveResult
from cairn.core.draft import Execution
from cairn.core.manifests import Identity
from cairn.core.observed import Observed
from cairn.core.parse import parse
from cairn.core.planner import plan
from cairn.core.status import Acknowledged, CancelState, JobRecord, JobState, Phase, Status

NOW = datetime(2026, 1, 31, 8, tzinfo=UTC)
EARLIER = NOW - timedelta(minutes=10)


def record(state: JobState, reason: str = "", **more: Any) -> JobRecord:
    attempt = {JobState.PENDING: 0, JobState.SKIPPED: 0}.get(state, 1)
    return JobRecord("a", state=state, reason=reason, **({"attempt": attempt} | more))


def asked(request: dict[str, Any], first: JobRecord, second: JobRecord | None = None, **more: Any) -> Plan:
    """The plan for an execution a -> b with those records and one request."""
    given = {"id": "r1", "job": "a"} | request
    jobs = [{"id": "a", "image": "i"}, {"id": "b", "image": "i", "dependsOn": ["a"]}]
    spec = parse({"jobs": jobs, "requests": [given]} | more.pop("spec", {}))
    second = second or JobRecord("b")
    status = Status(phase=Phase.RUNNING, started_at=EARLIER, jobs={"a": first, "b": replace(second, id="b")})
    status = replace(status, **more)
    return plan(Execution(Identity("ns", "x", "uid"), 2, status, spec), Observed(), now=NOW)


FAILED = record(JobState.FAILED, "Error", failures=3)
SKIPPED = record(JobState.SKIPPED, names.DEPENDENCY_FAILED)
FINISHED: dict[str, Any] = {"phase": Phase.FAILED, "finished_at": EARLIER}


def answer(found: Plan) -> Acknowledged:
    return found.status.requests[-1]


def test_retry_runs_a_failed_job_again_with_its_retries_anew_and_reconsiders_what_was_skipped() -> None:
    found = asked({"type": "Retry"}, FAILED, SKIPPED, **FINISHED)
    a, b = found.status.jobs["a"], found.status.jobs["b"]
    assert (a.state, a.attempt, a.failures) == (JobState.RUNNING, 2, 0)
    assert (b.state, b.reason) == (JobState.PENDING, "")
    assert [type(x) for x in found.after] == [Launch]
    assert (answer(found).outcome, found.status.phase, found.status.finished_at) == ("Done", Phase.RUNNING, None)


def test_the_time_an_execution_stood_finished_does_not_count_for_its_timeout() -> None:
    found = asked({"type": "Retry"}, FAILED, SKIPPED, **FINISHED, spec={"timeoutSeconds": 1})
    assert found.status.paused_millis == 600_000
    assert found.status.timed_out_at is None


def test_an_execution_that_finished_by_a_clock_turned_back_since_has_stood_for_no_time() -> None:
    ahead = FINISHED | {"finished_at": NOW + timedelta(hours=2)}
    assert asked({"type": "Retry"}, FAILED, SKIPPED, **ahead).status.paused_millis == 0


def test_retry_of_a_job_in_backoff_runs_it_now() -> None:
    waiting = record(JobState.PENDING, "Error", attempt=1, failures=1, retry_at=NOW + timedelta(hours=1))
    assert asked({"type": "Retry"}, waiting).status.jobs["a"].state is JobState.RUNNING


def test_a_job_added_to_a_finished_execution_runs_once_a_retry_takes_it_up_again() -> None:
    jobs = [{"id": "a", "image": "i"}, {"id": "b", "image": "i"}, {"id": "new", "image": "i"}]
    found = asked({"type": "Retry"}, FAILED, record(JobState.COMPLETED), **FINISHED, spec={"jobs": jobs})
    assert found.status.jobs["new"].state is JobState.RUNNING


@pytest.mark.parametrize(
    ("request_", "first", "why"),
    [
        ({"type": "Skip"}, record(JobState.COMPLETED), "is completed; a Retry runs it again"),
        ({"type": "Complete"}, record(JobState.RUNNING), "is running"),
        ({"type": "Retry"}, record(JobState.PENDING), "has not run yet"),
        ({"type": "Complete", "outputs": {"x": 10**400}}, FAILED, "beyond 1.8e308"),
    ],
    ids=["a completed job stays", "a running job is left alone", "nothing to retry", "outputs that cannot be kept"],
)
def test_refused(request_: dict[str, Any], first: JobRecord, why: str) -> None:
    found = asked(request_, first)
    assert answer(found).outcome == "Refused"
    assert why in answer(found).message


def chain(*records: JobRecord, replay: str = "Safe", retried: str = "a") -> Plan:
    """The plan for a -> b -> c, all done but as said, and a retry of one of them."""
    jobs = [{"id": "a", "image": "i"}, {"id": "b", "image": "i", "dependsOn": ["a"]},
            {"id": "c", "image": "i", "dependsOn": ["b"], "replay": replay}]  # fmt: skip
    spec = parse({"jobs": jobs, "requests": [{"id": "r1", "type": "Retry", "job": retried}]})
    done = {name: JobRecord(name, JobState.COMPLETED, 2, finished_at=EARLIER) for name in "abc"}
    status = Status(phase=Phase.SUCCEEDED, started_at=EARLIER, finished_at=EARLIER,
                    jobs=done | {r.id: r for r in records})  # fmt: skip
    return plan(Execution(Identity("ns", "x", "uid"), 2, status, spec), Observed(), now=NOW)


def test_retry_runs_a_completed_job_again_and_what_depends_on_it_under_numbers_that_go_on() -> None:
    found = chain(retried="b")
    a, b, c = found.status.jobs.values()
    assert (a.state, a.attempt) == (JobState.COMPLETED, 2)
    assert (b.state, b.attempt) == (JobState.RUNNING, 3)
    assert (c.state, c.attempt, c.used) == (JobState.PENDING, 0, 2)
    assert found.status.phase is Phase.RUNNING


def test_retry_leaves_what_was_skipped_by_hand() -> None:
    found = chain(JobRecord("c", JobState.SKIPPED, reason=names.SKIPPED_BY_HAND, finished_at=EARLIER))
    assert found.status.jobs["c"].reason == names.SKIPPED_BY_HAND


@pytest.mark.parametrize("replay", ["Unsafe", "Confirm"])
def test_retry_asks_for_a_restore_where_something_else_would_have_effects_twice(replay: str) -> None:
    found = chain(replay=replay)
    assert answer(found).outcome == "Refused"
    assert answer(found).message.startswith("c depends on a, has run, and is not Safe to replay: go back")
    assert found.status.phase is Phase.SUCCEEDED
    assert answer(chain(replay=replay, retried="c")).outcome == "Done"  # named, which is the word for itself


def test_retry_waits_for_what_runs_below_it() -> None:
    found = chain(JobRecord("b", JobState.RUNNING, 2, uid="job-b"), JobRecord("c"))
    assert answer(found).message == "b depends on a and is running; wait, or pause with mode Stop"


def test_refused_while_the_execution_ends() -> None:
    found = asked({"type": "Retry"}, FAILED, timed_out_at=EARLIER)
    assert answer(found).message.startswith("the execution is being cancelled, or has timed out")


def test_a_cancelled_execution_is_taken_up_again_and_its_cancel_is_spent() -> None:
    ended = {"phase": Phase.CANCELLED, "finished_at": EARLIER, "cancel": CancelState("c1", "enough", EARLIER)}
    found = asked({"type": "Retry"}, record(JobState.FAILED, names.CANCELLED),
                  record(JobState.SKIPPED, names.CANCELLED), **ended)  # fmt: skip
    assert (found.status.phase, found.status.cancel) == (Phase.RUNNING, None)
    assert [r.state for r in found.status.jobs.values()] == [JobState.RUNNING, JobState.PENDING]


def test_refused_for_a_job_that_was_added_after_the_end() -> None:
    jobs = [{"id": "a", "image": "i"}, {"id": "b", "image": "i"}, {"id": "new", "image": "i"}]
    found = asked({"type": "Retry", "job": "new"}, FAILED, SKIPPED, **FINISHED, spec={"jobs": jobs})
    assert "added too late" in answer(found).message
    assert found.status.phase is Phase.FAILED


def test_complete_gives_outputs_to_what_depends_on_the_job() -> None:
    request = {"type": "Complete", "outputs": {"rows": 3}, "reason": "counted by hand", "by": "ann"}
    found = asked(request, FAILED, SKIPPED, **FINISHED)
    a = found.status.jobs["a"]
    assert (a.state, a.reason, a.attempt, bool(a.result)) == (JobState.COMPLETED, names.COMPLETED_BY_HAND, 2, True)
    [saved] = [x for x in found.before if isinstance(x, SaveResult)]
    assert saved.manifest["spec"]["outputs"] == '{"rows": 3}'
    [launch] = [x for x in found.after if isinstance(x, Launch)]
    assert launch.inputs[0]["data"] == {"input.a.json": '{"rows": 3}'}
    assert (answer(found).by, answer(found).message) == ("ann", "counted by hand")


def test_complete_without_outputs_has_none_which_differs_from_null() -> None:
    assert asked({"type": "Complete"}, FAILED).status.jobs["a"].result == ""
    assert asked({"type": "Complete", "outputs": None}, FAILED).status.jobs["a"].result != ""


def test_skip_skips_the_job_and_what_needs_it() -> None:
    found = asked({"type": "Skip", "reason": "not needed today"}, JobRecord("a"))
    a, b = found.status.jobs["a"], found.status.jobs["b"]
    assert (a.state, a.reason, a.message) == (JobState.SKIPPED, names.SKIPPED_BY_HAND, "not needed today")
    assert b.reason == names.DEPENDENCY_SKIPPED


def test_extend_retries_raises_the_limit_and_touches_nothing_else() -> None:
    found = asked({"type": "ExtendRetries", "limit": 2}, FAILED, SKIPPED, **FINISHED)
    assert found.status.jobs["a"].extra_retries == 2
    assert found.status.phase is Phase.FAILED


def test_a_known_id_never_acts_again_and_the_last_answers_are_kept() -> None:
    known = tuple(Acknowledged(f"q{n}", "Retry", EARLIER) for n in range(names.RECORDED_REQUESTS - 1))
    found = asked({"type": "Retry"}, FAILED, **FINISHED, requests=(*known, Acknowledged("r1", "Retry", EARLIER)))
    assert found.status.jobs["a"].state is JobState.FAILED
    found = asked({"type": "Retry", "id": "r2"}, FAILED, **FINISHED, requests=(*known, known[0]))
    assert (len(found.status.requests), answer(found).id) == (names.RECORDED_REQUESTS, "r2")
