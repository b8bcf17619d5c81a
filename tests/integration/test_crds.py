"""The CRDs on a real API server: what it accepts, what it refuses and how it says so, what it writes itself."""

from __future__ import annotations

import itertools
import json
import string
from copy import deepcopy
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any, Protocol

import pytest

from cairn.core.checkpoint.settings import CheckpointSettings, to_wire

ROOT = Path(__file__).resolve().parents[2]
API = "cairn.dev/v1alpha1"
STARTED = {"status": {"phase": "Running", "startedAt": "2026-01-31T18:00:00.123Z"}}

pytestmark = pytest.mark.cluster

Object = dict[str, Any]

_installed: list[str] = []  # once a process is enough: it takes half a second


class Kube(Protocol):
    """What the fixture `kube` gives."""

    namespace: str

    def kubectl(self, *args: str, input: str | None = None, check: bool = True) -> CompletedProcess[str]: ...


class Api:
    """The custom resources of one namespace."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube

    def run(self, *args: str, given: Object | None = None, check: bool = True) -> CompletedProcess[str]:
        """kubectl in the test's namespace."""
        text = None if given is None else json.dumps(given)
        return self._kube.kubectl("-n", self._kube.namespace, *args, input=text, check=check)

    def create(self, manifest: Object) -> Object:
        """What the API server made of the manifest."""
        created: Object = json.loads(self.run("create", "-o", "json", "-f", "-", given=manifest).stdout)
        return created

    def refused(self, manifest: Object) -> str:
        """How the API server refuses the manifest."""
        result = self.run("create", "-f", "-", given=manifest, check=False)
        assert result.returncode != 0, "was accepted"
        return result.stderr

    def patch(self, resource: str, patch: Object, *more: str) -> None:
        """Merge the patch; it is accepted."""
        self.run("patch", *resource.split("/"), "--type=merge", "-p", json.dumps(patch), *more)

    def patch_refused(self, resource: str, patch: Object, *more: str) -> str:
        """How the API server refuses the patch."""
        arguments = ("patch", *resource.split("/"), "--type=merge", "-p", json.dumps(patch), *more)
        result = self.run(*arguments, check=False)
        assert result.returncode != 0, "was accepted"
        return result.stderr

    def get(self, resource: str) -> Object:
        """The object as stored."""
        found: Object = json.loads(self.run("get", *resource.split("/"), "-o", "json").stdout)
        return found


@pytest.fixture
def api(kube: Kube) -> Api:
    """An API server that has the CRDs of this checkout."""
    if not _installed:
        crds = str(ROOT / "crds")
        kube.kubectl("apply", "--server-side", "--force-conflicts", "-f", crds)
        kube.kubectl("wait", "--for=condition=Established", "--timeout=30s", "-f", crds)
        _installed.append(crds)
    return Api(kube)


def dagx(*jobs: Object, **spec: Any) -> Object:
    """An execution; jobs get an image."""
    given = [{"image": "i"} | job for job in jobs or ({"id": "a"},)]
    return {"apiVersion": API, "kind": "DAGExecution", "metadata": {"name": "x"}, "spec": {"jobs": given} | spec}


def checkpoint(**spec: Any) -> Object:
    """A checkpoint of an execution called x."""
    spec = {"executionRef": {"name": "x"}} | spec
    return {"apiVersion": API, "kind": "Checkpoint", "metadata": {"name": "c"}, "spec": spec}


def job_result(**spec: Any) -> Object:
    """A result."""
    spec = {"execution": "x", "executionUid": "u", "job": "a", "attempt": 1, "outputs": '{"n": 1.0}'} | spec
    return {"apiVersion": API, "kind": "JobResult", "metadata": {"name": "r"}, "spec": spec}


