"""The verbs that act, as a person types them: what is written, what is said, and what it costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pytest import param
from typer.testing import CliRunner

from cairn.cli import main
from cairn.errors import Refused
from support.fake_desk import Cli, FakeDesk, golden
from unit.cli.scene import FIT, JOBS, five, status

Body = dict[str, Any]
RUN = CliRunner()
FORBIDDEN = Refused('dagexecutions.cairn.dev "b" is forbidden: User "jane" cannot patch it', status=403)


@pytest.fixture
def desk() -> FakeDesk:
    return five()


# --- Pause, resume, cancel, hold --------------------------------------------------------------------------------------


def test_pause_by_labels_with_all_that_can_be_said(desk: FakeDesk) -> None:
    said = Cli(desk).run("pause", "-l", "team=ml", "--reason", "upgrade", "--until", "2h", "--mode", "Stop",
                         "--checkpoint")  # fmt: skip
    golden("pause", said.whole)
    fields = {"reason": "upgrade", "until": "2026-01-31T11:00:00.000Z", "mode": "Stop", "checkpoint": True}
    assert all(desk.spec(name) == {"jobs": JOBS, "paused": True, "pause": fields} for name in "abc")
    assert "paused" not in desk.spec("d")
    assert {c["spec"]["createdBy"] for (kind, _), c in desk.objects.items() if kind == "Checkpoint"} == {desk.user}


def test_one_that_fails_holds_up_no_other(desk: FakeDesk) -> None:
    desk.fail("patch_execution", FORBIDDEN)
    golden("pause-some", Cli(desk).run("pause", "b", "none", "done", "default/c").whole)
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


def test_an_error_does_nothing_to_a_terminal(desk: FakeDesk) -> None:
    desk.fail("patch_execution", Refused("denied: \x1b[2J", status=403))
    assert Cli(desk).run("pause", "a").error == "default/a: denied: \\u001b[2J\n"


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
    golden("resume", Cli(desk).run("resume", "a", "b", "done").whole)
    assert desk.spec("a")["paused"] is False


def test_cancel_asks(desk: FakeDesk) -> None:
    assert Cli(desk).run("cancel", "a", typed="n\n").code == 1
    assert "cancel" not in desk.spec("a")
    golden("cancel", Cli(desk).run("cancel", "a", "b", "--reason", "wrong data", typed="y\n").whole)
    assert desk.spec("a")["cancel"] == {"requestId": "cli-0001", "reason": "wrong data"}


def test_cancel_without_a_terminal_needs_yes(desk: FakeDesk) -> None:
    golden("cancel-unasked", Cli(desk).run("cancel", "-l", "team=ml").whole)
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
    golden("hold", "".join(each.whole for each in said))
    assert desk.spec("a")["hold"] == ["eval"]

# --- Checkpoints ------------------------------------------------------------------------------------------------------


def test_checkpoint(desk: FakeDesk) -> None:
    words = ("--name", "Before", "--meta", "ticket=OPS-17", "--meta", "x=a=b", "--pin")
    said = Cli(desk).run("checkpoint", "a", "b", *words)
    golden("checkpoint", said.whole)
    specs = [c["spec"] for (kind, _), c in desk.objects.items() if kind == "Checkpoint"]
    assert specs[0] == {
        "executionRef": {"name": "a"}, "metadata": {"ticket": "OPS-17", "x": "a=b"}, "name": "Before",
        "createdBy": desk.user, "pinned": True,
    }  # fmt: skip
    assert [s["executionRef"]["name"] for s in specs] == ["a", "b"]


@pytest.mark.parametrize(
    ("told", "code"),
    [
        param({"phase": "Ready", "checkpointId": "checkpoint_1769850000000_x", "digest": "0",
               "createdAt": "2026-01-31T09:00:00Z"}, 0, id="ready"),
        param({"phase": "Failed", "conditions": [{"type": "Ready", "status": "False", "reason": "TooLarge",
                                                  "message": "9 MB"}]}, 2, id="failed"),
    ],
)  # fmt: skip
def test_checkpoint_waits(desk: FakeDesk, told: Body, code: int) -> None:
    desk.react = lambda body: body.update(status=told)
    said = Cli(desk).run("checkpoint", "a", "--wait", "--request-id", "r1")
    golden(f"checkpoint-wait-{told['phase'].lower()}", said.whole)
    assert said.code == code


def test_checkpoint_asked_for_twice_is_one(desk: FakeDesk) -> None:
    first, second = (Cli(desk).run("checkpoint", "a", "--request-id", "r1") for _ in range(2))
    assert first == second and len(desk.objects) == 1
    assert Cli(desk).run("checkpoint", "none").code == 2 and len(desk.objects) == 1
    assert Cli(desk).run("checkpoint", "a", "--meta", "ticket").code == 2

# --- Repairs ----------------------------------------------------------------------------------------------------------


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
    golden(request.node.callspec.id, said.whole)
    assert desk.spec("a")["requests"] == [r | {"by": desk.user} for r in requests]


def test_a_repair_that_is_refused_costs_1(desk: FakeDesk) -> None:
    desk.answer("Refused", message="job fit is running; \x1b[31mwait")
    golden("retry-refused", Cli(desk).run("retry", "a", "fit").whole)


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

# --- The plugin -------------------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize(
    ("words", "candidates"),
    [
        param(("res",), ["resume"], id="a verb"),
        param(("pause", "--rea"), ["--reason"], id="an option"),
        param(("pause", "d"), ["d", "done"], id="an execution"),
        param(("pause", "-n", "elsewhere", ""), [], id="an execution in another namespace"),
        param(("retry", "done", "f"), ["fit"], id="a job of an execution"),
        param(("retry", "none", ""), [], id="a job of none"),
    ],
)
def test_what_kubectl_is_told_that_a_word_may_become(
    desk: FakeDesk, words: tuple[str, ...], candidates: list[str], monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    desk.executions["done"]["status"]["jobs"] = [FIT]
    for name in ("_CAIRN_COMPLETE", "_TYPER_COMPLETE_FISH_ACTION", "_TYPER_COMPLETE_ARGS"):
        monkeypatch.setenv(name, "")  # to be removed after the test
    monkeypatch.setattr("sys.argv", ["kubectl_complete-cairn", *words])
    with Cli(desk).connected(), pytest.raises(SystemExit):
        main.complete_for_kubectl()
    *told, last = capsys.readouterr().out.splitlines()
    assert ([line.split("\t")[0] for line in told if line], last) == (candidates, ":4")


def test_completion_without_a_cluster_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "")
    done = RUN.invoke(main.app, [], env={"_CAIRN_COMPLETE": "complete_fish", "_TYPER_COMPLETE_FISH_ACTION": "get-args",
                                         "_TYPER_COMPLETE_ARGS": "cairn pause "}, prog_name="cairn")  # fmt: skip
    assert not done.output.strip()


def test_every_verb_that_acts_shows_an_example() -> None:
    acting = "run pause resume cancel hold retry skip complete extend checkpoint plan fork rewind"
    for verb in acting.split():
        assert f"Example: kubectl cairn {verb}" in RUN.invoke(main.app, [verb, "--help"]).output
