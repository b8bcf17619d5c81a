"""The engine on a real API server and Job controller: order, limits, conditions, pause, hold, cancel, timeouts, Events.

Fake pods tell to the nanosecond when they run: order and overlap are judged by the pods, not by what Cairn says.
"""

from __future__ import annotations

import itertools
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from support import jobs
from support.kube import Kube, Object, until

pytestmark = pytest.mark.cluster

_NODE = {"exit_code": "exit-code", "message": "message", "hang": "hang", "dies": "termination-duration"}


def job(name: str, *after: str, lasts: float = 0, **more: Any) -> Object:
    """A job; what a fake node makes of it, and fields of the job."""
    fake = {_NODE[key]: str(more.pop(key)) for key in list(more) if key in _NODE}
    if lasts:
        fake["duration"] = f"{lasts * 1000:.0f}ms"
    return jobs.job(name, *after, fake=fake, **more)


def spans(kube: Kube, execution: str) -> dict[tuple[str, int], tuple[datetime, datetime]]:
    """When the pods of (job, attempt) ran, by their own account. Each must have been given a duration."""
    found = {}
    for pod in kube.pods(execution):
        labels, notes = pod["metadata"]["labels"], pod["metadata"]["annotations"]
        end = next(c for c in pod["status"]["conditions"] if c["type"] == "fake.cairn.dev/finish-at")["message"]
        lasted = timedelta(milliseconds=int(notes["fake.cairn.dev/duration"].removesuffix("ms")))
        finished = datetime.fromisoformat(end)
        found[labels["cairn.dev/job"], int(labels["cairn.dev/attempt"])] = (finished - lasted, finished)
    return found


def most_at_once(kube: Kube, execution: str) -> int:
    """How many pods ran at the same time at most."""
    steps = [step for start, end in spans(kube, execution).values() for step in ((start, 1), (end, -1))]
    return max(itertools.accumulate(change for _, change in sorted(steps)))


def records(execution: Object) -> dict[str, Object]:
    """The job records of a status by id."""
    return {record["id"]: record for record in execution["status"]["jobs"]}


def states(execution: Object) -> dict[str, str]:
    """State and reason of every job, as `Skipped/DependencyFailed`."""
    return {
        name: "/".join(filter(None, (record["state"], record.get("reason"))))
        for name, record in records(execution).items()
    }


def conditions(execution: Object) -> dict[str, str]:
    """Status of every condition by type."""
    return {c["type"]: c["status"] for c in execution["status"]["conditions"]}


# --- What runs when --------------------------------------------------------------------------------------------------


def test_jobs_run_after_their_dependencies_and_levels_wait_for_each_other(served: Kube) -> None:
    jobs = [
        job("fast", lasts=0.1), job("slow", lasts=3), job("after-fast", "fast", lasts=0.1, group="second"),
        job("after-slow", "slow", lasts=0.1, group="second"), job("join", "group:second", lasts=0.1),
    ]  # fmt: skip
    served.run("free", *jobs)
    served.run("levels", *jobs, scheduling="Levels")
    for name, waits_for_level in (("free", False), ("levels", True)):
        done = served.wait(name, "Finished")
        assert (done["status"]["phase"], done["status"]["progress"]) == ("Succeeded", "5/5")
        ran = spans(served, name)
        for before, after in (("fast", "after-fast"), ("slow", "after-slow"), ("after-fast", "join"),
                              ("after-slow", "join")):  # fmt: skip
            assert ran[before, 1][1] <= ran[after, 1][0], f"{name}: {after} began before {before} had ended"
        assert (ran["after-fast", 1][0] >= ran["slow", 1][1]) is waits_for_level
        assert len(served.jobs(name)) == len(ran) == 5, "one Kubernetes Job and one pod for every job"
        assert all(record["attempt"] == 1 for record in records(done).values())


def test_parallelism_is_a_limit_and_is_used_up(served: Kube) -> None:
    crowd = [job(f"j{n}", lasts=0.5) for n in range(6)]
    served.run("limited", *crowd, parallelism=2)
    served.run("unlimited", *crowd)
    served.wait("limited", "Succeeded")
    served.wait("unlimited", "Succeeded")
    assert most_at_once(served, "limited") == 2
    assert most_at_once(served, "unlimited") > 2


