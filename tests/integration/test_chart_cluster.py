"""The chart on a real API server, with both Helms: what it accepts, what an upgrade keeps, what an uninstall leaves.

Pods only pretend here: those of hooks succeed at once, those of the release run for ever.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cluster import Cluster
from support import chart
from support.checkpoints import Rows
from support.kube import Kube, Object, until
from support.operator_process import OperatorProcess
from support.postgres import PostgresServer
from support.service import applied
from support.users import User, kubeconfig_for

pytestmark = pytest.mark.cluster

Start = Callable[..., OperatorProcess]

FOR_EVER = {"podAnnotations": {"fake.cairn.dev/hang": "true"}}
KINDS = (
    "deployments,statefulsets,pods,jobs,services,configmaps,serviceaccounts,roles,rolebindings,leases,"
    "networkpolicies,poddisruptionbudgets,clusterroles,clusterrolebindings,validatingadmissionpolicies,"
    "validatingadmissionpolicybindings"
)  # fmt: skip


class Release:
    """A release in a namespace of its own, which serves nothing but that; the CRDs are there already."""

    def __init__(self, kube: Kube, name: str) -> None:
        self.kube, self.helm, self.name = kube, name, kube.namespace

    def values(self, **more: Object) -> Object:
        return {
            "crds": {"install": False}, "watch": {"namespaces": [self.kube.namespace]}, "operator": FOR_EVER,
            "api": FOR_EVER, "fullnameOverride": self.name, "networkPolicy": {"enabled": True},
        } | more  # fmt: skip

    def run(self, verb: str, *more: str, values: Object | None = None, check: bool = True) -> chart.Done:
        """Run Helm on this release."""
        return self._helm(verb, self.name, *more, values=values, check=check)

    def hooks(self) -> str:
        """The manifests of its hooks."""
        return self._helm("get", "hooks", self.name).stdout

    def _helm(self, *arguments: str, values: Object | None = None, check: bool = True) -> chart.Done:
        where = (f"--kubeconfig={self.kube.kubeconfig}", f"--namespace={self.kube.namespace}")
        return chart.run(self.helm, *arguments, *where, values=values, check=check)

    def left(self) -> list[str]:
        """What there is of it, in the namespace and beside."""
        found = self.kube.list(KINDS, "-l", f"app.kubernetes.io/instance={self.name}")
        return [f"{each['kind']}/{each['metadata']['name']}" for each in found]


@pytest.fixture(params=chart.HELMS)
def installed(request: pytest.FixtureRequest, kube: Kube) -> Iterator[Release]:
    """A release that was installed."""
    release = Release(kube, request.param)
    notes = release.run("install", str(chart.CHART), "--timeout=60s", values=release.values()).stdout
    assert f"helm test {release.name} --namespace {kube.namespace}" in notes and "kubectl get dagx hello" in notes
    assert "in the clear" in notes and "bundled Postgres" in notes
    yield release
    release.run("uninstall", "--no-hooks", check=False)


@pytest.mark.parametrize("mode", ["bundled", "external", "none"])
def test_the_api_server_accepts_everything(kube: Kube, mode: str) -> None:
    kube.kubectl("label", "namespace", kube.namespace, "pod-security.kubernetes.io/enforce=restricted",
                 "pod-security.kubernetes.io/warn=restricted")  # fmt: skip
    objects = chart.rendered(
        {"database": {"mode": mode, "external": {"secretName": "urls"}}, "networkPolicy": {"enabled": True},
         "watch": {"namespaces": [kube.namespace]}, "commonLabels": {"team": "x"},
         "api": {"ingress": {"enabled": True, "host": "cairn.example.com"}, "tls": {"secretName": "certificate"}}},
        namespace=kube.namespace,
    )  # fmt: skip
    kube.apply(*(each for each in objects if each["kind"] == "ServiceAccount"))  # a pod's must be there before it
    done = kube.kubectl("apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", "-",
                        input="\n---\n".join(map(json.dumps, objects)))  # fmt: skip
    assert done.stdout.count("(server dry run)") == len(objects)
    assert "Warning" not in done.stderr


def test_an_upgrade_keeps_passwords_and_selectors(installed: Release) -> None:
    kube, secret = installed.kube, f"{installed.name}-database"
    until(lambda: kube.get("deployment", f"{installed.name}-operator")["status"].get("readyReplicas") == 2, "two run")
    before = kube.get("secret", secret)["data"]
    kube.patch("lease", f"{installed.name}-operator", {"spec": {"holderIdentity": "operator-0"}})
    values = installed.values(operator=FOR_EVER | {"workers": 7})
    installed.run("upgrade", str(chart.CHART), "--timeout=60s", values=values)
    assert kube.get("secret", secret)["data"] == before
    assert kube.get("lease", f"{installed.name}-operator")["spec"]["holderIdentity"] == "operator-0", "nobody loses it"
    assert not kube.list("jobs"), "what migrated is gone once it has"
    installed.run("rollback", "1", "--timeout=60s")
    assert kube.get("secret", secret)["data"] == before


def test_a_migration_that_fails_changes_nothing(installed: Release) -> None:
    kube, operator = installed.kube, f"{installed.name}-operator"
    before = kube.get("deployment", operator)["metadata"]["generation"]
    kube.apply({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "no-jobs"},
                "spec": {"hard": {"count/jobs.batch": "0"}}})  # fmt: skip
    until(lambda: kube.get("resourcequota", "no-jobs").get("status", {}).get("used"), "the quota counts")
    values = installed.values(operator=FOR_EVER | {"workers": 7})
    done = installed.run("upgrade", str(chart.CHART), "--timeout=30s", values=values, check=False)
    assert done.returncode != 0 and "pre-upgrade hooks failed" in done.stderr
    assert kube.get("deployment", operator)["metadata"]["generation"] == before


def test_a_bundled_database_that_comes_later_is_migrated_once_it_is_there(installed: Release) -> None:
    without = installed.values(database={"mode": "none"})
    installed.run("upgrade", str(chart.CHART), "--timeout=60s", values=without)
    assert not has_database(installed)
    installed.run("upgrade", str(chart.CHART), "--timeout=60s", values=installed.values())
    assert has_database(installed)
    assert "helm.sh/hook: post-upgrade" in installed.hooks()
    installed.run("upgrade", str(chart.CHART), "--timeout=60s", values=installed.values())
    assert "helm.sh/hook: post-install,pre-upgrade" in installed.hooks()


def has_database(release: Release) -> bool:
    return f"StatefulSet/{release.name}-database" in release.left()


def test_an_uninstall_leaves_the_database_and_nothing_else(installed: Release) -> None:
    installed.run("uninstall", "--timeout=60s")
    until(lambda: not installed.left() or None, "nothing is left", show=installed.left)
    kube = installed.kube
    assert [each["metadata"]["name"] for each in kube.list("secrets")] == [f"{installed.name}-database"]
    assert [each["metadata"]["name"] for each in kube.list("pvc")] == [f"data-{installed.name}-database-0"]
    before = kube.get("secret", f"{installed.name}-database")["data"]
    installed.run("install", str(chart.CHART), "--timeout=60s", values=installed.values())
    assert kube.get("secret", f"{installed.name}-database")["data"] == before, "the volume can be opened again"


# --- What the pods of hooks do ---------------------------------------------------------------------------------------


def cairn(kubeconfig: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a verb of the command line as a process."""
    environment = os.environ | {"KUBECONFIG": str(kubeconfig), "DATABASE_URL": ""} | settings
    return subprocess.run(
        [sys.executable, "-m", "cairn", *arguments], env=environment, text=True, capture_output=True, check=False
    )  # fmt: skip


