"""The invariants of the design, in random histories: two operators, crashes, stale views, people, faults."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from simulation.history import History, Step

Body = dict[str, Any]

HISTORIES = settings(
    max_examples=60, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], phases=[Phase.generate, Phase.shrink],
)  # fmt: skip

WORK = ["look", "look", "look", "sync_all", "sync_all", "sync", "kubelet", "kubelet", "kubelet", "tick"]
OPERATORS = ["stale_look", "stale_look", "crash", "crash", "restart"]
PEOPLE = ["pause", "resume", "resume", "hold", "unhold", "cancel", "edit", "remove", "add"]
FAULTS = ["delete_pod", "strip_pod", "evict", "delete_job", "refuse"]


@st.composite
def specs(draw: st.DrawFn) -> Body:
    """An acyclic graph with every combination of policies."""
    count = draw(st.integers(1, 6))
    jobs = [_job(draw, index) for index in range(count)]
    return {
        "jobs": jobs,
        "scheduling": draw(st.sampled_from(["Dependencies", "Levels"])),
        "parallelism": draw(st.integers(0, 2)),
        "failurePolicy": draw(st.sampled_from(["Stop", "Continue", "Pause"])),
        "timeoutSeconds": draw(st.sampled_from([0, 0, 0, 30])),
        "params": {"n": 1},
    }


def _job(draw: st.DrawFn, index: int) -> Body:
    above = draw(st.lists(st.sampled_from(range(index)), unique=True, max_size=3)) if index else []
    job: Body = {
        "id": f"j{index}", "image": "image:0", "dependsOn": [f"j{i}" for i in sorted(above)],
        "runOn": draw(st.sampled_from(["Success", "Success", "Success", "Failure", "Done"])),
        "retry": {"limit": draw(st.sampled_from([0, 0, 1, 2])), "backoffSeconds": 1},
        "outputs": draw(st.sampled_from(["Termination", "Termination", "Log"])),
        "replay": draw(st.sampled_from(["Safe", "Safe", "Unsafe"])),
        "timeoutSeconds": draw(st.sampled_from([0, 0, 0, 10])),
    }  # fmt: skip
    if when := draw(st.sampled_from([None, None, None, "params.n == 1", "params.n == 2", "params.missing"])):
        job["when"] = when
    return job


failing = st.frozensets(st.sampled_from([f"j{i}" for i in range(6)]), max_size=3)


def steps(*kinds: str, size: int) -> st.SearchStrategy[list[Step]]:
    return st.lists(st.tuples(st.sampled_from(kinds), st.integers(0, 1023)), max_size=size)


@pytest.mark.parametrize("policy", ["Stop", "Continue", "Pause"])
@HISTORIES
@given(spec=specs(), fails=failing)
def test_every_acyclic_graph_comes_to_an_end(policy: str, spec: Body, fails: frozenset[str]) -> None:
    history = History(spec | {"failurePolicy": policy}, fails=fails)
    history.settle()
    assert history.finished, history.states()
    assert all(state in ("Completed", "Failed", "Skipped") for state in history.states().values())


@settings(HISTORIES, max_examples=150)
@given(spec=specs(), fails=failing, happens=steps(*WORK, *WORK, *OPERATORS, *PEOPLE, *FAULTS, size=80))
def test_invariants_hold_in_every_history(spec: Body, fails: frozenset[str], happens: list[Step]) -> None:
    history = History(spec, fails=fails)
    history.play(happens)
    history.settle()
    assert history.finished, history.states()
    assert len(set(history.world.created)) == len(history.world.created)


@settings(HISTORIES, max_examples=80)
@given(spec=specs(), happens=steps(*WORK, *OPERATORS, "pause", "resume", size=60))
def test_whatever_happened_a_pause_drains(spec: Body, happens: list[Step]) -> None:
    history = History(spec | {"timeoutSeconds": 0})
    history.play(happens)
    history.world.edit(lambda s: s.update(paused=True, pause={"mode": "Drain"}))
    history.settle(resumed=False)
    if history.finished:
        return
    assert history.pause_phase() == "Paused"
    begun = len(history.world.started)
    assert all(pod.ended for pod in history.world.pods.values())
    history.settle(resumed=False)
    assert len(history.world.started) == begun
    history.settle()
    assert history.finished
