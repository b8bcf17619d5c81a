"""Histories: what can happen to an execution, one step after another, and what must be true once nothing more does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from random import Random
from typing import TypeVar

from cairn.core.times import format_time
from simulation.steps.process import Process
from simulation.steps.world import Body, Program, SimPod, World, tells_its_attempt

Step = tuple[str, int]
T = TypeVar("T")

_QUIET_WAITS = 5


class History:
    """A world, two operators, and the steps that are played with them."""

    def __init__(
        self, spec: Body, *, fails: frozenset[str] = frozenset(), program: Program = tells_its_attempt,
        origins: Sequence[World] = (),
    ) -> None:  # fmt: skip
        self.world = World(spec, fails=fails, program=program, origins=origins)
        self.operators = [Process(self.world), Process(self.world)]
        self.steps: dict[str, Callable[[int], object]] = {
            name.removeprefix("do_"): getattr(self, name) for name in dir(self) if name.startswith("do_")
        }

    def play(self, steps: Sequence[Step]) -> None:
        """Play steps one after another."""
        for name, choice in steps:
            self.steps[name](choice)

    def do_nothing(self, n: int) -> None:
        """What a step shrinks to."""

    # --- Operators

    def do_look(self, n: int) -> None:
        """An operator that has heard everything looks at the execution."""
        operator = self.operators[n % 2]
        operator.hear_all()
        operator.look()

    def do_stale_look(self, n: int) -> None:
        """An operator looks, having heard only some of what has happened, kind by kind."""
        operator = self.operators[n % 2]
        for place, kind in enumerate(("executions", "jobs", "pods", "checkpoints")):
            operator.hear(kind, (n >> (2 * place + 1)) % 4)
        operator.look()

    def do_crash(self, n: int) -> None:
        """An operator is killed after some effects of its plan, and started again."""
        operator = self.operators[n % 2]
        operator.hear_all()
        operator.look(effects=(n >> 1) % 5)

    def do_restart(self, n: int) -> None:
        """An operator is killed between two looks."""
        self.operators[n % 2].restart()

    # --- Kubernetes

    def do_sync(self, n: int) -> None:
        """The Job controller has a turn."""
        if (job := pick(list(self.world.jobs.values()), n)) is not None:
            self.world.sync(job)

    def do_sync_all(self, n: int) -> None:
        """The Job controller catches up."""
        for job in list(self.world.jobs.values()):
            self.world.sync(job)

    def do_kubelet(self, n: int) -> None:
        """Something happens to a pod by itself; its program may succeed or fail."""
        if (pod := self._pod(n // 4)) is not None:
            self.world.step(pod, succeeds=bool(n % 4))

    def do_work(self, n: int) -> None:
        """What happens next to a pod by itself, its program being what it is."""
        if (pod := self._pod(n)) is not None:
            self.world.step(pod)

    def do_tick(self, n: int) -> None:
        """Time passes."""
        self.world.now += timedelta(milliseconds=(100, 1000, 4000, 20_000)[n % 4])

    # --- People

    def do_pause(self, n: int) -> None:
        """A pause: drain, stop, or with an end."""
        pause: Body = {"mode": ("Drain", "Stop")[n % 2]}
        if n % 4 > 1:
            pause["until"] = format_time(self.world.now + timedelta(seconds=10 * (n // 4 % 3) - 5))
        self._edit(paused=True, pause=pause)

    def do_resume(self, n: int) -> None:
        """A resume."""
        self._edit(paused=False)

    def do_hold(self, n: int) -> None:
        """A hold of one job, in place of any before."""
        self._edit(hold=[self._job_id(n)])

    def do_unhold(self, n: int) -> None:
        """No hold any more."""
        self._edit(hold=[])

    def do_cancel(self, n: int) -> None:
        """A cancel; rarely."""
        if n % 3 == 0:
            self._edit(cancel={"requestId": f"request-{n % 2}", "reason": "enough"})

    def do_request(self, n: int) -> None:
        """A repair by hand."""
        kind = ("Retry", "Retry", "Skip", "Complete", "ExtendRetries")[n % 5]
        requests = self.world.spec.get("requests", [])
        request: Body = {"id": f"request {self.world.generation}", "type": kind, "job": self._job_id(n // 5)}
        if kind == "Complete" and n % 2:
            request["outputs"] = {"n": n}
        if kind == "ExtendRetries":
            request["limit"] = 1
        self._edit(requests=[*requests, request])

    def do_edit(self, n: int) -> None:
        """A job is changed, whether it has started or not."""
        self._edit_job(self._job_id(n), image=f"image:{n % 5}")

    def do_remove(self, n: int) -> None:
        """A job on which no other depends is taken out of the spec."""
        jobs = self.world.spec["jobs"]
        leaves = [j for j in jobs if not any(j["id"] in k["dependsOn"] for k in jobs)]
        if (gone := pick(leaves, n)) is not None and len(jobs) > 1:
            hold = [h for h in self.world.spec.get("hold", ()) if h != gone["id"]]
            requests = [r for r in self.world.spec.get("requests", ()) if r["job"] != gone["id"]]
            checkpoint = dict(self.world.spec.get("checkpoint", {}))
            checkpoint["criticalJobIds"] = [c for c in checkpoint.get("criticalJobIds", ()) if c != gone["id"]]
            left = [j for j in jobs if j is not gone]
            self._edit(jobs=left, hold=hold, requests=requests, checkpoint=checkpoint)

    def do_add(self, n: int) -> None:
        """A job is added; it may be one that was there before."""
        jobs = self.world.spec["jobs"]
        free = [f"j{i}" for i in range(8) if f"j{i}" not in {j["id"] for j in jobs}]
        above = jobs[n % len(jobs)]
        if not free:
            return
        self._edit(jobs=[*jobs, {"id": free[n % len(free)], "image": "image:0", "dependsOn": [above["id"]]}])

    def do_checkpoint(self, n: int) -> None:
        """A checkpoint by hand."""
        if "startedAt" not in self.world.status:
            return
        operator = self.operators[n % 2]
        operator.hear_all()
        operator.take(f"by-hand-{self.world.version}")

    def do_rewind(self, n: int) -> None:
        """Go back to a checkpoint, of whatever moment; rarely to one that there is not, or that is Failed."""
        chance = Random(n)
        settled = [c for c in self.world.checkpoints.values() if "status" in c]
        if "startedAt" not in self.world.status or (not settled and chance.random() < 0.9):
            return  # before the start it would be a fork
        chosen = chance.choice(settled) if settled and chance.random() < 0.95 else None
        source: Body = {"checkpointName": chosen["metadata"]["name"] if chosen else "none"}
        if chosen and "checkpointId" in chosen["status"] and chance.random() < 0.3:
            source = {"checkpointId": chosen["status"]["checkpointId"]}
        if chance.random() < 0.15:
            source = {"latestOf": self.world.name}
        asked: Body = {"requestId": f"rewind {self.world.generation}", "rerun": self._named(chance.randrange(64))}
        asked |= {"dryRun": True} if chance.random() < 0.1 else {}
        asked |= {"force": True} if chance.random() < 0.2 else {}
        self._edit(restoreFrom=source | asked)

    def do_withdraw(self, n: int) -> None:
        """A rewind is not asked for any more, or another word is given with it."""
        asked = self.world.spec.get("restoreFrom")
        if asked is None:
            return
        if n % 3 == 0:
            self.world.edit(lambda spec: spec.pop("restoreFrom"))
        elif n % 3 == 1:
            self._edit(restoreFrom=asked | {"rerun": self._named(n // 3)})
        else:
            self._edit(restoreFrom=asked | {"dryRun": not asked.get("dryRun", False)})

    def do_slow(self, n: int) -> None:
        """What is read beside the loop takes its time."""
        self.world.slow_reads = n % 4

    # --- Faults

    def do_delete_pod(self, n: int) -> None:
        """Somebody deletes a pod."""
        if (pod := self._pod(n)) is not None:
            self.world.delete_pod(pod)

    def do_strip_pod(self, n: int) -> None:
        """Somebody strips a pod of its finalizer and forces its deletion."""
        if (pod := self._pod(n)) is not None and not pod.ended:
            self.world.strip_pod(pod)

    def do_evict(self, n: int) -> None:
        """A node evicts a pod."""
        if (pod := self._pod(n)) is not None:
            self.world.evict_pod(pod)

    def do_delete_job(self, n: int) -> None:
        """Somebody deletes a Kubernetes Job of which every operator knows.

        A create cannot be fenced; only the occupied name protects, and here it is somebody else who frees it.
        """
        for operator in self.operators:
            operator.hear("executions", len(operator.feed.executions))
        if (job := pick(list(self.world.recorded()), n)) is not None:
            self.world.delete_job(job, orphan=n % 4 == 0)

    def do_spoil(self, n: int) -> None:
        """The next checkpoints cannot be taken."""
        self.world.bad_checkpoints = n % 3

    def do_refuse(self, n: int) -> None:
        """The next creates of Jobs are refused, for now or for good."""
        if n % 4:
            self.world.refusals = n % 4
        else:
            self.world.rejections = 1

    # --- When nothing more happens

    def settle(self, *, resumed: bool = True, rounds: int = 400) -> None:
        """Faults stop, everything gets its turn, until nothing changes any more."""
        self.world.refusals = self.world.rejections = 0
        if resumed:
            self._edit(paused=False, hold=[])
        quiet = 0  # waits after which nothing had changed: a time-based checkpoint is looked for again and again
        for _ in range(rounds):
            if resumed and self.world.spec.get("paused"):
                self._edit(paused=False)  # `failurePolicy: Pause` has asked for a person
            quiet = 0 if self._round() else quiet + 1
            if quiet and (quiet > _QUIET_WAITS or not self._wait()):
                return
        raise AssertionError("no fixpoint is reached")

    def _round(self) -> bool:
        """Everybody has a turn; whether anything changed."""
        world, before = self.world, self.world.version
        for operator in self.operators:
            operator.hear_all()
            operator.look()
            self._look_until_idle(operator)
        for job in list(world.jobs.values()):
            world.sync(job)
        for pod in list(world.pods.values()):
            world.step(pod)
        return world.version != before

    def _look_until_idle(self, operator: Process) -> None:
        """Invariant 7: with nothing new, planning again on what was applied comes to an end; time goes on meanwhile."""
        for _ in range(12):
            operator.hear_all()
            if operator.look().idle:
                return
            self.world.now += timedelta(milliseconds=1)
        raise AssertionError(f"planning again never comes to rest: {operator.plan()}")

    def _wait(self) -> bool:
        """Let time pass until an operator wants to look again; whether one does."""
        waits = [operator.plan().requeue_after for operator in self.operators]
        delays = [wait for wait in waits if wait is not None]
        assert all(delay > 0 for delay in delays), "a hot loop"
        if not delays or self.finished:
            return False
        self.world.now += timedelta(seconds=min(delays))
        return True

    # --- What it came to

    @property
    def finished(self) -> bool:
        """Whether the execution has ended."""
        return self.world.status.get("phase") in ("Succeeded", "Failed", "Cancelled")

    def states(self) -> dict[str, str]:
        """The state of every job."""
        return {r["id"]: r["state"] for r in self.world.status.get("jobs", ())}

    def restore_phase(self) -> str:
        """How far the newest restore has come."""
        return str(self.world.status.get("restore", {}).get("phase", ""))

    def answers(self) -> dict[str, str]:
        """What was answered to each request."""
        return {r["id"]: r.get("outcome", "Done") for r in self.world.status.get("requests", ())}

    def pause_phase(self) -> str:
        """How far the pause has come."""
        return str(self.world.status.get("pause", {}).get("phase", ""))

    # --- Choices

    def _edit(self, **fields: object) -> None:
        self.world.edit(lambda spec: spec.update(fields))

    def _edit_job(self, name: str, **fields: object) -> None:
        jobs = [j | fields if j["id"] == name else j for j in self.world.spec["jobs"]]
        self._edit(jobs=jobs)

    def _job_id(self, n: int) -> str:
        jobs = self.world.spec["jobs"]
        return str(jobs[n % len(jobs)]["id"])

    def _named(self, n: int) -> list[str]:
        """What may run again: nothing, any jobs, those that may not without a word, or all of them."""
        jobs = self.world.spec["jobs"]
        match n % 4:
            case 0:
                return []
            case 1:
                return [j["id"] for place, j in enumerate(jobs) if n >> place & 4]
            case 2:
                return [j["id"] for j in jobs if j.get("replay") == "Unsafe"]
            case _:
                return [j["id"] for j in jobs]

    def _pod(self, n: int) -> SimPod | None:
        return pick(list(self.world.pods.values()), n)


def pick(items: Sequence[T], n: int) -> T | None:
    """One of the items, if there is one."""
    return items[n % len(items)] if items else None
