"""The one loop: observe, plan, apply. Every event, timer and restart leads here, and only here effects are made.

The order of effects is the design's: results first, then the status on the very version that was planned on, then the
Events that tell of it, then the actions that the stored status allows. A refused status write (409) drops the whole
plan: the world has moved on, and the next look decides anew. A crash between any two steps is the same as an operator
that was slow: the next look finds the status and the objects as they are.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, assert_never

from cairn import names
from cairn.app.checkpoints.archive import Archive
from cairn.app.events import EventWriter
from cairn.app.executions import ExecutionView, Key
from cairn.app.finder import Finder
from cairn.app.launches import Launches, Room, create_once
from cairn.app.logs import keep_log_tail
from cairn.app.pace import Pace
from cairn.app.restores import Restores
from cairn.app.telling import Telling
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
from cairn.core.planner import plan as make_plan
from cairn.core.restore import packs
from cairn.errors import ApiError, Conflict, Gone
from cairn.ports import Clock, Cluster

logger = logging.getLogger(__name__)

T = TypeVar("T")
Search = Explain | ReadLog | FetchResult | FetchPacks | FetchJobs | FetchCheckpoint  # done beside the loop

CALLS_AT_ONCE = 32
LOG_TAILS_AT_ONCE = 4
AFTER_ERROR = 1.0  # seconds: what is still wanted is not tried again sooner


class Reconciler:
    """Brings executions forward, one look at a time."""

    def __init__(
        self, cluster: Cluster, views: Views, clock: Clock, events: EventWriter, archive: Archive, restores: Restores,
        telling: Telling | None = None,
    ) -> None:  # fmt: skip
        self._cluster = cluster
        self._views = views
        self._clock = clock
        self._events = events
        self._archive = archive
        self._telling = telling or Telling()
        self._launches = Launches(cluster, views, clock, self._telling)
        self._finder = Finder(cluster, views, clock, restores)
        self._calls = asyncio.Semaphore(CALLS_AT_ONCE)
        self._tails = asyncio.Semaphore(LOG_TAILS_AT_ONCE)
        self._deferred: dict[str, float] = {}
        self.pace = Pace()
        self._background: set[asyncio.Task[None]] = set()
        self._keeping: set[asyncio.Task[None]] = set()  # of these, what is done but once: log tails
        self._under_way: set[tuple[str, ...]] = set()
        self.enqueue: Callable[[Key], None] = lambda key: None  # set by whoever owns the queue
        self.enqueue_after: Callable[[Key, float], None] = lambda key, seconds: None  # likewise
        self.look_at: Callable[[str], None] = lambda uid: None  # likewise
        self.take_checkpoint: Callable[[ExecutionView, TakeCheckpoint], None] = lambda view, action: None  # likewise

    async def reconcile(self, key: Key) -> float | None:
        """Look at one execution and bring it forward; returns in how many seconds to look again, if at all."""
        view = self._views.execution(key.uid)
        if view is None:
            self._deferred.pop(key.uid, None)
            self.pace.forget(key.uid)
            self._launches.forget(key.uid)
            return None
        now = self._clock()
        plan = make_plan(view.execution, self._views.observe(key.uid, now), now=now, shape=view.shape)
        try:
            return await self._apply(view, plan)
        except (Conflict, Gone):
            return await self._read_again(view)

    async def _read_again(self, view: ExecutionView) -> float | None:
        """The view was stale: take in the execution as it is, and decide anew."""
        key = view.key
        try:
            body = await self._cluster.get_execution(key.namespace, key.name)
        except Gone:
            self._views.forget_execution(key.uid)
            return None
        if body["metadata"]["uid"] != key.uid:
            self._views.forget_execution(key.uid)  # its successor has events of its own
            return None
        stale = self._views.see_execution(body) is not None or self._views.execution(key.uid) is not view
        return 0.0 if stale else AFTER_ERROR  # else something other than the execution is gone

    # --- Applying a plan

    async def _apply(self, view: ExecutionView, plan: Plan) -> float | None:
        wait = self._defer(view.key.uid, plan)
        if plan.urgency is not Urgency.NONE and wait is None:
            await self._all(view, plan.before)
            await self._store(view, plan)
            self._events.write(view.execution.identity, plan.notes)
            view = self._views.execution(view.key.uid) or view
        looks = await self._all(view, plan.after if wait is None else plan.in_time)
        waits = (plan.requeue_after, wait, *looks)
        return min((w for w in waits if w is not None), default=None)

    def _defer(self, uid: str, plan: Plan) -> float | None:
        """How long the status write still waits for more to write; None: not at all."""
        if plan.urgency is not Urgency.SOON:
            self._deferred.pop(uid, None)
            return None
        now = asyncio.get_running_loop().time()
        due = self._deferred.setdefault(uid, now + self.pace.write(uid))
        if now < due:
            return due - now
        del self._deferred[uid]
        return None

    async def _store(self, view: ExecutionView, plan: Plan) -> None:
        key = view.key
        wire = dict(plan.wire)
        with self.pace.timed(key.uid):
            version = await self._cluster.write_status(key.namespace, key.name, key.uid, view.resource_version, wire)
        self._views.wrote_status(key, version, plan.status)
        self._telling.stored(view.execution, plan.status, self._clock())
        restored = plan.status.restored_from
        if restored is not None and restored is not view.execution.status.restored_from:
            self.look_at(restored.origin.execution_uid)  # which remembers its forks

    async def _all(self, view: ExecutionView, actions: tuple[Action, ...]) -> list[float | None]:
        """Perform actions at once; one that fails does not keep the others from being tried."""
        if not actions:
            return []
        outcomes = await asyncio.gather(*(self._perform(view, a) for a in actions), return_exceptions=True)
        waits: list[float | None] = []
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
            waits.append(outcome)
        return waits

    async def _perform(self, view: ExecutionView, action: Action) -> float | None:
        """Perform one action; in how many seconds there is reason to look again, if there is."""
        async with self._calls:
            match action:
                case SaveResult():
                    await self._save_result(action)
                case Launch():
                    return await self._launch(view, action)
                case StopJob(stray=True):
                    return await self._stop_stray(view, action)
                case Release() | Hold() | StopJob():
                    return await self._patch_job(view, action)
                case SetPaused():
                    await self._set_paused(view, action)
                case TakeCheckpoint():
                    self.take_checkpoint(view, action)
                case LookUp():
                    return await self._finder.look_up(view, action)
                case DeleteExecution():
                    key = view.key
                    await self._cluster.delete_execution(key.namespace, key.name, key.uid)
                case SavePack():
                    await self._save_pack(action)
                case KeepLogTail():
                    name = action.manifest["metadata"]["name"]
                    self._start(view.key, action, name, self._keep_log_tail(action), look=False)
                case Explain() | ReadLog() | FetchResult() | FetchPacks() | FetchJobs() | FetchCheckpoint():
                    self._start(view.key, action, *self._search(view, action))
                case _:
                    assert_never(action)
        return None

    def _search(self, view: ExecutionView, action: Search) -> tuple[str, Coroutine[Any, Any, None]]:
        """What is looked for, of its kind, and the search for it."""
        match action:
            case Explain(uid=subject):
                return subject, self._finder.explain(view, action)
            case ReadLog(name=subject):
                return subject, self._finder.read_log(view, action)
            case FetchResult(digest=subject):
                return subject, self._finder.fetch_result(view, action)
            case FetchJobs(name=subject):
                return subject, self._finder.fetch_jobs(view, action)
            case FetchPacks():
                return "", self._finder.fetch_packs(view, action)
            case FetchCheckpoint():
                return "", self._finder.fetch_checkpoint(view, action)
            case _:
                assert_never(action)

    # --- Launching and stopping

    async def _launch(self, view: ExecutionView, action: Launch) -> float | None:
        """Create a Kubernetes Job now if there is a place for it, else when its turn comes; a held one needs none."""
        if action.held:
            return await self._launch_now(view, action)
        room = self._launches.room(view.key.uid)
        if not room.is_full:
            await room.take(action.name)
            return await self._launch_now(view, action)
        self._views.seen(view.key.uid).launching.add(action.name)  # so that no look asks for it again
        self._run(self._launch_in_turn(view, action, room))
        return None

    async def _launch_now(self, view: ExecutionView, action: Launch) -> float:
        outcome = await self._launches.launch(view, action)
        return self.pace.look(view.key.uid) if outcome in ("created", "adopted") else 0.0

    async def _launch_in_turn(self, view: ExecutionView, action: Launch, room: Room) -> None:
        try:
            wait = await self._tried(view.key, self._take_turn(view, action, room))
        finally:
            self._views.note_launched(view.key.uid, action.name)
        self.enqueue_after(view.key, wait or 0.0)

    async def _take_turn(self, view: ExecutionView, action: Launch, room: Room) -> float:
        await room.take(action.name)
        async with self._calls:
            return await self._launch_now(view, action)

    async def _patch_job(self, view: ExecutionView, action: Release | Hold | StopJob) -> float | None:
        metadata: dict[str, Any] = {"uid": action.uid}
        match action:
            case Release(resource_version=version):
                metadata |= {"resourceVersion": version, "annotations": {names.ANNOTATION_HELD: None}}
                spec: dict[str, Any] = {"suspend": False}
            case Hold(resource_version=version, generation=generation):
                metadata |= {"resourceVersion": version, "annotations": {names.ANNOTATION_HELD: str(generation)}}
                spec = {"suspend": True}
            case StopJob():
                metadata |= {"annotations": {names.ANNOTATION_HELD: None}}
                spec = {"suspend": True, "parallelism": 0}
            case _:
                assert_never(action)
        patch = {"metadata": metadata, "spec": spec}
        try:
            self._views.see_job(await self._cluster.patch_job(view.key.namespace, action.name, patch))
        except (Conflict, Gone):
            return await self._finder.look_up(view, LookUp(action.name))
        return None

    async def _stop_stray(self, view: ExecutionView, action: StopJob) -> float | None:
        """Suspend a Job without a live record: unless the record is only newer than the view that misses it.

        An intent is stored before its Job is created, so an execution read after the Job was seen has the record.
        """
        body = await self._cluster.get_execution(view.key.namespace, view.key.name)
        if body["metadata"]["resourceVersion"] != view.resource_version:
            raise Conflict("the execution has changed", status=409)
        logger.warning("%s: Kubernetes Job %s runs without a live record and is suspended", view.key, action.name)
        return await self._patch_job(view, action)

    async def _set_paused(self, view: ExecutionView, action: SetPaused) -> None:
        spec: dict[str, Any] = {"paused": action.paused}
        if action.reason:
            spec["pause"] = {"reason": action.reason}
        key = view.key
        await self._cluster.patch_paused(key.namespace, key.name, view.resource_version, spec)

    # --- What is kept

    async def _save_pack(self, action: SavePack) -> None:
        await create_once(self._cluster, action.manifest)
        for _, attempt in packs.read_results(action.manifest):
            if attempt.outputs is not None:
                self._views.outputs.put(attempt.outputs)

    async def _save_result(self, action: SaveResult) -> None:
        if action.outputs is not None:
            self._views.outputs.put(action.outputs)
        if await create_once(self._cluster, action.manifest):
            self._archive.note(action.manifest, action.outputs)

    async def _keep_log_tail(self, action: KeepLogTail) -> None:
        async with self._tails:
            tail = await keep_log_tail(self._cluster, action.manifest, action.pod)
        if tail:
            self._archive.note_log_tail(action.manifest, tail)

    # --- In the background

    def _start(
        self, key: Key, action: Action, subject: str, work: Coroutine[Any, Any, None], *, look: bool = True
    ) -> None:
        """Do a slow thing beside the loop, once at a time, and look at the execution again when it is done."""
        mark = (key.uid, type(action).__name__, subject)
        if mark in self._under_way:
            work.close()
            return
        self._under_way.add(mark)
        task = self._run(self._guarded(key, mark, work, look=look))
        if not look:
            self._keeping.add(task)
            task.add_done_callback(self._keeping.discard)

    def _run(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    async def _guarded(
        self, key: Key, mark: tuple[str, ...], work: Coroutine[Any, Any, None], *, look: bool
    ) -> None:
        try:
            await self._tried(key, work)
        finally:
            self._under_way.discard(mark)
        if look:
            self.enqueue(key)

    async def _tried(self, key: Key, work: Coroutine[Any, Any, T]) -> T | None:
        """What comes of it; None after an error, which is logged and not tried again at once."""
        try:
            return await work
        except ApiError as error:
            logger.info("%s: %s", key, error)
        except Exception:
            logger.exception("%s: unexpected", key)
        await asyncio.sleep(AFTER_ERROR)
        return None

    def pod_seen(self, uid: str, name: str) -> None:
        """A Kubernetes Job has its pod."""
        self._launches.pod_seen(uid, name)

    async def drain(self) -> None:
        """Wait for what is being kept; what is being looked up is found anew by whoever wants it."""
        if self._keeping:
            await asyncio.wait(self._keeping)

    async def close(self) -> None:
        """Stop what runs in the background."""
        for task in list(self._background):
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
