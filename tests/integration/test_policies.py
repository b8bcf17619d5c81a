"""The admission policies of the chart: who may write what, and what they may have Cairn use for them.

Everything here is refused or let through by a real API server. `jane` has every right on Cairn's kinds that rights can
give, status included, and may create Kubernetes Jobs; what she may not do, only the policies keep her from.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from cluster import Cluster
from cluster.layout import BIN, CHECKOUT
from support.kube import Kube, Object, until

pytestmark = pytest.mark.cluster

JANE, OPERATOR, API = (
    "jane", "system:serviceaccount:cairn-system:cairn-operator", "system:serviceaccount:cairn-system:cairn-api",
)  # fmt: skip
EVERYTHING = {"apiGroups": ["cairn.dev"], "resources": ["*"], "verbs": ["*"]}
JOBS = {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["*"]}
PAGE = CHECKOUT / "docs" / "security.md"
_POLICIES = {"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}


def rendered(*values: str) -> list[Object]:
    """The policies, as the chart makes them."""
    command = [BIN / "helm3", "template", "cairn", CHECKOUT / "charts/cairn", "--namespace=cairn-system"]
    sets = [f"--set={value}" for value in values]
    done = subprocess.run([*command, *sets], text=True, capture_output=True, check=True)
    return [each for each in yaml.safe_load_all(done.stdout) if each and each["kind"] in _POLICIES]


class Person:
    """Somebody at the API server."""

    def __init__(self, kube: Kube, name: str) -> None:
        self.kube = kube
        self.name = name

    def may(self, role: str, *rules: Object, where: Kube | None = None) -> None:
        """Give rights in the namespace."""
        there = where or self.kube
        meta = {"name": f"{role}-{self.name.rpartition(':')[2]}", "namespace": there.namespace}
        group = "rbac.authorization.k8s.io"
        there.apply(
            {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": meta, "rules": list(rules)},
            {"apiVersion": f"{group}/v1", "kind": "RoleBinding", "metadata": meta,
             "roleRef": {"apiGroup": group, "kind": "Role", "name": meta["name"]},
             "subjects": [{"apiGroup": group, "kind": "User", "name": self.name}]},
        )  # fmt: skip

    def do(self, *args: str, body: Object | None = None) -> subprocess.CompletedProcess[str]:
        """Run kubectl as that user."""
        given = None if body is None else json.dumps(body)
        return self.kube.kubectl(*args, f"--as={self.name}", input=given, check=False)

    def creates(self, body: Object) -> str:
        """Create an object; empty, or why not."""
        return _said(self.do("create", "-f", "-", body=body))

    def patches(self, kind: str, name: str, patch: Object, *more: str) -> str:
        """Merge-patch an object; empty, or why not."""
        return _said(self.do("patch", kind, name, "--type=merge", "-p", json.dumps(patch), *more))


def _said(done: subprocess.CompletedProcess[str]) -> str:
    return done.stderr.strip() if done.returncode else ""


@pytest.fixture(scope="module")
def policed(fake_cluster: Cluster) -> Iterator[Kube]:
    """A namespace, the only one, under the policies: other tests of this run are none of their business."""
    kube = Kube(fake_cluster.bin / "kubectl", fake_cluster.kubeconfig, "policed")
    kube.kubectl("create", "namespace", kube.namespace)
    policies = rendered("watch.namespaces={policed}", "policies.forkAcrossNamespaces=true", "operator.shards={a,b}")
    kube.apply(*policies)
    for name in (JANE, OPERATOR, API):
        Person(kube, name).may("everything", EVERYTHING, JOBS)
    probe = checkpoint("probe", trigger="time-based")
    until(lambda: "spec.trigger" in Person(kube, JANE).creates(probe) and in_force(kube), "the policies are in force")
    yield kube
    for each in policies:
        kube.kubectl("delete", each["kind"], each["metadata"]["name"])
    kube.kubectl("delete", "namespace", kube.namespace, "--wait=false")


def in_force(kube: Kube) -> bool:
    """Whether each of the others refuses what it is there to refuse: each comes into force by itself."""
    jane = Person(kube, JANE)
    named = execution("probe", job(env=[env("probe")]))
    asked = execution("probe", job(), requests=[request("1", "probe")])
    elsewhere = execution("probe", job(), restoreFrom={"namespace": "elsewhere", "latestOf": "probe"})
    bodies = (named, asked, elsewhere, result("probe"), attempt("probe"))
    refused = [jane.creates(body) for body in bodies]
    return all("denied" in said for said in refused)


@pytest.fixture
def jane(policed: Kube) -> Person:
    return Person(policed, JANE)


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A name that no other test uses."""
    serial = request.session.stash.setdefault(_SERIAL, [0])
    serial[0] += 1
    return f"x{serial[0]}"


