"""What a Kubernetes user expects without saying: refusals shown, deletions survived, own pod fields kept, no drift."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.jobs import HANGS, job
from support.kube import Kube, Object, until

pytestmark = pytest.mark.cluster

API = {"apiVersion": "cairn.dev/v1alpha1", "kind": "DAGExecution"}
OWNED = "jobs,pods,configmaps,jobresults.cairn.dev"


def with_spec(name: str, *after: str, fake: Object | None = None, **spec: Any) -> Object:
    """A job with fields of its pod's spec."""
    made = job(name, *after, fake=fake)
    return made | {"podTemplate": made.get("podTemplate", {}) | {"spec": spec}}


def records(execution: Object) -> dict[str, Object]:
    """The job records of a status by id."""
    return {record["id"]: record for record in execution["status"]["jobs"]}


def explained(kube: Kube, job_id: str, *words: str, **wanted: Any) -> Object:
    """The record of a job that still runs, once its message says all that."""

    def find() -> Object | None:
        record = kube.job("x", job_id)
        same = all(record.get(key) == value for key, value in ({"state": "Running"} | wanted).items())
        return record if same and all(word in record.get("message", "") for word in words) else None

    return until(find, f"{job_id} says {words}", show=lambda: kube.job("x", job_id))


def quota(**hard: str) -> Object:
    """A ResourceQuota."""
    spec = {"hard": {key.replace("_", "/"): value for key, value in hard.items()}}
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"}, "spec": spec}


def enforced(kube: Kube) -> None:
    """Wait until the quota counts."""
    until(lambda: kube.get("resourcequota", "q").get("status", {}).get("used"), "the quota counts")


def collected(kube: Kube, selector: str) -> None:
    """Wait until nothing is left of an execution."""
    until(lambda: not kube.list(OWNED, "-l", selector) or None, f"nothing is left with {selector}")


# --- The cluster says no ---------------------------------------------------------------------------------------------


def test_kubernetes_jobs_refused_by_a_quota_wait_visibly_and_go_on(served: Kube) -> None:
    served.apply(quota(**{"count_jobs.batch": "1"}))
    enforced(served)
    served.run("x", job("a"), job("b", "a"))
    refused = served.wait_job("x", "b", reason="LaunchRefused")
    assert refused["state"] == "Running" and "exceeded quota: q" in refused["message"]
    assert "LaunchRefused" in until(lambda: served.get("dagx", "x")["status"].get("message"), "it is said on top, too")
    served.apply(quota(**{"count_jobs.batch": "2"}))
    done = served.wait("x", "Succeeded")
    for record in done["status"]["jobs"]:
        assert record["attempt"] == 1 and "failures" not in record and "disruptions" not in record


def test_a_launch_that_is_refused_can_be_paused_and_cancelled(served: Kube) -> None:
    served.apply(quota(**{"count_jobs.batch": "0"}))
    enforced(served)
    served.run("x", job("a"), job("b", "a"))
    served.wait_job("x", "a", reason="LaunchRefused")
    served.patch("dagx", "x", {"spec": {"paused": True}})
    until(lambda: served.get("dagx", "x")["status"].get("pause"), "a pause is shown")
    served.patch("dagx", "x", {"spec": {"cancel": {"requestId": "c"}}})
    done = served.wait("x", "Finished")
    assert done["status"]["phase"] == "Cancelled" and records(done)["b"]["state"] == "Skipped"


def test_a_kubernetes_job_without_a_pod_says_why(served: Kube) -> None:
    served.apply(quota(**{"requests.cpu": "1"}))
    served.apply({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "l"}, "spec": {
        "limits": [{"type": "Container", "defaultRequest": {"cpu": "100m"}, "max": {"memory": "1Gi"},
                    "default": {"memory": "1Gi"}}]}})  # fmt: skip
    enforced(served)
    served.run(
        "x", job("quota", resources={"requests": {"cpu": "2"}}), job("limit", resources={"limits": {"memory": "2Gi"}}),
        with_spec("account", serviceAccountName="nobody"), job("image", image=" "), job("fine"),
    )  # fmt: skip
    explained(served, "account", 'serviceaccount "nobody" not found', reason="FailedCreate")
    served.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "nobody"}})
    explained(served, "quota", "exceeded quota: q", reason="FailedCreate")
    explained(served, "limit", "maximum memory usage per Container is 1Gi", reason="FailedCreate")
    explained(served, "image", "containers[0].image", reason="FailedCreate")
    assert served.job("x", "fine")["state"] == "Completed"
    assert "FailedCreate" in served.get("dagx", "x")["status"]["message"]
    assert served.wait_job("x", "account", state="Completed")["attempt"] == 1, "it goes on once the account is there"


def test_pod_security_restricted_accepts_the_defaults_and_its_refusal_is_shown(served: Kube) -> None:
    label = "pod-security.kubernetes.io/enforce=restricted"
    served.kubectl("label", "namespace", served.namespace, label)
    served.run(
        "x", job("short-form"), with_spec("with-init", initContainers=[{"name": "i", "image": "fake"}]),
        with_spec("violates", hostNetwork=True),
    )  # fmt: skip
    explained(served, "violates", "violates PodSecurity", "restricted", reason="FailedCreate")
    for name in ("short-form", "with-init"):
        assert served.wait_job("x", name, state="Completed")["attempt"] == 1


