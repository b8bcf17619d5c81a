"""Users as the API server knows them: service accounts with tokens, and with just the rights they were given."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from cluster import Cluster
from cluster.layout import Layout
from support.kube import Kube, until


@dataclass(frozen=True)
class User:
    """A service account in a namespace."""

    kube: Kube
    name: str

    @classmethod
    def new(cls, kube: Kube, name: str) -> User:
        """One that has no rights yet."""
        kube.kubectl("create", "serviceaccount", name)
        return cls(kube, name)

    @property
    def username(self) -> str:
        return f"system:serviceaccount:{self.kube.namespace}:{self.name}"

    def token(self, *more: str) -> str:
        return self.kube.kubectl("create", "token", self.name, *more).stdout.strip()

    def may(self, where: Kube, verb: str, resource: str, name: str = "") -> None:
        """Give a right in a namespace, to one object only if it is named; it holds on return."""
        role = f"{self.name}-{verb}"
        only = [f"--resource-name={name}"] if name else []
        where.kubectl("create", "role", role, f"--verb={verb}", f"--resource={resource}", *only)
        where.kubectl("create", "rolebinding", role, f"--role={role}", self._account)
        kind, _, subresource = resource.partition("/")
        what = f"{kind}/{name}" if name else kind
        self.can(where, verb, what, f"--subresource={subresource}")

    def may_all(self, where: Kube, rights: Mapping[str, str]) -> None:
        """Give rights in a namespace: verbs, separated by spaces, by `resource.group`; they hold on return."""
        rules = [
            {"apiGroups": [resource.partition(".")[2]], "resources": [resource.partition(".")[0]],
             "verbs": verbs.split()} for resource, verbs in rights.items()
        ]  # fmt: skip
        role = f"{self.kube.namespace}-{self.name}"
        kind = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": role}}
        where.apply(kind | {"rules": rules})
        where.kubectl("create", "rolebinding", role, f"--role={role}", self._account)
        for resource, verbs in rights.items():
            kind_of, _, subresource = resource.partition(".")[0].partition("/")
            group = resource.partition(".")[2]
            for verb in verbs.split():
                what = f"{kind_of}.{group}" if group else kind_of
                self.can(where, verb, what, f"--subresource={subresource}")

    @property
    def _account(self) -> str:
        return f"--serviceaccount={self.kube.namespace}:{self.name}"

    def can(self, where: Kube, *act: str) -> None:
        """Wait until the API server knows of a right."""
        ask = ("auth", "can-i", *act, f"--as={self.username}")
        until(lambda: where.kubectl(*ask, check=False).returncode == 0, f"the right to {act} is known")

    def may_everywhere(self, verb: str, resource: str) -> str:
        """Give a right in all namespaces; the name of what gives it."""
        name = f"{self.kube.namespace}-{self.name}"
        self.kube.kubectl("create", "clusterrole", name, f"--verb={verb}", f"--resource={resource}")
        self.bind(name, name, known=(verb, resource))
        return name

    def bind(self, role: str, name: str, *, known: tuple[str, ...] = ()) -> None:
        """Give it a ClusterRole in all namespaces; it holds on return if one of its rights is named."""
        self.kube.kubectl("create", "clusterrolebinding", name, f"--clusterrole={role}", self._account)
        if known:
            self.can(self.kube, *known, "--all-namespaces")


def kubeconfig_for(there: Cluster, token: str, directory: Path) -> Path:
    """The cluster's kubeconfig for whoever has a token."""
    config: dict[str, Any] = yaml.safe_load(there.kubeconfig.read_text())
    config["users"] = [{"name": user["name"], "user": {"token": token}} for user in config["users"]]
    path = directory / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return path


def older(token: str, there: Cluster, seconds: int) -> str:
    """A token as it would have been made so many seconds ago, signed as the API server does; it lasts an hour."""
    header, payload, _ = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    claims |= {name: claims[name] - seconds for name in ("exp", "iat", "nbf")}
    signed = f"{header}.{_coded(json.dumps(claims).encode())}"
    key = Layout.of(there.name).root / "pki" / "service-account.key"
    command = ["openssl", "dgst", "-sha256", "-sign", str(key)]
    return f"{signed}.{_coded(subprocess.run(command, input=signed.encode(), capture_output=True, check=True).stdout)}"


def _coded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