_SERIAL = pytest.StashKey[list[int]]()


def execution(name: str, *jobs: Object, **spec: Any) -> Object:
    meta = {"name": name}
    return {"apiVersion": "cairn.dev/v1alpha1", "kind": "DAGExecution", "metadata": meta, "spec": {"jobs": jobs} | spec}


def job(id: str = "a", **more: Any) -> Object:
    return {"id": id, "image": "x"} | more


def pod(**spec: Any) -> Object:
    return {"podTemplate": {"spec": {"containers": [{"name": "main", "image": "x"}]} | spec}}


def env(secret: str, variable: str = "TOKEN") -> Object:
    return {"name": variable, "valueFrom": {"secretKeyRef": {"name": secret, "key": "k"}}}


def checkpoint(name: str, annotations: dict[str, str] | None = None, **spec: Any) -> Object:
    return {"apiVersion": "cairn.dev/v1alpha1", "kind": "Checkpoint",
            "metadata": {"name": name, "annotations": annotations or {}},
            "spec": {"executionRef": {"name": "x"}} | spec}  # fmt: skip


def result(name: str) -> Object:
    spec = {"execution": "x", "executionUid": "u", "job": "a", "attempt": 1, "state": "Completed"}
    return {"apiVersion": "cairn.dev/v1alpha1", "kind": "JobResult", "metadata": {"name": name}, "spec": spec}


def attempt(name: str) -> Object:
    labels = {"cairn.dev/execution-uid": "u"}
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "x"}]}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, "labels": labels},
            "spec": {"suspend": True, "template": template}}  # fmt: skip


def test_the_page_on_security_tells_of_each() -> None:
    told = set(re.findall(r"^\| `(cairn-[a-z-]+)` \|", PAGE.read_text(), re.MULTILINE))
    assert told == {each["metadata"]["name"] for each in rendered("operator.shards={a}")}


# --- What has a shard keeps it


@pytest.mark.parametrize("kind", ["dagexecutions", "checkpoints"])
def test_a_shard_is_given_once_and_by_the_operator(policed: Kube, jane: Person, name: str, kind: str) -> None:
    assert not jane.creates(execution(name, job()) if kind == "dagexecutions" else checkpoint(name))
    shard: Callable[[str | None], Object] = lambda value: {"metadata": {"labels": {"cairn.dev/shard": value}}}  # noqa: E731
    refused = "cairn.dev/shard stays as it is"
    assert refused in jane.patches(kind, name, shard("a"))
    assert not Person(policed, OPERATOR).patches(kind, name, shard("a"))
    for value in ("b", None):
        assert refused in jane.patches(kind, name, shard(value))
    assert not jane.patches(kind, name, {"metadata": {"labels": {"team": "x"}}})


def test_who_creates_an_execution_may_choose_its_shard(jane: Person, name: str) -> None:
    body = execution(name, job())
    body["metadata"]["labels"] = {"cairn.dev/shard": "c"}
    assert 'cairn.dev/shard: "c" is no shard here' in jane.creates(body)
    body["metadata"]["labels"] = {"cairn.dev/shard": "b"}
    assert not jane.creates(body)


# --- What only the operator writes


STATUS = ("--subresource=status",)


@pytest.mark.parametrize("kind", ["dagexecutions", "checkpoints"])
def test_how_things_stand_is_written_by_the_operator_only(policed: Kube, jane: Person, name: str, kind: str) -> None:
    assert not jane.creates(execution(name, job()) if kind == "dagexecutions" else checkpoint(name))
    phase = {"status": {"phase": "Failed"}}
    assert f"{kind}/status is written by the operator only" in jane.patches(kind, name, phase, *STATUS)
    assert f"{kind}/status is written by the operator only" in Person(policed, API).patches(kind, name, phase, *STATUS)
    assert not Person(policed, OPERATOR).patches(kind, name, phase, *STATUS)


