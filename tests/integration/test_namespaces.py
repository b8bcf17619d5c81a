"""Namespaces that come and go while an operator watches a pattern of them."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from cluster import Cluster
from reliability.tenant import Tenant
from support.jobs import job
from support.operator_process import OperatorProcess
from support.proxies.api import ApiProxy, Upstream
from support.proxies.lies import Held

pytestmark = pytest.mark.cluster


KINDS = {"dagexecutions", "checkpoints"}  # Kubernetes Jobs and pods are watched where there are executions


async def test_a_namespace_that_goes_while_it_is_listed_makes_nobody_deaf(
    fake_cluster: Cluster, tmp_path: Path
) -> None:
    pattern = f"pattern-{os.getpid()}"
    async with AsyncExitStack() as stack:
        upstream = Upstream(fake_cluster.kubeconfig)
        stack.push_async_callback(upstream.close)
        proxy = await ApiProxy(upstream, tmp_path).start()
        stack.push_async_callback(proxy.stop)
        stays, goes = Tenant(upstream, f"{pattern}-stays"), Tenant(upstream, f"{pattern}-goes")
        await stays.create()
        stack.push_async_callback(stays.remove)
        proxy.meddler = held = Held(goes.namespace)
        operator = OperatorProcess(proxy.kubeconfig, tmp_path / "operator.log", f"{pattern}-*")
        stack.callback(operator.kill)
        await asyncio.to_thread(operator.start)
        await goes.create()

        async def listed() -> bool:
            return held.held == KINDS

        await goes.until(listed, "everything of it is being listed")
        await goes.remove()
        await goes.until(goes.gone, "the namespace is gone")
        held.let_go.set()
        await stays.run("work", job("a"), job("b", "a"))
        await stays.condition("work", "Succeeded", timeout=30)
