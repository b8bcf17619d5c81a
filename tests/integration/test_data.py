"""Data between jobs, as the created pods and objects show it: inputs, params, templates, results, refusals."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import pytest

from support import jobs
from support.kube import Kube, Object, until

pytestmark = pytest.mark.cluster

# Everything that a store, a parser or a shell likes to change.
AWKWARD = (
    '{"nested": {"deep": [1.0, 1e16, -0.0, 18446744073709551617, 0.1, null, true, {"ключ": "значение 🚀 é"}]},'
    ' "shell": "$(HOME) $$(x) `ls` \'\\" \\\\ \\n", "zwsp": "a\u200bb", "html": "<&>", "control": "\\u0001", "n": 3}'
)


def job(name: str, *after: str, exit_code: int = 0, message: str = "", **more: Any) -> Object:
    """A job that ends so on a fake node."""
    return jobs.job(name, *after, fake={"exit-code": str(exit_code), "message": message}, **more)


def records(execution: Object) -> dict[str, Object]:
    """The job records of a status by id."""
    return {record["id"]: record for record in execution["status"]["jobs"]}


def container(kube: Kube, execution: str, job_id: str) -> Object:
    """The container of a job's only pod."""
    [pod] = kube.pods(execution, job_id)
    [found] = pod["spec"]["containers"]
    return dict(found)


def environment(kube: Kube, execution: str, job_id: str) -> dict[str, str]:
    """Its variables."""
    return {item["name"]: item.get("value", "") for item in container(kube, execution, job_id)["env"]}


def files(kube: Kube, execution: str, job_id: str) -> dict[str, str]:
    """The files that its pod finds below /cairn, put together as the kubelet does."""
    [pod] = kube.pods(execution, job_id)
    found: dict[str, str] = {}
    for volume in pod["spec"].get("volumes", []):
        for source in volume.get("projected", {}).get("sources", []) if volume["name"] == "cairn" else []:
            data = kube.get("configmap", source["configMap"]["name"])["data"]
            found |= {item["path"]: data[item["key"]] for item in source["configMap"]["items"]}
    return found


def results(kube: Kube, execution: str, job_id: str) -> list[Object]:
    """The specs of a job's results by attempt."""
    found = kube.list("jobresults.cairn.dev", "-l", f"cairn.dev/execution={execution},cairn.dev/job={job_id}")
    return sorted((item["spec"] for item in found), key=lambda spec: int(spec["attempt"]))


def test_outputs_reach_every_dependent_byte_for_byte(served: Kube) -> None:
    params = {"name": "größe", "list": [1, {"a": None}], "dollar": "$(HOME)"}
    served.run(
        "x", job("a.b", message=f"  {AWKWARD}\n"), job("c", message="[]"),
        job("one", "a.b", "c"), job("same", "a.b", "c"), job("other", "c"), job("alone"), params=params,
    )  # fmt: skip
    done = served.wait("x", "Succeeded")
    [result] = results(served, "x", "a.b")
    assert result["outputs"] == AWKWARD
    assert result["digest"] == records(done)["a.b"]["result"] == sha256(AWKWARD.encode()).hexdigest()

    seen = files(served, "x", "one")
    assert set(seen) == {"inputs/a.b.json", "inputs/c.json", "params.json"}
    assert (seen["inputs/a.b.json"], seen["inputs/c.json"]) == (AWKWARD, "[]")
    assert json.loads(seen["params.json"]) == params
    mounts = container(served, "x", "one")["volumeMounts"]
    assert {"name": "cairn", "mountPath": "/cairn", "readOnly": True} in mounts

    variables = environment(served, "x", "one")
    assert variables["CAIRN_INPUTS"].replace("$$", "$") == f'{{"a.b":{AWKWARD},"c":[]}}'
    told = {name: variables[f"CAIRN_{name}"] for name in ("EXECUTION", "NAMESPACE", "JOB", "ATTEMPT")}
    assert told == {"EXECUTION": "x", "NAMESPACE": served.namespace, "JOB": "one", "ATTEMPT": "1"}

    assert files(served, "x", "same") == seen
    assert set(files(served, "x", "other")) == {"inputs/c.json", "params.json"}
    assert set(files(served, "x", "alone")) == {"params.json"}
    made = served.list("configmaps", "-l", "cairn.dev/execution=x")
    assert len(made) == 3, "one object for each distinct set of inputs"
    assert all(item["immutable"] for item in made)
    assert [item["kind"] for each in made for item in each["metadata"]["ownerReferences"]] == ["DAGExecution"] * 3