def test_results_are_written_by_the_operator_only(policed: Kube, jane: Person, name: str) -> None:
    assert "jobresults is written by the operator only" in jane.creates(result(name))
    assert not Person(policed, OPERATOR).creates(result(name))
    assert "jobresults is written by" in jane.patches("jobresults", name, {"status": {"logTail": "x"}})
    assert not jane.patches("jobresults", name, {"metadata": {"labels": {"team": "ml"}}})  # as garbage collection does


IMPORTED = {"cairn.dev/imported": "true"}
READY = {"status": {"phase": "Ready"}}


def test_an_imported_checkpoint_is_filled_once_by_who_could_run_what_it_holds(
    jane: Person, lee: Person, name: str
) -> None:
    assert not jane.creates(checkpoint(name, IMPORTED, trigger="time-based", createdBy="somebody"))
    assert "written by the operator only" in jane.patches("checkpoints", name, READY, *STATUS)
    assert "written by the operator only" in lee.patches("checkpoints", name, {"status": {"jobCount": 1}}, *STATUS)
    assert not lee.patches("checkpoints", name, READY, *STATUS)
    assert "written by the operator only" in lee.patches("checkpoints", name, {"status": {"phase": "Failed"}}, *STATUS)


@pytest.mark.parametrize(
    ("before", "after"), [(IMPORTED, None), ({}, "true"), (IMPORTED, "other")], ids=["taken off", "put on", "changed"]
)
def test_the_mark_of_an_import_stays(jane: Person, name: str, before: dict[str, str], after: str | None) -> None:
    """Without it the operator would take up a made-up author as its own; with it anybody could fill the operator's."""
    assert not jane.creates(checkpoint(name, before))
    mark = {"metadata": {"annotations": {"cairn.dev/imported": after}}}
    assert "cairn.dev/imported is set when" in jane.patches("checkpoints", name, mark)
    assert not jane.patches("checkpoints", name, {"spec": {"pinned": True}})


def test_attempts_are_made_by_the_operator_only(policed: Kube, jane: Person, name: str) -> None:
    assert "made by Cairn's operator only" in jane.creates(attempt(name))
    assert not Person(policed, OPERATOR).creates(attempt(name))
    assert not jane.patches("jobs", name, {"spec": {"suspend": False}})  # as queues do
    for label in ("execution-uid", "execution", "job", "attempt"):
        other = {"metadata": {"labels": {f"cairn.dev/{label}": "v"}}}
        assert "made by Cairn's operator only" in jane.patches("jobs", name, other)
    definition = {"metadata": {"annotations": {"cairn.dev/definition": "v"}}}
    assert "made by Cairn's operator only" in jane.patches("jobs", name, definition)


def test_another_kubernetes_job_does_not_become_an_attempt(jane: Person, name: str) -> None:
    body = attempt(name)
    body["metadata"]["labels"] = {}
    assert not jane.creates(body)
    label = {"metadata": {"labels": {"cairn.dev/execution-uid": "u"}}}
    assert "made by Cairn's operator only" in jane.patches("jobs", name, label)


# --- Who did it


CHECKPOINTS: dict[str, tuple[Object, str]] = {
    "nothing": ({}, ""),
    "their own name": ({"trigger": "manual", "createdBy": JANE}, ""),
    "another name": ({"createdBy": "bob"}, "spec.createdBy: you are jane, not bob"),
    "a trigger of the operator's": ({"trigger": "job-completed"}, "spec.trigger: job-completed is set by the operator"),
}


@pytest.mark.parametrize(("spec", "refusal"), CHECKPOINTS.values(), ids=CHECKPOINTS)
def test_who_creates_a_checkpoint_may_say(jane: Person, name: str, spec: Object, refusal: str) -> None:
    said = jane.creates(checkpoint(name, **spec))
    assert refusal in said if refusal else not said


@pytest.mark.parametrize("user", [OPERATOR, API])
def test_cairn_writes_for_others(policed: Kube, name: str, user: str) -> None:
    person = Person(policed, user)
    assert not person.creates(checkpoint(name, createdBy="bob"))
    assert not person.creates(execution(name, job(), requests=[request("1", "bob")]))


def request(id: str, by: str | None = None) -> Object:
    return {"id": id, "type": "Skip", "job": "a"} | ({"by": by} if by else {})


