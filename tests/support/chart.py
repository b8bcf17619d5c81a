"""The chart as Helm renders it, as objects that tests can ask."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from cluster import binaries
from cluster.layout import BIN
from support.kube import Object, Objects

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts" / "cairn"
HELMS = ("helm3", "helm4")
NAMESPACE = "cairn-system"
_POD_TEMPLATES = ("Deployment", "StatefulSet", "Job")

Values = Mapping[str, Any]
Done = subprocess.CompletedProcess[str]


@cache
def helm(name: str = "helm4") -> Path:
    """The program, built if need be."""
    binaries.build(name)
    return BIN / name


def run(name: str, *arguments: str, values: Values | None = None, check: bool = True) -> Done:
    """Run a Helm with values; a failure shows what it said."""
    given = ("--values=-",) if values is not None else ()
    done = subprocess.run(
        [str(helm(name)), *arguments, *given], input=json.dumps(values), text=True, capture_output=True, check=False
    )  # fmt: skip
    assert not check or done.returncode == 0, f"{name} {' '.join(arguments)}: {done.stderr}"
    return done


def rendered(values: Values | None = None, *more: str, name: str = "helm4", namespace: str = NAMESPACE) -> Objects:
    """Everything that a release `cairn` would consist of, hooks included."""
    return list(_rendered(json.dumps(values or {}, sort_keys=True), more, name, namespace))


@cache
def _rendered(values: str, more: tuple[str, ...], name: str, namespace: str) -> tuple[Object, ...]:
    done = run(name, "template", "cairn", str(CHART), f"--namespace={namespace}", *more, values=json.loads(values))
    return tuple(body for body in yaml.safe_load_all(done.stdout) if body)


def named(objects: Objects, kind: str, name: str) -> Object:
    """The only one of that kind and name."""
    [found] = [each for each in objects if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return found


def has(objects: Objects, kind: str, name: str = "") -> bool:
    """Whether there is one of that kind, and name if one is given."""
    return any(each["kind"] == kind and name in ("", each["metadata"]["name"]) for each in objects)


def pods(objects: Objects) -> Iterator[tuple[str, Object]]:
    """The specs of all pods, with what makes them."""
    for each in objects:
        if each["kind"] in _POD_TEMPLATES:
            yield f"{each['kind']}/{each['metadata']['name']}", each["spec"]["template"]["spec"]
        elif each["kind"] == "Pod":
            yield f"Pod/{each['metadata']['name']}", each["spec"]


def containers(pod: Object) -> Objects:
    """All of them, those that run first included."""
    return [*pod.get("initContainers", []), *pod["containers"]]


def container(objects: Objects, kind: str, name: str) -> Object:
    """The only container of what makes pods."""
    [found] = dict(pods(objects))[f"{kind}/{name}"]["containers"]
    return dict(found)


def variables(objects: Objects, kind: str, name: str) -> dict[str, str]:
    """Its variables that have a value of their own."""
    return {each["name"]: each["value"] for each in container(objects, kind, name)["env"] if "value" in each}


def rights(objects: Objects, component: str) -> Objects:
    """The roles and bindings of one component, as they can be applied to a cluster."""
    kinds = ("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding")
    return [
        each for each in objects
        if each["kind"] in kinds and each["metadata"]["labels"].get("app.kubernetes.io/component") == component
    ]  # fmt: skip
