"""Cairn as its users have it: installed with Helm, in pods of its own, beside the pods of the jobs that it runs.

One story on one cluster, told in order: install, run, pause, save, lose pods, fork, upgrade, uninstall.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import pytest

from cluster import Cluster, binaries, images, providers, start, stop
from cluster.layout import CHECKOUT
from support.checkpoints import payload_of, ready, stored
from support.kube import Kube, Object, until
from support.release import CHART, NAMESPACE, Release, leads, names
from support.release import ready as is_ready

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

FIRST_CHART = CHECKOUT / "tests" / "fixtures" / "cairn-0.1.0.tgz"  # as it was packaged; upgrades begin there
TAKE_OVER_SECONDS = 15
SECRET = "correct-horse-battery-staple"
BUSYBOX = "localhost/cairn-busybox:dev"
RESTRICTED = "pod-security.kubernetes.io/enforce=restricted"


@pytest.fixture(scope="module")
def installed() -> Iterator[Cluster]:
    """A real node with the images of Cairn, and nothing else: Helm owns all that is Cairn's here."""
    for helm in ("helm3", "helm4"):
        binaries.build(helm)
    there = start("real", "test-installed")
    try:
        for name in ("cairn", "cairn-postgres"):
            providers.load_image(there, images.build(name))
        yield there
    finally:
        stop(there)


@pytest.fixture(scope="module")
def release(installed: Cluster) -> Iterator[Release]:
    """The first chart, installed by Helm 3."""
    found = Release(installed)
    found.kube.kubectl("create", "namespace", NAMESPACE)
    found.kube.kubectl("label", "namespace", NAMESPACE, RESTRICTED)
    found.upgrade(3, FIRST_CHART)
    yield found
    (CHECKOUT / "build/logs/installed-cairn.log").write_text(found.logs())


@pytest.fixture(scope="module")
def team(installed: Cluster, release: Release) -> Kube:
    """A namespace of users, in which pods are restricted too."""
    kube = Kube(installed.bin / "kubectl", installed.kubeconfig, "team")
    kube.kubectl("create", "namespace", kube.namespace)
    kube.kubectl("label", "namespace", kube.namespace, RESTRICTED)
    until(lambda: kube.kubectl("get", "serviceaccount", "default", check=False).returncode == 0, "a service account")
    return kube


def shell(job_id: str, script: str, *after: str, **more: Any) -> Object:
    """A job that runs a shell script."""
    return {"id": job_id, "image": BUSYBOX, "command": ["sh", "-ec", script], "dependsOn": list(after)} | more


def chain(length: int, seconds: float) -> list[Object]:
    """Jobs one after the other, each of which lasts a while and hands out its number."""
    script = f"sleep {seconds}; echo $CAIRN_JOB > /dev/null; echo '{{\"ran\": true}}' > /dev/termination-log"
    return [shell(f"j{n}", script, *([f"j{n - 1}"] if n else [])) for n in range(length)]


def attempts(execution: Object) -> set[int]:
    """The numbers of the attempts that the jobs have come to."""
    return {record.get("attempt", 0) for record in execution["status"]["jobs"]}


# --- Install, run


def test_operator_api_and_database_are_pods(release: Release) -> None:
    found = {component: release.pods(component) for component in ("operator", "api", "database")}
    assert {component: len(pods) for component, pods in found.items()} == {"operator": 2, "api": 2, "database": 1}
    assert all(is_ready(pod) for pods in found.values() for pod in pods)
    assert leads(release) in names(found["operator"])


@pytest.mark.parametrize("version", [3, 4])
def test_the_installation_tests_itself(release: Release, version: int) -> None:
    assert "Phase:          Succeeded" in release.helm(version, "test", "cairn").stdout


def test_a_pipeline_runs(team: Kube) -> None:
    team.run("first", *chain(2, 0.1))
    done = team.wait("first", "Finished")
    assert done["status"]["phase"] == "Succeeded", done["status"]


def test_a_patch_pauses_and_resumes(team: Kube) -> None:
    team.run("paused", *chain(3, 1))
    team.wait_job("paused", "j0", state="Running")
    team.patch("dagx", "paused", {"spec": {"paused": True}})
    team.wait("paused", "Paused")
    assert not [pod for pod in team.pods("paused") if pod["status"]["phase"] in ("Pending", "Running")]
    assert team.job("paused", "j1").get("state", "Pending") == "Pending"
    team.patch("dagx", "paused", {"spec": {"paused": False}})
    assert team.wait("paused", "Finished")["status"]["phase"] == "Succeeded"


