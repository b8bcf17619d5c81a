"""A keeper, an outbox and a sweeper on a fake cluster and a fake database, looked at by hand."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from cairn.app.checkpoints.archive import Archive
from cairn.app.checkpoints.elsewhere import Elsewhere
from cairn.app.checkpoints.keeper import Keeper
from cairn.app.checkpoints.outbox import Outbox
from cairn.app.checkpoints.sweeper import Sweeper, roster_for
from cairn.app.checkpoints.views import Lane
from cairn.app.events import EventWriter
from cairn.app.executions import ExecutionView
from cairn.app.handover import Handover
from cairn.app.views import Views
from cairn.core.actions import TakeCheckpoint
from cairn.core.checkpoint import filed
from cairn.core.checkpoint.book import Pending
from cairn.core.checkpoint.state import Grave, Stored
from cairn.core.checkpoint.trigger import Trigger
from cairn.core.sharding import Selection
from cairn.names import LABEL_SHARD
from cairn.ports import Page, Query, Stats
from simulation.build import NOW
from support.states import a_state
from support.stored import Tenant
from unit.app.fake_cluster import FakeCluster

Body = dict[str, Any]
LANE = Lane("default", "sample")
SPEC: Body = {"jobs": [{"id": "a", "image": "busybox"}, {"id": "b", "image": "busybox", "dependsOn": ["a"]}]}
TENANT = "uid-of-namespace-default"


class FakeRows:
    """Rows in a dictionary; `fail` makes the next calls of a kind fail."""

    def __init__(self) -> None:
        self.rows: dict[str, Stored] = {}
        self.buried: dict[str, Grave] = {}
        self.calls: list[str] = []
        self._faults: dict[str, list[Exception]] = defaultdict(list)

    def fail(self, method: str, *errors: Exception) -> None:
        self._faults[method].extend(errors)

    def _call(self, method: str) -> None:
        self.calls.append(method)
        if self._faults[method]:
            raise self._faults[method].pop(0)

    async def put(self, stored: Stored) -> None:
        self._call("put")
        if stored.checkpoint.id not in self.buried:
            self.rows.setdefault(stored.checkpoint.id, stored)

    async def get(self, tenants: Collection[str], id: str) -> Stored | None:
        self._call("get")
        return self.rows.get(id)

    async def read(self, tenants: Collection[str], id: str) -> Stored | None:
        self._call("read")
        return self.rows.get(id)

    async def list(self, query: Query) -> Page:
        self._call("list")
        return Page.of((s.checkpoint for s in self.rows.values()), query)

    async def delete(self, tenants: Collection[str], id: str) -> bool:
        self._call("delete")
        return self.rows.pop(id, None) is not None

    async def pin(self, tenants: Collection[str], id: str, pinned: bool) -> bool:
        self._call("pin")
        stored = self.rows[id]
        self.rows[id] = replace(stored, checkpoint=replace(stored.checkpoint, pinned=pinned))
        return True

    async def stats(self, tenants: Collection[str], execution_uid: str | None = None) -> Stats:
        self._call("stats")
        return Stats(len(self.rows), {}, None, None, 0)

    async def bury(self, grave: Grave) -> None:
        self._call("bury")
        self.buried[grave.id] = grave
        self.rows.pop(grave.id, None)

    async def graves(
        self, tenants: Collection[str], execution_uid: str | None, ids: Collection[str] = ()
    ) -> tuple[Grave, ...]:
        self._call("graves")
        asked = (g for g in self.buried.values() if g.execution_uid == execution_uid or g.id in ids)
        return tuple(sorted(asked, key=lambda g: g.id, reverse=True))

    async def collect_results(self, namespace_uid: str) -> int:
        self._call("collect_results")
        return 0


class Bench:
    """Everything that works on checkpoints, and what it works on."""

    def __init__(
        self, *, database: bool = True, limit: int = 1_000_000, selection: Selection | None = None, **spec: Any
    ) -> None:  # fmt: skip
        self.cluster = FakeCluster()
        self.views = Views(selection)
        self.now = NOW
        self.rows = FakeRows()
        self.events = EventWriter(self.cluster, self.clock)
        self.archive = Archive(self.cluster)
        self.outbox = Outbox(
            self.cluster, self.views.checkpoints, self.rows if database else None, self.clock, "home"
        )  # fmt: skip
        self.keeper = Keeper(
            self.cluster, self.views, self.archive, self.outbox, self.clock, self.events, limit
        )  # fmt: skip
        if self.views.selection.partial:
            self.keeper.handover = Handover(self.cluster, self.views)
            self.keeper.lifetimes.needed_elsewhere = Elsewhere(self.cluster, self.views, ()).needs
        roster = roster_for(self.views.selection, self.cluster, ())
        self.sweeper = Sweeper(self.outbox, self.views.checkpoints, self.rows, 300, roster)
        self.told: list[str] = []
        self.keeper.look_at = self.told.append
        labels = {"labels": {LABEL_SHARD: selection.shard}} if selection and selection.shard else {}
        self.views.see_execution(self.cluster.add_execution("sample", SPEC | spec, **labels))
        self.uid = "uid-of-sample"

    def clock(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now

    @property
    def execution(self) -> ExecutionView:
        view = self.views.execution(self.uid)
        assert view is not None
        return view

    def decide(self, name: str, trigger: Trigger = Trigger.LEVEL_COMPLETED, *causes: str) -> None:
        """An execution has decided on a checkpoint."""
        self.keeper.request(self.execution, TakeCheckpoint(Pending(name, trigger, f"label of {name}", causes, NOW)))

    async def ask(self, name: str, execution: str = "sample", /, **spec: Any) -> None:
        """A user creates a Checkpoint."""
        body = {
            "apiVersion": "cairn.dev/v1alpha1", "kind": "Checkpoint",
            "metadata": {"name": name, "namespace": "default"}, "spec": {"executionRef": {"name": execution}} | spec,
        }  # fmt: skip
        self.views.checkpoints.see(await self.cluster.create(body))

    async def bring_in(self, name: str) -> None:
        """A program creates the object of a checkpoint of the execution that it brings in; `fill` follows."""
        self.views.checkpoints.see(await self.cluster.create(filed.manifest(self._brought_in(name))))

    def fill(self, name: str) -> None:
        """It fills it."""
        body = self.body(name)
        body["status"] = filed.status(self._brought_in(name), generation=1, now=NOW)
        body["metadata"]["resourceVersion"] = str(int(body["metadata"]["resourceVersion"]) + 1)

    def _brought_in(self, name: str) -> Stored:
        stored = Tenant("default", TENANT).of(a_state(), name, "sample")
        return replace(stored, checkpoint=replace(stored.checkpoint, execution_uid=self.uid))

    async def look(self, lane: Lane = LANE) -> float | None:
        """One look at a lane; then the outbox has its turn."""
        wait = await self.keeper.look(lane)
        await self.carry()
        return wait

    async def carry(self) -> list[float | None]:
        """The outbox tries everything that waits."""
        return [await self.outbox._carry(seen.uid) for seen in self.views.checkpoints]

    async def taken(self, *names: str) -> None:
        """Checkpoints that are Ready and stored."""
        for name in names:
            self.decide(name)
            await self.look()

    def hear(self) -> None:
        """The watch brings every Checkpoint as it is."""
        for (kind, _), body in list(self.cluster.objects.items()):
            if kind == "Checkpoint":
                self.views.checkpoints.see(body)
        there = {b["metadata"]["uid"] for (kind, _), b in self.cluster.objects.items() if kind == "Checkpoint"}
        for seen in self.views.checkpoints:
            if seen.uid not in there:
                self.views.checkpoints.forget(seen.uid)

    def body(self, name: str) -> Body:
        """A Checkpoint as it is stored."""
        return self.cluster.objects["Checkpoint", name]

    def names(self) -> list[str]:
        """The Checkpoints that exist."""
        return sorted(name for kind, name in self.cluster.objects if kind == "Checkpoint")

    def condition(self, name: str, kind: str) -> tuple[str, str]:
        """Status and reason of a condition."""
        found = next(c for c in self.body(name)["status"]["conditions"] if c["type"] == kind)
        return found["status"], found["reason"]

    async def told_events(self) -> list[str]:
        """The reasons of the Events written so far."""
        writing = asyncio.create_task(self.events.run())
        while not self.events._queue.empty():
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        writing.cancel()
        return [str(e["reason"]) for e in self.cluster.events]
