"""Deciding about what has not started."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from pytest import param

from cairn import names
from cairn.core.actions import FetchResult, Launch, Plan
from cairn.core.outputs import Outputs
from cairn.core.spec import Cancel, FailurePolicy, JobSpec, Request, RequestType, Retry, RunOn, Scheduling
from cairn.core.status import JobRecord, JobState, Phase
from simulation.build import (
    EARLIER,
    actions,
    after,
    ended,
    execution,
    failed,
    intended,
    job,
    kube_job,
    kube_pod,
    name_of,
    planned,
    running,
    skipped,
    spec,
    states,
    succeeded,
)

CHAIN = (job("a"), job("b", "a"), job("c", "b"))
LEVELS = Scheduling.LEVELS
STOP, CONTINUE, PAUSE = FailurePolicy.STOP, FailurePolicy.CONTINUE, FailurePolicy.PAUSE
FAILURE, DONE = RunOn.FAILURE, RunOn.DONE


def step(jobs: tuple[JobSpec, ...], *records: JobRecord, seen: dict[str, Any] | None = None, **fields: Any) -> Plan:
    """A plan in which every running attempt lives on."""
    alive: list[Any] = [t for r in records if r.running for t in (kube_job(r.id), kube_pod(r.id))]
    return planned(execution(spec(*jobs, **fields), *records), *alive, **(seen or {}))


def begun(made: Plan) -> list[str]:
    """The jobs that are launched, in order."""
    return [a.manifest["metadata"]["labels"][names.LABEL_JOB] for a in made.after if isinstance(a, Launch)]


def test_the_intent_is_in_the_status_that_must_be_stored_before_the_launch() -> None:
    made = step(CHAIN)
    record = made.status.jobs["a"]
    assert (record.state, record.attempt, record.definition, record.reason) == ("Running", 1, "a", names.LAUNCHING)
    assert begun(made) == ["a"]
    assert made.before == ()
    assert made.wire["jobs"][0]["attempt"] == 1


@pytest.mark.parametrize(
    ("jobs", "records", "fields", "expected"),
    [
        param(CHAIN, [], {}, ["a"], id="roots first"),
        param(CHAIN, [ended("a")], {}, ["b"], id="what depends on what is done"),
        param(CHAIN, [running("a")], {}, [], id="nothing before its dependencies"),
        param((job("b", "a"), job("a"), job("c")), [], {}, ["a", "c"], id="in the order of levels, then of the spec"),
        param((job("a"), job("b"), job("c")), [], {"parallelism": 2}, ["a", "b"], id="parallelism"),
        param((job("a"), job("b"), job("c")), [running("a")], {"parallelism": 2}, ["b"], id="with what runs"),
        param((job("a"), job("b")), [running("a")], {"parallelism": 1}, [], id="no place left"),
        param((job("a"), job("b")), [], {"parallelism": 1, "hold": frozenset({"a"})}, ["b"],
                     id="what is on hold takes no place"),
        param((job("a"), job("b")), [], {"paused": True}, [], id="nothing while paused"),
        param((job("a"), job("b")), [], {"hold": frozenset({"a"})}, ["b"], id="nothing on hold"),
        param((job("a"), job("b"), job("c", "a")), [ended("a"), running("b")], {}, ["c"], id="by dependency"),
        param((job("a"), job("b"), job("c", "a")), [ended("a"), running("b")], {"scheduling": LEVELS}, [],
                     id="levels: not before the whole level"),
        param((job("a"), job("b"), job("c", "a")), [ended("a"), failed("b")],
                     {"scheduling": LEVELS, "failure_policy": CONTINUE}, ["c"], id="levels: a failed job is done"),
        param((job("a"), job("b"), job("c", "a")), [ended("a")], {"scheduling": LEVELS, "hold": frozenset({"b"})}, [],
                     id="levels: a hold holds the levels behind it"),
        param((job("a"), job("b"), job("c", "a")), [ended("a"), ended("b")], {"scheduling": LEVELS}, ["c"],
                     id="levels: the next one"),
        param((job("a"), job("b")), [failed("a")], {"failure_policy": CONTINUE}, ["b"], id="Continue"),
        param((job("a"), job("b")), [failed("a")], {"failure_policy": STOP}, [], id="Stop"),
        param((job("a"), job("b")), [failed("a")], {"failure_policy": PAUSE}, [],
                     id="Pause: nothing between the failure and the pause"),
        param((job("a"), job("b")), [failed("a", paused_for=True)], {"failure_policy": PAUSE}, ["b"],
                     id="Pause: after the resume"),
        param((job("a"), job("h", "a", run_on=FAILURE), job("b")), [failed("a")], {"failure_policy": PAUSE},
                     ["b", "h"], id="Pause: a failure that may be handled pauses nothing"),
        param((job("a"), job("h", "a", run_on=FAILURE), job("b")), [failed("a")], {}, ["h"],
                     id="Stop: the handler starts, the rest waits"),
        param((job("a"), job("h", "a", run_on=FAILURE), job("b")), [failed("a"), ended("h")], {}, ["b"],
                     id="Stop: after it was handled the rest goes on"),
        param((job("a"), job("z"), job("h", "a", run_on=FAILURE)), [failed("a")], {"scheduling": LEVELS}, ["h"],
                     id="levels and Stop: the handler does not wait for what waits for it"),
        param((job("a"), job("z"), job("y"), job("h", "a", run_on=FAILURE)), [failed("a"), running("y")],
                     {"scheduling": LEVELS}, [], id="levels and Stop: but for what runs"),
        param((job("a"), job("c", "a", run_on=DONE)), [failed("a")], {}, ["c"], id="Stop: clean-up starts"),
        param((job("a"), job("c", "a", run_on=DONE)), [failed("a")], {"cancel": Cancel("c")}, ["c"],
                     id="cancelled: clean-up starts"),
        param((job("a"), job("c", "a", run_on=DONE)), [failed("a")], {"cancel": Cancel("c"), "paused": True}, [],
                     id="cancelled and paused: not before the resume"),
        param((job("a"), job("c", "a", run_on=DONE)), [failed("a")], {"cancel": Cancel("c"), "failure_policy": PAUSE},
                     ["c"], id="cancelled: a failure pauses nothing any more"),
    ],
)  # fmt: skip
def test_what_is_launched(
    jobs: tuple[JobSpec, ...], records: list[JobRecord], fields: dict, expected: list[str]
) -> None:
    assert sorted(begun(step(jobs, *records, **fields))) == expected


# --- Skips -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("records", "fields", "expected"),
    [
        param([failed("a")], {}, ("Skipped", names.DEPENDENCY_FAILED), id="it depends on a failure"),
        param([skipped("a", names.CONDITION_FALSE)], {}, ("Skipped", names.DEPENDENCY_SKIPPED), id="on a skip"),
        param([failed("a")], {"failure_policy": CONTINUE}, ("Skipped", names.DEPENDENCY_FAILED), id="Continue too"),
        param([failed("a")], {"failure_policy": PAUSE}, ("Pending", ""), id="Pause: kept for a person"),
        param([failed("a", paused_for=True)], {"failure_policy": PAUSE, "paused": True}, ("Pending", ""),
                     id="Pause: kept while paused"),
        param([failed("a", paused_for=True)], {"failure_policy": PAUSE}, ("Skipped", names.DEPENDENCY_FAILED),
                     id="Pause: skipped after the resume"),
        param([running("a")], {"cancel": Cancel("c")}, ("Skipped", names.CANCELLED), id="cancelled"),
        param([running("a")], {"timeout_seconds": 1}, ("Skipped", names.TIMED_OUT), id="timed out"),
        param([running("a")], {"cancel": Cancel("c"), "paused": True}, ("Skipped", names.CANCELLED),
                     id="cancelled while paused"),
    ],
)  # fmt: skip
def test_what_never_starts_is_skipped(records: list[JobRecord], fields: dict, expected: tuple[str, str]) -> None:
    record = step((job("a"), job("b", "a")), *records, **fields).status.jobs["b"]
    assert (record.state, record.reason) == expected


def test_a_skip_reaches_everything_behind_it_at_once() -> None:
    assert states(step(CHAIN, failed("a"))) == {"a": "Failed", "b": "Skipped", "c": "Skipped"}


def test_stop_gives_up_what_has_not_started_once_the_failure_is_unhandled() -> None:
    made = step((job("a"), job("b"), job("d", "b", run_on=DONE)), failed("a"))
    assert (made.status.jobs["b"].state, made.status.jobs["b"].reason) == ("Skipped", names.EXECUTION_FAILING)
    assert begun(made) == ["d"]


def test_stop_lets_what_runs_finish() -> None:
    assert states(step((job("a"), job("b")), failed("a"), running("b"))) == {"a": "Failed", "b": "Running"}


def waiting(reason: str = names.ERROR, message: str = "exited with code 1") -> JobRecord:
    return JobRecord("b", JobState.PENDING, 1, reason, message, retry_at=after(60), failures=1)


@pytest.mark.parametrize(
    ("record", "fields", "expected"),
    [
        param(waiting(), {}, (names.ERROR, "exited with code 1"), id="with its last attempt's reason"),
        param(waiting(names.STOPPED, ""), {}, (names.EXECUTION_FAILING, None), id="it had been stopped by a pause"),
        param(waiting(names.ON_HOLD, ""), {}, (names.EXECUTION_FAILING, None), id="it was on hold"),
        param(waiting("", ""), {}, (names.EXECUTION_FAILING, None), id="it had been on hold"),
        param(waiting(), {"cancel": Cancel("c")}, (names.CANCELLED, None), id="cancelled"),
        param(waiting(), {"timeout_seconds": 1}, (names.TIMED_OUT, None), id="timed out"),
    ],
)
def test_what_waited_for_another_try_has_failed(
    record: JobRecord, fields: dict, expected: tuple[str, str | None]
) -> None:
    found = step((job("a"), job("b")), failed("a"), record, **fields).status.jobs["b"]
    assert found.state is JobState.FAILED
    assert found.reason == expected[0]
    assert expected[1] in (None, found.message)


# --- Gates that are shown --------------------------------------------------------------------------------------------


def test_a_hold_is_shown_and_its_end_too() -> None:
    made = step(CHAIN, hold=frozenset({"a"}))
    assert (made.status.jobs["a"].reason, made.status.jobs["a"].message) == (names.ON_HOLD, "named in spec.hold")
    freed = step(CHAIN, made.status.jobs["a"], paused=True)
    assert (freed.status.jobs["a"].state, freed.status.jobs["a"].reason) == ("Pending", "")


def test_a_hold_of_what_runs_changes_nothing() -> None:
    assert step((job("a"),), running("a"), hold=frozenset({"a"})).status.jobs["a"].running


def test_a_retry_waits_for_its_time() -> None:
    made = step((job("b", retry=Retry(backoff_seconds=90)),), waiting())
    assert (begun(made), made.requeue_after, made.status.jobs["b"].retry_at) == ([], 60, after(60))
    due = JobRecord("b", JobState.PENDING, 1, names.ERROR, retry_at=EARLIER, failures=1)
    made = step((job("b"),), due)
    assert (begun(made), made.status.jobs["b"].attempt, made.status.jobs["b"].failures) == (["b"], 2, 1)


def test_a_retry_waits_its_backoff_anew_once_the_clock_was_turned_back() -> None:
    record = replace(waiting(), retry_at=after(3 * 3600), failures=1, disruptions=2)
    made = step((job("b", retry=Retry(backoff_seconds=4)),), record)
    assert (begun(made), made.requeue_after, made.status.jobs["b"].retry_at) == ([], 8, after(8))


# --- Conditions and inputs -------------------------------------------------------------------------------------------

OUT = Outputs('{"rows": 3}')
DONE_WITH_OUTPUTS = ended("a", result=OUT.digest, exit_code=0)
HAND = {"outputs": {OUT.digest: OUT}}


@pytest.mark.parametrize(
    ("when", "above", "expected"),
    [
        param("jobs['a'].outputs.rows > 0", DONE_WITH_OUTPUTS, ("Running", names.LAUNCHING), id="true"),
        param("jobs['a'].outputs.rows > 9", DONE_WITH_OUTPUTS, ("Skipped", names.CONDITION_FALSE), id="false"),
        param("jobs['a'].outputs.columns > 9", DONE_WITH_OUTPUTS, ("Failed", names.CONDITION_FAILED), id="an error"),
        param("params.n == 1", DONE_WITH_OUTPUTS, ("Running", names.LAUNCHING), id="over params"),
        param("jobs['a'].state == 'Completed' && jobs['a'].exitCode == 0 && jobs['a'].attempt == 1",
                     DONE_WITH_OUTPUTS, ("Running", names.LAUNCHING), id="over how it ended"),
        param("!has(jobs['a'].reason) && !has(jobs['a'].outputs)", ended("a"), ("Running", names.LAUNCHING),
                     id="what there is not is left out"),
        param("jobs['a'].reason == 'Error' && !has(jobs['a'].exitCode)", failed("a"), ("Running", names.LAUNCHING),
                     id="over why it failed"),
    ],
)  # fmt: skip
def test_a_condition(when: str, above: JobRecord, expected: tuple[str, str]) -> None:
    made = step((job("a"), job("b", "a", when=when, run_on=DONE)), above, seen=HAND, params={"n": 1})
    record = made.status.jobs["b"]
    assert (record.state, record.reason) == expected


def test_a_condition_is_judged_before_the_first_attempt_alone() -> None:
    again = JobRecord("b", JobState.PENDING, 1, names.ERROR, retry_at=EARLIER)
    assert begun(step((job("b", when="false"),), again)) == ["b"]


def test_a_job_whose_condition_is_false_takes_no_place() -> None:
    jobs = (job("a", when="false"), job("b"))
    assert begun(step(jobs, parallelism=1)) == ["b"]


def test_what_ends_instead_of_being_launched_decides_about_the_others_at_once() -> None:
    """No event will tell of it: it would wait until everything is looked at again."""
    made = step((job("a", when="false"), job("b", "a"), job("c", "a", run_on=DONE), job("d", "c", run_on=DONE)))
    assert (states(made)["b"], begun(made)) == ("Skipped", ["c"])
    lost = step((job("a"), job("b", "a"), job("c", "b")), DONE_WITH_OUTPUTS, seen={"lost": frozenset({OUT.digest})})
    assert lost.status.phase is Phase.FAILED
    assert states(lost) == {"a": "Completed", "b": "Failed", "c": "Skipped"}


def test_inputs_are_fetched_before_the_intent_is_recorded() -> None:
    made = step((job("a"), job("b", "a"), job("c", "a")), DONE_WITH_OUTPUTS)
    assert made.after == (FetchResult(name_of("a"), OUT.digest),)
    assert states(made) == {"a": "Completed", "b": "Pending", "c": "Pending"}


def test_an_input_that_is_lost_fails_the_job_before_it_starts() -> None:
    made = step((job("a"), job("b", "a")), DONE_WITH_OUTPUTS, seen={"lost": frozenset({OUT.digest})})
    assert (made.status.jobs["b"].state, made.status.jobs["b"].reason) == ("Failed", names.INPUT_LOST)
    assert actions(made) == []


def test_an_intent_takes_a_place_even_before_its_job_exists() -> None:
    made = planned(execution(spec(job("a"), job("b"), parallelism=1), intended("a")))
    assert begun(made) == ["a"]
    assert states(made) == {"a": "Running", "b": "Pending"}


# --- Since when a launch was due -------------------------------------------------------------------------------------

C = job("c", "a", "b")
OLD = ended("a", finished_at=EARLIER)


def due(made: Plan) -> dict[str, datetime | None]:
    """The jobs that are launched, and since when they were due."""
    launches = (a for a in made.after if isinstance(a, Launch))
    return {a.manifest["metadata"]["labels"][names.LABEL_JOB]: a.due for a in launches}


def ends(*jobs: JobSpec, old: tuple[JobRecord, ...] = (), **fields: Any) -> Plan:
    """A plan in which the pod of b is seen to have ended, two seconds ago."""
    pod = succeeded("b", finished_at=after(-2))
    return planned(execution(spec(*jobs, **fields), *old, running("b")), kube_job("b"), pod)


def test_a_launch_is_due_from_the_end_of_the_last_dependency() -> None:
    assert due(ends(job("a"), job("b"), C, old=(OLD,))) == {"c": after(-2)}
    assert due(ends(job("a"), job("b"), job("c", "b"), old=(OLD,), parallelism=1)) == {"c": after(-2)}


@pytest.mark.parametrize(
    "made",
    [
        param(step(CHAIN), id="a root"),
        param(step(CHAIN, OLD, JobRecord("b").with_reason(names.ON_HOLD)), id="a hold that has ended"),
        param(step(CHAIN, OLD, JobRecord("b").with_reason(names.AWAITING_CHECKPOINT)), id="a checkpoint"),
        param(step(CHAIN, OLD), id="added, resumed, let go by a failure or given a place after that"),
        param(step(CHAIN, OLD, ended("b").as_pending(names.ERROR, "")), id="another attempt"),
        param(step(CHAIN, failed("a"), requests=(Request("r", RequestType.COMPLETE, "a"),)), id="a repair"),
        param(planned(execution(spec(*CHAIN), OLD, intended("b")), absent={"b"}), id="refused before"),
    ],
)  # fmt: skip
def test_what_has_waited_for_something_else_has_no_hop(made: Plan) -> None:
    assert list(due(made).values()) == [None]
