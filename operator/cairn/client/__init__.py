"""Cairn as a library: typed resources, and a way to write a DAG in Python.

`from cairn.client import Dag, Retry`; everything else is in `cairn.client.models`.
"""

from __future__ import annotations

from cairn.client.dag import Dag, JobRef
from cairn.client.models import (
    CheckpointSettings,
    DAGExecution,
    Job,
    JobDefaults,
    Pause,
    RestoreFrom,
    Retention,
    Retry,
)
from cairn.core.checkpoint.settings import DeletionPolicy, OnError, Profile
from cairn.core.checkpoint.trigger import Trigger
from cairn.core.spec import FailurePolicy, OutputsFrom, PauseMode, Replay, RunOn, Scheduling
from cairn.errors import InvalidSpec, Violation

__all__ = [
    "CheckpointSettings",
    "DAGExecution",
    "Dag",
    "DeletionPolicy",
    "FailurePolicy",
    "InvalidSpec",
    "Job",
    "JobDefaults",
    "JobRef",
    "OnError",
    "OutputsFrom",
    "Pause",
    "PauseMode",
    "Profile",
    "Replay",
    "RestoreFrom",
    "Retention",
    "Retry",
    "RunOn",
    "Scheduling",
    "Trigger",
    "Violation",
]