def test_references_are_resolved_when_a_job_is_launched(served: Kube) -> None:
    served.run(
        "x",
        job("p", message='{"model": {"name": "a $(b)", "size": 12}, "all": [1, 2]}'),
        job("c", "p", command=["run", "$(params.mode)", "--model=$(jobs.p.outputs.model.name)"],
            args=["$(jobs.p.outputs.all)", "$(CAIRN_JOB)", "$$(params.mode)", "plain $HOME"],
            env=[{"name": "SIZE", "value": "$(jobs.p.outputs.model.size)"}, {"name": "P", "value": "$(params.n)"}]),
        job("broken", "p", args=["$(jobs.p.outputs.model.colour)"]),
        params={"mode": "fast", "n": 7}, failurePolicy="Continue",
    )  # fmt: skip
    done = served.wait("x", "Finished")
    made = container(served, "x", "c")
    assert made["command"] == ["run", "fast", "--model=a $$(b)"], "Kubernetes turns $$ into $"
    assert made["args"] == ["[1,2]", "$(CAIRN_JOB)", "$$(params.mode)", "plain $HOME"]
    variables = environment(served, "x", "c")
    assert (variables["SIZE"], variables["P"]) == ("12", "7")
    broken = records(done)["broken"]
    assert (broken["state"], broken["reason"]) == ("Failed", "TemplateFailed") and "colour" in broken["message"]
    assert not served.jobs("x", "broken")


def test_null_is_an_output_and_none_is_not(served: Kube) -> None:
    served.run(
        "x", job("null", message="null"), job("none"), job("c", "null", "none"),
        job("sees-null", "null", when="has(jobs['null'].outputs) && jobs['null'].outputs == null"),
        job("sees-none", "none", when="!has(jobs.none.outputs)"),
    )  # fmt: skip
    done = served.wait("x", "Succeeded")
    assert {record["state"] for record in records(done).values()} == {"Completed"}
    assert [spec["outputs"] for spec in results(served, "x", "null")] == ["null"]
    assert results(served, "x", "none") == [] and "result" not in records(done)["none"]
    assert files(served, "x", "c") == {"inputs/null.json": "null"}
    assert environment(served, "x", "c")["CAIRN_INPUTS"] == '{"null":null}'
    assert files(served, "x", "sees-none") == {} and "CAIRN_INPUTS" not in environment(served, "x", "sees-none")


def test_outputs_that_cannot_be_taken_fail_the_attempt_and_say_why(served: Kube) -> None:
    served.run(
        "x", job("large", message=json.dumps("x" * 5000)), job("broken", message='{"a": '),
        job("nan", message="[NaN]"), job("words", message="all good"), failurePolicy="Continue",
    )  # fmt: skip
    done = served.wait("x", "Finished")
    found = records(done)
    assert {name: (r["state"], r["reason"]) for name, r in found.items()} == {
        "large": ("Failed", "OutputsTooLarge"), "broken": ("Failed", "OutputsInvalid"),
        "nan": ("Failed", "OutputsInvalid"), "words": ("Failed", "OutputsInvalid"),
    }  # fmt: skip
    assert "4096" in found["large"]["message"] and "outputs: Log" in found["large"]["message"]
    assert "no JSON" in found["broken"]["message"] and "NaN" in found["nan"]["message"]
    assert all("outputs" not in spec for name in found for spec in results(served, "x", name))


def test_inputs_too_long_for_a_variable_still_come_as_files(served: Kube) -> None:
    text = json.dumps("x" * 4000)
    parts = [job(f"p{n}", message=text) for n in range(9)]
    served.run("x", *parts, job("c", *(f"p{n}" for n in range(9))))
    served.wait("x", "Succeeded")
    assert files(served, "x", "c") == {f"inputs/p{n}.json": text for n in range(9)}
    assert "CAIRN_INPUTS" not in environment(served, "x", "c")


def test_every_attempt_stays_readable(served: Kube) -> None:
    retry = {"limit": 2, "backoffSeconds": 0.1}
    served.run("x", job("bad", exit_code=5, message="first line\nŁast line 🚀", retry=retry))
    served.wait("x", "Finished")
    found = results(served, "x", "bad")
    assert [spec["attempt"] for spec in found] == [1, 2, 3]
    for spec in found:
        assert (spec["state"], spec["reason"], spec["exitCode"]) == ("Failed", "Error", 5)
        assert spec["message"] == "first line\nŁast line 🚀"
        assert spec["finishedAt"] and spec["executionUid"] == served.get("dagx", "x")["metadata"]["uid"]


def test_outputs_wanted_from_a_log_that_is_gone_do_not_hang(served: Kube) -> None:
    served.run("x", job("a", outputs="Log"))
    waiting = served.wait_job("x", "a", reason="ReadingOutputs")
    assert waiting["state"] == "Running"
    [pod] = served.pods("x")
    until(lambda: "cannot be read" in served.job("x", "a").get("message", "") or None, "why it waits")
    served.kubectl("delete", "pod", pod["metadata"]["name"])
    assert served.wait("x", "Finished")["status"]["phase"] == "Succeeded", "nothing needs its outputs"
