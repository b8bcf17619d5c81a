"""`cairn run`: what is checked before anything is applied, and what is told while it runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pytest import param

from cairn.core.times import format_time
from cairn.errors import Conflict
from support.fake_desk import NOW, Cli, FakeDesk, golden
from support.states import at
from unit.cli.scene import FIT, JOBS, five, new, record, status, written

Body = dict[str, Any]

@pytest.fixture
def desk() -> FakeDesk:
    return five()


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
    golden(f"run-{request.node.callspec.id}", said.whole)
    assert said.code == code and desk.called("apply") == ["new"]


def test_run_follows_until_what_was_to_be_saved_is_saved(desk: FakeDesk, tmp_path: Path) -> None:
    pending = {"name": LAST["name"], "trigger": "job-completed", "label": "", "causes": ["fit"], "since": LAST["at"],
               "more": 0}  # fmt: skip
    jobs = [FIT, record("eval", "Completed", attempt=1)]
    desk.later["new"] = [new() | {"status": status("Succeeded", jobs=jobs, checkpointing=book)}
                         for book in ({"pending": [pending]}, {"last": LAST})]  # fmt: skip
    said = Cli(desk).run("run", written(tmp_path, new()))
    assert said.code == 0 and f"checkpoint {LAST['name']} is Ready" in said.out and not desk.later["new"]


def test_run_several_and_checkpoints(desk: FakeDesk, tmp_path: Path) -> None:
    checkpoint = {"apiVersion": "cairn.dev/v1alpha1", "kind": "Checkpoint", "metadata": {"name": "ck"},
                  "spec": {"executionRef": {"name": "one"}}}  # fmt: skip
    items = {"apiVersion": "v1", "kind": "List", "items": [new("one"), new("", generateName="two-"), checkpoint]}
    said = Cli(desk).run("run", "--no-follow", written(tmp_path, items), "-n", "ml")
    golden("run-several", said.whole)
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
    golden("run-wrong", Cli(desk).run("run", "dag.yaml").whole)
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
    golden("run-conflict", Cli(desk).run("run", written(tmp_path, new())).whole)


def test_one_that_is_not_accepted_is_not_followed_for_ever(desk: FakeDesk, tmp_path: Path) -> None:
    accepted = {"type": "Accepted", "status": "False", "reason": "TooLarge", "message": "1.3 MB, 1.2 MB fit",
                "lastTransitionTime": format_time(NOW)}  # fmt: skip
    told = {"phase": "Pending", "observedGeneration": 1, "reason": "NotAccepted", "conditions": [accepted]}
    desk.later["new"] = [new() | {"status": told}]
    golden("run-not-accepted", Cli(desk).run("run", written(tmp_path, new())).whole)
