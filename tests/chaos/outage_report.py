"""What the outages one by one have come to, for docs/reliability.md."""

from __future__ import annotations

from chaos.memory import Found
from chaos.outages import Measured
from support.reliability import Bug, Cell, Part, Table, percentiles

_CORE = "tests/unit/core"
_TURNED = "A clock that had been ahead and was turned back"
_BUGS = (
    Bug("With leader election, an operator that waited for an API server at its start was not alive for its kubelet, "
        "which would have started it again and again, later each time.",
        "tests/unit/handlers/test_beginning.py::test_it_is_alive_meanwhile_whether_or_not_there_is_an_election"),
    Bug(f"{_TURNED} let a retry wait for as long as it had been ahead.",
        f"{_CORE}/test_launching.py::test_a_retry_waits_its_backoff_anew_once_the_clock_was_turned_back"),
    Bug(f"{_TURNED} suspended time-based checkpoints for as long.",
        f"{_CORE}/test_checkpointing.py::test_the_interval_is_counted_anew_once_the_clock_was_turned_back"),
    Bug(f"{_TURNED} moved the timeout of a run by as much.",
        f"{_CORE}/test_planner.py::test_a_run_that_began_by_a_clock_turned_back_since_begins_now"),
    Bug(f"{_TURNED} let `pause.until` be taken for a stale one: the pause did not end.",
        f"{_CORE}/test_pausing.py::"
        "test_a_pause_that_began_by_a_clock_turned_back_since_begins_now_and_its_until_is_heeded"),
    Bug(f"{_TURNED} let what passes (a log that cannot be read, a refused create, a checkpoint that is not there yet) "
        "be tried again only after as long.",
        f"{_CORE}/test_following.py::test_a_log_that_cannot_be_read_is_read_again"),
    Bug(f"{_TURNED} let an absence that had been read count for as long, not for a moment.",
        "tests/unit/app/test_views.py::test_an_absence_counts_for_a_moment"),
    Bug(f"{_TURNED} let checkpoints that were taken after a rewind count as taken before it.",
        "tests/unit/app/checkpoints/test_keeper.py::"
        "test_however_the_clock_is_turned_ids_sort_as_the_chain_goes_and_follow_the_restore"),
)  # fmt: skip
_NOT_COVERED = (
    "a clock that goes ahead ends what waits for a time of day early: a backoff, `pause.until`, a retention by age",
    "several API servers or etcds, of which one goes",
    "nodes are fake (kwok): what a real kubelet does when it comes back is not among the figures",
    "the memory is that of finished executions of 20 jobs without large outputs, read by one watch of one namespace",
)
_TEXT = """\
One thing at a time goes away for as long as the name of the line says, on a local cluster with a Postgres and two
operators, while an execution is in the middle; then it comes back. Recovery is from that moment (the
part answers again, the process is started, the clock is right) until the first Kubernetes Job of an execution that is
created then; after faults of Postgres, until every checkpoint that was taken meanwhile has its row. A lost node is
counted from its deletion until the next attempt of the job that ran there, most of which is the patience of Kubernetes'
own garbage collector of pods. In the end everything has settled, one Kubernetes Job and one pod per attempt, all
checkpoints in both stores, all verify.

Memory: copies of a real execution with its 20 Kubernetes Jobs, 20 pods and a checkpoint; the operator in a control
group of its own, whose limit goes down from start to start until the kernel kills it. Then it is killed so while an
execution runs, and started with more: it goes on, and each attempt has run once. A container's limit should be twice
the least that was enough."""


def part(measured: Measured, found: Found | None = None) -> Part:
    """For the docs."""
    samples = measured.recoveries | {"node lost, from its deletion on": measured.node_lost}
    findings = [*measured.findings, *(found.findings if found else [])]
    doubled = sum(each.startswith("doubled") for each in findings)
    return Part(
        name="outages", title="Outages", command=f"make outages TIMES={measured.times}", text=_TEXT,
        tables=(percentiles("Recovery", samples), *([_memory(found)] if found else [])), bugs=_BUGS,
        not_covered=_NOT_COVERED, losses=len(findings) - doubled, duplicates=doubled,
    )  # fmt: skip


def _memory(found: Found) -> Table:
    rows: list[list[Cell]] = [
        ["objects known", found.objects], ["MiB of an operator that knows nothing", round(found.alone)],
        ["MiB at most while it gets to know them", round(found.peak)], ["MiB once it does", round(found.after)],
        ["least limit that was enough, MiB", round(found.enough)],
        ["killed at its start with a limit of, MiB", ", ".join(f"{each:.0f}" for each in found.too_little) or "-"],
        ["seconds from the next start until the next launch", round(found.recovery, 1)],
    ]  # fmt: skip
    return Table("Memory at 10,000 objects", ("what", "how much"), rows)
