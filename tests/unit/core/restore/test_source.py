"""A checkpoint as it was found: how far its run had come, and what a plan looks at of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pytest import param

from cairn.core.restore.plan import Saved
from cairn.core.restore.progress import Origin
from cairn.core.restore.source import Found, Wanted, saved_of
from cairn.core.spec import Restore, Source
from cairn.core.status import JobRecord, PausePhase, PauseState, Phase, Status
from simulation.build import NOW, after, ended, failed, job, running, skipped, spec
from support.states import a_label, a_state

ORIGIN = Origin("checkpoint_1", "before", "digest", "default", "sample", "uid")


def found(*records: JobRecord, **status: Any) -> Found:
    jobs = {r.id: r for r in records}
    taken = Saved("checkpoint_1", "digest", after(600), jobs)
    return Found(Wanted(Source(checkpoint_name="c")), ORIGIN, taken, Status(jobs=jobs, **status), {}, {})


@pytest.mark.parametrize(
    ("status", "seconds"),
    [
        param({"started_at": NOW}, 600, id="running: up to the checkpoint"),
        param({"started_at": NOW, "paused_millis": 100_500}, 499.5, id="less the pauses before"),
        param({"started_at": NOW, "paused_millis": 100_000, "pause": PauseState(PausePhase.DRAINING, after(300), 1)},
              200, id="less the pause that it was in, from its beginning"),
        param({"started_at": NOW, "paused_millis": 50_000, "finished_at": after(250), "phase": Phase.FAILED}, 200,
              id="finished: up to its end"),
        param({}, 0, id="it had not started"),
        param({"started_at": after(700)}, 0, id="never less than nothing"),
    ],
)  # fmt: skip
def test_how_far_the_clock_of_the_run_had_come(status: dict[str, Any], seconds: float) -> None:
    assert found(**status).worked == timedelta(seconds=seconds)


def test_what_had_ended_are_the_jobs_that_had_run_and_were_done() -> None:
    assert found(ended("a"), failed("b"), skipped("c"), running("d"), JobRecord("e")).ended == 2


def test_what_has_to_be_found_is_the_source_and_whether_somebody_insists() -> None:
    source = Source(latest_of="other")
    asked = Restore(source, frozenset("a"), frozenset("b"), True, True, "digest", "request")
    assert Wanted.by(asked) == Wanted(source, True)
    assert Wanted.by(Restore(source)) == Wanted(source)


def test_a_plan_looks_at_the_records_jobs_and_params_of_a_checkpoint() -> None:
    state = a_state(2, label=a_label(id="checkpoint_7"))
    jobs = (job("job-0"), job("job-1"))
    saved = saved_of(state, "digest", spec(*jobs))
    assert (saved.id, saved.digest, saved.taken_at) == ("checkpoint_7", "digest", state.label.created_at)
    assert (saved.records, dict(saved.params)) == (state.status.jobs, {"rows": 1000})
    assert list(saved.jobs) == ["job-0", "job-1"]


@pytest.mark.parametrize("written", [{}, {"params": None}], ids=["no params", "null"])
def test_a_spec_that_could_not_run_has_no_jobs_and_it_may_have_no_params(written: dict[str, Any]) -> None:
    saved = saved_of(a_state(1, spec=written), "digest", None)
    assert (saved.jobs, saved.params) == ({}, {})
    assert list(saved.records) == ["job-0"]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (Source(checkpoint_name="before"), "checkpoint before"),
        (Source(checkpoint_id="checkpoint_1"), "checkpoint checkpoint_1"),
        (Source(latest_of="other"), "newest checkpoint of execution other"),
    ],
    ids=["by name", "by id", "the newest"],
)
def test_a_source_says_what_it_is(source: Source, expected: str) -> None:
    assert str(source) == expected
