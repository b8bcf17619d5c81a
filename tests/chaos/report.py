"""What the runs have come to, for a terminal and for docs/reliability.md."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from chaos.judge import DOUBLED, LOST, Left
from chaos.recorder import Recorder
from support.reliability import Bug, Cell, Part, Table, percentiles

if TYPE_CHECKING:
    from chaos.run import Story

_KEEPER = "tests/unit/app/checkpoints/test_keeper.py"
BUGS = (
    Bug("An operator that started together with an API server, which did not list Cairn's kinds yet, watched nothing: "
        "it was ready, led, and did nothing until it was started again.",
        "tests/unit/handlers/test_beginning.py::test_it_waits_for_the_group_and_for_each_kind"),
    Bug("A replica whose term was over waited for ever for a task that had lost its cancel (`asyncio.wait_for` of "
        "Python 3.11, in psycopg's pool), and never led again.",
        "tests/unit/app/test_together.py::test_a_cancel_that_is_swallowed_is_told_again"),
    Bug("An execution that had finished while the clock was ahead, and was taken up again by hand once it was right, "
        "could not be written any more: its `pausedMillis` was negative.",
        "tests/unit/core/test_repair.py::"
        "test_an_execution_that_finished_by_a_clock_turned_back_since_has_stood_for_no_time"),
    Bug("A checkpoint of a fork that a replica took just after it had begun to lead was saved without the jobs, which "
        "it had not read yet: nothing could be restored of it, and a rewind waited for ever.",
        f"{_KEEPER}::test_a_fork_is_not_saved_before_its_jobs_are_read"),
    Bug("A delete that was remembered, Postgres being away, while others were just being carried out was forgotten "
        "until the next start: its row stayed.",
        f"{_KEEPER}::test_a_delete_that_is_remembered_while_others_are_carried_out_has_its_turn_at_the_next_sweep"),
    Bug("A checkpoint that a user had made, and that was deleted before its row was written, left no trace: `verify` "
        "took the parent of the next one for lost.",
        f"{_KEEPER}::test_the_delete_of_one_that_a_user_made_and_that_has_no_row_yet_leaves_a_trace"),
)  # fmt: skip
_NOT_COVERED = (
    "several API servers, several etcds, a split between them: there is one of each",
    "nodes are fake (kwok): no container runs twice or on, no kubelet loses its disk",
    "a clock that goes wrong on the API server's machine: Kubernetes' own times are right throughout",
    "an operator that is out of memory: that is tried by `make outages`",
)
_TEXT = """\
For some minutes a simulated user creates executions of random shapes (levels, retries, jobs that fail, clean-up,
all triggers of checkpoints) and pauses, resumes, cancels, rewinds, forks, saves, pins, deletes and retries at random,
while one or two things at a time break for seconds to a minute and a half: API server and etcd killed or hanging,
controllers away, Postgres killed, hanging or its disk full, nodes silent, left or lost, the leader killed or stopped
and continued, both operators killed, clocks turned by hours. A recorder watches the API server all the time.

Then nothing breaks any more, and everything has to settle: each execution has finished as its shape says, or rests as
asked; one Kubernetes Job per execution, job and attempt, no number left out or used twice, one pod per Kubernetes Job,
each completed job completed once; a job that always fails has failed exactly as often as its retries say; every
checkpoint that was ever Ready is there or was deleted, has its row, verifies (as `cairn verify` does) and sorts after
its parent; no row without object, no finalizer that hangs, nothing that changes any more. Recovery is from the end of
a fault (the part answers again) until the next Kubernetes Job is created, whichever it is; after faults of Postgres,
until every checkpoint that waited for its row has it."""


def counted(left: Left, seen: Recorder) -> Counter[str]:
    """How much there was."""
    records = [record for found in left.executions for record in found.get("status", {}).get("jobs", [])]
    return Counter({
        "executions": len(left.executions), "jobs": len(records), "Kubernetes Jobs": len(left.jobs),
        "infrastructure failures of jobs": sum(record.get("disruptions", 0) for record in records),
        "failures of programs": sum(record.get("failures", 0) for record in records),
        "checkpoints that were ever Ready": len(seen.saved), "rows in the end": len(left.rows),
    })  # fmt: skip


def part(story: Story) -> Part:
    """For the docs."""
    kinds = Counter(found.kind for found in story.findings)
    return Part(
        name="chaos", title="Chaos", command=f"make chaos MINUTES={story.minutes:g} SEED={story.seed}", text=_TEXT,
        tables=(*_faults(story), _load(story)), bugs=BUGS, not_covered=_NOT_COVERED, losses=kinds[LOST],
        duplicates=kinds[DOUBLED],
    )  # fmt: skip


def _faults(story: Story) -> tuple[Table, Table]:
    lengths: list[list[Cell]] = [[name, len(found), round(sum(found))] for name, found in sorted(story.lengths.items())]
    return (
        Table("What broke", ("what", "times", "seconds in all"), lengths),
        percentiles("Recovery", dict(sorted(story.recoveries.items()))),
    )


def _load(story: Story) -> Table:
    other = sum(found.kind not in (LOST, DOUBLED) for found in story.findings)
    rows: list[list[Cell]] = [[name, count] for name, count in (*story.counts.items(), *(
        (f"asked by the user: {what}", count) for what, count in sorted(story.did.items())))]  # fmt: skip
    rows += [["seconds until everything had settled", round(story.settled)], ["other findings of the judge", other]]
    return Table("What there was", ("what", "how many"), rows)


def lines(story: Story) -> str:
    """For a terminal."""
    tables = [f"{table.title}:\n" + "\n".join("  " + "  ".join(map(str, row)) for row in table.rows)
              for table in (*_faults(story), _load(story))]  # fmt: skip
    findings = [f"  {found}" for found in story.findings] or ["  none"]
    return "\n".join([*tables, "Findings:", *findings])