def large(jobs: int, dependencies: int) -> Object:
    """An execution of so many jobs with so many dependencies each, small enough for one request."""
    letters = string.ascii_lowercase + string.ascii_uppercase
    ids = ["".join(pair) for pair in itertools.islice(itertools.product(letters, repeat=2), jobs)]
    entries = [
        {"id": ids[i], "dependsOn": [ids[(i + step) % jobs] for step in range(1, dependencies + 1)]}
        for i in range(jobs)
    ]
    spec = {"jobDefaults": {"image": "i"}, "jobs": entries}
    return {"apiVersion": API, "kind": "DAGExecution", "metadata": {"name": "large"}, "spec": spec}


# --- What is accepted ------------------------------------------------------------------------------------------------


ACCEPTED = {
    "a job with only an id and an image": dagx(),
    "dependsOn a later job": dagx({"id": "a", "dependsOn": ["b"]}, {"id": "b"}),
    "dependsOn groups, known or not": dagx({"id": "a", "group": "g"}, {"id": "b", "dependsOn": ["group:g", "group:x"]}),
    "an id of every allowed character": dagx({"id": "Train_large.model-1"}),
    "an id of 63 characters": dagx({"id": "a" * 63}),
    "ids that differ only in case": dagx({"id": "Train"}, {"id": "train"}),
    "an image from jobDefaults": dagx({"id": "a", "image": None}, jobDefaults={"image": "i"}),
    "a pod template from jobDefaults": dagx({"id": "a", "image": None}, jobDefaults={"podTemplate": {"spec": {}}}),
    "a pod template of its own": dagx({"id": "a", "image": None, "podTemplate": {"spec": {"hostNetwork": False}}}),
    "until in Zulu time": dagx(paused=True, pause={"until": "2040-01-01T00:00:00Z"}),
    "until with a fraction and an offset": dagx(paused=True, pause={"until": "2040-01-01T00:00:00.5+02:00"}),
    "any JSON as params": dagx(params={"n": None, "f": 1.5, "l": [1, None, {"ü": "\u0001"}], "b": False, "s": ""}),
    "restoreFrom without jobs": dagx(jobs=None, restoreFrom={"checkpointName": "c"}),
    "restoreFrom with empty jobs": dagx(jobs=[], restoreFrom={"latestOf": "y", "rerun": ["a"], "dryRun": True}),
    "restoreFrom with jobs": dagx(restoreFrom={"checkpointId": "checkpoint_1_a", "namespace": "other"}),
    "checkpoint settings": dagx(checkpoint={"profile": "Production", "retention": {"maxBytes": 0}}),
    "all checkpoint settings": dagx(
        checkpoint={
            "enabled": False, "profile": "LongRunning", "triggers": [], "timeIntervalMs": 1000, "retentionCount": 1,
            "retention": {"maxAgeSeconds": 0, "maxBytes": 2**62, "afterDeletionSeconds": 3153600000},
            "criticalJobIds": ["a"], "onError": "Pause", "deletionPolicy": "Delete",
        }
    ),
    "quantities": dagx({"id": "a", "resources": {"requests": {"cpu": 1}, "limits": {"memory": "1.5Gi", "cpu": "9m"}}}),
    "fractions of a second": dagx({"id": "a", "retry": {"backoffSeconds": 0.5, "factor": 1.5, "onExitCodes": [75]}}),
    "outputs null": dagx(requests=[{"id": "1", "type": "Complete", "job": "a", "outputs": None}]),
    "ExtendRetries": dagx(requests=[{"id": "1", "type": "ExtendRetries", "job": "a", "limit": 2}]),
}  # fmt: skip


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted(api: Api, name: str) -> None:
    manifest = without_none(ACCEPTED[name], keep=("params", "requests"))
    stored = api.create(manifest)
    assert contains(stored["spec"], manifest["spec"])


def without_none(value: Any, keep: tuple[str, ...] = ()) -> Any:
    """The value without the fields that a case takes away with None."""
    if isinstance(value, dict):
        return {k: v if k in keep else without_none(v, keep) for k, v in value.items() if v is not None or k in keep}
    return [without_none(item, keep) for item in value] if isinstance(value, list) else value


