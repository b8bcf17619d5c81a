"""The observed side and its stored form: nothing is lost on the way there and back, and nothing is out of bounds."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from cairn import names
from cairn.core.checkpoint.book import Book
from cairn.core.restore.progress import (
    Fork,
    JobPlan,
    Mode,
    Origin,
    Problem,
    Progress,
    RestoredFrom,
    RestorePlan,
    Step,
    Verdict,
)
from cairn.core.status import (
    Acknowledged,
    CancelState,
    Condition,
    JobRecord,
    JobState,
    PausePhase,
    PauseState,
    Phase,
    Status,
    Stopping,
)
from cairn.core.status_wire import count_states, from_wire, record_from_wire, record_to_wire, to_wire
from simulation.build import EARLIER, NOW, after, ended, failed, intended, running, skipped

CRD = Path(__file__).parents[3] / "crds" / "dagexecutions.yaml"

FULL_RECORD = JobRecord(
    "a", JobState.RUNNING, 3, "Waiting", "no pod yet", EARLIER, after(1), after(2), "uid", "pod", "0123456789abcdef",
    "f" * 64, -1, 1, 2, after(3), Stopping.CANCEL, 4, True, 5,
)  # fmt: skip
ORIGIN = Origin("checkpoint_1_a", "before", "d" * 64, "other", "original", "uid-2")
PLAN = RestorePlan.of(
    (
        JobPlan("a", Verdict.KEEP, "Completed", "", 7),
        JobPlan("b", Verdict.RERUN, "Edited", "image changed", 3, "Unsafe"),
    ),
    "e" * 64,
    (Problem("b", "UnsafeRerun", "name it in rerun"),),
)
FULL = Status(
    Phase.FAILED, "JobFailed", "job a failed", 7, EARLIER, NOW,
    PauseState(PausePhase.DRAINING, EARLIER, 5, "operator", "why", "Stop", after(9), ("a", "b"), 2),
    1234, 2, CancelState("c1", "enough", NOW), after(5),
    (Acknowledged("c1", "Cancel", NOW, "Refused", "a", "because", "me"),), {"a": FULL_RECORD, "b": JobRecord("b")},
    (Condition("Finished", True, "JobFailed", "job a failed", 7, NOW),), Book(settings={"enabled": True}, unsaved=1),
    Progress(Mode.REWIND, Step.STOPPING, 7, NOW, "r1", "Restoring", "stopping", ORIGIN, PLAN, "undo", "target"),
    RestoredFrom(Mode.FORK, ORIGIN, EARLIER, 3, 2, "r0", "undo", "configs", ("pack-1", "pack-2")),
    (Fork("default", "again", "uid-3", "checkpoint_2_b", NOW),),
)  # fmt: skip


def test_the_examples_set_every_field() -> None:
    """So that a new field cannot be forgotten here."""
    for example, plain in (
        (FULL_RECORD, JobRecord("a")),
        (FULL, Status()),
        (FULL.pause, PauseState(PausePhase.PAUSED, NOW, 0)),
        (FULL.restore, Progress(Mode.FORK, Step.DONE, 0, EARLIER)),
        (FULL.restored_from, RestoredFrom(Mode.REWIND, replace(ORIGIN, id=""), NOW, 0)),
        (PLAN, RestorePlan((), "")),
        (PLAN.jobs[1], JobPlan("", Verdict.RUN, "")),
    ):
        same = [f.name for f in fields(example) if getattr(example, f.name) == getattr(plain, f.name)]
        assert same in ([], ["id"], ["unreadable"])  # which is found when it is read, and not stored


@pytest.mark.parametrize(
    "status",
    [Status(), FULL, replace(FULL, pause=None, cancel=None, conditions=()), Status(jobs={"a": failed("a")})],
    ids=["new", "full", "without pause and cancel", "a failed job"],
)
def test_there_and_back(status: Status) -> None:
    assert from_wire(json.loads(json.dumps(to_wire(status)))) == status


@pytest.mark.parametrize(
    "record", [FULL_RECORD, JobRecord("b"), running("a", exit_code=0)], ids=["full", "new", "code 0"]
)
def test_a_record_there_and_back(record: JobRecord) -> None:
    assert record_from_wire(record_to_wire(record)) == record


def test_a_record_is_compact() -> None:
    assert record_to_wire(JobRecord("b")) == {"id": "b", "state": "Pending"}


def test_counts_and_progress_for_the_columns() -> None:
    jobs = (ended("a"), failed("b"), running("c"), intended("d"), skipped("e"), JobRecord("f"))
    assert count_states(jobs) == {"total": 6, "pending": 1, "running": 2, "completed": 1, "failed": 1, "skipped": 1}
    wire = to_wire(Status(jobs={r.id: r for r in jobs}))
    assert (wire["progress"], wire["counts"]["total"]) == ("1/6", 6)
    assert "counts" not in to_wire(Status())


def _closed(schema: Any) -> Any:
    """The schema with unknown fields refused, as the API server would silently drop them."""
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    if "properties" in schema:
        closed["properties"] = {key: _closed(value) for key, value in schema["properties"].items()}
        closed["additionalProperties"] = False
    return closed


def test_the_schema_takes_every_field() -> None:
    versions = yaml.safe_load(CRD.read_text())["spec"]["versions"]
    schema = _closed(versions[0]["schema"]["openAPIV3Schema"]["properties"]["status"])
    jsonschema.validate(to_wire(FULL), schema)


# --- The verbs of a record -------------------------------------------------------------------------------------------


def test_a_new_attempt_keeps_what_is_counted_and_has_a_number_that_was_never_used() -> None:
    record = replace(FULL_RECORD, state=JobState.PENDING).as_intended("digest", NOW)
    assert record == JobRecord(
        "a", JobState.RUNNING, 6, launched_at=NOW, definition="digest", failures=1, disruptions=2, extra_retries=4
    )


def test_the_first_cause_of_a_stop_stays() -> None:
    assert running("a").as_stopping(Stopping.CANCEL).as_stopping(Stopping.PAUSE).stopping is Stopping.CANCEL


def test_pending_again_keeps_the_attempt_and_forgets_the_stop() -> None:
    record = FULL_RECORD.as_pending("Backoff", "x" * 300, retry_at=after(5))
    assert (record.state, record.attempt, record.stopping, record.paused_for) == ("Pending", 3, None, False)
    assert (record.retry_at, len(record.message), record.uid) == (after(5), names.MESSAGE_LIMIT, "uid")


def test_ended_tells_when_unless_the_attempt_did() -> None:
    assert running("a").as_ended(JobState.FAILED, "Error", "x" * 300, NOW).finished_at == NOW
    record = FULL_RECORD.as_ended(JobState.FAILED, "Error", "x" * 300, NOW)
    assert (record.finished_at, len(record.message), record.retry_at, record.stopping) == (after(2), 256, None, None)


@pytest.mark.parametrize(
    ("state", "terminal", "under_way"),
    [("Pending", False, False), ("Running", False, True), ("Completed", True, False), ("Failed", True, False),
     ("Skipped", True, False)],
)  # fmt: skip
def test_what_a_state_means(state: str, terminal: bool, under_way: bool) -> None:
    record = JobRecord("a", JobState(state))
    assert (record.terminal, record.running) == (terminal, under_way)


def test_what_a_status_knows() -> None:
    assert FULL.finished and not Status(Phase.RUNNING).finished
    assert FULL.acknowledged("c1") and not FULL.acknowledged("c2")
    assert FULL.condition("Finished") is FULL.conditions[0]
    assert FULL.condition("Paused") is None


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"restore": {"phase": "Stopping"}}, "status.restore: 'mode' is missing"),
        ({"checkpointing": {"last": {"endedJobs": 0}}}, "status.checkpointing: 'name' is missing"),
        ({"pause": {"phase": "Paused"}}, "status.pause: 'since' is missing"),
        ({"cancel": {"requestId": "x", "at": ""}}, "status.cancel: no time"),
        ({"startedAt": "9999-12-31T23:59:59-23:00"}, "status.startedAt: time beyond the years of UTC"),
        ({"pausedMillis": 2**63 - 1}, "status.pausedMillis: "),
        ({"jobs": [{"id": "a", "state": "Lost"}]}, "status.jobs: 'Lost' is not a valid JobState"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_other_hands_have_broken_is_unreadable_and_says_where(broken: dict[str, Any], said: str) -> None:
    whole = {"phase": "Running", "reason": "Working", "observedGeneration": 7}
    found = from_wire(whole | broken)
    assert found.unreadable.startswith(said), found.unreadable
    assert replace(found, unreadable="") == Status(Phase.RUNNING, "Working", observed_generation=7)
    assert from_wire(whole).unreadable == ""
