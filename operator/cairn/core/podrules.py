"""What a pod template may not say because Cairn says it: whatever is reserved or decides about an attempt's life.

Checked where the user wrote it (in `jobDefaults`, in a job), so that one mistake in the defaults is one violation.
What only the merged template shows (an image from nowhere, two deadlines) is checked on that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from posixpath import normpath
from typing import Any

from cairn.core.schema import field_path
from cairn.errors import Violation
from cairn.names import GROUP, MAIN_CONTAINER, MOUNT_PATH, VOLUME

PREFIX = f"{GROUP}/"
VARIABLE_PREFIX = "CAIRN_"


def written(layer: Mapping[str, Any], path: str) -> Iterator[Violation]:
    """Everything wrong in one layer: a job or the defaults, as written, free of nulls."""
    yield from _variables(layer, path)
    template = layer.get("podTemplate", {})
    path = field_path(path, "podTemplate")
    for kind in ("labels", "annotations"):
        for key in template.get("metadata", {}).get(kind, {}):
            if key.startswith(PREFIX):
                yield Violation(field_path(path, "metadata", kind, key), f"{PREFIX} is Cairn's own: use another prefix")
    yield from _pod(template.get("spec", {}), field_path(path, "spec"))


def merged(template: Mapping[str, Any], timeout_seconds: int, path: str, *, short: bool) -> Iterator[Violation]:
    """Everything wrong in the complete template of a job; `short` says that the job has no pod template of its own."""
    spec = template["spec"]
    pod_path = field_path(path, "podTemplate", "spec")
    for kind in ("initContainers", "containers"):
        for place, container in enumerate(spec.get(kind, [])):
            if not container.get("image"):
                name = container["name"]
                where = path if short and name == MAIN_CONTAINER else field_path(pod_path, kind, place)
                yield Violation(f"{where}.image", f"container {name!r} has no image: set it here or in jobDefaults")
    if timeout_seconds and "activeDeadlineSeconds" in spec:
        yield Violation(
            f"{pod_path}.activeDeadlineSeconds", "is what timeoutSeconds becomes, which is set too: keep only that"
        )


def _pod(spec: Mapping[str, Any], path: str) -> Iterator[Violation]:
    if spec.get("restartPolicy", "Never") != "Never":
        yield Violation(f"{path}.restartPolicy", "must be Never: Cairn itself tries again, see `retry`")
    for place, volume in enumerate(spec.get("volumes", [])):
        if volume["name"] == VOLUME:
            yield Violation(f"{path}.volumes[{place}].name", f"{VOLUME!r} is Cairn's own volume: use another name")
    seen: set[str] = set()
    for kind in ("initContainers", "containers"):
        for place, container in enumerate(spec.get(kind, [])):
            where = f"{path}.{kind}[{place}]"
            if container["name"] in seen:
                yield Violation(f"{where}.name", f"there is another container {container['name']!r}: use another name")
            seen.add(container["name"])
            yield from _variables(container, where)
            yield from _mounts(container, where)


def _variables(container: Mapping[str, Any], path: str) -> Iterator[Violation]:
    for place, variable in enumerate(container.get("env", [])):
        if variable["name"].startswith(VARIABLE_PREFIX):
            yield Violation(f"{path}.env[{place}].name", f"{VARIABLE_PREFIX}* is Cairn's own: use another name")


def _mounts(container: Mapping[str, Any], path: str) -> Iterator[Violation]:
    for place, mount in enumerate(container.get("volumeMounts", [])):
        if f"{normpath('/' + mount['mountPath'].lstrip('/'))}/".startswith(f"{MOUNT_PATH}/"):
            yield Violation(f"{path}.volumeMounts[{place}].mountPath", f"{MOUNT_PATH} is Cairn's own: use another path")
