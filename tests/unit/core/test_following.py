"""Following what was launched: settling, holding, releasing, stopping, ending."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pytest import param

from cairn import names
from cairn.core.actions import (
    Explain,
    FetchResult,
    Hold,
    KeepLogTail,
    Launch,
    LookUp,
    Plan,
    ReadLog,
    Release,
    SaveResult,
    StopJob,
    Urgency,
)
from cairn.core.observed import Explanation, LogRead, Refusal
from cairn.core.outputs import Outputs
from cairn.core.spec import Cancel, OutputsFrom, Pause, PauseMode, RunOn
from cairn.core.status import CancelState, JobRecord, PausePhase, PauseState, Stopping
from simulation.build import (
    EARLIER,
    NOW,
    actions,
    after,
    crashed,
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
    spec,
    states,
    succeeded,
)

A = name_of("a")
NO_PODS = {"absent_pods": frozenset({A})}
ABSENT = {"absent": frozenset({A})}
STOP = Pause(PauseMode.STOP)
CANCEL = Cancel("c1")
CANCELLED = CancelState("c1", "", EARLIER)


def one(record: JobRecord, *things: Any, generation: int = 1, status_pause: PauseState | None = None, jobs: Any = None,
        seen: dict[str, Any] | None = None, **fields: Any) -> Plan:  # fmt: skip
    given = spec(*(jobs or [job("a")]), **fields)
    return planned(execution(given, record, generation=generation, status_pause=status_pause), *things, **(seen or {}))


def reason(made: Plan, name: str = "a") -> tuple[str, str]:
    return made.status.jobs[name].reason, made.status.jobs[name].message


def launched(made: Plan) -> Launch:
    (launch,) = (action for action in made.after if isinstance(action, Launch))
    return launch


def is_held(launch: Launch) -> bool:
    return (
        launch.manifest["spec"]["suspend"] is True
        and names.ANNOTATION_HELD in launch.manifest["metadata"]["annotations"]
    )


# --- Intents ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "held"),
    [
        param({}, False, id="going on: as intended"),
        param({"paused": True}, True, id="paused: held"),
        param({"paused": True, "pause": STOP}, True, id="paused with mode Stop: held, not stopped"),
        param({"cancel": CANCEL}, True, id="cancelled: suspended"),
        param({"timeout_seconds": 1}, True, id="timed out: suspended"),
        param({"hold": frozenset({"a"})}, True, id="on hold: held"),
    ],
)
def test_an_intent_without_a_job_is_settled_by_creating_it(fields: dict, held: bool) -> None:
    made = one(intended("a"), generation=4, **fields)
    assert is_held(launched(made)) is held
    assert made.status.jobs["a"].running


def test_a_held_job_names_the_generation_that_holds_it() -> None:
    launch = launched(one(intended("a"), generation=4, paused=True))
    assert launch.manifest["metadata"]["annotations"][names.ANNOTATION_HELD] == "4"


def test_an_intent_under_a_stop_goes_on_as_the_same_attempt_after_the_resume() -> None:
    made = one(intended("a"), paused=True, pause=STOP)
    assert made.status.jobs["a"].stopping is None


def test_clean_up_is_not_held_by_a_cancel() -> None:
    assert not is_held(launched(one(intended("a"), jobs=[job("a", run_on=RunOn.DONE)], cancel=CANCEL)))


def test_an_edit_between_intent_and_create_is_told_by_the_definition() -> None:
    made = one(intended("a"), jobs=[job("a", digest="edited")])
    assert made.status.jobs["a"].definition == "edited"
    assert launched(made).manifest["metadata"]["annotations"][names.ANNOTATION_DEFINITION] == "edited"


def refusal(seconds: float = 5, **fields: Any) -> dict[str, Any]:
    return {"refused": {A: Refusal(names.LAUNCH_REFUSED, "exceeded quota", after(seconds), **fields)}}


def test_a_refused_create_waits_visibly() -> None:
    made = one(intended("a"), seen=refusal())
    assert (actions(made), reason(made), made.requeue_after) == ([], (names.LAUNCH_REFUSED, "exceeded quota"), 5)
    assert made.status.message == "job a waits: LaunchRefused: exceeded quota"


def test_a_refused_create_is_tried_again() -> None:
    made = one(intended("a"), seen=refusal(0))
    assert (actions(made), reason(made)) == (["Launch"], (names.LAUNCH_REFUSED, "exceeded quota"))


def test_a_rejected_create_fails_the_attempt_without_a_retry() -> None:
    made = one(intended("a"), seen=refusal(final=True))
    assert (states(made), actions(made)) == ({"a": "Failed"}, [])


@pytest.mark.parametrize("fields", [{"cancel": CANCEL}, {"timeout_seconds": 1}], ids=["cancelled", "timed out"])
def test_a_create_that_stays_refused_does_not_hang_the_end(fields: dict) -> None:
    made = one(intended("a"), seen=refusal(), **fields)
    assert actions(made) == ["LookUp"]
    assert states(one(intended("a"), seen=refusal() | ABSENT, **fields)) == {"a": "Failed"}


@pytest.mark.parametrize("seen", [{}, refusal()], ids=["not created yet", "refused"])
def test_an_intent_that_is_not_settled_keeps_a_pause_draining(seen: dict[str, Any]) -> None:
    made = one(intended("a"), paused=True, seen=seen)
    assert made.status.pause is not None
    assert (made.status.pause.phase, made.status.pause.running) == (PausePhase.DRAINING, ("a",))


def test_the_intent_of_a_job_that_was_removed_is_given_up_once_its_job_is_known_not_to_be() -> None:
    made = one(intended("a"), jobs=[job("b")])
    assert LookUp(A) in made.after
    assert made.status.jobs["a"].running
    made = one(intended("a"), jobs=[job("b")], seen=ABSENT)
    assert (made.status.jobs["a"].state, made.status.jobs["a"].reason) == ("Skipped", names.REMOVED)


# --- Inputs ----------------------------------------------------------------------------------------------------------

OUT = Outputs('{"rows": 3}')
PAIR = [job("a"), job("b", "a")]
DONE = ended("a", result=OUT.digest)


def two(record: JobRecord, **seen: Any) -> Plan:
    return planned(execution(spec(*PAIR), DONE, record), **seen)


def test_inputs_go_with_the_launch() -> None:
    launch = launched(two(intended("b"), outputs={OUT.digest: OUT}))
    assert [i["data"] for i in launch.inputs] == [{"input.a.json": OUT.text}]


def test_inputs_that_are_not_at_hand_are_fetched_first() -> None:
    made = two(intended("b"))
    assert made.after == (FetchResult(A, OUT.digest),)
    assert reason(made, "b") == (names.LAUNCHING, "")


def test_what_several_jobs_need_is_fetched_once() -> None:
    given = spec(job("a"), job("b", "a"), job("c", "a"))
    made = planned(execution(given, DONE, intended("b"), intended("c")))
    assert made.after == (FetchResult(A, OUT.digest),)


def test_an_input_that_is_lost_fails_the_attempt() -> None:
    made = two(intended("b"), lost=frozenset({OUT.digest}))
    assert reason(made, "b") == (names.INPUT_LOST, "the outputs of job a are gone or damaged")


def test_a_reference_to_what_is_not_there_fails_the_attempt() -> None:
    template = {"spec": {"containers": [{"name": "main", "image": "x", "args": ["$(jobs.a.outputs.columns)"]}]}}
    given = spec(job("a"), job("b", "a", pod_template=template))
    made = planned(execution(given, DONE, intended("b")), outputs={OUT.digest: OUT})
    assert reason(made, "b")[0] == names.TEMPLATE_FAILED


# --- Held Jobs -------------------------------------------------------------------------------------------------------

PAUSED = PauseState(PausePhase.PAUSED, EARLIER, generation=3)


def held(at: int) -> Any:
    return kube_job("a", suspended=True, held_at=at)


def test_a_held_job_does_not_keep_a_pause_draining() -> None:
    made = one(intended("a"), held(3), generation=3, status_pause=PAUSED, paused=True)
    assert actions(made) == []
    assert made.status.pause is not None and made.status.pause.phase is PausePhase.PAUSED
    assert reason(made)[0] == names.HELD
    assert made.status.jobs["a"].uid == "job-a"


@pytest.mark.parametrize(
    ("generation", "released"),
    [(2, False), (3, False), (4, True)],
    ids=["by an older view: no", "by the view that holds it: no", "by a newer view: yes"],
)
def test_a_held_job_is_released_by_a_newer_generation_alone(generation: int, released: bool) -> None:
    made = one(running("a"), held(3), generation=generation)
    assert made.after == ((Release(A, "job-a", "7"),) if released else ())
    assert made.status.jobs["a"].running


def test_a_held_job_that_is_on_hold_does_not_start_with_the_resume() -> None:
    made = one(running("a"), held(3), generation=4, hold=frozenset({"a"}))
    assert (actions(made), reason(made)[0]) == ([], names.ON_HOLD)
    assert one(running("a"), held(3), generation=5).after == (Release(A, "job-a", "7"),)


def test_a_held_job_that_was_removed_never_starts() -> None:
    made = one(running("a"), held(3), generation=4, jobs=[job("b")], paused=True)
    assert made.after == (StopJob(A, "job-a"),)
    stopped = one(made.status.jobs["a"], QUIET, jobs=[job("b")], paused=True, seen=NO_PODS)
    again = one(stopped.status.jobs["a"], QUIET, jobs=[job("b")], paused=True)
    assert (again.status.jobs["a"].state, again.status.jobs["a"].reason) == ("Skipped", names.REMOVED)


def test_a_newer_pause_takes_hold_of_what_an_older_one_held() -> None:
    pause = replace(PAUSED, generation=5)
    made = one(running("a"), held(3), generation=6, status_pause=pause, paused=True)
    assert made.after == (Hold(A, "job-a", "7", 6),)
    assert made.status.pause is not None and made.status.pause.phase is PausePhase.DRAINING


def test_a_held_job_is_stopped_by_a_cancel() -> None:
    made = one(running("a"), held(3), paused=True, cancel=CANCEL)
    assert made.after == (StopJob(A, "job-a"),)
    assert reason(made) == (names.STOPPING, "being stopped (Cancel)")


def test_a_held_job_is_not_stopped_by_a_pause_with_mode_stop() -> None:
    made = one(running("a"), held(3), generation=3, status_pause=PAUSED, paused=True, pause=STOP)
    assert (actions(made), made.status.jobs["a"].stopping) == ([], None)


# --- Stops -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "run_on", "why"),
    [
        param({"paused": True, "pause": STOP}, "Success", Stopping.PAUSE, id="a pause with mode Stop"),
        param({"paused": True, "pause": STOP}, "Done", Stopping.PAUSE, id="such a pause stops clean-up too"),
        param({"paused": True}, "Success", None, id="a draining pause stops nothing"),
        param({"pause": STOP}, "Success", None, id="a mode without a pause stops nothing"),
        param({"cancel": CANCEL}, "Success", Stopping.CANCEL, id="a cancel"),
        param({"cancel": CANCEL}, "Failure", Stopping.CANCEL, id="a cancel stops handlers"),
        param({"cancel": CANCEL}, "Done", None, id="a cancel lets clean-up go on"),
        param({"timeout_seconds": 1}, "Success", Stopping.TIMEOUT, id="the execution's timeout"),
        param({"timeout_seconds": 1}, "Done", None, id="which lets clean-up go on"),
        param({"cancel": CANCEL, "paused": True, "pause": STOP}, "Success", Stopping.CANCEL, id="cancel before pause"),
    ],
)
def test_a_stop_is_recorded_in_the_same_status_that_allows_it(fields: dict, run_on: str, why: Stopping | None) -> None:
    made = one(running("a"), kube_job("a"), kube_pod("a"), jobs=[job("a", run_on=RunOn(run_on))], **fields)
    assert made.status.jobs["a"].stopping is why
    assert made.after == ((StopJob(A, "job-a"),) if why else ())
    assert made.urgency is Urgency.NOW


def test_what_is_stopped_already_is_not_stopped_again() -> None:
    stopped = kube_job("a", suspended=True, parallelism=0)
    made = one(running("a"), stopped, kube_pod("a", deleting=True), cancel=CANCEL)
    assert (actions(made), reason(made)[0]) == ([], names.STOPPING)


def test_a_pod_without_its_job_cannot_be_stopped() -> None:
    made = one(running("a"), kube_pod("a"), cancel=CANCEL)
    assert (actions(made), made.status.jobs["a"].stopping) == ([], Stopping.CANCEL)


def test_after_a_resume_a_stop_under_way_is_carried_out() -> None:
    made = one(running("a", stopping=Stopping.PAUSE), kube_job("a"), kube_pod("a"))
    assert made.after == (StopJob(A, "job-a"),)


QUIET = kube_job("a", suspended=True, parallelism=0, suspended_condition=True)


def test_what_a_pause_stopped_waits_and_runs_again_as_a_new_attempt() -> None:
    stopping = running("a", stopping=Stopping.PAUSE)
    made = one(stopping, QUIET, paused=True, pause=STOP, seen=NO_PODS)
    assert (states(made), made.status.jobs["a"].reason, made.status.jobs["a"].failures) == (
        {"a": "Pending"},
        names.STOPPED,
        0,
    )
    assert isinstance(made.before[0], SaveResult)
    again = one(made.status.jobs["a"], QUIET)
    assert (again.status.jobs["a"].attempt, actions(again)) == (2, ["Launch"])


def test_a_second_pod_stops_the_job() -> None:
    made = one(running("a", pod_uid="first"), kube_job("a"), kube_pod("a"))
    assert made.status.jobs["a"].stopping is Stopping.SECOND_POD
    assert made.after == (StopJob(A, "job-a"),)


# --- What lives ------------------------------------------------------------------------------------------------------


def test_what_is_not_in_view_is_looked_up() -> None:
    made = one(running("a"))
    assert (made.after, reason(made)[0]) == ((LookUp(A),), names.WAITING)
    assert one(running("a"), seen=ABSENT).after == (LookUp(A, pods=True),)


def test_what_is_seen_is_stored_a_moment_later() -> None:
    given = execution(spec(job("a")), running("a", reason=""), status_conditions=())
    settled = planned(given, kube_job("a"), kube_pod("a"))
    made = planned(
        replace(given, status=replace(settled.status, jobs={"a": running("a", reason="")})),
        kube_job("a"),
        kube_pod("a"),
    )
    assert made.urgency is Urgency.SOON
    assert (made.status.jobs["a"].pod_uid, made.status.jobs["a"].started_at) == ("pod-a", EARLIER)


LOGGED = [job("a", outputs=OutputsFrom.LOG)]


def test_outputs_are_read_from_the_log_before_it_counts_as_done() -> None:
    made = one(running("a"), kube_job("a"), succeeded("a"), jobs=LOGGED)
    assert made.after == (ReadLog(A, succeeded("a")),)
    assert (states(made), reason(made)[0]) == ({"a": "Running"}, names.READING_OUTPUTS)


@pytest.mark.parametrize(("seconds", "expected"), [(2, []), (0, ["ReadLog"]), (3600, ["ReadLog"])],
                         ids=["later", "now", "now: the clock was turned back"])  # fmt: skip
def test_a_log_that_cannot_be_read_is_read_again(seconds: float, expected: list[str]) -> None:
    seen = {"logs": {A: LogRead(unavailable="no answer", retry_at=after(seconds))}}
    made = one(running("a"), kube_job("a"), succeeded("a"), jobs=LOGGED, seen=seen)
    assert (actions(made), made.requeue_after) == (expected, None if expected else seconds)
    assert reason(made) == (names.READING_OUTPUTS, "no answer")


def fresh(**fields: Any) -> Any:
    return kube_job("a", created_at=after(-1), **fields)


def test_an_explanation_is_looked_for_when_it_waits_for_longer_than_usual() -> None:
    made = one(running("a"), fresh())
    assert (actions(made), made.requeue_after) == ([], 2)
    made = one(running("a"), kube_job("a"))
    assert (made.after, made.requeue_after) == ((Explain("job-a"),), 20)


@pytest.mark.parametrize(
    ("age", "expected", "again"), [(5, (), 15), (20, (Explain("job-a"),), 20)], ids=["still good", "asked again"]
)
def test_an_explanation_is_shown(age: int, expected: tuple[Any, ...], again: float) -> None:
    known = {"explained": {"job-a": Explanation("FailedCreate", "exceeded quota", NOW - timedelta(seconds=age))}}
    made = one(running("a"), kube_job("a"), seen=known)
    assert reason(made) == ("FailedCreate", "exceeded quota")
    assert (made.after, made.requeue_after) == (expected, again)


def test_an_empty_explanation_leaves_what_is_known() -> None:
    known = {"explained": {"job-a": Explanation("", "", NOW)}}
    assert reason(one(running("a"), kube_job("a"), seen=known)) == (names.WAITING, "no pod yet")


def test_the_wait_counts_from_the_launch_where_nothing_else_is_known() -> None:
    assert actions(one(running("a"), kube_job("a", created_at=None))) == ["Explain"]


# --- Ends ------------------------------------------------------------------------------------------------------------


def test_the_result_comes_before_the_status_and_the_log_tail_after_it() -> None:
    made = one(running("a"), kube_job("a"), succeeded("a", "{}"))
    (save,) = made.before
    assert isinstance(save, SaveResult) and save.outputs == Outputs("{}")
    assert save.manifest["spec"]["digest"] == made.status.jobs["a"].result
    assert [type(action) for action in made.after] == [KeepLogTail]


def test_no_result_when_there_is_nothing_to_keep() -> None:
    made = one(running("a"), kube_job("a", complete=True), seen=NO_PODS)
    assert (made.before, made.after, states(made)) == ((), (), {"a": "Completed"})


def test_a_failure_keeps_what_was_said() -> None:
    said = "Traceback\nValueError: no"
    made = one(running("a"), kube_job("a"), crashed("a", termination_message=said))
    (save,) = made.before
    assert isinstance(save, SaveResult)
    assert (save.manifest["spec"]["message"], save.manifest["spec"]["state"]) == (said, "Failed")
    assert made.status.jobs["a"].message == "exited with code 1: ValueError: no"


@pytest.mark.parametrize(
    ("fields", "stopped"),
    [
        ({}, False), ({"suspended": True}, True), ({"suspended": True, "parallelism": 0}, False),
        ({"suspended": True, "failed": True}, False), ({"suspended": True, "complete": True}, False),
    ],
    ids=["not suspended", "suspended by somebody else", "stopped by Cairn", "it has failed", "it is complete"],
)  # fmt: skip
def test_a_job_that_others_could_wake_after_its_attempt_is_stopped_for_good(fields: dict, stopped: bool) -> None:
    made = one(running("a"), kube_job("a", **fields), crashed("a"))
    assert (StopJob(A, "job-a") in made.after) is stopped


def test_a_job_that_was_removed_is_followed_to_its_end_without_another_try() -> None:
    made = one(running("a"), kube_job("a"), crashed("a", reason="Evicted"), jobs=[job("b")])
    assert states(made)["a"] == "Failed"


def test_cleaning_up_is_tried_again_after_a_cancel_and_nothing_else_is() -> None:
    for run_on, state in ((RunOn.DONE, "Pending"), (RunOn.SUCCESS, "Failed")):
        made = one(
            running("a"), kube_job("a"), crashed("a", reason="Evicted"), jobs=[job("a", run_on=run_on)], cancel=CANCEL
        )
        assert states(made) == {"a": state}


# --- Strays ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("record", "things", "stopped"),
    [
        param(running("a"), [kube_job("a")], False, id="alive"),
        param(JobRecord("a"), [kube_job("b")], True, id="of a job that is not known"),
        param(failed("a"), [kube_job("a", 2)], True, id="of an attempt that was not recorded"),
        param(failed("a"), [kube_job("a"), kube_pod("a")], True, id="runs although its attempt has ended"),
        param(failed("a"), [kube_job("a"), crashed("a")], False, id="ended, and does not run"),
        param(running("a", 2), [kube_job("a", 2), kube_job("a"), kube_pod("a")], True, id="an older attempt runs"),
        param(failed("a"), [kube_job("a", 2, complete=True)], False, id="it is complete"),
        param(failed("a"), [kube_job("a", 2, failed=True)], False, id="it has failed"),
        param(failed("a"), [kube_job("a", 2, deleting=True)], False, id="it is being deleted"),
        param(failed("a"), [kube_job("a", 2, suspended=True, parallelism=0)], False, id="it is stopped already"),
    ],
)
def test_a_job_without_a_live_record_is_suspended(record: JobRecord, things: list[Any], stopped: bool) -> None:
    made = one(record, *things, hold=frozenset({"a"}))
    strays = [a for a in made.after if isinstance(a, StopJob)]
    assert [s.stray for s in strays] == ([True] if stopped else [])