def test_a_checkpoint_is_an_object_and_a_row(release: Release, team: Kube) -> None:
    body = {"apiVersion": "cairn.dev/v1alpha1", "kind": "Checkpoint", "metadata": {"name": "kept"}}
    team.apply(body | {"spec": {"executionRef": {"name": "first"}, "name": "Before anything breaks"}})
    team.kubectl("wait", "ckpt/kept", "--for=condition=Stored", "--timeout=60s")
    kept = team.get("ckpt", "kept")["status"]
    rows = release.sql(f"SELECT digest FROM workflow_checkpoints WHERE id = '{kept['checkpointId']}'")
    assert rows == [kept["digest"]]


# --- Lose pods


def test_another_operator_takes_over_when_the_leader_is_killed(
    release: Release, team: Kube, capsys: pytest.CaptureFixture[str]
) -> None:
    team.run("orphaned", *chain(6, 1))
    team.wait_job("orphaned", "j1", state="Running")
    before = leads(release)
    release.kill(before)
    killed = datetime.now(UTC)  # what the old one has launched until now is none of the new one's
    assert leads(release, before) != before
    done = team.wait("orphaned", "Finished")
    assert done["status"]["phase"] == "Succeeded" and attempts(done) == {1}
    launched = [datetime.fromisoformat(record["launchedAt"]) for record in done["status"]["jobs"]]
    waited = min((each - killed).total_seconds() for each in launched if each > killed)
    with capsys.disabled():
        print(f"\nfrom the SIGKILL of the leader to the next launch: {waited:.1f} s")
    assert waited < TAKE_OVER_SECONDS


def test_a_run_goes_on_without_the_database_and_is_caught_up_with(release: Release, team: Kube) -> None:
    triggers = {"triggers": ["job-completed"]}
    team.run("unstored", *chain(4, 1), checkpoint=triggers)
    team.wait_job("unstored", "j0", state="Completed")
    release.kill("cairn-database-0")
    done = team.wait("unstored", "Finished")
    assert done["status"]["phase"] == "Succeeded" and attempts(done) == {1}
    team.saved("unstored")
    stored(team, len(ready(team)))
    rows = set(release.sql("SELECT id FROM workflow_checkpoints"))
    assert rows >= {found["status"]["checkpointId"] for found in ready(team)}


def test_what_was_saved_can_be_forked(team: Kube) -> None:
    body = {"apiVersion": "cairn.dev/v1alpha1", "kind": "DAGExecution", "metadata": {"name": "forked"}}
    team.apply(body | {"spec": {"restoreFrom": {"latestOf": "unstored", "rerun": ["j3"]}}})
    assert team.wait("forked", "Finished")["status"]["phase"] == "Succeeded"
    assert {pod["metadata"]["labels"]["cairn.dev/job"] for pod in team.pods("forked")} == {"j3"}


def test_a_backup_brings_rows_back_that_are_lost(release: Release, team: Kube) -> None:
    """The commands of docs/production.md, inside of the database's pod."""
    known = release.sql("SELECT id, digest FROM workflow_checkpoints ORDER BY id")
    release.run_in_database("pg_dump", "--format=custom", "--file=/tmp/cairn.dump", "cairn")
    release.sql("DROP OWNED BY cairn_owner CASCADE")
    release.run_in_database("pg_restore", "--clean", "--if-exists", "--dbname=cairn", "/tmp/cairn.dump")
    assert release.sql("SELECT id, digest FROM workflow_checkpoints ORDER BY id") == known
    team.run("restored", *chain(1, 0.1), checkpoint={"triggers": ["job-completed"]})
    team.wait("restored", "Finished")
    team.saved("restored")
    stored(team, len(ready(team)))


def test_rows_that_are_lost_without_a_backup_are_written_again(release: Release, team: Kube) -> None:
    release.sql("TRUNCATE workflow_checkpoints CASCADE")
    wanted = {found["status"]["checkpointId"] for found in ready(team)}
    until(lambda: set(release.sql("SELECT id FROM workflow_checkpoints")) == wanted, "every object has its row again")


# --- What somebody may not do


@pytest.fixture(scope="module")
def intern(team: Kube) -> str:
    """A user who may edit executions and checkpoints of the namespace, and nothing else."""
    team.kubectl("create", "rolebinding", "intern", "--clusterrole=cairn-edit", "--user=intern")
    return "--as=intern"


