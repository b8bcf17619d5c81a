"""The settings of checkpoints: when they are taken by themselves, and how long they are kept.

Rules:

1. A field that is set wins over the profile, the profile over the built-in value; null is not set, an empty list is.
2. A profile says only what it names, all else is built in: the defaults of `CheckpointSettings`.
3. `enabled` and `triggers` govern the automatic checkpoints only: whoever creates one is answered, and what there is
   is pruned, whatever stands here. So `enabled: false` leaves the other settings as they are.
4. This module imports nothing of the core, so that spec, status and state may all use its words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from cairn.core.checkpoint.trigger import Trigger as Trigger

MAX_SHOWN_JOBS = 20  # ids of critical jobs in status; it must stay small


class Profile(StrEnum):
    """A set of values for a kind of work."""

    DEVELOPMENT = "Development"
    PRODUCTION = "Production"
    LONG_RUNNING = "LongRunning"


class OnError(StrEnum):
    """What a checkpoint that failed does to its execution."""

    CONTINUE = "Continue"
    PAUSE = "Pause"


class DeletionPolicy(StrEnum):
    """What happens to the checkpoints when their execution is deleted."""

    RETAIN = "Retain"
    DELETE = "Delete"


@dataclass(frozen=True, slots=True)
class CheckpointSettings:
    """What holds for the checkpoints of one execution. Of a limit, 0 means none."""

    enabled: bool = True
    profile: Profile | None = None
    triggers: frozenset[Trigger] = frozenset({Trigger.MANUAL, Trigger.LEVEL_COMPLETED})
    time_interval_ms: int = 300_000
    retention_count: int = 10
    max_age_seconds: int = 0
    max_bytes: int = 0
    after_deletion_seconds: int = 604_800
    critical_job_ids: frozenset[str] = frozenset()
    on_error: OnError = OnError.CONTINUE
    deletion_policy: DeletionPolicy = DeletionPolicy.RETAIN


_PROFILES: Mapping[Profile, Mapping[str, Any]] = {
    Profile.DEVELOPMENT: {"triggers": frozenset({Trigger.MANUAL}), "retention_count": 5},
    Profile.PRODUCTION: {
        "triggers": frozenset({Trigger.MANUAL, Trigger.BEFORE_CRITICAL, Trigger.LEVEL_COMPLETED}),
        "retention_count": 20,
    },
    Profile.LONG_RUNNING: {
        "triggers": frozenset({Trigger.TIME_BASED, Trigger.JOB_COMPLETED}),
        "time_interval_ms": 600_000,
        "retention_count": 50,
    },
}

# The field of each setting in the custom resource, and what makes it of a JSON value.
_FIELDS: Mapping[str, tuple[str, Any]] = {
    "enabled": ("enabled", bool),
    "profile": ("profile", Profile),
    "triggers": ("triggers", lambda words: frozenset(map(Trigger, words))),
    "timeIntervalMs": ("time_interval_ms", int),
    "retentionCount": ("retention_count", int),
    "criticalJobIds": ("critical_job_ids", frozenset),
    "onError": ("on_error", OnError),
    "deletionPolicy": ("deletion_policy", DeletionPolicy),
}
_RETENTION_FIELDS: Mapping[str, tuple[str, Any]] = {
    "maxAgeSeconds": ("max_age_seconds", int),
    "maxBytes": ("max_bytes", int),
    "afterDeletionSeconds": ("after_deletion_seconds", int),
}


def resolve(given: Mapping[str, Any]) -> CheckpointSettings:
    """The settings that hold under a `spec.checkpoint` that has been checked (see `core.parse`)."""
    explicit = _read(given, _FIELDS) | _read(given.get("retention") or {}, _RETENTION_FIELDS)
    profile = explicit.get("profile")
    return CheckpointSettings(**{**(_PROFILES[profile] if profile else {}), **explicit})


def to_wire(settings: CheckpointSettings) -> dict[str, Any]:
    """The settings for `status.checkpointing.settings`, always in the same order; of critical jobs, the first few."""
    critical = sorted(settings.critical_job_ids)
    wire: dict[str, Any] = {"enabled": settings.enabled}
    if settings.profile:
        wire["profile"] = settings.profile.value
    return wire | {
        "triggers": [trigger.value for trigger in Trigger if trigger in settings.triggers],
        "timeIntervalMs": settings.time_interval_ms,
        "retentionCount": settings.retention_count,
        "maxAgeSeconds": settings.max_age_seconds,
        "maxBytes": settings.max_bytes,
        "afterDeletionSeconds": settings.after_deletion_seconds,
        "criticalJobIds": critical[:MAX_SHOWN_JOBS],
        "criticalJobCount": len(critical),
        "onError": settings.on_error.value,
        "deletionPolicy": settings.deletion_policy.value,
    }


def _read(given: Mapping[str, Any], fields: Mapping[str, tuple[str, Any]]) -> dict[str, Any]:
    return {name: make(given[key]) for key, (name, make) in fields.items() if given.get(key) is not None}
