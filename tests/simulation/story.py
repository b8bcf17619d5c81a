"""One history while it is played: everything in it put together, and what happens to it from outside."""

from __future__ import annotations

import asyncio
import random as global_random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from unittest import mock

from cairn.adapters.memory import MemoryStore
from cairn.app import launches, leadership
from cairn.config import Settings, from_environment
from cairn.core.naming import attempt_name
from simulation import loop
from simulation.end import check_end, is_over
from simulation.faults import ACTIONS, Faults
from simulation.history import DEEDS, Act, History, Outcome
from simulation.judge import Judge, has_ended
from simulation.kubernetes import NODES, Kubernetes
from simulation.network import Network
from simulation.people import People
from simulation.replica import Process, Replica, Surroundings
from simulation.rules import last_of
from simulation.server import CHECKPOINT, EXECUTION, JOB, POD, WATCHED, ApiServer, Body, Event

BEGIN = datetime(2026, 1, 31, 8, tzinfo=UTC)
RESYNC, SWEEP = 60.0, 45.0  # seconds; ten times as often as by default, since histories are short
_QUIET = 2 * RESYNC  # seconds without a write, after which none will come any more
_ASKED = 30.0  # seconds after which somebody resumes what a failure has paused
_MOST = 1800.0  # seconds within which there must be an end, once nothing goes wrong any more


def play(history: History, *, trace: bool = False) -> Outcome:
    """Play a history to its end."""
    global_random.seed(history.seed)
    story = Story(history, trace=trace)
    stuck = AssertionError("the work of a replica does not stop at the end of its term")
    with (
        mock.patch.object(leadership, "_abort", lambda: story.fail(stuck)),
        mock.patch.object(launches, "AHEAD", history.ahead),
    ):
        try:
            loop.run(story.play())
        except loop.Stuck as error:
            story.fail(error)
    return story.outcome


def _settings(history: History, **more: str) -> Settings:
    """Those of an operator."""
    common = {"CAIRN_RESYNC_SECONDS": str(RESYNC), "CAIRN_SWEEP_SECONDS": str(SWEEP),
              "CAIRN_OBJECT_STATE_BYTES": str(history.object_bytes)}  # fmt: skip
    return from_environment(common | more)


