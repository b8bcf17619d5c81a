"""Why a checkpoint is taken."""

from __future__ import annotations

from enum import StrEnum


class Trigger(StrEnum):
    """Why a checkpoint was taken."""

    MANUAL = "manual"
    TIME_BASED = "time-based"
    JOB_COMPLETED = "job-completed"
    LEVEL_COMPLETED = "level-completed"
    BEFORE_CRITICAL = "before-critical"