def test_who_asks_signs_with_their_own_name(policed: Kube, jane: Person, name: str) -> None:
    assert not jane.creates(execution(name, job(), requests=[request("1", JANE), request("2")]))
    bob = Person(policed, "bob")
    bob.may("everything", EVERYTHING)
    theirs = [request("1", JANE), request("2")]
    assert not bob.patches("dagx", name, {"spec": {"requests": [*theirs, request("3", "bob")]}})
    forged = {"spec": {"requests": [*theirs, request("3", "bob"), request("4", JANE)]}}
    assert "spec.requests: 4.by: you are bob, not jane" in bob.patches("dagx", name, forged)
    stolen = {"spec": {"requests": [request("2", JANE)]}}
    assert "spec.requests: 2.by: you are bob, not jane" in bob.patches("dagx", name, stolen)
    rewritten = {"spec": {"requests": [theirs[0] | {"type": "Retry"}]}}
    assert "spec.requests: 1.by: you are bob, not jane" in bob.patches("dagx", name, rewritten)
    assert not bob.patches("dagx", name, {"spec": {"paused": True}})  # others' requests are not judged again


# --- What Cairn would use for them


def variables(secret: str) -> Object:
    return {"env": [env(secret)]}


def volume(**source: Any) -> Object:
    return pod(volumes=[{"name": "v"} | source])


def container(**more: Any) -> Object:
    return pod(containers=[{"name": "main", "image": "x"} | more])


SECRETS: dict[str, Callable[[str], Object]] = {
    "a variable": variables,
    "a variable of a container": lambda name: container(env=[env(name)]),
    "all variables of a container": lambda name: container(envFrom=[{"secretRef": {"name": name}}]),
    "an init container": lambda name: pod(initContainers=[{"name": "i", "image": "x", "env": [env(name)]}]),
    "a volume": lambda name: volume(secret={"secretName": name}),
    "a projected volume": lambda name: volume(projected={"sources": [{"secret": {"name": name}}]}),
    "a volume of CSI": lambda name: volume(csi={"driver": "d", "nodePublishSecretRef": {"name": name}}),
    "a volume of a kind of old": lambda name: volume(rbd={"image": "i", "secretRef": {"name": name}}),
    "pulling the image": lambda name: pod(imagePullSecrets=[{"name": name}]),
}
ACCOUNTS: dict[str, Object] = {
    "named": pod(serviceAccountName="robot"),
    "named as of old": pod(serviceAccount="robot"),
}
DEFAULT: dict[str, Object] = {
    "its token": pod(automountServiceAccountToken=True),
    "a certificate": volume(projected={"sources": [{"podCertificate": {"signerName": "x/y", "keyType": "ED25519"}}]}),
    "a projected token": volume(projected={"sources": [{"serviceAccountToken": {"path": "t"}}]}),
}


@pytest.fixture(scope="module")
def kim(policed: Kube) -> Person:
    """May get one Secret by its name, and have tokens of one account."""
    kim = Person(policed, "kim")
    core: Object = {"apiGroups": [""]}
    kim.may(
        "some", EVERYTHING, core | {"resources": ["secrets"], "resourceNames": ["hers"], "verbs": ["get"]},
        core | {"resources": ["serviceaccounts/token"], "resourceNames": ["robot"], "verbs": ["create"]},
    )  # fmt: skip
    until(lambda: not kim.creates(execution("kim", job(env=[env("hers")]))), "kim has her rights")
    return kim


@pytest.fixture(scope="module")
def lee(policed: Kube) -> Person:
    """May create pods."""
    lee = Person(policed, "lee")
    lee.may("pods", EVERYTHING, {"apiGroups": [""], "resources": ["pods"], "verbs": ["create"]})
    until(lambda: not lee.creates(execution("lee", job(env=[env("any")]))), "lee has the rights")
    return lee


@pytest.mark.parametrize("named", SECRETS.values(), ids=SECRETS)
def test_who_names_a_secret_could_read_it(
    jane: Person, kim: Person, lee: Person, name: str, named: Callable[[str], Object]
) -> None:
    hers, other = execution(name, job(**named("hers"))), execution(f"{name}-o", job(**named("other")))
    assert "Secret hers is named, and you may neither get it nor create pods" in jane.creates(hers)
    assert not kim.creates(hers)
    assert "Secret other is named" in kim.creates(other)
    assert not lee.creates(other)


