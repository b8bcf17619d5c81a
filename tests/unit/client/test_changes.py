"""What a follower is told from one look at an execution to the next, and how it reads."""

from __future__ import annotations

from typing import Any

import pytest
from pytest import param

from cairn.client.changes import changes
from cairn.client.models import DAGExecution

ID = "checkpoint_1769846400000_a1b2c3"


def seen(paused: bool = False, **status: Any) -> DAGExecution:
    """An execution with that status."""
    body = {"metadata": {"name": "train"}, "kind": "DAGExecution", "spec": {"paused": paused}, "status": status}
    return DAGExecution.from_body(body)


def job(name: str, state: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "state": state, **more}


def told(before: DAGExecution | None, after: DAGExecution) -> list[str]:
    return [str(change) for change in changes(before, after)]


LAST = {"last": {"name": "train-1", "checkpointId": ID, "trigger": "manual"}}
FAILED = {"failed": {"name": "train-2", "reason": "TooLarge", "message": "3 MB"}}
REWOUND = {"mode": "Rewind", "checkpointId": ID, "checkpointName": "train-1", "at": "2026-01-31T09:00:00Z"}
PAUSED = {"phase": "Paused", "reason": "look"}


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        param(None, seen(), [], id="nothing is known yet: nothing is told"),
        param(None, seen(phase="Pending", jobs=[job("a", "Pending")]), [], id="what waits is not worth a word"),
        param(seen(), seen(phase="Running", jobs=[job("a", "Running", attempt=1)]),
              ["execution Running", "a Running"], id="a phase that begins, before its jobs"),
        param(seen(phase="Running"), seen(phase="Succeeded", jobs=[job("a", "Completed", attempt=1)]),
              ["a Completed", "execution Succeeded"], id="the end comes last"),
        param(seen(phase="Running"), seen(phase="Failed", reason="JobFailed", message="job a failed"),
              ["execution Failed: JobFailed, job a failed"], id="a bad end with its reason"),
        param(seen(jobs=[job("a", "Running", attempt=1)]), seen(jobs=[job("a", "Running", attempt=1, reason="Held")]),
              [], id="another reason is no other state"),
        param(seen(jobs=[job("a", "Running", attempt=1)]), seen(jobs=[job("a", "Running", attempt=2)]),
              ["a Running, attempt 2"], id="another attempt is"),
        param(seen(jobs=[job("a", "Running", attempt=1)]),
              seen(jobs=[job("a", "Failed", attempt=1, reason="Error", message="exited with code 1")]),
              ["a Failed: Error, exited with code 1"], id="a failure with its reason"),
        param(seen(), seen(True, pause=PAUSED), ["execution Paused: look"], id="a pause"),
        param(seen(True, pause=PAUSED | {"phase": "Draining"}), seen(True, pause=PAUSED), ["execution Paused: look"],
              id="how far it has come"),
        param(seen(True, pause=PAUSED), seen(), ["execution resumed"], id="its end"),
        param(seen(True, phase="Running", pause=PAUSED), seen(True, phase="Cancelled"), ["execution Cancelled"],
              id="a pause that the end takes off is no resume"),
        param(seen(), seen(checkpointing=LAST), ["checkpoint train-1 (manual)"], id="a checkpoint that was taken"),
        param(seen(checkpointing=LAST), seen(checkpointing=LAST), [], id="once"),
        param(seen(checkpointing=LAST), seen(checkpointing=LAST | FAILED),
              ["checkpoint train-2 failed: TooLarge, 3 MB"], id="one that could not be taken"),
        param(None, seen(phase="Running", checkpointing=LAST | FAILED, restoredFrom=REWOUND), ["execution Running"],
              id="what came before the first look is not told"),
        param(seen(phase="Succeeded", jobs=[job("a", "Completed", attempt=1)]),
              seen(phase="Running", jobs=[job("a", "Pending", attempt=1)], restoredFrom=REWOUND),
              ["execution Running", "execution rewound to train-1", "a Pending"], id="a rewind"),
        param(seen(), seen(restoredFrom=REWOUND | {"mode": "Fork"}), [], id="a fork is not put back"),
    ],
)  # fmt: skip
def test_changes(before: DAGExecution | None, after: DAGExecution, lines: list[str]) -> None:
    assert told(before, after) == lines
