"""The conditions, for `kubectl wait` and kstatus."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cairn import names
from cairn.core.health import conditions
from cairn.core.restore.progress import Mode, Progress, Step
from cairn.core.status import Condition, PausePhase, PauseState, Phase, Status
from cairn.errors import Violation
from simulation.build import EARLIER, NOW


def of(status: Status, violations: tuple[Violation, ...] = (), ignored: tuple[str, ...] = ()) -> dict[str, Condition]:
    return {c.type: c for c in conditions(status, violations, ignored, generation=4, now=NOW)}


def true(found: dict[str, Condition]) -> set[str]:
    return {c.type for c in found.values() if c.status}


PAUSED = PauseState(PausePhase.PAUSED, EARLIER, 1)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (Status(), {"Accepted", "Reconciling"}),
        (Status(Phase.RUNNING), {"Accepted", "Reconciling"}),
        (Status(Phase.SUCCEEDED), {"Accepted", "Finished", "Succeeded"}),
        (Status(Phase.FAILED), {"Accepted", "Finished", "Stalled"}),
        (Status(Phase.CANCELLED), {"Accepted", "Finished", "Stalled"}),
        (Status(Phase.RUNNING, pause=PAUSED), {"Accepted", "Reconciling", "Paused"}),
        (Status(Phase.RUNNING, pause=replace(PAUSED, phase=PausePhase.DRAINING)), {"Accepted", "Reconciling"}),
    ],
    ids=["new", "running", "succeeded", "failed", "cancelled", "paused", "draining is not paused yet"],
)
def test_which_are_true(status: Status, expected: set[str]) -> None:
    assert true(of(status)) == expected


def test_reasons_are_told() -> None:
    found = of(Status(Phase.FAILED, names.JOB_FAILED, "job a failed"))
    for kind in ("Finished", "Succeeded", "Stalled"):
        assert (found[kind].reason, found[kind].message) == (names.JOB_FAILED, "job a failed")
    assert found["Paused"].reason == "NotPaused"
    assert of(Status(pause=PAUSED))["Paused"].reason == "Paused"


def test_a_spec_that_is_not_accepted_tells_every_violation() -> None:
    found = of(Status(), (Violation("spec.a", "wrong"), Violation("spec.b", "too")))
    assert true(found) == {"Stalled"}
    assert found["Accepted"].reason == names.INVALID
    assert found["Accepted"].message == "spec.a: wrong\nspec.b: too"


def test_too_large_has_a_reason_of_its_own() -> None:
    assert of(Status(), (Violation("spec", f"{names.TOO_LARGE}: 2 MB"),))["Accepted"].reason == names.TOO_LARGE


def test_more_violations_than_fit_are_counted() -> None:
    message = of(Status(), tuple(Violation(f"spec.jobs[{i}]", "x" * 100) for i in range(200)))["Accepted"].message
    lines = message.splitlines()
    assert len(message) < 8200
    assert lines[0].startswith("spec.jobs[0]:")
    assert lines[-1] == f"… {200 - len(lines) + 1} more of 200 violations"


def test_ignored_edits_are_told_only_where_there_are_any() -> None:
    assert names.CONDITION_EDITS_IGNORED not in of(Status())
    few = of(Status(), (), ("a", "b"))[names.CONDITION_EDITS_IGNORED]
    assert few.status and few.message.endswith("on them: a, b")
    many = of(Status(), (), tuple(f"j{i}" for i in range(12)))[names.CONDITION_EDITS_IGNORED]
    assert many.message.endswith("j9 and 2 more")


@pytest.mark.parametrize(("before", "expected"), [(True, EARLIER), (False, NOW)], ids=["stays", "changes"])
def test_the_transition_time_changes_with_the_status_alone(before: bool, expected: object) -> None:
    old = Condition("Accepted", before, "Other", "", 1, EARLIER)
    found = of(Status(conditions=(old,)))["Accepted"]
    assert found.last_transition == expected
    assert (found.reason, found.observed_generation) == (names.ACCEPTED, 4)


@pytest.mark.parametrize("step", Step)
def test_a_restore_is_told_and_true_only_once_it_is_done(step: Step) -> None:
    progress = Progress(Mode.FORK, step, 4, NOW, reason="Why", message="because")
    found = of(Status(restore=progress))[names.CONDITION_RESTORED]
    assert (found.status, found.reason, found.message) == (step is Step.DONE, "Why", "because")


def test_where_no_restore_was_asked_for_there_is_no_condition_for_one() -> None:
    assert names.CONDITION_RESTORED not in of(Status())


def test_a_reason_by_other_hands_keeps_no_condition_from_being_stored() -> None:
    for nonsense in ("\0", "a b", "9"):
        found = of(Status(Phase.FAILED, nonsense, "who knows"))
        assert (found["Finished"].reason, found["Finished"].message) == (names.STATUS_UNREADABLE, "who knows")
