"""The command line without a cluster: lint, version, settings, and what a wrong setting is told."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from pydantic import ValidationError
from typer.testing import CliRunner

from cairn import config
from cairn.cli import check
from cairn.cli.logging import JsonFormatter
from cairn.cli.main import HIDDEN, VERBS, app
from cairn.config import from_environment, home_of, variable
from support.fake_desk import GOLDEN, golden

CYCLE = "kind: DAGExecution\nspec: {jobs: [{id: a, image: i, dependsOn: [b]}, {id: b, image: i, dependsOn: [a]}]}"
SAMPLES = Path(__file__).resolve().parents[3] / "manifests" / "samples"
RUN = CliRunner()


@pytest.mark.parametrize("sample", sorted(SAMPLES.glob("*.yaml")), ids=lambda path: path.name)
def test_lint_finds_nothing_wrong_in_the_samples(sample: Path) -> None:
    done = RUN.invoke(app, ["lint", str(sample)])
    assert (done.exit_code, "ok" in done.output) == (0, True), done.output


def test_lint_names_everything_that_is_wrong_and_fails(tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(
        "kind: ConfigMap\n---\nkind: DAGExecution\nmetadata: {generateName: x-}\n"
        "spec: {pause: {until: 2026-01-31T08:00:00Z}, jobs: [{id: a, image: i, dependsOn: [b]}, "
        "{id: c, image: i, when: '1 +'}]}\n"
    )
    done = RUN.invoke(app, ["lint", str(file)])
    assert done.exit_code == 1
    assert [line.split(": ")[:2] for line in done.output.splitlines()] == [
        ["x-", "spec.jobs[0].dependsOn[0]"],
        ["x-", "spec.jobs[1].when"],
    ]


def test_lint_several_files_and_standard_input(tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text("kind: ConfigMap\n")
    text = "kind: DAGExecution\nmetadata: {name: typed}\nspec: {restoreFrom: {checkpointName: c}}\n"
    done = RUN.invoke(app, ["lint", str(SAMPLES / "01-hello.yaml"), str(other), "-"], input=text)
    assert (done.exit_code, done.output.splitlines()) == (0, [
        "hello: ok, 2 jobs", "  checkpoints: at most 2 level-completed",
        "  size: 2.2 KB each, 26.8 KB if every job hands out all it may, before compression",
        "  retention: the newest 10 are kept: 53.6 KB at most", "typed: ok, 0 jobs",
    ])  # fmt: skip
    assert RUN.invoke(app, ["lint", str(other)]).output == "there is no DAGExecution in it\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("kind: [", "that is no YAML: ", id="no YAML"),
        pytest.param("kind: DAGExecution\nmetadata: {name: x}\n", "x: spec: must be an object", id="no spec"),
        pytest.param("kind: DAGExecution\nmetadata: 3\nspec: {}\n", "(no name): spec.jobs: is empty", id="no name"),
        pytest.param(
            "kind: DAGExecution\nspec: {jobs: [{id: a, image: i, dependsOn: [b]}, {id: b, image: i, dependsOn: [a]}]}",
            "a -> b -> a", id="a cycle",
        ),
        pytest.param("kind: DAGExecution\nmetadata: {name: \"\\e[2J\"}\nspec: {}\n", "\\u001b[2J: spec.jobs", id="ESC"),
    ],
)  # fmt: skip
def test_lint_finds(text: str, says: str) -> None:
    done = RUN.invoke(app, ["lint", "-"], input=text)
    assert done.exit_code == 1 and says in done.output, done.output


def test_lint_for_programs(tmp_path: Path) -> None:
    done = RUN.invoke(app, ["lint", str(SAMPLES / "01-hello.yaml"), "-", "-o", "json"], input="kind: DAGExecution")
    good, bad = json.loads(done.output)
    assert (done.exit_code, good["ok"], good["cost"]["checkpointsAtMost"]) == (1, True, {"level-completed": 2})
    assert bad == {
        "file": "-", "name": "(no name)", "ok": False, "jobs": None, "cost": None,
        "violations": [{"field": "spec", "message": "must be an object"}],
    }  # fmt: skip
    assert RUN.invoke(app, ["lint", str(tmp_path / "none.yaml")]).exit_code == 2


def test_what_is_told_of_a_file_is_told_whole() -> None:
    done = RUN.invoke(app, ["lint", str(SAMPLES / "14-nightly.yaml"), "-"], input=CYCLE)
    assert done.exit_code == 1
    golden("lint", done.output)


def test_version() -> None:
    said = RUN.invoke(app, ["version"], env={"CAIRN_API_URL": ""}).output
    golden("version", said.replace(metadata.version("cairn"), "VERSION"))
    assert RUN.invoke(app, ["--version"]).output == f"cairn {metadata.version('cairn')} (commit unknown)\n"


@pytest.mark.parametrize(
    ("verb", "setting"), [("operator", "CAIRN_WORKERS"), ("api", "CAIRN_API_PORT"), ("migrate", "DATABASE_URL")]
)
def test_a_wrong_setting_is_named(verb: str, setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(setting, "" if verb == "migrate" else "many")
    done = RUN.invoke(app, [verb])
    assert done.exit_code == 2
    assert setting in done.output
    golden(verb, done.output)


def test_no_verb_waits_for_what_only_services_need() -> None:
    users = sorted(set(VERBS) - {"operator", "api", "migrate"})
    program = f"""