def contains(whole: Any, part: Any) -> bool:
    """Is all of `part` in `whole`, unchanged?"""
    if isinstance(part, dict):
        return all(key in whole and contains(whole[key], value) for key, value in part.items())
    if isinstance(part, list):
        return len(whole) == len(part) and all(contains(w, p) for w, p in zip(whole, part, strict=True))
    return bool(whole == part and type(whole) is type(part))


# --- What is refused, and how ----------------------------------------------------------------------------------------


REFUSED = {
    "an unknown dependency": (
        dagx({"id": "a", "dependsOn": ["b", "x", "y"]}, {"id": "b", "dependsOn": ["z"]}),
        ["spec.jobs: Invalid value", "these entries do not", '"a":["x", "y"]', '"b":["z"]'],
    ),
    "a dependency on itself": (
        dagx({"id": "a", "dependsOn": ["a"]}, {"id": "b"}), ["spec.jobs: Invalid value", '"a":["a"]'],
    ),
    "a duplicate id": (dagx({"id": "a"}, {"id": "a"}), ["spec.jobs[1]: Duplicate value", '"id":"a"']),
    "no job": (dagx(jobs=[]), ["spec.jobs: Required value", "at least one job is needed"]),
    "no jobs at all": (dagx(jobs=None), ["spec.jobs: Required value", "at least one job is needed"]),
    "a job without an image": (
        dagx({"id": "a", "image": None}, {"id": "b"}, {"id": "c", "image": None}),
        ["spec.jobs: Required value", "needs an image or a podTemplate", '["a", "c"]'],
    ),
    "an id that begins with a dash": (dagx({"id": "-a"}), ["spec.jobs[0].id", "should match"]),
    "an id that is too long": (dagx({"id": "a" * 64}), ["spec.jobs[0].id", "63"]),
    "an empty id": (dagx({"id": ""}), ["spec.jobs[0].id"]),
    "an unknown field": (dagx({"id": "a", "dependOn": ["b"]}), ['unknown field "spec.jobs[0].dependOn"']),
    "until without a zone": (dagx(pause={"until": "2040-01-01T00:00:00"}), ["spec.pause.until"]),
    "until that is no time": (dagx(pause={"until": "tomorrow"}), ["spec.pause.until", "must be of type date-time"]),
    "restoreFrom without a source": (
        dagx(restoreFrom={"requestId": "1"}), ["spec.restoreFrom: Invalid value", "one of", "must be set"],
    ),
    "restoreFrom with two sources": (
        dagx(restoreFrom={"checkpointName": "c", "latestOf": "x"}),
        ["spec.restoreFrom: Invalid value", "only one of checkpointName, checkpointId and latestOf"],
    ),
    "ExtendRetries without a limit": (
        dagx(requests=[{"id": "7", "type": "ExtendRetries", "job": "a"}]),
        ["spec.requests[0].limit: Required value", "request 7"],
    ),
    "two requests of one id": (
        dagx(requests=[{"id": "1", "type": "Retry", "job": "a"}, {"id": "1", "type": "Skip", "job": "a"}]),
        ["spec.requests[1]: Duplicate value"],
    ),
    "cancel without an id": (dagx(cancel={"reason": "no"}), ["spec.cancel.requestId: Required value"]),
    "a word that is none": (dagx(failurePolicy="stop"), ["spec.failurePolicy", '"Stop", "Continue", "Pause"']),
    "a negative timeout": (dagx({"id": "a", "timeoutSeconds": -1}), ["spec.jobs[0].timeoutSeconds"]),
    "a quantity that is none": (
        dagx({"id": "a", "resources": {"limits": {"cpu": "lots"}}}), ["spec.jobs[0].resources.limits.cpu"],
    ),
    "exit code 0 as a failure": (
        dagx({"id": "a", "retry": {"onExitCodes": [0]}}), ["spec.jobs[0].retry.onExitCodes[0]"],
    ),
    "more dependencies than allowed": (
        dagx({"id": "a", "dependsOn": ["b"] * 101}, {"id": "b"}), ["spec.jobs[0].dependsOn", "100"],
    ),
    "a trigger twice": (
        dagx(checkpoint={"triggers": ["manual", "manual"]}), ["spec.checkpoint.triggers[1]: Duplicate value"],
    ),
    "an unknown profile": (dagx(checkpoint={"profile": "Testing"}), ["spec.checkpoint.profile", '"LongRunning"']),
    "time-based too often": (
        dagx(checkpoint={"timeIntervalMs": 999}), ["spec.checkpoint.timeIntervalMs", "greater than or equal to 1000"],
    ),
    "a checkpoint without an execution": (checkpoint(executionRef={}), ["spec.executionRef.name: Required value"]),
    "a checkpoint of an unknown trigger": (checkpoint(trigger="daily"), ["spec.trigger"]),
    "a result of attempt 0": (job_result(attempt=0), ["spec.attempt"]),
    "a result that is too large": (job_result(outputs="x" * 65537), ["spec.outputs", "65536"]),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused(api: Api, name: str) -> None:
    manifest, expected = REFUSED[name]
    message = api.refused(without_none(manifest))
    for text in expected:
        assert text in message


def test_everything_that_is_wrong_is_named_at_once(api: Api) -> None:
    message = api.refused(
        without_none(
            dagx(
                {"id": "a", "image": None, "dependsOn": ["x"]},
                restoreFrom={},
                requests=[{"id": "1", "type": "ExtendRetries", "job": "a"}],
            )
        )
    )
    for path in ("* spec.jobs: Invalid", "* spec.jobs: Required", "* spec.restoreFrom:", "* spec.requests[0].limit:"):
        assert path in message


def test_an_edit_is_judged_like_a_new_object(api: Api) -> None:
    api.create(dagx({"id": "a"}, {"id": "b", "dependsOn": ["a"]}))
    message = api.patch_refused("dagx/x", {"spec": {"jobs": [{"id": "b", "image": "i", "dependsOn": ["a"]}]}})
    assert '"b":["a"]' in message
    api.patch("dagx/x", {"spec": {"jobs": [{"id": "b", "image": "i"}]}})


# --- What cannot change ----------------------------------------------------------------------------------------------


def test_before_the_start_everything_may_change(api: Api) -> None:
    api.create(dagx(params={"a": 1}))
    api.patch("dagx/x", {"status": {"phase": "Pending"}}, "--subresource=status")
    api.patch("dagx/x", {"spec": {"params": {"b": 2}, "scheduling": "Levels"}})


@pytest.mark.parametrize(
    "params",
    [
        {"a": 2},
        {"a": None, "renamed": 1},
        {"nested": {"list": [1, 3]}},
        {"new": None, "other": 1},
        {"large": 9007199254740993},
        None,
    ],
)
def test_params_are_fixed_once_started(api: Api, params: Object | None) -> None:
    api.create(dagx(params={"a": 1, "nested": {"list": [1, 2]}, "large": 9007199254740992}))
    api.patch("dagx/x", STARTED, "--subresource=status")
    message = api.patch_refused("dagx/x", {"spec": {"params": params}})
    assert "spec.params: Forbidden" in message
    assert "fork it" in message


def test_params_cannot_appear_once_started(api: Api) -> None:
    api.create(dagx())
    api.patch("dagx/x", STARTED, "--subresource=status")
    assert "spec.params: Forbidden" in api.patch_refused("dagx/x", {"spec": {"params": {"a": 1}}})


def test_scheduling_is_fixed_once_started(api: Api) -> None:
    api.create(dagx())
    api.patch("dagx/x", STARTED, "--subresource=status")
    message = api.patch_refused("dagx/x", {"spec": {"scheduling": "Levels"}})
    assert "spec.scheduling: Forbidden: scheduling cannot change from Dependencies" in message
    assert "fork it" in message


def test_all_else_may_change_once_started(api: Api) -> None:
    api.create(dagx(params={"a": 1, "n": None}))
    api.patch("dagx/x", STARTED, "--subresource=status")
    api.patch("dagx/x", {"spec": {"paused": True, "pause": {"reason": "r"}, "hold": ["a"], "parallelism": 3}})
    api.patch("dagx/x", {"spec": {"jobs": [{"id": "a", "image": "j"}, {"id": "b", "image": "i"}]}})
    api.patch("dagx/x", {"spec": {"cancel": {"requestId": "1"}}, "status": {"phase": "Failed"}})
    assert api.get("dagx/x")["status"]["phase"] == "Running", "status only changes through its subresource"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("executionRef", {"name": "y"}),
        ("name", "other"),
        ("metadata", {"ticket": "2"}),
        ("metadata", None),
        ("trigger", "time-based"),
        ("createdBy", "somebody"),
    ],
)
def test_a_checkpoint_cannot_change(api: Api, field: str, value: Any) -> None:
    api.create(checkpoint(name="Before deployment", metadata={"ticket": "1"}))
    assert f"spec.{field}: Forbidden" in api.patch_refused("ckpt/c", {"spec": {field: value}})


