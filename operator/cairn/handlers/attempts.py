"""The watches of attempts: Kubernetes Jobs and pods, by far the most of all that an operator hears of.

Not through Kopf: they took two fifths of the operator's CPU time there (docs/performance.md), for handlers, retries and
queues per object that nothing here uses; and a part of Kopf that fails ends all of it.

What has ended before a watch begins is by far the most there is, and not listed. Where its end is not recorded yet, the
planner misses it, and has it read live.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from cairn import names
from cairn.adapters.kube.api import Api, Body
from cairn.adapters.kube.cluster import WATCHED
from cairn.adapters.kube.reflector import Reflector
from cairn.app.operator import Operator
from cairn.config import Settings
from cairn.core.sharding import selecting

_LOOK_SECONDS = 60.0  # between looks for namespaces that there are no executions in any more
_RESOURCES = ("jobs", "pods")


@dataclass(frozen=True, slots=True)
class _Told:
    """What of an operator takes in one resource."""

    see: Callable[[Body], None]
    forget: Callable[[Body], None]
    listed_anew: Callable[[], None]

    def listed(self) -> None:
        """Nobody waits for that."""


class AttemptWatches:
    """Watches attempts everywhere, or in each namespace in which there is an execution: Kopf finds those."""

    def __init__(self, api: Api, operator: Operator, settings: Settings) -> None:
        self._api = api
        self._operator = operator
        self._query = selecting(names.LABEL_EXECUTION_UID, settings.selection.selector)
        self._everywhere = not settings.namespaces
        self._silence = settings.watch_silence_seconds
        self._running: dict[str, list[asyncio.Task[None]]] = {}  # by namespace; "": all of them
        self._news = asyncio.Event()

    def see_namespace(self, namespace: str) -> None:
        """There is an execution in a namespace."""
        if not self._everywhere and namespace not in self._running:
            self._news.set()

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._news.clear()
                wanted = {""} if self._everywhere else self._operator.namespaces()
                for namespace in wanted - self._running.keys():
                    watches = (self._reflector(resource, namespace).run() for resource in _RESOURCES)
                    self._running[namespace] = [group.create_task(watch) for watch in watches]
                for namespace in self._running.keys() - wanted:
                    for task in self._running.pop(namespace):
                        task.cancel()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), _LOOK_SECONDS)

    def _reflector(self, resource: str, namespace: str) -> Reflector:
        scope = f"/namespaces/{namespace}" if namespace else ""
        told = self._operator
        see, forget = (told.see_job, told.forget_job) if resource == "jobs" else (told.see_pod, told.forget_pod)
        listener = _Told(see, forget, told.listed_anew)
        prefix, _, live = WATCHED[resource]
        listed = {**live, **self._query}
        return Reflector(self._api, f"{prefix}{scope}/{resource}", self._query, listener, self._silence, listed)
