"""A share of `make crash-points`: an operator killed once before and once after each kind of write and commit."""

from __future__ import annotations

import asyncio

import pytest

from cluster import Cluster
from reliability.crash_points import ROOT, Death, by_point, try_all
from reliability.stage import Theatre
from reliability.terminal import text_of

pytestmark = [pytest.mark.cluster, pytest.mark.postgres]

SCENARIOS = ("run", "stop", "retention", "rewind", "fork", "delete")  # which pass every point there is


@pytest.fixture(scope="module")
def deaths(fake_cluster: Cluster) -> list[Death]:
    """What came of each."""

    async def tried() -> list[Death]:
        async with Theatre.open(fake_cluster, ROOT / "build/logs/crash-points") as theatre:
            return await try_all(theatre, SCENARIOS, share=True)

    return asyncio.run(tried())


def test_a_killed_operator_loses_and_doubles_nothing(deaths: list[Death]) -> None:
    print(text_of(by_point(deaths)))
    assert [(d.scenario, str(d.moment), d.lost, d.doubled) for d in deaths if d.lost or d.doubled] == []


def test_every_point_was_met(deaths: list[Death]) -> None:
    points = {death.moment.point for death in deaths}
    assert points >= {
        "PUT dagexecutions/status", "POST jobs", "PATCH jobs", "POST jobresults", "POST configmaps", "POST checkpoints",
        "PUT checkpoints/status", "PATCH checkpoints/status", "PATCH checkpoints", "DELETE checkpoints", "POST events",
        "COMMIT insert checkpoints", "COMMIT insert results, insert checkpoints",
        "COMMIT delete checkpoints, insert checkpoint_graves",
    }  # fmt: skip
    assert sum(death.met for death in deaths) >= 0.9 * len(deaths), [str(d.moment) for d in deaths if not d.met]
