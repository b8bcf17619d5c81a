"""`cairn diff` and `cairn verify` through a real API server, REST API and Postgres: what was saved, and what since."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from support.api_process import ApiProcess
from support.checkpoints import Rows, stored
from support.jobs import hanging, job, release
from support.kube import Kube, Object, until
from support.operator_process import OperatorProcess
from support.postgres import PostgresServer

pytestmark = [pytest.mark.cluster, pytest.mark.postgres]

Start = Callable[..., OperatorProcess]

OUTPUTS = {"message": '{"rows": 3, "note": "plain"}'}


class Cairn:
    """The command line, as a person uses it who may do everything in one namespace."""

    def __init__(self, kube: Kube, url: str = "") -> None:
        self._kube = kube
        self._settings = {"CAIRN_API_URL": url}
        if url:
            kube.kubectl("create", "serviceaccount", "person")
            account = f"--serviceaccount={kube.namespace}:person"
            kube.kubectl("create", "rolebinding", "person", "--clusterrole=cluster-admin", account)
            asked = ("auth", "can-i", "list", "ckpt", f"--as=system:serviceaccount:{kube.namespace}:person")
            until(lambda: kube.kubectl(*asked, check=False).returncode == 0, "the right to list is known")
            self._settings["CAIRN_API_TOKEN"] = kube.kubectl("create", "token", "person").stdout.strip()

    def run(self, *words: str) -> tuple[int, str, str]:
        """Exit code, standard output, standard error."""
        environment = os.environ | {"KUBECONFIG": str(self._kube.kubeconfig)} | self._settings
        command = [sys.executable, "-m", "cairn", *words, "-n", self._kube.namespace]
        done = subprocess.run(command, env=environment, text=True, capture_output=True, check=False)
        return done.returncode, done.stdout, done.stderr

    def json(self, *words: str) -> tuple[int, Any]:
        """Exit code and what was said, to programs."""
        code, out, error = self.run(*words, "-o", "json")
        assert not error, error
        return code, json.loads(out)

    def findings(self, execution: str) -> tuple[int, list[tuple[str, str, str]]]:
        """Exit code of verify, and which checkpoint, where, what."""
        code, report = self.json("verify", execution)
        return code, [(f["checkpointId"], f["place"], f["problem"]) for f in report["findings"]]


@pytest.fixture
def cairn(solo: Kube, rows: Rows, tmp_path: Path) -> Iterator[Cairn]:
    """The command line, with a REST API that reads the rows."""
    api = ApiProcess(solo.kubeconfig, tmp_path / "api.log", DATABASE_URL=rows.url).start()
    yield Cairn(solo, api.url)
    api.stop()


def id_of(found: Object) -> str:
    return str(found["status"]["checkpointId"])


def name_of(found: Object) -> str:
    return str(found["metadata"]["name"])


@pytest.fixture
def two(solo: Kube, start_operator: Start, rows: Rows) -> tuple[Object, Object]:
    """Two checkpoints of `work`, in both stores; its last job runs on, and no operator is there any more."""
    operator = start_operator(solo, DATABASE_URL=rows.url, CAIRN_SWEEP_SECONDS="3600")
    solo.run("work", job("a", fake=OUTPUTS), job("b", "a", fake={"exit-code": "3", "duration": "100ms"}),
             hanging("c", "a"), failurePolicy="Continue", checkpoint={"triggers": ["job-completed"]})  # fmt: skip
    first, second = stored(solo, 2)
    operator.stop()
    return first, second


def test_two_checkpoints_and_now(
    two: tuple[Object, Object], solo: Kube, start_operator: Start, rows: Rows, cairn: Cairn
) -> None:
    first, second = two
    code, found = cairn.json("diff", name_of(first), id_of(second))
    assert (code, found["before"]["id"], found["after"]["id"]) == (1, id_of(first), id_of(second))
    changed = {j["id"]: {c["path"]: c.get("after", {}).get("json") for c in j["record"]} for j in found["jobs"]}
    assert changed["b"]["state"] == '"failed"' and changed["b"]["exitCode"] == "3"
    assert "a" not in changed and not found["spec"]["items"] and not found["origin"]
    assert cairn.run("diff", name_of(first), id_of(first))[0] == 0

    started = start_operator(solo, DATABASE_URL=rows.url, CAIRN_SWEEP_SECONDS="3600")
    solo.patch("dagx", "work", {"spec": {"parallelism": 7}})
    release(solo, "work", "c")
    solo.wait("work", "Finished")
    stored(solo, 3)
    started.stop()
    code, text, _ = cairn.run("diff", name_of(second), "--now", "work")
    assert code == 1
    for line in ('~ phase: "running" -> "failed"', "~ parallelism: 0 -> 7", '~ state: "running" -> "completed"'):
        assert line in text, text
    code, out, error = cairn.run("diff", "none", "--now", "work")
    assert (code, out) == (2, "") and f"{name_of(second)}  {id_of(second)}" in error


def test_a_sound_chain_of_an_execution_that_is_gone(
    two: tuple[Object, Object], solo: Kube, cairn: Cairn
) -> None:
    code, report = cairn.json("verify", "work")
    assert (code, report["findings"]) == (0, []), report
    assert (report["checkpoints"], report["objects"], report["rows"], report["verified"]) == (2, 2, 2, 2)
    solo.kubectl("delete", "dagx", "work", "--timeout=30s", "--wait=false")
    for found in two:  # as if somebody had taken them away from under the operator
        solo.patch("ckpt", name_of(found), {"metadata": {"finalizers": None}})
        solo.kubectl("delete", "ckpt", name_of(found), "--timeout=30s")
    code, report = cairn.json("verify", "work")
    assert (code, report["verified"]) == (0, 2)
    assert [f["problem"] for f in report["findings"]] == ["ObjectGone"] * 2
    assert cairn.run("diff", name_of(two[0]), name_of(two[1]))[0] == 1, "rows are enough"
    assert cairn.run("verify", "none")[0] == 2


@pytest.mark.parametrize(
    ("statement", "problem", "says"),
    [
        ("UPDATE workflow_checkpoints SET state = replace(state::text, 'fake', 'fakf')::jsonb WHERE id = %(id)s",
         "WrongDigest", "the document"),
        ("UPDATE workflow_results SET body = convert_to(replace(convert_from(body, 'UTF8'), 'plain', 'plaim'), 'UTF8')",
         "WrongDigest", "texts["),
        ("UPDATE workflow_checkpoints SET job_count = 4 WHERE id = %(id)s", "Mislabelled", "jobCount"),
        ("DELETE FROM workflow_checkpoints WHERE id = %(id)s", "RowMissing", "sweep"),
    ],
)  # fmt: skip
def test_a_changed_row_is_found_and_named(
    two: tuple[Object, Object], rows: Rows, cairn: Cairn, statement: str, problem: str, says: str
) -> None:
    with psycopg.connect(rows.url) as connection:
        connection.execute("SET ROLE cairn_owner")
        connection.execute(statement.encode(), {"id": id_of(two[0])})
    code, report = cairn.json("verify", "work")
    hurt = [(f["checkpointId"], f["place"], f["problem"]) for f in report["findings"]]
    shared = "workflow_results" in statement  # both name that text
    assert hurt == [(id_of(c), "row", problem) for c in (two if shared else two[:1])]
    assert code == 1 and says in report["findings"][0]["message"]
    assert cairn.run("diff", name_of(two[0]), name_of(two[1]))[0] == 1, "the objects are whole"


def test_a_changed_object_is_found_and_named(two: tuple[Object, Object], solo: Kube, cairn: Cairn) -> None:
    state = two[1]["status"]["state"]
    assert state.startswith("json:") and "plain" in state
    other = "plaim".join(state.rsplit("plain", 1))  # in the texts, which come after the document
    solo.patch("ckpt", name_of(two[1]), {"status": {"state": other}}, "--subresource=status")
    assert cairn.findings("work") == (1, [(id_of(two[1]), "object", "WrongDigest")])
    code, text, _ = cairn.run("verify", "work")
    named = f"PROBLEM WrongDigest in object of {id_of(two[1])} ({name_of(two[1])}): texts["
    assert code == 1 and text.startswith(named), text
    assert cairn.run("diff", id_of(two[0]), name_of(two[1]))[0] == 1, "its row is whole"
    alone = Cairn(solo)
    assert alone.run("diff", name_of(two[0]), name_of(two[1]))[0] == 2, "no row was asked for"
    assert alone.findings("work")[0] == 1


def test_the_database_may_be_away(two: tuple[Object, Object], cairn: Cairn, postgres: PostgresServer) -> None:
    postgres.stop()
    try:
        code, report = cairn.json("verify", "work")
        assert (code, report["verified"], report["rows"], report["findings"]) == (2, 2, 0, [])
        assert "refused" in report["withoutRows"]
        assert cairn.run("diff", name_of(two[0]), name_of(two[1]))[0] == 1
    finally:
        postgres.start()
    assert until(lambda: cairn.run("verify", "work")[0] == 0, "all is well again")


def test_a_deleted_checkpoint_is_not_missing(
    two: tuple[Object, Object], solo: Kube, start_operator: Start, rows: Rows, cairn: Cairn
) -> None:
    start_operator(solo, DATABASE_URL=rows.url)
    solo.kubectl("delete", "ckpt", name_of(two[0]), "--timeout=30s")
    code, report = cairn.json("verify", "work")
    assert (code, report["findings"], report["deleted"]) == (0, [], 1)
    assert cairn.run("verify", "work")[1].endswith("1 verified, 0 problems, 1 deleted\n")
