"""Random executions: acyclic graphs of 3 to 20 jobs, with every combination of policies."""

from __future__ import annotations

from random import Random

from cairn.core.checkpoint.trigger import Trigger
from simulation.server import Body

_COUNTS = (3, 3, 4, 4, 5, 5, 6, 8, 10, 14, 20)


def a_spec(chance: Random) -> Body:
    """One of them."""
    count = chance.choice(_COUNTS)
    spec: Body = {
        "jobs": [_job(chance, index) for index in range(count)],
        "paused": False,
        "scheduling": chance.choice(("Dependencies", "Dependencies", "Levels")),
        "parallelism": chance.choice((0, 0, 0, 1, 2, 4)),
        "failurePolicy": chance.choice(("Stop", "Continue", "Pause")),
        "timeoutSeconds": chance.choice((0, 0, 0, 0, 40)),
        "params": {"n": 1},
        "checkpoint": _checkpoint(chance, count),
    }
    if chance.random() < 0.1:
        spec["ttlSecondsAfterFinished"] = 20
    return spec


def _checkpoint(chance: Random, jobs: int) -> Body:
    triggers = [t.value for t in Trigger if chance.random() < 0.55]
    return {
        "enabled": chance.random() < 0.9, "triggers": triggers, "timeIntervalMs": chance.choice((3000, 10_000)),
        "criticalJobIds": [f"j{i}" for i in range(jobs) if chance.random() < 0.2],
        "onError": chance.choice(("Continue", "Continue", "Pause")),
        "retentionCount": chance.choice((1, 2, 3, 10, 50)),
        "deletionPolicy": chance.choice(("Retain", "Retain", "Delete")),
        "retention": {"afterDeletionSeconds": chance.choice((10, 604_800))},
    }  # fmt: skip


def _job(chance: Random, index: int) -> Body:
    most = min(index, chance.choice((1, 1, 2, 3)))
    above = sorted(chance.sample(range(index), most)) if index and chance.random() < 0.8 else []
    job: Body = {
        "id": f"j{index}", "image": "image:0", "dependsOn": [f"j{i}" for i in above],
        "runOn": chance.choice(("Success",) * 6 + ("Failure", "Done")),
        "retry": {"limit": chance.choice((0, 0, 1, 2)), "backoffSeconds": 1},
        "outputs": chance.choice(("Termination", "Termination", "Log")),
        "replay": chance.choice(("Safe", "Safe", "Unsafe")),
        "timeoutSeconds": chance.choice((0, 0, 0, 15)),
    }  # fmt: skip
    if chance.random() < 0.15:
        job["when"] = chance.choice(("params.n == 1", "params.n == 2", "params.missing"))
    return job
