"""Manifests of the objects Cairn creates for an attempt: the Kubernetes Job, its inputs, its result.

Builders are pure: they return what is to be sent and send nothing. Safe defaults are those of the restricted Pod
Security Standard (https://kubernetes.io/docs/concepts/security/pod-security-standards/); whatever the user's pod
template says wins over a default.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from cairn import names
from cairn.core import templates
from cairn.core.naming import attempt_name, inputs_name
from cairn.core.outputs import Outputs
from cairn.core.spec import JobSpec
from cairn.core.status import JobRecord
from cairn.core.times import format_time

Manifest = dict[str, Any]

_SAID_LIMIT = 4096
_PART_LIMIT = 900_000  # an object's data must stay below 1 MiB


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose objects these are: an execution's, unless said."""

    namespace: str
    name: str
    uid: str
    kind: str = names.EXECUTION_KIND
    shard: str = ""  # whose operator works on it; empty: the default one


def owner(identity: Identity) -> Manifest:
    """The owner reference to the execution: the garbage collector removes what a deleted execution leaves."""
    return {
        "apiVersion": names.API_VERSION, "kind": names.EXECUTION_KIND, "name": identity.name, "uid": identity.uid,
        "controller": True, "blockOwnerDeletion": True,
    }  # fmt: skip


def belonging(identity: Identity) -> dict[str, str]:
    """The labels of whatever is made for an execution; with its shard, so that the same operator is told of it."""
    return {
        names.LABEL_EXECUTION: identity.name[:63].rstrip("-."),
        names.LABEL_EXECUTION_UID: identity.uid,
        names.LABEL_MANAGED_BY: "cairn",
    } | ({names.LABEL_SHARD: identity.shard} if identity.shard else {})


def labels(identity: Identity, job: str, attempt: int) -> dict[str, str]:
    """The labels by which people and the operator find the objects of an attempt."""
    return belonging(identity) | {names.LABEL_JOB: job, names.LABEL_ATTEMPT: str(attempt)}


# --- Inputs ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Inputs:
    """What one job gets from upstream: the objects that carry it, and how they are mounted and handed over."""

    objects: tuple[Manifest, ...] = ()
    items: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = ()  # (object, ((key, path), …))
    inline: str = ""  # all inputs as one JSON object, while short


def _pack(entries: Iterable[tuple[str, str, str]]) -> list[list[tuple[str, str, str]]]:
    """`(key, path, text)` in parts that each fit into one object."""
    parts: list[list[tuple[str, str, str]]] = []
    size = _PART_LIMIT + 1
    for entry in entries:
        needed = len(entry[2].encode()) + len(entry[0])
        if size + needed > _PART_LIMIT:
            parts.append([])
            size = 0
        parts[-1].append(entry)
        size += needed
    return parts


def inputs(identity: Identity, params: Mapping[str, Any], upstream: Mapping[str, Outputs]) -> Inputs:
    """The inputs of a job: one object per distinct set of upstream results and params, none if there is nothing in it.

    `upstream` maps the job ids of dependencies that have outputs to those, in spec order.
    """
    entries = [(f"input.{job}.json", f"inputs/{job}.json", out.text) for job, out in upstream.items()]
    if params:
        entries.insert(0, ("params.json", "params.json", json.dumps(params, ensure_ascii=False)))
    digest = json.dumps([params, *((job, out.digest) for job, out in upstream.items())])
    objects, items = [], []
    for part, packed in enumerate(_pack(entries)):
        name = inputs_name(identity.name, identity.uid, digest, part)
        objects.append(_inputs_object(identity, name, {key: text for key, _, text in packed}))
        items.append((name, tuple((key, path) for key, path, _ in packed)))
    text = "{" + ",".join(f"{json.dumps(job)}:{out.text}" for job, out in upstream.items()) + "}"
    short = upstream and len(text.encode()) <= names.INLINE_INPUTS_LIMIT
    return Inputs(tuple(objects), tuple(items), text if short else "")


def _inputs_object(identity: Identity, name: str, data: dict[str, str]) -> Manifest:
    return {
        "apiVersion": "v1", "kind": "ConfigMap", "immutable": True, "data": data,
        "metadata": {
            "name": name, "namespace": identity.namespace, "ownerReferences": [owner(identity)],
            "labels": belonging(identity),
        },
    }  # fmt: skip


# --- The pod ---------------------------------------------------------------------------------------------------------


def _with_defaults(given: Any, defaults: Mapping[str, Any]) -> Any:
    """`given` with whatever it does not say taken from `defaults`, maps merged at every depth."""
    if not isinstance(given, Mapping):
        return deepcopy(defaults) if given is None else given
    return dict(given) | {
        key: _with_defaults(given.get(key), value) if isinstance(value, Mapping) else given.get(key, value)
        for key, value in defaults.items()
    }