def test_a_secret_of_the_defaults_counts_too(jane: Person, name: str) -> None:
    assert "Secret other is named" in jane.creates(execution(name, job(), jobDefaults=variables("other")))


@pytest.mark.parametrize("named", ACCOUNTS.values(), ids=ACCOUNTS)
def test_who_names_an_account_could_be_it(jane: Person, kim: Person, lee: Person, name: str, named: Object) -> None:
    body = execution(name, job(**named))
    assert "service account robot is used" in jane.creates(body)
    assert not kim.creates(body)
    assert not lee.creates(body | {"metadata": {"name": f"{name}-l"}})


@pytest.mark.parametrize("named", DEFAULT.values(), ids=DEFAULT)
def test_a_token_of_the_account_that_is_not_named(kim: Person, lee: Person, name: str, named: Object) -> None:
    body = execution(name, job(**named))
    assert "service account default is used" in kim.creates(body)
    assert not lee.creates(body)


def test_only_new_jobs_are_asked_about(jane: Person, lee: Person, name: str) -> None:
    assert not lee.creates(execution(name, job(env=[env("other")])))
    assert not jane.patches("dagx", name, {"spec": {"paused": True}})
    assert not jane.patches("dagx", name, {"metadata": {"labels": {"team": "ml"}}})
    assert "Secret other is named" in jane.patches("dagx", name, {"spec": {"jobs": [job(env=[env("other", "X")])]}})


def test_a_name_that_is_allowed_hides_no_other(kim: Person, name: str) -> None:
    jobs = [job("a", env=[env("hers"), env("hers", "B")]), job("b", env=[env("hers"), env("other", "B")])]
    assert "Secret other is named" in kim.creates(execution(name, *jobs))


def test_too_many_names_are_refused_with_the_reason(policed: Kube, lee: Person, name: str) -> None:
    body = execution(name, *(job(f"j{n}", env=[env(f"s{n}")]) for n in range(9)))
    all_secrets = Person(policed, "sam")
    all_secrets.may("secrets", EVERYTHING, {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]})
    until(lambda: not all_secrets.creates(execution("sam", job(env=[env("s")]))), "sam may get Secrets")
    assert "more than 8 Secrets are named" in all_secrets.creates(body)
    assert not lee.creates(body)


def test_the_largest_execution_is_judged_within_the_budget(jane: Person, kim: Person, name: str) -> None:
    """The API server ends what costs too much, and a policy that does not come to an end refuses."""
    jobs = [job(f"j{n}", env=[env("hers"), {"name": "A", "value": "b"}]) for n in range(2000)]
    assert not kim.creates(execution(name, *jobs))
    assert "Secret hers is named" in jane.creates(execution(f"{name}-j", *jobs))
    pods = [job(f"j{n}", **pod(volumes=[{"name": "v", "secret": {"secretName": "hers"}}])) for n in range(2000)]
    for each in pods:
        del each["image"]
    assert not kim.creates(execution(f"{name}-p", *pods))


# --- What an execution may start from


def test_who_starts_from_another_namespace_may_read_there_and_could_run_its_jobs_here(
    policed: Kube, jane: Person, kube: Kube, name: str
) -> None:
    source = {"namespace": kube.namespace, "checkpointName": "theirs"}
    edited, as_it_is = execution(name, job(), restoreFrom=source), execution(f"{name}-a", restoreFrom=source)
    del as_it_is["spec"]["jobs"]
    assert "you may not read that checkpoint in namespace" in jane.creates(edited)
    pat = Person(policed, "pat")
    pat.may("everything", EVERYTHING)
    one = {"resources": ["checkpoints"], "resourceNames": ["theirs"], "verbs": ["get"], "apiGroups": ["cairn.dev"]}
    pat.may("one", one, where=kube)
    until(lambda: not pat.creates(edited), "pat may read that checkpoint")
    assert "list the jobs" in pat.creates(as_it_is)
    latest = execution(f"{name}-b", job(), restoreFrom={"namespace": kube.namespace, "latestOf": "theirs"})
    assert "ask for the right to list checkpoints there" in pat.creates(latest)
    assert not jane.patches("dagx", name, {"spec": {"paused": True}})
    pat.may("pods", {"apiGroups": [""], "resources": ["pods"], "verbs": ["create"]})
    until(lambda: not pat.creates(as_it_is), "pat may create pods")
