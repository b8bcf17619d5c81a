"""When the work begins: once everything is listed, or soon after something is there to be done."""

from __future__ import annotations

import asyncio

import pytest

from cairn.adapters.clock import system_clock
from cairn.app import operator
from cairn.app.operator import Operator
from cairn.config import Settings

META = {"namespace": "ns", "name": "x", "uid": "u", "resourceVersion": "1", "generation": 1}


async def test_work_begins_soon_even_if_the_listing_is_never_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operator, "LISTING_SECONDS", 0.01)
    made = Operator(None, system_clock, Settings())  # type: ignore[arg-type]
    assert not made.begun
    made.see_execution({"metadata": META, "spec": {}})
    assert not made.begun
    await asyncio.wait_for(made._listed.wait(), 5)
    assert made.begun
