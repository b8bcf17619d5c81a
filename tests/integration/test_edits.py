"""Edits of an execution that runs: they count for what has not started, and are ignored, visibly, for what has."""

from __future__ import annotations

import pytest

from support.jobs import HANGS, condition, job
from support.kube import Kube, Object, until

pytestmark = pytest.mark.cluster



def running(kube: Kube, job_id: str) -> str:
    """The name of a job's pod, once its container runs and the record has it."""
    kube.wait_job("x", job_id, state="Running", reason=None)
    return str(kube.pods("x", job_id)[0]["metadata"]["name"])


def let_go(kube: Kube, pod: str) -> None:
    """The pod ends."""
    kube.kubectl("annotate", "pod", pod, "fake.cairn.dev/hang-")


def image(kube: Kube, job_id: str) -> str:
    """The image that the job's only pod was given."""
    [pod] = kube.pods("x", job_id)
    return str(pod["spec"]["containers"][0]["image"])


def seen(kube: Kube) -> Object:
    """The execution once the operator has answered its latest edit."""

    def find() -> Object | None:
        found = kube.get("dagx", "x")
        return found if found["status"].get("observedGeneration") == found["metadata"]["generation"] else None

    return until(find, "the edit is seen")


def test_an_edit_counts_for_what_has_not_started_and_is_ignored_for_what_has(served: Kube) -> None:
    served.run("x", job("done"), job("runs", fake=HANGS), job("waits", "runs"))
    served.wait_job("x", "done", state="Completed")
    pod = running(served, "runs")
    hashes = {record["id"]: record.get("hash") for record in served.get("dagx", "x")["status"]["jobs"]}
    served.run("x", job("done", image="new"), job("runs", fake=HANGS, image="new"), job("waits", "runs", image="new"))
    edited = seen(served)
    ignored = condition(edited, "EditsIgnored")
    assert (ignored["status"], ignored["reason"]) == ("True", "JobsAlreadyStarted")
    assert "done" in ignored["message"] and "runs" in ignored["message"]
    assert "waits" not in ignored["message"]
    let_go(served, pod)
    done = served.wait("x", "Succeeded")
    assert [image(served, name) for name in ("done", "runs", "waits")] == ["fake", "fake", "new"]
    assert {record["attempt"] for record in done["status"]["jobs"]} == {1}
    kept = {record["id"]: record["hash"] for record in done["status"]["jobs"]}
    assert (kept["done"], kept["runs"]) == (hashes["done"], hashes["runs"])

    served.run("x", job("done"), job("runs", fake=HANGS), job("waits", "runs", image="new"))
    assert not condition(seen(served), "EditsIgnored"), "taken back, it is not reported any more"
    assert len(served.jobs("x")) == 3, "and nothing ran again"


def test_an_edit_counts_for_the_next_attempt(served: Kube) -> None:
    retry = {"limit": 1, "backoffSeconds": 2}
    served.run("x", job("a", fake={"exit-code": "1"}, retry=retry))
    served.wait_job("x", "a", state="Pending", attempt=1)
    served.run("x", job("a", fake={"exit-code": "0"}, retry=retry))
    done = served.wait("x", "Succeeded")
    [record] = done["status"]["jobs"]
    assert (record["state"], record["attempt"], record["failures"]) == ("Completed", 2, 1)
    assert not condition(done, "EditsIgnored")


def test_jobs_can_be_added_until_the_execution_has_finished(served: Kube) -> None:
    first = [job("a"), job("runs", fake=HANGS)]
    served.run("x", *first)
    pod = running(served, "runs")
    served.run("x", *first, job("added", "a"), job("last", "runs", "added"))
    served.wait_job("x", "added", state="Completed")
    let_go(served, pod)
    assert served.wait("x", "Succeeded")["status"]["progress"] == "4/4"
    served.run("x", *first, job("added", "a"), job("last", "runs", "added"), job("too-late"))
    late = seen(served)
    assert "too-late" in condition(late, "EditsIgnored")["message"] and late["status"]["phase"] == "Succeeded"
    assert not served.jobs("x", "too-late")


def test_jobs_can_be_removed_and_what_runs_of_them_is_followed_to_its_end(served: Kube) -> None:
    served.run("x", job("keeps", fake=HANGS), job("runs", fake=HANGS), job("next", "keeps"), job("waits", "runs"))
    pods = [running(served, name) for name in ("runs", "keeps")]
    served.run("x", job("keeps", fake=HANGS), job("next", "keeps"))
    edited = seen(served)
    assert [(r["id"], r["state"]) for r in edited["status"]["jobs"]] == [
        ("keeps", "Running"), ("next", "Pending"), ("runs", "Running"),
    ]  # fmt: skip
    assert "runs" in condition(edited, "EditsIgnored")["message"]
    for pod in pods:
        let_go(served, pod)
    done = served.wait("x", "Succeeded")
    assert [r["id"] for r in done["status"]["jobs"] if r["state"] == "Completed"] == ["keeps", "next", "runs"]
    assert not served.jobs("x", "waits")


def test_params_and_scheduling_stand_once_it_has_started(served: Kube) -> None:
    served.run("x", job("a", fake=HANGS), params={"n": 1}, paused=True)
    served.wait("x", "Paused")
    for spec in ('{"params":{"n":2}}', '{"params":null}', '{"scheduling":"Levels"}'):
        answer = served.kubectl("patch", "dagx", "x", "--type=merge", "-p", f'{{"spec":{spec}}}', check=False)
        assert answer.returncode != 0 and "once the execution has started" in answer.stderr, spec
    served.patch("dagx", "x", {"spec": {"parallelism": 3, "failurePolicy": "Continue", "timeoutSeconds": 900}})
    assert not condition(seen(served), "EditsIgnored")