def test_what_cannot_be_scheduled_says_why(served: Kube) -> None:
    huge = job("huge", resources={"requests": {"cpu": 2000}})
    served.run("x", with_spec("picky", nodeSelector={"planet": "mars"}), huge)
    explained(served, "picky", "node affinity/selector", reason="Unschedulable")
    explained(served, "huge", "Insufficient cpu", reason="Unschedulable")
    shown = served.kubectl("get", "dagx", "x", "-o", "jsonpath={.status.message}").stdout
    assert "Unschedulable" in shown
    served.patch("dagx", "x", {"spec": {"cancel": {"requestId": "give-up"}}})
    assert served.wait("x", "Finished")["status"]["phase"] == "Cancelled"


def test_a_kubernetes_job_that_is_rejected_fails_without_a_retry_and_says_why(served: Kube) -> None:
    served.run("x", with_spec("a", priorityClassName="Not A Name") | {"retry": {"limit": 3}})
    [record] = served.wait("x", "Finished")["status"]["jobs"]
    assert (record["state"], record["reason"], record["attempt"]) == ("Failed", "LaunchRejected", 1)
    assert "priorityClassName" in record["message"]


# --- Deleting --------------------------------------------------------------------------------------------------------


def test_deleting_an_execution_takes_its_objects_along_unless_they_are_orphaned(served: Kube) -> None:
    for policy in ("background", "foreground", "orphan"):
        served.run(policy, job("a", fake={"message": "1"}), job("long", "a", fake=HANGS))
    for policy in ("background", "foreground", "orphan"):
        served.wait_job(policy, "long", state="Running", reason=None)
        served.kubectl("delete", "dagx", policy, f"--cascade={policy}", "--timeout=60s")
    for policy in ("background", "foreground"):
        collected(served, f"cairn.dev/execution={policy}")
    orphaned = served.jobs("orphan")
    assert len(orphaned) == 2 and not any("ownerReferences" in found["metadata"] for found in orphaned)
    [pod] = served.pods("orphan", "long")
    assert pod["status"]["phase"] == "Running"


def test_delete_and_create_under_the_same_name_do_not_mix(served: Kube) -> None:
    served.run("x", job("a", fake={"message": '"old"'}), job("b", "a", fake=HANGS))
    old = served.get("dagx", "x")["metadata"]["uid"]
    served.wait_job("x", "b", state="Running", reason=None)
    served.kubectl("delete", "dagx", "x", "--wait=false")
    until(lambda: served.kubectl("get", "dagx", "x", check=False).returncode or None, "the name is free")
    served.run("x", job("a", fake={"message": '"new"'}), job("b", "a"))
    done = served.wait("x", "Succeeded")
    assert done["metadata"]["uid"] != old
    collected(served, f"cairn.dev/execution-uid={old}")
    for kind in OWNED.split(","):
        for found in served.list(kind, "-l", "cairn.dev/execution=x"):
            assert found["metadata"]["labels"]["cairn.dev/execution-uid"] == done["metadata"]["uid"]
    variables = {v["name"]: v.get("value") for v in served.pods("x", "b")[0]["spec"]["containers"][0]["env"]}
    assert variables["CAIRN_INPUTS"] == '{"a":"new"}'
    assert {record["attempt"] for record in done["status"]["jobs"]} == {1}


def test_a_namespace_deleted_in_mid_run_goes_and_the_operator_goes_on(served: Kube) -> None:
    doomed = Kube(served.binary, served.kubeconfig, f"{served.namespace}-doomed")
    doomed.kubectl("create", "namespace", doomed.namespace)
    until(lambda: doomed.kubectl("get", "serviceaccount", "default", check=False).returncode == 0, "an account")
    doomed.run("x", *(job(f"j{n}", fake=HANGS) for n in range(3)), job("next", "j0"))
    doomed.wait_job("x", "j0", state="Running", reason=None)
    doomed.kubectl("delete", "namespace", doomed.namespace, "--timeout=60s")
    served.run("x", job("a"))
    served.wait("x", "Succeeded")


# --- GitOps ----------------------------------------------------------------------------------------------------------


def test_applying_the_file_again_changes_nothing_and_runs_nothing(served: Kube) -> None:
    served.run("x", job("a", retry={"limit": 1}), job("b", "a"), params={"n": 1.0})
    served.wait("x", "Succeeded")
    before = served.saved("x")
    served.run("x", job("a", retry={"limit": 1}), job("b", "a"), params={"n": 1.0})
    after = served.get("dagx", "x")
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    manifest = API | {"metadata": {"name": "x"}, "spec": {"jobs": [{"image": "fake"} | job("a", retry={"limit": 1}),
                                                                  job("b", "a")], "params": {"n": 1.0}}}  # fmt: skip
    difference = served.kubectl("diff", "--server-side", "-f", "-", input=json.dumps(manifest), check=False)
    assert difference.returncode == 0, difference.stdout
    assert len(served.jobs("x")) == 2


