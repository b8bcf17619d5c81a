"""A simulated operator process: real views, the real planner, and an apply that can be cut off anywhere."""

from __future__ import annotations

from datetime import timedelta

from cairn import names
from cairn.app.checkpoints.taking import label_of
from cairn.app.executions import Borrowed, ExecutionView, origin_of
from cairn.app.views import Views
from cairn.core.actions import (
    Action,
    DeleteExecution,
    Explain,
    FetchCheckpoint,
    FetchJobs,
    FetchPacks,
    FetchResult,
    Hold,
    KeepLogTail,
    Launch,
    LookUp,
    Plan,
    ReadLog,
    Release,
    SavePack,
    SaveResult,
    SetPaused,
    StopJob,
    TakeCheckpoint,
    Urgency,
)
from cairn.core.checkpoint import objects
from cairn.core.checkpoint.book import Pending
from cairn.core.checkpoint.trigger import Trigger
from cairn.core.observed import Explanation, LogRead, Refusal
from cairn.core.outputs import Outputs, from_termination
from cairn.core.planner import plan
from cairn.core.restore import packs
from cairn.core.restore.source import Found
from cairn.core.spec import Restore
from cairn.core.status_wire import from_wire
from cairn.errors import AlreadyExists, Conflict, Gone, Refused, Rejected
from simulation.steps import keeping
from simulation.steps.world import Body, Feed, World

Reading = FetchCheckpoint | FetchPacks | FetchJobs


class Crash(Exception):
    """The process is killed here."""