def test_a_user_of_the_namespace_does_what_they_may(team: Kube, intern: str) -> None:
    body = {"apiVersion": "cairn.dev/v1alpha1", "kind": "DAGExecution", "metadata": {"name": "theirs"}}
    jobs = [shell("a", "true")]
    until(lambda: team.kubectl("get", "dagx", intern, check=False).returncode == 0, "the role is known")
    team.kubectl("create", "-f", "-", intern, input=json.dumps(body | {"spec": {"jobs": jobs}}))
    assert team.wait("theirs", "Finished")["status"]["phase"] == "Succeeded"
    assert team.kubectl("get", "ckpt,jres", intern).stdout


def _named(name: str, **spec: Any) -> Object:
    return {"apiVersion": "cairn.dev/v1alpha1", "kind": "DAGExecution", "metadata": {"name": name}, "spec": spec}


BORROWED = [{"name": "T", "valueFrom": {"secretKeyRef": {"name": "theirs", "key": "k"}}}]
REFUSED: dict[str, tuple[tuple[str, ...], Object | None, str]] = {
    "a Secret that they cannot read": (
        ("create", "-f", "-"), _named("x", jobs=[shell("a", "true", env=BORROWED)]), "Secret theirs is named",
    ),
    "an account that they cannot be": (
        ("create", "-f", "-"),
        _named("x", jobs=[{"id": "a", "podTemplate": {"spec": {
            "serviceAccountName": "admin", "containers": [{"name": "main", "image": BUSYBOX}]}}}]),
        "service account admin is used",
    ),
    "another's name": (
        ("create", "-f", "-"),
        {"apiVersion": "cairn.dev/v1alpha1", "kind": "Checkpoint", "metadata": {"name": "x"},
         "spec": {"executionRef": {"name": "first"}, "createdBy": "boss"}},
        "you are intern, not boss",
    ),
    "how things stand": (
        ("patch", "dagx", "first", "--subresource=status", "--type=merge", "-p", '{"status":{"phase":"Failed"}}'), None,
        "forbidden",
    ),
    "results": (("delete", "jres", "--all"), None, "forbidden"),
    "Kubernetes Jobs": (("delete", "jobs", "--all"), None, "forbidden"),
    "another namespace": (("get", "ckpt", "--namespace=default"), None, "forbidden"),
}  # fmt: skip


@pytest.mark.parametrize(("args", "body", "said"), REFUSED.values(), ids=REFUSED)
def test_a_user_of_the_namespace_is_refused(
    team: Kube, intern: str, args: tuple[str, ...], body: Object | None, said: str
) -> None:
    done = team.kubectl(*args, intern, input=json.dumps(body) if body else None, check=False)
    assert done.returncode and said in done.stderr


