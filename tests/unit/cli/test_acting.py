"""The verbs that act, as a person types them: what is written, what is said, and what it costs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from pytest import param

from cairn.cli import main
from cairn.core.times import format_time
from cairn.errors import Conflict, Refused
from support.fake_desk import NOW, Cli, FakeDesk, Said, golden
from support.states import a_label, an_origin, at, completed, failed, pending, running, state_of

Body = dict[str, Any]
JOBS = [{"id": "fit", "image": "x"}, {"id": "eval", "image": "x", "dependsOn": ["fit"]}]
FORBIDDEN = Refused('dagexecutions.cairn.dev "b" is forbidden: User "jane" cannot patch it', status=403)


@pytest.fixture
def desk() -> FakeDesk:
    """Executions a, b and c of the team ml, d of nobody, and one that has finished."""
    desk = FakeDesk()
    for name in "abcd":
        labels = {"team": "ml"} if name != "d" else {}
        desk.put({"metadata": {"name": name, "labels": labels}, "spec": {"jobs": JOBS}, "status": status()})
    desk.put({"metadata": {"name": "done"}, "spec": {"jobs": JOBS}, "status": status("Succeeded")})
    return desk


def status(phase: str = "Running", **fields: Any) -> Body:
    return {"phase": phase, "observedGeneration": 9, "startedAt": format_time(at(0))} | fields


def whole(said: Said) -> str:
    """All that was said, as golden files have it."""
    return f"{said.out}{f'--- standard error{chr(10)}{said.error}' if said.error else ''}--- exit code {said.code}\n"


# --- Pause, resume, cancel, hold -------------------------------------------------------------------------------------


def test_pause_by_labels_with_all_that_can_be_said(desk: FakeDesk) -> None:
    said = Cli(desk).run("pause", "-l", "team=ml", "--reason", "upgrade", "--until", "2h", "--mode", "Stop",
                         "--checkpoint")  # fmt: skip
    golden("pause", whole(said))
    fields = {"reason": "upgrade", "until": "2026-01-31T11:00:00.000Z", "mode": "Stop", "checkpoint": True}
    assert all(desk.spec(name) == {"jobs": JOBS, "paused": True, "pause": fields} for name in "abc")
    assert "paused" not in desk.spec("d")
    assert {c["spec"]["createdBy"] for (kind, _), c in desk.objects.items() if kind == "Checkpoint"} == {desk.user}


def test_one_that_fails_holds_up_no_other(desk: FakeDesk) -> None:
    desk.fail("patch_execution", FORBIDDEN)
    golden("pause-some", whole(Cli(desk).run("pause", "b", "none", "done", "default/c")))
    assert desk.spec("c")["paused"] and "paused" not in desk.spec("b")
    assert Cli(desk).run("pause", "a", "a_b").code == 2 and "paused" not in desk.spec("a"), "a slip: nothing is done"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        param(("done",), 1, "has finished (Succeeded) and cannot be paused", id="refused is 1"),
        param(("none",), 2, "there is no execution none in namespace default", id="an error is 2"),
        param(("-l", "team=none"), 0, "no execution in namespace default has the labels team=none", id="none is 0"),
        param((), 2, "name executions, or choose them by labels (-l)", id="nothing is meant"),
        param(("a", "-l", "team=ml"), 2, "name executions, or choose them by labels (-l)", id="both"),
        param(("a", "--until", "soon"), 2, "'soon' is no time such as", id="a wrong time"),
        param(("a", "--timeout", "5"), 2, "'5' is no duration such as 30s", id="a wrong duration"),
    ],
)
def test_what_pause_costs(desk: FakeDesk, words: tuple[str, ...], code: int, said: str) -> None:
    done = Cli(desk).run("pause", *words)
    assert done.code == code and said in " ".join(done.error.replace("│", " ").split()), done


def test_pause_waits_until_nothing_runs(desk: FakeDesk) -> None:
    draining, paused = (
        {"metadata": {"name": "a"}, "spec": {"jobs": JOBS, "paused": True}, "status": status(pause={"phase": phase})}
        for phase in ("Draining", "Paused")
    )
    desk.later["a"] = [draining, paused]
    assert Cli(desk).run("pause", "a", "--wait").out == "dagexecution.cairn.dev/a paused\n"
    assert not desk.later["a"]


def test_resume(desk: FakeDesk) -> None:
    Cli(desk).run("pause", "a")
    golden("resume", whole(Cli(desk).run("resume", "a", "b", "done")))
    assert desk.spec("a")["paused"] is False


def test_cancel_asks(desk: FakeDesk) -> None:
    assert Cli(desk).run("cancel", "a", typed="n\n").code == 1
    assert "cancel" not in desk.spec("a")
    golden("cancel", whole(Cli(desk).run("cancel", "a", "b", "--reason", "wrong data", typed="y\n")))
    assert desk.spec("a")["cancel"] == {"requestId": "cli-0001", "reason": "wrong data"}


def test_cancel_without_a_terminal_needs_yes(desk: FakeDesk) -> None:
    golden("cancel-unasked", whole(Cli(desk).run("cancel", "-l", "team=ml")))
    assert not desk.called("patch_execution")
    said = Cli(desk).run("cancel", "a", "--yes", "--request-id", "r1")
    assert (said.code, desk.spec("a")["cancel"]["requestId"]) == (0, "r1")


def test_cancel_waits_for_the_end(desk: FakeDesk) -> None:
    desk.later["a"] = [{"metadata": {"name": "a"}, "spec": {}, "status": status("Cancelled")}]
    said = Cli(desk).run("cancel", "a", "--yes", "--wait")
    assert (said.code, said.out) == (0, "dagexecution.cairn.dev/a has ended: Cancelled\n")


def test_hold(desk: FakeDesk) -> None:
    cli = Cli(desk)
    said = [cli.run("hold", "a", "fit", "eval"), cli.run("hold", "a", "fit", "--release"), cli.run("hold", "a", "fitt")]
    golden("hold", "".join(map(whole, said)))
    assert desk.spec("a")["hold"] == ["eval"]


# --- Checkpoints -----------------------------------------------------------------------------------------------------


def test_checkpoint(desk: FakeDesk) -> None:
    words = ("--name", "Before", "--meta", "ticket=OPS-17", "--meta", "x=a=b", "--pin")
    said = Cli(desk).run("checkpoint", "a", "b", *words)
    golden("checkpoint", whole(said))
    specs = [c["spec"] for (kind, _), c in desk.objects.items() if kind == "Checkpoint"]
    assert specs[0] == {
        "executionRef": {"name": "a"}, "metadata": {"ticket": "OPS-17", "x": "a=b"}, "name": "Before",
        "createdBy": desk.user, "pinned": True,
    }  # fmt: skip
    assert [s["executionRef"]["name"] for s in specs] == ["a", "b"]


@pytest.mark.parametrize(
    ("told", "code"),
    [
        param({"phase": "Ready", "checkpointId": "checkpoint_1769850000000_x"}, 0, id="ready"),
        param({"phase": "Failed", "conditions": [{"type": "Ready", "status": "False", "reason": "TooLarge",
                                                  "message": "9 MB"}]}, 2, id="failed"),
    ],
)  # fmt: skip
def test_checkpoint_waits(desk: FakeDesk, told: Body, code: int) -> None:
    desk.react = lambda body: body.update(status=told)
    said = Cli(desk).run("checkpoint", "a", "--wait", "--request-id", "r1")
    golden(f"checkpoint-wait-{told['phase'].lower()}", whole(said))
    assert said.code == code


def test_checkpoint_asked_for_twice_is_one(desk: FakeDesk) -> None:
    first, second = (Cli(desk).run("checkpoint", "a", "--request-id", "r1") for _ in range(2))
    assert first == second and len(desk.objects) == 1
    assert Cli(desk).run("checkpoint", "none").code == 2 and len(desk.objects) == 1
    assert Cli(desk).run("checkpoint", "a", "--meta", "ticket").code == 2


# --- Repairs ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "requests"),
    [
        (("retry", "a", "fit", "eval", "fit", "--reason", "disk"),
         [{"id": "cli-0001/fit", "type": "Retry", "job": "fit", "reason": "disk"},
          {"id": "cli-0001/eval", "type": "Retry", "job": "eval", "reason": "disk"}]),
        (("skip", "a", "fit"), [{"id": "cli-0001", "type": "Skip", "job": "fit"}]),
        (("extend", "a", "fit", "--limit", "2", "--request-id", "r"),
         [{"id": "r", "type": "ExtendRetries", "job": "fit", "limit": 2}]),
        (("complete", "a", "fit", "--outputs", '{"rows": 3}'),
         [{"id": "cli-0001", "type": "Complete", "job": "fit", "outputs": {"rows": 3}}]),
        (("complete", "a", "fit"), [{"id": "cli-0001", "type": "Complete", "job": "fit"}]),
    ],
    ids=["retry", "skip", "extend", "complete", "complete-without-outputs"],
)  # fmt: skip
def test_repairs(
    desk: FakeDesk, words: tuple[str, ...], requests: list[Body], request: pytest.FixtureRequest
) -> None:  # fmt: skip
    desk.answer()
    said = Cli(desk).run(*words)
    golden(request.node.callspec.id, whole(said))
    assert desk.spec("a")["requests"] == [r | {"by": desk.user} for r in requests]


def test_a_repair_that_is_refused_costs_1(desk: FakeDesk) -> None:
    desk.answer("Refused", message="job fit is running; \x1b[31mwait")
    golden("retry-refused", whole(Cli(desk).run("retry", "a", "fit")))


@pytest.mark.parametrize(
    ("outputs", "said"),
    [("{rows: 3}", "that is no JSON"), ("@/none/such", "No such file"), ("[1", "that is no JSON")],
    ids=["no JSON", "no file", "half of it"],
)
def test_outputs_that_are_none(desk: FakeDesk, outputs: str, said: str) -> None:
    done = Cli(desk).run("complete", "a", "fit", "--outputs", outputs)
    assert done.code == 2 and said in done.error


def test_outputs_from_a_file(desk: FakeDesk, tmp_path: Path) -> None:
    desk.answer()
    (tmp_path / "out.json").write_text('{"rows": 3}')
    assert Cli(desk).run("complete", "a", "fit", "--outputs", f"@{tmp_path / 'out.json'}").code == 0
    assert desk.spec("a")["requests"][0]["outputs"] == {"rows": 3}


# --- Running ---------------------------------------------------------------------------------------------------------


def written(tmp_path: Path, *bodies: Body) -> str:
    file = tmp_path / "dag.yaml"
    file.write_text(yaml.safe_dump_all(bodies))
    return str(file)


def new(name: str = "new", **meta: Any) -> Body:
    return {"apiVersion": "cairn.dev/v1alpha1", "kind": "DAGExecution", "metadata": {"name": name} | meta,
            "spec": {"jobs": JOBS}}  # fmt: skip


def record(id: str, state: str, **fields: Any) -> Body:
    return {"id": id, "state": state} | fields


FIT = record("fit", "Completed", attempt=1, startedAt=format_time(at(1)), finishedAt=format_time(at(63)))
LAST = {"name": "new-job-completed-1", "checkpointId": "checkpoint_1769850000000_x", "trigger": "job-completed",
        "at": format_time(at(64)), "stateDigest": "0", "endedJobs": 1}  # fmt: skip
PAUSE = {"since": format_time(at(65)), "generation": 2, "by": "user", "reason": "look", "mode": "Drain"}
STORY: list[Body] = [
    status(jobs=[record("fit", "Running", attempt=1, reason="Launching"), record("eval", "Pending")]),
    status(jobs=[record("fit", "Running", attempt=1, reason="Unschedulable", message="no node has a GPU")]),
    status(jobs=[record("fit", "Running", attempt=1, startedAt=format_time(at(1)))]),
    status(jobs=[FIT], checkpointing={"last": LAST}),
    status(jobs=[FIT, record("eval", "Running", attempt=1)], checkpointing={"last": LAST},
           pause=PAUSE | {"phase": "Draining", "running": ["eval"], "count": 1}),
    status(jobs=[FIT, record("eval", "Pending", attempt=1, reason="Retrying", message="in 10 s")],
           checkpointing={"last": LAST}, pause=PAUSE | {"phase": "Paused"}),
    status(jobs=[FIT], checkpointing={"last": LAST, "failed": {"name": "c", "reason": "TooLarge", "message": "9 MB",
                                                               "at": format_time(at(70))}}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (status("Succeeded", jobs=[FIT, record("eval", "Completed", attempt=1)], finishedAt=format_time(at(90))), 0),
        (status("Failed", jobs=[FIT, record("eval", "Failed", reason="Error", message="exit code 1\nand \x07 more")],
                message="job eval failed"), 1),
        (status("Cancelled", jobs=[FIT, record("eval", "Skipped", reason="Cancelled")]), 1),
    ],
    ids=["succeeded", "failed", "cancelled"],
)  # fmt: skip
def test_run_follows(
    desk: FakeDesk, tmp_path: Path, end: Body, code: int, request: pytest.FixtureRequest
) -> None:  # fmt: skip
    desk.later["new"] = [new() | {"status": told} for told in [*STORY, end]]
    said = Cli(desk).run("run", written(tmp_path, new()))
    golden(f"run-{request.node.callspec.id}", whole(said))
    assert said.code == code and desk.called("apply") == ["new"]


def test_run_several_and_checkpoints(desk: FakeDesk, tmp_path: Path) -> None:
    checkpoint = {"apiVersion": "cairn.dev/v1alpha1", "kind": "Checkpoint", "metadata": {"name": "ck"},
                  "spec": {"executionRef": {"name": "one"}}}  # fmt: skip
    items = {"apiVersion": "v1", "kind": "List", "items": [new("one"), new("", generateName="two-"), checkpoint]}
    said = Cli(desk).run("run", "--no-follow", written(tmp_path, items), "-n", "ml")
    golden("run-several", whole(said))
    assert sorted(desk.executions)[-2:] == ["one", "two-0001"]
    assert desk.objects["Checkpoint", "ck"]["metadata"]["namespace"] == "ml"


def test_run_reads_standard_input_and_can_give_a_name(desk: FakeDesk) -> None:
    text = json.dumps(new())
    assert Cli(desk).run("run", "-", "--no-follow", "--name", "other", typed=text).code == 0
    assert "new" not in desk.executions and desk.spec("other")["jobs"] == JOBS


def test_a_dry_run_changes_nothing(desk: FakeDesk, tmp_path: Path) -> None:
    said = Cli(desk).run("run", "--dry-run", written(tmp_path, new()))
    assert said.out == "dagexecution.cairn.dev/new serverside-applied (server dry run)\n"
    assert "new" not in desk.executions


def test_nothing_is_applied_if_anything_is_wrong(
    desk: FakeDesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    wrong = new("wrong") | {"spec": {"jobs": [{"id": "a", "image": "x", "dependsOn": ["b"]}], "retries": 1}}
    other = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "other"}}
    written(tmp_path, new(), wrong, other, new("") | {"metadata": {}}, new("z") | {"spec": []})
    golden("run-wrong", whole(Cli(desk).run("run", "dag.yaml")))
    assert not desk.called("apply")


@pytest.mark.parametrize(
    ("text", "words", "said"),
    [
        param("a: [", (), "that is no YAML", id="no YAML"),
        param("", (), "there is no DAGExecution and no Checkpoint in it", id="nothing"),
        param("- 1", (), "must be an object with apiVersion, kind, metadata and spec", id="no object"),
        param(json.dumps(new(namespace="x")), ("-n", "y"), "is x, and the namespace given is y", id="two namespaces"),
        param(f"{json.dumps(new())}\n---\n{json.dumps(new('b'))}", ("--name", "c"), "one execution", id="whose name?"),
    ],
)
def test_files_that_cannot_be_run(desk: FakeDesk, text: str, words: tuple[str, ...], said: str) -> None:
    done = Cli(desk).run("run", "-", *words, typed=text)
    assert done.code == 2 and said in done.error and not desk.called("apply"), done


def test_a_file_that_is_not_there(desk: FakeDesk) -> None:
    done = Cli(desk).run("run", "/none/such.yaml")
    assert done.code == 2 and "No such file" in done.error


def test_a_field_that_another_manager_owns(desk: FakeDesk, tmp_path: Path) -> None:
    desk.fail("apply", Conflict('conflict with "kubectl": .spec.parallelism', status=409))
    golden("run-conflict", whole(Cli(desk).run("run", written(tmp_path, new()))))


def test_one_that_is_not_accepted_is_not_followed_for_ever(desk: FakeDesk, tmp_path: Path) -> None:
    accepted = {"type": "Accepted", "status": "False", "reason": "TooLarge", "message": "1.3 MB, 1.2 MB fit",
                "lastTransitionTime": format_time(NOW)}  # fmt: skip
    told = {"phase": "Pending", "observedGeneration": 1, "reason": "NotAccepted", "conditions": [accepted]}
    desk.later["new"] = [new() | {"status": told}]
    golden("run-not-accepted", whole(Cli(desk).run("run", written(tmp_path, new()))))


# --- Restores --------------------------------------------------------------------------------------------------------

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
    golden(f"plan-{request.node.callspec.id}", whole(said))
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
    golden("rewind", whole(said))
    asked = train.spec("train")["restoreFrom"]
    assert (asked["checkpointId"], asked["rerun"], asked["requestId"]) == (ID, ["publish"], "cli-0001")
    assert f"digest {asked['planDigest']}" in said.out


def test_rewind_for_scripts(train: FakeDesk) -> None:
    train.react = going("Done")
    words = ("rewind", "train", ID, "--rerun", "publish", "--yes", "--request-id", "r1")
    first, second = Cli(train).run(*words), Cli(train).run(*words)
    golden("rewind-yes", whole(first))
    assert first == second and len(train.called("patch_execution")) == 1
    assert "planDigest" not in train.spec("train")["restoreFrom"]


def test_a_rewind_that_is_refused_costs_1(train: FakeDesk) -> None:
    golden("rewind-refused", whole(Cli(train).run("rewind", "train", "before", "--yes")))
    assert not train.called("patch_execution")
    assert Cli(train).run("rewind", "train", "before", "--rerun", "publish").code == 2, "nobody could be asked"


def test_fork(train: FakeDesk) -> None:
    train.react = going("Done")
    golden("fork", whole(Cli(train).run("fork", "before", "--rerun", "publish")))
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
    golden("fork-followed", whole(said))
    made = train.created["second"]
    assert made["metadata"]["labels"] == {"team": "ml"}
    assert made["spec"]["restoreFrom"] == {"checkpointId": ID, "rerun": ["publish"]}, "not only planned, and from there"


def test_a_fork_needs_a_source_and_one_execution(train: FakeDesk, tmp_path: Path) -> None:
    assert "name a checkpoint, an execution" in Cli(train).run("fork").error
    done = Cli(train).run("fork", ID, "-f", written(tmp_path, new("a"), new("b")))
    assert done.code == 2 and "must hold one DAGExecution and nothing else" in done.error


def test_a_fork_is_refused_before_it_is_made(train: FakeDesk) -> None:
    golden("fork-refused", whole(Cli(train).run("fork", "before")))
    golden("fork-name-taken", whole(Cli(train).run("fork", "before", "--rerun", "publish", "--name", "train")))
    assert len(train.executions) == 6


# --- The plugin ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "typed"),
    [("/usr/local/bin/cairn", "cairn"), ("/usr/bin/kubectl-cairn", "kubectl cairn"),
     ("kubectl-cairn.exe", "kubectl cairn"), ("-m", "cairn")],
)  # fmt: skip
def test_the_program_is_called_what_was_typed(
    path: str, typed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.program(path) == typed
    monkeypatch.setattr("sys.argv", [path, "pause", "--help"])
    with pytest.raises(SystemExit):
        main.main()
    assert f"Usage: {typed} pause" in " ".join(capsys.readouterr().out.split())
