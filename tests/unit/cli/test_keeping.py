"""The verbs about checkpoints that are there: listed, counted, taken to a file and brought in again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from cairn import names
from cairn.cli.checkpoints import to_wire
from cairn.core.checkpoint import objects
from cairn.core.checkpoint.state import Stored
from cairn.errors import Refused
from support import kept
from support.fake_desk import NOW, Cli, FakeDesk, golden
from support.rest_stub import Asked, Given, RestStub, problem
from support.states import a_state
from unit.cli import scene

Body = dict[str, Any]


@pytest.fixture(autouse=True)
def no_api(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CAIRN_API_URL", raising=False)
    monkeypatch.setenv("CAIRN_API_TOKEN", "t0ken")


@pytest.fixture
def desk() -> FakeDesk:
    """Three checkpoints of train, one of another execution elsewhere, one that has failed, one not taken yet."""
    found = FakeDesk()
    found.put({"metadata": {"name": "train"}, "spec": {"jobs": scene.JOBS, "checkpoint": {"retentionCount": 3}},
               "status": scene.status()})  # fmt: skip
    kept.chain(found, "c0", "c1", "c2")
    kept.keep(found, kept.stored("far", "other", number=3, namespace="ml", name="Far\x1b[1m", pinned=True))
    failed = objects.failed_status("TooLarge", "x", generation=1, execution_uid="uid-of-train", now=NOW)
    for name, status in (("lost", failed), ("new", {})):
        spec = {"executionRef": {"name": "train"}, "name": name, "trigger": "manual"}
        meta = {"name": name, "creationTimestamp": "2026-01-31T08:55:00Z"}
        found.put({"kind": "Checkpoint", "metadata": meta, "spec": spec, "status": status})
    return found


def row(stored: Stored) -> Body:
    """A checkpoint as the REST API tells it."""
    seen = objects.view(kept.keep(FakeDesk(), stored, stored=True))
    return {key: value for key, value in to_wire(seen).items() if key not in ("phase", "reason", "stored")}


# --- Listed ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("checkpoints", ()),
        ("checkpoints-everywhere", ("-A", "-o", "wide")),
        ("checkpoints-trigger", ("train", "--trigger", "level-completed")),
        ("checkpoints-json", ("ml/other", "-o", "json")),
    ],
)
def test_checkpoints(desk: FakeDesk, name: str, words: tuple[str, ...]) -> None:
    said = Cli(desk).run("checkpoints", *words)
    assert (said.code, said.error) == (0, "") and "\x1b" not in said.out
    golden(name, said.out)


def test_names_of_checkpoints(desk: FakeDesk) -> None:
    said = Cli(desk).run("checkpoints", "train", "-o", "name")
    assert said.out.split() == [f"checkpoint.cairn.dev/{n}" for n in ("lost", "new", "c2", "c1", "c0")]
    said = Cli(desk).run("checkpoints", "none")
    assert (said.code, said.out, said.error) == (0, "", "no checkpoints found in namespace default\n")


def test_what_only_the_database_has_is_listed_too(desk: FakeDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    there = [row(kept.stored("c0", state=a_state(1))), row(kept.stored("only-a-row", number=9))]

    async def answer(asked: Asked) -> Given:
        later = "cursor" in asked.query
        return Given({"items": [there[later]], "next": None if later else "more"})

    with RestStub(answer) as api:
        monkeypatch.setenv("CAIRN_API_URL", api.url)
        said = Cli(desk).run("checkpoints", "train", "--trigger", "manual", "-o", "json")
        Cli(desk).run("checkpoints", "-A")
    listed = [(item["objectName"], item["stored"]) for item in json.loads(said.out)["items"]]
    assert listed == [("lost", False), ("new", False), ("only-a-row", True), ("c0", True)]
    first, second, everywhere = api.asked[:3]
    assert first.query == {"execution": "train", "trigger": "manual", "limit": "500"}
    assert second.query == first.query | {"cursor": "more"}
    assert (first.path, everywhere.path) == ("/api/v1/namespaces/default/checkpoints", "/api/v1/checkpoints")


def test_a_rest_api_that_is_away_is_said(desk: FakeDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    async def answer(asked: Asked) -> Given:
        return problem(503, "the database is away")

    with RestStub(answer) as api:
        monkeypatch.setenv("CAIRN_API_URL", api.url)
        said = Cli(desk).run("checkpoints", "-o", "name")
    assert said.code == 0 and said.out.count("\n") == 5
    assert said.error == "note: the database was not asked: the database is away\n"


# --- Counted ---------------------------------------------------------------------------------------------------------


def test_stats(desk: FakeDesk) -> None:
    golden("stats", Cli(desk).run("stats", "train").out)
    assert Cli(desk).run("stats", "-n", "none").out == "0 checkpoints, 0 B\n"
    found = json.loads(Cli(desk).run("stats", "train", "-o", "json").out)
    assert (found["totalCheckpoints"], found["due"]) == (3, [])
    assert [one["objectName"] for one in found["next"]] == ["c0"], "the oldest, once one more is there"


def test_stats_of_more_than_are_kept_and_of_one_that_is_gone(desk: FakeDesk) -> None:
    desk.executions["train"]["spec"]["checkpoint"]["retentionCount"] = 2
    assert "goes now: c0, beyond retentionCount 2\n" in Cli(desk).run("stats", "train").out
    del desk.executions["train"]
    found = json.loads(Cli(desk).run("stats", "train", "-o", "json").out)
    assert (found["totalCheckpoints"], found["due"], found["next"]) == (3, [], [])
    nobodys = Cli(desk).run("stats", "6d1f9a52-0b1e-4c58-9a86-51b8a2f0c0de", "-o", "json").out
    assert json.loads(nobodys)["totalCheckpoints"] == 0


# --- Taken to a file -------------------------------------------------------------------------------------------------


def exported(desk: FakeDesk, tmp_path: Path, name: str = "c1", suffix: str = "yaml") -> Path:
    file = tmp_path / f"{name}.{suffix}"
    said = Cli(desk).run("export", name, "-o", str(file))
    assert (said.code, said.out, said.error) == (0, f"checkpoint.cairn.dev/{name} exported to {file}\n", "")
    return file


def test_export(desk: FakeDesk, tmp_path: Path) -> None:
    said = Cli(desk).run("export", "c1")
    assert said.code == 0
    golden("export", said.out)
    id = desk.objects["Checkpoint", "c1"]["status"]["checkpointId"]
    assert Cli(desk).run("export", f"default/{id}", "-n", "x").out == said.out
    assert exported(desk, tmp_path).read_text() == said.out
    assert json.loads(exported(desk, tmp_path, suffix="json").read_text()) == yaml.safe_load(said.out)


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        pytest.param(("none",), 2, "there is no checkpoint none in namespace default", id="not there"),
        pytest.param(("checkpoint_1769846400000_none",), 2, "there is no checkpoint", id="no such id"),
        pytest.param(("A_b",), 2, "CHECKPOINT: must be the id of a checkpoint", id="no name"),
        pytest.param(("lost",), 1, "checkpoint lost is Failed and holds no state: TooLarge", id="failed"),
        pytest.param(("large",), 1, "only the database holds it", id="too large for an object"),
        pytest.param(("bad",), 2, "do not give the digest", id="damaged"),
        pytest.param(("c1", "-o", "/none/c1.yaml"), 2, "No such file", id="nowhere to write it"),
    ],
)
def test_nothing_to_export(desk: FakeDesk, words: tuple[str, ...], code: int, says: str) -> None:
    kept.keep(desk, kept.stored("large", number=4), state=False)
    bad = kept.keep(desk, kept.stored("bad", number=5, state=a_state(1)))
    status = desk.objects["Checkpoint", bad["metadata"]["name"]]["status"]
    status["digest"] = "0" * 64
    said = Cli(desk).run("export", *words)
    assert (said.code, said.out) == (code, "") and says in said.error


# --- Brought in ------------------------------------------------------------------------------------------------------


def test_import_into_another_namespace(desk: FakeDesk, tmp_path: Path) -> None:
    file, target = exported(desk, tmp_path), FakeDesk()
    state = desk.objects["Checkpoint", "c1"]["status"]["state"]
    said = Cli(target).run("import", str(file), "-n", "staging", "--name", "again")
    id = desk.objects["Checkpoint", "c1"]["status"]["checkpointId"]
    assert (said.code, said.out, said.error) == (0, f"checkpoint.cairn.dev/again imported: {id}\n", "")
    golden("import", said.whole)
    body = target.objects["Checkpoint", "again"]
    assert (body["metadata"]["namespace"], body["status"]["state"], body["spec"]["pinned"]) == ("staging", state, True)
    assert objects.stored(body, "").checkpoint.execution == "train"
    assert target.called("create Checkpoint") == target.called("write_checkpoint_status") == ["again"]
    said = Cli(target).run("import", str(file), "-n", "staging", "--name", "again")
    assert (said.code, said.out) == (0, f"checkpoint.cairn.dev/again unchanged: {id}\n")
    assert target.called("create Checkpoint") == ["again"]


def test_import_from_standard_input_unpinned(desk: FakeDesk, tmp_path: Path) -> None:
    target = FakeDesk()
    said = Cli(target).run("import", "-", "--no-pin", typed=exported(desk, tmp_path, suffix="json").read_text())
    assert said.code == 0 and target.objects["Checkpoint", "c1"]["spec"]["pinned"] is False


def test_an_import_that_was_left_half_done_is_finished(desk: FakeDesk, tmp_path: Path) -> None:
    file, target = exported(desk, tmp_path), FakeDesk()
    assert Cli(target).run("import", str(file)).code == 0
    del target.objects["Checkpoint", "c1"]["status"]
    said = Cli(target).run("import", str(file))
    assert (said.code, "imported" in said.out) == (0, True)
    assert objects.view(target.objects["Checkpoint", "c1"]).is_ready


def test_what_cannot_be_filled_is_removed_again(desk: FakeDesk, tmp_path: Path) -> None:
    file, target = exported(desk, tmp_path), FakeDesk()
    target.fail("write_checkpoint_status", Refused("you may not update checkpoints/status", status=403))
    said = Cli(target).run("import", str(file))
    assert (said.code, said.error) == (2, "you may not update checkpoints/status\n")
    assert ("Checkpoint", "c1") not in target.objects
    target.fail("write_checkpoint_status", Refused("no", status=403))
    target.fail("delete_checkpoint", Refused("neither", status=403))
    assert Cli(target).run("import", str(file)).error == "no\n"
    assert names.ANNOTATION_IMPORTED in target.objects["Checkpoint", "c1"]["metadata"]["annotations"]


def test_a_name_or_an_id_of_another_one_is_refused(desk: FakeDesk, tmp_path: Path) -> None:
    file = exported(desk, tmp_path)
    said = Cli(desk).run("import", str(file), "--name", "other")
    assert said.code == 1 and "is in namespace default already, as checkpoint c1" in said.error
    said = Cli(desk).run("import", str(file), "-n", "ml", "--name", "c0")
    assert said.code == 1 and "choose another name (--name)" in said.error


@pytest.mark.parametrize(
    ("old", "new", "code", "says"),
    [
        pytest.param("job-0: done", "job-0: gone", 2, "nothing was imported: texts[", id="a changed byte"),
        pytest.param('"schemaVersion":2', '"schemaVersion":9', 2, "reads schemas up to", id="a newer schema"),
        pytest.param("cairn.dev/v1alpha1", "cairn.dev/v2", 2, "apiVersion: is cairn.dev/v2", id="a newer API"),
        pytest.param("kind: Checkpoint", "kind: Secret", 2, "kind: must be Checkpoint", id="a wrong kind"),
        pytest.param("kind: Checkpoint", "kind: [", 2, "that is no YAML", id="no YAML"),
        pytest.param("kind: Checkpoint", "---\nkind: Checkpoint", 2, "not 2 documents", id="two documents"),
    ],
)
def test_what_is_not_what_was_exported_is_refused(
    desk: FakeDesk, tmp_path: Path, old: str, new: str, code: int, says: str
) -> None:  # fmt: skip
    file, target = exported(desk, tmp_path), FakeDesk()
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    said = Cli(target).run("import", str(file))
    assert (said.code, said.out, target.calls) == (code, "", []) and says in said.error, said.error
    assert said.error.startswith(str(file))


def test_no_part_of_a_file_is_enough(desk: FakeDesk, tmp_path: Path) -> None:
    file = exported(desk, tmp_path)
    text = file.read_text().rstrip()
    for length in [0, *range(40, len(text), 97), len(text) - 2]:
        file.write_text(text[:length])
        target = FakeDesk()
        assert (Cli(target).run("import", str(file)).code, target.calls) == (2, []), length
