"""Cairn as a library: write a DAG in Python, run it, follow it, save, rewind and fork it; and typed resources.

`from cairn.client import Client, Dag`; the resources are in `cairn.client.models`, the errors in `cairn.errors`.
"""

from __future__ import annotations

from cairn.client.changes import (
    Change,
    CheckpointFailed,
    CheckpointTaken,
    JobChange,
    PauseChange,
    PhaseChange,
    Rewound,
)
from cairn.client.client import Client
from cairn.client.dag import Dag, JobRef
from cairn.client.handle import Execution
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
    "Change",
    "CheckpointFailed",
    "CheckpointSettings",
    "CheckpointTaken",
    "Client",
    "DAGExecution",
    "Dag",
    "DeletionPolicy",
    "Execution",
    "FailurePolicy",
    "InvalidSpec",
    "Job",
    "JobChange",
    "JobDefaults",
    "JobRef",
    "OnError",
    "OutputsFrom",
    "Pause",
    "PauseChange",
    "PauseMode",
    "PhaseChange",
    "Profile",
    "Replay",
    "RestoreFrom",
    "Retention",
    "Retry",
    "Rewound",
    "RunOn",
    "Scheduling",
    "Trigger",
    "Violation",
]
