"""How far an execution has come and how long it will still take, from what its jobs took before."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pytest import param

from cairn.core.forecast import Estimates, Forecast, learn, time_left
from cairn.core.restore.progress import Mode, Origin, RestoredFrom
from cairn.core.shape import Shape
from cairn.core.spec import ExecutionSpec, RunOn, Scheduling
from cairn.core.status import JobRecord, JobState, PausePhase, PauseState, Phase, Status
from simulation.build import EARLIER, NOW, after, ended, failed, job, running, skipped, spec

ORIGIN = Origin("checkpoint_1_x", "before", "d", "default", "sample", "uid")


def took(name: str, seconds: float, **fields: Any) -> JobRecord:
    return ended(name, started_at=NOW, finished_at=after(seconds), **fields)


def run_of(*records: JobRecord, **fields: Any) -> Status:
    return Status(phase=Phase.SUCCEEDED, jobs={r.id: r for r in records}, **fields)


def foretold(given: ExecutionSpec, *records: JobRecord, **seconds: float) -> Forecast:
    status = Status(phase=Phase.RUNNING, started_at=EARLIER, jobs={r.id: r for r in records})
    return time_left(given, Shape(given), status, Estimates(seconds), NOW)


# --- What is learnt --------------------------------------------------------------------------------------------------


def test_the_median_of_earlier_runs() -> None:
    found = learn([run_of(took("a", 10), took("b", 1)), run_of(took("a", 1000)), run_of(took("a", 30))])
    assert found == Estimates({"a": 30, "b": 1})


@pytest.mark.parametrize(
    "record",
    [
        param(failed("a", started_at=EARLIER), id="failed"),
        param(ended("a"), id="never seen to start"),
        param(JobRecord("a", JobState.COMPLETED, 1, started_at=NOW), id="never seen to end"),
        param(running("a", started_at=EARLIER), id="runs"),
    ],
)
def test_what_teaches_nothing(record: JobRecord) -> None:
    assert learn([run_of(record)]) == Estimates()


def test_clocks_that_differ_teach_no_negative_time() -> None:
    assert learn([run_of(took("a", -3))]) == Estimates({"a": 0})


@pytest.mark.parametrize(
    ("launched", "learnt"), [(after(-90), {}), (after(-30), {"a": 10}), (None, {"a": 10})],
    ids=["kept from before", "run since", "not known"],
)  # fmt: skip
def test_what_a_fork_has_kept_is_counted_where_it_ran(launched: Any, learnt: dict[str, float]) -> None:
    restored = RestoredFrom(Mode.FORK, ORIGIN, EARLIER, 1)
    status = run_of(took("a", 10, launched_at=launched), restored_from=restored)
    assert learn([status]) == Estimates(learnt)


# --- What is left ----------------------------------------------------------------------------------------------------

DIAMOND = spec(job("a"), job("b", "a"), job("c", "a"), job("d", "b", "c"))
WIDE = spec(*(job(f"j{n}") for n in range(4)))
WORK = {"a": 10.0, "b": 20.0, "c": 50.0, "d": 5.0}
EACH = {f"j{n}": 10.0 for n in range(4)}
STARTED: dict[str, Any] = {"started_at": after(-4)}
LEFT = [
    param(DIAMOND, [], WORK, 65, 4, id="the longest path"),
    param(DIAMOND, [took("a", 10)], WORK, 55, 3, id="what has ended takes no time"),
    param(DIAMOND, [running("a", **STARTED)], WORK, 61, 4, id="of what runs, the rest"),
    param(DIAMOND, [running("a")], WORK, 65, 4, id="what has no container yet takes all its time"),
    param(DIAMOND, [running("a", started_at=EARLIER)], WORK, 55, 4, id="what runs longer than ever may end at once"),
    param(WIDE, [], EACH, 10, 4, id="all at once without a limit"),
    param(spec(*WIDE.jobs, parallelism=2), [], EACH, 20, 4, id="two at a time"),
    param(spec(*WIDE.jobs, parallelism=3), [], EACH, 20, 4, id="three at a time leave one"),
    param(spec(*WIDE.jobs, parallelism=1), [running("j3", **STARTED)], EACH, 36, 4, id="what runs has its place"),
    param(spec(*DIAMOND.jobs, parallelism=1), [], WORK, 85, 4, id="one at a time"),
    param(
        spec(job("a"), job("x"), job("b", "a"), job("y", "x")), [], {"a": 9, "x": 1, "b": 1, "y": 9}, 10, 4,
        id="jobs start with their own dependencies",
    ),
    param(
        spec(job("a"), job("x"), job("b", "a"), job("y", "x"), scheduling=Scheduling.LEVELS), [],
        {"a": 9, "x": 1, "b": 1, "y": 9}, 18, 4, id="levels wait for each other",
    ),
    param(spec(job("a")), [JobRecord("a", attempt=1, retry_at=after(7))], {"a": 3}, 10, 1, id="a retry is waited for"),
    param(spec(job("a")), [JobRecord("a", attempt=1, retry_at=EARLIER)], {"a": 3}, 3, 1, id="a delay that is over"),
    param(spec(job("a"), job("b")), [took("b", 8)], {}, 8, 0, id="this run stands in"),
    param(spec(job("a"), job("b"), job("c")), [took("c", 3)], {"b": 100}, 100, 1, id="this run before earlier ones"),
    param(spec(job("a"), job("b")), [running("b", **STARTED)], {"b": 100}, 100, 1, id="earlier ones at last"),
    param(
        spec(job("a", group="g"), job("b", group="g"), job("c")), [took("c", 1)], {"b": 40}, 40, 1,
        id="its group stands in first",
    ),
    param(
        spec(job("a"), job("f", "a", run_on=RunOn.FAILURE)), [], {"a": 3, "f": 100}, 3, 1, id="no failure is expected"
    ),
    param(
        spec(job("a"), job("f", "a", run_on=RunOn.FAILURE)), [failed("a")], {"a": 3, "f": 100}, 100, 1,
        id="after a failure, what it leads to",
    ),
    param(spec(job("a"), job("b")), [skipped("b")], {"a": 3, "b": 100}, 3, 1, id="a skipped job takes no time"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "records", "seconds", "left", "known"), LEFT)
def test_time_left(
    given: ExecutionSpec, records: list[JobRecord], seconds: dict[str, float], left: int, known: int
) -> None:
    found = foretold(given, *records, **seconds)
    assert (found.left, found.known) == (timedelta(seconds=left), known)


def test_nothing_is_said_where_nothing_is_known() -> None:
    assert foretold(DIAMOND, ended("a")) == Forecast(1, 4, 0.25, None)


@pytest.mark.parametrize(
    ("records", "phase"), [((skipped("a"),), Phase.RUNNING), ((), Phase.CANCELLED)], ids=["all ended", "finished"]
)
def test_nothing_is_left(records: tuple[JobRecord, ...], phase: Phase) -> None:
    given = spec(job("a"))
    status = Status(phase=phase, jobs={r.id: r for r in records})
    found = time_left(given, Shape(given), status, Estimates(), NOW)
    assert found == Forecast(len(records), 1, 1.0, timedelta())


@pytest.mark.parametrize("parallelism", [0, 1, 2])
def test_a_pause_leaves_the_time_from_the_resume(parallelism: int) -> None:
    given = spec(*WIDE.jobs, parallelism=parallelism)
    paused = Status(phase=Phase.RUNNING, pause=PauseState(PausePhase.PAUSED, EARLIER, 1))
    assert time_left(given, Shape(given), paused, Estimates(EACH), NOW).left == foretold(given, **EACH).left


# --- How far ---------------------------------------------------------------------------------------------------------

FAR = [
    param([], WORK, 0.0, id="nothing yet"),
    param([took("a", 10)], WORK, 10 / 85, id="by work, not by jobs"),
    param([took("a", 10), running("c", started_at=after(-25))], WORK, 35 / 85, id="half of what runs"),
    param([took("a", 10), running("c", started_at=after(-900))], WORK, 57.5 / 85, id="what runs is never done before"),
    param([took("a", 0)], {"a": 0, "b": 1, "c": 1, "d": 1}, 0.25, id="a job counts at least a second"),
    param([ended("a"), running("b", started_at=EARLIER)], {}, 0.25, id="by jobs, where nothing is known"),
]


@pytest.mark.parametrize(("records", "seconds", "far"), FAR)
def test_how_far_it_has_come(records: list[JobRecord], seconds: dict[str, float], far: float) -> None:
    assert foretold(DIAMOND, *records, **seconds).fraction == pytest.approx(far)


def test_two_thousand_jobs_in_a_chain() -> None:
    chain = spec(job("j0"), *(job(f"j{n}", f"j{n - 1}") for n in range(1, 2000)))
    assert foretold(chain, **{f"j{n}": 1.0 for n in range(2000)}).left == timedelta(seconds=2000)
