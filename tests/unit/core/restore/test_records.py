"""The records that a restore makes: what is kept is kept whole, and attempt numbers go on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest import param

from cairn import names
from cairn.core.restore.progress import JobPlan, RestorePlan, Verdict
from cairn.core.restore.records import Target, adopted, forked, from_text, going_back, rewound, stands, to_text
from cairn.core.status import JobRecord, Stopping
from simulation.build import NOW, after, ended, failed, running, skipped
from support.states import JOB_IDS, jobs

KEEP, RERUN, RUN, SKIP = Verdict.KEEP, Verdict.RERUN, Verdict.RUN, Verdict.SKIP


def of(*jobs: tuple[str, Verdict, str]) -> RestorePlan:
    return RestorePlan.of(tuple(JobPlan(*each) for each in jobs), "digest")


def by_id(*records: JobRecord) -> dict[str, JobRecord]:
    return {r.id: r for r in records}


KEPT = ended("a", attempt=3, result="f" * 64, definition="d", failures=2, exit_code=0, extra_retries=1, used=5)
UNDER_WAY = {"retry_at": after(9), "stopping": Stopping.PAUSE, "paused_for": True}


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        param(("a", KEEP, "Completed"), True, id="kept"),
        param(("a", SKIP, names.CONDITION_FALSE), True, id="skipped as before"),
        param(("a", KEEP, names.REMOVED), True, id="taken out before the checkpoint"),
        param(("a", SKIP, names.REMOVED), False, id="taken out since"),
        param(("a", RERUN, "Failed"), False, id="run again"),
        param(("a", RUN, "Added"), False, id="run for the first time"),
    ],
)
def test_which_records_stand(job: tuple[str, Verdict, str], expected: bool) -> None:
    assert stands(JobPlan(*job)) is expected


# --- A fork ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("job", "saved", "expected"),
    [
        param(("a", KEEP, "Completed"), KEPT, KEPT, id="kept whole"),
        param(("a", KEEP, "FailureHandled"), failed("a", **UNDER_WAY), failed("a"), id="but for what was under way"),
        param(("a", SKIP, names.CONDITION_FALSE), skipped("a", names.CONDITION_FALSE),
              skipped("a", names.CONDITION_FALSE), id="skipped as it was"),
        param(("a", RERUN, "Named"), KEPT, JobRecord("a", extra_retries=1), id="run again: from attempt 1"),
        param(("a", RERUN, "WasRunning"), running("a", 4), JobRecord("a"), id="was running"),
        param(("a", RUN, "Added"), None, JobRecord("a"), id="added"),
        param(("a", SKIP, names.REMOVED), KEPT, None, id="taken out"),
    ],
)  # fmt: skip
def test_the_records_of_a_fork(
    job: tuple[str, Verdict, str], saved: JobRecord | None, expected: JobRecord | None
) -> None:
    assert forked(of(job), by_id(saved) if saved else {}) == (by_id(expected) if expected else {})


# --- A rewind --------------------------------------------------------------------------------------------------------


def test_a_rewind_goes_back_to_what_stands_and_does_not_still_run() -> None:
    found = of(
        ("a", KEEP, "Completed"), ("b", KEEP, names.STILL_RUNS), ("c", RERUN, "Failed"), ("d", SKIP, names.REMOVED),
        ("e", SKIP, names.NOTHING_FAILED),
    )  # fmt: skip
    saved = by_id(replace(KEPT, **UNDER_WAY), running("b"), failed("c"), ended("d"), skipped("e"))
    assert going_back(found, saved) == (KEPT, skipped("e"))
    assert adopted(found) == {"b"}


@pytest.mark.parametrize(
    ("back", "live", "expected"),
    [
        param(ended("a"), ended("a"), ended("a"), id="nothing has come since"),
        param(ended("a"), ended("a", attempt=3), ended("a", used=3), id="attempts since are remembered"),
        param(ended("a"), JobRecord("a", used=4), ended("a", used=4), id="so are those before another rewind"),
        param(ended("a", used=6), ended("a", attempt=2), ended("a", used=6), id="and those before the checkpoint"),
        param(ended("a", attempt=2, used=4), ended("a", attempt=4), ended("a", attempt=2, used=4), id="the highest"),
        param(ended("a", attempt=3), running("a", 2), ended("a", attempt=3), id="a number that is described is enough"),
        param(None, running("a", 2, extra_retries=1), JobRecord("a", used=2, extra_retries=1), id="begins anew"),
        param(None, ended("a", attempt=1, used=7), JobRecord("a", used=7), id="anew, after the highest number"),
        param(None, JobRecord("a"), JobRecord("a"), id="has never run"),
        param(skipped("a"), ended("a"), replace(skipped("a"), used=1), id="skipped, and had run meanwhile"),
    ],
)
def test_attempt_numbers_go_on(back: JobRecord | None, live: JobRecord, expected: JobRecord) -> None:
    found = rewound([back] if back else [], frozenset(), by_id(live))["a"]
    assert found == expected
    assert found.last >= live.last


def test_what_goes_on_is_left_as_it_is_whatever_has_become_of_it() -> None:
    for live in (running("a"), ended("a"), failed("a")):
        assert rewound([], frozenset("a"), by_id(live)) == by_id(live)


def test_what_only_the_checkpoint_knows_comes_back() -> None:
    assert rewound([KEPT], frozenset(), {}) == by_id(KEPT)


@given(st.data())
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_no_number_is_ever_given_twice(data: st.DataObject) -> None:
    live = data.draw(jobs("a"))[0]
    back = [data.draw(jobs("a"))[0]] if data.draw(st.booleans()) else []
    found = rewound(back, frozenset(), by_id(live))["a"]
    assert found.last == max([live.last, *(r.last for r in back)])
    assert found.used == 0 or found.used > found.attempt, "as a checkpoint wants it"


# --- Written down ----------------------------------------------------------------------------------------------------


@st.composite
def targets(draw: st.DrawFn) -> Target:
    ids = draw(st.lists(JOB_IDS, max_size=3, unique=True))
    return Target(tuple(draw(jobs(id))[0] for id in ids), draw(st.integers(0, 10**12)), draw(st.integers(0, 2000)))


@given(targets())
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_a_target_comes_back_as_it_was_written(target: Target) -> None:
    text = to_text(target)
    assert text.isascii()
    assert from_text(text) == target


def test_a_target_is_several_times_smaller_than_its_records() -> None:
    fields: dict[str, Any] = {"uid": "u" * 36, "pod_uid": "p" * 36, "started_at": NOW, "result": "f" * 64}
    records = tuple(ended(f"job-{n}", **fields) for n in range(500))
    assert len(to_text(Target(records, 0, 500))) < 500 * 330 / 5
