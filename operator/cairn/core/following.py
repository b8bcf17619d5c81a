"""Following what was launched: every running attempt is looked at, and its end, stop or wait is decided.

Rules:
- Intent before effect: an attempt is marked `stopping` in a stored status before its Kubernetes Job is suspended.
- An intent without a Job is settled under a pause or a cancel by creating the Job suspended, never forgotten: the
  create may be under way. Only where that is refused under a cancel, or the job is in the spec no more, it is given up;
  never for the sake of a rewind, after which the job runs again: the late create would make a second container of it.
- What has not started when it is put on `hold`, or when its job is taken out of the spec, does not start either.
- A held Job is released only by a view of the execution that is newer than the hold (generations only grow), so that a
  stale operator cannot start a container after `Paused`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import assert_never

from cairn import names
from cairn.core import checkpointing, manifests
from cairn.core.actions import (
    Explain,
    FetchPacks,
    FetchResult,
    Hold,
    KeepLogTail,
    Launch,
    LookUp,
    ReadLog,
    Release,
    SaveResult,
    StopJob,
)
from cairn.core.assess import Alive, Ended, EndKind, Held, LogWanted, Unconfirmed, Unlaunched, assess
from cairn.core.conclude import conclude, with_seen
from cairn.core.draft import Draft
from cairn.core.observed import PASSING_MOST, Explanation, KubeJob
from cairn.core.outputs import Outputs
from cairn.core.spec import JobSpec, PauseMode, RunOn
from cairn.core.status import JobRecord, JobState, Stopping
from cairn.core.templates import TemplateError

_EXPLAIN_AFTER = timedelta(seconds=3)
_EXPLAIN_AGAIN = timedelta(seconds=20)


class CannotLaunch(Exception):
    """The job cannot be launched, now or later; `reason` is for its record."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def follow(draft: Draft) -> None:
    """Decide about every running attempt."""
    for record in [r for r in draft.records.values() if r.running]:
        _follow_one(draft, _marked(draft, record))


def _job_of(draft: Draft, record: JobRecord) -> JobSpec:
    """The job's spec; one that was removed after it had started is followed to its end without another try."""
    return draft.shape.jobs.get(record.id) or JobSpec(id=record.id, index=-1)


def _marked(draft: Draft, record: JobRecord) -> JobRecord:
    """The record, marked as to be stopped where a cancel, a timeout or a pause with `mode: Stop` wants that."""
    job = _job_of(draft, record)
    if draft.stopping:
        return record if record.id in draft.adopted else record.as_stopping(Stopping.REWIND)
    if draft.ending and job.run_on is not RunOn.DONE:
        cause = Stopping.CANCEL if draft.status.cancel else Stopping.TIMEOUT
        return record.as_stopping(cause)
    stops = draft.spec.paused and draft.spec.pause.mode is PauseMode.STOP
    if stops and not checkpointing.is_critical(draft, record.id):
        return record.as_stopping(Stopping.PAUSE)
    return record


def _follow_one(draft: Draft, record: JobRecord) -> None:
    job, name = _job_of(draft, record), draft.name_of(record)
    needed = bool(draft.shape.dependents.get(record.id))
    match assess(record, name, draft.observed, handout=job.outputs, needed=needed):
        case Unlaunched():
            _settle_intent(draft, record, job, name)
        case Unconfirmed(pod):
            draft.after.append(LookUp(name, pods=pod))
            _wait(draft, record, names.WAITING, "looking for its Kubernetes Job")
        case Held(held):
            _held(draft, record, held)
        case LogWanted(pod, message, retry_at):
            if retry_at is None or not draft.awaits(retry_at, PASSING_MOST):
                draft.after.append(ReadLog(name, pod))
            _wait(draft, with_seen(record, draft.observed.jobs.get(name), pod), names.READING_OUTPUTS, message)
        case Alive() as alive:
            _alive(draft, record, alive)
        case Ended() as ended:
            _ended(draft, record, job, ended)
        case _ as never:
            assert_never(never)


def _wait(draft: Draft, record: JobRecord, reason: str, message: str) -> None:
    draft.put(record.with_reason(reason, message))
    draft.unsettled.append(record.id)


# --- Intents ---------------------------------------------------------------------------------------------------------


