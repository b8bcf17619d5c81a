from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairn.core import conditions
from cairn.core.checkpoint.settings import CheckpointSettings, resolve
from cairn.core.parse import digest, parse
from cairn.core.spec import (
    Cancel,
    ExecutionSpec,
    FailurePolicy,
    JobSpec,
    OutputsFrom,
    Pause,
    PauseMode,
    Replay,
    Request,
    RequestType,
    Restore,
    Retry,
    RunOn,
    Scheduling,
    Source,
)
from cairn.errors import InvalidSpec


def job(job_id: str = "a", **fields: Any) -> dict[str, Any]:
    return {"id": job_id, "image": "busybox", **fields}


def violations(spec: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(InvalidSpec) as caught:
        parse(spec)
    return {violation.field: violation.message for violation in caught.value.violations}


def only(spec: dict[str, Any]) -> tuple[str, str]:
    found = violations(spec)
    assert len(found) == 1, found
    return next(iter(found.items()))


def first(spec: dict[str, Any]) -> JobSpec:
    return parse(spec).jobs[0]


def containers(spec: dict[str, Any]) -> list[dict[str, Any]]:
    return list(first(spec).pod_template["spec"]["containers"])


def test_everything_that_can_be_said() -> None:
    spec = {
        "paused": True,
        "pause": {"mode": "Stop", "reason": "lunch", "until": "2026-01-31T18:00:00Z", "checkpoint": False},
        "hold": ["a"],
        "cancel": {"requestId": "c1", "reason": "why not"},
        "scheduling": "Levels",
        "parallelism": 3,
        "failurePolicy": "Pause",
        "timeoutSeconds": 60,
        "ttlSecondsAfterFinished": 0,
        "params": {"x": {"deep": [1, None, 1.5]}},
        "checkpoint": {"profile": "Production", "criticalJobIds": ["a"], "retention": {"maxBytes": 7}},
        "restoreFrom": {
            "checkpointId": "checkpoint_1_a", "namespace": "other", "rerun": ["a"], "confirm": ["b"], "force": True,
            "dryRun": True, "planDigest": "0123", "requestId": "r1",
        },
        "jobs": [
            job("a", group="g"),
            {
                "id": "b",
                "dependsOn": ["group:g"],
                "runOn": "Done",
                "when": "jobs.a.state == 'Completed'",
                "podTemplate": {
                    "metadata": {"labels": {"team": "x"}},
                    "spec": {"containers": [{"name": "c", "image": "i"}]},
                },
                "retry": {"limit": 2, "backoffSeconds": 0.5, "factor": 1, "maxSeconds": 9, "onExitCodes": [1, 255]},
                "timeoutSeconds": 5,
                "outputs": "Log",
                "replay": "Confirm",
            },
        ],
        "requests": [
            {"id": "1", "type": "Complete", "job": "a", "outputs": None, "by": "me", "reason": "it did"},
            {"id": "2", "type": "Complete", "job": "a"},
            {"id": "3", "type": "ExtendRetries", "job": "b", "limit": 2},
            {"id": "4", "type": "Retry", "job": "b"},
            {"id": "5", "type": "Skip", "job": "b"},
        ],
    }
    parsed = parse(spec)
    a, b = parsed.jobs
    assert parsed == ExecutionSpec(
        jobs=(a, b),
        paused=True,
        pause=Pause(PauseMode.STOP, "lunch", datetime(2026, 1, 31, 18, tzinfo=UTC), False),
        hold=frozenset({"a"}),
        cancel=Cancel("c1", "why not"),
        scheduling=Scheduling.LEVELS,
        parallelism=3,
        failure_policy=FailurePolicy.PAUSE,
        timeout_seconds=60,
        ttl_seconds_after_finished=0,
        params={"x": {"deep": [1, None, 1.5]}},
        checkpoint=resolve({"profile": "Production", "criticalJobIds": ["a"], "retention": {"maxBytes": 7}}),
        restore=Restore(
            Source(checkpoint_id="checkpoint_1_a", namespace="other"), frozenset({"a"}), frozenset({"b"}), True, True,
            "0123", "r1",
        ),
        requests=(
            Request("1", RequestType.COMPLETE, "a", None, True, by="me", reason="it did"),
            Request("2", RequestType.COMPLETE, "a"),
            Request("3", RequestType.EXTEND_RETRIES, "b", limit=2),
            Request("4", RequestType.RETRY, "b"),
            Request("5", RequestType.SKIP, "b"),
        ),
    )
    template = {"metadata": {"labels": {"team": "x"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    assert b == JobSpec(
        id="b",
        index=1,
        depends_on=("a",),
        run_on=RunOn.DONE,
        when="jobs.a.state == 'Completed'",
        pod_template=template,
        retry=Retry(2, 0.5, 1, 9, (1, 255)),
        timeout_seconds=5,
        outputs=OutputsFrom.LOG,
        replay=Replay.CONFIRM,
        digest=digest(template, 5, OutputsFrom.LOG),
    )


def test_what_is_not_said_is_as_the_types_say() -> None:
    template = {"spec": {"containers": [{"name": "main", "image": "busybox"}]}}
    expected = JobSpec(id="a", index=0, pod_template=template, digest=digest(template, 0, OutputsFrom.TERMINATION))
    assert parse({"jobs": [job()]}) == ExecutionSpec(jobs=(expected,))


def test_null_is_not_set() -> None:
    nulls = {"pause": None, "hold": None, "cancel": None, "params": None, "jobDefaults": None, "requests": None}
    empty = {
        "when": None,
        "group": None,
        "dependsOn": None,
        "podTemplate": None,
        "retry": {"limit": None},
        "args": None,
    }
    assert parse({"jobs": [job(**empty)], **nulls}) == parse({"jobs": [job()]})


# Merging


DEFAULTS = {
    "image": "python",
    "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
    "resources": {"requests": {"cpu": "1", "memory": "1Gi"}},
    "retry": {"limit": 3, "factor": 4},
    "timeoutSeconds": 60,
    "outputs": "Log",
    "replay": "Unsafe",
}


def test_defaults_lie_under_a_job_field_by_field() -> None:
    merged = first({"jobDefaults": DEFAULTS, "jobs": [{"id": "a", "retry": {"limit": 1}, "timeoutSeconds": 0}]})
    assert merged.retry == Retry(limit=1, factor=4)
    assert merged.timeout_seconds == 0
    assert (merged.outputs, merged.replay) == (OutputsFrom.LOG, Replay.UNSAFE)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param(
            {}, {"image": "python", "env": DEFAULTS["env"], "resources": DEFAULTS["resources"]}, id="as they are"
        ),
        pytest.param({"image": "mine"}, {"image": "mine"}, id="scalars replace"),
        pytest.param(
            {"env": [{"name": "B", "valueFrom": {}}, {"name": "C", "value": "3"}]},
            {"env": [{"name": "A", "value": "1"}, {"name": "B", "valueFrom": {}}, {"name": "C", "value": "3"}]},
            id="env merges by name, an entry as a whole",
        ),
        pytest.param(
            {"resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "2"}}},
            {"resources": {"requests": {"cpu": "2", "memory": "1Gi"}, "limits": {"cpu": "2"}}},
            id="maps merge",
        ),
        pytest.param(
            {"resources": {"requests": {"cpu": None}}}, {"resources": DEFAULTS["resources"]}, id="null is not set"
        ),
    ],
)
def test_short_form_over_defaults(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    (container,) = containers({"jobDefaults": DEFAULTS, "jobs": [{"id": "a", **fields}]})
    assert container["name"] == "main"
    assert {key: container[key] for key in expected} == expected


def pod(*names: str, **spec: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": name, "image": f"{name}-image"} for name in names], **spec}}


@pytest.mark.parametrize(
    ("defaults", "fields", "expected"),
    [
        pytest.param({}, {"image": "x"}, {"main": "x"}, id="a main container is made"),
        pytest.param({}, {"image": "x", "podTemplate": pod("a", "main")}, {"a": "a-image", "main": "x"}, id="main"),
        pytest.param({}, {"image": "x", "podTemplate": pod("a", "b")}, {"a": "x", "b": "b-image"}, id="the first"),
        pytest.param(
            {"image": "d"}, {"podTemplate": pod("a")}, {"a": "a-image"}, id="a job's template over short defaults"
        ),
        pytest.param({"podTemplate": pod("a")}, {"image": "x"}, {"a": "x"}, id="a short job over a default template"),
        pytest.param(
            {"podTemplate": pod("side"), "image": "d"},
            {"podTemplate": pod("main")},
            {"side": "side-image", "main": "main-image"},
            id="both",
        ),
    ],
)
def test_the_short_form_is_folded_into_the_main_container(
    defaults: dict[str, Any], fields: dict[str, Any], expected: dict[str, str]
) -> None:
    found = containers({"jobDefaults": defaults, "jobs": [{"id": "a", **fields}]})
    assert [(container["name"], container["image"]) for container in found] == list(expected.items())


def test_pod_templates_merge() -> None:
    under = {
        "metadata": {"labels": {"a": "1", "b": "1"}},
        "spec": {
            "containers": [
                {"name": "main", "image": "x", "volumeMounts": [{"name": "v", "mountPath": "/v"}], "args": ["1", "2"]}
            ],
            "initContainers": [{"name": "i", "image": "x"}],
            "volumes": [{"name": "v", "emptyDir": {}}, {"name": "w", "emptyDir": {}}],
            "imagePullSecrets": [{"name": "s"}],
            "tolerations": [{"key": "a"}],
        },
    }
    over = {
        "metadata": {"labels": {"b": "2"}, "annotations": {"c": "3"}},
        "spec": {
            "containers": [
                {
                    "name": "main",
                    "volumeMounts": [{"name": "w", "mountPath": "/v"}, {"name": "w", "mountPath": "/w"}],
                    "args": ["3"],
                }
            ],
            "initContainers": [{"name": "j", "image": "y"}],
            "volumes": [{"name": "v", "configMap": {"name": "c"}}],
            "imagePullSecrets": [{"name": "t"}],
            "tolerations": [{"key": "b"}],
            "priorityClassName": "high",
        },
    }
    before = copy.deepcopy((under, over))
    merged = first({"jobDefaults": {"podTemplate": under}, "jobs": [{"id": "a", "podTemplate": over}]}).pod_template
    assert merged == {
        "metadata": {"labels": {"a": "1", "b": "2"}, "annotations": {"c": "3"}},
        "spec": {
            "containers": [
                {
                    "name": "main",
                    "image": "x",
                    "volumeMounts": [{"name": "w", "mountPath": "/v"}, {"name": "w", "mountPath": "/w"}],
                    "args": ["3"],
                }
            ],
            "initContainers": [{"name": "i", "image": "x"}, {"name": "j", "image": "y"}],
            "volumes": [{"name": "v", "configMap": {"name": "c"}}, {"name": "w", "emptyDir": {}}],
            "imagePullSecrets": [{"name": "s"}, {"name": "t"}],
            "tolerations": [{"key": "b"}],
            "priorityClassName": "high",
        },
    }
    assert (under, over) == before


# The graph


def test_groups_are_expanded_where_they_stand() -> None:
    jobs = [job("z", group="g"), job("m"), job("b", group="g"), job("end", dependsOn=["m", "group:g", "z"])]
    assert parse({"jobs": jobs}).jobs[3].depends_on == ("m", "z", "b")


def test_a_group_may_be_larger_than_the_bound_of_dependencies() -> None:
    jobs = [job(f"j{i}", group="g") for i in range(150)]
    assert len(parse({"jobs": [*jobs, job("end", dependsOn=["group:g"])]}).jobs[-1].depends_on) == 150
    field, message = only({"jobs": [*jobs, job("end", dependsOn=[f"j{i}" for i in range(101)])]})
    assert (field, "at most 100" in message) == ("spec.jobs[150].dependsOn", True)


GRAPH = [
    pytest.param(
        [job(dependsOn=["trian"]), job("train")],
        "[0].dependsOn[0]",
        "there is no job 'trian'; did you mean 'train'?",
        id="unknown id",
    ),
    pytest.param(
        [job(dependsOn=["group:tran"]), job("t", group="train")],
        "[0].dependsOn[0]",
        "no job is in group 'tran'; did you mean 'train'?",
        id="unknown group",
    ),
    pytest.param([job(dependsOn=["a"])], "[0].dependsOn[0]", "job 'a' depends on itself", id="itself"),
    pytest.param(
        [job(group="g", dependsOn=["group:g"])],
        "[0].dependsOn[0]",
        "itself through its own group 'g'",
        id="its own group",
    ),
    pytest.param([job(), job()], "[1].id", "'a' is the id of spec.jobs[0] too", id="duplicate id"),
    pytest.param(
        [job("a", dependsOn=["c"]), job("b", dependsOn=["a"]), job("c", dependsOn=["b"])],
        "",
        "a -> c -> b -> a",
        id="cycle along its path",
    ),
    pytest.param(
        [job("a", group="g", dependsOn=["b"]), job("b", dependsOn=["group:g"])],
        "",
        "a -> b -> a",
        id="cycle through a group",
    ),
    pytest.param([], "", "is empty", id="no jobs"),
]


@pytest.mark.parametrize(("jobs", "field", "message"), GRAPH)
def test_a_graph_that_cannot_run(jobs: list[dict[str, Any]], field: str, message: str) -> None:
    found = only({"jobs": jobs})
    assert found[0] == f"spec.jobs{field}"
    assert message in found[1]


def test_every_cycle_is_a_violation() -> None:
    jobs = [job("a", dependsOn=["b"]), job("b", dependsOn=["a"]), job("c", dependsOn=["d"]), job("d", dependsOn=["c"])]
    with pytest.raises(InvalidSpec) as caught:
        parse({"jobs": jobs})
    assert ["a -> b -> a" in str(v) or "c -> d -> c" in str(v) for v in caught.value.violations] == [True, True]


def test_jobs_may_come_from_a_checkpoint() -> None:
    assert parse({"restoreFrom": {"checkpointName": "c"}, "hold": ["its-job"]}).jobs == ()


def test_defaults_have_no_meaning_for_jobs_that_come_from_a_checkpoint() -> None:
    field, message = only({"restoreFrom": {"checkpointName": "c"}, "jobDefaults": {"image": "x"}})
    assert field == "spec.jobDefaults"
    assert "those of the checkpoint bring their own" in message


def test_params_may_be_laid_over_those_of_a_checkpoint() -> None:
    assert parse({"restoreFrom": {"latestOf": "x"}, "params": {"day": "monday"}}).params == {"day": "monday"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        pytest.param({}, "one of checkpointName, checkpointId, latestOf must be set", id="nothing to start from"),
        pytest.param({"checkpointName": "c", "latestOf": "x"}, "checkpointName and latestOf are set", id="two things"),
        pytest.param({"checkpointName": None, "namespace": "ns"}, "one of checkpointName", id="null is not set"),
    ],
)
def test_a_restore_starts_from_exactly_one_checkpoint(given: dict[str, Any], message: str) -> None:
    field, said = only({"jobs": [job()], "restoreFrom": given})
    assert (field, message in said) == ("spec.restoreFrom", True)


def test_suggestions_are_bounded() -> None:
    found = violations({"jobs": [job("train"), *(job(f"j{i}", dependsOn=[f"train{i}"]) for i in range(30))]})
    assert sum("did you mean" in message for message in found.values()) == 20


# Checkpoint settings


@pytest.mark.parametrize(
    "given",
    [
        None,
        {},
        {"enabled": None, "triggers": None, "retention": None, "criticalJobIds": None},
        {"retention": {"maxBytes": None}},
    ],
    ids=["null", "empty", "nulls", "a limit that is null"],
)
def test_settings_that_are_not_set_are_built_in(given: Any) -> None:
    assert parse({"jobs": [job()], "checkpoint": given}).checkpoint == CheckpointSettings()


def test_critical_jobs_that_come_from_a_checkpoint_are_not_judged() -> None:
    spec = {"restoreFrom": {"checkpointName": "c"}, "checkpoint": {"criticalJobIds": ["its-job"]}}
    assert parse(spec).checkpoint.critical_job_ids == {"its-job"}


def test_one_wrong_setting_hides_no_other() -> None:
    checkpoint = {
        "profile": "x",
        "onErrors": 1,
        "retentionCount": 0,
        "criticalJobIds": ["b"],
        "triggers": ["manual"] * 2,
    }
    assert set(violations({"jobs": [job()], "checkpoint": checkpoint})) == {
        f"spec.checkpoint.{field}"
        for field in ("profile", "onErrors", "retentionCount", "criticalJobIds[0]", "triggers[1]")
    }


# One thing wrong


WRONG = [
    pytest.param({"paused": "yes"}, "spec.paused", "should be a valid boolean", id="a string is no boolean"),
    pytest.param({"parallelism": "3"}, "spec.parallelism", "should be a valid integer", id="a string is no number"),
    pytest.param({"parallelism": -1}, "spec.parallelism", "greater than or equal to 0", id="below zero"),
    pytest.param(
        {"paussed": True}, "spec.paussed", "is no field of this object; did you mean 'paused'?", id="unknown field"
    ),
    pytest.param({"qqq": True}, "spec.qqq", "is no field of this object", id="unlike any field"),
    pytest.param(
        {"scheduling": "Random"}, "spec.scheduling", "should be 'Dependencies' or 'Levels'", id="unknown word"
    ),
    pytest.param({"pause": {"until": "tomorrow"}}, "spec.pause.until", "should be a time such as", id="no time"),
    pytest.param({"pause": {"until": 5}}, "spec.pause.until", "should be a time such as", id="a number is no time"),
    pytest.param({"pause": {"until": "2026-01-31T18:00:00"}}, "spec.pause.until", "timezone", id="no time zone"),
    pytest.param({"cancel": {}}, "spec.cancel.requestId", "is required", id="missing field"),
    pytest.param({"jobs": {}}, "spec.jobs", "should be a valid list", id="jobs that are no list"),
    pytest.param({"jobs": [job()] * 2001}, "spec.jobs", "at most 2000", id="too many jobs"),
    pytest.param({"params": []}, "spec.params", "should be a valid dictionary", id="params that are no map"),
    pytest.param(
        {"params": {"x": {"y": [float("nan")]}}}, "spec.params.x.y[0]", "is nan, which JSON does not have", id="NaN"
    ),
    pytest.param({"params": {1: 2}}, "spec.params", "has a key that is no string", id="a key that is no string"),
    pytest.param({"params": {"x": {1, 2}}}, "spec.params.x", "is a set, which JSON does not have", id="no JSON"),
    pytest.param({"hold": ["b"]}, "spec.hold[0]", "there is no job 'b'", id="hold of an unknown job"),
    pytest.param(
        {"checkpoint": {"criticalJobIds": ["a", "b"]}},
        "spec.checkpoint.criticalJobIds[1]",
        "there is no job 'b'",
        id="critical",
    ),
    pytest.param(
        {"checkpoint": {"triggerss": []}}, "spec.checkpoint.triggerss", "did you mean 'triggers'?", id="unknown setting"
    ),
    pytest.param(
        {"checkpoint": {"retention": {"maxByte": 1}}},
        "spec.checkpoint.retention.maxByte",
        "did you mean 'maxBytes'?",
        id="unknown limit",
    ),
    pytest.param({"checkpoint": []}, "spec.checkpoint", "should be a valid dictionary", id="settings that are no map"),
    pytest.param(
        {"checkpoint": {"profile": "Testing", "criticalJobIds": ["a"]}},
        "spec.checkpoint.profile",
        "should be 'Development', 'Production' or 'LongRunning'",
        id="unknown profile",
    ),
    pytest.param(
        {"checkpoint": {"triggers": ["manual", "daily"]}},
        "spec.checkpoint.triggers[1]",
        "should be 'manual', 'time-based'",
        id="unknown trigger",
    ),
    pytest.param(
        {"checkpoint": {"triggers": ["manual", "time-based", "manual"]}},
        "spec.checkpoint.triggers[2]",
        "'manual' is there already: name it once",
        id="a trigger twice",
    ),
    pytest.param(
        {"checkpoint": {"criticalJobIds": ["a", "a"]}},
        "spec.checkpoint.criticalJobIds[1]",
        "'a' is there already: name it once",
        id="a critical job twice",
    ),
    pytest.param(
        {"checkpoint": {"timeIntervalMs": 999}}, "spec.checkpoint.timeIntervalMs", "equal to 1000", id="too often"
    ),
    pytest.param({"checkpoint": {"enabled": "no"}}, "spec.checkpoint.enabled", "valid boolean", id="enabled by a word"),
    pytest.param(
        {"requests": [{"id": "1", "type": "Skip", "job": "b"}]},
        "spec.requests[0].job",
        "there is no job 'b'",
        id="request for an unknown job",
    ),
    pytest.param(
        {"requests": [{"id": "1", "type": "Skip", "job": "a"}] * 2},
        "spec.requests[1].id",
        "is the id of another request",
        id="request ids",
    ),
    pytest.param(
        {"requests": [{"id": "1", "type": "Skip", "job": "a"}] * 51},
        "spec.requests",
        "at most 50",
        id="too many requests",
    ),
    pytest.param(
        {"requests": [{"id": "1", "type": "Redo", "job": "a"}]},
        "spec.requests[0].type",
        "should be 'Retry'",
        id="request type",
    ),
    pytest.param(
        {"requests": [{"id": "1", "type": "Retry", "job": "a", "limit": 1}]},
        "spec.requests[0].limit",
        "has no meaning for Retry",
        id="limit without meaning",
    ),
    pytest.param(
        {"requests": [{"id": "1", "type": "Skip", "job": "a", "outputs": None}]},
        "spec.requests[0].outputs",
        "has no meaning for Skip",
        id="outputs without meaning",
    ),
    pytest.param(
        {"requests": [{"id": "1", "type": "ExtendRetries", "job": "a"}]},
        "spec.requests[0].limit",
        "is required",
        id="limit missing",
    ),
    pytest.param(
        {"requests": [{"id": "1", "type": "ExtendRetries", "job": "a", "limit": 0}]},
        "spec.requests[0].limit",
        "at least 1",
        id="limit of nothing",
    ),
    pytest.param(
        {"requests": [{"id": "1", "type": "Complete", "job": "a", "outputs": "é" * 40000}]},
        "spec.requests[0].outputs",
        "is larger than the 65536",
        id="outputs too large",
    ),
    pytest.param(
        {"jobDefaults": {"imagee": 1}},
        "spec.jobDefaults.imagee",
        "did you mean 'image'?",
        id="unknown field of the defaults",
    ),
    pytest.param({"jobDefaults": {"when": "true"}}, "spec.jobDefaults.when", "is no field", id="a condition for all"),
    pytest.param(
        {"jobDefaults": {"args": ["$(jobs.a.outputs)"]}},
        "spec.jobDefaults.args[0]",
        "only a job that depends on 'a'",
        id="outputs in the defaults",
    ),
]


@pytest.mark.parametrize(("fields", "field", "message"), WRONG)
def test_one_thing_wrong_in_the_spec(fields: dict[str, Any], field: str, message: str) -> None:
    found = only({"jobs": [job()], **fields})
    assert found[0] == field
    assert message in found[1]


POD = "podTemplate.spec"
WRONG_JOB = [
    pytest.param({"id": "-a"}, "id", "should be letters, digits", id="id pattern"),
    pytest.param({"id": "a" * 64}, "id", "at most 63", id="id length"),
    pytest.param({"id": 7}, "id", "should be a valid string", id="id is a string"),
    pytest.param({"group": "a b"}, "group", "should be letters, digits", id="group pattern"),
    pytest.param({"comand": []}, "comand", "did you mean 'command'?", id="unknown field"),
    pytest.param({"command": "ls"}, "command", "should be a valid list", id="a command is a list"),
    pytest.param({"args": [1]}, "args[0]", "should be a valid string", id="an argument is a string"),
    pytest.param(
        {"env": [{"name": "A", "value": 1}]}, "env[0].value", "should be a valid string", id="a value is a string"
    ),
    pytest.param(
        {"env": [{"name": "A"}, {"name": "CAIRN_JOB"}]}, "env[1].name", "CAIRN_* is Cairn's own", id="reserved variable"
    ),
    pytest.param({"retry": {"limit": -1}}, "retry.limit", "greater than or equal to 0", id="retry limit"),
    pytest.param({"retry": {"factor": 0.5}}, "retry.factor", "greater than or equal to 1", id="retry factor"),
    pytest.param(
        {"retry": {"backoffSeconds": -1}}, "retry.backoffSeconds", "greater than or equal to 0", id="retry backoff"
    ),
    pytest.param(
        {"retry": {"onExitCodes": [1, 0]}}, "retry.onExitCodes[1]", "greater than or equal to 1", id="exit code 0"
    ),
    pytest.param(
        {"retry": {"onExitCodes": [256]}}, "retry.onExitCodes[0]", "less than or equal to 255", id="exit code 256"
    ),
    pytest.param({"timeoutSeconds": -1}, "timeoutSeconds", "greater than or equal to 0", id="timeout"),
    pytest.param({"replay": "Maybe"}, "replay", "should be 'Safe', 'Unsafe' or 'Confirm'", id="unknown word"),
    pytest.param({"when": "1 +"}, "when", "1:4: Syntax error", id="bad CEL"),
    pytest.param(
        {"when": "jobs['b'].state == ''"},
        "when",
        "names job 'b', which is not in dependsOn",
        id="CEL names no dependency",
    ),
    pytest.param(
        {"args": ["", "$(params.gone)"]}, "args[1]", "there is no param 'gone' in spec.params", id="unknown param"
    ),
    pytest.param(
        {"command": ["$(jobs.b.outputs)"]},
        "command[0]",
        "uses the outputs of job 'b', which is not in dependsOn",
        id="no dependency",
    ),
    pytest.param(
        {"env": [{"name": "A", "value": "$(jobs.b)"}]},
        "env[0].value",
        "$(jobs.b) is no reference",
        id="malformed reference",
    ),
    pytest.param(
        {"podTemplate": {"sepc": {}}}, "podTemplate.sepc", "did you mean 'spec'?", id="unknown field of a pod template"
    ),
    pytest.param(
        {"podTemplate": {"metadata": {"labels": {"cairn.dev/job": "x"}}}},
        "podTemplate.metadata.labels[cairn.dev/job]",
        "is Cairn's own",
        id="reserved label",
    ),
    pytest.param(
        {"podTemplate": {"metadata": {"annotations": {"cairn.dev/x": "x"}}}},
        "podTemplate.metadata.annotations[cairn.dev/x]",
        "is Cairn's own",
        id="reserved annotation",
    ),
    pytest.param(
        {"podTemplate": {"metadata": {"labels": {"a": 1}}}},
        "podTemplate.metadata.labels.a",
        "should be a valid string",
        id="a label is a string",
    ),
    pytest.param(
        {"podTemplate": {"spec": {"restartPolicy": "OnFailure"}}},
        f"{POD}.restartPolicy",
        "must be Never",
        id="restart policy",
    ),
    pytest.param(
        {"podTemplate": {"spec": {"activeDeadlineSeconds": 5}}, "timeoutSeconds": 5},
        f"{POD}.activeDeadlineSeconds",
        "keep only that",
        id="two deadlines",
    ),
    pytest.param(
        {"podTemplate": {"spec": {"volumes": [{"name": "cairn"}]}}},
        f"{POD}.volumes[0].name",
        "is Cairn's own",
        id="reserved volume",
    ),
    pytest.param(
        {"podTemplate": pod("x", "x")},
        f"{POD}.containers[1].name",
        "there is another container 'x'",
        id="two containers of a name",
    ),
    pytest.param(
        {"podTemplate": pod("x", initContainers=[{"name": "x", "image": "i"}])},
        f"{POD}.containers[0].name",
        "there is another container 'x'",
        id="an init container of that name",
    ),
    pytest.param(
        {"podTemplate": {"spec": {"containers": [{"image": "i"}]}}},
        f"{POD}.containers[0].name",
        "is required",
        id="a container without name",
    ),
    pytest.param(
        {"podTemplate": pod("x", initContainers=[{"name": "y"}])},
        f"{POD}.initContainers[0].image",
        "container 'y' has no image",
        id="an init container without image",
    ),
    pytest.param(
        {"podTemplate": {"spec": {"containers": [{"name": "a"}, {"name": "b"}]}}},
        f"{POD}.containers[1].image",
        "container 'b' has no image",
        id="a container without image",
    ),
    pytest.param(
        {"podTemplate": {"spec": {"containers": [{"name": "c", "env": [{"name": "CAIRN_X"}]}]}}},
        f"{POD}.containers[0].env[0].name",
        "CAIRN_* is Cairn's own",
        id="reserved variable in a template",
    ),
    pytest.param(
        {"podTemplate": {"spec": {"containers": [{"name": "c", "args": ["$(params.gone)"]}]}}},
        f"{POD}.containers[0].args[0]",
        "no param 'gone'",
        id="unknown param in a template",
    ),
    *(
        pytest.param(
            {
                "podTemplate": {
                    "spec": {"containers": [{"name": "c", "volumeMounts": [{"name": "v", "mountPath": path}]}]}
                }
            },
            f"{POD}.containers[0].volumeMounts[0].mountPath",
            "is Cairn's own",
            id=f"mounted at {path}",
        )
        for path in ("/cairn", "/cairn/inputs", "//cairn/", "/x/../cairn", "cairn")
    ),
]


@pytest.mark.parametrize(("fields", "field", "message"), WRONG_JOB)
def test_one_thing_wrong_in_a_job(fields: dict[str, Any], field: str, message: str) -> None:
    found = only({"jobs": [job("first"), job(**fields)] if "id" not in fields else [job("first"), {**job(), **fields}]})
    assert found[0] == f"spec.jobs[1].{field}"
    assert message in found[1]


def test_what_is_near_something_reserved_is_allowed() -> None:
    template = {
        "metadata": {"labels": {"cairn.example/x": "1", "kueue.x-k8s.io/queue-name": "q"}},
        "spec": {
            "restartPolicy": "Never",
            "activeDeadlineSeconds": 5,
            "volumes": [{"name": "cairns"}],
            "initContainers": [{"name": "proxy", "image": "i", "restartPolicy": "Always"}],
            "containers": [{"name": "c", "image": "i", "volumeMounts": [{"name": "v", "mountPath": "/cairns"}]}],
        },
    }
    assert parse({"jobs": [{"id": "a", "env": [{"name": "MY_CAIRN_X"}], "podTemplate": template}]})


def test_a_job_without_image_is_told_where_to_set_it() -> None:
    assert only({"jobs": [{"id": "a"}]}) == (
        "spec.jobs[0].image",
        "container 'main' has no image: set it here or in jobDefaults",
    )


def test_a_job_that_is_no_object() -> None:
    assert only({"jobs": [job(), 7]})[0] == "spec.jobs[1]"


def test_nesting_is_bounded() -> None:
    deep: Any = 1
    for _ in range(5000):
        deep = {"x": deep}
    field, message = only({"jobs": [job()], "params": deep})
    assert field.startswith("spec.params.x.x")
    assert "deeper than 100" in message


# Everything wrong at once


def test_every_violation_is_found_at_once() -> None:
    spec = {
        "parallelism": "many",
        "hold": ["nobody"],
        "params": {"x": float("inf")},
        "jobs": [
            {"id": "broken", "image": "x", "imag": "y", "when": "1 +", "dependsOn": ["gone"]},
            {"image": "x"},
            job("c", dependsOn=["broken", "d"]),
            job("d", dependsOn=["c"], args=["$(params.x)", "$(params.y)"]),
        ],
    }
    assert set(violations(spec)) == {
        "spec.parallelism",
        "spec.hold[0]",
        "spec.params.x",
        "spec.jobs[0].imag",
        "spec.jobs[0].when",
        "spec.jobs[0].dependsOn[0]",
        "spec.jobs[1].id",
        "spec.jobs",
        "spec.jobs[3].args[1]",
    }


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        pytest.param(
            {"jobs": [{"id": "a", "image": 7}]}, "spec.jobs[0].image", id="no missing image after a wrong one"
        ),
        pytest.param(
            {"jobDefaults": {"image": 7}, "jobs": [{"id": "a"}]}, "spec.jobDefaults.image", id="in the defaults too"
        ),
        pytest.param({"jobs": [job(oops=1), job("b", dependsOn=["a"])]}, "spec.jobs[0].oops", id="a broken job exists"),
        pytest.param(
            {
                "jobs": [{"id": "a", "group": "g", "retry": 1}, job("b", dependsOn=["group:g"])],
                "jobDefaults": {"image": "x"},
            },
            "spec.jobs[0].retry",
            id="its group exists",
        ),
        pytest.param(
            {"jobs": [job(), job("b", dependsOn="a", when="jobs.a.x", args=["$(jobs.a.outputs)"])]},
            "spec.jobs[1].dependsOn",
            id="what rests on dependsOn",
        ),
        pytest.param(
            {"jobs": [job(podTemplate={"metadata": {"annotations": {"x": datetime(2026, 1, 1)}}})]},
            "spec.jobs[0].podTemplate.metadata.annotations.x",
            id="no JSON is not no string too",
        ),
        pytest.param(
            {"jobDefaults": {"args": ["$(params.x)"]}, "jobs": [job("a"), job("b")]},
            "spec.jobDefaults.args[0]",
            id="once for the defaults",
        ),
    ],
)
def test_a_consequence_is_no_violation(spec: dict[str, Any], field: str) -> None:
    assert only(spec)[0] == field


# Digests


def test_a_digest_is_16_hex_digits_over_what_runs() -> None:
    base = first({"jobs": [job()]}).digest
    assert len(base) == 16
    assert int(base, 16) >= 0
    for changed in ({"args": ["x"]}, {"timeoutSeconds": 1}, {"outputs": "Log"}, {"args": ["$(params.x)"]}):
        assert first({"jobs": [job(**changed)], "params": {"x": 1}}).digest != base
    for same in ({"retry": {"limit": 3}}, {"when": "true"}, {"runOn": "Done"}, {"replay": "Unsafe"}, {"group": "g"}):
        assert first({"jobs": [job(**same)]}).digest == base
    templated = job(args=["$(params.x)"])
    assert (
        first({"jobs": [templated], "params": {"x": 1}}).digest
        == first({"jobs": [templated], "params": {"x": 2}}).digest
    )


@given(st.permutations(["nodeSelector", "securityContext", "tolerations", "volumes"]))
def test_a_digest_does_not_depend_on_the_order_of_keys(order: list[str]) -> None:
    written = {key: [{"name": "a", "key": "b"}] if key.endswith("s") else {"a": "1", "b": "2"} for key in sorted(order)}
    shuffled = {key: [{"key": "b", "name": "a"}] if key.endswith("s") else {"b": "2", "a": "1"} for key in order}
    assert first({"jobs": [job(podTemplate={"spec": shuffled})]}).digest == (
        first({"jobs": [job(podTemplate={"spec": written})]}).digest
    )


# Any input


ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 300)
    | st.floats()
    | st.sampled_from(["a", "b", "group:g", "$(params.x)", "1 +"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "jobs", "spec", "name", "image", "containers", "env", "retry"]), inner, max_size=4
        )
    ),
    max_leaves=10,
)
FIELDS = [
    "id",
    "image",
    "dependsOn",
    "group",
    "when",
    "env",
    "args",
    "retry",
    "podTemplate",
    "resources",
    "outputs",
    "oops",
]
JOBS = st.lists(st.dictionaries(st.sampled_from(FIELDS), ANY, max_size=5), max_size=4)
TOP = ["hold", "params", "jobDefaults", "requests", "pause", "cancel", "checkpoint", "paused", "restoreFrom"]


