"""`cairn diff` and `cairn verify`: what is asked, what is answered, and with which exit code."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cairn import names
from cairn.adapters.kube.api import default_namespace
from cairn.app.checkpoints.inspector import Now, Ref, Saved
from cairn.cli import inspecting
from cairn.cli.main import app
from cairn.core.checkpoint.chain import Finding, Place, Problem, Report
from cairn.core.checkpoint.diff import Diff, diff
from cairn.errors import NotFound, StoreUnavailable
from support.states import a_state

RUN = CliRunner()
SAME, OTHER = diff(a_state(), a_state()), diff(a_state(), a_state(epoch=1))
SOUND = Report((), 1, 1, 0, 1, 0)
NOTE = Finding("checkpoint_1_x", "c", Place.OBJECT, Problem.OBJECT_GONE, "only the row")
WRONG = Finding("checkpoint_1_x", "c", Place.ROW, Problem.DAMAGED, "the document: cut")


class FakeInspector:
    """Answers what it was told to, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.answer: Any = None

    def _answer(self) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def diff(self, before: Ref, after: Ref) -> Diff:
        self.asked.append((before, after))
        return self._answer()  # type: ignore[no-any-return]

    async def verify(self, namespace: str, execution: str) -> Report:
        self.asked.append((namespace, execution))
        return self._answer()  # type: ignore[no-any-return]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeInspector]:
    """In the place of the real one; no database is named."""
    there = FakeInspector()

    @asynccontextmanager
    async def inspector() -> AsyncIterator[FakeInspector]:
        yield there

    monkeypatch.setattr(inspecting, "inspector", inspector)
    monkeypatch.setattr(inspecting, "default_namespace", lambda: "of-the-context")
    monkeypatch.delenv("DATABASE_URL", raising=False)
    yield there


def run(*words: str) -> tuple[int, str]:
    done = RUN.invoke(app, words)
    return done.exit_code, done.output


# --- diff ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("answer", "code"), [(SAME, 0), (OTHER, 1)])
def test_the_exit_code_tells_whether_anything_differs(fake: FakeInspector, answer: Diff, code: int) -> None:
    fake.answer = answer
    assert run("diff", "a", "b")[0] == code
    assert fake.asked == [(Saved("of-the-context", "a"), Saved("of-the-context", "b"))]


def test_one_and_now(fake: FakeInspector) -> None:
    fake.answer = OTHER
    assert run("diff", "checkpoint_1_x", "--now", "work", "-n", "mine")[0] == 1
    assert fake.asked == [(Saved("mine", "checkpoint_1_x"), Now("mine", "work"))]


@pytest.mark.parametrize("words", [("a",), ("a", "b", "--now", "work"), ()])
def test_two_things_are_compared(fake: FakeInspector, words: tuple[str, ...]) -> None:
    assert run("diff", *words)[0] == 2
    assert fake.asked == []


def test_a_diff_for_people_and_for_programs(fake: FakeInspector) -> None:
    fake.answer = OTHER
    assert "  ~ epoch: 0 -> 1" in run("diff", "a", "b")[1]
    found = json.loads(run("diff", "a", "b", "-o", "json")[1])
    assert (found["same"], found["run"][0]["path"]) == (False, "epoch")


@pytest.mark.parametrize(("verb", "words"), [("diff", ("a", "b")), ("verify", ("work",))])
def test_an_error_is_told_and_is_no_difference(fake: FakeInspector, verb: str, words: tuple[str, ...]) -> None:
    fake.answer = NotFound("there is no checkpoint a; the newest there are:\n  c1")
    assert run(verb, *words) == (2, "there is no checkpoint a; the newest there are:\n  c1\n")
    fake.answer = StoreUnavailable(names.DATABASE_UNAVAILABLE, "")
    assert run(verb, *words) == (2, "StoreUnavailable\n"), "never an empty line"


# --- verify ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("findings", "without_rows", "database", "code"),
    [
        pytest.param((), "", True, 0, id="sound"),
        pytest.param((NOTE,), "", True, 0, id="information"),
        pytest.param((NOTE, WRONG), "", True, 1, id="a problem"),
        pytest.param((), "no database", False, 0, id="no database was asked for"),
        pytest.param((), "away", True, 2, id="the database is away"),
        pytest.param((WRONG,), "away", True, 1, id="away, and a problem"),
    ],
)
def test_the_exit_code_tells_whether_all_is_well(
    fake: FakeInspector, monkeypatch: pytest.MonkeyPatch, findings: tuple[Finding, ...], without_rows: str,
    database: bool, code: int,
) -> None:  # fmt: skip
    if database:
        monkeypatch.setenv("DATABASE_URL", "postgresql://db/cairn")
    fake.answer = Report(findings, 1, 1, 0, 1, 0, without_rows)
    assert run("verify", "work")[0] == code
    assert fake.asked == [("of-the-context", "work")]


def test_a_report_for_people_and_for_programs(fake: FakeInspector) -> None:
    fake.answer = Report((WRONG,), 1, 0, 1, 0, 0)
    shown = run("verify", "work", "-n", "mine")[1].splitlines()
    assert shown[0] == "PROBLEM Damaged in row of checkpoint_1_x (c): the document: cut"
    found = json.loads(run("verify", "work", "-n", "mine", "-o", "json")[1])
    assert (found["sound"], found["findings"][0]["problem"]) == (False, "Damaged")
    assert fake.asked == [("mine", "work")] * 2


# --- Where to look ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", [("diff", "a", "b"), ("verify", "work")])
@pytest.mark.parametrize("url", ["", "postgresql://db/cairn"])
def test_without_a_cluster(verb: tuple[str, ...], url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "")
    monkeypatch.setenv("DATABASE_URL", url)
    code, said = run(*verb, "-n", "mine")
    assert (code, "no usable kubeconfig" in said) == (2, True), said


def test_what_is_no_address_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "secret")
    code, said = run("verify", "work", "-n", "mine")
    assert (code, "secret" in said, "DATABASE_URL" in said) == (2, False, True), said


@pytest.mark.parametrize(
    ("context", "expected"), [({"namespace": "mine"}, "mine"), ({}, "default"), (None, "default")]
)
def test_the_namespace_is_that_of_the_context(
    context: dict[str, str] | None, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "kubeconfig"
    contexts = [{"name": "here", "context": {"cluster": "c", "user": "u"} | (context or {})}]
    server, user = {"name": "c", "cluster": {"server": "https://localhost"}}, {"name": "u", "user": {}}
    body = {"apiVersion": "v1", "kind": "Config", "contexts": contexts, "clusters": [server], "users": [user]}
    file.write_text(json.dumps(body | ({"current-context": "here"} if context is not None else {})))
    monkeypatch.setattr("kubernetes.aio.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(file))
    assert default_namespace() == expected
    file.unlink()
    assert default_namespace() == "default"