def test_a_checkpoint_can_be_pinned(api: Api) -> None:
    created = api.create(checkpoint())
    assert (created["spec"]["trigger"], created["spec"]["pinned"]) == ("manual", False)
    api.patch("ckpt/c", {"spec": {"pinned": True}})


def test_a_checkpoint_gets_its_identity_once(api: Api) -> None:
    api.create(checkpoint())
    known = {
        "phase": "Ready", "checkpointId": "checkpoint_1_a", "executionUid": "u", "digest": "d", "stateDigest": "s",
        "state": "old", "retention": {"afterDeletionSeconds": 0, "deletionPolicy": "Retain"},
    }  # fmt: skip
    api.patch("ckpt/c", {"status": known}, "--subresource=status")
    api.patch("ckpt/c", {"status": {"phase": "Failed", "state": "repaired"}}, "--subresource=status")
    for field in ("checkpointId", "digest", "executionUid"):
        for value in ("other", None):
            message = api.patch_refused("ckpt/c", {"status": {field: value}}, "--subresource=status")
            assert f"status.{field}: Forbidden" in message


@pytest.mark.parametrize("change", [{"outputs": "{}"}, {"outputs": None}, {"attempt": 2}, {"message": "new"}])
def test_a_result_cannot_change(api: Api, change: Object) -> None:
    api.create(job_result())
    assert "spec: Forbidden: a result never changes" in api.patch_refused("jres/r", {"spec": change})