import sys
from cairn.cli.main import command
for verb in {users}:
    command(verb)
print(*sorted({{"fastapi", "kopf", "psycopg", "uvicorn"}} & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_has_something_that_it_is_held_to_word_for_word(verb: str) -> None:
    assert list(GOLDEN.glob(f"{verb}.txt")) + list(GOLDEN.glob(f"{verb}-*.txt"))


def test_no_cluster_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KUBECONFIG", "")
    done = RUN.invoke(app, ["operator", "--kubeconfig", str(tmp_path / "none")])
    assert done.exit_code == 2
    assert "no usable kubeconfig" in done.output


def test_settings_come_from_the_environment() -> None:
    found = from_environment({"CAIRN_NAMESPACES": "a,b-*,", "CAIRN_WORKERS": "3", "OTHER": "x"})
    assert (found.namespaces, found.workers, found.resync_seconds) == (("a", "b-*"), 3, 600)
    with pytest.raises(ValidationError):
        from_environment({"CAIRN_HEALTH_PORT": "99999"})


def test_the_address_of_the_database_is_a_secret() -> None:
    found = from_environment({"DATABASE_URL": "postgresql://cairn:secret@db/cairn"})
    assert found.database_url is not None and found.database_url.get_secret_value().endswith("/cairn")
    assert "secret" not in f"{found!r} {found}"
    assert from_environment({"DATABASE_URL": ""}).database_url is None
    assert "CAIRN_DATABASE_URL" != variable("database_url") == "DATABASE_URL"


def test_the_home_is_the_pods_own_namespace(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert home_of(from_environment({})) == "default"
    assert home_of(from_environment({"CAIRN_HOME_NAMESPACE": "cairn-system"})) == "cairn-system"
    (tmp_path / "namespace").write_text("of-the-pod\n")
    monkeypatch.setattr(config, "_ACCOUNT", tmp_path / "namespace")
    assert home_of(from_environment({})) == "of-the-pod"


def test_a_log_line_is_json_with_what_it_is_about() -> None:
    record = logging.LogRecord("cairn", logging.WARNING, "f", 1, "größer %s", ("x",), None)
    record.namespace, record.execution, record.job, record.attempt = "ns", "x", "a", 2
    line = json.loads(JsonFormatter().format(record))
    assert (line["level"], line["message"]) == ("warning", "größer x")
    assert [line[field] for field in ("namespace", "execution", "job", "attempt")] == ["ns", "x", "a", 2]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["detach", "--deployment", "operator"], "--deployment: operator is not NAMESPACE/NAME"),
        (["detach", "--deployment", "a/b"], "no usable kubeconfig"),
        (["check", "--operator", "http://127.0.0.1:1", "--timeout", "1"], "operator: http://127.0.0.1:1/readyz does"),
    ],
    ids=["a word that is no Deployment", "no cluster", "nothing answers"],
)
def test_verbs_for_the_chart_say_what_is_wrong(
    arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    done = RUN.invoke(app, arguments)
    assert done.exit_code != 0
    assert said in done.output


def test_a_wrong_setting_is_told_before_anything_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(check, "look_at", lambda *_: pytest.fail("it asks"))
    monkeypatch.setenv("DATABASE_URL", "postgresql://one")
    monkeypatch.setenv("DATABASE_URL_FILE", str(tmp_path / "two"))
    done = RUN.invoke(app, ["check", "--operator", "http://127.0.0.1:1", "--database", "--timeout", "3600"])
    assert done.exit_code == 2 and "are both set" in done.output


def test_verbs_for_the_chart_are_in_no_help() -> None:
    shown = RUN.invoke(app, ["--help"]).output
    assert "migrate" in shown
    assert not set(HIDDEN) & set(shown.split())


def test_the_address_of_a_database_may_be_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    (tmp_path / "url").write_text("nonsense\n")
    monkeypatch.setenv("DATABASE_URL_FILE", str(tmp_path / "url"))
    done = RUN.invoke(app, ["migrate"])
    assert done.exit_code == 2 and "DATABASE_URL is not set" not in done.output
    monkeypatch.setenv("DATABASE_URL_FILE", str(tmp_path / "none"))
    assert str(tmp_path / "none") in RUN.invoke(app, ["migrate"]).output