def _settle_intent(draft: Draft, record: JobRecord, job: JobSpec, name: str) -> None:
    refusal = draft.observed.refused.get(name)
    record = _not_stopped_by_pause(record)
    if job.index < 0:
        why = "taken out of spec.jobs before it started"
        _withdraw(draft, record, record.as_ended(JobState.SKIPPED, names.REMOVED, why, draft.now), name)
        return
    if refusal is not None and refusal.final:
        draft.put(record.as_ended(JobState.FAILED, refusal.reason, refusal.message, draft.now))
        return
    if refusal is not None and record.stopping is not None and not draft.stopping:
        _withdraw(draft, record, conclude(record, Ended(EndKind.STOPPED), job, draft.now, last=True).record, name)
        return
    if refusal is not None and draft.awaits(refusal.retry_at, PASSING_MOST):
        _wait(draft, record, refusal.reason, refusal.message)
        return
    blocked = draft.spec.paused or record.stopping is not None or record.id in draft.spec.hold
    if name in draft.observed.launching and not blocked:
        _wait(draft, record, names.LAUNCHING, "")
        return
    record = replace(record, definition=job.digest)  # of what is created now; a Job that exists already says its own
    try:
        launch = launch_of(draft, record, job, held=blocked)
    except CannotLaunch as error:
        draft.put(record.as_ended(JobState.FAILED, error.reason, str(error), draft.now))
        return
    if launch is not None:
        draft.after.append(launch)
    reason, message = (refusal.reason, refusal.message) if refusal else (names.LAUNCHING, "")
    _wait(draft, record, reason, message)


def _withdraw(draft: Draft, record: JobRecord, ended: JobRecord, name: str) -> None:
    """Give up an intent that is not created any more, once a live read has shown that it has not been."""
    if name in draft.observed.launching:
        _wait(draft, record, names.LAUNCHING, "")
        return
    if name in draft.observed.absent:
        draft.put(ended)
        return
    draft.after.append(LookUp(name))
    _wait(draft, record, names.WAITING, "looking for its Kubernetes Job")


def _not_stopped_by_pause(record: JobRecord) -> JobRecord:
    """What has not started is held by a pause, not stopped by it: it goes on as the same attempt."""
    return replace(record, stopping=None) if record.stopping is Stopping.PAUSE else record


def upstream(draft: Draft, job: JobSpec) -> dict[str, Outputs] | list[FetchResult | FetchPacks]:
    """The outputs of the job's dependencies, or what must be fetched to have them."""
    found: dict[str, Outputs] = {}
    missing: list[JobRecord] = []
    for name in job.depends_on:
        record = draft.records[name]
        if not record.result or record.state is not JobState.COMPLETED:
            continue
        out = draft.find_outputs(record.result)
        if out is not None:
            found[name] = out
        elif record.result in draft.observed.lost:
            raise CannotLaunch(names.INPUT_LOST, f"the outputs of job {name} are gone or damaged")
        else:
            missing.append(record)
    return _fetches(draft, missing) or found


def _fetches(draft: Draft, missing: list[JobRecord]) -> list[FetchResult | FetchPacks]:
    """What to read to have these results: each its JobResult, but what a fork has kept, from its packs.

    It has kept what was launched before it began. Both are times of the operator; when an attempt has ended is told by
    the clock of its node.
    """
    restored, begun = draft.status.restored_from, draft.status.started_at
    packs = restored.packs if restored else ()
    fetches: list[FetchResult | FetchPacks] = []
    packed: set[str] = set()
    for record in missing:
        if packs and begun and record.launched_at is not None and record.launched_at < begun:
            packed.add(record.result)
        else:
            fetches.append(FetchResult(draft.name_of(record), record.result))
    return [*fetches, FetchPacks(packs, frozenset(packed))] if packed else fetches


def launch_of(draft: Draft, record: JobRecord, job: JobSpec, *, held: bool) -> Launch | None:
    """The launch of an intent, or None while its inputs are still being fetched (which is asked for).

    Raises CannotLaunch when an input is lost, or lacks what the job's template refers to.
    """
    given = upstream(draft, job)
    if isinstance(given, list):
        draft.after.extend(fetch for fetch in given if fetch not in draft.after)
        return None
    params = draft.spec.params
    inputs = manifests.inputs(draft.identity, params, given)
    try:
        template = manifests.resolve(job, params, given)
    except TemplateError as error:
        raise CannotLaunch(names.TEMPLATE_FAILED, str(error)) from error
    manifest = manifests.kubernetes_job(draft.identity, job, record, inputs, template)
    if held:
        manifest = manifests.as_held(manifest, draft.execution.generation)
    return Launch(manifest["metadata"]["name"], manifest, inputs.objects)


# --- What lives ------------------------------------------------------------------------------------------------------


