"""An execution as `watch` and `get` show it: header, tree, levels; the same at the same time and width."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pytest import param
from rich.console import Console, RenderableType

from cairn import names
from cairn.cli.render.header import header
from cairn.cli.render.live import execution_tree
from cairn.cli.render.words import STYLES, plain
from cairn.core.checkpoint.book import Book, Failure, Last, Pending
from cairn.core.checkpoint.trigger import Trigger
from cairn.core.draft import Execution
from cairn.core.forecast import Forecast
from cairn.core.restore.progress import Mode, Origin, Progress, RestoredFrom, Step
from cairn.core.shape import Shape
from cairn.core.spec import ExecutionSpec, Replay, RunOn
from cairn.core.status import JobRecord, JobState, PausePhase, PauseState, Phase
from cairn.errors import Violation
from simulation.build import EARLIER, NOW, after, ended, execution, failed, job, running, skipped, spec

FORECAST = Forecast(2, 5, 0.5, timedelta(seconds=95), 3)
ORIGIN = Origin("checkpoint_1_x", "before", "d", "ml", "base", "uid")
PAUSE = PauseState(PausePhase.DRAINING, EARLIER, 1, "ada", "lunch", until=after(600), running=("train",), count=1)

PIPELINE = spec(
    job("fetch"), job("clean", "fetch"), job("count", "fetch"), job("train", "clean", "count", replay=Replay.UNSAFE),
    job("alert", "train", "fetch", run_on=RunOn.FAILURE), hold=frozenset({"alert"}),
)  # fmt: skip
RECORDS = (
    ended("fetch", started_at=EARLIER, finished_at=after(-20)), ended("clean"), failed("count", attempt=2),
    running("train", reason=names.UNSCHEDULABLE, message="0/3 nodes are available"),
)  # fmt: skip


def shown(given: ExecutionSpec, *records: JobRecord, height: int = 40, width: int = 100, **fields: Any) -> list[str]:
    return plain(execution_tree(execution(given, *records, **fields), Shape(given), NOW, height=height), width).split(
        "\n"
    )[:-1]


def above(forecast: Forecast | None = None, *records: JobRecord, **fields: Any) -> list[str]:
    return plain(header(execution(PIPELINE, *records, **fields), NOW, forecast)).split("\n")[:-1]


# --- The header ------------------------------------------------------------------------------------------------------

BAR = "█" * 12 + "░" * 12


@pytest.mark.parametrize(
    ("forecast", "fields", "told"),
    [
        param(None, {}, "░" * 24 + " 0%  0 of 0 jobs", id="nothing yet"),
        param(FORECAST, {}, f"{BAR} 50%, about 1m35s left  2 of 5 jobs", id="time left"),
        param(
            replace(FORECAST, known=1), {}, f"{BAR} 50%, about 1m35s left (1 of 3 measured)  2 of 5 jobs",
            id="what it rests on",
        ),
        param(
            FORECAST, {"status_pause": PAUSE}, f"{BAR} 50%, about 1m35s left after the resume  2 of 5 jobs", id="paused"
        ),
        param(replace(FORECAST, left=None), {}, f"{BAR} 50%, time left unknown  2 of 5 jobs", id="unknown"),
        param(FORECAST, {"status_phase": Phase.FAILED}, f"{BAR} 50%  2 of 5 jobs", id="finished"),
    ],
)  # fmt: skip
def test_progress(forecast: Forecast | None, fields: dict[str, Any], told: str) -> None:
    assert above(forecast, **fields)[1] == told


def test_progress_without_a_forecast_counts_jobs() -> None:
    records = (ended("a"), failed("b"), skipped("c"), JobRecord("d"))
    assert above(None, *records)[1] == (
        "█" * 18 + "░" * 6 + " 75%  3 of 4 jobs: 1 pending, 1 completed, 1 failed, 1 skipped"
    )


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        param({}, "default/sample  Running  for 1m", id="running"),
        param({"status_pause": PAUSE}, "default/sample  Running, Draining  for 1m", id="draining"),
        param({"status_started_at": None, "status_phase": Phase.PENDING}, "default/sample  Pending", id="not begun"),
        param(
            {"status_phase": Phase.SUCCEEDED, "status_finished_at": after(-15)}, "default/sample  Succeeded  took 45s",
            id="finished",
        ),
    ],
)  # fmt: skip
def test_the_title(fields: dict[str, Any], told: str) -> None:
    assert above(**fields)[0] == told


RESTORED = RestoredFrom(Mode.FORK, ORIGIN, EARLIER, 1)
LINES = [
    param({"status_reason": "Working", "status_message": "job a waits"}, ["note: job a waits"], id="a note"),
    param(
        {"status_phase": Phase.FAILED, "status_reason": "JobFailed", "status_message": "job a failed"},
        ["because: JobFailed: job a failed"], id="why it failed",
    ),
    param({"status_phase": Phase.SUCCEEDED, "status_reason": "AllJobsDone"}, [], id="no news is good news"),
    param(
        {"violations": (Violation("spec.jobs", "is wrong"), Violation("spec", "too"))},
        ["not accepted: 2 violations: spec.jobs: is wrong"], id="not accepted",
    ),
    param(
        {"status_pause": PAUSE},
        ["pause: draining (1): train; reason: lunch; by ada, 1m ago; resumes in 10m"], id="draining",
    ),
    param(
        {"status_pause": PauseState(PausePhase.PAUSED, EARLIER, 1)}, ["pause: paused; by user, 1m ago"], id="paused"
    ),
    param(
        {"status_restore": Progress(Mode.REWIND, Step.PREPARING, 1, NOW, origin=ORIGIN, reason="Restoring")},
        ["restore: Rewind to checkpoint before: Preparing: Restoring"], id="a rewind begins",
    ),
    param(
        {"status_restore": Progress(Mode.FORK, Step.REFUSED, 1, NOW, reason="PlanRefused", message="see the plan")},
        ["restore: Fork: Refused: PlanRefused: see the plan"], id="a restore is refused",
    ),
    param({"status_restore": Progress(Mode.FORK, Step.DONE, 1, NOW)}, [], id="a restore is done"),
    param(
        {"status_restored_from": RESTORED}, ["restored: Fork of checkpoint before of ml/base, 1m ago, 1 job kept"],
        id="where it comes from",
    ),
    param(
        {"status_restored_from": replace(RESTORED, jobs=2, origin=replace(ORIGIN, name=""))},
        ["restored: Fork of checkpoint checkpoint_1_x of ml/base, 1m ago, 2 jobs kept"], id="a checkpoint of a row",
    ),
    param(
        {"status_checkpointing": Book(
            last=Last("s-1", "checkpoint_1_x", Trigger.MANUAL, EARLIER, "d", 2), next=after(90), unsaved=2,
            pending=(Pending("s-2", Trigger.LEVEL_COMPLETED, "", (), NOW),),
            failed=Failure("s-0", "TooLarge", "no room", EARLIER))},
        ["checkpoints: last 1m ago (manual, s-1); being taken: level-completed; FAILED 1m ago: TooLarge: no room;"
         " next in 1m30s; 2 ended jobs not saved yet"], id="checkpoints",
    ),
    param({"status_checkpointing": Book(unsaved=1)}, ["checkpoints: 1 ended job not saved yet"], id="one at risk"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "told"), LINES)
def test_what_else_is_said_above(fields: dict[str, Any], told: list[str]) -> None:
    given = {"status_reason": "", **fields}
    assert above(**given)[2:] == told


# --- The tree --------------------------------------------------------------------------------------------------------


def test_what_fits_is_a_tree() -> None:
    assert shown(PIPELINE, *RECORDS, width=120)[3:] == [
        "✓ fetch           Completed  40s",
        "├─ ✓ clean        Completed",
        "└─ ✗ count        Failed     Error: exited with code 1  attempt 2",
        "   └─ ● train     Running    Unschedulable: 0/3 nodes are available  [unsafe]  also after clean",
        "      └─ ○ alert  Pending    [held, on failure]  also after fetch",
    ]


def test_what_does_not_fit_is_told_by_level() -> None:
    given = spec(*PIPELINE.jobs, job("x"), job("y"), job("z"), hold=frozenset({"alert"}))
    assert shown(given, *RECORDS, *map(ended, "xyz"), height=10)[3:] == [
        "level 0: ✓ 4 completed",
        "level 1: ✓ 1 completed, ✗ 1 failed",
        "  ✗ count  Failed     Error: exited with code 1  attempt 2",
        "level 2: ● 1 running",
        "  ● train  Running    Unschedulable: 0/3 nodes are available  [unsafe]",
        "level 3: ○ 1 pending",
        "  ○ alert  Pending    [held, on failure]",
    ]


def wide(count: int, *records: JobRecord) -> tuple[ExecutionSpec, tuple[JobRecord, ...]]:
    jobs = [job(f"a{n}") for n in range(count)]
    ids = [j.id for j in jobs]
    given = spec(*jobs, *(job(f"b{n}", *ids) for n in range(count)), job("c", "b0"), job("d", "c"))
    return given, records


def test_levels_without_news_share_a_line_and_what_is_left_out_is_counted() -> None:
    given, records = wide(60, *(ended(f"a{n}") for n in range(60)), *(running(f"b{n}", reason="") for n in range(50)))
    assert shown(given, *records, height=9)[3:] == [
        "level 0: ✓ 60 completed",
        "level 1: ○ 10 pending, ● 50 running",
        "  ● b0  Running",
        "  ● b1  Running",
        "  … and 48 more",
        "levels 2 to 3: ○ 2 pending",
    ]


def test_failures_come_first_and_what_waits_for_somebody_last() -> None:
    given = spec(*(job(n) for n in "abc"), *(job(f"x{n}") for n in range(40)))
    made = shown(given, JobRecord("a", reason=names.ON_HOLD), running("b", reason=""), failed("c"), height=8)
    assert [line.split()[1] for line in made[4:]] == ["c", "b", "a"]


def test_levels_that_do_not_fit_are_counted_together() -> None:
    given = spec(*(job(f"j{n}", *([f"j{n - 1}"] if n else [])) for n in range(20)))
    records = [running(f"j{n}", reason="") for n in range(20)]
    assert shown(given, *records, height=6)[3:] == [
        "level 0: ● 1 running", "level 1: ● 1 running", "… levels after that: ● 18 running"
    ]  # fmt: skip


@pytest.mark.parametrize("height", [*range(1, 16), 50, 200])
@pytest.mark.parametrize("width", [20, 80])
def test_it_is_never_higher_than_it_may_be(height: int, width: int) -> None:
    given, records = wide(60, *(failed(f"a{n}", message="x" * 200) for n in range(60)), *map(skipped, "cd"))
    chain = spec(*(job(f"j{n}", *([f"j{n - 1}"] if n else [])) for n in range(100)))
    for made in (
        shown(given, *records, height=height, width=width, status_pause=PAUSE, status_message="y" * 300),
        shown(chain, running("j50"), height=height, width=width),
        shown(PIPELINE, *RECORDS, height=height, width=width),
    ):
        assert len(made) <= height and max(map(len, made)) <= width


def test_a_spec_that_is_not_accepted_has_a_header_only() -> None:
    given = Execution(execution(None).identity, 1, execution(None).status, None, (Violation("spec", "is wrong"),))
    told = plain(execution_tree(given, None, NOW)).split("\n")
    assert told[2:] == ["not accepted: 1 violations: spec: is wrong", "", ""]


# --- Colours, and what others have written ---------------------------------------------------------------------------


def coloured(renderable: RenderableType) -> str:
    console = Console(file=io.StringIO(), width=100, force_terminal=True, color_system="standard")
    with console.capture() as captured:
        console.print(renderable)
    return captured.get()


def test_colours_only_repeat_what_words_say() -> None:
    given = spec(*(job(state.value) for state in JobState))
    records = [JobRecord(state.value, state, 1) for state in JobState]
    made = execution_tree(execution(given, *records), Shape(given), NOW)
    assert "\x1b[" in coloured(made)
    told = plain(made)
    assert "\x1b" not in told
    for state in JobState:
        assert state in STYLES and told.count(state) == (3 if state is JobState.RUNNING else 2)


def test_nothing_written_by_others_acts_on_a_terminal_or_is_markup() -> None:
    made = shown(spec(job("a")), failed("a", message="\x1b[2J[bold]x"), status_message="\x07[red]y")
    assert made[2] == "note: \\u0007[red]y" and made[4].endswith("Error: \\u001b[2J[bold]x")