@given(JOBS, st.dictionaries(st.sampled_from(TOP), ANY, max_size=3))
def test_any_input_is_accepted_or_refused_with_field_paths(jobs: list[Any], rest: dict[str, Any]) -> None:
    spec = {"jobs": jobs, **rest}
    before = repr(spec)
    try:
        parsed = parse(spec)
    except InvalidSpec as error:
        assert error.violations
        assert all(violation.field.startswith("spec") and violation.message for violation in error.violations)
    else:
        json.dumps(parsed.params, allow_nan=False)
        assert all(conditions.compile(item.when) for item in parsed.jobs if item.when)
    assert repr(spec) == before


@given(st.lists(st.lists(st.integers(0, 11), max_size=4), min_size=1, max_size=12))
def test_what_is_accepted_is_acyclic_and_complete(rows: list[list[int]]) -> None:
    jobs = [job(f"j{i}", dependsOn=[f"j{d}" for d in row]) for i, row in enumerate(rows)]
    try:
        parsed = parse({"jobs": jobs})
    except InvalidSpec:
        return
    placed: set[str] = set()
    waiting = list(parsed.jobs)
    while waiting:
        ready = [item for item in waiting if placed.issuperset(item.depends_on)]
        assert ready
        placed.update(item.id for item in ready)
        waiting = [item for item in waiting if item.id not in placed]


