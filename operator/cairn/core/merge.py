"""How a job comes to its pod template: `jobDefaults` under the job, the short form folded into the main container.

Rules:

1. null is not set. Maps merge; other values replace what lies under them.
2. Lists of named things merge by name (volumeMounts by mountPath): containers field by field, everything else whole,
   since a variable or a volume made of two halves is none. Other lists replace.
3. The main container is the one called `main`, else the first, else a new one called `main`.
4. Within a layer the short form lies over the pod template; the job's pod template lies over the defaults' short form.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cairn.names import MAIN_CONTAINER

SHORT_FORM = ("image", "command", "args", "env", "resources")

_KEYS = {
    "containers": "name",
    "initContainers": "name",
    "volumes": "name",
    "env": "name",
    "imagePullSecrets": "name",
    "volumeMounts": "mountPath",
}
_DEEP = frozenset({"containers", "initContainers"})


def without_nulls(value: Any) -> Any:
    """A copy in which what is null is not there."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


def merge(under: Any, over: Any, field: str = "") -> Any:
    """`over` laid on `under`, both free of nulls; `field` is the name that both stand under."""
    if isinstance(under, dict) and isinstance(over, dict):
        return {**under, **{key: merge(under.get(key), value, key) for key, value in over.items()}}
    if isinstance(under, list) and isinstance(over, list) and field in _KEYS:
        return _merge_named(under, over, field)
    return over


def pod_template(defaults: Mapping[str, Any], job: Mapping[str, Any]) -> dict[str, Any]:
    """The complete pod template of a job, given its own fields and the defaults, both free of nulls."""
    template = merge(defaults.get("podTemplate", {}), job.get("podTemplate", {}))
    spec = template.get("spec", {})
    containers = spec.get("containers", [])
    names = [container["name"] for container in containers]
    name = MAIN_CONTAINER if MAIN_CONTAINER in names or not names else names[0]
    main: dict[str, Any] = {"name": name}
    for layer in (defaults, job):
        main = merge(merge(main, _own(layer, name)), short_form(layer))
    whole = [main if container["name"] == name else container for container in containers] or [main]
    return {**template, "spec": {**spec, "containers": whole}}


def short_form(layer: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a job that are really fields of its main container."""
    return {field: layer[field] for field in SHORT_FORM if field in layer}


def _own(layer: Mapping[str, Any], name: str) -> dict[str, Any]:
    containers = layer.get("podTemplate", {}).get("spec", {}).get("containers", [])
    return next((container for container in containers if container["name"] == name), {})


def _merge_named(under: list[dict[str, Any]], over: list[dict[str, Any]], field: str) -> list[dict[str, Any]]:
    key = _KEYS[field]
    merged = {item[key]: item for item in under}
    for item in over:
        merged[item[key]] = merge(merged.get(item[key]), item) if field in _DEEP else item
    return list(merged.values())