def test_the_same_file_is_good_for_jobs_of_awkward_names(served: Kube) -> None:
    names = ["a_b", "a-b", "a.b", "Train", "train", "x" * 63, "9"]
    served.run("Names".lower() + "." + "n" * 60, *(job(name) for name in names))
    done = served.wait("names." + "n" * 60, "Succeeded")
    assert set(states(done)) == set(names)
    made = {found["metadata"]["labels"]["cairn.dev/job"] for found in served.list("jobs")}
    assert made == set(names)


def test_conditions_choose_what_runs(served: Kube) -> None:
    served.run(
        "x",
        job("prepare", message='{"rows": 3}'),
        job("yes", "prepare", when="jobs['prepare'].outputs.rows > params.least && jobs.prepare.state == 'Completed'"),
        job("no", "prepare", when="jobs.prepare.outputs.rows > 100"),
        job("after-no", "no"),
        job("anyway", "after-no", "yes", runOn="Done"),
        job("broken", "prepare", when="jobs.prepare.outputs.columns > 1"),
        params={"least": 2}, failurePolicy="Continue",
    )  # fmt: skip
    done = served.wait("x", "Finished")
    assert states(done) == {
        "prepare": "Completed", "yes": "Completed", "no": "Skipped/ConditionFalse",
        "after-no": "Skipped/DependencySkipped", "anyway": "Completed", "broken": "Failed/ConditionFailed",
    }  # fmt: skip
    assert "columns" in records(done)["broken"]["message"]
    assert done["status"]["phase"] == "Failed"
    assert not served.jobs("x", "no") and not served.jobs("x", "broken")


# --- What a failure does ---------------------------------------------------------------------------------------------


def test_stop_lets_running_jobs_finish_and_only_clean_up_start(served: Kube) -> None:
    served.run(
        "x",
        job("bad", exit_code=1), job("slow", hang="true"), job("after-bad", "bad"), job("after-slow", "slow"),
        job("not-called", "slow", runOn="Failure"), job("clean-up", "after-bad", "after-slow", runOn="Done"),
    )  # fmt: skip
    served.wait_job("x", "bad", state="Failed")
    jobs.release(served, "x", "slow")
    done = served.wait("x", "Finished")
    assert states(done) == {
        "bad": "Failed/Error", "slow": "Completed", "after-bad": "Skipped/DependencyFailed",
        "after-slow": "Skipped/ExecutionFailing", "not-called": "Skipped/NothingFailed", "clean-up": "Completed",
    }  # fmt: skip
    assert (done["status"]["phase"], done["status"]["reason"]) == ("Failed", "JobFailed")
    assert "bad" in done["status"]["message"]


def test_continue_runs_what_does_not_depend_on_the_failure(served: Kube) -> None:
    served.run(
        "x", job("bad", exit_code=1), job("slow", hang="true"), job("after-bad", "bad"), job("after-slow", "slow"),
        failurePolicy="Continue",
    )  # fmt: skip
    served.wait_job("x", "bad", state="Failed")
    jobs.release(served, "x", "slow")
    done = served.wait("x", "Finished")
    assert states(done) == {
        "bad": "Failed/Error", "slow": "Completed", "after-bad": "Skipped/DependencyFailed", "after-slow": "Completed",
    }  # fmt: skip
    assert done["status"]["phase"] == "Failed"


def test_a_failure_that_a_job_handles_does_not_fail_the_execution(served: Kube) -> None:
    served.run(
        "x", job("bad", exit_code=1), job("between", "bad"), job("handler", "between", runOn="Failure"),
        job("join", "handler", runOn="Done"),
    )  # fmt: skip
    done = served.wait("x", "Finished")
    assert done["status"]["phase"] == "Succeeded"
    assert states(done) == {
        "bad": "Failed/Error", "between": "Skipped/DependencyFailed", "handler": "Completed", "join": "Completed",
    }  # fmt: skip


