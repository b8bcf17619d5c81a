"""What people ask of executions: found however named, decided anew after a conflict, answered or said not to be."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pytest import param

from cairn import names
from cairn.app.control.executions import Executions, Where
from cairn.core import asking
from cairn.core.asking import Repair
from cairn.core.refs import ExecutionRef
from cairn.core.spec import RequestType
from cairn.errors import AlreadyExists, Conflict, KeyReused, NotFound, Refused, Unavailable, WrongState
from support.fake_desk import FakeDesk

Body = dict[str, Any]
TRAIN = ExecutionRef("default", "train")
JOBS = [{"id": "fit", "image": "x"}, {"id": "eval", "image": "x", "dependsOn": ["fit"]}]
CONFLICT = Conflict("the object has been modified", status=409)
RETRY = Repair("r1", RequestType.RETRY, "fit", by="jane")


@pytest.fixture
def desk() -> FakeDesk:
    desk = FakeDesk()
    desk.put(train())
    return desk


def train(phase: str = "Running", spec: Body | None = None, **status: Any) -> Body:
    told = {"phase": phase, "observedGeneration": 1} | status
    return {"metadata": {"name": "train"}, "spec": {"jobs": JOBS} | (spec or {}), "status": told}


# --- Found -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ref", [TRAIN, ExecutionRef("elsewhere", uid="uid-of-train")], ids=["by name", "by its UID, wherever it is"]
)
async def test_it_is_found(desk: FakeDesk, ref: ExecutionRef) -> None:
    found = await Executions(desk).get(ref)
    assert Where.of(found) == Where("default", "train", "uid-of-train")


@pytest.mark.parametrize(
    ("ref", "said"),
    [
        param(ExecutionRef("default", "none"), "there is no execution none in namespace default", id="no such name"),
        param(ExecutionRef("other", "train"), "there is no execution train in namespace other", id="elsewhere"),
        param(ExecutionRef("default", uid="none"), "there is no execution none", id="no such UID"),
    ],
)
async def test_what_is_not_there_is_told(desk: FakeDesk, ref: ExecutionRef, said: str) -> None:
    with pytest.raises(NotFound) as error:
        await Executions(desk).get(ref)
    assert str(error.value) == said


async def test_another_one_of_that_name_is_not_the_one_with_the_uid(desk: FakeDesk) -> None:
    class Reborn(FakeDesk):
        async def locate_execution(self, uid: str) -> tuple[str, str] | None:
            return "default", "train"  # and then it was deleted and created again

    other = Reborn()
    other.put(train())
    with pytest.raises(NotFound, match="no execution old"):
        await Executions(other).get(ExecutionRef("default", uid="old"))


# --- Changed ---------------------------------------------------------------------------------------------------------


async def test_after_a_conflict_it_is_decided_anew() -> None:
    class Busy(FakeDesk):
        async def patch_execution(self, namespace: str, name: str, patch: Body) -> Body:
            if not self.called("patch_execution"):  # somebody else is faster
                self.edit("train", hold=["other"])
            return await super().patch_execution(namespace, name, patch)

    desk = Busy()
    desk.put(train())
    body = await Executions(desk).hold(TRAIN, add=["fit"])
    assert body["spec"]["hold"] == ["other", "fit"], "nothing that others asked for is lost"
    assert len(desk.called("patch_execution")) == 2


async def test_conflicts_without_end_are_told(desk: FakeDesk) -> None:
    desk.fail("patch_execution", *[CONFLICT] * 7)
    assert (await Executions(desk).resume(TRAIN)) and not desk.called("patch_execution"), "nothing to write"
    assert (await Executions(desk).pause(TRAIN, asking.Pause()))[0]["spec"]["paused"]
    desk.fail("patch_execution", *[CONFLICT] * 8)
    with pytest.raises(Conflict):
        await Executions(desk).resume(TRAIN)


@pytest.mark.parametrize(
    "error", [Refused("no right", status=403), Unavailable("no answer")], ids=["403", "no answer"]
)
async def test_other_errors_are_not_tried_again(desk: FakeDesk, error: Refused | Unavailable) -> None:
    desk.fail("patch_execution", error)
    with pytest.raises(type(error)):
        await Executions(desk).pause(TRAIN, asking.Pause())
    assert len(desk.called("patch_execution")) == 1


async def test_a_pause_sees_to_its_checkpoint_once(desk: FakeDesk) -> None:
    control = Executions(desk)
    asked = asking.Pause("node upgrade", checkpoint=True)
    first, second = [(await control.pause(TRAIN, asked, by="jane"))[1] for _ in range(2)]
    assert first == second and desk.called("create Checkpoint") == [first, first]
    spec = desk.objects["Checkpoint", first]["spec"]
    assert (spec["createdBy"], spec["executionRef"]) == ("jane", {"name": "train"})
    assert (await control.pause(TRAIN, asking.Pause()))[1] == "", "none was asked for"


async def test_hold_knows_the_jobs(desk: FakeDesk) -> None:
    with pytest.raises(NotFound, match="default/train has no job 'fitt'; did you mean 'fit'"):
        await Executions(desk).hold(TRAIN, add=["fitt"])
    assert not desk.called("patch_execution")


# --- Waited for ------------------------------------------------------------------------------------------------------


async def test_it_is_waited_for_through_one_watch_after_the_other(desk: FakeDesk) -> None:
    draining = train(spec={"paused": True}, pause={"phase": "Draining"})
    paused = train(spec={"paused": True}, pause={"phase": "Paused"})
    desk.put(draining)
    desk.later["train"] = [draining, Unavailable("away"), paused]
    body = await Executions(desk).until(TRAIN, asking.has_drained, seconds=None)
    assert body["status"]["pause"]["phase"] == "Paused"
    assert len(desk.called("watch_execution")) == 2


async def test_what_does_not_come_is_not_waited_for_for_ever(desk: FakeDesk) -> None:
    class Silent(FakeDesk):
        async def watch_execution(self, namespace: str, name: str) -> Any:
            await asyncio.Event().wait()
            yield {}

    silent = Silent()
    silent.put(train())
    with pytest.raises(TimeoutError, match=r"asked for, but not so within 0\.05 s; it stays asked for"):
        await Executions(silent).until(TRAIN, asking.has_drained, seconds=0.05)


async def test_one_that_is_deleted_meanwhile_is_not_waited_for() -> None:
    class Deleting(FakeDesk):
        async def watch_execution(self, namespace: str, name: str) -> Any:
            async for body in super().watch_execution(namespace, name):
                yield body
            del self.executions["train"]

    desk = Deleting()
    desk.put(train())
    with pytest.raises(NotFound, match="execution default/train was deleted meanwhile"):
        await Executions(desk).until(TRAIN, asking.has_finished, seconds=None)


async def test_another_one_of_its_name_is_not_waited_for(desk: FakeDesk) -> None:
    reborn = train("Succeeded")
    reborn["metadata"]["uid"] = "another"
    desk.later["train"] = [reborn]
    with pytest.raises(NotFound, match="was deleted meanwhile"):
        await Executions(desk).until(TRAIN, asking.has_finished, seconds=None)


# --- Repaired --------------------------------------------------------------------------------------------------------


async def test_answers_come_in_the_order_of_what_was_asked(desk: FakeDesk) -> None:
    desk.answer()
    second = Repair("r2", RequestType.SKIP, "eval")
    answers = await Executions(desk).repair(TRAIN, second, RETRY)
    assert [(a["id"], a["outcome"]) for a in answers] == [("r2", "Done"), ("r1", "Done")]
    await Executions(desk).repair(TRAIN, RETRY)
    assert [r["id"] for r in desk.spec("train")["requests"]] == ["r2", "r1"], "asked twice, it is written once"
    assert desk.spec("train")["requests"][1]["by"] == "jane"


@pytest.mark.parametrize(
    ("message", "said"), [("job fit is running", "job fit is running"), ("", "Retry of fit was refused")]
)
async def test_a_refusal_is_told(desk: FakeDesk, message: str, said: str) -> None:
    desk.answer("Refused", message=message)
    with pytest.raises(WrongState) as error:
        await Executions(desk).repair(TRAIN, RETRY)
    assert str(error.value) == said
    assert (await Executions(desk).try_to_repair(TRAIN, RETRY))[0]["outcome"] == "Refused"


async def test_nothing_is_asked_of_a_job_that_there_is_not(desk: FakeDesk) -> None:
    with pytest.raises(NotFound, match="has no job 'none'"):
        await Executions(desk).repair(TRAIN, RETRY, Repair("r2", RequestType.SKIP, "none"))
    assert not desk.called("patch_execution")


async def test_without_an_answer_it_stays_asked(desk: FakeDesk) -> None:
    with pytest.raises(TimeoutError, match=r"asked, but not answered within 0\.05 s: is the operator running\?"):
        await Executions(desk).repair(TRAIN, RETRY, seconds=0.05)
    assert [r["id"] for r in desk.spec("train")["requests"]] == ["r1"]


# --- Created, deleted ------------------------------------------------------------------------------------------------


def new(digest: str | None) -> Body:
    annotations = {"annotations": {names.ANNOTATION_REQUEST: digest}} if digest else {}
    return {"metadata": {"name": "new", "namespace": "default"} | annotations, "spec": {"jobs": JOBS}}


async def test_the_same_request_creates_once(desk: FakeDesk) -> None:
    first, was = await Executions(desk).create(new("d1"))
    again, is_now = await Executions(desk).create(new("d1"))
    assert (was, is_now) == (True, False)
    assert first["metadata"]["uid"] == again["metadata"]["uid"]


@pytest.mark.parametrize(
    ("digest", "error", "said"),
    [
        param("d2", KeyReused, "was made for another request with the same key", id="another request"),
        param(None, WrongState, "there is an execution default/new already; choose another name", id="no key"),
    ],
)
async def test_another_one_of_that_name_is_not_taken_for_it(
    desk: FakeDesk, digest: str | None, error: type[Exception], said: str
) -> None:  # fmt: skip
    await Executions(desk).create(new("d1"))
    with pytest.raises(error, match=said):
        await Executions(desk).create(new(digest))


async def test_it_is_deleted_by_its_uid(desk: FakeDesk) -> None:
    await Executions(desk).delete(TRAIN)
    assert not desk.executions
    with pytest.raises(NotFound):
        await Executions(desk).delete(TRAIN)


async def test_a_checkpoint_that_was_asked_for_before_is_the_one(desk: FakeDesk) -> None:
    desk.fail("create Checkpoint", AlreadyExists("it exists", status=409))
    _, name = await Executions(desk).pause(TRAIN, asking.Pause(checkpoint=True))
    assert name.startswith("train-manual-")
