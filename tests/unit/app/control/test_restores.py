"""Restores that people ask for: planned as the operator plans, refused before anything is written, waited for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from pytest import param

from cairn import names
from cairn.app.control.restores import RestoreControl
from cairn.core.refs import ExecutionRef
from cairn.core.restore.progress import Mode, Step, Verdict
from cairn.core.times import format_time
from cairn.errors import Conflict, InvalidSpec, NotFound, WrongState
from simulation.build import NOW
from support.fake_desk import FakeDesk
from support.states import a_label, an_origin, at, completed, pending, state_of

Body = dict[str, Any]
TRAIN = ExecutionRef("default", "train")
ID = "checkpoint_1769846400000_a1b2c3"
JOBS = [{"id": "fit", "image": "x"}, {"id": "eval", "image": "x", "dependsOn": ["fit"], "replay": "Unsafe"}]
SPEC = {"jobs": JOBS, "parallelism": 3, "paused": True}
RECORD = {"id": "fit", "state": "Completed", "attempt": 1}
ASKS = {"checkpointName": "before", "requestId": "q"}


@pytest.fixture
def desk() -> FakeDesk:
    """`train` whose two jobs have run, and its checkpoint `before` the second one."""
    desk = FakeDesk()
    fit, tries = completed("fit")
    state = state_of(
        (replace(fit, definition=""), tries), pending("eval"), spec=SPEC, label=a_label(id=ID),
        origin=an_origin(name="train", uid="uid-of-train"),
    )  # fmt: skip
    desk.put_checkpoint("before", state)
    jobs = [RECORD, {"id": "eval", "state": "Completed", "attempt": 1}]
    status = {"phase": "Succeeded", "startedAt": format_time(at(0)), "observedGeneration": 1, "jobs": jobs}
    desk.put({"metadata": {"name": "train"}, "spec": {"jobs": JOBS}, "status": status})
    return desk


def control(desk: FakeDesk) -> RestoreControl:
    return RestoreControl(desk, None, lambda: NOW)


def fork(name: str = "new", **asks: Any) -> Body:
    return {"metadata": {"name": name, "namespace": "default"}, "spec": {"restoreFrom": {"checkpointId": ID, **asks}}}


def progress(step: Step, body: Body, **fields: Any) -> Body:
    """What the operator says of a restore."""
    told = {"mode": "Rewind", "phase": step.value, "observedGeneration": body["metadata"]["generation"],
            "at": format_time(NOW)}  # fmt: skip
    return told | fields


def saying(step: Step, **fields: Any) -> Callable[[Body], None]:
    """An operator that says that of whatever is asked for."""

    def react(body: Body) -> None:
        id = body["spec"].get("restoreFrom", {}).get("requestId")
        told = {"requestId": id} if id else {}
        body["status"] = body.get("status", {}) | {"restore": progress(step, body, **told, **fields)}

    return react


# --- Plans -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", [{"checkpointName": "before"}, {"checkpointId": ID}, {"latestOf": "train"}], ids=str)
async def test_the_plan_of_a_rewind(desk: FakeDesk, source: Body) -> None:
    planned = await control(desk).plan_rewind(TRAIN, source | {"rerun": ["eval"]})
    assert (planned.mode, planned.found.origin.id, planned.plan.problems) == (Mode.REWIND, ID, ())
    verdicts = {job.id: job.verdict for job in planned.plan.jobs}
    assert verdicts == {"fit": Verdict.KEEP, "eval": Verdict.RERUN}
    assert not desk.called("patch_execution")


async def test_the_plan_of_a_fork_takes_its_jobs_from_the_checkpoint(desk: FakeDesk) -> None:
    planned = await control(desk).plan_fork(fork())
    assert planned.mode is Mode.FORK and {job.id for job in planned.plan.jobs} == {"fit", "eval"}
    spec = await control(desk).fork_spec("default", {"checkpointId": ID})
    assert spec == {"parallelism": 3, "restoreFrom": {"checkpointId": ID}}, "run as it was run, but not paused"


@pytest.mark.parametrize(
    ("asks", "error", "said"),
    [
        param({"checkpointName": "none"}, NotFound, "none", id="no such checkpoint"),
        param({"checkpointName": "other"}, WrongState, "a rewind goes back to an own one: fork it", id="another's"),
        param({}, InvalidSpec, "must be set: what to start from", id="no checkpoint"),
        param({"checkpointName": "before", "foce": True}, InvalidSpec, "did you mean", id="a wrong word"),
    ],
)
async def test_no_plan(desk: FakeDesk, asks: Body, error: type[Exception], said: str) -> None:
    other = state_of(completed("fit"), label=a_label(id="checkpoint_1769846400001_z"),
                     origin=an_origin(name="other", uid="uid-of-other"))  # fmt: skip
    desk.put_checkpoint("other", other, execution="other")
    with pytest.raises(error, match=said):
        await control(desk).plan_rewind(TRAIN, asks)


async def test_a_checkpoint_that_is_not_ready_cannot_be_restored_yet(desk: FakeDesk) -> None:
    desk.objects["Checkpoint", "before"]["status"] = {"phase": "Pending"}
    with pytest.raises(WrongState) as error:
        await control(desk).plan_fork(fork(checkpointId=None, checkpointName="before"))
    assert error.value.reason == names.CHECKPOINT_NOT_READY


# --- Rewinds ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [Step.STOPPING, Step.DONE])
async def test_a_rewind_that_is_sure_to_complete_is_done(desk: FakeDesk, step: Step) -> None:
    desk.react = saying(step, message="goes back")
    made = await control(desk).rewind(TRAIN, ASKS | {"rerun": ["eval"]})
    assert (made.where.name, made.step, made.message) == ("train", step, "goes back")
    asked = desk.spec("train")["restoreFrom"]
    assert asked == {"checkpointId": ID, "rerun": ["eval"], "requestId": "q"}, "that very checkpoint, whatever comes"
    await control(desk).rewind(TRAIN, ASKS | {"rerun": ["eval"]})
    assert len(desk.called("patch_execution")) == 1, "asked twice, it is written once"


async def test_what_the_plan_objects_to_is_told_before_anything_is_written(desk: FakeDesk) -> None:
    with pytest.raises(WrongState, match="eval: replay is Unsafe, and it has run") as error:
        await control(desk).rewind(TRAIN, ASKS)
    assert [problem.field for problem in error.value.problems] == ["eval"]
    with pytest.raises(WrongState) as error:
        await control(desk).rewind(TRAIN, ASKS | {"rerun": ["eval"], "planDigest": "0" * 64})
    assert error.value.reason == names.PLAN_CHANGED
    assert not desk.called("patch_execution")


async def test_what_only_the_operator_finds_is_told_too(desk: FakeDesk) -> None:
    desk.react = saying(Step.REFUSED, reason="Withdrawn", message="another request came")
    with pytest.raises(WrongState, match="another request came") as error:
        await control(desk).rewind(TRAIN, ASKS | {"rerun": ["eval"]})
    assert error.value.reason == names.WITHDRAWN


@pytest.mark.parametrize(
    ("outcome", "message"), [("Done", "2 keep"), ("Refused", "PlanRefused: no")], ids=["done", "refused"]
)
async def test_an_answer_from_before_is_the_answer(desk: FakeDesk, outcome: str, message: str) -> None:
    answer = {"id": "q", "type": "Restore", "outcome": outcome, "message": message, "at": format_time(NOW)}
    status = desk.executions["train"]["status"]
    status |= {"requests": [answer], "restoredFrom": {"jobs": 2}}
    if outcome == "Refused":
        with pytest.raises(WrongState, match=message):
            await control(desk).rewind(TRAIN, ASKS)
    else:
        made = await control(desk).rewind(TRAIN, ASKS)
        assert (made.kept, made.message) == (2, message)
    assert not desk.called("patch_execution")


async def test_conflicts_are_tried_again_and_silence_is_told(desk: FakeDesk) -> None:
    desk.fail("patch_execution", Conflict("modified", status=409))
    with pytest.raises(TimeoutError, match=r"the rewind is asked for, but no operator has answered within 0\.05 s"):
        await control(desk).rewind(TRAIN, ASKS | {"rerun": ["eval"]}, seconds=0.05)
    assert desk.spec("train")["restoreFrom"]["requestId"] == "q", "it goes on when one does"


async def test_one_that_is_under_way_is_waited_for(desk: FakeDesk) -> None:
    desk.react = saying(Step.PREPARING)
    with pytest.raises(TimeoutError):
        await control(desk).rewind(TRAIN, ASKS | {"rerun": ["eval"]}, seconds=0.05)


# --- Forks -----------------------------------------------------------------------------------------------------------


async def test_a_fork_has_begun(desk: FakeDesk) -> None:
    desk.react = saying(Step.DONE, message="from there")
    made = await control(desk).fork(fork(rerun=["eval"]))
    assert (made.where.name, made.message) == ("new", "from there")
    assert desk.spec("new")["restoreFrom"]["checkpointId"] == ID


async def test_a_fork_that_would_be_refused_is_not_created(desk: FakeDesk) -> None:
    with pytest.raises(WrongState, match="eval: replay is Unsafe"):
        await control(desk).fork(fork())
    with pytest.raises(NotFound):
        await control(desk).fork(fork(checkpointId="checkpoint_1769846400009_z"))
    assert "new" not in desk.executions


async def test_a_fork_that_nobody_has_begun_yet_is_there(desk: FakeDesk) -> None:
    with pytest.raises(TimeoutError, match="default/new was created, and no operator has answered"):
        await control(desk).fork(fork(rerun=["eval"]), seconds=0.05)
    assert "new" in desk.executions


async def test_a_name_that_is_taken(desk: FakeDesk) -> None:
    with pytest.raises(WrongState, match="there is an execution default/train already"):
        await control(desk).fork(fork("train", rerun=["eval"]))