def test_pause_on_failure_waits_for_a_person(served: Kube) -> None:
    served.run(
        "x", job("bad", exit_code=3), job("after-bad", "bad"), job("slow", hang="true"), job("after-slow", "slow"),
        failurePolicy="Pause",
    )  # fmt: skip
    served.wait_job("x", "bad", state="Failed")
    jobs.release(served, "x", "slow")
    paused = served.wait("x", "Paused")
    assert paused["spec"]["paused"] is True and "bad" in paused["spec"]["pause"]["reason"]
    assert paused["status"]["phase"] == "Running" and paused["status"]["pause"]["by"] == "operator"
    assert states(paused)["after-bad"] == "Pending" and states(paused)["slow"] == "Completed"
    assert not served.jobs("x", "after-slow")
    served.patch("dagx", "x", {"spec": {"paused": False}})
    done = served.wait("x", "Finished")
    assert states(done) == {
        "bad": "Failed/Error", "after-bad": "Skipped/DependencyFailed", "slow": "Completed", "after-slow": "Completed",
    }  # fmt: skip
    assert done["status"]["phase"] == "Failed"


# --- Timeouts --------------------------------------------------------------------------------------------------------


def test_a_job_that_takes_too_long_has_failed_by_its_own_fault(served: Kube) -> None:
    served.run("x", job("long", hang="true", timeoutSeconds=1))
    done = served.wait("x", "Finished")
    assert states(done) == {"long": "Failed/Timeout"}
    record = records(done)["long"]
    assert (record["failures"], record.get("disruptions", 0)) == (1, 0)
    assert served.jobs("x")[0]["spec"]["activeDeadlineSeconds"] == 1


def test_a_run_that_takes_too_long_is_ended_and_cleaned_up(served: Kube) -> None:
    served.run(
        "x", job("long", hang="true"), job("next", "long"), job("clean-up", "next", runOn="Done"), timeoutSeconds=2,
    )  # fmt: skip
    done = served.wait("x", "Finished")
    assert (done["status"]["phase"], done["status"]["reason"]) == ("Failed", "TimedOut")
    assert states(done) == {"long": "Failed/TimedOut", "next": "Skipped/TimedOut", "clean-up": "Completed"}


def test_time_spent_paused_does_not_count_for_the_timeout(served: Kube) -> None:
    begin = time.monotonic()
    served.run("x", job("a", lasts=0.2), paused=True, timeoutSeconds=4)
    served.wait("x", "Paused")
    time.sleep(max(0.0, begin + 5 - time.monotonic()))  # past the timeout, which is the point
    served.patch("dagx", "x", {"spec": {"paused": False}})
    done = served.wait("x", "Finished")
    assert done["status"]["phase"] == "Succeeded"
    assert done["status"]["pausedMillis"] >= 4000


# --- Pause and hold --------------------------------------------------------------------------------------------------


def test_drain_lets_finish_what_runs_and_starts_nothing(served: Kube) -> None:
    served.run("x", job("first", hang="true"), job("second", "first"))
    served.wait_job("x", "first", state="Running")
    served.patch("dagx", "x", {"spec": {"paused": True, "pause": {"reason": "maintenance"}}})
    draining = until(lambda: served.get("dagx", "x")["status"].get("pause"), "a pause is shown")
    assert (draining["phase"], draining["running"], draining["count"]) == ("Draining", ["first"], 1)
    assert (draining["by"], draining["reason"], draining["mode"]) == ("user", "maintenance", "Drain")
    jobs.release(served, "x", "first")
    paused = served.wait("x", "Paused")
    assert paused["status"]["phase"] == "Running" and paused["status"]["pause"]["phase"] == "Paused"
    assert states(paused) == {"first": "Completed", "second": "Pending"}
    assert not served.jobs("x", "second")
    served.patch("dagx", "x", {"spec": {"paused": False}})
    done = served.wait("x", "Succeeded")
    assert "pause" not in done["status"] and conditions(done)["Paused"] == "False"
    assert datetime.fromisoformat(records(done)["second"]["launchedAt"]) > datetime.fromisoformat(draining["since"])