def test_a_secret_is_in_nothing_that_cairn_writes(release: Release, team: Kube) -> None:
    team.kubectl("create", "secret", "generic", "password", f"--from-literal=k={SECRET}")
    env = [{"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "password", "key": "k"}}}]
    script = """printf '"%s"' $(printf %s "$PASSWORD" | sha256sum | cut -c 1-64) > /dev/termination-log; echo checked"""
    jobs = shell("a", script, env=env), shell("b", "true", "a")
    team.run("discreet", *jobs, checkpoint={"triggers": ["job-completed"]})
    assert team.wait("discreet", "Finished")["status"]["phase"] == "Succeeded"
    team.saved("discreet")
    saved = stored(team, len(ready(team)))
    objects = team.kubectl("get", "dagx,ckpt,jres,jobs,configmaps,events,pods", "-o", "yaml").stdout
    states = "".join(f"{payload_of(one).document}{payload_of(one).texts}" for one in saved)
    written = {"objects": objects, "states": states, "rows": release.dump(), "logs": release.logs()}
    assert '"discreet"' in written["logs"] and "discreet" in objects, "there is something to look through"
    used = sha256(SECRET.encode()).hexdigest()
    assert used in states and used in written["rows"], "the job has had the secret, and what it made of it was saved"
    assert {where for where, text in written.items() if SECRET in text} == set()


# --- Upgrade


def test_an_upgrade_disturbs_nothing_that_runs(release: Release, team: Kube) -> None:
    team.run("through", *chain(12, 2))
    team.wait_job("through", "j0", state="Completed")
    operators, database = names(release.pods("operator")), release.pods("database")[0]["metadata"]["uid"]
    release.upgrade(4, CHART)
    assert not set(operators) & set(names(release.pods("operator"))), "all operators are new"
    assert not team.get("dagx", "through")["status"].get("finishedAt"), "it still ran"
    done = team.wait("through", "Finished", 120)
    assert done["status"]["phase"] == "Succeeded" and attempts(done) == {1}
    assert len(team.jobs("through")) == 12
    assert release.pods("database")[0]["metadata"]["uid"] == database, "the database was left alone"


def test_a_migration_that_fails_leaves_the_operator_as_it_was(release: Release, team: Kube) -> None:
    before = names(release.pods("operator"))
    release.kube.kubectl("create", "secret", "generic", "nowhere", "--from-literal=url=postgresql://cairn@127.0.0.1:1/x")
    keys = ",".join(f"database.external.keys.{key}=url" for key in ("operator", "api", "migrate"))
    elsewhere = ("database.mode=external", "database.external.secretName=nowhere", keys, "database.external.sslMode=")
    soon = ("migration.waitSeconds=1", "migration.timeoutSeconds=30")
    failed = release.upgrade(4, CHART, *elsewhere, *soon, check=False)
    assert failed.returncode and "migrate" in failed.stderr
    assert names(release.pods("operator")) == before
    assert release.pods("database"), "and the database is still there"
    team.run("unmoved", *chain(1, 0.1))
    assert team.wait("unmoved", "Finished")["status"]["phase"] == "Succeeded"


def test_an_upgrade_can_be_taken_back(release: Release, team: Kube) -> None:
    before = names(release.pods("operator"))
    release.upgrade(4, CHART, "operator.workers=3")
    assert not set(before) & set(names(release.pods("operator")))
    release.helm(4, "rollback", "cairn", "--wait", "--timeout=3m")
    workers = {_variable(pod, "CAIRN_WORKERS") for pod in release.pods("operator")}
    assert workers == {"16"}
    team.run("back", *chain(1, 0.1))
    assert team.wait("back", "Finished")["status"]["phase"] == "Succeeded"


def _variable(pod: Object, name: str) -> str:
    [container] = pod["spec"]["containers"]
    return next(str(each["value"]) for each in container["env"] if each["name"] == name)


def test_shards_come_and_go_with_upgrades(release: Release, team: Kube) -> None:
    team.run("elder", *chain(8, 2))
    team.wait_job("elder", "j0", state="Running")
    release.upgrade(4, CHART, "operator.shards={a,b}")
    assert [len(release.pods(each)) for each in ("operator", "operator-a", "operator-b")] == [2, 2, 2]
    begun: dict[str, str] = {}
    while set(begun.values()) != {"a", "b"}:
        assert len(begun) < 20, f"all of them are with one: {begun}"
        name = f"spread-{len(begun)}"
        team.run(name, *chain(2, 0.1), checkpoint={"triggers": ["level-completed"]})
        done = team.wait(name, "Finished")
        assert done["status"]["phase"] == "Succeeded" and attempts(done) == {1}
        begun[name] = done["metadata"]["labels"]["cairn.dev/shard"]
    elder = team.wait("elder", "Finished")
    assert elder["status"]["phase"] == "Succeeded" and attempts(elder) == {1}
    assert "cairn.dev/shard" not in elder["metadata"].get("labels", {}), "it stayed with the default operator"
    for name in begun:
        team.saved(name)
    stored(team, len(ready(team)))
    release.helm(4, "rollback", "cairn", "--wait", "--timeout=3m")
    assert not release.pods("operator-a") + release.pods("operator-b")
    team.kubectl("delete", "dagx", *begun, "--timeout=60s")  # the one operator works on them, labels or not


# --- Uninstall

LEFT = {"customresourcedefinitions.apiextensions.k8s.io", "persistentvolumeclaims", "secrets"}


def test_an_uninstall_leaves_definitions_data_and_nothing_else(release: Release, team: Kube) -> None:
    team.run("left", shell("a", "trap 'exit 0' TERM; sleep 3600 & wait"))
    team.wait_job("left", "a", state="Running")
    kept = names(ready(team))
    release.helm(4, "uninstall", "cairn", "--wait", "--timeout=3m")
    kinds = release.kube.kubectl("api-resources", "--verbs=list", "-o", "name").stdout.split()
    labelled = ("--all-namespaces", "--selector=app.kubernetes.io/instance=cairn", "-o", "name")
    until(lambda: not release.all(), "the pods are gone", 90)
    found = {kind: release.kube.kubectl("get", kind, *labelled, check=False).stdout.split() for kind in kinds}
    assert {kind for kind, objects in found.items() if objects} == LEFT, found
    assert not release.kube.list("leases.coordination.k8s.io") and not release.kube.list("configmaps", "-l", "!x")[1:]
    assert names(ready(team)) == kept, "checkpoints stay"
    assert "left" in names(team.list("dagx")), "executions stay"


def test_nothing_hangs_in_deletion_afterwards(team: Kube) -> None:
    team.kubectl("delete", "ckpt", "--all", "--timeout=60s")
    team.kubectl("delete", "namespace", team.namespace, "--timeout=120s")
