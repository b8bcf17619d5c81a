"""`cairn diff`, `cairn verify`, `cairn version`: what the objects tell, what the REST API tells, and who was asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cairn.adapters.kube.api import default_namespace
from cairn.cli.main import app
from cairn.core.checkpoint import chain, diff
from cairn.core.checkpoint.chain import Finding, Place, Problem, Report
from support import kept
from support.fake_desk import Cli, FakeDesk, Said, golden
from support.rest_stub import Asked, Given, RestStub, problem
from support.states import a_state

NOT_ASKED = "note: the database was not asked: set CAIRN_API_URL to the address of Cairn's REST API\n"
NOTE = Finding("checkpoint_1_x", "c", Place.OBJECT, Problem.OBJECT_GONE, "only the row")
WRONG = Finding("checkpoint_1_x", "c", Place.ROW, Problem.DAMAGED, "the document: cut")
DIFFERENT = diff.to_wire(diff.diff(a_state(), a_state(epoch=1)))
Saw = list[Asked]


@pytest.fixture(autouse=True)
def no_api(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CAIRN_API_URL", "CAIRN_API_TOKEN", "CAIRN_API_CA"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def desk() -> FakeDesk:
    """Two checkpoints of an execution."""
    found = FakeDesk()
    kept.chain(found, "c0", "c1")
    return found


Asking = Callable[..., tuple[Said, Saw]]


@pytest.fixture
def asking(desk: FakeDesk, monkeypatch: pytest.MonkeyPatch) -> Asking:
    """Run a verb while a REST API answers."""

    def run(answer: Given, *words: str) -> tuple[Said, Saw]:
        async def given(asked: Asked) -> Given:
            return answer

        with RestStub(given) as api:
            monkeypatch.setenv("CAIRN_API_URL", api.url + "/")
            monkeypatch.setenv("CAIRN_API_TOKEN", "t0ken")
            return Cli(desk).run(*words), api.asked

    return run


def damage(desk: FakeDesk, name: str) -> None:
    status = desk.objects["Checkpoint", name]["status"]
    status["state"] = status["state"].replace("done", "gone")


# --- The objects alone -----------------------------------------------------------------------------------------------


def test_the_objects_alone(desk: FakeDesk) -> None:
    said = Cli(desk).run("diff", "c0", "c1")
    assert (said.code, said.error) == (1, NOT_ASKED) and "  ~ epoch: 0 -> 1\n" in said.out
    golden("diff", said.whole)
    assert Cli(desk).run("diff", "c0", "c0").code == 0
    assert json.loads(Cli(desk).run("diff", "c0", "c1", "-o", "json").out)["run"][0]["path"] == "epoch"


@pytest.mark.parametrize("words", [("c0",), ("c0", "c1", "--now", "train"), ()])
def test_two_things_are_compared(desk: FakeDesk, words: tuple[str, ...]) -> None:
    assert Cli(desk).run("diff", *words).code == 2
    assert desk.calls == []


@pytest.mark.parametrize("words", [("diff", "none", "c1"), ("verify", "none")])
def test_what_is_not_there_is_an_error(desk: FakeDesk, words: tuple[str, ...]) -> None:
    said = Cli(desk).run(*words)
    assert (said.code, said.out) == (2, "") and "none" in said.error


def test_verify_the_objects_alone(desk: FakeDesk) -> None:
    said = Cli(desk).run("verify", "dagx/train")
    assert (said.code, said.error) == (0, "")
    assert said.out.startswith(f"only objects were looked at: {NOT_ASKED[6:]}")
    assert said.out.endswith("2 checkpoints (2 objects, 0 rows): 2 verified, 0 problems, 0 deleted\n")
    assert json.loads(Cli(desk).run("verify", "train", "-o", "json").out)["withoutRows"] in NOT_ASKED
    damage(desk, "c1")
    said = Cli(desk).run("verify", "default/train")
    assert said.code == 1 and said.out.startswith("PROBLEM WrongDigest in object of ")
    golden("verify", said.whole)


def test_verify_is_about_a_name(desk: FakeDesk) -> None:
    said = Cli(desk).run("verify", "6d1f9a52-0b1e-4c58-9a86-51b8a2f0c0de")
    assert (said.code, desk.calls) == (2, []) and "give a name" in said.error


# --- The REST API ----------------------------------------------------------------------------------------------------


def test_a_diff_of_the_rest_api(asking: Asking, desk: FakeDesk) -> None:
    said, saw = asking(Given(DIFFERENT), "diff", "checkpoint_1_x", "--now", "train", "-n", "mine")
    assert (said.code, said.error, desk.calls) == (1, "", []) and "  ~ epoch: 0 -> 1\n" in said.out
    path = "/api/v1/namespaces/mine/checkpoints/diff"
    assert saw == [Asked(path, {"from": "checkpoint_1_x", "now": "train"}, "Bearer t0ken")]
    said, [asked] = asking(Given(DIFFERENT), "diff", "a", "b", "-o", "json")
    assert json.loads(said.out) == DIFFERENT and asked.query == {"from": "a", "to": "b"}


@pytest.mark.parametrize(
    ("findings", "without_rows", "code"),
    [
        pytest.param((), "", 0, id="sound"),
        pytest.param((NOTE,), "", 0, id="information"),
        pytest.param((NOTE, WRONG), "", 1, id="a problem"),
        pytest.param((), "away", 2, id="its database is away"),
        pytest.param((WRONG,), "away", 1, id="away, and a problem"),
    ],
)
def test_a_report_of_the_rest_api(
    asking: Asking, findings: tuple[Finding, ...], without_rows: str, code: int
) -> None:  # fmt: skip
    wire = chain.to_wire(Report(findings, 1, 1, 0, 1, 0, without_rows))
    said, [asked] = asking(Given(wire), "verify", "train", "-n", "mine", "-o", "json")
    assert (said.code, said.error, json.loads(said.out)) == (code, "", wire)
    assert asked.path == "/api/v1/namespaces/mine/executions/train/verify"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        pytest.param(problem(404, "there is no checkpoint a"), "there is no checkpoint a\n", id="not found"),
        pytest.param(problem(403, "not yours"), "not yours\n", id="forbidden"),
        pytest.param(problem(422, "no\x1b[1m"), "no\\u001b[1m\n", id="wrong, and nothing acts on a terminal"),
        pytest.param(Given([], 401), "the REST API answered with 401\n", id="refused without a word"),
    ],
)
def test_what_the_rest_api_refuses_is_an_error(asking: Asking, desk: FakeDesk, answer: Given, says: str) -> None:
    said, _ = asking(answer, "diff", "c0", "c1")
    assert (said.code, said.out, said.error, desk.calls) == (2, "", says, [])


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        pytest.param(problem(503, "the database is away"), "the database is away", id="503"),
        pytest.param(Given("<html>"), "no REST API of Cairn's", id="something else answers"),
        pytest.param(Given({"findings": [{}]}), "does not know", id="another form"),
        pytest.param(Given("", 302, {"Location": "http://o/"}), "answered with 302", id="a redirect is not followed"),
    ],
)
def test_a_rest_api_that_is_away_is_in_nobodys_way(asking: Asking, answer: Given, says: str) -> None:
    said, saw = asking(answer, "verify", "train")
    assert (said.code, len(saw)) == (2, 1), "nothing is wrong, but not all was looked at"
    assert says in said.out and "2 verified" in said.out
    assert asking(answer, "diff", "c0", "c1")[0].code == 1


def test_nobody_listens(desk: FakeDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAIRN_API_URL", "http://localhost:9")
    monkeypatch.setenv("CAIRN_API_TOKEN", "t0ken")
    said = Cli(desk).run("verify", "train")
    assert said.code == 2 and "the database was not asked: the REST API at http://localhost:9 does" in said.out
    damage(desk, "c1")
    assert Cli(desk).run("verify", "train").code == 1


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        pytest.param({"CAIRN_API_URL": "cairn"}, "is no address such as", id="no address"),
        pytest.param({"CAIRN_API_URL": "http://cairn.example.com"}, "use https", id="a token is not shown to others"),
        pytest.param({"CAIRN_API_URL": "https://localhost:9", "CAIRN_API_TOKEN": ""}, "has no token", id="no token"),
        pytest.param({"CAIRN_API_CA": "/none/ca.crt"}, "CAIRN_API_CA: No such file", id="no authority"),
        pytest.param({"CAIRN_API_CA": __file__}, "CAIRN_API_CA: ", id="no certificate"),
    ],
)
def test_wrong_settings(
    desk: FakeDesk, settings: dict[str, str], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    for name, value in ({"CAIRN_API_URL": "https://localhost:9", "CAIRN_API_TOKEN": "t0ken"} | settings).items():
        monkeypatch.setenv(name, value)
    said = Cli(desk).run("verify", "train")
    assert (said.code, says in said.error, "t0ken" in said.error) == (2, True, False), said.error


# --- Version ---------------------------------------------------------------------------------------------------------


def test_versions(asking: Asking) -> None:
    server = {"version": "9.9.9", "commit": "abc"}
    said, [asked] = asking(Given(server), "version")
    assert asked.path == "/api/v1/version" and said.out.splitlines()[1:] == ["server: 9.9.9 (commit abc)"]
    said, saw = asking(Given(server), "version", "--short")
    assert saw == [] and said.out.count(".") == 2
    told = json.loads(asking(Given(server), "version", "-o", "json")[0].out)
    assert (told["server"], told["serverCommit"], told["clientCommit"]) == ("9.9.9", "abc", "unknown")
    said, _ = asking(Given({"version": "0.1.0"}), "version")
    assert said.out.splitlines()[1:] == ["server: 0.1.0 (commit unknown)"], "of a server that tells no commit yet"
    assert asking(problem(500, "x"), "version")[0].code == 2


# --- Where to look ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", [("diff", "a", "b"), ("verify", "work")])
def test_without_a_cluster(verb: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "")
    done = CliRunner().invoke(app, [*verb, "-n", "mine"])
    assert (done.exit_code, "no usable kubeconfig" in done.output) == (2, True), done.output


@pytest.mark.parametrize(
    ("context", "expected"), [({"namespace": "mine"}, "mine"), ({}, "default"), (None, "default")]
)
def test_the_namespace_is_that_of_the_context(
    context: dict[str, str] | None, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "kubeconfig"
    contexts = [{"name": "here", "context": {"cluster": "c", "user": "u"} | (context or {})}]
    server, user = {"name": "c", "cluster": {"server": "https://localhost"}}, {"name": "u", "user": {}}
    body: dict[str, Any] = {
        "apiVersion": "v1", "kind": "Config", "contexts": contexts, "clusters": [server], "users": [user],
    }  # fmt: skip
    file.write_text(json.dumps(body | ({"current-context": "here"} if context is not None else {})))
    monkeypatch.setattr("kubernetes.aio.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(file))
    assert default_namespace() == expected
    file.unlink()
    assert default_namespace() == "default"
