"""The verbs that read, and checkpoints as files, on a real API server with an operator at work."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.jobs import condition, hanging, job, release
from support.kube import Kube, Object, until

pytestmark = [pytest.mark.cluster]

OUTPUTS = {"message": '{"rows": 3}'}


def cairn(kube: Kube, *words: str, namespace: str = "") -> subprocess.CompletedProcess[str]:
    """The command line, as the user of the kubeconfig."""
    environment = os.environ | {"KUBECONFIG": str(kube.kubeconfig), "CAIRN_API_URL": "", "COLUMNS": "200"}
    command = [sys.executable, "-m", "cairn", *words, "-n", namespace or kube.namespace]
    return subprocess.run(command, env=environment, text=True, capture_output=True, check=False)


def said(kube: Kube, *words: str) -> str:
    """What a verb says that has something to say, and nothing to complain of."""
    done = cairn(kube, *words)
    assert (done.returncode, done.stderr) == (0, ""), (done.stdout, done.stderr)
    return done.stdout


def answer(kube: Kube, *words: str) -> Any:
    """The same, for programs."""
    return json.loads(said(kube, *words, "-o", "json"))


@pytest.fixture
def target(served: Kube) -> Iterator[Kube]:
    """Another namespace that the operator of `served` serves."""
    there = Kube(served.binary, served.kubeconfig, f"{served.namespace}-target")
    there.kubectl("create", "namespace", there.namespace)
    until(lambda: there.kubectl("get", "serviceaccount", "default", check=False).returncode == 0, "a service account")
    yield there
    there.kubectl("delete", "namespace", there.namespace, "--wait=false", check=False)


@pytest.fixture
def train(served: Kube) -> Kube:
    """An execution of which one job is done, one runs, one waits, saved once the first was done."""
    served.run("train", job("fetch", fake=OUTPUTS), hanging("fit", "fetch"), job("report", "fit"),
               checkpoint={"triggers": ["job-completed"]})  # fmt: skip
    until(lambda: served.job("train", "fit").get("startedAt"), "fit runs")
    until(lambda: [c for c in served.list("ckpt") if c.get("status", {}).get("phase") == "Ready"], "it is saved")
    return served


def test_a_run_as_it_is(train: Kube) -> None:
    [listed] = answer(train, "list", "--phase", "Running")["items"]
    assert (listed["name"], listed["phase"], listed["progress"]) == ("train", "Running", "1/3")
    assert f"dagexecution.cairn.dev/{listed['name']}\n" == said(train, "list", "-o", "name")
    assert train.namespace in said(train, "list", "-A")
    uid = train.get("dagx", "train")["metadata"]["uid"]
    shown = said(train, "get", uid)
    assert "1 pending, 1 running, 1 completed" in shown and "fetch" in shown
    assert answer(train, "get", "train")["id"] == uid
    assert "fit" in said(train, "graph", "train") and said(train, "graph", "train", "--format", "svg")[:4] == "<svg"
    assert "fit" in answer(train, "why", "train", "report")["headline"]
    assert answer(train, "outputs", "train") == {"fetch": {"rows": 3}}
    [saved] = answer(train, "checkpoints", "train", "--trigger", "job-completed")["items"]
    assert (saved["phase"], saved["execution"], saved["executionId"]) == ("Ready", "train", uid)
    assert saved["objectName"] in said(train, "checkpoints")
    assert answer(train, "stats", "train")["totalCheckpoints"] == 1
    assert answer(train, "verify", "train")["verified"] == 1


def test_watching_to_the_end(train: Kube) -> None:
    environment = os.environ | {"KUBECONFIG": str(train.kubeconfig)}
    command = [sys.executable, "-u", "-m", "cairn", "watch", "train", "-n", train.namespace]
    with subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE) as watching:
        assert watching.stdout is not None
        before = watching.stdout.readline()
        release(train, "train", "fit")
        rest = watching.stdout.read()
    assert before.endswith("train  Running\n") and "train/report  Completed" in rest
    assert watching.returncode == 0 and "train  Succeeded" in rest


def test_a_log_outlives_its_pod(train: Kube) -> None:
    [result] = train.list("jobresults", "-l", "cairn.dev/job=fetch")
    train.patch("jobresult", result["metadata"]["name"], {"status": {"logTail": "one\ntwo\n"}})
    away = cairn(train, "logs", "train", "fetch", "--tail", "1")  # a fake node serves no logs
    train.kubectl("delete", "pods", "-l", "cairn.dev/job=fetch", "--force", "--grace-period=0")
    gone = cairn(train, "logs", "train", "fetch", "--tail", "1")
    for kept in (away, gone):
        assert (kept.returncode, kept.stdout) == (0, "two\n"), kept
        assert "is gone, or out of reach" in kept.stderr


def exported(train: Kube, tmp_path: Path) -> tuple[Path, Object]:
    """A checkpoint of it as a file; then nothing is left of it."""
    [found] = [c for c in train.list("ckpt") if c["status"]["phase"] == "Ready"]
    file = tmp_path / "saved.yaml"
    said(train, "export", found["metadata"]["name"], "-o", str(file))
    train.kubectl("delete", "dagx", "train", "--timeout=60s")
    train.kubectl("delete", "ckpt", "--all", "--timeout=60s")
    return file, found


def test_a_checkpoint_travels_as_a_file(train: Kube, target: Kube, tmp_path: Path) -> None:
    file, found = exported(train, tmp_path)
    id = found["status"]["checkpointId"]
    assert said(target, "import", str(file), "--name", "brought-in") == (
        f"checkpoint.cairn.dev/brought-in imported: {id}\n"
    )
    there = target.get("ckpt", "brought-in")
    assert there["status"]["state"] == found["status"]["state"] and there["spec"]["pinned"]
    assert answer(target, "verify", "train")["verified"] == 1
    done = cairn(target, "fork", "brought-in", "--name", "again")
    assert done.returncode == 0, done.stderr
    until(lambda: target.job("again", "fit").get("startedAt"), "what was not completed runs")
    assert target.job("again", "fetch")["state"] == "Completed"
    assert answer(target, "outputs", "again", "fetch") == {"rows": 3}
    assert said(target, "import", str(file), "--name", "brought-in").endswith(f"unchanged: {id}\n")


def test_an_operator_leaves_what_is_brought_in_to_whoever_fills_it(train: Kube, target: Kube, tmp_path: Path) -> None:
    file, _ = exported(train, tmp_path)
    written = yaml.safe_load(file.read_text())
    half = {key: written[key] for key in ("apiVersion", "kind", "spec")}
    annotations = {"cairn.dev/imported": "true"}
    target.apply(half | {"metadata": {"name": "half", "annotations": annotations}})
    target.apply(half | {"metadata": {"name": "plain"}})
    failed = until(lambda: target.get("ckpt", "plain").get("status"), "the operator has looked at both")
    assert condition({"status": failed}, "Ready")["reason"] == "ExecutionNotFound"
    assert "status" not in target.get("ckpt", "half")
    said(target, "import", str(file), "--name", "half")
    assert target.get("ckpt", "half")["status"]["phase"] == "Ready"


def test_nothing_of_a_changed_file_gets_in(train: Kube, target: Kube, tmp_path: Path) -> None:
    file, _ = exported(train, tmp_path)
    written = yaml.safe_load(file.read_text())
    written["status"]["digest"] = "0" * 64
    file.write_text(yaml.safe_dump(written))
    done = cairn(target, "import", str(file))
    assert (done.returncode, done.stdout) == (2, "") and "nothing was imported" in done.stderr
    assert target.list("ckpt") == []


def test_who_may_not_read_is_told_so(train: Kube, tmp_path: Path) -> None:
    train.kubectl("create", "serviceaccount", "nobody")
    token = train.kubectl("create", "token", "nobody").stdout.strip()
    config = yaml.safe_load(train.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": token}
    limited = tmp_path / "kubeconfig"
    limited.write_text(yaml.safe_dump(config))
    nobody = Kube(train.binary, limited, train.namespace)
    for words in (("list",), ("get", "train"), ("checkpoints",), ("logs", "train", "fetch"), ("stats",)):
        done = cairn(nobody, *words)
        assert (done.returncode, done.stdout) == (2, "") and "nobody" in done.stderr, (words, done)
