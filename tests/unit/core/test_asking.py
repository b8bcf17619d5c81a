"""What is written into a spec to ask something of an execution, and what is refused beforehand."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pytest import param

from cairn.core import asking
from cairn.core.spec import RequestType
from cairn.core.status import Phase
from cairn.core.times import format_time
from cairn.errors import KeyReused, WrongState
from simulation.build import NOW

LATER = NOW + timedelta(hours=1)


def body(phase: Phase = Phase.RUNNING, /, answered: tuple[str, ...] = (), **spec: Any) -> dict[str, Any]:
    answers = [{"id": id, "type": "Retry", "outcome": "Done"} for id in answered]
    return {
        "metadata": {"namespace": "ml", "name": "train", "uid": "u", "generation": 7},
        "spec": spec, "status": {"phase": phase.value, "requests": answers},
    }  # fmt: skip


FINISHED = body(Phase.SUCCEEDED)


@pytest.mark.parametrize(
    ("asked", "fields"),
    [
        param(asking.Pause(), {"reason": None, "until": None}, id="an earlier reason and end do not stay"),
        param(asking.Pause("look", "Stop", LATER, True),
              {"reason": "look", "mode": "Stop", "until": format_time(LATER), "checkpoint": True}, id="all"),
        param(asking.Pause(checkpoint=False), {"reason": None, "until": None, "checkpoint": False}, id="unsaved"),
    ],
)  # fmt: skip
def test_pause(asked: asking.Pause, fields: dict[str, Any]) -> None:
    assert asking.pause(asked)(body()) == {"paused": True, "pause": fields}
    assert asking.pause(asked)(body(paused=True)) is None, "asking twice asks once"


def test_resume() -> None:
    assert asking.resume(body(paused=True)) == {"paused": False, "pause": {"reason": None, "until": None}}
    assert asking.resume(body()) is None
    assert asking.unpause(FINISHED | {"spec": {"paused": True}}) is not None, "of one that is being taken up again"


@pytest.mark.parametrize(
    "ask", [asking.pause(asking.Pause()), asking.resume, asking.cancel("new")], ids=["pause", "resume", "cancel"]
)
def test_a_finished_execution_is_refused_and_told_what_can_be_done(ask: asking.Ask) -> None:
    with pytest.raises(WrongState, match=r"execution ml/train has finished \(Succeeded\) and cannot be .*; ") as said:
        ask(FINISHED)
    assert said.value.reason == "Succeeded"


def test_cancel() -> None:
    assert asking.cancel("c1", "enough")(body()) == {"cancel": {"requestId": "c1", "reason": "enough"}}
    assert asking.cancel("c1")(body()) == {"cancel": {"requestId": "c1"}}
    assert asking.cancel("c1")(body(Phase.CANCELLED, answered=("c1",))) is None, "it was heard before"


def test_hold() -> None:
    there = body(hold=["a", "b"])
    assert asking.hold(add=["c", "a"])(there) == {"hold": ["a", "b", "c"]}
    assert asking.hold(remove=["a", "z"])(there) == {"hold": ["b"]}
    assert asking.hold(add=["a"], remove=["z"])(there) is None
    assert asking.hold(add=["a"])(body()) == {"hold": ["a"]}


RETRY = asking.Repair("r1", RequestType.RETRY, "fit", by="jane", reason="disk was full")
COMPLETE = asking.Repair("r2", RequestType.COMPLETE, "fit", outputs={})
EXTEND = asking.Repair("r3", RequestType.EXTEND_RETRIES, "fit", limit=2)


def test_repair() -> None:
    old = {"id": "r0", "type": "Skip", "job": "x"}
    wire = {"id": "r1", "type": "Retry", "job": "fit", "by": "jane", "reason": "disk was full"}
    assert asking.repair(RETRY)(body(requests=[old])) == {"requests": [old, wire]}
    assert COMPLETE.to_wire() == {"id": "r2", "type": "Complete", "job": "fit", "outputs": {}}
    assert EXTEND.to_wire()["limit"] == 2


def test_a_request_that_is_there_or_was_answered_is_not_made_again() -> None:
    assert asking.repair(RETRY)(body(requests=[RETRY.to_wire()])) is None
    assert asking.repair(RETRY)(body(answered=("r1",))) is None


def test_requests_that_were_answered_make_room() -> None:
    there = [{"id": f"old{n}"} for n in range(50)]
    made = asking.repair(RETRY, EXTEND)(body(answered=("old3", "old7", "old9"), requests=there))
    assert made is not None
    kept = [r["id"] for r in made["requests"]]
    assert len(kept) == 50 and kept[-2:] == ["r1", "r3"] and "old9" in kept
    assert not {"old3", "old7"} & set(kept), "the oldest go first, and no more than needed"


def test_requests_that_nobody_answers_are_not_piled_up() -> None:
    there = [{"id": f"old{n}"} for n in range(50)]
    with pytest.raises(WrongState, match="50 requests that are not answered yet; 50 fit: is the operator running"):
        asking.repair(RETRY)(body(requests=there))


def test_a_rewind_names_every_field_so_that_none_of_an_earlier_one_stays() -> None:
    asked = {"checkpointId": "c", "requestId": "q", "rerun": ["a"]}
    made = asking.restore(asked)(body(restoreFrom={"latestOf": "train", "requestId": "p", "force": True}))
    assert made is not None
    assert made["restoreFrom"] == dict.fromkeys(
        ("checkpointName", "latestOf", "namespace", "confirm", "force", "dryRun", "planDigest")
    ) | asked  # fmt: skip


@pytest.mark.parametrize(
    "there", [body(answered=("q",)), body(restoreFrom={"requestId": "q"})], ids=["answered", "asked for"]
)
def test_a_rewind_is_asked_for_once(there: dict[str, Any]) -> None:
    assert asking.restore({"checkpointId": "c", "requestId": "q"})(there) is None


KEY = f"api-{'0' * 32}-"


@pytest.mark.parametrize(
    "there",
    [
        param(body(cancel={"requestId": f"{KEY}{'a' * 16}"}), id="cancel"),
        param(body(restoreFrom={"requestId": f"{KEY}{'a' * 16}"}), id="restore"),
        param(body(requests=[{"id": f"{KEY}{'a' * 16}"}]), id="repair"),
        param(body(answered=(f"{KEY}{'a' * 16}",)), id="answered"),
    ],
)
def test_a_key_is_refused_that_another_request_has_used(there: dict[str, Any]) -> None:
    asking.refuse_reuse(there, f"{KEY}{'a' * 16}")
    asking.refuse_reuse(there, f"api-{'1' * 32}-{'b' * 16}")
    asking.refuse_reuse(there, "by-hand")
    with pytest.raises(KeyReused, match="something else was asked of execution ml/train with the same key"):
        asking.refuse_reuse(there, f"{KEY}{'b' * 16}")


def restored(request: str, observed: int, *answered: str) -> dict[str, Any]:
    there = body(answered=answered, paused=True)
    there["status"]["restore"] = {"requestId": request, "observedGeneration": observed}
    return there


@pytest.mark.parametrize(
    ("there", "taken_off"),
    [
        param(restored("q", 6), True, id="it is committed"),
        param(restored("q", 7, "q"), True, id="nothing was asked for since"),
        param(restored("q", 6, "q"), False, id="the pause may be a later one"),
        param(restored("p", 7, "q"), False, id="a later restore has seen it"),
        param(body(), False, id="it is not paused"),
    ],
)
def test_a_rewind_takes_off_the_pause_that_it_has_found(there: dict[str, Any], taken_off: bool) -> None:
    assert (asking.unpause_after("q")(there) is not None) is taken_off


def test_what_is_read_of_an_execution() -> None:
    fresh = {"metadata": body()["metadata"], "spec": {}}
    assert asking.phase_of(fresh) is Phase.PENDING and not asking.is_paused(fresh)
    assert asking.pause_generation(fresh) == 7, "the pause has not been seen yet"
    assert asking.pause_generation(body() | {"status": {"pause": {"generation": 5}}}) == 5
    assert asking.answer_to(fresh, "r1") is None
    assert asking.answer_to(body(answered=("r1",)), "r1") == {"id": "r1", "type": "Retry", "outcome": "Done"}


def standing(phase: Phase = Phase.RUNNING, /, seen: int = 7, paused: bool = True, **status: Any) -> dict[str, Any]:
    """As the operator has seen it at a generation."""
    there = body(phase, paused=paused)
    return there | {"status": there["status"] | {"observedGeneration": seen} | status}


@pytest.mark.parametrize(
    ("there", "drained"),
    [
        param(standing(pause={"phase": "Paused"}), True, id="paused"),
        param(standing(pause={"phase": "Draining"}), False, id="draining"),
        param(standing(), False, id="the pause has not begun"),
        param(standing(seen=6, pause={"phase": "Paused"}), False, id="an earlier pause"),
        param({"metadata": body()["metadata"], "spec": {}}, False, id="just created"),
    ],
)
def test_a_pause_has_drained(there: dict[str, Any], drained: bool) -> None:
    assert asking.has_drained(there) is drained


@pytest.mark.parametrize(
    ("there", "said"),
    [
        param(standing(Phase.FAILED), r"has finished \(Failed\) before it was paused", id="finished"),
        param(standing(paused=False), "was resumed before all of it had stopped", id="resumed"),
    ],
)
def test_a_pause_that_will_not_drain(there: dict[str, Any], said: str) -> None:
    with pytest.raises(WrongState, match=said):
        asking.has_drained(there)


@pytest.mark.parametrize(
    ("there", "finished"),
    [
        param(standing(Phase.FAILED), True, id="finished"),
        param(standing(Phase.FAILED, restore={"phase": "Done"}), True, id="after a restore"),
        param(standing(Phase.FAILED, restore={"phase": "Stopping"}), False, id="a rewind is under way"),
        param(standing(Phase.FAILED, seen=6), False, id="something has been asked since"),
        param(standing(), False, id="running"),
    ],
)
def test_it_has_finished(there: dict[str, Any], finished: bool) -> None:
    assert asking.has_finished(there) is finished
