"""Every Kopf decorator of Cairn, and the process around them.

Kopf watches; Cairn decides. Everything comes through `on.event`, which feeds Cairn's own views. No `on.create`,
`on.update`, timer, daemon or Kopf patch is used: their annotations break at 256 KiB, and their writes name no
resourceVersion. No index either: for those Kopf holds back every other handler until all that exists has been listed
once, which never comes to be when a namespace goes while it is being listed; then it passes on nothing more.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack, suppress
from typing import Any

import kopf

from cairn import names
from cairn.adapters.clock import steady_clock, system_clock
from cairn.adapters.ids import random_id
from cairn.adapters.kube.api import Api, connect
from cairn.adapters.kube.cluster import KubeCluster
from cairn.adapters.kube.installation import KubeInstallation
from cairn.adapters.kube.leases import KubeLeases
from cairn.adapters.postgres.pool import OPERATOR, Address, Pool, check_address
from cairn.adapters.postgres.store import PostgresStore
from cairn.adapters.telemetry import telemetry
from cairn.app.leadership import Leadership
from cairn.app.operator import Operator
from cairn.config import Settings, home_of, replica_name
from cairn.core.leading import Standing, Terms
from cairn.errors import ApiError
from cairn.handlers.health import serve_health

logger = logging.getLogger(__name__)

Take = Callable[[Mapping[str, Any]], None]

_EXECUTIONS = (names.GROUP, names.VERSION, names.EXECUTIONS)
_JOBS = ("batch", "v1", "jobs")
_PODS = ("", "v1", "pods")
_CHECKPOINTS = (names.GROUP, names.VERSION, names.CHECKPOINTS)


class _NoDiffs(kopf.DiffBaseStorage):
    """Kopf compares each event's object with an earlier one; nothing here uses that, and large objects make it slow."""

    def build(self, *, body: Any, extra_fields: Any = None, ignored_fields: Any = None) -> Any:
        return {}

    def fetch(self, *, body: Any) -> Any:
        return None

    def store(self, *, body: Any, patch: Any, essence: Any) -> None:
        return None


class _Patience:
    """Delays between attempts to reach the API server, in seconds: never the last one, however long it is away."""

    def __iter__(self) -> Iterator[float]:
        yield from (0.2, 0.5, 1, 2)
        while True:
            yield 4


def configure(settings: kopf.OperatorSettings, given: Settings) -> None:
    """What Kopf leaves to chance, or defaults for other kinds of operator."""
    settings.persistence.finalizer = f"{names.GROUP}/kopf"
    settings.persistence.diffbase_storage = _NoDiffs()
    settings.posting.enabled = False
    settings.queueing.worker_limit = None
    settings.watching.server_timeout = 600
    settings.watching.client_timeout = 660
    settings.watching.connect_timeout = 10
    settings.watching.inactivity_timeout = given.watch_silence_seconds
    settings.networking.request_timeout = 30
    settings.networking.error_backoffs = _Patience()
    for resource in (_JOBS, _PODS):
        settings.watching.label_selectors[resource] = names.LABEL_EXECUTION_UID


def _take_in(event: kopf.RawEvent, see: Take, forget: Take) -> None:
    """Pass on what a watch has brought, or what was listed."""
    take = forget if event["type"] == "DELETED" else see
    take(dict(event["object"]))


def registry_for(operator: Operator, given: Settings) -> kopf.OperatorRegistry:
    """The handlers that feed an operator."""
    registry = kopf.OperatorRegistry()
    ours = {names.LABEL_EXECUTION_UID: kopf.PRESENT}

    @kopf.on.login(registry=registry)
    async def login(**kwargs: Any) -> Any:
        return kopf.login_via_client(**kwargs)

    @kopf.on.startup(registry=registry)
    async def startup(settings: kopf.OperatorSettings, **_: Any) -> None:
        configure(settings, given)

    @kopf.on.event(*_EXECUTIONS, registry=registry)
    async def on_execution(event: kopf.RawEvent, **_: Any) -> None:
        _take_in(event, operator.see_execution, operator.forget_execution)

    @kopf.on.event(*_JOBS, labels=ours, registry=registry)
    async def on_job(event: kopf.RawEvent, **_: Any) -> None:
        _take_in(event, operator.see_job, operator.forget_job)

    @kopf.on.event(*_PODS, labels=ours, registry=registry)
    async def on_pod(event: kopf.RawEvent, **_: Any) -> None:
        _take_in(event, operator.see_pod, operator.forget_pod)

    @kopf.on.event(*_CHECKPOINTS, registry=registry)
    async def on_checkpoint(event: kopf.RawEvent, **_: Any) -> None:
        _take_in(event, operator.see_checkpoint, operator.forget_checkpoint)

    return registry


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
        await _serve(settings, Operator(KubeCluster(api), system_clock, settings, rows, leadership, tracer))
    logger.info("stopped")


def _leadership(settings: Settings, api: Api) -> Leadership:
    me = f"{replica_name()}_{random_id()[:8]}"
    leases = KubeLeases(api, home_of(settings), settings.lease_name)
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
        pulse = asyncio.create_task(operator.beat())  # also while there is nothing to work with yet
        work = asyncio.create_task(_work(settings, operator, ready))
        watch = asyncio.create_task(_watch(settings, operator, ready, halt))
        stopped = asyncio.create_task(_told_to_stop(ready))
        done, _ = await asyncio.wait({work, watch, stopped}, return_when=asyncio.FIRST_COMPLETED)
        ready.clear()
        if stopped in done:
            await operator.drain(settings.shutdown_seconds)
        # Our own tasks end first: Kopf waits five seconds for every task it does not know before it cancels it.
        work.cancel()
        stopped.cancel()
        await asyncio.gather(work, stopped, return_exceptions=True)
        halt.set()
        await asyncio.gather(watch, return_exceptions=True)
        pulse.cancel()
        for task in done:
            task.result()


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


async def _watch(settings: Settings, operator: Operator, ready: asyncio.Event, halt: asyncio.Event) -> None:
    if not await _kinds_are_there(halt):
        return
    await kopf.operator(
        registry=registry_for(operator, settings), settings=kopf.OperatorSettings(), standalone=True, ready_flag=ready,
        stop_flag=halt, clusterwide=not settings.namespaces, namespaces=settings.namespaces,
    )  # fmt: skip


async def _kinds_are_there(halt: asyncio.Event) -> bool:
    """Wait until the API server lists Cairn's kinds; False: told to stop meanwhile.

    Kopf looks once for what there is. What an API server that has just started does not list yet it would never watch,
    and this replica would be ready, lead, and do nothing.
    """
    api = await connect()
    try:
        for delay in _Patience():
            try:
                missing = await KubeInstallation(api).missing()
                if not missing:
                    return True
                logger.warning("the API server does not serve %s, or not yet", ", ".join(sorted(missing)))
            except ApiError as error:
                logger.warning("the API server does not tell what it serves: %s", error)
            with suppress(TimeoutError):
                await asyncio.wait_for(halt.wait(), delay)
                return False
        raise AssertionError("patience has no end")
    finally:
        await api.close()
