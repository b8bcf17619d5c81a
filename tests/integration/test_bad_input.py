"""Specs that the API server cannot judge: all that is wrong is said at once, nothing is launched, it can be mended."""

from __future__ import annotations

from typing import Any

import pytest

from support import jobs
from support.jobs import condition, hanging, release
from support.kube import Kube, Object, until

pytestmark = pytest.mark.cluster


def job(name: str, *after: str, **more: Any) -> Object:
    """A job that hands out a number."""
    return jobs.job(name, *after, fake={"message": "1"}, **more)


def test_everything_wrong_is_said_at_once_and_nothing_is_launched_until_it_is_mended(served: Kube) -> None:
    good = [job("a"), job("b", "a"), job("c", "b"), job("d"), job("e", "d"), job("f", "d")]
    served.run(
        "x",
        job("a", "c"), job("b", "a"), job("c", "b"), job("d", "group:nobody"),
        job("e", "d", when="jobs['d'].outputs >"),
        job("f", "d", when="jobs['a'].outputs == 1", args=["$(params.speed)", "$(jobs.b.outputs)", "$(jobs.x)"]),
        hold=["g"], params={"sped": 1},
    )  # fmt: skip
    refused = served.wait("x", "Accepted=False")
    accepted = condition(refused, "Accepted")
    assert accepted["reason"] == "Invalid" and accepted["observedGeneration"] == refused["metadata"]["generation"]
    said = dict(line.split(": ", 1) for line in accepted["message"].splitlines())
    assert set(said) == {
        "spec.jobs", "spec.jobs[3].dependsOn[0]", "spec.jobs[4].when", "spec.jobs[5].when", "spec.jobs[5].args[0]",
        "spec.jobs[5].args[1]", "spec.jobs[5].args[2]", "spec.hold[0]",
    }, said  # fmt: skip
    assert "a -> c -> b -> a" in said["spec.jobs"]
    assert "'nobody'" in said["spec.jobs[3].dependsOn[0]"]
    assert "dependsOn" in said["spec.jobs[5].when"] and "dependsOn" in said["spec.jobs[5].args[1]"]
    assert "did you mean 'sped'" in said["spec.jobs[5].args[0]"]
    assert (refused["status"]["phase"], refused["status"]["reason"]) == ("Pending", "NotAccepted")
    assert condition(refused, "Stalled")["status"] == "True" and condition(refused, "Reconciling")["status"] == "False"
    [event] = until(lambda: served.events("x"), "an Event")
    assert (event["type"], event["reason"]) == ("Warning", "Invalid") and "a -> c -> b" in event["message"]
    assert not served.list("jobs")

    served.run("x", *good, hold=[], params={"sped": 1})
    done = served.wait("x", "Succeeded")
    assert condition(done, "Accepted")["status"] == "True" and done["status"]["progress"] == "6/6"


def test_a_bad_edit_stops_nothing_that_runs_and_starts_nothing_until_it_is_mended(served: Kube) -> None:
    served.run("x", hanging("a"), job("b", "a"))
    served.wait_job("x", "a", state="Running", reason=None)
    served.run("x", hanging("a"), job("b", "a", when="no CEL at all"))
    served.wait("x", "Accepted=False")
    release(served, "x", "a")
    [made] = served.jobs("x")
    served.kubectl("wait", "--for=condition=Complete", f"job/{made['metadata']['name']}", "--timeout=60s")
    assert [found["metadata"]["name"] for found in served.jobs("x")] == [made["metadata"]["name"]]
    served.run("x", hanging("a"), job("b", "a", when="true"))
    done = served.wait("x", "Succeeded")
    assert [record["attempt"] for record in done["status"]["jobs"]] == [1, 1]


def test_a_spec_that_would_not_fit_with_its_status_is_refused(served: Kube) -> None:
    served.run("x", *(job(f"j{n}", args=["x" * 62_000]) for n in range(20)))
    refused = served.wait("x", "Accepted=False")
    accepted = condition(refused, "Accepted")
    assert accepted["reason"] == "TooLarge" and "1200 KB allowed" in accepted["message"]
    assert not served.list("jobs")
    served.run("x", job("j0"))
    assert served.wait("x", "Succeeded")["status"]["progress"] == "1/1"