def test_stop_ends_what_runs_and_runs_it_again_at_no_cost(served: Kube) -> None:
    served.run("x", job("long", hang="true", message='{"n": 1}'), job("next", "long"))
    served.wait_job("x", "long", state="Running")
    until(lambda: [pod for pod in served.pods("x") if pod["status"]["phase"] == "Running"], "it runs")
    served.patch("dagx", "x", {"spec": {"paused": True, "pause": {"mode": "Stop"}}})
    paused = served.wait("x", "Paused")
    assert states(paused)["long"] == "Pending/Stopped"
    [tombstone] = served.jobs("x")
    assert tombstone["spec"]["suspend"] is True
    until(lambda: not served.pods("x") or None, "its pod is gone")
    served.patch("dagx", "x", {"spec": {"paused": False}})
    served.wait_job("x", "long", state="Running", attempt=2)
    pod = until(lambda: next(iter(served.pods("x")), None), "a pod of the second attempt")
    served.kubectl("annotate", "pod", pod["metadata"]["name"], "fake.cairn.dev/hang-")
    done = served.wait("x", "Succeeded")
    long = records(done)["long"]
    assert (long["attempt"], long.get("failures", 0), long.get("disruptions", 0)) == (2, 0, 0)
    assert served.get("job", tombstone["metadata"]["name"])["spec"]["suspend"] is True, "never woken again"


def test_until_resumes_by_itself_but_a_stale_one_does_not(served: Kube) -> None:
    soon = (datetime.now(UTC) + timedelta(seconds=3)).strftime("%Y-%m-%dT%H:%M:%SZ")
    served.run("soon", job("a"), paused=True, pause={"until": soon})
    served.run("stale", job("a"), paused=True, pause={"until": "2020-01-01T00:00:00Z"})
    served.wait("soon", "Paused")
    done = served.wait("soon", "Succeeded")
    assert done["spec"]["paused"] is False
    assert datetime.fromisoformat(records(done)["a"]["launchedAt"]) >= datetime.fromisoformat(soon)
    stale = served.get("dagx", "stale")
    assert stale["spec"]["paused"] is True and stale["status"]["pause"]["phase"] == "Paused"
    assert "ignored" in next(c["message"] for c in stale["status"]["conditions"] if c["type"] == "Paused")


def test_a_held_job_waits_while_others_go_on(served: Kube) -> None:
    served.run("x", job("a"), job("held", "a"), job("b", "a"), job("after-held", "held"), hold=["held"])
    served.wait_job("x", "b", state="Completed")
    assert states(served.get("dagx", "x"))["held"] == "Pending/OnHold"
    assert not served.jobs("x", "held")
    served.patch("dagx", "x", {"spec": {"hold": []}})
    assert set(states(served.wait("x", "Succeeded")).values()) == {"Completed"}


# --- Cancel and time to live -----------------------------------------------------------------------------------------


def test_cancel_ends_what_runs_skips_what_waits_and_cleans_up(served: Kube) -> None:
    served.run(
        "x", job("long", hang="true", dies="300ms"), job("done"), job("next", "long"),
        job("clean-up", "next", "done", runOn="Done"),
    )  # fmt: skip
    served.wait_job("x", "done", state="Completed")
    served.wait_job("x", "long", state="Running")
    served.patch("dagx", "x", {"spec": {"cancel": {"requestId": "c-1", "reason": "wrong data"}}})
    done = served.wait("x", "Finished")
    assert done["status"]["phase"] == "Cancelled" and "wrong data" in done["status"]["message"]
    assert states(done) == {
        "long": "Failed/Cancelled", "done": "Completed", "next": "Skipped/Cancelled", "clean-up": "Completed",
    }  # fmt: skip
    assert [answer["id"] for answer in done["status"]["requests"]] == ["c-1"]
    [tombstone] = served.jobs("x", "long")
    assert tombstone["spec"]["suspend"] is True


