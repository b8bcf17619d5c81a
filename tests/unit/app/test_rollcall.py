"""What is gone without a watch having told of it does not stay in the views."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cairn.adapters.clock import system_clock
from cairn.app import rollcall
from cairn.app.executions import Key
from cairn.app.operator import Operator
from cairn.app.rollcall import RollCall
from cairn.app.views import Views
from cairn.app.work import Work
from cairn.config import Settings
from cairn.core.checkpoint.objects import CheckpointObject
from cairn.core.observed import KubeJob, KubePod
from cairn.errors import Refused, Unavailable
from unit.app.fake_cluster import FakeCluster
from unit.app.test_operator import Turns, until
from unit.app.test_telling import Grown

Body = dict[str, Any]
SPEC = {"jobs": [{"id": "a", "image": "busybox"}]}
LABELS = {"cairn.dev/execution-uid": "uid-of-x"}


class Heir:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.executions: list[str] = []
        self.checkpoints: list[str] = []
        self.jobs: list[str] = []
        self.pods: list[str] = []

    def execution_gone(self, key: Key) -> None:
        self.executions.append(key.name)

    def checkpoint_gone(self, seen: CheckpointObject) -> None:
        self.checkpoints.append(seen.name)

    def job_gone(self, job: KubeJob) -> None:
        self.jobs.append(job.name)

    def pod_gone(self, pod: KubePod) -> None:
        self.pods.append(pod.name)


def checkpoint(name: str = "c") -> Body:
    spec = {"executionRef": {"name": "x"}, "trigger": "manual"}
    return {"kind": "Checkpoint", "metadata": {"name": name, "namespace": "default"}, "spec": spec}


def job(name: str = "j") -> Body:
    return {"kind": "Job", "metadata": {"name": name, "namespace": "default", "labels": LABELS}, "spec": {}}


def pod(name: str = "p", phase: str = "Running") -> Body:
    labels = LABELS | {"batch.kubernetes.io/job-name": "j"}
    return {"metadata": {"name": name, "uid": name, "resourceVersion": "90", "labels": labels},
            "status": {"phase": phase}}  # fmt: skip


class Bench:
    """One of each kind, seen in a cluster that still has them."""

    def __init__(self) -> None:
        self.cluster = FakeCluster()
        self.heir = Heir()
        self.views = Views()
        self.views.checkpoints.gone = self.heir.checkpoint_gone

    async def fill(self) -> None:
        self.views.see_execution(self.cluster.add_execution("x", SPEC))
        self.views.checkpoints.see(await self.cluster.create(checkpoint()))
        self.views.see_job(await self.cluster.create(job()))
        self.cluster.pods.append(pod())
        self.views.see_pod(pod())

    def empty(self) -> None:
        """All of it goes, and nobody tells."""
        self.cluster.executions.clear()
        self.cluster.objects.clear()
        self.cluster.pods.clear()

    async def call(self, *watched: str) -> bool:
        return await RollCall(self.cluster, self.views, self.heir, watched, 600).call()

    def told(self) -> tuple[list[str], ...]:
        return self.heir.executions, self.heir.checkpoints, self.heir.jobs, self.heir.pods


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollcall, "PATIENCE", 0.0)


NOTHING: tuple[list[str], ...] = ([], [], [], [])


@pytest.fixture
async def bench() -> Bench:
    made = Bench()
    await made.fill()
    return made


@pytest.mark.parametrize("watched", [(), ("def*",)], ids=["everywhere", "in some namespaces"])
async def test_what_is_gone_is_found(bench: Bench, watched: tuple[str, ...]) -> None:
    grown = Grown()
    assert await bench.call(*watched)
    assert bench.told() == NOTHING
    bench.empty()
    assert await bench.call(*watched)
    assert bench.told() == (["x"], ["c"], ["j"], ["p"])
    kinds = ("dagexecutions", "checkpoints", "jobs", "pods")
    assert [grown("cairn_watch_unseen_deletes_total", resource=kind) for kind in kinds] == [1, 1, 1, 1]


async def test_what_was_seen_after_the_list_was_made_is_not_gone(bench: Bench) -> None:
    """A list from a server that lags behind tells nothing of what it has not heard of yet."""
    bench.empty()
    bench.cluster._version = lambda: "50"  # type: ignore[method-assign]
    assert await bench.call()
    assert bench.told() == NOTHING


async def test_what_has_ended_is_not_asked_for(bench: Bench) -> None:
    bench.empty()
    bench.views.see_pod(pod(phase="Succeeded"))
    ended: Body = job() | {"status": {"conditions": [{"type": "Complete", "status": "True"}]}}
    ended["metadata"] = ended["metadata"] | {"uid": "u", "resourceVersion": "900"}
    bench.views.see_job(ended)
    assert await bench.call()
    assert (bench.heir.jobs, bench.heir.pods) == ([], [])


async def test_a_watch_that_works_is_given_time_to_tell(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.empty()
    listed, told = asyncio.Event(), asyncio.Event()

    async def sleep(seconds: float) -> None:
        listed.set()
        await told.wait()

    monkeypatch.setattr(rollcall.asyncio, "sleep", sleep)
    calling = asyncio.create_task(bench.call())
    await asyncio.wait_for(listed.wait(), 5)
    bench.views.forget_execution("uid-of-x")  # as a watch has told meanwhile
    told.set()
    await calling
    assert (bench.heir.executions, bench.heir.checkpoints) == ([], ["c"])


async def test_where_nothing_is_known_nothing_can_be_gone(bench: Bench) -> None:
    bench.views.forget_execution("uid-of-x")
    for seen in bench.views.checkpoints:
        bench.views.checkpoints.forget(seen.uid)
    await bench.call("def*")
    assert bench.cluster.called("call_roll") == []


async def test_a_namespace_that_is_named_is_listed_whatever_is_known_of_it() -> None:
    """Else nobody would notice that there are no rights in it: Kopf's watches do not count what they are answered."""
    bench = Bench()
    bench.cluster.fail("call_roll", Refused("dagexecutions is forbidden", status=403))
    assert not await bench.call("team-a", "other-*")
    assert bench.cluster.called("call_roll") == ["dagexecutions"]
    assert await bench.call("team-a", "other-*")


