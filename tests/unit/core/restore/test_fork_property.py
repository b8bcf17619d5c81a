"""Whatever an execution and its checkpoint, a fork and a rewind come to the same end as a run that is left alone.

Programs are functions of their inputs here, as whoever restores a checkpoint has to hope.
"""

from __future__ import annotations

import os
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from simulation.steps.history import History, Step
from simulation.steps.world import SimPod, World

Body = dict[str, Any]

FACTOR = int(os.environ.get("CAIRN_EXAMPLES_FACTOR", "1"))
EXAMPLES = settings(
    deadline=None, derandomize=True, database=None, max_examples=30 * FACTOR,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], phases=[Phase.generate, Phase.shrink],
)  # fmt: skip
HAPPENS = ["look", "look", "look", "sync_all", "sync_all", "work", "work", "work", "work", "tick", "stale_look",
           "crash", "restart", "pause", "resume"]  # fmt: skip
WORDS = {"UnsafeRerun": "rerun", "ConfirmationNeeded": "confirm"}


def function_of_inputs(pod: SimPod) -> str:
    """The outputs of a program that is told nothing but its job and its inputs."""
    value = int(sha256(f"{pod.job_id} {pod.inputs}".encode()).hexdigest(), 16)
    return f'{{"v": {value % 7}}}'


@st.composite
def specs(draw: st.DrawFn) -> Body:
    """An acyclic graph with conditions on what is upstream."""
    count = draw(st.integers(3, 12))
    return {
        "jobs": [_job(draw, index) for index in range(count)],
        "scheduling": draw(st.sampled_from(["Dependencies", "Dependencies", "Levels"])),
        "parallelism": draw(st.sampled_from([0, 0, 2])),
        "failurePolicy": draw(st.sampled_from(["Continue", "Continue", "Stop"])),
        "checkpoint": {"triggers": draw(st.sampled_from([[], ["job-completed"]]))},
        "paused": False, "hold": [],
    }  # fmt: skip


def _job(draw: st.DrawFn, index: int) -> Body:
    above = sorted(draw(st.sets(st.sampled_from(range(index)), max_size=3))) if index else []
    job: Body = {
        "id": f"j{index}", "image": "image:0", "dependsOn": [f"j{i}" for i in above],
        "runOn": draw(st.sampled_from(["Success", "Success", "Success", "Failure", "Done"])),
        "retry": {"limit": draw(st.sampled_from([0, 0, 1])), "backoffSeconds": 1},
        "replay": draw(st.sampled_from(["Safe", "Safe", "Unsafe", "Confirm"])),
    }  # fmt: skip
    if above and draw(st.integers(0, 3)) == 0:
        job["when"] = f"jobs['j{above[0]}'].outputs.v > {draw(st.integers(0, 6))}"
    return job


failing = st.frozensets(st.sampled_from([f"j{i}" for i in range(12)]), max_size=3)
happens = st.lists(st.tuples(st.sampled_from(HAPPENS), st.integers(0, 1023)), min_size=12, max_size=60)
steps_on = st.lists(st.tuples(st.sampled_from(HAPPENS), st.integers(0, 1023)), max_size=25)
origin_is = st.sampled_from(["known", "finished", "gone"])


def new(spec: Body, fails: frozenset[str]) -> History:
    return History(spec, fails=fails, program=function_of_inputs)


def left_alone(spec: Body, fails: frozenset[str]) -> History:
    history = new(spec, fails)
    history.settle()
    assert history.finished
    return history


def at_a_checkpoint(spec: Body, fails: frozenset[str], before: list[Step]) -> History:
    """An execution that has come so far, and its checkpoint `here` of that moment."""
    history = new(spec, fails)
    history.play([("look", 0), *before])
    for operator in history.operators[:1]:
        operator.hear_all()
        operator.take("here")
    return history


def check_end(history: History, alone: History, spec: Body) -> None:
    """It has come to what the run that was left alone has come to.

    With failurePolicy Stop, what had begun when a job failed is a matter of chance, and so is the end of a run.
    """
    assert history.finished, history.states()
    ours, theirs = ends(history.world), ends(alone.world)
    if spec["failurePolicy"] == "Continue" or all(state != "Failed" for state, _ in theirs.values()):
        assert ours == theirs
        assert history.world.status["phase"] == alone.world.status["phase"]
    both = {name for name in ours if ours[name][0] == theirs[name][0] == "Completed"}
    assert {name: ours[name] for name in both} == {name: theirs[name] for name in both}


def ends(world: World) -> dict[str, tuple[str, str]]:
    """The state of every job, and the digest of what it has handed out."""
    results = {r["id"]: r.get("result", "") if r["state"] == "Completed" else "" for r in world.status["jobs"]}
    return {r["id"]: (r["state"], results[r["id"]]) for r in world.status["jobs"]}


def give_words(history: History, request: str = "") -> None:
    """What the problems of a refused plan ask for."""
    restore = history.world.status["restore"]
    problems = restore["plan"]["problems"]
    assert restore["phase"] == "Refused"
    assert {p["reason"] for p in problems} <= set(WORDS), problems
    asked: Body = dict(history.world.spec["restoreFrom"])
    for problem in problems:
        field = WORDS[problem["reason"]]
        asked[field] = sorted({*asked.get(field, ()), problem["job"]})
    asked |= {"requestId": request} if request else {}
    history.world.edit(lambda spec: spec.update(restoreFrom=asked))


def unsafe(spec: Body) -> set[str]:
    return {j["id"] for j in spec["jobs"] if j["replay"] == "Unsafe"}


def confirm(spec: Body) -> set[str]:
    return {j["id"] for j in spec["jobs"] if j["replay"] == "Confirm"}