def test_cancel_works_while_paused_and_clean_up_waits_for_the_resume(served: Kube) -> None:
    served.run("waits", job("a"), paused=True)
    served.run("drains", job("long", hang="true"), job("next", "long"), job("clean-up", "next", runOn="Done"))
    served.wait_job("drains", "long", state="Running")
    served.patch("dagx", "drains", {"spec": {"paused": True}})
    served.wait("waits", "Paused")
    for name in ("waits", "drains"):
        served.patch("dagx", name, {"spec": {"cancel": {"requestId": "c"}}})
    assert states(served.wait("waits", "Finished")) == {"a": "Skipped/Cancelled"}
    paused = served.wait("drains", "Paused")
    assert states(paused) == {"long": "Failed/Cancelled", "next": "Skipped/Cancelled", "clean-up": "Pending"}
    assert not served.jobs("drains", "clean-up"), "nothing starts while paused, clean-up neither"
    served.patch("dagx", "drains", {"spec": {"paused": False}})
    done = served.wait("drains", "Finished")
    assert done["status"]["phase"] == "Cancelled" and states(done)["clean-up"] == "Completed"


def test_a_finished_execution_goes_with_all_its_objects_when_its_time_is_over(served: Kube) -> None:
    served.run("x", job("a", message='"out"'), job("b", "a"), ttlSecondsAfterFinished=1)
    uid = served.get("dagx", "x")["metadata"]["uid"]
    served.wait_job("x", "b", state="Completed")
    until(lambda: not served.list("dagx") or None, "the execution is deleted")
    kinds = "jobs,pods,configmaps,jobresults.cairn.dev"
    until(lambda: not served.list(kinds, "-l", f"cairn.dev/execution-uid={uid}") or None, "nothing is left of it")


# --- What a person and other programs see ----------------------------------------------------------------------------


def test_conditions_tell_kubectl_and_kstatus_how_it_stands(served: Kube) -> None:
    served.run("good", job("a", hang="true"))
    served.run("bad", job("a", exit_code=1))
    running = served.wait("good", "Reconciling")
    assert conditions(running) == {
        "Accepted": "True", "Paused": "False", "Finished": "False", "Succeeded": "False", "Reconciling": "True",
        "Stalled": "False",
    }  # fmt: skip
    pod = until(lambda: next(iter(served.pods("good")), None), "a pod")
    served.kubectl("annotate", "pod", pod["metadata"]["name"], "fake.cairn.dev/hang-")
    served.wait("good", "Succeeded")
    good = served.saved("good")
    assert conditions(good) == {
        "Accepted": "True", "Paused": "False", "Finished": "True", "Succeeded": "True", "Reconciling": "False",
        "Stalled": "False", "Checkpointed": "True",
    }  # fmt: skip
    bad = served.wait("bad", "Finished")
    assert conditions(bad)["Stalled"] == "True" and conditions(bad)["Succeeded"] == "False"
    for found in (good, bad):
        assert {c["observedGeneration"] for c in found["status"]["conditions"]} == {found["metadata"]["generation"]}
    assert served.kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", "dagx/good").returncode == 0


def test_events_tell_the_story_in_a_few_lines(served: Kube) -> None:
    served.run("x", job("bad", exit_code=7, message="disk full", retry={"limit": 1, "backoffSeconds": 0.1}),
               *(job(f"j{n}") for n in range(30)), job("next", "bad"))  # fmt: skip
    served.wait("x", "Finished")
    found = until(lambda: [e for e in served.events("x") if e["reason"] == "Failed"] and served.events("x"), "Events")
    said = "\n".join(f"{e['type']} {e['reason']} {e['message']}" for e in found)
    assert "Normal Launched launched 31 jobs: bad, j0, j1" in said and "and 21 more" in said
    assert "Warning Retrying job bad, attempt 1 ended: Error: exited with code 7: disk full; trying again" in said
    assert "Warning JobFailed job bad, attempt 2 failed: Error: exited with code 7: disk full" in said
    assert "Normal Skipped skipped job next" in said
    assert "Warning Failed job bad failed" in said
    assert len(found) < 20, said
    described = served.kubectl("describe", "dagx", "x").stdout
    assert "disk full" in described and "Phase:" in described