def test_outputs_are_kept_as_written(api: Api) -> None:
    text = '{"a":1e16, "b":-0.0,"c":1.0 , "d":18446744073709551617,"e":"\\u0000\\ud800 ü"}'
    assert api.create(job_result(outputs=text))["spec"]["outputs"] == text


def test_a_log_tail_is_written_once(api: Api) -> None:
    api.create(job_result())
    api.patch("jres/r", {"status": {"logTail": "end"}})
    for change in ({"logTail": "other"}, {"logTail": None}, None):
        message = api.patch_refused("jres/r", {"status": change})
        assert "Forbidden: the log tail is written once" in message


# --- Size and cost ---------------------------------------------------------------------------------------------------


def test_2000_jobs_with_100_dependencies_each(api: Api) -> None:
    manifest = large(2000, 100)
    api.create(manifest)
    api.patch("dagx/large", STARTED, "--subresource=status")
    api.patch("dagx/large", {"spec": {"paused": True}})


@pytest.mark.parametrize("place", [0, 999, 1000, 1999])
def test_one_unknown_id_among_100000_is_found(api: Api, place: int) -> None:
    manifest = deepcopy(large(2000, 50))
    job = manifest["spec"]["jobs"][place]
    job["dependsOn"][-1] = "missing"
    assert f'"{job["id"]}":["missing"]' in api.refused(manifest)


