"""The namespaces of a pattern that there are: Kopf is told of those that it has not heard of.

Kopf lists namespaces, then lists and watches them, and passes over what that second list has. So nobody would serve a
namespace that is made between the two, or while the API server is away, or that is being deleted as the operator
begins: executions in it would not start, checkpoints would not let it go, until the operator starts anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from kopf._cogs.structs.references import Insights, NamespaceName, match_namespace  # `spawn_tasks` takes Insights

from cairn.adapters.kube.api import Api, Body
from cairn.adapters.kube.reflector import Reflector

_LOOK_SECONDS = 5.0  # between looks at what Kopf has: it may have heard of a delete after the making that followed it


class ServedNamespaces:
    """Watches namespaces, and sees to it that Kopf's insights have those that match, until they are gone."""

    def __init__(self, api: Api, patterns: Sequence[str], silence: float) -> None:
        self.insights = Insights()
        self._patterns = patterns
        self._reflector = Reflector(api, "/api/v1/namespaces", {}, self, silence)
        self._there: set[NamespaceName] = set()
        self._gone: set[NamespaceName] = set()  # since Kopf was told last
        self._unseen: set[NamespaceName] = set()  # in the list that is being read
        self._news = asyncio.Event()

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._reflector.run())
            while True:
                self._news.clear()
                await self._tell()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), _LOOK_SECONDS)

    async def _tell(self) -> None:
        known = self.insights.namespaces
        async with self.insights.revised:
            missing, left = self._there - known, self._gone & known
            self._gone.clear()
            if missing or left:
                known |= missing
                known -= left
                self.insights.revised.notify_all()

    # --- What the watch tells

    def see(self, body: Body) -> None:
        """There is a namespace, be it one that is being deleted: it goes when its objects are let go."""
        name = NamespaceName(body["metadata"]["name"])
        self._unseen.discard(name)
        if name not in self._there and any(match_namespace(name, pattern) for pattern in self._patterns):
            self._there.add(name)
            self._gone.discard(name)
            self._news.set()

    def forget(self, body: Body) -> None:
        """A namespace is gone."""
        self._drop(NamespaceName(body["metadata"]["name"]))

    def listed_anew(self) -> None:
        """What is not in the list that follows went meanwhile."""
        self._unseen = set(self._there)

    def listed(self) -> None:
        """That was all of it."""
        for name in self._unseen:
            self._drop(name)
        self._unseen = set()

    def _drop(self, name: NamespaceName) -> None:
        if name in self._there:
            self._there.remove(name)
            self._gone.add(name)
            self._news.set()