@pytest.mark.parametrize("key", [1, "\ud800"], ids=["a number", "half a surrogate pair"])
@pytest.mark.parametrize(
    ("place", "field"),
    [
        (lambda bad: bad, "spec"),
        (lambda bad: {"jobs": [JOB], "jobDefaults": bad}, "spec.jobDefaults"),
        (lambda bad: {"jobs": [JOB | bad]}, "spec.jobs[0]"),
        (lambda bad: {"jobs": [JOB], "params": {"deep": [bad]}}, "spec.params.deep[0]"),
    ],
    ids=["on top", "in jobDefaults", "in a job", "in a param"],
)
def test_a_key_that_is_no_text_is_a_violation_wherever_it_stands(place: Any, field: str, key: Any) -> None:
    with pytest.raises(InvalidSpec) as caught:
        parse(place({key: "x"}))
    assert [v.field for v in caught.value.violations] == [field]
    assert "has a key" in caught.value.violations[0].message


@pytest.mark.parametrize("until", ["9999-12-31T23:59:59-23:00", "0001-01-01T00:00:00+23:00"])
def test_a_time_beyond_the_years_of_utc_is_a_violation(until: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        parse({"jobs": [JOB], "paused": True, "pause": {"until": until}})
    assert [v.field for v in caught.value.violations] == ["spec.pause.until"]


JOB = {"id": "a", "image": "i"}
