"""An execution as a way in sees it: read once, parsed, its jobs taken from where a fork keeps them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from cairn.app.executions import Borrowed, ExecutionView
from cairn.app.views import Views
from cairn.core.restore import packs
from cairn.ports import Body, Cluster

T = TypeVar("T")

_LOOKS = (0.02, 0.05, 0.1, 0.2, 0.5)  # seconds between looks; the last one repeats


async def look(cluster: Cluster, body: Body) -> ExecutionView:
    """The view of an execution, given as it was read. Raises Gone where the jobs of a fork are lost."""
    uid, views = body["metadata"]["uid"], Views()
    views.see_execution(body)
    view = views.execution(uid)
    assert view is not None
    restored = view.execution.status.restored_from
    if view.execution.lacks_jobs and restored is not None:
        held = await cluster.get_result(view.key.namespace, restored.configs)
        views.borrow(uid, Borrowed(restored.configs, packs.read_configs(held) or {}))
        view = views.execution(uid)
        assert view is not None
    return view


async def eventually(read: Callable[[], Awaitable[T | None]], *, seconds: float | None) -> T | None:
    """What `read` comes to, looked for again and again; None: nothing within so many seconds, if any."""
    looks = 0
    try:
        async with asyncio.timeout(seconds):
            while (found := await read()) is None:
                await asyncio.sleep(_LOOKS[min(looks, len(_LOOKS) - 1)])
                looks += 1
            return found
    except TimeoutError:
        return None