def test_generate_name_makes_executions_of_one_file(served: Kube) -> None:
    manifest = json.dumps(API | {"metadata": {"generateName": "nightly-"}, "spec": {"jobs": [job("a")]}})
    made = [served.kubectl("create", "-o", "name", "-f", "-", input=manifest).stdout.strip() for _ in range(2)]
    assert len(set(made)) == 2
    for name in made:
        assert served.wait(name.split("/")[1], "Succeeded")["status"]["progress"] == "1/1"


# --- The pod ---------------------------------------------------------------------------------------------------------


def test_what_the_user_says_about_a_pod_is_kept_and_the_rest_is_safe(served: Kube) -> None:
    served.apply({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "value": 7,
                  "metadata": {"name": f"{served.namespace}-high"}})  # fmt: skip
    preference = {"matchExpressions": [{"key": "type", "operator": "In", "values": ["kwok"]}]}
    preferred = [{"weight": 1, "preference": preference}]
    affinity = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preferred}}
    template: Object = {
        "metadata": {"labels": {"team": "a", "kueue.x-k8s.io/queue-name": "q"}, "annotations": {"note": "ünï"}},
        "spec": {
            "terminationGracePeriodSeconds": 7, "priorityClassName": f"{served.namespace}-high", "affinity": affinity,
            "imagePullSecrets": [{"name": "pull"}], "tolerations": [{"key": "gpu", "operator": "Exists"}],
            "initContainers": [
                {"name": "fetch", "image": "init"}, {"name": "proxy", "image": "side", "restartPolicy": "Always"},
            ],
            "containers": [{"name": "logger", "image": "logger"},
                           {"name": "main", "image": "own", "env": [{"name": "B", "value": "own"}]}],
            "volumes": [{"name": "scratch", "emptyDir": {}}],
        },
    }  # fmt: skip
    defaults = {"image": "default", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "default"}],
                "resources": {"limits": {"memory": "64Mi"}}}  # fmt: skip
    jobs = [{"id": "full", "podTemplate": template}, {"id": "short", "command": ["true"], "dependsOn": ["full"]}]
    served.apply(API | {"metadata": {"name": "x"}, "spec": {"jobDefaults": defaults, "jobs": jobs}})
    execution = served.wait("x", "Succeeded")
    served.kubectl("delete", "priorityclass", f"{served.namespace}-high")
    [made], [pod] = served.jobs("x", "full"), served.pods("x", "full")
    own = {
        "cairn.dev/execution": "x", "cairn.dev/execution-uid": execution["metadata"]["uid"], "cairn.dev/job": "full",
        "cairn.dev/attempt": "1", "app.kubernetes.io/managed-by": "cairn",
    }  # fmt: skip
    for found in (made, pod):
        assert (own | template["metadata"]["labels"]).items() <= found["metadata"]["labels"].items()
        assert found["metadata"]["annotations"]["note"] == "ünï"
    [owner] = made["metadata"]["ownerReferences"]
    assert owner["uid"] == execution["metadata"]["uid"] and owner["controller"] and owner["blockOwnerDeletion"]

    spec = pod["spec"]
    assert spec["terminationGracePeriodSeconds"] == 7 and spec["priority"] == 7 and spec["affinity"] == affinity
    assert spec["imagePullSecrets"] == [{"name": "pull"}]
    assert {"key": "gpu", "operator": "Exists"} in spec["tolerations"]
    assert [c["name"] for c in spec["initContainers"]] == ["fetch", "proxy"]
    assert spec["initContainers"][1]["restartPolicy"] == "Always"
    logger, main = spec["containers"]
    assert (logger["image"], main["image"]) == ("logger", "own"), "the short form of the defaults lies under the job"
    assert main["resources"]["limits"] == {"memory": "64Mi"} and not logger.get("resources")
    assert [v["name"] for v in spec["volumes"]] == ["scratch"], "no account's token, and no inputs: there are none"
    variables = {v["name"]: v.get("value") for v in main["env"]}
    assert (variables["A"], variables["B"], variables["CAIRN_JOB"]) == ("1", "own", "full")

    [plain] = served.pods("x", "short")
    assert plain["spec"]["automountServiceAccountToken"] is False and plain["spec"]["restartPolicy"] == "Never"
    assert "volumes" not in plain["spec"] and plain["spec"]["securityContext"]["runAsNonRoot"] is True
    [container] = plain["spec"]["containers"]
    assert (container["image"], container["command"]) == ("default", ["true"])
    assert container["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def test_a_token_is_there_for_who_names_an_account(served: Kube) -> None:
    served.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot"}})
    served.run("x", with_spec("a", serviceAccountName="robot"))
    served.wait("x", "Succeeded")
    [pod] = served.pods("x")
    assert any("serviceAccountToken" in json.dumps(volume) for volume in pod["spec"]["volumes"])