def _held(draft: Draft, record: JobRecord, job: KubeJob) -> None:
    record = _not_stopped_by_pause(with_seen(record, job, None))
    if record.id not in draft.shape.jobs:
        record = record.as_stopping(Stopping.PAUSE)  # taken out of the spec before it started: it never does
    if record.stopping is not None:
        draft.after.append(StopJob(job.name, job.uid))
        _wait(draft, record, names.STOPPING, f"being stopped ({record.stopping})")
        return
    held_at = job.held_at or 0
    pause = draft.status.pause
    if pause is None and record.id in draft.spec.hold:
        draft.put(record.with_reason(names.ON_HOLD, "created suspended, not started; named in spec.hold"))
        return
    if pause is None:
        if draft.execution.generation > held_at:
            draft.after.append(Release(job.name, job.uid, job.resource_version))
        draft.put(record.with_reason(names.HELD, "created suspended under a pause; being released"))
        return
    if held_at < pause.generation:
        draft.after.append(Hold(job.name, job.uid, job.resource_version, draft.execution.generation))
        draft.unsettled.append(record.id)
    draft.put(record.with_reason(names.HELD, "created suspended under a pause; not started"))


def _alive(draft: Draft, record: JobRecord, alive: Alive) -> None:
    if alive.intruder:
        record = record.as_stopping(Stopping.SECOND_POD)
    record = with_seen(record, alive.job, alive.pod)
    if record.stopping is not None and alive.job is not None and not alive.job.stopped:
        draft.after.append(StopJob(alive.job.name, alive.job.uid))
    reason, message = alive.reason, alive.message
    if record.stopping is not None:
        reason, message = names.STOPPING, f"being stopped ({record.stopping})"
    elif reason == names.WAITING and (explained := _explained(draft, record, alive)) and explained.message:
        reason, message = explained.reason, explained.message
    _wait(draft, record, reason, message)


def _explained(draft: Draft, record: JobRecord, alive: Alive) -> Explanation | None:
    """Why a Job has no pod, or a pod no container, for longer than usual, as the Events about it say."""
    subject = alive.pod or alive.job
    assert subject is not None  # something of it is seen, else it would not be alive
    since = subject.created_at or record.launched_at or draft.now
    if draft.now < since + _EXPLAIN_AFTER:
        draft.wake.append(since + _EXPLAIN_AFTER)
        return None
    known = draft.observed.explained.get(subject.uid)
    if known is None or draft.now >= known.at + _EXPLAIN_AGAIN:
        draft.after.append(Explain(subject.uid))
    draft.wake.append((known.at if known and draft.now < known.at + _EXPLAIN_AGAIN else draft.now) + _EXPLAIN_AGAIN)
    return known


# --- Ends ------------------------------------------------------------------------------------------------------------


def _ended(draft: Draft, record: JobRecord, job: JobSpec, ended: Ended) -> None:
    last = (draft.ending and job.run_on is not RunOn.DONE) or job.index < 0
    concluded = conclude(record, ended, job, draft.now, last=last)
    draft.put(concluded.record)
    if ended.outputs is not None:
        draft.outputs[ended.outputs.digest] = ended.outputs
    result = manifests.result(draft.identity, concluded.attempt, ended.outputs, _said(ended, concluded.said))
    if ended.outputs is not None or ended.kind is not EndKind.SUCCESS:
        draft.before.append(SaveResult(result, ended.outputs))
    if ended.pod is not None:
        draft.after.append(KeepLogTail(result, ended.pod))
    if ended.kind is not EndKind.SUCCESS and ended.job is not None and _could_start_again(ended.job):
        draft.after.append(StopJob(ended.job.name, ended.job.uid))


def _said(ended: Ended, message: str) -> str:
    """The whole of what a failed container said, of which the record keeps a line; else why the attempt ended."""
    pod = ended.pod
    return pod.termination_message.strip() if pod and pod.exit_code and pod.termination_message.strip() else message


def _could_start_again(job: KubeJob) -> bool:
    """Whether something else (a queue controller) suspended the Job and may wake it after its attempt has ended."""
    return job.suspended and not job.stopped and not job.complete and not job.failed


def suspend_strays(draft: Draft) -> None:
    """Suspend every Kubernetes Job that runs without a live record: a late create, or one woken after its end."""
    for job in draft.observed.jobs.values():
        if job.complete or job.failed or job.deleting or job.stopped:
            continue
        record = draft.records.get(job.job)
        if record is None or job.attempt > record.last or (not _is_live(record, job) and _runs(draft, job)):
            draft.after.append(StopJob(job.name, job.uid, stray=True))


def _is_live(record: JobRecord, job: KubeJob) -> bool:
    return record.running and record.attempt == job.attempt


def _runs(draft: Draft, job: KubeJob) -> bool:
    return any(not pod.ended for pod in draft.observed.pods.get(job.name, ()))