def shrink(history: History, played: Callable[[History], Outcome] = play) -> History:
    """The shortest history that breaks the same rule, as far as leaving out acts leads."""
    wanted, size = _rule(played(history)), max(len(history.acts) // 2, 1)
    while size:
        for chunk in list(_chunks(history.acts, size)):
            shorter = history.without(*chunk)
            if len(shorter.acts) < len(history.acts) and _rule(played(shorter)) == wanted:
                history = shorter
        size //= 2
    return history


def _rule(outcome: Outcome) -> str:
    return outcome.broken[:24]


def _chunks(acts: tuple[Act, ...], size: int) -> Iterator[tuple[Act, ...]]:
    return (acts[place : place + size] for place in range(0, len(acts), size))


class Story:
    """A history, being played."""

    def __init__(self, history: History, *, trace: bool) -> None:
        self._history = history
        self._tracing = trace
        self.outcome = Outcome()
        self._random = Random(history.seed + 1)
        self._now = 0.0
        self._faults = Faults(fired=self.outcome.fired)
        self.server = ApiServer(self.clock)
        self.judge = Judge(self.server)
        self.store = MemoryStore()
        self._people = People(self.server, history.spec, history.shards)
        self._kubernetes = Kubernetes(self.server, self.judge, self._random, chance=self._chance)
        self._kubernetes.broken = self.fail
        self.server.watchers.append(self._written)
        self._api = Network(self._random, self._faults, self._stepped, self.fail)
        self._database = Network(self._random, self._faults, self._stepped, self.fail, database=True)
        surroundings = Surroundings(
            self.server, self.judge, self.store, self._api, self._database, self._faults, self._random,
            self.clock, history.with_rows, history.elects, history.resyncs, self.fail, self._stepped,
        )  # fmt: skip
        numbers = range(history.replicas)
        self._default = [Replica(number, _settings(history), surroundings) for number in numbers]
        self._of_shards = [
            Replica(number, _settings(history, CAIRN_SHARD=shard), surroundings)
            for shard in history.shards for number in numbers
        ]  # fmt: skip
        self.replicas = [*self._default, *self._of_shards]
        self._install(sharded=bool(history.shards) and history.begins_sharded)
        self._last_write = 0.0
        self._over = False

    # --- Time

    def time(self) -> float:
        """Simulated seconds since the beginning."""
        return self._now if self._over else asyncio.get_running_loop().time()

    def clock(self) -> datetime:
        """The time of the cluster."""
        return BEGIN + timedelta(milliseconds=int(self.time() * 1000))

    # --- What is noted

    def fail(self, error: BaseException) -> None:
        """Something has happened that never may; the history ends with it."""
        if not self.outcome.broken:
            kind = "" if isinstance(error, AssertionError) else f"{type(error).__name__}: "
            self.outcome.broken = f"{kind}{error}"
            self._trace(f"BROKEN: {self.outcome.broken}")

    def _stepped(self, action: str) -> None:
        self.outcome.steps[action] += 1
        self._trace(action)

    def _written(self, event: Event) -> None:
        self._last_write = self.time()
        if event.kind == CHECKPOINT and (event.deleted or "deletionTimestamp" in event.body["metadata"]):
            self.judge.note_deleted(event.body)
        if event.kind == EXECUTION and event.deleted:
            self.judge.note_gone(event.uid)
        elif event.kind == EXECUTION:
            self.judge.note_execution(event.body)
        self._trace(f"  {event.kind} {event.body['metadata']['name']} @{event.version}{' deleted' * event.deleted}")

    def _trace(self, line: str) -> None:
        if self._tracing:
            self.outcome.trace.append(f"{self.time():9.3f} {line}")

    # --- The play

    async def play(self) -> None:
        """From the first apply to the fixpoint."""
        self._people.begin()
        for replica in self.replicas:
            replica.start()
        for act in self._history.acts:
            await self._until(act.at)
            if self.outcome.broken:
                break
            self._do(act)
        if not self.outcome.broken:
            self._heal()
            await self._settle()
        self._now, self._over = asyncio.get_running_loop().time(), True
        self.outcome.seconds = self._now
        for replica in self.replicas:
            if replica.process is not None:
                replica.process.kill()

    async def _until(self, at: float) -> None:
        while (left := at - self.time()) > 0 and not self.outcome.broken:
            await asyncio.sleep(min(left, 1.0))

    def _do(self, act: Act) -> None:
        self._trace(f"--- {act.what} ({act.chance})")
        chance = Random(act.chance)
        try:
            if act.what in DEEDS:
                self._people.deeds[act.what](chance)
            else:
                getattr(self, f"_{act.what}")(chance)
        except Exception as error:
            self.fail(error)

    async def _settle(self) -> None:
        """Invariant 7: once faults stop, there is a fixpoint, and planning again there writes nothing."""
        asked = self.time()
        end = asked + _MOST
        while not self.outcome.broken:
            await asyncio.sleep(1.0)
            if is_over(self.server) and self.time() - self._last_write > _QUIET:
                self._check_end()
                return
            if self.time() > asked + _ASKED:
                asked = self.time()
                self._people.let_everything_end()  # a failure may have paused it, and waits for a person
            if self.time() > end:
                self.fail(AssertionError("invariant 7: no fixpoint is reached"))

    def _check_end(self) -> None:
        try:
            check_end(self.server, self.judge, self.store if self._history.with_rows else None, sharded=self._sharded)
        except AssertionError as error:
            self.fail(error)

    def _heal(self) -> None:
        """Faults stop, and people ask for nothing more but that everything may end."""
        self._trace("--- faults stop")
        self._faults.stop()
        self._api.away_until = self._database.away_until = 0.0
        self._api.cut_off.clear()
        self._database.cut_off.clear()
        self._kubernetes.lost_until = [0.0] * NODES
        self.judge.quota = 0
        for replica in self.replicas:
            replica.clock_off = timedelta()
            if replica.process is not None:
                replica.process.recover()
            replica.start()
        self._people.let_everything_end()

    def _chance(self, pod: Body) -> float:
        """That a pod fails."""
        return 0.15

    # --- Faults

    def _note(self, action: str, fault: str) -> None:
        self._faults.note(action, fault)

    def _call(self, chance: Random) -> None:
        action = chance.choice(list(ACTIONS))
        self._faults.arm(action, chance.choice(ACTIONS[action]))

    def _kill(self, chance: Random) -> None:
        replica = chance.choice(self.replicas)
        if replica.process is not None:
            replica.kill()
            self._note("operator", "killed")

    def _freeze(self, chance: Random) -> None:
        if (process := chance.choice(self.replicas).process) is not None:
            process.freeze(chance.choice((1.0, 6.0, 20.0)))
            self._note("operator", "stopped and continued")

    def _cut_off(self, chance: Random) -> None:
        if (process := chance.choice(self.replicas).process) is not None:
            network = chance.choice((self._api, self._database))
            network.cut_off[id(process)] = self.time() + chance.choice((1.0, 6.0, 20.0))
            self._note("operator", "cut off from the API server" if network is self._api else "cut off from the rows")

    def _install(self, *, sharded: bool) -> None:
        """With operators for the shards or without, from each one's next start on."""
        self._sharded = sharded
        shards = ",".join(self._history.shards) if sharded else ""
        for replica in self._default:
            replica.settings = _settings(self._history, CAIRN_SHARDS=shards)
        for replica in self._of_shards:
            replica.installed = sharded

    def _reshard(self, chance: Random) -> None:
        """Sharding is turned on, or off: the default operator is restarted, one replica now and one later."""
        self._install(sharded=not self._sharded)
        for seconds, replica in enumerate(self._default):
            asyncio.get_running_loop().call_later(3.0 * seconds, replica.kill)
        for replica in self._of_shards:
            replica.kill()
            replica.start()
        self._note("operator", "shards come or go")

    def _lose_lease(self, chance: Random) -> None:
        """Whoever leads is cut off for so long that another one takes over, and then goes on."""
        running = (replica.process for replica in self.replicas)
        if leaders := [at for at in running if at is not None and at.operator.describe()["leader"]]:
            chance.choice(leaders).freeze(12.0)
            self._note("operator", "loses the Lease while it is stopped")

    def _api_away(self, chance: Random) -> None:
        self._api.away_until = self.time() + chance.choice((0.5, 5.0, 40.0))
        self._note("API server", "away")

    def _rows_away(self, chance: Random) -> None:
        self._database.away_until = self.time() + chance.choice((1.0, 10.0, 120.0))
        self._note("database", "away")

    def _watch(self, chance: Random, fault: str, do: Callable[[Process, str], None]) -> None:
        process, kind = chance.choice(self.replicas).process, chance.choice(WATCHED)
        if process is not None:
            do(process, kind)
            self._note(f"watch {kind}", fault)

    def _break_watch(self, chance: Random) -> None:
        self._watch(chance, "broken", lambda at, kind: at.break_watch(kind, 0))

    def _stale_watch(self, chance: Random) -> None:
        behind = chance.choice((2, 10, 40))
        self._watch(chance, "begun from an old list", lambda at, kind: at.break_watch(kind, behind))

    def _silence(self, chance: Random) -> None:
        seconds = chance.choice((2.0, 10.0, 40.0))
        self._watch(chance, "silent", lambda at, kind: at.silence(kind, seconds))

    def _slow_watch(self, chance: Random) -> None:
        self._watch(chance, "late and out of order", lambda at, kind: at.slow_down(kind))

    def _repeat(self, chance: Random) -> None:
        self._watch(chance, "repeats", lambda at, kind: at.repeat(kind, 15))

    def _clock(self, chance: Random) -> None:
        chance.choice(self.replicas).clock_off = timedelta(seconds=chance.choice((-30, -5, 5, 30)))
        self._note("operator", "its clock jumps")

    def _node(self, chance: Random) -> None:
        node, seconds = chance.randrange(NODES), chance.choice((3.0, 20.0))
        self._kubernetes.lost_until[node] = self.time() + seconds
        self._note("node", "lost")
        if chance.random() < 0.5:
            for pod in self._pods(lambda p: p["spec"]["nodeName"] == f"node-{node}" and not has_ended(p)):
                self._kubernetes.delete_pod(pod)

    def _evict(self, chance: Random) -> None:
        self._with_pod(chance, "evicted", self._kubernetes.evict_pod)

    def _delete_pod(self, chance: Random) -> None:
        self._with_pod(chance, "deleted by hand", self._kubernetes.delete_pod)

    def _strip_pod(self, chance: Random) -> None:
        self._with_pod(chance, "deleted by force", self._kubernetes.strip_pod)

    def _with_pod(self, chance: Random, fault: str, do: Callable[[Body], None]) -> None:
        if live := self._pods(lambda pod: not has_ended(pod)):
            do(chance.choice(live))
            self._note("pod", fault)

    def _pods(self, fits: Callable[[Body], bool]) -> list[Body]:
        return [pod for pod in self.server.all(POD) if fits(pod)]

    def _delete_job(self, chance: Random) -> None:
        """Somebody deletes a Kubernetes Job that is recorded: a create cannot be fenced, only the name protects."""
        if found := self.judge.recorded_jobs():
            job = chance.choice(found)
            self.judge.excused_jobs.add(job["metadata"]["name"])
            self.server.remove(JOB, job["metadata"]["name"])
            self._note("Job", "deleted by hand")

    def _squat(self, chance: Random) -> None:
        """Somebody has a Kubernetes Job of their own under the name that the next attempt would have."""
        held = [e for e in self.server.all(EXECUTION) if e.get("status", {}).get("jobs")]
        if held:
            meta = (execution := chance.choice(held))["metadata"]
            record = chance.choice(execution["status"]["jobs"])
            name = attempt_name(meta["name"], meta["uid"], record["id"], last_of(record) + 1)
            self._kubernetes.squat(name)
            self._note("create Job", "its name is taken")

    def _quota(self, chance: Random) -> None:
        self.judge.quota = chance.choice((1, 3))
        self._note("create Job", "refused by a quota")
