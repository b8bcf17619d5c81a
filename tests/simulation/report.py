"""What a long search has come to, for docs/reliability.md."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from simulation.faults import ACTIONS
from simulation.history import DEEDS
from simulation.search import Findings
from simulation.variants import VARIANTS
from support.reliability import Bug, Cell, Part, Table

_MILLION = 1_000_000

TEXT = """\
The operator as it ships, from its work queues to its adapters, runs on an event loop whose clock is simulated,
against a simulated API server, Job controller, three nodes, garbage collector and database, with one or two replicas,
with and without a Lease; in one history of five with two shards beside the default operator, which come, go, or stay.
A seed makes a history: a random graph of 3 to 20 jobs, what people do to it (pause, resume, hold, cancel, repair,
edit, delete, take, pin and delete checkpoints, rewind, fork), and faults. Every call takes its time there and back;
it may be lost, or its answer; it may arrive when its sender is long dead; the sender may be killed before or after
it, or stopped in between. Watches are late, out of order between objects, silent, broken, or begun anew from an old
list. A judge that knows what is stored, and shares no code with the planner, checks every write and every container's
start against the invariants of the design. Then faults stop, and everything must come to an end and to rest: nothing
lost, nothing twice, nothing left over, two stores alike. In three of four histories nothing is looked at only because
time has passed, so that whatever waits for a word that nobody gives hangs, and is noticed.
`python -m simulation --seed N --shrink` shows the shortest course of a history that breaks a rule."""

BUGS = (
    Bug("A checkpoint too large for its object, whose row was there when its execution was deleted, became Failed; its"
        " row stayed for ever.",
        "tests/unit/app/checkpoints/test_keeper.py::test_a_large_state_whose_row_is_there_outlives_its_execution"),
    Bug("An answer to an own write that came after the delete was heard of brought a deleted checkpoint back into the"
        " view, for good; one that was still wanted was never made again.",
        "tests/unit/app/checkpoints/test_keeper.py::test_an_answer_that_comes_after_the_end_brings_nothing_back"),
    Bug("An execution that waited for a checkpoint which somebody deleted looked again only at the next resync.",
        "tests/unit/app/test_operator.py::test_an_execution_is_looked_at_when_a_checkpoint_of_it_is_gone"),
    Bug("A delete whose remembering was answered with 429 was given up: its row stayed.",
        "tests/unit/app/checkpoints/test_keeper.py::"
        "test_a_delete_is_remembered_at_the_next_try_where_there_were_too_many_requests"),
    Bug("A delete that was remembered though the answer to that was missing was carried out only after a restart.",
        "tests/unit/app/checkpoints/test_keeper.py::"
        "test_a_delete_that_may_yet_be_remembered_is_looked_for_until_that_is_over"),
    Bug("A delete that an operator had sent to be remembered, and that arrived long after it was killed, stayed"
        " remembered until the next restart.",
        "tests/unit/app/checkpoints/test_keeper.py::"
        "test_a_delete_that_a_killed_operator_has_sent_to_be_remembered_is_looked_for_by_the_next"),
    Bug("With two leaders, a Job that another one had created, and somebody had deleted by hand, was created again by"
        " one that had meanwhile heard of all that.",
        "tests/unit/app/test_reconcile.py::"
        "test_what_becomes_known_to_be_created_while_inputs_are_made_is_not_created_again"),
    Bug("Likewise where the attempt had failed and another one had begun meanwhile: the one that had sent its inputs"
        " long ago went on with the first.",
        "tests/unit/app/test_reconcile.py::"
        "test_what_becomes_known_to_be_created_while_inputs_are_made_is_not_created_again"),
    Bug("Retention went on with what it had planned although a restore had come to need it.",
        "tests/unit/app/checkpoints/test_keeper.py::"
        "test_what_a_restore_comes_to_need_while_others_are_retired_stays"),
    Bug("What came after a job whose condition is false, or whose inputs are lost, was decided only when something else"
        " happened, at the latest at the next resync.",
        "tests/unit/core/test_launching.py::"
        "test_what_ends_instead_of_being_launched_decides_about_the_others_at_once"),
    Bug("After a rewind that was refused, nothing was launched before the next event or resync.",
        "tests/unit/core/test_restoring.py::test_what_has_waited_goes_on_once_a_rewind_is_refused"),
    Bug("A fork without jobs, of a checkpoint of a fork that had not begun and has none either, succeeded in nothing.",
        "tests/unit/core/test_restoring.py::"
        "test_a_fork_without_jobs_of_a_checkpoint_without_jobs_is_refused_and_does_not_succeed_in_nothing"),
    Bug("With two leaders, a rewind gave up an attempt whose create was refused; another one's create came later, and"
        " its container could run beside the next attempt.",
        "tests/unit/core/test_restoring.py::"
        "test_an_intent_whose_create_is_refused_is_settled_by_a_rewind_and_never_given_up"),
    Bug("A Checkpoint that was deleted while it was told that its row is there hung on its finalizer until the next"
        " resync.",
        "tests/unit/app/checkpoints/test_keeper.py::"
        "test_a_delete_that_comes_while_its_row_is_told_of_is_news_though_it_was_read_and_not_heard"),
    Bug("What a cancel had ended of a paused execution was in no checkpoint: the pause drained once more, and its"
        " checkpoint, which was there already, was taken for that.",
        "tests/unit/core/test_checkpointing.py::"
        "test_what_has_ended_since_a_pause_was_saved_is_saved_when_it_drains_again"),
)  # fmt: skip

NOT_COVERED = (
    "Kopf itself, HTTP and TLS, and psycopg: on real parts only, see below.",
    "What validates at the API server: schemas, admission policies, quotas of other kinds.",
    "More than one namespace; forks across namespaces.",
    "More than two replicas, two shards, three nodes, four executions at a time, twenty jobs.",
    "Of sharding, what is not supported: labels that are changed by hand, one shard of two that is removed.",
    "Clocks that run at another speed; they only jump, by up to 30 s.",
)


def part(found: Findings, caught: Mapping[str, Findings], command: str, seconds: float) -> Part:
    """The part of the page."""
    pairs, possible = found.pairs
    broken = len(found.broken)
    figures = Table("Histories", ("figure", "value"), [
        ["histories", found.histories], ["with at least 50 steps, and 5 faults of 3 kinds", found.enough],
        ["steps (calls that arrived, events that were heard of)", found.steps],
        ["steps a second", round(found.steps / seconds)], ["simulated hours", round(found.seconds / 3600)],
        ["faults that struck", sum(found.fired.values())],
        ["pairs of call and fault that came up", f"{pairs} of {possible}"],
        ["histories that broke a rule", broken],
        ["hours for a million, at this speed", round(seconds / found.histories * _MILLION / 3600)],
    ])  # fmt: skip
    return Part(
        "simulation", "Simulated histories", command, TEXT, (figures, _by_fault(found), _variants(caught)), BUGS,
        NOT_COVERED, losses=broken,
    )  # fmt: skip


def _by_fault(found: Findings) -> Table:
    """Faults of calls by kind, and everything else that went wrong."""
    of_calls: Counter[str] = Counter()
    others: Counter[str] = Counter()
    for (action, fault), times in found.fired.items():
        if action in ACTIONS:
            of_calls[f"a call: {fault}"] += times
        else:
            others[f"{action}: {fault}"] += times
    rows: list[list[Cell]] = [[what, times] for what, times in (*sorted(of_calls.items()), *sorted(others.items()))]
    return Table(f"Faults, beside {len(set(DEEDS))} kinds of what people do", ("fault", "times"), rows)


def _variants(caught: Mapping[str, Findings]) -> Table:
    rows: list[list[Cell]] = []
    for name, findings in caught.items():
        rule = findings.broken[0][1].split(":")[0][:60] if findings.broken else "NOT FOUND"
        rows.append([VARIANTS[name].what, findings.histories, rule])
    return Table("Cairn broken on purpose", ("variant", "found within histories", "first rule that it broke"), rows)