def test_a_job_too_many(api: Api) -> None:
    assert "spec.jobs: Too many: 2001: must have at most 2000 items" in api.refused(large(2001, 0))


# --- What kubectl shows and changes ----------------------------------------------------------------------------------


def test_defaults(api: Api) -> None:
    assert api.create(dagx(pause={"reason": "r"}))["spec"] == {
        "jobs": [{"id": "a", "image": "i"}],
        "paused": False,
        "pause": {"mode": "Drain", "reason": "r", "checkpoint": True},
        "scheduling": "Dependencies",
        "parallelism": 0,
        "failurePolicy": "Stop",
        "timeoutSeconds": 0,
    }


@pytest.mark.parametrize("sample", sorted(p.name for p in (ROOT / "manifests" / "samples").glob("*.yaml")))
def test_a_sample_applied_twice_changes_nothing(api: Api, sample: str) -> None:
    path = str(ROOT / "manifests" / "samples" / sample)
    if "generateName" in Path(path).read_text():
        api.run("create", "-f", path)
        return
    api.run("apply", "--server-side", "-f", path)
    name = json.loads(api.run("get", "dagx", "-o", "json").stdout)["items"][0]["metadata"]["name"]
    api.patch(
        f"dagx/{name}", {"status": {"phase": "Succeeded", "startedAt": "2026-01-31T18:00:00Z"}}, "--subresource=status"
    )
    before = api.get(f"dagx/{name}")
    difference = api.run("diff", "--server-side", "-f", path, check=False)
    assert (difference.returncode, difference.stdout) == (0, "")
    api.run("apply", "--server-side", "-f", path)
    assert api.get(f"dagx/{name}") == before


@pytest.mark.parametrize(
    "field",
    [
        "dagx.spec.jobs.retry",
        "dagx.spec.params",
        "dagx.status.jobs",
        "dagx.status.checkpointing.settings",
        "dagx.status.checkpointing.pending",
        "ckpt.status.state",
        "jres.spec.outputs",
    ],
)
def test_explain(api: Api, field: str) -> None:
    shown = api.run("explain", field).stdout
    assert "DESCRIPTION:" in shown
    assert "<no description>" not in shown.lower()
    assert "<empty>" not in shown


def test_columns_of_an_execution(api: Api) -> None:
    api.create(dagx())
    status = {
        "phase": "Running", "progress": "3/7", "message": "waits for cpu", "reason": "Working",
        "startedAt": "2026-01-31T18:00:00Z", "pause": {"phase": "Draining", "count": 2},
        "counts": {"total": 7, "pending": 1, "running": 2, "completed": 3, "failed": 1, "skipped": 0},
    }  # fmt: skip
    api.patch("dagx/x", {"status": status}, "--subresource=status")
    head, row = api.run("get", "dagx").stdout.splitlines()
    assert head.split() == ["NAME", "PHASE", "PAUSE", "PROGRESS", "RUNNING", "FAILED", "AGE"]
    assert row.split()[:6] == ["x", "Running", "Draining", "3/7", "2", "1"]
    wide = api.run("get", "dagx", "-o", "wide").stdout.splitlines()
    assert wide[0].split()[7:] == ["COMPLETED", "SKIPPED", "REASON", "STARTED", "FINISHED", "FROM", "MESSAGE"]
    assert "waits for cpu" in wide[1]


