"""The lag of the event loop: what blocks it is seen, and an idle one is hardly ever late."""

from __future__ import annotations

import asyncio
import time

from prometheus_client import REGISTRY

from cairn.app.lag import observe_lag

NAME = "cairn_event_loop_lag_seconds"


def probes(*, within: str) -> float:
    return REGISTRY.get_sample_value(f"{NAME}_bucket", {"le": within}) or 0.0


async def test_a_call_that_blocks_the_loop_is_observed_as_lag() -> None:
    probed, short, long = probes(within="+Inf"), probes(within="0.1"), probes(within="1.0")
    watching = asyncio.create_task(observe_lag(every=0.01))
    await asyncio.sleep(0)
    time.sleep(0.2)  # what must never happen
    while probes(within="+Inf") == probed:
        await asyncio.sleep(0)
    watching.cancel()
    assert probes(within="+Inf") == probed + 1
    assert probes(within="0.1") == short, "the one probe was later than 0.1 s"
    assert probes(within="1.0") == long + 1


async def test_it_goes_on_until_it_is_cancelled_and_sleeps_between() -> None:
    probed = probes(within="+Inf")
    watching = asyncio.create_task(observe_lag(every=0.01))
    await asyncio.sleep(0.2)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    assert probed + 2 <= probes(within="+Inf") <= probed + 20
    assert watching.cancelled()