class Process:
    """One operator. What it has not been told it does not know; what it knows is lost when it crashes."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.feed = Feed()
        world.feeds.append(self.feed)
        self._left = -1  # effects until the process is killed; negative: it is not
        self.effects = 0  # that it has made so far
        self.killed = False  # at its latest look
        self.restart()

    def restart(self) -> None:
        """Start anew: everything is listed once."""
        self.views = Views()
        self._reading: dict[type[Reading], tuple[int, Reading, ExecutionView]] = {}
        self.feed.executions.clear()
        self.feed.jobs.clear()
        self.feed.pods.clear()
        self.feed.checkpoints.clear()
        for checkpoint in (c for world in (self.world, *self.world.origins) for c in world.checkpoints.values()):
            self.views.checkpoints.see(checkpoint)
        for job in self.world.jobs.values():
            self.views.see_job(job.body)
        for pod in self.world.pods.values():
            self.views.see_pod(pod.body)
        self.views.see_execution(self.world.execution())

    def hear(self, kind: str, count: int) -> None:
        """Let the watch of a kind bring its next events."""
        waiting: list[tuple[Body, bool]] = getattr(self.feed, kind)
        for body, deleted in waiting[:count]:
            match kind, deleted:
                case "executions", _:
                    self.views.see_execution(body)
                case "checkpoints", _:
                    self.views.checkpoints.see(body)
                case "jobs", False:
                    self.views.see_job(body)
                case "jobs", True:
                    self.views.forget_job(body)
                case "pods", False:
                    self.views.see_pod(body)
                case _:
                    self.views.forget_pod(body)
        del waiting[:count]

    def hear_all(self) -> None:
        """Let every watch catch up."""
        for kind in ("executions", "jobs", "pods", "checkpoints"):
            self.hear(kind, 1_000_000)

    # --- One look

    def _view(self) -> ExecutionView:
        view = self.views.execution(self.world.uid)
        assert view is not None
        return view

    def plan(self) -> Plan:
        """What the planner makes of what this process knows."""
        view, now = self._view(), self.world.now
        return plan(view.execution, self.views.observe(self.world.uid, now), now=now, shape=view.shape)

    def look(self, *, effects: int = -1) -> Plan:
        """Plan and apply; killed (and started again) after so many effects, if that is not negative."""
        self._read_on()
        made = self.plan()
        self._left, self.killed = effects, False
        try:
            self._apply(made)
        except Conflict:
            self.views.see_execution(self.world.execution())
        except Crash:
            self.killed = True
            self.restart()
        finally:
            self._left = -1
        return made

    def _apply(self, made: Plan) -> None:
        for action in made.before:
            self._perform(action)
        if made.urgency is not Urgency.NONE:
            self._effect()
            self._store(made)
        for action in made.after:
            self._perform(action)

    def _effect(self) -> None:
        """Count an effect that is about to be made."""
        if self._left == 0:
            raise Crash
        self._left -= 1
        self.effects += 1

    def _store(self, made: Plan) -> None:
        view = self._view()
        assert from_wire(made.wire) == made.status, "what is stored is not what was decided"
        version = self.world.write_status(view.resource_version, dict(made.wire))
        self.views.wrote_status(view.key, version, made.status)

    def _perform(self, action: Action) -> None:
        self._effect()
        world, seen = self.world, self.views.seen(self.world.uid)
        match action:
            case SaveResult(manifest, outputs):
                if outputs is not None:
                    self.views.outputs.put(outputs)
                self._create_result(manifest)
            case KeepLogTail(manifest):
                self._create_result(manifest)
            case Launch():
                self._launch(action)
            case Release() | Hold() | StopJob():
                self._check_stray(action)
                self._patch_job(action)
            case SetPaused(paused, reason):
                world.set_paused(self._view().resource_version, paused, reason)
            case LookUp(name, pods):
                self._look_up(name, pods)
            case Explain(uid):
                seen.explained[uid] = Explanation("FailedScheduling", "no node", world.now)
            case ReadLog(name, pod):
                seen.logs[name] = LogRead(outputs=from_termination(pod.termination_message, containers=1))
            case FetchResult(name, digest):
                self._fetch(name, digest)
            case SavePack(manifest):
                self._create_result(manifest)
                self._take_in(manifest)
            case FetchPacks() | FetchJobs() | FetchCheckpoint():
                self._later(action)
            case TakeCheckpoint(pending):
                self._take(pending)
            case DeleteExecution():
                world.deleted = True

    def take(self, name: str) -> None:
        """Answer a Checkpoint object that somebody creates."""
        self._take(Pending(name, Trigger.MANUAL, "", (), self.world.now))

    def _take(self, pending: Pending) -> None:
        """As the keeper does it: the object, then the state that is stored at this moment."""
        view = self._view()
        manifest = objects.manifest(
            view.execution.identity, pending.name, pending.trigger, pending.label, {}, guarded=False
        )  # fmt: skip
        seen = objects.view(self.world.create_checkpoint(manifest))
        self._effect()
        if not seen.is_settled:
            cut = keeping.saved(self.world, view, label_of(seen, None, self.world.now))
            stored = (False, "NotConfigured", "")
            status = objects.ready_status(cut.taken, stored, generation=1, now=self.world.now)
            self.views.checkpoints.see(self.world.settle_checkpoint(pending.name, seen.resource_version, status))

    # --- Restores

    def _later(self, action: Reading) -> None:
        """Read it beside the loop, one at a time of a kind; the answer is there at this look, or at a later one."""
        self._reading.setdefault(type(action), (self.world.slow_reads, action, self._view()))
        self.world.slow_reads = 0
        self._read_on()

    def _read_on(self) -> None:
        for kind, (looks, action, view) in list(self._reading.items()):
            if looks:
                self._reading[kind] = (looks - 1, action, view)
            else:
                del self._reading[kind]
                self._read(action, view)

    def _read(self, action: Reading, view: ExecutionView) -> None:
        match action:
            case FetchCheckpoint(asked):
                self._fetch_checkpoint(view, asked)
            case FetchPacks(pack_names, digests):
                for name in pack_names:
                    self._take_in(self.world.results[name])
                missing = digests - self.views.outputs.pick(set(digests)).keys()
                self.views.seen(self.world.uid).lost.update(missing)
            case FetchJobs(name):
                configs = packs.read_configs(self.world.results[name])
                assert configs is not None
                self.views.borrow(self.world.uid, Borrowed(name, configs))

    def _fetch_checkpoint(self, view: ExecutionView, asked: Restore) -> None:
        found = keeping.found(self.world, self.views, view, asked)
        self.views.seen(self.world.uid).restore = found
        if isinstance(found, Found) and view.execution.borrows_jobs and view.execution.status.started_at is None:
            configs = {key: found.spec[key] for key in packs.CONFIGS if key in found.spec}
            self.views.borrow(self.world.uid, Borrowed(origin_of(view.asks), configs))

    def _take_in(self, pack: Body) -> None:
        for _, attempt in packs.read_results(pack):
            if attempt.outputs is not None:
                self.views.outputs.put(attempt.outputs)

    def _check_stray(self, action: Release | Hold | StopJob) -> None:
        """Only who knows the execution as it is may take a Job for one without a record."""
        view = self._view()
        if isinstance(action, StopJob) and action.stray and view.resource_version != self.world.execution_version:
            raise Conflict("the execution has changed", status=409)

    def _create_result(self, manifest: Body) -> None:
        try:
            self.world.create_result(manifest)
        except AlreadyExists:
            pass

    def _launch(self, action: Launch) -> None:
        refused = self.views.seen(self.world.uid).refused
        again = self.world.now + timedelta(seconds=1)
        try:
            self.views.see_job(self.world.create_job(action.manifest))
        except AlreadyExists:
            self.views.see_job(self.world.get_job(action.name))
        except Rejected as error:
            refused[action.name] = Refusal(names.LAUNCH_REJECTED, str(error), self.world.now, final=True)
        except Refused as error:
            refused[action.name] = Refusal(names.LAUNCH_REFUSED, str(error), again, since=self.world.now)

    def _patch_job(self, action: Release | Hold | StopJob) -> None:
        metadata: Body = {"uid": action.uid, "annotations": {names.ANNOTATION_HELD: None}}
        spec: Body = {"suspend": True}
        match action:
            case Release(resource_version=version):
                metadata["resourceVersion"] = version
                spec = {"suspend": False}
            case Hold(resource_version=version, generation=generation):
                metadata |= {"resourceVersion": version, "annotations": {names.ANNOTATION_HELD: str(generation)}}
            case StopJob():
                spec["parallelism"] = 0
        try:
            self.views.see_job(self.world.patch_job(action.name, metadata, spec))
        except (Conflict, Gone):
            self._look_up(action.name, False)

    def _look_up(self, name: str, pods: bool) -> None:
        now = self.world.now
        if pods:
            found = self.world.pods_of(name)
            for pod in found:
                self.views.see_pod(pod)
            if not found:
                self.views.note_absent(self.world.uid, name, now, pods=True)
            return
        try:
            self.views.see_job(self.world.get_job(name))
        except Gone:
            self.views.note_absent(self.world.uid, name, now, pods=False)

    def _fetch(self, name: str, digest: str) -> None:
        found = Outputs(self.world.results.get(name, {}).get("spec", {}).get("outputs", ""))
        if found.digest == digest:
            self.views.outputs.put(found)
        else:
            self.views.seen(self.world.uid).lost.add(digest)
