"""Namespaces that come and go while an operator watches a pattern of them."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cluster import Cluster
from reliability.tenant import Tenant
from support.checkpoints import Rows
from support.jobs import hanging, job
from support.operator_process import OperatorProcess
from support.proxies.api import Answer, ApiProxy, Meddler, Upstream
from support.proxies.lies import Gap, Held, Refusals
from support.proxies.points import LIST, Call

pytestmark = pytest.mark.cluster

KINDS = {"dagexecutions", "checkpoints"}  # Kubernetes Jobs and pods are watched where there are executions
NAMESPACES = "namespaces"

_serial = itertools.count()


@dataclass
class Pattern:
    """An operator of all namespaces whose names begin alike, behind a proxy."""

    prefix: str
    upstream: Upstream
    proxy: ApiProxy
    operator: OperatorProcess
    tenants: list[Tenant] = field(default_factory=list)

    def tenant(self, name: str) -> Tenant:
        """One of these namespaces, to be made."""
        self.tenants.append(Tenant(self.upstream, f"{self.prefix}-{name}"))
        return self.tenants[-1]

    async def start(self) -> None:
        """Start the operator."""
        await asyncio.to_thread(self.operator.start)


@pytest.fixture
async def pattern(fake_cluster: Cluster, rows: Rows, tmp_path: Path) -> AsyncIterator[Pattern]:
    async with AsyncExitStack() as stack:
        upstream = Upstream(fake_cluster.kubeconfig)
        stack.push_async_callback(upstream.close)
        proxy = await ApiProxy(upstream, tmp_path).start()
        stack.push_async_callback(proxy.stop)
        prefix = f"pattern-{os.getpid()}-{next(_serial)}"
        log = tmp_path / "operator.log"
        operator = OperatorProcess(proxy.kubeconfig, log, f"{prefix}-*", DATABASE_URL=rows.url)
        stack.callback(operator.kill)
        there = Pattern(prefix, upstream, proxy, operator)
        yield there
        await asyncio.gather(*map(empty, there.tenants))


async def empty(tenant: Tenant) -> None:
    """Let a namespace go while there is somebody who takes the finalizers off."""

    async def done() -> bool:
        return not await tenant.list("checkpoints")

    if not await tenant.gone():
        await tenant.remove()
        await tenant.until(done, "its checkpoints are gone")


async def is_served(tenant: Tenant) -> None:
    """Somebody carries out what is asked for in a namespace."""
    await tenant.run("work", job("a"), job("b", "a"))
    await tenant.condition("work", "Succeeded", timeout=30)


async def test_a_namespace_that_goes_while_it_is_listed_makes_nobody_deaf(pattern: Pattern) -> None:
    stays, goes = await pattern.tenant("stays").create(), pattern.tenant("goes")
    pattern.proxy.meddler = held = Held(goes.namespace)
    await pattern.start()
    await goes.create()

    async def listed() -> bool:
        return held.held == KINDS

    await goes.until(listed, "everything of it is being listed")
    await goes.remove()
    await goes.until(goes.gone, "the namespace is gone")
    held.let_go.set()
    await is_served(stays)


class AfterTheFirstList(Meddler):
    """Does something once namespaces have been listed, before whoever asked has the answer."""

    def __init__(self, act: Callable[[], Awaitable[Any]]) -> None:
        self._act = act
        self.done = False

    async def answered(self, call: Call, answer: Answer) -> Answer:
        if call.point == f"{LIST} {NAMESPACES}" and not self.done:
            self.done = True
            await self._act()
        return answer


async def test_one_that_is_made_while_the_operator_begins_is_served(pattern: Pattern) -> None:
    """Kopf lists namespaces twice as it begins, and passes over what only the second list has."""
    made = pattern.tenant("made")
    pattern.proxy.meddler = meddler = AfterTheFirstList(made.create)
    await pattern.start()
    assert meddler.done
    await is_served(made)


async def test_one_that_is_made_while_the_api_server_is_away_is_served(pattern: Pattern) -> None:
    """What watches namespaces has to list them anew then; Kopf passes over what it lists."""
    there, made = await pattern.tenant("there").create(), pattern.tenant("made")
    pattern.proxy.meddler = gap = Gap(NAMESPACES)
    await pattern.start()
    await is_served(there)
    gap.begin()
    await made.create()
    gap.end(int((await made.itself())["metadata"]["resourceVersion"]))
    await is_served(made)


async def test_one_that_is_being_deleted_when_the_operator_begins_can_go(pattern: Pattern) -> None:
    """Its checkpoints wait for an operator who lets them go."""
    goes = await pattern.tenant("goes").create()
    await pattern.start()
    await is_served(goes)
    await goes.checkpoint("kept", "work")

    async def kept() -> bool:
        return bool((await goes.get("checkpoints", "kept"))["metadata"].get("finalizers"))

    await goes.until(kept, "the checkpoint has a finalizer")
    pattern.operator.kill()
    await goes.remove()

    async def waits() -> bool:
        conditions = (await goes.itself())["status"].get("conditions", ())
        return ("NamespaceFinalizersRemaining", "True") in [(c["type"], c["status"]) for c in conditions]

    await goes.until(waits, "it waits for finalizers")
    await pattern.start()
    await goes.until(goes.gone, "the namespace is gone")


async def test_one_without_rights_holds_up_no_other_and_is_served_once_there_are(pattern: Pattern) -> None:
    """As where it was made anew: its RoleBinding has gone with it."""
    there, bare = await pattern.tenant("there").create(), await pattern.tenant("bare").create()
    forbidden = Answer.refusal(403, "Forbidden")
    pattern.proxy.meddler = refusals = Refusals(forbidden, 1_000, lambda call: call.namespace == bare.namespace)
    await pattern.start()
    await bare.run("work", job("a"))
    await is_served(there)
    assert refusals.told > 0 and not (await bare.get("dagexecutions", "work")).get("status")
    pattern.proxy.meddler = Meddler()
    await bare.condition("work", "Succeeded", timeout=30)


async def test_one_in_which_a_checkpoint_may_not_be_made_can_go(pattern: Pattern) -> None:
    """In its deletion nothing can be created any more; what was decided just before holds up none that is there."""
    goes = await pattern.tenant("goes").create()
    await pattern.start()
    await goes.run("work", job("a"), hanging("b", "a"))
    await goes.saved("work")
    forbidden = Answer.refusal(403, "Forbidden")
    pattern.proxy.meddler = refusals = Refusals(forbidden, 1_000, lambda call: call.point == "POST checkpoints")
    await goes.finish("work", "b")

    async def refused() -> bool:
        return refusals.told > 0

    await goes.until(refused, "the next checkpoint is refused")
    await goes.remove()
    await goes.until(goes.gone, "the namespace is gone")
