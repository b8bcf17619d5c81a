"""The operator's process: what it opens, in which order it begins and ends, and how it is told to stop."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
from contextlib import AsyncExitStack

from cairn.adapters.clock import steady_clock, system_clock
from cairn.adapters.ids import random_id
from cairn.adapters.kube.api import Api, connect
from cairn.adapters.kube.cluster import KubeCluster
from cairn.adapters.kube.leases import KubeLeases
from cairn.adapters.postgres.pool import OPERATOR, Address, Pool, check_address
from cairn.adapters.postgres.store import PostgresStore
from cairn.adapters.telemetry import telemetry
from cairn.app.lag import observe_lag
from cairn.app.leadership import Leadership
from cairn.app.operator import Operator
from cairn.config import Settings, home_of, lease_of, replica_name
from cairn.core.leading import Standing, Terms
from cairn.handlers.health import serve_health
from cairn.handlers.watching import watch

logger = logging.getLogger(__name__)

_COLLECTED_AFTER = (10_000, 20, 50)  # see `_keep_what_is_there`

async def serve(settings: Settings) -> None:
    """Run the operator until SIGTERM or SIGINT; raises what ended it otherwise, NotConfigured among it."""
    address = settings.address()
    if address is not None:
        check_address(address)  # before anything is opened
    tracer = telemetry()
    async with AsyncExitStack() as stack:
        api = await connect(discreet=True)
        stack.push_async_callback(api.close)
        if tracer is not None:
            stack.push_async_callback(tracer.close)
        leadership = _leadership(settings, api) if settings.leader_election else None
        if leadership is not None:
            api = api.guarded(leadership.check)
        pool = await _open_pool(address, leadership)
        if pool is not None:
            stack.push_async_callback(pool.close)
        rows = PostgresStore(pool) if pool else None
        cluster = KubeCluster(api, selector=settings.selection.selector)
        await _serve(settings, Operator(cluster, system_clock, settings, rows, leadership, tracer))
    logger.info("stopped")


def _leadership(settings: Settings, api: Api) -> Leadership:
    me = f"{replica_name()}_{random_id()[:8]}"
    leases = KubeLeases(api, home_of(settings), lease_of(settings))
    return Leadership(leases, Standing(me, Terms.of(settings.lease_seconds)), system_clock, steady_clock)


async def _open_pool(address: Address | None, leadership: Leadership | None) -> Pool | None:
    if address is None:
        logger.warning("no DATABASE_URL: checkpoints are kept in their objects only")
        return None
    pool = Pool(address, OPERATOR, may_use=leadership.check) if leadership else Pool(address, OPERATOR)
    await pool.open()
    return pool


async def _serve(settings: Settings, operator: Operator) -> None:
    ready, halt = asyncio.Event(), asyncio.Event()
    async with serve_health(settings, operator, ready):
        pulse = asyncio.create_task(_pulse(operator))  # also while there is nothing to work with yet
        keeping = asyncio.create_task(_keep_what_is_there(operator))
        work = asyncio.create_task(_work(settings, operator, ready))
        watching = asyncio.create_task(watch(settings, operator, ready, halt))
        stopped = asyncio.create_task(_told_to_stop(ready))
        done, _ = await asyncio.wait({work, watching, stopped}, return_when=asyncio.FIRST_COMPLETED)
        ready.clear()
        if stopped in done:
            await operator.drain(settings.shutdown_seconds)
        # Our own tasks end first: Kopf waits five seconds for every task it does not know before it cancels it.
        work.cancel()
        stopped.cancel()
        await asyncio.gather(work, stopped, return_exceptions=True)
        if stopped in done:
            halt.set()
            await asyncio.gather(watching, return_exceptions=True)
        watching.cancel()
        pulse.cancel()
        keeping.cancel()
        for task in done:
            task.result()


async def _keep_what_is_there(operator: Operator) -> None:
    """Leave what was imported and listed out of every search for garbage; a whole search stops the loop for long.

    With the thresholds that Python begins with, a seventh of the CPU time under load went there, at up to 0.2 s at a
    time. What is in no cycle, as nearly all of it, is freed without any search.
    """
    gc.set_threshold(*_COLLECTED_AFTER)
    await operator.has_begun()
    gc.freeze()


async def _pulse(operator: Operator) -> None:
    """Show that the loop turns, and how late it is."""
    async with asyncio.TaskGroup() as group:
        group.create_task(operator.beat())
        group.create_task(observe_lag())


async def _work(settings: Settings, operator: Operator, ready: asyncio.Event) -> None:
    if settings.leader_election:
        await ready.wait()  # who sees nothing yet takes the Lease from nobody
    await operator.run()


async def _told_to_stop(ready: asyncio.Event) -> None:
    """Wait for a signal to stop; before Kopf is ready, its own handling of signals holds, and would be set later."""
    await ready.wait()
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    await told.wait()
