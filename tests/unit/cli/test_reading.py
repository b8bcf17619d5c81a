"""The verbs that read, as a person types them: executions, jobs, their logs and outputs, pictures, reasons."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from cairn.cli import session
from cairn.cli.logs import harmless
from cairn.core.naming import attempt_name
from cairn.core.outputs import Outputs
from cairn.core.times import format_time
from support.fake_desk import Cli, FakeDesk, golden
from support.states import at
from unit.cli import scene

Body = dict[str, Any]
ROWS = Outputs('{"rows": 3, "note": "plain \\u001b[1m"}')
JOBS = [
    {"id": "fetch", "image": "x"}, {"id": "fit", "image": "x", "dependsOn": ["fetch"], "retry": {"limit": 2}},
    {"id": "score", "image": "x", "dependsOn": ["fetch"], "group": "last"},
    {"id": "report", "image": "x", "dependsOn": ["fit", "score"]},
]  # fmt: skip


def time(seconds: int) -> str:
    return format_time(at(seconds))


FETCH = scene.record("fetch", "Completed", attempt=1, startedAt=time(10), finishedAt=time(72), result=ROWS.digest)
FIT = scene.record("fit", "Running", attempt=2, startedAt=time(90), reason="Running", failures=1)
SCORE = scene.record(
    "score", "Failed", attempt=1, startedAt=time(80), finishedAt=time(95), reason="Error", exitCode=3,
    message="no \x1b[2Jmodel",
)  # fmt: skip
REPORT = scene.record("report", "Pending")


def put(desk: FakeDesk, name: str, *jobs: Body, phase: str = "Running", **meta: Any) -> Body:
    status = scene.status(phase, jobs=list(jobs), reason="Working")
    return desk.put({"metadata": {"name": name} | meta, "spec": {"jobs": JOBS, "failurePolicy": "Continue"},
                     "status": status})  # fmt: skip


@pytest.fixture
def desk() -> FakeDesk:
    """One that runs, one that has finished, one in another namespace, one that nobody has looked at."""
    found = FakeDesk()
    put(found, "train", FETCH, FIT, SCORE, REPORT, labels={"team": "ml"})
    put(found, "done", FETCH, phase="Succeeded", labels={"team": "ml"})
    put(found, "else", FETCH, phase="Failed", namespace="other")
    found.put({"metadata": {"name": "new"}, "spec": {"jobs": JOBS}})
    found.objects["JobResult", "r"] = {
        "metadata": {"name": "r"},
        "spec": {"executionUid": "uid-of-train", "job": "fetch", "attempt": 1, "state": "Completed",
                 "outputs": ROWS.text},
        "status": {"logTail": "one\ntwo\nthree\n"},
    }  # fmt: skip
    return found


# --- Executions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("list", ()),
        ("list-everywhere", ("-A", "-o", "wide")),
        ("list-phase", ("--phase", "Running", "--phase", "failed", "-A")),
        ("list-selector", ("-l", "team=ml")),
        ("list-name", ("-o", "name")),
        ("list-json", ("-l", "team=ml", "--phase", "succeeded", "-o", "json")),
    ],
)
def test_list(desk: FakeDesk, name: str, words: tuple[str, ...]) -> None:
    said = Cli(desk).run("list", *words)
    assert (said.code, said.error) == (0, "")
    golden(name, said.out)


def test_nothing_to_list(desk: FakeDesk) -> None:
    said = Cli(desk).run("list", "-n", "none")
    assert (said.code, said.out, said.error) == (0, "", "no executions found in namespace none\n")
    assert json.loads(Cli(desk).run("list", "-n", "none", "-o", "json").out) == {"items": []}


def test_pages_are_put_together() -> None:
    desk = FakeDesk()
    for number in range(300):
        put(desk, f"run-{number:03}")
    assert Cli(desk).run("list", "-o", "name").out.count("\n") == 300


@pytest.mark.parametrize(("name", "words"), [("get", ()), ("get-wide", ("-o", "wide")), ("get-yaml", ("-o", "yaml"))])
def test_get(desk: FakeDesk, name: str, words: tuple[str, ...]) -> None:
    said = Cli(desk).run("get", "dagx/train", *words)
    assert (said.code, said.error) == (0, "") and "\x1b" not in said.out
    golden(name, said.out)


def test_get_what_is_not_there(desk: FakeDesk) -> None:
    said = Cli(desk).run("get", "none")
    assert (said.code, said.out, said.error) == (2, "", "there is no execution none in namespace default\n")
    assert Cli(desk).run("get", "train", "-o", "name").out == "dagexecution.cairn.dev/train\n"


def test_why(desk: FakeDesk) -> None:
    golden("why", "".join(Cli(desk).run("why", "train", job).out for job in ("fetch", "fit", "score", "report")))
    assert json.loads(Cli(desk).run("why", "train", "fit", "-o", "json").out)["job"] == "fit"
    said = Cli(desk).run("why", "train", "fitt")
    assert said.code == 2 and "fit" in said.error


# --- Watching --------------------------------------------------------------------------------------------------------


def finish(desk: FakeDesk, phase: str) -> None:
    body = json.loads(json.dumps(desk.executions["train"]))
    body["status"] |= {"phase": phase, "finishedAt": time(200)}
    desk.later["train"].append(body)


@pytest.mark.parametrize(("phase", "code"), [("Succeeded", 0), ("Failed", 1)])
def test_watch_piped_is_a_line_for_whatever_changes(desk: FakeDesk, phase: str, code: int) -> None:
    finish(desk, phase)
    said = Cli(desk).run("watch", "train")
    assert (said.code, said.error) == (code, "") and "\x1b" not in said.out
    if phase == "Succeeded":
        golden("watch", said.out)


@pytest.mark.parametrize(("phase", "code"), [("Succeeded", 0), ("Cancelled", 1)])
def test_watch_in_a_terminal_is_a_picture(
    desk: FakeDesk, phase: str, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    finish(desk, phase)
    screen = io.StringIO()
    terminal = Console(
        file=screen, force_terminal=True, width=100, height=12, color_system=None, legacy_windows=False,
        _environ={"TERM": "xterm"},
    )  # fmt: skip
    monkeypatch.setattr(session, "console", lambda: terminal)
    said = Cli(desk).run("watch", "train")
    assert (said.code, said.out) == (code, "")
    shown = screen.getvalue()
    first, last = shown.index("default/train  Running"), shown.rindex(f"default/train  {phase}")
    assert first < last and "about" in shown[first:last], "time left, from what the one that is done took"
    assert "\x1b[2Jmodel" not in shown
    assert Cli(desk).run("watch", "done", "--plain").out.endswith("Succeeded\n")


def test_watch_what_is_deleted_meanwhile(desk: FakeDesk) -> None:
    assert Cli(desk).run("watch", "none").code == 2


# --- Pictures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["text", "mermaid", "dot", "svg"])
def test_graph(desk: FakeDesk, form: str, tmp_path: Path) -> None:
    said = Cli(desk).run("graph", "train", "--format", form)
    assert (said.code, said.error) == (0, "")
    golden(f"graph-{form}", said.out)
    assert Cli(desk).run("graph", "train", "--format", form, "--out", str(tmp_path / "g")).out == ""
    assert (tmp_path / "g").read_text().rstrip("\n") == said.out.rstrip("\n")


@pytest.mark.parametrize(("ending", "begin"), [("svg", "<svg"), ("dot", "digraph"), ("mmd", "flowchart"), ("txt", "n")])
def test_graph_of_a_file_needs_no_cluster(ending: str, begin: str, tmp_path: Path) -> None:
    file, desk = scene.written(tmp_path, scene.new()), FakeDesk()
    out = tmp_path / f"g.{ending}"
    said = Cli(desk).run("graph", "-f", file, "--out", str(out))
    assert (said.code, said.error, desk.calls) == (0, "", [])
    assert begin in out.read_text()[:400]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        pytest.param((), 2, "give either", id="nothing"),
        pytest.param(("train", "-f", "x"), 2, "give either", id="both"),
        pytest.param(("-f", "none.yaml"), 2, "No such file", id="no file"),
        pytest.param(("train", "--out", "/none/g.svg"), 2, "No such file", id="no folder"),
        pytest.param(("none",), 2, "there is no execution none", id="no execution"),
        pytest.param(("bad",), 1, "spec.jobs", id="a spec that is not accepted"),
    ],
)
def test_nothing_to_draw(desk: FakeDesk, words: tuple[str, ...], code: int, says: str) -> None:
    desk.put({"metadata": {"name": "bad"}, "spec": {"jobs": [{"id": "a"}, {"id": "a"}]}})
    said = Cli(desk).run("graph", *words)
    assert (said.code, said.out) == (code, "") and says in said.error


def test_a_fork_without_jobs_is_drawn_from_the_cluster_only(tmp_path: Path) -> None:
    file = tmp_path / "fork.yaml"
    body = scene.new() | {"spec": {"restoreFrom": {"checkpointName": "c"}}}
    file.write_text(yaml.safe_dump(body))
    said = Cli(FakeDesk()).run("graph", "-f", str(file))
    assert said.code == 2 and "draw the execution instead" in said.error


# --- Logs, outputs ---------------------------------------------------------------------------------------------------


def with_pod(desk: FakeDesk, job: str, attempt: int, *chunks: bytes) -> None:
    name = attempt_name("train", "uid-of-train", job, attempt)
    meta = {"name": f"pod-{attempt}", "labels": {"batch.kubernetes.io/job-name": name}, "creationTimestamp": time(90)}
    desk.pods.append({"metadata": meta, "spec": {"containers": [{"name": "main"}]}})
    desk.logs[f"pod-{attempt}"] = list(chunks)


def test_logs_of_a_pod_byte_for_byte(desk: FakeDesk) -> None:
    with_pod(desk, "fit", 2, b"on\xc3", b"\xa9\n\x1b[2Jtwo\n")
    said = Cli(desk).run("logs", "train", "fit", "-f")
    assert (said.code, said.out, said.error) == (0, "oné\n\x1b[2Jtwo\n", "")
    assert Cli(desk).run("logs", "train", "fit", "--tail", "1").out == "\x1b[2Jtwo\n"
    golden("logs", said.whole)


def test_logs_in_a_terminal_do_nothing_to_it(desk: FakeDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    with_pod(desk, "fit", 2, b"on\xc3", b"\xa9\n\x1b[2Jtwo \x1b[31mred\r\n")
    terminal = Console(file=io.StringIO(), force_terminal=True)
    monkeypatch.setattr(session, "console", lambda: terminal)
    assert Cli(desk).run("logs", "train", "fit").out == "oné\n\\u001b[2Jtwo \x1b[31mred\n"
    assert harmless("\x1b]0;title\x07") == "\\u001b]0;title\\u0007"


def test_logs_of_a_pod_that_is_gone(desk: FakeDesk) -> None:
    said = Cli(desk).run("logs", "train", "fetch", "--tail", "2")
    assert (said.code, said.out) == (0, "two\nthree\n")
    told = "the pod of attempt 1 is gone, or out of reach: this is the end of its log, as kept\n"
    assert said.error == told
    with_pod(desk, "fetch", 1)
    del desk.logs["pod-1"]  # between two looks
    said = Cli(desk).run("logs", "train", "fetch", "--tail", "2")
    assert (said.code, said.out, said.error) == (0, "two\nthree\n", told)


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        pytest.param(("fit", "--attempt", "1"), 1, "nothing was kept", id="nothing was kept"),
        pytest.param(("fit", "--attempt", "3"), 2, "attempts 1 to 2", id="no such attempt"),
        pytest.param(("report",), 1, "has not run yet", id="not run yet"),
        pytest.param(("fi",), 2, "no job 'fi'", id="no such job"),
    ],
)
def test_no_logs(desk: FakeDesk, words: tuple[str, ...], code: int, says: str) -> None:
    said = Cli(desk).run("logs", "train", *words)
    assert (said.code, said.out) == (code, "") and says in said.error


def test_outputs(desk: FakeDesk) -> None:
    said = Cli(desk).run("outputs", "train")
    assert (said.code, said.out) == (0, 'fetch: {"rows": 3, "note": "plain \\u001b[1m"}\n')
    golden("outputs", said.whole)
    assert json.loads(Cli(desk).run("outputs", "train", "fetch").out) == json.loads(ROWS.text)
    assert yaml.safe_load(Cli(desk).run("outputs", "train", "-o", "yaml").out) == {"fetch": json.loads(ROWS.text)}
    assert json.loads(Cli(desk).run("outputs", "train", "fetch", "-o", "json").out)["rows"] == 3
    said = Cli(desk).run("outputs", "train", "fit")
    assert (said.code, said.out) == (1, "") and "is Running" in said.error
