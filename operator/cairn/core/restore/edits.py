"""What is another about a job than it was when it ran, as far as that decides what it would do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cairn.core.spec import JobSpec


def edits(old: JobSpec | None, new: JobSpec, ran: str) -> list[str]:
    """What has changed, in words; empty if an attempt of `new` would do what was done.

    `old` is the job as the checkpoint's spec has it, `ran` the definition that its attempt had (an edit after it had
    started is in the one and not in the other; either will do). Free at any time, since none of them changes what an
    attempt does: retry, replay, group, and the order of dependencies.
    """
    found: list[str] = []
    if new.digest != ran and (old.digest != new.digest if old else bool(ran)):
        found += _definition(old, new) or ["its definition"]
    if old is None:
        return found
    if set(old.depends_on) != set(new.depends_on):
        found.append("dependsOn")
    if old.run_on is not new.run_on:
        found.append("runOn")
    if old.when != new.when:
        found.append("when")
    return found


def _definition(old: JobSpec | None, new: JobSpec) -> list[str]:
    """Which fields of the pod template, timeout or outputs differ."""
    if old is None:
        return []
    found = [*_template(old.pod_template, new.pod_template)]
    if old.timeout_seconds != new.timeout_seconds:
        found.append("timeoutSeconds")
    if old.outputs is not new.outputs:
        found.append("outputs")
    return found


def _template(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    before, after = _parts(old), _parts(new)
    every = dict.fromkeys([*before, *after])
    return [key for key in every if before.get(key) != after.get(key)]


def _parts(template: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a pod template by what a person calls them: `image` for that of the only container."""
    spec = dict(template.get("spec") or {})
    containers = spec.pop("containers", None) or []
    parts = {key: value for key, value in template.items() if key != "spec"} | spec
    if len(containers) == 1:
        return {**parts, **containers[0]}
    return parts | {f"container {c.get('name', '')}": c for c in containers}
