"""Cairn broken on purpose, one rule at a time: a simulation that does not notice these would notice nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

from cairn.app import handover, reconcile, views
from cairn.app.checkpoints import lifetimes
from cairn.app.checkpoints.keeper import Keeper
from cairn.app.checkpoints.outbox import Outbox
from cairn.app.executions import ExecutionView
from cairn.app.launches import Launches
from cairn.app.reconcile import Reconciler
from cairn.app.views import Views
from cairn.core import pausing
from cairn.core.actions import Launch, Plan, StopJob, Urgency
from cairn.core.checkpoint.objects import CheckpointObject
from cairn.core.checkpoint.state import Stored
from cairn.core.observed import KubeJob, kube_pod
from cairn.core.planner import plan
from cairn.core.status import JobRecord, JobState, PauseState

Patches = list[Any]


@dataclass(frozen=True, slots=True)
class Variant:
    """A rule that is not kept any more."""

    what: str
    patches: Callable[[], Patches]

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Within it, Cairn is broken."""
        patches = self.patches()
        for patch in patches:
            patch.start()
        try:
            yield
        finally:
            for patch in reversed(patches):
                patch.stop()


def _instead(owner: Any, name: str, other: Any) -> Any:
    return mock.patch.object(owner, name, other)


# --- The loop --------------------------------------------------------------------------------------------------------


def _effect_before_intent() -> Patches:
    async def apply(self: Reconciler, view: ExecutionView, plan: Plan) -> float | None:
        await self._all(view, (*plan.before, *plan.after))
        if plan.urgency is not Urgency.NONE:
            await self._store(view, plan)
        return plan.requeue_after

    return [_instead(Reconciler, "_apply", apply)]


def _any_owner() -> Patches:
    async def adopt(self: Launches, view: ExecutionView, action: Launch) -> str:
        body = await self._cluster.get_job(view.key.namespace, action.name)
        labels = {**body["metadata"]["labels"], **action.manifest["metadata"]["labels"]}
        owners = action.manifest["metadata"]["ownerReferences"]
        self._views.see_job(body | {"metadata": body["metadata"] | {"labels": labels, "ownerReferences": owners}})
        return "adopted"

    return [_instead(Launches, "_adopt", adopt)]


def _stopping_deletes() -> Patches:
    kept = Reconciler._patch_job

    async def patch_job(self: Reconciler, view: ExecutionView, action: Any) -> float | None:
        if isinstance(action, StopJob):
            await self._cluster._api.delete(  # type: ignore[attr-defined]
                f"/apis/batch/v1/namespaces/{view.key.namespace}/jobs/{action.name}", uid=action.uid
            )
            return None
        return await kept(self, view, action)

    def lose_job(self: Views, job: KubeJob) -> str:
        """Nor does anybody remember that it was there."""
        uid = lost(self, job)
        self.seen(uid).gone.discard(job.name)
        return uid

    lost = Views.lose_job
    return [_instead(Reconciler, "_patch_job", patch_job), _instead(Views, "lose_job", lose_job)]


def _missing_job_made_again() -> Patches:
    def forgetful(self: Views, uid: str, name: str, now: Any, *, pods: bool) -> None:
        """A Job that is gone was never there, then: its intent is as open as it was."""
        view = self._executions.get(uid)
        if view is not None and not pods:
            jobs = {id: replace(r, uid="") for id, r in view.execution.status.jobs.items()}
            execution = replace(view.execution, status=replace(view.execution.status, jobs=jobs))
            self._executions[uid] = replace(view, execution=execution)
        kept(self, uid, name, now, pods=pods)
        self.seen(uid).gone.discard(name)

    kept = Views.note_absent
    return [_instead(Views, "note_absent", forgetful)]


def _intent_forgotten_under_a_pause() -> Patches:
    kept = plan

    def forgetful(execution: Any, observed: Any, **given: Any) -> Plan:
        if execution.spec is not None and execution.spec.paused:
            jobs = {id: _forgotten(r, observed.jobs) for id, r in execution.status.jobs.items()}
            execution = replace(execution, status=replace(execution.status, jobs=jobs))
        return kept(execution, observed, **given)

    def _forgotten(record: JobRecord, jobs: Any) -> JobRecord:
        if record.state is JobState.RUNNING and not record.uid:
            return JobRecord(record.id, JobState.PENDING, 0, used=record.attempt)
        return record

    return [_instead(reconcile, "make_plan", forgetful)]


def _status_before_result() -> Patches:
    kept = Reconciler._apply

    async def apply(self: Reconciler, view: ExecutionView, plan: Plan) -> float | None:
        return await kept(self, view, replace(plan, before=(), after=(*plan.after, *plan.before)))

    return [_instead(Reconciler, "_apply", apply)]


