"""A plan as data."""

from __future__ import annotations

import pytest

from cairn.core.actions import DeleteExecution, KeepLogTail, Plan, SaveResult, Urgency
from cairn.core.status import Status
from simulation.build import succeeded


@pytest.mark.parametrize(
    ("fields", "idle"),
    [
        ({}, True),
        ({"requeue_after": 5.0}, True),
        ({"urgency": Urgency.SOON}, False),
        ({"urgency": Urgency.NOW}, False),
        ({"before": (SaveResult({}),)}, False),
        ({"after": (DeleteExecution(),)}, False),
        ({"after": (KeepLogTail({}, succeeded("a")),)}, False),
    ],
    ids=["nothing", "a later look is nothing to do", "soon", "now", "before", "after", "best effort too"],
)
def test_idle_is_the_fixpoint(fields: dict, idle: bool) -> None:
    assert Plan(Status(), **fields).idle is idle
