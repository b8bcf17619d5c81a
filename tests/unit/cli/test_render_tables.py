"""Tables of executions, jobs, checkpoints and restore plans, as they stand in a pipe."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cairn import names
from cairn.cli.render.plans import plan_table
from cairn.cli.render.tables import Listed, checkpoints_table, executions_table, job_table, size
from cairn.cli.render.words import plain
from cairn.core import status_wire
from cairn.core.checkpoint.objects import CheckpointObject, view
from cairn.core.checkpoint.state import Parent
from cairn.core.checkpoint.trigger import Trigger
from cairn.core.restore.progress import JobPlan, Problem, RestorePlan, Verdict
from cairn.core.shape import Shape
from cairn.core.status import JobRecord, PausePhase, PauseState, Phase, Status
from simulation.build import EARLIER, NOW, after, ended, execution, failed, job, running, skipped, spec


def rows(made: Any, width: int = 200) -> list[str]:
    return plain(made, width).split("\n")[:-1]


# --- Executions ------------------------------------------------------------------------------------------------------

DONE = Listed("default", "done", after(-7300), Status(Phase.FAILED, "JobFailed", jobs={"a": failed("a")}))
GOING = Listed(
    "ml", "going-on", EARLIER,
    Status(
        Phase.RUNNING, names.WORKING, started_at=after(-30), pause=PauseState(PausePhase.PAUSED, NOW, 1),
        jobs={"a": ended("a"), "b": running("b"), "c": skipped("c")},
    ),
)  # fmt: skip
NEW = Listed("default", "new", NOW, Status())


def test_executions() -> None:
    assert rows(executions_table([DONE, GOING, NEW], NOW)) == [
        "NAME       PHASE     PAUSE    PROGRESS   RUNNING   FAILED   AGE",
        "done       Failed             0/1              0        1   2h",
        "going-on   Running   Paused   1/3              1        0   1m",
        "new        Pending                             0        0   0s",
    ]


def test_executions_of_all_namespaces_with_more_columns() -> None:
    assert rows(executions_table([DONE, GOING], NOW, wide=True, namespaces=True)) == [
        "NAMESPACE   NAME       PHASE     PAUSE    PROGRESS   RUNNING   FAILED   AGE   COMPLETED   SKIPPED   REASON"
        "      STARTED",
        "default     done       Failed             0/1              0        1   2h            0         0   JobFailed",
        "ml          going-on   Running   Paused   1/3              1        0   1m            1         1   Working"
        "     30s",
    ]


def test_no_executions() -> None:
    assert rows(executions_table([], NOW)) == ["NAME   PHASE   PAUSE   PROGRESS   RUNNING   FAILED   AGE"]


@pytest.mark.parametrize("status", [{}, {"status": status_wire.to_wire(GOING.status)}], ids=["new", "with a status"])
def test_an_execution_as_the_api_server_gives_it(status: dict[str, Any]) -> None:
    meta = {"namespace": "ml", "name": "going-on", "creationTimestamp": "2026-01-31T07:59:00Z"}
    assert Listed.of({"metadata": meta, **status}) == replace(GOING, status=GOING.status if status else Status())


# --- Jobs ------------------------------------------------------------------------------------------------------------

JOBS = spec(job("a"), job("b", "a"), job("c"))


def test_jobs() -> None:
    given = execution(JOBS, ended("a", started_at=EARLIER, finished_at=NOW), failed("b", attempt=3))
    assert rows(job_table(given, Shape(JOBS), NOW)) == [
        "JOB   STATE         ATTEMPT   DURATION   REASON   MESSAGE",
        "a     ✓ Completed         1   1m",
        "b     ✗ Failed            3              Error    exited with code 1",
        "c     ○ Pending",
    ]
    assert rows(job_table(given, Shape(JOBS), NOW, wide=True))[:3:2] == [
        "JOB   LEVEL   STATE         ATTEMPT   DURATION   REASON   MESSAGE",
        "b         1   ✗ Failed            3              Error    exited with code 1",
    ]


@pytest.mark.parametrize("wide", [False, True])
def test_jobs_without_an_accepted_spec(wide: bool) -> None:
    made = rows(job_table(execution(None, failed("a"), JobRecord("b")), None, NOW, wide=wide))
    assert [line.split()[:3] for line in made[1:]] == [["a", "✗", "Failed"], ["b", "○", "Pending"]]


# --- Checkpoints -----------------------------------------------------------------------------------------------------


def checkpoint(**fields: Any) -> CheckpointObject:
    meta = {"namespace": "ml", "name": "c1", "uid": "u", "resourceVersion": "1",
            "creationTimestamp": "2026-01-31T07:00:00Z"}  # fmt: skip
    seen = view({"metadata": meta, "spec": {"executionRef": {"name": "run"}, "name": "before\x1b"}, "status": {}})
    return replace(seen, **fields)


READY = checkpoint(
    phase="Ready", id="checkpoint_1_x", taken_at=EARLIER, job_count=12, size_bytes=2345, stored=(True, "Stored", ""),
    trigger=Trigger.LEVEL_COMPLETED, pinned=True, created_by="ada",
    execution_status="running", parent=Parent("checkpoint_0_x", "0" * 64),
)  # fmt: skip
FAILED = checkpoint(phase="Failed", ready=("TooLarge", "no room"), stored=(False, "NoDatabase", ""))


def test_checkpoints() -> None:
    assert rows(checkpoints_table([READY, FAILED, checkpoint()], NOW)) == [
        "NAME   LABEL          TRIGGER           EXECUTION   JOBS   STATE                 SIZE   "
        "STORED       AGE",
        "c1     before\\u001b   level-completed   run           12   running             2.3 KB   "
        "yes          1m",
        "c1     before\\u001b   manual            run            0   Failed (TooLarge)      0 B   "
        "NoDatabase   1h",
        "c1     before\\u001b   manual            run            0   Pending                0 B   "
        "no           1h",
    ]


def test_checkpoints_with_more_columns() -> None:
    made = rows(checkpoints_table([READY, FAILED], NOW, wide=True, namespaces=True))
    assert made[0].startswith("NAMESPACE   NAME ")
    assert made[0].endswith("AGE   PINNED   BY    ID               PARENT")
    assert made[1].startswith("ml ") and made[1].endswith("1m    yes      ada   checkpoint_1_x   checkpoint_0_x")


@pytest.mark.parametrize(
    ("count", "told"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 KB"), (999_949, "999.9 KB"), (3_210_000, "3.2 MB")]
)
def test_sizes(count: int, told: str) -> None:
    assert size(count) == told


# --- Restore plans ---------------------------------------------------------------------------------------------------

PLAN = RestorePlan.of(
    (JobPlan("fetch", Verdict.KEEP, "Completed", seconds=95),
     JobPlan("train", Verdict.RERUN, "Named", "named in rerun", 30, "Unsafe"),
     JobPlan("old", Verdict.SKIP, "Removed", "not in the jobs any more"), JobPlan("report", Verdict.RUN, "NotStarted")),
    "5e1f",
)  # fmt: skip


def test_a_plan() -> None:
    assert rows(plan_table(PLAN)) == [
        "JOB      ACTION   REASON       WORK    REPLAY   WHY",
        "fetch    Keep     Completed    1m35s",
        "train    Rerun    Named        30s     Unsafe   named in rerun",
        "old      Skip     Removed                       not in the jobs any more",
        "report   Run      NotStarted",
        "",
        "1 keep, 1 rerun, 1 run, 1 skip; 95 s of work kept, 30 s done again",
        "plan digest: 5e1f",
    ]


@pytest.mark.parametrize(("count", "title"), [(1, "1 problem"), (2, "2 problems")])
def test_problems_are_told_to_their_end(count: int, title: str) -> None:
    text = "name it in rerun if it may run \x1b[m" + "x" * 60
    problems = tuple(Problem("train", f"P{n}", text) for n in range(count))
    made = rows(plan_table(replace(PLAN, problems=problems)), width=60)
    assert f"cannot be carried out, {title}:" in made
    told = "".join(made[made.index(f"cannot be carried out, {title}:") + 1 :]).replace(" ", "")
    for n in range(count):
        assert f"train:P{n}:nameitinrerunifitmayrun\\u001b[m" + "x" * 60 in told
