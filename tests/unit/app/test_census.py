"""What is true now: gauges that fit the views, bounded labels, and little to do each time they are read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from cairn import names
from cairn.app import census
from cairn.app.census import Census
from cairn.app.executions import Key
from cairn.app.queue import WorkQueue
from cairn.app.views import Views
from cairn.core.checkpoint.book import Book, Last
from cairn.core.checkpoint.trigger import Trigger
from cairn.core.sharding import Selection
from cairn.core.status import JobRecord, PausePhase, PauseState, Phase, Status
from cairn.core.status_wire import to_wire
from simulation.build import EARLIER, NOW, ended, failed, running
from support.exported import Busy

Body = dict[str, Any]
SPEC: Body = {"jobs": [{"id": "a", "image": "busybox"}]}
SETTINGS = {"enabled": True}
PAUSED = PauseState(PausePhase.PAUSED, NOW, 2)
DRAINING = PauseState(PausePhase.DRAINING, NOW, 2)


class Bench:
    """Views, and what Prometheus would read of them."""

    def __init__(self, selection: Selection | None = None) -> None:
        self.views = Views(selection)
        self.now = NOW
        self.queue: WorkQueue[str] = WorkQueue("test", _nothing)
        self.working: Busy | None = Busy((self.queue,), 7)
        self.census = Census(self.views, lambda: self.now, lambda: self.working)
        self._registry = CollectorRegistry()
        self._registry.register(self.census)

    def see(self, name: str, status: Status, *, version: int = 5, spec: Body | None = None) -> Key:
        key = Key("team", name, f"uid-{name}")
        meta = {"namespace": "team", "name": name, "uid": key.uid, "generation": 1, "resourceVersion": str(version)}
        self.views.see_execution({"metadata": meta, "spec": spec or SPEC, "status": to_wire(status)})
        return key

    def value(self, name: str, **labels: str) -> float | None:
        return self._registry.get_sample_value(name, labels)

    def series(self, name: str) -> dict[str, float]:
        """The values of a metric by its one label."""
        found = (metric for metric in self._registry.collect() if metric.name == name)
        return {next(iter(s.labels.values())): s.value for metric in found for s in metric.samples}


async def _nothing(key: str) -> None:
    return None


@pytest.fixture
def bench() -> Iterator[Bench]:
    yield Bench()


def of(*records: JobRecord, **fields: Any) -> Status:
    given = {"phase": Phase.RUNNING, "started_at": EARLIER, "jobs": {r.id: r for r in records}}
    return Status(**given | fields)


def at_risk(seconds: float, jobs: int = 1) -> Status:
    last = Last("ckpt", "checkpoint_1", Trigger.MANUAL, NOW - timedelta(seconds=seconds), "digest", 1)
    return of(running("a"), checkpointing=Book(SETTINGS, last, unsaved=jobs))


def test_executions_by_phase_and_pause(bench: Bench) -> None:
    for name, status in {
        "a": of(), "b": of(pause=PAUSED), "c": of(pause=DRAINING), "d": of(phase=Phase.FAILED),
        "e": of(phase=Phase.FAILED, pause=PAUSED), "f": Status(),
    }.items():  # fmt: skip
        bench.see(name, status)
    found = {
        (phase, pause): bench.value("cairn_executions", phase=phase, pause=pause)
        for phase, pause in [("Running", "None"), ("Running", "Paused"), ("Running", "Draining"), ("Failed", "None"),
                             ("Pending", "None"), ("Succeeded", "None")]
    }  # fmt: skip
    assert list(found.values()) == [1, 1, 1, 2, 1, 0]
    assert bench.value("cairn_executions", phase="Failed", pause="Paused") is None, "what has ended does not pause"


def test_jobs_by_state_and_by_what_they_wait_for(bench: Bench) -> None:
    refused = running("c", reason=names.LAUNCH_REFUSED)
    bench.see("a", of(running("a"), ended("b"), refused))
    bench.see("b", of(failed("a"), JobRecord("b", reason=names.ON_HOLD), failed("c", reason=names.UNSCHEDULABLE)))
    assert bench.series("cairn_jobs") == {"Pending": 1, "Running": 2, "Completed": 1, "Failed": 2, "Skipped": 0}
    waits = bench.series("cairn_jobs_waiting")
    assert (waits["LaunchRefused"], waits["OnHold"], waits["Waiting"], waits["Unschedulable"]) == (1, 1, 1, 0)


def test_what_changes_and_what_goes_is_seen_the_next_time(bench: Bench) -> None:
    key = bench.see("a", of(running("a")))
    assert bench.series("cairn_jobs")["Running"] == 1
    bench.views.wrote_status(key, "6", of(ended("a")))
    assert (bench.series("cairn_jobs")["Running"], bench.series("cairn_jobs")["Completed"]) == (0, 1)
    bench.views.forget_execution(key.uid)
    assert sum(bench.series("cairn_jobs").values()) == 0


def test_work_at_risk_is_the_age_of_the_newest_checkpoint(bench: Bench) -> None:
    bench.see("a", at_risk(100, 3))
    bench.see("b", at_risk(700))
    bench.see("begun", of(checkpointing=Book(SETTINGS, unsaved=1)))
    assert bench.series("cairn_work_at_risk_seconds") == {"team/a": 100, "team/b": 700, "team/begun": 60}
    assert bench.series("cairn_work_at_risk_jobs") == {"team/a": 3, "team/b": 1, "team/begun": 1}
    assert bench.value("cairn_work_at_risk_max_seconds") == 700
    assert bench.value("cairn_executions_at_risk") == 3
    bench.now += timedelta(seconds=5)
    assert bench.value("cairn_work_at_risk_max_seconds") == 705


@pytest.mark.parametrize(
    ("status", "spec"),
    [(at_risk(100, 0), None), (replace(at_risk(100), phase=Phase.FAILED), None),
     (at_risk(100), SPEC | {"checkpoint": {"enabled": False}}), (at_risk(100), {"jobs": []})],
    ids=["everything is saved", "it has ended", "it wants no checkpoints", "its spec is wrong"],
)  # fmt: skip
def test_what_has_nothing_at_risk_has_no_series(bench: Bench, status: Status, spec: Body | None) -> None:
    key = bench.see("a", status, spec=spec)
    assert bench.views.execution(key.uid) is not None, "it was looked at"
    assert bench.series("cairn_work_at_risk_seconds") == {}
    assert bench.value("cairn_work_at_risk_max_seconds") == 0


def test_what_was_not_looked_at_yet_is_at_risk_unless_it_took_no_checkpoints(bench: Bench) -> None:
    off = at_risk(100)
    bench.see("a", at_risk(100))
    bench.see("b", replace(off, checkpointing=replace(off.checkpointing, settings={"enabled": False})))
    assert bench.series("cairn_work_at_risk_seconds") == {"team/a": 100}


def test_only_the_worst_have_series_of_their_own(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(census, "LISTED", 2)
    for number in range(5):
        bench.see(f"e{number}", at_risk(100 + number))
    assert bench.series("cairn_work_at_risk_seconds") == {"team/e4": 104, "team/e3": 103}
    assert bench.value("cairn_executions_at_risk") == 5


async def test_queues_tell_what_waits_and_how_long(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.queue.add("a")
    bench.queue.add("b")
    assert bench.value("cairn_queue_depth", queue="test") == 2
    since = bench.queue._waiting["a"]
    bench.queue._waiting["a"] = since - 30
    assert 30 <= (bench.value("cairn_queue_oldest_seconds", queue="test") or 0) < 40
    assert bench.value("cairn_queue_busy", queue="test") == 0


def test_a_shard_that_should_be_there_is_told_of_by_the_default_operator_and_by_its_own() -> None:
    default, shard, alone = Bench(Selection(shards=("a", "b"))), Bench(Selection(shard="a")), Bench()
    assert (default.series("cairn_shard_expected"), default.series("cairn_shard_info")) == ({"a": 1, "b": 1}, {})
    assert (shard.series("cairn_shard_expected"), shard.series("cairn_shard_info")) == ({}, {"a": 1})
    assert (alone.series("cairn_shard_expected"), alone.series("cairn_shard_info")) == ({}, {})


def test_an_empty_cluster_has_all_series_that_do_not_name_an_execution(bench: Bench) -> None:
    assert set(bench.series("cairn_checkpoint_objects").values()) == {0}
    assert (bench.value("cairn_checkpoint_backlog"), bench.value("cairn_queue_oldest_seconds", queue="test")) == (7, 0)


def test_jobs_are_counted_anew_only_where_something_has_changed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [bench.see(f"e{number}", of(running("a"))) for number in range(3)]
    bench.series("cairn_jobs")
    made: list[Status] = []
    counted = census._Counted
    monkeypatch.setattr(census, "_Counted", lambda status, *more: made.append(status) or counted(status, *more))
    bench.views.wrote_status(keys[0], "6", of(ended("a")))
    bench.series("cairn_jobs")
    assert len(made) == 1


def test_a_standby_counts_what_there_is_and_has_no_queues(bench: Bench) -> None:
    bench.working = None
    bench.see("a", Status(phase=Phase.RUNNING))
    assert bench.value("cairn_executions", phase="Running", pause="None") == 1
    assert not bench.series("cairn_queue_depth")
    assert bench.value("cairn_checkpoint_backlog") is None
