"""plan, fork and rewind, as a person types them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cairn.core.times import format_time
from support.fake_desk import NOW, Cli, FakeDesk, golden
from support.states import a_label, an_origin, at, completed, failed, pending, running, state_of
from unit.cli.scene import five, new, record, status, written

Body = dict[str, Any]

@pytest.fixture
def desk() -> FakeDesk:
    return five()


ID = "checkpoint_1769846400000_a1b2c3"
TRAIN_JOBS = [
    {"id": "load", "image": "x"}, {"id": "fit", "image": "x", "dependsOn": ["load"]},
    {"id": "publish", "image": "x", "dependsOn": ["fit"], "replay": "Unsafe"}, {"id": "report", "image": "x"},
]  # fmt: skip


@pytest.fixture
def train(desk: FakeDesk) -> FakeDesk:
    """`train`, all of which has run, and its checkpoint `before`, with something of every kind in it."""
    load, tries = completed("load")
    jobs = ((replace(load, definition=""), tries), running("fit"), pending("publish"), failed("report"))
    state = state_of(*jobs, spec={"jobs": TRAIN_JOBS}, label=a_label(id=ID),
                     origin=an_origin(name="train", uid="uid-of-train"))  # fmt: skip
    desk.put_checkpoint("before", state)
    times = {"startedAt": format_time(at(0)), "finishedAt": format_time(at(90))}
    records = [record(str(job["id"]), "Completed", attempt=3, **times) for job in TRAIN_JOBS]
    told = status("Succeeded", jobs=records)
    desk.put({"metadata": {"name": "train"}, "spec": {"jobs": TRAIN_JOBS}, "status": told})
    return desk


def going(step: str) -> Any:
    """An operator that carries out whatever restore is asked for so far."""

    def react(body: Body) -> None:
        asks = body["spec"].get("restoreFrom", {})
        mode = "Rewind" if body["metadata"]["name"] == "train" else "Fork"
        told = {"mode": mode, "phase": step, "observedGeneration": body["metadata"]["generation"],
                "at": format_time(NOW), "message": f"from checkpoint {ID} of train: 1 keep, 3 rerun"}  # fmt: skip
        told |= {"requestId": asks["requestId"]} if "requestId" in asks else {}
        body["status"] = body.get("status", {}) | {"restore": told}

    return react


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("plan", "train"), 1),
        (("plan", "train", "ckpt/before", "--rerun", "publish"), 0),
        (("plan", "--from", ID), 1),
        (("plan", "--latest-of", "train", "--rerun", "publish,load", "-o", "json"), 0),
        (("plan", "train", "--rerun", "publish", "-o", "yaml"), 0),
    ],
    ids=["refused", "rewind", "fork", "json", "yaml"],
)
def test_plan(train: FakeDesk, words: tuple[str, ...], code: int, request: pytest.FixtureRequest) -> None:
    said = Cli(train).run(*words)
    golden(f"plan-{request.node.callspec.id}", said.whole)
    assert said.code == code and not train.called("patch_execution")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "name an execution to rewind, or what to fork"),
        (("train", "--from", "before"), "name an execution to rewind, or what to fork"),
        (("--from", "before", "--latest-of", "train"), "name a checkpoint, or an execution for its newest one"),
        (("--from", "no_name"), "CHECKPOINT: must be the id of a checkpoint"),
        (("train", "none"), "none"),
        (("none",), "there is no execution none in namespace default"),
    ],
    ids=["nothing", "both", "two sources", "no name", "no such checkpoint", "no such execution"],
)
def test_no_plan(train: FakeDesk, words: tuple[str, ...], said: str) -> None:
    done = Cli(train).run("plan", *words)
    assert done.code == 2 and said in " ".join(done.error.replace("│", " ").split()), done


def test_rewind_asks_with_the_plan_and_does_that_plan_only(train: FakeDesk) -> None:
    train.react = going("Stopping")
    assert Cli(train).run("rewind", "train", "before", "--rerun", "publish", typed="n\n").code == 1
    assert not train.called("patch_execution")
    said = Cli(train).run("rewind", "train", "before", "--rerun", "publish", typed="y\n")
    golden("rewind", said.whole)
    asked = train.spec("train")["restoreFrom"]
    assert (asked["checkpointId"], asked["rerun"], asked["requestId"]) == (ID, ["publish"], "cli-0001")
    assert f"plan digest: {asked['planDigest']}" in said.out


def test_a_rewind_of_what_has_finished_is_followed_to_its_own_end(train: FakeDesk) -> None:
    train.react = going("Stopping")
    spec = {"metadata": {"name": "train"}, "spec": {"jobs": TRAIN_JOBS}}
    train.later["train"] = [spec | {"status": status()}, spec | {"status": status("Failed")}]
    said = Cli(train).run("rewind", "train", "before", "--rerun", "publish", "--yes", "--follow")
    assert said.code == 1 and "Running again" in said.out and not train.later["train"]


def test_rewind_for_scripts(train: FakeDesk) -> None:
    train.react = going("Done")
    words = ("rewind", "train", ID, "--rerun", "publish", "--yes", "--request-id", "r1")
    first, second = Cli(train).run(*words), Cli(train).run(*words)
    golden("rewind-yes", first.whole)
    assert first == second and len(train.called("patch_execution")) == 1
    assert "planDigest" not in train.spec("train")["restoreFrom"]


def test_a_rewind_that_is_refused_costs_1(train: FakeDesk) -> None:
    golden("rewind-refused", Cli(train).run("rewind", "train", "before", "--yes").whole)
    assert not train.called("patch_execution")
    assert Cli(train).run("rewind", "train", "before", "--rerun", "publish").code == 2, "nobody could be asked"


def test_fork(train: FakeDesk) -> None:
    train.react = going("Done")
    golden("fork", Cli(train).run("fork", "before", "--rerun", "publish").whole)
    assert train.spec("train-0001")["restoreFrom"] == {"checkpointName": "before", "rerun": ["publish"]}
    words = ("fork", "--latest-of", "train", "--rerun", "publish", "--request-id", "r1")
    assert Cli(train).run(*words) == Cli(train).run(*words)
    assert len([name for name in train.executions if name.startswith("train-")]) == 2


def test_fork_of_an_edited_file(train: FakeDesk, tmp_path: Path) -> None:
    train.react = going("Done")
    asks = {"latestOf": "other", "dryRun": True, "planDigest": "0" * 64, "rerun": ["publish"]}
    edited = new("train", labels={"team": "ml"}) | {"spec": {"jobs": TRAIN_JOBS[:3], "restoreFrom": asks}}
    train.later["second"] = [edited | {"metadata": {"name": "second"}, "status": status("Succeeded")}]
    said = Cli(train).run("fork", ID, "-f", written(tmp_path, edited), "--name", "second", "--follow")
    golden("fork-followed", said.whole)
    made = train.created["second"]
    assert made["metadata"]["labels"] == {"team": "ml"}
    assert made["spec"]["restoreFrom"] == {"checkpointId": ID, "rerun": ["publish"]}, "not only planned, and from there"


def test_a_fork_needs_a_source_and_one_execution(train: FakeDesk, tmp_path: Path) -> None:
    assert "name a checkpoint, an execution" in Cli(train).run("fork").error
    done = Cli(train).run("fork", ID, "-f", written(tmp_path, new("a"), new("b")))
    assert done.code == 2 and "must hold one DAGExecution and nothing else" in done.error


def test_a_fork_is_refused_before_it_is_made(train: FakeDesk) -> None:
    golden("fork-refused", Cli(train).run("fork", "before").whole)
    golden("fork-name-taken", Cli(train).run("fork", "before", "--rerun", "publish", "--name", "train").whole)
    assert len(train.executions) == 6