def test_before_an_uninstall_the_operator_stops_and_nothing_hangs(
    kube: Kube, fake_cluster: Cluster, tmp_path: Path
) -> None:
    name = f"let-{kube.namespace}"
    objects = chart.rendered(
        {"fullnameOverride": name, "watch": {"namespaces": [kube.namespace]}, "operator": FOR_EVER},
        namespace=kube.namespace,
    )  # fmt: skip
    for finalizers in (["cairn.dev/row"], ["cairn.dev/row", "example.com/other"]):
        kube.apply({"apiVersion": "cairn.dev/v1alpha1", "kind": "Checkpoint", "spec": {"executionRef": {"name": "x"}},
                    "metadata": {"name": f"ckpt-{len(finalizers)}", "finalizers": finalizers}})  # fmt: skip
    accounts = [each for each in objects if each["kind"] == "ServiceAccount"]
    deployment = chart.named(objects, "Deployment", f"{name}-operator")
    with applied(kube, [*accounts, *chart.rights(objects, "uninstall"), deployment]):
        account = User(kube, f"{name}-hooks")
        until(lambda: len(kube.list("pods")) == 2, "the operator runs")
        account.can(kube, "patch", "checkpoints.cairn.dev")
        kubeconfig = kubeconfig_for(fake_cluster, account.token(), tmp_path)
        where = (f"--deployment={kube.namespace}/{name}-operator", f"--namespace={kube.namespace}")
        done = cairn(kubeconfig, "detach", *where)
        assert done.returncode == 0, done.stderr
        assert "2 objects were waiting" in done.stdout
        assert kube.list("pods") == []
    finalizers = {each["metadata"]["name"]: each["metadata"].get("finalizers") for each in kube.list("ckpt")}
    assert finalizers == {"ckpt-1": None, "ckpt-2": ["example.com/other"]}
    kube.patch("ckpt", "ckpt-2", {"metadata": {"finalizers": None}})
    kube.kubectl("delete", "namespace", kube.namespace, "--timeout=60s")


@pytest.mark.postgres
def test_the_check_says_what_does_not_answer(
    solo: Kube, start_operator: Start, postgres: PostgresServer, rows: Rows, tmp_path: Path
) -> None:
    empty = postgres.new_database()
    operator = start_operator(solo, DATABASE_URL=empty)  # it is ready without tables: an install waits for that
    url = f"--operator=http://127.0.0.1:{operator.port}"
    (tmp_path / "url").write_text(rows.url)
    done = cairn(solo.kubeconfig, "check", url, "--database", DATABASE_URL_FILE=str(tmp_path / "url"))
    assert (done.returncode, done.stdout) == (0, "custom resources: ok\noperator: ok\ndatabase: ok\n"), done.stderr
    broken = cairn(solo.kubeconfig, "check", url, "--api=http://127.0.0.1:1", "--database", "--timeout=2",
                   DATABASE_URL=empty)  # fmt: skip
    assert broken.returncode == 1
    assert "operator: ok" in broken.stdout and "api: http://127.0.0.1:1/readyz does not answer" in broken.stdout
    assert "database: it lacks 0001" in broken.stdout
