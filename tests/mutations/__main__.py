"""Try all mutations on a cluster with fake nodes, and write docs/reliability/mutations.json: `make mutations`."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cluster import Cluster, start, stop
from mutations.runs import lanes, run, tasks
from mutations.schemas import fields
from mutations.tally import Outcome, Tally
from support.operator_process import OperatorProcess
from support.reliability import Bug, Cell, Part, Table, percentiles, save
from support.signals import sigterm_is_ctrl_c

ROOT = Path(__file__).resolve().parents[2]
LANES = 3
TOPS = {
    "DAGExecution spec": ("dagexecutions", "spec"), "DAGExecution status": ("dagexecutions", "status"),
    "Checkpoint spec": ("checkpoints", "spec"), "Checkpoint status": ("checkpoints", "status"),
    "JobResult": ("jobresults", "spec"),
}  # fmt: skip
TEXT = """\
After Acto (SOSP'23): a generator walks the schemas of `crds/` and gives each field values that its schema allows (at
its bounds, empty, the longest), values that mean nothing (unknown jobs, wrong CEL, checkpoints that are not there,
times beyond the calendar), and values that the schema refuses. Executions are mutated in sequences of eight,
by server-side apply and merge patch in turn, before they start, while they are paused, while they run and after their
end; their statuses, and those of checkpoints, are rewritten as by wrong hands; results are put in the place of others.

After each mutation either the API server has refused it, named the field, and nothing has changed; or the operator
answers within a minute, and the answer (`Accepted` with reason and message, the settings of checkpoints, and while
paused the state of every job) equals that of a fresh execution with the same spec. What had ended stays as it was, a
healthy execution beside it succeeds, the operator is the same process, and what is put right goes on to its end."""
BUGS = (
    Bug("an execution whose status somebody had edited so that it cannot be read was ignored for ever, without a word",
        "tests/unit/core/test_status.py::test_what_other_hands_have_broken_is_unreadable_and_says_where"),
    Bug("a Checkpoint with such a status was not seen any more, and made lists, chains and `latestOf` fail for all",
        "tests/unit/core/checkpoint/test_broken_objects.py::test_a_broken_status_costs_that_checkpoint_and_no_other"),
    Bug("`pause.until` in the last or first hours of the calendar (9999-12-31T23:59:59-23:00) was never answered",
        "tests/unit/core/test_parse.py::test_a_time_beyond_the_years_of_utc_is_a_violation"),
    Bug("`restoreFrom.checkpointName` or `executionRef.name` that no object can have was never answered",
        "tests/unit/adapters/test_names_of_paths.py::test_what_has_a_name_that_none_can_have_is_not_there"),
    Bug("a `status.reason` that is no reason kept the operator from writing any status",
        "tests/unit/core/test_health.py::test_a_reason_by_other_hands_keeps_no_condition_from_being_stored"),
)  # fmt: skip
NOT_COVERED = (
    "Mutations of metadata (labels, annotations, finalizers, owner references) and of Kubernetes Jobs and pods.",
    "What a wrong status makes the operator do is not judged: only that it answers, and goes on once it is put right.",
    "With a database: the rows are not there in this run.",
    "Two mutations at the same moment by two users.",
)


@contextmanager
def _served(name: str | None) -> Iterator[tuple[Cluster, OperatorProcess, list[str]]]:
    """A cluster with an operator and namespaces; a named one that is there already stays."""
    there = start("fake", name or "mutations")
    namespaces = [f"mutations-{os.getpid()}-{lane}" for lane in range(LANES)]
    log = ROOT / "build/logs/mutations-operator.log"
    operator = OperatorProcess(there.kubeconfig, log, f"mutations-{os.getpid()}-*")
    try:
        there.kubectl.run("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "crds"))
        there.kubectl.run("wait", "--for=condition=Established", "--timeout=30s", "-f", str(ROOT / "crds"))
        for namespace in namespaces:
            there.kubectl.run("create", "namespace", namespace)
        yield there, operator.start(), namespaces
    finally:
        operator.stop()
        for namespace in namespaces:
            there.kubectl.run("delete", "namespace", namespace, "--wait=false")
        if name is None:
            stop(there)


def part(tallies: Mapping[str, Tally], waits: Mapping[str, list[float]], command: str) -> Part:
    """What the run has come to."""
    rows: list[list[Cell]] = []
    for kind, top in TOPS.items():
        tally = tallies.get(kind, Tally())
        counts = (tally.outcomes[outcome] for outcome in Outcome)
        every = {each.path for each in fields(*top)}
        rows.append(
            [kind, tally.total, *counts, _share(tally, every), len(tally.findings)]
        )
    columns = ("of", "mutations", *(outcome.value for outcome in Outcome), "fields mutated", "findings")
    table = Table("Mutations; a status that cannot be read counts as not accepted", columns, rows)
    return Part(
        "mutations", "Mutated objects", command, TEXT, (table, percentiles("How long answers took", waits)), BUGS,
        NOT_COVERED,
    )  # fmt: skip


def _share(tally: Tally, every: set[tuple[str, ...]]) -> str:
    return f"{len(tally.tried & every)} of {len(every)}"


def main() -> int:
    """Run, write, and say what was found."""
    sigterm_is_ctrl_c()
    parser = argparse.ArgumentParser(prog="mutations", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="in which order, and which sequences")
    parser.add_argument("--minutes", type=float, default=15, help="begin nothing new after that time")
    parser.add_argument("--cluster", help="the name of a cluster to use, which then stays")
    asked = parser.parse_args()
    began = time.monotonic()
    with _served(asked.cluster) as (there, operator, namespaces):
        made = lanes(there.kubeconfig, namespaces, operator)
        tallies = run(made, tasks(asked.seed), until=lambda: time.monotonic() - began > asked.minutes * 60)
    waits: dict[str, list[float]] = {}
    for lane in made:
        for what, took in lane.waits.items():
            waits.setdefault(what, []).extend(took)
    found = [finding for tally in tallies.values() for finding in tally.findings]
    print(*found, sep="\n\n")
    path = save(part(tallies, waits, f"make mutations SEED={asked.seed}"), seconds=time.monotonic() - began)
    print(f"{sum(t.total for t in tallies.values())} mutations, {len(found)} findings; {path.relative_to(ROOT)}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
