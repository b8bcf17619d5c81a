"""One replica of the operator, as it ships: its watches, its work, its end by SIGKILL, and its next start.

What it has not been told it does not know; what it knows is lost when it is killed. Its watches are those of a cluster
on a bad day: late, in no order between objects, silent for a while, broken and begun anew from a list that may be old,
which skips what happened meanwhile and repeats what was known.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any, cast

from cairn.adapters.kube.api import Api
from cairn.adapters.kube.cluster import KubeCluster
from cairn.adapters.kube.leases import KubeLeases
from cairn.adapters.memory import MemoryStore
from cairn.app.leadership import Leadership
from cairn.app.operator import Operator
from cairn.app.work import Work
from cairn.config import Settings, lease_of
from cairn.core.leading import Standing, Terms
from cairn.ports import Rows
from simulation.api import SimApi
from simulation.database import SimRows
from simulation.faults import Faults
from simulation.judge import Judge
from simulation.kubernetes import log_of
from simulation.network import Network
from simulation.server import CHECKPOINT, EXECUTION, JOB, NAMESPACE, POD, WATCHED, ApiServer, Body, Event

_DELAYS = (0.001, 0.003, 0.01, 0.05)  # seconds until an event is heard of
_SLOW = (0.1, 1.0, 4.0)


@dataclass
class Surroundings:
    """What a replica runs in."""

    server: ApiServer
    judge: Judge
    store: MemoryStore
    api: Network
    database: Network
    faults: Faults
    random: Random
    clock: Callable[[], datetime]
    with_rows: bool
    elects: bool
    resyncs: bool
    broken: Callable[[Exception], None]
    stepped: Callable[[str], None]


@dataclass
class _Watch:
    """What one watch has yet to bring, object by object, each in its order."""

    waiting: dict[str, deque[Event]] = field(default_factory=dict)
    silent_until: float = 0.0
    slow: bool = False


class Replica:
    """A place that an operator runs in; each start is a new process."""

    def __init__(self, number: int, settings: Settings, surroundings: Surroundings) -> None:
        self._number = number
        self._in = surroundings
        self.settings = settings  # of the next process
        self.installed = True  # else none is started any more
        self._process: Process | None = None
        self.ends: list[asyncio.Task[None]] = []  # processes that were killed, and have not ended yet
        self.clock_off = timedelta()

    @property
    def process(self) -> Process | None:
        """What runs, if anything does."""
        return self._process if self._process is not None and not self._process.dead else None

    def start(self, behind: int = 0) -> None:
        """Start a process, unless one runs, where it is installed; its list may be so many versions behind."""
        if self.installed and self.process is None:
            self._process = Process(self, self.settings, self._in, self._number)
            self._process.start(behind)

    def kill(self) -> None:
        """SIGKILL; somebody starts it again after a while."""
        if self.process is not None:
            self.process.kill()

    def restart_later(self) -> None:
        """As a Deployment does it."""
        delay = self._in.random.choice((0.3, 1.0, 5.0))
        behind = self._in.random.choice((0, 0, 0, 3, 20)) * (not self._in.faults.stopped)
        asyncio.get_running_loop().call_later(delay, self.start, behind)

    def now(self) -> datetime:
        """What its clock says."""
        return self._in.clock() + self.clock_off


class Process:
    """From a start to its end."""

    def __init__(self, place: Replica, settings: Settings, surroundings: Surroundings, number: int) -> None:
        self._place = place
        self._settings = settings
        self._in = surroundings
        self.dead = False
        self._frozen_until = 0.0
        self._watches = {kind: _Watch() for kind in WATCHED}
        self._task: asyncio.Task[None] | None = None
        self.operator = self._operator(number)

    def _operator(self, number: int) -> Operator:
        there, place, settings = self._in, self._place, self._settings
        api = SimApi(there.server, there.api, there.judge, self, self._log, self._known, settings.selection)
        election = None
        if there.elects:
            me = f"replica-{number}-{there.random.randrange(10**6)}"
            leases = KubeLeases(cast(Api, api), NAMESPACE, lease_of(settings))
            terms = Terms.of(settings.lease_seconds)
            election = Leadership(leases, Standing(me, terms), place.now, asyncio.get_running_loop().time)
            api = api.guarded(election.check)
        rows: Rows | None = None
        if there.with_rows:
            may_use = election.check if election else lambda: None
            rows = SimRows(there.store, there.database, there.judge, self, may_use)
        cluster = KubeCluster(cast(Api, api), selector=settings.selection.selector)
        operator = Operator(cluster, place.now, settings, rows, election)
        if not there.resyncs:
            new_work = operator._new_work
            operator._new_work = lambda: _without_resync(new_work())
        return operator

    def _log(self, pod: str) -> bytes:
        return log_of(self._in.server.get(POD, pod))

    def _known(self, uid: str) -> int:
        view = self.operator._views.execution(uid)
        return int(view.resource_version) if view else 0

    # --- Its life

    def start(self, behind: int) -> None:
        """List everything, and work."""
        for kind in WATCHED:
            self._list(kind, behind)
        self._in.server.watchers.append(self._heard)
        self.operator.begin()
        self._task = asyncio.get_running_loop().create_task(self.operator.run())
        self._task.add_done_callback(self._ended)

    def kill(self) -> None:
        """SIGKILL."""
        if self.dead:
            return
        self.dead = True
        self._in.server.watchers.remove(self._heard)
        if self._task is not None:
            self._task.cancel()
        self._place.restart_later()

    def _ended(self, task: asyncio.Task[None]) -> None:
        if self.dead or task.cancelled():
            return
        if (error := task.exception()) is not None:
            self._in.broken(AssertionError(f"an operator has ended: {_innermost(error)!r}"))

    def freeze(self, seconds: float) -> None:
        """SIGSTOP, and SIGCONT later: what it was about to do it does then."""
        self._frozen_until = asyncio.get_running_loop().time() + seconds

    async def thawed(self) -> None:
        """Wait while it is stopped."""
        while not self.dead and (left := self._frozen_until - asyncio.get_running_loop().time()) > 0:
            await asyncio.sleep(left)

    # --- Its watches

    def _selects(self, body: Body) -> bool:
        return self._settings.selection.takes(body["metadata"])

    def _heard(self, happened: Event) -> None:
        if (event := happened.for_watch(self._selects)) is None:
            return
        watch = self._watches[event.kind]
        watch.waiting.setdefault(event.uid, deque()).append(event)
        self._bring_later(event.kind, event.uid)

    def _bring_later(self, kind: str, uid: str) -> None:
        loop, watch = asyncio.get_running_loop(), self._watches[kind]
        delay = self._in.random.choice(_SLOW if watch.slow else _DELAYS)
        away = max(watch.silent_until, self._frozen_until) - loop.time()
        loop.call_later(max(away, 0.0) + delay, self._bring, kind, uid)

    def _bring(self, kind: str, uid: str) -> None:
        """The next event of an object reaches the operator."""
        watch = self._watches[kind]
        waiting = watch.waiting.get(uid)
        if self.dead or not waiting:
            return
        if max(watch.silent_until, self._frozen_until) > asyncio.get_running_loop().time():
            self._bring_later(kind, uid)
            return
        event = waiting.popleft()
        if not waiting:
            del watch.waiting[uid]
        self._in.stepped(f"watch {kind}")
        self._take_in(event.kind, event.body, event.deleted)

    def _take_in(self, kind: str, body: Body, deleted: bool) -> None:
        handlers: dict[tuple[str, bool], Callable[[Body], Any]] = {
            (EXECUTION, False): self.operator.see_execution, (EXECUTION, True): self.operator.forget_execution,
            (JOB, False): self.operator.see_job, (JOB, True): self.operator.forget_job,
            (POD, False): self.operator.see_pod, (POD, True): self.operator.forget_pod,
            (CHECKPOINT, False): self.operator.see_checkpoint, (CHECKPOINT, True): self.operator.forget_checkpoint,
        }  # fmt: skip
        try:
            handlers[kind, deleted](body)
        except Exception as error:
            self._in.broken(error)

    def _list(self, kind: str, behind: int) -> bool:
        """What is there, or was there so many versions ago; then what has happened since. Whether anything was."""
        version = max(self._in.server.version - behind, 0)
        there = self._in.server.list_at(kind, version) if behind else self._in.server.all(kind)
        listed = [body for body in there if self._selects(body)]
        for body in listed:
            self._take_in(kind, body, False)
        for event in self._in.server.log if behind else ():
            if event.kind == kind and event.version > version:
                self._heard(event)
        return bool(listed)

    def break_watch(self, kind: str, behind: int) -> None:
        """The watch ends with all it had not brought yet, and begins anew with a list: deletes are never heard of."""
        self._watches[kind].waiting.clear()
        if self._list(kind, behind):  # the list of nothing tells of nothing
            self.operator.listed_anew()

    def silence(self, kind: str, seconds: float) -> None:
        """The watch brings nothing for a while, and does not say so."""
        watch, now = self._watches[kind], asyncio.get_running_loop().time()
        watch.silent_until = max(watch.silent_until, now + seconds)

    def slow_down(self, kind: str) -> None:
        """Whatever the watch brings, it brings late and in no order between objects."""
        self._watches[kind].slow = True

    def repeat(self, kind: str, events: int) -> None:
        """The watch brings again what it has brought."""
        for event in [e for e in self._in.server.log if e.kind == kind][-events:]:
            self._heard(event)

    def recover(self) -> None:
        """Its watches are as they should be."""
        for watch in self._watches.values():
            watch.slow, watch.silent_until = False, 0.0
        self._frozen_until = 0.0


def _without_resync(work: Work) -> Work:
    """What nobody tells it to look at it does not look at."""
    work._resync = asyncio.Event().wait  # type: ignore[assignment, method-assign]
    return work


def _innermost(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