# --- What is seen ----------------------------------------------------------------------------------------------------


def _deleted_is_ended() -> Patches:
    kept = kube_pod

    def hasty(body: Any) -> Any:
        pod = kept(body)
        return replace(pod, phase="Failed", exit_code=137) if pod.deleting and not pod.ended else pod

    return [_instead(views, "kube_pod", hasty)]


def _unfenced() -> Patches:
    kept = Reconciler._store

    async def store(self: Reconciler, view: ExecutionView, plan: Plan) -> None:
        """On whatever version there is now, as a patch without one would be."""
        body = await self._cluster.get_execution(view.key.namespace, view.key.name)
        await kept(self, replace(view, resource_version=body["metadata"]["resourceVersion"]), plan)

    return [_instead(Reconciler, "_store", store)]


# --- Pauses and restores ---------------------------------------------------------------------------------------------


def _stale_until() -> Patches:
    def resume_at(pause: PauseState) -> Any:
        return pause.until

    return [_instead(pausing, "resume_at", resume_at)]


# --- Checkpoints -----------------------------------------------------------------------------------------------------


def _row_first() -> Patches:
    kept = Keeper._ready

    async def ready(self: Keeper, seen: CheckpointObject, identity: Any, found: Any, stored: Any) -> None:
        if self._outbox.configured and not stored[0]:
            tenant = await self._outbox.tenant(seen.namespace)
            await self._outbox.put_now(Stored(found.taken.summary(seen, tenant), found.content))
        await kept(self, seen, identity, found, stored)

    return [_instead(Keeper, "_ready", ready)]


def _nothing_is_needed() -> Patches:
    return [_instead(lifetimes, "_needed", lambda *given: frozenset())]


def _pins_do_not_count() -> Patches:
    kept = lifetimes.retired

    def retired(execution: Any, found: Any, restores: Any, now: Any) -> Any:
        return kept(execution, [replace(c, pinned=False) for c in found], restores, now)

    return [_instead(lifetimes, "retired", retired)]


def _let_go_unburied() -> Patches:
    async def bury(self: Outbox, seen: CheckpointObject) -> None:
        return

    return [_instead(Outbox, "_bury", bury)]


def _taken_of_what_is_believed() -> Patches:
    """A checkpoint of the state as it is about to be, not as it is stored."""
    kept = Keeper.request

    def request(self: Keeper, view: ExecutionView, action: Any) -> None:
        jobs = {id: replace(r, message="about to be") for id, r in view.execution.status.jobs.items()}
        execution = replace(view.execution, status=replace(view.execution.status, jobs=jobs))
        kept(self, replace(view, execution=execution), action)

    return [_instead(Keeper, "request", request)]


# --- Shards ----------------------------------------------------------------------------------------------------------


def _begun_is_given_away() -> Patches:
    return [_instead(handover, "may_have_begun", lambda status: False)]


def _strays_stay() -> Patches:
    async def sort_out(self: handover.Handover, lane: Any, there: Any) -> frozenset[str]:
        return frozenset()

    return [_instead(handover.Handover, "sort_out", sort_out)]


VARIANTS = {
    "effect-before-intent": Variant("a Kubernetes Job is created before its launch is recorded", _effect_before_intent),
    "any-owner": Variant("a Kubernetes Job of the right name is adopted, whoever it belongs to", _any_owner),
    "stopping-deletes": Variant("a stopped attempt's Job is deleted, its name is free", _stopping_deletes),
    "missing-job-made-again": Variant("a recorded Job that is missing is created again", _missing_job_made_again),
    "intent-forgotten": Variant("an open intent is forgotten under a pause", _intent_forgotten_under_a_pause),
    "deleted-is-ended": Variant("an attempt ends on its pod's deletionTimestamp", _deleted_is_ended),
    "unfenced": Variant("a status is written on whatever version there is", _unfenced),
    "stale-until": Variant("an `until` from before the pause ends it", _stale_until),
    "row-first": Variant("the row is written before the object", _row_first),
    "nothing-is-needed": Variant("retention does not ask who needs a checkpoint", _nothing_is_needed),
    "pins-do-not-count": Variant("retention removes pinned checkpoints", _pins_do_not_count),
    "let-go-unburied": Variant("the finalizer goes without the row", _let_go_unburied),
    "not-as-stored": Variant("a checkpoint holds a state that was never stored", _taken_of_what_is_believed),
    "begun-is-given-away": Variant("an execution that has begun is given to a shard", _begun_is_given_away),
    "strays-stay": Variant("a checkpoint stays with whoever hears of it first", _strays_stay),
    "status-before-result": Variant("a status names a result that is not stored yet", _status_before_result),
}