@pytest.mark.parametrize("error", [Refused("no", status=403), Unavailable("no answer")])
async def test_nothing_is_concluded_from_a_list_that_cannot_be_read(bench: Bench, error: Any) -> None:
    bench.empty()
    bench.cluster.fail("call_roll", error)
    assert not await bench.call()
    assert bench.told() == NOTHING
    assert await bench.call()
    assert bench.heir.executions == ["x"]


async def test_attempts_of_executions_that_are_not_known_are_dropped(bench: Bench) -> None:
    bench.views.forget_execution("uid-of-x")
    bench.views.see_job(await bench.cluster.create(job("late")))
    await bench.call()
    assert bench.views._seen == {}


@pytest.mark.parametrize("error", [Unavailable("no answer"), KeyError("items")], ids=["no answer", "a wrong one"])
async def test_a_list_that_failed_is_read_again_soon(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, error: Any
) -> None:
    monkeypatch.setattr(rollcall, "_AGAIN", 0.01)
    monkeypatch.setattr(rollcall.random, "uniform", lambda least, most: 0)
    bench.empty()
    bench.cluster.fail("call_roll", error)
    running = asyncio.create_task(RollCall(bench.cluster, bench.views, bench.heir, (), 600).run())
    await until(lambda: bench.heir.executions == ["x"])
    running.cancel()


async def test_it_is_not_waited_for_when_somebody_asks(bench: Bench) -> None:
    made = RollCall(bench.cluster, bench.views, bench.heir, (), 600)
    running = asyncio.create_task(made.run())
    bench.empty()
    made.soon()
    await until(lambda: bench.heir.executions == ["x"])
    running.cancel()


# --- Of a whole operator ---------------------------------------------------------------------------------------------


async def test_a_list_that_is_begun_anew_leads_to_one() -> None:
    """What went while a watch was broken it never tells."""
    bench = Bench()
    made = Operator(bench.cluster, system_clock, Settings())
    bench.views = made._views
    await bench.fill()
    bench.empty()
    running = asyncio.create_task(made.run())
    made.listed_anew()  # the first list is no reason
    await asyncio.sleep(0.02)
    assert bench.cluster.called("call_roll") == []
    made.begin()
    made.listed_anew()
    await until(lambda: made.describe()["executions"] == 0)
    running.cancel()
    await asyncio.wait({running})


@pytest.mark.parametrize("leads", [True, False], ids=["leader", "standby"])
async def test_every_replica_is_freed_of_ghosts(leads: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The leader also does what follows from a delete: the checkpoints get their expiry, say."""
    heard: list[str] = []
    monkeypatch.setattr(Work, "execution_gone", lambda self, key: heard.append(key.name))
    monkeypatch.setattr(Work, "checkpoint_gone", lambda self, seen: heard.append(seen.name))
    monkeypatch.setattr(Work, "look_at", lambda self, uid: heard.append(f"look at {uid}"))
    monkeypatch.setattr(Work, "add_everything", lambda self: None)
    turns, bench = Turns(), Bench()
    made = Operator(bench.cluster, system_clock, Settings(resync_seconds=1), election=turns)
    bench.views = made._views
    await bench.fill()
    bench.empty()
    made.begin()
    running = asyncio.create_task(made.run())
    await until(lambda: hasattr(turns, "_work"))
    if leads:
        turns.win()
    await until(lambda: made.describe()["executions"] == 0 and made.describe()["checkpoints"] == 0)
    await until(lambda: not made._views._seen)
    assert heard == (["x", "c"] if leads else [])
    if leads:
        await turns.lose()
    running.cancel()
    await asyncio.wait({running})