def test_columns_of_checkpoints_and_results(api: Api) -> None:
    api.create(checkpoint())
    api.create(job_result(exitCode=3, reason="Error", state="Failed"))
    assert api.run("get", "ckpt").stdout.split()[:4] == ["NAME", "EXECUTION", "TRIGGER", "PHASE"]
    head, row = api.run("get", "jres").stdout.splitlines()
    assert head.split() == ["NAME", "EXECUTION", "JOB", "ATTEMPT", "STATE", "EXIT", "REASON", "AGE"]
    assert row.split()[:7] == ["r", "x", "a", "1", "Failed", "3", "Error"]
    assert {"checkpoint.cairn.dev/c", "jobresult.cairn.dev/r"} <= set(
        api.run("get", "cairn", "-o", "name").stdout.split()
    )


@pytest.mark.parametrize(
    ("resource", "selector"),
    [
        ("dagx", "status.phase=Running"),
        ("dagx", "spec.paused=false"),
        ("ckpt", "spec.executionRef.name=x"),
        ("ckpt", "spec.trigger=manual"),
        ("ckpt", "status.phase=Ready"),
        ("jres", "spec.execution=x"),
        ("jres", "spec.job=a"),
    ],
)
def test_field_selectors(api: Api, resource: str, selector: str) -> None:
    made = {"dagx": dagx(), "ckpt": checkpoint(), "jres": job_result()}[resource]
    name = api.create(made)["metadata"]["name"]
    if "status" in selector:
        api.patch(f"{resource}/{name}", {"status": {"phase": selector.partition("=")[2]}}, "--subresource=status")
    found = api.run("get", resource, "--field-selector", selector, "-o", "name").stdout.split()
    assert [entry.partition("/")[2] for entry in found] == [name]
    assert not api.run("get", resource, "--field-selector", f"{selector}x", "-o", "name").stdout.split()


CHECKPOINTING = {
    "settings": to_wire(CheckpointSettings(critical_job_ids=frozenset(f"j{i}" for i in range(30)))),
    "last": {
        "name": "c", "checkpointId": "checkpoint_1_a", "trigger": "manual", "at": "2026-01-31T18:00:00.250Z",
        "stateDigest": "d" * 64,
    },
    "next": "2026-01-31T18:05:00.000Z",
    "unsaved": 3,
    "pending": [
        {
            "name": f"c{i}", "trigger": "job-completed", "label": "x" * 253,
            "causes": ["j" * 63] * (1 if i else 100), "more": 7, "since": "2026-01-31T18:00:00.000Z",
        }
        for i in range(50)
    ],
    "failed": {"name": "c", "reason": "TooLarge", "message": "m" * 1024, "at": "2026-01-31T18:00:00.000Z"},
}  # fmt: skip


def test_what_the_operator_remembers_of_checkpoints_is_kept_as_written(api: Api) -> None:
    api.create(dagx())
    api.patch("dagx/x", {"status": {"checkpointing": CHECKPOINTING}}, "--subresource=status")
    assert api.get("dagx/x")["status"]["checkpointing"] == CHECKPOINTING


@pytest.mark.parametrize("field", ["checkpointId", "executionUid"])
def test_checkpoints_are_found_by_what_the_operator_knows_of_them(api: Api, field: str) -> None:
    api.create(checkpoint())
    api.patch("ckpt/c", {"status": {field: "known"}}, "--subresource=status")
    found = [
        api.run("get", "ckpt", "--field-selector", f"status.{field}={value}", "-o", "name").stdout.split()
        for value in ("known", "other")
    ]
    assert found == [["checkpoint.cairn.dev/c"], []]


def test_wait_for_a_condition(api: Api) -> None:
    api.create(dagx())
    condition = {"type": "Paused", "status": "True", "lastTransitionTime": "2026-01-31T18:00:00Z", "reason": "Drained",
                 "message": "", "observedGeneration": 1}  # fmt: skip
    api.patch("dagx/x", {"status": {"conditions": [condition]}}, "--subresource=status")
    api.run("wait", "--for=condition=Paused", "dagx/x", "--timeout=5s")
    assert "Drained" in api.run("describe", "dagx/x").stdout
