"""Manifests: what is sent for an attempt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from pytest import param

from cairn import names
from cairn.core import manifests
from cairn.core.manifests import Identity, Inputs, as_held, inputs, kubernetes_job, labels, resolve, result
from cairn.core.outputs import Outputs
from cairn.core.status import JobRecord
from cairn.core.templates import TemplateError
from simulation.build import IDENTITY, failed, intended, job, name_of

Body = dict[str, Any]
CRD = Path(__file__).parents[3] / "crds" / "jobresults.yaml"
OUT = Outputs('{"rows": 3}')


def made(pod: Body | None = None, metadata: Body | None = None, given: Inputs | None = None, **fields: Any) -> Body:
    """The Kubernetes Job for a pod template."""
    template: Body = {"spec": {"containers": [{"name": "main", "image": "busybox"}]} | (pod or {})}
    if metadata is not None:
        template["metadata"] = metadata
    return kubernetes_job(IDENTITY, job("a", **fields), intended("a", 2), given or Inputs(), template)


def pod_of(manifest: Body) -> Body:
    found: Body = manifest["spec"]["template"]["spec"]
    return found


def env_of(container: Body) -> dict[str, str]:
    return {entry["name"]: entry["value"] for entry in container["env"]}


# --- The Kubernetes Job ----------------------------------------------------------------------------------------------


def test_an_attempt_has_one_pod_and_no_retry_of_its_own() -> None:
    spec = made()["spec"]
    template = spec.pop("template")
    assert spec == {
        "backoffLimit": 0, "parallelism": 1, "completions": 1, "podReplacementPolicy": "Failed", "suspend": False,
    }  # fmt: skip
    assert template["spec"]["restartPolicy"] == "Never"


def test_its_name_labels_and_owner_are_its_identity() -> None:
    metadata = made()["metadata"]
    assert metadata["name"] == name_of("a", 2)
    assert metadata["labels"] == labels(IDENTITY, "a", 2)
    assert metadata["annotations"] == {names.ANNOTATION_DEFINITION: "a"}
    (owner,) = metadata["ownerReferences"]
    assert (owner["uid"], owner["controller"], owner["blockOwnerDeletion"]) == (IDENTITY.uid, True, True)


def test_the_users_labels_and_annotations_are_on_job_and_pod_and_never_in_place_of_its_own() -> None:
    manifest = made(metadata={"labels": {"team": "ml", names.LABEL_JOB: "forged"}, "annotations": {"note": "x"}})
    for metadata in (manifest["metadata"], manifest["spec"]["template"]["metadata"]):
        assert metadata["labels"] == {"team": "ml"} | labels(IDENTITY, "a", 2)
        assert metadata["annotations"]["note"] == "x"


@pytest.mark.parametrize("name", ["x" * 70, "x" * 62 + ".y", "a.b-c"])
def test_a_long_name_is_a_label_value_nevertheless(name: str) -> None:
    value = labels(Identity("ns", name, "u"), "a", 1)[names.LABEL_EXECUTION]
    assert len(value) <= 63 and value[-1].isalnum()


def test_a_timeout_is_the_jobs_deadline() -> None:
    assert made(timeout_seconds=30)["spec"]["activeDeadlineSeconds"] == 30
    assert "activeDeadlineSeconds" not in made()["spec"]


def test_a_held_job_is_the_same_but_suspended_and_marked() -> None:
    plain = made()
    held = as_held(plain, 7)
    assert held["spec"] == plain["spec"] | {"suspend": True}
    assert held["metadata"]["annotations"] == plain["metadata"]["annotations"] | {names.ANNOTATION_HELD: "7"}
    assert plain["spec"]["suspend"] is False


# --- Safe defaults ---------------------------------------------------------------------------------------------------


def test_a_pod_is_restricted_by_default() -> None:
    pod = pod_of(made({"initContainers": [{"name": "setup", "image": "busybox"}]}))
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    assert pod["securityContext"] == {
        "runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"},
    }  # fmt: skip
    for container in pod["initContainers"] + pod["containers"]:
        assert container["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


@pytest.mark.parametrize(
    ("pod", "key", "expected"),
    [
        param({"serviceAccountName": "x"}, "automountServiceAccountToken", None, id="an account is named: its token"),
        param({"automountServiceAccountToken": True}, "automountServiceAccountToken", True, id="a token is asked for"),
        param({"enableServiceLinks": True}, "enableServiceLinks", True, id="links are asked for"),
        param({"securityContext": {"runAsUser": 7}}, "securityContext",
                     {"runAsUser": 7, "runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}, id="a user"),
        param({"securityContext": {"runAsNonRoot": False}}, "securityContext",
                     {"runAsNonRoot": False, "seccompProfile": {"type": "RuntimeDefault"}}, id="root"),
        param({"securityContext": {"seccompProfile": {"type": "Unconfined"}}}, "securityContext",
                     {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "Unconfined"}},
              id="seccomp"),
        param({"securityContext": None}, "securityContext",
                     {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
              id="null"),
        param({"terminationGracePeriodSeconds": 5}, "terminationGracePeriodSeconds", 5, id="anything else"),
    ],
)  # fmt: skip
def test_what_the_pod_template_says_wins(pod: Body, key: str, expected: Any) -> None:
    assert pod_of(made(pod)).get(key) == expected


def test_what_a_container_says_wins() -> None:
    given = {"name": "main", "image": "x", "terminationMessagePolicy": "File",
             "securityContext": {"capabilities": {"add": ["NET_BIND_SERVICE"]}}}  # fmt: skip
    (container,) = pod_of(made({"containers": [given]}))["containers"]
    assert container["terminationMessagePolicy"] == "File"
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False, "capabilities": {"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("containers", "main"), [(["log", "main"], 1), (["first", "second"], 0)], ids=["main", "the first"]
)
def test_the_log_tells_why_the_main_container_failed(containers: list[str], main: int) -> None:
    pod = pod_of(made({"containers": [{"name": n, "image": "x"} for n in containers]}))
    policies = [c.get("terminationMessagePolicy") for c in pod["containers"]]
    assert policies[main] == "FallbackToLogsOnError" and policies[1 - main] is None


def test_defaults_and_templates_are_not_changed_by_use() -> None:
    template = {"spec": {"containers": [{"name": "main", "image": "x", "env": [{"name": "A", "value": "1"}]}]}}
    before = json.dumps(template)
    kubernetes_job(IDENTITY, job("a"), intended("a"), inputs(IDENTITY, {"n": 1}, {}), template)
    assert json.dumps(template) == before
    assert pod_of(made())["securityContext"] is not manifests._SAFE_POD["securityContext"]


# --- Inputs ----------------------------------------------------------------------------------------------------------


def test_nothing_to_hand_over_no_object() -> None:
    assert inputs(IDENTITY, {}, {}) == Inputs()
    pod = pod_of(made())
    assert "volumes" not in pod and "volumeMounts" not in pod["containers"][0]


def test_params_and_outputs_are_one_object() -> None:
    given = inputs(IDENTITY, {"lr": 0.1, "ü": "é"}, {"a": OUT, "b.c": Outputs("[1]")})
    (config,) = given.objects
    assert config["data"] == {
        "params.json": '{"lr": 0.1, "ü": "é"}', "input.a.json": OUT.text, "input.b.c.json": "[1]",
    }  # fmt: skip
    assert config["immutable"] is True
    assert config["metadata"]["ownerReferences"][0]["uid"] == IDENTITY.uid
    assert given.items == ((config["metadata"]["name"], (
        ("params.json", "params.json"), ("input.a.json", "inputs/a.json"), ("input.b.c.json", "inputs/b.c.json"),
    )),)  # fmt: skip
    assert given.inline == '{"a":{"rows": 3},"b.c":[1]}'


def test_params_alone_are_not_inline() -> None:
    assert inputs(IDENTITY, {"n": 1}, {}).inline == ""


def test_one_object_per_distinct_set() -> None:
    def name(*args: Any) -> str:
        return str(inputs(IDENTITY, *args).objects[0]["metadata"]["name"])

    assert name({}, {"a": OUT}) == name({}, {"a": OUT})
    assert (
        len({name({}, {"a": OUT}), name({}, {"b": OUT}), name({"n": 1}, {"a": OUT}), name({}, {"a": Outputs("1")})})
        == 4
    )


def test_what_does_not_fit_into_one_object_takes_several() -> None:
    large = {f"j{i}": Outputs(json.dumps("x" * 60_000 + str(i))) for i in range(31)}
    given = inputs(IDENTITY, {}, large)
    assert len(given.objects) == 3
    assert sum(len(c["data"]) for c in given.objects) == 31
    assert all(sum(len(k) + len(v) for k, v in c["data"].items()) < 1_000_000 for c in given.objects)
    assert len({c["metadata"]["name"] for c in given.objects}) == 3
    assert given.inline == ""


def test_every_container_gets_the_inputs() -> None:
    given = inputs(IDENTITY, {}, {"a": Outputs('{"price": "$(HOME) 5$"}')})
    own = {
        "name": "main",
        "image": "x",
        "env": [{"name": "X", "value": "1"}],
        "volumeMounts": [{"name": "v", "mountPath": "/v"}],
    }
    pod = pod_of(
        made(
            {"containers": [own], "initContainers": [{"name": "i", "image": "x"}], "volumes": [{"name": "v"}]},
            given=given,
        )
    )
    for container in pod["containers"] + pod["initContainers"]:
        assert container["volumeMounts"][-1] == {"name": "cairn", "mountPath": "/cairn", "readOnly": True}
        found = env_of(container)
        assert (found["CAIRN_EXECUTION"], found["CAIRN_NAMESPACE"], found["CAIRN_JOB"]) == ("sample", "default", "a")
        assert found["CAIRN_ATTEMPT"] == "2"
        assert found["CAIRN_INPUTS"] == '{"a":{"price": "$$(HOME) 5$$"}}'
    assert env_of(pod["containers"][0])["X"] == "1"
    assert [v["name"] for v in pod["volumes"]] == ["v", "cairn"]
    (source,) = pod["volumes"][1]["projected"]["sources"]
    assert source["configMap"]["items"] == [{"key": "input.a.json", "path": "inputs/a.json"}]


# --- References ------------------------------------------------------------------------------------------------------


def referring(text: str) -> Body:
    return {"spec": {"containers": [{"name": "main", "image": "x", "args": [text]}]}}


def test_references_are_resolved() -> None:
    template = resolve(
        job("b", "a", pod_template=referring("$(params.n) $(jobs.a.outputs.rows)")), {"n": 7}, {"a": OUT}
    )
    assert template["spec"]["containers"][0]["args"] == ["7 3"]


def test_a_template_without_references_is_shared() -> None:
    plain = job("a")
    assert resolve(plain, {}, {}) is plain.pod_template


def test_a_reference_without_a_value() -> None:
    with pytest.raises(TemplateError):
        resolve(job("a", pod_template=referring("$(params.n)")), {}, {})


# --- Results ---------------------------------------------------------------------------------------------------------

SCHEMA = yaml.safe_load(CRD.read_text())["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]


@pytest.mark.parametrize(
    ("record", "out", "said"),
    [
        param(failed("a", exit_code=1), None, "x" * 10_000, id="a failure says at most what fits"),
        param(failed("a"), OUT, "", id="outputs"),
        param(JobRecord("a", attempt=1), None, "", id="nothing to say"),
    ],
)
def test_a_result_fits_its_schema(record: JobRecord, out: Outputs | None, said: str) -> None:
    spec = result(IDENTITY, record, out, said)["spec"]
    known = dict(SCHEMA) | {"additionalProperties": False}
    known["properties"] = dict(SCHEMA["properties"])
    if record.terminal:
        jsonschema.validate(spec, known)
    assert len(spec.get("message", "")) <= 4096
    assert None not in spec.values() and "" not in spec.values()


def test_a_result_holds_the_outputs_as_they_were_written() -> None:
    manifest = result(IDENTITY, failed("a"), OUT, "")
    assert (manifest["spec"]["outputs"], manifest["spec"]["digest"]) == (OUT.text, OUT.digest)
    assert manifest["metadata"]["name"] == name_of("a")
    assert manifest["metadata"]["ownerReferences"][0]["uid"] == IDENTITY.uid