def check_words(spec: Body, asked: Body, ran_before: set[str], ran_again: set[str]) -> None:
    """What must not run a second time without a word has not."""
    twice = ran_before & ran_again
    assert twice & unsafe(spec) <= set(asked.get("rerun", ()))
    assert twice & confirm(spec) <= set(asked.get("confirm", ()))


def ran(history: History) -> set[str]:
    return {name for name, _ in history.world.started}


@EXAMPLES
@given(spec=specs(), fails=failing, before=happens, since=steps_on, origin=origin_is, after=steps_on,
       borrows=st.booleans(), named=st.one_of(st.just(frozenset()), failing))  # fmt: skip
def test_a_fork_comes_to_the_end_of_a_run_that_is_left_alone(
    spec: Body, fails: frozenset[str], before: list[Step], since: list[Step], origin: str, after: list[Step],
    borrows: bool, named: frozenset[str],
) -> None:  # fmt: skip
    alone = left_alone(spec, fails)
    first = at_a_checkpoint(spec, fails, before)
    first.play(since)
    if origin == "finished":
        first.settle()
    first.world.deleted = origin == "gone"

    rerun = sorted(named & {j["id"] for j in spec["jobs"]})
    written = {"restoreFrom": {"checkpointName": "here", "rerun": rerun}, "paused": False, "hold": []} | (
        {key: spec[key] for key in spec if key != "jobs" or not borrows}
    )
    fork = History(written, fails=fails, program=function_of_inputs, origins=[first.world])
    fork.settle()
    if "startedAt" not in fork.world.status:
        assert not fork.world.created
        give_words(fork)
    fork.play(after)
    fork.settle()
    assert "startedAt" in fork.world.status, fork.world.status["restore"]
    check_end(fork, alone, spec)
    keeps = kept(fork)
    assert not keeps & ran(fork)
    if spec["failurePolicy"] == "Continue":  # what depends on what runs again has read its outputs
        done = [j for j in spec["jobs"] if fork.states()[j["id"]] == "Completed"]
        assert {j["id"] for j in done if ran(fork) & set(j["dependsOn"])} <= ran(fork)
    if origin != "gone":
        first.settle()
    check_words(spec, fork.world.spec["restoreFrom"], ran(first), ran(fork))


def kept(history: History) -> set[str]:
    """The jobs whose results a plan keeps: those that have completed, but for what is named, or depends on that."""
    named = set(history.world.spec["restoreFrom"].get("rerun", ()))
    jobs = {j["id"]: j for j in history.world.whole_spec["jobs"]}
    again: set[str] = set()
    for name in sorted(jobs, key=lambda name: int(name[1:])):
        record = history.world.held_records({"checkpointName": "here"})[name]
        if record["state"] != "Completed" or name in named or again & set(jobs[name]["dependsOn"]):
            again.add(name)
    return jobs.keys() - again


@pytest.mark.parametrize("borrows", [False, True])
def test_whoever_goes_on_with_a_fork_finds_what_it_has_kept(borrows: bool) -> None:
    jobs = [{"id": "j0", "image": "x", "dependsOn": []},
            {"id": "j1", "image": "x", "dependsOn": ["j0"], "when": "jobs['j0'].outputs.v >= 0"}]  # fmt: skip
    first = new({"jobs": jobs, "hold": ["j1"], "paused": False}, frozenset())
    first.settle(resumed=False)
    first.operators[0].take("here")
    first.world.deleted = True

    written = {"restoreFrom": {"checkpointName": "here"}} | ({} if borrows else {"jobs": jobs})
    fork = History(written, program=function_of_inputs, origins=[first.world])
    operator = fork.operators[0]
    for effects in range(1, 6):  # killed after each in turn, until the fork has begun
        if "startedAt" not in fork.world.status:
            operator.look()
            operator.look(effects=effects)
    assert fork.states()["j0"] == "Completed"
    first.world.checkpoints.clear()
    for each in fork.operators:
        each.restart()
    fork.settle()
    assert fork.states() == {"j0": "Completed", "j1": "Completed"}
    assert fork.world.started == [("j1", 1)]


@EXAMPLES
@given(spec=specs(), fails=failing, before=happens, since=steps_on, after=steps_on, finished=st.booleans())
def test_a_rewind_comes_to_the_end_of_a_run_that_is_left_alone(
    spec: Body, fails: frozenset[str], before: list[Step], since: list[Step], after: list[Step], finished: bool
) -> None:
    alone = left_alone(spec, fails)
    history = at_a_checkpoint(spec, fails, before)
    history.play(since)
    if finished:
        history.settle()
    history.world.edit(lambda s: s.update(restoreFrom={"checkpointName": "here", "requestId": "back"}))
    # Not with mode Stop: what a pause stops it runs again, an attempt that the rewind lets go on too; no restore does.
    history.play([(name, n - n % 2 if name == "pause" else n) for name, n in after])
    history.settle()
    for request in ("again", "once more"):  # what went on while it was refused may need a word too
        if history.restore_phase() == "Refused":
            assert history.world.status["epoch"] == 0
            give_words(history, request)
            history.settle()
    assert set(history.answers().values()) <= {"Done", "Refused"}
    assert history.world.status["epoch"] == 1, history.world.status["restore"]
    check_end(history, alone, spec)
    given_up = history.world.given_up[0]
    ran_before = {name for name, attempt in history.world.started if attempt <= given_up[name]}
    ran_again = {name for name, attempt in history.world.started if attempt > given_up[name]}
    retried = {j["id"] for j in spec["jobs"] if j["retry"]["limit"] and j["id"] in fails}  # of an attempt that went on
    check_words(spec, history.world.spec["restoreFrom"], ran_before, ran_again - retried)
