"""What people do to executions and checkpoints, at any moment: each as one write of the API, as kubectl makes it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from random import Random
from typing import Any, TypeVar

from cairn import names
from cairn.core.times import format_time
from cairn.errors import AlreadyExists, Gone
from simulation.api import paused_by
from simulation.server import CHECKPOINT, EXECUTION, ApiServer, Body, copied

T = TypeVar("T")

MAIN = "sample"
_MOST = 4  # executions at a time


class People:
    """Each `do_…` is something that somebody does; `chance` decides what exactly."""

    def __init__(self, server: ApiServer, spec: Body, shards: Sequence[str]) -> None:
        self._server = server
        self._spec = spec
        self._shards = shards  # that somebody may choose for a fork
        self._serial = 0
        self.deeds: dict[str, Callable[[Random], object]] = {
            name.removeprefix("do_"): getattr(self, name) for name in dir(self) if name.startswith("do_")
        }

    def begin(self) -> None:
        """Apply the execution that a history is about."""
        self._create(MAIN, copied(self._spec))

    # --- Executions

    def do_pause(self, chance: Random) -> None:
        """A pause: drain, stop, or with an end."""
        pause: Body = {"mode": chance.choice(("Drain", "Stop")), "checkpoint": chance.random() < 0.7}
        if chance.random() < 0.3:
            pause["until"] = format_time(self._server.now() + timedelta(seconds=chance.choice((-5, 5, 15))))
        self._edit(chance, paused=True, pause=pause)

    def do_resume(self, chance: Random) -> None:
        """A resume."""
        self._edit(chance, paused=False)

    def do_hold(self, chance: Random) -> None:
        """A hold of one job, in place of any before."""
        self._with_job(chance, lambda spec, job: spec.update(hold=[job["id"]]))

    def do_unhold(self, chance: Random) -> None:
        """No hold any more."""
        self._edit(chance, hold=[])

    def do_cancel(self, chance: Random) -> None:
        """A cancel."""
        self._edit(chance, cancel={"requestId": self._name("cancel"), "reason": "enough"})

    def do_request(self, chance: Random) -> None:
        """A repair by hand."""
        kind = chance.choice(("Retry", "Retry", "Skip", "Complete", "ExtendRetries"))

        def ask(spec: Body, job: Body) -> None:
            request: Body = {"id": self._name("request"), "type": kind, "job": job["id"]}
            if kind == "Complete" and chance.random() < 0.5:
                request["outputs"] = {"by": "hand"}
            if kind == "ExtendRetries":
                request["limit"] = 1
            spec["requests"] = [*spec.get("requests", ()), request]

        self._with_job(chance, ask)

    def do_edit(self, chance: Random) -> None:
        """A job is changed, whether it has started or not."""
        self._with_job(chance, lambda spec, job: job.update(image=f"image:{chance.randrange(5)}"))

    def do_remove(self, chance: Random) -> None:
        """A job on which no other depends is taken out of the spec."""

        def remove(spec: Body) -> None:
            jobs = spec.get("jobs", [])
            leaves = [j for j in jobs if not any(j["id"] in k.get("dependsOn", ()) for k in jobs)]
            if len(jobs) < 2 or not leaves:
                return
            gone = chance.choice(leaves)["id"]
            spec["jobs"] = [j for j in jobs if j["id"] != gone]
            spec["hold"] = [h for h in spec.get("hold", ()) if h != gone]
            spec["requests"] = [r for r in spec.get("requests", ()) if r["job"] != gone]
            checkpoint = spec.setdefault("checkpoint", {})
            checkpoint["criticalJobIds"] = [c for c in checkpoint.get("criticalJobIds", ()) if c != gone]

        self._change(chance, remove)

    def do_add(self, chance: Random) -> None:
        """A job is added."""
        self._with_job(chance, lambda spec, job: spec["jobs"].append(
            {"id": self._name("new"), "image": "image:0", "dependsOn": [job["id"]]}))  # fmt: skip

    def do_delete(self, chance: Random) -> None:
        """An execution is deleted; sometimes one of its name is created at once."""
        if (name := _one(self._names(EXECUTION), chance)) is None or chance.random() < 0.5:
            return
        self._server.delete(EXECUTION, name)
        if name == MAIN and chance.random() < 0.7:
            self._create(MAIN, copied(self._spec))

    # --- Checkpoints

    def do_checkpoint(self, chance: Random) -> None:
        """A checkpoint by hand."""
        if (name := _one(self._names(EXECUTION), chance)) is None:
            return
        spec: Body = {"executionRef": {"name": name}, "metadata": {}, "pinned": chance.random() < 0.2}
        meta = {"name": self._name("by-hand")}
        self._server.create({"kind": CHECKPOINT, "metadata": meta, "spec": spec})

    def do_pin(self, chance: Random) -> None:
        """A checkpoint is pinned, or is not any more."""
        if (name := _one(self._names(CHECKPOINT), chance)) is not None:
            self._server.change(CHECKPOINT, name, lambda body: body["spec"].update(pinned=chance.random() < 0.5))

    def do_delete_checkpoint(self, chance: Random) -> None:
        """A checkpoint is deleted."""
        if (name := _one(self._names(CHECKPOINT), chance)) is not None:
            self._server.delete(CHECKPOINT, name)

    # --- Restores

    def do_rewind(self, chance: Random) -> None:
        """Go back to a checkpoint, of whatever moment; rarely to one that there is not, or that is Failed."""

        def ask(spec: Body) -> None:
            if (source := self._source(chance)) is not None:
                spec["restoreFrom"] = source | self._words(spec, chance) | {"requestId": self._name("rewind")}

        self._change(chance, ask, begun=True)

    def do_withdraw(self, chance: Random) -> None:
        """A rewind is not asked for any more."""

        def withdraw(spec: Body) -> None:
            if spec.get("jobs"):  # else it is a fork's
                spec.pop("restoreFrom", None)

        self._change(chance, withdraw, begun=True)

    def do_fork(self, chance: Random) -> None:
        """A new execution starts from a checkpoint."""
        source = self._source(chance)
        if source is None or len(self._names(EXECUTION)) >= _MOST:
            return
        spec = copied(self._spec)
        if chance.random() < 0.5:
            del spec["jobs"]
        shard = chance.choice(("", *self._shards))
        self._create(self._name("fork"), spec | {"restoreFrom": source | self._words(self._spec, chance)}, shard)

    def _source(self, chance: Random) -> Body | None:
        settled = [c for c in self._server.all(CHECKPOINT) if c.get("status", {}).get("phase") in ("Ready", "Failed")]
        if (found := _one(settled, chance)) is None:
            return None
        if chance.random() < 0.1:
            return {"latestOf": found["spec"]["executionRef"]["name"]}
        if "checkpointId" in found["status"] and chance.random() < 0.3:
            return {"checkpointId": found["status"]["checkpointId"]}
        return {"checkpointName": found["metadata"]["name"]}

    def _words(self, spec: Body, chance: Random) -> Body:
        """What may run again, or be done in spite of a doubt."""
        jobs = [j["id"] for j in spec.get("jobs", ())]
        unsafe = [j["id"] for j in spec.get("jobs", ()) if j.get("replay") == "Unsafe"]
        words: Body = {"rerun": chance.choice(([], [], unsafe, jobs))}
        words |= {"force": True} if chance.random() < 0.3 else {}
        return words | ({"dryRun": True} if chance.random() < 0.1 else {})

    # --- When nothing more happens

    def let_everything_end(self) -> None:
        """Resume, release, ask for no dry run and for no pause, so that there is an end to come to."""
        for name in self._names(EXECUTION):
            self._server.change(EXECUTION, name, _resume)

    # --- Parts

    def _create(self, name: str, spec: Body, shard: str = "") -> None:
        meta: Body = {"name": name, "managedFields": paused_by("kubectl")}
        if shard:
            meta["labels"] = {names.LABEL_SHARD: shard}
        try:
            self._server.create({"kind": EXECUTION, "metadata": meta, "spec": spec})
        except AlreadyExists:
            return

    def _name(self, of: str) -> str:
        self._serial += 1
        return f"{of}-{self._serial}"

    def _names(self, kind: str) -> list[str]:
        return [str(body["metadata"]["name"]) for body in self._server.all(kind)]

    def _edit(self, chance: Random, **fields: Any) -> None:
        self._change(chance, lambda spec: spec.update(fields))

    def _with_job(self, chance: Random, change: Callable[[Body, Body], object]) -> None:
        def choose(spec: Body) -> None:
            if (job := _one(spec.get("jobs", ()), chance)) is not None:
                change(spec, job)

        self._change(chance, choose)

    def _change(self, chance: Random, change: Callable[[Body], object], *, begun: bool = False) -> None:
        names_ = [n for n in self._names(EXECUTION) if not begun or "startedAt" in self._status(n)]
        if (name := _one(names_, chance)) is None:
            return

        def write(body: Body) -> None:
            paused = body["spec"].get("paused")
            change(body["spec"])
            if body["spec"].get("paused") != paused:
                body["metadata"]["managedFields"] = paused_by("kubectl")

        try:
            self._server.change(EXECUTION, name, write)
        except Gone:
            return

    def _status(self, name: str) -> Body:
        held = self._server.find(EXECUTION, name)
        status: Body = held.get("status", {}) if held else {}
        return status


def _resume(body: Body) -> None:
    spec = body["spec"]
    if spec.get("paused"):
        spec["paused"] = False
        body["metadata"]["managedFields"] = paused_by("kubectl")
    spec["hold"] = []
    spec["checkpoint"]["onError"] = "Continue"  # what is too large for every store there is fails each time
    asked = spec.get("restoreFrom")
    if asked and not spec.get("jobs"):
        asked.pop("dryRun", None)


def _one(items: Sequence[T], chance: Random) -> T | None:
    """One of the items, if there is one."""
    return chance.choice(items) if items else None
