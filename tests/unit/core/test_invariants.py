"""The invariants of the design, in random histories: two operators, crashes, stale views, people, faults."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from cairn.core.checkpoint.trigger import Trigger
from simulation.steps.history import History, Step

Body = dict[str, Any]

# How many times as many examples as usual, for a longer search; the examples themselves are always the same.
FACTOR = int(os.environ.get("CAIRN_EXAMPLES_FACTOR", "1"))
HISTORIES = settings(
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    phases=[Phase.generate, Phase.shrink],
)


def examples(count: int) -> settings:
    return settings(HISTORIES, max_examples=count * FACTOR)


WORK = ["look", "look", "look", "sync_all", "sync_all", "sync", "kubelet", "kubelet", "kubelet", "tick"]
OPERATORS = ["stale_look", "stale_look", "crash", "crash", "restart"]
PEOPLE = ["pause", "resume", "resume", "hold", "unhold", "cancel", "edit", "remove", "add", "request"]
REWINDS = ["rewind", "rewind", "rewind", "checkpoint", "checkpoint", "withdraw", "slow"]
FAULTS = ["delete_pod", "strip_pod", "evict", "delete_job", "refuse", "spoil"]


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
        "checkpoint": _checkpoint(draw, count),
    }


def _checkpoint(draw: st.DrawFn, jobs: int) -> Body:
    triggers = draw(st.frozensets(st.sampled_from(list(Trigger)), max_size=5))
    critical = draw(st.frozensets(st.sampled_from(range(jobs)), max_size=2))
    return {
        "enabled": draw(st.sampled_from([True, True, True, False])), "triggers": sorted(t.value for t in triggers),
        "timeIntervalMs": 3000, "criticalJobIds": [f"j{i}" for i in sorted(critical)],
        "onError": draw(st.sampled_from(["Continue", "Pause"])),
    }  # fmt: skip


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
    """Steps; they shrink in meaning rather than in number, as short lists hardly ever lead anywhere."""
    step = st.tuples(st.sampled_from(["nothing", *kinds]), st.integers(0, 1023))
    return st.lists(step, min_size=size // 3, max_size=size)


@pytest.mark.parametrize("policy", ["Stop", "Continue", "Pause"])
@examples(20)
@given(spec=specs(), fails=failing)
def test_every_acyclic_graph_comes_to_an_end(policy: str, spec: Body, fails: frozenset[str]) -> None:
    history = History(spec | {"failurePolicy": policy}, fails=fails)
    history.settle()
    assert history.finished, history.states()
    assert all(state in ("Completed", "Failed", "Skipped") for state in history.states().values())


@examples(60)
@given(spec=specs(), fails=failing, happens=steps(*WORK, *WORK, *OPERATORS, *PEOPLE, *FAULTS, size=80))
def test_invariants_hold_in_every_history(spec: Body, fails: frozenset[str], happens: list[Step]) -> None:
    history = History(spec, fails=fails)
    history.play(happens)
    history.settle()
    assert history.finished, history.states()
    assert len(set(history.world.created)) == len(history.world.created)


@examples(100)
@given(spec=specs(), fails=failing, happens=steps(*WORK, *WORK, *OPERATORS, *PEOPLE, *FAULTS, *REWINDS, size=120))
def test_invariants_hold_in_every_history_that_goes_back(
    spec: Body, fails: frozenset[str], happens: list[Step]
) -> None:
    history = History(spec, fails=fails)
    history.play(happens)
    history.settle()
    assert history.finished, history.states()
    assert history.restore_phase() not in ("Preparing", "Stopping")
    asked = history.world.spec.get("restoreFrom")
    assert asked is None or asked.get("dryRun") or asked["requestId"] in history.answers()


@examples(25)
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


# --- Histories that once led to something wrong ----------------------------------------------------------------------

TWO = {"jobs": [{"id": "j0", "image": "x", "dependsOn": []}, {"id": "j1", "image": "x", "dependsOn": []}]}
LEVELS = {
    "scheduling": "Levels", "parallelism": 1,
    "jobs": [
        {"id": "j0", "image": "x", "dependsOn": []},
        {"id": "j1", "image": "x", "dependsOn": []},
        {"id": "j2", "image": "x", "dependsOn": ["j0"], "runOn": "Failure"},
    ],
}  # fmt: skip
STOP, RESUME, CANCEL = ("pause", 1), ("resume", 0), ("cancel", 0)
HEAR_OF_JOBS = ("stale_look", 1 + (1 << 3))  # of the first Kubernetes Job, and of no execution


@pytest.mark.parametrize(
    ("spec", "steps", "states"),
    [
        pytest.param(LEVELS, [], {"j0": "Failed", "j1": "Completed", "j2": "Completed"},
                     id="levels: who handles a failure does not wait for who waits for that"),
        pytest.param(TWO, [("look", 0), STOP, ("look", 0), ("sync_all", 0), ("look", 0), ("remove", 1), ("look", 0)],
                     {"j0": "Failed", "j1": "Skipped"}, id="a job is removed while a pause has stopped it"),
        pytest.param(TWO, [("refuse", 2), ("look", 0), ("remove", 1), ("look", 0)], {"j0": "Failed", "j1": "Skipped"},
                     id="a job is removed while its create is refused"),
        pytest.param(TWO, [("refuse", 3), ("look", 0), CANCEL, ("refuse", 3), ("look", 0), ("refuse", 3), ("look", 0)],
                     {"j0": "Failed", "j1": "Failed"}, id="a cancel while creates are refused"),
    ],
)  # fmt: skip
def test_what_went_wrong_once(spec: Body, steps: list[Step], states: dict[str, str]) -> None:
    history = History(dict(spec), fails=frozenset({"j0"}))
    history.play(steps)
    history.settle()
    assert history.states() == states


def test_an_operator_that_sees_a_job_before_the_intent_to_launch_it_does_not_stop_it() -> None:
    history = History(dict(TWO))
    history.play([("look", 0), HEAR_OF_JOBS, ("sync_all", 0)])
    history.settle()
    assert history.states() == {"j0": "Completed", "j1": "Completed"}
    assert history.world.started == [("j0", 1), ("j1", 1)]


def pause(history: History) -> None:
    history.world.edit(lambda spec: spec.update(paused=True))


def test_a_stale_operator_cannot_release_what_a_newer_pause_holds() -> None:
    history = History({"jobs": [{"id": "a", "image": "x", "dependsOn": []}]})
    stale, current = history.operators
    stale.look(effects=1)  # the intent is stored; killed before the create
    pause(history)
    stale.hear_all()
    stale.look()
    stale.look()
    assert history.pause_phase() == "Paused"

    history.world.edit(lambda spec: spec.update(paused=False))
    current.hear_all()
    current.look(effects=1)  # the end of the pause is stored; killed before the release
    stale.hear_all()  # and no more: what it knows is a resumed execution and a Job to be released
    pause(history)
    for _ in range(3):
        current.hear_all()
        current.look()
    assert history.pause_phase() == "Paused"

    for _ in range(3):
        stale.look()
        history.do_sync_all(0)
    assert history.world.pods == {}
    history.settle()
    assert history.world.started == [("a", 1)]
