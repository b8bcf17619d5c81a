"""The share of the simulation that every run of the tests plays: the same histories each time.

It needs no cluster, but minutes. `make simulate` plays more.
"""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from simulation.history import History
from simulation.variants import VARIANTS

HISTORIES = 400
ENOUGH_FOR_A_VARIANT = 600  # the first that shows it ends the search: most need ten, one needs four hundred


def simulation(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it as a person does, in a process of its own, where the order of sets is always the same."""
    command = [sys.executable, "-m", "simulation", *arguments]
    return subprocess.run(command, text=True, capture_output=True, check=False)


@pytest.mark.timeout(900)
def test_nothing_is_lost_and_nothing_runs_twice_in_any_history() -> None:
    done = simulation("--histories", str(HISTORIES))
    told = done.stdout.replace("\r", "\n").strip().splitlines()
    print(told[-1])
    assert (done.returncode, done.stderr) == (0, ""), done.stdout[-3000:]
    enough, pairs, possible = map(int, re.findall(r"\((\d+) with enough.* (\d+) of (\d+) pairs", told[-1])[0])
    assert enough > HISTORIES * 0.95, "histories in which hardly anything happens prove nothing"
    assert pairs > possible * 0.8, "faults that never strike prove nothing"


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", VARIANTS)
def test_a_cairn_that_is_broken_on_purpose_is_found_out(name: str) -> None:
    done = simulation("--histories", str(ENOUGH_FOR_A_VARIANT), "--variant", name)
    assert (done.returncode, done.stderr) == (0, ""), f"{VARIANTS[name].what}, and no history shows it"


def test_a_seed_is_a_history() -> None:
    first, second = (simulation("--seed", "7").stdout for _ in range(2))
    assert first == second and len(first.splitlines()) > 100


def test_histories_are_of_the_size_that_was_asked_for() -> None:
    sizes = [len(History.of(seed).spec["jobs"]) for seed in range(200)]
    assert (min(sizes), max(sizes)) == (3, 20)