_SAFE_POD = {
    "restartPolicy": "Never",
    "automountServiceAccountToken": False,
    "enableServiceLinks": False,
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
}
_SAFE_CONTAINER = {"securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}}
_RUN_AS_USER = 65532  # "nonroot" of the distroless images: for images that name no user, or root


def _safe(pod: Manifest) -> Manifest:
    """The pod spec under the restricted Pod Security Standard, and without a token unless an account is named."""
    defaults: Manifest = dict(_SAFE_POD)
    security = pod.get("securityContext") or {}
    if "runAsUser" not in security and security.get("runAsNonRoot", True):
        defaults["securityContext"] = dict(_SAFE_POD["securityContext"]) | {"runAsUser": _RUN_AS_USER}  # type: ignore[call-overload]
    if pod.get("serviceAccountName"):
        defaults.pop("automountServiceAccountToken")
    pod = _with_defaults(pod, defaults)
    for group in ("initContainers", "containers"):
        if group in pod:
            pod[group] = [_with_defaults(c, _SAFE_CONTAINER) for c in pod[group]]
    return pod


def _variables(identity: Identity, record: JobRecord, given: Inputs) -> list[Manifest]:
    values = {
        "CAIRN_EXECUTION": identity.name, "CAIRN_NAMESPACE": identity.namespace, "CAIRN_JOB": record.id,
        "CAIRN_ATTEMPT": str(record.attempt),
    }  # fmt: skip
    if given.inline:
        # Kubernetes expands $(VAR) in values; a doubled dollar stands for one.
        values["CAIRN_INPUTS"] = given.inline.replace("$", "$$")
    return [{"name": name, "value": value} for name, value in values.items()]


def _volume(given: Inputs) -> Manifest:
    return {
        "name": names.VOLUME,
        "projected": {
            "defaultMode": 0o444,
            "sources": [
                {"configMap": {"name": name, "items": [{"key": key, "path": path} for key, path in items]}}
                for name, items in given.items
            ],
        },
    }


def _with_inputs(pod: Manifest, variables: list[Manifest], given: Inputs) -> Manifest:
    mount = {"name": names.VOLUME, "mountPath": names.MOUNT_PATH, "readOnly": True}
    for group in ("initContainers", "containers"):
        for container in pod.get(group, ()):
            container["env"] = variables + list(container.get("env") or ())
            if given.items:
                container["volumeMounts"] = [*(container.get("volumeMounts") or ()), mount]
    if given.items:
        pod["volumes"] = [*(pod.get("volumes") or ()), _volume(given)]
    return pod


def _main(pod: Manifest) -> Manifest:
    containers: list[Manifest] = pod["containers"]
    return next((c for c in containers if c.get("name") == names.MAIN_CONTAINER), containers[0])


# --- The Kubernetes Job ----------------------------------------------------------------------------------------------


def kubernetes_job(
    identity: Identity, job: JobSpec, record: JobRecord, given: Inputs, template: Mapping[str, Any]
) -> Manifest:
    """The Kubernetes Job of one attempt. `template` is the job's pod template with its references resolved.

    Attempts are Cairn's: `backoffLimit: 0`, one pod, `restartPolicy: Never`; `podReplacementPolicy: Failed`, so that
    no second pod is started while the first still terminates.
    """
    meta = template.get("metadata") or {}
    own = labels(identity, job.id, record.attempt)
    # A shard is the execution's to have: another one's operator would never see this Job.
    user_labels = {key: value for key, value in (meta.get("labels") or {}).items() if key != names.LABEL_SHARD}
    user_annotations = meta.get("annotations") or {}
    pod = _with_inputs(_safe(deepcopy(dict(template["spec"]))), _variables(identity, record, given), given)
    _main(pod).setdefault("terminationMessagePolicy", "FallbackToLogsOnError")
    spec: Manifest = {
        "backoffLimit": 0, "parallelism": 1, "completions": 1, "podReplacementPolicy": "Failed", "suspend": False,
        "template": {
            "metadata": {"labels": user_labels | own, "annotations": dict(user_annotations)}, "spec": pod,
        },
    }  # fmt: skip
    if job.timeout_seconds:
        spec["activeDeadlineSeconds"] = job.timeout_seconds
    return {
        "apiVersion": "batch/v1", "kind": "Job", "spec": spec,
        "metadata": {
            "name": attempt_name(identity.name, identity.uid, job.id, record.attempt),
            "namespace": identity.namespace,
            "labels": user_labels | own,
            "annotations": user_annotations | {names.ANNOTATION_DEFINITION: record.definition},
            "ownerReferences": [owner(identity)],
        },
    }  # fmt: skip


def as_held(manifest: Manifest, generation: int) -> Manifest:
    """The same Kubernetes Job created suspended, marked with the execution's generation that holds it."""
    meta = manifest["metadata"]
    annotations = meta["annotations"] | {names.ANNOTATION_HELD: str(generation)}
    return manifest | {
        "metadata": meta | {"annotations": annotations},
        "spec": manifest["spec"] | {"suspend": True},
    }


def resolve(job: JobSpec, params: Mapping[str, Any], upstream: Mapping[str, Outputs]) -> Mapping[str, Any]:
    """The job's pod template with its references resolved. Raises `templates.TemplateError`."""
    if not templates.references(job.pod_template):
        return job.pod_template
    values = {name: out.value for name, out in upstream.items()}
    return templates.resolve(job.pod_template, params=params, outputs=values)


# --- The result ------------------------------------------------------------------------------------------------------


def result(identity: Identity, record: JobRecord, given: Outputs | None, said: str) -> Manifest:
    """The JobResult of an ended attempt: its outputs exactly as written, or how and why it failed."""
    spec: Manifest = {
        "execution": identity.name, "executionUid": identity.uid, "job": record.id, "attempt": record.attempt,
        "state": record.state.value, "reason": record.reason, "message": said[:_SAID_LIMIT],
        "startedAt": format_time(record.started_at) if record.started_at else None,
        "finishedAt": format_time(record.finished_at) if record.finished_at else None,
        "exitCode": record.exit_code,
    }  # fmt: skip
    if given is not None:
        spec |= {"outputs": given.text, "digest": given.digest}
    return {
        "apiVersion": names.API_VERSION, "kind": names.RESULT_KIND,
        "metadata": {
            "name": attempt_name(identity.name, identity.uid, record.id, record.attempt),
            "namespace": identity.namespace,
            "labels": labels(identity, record.id, record.attempt),
            "ownerReferences": [owner(identity)],
        },
        "spec": {key: value for key, value in spec.items() if value not in (None, "")},
    }  # fmt: skip
