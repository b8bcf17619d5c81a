"""Checkpoint objects whose status other hands have written: one costs itself, and no other."""

from __future__ import annotations

from typing import Any

import pytest

from cairn import names
from cairn.core.checkpoint import objects
from cairn.errors import DamagedPayload

READY = {
    "phase": "Ready", "checkpointId": "checkpoint_1_a", "digest": "d" * 64, "createdAt": "2026-01-31T08:00:00Z",
    "executionUid": "u", "state": "json:{}",
}  # fmt: skip


def body(status: dict[str, Any]) -> dict[str, Any]:
    meta = {"namespace": "n", "name": "c", "uid": "1", "resourceVersion": "1"}
    meta["creationTimestamp"] = "2026-01-31T08:00:00Z"
    return {"metadata": meta, "spec": {"executionRef": {"name": "x"}}, "status": status}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"parent": {"checkpointId": "checkpoint_0_a"}}, "status.parent: 'digest' is missing"),
        ({"createdAt": "9999-12-31T23:59:59-23:00"}, "status.createdAt: time beyond the years of UTC"),
        ({"createdAt": None}, "status: Ready, but without"),
        ({"checkpointId": ""}, "status: Ready, but without"),
    ],
    ids=["half a parent", "no time", "no createdAt", "no id"],
)
def test_a_broken_status_costs_that_checkpoint_and_no_other(wrong: dict[str, Any], said: str) -> None:
    found = objects.view(body(READY | wrong))
    assert found.is_broken and not found.is_ready and found.has_state
    assert found.ready[0] == names.STATUS_UNREADABLE and found.ready[1].startswith(said)
    assert (found.execution_uid, found.digest) == ("u", "d" * 64)
    with pytest.raises(DamagedPayload, match=said):
        objects.unchecked(body(READY | wrong), "")
    assert objects.view(body(READY)).is_ready and not objects.view(body(READY)).is_broken
