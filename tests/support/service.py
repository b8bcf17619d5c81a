"""A whole Cairn for tests of the REST API: operator, database, and the API as an account with the chart's rights."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cluster import Cluster
from support import chart
from support.api_process import ApiProcess
from support.kube import Kube, Objects, until
from support.operator_process import OperatorProcess
from support.users import User, kubeconfig_for

EVERYTHING = [
    {"apiGroups": ["cairn.dev"], "resources": ["dagexecutions", "checkpoints"],
     "verbs": ["get", "list", "watch", "create", "patch", "delete"]},
    {"apiGroups": ["cairn.dev"], "resources": ["jobresults"], "verbs": ["get", "list"]},
    {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
]  # fmt: skip
# No answer is remembered, so that a test sees what was granted a moment ago; no quota is used up.
_SETTINGS = {
    "CAIRN_API_ACCESS_SECONDS": "0", "CAIRN_API_DENIED_SECONDS": "0", "CAIRN_API_RATE": "100000/second",
    "CAIRN_API_FAILED_RATE": "100000/second", "CAIRN_LOG_LEVEL": "INFO",
}  # fmt: skip


@dataclass(frozen=True)
class Service:
    """What runs."""

    cluster: Cluster
    home: Kube  # the namespace of those who name none
    kubeconfig: Path  # of the API's account
    operator: OperatorProcess
    api: ApiProcess
    settings: dict[str, str]
    role: str  # of who may do everything that a user may

    def editor(self, kube: Kube, name: str = "editor") -> str:
        """The token of who may do everything in one namespace."""
        user = User.new(kube, name)
        kube.kubectl("create", "rolebinding", name, f"--clusterrole={self.role}",
                     f"--serviceaccount={kube.namespace}:{name}")  # fmt: skip
        known = ("auth", "can-i", "create", "dagexecutions.cairn.dev", f"--as={user.username}")
        until(lambda: kube.kubectl(*known, check=False).returncode == 0, f"the rights of {name} are known")
        return user.token()

    def another(self, number: int, **settings: str) -> ApiProcess:
        """Another API of the same account, not started."""
        log = self.api.log.with_name(f"{self.api.log.stem}-{number}.log")
        return ApiProcess(self.kubeconfig, log, **self.settings | settings)


@contextmanager
def cluster_role(kube: Kube, name: str, rules: list[Any]) -> Iterator[str]:
    """A ClusterRole for a while."""
    kube.apply({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name},
                "rules": rules})  # fmt: skip
    yield name
    kube.kubectl("delete", "clusterrole", name)


@contextmanager
def applied(kube: Kube, objects: Objects) -> Iterator[None]:
    """Objects for a while."""
    kube.apply(*objects)
    try:
        yield
    finally:
        kube.kubectl("delete", "--ignore-not-found", "-f", "-", input="\n---\n".join(map(json.dumps, objects)))


@contextmanager
def deployed(there: Cluster, database: str, logs: Path) -> Iterator[Service]:
    """A service for a while; it serves namespaces `api-<pid>-*`."""
    run = f"api-{os.getpid()}"
    home = Kube(there.bin / "kubectl", there.kubeconfig, f"{run}-home")
    home.kubectl("create", "namespace", home.namespace)
    settings = _SETTINGS | {"DATABASE_URL": database, "CAIRN_API_DEFAULT_NAMESPACE": home.namespace}
    release = chart.rendered({"fullnameOverride": run}, namespace=home.namespace)
    with (
        TemporaryDirectory() as directory,
        applied(home, chart.rights(release, "api")),
        cluster_role(home, f"{run}-editor", EVERYTHING) as editor,
    ):
        account = User.new(home, f"{run}-api")
        account.can(home, "list", "namespaces", "--all-namespaces")
        kubeconfig = kubeconfig_for(there, account.token("--duration=24h"), Path(directory))
        operator = OperatorProcess(there.kubeconfig, logs / f"{run}-operator.log", f"{run}-*", DATABASE_URL=database,
                                   CAIRN_SWEEP_SECONDS="2", CAIRN_HOME_NAMESPACE=home.namespace)  # fmt: skip
        api = ApiProcess(kubeconfig, logs / f"{run}.log", **settings)
        try:
            yield Service(there, home, kubeconfig, operator.start(), api.start(), settings, editor)
        finally:
            with suppress(AssertionError):  # it was not started
                api.stop()
            with suppress(AssertionError):
                operator.stop()
            home.kubectl("delete", "namespace", home.namespace, "--wait=false")
