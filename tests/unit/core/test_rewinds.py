"""Rewinds in directed histories: there and back again from wherever an execution stands, whatever crashes meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from simulation.steps.history import History

Body = dict[str, Any]

CHAIN: Body = {
    "jobs": [
        {"id": "a", "image": "x", "dependsOn": []},
        {"id": "b", "image": "x", "dependsOn": ["a"]},
        {"id": "c", "image": "x", "dependsOn": ["b"]},
    ],
    "checkpoint": {"triggers": ["job-completed"]},
}


def looked(history: History, times: int = 3) -> History:
    for _ in range(times):
        for operator in history.operators:
            operator.hear_all()
            operator.look()
    return history


def advanced(history: History, pods: int) -> History:
    """So many more containers have ended."""
    for _ in range(pods):
        looked(history)
        history.do_sync_all(0)
        for _ in range(2):
            for pod in list(history.world.pods.values()):
                history.world.step(pod)
        history.do_sync_all(0)
    return looked(history)


def take(history: History, name: str) -> None:
    """A checkpoint by hand."""
    history.operators[0].hear_all()
    history.operators[0].take(name)


def ask(history: History, name: str, request: str, **more: Any) -> None:
    asked = {"checkpointName": name, "requestId": request} | more
    history.world.edit(lambda spec: spec.update(restoreFrom=asked))


def records(history: History) -> dict[str, Body]:
    return {r["id"]: {k: v for k, v in r.items() if k != "used"} for r in history.world.status["jobs"]}


# --- There and back again --------------------------------------------------------------------------------------------


def succeeded() -> History:
    return settled(begun())


def failed() -> History:
    return settled(begun(fails=frozenset({"b"})))


def cancelled() -> History:
    history = advanced(begun(), 1)
    history.world.edit(lambda spec: spec.update(cancel={"requestId": "enough"}))
    return settled(history)


def timed_out() -> History:
    history = begun()
    history.world.edit(lambda spec: spec.update(timeoutSeconds=30))
    history.do_tick(3)
    history.do_tick(3)
    settled(history)
    assert history.world.status["reason"] == "TimedOut"
    return history


def paused() -> History:
    history = advanced(begun(), 1)
    history.world.edit(lambda spec: spec.update(paused=True))
    history.settle(resumed=False)
    return history


def running() -> History:
    return advanced(begun(), 1)


def begun(**fields: Any) -> History:
    """An execution whose first job runs, and a checkpoint of that."""
    history = looked(History(CHAIN | {"paused": False, "hold": []}, **fields))
    history.do_sync_all(0)
    take(looked(history), "first")
    return history


def settled(history: History) -> History:
    history.settle()
    return history


def gone_back(history: History, name: str, request: str, **more: Any) -> History:
    """The execution right after it has gone back, before anything else happens."""
    ask(history, name, request, **more)
    for _ in range(30):
        for operator in history.operators:
            operator.hear_all()
            if history.answers().get(request) == "Done":
                return history
            operator.look()
        history.do_sync_all(0)
        for pod in list(history.world.pods.values()):
            if pod.deleting:
                history.world.step(pod)
    raise AssertionError(f"{request} was not done: {history.world.status['restore']}")


@pytest.mark.parametrize("stand", [succeeded, failed, cancelled, timed_out, paused])
def test_a_rewind_of_a_rewind_is_the_original(stand: Callable[[], History]) -> None:
    history = stand()
    before = records(history)
    gone_back(history, "first", "back")
    assert all(r["state"] == "Pending" for r in records(history).values())
    undo = history.world.status["restoredFrom"]["undo"]
    gone_back(history, undo, "forth")
    again = records(history)
    done = {name for name, r in before.items() if r["state"] == "Completed"}
    assert {name: again[name] for name in done} == {name: before[name] for name in done}
    assert all(again[name]["state"] == "Pending" for name in again.keys() - done)  # failed ones are tried again
    history.settle()
    assert history.finished


def test_a_rewind_of_a_rewind_runs_again_what_had_to_be_stopped() -> None:
    history = running()
    before = records(history)
    assert before["b"]["state"] == "Running"
    gone_back(history, "first", "back")
    gone_back(history, history.world.status["restoredFrom"]["undo"], "forth")
    again = records(history)
    assert again["a"] == before["a"]
    assert again["b"]["state"] == "Pending"
    history.settle()
    assert history.states() == {"a": "Completed", "b": "Completed", "c": "Completed"}


@pytest.mark.parametrize("stand", [succeeded, failed, cancelled, timed_out, paused, running])
def test_a_crash_after_any_effect_of_a_rewind_leads_to_the_same_end(stand: Callable[[], History]) -> None:
    whole = stand()
    ask(whole, "first", "back")
    whole.settle()
    assert whole.answers()["back"] == "Done"
    for at in range(40):
        history = stand()
        ask(history, "first", "back")
        if not crashed(history, at):
            assert at > 4
            break
        history.settle()
        assert history.answers()["back"] == "Done"
        assert history.states() == whole.states()
        assert history.world.status["epoch"] == 1
    else:
        raise AssertionError("there is no end of effects")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda spec: spec.pop("restoreFrom"), id="withdrawn"),
        pytest.param(lambda spec: spec.update(restoreFrom={"checkpointName": "none", "requestId": "r2"}), id="another"),
        pytest.param(lambda spec: spec["restoreFrom"].update(rerun=["a"]), id="another word"),
        pytest.param(lambda spec: spec["restoreFrom"].update(dryRun=True), id="a dry run"),
        pytest.param(lambda spec: spec.update(paused=True), id="a pause"),
        pytest.param(lambda spec: spec.update(hold=["a"]), id="a hold"),
        pytest.param(lambda spec: spec.update(cancel={"requestId": "enough"}), id="a cancel"),
        pytest.param(lambda spec: spec["jobs"].pop(), id="a job is taken out"),
        pytest.param(lambda spec: spec["jobs"][1].update(image="y"), id="a job is changed"),
        pytest.param(lambda spec: spec.update(requests=[{"id": "r2", "type": "Skip", "job": "c"}]), id="a request"),
    ],
)
def test_what_is_committed_is_done_whatever_is_asked_for_meanwhile(change: Callable[[Body], None]) -> None:
    history = running()
    ask(history, "first", "back")
    looked(history)
    assert history.restore_phase() == "Stopping"
    history.world.edit(change)
    looked(history)
    assert history.restore_phase() == "Stopping"
    for restarted in history.operators:
        restarted.restart()
    history.settle()
    assert history.answers()["back"] == "Done"
    assert history.world.status["epoch"] == 1
    assert history.finished


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        pytest.param(lambda spec: spec.pop("restoreFrom"), "Refused", id="withdrawn"),
        pytest.param(lambda spec: spec.update(cancel={"requestId": "enough"}), "Refused", id="a cancel"),
        pytest.param(lambda spec: spec["restoreFrom"].update(requestId="r2"), "Refused", id="another"),
        pytest.param(lambda spec: spec.update(paused=True), "Done", id="a pause"),
        pytest.param(lambda spec: spec["jobs"].pop(), "Done", id="a job is taken out"),
    ],
)
def test_nothing_has_changed_while_a_rewind_is_prepared(change: Callable[[Body], None], outcome: str) -> None:
    history = running()
    before = records(history)
    ask(history, "first", "back")
    operator = history.operators[0]
    operator.hear_all()
    operator.look()
    operator.look(effects=1)
    assert history.restore_phase() == "Preparing"
    assert records(history) == before
    history.world.edit(change)
    history.settle()
    assert history.answers()["back"] == outcome


def crashed(history: History, at: int) -> bool:
    """The rewind is carried out by one operator, which is killed after so many effects; whether it was."""
    operator, left = history.operators[0], at
    for _ in range(30):
        operator.hear_all()
        before = operator.effects
        operator.look(effects=left)
        left -= operator.effects - before
        if operator.killed:
            return True
        history.do_sync_all(0)
        for pod in list(history.world.pods.values()):
            if pod.deleting:
                history.world.step(pod)
        if history.answers().get("back") == "Done":
            return False
    raise AssertionError("the rewind was not carried out")


def test_what_depends_on_what_runs_again_runs_again() -> None:
    history = settled(begun())
    take(history, "whole")
    gone_back(history, "whole", "back", rerun=["b"])
    assert {name: r["state"] for name, r in records(history).items()} == {
        "a": "Completed", "b": "Pending", "c": "Pending"
    }  # fmt: skip


def test_numbers_go_on_whatever_course_is_gone_back_to() -> None:
    history = advanced(begun(), 1)
    take(history, "second")
    history.settle()
    gone_back(history, "second", "back", rerun=["a"])
    history.settle()
    gone_back(history, "second", "again")
    record = next(r for r in history.world.status["jobs"] if r["id"] == "a")
    assert (record["state"], record["attempt"], record["used"]) == ("Completed", 1, 2)
    gone_back(history, "first", "whole")
    history.settle()
    assert records(history)["a"]["attempt"] == 3


# --- What went wrong once --------------------------------------------------------------------------------------------


def test_a_pause_that_comes_and_goes_does_not_keep_a_rewind_from_beginning() -> None:
    history = advanced(History(CHAIN | {"paused": False, "hold": []}), 1)
    take(history, "one")
    advanced(history, 1)
    ask(history, "one", "r1")
    operator = history.operators[0]
    operator.hear_all()
    operator.look()
    operator.look(effects=2)  # the checkpoint before the rewind is decided and made, and not taken yet
    assert history.restore_phase() == "Preparing"
    history.world.edit(lambda spec: spec.update(paused=True))
    operator.hear_all()
    operator.look()
    history.world.edit(lambda spec: spec.update(paused=False))
    history.settle()
    assert history.answers() == {"r1": "Done"}


def test_a_job_that_is_completed_by_hand_after_a_rewind_gets_a_number_of_its_own() -> None:
    history = advanced(History(dict(CHAIN), fails=frozenset({"c"})), 1)
    take(history, "one")
    history.settle()
    ask(history, "one", "r1")
    looked(history, 6)
    history.world.edit(lambda spec: spec.update(
        paused=True, requests=[{"id": "r2", "type": "Complete", "job": "c", "outputs": {"n": 1}}]))  # fmt: skip
    history.settle()
    assert history.answers() == {"r1": "Done", "r2": "Done"}
    assert records(history)["c"]["state"] == "Completed"


def test_what_was_launched_as_the_checkpoint_was_decided_goes_on() -> None:
    history = advanced(History(dict(CHAIN)), 1)
    automatic = next(iter(history.world.checkpoints))
    history.do_sync_all(0)
    looked(history)
    ask(history, automatic, "r1")
    history.settle()
    assert history.answers() == {"r1": "Done"}
    assert history.world.started == [("a", 1), ("b", 1), ("c", 1)]


def test_a_rewind_to_the_latest_checkpoint_is_not_one_to_that_which_it_takes_itself() -> None:
    history = advanced(History(dict(CHAIN) | {"checkpoint": {"enabled": False}}), 1)
    take(history, "one")
    history.settle()
    history.world.edit(lambda spec: spec.update(restoreFrom={"latestOf": "sample", "requestId": "r1"}))
    operator = history.operators[0]
    operator.hear_all()
    operator.look()
    operator.look()
    assert history.restore_phase() == "Preparing"
    operator.restart()
    history.settle()
    assert history.answers() == {"r1": "Done"}
    assert history.world.status["restoredFrom"]["checkpointName"] == "one"


def test_a_rewind_is_not_done_again_once_its_answer_is_forgotten() -> None:
    history = settled(begun())
    gone_back(history, "first", "back")
    history.settle()
    for number in range(250):
        more = [{"id": f"no {number}", "type": "Retry", "job": "a"}]
        history.world.edit(lambda spec, more=more: spec.update(requests=more))
        history.operators[0].hear_all()
        history.operators[0].look()
    history.settle()
    assert history.world.status["epoch"] == 1


def test_a_dry_run_that_finds_nothing_is_told_once() -> None:
    history = advanced(History(dict(CHAIN)), 1)
    ask(history, "none", "r1", dryRun=True)
    history.settle()
    assert history.restore_phase() == "Refused"
    assert history.answers() == {}
