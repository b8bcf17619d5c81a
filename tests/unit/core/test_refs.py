"""How executions and checkpoints are named."""

from __future__ import annotations

import pytest
from pytest import param

from cairn.core.refs import ExecutionRef, checkpoint_source, execution_ref, is_checkpoint_id
from cairn.errors import InvalidSpec

UID = "0f0e0d0c-0b0a-0908-0706-050403020100"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        param("train", ExecutionRef("home", "train"), id="a name is in the namespace that is given"),
        param("ml/train", ExecutionRef("ml", "train"), id="a namespace in it wins"),
        param("train.v2-1", ExecutionRef("home", "train.v2-1"), id="a name may have dots"),
        param(UID, ExecutionRef("home", uid=UID), id="a UID is found wherever it is"),
        param(f"ml/{UID}", ExecutionRef("ml", UID), id="with a namespace it is a name"),
    ],
)
def test_what_names_an_execution(text: str, expected: ExecutionRef) -> None:
    assert execution_ref(text, "home") == expected


@pytest.mark.parametrize("text", ["", "a/b/c", "Upper", "a_b", "/a", "a/", "ml/../x", "x" * 254, "ä", "a\n"])
def test_what_does_not(text: str) -> None:
    with pytest.raises(InvalidSpec, match=r"^executionId: must be the UID"):
        execution_ref(text, "home")


def test_it_is_told_as_it_was_named() -> None:
    assert str(execution_ref("ml/train", "home")) == "execution train"
    assert str(execution_ref(UID, "home")) == f"execution {UID}"
    assert str(ExecutionRef("ml", "train", UID)) == "execution train"


def test_an_id_of_a_checkpoint_is_no_name() -> None:
    assert is_checkpoint_id("checkpoint_1767225600000_k3x9q2ab")
    assert not any(map(is_checkpoint_id, ["train-manual-0123456789", "checkpoint_1_a", "checkpoint_1767225600000_"]))


ID = "checkpoint_1767225600000_k3x9q2ab"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        param(ID, {"checkpointId": ID}, id="an id"),
        param("before", {"checkpointName": "before"}, id="a name"),
        param("ml/before", {"checkpointName": "before", "namespace": "ml"}, id="a name elsewhere"),
        param(f"ml/{ID}", {"checkpointId": ID, "namespace": "ml"}, id="an id elsewhere"),
    ],
)
def test_what_names_a_checkpoint(text: str, expected: dict[str, str]) -> None:
    assert checkpoint_source(text) == expected


@pytest.mark.parametrize("text", ["", "a/b/c", "Upper", "a_b", "/a", "a/", f"ML/{ID}", "checkpoint_1_a"])
def test_what_names_no_checkpoint(text: str) -> None:
    with pytest.raises(InvalidSpec, match=r"^CHECKPOINT: must be the id of a checkpoint"):
        checkpoint_source(text, "CHECKPOINT")
